"""DHCP: adapters that ask for their address, of dnsmasq and of a server with short leases."""

import contextlib
import re
import shutil
import socket
import struct
import subprocess
from types import SimpleNamespace

import pytest

from dhcp_peer import OFFER, DhcpServer, udhcpc
from peers import until

EVENTS = """
sys.subscribe("IP_READY", function(ip, adapter)
    if adapter == socket.LWIP_ETH then log.info("ready", socket.localIP(socket.LWIP_ETH)) end
end)
sys.subscribe("IP_LOSE", function(adapter) log.info("lose", adapter) end)
"""
WAIT = EVENTS + "sys.run()\n"
OTHERS_OFF = [word for name in ("LWIP_GP", "LWIP_STA", "LWIP_AP", "ETH0", "USB")
              for word in ("--bind", f"{name}=off")]


class Cable:
    """"eth" in a namespace of its own, unconfigured; its other end is "srv" with 10.9.0.1 in the
    test's."""

    def __init__(self, netns):
        self.netns = netns
        self.far = subprocess.Popen(
            netns.command(["unshare", "--net", "sh", "-c", "ip link set lo up; echo ready; exec cat"]),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.far.stdout.readline() == "ready\n"
        netns.run("ip", "link", "add", "srv", "type", "veth", "peer", "name", "eth", "netns",
                  str(self.far.pid))
        netns.run("ip", "addr", "add", "10.9.0.1/24", "dev", "srv")
        self.plug()
        self.run("ip", "link", "set", "eth", "up")
        self.servers = []

    def command(self, argv):
        return self.netns.command(["nsenter", f"--net=/proc/{self.far.pid}/ns/net", *argv])

    def run(self, *argv):
        return subprocess.run(self.command(argv), check=True, capture_output=True, text=True).stdout

    def plug(self):
        self.netns.run("ip", "link", "set", "srv", "up")

    def unplug(self):
        self.netns.run("ip", "link", "set", "srv", "down")

    def server(self, lease_s=3600):
        server = DhcpServer(self.netns.socket(kind=socket.SOCK_DGRAM), "srv", "10.9.0.1")
        server.lease_s = lease_s
        self.servers.append(server)
        return server

    def dnsmasq(self, *options, records=None):
        return self.netns.dnsmasq("10.9.0.1", records, [
            "--no-ping", "--dhcp-authoritative", "--dhcp-range=10.9.0.50,10.9.0.60,255.255.255.0,2m",
            "--log-dhcp", f"--dhcp-leasefile={self.netns.directory}/leases", *options])

    def bind(self, *more):
        option = ",".join([f"LWIP_ETH=netns:/proc/{self.far.pid}/ns/net", "dev=eth", "dhcp", *more])
        return ["--bind", option, *OTHERS_OFF, "--exit-on", "never"]

    def close(self):
        for server in self.servers:
            server.close()
        self.far.stdin.close()
        self.far.wait(30)
        self.far.stdout.close()


@pytest.fixture
def cable(netns):
    cable = Cable(netns)
    yield cable
    cable.close()


def addresses(cable):
    return [word for word in cable.run("ip", "-4", "-o", "addr", "show", "dev", "eth").split()
            if "/" in word]


def test_an_address_is_got_from_dnsmasq(emu, cable):
    """Address, mask and gateway; and what was given to the interface is taken back at the end."""
    cable.dnsmasq()
    with emu.start(WAIT, *cable.bind()) as run:
        run.wait_log("ready")
        ip = run.wait_trace("dhcp.lease")["address"]
        given, routes = addresses(cable), cable.run("ip", "route")
        done = run.stop()
    assert done.texts("ready") == [f"{ip} 255.255.255.0 10.9.0.1 nil"]
    assert given == [f"{ip}/24"]
    assert "default via 10.9.0.1 dev eth" in routes
    assert [event["type"] for event in done.events("dhcp.tx")] == ["DISCOVER", "REQUEST"]
    assert [event["type"] for event in done.events("dhcp.rx")] == ["OFFER", "ACK"]
    assert f"LWIP_ETH: has {ip}/24 from the DHCP server 10.9.0.1, for 2 min" in done.stderr
    until(lambda: addresses(cable) == [], "end of the address")


def test_names_are_asked_of_the_servers_that_dhcp_names(emu, cable):
    """LuatOS net_lwip2.c:1036: slots 0 and 1 are DHCP's."""
    dns = cable.dnsmasq(records={"thing.test": "10.9.0.1"})
    server = cable.netns.peers.tcp_server(host="10.9.0.1")
    with emu.start(EVENTS + """
local libnet = require "libnet"
sys.taskInitEx(function()
    local netc = socket.create(socket.LWIP_ETH, "task")
    socket.config(netc)
    log.info("connect", libnet.connect("task", 0, netc, "thing.test", tonumber(os.getenv("PORT"))))
    os.exit(0)
end, "task")
sys.run()
""", *cable.bind(), env={"PORT": server.port}) as run:
        server.accept()
        done = run.finish()
    assert done.texts("connect") == ["true"]
    assert "A thing.test" in dns.queries


def test_name_servers_of_the_command_line_come_before_dhcps(emu, cable):
    server = cable.server()
    server.dns = ["10.9.0.77"]
    with emu.start(WAIT, *cable.bind("dns=10.9.0.1")) as run:
        run.wait_log("ready")
        dns = cable.netns.dnsmasq("10.9.0.1", {"thing.test": "10.9.0.1"})
        run.stop()
    with emu.start(EVENTS + """
sys.subscribe("IP_READY", function()
    local netc = socket.create(socket.LWIP_ETH, function(_, event) if event == socket.ON_LINE then os.exit(0) end end)
    socket.config(netc)
    socket.connect(netc, "thing.test", tonumber(os.getenv("PORT")))
end)
sys.run()
""", *cable.bind("dns=10.9.0.1"),
                   env={"PORT": cable.netns.peers.tcp_server(host="10.9.0.1").port}) as run:
        run.finish()
    assert "A thing.test" in dns.queries


@pytest.mark.parametrize("option, bound, mtu", [(1400, [], 1400), (9000, [], 1500), (100, [], 1500),
                                                (1400, ["ip6=2001:db8::2/64"], 1400),
                                                (1000, ["ip6=2001:db8::2/64"], 1500)])
def test_the_mtu_of_a_lease_is_the_links_while_it_lasts(emu, cable, option, bound, mtu):
    """RFC 2132 5.1: what the link can, what a host has to take, what IPv6 needs."""
    def link_mtu():
        return int(re.search(r"mtu (\d+)", cable.run("ip", "link", "show", "dev", "eth")).group(1))

    cable.dnsmasq(f"--dhcp-option=26,{option}")
    with emu.start(WAIT, *cable.bind(*bound)) as run:
        run.wait_log("ready")
        assert link_mtu() == mtu
        run.stop()
    until(lambda: link_mtu() == 1500, "the MTU of before")


def test_the_messages_are_as_tshark_knows_them(emu, cable, tmp_path):
    """Nothing malformed, and the options that a module asks for."""
    if not shutil.which("tshark"):
        pytest.skip("needs tshark")
    sniffer = cable.netns.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sniffer.bind(("srv", 3))
    cable.dnsmasq()
    with emu.start(WAIT, *cable.bind()) as run:
        run.wait_log("ready")
        run.stop()
    frames = []
    sniffer.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            frames.append(sniffer.recv(2048))
    sniffer.close()
    pcap = tmp_path / "dhcp.pcap"
    pcap.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + b"".join(
        struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame for frame in frames))
    fields = ["dhcp.option.dhcp", "dhcp.flags.bc", "ip.src", "ip.dst", "udp.srcport",
              "dhcp.option.hostname", "dhcp.option.request_list_item", "_ws.malformed",
              "ip.checksum.status", "udp.checksum.status"]
    shown = subprocess.run(
        ["tshark", "-r", str(pcap), "-Y", "dhcp && ip.src == 0.0.0.0", "-T", "fields", "-o",
         "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
         *(word for field in fields for word in ("-e", field))],
        check=True, capture_output=True, text=True).stdout.splitlines()
    rows = [dict(zip(fields, line.split("\t"))) for line in shown]
    assert [row["dhcp.option.dhcp"] for row in rows] == ["1", "3"]
    for row in rows:
        assert row["ip.dst"] == "255.255.255.255" and row["udp.srcport"] == "68"
        assert row["dhcp.flags.bc"] in ("1", "True")
        assert row["dhcp.option.hostname"].startswith("luatos-")
        assert {"1", "3", "6", "51"} <= set(row["dhcp.option.request_list_item"].split(","))
        assert row["_ws.malformed"] == ""
        assert row["ip.checksum.status"] == "1" and row["udp.checksum.status"] == "1"


