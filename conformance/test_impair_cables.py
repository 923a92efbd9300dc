"""Bad networks on cables: veth and tap adapters, whose other end is this machine's.

The emulator runs in a namespace of the test's own, which is its "this machine". Frames are impaired
between the two ends, so the peer sees what really came.
"""

import contextlib
import re
import socket
import subprocess
import threading

import pytest

from bad_networks import US_PER_MS, ctl, foretold, hits, read_all, script, sum16
from peers import until

HOST, DEVICE, DEVICE6, HOST6 = "10.5.0.1", "10.5.0.2", "2001:db8:5::2", "2001:db8:5::1"
ADDRESS = f"ip={DEVICE}/24,gw={HOST},ip6={DEVICE6}/64"
GO, NUMBERS = 7000, 7001  # ports: of a word to begin and one at the end, of what is counted
ALL_PROTOCOLS = 3


class Cable:
    """A kind of binding, and the interface of the other end's that has the address."""

    def __init__(self, netns, kind, ifname, end):
        self.netns, self.bind, self.ifname, self.end = netns, f"LWIP_ETH={kind},{ADDRESS}", ifname, end

    def start(self, emu, text, *options, **more):
        run = emu.start(text, "--bind", self.bind, *options, netns=self.netns, **more)
        if self.ifname == self.end:  # a cable of its own: its end has no address yet
            until(lambda: self.is_there(), "the other end of the cable")
            self.give_address()
        return run

    def is_there(self):
        return subprocess.run(self.netns.command(["ip", "link", "show", self.ifname]),
                              capture_output=True, check=False).returncode == 0

    def give_address(self):
        self.netns.run("ip", "addr", "add", f"{HOST}/24", "dev", self.ifname)
        self.netns.run("ip", "addr", "add", f"{HOST6}/64", "dev", self.ifname, "nodad")


@pytest.fixture(params=["veth", "veth on a bridge", "tap"])
def cable(netns, request):
    if request.param == "veth":
        return Cable(netns, "veth:peer=lan0", "lan0", "lan0")
    if request.param == "tap":
        made = subprocess.run(netns.command(["ip", "tuntap", "add", "tap0", "mode", "tap"]),
                              capture_output=True, check=False)
        if made.returncode:
            pytest.skip("needs /dev/net/tun")
        cable = Cable(netns, "tap:tap0", "tap0", None)
    else:
        netns.run("ip", "link", "add", "br0", "type", "bridge")
        cable = Cable(netns, "veth:peer=lan0,bridge=br0", "br0", None)
    netns.run("ip", "link", "set", cable.ifname, "up")
    cable.give_address()
    return cable


NUMBERED = script("""
local go = socket.create(ETH, "t")
socket.config(go, 7000, true)
while not socket.adapter(ETH) do sys.wait(10) end
assert(libnet.connect("t", 0, go, "10.5.0.1", 7000))
local netc = udp("10.5.0.1", 7001)
log.info("ready")
local count = tonumber(read(go))
for i = 1, count do socket.tx(netc, string.format("%04d", i)) end
sys.wait(200) -- for the last one, if it is held back
socket.tx(go, "end")
read(go)
""")


def send_numbered(emu, cable, rule=None, count=200, seed=1, look=None, options=()):
    """So many numbered datagrams to a socket of ours; what has arrived, the run, and, with an
    interface to look at, the IP packets seen there."""
    packets = []
    options = [*options, *(["--impair", rule] if rule else [])]
    with cable.start(emu, NUMBERED, "--seed", seed, *options) as run:
        run.wait_log("ready")
        peers = cable.netns.peers
        go, peer = peers.udp(host=HOST, port=GO), peers.udp(host=HOST, port=NUMBERS)
        if look:
            frames = cable.netns.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                        socket.htons(ALL_PROTOCOLS))
            frames.bind((look, ALL_PROTOCOLS))
        go.send(str(count).encode(), (DEVICE, GO))
        assert go.recv()[0] == b"end"
        peer.sock.settimeout(0)
        arrived = [int(data) for data, _ in read_all(peer.recv)]
        if look:
            frames.settimeout(0)
            packets = [packet[14:] for packet in read_all(lambda: frames.recv(2048))]
            frames.close()
        go.send(b"over", (DEVICE, GO))
        run.finish()
    return arrived, run, packets


