"""TCP servers: listen and accept, one client at a time or many."""

import pytest


def start_server(tasks, peers, body, *args, **options):
    """Run `body` with PORT to listen on; returns when it listens (its first listen, at least)."""
    port = peers.listen_port()
    env = {"PORT": port, **options.pop("env", {})}
    run = tasks.start(body, *args, env=env, **options)
    run.port = port
    try:
        run.wait_trace("netc.state", to="LISTEN")
    except AssertionError:
        run.kill()
        raise
    return run


def is_turned_away(peers, port):
    """A client's connection is reset, perhaps before connect() returns, or ends without a byte."""
    try:
        return peers.tcp_client(port).recv_to_end() == b""
    except ConnectionResetError:
        return True


# ---- listen ---------------------------------------------------------------------------------


@pytest.mark.requirement("SOCK-LISTEN-004", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-LISTEN-006", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-LISTEN-007", revision=1, kind="negative")
def test_listening_is_no_event(tasks, peers):
    """(true, false), state 3; state 6 comes without an event (luat_network_adapter.c:717-723)."""
    done = tasks.run('''
        local netc = tcp(PORT)
        show("listen", socket.listen(netc))
        show("state", socket.state(netc))
        settle()
        show("state", socket.state(netc))
        show("again", socket.listen(netc))
        show("connect", socket.connect(netc, HOST, PORT))
    ''', env={"PORT": peers.listen_port()})
    assert done.texts("listen") == ["true false"]
    assert done.texts("state") == ["3 正在连接", "6 在监听"]
    assert done.texts("again") == ["true false"]
    assert done.texts("connect") == ["false false"]
    assert done.reports() == []


def test_listen_on_port_0_takes_a_free_port(tasks):
    """0 means: any."""
    done = tasks.run('''
        local first, second = tcp(), tcp()
        show("listen", socket.listen(first))
        show("listen", socket.listen(second))
        settle()
        show("state", (socket.state(first)), (socket.state(second)))
    ''')
    assert done.texts("listen") == ["true false"] * 2
    assert done.texts("state") == ["6 6"]


@pytest.mark.requirement("SOCK-LISTEN-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-LISTEN-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-LISTEN-004", revision=1, kind="positive")
def test_listen_on_a_port_in_use_fails_at_once(tasks, peers):
    """State 1, (false, false); the log says why; it works when the port is free."""
    taken = peers.tcp_server()
    done = tasks.run('''
        local netc = tcp(PORT)
        show("listen", socket.listen(netc))
        show("state", socket.state(netc))
        socket.config(netc, 0)
        show("listen", socket.listen(netc))
    ''', env={"PORT": taken.port})
    assert done.texts("listen") == ["false false", "true false"]
    assert done.texts("state") == ["1 离线"]
    assert "Address already in use" in done.firmware("socket")[0]


def test_two_controls_cannot_listen_on_one_port(tasks, peers):
    """The second is refused; after the first is closed it can."""
    done = tasks.run('''
        local first, second = tcp(PORT), tcp(PORT)
        show("listen", socket.listen(first))
        show("listen", socket.listen(second))
        socket.close(first)
        show("listen", socket.listen(second))
    ''', env={"PORT": peers.listen_port()})
    assert done.texts("listen") == ["true false", "false false", "true false"]


@pytest.mark.requirement("SOCK-LISTEN-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-LISTEN-003", revision=1, kind="negative")
def test_listen_in_udp_mode_fails(tasks):
    """Undefined upstream; here (false, false) and a hint."""
    done = tasks.run('show("listen", socket.listen(socket.create(nil, "t")))')
    assert done.texts("listen") == ["false false"]
    assert "connects to 255.255.255.255" in done.warnings[0]


def test_listen_on_a_connection_fails_and_harms_nothing(tasks, tcp_server):
    """luat_network_adapter.c:2271-2313: a socket is open."""
    with tasks.start('''
        local netc = online(tcp())
        show("listen", socket.listen(netc))
        show("state", socket.state(netc))
        socket.tx(netc, "hello")
        until_event("TX_OK 0")
    ''', env={"PORT": tcp_server.port}) as run:
        assert tcp_server.accept().recv_exactly(5) == b"hello"
        done = run.finish()
    assert done.texts("listen") == ["false false"]
    assert done.texts("state") == ["5 在线"]
    assert any(text.startswith("listen fail") for text in done.firmware("socket"))