def test_a_lease_is_renewed_at_half_its_time(emu, cable):
    """RFC 2131 4.4.5: a REQUEST to the server alone, with the address as its source."""
    server = cable.server(lease_s=4)
    with emu.start(WAIT, *cable.bind()) as run:
        run.wait_trace("dhcp.lease", count=3)
        given = addresses(cable)
        done = run.stop()
    assert given == ["10.9.0.50/24"]
    assert server.types()[:4] == ["DISCOVER", "REQUEST", "REQUEST", "REQUEST"]
    for renewal in server.heard[2:4]:
        assert renewal.ciaddr == renewal.source == "10.9.0.50"
        assert 54 not in renewal.options and 50 not in renewal.options
    asked, renewed = done.events("dhcp.tx")[1:3]  # a lease counts from when it was asked for, 4.4.1
    assert 2_000_000 <= renewed["t_us"] - asked["t_us"] < 4_000_000
    assert done.texts("lose") == [] and len(done.texts("ready")) == 1
    assert [event["to"] for event in done.events("dhcp.tx")][2:4] == ["10.9.0.1", "10.9.0.1"]


def test_a_lease_that_nobody_renews_is_lost_and_got_again(emu, cable):
    """IP_LOSE when it ends, and IP_READY when the server is back."""
    server = cable.server(lease_s=3)
    with emu.start(WAIT, *cable.bind()) as run:
        run.wait_log("ready")
        server.manners = "silent"
        run.wait_log("lose", "4")
        assert addresses(cable) == []
        server.manners = "serve"
        run.wait_log("ready", count=2)
        done = run.stop()
    lease = done.events("dhcp.lease")[0]
    lost, = done.events("dhcp.lost")
    assert 2_900_000 < lost["t_us"] - lease["t_us"] < 6_000_000
    assert lost["address"] == "10.9.0.50"
    assert "LWIP_ETH: has lost 10.9.0.50: its lease is over" in done.stderr
    assert server.types()[2] == "REQUEST" and server.heard[2].ciaddr == "10.9.0.50"