def test_a_seed_decides_what_is_lost(emu, cable):
    """The same ones as on every other kind of link."""
    arrived, run, _ = send_numbered(emu, cable, "LWIP_ETH:up,loss=10%,match=udp:7001")
    lost = foretold(seed=1, adapter=3, percent=10, count=200)
    assert arrived == [n for n in range(1, 201) if n not in lost]
    assert hits(run, "loss", "up") == lost


@pytest.mark.parametrize("option, text", [
    ("--board", "adapters: { LWIP_ETH: { impair: 'up,corrupt=100%,match=udp:7001' } }\n"),
    ("--scenario", "steps:\n- do: impair LWIP_ETH:up,corrupt=100%,match=udp:7001\n"),
])
def test_a_rule_may_come_by_a_file(emu, cable, tmp_path, option, text):
    """On frames, as one of --impair: the link is made so that it can be carried out."""
    path = tmp_path / "x.yaml"
    path.write_text(text)
    arrived, run, _ = send_numbered(emu, cable, count=20, options=[option, path])
    assert arrived == [] and hits(run, "corrupt") == list(range(1, 21))


def test_some_come_twice_and_some_come_late(emu, cable):
    arrived, run, _ = send_numbered(
        emu, cable, "LWIP_ETH:up,duplicate=10%,reorder=10%,match=udp:7001")
    twice, late = hits(run, "duplicate"), hits(run, "reorder")
    assert 5 < len(twice) < 40 and 5 < len(late) < 40
    assert sorted(arrived) == sorted([*range(1, 201), *twice])
    assert arrived != sorted(arrived)


def test_what_is_corrupt_comes_and_its_checksum_is_wrong(emu, cable):
    """One bit of each: a packet socket at the other end sees them, the other end's UDP none."""
    arrived, run, packets = send_numbered(emu, cable, "LWIP_ETH:up,corrupt=100%,match=udp:7001",
                                          count=20, look="tap0" if cable.ifname == "tap0" else "lan0")
    assert arrived == [] and hits(run, "corrupt") == list(range(1, 21))
    sound = [sum16(packet[:20]) == 0xFFFF and
             sum16(packet[12:20] + bytes([0, 17]) + packet[24:26] + packet[20:]) == 0xFFFF
             for packet in packets if len(packet) == 32]
    assert sound == [False] * 20


ECHO = script("""
while not socket.adapter(ETH) do sys.wait(10) end
local echo = udp("10.5.0.1", 7000)
for i = 1, 10 do
    log.info("sent", i)
    socket.tx(echo, "x")
    read(echo)
    log.info("read", i)
end
""")


def test_a_delay_is_kept_both_ways(emu, cable):
    """20 ms up and 20 ms down: no answer comes before 40 ms are over."""
    with cable.start(emu, ECHO, "--impair", "LWIP_ETH,delay=20ms") as run:
        peer = cable.netns.peers.udp(host=HOST, port=GO)
        for _ in range(10):
            data, device = peer.recv()
            peer.send(data, device)
        done = run.finish()
    sent, read = ([event["t_us"] for event in done.events("log", tag=f"user.{tag}")]
                  for tag in ("sent", "read"))
    assert len(read) == 10
    assert all(after - before >= 40 * US_PER_MS for before, after in zip(sent, read))


UPLOAD = script("""
while not socket.adapter(ETH) do sys.wait(10) end
local ok, netc = tcp("10.5.0.1", 7002)
read(netc)
local chunk, left = string.rep("x", 4000), 100
log.info("begin")
while left > 0 do
    local ok, full = socket.tx(netc, chunk)
    if not ok then break end
    if full then libnet.wait("t", 5, netc) else left = left - 1 end
end
log.info("rest", left)
local got = 0
while got < 400000 do
    local data = read(netc)
    if not data then break end
    got = got + #data
end
log.info("got", got)
socket.discon(netc)
""")


def exchange(emu, cable, rule):
    """400 kB each way over TCP, the peer's in one piece, which its kernel hands down in frames
    larger than the MTU."""
    server = cable.netns.peers.tcp_server(host="0.0.0.0", port=7002)
    with cable.start(emu, UPLOAD, "--seed", 1, "--impair", rule) as run:
        peer = server.accept()
        peer.send(b"go")
        assert peer.recv_exactly(400_000) == b"x" * 400_000
        peer.send(b"y" * 400_000)
        done = run.finish()
    assert done.texts("rest") == ["0"] and done.texts("got") == ["400000"]
    return done


