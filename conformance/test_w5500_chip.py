"""The W5500's own stack against Linux's: a driver outside, over VSPI/1, and a veth between the two."""

import socket
import struct
import subprocess
import threading

import pytest
from pcap import why_not
from vspi import (CABLE, COMMON, INTN, IR, LINKLED, MR, RSTN, SIMR, SIR, UIPR, UPORTR, Vspi)
from w5500_driver import (CLOSE_WAIT, CLOSED, CON, DISCON, DISCONNECTED, DPORT, DIPR, ESTABLISHED,
                          IPRAW, IR as SN_IR, LISTEN, LISTENING, MACRAW, RECEIVED, SENDOK, SYNRECV,
                          TCP, TIMEOUT, TX_FSR, UDP, Socket, configure)

MAC = bytes.fromhex("020000005500")
MAC_TEXT = "02:00:00:00:55:00"
CHIP, PEER, GHOST = "10.9.0.2", "10.9.0.1", "10.9.0.77"  # nobody is the ghost: a test speaks for it
GHOST_MAC = bytes.fromhex("020000000077")
PB, UNREACH = 0x10, 0x40
RTR_MS_10 = 100
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 0x10
PATIENCE_S = 20


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def receive(peer, size):
    """So many bytes of a stream, or fewer if it ends."""
    data = b""
    while len(data) < size:
        part = peer.recv(size - len(data))
        if not part:
            break
        data += part
    return data


class Bench:
    """A chip at one end of a cable, and a Linux at the other."""

    def __init__(self, netns, run, chip):
        self.netns, self.run, self.chip = netns, run, chip
        self.pinger = None

    def setup(self, **options):
        configure(self.chip, MAC, CHIP, PEER, **options)

    def server(self):
        """A listener of Linux's, and its port."""
        listener = self.socket()
        listener.bind((PEER, 0))
        listener.listen()
        return listener, listener.getsockname()[1]

    def socket(self, *args):
        made = self.netns.socket(*args)
        made.settimeout(PATIENCE_S)
        return made

    def ping(self, sequence):
        """Send an echo request; the answer is for answered()."""
        if not self.pinger:
            self.pinger = self.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        echo = struct.pack(">BBHHH", 8, 0, 0, 7, sequence) + b"luatos"
        self.pinger.sendto(echo[:2] + struct.pack(">H", checksum(echo)) + echo[4:], (CHIP, 0))

    def answered(self):
        """Number of the next echo that the chip answers."""
        while True:
            packet, (source, _) = self.pinger.recvfrom(2000)
            if source == CHIP and packet[20] == 0 and packet[28:] == b"luatos":
                return struct.unpack(">H", packet[26:28])[0]


@pytest.fixture
def bench(alone, netns, tmp_path):
    """Started with its address set; its cable is lan0 in there."""
    with alone("--bind", "veth:lan0", "--capture", tmp_path / "wire.pcapng", netns=netns) as chip:
        netns.run("ip", "addr", "add", f"{PEER}/24", "dev", "lan0")
        netns.run("ip", "link", "set", "lan0", "up")
        with Vspi(chip.path) as client:
            client.reset()
            made = Bench(netns, chip.run, client)
            made.setup()
            yield made


# ---- ARP and ICMP ---------------------------------------------------------------------------------


def test_a_ping_is_answered_by_the_chip_s_own_mac(bench):
    bench.ping(1)
    assert bench.answered() == 1
    neighbours = subprocess.run(bench.netns.command(["ip", "neigh", "show", CHIP]), check=True,
                                capture_output=True, text=True).stdout
    assert MAC_TEXT in neighbours


def test_pb_silences_ping_and_nothing_else(bench):
    """MR.PB, ping block: what was asked meanwhile is never answered, and a connection is."""
    bench.chip.write(COMMON, MR, [PB])
    bench.chip.read(COMMON, MR)
    bench.ping(1)
    with pytest.raises(ConnectionRefusedError):
        bench.socket().connect((CHIP, 9))
    bench.chip.write(COMMON, MR, [0])
    bench.chip.read(COMMON, MR)
    bench.ping(2)
    assert bench.answered() == 2


# ---- TCP ------------------------------------------------------------------------------------------


