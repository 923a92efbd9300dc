"""The lab's TLS and DTLS servers, by OpenSSL's s_client, Python's ssl, tshark, and scripts."""

import re
import shutil
import socket
import ssl
import subprocess

import pytest

from labs import WAIT, Lab
from peers import until
from tls_peers import find_tool

TLS, MUTUAL, EXPIRED, WRONG_HOST, SELF_SIGNED, PSK, TLS_HANGUP = range(40141, 40148)
KEY = b"0123456789abcdef"
CLIENTS_MAX, DTLS_MAX = 256, 64


def s_client(lab, port, *options, say="hello\n"):
    """openssl s_client: what it prints."""
    return lab.client(find_tool("openssl"), "s_client", "-connect", f"{lab.address}:{port}", *options,
                      say=say)


def context(lab, **settings):
    """Python's, which trusts the lab's CA."""
    made = ssl.create_default_context(cafile=lab.file("lab-ca.pem"))
    for name, value in settings.items():
        setattr(made, name, value)
    return made


class Client:
    """A TLS connection of Python's."""

    def __init__(self, lab, port, name="tls.lab", **settings):
        self.plain = lab.tcp(port)
        self.sock = context(lab, **settings).wrap_socket(self.plain.sock, server_hostname=name)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            got = self.sock.recv(count - len(data))
            assert got
            data += got
        return data


# ---- TLS -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1", "-tls1_2", "-tls1_3"])
def test_openssl_speaks_with_it(lab, version):
    """Each version of TLS, the old ones at the lowest security level."""
    printed = s_client(lab, TLS, "-CAfile", lab.file("lab-ca.pem"), "-verify_hostname", "tls.lab", version,
                       "-cipher", "DEFAULT:@SECLEVEL=0")
    spoken = version[1:].replace("tls1_", "TLSv1.").replace("tls1", "TLSv1")
    assert "Verify return code: 0 (ok)" in printed, printed
    done = lab.run.wait_trace("lab.tls.done", peer="tls")
    assert done["with"].startswith(f"{spoken}, ")
    lab.run.wait_trace("lab.close", peer="tls", rx=6, tx=6, error=0)


@pytest.mark.parametrize("name", ["tls.lab", "netlab.luatos.com", "www.baidu.com", None])
def test_its_certificate_is_good_for_its_names_and_its_address(lab, name):
    client = Client(lab, TLS, name or lab.address)
    client.sock.sendall(b"hello")
    assert client.exactly(5) == b"hello"


def test_its_certificates_please_strict_clients(lab):
    """RFC 5280's rules, which Python 3.13 asks for."""
    made = context(lab)
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    client = made.wrap_socket(lab.tcp(TLS).sock, server_hostname="tls.lab")
    assert client.version() == "TLSv1.3"


def test_the_tls_echo_carries_megabytes(lab):
    """In records of every size; and ends when the client says so."""
    client = Client(lab, TLS, maximum_version=ssl.TLSVersion.TLSv1_2)
    data = bytes(i * 7 % 251 for i in range(300_000))
    for size in (1, 5, 1000, 16384, 16385, 300_000):
        client.sock.sendall(data[:size])
        assert client.exactly(size) == data[:size]
    client.sock.unwrap()  # close_notify, and the lab's after it
    lab.run.wait_trace("lab.close", peer="tls", rx=333_775, tx=333_775, error=0)


def test_a_client_that_hangs_up_without_a_word_is_no_error(lab):
    """As modules do."""
    client = Client(lab, TLS)
    client.sock.sendall(b"hello")
    assert client.exactly(5) == b"hello"
    client.sock.close()
    lab.run.wait_trace("lab.close", peer="tls", rx=5, tx=5, error=0)
    assert not lab.run.events("lab.tls.failed")