@pytest.mark.parametrize("call, result, state", [
    ("discon", "true true", "1 离线"),
    ("close", "nothing", "6 在监听"),
    ("release", "nothing", ""),
])
def test_a_listener_ends_without_an_event_and_can_listen_again(tasks, peers, call, result, state):
    """discon: state 1; close: the number stays. Listening again really listens here (defect D3)."""
    with start_server(tasks, peers, f'''
        local netc = tcp(PORT)
        socket.listen(netc)
        settle()
        show("{call}", socket.{call}(netc))
        show("state", socket.state(netc))
        log.info("ended", "")
        sys.waitUntil("NEVER", 300)
        if "{call}" == "release" then netc = tcp(PORT) end
        show("listen", socket.listen(netc))
        expect("ON_LINE 0")
    ''') as run:
        run.wait_log("ended")
        with pytest.raises(ConnectionRefusedError):
            peers.tcp_client(run.port)
        run.wait_trace("netc.state", to="LISTEN", count=2)
        peers.tcp_client(run.port)
        done = run.finish()
    assert done.code == 0, done
    assert done.texts(call) == [result]
    assert done.texts("state") == [state or "nothing"]
    assert done.texts("listen") == ["true false"]
    assert done.reports() == [("ON_LINE", 0)]


# ---- one client -----------------------------------------------------------------------------


@pytest.mark.requirement("SOCK-CONST-009", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LISTEN-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LISTEN-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LISTEN-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LISTEN-007", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ACCEPT-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ACCEPT-007", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ACCEPT-011", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-STATE-014", revision=1, kind="positive")
def test_a_client_takes_the_listener_over(tasks, peers):
    """ON_LINE 0 and state 5 on the same control; accept gives true, nil and the client's address."""
    with start_server(tasks, peers, '''
        local netc = tcp(PORT)
        socket.listen(netc)
        expect("ON_LINE 0")
        show("state", socket.state(netc))
        show("accept", socket.accept(netc))
        local data = read_bytes(netc, 5)
        show("tx", socket.tx(netc, "echo " .. data))
        until_event("TX_OK 0")
        until_event("EVENT -1")
        show("accept", socket.accept(netc))
    ''') as run:
        client = peers.tcp_client(run.port)
        client.send(b"hello")
        assert client.recv_exactly(10) == b"echo hello"
        client.close()
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("state") == ["5 在线"]
    assert done.texts("accept") == [f"true nil 127.0.0.1 {client.address[1]}"] * 2
    assert done.texts("tx") == ["true false false"]


def test_accept_is_optional_for_one_client(tasks, peers):
    """It only fetches the address; data comes before it."""
    with start_server(tasks, peers, '''
        local netc = tcp(PORT)
        socket.listen(netc)
        expect("ON_LINE 0")
        log.info("got", read_bytes(netc, 5))
    ''') as run:
        peers.tcp_client(run.port).send(b"early")
        done = run.finish()
    assert done.texts("got") == ["early"]


