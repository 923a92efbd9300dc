"""wlan: scanning, joining a network, being one; and LWIP_STA, LWIP_AP coming and going with it.

Facts: LuatOS components/wlan/luat_lib_wlan.c, bsp/pc/port/driver/luat_wlan_pc.c, docs.openluat.com
api/core/wlan, and the published demos. The reasons are IEEE 802.11's and ESP-IDF's."""

import json

import pytest

OWN = ["--net", "own"]

# Everything that Wi-Fi and links say, and the networks the board has.
WATCH = """
for _, topic in ipairs{ "WLAN_STA_INC", "WLAN_SCAN_DONE" } do
    sys.subscribe(topic, function(...) show("told", topic, ...) end)
end
sys.subscribe("IP_READY", function(ip, id) if id == 2 or id == 3 then show("told", "IP_READY", id) end end)
sys.subscribe("IP_LOSE", function(id) if id == 2 or id == 3 then show("told", "IP_LOSE", id) end end)
local function wait_ready(id)
    while not socket.adapter(id) do sys.waitUntil("IP_READY", 1000) end
    sys.wait(1)
end
"""


# ---- the station ----------------------------------------------------------------------------------


def test_a_script_that_does_nothing_has_its_wifi(own, tasks):
    """Who only waits for IP_READY gets it: LWIP_STA is ready from the start."""
    done = tasks.run('show("ready", (socket.adapter(socket.LWIP_STA)), wlan.ready())', *OWN)
    assert done.texts("ready") == ["true true"]


def test_connect_brings_the_station_up(own, tasks):
    """wlan.connect: WLAN_STA_INC("CONNECTED", ssid, bssid), then IP_READY(ip, socket.LWIP_STA)."""
    done = tasks.run(WATCH + """
        show("init", wlan.init(), wlan.setMode(wlan.STATION))
        sys.waitUntil("IP_LOSE", 5000)
        show("before", wlan.ready(), socket.adapter(socket.LWIP_STA))
        show("connect", wlan.connect("luatos-lab", "12345678", 1))
        wait_ready(socket.LWIP_STA)
        show("after", wlan.ready(), wlan.getIP(), #wlan.getMac(), json.encode(wlan.getInfo()))
    """, *OWN)
    assert done.texts("init") == ["true true"] and done.texts("connect") == ["true"]
    assert done.texts("before") == ["false false 2"]
    assert done.texts("told")[-2:] == ["WLAN_STA_INC CONNECTED luatos-lab \x02LAB\x00\x01", "IP_READY 2"]
    ready, ip, mac, info = done.texts("after")[0].split(" ", 3)
    assert (ready, ip, mac) == ("true", "192.168.77.11", "12")
    assert json.loads(info) == {"bssid": "024C41420001", "rssi": -48, "gw": "192.168.77.1"}
    states = [event["to"] for event in done.events("wlan.state")]
    assert states == ["IDLE", "JOINING", "JOINED"]


def test_it_speaks_once_it_is_joined(own, tasks):
    """A connect on LWIP_STA while it is down is carried out when it has joined."""
    done = tasks.run("""
        wlan.init()
        sys.waitUntil("IP_LOSE", 5000)
        local netc = socket.create(socket.LWIP_STA, "t")
        socket.config(netc)
        show("connect", socket.connect(netc, "netlab.luatos.com", 40123))
        wlan.connect("luatos-lab", "12345678")
        until_event("ON_LINE 0")
    """, *OWN, "--lab")
    assert done.texts("connect") == ["true false"]


@pytest.mark.parametrize("ssid, password, reason", [
    ("nowhere", "12345678", 201), ("luatos-lab", "87654321", 15), ("luatos-lab", "", 15),
])
def test_a_network_that_is_not_there_and_a_wrong_password(own, tasks, ssid, password, reason):
    """connect is true, as it only says that it is tried; then DISCONNECTED and why, again and
    again: modules reconnect by themselves. No IP_READY."""
    done = tasks.run(WATCH + f"""
        wlan.init()
        sys.waitUntil("IP_LOSE", 5000)
        show("connect", wlan.connect("{ssid}", "{password}"))
        for _ = 1, 2 do show("why", select(2, sys.waitUntil("WLAN_STA_INC", 10000))) end
        show("ready", wlan.ready(), wlan.getIP())
    """, *OWN)
    assert done.texts("connect") == ["true"]
    assert done.texts("why") == [f"DISCONNECTED {reason}"] * 2
    assert done.texts("ready") == ["false 0.0.0.0"]
    assert not [text for text in done.texts("told") if "CONNECTED luatos" in text]
    assert ("no network \"nowhere\" is heard; the board has: luatos-lab, luatos-open"
            in done.stderr) == (ssid == "nowhere")