def test_a_slow_reader_of_tls_holds_up_nobody(lab):
    slow = Client(lab, TLS)
    slow.sock.setblocking(False)
    sent = 0
    with pytest.raises(ssl.SSLWantWriteError):
        while sent < 1 << 28:
            sent += slow.sock.send(b"x" * 16384)
    other = Client(lab, TLS)
    other.sock.sendall(b"hello")
    assert other.exactly(5) == b"hello"
    slow.plain.sock.close()
    slow.sock.close()
    closed = lab.run.wait_trace("lab.close", peer="tls")
    assert closed["rx"] <= closed["tx"] + 64 * 1024


@pytest.mark.parametrize("port, why", [
    (EXPIRED, "certificate has expired"),
    (WRONG_HOST, "Hostname mismatch"),
    (SELF_SIGNED, "self[- ]signed certificate"),
])
def test_bad_certificates_are_bad(lab, port, why):
    """As another client than ours sees them."""
    with pytest.raises(ssl.SSLCertVerificationError, match=why):
        Client(lab, port, {EXPIRED: "expired.lab", WRONG_HOST: "wronghost.lab"}.get(port, "selfsigned.lab"))
    assert lab.run.wait_trace("lab.tls.failed")["why"].startswith("the peer ended it with the alert")
    lab.run.wait_trace("lab.close")


def test_a_client_shows_its_certificate(lab):
    printed = s_client(lab, MUTUAL, "-cert", lab.file("lab-client.pem"), "-key", lab.file("lab-client.key"),
                       "-tls1_2", "-CAfile", lab.file("lab-ca.pem"), "-verify_return_error")
    assert "Acceptable client certificate CA names\nCN = luatos-emu lab CA" in printed, printed
    lab.run.wait_trace("lab.tls.done", peer="mutual")
    lab.run.wait_trace("lab.close", peer="mutual", rx=6, tx=6)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_client_without_one_is_refused(lab, version):
    printed = s_client(lab, MUTUAL, version, "-ign_eof")
    assert re.search("alert (handshake failure|certificate required)", printed), printed
    failed = lab.run.wait_trace("lab.tls.failed", peer="mutual")
    assert "peer did not return a certificate" in failed["why"]


def test_a_client_with_another_ca_s_certificate_is_refused(lab, tmp_path):
    """Such as the client's own."""
    subprocess.run([find_tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x", "-keyout", tmp_path / "x.key",
                    "-out", tmp_path / "x.pem"], check=True, capture_output=True)
    printed = s_client(lab, MUTUAL, "-cert", tmp_path / "x.pem", "-key", tmp_path / "x.key", "-ign_eof")
    assert re.search("alert (unknown ca|bad certificate|decrypt error)", printed), printed
    assert "refused" in lab.run.wait_trace("lab.tls.failed", peer="mutual")["why"]


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_pre_shared_key(lab, version):
    s_client(lab, PSK, version, "-psk", KEY.hex(), "-psk_identity", "lab")
    assert "PSK" in lab.run.wait_trace("lab.tls.done", peer="psk")["with"] or version == "-tls1_3"
    lab.run.wait_trace("lab.close", peer="psk", rx=6, tx=6, error=0)


@pytest.mark.parametrize("key, name", [(b"another", "lab"), (KEY, "label"), (KEY, "la")])
def test_another_key_or_name_is_refused(lab, key, name):
    s_client(lab, PSK, "-tls1_2", "-psk", key.hex(), "-psk_identity", name)
    lab.run.wait_trace("lab.tls.failed", peer="psk")
    lab.run.wait_trace("lab.close", peer="psk", rx=0, tx=0)


def test_a_hang_up_in_the_handshake(lab):
    printed = s_client(lab, TLS_HANGUP)
    assert "SSL handshake has read 0 bytes" in printed, printed
    lab.run.wait_trace("lab.close", peer="tlshangup", error=0)


# ---- what is no good ---------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + bytes(100),
                                  b"\x16\x03\x01\x00\x05hello", b"\0" * 600, b"\x80\x2e\x01\0\x02"],
                         ids=["http", "record-too-long", "no-hello", "zeros", "ssl-2"])
