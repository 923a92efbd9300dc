"""Networks that are bad on purpose: --impair, and impair by ctl.

What is counted is counted exactly: the seed decides which packets are hit, and the trace has a line
for each. Times are held from below only: nothing may come sooner than the rules allow.
"""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bad_networks import US_PER_MS, ctl, foretold, hits, read_all, script, sum16
from conftest import ROOT
from peers import Peers, until

LAB = "192.168.77.1"


class InLab:
    """Sockets of this process in the namespace of the lab's bridge."""

    def __init__(self, run):
        children = Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children")
        keeper, = until(lambda: children.read_text().split(), "keeper")
        ours, theirs = socket.socketpair()
        is_ours = os.readlink("/proc/self/ns/user") == os.readlink(f"/proc/{keeper}/ns/user")
        fds = sorted(Path(f"/proc/{keeper}/fd").iterdir(), key=lambda fd: int(fd.name))
        home = next(fd for fd in fds if os.readlink(fd).startswith("net:"))
        self.enter = ["nsenter", "--preserve-credentials", "--target", keeper, f"--net={home}",
                      *([] if is_ours else ["--user"])]
        self.holder = subprocess.Popen(
            [*self.enter, sys.executable, ROOT / "conformance/namespace_holder.py",
             str(theirs.fileno())], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()
        self.control = ours
        assert ours.recv(5) == b"ready"
        self.peers = Peers(make=self.socket)

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, proto=0):
        self.control.sendall(f"{int(family)} {int(kind)} {proto}".encode())
        _, fds, _, _ = socket.recv_fds(self.control, 1, 1)
        return socket.socket(fileno=fds[0])

    def output(self, *argv):
        return subprocess.run([*self.enter, *argv], capture_output=True, text=True,
                              check=True).stdout

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.peers.close()
        self.control.close()
        self.holder.wait(30)


# ---- frames: the network that the emulator makes ------------------------------------------------

GO, NUMBERS = 7000, 7001  # ports: of a word to begin and one at the end, of what is counted

NUMBERED = script("""
local go = socket.create(ETH, "t")
socket.config(go, 7000, true)
assert(libnet.connect("t", 0, go, "192.168.77.1", 7000))
local netc = udp("192.168.77.1", 7001)
log.info("ready")
local count = tonumber(read(go))
for i = 1, count do socket.tx(netc, string.format("%04d", i)) end
sys.wait(200) -- for the last one, if it is held back
socket.tx(go, "end")
read(go)
""")


def send_numbered(emu, rule, seed, count=200):
    """So many numbered datagrams to a socket of ours in the lab; what has arrived, and the run."""
    with emu.start(NUMBERED, "--net", "own", "--seed", seed, "--impair", rule) as run:
        run.wait_log("ready")
        with InLab(run) as lab:
            go = lab.peers.udp(host=LAB, port=GO)
            peer = lab.peers.udp(host=LAB, port=NUMBERS)
            go.send(str(count).encode(), ("192.168.77.13", GO))
            assert go.recv()[0] == b"end"
            peer.sock.settimeout(0)
            arrived = [int(data) for data, _ in read_all(peer.recv)]
            go.send(b"over", ("192.168.77.13", GO))
        return arrived, run.finish()


def test_a_seed_decides_what_is_lost(own, emu):
    """The same seed twice, the same datagrams; another one, others."""
    rule = "LWIP_ETH:up,loss=10%,match=udp:7001"
    arrived, run = send_numbered(emu, rule, 1)
    lost = foretold(seed=1, adapter=3, percent=10, count=200)
    assert len(lost) == len(set(range(1, 201)) - set(arrived))
    assert [n for n in range(1, 201) if n not in lost] == arrived
    assert hits(run, "loss", "up") == lost
    assert send_numbered(emu, rule, 1)[0] == arrived
    assert send_numbered(emu, rule, 2)[0] != arrived


def test_duplicates_come_right_behind(own, emu):
    arrived, run = send_numbered(emu, "LWIP_ETH:up,duplicate=10%,match=udp:7001", 1)
    twice = hits(run, "duplicate")
    assert 5 < len(twice) < 40
    assert arrived == sorted([*range(1, 201), *twice])


