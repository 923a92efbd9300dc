"""--capture of links that have frames of their own: the true ones, as the adapter's end sees them.

test_capture.py has what is made up from sockets. tshark is the judge of both."""

import random
import signal
import socket
import struct
import subprocess
import threading

import pytest

import pcap as pcap_module
from pcap import STATISTICS, Capture
from peers import until
from test_tls import PING

OTHERS_OFF = [word for name in ("LWIP_GP", "LWIP_STA", "LWIP_AP", "ETH0", "USB")
              for word in ("--bind", f"{name}=off")]
LIBNET = """
local libnet = require "libnet"
local function open(adapter, host, port)
    local netc = socket.create(adapter, "T")
    socket.config(netc)
    if not socket.adapter(adapter) then sys.waitUntil("IP_READY", 20000) end
    assert(libnet.connect("T", 0, netc, host, port))
    return netc
end
"""
ECHO = LIBNET + """
sys.taskInitEx(function()
    local netc = open(socket.LWIP_ETH, os.getenv("HOST"), tonumber(os.getenv("PORT")))
    libnet.tx("T", 0, netc, "hello")
    libnet.wait("T", 0, netc)
    log.info("read", socket.read(netc))
    libnet.close("T", 0, netc)
    socket.release(netc)
    os.exit(0)
end, "T")
sys.run()
"""
WAIT = """
sys.subscribe("IP_READY", function(ip, adapter) log.info("ready", ip, adapter) end)
log.info("runs")
sys.run()
"""
BULK_LEN = 3 * 1024 * 1024


@pytest.fixture
def pcap():
    """Reads a capture; the test is skipped where there is no tshark."""
    obstacle = pcap_module.why_not()
    if obstacle:
        pytest.skip(obstacle)
    return Capture


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out.pcapng"


@pytest.fixture
def machine(netns):
    """The emulator's machine: a bridge br0 with 10.5.0.1/24."""
    netns.run("ip", "link", "add", "br0", "type", "bridge")
    netns.run("ip", "addr", "add", "10.5.0.1/24", "dev", "br0")
    netns.run("ip", "link", "set", "br0", "up")
    return netns


CABLE = ["--bind", "LWIP_ETH=veth:peer=lan0,bridge=br0,ip=10.5.0.2/24,gw=10.5.0.1", *OTHERS_OFF]


def answer(server, data=b"world"):
    """What a client said to an echo server, once it has gone."""
    peer = server.accept()
    heard = peer.recv_exactly(5)
    peer.send(data)
    peer.recv_to_end()
    return heard


def assert_whole(capture):
    """All is as on a cable: right checksums, no frame too large, nothing that tshark can't read."""
    broken = capture.tshark("-Y", " || ".join(
        ["_ws.malformed", *(f'{protocol}.checksum.status == "Bad"'
                            for protocol in ("ip", "tcp", "udp", "icmp", "icmpv6"))]))
    assert broken == ""
    assert capture.count("frame.len > 1514") == 0
    times = [float(row[0]) for row in capture.rows("frame", "frame.time_relative")]
    assert times == sorted(times)


def stream(capture, direction):
    """The bytes of the one TCP stream, each in its place: what was sent again is there once."""
    rows = capture.rows(f"frame.packet_flags_direction == {direction} && tcp.len > 0", "tcp.seq",
                        "tcp.payload")
    parts = {int(seq) - 1: bytes.fromhex(data) for seq, data in rows}
    whole = bytearray(max(at + len(part) for at, part in parts.items()))
    for at, part in parts.items():
        whole[at:at + len(part)] = part
    return bytes(whole), sum(len(part) for part in parts.values())


# ---- every kind of link ---------------------------------------------------------------------------