def test_a_refused_renewal_leads_to_another_address(emu, cable):
    """RFC 2131 4.4.5: on NAK the address goes at once, and the search begins anew."""
    server = cable.server(lease_s=4)
    with emu.start(WAIT, *cable.bind()) as run:
        run.wait_log("ready", re.compile("^10.9.0.50 "))
        server.address = "10.9.0.51"
        run.wait_log("ready", re.compile("^10.9.0.51 "))
        given = addresses(cable)
        done = run.stop()
    assert given == ["10.9.0.51/24"]
    assert done.texts("lose") == ["4"]
    assert server.types()[:5] == ["DISCOVER", "REQUEST", "REQUEST", "DISCOVER", "REQUEST"]
    assert "the DHCP server has refused to renew it" in done.stderr


def test_a_pulled_cable_is_an_address_lost(emu, cable):
    """And what was lost is asked for again when the cable is back."""
    server = cable.server()
    with emu.start(WAIT, *cable.bind()) as run:
        run.wait_log("ready")
        cable.unplug()
        run.wait_log("lose", "4")
        until(lambda: addresses(cable) == [], "end of the address")
        cable.plug()
        run.wait_log("ready", count=2)
        run.stop()
    assert server.types() == ["DISCOVER", "REQUEST"] * 2
    assert server.heard[2].options[50] == socket.inet_aton("10.9.0.50")


