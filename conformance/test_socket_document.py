"""What the document says of the library and no other test holds it to, sentence by sentence.

The sentences are in requirements/*.yaml; the examples are run by test_document.py.
"""

import os
import subprocess
import time
from pathlib import Path

import pytest

from ntp_peer import UNIX_EPOCH_S, NtpServer
from peers import until
from requirements import ADAPTERS

NUMBERS = {"LWIP_GP": 1, "LWIP_STA": 2, "LWIP_AP": 3, "LWIP_ETH": 4, "ETH0": 5, "USB": 6}
NOON_2024 = UNIX_EPOCH_S + 1709294400  # 2024-03-01 12:00:00 UTC


def without(*names):
    return [option for name in names for option in ("--bind", f"{name}=off")]


def everywhere(address):
    """A name server that gives every name this address."""
    return lambda query: [query.reply(address)] if query.kind == "A" else [query.reply()]


@pytest.fixture
def ntp(peers):
    """A server where it is noon always."""
    server = NtpServer(peers.udp(), NOON_2024)
    yield server
    server.close()


# waits for an answer of sntp: "NTP_UPDATE" or "NTP_ERROR"
SYNC = '''
    local function outcome()
        local topic
        local function told(name) return function() topic = topic or name sys.publish("SYNC") end end
        sys.subscribe("NTP_UPDATE", told("NTP_UPDATE"))
        sys.subscribe("NTP_ERROR", told("NTP_ERROR"))
        sys.waitUntil("SYNC")
        return topic
    end
'''


# ---- the control is what create gave ------------------------------------------------------------


