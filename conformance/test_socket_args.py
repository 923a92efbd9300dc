"""Arguments of the socket library: what is taken, what raises, and what a control is."""

import socket

import pytest

NEEDS_A_CONTROL = """debug config linkup connect listen accept discon close tx rx read wait
    state""".split()
SAYS_NOTHING = NEEDS_A_CONTROL + ["release"]


@pytest.mark.requirement("SOCK-DEBUG-002", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONFIG-002", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-LINKUP-002", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-LINKUP-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONNECT-002", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-DISCON-002", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-DISCON-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CLOSE-002", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-TX-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RX-004", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-READ-002", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-WAIT-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-LISTEN-002", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-ACCEPT-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-STATE-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-STATE-002", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-STATE-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-STATE-004", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-STATE-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-STATE-006", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RELEASE-002", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RELEASE-004", revision=1, kind="positive")
@pytest.mark.parametrize("function", SAYS_NOTHING)
def test_what_is_no_control_gives_nothing_and_no_error(tasks, function):
    """luat_lib_socket.c:40: no other argument is looked at then. We warn."""
    done = tasks.run(f'''
        local released = tcp()
        socket.release(released)
        local foreign = zbuff.create(10)
        local pointer = debug.upvalueid(function() return foreign end, 1)
        local others = {{ nil, "text", 7, 1.5, true, {{}}, print, released, foreign, pointer,
                         coroutine.create(print) }}
        for i = 1, 11 do
            show("called", socket.{function}(others[i]))
            show("called", socket.{function}(others[i], {{}}, {{}}, {{}}, {{}}))
        end
        show("called", socket.{function}())
    ''')
    assert done.texts("called") == ["nothing"] * 23
    warned = f"socket.{function} on "
    if function == "release":
        assert not done.warnings
    else:
        assert any(warned + "a released socket: a module returns nothing" in w for w in done.warnings)
        assert any(warned + "nil: a module returns nothing" in w for w in done.warnings)


@pytest.mark.requirement("SOCK-REMOTEIP-002", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-REMOTEIP-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-REMOTEIP-004", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-REMOTEIP-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-REMOTEIP-006", revision=1, kind="negative")
def test_remote_ip_of_what_is_no_control_is_four_nils(tasks):
    """luat_lib_socket.c:1335-1373."""
    done = tasks.run('''
        local released = tcp()
        socket.release(released)
        show("remote", socket.remoteIP())
        show("remote", socket.remoteIP(nil))
        show("remote", socket.remoteIP("x"))
        show("remote", socket.remoteIP(released))
        show("remote", socket.remoteIP(tcp()))
    ''')
    assert done.texts("remote") == ["nil nil nil nil"] * 5


def test_a_control_shows_its_type_and_has_no_methods(tasks):
    """The metatable has __gc only (luat_lib_socket.c:1547-1554)."""
    done = tasks.run('''
        local netc = tcp()
        show("text", tostring(netc):match("^NWCTRL%*: ") ~= nil, type(netc))
        attempt("method", function() return netc:state() end)
        attempt("field", function() netc.x = 1 end)
        attempt("len", function() return #netc end)
        attempt("call", function() return netc() end)
        attempt("add", function() return netc + 1 end)
        show("same", netc == netc, netc == tcp())
    ''')
    assert done.texts("text") == ["true userdata"]
    for tag in ("method", "field", "len", "call", "add"):
        assert done.texts(tag)[0].startswith("false "), tag
        assert "NWCTRL*" in done.texts(tag)[0] or "netc" in done.texts(tag)[0]
    assert done.texts("same") == ["true false"]


@pytest.mark.requirement("SOCK-LOCALIP-002", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CREATE-002", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONFIG-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONFIG-012", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONFIG-015", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONFIG-016", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONNECT-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONNECT-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONNECT-006", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-TX-004", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-TX-009", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-TX-013", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SETDNS-002", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SETDNS-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SETDNS-006", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SSLLOG-002", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-ADAPTER-002", revision=1, kind="negative")
@pytest.mark.parametrize("call, says", [
    ("create, {}", "number expected, got table"),
    ('create, "x"', "number expected, got string"),
    ("create, 1.5", "number has no integer representation"),
    ("config, netc, {}", "number expected, got table"),
    ("config, netc, 1.5", "number has no integer representation"),
    ('config, netc, "x"', "number expected, got string"),
    ("config, netc, 0, true, nil, {}", "number expected, got table"),
    ("config, netc, 0, true, nil, 1, {}", "number expected, got table"),
    ("config, netc, 0, true, nil, 1, 1, {}", "number expected, got table"),
    ("connect, netc", "string expected, got no value"),
    ("connect, netc, nil, 1", "string expected, got nil"),
    ("connect, netc, {}, 1", "string expected, got table"),
    ("connect, netc, true, 1", "string expected, got boolean"),
    ('connect, netc, "127.0.0.1"', "number expected, got no value"),
    ('connect, netc, "127.0.0.1", nil', "number expected, got nil"),
    ('connect, netc, "127.0.0.1", "http"', "number expected, got string"),
    ('connect, netc, "127.0.0.1", 1.5', "number has no integer representation"),
    ("tx, netc", "ZBUFF* expected, got no value"),
    ("tx, netc, nil", "ZBUFF* expected, got nil"),
    ("tx, netc, {}", "ZBUFF* expected, got table"),
    ("tx, netc, true", "ZBUFF* expected, got boolean"),
    ("tx, netc, netc", "ZBUFF* expected, got NWCTRL*"),
    ('tx, netc, "x", nil, {}', "number expected, got table"),
    ('tx, netc, "x", nil, 1, {}', "number expected, got table"),
    ("adapter, {}", "number expected, got table"),
    ("localIP, {}", "number expected, got table"),
    ("localIP, 1.5", "number has no integer representation"),
    ('setDNS, {}, 1, "192.0.2.1"', "number expected, got table"),
    ('setDNS, nil, {}, "192.0.2.1"', "number expected, got table"),
    ("setDNS, nil, 1, true", "string expected, got boolean"),
    ("sslLog, {}", "number expected, got table"),
    ("dft, 1.5", "number has no integer representation"),
    ("close_all, 1.5", "number has no integer representation"),
    ("rx_cache, 7.5", "number has no integer representation"),
])
def test_arguments_of_a_wrong_type_raise(tasks, call, says):
    """Lua's own rules and words."""
    done = tasks.run(f'''
        local netc = udp()
        attempt("raised", socket.{call})
    ''')
    assert done.texts("raised")[0].startswith("false bad argument #")
    assert says in done.texts("raised")[0]


def test_an_error_names_the_function_and_the_argument(tasks):
    """Through a named field; the control is argument 1."""
    done = tasks.run('''
        local netc = tcp()
        attempt("raised", function() socket.connect(netc, "127.0.0.1") end)
    ''')
    assert "main.lua:" in done.texts("raised")[0]
    assert "bad argument #3 to 'connect' (number expected, got no value)" in done.texts("raised")[0]


def test_an_error_through_pcall_names_no_function(tasks):
    """As seen on the PC simulator: a module's libraries are no tables that Lua would look into."""
    done = tasks.run('''
        attempt("raised", socket.connect, tcp(), "127.0.0.1")
        attempt("raised", rawget)
    ''')
    assert done.texts("raised") == ["false bad argument #3 to '?' (number expected, got no value)",
                                    "false bad argument #1 to 'rawget' (table expected, got no value)"]


@pytest.mark.requirement("SOCK-CONNECT-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONNECT-006", revision=1, kind="positive")
@pytest.mark.parametrize("port", ["PORT", "PORT + 0.0", "tostring(PORT)", 'PORT .. ".0"'])
def test_integers_may_be_integral_floats_and_numeric_strings(tasks, tcp_server, port):
    """luaL_checkinteger."""
    tasks.run(f'''
        socket.connect(tcp("0"), HOST, {port})
        expect("ON_LINE 0")
    ''', env={"PORT": tcp_server.port})


@pytest.mark.requirement("SOCK-CONFIG-008", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-008", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONFIG-009", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-009", revision=1, kind="negative")
@pytest.mark.parametrize("flag, state", [
    ("nil", 3), ("false", 3), ("1", 3), ('"true"', 3), ("{}", 3), ("true", 5),
])
def test_only_a_real_boolean_makes_it_udp(tasks, peers, flag, state):
    """luat_lib_socket.c:316-439."""
    done = tasks.run(f'''
        local netc = socket.create(nil, "t")
        show("config", socket.config(netc, 0, {flag}))
        socket.connect(netc, HOST, PORT)
        settle()
        show("state", (socket.state(netc)))
    ''', env={"PORT": peers.tcp_silent().port})
    assert done.texts("config") == ["true"]
    assert done.texts("state") == [str(state)]


@pytest.mark.requirement("SOCK-CONFIG-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-006", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-006", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONFIG-026", revision=1, kind="positive")
def test_config_gives_one_boolean(tasks):
    """Whatever is left out, and whatever the numbers; a port above 60000 is warned of."""
    done = tasks.run('''
        local netc = socket.create(nil, "t")
        show("config", socket.config(netc))
        show("config", socket.config(netc, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil))
        show("config", socket.config(netc, -1, true, false, 1 << 40, -1, 1000))
        show("config", socket.config(netc, 60000))
        show("config", socket.config(netc, 59999))
    ''')
    assert done.texts("config") == ["true"] * 5
    assert len(done.warnings) == 2
    assert all("modules take ports below 60000" in w for w in done.warnings)


@pytest.mark.requirement("SOCK-CONFIG-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-004", revision=1, kind="negative")
def test_a_local_port_is_cut_to_16_bits(tasks, peers, udp_peer):
    """65536 + n is n."""
    port = peers.listen_port(socket.SOCK_DGRAM)
    with tasks.start(f'''
        local netc = online(udp({65536 + port}))
        socket.tx(netc, "x")
        expect("TX_OK 0")
    ''', env={"PORT": udp_peer.port}) as run:
        assert udp_peer.recv()[1][1] == port
        assert run.finish().code == 0


@pytest.mark.requirement("SOCK-STATE-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-STATE-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-STATE-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-STATE-004", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-STATE-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-STATE-006", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-STATE-008", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-STATE-009", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-STATE-011", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-STATE-013", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-STATE-014", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-STATE-015", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-STATE-016", revision=1, kind="positive")
def test_state_names_all_states(tasks, peers, tcp_server):
    """The document's list: numbers and Chinese words."""
    done = tasks.run(f'''
        local netc = tcp()
        local function look() log.info("state", text_of(socket.state(netc))) end
        look()
        socket.linkup(netc)
        look()
        socket.connect(netc, HOST, {peers.tcp_silent().port})
        look()
        socket.close(netc)
        online(netc)
        look()
        socket.discon(netc)
        look()
        expect("CLOSED 0")
        socket.listen(netc)
        settle()
        look()
        show("count", select("#", socket.state(netc)))
    ''', env={"PORT": tcp_server.port})
    assert done.texts("state") == ["0 硬件离线", "1 离线", "3 正在连接", "5 在线", "7 正在离线", "6 在监听"]
    assert done.texts("count") == ["2"]


@pytest.mark.requirement("SOCK-RELEASE-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RELEASE-003", revision=1, kind="negative")
def test_release_may_be_repeated(tasks):
    """Idempotent, and the same as __gc."""
    done = tasks.run('''
        local netc = tcp()
        show("release", socket.release(netc))
        show("release", socket.release(netc))
        getmetatable(netc).__gc(netc)
        netc = nil
        collectgarbage()
    ''')
    assert done.texts("release") == ["nothing"] * 2
    assert len(done.events("netc.free")) == 1


def test_a_socket_after_release_is_new(emu):
    """The case: socket/use-after-release."""
    done = emu.run("socket/use-after-release")
    assert done.code == 0, done
    assert any(":4: socket.state on a released socket: a module returns nothing" in w
               for w in done.warnings)


def test_hostile_names_and_numbers_are_survived(tasks, netns):
    """Long, binary, or huge: an error or false, never a crash."""
    done = tasks.run('''
        local netc = tcp()
        for _, name in ipairs({ "\\0", "a\\0b", ("x"):rep(100000), "%s%n%d", "\\xff\\xfe", " ", "1.2.3.4.5",
                                "127.0.0.1\\n", "::1%lo%x", "[::1]", ("1."):rep(200), "::ffff:1.2.3" }) do
            socket.connect(netc, name, 9)
            socket.close(netc)
            socket.setDNS(nil, 1, name)
        end
        for _, port in ipairs({ -1, 1 << 62, math.mininteger, 65535 }) do
            socket.connect(netc, HOST, port)
            socket.close(netc)
        end
        socket.create(math.maxinteger)
        socket.adapter(math.mininteger)
        socket.close_all(math.maxinteger)
        log.info("survived", "")
    ''', netns=netns)
    assert done.texts("survived") == [""]


def test_finalizers_that_release_the_control_in_the_middle_do_no_harm(emu):
    """A warning, a string, a number's text: what makes an object may collect, and a __gc of the
    script may release the control and free the buffer of the very call."""
    done = emu.run("socket/finalizers-release-the-control-in-use", "--lab")
    assert done.code == 0, done
    for name, count in (("config", 2), ("linkup", 1), ("connect", 2), ("listen", 1), ("accept", 1),
                        ("tx", 3), ("rx", 1), ("read", 1)):
        assert done.texts(name) == ["true"] * count, done


def test_finalizers_under_gc_stress_do_no_harm(emu):
    done = emu.run("socket/finalizers-release-the-control-in-use", "--lab", "--gc-stress")
    assert done.code == 0, done
