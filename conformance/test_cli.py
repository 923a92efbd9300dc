"""The command line: options and their values, how a run ends and with which code, where the log and
the trace go, and which files a script finds."""

import json
import os
import pty
import re
import signal
import subprocess

import pytest

from harness import SANITIZER_ENV

BUSY = "while true do end\n"
IDLE = "log.info('runs')\nsys.run()\n"


@pytest.fixture
def cli(luatos_emu, tmp_path):
    """Runs the program as typed, in a directory that has hi.lua."""
    (tmp_path / "hi.lua").write_text('log.info("hi", 1)\nos.exit(0)\n')

    def run(*args, env=None, **options):
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        return subprocess.run([luatos_emu, *map(str, args)], cwd=tmp_path, text=True, timeout=60,
                              env={"PATH": os.environ["PATH"], **SANITIZER_ENV, **(env or {})},
                              **options)

    return run


# ---- options ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("args, says", [
    ([], "which script? Usage: luatos-emu"),
    (["--bogus", "hi.lua"], "there is no option --bogus"),
    (["-z", "hi.lua"], "there is no option -z"),
    (["--timeout"], "--timeout needs a value"),
    (["--timeout", "x", "hi.lua"], "--timeout x: it takes a number from 1 to"),
    (["--timeout", "0", "hi.lua"], "--timeout 0: it takes a number from 1 to"),
    (["--timeout", "-1", "hi.lua"], "--timeout -1: it takes a number"),
    (["--timeout=99999999999999999999", "hi.lua"], "it takes a number"),
    (["--log-level", "loud", "hi.lua"], "it takes debug, info, warn, error or silent"),
    (["--exit-on", "x", "hi.lua"], "it takes idle or never"),
    (["--profile", "x", "hi.lua"], "it takes doc or current"),
    (["--time", "x", "hi.lua"], "it takes real or virtual"),
    (["--color", "x", "hi.lua"], "it takes auto, always or never"),
    (["--seed", "18446744073709551616", "hi.lua"], "--seed 18446744073709551616: it takes a number"),
    (["--bind", "WIFI=host", "hi.lua"], 'there is no adapter "WIFI"; there are LWIP_GP'),
    (["--bind", "ETH0", "hi.lua"], "--bind ETH0: "),
    (["--set", "sockets", "hi.lua"], "it has the form KEY=VALUE"),
    (["--set", "socket=1", "hi.lua"], "there is no such key; --set help lists them"),
    (["--set", "sockets=0", "hi.lua"], "sockets takes a number from 1 to"),
    (["--gc-stress=1", "hi.lua"], "--gc-stress=1 takes no value"),
    (["--ti", "5", "hi.lua"], "--ti: is it --time or --timeout?"),
    (["--json", "", "hi.lua"], "it takes a descriptor's number or a file's name"),
    (["--json", "77", "hi.lua"], "--json 77: no such descriptor is open"),
    (["--json", "/nowhere/trace", "hi.lua"], "--json /nowhere/trace: can't write it: No such file"),
    (["--lab", "--time", "virtual", "hi.lua"], "the lab is a real network"),
    (["--timing", "slow", "hi.lua"], "--timing slow: it takes fast or accurate"),
    (["--timing", "accurate", "hi.lua"], "--timing: this board has no W5500"),
    (["--quirk", "live_tx_wr,", "hi.lua"], "it takes the names of quirks"),
    (["--quirk", "live_tx_wr,nosuch", "hi.lua"], 'a W5500 has no quirk "nosuch"; there are sendok_acked,'),
    (["--quirk", "live_tx_wr", "--bind", "ETH0=off", "hi.lua"], "--quirk: this board has no W5500"),
    (["--bind", "ETH0=host,chip=w5500", "hi.lua"], "host takes no chip=: a chip takes a link"),
    (["--bind", "ETH0=lab,ip6=2001:db8::2/64", "hi.lua"], "ETH0: ip6=: a W5500 has no IPv6"),
])
def test_a_wrong_command_line_is_one_line_and_code_2(cli, args, says):
    done = cli(*args)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("luatos-emu: ") and says in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["--version"], ["--man"], ["--set", "help"]])
