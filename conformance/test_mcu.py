"""mcu, timer and rtc: what scripts use of a module's clocks, on the emulator's own."""

import re

from expressions import check, check_warned

VIRTUAL = ("--time", "virtual")
EPOCH_S = 1767225600  # 2026-01-01 00:00:00 UTC, where virtual time begins


# ---- mcu ------------------------------------------------------------------------------------------

def test_mcu_counters_follow_the_clock(emu):
    """mcu.ticks() is ms since boot; ticks2(mode) counts us, ms or s, in two parts of 10^6; tick64
    counts us."""
    done = emu.run("mcu/counters-follow-the-clock", *VIRTUAL)
    assert done.code == 0, done
    assert done.texts("boot") == ["0", "0 0", "0 0", "0 0", "0"]
    assert done.texts("1.5 s") == ["1500", "1 500000", "0 1500", "0 1", "1500000"]
    assert done.texts("2000001.5 s") == ["2000001500", "2000001 500000", "2000 1500", "2 1", "2000001500000"]
    assert done.texts("none") == ["0"]
    check_warned(done, "mcu.ticks2: there is no mode 3", "mcu.ticks2: there is no mode -1")


def test_mcu_ticks_move_while_the_script_waits_in_a_loop(emu):
    """In real time; nothing returns to the scheduler meanwhile."""
    done = emu.run("mcu/ticks-move-in-a-loop-of-the-script")
    assert done.code == 0, done
    assert done.texts("passed") == ["true"]


def test_mcu_tick64_is_eight_bytes_and_a_rate(emu):
    """mcu.tick64(flag) -> uint64 of this machine as a string, ticks a us. There is no bit64 library
    for which true would add a ninth byte."""
    check(emu, {
        'type(mcu.tick64())': "string",
        '#mcu.tick64()': "8",
        '#mcu.tick64(false)': "8",
        '#mcu.tick64(true)': "8",
        'select(2, mcu.tick64())': "1",
        'string.unpack("=I8", (mcu.tick64()))': "0 9",
    }, *VIRTUAL)


def test_mcu_dtick64_compares_a_difference(emu):
    """mcu.dtick64(later, earlier, reference) -> difference >= reference, difference."""
    done = check(emu, {
        'mcu.dtick64(at(30), at(10))': "true 20",
        'mcu.dtick64(at(10), at(30))': "false -20",
        'mcu.dtick64(at(30), at(10), 20)': "true 20",
        'mcu.dtick64(at(30), at(10), 20.0)': "true 20",
        'mcu.dtick64(at(30), at(10), 21)': "false 20",
        'mcu.dtick64(at(10), at(30), -20)': "true -20",
        'mcu.dtick64(at(-1), at(0))': "false -1",
        r'mcu.dtick64(at(30) .. "\0", at(10))': "true 20",  # of bit64
        'mcu.dtick64()': "raises: string expected, got no value",
        'mcu.dtick64(at(1))': "raises: string expected, got no value",
        'mcu.dtick64(at(1), at(1), "x")': "raises: number expected, got string",
    }, before='local function at(us) return string.pack("=i8", us) end')
    check_warned(done)


def test_mcu_dtick64_reads_no_more_than_it_was_given(emu):
    """A string that is not of tick64 counts with zeros, and is told."""
    done = check(emu, {
        r'mcu.dtick64("\5", "")': "true 5",
        r'mcu.dtick64(("\1"):rep(100), ("\1"):rep(8))': "true 0",
    })
    check_warned(done, "argument 1 has 1 bytes, not the 8", "argument 2 has 0 bytes", "argument 1 has 100 bytes")


def test_mcu_hz_is_a_thousand(emu):
    """Ticks a second; the PC simulator's 1 is a defect that is not copied."""
    check(emu, {'mcu.hz()': "1000", 'mcu.hz(nil)': "1000"})


