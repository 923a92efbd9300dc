"""dhcpsrv, dnsproxy and httpdns: against udhcpc, glibc's resolver, dnsmasq and an HTTP server."""

import random
import struct
import subprocess
import threading

import pytest

import netns as netns_module
from dhcp_peer import udhcpc

MAC = "02:00:00:00:00:07"


def bind(adapter, namespace, *options):
    return ["--bind", ",".join([f"{adapter}=netns:/proc/{namespace.holder.pid}/ns/net", *options])]


@pytest.fixture
def second(netns, netns_obstacle, tmp_path):
    """Another network, which knows nothing of the first."""
    directory = tmp_path / "second"
    directory.mkdir()
    second = netns_module.Netns(directory)
    yield second
    second.close()


# ---- dhcpsrv -------------------------------------------------------------------------------------

SERVE = """
local dhcpsrv = require "dhcpsrv"
local server = dhcpsrv.create({ adapter = socket.LWIP_AP, %s
    ack_cb = function(ip, mac) log.info("ack", ip, mac) end })
log.info("server", server ~= nil)
sys.run()
"""


class Station:
    """The other end of the link "ap", in a namespace of its own."""

    def __init__(self, netns, directory):
        netns.link("ap", "192.168.4.1/24")
        self.netns = netns
        self.directory = directory
        self.holder = subprocess.Popen(netns.command(["unshare", "--net", "sh", "-c", "echo up; read x"]),
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.holder.stdout.readline() == b"up\n"
        netns.run("ip", "link", "set", "ap-peer", "netns", str(self.holder.pid))
        self.run("ip", "link", "set", "ap-peer", "address", MAC)
        self.run("ip", "link", "set", "ap-peer", "up")

    def command(self, *argv):
        return self.netns.command(["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", *argv])

    def run(self, *argv):
        subprocess.run(self.command(*argv), check=True)

    def udhcpc(self, *args):
        return udhcpc(lambda argv: self.command(*argv), "ap-peer", self.directory, *args)

    def close(self):
        self.holder.stdin.close()
        self.holder.wait(30)
        self.holder.stdout.close()


@pytest.fixture
def station(netns, tmp_path):
    station = Station(netns, tmp_path)
    yield station
    station.close()


def serving(emu, netns, options=""):
    return emu.start(SERVE % options, *bind("LWIP_AP", netns, "dev=ap"))


def test_a_client_gets_an_address_and_all_it_needs(emu, netns, station):
    """The defaults: the first of .100 to .200, mask, router and DNS, and the same one again."""
    with serving(emu, netns) as run:
        run.wait_log("server", "true")
        lease = station.udhcpc()
        again = station.udhcpc()
        run.wait_log("ack", count=2)
    assert lease["ip"] == "192.168.4.100"
    assert lease["subnet"] == "255.255.255.0"
    assert lease["router"] == lease["dns"] == lease["serverid"] == lease["siaddr"] == "192.168.4.1"
    assert lease["lease"] == "7680"
    assert again["ip"] == lease["ip"]
    assert run.texts("ack") == [f"192.168.4.100 {MAC.replace(':', '').upper()}"] * 2


def test_a_wish_is_granted_if_it_can_be(emu, netns, station):
    """Of the pool, and not the server's own."""
    with serving(emu, netns, "ip_start = 1, ip_end = 5,") as run:
        run.wait_log("server")
        assert station.udhcpc("-r", "192.168.4.4")["ip"] == "192.168.4.4"
        station.run("ip", "link", "set", "ap-peer", "address", "02:00:00:00:00:08")
        assert station.udhcpc("-r", "192.168.4.1")["ip"] == "192.168.4.2"
        station.run("ip", "link", "set", "ap-peer", "address", "02:00:00:00:00:09")
        assert station.udhcpc("-r", "192.168.4.4")["ip"] == "192.168.4.3"


def test_a_full_pool_gives_nothing(emu, netns, station):
    with serving(emu, netns, "ip_start = 10, ip_end = 10, gw = { 192, 168, 4, 1 }, dns = { 9, 9, 9, 9 },") as run:
        run.wait_log("server")
        assert station.udhcpc()["dns"] == "9.9.9.9"
        station.run("ip", "link", "set", "ap-peer", "address", "02:00:00:00:00:08")
        assert station.udhcpc("-t", "1", "-T", "1") == {}
        assert any("no address is left" in text for text in run.texts("dhcpsrv"))


class DhcpClient:
    """Messages by hand, from port 68 in the server's own namespace, by its loopback."""

    def __init__(self, netns):
        self.udp = netns.peers.udp(port=68)
        self.xid = 0

    def message(self, kind, mac=MAC, ciaddr="0.0.0.0", options=b""):
        self.xid += 1
        head = struct.pack(">BBBBIHH", 1, 1, 6, 0, self.xid, 0, 0x8000)
        head += bytes(map(int, ciaddr.split("."))) + bytes(12)
        head += bytes.fromhex(mac.replace(":", "")) + bytes(10) + bytes(192)
        return head + b"\x63\x82\x53\x63" + bytes([53, 1, kind]) + options + b"\xff"

    def send(self, data):
        self.udp.send(data, ("127.0.0.1", 67))

    def ask(self, kind, **args):
        """Ask, from an address that can be answered; returns type, yiaddr and options."""
        self.send(self.message(kind, ciaddr="127.0.0.1", **args))
        while True:
            data, _ = self.udp.recv()
            if struct.unpack(">I", data[4:8])[0] == self.xid:
                break
        options, at = {}, 240
        while data[at] != 255:
            if data[at]:
                options[data[at]] = data[at + 2:at + 2 + data[at + 1]]
                at += 1 + data[at + 1]
            at += 1
        return options[53][0], ".".join(map(str, data[16:20])), options


DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM = range(1, 9)


def wanted(ip):
    return bytes([50, 4, *map(int, ip.split("."))])


@pytest.fixture
def client(emu, netns):
    with emu.start(SERVE % "", *bind("LWIP_AP", netns, "dev=lo")) as run:
        run.wait_log("server", "true")
        client = DhcpClient(netns)
        client.run = run
        yield client


def test_dhcp_messages_are_handled_as_rfc_2131_says(client):
    """Offers, requests, inform, release, decline."""
    assert client.ask(DISCOVER)[:2] == (OFFER, "192.168.4.100")
    kind, ip, options = client.ask(REQUEST, options=wanted("192.168.4.100"))
    assert (kind, ip, options[51]) == (ACK, "192.168.4.100", struct.pack(">I", 7680))
    kind, ip, options = client.ask(INFORM)
    assert (kind, ip) == (ACK, "0.0.0.0") and 51 not in options  # 3.4: no address, no lease
    # another client can't have it, nor what is outside of the pool
    other = "02:00:00:00:00:08"
    client.send(client.message(REQUEST, mac=other, options=wanted("192.168.4.100")))
    client.send(client.message(REQUEST, mac=other, options=wanted("10.0.0.1")))
    client.run.wait_log("dhcpsrv", "nak 192.168.4.100 020000000008")
    client.run.wait_log("dhcpsrv", "nak 10.0.0.1 020000000008")
    # who declines gets another
    assert client.ask(DISCOVER, mac=other)[1] == "192.168.4.101"
    client.send(client.message(DECLINE, mac=other, options=wanted("192.168.4.101")))
    assert client.ask(DISCOVER, mac=other)[1] == "192.168.4.102"
    # who prefers another server leaves its offer to others
    client.send(client.message(REQUEST, mac=other, options=wanted("192.168.4.102") + b"\x36\x04\x0a\x00\x00\x01"))
    assert client.ask(DISCOVER, mac="02:00:00:00:00:09")[1] == "192.168.4.102"


def test_hostile_dhcp_messages_are_dropped(client):
    """Too short, of other kinds, with options that lead outside; the server still serves."""
    good = client.message(DISCOVER)
    random.seed(1)
    for bad in [b"", b"x", good[:239], good[:241], good[:-2] + b"\xff", b"\x02" + good[1:],
                good[:1] + b"\x02" + good[2:], good[:2] + b"\x10" + good[3:], good[:236] + b"abcd" + good[240:],
                good[:240] + b"\x35\xff\x01", good[:240] + b"\x35\x02\x01\x01\xff", good[:240] + b"\x35",
                client.message(99), client.message(DISCOVER, mac="00:00:00:00:00:00"),
                client.message(DISCOVER, mac="ff:ff:ff:ff:ff:ff"), client.message(DECLINE),
                client.message(REQUEST, options=b"\x32\x01\x01"), client.message(RELEASE),
                *(bytes(random.randbytes(random.randrange(600))) for _ in range(50)),
                *(good[:240] + random.randbytes(60) for _ in range(50))]:
        client.send(bad)
    assert client.ask(DISCOVER, mac="02:00:00:00:00:aa")[0] == OFFER


def test_a_server_can_be_closed(emu, netns):
    """And another can be made at its place; without a socket there is none."""
    netns.link("ap", "192.168.4.1/24")
    done = emu.run("""
local dhcpsrv = require "dhcpsrv"
local server = dhcpsrv.create({ adapter = socket.LWIP_AP })
server:close()
log.info("again", dhcpsrv.create({ adapter = socket.LWIP_AP }) ~= nil)
log.info("none", dhcpsrv.create({ adapter = socket.USB }))
os.exit(0)
""", *bind("LWIP_AP", netns, "dev=ap"), "--bind", "USB=off")
    assert done.texts("again") == ["true"]
    assert done.texts("none") == ["nil"]


# ---- dnsproxy ------------------------------------------------------------------------------------

PROXY = """
local dnsproxy = require "dnsproxy"
log.info("setup", dnsproxy.setup(socket.LWIP_AP, socket.LWIP_GP))
%s
sys.run()
"""


@pytest.fixture
def proxy(emu, netns, second):
    """A proxy between two networks: asked in the first, it asks the DNS of the second."""
    netns.resolv_conf("nameserver 127.0.0.1\n")
    netns.link("wan", "10.1.0.2/16")  # glibc asks for no addresses where there are none
    dns = second.dnsmasq(records={"a.test": "10.9.8.7", "b.test": ["10.0.0.1", "10.0.0.2"]})
    with emu.start(PROXY % "", *bind("LWIP_AP", netns, "dev=lo"), *bind("LWIP_GP", second, "dns=127.0.0.1")) as run:
        run.wait_log("setup", "true")
        run.dns = dns
        yield run


def getent(netns, *args):
    done = subprocess.run(netns.command(["getent", *args]), capture_output=True, text=True, check=False,
                          timeout=150)
    return done.returncode, sorted({line.split()[0] for line in done.stdout.splitlines()})


def query(name, ident=0x1234, kind=1, flags=0x0100):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">HHHHHH", ident, flags, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, kind, 1)