def test_what_is_asked_for_is_printed_to_stdout(cli, args):
    done = cli(*args)
    assert done.returncode == 0 and done.stdout and not done.stderr


def test_help_and_the_manual_page_know_every_option(cli):
    options = "bind exit-on gc-stress help json log-level profile seed set time timeout version"
    shown, page = cli("--help").stdout, cli("--man").stdout
    for option in options.split():
        assert f"--{option}" in shown
        assert "\\-\\-" + option.replace("-", "\\-") in page
    for code in ("0", "1", "2", "5", "6", "42", "74", "130", "143"):
        assert re.search(rf"^  {code} ", shown, re.M)
        assert f".TP\n{code}\n" in page


def test_limits_are_listed_with_defaults_and_sources(cli):
    listed = cli("--set", "help").stdout
    assert re.search(r"sockets .*\n *default 16, from 1 to \d+ controls; LuatOS net_lwip2.h", listed)
    assert re.search(r"send_buffer .*\n *default \d+, from 1 to \d+ bytes", listed)


def test_options_may_come_after_the_script(cli):
    assert cli("hi.lua", "--log-level=warn").stdout == ""


def test_after_two_dashes_nothing_is_an_option(cli, tmp_path):
    (tmp_path / "--help").write_text("os.exit(3)\n")
    assert cli("--", "--help").returncode == 3


# ---- how a run ends --------------------------------------------------------------------------------


@pytest.mark.parametrize("script, code", [
    ("os.exit()", 0), ("os.exit(0)", 0), ("os.exit(7)", 7), ("os.exit(true)", 0),
    ("os.exit(false)", 1), ("os.exit('3')", 3), ("os.exit(256)", 0), ("os.exit(-1)", 255),
    ("sys.taskInit(function() os.exit(9) end)", 9), ("pcall(os.exit, 9)", 9),
    ("rtos.reboot(4)", 4), ("sys.run()", 0),
    ("sys.timerStart(error, 10, 'x') sys.run()", 1),
    ("sys.taskInit(error, 'x') sys.run()", 1),
    ("COROUTINE_ERROR_ROLL_BACK = false sys.taskInit(error, 'x') sys.run()", 1),
])
def test_the_exit_code_is_the_scripts(emu, script, code):
    assert emu.run(script + "\n").code == code


@pytest.mark.parametrize("script, code, says", [
    ("\nx = = 1\n", 6, "luatos-emu: main.lua:2: unexpected symbol near '=' (nothing was run)\n"),
    ("\nx.y = 1\n", 1, "luatos-emu: main.lua:2: attempt to index a nil value (global 'x') "
                       "(a module would start again in 15 s)\n"),
    ("log.info('x')\n", 1, "luatos-emu: main.lua returned without sys.run(): end it with sys.run() "
                           "(a module would start again in 15 s)\n"),
    ("x =" + "(" * 300 + "1" + ")" * 300 + "\n", 6,
     "luatos-emu: main.lua: C stack overflow (nothing was run)\n"),
])
def test_what_went_wrong_is_one_line_on_stderr(cli, tmp_path, script, code, says):
    (tmp_path / "main.lua").write_text(script)
    done = cli("main.lua")
    assert done.returncode == code
    assert done.stderr == says


def ended_at(done, why):
    """Where the script was when it was ended, by what the emulator says."""
    found = re.search(f"luatos-emu: {why}; the script was (waiting|at .*/main.lua:\\d+)\n", done.stderr)
    return found and re.sub(" .*/", " ", found[1])