def test_the_true_frames_of_a_network_of_its_own(own, emu, pcap, path):
    """ARP before it, the handshake with the stack's own options, and nobody else's; each in its
    direction, with the true MAC addresses."""
    done = emu.run(ECHO, "--net", "own", "--lab", "--capture", path,
                   env={"HOST": "netlab.luatos.com", "PORT": 40123})
    assert done.texts("read") == ["true hello"]
    capture = pcap(path)
    assert_whole(capture)
    rows = capture.rows("tcp", "frame.packet_flags_direction", "tcp.flags", "tcp.options.timestamp",
                        "frame.interface_name", "eth.src")
    assert [(direction[-1], flags) for direction, flags, *_ in rows[:3]] == [
        ("2", "0x0002"), ("1", "0x0012"), ("2", "0x0010")]
    assert {row[3] for row in rows} == {"LWIP_ETH"}
    mac, = {row[4] for row in rows if row[0][-1] == "2"}
    ours = capture.names().index("LWIP_ETH")
    assert capture.interfaces[ours][6] == [bytes.fromhex(mac.replace(":", ""))]
    assert capture.interfaces[ours][3] == [b"lab"]
    requests = capture.rows("arp.opcode == 1 && arp.dst.proto_ipv4 == 192.168.77.1 &&"
                            ' frame.interface_name == "LWIP_ETH"', "frame.packet_flags_direction",
                            "arp.src.hw_mac")
    assert ["0x00000002", mac] in requests
    assert capture.count('arp.opcode == 2 && frame.interface_name == "LWIP_ETH" &&'
                         " frame.packet_flags_direction == 1") >= 1
    assert stream(capture, 2)[0] == stream(capture, 1)[0] == b"hello"


def test_an_ordinary_user_has_true_frames_too(own, user_emu, pcap):
    """In a user namespace: no right of root's is needed."""
    path = user_emu.directory / "out.pcapng"
    done = user_emu.run(ECHO, "--net", "own", "--lab", "--capture", path,
                        env={"HOST": "netlab.luatos.com", "PORT": 40123})
    assert "can't be captured" not in done.stderr
    capture = pcap(path)
    assert_whole(capture)
    assert capture.count("arp") >= 2
    assert stream(capture, 2)[0] == stream(capture, 1)[0] == b"hello"


def test_a_cable_to_this_machine_from_dhcp_on(emu, machine, pcap, path):
    """veth: the four messages of RFC 2131 3.1, then ARP, then TCP."""
    machine.dnsmasq("10.5.0.1", options=[
        "--no-ping", "--dhcp-authoritative", "--dhcp-range=10.5.0.50,10.5.0.60,255.255.255.0,2m",
        f"--dhcp-leasefile={machine.directory}/leases"])
    server = machine.peers.tcp_server(host="10.5.0.1")
    with emu.start(ECHO, "--bind", "LWIP_ETH=veth:peer=lan0,bridge=br0,dhcp", *OTHERS_OFF, "--capture",
                   path, netns=machine, env={"HOST": "10.5.0.1", "PORT": server.port}) as run:
        assert answer(server) == b"hello"
        run.finish()
    capture = pcap(path)
    assert_whole(capture)
    assert capture.rows("dhcp", "frame.packet_flags_direction", "dhcp.option.dhcp") == [
        ["0x00000002", "1"], ["0x00000001", "2"], ["0x00000002", "3"], ["0x00000001", "5"]]
    assert capture.count("arp && frame.packet_flags_direction == 2") >= 1
    assert stream(capture, 2)[0] == b"hello" and stream(capture, 1)[0] == b"world"


def test_a_cable_to_a_tap_device(emu, machine, pcap, path):
    try:
        machine.run("ip", "tuntap", "add", "tap7", "mode", "tap")
    except subprocess.CalledProcessError:
        pytest.skip("needs /dev/net/tun")
    server = machine.peers.tcp_server(host="10.5.0.1")
    with emu.start(ECHO, "--bind", "LWIP_ETH=tap:tap7,bridge=br0,ip=10.5.0.2/24", *OTHERS_OFF,
                   "--capture", path, "--exit-on", "never", netns=machine,
                   env={"HOST": "10.5.0.1", "PORT": server.port}) as run:
        assert answer(server) == b"hello"
        run.finish()
    capture = pcap(path)
    assert_whole(capture)
    assert capture.count("arp") >= 2
    assert stream(capture, 2)[0] == b"hello" and stream(capture, 1)[0] == b"world"