def test_names_are_found_through_the_proxy(netns, proxy):
    """By glibc's resolver; what does not exist is told so."""
    assert getent(netns, "ahostsv4", "a.test") == (0, ["10.9.8.7"])
    assert getent(netns, "ahostsv4", "b.test") == (0, ["10.0.0.1", "10.0.0.2"])
    assert getent(netns, "ahostsv4", "none.test") == (2, [])
    assert "A a.test" in proxy.dns.queries


def test_many_clients_get_their_own_answers(netns, proxy):
    """Even if all of them use the same message number."""
    clients = [netns.peers.udp() for _ in range(40)]
    for i, client in enumerate(clients):
        client.send(query("a.test" if i % 2 else "none.test"), ("127.0.0.1", 53))
    for i, client in enumerate(clients):
        data, sender = client.recv()
        assert sender == ("127.0.0.1", 53)
        assert data[:2] == b"\x12\x34"
        assert data[3] & 15 == (0 if i % 2 else 3)
        assert (bytes([10, 9, 8, 7]) in data) == bool(i % 2)


def test_hostile_questions_are_dropped(netns, proxy):
    """What is no question, or an answer; the proxy still serves."""
    client = netns.peers.udp()
    good = query("a.test")
    for bad in [b"", b"\0", good[:11], good[:-1], good[:12] + b"\xc0\x0c\0\1\0\1", good[:12] + b"\x3f" + good[13:],
                query("a.test", flags=0x8180), good[:4] + b"\0\0" + good[6:], good[:4] + b"\0\2" + good[6:],
                good + b"x" * 1400]:
        client.send(bad, ("127.0.0.1", 53))
    client.send(good, ("127.0.0.1", 53))
    data, _ = client.recv()
    while bytes([10, 9, 8, 7]) not in data:  # dnsmasq may answer the long one by FORMERR
        data, _ = client.recv()


