"""fskv, pm, wdt, adc, spi, i2c, pin, pins and errDump: what scripts touch on the way to their network."""

import re

import pytest

from expressions import check, check_warned

VIRTUAL = ("--time", "virtual")


# ---- fskv -------------------------------------------------------------------------------------

def test_fskv_keeps_values_by_key(emu):
    """Booleans, numbers, strings and tables (as JSON); a float is stored in 32 bits, as a module does."""
    done = check(emu, {
        'fskv.set("b", true), fskv.get("b")': "true true",
        'fskv.set("f", false), fskv.get("f")': "true false",
        'fskv.set("i", 1 << 40), fskv.get("i")': f"true {1 << 40}",
        'fskv.set("n", 1.1), fskv.get("n")': "true 1.1000000238419",
        'fskv.set("half", 0.5), fskv.get("half")': "true 0.5",
        r'fskv.set("s", "a\0b"), #fskv.get("s")': "true 3",
        'fskv.set("t", { a = 1, b = { 2, 3 } }), fskv.get("t", "a"), fskv.get("t").b[2]': "true 1 3",
        'fskv.get("t", "none")': "nil",
        'fskv.get("s", "field") == fskv.get("s")': "true",  # the field counts for tables only
        'fskv.set("empty", ""), select("#", fskv.get("empty"))': "true 0",  # as good as none
        'fskv.get("none")': "nothing",
        'fskv.set(12, "number"), fskv.get("12")': "true number",
        'fdb == fskv and fdb.kv_set == fskv.set and fskv.kvdb_init == fskv.init': "true",
    }, before="assert(fskv.init())")
    check_warned(done, "fskv: there is no flash: values live as long as the run")


def test_fskv_changes_fields_of_a_table(emu):
    """sett(key, field, value); what is no table becomes one; nil takes the field away."""
    check(emu, {
        'fskv.sett("t", "x", 1), json.encode(fskv.get("t"))': 'true {"x":1}',
        'fskv.sett("t", "y", { 2 }), fskv.get("t", "y")[1]': "true 2",
        'fskv.sett("t", "x", nil), fskv.get("t", "x")': "true nil",
        'fskv.set("s", "text"), fskv.sett("s", "age", 3), json.encode(fskv.get("s"))': 'true true {"age":3}',
        'fskv.sett("t", "x")': "nothing",
        'fskv.sett("t")': "raises: string expected, got nil",
    }, before="assert(fskv.init())")


def test_fskv_refuses_what_a_module_refuses(emu):
    """Functions and nil, more than 4095 bytes, keys that are no file names; all of it before init."""
    done = check(emu, {
        'fskv.set("k", 1)': "nothing",
        'fskv.get("k")': "nothing",
        'fskv.iter()': "nothing",
        'fskv.status()': "nothing",
        'fskv.init()': "true",
        'fskv.set("k", print)': "false",
        'fskv.set("k")': "false",
        'fskv.set("k", coroutine.create(print))': "false",
        'fskv.set("k", ("x"):rep(4095))': "true",
        'fskv.set("k", ("x"):rep(4096))': "false",
        '#fskv.get("k")': "4095",
        'fskv.set("", 1)': "false",
        'fskv.set(("k"):rep(63), 1)': "true",
        'fskv.set(("k"):rep(64), 1)': "false",
        'fskv.set("a/b", 1)': "false",
        r'fskv.set("a\0b", 1)': "false",
        'fskv.set({}, 1)': "raises: string expected, got table",
        'fskv.get()': "raises: string expected",
        'fskv.next(1)': "raises: userdata expected",
        'fskv.next(zbuff.create(1))': "raises: what fskv.iter() returned expected",
    })
    assert done.firmware("fskv").count("call fskv.init() first!!!") == 4
    assert "value too big 4097 max 4096" in done.firmware("fskv")


