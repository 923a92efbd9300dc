"""What the kernel does, as far as adapters/posix_tcp.c and posix_udp.c rest on it.

When one of these fails on a new kernel, the adapter is wrong there, whatever its own tests say.
"""

import errno
import fcntl
import select
import socket
import struct

import pytest

from peers import PATIENCE_S, until

SIOCOUTQ = 0x5411  # linux/sockios.h
FIONREAD = 0x541B  # asm-generic/ioctls.h
SO_TIMESTAMPING = 37  # asm-generic/socket.h
MSG_ERRQUEUE = 0x2000
SOF_TIMESTAMPING_SOFTWARE = 1 << 4  # linux/net_tstamp.h
SOF_TIMESTAMPING_TX_ACK = 1 << 9
SOF_TIMESTAMPING_OPT_TSONLY = 1 << 11


def ioctl_int(sock, request):
    return struct.unpack("i", fcntl.ioctl(sock, request, struct.pack("i", 0)))[0]


def unacked(sock):
    return ioctl_int(sock, SIOCOUTQ)


def pending(sock):
    return ioctl_int(sock, FIONREAD)


def pair(peers, rcvbuf=None):
    """Two ends of a TCP connection; the first does not block."""
    server = peers.tcp_server(rcvbuf=rcvbuf)
    ours = peers.tcp_client(server.port).sock
    theirs = server.accept()
    ours.setblocking(False)
    return ours, theirs


def fill(sock):
    """Send until the kernel has no more room; returns how much it took."""
    total = 0
    try:
        while True:
            total += sock.send(b"x" * 65536)
    except BlockingIOError:
        return total


class Watch:
    """An edge-triggered epoll on one socket, as emu/loop.c has it."""

    def __init__(self, sock):
        self.epoll = select.epoll()
        self.sock = sock
        self.epoll.register(sock, select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET)

    def next(self, wanted, timeout=PATIENCE_S):
        """Wait for events that have a bit of `wanted`; returns them."""
        def look():
            events = self.epoll.poll(0.1)
            return events and events[0][1] & wanted and events[0][1]

        return until(look, f"event {wanted:#x}", timeout)

    def is_silent(self):
        return not self.epoll.poll(0)


# ---- acknowledgements -------------------------------------------------------------------------


def test_siocoutq_counts_what_the_peer_has_not_acknowledged(peers):
    """It does not fall to 0 when the kernel takes the bytes, but when the peer's kernel has them."""
    ours, theirs = pair(peers, rcvbuf=2048)
    total = fill(ours)
    assert 0 < unacked(ours) <= total
    theirs.recv_exactly(total)
    until(lambda: unacked(ours) == 0, "acknowledgement of everything")


def test_the_acknowledgement_of_a_small_write_needs_no_reader(peers):
    """A peer's kernel acknowledges what its program has not read: so does a module's."""
    ours, _ = pair(peers)
    ours.send(b"hello")
    until(lambda: unacked(ours) == 0, "acknowledgement")


def send_stamped(sock, data):
    stamp = struct.pack("I", SOF_TIMESTAMPING_TX_ACK)
    return sock.sendmsg([data], [(socket.SOL_SOCKET, SO_TIMESTAMPING, stamp)])


def switch_stamps_on(sock):
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING,
                    SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY)


def test_a_write_that_asks_for_it_is_reported_when_acknowledged(peers):
    """The report wakes epoll by EPOLLERR, SO_ERROR is 0, and SIOCOUTQ is already up to date."""
    ours, _ = pair(peers)
    switch_stamps_on(ours)
    watch = Watch(ours)
    send_stamped(ours, b"hello")
    assert watch.next(select.EPOLLERR)
    assert unacked(ours) == 0
    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    data, control, _, _ = ours.recvmsg(0, 256, MSG_ERRQUEUE)
    assert data == b"" and control, "OPT_TSONLY: no copy of what was sent"
    with pytest.raises(BlockingIOError):
        ours.recvmsg(0, 256, MSG_ERRQUEUE)


