"""The lab's web servers, by curl, Python's http.client, sockets, and scripts that speak HTTP themselves."""

import http.client
import random
import shutil
import ssl
import subprocess

import pytest

HTTP, HTTPS = 40180, 40443
CLIENTS_MAX, BODY_MAX, HEAD_MAX = 256, 1 << 20, 8192


def pattern(count, first=0):
    return bytes(0x20 + n % 95 for n in range(first, first + count))


@pytest.fixture
def curl(lab):
    """What curl prints: the head and the body; its last line is what -w has."""
    if not shutil.which("curl"):
        pytest.skip("needs curl")

    def run(path, *options, port=HTTP, scheme="http"):
        return subprocess.run(["curl", "-s", "--noproxy", "*", *options, f"{scheme}://{lab.address}:{port}{path}"],
                              capture_output=True, timeout=150, check=True).stdout

    return run


@pytest.fixture
def web(lab):
    """A connection of http.client, and what it is answered: status, fields, body."""
    client = http.client.HTTPConnection(lab.address, HTTP, timeout=150)

    def ask(method, path, body=None, **fields):
        client.request(method, path, body, {name.replace("_", "-"): value for name, value in fields.items()})
        answer = client.getresponse()
        return answer.status, answer.headers, answer.read()

    ask.client = client
    yield ask
    client.close()


def exchange(lab, text):
    """All that is answered until the server closes."""
    peer = lab.tcp(HTTP)
    peer.send(text)
    return peer.recv_to_end()


# ---- what there is -----------------------------------------------------------------------------------


def test_a_page_says_what_there_is(lab, curl):
    head, _, page = curl("/", "-i").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n") and b"Date: " in head
    for path in (b"/echo", b"/bytes/N", b"/chunked/N", b"/slow?ms=N", b"/redirect/N", b"/status/NNN"):
        assert path in page
    seen = lab.run.wait_trace("lab.http", peer="http", path="/")
    assert (seen["method"], seen["status"]) == ("GET", 200)


def test_many_requests_go_over_one_connection(lab, web):
    """Of every kind, and what comes back is the same as over many."""
    assert web("GET", "/")[0] == 200
    assert web("POST", "/echo", b"hello", Content_Type="text/x")[1]["Content-Type"] == "text/x"
    assert web("POST", "/nowhere", b"x" * 100000)[0] == 404
    assert web("HEAD", "/bytes/100")[1]["Content-Length"] == "100"
    assert web("GET", "/bytes/100000")[2] == pattern(100000)
    assert web("GET", "/chunked/50000")[2] == pattern(50000)
    assert web("GET", "/status/204")[2] == b""
    assert len(lab.run.events("lab.accept", peer="http")) == 1


@pytest.mark.parametrize("body", [b"", b"hello", random.Random(1).randbytes(BODY_MAX)],
                         ids=["empty", "short", "the-longest"])
def test_an_echo_is_what_was_sent(web, body):
    """With a length, and in chunks."""
    assert web("POST", "/echo", body)[2] == body
    assert web("PUT", "/echo", iter([body[i:i + 5000] for i in range(0, len(body), 5000)]))[2] == body


@pytest.mark.parametrize("chunked", [False, True])
def test_an_echo_has_a_limit(curl, tmp_path, chunked):
    """And the client that is still sending hears of it."""
    path = tmp_path / "body"
    path.write_bytes(b"x" * (3 * BODY_MAX))
    options = ["-H", "Transfer-Encoding: chunked"] if chunked else []
    assert curl("/echo", "-o", "/dev/null", "-w", "%{http_code}", "--data-binary", f"@{path}", "-H", "Expect:",
                *options) == b"413"


def test_who_waits_to_be_told_to_go_on_is_told(curl, tmp_path):
    """RFC 9110 10.1.1; and not when it is for nothing."""
    path = tmp_path / "body"
    path.write_bytes(b"x" * 1000)
    expects = ["-i", "--expect100-timeout", "100", "-H", "Expect: 100-continue", "--data-binary", f"@{path}"]
    assert curl("/echo", *expects).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
    assert curl("/nowhere", *expects).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("wanted, status, content, body", [
    ("bytes=5-9", 206, "bytes 5-9/100", pattern(5, 5)),
    ("bytes=95-", 206, "bytes 95-99/100", pattern(5, 95)),
    ("bytes=-3", 206, "bytes 97-99/100", pattern(3, 97)),
    ("bytes=90-1000", 206, "bytes 90-99/100", pattern(10, 90)),
    ("bytes=100-", 416, "bytes */100", None),
    ("bytes=1-2,5-6", 200, None, pattern(100)),
    ("nonsense", 200, None, pattern(100)),
])
def test_a_part_can_be_asked_for(web, wanted, status, content, body):
    """RFC 9110 14; what can't be understood is ignored."""
    got = web("GET", "/bytes/100", Range=wanted)
    assert (got[0], got[1]["Content-Range"]) == (status, content)
    assert body is None or got[2] == body


