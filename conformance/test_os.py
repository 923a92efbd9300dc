"""os: Lua's library on the module's clock, file system and way to end."""

import re

import pytest

from expressions import check, check_warned

EPOCH = 1767225600  # 2026-01-01 00:00:00 UTC: where virtual time begins
VIRTUAL = ("--time", "virtual", "--seed", "1")
OTHER_ZONES = ["UTC", "America/New_York", "Asia/Kolkata", "XXX-5:30YYY"]

FIELDS = '''
local function fields(t)
    return string.format("%d-%d-%d %d:%d:%d wday %d yday %d %s", t.year, t.month, t.day, t.hour,
                         t.min, t.sec, t.wday, t.yday, t.isdst)
end
'''


# ---- time -----------------------------------------------------------------------------------------

def test_time_follows_the_clock_of_the_device(emu):
    """os.time() is the calendar in seconds; in virtual time it begins at a fixed day and stands
    still while the script works."""
    done = emu.run("os/time-follows-the-virtual-clock", *VIRTUAL)
    assert done.code == 0, done
    assert done.texts("time") == [f"{EPOCH} {EPOCH} {EPOCH + 1} {EPOCH + 90}"]
    assert done.texts("clock") == ["0 true"]


def test_time_is_what_rtc_was_set_to(emu):
    """The RTC and os.time read one calendar."""
    check(emu, {
        'rtc.set({ year = 2030, mon = 2, day = 3, hour = 4, min = 5, sec = 6 })': "true",
        'os.date("!%Y-%m-%d %H:%M:%S")': "2030-02-03 04:05:06",
        'os.date("%Y-%m-%d %H:%M:%S")': "2030-02-03 12:05:06",
        'os.time()': "1896321906",
    }, *VIRTUAL)


def test_a_script_may_wait_for_the_time_in_a_loop_of_its_own(emu):
    """In real time os.time() looks at the clock each time it is asked: the loop ends."""
    done = emu.run('local t = os.time() + 1\nwhile os.time() < t do end\nos.exit(0)\n')
    assert done.code == 0, done


@pytest.mark.parametrize("zone", ["", *OTHER_ZONES])
def test_a_table_is_local_time_and_local_time_is_utc_8(emu, zone):
    """os.time{...} treats the table as UTC+8, whatever the host's time zone is (LuatOS
    loslib.c:417-451)."""
    done = emu.run('''
        log.info("time", os.time({ year = 1970, month = 1, day = 1, hour = 8 }),
                 os.time({ year = 2024, month = 7, day = 1, hour = 0 }),
                 os.time({ year = 1969, month = 12, day = 31, hour = 23, min = 59, sec = 59 }),
                 os.time({ year = 1970, month = 1, day = 1, hour = 7, min = 59, sec = 59 }))
        log.info("date", os.date("%Y-%m-%d %H:%M:%S %z %Z", 0))
        local t = 1720000000
        local here, utc = os.date("*t", t), os.date("!*t", t)
        log.info("difference", os.time(here) - os.time(utc), os.time(here) == t)
        os.exit(0)
    ''', env={"TZ": zone} if zone else {})
    assert done.code == 0, done
    assert done.texts("time") == ["0 1719763200 -28801 -1"]
    assert done.texts("date") == ["1970-01-01 08:00:00 +0800 CST"]
    assert done.texts("difference") == ["28800 true"]


def test_time_takes_defaults_and_writes_the_fields_back_in_order(emu):
    """Fields out of range carry over; the table is then as os.date("*t") would give it (Lua 5.4
    manual, os.time). Hour defaults to 12."""
    check(emu, {
        'os.time({ year = 1970, month = 1, day = 1 })': "14400",
        'carry({ year = 2024, month = 14, day = -3, hour = 25, min = 61, sec = -1 })':
            "1738087259 2025-1-29 2:0:59 wday 4 yday 29 false",
        'carry({ year = 2023, month = 12, day = 32 })':
            "1704081600 2024-1-1 12:0:0 wday 2 yday 1 false",
        'carry({ year = 2024, month = 3, day = 0 })':
            "1709179200 2024-2-29 12:0:0 wday 5 yday 60 false",
        'carry({ year = "2024", month = 3.0, day = 1 })':
            "1709265600 2024-3-1 12:0:0 wday 6 yday 61 false",
        'carry({ year = 2024, month = 3, day = 1, isdst = true })':
            "1709265600 2024-3-1 12:0:0 wday 6 yday 61 false",
    }, before=FIELDS + '''
        local function carry(t)
            local time = os.time(t)
            return time, fields(t)
        end
    ''')