def test_disconnect_takes_it_down(own, tasks):
    """wlan.disconnect: DISCONNECTED, IP_LOSE; and connect() without arguments joins it again."""
    done = tasks.run(WATCH + """
        wlan.connect("luatos-open")
        sys.waitUntil("IP_LOSE", 5000)
        wait_ready(2)
        wlan.disconnect()
        sys.waitUntil("IP_LOSE", 5000)
        show("down", wlan.ready(), socket.adapter(2))
        show("again", wlan.connect())
        wait_ready(2)
    """, *OWN)
    assert done.texts("down") == ["false false 2"] and done.texts("again") == ["true"]
    assert [text[:33] for text in done.texts("told")[-5:]] == [
        "IP_READY 2", "WLAN_STA_INC DISCONNECTED 8", "IP_LOSE 2", "WLAN_STA_INC CONNECTED luatos-ope",
        "IP_READY 2"]


def test_a_network_that_goes_is_joined_again(own, emu, tmp_path, tasks):
    """Out of reach (ctl link LWIP_STA down): DISCONNECTED, IP_LOSE. Back: CONNECTED, IP_READY."""
    path = tmp_path / "ctl"
    with tasks.start(WATCH + """
        wlan.init()
        wlan.connect("luatos-lab", "12345678")
        sys.waitUntil("IP_LOSE", 5000)
        wait_ready(2)
        log.info("joined", 1)
        sys.waitUntil("never")
    """, *OWN, "--ctl", path) as run:
        run.wait_log("joined")
        emu.ctl(path, "link", "LWIP_STA", "down")
        run.wait_log("told", "WLAN_STA_INC DISCONNECTED 200")
        run.wait_log("told", "IP_LOSE 2", count=2)
        run.wait_log("told", "WLAN_STA_INC DISCONNECTED 201")
        ready = run.texts("told").count("IP_READY 2")
        emu.ctl(path, "link", "LWIP_STA", "up")
        run.wait_log("told", "IP_READY 2", count=ready + 1)
        run.stop()


def test_on_the_hosts_network_any_name_will_do(tasks):
    """A laptop: what a published script calls its network is this machine's; said once."""
    done = tasks.run(WATCH + """
        wlan.init()
        wlan.setMode(wlan.STATION)
        wlan.connect("uiot", "12345678", 1)
        sys.waitUntil("IP_LOSE", 5000)
        wait_ready(2)
        show("ready", wlan.ready())
    """)
    assert done.texts("ready") == ["true"]
    assert any(text.startswith("WLAN_STA_INC CONNECTED uiot ") for text in done.texts("told"))
    assert done.stderr.count('"uiot" is taken to be that') == 1


def test_an_old_demo_waits_for_the_first_ip_ready(tasks):
    """olddemo/demo/socket: init, setMode, connect, waitUntil("IP_READY"), getMac for a name."""
    done = tasks.run("""
        local device_id
        if wlan and wlan.connect then
            wlan.init()
            wlan.setMode(wlan.STATION)
            wlan.connect("uiot", "12345678", 1)
            show("ready", (sys.waitUntil("IP_READY", 30000)))
            device_id = wlan.getMac()
        end
        show("id", #device_id)
    """)
    assert done.texts("ready") == ["true"] and done.texts("id") == ["12"]


# ---- scanning ------------------------------------------------------------------------------------------