def test_a_cable_that_is_out_at_first_is_waited_for(emu, cable):
    """Nothing is sent where nobody can hear."""
    cable.unplug()
    server = cable.server()
    with emu.start("sys.timerStart(function() log.info('later') end, 50)\n" + WAIT,
                   *cable.bind()) as run:
        run.wait_log("later")
        assert server.heard == []
        cable.plug()
        run.wait_log("ready")
        done = run.stop()
    assert [event["type"] for event in done.events("dhcp.tx")][:1] == ["DISCOVER"]


def test_a_server_that_comes_late_is_found(emu, cable):
    """LuatOS: DISCOVER after 1, 2, 4 s; people are told once that nobody answers."""
    with emu.start(WAIT, *cable.bind()) as run:
        run.wait_stderr("LWIP_ETH: no DHCP server answers")
        cable.server()
        run.wait_log("ready")
        done = run.stop()
    sent = [event["t_us"] / 1e6 for event in done.events("dhcp.tx", type="DISCOVER")]
    for gap, wanted in zip([b - a for a, b in zip(sent, sent[1:])], [1, 2, 4]):
        assert wanted <= gap < wanted + 1
    assert done.stderr.count("no DHCP server answers") == 1


def test_a_lease_does_not_keep_a_run_alive(emu, cable):
    cable.server()
    done = emu.run(EVENTS + "sys.run()\n", *cable.bind()[:-2])
    assert done.code == 0
    assert len(done.texts("ready")) == 1


LIES = {
    "garbage": lambda server, to: b"\0" * 300,
    "short": lambda server, to: b"\2\1\6\0",
    "another xid": lambda server, to: server.reply(
        SimpleNamespace(**{**vars(to), "xid": to.xid ^ 1}), OFFER, server._network()),
    "another client": lambda server, to: server.reply(
        SimpleNamespace(**{**vars(to), "mac": b"\2\0\0\0\0\x63"}), OFFER, server._network()),
    "an option that runs out": lambda server, to: server.reply(
        to, OFFER, server._network())[:-1] + b"\x0c\xff\x41",
    "an address of nobody": lambda server, to: swap(server, "address", "127.0.0.1", to),
    "a broadcast address": lambda server, to: swap(server, "address", "10.9.0.255", to),
    "a mask with holes": lambda server, to: swap(server, "mask", "255.0.255.0", to),
    "a lease of nothing": lambda server, to: swap(server, "lease_s", 0, to),
}


def swap(server, name, value, to):
    """An offer with one thing in it that can't be."""
    kept = getattr(server, name)
    setattr(server, name, value)
    try:
        return server.reply(to, OFFER, server._network())
    finally:
        setattr(server, name, kept)


@pytest.mark.parametrize("lie", LIES)
def test_an_answer_that_cannot_be_is_not_heard(emu, cable, lie):
    """A hostile server comes first, a good one after it."""
    server = cable.server()
    server.before = [LIES[lie]]
    with emu.start(WAIT, *cable.bind()) as run:
        run.wait_log("ready", re.compile("^10.9.0.50 255.255.255.0 10.9.0.1 "))
        done = run.stop()
    assert server.types() == ["DISCOVER", "REQUEST"]
    assert done.events("dhcp.lease")[0]["server"] == "10.9.0.1"