def test_mcu_x32_writes_32_bits(emu):
    """mcu.x32(value, digits): lower case, filled up with zeros, never cut."""
    check(emu, {
        'mcu.x32(0x2009FFFC)': "0x2009fffc",
        'mcu.x32(0)': "0x0",
        'mcu.x32(-1)': "0xffffffff",
        'mcu.x32(0x100000001)': "0x1",
        'mcu.x32(0, 2)': "0x00",
        'mcu.x32(0x5A, 4)': "0x005a",
        'mcu.x32(0, 8)': "0x00000000",
        'mcu.x32(0x1234, 2)': "0x1234",
        'mcu.x32(0x5A, 0)': "0x5a",
        'mcu.x32(0x5A, -3)': "0x5a",
        'mcu.x32(0x5A, math.maxinteger)': "0x0000005a",
        'mcu.x32("hello")': "raises: number expected, got string",
        'mcu.x32(nil)': "raises: number expected, got nil",
        'mcu.x32(1.5)': "raises: number has no integer representation",
    })


def test_mcu_unique_id_belongs_to_the_seed(emu):
    """Eight bytes; the same as long as the seed is, and different in two runs without --seed."""
    table = {'mcu.unique_id() == mcu.unique_id()': "true", '#mcu.unique_id()': "8",
             'mcu.unique_id():toHex()': re.compile("^[0-9A-F]{16} 16$")}

    def unique_id(*args):
        return check(emu, table, *args).texts("value2")[0]

    assert unique_id("--seed", 1) == unique_id("--seed", 1)
    assert unique_id("--seed", 1) != unique_id("--seed", 2)
    assert unique_id() != unique_id()


def test_mcu_unique_id_takes_nothing_from_other_random_numbers(emu):
    """A script that asks for its id meets the same random numbers as one that does not."""
    script = "{}\nlog.info('random', math.random(0), math.random(0))\nos.exit(0)\n"
    asked = emu.run(script.format("mcu.unique_id()"), "--seed", 5)
    silent = emu.run(script.format(""), "--seed", 5)
    assert asked.texts("random") == silent.texts("random")


def test_mcu_clock_can_be_set_to_what_modules_know(emu):
    """mcu.setClk(mhz) -> bool; 2, 40, 80, 160 and 240 are an Air101's."""
    done = check(emu, {
        'mcu.getClk()': "240",
        'mcu.setClk(80)': "true",
        'mcu.getClk() + 0': "80",
        'mcu.setClk(2)': "true",
        'mcu.setClk(100)': "false",
        'mcu.setClk(-2)': "false",
        'mcu.getClk() * 1': "2",
        'mcu.setClk("fast")': "raises: number expected, got string",
        'mcu.setClk()': "raises: number expected, got no value",
    })
    check_warned(done, "mcu.setClk(100)", "mcu.setClk(-2)")


def test_mcu_stand_ins_say_once_that_the_hardware_is_not_there(emu):
    """They take their arguments as a module does, and return nothing."""
    done = check(emu, {
        'mcu.hardfault(1)': "nothing",
        'mcu.hardfault()': "nothing",
        'mcu.iomux(mcu.UART, 2, 1)': "nothing",
        'mcu.altfun(mcu.GPIO, 46, 32, 1, false)': "nothing",
        'mcu.altfun(mcu.GPIO, 46)': "nothing",
        'mcu.setXTAL(true, true, 1248)': "nothing",
        'mcu.XTALRefOutput(true, false)': "nothing",
        'mcu.reg32(0x2009FFFC)': "0",
        'mcu.muid()': "",
        'mcu.hardfault("invalid")': "raises: number expected, got string",
        'mcu.iomux(mcu.UART, 2, {})': "raises: number expected, got table",
        'mcu.altfun(1, 2, 3, "x")': "raises: number expected, got string",
        'mcu.setXTAL(true, true, "long")': "raises: number expected, got string",
        'mcu.reg32()': "raises: number expected, got no value",
    })
    check_warned(done, "mcu.hardfault does nothing here", "mcu.iomux does nothing here",
                 "mcu.altfun does nothing here", "mcu.setXTAL does nothing here",
                 "mcu.XTALRefOutput does nothing here", "mcu.reg32 is 0")


def test_mcu_names_the_peripherals(emu):
    """Numbers of luat_mcu.h; KEYBORAD is LuatOS's spelling."""
    names = ["UART", "I2C", "SPI", "PWM", "CAN", "GPIO", "I2S", "SDIO", "LCD", "CAMERA", "ONEWIRE"]
    check(emu, {f"mcu.{name}": str(number) for number, name in enumerate(names)} | {
        "mcu.CAM": "9",
        "math.type(mcu.KEYBORAD)": "integer",
        "math.type(mcu.ETH)": "integer",
        "mcu.KEYBOARD": "nil",
    })


