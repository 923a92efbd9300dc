"""Run a command as on a kernel without Landlock: without_landlock.py COMMAND ARGUMENT...

A seccomp filter (seccomp(2)) answers landlock_create_ruleset(2) with ENOSYS, for good."""

import ctypes
import errno
import os
import struct
import sys

LANDLOCK_CREATE_RULESET = 444  # of every architecture
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
RET_ERRNO, RET_ALLOW = 0x00050000, 0x7FFF0000
LOAD_NUMBER, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06

CODE = [(LOAD_NUMBER, 0, 0, 0),  # seccomp_data.nr
        (JUMP_EQUAL, 0, 1, LANDLOCK_CREATE_RULESET),
        (RETURN, 0, 0, RET_ERRNO | errno.ENOSYS),
        (RETURN, 0, 0, RET_ALLOW)]


def main():
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in CODE))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(CODE), ctypes.addressof(code)))
    for arguments in [(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program)]:
        if libc.prctl(*arguments) != 0:
            sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    os.execvp(sys.argv[1], sys.argv[1:])


main()
