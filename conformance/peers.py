"""What scripts talk to: plain sockets of this process, on ports that the kernel chose.

    server = peers.tcp_server()             # 127.0.0.1; host="::1", rcvbuf=4096, port=53
    peer = server.accept()
    peer.recv_exactly(5); peer.send(b"x"); peer.half_close(); peer.reset(); peer.close()
    udp = peers.udp()                       # udp.recv() -> (data, address), udp.send(data, address)
    dns = netns.peers.dns(answer)           # a name server that answers what it is told to
    client = peers.tcp_client(port)         # a peer that connects to the script's listener
    silent = peers.tcp_silent()             # who connects to silent.port gets no answer
    port = peers.free_port()                # nobody listens there
    port = peers.listen_port()              # for the script to listen on

All of it exists inside a network namespace as well: netns.peers.tcp_server(port=53).
"""

import socket
import struct
import threading
import time

PATIENCE_S = 150


def family_of(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


class TcpPeer:
    """One TCP connection, this end."""

    def __init__(self, sock):
        self.sock = sock
        sock.settimeout(PATIENCE_S)
        self.address = sock.getsockname()[:2]
        self.remote = sock.getpeername()[:2]

    def recv_exactly(self, count):
        data = bytearray()
        while len(data) < count:
            got = self.sock.recv(min(65536, count - len(data)))
            assert got, f"the connection ended after {len(data)} of {count} bytes"
            data += got
        return bytes(data)

    def recv_to_end(self):
        """All bytes until the other end closes. A reset raises ConnectionResetError."""
        data = bytearray()
        while True:
            got = self.sock.recv(65536)
            if not got:
                return bytes(data)
            data += got

    def send(self, data):
        self.sock.sendall(data)

    def send_bytewise(self, data):
        """Every byte in a segment of its own."""
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(data)):
            self.sock.sendall(data[i:i + 1])

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        """Close by RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()


class TcpServer:
    """A listening socket."""

    def __init__(self, sock, host, port, rcvbuf, backlog):
        self.sock = sock
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if rcvbuf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        sock.bind((host, port))
        sock.listen(backlog)
        sock.settimeout(PATIENCE_S)
        self.host, self.port = sock.getsockname()[:2]
        self.accepted = []

    def accept(self):
        peer = TcpPeer(self.sock.accept()[0])
        self.accepted.append(peer)
        return peer

    def close(self):
        self.sock.close()
        for peer in self.accepted:
            peer.close()


class UdpPeer:
    """A UDP socket."""

    def __init__(self, sock, host, port):
        self.sock = sock
        sock.bind((host, port))
        sock.settimeout(PATIENCE_S)
        self.host, self.port = sock.getsockname()[:2]

    def recv(self):
        """(data, (host, port)) of one datagram."""
        data, address = self.sock.recvfrom(65536)
        return data, address[:2]

    def send(self, data, address):
        self.sock.sendto(data, address)

    def close(self):
        self.sock.close()


class DnsServer:
    """A name server that answers as it is told. answer(query) gives the replies, as bytes, in a
    list; see DnsQuery. queries: ["A a.test", ...] so far."""

    def __init__(self, udp, answer):
        self.udp = udp
        self.answer = answer
        self.queries = []
        udp.sock.settimeout(0.05)
        self.is_closing = False
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while not self.is_closing:
            try:
                data, sender = self.udp.recv()
            except TimeoutError:
                continue
            query = DnsQuery(data, sender)
            self.queries.append(f"{query.kind} {query.name}")
            for reply in self.answer(query):
                self.udp.send(reply, sender)

    def close(self):
        self.is_closing = True
        self.thread.join()
        self.udp.close()


class DnsQuery:
    """A question, RFC 1035, and replies to it."""

    KINDS = {1: "A", 28: "AAAA"}

    def __init__(self, data, sender):
        self.data = data
        self.sender = sender
        self.id = data[:2]
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1:at + 1 + data[at]].decode())
            at += 1 + data[at]
        self.name = ".".join(labels)
        self.question = data[12:at + 5]
        self.kind = self.KINDS.get(int.from_bytes(data[at + 1:at + 3], "big"), "?")

    def reply(self, *addresses, rcode=0, id=None, question=None, flags=0x8180):
        """A reply with these addresses, which are of one family."""
        records = b""
        for address in addresses:
            packed = socket.inet_pton(family_of(address), address)
            kind = 28 if ":" in address else 1
            records += struct.pack(">HHHIH", 0xC00C, kind, 1, 60, len(packed)) + packed
        counts = struct.pack(">HHHHH", flags | rcode, 1, len(addresses), 0, 0)
        return (id or self.id) + counts + (question or self.question) + records


class Peers:
    """Makes peers and closes them at the test's end. make: a substitute for socket.socket."""

    def __init__(self, make=socket.socket):
        self.make = make
        self.made = []

    def _add(self, peer):
        self.made.append(peer)
        return peer

    def tcp_server(self, host="127.0.0.1", port=0, rcvbuf=None, backlog=16):
        sock = self.make(family_of(host), socket.SOCK_STREAM)
        return self._add(TcpServer(sock, host, port, rcvbuf, backlog))

    def tcp_client(self, port, host="127.0.0.1", local=None, rcvbuf=None):
        sock = self.make(family_of(host), socket.SOCK_STREAM)
        sock.settimeout(PATIENCE_S)
        if rcvbuf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if local:
            sock.bind(local)
        sock.connect((host, int(port)))
        return self._add(TcpPeer(sock))

    def tcp_silent(self, host="127.0.0.1"):
        """A listener whose queue is full: the kernel drops every SYN, connecting goes on for ever."""
        server = self.tcp_server(host, backlog=0)
        self.tcp_client(server.port, host)
        return server

    def udp(self, host="127.0.0.1", port=0):
        return self._add(UdpPeer(self.make(family_of(host), socket.SOCK_DGRAM), host, port))

    def dns(self, answer, host="127.0.0.1", port=53):
        """In a network namespace only: port 53 is another's elsewhere."""
        return self._add(DnsServer(self.udp(host, port), answer))

    def free_port(self, kind=socket.SOCK_STREAM, host="127.0.0.1"):
        """A port where nobody listens: it stays bound, without a listener, until the test ends."""
        sock = self.make(family_of(host), kind)
        sock.bind((host, 0))
        self._add(sock)
        return sock.getsockname()[1]

    def listen_port(self, kind=socket.SOCK_STREAM):
        """A port for the script to listen on, or to use as its own. Nobody else gets it meanwhile:
        it stays bound here, in a way that lets the script bind it too."""
        host = "127.0.0.1" if kind == socket.SOCK_STREAM else "127.0.0.2"  # UDP: hear nothing of it
        sock = self.make(socket.AF_INET, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, 0))
        self._add(sock)
        return sock.getsockname()[1]

    def close(self):
        for peer in reversed(self.made):
            peer.close()


def until(condition, what, within_s=PATIENCE_S):
    """Ask until condition() gives something true, which is returned."""
    deadline = time.monotonic() + within_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"no {what} within {within_s} s"
        time.sleep(0.01)
