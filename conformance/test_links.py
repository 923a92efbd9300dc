"""Adapters on links of their own: another namespace, another interface, links that come and go."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from peers import until

FAR_ECHO = Path(__file__).parent / "far_echo.py"

EVENTS = """
sys.subscribe("IP_READY", function(ip, adapter)
    if adapter == socket.LWIP_ETH then log.info("ready", ip) end
end)
sys.subscribe("IP_LOSE", function(adapter) log.info("lose", adapter) end)
"""

ECHO = EVENTS + """
local libnet = require "libnet"
sys.taskInitEx(function()
    local netc = socket.create(socket.LWIP_ETH, "echo")
    socket.config(netc)
    log.info("connect", libnet.connect("echo", 0, netc, os.getenv("HOST"), tonumber(os.getenv("PORT"))))
    log.info("tx", libnet.tx("echo", 0, netc, "hello"))
    local ok, data = true, ""
    while ok and data == "" do
        ok = libnet.wait("echo", 0, netc)
        data = select(2, socket.read(netc)) or ""
    end
    log.info("read", data)
    repeat -- an EVENT 0 of what has been read already may be left
        ok, data = libnet.wait("echo", 0, netc)
    until not ok
    log.info("wait", ok, data)
    os.exit(0)
end, "echo")
sys.run()
"""


@pytest.fixture
def there(netns):
    """--bind's value for an adapter in the test's namespace."""
    return f"netns:/proc/{netns.holder.pid}/ns/net"


class Far:
    """A cable to another machine: "wan" with 10.1.0.2 here, an echo server at 10.1.0.1 there."""

    def __init__(self, netns, messages):
        self.netns = netns
        netns.link("wan", "10.1.0.2/16")
        self.server = subprocess.Popen(
            netns.command(["unshare", "--net", sys.executable, FAR_ECHO, str(messages)]),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.port = int(self.server.stdout.readline())
        netns.run("ip", "link", "set", "wan-peer", "netns", str(self.server.pid))
        self.run("ip", "addr", "add", "10.1.0.1/16", "dev", "wan-peer")
        self.plug()
        self.env = {"HOST": "10.1.0.1", "PORT": self.port}

    def run(self, *argv):
        self.netns.run("nsenter", f"--net=/proc/{self.server.pid}/ns/net", *argv)

    def plug(self):
        self.run("ip", "link", "set", "wan-peer", "up")

    def unplug(self):
        self.run("ip", "link", "set", "wan-peer", "down")

    def close(self):
        self.server.kill()
        self.server.wait()
        self.server.stdout.close()


@pytest.fixture
def far(netns):
    far = Far(netns, messages=9)
    yield far
    far.close()


def echo(server):
    peer = server.accept()
    peer.send(peer.recv_exactly(5))
    return peer


def test_an_adapter_in_a_namespace_speaks_there(emu, netns, there):
    """Sockets are opened inside the adapter's namespace and used from the one loop."""
    server = netns.peers.tcp_server()
    with emu.start(ECHO, "--bind", f"LWIP_ETH={there}", env={"HOST": "127.0.0.1",
                                                             "PORT": server.port}) as run:
        echo(server).close()
        done = run.finish()
    assert done.texts("read") == ["hello"]
    assert done.texts("wait") == ["false false"]
    assert done.code == 0


def test_other_adapters_stay_where_they_are(emu, netns, there, tcp_server):
    """Each adapter constant is its own network: the same address is another machine on each."""
    with emu.start(ECHO.replace("LWIP_ETH", "LWIP_STA"), "--bind", f"LWIP_ETH={there}",
                   env={"HOST": "127.0.0.1", "PORT": tcp_server.port}) as run:
        echo(tcp_server).close()
        done = run.finish()
    assert done.texts("read") == ["hello"]


@pytest.mark.requirement("SOCK-LOCALIP-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LOCALIP-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LOCALIP-006", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LOCALIP-007", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LOCALIP-008", revision=1, kind="positive")
def test_the_address_of_the_interface_is_what_localip_shows(emu, netns, there):
    """socket.localIP(adapter): address, mask, gateway."""
    netns.link("wan", "10.1.0.2/16")
    netns.run("ip", "route", "add", "default", "via", "10.1.0.1")
    done = emu.run("log.info('ip', socket.localIP(socket.LWIP_ETH))\nos.exit(0)", "--bind",
                   f"LWIP_ETH={there}")
    assert done.texts("ip") == ["10.1.0.2 255.255.0.0 10.1.0.1 nil"]


