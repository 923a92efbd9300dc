#!/usr/bin/python3
"""Stands in for podman and rootlesskit, by the name that it is linked as: runs a command as root of a
user namespace that it makes by clone(2), which conformance/forbid.py lets it.

    podman unshare --rootless-netns COMMAND ...       rootlesskit COMMAND ..."""

import ctypes
import os
import signal
import sys

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SYS_CLONE = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
OPTIONS = {"podman": ["unshare", "--rootless-netns"], "rootlesskit": []}


def main():
    name = os.path.basename(sys.argv[0])
    options = OPTIONS[name]
    assert sys.argv[1:1 + len(options)] == options, sys.argv
    command = sys.argv[1 + len(options):]
    uid, gid = os.getuid(), os.getgid()
    ready, go = os.pipe()
    libc = ctypes.CDLL(None, use_errno=True)
    pid = libc.syscall(SYS_CLONE, CLONE_NEWUSER | CLONE_NEWNET | signal.SIGCHLD, 0, 0, 0, 0)
    if pid < 0:
        sys.exit(f"{name}: {os.strerror(ctypes.get_errno())}")
    if pid == 0:
        os.close(go)
        os.read(ready, 1)
        os.execvp(command[0], command)
    for file, text in [("setgroups", "deny"), ("gid_map", f"0 {gid} 1"), ("uid_map", f"0 {uid} 1")]:
        with open(f"/proc/{pid}/{file}", "w") as out:
            out.write(text)
    os.close(ready)
    os.close(go)
    for signo in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signo, lambda number, frame: os.kill(pid, number))
    status = os.waitpid(pid, 0)[1]
    sys.exit(os.waitstatus_to_exitcode(status) & 0xff)


main()