def test_what_is_reordered_comes_after_the_next(own, emu):
    arrived, run = send_numbered(emu, "LWIP_ETH:up,reorder=10%,match=udp:7001", 1)
    wanted, late, held = [], hits(run, "reorder"), None
    for n in range(1, 201):
        if n in late and held is None:
            held = n
            continue
        wanted += [n] if held is None else [n, held]
        held = None
    assert arrived == wanted + ([held] if held else [])
    assert 5 < len(late) < 40 and arrived != sorted(arrived)


def test_what_is_corrupt_is_dropped_by_its_checksum(own, emu):
    """One bit: the receiver's kernel notices each, and counts it."""
    arrived, run = send_numbered(emu, "LWIP_ETH:up,corrupt=20%,match=udp:7001", 1)
    corrupt = hits(run, "corrupt")
    assert 20 < len(corrupt) < 70
    assert arrived == [n for n in range(1, 201) if n not in corrupt]


def test_what_is_corrupt_is_sent_all_the_same(own, emu):
    """It is not lost on the way: a packet socket sees it, and that a checksum is wrong."""
    all_protocols = 3
    with emu.start(NUMBERED, "--net", "own", "--seed", 1, "--impair",
                   "LWIP_ETH:up,corrupt=100%,match=udp:7001") as run:
        run.wait_log("ready")
        with InLab(run) as lab:
            frames = lab.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(all_protocols))
            frames.bind((near_end(lab), all_protocols))
            go = lab.peers.udp(host=LAB, port=GO)
            go.send(b"20", ("192.168.77.13", GO))
            assert go.recv()[0] == b"end"
            frames.settimeout(0)
            packets = [packet[14:] for packet in read_all(lambda: frames.recv(2048))]
            frames.close()
            go.send(b"over", ("192.168.77.13", GO))
        run.finish()
    sound = [sum16(packet[:20]) == 0xFFFF and
             sum16(packet[12:20] + bytes([0, 17]) + packet[24:26] + packet[20:]) == 0xFFFF
             for packet in packets if len(packet) == 32]
    assert sound == [False] * 20


def near_end(lab):
    """The interface of the bridge at which what is pumped arrives."""
    return re.search(r"\b(near\d+)@", lab.output("ip", "link")).group(1)


def test_the_other_direction_and_other_flows_are_left_alone(own, emu):
    """:down hits what comes back; match= hits a port and not another."""
    done = emu.run(script("""
    local echo = udp("192.168.77.1", 40123)
    socket.tx(echo, "one")
    log.info("lost", read(echo, 300))
    local ok, netc = tcp("192.168.77.1", 40123)
    socket.tx(netc, "two")
    log.info("read", read(netc))
"""), "--net", "own", "--lab", "--impair", "LWIP_ETH:down,loss=100%,match=udp:40123")
    assert done.texts("lost") == ["nil"] or done.texts("lost") == [""]
    assert done.texts("read") == ["two"]
    assert len(done.events("lab.datagram", peer="echo")) == 1
    assert hits(done, "loss", "down") == [1] and hits(done, "loss", "up") == []


def test_a_delay_is_kept_both_ways(own, emu):
    """20 ms up and 20 ms down: no answer comes before 40 ms are over."""
    done = emu.run(script("""
    local echo = udp("192.168.77.1", 40123)
    for i = 1, 10 do
        socket.tx(echo, "x")
        read(echo)
        log.info("read", i)
    end
"""), "--net", "own", "--lab", "--impair", "LWIP_ETH,delay=20ms,jitter=0ms")
    sent = [event["t_us"] for event in done.events("lab.datagram")]
    read = [event["t_us"] for event in done.events("log", tag="user.read")]
    assert len(read) == 10
    assert all(after - before >= 20 * US_PER_MS for before, after in zip(sent, read))
    assert all(after - before >= 20 * US_PER_MS for before, after in zip(read, sent[1:]))


