"""mobile: what the module says of its SIM, its signal and its cell; LWIP_GP and flight mode.

Facts: LuatOS components/mobile/luat_lib_mobile.c, docs.openluat.com api/core/mobile. All values are
the board's (emu/board.c, "laptop")."""

import json

import pytest

OWN = ["--net", "own"]

WATCH = """
for _, topic in ipairs{ "SIM_IND", "CELL_INFO_UPDATE", "NTP_UPDATE" } do
    sys.subscribe(topic, function(...) show("told", topic, ...) end)
end
sys.subscribe("IP_READY", function(ip, id) if id == 1 then show("told", "IP_READY", ip) end end)
sys.subscribe("IP_LOSE", function(id) if id == 1 then show("told", "IP_LOSE") end end)
"""


def test_the_module_is_the_boards(tasks):
    """imei, imsi, iccid, muid are texts; sn and number are nil where there is none; another SIM's
    are nil."""
    done = tasks.run("""
        show("id", mobile.imei(), mobile.imsi(), mobile.iccid(), mobile.muid())
        show("none", mobile.sn(), mobile.number(), mobile.imei(1), mobile.iccid(1))
        show("sim", mobile.simid(), mobile.simid(0), mobile.simPin(), mobile.simPin(1))
        show("apn", mobile.apn())
    """)
    assert done.texts("id") == [
        "001010123456780 001010123456789 89860000000000000001 20260000000000000001"]
    assert done.texts("none") == ["nil nil nil nil"]
    assert done.texts("sim") == ["0 0 true false"]
    assert done.texts("apn") == ["cmnet"]
    assert len(done.warnings) == 1 and "no radio" in done.warnings[0]


def test_the_signal_and_the_cell_are_the_boards(tasks):
    """csq 0..31, rssi, rsrp, rsrq, snr; eci, tac, and enbid: the ECI without its last 8 bits."""
    done = tasks.run("""
        show("signal", mobile.csq(), mobile.rssi(), mobile.rsrp(), mobile.rsrq(), mobile.snr())
        show("cell", mobile.eci(), mobile.eci() >> 8 == mobile.enbid(), mobile.tac())
        show("scell", json.encode(mobile.scell()))
        show("status", mobile.status() == mobile.REGISTERED)
        local band = zbuff.create(40)
        show("band", mobile.getBand(band), band:used(), band[0])
    """)
    assert done.texts("signal") == ["27 -59 -85 -9 18"]
    assert done.texts("cell") == [f"{0x0764c101} true 30005"]
    cell = json.loads(done.texts("scell")[0])
    assert (cell["mcc"], cell["mnc"], cell["rsrp"], cell["tac"], cell["pci"]) == (1, 1, -85, 30005, 115)
    assert done.texts("status") == ["true"] and done.texts("band") == ["true 1 3"]


def test_the_sim_is_told_at_the_start(tasks):
    """SIM_IND("RDY"): the module is registered before the script has run."""
    done = tasks.run(WATCH + 'sys.wait(1) show("ready", socket.adapter(socket.LWIP_GP))')
    assert [text for text in done.texts("told") if not text.startswith("IP_")] == ["SIM_IND RDY"]
    assert done.texts("ready") == ["true 1"]


def test_cells_are_asked_for(tasks):
    """reqCellInfo, then CELL_INFO_UPDATE, then getCellInfo has them; before it is empty."""
    done = tasks.run(WATCH + """
        show("before", #mobile.getCellInfo())
        show("req", mobile.reqCellInfo(15))
        show("update", sys.waitUntil("CELL_INFO_UPDATE", 15000))
        local cells = mobile.getCellInfo()
        show("cells", #cells, cells[1].cid == mobile.eci(), cells[1].mcc, cells[1].band)
    """)
    assert done.texts("before") == ["0"] and done.texts("req") == ["nothing"]
    assert done.texts("update") == ["true"] and done.texts("cells") == ["1 true 1 3"]


def test_cells_come_by_themselves_when_they_are_set_to(tasks):
    """setAuto(sim_ms, cells_ms, search_s): every cells_ms; 0 ends it."""
    done = tasks.run("""
        mobile.setAuto(10000, 3000, 5)
        for _ = 1, 3 do show("update", sys.waitUntil("CELL_INFO_UPDATE", 3000)) end
        mobile.setAuto(0, 0, 0)
        show("quiet", sys.waitUntil("CELL_INFO_UPDATE", 60000))
    """, "--time", "virtual")
    assert done.texts("update") == ["true"] * 3 and done.texts("quiet") == ["false"]