def connected(bench, number=0):
    """A client of the chip's, and Linux's end."""
    listener, port = bench.server()
    sock = Socket(bench.chip, TCP, 40000 + number, number)
    sock.connect(PEER, port)
    peer, _ = listener.accept()
    peer.settimeout(PATIENCE_S)
    sock.wait_status(ESTABLISHED)
    sock.wait_ir(CON)
    return sock, peer


def test_a_client_speaks_with_a_server(bench):
    sock, peer = connected(bench)
    sock.send(b"hello" * 100)
    sock.wait_ir(SENDOK)
    assert receive(peer, 500) == b"hello" * 100
    peer.sendall(b"world" * 100)
    sock.wait_ir(RECEIVED)
    assert sock.take(500) == b"world" * 100
    sock.command(DISCON)
    assert peer.recv(1) == b""
    peer.close()
    sock.wait_status(CLOSED)


def test_many_bytes_come_through_both_buffers(bench):
    sock, peer = connected(bench)
    data = bytes(i * 7 % 251 for i in range(60000))
    for at in range(0, len(data), 1000):
        bench.chip.wait(lambda: sock.read_u16(TX_FSR) >= 1000, "room")
        sock.send(data[at:at + 1000])
    assert receive(peer, len(data)) == data
    sender = threading.Thread(target=peer.sendall, args=(data,), daemon=True)
    sender.start()
    assert b"".join(sock.take(1000) for _ in range(0, len(data), 1000)) == data
    sender.join(PATIENCE_S)


def test_a_server_accepts_and_tells_who_it_is(bench):
    sock = Socket(bench.chip, TCP, 7777)
    sock.command(LISTEN)
    sock.wait_status(LISTENING)
    peer = bench.socket()
    peer.connect((CHIP, 7777))
    sock.wait_ir(CON)
    assert sock.status() == ESTABLISHED
    assert sock.read(DIPR, 4) == socket.inet_aton(PEER)
    assert sock.read_u16(DPORT) == peer.getsockname()[1]
    second = bench.socket()
    with pytest.raises(ConnectionRefusedError):
        second.connect((CHIP, 7777))
    peer.sendall(b"x")
    peer.shutdown(socket.SHUT_WR)
    sock.wait_ir(DISCONNECTED)
    assert sock.status() == CLOSE_WAIT
    assert sock.take(1) == b"x"
    sock.send(b"bye")
    assert receive(peer, 3) == b"bye"
    sock.command(DISCON)
    sock.wait_status(CLOSED)
    assert peer.recv(1) == b""


def test_a_closed_port_refuses_both_ways(bench):
    listener, port = bench.server()
    listener.close()
    sock = Socket(bench.chip, TCP, 40001)
    sock.connect(PEER, port)
    sock.wait_status(CLOSED)
    with pytest.raises(ConnectionRefusedError):
        bench.socket().connect((CHIP, 9))


def test_nobody_there_is_a_timeout(bench):
    bench.setup(rtr=RTR_MS_10, rcr=2)
    sock = Socket(bench.chip, TCP, 40002)
    sock.connect("10.9.0.99", 80)
    sock.wait_ir(TIMEOUT)
    assert sock.status() == CLOSED


def test_a_reset_by_the_peer_closes(bench):
    sock, peer = connected(bench)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    sock.wait_status(CLOSED)


def test_rstn_in_the_middle_says_nothing_to_the_peer(bench):
    sock, peer = connected(bench)
    sock.send(b"before")
    assert receive(peer, 6) == b"before"
    bench.chip.reset()
    assert sock.status() == CLOSED
    peer.setblocking(False)
    with pytest.raises(BlockingIOError):
        peer.recv(1)
    bench.setup()
    peer.settimeout(PATIENCE_S)
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        peer.sendall(b"are you there?")
        peer.recv(1)


def test_a_cable_that_comes_back_loses_nothing(bench):
    sock, peer = connected(bench)
    bench.chip.pin(CABLE, 0)
    assert bench.chip.pins() & LINKLED
    peer.sendall(b"while it was out")
    bench.chip.pin(CABLE, 1)
    bench.chip.wait_link()
    assert sock.take(16) == b"while it was out"
    sock.send(b"and back")
    assert receive(peer, 8) == b"and back"


# ---- UDP, IPRAW, MACRAW ---------------------------------------------------------------------------