def test_a_rate_takes_its_time(own, emu):
    """100 KB at 1 Mbit/s are 0.8 s at least; TCP finds its way through the queue."""
    done = emu.run(script("""
    local ok, netc = tcp("192.168.77.1", 40125)
    log.info("begin")
    local got = 0
    while got < 100000 do got = got + #read(netc) end
    log.info("end")
"""), "--net", "own", "--lab", "--impair", "LWIP_ETH:down,rate=1mbit")
    begin, = done.events("log", tag="user.begin")
    end, = done.events("log", tag="user.end")
    assert end["t_us"] - begin["t_us"] > 700_000


def test_a_full_queue_loses_what_comes(own, emu):
    """At 1 kbit/s nothing leaves during the test: of 32-byte packets 1000 bytes hold 31."""
    with emu.start(NUMBERED.replace("200", "0"), "--net", "own", "--impair",
                   "LWIP_ETH:up,rate=100bit,queue=1000,match=udp:7001") as run:
        run.wait_log("ready")
        with InLab(run) as lab:
            go = lab.peers.udp(host=LAB, port=GO)
            go.send(b"100", ("192.168.77.13", GO))
            assert go.recv()[0] == b"end"
            go.send(b"over", ("192.168.77.13", GO))
        run.finish()
    assert hits(run, "rate") == list(range(32, 101))


def test_the_path_mtu_is_found_where_icmp_is_heard(own, emu):
    """What is too big is lost and its sender told (RFC 1191): TCP goes on with smaller segments."""
    done = emu.run(script("""
    local ok, netc = tcp("192.168.77.1", 40123)
    socket.tx(netc, string.rep("x", 20000))
    local got = 0
    while got < 20000 do got = got + #read(netc) end
    log.info("got", got)
"""), "--net", "own", "--lab", "--impair", "LWIP_ETH,mtu=900")
    assert done.texts("got") == ["20000"]
    assert hits(done, "mtu", "up") and hits(done, "mtu", "down")
    assert min(event["len"] for event in done.events("impair", what="mtu")) > 900


def test_without_icmp_the_mtu_is_a_black_hole(own, emu):
    """The well-known one: small things pass, large ones never do."""
    done = emu.run(script("""
    local ok, netc = tcp("192.168.77.1", 40123)
    socket.tx(netc, "small")
    log.info("small", read(netc))
    socket.tx(netc, string.rep("x", 1400))
    log.info("large", read(netc, 700))
"""), "--net", "own", "--lab", "--impair", "LWIP_ETH:up,mtu=900,icmp=off")
    assert done.texts("small") == ["small"]
    assert done.texts("large") in (["nil"], [""])
    assert len(hits(done, "mtu", "up")) >= 2


@pytest.mark.parametrize("rule, sent", [("LWIP_ETH:up,reset=1000", 1000),
                                        ("LWIP_ETH:up,reset=0", 0),
                                        ("LWIP_ETH:up,reset=5000,match=tcp:40124", 5000)])
def test_a_connection_is_reset_at_its_byte(own, emu, rule, sent):
    """Both ends hear RST, and exactly so many bytes have passed."""
    done = emu.run(script("""
    local ok, netc = tcp("192.168.77.1", 40124)
    for i = 1, 100 do
        if not socket.tx(netc, string.rep("x", 700)) then break end
        if not libnet.wait("t", 20, netc) then break end
    end
    while libnet.wait("t", 0, netc) do end
    log.info("over", netc)
"""), "--net", "own", "--lab", "--impair", rule)
    assert done.texts("over")
    closed = done.events("lab.close", peer="sink")
    assert [(event["rx"], event["error"]) for event in closed] == [(sent, 104)]
    assert done.events("netc.event", param=-1)


def test_what_comes_down_is_cut_at_its_byte(own, emu):
    """A module loses what it had not read when the reset came, but never gets a byte more."""
    done = emu.run(script("""
    local ok, netc = tcp("192.168.77.1", 40125)
    local got = 0
    while true do
        local data = read(netc)
        if not data then break end
        got = got + #data
    end
    log.info("got", got)
"""), "--net", "own", "--lab", "--impair", "LWIP_ETH:down,reset=100000")
    assert int(done.texts("got")[0]) <= 100000
    assert [event["error"] for event in done.events("lab.close", peer="source")] == [104]
    assert done.events("netc.event", param=-1)
    assert len(hits(done, "reset", "down")) >= 1


