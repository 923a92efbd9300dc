"""The library libnet: socket calls that block their task, with real peers."""

import pytest

# In the bodies of these tests the task is "t", and libnet is there.
LIBNET = 'local libnet = require("libnet")\n'
TCP = LIBNET + 'local netc = tcp()\n'
ONLINE = TCP + 'show("connect", libnet.connect("t", 0, netc, HOST, PORT))\n'


def at(done, tag):
    """[(milliseconds, text)] of what the script logged under this tag; exact in virtual time."""
    return [(e["t_us"] / 1000, e["text"]) for e in done.events("log", tag=f"user.{tag}")]


def test_libnet_has_the_functions_of_luatos_and_says_its_version(tasks):
    """LuatOS libnet.lua: its keys; loading it logs D/user.libnet version -> date."""
    done = tasks.run('''
        local libnet = require("libnet")
        local keys = {}
        for key in pairs(libnet) do keys[#keys + 1] = key end
        table.sort(keys)
        show("keys", table.unpack(keys))
        show("again", require("libnet") == libnet)
        show("version", libnet.version())
    ''')
    assert done.texts("keys") == ["close connect listen ping tx version wait waitLink"]
    assert done.texts("again") == ["true"]
    (version,) = done.texts("version")
    assert version.isdigit() and len(version) == 12
    assert [(level, text) for level, tag, text in done.log if tag == "user.libnet"] == [("D", f"version -> {version}")]