def test_datagrams_go_both_ways(bench):
    peer = bench.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.bind((PEER, 0))
    sock = Socket(bench.chip, UDP, 5000, number=3)
    sock.aim(PEER, peer.getsockname()[1])
    sock.send(b"ping")
    sock.wait_ir(SENDOK)
    assert peer.recvfrom(100) == (b"ping", (CHIP, 5000))
    peer.sendto(b"first", (CHIP, 5000))
    peer.sendto(b"second", (CHIP, 5000))
    assert sock.take_datagram() == (PEER, peer.getsockname()[1], b"first")
    assert sock.take_datagram() == (PEER, peer.getsockname()[1], b"second")


def test_an_unreachable_port_is_told(bench):
    """UIPR, UPORTR: who it was, and to which port it was sent."""
    free = bench.socket(socket.AF_INET, socket.SOCK_DGRAM)
    free.bind((PEER, 0))
    port = free.getsockname()[1]
    free.close()
    sock = Socket(bench.chip, UDP, 5001)
    sock.aim(PEER, port)
    sock.send(b"anybody?")
    bench.chip.wait(lambda: bench.chip.read(COMMON, IR)[0] & UNREACH, "UNREACH")
    assert bench.chip.read(COMMON, UIPR, 4) == socket.inet_aton(PEER)
    assert bench.chip.read_u16(COMMON, UPORTR) == port
    bench.chip.write(COMMON, IR, [UNREACH])
    assert not bench.chip.read(COMMON, IR)[0] & UNREACH


def test_linux_is_told_of_the_chip_s_closed_port(bench):
    peer = bench.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.connect((CHIP, 9))
    peer.send(b"anybody?")
    with pytest.raises(ConnectionRefusedError):
        peer.recv(1)


def test_ipraw_carries_a_protocol(bench):
    peer = bench.socket(socket.AF_INET, socket.SOCK_RAW, 253)
    sock = Socket(bench.chip, IPRAW, proto=253)
    sock.aim(PEER, 0)
    sock.send(b"raw")
    packet = peer.recv(100)
    assert packet[9] == 253 and packet[20:23] == b"raw"
    peer.sendto(b"war", (CHIP, 0))
    head = sock.take(6)
    assert head == socket.inet_aton(PEER) + b"\0\3"
    assert sock.take(3) == b"war"


def packets(bench):
    """All frames on the cable, as Linux sees them."""
    tap = bench.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    tap.bind(("lan0", 0))
    return tap


def test_macraw_carries_frames(bench):
    tap = packets(bench)
    sock = Socket(bench.chip, MACRAW, number=0, flags=0x80)
    frame = b"\xff" * 6 + MAC + b"\x88\xb5" + b"macraw".ljust(46, b"\0")
    sock.send(frame)
    while tap.recv(2000) != frame:
        pass
    answer = MAC + GHOST_MAC + b"\x88\xb5" + b"warcam".ljust(46, b"\0")
    tap.send(answer)
    for _ in range(100):
        size = struct.unpack(">H", sock.take(2))[0]
        if sock.take(size - 2) == answer:
            break
    else:
        pytest.fail("the frame did not come")


# ---- interrupts -----------------------------------------------------------------------------------


def test_an_interrupt_lasts_until_it_is_cleared(bench):
    sock, peer = connected(bench, number=2)
    bench.chip.subscribe()
    bench.chip.write(COMMON, SIMR, [1 << 2])
    assert bench.chip.pins() & INTN
    peer.sendall(b"x")
    bench.chip.wait_interrupt()
    assert bench.chip.read(COMMON, SIR) == bytes([1 << 2])
    sock.write(SN_IR, [RECEIVED])
    assert bench.chip.pins() & INTN
    assert bench.chip.read(COMMON, SIR) == b"\0"


# ---- peers as no Linux is one ---------------------------------------------------------------------


class Segment:
    def __init__(self, frame):
        ip = frame[14:]
        ihl = (ip[0] & 15) * 4
        self.source, self.to = ip[12:16], ip[16:20]
        tcp = ip[ihl:struct.unpack(">H", ip[2:4])[0]]
        self.sport, self.dport, self.seq, self.ack, off, self.flags, self.window = \
            struct.unpack(">HHIIBBH", tcp[:16])
        self.options, self.data = tcp[20:(off >> 4) * 4], tcp[(off >> 4) * 4:]


