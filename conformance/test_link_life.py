"""What happens to an adapter's link, and what its sockets and the script are told: real events.

Two adapters, LWIP_ETH and LWIP_STA, hang on cables of this machine's, which is the test's namespace:
their other ends are eth0 and sta0, on the bridges br4 and br2, where the machine has 10.4.0.1 and
10.2.0.1. Cables are pulled at this machine's ends, behind the emulator's back."""

import pytest

from peers import until
from test_bind import ip, there  # noqa: F401 (a fixture)

CABLES = {"LWIP_ETH": ("eth0", "br4", "10.4.0"), "LWIP_STA": ("sta0", "br2", "10.2.0")}
ETH, STA = 4, 2

HEAD = """
sys.subscribe("IP_READY", function(ip, adapter) log.info("ready", adapter, ip) end)
sys.subscribe("IP_LOSE", function(adapter) log.info("lose", adapter, socket.adapter(adapter)) end)
local names = {[socket.LINK] = "LINK", [socket.ON_LINE] = "ON_LINE", [socket.TX_OK] = "TX_OK",
               [socket.CLOSED] = "CLOSED", [socket.EVENT] = "EVENT"}
-- A control whose events are logged under its name.
function control(name, adapter, port, udp)
    local netc
    netc = socket.create(adapter, function(_, event, param)
        log.info(name, names[event], param)
    end)
    socket.config(netc, port, udp)
    return netc
end
"""


@pytest.fixture
def cables(netns):
    for _, bridge, net in CABLES.values():
        netns.run("ip", "link", "add", bridge, "type", "bridge")
        netns.run("ip", "addr", "add", f"{net}.1/24", "dev", bridge)
        netns.run("ip", "link", "set", bridge, "up")
    return netns


def board(**more):
    """The cables as options; more: what follows an adapter's."""
    return [word for name, (peer, bridge, net) in CABLES.items()
            for word in ("--bind", f"{name}=veth:peer={peer},bridge={bridge},ip={net}.2/24"
                         f"{more.get(name, f',gw={net}.1')}")] + ["--exit-on", "never"]


def pull(netns, ifname):
    netns.run("ip", "link", "set", ifname, "down")


def plug(netns, ifname):
    netns.run("ip", "link", "set", ifname, "up")


@pytest.mark.requirement("SOCK-CONST-012", revision=1, kind="negative")
def test_a_pulled_cable_is_told_to_every_control_of_that_adapter_and_of_no_other(emu, cables):
    """Online, UDP and listening ones hear of it; the other adapter's go on as if nothing had been."""
    server = cables.peers.tcp_server(host="10.4.0.1")
    other = cables.peers.tcp_server(host="10.2.0.1")
    with emu.start(HEAD + """
local a, b = control("first", socket.LWIP_ETH), control("second", socket.LWIP_ETH)
local c, d = control("udp", socket.LWIP_ETH, nil, true), control("other", socket.LWIP_STA)
local e = control("listener", socket.LWIP_ETH, 8000)
socket.connect(a, "10.4.0.1", ETHPORT)
socket.connect(b, "10.4.0.1", ETHPORT)
socket.connect(c, "10.4.0.1", 9)
socket.connect(d, "10.2.0.1", STAPORT)
socket.listen(e)
sys.subscribe("IP_LOSE", function() socket.tx(d, "still here") end)
sys.run()
""".replace("ETHPORT", str(server.port)).replace("STAPORT", str(other.port)), *board(),
                   netns=cables) as run:
        peers = [server.accept(), server.accept(), other.accept()]
        for name in ("first", "second", "udp", "other"):
            run.wait_log(name, "ON_LINE 0")
        run.wait_trace("netc.state", to="LISTEN")
        pull(cables, "eth0")
        run.wait_log("lose", f"{ETH} false {ETH}")
        for name in ("first", "second", "udp"):
            run.wait_log(name, "EVENT -1")
        assert peers[2].recv_exactly(10) == b"still here"
        run.wait_log("other", "TX_OK 0")
        run.stop()
    assert run.texts("other") == ["ON_LINE 0", "TX_OK 0"]
    assert [text for text in run.texts("ready") if text.startswith(str(STA))] == [f"{STA} 10.2.0.2"]
    assert [event["ready"] for event in run.events("adapter.link", adapter="LWIP_ETH")] == [True, False]