def test_a_scan_finds_the_boards_networks(tasks):
    """wlan.scan: WLAN_SCAN_DONE; wlan.scanResult: ssid, rssi, channel, bssid (six bytes)."""
    done = tasks.run(WATCH + """
        wlan.init()
        show("before", #wlan.scanResult())
        show("scan", wlan.scan())
        show("done", sys.waitUntil("WLAN_SCAN_DONE", 5000))
        for _, ap in ipairs(wlan.scanResult()) do
            show("ap", ap.ssid, ap.rssi, ap.channel, (ap.bssid:toHex()))
        end
    """)
    assert done.texts("before") == ["0"] and done.texts("scan") == ["nothing"]
    assert done.texts("done") == ["true"]
    assert done.texts("ap") == ["luatos-lab -48 6 024C41420001", "luatos-open -67 11 024C41420002"]


# ---- the access point --------------------------------------------------------------------------------


def test_create_ap_brings_the_access_point_up_with_its_address(own, tasks):
    """createAP(ssid, password, ip, mask): IP_READY("192.168.4.1", socket.LWIP_AP) unless it is told
    another; stopAP: IP_LOSE. netdrv.ipv4 with the same address after it changes nothing."""
    done = tasks.run(WATCH + """
        wlan.init()
        sys.waitUntil("IP_LOSE", 5000)
        show("ap", wlan.createAP("luatos1234", "12341234"))
        show("ipv4", netdrv.ipv4(3, "192.168.4.1", "255.255.255.0", "0.0.0.0"))
        wait_ready(3)
        show("ip", socket.localIP(3))
        show("get", wlan.getIP(1), #wlan.getMac(1))
        show("stop", wlan.stopAP())
        show("down", netdrv.ready(3))
        show("other", wlan.createAP("luatos1234", "12341234", "10.4.0.1", "255.255.0.0", 11))
        wait_ready(3)
        show("ip", socket.localIP(3))
        sys.wait(50)
    """, *OWN)
    assert done.texts("ap") == ["true"] and done.texts("stop") == ["true"]
    assert done.texts("ip") == ["192.168.4.1 255.255.255.0 0.0.0.0 nil", "10.4.0.1 255.255.0.0 0.0.0.0 nil"]
    assert done.texts("get") == ["192.168.4.1 12"] and done.texts("down") == ["false"]
    of_ap = [text for text in done.texts("told") if text.endswith(" 3")]
    assert of_ap == ["IP_READY 3", "IP_LOSE 3", "IP_READY 3", "IP_LOSE 3", "IP_READY 3"]


def test_a_radio_that_is_off_at_first_is_switched_on_by_the_script(own, emu, tmp_path, tasks):
    """--bind ...,down: LWIP_STA is not there until wlan.connect, LWIP_GP until mobile.reset, or until
    somebody outside says so."""
    path = tmp_path / "ctl"
    binds = [word for name in ("LWIP_STA", "LWIP_AP", "LWIP_GP")
             for word in ("--bind", f"{name}=lab,down")]
    with tasks.start("""
        show("at first", (socket.adapter(1)), (socket.adapter(2)), (socket.adapter(3)))
        wlan.init()
        wlan.connect("luatos-lab", "12345678")
        wlan.createAP("mine", "12345678")
        while not (socket.adapter(2) and socket.adapter(3)) do sys.waitUntil("IP_READY", 1000) end
        show("then", (socket.adapter(1)), (socket.adapter(2)), (socket.adapter(3)))
        while not socket.adapter(1) do sys.waitUntil("IP_READY", 1000) end
    """, *OWN, *binds, "--ctl", path) as run:
        run.wait_log("then")
        emu.ctl(path, "link", "LWIP_GP", "up")
        done = run.finish()
    assert done.texts("at first") == ["false false false"] and done.texts("then") == ["false true true"]


def test_create_ap_on_the_hosts_network_is_told_to_be_alone(tasks):
    """createAP: true; its address can't be given to this machine's network."""
    done = tasks.run(WATCH + """
        wlan.init()
        sys.waitUntil("IP_LOSE", 5000)
        show("ap", wlan.createAP("luatos1234", "12341234"))
        wait_ready(3)
        show("stop", wlan.stopAP())
        while socket.adapter(3) do sys.waitUntil("IP_LOSE", 1000) end
    """)
    assert done.texts("ap") == ["true"] and done.texts("stop") == ["true"]
    assert [(e["ssid"], e["on"]) for e in done.events("wlan.ap")] == [("luatos1234", True),
                                                                   ("luatos1234", False)]
    assert "LWIP_AP keeps its address" in done.warnings[0]


