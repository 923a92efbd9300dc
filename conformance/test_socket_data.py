"""What goes through a TCP connection: tx and TX_OK, rx, read, wait and EVENT."""

import hashlib

import pytest


def pattern(size):
    """Bytes in which a lost or doubled piece shows; the scripts build the same ones."""
    return b"".join(b"%08d" % i for i in range(size // 8))


LUA_PATTERN = '''
    local function pattern(size)
        local parts = {}
        for i = 0, size // 8 - 1 do parts[#parts + 1] = string.format("%08d", i) end
        return table.concat(parts)
    end
'''


# ---- tx: what is taken, and when TX_OK comes ------------------------------------------------


@pytest.mark.requirement("SOCK-TX-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-TX-004", revision=1, kind="positive")
@pytest.mark.parametrize("given, sent", [
    ('"text"', b"text"),
    ('"a\\0b"', b"a\0b"),
    ("12", b"12"),
    ("1.5", b"1.5"),
])
def test_tx_takes_strings_and_the_text_of_numbers(tasks, tcp_server, given, sent):
    """luat_lib_socket.c:599-690."""
    with tasks.start(f'''
        local netc = online(tcp())
        show("tx", socket.tx(netc, {given}))
        expect("TX_OK 0")
    ''', env={"PORT": tcp_server.port}) as run:
        assert tcp_server.accept().recv_exactly(len(sent)) == sent
        done = run.finish()
    assert done.texts("tx") == ["true false false"]


@pytest.mark.requirement("SOCK-TX-004", revision=1, kind="positive")
def test_tx_takes_the_used_part_of_a_zbuff_and_leaves_it_alone(tasks, tcp_server):
    """Bytes 0 to used."""
    with tasks.start('''
        local netc = online(tcp())
        local buff = zbuff.create(100)
        buff:write("hello")
        show("tx", socket.tx(netc, buff))
        show("buff", buff:used(), buff:toStr(0, 5), buff:len())
        expect("TX_OK 0")
    ''', env={"PORT": tcp_server.port}) as run:
        assert tcp_server.accept().recv_to_end() == b"hello"
        done = run.finish()
    assert done.texts("buff") == ["5 hello 100"]


@pytest.mark.requirement("SOCK-TX-021", revision=1, kind="negative")
@pytest.mark.parametrize("empty", ['""', "zbuff.create(10)"])
def test_an_empty_tx_is_taken_and_never_acknowledged(tasks, tcp_server, empty):
    """(true, false, false), and no TX_OK ever: libnet.tx("") times out (observed)."""
    with tasks.start(f'''
        local netc = online(tcp())
        show("tx", socket.tx(netc, {empty}))
        settle()
    ''', env={"PORT": tcp_server.port}) as run:
        assert tcp_server.accept().recv_to_end() == b""
        done = run.finish()
    assert done.texts("tx") == ["true false false"]
    assert done.reports() == [("ON_LINE", 0)]


@pytest.mark.requirement("SOCK-TX-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-TX-014", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-TX-015", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-TX-020", revision=1, kind="negative")
def test_tx_before_the_connection_fails(tasks, peers):
    """(false, true, false): what the PC simulator shows, and libnet.tx passes on."""
    done = tasks.run('''
        local netc = tcp()
        show("tx", socket.tx(netc, "x"))
        show("tx", socket.tx(netc, ""))
        socket.connect(netc, HOST, PORT)
        show("tx", socket.tx(netc, "x"))
    ''', env={"PORT": peers.tcp_silent().port})
    assert done.texts("tx") == ["false true false"] * 3


@pytest.mark.requirement("SOCK-CONST-011", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-TX-021", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-TX-022", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-WAIT-002", revision=1, kind="negative")
def test_several_tx_have_one_tx_ok(tasks, tcp_server):
    """It comes when the total acknowledged is the total sent (luat_network_adapter.c:888-917)."""
    with tasks.start('''
        local netc = online(tcp())
        for _, part in ipairs({ "one ", "two ", "three" }) do
            show("tx", socket.tx(netc, part))
        end
        expect("TX_OK 0")
        settle()
    ''', env={"PORT": tcp_server.port}) as run:
        assert tcp_server.accept().recv_exactly(13) == b"one two three"
        done = run.finish()
    assert done.texts("tx") == ["true false false"] * 3
    assert done.reports() == [("ON_LINE", 0), ("TX_OK", 0)]


@pytest.mark.requirement("SOCK-TX-020", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-TX-021", revision=1, kind="positive")
def test_tx_ok_means_that_the_peer_has_acknowledged(tasks, peers):
    """A peer without room that does not read: no TX_OK; it reads: TX_OK."""
    server = peers.tcp_server(rcvbuf=2048)
    with tasks.start('''
        local netc = online(tcp())
        show("tx", socket.tx(netc, ("x"):rep(200000)))
        sys.wait(300)
        log.info("waited", "")
        expect("TX_OK 0")
    ''', env={"PORT": server.port}) as run:
        peer = server.accept()
        run.wait_log("waited")
        assert ("TX_OK", 0) not in run.reports()
        peer.recv_exactly(100_000)
        assert ("TX_OK", 0) not in run.reports()
        peer.recv_exactly(100_000)
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("tx") == ["true false false"]
    assert done.reports() == [("ON_LINE", 0), ("TX_OK", 0)]


def test_tx_ok_comes_though_the_peer_only_listens(tasks, tcp_server):
    """No answer carries the acknowledgement; each of 30 sends in turn is acknowledged."""
    with tasks.start('''
        local netc = online(tcp())
        for i = 1, 30 do
            socket.tx(netc, "x")
            expect("TX_OK 0")
        end
    ''', env={"PORT": tcp_server.port}) as run:
        assert tcp_server.accept().recv_to_end() == b"x" * 30
        done = run.finish()
    assert done.code == 0, done


def test_tx_ok_and_event_alternate_with_a_peer_that_answers(tasks, tcp_server):
    """Whatever the order of each pair, there is one TX_OK a question and every answer is read."""
    with tasks.start('''
        local netc = online(tcp())
        for i = 1, 30 do
            socket.tx(netc, string.format("%08d", i))
            assert(read_bytes(netc, 8) == string.format("%08d", i))
        end
        log.info("all", "read")
        settle()
    ''', env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        for _ in range(30):
            peer.send(peer.recv_exactly(8))
        done = run.finish()
    assert done.code == 0, done
    assert {param for _, param in done.reports()} == {0}


@pytest.mark.requirement("SOCK-TX-015", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-TX-017", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-TX-017", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-TX-018", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-TX-019", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-TX-019", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-TX-022", revision=1, kind="negative")
def test_a_full_buffer_says_so_until_the_peer_reads(tasks, peers):
    """(true, true, true): nothing was taken; after TX_OK there is room again."""
    server = peers.tcp_server(rcvbuf=2048)
    with tasks.start('''
        local netc = online(tcp())
        show("tx", socket.tx(netc, ("x"):rep(100000)))
        show("tx", socket.tx(netc, "lost"))
        expect("TX_OK 0")
        show("tx", socket.tx(netc, "kept"))
        expect("TX_OK 0")
    ''', "--set", "send_buffer=90000", env={"PORT": server.port}) as run:
        peer = server.accept()
        run.wait_log("tx", "true true true")
        assert peer.recv_exactly(100_000) == b"x" * 100_000
        assert peer.recv_exactly(4) == b"kept"
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("tx") == ["true false false", "true true true", "true false false"]


@pytest.mark.requirement("SOCK-TX-021", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-WAIT-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-WAIT-008", revision=1, kind="positive")
def test_wait_cancels_tx_ok(tasks, peers):
    """Observed: the pending TX_OK is never delivered (luat_network_adapter.c:2709)."""
    server = peers.tcp_server(rcvbuf=2048)
    with tasks.start('''
        local netc = online(tcp())
        socket.tx(netc, ("x"):rep(200000))
        show("wait", socket.wait(netc))
        expect("EVENT 0")
        show("read", socket.read(netc))
        settle()
    ''', env={"PORT": server.port}) as run:
        peer = server.accept()
        run.wait_log("wait", "true false")
        peer.recv_exactly(200_000)
        peer.send(b"all read")
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("read") == ["true all read"]
    assert done.reports() == [("ON_LINE", 0), ("EVENT", 0)]


def test_data_is_announced_while_tx_is_pending_and_tx_ok_follows(tasks, peers):
    """luat_network_adapter.c: data with target TX gives EVENT 0, and TX stays the target."""
    server = peers.tcp_server(rcvbuf=2048)
    with tasks.start('''
        local netc = online(tcp())
        socket.tx(netc, ("x"):rep(200000))
        log.info("sent", "")
        expect("EVENT 0")
        show("read", socket.read(netc))
        log.info("go", "on")
        until_event("TX_OK 0")
    ''', env={"PORT": server.port}) as run:
        peer = server.accept()
        run.wait_log("sent")
        peer.send(b"meanwhile")
        run.wait_log("go")
        peer.recv_exactly(200_000)
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("read") == ["true meanwhile"]
    assert done.reports() == [("ON_LINE", 0), ("EVENT", 0), ("TX_OK", 0)]


@pytest.mark.parametrize("size", [1 << 20, (1 << 20) + 8, 40000])
def test_much_data_arrives_whole_both_ways(tasks, tcp_server, size):
    """More than any buffer on the way."""
    with tasks.start(LUA_PATTERN + f'''
        local netc = online(tcp())
        local data = pattern({size})
        socket.tx(netc, data)
        until_event("TX_OK 0")
        log.info("same", read_bytes(netc, {size}) == data)
    ''', "--set", "send_buffer=4000000", env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        data = peer.recv_exactly(size // 8 * 8)
        assert hashlib.sha1(data).digest() == hashlib.sha1(pattern(size)).digest()
        peer.send(data)
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("same") == ["true"]


def test_many_small_tx_in_one_go_stay_in_order(tasks, tcp_server):
    """What a script sends while it handles one message leaves together, in its order."""
    with tasks.start(LUA_PATTERN + '''
        local netc, second = online(tcp()), online(tcp())
        for i = 0, 9999 do
            socket.tx(netc, string.format("%08d", i))
            if i % 100 == 0 then socket.tx(second, string.format("%08d", i // 100)) end
        end
        until_event("TX_OK 0")
        until_event("TX_OK 0")
    ''', env={"PORT": tcp_server.port}) as run:
        peer, second = tcp_server.accept(), tcp_server.accept()
        assert peer.recv_exactly(80_000) == pattern(80_000)
        assert second.recv_exactly(800) == pattern(800)
        done = run.finish()
    assert done.code == 0, done


# ---- EVENT ----------------------------------------------------------------------------------


@pytest.mark.requirement("SOCK-CONST-010", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-WAIT-001", revision=1, kind="positive")
def test_event_is_delivered_without_wait(tasks, tcp_server):
    """Nobody has to ask for it."""
    with tasks.start('''
        local netc = online(tcp())
        expect("EVENT 0")
        expect("EVENT 0")
        show("rx", socket.rx(netc))
    ''', env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        peer.send(b"one")
        run.wait_trace("netc.event", event="EVENT", count=1)
        peer.send(b"two")
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("rx") == ["true 6"]


def test_event_is_delivered_again_while_data_is_unread(tasks, tcp_server):
    """Observed: an acknowledgement after wait announces the unread data once more."""
    with tasks.start('''
        local netc = online(tcp())
        expect("EVENT 0")
        socket.tx(netc, "x")
        show("wait", socket.wait(netc))
        expect("EVENT 0")
        show("read", socket.read(netc))
        socket.tx(netc, "y")
        show("wait", socket.wait(netc))
        settle()
    ''', env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        peer.send(b"unread")
        assert peer.recv_exactly(2) == b"xy"
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("wait") == ["true true", "true false"]
    assert done.texts("read") == ["true unread"]
    assert done.reports() == [("ON_LINE", 0), ("EVENT", 0), ("EVENT", 0)]


@pytest.mark.requirement("SOCK-RX-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-002", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RX-010", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-WAIT-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-WAIT-007", revision=1, kind="positive")
def test_a_query_leaves_the_data_unread(tasks, tcp_server):
    """rx(netc) does not clear the rx flag; a read with a buffer does, though data is left."""
    with tasks.start('''
        local netc = online(tcp())
        expect("EVENT 0")
        show("rx", socket.rx(netc))
        show("wait", socket.wait(netc))
        show("rx", socket.rx(netc, zbuff.create(10), 0, 2))
        show("wait", socket.wait(netc))
        show("read", socket.read(netc))
    ''', env={"PORT": tcp_server.port}) as run:
        tcp_server.accept().send(b"12345")
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("rx") == ["true 5", "true 2 nil nil"]
    assert done.texts("wait") == ["true true", "true false"]
    assert done.texts("read") == ["true 345"]


@pytest.mark.requirement("SOCK-RX-022", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-022", revision=1, kind="negative")
def test_data_that_was_left_gives_no_new_event(tasks, tcp_server):
    """The document: what is not read completely triggers no new EVENT, new data does."""
    with tasks.start('''
        local netc = online(tcp())
        expect("EVENT 0")
        show("read", socket.read(netc, 2))
        settle()
        log.info("settled", "")
        expect("EVENT 0")
        show("read", socket.read(netc))
    ''', env={"PORT": tcp_server.port}) as run:
        peer = tcp_server.accept()
        peer.send(b"12345")
        run.wait_log("settled")
        assert run.reports() == [("ON_LINE", 0), ("EVENT", 0)]
        peer.send(b"678")
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("read") == ["true 12", "true 345678"]


def test_a_peer_that_sends_byte_by_byte(tasks, tcp_server):
    """Everything arrives, in order, however it was cut."""
    with tasks.start('''
        local netc = online(tcp())
        log.info("got", read_bytes(netc, 200))
    ''', env={"PORT": tcp_server.port}) as run:
        tcp_server.accept().send_bytewise(pattern(200))
        done = run.finish()
    assert done.texts("got") == [pattern(200).decode()]


# ---- rx -------------------------------------------------------------------------------------


def with_data(tasks, server, body, data=b"hello", **options):
    """Run `body` with `netc` online and `data` waiting, all of it."""
    with tasks.start(f'''
        local netc = online(tcp())
        repeat
            event()
            local _, len = socket.rx(netc)
        until len == {len(data)}
        {body}
    ''', env={"PORT": server.port}, **options) as run:
        server.accept().send(data)
        done = run.finish()
    assert done.code == 0, done
    return done


@pytest.mark.requirement("SOCK-RX-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-006", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-009", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-012", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-014", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RX-018", revision=1, kind="negative")
def test_rx_appends_to_the_buffer_and_grows_it_exactly(tasks, tcp_server):
    """(true, n, nil, nil); data goes to used; the new length is used + n (luat_lib_socket.c:723-848)."""
    done = with_data(tasks, tcp_server, '''
        local buff = zbuff.create(8)
        buff:write("head:")
        show("rx", socket.rx(netc, buff))
        show("buff", buff:used(), buff:len(), buff:toStr(0, buff:used()))
    ''')
    assert done.texts("rx") == ["true 5 nil nil"]
    assert done.texts("buff") == ["10 10 head:hello"]


@pytest.mark.requirement("SOCK-RX-006", revision=1, kind="negative")
def test_rx_leaves_a_buffer_that_is_large_enough(tasks, tcp_server):
    """No growth without need."""
    done = with_data(tasks, tcp_server, '''
        local buff = zbuff.create(100)
        show("rx", socket.rx(netc, buff))
        show("buff", buff:used(), buff:len(), buff:query())
        show("rx", socket.rx(netc, buff))
        show("buff", buff:used(), buff:len(), buff:query())
    ''')
    assert done.texts("rx") == ["true 5 nil nil", "true 0"]
    assert done.texts("buff") == ["5 100 hello"] * 2


@pytest.mark.parametrize("size", [3000, 100_000])
def test_rx_takes_all_that_there_is(tasks, tcp_server, size):
    """Into a buffer of one byte."""
    done = with_data(tasks, tcp_server, LUA_PATTERN + f'''
        local buff = zbuff.create(1)
        show("rx", socket.rx(netc, buff))
        show("buff", buff:used(), buff:len(), buff:toStr(0, buff:used()) == pattern({size}))
    ''', pattern(size))
    assert done.texts("rx") == [f"true {size} nil nil"]
    assert done.texts("buff") == [f"{size} {size} true"]


@pytest.mark.requirement("SOCK-RX-007", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-008", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-008", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RX-021", revision=1, kind="positive")
@pytest.mark.parametrize("args, result, left", [
    ("0, 2", "true 2 nil nil", "llo"),
    ("nil, 2", "true 2 nil nil", "llo"),
    ("0, 5", "true 5 nil nil", ""),
    ("0, 100", "true 5 nil nil", ""),
    ("0, -1", "true 5 nil nil", ""),
    ("0, nil", "true 5 nil nil", ""),
    ('0, "2"', "true 5 nil nil", ""),
    ("0, 2.0", "true 5 nil nil", ""),
    ("2", "true 5 nil nil", ""),
    ("0, 0", "true 0", "hello"),
])
def test_the_limit_is_the_fourth_argument_and_an_integer(tasks, tcp_server, args, result, left):
    """luat_lib_socket.c:758; negative: none. Over TCP the rest stays."""
    done = with_data(tasks, tcp_server, f'''
        local buff = zbuff.create(10)
        show("rx", socket.rx(netc, buff, {args}))
        show("read", socket.read(netc))
    ''')
    assert done.texts("rx") == [result]
    assert done.texts("read") == [f"true {left}"]


@pytest.mark.requirement("SOCK-RX-007", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RX-023", revision=1, kind="negative")
def test_a_limit_in_the_third_place_is_warned_of(tasks, tcp_server):
    """The document's own example has it there; it is a flag without effect."""
    done = with_data(tasks, tcp_server, 'socket.rx(netc, zbuff.create(10), 1500)')
    assert "the limit is the fourth" in done.warnings[0]


@pytest.mark.requirement("SOCK-RX-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RX-024", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-024", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RX-025", revision=1, kind="positive")
@pytest.mark.parametrize("what", ["", ", nil", ', "text"', ", 5", ", {}", ", print"])
def test_rx_without_a_buffer_only_counts(tasks, tcp_server, what):
    """(true, length), and nothing is taken."""
    done = with_data(tasks, tcp_server, f'''
        show("rx", socket.rx(netc{what}))
        show("read", socket.read(netc))
    ''')
    assert done.texts("rx") == ["true 5"]
    assert done.texts("read") == ["true hello"]


@pytest.mark.requirement("SOCK-RX-005", revision=1, kind="negative")
def test_rx_into_another_userdata_raises_once_there_is_data(tasks, tcp_server):
    """The length is looked at first (luat_lib_socket.c:734-760)."""
    done = with_data(tasks, tcp_server, '''
        local other = online(tcp())
        show("rx", socket.rx(other, netc))
        attempt("raised", socket.rx, netc, netc)
    ''')
    assert done.texts("rx") == ["true 0"]
    assert "ZBUFF* expected" in done.texts("raised")[0]


@pytest.mark.requirement("SOCK-RX-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RX-012", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RX-025", revision=1, kind="negative")
@pytest.mark.parametrize("what", ["", ", nil", ", zbuff.create(5)", ', "x"', ", 7", ", {}"])
def test_rx_of_nothing_is_true_0_whatever_the_buffer(tasks, tcp_server, what):
    """Observed."""
    done = tasks.run(f'show("rx", socket.rx(online(tcp()){what}))', env={"PORT": tcp_server.port})
    assert done.texts("rx") == ["true 0"]


# ---- read -----------------------------------------------------------------------------------


@pytest.mark.requirement("SOCK-READ-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-READ-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-READ-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-READ-004", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-READ-004", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-READ-006", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-READ-007", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-READ-008", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-READ-009", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-READ-010", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-READ-011", revision=1, kind="negative")
@pytest.mark.parametrize("args, result", [
    ("", "true hello"),
    (", 2", "true he"),
    (", 5", "true hello"),
    (", 500", "true hello"),
    (", 0", "true hello"),
    (", -1", "true hello"),
    (", nil", "true hello"),
    (', "2"', "true hello"),
    (", 2.0", "true hello"),
    (", {}", "true hello"),
])
def test_read_gives_a_string(tasks, tcp_server, args, result):
    """luat_lib_socket.c:867-958: (true, data); the length counts when it is an integer above 0."""
    done = with_data(tasks, tcp_server, f'''
        show("read", socket.read(netc{args}))
        show("count", select("#", socket.read(netc)))
    ''')
    assert done.texts("read") == [result]


@pytest.mark.requirement("SOCK-READ-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-READ-006", revision=1, kind="negative")
def test_read_of_nothing_is_true_and_empty(tasks, tcp_server):
    """Two values."""
    done = tasks.run('''
        local netc = online(tcp())
        show("read", socket.read(netc))
        show("count", select("#", socket.read(netc)))
    ''', env={"PORT": tcp_server.port})
    assert done.texts("read") == ["true "]
    assert done.texts("count") == ["2"]


@pytest.mark.requirement("SOCK-RX-009", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RX-010", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-READ-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-READ-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-WAIT-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-WAIT-004", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-WAIT-005", revision=1, kind="positive")
@pytest.mark.parametrize("call", ["rx(netc)", "rx(netc, zbuff.create(1))", "read(netc)", "wait(netc)"])
def test_nothing_can_be_read_from_what_is_not_online(tasks, call):
    """(false, 0), (false, 0), false, (false, false)."""
    done = tasks.run(f'''
        local netc = tcp()
        show("called", socket.{call})
    ''')
    wanted = {"rx": "false 0", "read": "false", "wait": "false false"}
    assert done.texts("called") == [wanted[call.split("(")[0]]]
