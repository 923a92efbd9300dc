"""TCP clients: connect, discon, close, and what tells of the end of a connection."""

import re
from pathlib import Path

import pytest

from peers import until


@pytest.mark.requirement("SOCK-CONST-009", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONST-010", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONST-011", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONNECT-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONNECT-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONNECT-010", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONNECT-011", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONNECT-013", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONNECT-014", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-TX-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-TX-014", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-TX-020", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-READ-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-READ-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-READ-006", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-STATE-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-STATE-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-STATE-011", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-STATE-013", revision=1, kind="positive")
def test_a_connection_goes_online_and_echoes(tasks, tcp_server):
    """connect gives (true, false) and ON_LINE 0 follows; the data comes back by EVENT and read."""
    with tasks.start('''
        local netc = tcp()
        show("before", socket.state(netc))
        show("connect", socket.connect(netc, HOST, PORT))
        show("connecting", socket.state(netc))
        expect("ON_LINE 0")
        show("online", socket.state(netc))
        show("tx", socket.tx(netc, "hello"))
        expect("TX_OK 0")
        expect("EVENT 0")
        show("read", socket.read(netc))
    ''', env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        run.wait_trace("netc.event", event="TX_OK")
        peer.send(peer.recv_exactly(5))
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("before") == ["0 硬件离线"]
    assert done.texts("connect") == ["true false"]
    assert done.texts("connecting") == ["3 正在连接"]
    assert done.texts("online") == ["5 在线"]
    assert done.texts("tx") == ["true false false"]
    assert done.texts("read") == ["true hello"]
    assert done.states() == ["CONNECTING", "ONLINE"]
    assert f"connect to 127.0.0.1,{tcp_server.port}" in done.firmware("socket")


@pytest.mark.requirement("SOCK-CONNECT-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONNECT-004", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-STATE-010", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-REMOTEIP-001", revision=1, kind="negative")
@pytest.mark.parametrize("host, given", [
    ("127.0.0.1", '"127.0.0.1"'),
    ("127.0.0.1", "0x0100007f"),
    ("127.0.0.1", '"127.1"'),
    ("127.0.0.5", "127.5"),
    ("::1", '"::1"'),
])
def test_connect_takes_every_form_of_an_address(tasks, peers, host, given):
    """luat_lib_socket.c:486-549: an integer is the word of network bytes, a float is its text;
    inet_aton's short forms and IPv6 literals are addresses, not names."""
    server = peers.tcp_server(host)
    done = tasks.run(f'''
        local netc = tcp()
        socket.connect(netc, {given}, PORT)
        expect("ON_LINE 0")
        show("remote", socket.remoteIP(netc))
    ''', env={"PORT": server.port})
    assert server.accept().address[0] == host
    assert not done.events("dns.query")
    assert done.texts("remote") == ["nil nil nil nil"]


@pytest.mark.requirement("SOCK-CONNECT-005", revision=1, kind="negative")
def test_the_port_is_cut_to_16_bits(tasks, tcp_server):
    """connect(netc, ip, 65536 + port)."""
    tasks.run("online(tcp(), HOST, 65536 + PORT)", env={"PORT": tcp_server.port})
    tcp_server.accept()


@pytest.mark.requirement("SOCK-CONFIG-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-004", revision=1, kind="positive")
def test_the_local_port_is_the_configured_one(tasks, tcp_server, peers):
    """socket.config(netc, local_port)."""
    port = peers.listen_port()
    tasks.run(f"online(tcp({port}))", env={"PORT": tcp_server.port})
    assert tcp_server.accept().remote == ("127.0.0.1", port)


# ---- connections that are not made -------------------------------------------------------------


@pytest.mark.requirement("SOCK-CONST-009", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONNECT-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONNECT-010", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONNECT-012", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONNECT-013", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONNECT-014", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-TX-014", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-STATE-011", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-STATE-013", revision=1, kind="negative")
def test_a_refused_connect_gives_on_line_minus_1_and_keeps_its_state(tasks, peers):
    """luat_network_adapter.c:689-692: state 3 stays, and so does the socket, until discon."""
    done = tasks.run('''
        local netc = tcp()
        show("connect", socket.connect(netc, HOST, PORT))
        expect("ON_LINE -1")
        show("state", socket.state(netc))
        show("again", socket.connect(netc, HOST, PORT))
        show("tx", socket.tx(netc, "x"))
        show("rx", socket.rx(netc))
        show("wait", socket.wait(netc))
        show("discon", socket.discon(netc))
        show("state", socket.state(netc))
        show("again", socket.connect(netc, HOST, PORT))
        expect("ON_LINE -1")
    ''', env={"PORT": peers.free_port()})
    assert done.texts("connect") == ["true false"]
    assert done.texts("state") == ["3 正在连接", "1 离线"]
    assert done.texts("again") == ["false false", "true false"]
    assert done.texts("tx") == ["false true false"]
    assert done.texts("rx") == ["false 0"]
    assert done.texts("wait") == ["false false"]
    assert done.texts("discon") == ["true true"]
    assert done.reports() == [("ON_LINE", -1)] * 2


@pytest.mark.requirement("SOCK-CONNECT-016", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONNECT-022", revision=1, kind="positive")
def test_the_cause_of_a_failure_is_in_a_debug_line_only(tasks, peers):
    """The document's list: -14 is the server's doing; the event's parameter is always -1."""
    done = tasks.run('''
        socket.connect(tcp(), HOST, PORT)
        expect("ON_LINE -1")
    ''', env={"PORT": peers.free_port()})
    assert re.search(r"adapter 1 socket \d+ not closing, but error -14", done.firmware("net")[0])


@pytest.mark.requirement("SOCK-CONNECT-012", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CLOSE-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CLOSE-003", revision=1, kind="positive")
def test_close_after_a_failure_lets_connect_work_again(tasks, peers, tcp_server):
    """close leaves the state number alone."""
    with tasks.start(f'''
        local netc = tcp()
        socket.connect(netc, HOST, {peers.free_port()})
        expect("ON_LINE -1")
        show("close", socket.close(netc))
        show("state", socket.state(netc))
        online(netc)
        show("state", socket.state(netc))
    ''', env={"PORT": tcp_server.port}) as run:
        tcp_server.accept()
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("close") == ["nothing"]
    assert done.texts("state") == ["3 正在连接", "5 在线"]


@pytest.mark.requirement("SOCK-CONNECT-016", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONNECT-018", revision=1, kind="positive")
def test_a_connect_that_nobody_answers_times_out(tasks, peers):
    """lwIP gives up after its SYN retransmissions: ON_LINE -1, and -3 in the debug line."""
    done = tasks.run('''
        local netc = tcp()
        socket.connect(netc, HOST, PORT)
        expect("ON_LINE -1")
        show("state", socket.state(netc))
    ''', "--set", "connect_timeout=100", env={"PORT": peers.tcp_silent().port})
    assert done.texts("state") == ["3 正在连接"]
    assert "error -3" in done.firmware("net")[0]


def test_the_time_of_a_connect_begins_with_the_call(tasks, peers):
    """Not with the message that the script has been working on since."""
    done = tasks.run('''
        local netc = tcp()
        log.info("begin", "")
        for i = 1, 1000000 do math.sqrt(i) end
        socket.connect(netc, HOST, PORT)
        expect("ON_LINE -1")
    ''', "--set", "connect_timeout=50", env={"PORT": peers.tcp_silent().port})
    begin = done.events("log", tag="user.begin")[0]["t_us"]
    call = done.events("netc.state", to="CONNECTING")[0]["t_us"]
    end = done.events("netc.event")[0]["t_us"]
    assert call > begin + 1000, "a million square roots take longer than a millisecond"
    assert end >= call + 50_000


@pytest.mark.parametrize("call, result, state", [
    ("discon", "true true", "1 离线"),
    ("close", "nothing", "3 正在连接"),
])
def test_a_connect_under_way_can_be_given_up(tasks, peers, tcp_server, call, result, state):
    """Neither discon nor close reports anything then; connecting again is possible at once."""
    with tasks.start(f'''
        local netc = tcp()
        socket.connect(netc, HOST, {peers.tcp_silent().port})
        show("second", socket.connect(netc, HOST, PORT))
        show("{call}", socket.{call}(netc))
        show("state", socket.state(netc))
        online(netc)
        settle()
    ''', "--set", "connect_timeout=60", env={"PORT": tcp_server.port}) as run:
        tcp_server.accept()
        done = run.finish()
    assert done.texts("second") == ["false false"]
    assert done.texts(call) == [result]
    assert done.texts("state") == [state]
    assert done.reports() == [("ON_LINE", 0)]


@pytest.mark.requirement("SOCK-CONNECT-010", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONNECT-011", revision=1, kind="positive")
def test_a_second_connect_is_refused_and_harms_nothing(tasks, tcp_server):
    """luat_network_adapter.c:2181-2184: (false, false), while the socket is open."""
    with tasks.start('''
        local netc = online(tcp())
        show("again", socket.connect(netc, HOST, PORT))
        show("again", socket.connect(netc, "no.such.name", 1))
        show("remote", socket.remoteIP(netc))
        socket.tx(netc, "hello")
        until_event("TX_OK 0")
    ''', env={"PORT": tcp_server.port}) as run:
        assert tcp_server.accept().recv_exactly(5) == b"hello"
        done = run.finish()
    assert done.texts("again") == ["false false"] * 2
    assert done.reports() == [("ON_LINE", 0), ("TX_OK", 0)]
    assert "close it first" in done.warnings[0]


@pytest.mark.requirement("SOCK-CONNECT-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-REMOTEIP-009", revision=1, kind="negative")
def test_port_0_of_a_literal_fails(tasks):
    """Observed on the PC simulator: ON_LINE -1 (with a name, port 0 means: look it up only)."""
    done = tasks.run('''
        local netc = tcp()
        show("connect", socket.connect(netc, HOST, 0))
        expect("ON_LINE -1")
    ''')
    assert done.texts("connect") == ["true false"]


@pytest.mark.requirement("SOCK-CONFIG-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONNECT-019", revision=1, kind="positive")
def test_a_local_port_in_use_fails_later(tasks, tcp_server, peers):
    """-8 in the debug line; the call itself says (true, false)."""
    taken = peers.tcp_server()
    done = tasks.run(f'''
        show("connect", socket.connect(tcp({taken.port}), HOST, PORT))
        expect("ON_LINE -1")
    ''', env={"PORT": tcp_server.port})
    assert done.texts("connect") == ["true false"]
    assert "error -8" in done.firmware("net")[0]


# ---- the end, from the other side ---------------------------------------------------------------


@pytest.mark.requirement("SOCK-CONST-010", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONST-012", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-TX-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-TX-014", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RX-009", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-READ-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-READ-007", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-WAIT-004", revision=1, kind="negative")
@pytest.mark.parametrize("how", ["close", "reset", "half_close"])
def test_the_peers_end_is_event_minus_1_and_never_closed(tasks, tcp_server, how):
    """FIN and RST look the same (luat_network_adapter.c:875-880); the state stays 5."""
    with tasks.start('''
        local netc = online(tcp())
        expect("EVENT -1")
        show("state", socket.state(netc))
        show("tx", socket.tx(netc, "x"))
        show("rx", socket.rx(netc))
        show("read", socket.read(netc))
        show("wait", socket.wait(netc))
        show("connect", socket.connect(netc, HOST, PORT))
        settle()
    ''', env={"PORT": tcp_server.port}) as run:
        getattr(tcp_server.accept(), how)()
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("state") == ["5 在线"]
    assert done.texts("tx") == ["false true false"]
    assert done.texts("rx") == ["false 0"]
    assert done.texts("read") == ["false"]
    assert done.texts("wait") == ["false false"]
    assert done.texts("connect") == ["false false"]
    assert done.reports() == [("ON_LINE", 0), ("EVENT", -1)]


@pytest.mark.requirement("SOCK-RX-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-WAIT-004", revision=1, kind="positive")
@pytest.mark.parametrize("how", ["close", "reset"])
def test_what_came_before_the_end_can_still_be_read(tasks, tcp_server, how):
    """wait says (true, true) while data is unread; reading in parts loses nothing here."""
    with tasks.start('''
        local netc = online(tcp())
        until_event("EVENT -1")
        show("wait", socket.wait(netc))
        show("rx", socket.rx(netc))
        show("read", socket.read(netc, 4))
        show("wait", socket.wait(netc))
        show("read", socket.read(netc))
        show("wait", socket.wait(netc))
        show("read", socket.read(netc))
        show("rx", socket.rx(netc, zbuff.create(10)))
    ''', env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        peer.send(b"last words")
        run.wait_trace("netc.event", event="EVENT", param=0)
        getattr(peer, how)()
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("wait") == ["true true", "true true", "false false"]
    assert done.texts("rx") == ["true 10", "false 0"]
    assert done.texts("read") == ["true last", "true  words", "false"]
    assert done.reports() == [("ON_LINE", 0), ("EVENT", 0), ("EVENT", -1)]


def test_a_server_that_answers_and_leaves_at_once(tasks, tcp_server):
    """ON_LINE 0, then the data and the end, in this order."""
    with tasks.start('''
        local netc = online(tcp())
        until_event("EVENT -1")
        show("read", socket.read(netc))
        show("read", socket.read(netc))
    ''', env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        peer.send(b"bye")
        peer.close()
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("read") == ["true bye", "false"]
    assert done.reports() == [("ON_LINE", 0), ("EVENT", 0), ("EVENT", -1)]


@pytest.mark.parametrize("data", [b"", b"bye"])
def test_a_server_that_resets_at_once(tasks, tcp_server, data):
    """The connection was made: ON_LINE 0 comes before EVENT -1, and what was sent can be read."""
    with tasks.start('''
        local netc = tcp()
        socket.connect(netc, HOST, PORT)
        timer.mdelay(500)
        expect("ON_LINE 0")
        until_event("EVENT -1")
        show("read", socket.read(netc))
        settle()
    ''', env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        peer.send(data)
        peer.reset()
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("read") == ["true bye" if data else "false"]
    assert [param for _, param in done.reports()].count(-1) == 1


@pytest.mark.requirement("SOCK-CONST-011", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-TX-021", revision=1, kind="negative")
def test_the_end_while_tx_is_pending_is_tx_ok_minus_1(tasks, peers):
    """luat_network_adapter.c:1046-1101: the event is the one that was waited for."""
    server = peers.tcp_server(rcvbuf=2048)
    with tasks.start('''
        local netc = online(tcp())
        socket.tx(netc, ("x"):rep(200000))
        log.info("sent", "all")
        expect("TX_OK -1")
        settle()
    ''', env={"PORT": server.port}) as run:
        peer = server.accept()
        run.wait_log("sent")
        peer.reset()
        done = run.finish()
    assert done.code == 0, done
    assert done.reports() == [("ON_LINE", 0), ("TX_OK", -1)]


@pytest.mark.requirement("SOCK-WAIT-008", revision=1, kind="negative")
def test_the_end_after_wait_is_event_minus_1(tasks, peers):
    """wait re-labels the next failure."""
    server = peers.tcp_server(rcvbuf=2048)
    with tasks.start('''
        local netc = online(tcp())
        socket.tx(netc, ("x"):rep(200000))
        show("wait", socket.wait(netc))
        expect("EVENT -1")
    ''', env={"PORT": server.port}) as run:
        peer = server.accept()
        run.wait_log("wait", "true false")
        peer.reset()
        done = run.finish()
    assert done.code == 0, done


# ---- discon ---------------------------------------------------------------------------------


@pytest.mark.requirement("SOCK-CONST-012", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-DISCON-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-DISCON-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-DISCON-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-DISCON-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-DISCON-006", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-STATE-015", revision=1, kind="positive")
def test_discon_of_a_connection_is_answered_by_closed(tasks, tcp_server):
    """(true, false), state 7; then CLOSED 0 and state 1; the control can connect again."""
    with tasks.start('''
        local netc = online(tcp())
        show("discon", socket.discon(netc))
        show("state", socket.state(netc))
        expect("CLOSED 0")
        show("state", socket.state(netc))
        show("connect", socket.connect(netc, HOST, PORT))
        expect("ON_LINE 0")
    ''', env={"PORT": tcp_server.port}) as run:
        assert tcp_server.accept().recv_to_end() == b""
        tcp_server.accept()
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("discon") == ["true false"]
    assert done.texts("state") == ["7 正在离线", "1 离线"]
    assert done.texts("connect") == ["true false"]
    assert done.states()[:4] == ["CONNECTING", "ONLINE", "DISCONNECTING", "OFF_LINE"]


@pytest.mark.parametrize("end", ["close", "reset"])
def test_discon_after_the_peers_end_is_answered_too(tasks, tcp_server, end):
    """The state is still 5: (true, false), then CLOSED 0."""
    with tasks.start('''
        local netc = online(tcp())
        expect("EVENT -1")
        show("discon", socket.discon(netc))
        expect("CLOSED 0")
        show("state", socket.state(netc))
    ''', env={"PORT": tcp_server.port}) as run:
        getattr(tcp_server.accept(), end)()
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("discon") == ["true false"]
    assert done.texts("state") == ["1 离线"]


def test_a_second_discon_swallows_closed(tasks, tcp_server):
    """Observed: (true, true), and the pending CLOSED never comes."""
    with tasks.start('''
        local netc = online(tcp())
        show("discon", socket.discon(netc))
        show("discon", socket.discon(netc))
        show("state", socket.state(netc))
        settle()
    ''', env={"PORT": tcp_server.port}) as run:
        tcp_server.accept()
        done = run.finish()
    assert done.texts("discon") == ["true false", "true true"]
    assert done.texts("state") == ["1 离线"]
    assert done.reports() == [("ON_LINE", 0)]


@pytest.mark.requirement("SOCK-DISCON-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-DISCON-005", revision=1, kind="negative")
def test_discon_without_a_socket_is_done_at_once(tasks, tcp_server):
    """(true, true) and state 1: never connected, closed, disconnected already."""
    with tasks.start('''
        show("discon", socket.discon(tcp()))
        local netc = online(tcp())
        socket.close(netc)
        show("discon", socket.discon(netc))
        show("state", socket.state(netc))
        show("discon", socket.discon(netc))
        settle()
    ''', env={"PORT": tcp_server.port}) as run:
        tcp_server.accept()
        done = run.finish()
    assert done.texts("discon") == ["true true"] * 3
    assert done.texts("state") == ["1 离线"]
    assert done.reports() == [("ON_LINE", 0)]


@pytest.mark.parametrize("size", [5, 3_000_000])
def test_discon_lets_what_was_sent_arrive(tasks, peers, size):
    """CLOSED comes after the last byte has left, also when the peer was slow to read."""
    server = peers.tcp_server(rcvbuf=4096)
    with tasks.start(f'''
        local netc = online(tcp())
        socket.tx(netc, ("x"):rep({size}))
        show("discon", socket.discon(netc))
        expect("CLOSED 0")
    ''', "--set", "send_buffer=100000000", env={"PORT": server.port}) as run:
        peer = server.accept()
        run.wait_log("discon", "true false")
        assert peer.recv_to_end() == b"x" * size
        done = run.finish()
    assert done.code == 0, done


def test_discon_ends_well_though_data_is_unread(tasks, tcp_server):
    """lwIP sends FIN, not RST: the peer still gets what was sent."""
    with tasks.start('''
        local netc = online(tcp())
        until_event("EVENT 0")
        socket.tx(netc, "bye")
        socket.discon(netc)
        until_event("CLOSED 0")
    ''', env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        peer.send(b"never read")
        assert peer.recv_to_end() == b"bye"
        done = run.finish()
    assert done.code == 0, done


def test_what_arrives_while_disconnecting_is_not_reported(tasks, peers):
    """State 7: data and acknowledgements are no event."""
    server = peers.tcp_server(rcvbuf=4096)
    with tasks.start('''
        local netc = online(tcp())
        socket.tx(netc, ("x"):rep(3000000))
        show("discon", socket.discon(netc))
        expect("CLOSED 0")
        settle()
    ''', "--set", "send_buffer=100000000", env={"PORT": server.port}) as run:
        peer = server.accept()
        run.wait_log("discon")
        peer.send(b"too late")
        assert len(peer.recv_to_end()) == 3_000_000
        done = run.finish()
    assert done.code == 0, done
    assert done.reports() == [("ON_LINE", 0), ("CLOSED", 0)]


def test_a_peer_that_resets_while_disconnecting_gives_closed(tasks, peers):
    """State 7: error and reset are an answer to discon: CLOSED 0, state 1."""
    server = peers.tcp_server(rcvbuf=4096)
    with tasks.start('''
        local netc = online(tcp())
        socket.tx(netc, ("x"):rep(3000000))
        show("discon", socket.discon(netc))
        expect("CLOSED 0")
        show("state", socket.state(netc))
    ''', "--set", "send_buffer=100000000", env={"PORT": server.port}) as run:
        peer = server.accept()
        run.wait_log("discon")
        peer.reset()
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("state") == ["1 离线"]


# ---- close ----------------------------------------------------------------------------------


@pytest.mark.requirement("SOCK-CLOSE-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CLOSE-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CLOSE-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-READ-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-WAIT-004", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-STATE-009", revision=1, kind="negative")
def test_close_ends_at_once_and_keeps_the_state_number(tasks, tcp_server):
    """luat_network_adapter.c:1796-1825: no event; tx, rx and wait fail; connect works again."""
    with tasks.start('''
        local netc = online(tcp())
        show("close", socket.close(netc))
        show("close", socket.close(netc))
        show("state", socket.state(netc))
        show("tx", socket.tx(netc, "x"))
        show("rx", socket.rx(netc))
        show("read", socket.read(netc))
        show("wait", socket.wait(netc))
        settle()
        log.info("settled", "")
        online(netc)
        show("state", socket.state(netc))
    ''', env={"PORT": tcp_server.port}) as run:
        assert tcp_server.accept().recv_to_end() == b""
        tcp_server.accept()
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("close") == ["nothing"] * 2
    assert done.texts("state") == ["5 在线"] * 2
    assert done.texts("tx") == ["false true false"]
    assert done.texts("rx") == ["false 0"]
    assert done.texts("read") == ["false"]
    assert done.texts("wait") == ["false false"]
    assert done.reports() == [("ON_LINE", 0)] * 2


def test_close_lets_what_was_sent_arrive(tasks, tcp_server):
    """A module has handed it to its stack already."""
    with tasks.start('''
        local netc = online(tcp())
        socket.tx(netc, "last ")
        socket.tx(netc, "words")
        socket.close(netc)
        settle()
    ''', env={"PORT": tcp_server.port}) as run:
        assert tcp_server.accept().recv_to_end() == b"last words"
        done = run.finish()
    assert done.reports() == [("ON_LINE", 0)]


def test_close_right_after_the_peers_reset_leaves_no_stray_event(tasks, tcp_server):
    """Defect D16 of the PC simulator, not copied: EVENT -1 after close."""
    with tasks.start('''
        local netc = online(tcp())
        log.info("closed", "soon")
        timer.mdelay(300)
        socket.close(netc)
        settle()
    ''', env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        run.wait_log("closed")
        peer.reset()
        done = run.finish()
    assert done.reports() == [("ON_LINE", 0)]


def test_events_of_a_closed_connection_do_not_reach_the_next(tasks, tcp_server):
    """An event whose tag is an old socket's is dropped (luat_network_adapter.c:1122,1148)."""
    with tasks.start('''
        local netc = online(tcp())
        for i = 1, 20 do
            socket.tx(netc, "x")
            socket.close(netc)
            online(netc)
        end
        log.info("online", "again")
        expect("EVENT 0")
        show("read", socket.read(netc))
    ''', env={"PORT": tcp_server.port}) as run:
        for _ in range(20):
            assert tcp_server.accept().recv_to_end() == b"x"
        peer = tcp_server.accept()
        run.wait_log("online")
        peer.send(b"hello")
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("read") == ["true hello"]
    assert done.reports() == [("ON_LINE", 0)] * 21 + [("EVENT", 0)]


# ---- options --------------------------------------------------------------------------------


def tcp_timer(local, remote):
    """The timer column of the kernel's own table: "00" none, "02" keepalive."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        field = line.split()
        ports = [int(address.split(":")[1], 16) for address in field[1:3]]
        if ports == [local, remote]:
            return field[5].split(":")[0]
    return None


@pytest.mark.requirement("SOCK-CONFIG-012", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-013", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-013", revision=1, kind="negative")
@pytest.mark.parametrize("config, timer", [
    ("nil, nil, nil, 100, 5, 3", "02"),
    ("nil, nil, nil, 100000, 5, 3", "02"),
    ("nil, nil, nil, 256, 5, 3", "00"),
    ("", "00"),
])
def test_keepalive_is_on_when_asked_for(tasks, tcp_server, config, timer):
    """config's fifth to seventh argument; on by the low 8 bits of the idle time (A:1513-1520)."""
    with tasks.start(f'''
        local netc = online(tcp({config}))
        log.info("online", "")
        expect("EVENT -1")
    ''', env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        run.wait_log("online")
        until(lambda: tcp_timer(peer.remote[1], peer.address[1]) == timer, f"timer {timer}")
        peer.close()
        assert run.finish().code == 0


@pytest.mark.requirement("SOCK-DEBUG-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-DEBUG-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-DEBUG-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-DEBUG-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-DEBUG-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-DEBUG-004", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-DEBUG-004", revision=1, kind="negative")
def test_debug_lines_come_when_switched_on(tasks, tcp_server):
    """Only a real boolean switches (luat_lib_socket.c:284-293)."""
    with tasks.start('''
        local netc = tcp()
        show("debug", socket.debug(netc, 1))
        online(netc)
        log.info("silent", "")
        socket.close(netc)
        show("debug", socket.debug(netc, true))
        online(netc)
        socket.debug(netc, nil)
        log.info("still", "")
        socket.close(netc)
        socket.debug(netc, false)
        log.info("silent", "again")
        online(netc)
    ''', env={"PORT": tcp_server.port}) as run:
        done = run.finish()
    assert done.texts("debug") == ["nothing"] * 2
    tags = [tag for _, tag, _ in done.log]
    marks = [i for i, tag in enumerate(tags) if tag in ("user.silent", "user.still")]
    assert "net" not in tags[:marks[0]] and "net" not in tags[marks[2]:]
    assert "net" in tags[marks[0]:marks[1]] and "net" in tags[marks[1]:marks[2]]


@pytest.mark.requirement("SOCK-LINKUP-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LINKUP-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-STATE-008", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-STATE-009", revision=1, kind="positive")
def test_linkup_on_a_ready_adapter_is_done_at_once(tasks):
    """(true, true) and state 1 (luat_network_adapter.c:2120-2140)."""
    done = tasks.run('''
        local netc = tcp()
        show("linkup", socket.linkup(netc))
        show("state", socket.state(netc))
        settle()
    ''')
    assert done.texts("linkup") == ["true true"]
    assert done.texts("state") == ["1 离线"]
    assert done.reports() == []


def test_linkup_on_a_connection_does_not_break_it_here(tasks, tcp_server):
    """Defect D2, not copied: a module forgets that it is online. A warning says so."""
    with tasks.start('''
        local netc = online(tcp())
        show("linkup", socket.linkup(netc))
        socket.tx(netc, "hello")
        until_event("TX_OK 0")
    ''', env={"PORT": tcp_server.port}) as run:
        assert tcp_server.accept().recv_exactly(5) == b"hello"
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("linkup") == ["true true"]
    assert "a module loses the connection here" in done.warnings[0]


def test_many_connections_at_once_are_kept_apart(tasks, tcp_server):
    """Every control has its own data and events."""
    with tasks.start('''
        local netcs, names = {}, {}
        for i = 1, 16 do
            local netc
            netc = socket.create(nil, function(_, event, param)
                if event == socket.ON_LINE then
                    socket.tx(netc, string.format("this is %02d", i))
                elseif event == socket.EVENT and param == 0 then
                    local _, data = socket.read(netc)
                    if data ~= "" then
                        show("got", i, data)
                        sys.publish("GOT")
                    end
                end
            end)
            socket.config(netc)
            socket.connect(netc, HOST, PORT)
            netcs[i] = netc
        end
        for i = 1, 16 do sys.waitUntil("GOT") end
    ''', env={"PORT": tcp_server.port}) as run:
        accepted = [tcp_server.accept() for _ in range(16)]
        for peer in accepted:
            peer.send(b"echo " + peer.recv_exactly(10))
        done = run.finish()
    assert done.code == 0, done
    assert sorted(done.texts("got")) == sorted(f"{i} echo this is {i:02}" for i in range(1, 17))


def test_a_peer_that_never_accepts_is_online_all_the_same(tasks, tcp_server):
    """The peer's kernel made the connection; what is sent is acknowledged."""
    done = tasks.run('''
        local netc = online(tcp())
        socket.tx(netc, "hello")
        expect("TX_OK 0")
    ''', env={"PORT": tcp_server.port})
    assert done.reports() == [("ON_LINE", 0), ("TX_OK", 0)]
    assert tcp_server.accept().recv_exactly(5) == b"hello"


def test_a_host_without_descriptors_left_fails_the_connect(tasks, peers):
    """(false, false), as a module without memory; closing some makes it work again."""
    server = peers.tcp_server(backlog=100)
    done = tasks.run('''
        local netcs, opened = {}, 0
        for i = 1, 60 do
            netcs[i] = tcp()
            if not socket.connect(netcs[i], HOST, PORT) then
                show("failed", socket.state(netcs[i]))
                break
            end
            opened = i
        end
        show("enough", opened > 5 and opened < 60)
        for i = 1, opened do until_event("ON_LINE 0") end
        socket.close(netcs[1])
        show("again", socket.connect(netcs[opened + 1], HOST, PORT))
        expect("ON_LINE 0")
    ''', "--set", "sockets=64", env={"PORT": server.port}, prefix=["prlimit", "--nofile=40"])
    assert done.texts("failed") == ["1 离线"]
    assert done.texts("enough") == ["true"]
    assert done.texts("again") == ["true false"]