def test_tcp_repairs_what_is_lost(emu, cable):
    """Large frames of either end's are cut before they are judged: what is lost is a packet."""
    done = exchange(emu, cable, "LWIP_ETH,loss=2%,duplicate=1%,delay=1ms,jitter=1ms")
    assert hits(done, "loss", "up") and hits(done, "loss", "down")
    assert max(event["len"] for event in done.events("impair", what="loss")) <= 1500


def test_the_path_mtu_is_found(emu, cable):
    """RFC 1191: both ends hear of it, and make their segments smaller."""
    done = exchange(emu, cable, "LWIP_ETH,mtu=900")
    assert hits(done, "mtu", "up") and hits(done, "mtu", "down")
    assert min(event["len"] for event in done.events("impair", what="mtu")) > 900


def test_a_rate_takes_its_time(emu, cable):
    """400 KB at 8 Mbit/s are 0.4 s at least."""
    done = exchange(emu, cable, "LWIP_ETH:up,rate=8mbit")
    begin, = done.events("log", tag="user.begin")
    got, = done.events("log", tag="user.got")
    assert got["t_us"] - begin["t_us"] > 350 * US_PER_MS


def test_a_connection_is_reset_at_its_byte(emu, cable):
    """The peer gets exactly so many bytes, and then RST; the script is told."""
    server = cable.netns.peers.tcp_server(host="0.0.0.0", port=7002)
    with cable.start(emu, UPLOAD, "--impair", "LWIP_ETH:up,reset=50000") as run:
        peer = server.accept()
        peer.send(b"go")
        assert peer.recv_exactly(50000) == b"x" * 50000
        with pytest.raises(ConnectionResetError):
            peer.recv_to_end()
        done = run.finish()
    assert done.texts("rest") != ["0"] or done.texts("got") == ["0"]
    assert hits(done, "reset", "up")


ANSWERS = script("""
while true do
    while not socket.adapter(ETH) do sys.wait(10) end
    local echo = udp("10.5.0.1", 7000)
    socket.tx(echo, "x")
    log.info("answer", read(echo, 100))
    socket.release(echo)
    sys.wait(10)
end
""")
LIFE = """
sys.subscribe("IP_READY", function(ip, adapter)
    if adapter == socket.LWIP_ETH then log.info("up", ip) end
end)
sys.subscribe("IP_LOSE", function(adapter)
    if adapter == socket.LWIP_ETH then log.info("lose") end
end)
"""


def answer_all(peer):
    """A thread that answers until its socket is closed."""
    def serve():
        while peer.sock.fileno() >= 0:
            with contextlib.suppress(OSError):  # nor is there a way to the device while the link is down
                data, device = peer.sock.recvfrom(2048)
                peer.sock.sendto(data, device)
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


def is_diverted(run):
    """Frames go through the emulator: a packet socket with a ring, or none."""
    with open(f"/proc/{run.process.pid}/maps", encoding="ascii") as maps:
        return "socket:" in maps.read()


def test_ctl_impairs_a_cable_while_it_is_used_and_lets_it_go(emu, cable, tmp_path):
    path = tmp_path / "ctl"
    with cable.start(emu, LIFE + ANSWERS, "--ctl", path) as run:
        peer = cable.netns.peers.udp(host=HOST, port=GO)
        answer_all(peer)
        run.wait_log("answer", "x")
        assert ctl(emu, path, "impair", "LWIP_ETH", "blackhole") == (0, "")
        before = len(run.texts("answer"))
        run.wait(lambda: len(run.texts("answer")) >= before + 3, "answers")
        assert "x" not in run.texts("answer")[before + 1:]
        assert ctl(emu, path, "impair", "LWIP_ETH", "off") == (0, "")
        before = len(run.texts("answer"))
        run.wait(lambda: "x" in run.texts("answer")[before:], "answers again")
        assert not is_diverted(run)
        assert len(run.texts("up")) == 1 and run.texts("lose") == []
        run.stop()