@pytest.mark.requirement("SOCK-DEBUG-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LINKUP-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONNECT-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-DISCON-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CLOSE-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-TX-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-004", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-READ-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-WAIT-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LISTEN-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ACCEPT-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-STATE-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RELEASE-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-REMOTEIP-002", revision=1, kind="positive")
@pytest.mark.parametrize("function, args, gives", [
    ("debug", "false", "nothing"),
    ("config", "", "true"),
    ("linkup", "", "true true"),
    ("connect", '"127.0.0.1", PORT', "true false"),
    ("discon", "", "true true"),
    ("close", "", "nothing"),
    ("tx", '"x"', "false true false"),
    ("rx", "", "false 0"),
    ("read", "", "false"),
    ("wait", "", "false false"),
    ("listen", "", "true false"),
    ("accept", "", "true nil"),
    ("state", "", "1 离线"),
    ("remoteIP", "", "nil nil nil nil"),
    ("release", "", "nothing"),
])
def test_a_function_takes_what_create_gave_and_what_callbacks_get(tasks, tcp_server, function, args, gives):
    """The light userdata of a callback names the same control. No warning says that it is none."""
    args = f", {args}" if args else ""
    done = tasks.run(f'''
        local light
        local function make()
            local netc = socket.create(nil, function(ctrl) light = light or ctrl sys.publish("TOLD") end)
            socket.config(netc)
            return netc
        end
        local netc = make()
        socket.linkup(netc)
        show("called", socket.{function}(netc{args}))
        socket.release(netc)
        netc = make()
        socket.connect(netc, HOST, PORT)
        sys.waitUntil("TOLD")
        socket.config(netc)
        socket.discon(netc)
        sys.waitUntil("TOLD")
        assert(type(light) == "userdata" and light ~= netc)
        show("called", socket.{function}(light{args}))
    ''', env={"PORT": tcp_server.port})
    assert done.texts("called") == [gives] * 2
    assert not [warning for warning in done.warnings if "a module returns nothing" in warning]


# ---- adapters: which, and which if none is named --------------------------------------------------


@pytest.mark.requirement("SOCK-SNTP-004", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SNTP-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LOCALIP-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LOCALIP-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CREATE-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CREATE-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CREATE-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CREATE-009", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SETDNS-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SETDNS-003", revision=1, kind="positive")
@pytest.mark.parametrize("name", ADAPTERS)
def test_every_adapter_of_the_document_serves(tasks, tcp_server, ntp, name):
    """A control on it connects, it has an address, it can be asked for the time and given a server."""
    done = tasks.run(SYNC + f'''
        local netc = socket.create(socket.{name}, "t")
        show("create", type(netc))
        socket.config(netc)
        online(netc)
        show("ip", #{{ socket.localIP(socket.{name}) }}, socket.localIP(socket.{name} .. ""))
        socket.sntp_port({ntp.port})
        socket.sntp("127.0.0.1", socket.{name})
        show("sntp", outcome())
        show("dns", socket.setDNS(socket.{name}, 1, "127.0.0.1"))
    ''', env={"PORT": tcp_server.port})
    assert done.texts("create") == ["userdata"]
    assert [event["adapter"] for event in done.events("netc.new")] == [name]
    assert int(done.texts("ip")[0].split()[0]) >= 3
    assert done.texts("sntp") == ["NTP_UPDATE"]
    assert done.texts("dns") == ["true"]


@pytest.mark.requirement("SOCK-CONST-002", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONST-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONST-004", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONST-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONST-006", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONST-007", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SNTP-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-LOCALIP-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CREATE-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SETDNS-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-ADAPTER-006", revision=1, kind="negative")
@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_that_is_off_serves_nobody(tasks, name):
    """And the others still do."""
    done = tasks.run(SYNC + f'''
        show("adapter", socket.adapter(socket.{name}))
        show("create", socket.create(socket.{name}, "t"))
        show("ip", socket.localIP(socket.{name}))
        show("dns", socket.setDNS(socket.{name}, 1, "127.0.0.1"))
        socket.sntp(nil, socket.{name})
        show("sntp", outcome())
        show("others", socket.adapter(socket.{"USB" if name == "ETH0" else "ETH0"}))
    ''', *without(name))
    assert done.texts("adapter") == [f"false {NUMBERS[name]}"]
    assert done.texts("create") == ["nil"]
    assert done.texts("ip") == ["nothing"]
    assert done.texts("dns") == ["false"]
    assert done.texts("sntp") == ["NTP_ERROR"]
    assert done.texts("others") == [f"true {6 if name == 'ETH0' else 5}"]


DEFAULTS = '''
    show("dns", socket.setDNS(nil, 1, "127.0.0.9"))
    socket.connect(socket.create(nil, "t"), "name.test", 9)
    show("event", event())
    socket.sntp_port(PORT)
    socket.sntp("ntp.test")
    show("sntp", outcome())
'''


@pytest.mark.requirement("SOCK-SNTP-006", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SNTP-007", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CREATE-004", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CREATE-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SETDNS-004", revision=1, kind="positive")
@pytest.mark.parametrize("off, name", [
    ([], "LWIP_GP"),
    (["LWIP_GP"], "LWIP_STA"),
    (["LWIP_GP", "LWIP_STA"], "USB"),
    (["LWIP_GP", "LWIP_STA", "USB"], "ETH0"),
])
def test_the_adapter_that_is_not_named_is_the_modules_own_or_the_last(tasks, netns, off, name):
    """The only name server is the one that setDNS has set for it."""
    dns = netns.peers.dns(everywhere("127.0.0.1"), "127.0.0.9")
    server = NtpServer(netns.peers.udp(), NOON_2024)
    done = tasks.run(SYNC + DEFAULTS, *without(*off), env={"PORT": server.port}, netns=netns)
    server.close()
    assert [event["adapter"] for event in done.events("netc.new")] == [name]
    assert done.texts("dns") == ["true"]
    assert done.reports() == [("ON_LINE", 0)]
    assert done.texts("sntp") == ["NTP_UPDATE"]
    assert dns.queries == ["A name.test", "A ntp.test"]


@pytest.mark.requirement("SOCK-LOCALIP-004", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LOCALIP-005", revision=1, kind="positive")
@pytest.mark.parametrize("off, ip", [
    ([], "192.168.77.10"),
    (["LWIP_GP"], "192.168.77.11"),
    (["LWIP_GP", "LWIP_STA"], "192.168.77.15"),
    (["LWIP_GP", "LWIP_STA", "USB", "ETH0"], "192.168.77.13"),
])
def test_local_ip_without_a_number_is_that_adapters(own, tasks, off, ip):
    """On the emulator's own network each has an address of its own."""
    done = tasks.run('show("ip", (socket.localIP()))', "--net", "own", *without(*off))
    assert done.texts("ip") == [ip]


@pytest.mark.requirement("SOCK-SNTP-006", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CREATE-004", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SETDNS-004", revision=1, kind="negative")
def test_another_adapter_than_the_default_one_is_not_meant(tasks, netns):
    """What setDNS has set for it helps nobody else."""
    dns = netns.peers.dns(everywhere("127.0.0.1"), "127.0.0.9")
    body = DEFAULTS.replace("setDNS(nil", "setDNS(socket.ETH0")
    done = tasks.run(SYNC + body, env={"PORT": 123}, netns=netns)
    assert done.texts("dns") == ["true"]
    assert done.reports() == [("ON_LINE", -1)]
    assert done.texts("sntp") == ["NTP_ERROR"]
    assert dns.queries == []


@pytest.mark.requirement("SOCK-SNTP-006", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SNTP-007", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-LOCALIP-004", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-LOCALIP-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CREATE-004", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CREATE-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SETDNS-004", revision=1, kind="negative")
def test_without_any_adapter_there_is_no_default(tasks):
    """nil, nothing, false and NTP_ERROR."""
    done = tasks.run(SYNC + '''
        show("create", socket.create(nil, "t"))
        show("ip", socket.localIP())
        show("dns", socket.setDNS(nil, 1, "127.0.0.1"))
        socket.sntp()
        show("sntp", outcome())
    ''', *without(*ADAPTERS))
    assert done.texts("create") == ["nil"]
    assert done.texts("ip") == ["nothing"]
    assert done.texts("dns") == ["false"]
    assert done.texts("sntp") == ["NTP_ERROR"]


@pytest.mark.requirement("SOCK-SETDNS-007", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SETDNS-007", revision=1, kind="negative")
def test_set_dns_takes_an_integer(tasks, netns):
    """The word of network bytes, as a little-endian CPU has it; the other order is another address."""
    netns.resolv_conf("nameserver 127.0.0.2\n")
    host = netns.peers.dns(everywhere("192.0.2.2"), "127.0.0.2")
    ours = netns.peers.dns(everywhere("192.0.2.9"), "127.0.0.9")
    done = tasks.run('''
        for _, address in ipairs({ 0x0900007f, 0x7f000009 }) do
            show("dns", socket.setDNS(nil, 1, address))
            local netc = udp()
            socket.connect(netc, "a.test", 0)
            event()
            show("remote", socket.remoteIP(netc))
        end
    ''', netns=netns)
    assert done.texts("dns") == ["true", "true"]
    assert done.texts("remote")[0] == "192.0.2.9 nil nil nil"
    assert ours.queries == ["A a.test"]
    asked = [event["server"] for event in done.events("dns.query")]
    assert asked[0] == "127.0.0.9:53" and "127.0.0.9:53" not in asked[1:]


@pytest.mark.requirement("SOCK-SETDNS-005", revision=1, kind="positive")
def test_set_dns_numbers_servers_in_the_order_in_which_they_are_asked(tasks, netns):
    """Number 1 first, whenever it was set; one that was not set is the network's."""
    netns.resolv_conf("".join(f"nameserver 127.0.0.{n}\n" for n in (11, 12, 13)))
    for n in (11, 12, 13, 21, 23):
        netns.peers.dns(lambda query: [query.reply(rcode=2)], f"127.0.0.{n}")
    done = tasks.run('''
        show("dns", socket.setDNS(nil, 3, "127.0.0.23"))
        show("dns", socket.setDNS(nil, 1, "127.0.0.21"))
        socket.connect(udp(), "a.test", 9)
        expect("ON_LINE -1")
    ''', netns=netns)
    assert done.texts("dns") == ["true"] * 2
    asked = [event["server"] for event in done.events("dns.query")]
    assert asked == ["127.0.0.21:53", "127.0.0.12:53", "127.0.0.23:53"]


@pytest.mark.requirement("SOCK-SETDNS-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SETDNS-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SETDNS-006", revision=1, kind="negative")
def test_set_dns_of_what_is_no_address_changes_nothing(tasks, netns):
    """Nor does a slot that is none; the answer is true all the same."""
    netns.resolv_conf("nameserver 127.0.0.2\n")
    host = netns.peers.dns(everywhere("192.0.2.2"), "127.0.0.2")
    ours = netns.peers.dns(everywhere("192.0.2.9"), "127.0.0.9")
    done = tasks.run('''
        show("dns", socket.setDNS(nil, 1, "dns.test"))
        show("dns", socket.setDNS(nil, 0, "127.0.0.9"))
        show("dns", socket.setDNS(nil, 5, "127.0.0.9"))
        show("remote", socket.remoteIP(online(udp(), "a.test", 9)))
    ''', netns=netns)
    assert done.texts("dns") == ["true"] * 3
    assert done.texts("remote") == ["192.0.2.2 nil nil nil"]
    assert host.queries and not ours.queries


# ---- time ---------------------------------------------------------------------------------------


@pytest.mark.requirement("SOCK-SNTP-008", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SNTP-008", revision=1, kind="negative")
@pytest.mark.parametrize("args", ["", '"127.0.0.1"', '{ "127.0.0.1" }', "nil, 1", "nil, 7",
                                  '("x"):rep(31)'])
def test_sntp_returns_nothing(tasks, udp_peer, args):
    """Whether it starts, is running already, or refuses; there is no adapter 1 and no 7."""
    done = tasks.run(f'''
        socket.sntp_port(PORT)
        socket.sntp({{ HOST, HOST, HOST }}, 7)
        show("sntp", socket.sntp({args}))
        show("sntp", socket.sntp({args}))
    ''', *without("LWIP_GP"), env={"PORT": udp_peer.port})
    assert done.texts("sntp") == ["nothing"] * 2


@pytest.mark.requirement("SOCK-SNTP-002", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SNTP-004", revision=1, kind="negative")
@pytest.mark.parametrize("args, says", [
    ("nil, {}", "number expected, got table"),
    ('nil, "ETH0"', "number expected, got string"),
    ("nil, 1.5", "number has no integer representation"),
    ("{ {} }", "server 1 is a table, not a string"),
    ('{ "127.0.0.1", true }', "server 2 is a boolean, not a string"),
])
def test_sntp_raises_for_what_is_no_server_and_no_number(tasks, args, says):
    done = tasks.run(f'attempt("raised", socket.sntp, {args})')
    assert says in done.texts("raised")[0]


@pytest.mark.requirement("SOCK-NTPTM-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-002", revision=1, kind="negative")
@pytest.mark.parametrize("args", ["", "nil", "1", '"x", {}, print'])
def test_ntptm_takes_no_arguments(tasks, args):
    """Those that are given change nothing."""
    done = tasks.run(f'''
        local tm = socket.ntptm({args})
        show("tm", type(tm), tm.ssec, tm.sms, tm.ndelay, tm.vaild)
        show("count", select("#", socket.ntptm({args})))
    ''')
    assert done.texts("tm") == ["table 0 0 0 nil"]
    assert done.texts("count") == ["1"]


@pytest.mark.requirement("SOCK-NTPTM-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-NTPTM-012", revision=1, kind="positive")
def test_ntptm_knows_the_delay_from_the_second_synchronisation_on(tasks, ntp):
    """Half of the time between question and answer; the first one has nothing to compare with."""
    ntp.delays_s = [0.2, 0.2]
    done = tasks.run(SYNC + '''
        socket.sntp_port(PORT)
        for _ = 1, 2 do
            socket.sntp("127.0.0.1")
            outcome()
            local tm = socket.ntptm()
            show("delay", tm.ndelay, math.type(tm.ndelay))
        end
    ''', env={"PORT": ntp.port})
    first, second = [text.split() for text in done.texts("delay")]
    assert first == ["0", "integer"]
    assert int(second[0]) >= 99 and second[1] == "integer"


STEADY = SYNC + '''
    socket.sntp_port(PORT)
    for _ = 1, 2 do
        local asked = mcu.ticks()
        socket.sntp("127.0.0.1")
        show("sync", outcome())
        local took, tm = mcu.ticks() - asked, socket.ntptm()
        show("start", tm.ssec * 1000 + tm.sms, took)
    end
'''


@pytest.mark.requirement("SOCK-NTPTM-006", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-006", revision=1, kind="negative")
@pytest.mark.parametrize("delays_s", [[0, 0], [0, 0.4]], ids=["steady", "fluctuating"])
def test_ntptm_is_as_steady_as_the_network(tasks, peers, delays_s):
    """An answer that was longer on its way makes the start, and with it the time, seem earlier."""
    server = NtpServer(peers.udp(), lambda: time.time() + UNIX_EPOCH_S)
    server.delays_s = delays_s
    done = tasks.run(STEADY, env={"PORT": server.port})
    server.close()
    (first, took_first), (second, took_second) = [map(int, text.split()) for text in done.texts("start")]
    assert done.texts("sync") == ["NTP_UPDATE"] * 2
    least, most = round(delays_s[1] * 1000) - took_first, took_second  # ms, of the second one's delay
    assert least - 2 <= first - second <= most + 2


@pytest.mark.requirement("SOCK-NTPTM-009", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-009", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-NTPTM-013", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-013", revision=1, kind="negative")
def test_ntptm_counts_from_1970_in_the_current_profile(tasks, ntp):
    """--profile current: today's firmware; doc: what the document says."""
    found = {}
    for profile in ("doc", "current"):
        done = tasks.run(SYNC + '''
            socket.sntp_port(PORT)
            socket.sntp("127.0.0.1")
            outcome()
            local tm = socket.ntptm()
            show("tm", tm.tsec - tm.lsec - tm.ssec, tm.tsec)
        ''', "--profile", profile, env={"PORT": ntp.port})
        carry, found[profile] = map(int, done.texts("tm")[0].split())
        assert carry in (0, 1, 2)
    assert NOON_2024 <= found["doc"] < NOON_2024 + 60
    assert NOON_2024 <= found["current"] + UNIX_EPOCH_S < NOON_2024 + 60


@pytest.mark.requirement("SOCK-NTPTM-015", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-015", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-NTPTM-016", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-016", revision=1, kind="negative")
def test_the_local_counters_are_the_uptime_whatever_the_calendar_says(tasks, ntp):
    """mcu.tick64's counter: neither sntp nor rtc.set moves it."""
    done = tasks.run(SYNC + '''
        local function look(what)
            local before, tm, after = mcu.ticks(), socket.ntptm(), mcu.ticks()
            local now = tm.lsec * 1000 + tm.lms
            show(what, before <= now and now <= after, tm.lms < 1000)
        end
        look("start")
        socket.sntp_port(PORT)
        socket.sntp("127.0.0.1")
        outcome()
        look("sntp")
        rtc.set({ year = 2030, mon = 1, day = 1, hour = 0, min = 0, sec = 0 })
        look("rtc")
    ''', env={"PORT": ntp.port})
    for what in ("start", "sntp", "rtc"):
        assert done.texts(what) == ["true true"]


# ---- config -------------------------------------------------------------------------------------


@pytest.mark.requirement("SOCK-CONFIG-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-007", revision=1, kind="positive")
@pytest.mark.parametrize("port", ["", "nil", "0"])
def test_a_local_port_that_is_left_out_is_assigned(tasks, tcp_server, port):
    """Another one for each of two connections."""
    done = tasks.run(f'''
        online(tcp({port}))
        online(tcp({port}))
    ''', env={"PORT": tcp_server.port})
    first, second = (tcp_server.accept().remote[1] for _ in range(2))
    assert 0 < first != second > 0
    assert done.reports() == [("ON_LINE", 0)] * 2


@pytest.mark.requirement("SOCK-CONFIG-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONFIG-007", revision=1, kind="negative")
def test_a_local_port_that_is_given_is_not_replaced(tasks, tcp_server, peers):
    """Nor when it is in use: connecting fails."""
    free, taken = peers.listen_port(), peers.tcp_server().port
    done = tasks.run(f'''
        online(tcp({free}))
        socket.connect(tcp({taken}), HOST, PORT)
        expect("ON_LINE -1")
    ''', env={"PORT": tcp_server.port})
    assert tcp_server.accept().remote[1] == free


@pytest.mark.requirement("SOCK-CONFIG-010", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-010", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONFIG-011", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-011", revision=1, kind="negative")
@pytest.mark.parametrize("flag, is_tls", [
    ("nil", False), ("false", False), ("1", False), ('"true"', False), ("{}", False), ("true", True),
])
def test_only_true_encrypts(tasks, tcp_server, flag, is_tls):
    """The peer sees a handshake's record, or what is sent."""
    with tasks.start(f'''
        local netc = socket.create(nil, "t")
        show("config", socket.config(netc, nil, nil, {flag}))
        socket.connect(netc, HOST, PORT)
        if {str(not is_tls).lower()} then
            expect("ON_LINE 0")
            socket.tx(netc, "plain")
        end
        event()
    ''', env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        assert peer.recv_exactly(5)[:3] == (b"\x16\x03\x01" if is_tls else b"pla")
        peer.close()
        done = run.finish()
    assert done.texts("config") == ["true"]


@pytest.mark.requirement("SOCK-CONFIG-019", revision=1, kind="negative")
def test_certificates_are_not_looked_at_unless_it_is_tls(tasks, tcp_server):
    """They may be anything then."""
    with tasks.start('''
        local netc = socket.create(nil, "t")
        show("config", socket.config(netc, nil, nil, nil, nil, nil, nil, "no", "no", "no", "no"))
        online(netc)
        socket.tx(netc, "plain")
        expect("TX_OK 0")
    ''', env={"PORT": tcp_server.port}) as run:
        assert tcp_server.accept().recv_exactly(5) == b"plain"
        done = run.finish()
    assert done.texts("config") == ["true"]


def probes_sent(netns):
    """The namespace's count of keepalive probes."""
    text = subprocess.run(netns.command(["cat", "/proc/net/netstat"]), capture_output=True, text=True,
                          check=True).stdout
    names, values = [line.split() for line in text.splitlines() if line.startswith("TcpExt:")]
    return int(dict(zip(names, values))["TCPKeepAlive"])


@pytest.mark.requirement("SOCK-CONFIG-012", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-014", revision=1, kind="positive")
def test_the_idle_time_alone_is_the_interval_of_heartbeats(tasks, netns):
    """The peer answers each of them, so the connection lives."""
    server = netns.peers.tcp_server()
    with tasks.start('''
        local netc = socket.create(socket.ETH0, "t")
        show("config", socket.config(netc, nil, nil, nil, 1))
        online(netc)
        log.info("online", "")
        expect("EVENT -1")
    ''', env={"PORT": server.port}, netns=netns) as run:
        peer = server.accept()
        run.wait_log("online")
        until(lambda: probes_sent(netns) >= 2, "second heartbeat")
        assert run.reports() == [("ON_LINE", 0)]
        peer.close()
        assert run.finish().code == 0


@pytest.mark.requirement("SOCK-CONFIG-013", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-014", revision=1, kind="negative")
def test_without_an_idle_time_there_are_no_heartbeats(tasks, netns):
    """Interval and count alone start none."""
    server = netns.peers.tcp_server()
    with tasks.start('''
        local netc = socket.create(socket.ETH0, "t")
        socket.config(netc, nil, nil, nil, nil, 1, 1)
        online(netc)
        sys.waitUntil("NEVER", 2500)
    ''', env={"PORT": server.port}, netns=netns) as run:
        assert run.finish().code == 0
    assert probes_sent(netns) == 0


@pytest.mark.requirement("SOCK-CONFIG-015", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-016", revision=1, kind="positive")
@pytest.mark.parametrize("interval_s, count", [(1, 2), (2, 1)])
def test_probes_have_their_interval_and_their_number(tasks, netns, interval_s, count):
    """A network that is cut off is noticed after idle time and probes: EVENT -1."""
    server = netns.peers.tcp_server()
    with tasks.start(f'''
        online(tcp(nil, nil, nil, 1, {interval_s}, {count}))
        log.info("online", "")
        expect("EVENT -1")
    ''', env={"PORT": server.port}, netns=netns) as run:
        run.wait_log("online")
        netns.run("ip", "link", "set", "lo", "down")
        done = run.finish()
    assert done.code == 0, done
    assert probes_sent(netns) == count
    began, ended = [event["t_us"] for event in done.events("netc.event")]
    assert ended - began > (1 + interval_s * count) * 1e6 - 500_000


# ---- links, and what a host's network does not do ------------------------------------------------


@pytest.fixture(scope="session")
def netc_units(luatos_emu):
    """The unit tests of the socket control that pass, on an adapter that does what it is told."""
    binaries = sorted(Path(luatos_emu).parent.glob("emu_netc*_test"))
    if not binaries:
        pytest.skip("this build has no unit tests")
    env = {**os.environ, "CMOCKA_MESSAGE_OUTPUT": "TAP"}
    done = [subprocess.run([binary], capture_output=True, text=True, env=env) for binary in binaries]
    lines = "".join(one.stdout + one.stderr for one in done).splitlines()
    return {line.split(" - ")[1] for line in lines if line.startswith("ok ")}


@pytest.mark.requirement("SOCK-CONST-008", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-LINKUP-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-LINKUP-006", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-DISCON-005", revision=1, kind="positive")
def test_who_does_not_wait_for_the_link_is_not_told_of_it(emu, netns):
    """One LINK for one linkup, however often it is asked for; none after discon, none for a later link."""
    netns.link("wan", "10.1.0.2/16")
    netns.run("ip", "link", "set", "wan-peer", "down")
    with emu.start('''
        local netcs = {}
        for _, name in ipairs({ "waits", "gave up", "released", "asks nothing" }) do
            netcs[name] = socket.create(socket.LWIP_ETH, function(_, event, param)
                log.info("event", name, event == socket.LINK, param)
            end)
            if name ~= "asks nothing" then
                log.info("linkup", socket.linkup(netcs[name]))
                log.info("linkup", socket.linkup(netcs[name]))
            end
        end
        log.info("discon", socket.discon(netcs["gave up"]))
        socket.release(netcs["released"])
        local ups = 0
        sys.subscribe("IP_READY", function(_, adapter)
            if adapter ~= socket.LWIP_ETH then return end
            ups = ups + 1
            log.info("up", ups)
            if ups == 2 then sys.timerStart(os.exit, 50, 0) end
        end)
        sys.subscribe("IP_LOSE", function() log.info("down", "") end)
        log.info("ready", "")
        sys.timerLoopStart(function() end, 60000)
        sys.run()
    ''', "--bind", f"LWIP_ETH=netns:/proc/{netns.holder.pid}/ns/net,dev=wan") as run:
        run.wait_log("ready")
        netns.run("ip", "link", "set", "wan-peer", "up")
        run.wait_log("up", "1")
        netns.run("ip", "link", "set", "wan-peer", "down")
        run.wait_log("down")
        netns.run("ip", "link", "set", "wan-peer", "up")
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("linkup") == ["true false"] * 6
    assert done.texts("discon") == ["true true"]
    assert done.texts("event") == ["waits true 0"]


@pytest.mark.requirement("SOCK-CONNECT-017", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONNECT-018", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONNECT-019", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONNECT-020", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONNECT-021", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONNECT-022", revision=1, kind="positive")
def test_every_number_of_lwip_can_be_in_the_log(netc_units):
    """Those as well that this host's network does not give: -1, -11, -13."""
    assert "failures_are_logged_with_the_numbers_of_lwip" in netc_units


@pytest.mark.requirement("SOCK-LISTEN-006", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ACCEPT-002", revision=1, kind="negative")
@pytest.mark.parametrize("unit", [
    "what_cannot_accept_accepts_nobody",
    "listening_again_is_done_where_one_client_is_served",
])
def test_a_stack_for_one_client_has_no_use_for_the_second_argument(netc_units, unit):
    """accept gives no control there; listening again is done at once."""
    assert unit in netc_units


# ---- connect ------------------------------------------------------------------------------------


def codes(done):
    """The numbers of failures that the log shows."""
    return {line.split("but error ")[1].split()[0] for line in done.firmware("net") if "but error" in line}


@pytest.mark.requirement("SOCK-CONNECT-016", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONNECT-016", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONNECT-017", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONNECT-018", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONNECT-018", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONNECT-019", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONNECT-019", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONNECT-020", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONNECT-021", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONNECT-022", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONNECT-022", revision=1, kind="negative")
@pytest.mark.parametrize("cause, code", [
    ("silent", {"-3"}), ("taken", {"-8"}), ("refused", {"-14"}), ("reset", {"-14"}), ("none", set()),
])
def test_each_failure_has_its_own_code(tasks, peers, cause, code):
    """And success has none."""
    server, taken = peers.tcp_server(), peers.tcp_server()
    port = {"silent": peers.tcp_silent().port, "refused": peers.free_port()}.get(cause, server.port)
    local = taken.port if cause == "taken" else 0
    with tasks.start(f'''
        local netc = tcp({local})
        socket.connect(netc, HOST, PORT)
        event()
        if "{cause}" == "reset" then expect("EVENT -1") end
        socket.discon(netc)
        settle()
    ''', "--set", "connect_timeout=100", env={"PORT": port}) as run:
        if cause == "reset":
            server.accept().reset()
        done = run.finish()
    assert done.code == 0, done
    assert codes(done) == code


@pytest.mark.requirement("SOCK-CONNECT-004", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-TX-008", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-TX-010", revision=1, kind="negative")
def test_the_other_order_of_an_integer_is_another_address(tasks, netns):
    """connect and tx: 0x7f000001 is 1.0.0.127, where nobody is; a port's bytes are not swapped."""
    server, peer = netns.peers.tcp_server(), netns.peers.udp()
    swapped = (peer.port & 255) << 8 | peer.port >> 8
    with tasks.start(f'''
        local netc = tcp()
        show("connect", socket.connect(netc, 0x7f000001, {server.port}))
        event()
        netc = online(udp())
        socket.tx(netc, "lost", 0x7f000001, PORT)
        socket.tx(netc, "lost", 0x0100007f, {swapped})
        socket.tx(netc, "found", 0x0100007f, PORT)
        until_event("TX_OK 0")
    ''', env={"PORT": peer.port}, netns=netns) as run:
        assert peer.recv()[0] == b"found"
        done = run.finish()
    assert done.code == 0, done
    assert f"connect to 1.0.0.127,{server.port}" in done.firmware("socket")
    assert done.reports()[0] == ("ON_LINE", -1)


# ---- after a failure ----------------------------------------------------------------------------


FAILURES = [
    ("tx", 'tx(netc, "x")', "false true false"),
    ("rx", "rx(netc)", "false 0"),
    ("wait", "wait(netc)", "false false"),
]


@pytest.mark.requirement("SOCK-TX-015", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-TX-016", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-010", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-011", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-WAIT-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-WAIT-006", revision=1, kind="positive")
@pytest.mark.parametrize("function, call, gives", FAILURES)
def test_after_a_failure_close_makes_the_control_usable_again(tasks, tcp_server, function, call, gives):
    """The peer has gone; the second value says nothing."""
    with tasks.start(f'''
        local netc = online(tcp())
        expect("EVENT -1")
        show("{function}", socket.{call})
        socket.close(netc)
        show("connect", socket.connect(netc, HOST, PORT))
        expect("ON_LINE 0")
    ''', env={"PORT": tcp_server.port}) as run:
        tcp_server.accept().close()
        tcp_server.accept()
        done = run.finish()
    assert done.code == 0, done
    assert done.texts(function) == [gives]
    assert done.texts("connect") == ["true false"]


@pytest.mark.requirement("SOCK-TX-016", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RX-011", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-WAIT-006", revision=1, kind="negative")
@pytest.mark.parametrize("function, call, gives", FAILURES)
def test_without_close_a_failure_stays(tasks, tcp_server, function, call, gives):
    """And the control cannot connect."""
    with tasks.start(f'''
        local netc = online(tcp())
        expect("EVENT -1")
        for _ = 1, 3 do show("{function}", socket.{call}) end
        show("connect", socket.connect(netc, HOST, PORT))
    ''', env={"PORT": tcp_server.port}) as run:
        tcp_server.accept().close()
        done = run.finish()
    assert done.code == 0, done
    assert done.texts(function) == [gives] * 3
    assert done.texts("connect") == ["false false"]


@pytest.mark.requirement("SOCK-LISTEN-004", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LISTEN-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LISTEN-005", revision=1, kind="negative")
def test_after_a_failed_listen_close_makes_the_control_usable_again(tasks, peers):
    """It is connected, so that it cannot listen; closed, it can."""
    server, port = peers.tcp_server(), peers.listen_port()
    done = tasks.run(f'''
        local netc = online(tcp({port}))
        show("listen", socket.listen(netc))
        show("listen", socket.listen(netc))
        socket.close(netc)
        socket.config(netc)
        show("listen", socket.listen(netc))
    ''', env={"PORT": server.port})
    assert done.texts("listen") == ["false false", "false false", "true false"]


@pytest.mark.requirement("SOCK-ACCEPT-008", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ACCEPT-009", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ACCEPT-009", revision=1, kind="negative")
def test_after_a_failed_accept_close_makes_the_control_usable_again(tasks, peers):
    """There was no client to accept; nor is there one for a control that is closed."""
    done = tasks.run('''
        local netc = tcp(PORT)
        socket.listen(netc)
        show("accept", socket.accept(netc, "t"))
        socket.close(netc)
        show("accept", socket.accept(netc, "t"))
        show("listen", socket.listen(netc))
        settle()
        show("state", socket.state(netc))
    ''', env={"PORT": peers.listen_port()})
    assert done.texts("accept") == ["false nil"] * 2
    assert done.texts("listen") == ["true false"]
    assert done.texts("state") == ["6 在监听"]


@pytest.mark.requirement("SOCK-LINKUP-004", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LINKUP-004", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-DISCON-004", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-DISCON-004", revision=1, kind="negative")
def test_when_the_first_value_is_true_the_second_one_counts(tasks, tcp_server):
    """discon: there are both values of it."""
    done = tasks.run('''
        local netc = online(tcp())
        show("discon", socket.discon(netc))
        expect("CLOSED 0")
        show("discon", socket.discon(netc))
        socket.release(netc)
        local succ, result = socket.discon(netc)
        show("released", succ, result)
        show("linkup", socket.linkup(tcp()))
        succ, result = socket.linkup(netc)
        show("released", succ, result)
    ''', env={"PORT": tcp_server.port})
    assert done.texts("discon") == ["true false", "true true"]
    assert done.texts("linkup") == ["true true"]
    assert done.texts("released") == ["nil nil"] * 2


# ---- data ---------------------------------------------------------------------------------------


@pytest.mark.requirement("SOCK-TX-013", revision=1, kind="positive")
@pytest.mark.parametrize("flag", ["nil", "0", "7", "-1", "1 << 40", '"3"'])
def test_the_flag_of_tx_has_no_effect(tasks, tcp_server, flag):
    with tasks.start(f'''
        show("tx", socket.tx(online(tcp()), "hello", nil, nil, {flag}))
        expect("TX_OK 0")
    ''', env={"PORT": tcp_server.port}) as run:
        assert tcp_server.accept().recv_exactly(5) == b"hello"
        done = run.finish()
    assert done.texts("tx") == ["true false false"]


@pytest.mark.requirement("SOCK-RX-007", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-007", revision=1, kind="negative")
@pytest.mark.parametrize("flag", ["nil", "0", "7", "{}", '"x"'])
def test_the_flag_of_rx_has_no_effect(tasks, tcp_server, flag):
    with tasks.start(f'''
        local netc, buff = online(tcp()), zbuff.create(10)
        repeat event() until select(2, socket.rx(netc)) == 5
        show("rx", socket.rx(netc, buff, {flag}, 3))
        show("rx", socket.rx(netc, buff, {flag}))
        show("buff", buff:query())
    ''', env={"PORT": tcp_server.port}) as run:
        tcp_server.accept().send(b"hello")
        done = run.finish()
    assert done.texts("rx") == ["true 3 nil nil", "true 2 nil nil"]
    assert done.texts("buff") == ["hello"]


@pytest.mark.requirement("SOCK-TX-018", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-TX-019", revision=1, kind="negative")
def test_a_script_that_does_not_wait_finds_the_buffer_full_again(tasks, peers):
    """Nothing of it is taken, however often it is tried."""
    server = peers.tcp_server(rcvbuf=2048)
    with tasks.start('''
        local netc = online(tcp())
        show("tx", socket.tx(netc, ("x"):rep(100000)))
        for _ = 1, 3 do show("tx", socket.tx(netc, "lost")) end
        expect("TX_OK 0")
        socket.close(netc)
    ''', "--set", "send_buffer=90000", env={"PORT": server.port}) as run:
        peer = server.accept()
        run.wait_log("tx", "true true true", count=3)
        assert peer.recv_to_end() == b"x" * 100_000
        done = run.finish()
    assert done.texts("tx") == ["true false false"] + ["true true true"] * 3


@pytest.mark.requirement("SOCK-READ-012", revision=1, kind="negative")
def test_read_gives_much_data_whole_as_well(tasks, tcp_server):
    """It is made for little, but not limited to it."""
    data = bytes(range(256)) * 200
    with tasks.start('''
        local netc = online(tcp())
        repeat event() until select(2, socket.rx(netc)) == 51200
        local ok, data = socket.read(netc)
        show("read", ok, #data)
        socket.tx(netc, data)
        until_event("TX_OK 0")
    ''', env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        peer.send(data)
        assert peer.recv_exactly(len(data)) == data
        done = run.finish()
    assert done.texts("read") == ["true 51200"]


@pytest.mark.requirement("SOCK-READ-013", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-READ-013", revision=1, kind="negative")
def test_read_needs_no_zbuff_and_rx_does(tasks, tcp_server):
    """Firmware without zbuff: rx only tells how much there is."""
    with tasks.start('''
        zbuff = nil
        local netc = online(tcp())
        repeat event() until select(2, socket.rx(netc)) == 5
        show("rx", socket.rx(netc, zbuff))
        show("read", socket.read(netc))
    ''', env={"PORT": tcp_server.port}) as run:
        tcp_server.accept().send(b"hello")
        done = run.finish()
    assert done.texts("rx") == ["true 5"]
    assert done.texts("read") == ["true hello"]


# ---- accept -------------------------------------------------------------------------------------


def accepting(tasks, peers, target, body="", data=b"hello"):
    """Accept a client with this second argument; it sends its data, and `body` is run."""
    port = peers.listen_port()
    with tasks.start(f'''
        local listener = tcp(PORT)
        socket.listen(listener, 8)
        expect("ON_LINE 0")
        local ok, client = socket.accept(listener, {target})
        show("accept", ok, type(client))
        log.info("accepted", "")
        {body}
    ''', env={"PORT": port}) as run:
        run.wait_trace("netc.state", to="LISTEN")
        client = peers.tcp_client(port)
        run.wait_log("accepted")
        if data:
            client.send(data)
        return run.finish()


@pytest.mark.requirement("SOCK-ACCEPT-004", revision=1, kind="negative")
@pytest.mark.parametrize("target", ['"nobody"', "42"])
def test_messages_of_an_accepted_client_for_nobody_are_dropped(tasks, peers, target):
    """As with create: the name of a task that there is not."""
    done = accepting(tasks, peers, target, '''
        while select(2, socket.rx(client)) < 5 do sys.wait(10) end
    ''')
    assert done.code == 0, done
    assert done.texts("accept") == ["true userdata"]
    assert done.texts("event") == ["ON_LINE 0"]


@pytest.mark.requirement("SOCK-ACCEPT-005", revision=1, kind="negative")
def test_an_error_in_an_accepted_clients_callback_ends_the_script(tasks, peers):
    """As with create."""
    done = accepting(tasks, peers, 'function() error("boom") end', 'sys.waitUntil("NEVER")')
    assert done.code == 1, done
    assert "boom" in "\n".join(done.firmware("main"))


@pytest.mark.requirement("SOCK-ACCEPT-006", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-ACCEPT-011", revision=1, kind="positive")
@pytest.mark.parametrize("target", ["nil", "{}", "true"])
def test_accept_with_neither_a_task_nor_a_callback_gives_no_control(tasks, peers, target):
    """It is as if there were no second argument."""
    done = accepting(tasks, peers, target, data=b"")
    assert done.code == 0, done
    assert done.texts("accept") == ["true nil"]


# ---- the SSL log --------------------------------------------------------------------------------


@pytest.mark.requirement("SOCK-SSLLOG-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SSLLOG-003", revision=1, kind="positive")
@pytest.mark.parametrize("level", ["", "nil", "0", "4", "-1", "1 << 40", '"2"', "2.0"])
def test_ssl_log_returns_nothing(tasks, level):
    assert tasks.run(f'show("log", socket.sslLog({level}))').texts("log") == ["nothing"]


@pytest.mark.requirement("SOCK-SSLLOG-002", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SSLLOG-003", revision=1, kind="negative")
@pytest.mark.parametrize("level", ["{}", "true", '"high"', "1.5"])
def test_ssl_log_raises_for_what_is_no_level(tasks, level):
    done = tasks.run(f'show("ok", (pcall(socket.sslLog, {level})))')
    assert done.texts("ok") == ["false"]
