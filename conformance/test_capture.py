"""--capture: what goes over the adapters, as a pcapng file. tshark is the judge of it."""

import os
import random
import re
import signal
import ssl
import stat
import threading

import pytest

import pcap as pcap_module
from peers import until
from pcap import SECRETS, STATISTICS, Capture, options_of
from test_dtls import PSK
from test_dtls import CLIENT as DTLS_CLIENT
from test_dtls import KEY, NAME
from test_tls import CLIENT as TLS_CLIENT
from test_tls import PING
from tls_peers import lua

EXIT_USAGE, EXIT_LOG = 2, 74

HI = "log.info('hi')\nos.exit(0)\n"


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


# ---- the file ------------------------------------------------------------------------------------


def test_every_adapter_has_an_interface_named_as_in_luatos(emu, pcap, path):
    """An interface a adapter, in their order, with its binding; those that are off have none."""
    emu.run(HI, "--capture", path, "--bind", "LWIP_AP=off", "--seed", "7")
    capture = pcap(path)
    assert capture.names() == ["LWIP_GP", "LWIP_STA", "LWIP_ETH", "ETH0", "USB"]
    for options in capture.interfaces:
        assert options[3] == [b"host"]
        assert options[9] == [b"\x09"]  # nanoseconds
        assert len(options[6][0]) == 6 and options[6][0][0] & 3 == 2  # a MAC address of our own
    assert len({options[6][0] for options in capture.interfaces}) == 5
    assert capture.section[4][0].startswith(b"luatos-emu ")
    assert capture.section[1][0].startswith(b"seed 7, time real, profile doc")
    assert capture.count() == 0


def test_a_board_without_adapters_has_an_empty_capture(emu, pcap, path):
    """It is a file that tshark opens, all the same."""
    off = [arg for name in ("LWIP_GP", "LWIP_STA", "LWIP_AP", "LWIP_ETH", "ETH0", "USB")
           for arg in ("--bind", f"{name}=off")]
    assert emu.run(HI, "--capture", path, *off).code == 0
    capture = pcap(path)
    assert capture.interfaces == [] and capture.count() == 0