def test_a_write_is_not_reported_before_it_is_acknowledged(peers):
    """Its last byte counts: the peer that does not read has only taken the first of them."""
    ours, theirs = pair(peers, rcvbuf=2048)
    switch_stamps_on(ours)
    total = send_stamped(ours, b"x" * 100_000)
    with pytest.raises(BlockingIOError):
        ours.recvmsg(0, 256, MSG_ERRQUEUE)
    assert unacked(ours) > 0
    theirs.recv_exactly(total)
    until(lambda: unacked(ours) == 0, "acknowledgement of everything")
    assert ours.recvmsg(0, 256, MSG_ERRQUEUE)[1]


def test_a_write_that_does_not_ask_is_not_reported(peers):
    """Asking is by the write, not by the socket."""
    ours, _ = pair(peers)
    switch_stamps_on(ours)
    ours.send(b"hello")
    until(lambda: unacked(ours) == 0, "acknowledgement")
    with pytest.raises(BlockingIOError):
        ours.recvmsg(0, 256, MSG_ERRQUEUE)


def test_an_answer_carries_the_acknowledgement_of_the_question(peers):
    """When data arrives from a peer that has read ours, SIOCOUTQ is 0 already."""
    ours, theirs = pair(peers)
    watch = Watch(ours)
    watch.next(select.EPOLLOUT)
    ours.send(b"question")
    theirs.recv_exactly(8)
    theirs.send(b"answer")
    watch.next(select.EPOLLIN)
    assert unacked(ours) == 0


# ---- receiving --------------------------------------------------------------------------------


def test_every_arrival_is_an_edge_though_data_is_unread(peers):
    """So that each segment is an EVENT without reading anything."""
    ours, theirs = pair(peers)
    watch = Watch(ours)
    for count in range(1, 4):
        theirs.send(b"x")
        watch.next(select.EPOLLIN)
        assert pending(ours) == count
        assert watch.is_silent()


def test_the_end_is_seen_while_data_is_unread(peers):
    """EPOLLRDHUP comes with EPOLLIN; FIONREAD does not count the FIN; the data can be read."""
    ours, theirs = pair(peers)
    watch = Watch(ours)
    theirs.send(b"last words")
    theirs.close()
    events = watch.next(select.EPOLLRDHUP)
    assert events & select.EPOLLIN
    assert pending(ours) == 10
    assert ours.recv(4) == b"last" and pending(ours) == 6
    assert ours.recv(100) == b" words" and pending(ours) == 0
    assert ours.recv(1) == b""


def test_a_half_close_still_takes_what_we_send(peers):
    """EPOLLRDHUP without EPOLLHUP: only their direction is over."""
    ours, theirs = pair(peers)
    watch = Watch(ours)
    theirs.half_close()
    assert not watch.next(select.EPOLLRDHUP) & (select.EPOLLHUP | select.EPOLLERR)
    ours.send(b"hello")
    assert theirs.recv_exactly(5) == b"hello"


def test_a_reset_is_an_error_that_so_error_gives_once(peers):
    """EPOLLERR, EPOLLHUP and EPOLLRDHUP at once; asking for the error clears it."""
    ours, theirs = pair(peers)
    watch = Watch(ours)
    theirs.reset()
    events = watch.next(select.EPOLLERR)
    assert events & select.EPOLLHUP and events & select.EPOLLRDHUP
    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET
    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def test_what_came_before_a_reset_can_be_read(peers):
    """The kernel keeps the receive queue."""
    ours, theirs = pair(peers)
    watch = Watch(ours)
    theirs.send(b"last words")
    until(lambda: pending(ours) == 10, "data")
    theirs.reset()
    watch.next(select.EPOLLERR)
    assert pending(ours) == 10
    assert ours.recv(100) == b"last words"


# ---- opening and closing ----------------------------------------------------------------------


