"""exnetif: the best network that reaches something is the default one; and clients by another.

Facts: the published scripts, and docs.openluat.com api/libs/exnetif."""

import os
import pwd
import re
import shutil
import subprocess

import pytest

from conftest import ROOT
from peers import until
from test_nat import BOARD, client, machine  # noqa: F401

DEMO = ROOT / "scripts/demo/exnetif/main.lua"
OWN = ["--net", "own", "--lab"]
BRIDGE = "192.168.77.1"

# notify_status's arguments, and the topic's, as they come.
WATCH = """
local exnetif = require "exnetif"
exnetif.notify_status(function(name, id) show("notify", name, id) end)
sys.subscribe("EXLIB_NETDRV_NETWORK_STATUS", function(name, id) show("topic", name, id) end)
local function until_dft(id)
    while socket.dft() ~= id or not socket.adapter(id) do sys.wait(20) end
end
"""


def used(done):
    """Which networks were used, one after the other."""
    return [text.split()[0] for text in done.texts("notify")]


# ---- which one is used --------------------------------------------------------------------------


def test_the_best_network_is_the_default_one(own, tasks):
    """set_priority_order: Ethernet before Wi-Fi before 4G; notify_status(name, adapter) and the
    topic EXLIB_NETDRV_NETWORK_STATUS when another is used."""
    done = tasks.run(WATCH + """
        show("set", exnetif.set_priority_order{
            { ETHERNET = { tp = netdrv.CH390, opts = { spi = 1, cs = 12 } } },
            { WIFI = { ssid = "luatos-lab", password = "12345678" } },
            { LWIP_GP = true } })
        show("first", (socket.dft()))
        until_dft(socket.LWIP_ETH)
        while not wlan.ready() do sys.wait(20) end
        sys.wait(500)
        show("dft", (socket.dft()))
    """, *OWN)
    assert done.texts("set") == ["true"]
    assert done.texts("first") == ["4"]
    assert done.texts("notify")[-1] == "Ethernet 4" and done.texts("dft") == ["4"]
    assert done.texts("notify") == done.texts("topic")


def test_the_order_is_the_scripts(own, tasks):
    """The first entry is the best one, whatever it is."""
    done = tasks.run(WATCH + """
        exnetif.set_priority_order{ { WIFI = { ssid = "luatos-lab", password = "12345678" } },
                                    { LWIP_GP = true }, { ETHERNET = {} } }
        until_dft(socket.LWIP_STA)
        while not netdrv.ready(4) do sys.wait(20) end
        sys.wait(300)
        show("dft", (socket.dft()))
    """, *OWN)
    assert used(done)[-1] == "WiFi" and done.texts("dft") == ["2"]


def test_until_one_is_good_the_wanted_one_is_the_default(own, tasks):
    """socket.dft is the best one's from the start: scripts wait for that adapter."""
    done = tasks.run(WATCH + """
        exnetif.set_priority_order{ { WIFI = { ssid = "nowhere", password = "12345678" } },
                                    { ETHERNET = { ping_ip = "192.168.77.250" } } }
        show("dft", (socket.dft()))
        sys.wait(700)
        show("dft", (socket.dft()))
    """, *OWN)
    assert done.texts("dft") == ["2", "2"] and used(done) == []


def test_a_single_network_is_not_checked(own, tasks):
    """One entry: it is the default adapter, and nobody is notified."""
    done = tasks.run(WATCH + """
        show("set", exnetif.set_priority_order{ { ETHERNET = { ping_ip = "192.168.77.250" } } })
        show("dft", (socket.dft()))
        while not socket.adapter(socket.dft()) do sys.waitUntil("IP_READY", 1000) end
    """, *OWN)
    assert done.texts("set") == ["true"] and done.texts("dft") == ["4"]
    assert used(done) == [] and not done.events("ping.request")


def test_wifi_that_is_not_joined_keeps_nobody_waiting(own, tasks):
    """A wrong password: the next one is used."""
    done = tasks.run(WATCH + """
        exnetif.set_priority_order{ { WIFI = { ssid = "luatos-lab", password = "wrong" } },
                                    { LWIP_GP = true } }
        until_dft(socket.LWIP_GP)
        sys.waitUntil("WLAN_STA_INC", 5000)
    """, *OWN)
    assert used(done) == ["4G"]