@pytest.mark.parametrize("failure, addresses", [("nxdomain", 0), ("192.0.2.66", 1)])
def test_names_are_answered_wrongly(own, emu, failure, addresses):
    """In the server's place, which never hears of it."""
    done = emu.run(script("""
    local ok, netc = tcp("netlab.luatos.com", 40123, nil, 2000)
    log.info("connect", ok)
"""), "--net", "own", "--lab", "--impair", f"LWIP_ETH,dns={failure}")
    assert [event["addresses"] for event in done.events("dns.done")] == [addresses]
    assert done.texts("connect") == ["false"]
    assert done.events("lab.dns") == []
    assert hits(done, "dns", "up") == [1]


def test_a_server_that_fails_sends_the_resolver_to_the_next(own, emu):
    """SERVFAIL: the next server is asked at once."""
    with emu.start(script("""
    socket.setDNS(ETH, 1, "192.168.77.1")
    local ok, netc = tcp("netlab.luatos.com", 40123)
    log.info("connect", ok)
"""), "--net", "own", "--lab", "--impair",
                   "LWIP_ETH,dns=servfail,match=udp:53") as run:
        done = run.finish()
    servers = [event["server"] for event in done.events("dns.query")]
    assert servers[0] == "192.168.77.1:53"
    assert done.texts("connect") == ["false"]


def test_a_silent_name_server_is_asked_again(own, emu, tmp_path):
    """dns=timeout loses queries; when it is over, the next one is answered."""
    path = tmp_path / "ctl"
    with emu.start(script("""
    local ok, netc = tcp("netlab.luatos.com", 40123)
    log.info("connect", ok)
"""), "--net", "own", "--lab", "--ctl", path, "--impair", "LWIP_ETH,dns=timeout") as run:
        run.wait_trace("impair", what="dns")
        assert ctl(emu, path, "impair", "LWIP_ETH", "off")[0] == 0
        done = run.finish()
    assert done.texts("connect") == ["true"]
    assert len(done.events("dns.query")) >= 2


def test_pings_are_impaired_too(own, emu):
    done = emu.run(script("""
    sys.subscribe("PING_RESULT", function(...) log.info("ping", ...) sys.publish("over") end)
    netdrv.ping(ETH, "192.168.77.1")
    sys.waitUntil("over")
"""), "--net", "own", "--impair", "LWIP_ETH:up,loss=100%,match=icmp")
    assert hits(done, "loss", "up") == [1], done


def test_a_span_of_time_begins_and_ends(own, emu):
    """from=, for=: nothing before, nothing after, and then the adapter is as it was."""
    with emu.start(script("""
    local echo = udp("192.168.77.1", 40123)
    while true do
        socket.tx(echo, "x")
        sys.wait(5)
    end
"""), "--net", "own", "--lab", "--impair", "LWIP_ETH,blackhole,from=500ms,for=300ms") as run:
        run.wait_trace("lab.datagram")
        run.wait_trace("impair", what="blackhole")
        with InLab(run) as lab:
            until(lambda: "far" not in lab.output("ip", "link"), "the port is back on its bridge")
        answered = len(run.events("lab.datagram"))
        run.wait(lambda: len(run.events("lab.datagram")) > answered, "answers again")
        run.stop()
    times = [event["t_us"] for event in run.events("impair", what="blackhole")]
    assert min(times) >= 500_000