@pytest.fixture
def by_hand(emu, netns, second):
    """A proxy whose upper server is the test."""
    server = second.peers.udp(host="127.0.0.1", port=53)
    other = second.peers.udp(host="127.0.0.2", port=53)
    with emu.start(PROXY % 'sys.subscribe("CLOSE", dnsproxy.close)', *bind("LWIP_AP", netns, "dev=lo"),
                   *bind("LWIP_GP", second, "dns=127.0.0.1", "dns=127.0.0.2")) as run:
        run.wait_log("setup", "true")
        yield run, netns.peers.udp(), server, other


def test_only_the_server_that_was_asked_is_believed(by_hand):
    """By its address, the message number and the question; and once."""
    _, client, server, other = by_hand
    client.send(query("a.test"), ("127.0.0.1", 53))
    asked, proxy = server.recv()
    answer = asked[:2] + b"\x81\x80" + asked[4:]
    other.send(answer, proxy)  # somebody else
    server.send(bytes([asked[0] ^ 1]) + answer[1:], proxy)  # another number
    server.send(answer.replace(b"\1a", b"\1b"), proxy)  # another question
    server.send(asked, proxy)  # no answer
    server.send(answer + b"this one", proxy)
    server.send(answer + b"again", proxy)
    assert client.recv()[0] == b"\x12\x34" + answer[2:] + b"this one"
    client.send(query("c.test"), ("127.0.0.1", 53))
    asked, proxy = server.recv()
    server.send(asked[:2] + b"\x81\x83" + asked[4:], proxy)
    assert client.recv()[0][3] & 15 == 3  # and not "again"


