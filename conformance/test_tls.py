"""TLS: socket.config's is_tls and its four certificate arguments, against real servers."""

import random
import re
import ssl
import threading

import pytest

from tls_peers import CERTS, cert, echo, lua, records, server_context

CA = lua(cert("ca.crt"))

TLS_1_2 = {"maximum_version": ssl.TLSVersion.TLSv1_2}
TLS_1_3 = {"minimum_version": ssl.TLSVersion.TLSv1_3, "num_tickets": 0}

# secure(ca, cert, key, password): a control that speaks TLS
CLIENT = '''
    local function secure(...)
        return tcp(nil, nil, true, nil, nil, nil, ...)
    end
    local function failed(netc, host)      -- its connecting fails
        assert(socket.connect(netc, host or HOST, PORT))
        expect("ON_LINE -1")
    end
'''

PING = '''
    assert(socket.tx(netc, "ping\\n"))
    until_event("TX_OK 0")
    show("got", read_bytes(netc, 5))
'''


def why(done):
    """The reason that the log gives for a failed handshake, and the number before it."""
    lines = done.firmware("net")
    codes = [line for line in lines if line.startswith("TLS handshake failed 0x")]
    words = [line.partition(": TLS handshake: ")[2] for line in lines if ": TLS handshake: " in line]
    assert len(codes) == len(words) == 1, done
    return codes[0].split()[3], words[0]


def run_failing(tasks, body, port, *args, **options):
    """A script that ends online nowhere: its log's reason."""
    done = tasks.run(CLIENT + body, *args, env={"PORT": port}, **options)
    assert done.reports()[0] == ("ON_LINE", -1), done
    assert set(done.reports()[1:]) <= {("EVENT", -1)}
    assert done.states()[-1] == "SHAKEHAND"  # a failure leaves the number
    return why(done)


# ---- servers of every kind -------------------------------------------------------------------


@pytest.mark.parametrize("options, spoken", [
    (("-cert", "server"), "TLSv1.2, ECDHE-ECDSA-"),
    (("-cert", "server-rsa"), "TLSv1.2, ECDHE-RSA-"),
    (("-cert", "chain", "-cert_chain", "chain"), "TLSv1.2, ECDHE-ECDSA-"),
    (("-cert", "server-rsa", "-tls1", "-cipher", "DEFAULT:@SECLEVEL=0"), "TLSv1, ECDHE-RSA-AES"),
    (("-cert", "server-rsa", "-tls1", "-cipher", "AES128-SHA:@SECLEVEL=0"), "TLSv1, AES128-SHA"),
    (("-cert", "server", "-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"), "TLSv1.1, ECDHE-ECDSA-"),
    (("-cert", "server-rsa", "-cipher", "DHE-RSA-AES256-GCM-SHA384"), "TLSv1.2, DHE-RSA-AES256"),
], ids=["ecdsa", "rsa", "chain", "tls1.0", "tls1.0-rsa-key-exchange", "tls1.1", "dhe"])
def test_openssl_servers_of_every_kind_are_spoken_to(tasks, tls, options, spoken):
    """TLS 1.0 to 1.2, and the suites that mbedTLS has, with the CA checked."""
    server = tls.openssl(*options, "-rev")
    done = tasks.run(CLIENT + f'''
        local netc = online(secure({CA}))
        {PING}
    ''', env={"PORT": server.port})
    assert done.texts("got") == ["gnip\n"]
    assert done.events("tls.done")[0]["with"].startswith(spoken)
    assert done.states() == ["OFF_LINE", "CONNECTING", "SHAKEHAND", "ONLINE"][-3:]


def test_the_hosts_openssl_configuration_changes_nothing(tasks, tls, tmp_path):
    """A module has none."""
    conf = tmp_path / "openssl.cnf"
    conf.write_text("openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n"
                    "[c]\nMinProtocol = TLSv1.3\nCipherString = DEFAULT:@SECLEVEL=3\n")
    done = tasks.run(CLIENT + '''
        local netc = online(secure())
    ''', env={"PORT": tls.server().port, "OPENSSL_CONF": conf})
    assert done.events("tls.done")[0]["with"].startswith("TLSv1.2")


def test_a_server_of_tls_1_3_alone_is_refused_by_default(tasks, tls):
    """Modules speak 1.2 at the most."""
    server = tls.openssl("-cert", "server", "-tls1_3")
    assert run_failing(tasks, "failed(secure())", server.port) == \
        ("0x7780", 'the peer ended it with the alert "protocol version"')


def test_tls_1_3_is_a_choice_of_the_board(tasks, tls):
    """--tls-max 1.3; new keys of the server pass unseen."""
    server = tls.openssl("-cert", "server", "-tls1_3", "-num_tickets", "0")
    with tasks.start(CLIENT + f'''
        local netc = online(secure({CA}))
        log.info("online", "")
        show("got", read_bytes(netc, 6))
        show("tx", socket.tx(netc, "bye\\n"))
        until_event("TX_OK 0")
    ''', "--tls-max", "1.3", env={"PORT": server.port}) as run:
        run.wait_log("online")
        server.say("K\n")
        run.wait_trace("netc.event", event="EVENT", param=0)
        server.say("hello\n")
        server.wait("bye")
        done = run.finish()
    assert done.texts("got") == ["hello\n"]
    assert done.events("tls.done")[0]["with"].startswith("TLSv1.3")