def test_ctl_impairs_and_lists_and_ends_it(own, emu, tmp_path):
    """impair ADAPTER KEY=VALUE..., with blanks or commas; impair; impair ADAPTER off."""
    path = tmp_path / "ctl"
    with emu.start(script("""
    local echo = udp("192.168.77.1", 40123)
    while true do
        socket.tx(echo, "x")
        log.info("answer", #(read(echo, 100) or ""))
    end
"""), "--net", "own", "--lab", "--ctl", path) as run:
        run.wait_log("answer", "1")
        assert ctl(emu, path, "impair") == (0, "")
        assert ctl(emu, path, "impair", "LWIP_ETH:up", "blackhole", "match=udp:40123") == (0, "")
        run.wait_log("answer", "0")
        code, text = ctl(emu, path, "impair")
        assert re.match(r"LWIP_ETH:up,blackhole,match=udp:40123: on; up \d+ blackhole=\d+$", text)
        assert ctl(emu, path, "impair", "LWIP_ETH", "off") == (0, "")
        before = len(run.texts("answer"))
        run.wait(lambda: "1" in run.texts("answer")[before:], "answers again")
        assert ctl(emu, path, "impair") == (0, "")
        with InLab(run) as lab:
            links = lab.output("ip", "link")
            assert "far" not in links and "near" not in links
        run.stop()


def test_a_cable_that_is_pulled_stays_pulled_under_a_rule(own, emu, tmp_path):
    """The link's life goes on: down, up, and frames are carried again."""
    path = tmp_path / "ctl"
    with emu.start(script("""
    sys.subscribe("IP_LOSE", function(adapter) log.info("lose", adapter) end)
    sys.subscribe("IP_READY", function(ip, adapter) log.info("ready", adapter) end)
    while true do
        local ok, netc = tcp("192.168.77.1", 40123, nil, 3000)
        if ok then
            socket.tx(netc, "x")
            log.info("answer", read(netc, 1000))
        end
        libnet.close("t", 0, netc)
        socket.release(netc)
        sys.wait(10)
    end
"""), "--net", "own", "--lab", "--ctl", path, "--impair", "LWIP_ETH,delay=1ms") as run:
        run.wait_log("answer", "x")
        assert ctl(emu, path, "link", "LWIP_ETH", "down")[0] == 0
        run.wait_log("lose", "4")
        before = len(run.texts("answer"))
        assert ctl(emu, path, "link", "LWIP_ETH", "up")[0] == 0
        run.wait_log("ready", "4")
        run.wait(lambda: "x" in run.texts("answer")[before:], "answers again")
        run.stop()


# ---- sockets: this machine's own network -----------------------------------------------------------

TO_US = """
local netc = udp("127.0.0.1", tonumber(os.getenv("PORT")))
for i = 1, 200 do socket.tx(netc, string.format("%04d", i)) end
sys.wait(200)
socket.tx(netc, "end")
"""


def send_to_us(emu, peers, rule, seed):
    """200 numbered datagrams to a socket of ours on this machine, and one to end them."""
    peer = peers.udp()
    done = emu.run(script(TO_US), "--seed", seed, "--impair", rule, env={"PORT": peer.port})
    peer.sock.settimeout(0)
    arrived = [data for data, _ in read_all(peer.recv)]
    return [int(data) for data in arrived if data != b"end"], done


def test_a_seed_decides_what_is_lost_on_sockets_too(emu, peers):
    """The same numbers as on frames: the adapter, the rule and the ordinal are the same."""
    rule = "LWIP_ETH:up,loss=10%"
    arrived, done = send_to_us(emu, peers, rule, 1)
    lost = foretold(seed=1, adapter=3, percent=10, count=200)
    assert arrived == [n for n in range(1, 201) if n not in lost]
    assert hits(done, "loss", "up")[:len(lost)] == lost
    assert send_to_us(emu, peers, rule, 1)[0] == arrived
    assert send_to_us(emu, peers, rule, 2)[0] != arrived
    assert "loss is for UDP alone" in done.stderr


def test_datagrams_are_doubled_and_reordered_on_sockets(emu, peers):
    arrived, done = send_to_us(emu, peers, "LWIP_ETH:up,duplicate=10%,match=udp", 1)
    assert arrived == sorted([*range(1, 201), *(n for n in hits(done, "duplicate") if n <= 200)])
    arrived, done = send_to_us(emu, peers, "LWIP_ETH:up,reorder=10%,match=udp", 1)
    assert arrived != sorted(arrived) and sorted(arrived) == [*range(1, 201)]
    assert done.stderr == ""