def test_who_asks_again_asks_the_next_server(by_hand):
    _, client, server, other = by_hand
    for asked in (server, other, server):
        client.send(query("a.test"), ("127.0.0.1", 53))
        assert asked.recv()[0][2:] == query("a.test")[2:]


def test_a_flood_of_questions_is_bounded(by_hand):
    """256 wait for answers; the oldest are forgotten."""
    _, client, server, _ = by_hand
    asked = []
    for i in range(300):
        client.send(query(f"n{i}.test", ident=i), ("127.0.0.1", 53))
        asked.append(server.recv())
    for data, proxy in reversed(asked):
        server.send(data[:2] + b"\x81\x80" + data[4:], proxy)
    got = [struct.unpack(">H", client.recv()[0][:2])[0] for _ in range(256)]
    assert got == list(range(299, 43, -1))
    client.send(query("last.test", ident=999), ("127.0.0.1", 53))
    data, proxy = server.recv()
    server.send(data[:2] + b"\x81\x80" + data[4:], proxy)
    assert client.recv()[0][:2] == struct.pack(">H", 999)


def test_a_proxy_that_would_ask_itself_says_so(emu, netns):
    """SERVFAIL, at once, and no loop. (An empty resolv.conf means 127.0.0.1, resolv.conf(5).)"""
    with emu.start(PROXY % "", netns=netns) as run:
        run.wait_log("setup", "true")
        client = netns.peers.udp()
        client.send(query("a.test"), ("127.0.0.1", 53))
        data, _ = client.recv()
    assert data[:2] == b"\x12\x34" and data[2] & 0x80 and data[3] & 15 == 2
    assert data[12:] == query("a.test")[12:]
    assert run.texts("dnsproxy")[1:] == ["127.0.0.1 53 is this proxy itself"]


def test_a_proxy_can_be_closed_and_set_up_again(emu, netns):
    """The port is free then. Without a socket, setup is false."""
    done = emu.run("""
local dnsproxy = require "dnsproxy"
log.info("setup", dnsproxy.setup(socket.LWIP_AP), dnsproxy.setup(socket.LWIP_AP, socket.LWIP_AP))
dnsproxy.close()
dnsproxy.close()
local udpsrv = require "udpsrv"
local server = udpsrv.create(53, "x", socket.LWIP_AP)
log.info("free", server ~= nil)
server:close()
log.info("again", dnsproxy.setup(socket.LWIP_AP, socket.LWIP_AP))
log.info("none", dnsproxy.setup(socket.USB, socket.LWIP_AP), dnsproxy.setup(socket.LWIP_AP, socket.USB))
os.exit(0)
""", *bind("LWIP_AP", netns, "dev=lo"), "--bind", "USB=off")
    assert done.texts("setup") == ["true true"]
    assert done.texts("free") == ["true"]
    assert done.texts("again") == ["true"]
    assert done.texts("none") == ["false false"]