def test_what_is_no_hello_is_the_end(lab, data):
    """After an alert, where TLS has one."""
    peer = lab.tcp(TLS)
    peer.send(data)
    peer.half_close()
    try:
        peer.recv_to_end()
    except ConnectionResetError:
        pass  # for what it did not read
    lab.run.wait_trace("lab.tls.failed", peer="tls")
    lab.run.wait_trace("lab.close", peer="tls", rx=0, tx=0)


def test_a_hello_in_single_bytes_is_one(lab):
    client, server = ssl.MemoryBIO(), ssl.MemoryBIO()
    end = context(lab).wrap_bio(server, client, server_hostname="tls.lab")
    peer = lab.tcp(TLS)
    while True:
        try:
            end.do_handshake()
            break
        except ssl.SSLWantReadError:
            peer.send_bytewise(client.read())
            server.write(peer.sock.recv(65536))
    peer.send_bytewise(client.read())
    lab.run.wait_trace("lab.tls.done", peer="tls")


def test_a_changed_record_breaks_it(lab):
    client, server = ssl.MemoryBIO(), ssl.MemoryBIO()
    end = context(lab).wrap_bio(server, client, server_hostname="tls.lab")
    peer = lab.tcp(TLS)
    while True:
        try:
            end.do_handshake()
            break
        except ssl.SSLWantReadError:
            peer.send(client.read())
            server.write(peer.sock.recv(65536))
    peer.send(client.read())
    end.write(b"hello")
    record = bytearray(client.read())
    record[-1] ^= 1
    peer.send(record)
    failed = lab.run.wait_trace("lab.tls.failed", peer="tls")
    assert "was changed on its way" in failed["why"]
    lab.run.wait_trace("lab.close", peer="tls", rx=0)


def test_no_client_renegotiates(lab):
    """s_client's R asks for it; the answer is an alert, and the handshake is not done again."""
    daemon_output = lab.client(find_tool("openssl"), "s_client", "-connect", f"{lab.address}:{TLS}",
                               "-tls1_2", say="R\n")
    assert "RENEGOTIATING" in daemon_output
    assert "no renegotiation" in daemon_output.lower(), daemon_output
    assert len(lab.run.events("lab.tls.done")) == 1


def test_silent_clients_are_bounded_and_let_go(lab):
    """Who says nothing holds a place like any other; when he goes, it is free."""
    there = [lab.tcp(TLS) for _ in range(CLIENTS_MAX)]
    until(lambda: len(lab.run.events("lab.accept", peer="tls")) == CLIENTS_MAX, "all of them")
    with pytest.raises(ConnectionResetError):
        with socket.create_connection((lab.address, TLS)) as refused:
            refused.recv(1)
    for peer in there:
        peer.send(b"\x16\x03\x01")
        peer.reset()
    until(lambda: len(lab.run.events("lab.close", peer="tls")) == CLIENTS_MAX, "their end")
    client = Client(lab, TLS)
    client.sock.sendall(b"hello")
    assert client.exactly(5) == b"hello"


# ---- DTLS ------------------------------------------------------------------------------------------


def dtls(lab, *options, say="hello\n"):
    """s_client over UDP, kept until the echo is there."""
    argv = [find_tool("openssl"), "s_client", "-connect", f"{lab.address}:{options[0]}", *map(str, options[1:])]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as client:
        client.stdin.write(say.encode())
        client.stdin.flush()
        printed = b""
        while say.encode() not in printed.partition(b"---\n")[2].rpartition(b"---\n")[2]:
            got = client.stdout.read1()
            if not got:
                break
            printed += got
        client.stdin.close()
        printed += client.stdout.read()
    return printed.decode(errors="replace")


