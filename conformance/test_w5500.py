"""w5500: the library of the module's Ethernet chip, and the chip behind socket.ETH0.

Facts: wiki.luatos.com/api/w5500, LuatOS components/ethernet/w5500/luat_lib_w5500.c and w5500.c."""

import re

import pytest

# ---- calls that a real module does not forgive ---------------------------------------------------


def warned(done):
    """["1: w5500.init: ...", ...]: the script's line, and what is wrong there."""
    return [text.split("main.lua:", 1)[1] for text in done.warnings if "main.lua:" in text]


def test_without_a_chip_none_is_found(emu):
    """luat_lib_w5500.c: config is false where nothing answers; the others return nothing, or zeros."""
    done = emu.run("""
w5500.init(0, 25600000, 8, 18, 1)
log.info("config", w5500.config())
log.info("bind", select("#", w5500.bind(socket.ETH0)))
log.info("mac", w5500.getMac():toHex())
os.exit(0)
""")
    assert (done.texts("config"), done.texts("bind")) == (["false"], ["0"])
    assert done.texts("mac") == ["000000000000 12"]
    assert done.firmware("w5500") == ["device no ready"]
    assert len(warned(done)) == 1 and warned(done)[0].startswith("2: w5500: this board has none")


def test_what_comes_before_init_is_told(emu):
    done = emu.run("""
log.info("config", w5500.config("not even an address"))
w5500.bind(socket.ETH0)
log.info("mac", w5500.getMac():toHex())
os.exit(0)
""")
    assert done.texts("config") == ["false"] and done.texts("mac") == ["000000000000 12"]
    assert [text.split(" before")[0] for text in warned(done) if "before w5500.init" in text] == [
        "2: w5500.config", "3: w5500.bind", "4: w5500.getMac"]


@pytest.mark.parametrize("call, error", [
    ("w5500.init()", "bad argument #1 to '?' (number expected, got no value)"),
    ("w5500.init(0, 1, 2, 3)", "bad argument #5 to '?' (number expected, got no value)"),
    ("w5500.init(0, 1, 2, 3, 4, {})", "bad argument #6 to '?' (number expected, got table)"),
    ("w5500.bind()", "bad argument #1 to '?' (number expected, got no value)"),
])
def test_arguments_that_lua_itself_refuses(emu, call, error):
    function, args = call[:-1].split("(", 1)
    done = emu.run(f'log.info("error", pcall({", ".join(filter(None, [function, args]))}))\nos.exit(0)\n')
    assert done.texts("error") == [f"false {error}"]


@pytest.mark.parametrize("args, warning", [
    ("0, 100000000, 8, 18, 1", "100000000 Hz: a W5500 takes 80000000 at most"),
    ("0, 40000000, 8, 18, 1", "40000000 Hz: above 33300000 nothing is guaranteed of a W5500"),
    ("0, 0, 8, 18, 1", "0 Hz is no speed"),
    ("9, 1000000, 8, 18, 1", "argument 1: there is no bus 9"),
    ("0, 1000000, -8, 18, 1", "argument 3: there is no pin -8"),
    ("0, 1000000, 8, 8, 1", "cs and irq are one pin, 8"),
    ("0, 1000000, 8, 18, 1, 18", "irq and link are one pin, 18"),
])
def test_wiring_that_no_board_has_is_told(emu, args, warning):
    done = emu.run(f"w5500.init({args})\nos.exit(0)\n")
    assert f"1: w5500.init: {warning}" in warned(done)


def test_a_second_init_is_ignored_and_told(emu):
    done = emu.run("w5500.init(0, 25600000, 8, 18, 1)\nw5500.init(1, 1, 1, 2, 3)\nos.exit(0)\n")
    assert "2: w5500.init again: a module ignores it" in warned(done)


# ---- the chip in the lab -------------------------------------------------------------------------

# What the published demos begin with, and then one exchange by the adapter that they name.
DEMO = """
PROJECT = "w5500demo"
VERSION = "1.0.0"
sys = require("sys")
sysplus = require("sysplus")
local libnet = require "libnet"
sys.subscribe("W5500_IND", function(what) log.info("ind", what) end)
sys.subscribe("IP_READY", function(ip, adapter)
    if adapter == socket.ETH0 then log.info("ready", ip) end
end)
sys.subscribe("IP_LOSE", function(adapter)
    if adapter == socket.ETH0 then log.info("lose", adapter == socket.ETH0) end
end)
sys.taskInit(function()
    %s
    w5500.bind(socket.ETH0)
    while not socket.adapter(socket.ETH0) do sys.waitUntil("IP_READY", 1000) end
    sys.publish("net_ready")
end)
sys.taskInitEx(function()
    sys.waitUntil("net_ready")
    %s
    log.info("over")
    if not STAYS then os.exit(0) end
end, "sc")
sys.run()
"""