def test_a_broken_download_goes_on(curl, tmp_path):
    """curl -C."""
    path = tmp_path / "file"
    path.write_bytes(pattern(1234))
    curl("/bytes/100000", "-C", "-", "-o", str(path))
    assert path.read_bytes() == pattern(100000)


def test_redirections_lead_to_the_page(curl):
    assert curl("/redirect/3", "-L", "-o", "/dev/null", "-w", "%{num_redirects} %{http_code}") == b"3 200"
    assert curl("/redirect", "-o", "/dev/null", "-w", "%{http_code}") == b"302"


@pytest.mark.parametrize("status", [200, 201, 204, 304, 401, 404, 418, 500, 503, 599])
def test_any_status_can_be_had(web, status):
    got = web("GET", f"/status/{status}")
    assert got[0] == status and bool(got[2]) == (status not in (204, 304))


def test_a_slow_answer_comes_late_and_holds_up_nobody(lab, web):
    slow = lab.tcp(HTTP)
    slow.send(b"GET /slow?ms=300 HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n")
    lab.run.wait_trace("lab.accept", peer="http")
    assert web("GET", "/")[0] == 200
    assert slow.recv_to_end().endswith(b"\r\n\r\nlate\n")
    accepted = lab.run.wait_trace("lab.accept", peer="http")["t_us"]
    late = lab.run.wait_trace("lab.http", path="/slow")["t_us"]
    assert lab.run.wait_trace("lab.http", path="/")["t_us"] < late
    assert late - accepted >= 300_000


@pytest.mark.parametrize("path, status", [
    ("/slow", 400), ("/slow?ms=600001", 400), ("/slow?ms=-1", 400), ("/bytes/", 404), ("/bytes/x", 404),
    ("/bytes/1073741825", 404), ("/redirect/0", 404), ("/redirect/101", 404), ("/status/99", 404),
    ("/status/1000", 404), ("/echo/", 404), ("//", 404),
])
def test_what_is_not_there_is_said(web, path, status):
    assert web("GET", path)[0] == status


def test_a_page_is_only_read(web):
    got = web("DELETE", "/")
    assert (got[0], got[1]["Allow"]) == (405, "GET, HEAD")


# ---- clients of all kinds ------------------------------------------------------------------------------