@pytest.mark.requirement("SOCK-LISTEN-008", revision=1, kind="positive")
def test_what_is_asked_for_while_the_cable_is_out_is_done_when_it_is_in(emu, cables):
    """linkup, connect and listen are parked: state 0, and carried out; three controls at once."""
    server = cables.peers.tcp_server(host="10.4.0.1")
    with emu.start(HEAD + """
log.info("adapter", socket.adapter(socket.LWIP_ETH))
local linkup, connect = control("linkup", socket.LWIP_ETH), control("connect", socket.LWIP_ETH)
local listen = control("listen", socket.LWIP_ETH, 8000)
log.info("asked", socket.linkup(linkup))
log.info("asked", socket.connect(connect, "10.4.0.1", PORT))
log.info("asked", socket.listen(listen))
log.info("states", (socket.state(linkup)), (socket.state(connect)), (socket.state(listen)))
sys.run()
""".replace("PORT", str(server.port)), *board(LWIP_ETH=",down"), netns=cables) as run:
        run.wait_log("states", "0 0 0")
        assert run.texts("adapter") == [f"false {ETH}"]
        plug(cables, "eth0")
        server.accept()
        run.wait_log("linkup", "LINK 0")
        run.wait_log("connect", "ON_LINE 0")
        run.wait_trace("netc.state", to="LISTEN")
        client = cables.socket()
        client.settimeout(150)
        client.connect(("10.4.0.2", 8000))
        run.wait_log("listen", "ON_LINE 0")
        client.close()
        run.stop()
    assert run.texts("asked") == ["true false"] * 3
    assert [text for text in run.texts("ready") if text.startswith(str(ETH))] == [f"{ETH} 10.4.0.2"]


def test_a_cable_that_is_in_and_out_again(emu, cables):
    """Ten times: each a pair of events, and the adapter is what they say."""
    with emu.start(HEAD + "sys.run()\n", *board(), netns=cables) as run:
        run.wait_log("ready", f"{ETH} 10.4.0.2")
        for i in range(1, 11):
            pull(cables, "eth0")
            run.wait_log("lose", f"{ETH} false {ETH}", count=i)
            plug(cables, "eth0")
            run.wait_log("ready", f"{ETH} 10.4.0.2", count=i + 1)
        run.stop()
    assert not [text for text in run.texts("lose") if text.startswith(str(STA))]


def test_a_cable_that_is_gone_for_good(emu, cables):
    """This machine's end is deleted: the adapter's goes with it."""
    with emu.start(HEAD + "sys.run()\n", *board(), netns=cables) as run:
        run.wait_log("ready", f"{ETH} 10.4.0.2")
        cables.run("ip", "link", "del", "eth0")
        run.wait_log("lose", f"{ETH} false {ETH}")
        run.stop()


def test_dft_and_close_all_know_one_adapter_from_another(emu, cables):
    """dft() stays what it is when its adapter is down; close_all(id) closes that one's controls."""
    eth = cables.peers.tcp_server(host="10.4.0.1")
    sta = cables.peers.tcp_server(host="10.2.0.1")
    with emu.start(HEAD + """
socket.dft(socket.LWIP_ETH)
local a, b = control("eth", nil), control("sta", socket.LWIP_STA)
socket.connect(a, "10.4.0.1", ETHPORT)
socket.connect(b, "10.2.0.1", STAPORT)
sys.subscribe("IP_LOSE", function(adapter)
    log.info("dft", (socket.dft()))
    log.info("close_all", socket.close_all(socket.LWIP_STA))
end)
sys.run()
""".replace("ETHPORT", str(eth.port)).replace("STAPORT", str(sta.port)), *board(),
                   netns=cables) as run:
        run.wait_log("eth", "ON_LINE 0")
        run.wait_log("sta", "ON_LINE 0")
        pull(cables, "eth0")
        run.wait_log("dft", str(ETH))
        run.wait_log("sta", "CLOSED 0")
        run.stop()
    assert run.texts("close_all") == ["true"]
    assert run.texts("eth") == ["ON_LINE 0", "EVENT -1"]


