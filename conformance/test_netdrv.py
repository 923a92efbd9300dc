"""netdrv and icmp: chips that scripts start, their addresses, ping, and what their sockets do.

Facts: LuatOS components/network/netdrv/binding/luat_lib_netdrv.c and luat_lib_netdrv_event.c,
components/network/icmp/binding/luat_lib_icmp.c, and docs.openluat.com, api/core/netdrv and icmp."""

import re

import pytest

OWN = ["--net", "own"]
BRIDGE = "192.168.77.1"


# ---- ping ---------------------------------------------------------------------------------------


def test_ping_result_comes_of_a_real_answer(own, tasks):
    """luat_lib_icmp.c: PING_RESULT(adapter, milliseconds, address, time to live)."""
    done = tasks.run(f"""
        show("ping", netdrv.ping(socket.LWIP_ETH, "{BRIDGE}"))
        show("result", sys.waitUntil("PING_RESULT", 5000))
    """, *OWN)
    assert done.texts("ping") == ["true"]
    assert re.fullmatch(rf"true 4 \d+ {re.escape(BRIDGE)} 64", done.texts("result")[0])
    request, = done.events("ping.request")
    reply, = done.events("ping.reply")
    assert (request["adapter"], request["to"], request["len"]) == ("LWIP_ETH", BRIDGE, 128)
    assert (reply["from"], reply["ttl"]) == (BRIDGE, 64)


def test_each_adapter_pings_by_its_own_network(own, tasks):
    """icmp.ping(id, ip): the adapter's, not the default one's; several at a time."""
    done = tasks.run(f"""
        local left = 3
        sys.subscribe("PING_RESULT", function(id) show("from", id) left = left - 1 end)
        for _, id in ipairs{{ socket.LWIP_GP, socket.LWIP_STA, socket.LWIP_ETH }} do
            assert(icmp.setup(id) and icmp.ping(id, "{BRIDGE}", 32))
        end
        while left > 0 do sys.waitUntil("PING_RESULT", 1000) end
    """, *OWN)
    assert sorted(done.texts("from")) == ["1", "2", "4"]
    assert [event["len"] for event in done.events("ping.request")] == [32] * 3


def test_nobody_answers_and_nothing_is_published(own, tasks):
    """libnet.ping: false after its time; the module has no event for it."""
    done = tasks.run("""
        show("dead", require("libnet").ping(socket.LWIP_ETH, "192.168.77.250", 200))
    """, *OWN)
    assert done.texts("dead") == ["false"]
    assert done.events("ping.request") and not done.events("ping.reply")


def test_libnet_ping_is_true_when_the_address_answers(own, tasks):
    """libnet.ping(adapter, ip, ms, len), script/libs/libnet.lua."""
    done = tasks.run(f'show("alive", require("libnet").ping(socket.LWIP_GP, "{BRIDGE}"))', *OWN)
    assert done.texts("alive") == ["true"]


def test_a_ping_without_a_link_is_not_sent(own, tasks):
    """ "4G is off": false, and no answer will come."""
    done = tasks.run(f"""
        netdrv.ctrl(socket.LWIP_ETH, netdrv.CTRL_UPDOWN, 0)
        sys.waitUntil("IP_LOSE", 5000)
        show("ping", netdrv.ping(socket.LWIP_ETH, "{BRIDGE}"))
    """, *OWN)
    assert done.texts("ping") == ["false"]
    assert not done.events("ping.request")


def test_a_keeper_pings_where_datagram_sockets_may_not(emu, netns):
    """A namespace whose ping_group_range lets nobody: a raw socket of the keeper's."""
    netns.link("wan", "10.1.0.2/16")
    done = emu.run("""
sys.taskInit(function()
    log.info("ping", netdrv.ping(socket.LWIP_ETH, "10.1.0.2"))
    log.info("result", sys.waitUntil("PING_RESULT", 5000))
    os.exit(0)
end)
sys.run()
""", "--bind", f"LWIP_ETH=netns:/proc/{netns.holder.pid}/ns/net,dev=wan")
    assert done.texts("ping") == ["true"]
    assert re.fullmatch(r"true 4 \d+ 10\.1\.0\.2 64", done.texts("result")[0])