def test_fskv_is_walked_through_and_emptied(emu):
    """In the order of keys, also when keys are deleted on the way; clear, status."""
    done = emu.run("""
fskv.init()
for _, key in ipairs{"b", "d", "a", "c"} do fskv.set(key, key) end
log.info("status", fskv.status())
local iter, keys = fskv.iter(), {}
for key in fskv.next, iter do
    keys[#keys + 1] = key
    log.info("del", fskv.del(key), fskv.get(key))
    if key == "b" then fskv.del("c") end
end
log.info("keys", table.concat(keys, " "))
log.info("none", fskv.del("none"), fskv.next(iter))
fskv.set("x", 1)
log.info("clear", fskv.clear(), fskv.get("x"))
log.info("status", fskv.status())
os.exit(0)
""", "--gc-stress")
    assert done.texts("status") == ["24576 65536 4", "8192 65536 0"]
    assert done.texts("keys") == ["a b d"]
    assert done.texts("del") == ["true"] * 3
    assert done.texts("none") == ["true"]
    assert done.texts("clear") == ["true"]


# ---- pm ----------------------------------------------------------------------------------------

def test_pm_constants(emu):
    """LuatOS luat_pm.h."""
    done = check(emu, {
        'pm.NONE, pm.IDLE, pm.LIGHT, pm.DEEP, pm.HIB': "0 1 2 3 4",
        'pm.USB, pm.GPS, pm.GPS_ANT, pm.CAMERA, pm.DAC_EN, pm.PWK_MODE, pm.WORK_MODE, pm.LDO_CTL': "0 1 2 3 4 5 6 7",
        'pm.IOVOL_ALL_GPIO, pm.IOVOL_SDIO, pm.IOVOL_LCD, pm.IOVOL_CAMA, pm.IOVOL_CAMD': "0 1 2 3 4",
    })
    check_warned(done)


def test_pm_says_that_all_is_well(emu):
    """Power on by its button; power switches and levels are set; modes but sleep change nothing."""
    done = check(emu, {
        'pm.lastReson()': "0 0 0",
        'pm.power(pm.PWK_MODE, false)': "true",
        'pm.power(pm.USB, 1)': "true",
        'pm.power(99, true)': "false",
        'pm.ioVol(pm.IOVOL_ALL_GPIO, 3300)': "true",
        'pm.wakeupPin(8, 0)': "true",
        'pm.check()': "true 0",
        'pm.request(pm.IDLE), pm.request(pm.LIGHT), pm.request(9)': "true true false",
        'pm.force(pm.LIGHT)': "0",
        'pm.dtimerWkId()': "-1",
        'pm.request()': "raises: number expected",
        'pm.power("x")': "raises: number expected",
    })
    check_warned(done, "pm: there is no power to save: deep sleep, like switching off, ends the run")


def test_pm_timers_publish_their_number(emu):
    """dtimerStart(id, ms) -> DTIMER_WAKEUP(id), once; dtimerCheck -> does it run, how many ms are left."""
    done = emu.run("""
sys.subscribe("DTIMER_WAKEUP", function(id) log.info("woken", id, mcu.ticks()) end)
log.info("start", pm.dtimerStart(0, 1000), pm.dtimerStart(5, 500), pm.dtimerStart(2, 100))
log.info("wrong", pm.dtimerStart(6, 1), pm.dtimerStart(-1, 1), pm.dtimerStart(1, 0))
pm.dtimerStop(2)
log.info("check", pm.dtimerCheck(0))
log.info("list", table.concat(pm.dtimerList(), " "))
sys.timerStart(function()
    log.info("check", pm.dtimerCheck(0))
    log.info("over", pm.dtimerCheck(5))
end, 700)
sys.run()
""", *VIRTUAL)
    assert done.texts("start") == ["true true true"]
    assert done.texts("wrong") == ["false false false"]
    assert done.texts("check") == ["true 1000", "true 300"]
    assert done.texts("over") == ["false"]
    assert done.texts("list") == ["0 5"]
    assert done.texts("woken") == ["5 500", "0 1000"]


@pytest.mark.parametrize("ms", ["1 << 32", "1 << 54", "math.maxinteger"])
def test_times_that_no_module_can_count_to_are_long(emu, ms):
    """They end at 32 bits of milliseconds, and are not over at once."""
    done = emu.run(f"""
log.info("start", pm.dtimerStart(0, {ms}), pm.dtimerCheck(0))
log.info("init", wdt.init({ms}))
sys.subscribe("DTIMER_WAKEUP", function() log.info("woken") end)
sys.timerStart(function() end, 10000)
repeat local message = rtos.receive({ms}) until message -- others are handled in there
log.info("received", mcu.ticks())
os.exit(0)
""", *VIRTUAL)
    assert done.code == 0
    assert done.texts("start") == ["true true 4294967295"]
    assert done.texts("init") == ["true"] and not done.texts("woken")
    assert done.texts("received") == ["10000"]


