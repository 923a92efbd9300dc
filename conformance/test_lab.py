"""The built-in lab: --lab. What its peers do is in adapters/lab/peers.c, and `luatos-emu lab` prints it."""

import os
import random
import re
import resource
import socket
import struct
import subprocess
import threading
import time

import pytest

from conftest import ROOT
from labs import WAIT, Lab
from peers import until
from tls_peers import Daemon, find_tool

DNS, NTP, ECHO, SINK, SOURCE, HANGUP = 40053, 40323, 40123, 40124, 40125, 40126
CLIENTS_MAX = 256  # LAB_CLIENTS_MAX
NOT_MET = ("rst", "blackhole", "refused")  # no connection there lasts until a script sees it
A, TXT, AAAA = 1, 16, 28
OK, FORMERR, NXDOMAIN, NOTIMP, REFUSED = 0, 1, 3, 4, 5


def wire_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def query(name, kind=A, ident=0x1234, flags=0x0100, klass=1, questions=1):
    header = struct.pack(">6H", ident, flags, questions, 0, 0, 0)
    return header + wire_name(name) + struct.pack(">2H", kind, klass)


def rcode(answer):
    return struct.unpack(">H", answer[2:4])[0] & 15


def counts(answer):
    return struct.unpack(">4H", answer[4:12])


def tables(emu):
    """What `luatos-emu lab` prints: rows of ports, and {what: names}."""
    done = subprocess.run([emu.binary, "lab"], capture_output=True, text=True, timeout=150)
    assert (done.returncode, done.stderr) == (0, "")
    ports = re.search(r"^port .*\n((?:.+\n)+)", done.stdout, re.M).group(1)
    names = re.findall(r"^(\S.*):\n((?:    .*\n)+)", done.stdout, re.M)
    return ([re.split(r" {2,}", line) for line in ports.splitlines()],
            {what: block.split() for what, block in names})


# ---- TCP and UDP ---------------------------------------------------------------------------------


def test_the_echo_gives_back_more_than_any_buffer_holds(lab):
    """And closes after the client's FIN, when all is sent."""
    data = random.Random(1).randbytes(3_000_000)
    peer = lab.tcp(ECHO)

    def send():
        peer.send(data)
        peer.half_close()

    sender = threading.Thread(target=send)
    sender.start()
    assert peer.recv_to_end() == data
    sender.join()
    lab.run.wait_trace("lab.close", peer="echo", rx=len(data), tx=len(data), error=0)


def test_the_echo_holds_no_more_than_a_client_reads(lab):
    """Who never reads can't send for ever either: the lab stops reading."""
    peer = lab.tcp(ECHO)
    peer.sock.setblocking(False)
    sent = 0
    with pytest.raises(BlockingIOError):
        while sent < 1 << 30:
            sent += peer.sock.send(b"x" * 65536)
    other = lab.tcp(ECHO)  # nobody else is held up
    other.send(b"hello")
    assert other.recv_exactly(5) == b"hello"
    peer.reset()
    closed = lab.run.wait_trace("lab.close", peer="echo")
    assert closed["rx"] <= closed["tx"] + 64 * 1024  # what one read brings


def test_the_sink_reads_and_says_nothing(lab):
    peer = lab.tcp(SINK)
    peer.send(b"x" * 1_000_000)
    peer.half_close()
    assert peer.recv_to_end() == b""
    lab.run.wait_trace("lab.close", peer="sink", rx=1_000_000, tx=0)


def test_the_source_sends_its_pattern_for_ever(lab):
    peer = lab.tcp(SOURCE)
    peer.send(b"is ignored")
    data = peer.recv_exactly(2_000_000)
    assert data == bytes(0x20 + n % 95 for n in range(len(data)))
    peer.half_close()  # changes nothing
    peer.recv_exactly(4_000_000)


def test_the_source_waits_for_its_reader(lab):
    """Who does not read costs the lab what the kernel's buffers hold, and nobody else anything."""
    slow = lab.tcp(SOURCE, rcvbuf=4096)
    other = lab.tcp(ECHO)
    for _ in range(100):  # the loop turns on meanwhile
        other.send(b"x")
        assert other.recv_exactly(1) == b"x"
    assert slow.recv_exactly(1_000_000) == bytes(0x20 + n % 95 for n in range(1_000_000))
    slow.reset()
    assert lab.run.wait_trace("lab.close", peer="source")["tx"] < 64 << 20