def test_a_system_that_allows_no_ping_is_named(emu, netns):
    """On the host's network, without privileges: false, and how to allow it; then it works."""
    script = emu.lua("""
sys.taskInit(function()
    log.info("ping", netdrv.ping(socket.LWIP_GP, "127.0.0.1"))
    log.info("result", sys.waitUntil("PING_RESULT", 200))
    os.exit(0)
end)
sys.run()
""")
    refused = emu.run(script, netns=netns)
    assert refused.texts("ping") == ["false"] and refused.texts("result") == ["false"]
    assert "net.ipv4.ping_group_range" in refused.warnings[0]
    netns.run("sh", "-c", "echo 0 0 > /proc/sys/net/ipv4/ping_group_range")
    allowed = emu.run(script, netns=netns)
    assert allowed.texts("ping") == ["true"] and not allowed.warnings
    assert re.fullmatch(r"true 1 \d+ 127\.0\.0\.1 64", allowed.texts("result")[0])


def test_there_is_no_ping_in_virtual_time(tasks):
    done = tasks.run('show("ping", netdrv.ping(1, "127.0.0.1"))', "--time", "virtual")
    assert done.texts("ping") == ["false"]
    assert "virtual time" in done.warnings[0]


@pytest.mark.parametrize("args, why", [
    ('1, "example.com"', "no IPv4 address"),
    ('1, ""', "no IPv4 address"),
    ('1, "::1"', "no IPv4 address"),
    ('99, "127.0.0.1"', "no adapter 99"),
    ('-1, "127.0.0.1"', "no adapter -1"),
    ('1, "127.0.0.1", 65536', "0 to 1472"),
    ('1, "127.0.0.1", -1', "0 to 1472"),
])
def test_a_ping_that_cannot_be_sent_gives_nothing(tasks, args, why):
    """luat_lib_icmp.c: no values; names are not looked up."""
    done = tasks.run(f'show("ping", netdrv.ping({args}))\nshow("ping", icmp.ping({args}))')
    assert done.texts("ping") == ["nothing"] * 2
    assert why in done.warnings[0]


# ---- chips ---------------------------------------------------------------------------------------


def test_setup_brings_the_link_up_anew(own, tasks):
    """netdrv.setup(socket.LWIP_ETH, netdrv.CH390, {spi=, cs=}): true, and IP_READY when it has its
    address. Who sets nothing up finds it ready."""
    done = tasks.run("""
        sys.subscribe("IP_LOSE", function(id) show("lose", id) end)
        sys.subscribe("IP_READY", function(ip, id) if id == 4 then show("ready", ip) end end)
        show("before", socket.adapter(socket.LWIP_ETH))
        show("setup", netdrv.setup(socket.LWIP_ETH, netdrv.CH390, { spi = 0, cs = 8, irq = 1 }))
        show("dhcp", netdrv.dhcp(socket.LWIP_ETH, true))
        sys.waitUntil("IP_LOSE", 5000)
        show("between", netdrv.ready(socket.LWIP_ETH), netdrv.link(socket.LWIP_ETH))
        while not netdrv.ready(socket.LWIP_ETH) do sys.waitUntil("IP_READY", 1000) end
        sys.wait(1)
    """, *OWN)
    assert done.texts("before") == ["true 4"] and done.texts("setup") == ["true"]
    assert done.texts("dhcp") == ["true"]
    assert done.texts("lose") == ["4"] and done.texts("between") == ["false false"]
    assert done.texts("ready") == ["192.168.77.13"] * 2  # at the start, and of the set-up


def test_setup_on_the_hosts_network_goes_the_same_way(tasks):
    """An ordinary laptop: scripts that wait for IP_READY after netdrv.setup get it."""
    done = tasks.run("""
        show("before", socket.adapter(socket.LWIP_ETH))
        show("setup", netdrv.setup(socket.LWIP_ETH))
        sys.waitUntil("IP_LOSE", 5000)
        local ok, _, id
        repeat ok, _, id = sys.waitUntil("IP_READY", 5000) until not ok or id == 4
        show("ready", ok, id, netdrv.ready(4))
    """)
    assert done.texts("before") == ["true 4"] and done.texts("setup") == ["true"]
    assert done.texts("ready") == ["true 4 true"]