@pytest.mark.parametrize("asks, says", [
    ("pm.request(pm.HIB)", "the module sleeps, as the script asked for: only a pin or its power"),
    ("pm.request(pm.DEEP) pm.dtimerStart(3, 5000) pm.dtimerStart(1, 9000)", "its timer 3 would start it again in"),
    ("pm.power(pm.WORK_MODE, 3)", "the module sleeps"),
])
def test_deep_sleep_ends_the_run_when_the_script_waits(emu, asks, says):
    """With code 0; what it does before it waits is done."""
    done = emu.run(f"""
sys.taskInit(function()
    {asks}
    log.info("still", "awake")
    sys.wait(15000)
    log.info("still", "here")
end)
sys.run()
""", *VIRTUAL)
    assert done.code == 0
    assert done.texts("still") == ["awake"]
    assert says in done.stderr


def test_sleep_can_be_asked_for_and_called_off(emu):
    done = emu.run("""
sys.taskInit(function()
    pm.request(pm.HIB)
    pm.request(pm.IDLE)
    pm.power(pm.WORK_MODE, 3)
    pm.power(pm.WORK_MODE, 0)
    sys.wait(1000)
    log.info("awake", true)
    pm.force(pm.HIB)
    log.info("awake", "still")
end)
sys.run()
""", *VIRTUAL)
    assert done.texts("awake") == ["true"]
    assert done.code == 0


def test_sleep_waits_for_what_is_there_to_do(emu):
    """Messages that have come are handled first."""
    done = emu.run("""
sys.subscribe("WORK", function(n) log.info("work", n) if n < 3 then sys.publish("WORK", n + 1) end end)
sys.taskInit(function() pm.request(pm.HIB) sys.publish("WORK", 1) sys.wait(1) end)
sys.run()
""", *VIRTUAL)
    assert done.texts("work") == ["1", "2", "3"]


@pytest.mark.parametrize("call, code, says", [
    ("pm.shutdown()", 0, "the script switched the module off"),
    ("pm.reboot()", 0, "the script asked for a reboot"),
    ("pm.reboot(7)", 7, "the script asked for a reboot"),
])
def test_switching_off_ends_the_run(emu, call, code, says):
    done = emu.run(f"pcall(function() {call} end)\nlog.info('after', true)\n")
    assert done.code == code
    assert says in done.stderr
    assert not done.texts("after")


# ---- wdt ---------------------------------------------------------------------------------------

def test_a_watchdog_that_is_fed_is_quiet(emu):
    """As published scripts do: wdt.init(9000), sys.timerLoopStart(wdt.feed, 3000)."""
    done = emu.run("""
if wdt then
    log.info("init", wdt.init(9000))
    sys.timerLoopStart(wdt.feed, 3000)
end
sys.timerStart(os.exit, 3600000, 0)
sys.run()
""", *VIRTUAL)
    assert done.code == 0
    assert done.texts("init") == ["true"]
    check_warned(done, "wdt: there is no watchdog but the emulator's: it ends the run")


@pytest.mark.parametrize("script, where", [
    ("sys.run()", "the script was waiting"),
    ("sys.timerStart(function()\nwhile true do end\nend, 50)\nsys.run()", "main.lua:3"),
    ("while true do pcall(function() while true do end end) end", "main.lua:2"),
])
def test_a_watchdog_that_is_not_fed_ends_the_run(emu, script, where):
    """With code 1, and it says where the script was, also when that never comes back."""
    done = emu.run(f"wdt.init(300)\n{script}\n")
    assert done.code == 1
    assert "the watchdog was not fed in time, a module would start again; the script was" in done.stderr
    assert where in done.stderr


