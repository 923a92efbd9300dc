"""DTLS: socket.config with is_udp and is_tls, by certificate and by pre-shared key."""

import random
import socket

import pytest

from test_tls import CA, why
from tls_peers import cert, lua

KEY = bytes.fromhex("00112233445566778899aabbccddeeff")  # raw bytes to the script, with a zero
NAME = "device-1"
PSK = ("-nocert", "-psk", KEY.hex(), "-psk_identity", NAME)

# secure(psk or ca, psk id or certificate, key, password): a control that speaks DTLS
CLIENT = '''
    local function secure(...)
        return tcp(nil, true, true, nil, nil, nil, ...)
    end
    local function failed(netc)
        assert(socket.connect(netc, HOST, PORT))
        expect("ON_LINE -1")
    end
    local function next_datagram(netc)
        while true do
            local ok, data, ip, port = socket.read(netc)
            assert(ok)
            if #data > 0 then return data, ip, port end
            event()
        end
    end
'''


def talk(tasks, server, config, *args, port=None):
    """Online by socket.config's arguments; a line each way. Returns how the run went."""
    with tasks.start(CLIENT + f'''
        local netc = online(secure({config}))
        show("tx", socket.tx(netc, "ping\\n"))
        until_event("TX_OK 0")
        show("got", next_datagram(netc))
    ''', *args, env={"PORT": port or server.port}) as run:
        server.wait("ping")
        server.say("hello\n")
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("tx") == ["true false false"]
    assert done.texts("got")[0].startswith("hello\n")
    return done


# ---- servers of every kind ----------------------------------------------------------------------


@pytest.mark.requirement("SOCK-CONFIG-010", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-018", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-021", revision=1, kind="positive")
@pytest.mark.parametrize("options, config, spoken", [
    (("-cert", "server"), "", "DTLSv1.2, ECDHE-ECDSA-"),
    (("-cert", "server"), CA, "DTLSv1.2, ECDHE-ECDSA-"),
    (("-cert", "server-rsa", "-listen"), CA, "DTLSv1.2, ECDHE-RSA-"),
    (("-cert", "chain", "-cert_chain", "chain"), CA, "DTLSv1.2, ECDHE-ECDSA-"),
    (("-cert", "server-rsa", "-dtls1", "-cipher", "DEFAULT:@SECLEVEL=0"), CA, "DTLSv1, ECDHE-RSA-"),
    (PSK, f"{lua(KEY)}, '{NAME}'", "DTLSv1.2, "),
    ((*PSK, "-listen"), f"{lua(KEY)}, '{NAME}'", "DTLSv1.2, "),
    ((*PSK, "-cipher", "PSK-AES128-CCM8:@SECLEVEL=0"), f"{lua(KEY)}, '{NAME}'",
     "DTLSv1.2, PSK-AES128-CCM8"),
], ids=["unverified", "verified", "cookie", "chain", "dtls1.0", "psk", "psk-cookie", "psk-ccm8"])
def test_openssl_servers_of_every_kind_are_spoken_to(tasks, tls, options, config, spoken):
    """S:374: certificates when arg 8 comes without arg 9, else the key's bytes and its name."""
    server = tls.openssl(*([] if "-dtls1" in options else ["-dtls"]), *options)
    done = talk(tasks, server, config)
    assert done.events("tls.done")[0]["with"].startswith(spoken)
    assert ("PSK" in done.events("tls.done")[0]["with"]) == ("-psk" in options)


def test_a_client_certificate_is_shown(tasks, tls):
    """With arg 10 it is certificates, whatever arg 9 is."""
    server = tls.openssl("-dtls", "-cert", "server", "-Verify", "1", "-CAfile", "ca",
                         "-verify_return_error")
    talk(tasks, server, f'{CA}, {lua(cert("client.crt"))}, {lua(cert("client.key"))}')
    assert "subject=CN = client" in server.output


@pytest.mark.parametrize("name, reason", [
    ("self-signed", "self-signed certificate (number 0"),
    ("wrong-host", 'it is not for "127.0.0.1" (number 0'),
])
def test_with_a_ca_others_are_refused_with_the_reason(tasks, tls, name, reason):
    """As in TLS."""
    server = tls.openssl("-dtls", "-cert", name)
    done = tasks.run(CLIENT + f"failed(secure({CA}))", env={"PORT": server.port})
    code, text = why(done)
    assert code == "0x2700"
    assert text.startswith(f"the peer's certificate is refused: {reason}")


def test_an_expired_certificate_is_told_of(tasks, tls):
    """And accepted."""
    done = talk(tasks, tls.openssl("-dtls", "-cert", "expired"), CA)
    assert "/CN=expired has expired: 2002-01-01 00:00:00 UTC" in done.warnings[0]