@pytest.mark.parametrize("configs", ["{}", "nil", "7", "{ {} }", "{ { NOTHING = {} } }"])
def test_no_network_is_an_error(tasks, configs):
    done = tasks.run(WATCH + f'show("set", exnetif.set_priority_order({configs}))')
    assert done.texts("set") == ["false"]


def test_what_the_board_has_not_is_an_error(tasks):
    """A chip that can't be set up: false, and the log says which."""
    done = tasks.run(WATCH + """
        show("set", exnetif.set_priority_order{ { ETHUSER1 = { tp = netdrv.CH390, opts = {} } },
                                                { LWIP_GP = true } })
    """)
    assert done.texts("set") == ["false"]
    assert any("8101SPIETH can't be set up" in text for text in done.texts("exnetif"))


def test_notify_status_takes_a_function(tasks):
    done = tasks.run('show("notify", require("exnetif").notify_status(7))')
    assert done.texts("notify") == ["nothing"]
    assert any("takes a function" in text for text in done.texts("exnetif"))


# ---- is it good? ----------------------------------------------------------------------------------


def test_an_address_that_answers_a_ping_is_good(own, tasks):
    """ping_ip: echo requests by that adapter, and for 4G too; ping_time between two of them."""
    done = tasks.run(WATCH + f"""
        exnetif.set_priority_order{{
            {{ ETHERNET = {{ ping_ip = "192.168.77.250", ping_time = 200 }} }},
            {{ WIFI = {{ ssid = "luatos-lab", password = "12345678", ping_ip = "{BRIDGE}" }} }} }}
        until_dft(socket.LWIP_STA)
        show("dft", (socket.dft()))
    """, *OWN)
    assert used(done) == ["WiFi"]
    assert {e["adapter"] for e in done.events("ping.reply")} == {"LWIP_STA"}
    assert {e["to"] for e in done.events("ping.request", adapter="LWIP_ETH")} == {"192.168.77.250"}


def test_in_a_local_network_the_gateway_is_asked(own, tasks):
    """local_network_mode: the gateway instead of ping_ip."""
    done = tasks.run(WATCH + """
        exnetif.set_priority_order{ { ETHERNET = { local_network_mode = true,
                                                   ping_ip = "192.168.77.250" } },
                                    { WIFI = { ssid = "nowhere" } } }
        until_dft(socket.LWIP_ETH)
        sys.waitUntil("EXLIB_NETDRV_NETWORK_STATUS", 3000)
    """, *OWN)
    assert used(done) == ["Ethernet"]
    assert {e["to"] for e in done.events("ping.request")} == {BRIDGE}


def test_need_ping_false_asks_nobody(own, tasks):
    """An address is enough."""
    done = tasks.run(WATCH + """
        exnetif.set_priority_order{ { ETHERNET = { need_ping = false, ping_ip = "192.168.77.250" } },
                                    { LWIP_GP = true } }
        until_dft(socket.LWIP_ETH)
        sys.wait(1)
    """, *OWN)
    assert used(done)[-1] == "Ethernet" and not done.events("ping.request")
    assert not done.events("dns.query")


def test_a_name_server_that_dies_takes_its_network_along(emu, netns):
    """Real peers: each network has a dnsmasq of its own; the better one's dies, its link stays up.
    check_network_status finds out, and the next one is used."""
    for name, address in (("lan", "10.1.0.2"), ("wan", "10.2.0.2")):
        netns.link(name, f"{address}/16")
    records = {"netlab.luatos.com": "127.0.0.1"}
    better = netns.dnsmasq("10.1.0.2", records)
    worse = netns.dnsmasq("10.2.0.2", records)
    there = f"netns:/proc/{netns.holder.pid}/ns/net"
    with emu.start("""
local exnetif = require "exnetif"
exnetif.notify_status(function(name, id) log.info("notify", name, id) end)
sys.taskInit(function()
    exnetif.set_priority_order{ { ETHERNET = { ping_time = 300 } }, { LWIP_GP = true } }
    exnetif.check_network_status(300)
end)
sys.run()
""", "--bind", f"LWIP_ETH={there},dev=lan,dns=10.1.0.2", "--bind",
                   f"LWIP_GP={there},dev=wan,dns=10.2.0.2") as run:
        run.wait_log("notify", "Ethernet 4")
        assert better.queries and set(better.queries) == {"A netlab.luatos.com"}
        count = len(run.texts("notify"))
        better.close()
        netns.daemons.remove(better)
        until(lambda: "4G 1" in run.texts("notify")[count:], "fail-over")
        assert "A netlab.luatos.com" in worse.queries
        run.stop()