@pytest.mark.parametrize("script, where", [
    (BUSY, "at main.lua:1"),
    ("while true do pcall(function()\nwhile true do end end) end\n", "at main.lua:2"),
    ("\n\nwhile true do sys.timerIsActive(1) end\n", "at main.lua:3"),
    ("sys.taskInit(function()\nwhile true do tostring(1) end end)\n", "at main.lua:2"),
    ("string.gsub('a', 'a', function()\nwhile true do end end)\n", "at main.lua:2"),
    ("sys.timerLoopStart(print, 50)\nsys.run()\n", "waiting"),
])
@pytest.mark.parametrize("time", ["real", "virtual"])
def test_the_time_limit_ends_any_script_and_says_where_it_was(emu, script, where, time):
    done = emu.run(script, "--timeout", "300", "--time", time)
    assert done.code == 42
    assert ended_at(done, "--timeout is over") == where


def test_a_virtual_time_limit_does_not_depend_on_the_machine(emu):
    """However slowly a second of virtual time is worked through, all of it is."""
    done = emu.run("sys.timerLoopStart(log.info, 1, 'tick')\nsys.run()\n", "--time", "virtual",
                   "--timeout", "1000", "--gc-stress")
    assert done.code == 42
    assert len(done.texts("tick")) in (999, 1000)


