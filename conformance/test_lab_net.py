"""The lab's network, --net own: DHCP on its bridge, and a host behind its router."""

import subprocess
from pathlib import Path

import pytest

from dhcp_peer import udhcpc

EVENTS = """
sys.subscribe("IP_READY", function(ip, adapter) log.info("ready" .. adapter, socket.localIP(adapter)) end)
sys.subscribe("IP_LOSE", function(adapter) log.info("lose" .. adapter) end)
"""
WAIT = EVENTS + "log.info('runs')\nsys.run()\n"
ETH = 4


# ---- DHCP ------------------------------------------------------------------------------------------


def test_an_adapter_gets_its_address_from_the_lab(own, emu):
    """DISCOVER to ACK; the bridge is gateway and name server, and names are asked of it."""
    done = emu.run(EVENTS + """
local libnet = require "libnet"
sys.taskInitEx(function()
    while not socket.adapter(socket.LWIP_ETH) do sys.waitUntil("IP_READY") end
    local netc = socket.create(socket.LWIP_ETH, "T")
    socket.config(netc)
    log.info("connect", libnet.connect("T", 0, netc, "echo.lab", 7))
    os.exit(0)
end, "T")
sys.run()
""", "--lab", "--net", "own", "--bind", "LWIP_ETH=lab,dhcp", "--bind",
             "ETH0=off")
    assert done.texts("ready4") == ["192.168.77.100 255.255.255.0 192.168.77.1 nil"]
    assert done.texts("connect") == ["true"]
    lease, = done.events("dhcp.lease")
    assert (lease["server"], lease["router"], lease["dns"]) == ("192.168.77.1", "192.168.77.1",
                                                                ["192.168.77.1"])
    assert lease["lease_s"] == 2 * lease["t1_s"] == 7200
    served = [(event["type"], event["reply"]) for event in done.events("dhcp.serve", link="lab")]
    assert served[0] == ("DISCOVER", "OFFER") and served[-1] == ("REQUEST", "ACK")
    assert done.events("lab.accept", peer="echo")[0]["from"].startswith("192.168.77.100:")


def test_name_servers_of_the_command_line_come_before_the_labs(own, emu):
    """The one that is named is asked, though it is not there."""
    done = emu.run("""
local libnet = require "libnet"
sys.taskInitEx(function()
    while not socket.adapter(socket.LWIP_ETH) do sys.waitUntil("IP_READY") end
    local netc = socket.create(socket.LWIP_ETH, "T")
    socket.config(netc)
    libnet.connect("T", 200, netc, "echo.lab", 7)
    os.exit(0)
end, "T")
sys.run()
""", "--lab", "--net", "own", "--bind", "LWIP_ETH=lab,dns=192.168.77.99")
    assert {event["server"] for event in done.events("dns.query")} == {"192.168.77.99:53"}


def test_an_access_point_in_the_lab_leaves_addresses_to_the_lab(own, emu, tmp_path):
    """createAP serves the clients of its own link; the lab's bridge is served already."""
    with emu.start(EVENTS + """
log.info("ap", wlan.createAP("luatos1234", "12341234"))
sys.run()
""", "--lab", "--net", "own", "--bind", "LWIP_AP=lab", "--bind", "LWIP_ETH=lab,dhcp", "--ctl",
                   tmp_path / "ctl", "--exit-on", "never") as run:
        run.wait_log("ap", "true")
        run.wait_log("ready3")
        run.wait_log("ready4")
        emu.ctl(tmp_path / "ctl", "link", "LWIP_ETH", "down")
        run.wait_log("lose4")
        emu.ctl(tmp_path / "ctl", "link", "LWIP_ETH", "up")
        run.wait_log("ready4", count=2)
        done = run.stop()
    assert {event["server"] for event in done.events("dhcp.lease", adapter="LWIP_ETH")} == {
        "192.168.77.1"}
    assert {event["link"] for event in done.events("dhcp.serve")} == {"lab"}


def test_it_serves_without_the_labs_other_servers_too(own, emu):
    """--bind ...=lab alone makes the network; there is no name server to tell of."""
    with emu.start(WAIT, "--bind", "LWIP_ETH=lab,dhcp", "--exit-on", "never") as run:
        run.wait_log("ready4")
        done = run.stop()
    lease, = done.events("dhcp.lease")
    assert lease["address"] == "192.168.77.100" and lease["dns"] == []


def test_all_adapters_can_ask_and_none_gets_what_another_has(own, emu):
    """ip= is somebody's, whether he has asked or not."""
    names = ["LWIP_GP", "LWIP_STA", "LWIP_AP", "LWIP_ETH", "ETH0", "USB"]
    binds = [f"{name}=lab,dhcp" for name in names[:-1]] + ["USB=lab,ip=192.168.77.101/24"]
    with emu.start(WAIT, "--net", "own", "--exit-on", "never",
                   *(word for bind in binds for word in ("--bind", bind))) as run:
        for adapter in range(1, 7):
            run.wait_log(f"ready{adapter}")
        done = run.stop()
    assert done.texts("ready6")[0].startswith("192.168.77.101 ")
    got = sorted(event["address"] for event in done.events("dhcp.lease"))
    assert got == [f"192.168.77.{host}" for host in (100, 102, 103, 104, 105)]