@pytest.mark.parametrize("version, spoken", [("-dtls1", "DTLSv1"), ("-dtls1_2", "DTLSv1.2")])
def test_dtls_is_spoken(lab, version, spoken):
    printed = dtls(lab, TLS, version, "-cipher", "DEFAULT:@SECLEVEL=0", "-CAfile", lab.file("lab-ca.pem"),
                   "-verify_return_error")
    assert "Verify return code: 0 (ok)" in printed, printed
    assert lab.run.wait_trace("lab.tls.done", peer="dtls")["with"].startswith(f"{spoken}, ")
    assert re.search(r"^hello$", printed, re.M), printed


def test_dtls_with_a_key(lab):
    printed = dtls(lab, PSK, "-dtls1_2", "-psk", KEY.hex(), "-psk_identity", "lab")
    assert "PSK" in lab.run.wait_trace("lab.tls.done", peer="psk")["with"]
    assert re.search(r"^hello$", printed, re.M), printed


def test_a_stranger_gets_a_cookie_and_no_more(lab):
    """RFC 6347 4.2.1: a few bytes, so that nobody is flooded in another's name."""
    hello = dtls_hello()
    sock = lab.udp(TLS)
    sock.send(hello)
    answer = sock.recv(65536)
    assert answer[0] == 22 and answer[13] == 3  # a handshake record, hello verify request
    assert len(answer) < len(hello)


def dtls_hello():
    """What s_client says first."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(150)
        with subprocess.Popen([find_tool("openssl"), "s_client", "-dtls1_2", "-connect",
                               f"127.0.0.1:{sock.getsockname()[1]}"], stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as client:
            hello = sock.recv(65536)
            client.kill()
    return hello


def test_what_is_no_dtls_gets_no_answer(lab):
    """And begins nothing."""
    sock = lab.udp(TLS)
    hello = dtls_hello()
    for data in (b"", b"x", b"\x16" * 12, b"\x17" + hello[1:], hello[:13], b"\x16\xfe\xfd" + bytes(300)):
        sock.send(data)
    sock.send(hello)
    assert sock.recv(65536)[13] == 3
    sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        sock.recv(65536)


def test_many_beginnings_make_room_for_the_next(lab):
    """Of DTLS_MAX the one that was quiet for the longest gives way, and nobody is refused."""
    hello = dtls_hello()
    socks = [lab.udp(TLS) for _ in range(3 * DTLS_MAX)]
    for sock in socks:
        sock.send(hello)
        assert sock.recv(65536)[13] == 3
    printed = dtls(lab, TLS, "-dtls1_2")
    assert re.search(r"^hello$", printed, re.M), printed


# ---- by scripts, and read by others ---------------------------------------------------------------------

SCRIPT = """
local libnet = require "libnet"
local ca, cert, key = io.readFile("/luadb/lab-ca.pem"), io.readFile("/luadb/lab-client.pem"),
                      io.readFile("/luadb/lab-client.key")

local function try(tag, name, port, ...)
    local netc = socket.create(nil, "T")
    log.info(tag, "config", socket.config(netc, nil, ...))
    local ok = libnet.connect("T", 0, netc, name, port)
    if ok then
        libnet.tx("T", 0, netc, "hello")
        local got = ""
        while #got < 5 do
            libnet.wait("T", 0, netc)
            local _, data = socket.read(netc)
            got = got .. (data or "")
        end
        log.info(tag, got)
    else
        log.info(tag, "fails")
    end
    libnet.close("T", 0, netc)
    socket.release(netc)
end

