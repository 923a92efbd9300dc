"""Run a command where the kernel does not allow something: forbid.py WHAT[,WHAT] COMMAND ARGUMENT...

A seccomp filter (seccomp(2)) refuses it, for good:
    landlock   landlock_create_ruleset(2), as on a kernel without Landlock
    userns     unshare(2) of a user namespace, as in a container or on a hardened system; clone(2) may"""

import ctypes
import errno
import os
import platform
import struct
import sys

LANDLOCK_CREATE_RULESET = 444  # of every architecture
UNSHARE = {"x86_64": 272, "aarch64": 97}[platform.machine()]
CLONE_NEWUSER = 0x10000000
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
RET_ERRNO, RET_ALLOW = 0x00050000, 0x7FFF0000
LOAD, JUMP_EQUAL, JUMP_SET, RETURN = 0x20, 0x15, 0x45, 0x06
NUMBER, ARGUMENT = 0, 16  # offsets in struct seccomp_data

RULES = {
    "landlock": [(LOAD, 0, 0, NUMBER), (JUMP_EQUAL, 0, 1, LANDLOCK_CREATE_RULESET),
                 (RETURN, 0, 0, RET_ERRNO | errno.ENOSYS)],
    "userns": [(LOAD, 0, 0, NUMBER), (JUMP_EQUAL, 0, 3, UNSHARE),
               (LOAD, 0, 0, ARGUMENT), (JUMP_SET, 0, 1, CLONE_NEWUSER),
               (RETURN, 0, 0, RET_ERRNO | errno.EPERM)],
}


def main():
    libc = ctypes.CDLL(None, use_errno=True)
    code = [line for what in sys.argv[1].split(",") for line in RULES[what]] + [(RETURN, 0, 0, RET_ALLOW)]
    lines = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in code))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(code), ctypes.addressof(lines)))
    for arguments in [(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program)]:
        if libc.prctl(*arguments) != 0:
            sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    os.execvp(sys.argv[2], sys.argv[2:])


main()