@pytest.mark.requirement("SOCK-ACCEPT-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-ACCEPT-007", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ACCEPT-011", revision=1, kind="positive")
def test_accept_without_a_client_is_true_all_the_same(tasks, peers):
    """luat_lib_socket.c:1104-1114, observed; a module shows an old address, here there is none."""
    done = tasks.run('''
        local netc = tcp(PORT)
        show("accept", socket.accept(netc))
        socket.listen(netc)
        show("accept", socket.accept(netc))
        settle()
        show("accept", socket.accept(netc))
        show("accept", socket.accept(netc, {}))
    ''', env={"PORT": peers.listen_port()})
    assert done.texts("accept") == ["true nil"] * 4


def test_a_second_client_is_turned_away_while_one_is_there(tasks, peers):
    """net_lwip2.c:429-433; the first notices nothing."""
    with start_server(tasks, peers, '''
        local netc = tcp(PORT)
        socket.listen(netc)
        expect("ON_LINE 0")
        log.info("online", "")
        log.info("got", read_bytes(netc, 5))
    ''') as run:
        first = peers.tcp_client(run.port)
        run.wait_log("online")
        assert is_turned_away(peers, run.port)
        assert is_turned_away(peers, run.port)
        first.send(b"hello")
        done = run.finish()
    assert done.texts("got") == ["hello"]
    assert done.reports().count(("ON_LINE", 0)) == 1


def test_the_next_client_is_served_after_discon_and_listen(tasks, peers):
    """What libnet.close and libnet.listen do; listen right away fails, for the socket is open."""
    with start_server(tasks, peers, '''
        local netc = tcp(PORT)
        for i = 1, 3 do
            show("listen", socket.listen(netc))
            expect("ON_LINE 0")
            local data = read_bytes(netc, 6)
            socket.tx(netc, data)
            until_event("TX_OK 0")
            until_event("EVENT -1")
            show("open", socket.listen(netc))
            show("discon", socket.discon(netc))
            expect("CLOSED 0")
        end
    ''') as run:
        for i in range(3):
            run.wait_trace("netc.state", to="LISTEN", count=i + 1)
            client = peers.tcp_client(run.port)
            client.send(b"hello%d" % i)
            assert client.recv_exactly(6) == b"hello%d" % i
            client.close()
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("listen") == ["true false"] * 3
    assert done.texts("open") == ["false false"] * 3
    assert done.texts("discon") == ["true false"] * 3


def test_bytes_of_an_earlier_client_do_not_spoil_tx_ok(tasks, peers):
    """Defect D7, not copied: totals begin anew with listen."""
    with start_server(tasks, peers, '''
        local netc = tcp(PORT)
        socket.listen(netc)
        expect("ON_LINE 0")
        socket.tx(netc, ("x"):rep(500000))
        log.info("sent", "")
        expect("TX_OK -1")
        socket.close(netc)
        socket.listen(netc)
        expect("ON_LINE 0")
        socket.tx(netc, "hello")
        expect("TX_OK 0")
    ''', "--set", "send_buffer=1000000") as run:
        first = peers.tcp_client(run.port, rcvbuf=2048)
        run.wait_log("sent")
        first.reset()
        run.wait_trace("netc.state", to="LISTEN", count=2)
        assert peers.tcp_client(run.port).recv_exactly(5) == b"hello"
        done = run.finish()
    assert done.code == 0, done


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_leaves_at_once(tasks, peers, how):
    """ON_LINE 0, then EVENT -1."""
    with start_server(tasks, peers, '''
        local netc = tcp(PORT)
        socket.listen(netc)
        expect("ON_LINE 0")
        expect("EVENT -1")
        show("state", socket.state(netc))
        show("discon", socket.discon(netc))
        expect("CLOSED 0")
    ''') as run:
        getattr(peers.tcp_client(run.port), how)()
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("state") == ["5 在线"]
    assert done.texts("discon") == ["true false"]


def test_an_ipv6_client_is_served_too(tasks, peers):
    """The listener hears both; accept shows the address as text."""
    with start_server(tasks, peers, '''
        local netc = tcp(PORT)
        socket.listen(netc)
        expect("ON_LINE 0")
        show("accept", socket.accept(netc))
    ''') as run:
        client = peers.tcp_client(run.port, "::1")
        done = run.finish()
    assert done.texts("accept") == [f"true nil ::1 {client.address[1]}"]


@pytest.mark.parametrize("many", ['"3"', "2.0", "nil", "true", "0", "256"])
def test_what_is_no_integer_above_0_means_one_client(tasks, peers, many):
    """8 bits of an integer (luat_lib_socket.c:993-1016)."""
    with start_server(tasks, peers, f'''
        local netc = tcp(PORT)
        socket.listen(netc, {many})
        expect("ON_LINE 0")
        show("state", socket.state(netc))
    ''') as run:
        peers.tcp_client(run.port)
        done = run.finish()
    assert done.texts("state") == ["5 在线"]


# ---- many clients ---------------------------------------------------------------------------


@pytest.mark.requirement("SOCK-LISTEN-007", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ACCEPT-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ACCEPT-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ACCEPT-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ACCEPT-006", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ACCEPT-007", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ACCEPT-008", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-ACCEPT-010", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ACCEPT-011", revision=1, kind="negative")
def test_many_clients_have_controls_of_their_own(tasks, peers):
    """ON_LINE 0 a client; accept(netc, cb) gives true, a control, ip and port; state 6 stays."""
    with start_server(tasks, peers, '''
        local listener = tcp(PORT)
        show("listen", socket.listen(listener, 8))
        local left = 3
        for i = 1, 3 do
            repeat
                local msg = sys.waitMsg("t")
            until msg[1] == socket.ON_LINE
            local client, data = nil, ""
            local ok, netc, ip, port = socket.accept(listener, function(ctrl, event, param)
                assert(type(ctrl) == "userdata")
                if event == socket.EVENT and param == 0 then
                    local _, more = socket.read(ctrl)
                    data = data .. more
                    if #data == 7 then socket.tx(ctrl, data .. " of " .. i) end
                elseif event == socket.EVENT then
                    sys.publish("LEFT")
                end
            end)
            client = netc
            show("accept", ok, type(client), ip, port)
            show("state", (socket.state(client)), (socket.state(listener)))
            show("listen", socket.listen(listener, 8))
        end
        for i = 1, 3 do sys.waitUntil("LEFT") end
    ''') as run:
        clients = []
        for i in range(3):
            clients.append(peers.tcp_client(run.port))
            run.wait_log("accept", count=i + 1)
        for i, client in reversed(list(enumerate(clients))):
            client.send_bytewise(b"client%d" % i)
            assert client.recv_exactly(12) == b"client%d of %d" % (i, i + 1)
        for client in clients:
            client.close()
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("listen") == ["true false"] * 4
    assert done.texts("accept") == [f"true userdata 127.0.0.1 {c.address[1]}" for c in clients]
    assert done.texts("state") == ["5 6"] * 3


@pytest.mark.requirement("SOCK-ACCEPT-004", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ACCEPT-006", revision=1, kind="positive")
def test_a_task_can_be_told_of_an_accepted_client(tasks, peers):
    """The second argument is what create takes."""
    with start_server(tasks, peers, '''
        local listener = tcp(PORT)
        socket.listen(listener, 1)
        expect("ON_LINE 0")
        local _, client = socket.accept(listener, "t")
        until_event("EVENT 0")
        show("read", socket.read(client))
        until_event("EVENT -1")
        show("discon", socket.discon(client))
        expect("CLOSED 0")
    ''') as run:
        client = peers.tcp_client(run.port)
        client.send(b"hello")
        run.wait_log("read")
        client.close()
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("read") == ["true hello"]


def test_an_accepted_client_hears_events_without_having_called_anything(tasks, peers):
    """Defect D6, not copied: raw events until the first call."""
    with start_server(tasks, peers, '''
        local listener = tcp(PORT)
        socket.listen(listener, 8)
        expect("ON_LINE 0")
        socket.accept(listener, "t")
        log.info("accepted", "")
        expect("EVENT 0")
        expect("EVENT -1")
    ''') as run:
        client = peers.tcp_client(run.port)
        run.wait_log("accepted")
        client.send(b"hello")
        run.wait_trace("netc.event", event="EVENT")
        client.close()
        done = run.finish()
    assert done.code == 0, done


def test_bytes_that_come_before_accept_are_kept(tasks, peers):
    """Defect D6, not copied: a module loses them. EVENT announces them to the new control."""
    with start_server(tasks, peers, '''
        local listener = tcp(PORT)
        socket.listen(listener, 8)
        expect("ON_LINE 0")
        log.info("online", "")
        sys.waitUntil("NEVER", 300)
        local _, client = socket.accept(listener, "t")
        expect("EVENT 0")
        log.info("got", read_bytes(client, 5))
        expect("EVENT -1")
    ''') as run:
        client = peers.tcp_client(run.port)
        client.send(b"early")
        client.close()
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("got") == ["early"]


@pytest.mark.requirement("SOCK-ACCEPT-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-ACCEPT-007", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-ACCEPT-008", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ACCEPT-010", revision=1, kind="negative")
def test_accept_without_a_waiting_client_is_false(tasks, peers):
    """(false, nil)."""
    done = tasks.run('''
        local listener = tcp(PORT)
        show("accept", socket.accept(listener, "t"))
        socket.listen(listener, 8)
        show("accept", socket.accept(listener, "t"))
        settle()
        show("accept", socket.accept(listener, print))
    ''', env={"PORT": peers.listen_port()})
    assert done.texts("accept") == ["false nil"] * 3


@pytest.mark.requirement("SOCK-ACCEPT-007", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-ACCEPT-010", revision=1, kind="negative")
def test_accept_without_a_free_control_is_false(tasks, peers):
    """And works once there is one: the client has waited."""
    with start_server(tasks, peers, '''
        local listener, other = tcp(PORT), tcp()
        socket.listen(listener, 8)
        expect("ON_LINE 0")
        show("accept", socket.accept(listener, "t"))
        socket.release(other)
        local ok, client = socket.accept(listener, "t")
        show("accept", ok)
        log.info("got", read_bytes(client, 5))
    ''', "--set", "sockets=2") as run:
        peers.tcp_client(run.port).send(b"hello")
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("accept") == ["false nil", "true"]
    assert done.texts("got") == ["hello"]
    assert any("socket.accept: 2 sockets are open" in warning for warning in done.warnings)


def test_a_second_client_that_comes_before_accept_is_turned_away(tasks, peers):
    """Only one waits (net_lwip2.c:429-433); the first is served."""
    with start_server(tasks, peers, '''
        local listener = tcp(PORT)
        socket.listen(listener, 8)
        expect("ON_LINE 0")
        sys.waitUntil("NEVER", 600)
        local ok, client, ip, port = socket.accept(listener, "t")
        show("accept", ok, ip, port)
        socket.tx(client, "welcome")
        until_event("TX_OK 0")
    ''') as run:
        first = peers.tcp_client(run.port)
        run.wait_trace("netc.event", event="ON_LINE")
        assert is_turned_away(peers, run.port)
        assert first.recv_exactly(7) == b"welcome"
        done = run.finish()
    assert done.texts("accept") == [f"true 127.0.0.1 {first.address[1]}"]


def test_clients_that_come_one_right_after_the_other_are_all_served(tasks, peers):
    """On a host they can come closer together than on any radio: the next one is given a moment."""
    with start_server(tasks, peers, '''
        local listener = tcp(PORT)
        socket.listen(listener, 8)
        local left = 0
        while left < 10 do
            local text = event()
            if text == "ON_LINE 0" then
                local ok, client = socket.accept(listener, "t")
                assert(ok)
                socket.tx(client, "welcome")
            elseif text == "EVENT -1" then
                left = left + 1
            end
        end
    ''') as run:
        clients = [peers.tcp_client(run.port) for _ in range(10)]
        for client in clients:
            assert client.recv_exactly(7) == b"welcome"
            client.close()
        done = run.finish()
    assert done.code == 0, done


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_leaves_before_accept(tasks, peers, how):
    """It is accepted, and its control hears of the end."""
    with start_server(tasks, peers, '''
        local listener = tcp(PORT)
        socket.listen(listener, 8)
        expect("ON_LINE 0")
        sys.waitUntil("NEVER", 200)
        local ok, client = socket.accept(listener, "t")
        show("accept", ok)
        expect("EVENT -1")
        socket.release(client)
        expect("ON_LINE 0")
        show("accept", (socket.accept(listener, "t")))
    ''') as run:
        getattr(peers.tcp_client(run.port), how)()
        run.wait_log("accept")
        peers.tcp_client(run.port)
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("accept") == ["true", "true"]


@pytest.mark.parametrize("end", ["close", "discon", "release"])
def test_accepted_clients_outlive_the_listener(tasks, peers, end):
    """Its end refuses new clients, and turns away the one that waits."""
    with start_server(tasks, peers, f'''
        local listener = tcp(PORT)
        socket.listen(listener, 8)
        expect("ON_LINE 0")
        local _, client = socket.accept(listener, "t")
        log.info("accepted", "")
        expect("ON_LINE 0")
        socket.{end}(listener)
        log.info("ended", "")
        log.info("got", read_bytes(client, 5))
    ''') as run:
        client = peers.tcp_client(run.port)
        run.wait_log("accepted")
        assert is_turned_away(peers, run.port)
        run.wait_log("ended")
        with pytest.raises(ConnectionRefusedError):
            peers.tcp_client(run.port)
        client.send(b"hello")
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("got") == ["hello"]


def test_accept_with_a_callback_splits_one_client_off(tasks, peers):
    """listen without a number, accept(netc, cb): the listener hears the next client (defect D6)."""
    with start_server(tasks, peers, '''
        local listener = tcp(PORT)
        socket.listen(listener)
        for i = 1, 2 do
            until_event("ON_LINE 0")
            local ok, client, ip, port = socket.accept(listener, "t")
            show("accept", ok, type(client), ip, port)
            show("state", (socket.state(client)), (socket.state(listener)))
            socket.tx(client, "welcome")
        end
        until_event("TX_OK 0")
    ''') as run:
        first = peers.tcp_client(run.port)
        assert first.recv_exactly(7) == b"welcome"
        second = peers.tcp_client(run.port)
        assert second.recv_exactly(7) == b"welcome"
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("accept") == [f"true userdata 127.0.0.1 {c.address[1]}" for c in (first, second)]
    assert done.texts("state") == ["5 6"] * 2


def test_a_server_serves_very_many_clients_in_turn(tasks, peers):
    """Nothing is left over from any of them."""
    count = 60
    with start_server(tasks, peers, f'''
        local listener = tcp(PORT)
        socket.listen(listener, 8)
        for i = 1, {count} do
            until_event("ON_LINE 0")
            local ok, client = socket.accept(listener, "t")
            socket.tx(client, read_bytes(client, 5))
            until_event("EVENT -1")
            socket.release(client)
        end
    ''', "--set", "sockets=2") as run:
        for _ in range(count):
            client = peers.tcp_client(run.port)
            client.send(b"hello")
            assert client.recv_exactly(5) == b"hello"
            client.close()
        done = run.finish()
    assert done.code == 0, done
    assert len(done.events("netc.new")) == count + 1


def test_more_than_8_clients_are_warned_of(tasks, peers):
    """LuatOS: multi_client is 0..8."""
    done = tasks.run('show("listen", socket.listen(tcp(PORT), 9))', env={"PORT": peers.listen_port()})
    assert done.texts("listen") == ["true false"]
    assert "8 clients at the most" in done.warnings[0]


def test_close_all_ends_listeners_silently_and_their_clients_with_closed(tasks, peers):
    """discon's rules for each of them."""
    with start_server(tasks, peers, '''
        local listener = tcp(PORT)
        socket.listen(listener, 8)
        expect("ON_LINE 0")
        local _, client = socket.accept(listener, "t")
        show("all", socket.close_all(socket.LWIP_GP))
        expect("CLOSED 0")
        show("state", (socket.state(listener)), (socket.state(client)))
        settle()
    ''') as run:
        assert peers.tcp_client(run.port).recv_to_end() == b""
        done = run.finish()
    assert done.texts("all") == ["true"]
    assert done.texts("state") == ["1 1"]
    assert done.reports() == [("ON_LINE", 0), ("CLOSED", 0)]


def test_a_script_can_talk_to_itself(tasks, peers):
    """Client and server in one module."""
    done = tasks.run('''
        local listener, client = tcp(PORT), tcp()
        socket.listen(listener)
        settle()
        socket.connect(client, HOST, PORT)
        expect("ON_LINE 0")
        expect("ON_LINE 0")
        socket.tx(client, "hello")
        log.info("got", read_bytes(listener, 5))
        socket.tx(listener, "world")
        log.info("got", read_bytes(client, 5))
    ''', env={"PORT": peers.listen_port()})
    assert done.texts("got") == ["hello", "world"]