def test_a_refused_connect_ends_with_error_and_hangup(peers):
    """And SO_ERROR says why."""
    port = peers.free_port()
    with socket.socket() as ours:
        ours.setblocking(False)
        assert ours.connect_ex(("127.0.0.1", port)) == errno.EINPROGRESS
        events = Watch(ours).next(select.EPOLLERR)
        assert events & select.EPOLLHUP
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED


def test_closing_with_unread_data_resets_the_connection(peers):
    """That is why a disconnect reads away what is left before it closes."""
    ours, theirs = pair(peers)
    theirs.send(b"unread")
    until(lambda: pending(ours) == 6, "data")
    ours.close()
    with pytest.raises(ConnectionResetError):
        theirs.recv_to_end()


def test_closing_after_reading_all_ends_the_connection_well(peers):
    """FIN: what was sent before arrives first."""
    ours, theirs = pair(peers)
    theirs.send(b"read away")
    until(lambda: pending(ours) == 9, "data")
    ours.send(b"bye")
    ours.shutdown(socket.SHUT_WR)
    assert ours.recv(100) == b"read away"
    ours.close()
    assert theirs.recv_to_end() == b"bye"


def test_a_port_has_one_listener_even_with_reuseaddr(peers):
    """SO_REUSEADDR only forgives old connections; listen() says EADDRINUSE."""
    port = peers.tcp_server().port
    with socket.socket() as second:
        second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError) as caught:
            second.bind(("0.0.0.0", port))
            second.listen()
        assert caught.value.errno == errno.EADDRINUSE


def test_one_listener_serves_ipv6_and_ipv4(peers):
    """IPV6_V6ONLY off: IPv4 clients come as ::ffff:a.b.c.d."""
    with socket.socket(socket.AF_INET6) as listener:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(("::", 0))
        listener.listen()
        peers.tcp_client(listener.getsockname()[1])
        accepted, address = listener.accept()
        accepted.close()
        assert address[0] == "::ffff:127.0.0.1"


# ---- UDP --------------------------------------------------------------------------------------


def test_a_connected_udp_socket_hears_its_peer_only(peers):
    """As lwIP's udp_connect()."""
    friend, stranger = peers.udp(), peers.udp()
    ours = peers.udp()
    ours.sock.connect((friend.host, friend.port))
    stranger.send(b"stranger", (ours.host, ours.port))
    friend.send(b"friend", (ours.host, ours.port))
    assert ours.recv()[0] == b"friend"


def test_a_refused_datagram_fails_the_next_send_and_only_that(peers):
    """The ICMP error is reported instead of sending; the send after it goes out."""
    ours, theirs = peers.udp(), peers.udp(host="127.0.0.2")  # whose ports nobody else takes
    address = (theirs.host, theirs.port)
    ours.sock.connect(address)
    theirs.close()
    ours.sock.send(b"nobody there")
    with pytest.raises(ConnectionRefusedError):
        until(lambda: ours.sock.send(b"fails") < 0, "the report of the first")
    again = peers.udp(*address)
    ours.sock.send(b"arrives")
    assert again.recv()[0] == b"arrives"


def test_broadcast_needs_its_option(peers):
    """EACCES without SO_BROADCAST."""
    ours = peers.udp(host="0.0.0.0")
    with pytest.raises(PermissionError):
        ours.send(b"x", ("255.255.255.255", 9))


def test_two_udp_sockets_share_a_port_with_reuseaddr(peers):
    """So a script can open its port again at once; the last one hears."""
    with socket.socket(type=socket.SOCK_DGRAM) as first, socket.socket(type=socket.SOCK_DGRAM) as second:
        for sock in (first, second):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        first.bind(("127.0.0.1", 0))
        second.bind(first.getsockname())


def test_keepalive_idle_ends_at_32767_seconds():
    """include/net/tcp.h MAX_TCP_KEEPIDLE."""
    with socket.socket() as ours:
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 32767)
        with pytest.raises(OSError):
            ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 32768)
