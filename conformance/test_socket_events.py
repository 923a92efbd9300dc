"""Who is told of an event: a callback, a task, or the topic NWCTRL*."""

import pytest

EVENTS = '''
    local names = { [socket.ON_LINE] = "ON_LINE", [socket.EVENT] = "EVENT",
                    [socket.TX_OK] = "TX_OK", [socket.CLOSED] = "CLOSED" }
    PORT = tonumber(os.getenv("PORT"))
'''


# ---- callbacks ------------------------------------------------------------------------------


@pytest.mark.requirement("SOCK-CONST-009", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONST-010", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONST-011", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONST-012", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CREATE-007", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-DISCON-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-TX-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-READ-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-STATE-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RELEASE-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RELEASE-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RELEASE-004", revision=1, kind="positive")
def test_a_callback_gets_a_light_userdata_the_event_and_0_or_minus_1(emu, tcp_server):
    """luat_lib_socket.c:113-124: not the control itself, but every function takes it."""
    with emu.start(EVENTS + '''
        local netc
        netc = socket.create(nil, function(...)
            local ctrl, event, param = ...
            log.info("cb", select("#", ...), type(ctrl), ctrl == netc, names[event], param)
            log.info("text", tostring(ctrl):match("^userdata: ") ~= nil)
            if event == socket.ON_LINE then
                log.info("state", (socket.state(ctrl)))
                log.info("tx", socket.tx(ctrl, "hello"))
            elseif event == socket.EVENT then
                log.info("read", socket.read(ctrl))
                log.info("discon", socket.discon(ctrl))
            elseif event == socket.CLOSED then
                socket.release(ctrl)
                log.info("gone", select("#", socket.state(ctrl)), select("#", socket.state(netc)))
                os.exit(0)
            end
        end)
        socket.config(netc)
        socket.connect(netc, "127.0.0.1", PORT)
        sys.run()
    ''', env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        assert peer.recv_exactly(5) == b"hello"
        run.wait_trace("netc.event", event="TX_OK")
        peer.send(b"world")
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("cb") == [f"3 userdata false {name} 0"
                                for name in ("ON_LINE", "TX_OK", "EVENT", "CLOSED")]
    assert set(done.texts("text")) == {"true"}
    assert done.texts("state") == ["5"]
    assert done.texts("tx") == ["true false false"]
    assert done.texts("read") == ["true world"]
    assert done.texts("discon") == ["true false"]
    assert done.texts("gone") == ["0 0"]


def test_a_callback_runs_outside_of_any_task(emu, udp_peer):
    """In the main coroutine: what yields raises there (observed)."""
    done = emu.run(EVENTS + '''
        local netc = socket.create(nil, function(ctrl, event)
            local _, is_main = coroutine.running()
            log.info("main", is_main)
            log.info("yield", pcall(coroutine.yield))
            log.info("wait", (pcall(sys.wait, 10)))
            os.exit(0)
        end)
        socket.connect(netc, "127.0.0.1", PORT)
        sys.run()
    ''', env={"PORT": udp_peer.port})
    assert done.texts("main") == ["true"]
    assert "attempt to yield from outside a coroutine" in done.texts("yield")[0]
    assert done.texts("wait") == ["false"]


@pytest.mark.requirement("SOCK-CREATE-007", revision=1, kind="negative")
@pytest.mark.parametrize("what, says", [
    ('error("boom")', "boom"),
    ("local x = nil + 1", "attempt to perform arithmetic on a nil value"),
    ("error({})", "table"),
])
def test_an_error_in_a_callback_ends_the_script(emu, udp_peer, what, says):
    """Not protected: the VM exits, as a module would restart; exit code 1."""
    done = emu.run(EVENTS + f'''
        local netc = socket.create(nil, function() {what} end)
        socket.connect(netc, "127.0.0.1", PORT)
        sys.run()
    ''', env={"PORT": udp_peer.port})
    assert done.code == 1, done
    errors = [text for level, tag, text in done.log if (level, tag) == ("E", "main")]
    assert errors[0] == "Luat: " and "Lua VM exit!! reboot in" in errors[-1]
    assert says in "\n".join(errors)


def test_what_a_callback_returns_does_not_matter(emu, tcp_server):
    """Ignored."""
    done = emu.run(EVENTS + '''
        local netc = socket.create(nil, function() sys.publish("TOLD") return false, nil, {} end)
        socket.config(netc)
        socket.connect(netc, "127.0.0.1", PORT)
        sys.subscribe("TOLD", function() os.exit(0) end)
        sys.run()
    ''', env={"PORT": tcp_server.port})
    assert done.code == 0, done


@pytest.mark.parametrize("call", ["release(netc)", "close(netc)", "discon(netc)", "release(ctrl)"])
def test_a_callback_may_end_its_own_socket(emu, tcp_server, call):
    """In the middle of being told."""
    with emu.start(EVENTS + f'''
        local netc
        netc = socket.create(nil, function(ctrl, event)
            if event == socket.ON_LINE then
                socket.{call}
                collectgarbage()
                sys.timerStart(os.exit, 100, 0)
            end
        end)
        socket.config(netc)
        socket.connect(netc, "127.0.0.1", PORT)
        sys.run()
    ''', env={"PORT": tcp_server.port}) as run:
        assert tcp_server.accept().recv_to_end() == b""
        assert run.finish().code == 0


def test_a_callback_may_make_another_socket(emu, tcp_server):
    """Chained, 50 times, each releasing the one before."""
    with emu.start(EVENTS + '''
        local count = 0
        local function another()
            local netc
            netc = socket.create(nil, function(ctrl, event)
                if event ~= socket.ON_LINE then return end
                socket.release(netc)
                count = count + 1
                if count == 50 then os.exit(0) end
                another()
            end)
            socket.config(netc)
            socket.connect(netc, "127.0.0.1", PORT)
        end
        another()
        sys.run()
    ''', env={"PORT": tcp_server.port}) as run:
        for _ in range(50):
            assert tcp_server.accept().recv_to_end() == b""
        assert run.finish().code == 0


# ---- tasks ----------------------------------------------------------------------------------


@pytest.mark.requirement("SOCK-CREATE-006", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CREATE-008", revision=1, kind="positive")
def test_a_task_gets_event_and_parameter(emu, udp_peer):
    """sys_send(name, event, param): the message is { event, param, nil, nil }."""
    done = emu.run(EVENTS + '''
        sys.taskInitEx(function()
            local netc = socket.create(nil, "mine")
            socket.connect(netc, "127.0.0.1", PORT)
            local msg = sys.waitMsg("mine", socket.ON_LINE)
            log.info("msg", names[msg[1]], msg[2], msg[3], msg[4])
            os.exit(0)
        end, "mine")
        sys.run()
    ''', env={"PORT": udp_peer.port})
    assert done.texts("msg") == ["ON_LINE 0 nil nil"]


def test_a_number_is_a_tasks_name_too(emu, udp_peer):
    """luat_lib_socket.c: string or number."""
    done = emu.run(EVENTS + '''
        sys.taskInitEx(function()
            local netc = socket.create(nil, 42)
            socket.connect(netc, "127.0.0.1", PORT)
            log.info("msg", names[sys.waitMsg("42")[1]])
            os.exit(0)
        end, "42")
        sys.run()
    ''', env={"PORT": udp_peer.port})
    assert done.texts("msg") == ["ON_LINE"]


def test_one_task_may_serve_several_sockets(tasks, udp_peer):
    """The messages do not say which."""
    done = tasks.run('''
        local first, second = udp(), udp()
        socket.connect(first, HOST, PORT)
        socket.connect(second, HOST, PORT)
        expect("ON_LINE 0")
        expect("ON_LINE 0")
    ''', env={"PORT": udp_peer.port})
    assert [e["netc"] for e in done.events("netc.event")] == [1, 2]


@pytest.mark.requirement("SOCK-CREATE-006", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CREATE-008", revision=1, kind="negative")
@pytest.mark.parametrize("spoil", ["", "sys_send = nil", "sys_send = 7"])
def test_messages_for_nobody_are_dropped(emu, udp_peer, spoil):
    """An unknown task; no global sys_send."""
    done = emu.run(EVENTS + f'''
        {spoil}
        local netc = socket.create(nil, "nobody")
        socket.connect(netc, "127.0.0.1", PORT)
        sys.timerStart(os.exit, 100, 0)
        sys.run()
    ''', env={"PORT": udp_peer.port})
    assert done.code == 0, done
    assert done.reports() == [("ON_LINE", 0)]


# ---- neither --------------------------------------------------------------------------------


@pytest.mark.requirement("SOCK-CREATE-007", revision=1, kind="negative")
@pytest.mark.parametrize("target", ["nil", "true", "{}", ""])
def test_without_a_target_the_topic_nwctrl_is_published(emu, udp_peer, target):
    """sys_pub("NWCTRL*", adapter, socket number, event, param), luat_lib_socket.c:135-146."""
    target = f", {target}" if target else ""
    done = emu.run(EVENTS + f'''
        local netc = socket.create(socket.ETH0{target})
        sys.subscribe("NWCTRL*", function(...)
            local adapter, sid, event, param = ...
            log.info("topic", select("#", ...), adapter, math.type(sid), sid >= 0, names[event], param)
            os.exit(0)
        end)
        socket.connect(netc, "127.0.0.1", PORT)
        sys.run()
    ''', env={"PORT": udp_peer.port})
    assert done.texts("topic") == ["4 5 integer true ON_LINE 0"]


# ---- life and death -------------------------------------------------------------------------


@pytest.mark.requirement("SOCK-RELEASE-001", revision=1, kind="negative")
def test_release_drops_what_is_queued(emu, udp_peer):
    """luat_lib_socket.c:113: both are online in one turn; the first releases the second."""
    done = emu.run(EVENTS + '''
        local first, second
        first = socket.create(nil, function()
            log.info("first", "")
            socket.release(second)
        end)
        second = socket.create(nil, function() log.info("second", "") end)
        socket.connect(first, "127.0.0.1", PORT)
        socket.connect(second, "127.0.0.1", PORT)
        sys.timerStart(os.exit, 200, 0)
        sys.run()
    ''', env={"PORT": udp_peer.port})
    assert done.code == 0, done
    assert done.reports() == [("ON_LINE", 0)] * 2
    assert done.texts("first") == [""]
    assert done.texts("second") == []


@pytest.mark.requirement("SOCK-RELEASE-004", revision=1, kind="negative")
def test_a_released_sockets_handle_is_not_the_next_sockets(emu, udp_peer):
    """A light userdata that was kept names nothing any more, though its slot is used again."""
    done = emu.run(EVENTS + '''
        local old
        local first
        first = socket.create(nil, function(ctrl)
            old = ctrl
            socket.release(first)
            local kept = {}
            for i = 1, 10 do kept[i] = socket.create(nil, "nobody") end
            log.info("old", select("#", socket.state(old)))
            os.exit(0)
        end)
        socket.connect(first, "127.0.0.1", PORT)
        sys.run()
    ''', env={"PORT": udp_peer.port})
    assert done.texts("old") == ["0"]


def test_a_socket_that_nobody_holds_is_closed_by_the_collector(tasks, tcp_server):
    """__gc is release (observed)."""
    with tasks.start('''
        local netc = online(tcp())
        netc = nil
        collectgarbage()
        collectgarbage()
        settle()
    ''', env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        run.wait_trace("netc.free")
        assert peer.recv_to_end() == b""
        done = run.finish()
    assert done.reports() == [("ON_LINE", 0)]


def test_a_callback_that_holds_its_socket_keeps_it_alive(emu, tcp_server):
    """The callback is anchored until release (luat_lib_socket.c:229-280)."""
    with emu.start(EVENTS + '''
        do
            local netc
            netc = socket.create(nil, function(_, event)
                collectgarbage()
                if event == socket.ON_LINE then
                    socket.tx(netc, "alive")
                elseif event == socket.TX_OK then
                    socket.release(netc)
                    os.exit(0)
                end
            end)
            socket.config(netc)
            socket.connect(netc, "127.0.0.1", PORT)
        end
        collectgarbage()
        collectgarbage()
        sys.run()
    ''', env={"PORT": tcp_server.port}) as run:
        assert tcp_server.accept().recv_to_end() == b"alive"
        assert run.finish().code == 0


def test_a_callback_that_does_not_hold_its_socket_does_not_keep_it(emu, tcp_server):
    """Nor does the light userdata."""
    with emu.start(EVENTS + '''
        local kept
        local netc = socket.create(nil, function(ctrl, event)
            if event ~= socket.ON_LINE then return end
            kept = ctrl
            netc = nil
            sys.timerStart(function()
                collectgarbage()
                collectgarbage()
                log.info("kept", select("#", socket.state(kept)))
                os.exit(0)
            end, 10)
        end)
        socket.config(netc)
        socket.connect(netc, "127.0.0.1", PORT)
        local function forget() netc = nil end
        forget()
        sys.run()
    ''', env={"PORT": tcp_server.port}) as run:
        assert tcp_server.accept().recv_to_end() == b""
        done = run.finish()
    assert done.texts("kept") == ["0"]


def test_a_script_that_ends_leaves_nothing_open(tasks, netns):
    """Whatever it had: peers see the end; LeakSanitizer sees nothing."""
    server = netns.peers.tcp_server()
    netns.peers.dns(lambda query: [])
    with tasks.start(f'''
        local kept = {{ online(tcp()), online(udp()), tcp(), tcp() }}
        socket.listen(kept[3], 8)
        socket.connect(kept[4], HOST, {netns.peers.tcp_silent().port})
        socket.connect(udp(), "no.answer.test", 9)
        socket.tx(kept[1], "bye")
    ''', env={"PORT": server.port}, netns=netns) as run:
        assert server.accept().recv_to_end() == b"bye"
        assert run.finish().code == 0


def test_everything_works_while_the_collector_runs_all_the_time(tasks, tcp_server):
    """--gc-stress finds what is held by nothing."""
    with tasks.start('''
        local netc = online(tcp())
        local buff = zbuff.create(1)
        for i = 1, 5 do
            socket.tx(netc, "hello")
            repeat
                if socket.wait(netc) then event() end
                socket.rx(netc, buff)
            until buff:used() == 5 * i
        end
        show("buff", buff:query())
        socket.discon(netc)
        until_event("CLOSED 0")
    ''', "--gc-stress", env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        for _ in range(5):
            peer.send(peer.recv_exactly(5))
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("buff") == ["hello" * 5]


# ---- order ----------------------------------------------------------------------------------


def test_events_of_a_socket_come_in_the_order_in_which_they_happened(tasks, tcp_server):
    """ON_LINE, then data, then the end; whatever else the script does meanwhile."""
    with tasks.start('''
        local netc = tcp()
        socket.connect(netc, HOST, PORT)
        log.info("busy", "")
        timer.mdelay(600)
        expect("ON_LINE 0")
        expect("EVENT 0")
        expect("EVENT -1")
        show("read", socket.read(netc))
    ''', env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        peer.send(b"all at once")
        peer.close()
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("read") == ["true all at once"]


def test_the_script_may_end_while_it_is_told(emu, tcp_server):
    """os.exit in a callback, with more events waiting."""
    with emu.start(EVENTS + '''
        for _ = 1, 8 do
            local netc = socket.create(nil, function() os.exit(7) end)
            socket.config(netc, 0, true)
            socket.connect(netc, "127.0.0.1", PORT)
            _G[netc] = true
        end
        sys.run()
    ''', env={"PORT": tcp_server.port}) as run:
        assert run.finish().code == 7