def test_time_refuses_tables_that_are_no_date(emu):
    """Year, month and day must be there; every field is an integer that fits; so does the year
    that comes out."""
    check(emu, {
        'os.time({})': "raises: field 'year' missing in date table",
        'os.time({ year = 2024 })': "raises: field 'month' missing in date table",
        'os.time({ year = 2024, month = 1 })': "raises: field 'day' missing in date table",
        'os.time({ year = 2024, month = 1, day = 1.5 })': "raises: field 'day' is not an integer",
        'os.time({ year = 2024, month = 1, day = 1, hour = {} })':
            "raises: field 'hour' is not an integer",
        'os.time({ year = 2024, month = 1, day = 1, sec = "x" })':
            "raises: field 'sec' is not an integer",
        'os.time({ year = 1 << 40, month = 1, day = 1 })': "raises: field 'year' is out-of-bound",
        'os.time({ year = math.mininteger, month = 1, day = 1 })':
            "raises: field 'year' is out-of-bound",
        'os.time({ year = 2024, month = 1, day = 1, min = math.maxinteger })':
            "raises: field 'min' is out-of-bound",
        'os.time({ year = 2147483647 + 1900, month = 12, day = 31, hour = 23 })':
            "67768036191644400",
        'os.time({ year = 2147483647 + 1900, month = 13, day = 1 })':
            "raises: time result cannot be represented",
        'os.time(1)': "raises: table expected, got number",
        'os.time("x")': "raises: table expected, got string",
        'math.type(os.time(nil))': "integer",
    })


def test_difftime_takes_two_times(emu):
    """The difference is a float, and both times must be given, as in Lua 5.4."""
    check(emu, {
        'os.difftime(10, 4)': "6.0",
        'os.difftime(4, 10)': "-6.0",
        'os.difftime(math.maxinteger, math.mininteger) > 0': "true",
        'os.difftime(1)': "raises: number expected, got no value",
        'os.difftime(1, 1.5)': "raises: number has no integer representation",
        'os.difftime("x", 1)': "raises: number expected, got string",
    })


def test_clock_counts_the_cpu(emu):
    """A float of seconds that never goes back and, in real time, moves while the script works."""
    check(emu, {
        'math.type(os.clock())': "float",
        'os.clock() >= before': "true",
        'later() > before': "true",
    }, before='''
        local before = os.clock()
        local function later()
            while os.clock() == before do end
            return os.clock()
        end
    ''')


# ---- date -----------------------------------------------------------------------------------------

def test_date_formats_local_time_and_utc(emu):
    """"!" is UTC; without it UTC+8. The default format is %c."""
    check(emu, {
        'os.date("!%c", 0)': "Thu Jan  1 00:00:00 1970",
        'os.date("%c", 0)': "Thu Jan  1 08:00:00 1970",
        'os.date(nil, 0)': "Thu Jan  1 08:00:00 1970",
        'os.date("%Y-%m-%d %H:%M:%S", 1e9)': "2001-09-09 09:46:40",
        'os.date("!%H:%M:%S %z %Z", 1)': "00:00:01 +0000 GMT",
        'os.date("!%F %T %j %a %A %b %B %p %I %y %C %u %w %%", 86399)':
            "1970-01-01 23:59:59 001 Thu Thursday Jan January PM 11 70 19 4 4 %",
        'os.date("!%D %e %g %G %h %n%R %r %t%U %V %W %x %X %d %M %S", 0)':
            "01/01/70  1 70 1970 Jan \n00:00 12:00:00 AM \t00 01 00 01/01/70 00:00:00 01 00 00",
        'os.date("!%Ec|%EC|%Ex|%EX|%Ey|%EY", 0)':
            "Thu Jan  1 00:00:00 1970|19|01/01/70|00:00:00|70|1970",
        'os.date("!%Od%Oe%OH%OI%Om%OM%OS%Ou%OU%OV%Ow%OW%Oy", 0)': "01 1001201000040001400"
                                                                  "70",
        'os.date("", 0)': "",
        'os.date("!", 0)': "",
        'os.date("no conversion", 0)': "no conversion",
        '#os.date("a\\0b%Y\\0", 0)': "8",
        'os.date("!%c", -1)': "Wed Dec 31 23:59:59 1969",
        '#os.date(("%c"):rep(1000), 0)': "24000",
    })