@pytest.mark.parametrize("signo, code, says", [
    (signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated"),
    (signal.SIGHUP, 143, "terminated"),
])
@pytest.mark.parametrize("script, where", [
    ("log.info('runs') while true do end\n", ["at main.lua:1"]),
    (IDLE, ["at main.lua:1", "at main.lua:2", "waiting"]),
])
def test_a_signal_ends_any_script_cleanly(emu, signo, code, says, script, where):
    with emu.start(script, "--exit-on", "never") as run:
        run.wait_log("runs")
        run.send_signal(signo)
        done = run.finish()
    assert done.code == code
    assert ended_at(done, says) in where
    assert done.events("exit") == [done.trace[-1]] and done.trace[-1]["code"] == code


def test_a_script_that_does_not_come_back_is_ended_all_the_same(emu):
    """Finalizers run without hooks."""
    done = emu.run("setmetatable({}, { __gc = function() while true do end end })\ncollectgarbage()\n",
                   "--timeout", "1000", sane=False)  # time enough to get there
    assert done.code == 42
    assert "--timeout is over; the script sits in a C function or in a finalizer\n" in done.stderr


def test_a_second_signal_does_not_ask(emu):
    with emu.start("log.info('runs')\n"
                   "setmetatable({}, { __gc = function() while true do end end })\n"
                   "collectgarbage()\n") as run:
        run.wait_log("runs")
        run.send_signal(signal.SIGTERM)
        run.send_signal(signal.SIGINT)
        assert run.finish(sane=False).code in (130, 143)


def test_exit_on_never_waits_on(emu):
    with emu.start(IDLE, "--exit-on", "never") as run:
        run.wait_log("runs")
        assert run.stop().code == 143
    done = emu.run(IDLE)
    assert done.code == 0 and "no timer is set and no socket is open" in done.stderr


# ---- the log and the trace --------------------------------------------------------------------------


def numbers(text, pattern):
    return [int(n) for n in re.findall(pattern, text)]


def test_nothing_logged_is_lost_when_it_is_killed(luatos_emu, tmp_path):
    (tmp_path / "main.lua").write_text("local i = 0\nwhile true do i = i + 1 log.info('n', i) end\n")
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen([luatos_emu, "--json", "trace", "main.lua"], stdout=log,
                                   cwd=tmp_path)
    while len(numbers((tmp_path / "log").read_text(), r"user\.n (\d+)\n")) < 100:
        assert process.poll() is None
    process.kill()
    process.wait()
    logged = numbers((tmp_path / "log").read_text(), r"user\.n (\d+)\n")
    traced = numbers((tmp_path / "trace").read_text(), r'"user.n","text":"(\d+)"}\n')
    assert logged == list(range(1, len(logged) + 1))
    assert traced[:len(logged)] == logged and len(traced) - len(logged) in (0, 1)


def test_a_log_that_cannot_be_written_is_told_and_is_code_74(cli):
    with open("/dev/full", "w") as full:
        done = cli("hi.lua", stdout=full)
    assert done.returncode == 74
    assert "the log can't be written any more: No space left on device" in done.stderr


def test_a_trace_that_cannot_be_written_is_told_and_is_code_74(cli):
    done = cli("--json", "/dev/full", "hi.lua")
    assert done.returncode == 74
    assert done.stderr == "luatos-emu: the trace can't be written any more: No space left on device\n"


@pytest.mark.parametrize("what", ["log", "trace"])
def test_a_reader_that_leaves_ends_the_run_and_does_not_kill_it(cli, what):
    reader, writer = os.pipe()
    os.close(reader)
    if what == "log":
        done = cli("hi.lua", stdout=writer)
    else:
        done = cli("--json", writer, "hi.lua", pass_fds=[writer])
    os.close(writer)
    assert done.returncode == 74
    assert f"the {what} can't be written any more: Broken pipe\n" in done.stderr


def test_the_trace_goes_to_a_descriptor_or_a_file(cli, tmp_path):
    with open(tmp_path / "by-number", "w") as trace:
        cli("--json", trace.fileno(), "hi.lua", pass_fds=[trace.fileno()])
    cli("--json", "by-name", "hi.lua")
    in_place_of_log = cli("--json", 1, "hi.lua").stdout
    for text in ((tmp_path / "by-number").read_text(), (tmp_path / "by-name").read_text(),
                 in_place_of_log):
        events = [json.loads(line) for line in text.splitlines()]
        assert {"level": "I", "tag": "user.hi", "text": "1"}.items() <= events[-2].items()
        assert {"kind": "exit", "code": 0}.items() <= events[-1].items()


def on_terminal(luatos_emu, cwd, *args, env=None):
    """What a run writes to a terminal."""
    terminal, side = pty.openpty()
    process = subprocess.Popen([luatos_emu, *args], stdin=side, stdout=side, stderr=side, cwd=cwd,
                               env={"PATH": os.environ["PATH"], **(env or {})})
    os.close(side)
    written = b""
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # the last writer has gone
            break
        if not data:
            break
        written += data
    os.close(terminal)
    assert process.wait() == 0
    return written.decode().replace("\r\n", "\n")


def test_a_terminal_gets_colours_and_nothing_else_does(cli, luatos_emu, tmp_path):
    (tmp_path / "main.lua").write_text(
        'log.debug("d", 1) log.info("i", 1) log.warn("w", 1) log.error("e", 1) print("p")\n'
        'os.exit(0)\n')
    seen = on_terminal(luatos_emu, tmp_path, "main.lua")
    for line in (" \033[2mD/user.d 1\033[0m\n", " I/user.i 1\n", " \033[33mW/user.w 1\033[0m\n",
                 " \033[31mE/user.e 1\033[0m\n", " p\n"):
        assert line in seen
    assert "\033" not in on_terminal(luatos_emu, tmp_path, "main.lua", env={"NO_COLOR": "1"})
    assert "\033" not in on_terminal(luatos_emu, tmp_path, "--color", "never", "main.lua")
    assert "\033" not in cli("main.lua").stdout
    assert "\033[31m" in cli("--color", "always", "main.lua").stdout


# ---- files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path, says", [
    ("none.lua", "can't read none.lua: No such file or directory"),
    ("", "can't read : No such file or directory"),
    ("empty", "empty has no main.lua: name the script"),
    ("folder", "folder/main.lua: can't read the script: Is a directory"),
    ("large.lua", "large.lua: too large for a script: more than 16 MiB"),
    ("/dev/zero", "/dev/zero: too large for a script: more than 16 MiB"),
])
def test_what_is_no_script_is_one_line_and_code_5(cli, tmp_path, path, says):
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder/main.lua").mkdir(parents=True)
    with open(tmp_path / "large.lua", "w") as large:
        large.truncate(100_000_000)
    done = cli(path)
    assert done.returncode == 5
    assert done.stderr == f"luatos-emu: {says}\n"


