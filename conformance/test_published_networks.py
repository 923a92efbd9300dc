"""The files by which published projects choose their network (netdrv_4g, netdrv_wifi, netdrv_eth_spi,
netdrv_multiple of module/*/demo, and the old demos' tests of their platform), in the order in which
they call things. Written anew from what they do; the application waits as all of them do."""

import pytest

IP_EVENTS = """
local function ip_ready(ip, adapter)
    if adapter == ADAPTER then
        log.info("netdrv", "IP_READY", socket.localIP(adapter))
    end
end
local function ip_lose(adapter)
    if adapter == ADAPTER then log.warn("netdrv", "IP_LOSE") end
end
"""

FILES = {
    "netdrv_4g": """
local ADAPTER = socket.LWIP_GP
""" + IP_EVENTS + """
sys.subscribe("IP_READY", ip_ready)
sys.subscribe("IP_LOSE", ip_lose)
socket.dft(socket.LWIP_GP)
""",
    "netdrv_wifi": """
local exnetif = require "exnetif"
local ADAPTER = socket.LWIP_STA
""" + IP_EVENTS + """
sys.subscribe("IP_READY", ip_ready)
sys.subscribe("IP_LOSE", ip_lose)
sys.subscribe("WLAN_STA_INC", function(evt, data) log.info("sta", evt, data) end)
sys.taskInit(function()
    exnetif.set_priority_order({ { WIFI = { ssid = SSID, password = "12345678" } } })
end)
""",
    "netdrv_wifi_plain": """
local ADAPTER = socket.LWIP_STA
""" + IP_EVENTS + """
sys.subscribe("IP_READY", ip_ready)
sys.subscribe("IP_LOSE", ip_lose)
socket.dft(socket.LWIP_STA)
wlan.init()
wlan.connect(SSID, "12345678", 1)
""",
    "netdrv_eth_spi": """
local ADAPTER = socket.LWIP_ETH
""" + IP_EVENTS + """
sys.subscribe("IP_READY", ip_ready)
sys.subscribe("IP_LOSE", ip_lose)
socket.dft(socket.LWIP_ETH)
sys.taskInit(function()
    gpio.setup(140, 1, gpio.PULLUP)
    sys.wait(100)
    if spi then spi.setup(1, nil, 0, 0, 8, 25600000) end
    netdrv.setup(socket.LWIP_ETH, netdrv.CH390, { spi = 1, cs = 12 })
    netdrv.dhcp(socket.LWIP_ETH, true)
end)
""",
    "netdrv_eth_rmii": """
local exnetif = require "exnetif"
local ADAPTER = socket.LWIP_ETH
""" + IP_EVENTS + """
sys.subscribe("IP_READY", ip_ready)
sys.subscribe("IP_LOSE", ip_lose)
exnetif.set_priority_order({ { ETHERNET = { pwrpin = 13 } } })
""",
    "netdrv_multiple": """
local exnetif = require "exnetif"
local function on_status(net_type, adapter)
    if type(net_type) == "string" then
        log.info("netdrv_multiple", "use new adapter", net_type, adapter)
    else
        log.warn("netdrv_multiple", "no available adapter", net_type, adapter)
    end
end
exnetif.notify_status(on_status)
sys.taskInit(function()
    exnetif.set_priority_order({
        { ETHERNET = { pwrpin = 140, ping_time = 3000, tp = netdrv.CH390, opts = { spi = 1, cs = 12 } } },
        { WIFI = { ssid = SSID, password = "12345678" } },
        { LWIP_GP = true },
    })
end)
""",
    "old_demo": """
local device_id, ready
sys.taskInit(function()
    if wlan and wlan.connect then
        wlan.init()
        wlan.setMode(wlan.STATION)
        device_id = wlan.getMac()
        wlan.connect(SSID, "12345678", 1)
    elseif mobile then
        device_id = mobile.imei()
    elseif w5500 then
        device_id = "w5500"
    end
    sys.waitUntil("IP_READY", 30000)
    log.info("old_demo", #device_id)
end)
""",
}

# What every application does: wait for the default adapter, a second at most at a time.
MAIN = """
PROJECT = "published"
VERSION = "001.999.000"
SSID = os.getenv("SSID")
if wdt then
    wdt.init(9000)
    sys.timerLoopStart(wdt.feed, 3000)
end
require(os.getenv("NETDRV"))
local libnet = require "libnet"
local TASK = "tcp_client"
sys.taskInitEx(function()
    local rounds = 0
    while rounds < 2 do
        while not socket.adapter(socket.dft()) do
            sys.waitUntil("IP_READY", 1000)
        end
        local netc = socket.create(nil, TASK)
        socket.config(netc)
        if libnet.connect(TASK, 15000, netc, os.getenv("HOST"), 40123) and
            libnet.tx(TASK, 15000, netc, "hello") and libnet.wait(TASK, 15000, netc) then
            local buff = zbuff.create(64)
            socket.rx(netc, buff)
            log.info("answer", buff:query(), (socket.dft()))
            rounds = rounds + 1
        end
        libnet.close(TASK, 5000, netc)
        socket.release(netc)
        sys.wait(300) -- until what is better has come up
    end
    os.exit(0)
end, TASK)
sys.run()
"""

EXPECTED = {"netdrv_4g": 1, "netdrv_wifi": 2, "netdrv_wifi_plain": 2, "netdrv_eth_spi": 4,
            "netdrv_eth_rmii": 4, "netdrv_multiple": 4, "old_demo": 1}


def run(emu, netdrv, ssid, *args):
    done = emu.run(MAIN, *args, files={f"{name}.lua": text for name, text in FILES.items()},
                   env={"NETDRV": netdrv, "SSID": ssid, "HOST": "netlab.luatos.com"})
    assert done.code == 0, done
    assert done.texts("answer")[-1] == f"hello {EXPECTED[netdrv]}"
    return done


@pytest.mark.parametrize("netdrv", EXPECTED)
def test_on_a_laptop(emu, netdrv):
    """On this machine's network, with the author's own SSID; the lab stands for the internet."""
    run(emu, netdrv, "uiot", "--lab", "--net=T5")


@pytest.mark.parametrize("netdrv", EXPECTED)
def test_on_a_network_of_its_own(own, emu, netdrv):
    """Each adapter in a namespace; the board's network and password."""
    done = run(emu, netdrv, "luatos-lab", "--net", "own", "--lab")
    address = {1: "192.168.77.10", 2: "192.168.77.11", 4: "192.168.77.13"}[EXPECTED[netdrv]]
    assert done.events("lab.accept", peer="echo")[-1]["from"].startswith(address + ":")
