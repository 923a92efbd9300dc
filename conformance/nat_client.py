"""A computer on a network of its own, for test_nat.py: does what it is told, line by line.

connect HOST PORT    a TCP connection, which is kept
try HOST PORT        "yes" or "no": whether it can be made, within a second and a half
send HOST PORT       a datagram, "hello"
receive              the answer to it
"""

import socket
import sys


def main():
    print("ready", flush=True)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.settimeout(150)
    kept = []
    for line in sys.stdin:
        verb, *words = line.split()
        answer = "done"
        if verb == "connect":
            kept.append(socket.create_connection((words[0], int(words[1])), 150))
        elif verb == "try":
            try:
                socket.create_connection((words[0], int(words[1])), 1.5).close()
                answer = "yes"
            except OSError:
                answer = "no"
        elif verb == "send":
            udp.sendto(b"hello", (words[0], int(words[1])))
        elif verb == "receive":
            answer = udp.recv(100).decode()
        print(answer, flush=True)


main()
