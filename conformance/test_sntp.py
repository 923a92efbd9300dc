"""socket.sntp, sntp_port and ntptm, against servers of our own and chrony."""

import re
import socket
import struct
import time

import pytest

from peers import until
from tls_peers import Daemon, find_tool

UNIX_EPOCH_S = 2208988800  # in seconds since 1900
NOON_S = 1893499200        # 2030-01-01 12:00:00 UTC, by Unix's count

# sync(...): socket.sntp(...), until it is told how that went
HELPERS = '''
    for _, topic in ipairs({ "NTP_UPDATE", "NTP_ERROR" }) do
        sys.subscribe(topic, function(...) sys.publish("NTP", topic .. " " .. text_of(...)) end)
    end
    local function result()
        local _, text = sys.waitUntil("NTP")
        log.info("ntp", text)
    end
    local function sync(...)
        show("sntp", socket.sntp(...))
        result()
    end
'''


def reply(request, unix_s=NOON_S, first=0x1C, stratum=2, name=b"\x7f\0\0\1", origin=None):
    """An answer to the request, RFC 4330 section 4."""
    now = struct.pack(">II", (unix_s + UNIX_EPOCH_S) & 0xFFFFFFFF, 0)
    head = struct.pack(">BBBbII", first, stratum, 6, -20, 0, 0) + name
    return head + now + (request[40:48] if origin is None else origin) + now + now


def answer(udp, unix_s=NOON_S):
    """Answer the next request; returns it."""
    request, client = udp.recv()
    udp.send(reply(request, unix_s), client)
    return request


# ---- a sync, and what follows it -------------------------------------------------------------------