def test_a_server_that_renegotiates_gets_what_is_sent_meanwhile(tasks, tls):
    """mbedTLS lets it; nothing is lost, and the script sees EVENT 0 with nothing to read."""
    server = tls.openssl("-cert", "server", "-tls1_2")
    with tasks.start(CLIENT + '''
        local netc = online(secure())
        log.info("online", "")
        until_event("EVENT 0")                       -- the server's request
        show("rx", socket.rx(netc))
        show("tx", socket.tx(netc, "meanwhile\\n"))
        show("got", read_bytes(netc, 6))
    ''', env={"PORT": server.port}) as run:
        run.wait_log("online")
        server.say("R\n")
        run.wait_log("rx")
        # it takes two of its lines: the renegotiation is over when data comes through
        server.wait("meanwhile")
        server.say("hello\n")
        done = run.finish()
    assert done.texts("rx") == ["true 0"]
    assert done.texts("tx") == ["true false false"]
    assert done.texts("got") == ["hello\n"]


def test_nginx_answers_an_https_request(tasks, tls):
    """The request as a script writes it."""
    done = tasks.run(CLIENT + f'''
        local netc = online(secure({CA}))
        socket.tx(netc, "GET / HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n")
        local data = ""
        repeat
            local ok, got = socket.read(netc)
            data = data .. (ok and got or "")
            if ok and #got == 0 then event() end
        until not ok
        show("status", data:match("^[^\\r]*"))
        show("body", data:match("\\r\\n\\r\\n(.*)$"))
    ''', env={"PORT": tls.nginx().port})
    assert done.texts("status") == ["HTTP/1.1 200 OK"]
    assert done.texts("body") == ["hello from nginx"]


def test_mosquitto_takes_an_mqtt_connect(tasks, tls):
    """CONNECT by hand, MQTT 3.1.1 section 3.1; CONNACK 20 02 00 00."""
    done = tasks.run(CLIENT + f'''
        local netc = online(secure({CA}))
        local id = "luatos"
        local body = "\\0\\4MQTT\\4\\2\\0\\60" .. string.char(0, #id) .. id
        socket.tx(netc, "\\x10" .. string.char(#body) .. body)
        show("connack", read_bytes(netc, 4):toHex())
        socket.tx(netc, "\\xc0\\0")                  -- PINGREQ
        show("pingresp", read_bytes(netc, 2):toHex())
    ''', env={"PORT": tls.mosquitto().port})
    assert done.texts("connack")[0].startswith("20020000")
    assert done.texts("pingresp")[0].startswith("D000")


# ---- verification -----------------------------------------------------------------------------


@pytest.mark.requirement("SOCK-CONFIG-017", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONFIG-022", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-023", revision=1, kind="positive")
@pytest.mark.parametrize("name", ["self-signed", "expired", "wrong-host"])
def test_without_a_ca_every_certificate_will_do(tasks, tls, name):
    """No arg 8, no verification, and no word about dates: nobody looked."""
    done = tasks.run(CLIENT + f'''
        local netc = online(secure())
        {PING}
    ''', env={"PORT": tls.server(name).port})
    assert done.texts("got") == ["ping\n"]
    assert done.warnings == []