def test_flight_mode_takes_4g_down_and_brings_it_back(own, tasks):
    """flymode(0, true): IP_LOSE, nothing is heard. flymode(0, false): IP_READY, and the network
    tells the time (NTP_UPDATE 1). It returns what was before."""
    done = tasks.run(WATCH + """
        show("fly", mobile.flymode(), mobile.flymode(0, true), mobile.flymode(0, true))
        sys.waitUntil("IP_LOSE", 5000)
        show("flying", mobile.status(), mobile.csq(), mobile.rsrp(), mobile.eci(), mobile.tac(),
             mobile.apn(), #mobile.getCellInfo(), socket.adapter(socket.LWIP_GP))
        show("imei", mobile.imei() ~= nil)
        show("land", mobile.flymode(0, false), mobile.flymode(0))
        show("searching", mobile.status() == mobile.SEARCH)
        while not socket.adapter(socket.LWIP_GP) do sys.waitUntil("IP_READY", 1000) end
        show("back", mobile.status(), mobile.csq())
        sys.wait(1)
    """, *OWN)
    assert done.texts("fly") == ["false false true"] and done.texts("land") == ["true false"]
    assert done.texts("flying") == ["0 0 0 -1 0 nil 0 false 1"] and done.texts("imei") == ["true"]
    assert done.texts("searching") == ["true"] and done.texts("back") == ["1 27"]
    assert done.texts("told") == ["SIM_IND RDY", "IP_READY 192.168.77.10", "IP_LOSE", "SIM_IND RDY",
                                  "NTP_UPDATE 1", "IP_READY 192.168.77.10"]
    assert [e["to"] for e in done.events("mobile.state")] == ["UNREGISTERED", "SEARCHING", "REGISTERED"]


def test_flight_mode_on_the_hosts_network(tasks):
    """A laptop: the same events, though this machine stays where it is; what is open breaks."""
    done = tasks.run(WATCH + """
        mobile.syncTime(false)
        mobile.flymode(0, true)
        sys.waitUntil("IP_LOSE", 5000)
        show("down", socket.adapter(socket.LWIP_GP))
        mobile.flymode(0, false)
        while not socket.adapter(socket.LWIP_GP) do sys.waitUntil("IP_READY", 1000) end
        sys.wait(1)
    """)
    assert done.texts("down") == ["false 1"]
    assert [text.split()[0] for text in done.texts("told")] == ["SIM_IND", "IP_READY", "IP_LOSE",
                                                                "SIM_IND", "IP_READY"]


def test_a_connection_breaks_when_the_radio_goes_off(tasks, tcp_server):
    """EVENT -1 on what is online on LWIP_GP."""
    with tasks.start("""
        online(tcp())
        mobile.flymode(0, true)
        until_event("EVENT -1")
    """, env={"PORT": tcp_server.port}) as run:
        tcp_server.accept()
        run.finish()


def test_reset_leaves_and_comes_back_with_the_new_apn(own, tasks):
    """mobile.apn(0, 1, name, user, password): from registering on; mobile.reset registers anew."""
    done = tasks.run(WATCH + """
        show("set", mobile.apn(0, 1, "private", "me", "secret", nil, 3))
        show("reset", mobile.reset())
        sys.waitUntil("IP_LOSE", 5000)
        show("without", mobile.apn())
        while not socket.adapter(socket.LWIP_GP) do sys.waitUntil("IP_READY", 1000) end
        show("new", mobile.apn())
    """, *OWN)
    assert done.texts("set") == ["cmnet"] and done.texts("reset") == ["nothing"]
    assert done.texts("without") == ["nil"] and done.texts("new") == ["private"]


def test_switches_are_remembered(tasks):
    """ipv6 and syncTime: set by a boolean, and read."""
    done = tasks.run("""
        show("ipv6", mobile.ipv6(), mobile.ipv6(true), mobile.ipv6())
        show("sync", mobile.syncTime(), mobile.syncTime(false), mobile.syncTime())
        show("config", mobile.config(mobile.CONF_STATICCONFIG, 1), mobile.config(0, 1))
    """)
    assert done.texts("ipv6") == ["false true true"] and done.texts("sync") == ["true false false"]
    assert done.texts("config") == ["true false"]


@pytest.mark.parametrize("call", [
    'mobile.imei("x")', "mobile.imei({})", "mobile.getBand()", 'mobile.getBand("x")',
    'mobile.flymode("x")', "mobile.apn({})", 'mobile.setAuto("x")',
])
def test_what_is_no_argument_raises(tasks, call):
    """Lua's argument rules."""
    done = tasks.run(f'attempt("call", function() return {call} end)')
    assert done.texts("call")[0].startswith("false ")


def test_hostile_arguments(tasks):
    """An APN that is too long is not set; a band that finds no room is not written."""
    done = tasks.run("""
        mobile.apn(0, 1, ("x"):rep(64), "", "")
        mobile.apn(0, 1, ("x"):rep(100000), "", "")
        mobile.setAuto(-1, -1, -1)
        mobile.setAuto(0, 0)
        local band = zbuff.create(4)
        band:free()
        show("band", mobile.getBand(band))
        show("sim", mobile.simid(7))
    """)
    assert done.texts("band") == ["false"] and done.texts("sim") == ["0"]


def test_a_board_without_4g_has_no_mobile(tasks):
    """Scripts ask for it: nil, as in a firmware without it."""
    done = tasks.run('show("mobile", mobile)', "--bind", "LWIP_GP=off")
    assert done.texts("mobile") == ["nil"]
