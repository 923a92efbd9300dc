"""The lab's odd peers, by sockets and by scripts."""

import errno
import socket

import pytest

SINK = 40124
RST, RESET, HALF_CLOSE, SLOW_READER, DRIBBLE, SILENT, BLACKHOLE, REFUSED = range(40150, 40158)
TWICE, OTHER_PORT, LARGE = range(40150, 40153)


def pattern(count):
    return bytes(0x20 + n % 95 for n in range(count))


# ---- by sockets --------------------------------------------------------------------------------------


def test_rst_resets_at_once(lab):
    peer = lab.tcp(RST)
    with pytest.raises(ConnectionResetError):
        peer.sock.recv(1)
    lab.run.wait_trace("lab.close", peer="rst", error=0)


@pytest.mark.parametrize("pieces", [1, 3, 1000])
def test_reset_gives_1000_bytes_and_resets(lab, pieces):
    """However they come; the bytes arrive before the RST."""
    peer, data = lab.tcp(RESET), b""
    for _ in range(pieces):
        sent = b"x" * (3000 // pieces if pieces < 1000 else 1)
        peer.send(sent)
        wanted = min(len(sent), 1000 - len(data))
        data += peer.recv_exactly(wanted)
        if len(data) == 1000:
            break
    assert data == b"x" * 1000
    with pytest.raises(ConnectionResetError):
        peer.sock.recv(1)
    lab.run.wait_trace("lab.close", peer="reset", tx=1000)


def test_halfclose_says_its_end_and_reads_on(lab):
    peer = lab.tcp(HALF_CLOSE)
    peer.send(b"hello")
    assert peer.recv_to_end() == b"hello"
    for _ in range(10):
        peer.send(b"x" * 100_000)
    peer.half_close()
    lab.run.wait_trace("lab.close", peer="halfclose", rx=1_000_005, tx=5, error=0)


def test_the_slow_reader_closes_its_window(lab):
    """A sender can't get rid of much more than what the kernels' buffers hold."""
    peer = lab.tcp(SLOW_READER)
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    peer.sock.setblocking(False)
    sent = 0
    with pytest.raises(BlockingIOError):
        while sent < 1 << 20:
            sent += peer.sock.send(b"x" * 1000)
    peer.sock.settimeout(150)
    peer.sock.sendall(b"x" * 4000)  # it does read, a little at a time
    peer.reset()
    closed = lab.run.wait_trace("lab.close", peer="slowreader")
    accepted = lab.run.wait_trace("lab.accept", peer="slowreader")
    assert 0 < closed["rx"] <= 100 * (1 + (closed["t_us"] - accepted["t_us"]) / 100_000)


def test_the_dribble_gives_a_byte_at_a_time(lab):
    peer = lab.tcp(DRIBBLE)
    assert peer.sock.recv(100) == b" "
    assert peer.sock.recv(100) == b"!"
    peer.half_close()  # changes nothing
    assert peer.recv_exactly(3) == b'"#$'
    peer.reset()
    closed = lab.run.wait_trace("lab.close", peer="dribble")
    accepted = lab.run.wait_trace("lab.accept", peer="dribble")
    assert closed["t_us"] - accepted["t_us"] >= 500_000 and closed["tx"] >= 5


def test_the_silent_one_says_nothing_not_even_its_end(lab):
    peer, other = lab.tcp(SILENT), lab.tcp(HALF_CLOSE)
    peer.send(b"x" * 100_000)
    peer.half_close()
    other.send(b"x")
    assert other.recv_to_end() == b"x"  # the lab has had time for both
    peer.sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        peer.sock.recv(1)
    peer.reset()
    lab.run.wait_trace("lab.close", peer="silent", rx=100_000, tx=0)


def test_the_blackhole_answers_no_syn(lab):
    """Not the first one, and none after it: they all stay in SYN_SENT, until they give up."""
    waiting = [socket.socket() for _ in range(5)]
    for sock in waiting:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 1)
        sock.setblocking(False)
        assert sock.connect_ex((lab.address, BLACKHOLE)) == errno.EINPROGRESS
    with socket.socket() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 1)
        assert sock.connect_ex((lab.address, BLACKHOLE)) == errno.ETIMEDOUT
    for sock in waiting:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in (0, errno.ETIMEDOUT)
        with pytest.raises(OSError):
            sock.getpeername()  # it was never connected
        sock.close()