def test_date_gives_a_table(emu):
    """"*t" has the nine fields of Lua; nothing else begins with "*"."""
    check(emu, {
        'fields(os.date("*t", 0))': "1970-1-1 8:0:0 wday 5 yday 1 false",
        'fields(os.date("!*t", 0))': "1970-1-1 0:0:0 wday 5 yday 1 false",
        'fields(os.date("!*t", 1709251199))': "2024-2-29 23:59:59 wday 5 yday 60 false",
        'count(os.date("*t"))': "9",
        'os.date("*t ", 0)': "*t ",
        'os.date("!*x", 0)': "*x",
    }, before=FIELDS + '''
        local function count(t)
            local n = 0
            for _ in pairs(t) do n = n + 1 end
            return n
        end
    ''')


def test_date_refuses_conversions_that_lua_does_not_know(emu):
    """What strftime(3) would make of other letters is not defined."""
    check(emu, {
        f'os.date("{text}")': f"raises: invalid conversion specifier '%{text[text.index('%') + 1:]}'"
        for text in ["%Q", "%", "x%", "%E", "%O", "%Ed", "%Oc", "%EE", "%5Y", "%-d", "%s", "%k",
                     "%f", "%ñ", "%1000000d"]
    } | {
        'os.date("%\\0")': "raises: invalid conversion specifier",
        'os.date("%E\\0")': "raises: invalid conversion specifier",
        'os.date("!*t%")': "raises: invalid conversion specifier '%'",
    })


def test_date_refuses_times_that_have_no_year(emu):
    """A year beyond what the calendar of C holds can't be shown."""
    check(emu, {
        'os.date("*t", math.maxinteger)': "raises: date result cannot be represented",
        'os.date("*t", math.mininteger)': "raises: date result cannot be represented",
        'os.date("!%c", 1 << 60)': "raises: date result cannot be represented",
        'os.date("!*t", 67768036191676799).year': "2147485547",
        'os.date("!*t", 67768036191676800)': "raises: date result cannot be represented",
        'os.date("*t", 67768036191676799)': "raises: date result cannot be represented",
        # text: what strftime(3) can show without running over
        'os.date("!%F %G", 67767976201996799)': re.compile("^2147483646-12-31 214748364[67]$"),
        'os.date("!%F", 67767976201996800)': "raises: date result cannot be",
        'os.date("!%Y", -67768040609740800)': "-2147481748",
        'os.date("!%Y", -67768040609740801)': "raises: date result cannot be",
        'os.date("*t", 1.5)': "raises: number has no integer representation",
        'os.date("*t", {})': "raises: number expected, got table",
        'os.date({})': "raises: string expected, got table",
    })


# ---- the end --------------------------------------------------------------------------------------

@pytest.mark.parametrize("argument, code", [
    ("", 0), ("nil", 0), ("true", 0), ("false", 1), ("0", 0), ("7", 7), ("255", 255), ('"3"', 3),
    ("3.0", 3), ("0, true", 0),
])
def test_exit_ends_the_run_with_its_number(emu, argument, code):
    """True and nothing mean 0, false 1. What comes after is not run."""
    done = emu.run(f'log.info("before")\nos.exit({argument})\nlog.info("after")\n')
    assert done.code == code, done
    assert len(done.texts("before")) == 1 and not done.texts("after")
    assert not done.warnings


@pytest.mark.parametrize("number, code", [(256, 0), (300, 44), (-1, 255), ("math.mininteger", 0)])
def test_exit_warns_of_numbers_a_shell_never_sees(emu, number, code):
    """An exit status has 8 bits: os.exit(256) would look like success."""
    done = emu.run(f'os.exit({number})\n')
    assert done.code == code, done
    check_warned(done, f"an exit status is 0 to 255; this one becomes {code}")


def test_exit_is_no_error_that_can_be_caught(emu):
    """Not by pcall, not in a coroutine, not in a callback."""
    done = emu.run("os/exit-cannot-be-caught")
    assert done.code == 9, done
    assert not done.texts("caught")


def test_exit_refuses_what_is_no_number(emu):
    """As Lua does: the error can be caught."""
    check(emu, {
        'os.exit("x")': "raises: number expected, got string",
        'os.exit(1.5)': "raises: number has no integer representation",
        'os.exit({})': "raises: number expected, got table",
    })


# ---- the host -------------------------------------------------------------------------------------

def test_getenv_reads_the_environment_of_the_host(emu):
    """It is how a script gets its parameters; an unset name is nil, an empty one is empty."""
    done = emu.run('''
        log.info("env", os.getenv("CASE"), os.getenv("EMPTY"), os.getenv("NOT_SET_BY_ANYBODY"))
        log.info("bad", pcall(os.getenv))
        os.exit(0)
    ''', env={"CASE": "a b=c", "EMPTY": ""})
    assert done.texts("env") == ["a b=c  nil"]
    assert "string expected" in done.texts("bad")[0]


