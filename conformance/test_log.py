"""The library log, and print: what a line looks like, and which lines there are."""

import re

import pytest

LINE = re.compile(r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\]\[\d{9}\.\d{3}\] (.*)$")


@pytest.fixture
def run(emu):
    def run(script, *args, **options):
        done = emu.run(script + "\nos.exit(0)\n", "--time", "virtual", "--seed", "1", *args, **options)
        assert done.code == 0, done
        return done

    return run


def lines(done):
    """The lines of the log after the boot line, without their time stamps."""
    found = [LINE.match(line) for line in done.stdout.splitlines()]
    assert all(found), done.stdout
    return [line[1] for line in found if not line[1].startswith("I/main ")]


# ---- lines -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("call, line", [
    ('log.debug("tag", 1)', "D/user.tag 1"),
    ('log.info("tag", 1)', "I/user.tag 1"),
    ('log.warn("tag", 1)', "W/user.tag 1"),
    ('log.error("tag", 1)', "E/user.tag 1"),
    ('log.fatal("tag", 1)', "E/user.tag 1"),
    ('log.info("tag")', "I/user.tag"),
    ('log.info("tag", nil, true, 1.5, "text")', "I/user.tag nil true 1.5 text"),
    ('log.info("tag", "", "text")', "I/user.tag  text"),
    ('log.info(12, "x")', "I/user.12 x"),
    ('log.info(nil, "x")', "I/user.(null) x"),
    ('log.info({}, "x")', "I/user.(null) x"),
    ('log.info(true)', "I/user.(null)"),
    ('log.info("标签", "文本")', "I/user.标签 文本"),
    ('log.info("tag", setmetatable({}, { __tostring = function() return "mine" end }))',
     "I/user.tag mine"),
    ('print("a", nil, 1.5)', "a nil 1.5"),
    ('print()', ""),
])
def test_a_line_looks_as_on_a_module(run, call, line):
    """luat_lib_log.c:139-164; lbaselib.c:86-104: print puts single spaces."""
    assert lines(run(call)) == [line]


def test_without_arguments_nothing_is_logged(run):
    assert lines(run("log.info() log.error()")) == []


def test_styles_show_the_place(run):
    """style 1: in place of the tag, which is the first field then; style 2: behind the tag."""
    done = run('''
        print(log.style(), log.style(1))
        log.info("tag", "text")
        log.info(nil)
        log.style(2)
        log.info("tag", "text")
        print(log.style(3), log.style("x"), log.style(-1), log.style(0))
        log.info("tag", "text")
    ''')
    assert lines(done) == ["0 1", "I/main.lua:3 tag text", "I/main.lua:4 (null)",
                           "I/user.tag main.lua:6 text", "2 2 2 0", "I/user.tag text"]


@pytest.mark.parametrize("level, shown", [
    ('"DEBUG"', "D I W E"), ('"INFO"', "I W E"), ('"WARN"', "W E"), ('"ERROR"', "E"), ('"SILENT"', ""),
    ("log.LOG_DEBUG", "D I W E"), ("log.LOG_INFO", "I W E"), ("log.LOG_WARN", "W E"),
    ("log.LOG_ERROR", "E"), ("log.LOG_SILENT", ""), ("0", ""), ("nil", ""), ('"info"', ""), ("{}", ""),
    ("2.5", ""),
])
def test_a_level_hides_what_is_below_it(run, level, shown):
    """Anything that is no level is SILENT."""
    done = run(f'log.setLevel({level}) log.debug("x") log.info("x") log.warn("x") log.error("x")')
    assert [line[0] for line in lines(done)] == shown.split()


def test_get_level_gives_the_level_that_was_set(run):
    done = run('''
        local levels = { log.getLevel() }
        for _, level in ipairs({ "INFO", "WARN", "ERROR", "SILENT", "DEBUG" }) do
            log.setLevel(level)
            levels[#levels + 1] = log.getLevel()
        end
        print(table.unpack(levels))
        print(log.LOG_DEBUG, log.LOG_INFO, log.LOG_WARN, log.LOG_ERROR, log.LOG_SILENT)
    ''')
    assert lines(done) == ["1 2 3 4 7 1", "1 2 3 4 7"]


@pytest.mark.parametrize("option, shown", [
    ("debug", "D I W E p"), ("info", "I W E p"), ("warn", "W E p"), ("error", "E p"), ("silent", ""),
])
def test_the_command_line_hides_lines_too(run, option, shown):
    done = run('log.debug("x") log.info("x") log.warn("x") log.error("x") print("p")', "--log-level",
               option)
    assert [line[0] for line in lines(done)] == shown.split()


def test_print_and_log_ask_the_global_tostring(run):
    """lbaselib.c:86-104."""
    done = run('''
        local stock = tostring
        function tostring(value) return "<" .. stock(value) .. ">" end
        print(1, nil)
        log.info("tag", 1, "text")
        function tostring() return {} end
        local told = { pcall(print, 1) }
        tostring = stock
        print(table.unpack(told))
    ''')
    assert lines(done) == ["<1> <nil>", "I/user.tag <1> <text>",
                           "false 'tostring' must return a string to 'print'"]


def test_a_print_of_the_scripts_own_gets_the_log(run):
    """luat_lib_log.c:139-164: log calls the global print."""
    done = run('''
        local stock = print
        function print(...) stock("mine", select("#", ...), ...) end
        log.info("tag", 1, nil)
        log.style(1)
        log.warn("tag", 2)
        log.setLevel("SILENT")
        log.warn("tag", 3)
    ''')
    assert lines(done) == ["mine 3 I/user.tag 1 nil", "mine 3 W/main.lua:6 tag 2"]