def test_what_the_board_has_not_cannot_be_set_up(tasks):
    """setup: false; link and ready: nil, as documented; the rest gives nothing."""
    done = tasks.run("""
        show("setup", netdrv.setup(socket.USB))
        show("link", netdrv.link(socket.USB))
        show("ready", netdrv.ready(socket.USB))
        show("ipv4", netdrv.ipv4(socket.USB))
        show("mac", netdrv.mac(socket.USB))
        show("dhcp", netdrv.dhcp(socket.USB, true))
        show("napt", netdrv.napt(socket.USB))
        show("on", netdrv.on(socket.USB, netdrv.EVT_SOCKET, print))
    """, "--bind", "USB=off")
    assert done.texts("setup") == ["false"] and done.texts("dhcp") == ["false"]
    for call in ("link", "ready", "ipv4", "mac", "napt", "on"):
        assert done.texts(call) == ["nothing"], call
    assert all("no adapter 6" in warning for warning in done.warnings)


def test_reset_and_updown(own, tasks):
    """netdrv.ctrl(id, CTRL_RESET, RESET_HARD): true and 0; CTRL_UPDOWN 0 is down, 1 up."""
    done = tasks.run("""
        local function until_ready(wanted)
            while netdrv.ready(4) ~= wanted do sys.waitUntil({ "IP_READY", "IP_LOSE" }, 1000) end
        end
        show("down", netdrv.ctrl(4, netdrv.CTRL_UPDOWN, 0))
        until_ready(false)
        show("up", netdrv.ctrl(4, netdrv.CTRL_UPDOWN, 1))
        until_ready(true)
        show("reset", netdrv.ctrl(4, netdrv.CTRL_RESET, netdrv.RESET_HARD))
        until_ready(false)
        until_ready(true)
        show("other", netdrv.ctrl(4, 77, 0))
    """, *OWN)
    for call in ("down", "up", "reset"):
        assert done.texts(call) == ["true 0"], call
    assert done.texts("other")[0].startswith("false -")


def test_addresses_are_read(own, tasks):
    """netdrv.ipv4(id): address, mask, gateway; of what is down, zeros."""
    done = tasks.run("""
        while not netdrv.ready(socket.ETH0) do sys.waitUntil("IP_READY", 5000) end
        show("ipv4", netdrv.ipv4(socket.LWIP_ETH))
        show("link", netdrv.link(socket.LWIP_ETH), netdrv.ready(socket.LWIP_ETH))
        show("all", netdrv.ready(-1))
        netdrv.ctrl(socket.LWIP_ETH, netdrv.CTRL_UPDOWN, 0)
        sys.waitUntil("IP_LOSE", 5000)
        show("ipv4", netdrv.ipv4(socket.LWIP_ETH))
        show("all", netdrv.ready(-1))
    """, *OWN)
    assert done.texts("ipv4") == [f"192.168.77.13 255.255.255.0 {BRIDGE}", "0.0.0.0 0.0.0.0 0.0.0.0"]
    assert done.texts("link") == ["true true"]
    assert done.texts("all") == [f"true {0b1111110}", f"true {0b1101110}"]


def test_the_hosts_address_is_not_changed(tasks):
    """It is this machine's: what there is comes back, and a warning says why."""
    done = tasks.run("""
        local ip = socket.localIP(socket.LWIP_ETH)
        show("same", (netdrv.ipv4(socket.LWIP_ETH, "10.9.9.9", "255.255.255.0", "10.9.9.1")) == ip)
    """)
    assert done.texts("same") == ["true"]
    assert "this machine's network" in done.warnings[0]