class Ghost:
    """Speaks TCP frame by frame, as a test says, and answers ARP."""

    def __init__(self, bench, ip=GHOST):
        self.tap = packets(bench)
        self.ip = socket.inet_aton(ip)
        self.seq = 1000
        self.syn = None

    def frames(self):
        while True:
            frame = self.tap.recv(2000)
            if frame[6:12] != MAC:
                continue
            if frame[12:14] == b"\x08\x06" and frame[38:42] == self.ip and frame[20:22] == b"\0\1":
                self.tap.send(MAC + GHOST_MAC + b"\x08\x06" + b"\0\1\x08\0\6\4\0\2" + GHOST_MAC +
                              self.ip + MAC + socket.inet_aton(CHIP) + bytes(18))
            yield frame

    def next(self):
        """The chip's next segment to it."""
        for frame in self.frames():
            if frame[12:14] == b"\x08\0" and frame[23] == 6 and frame[30:34] == self.ip:
                return Segment(frame)

    def send(self, flags, window, sport=80, dport=0, ack=0, options=b"", data=b""):
        head = struct.pack(">HHIIBBHHH", sport, dport, self.seq, ack, (5 + len(options) // 4) << 4,
                           flags, window, 0, 0) + options + data
        pseudo = self.ip + socket.inet_aton(CHIP) + struct.pack(">BBH", 0, 6, len(head))
        head = head[:16] + struct.pack(">H", checksum(pseudo + head)) + head[18:]
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(head), 0, 0, 64, 6, 0) + self.ip + \
            socket.inet_aton(CHIP)
        ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
        self.tap.send((MAC + GHOST_MAC + b"\x08\0" + ip + head).ljust(60, b"\0"))

    def accept(self, sock, window):
        """Be connected to by the chip."""
        sock.connect(GHOST, 80)
        self.syn = self.next()
        assert self.syn.flags == SYN
        self.send(SYN | ACK, window, dport=self.syn.sport, ack=self.syn.seq + 1)
        self.seq += 1
        done = self.next()
        assert done.flags & ACK and not done.data
        sock.wait_status(ESTABLISHED)

    def acknowledge(self, number, window):
        self.send(ACK, window, dport=self.syn.sport, ack=number)


def test_only_mss_is_ever_offered(bench):
    sock, ghost = Socket(bench.chip, TCP, 40010), Ghost(bench)
    ghost.accept(sock, 1000)
    assert ghost.syn.options == b"\2\4" + struct.pack(">H", 1460)