def test_the_hangup_closes_at_once(lab):
    assert lab.tcp(HANGUP).recv_to_end() == b""
    lab.run.wait_trace("lab.close", peer="hangup", rx=0, tx=0)


def test_the_udp_echo_keeps_datagrams_apart(lab):
    sock = lab.udp(ECHO)
    for size in (1, 0, 1460, 65507):
        sock.send(b"x" * size)
        assert sock.recv(65536) == b"x" * size


def test_clients_beyond_the_limit_are_refused_until_others_leave(lab):
    there = [lab.tcp(ECHO) for _ in range(CLIENTS_MAX)]
    for peer in there:
        peer.send(b"x")
        assert peer.recv_exactly(1) == b"x"
    with pytest.raises(ConnectionResetError):  # by whichever of the calls it comes to light
        with socket.create_connection((lab.address, SINK)) as refused:
            refused.recv(1)
    lab.run.wait_trace("lab.refuse", peer="sink")
    there[0].close()
    lab.run.wait_trace("lab.close", peer="echo")
    again = lab.tcp(ECHO)
    again.send(b"x")
    assert again.recv_exactly(1) == b"x"


def test_a_client_waits_while_there_are_no_descriptors(lab):
    """And is served when another one leaves."""
    first = lab.tcp(ECHO)
    first.send(b"x")
    assert first.recv_exactly(1) == b"x"
    pid = lab.run.process.pid
    open_fds = {int(fd) for fd in os.listdir(f"/proc/{pid}/fd")}
    limit = max(open_fds) + 1
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, hard))
    for _ in range(limit - len(open_fds)):
        peer = lab.tcp(ECHO)
        peer.send(b"x")
        assert peer.recv_exactly(1) == b"x"
    waiting = lab.tcp(SINK)
    waiting.half_close()
    for _ in range(3):  # the loop turns on, and does nothing for it
        first.send(b"x")
        assert first.recv_exactly(1) == b"x"
    assert not lab.run.events("lab.accept", peer="sink")
    first.close()
    assert waiting.recv_to_end() == b""
    lab.run.wait_trace("lab.accept", peer="sink")


def test_clients_that_reset_leave_nothing_behind(lab):
    for _ in range(50):
        for port in (ECHO, SINK, SOURCE, DNS):
            peer = lab.tcp(port)
            peer.send(b"\0\x20half")
            peer.reset()
    until(lambda: len(lab.run.events("lab.close")) == 200, "end of 200 connections")
    assert not lab.run.events("lab.refuse")


# ---- DNS -------------------------------------------------------------------------------------------


def test_the_dns_knows_all_names_that_are_printed(emu, lab):
    ports, groups = tables(emu)
    names = {f"{row[3]}.lab" for row in ports} | {name for names in groups.values() for name in names}
    assert {"netlab.luatos.com", "ntp.aliyun.com", "echo.lab", "dns.lab"} < names
    for name in names:
        asked = query(name)
        answer = lab.ask(asked)
        assert answer[:2] == asked[:2]
        assert (rcode(answer), counts(answer)) == (OK, (1, 1, 0, 0)), name
        assert answer[12:len(asked)] == asked[12:]
        assert answer[-4:] == socket.inet_aton(lab.address)


def test_the_dns_repeats_the_question_as_it_was_spelled(lab):
    asked = query("NetLab.LuatOS.com")
    answer = lab.ask(asked)
    assert (rcode(answer), counts(answer)) == (OK, (1, 1, 0, 0))
    assert answer[12:len(asked)] == asked[12:]


@pytest.mark.parametrize("name", ["luatos.com", "com", "x.netlab.luatos.com", "lab", "echo.la",
                                  "ech.lab", "echo.lab.x", "example.org", "a" * 63 + ".lab"])
def test_no_other_name_exists(lab, name):
    answer = lab.ask(query(name))
    assert (rcode(answer), counts(answer)) == (NXDOMAIN, (1, 0, 0, 0))