def test_nobody_else_can_read_the_file(emu, path):
    """There are secrets in it."""
    emu.run(HI, "--capture", path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_in_virtual_time_equal_runs_give_equal_files(emu, path, tmp_path):
    """--seed, --time virtual."""
    other = tmp_path / "other.pcapng"
    for to in (path, other):
        emu.run("sys.timerStart(log.info, 500, 'hi')\nsys.run()\n", "--capture", to, "--seed", 1,
                "--time", "virtual")
    assert path.read_bytes() == other.read_bytes() != b""


# ---- TCP, made up from sockets -------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"], ids=["IPv4", "IPv6"])
def test_a_connection_is_there_from_its_first_to_its_last_frame(tasks, pcap, path, peers, host):
    """Handshake, data both ways, acknowledgements, FIN: with the addresses and ports of the real
    one, in the direction they went, and nothing for tshark to complain of."""
    server = peers.tcp_server(host=host)
    with tasks.start("""
        local netc = online(tcp())
        socket.tx(netc, "hello")
        until_event("TX_OK 0")
        show("got", read_bytes(netc, 6))
        socket.discon(netc)
        until_event("CLOSED 0")
    """, "--capture", path, env={"HOST": host, "PORT": server.port}) as run:
        peer = server.accept()
        assert peer.recv_exactly(5) == b"hello"
        peer.send(b"answer")
        assert peer.recv_to_end() == b""
        run.finish()
    capture = pcap(path)
    capture.assert_sound()
    ip = "ipv6" if ":" in host else "ip"
    rows = capture.rows("tcp", "frame.packet_flags_direction", "tcp.flags", "tcp.len",
                        f"{ip}.src", "tcp.srcport", f"{ip}.dst", "tcp.dstport")
    ours, theirs = [host, str(peer.remote[1])], [host, str(server.port)]
    for direction, _, _, *ends in rows:
        assert ends == (ours + theirs if direction == "0x00000002" else theirs + ours)
    flags = [(direction[-1], int(bits, 16), length) for direction, bits, length, *_ in rows]
    assert flags[:3] == [("2", 0x02, "0"), ("1", 0x12, "0"), ("2", 0x10, "0")]
    assert ("2", 0x18, "5") in flags and ("1", 0x18, "6") in flags
    assert flags[-1] == ("2", 0x11, "0")
    assert capture.stream("out") == b"hello" and capture.stream("in") == b"answer"


def test_bulk_both_ways_is_whole(tasks, pcap, path, tcp_server):
    """A megabyte there and one back, cut into segments: byte for byte, with no gap."""
    data = random.Random(1).randbytes(1024 * 1024)
    with tasks.start("""
        local netc = online(tcp())
        local sum, part = 0, string.rep("0123456789abcdef", 1024)
        local left = 1024 * 1024
        local buff = zbuff.create(65536)
        local to_read = 1024 * 1024
        while left > 0 or to_read > 0 do
            if left > 0 then
                local ok, full = socket.tx(netc, part)
                assert(ok)
                if not full then left = left - #part end
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
    """, "--capture", path, env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        sender = threading.Thread(target=peer.send, args=(data,))
        sender.start()
        peer.recv_exactly(1024 * 1024)
        sender.join()
        run.finish()
    capture = pcap(path)
    capture.assert_sound()
    assert capture.stream("in") == data
    assert capture.stream("out") == b"0123456789abcdef" * 65536
    assert capture.count("tcp.len > 1460") == 0


def test_several_connections_at_once_are_told_apart(tasks, pcap, path, tcp_server):
    """Each is a stream of its own."""
    with tasks.start("""
        local all = {}
        for i = 1, 5 do all[i] = online(tcp()) end
        for i = 1, 5 do socket.tx(all[6 - i], "from " .. 6 - i) end
        for i = 1, 5 do until_event("TX_OK 0") end
    """, "--capture", path, env={"PORT": tcp_server.port}) as run:
        got = []
        for _ in range(5):
            tcp_server.accept()
        for peer in tcp_server.accepted:
            got.append(peer.recv_exactly(6))
        run.finish()
    capture = pcap(path)
    capture.assert_sound()
    assert sorted(got) == sorted(capture.stream("out", i) for i in range(5))


def test_a_refused_connection_is_a_syn_and_a_reset(tasks, pcap, path, peers):
    tasks.run("""
        assert(socket.connect(tcp(), HOST, PORT))
        expect("ON_LINE -1")
    """, "--capture", path, env={"PORT": peers.free_port()})
    capture = pcap(path)
    assert [row[0] for row in capture.rows("tcp", "tcp.flags")] == ["0x0002", "0x0014"]
    assert ("netc 1 ON_LINE -1" in [text for number, text in capture.comments if number == 2])


@pytest.mark.parametrize("by, last", [
    ("reset", ("1", "0x0014")), ("close", ("1", "0x0011"))])
def test_how_the_peer_ends_it_is_seen(tasks, pcap, path, tcp_server, by, last):
    """FIN or RST; and the data before it, also when nobody reads it."""
    with tasks.start("""
        local netc = online(tcp())
        until_event("EVENT -1")
    """, "--capture", path, env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        peer.send(b"unread")
        run.wait_trace("netc.event", event="EVENT", param=0)
        getattr(peer, by)()
        run.finish()
    capture = pcap(path)
    capture.assert_sound()
    assert capture.stream("in") == b"unread"
    ends = [(direction[-1], flags) for direction, flags in capture.rows(
        "tcp.flags.fin == 1 || tcp.flags.reset == 1", "frame.packet_flags_direction", "tcp.flags")]
    assert ends[0] == last


def test_with_unread_data_closing_is_a_reset(tasks, pcap, path, tcp_server):
    """As the peer sees it, with a capture and without."""
    with tasks.start("""
        local netc = online(tcp())
        until_event("EVENT 0")
        socket.close(netc)
        show("closed")
        sys.wait(100)
    """, "--capture", path, env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        peer.send(b"unread")
        run.wait_log("closed")
        with pytest.raises(ConnectionResetError):
            peer.recv_to_end()
        run.finish()
    assert pcap(path).rows("tcp.flags.reset == 1", "frame.packet_flags_direction") == [["0x00000002"]]


@pytest.mark.parametrize("many", [False, True], ids=["one-to-one", "one-to-many"])
def test_what_clients_of_a_server_do_is_seen(tasks, pcap, path, peers, many):
    """listen and accept: their handshake comes in."""
    port = peers.listen_port()
    body = """
        local server = tcp(PORT)
        assert(socket.listen(server))
        show("listening")
        until_event("ON_LINE 0")
        local ok, client = socket.accept(server, %s)
        assert(ok)
        client = client or server
        show("got", read_bytes(client, 5))
        socket.tx(client, "hi there")
        until_event("TX_OK 0")
        socket.close(client)
    """ % ("function() end" if many else "nil")
    if many:
        body = body.replace("function() end", '"t"')
    with tasks.start(body, "--capture", path, env={"PORT": port}) as run:
        run.wait_log("listening")
        client = peers.tcp_client(port)
        client.send(b"hello")
        assert client.recv_to_end() == b"hi there"
        run.finish()
    capture = pcap(path)
    capture.assert_sound()
    first = capture.rows("tcp", "frame.packet_flags_direction", "tcp.flags", "tcp.srcport",
                         "tcp.dstport")[:3]
    theirs, ours = str(client.address[1]), str(port)
    assert first == [["0x00000001", "0x0002", theirs, ours], ["0x00000002", "0x0012", ours, theirs],
                     ["0x00000001", "0x0010", theirs, ours]]
    assert capture.stream("in") == b"hello" and capture.stream("out") == b"hi there"


def test_a_script_that_speaks_to_itself_is_heard_once(tasks, pcap, path, peers):
    """Server and client in one module: two frames of each would look sent again."""
    tasks.run("""
        local server = tcp(PORT)
        assert(socket.listen(server))
        local client = online(tcp())
        expect("ON_LINE 0")
        assert(socket.accept(server))
        socket.tx(client, "ping")
        show("got", read_bytes(server, 4))
        socket.tx(server, "pong")
        show("got", read_bytes(client, 4))
        socket.discon(client)
        until_event("EVENT -1")
    """, "--capture", path, env={"PORT": peers.listen_port()})
    capture = pcap(path)
    capture.assert_sound()
    assert capture.count("tcp.flags.syn == 1") == 2
    assert capture.stream("out") == b"ping" and capture.stream("in") == b"pong"


def test_an_arrival_has_its_own_time_not_the_readers(tasks, pcap, path, tcp_server):
    """The script reads later."""
    with tasks.start("""
        local netc = online(tcp())
        until_event("EVENT 0")
        sys.wait(1000)
        show("got", read_bytes(netc, 5))
    """, "--capture", path, env={"PORT": tcp_server.port}) as run:
        tcp_server.accept().send(b"early")
        done = run.finish()
    at = float(pcap(path).rows("tcp.len == 5", "frame.time_relative")[0][0])
    assert at < 0.9
    assert done.texts("got") == ["early"]


# ---- UDP, DNS, ICMP --------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"], ids=["IPv4", "IPv6"])
def test_datagrams_both_ways_large_ones_in_fragments(tasks, pcap, path, peers, host):
    """What IP cuts up it puts together again: tshark does."""
    peer = peers.udp(host)
    with tasks.start("""
        local netc = online(udp())
        socket.tx(netc, "small")
        socket.tx(netc, "")
        socket.tx(netc, string.rep("large", 4000))
        local ok, got
        repeat until_event("EVENT 0") ok, got = socket.read(netc, 65536) until #got > 0
        show("got", #got)
    """, "--capture", path, env={"HOST": host, "PORT": peer.port}) as run:
        _, sender = peer.recv()
        assert peer.recv()[0] == b""
        assert peer.recv()[0] == b"large" * 4000
        peer.send(b"x" * 3000, sender)
        run.finish()
    capture = pcap(path)
    capture.assert_sound()
    rows = capture.rows("udp", "frame.packet_flags_direction", "udp.srcport", "udp.dstport",
                        "udp.length", "udp.payload")
    ours, theirs = str(sender[1]), str(peer.port)
    assert [row[:4] for row in rows] == [
        ["0x00000002", ours, theirs, "13"], ["0x00000002", ours, theirs, "8"],
        ["0x00000002", ours, theirs, "20008"], ["0x00000001", theirs, ours, "3008"]]
    assert rows[2][4] == (b"large" * 4000).hex()
    assert capture.count("ip.fragment || ipv6.fragment") == 2
    assert max(int(row[0]) for row in capture.rows("frame", "frame.len")) <= 1514


def test_who_sent_a_datagram_is_seen(tasks, pcap, path, peers):
    """A socket that hears everyone: the frames have each sender's address."""
    senders = [peers.udp(), peers.udp()]
    port = peers.listen_port(2)
    with tasks.start("""
        local netc = udp(PORT)
        assert(socket.connect(netc, "255.255.255.255", 0))
        expect("ON_LINE 0")
        show("ready")
        for i = 1, 2 do
            until_event("EVENT 0")
            local ok, data = socket.read(netc)
            while #data == 0 do event() ok, data = socket.read(netc) end
        end
    """, "--capture", path, env={"PORT": port}) as run:
        run.wait_log("ready")
        for i, sender in enumerate(senders):
            sender.send(b"from %d" % i, ("127.0.0.1", port))
        run.finish()
    capture = pcap(path)
    capture.assert_sound()
    assert sorted(capture.rows("udp", "udp.srcport", "udp.dstport")) == sorted(
        [str(sender.port), str(port)] for sender in senders)


def test_the_modules_own_dns_is_seen(emu, pcap, path):
    """Its resolver's queries and what answers them, in the lab."""
    emu.run("""
sys.taskInit(function()
    local netc = socket.create(nil, function(_, event) sys.publish("E", event) end)
    socket.config(netc)
    socket.connect(netc, "netlab.luatos.com", 40123)
    sys.waitUntil("E")
    os.exit(0)
end)
sys.run()
""", "--lab", "--capture", path)
    capture = pcap(path)
    capture.assert_sound()
    names = capture.rows("udp.payload contains 06:6e:65:74:6c:61:62", "frame.packet_flags_direction")
    assert [row[0][-1] for row in names] == ["2", "1"]


def test_a_ping_is_a_request_and_its_reply(tasks, pcap, path, netns):
    """icmp.ping, by the host's own ICMP, where that allows it: icmp(7), ping_group_range."""
    netns.run("sh", "-c", "echo 0 0 > /proc/sys/net/ipv4/ping_group_range")
    tasks.run("""
        assert(icmp.setup(socket.LWIP_ETH) and icmp.ping(socket.LWIP_ETH, "127.0.0.1", 64))
        assert(sys.waitUntil("PING_RESULT", 5000))
    """, "--capture", path, netns=netns)
    capture = pcap(path)
    capture.assert_sound()
    rows = capture.rows("icmp", "frame.packet_flags_direction", "icmp.type", "data.len",
                        "frame.interface_name")
    assert rows == [["0x00000002", "8", "64", "LWIP_ETH"], ["0x00000001", "0", "64", "LWIP_ETH"]]


# ---- TLS --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("has_keys", [True, False], ids=["keys", "--no-keys"])
def test_tshark_decrypts_tls_from_the_file_alone(tasks, tls, pcap, path, version, has_keys):
    """A secrets block before the frames that need it; with --no-keys there is none."""
    exact = ssl.TLSVersion.TLSv1_2 if version == "1.2" else ssl.TLSVersion.TLSv1_3
    server = tls.server(minimum_version=exact, maximum_version=exact)
    tasks.run(TLS_CLIENT + f"""
        local netc = online(secure())
        {PING}
    """, "--capture", path, "--tls-max", version, *([] if has_keys else ["--no-keys"]),
              env={"PORT": server.port})
    capture = pcap(path)
    capture.assert_sound()
    secrets = [body for kind, body in capture.blocks if kind == SECRETS]
    plain = capture.tshark("-Y", "tls.app_data", "-x")
    assert bool(secrets) == has_keys
    assert ("ping" in plain) == has_keys
    assert capture.count("tls.handshake.type == 20") == (2 if has_keys else 0)  # Finished, encrypted


@pytest.mark.parametrize("options, config", [
    (("-cert", "server"), ""), (PSK, f"{lua(KEY)}, '{NAME}'")], ids=["certificate", "psk"])
@pytest.mark.parametrize("has_keys", [True, False], ids=["keys", "--no-keys"])
def test_tshark_decrypts_dtls_from_the_file_alone(tasks, tls, pcap, path, options, config, has_keys):
    """The same of datagrams."""
    server = tls.openssl("-dtls", *options)
    with tasks.start(DTLS_CLIENT + f"""
        local netc = online(secure({config}))
        socket.tx(netc, "ping\\n")
        until_event("TX_OK 0")
        show("got", next_datagram(netc))
    """, "--capture", path, *([] if has_keys else ["--no-keys"]), env={"PORT": server.port}) as run:
        server.wait("ping")
        server.say("hello\n")
        run.finish()
    capture = pcap(path)
    capture.assert_sound()
    plain = capture.tshark("-d", f"udp.port=={server.port},dtls", "-Y", "dtls.app_data", "-x")
    assert ("ping" in plain) == has_keys
    assert ("hello" in plain) == has_keys


# ---- comments -------------------------------------------------------------------------------------------


def test_frames_carry_what_the_script_was_told_about_them(tasks, pcap, path, tcp_server):
    """Each event is a comment on the frame that caused it."""
    with tasks.start("""
        local netc = online(tcp())
        socket.tx(netc, "hello")
        expect("TX_OK 0")
        expect("EVENT 0")
        socket.read(netc)
        socket.discon(netc)
        until_event("CLOSED 0")
    """, "--capture", path, env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        peer.recv_exactly(5)
        run.wait_trace("netc.event", event="TX_OK")
        peer.send(b"answer")
        run.finish()
    capture = pcap(path)

    def on(where):
        numbers = {int(row[0]) for row in capture.rows(where, "frame.number")}
        return [text for number, text in capture.comments if number in numbers]

    assert "netc 1 ON_LINE 0" in on("tcp.flags.syn == 1 && tcp.flags.ack == 1")
    assert on("tcp.ack == 6 && tcp.len == 0 && frame.packet_flags_direction == 1") == [
        "netc 1 TX_OK 0"]
    assert on("tcp.len == 6") == ["netc 1 EVENT 0"]
    assert on("tcp.flags.fin == 1") == ["netc 1 CLOSED 0"]
    assert capture.count('frame.comment contains "EVENT"') == 1


def test_a_link_that_goes_is_told_of_on_the_next_frame(tasks, pcap, path, tcp_server, tmp_path):
    """IP_LOSE and IP_READY have no frame of their own; how long ago it was is told as well."""
    ctl = tmp_path / "ctl"
    with tasks.start("""
        local netc = online(tcp())
        show("ready")
        sys.waitUntil("IP_READY")
        sys.wait(20)
        online(tcp())
    """, "--capture", path, "--ctl", ctl, env={"PORT": tcp_server.port}) as run:
        run.wait_log("ready")
        for way in ("down", "up"):
            tasks.emu.ctl(ctl, "link", "LWIP_GP", way)
        run.finish()
    capture = pcap(path)
    assert [text for _, text in capture.comments if "IP_LOSE LWIP_GP" in text]
    lost = [(number, text) for number, text in capture.comments if "LWIP_GP" in text]
    texts = [re.sub(r" \(\d+\.\d{3} s before\)$", "", text) for _, text in lost]
    assert texts[-2] == "IP_LOSE LWIP_GP"
    assert re.fullmatch(r"IP_READY [\d.]+ LWIP_GP", texts[-1])
    assert lost[-1][1] != texts[-1]  # it was 20 ms before
    syn = capture.rows("tcp.flags == 2", "frame.number")[-1][0]
    assert lost[-1][0] == int(syn)


def test_nothing_goes_over_a_link_that_is_down(tasks, pcap, path, tcp_server, tmp_path):
    """What the peer sends meanwhile does not arrive, and closing sends nothing."""
    ctl = tmp_path / "ctl"
    with tasks.start("""
        local netc = online(tcp())
        show("ready")
        until_event("EVENT -1")
        show("broken")
        sys.wait(50)
        socket.close(netc)
    """, "--capture", path, "--ctl", ctl, env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        run.wait_log("ready")
        tasks.emu.ctl(ctl, "link", "LWIP_GP", "down")
        run.wait_log("broken")
        peer.send(b"into the void")
        run.finish()
    capture = pcap(path)
    capture.assert_sound()
    assert capture.count("tcp") == 3


def test_what_has_no_frame_at_all_is_in_the_statistics(emu, path):
    """Comments of the adapter's statistics block, at the end."""
    emu.run(HI, "--capture", path, "--bind", "LWIP_ETH=host")
    found = [options_of(body[12:]) for kind, body in Capture(path).blocks if kind == STATISTICS]
    assert len(found) == 6
    texts = [text.decode() for options in found for text in options[1]]
    assert [text.split()[0] for text in texts] == ["IP_READY"] * 6
    assert [text.split()[2] for text in texts] == Capture(path).names()


def test_the_control_socket_tells_how_much_there_is(tasks, path, tcp_server, tmp_path):
    """luatos-emu ctl PATH capture"""
    ctl = tmp_path / "ctl"
    with tasks.start("""
        online(tcp())
        show("ready")
        until_event("EVENT -1")
    """, "--capture", path, "--ctl", ctl, env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        run.wait_log("ready")
        answer = tasks.emu.ctl(ctl, "capture")
        peer.close()
        run.finish()
    assert answer.stdout.splitlines()[0] == "LWIP_GP 3 frames, 0 dropped"


def test_without_a_capture_the_control_socket_says_so(emu, tmp_path):
    ctl = tmp_path / "ctl"
    with emu.start("log.info('ready')\nsys.run()\n", "--exit-on", "never", "--ctl", ctl) as run:
        until(ctl.exists, "control socket")
        done = emu.ctl(ctl, "capture", code=1)
        run.stop()
    assert "there is no capture" in done.stderr


# ---- what goes wrong ---------------------------------------------------------------------------------


def test_a_capture_changes_nothing_for_the_script(tasks, path, tcp_server):
    """The same events, in the same order."""
    reports = []
    for args in ([], ["--capture", path]):
        with tasks.start("""
            local netc = online(tcp())
            for i = 1, 20 do
                socket.tx(netc, string.rep("x", i * 100))
                until_event("TX_OK 0")
                show("got", #read_bytes(netc, i * 100))
            end
            socket.close(netc)
        """, *args, "--seed", 3, env={"PORT": tcp_server.port}) as run:
            peer = tcp_server.accept()
            for i in range(1, 21):
                data = peer.recv_exactly(i * 100)
                run.wait_trace("netc.event", event="TX_OK", count=i)
                peer.send(data)
            reports.append([report for report in run.finish().reports()
                            if report != ("EVENT", 0)])
    assert reports[0] == reports[1]


def test_what_was_seen_is_in_the_file_when_the_run_is_killed(tasks, pcap, path, tcp_server):
    """SIGKILL: blocks are written whole, every turn."""
    run = tasks.start("""
        local netc = online(tcp())
        socket.tx(netc, "hello")
        until_event("TX_OK 0")
        sys.wait(10)
        show("said")
        sys.wait(100000)
    """, "--capture", path, env={"PORT": tcp_server.port})
    tcp_server.accept().recv_exactly(5)
    run.wait_log("said")
    run.send_signal(signal.SIGKILL)
    run.finish(sane=False)
    capture = pcap(path)
    capture.assert_sound()
    assert capture.stream("out") == b"hello"
    assert "netc 1 TX_OK 0" in [text for _, text in capture.comments]


def test_a_file_that_can_not_be_made_is_told_of(emu, tmp_path):
    """Before anything is run."""
    missing = tmp_path / "no" / "such.pcapng"
    done = emu.run(HI, "--capture", missing)
    assert done.code == EXIT_USAGE
    assert done.stderr == (f"luatos-emu: --capture {missing}: can't write it: "
                           "No such file or directory\n")
    assert done.log == []


def test_an_empty_name_is_refused(emu):
    done = emu.run(HI, "--capture", "")
    assert done.code == EXIT_USAGE
    assert "--capture : it takes a file's name" in done.stderr


def test_no_keys_alone_is_harmless(emu):
    assert emu.run(HI, "--no-keys").code == 0


def test_a_full_disk_is_told_of_once_and_the_run_goes_on(tasks, tcp_server):
    """As of the log: exit code 74 where it would have been 0."""
    with tasks.start("""
        local netc = online(tcp())
        socket.tx(netc, "hello")
        until_event("TX_OK 0")
        show("done")
    """, "--capture", "/dev/full", env={"PORT": tcp_server.port}) as run:
        tcp_server.accept().recv_exactly(5)
        done = run.finish()
    assert done.code == EXIT_LOG
    assert done.texts("done") == ["nothing"]
    assert done.stderr.count("capture") == 1
    assert "the capture can't be written any more: No space left on device" in done.stderr


def test_a_file_that_may_not_grow_further_stays_readable(tasks, pcap, path, tcp_server):
    """It ends with a whole block. RLIMIT_FSIZE stands for a disk that is full."""
    with tasks.start("""
        local netc = online(tcp())
        for i = 1, 40 do
            socket.tx(netc, string.rep("x", 1000))
            until_event("TX_OK 0")
        end
        show("done")
    """, "--capture", path, env={"PORT": tcp_server.port},
            prefix=["prlimit", "--fsize=20000"]) as run:
        tcp_server.accept().recv_exactly(40000)
        done = run.finish()
    assert done.code == EXIT_LOG and done.texts("done")
    assert done.stderr.count("the capture can't be written any more: File too large") == 1
    capture = pcap(path)
    capture.assert_sound()
    assert 0 < capture.count() and path.stat().st_size <= 20000


def test_a_pipe_can_be_watched_live(tasks, pcap, path, tmp_path, tcp_server):
    """mkfifo: Wireshark reads while the run goes on."""
    fifo = tmp_path / "live"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    with tasks.start("online(tcp())", "--capture", fifo, env={"PORT": tcp_server.port}) as run:
        tcp_server.accept()
        run.finish()
    with os.fdopen(reader, "rb") as pipe:
        path.write_bytes(pipe.read())
    assert pcap(path).count("tcp.flags.syn == 1") == 2


def test_a_pipe_that_nobody_reads_is_told_of(emu, tmp_path):
    """It would be waited for, for ever."""
    fifo = tmp_path / "live"
    os.mkfifo(fifo)
    done = emu.run(HI, "--capture", fifo)
    assert done.code == EXIT_USAGE
    assert "nobody reads from that pipe" in done.stderr
