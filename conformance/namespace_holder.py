"""Lives in a fresh user, network and mount namespace, and makes sockets there for the tests.

argv: the number of a Unix socket. Each request is a line "family type proto"; the answer is the
socket, as a file descriptor. Ends when the other end does. Run by netns.py.
"""

import array
import socket
import sys


def main():
    control = socket.socket(fileno=int(sys.argv[1]))
    control.sendall(b"ready")
    while True:
        request = control.recv(64)
        if not request:
            return
        with socket.socket(*map(int, request.split())) as made:
            fds = array.array("i", [made.fileno()])
            control.sendmsg([b"s"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])


main()
