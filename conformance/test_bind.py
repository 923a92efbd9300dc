"""What --bind says of one adapter: its address, its name servers, its cable and the other end of it.

The emulator runs in a namespace of the test's own, which is its "this machine": what lies there, a
bridge, a TAP device, an address, is the user's."""

import json
import re
import subprocess

import pytest

from peers import until

READY = """
sys.subscribe("IP_READY", function(ip, adapter) log.info("ready", ip, adapter) end)
sys.subscribe("IP_LOSE", function(adapter) log.info("lose", adapter) end)
"""

ECHO = READY + """
local libnet = require "libnet"
sys.taskInitEx(function()
    local netc = socket.create(socket.LWIP_ETH, "echo")
    socket.config(netc)
    libnet.connect("echo", 0, netc, os.getenv("HOST"), tonumber(os.getenv("PORT")), os.getenv("V6") ~= nil)
    libnet.tx("echo", 0, netc, "hello")
    local ok, data = true, ""
    while ok and data == "" do
        ok = libnet.wait("echo", 0, netc)
        data = select(2, socket.read(netc)) or ""
    end
    log.info("read", data)
    log.info("ip", socket.localIP(socket.LWIP_ETH))
    log.info("mac", netdrv.mac(socket.LWIP_ETH))
    os.exit(0)
end, "echo")
sys.run()
"""


@pytest.fixture
def machine(netns):
    """The emulator's machine: a bridge br0 with 10.5.0.1/24 and 2001:db8:5::1/64."""
    netns.run("ip", "link", "add", "br0", "type", "bridge")
    netns.run("ip", "addr", "add", "10.5.0.1/24", "dev", "br0")
    netns.run("ip", "addr", "add", "2001:db8:5::1/64", "dev", "br0", "nodad")
    netns.run("ip", "link", "set", "br0", "up")
    return netns


def ip(netns, *words):
    """What ip(8) says there, as objects."""
    text = subprocess.run(netns.command(["ip", "-j", *words]), check=True, capture_output=True,
                          text=True).stdout
    return json.loads(text or "[]")


def echo(server):
    peer = server.accept()
    peer.send(peer.recv_exactly(5))
    return peer


def ask(emu, machine, bind, host="10.5.0.1", **env):
    """Say hello to a server of the machine's; what the script logged, and the client's address."""
    server = machine.peers.tcp_server(host=host)
    with emu.start(ECHO, "--bind", f"LWIP_ETH={bind}", netns=machine,
                   env={"HOST": host, "PORT": server.port, **env}) as run:
        peer = echo(server)
        done = run.finish()
    assert done.texts("read") == ["hello"]
    return done, peer.sock.getpeername()[0]


def test_a_cable_to_a_bridge_of_this_machine(emu, machine):
    """veth: one end is the adapter's, the other this machine's, by the names that were asked for."""
    done, client = ask(emu, machine, "veth:peer=lan0,bridge=br0,ip=10.5.0.2/24,gw=10.5.0.1")
    assert client == "10.5.0.2"
    assert done.texts("ip") == ["10.5.0.2 255.255.255.0 10.5.0.1 nil"]
    assert "10.5.0.2 4" in done.texts("ready")
    assert "other end" not in done.stderr


def test_the_other_end_is_named_when_nobody_has_named_it(emu, machine):
    """Its name is said, so that it can be given an address or be captured."""
    with emu.start(READY + "sys.run()\n", "--bind", "LWIP_ETH=veth,ip=10.9.0.2/24", "--exit-on",
                   "never", netns=machine) as run:
        run.wait_log("ready", "10.9.0.2 4")
        name, = re.findall(r"LWIP_ETH: the other end of its cable is (\S+)\n", run.stderr)
        assert ip(machine, "link", "show", name)[0]["operstate"] == "UP"
        run.stop()
    until(lambda: name not in {link["ifname"] for link in ip(machine, "link")}, "end of the cable")


def test_ipv6_comes_out_as_the_fourth_of_localip(emu, machine):
    """ip6= and gw6=: the script speaks IPv6 by that adapter."""
    done, client = ask(emu, machine, "veth:bridge=br0,ip=10.5.0.2/24,ip6=2001:db8:5::2/64,"
                       "gw6=2001:db8:5::1", host="2001:db8:5::1", V6=1)
    assert client == "2001:db8:5::2"
    assert done.texts("ip") == ["10.5.0.2 255.255.255.0 0.0.0.0 2001:db8:5::2"]


