"""Names: the module's own resolver, its servers, and what connect makes of the answers."""

import threading

import pytest

from peers import DnsQuery, until

HERE = "nameserver 127.0.0.1\n"


@pytest.fixture
def network(netns):
    """A namespace whose resolv.conf names 127.0.0.1."""
    netns.resolv_conf(HERE)
    return netns


def addresses(*given, **more):
    """A name server's answer: A and AAAA records of every name alike."""
    v4 = [a for a in given if ":" not in a]
    v6 = [a for a in given if ":" in a]
    return lambda query: [query.reply(*(v4 if query.kind == "A" else v6), **more)]


def no_answer(query):
    return []


# ---- names that exist -----------------------------------------------------------------------


@pytest.mark.requirement("SOCK-CONNECT-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-STATE-010", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-REMOTEIP-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-REMOTEIP-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-REMOTEIP-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-REMOTEIP-010", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-REMOTEIP-010", revision=1, kind="negative")
def test_a_name_is_looked_up_and_connected_to(tasks, network):
    """State 2, then 3, then 5; remoteIP shows what the name stands for."""
    dns = network.dnsmasq(records={"a.test": "127.0.0.7"})
    server = network.peers.tcp_server("127.0.0.7")
    done = tasks.run('''
        local netc = tcp()
        show("remote", socket.remoteIP(netc))
        show("connect", socket.connect(netc, "a.test", PORT))
        show("state", socket.state(netc))
        show("again", socket.connect(netc, "a.test", PORT))
        expect("ON_LINE 0")
        show("remote", socket.remoteIP(netc))
        show("state", socket.state(netc))
        socket.close(netc)
        show("remote", socket.remoteIP(netc))
    ''', env={"PORT": server.port}, netns=network)
    assert done.texts("connect") == ["true false"]
    assert done.texts("state") == ["2 等待DNS", "5 在线"]
    assert done.texts("remote") == ["nil nil nil nil", "127.0.0.7 nil nil nil", "nil nil nil nil"]
    assert done.states() == ["WAIT_DNS", "CONNECTING", "ONLINE"]
    assert f"connect to a.test,{server.port}" in done.firmware("socket")
    assert dns.queries in (["A a.test"], ["A a.test"] * 2)


def test_an_alias_is_followed(tasks, network):
    """CNAME records come with the addresses."""
    network.dnsmasq(records={"real.test": "127.0.0.7"}, options=["--cname=alias.test,real.test"])
    server = network.peers.tcp_server("127.0.0.7")
    done = tasks.run('''
        local netc = online(tcp(), "alias.test")
        show("remote", socket.remoteIP(netc))
    ''', env={"PORT": server.port}, netns=network)
    assert done.texts("remote") == ["127.0.0.7 nil nil nil"]


def test_a_udp_peer_can_have_a_name(tasks, network):
    """As any other."""
    network.dnsmasq(records={"a.test": "127.0.0.7"})
    peer = network.peers.udp("127.0.0.7")
    with tasks.start('''
        local netc = online(udp(), "a.test")
        socket.tx(netc, "hello")
        expect("TX_OK 0")
    ''', env={"PORT": peer.port}, netns=network) as run:
        assert peer.recv()[0] == b"hello"
        assert run.finish().code == 0