def test_in_virtual_time_the_watchdog_barks_in_it(emu):
    done = emu.run('wdt.init(9000)\nsys.timerStart(log.info, 8999, "last")\nsys.timerStart(log.info, 9001, "late")\nsys.run()\n',
                   *VIRTUAL)
    assert done.code == 1
    assert done.texts("last") == [""] and not done.texts("late")
    assert done.events("exit")[0]["t_us"] == 9_000_000


def test_wdt_time_and_end(emu):
    """setTimeout takes a new time; it can't be stopped: close feeds it, as on a module."""
    done = emu.run("""
log.info("before", wdt.feed())
log.info("init", wdt.init(1000), wdt.setTimeout(3000), wdt.init(0), wdt.init(-5))
sys.timerStart(function() log.info("close", wdt.close(), mcu.ticks()) end, 2500)
sys.run()
""", *VIRTUAL)
    assert done.texts("before") == ["true"]
    assert done.texts("init") == ["true true false false"]
    assert done.texts("close") == ["true 2500"]
    assert done.events("exit")[0]["t_us"] == 5_500_000
    assert any("wdt.close: a module's watchdog can't be stopped: it is fed" in w for w in done.warnings)


# ---- adc ---------------------------------------------------------------------------------------

def test_adc_values_are_the_boards(emu):
    """In mV, and thousandths of a degree; a channel has to be open. LuatOS luat_lib_adc.c."""
    done = check(emu, {
        'adc.CH_CPU, adc.CH_VBAT, adc.T1, adc.T2': "-1 -2 16 32",
        'adc.open(adc.CH_VBAT), adc.get(adc.CH_VBAT)': "true 3800",
        'adc.open(adc.CH_CPU), adc.get(adc.CH_CPU)': "true 35000",
        'adc.open(0), adc.get(0)': "true 0",
        'adc.read(adc.CH_VBAT)': "4095 3800",
        'adc.read(0)': "0 0",
        'adc.close(0)': "nothing",
        'adc.get(0)': "-1",
        '(adc.read(0)), select("#", adc.read(0))': "255 1",
        'adc.get(3)': "-1",
        'adc.open(4), adc.open(-3), adc.open(1000)': "false false false",
        'adc.get(1000)': "-1",
        'adc.setRange(adc.ADC_RANGE_MAX)': "nothing",
        'adc.open()': "raises: number expected",
    })
    assert "adc: there is nothing to measure: values are the board's" in done.warnings[0]
    assert "adc.get: channel 0 is not open" in done.warnings[1]


# ---- spi, i2c ----------------------------------------------------------------------------------

def test_an_open_spi_bus_reads_as_ones(emu):
    """By number, by spi.deviceSetup's object, and by spi.createSoft's; texts, tables and zbuffs are sent."""
    check(emu, {
        'spi.MSB, spi.LSB, spi.master, spi.slave, spi.full, spi.half, spi.HSPI_0': "1 0 1 0 1 0 5",
        'spi.setup(0, nil, 0, 0, 8, 2000000, spi.MSB, 1, 1), spi.setup(spi.HSPI_0), spi.setup(6)': "0 0 -1",
        'spi.transfer(0, "123"):toHex()': "FF 2",
        'spi.transfer(0, "123", 2, 4):toHex()': "FFFFFFFF 8",
        'spi.transfer(0, "") == ""': "true",
        'spi.recv(0, 3):toHex()': "FFFFFF 6",
        'spi.recv(0, 0)': "nothing",
        'spi.send(0, "12345"), spi.send(0, "12345", 2), spi.send(0, "")': "5 2 0",
        'dev:transfer("x", nil, 2):toHex()': "FFFF 4",
        'dev:transfer({ 1, 2 }, 2, 1):toHex()': "FF 2",
        'dev:transfer("x", 1, 0) == ""': "true",
        'dev:send({ 1, 2, 3 }), dev:send("xx"), dev:recv(2):toHex()': "3 2 FFFF 4",
        'dev:close()': "true",
        'spi.send(soft, "abc"), spi.recv(soft, 1):toHex()': "0 FF 2",
        'tostring(dev):sub(1, 6), tostring(soft):sub(1, 7)': "SPI*:  ESPI*: ",
        'spi.xfer(0, zbuff.create(1), nil, 1, "DONE")': "false",
        'spi.close(0), spi.transfer(0, "x")': "0",
    }, before="local dev, soft = spi.deviceSetup(1, 17), spi.createSoft(0, 1, 2, 3)")