@pytest.mark.requirement("SOCK-SNTP-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SNTP-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SNTP-013", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-004", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-008", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-009", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-009", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-NTPTM-010", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-011", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-013", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-013", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-NTPTM-014", revision=1, kind="positive")
@pytest.mark.parametrize("profile, offset", [("doc", UNIX_EPOCH_S), ("current", 0)])
def test_after_a_sync_everything_follows_the_servers_clock(tasks, udp_peer, profile, offset):
    """RTC := the server's time; NTP_UPDATE comes with 0. os.time, os.date, rtc.get and ntptm agree;
    the document counts ntptm's seconds from 1900, today's firmware from 1970."""
    with tasks.start(HELPERS + '''
        socket.sntp_port(PORT)
        sync("127.0.0.1")
        local tm, time, utc, rtc = socket.ntptm(), os.time(), os.date("!*t"), rtc.get()
        show("time", time)
        show("date", os.date("!%Y-%m-%d %H"), os.date("%Y-%m-%d %H"))
        show("rtc", rtc.year, rtc.mon, rtc.day, rtc.hour, rtc.hour == utc.hour)
        show("tm", tm.tsec - time, tm.vaild, tm.tms >= 0 and tm.tms < 1000)
        show("sum", (tm.lsec + tm.ssec) * 1000 + tm.lms + tm.sms - (tm.tsec * 1000 + tm.tms))
        for _, key in ipairs({ "ndelay", "ssec", "sms", "tsec", "tms", "lsec", "lms" }) do
            assert(math.type(tm[key]) == "integer", key)
        end
    ''', "--profile", profile, env={"PORT": udp_peer.port}) as run:
        request = answer(udp_peer)
        done = run.finish()
    assert done.code == 0, done
    assert request == b"\x1b" + bytes(47)
    assert done.texts("sntp") == ["nothing"]
    assert done.texts("ntp") == ["NTP_UPDATE 0"]
    assert NOON_S <= int(done.texts("time")[0]) < NOON_S + 60
    assert done.texts("date") == ["2030-01-01 12 2030-01-01 20"]  # local time is UTC+8
    assert done.texts("rtc") == ["2030 1 1 12 true"]
    difference, valid, is_ms = done.texts("tm")[0].split()
    assert int(difference) - offset in (0, -1)  # read a moment before os.time
    assert (valid, is_ms) == ("true", "true")
    assert done.texts("sum") == ["0"]


@pytest.mark.requirement("SOCK-NTPTM-004", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-NTPTM-011", revision=1, kind="negative")
def test_before_a_sync_ntptm_counts_from_the_start(tasks):
    """And `vaild`, LuatOS's spelling, is nil."""
    done = tasks.run('''
        local tm = socket.ntptm()
        show("tm", tm.ndelay, tm.ssec, tm.sms, tm.tsec == tm.lsec, tm.tms == tm.lms, tm.vaild)
    ''')
    assert done.texts("tm") == ["0 0 0 true true nil"]


def test_the_hosts_own_clock_is_left_alone(tasks, udp_peer):
    """What the log shows is the device's time; what the host shows is not touched."""
    before = time.time()
    with tasks.start(HELPERS + '''
        socket.sntp_port(PORT)
        sync("127.0.0.1")
    ''', env={"PORT": udp_peer.port}) as run:
        answer(udp_peer)
        done = run.finish()
    assert 0 <= time.time() - before < 3600
    assert "[2030-01-01 20:0" in done.stdout


def test_a_time_after_2036_has_wrapped(tasks, udp_peer):
    """Seconds up to 0x83aa7e80 are of the next era."""
    after = 2100000000
    with tasks.start(HELPERS + '''
        socket.sntp_port(PORT)
        sync("127.0.0.1")
        show("date", os.date("!%Y"))
    ''', env={"PORT": udp_peer.port}) as run:
        answer(udp_peer, after)
        done = run.finish()
    assert done.texts("date") == ["2036"]


def test_a_second_request_carries_our_time(tasks, udp_peer):
    """Zero at first, later the estimate: the answer has to repeat it."""
    with tasks.start(HELPERS + '''
        socket.sntp_port(PORT)
        sync("127.0.0.1")
        sync("127.0.0.1")
        show("delay", math.type(socket.ntptm().ndelay))
    ''', env={"PORT": udp_peer.port}) as run:
        answer(udp_peer)
        second, client = udp_peer.recv()
        udp_peer.send(reply(second, NOON_S + 1000, origin=bytes(8)), client)
        run.wait(lambda: any("not the answer to our request" in line for line in run.firmware("sntp")),
                 "log line")
        udp_peer.send(reply(second, NOON_S), client)
        done = run.finish()
    seconds = struct.unpack(">I", second[40:44])[0] - UNIX_EPOCH_S
    assert NOON_S <= seconds < NOON_S + 60
    assert done.texts("ntp") == ["NTP_UPDATE 0"] * 2


# ---- whom it asks ----------------------------------------------------------------------------------


@pytest.mark.requirement("SOCK-SNTP-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SNTP-011", revision=1, kind="positive")
def test_the_servers_of_a_table_are_asked_one_after_the_other(tasks, peers):
    """2 s for the first, who says nothing; a name that can't be is passed over at once."""
    silent = peers.udp()
    second = peers.udp("127.0.0.2", silent.port)
    with tasks.start(HELPERS + '''
        socket.sntp_port(PORT)
        sync({ "127.0.0.1", "127.0.0.2" })
        sync({ "a..b", "127.0.0.2" })
        sync()                                       -- the list stays
    ''', env={"PORT": silent.port}) as run:
        for _ in range(3):
            answer(second)
        done = run.finish()
    assert len(silent.recv()[0]) == 48
    assert done.texts("ntp") == ["NTP_UPDATE 0"] * 3
    asked = [line for line in done.firmware("sntp") if line.startswith("query ")]
    assert asked == ["query 127.0.0.1", "query 127.0.0.2"] + ["query a..b", "query 127.0.0.2"] * 2
    assert done.firmware("sntp").count("timeout 127.0.0.1") == 1


@pytest.mark.requirement("SOCK-SNTP-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SNTP-009", revision=1, kind="positive")
def test_the_default_servers_are_luatos_own(tasks, netns):
    """On port 123. The first two do not exist here; a string replaces the first."""
    netns.resolv_conf("nameserver 127.0.0.1\n")
    dns = netns.dnsmasq(records={"time1.cloud.tencent.com": "127.0.0.3"},
                        options=["--local=/com/", "--local=/cn/"])
    ntp = netns.peers.udp("127.0.0.3", 123)
    with tasks.start(HELPERS + '''
        sync()
        sync("nowhere.test")
    ''', netns=netns) as run:
        answer(ntp)
        answer(ntp)
        done = run.finish()
    assert done.texts("ntp") == ["NTP_UPDATE 0"] * 2
    names = ["A ntp.aliyun.com", "A ntp.ntsc.ac.cn", "A time1.cloud.tencent.com"]
    assert dns.queries == names + ["A nowhere.test"] + names[1:]


@pytest.mark.requirement("SOCK-SNTP-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SNTP-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SNTP-009", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SNTP-014", revision=1, kind="positive")
def test_when_no_server_is_left_it_is_an_error(tasks, netns):
    """NTP_ERROR without arguments; the calendar stays, and the next run begins anew."""
    netns.resolv_conf("nameserver 127.0.0.1\n")
    dns = netns.dnsmasq(options=["--local=/com/", "--local=/cn/"])
    done = tasks.run(HELPERS + '''
        sync()
        show("tm", socket.ntptm().vaild, os.time() > 1700000000)
        sync()
    ''', netns=netns)
    assert done.texts("ntp") == ["NTP_ERROR nothing"] * 2
    assert done.texts("tm") == ["nil true"]
    assert len(dns.queries) == 6


@pytest.mark.requirement("SOCK-SNTP-004", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SNTP-004", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SNTP-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SNTP-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SNTP-012", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SNTP-012", revision=1, kind="negative")
def test_the_adapter_may_be_chosen(tasks, udp_peer):
    """The document's second argument; one that the board has not is NTP_ERROR, later."""
    with tasks.start(HELPERS + '''
        socket.sntp_port(PORT)
        sync("127.0.0.1", socket.ETH0)
        sync(nil, socket.LWIP_GP)
        for _, number in ipairs({ 0, -1, 18, 99 }) do sync("127.0.0.1", number) end
        show("string", pcall(socket.sntp, nil, "x"))
    ''', "--bind", "LWIP_GP=off", "--bind", "ETH0=host", env={"PORT": udp_peer.port}) as run:
        answer(udp_peer)
        done = run.finish()
    assert done.texts("ntp") == ["NTP_UPDATE 0"] + ["NTP_ERROR nothing"] * 5
    assert done.texts("string")[0].startswith("false bad argument #2")


@pytest.mark.requirement("SOCK-SNTP-002", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SNTP-008", revision=1, kind="negative")
def test_a_name_that_is_too_long_is_not_asked(tasks, udp_peer):
    """Over 30 characters: alone it stops the call, in a table it is skipped."""
    name = "a" * 31
    with tasks.start(HELPERS + f'''
        socket.sntp_port(PORT)
        show("long", socket.sntp("{name}"))
        socket.sntp("127.0.0.1")                     -- were that one running, this would be refused
        result()
        sync({{ "{name}", "127.0.0.2" }})
    ''', env={"PORT": udp_peer.port}) as run:
        answer(udp_peer)
        answer(udp_peer)
        done = run.finish()
    assert done.texts("long") == ["nothing"]
    assert done.firmware("sntp").count(f"server_addr too long {name}") == 2
    assert done.texts("ntp") == ["NTP_UPDATE 0"] * 2


@pytest.mark.requirement("SOCK-SNTP-002", revision=1, kind="negative")
def test_a_table_of_other_things_raises(tasks):
    """As on a module; numbers are strings."""
    done = tasks.run('''
        attempt("table", socket.sntp, { "127.0.0.1", {} })
        attempt("boolean", socket.sntp, { true })
    ''')
    assert "server 2 is a table, not a string" in done.texts("table")[0]
    assert "server 1 is a boolean, not a string" in done.texts("boolean")[0]


def test_one_run_at_a_time(tasks, udp_peer):
    """A second call says so in the log, and its servers are for the turns to come."""
    with tasks.start(HELPERS + '''
        socket.sntp_port(PORT)
        socket.sntp("127.0.0.1")
        show("second", socket.sntp("127.0.0.9"))
        result()
    ''', env={"PORT": udp_peer.port}) as run:
        answer(udp_peer)
        done = run.finish()
    assert done.texts("second") == ["nothing"]
    assert "sntp is running" in done.firmware("sntp")
    assert done.texts("ntp") == ["NTP_UPDATE 0"]


def test_the_port_can_be_set_and_asked(tasks):
    """Its low 16 bits; 0 and what is no number only ask."""
    done = tasks.run('''
        for _, port in ipairs({ 1230, 0, 65536 + 77, "99", false }) do
            show("port", socket.sntp_port(port))
        end
        show("port", socket.sntp_port())
        show("fraction", pcall(socket.sntp_port, 1.5))
    ''')
    assert done.texts("port") == ["1230", "1230", "77", "77", "77", "77"]
    assert done.texts("fraction")[0].startswith("false bad argument #1")


# ---- what is no answer ----------------------------------------------------------------------------


def test_what_is_no_answer_changes_nothing_and_is_logged(tasks, peers, udp_peer):
    """LuatOS takes whatever has 44 bytes (divergence D14)."""
    with tasks.start(HELPERS + '''
        socket.sntp_port(PORT)
        local before = os.time()
        sync("127.0.0.1")
        show("year", os.date("!%Y"))
    ''', env={"PORT": udp_peer.port}) as run:
        request, client = udp_peer.recv()
        bad = [
            (b"", "0 bytes from .*: too short or too long for an answer"),
            (reply(request)[:43], "43 bytes from .*: too short or too long for an answer"),
            (reply(request) + bytes(60000), r"\d+ bytes from .*: too short or too long for an answer"),
            (reply(request, first=0x1B), "not a server's answer"),
            (reply(request, first=0x14), "not a server's answer"),
            (reply(request, origin=b"\0\0\0\1\0\0\0\0"), "not the answer to our request"),
            (reply(request, first=0xDC), "from a server that does not know the time"),
            (reply(request, stratum=16), "from a server that does not know the time"),
        ]
        for message, _ in bad:
            udp_peer.send(message, client)
        peers.udp().send(reply(request), client)         # another port: not heard at all
        peers.udp("127.0.0.2").send(reply(request), client)
        run.wait(lambda: len([line for line in run.firmware("sntp") if "ignored" in line]) == len(bad),
                 "log lines")
        assert run.texts("ntp") == []
        udp_peer.send(reply(request), client)
        done = run.finish()
    ignored = [line for line in done.firmware("sntp") if "ignored" in line]
    for line, (_, pattern) in zip(ignored, bad):
        assert re.search(pattern, line), line
    assert done.texts("ntp") == ["NTP_UPDATE 0"]
    assert done.texts("year") == ["2030"]


def test_a_kiss_of_death_makes_it_the_next_ones_turn(tasks, peers):
    """RFC 4330 section 8; LuatOS would take its time."""
    unkind = peers.udp()
    kind = peers.udp("127.0.0.2", unkind.port)
    with tasks.start(HELPERS + '''
        socket.sntp_port(PORT)
        sync({ "127.0.0.1", "127.0.0.2" })
    ''', env={"PORT": unkind.port}) as run:
        request, client = unkind.recv()
        unkind.send(reply(request, stratum=0, name=b"RATE"), client)
        answer(kind)
        done = run.finish()
    assert any("ignored: a kiss-o'-death RATE" in line for line in done.firmware("sntp"))
    assert "timeout 127.0.0.1" not in done.firmware("sntp")
    assert done.texts("ntp") == ["NTP_UPDATE 0"]


# ---- a real server -----------------------------------------------------------------------------------


def test_chrony_is_believed(tasks, peers, tmp_path):
    """chronyd on a port of its own, which does not touch the host's clock (-x)."""
    port = peers.listen_port(socket.SOCK_DGRAM)
    conf = tmp_path / "chrony.conf"
    conf.write_text(f"port {port}\nbindaddress 127.0.0.1\nallow 127.0.0.1\nlocal stratum 5\n"
                    f"cmdport 0\nbindcmdaddress /\npidfile {tmp_path}/chronyd.pid\n")
    daemon = Daemon(find_tool("chronyd"), "-x", "-d", "-U", "-f", conf)
    try:
        daemon.wait("chronyd version")
        until(lambda: (tmp_path / "chronyd.pid").exists() or daemon.process.poll() is not None,
              "chronyd")
        assert daemon.process.poll() is None, daemon.output
        done = tasks.run(HELPERS + '''
            socket.sntp_port(PORT)
            rtc.set({ year = 2001, mon = 1, day = 1, hour = 0, min = 0, sec = 0 })
            sync("127.0.0.1")
            show("time", os.time())
            sync("127.0.0.1")
            show("time", os.time())
        ''', env={"PORT": port})
    finally:
        daemon.close()
    assert done.texts("ntp") == ["NTP_UPDATE 0"] * 2
    for text in done.texts("time"):
        assert abs(int(text) - time.time()) < 60