def test_names_are_asked_of_the_adapters_own_server(emu, netns, there):
    """dns=: a name that only the server in the namespace knows."""
    dns = netns.dnsmasq(records={"thing.test": "127.0.0.1"})
    server = netns.peers.tcp_server()
    with emu.start(ECHO, "--bind", f"LWIP_ETH={there},dev=lo,dns=127.0.0.1",
                   env={"HOST": "thing.test", "PORT": server.port}) as run:
        echo(server).close()
        run.finish()
    assert dns.queries == ["A thing.test"]


@pytest.mark.requirement("SOCK-CONST-010", revision=1, kind="negative")
def test_a_cable_that_is_pulled_is_an_event_on_everything(emu, far, there):
    """LuatOS: IP_LOSE(adapter), and EVENT -1 on what is online."""
    with emu.start(ECHO, "--bind", f"LWIP_ETH={there},dev=wan", env=far.env) as run:
        run.wait_log("read", "hello")
        far.unplug()
        done = run.finish()
    assert done.texts("ready") == ["10.1.0.2"]
    assert done.texts("wait") == ["false false"]
    assert [event["param"] for event in done.events("netc.event")][-1] == -1
    assert [event["ready"] for event in done.events("adapter.link", adapter="LWIP_ETH")] == [True,
                                                                                             False]


@pytest.mark.requirement("SOCK-CONNECT-013", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONNECT-014", revision=1, kind="positive")
def test_a_connect_while_the_link_is_down_is_carried_out_when_it_rises(emu, far, there):
    """LuatOS: connect on a link that is not ready returns (true, false), state 0, and goes on."""
    far.unplug()
    with emu.start(ECHO, "--bind", f"LWIP_ETH={there},dev=wan", env=far.env) as run:
        run.wait_trace("netc.new")
        far.plug()
        run.wait_log("read", "hello")
        run.stop()
        done = run.finish(sane=False)
    assert done.texts("ready") == ["10.1.0.2"]
    assert done.texts("connect") == ["true"]


def test_a_script_that_reconnects_lives_through_a_pulled_cable(emu, far, there):
    """The field's everyday: offline, back again, and the script goes on by itself."""
    with emu.start(EVENTS + """
local libnet = require "libnet"
sys.taskInitEx(function()
    for round = 1, 2 do
        local netc = socket.create(socket.LWIP_ETH, "again")
        socket.config(netc)
        libnet.connect("again", 0, netc, os.getenv("HOST"), tonumber(os.getenv("PORT")))
        libnet.tx("again", 0, netc, "round " .. round)
        local ok, text = true, ""
        while ok and text == "" do -- an EVENT 0 of something else may come first
            ok = libnet.wait("again", 0, netc)
            text = select(2, socket.read(netc)) or ""
        end
        log.info("read", text)
        if round == 2 then os.exit(0) end
        while libnet.wait("again", 0, netc) do end
        socket.release(netc)
    end
end, "again")
sys.run()
""", "--bind", f"LWIP_ETH={there},dev=wan", env=far.env) as run:
        run.wait_log("read", "round 1")
        far.unplug()
        run.wait_log("lose", "4")
        far.plug()
        done = run.finish()
    assert done.texts("read") == ["round 1", "round 2"]
    assert done.texts("ready") == ["10.1.0.2", "10.1.0.2"]


@pytest.mark.requirement("SOCK-CONST-008", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LINKUP-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LINKUP-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LINKUP-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LINKUP-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LINKUP-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-LINKUP-006", revision=1, kind="positive")
def test_linkup_reports_when_the_link_rises(emu, netns, there):
    """socket.linkup: (true, false) and then LINK 0."""
    netns.link("wan", "10.1.0.2/16")
    netns.run("ip", "link", "set", "wan-peer", "down")
    with emu.start("""
local netc
netc = socket.create(socket.LWIP_ETH, function(_, event, param)
    log.info("event", event == socket.LINK, param, socket.linkup(netc))
    os.exit(0)
end)
log.info("linkup", socket.linkup(netc))
log.info("adapter", socket.adapter(socket.LWIP_ETH))
sys.run()
""", "--bind", f"LWIP_ETH={there},dev=wan") as run:
        run.wait_log("adapter", "false 4")
        netns.run("ip", "link", "set", "wan-peer", "up")
        done = run.finish()
    assert done.texts("linkup") == ["true false"]
    assert done.texts("event") == ["true 0 true true"]


def test_another_address_is_a_link_lost_and_found(emu, netns, there):
    """A lease that changes: what was connected with the old address is over."""
    netns.link("wan", "10.1.0.2/16")
    with emu.start(EVENTS + "sys.run()\n", "--bind", f"LWIP_ETH={there},dev=wan", "--exit-on",
                   "never") as run:
        run.wait_log("ready", "10.1.0.2")
        netns.run("ip", "addr", "del", "10.1.0.2/16", "dev", "wan")
        run.wait_log("lose", "4")
        netns.run("ip", "addr", "add", "10.2.0.9/16", "dev", "wan")
        run.wait_log("ready", "10.2.0.9")
        run.stop()


@pytest.mark.requirement("SOCK-ADAPTER-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-ADAPTER-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-ADAPTER-006", revision=1, kind="negative")
def test_an_interface_that_is_not_there_is_not_ready(emu, netns, there):
    """And becomes ready when it is made."""
    with emu.start(EVENTS + "log.info('adapter', socket.adapter(socket.LWIP_ETH))\nsys.run()\n",
                   "--bind", f"LWIP_ETH={there},dev=late") as run:
        run.wait_log("adapter", "false 4")
        netns.link("late", "10.3.0.2/16")
        run.wait_log("ready", "10.3.0.2")
        run.stop()


def status(pid):
    return dict(re.findall(r"^(\w+):\t(.*)$", Path(f"/proc/{pid}/status").read_text(), re.M))


def test_the_script_runs_without_privileges(emu):
    """Every capability is dropped before the first line of Lua."""
    with emu.start("log.info('runs')\nsys.timerStart(os.exit, 60000, 0)\nsys.run()\n") as run:
        run.wait_log("runs")
        mine = status(run.process.pid)
        run.stop()
    assert int(mine["CapEff"], 16) == 0
    assert int(mine["CapPrm"], 16) == 0
    assert mine["NoNewPrivs"] == "1"


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGKILL])
def test_the_keeper_dies_with_the_emulator(emu, netns, there, signo):
    """Nothing is left behind, whatever ends the emulator."""
    with emu.start("log.info('runs')\nsys.timerStart(os.exit, 60000, 0)\nsys.run()\n", "--bind",
                   f"LWIP_ETH={there}") as run:
        run.wait_log("runs")
        keepers = children(run.process.pid)  # and one that binds, on the host's network
        assert keepers
        os.kill(run.process.pid, signo)
        run.process.wait()
        until(lambda: not [pid for pid in keepers if Path(f"/proc/{pid}").exists()], "end of the keepers")
        run.kill()