def test_with_a_key_no_certificate_will_do_instead(tasks, tls):
    """Who has not the key must not be taken for the server."""
    server = tls.openssl("-dtls", "-cert", "server")
    done = tasks.run(CLIENT + f"failed(secure({lua(KEY)}, '{NAME}'))", env={"PORT": server.port})
    assert why(done) == ("0x7780", 'the peer ended it with the alert "handshake failure"')


@pytest.mark.requirement("SOCK-CONFIG-018", revision=1, kind="negative")
def test_another_key_ends_in_silence(tasks, tls):
    """Neither end can read the other's last message; DTLS drops it without a word."""
    server = tls.openssl("-dtls", *PSK)
    done = tasks.run(CLIENT + f"failed(secure('another key', '{NAME}'))",
                     "--set", "handshake_timeout=500", env={"PORT": server.port})
    code, text = why(done)
    assert code == "0x6800"
    assert text.startswith("the peer does not answer in time")


@pytest.mark.requirement("SOCK-CONFIG-018", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONFIG-021", revision=1, kind="negative")
@pytest.mark.parametrize("args, reason", [
    ('"", "name"', "the pre-shared key can't be used: it is empty"),
    ('("x"):rep(600), "name"', "the pre-shared key can't be used: it is too long"),
    ('"key", ("x"):rep(300)', "the pre-shared key's name can't be used: it is too long"),
    ('"key", "a\\0b"', "the pre-shared key's name can't be used: it has a zero byte"),
])
def test_a_key_that_can_not_be_sent_is_told_of(tasks, args, reason):
    """config is true all the same: LuatOS does not look at what setting it gives."""
    done = tasks.run(CLIENT + f'''
        local netc = socket.create(nil, "t")
        show("config", socket.config(netc, nil, true, true, nil, nil, nil, {args}))
    ''')
    assert done.texts("config") == ["true"]
    assert reason in done.warnings[0]


# ---- datagrams -------------------------------------------------------------------------------------


def test_one_datagram_is_read_at_a_time(tasks, tls):
    """With the peer's address; what is beyond the limit is lost, and limit 0 drops it all."""
    server = tls.openssl("-dtls", "-cert", "server")
    with tasks.start(CLIENT + '''
        local netc = online(secure())
        socket.tx(netc, "ping\\n")
        local buff = zbuff.create(64)
        local function rx(limit)
            while select(2, socket.rx(netc)) == 0 do event() end
            show("len", socket.rx(netc))
            local ok, n, ip, port = socket.rx(netc, buff, 0, limit)
            show("rx", ok, n, ip and ip:toHex(), port == PORT)
        end
        rx(100) rx(2) rx(0) rx(100)
        show("buff", buff:toStr(0, buff:used()))
    ''', env={"PORT": server.port}) as run:
        server.wait("ping")
        for count, text in enumerate(["one\n", "two\n", "three\n", "four\n"], 1):
            server.say(text)
            run.wait_log("rx", count=count)
        done = run.finish()
    assert done.texts("len") == ["true 4", "true 4", "true 6", "true 5"]
    assert done.texts("rx") == ["true 4 007F000001 true", "true 2 007F000001 true",
                                "true 0 nil false", "true 5 007F000001 true"]
    assert done.texts("buff") == ["one\ntwfour\n"]


def test_an_address_given_to_tx_is_ignored(tasks, tls, udp_peer):
    """There is one peer."""
    server = tls.openssl("-dtls", "-cert", "server")
    with tasks.start(CLIENT + f'''
        local netc = online(secure())
        show("tx", socket.tx(netc, "ping\\n", "127.0.0.1", {udp_peer.port}))
        until_event("TX_OK 0")
    ''', env={"PORT": server.port}) as run:
        server.wait("ping")
        done = run.finish()
    assert done.texts("tx") == ["true false false"]
    udp_peer.sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        udp_peer.recv()


def test_more_than_a_record_holds_is_not_sent(tasks, tls):
    """16384 bytes are; one more is an error, and the control is to be closed."""
    server = tls.openssl("-dtls", "-cert", "server")
    with tasks.start(CLIENT + '''
        local netc = online(secure())
        show("tx", socket.tx(netc, ("x"):rep(16383) .. "\\n"))
        until_event("TX_OK 0")
        show("tx", socket.tx(netc, ("y"):rep(16385)))
        show("tx", socket.tx(netc, "z"))
    ''', env={"PORT": server.port}) as run:
        server.wait("x" * 16383)
        done = run.finish()
    assert done.texts("tx") == ["true false false", "false true false", "false true false"]
    assert "netc 1: TLS 0x7100: 16385 bytes are more than a record holds" in done.firmware("net")


def test_discon_ends_it_at_once_and_without_a_word(tasks, tls):
    """(true, true) and no event; no close_notify for the peer (observed)."""
    server = tls.openssl("-dtls", "-cert", "server")
    proxy = tls.udp_proxy(server.port)
    with tasks.start(CLIENT + '''
        local netc = online(secure())
        socket.tx(netc, "ping\\n")
        until_event("TX_OK 0")
        show("discon", socket.discon(netc))
        settle()
    ''', env={"PORT": proxy.port}) as run:
        server.wait("ping")
        done = run.finish()
    assert done.texts("discon") == ["true true"]
    assert done.reports() == [("ON_LINE", 0), ("TX_OK", 0)]
    assert [data[0] for data in proxy.seen["up"] if data[3:5] != b"\0\0"] == [23]


# ---- networks that misbehave ---------------------------------------------------------------------


@pytest.mark.parametrize("way", ["up", "down"])
def test_a_lost_flight_is_sent_again(tasks, tls, way):
    """Ours after 2 s; a module has the time-out, but nothing that looks at it (divergence D11)."""
    server = tls.openssl("-dtls", "-cert", "server")
    proxy = tls.udp_proxy(server.port, **{way: lambda i, data: [] if i == 0 else [data]})
    talk(tasks, server, CA, port=proxy.port)
    hellos = [data for data in proxy.seen["up"] if data[0] == 22 and data[13] == 1]
    assert len(hellos) == 3  # the last one has the cookie
    assert hellos[0][13:] == hellos[1][13:]  # the same message in another record


def test_datagrams_that_come_twice_or_late_do_no_harm(tasks, tls):
    """Each one is passed on two times, the second behind the next one."""
    server = tls.openssl("-dtls", "-cert", "server")
    held = []

    def twice(i, data):
        out = [data, data, *held]
        held[:] = [data]
        return out

    proxy = tls.udp_proxy(server.port, down=twice)
    done = talk(tasks, server, CA, port=proxy.port)
    assert len(done.events("tls.done")) == 1


def test_datagrams_that_are_not_the_servers_do_no_harm(tasks, tls):
    """Empty ones, single bytes, rubbish of every size, headers of records without the rest, from
    the server's own address, before each of its datagrams and while the control is online."""
    server = tls.openssl("-dtls", "-cert", "server", "-listen")
    noise = random.Random(4)

    def rubbish(i, data):
        headers = [bytes([kind, 254, version]) + noise.randbytes(8) + bytes([0, length])
                   for kind in (20, 21, 22, 23, 24) for version in (253, 255) for length in (0, 200)]
        random_ones = [noise.randbytes(size) for size in (1, 12, 13, 14, 100, 1400, 16000, 60000)]
        return [b"", *headers, *random_ones, data[:13], data[:-1], data]

    proxy = tls.udp_proxy(server.port, down=rubbish)
    done = talk(tasks, server, CA, port=proxy.port)
    assert ("ON_LINE", -1) not in done.reports()


def test_a_changed_byte_is_dropped_with_its_datagram(tasks, tls):
    """The handshake goes on with the one that is sent again."""
    server = tls.openssl("-dtls", "-cert", "server")

    def rule(i, data):
        sealed = data[0] == 22 and data[3:5] != b"\0\0"  # the server's finished: epoch 1
        if sealed and not changed:
            changed.append(data)
            return [data[:-1] + bytes([data[-1] ^ 1]), data]
        return [data]

    changed = []
    proxy = tls.udp_proxy(server.port, down=rule)
    talk(tasks, server, CA, port=proxy.port)


def test_a_port_where_nobody_is_stays_silent(tasks, peers):
    """No event until --set handshake_timeout; a module waits for ever."""
    port = peers.free_port(socket.SOCK_DGRAM)
    done = tasks.run(CLIENT + '''
        local netc = secure()
        socket.connect(netc, HOST, PORT)
        settle()
        show("state", socket.state(netc))
        expect("ON_LINE -1")
        show("state", socket.state(netc))
    ''', "--set", "handshake_timeout=500", env={"PORT": port})
    assert done.texts("state") == ["4 正在TLS握手"] * 2
    assert why(done)[0] == "0x6800"
    assert "a module waits for ever" in done.warnings[0]


def test_an_alert_is_named(tasks, tls):
    """A fatal one in place of the server's hello."""
    server = tls.openssl("-dtls", "-cert", "server")
    alert = b"\x15\xfe\xfd" + bytes(8) + b"\0\x02\x02\x28"
    proxy = tls.udp_proxy(server.port, down=lambda i, data: [alert])
    done = tasks.run(CLIENT + "failed(secure())", env={"PORT": proxy.port})
    assert why(done) == ("0x7780", 'the peer ended it with the alert "handshake failure"')