# ---- timer ----------------------------------------------------------------------------------------

def test_timer_delays_hold_everything_up(emu):
    """timer.mdelay(1..1023) and timer.udelay(1..3000) block: a timer that was due meanwhile is late."""
    done = emu.run("timer/delays-hold-everything-up", *VIRTUAL)
    assert done.code == 0, done
    assert done.texts("mdelay") == ["nothing, 1023000 us later"]
    assert done.texts("udelay") == ["nothing, 3000 us later"]
    assert done.texts("timer") == ["1026 ms"]


def test_timer_delays_do_nothing_for_other_arguments(emu):
    """No error and no delay; the warning says what they take."""
    wrong = {"mdelay": ("0", "-1", "1024", "1.5", '"5"', "nil", "", "{}", "math.maxinteger"),
             "udelay": ("0", "-1", "3001", "1.5", '"5"', "nil", "", "{}", "math.mininteger")}
    done = check(emu, {f"timer.{name}({argument})": "nothing"
                       for name, arguments in wrong.items() for argument in arguments}
                 | {"mcu.tick64() == (\"\\0\"):rep(8)": "true"}, *VIRTUAL)
    assert len(done.warnings) == 18
    assert all("does nothing: it takes an integer from 1 to" in w for w in done.warnings)


def test_timer_delay_in_real_time_is_as_long(emu):
    """At least what was asked for, by the module's own clock."""
    done = check(emu, {
        'timer.mdelay(20)': "nothing",
        'mcu.ticks() - started >= 20': "true",
    }, before="local started = mcu.ticks()")
    check_warned(done)


# ---- rtc ------------------------------------------------------------------------------------------

def test_rtc_get_is_utc(emu):
    """Fields year mon day hour min sec and no others, whatever the time zone is."""
    done = emu.run("rtc/get-is-utc", *VIRTUAL)
    assert done.code == 0, done
    assert done.texts("boot") == ["2026-1-1 0:0:0"]
    assert done.texts("fields") == ["day hour min mon sec year"]
    assert done.texts("zone 0") == ["2026-1-1 0:0:0"]
    assert done.texts("a day and a bit later") == ["2026-1-2 1:1:1"]


def test_rtc_set_moves_the_calendar(emu):
    """By a table in UTC or by seconds since 1970; os.time and os.date follow, mcu.ticks does not."""
    done = emu.run("rtc/set-moves-the-calendar", *VIRTUAL)
    assert done.code == 0, done
    assert done.texts("table") == ["true", "1630429723", "2021-08-31 17:08:43", "2021-8-31 17:8:43", "0"]
    assert done.texts("seconds") == ["true", "1652230554", "2022-05-11 00:55:54", "2022-5-11 0:55:54", "0"]
    assert done.texts("leap day") == ["true", "1709164800", "2024-02-29 00:00:00", "2024-2-29 0:0:0", "0"]
    assert done.texts("last") == ["true", "4294967295", "2106-02-07 06:28:15", "2106-2-7 6:28:15", "0"]
    assert done.texts("late") == ["true", "7289654399", "2200-12-31 23:59:59", "2200-12-31 23:59:59", "0"]
    assert done.texts("early") == ["true", "-2208988800", "1900-01-01 00:00:00", "1900-1-1 0:0:0", "0"]
    assert done.texts("wait") == ["1500"]  # a timer does not see the calendar


def test_rtc_set_keeps_running_from_there(emu):
    """Seconds that pass are added to what was set."""
    done = check(emu, {
        'rtc.set(1000)': "true",
        'timer.mdelay(999)': "nothing",
        'os.time()': "1000",
        'timer.mdelay(1)': "nothing",
        'os.time() + 0': "1001",
    }, *VIRTUAL)
    check_warned(done)


