"""UDP: datagrams whole and one at a time, who is heard, and what never fails."""

import socket

import pytest

# shows the bytes of an address as text
HEX = '''
    local function hex(bytes)
        return bytes and (bytes:gsub(".", function(c) return string.format("%02x", c:byte()) end))
    end
'''


def test_connect_is_done_at_once(tasks, udp_peer):
    """ON_LINE 0 and state 5, without a word to the peer."""
    done = tasks.run('''
        local netc = udp()
        show("connect", socket.connect(netc, HOST, PORT))
        expect("ON_LINE 0")
        show("state", socket.state(netc))
    ''', env={"PORT": udp_peer.port})
    assert done.texts("connect") == ["true false"]
    assert done.texts("state") == ["5 在线"]
    assert done.states() == ["CONNECTING", "ONLINE"]


def test_tx_works_on_the_line_after_connect(tasks, udp_peer):
    """The network's task has a higher priority than Lua's: published scripts send without waiting.
    ON_LINE comes all the same, and first."""
    with tasks.start('''
        local netc = udp()
        socket.connect(netc, HOST, PORT)
        show("state", socket.state(netc))
        show("tx", socket.tx(netc, "hello"))
        show("tx", socket.tx(netc, "again", "127.0.0.1", PORT))
        expect("ON_LINE 0")
        expect("TX_OK 0")
    ''', env={"PORT": udp_peer.port}) as run:
        assert [udp_peer.recv()[0] for _ in range(2)] == [b"hello", b"again"]
        done = run.finish()
    assert done.texts("state") == ["5 在线"]
    assert done.texts("tx") == ["true false false"] * 2
    assert done.warnings == []


def test_a_port_that_cannot_be_had_is_told_by_on_line(tasks, udp_peer):
    """connect says yes, as it does whatever comes of it; ON_LINE -1, and tx fails before it too."""
    done = tasks.run('''
        local netc = udp(PORT)
        show("connect", socket.connect(netc, HOST, 9))
        show("tx", socket.tx(netc, "lost"))
        expect("ON_LINE -1")
        show("state", socket.state(netc))
    ''', env={"PORT": udp_peer.port})
    assert done.texts("connect") == ["true false"]
    assert done.texts("tx") == ["false true false"]
    assert done.texts("state") == ["3 正在连接"]
    assert done.reports() == [("ON_LINE", -1)]


def test_udp_is_the_mode_until_config_says_otherwise(tasks, udp_peer):
    """luat_network_adapter.c:1493: is_tcp is 0 after create."""
    with tasks.start('''
        local netc = socket.create(nil, "t")
        socket.connect(netc, HOST, PORT)
        expect("ON_LINE 0")
        socket.tx(netc, "hello")
        expect("TX_OK 0")
    ''', env={"PORT": udp_peer.port}) as run:
        assert udp_peer.recv()[0] == b"hello"
        assert run.finish().code == 0