def test_http_1_0_and_an_end_by_fin(lab):
    """No Host, no chunks, closed after the answer unless it asks for more."""
    head, _, body = exchange(lab, b"GET /chunked/20000 HTTP/1.0\r\n\r\n").partition(b"\r\n\r\n")
    assert b"Transfer-Encoding" not in head and b"Connection: close" in head and body == pattern(20000)
    kept = exchange(lab, b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n")
    assert kept.count(b"HTTP/1.1 200 OK") == 2


def test_requests_may_come_at_once_or_byte_by_byte(lab):
    """Pipelining; the answers come in order."""
    text = b"".join(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n%03d" % n for n in range(200))
    answers = exchange(lab, text + b"GET / HTTP/1.1\nHost: x\nConnection: close\n\n").split(b"HTTP/1.1 200 OK\r\n")
    assert [answer[-3:] for answer in answers[1:-1]] == [b"%03d" % n for n in range(200)]
    peer = lab.tcp(HTTP)
    peer.send_bytewise(b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                       b"5;a=b\r\nhello\r\n0\r\nT: t\r\n\r\n")
    assert peer.recv_to_end().endswith(b"hello")


def test_who_has_said_all_is_still_answered(lab):
    """FIN right behind the request, as nc -N has it."""
    peer = lab.tcp(HTTP)
    peer.send(b"GET /bytes/3000000 HTTP/1.1\r\nHost: x\r\n\r\n")
    peer.half_close()
    assert peer.recv_to_end().endswith(pattern(3000000))
    lab.run.wait_trace("lab.close", peer="http", error=0)


@pytest.mark.parametrize("text, status", [
    (b"GET /\r\n", 400), (b"GET / HTTP/1.1\r\n\r\n", 400), (b"GET / HTTP/2.0\r\n\r\n", 505),
    (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\n", 400), (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    (b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    (b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * HEAD_MAX, 431), (b"x" * 3 * HEAD_MAX, 431),
], ids=range(9))
def test_what_is_no_request_is_refused_and_the_end(lab, text, status):
    """The answer arrives, whatever the client goes on sending."""
    assert exchange(lab, text).startswith(b"HTTP/1.1 %d " % status)


def test_who_never_reads_is_not_read_either(lab):
    """Requests for much, without an end: what the lab holds of them is bounded."""
    peer = lab.tcp(HTTP)
    peer.sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            peer.sock.send(b"GET /bytes/1000000 HTTP/1.1\r\nHost: x\r\n\r\n" * 1000)
    peer.reset()
    assert lab.run.wait_trace("lab.close", peer="http")["rx"] < 1 << 20


def test_clients_that_vanish_leave_nothing(lab):
    """In the middle of a head, a body, an answer, a wait: all the places are free again."""
    texts = [b"GET / HT", b"POST /echo HTTP/1.0\r\nContent-Length: 9\r\n\r\n", b"GET /bytes/99999999 HTTP/1.0\r\n\r\n",
             b"GET /slow?ms=600000 HTTP/1.0\r\n\r\n"]
    for n in range(CLIENTS_MAX):
        peer = lab.tcp(HTTP)
        peer.send(texts[n % len(texts)])
        lab.run.wait_trace("lab.accept", peer="http", count=n + 1)  # else it may never be one of the lab's
        peer.reset()
    lab.run.wait_trace("lab.close", peer="http", count=CLIENTS_MAX)
    assert exchange(lab, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 OK")


def test_it_is_there_over_tls(lab):
    """By the name that its certificate has, with Python's ssl."""
    context = ssl.create_default_context(cafile=lab.file("lab-ca.pem"))
    plain = lab.tcp(HTTPS)
    client = http.client.HTTPSConnection("https.lab", HTTPS, context=context)
    client.sock = context.wrap_socket(plain.sock, server_hostname="https.lab")
    for count in (10, 2_000_000):
        client.request("GET", f"/bytes/{count}")
        assert client.getresponse().read() == pattern(count)
    client.request("POST", "/echo", b"hello", {"Connection": "close"})
    answer = client.getresponse()
    assert answer.read() == b"hello" and answer.headers["Connection"] == "close"
    assert client.sock is None or client.sock.recv(1) == b""  # close_notify, FIN


SCRIPT = """
local libnet = require "libnet"
local function get(host, port, is_tls)
    local netc = socket.create(nil, "T")
    socket.config(netc, nil, false, is_tls)
    assert(libnet.connect("T", 0, netc, host, port))
    libnet.tx("T", 0, netc, "GET /bytes/5000 HTTP/1.1\\r\\nHost: " .. host .. "\\r\\nConnection: close\\r\\n\\r\\n")
    local buff, all = zbuff.create(1024), ""
    while true do
        local ok, _, _, err = libnet.wait("T", 0, netc)
        local read = socket.rx(netc, buff)
        if buff:used() > 0 then all = all .. buff:query() buff:del() end
        if not read or not ok then break end
        if all:find("\\r\\n\\r\\n", 1, true) and #all:match("\\r\\n\\r\\n(.*)") >= 5000 then break end
    end
    libnet.close("T", 0, netc)
    log.info(host, all:match("^(.-)\\r\\n"), #all:match("\\r\\n\\r\\n(.*)"))
end
sys.taskInitEx(function()
    get("httpbin.air32.cn", %d)
    get("www.baidu.com", %d, true)
    os.exit(0)
end, "T")
sys.run()
"""


def test_a_script_speaks_http_over_its_sockets(emu):
    done = emu.run(SCRIPT % (HTTP, HTTPS), "--lab")
    assert done.texts("httpbin.air32.cn") == done.texts("www.baidu.com") == ["HTTP/1.1 200 OK 5000"]


def test_the_well_known_ports_are_there_on_a_network_of_its_own(own, emu):
    done = emu.run(SCRIPT % (80, 443), "--lab", "--net", "own")
    assert done.texts("httpbin.air32.cn") == done.texts("www.baidu.com") == ["HTTP/1.1 200 OK 5000"]
    assert [event["port"] for event in done.events("lab.accept")] == [80, 443]