def test_a_socket_that_fails_has_its_network_asked_again(own, tasks, peers):
    """netdrv.on: timeout and error. The network is good, so it stays."""
    done = tasks.run(WATCH + f"""
        exnetif.set_priority_order{{ {{ ETHERNET = {{ ping_ip = "{BRIDGE}" }} }}, {{ LWIP_GP = true }} }}
        until_dft(socket.LWIP_ETH)
        local before
        sys.subscribe("PING_RESULT", function(id) if id == 4 then show("asked", before) end end)
        sys.wait(300)
        before = true
        local netc = socket.create(nil, "t")
        socket.config(netc)
        socket.connect(netc, "{BRIDGE}", 1)
        until_event("ON_LINE -1")
        while not sys.waitUntil("PING_RESULT", 1000) do end
        sys.wait(1)
    """, *OWN)
    assert done.texts("asked")[-1] == "true"
    assert used(done)[-1] == "Ethernet"


# ---- failing over ----------------------------------------------------------------------------------


def test_cables_are_pulled_and_the_demo_goes_on(own, emu, tmp_path):
    """Ethernet, Wi-Fi, 4G and back: what is used changes, and heartbeats go on by it."""
    path = tmp_path / "ctl"
    script = emu.lua(DEMO.read_text().replace("ROUNDS = 3 ", "ROUNDS = 0 ").replace(
        "BEAT_MS = 500 ", "BEAT_MS = 50 "))
    with emu.start(script, *OWN, "--ctl", path) as run:
        run.wait_log("exnetif", "WiFi CONNECTING -> CONNECTED")
        for adapter, cable in [(4, "LWIP_ETH down"), (2, "LWIP_STA down"), (1, "LWIP_STA up"),
                               (2, "LWIP_ETH up"), (4, None)]:
            beats = len(run.texts("beat"))
            until(lambda a=adapter, b=beats: any(text.endswith(f"by {a}")
                                                 for text in run.texts("beat")[b:]),
                  f"heartbeat by {adapter}")
            if cable:
                emu.ctl(path, "link", *cable.split())
        run.stop()
    networks = [text.split()[0] for text in run.texts("network")]
    start = networks.index("Ethernet")
    assert networks[start:] == ["Ethernet", "WiFi", "4G", "WiFi", "Ethernet"]


def test_when_none_is_left_it_is_told(own, tasks):
    """notify_status(nil, -1), once; and again when one is back."""
    done = tasks.run(WATCH + """
        exnetif.set_priority_order{ { ETHERNET = {} }, { LWIP_GP = true } }
        until_dft(socket.LWIP_ETH)
        netdrv.ctrl(4, netdrv.CTRL_UPDOWN, 0)
        until_dft(socket.LWIP_GP)
        sys.wait(100)
        mobile.flymode(0, true)
        sys.wait(100)
        netdrv.ctrl(4, netdrv.CTRL_UPDOWN, 1)
        until_dft(socket.LWIP_ETH)
        sys.wait(1)
    """, *OWN)
    assert [text for text in done.texts("notify") if text != "4G 1"][:3] == [
        "Ethernet 4", "nil -1", "Ethernet 4"]


def test_sockets_of_the_network_before_are_closed(own, tasks):
    """auto_socket_switch, which is on unless it is false: scripts connect again, on the new one."""
    for switches in ("nil", "false"):
        done = tasks.run(WATCH + f"""
            exnetif.set_priority_order{{ {{ LWIP_GP = {{ auto_socket_switch = {switches} }} }},
                                         {{ ETHERNET = {{}} }} }}
            until_dft(socket.LWIP_GP)
            while not netdrv.ready(4) do sys.wait(20) end
            sys.wait(200)
            exnetif.set_priority_order{{ {{ LWIP_GP = true }}, {{ ETHERNET = {{}} }} }}
            local netc = socket.create(nil, "t")
            socket.config(netc)
            assert(socket.connect(netc, "{BRIDGE}", 40124))
            expect("ON_LINE 0")
            exnetif.set_priority_order{{ {{ ETHERNET = {{}} }}, {{ LWIP_GP = true }} }}
            until_dft(socket.LWIP_ETH)
            sys.wait(200)
            show("state", (socket.state(netc)))
        """, *OWN)
        assert done.texts("state") == ["1" if switches == "nil" else "5"], switches