# ---- addresses -----------------------------------------------------------------------------------


def test_a_script_that_gives_its_adapter_another_address(emu, cables):
    """netdrv.ipv4: what was connected is lost, IP_LOSE, IP_READY with the new one; and it works."""
    server = cables.peers.tcp_server(host="10.4.0.1")
    with emu.start(HEAD + """
local a = control("old", socket.LWIP_ETH)
socket.connect(a, "10.4.0.1", PORT)
gpio.setup(7, function()
    log.info("ipv4", netdrv.ipv4(socket.LWIP_ETH, "10.4.0.99", "255.255.255.0", "10.4.0.1"))
end, gpio.PULLUP, gpio.FALLING)
sys.subscribe("IP_LOSE", function()
    local b = control("new", socket.LWIP_ETH)
    socket.connect(b, "10.4.0.1", PORT)
end)
sys.run()
""".replace("PORT", str(server.port)), *board(LWIP_ETH=",ip6=2001:db8:4::2/64"), "--ctl", emu.directory / "ctl",
                   netns=cables) as run:
        assert server.accept().remote[0] == "10.4.0.2"
        run.wait_log("old", "ON_LINE 0")
        ctl(emu, "gpio", "7", "0")
        assert server.accept().remote[0] == "10.4.0.99"
        run.wait_log("new", "ON_LINE 0")
        run.stop()
    assert run.texts("ipv4") == ["10.4.0.99 255.255.255.0 10.4.0.1"]
    assert [text for text in run.texts("ready") if text.startswith(str(ETH))] == [
        f"{ETH} 10.4.0.2", f"{ETH} 10.4.0.99"]
    assert [text.split()[0] for text in run.texts("lose")] == [str(ETH)]
    assert "EVENT -1" in run.texts("old")


def ctl(emu, *words):
    emu.ctl(emu.directory / "ctl", *words)


def test_a_script_that_gives_its_adapter_another_mac(emu, cables):
    """netdrv.mac: this machine sees it, in the next frame at the latest."""
    with emu.start(HEAD + """
netdrv.mac(socket.LWIP_ETH, string.fromHex("02005E005377"))
log.info("mac", netdrv.mac(socket.LWIP_ETH))
sys.run()
""", *board(), netns=cables) as run:
        run.wait_log("mac", "02005E005377")
        udp = cables.peers.udp(host="10.4.0.1")

        def is_seen():
            udp.send(b"who is it?", ("10.4.0.2", 9))
            return [row for row in ip(cables, "neigh", "show", "10.4.0.2")
                    if row.get("lladdr") == "02:00:5e:00:53:77"]

        until(is_seen, "its MAC")
        run.stop()


PROBE = HEAD + """
gpio.setup(7, function() log.info("ip", socket.localIP(socket.LWIP_ETH)) end, gpio.PULLUP, gpio.FALLING)
log.info("runs")
sys.run()
"""


def local_ip(emu, run):
    """What socket.localIP says now."""
    count = len(run.texts("ip"))
    ctl(emu, "gpio", "7", "1")
    ctl(emu, "gpio", "7", "0")
    return run.wait_log("ip", count=count + 1)


def test_a_new_gateway_or_ipv6_address_is_seen_and_is_no_event(emu, netns, there):
    """socket.localIP follows them; the link stays what it was."""
    netns.run("ip", "addr", "add", "10.7.0.2/24", "dev", "wan")
    netns.run("ip", "route", "add", "default", "via", "10.7.0.1")
    with emu.start(PROBE, "--bind", f"LWIP_ETH={there}", "--exit-on", "never", "--ctl", emu.directory / "ctl") as run:
        run.wait_log("runs")
        assert local_ip(emu, run) == "10.7.0.2 255.255.255.0 10.7.0.1 nil"
        for change, wanted in [
            (["route", "replace", "default", "via", "10.7.0.254"], "10.7.0.254 nil"),
            (["-6", "addr", "add", "fd07::2/64", "dev", "wan", "nodad"], "10.7.0.254 fd07::2"),
            (["-6", "addr", "del", "fd07::2/64", "dev", "wan"], "10.7.0.254 nil"),
            (["route", "del", "default"], "0.0.0.0 nil"),
        ]:
            netns.run("ip", *change)
            run.wait(lambda wanted=wanted: local_ip(emu, run).endswith(wanted), wanted)
        run.stop()
    assert run.texts("lose") == []
    assert len([text for text in run.texts("ready") if text.startswith(str(ETH))]) == 1