def test_a_cable_under_a_rule_is_pulled_at_either_end(emu, cable, tmp_path):
    """The script hears of it, whoever pulls; the other end sees that there is none, too."""
    path = tmp_path / "ctl"
    end = "tap0" if cable.bind.startswith("LWIP_ETH=tap") else "lan0"

    def has_carrier():
        text = subprocess.run(cable.netns.command(["ip", "link", "show", end]), check=True,
                              capture_output=True, text=True).stdout
        return re.search(r"\bLOWER_UP\b", text) is not None

    with cable.start(emu, LIFE + ANSWERS, "--ctl", path, "--impair", "LWIP_ETH,delay=1ms") as run:
        answer_all(cable.netns.peers.udp(host=HOST, port=GO))
        run.wait_log("answer", "x")
        for pull, plug in [(lambda: ctl(emu, path, "link", "LWIP_ETH", "down"),
                            lambda: ctl(emu, path, "link", "LWIP_ETH", "up")),
                           (lambda: cable.netns.run("ip", "link", "set", end, "down"),
                            lambda: cable.netns.run("ip", "link", "set", end, "up"))][
                                :1 if end == "tap0" else 2]:
            lost, ready = len(run.texts("lose")), len(run.texts("up"))
            pull()
            run.wait(lambda: len(run.texts("lose")) > lost, "end of the link")
            until(lambda: not has_carrier(), "no carrier at the other end")
            plug()
            run.wait(lambda: len(run.texts("up")) > ready, "the link")
            until(has_carrier, "carrier at the other end")
            before = len(run.texts("answer"))
            run.wait(lambda: "x" in run.texts("answer")[before:], "answers again")
        run.stop()


FIRST = """
local count = 0
sys.subscribe("IP_READY", function(_, adapter)
    if adapter ~= socket.LWIP_ETH then return end
    count = count + 1
    local netc = socket.create(adapter, function() end)
    socket.config(netc, nil, true)
    socket.connect(netc, "10.5.0.255", PORT)
    socket.tx(netc, tostring(count))
    socket.release(netc)
end)
sys.run()
"""


def test_the_first_datagram_after_a_link_is_ready_gets_there(emu, cable, tmp_path):
    """IP_READY comes when the link's queue is open, not when it has its carrier: in between the kernel
    drops what is sent. To everybody on the net, so that no ARP comes first."""
    path = tmp_path / "ctl"
    end = "tap0" if cable.ifname == "tap0" else "lan0"
    peer = cable.netns.peers.udp(host="0.0.0.0")
    with cable.start(emu, FIRST.replace("PORT", str(peer.port)), "--ctl", path,
                     "--exit-on", "never") as run:
        run.wait_trace("adapter.link", ready=True, adapter="LWIP_ETH")
        for i in range(2, 10):  # this end has its address later than the first
            assert ctl(emu, path, "link", "LWIP_ETH", "down") == (0, "")
            until(lambda: b"state UP" not in subprocess.run(
                cable.netns.command(["ip", "link", "show", end]), check=True,
                capture_output=True).stdout, "a queue that is closed")
            assert ctl(emu, path, "link", "LWIP_ETH", "up") == (0, "")
            while (data := peer.recv()[0]) != str(i).encode():
                assert data == b"1"
        run.stop()


def test_nobody_but_the_two_ends_says_anything_on_the_cable(emu, netns, tmp_path):
    """What stands between them, for rules that may come, has no address and answers nobody: not for
    the lab's, which the emulator makes beside it, and not by DHCP."""
    with emu.start("log.info('ready')\nsys.run()\n", "--bind", "LWIP_ETH=veth:peer=lan0,ip=10.5.0.2/24",
                   "--bind", "LWIP_STA=lab", "--lab", "--ctl", tmp_path / "ctl", "--exit-on", "never",
                   netns=netns) as run:
        run.wait_log("ready")
        netns.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/lan0/disable_ipv6")
        netns.run("ip", "addr", "add", f"{HOST}/24", "dev", "lan0")
        frames = netns.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
        frames.bind(("lan0", ALL_PROTOCOLS))
        mac = frames.getsockname()[4]
        for target in ("192.168.77.1", DEVICE):
            frames.send(b"\xff" * 6 + mac + bytes.fromhex("0806000108000604" "0001") + mac +
                        socket.inet_aton(HOST) + bytes(6) + socket.inet_aton(target))
        frames.settimeout(30)
        answers = []
        while not answers or answers[-1] != DEVICE:  # who is asked last, answers
            frame, (_, _, kind, _, _) = frames.recvfrom(2048)
            if kind != socket.PACKET_OUTGOING and frame[12:14] == b"\x08\x06" and frame[21] == 2:
                answers.append(socket.inet_ntoa(frame[28:32]))
        assert answers == [DEVICE]
        frames.close()
        run.stop()