@pytest.mark.parametrize("args, why", [
    ('""', "1 to 32 bytes"), (f'"{"x" * 33}"', "1 to 32 bytes"), ('"ap", "1234567"', "8 to 63"),
    (f'"ap", "{"x" * 64}"', "8 to 63"), ('"ap", "12345678", "moon"', "address and its mask"),
    ('"ap", "12345678", "10.0.0.1", "255.0.255.0"', "address and its mask"),
    ('"ap", "12345678", "10.0.0.1", "255.255.255.0", 14', "channel"),
])
def test_an_access_point_that_cannot_be_is_refused(tasks, args, why):
    """WPA2's and 802.11's limits."""
    done = tasks.run(f'show("ap", wlan.createAP({args}))')
    assert done.texts("ap") == ["false"] and why in done.warnings[0]
    assert not done.events("wlan.ap")


# ---- the rest ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("args, why", [
    (f'"{"x" * 33}"', "1 to 32 bytes"), ('""', "1 to 32 bytes"), ('"a\\0b"', "1 to 32 bytes"),
    (f'"ap", "{"x" * 65}"', "up to 64 bytes"), ("", "no network was named"),
])
def test_a_name_that_is_none_is_not_tried(tasks, args, why):
    """On a module a name that is too long overwrites what lies behind it."""
    done = tasks.run(f'show("connect", wlan.connect({args}))')
    assert done.texts("connect") == ["false"] and why in done.warnings[0]


def test_macs_and_host_names(tasks):
    """getMac(tp, hex): 12 digits or six bytes; hostname: "LUATOS_" and the MAC until it is set."""
    done = tasks.run("""
        show("mac", #wlan.getMac(), wlan.getMac(0, false):toHex() == wlan.getMac(),
             wlan.getMac(1) ~= wlan.getMac(0))
        show("host", wlan.hostname() == "LUATOS_" .. wlan.getMac(), wlan.hostname("mine"),
             wlan.hostname(0), wlan.hostname(1, "ap"), wlan.hostname(1))
        show("long", wlan.hostname(("x"):rep(33)))
        show("ps", wlan.powerSave(wlan.PS_MAX_MODEM), wlan.powerSave())
        show("setMac", wlan.setMac(0, "123"), wlan.setMac(0, "123456"))
        show("staIp", wlan.staIp(true), wlan.staIp(false, "10.0.0.2", "255.255.255.0", "10.0.0.1"),
             wlan.staIp(false, "x", "y", "z"))
    """)
    assert done.texts("mac") == ["12 true true"]
    assert done.texts("host") == ["true mine mine ap ap"] and done.texts("long") == ["mine"]
    assert done.texts("ps") == ["2 2"]
    assert done.texts("setMac") == ["false false"] and done.texts("staIp") == ["true false false"]


def test_constants(tasks):
    """luat_wlan.h: NONE, STATION, AP, APSTA; luat_lib_wlan.c: PS_NONE and so on."""
    done = tasks.run("""
        show("modes", wlan.NONE, wlan.STATION, wlan.AP, wlan.APSTA, wlan.STATIONAP)
        show("ps", wlan.PS_NONE, wlan.PS_MIN_MODEM, wlan.PS_MAX_MODEM)
    """)
    assert done.texts("modes") == ["0 1 2 3 3"] and done.texts("ps") == ["0 1 2"]


def test_a_module_without_wifi_scans_at_most(tasks):
    """Air780E: init, scan and scanResult only; scripts ask for wlan.connect."""
    done = tasks.run('show("wlan", type(wlan.scan), type(wlan.connect), type(wlan.createAP))',
                     "--bind", "LWIP_STA=off", "--bind", "LWIP_AP=off")
    assert done.texts("wlan") == ["function nil nil"]


def test_wifi_works_in_virtual_time(tasks):
    """Its events are timers'; only sockets are not there."""
    done = tasks.run(WATCH + """
        wlan.connect("luatos-lab", "12345678")
        show("sta", sys.waitUntil("WLAN_STA_INC", 60000))
    """, "--time", "virtual")
    assert done.texts("sta")[0].startswith("true CONNECTED luatos-lab")