def test_the_mac_and_the_mtu_are_those_that_were_asked_for(emu, machine):
    """As this machine sees them."""
    bind = "veth:peer=lan0,bridge=br0,ip=10.5.0.2/24,mac=02:00:5e:00:53:01,mtu=1400"
    done, _ = ask(emu, machine, bind)
    assert done.texts("mac") == ["02005E005301"]
    with emu.start(READY + "sys.run()\n", "--bind", f"LWIP_ETH={bind}", "--exit-on", "never",
                   netns=machine) as run:
        run.wait_log("ready", "10.5.0.2 4")
        assert ip(machine, "link", "show", "lan0")[0]["mtu"] == 1400
        machine.peers.udp(host="10.5.0.1").send(b"who is it?", ("10.5.0.2", 9))
        until(lambda: [row for row in ip(machine, "neigh", "show", "10.5.0.2")
                       if row.get("lladdr") == "02:00:5e:00:53:01"], "its MAC")
        run.stop()


@pytest.fixture
def tap(machine):
    """A TAP device of the machine's, with 10.6.0.1/24."""
    try:
        machine.run("ip", "tuntap", "add", "tap0", "mode", "tap")
    except subprocess.CalledProcessError:
        pytest.skip("needs /dev/net/tun")
    machine.run("ip", "addr", "add", "10.6.0.1/24", "dev", "tap0")
    machine.run("ip", "link", "set", "tap0", "up")
    return machine


def test_a_cable_to_a_tap_device(emu, tap):
    """tap: frames go between the device and an interface of the adapter's own; both see the cable."""
    def carrier():
        return ip(tap, "link", "show", "tap0")[0]["operstate"] == "UP"

    assert not carrier()
    done, client = ask(emu, tap, "tap:tap0,ip=10.6.0.2,mask=255.255.255.0,gw=10.6.0.1",
                       host="10.6.0.1")
    assert client == "10.6.0.2"
    assert done.texts("ip") == ["10.6.0.2 255.255.255.0 10.6.0.1 nil"]
    until(lambda: not carrier(), "end of the cable")


def test_a_tap_device_that_is_not_there_is_made(emu, tap):
    """And joins the bridge, and is gone at the end."""
    done, client = ask(emu, tap, "tap:tap1,bridge=br0,ip=10.5.0.3/24,mtu=1300")
    assert client == "10.5.0.3"
    until(lambda: "tap1" not in {link["ifname"] for link in ip(tap, "link")}, "end of the device")


def test_a_tap_device_that_goes_is_a_link_that_is_lost(emu, tap):
    with emu.start(READY + "sys.run()\n", "--bind", "LWIP_ETH=tap:tap0,ip=10.6.0.2/24", "--exit-on",
                   "never", netns=tap) as run:
        run.wait_log("ready", "10.6.0.2 4")
        tap.run("ip", "link", "del", "tap0")
        run.wait_log("lose", "4")
        run.stop()


def test_an_adapter_of_the_lab_has_the_address_that_it_was_given(own, emu):
    """Its gateway is the lab, unless another was given."""
    script = """
log.info("eth", socket.localIP(socket.LWIP_ETH))
log.info("usb", socket.localIP(socket.USB))
log.info("gp", socket.localIP(socket.LWIP_GP))
os.exit(0)
"""
    done = emu.run(script, "--bind", "LWIP_ETH=lab,ip=192.168.77.99/24,ip6=fd00::99/64", "--bind",
                   "USB=lab,ip=10.1.0.2/8,gw=10.0.0.1", "--bind", "LWIP_GP=lab")
    assert done.texts("eth") == ["192.168.77.99 255.255.255.0 192.168.77.1 fd00::99"]
    assert done.texts("usb") == ["10.1.0.2 255.0.0.0 10.0.0.1 nil"]
    assert done.texts("gp") == ["192.168.77.10 255.255.255.0 192.168.77.1 nil"]


@pytest.mark.parametrize("kind", ["lab", "host", "veth,ip=10.9.0.2/24", "tap:tap0,ip=10.6.0.2/24"])
def test_a_cable_that_is_out_at_first(emu, request, tmp_path, kind):
    """down: not ready until somebody plugs it in."""
    machine = request.getfixturevalue("tap" if kind.startswith("tap") else "machine")
    path = tmp_path / "ctl"
    script = READY + "log.info('adapter', socket.adapter(socket.LWIP_ETH))\nsys.run()\n"
    with emu.start(script, "--bind", f"LWIP_ETH={kind},down", "--ctl", path, "--exit-on", "never",
                   netns=machine) as run:
        run.wait_log("adapter", "false 4")
        for state, event in [("up", "ready"), ("down", "lose"), ("up", "ready")]:
            seen = len(run.texts(event))
            emu.ctl(path, "link", "LWIP_ETH", state)
            run.wait(lambda event=event, seen=seen: [
                text for text in run.texts(event)[seen:] if text.endswith("4")], event)
        run.stop()


# ---- interfaces of others ------------------------------------------------------------------------


@pytest.fixture
def there(netns):
    netns.link("wan")
    return f"netns:/proc/{netns.holder.pid}/ns/net,dev=wan"