def test_setting_the_order_again_keeps_the_one_in_use(own, tasks):
    """The best one is still not there: sockets go on by the next one, and nobody is notified anew."""
    done = tasks.run(WATCH + """
        local order = { { WIFI = { ssid = "nowhere", password = "12345678" } }, { ETHERNET = {} } }
        exnetif.set_priority_order(order)
        until_dft(socket.LWIP_ETH)
        sys.wait(100)
        show("set", exnetif.set_priority_order(order))
        show("dft", (socket.dft()))
    """, *OWN)
    assert done.texts("set") == ["true"] and done.texts("dft") == ["4"]
    assert used(done) == ["Ethernet"]


# ---- changing it ------------------------------------------------------------------------------------


def test_wifi_gets_other_credentials(own, tasks):
    """update_wifi: joins the other network; set_priority_order with another ssid does as well."""
    done = tasks.run(WATCH + """
        exnetif.set_priority_order{ { WIFI = { ssid = "nowhere", password = "x" } },
                                    { LWIP_GP = true } }
        until_dft(socket.LWIP_GP)
        show("update", exnetif.update_wifi{ ssid = "luatos-lab", password = "12345678" })
        until_dft(socket.LWIP_STA)
        exnetif.set_priority_order{ { WIFI = { ssid = "luatos-open", password = "" } },
                                    { LWIP_GP = true } }
        local ok, what, ssid
        repeat ok, what, ssid = sys.waitUntil("WLAN_STA_INC", 5000) until ssid == "luatos-open"
        show("bad", exnetif.update_wifi({}), exnetif.update_wifi(7))
    """, *OWN)
    assert done.texts("update") == ["true"] and done.texts("bad") == ["false false"]


def test_wifi_is_added_when_it_was_not_there(own, tasks):
    """update_wifi without Wi-Fi in the list: it is set up, and the last choice."""
    done = tasks.run(WATCH + """
        exnetif.set_priority_order{ { ETHERNET = {} }, { LWIP_GP = true } }
        until_dft(socket.LWIP_ETH)
        show("update", exnetif.update_wifi{ ssid = "luatos-lab", password = "12345678" })
        while not wlan.ready() do sys.wait(20) end
        sys.wait(200)
        show("dft", (socket.dft()))
        exnetif.close(false, socket.LWIP_ETH)
        exnetif.close(false, socket.LWIP_GP)
        until_dft(socket.LWIP_STA)
    """, *OWN)
    assert done.texts("update") == ["true"] and done.texts("dft") == ["4"]


def test_closing_one_leaves_the_others(own, tasks):
    """close(false, adapter): the next one is used; set_priority_order sets it up anew."""
    done = tasks.run(WATCH + """
        local order = { { WIFI = { ssid = "luatos-lab", password = "12345678" } }, { ETHERNET = {} } }
        exnetif.set_priority_order(order)
        until_dft(socket.LWIP_STA)
        while not netdrv.ready(4) do sys.wait(20) end
        sys.wait(200)
        exnetif.close(false, socket.LWIP_STA)
        show("closed", (socket.dft()), wlan.ready())
        exnetif.set_priority_order(order)
        until_dft(socket.LWIP_STA)
        while not wlan.ready() do sys.wait(20) end
        exnetif.close()
    """, *OWN)
    assert done.texts("closed") == ["4 false"]
    assert any("no adapter is given" in text for text in done.texts("exnetif"))


def test_version_is_a_date(tasks):
    done = tasks.run('show("version", require("exnetif").version())')
    assert re.fullmatch(r"\d{12}", done.texts("version")[0])


# ---- clients of one adapter by another ---------------------------------------------------------------