def sent_at_s(bench, path, where):
    """When the chip sent what fits, by its capture; the run ends."""
    bench.run.stop()
    done = subprocess.run(["tshark", "-n", "-r", str(path), "-Y", f"eth.src == {MAC_TEXT} && {where}",
                           "-T", "fields", "-e", "frame.time_relative"],
                          capture_output=True, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


def test_a_peer_that_never_acknowledges_is_given_up(bench, tmp_path):
    """After RTR it is sent again, and then after twice as long each time; RCR + 1 times in all."""
    bench.setup(rtr=2000, rcr=2)
    sock, ghost = Socket(bench.chip, TCP, 40011), Ghost(bench)
    ghost.accept(sock, 1000)
    sock.send(b"anybody?")
    sent = [ghost.next() for _ in range(3)]
    assert {s.data for s in sent} == {b"anybody?"}
    assert len({s.seq for s in sent}) == 1
    sock.wait_ir(TIMEOUT)
    assert sock.status() == CLOSED
    if why_not():
        pytest.skip(why_not())
    times = sent_at_s(bench, tmp_path / "wire.pcapng", "tcp.len == 8")
    assert len(times) == 3
    assert times[1] - times[0] > 0.15 and times[2] - times[1] > 0.3  # 0.2 and 0.4, and never sooner


def test_no_more_is_sent_than_the_peer_s_window(bench):
    sock, ghost = Socket(bench.chip, TCP, 40012), Ghost(bench)
    ghost.accept(sock, 10)
    sock.send(bytes(range(100)))
    first = ghost.next()
    assert first.data == bytes(range(10))
    ghost.acknowledge(first.seq + 10, 5)
    second = ghost.next()
    assert (second.seq, second.data) == (first.seq + 10, bytes(range(10, 15)))
    ghost.acknowledge(second.seq + 5, 1000)
    third = ghost.next()
    assert (third.seq, third.data) == (second.seq + 5, bytes(range(15, 100)))


def test_what_is_beyond_the_window_is_not_taken(bench):
    sock, ghost = Socket(bench.chip, TCP, 40013), Ghost(bench)
    ghost.accept(sock, 1000)
    for _ in range(3):
        ghost.send(ACK | PSH, 1000, dport=ghost.syn.sport, ack=ghost.syn.seq + 1, data=bytes(1000))
        ghost.seq += 1000
    while True:
        answer = ghost.next()
        assert answer.window == 2048 - (answer.ack - 1001)
        if answer.ack >= 3001:
            break
    bench.chip.wait(lambda: sock.waiting() >= 2000, "two segments")
    assert sock.take(2000) == bytes(2000)


def test_a_flood_of_syns_does_not_keep_a_listener_for_ever(bench):
    """The one it answers is given up after TCPto, and then LISTEN is for the next."""
    bench.setup(rtr=RTR_MS_10, rcr=1)
    sock, ghost = Socket(bench.chip, TCP, 7000), Ghost(bench)
    sock.command(LISTEN)
    for i in range(500):
        ghost.ip = socket.inet_aton(f"10.9.0.{100 + i % 100}")
        ghost.seq = i
        ghost.send(SYN, 1000, sport=1000 + i, dport=7000)
    sock.wait_status(CLOSED)
    sock.wait_ir(TIMEOUT)
    again = Socket(bench.chip, TCP, 7000)
    again.command(LISTEN)
    assert again.status() in (LISTENING, SYNRECV)
    peer = bench.socket()
    peer.connect((CHIP, 7000))
    again.wait_status(ESTABLISHED)


# ---- what the wire shows --------------------------------------------------------------------------


def test_analyzers_find_nothing_but_what_the_chip_says(bench, tmp_path):
    """tshark: no option but MSS, windows that are the RX buffer's, no bad checksum."""
    if why_not():
        pytest.skip(why_not())
    sock, peer = connected(bench)
    sock.send(b"a" * 1500)
    assert len(receive(peer, 1500)) == 1500
    peer.sendall(b"b" * 700)
    bench.chip.wait(lambda: sock.waiting() == 700, "700 bytes")
    sock.take(700)
    sock.command(DISCON)
    peer.recv(1)
    peer.close()
    sock.wait_status(CLOSED)
    bench.run.stop()
    done = subprocess.run(
        ["tshark", "-n", "-r", str(tmp_path / "wire.pcapng"), "-o", "tcp.check_checksum:TRUE",
         "-o", "ip.check_checksum:TRUE", "-Y", f"tcp && eth.src == {MAC_TEXT}", "-T", "fields",
         "-e", "tcp.flags.syn", "-e", "tcp.option_kind", "-e", "tcp.window_size_value",
         "-e", "tcp.checksum.status", "-e", "ip.checksum.status"],
        capture_output=True, text=True, check=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(rows) >= 6
    assert all(row[1] == ("2" if row[0] in ("1", "True") else "") for row in rows), rows
    assert {int(row[2]) for row in rows} <= {2048, 2048 - 700}
    assert {row[3] for row in rows} == {row[4] for row in rows} == {"1"}


def test_its_link_can_be_impaired(alone, netns, tmp_path):
    """Rules act on frames, whoever drives the chip."""
    with alone("--bind", "veth:lan0", "--ctl", tmp_path / "ctl", "--impair", "ETH0:up,loss=100%",
               netns=netns) as chip, Vspi(chip.path) as client:
        netns.run("ip", "addr", "add", f"{PEER}/24", "dev", "lan0")
        netns.run("ip", "link", "set", "lan0", "up")
        client.reset()
        made = Bench(netns, chip.run, client)
        made.setup(rtr=RTR_MS_10, rcr=2)
        listener, port = made.server()
        sock = Socket(client, TCP, 40020)
        sock.connect(PEER, port)
        sock.wait_ir(TIMEOUT)
        assert sock.status() == CLOSED
        chip.run.wait_trace("impair", adapter="ETH0")