EXCHANGE = """
    socket.sntp(nil, socket.ETH0)
    log.info("sntp", (sys.waitUntil("NTP_UPDATE", 10000)))
    local netc = socket.create(socket.ETH0, "sc")
    socket.config(netc)
    log.info("connect", libnet.connect("sc", 15000, netc, "netlab.luatos.com", 40123))
    log.info("tx", (libnet.tx("sc", 5000, netc, "helloworld")))
    libnet.wait("sc", 5000, netc)
    local buff = zbuff.create(1024)
    log.info("rx", (socket.rx(netc, buff)), buff:query())
    log.info("mine", (socket.localIP(socket.ETH0)), w5500.getMac():toHex())
    libnet.close("sc", 5000, netc)
"""

DHCP = "w5500.init(0, 25600000, 8, 18, 1)\n    log.info('config', w5500.config())"


@pytest.mark.parametrize("init", [
    "w5500.init(0, 25600000, 8, 18, 1)",  # an Air780E
    "w5500.init(spi.HSPI_0, 24000000, pin.PC14, pin.PC01, pin.PC00)",  # an Air105
    "w5500.init(spi.SPI_0, 24000000, pin.PB13, pin.PC09, pin.PC08)",
    "w5500.init(0, 20000000, pin.PA01, pin.PB01, pin.PA07)",  # an Air101
    "w5500.init(0, 25600000, 8, 1, 22, 24)",  # with LINKLED
])
def test_published_demos_get_their_network(ordinary, netns_obstacle, init):
    """demo/socket/Air105, demo ec618_w5500 and others: as they are, by an ordinary user, in the lab."""
    done = ordinary.run(DEMO % (f"{init}\n    log.info('config', w5500.config())", EXCHANGE), "--lab")
    assert done.code == 0, done
    assert done.texts("config") == ["true"]
    assert done.texts("ind") == ["CABLE_INSERT"]
    assert done.texts("ready") == ["192.168.77.14"]
    assert done.texts("sntp") == done.texts("connect") == done.texts("tx") == ["true"]
    assert done.texts("rx") == ["true helloworld"]
    assert re.fullmatch(r"192\.168\.77\.14 [0-9A-F]{12} 12", done.texts("mine")[0])
    assert not [text for text in warned(done) if "w5500" in text]


def test_a_static_address_and_a_mac_are_the_script_s(own, emu):
    """w5500.config(ip, mask, gateway, mac): the API page's own example, in the lab's network."""
    done = emu.run(DEMO % ("""w5500.init(spi.SPI_0, 24000000, pin.PB13, pin.PC08, pin.PC09)
    log.info("config", w5500.config("192.168.77.55", "255.255.255.0", "192.168.77.1",
        string.fromHex("102a3b4c5d6e")))""", """
    log.info("local", socket.localIP(socket.ETH0))
    log.info("mac", w5500.getMac():toHex())
    local netc = socket.create(socket.ETH0, "sc")
    socket.config(netc)
    log.info("connect", libnet.connect("sc", 15000, netc, "192.168.77.1", 40123))
    log.info("tx", (libnet.tx("sc", 5000, netc, "hello")))
    libnet.wait("sc", 5000, netc)"""), "--lab")
    assert (done.texts("config"), done.texts("ready")) == (["true"], ["192.168.77.55"])
    assert done.texts("local")[0].startswith("192.168.77.55 255.255.255.0 192.168.77.1")
    assert done.texts("mac") == ["102A3B4C5D6E 12"]
    assert done.texts("connect") == ["true"]
    accept, = done.events("lab.accept", peer="echo")
    assert accept["from"].startswith("192.168.77.55:")


def test_the_driver_is_there_without_a_word_of_w5500(own, tasks):
    """A script that only names socket.ETH0 finds it up, and it is the chip: no kernel has the address."""
    done = tasks.run("""
        while not socket.adapter(socket.ETH0) do sys.waitUntil("IP_READY", 1000) end
        local netc = socket.create(socket.ETH0, "t")
        assert(socket.config(netc))
        online(netc, "echo.lab", 7)
        show("tx", socket.tx(netc, "hello"))
        show("rx", read_bytes(netc, 5))
    """, "--lab")
    assert (done.texts("tx"), done.texts("rx")) == (["true false false"], ["hello"])