def test_clients_of_the_access_point_reach_the_internet_by_4g(emu, machine, client):  # noqa: F811
    """setproxy(socket.LWIP_AP, socket.LWIP_GP, {ssid, password}): true; the access point is at
    192.168.4.1, and the server sees the address of 4G. close(true) ends it."""
    server = machine.peers.tcp_server(host="10.5.0.1")
    with emu.start("""
local exnetif = require "exnetif"
sys.taskInit(function()
    log.info("proxy", exnetif.setproxy(socket.LWIP_AP, socket.LWIP_GP, {
        ssid = "Hotspot", password = "password123", ap_opts = { hidden = false, max_conn = 4 },
        channel = 6 }))
    log.info("ip", socket.localIP(socket.LWIP_AP))
    sys.subscribe("IP_LOSE", function(id) log.info("lose", id) end)
    gpio.setup(7, function() exnetif.close(true) log.info("closed") end, gpio.PULLUP, gpio.FALLING)
end)
sys.run()
""", *BOARD, "--ctl", machine.directory / "ctl", netns=machine) as run:
        run.wait_log("proxy", "true")
        assert run.wait_log("ip").startswith("192.168.4.1 255.255.255.0")
        client.ask("connect", "10.5.0.1", server.port)
        assert server.accept().remote[0] == "10.5.0.2"
        emu.ctl(machine.directory / "ctl", "gpio", "7", "0")
        run.wait_log("closed")
        run.wait_log("lose", "3")
        assert client.ask("try", "10.5.0.1", server.port) == "no"
        run.stop()


def test_clients_of_ethernet_go_out_by_wifi_and_change_it(own, tasks):
    """setproxy(LWIP_ETH, LWIP_STA, {..., main_adapter = {ssid, password}}): both are brought up, and
    the clients' side has the address that is given. switch_upstream_wifi: another one."""
    done = tasks.run("""
        local exnetif = require "exnetif"
        show("proxy", exnetif.setproxy(socket.LWIP_ETH, socket.LWIP_STA, {
            tp = netdrv.CH390, opts = { spi = 1, cs = 12 }, ethpower_en = 140,
            adapter_addr = "192.168.6.1", adapter_gw = { 192, 168, 6, 1 },
            main_adapter = { ssid = "luatos-lab", password = "12345678" } }))
        show("ip", socket.localIP(socket.LWIP_ETH))
        show("sta", wlan.ready())
        show("switch", exnetif.switch_upstream_wifi{ ssid = "luatos-open", password = "" })
        show("info", wlan.getInfo().bssid)
        show("none", exnetif.switch_upstream_wifi{})
        exnetif.close(true)
        show("down", netdrv.ready(socket.LWIP_ETH))
        show("gone", exnetif.switch_upstream_wifi{ ssid = "luatos-lab" })
    """, *OWN)
    assert done.texts("proxy") == ["true"] and done.texts("sta") == ["true"]
    assert done.texts("ip") == ["192.168.6.1 255.255.255.0 0.0.0.0 nil"]
    assert done.texts("switch") == ["true"] and done.texts("info") == ["024C41420002"]
    assert done.texts("none") == ["false"] and done.texts("gone") == ["false"]
    assert done.texts("down") == ["false"]


# ---- by an ordinary user -----------------------------------------------------------------------------


def test_an_ordinary_user_watches_the_same(own, luatos_emu, tmp_path_factory):
    """Without root, in a user namespace."""
    if os.geteuid() != 0:
        pytest.skip("is what all of these tests are when they do not run as root")
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        pytest.skip("needs a user nobody")
    as_user = ["setpriv", "--reuid", "nobody", "--clear-groups"]
    allowed = subprocess.run([*as_user, "unshare", "-rn", "true"], capture_output=True, text=True)
    if allowed.returncode:
        pytest.skip(f"no user namespaces for ordinary users here: {allowed.stderr.strip()}")
    folder = tmp_path_factory.mktemp("user")
    for part in [folder, *folder.parents]:
        if part.stat().st_mode & 0o001 == 0:
            part.chmod(part.stat().st_mode | 0o011)
    shutil.copy(luatos_emu, folder / "luatos-emu")
    (folder / "main.lua").write_text(DEMO.read_text())
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    done = subprocess.run([*as_user, str(folder / "luatos-emu"), *OWN, str(folder / "main.lua")],
                          capture_output=True, text=True, timeout=150,
                          env={"PATH": os.environ["PATH"], "ASAN_OPTIONS": "detect_leaks=0"})
    assert done.returncode == 0, done.stderr
    assert "I/user.network Ethernet 4" in done.stdout
    assert "I/user.beat 3 by 4" in done.stdout