def test_an_interface_that_is_replaced_breaks_what_was_on_it(emu, netns, there):
    """The same name and address at once: still another link, for what was open there is dead."""
    netns.run("ip", "addr", "add", "10.7.0.2/24", "dev", "wan")
    with emu.start(HEAD + """
local netc = control("udp", socket.LWIP_ETH, nil, true)
socket.connect(netc, "10.7.0.1", 9)
sys.run()
""", "--bind", f"LWIP_ETH={there}", "--exit-on", "never") as run:
        run.wait_log("udp", "ON_LINE 0")
        batch = emu.directory / "batch"
        batch.write_text("link del wan\nlink add wan type veth peer name wan-peer\n"
                         "addr add 10.7.0.2/24 dev wan\nlink set wan up\nlink set wan-peer up\n")
        netns.run("ip", "-batch", str(batch))
        run.wait_log("lose", f"{ETH} false {ETH}")
        run.wait_log("ready", f"{ETH} 10.7.0.2", count=2)
        run.wait_log("udp", "EVENT -1")
        run.stop()


def test_name_servers_that_change_are_asked(emu, netns):
    """The machine's /etc/resolv.conf is written anew: the next lookup goes to what it says then."""
    first = netns.dnsmasq(address="127.0.0.1", records={"a.test": "127.0.0.1"})
    second = netns.dnsmasq(address="127.0.0.2", records={"b.test": "127.0.0.1"})
    netns.resolv_conf("nameserver 127.0.0.1\n")
    with emu.start(HEAD + """
local netc = control("dns", socket.LWIP_ETH)
socket.connect(netc, "a.test", 0)
gpio.setup(7, function() socket.connect(netc, "b.test", 0) end, gpio.PULLUP, gpio.FALLING)
sys.run()
""", "--exit-on", "never", "--ctl", emu.directory / "ctl", netns=netns) as run:
        run.wait_log("dns", "ON_LINE 0")
        netns.resolv_conf("# the lease is another one\nnameserver 127.0.0.2\n")
        ctl(emu, "gpio", "7", "0")
        run.wait_log("dns", "ON_LINE 0", count=2)
        run.stop()
    assert first.queries == ["A a.test"] and second.queries == ["A b.test"]


def test_a_sandbox_keeps_the_name_servers_it_knows(emu, netns):
    """/etc/resolv.conf can't be read any more then: that it has changed must not cost those it named."""
    if "no Landlock" in emu.run("os.exit(0)\n", "--sandbox").stderr:
        pytest.skip("this kernel has no Landlock")
    dns = netns.dnsmasq(address="127.0.0.2", records={"a.test": "127.0.0.1", "b.test": "127.0.0.1"})
    netns.resolv_conf("nameserver 127.0.0.2\n")
    with emu.start(HEAD + """
local netc = control("dns", socket.LWIP_ETH)
socket.connect(netc, "a.test", 0)
gpio.setup(7, function() socket.connect(netc, "b.test", 0) end, gpio.PULLUP, gpio.FALLING)
sys.run()
""", "--sandbox", "--exit-on", "never", "--ctl", emu.directory / "ctl", netns=netns) as run:
        run.wait_log("dns", "ON_LINE 0")
        netns.resolv_conf("# the lease is another one\nnameserver 127.0.0.3\n")
        ctl(emu, "gpio", "7", "0")
        run.wait_log("dns", "ON_LINE 0", count=2)
        run.stop()
    assert dns.queries == ["A a.test", "A b.test"]