@pytest.mark.requirement("SOCK-REMOTEIP-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-REMOTEIP-004", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-REMOTEIP-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-REMOTEIP-006", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-REMOTEIP-008", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-REMOTEIP-008", revision=1, kind="negative")
def test_four_addresses_are_kept_in_the_order_of_the_answer(tasks, network):
    """luat_network_adapter.h:47."""
    given = [f"127.0.0.{n}" for n in (9, 3, 7, 5, 4, 8)]
    network.peers.dns(addresses(*given))
    server = network.peers.tcp_server("127.0.0.9")
    done = tasks.run('''
        show("remote", socket.remoteIP(online(tcp(), "many.test")))
    ''', env={"PORT": server.port}, netns=network)
    assert done.texts("remote") == [" ".join(given[:4])]


@pytest.mark.requirement("SOCK-REMOTEIP-004", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-REMOTEIP-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-REMOTEIP-006", revision=1, kind="negative")
def test_the_next_address_is_tried_when_one_fails(tasks, network):
    """In order, in state 3, without an event; remoteIP keeps them all."""
    network.peers.dns(addresses("127.0.0.2", "127.0.0.3", "127.0.0.4"))
    server = network.peers.tcp_server("127.0.0.4")
    done = tasks.run('''
        local netc = online(tcp(), "many.test")
        show("remote", socket.remoteIP(netc))
        settle()
    ''', env={"PORT": server.port}, netns=network)
    assert done.texts("remote") == ["127.0.0.2 127.0.0.3 127.0.0.4 nil"]
    assert done.reports() == [("ON_LINE", 0)]
    assert done.states() == ["WAIT_DNS", "CONNECTING", "ONLINE"]
    assert server.accept()


def test_all_addresses_failing_is_one_on_line_minus_1(tasks, network):
    """State 3 stays; the socket has to be closed first."""
    network.peers.dns(addresses("127.0.0.2", "127.0.0.3"))
    done = tasks.run('''
        local netc = tcp()
        socket.connect(netc, "many.test", 9)
        expect("ON_LINE -1")
        show("state", socket.state(netc))
        show("again", socket.connect(netc, "many.test", 9))
        settle()
    ''', netns=network)
    assert done.texts("state") == ["3 正在连接"]
    assert done.texts("again") == ["false false"]
    assert done.reports() == [("ON_LINE", -1)]


def test_an_address_that_does_not_answer_has_its_own_time(tasks, network):
    """The total time is the sum."""
    network.peers.dns(addresses("127.0.0.2", "127.0.0.3"))
    silent = network.peers.tcp_silent("127.0.0.2")
    network.peers._add(network.peers.tcp_server("127.0.0.3", silent.port))
    done = tasks.run('online(tcp(), "many.test")', "--set", "connect_timeout=200",
                     env={"PORT": silent.port}, netns=network)
    assert done.reports() == [("ON_LINE", 0)]


@pytest.mark.requirement("SOCK-REMOTEIP-004", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-REMOTEIP-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-REMOTEIP-007", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-REMOTEIP-009", revision=1, kind="positive")
def test_port_0_only_looks_the_name_up(tasks, network):
    """The document: ON_LINE when DNS is done, for remoteIP; state 1; connecting asks again."""
    dns = network.peers.dns(addresses("127.0.0.2", "127.0.0.3"))
    server = network.peers.tcp_server("127.0.0.2")
    done = tasks.run('''
        local netc = tcp()
        show("connect", socket.connect(netc, "two.test", 0))
        expect("ON_LINE 0")
        show("remote", socket.remoteIP(netc))
        show("state", socket.state(netc))
        show("tx", socket.tx(netc, "x"))
        show("connect", socket.connect(netc, "two.test", PORT))
        show("remote", socket.remoteIP(netc))
        expect("ON_LINE 0")
        show("remote", socket.remoteIP(netc))
    ''', env={"PORT": server.port}, netns=network)
    assert done.texts("connect") == ["true false"] * 2
    both = "127.0.0.2 127.0.0.3 nil nil"
    assert done.texts("remote") == [both, "nil nil nil nil", both]
    assert done.texts("state") == ["1 离线"]
    assert done.texts("tx") == ["false true false"]
    assert dns.queries == ["A two.test"] * 2


def test_there_is_no_cache(tasks, network):
    """Every connect asks (luat_network_adapter.c:418-426)."""
    dns = network.peers.dns(addresses("127.0.0.2"))
    tasks.run('''
        local netc = udp()
        for _ = 1, 3 do
            online(netc, "a.test", 9)
            socket.close(netc)
        end
    ''', netns=network)
    assert dns.queries == ["A a.test"] * 3


def test_simultaneous_lookups_of_a_name_share_the_query(tasks, network):
    """dns_client.c:469-480; other names are asked for in parallel."""
    dns = network.peers.dns(addresses("127.0.0.2"))
    done = tasks.run('''
        for _, name in ipairs({ "a.test", "b.test", "A.Test", "a.test." }) do
            socket.connect(udp(), name, 9)
        end
        for _ = 1, 4 do expect("ON_LINE 0") end
    ''', netns=network)
    assert sorted(dns.queries) == ["A a.test", "A b.test"]
    assert done.reports() == [("ON_LINE", 0)] * 4


def test_localhost_needs_no_server(tasks, netns):
    """RFC 6761 6.3; a module would ask, and the warning says so."""
    netns.resolv_conf("nameserver 127.0.0.99\n")
    server = netns.peers.tcp_server()
    done = tasks.run('online(tcp(), "localhost")', env={"PORT": server.port}, netns=netns)
    assert not done.events("dns.query")
    assert "a module asks its DNS server" in done.warnings[0]


# ---- names that do not ----------------------------------------------------------------------


@pytest.mark.requirement("SOCK-CONNECT-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-STATE-010", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-REMOTEIP-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-REMOTEIP-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-REMOTEIP-004", revision=1, kind="negative")
@pytest.mark.parametrize("answer", [
    addresses(rcode=3),
    addresses(),
    addresses("::1"),
], ids=["NXDOMAIN", "empty", "IPv6 only"])
def test_a_name_without_an_address_fails_at_once(tasks, network, answer):
    """ON_LINE -1 and state 2 stays; no socket was opened, so connect works directly."""
    network.resolv_conf(HERE + "nameserver 127.0.0.2\n")
    dns = network.peers.dns(answer)
    second = network.peers.dns(addresses("127.0.0.3"), "127.0.0.2")
    done = tasks.run('''
        local netc = tcp()
        show("connect", socket.connect(netc, "no.test", 9))
        expect("ON_LINE -1")
        show("state", socket.state(netc))
        show("remote", socket.remoteIP(netc))
        show("connect", socket.connect(netc, "no.test", 9))
        expect("ON_LINE -1")
        show("discon", socket.discon(netc))
        show("state", socket.state(netc))
    ''', netns=network)
    assert done.texts("connect") == ["true false"] * 2
    assert done.texts("state") == ["2 等待DNS", "1 离线"]
    assert done.texts("remote") == ["nil nil nil nil"]
    assert done.texts("discon") == ["true true"]
    assert dns.queries == ["A no.test"] * 2 and not second.queries


@pytest.mark.parametrize("rcode", [1, 2, 4, 5])
def test_another_refusal_goes_to_the_next_server_at_once(tasks, network, rcode):
    """dns_client.c:712-753: FORMERR, SERVFAIL, NOTIMP, REFUSED."""
    network.resolv_conf(HERE + "nameserver 127.0.0.2\n")
    first = network.peers.dns(addresses(rcode=rcode))
    second = network.peers.dns(addresses("127.0.0.3"), "127.0.0.2")
    done = tasks.run('show("remote", socket.remoteIP(online(udp(), "a.test", 9)))', netns=network)
    assert done.texts("remote") == ["127.0.0.3 nil nil nil"]
    assert first.queries == second.queries == ["A a.test"]


def test_refusals_by_all_servers_fail_at_once(tasks, network):
    """The last one has no next."""
    network.resolv_conf(HERE + "nameserver 127.0.0.2\n")
    network.peers.dns(addresses(rcode=2))
    network.peers.dns(addresses(rcode=5), "127.0.0.2")
    done = tasks.run('''
        socket.connect(tcp(), "a.test", 9)
        expect("ON_LINE -1")
    ''', netns=network)
    assert len(done.events("dns.query")) == 2


def test_a_silent_server_is_asked_three_times_and_then_the_next(tasks, network):
    """At 0, 1 and 3 s; the next server's turn comes at 6 s (dns_client.c:27-28,649-850)."""
    network.resolv_conf(HERE + "nameserver 127.0.0.2\n")
    first = network.peers.dns(no_answer)
    second = network.peers.dns(addresses("127.0.0.3"), "127.0.0.2")
    done = tasks.run('show("remote", socket.remoteIP(online(udp(), "a.test", 9)))', netns=network)
    assert done.texts("remote") == ["127.0.0.3 nil nil nil"]
    assert first.queries == ["A a.test"] * 3 and second.queries == ["A a.test"]
    began, *later = [e["t_us"] for e in done.events("dns.query")]
    for sent, due in zip(later, (1_000_000, 3_000_000, 6_000_000)):
        assert sent - began >= due


@pytest.mark.requirement("SOCK-CONNECT-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONNECT-010", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONNECT-011", revision=1, kind="positive")
@pytest.mark.parametrize("name", ['"a..test"', '".test"', '("x"):rep(64)', '("x."):rep(128)', '""', '"."'])
def test_what_cannot_be_a_name_fails_in_the_call(tasks, network, name):
    """(false, false) and state 1: the lookup was refused."""
    done = tasks.run(f'''
        local netc = tcp()
        show("connect", socket.connect(netc, {name}, 9))
        show("state", socket.state(netc))
        settle()
    ''', netns=network)
    assert done.texts("connect") == ["false false"]
    assert done.texts("state") == ["1 离线"]
    assert done.reports() == []


def test_a_label_of_63_and_a_name_of_253_octets_are_names(tasks, network):
    """RFC 1035 2.3.4."""
    dns = network.peers.dns(addresses("127.0.0.2"))
    long = ".".join(["x" * 63] * 3 + ["y" * 61])
    tasks.run(f'online(udp(), "{long}", 9)', netns=network)
    assert dns.queries == [f"A {long}"]


@pytest.mark.parametrize("call, result, state", [
    ("discon", "true true", "1 离线"),
    ("close", "nothing", "2 等待DNS"),
    ("release", "nothing", "nothing"),
])
def test_a_lookup_under_way_can_be_given_up(tasks, network, call, result, state):
    """No event follows, and a late answer is nobody's (defect D12, not copied)."""
    held = []
    dns = network.peers.dns(lambda query: held.append(query) or [])
    with tasks.start(f'''
        local netc = udp()
        socket.connect(netc, "late.test", 9)
        sys.waitUntil("NEVER", 100)
        show("{call}", socket.{call}(netc))
        show("state", socket.state(netc))
        sys.waitUntil("NEVER", 300)
        netc = udp()
        online(netc, "127.0.0.1", 9)
        settle()
        show("remote", socket.remoteIP(netc))
    ''', netns=network) as run:
        run.wait_log(call)
        until(lambda: held, "query")
        dns.udp.send(held[0].reply("127.0.0.66"), held[0].sender)
        done = run.finish()
    assert done.texts(call) == [result]
    assert done.texts("state") == [state]
    assert done.texts("remote") == ["nil nil nil nil"]
    assert done.reports() == [("ON_LINE", 0)]
    assert dns.queries == ["A late.test"]


# ---- IPv6 -----------------------------------------------------------------------------------


@pytest.mark.requirement("SOCK-CONNECT-007", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONNECT-008", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONNECT-009", revision=1, kind="positive")
def test_ipv6_is_asked_for_when_wanted_and_comes_first(tasks, network):
    """AAAA then A; the results are joined, IPv6 first, four at the most."""
    dns = network.peers.dns(addresses("127.0.0.2", "127.0.0.3", "::1", "::2", "::3"))
    server = network.peers.tcp_server("::1")
    done = tasks.run('''
        local netc = tcp()
        show("connect", socket.connect(netc, "both.test", PORT, true))
        expect("ON_LINE 0")
        show("remote", socket.remoteIP(netc))
    ''', env={"PORT": server.port}, netns=network)
    assert done.texts("connect") == ["true false"]
    assert done.texts("remote") == ["::1 ::2 ::3 127.0.0.2"]
    assert dns.queries == ["AAAA both.test", "A both.test"]
    assert server.accept()


@pytest.mark.requirement("SOCK-CONNECT-007", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONNECT-008", revision=1, kind="positive")
@pytest.mark.parametrize("flag", ["nil", "false", "1", '"true"'])
def test_only_true_asks_for_ipv6(tasks, network, flag):
    """luat_lib_socket.c:486-549: a real boolean."""
    dns = network.peers.dns(addresses("127.0.0.2", "::1"))
    tasks.run(f'''
        socket.connect(udp(), "both.test", 9, {flag})
        expect("ON_LINE 0")
    ''', netns=network)
    assert dns.queries == ["A both.test"]


@pytest.mark.requirement("SOCK-CONNECT-009", revision=1, kind="negative")
def test_ipv4_follows_when_ipv6_cannot_be_reached(tasks, network):
    """The next address is tried (net_lwip2.c:782-802)."""
    network.peers.dns(addresses("127.0.0.2", "2001:db8::1"))
    server = network.peers.tcp_server("127.0.0.2")
    done = tasks.run('''
        local netc = tcp()
        socket.connect(netc, "both.test", PORT, true)
        expect("ON_LINE 0")
        show("remote", socket.remoteIP(netc))
    ''', env={"PORT": server.port}, netns=network)
    assert done.texts("remote") == ["2001:db8::1 127.0.0.2 nil nil"]
    assert server.accept()


def test_a_name_with_ipv4_only_works_with_ipv6_wanted(tasks, network):
    """AAAA has no answer; A has."""
    network.dnsmasq(records={"four.test": "127.0.0.2"})
    done = tasks.run('''
        local netc = udp()
        socket.connect(netc, "four.test", 9, true)
        expect("ON_LINE 0")
        show("remote", socket.remoteIP(netc))
    ''', netns=network)
    assert done.texts("remote") == ["127.0.0.2 nil nil nil"]


def test_a_name_that_does_not_exist_is_not_asked_for_twice(tasks, network):
    """NXDOMAIN is about the name, not about the type."""
    dns = network.dnsmasq()
    tasks.run('''
        socket.connect(tcp(), "no.test", 9, true)
        expect("ON_LINE -1")
    ''', netns=network)
    assert "A no.test" not in dns.queries


# ---- servers --------------------------------------------------------------------------------


@pytest.mark.requirement("SOCK-SETDNS-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SETDNS-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SETDNS-006", revision=1, kind="positive")
def test_set_dns_goes_before_the_hosts_resolvers(tasks, netns):
    """Slot 1 is asked first; a slot that was not set keeps the network's server."""
    netns.resolv_conf("nameserver 127.0.0.2\nnameserver 127.0.0.3\n")
    ours = netns.peers.dns(addresses(rcode=2))
    first = netns.peers.dns(addresses(rcode=2), "127.0.0.2")
    second = netns.peers.dns(addresses("127.0.0.9"), "127.0.0.3")
    done = tasks.run('''
        show("dns", socket.setDNS(nil, 1, "127.0.0.1"))
        show("remote", socket.remoteIP(online(udp(), "a.test", 9)))
    ''', netns=netns)
    assert done.texts("remote") == ["127.0.0.9 nil nil nil"]
    assert ours.queries and second.queries and not first.queries
    assert [e["server"] for e in done.events("dns.query")] == ["127.0.0.1:53", "127.0.0.3:53"]


@pytest.mark.requirement("SOCK-SETDNS-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SETDNS-003", revision=1, kind="positive")
def test_set_dns_is_of_one_adapter(tasks, netns):
    """Per adapter, and at once."""
    netns.resolv_conf("nameserver 127.0.0.2\n")
    ours = netns.peers.dns(addresses("127.0.0.8"))
    default = netns.peers.dns(addresses("127.0.0.9"), "127.0.0.2")
    done = tasks.run('''
        socket.setDNS(socket.ETH0, 1, 0x0100007f)
        show("remote", socket.remoteIP(online(udp(), "a.test", 9)))
        local eth = socket.create(socket.ETH0, "t")
        show("remote", socket.remoteIP(online(eth, "a.test", 9)))
    ''', netns=netns)
    assert done.texts("remote") == ["127.0.0.9 nil nil nil", "127.0.0.8 nil nil nil"]
    assert ours.queries == default.queries == ["A a.test"]


def test_a_dns_server_can_have_an_ipv6_address(tasks, netns):
    """setDNS takes it, resolv.conf too."""
    netns.resolv_conf("nameserver ::1\n")
    dns = netns.peers.dns(addresses("127.0.0.8"), "::1")
    tasks.run('''
        online(udp(), "a.test", 9)
        socket.setDNS(nil, 1, "::1")
        online(udp(), "b.test", 9)
    ''', netns=netns)
    assert dns.queries == ["A a.test", "A b.test"]


# ---- hostile answers ------------------------------------------------------------------------


def hostile(query):
    """What is not the answer, and then the answer."""
    good = query.reply("127.0.0.7")
    other_id = bytes([query.id[0] ^ 1, query.id[1]])
    loop = query.id + good[2:12] + b"\xc0\x0c\0\1\0\1"
    return [
        b"",
        b"\0",
        query.reply("127.0.0.66", id=other_id),
        query.reply("127.0.0.66", question=b"\3www\4test\0\0\1\0\1"),
        query.reply("127.0.0.66", question=query.question[:-4] + b"\0\x1c\0\1"),
        query.reply("127.0.0.66", flags=0x0100),
        query.reply("127.0.0.66", flags=0xA980),
        query.data,
        loop,
        *(good[:cut] for cut in range(2, len(good))),
        b"\xff" * 2000,
        good,
    ]


def test_what_is_not_the_answer_is_passed_over(tasks, network):
    """dns_client.c:534-637: the answer has to echo the question, and the id."""
    dns = network.peers.dns(hostile)
    done = tasks.run('show("remote", socket.remoteIP(online(udp(), "a.test", 9)))', netns=network)
    assert done.texts("remote") == ["127.0.0.7 nil nil nil"]
    assert dns.queries == ["A a.test"]


def test_an_answer_from_elsewhere_is_not_heard(tasks, network):
    """The resolver's socket hears its server only."""
    other = network.peers.udp("127.0.0.4")

    def answer(query):
        other.send(query.reply("127.0.0.66"), query.sender)
        return [query.reply("127.0.0.7")]

    network.peers.dns(answer)
    done = tasks.run('show("remote", socket.remoteIP(online(udp(), "a.test", 9)))', netns=network)
    assert done.texts("remote") == ["127.0.0.7 nil nil nil"]


def test_addresses_of_other_names_do_not_count(tasks, network):
    """A record whose name is neither the question's nor an alias of it."""
    def answer(query):
        reply = bytearray(query.reply("127.0.0.66", "127.0.0.7"))
        at = len(query.reply())
        reply[at:at + 2] = b"\xc0\x0e"  # the middle of the question's name
        return [bytes(reply)]

    network.peers.dns(answer)
    done = tasks.run('show("remote", socket.remoteIP(online(udp(), "x.a.test", 9)))', netns=network)
    assert done.texts("remote") == ["127.0.0.7 nil nil nil"]


# ---- answers that UDP has no room for -----------------------------------------------------------


def test_a_cut_answer_is_asked_for_over_tcp(tasks, network):
    """RFC 7766: dnsmasq cuts 60 addresses short over UDP; the whole answer has them in order."""
    given = [f"127.0.1.{n}" for n in range(1, 61)]
    dns = network.dnsmasq(records={"big.test": given})
    done = tasks.run('show("remote", socket.remoteIP(online(udp(), "big.test", 9)))', netns=network)
    shown = done.texts("remote")[0].split()
    assert len(set(shown)) == 4 and set(shown) <= set(given)
    assert dns.queries == ["A big.test"] * 2


class TcpAnswer:
    """Over UDP an answer that says it was cut; over TCP these bytes, and then the end."""

    def __init__(self, network, over_udp, over_tcp):
        network.peers.dns(lambda query: [query.reply(*over_udp, flags=0x8380)])
        self.over_tcp = over_tcp
        self.server = network.peers.tcp_server(port=53)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        peer = self.server.accept()
        length = int.from_bytes(peer.recv_exactly(2), "big")
        query = DnsQuery(peer.recv_exactly(length), None)
        for piece in self.over_tcp(query):
            peer.send(piece)
        peer.close()


def with_length(message):
    return len(message).to_bytes(2, "big") + message


def test_an_answer_over_tcp_may_come_in_pieces(tasks, network):
    """A byte, and a byte, and the rest."""
    TcpAnswer(network, [], lambda query: [
        whole[i:i + 1] if i < 6 else whole[6:] for whole in [with_length(query.reply("127.0.0.7"))]
        for i in range(7)])
    done = tasks.run('show("remote", socket.remoteIP(online(udp(), "a.test", 9)))', netns=network)
    assert done.texts("remote") == ["127.0.0.7 nil nil nil"]


@pytest.mark.parametrize("over_tcp", [
    lambda query: [],
    lambda query: [b"\0"],
    lambda query: [with_length(query.reply("127.0.0.7"))[:-3]],
    lambda query: [with_length(b"")],
    lambda query: [with_length(query.reply("127.0.0.7", id=b"xx"))],
    lambda query: [with_length(b"\xff" * 65535)],
], ids=["nothing", "half a length", "cut short", "empty", "of another question", "rubbish"])
def test_what_had_room_serves_where_tcp_fails(tasks, network, over_tcp):
    """As on a module, which never asks over TCP."""
    TcpAnswer(network, ["127.0.0.3"], over_tcp)
    done = tasks.run('show("remote", socket.remoteIP(online(udp(), "a.test", 9)))', netns=network)
    assert done.texts("remote") == ["127.0.0.3 nil nil nil"]


def test_the_next_server_is_asked_where_nothing_had_room_and_tcp_is_refused(tasks, network):
    """Nobody listens on TCP 53 of the first."""
    network.resolv_conf(HERE + "nameserver 127.0.0.2\n")
    network.peers.dns(addresses(flags=0x8380))
    network.peers.dns(addresses("127.0.0.5"), "127.0.0.2")
    done = tasks.run('show("remote", socket.remoteIP(online(udp(), "a.test", 9)))', netns=network)
    assert done.texts("remote") == ["127.0.0.5 nil nil nil"]