@pytest.mark.parametrize("init, args", [
    ("w5500.init(1, 25600000, 8, 18, 1)", []),
    ("w5500.init(spi.SPI_2, 25600000, 8, 18, 1)", []),
    ("w5500.init(0, 25600000, 9, 18, 1)", ["--board", "Air780E-W5500", "--bind", "ETH0=lab"]),
])
def test_wrong_wiring_is_as_on_a_bench(own, emu, init, args):
    """Nothing answers: config is false, the log says what to check, and there is no network."""
    done = emu.run(f"""
log.info("config before", w5500.config())
{init}
log.info("config", w5500.config())
w5500.bind(socket.ETH0)
sys.subscribe("IP_READY", function(_, adapter) log.info("ready", adapter) end)
sys.timerStart(function()
    log.info("adapter", (socket.adapter(socket.ETH0)))
    os.exit(0)
end, 2500)
sys.run()
""", "--lab", *args)
    assert (done.texts("config before"), done.texts("config")) == (["false"], ["false"])
    assert done.texts("adapter") == ["false"] and str(5) not in done.texts("ready")
    assert "chip not found, VERSIONR 0xff" in done.firmware("w5500")
    assert [text for text in warned(done) if text.startswith("3: ") and "check the SPI bus, CS, RST" in text]


def test_the_cable_comes_and_goes(own, emu):
    """W5500_IND with IP_LOSE and IP_READY; what is connected hears nothing until it speaks."""
    ctl = emu.directory / "ctl"
    script = "STAYS = true\n" + DEMO % (DHCP, 'log.info("first", true)')
    with emu.start(script, "--lab", "--ctl", ctl, "--exit-on", "never") as run:
        run.wait_log("over")
        emu.ctl(ctl, "link", "ETH0", "down")
        run.wait_log("ind", "CABLE_REMOVE")
        run.wait_log("lose", "true")
        emu.ctl(ctl, "link", "ETH0", "up")
        run.wait_log("ind", "CABLE_INSERT", count=2)
        run.wait_log("ready", "192.168.77.14", count=2)
        run.stop()


def test_what_applications_do_works(own, emu):
    """HTTP on a plain connection, UDP, and TLS with the server's certificate checked."""
    done = emu.run(DEMO % (DHCP, """
    local function talk(name, host, port, say, ...)
        local netc = socket.create(socket.ETH0, "sc")
        socket.config(netc, ...)
        if not libnet.connect("sc", 15000, netc, host, port) then return log.info(name, "no") end
        libnet.tx("sc", 15000, netc, say)
        libnet.wait("sc", 15000, netc)
        local ok, data = socket.read(netc)
        log.info(name, ok, ok and data:match("^[^\\r\\n]+"))
        libnet.close("sc", 5000, netc)
        socket.release(netc)
    end
    talk("http", "http.lab", 80, "GET / HTTP/1.1\\r\\nHost: http.lab\\r\\nConnection: close\\r\\n\\r\\n")
    talk("udp", "echo.lab", 7, "by datagram", nil, true)
    talk("tls", "tls.lab", 40141, "in secret", nil, false, true, nil, nil, nil,
        io.readFile("/luadb/lab-ca.pem"))
    """), "--lab")
    assert done.texts("http") == ["true HTTP/1.1 200 OK"]
    assert done.texts("udp") == ["true by datagram"]
    assert done.texts("tls") == ["true in secret"]


def test_what_a_reset_cuts_off_is_not_read_again_and_again(own, emu):
    """Sn_RX_RSR outlives the connection; w5500.c reads nothing of a socket that is closed."""
    done = emu.run(DEMO % (DHCP, """
    for round = 1, 10 do
        local netc = socket.create(socket.ETH0, "sc")
        socket.config(netc)
        assert(libnet.connect("sc", 15000, netc, "reset.lab", 40151))
        libnet.tx("sc", 15000, netc, ("x"):rep(1000))
        local heard, len = 0
        repeat
            local ok = libnet.wait("sc", 15000, netc)
            local got, data = socket.read(netc)
            len = ok and got and #data or 0
            heard = heard + len
        until len == 0
        log.info("heard", heard)
        libnet.close("sc", 5000, netc)
        socket.release(netc)
    end
    """), "--lab")
    assert len(done.texts("heard")) == 10
    assert set(done.texts("heard")) <= {"0", "1000"}, done.texts("heard")