def test_rtc_set_refuses_what_is_no_moment(emu):
    """false for a value that is out of range, nothing for a table that lacks a field."""
    def table(**changes):
        fields = {"year": 2021, "mon": 8, "day": 31, "hour": 17, "min": 8, "sec": 43} | changes
        return "{" + ", ".join(f"{k} = {v}" for k, v in fields.items()) + "}"

    done = check(emu, {
        f'rtc.set({table(year=1899)})': "false",
        f'rtc.set({table(year=2201)})': "false",
        f'rtc.set({table(mon=0)})': "false",
        f'rtc.set({table(mon=13)})': "false",
        f'rtc.set({table(day=0)})': "false",
        f'rtc.set({table(day=32)})': "false",
        f'rtc.set({table(mon=4)})': "false",                  # 31 April
        f'rtc.set({table(year=2023, mon=2, day=29)})': "false",
        f'rtc.set({table(year=2100, mon=2, day=29)})': "false",
        f'rtc.set({table(hour=24)})': "false",
        f'rtc.set({table(min=60)})': "false",
        f'rtc.set({table(sec=60)})': "false",
        f'rtc.set({table(sec="math.mininteger")})': "false",
        f'rtc.set({table(sec="nil")})': "nothing",
        f'rtc.set({table(year="{}")})': "nothing",
        'rtc.set({})': "nothing",
        f'rtc.set({table(sec=1.5)})': "raises: number has no integer representation",
        'rtc.set(0)': "false",
        'rtc.set(-1)': "false",
        'rtc.set(4294967296)': "false",
        'rtc.set(1652230554.0)': "false",
        'rtc.set("1652230554")': "false",
        'rtc.set(nil)': "false",
        'rtc.set()': "false",
        'os.time()': str(EPOCH_S),
    }, *VIRTUAL)
    assert len(done.warnings) == 23
    assert "rtc.set: 2021-04 has no day 31" in done.warnings[6]
    assert 'rtc.set: the table has no number "sec"' in done.warnings[13]


def test_rtc_set_takes_text_that_is_a_number(emu):
    """A field may be "8", as for os.time."""
    check(emu, {
        'rtc.set({year="2021", mon="8", day="31", hour="17", min="8", sec="43"})': "true",
        'os.time()': "1630429723",
    }, *VIRTUAL)


def test_rtc_timezone_counts_quarters_of_an_hour(emu):
    """rtc.timezone(n) -> what it is now; 32, UTC+8, at boot; false for what is no integer."""
    done = check(emu, {
        'rtc.timezone()': "32",
        'rtc.timezone(32)': "32",
        'rtc.timezone(-16)': "-16",
        'rtc.timezone(57)': "-16",
        'rtc.timezone(-49)': "-16",
        'rtc.timezone(nil)': "false",
        'rtc.timezone("32")': "false",
        'rtc.timezone(8.5)': "false",
        'rtc.timezone(32) + rtc.timezone()': "64",
    })
    for what in ("rtc.timezone(57): there is none", "rtc.timezone(-49): there is none", "takes an integer",
                 "os.date and os.time stay at UTC+8"):
        assert any(what in warning for warning in done.warnings), done.warnings


def test_rtc_base_year_changes_nothing(emu):
    """rtc.setBaseYear(1900..2050) returns nothing and years stay whole; another year is an error."""
    check(emu, {
        'rtc.setBaseYear(1900)': "nothing",
        'rtc.setBaseYear(2050)': "nothing",
        'rtc.get().year': "2026",
        'rtc.setBaseYear(1899)': "raises: 1899 is not from 1900 to 2050",
        'rtc.setBaseYear(2051)': "raises: 2051 is not from 1900 to 2050",
        'rtc.setBaseYear()': "raises: number expected, got no value",
    }, *VIRTUAL)


def test_rtc_alarm_has_no_sleep_to_end(emu):
    """rtc.timerStart gives false and a warning, for a module would wake from its sleep; timerStop
    true; a table that lacks a field gives nothing."""
    when = "{year=2027, mon=9, day=1, hour=17, min=8, sec=43}"
    done = check(emu, {
        f'rtc.timerStart(0, {when})': "false",
        f'rtc.timerStart(0, {when.replace("day=1", "day=40")})': "false",
        'rtc.timerStart(0, {year=2027})': "nothing",
        'rtc.timerStart(0)': "nothing",
        f'rtc.timerStart(nil, {when})': "raises: number expected, got nil",
        'rtc.timerStop(0)': "true",
        'rtc.timerStop()': "raises: number expected, got no value",
    }, *VIRTUAL)
    check_warned(done, "no sleep here to wake up from", "day is 40, not from 1 to 31",
                 'has no number "mon"', "takes a table")