# ---- httpdns -------------------------------------------------------------------------------------

def chunked(body):
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(
        b"%x;ext\r\n%c\r\n" % (1, byte) for byte in body) + b"0\r\n\r\n"


def plain(body, status=b"200 OK"):
    return b"HTTP/1.1 %s\r\nContent-Type: x\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body)


@pytest.fixture
def public(netns):
    """The two public servers' addresses, in the test's own network."""
    netns.run("ip", "addr", "add", "223.5.5.5/32", "dev", "lo")
    netns.run("ip", "addr", "add", "119.29.29.29/32", "dev", "lo")

    def serve(address, response, keep=False):
        server = netns.peers.tcp_server(host=address, port=80)
        asked = []

        def loop():
            peer = server.accept()
            data = b""
            while b"\r\n\r\n" not in data:
                data += peer.sock.recv(4096)
            asked.append(data.decode())
            try:
                (peer.send if len(response) > 1000 else peer.send_bytewise)(response)
            except (ConnectionResetError, BrokenPipeError):
                pass  # it has seen enough
            if not keep:
                peer.close()

        threading.Thread(target=loop, daemon=True).start()
        return asked

    return serve


CALL = """
sys.taskInit(function()
    local httpdns = require "httpdns"
    log.info("result", %s)
    os.exit(0)
end)
sys.run()
"""


@pytest.mark.parametrize("response, keep", [
    (plain(b'["10.1.2.3","10.1.2.4"]'), True),
    (plain(b'["10.1.2.3"]'), False),
    (chunked(b'["10.1.2.3"]'), False),
    (b'HTTP/1.0 200 OK\r\n\r\n["10.1.2.3"]', False),
])
def test_alibabas_server_is_asked(emu, netns, public, response, keep):
    """GET http://223.5.5.5/resolve?short=1&name=..., a list in JSON; the first is the answer."""
    asked = public("223.5.5.5", response, keep)
    done = emu.run(CALL % 'httpdns.ali("www.luatos.com", { adapter = socket.LWIP_GP, timeout = 60000 })',
                   *bind("LWIP_GP", netns))
    assert done.texts("result") == ["10.1.2.3"]
    assert asked[0].startswith("GET /resolve?short=1&name=www.luatos.com HTTP/1.1\r\nHost: 223.5.5.5\r\n")


@pytest.mark.parametrize("body", [b"10.1.2.3,10.1.2.4", b"10.1.2.3;10.1.2.4", b"10.1.2.3\n"])
def test_tencents_server_is_asked(emu, netns, public, body):
    """GET http://119.29.29.29/d?dn=..., a text with separators."""
    asked = public("119.29.29.29", plain(body))
    done = emu.run(CALL % 'httpdns.tx("www.luatos.com", { timeout = 60000 })', *bind("LWIP_GP", netns))
    assert done.texts("result") == ["10.1.2.3"]
    assert asked[0].startswith("GET /d?dn=www.luatos.com HTTP/1.1\r\n")


@pytest.mark.parametrize("response", [
    plain(b"[]"), plain(b"not json"), plain(b"{}"), plain(b'["10.1.2.3"]', b"404 Not Found"), b"", b"\0" * 100,
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n[",
    b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 70000,
], ids=len)
def test_what_is_no_address_is_nil(emu, netns, public, response):
    """Whatever a server says, the script goes on."""
    public("223.5.5.5", response)
    done = emu.run(CALL % 'httpdns.ali("a.test", { timeout = 60000 })', *bind("LWIP_GP", netns))
    assert done.code == 0
    assert done.texts("result") == ["nil"]


def test_nobody_answers_in_time(emu, netns, public):
    """nil, by the time that was given; names that would be more than a name are not asked for."""
    server = netns.peers.tcp_server(host="223.5.5.5", port=80)
    done = emu.run(CALL % 'httpdns.ali("a.test", { timeout = 50 }), httpdns.ali(), '
                   r'httpdns.ali("a b"), httpdns.tx("a\r\nHost: x"), httpdns.ali(""), #httpdns.version(), '
                   'httpdns.ali("a.test", { adapter = socket.USB })',
                   *bind("LWIP_GP", netns), "--bind", "USB=off")
    assert server.accept()
    assert done.texts("result") == ["nil nil nil nil nil 12 nil"]