def test_the_best_network_is_the_chip_until_its_cable_is_out(own, emu):
    """Multi-network: by the default adapter, as exnetif's order does it."""
    ctl = emu.directory / "ctl"
    with emu.start("""
local libnet = require "libnet"
local function best() return socket.adapter(socket.ETH0) and socket.ETH0 or socket.LWIP_STA end
sys.subscribe("IP_READY", function() socket.dft(best()) sys.publish("CHANGED") end)
sys.subscribe("IP_LOSE", function() socket.dft(best()) sys.publish("CHANGED") end)
w5500.init(0, 25600000, 8, 18, 1)
w5500.config()
w5500.bind(socket.ETH0)
sys.taskInitEx(function()
    while true do
        local netc = socket.create(socket.dft(), "sc")
        socket.config(netc)
        if libnet.connect("sc", 5000, netc, "echo.lab", 7) and libnet.tx("sc", 5000, netc, "beat") then
            log.info("by", (socket.dft()))
        end
        libnet.close("sc", 5000, netc)
        socket.release(netc)
        sys.waitUntil("CHANGED", 500)
    end
end, "sc")
sys.run()
""", "--lab", "--ctl", ctl) as run:
        run.wait_log("by", "5")
        emu.ctl(ctl, "link", "ETH0", "down")
        run.wait_log("by", "2")
        count = len([text for text in run.texts("by") if text == "5"])
        emu.ctl(ctl, "link", "ETH0", "up")
        run.wait_log("by", "5", count=count + 1)
        run.stop()


# ---- what the chip refuses -----------------------------------------------------------------------


def test_the_hardware_stack_s_limits(own, tasks):
    """Seven sockets, one client a listener, IPv4 alone: w5500.c, and README.md, ETH0."""
    done = tasks.run("""
        while not socket.adapter(socket.ETH0) do sys.waitUntil("IP_READY", 1000) end
        local all = {}
        for i = 1, 8 do all[i] = socket.create(socket.ETH0, "t") end
        show("sockets", #all)
        assert(socket.config(all[1], 1883))
        show("many", socket.listen(all[1], 2))
        show("ip6", select(4, socket.localIP(socket.ETH0)))
    """, "--lab")
    assert done.texts("sockets") == ["7"]
    assert done.texts("many")[0].startswith("false")
    assert done.texts("ip6")[0] in ("nil", "nothing")


def test_the_chip_sends_no_pings(own, tasks):
    """LuatOS components/network/icmp: by lwIP's interfaces, and the chip is none."""
    done = tasks.run("""
        while not socket.adapter(socket.ETH0) do sys.waitUntil("IP_READY", 1000) end
        show("ping", icmp.setup(socket.ETH0), icmp.ping(socket.ETH0, "192.168.77.1"))
    """, "--net", "own")
    assert done.texts("ping")[0].endswith("false")
    assert [text for text in warned(done) if "ping: ETH0 answers pings and sends none" in text]


@pytest.mark.parametrize("config, warning", [
    ('"192.168.77.300", "255.255.255.0", "192.168.77.1"', "192.168.77.300 is no address"),
    ('"192.168.77.5", "255.0.255.0", "192.168.77.1"', "no host has such an address and mask"),
    ('"192.168.77.5", "255.255.255.0", "gateway"', "gateway is no gateway"),
    ('"192.168.77.5", "255.255.255.0", "192.168.78.1"', "the gateway 192.168.78.1 is not in the network"),
    ('nil, nil, nil, string.fromHex("112a3b4c5d6e")', "the MAC's first byte, 0x11, is odd"),
    ('nil, nil, nil, "102a3b4c5d6e"', "a MAC has 6 bytes, this has 12"),
    ("nil, nil, nil, nil, 1000", "RTR 1000 never reaches the chip"),
    ("nil, nil, nil, nil, nil, 3", "RCR 3 never reaches the chip"),
    ("nil, nil, nil, nil, nil, nil, 2", "the speed is 0, by the pins, or 1, negotiated"),
])
def test_configurations_that_a_module_does_not_forgive(own, emu, config, warning):
    """luat_lib_w5500.c takes them all, and says true."""
    done = emu.run(f"""w5500.init(0, 25600000, 8, 18, 1)
log.info("config", w5500.config({config}))
os.exit(0)
""", "--net", "own")
    assert done.texts("config") == ["true"]
    assert [text for text in warned(done) if text.startswith("2: w5500.config: ") and warning in text]


def test_a_static_address_takes_its_mask_and_gateway(own, emu):
    done = emu.run("""w5500.init(0, 25600000, 8, 18, 1)
log.info("config", pcall(w5500.config, "192.168.77.5"))
os.exit(0)
""", "--net", "own")
    assert done.texts("config") == ["false bad argument #2 to '?' (string expected, got no value)"]


def test_others_than_eth0_are_not_its_sockets(own, emu):
    done = emu.run("w5500.init(0, 25600000, 8, 18, 1)\nw5500.bind(socket.LWIP_STA)\nos.exit(0)\n", "--net", "own")
    assert "2: w5500.bind: the chip's sockets are those of socket.ETH0, not of 2" in warned(done)