@pytest.mark.parametrize("content, says", [
    (b"\x7fELF\0\0", "it is a binary file, not Lua"), (b"\033Lua\x54", "it is compiled Lua"),
    (b"\xff\xfel\0o\0g\0", "it is a binary file, not Lua"),
])
def test_what_is_not_lua_is_code_6(cli, tmp_path, content, says):
    (tmp_path / "main.lua").write_bytes(content)
    done = cli("main.lua")
    assert done.returncode == 6
    assert f"luatos-emu: main.lua: {says}" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"#!/usr/bin/luatos-emu\r\n",
                                    b"\xef\xbb\xbf#!/usr/bin/luatos-emu\n"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_marks_and_line_ends_of_other_editors_are_understood(cli, tmp_path, before, line_end):
    (tmp_path / "main.lua").write_bytes(
        before + line_end.join([b"", b"log.info('line', debug.getinfo(1, 'l').currentline)",
                                b"os.exit(0)", b""]))
    done = cli("main.lua")
    assert done.returncode == 0
    assert f"user.line {2 + before.count(bytes([10]))}\n" in done.stdout


SHOW = """
log.info("mod", require("mod"))
log.info("part", pcall(require, "part"))
log.info("cert", io.readFile("/luadb/ca.pem"))
os.exit(0)
"""


@pytest.fixture
def project(tmp_path):
    for name, text in {"project/main.lua": SHOW, "project/mod.lua": "return 'sibling'\n",
                       "project/lib/part.lua": "return 'from below'\n", "keys/ca.pem": "PEM",
                       "keys/mod.lua": "return 'another'\n"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("cwd, args, seen", [
    (".", ["project"], "sibling | true from below | "),
    ("project", ["."], "sibling | true from below | "),
    (".", ["project/main.lua"], "sibling | false module 'part' not found | "),
    ("project", ["main.lua"], "sibling | false module 'part' not found | "),
    ("keys", ["../project/main.lua"], "sibling | false module 'part' not found | "),
    (".", ["{}/project/main.lua"], "sibling | false module 'part' not found | "),
    (".", ["project", "keys/ca.pem"], "sibling | true from below | PEM"),
    (".", ["project", "keys"], "sibling | true from below | PEM"),
    (".", ["keys", "project"], "another | true from below | PEM"),
    (".", ["project/main.lua", "keys/mod.lua"], "another | false module 'part' not found | "),
])
def test_named_files_and_folders_are_the_modules_files(luatos_emu, project, cwd, args, seen):
    done = subprocess.run([luatos_emu, *(arg.format(project) for arg in args)], text=True,
                          cwd=project / cwd, capture_output=True, check=True, timeout=60)
    found = [re.search(rf"user\.{tag} ?(.*)", done.stdout)[1] for tag in ("mod", "part", "cert")]
    assert " | ".join(found).replace("main.lua:3: ", "") == seen


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_is_named(cli, tmp_path):
    (tmp_path / "project/secret").mkdir(parents=True)
    (tmp_path / "project/main.lua").write_text("os.exit(0)\n")
    (tmp_path / "project/secret").chmod(0)
    done = cli("project")
    assert done.returncode == 5
    assert done.stderr == "luatos-emu: can't read project/secret: Permission denied\n"


def test_a_shells_limit_of_descriptors_is_not_the_modules(emu):
    """As many as the system allows are used; a script's files are one each."""
    done = emu.run("""
        for i = 1, 500 do assert(io.writeFile("/" .. i, "x")) end
        log.info("wrote", io.readFile("/500"))
        os.exit(0)
    """, prefix=["prlimit", "--nofile=64:"])
    assert done.texts("wrote") == ["x"]