def test_what_comes_is_lost_too(emu, peers):
    """:down, of datagrams that our peer sends; those of another port are left alone."""
    peer, other = peers.udp(), peers.udp()
    with emu.start(script("""
    local netc, other = udp("127.0.0.1", tonumber(os.getenv("PORT"))), nil
    socket.tx(netc, "ready")
    other = udp("127.0.0.1", tonumber(os.getenv("OTHER")))
    socket.tx(other, "ready")
    read(other)
    while true do
        local ok, data = socket.read(netc)
        if #data == 0 then break end
        log.info("got", data)
    end
"""), "--seed", 3, "--impair", f"LWIP_ETH:down,loss=20%,match=udp:{peer.port}",
                   env={"PORT": peer.port, "OTHER": other.port}) as run:
        _, device = peer.recv()
        for n in range(1, 101):
            peer.send(b"%d" % n, device)
        _, device = other.recv()
        other.send(b"end", device)
        done = run.finish()
    lost = foretold(seed=3, adapter=3, percent=20, count=100, direction=1)
    assert [int(text) for text in done.texts("got")] == [n for n in range(1, 101) if n not in lost]
    assert hits(done, "loss", "down") == lost


def test_delays_are_kept_on_sockets(emu, peers):
    """Not a datagram and not a byte comes sooner."""
    server = peers.tcp_server()
    with emu.start(script("""
    local ok, netc = tcp("127.0.0.1", tonumber(os.getenv("PORT")))
    for i = 1, 5 do
        log.info("ask", i)
        socket.tx(netc, "ask")
        log.info("read", read(netc))
    end
"""), "--impair", "LWIP_ETH,delay=20ms", env={"PORT": server.port}) as run:
        peer = server.accept()
        for _ in range(5):
            assert peer.recv_exactly(3) == b"ask"
            peer.send(b"answer")
        done = run.finish()
    asked = [event["t_us"] for event in done.events("log", tag="user.ask")]
    read = [event["t_us"] for event in done.events("log", tag="user.read")]
    assert done.texts("read") == ["answer"] * 5
    assert all(after - before >= 40 * US_PER_MS for before, after in zip(asked, read))
    connected, = done.events("netc.event", event="ON_LINE")
    assert connected["t_us"] >= 40 * US_PER_MS


def test_a_rate_is_kept_on_sockets(emu, peers):
    """100000 bytes at 1 Mbit/s take 0.8 s and more; all arrive, in order."""
    server = peers.tcp_server()
    with emu.start(script("""
    local ok, netc = tcp("127.0.0.1", tonumber(os.getenv("PORT")))
    log.info("begin")
    socket.tx(netc, string.rep("0123456789", 10000))
    read(netc)
    log.info("end")
"""), "--impair", "LWIP_ETH:up,rate=1mbit", env={"PORT": server.port}) as run:
        peer = server.accept()
        assert peer.recv_exactly(100000) == b"0123456789" * 10000
        peer.send(b"got it")
        done = run.finish()
    begin, = done.events("log", tag="user.begin")
    end, = done.events("log", tag="user.end")
    assert end["t_us"] - begin["t_us"] >= 800_000


def test_a_connection_of_sockets_is_reset_at_its_byte(emu, peers):
    """The peer gets exactly so many bytes, and then RST; the script is told."""
    server = peers.tcp_server()
    with emu.start(script("""
    local ok, netc = tcp("127.0.0.1", tonumber(os.getenv("PORT")))
    for i = 1, 100 do
        if not socket.tx(netc, string.rep("x", 700)) then break end
        if not libnet.wait("t", 20, netc) then break end
    end
    while libnet.wait("t", 0, netc) do end
    log.info("over")
"""), "--impair", "LWIP_ETH:up,reset=5000", env={"PORT": server.port}) as run:
        peer = server.accept()
        assert peer.recv_exactly(5000) == b"x" * 5000
        with pytest.raises(ConnectionResetError):
            peer.recv_to_end()
        done = run.finish()
    assert done.texts("over")
    assert done.events("netc.event", param=-1)
    assert hits(done, "reset", "up") == [max(hits(done, "reset", "up"))]