def test_an_interface_of_somebody_elses_that_comes_and_goes(emu, machine, pcap, path):
    """netns: with dev=; an interface that is made anew under the name is captured, too."""
    far = machine.holder.pid

    def make():
        machine.run("ip", "link", "add", "wan", "type", "veth", "peer", "name", "wan-peer")
        machine.run("ip", "link", "set", "wan-peer", "master", "br0", "up")
        machine.run("ip", "addr", "add", "10.7.0.2/24", "dev", "wan")
        machine.run("ip", "link", "set", "wan", "up")

    def tell(text):
        """A datagram that goes out by the interface: to nobody, so it is an ARP request."""
        machine.peers.udp(host="10.7.0.2").send(b"x", (text, 9))

    make()
    with emu.start(WAIT, "--bind", f"LWIP_ETH=netns:/proc/{far}/ns/net,dev=wan", *OTHERS_OFF,
                   "--capture", path, "--exit-on", "never") as run:
        run.wait_log("ready", "10.7.0.2 4")
        tell("10.7.0.8")
        machine.run("ip", "link", "del", "wan")
        make()
        run.wait_log("ready", "10.7.0.2 4", count=2)
        tell("10.7.0.9")
        run.stop()
    capture = pcap(path)
    asked = [row[0] for row in capture.rows("arp.opcode == 1", "arp.dst.proto_ipv4")]
    assert "10.7.0.8" in asked and "10.7.0.9" in asked


def test_true_and_made_up_frames_in_one_file(own, emu, tcp_server, pcap, path):
    """In the order of their times, each on its interface."""
    script = LIBNET + """
sys.taskInitEx(function()
    local there = open(socket.LWIP_ETH, "192.168.77.1", 40123)
    local here = open(socket.LWIP_GP, "127.0.0.1", tonumber(os.getenv("PORT")))
    for i = 1, 20 do
        libnet.tx("T", 0, there, "true " .. i)
        libnet.tx("T", 0, here, "made up")
    end
    os.exit(0)
end, "T")
sys.run()
"""
    with emu.start(script, "--net", "own", "--lab", "--bind", "LWIP_GP=host", "--capture", path,
                   env={"PORT": tcp_server.port}) as run:
        tcp_server.accept().recv_exactly(20 * 7)
        run.finish()
    capture = pcap(path)
    assert_whole(capture)
    names = capture.rows("tcp.len > 0 && frame.packet_flags_direction == 2", "frame.interface_name",
                         "tcp.len")
    assert [row[0] for row in names if row[1] == "7" and row[0] == "LWIP_GP"] == ["LWIP_GP"] * 20
    assert len([row for row in names if row[0] == "LWIP_ETH"]) == 20


# ---- what a stack leaves to hardware --------------------------------------------------------------