def test_a_script_that_asks_keeps_what_it_has(own, emu):
    """netdrv.dhcp(id, true), as every Ethernet script has it: its wish is granted, nothing breaks."""
    with emu.start("netdrv.dhcp(socket.LWIP_ETH, true)\n" + WAIT, "--net", "own", "--exit-on",
                   "never") as run:
        lease = run.wait_trace("dhcp.lease")
        done = run.stop()
    assert lease["address"] == "192.168.77.13"
    assert done.texts("lose4") == []


def test_a_cable_that_was_out_asks_again(own, emu, tmp_path):
    """IP_LOSE while it is, then the same address by a REQUEST for it."""
    path = tmp_path / "ctl"
    with emu.start(WAIT, "--net", "own", "--ctl", path, "--bind", "LWIP_ETH=lab,dhcp", "--exit-on",
                   "never") as run:
        run.wait_log("ready4")
        emu.ctl(path, "link", "LWIP_ETH", "down")
        run.wait_log("lose4")
        emu.ctl(path, "link", "LWIP_ETH", "up")
        run.wait_log("ready4", count=2)
        done = run.stop()
    assert len(set(done.texts("ready4"))) == 1


class Bridge:
    """The lab's bridge as another machine on it sees it: a namespace with a cable to it."""

    def __init__(self, run):
        keeper, = Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children").read_text().split()
        user = ["--user", f"--target={keeper}", "--preserve-credentials"]
        same = Path(f"/proc/{keeper}/ns/user").readlink() == Path("/proc/self/ns/user").readlink()
        for fd in sorted(Path(f"/proc/{keeper}/fd").iterdir()):
            if not str(fd.readlink()).startswith(("net:", "/proc/")):
                continue
            self.home = ["nsenter", f"--net={fd}", *([] if same else user)]
            if subprocess.run([*self.home, "ip", "link", "show", "lab"], capture_output=True).returncode == 0:
                break
        self.far = subprocess.Popen([*self.home, "unshare", "--net", "sh", "-c", "echo ready; exec cat"],
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.far.stdout.readline() == "ready\n"
        subprocess.run([*self.home, "ip", "link", "add", "guest", "master", "lab", "up", "type", "veth",
                        "peer", "name", "eth", "netns", str(self.far.pid)], check=True)
        self.there = ["nsenter", f"--net=/proc/{self.far.pid}/ns/net", *([] if same else user)]
        subprocess.run([*self.there, "ip", "link", "set", "eth", "up"], check=True)

    def command(self, argv):
        return [*self.there, *argv]

    def close(self):
        self.far.stdin.close()
        self.far.wait(30)
        self.far.stdout.close()


def test_another_machine_on_the_bridge_is_served(own, emu, tmp_path):
    """busybox's client; what it is given is what the emulator's own are."""
    with emu.start(WAIT, "--net", "own", "--lab", "--exit-on", "never") as run:
        run.wait_log("runs")
        bridge = Bridge(run)
        try:
            lease = udhcpc(bridge.command, "eth", tmp_path)
            again = udhcpc(bridge.command, "eth", tmp_path, "-r", "192.168.77.150")
        finally:
            bridge.close()
        run.stop()
    assert lease["ip"] == again["ip"] == "192.168.77.100"
    assert lease["router"] == lease["dns"] == lease["serverid"] == "192.168.77.1"
    assert (lease["mask"], lease["lease"]) == ("24", "7200")


# ---- behind the router ------------------------------------------------------------------------------

FAR = """
local libnet = require "libnet"
sys.subscribe("PING_RESULT", function(_, _, ip, ttl) log.info("ping", ip, ttl) end)
sysplus.taskInitEx(function()
    while not socket.adapter(socket.LWIP_ETH) do sys.waitUntil("IP_READY", 100) end
    for _, host in ipairs{"192.168.77.1", "192.168.78.2"} do
        icmp.setup(socket.LWIP_ETH)
        icmp.ping(socket.LWIP_ETH, host)
        sys.waitUntil("PING_RESULT", 10000)
    end
    for _, udp in ipairs{false, true} do
        local netc, buff = socket.create(socket.LWIP_ETH, "T"), zbuff.create(100)
        socket.config(netc, nil, udp)
        assert(libnet.connect("T", 10000, netc, "far.lab", udp and 40123 or 7))
        libnet.tx("T", 0, netc, "over there")
        libnet.wait("T", 10000, netc)
        socket.rx(netc, buff)
        log.info("echo", buff:query(), socket.remoteIP(netc))
        socket.release(netc)
    end
    os.exit(0)
end, "T", function() end)
sys.run()
"""


@pytest.mark.parametrize("who", ["emu", "ordinary"])
def test_a_host_behind_the_router_is_a_hop_away(request, own, who):
    """TTL, RFC 791 3.2: the router takes one."""
    done = request.getfixturevalue(who).run(FAR, "--lab", "--net=own")
    assert done.code == 0, done.stderr
    assert done.texts("ping") == ["192.168.77.1 64", "192.168.78.2 63"]
    assert [text.split()[:3] for text in done.texts("echo")] == [["over", "there", "192.168.78.2"]] * 2


def test_on_loopback_there_is_no_router(emu):
    done = emu.run("""
sysplus.taskInitEx(function()
    local netc = socket.create(nil, "T")
    socket.config(netc)
    log.info("connected", require("libnet").connect("T", 10000, netc, "far.lab", 40123))
    os.exit(0)
end, "T", function() end)
sys.run()
""", "--lab", "--net=T5")
    assert done.texts("connected") == ["false"]
    assert done.events("lab.dns", name="far.lab")[0]["rcode"] == 3