def test_an_address_is_given(own, tasks):
    """netdrv.ipv4(id, ip, mask, gateway): they come back; IP_READY tells the new one. The same
    again changes nothing."""
    done = tasks.run("""
        sys.subscribe("IP_LOSE", function(id) show("lose", id) end)
        show("set", netdrv.ipv4(socket.LWIP_ETH, "192.168.77.99", "255.255.255.0", "192.168.77.1"))
        local ok, ip, id
        repeat ok, ip, id = sys.waitUntil("IP_READY", 5000) until ip == "192.168.77.99"
        show("get", netdrv.ipv4(socket.LWIP_ETH))
        show("again", netdrv.ipv4(socket.LWIP_ETH, "192.168.77.99", "255.255.255.0", "192.168.77.1"))
        sys.wait(50)
        show("ping", require("libnet").ping(socket.LWIP_ETH, "192.168.77.1"))
        show("none", netdrv.ipv4(socket.LWIP_ETH, "10.1.2.3", "255.255.0.0", "0.0.0.0"))
    """, *OWN)
    for call in ("set", "get", "again"):
        assert done.texts(call) == ["192.168.77.99 255.255.255.0 192.168.77.1"], call
    assert done.texts("ping") == ["true"] and done.texts("none") == ["10.1.2.3 255.255.0.0 0.0.0.0"]
    assert done.texts("lose") == ["4"]  # of the first change; the run ends with the last


def test_an_address_that_cannot_be_given_leaves_the_one_there_is(own, tasks):
    """A gateway outside of the network: the warning says that the address is kept, and it is."""
    done = tasks.run("""
        local ip, mask, gateway = netdrv.ipv4(socket.LWIP_ETH)
        show("set", netdrv.ipv4(socket.LWIP_ETH, "10.1.2.3", "255.255.255.0", "10.9.9.9") == ip)
        sys.wait(50)
        show("same", ip == socket.localIP(socket.LWIP_ETH))
        show("again", netdrv.ipv4(socket.LWIP_ETH, ip, mask, gateway) == ip)
        sys.wait(50)
        show("local", socket.localIP(socket.LWIP_ETH))
        show("ping", require("libnet").ping(socket.LWIP_ETH, "192.168.77.1"))
    """, *OWN)
    assert done.texts("set") == done.texts("same") == done.texts("again") == ["true"]
    assert done.texts("local")[0].startswith("192.168.77.") and done.texts("ping") == ["true"]
    assert "keeps its address" in done.warnings[0]


def test_a_mac_is_given(own, tasks):
    """netdrv.mac(id, six bytes): what it is from then on, also on the wire."""
    done = tasks.run("""
        show("set", netdrv.mac(socket.LWIP_ETH, string.fromHex("021122334455")))
        while netdrv.mac(socket.LWIP_ETH) ~= "021122334455" do sys.wait(10) end
        while not netdrv.ready(socket.LWIP_ETH) do sys.waitUntil("IP_READY", 1000) end
        show("ping", require("libnet").ping(socket.LWIP_ETH, "192.168.77.1"))
    """, *OWN)
    assert done.texts("set") == ["021122334455"] and done.texts("ping") == ["true"]


@pytest.mark.parametrize("args", [
    '"10.9.9", "255.255.255.0", "moon"', '"10.9.9.9", "255.0.255.0", "10.9.9.1"',
    '"", "", ""', '"::1", "255.255.255.0", "10.9.9.1"',
])
def test_an_address_that_is_none_gives_nothing(tasks, args):
    """netdrv.ipv4: nothing comes back when what is given is no address, mask and gateway."""
    done = tasks.run(f'show("ipv4", netdrv.ipv4(4, {args}))')
    assert done.texts("ipv4") == ["nothing"]
    assert "no address, mask and gateway" in done.warnings[0]


def test_a_mac_is_hexadecimal_or_six_bytes(tasks):
    """netdrv.mac(id, new, hex): "AABBCCDDEEFF", or six bytes with hex false."""
    done = tasks.run("""
        local hex, raw = netdrv.mac(4), netdrv.mac(4, nil, false)
        show("hex", #hex, hex:match("^%x+$") ~= nil, #raw, raw:toHex() == hex)
        show("bad", netdrv.mac(4, "12345"))
    """)
    assert done.texts("hex") == ["12 true 6 true"] and done.texts("bad") == ["nothing"]


