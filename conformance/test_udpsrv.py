"""The library udpsrv: a UDP port whose datagrams become a topic, with real peers."""

# In the bodies of these tests the server listens on PORT and publishes IN.
SERVER = '''
    local udpsrv = require("udpsrv")
    local server = udpsrv.create(PORT, "IN")
    log.info("server", type(server))
'''


def free_udp_port(peers):
    """A port that is free for UDP, one a moment ago, and that a module can have: below 60000."""
    while True:
        peer = peers.udp()
        peer.close()
        if peer.port < 60000:
            return peer.port


def test_udpsrv_has_the_functions_of_luatos(tasks):
    """LuatOS udpsrv.lua: create, and version in today's."""
    done = tasks.run('''
        local udpsrv = require("udpsrv")
        local keys = {}
        for key in pairs(udpsrv) do keys[#keys + 1] = key end
        table.sort(keys)
        show("keys", table.unpack(keys))
        show("version", udpsrv.version())
    ''')
    assert done.texts("keys") == ["create version"]
    assert done.texts("version")[0].isdigit()


def test_every_datagram_is_published_with_its_sender(tasks, peers):
    """LuatOS udpsrv.lua: topic, data, the sender's address as text, its port; from anyone."""
    port = free_udp_port(peers)
    with tasks.start(SERVER + '''
        for _ = 1, 3 do show("got", sys.waitUntil("IN")) end
    ''', env={"PORT": port}) as run:
        run.wait_log("server")
        first, second = peers.udp(), peers.udp("127.0.0.2")
        for i, (peer, data) in enumerate([(first, b"one"), (second, b"two"), (first, b"three")]):
            peer.send(data, ("127.0.0.1", port))
            run.wait_log("got", count=i + 1)
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("got") == [f"true one 127.0.0.1 {first.port}", f"true two 127.0.0.2 {second.port}",
                                 f"true three 127.0.0.1 {first.port}"]


def test_datagrams_that_come_together_are_published_one_by_one(tasks, peers):
    """LuatOS udpsrv.lua reads until nothing is left, a datagram at a time, in their order."""
    port = free_udp_port(peers)
    with tasks.start(SERVER + '''
        local lens = {}
        sys.subscribe("IN", function(data) lens[#lens + 1] = #data end)
        while #lens < 50 do sys.waitUntil("IN") end
        show("lens", table.unpack(lens))
    ''', env={"PORT": port}) as run:
        run.wait_log("server")
        peer = peers.udp()
        for i in range(1, 51):
            peer.send(b"x" * (i * 29), ("127.0.0.1", port))
        done = run.finish()
    assert done.texts("lens") == [" ".join(str(i * 29) for i in range(1, 51))]


def test_a_datagram_larger_than_the_buffer_is_whole(tasks, peers):
    """LuatOS: the zbuff of 1500 bytes grows."""
    port = free_udp_port(peers)
    with tasks.start(SERVER + '''
        local ok, data = sys.waitUntil("IN")
        show("got", #data, data == string.rep("0123456789", 2000))
    ''', env={"PORT": port}) as run:
        run.wait_log("server")
        peers.udp().send(b"0123456789" * 2000, ("127.0.0.1", port))
        done = run.finish()
    assert done.texts("got") == ["20000 true"]


def test_send_goes_to_the_address_that_is_given(tasks, peers):
    """LuatOS udpsrv.lua: send(self, data, ip, port) gives what socket.tx gives."""
    port = free_udp_port(peers)
    first, second = peers.udp(), peers.udp("127.0.0.2")
    with tasks.start(SERVER + f'''
        settle()
        show("send", server:send("to the first", "127.0.0.1", {first.port}))
        show("send", server:send("to the second", "127.0.0.2", {second.port}))
        show("send", server:send(nil, "127.0.0.1", {first.port}))
    ''', env={"PORT": port}) as run:
        for peer, data in ((first, b"to the first"), (second, b"to the second")):
            got, (_, sender) = peer.recv()
            assert got == data and sender == port
        done = run.finish()
    assert done.texts("send") == ["true false false"] * 2 + ["nothing"]


def test_what_is_sent_right_after_create_is_not_lost(tasks, peers):
    """LuatOS demos send right after create: on a module the socket is online before the next line."""
    port = free_udp_port(peers)
    peer = peers.udp()
    with tasks.start(SERVER + f'''
        local buff = zbuff.create(8)
        buff:write("I am UP")
        show("send", server:send(buff, "127.0.0.1", {peer.port}))
        buff:del()
        show("send", server:send("and again", "127.0.0.1", {peer.port}))
        settle()
        show("send", server:send("and later", "127.0.0.1", {peer.port}))
    ''', env={"PORT": port}) as run:
        assert [peer.recv() for _ in range(3)] == [
            (data, ("127.0.0.1", port)) for data in (b"I am UP", b"and again", b"and later")]
        done = run.finish()
    assert done.texts("send") == ["true false false"] * 3 and done.warnings == []


def test_after_close_the_port_is_free_and_send_gives_nothing(tasks, peers):
    """LuatOS udpsrv.lua: close; a server of the same port can be made again."""
    port = free_udp_port(peers)
    with tasks.start(SERVER + '''
        show("close", server:close())
        show("close", server:close())
        show("send", server:send("x", "127.0.0.1", 9))
        server = udpsrv.create(PORT, "AGAIN")
        show("again", type(server))
        show("got", sys.waitUntil({ "IN", "AGAIN" }))
    ''', env={"PORT": port}) as run:
        run.wait_log("again")
        peer = peers.udp()
        peer.send(b"hello", ("127.0.0.1", port))
        done = run.finish()
    assert done.texts("close") == ["nothing"] * 2 and done.texts("send") == ["nothing"]
    assert done.texts("again") == ["table"]
    assert done.texts("got") == [f"true hello 127.0.0.1 {peer.port}"]