sys.taskInitEx(function()
    try("tls", "tls.lab", 40141, false, true, nil, nil, nil, ca)
    try("netlab", "netlab.luatos.com", 40141, false, true, nil, nil, nil, ca)
    try("mutual", "mutual.lab", 40142, false, true, nil, nil, nil, ca, cert, key)
    try("nobody", "mutual.lab", 40142, false, true, nil, nil, nil, ca)
    try("expired", "expired.lab", 40143, false, true, nil, nil, nil, ca)
    try("wronghost", "wronghost.lab", 40144, false, true, nil, nil, nil, ca)
    try("unverified", "wronghost.lab", 40144, false, true)
    try("selfsigned", "selfsigned.lab", 40145, false, true, nil, nil, nil, ca)
    try("hangup", "tlshangup.lab", 40147, false, true)
    try("dtls", "dtls.lab", 40141, true, true, nil, nil, nil, ca)
    try("psk", "psk.lab", 40146, true, true, nil, nil, nil, "0123456789abcdef", "lab")
    os.exit(0)
end, "T")
sys.run()
"""
HELLO = ["tls", "netlab", "mutual", "expired", "unverified", "dtls", "psk"]
FAILS = ["nobody", "wronghost", "selfsigned", "hangup"]


@pytest.mark.parametrize("where", [(), ("--net", "own")], ids=["loopback", "own"])
def test_scripts_speak_with_each(request, emu, where):
    """As modules do; dates are not looked at, and the warning says so."""
    if where:
        request.getfixturevalue("own")
    done = emu.run(SCRIPT, "--lab", *where)
    assert done.code == 0, done
    for tag in HELLO:
        assert done.texts(tag) == ["config true", "hello"], tag
    for tag in FAILS:
        assert done.texts(tag) == ["config true", "fails"], tag
    assert any("has expired" in text for text in done.warnings)


def test_the_user_s_own_files_come_first(emu, tmp_path):
    (tmp_path / "lab-ca.pem").write_text("mine")
    script = tmp_path / "main.lua"
    script.write_text('log.info("ca", io.readFile("/luadb/lab-ca.pem"))\n'
                      'log.info("key", #io.readFile("/luadb/lab-client.key") > 0)\nos.exit(0)\n')
    done = emu.run(script, "--lab")
    assert done.texts("ca") == ["mine"]
    assert done.texts("key") == ["true"]


def test_without_a_lab_there_are_no_such_files(emu):
    done = emu.run('log.info("ca", io.exists("/luadb/lab-ca.pem"))\nos.exit(0)\n')
    assert done.texts("ca") == ["false"]


def test_no_two_labs_have_the_same_keys(emu, tmp_path):
    """Not even with the same seed: keys are OpenSSL's own business."""
    script = 'log.info("ca", io.readFile("/luadb/lab-ca.pem"))\nos.exit(0)\n'
    first, second = (emu.run(script, "--lab", "--seed", "1").texts("ca") for _ in range(2))
    assert first != second


def test_tshark_reads_what_others_say_with_the_key_log(emu, peers, tmp_path):
    """Of a client that has no key log itself: the lab's end writes it."""
    tshark = find_tool("tshark")
    if not shutil.which("dumpcap"):
        pytest.skip("needs dumpcap")
    keys, pcap = tmp_path / "keys", tmp_path / "lab.pcapng"
    with emu.start(WAIT, "--lab", "--net=T5", "--keylog", keys) as run:
        lab = Lab(run, peers, tmp_path)
        capture = subprocess.Popen([find_tool("dumpcap"), "-q", "-i", "lo", "-w", str(pcap), "-f",
                                    f"host {lab.address}"], stderr=subprocess.PIPE, text=True)
        try:
            line = ""
            while "File:" not in line:  # it captures from then on
                line = capture.stderr.readline()
                if not line:
                    pytest.skip("dumpcap may not capture here")
            client = Client(lab, TLS, maximum_version=ssl.TLSVersion.TLSv1_2)
            client.sock.sendall(b"a secret in the lab")
            client.exactly(19)
            until(lambda: pcap.exists() and pcap.stat().st_size > 2000, "the packets")
            client.sock.unwrap()
        finally:
            capture.terminate()
            capture.communicate()
        run.stop()
    found = subprocess.run([tshark, "-r", str(pcap), "-o", f"tls.keylog_file:{keys}", "-d",
                            f"tcp.port=={TLS},tls", "-T", "fields", "-e", "data.data", "-e", "tls.app_data",
                            "-Y", "data"], capture_output=True, text=True, timeout=150).stdout
    assert b"a secret in the lab".hex() in found, found