@pytest.mark.parametrize("kind", [AAAA, TXT, 255])
def test_a_known_name_has_nothing_but_an_ipv4_address(lab, kind):
    """RFC 8305 and every resolver: NXDOMAIN would say that A does not exist either."""
    answer = lab.ask(query("netlab.luatos.com", kind))
    assert (rcode(answer), counts(answer)) == (OK, (1, 0, 0, 0))


@pytest.mark.parametrize("message, expected", [
    (query("echo.lab", klass=3), REFUSED),
    (query("echo.lab", flags=0x2100), NOTIMP),
    (query("echo.lab", questions=0), FORMERR),
    (query("echo.lab", questions=2), FORMERR),
    (query("echo.lab")[:-1], FORMERR),
    (query("echo.lab")[:14], FORMERR),
    (query("echo.lab")[:12] + b"\xc0\x0c\0\1\0\1", FORMERR),  # a name that points at itself
    (query("echo.lab")[:12] + b"\xc0\x00\0\1\0\1", FORMERR),  # or into the header
    (query("echo.lab")[:12] + b"\x40" + b"x" * 70, FORMERR),
    (query("echo.lab")[:12] + b"\x3f" * 300, FORMERR),
], ids=["class", "opcode", "no-question", "two-questions", "short-type", "short-name", "loop",
        "header", "label-type", "long-name"])
def test_a_query_that_is_wrong_is_told_so(lab, message, expected):
    answer = lab.ask(message)
    assert rcode(answer) == expected
    assert counts(answer)[1] == 0


@pytest.mark.parametrize("message", [b"", b"\0", query("echo.lab")[:11],
                                     query("echo.lab", flags=0x8180)],
                         ids=["empty", "one-byte", "short-header", "an-answer"])
def test_what_is_no_query_gets_no_answer(lab, message):
    """Least of all an answer: two servers would talk for ever."""
    sock = lab.udp(DNS)
    sock.send(message)
    sock.send(query("echo.lab", ident=77))
    assert sock.recv(4096)[:2] == b"\0\x4d"


def test_garbage_does_not_harm_the_dns(lab):
    rng = random.Random(7)
    sock = lab.udp(DNS)
    sound = query("netlab.luatos.com")
    for i in range(500):
        message = bytearray(sound[:rng.randrange(len(sound) + 1)] + rng.randbytes(rng.randrange(40)))
        for _ in range(rng.randrange(4)):
            if message:
                message[rng.randrange(len(message))] = rng.randrange(256)
        sock.send(bytes(message))
        if i % 50 == 0:  # within what the socket's buffer holds
            assert lab.ask(sound)[-4:] == socket.inet_aton(lab.address)
    assert lab.ask(sound)[-4:] == socket.inet_aton(lab.address)


def framed(message):
    return struct.pack(">H", len(message)) + message


def read_framed(peer):
    return peer.recv_exactly(struct.unpack(">H", peer.recv_exactly(2))[0])


def test_the_dns_answers_over_tcp(lab):
    """RFC 7766: several queries on one connection, in pieces of any size."""
    peer = lab.tcp(DNS)
    peer.send_bytewise(framed(query("echo.lab", ident=1)))
    assert read_framed(peer)[-4:] == socket.inet_aton(lab.address)
    peer.send(b"".join(framed(query("echo.lab", ident=i)) for i in range(2000)))
    assert [struct.unpack(">H", read_framed(peer)[:2])[0] for _ in range(2000)] == list(range(2000))
    peer.half_close()
    assert peer.recv_to_end() == b""


@pytest.mark.parametrize("message", [b"\xff\xff", b"\0\0", framed(b"x"),
                                     framed(query("echo.lab", flags=0x8180))],
                         ids=["too-long", "empty", "short", "an-answer"])
def test_the_dns_hangs_up_on_what_is_no_query(lab, message):
    peer = lab.tcp(DNS)
    peer.send(framed(query("echo.lab")) + message)
    assert read_framed(peer)[-4:] == socket.inet_aton(lab.address)
    assert peer.recv_to_end() == b""


# ---- the lab as scripts see it ------------------------------------------------------------------------