def test_spi_and_zbuffs(emu):
    """A zbuff is sent from its cursor; recv appends to one, if there is room."""
    done = emu.run("""
spi.setup(1)
local buff = zbuff.create(6)
buff:write("ab")
log.info("send", spi.send(1, buff), spi.recv(1, 3, buff), buff:used(), buff:query():toHex())
log.info("full", select("#", spi.recv(1, 3, buff)))
os.exit(0)
""")
    assert done.texts("send") == ["4 3 5 6162FFFFFF 10"]
    assert done.texts("full") == ["0"]


def test_spi_is_not_made_to_eat_memory(emu):
    """What is more than a module has is refused, with a warning; so is a bus that is not set up."""
    done = check(emu, {
        'spi.transfer(0, "x", 1, 1 << 40)': "nothing",
        'spi.transfer(0, "x", 1, -1)': "nothing",
        'spi.recv(0, 1 << 40)': "nothing",
        'spi.send(3, "x")': "-1",
        'spi.recv(3, 1)': "nothing",
        'spi.transfer(-1, "x")': "nothing",
        'spi.transfer(zbuff.create(1), "x")': "raises: number expected",
        'spi.transfer(0, print)': "raises: string expected",
    }, before="spi.setup(0)")
    assert len(done.warnings) == 7


def test_nobody_answers_on_an_i2c_bus(emu):
    """exist and setup by number; everything that needs an answer fails."""
    done = check(emu, {
        'i2c.SLOW, i2c.FAST, i2c.PLUS, i2c.HSMODE': "0 1 2 3",
        'i2c.exist(0), i2c.exist(1), i2c.exist(2)': "true true false",
        'i2c.setup(1, i2c.FAST), i2c.setup(9), i2c.setup(soft)': "1 0 1",
        'i2c.send(1, 0x5c, "x"), i2c.send(soft, 0x5c, { 1 })': "false false",
        'i2c.recv(1, 0x5c, 1 << 40) == ""': "true",
        'i2c.writeReg(1, 0x5c, 1, "x"), i2c.readReg(1, 0x5c, 1, 2) == ""': "false true",
        'i2c.transfer(1, 0x5c, "x", nil, 0)': "false nil",
        r'i2c.transfer(1, 0x5c, "x", nil, 2)': "false \0\0",
        '#select(2, i2c.transfer(1, 0x5c, "x", nil, 1 << 40))': "65536",
        'i2c.readDHT12(0), i2c.readSHT30(0)': "false false",
        'i2c.xfer(1, 1, nil, nil, 0, "DONE")': "false",
        'i2c.close(1)': "nothing",
        'i2c.scan()': "nothing",
        'i2c.send()': "raises: number expected",
        'i2c.send(1)': "raises: number expected",
    }, before="local soft = i2c.createSoft(1, 2, 5)")
    check_warned(done, "i2c: there is nothing on the bus: nobody acknowledges")


# ---- pin, pins ---------------------------------------------------------------------------------

def test_pins_have_names(emu):
    """pin.PA12 and pin.get("PA12"); 16 to a letter."""
    done = check(emu, {
        'pin.PA00, pin.PA12, pin.PB01, pin.PC14, pin.pc14, pin.PF15': "0 12 17 46 46 95",
        'pin.get("PA12")': "12",
        'pin.get("X")': "nothing",
        'pin.get("PA16")': "nothing",
        'pin.get("PZ01")': "nothing",
        'pin.get("PA1x")': "nothing",
        'pin.PA': "nil",
        'pin.get()': "raises: string expected",
        'pins.setup(1, "GPIO1"), pins.load(), pins.loadjson("/luadb/x.json"), pins.close(1)': "true true true true",
        'pins.debug(true)': "nothing",
    })
    check_warned(done, "pins: there are no pins to give functions to")
    assert done.firmware("pin") == ["invaild pin id X", "invaild pin id PA16", "invaild pin id PZ01",
                                    "invaild pin id PA1x", "invaild pin id PA"]


# ---- errDump -----------------------------------------------------------------------------------