@pytest.mark.parametrize("name, why", [
    ("no-such-namespace", "there is no such namespace"),
    ("/dev/null", "Inappropriate ioctl"),
])
def test_a_namespace_that_cannot_be_entered_ends_the_run(emu, name, why):
    """Exit code 4, and one line that says what to do."""
    done = emu.run("os.exit(0)\n", "--bind", f"LWIP_ETH=netns:{name}")
    assert done.code == 4
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("value, why", [
    ("LWIP_ETH", "it has the form"),
    ("LWIP_XYZ=host", "there is no adapter"),
    ("LWIP_ETH=", "bound to host"),
    ("LWIP_ETH=moon", "bound to host"),
    ("LWIP_ETH=netns:", "lacks a usable name"),
    ("LWIP_ETH=netns:" + "x" * 300, "lacks a usable name"),
    ("LWIP_ETH=host,dev=", "takes an interface"),
    ("LWIP_ETH=host,dev=much-too-long-a-name", "takes an interface"),
    ("LWIP_ETH=host,dns=nowhere", "takes an address"),
    ("LWIP_ETH=host,mtu=3", "host takes no mtu="),
    ("LWIP_ETH=host,colour=red", "what follows the kind"),
    ("LWIP_ETH=off,dev=lo", "off takes nothing more"),
    ("LWIP_ETH=host,dns=1.1.1.1,dns=1.1.1.2,dns=1.1.1.3,dns=1.1.1.4,dns=1.1.1.5", "four"),
])
def test_a_binding_that_makes_no_sense_is_refused(emu, value, why):
    done = emu.run("os.exit(0)\n", "--bind", value)
    assert done.code == 2
    assert why in done.stderr