def addresses(netns, ifname):
    """{address: seconds that it is good for}, without those that every interface has."""
    return {info["local"]: info["valid_life_time"] for link in ip(netns, "addr", "show", ifname)
            for info in link["addr_info"] if info["scope"] == "global"}


def test_an_interface_in_a_namespace_is_given_an_address_for_the_run(emu, netns, there):
    """It has it for a while only, so that it goes even if nobody can take it back."""
    script = READY + "log.info('ip', socket.localIP(socket.LWIP_ETH))\nsys.run()\n"
    with emu.start(script, "--bind", f"LWIP_ETH={there},ip=10.7.0.2/24,gw=10.7.0.1,ip6=fd07::2/64",
                   "--exit-on", "never") as run:
        run.wait_log("ready", "10.7.0.2 4")
        assert run.texts("ip") == ["10.7.0.2 255.255.255.0 10.7.0.1 fd07::2"]
        given = addresses(netns, "wan")
        assert set(given) == {"10.7.0.2", "fd07::2"} and max(given.values()) <= 60
        run.stop()
    assert addresses(netns, "wan") == {}
    assert ip(netns, "route", "show", "default") == []


def test_what_others_gave_to_it_stays(emu, netns, there):
    netns.run("ip", "addr", "add", "10.8.0.2/24", "dev", "wan")
    netns.run("ip", "route", "add", "default", "via", "10.8.0.1")
    done = emu.run("os.exit(0)\n", "--bind", f"LWIP_ETH={there},ip=10.7.0.2/24,gw=10.7.0.1")
    assert done.code == 0
    assert set(addresses(netns, "wan")) == {"10.8.0.2"}
    assert [route["gateway"] for route in ip(netns, "route", "show", "default")] == ["10.8.0.1"]


def test_an_interface_that_comes_later_is_given_it_then(emu, netns):
    """And another of its name again."""
    with emu.start(READY + "sys.run()\n", "--exit-on", "never", "--bind",
                   f"LWIP_ETH=netns:/proc/{netns.holder.pid}/ns/net,dev=late,ip=10.7.0.2/24") as run:
        run.wait_trace("adapter.link", adapter="LWIP_GP")
        netns.link("late")
        run.wait_log("ready", "10.7.0.2 4")
        netns.run("ip", "link", "del", "late")
        run.wait_log("lose", "4")
        netns.link("late")
        run.wait_log("ready", "10.7.0.2 4", count=2)
        run.stop()


# ---- what can't be had ----------------------------------------------------------------------------


@pytest.mark.parametrize("bind, why", [
    ("veth:peer=br0", "peer=br0: this machine has an interface of that name"),
    ("veth:bridge=br9", "bridge=br9: there is no such bridge"),
    ("veth:bridge=lo", "bridge=lo is no bridge"),
    ("tap:br0", "tap:br0 can't be opened: "),
    ("netns:/proc/self/ns/net,dev=br0,ip=10.5.0.1/24", "br0 has that address already"),
])
def test_a_binding_that_cannot_be_had_ends_the_run(emu, machine, bind, why):
    """Exit code 4, and one line that names the option."""
    done = emu.run("os.exit(0)\n", "--bind", f"LWIP_ETH={bind}", netns=machine)
    assert done.code == 4
    assert done.stderr.startswith("luatos-emu: --bind LWIP_ETH: ") and why in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_tap_device_in_use_is_not_shared(emu, tap):
    script = READY + "sys.run()\n"
    with emu.start(script, "--bind", "LWIP_ETH=tap:tap0,ip=10.6.0.2/24", "--exit-on", "never",
                   netns=tap) as run:
        run.wait_log("ready", "10.6.0.2 4")
        second = emu.run(emu.lua("os.exit(0)\n", "second.lua"), "--bind", "LWIP_ETH=tap:tap0",
                         netns=tap)
        run.stop()
    assert second.code == 4 and "another program has it open" in second.stderr


@pytest.mark.parametrize("binds, why", [
    (["LWIP_ETH=host,ip=10.0.0.2/8"], "host takes no ip=: this machine's own addresses"),
    (["LWIP_ETH=lab,ip=10.0.0.0/8"], "no host's address"),
    (["LWIP_ETH=lab,ip=fe80::1/64"], "is for ip6="),
    (["LWIP_ETH=lab,mtu=20"], "mtu= takes bytes from 68 to 65521"),
    (["LWIP_ETH=lab,ip=10.0.0.2/8", "USB=lab,ip=10.1.0.2/16"], "overlap"),
    (["LWIP_ETH=lab,mac=020000000001", "USB=lab,mac=02:00:00:00:00:01"], "one mac="),
])
def test_options_that_make_no_sense_are_refused(emu, binds, why):
    """Exit code 2, before anything is made."""
    done = emu.run("os.exit(0)\n", *(word for bind in binds for word in ("--bind", bind)))
    assert done.code == 2
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1