def test_execute_runs_nothing(emu, tmp_path):
    """A module has no shell: os.execute() says so, os.execute(command) fails, with a warning."""
    done = check(emu, {
        'os.execute()': "false",
        f'os.execute("touch {tmp_path}/made")': "nil exit 127",
        'os.execute({})': "raises: string expected, got table",
    })
    check_warned(done, "os.execute: a module has no shell; nothing was run: touch")
    assert not (tmp_path / "made").exists()


def test_setlocale_knows_only_the_locale_of_c(emu):
    """Numbers are written with a point whatever the host's locale is."""
    check(emu, {
        'os.setlocale()': "C",
        'os.setlocale(nil, "time")': "C",
        'os.setlocale("C")': "C",
        'os.setlocale("")': "C",
        'os.setlocale("POSIX", "numeric")': "C",
        'os.setlocale("de_DE.UTF-8")': "nil",
        'tonumber("1.5") .. os.date("!%A", 0)': "1.5Thursday",
        'os.setlocale("C", "colour")': "raises: invalid option 'colour'",
        'os.setlocale({})': "raises: string expected, got table",
    })


# ---- files ----------------------------------------------------------------------------------------

def test_remove_and_rename_change_the_flash_of_the_module(emu):
    """As Lua's: true, or nil, a message and a number."""
    check(emu, {
        'io.writeFile("/a", "1")': "true",
        'os.rename("/a", "/b")': "true",
        'io.exists("/a"), io.readFile("/b")': "false 1",
        'os.rename("/a", "/c")': "nil No such file or directory 2",
        'io.writeFile("/c", "2"), os.rename("/b", "/c")': "true true",
        'io.readFile("/c"), io.exists("/b")': "1 false",
        'os.rename("/c", "/c")': "true",
        'os.rename("/c", "/no/c")': "nil No such file or directory 2",
        'os.remove("/c")': "true",
        'os.remove("c")': "nil c: No such file or directory 2",
        'io.mkdir("/d"), io.writeFile("/d/x", "")': "true true",
        'os.remove("/d")': "nil /d: Directory not empty 39",
        'os.remove("d/./x"), os.remove("/d/"), io.dexist("/d")': "true true false",
        'os.remove("/luadb/main.lua")': "nil /luadb/main.lua: Read-only file system 30",
        'os.rename("/luadb/main.lua", "/x")': "nil Read-only file system 30",
        'os.remove(("x"):rep(300))': re.compile("^nil x+: File name too long 36$"),
        'os.remove()': "raises: string expected, got no value",
        'os.rename("/a")': "raises: string expected, got no value",
        'os.remove({})': "raises: string expected, got table",
    })


def test_files_of_the_host_are_out_of_reach(emu, tmp_path):
    """Neither by an absolute path nor by a way up."""
    (tmp_path / "precious").write_text("still here")
    check(emu, {
        f'os.remove("{tmp_path}/precious")': re.compile("^nil .*No such file or directory 2$"),
        'os.remove("../../../../../etc/hostname")': re.compile("^nil .*No such file or directory 2$"),
        f'os.rename("{tmp_path}/precious", "/mine")': "nil No such file or directory 2",
        'io.writeFile("/mine", "x")': "true",
        f'os.rename("/mine", "{tmp_path}/made")': "nil No such file or directory 2",
    })
    assert (tmp_path / "precious").read_text() == "still here"
    assert not (tmp_path / "made").exists()


def test_tmpname_gives_a_free_name_and_keeps_it(emu):
    """An empty file is made under it, as Lua does; another call gives another one."""
    done = check(emu, {
        'os.tmpname()': re.compile("^/lua_[0-9a-f]{6}$"),
        'different()': "100",
        'io.fileSize(last), io.exists(last), os.remove(last)': "0 true true",
    }, before='''
        local last
        local function different()
            local seen, n = {}, 0
            for i = 1, 100 do
                last = os.tmpname()
                n = n + (seen[last] and 0 or 1)
                seen[last] = true
            end
            return n
        end
    ''')
    assert not done.warnings


@pytest.mark.parametrize("case", ["os/time-follows-the-virtual-clock"])
def test_virtual_time_repeats_itself(emu, case):
    """Two runs with one seed write the same log, byte for byte."""
    first, second = emu.run(case, *VIRTUAL), emu.run(case, *VIRTUAL)
    assert first.stdout and first.stdout == second.stdout