def test_bulk_is_cut_into_the_frames_of_a_cable(emu, machine, pcap, path):
    """A stack hands 64 KB at a time to its card: in the file are segments of 1460 bytes and less
    with right checksums, whole both ways, and none was lost."""
    data = random.Random(1).randbytes(BULK_LEN)
    server = machine.peers.tcp_server(host="10.5.0.1")
    script = LIBNET + f"""
sys.taskInitEx(function()
    local netc = open(socket.LWIP_ETH, os.getenv("HOST"), tonumber(os.getenv("PORT")))
    local part = string.rep("0123456789abcdef", 4096)
    local buff = zbuff.create(65536)
    local to_read, to_write = {BULK_LEN}, {BULK_LEN}
    while to_read > 0 or to_write > 0 do
        if to_write > 0 then
            local ok, full = socket.tx(netc, part)
            assert(ok)
            if not full then to_write = to_write - #part end
        end
        while true do
            buff:del()
            local ok, n = socket.rx(netc, buff)
            assert(ok)
            if n == 0 then break end
            to_read = to_read - n
        end
        sys.wait(1)
    end
    libnet.close("T", 0, netc)
    os.exit(0)
end, "T")
sys.run()
"""
    with emu.start(script, *CABLE, "--capture", path, netns=machine,
                   env={"HOST": "10.5.0.1", "PORT": server.port}) as run:
        peer = server.accept()
        sender = threading.Thread(target=peer.send, args=(data,))
        sender.start()
        assert peer.recv_exactly(BULK_LEN) == b"0123456789abcdef" * (BULK_LEN // 16)
        sender.join()
        run.finish()
    capture = pcap(path)
    assert_whole(capture)
    assert max(int(row[0]) for row in capture.rows("tcp.len > 0", "tcp.len")) <= 1460
    for direction, sent in [(1, data), (2, b"0123456789abcdef" * (BULK_LEN // 16))]:
        whole, seen_len = stream(capture, direction)
        assert whole == sent
        assert seen_len >= BULK_LEN
    assert lost(path) == [0]


def test_datagrams_that_a_stack_hands_over_together(emu, machine, pcap, path):
    """UDP_SEGMENT, udp(7): each is a datagram of its own in the file."""
    with emu.start(WAIT, *CABLE, "--capture", path, "--exit-on", "never", netns=machine) as run:
        run.wait_log("ready", "10.5.0.2 4")
        peer = machine.peers.udp(host="10.5.0.1")
        peer.sock.setsockopt(socket.IPPROTO_UDP, 103, 1000)
        peer.send(b"a" * 1000 + b"b" * 1000 + b"c" * 500, ("10.5.0.2", 9))
        run.stop()
    capture = pcap(path)
    assert_whole(capture)
    assert capture.rows("udp.dstport == 9 && !icmp", "udp.length", "udp.payload") == [
        ["1008", "61" * 1000], ["1008", "62" * 1000], ["508", "63" * 500]]


def test_a_vlan_tag_is_where_it_was(emu, machine, pcap, path):
    """IEEE 802.1Q: the kernel takes it out of a frame that has come; it is put back."""
    with emu.start(WAIT, *CABLE, "--capture", path, "--exit-on", "never", netns=machine) as run:
        run.wait_log("ready", "10.5.0.2 4")
        with machine.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind(("lan0", 0))
            raw.send(b"\xff" * 6 + bytes.fromhex("02005e005301") + b"\x81\x00\x00\x07\x88\xb5"
                     + b"tagged".ljust(46, b"\0"))
        run.stop()
    capture = pcap(path)
    assert capture.rows("vlan", "vlan.id", "vlan.etype", "frame.packet_flags_direction") == [
        ["7", "0x88b5", "0x00000001"]]


# ---- what the kernel does on its own ---------------------------------------------------------------


def test_what_is_sent_again_is_seen_again(own, emu, pcap, path):
    """A network that swallows everything: SYNs go out, RFC 9293 3.8.1, and nothing comes in."""
    script = LIBNET + """
sys.taskInitEx(function()
    local netc = socket.create(socket.LWIP_ETH, "T")
    socket.config(netc)
    libnet.connect("T", 2500, netc, "192.168.77.1", 40123)
    os.exit(0)
end, "T")
sys.run()
"""
    emu.run(script, "--net", "own", "--lab", "--impair", "LWIP_ETH,blackhole", "--capture", path)
    capture = pcap(path)
    assert_whole(capture)
    syns = capture.rows("tcp", "frame.packet_flags_direction", "tcp.flags")
    assert len(syns) >= 2 and {tuple(row) for row in syns} == {("0x00000002", "0x0002")}
    assert capture.count("tcp.analysis.retransmission") == len(syns) - 1


def test_an_impaired_link_is_seen_from_the_adapters_end(own, emu, pcap, path):
    """What was corrupted on its way to it has a wrong checksum; what it sends is as it sent it."""
    script = LIBNET + """
sys.taskInitEx(function()
    local netc = socket.create(socket.LWIP_ETH, "T")
    socket.config(netc, nil, true)
    assert(libnet.connect("T", 0, netc, "192.168.77.1", 40123))
    for i = 1, 20 do libnet.tx("T", 0, netc, string.rep("x", 1000)) sys.wait(2) end
    sys.wait(20)
    os.exit(0)
end, "T")
sys.run()
"""
    emu.run(script, "--net", "own", "--lab", "--seed", 1, "--impair",
            "LWIP_ETH:down,corrupt=100%,match=udp:40123", "--capture", path)
    capture = pcap(path)
    out = 'udp.dstport == 40123 && frame.packet_flags_direction == 2 && udp.checksum.status == "Good"'
    bad = ('frame.packet_flags_direction == 1 && frame.len > 1000 && (udp.checksum.status == "Bad"'
           ' || ip.checksum.status == "Bad" || _ws.malformed || !udp)')
    assert capture.count(out) == 20
    assert capture.count(bad) >= 15


def test_a_ping_is_the_kernels(own, emu, pcap, path):
    """icmp.ping: request and reply, with the frame's own times."""
    emu.run("""
sys.taskInit(function()
    icmp.setup(socket.LWIP_ETH)
    icmp.ping(socket.LWIP_ETH, "192.168.77.1")
    assert(sys.waitUntil("PING_RESULT", 10000))
    os.exit(0)
end)
sys.run()
""", "--net", "own", "--lab", "--capture", path)
    capture = pcap(path)
    assert_whole(capture)
    assert capture.rows("icmp", "frame.packet_flags_direction", "icmp.type",
                        "frame.interface_name") == [["0x00000002", "8", "LWIP_ETH"],
                                                    ["0x00000001", "0", "LWIP_ETH"]]


# ---- secrets and comments ---------------------------------------------------------------------------


def test_tls_is_decrypted_from_the_file_alone(own, emu, pcap, path):
    """The secrets come before the frames that need them."""
    emu.run(LIBNET + """
sys.taskInitEx(function()
    local netc = socket.create(socket.LWIP_ETH, "T")
    socket.config(netc, nil, false, true, nil, nil, nil, io.readFile("/luadb/lab-ca.pem"))
    assert(libnet.connect("T", 0, netc, "netlab.luatos.com", 40141))
    libnet.tx("T", 0, netc, "a secret word")
    libnet.wait("T", 0, netc)
    assert(select(2, socket.read(netc)) == "a secret word")
    libnet.close("T", 0, netc)
    os.exit(0)
end, "T")
sys.run()
""", "--net", "own", "--lab", "--capture", path)
    capture = pcap(path)
    assert_whole(capture)
    plain = capture.tshark("-Y", "tls.app_data", "-x")
    assert plain.count("a secret word") == 2
    assert capture.count("tls.handshake.type == 20") == 2


def test_frames_carry_what_the_script_was_told_about_them(own, emu, pcap, path):
    """Each event is a comment on the frame that caused it, also when many come close together."""
    emu.run(LIBNET + """
sys.taskInitEx(function()
    local netc = open(socket.LWIP_ETH, "192.168.77.1", 40123)
    for i = 1, 50 do
        libnet.tx("T", 0, netc, string.rep("x", i))
        repeat libnet.wait("T", 0, netc) until #select(2, socket.read(netc)) > 0
    end
    libnet.close("T", 0, netc)
    os.exit(0)
end, "T")
sys.run()
""", "--net", "own", "--lab", "--capture", path)
    capture = pcap(path)
    assert_whole(capture)

    def on(where):
        numbers = {int(row[0]) for row in capture.rows(where, "frame.number")}
        return [text for number, text in capture.comments if number in numbers]

    assert "netc 1 ON_LINE 0" in on("tcp.flags.syn == 1 && tcp.flags.ack == 1")
    for i in (1, 25, 50):
        assert "netc 1 EVENT 0" in on(f"tcp.len == {i} && frame.packet_flags_direction == 1"), i
    assert on("tcp.flags.fin == 1 && frame.packet_flags_direction == 2") == ["netc 1 CLOSED 0"]


# ---- the end, and too much -----------------------------------------------------------------------------


def lost(path):
    """Of each interface, as the file's statistics say it."""
    found = []
    for kind, body in Capture(path).blocks:
        options = pcap_module.options_of(body[12:]) if kind == STATISTICS else {}
        if kind == STATISTICS:
            found.append(struct.unpack("<Q", options[5][0])[0])
    return found


def test_what_is_lost_in_a_flood_is_counted(emu, machine, pcap, path, tmp_path):
    """While the emulator stands still the ring fills up: what had no room is counted, in the file and
    for `ctl PATH capture`, and with the rest makes up what was sent."""
    sent, ctl = 20000, tmp_path / "ctl"
    with emu.start(WAIT, *CABLE, "--capture", path, "--ctl", ctl, "--exit-on", "never",
                   netns=machine) as run:
        run.wait_log("ready", "10.5.0.2 4")
        with machine.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind(("lan0", 0))
            run.send_signal(signal.SIGSTOP)
            for _ in range(sent):
                raw.send(b"\xff" * 6 + bytes.fromhex("02005e00530188b5") + b"flood".ljust(46, b"\0"))
            run.send_signal(signal.SIGCONT)

        def told():
            words = emu.ctl(ctl, "capture").stdout.split()
            return int(words[1]), int(words[3])

        until(lambda: sum(told()) >= sent, "the flood")
        frames, dropped = told()
        run.stop()
    assert dropped > 0
    capture = pcap(path)
    assert lost(path) == [dropped]
    assert sent <= capture.count("eth.type == 0x88b5") + dropped <= sent + 100  # and what else came
    assert frames + dropped >= sent


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_all_is_there_when_the_run_is_told_to_end(own, emu, pcap, path, how):
    """Up to the FINs of its last connection."""
    with emu.start(LIBNET + """
sys.taskInitEx(function()
    local netc = open(socket.LWIP_ETH, "192.168.77.1", 40123)
    libnet.tx("T", 0, netc, "hello")
    log.info("said")
    sys.wait(100000)
end, "T")
sys.run()
""", "--net", "own", "--lab", "--capture", path) as run:
        run.wait_log("said")
        run.stop(how)
    capture = pcap(path)
    assert_whole(capture)
    assert stream(capture, 2)[0] == b"hello"
    last = capture.rows("tcp", "frame.packet_flags_direction", "tcp.flags.fin", "tcp.flags.reset")
    assert [row for row in last if row[0][-1] == "2" and "1" in row[1] + row[2]]
    assert len(lost(path)) == 7  # and the bus of ETH0's chip


def test_a_killed_run_leaves_a_file_that_can_be_read(own, emu, pcap, path):
    """SIGKILL: what was seen some milliseconds before is in it, and its last block is whole."""
    run = emu.start(LIBNET + """
sys.taskInitEx(function()
    local netc = open(socket.LWIP_ETH, "192.168.77.1", 40123)
    libnet.tx("T", 0, netc, "hello")
    sys.wait(100)
    log.info("said")
    sys.wait(100000)
end, "T")
sys.run()
""", "--net", "own", "--lab", "--capture", path)
    run.wait_log("said")
    run.send_signal(signal.SIGKILL)
    run.finish(sane=False)
    capture = pcap(path)
    assert_whole(capture)
    assert stream(capture, 2)[0] == stream(capture, 1)[0] == b"hello"


def test_frames_keep_no_run_alive_and_none_awake(own, emu, path):
    """A script that has nothing more to wait for is at its end, capture or not."""
    assert emu.run("log.info('hi')\nsys.run()\n", "--net", "own", "--capture", path).code == 0