def test_nobody_is_at_the_refused_port(lab):
    with socket.socket() as sock:
        assert sock.connect_ex((lab.address, REFUSED)) == errno.ECONNREFUSED


def test_udp_answers_twice(lab):
    sock = lab.udp(TWICE)
    sock.send(b"a")
    sock.send(b"b")
    assert [sock.recv(10) for _ in range(4)] == [b"a", b"a", b"b", b"b"]


def test_udp_answers_from_another_port(lab, peers):
    sock = peers.udp().sock
    sock.sendto(b"hello", (lab.address, OTHER_PORT))
    assert sock.recvfrom(10) == (b"hello", (lab.address, SINK))


def test_udp_is_discarded(lab):
    sock = lab.udp(SINK)
    sock.send(b"x")
    lab.run.wait_trace("lab.datagram", peer="sink", len=1)
    other = lab.udp(TWICE)
    other.send(b"x")
    assert other.recv(10) == b"x"
    sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        sock.recv(10)


@pytest.mark.parametrize("asked, count", [(b"", 4000), (b"hello", 4000), (b"0", 0), (b"1473", 1473),
                                          (b"65507", 65507), (b"99999999", 65507), (b"12x", 12)])
def test_udp_answers_are_as_large_as_one_likes(lab, asked, count):
    sock = lab.udp(LARGE)
    sock.send(asked)
    assert sock.recv(65536) == pattern(count)


# ---- by scripts --------------------------------------------------------------------------------------

NAMES = """
local names = { [socket.ON_LINE] = "ON_LINE", [socket.EVENT] = "EVENT", [socket.TX_OK] = "TX_OK",
    [socket.CLOSED] = "CLOSED", [socket.LINK] = "LINK" }
local function meet(host, port, is_udp, say)
    local netc
    netc = socket.create(nil, function(_, event, param)
        log.info(host, names[event], param)
        if event == socket.ON_LINE and param == 0 and say then socket.tx(netc, say) end
        if event == socket.EVENT and param == 0 then
            local ok, data = socket.read(netc, 65536)
            if ok and #data > 0 then log.info(host .. " read", #data) end
        end
    end)
    socket.config(netc, nil, is_udp)
    socket.connect(netc, host, port)
    return netc
end
"""


@pytest.mark.parametrize("net", [[], ["--net", "own"]], ids=["loopback", "own"])
def test_scripts_meet_them_by_name(own, emu, net):
    """RST is EVENT -1 or ON_LINE -1, FIN is EVENT -1 too after the data, and no answer is nothing."""
    with emu.start(NAMES + """
meet("rst.lab", 40150)
meet("reset.lab", 40151, false, ("x"):rep(2000))
meet("halfclose.lab", 40152, false, "hello")
meet("dribble.lab", 40154)
meet("silent.lab", 40155, false, "hello")
black = meet("blackhole.lab", 40156)
meet("refused.lab", 40157)
meet("twice.lab", 40150, true, "hello")
meet("large.lab", 40152, true, "1400")
sys.timerLoopStart(function() log.info("black", socket.state(black)) end, 100)
sys.run()
""", "--lab", *net, "--exit-on", "never") as run:
        run.wait_log("dribble.lab read", "1", count=3)
        run.wait_log("halfclose.lab", "EVENT -1")
        run.wait_log("refused.lab", "ON_LINE -1")
        run.wait_log("twice.lab read", "5", count=2)
        run.wait_log("large.lab read", "1400")
        run.wait_log("reset.lab", "EVENT -1")
        done = run.stop()
    assert "ON_LINE 0" not in done.texts("refused.lab")
    assert sum(map(int, done.texts("reset.lab read"))) == 1000
    assert sum(map(int, done.texts("halfclose.lab read"))) == 5
    assert done.texts("silent.lab") == ["ON_LINE 0", "TX_OK 0"]
    assert done.texts("blackhole.lab") == [] and set(done.texts("black")) == {"3 正在连接"}
    assert done.texts("rst.lab")[-1].endswith("-1")


def test_a_script_hears_only_who_it_speaks_with(emu):
    """LuatOS filters by the address that was connected to: an answer from another port is none."""
    with emu.start(NAMES + """
meet("otherport.lab", 40151, true, "hello")
meet("twice.lab", 40150, true, "hello")
sys.run()
""", "--lab", "--exit-on", "never") as run:
        run.wait_log("twice.lab read", "5", count=2)
        done = run.stop()
    assert done.events("lab.datagram", peer="otherport")
    assert done.texts("otherport.lab read") == []
