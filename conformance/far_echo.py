"""An echo server at the far end of a link; prints its port. argv: how many messages a connection
gets back before it is closed. Run by test_links.py, in a namespace of its own."""

import socket
import sys
import threading


def serve(connection, messages):
    with connection:
        for _ in range(messages):
            data = connection.recv(4096)
            if not data:
                return
            connection.sendall(data)


def main():
    server = socket.create_server(("0.0.0.0", 0))
    print(server.getsockname()[1], flush=True)
    while True:
        threading.Thread(target=serve, args=(server.accept()[0], int(sys.argv[1])),
                         daemon=True).start()


main()