def test_scripts_find_the_lab_by_name(emu):
    """The document's own example: socket.connect(ctrl, "netlab.luatos.com", 40123)."""
    done = emu.run("lab/netlab-answers-a-script", "--lab")
    assert done.code == 0
    address = done.events("lab.open")[0]["address"]
    assert done.texts("netlab") == [f"online {address}", "echo hello"]
    assert done.events("lab.dns", name="netlab.luatos.com", rcode=OK)


def test_a_name_that_the_lab_does_not_know_fails(emu):
    done = emu.run("lab/an-unknown-name-fails", "--lab")
    assert done.code == 0
    assert done.texts("lookup") == ["ON_LINE -1"]
    assert done.events("lab.dns", name="no.such.name", rcode=NXDOMAIN)


def test_the_lab_does_not_keep_a_run_alive(emu, peers, tcp_server):
    """Not even while it has a client that reads and reads: the script has nothing left, that counts."""
    with emu.start("lab/the-script-has-nothing-left", "--lab", "--net=T5",
                   env={"PORT": tcp_server.port}) as run:
        address = run.wait_trace("lab.open")["address"]
        reader = peers.tcp_client(SOURCE, host=address)
        reader.recv_exactly(100_000)
        tcp_server.accept().close()
        run.wait_log("script", "has nothing left")
        done = run.finish()
    assert done.events("lab.close", peer="source")


def test_labs_run_side_by_side(emu, peers, tmp_path):
    """Each on an address of its own, with the same ports; also when the seed is the same."""
    runs = []
    try:
        for _ in range(3):
            runs.append(emu.start(WAIT, "--lab", "--net=T5", "--seed", "1"))
        labs = [Lab(run, peers, tmp_path) for run in runs]
        assert len({lab.address for lab in labs}) == 3
        for i, lab in enumerate(labs):
            assert re.fullmatch(r"127\.\d+\.\d+\.\d+", lab.address)
            peer = lab.tcp(ECHO)
            peer.send(bytes([i]))
            assert peer.recv_exactly(1) == bytes([i])
    finally:
        for run in runs:
            run.stop()


def test_a_script_may_use_the_lab_s_udp_port_itself(emu):
    done = emu.run("lab/a-udp-port-of-the-lab-is-used-by-the-script", "--lab")
    assert done.code == 0
    assert done.texts("echo") == ["over the same port"]


def test_without_the_option_there_is_no_lab(emu):
    done = emu.run("os.exit(0)\n")
    assert not done.events("lab.open")


# ---- NTP -------------------------------------------------------------------------------------------

UNIX_EPOCH_S = 2208988800  # in seconds since 1900


def ntp_time(data):
    seconds, fraction = struct.unpack(">II", data)
    return seconds - UNIX_EPOCH_S + fraction / 2 ** 32


def test_the_time_server_tells_the_time(lab):
    """RFC 4330 section 6, field by field."""
    request = bytearray(48)
    request[0] = 4 << 3 | 3
    request[2] = 6
    request[40:48] = b"whatever"
    sock = lab.udp(NTP)
    before = time.time()
    sock.send(request)
    answer = sock.recv(100)
    assert len(answer) == 48
    assert answer[:4] == bytes([4 << 3 | 4, 1, 6, 0xec])
    assert answer[12:16] == b"LOCL"
    assert answer[24:32] == b"whatever"
    for at in (16, 32, 40):
        assert before - 0.1 < ntp_time(answer[at:at + 8]) < time.time() + 0.1


@pytest.mark.parametrize("message", [b"", b"\x23" * 47, b"\x24" + bytes(47), b"\x03" + bytes(47)],
                         ids=["empty", "short", "an-answer", "version-0"])
def test_what_is_no_request_gets_no_time(lab, message):
    """Least of all an answer: two servers would talk for ever."""
    sock = lab.udp(NTP)
    sock.send(message)
    sock.send(b"\x1b" + bytes(39) + b"the next")
    assert sock.recv(100)[24:32] == b"the next"