@pytest.mark.requirement("SOCK-CONFIG-017", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-STATE-012", revision=1, kind="negative")
@pytest.mark.parametrize("name, reason", [
    ("self-signed", "self-signed certificate (number 0 of its chain: /CN=self-signed, "
                    "valid until 2099-12-31 23:59:59 UTC)"),
    ("wrong-host", 'it is not for "127.0.0.1" (number 0 of its chain: /CN=wrong-host, '
                   "valid until 2099-12-31 23:59:59 UTC)"),
])
def test_with_a_ca_others_are_refused_with_the_reason(tasks, tls, name, reason):
    """mbedTLS's 0x2700, and which check, which certificate, until when."""
    server = tls.server(name)
    assert run_failing(tasks, f"failed(secure({CA}))", server.port) == \
        ("0x2700", f"the peer's certificate is refused: {reason}")


def test_a_chain_without_its_middle_is_refused(tasks, tls):
    """The client looks nowhere else: neither in the host's CAs nor on the internet."""
    server = tls.openssl("-cert", "chain")
    code, reason = run_failing(tasks, f"failed(secure({CA}))", server.port)
    assert code == "0x2700"
    assert "unable to get local issuer certificate (number 0 of its chain: /CN=chain, " in reason


@pytest.mark.requirement("SOCK-CONFIG-010", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-017", revision=1, kind="positive")
def test_the_ca_may_be_der_or_the_servers_own_certificate(tasks, tls):
    """mbedTLS trusts whatever it is given."""
    ports = [tls.server("server").port, tls.server("self-signed").port]
    done = tasks.run(CLIENT + f'''
        online(secure({lua(cert("ca.der"))}), HOST, {ports[0]})
        online(secure({lua(cert("self-signed.crt"))}), HOST, {ports[1]})
        online(secure({lua(cert("self-signed.crt") + cert("ca.crt"))}), HOST, {ports[0]})
    ''')
    assert len(done.events("tls.done")) == 3


@pytest.mark.parametrize("name, warning", [
    ("expired", "/CN=expired has expired: 2002-01-01 00:00:00 UTC"),
    ("future", "/CN=future is not valid before 2095-01-01 00:00:00 UTC"),
])
def test_dates_are_not_looked_at_but_told_of(tasks, tls, name, warning):
    """mbedTLS on a module is built without a calendar."""
    done = tasks.run(CLIENT + f'''
        local netc = online(secure({CA}))
        {PING}
    ''', env={"PORT": tls.server(name).port})
    assert done.texts("got") == ["ping\n"]
    assert done.warnings == [f"netc 1: the certificate {warning}; "
                             "a module does not look at dates, other clients refuse it"]
    assert warning in done.stderr


def test_an_integer_address_is_looked_for_in_the_certificate(tasks, tls):
    """mbedTLS 2 skips the check, mbedTLS 3.6 refuses; a warning says so. No name is sent."""
    server = tls.server()
    done = tasks.run(CLIENT + f'''
        online(secure({CA}), 0x0100007f)
    ''', env={"PORT": server.port})
    assert server.names == [None]
    assert len([w for w in done.warnings if "TLS to an integer address" in w]) == 1


@pytest.mark.parametrize("name, outcome", [("server", "ON_LINE 0"), ("wrong-host", "ON_LINE -1")])
def test_an_ipv6_address_is_looked_for_in_the_certificate(tasks, tls, name, outcome):
    """As an address, whatever way it is written."""
    server = tls.server(name, host="::1")
    done = tasks.run(CLIENT + f'''
        assert(socket.connect(secure({CA}), "0:0:0:0:0:0:0:1", PORT))
        show("outcome", event())
    ''', env={"PORT": server.port})
    assert done.texts("outcome") == [outcome]


def test_names_are_sent_and_looked_for(tasks, netns):
    """SNI is the text given to connect, an address too."""
    netns.resolv_conf("nameserver 127.0.0.1\n")
    netns.dnsmasq(records={"server.test": "127.0.0.1", "other.test": "127.0.0.1"})
    names, conns = [], []
    context = server_context("server")
    context.sni_callback = lambda sock, name, of: names.append(name)
    server = netns.peers.tcp_server()

    def serve():
        for _ in range(3):
            try:
                conns.append(context.wrap_socket(server.accept().sock, server_side=True))
            except (OSError, ssl.SSLError):
                pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    done = tasks.run(CLIENT + f'''
        online(secure({CA}), "server.test")
        online(secure({CA}), HOST)
        failed(secure({CA}), "other.test")
    ''', env={"PORT": server.port}, netns=netns)
    thread.join(30)
    for conn in conns:
        conn.close()
    assert names == ["server.test", "127.0.0.1", "other.test"]
    assert why(done)[1].startswith('the peer\'s certificate is refused: it is not for "other.test"')


# ---- our own certificate ------------------------------------------------------------------------


@pytest.mark.requirement("SOCK-CONFIG-020", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-024", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-025", revision=1, kind="positive")
@pytest.mark.parametrize("crt, key, password", [
    ("client.crt", "client.key", None),
    ("client.der", "client-key.der", None),
    ("client.crt", "client-encrypted.key", "secret"),
    ("client.der", "client-encrypted.der", "secret"),
    ("client.crt", "client-legacy.key", "secret"),
])
def test_a_client_certificate_is_shown(tasks, tls, crt, key, password):
    """PEM and DER; a key's password, which a module gets wrong by one byte (divergence D10)."""
    subjects = []

    def serve(conn):
        subjects.append(conn.getpeercert()["subject"])
        echo(conn)

    server = tls.server(serve=serve, verify_mode=ssl.CERT_REQUIRED)
    server.context.load_verify_locations(CERTS / "ca.crt")
    done = tasks.run(CLIENT + f'''
        local netc = online(secure({CA}, {lua(cert(crt))}, {lua(cert(key))}{
            f', "{password}"' if password else ""}))
        {PING}
    ''', env={"PORT": server.port})
    assert done.texts("got") == ["ping\n"]
    assert subjects == [((("commonName", "client"),),)]


@pytest.mark.requirement("SOCK-CONFIG-020", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONFIG-022", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONFIG-023", revision=1, kind="negative")
def test_a_server_that_wants_a_certificate_refuses_who_has_none(tasks, tls):
    """Its alert is in the log."""
    server = tls.openssl("-cert", "server", "-tls1_2", "-Verify", "1", "-CAfile", "ca",
                         "-verify_return_error")
    code, reason = run_failing(tasks, "failed(secure())", server.port)
    assert code == "0x7780"
    assert re.fullmatch('the peer ended it with the alert "(handshake failure|certificate required)"',
                        reason)


@pytest.mark.requirement("SOCK-CONFIG-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONFIG-017", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONFIG-020", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONFIG-024", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONFIG-025", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONFIG-026", revision=1, kind="negative")
@pytest.mark.parametrize("args, reason", [
    (["rubbish"], "the CA certificate can't be used: it is no certificate in PEM or DER, or only in part"),
    ([""], "the CA certificate can't be used: it is no certificate in PEM or DER, or only in part"),
    ([cert("ca.crt")[:-40]], "the CA certificate can't be used: "
                             "it is no certificate in PEM or DER, or only in part"),
    ([cert("ca.crt"), "rubbish", cert("client.key")], "the client certificate can't be used: "),
    ([cert("ca.crt"), cert("client.crt")], "the client certificate's key can't be used: there is none"),
    ([cert("ca.crt"), cert("client.crt"), "rubbish"],
     "the client certificate's key can't be used: it is no key in PEM or DER"),
    ([cert("ca.crt"), cert("client.crt"), cert("server.key")],
     "the client certificate's key can't be used: it belongs to another certificate"),
    ([cert("ca.crt"), cert("client.crt"), cert("server-rsa.key")],
     "the client certificate's key can't be used: it belongs to another certificate"),
    ([cert("ca.crt"), cert("client.crt"), cert("client-encrypted.key")],
     "the client certificate's key can't be used: it is encrypted, and there is no password"),
    ([cert("ca.crt"), cert("client.crt"), cert("client-legacy.key"), "wrong"],
     "the client certificate's key can't be used: it is encrypted, and the password does not open it"),
], ids=lambda value: None if isinstance(value, str) else "given")
def test_what_can_not_be_used_makes_config_false(tasks, args, reason):
    """And a warning says what is wrong with which; the firmware's line is LuatOS's."""
    texts = [lua(arg if isinstance(arg, bytes) else arg.encode()) for arg in args]
    done = tasks.run(f'''
        local netc = socket.create(nil, "t")
        show("config", socket.config(netc, nil, nil, true, nil, nil, nil, {", ".join(texts)}))
    ''')
    assert done.texts("config") == ["false"]
    assert f"socket.config: {reason}" in done.warnings[0]
    assert done.firmware("socket") == [
        f"network_set_{'server' if 'the CA' in reason else 'client'}_cert failed"]


def test_after_a_false_config_the_control_speaks_tls_and_trusts_nobody(tasks, tls):
    """LuatOS has set the mode before it looks at the certificate (observed)."""
    code, reason = run_failing(tasks, '''
        local netc = socket.create(nil, "t")
        socket.config(netc, nil, nil, true, nil, nil, nil, "rubbish")
        failed(netc)
    ''', tls.server().port)
    assert code == "0x2700"


@pytest.mark.requirement("SOCK-CONFIG-011", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-019", revision=1, kind="positive")
def test_config_without_tls_makes_it_plain_again(tasks, tls, tcp_server):
    """S:435."""
    with tasks.start(CLIENT + f'''
        local netc = secure({CA})
        socket.config(netc)
        online(netc)
        socket.tx(netc, "plain")
        expect("TX_OK 0")
    ''', env={"PORT": tcp_server.port}) as run:
        assert tcp_server.accept().recv_exactly(5) == b"plain"
        run.finish()


def test_config_of_an_online_control_is_for_its_next_connection(tasks, tls):
    """The present one keeps what it has: a certificate that would be refused goes on."""
    done = tasks.run(CLIENT + f'''
        local netc = online(secure())
        assert(socket.config(netc, nil, nil, true, nil, nil, nil, {CA}))
        {PING}
        socket.close(netc)
        sys.cleanMsg("t")
        assert(socket.connect(netc, HOST, PORT))
        until_event("ON_LINE -1")
    ''', env={"PORT": tls.server("self-signed").port})
    assert done.texts("got") == ["ping\n"]


# ---- data -----------------------------------------------------------------------------------------


def test_rx_gives_what_is_left_of_one_record(tasks, tls):
    """A burst of 40000 bytes is read as 16384, 16384, 7232 and 0 (observed)."""
    def serve(conn):
        conn.sendall(bytes(40000))
        echo(conn)

    done = tasks.run(CLIENT + '''
        local netc = online(secure())
        local buff, got = zbuff.create(8), 0
        while got < 40000 do
            local ok, n = socket.rx(netc, buff)
            assert(ok)
            got = got + n
            if n > 0 then log.info("rx", n) else event() end
        end
        show("rx", socket.rx(netc, buff))
        show("used", buff:used())
    ''', env={"PORT": tls.server(serve=serve).port})
    assert done.texts("rx") == ["16384", "16384", "7232", "true 0"]
    assert done.texts("used") == ["40000"]


def test_a_limited_rx_leaves_the_rest_of_the_record(tasks, tls):
    """And a length query says how much that is."""
    def serve(conn):
        conn.sendall(b"hello")
        conn.sendall(b"world")
        echo(conn)

    done = tasks.run(CLIENT + '''
        local netc = online(secure())
        local buff = zbuff.create(64)
        while select(2, socket.rx(netc)) == 0 do event() end
        show("rx", socket.rx(netc, buff, 0, 2))
        show("left", socket.rx(netc))
        show("rx", socket.rx(netc, buff))
        while select(2, socket.rx(netc)) == 0 do event() end
        show("read", socket.read(netc, 3))
        show("read", socket.read(netc))
        show("buff", buff:toStr(0, buff:used()))
    ''', env={"PORT": tls.server(serve=serve).port})
    assert done.texts("rx") == ["true 2 nil nil", "true 3 nil nil"]
    assert done.texts("left") == ["true 3"]
    assert done.texts("read") == ["true wor", "true ld"]
    assert done.texts("buff") == ["hello"]


def test_a_megabyte_each_way_arrives_whole(tasks, tls):
    """tx says full when it must; nothing is lost or doubled."""
    seen = []

    def serve(conn):
        data = b""
        while len(data) < 1_000_000:
            data += conn.recv(65536)
        seen.append(data)
        conn.sendall(data[::-1])
        echo(conn)

    done = tasks.run(CLIENT + '''
        local netc = online(secure())
        local data = ("0123456789"):rep(100000)
        local sent = 0
        while sent < #data do
            local ok, full = socket.tx(netc, data:sub(sent + 1, sent + 50000))
            assert(ok)
            if full then until_event("TX_OK 0") else sent = sent + 50000 end
        end
        show("same", read_bytes(netc, #data) == data:reverse())
    ''', env={"PORT": tls.server(serve=serve).port})
    assert seen == [b"0123456789" * 100000]
    assert done.texts("same") == ["true"]


def test_data_that_comes_with_the_handshake_is_announced(tasks, tls):
    """A module says nothing until more comes (divergence D22)."""
    def behave(i, conn):
        conn.send(conn.flight())
        conn.send(conn.flight() + conn.sealed(b"early"))
        conn.hold()

    done = tasks.run(CLIENT + '''
        local netc = online(secure())
        expect("EVENT 0")
        show("read", socket.read(netc))
    ''', env={"PORT": tls.raw(behave, maximum_version=ssl.TLSVersion.TLSv1_2).port})
    assert done.texts("read") == ["true early"]


ONCE_AN_EVENT = CLIENT + '''
    local netc = secure()
    local buff = zbuff.create(64)
    local texts = {}
    online(netc)
    repeat
        event()
        local ok, len = socket.rx(netc, buff)
        texts[#texts + 1] = ok and tostring(len) or "end"
    until not ok
    show("lens", table.concat(texts, " "))
    show("data", #buff:query())
'''


@pytest.mark.parametrize("ends", ["", "and says so"])
def test_records_that_come_together_have_an_event_each(tasks, tls, ends):
    """luat_network_adapter.c, network_state_on_line: an event for every segment that comes, and
    scripts (httpplus is one) read once an event, which is one record, until rx fails."""
    def behave(i, conn):
        conn.shake()
        conn.send(b"".join(conn.sealed(b"x" * n) for n in (10, 200, 3000))
                  + (conn.close_notify() if ends else b""))

    done = tasks.run(ONCE_AN_EVENT, env={"PORT": tls.raw(behave, **TLS_1_2).port})
    assert done.texts("lens") == ["10 200 3000 end"]
    assert done.texts("data") == ["3210"]


def test_records_that_are_read_to_the_end_have_no_event_left(tasks, tls):
    """What announces the next record is silent when the script has read that too."""
    def behave(i, conn):
        conn.shake()
        conn.send(b"".join(conn.sealed(b"x" * 100) for _ in range(20)))
        closed.acquire(timeout=30)

    closed = threading.Semaphore(0)
    with tasks.start(CLIENT + '''
        local netc = online(secure())
        expect("EVENT 0")
        show("bytes", #read_bytes(netc, 2000))
        socket.tx(netc, "x")
        expect("TX_OK 0")
    ''', env={"PORT": tls.raw(behave, **TLS_1_2).port}) as run:
        done = run.finish()
        closed.release()
    assert done.code == 0, done
    assert done.texts("bytes") == ["2000"]


def test_a_close_notify_is_an_event_and_then_read_fails(tasks, tls):
    """What came before it is readable; the FIN is EVENT -1 (observed)."""
    def behave(i, conn):
        conn.shake()
        conn.send(conn.sealed(b"bye") + conn.close_notify())
        closed.acquire(timeout=30)

    closed = threading.Semaphore(0)
    with tasks.start(CLIENT + '''
        local netc = online(secure())
        show("got", read_bytes(netc, 3))
        show("read", socket.read(netc))
        log.info("ready", "")
        until_event("EVENT -1")
        show("rx", socket.rx(netc))
        show("tx", socket.tx(netc, "x"))
        show("discon", socket.discon(netc))
        until_event("CLOSED 0")
    ''', env={"PORT": tls.raw(behave, **TLS_1_2).port}) as run:
        run.wait_log("ready")
        assert ("EVENT", -1) not in run.reports()
        closed.release()
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("got") == ["bye"]
    assert done.texts("read") == ["false"]
    assert done.texts("rx") == ["false 0"]
    assert done.texts("tx") == ["false true false"]
    assert not any("TLS 0x" in line for line in done.firmware("net"))  # it is no error


def test_no_close_notify_is_sent(tasks, tls):
    """Neither by discon nor by close: the peer sees an abrupt end (observed)."""
    endings = []
    both = threading.Semaphore(0)

    def behave(i, conn):
        conn.shake()
        endings.append(conn.sock.recv(100))
        both.release()

    server = tls.raw(behave, **TLS_1_2)
    tasks.run(CLIENT + '''
        local netc = online(secure())
        socket.discon(netc)
        until_event("CLOSED 0")
        netc = online(secure())
        socket.close(netc)
    ''', env={"PORT": server.port})
    assert both.acquire(timeout=30) and both.acquire(timeout=30)
    assert endings == [b"", b""]


def test_a_control_connects_again_and_again(tasks, tls):
    """Each time with a full handshake: no session is resumed."""
    reused = []

    def serve(conn):
        reused.append(conn.session_reused)
        echo(conn)

    done = tasks.run(CLIENT + f'''
        local netc = secure({CA})
        for i = 1, 20 do
            assert(socket.connect(netc, HOST, PORT))
            until_event("ON_LINE 0")
            {PING}
            socket.close(netc)
        end
    ''', env={"PORT": tls.server(serve=serve).port})
    assert done.texts("got") == ["ping\n"] * 20
    assert reused == [False] * 20


def test_listening_with_tls_is_refused(tasks):
    """A module would go online without a handshake."""
    done = tasks.run(CLIENT + '''
        show("listen", socket.listen(secure()))
    ''')
    assert done.texts("listen") == ["false false"]
    assert done.firmware("socket") == ["listen fail: there is no TLS for servers"]


# ---- key log and sslLog --------------------------------------------------------------------------


@pytest.mark.parametrize("by_option", [True, False], ids=["--keylog", "SSLKEYLOGFILE"])
def test_the_key_log_has_the_servers_secrets(tasks, tls, tmp_path, by_option):
    """In the format that Wireshark reads; the server writes the same lines."""
    ours, theirs = tmp_path / "ours.keys", tmp_path / "theirs.keys"
    server = tls.server(keylog_filename=str(theirs))
    args = ["--keylog", ours] if by_option else []
    env = {} if by_option else {"SSLKEYLOGFILE": ours}
    tasks.run(CLIENT + f'''
        local netc = online(secure())
        {PING}
    ''', *args, env={"PORT": server.port, **env})
    secrets = [line for line in theirs.read_text().splitlines() if not line.startswith("#")]
    assert secrets and ours.read_text().splitlines() == secrets
    assert ours.stat().st_mode & 0o077 == 0


@pytest.mark.requirement("SOCK-SSLLOG-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SSLLOG-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SSLLOG-004", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SSLLOG-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SSLLOG-006", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SSLLOG-006", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SSLLOG-007", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SSLLOG-007", revision=1, kind="negative")
@pytest.mark.parametrize("level, shown, hidden", [
    ("nil", [], ["."]),
    ("socket.sslLog(0)", [], ["."]),
    ("socket.sslLog()", [], ["."]),
    ("socket.sslLog(2)", ["^SSLv3/TLS read server hello", "^done: TLSv1.2, "], ["^send client hello"]),
    ("socket.sslLog(3)", ["^send client hello, \\d+ bytes$", "^receive certificate, "], ["bytes 0"]),
    ("socket.sslLog(4)", ["^send client hello, \\d+ bytes 01 00 "], []),
    ("socket.sslLog(99)", ["^send client hello, \\d+ bytes 01 00 "], []),
])
def test_ssl_log_prints_as_much_as_it_is_asked_to(tasks, tls, level, shown, hidden):
    """0 nothing, 1 errors, 2 states, 3 messages, 4 bytes; without an argument 1."""
    done = tasks.run(CLIENT + f'''
        local _ = {level}
        local netc = online(secure())
    ''', env={"PORT": tls.server().port})
    lines = done.firmware("ssl")
    for pattern in shown:
        assert any(re.search(pattern, line) for line in lines), lines
    for pattern in hidden:
        assert not any(re.search(pattern, line) for line in lines), lines


@pytest.mark.requirement("SOCK-SSLLOG-004", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SSLLOG-005", revision=1, kind="positive")
def test_ssl_log_1_prints_what_goes_wrong(tasks, tls):
    """Alerts both ways, and the reason."""
    done = tasks.run(CLIENT + f'''
        socket.sslLog(1)
        failed(secure({CA}))
    ''', env={"PORT": tls.server("self-signed").port})
    assert "sent fatal alert: unknown CA" in done.firmware("ssl")
    assert any("self-signed certificate" in line for line in done.firmware("ssl"))


# ---- peers that misbehave ------------------------------------------------------------------------


@pytest.mark.parametrize("greeting", [b"220 mail.test ESMTP\r\n", b"SSH-2.0-OpenSSH_9\r\n",
                                      b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 64, b"\xff" * 64])
def test_a_server_without_tls_is_told_from_one_with_it(tasks, peers, greeting):
    """mbedTLS's 0x7200, invalid record."""
    server = peers.tcp_server()
    with tasks.start(CLIENT + "failed(secure())", env={"PORT": server.port}) as run:
        peer = server.accept()
        peer.send(greeting)
        done = run.finish()
    assert done.code == 0, done
    code, reason = why(done)
    assert code == "0x7200"
    assert reason.startswith("what the peer sends is not TLS: ")


def test_a_peer_that_resets_is_told_from_one_that_closes(tasks, peers):
    """In the handshake: 0x50 and 0x7280."""
    server = peers.tcp_server()
    with tasks.start(CLIENT + "failed(secure())", env={"PORT": server.port}) as run:
        peer = server.accept()
        peer.recv_exactly(1)
        peer.reset()
        done = run.finish()
    assert why(done)[0] == "0x50"
    assert why(done)[1].startswith("the connection broke: Connection reset by peer (the handshake")


def test_a_server_that_says_nothing_is_given_up_in_the_end(tasks, peers):
    """--set handshake_timeout; a module waits for ever, which a warning says."""
    server = peers.tcp_server()
    code, reason = run_failing(tasks, "failed(secure()) settle()", server.port,
                               "--set", "handshake_timeout=100")
    assert code == "0x6800"
    assert reason.startswith("the peer does not answer in time (the handshake had come to ")


# One connection after the other, until COUNT of them, or ENOUGH that came online; their outcomes.
SWEEP = '''
    local online, count = 0, 0
    repeat
        local netc = secure()
        assert(socket.connect(netc, HOST, PORT))
        local outcome = event()
        show("outcome", outcome)
        if outcome == "ON_LINE 0" then online = online + 1 end
        count = count + 1
        socket.release(netc)
        sys.cleanMsg("t")
    until count == tonumber(os.getenv("COUNT")) or online == tonumber(os.getenv("ENOUGH"))
'''


def sweep(tasks, server, *args, count=10_000, enough=10_000):
    """Run it. Each failure has its two lines in the log, and the script is told nothing else."""
    done = tasks.run(CLIENT + SWEEP, *args, timeout=400,
                     env={"PORT": server.port, "COUNT": count, "ENOUGH": enough})
    outcomes = done.texts("outcome")
    failures = outcomes.count("ON_LINE -1")
    assert failures + outcomes.count("ON_LINE 0") == len(outcomes)
    assert set(done.reports()) <= {("ON_LINE", 0), ("ON_LINE", -1), ("EVENT", -1), ("EVENT", 0)}
    net = done.firmware("net")
    assert len([line for line in net if line.startswith("TLS handshake failed 0x")]) == failures
    assert len([line for line in net if re.search(r"^netc \d+: TLS handshake: \w+", line)]) == failures
    return done, outcomes


@pytest.mark.parametrize("version, settings, step", [("1.2", TLS_1_2, 1), ("1.3", TLS_1_3, 5)],
                         ids=["tls1.2", "tls1.3"])
def test_a_close_at_any_byte_of_the_handshake_is_a_failure_with_a_reason(
        tasks, tls, version, settings, step):
    """Every length of what the server sends, up to all of it, one connection each."""
    complete = set()

    def behave(i, conn):
        left = i * step
        while data := conn.flight():
            if left < len(data):
                conn.send(data[:left])
                return
            conn.send(data)
            left -= len(data)
        complete.add(i)
        conn.hold()

    server = tls.raw(behave, **settings)
    done, outcomes = sweep(tasks, server, "--tls-max", version, enough=3)
    assert {i for i, outcome in enumerate(outcomes) if outcome == "ON_LINE 0"} == complete
    assert len(outcomes) * step > 600
    assert {line.partition(": TLS handshake: ")[2].partition(" (")[0] for line in done.firmware("net")
            if "TLS handshake: " in line} == {"the peer closed the connection"}


def after_records(count, then):
    """Plays a server that sends i records and then does something else."""
    def behave(i, conn):
        left = i % count
        while data := conn.flight():
            for record in records(data):
                if not left:
                    then(i, conn, record)
                    return
                conn.send(record)
                left -= 1
        then(i, conn, b"")

    return behave


RECORDS = 6  # server hello, certificate, key exchange, hello done; change cipher spec, finished


def test_a_fatal_alert_at_any_step_is_named(tasks, tls):
    """In plain text: handshake_failure, 40; it ends the handshake wherever it comes."""
    server = tls.raw(after_records(RECORDS, lambda i, conn, _: (
        conn.send(b"\x15\x03\x03\x00\x02\x02\x28"), conn.hold())), **TLS_1_2)
    done, outcomes = sweep(tasks, server, count=RECORDS - 1)
    assert outcomes == ["ON_LINE -1"] * (RECORDS - 1)
    net = [line.partition(": TLS handshake: ")[2] for line in done.firmware("net") if ": TLS" in line]
    assert net == ['the peer ended it with the alert "handshake failure"'] * (RECORDS - 1)


def test_rubbish_at_any_step_is_refused(tasks, tls):
    """64 KiB of random bytes, 8 times at each step."""
    noise = random.Random(1)

    def then(i, conn, _):
        conn.send(noise.randbytes(65536))
        conn.hold()

    server = tls.raw(after_records(RECORDS, then), **TLS_1_2)
    _, outcomes = sweep(tasks, server, count=8 * RECORDS)
    assert outcomes == ["ON_LINE -1"] * (8 * RECORDS)


def test_a_changed_byte_anywhere_is_noticed(tasks, tls):
    """One bit of each record turned over, 8 places in each: never online, never a crash."""
    noise = random.Random(2)

    def then(i, conn, record):
        changed = bytearray(record)
        changed[noise.randrange(5, len(record))] ^= 1 << noise.randrange(8)
        conn.send(bytes(changed))
        while data := conn.flight():
            conn.send(data)

    server = tls.raw(after_records(RECORDS, then), **TLS_1_2)
    done, outcomes = sweep(tasks, server, "--set", "handshake_timeout=300", count=8 * RECORDS)
    # a change in the certificate's signature is nobody's business where nothing is verified
    assert outcomes.count("ON_LINE -1") >= 8 * RECORDS * 3 // 4


def test_a_server_that_stops_anywhere_holds_nobody_else_up(tasks, tls):
    """In the middle of each record; all of them together, and meanwhile another one answers."""
    def then(i, conn, record):
        conn.send(record[:len(record) // 2])
        conn.hold()

    server = tls.raw(after_records(RECORDS, then), **TLS_1_2)
    done = tasks.run(CLIENT + f'''
        local stopped = {{}}
        for i = 1, {RECORDS} do
            stopped[i] = secure()
            assert(socket.connect(stopped[i], HOST, PORT))
        end
        sys.taskInitEx(function()
            local netc = socket.create(nil, "other")
            socket.config(netc, nil, nil, true)
            socket.connect(netc, HOST, {tls.server().port})
            sys.waitMsg("other", socket.ON_LINE)
            socket.tx(netc, "ping")
            local data = ""
            while #data < 4 do
                sys.waitMsg("other", socket.EVENT)
                data = data .. select(2, socket.read(netc))
            end
            log.info("other", data)
        end, "other")
        for i = 1, {RECORDS} do expect("ON_LINE -1") end
    ''', "--set", "handshake_timeout=1500", env={"PORT": server.port})
    assert done.texts("other") == ["ping"]
    reasons = [line for line in done.firmware("net") if ": TLS handshake: " in line]
    assert len(reasons) == RECORDS
    assert all("the peer does not answer in time" in line for line in reasons)


def test_what_breaks_an_online_connection_is_logged(tasks, tls):
    """Rubbish, a changed record, an alert, a reset, an end in the middle of a record."""
    def behave(i, conn):
        conn.shake()
        sealed = bytearray(conn.sealed(b"hello"))
        if i == 0:
            conn.send(random.Random(3).randbytes(65536))
        elif i == 1:
            sealed[-1] ^= 1
            conn.send(bytes(sealed))
        elif i == 2:
            conn.send(b"\x15\x03\x03\x00\x02\x02\x14")
        elif i == 3:
            conn.send(bytes(sealed[:-1]))
            return
        conn.hold()

    server = tls.raw(behave, **TLS_1_2)
    done = tasks.run(CLIENT + '''
        for i = 1, 4 do
            local netc = online(secure())
            local ok, got
            repeat
                log.info("param", event())
                ok, got = socket.read(netc)
            until not ok
            show("read", ok, got)
            show("rx", socket.rx(netc))
            show("tx", socket.tx(netc, "x"))
            socket.release(netc)
            sys.cleanMsg("t")
        end
    ''', env={"PORT": server.port})
    assert done.texts("read") == ["false nil"] * 4
    assert done.texts("rx") == ["false 0"] * 4
    logged = {i: [line.partition(f"netc {i}: ")[2] for line in done.firmware("net")
                  if line.startswith(f"netc {i}: TLS 0x")] for i in range(1, 5)}
    assert [len(lines) for lines in logged.values()] == [1, 1, 1, 1], done
    assert "not TLS" in logged[1][0]
    assert "changed on its way" in logged[2][0]
    assert logged[4] == ["TLS 0x7280: the peer closed the connection"]