def test_a_kernel_that_checks_where_packets_come_from_is_no_obstacle(emu, cable):
    """rp_filter, which Debian and Ubuntu set: an answer comes before there is an address."""
    cable.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1")
    cable.server()
    with emu.start(WAIT, *cable.bind()) as run:
        run.wait_log("ready", re.compile("^10.9.0.50 "))
        run.stop()


def test_a_killed_emulator_leaves_no_address(emu, cable):
    cable.server()
    with emu.start(WAIT, *cable.bind()) as run:
        run.wait_log("ready")
        run.process.kill()
        run.process.wait()
        until(lambda: addresses(cable) == [], "end of the address")
        run.kill()


# ---- serving: the clients of an access point -------------------------------------------------------

ACCESS_POINT = """
sys.subscribe("WLAN_AP_INC", function(event, mac) log.info("client", event, mac:toHex()) end)
sys.subscribe("IP_READY", function(ip, adapter)
    if adapter == socket.LWIP_AP then log.info("ready", ip) end
end)
sys.taskInit(function()
    wlan.init()
    log.info("ap", wlan.createAP("luatos1234", "12341234"))
    %s
end)
sys.run()
"""


@pytest.fixture
def air(netns):
    """The other end of LWIP_AP's link, where a client is: "ap0"."""
    return netns


def access_point(emu, air, then="", *args):
    return emu.start(ACCESS_POINT % then, "--bind", "LWIP_AP=veth:peer=ap0,ip=192.168.4.1/24",
                     "--exit-on", "never", *args, netns=air)


def test_clients_of_an_access_point_are_given_addresses(emu, air, tmp_path):
    """createAP: the module itself is router and DHCP server; WLAN_AP_INC tells of the client."""
    with access_point(emu, air) as run:
        run.wait_log("ready", "192.168.4.1")
        lease = udhcpc(air.command, "ap0", tmp_path)
        again = udhcpc(air.command, "ap0", tmp_path)
        run.wait_log("client")
        done = run.stop()
    assert lease["ip"] == again["ip"] and re.fullmatch(r"192\.168\.4\.\d+", lease["ip"])
    assert lease["subnet"] == "255.255.255.0"
    assert lease["router"] == lease["dns"] == lease["serverid"] == "192.168.4.1"
    assert [text.split()[0] for text in done.texts("client")] == ["CONNECTED"]
    served = done.events("dhcp.serve", link="LWIP_AP")
    assert [event["reply"] for event in served[:2]] == ["OFFER", "ACK"]


def test_a_script_that_serves_the_clients_is_alone_with_it(emu, air, tmp_path):
    """createAP, then dhcpsrv, as published scripts do: only dhcpsrv answers."""
    then = """local server = require("dhcpsrv").create({ adapter = socket.LWIP_AP,
        ack_cb = function(ip) log.info("ack", ip) end })
    log.info("server", server ~= nil)"""
    with access_point(emu, air, then) as run:
        run.wait_log("server", "true")
        run.wait_log("ready", "192.168.4.1")
        lease = udhcpc(air.command, "ap0", tmp_path)
        run.wait_log("ack")
        done = run.stop()
    assert lease["ip"] == "192.168.4.100" and lease["lease"] == "7680"
    assert done.texts("ack") == ["192.168.4.100"]
    assert not done.events("dhcp.serve")


def test_an_access_point_can_be_stopped_and_made_again(emu, air, tmp_path):
    """stopAP ends it, and createAP begins anew."""
    then = """repeat local _, _, adapter = sys.waitUntil("IP_READY") until adapter == socket.LWIP_AP
    log.info("stop", wlan.stopAP())
    sys.waitUntil("IP_LOSE")
    log.info("again", wlan.createAP("luatos1234", "12341234"))"""
    with access_point(emu, air, then) as run:
        run.wait_log("again", "true")
        run.wait_log("ready", "192.168.4.1", count=2)
        assert udhcpc(air.command, "ap0", tmp_path)["serverid"] == "192.168.4.1"
        done = run.stop()
    assert done.texts("stop") == ["true"]