def test_chrony_takes_its_time(lab, tmp_path):
    """chronyd -Q measures the offset and does not touch the host's clock."""
    conf = tmp_path / "chrony.conf"
    conf.write_text(f"server {lab.address} port {NTP} iburst\ncmdport 0\nbindcmdaddress /\n"
                    f"pidfile {tmp_path}/chronyd.pid\n")
    daemon = Daemon(find_tool("chronyd"), "-Q", "-t", "60", "-U", "-f", conf)
    try:
        wrong = re.search(r"System clock wrong by (-?[\d.]+) seconds", daemon.wait_to_end())
        assert wrong and abs(float(wrong[1])) < 0.1, daemon.output
    finally:
        daemon.close()


SNTP = """
sys.subscribe("NTP_ERROR", function() log.info("sntp", "error") os.exit(1) end)
sys.subscribe("NTP_UPDATE", function()
    log.info("sntp", "is right", math.abs(os.time() - %d) < 600)
    os.exit(0)
end)
rtc.set({year = 2001, mon = 1, day = 1, hour = 0, min = 0, sec = 0})
%s
sys.run()
"""


def test_sntp_works_as_it_is_on_a_network_of_its_own(own, emu):
    """Its default servers, port 123, a name server at port 53."""
    done = emu.run(SNTP % (time.time(), "socket.sntp()"), "--net", "own", "--lab")
    assert done.texts("sntp") == ["is right true"]
    assert done.events("lab.dns", name="ntp.aliyun.com", rcode=OK)
    assert [e["port"] for e in done.events("lab.datagram")] == [53, 123]


def test_sntp_needs_a_port_on_loopback(emu):
    """The line at the start says which."""
    done = emu.run(SNTP % (time.time(), "socket.sntp_port(40323)\nsocket.sntp()"), "--lab",
                   "--net=T5")
    assert done.texts("sntp") == ["is right true"]
    assert "socket.sntp_port(40323)" in done.stderr


# ---- what is where -----------------------------------------------------------------------------------


def test_well_known_ports_are_there_on_a_network_of_its_own(own, emu):
    """Of each row that has one, and the other ports too."""
    ports, _ = tables(emu)
    tcp = [int(port) for row in ports if "TCP" in row[2] and row[3] not in NOT_MET
           for port in row[:2] if port != "-"]
    assert {53, 7, 40123} < set(tcp)
    done = emu.run("""
local libnet = require "libnet"
sys.taskInitEx(function()
    for _, port in ipairs{%s} do
        local netc = socket.create(nil, "T")
        socket.config(netc)
        assert(libnet.connect("T", 0, netc, "192.168.77.1", port))
        socket.release(netc)
    end
    local netc = socket.create(nil, "T")
    socket.config(netc, nil, true)
    assert(libnet.connect("T", 0, netc, "echo.lab", 7))
    libnet.tx("T", 0, netc, "hello")
    libnet.wait("T", 0, netc)
    log.info("udp", socket.read(netc))
    os.exit(0)
end, "T")
sys.run()
""" % ", ".join(map(str, tcp)), "--net", "own", "--lab")
    assert done.code == 0
    assert done.texts("udp")[0].startswith("true hello")
    assert [e["port"] for e in done.events("lab.accept")] == tcp


@pytest.mark.parametrize("readme, comma", [("README.md", ", "), ("README.zh-CN.md", "、")])
def test_the_readme_has_the_same_tables(emu, readme, comma):
    """The Chinese one with descriptions of its own."""
    def rows(head):
        table = re.search(rf"^\| {head}.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.M).group(1)
        return [[cell.strip().replace("`", "") for cell in line[1:-1].split("|")]
                for line in table.splitlines()]

    ports, groups = tables(emu)
    text = (ROOT / readme).read_text()
    is_english = readme == "README.md"
    found = rows("port .*also" if is_english else "端口 .*另有")
    assert [row[:4] for row in found] == [[*row[:2], row[2].replace(", ", comma), row[3]] for row in ports]
    names = rows("its DNS knows" if is_english else "它的 DNS 还认识")
    assert [row[1].split(comma) for row in names] == list(groups.values())
    if is_english:
        assert [row[4] for row in found] == [row[4] for row in ports]
        assert [row[0] for row in names] == list(groups)


def test_what_follows_the_word_lab_is_a_script(emu, tmp_path):
    """Only alone it is the command."""
    done = subprocess.run([emu.binary, "lab", "x"], capture_output=True, text=True, timeout=150)
    assert (done.returncode, done.stdout) == (5, "")