# ---- what the sockets of an adapter do -------------------------------------------------------------


EVENTS = """
netdrv.on(socket.LWIP_GP, netdrv.EVT_SOCKET, function(id, event, info)
    show("evt", id, event, info.proto, info.remote_ip, info.online_ip, info.remote_port,
         info.domain_name)
end)
"""


def test_the_life_of_a_socket_is_told(tasks, tcp_server):
    """netdrv.on(id, netdrv.EVT_SOCKET, fn): fn(id, event, info), luat_netdrv_event.c."""
    with tasks.start(EVENTS + """
        local netc = tcp()
        online(netc)
        until_event("EVENT -1")
        socket.release(netc)
        sys.wait(1)
    """, env={"PORT": tcp_server.port}) as run:
        tcp_server.accept().close()
        done = run.finish()
    there = f"127.0.0.1 127.0.0.1 {tcp_server.port} nil"
    assert done.texts("evt") == ["1 create unknown nil nil 0 nil", f"1 connecting tcp {there}",
                                 f"1 connected tcp {there}", f"1 remote_close tcp {there}",
                                 f"1 release tcp {there}"]


def test_a_name_is_told_with_what_it_led_to(tasks):
    """dns_result before connecting; domain_name, and online_ip once it is known."""
    done = tasks.run(EVENTS + """
        local netc = online(tcp(), "netlab.luatos.com", 40126)
        until_event("EVENT -1")
        sys.wait(1)
    """, "--lab", "--net=T5")
    told = done.texts("evt")
    assert told[1] == "1 dns_result tcp nil nil 40126 netlab.luatos.com"
    for text, event in zip(told[2:], ("connecting", "connected", "remote_close")):
        assert re.fullmatch(rf"1 {event} tcp nil 127\.\S+ 40126 netlab\.luatos\.com", text)


def test_failures_are_told(tasks, peers):
    """error: refused. timeout: nobody knows the name. exnetif looks at both."""
    done = tasks.run(EVENTS + """
        local netc = tcp()
        socket.connect(netc, "127.0.0.1", PORT)
        until_event("ON_LINE -1")
        socket.close(netc)
        socket.connect(netc, "no.such.name.test", 1)
        until_event("ON_LINE -1")
        sys.wait(1)
    """, "--lab", env={"PORT": peers.listen_port()})
    events = [text.split()[1] for text in done.texts("evt")]
    assert events == ["create", "connecting", "error", "timeout"]


def test_who_does_not_listen_is_not_told(tasks, tcp_server):
    """Another adapter's sockets; and event 0 ends it."""
    done = tasks.run(EVENTS.replace("LWIP_GP", "LWIP_ETH") + EVENTS + """
        show("off", netdrv.on(socket.LWIP_GP, 0))
        online(tcp())
        sys.wait(1)
    """, env={"PORT": tcp_server.port})
    assert done.texts("off") == ["true"] and done.texts("evt") == []


def test_a_listener_that_fails_ends_the_run(tasks):
    """Like any callback: unprotected."""
    done = tasks.run("""
        netdrv.on(1, netdrv.EVT_SOCKET, function() error("listener") end)
        tcp()
        sys.wait(1)
    """, code=1)
    assert "listener" in done.stderr


@pytest.mark.parametrize("args", ["1, 7, print", "1, netdrv.EVT_SOCKET", "1, netdrv.EVT_SOCKET, 7"])
def test_on_takes_a_kind_and_a_function(tasks, args):
    done = tasks.run(f'show("on", netdrv.on({args}))')
    assert done.texts("on") == ["nothing"] and "EVT_SOCKET" in done.warnings[0]


def test_napt_of_the_hosts_network_forwards_nothing_and_says_so(tasks):
    """netdrv.napt(id): true; -1 ends it."""
    done = tasks.run('show("napt", netdrv.napt(socket.LWIP_GP))\nshow("napt", netdrv.napt(-1))')
    assert done.texts("napt") == ["true"] * 2
    assert "nothing is forwarded" in done.warnings[0]