def test_a_closed_server_gives_its_socket_back(tasks):
    """LuatOS udpsrv.lua: close releases the socket; no collector is needed for that."""
    done = tasks.run('''
        collectgarbage("stop")
        local count = 0
        for _ = 1, 50 do
            local server = require("udpsrv").create(0, "IN")
            count = count + (server and 1 or 0)
            if server then server:close() end
        end
        show("made", count)
    ''', "--set", "sockets=8")
    assert done.texts("made") == ["50"]


def test_a_server_that_cannot_be_made_is_nil(tasks, peers):
    """LuatOS udpsrv.create: nil when there is no such adapter, or it has no socket left."""
    done = tasks.run('''
        local udpsrv = require("udpsrv")
        show("server", udpsrv.create(0, "IN", 99))
        show("server", type(udpsrv.create(0, "IN", (socket.dft()))))
    ''')
    assert done.texts("server") == ["nil", "table"]


def test_a_taken_port_is_told_in_the_log(tasks, peers):
    """On a module create has returned by then, and nothing ever comes; here the log says why."""
    peer = peers.udp()
    done = tasks.run(SERVER + '''
        server:send("lost", "127.0.0.1", PORT)
        settle()
        show("send", server:send("lost", "127.0.0.1", PORT))
    ''', env={"PORT": peer.port})
    assert done.texts("server") == ["table"] and done.texts("send") == ["false true false"]
    ((level, text),) = [(level, text) for level, tag, text in done.log if tag == "user.udpsrv"]
    assert level == "E" and str(peer.port) in text


def test_a_server_that_nobody_holds_goes_on(tasks, peers):
    """LuatOS: the callback is anchored in the registry and holds the server."""
    port = free_udp_port(peers)
    with tasks.start('''
        require("udpsrv").create(PORT, "IN")
        collectgarbage() collectgarbage()
        log.info("server", "there")
        show("got", sys.waitUntil("IN"))
    ''', "--gc-stress", env={"PORT": port}) as run:
        run.wait_log("server")
        peer = peers.udp()
        peer.send(b"hello", ("127.0.0.1", port))
        done = run.finish()
    assert done.texts("got") == [f"true hello 127.0.0.1 {peer.port}"]


def test_a_broken_socket_is_opened_anew(tasks, peers):
    """LuatOS udpsrv.lua: when rx fails it closes and connects again. A datagram that is too large
    breaks the socket, and what comes next finds that out."""
    port = free_udp_port(peers)
    with tasks.start(SERVER + '''
        show("send", server:send(("x"):rep(70000), "127.0.0.1", 9))
        show("got", sys.waitUntil("IN"))
        show("send", server:send("still here", "127.0.0.1", select(4, sys.waitUntil("IN"))))
    ''', env={"PORT": port}) as run:
        run.wait_log("send")
        peer = peers.udp()
        peer.send(b"one", ("127.0.0.1", port))
        run.wait_trace("netc.event", event="ON_LINE", param=0, count=2)
        peer.send(b"two", ("127.0.0.1", port))
        assert peer.recv() == (b"still here", ("127.0.0.1", port))
        done = run.finish()
    assert done.texts("send") == ["false true false", "true false false"]
    assert done.texts("got") == [f"true one 127.0.0.1 {peer.port}"]


def test_closed_closes_the_server(tasks):
    """LuatOS udpsrv.lua:62-65 indexes an undefined self here; not copied."""
    done = tasks.run('''
        local callback
        local create = socket.create
        socket.create = function(adapter, cb) callback = cb return create(adapter, cb) end
        local server = require("udpsrv").create(0, "IN")
        attempt("closed", callback, server.sc, socket.CLOSED, 0)
        show("send", server:send("x", "127.0.0.1", 9))
    ''')
    assert done.texts("closed") == ["true"] and done.texts("send") == ["nothing"]


def test_one_event_is_enough_for_many_datagrams_and_an_ipv6_sender_is_text(tasks):
    """LuatOS udpsrv.lua reads until nothing is left; socket.rx: 1 and 16 bytes are an IPv6 address."""
    done = tasks.run('''
        local callback
        local create, rx = socket.create, socket.rx
        socket.create = function(adapter, cb) callback = cb return create(adapter, cb) end
        local server = require("udpsrv").create(0, "IN")
        local datagrams = { "world", "hello" }
        socket.rx = function(netc, buff)
            local data = table.remove(datagrams)
            if not data then return true, 0 end
            buff:write(data)
            return true, #data, "\\1" .. string.pack(">I2I2I2I2I2I2I2I2", 0xfd00, 0, 0, 0, 0, 0, 0x12, 1), 80
        end
        sys.timerStart(function() callback(server.sc, socket.EVENT, 0) end, 1)
        sys.subscribe("IN", function(...) show("got", ...) end)
        sys.waitUntil("IN")
        sys.wait(1)
    ''')
    assert done.texts("got") == ["hello fd00:0:0:0:0:0:12:1 80", "world fd00:0:0:0:0:0:12:1 80"]


def test_an_empty_datagram_does_not_hold_up_the_others(tasks, peers):
    """It has nothing to publish, and what comes behind it does."""
    port = free_udp_port(peers)
    with tasks.start(SERVER + 'show("got", sys.waitUntil("IN"))\n', env={"PORT": port}) as run:
        run.wait_log("server")
        peer = peers.udp()
        for data in (b"", b"", b"hello"):
            peer.send(data, ("127.0.0.1", port))
        done = run.finish()
    assert done.texts("got") == [f"true hello 127.0.0.1 {peer.port}"]