@pytest.mark.requirement("SOCK-RX-013", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-014", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-015", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-016", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RX-017", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-018", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-READ-008", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-READ-009", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-READ-010", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-READ-011", revision=1, kind="positive")
def test_rx_gives_the_datagram_and_its_sender(tasks, udp_peer):
    """(true, n, "\\0" and 4 address bytes, port); read gives the same with the data."""
    with tasks.start(HEX + '''
        local netc = online(udp())
        for i = 1, 2 do
            socket.tx(netc, "question")
            until_event("EVENT 0")
            if i == 1 then
                local buff = zbuff.create(3)
                local ok, len, ip, port = socket.rx(netc, buff)
                show("got", ok, len, hex(ip), port, buff:query())
            else
                local ok, data, ip, port = socket.read(netc)
                show("got", ok, data, hex(ip), port)
            end
        end
        show("empty", socket.rx(netc, zbuff.create(1)))
        show("empty", socket.read(netc))
        show("empty", socket.rx(netc))
    ''', env={"PORT": udp_peer.port}) as run:
        for _ in range(2):
            data, sender = udp_peer.recv()
            udp_peer.send(b"answer", sender)
        done = run.finish()
    assert done.code == 0, done
    port = udp_peer.port
    assert done.texts("got") == [f"true 6 007f000001 {port} answer", f"true answer 007f000001 {port}"]
    assert done.texts("empty") == ["true 0", "true ", "true 0"]


@pytest.mark.requirement("SOCK-RX-015", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RX-016", revision=1, kind="positive")
def test_ipv6_addresses_have_17_bytes(tasks, peers):
    """"\\1" and 16 bytes."""
    peer = peers.udp("::1")
    with tasks.start(HEX + '''
        local netc = online(udp(), "::1")
        socket.tx(netc, "question")
        until_event("EVENT 0")
        local ok, data, ip, port = socket.read(netc)
        show("got", ok, data, hex(ip), port)
    ''', env={"PORT": peer.port}) as run:
        peer.send(b"answer", peer.recv()[1])
        done = run.finish()
    assert done.texts("got") == [f"true answer 01{'00' * 15}01 {peer.port}"]


@pytest.mark.requirement("SOCK-CONFIG-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-004", revision=1, kind="positive")
def test_the_local_port_is_the_configured_one(tasks, udp_peer, peers):
    """config's second argument."""
    port = peers.listen_port(socket.SOCK_DGRAM)
    with tasks.start(f'''
        local netc = online(udp({port}))
        socket.tx(netc, "x")
        expect("TX_OK 0")
    ''', env={"PORT": udp_peer.port}) as run:
        assert udp_peer.recv()[1][1] == port
        assert run.finish().code == 0


def test_a_port_can_be_opened_twice(tasks, udp_peer, peers):
    """lwIP: SO_REUSE; so a script can open again what it has not closed yet."""
    port = peers.listen_port(socket.SOCK_DGRAM)
    done = tasks.run(f"online(udp({port})) online(udp({port}))", env={"PORT": udp_peer.port})
    assert done.reports() == [("ON_LINE", 0)] * 2


# ---- datagrams ------------------------------------------------------------------------------


def with_datagrams(tasks, peer, datagrams, body, *args):
    """Run `body` when `netc` has an EVENT for each of the datagrams."""
    with tasks.start(f'''
        local netc = online(udp())
        socket.tx(netc, "ready")
        for _ = 1, {len(datagrams)} do until_event("EVENT 0") end
        {body}
    ''', *args, env={"PORT": peer.port}) as run:
        sender = peer.recv()[1]
        for datagram in datagrams:
            peer.send(datagram, sender)
        done = run.finish()
    assert done.code == 0, done
    return done


@pytest.mark.requirement("SOCK-CONST-010", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-003", revision=1, kind="positive")
def test_every_datagram_is_an_event_and_a_read_of_its_own(tasks, udp_peer):
    """One EVENT a datagram; rx takes exactly one."""
    done = with_datagrams(tasks, udp_peer, [b"one", b"", b"three"], '''
        show("rx", socket.rx(netc))
        show("read", socket.read(netc))
        show("read", socket.read(netc))
        show("read", socket.read(netc))
        show("read", socket.read(netc))
        settle()
    ''')
    assert done.texts("rx") == ["true 3"]
    assert [text.split()[:2] for text in done.texts("read")] == [
        ["true", "one"], ["true"], ["true", "three"], ["true"]]
    assert done.reports().count(("EVENT", 0)) == 3


@pytest.mark.requirement("SOCK-RX-008", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-020", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-020", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RX-021", revision=1, kind="negative")
@pytest.mark.parametrize("limit, result, got", [
    (3, "true 3", "123"),
    (6, "true 6", "123456"),
    (100, "true 6", "123456"),
    (-1, "true 6", "123456"),
    (0, "true 0", "nil"),
])
def test_a_limit_cuts_the_datagram_and_the_tail_is_lost(tasks, udp_peer, limit, result, got):
    """Limit 0 takes the datagram away (testcase/utest/net/socket_udp_limit_basic)."""
    done = with_datagrams(tasks, udp_peer, [b"123456", b"next"], f'''
        local buff = zbuff.create(2)
        local ok, len = socket.rx(netc, buff, 0, {limit})
        show("rx", ok, len)
        show("buff", buff:used() > 0 and buff:query() or nil)
        local _, data = socket.read(netc)
        show("next", data)
    ''')
    assert done.texts("rx") == [result]
    assert done.texts("buff") == [got]
    assert done.texts("next") == ["next"]


@pytest.mark.parametrize("len, got", [("3", "123"), ("0", "123456"), ("nil", "123456")])
def test_read_with_a_length_loses_the_tail_too(tasks, udp_peer, len, got):
    """The document: UDP takes one packet at a time."""
    done = with_datagrams(tasks, udp_peer, [b"123456", b"next"], f'''
        local _, data = socket.read(netc, {len})
        show("read", data)
        _, data = socket.read(netc)
        show("read", data)
    ''')
    assert done.texts("read") == [got, "next"]


@pytest.mark.requirement("SOCK-RX-026", revision=1, kind="positive")
def test_a_query_tells_the_size_of_the_next_datagram(tasks, udp_peer):
    """The document: of one packet (lwIP adapters: of all of them, defect D19)."""
    done = with_datagrams(tasks, udp_peer, [b"123456", b"12"], '''
        show("rx", socket.rx(netc))
        show("rx", socket.rx(netc, "no buffer"))
        socket.read(netc)
        show("rx", socket.rx(netc))
    ''')
    assert done.texts("rx") == ["true 6", "true 6", "true 2"]


@pytest.mark.requirement("SOCK-RX-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RX-026", revision=1, kind="negative")
@pytest.mark.parametrize("call", ["rx(netc)", "rx(netc, zbuff.create(9))", "read(netc)"])
def test_an_empty_datagram_blocks_nothing(tasks, udp_peer, call):
    """Whatever looks at it takes it off."""
    done = with_datagrams(tasks, udp_peer, [b"", b"next"], f'''
        local ok, what = socket.{call}
        show("empty", ok, what == 0 or what == "")
        local _, data = socket.read(netc)
        show("next", data)
    ''')
    assert done.texts("empty") == ["true true"]
    assert done.texts("next") == ["next"]


@pytest.mark.requirement("SOCK-TX-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-TX-002", revision=1, kind="negative")
@pytest.mark.parametrize("size", [1460, 9000, 65507])
def test_large_datagrams_stay_whole(tasks, udp_peer, size):
    """Both ways; the document warns of more than 1460 bytes, and so do we."""
    with tasks.start(f'''
        local netc = online(udp())
        show("tx", socket.tx(netc, ("x"):rep({size})))
        until_event("EVENT 0")
        local _, data = socket.read(netc)
        log.info("same", data == ("x"):rep({size}))
    ''', env={"PORT": udp_peer.port}) as run:
        data, sender = udp_peer.recv()
        assert len(data) == size
        udp_peer.send(data, sender)
        done = run.finish()
    assert done.texts("tx") == ["true false false"]
    assert done.texts("same") == ["true"]
    assert len(done.warnings) == (size > 1460)


@pytest.mark.requirement("SOCK-TX-002", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-TX-014", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-TX-016", revision=1, kind="positive")
def test_a_datagram_that_is_too_large_fails(tasks, udp_peer):
    """65508 bytes fit into no datagram: (false, true, false), and the document: close it then."""
    with tasks.start('''
        local netc = online(udp())
        show("tx", socket.tx(netc, ("x"):rep(65508)))
        show("tx", socket.tx(netc, "small"))
        socket.close(netc)
        online(netc)
        show("tx", socket.tx(netc, "small"))
        expect("TX_OK 0")
    ''', env={"PORT": udp_peer.port}) as run:
        assert udp_peer.recv()[0] == b"small"
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("tx") == ["false true false"] * 2 + ["true false false"]


def test_after_a_failed_tx_every_event_is_minus_1(tasks, udp_peer):
    """luat_network_adapter.c:239-246,2514-2518: the socket needs to be closed."""
    with tasks.start('''
        local netc = online(udp())
        socket.tx(netc, "hello")
        expect("TX_OK 0")
        show("tx", socket.tx(netc, ("x"):rep(65508)))
        expect("EVENT -1")
        expect("EVENT -1")
        show("rx", socket.rx(netc))
    ''', env={"PORT": udp_peer.port}) as run:
        sender = udp_peer.recv()[1]
        run.wait_log("tx")
        udp_peer.send(b"one", sender)
        udp_peer.send(b"two", sender)
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("tx") == ["false true false"]


def test_very_many_datagrams_arrive_in_order(tasks, udp_peer):
    """More than the queue holds: the rest waits in the host's buffer and has its EVENT too."""
    count = 150
    with tasks.start(f'''
        local netc = online(udp())
        socket.tx(netc, "ready")
        expect("TX_OK 0")
        log.info("sleep", "")
        timer.mdelay(500)
        for i = 1, {count} do
            expect("EVENT 0")
            local _, data = socket.read(netc)
            assert(data == tostring(i), data)
        end
        settle()
    ''', "--set", "udp_queue=8", env={"PORT": udp_peer.port}) as run:
        sender = udp_peer.recv()[1]
        run.wait_log("sleep")
        for i in range(1, count + 1):
            udp_peer.send(str(i).encode(), sender)
        done = run.finish()
    assert done.code == 0, done
    assert done.reports().count(("EVENT", 0)) == count


def test_a_flood_is_survived(tasks, udp_peer):
    """What the host drops is lost, as anywhere; what arrives is in order."""
    with tasks.start('''
        local netc = online(udp())
        socket.tx(netc, "ready")
        local last = 0
        repeat
            event()
            local _, data = socket.read(netc)
            local number = tonumber(data) or last
            assert(number >= last)
            last = number
        until data == "stop"
    ''', env={"PORT": udp_peer.port}) as run:
        sender = udp_peer.recv()[1]
        for i in range(20_000):
            udp_peer.send(b"%d" % i, sender)
        while run.process.poll() is None:
            udp_peer.send(b"stop", sender)
        assert run.finish().code == 0


# ---- tx -------------------------------------------------------------------------------------


def test_tx_ok_comes_when_the_stack_has_it(tasks, udp_peer):
    """Nobody acknowledges a datagram; one TX_OK for several."""
    with tasks.start('''
        local netc = online(udp())
        show("tx", socket.tx(netc, "one"))
        show("tx", socket.tx(netc, "two"))
        expect("TX_OK 0")
        settle()
    ''', env={"PORT": udp_peer.port}) as run:
        assert [udp_peer.recv()[0] for _ in range(2)] == [b"one", b"two"]
        done = run.finish()
    assert done.texts("tx") == ["true false false"] * 2
    assert done.reports() == [("ON_LINE", 0), ("TX_OK", 0)]


def test_an_empty_tx_is_an_empty_datagram(tasks, udp_peer):
    """lwIP sends it and reports TX_OK."""
    with tasks.start('''
        local netc = online(udp())
        show("tx", socket.tx(netc, ""))
        expect("TX_OK 0")
    ''', env={"PORT": udp_peer.port}) as run:
        assert udp_peer.recv()[0] == b""
        assert run.finish().code == 0


@pytest.mark.requirement("SOCK-TX-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-TX-007", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-TX-008", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-TX-009", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-TX-010", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-TX-012", revision=1, kind="positive")
@pytest.mark.parametrize("ip", ['"127.0.0.1"', "0x0100007f"])
def test_tx_can_name_another_peer(tasks, peers, ip):
    """With its port; without, the connected one is meant."""
    first, second = peers.udp(), peers.udp()
    with tasks.start(f'''
        local netc = online(udp())
        show("tx", socket.tx(netc, "to second", {ip}, {second.port}))
        show("tx", socket.tx(netc, "to first"))
        show("tx", socket.tx(netc, "to first", nil, {second.port}))
        expect("TX_OK 0")
    ''', env={"PORT": first.port}) as run:
        assert second.recv()[0] == b"to second"
        assert [first.recv()[0] for _ in range(2)] == [b"to first"] * 2
        done = run.finish()
    assert done.texts("tx") == ["true false false"] * 3


@pytest.mark.requirement("SOCK-TX-005", revision=1, kind="negative")
@pytest.mark.parametrize("to", ['"not.an.address", 9', '("9"):rep(100), 9', '"", 9'])
def test_tx_to_what_is_no_address_fails_and_breaks_nothing(tasks, udp_peer, to):
    """A module sends to 0.0.0.0 or overflows a buffer (defect D9); here: (false, true, false)."""
    with tasks.start(f'''
        local netc = online(udp())
        show("tx", socket.tx(netc, "x", {to}))
        show("tx", socket.tx(netc, "y"))
        expect("TX_OK 0")
    ''', env={"PORT": udp_peer.port}) as run:
        assert udp_peer.recv()[0] == b"y"
        done = run.finish()
    assert done.texts("tx") == ["false true false", "true false false"]
    assert "is no address" in done.warnings[0]


@pytest.mark.requirement("SOCK-TX-007", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-TX-012", revision=1, kind="negative")
@pytest.mark.parametrize("to", [
    '"127.0.0.1"',
    '"127.0.0.1", 0',
    '"::1", 9',
    '"240.0.0.1", 9',
    '"0.0.0.0", 0',
])
def test_a_datagram_that_cannot_leave_is_lost_like_any_other(tasks, udp_peer, to):
    """lwIP never reports an error of sending (net_lwip2.c:721-735); an ip alone means port 0."""
    with tasks.start(f'''
        local netc = online(udp())
        show("tx", socket.tx(netc, "x", {to}))
        expect("TX_OK 0")
        show("tx", socket.tx(netc, "y"))
        expect("TX_OK 0")
    ''', env={"PORT": udp_peer.port}) as run:
        assert udp_peer.recv()[0] == b"y"
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("tx") == ["true false false"] * 2


def test_a_peer_that_is_not_there_yet_is_no_error(tasks, peers):
    """The ICMP error of the first datagrams loses neither a later one nor the socket."""
    gone = peers.udp("127.0.0.3")
    address = (gone.host, gone.port)
    gone.close()
    with tasks.start('''
        local netc = online(udp())
        for _ = 1, 5 do
            socket.tx(netc, "lost")
            expect("TX_OK 0")
            settle()
        end
        log.info("lost", "all")
        sys.waitUntil("NEVER", 200)
        show("tx", socket.tx(netc, "arrives"))
        expect("TX_OK 0")
    ''', env={"HOST": address[0], "PORT": address[1]}) as run:
        run.wait_log("lost")
        peer = peers.udp(*address)
        assert peer.recv()[0] == b"arrives"
        done = run.finish()
    assert done.code == 0, done
    assert {param for _, param in done.reports()} == {0}


# ---- who is heard ---------------------------------------------------------------------------


def test_a_unicast_peer_with_a_port_is_the_only_one_heard(tasks, peers):
    """lwIP: udp_connect() filters (net_lwip2.c:838-849)."""
    friend, stranger = peers.udp(), peers.udp()
    with tasks.start('''
        local netc = online(udp())
        socket.tx(netc, "hello")
        until_event("EVENT 0")
        show("read", (select(2, socket.read(netc))))
        show("rx", socket.rx(netc))
    ''', env={"PORT": friend.port}) as run:
        sender = friend.recv()[1]
        stranger.send(b"stranger", sender)
        friend.send(b"friend", sender)
        done = run.finish()
    assert done.texts("read") == ["friend"]
    assert done.texts("rx") == ["true 0"]


@pytest.mark.parametrize("host", ["255.255.255.255", "127.0.0.1", "0.0.0.0"])
def test_port_0_makes_a_server_that_hears_everybody(tasks, peers, host):
    """script/libs/udpsrv.lua: config(netc, port, true), connect(netc, "255.255.255.255", 0)."""
    port = peers.listen_port(socket.SOCK_DGRAM)
    with tasks.start(f'''
        local netc = udp({port})
        show("connect", socket.connect(netc, "{host}", 0))
        expect("ON_LINE 0")
        log.info("ready", "")
        for _ = 1, 2 do
            until_event("EVENT 0")
            local _, data, ip, port = socket.read(netc)
            show("answer", socket.tx(netc, "echo " .. data, ip:byte(2) .. ".0.0.1", port))
        end
        expect("TX_OK 0")
    ''') as run:
        run.wait_log("ready")
        for name in (b"first", b"second"):
            peer = peers.udp()
            peer.send(name, ("127.0.0.1", port))
            assert peer.recv()[0] == b"echo " + name
        done = run.finish()
    assert done.texts("connect") == ["true false"]


def test_a_broadcast_peer_hears_and_everybody_is_heard(tasks, netns):
    """Broadcasting is on (net_lwip2.c:1213); the answer comes from a unicast address."""
    netns.link("wan", "10.0.0.2/24")
    netns.run("ip", "route", "add", "default", "dev", "wan")
    peer = netns.peers.udp("0.0.0.0")
    with tasks.start('''
        local netc = online(udp(), "255.255.255.255")
        show("tx", socket.tx(netc, "anybody?"))
        until_event("EVENT 0")
        show("read", (select(2, socket.read(netc))))
    ''', env={"PORT": peer.port}, netns=netns) as run:
        data, sender = peer.recv()
        assert data == b"anybody?"
        peer.send(b"me", sender)
        done = run.finish()
    assert done.texts("tx") == ["true false false"]
    assert done.texts("read") == ["me"]


# ---- the end --------------------------------------------------------------------------------


@pytest.mark.requirement("SOCK-DISCON-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-DISCON-006", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-STATE-015", revision=1, kind="negative")
def test_discon_is_done_at_once_and_silent(tasks, udp_peer):
    """(true, true), state 1, no CLOSED."""
    done = tasks.run('''
        local netc = online(udp())
        show("discon", socket.discon(netc))
        show("state", socket.state(netc))
        show("tx", socket.tx(netc, "x"))
        settle()
        show("connect", socket.connect(netc, HOST, PORT))
        expect("ON_LINE 0")
    ''', env={"PORT": udp_peer.port})
    assert done.texts("discon") == ["true true"]
    assert done.texts("state") == ["1 离线"]
    assert done.texts("tx") == ["false true false"]
    assert done.reports() == [("ON_LINE", 0)] * 2


def test_close_keeps_the_state_number_and_drops_what_is_unread(tasks, udp_peer):
    """And the next connection does not see it."""
    done = with_datagrams(tasks, udp_peer, [b"unread"], '''
        socket.close(netc)
        show("state", socket.state(netc))
        show("rx", socket.rx(netc))
        socket.connect(netc, HOST, PORT)
        until_event("ON_LINE 0")
        show("rx", socket.rx(netc))
    ''')
    assert done.texts("state") == ["5 在线"]
    assert done.texts("rx") == ["false 0", "true 0"]


def test_a_change_of_mode_while_online_is_not_fatal(tasks, udp_peer):
    """config may be called in any state, and flips the mode at once (luat_network_adapter.c:1515)."""
    done = with_datagrams(tasks, udp_peer, [b"datagram"], '''
        show("config", socket.config(netc))
        show("rx", socket.rx(netc))
        show("read", socket.read(netc))
        show("read", socket.read(netc))
        show("tx", socket.tx(netc, "x"))
        show("discon", socket.discon(netc))
        settle()
        show("state", socket.state(netc))
    ''')
    assert done.texts("config") == ["true"]