def test_errdump_keeps_what_the_script_records(emu):
    """config(true, 0), record(text), dump(zbuff, type, delete): true when something is new."""
    done = emu.run("""
errDump.record("not on yet")
errDump.config(true, 0)
local buff = zbuff.create(4)
log.info("sys", errDump.dump(buff, errDump.TYPE_SYS), buff:used())
log.info("none", errDump.dump(buff, errDump.TYPE_USR), buff:used())
errDump.record("first ")
errDump.record("second")
errDump.record("")
errDump.record(12)
log.info("new", errDump.dump(buff), buff:query())
log.info("again", errDump.dump(buff), buff:query())
log.info("delete", errDump.dump(nil, errDump.TYPE_USR, true), errDump.dump(buff), buff:used())
errDump.record(("x"):rep(4090))
errDump.record("0123456789")
errDump.dump(buff)
log.info("long", buff:used(), buff:query():sub(-12))
errDump.config(false)
errDump.record("off")
errDump.config(true, 600, "user", "id", "host", 1)
log.info("off", errDump.dump(buff), buff:used())
log.info("type", errDump.dump(buff, 2), errDump.TYPE_SYS, errDump.TYPE_USR)
os.exit(0)
""", "--gc-stress")
    assert done.texts("sys") == ["false 0"]
    assert done.texts("none") == ["false 0"]
    assert done.texts("new") == ["true first second"]
    assert done.texts("again") == ["false first second"]
    assert done.texts("delete") == ["false false 0"]
    assert done.texts("long") == ["4096 xx0123456789"]
    assert done.texts("off") == ["false 0"]
    assert done.texts("type") == ["true 0 1"]
    check_warned(done, "errDump: nothing is sent to a cloud")


# ---- published patterns ------------------------------------------------------------------------

def test_the_published_test_frameworks_pattern_passes(emu):
    """Its runner sets a pin up when it is loaded, asks for the model, runs unattended where there is no
    /luadb/ctx.json, and ends a PC with 0 or 1."""
    framework = """
gpio.setup(12, 0)
local runner = {}
function runner.run(tests)
    log.info("model", hmeta.model(), io.exists("/luadb/ctx.json"))
    if not (mobile or wlan) then sys.timerStart(sys.publish, 1000, "IP_READY") end
    assert(sys.waitUntil("IP_READY", 30000))
    local failed = 0
    for name, test in pairs(tests) do
        local ok, why = pcall(test)
        if not ok then log.info("failed", name, why) failed = failed + 1 end
        sys.wait(10)
    end
    print(failed == 0 and "### OVERALL_PASS ###" or "### OVERALL_FAIL ###")
    if rtos.bsp() == "PC" then os.exit(failed == 0 and 0 or 1) end
end
return runner
"""
    for body, code, text in [("assert(true)", 0, "PASS"), ("assert(false)", 1, "FAIL")]:
        done = emu.run(f"""
local runner = require "runner"
sys.taskInit(runner.run, {{ test_it = function() {body} end }})
sys.run()
""", files={"runner.lua": framework})
        assert done.code == code
        assert done.prints == [f"### OVERALL_{text} ###"]
        assert done.texts("model") == ["PC false"]


def test_old_demos_find_a_platform_they_know(emu):
    """They look at which libraries are there; whichever way they take must lead to a network."""
    done = emu.run("""
if wdt then
    wdt.init(9000)
    sys.timerLoopStart(wdt.feed, 3000)
end
if pm and pm.PWK_MODE then pm.power(pm.PWK_MODE, false) end
if errDump then errDump.config(true, 600) end
local adc_vbat
if adc then
    adc.open(adc.CH_VBAT)
    adc_vbat = adc.get(adc.CH_VBAT)
    adc.close(adc.CH_VBAT)
end
sys.taskInit(function()
    if not socket.adapter(socket.dft()) then sys.waitUntil("IP_READY", 30000) end
    log.info("ready", socket.adapter(socket.dft()), adc_vbat, (crypto.md5(mcu.unique_id())):match("^%x+$") ~= nil)
    os.exit(0)
end)
sys.run()
""")
    assert done.code == 0
    assert re.fullmatch(r"true \d+ 3800 true|true 3800 true", done.texts("ready")[0])