def test_a_black_hole_stops_a_stream_and_loses_nothing(emu, peers, tmp_path):
    """By ctl, on a connection that is there; when it is over everything goes on."""
    path = tmp_path / "ctl"
    server = peers.tcp_server()
    with emu.start(script("""
    local ok, netc = tcp("127.0.0.1", tonumber(os.getenv("PORT")))
    for i = 1, 10000 do
        socket.tx(netc, string.format("%05d", i))
        libnet.wait("t", 5, netc)
        if i == 10000 then break end
        if (select(2, socket.read(netc)) or "") ~= "" then break end
    end
"""), "--ctl", path, env={"PORT": server.port}) as run:
        peer = server.accept()
        assert peer.recv_exactly(5) == b"00001"
        assert ctl(emu, path, "impair", "LWIP_ETH", "blackhole") == (0, "")
        peer.sock.settimeout(0.05)
        seen = b""
        with pytest.raises(TimeoutError):
            while True:
                seen += peer.sock.recv(65536)
        assert "LWIP_ETH,blackhole: on" in ctl(emu, path, "impair")[1]
        assert ctl(emu, path, "impair", "LWIP_ETH", "off") == (0, "")
        peer.sock.settimeout(150)
        seen += peer.recv_exactly(50)
        peer.send(b"enough")
        run.finish()
    numbers = [int(seen[i:i + 5]) for i in range(0, len(seen) // 5 * 5, 5)]
    assert numbers == list(range(2, len(numbers) + 2))


def test_nobody_hears_of_a_connection_into_a_black_hole(emu, peers):
    server = peers.tcp_server()
    done = emu.run(script("""
    local ok = tcp("127.0.0.1", tonumber(os.getenv("PORT")))
    log.info("connect", ok)
"""), "--impair", "LWIP_ETH,blackhole", "--set", "connect_timeout=300", env={"PORT": server.port})
    assert done.texts("connect") == ["false"]
    server.sock.settimeout(0)
    with pytest.raises(BlockingIOError):
        server.sock.accept()


@pytest.mark.parametrize("failure, addresses", [("nxdomain", 0), ("192.0.2.66", 1)])
def test_names_are_answered_wrongly_on_sockets(emu, netns, failure, addresses):
    """The real server never hears of the query."""
    dns = netns.dnsmasq(records={"thing.test": "127.0.0.1"})
    done = emu.run(script("""
    local ok, netc = tcp("thing.test", 9, nil, 300)
    log.info("connect", ok)
"""), "--impair", f"LWIP_ETH,dns={failure}", "--bind",
                   f"LWIP_ETH=netns:/proc/{netns.holder.pid}/ns/net,dev=lo,dns=127.0.0.1")
    assert [event["addresses"] for event in done.events("dns.done")] == [addresses]
    assert dns.queries == []


def test_a_server_of_the_device_is_impaired_too(emu, peers):
    """What a client of its sends waits, and what it is sent."""
    port = peers.listen_port()
    with emu.start(script("""
    local netc = socket.create(ETH, "t")
    socket.config(netc, tonumber(os.getenv("PORT")))
    assert(libnet.listen("t", 0, netc))
    socket.accept(netc, nil)
    log.info("online")
    local data = read(netc)
    log.info("read", data)
    socket.tx(netc, data)
    read(netc)
"""), "--impair", "LWIP_ETH,delay=20ms", env={"PORT": port}) as run:
        run.wait_trace("netc.state", to="LISTEN")
        client = peers.tcp_client(port)
        client.send(b"hello")
        assert client.recv_exactly(5) == b"hello"
        client.close()
        done = run.finish()
    assert done.texts("read") == ["hello"]


@pytest.mark.parametrize("rule, why", [
    ("LWIP_ETH,corrupt=1%", "corrupt can't be had on LWIP_ETH"),
    ("LWIP_ETH,loss=1%,reorder=1%,match=tcp:80", "loss, reorder can't be had on LWIP_ETH"),
])
def test_what_sockets_cannot_honour_is_refused(emu, rule, why):
    """By name, and not by doing nothing."""
    done = emu.run("os.exit(0)\n", "--impair", rule)
    assert done.code == 2
    assert f"luatos-emu: --impair {rule}: {why}" in done.stderr


def test_what_is_left_out_is_said(emu):
    done = emu.run("os.exit(0)\n", "--impair", "LWIP_ETH,corrupt=1%,loss=1%,delay=1ms")
    assert done.code == 0
    assert "corrupt is left out: LWIP_ETH has sockets and no frames" in done.stderr
    assert "loss is for UDP alone" in done.stderr


# ---- what is wrong ----------------------------------------------------------------------------------

@pytest.mark.parametrize("rule, why", [
    ("LWIP_ETH,lost=1%", 'there is no key "lost"'),
    ("LWIP_ETH,loss=200%", "loss= takes 0% to 100%"),
    ("LWIP_XYZ,loss=1%", 'there is no adapter "LWIP_XYZ"'),
    ("LWIP_ETH", "nothing that goes wrong"),
    ("LWIP_ETH,delay=1s,until=1s,for=1s", "until= and for="),
])
def test_a_wrong_rule_is_one_line_and_code_2(emu, rule, why):
    """What, where, and what to do; ctl says the same."""
    done = emu.run("os.exit(0)\n", "--impair", rule)
    assert done.code == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"luatos-emu: --impair {rule}: ") and why in done.stderr


def test_an_adapter_that_is_off_cannot_be_impaired(emu):
    done = emu.run("os.exit(0)\n", "--bind", "USB=off", "--impair", "USB,loss=1%")
    assert done.code == 2
    assert "--impair USB,loss=1%: this board has no USB" in done.stderr


def test_a_board_s_rules_are_in_force_from_the_start(emu, peers, tmp_path):
    """The same numbers as --impair's, whose rules come behind the board's."""
    board = tmp_path / "board.yaml"
    board.write_text("adapters:\n  LWIP_ETH:\n    impair: up,loss=10%\n")
    peer = peers.udp()
    done = emu.run(script(TO_US), "--seed", 1, "--board", board, "--impair",
                   "LWIP_ETH:up,duplicate=0.001%", env={"PORT": peer.port})
    lost = foretold(seed=1, adapter=3, percent=10, count=200)
    assert hits(done, "loss", "up")[:len(lost)] == lost
    assert [event["rule"] for event in done.events("impair.on")] == [
        "LWIP_ETH:up,loss=10%", "LWIP_ETH:up,duplicate=0.001%"]


def test_a_board_s_rule_that_nothing_can_honour_is_one_line_and_code_2(emu, tmp_path):
    board = tmp_path / "board.yaml"
    board.write_text("adapters:\n  USB: { bind: host, impair: [corrupt=1%] }\n  LWIP_GP:\n")
    done = emu.run("os.exit(0)\n", "--board", board)
    assert done.code == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("luatos-emu: the board's impair USB,corrupt=1%: ")
    done = emu.run("os.exit(0)\n", "--board", board, "--bind", "USB=off")
    assert (done.code, done.stderr) == (0, "")


def test_ctl_says_what_is_wrong_with_a_rule(emu, tmp_path):
    path = tmp_path / "ctl"
    with emu.start("log.info('runs')\nsys.run()\n", "--ctl", path, "--exit-on", "never",
                   "--bind", "USB=off") as run:
        run.wait_log("runs")
        for words, why in [(["LWIP_ETH", "lost=1%"], 'there is no key "lost"'),
                           (["LWIP_XYZ", "off"], 'there is no adapter "LWIP_XYZ"'),
                           (["USB", "loss=1%"], "this board has no USB"),
                           (["LWIP_ETH", "off", "loss=1%"], 'there is no key "off"')]:
            code, text = ctl(emu, path, "impair", *words)
            assert (code, why in text) == (1, True), text
        assert ctl(emu, path, "impair", "LWIP_ETH", "off") == (0, "")
        run.stop()