def test_a_client_talks_to_a_server_line_by_line(tasks, tcp_server):
    """LuatOS libnet.lua: connect true; tx (true, false) when it is acknowledged; wait (true, true)
    when there is data; close nothing."""
    with tasks.start(ONLINE + '''
        for _ = 1, 3 do
            show("tx", libnet.tx("t", 0, netc, "question"))
            show("wait", libnet.wait("t", 0, netc))
            show("read", socket.read(netc))
        end
        show("close", libnet.close("t", 0, netc))
    ''', env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        for i in range(3):
            assert peer.recv_exactly(8) == b"question"
            run.wait_log("tx", count=i + 1)
            peer.send(b"answer %d" % i)
        assert peer.recv_to_end() == b""
        peer.close()
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("connect") == ["true"]
    assert done.texts("tx") == ["true false"] * 3
    assert done.texts("wait") == ["true true"] * 3
    assert done.texts("read") == [f"true answer {i}" for i in range(3)]
    assert done.texts("close") == ["nothing"]


# ---- waitLink ------------------------------------------------------------------------------------


def test_wait_link_is_true_at_once_when_the_network_is_up(tasks):
    """LuatOS libnet.lua:26-41: socket.linkup gives (true, true)."""
    done = tasks.run(TCP + 'show("link", libnet.waitLink("t", 0, netc))')
    assert done.texts("link") == ["true"]


# socket.linkup of a network that is down; whether and when it comes up is the test's business.
DOWN = LIBNET + "socket.linkup = function() return true, false end\n"


@pytest.mark.parametrize("param, result", [(0, "true"), (-1, "false")])
def test_wait_link_waits_for_the_network(tasks, param, result):
    """LuatOS libnet.lua:26-41: true when LINK 0 comes."""
    done = tasks.run(DOWN + f'''
        sys.timerStart(sys.sendMsg, 5, "t", socket.EVENT, 0)
        sys.timerStart(sys.sendMsg, 10, "t", socket.LINK, {param})
        show("link", libnet.waitLink("t", 1000, nil))
    ''', "--time", "virtual")
    assert at(done, "link") == [(10, result)]


def test_wait_link_is_false_when_the_network_does_not_come(tasks):
    """LuatOS libnet.lua:26-41: time-out."""
    done = tasks.run(DOWN + 'show("link", libnet.waitLink("t", 100, nil))', "--time", "virtual")
    assert at(done, "link") == [(100, "false")]


def test_wait_link_of_a_released_socket_is_false(tasks):
    """LuatOS: socket.linkup returns nothing."""
    done = tasks.run(TCP + 'socket.release(netc) show("link", libnet.waitLink("t", 0, netc))')
    assert done.texts("link") == ["false"]


# ---- connect -------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_connect_is_true_when_the_socket_is_online(tasks, peers, host):
    """LuatOS libnet.lua:52-67: ON_LINE 0."""
    server = peers.tcp_server(host)
    done = tasks.run(TCP + 'show("connect", libnet.connect("t", 0, netc, HOST, PORT)) show("state", socket.state(netc))',
                     env={"PORT": server.port, "HOST": host})
    assert done.texts("connect") == ["true"] and done.texts("state") == ["5 在线"]


def test_connect_is_false_when_it_is_refused_and_needs_close_before_the_next(tasks, peers, tcp_server):
    """LuatOS libnet.lua:52-67: ON_LINE -1; a connect that follows without close is false as well."""
    done = tasks.run(TCP + f'''
        show("connect", libnet.connect("t", 0, netc, HOST, {peers.free_port()}))
        show("connect", libnet.connect("t", 0, netc, HOST, PORT))
        show("close", libnet.close("t", 0, netc))
        show("connect", libnet.connect("t", 0, netc, HOST, PORT))
    ''', env={"PORT": tcp_server.port})
    assert done.texts("connect") == ["false", "false", "true"]


def test_connect_is_false_when_nobody_answers_in_time(tasks, peers):
    """LuatOS libnet.lua:52-67: time-out. A listener whose queue is full takes no further client."""
    server = peers.tcp_server(backlog=0)
    peers.tcp_client(server.port)
    done = tasks.run(TCP + '''
        show("connect", libnet.connect("t", 100, netc, HOST, PORT))
        show("state", socket.state(netc))
        libnet.close("t", 0, netc)
        show("state", socket.state(netc))
    ''', env={"PORT": server.port})
    assert done.texts("connect") == ["false"]
    assert done.texts("state") == ["3 正在连接", "1 离线"]
    assert done.reports() == []


def test_connect_and_listen_pass_their_arguments_on(tasks):
    """LuatOS libnet.lua:52-92: connect's ipv6, listen's multi_client."""
    done = tasks.run(LIBNET + '''
        local function args(...) show("args", ...) return true, true end
        socket.connect, socket.listen = args, args
        libnet.connect("t", 0, "netc", "name", 80, true)
        libnet.listen("t", 0, "netc", 8)
    ''', "--time", "virtual")
    assert done.texts("args") == ["netc name 80 true", "netc 8"]


def test_connect_of_a_released_socket_is_false(tasks):
    """LuatOS: socket.connect returns nothing."""
    done = tasks.run(TCP + '''
        socket.release(netc)
        show("connect", libnet.connect("t", 0, netc, HOST, 1))
        show("connect", libnet.connect("t", 0, nil, HOST, 1))
    ''')
    assert done.texts("connect") == ["false", "false"]


def test_an_unknown_task_waits_for_nothing(tasks, tcp_server):
    """LuatOS sys.waitMsg: an error in the log and false, which libnet takes for a time-out."""
    done = tasks.run(TCP + '''
        show("connect", libnet.connect("nobody", 0, netc, HOST, PORT))
        expect("ON_LINE 0")
        show("tx", libnet.tx("nobody", 0, netc, "x"))
        expect("TX_OK 0")
        show("wait", libnet.wait("nobody", 0, netc))
        show("close", libnet.close("nobody", 0, netc))
    ''', env={"PORT": tcp_server.port})
    assert done.texts("connect") == ["false"] and done.texts("tx") == ["false false"]
    assert done.texts("wait") == ["true false"] and done.texts("close") == ["nothing"]
    assert [level for level, tag, _ in done.log if tag == "user.sys"] == ["E"] * 4


# ---- listen --------------------------------------------------------------------------------------


def test_listen_is_true_for_one_client_after_the_other(tasks, peers):
    """LuatOS libnet.lua:77-92 and close: the same socket serves the next client."""
    port = peers.listen_port()
    with tasks.start(LIBNET + f'''
        local netc = tcp({port})
        for _ = 1, 2 do
            show("listen", libnet.listen("t", 0, netc))
            show("wait", libnet.wait("t", 0, netc))
            show("tx", libnet.tx("t", 0, netc, select(2, socket.read(netc))))
            show("gone", libnet.wait("t", 0, netc))
            libnet.close("t", 5000, netc)
        end
    ''') as run:
        for i in range(2):
            run.wait_trace("netc.state", to="LISTEN", count=i + 1)
            client = peers.tcp_client(port)
            client.send(b"client %d" % i)
            assert client.recv_exactly(8) == b"client %d" % i
            run.wait_log("tx", count=i + 1)
            client.close()
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("listen") == ["true"] * 2 and done.texts("wait") == ["true true"] * 2
    assert done.texts("tx") == ["true false"] * 2 and done.texts("gone") == ["false false"] * 2


def test_listen_for_many_gives_every_client_to_accept(tasks, peers):
    """LuatOS: with multi_client the listener goes on; libnet.listen is called again for the next."""
    port = peers.listen_port()
    with tasks.start(LIBNET + f'''
        local netc = tcp({port})
        for i = 1, 3 do
            show("listen", libnet.listen("t", 0, netc, 8))
            local ok, client = socket.accept(netc, function() end)
            show("accept", ok, type(client))
            socket.tx(client, "you are " .. i)
        end
    ''') as run:
        run.wait_trace("netc.state", to="LISTEN")
        clients = []
        for i in range(1, 4):
            clients.append(peers.tcp_client(port))
            assert clients[-1].recv_exactly(9) == b"you are %d" % i
        done = run.finish()
    assert done.texts("listen") == ["true"] * 3 and done.texts("accept") == ["true userdata"] * 3


def test_listen_is_false_without_a_client_and_for_a_released_socket(tasks, peers):
    """LuatOS libnet.lua:77-92: time-out, or listen refuses."""
    done = tasks.run(LIBNET + f'''
        local netc = tcp({peers.listen_port()})
        show("listen", libnet.listen("t", 50, netc))
        socket.release(netc)
        show("listen", libnet.listen("t", 50, netc))
        show("udp", libnet.listen("t", 50, udp()))
    ''')
    assert done.texts("listen") == ["false", "false"] and done.texts("udp") == ["false"]


def test_listen_is_true_at_once_when_the_client_is_there(tasks):
    """LuatOS libnet.lua:77-92: socket.listen gives (true, true) on one-to-one adapters."""
    done = tasks.run(LIBNET + '''
        socket.listen = function() return true, true end
        show("listen", libnet.listen("t", 0, nil))
    ''', "--time", "virtual")
    assert done.texts("listen") == ["true"]


# ---- tx ------------------------------------------------------------------------------------------


def test_tx_takes_a_zbuff_and_returns_when_all_of_it_is_acknowledged(tasks, tcp_server):
    """LuatOS libnet.lua:103-121: TX_OK 0: (true, false)."""
    with tasks.start(ONLINE + '''
        local buff = zbuff.create(1000000)
        buff:write(string.rep("0123456789", 100000))
        show("tx", libnet.tx("t", 0, netc, buff))
        show("used", buff:used())
    ''', env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        assert peer.recv_exactly(1000000) == b"0123456789" * 100000
        done = run.finish()
    assert done.texts("tx") == ["true false"] and done.texts("used") == ["1000000"]


def test_tx_is_false_when_the_peer_takes_nothing(tasks, peers):
    """LuatOS libnet.lua:103-121: no TX_OK in time: (false, false)."""
    server = peers.tcp_server(rcvbuf=4096)
    done = tasks.run(ONLINE + '''
        show("tx", libnet.tx("t", 200, netc, string.rep("x", 8000000)))
    ''', env={"PORT": server.port})
    assert done.texts("tx") == ["false false"]


def test_tx_of_nothing_runs_into_the_time_out(tasks, tcp_server):
    """LuatOS: no bytes, no TX_OK."""
    done = tasks.run(ONLINE + 'show("tx", libnet.tx("t", 50, netc, ""))', env={"PORT": tcp_server.port})
    assert done.texts("tx") == ["false false"]


def test_tx_is_false_when_the_connection_is_reset_meanwhile(tasks, peers):
    """LuatOS libnet.lua:103-121: TX_OK -1: (false, false)."""
    server = peers.tcp_server(rcvbuf=4096)
    with tasks.start(ONLINE + '''
        show("tx", libnet.tx("t", 0, netc, string.rep("x", 8000000)))
        show("wait", libnet.wait("t", 0, netc))
    ''', env={"PORT": server.port}) as run:
        peer = server.accept()
        peer.recv_exactly(1000)
        peer.reset()
        done = run.finish()
    assert ("TX_OK", -1) in done.reports()
    assert done.texts("tx") == ["false false"] and done.texts("wait") == ["false false"]


def test_tx_on_a_closed_socket_passes_on_what_socket_tx_gives(tasks, tcp_server):
    """LuatOS libnet.lua:103-121: (false, second value of socket.tx), which is true; nothing of a
    released one."""
    done = tasks.run(ONLINE + '''
        socket.close(netc)
        show("tx", libnet.tx("t", 0, netc, "x"))
        socket.release(netc)
        show("tx", libnet.tx("t", 0, netc, "x"))
    ''', env={"PORT": tcp_server.port})
    assert done.texts("tx") == ["false true", "false nil"]


@pytest.mark.parametrize("gives, result", [
    ("true, true, true", "true true"), ("true, true, false", "true true"), ("true, false, true", "true false"),
    ("false, true, false", "false true")])
def test_tx_does_not_wait_when_the_buffer_is_full_or_the_data_is_acknowledged(tasks, gives, result):
    """LuatOS libnet.lua:103-121: full is (true, true), acknowledged (true, false)."""
    done = tasks.run(LIBNET + f'''
        socket.tx = function(...) show("args", ...) return {gives} end
        show("tx", libnet.tx("t", 0, 1, "data", "127.0.0.1", 80, 7))
    ''', "--time", "virtual")
    assert done.texts("args") == ["1 data 127.0.0.1 80 7"] and done.texts("tx") == [result]


# ---- wait ----------------------------------------------------------------------------------------


def test_wait_is_true_and_false_after_its_time(tasks, tcp_server):
    """LuatOS libnet.lua:132-151: time-out: (true, false)."""
    done = tasks.run(ONLINE + 'show("wait", libnet.wait("t", 50, netc))', env={"PORT": tcp_server.port})
    assert done.texts("wait") == ["true false"]


def test_wait_is_true_at_once_when_there_is_data(tasks, tcp_server):
    """LuatOS libnet.lua:132-151: socket.wait says so, also after the event went to somebody else."""
    with tasks.start(ONLINE + '''
        expect("EVENT 0")
        show("wait", libnet.wait("t", 0, netc))
        show("read", socket.read(netc))
    ''', env={"PORT": tcp_server.port}) as run:
        tcp_server.accept().send(b"hello")
        done = run.finish()
    assert done.texts("wait") == ["true true"] and done.texts("read") == ["true hello"]


@pytest.mark.parametrize("how", ["close", "reset"])
def test_wait_is_false_when_the_peer_is_gone(tasks, tcp_server, how):
    """LuatOS libnet.lua:132-151: EVENT -1: (false, false), and so is every wait after it."""
    with tasks.start(ONLINE + '''
        for _ = 1, 2 do show("wait", libnet.wait("t", 0, netc)) end
    ''', env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        run.wait_log("connect")
        getattr(peer, how)()
        done = run.finish()
    assert done.texts("wait") == ["false false"] * 2


def test_data_before_the_end_is_read_first(tasks, tcp_server):
    """LuatOS: wait is (true, true) while data is unread, also when the peer has closed."""
    with tasks.start(ONLINE + '''
        until_event("EVENT -1")
        show("wait", libnet.wait("t", 0, netc))
        show("read", socket.read(netc))
        show("wait", libnet.wait("t", 0, netc))
    ''', env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        peer.send(b"goodbye")
        peer.close()
        done = run.finish()
    assert done.texts("wait") == ["true true", "false false"] and done.texts("read") == ["true goodbye"]


def test_wait_on_a_closed_or_released_socket_is_false(tasks):
    """LuatOS libnet.lua:132-151: socket.wait false: (false, false)."""
    done = tasks.run(TCP + '''
        show("wait", libnet.wait("t", 0, netc))
        socket.release(netc)
        show("wait", libnet.wait("t", 0, netc))
    ''')
    assert done.texts("wait") == ["false false"] * 2


def test_a_message_of_the_script_wakes_a_wait(tasks, tcp_server):
    """All LuatOS client demos: sys.sendMsg(task, socket.EVENT, 0); (true, true) with nothing to read."""
    done = tasks.run(ONLINE + '''
        sys.timerStart(sys.sendMsg, 20, "t", socket.EVENT, 0)
        show("wait", libnet.wait("t", 0, netc))
        show("read", socket.read(netc))
    ''', env={"PORT": tcp_server.port})
    assert done.texts("wait") == ["true true"] and done.texts("read") == ["true "]


# ---- close ---------------------------------------------------------------------------------------


def test_after_close_the_socket_connects_again(tasks, tcp_server):
    """LuatOS libnet.lua:160-173: discon, CLOSED, close; the socket stays usable."""
    with tasks.start(TCP + '''
        for _ = 1, 3 do
            show("connect", libnet.connect("t", 0, netc, HOST, PORT))
            show("close", libnet.close("t", 0, netc))
            show("state", socket.state(netc))
        end
    ''', env={"PORT": tcp_server.port}) as run:
        for _ in range(3):
            peer = tcp_server.accept()
            assert peer.recv_to_end() == b""
            peer.close()
        done = run.finish()
    assert done.texts("connect") == ["true"] * 3 and done.texts("close") == ["nothing"] * 3
    assert done.texts("state") == ["1 离线"] * 3
    assert done.reports().count(("CLOSED", 0)) == 3


def test_close_waits_for_closed_as_long_as_it_is_told(tasks):
    """LuatOS libnet.lua:160-173: what comes of it does not matter; the socket is closed then."""
    done = tasks.run(LIBNET + '''
        local closed = 0
        socket.discon = function() return true, false end
        socket.close = function() closed = closed + 1 end
        show("close", libnet.close("t", 100, nil))
        sys.timerStart(sys.sendMsg, 10, "t", socket.EVENT, -1)
        sys.timerStart(sys.sendMsg, 50, "t", socket.CLOSED, -1)
        show("close", libnet.close("t", 0, nil))
        show("closed", closed)
    ''', "--time", "virtual")
    assert at(done, "close") == [(100, "nothing"), (150, "nothing")] and done.texts("closed") == ["2"]


def test_close_of_what_is_not_open_does_nothing(tasks):
    """LuatOS: discon gives (true, true), or nothing when released."""
    done = tasks.run(TCP + '''
        show("close", libnet.close("t", 0, netc))
        show("close", libnet.close("t", 0, netc))
        socket.release(netc)
        show("close", libnet.close("t", 0, netc))
        show("close", libnet.close("t", 0, nil))
    ''')
    assert done.texts("close") == ["nothing"] * 4


# ---- the task's other messages -------------------------------------------------------------------


def test_data_that_comes_during_tx_is_found_by_the_next_wait(emu, tcp_server):
    """LuatOS: an EVENT that comes while libnet.tx waits goes to the task's callback and is lost as a
    message; socket.wait still tells that data is unread."""
    with emu.start("libnet/data-comes-while-sending", env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        peer.send(b"hello")
        run.wait_log("callback")
        peer.recv_exactly(8000000)
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("callback")[0] == "EVENT 0"
    assert done.texts("tx") == ["true false"]
    assert done.texts("wait") == ["true true"] and done.texts("read") == ["true hello"]


def test_two_tasks_with_a_socket_each_do_not_disturb_each_other(emu, tcp_server):
    """LuatOS: events go to the task whose name the socket was made with."""
    with emu.start("libnet/two-clients", env={"PORT": tcp_server.port}) as run:
        for peer in (tcp_server.accept(), tcp_server.accept()):
            peer.send(peer.recv_exactly(3))
        done = run.finish()
    assert done.code == 0, done
    assert sorted(done.texts("got")) == ["one one", "two two"]


def test_udp_is_connected_sent_and_waited_for_as_tcp(tasks, udp_peer):
    """LuatOS libnet.lua: the same calls; tx takes an address."""
    with tasks.start(LIBNET + '''
        local netc = udp()
        show("connect", libnet.connect("t", 0, netc, HOST, PORT))
        show("tx", libnet.tx("t", 0, netc, "one"))
        show("tx", libnet.tx("t", 0, netc, "two", HOST, PORT))
        show("wait", libnet.wait("t", 0, netc))
        show("read", select(2, socket.read(netc)))
        show("close", libnet.close("t", 0, netc))
    ''', env={"PORT": udp_peer.port}) as run:
        assert udp_peer.recv()[0] == b"one"
        data, address = udp_peer.recv()
        assert data == b"two"
        run.wait_log("tx", count=2)
        udp_peer.send(b"answer", address)
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("connect") == ["true"] and done.texts("tx") == ["true false"] * 2
    assert done.texts("wait") == ["true true"] and done.texts("read")[0].startswith("answer ")


# ---- ping ----------------------------------------------------------------------------------------


def test_ping_is_true_when_a_result_comes(tasks):
    """LuatOS libnet.lua:184-219: netdrv.ping(adapter, ip, len = 128), then the topic PING_RESULT."""
    done = tasks.run(LIBNET + '''
        netdrv = { ping = function(...) show("args", ...) return true end }
        sys.timerStart(sys.publish, 30, "PING_RESULT", 4, 12, "127.0.0.1", 64)
        show("ping", libnet.ping(4, "127.0.0.1"))
        sys.timerStart(sys.publish, 30, "PING_RESULT", 4, 12, "127.0.0.1", 64)
        show("ping", libnet.ping(4, "127.0.0.1", 1000, 64))
    ''', "--time", "virtual")
    assert done.texts("args") == ["4 127.0.0.1 128", "4 127.0.0.1 64"]
    assert at(done, "ping") == [(30, "true"), (60, "true")]


def test_ping_is_false_when_none_comes_or_it_is_not_sent(tasks):
    """LuatOS libnet.lua:184-219: 5000 ms unless told otherwise."""
    done = tasks.run(LIBNET + '''
        netdrv = nil
        show("ping", libnet.ping(4, "127.0.0.1"))
        netdrv = { ping = function() return false end }
        show("ping", libnet.ping(4, "127.0.0.1"))
        netdrv = { ping = function() return true end }
        show("ping", libnet.ping(4, "127.0.0.1", 200))
        show("ping", libnet.ping(4, "127.0.0.1"))
    ''', "--time", "virtual")
    assert at(done, "ping") == [(0, "false"), (0, "false"), (200, "false"), (5200, "false")]
