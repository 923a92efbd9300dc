"""uart: serial ports on terminals of this machine."""

import os
import re
import select
import subprocess
import termios

import pytest

from expressions import check, check_warned
from harness import PATIENCE_S

NO_WIRES = "uart: there are no wires: a port is a terminal of this machine (--uart)"
ECHO = """
local echoed = 0
uart.setup(1)
uart.on(1, "receive", function(id, len)
    local data = uart.read(id, len)
    uart.write(id, data)
    echoed = echoed + #data
    log.info("echoed", echoed)
end)
log.info("ready")
sys.run()
"""


class Terminal:
    """The other end of a run's port."""

    def __init__(self, run, port="1"):
        self.path = run.wait_trace("uart.open", uart=port)["path"]
        self.fd = os.open(self.path, os.O_RDWR | os.O_NOCTTY)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)

    def write(self, data):
        while data:
            data = data[os.write(self.fd, data):]

    def read(self, count):
        data = b""
        while len(data) < count:
            assert select.select([self.fd], [], [], PATIENCE_S)[0], f"only {len(data)} bytes came"
            data += os.read(self.fd, count - len(data))
        return data


def test_constants(emu):
    """LuatOS luat_uart.h; some are there in two spellings."""
    done = check(emu, {
        'uart.None, uart.NONE, uart.Odd, uart.ODD, uart.Even, uart.EVEN': "0 0 1 1 2 2",
        'uart.LSB, uart.MSB, uart.VUART_0': "0 1 32",
    })
    check_warned(done)


def test_a_port_is_a_terminal_whose_name_is_said(emu):
    """Raw: bytes come and go as they are. Said once, however often it is set up."""
    with emu.start(ECHO.replace("uart.setup(1)", "uart.setup(1) uart.setup(1, 9600)")) as run:
        with Terminal(run) as terminal:
            run.wait_stderr(f"luatos-emu: uart 1 is {terminal.path}\n")
            data = bytes(range(256)) + b"\r\n\x03\x04\x1a\x11\x13"
            terminal.write(data)
            assert terminal.read(len(data)) == data
    assert run.stderr.count("uart 1 is") == 1
    check_warned(run.ended, NO_WIRES)


def test_much_is_echoed_whole_and_in_order(emu):
    """More than the queues hold: what has no room waits outside."""
    data = os.urandom(100_000)
    with emu.start(ECHO) as run:
        with Terminal(run) as terminal:
            got = b""
            for at in range(0, len(data), 2000):
                terminal.write(data[at:at + 2000])
                got += terminal.read(len(data[at:at + 2000]))
    assert got == data


def test_receive_is_told_of_all_that_waits(emu):
    """function(id, len); what is not read is told again when more comes."""
    with emu.start("""
uart.setup(2, 115200, 8, 1, uart.NONE, uart.LSB, 4096)
uart.on(2, "receive", function(id, len)
    log.info("len", id, len, uart.rxSize(2), uart.rx_size(2))
    if len == 6 then
        log.info("read", uart.read(2, 4), uart.read(2), uart.read(2, 0) == "", uart.read(2) == "")
    elseif len == 7 then
        uart.rxClear(2)
        log.info("cleared", uart.rxSize(2))
        os.exit(0)
    end
end)
sys.run()
""") as run:
        with Terminal(run, "2") as terminal:
            terminal.write(b"abc")
            run.wait_log("len", "2 3 3 3")
            terminal.write(b"def")
            run.wait_log("read")
            terminal.write(b"1234567")
            done = run.finish()
    assert done.texts("len") == ["2 3 3 3", "2 6 6 6", "2 7 7 7"]
    assert done.texts("read") == ["abcd ef true true"]
    assert done.texts("cleared") == ["0"]


def test_zbuffs_are_read_into_and_sent_from(emu):
    """rx appends all there is and grows the buffer; read fills it from its cursor; tx sends what is
    used, or a part; write sends from the cursor to the end, as a module does."""
    with emu.start("""
uart.setup(1)
uart.on(1, "recv", function(id, len)
    if len < 10 then return end
    local small, wide = zbuff.create(4), zbuff.create(4)
    log.info("read", uart.read(1, 3, small), small:used(), uart.read(1, 100, small), small:query())
    wide:write("xy")
    log.info("rx", uart.rx(1, wide), wide:used(), wide:query(), wide:len())
    log.info("tx", uart.tx(1, wide), uart.tx(1, wide, 2, 3), uart.tx(1, wide, 6, 100), uart.tx(1, wide, 100),
             uart.tx(1, wide, 1, 0), uart.tx(1, "text"), uart.rx(1, "text"))
    wide:seek(2)
    log.info("write", uart.write(1, wide), uart.write(1, wide, 2), uart.write(1, "abc", 2),
             uart.write(1, 12), uart.write(1, nil), uart.write(1, ""))
    os.exit(0)
end)
sys.run()
""") as run:
        with Terminal(run) as terminal:
            terminal.write(b"0123456789")
            sent = terminal.read(8 + 3 + 4 + 8 + 2 + 2 + 2)
            done = run.finish()
    assert done.texts("read") == ["3 3 1 0123"]
    assert done.texts("rx") == ["6 8 xy456789 10"]
    assert done.texts("tx") == ["8 3 4 0 0 0 0"]
    assert done.texts("write") == ["8 2 2 2 0 0"]
    assert sent == b"xy456789" b"456" b"89\0\0" b"456789\0\0" b"45" b"ab" b"12"


def test_sent_is_told_when_a_line_would_be_done(emu):
    """960 bytes of 10 bits at 9600 baud are a second, here a virtual one; all writes at once."""
    done = emu.run("""
uart.setup(1, 9600)
uart.on(1, "sent", function(id)
    log.info("sent", id, mcu.ticks())
    os.exit(0)
end)
uart.write(1, ("x"):rep(900))
uart.write(1, ("x"):rep(60))
sys.run()
""", "--time", "virtual")
    assert done.texts("sent") == ["1 1000"]


def test_a_transceiver_is_turned_around(emu):
    """setup's 8th and 9th argument: the pin of RS-485, and its level while receiving."""
    done = emu.run("""
uart.setup(1, 9600, 8, 1, uart.NONE, uart.LSB, 1024, 10, 0, 2000)
uart.on(1, "sent", function(id) log.info("wait485", uart.wait485(1)) os.exit(0) end)
uart.write(1, "hello")
sys.run()
""", "--time", "virtual")
    assert [event["level"] for event in done.events("gpio.set", pin=10)] == [0, 1, 0]
    assert done.texts("wait485") == ["0"]


def test_functions_can_be_changed_and_taken_away(emu):
    """uart.on with no function; nothing is left that could come then, so the run is over."""
    with emu.start("""
uart.setup(1)
uart.on(1, "receive", function() log.info("told", "first") end)
uart.on(1, "receive", function(id, len)
    log.info("told", "second", uart.read(id, len))
    uart.on(1, "receive")
end)
sys.run()
""") as run:
        with Terminal(run) as terminal:
            terminal.write(b"x")
            done = run.finish()
    assert done.texts("told") == ["second x"]
    assert "nothing can happen any more" in done.stderr


def test_what_came_before_there_was_a_function_is_told_to_it(emu):
    """Once: what it leaves unread is told again only when more comes."""
    with emu.start("""
uart.setup(1)
sys.taskInit(function()
    while uart.rxSize(1) < 5 do sys.wait(10) end
    uart.on(1, "receive", function(id, len)
        log.info("told", id, len)
        uart.on(1, "receive", function(id, len)
            log.info("again", id, len)
            os.exit(0)
        end)
        sys.timerStart(log.info, 100, "unread", uart.rxSize(1))
    end)
end)
sys.run()
""") as run:
        with Terminal(run) as terminal:
            terminal.write(b"early")
            run.wait_log("told", "1 5")
            run.wait_log("unread", "5")
            assert not run.texts("again")
            terminal.write(b"s")
            done = run.finish()
    assert done.texts("told") == ["1 5"] and done.texts("again") == ["1 6"]


def test_a_closed_port_loses_what_comes(emu):
    """And has the same terminal when it is set up again."""
    with emu.start("""
uart.setup(1)
uart.on(1, "receive", function(id, len)
    local data = uart.read(id, len)
    log.info("got", data)
    if data == "close" then
        uart.close(1)
        uart.close(1)
        log.info("closed", uart.write(1, "x"), uart.read(1) == "")
    elseif data == "end" then
        os.exit(0)
    end
end)
gpio.setup(1, function() uart.setup(1) log.info("open") end)
sys.timerLoopStart(function() end, 1000)
sys.run()
""", "--ctl", "ctl") as run:
        with Terminal(run) as terminal:
            terminal.write(b"close")
            run.wait_log("closed", "-1 true")
            terminal.write(b"lost")
            emu.ctl(emu.directory / "ctl", "gpio", "1", "1")
            run.wait_log("open")
            terminal.write(b"end")
            done = run.finish()
    assert done.texts("got") == ["close", "end"]
    assert len(done.events("uart.open")) == 1


def test_usb_has_a_virtual_port(emu):
    """uart.VUART_0."""
    with emu.start("""
uart.setup(uart.VUART_0)
uart.on(uart.VUART_0, "receive", function(id, len)
    log.info("got", id, uart.read(id, len))
    os.exit(0)
end)
sys.run()
""") as run:
        with Terminal(run, "usb") as terminal:
            terminal.write(b"usb")
            done = run.finish()
    assert done.texts("got") == ["32 usb"]


def test_ports_that_are_not_there(emu):
    """setup is -1, on says so in a text, reading gives nothing, as LuatOS's luat_lib_uart.c has it."""
    done = check(emu, {
        'uart.exist(0), uart.exist(3), uart.exist(4), uart.exist(2), uart.exist(-1)': "true true false false false",
        'uart.exist(uart.VUART_0)': "true",
        'table.concat(uart.list(), " ")': "0 1 3 32",
        'table.concat(uart.list(2), " ")': "0 1",
        'uart.setup(9)': "-1",
        'uart.setup(2)': "-1",
        'uart.on(9, "receive", print)': "no such uart id",
        'uart.close(9)': "nothing",
        'uart.write(9, "x")': "-1",
        'uart.read(9) == ""': "true",
        'uart.read(1) == ""': "true",  # not set up
        'uart.wait485(9)': "0",
        'uart.createSoft(21, 0, 1, 2)': "nil",
        'uart.setup(1, 0)': "-1",
        'uart.setup(1, -9600)': "-1",
        'uart.setup()': "raises: number expected, got no value",
        'uart.setup(1, "fast")': "raises: number expected, got string",
        'uart.on(1)': "raises: string expected, got no value",
        'uart.on(1, "burnt", print)': "nothing",
        'uart.read({})': "raises: number expected, got table",
        'uart.write(9, {})': "-1",
    }, "--uart", "2=off")
    assert "uart.setup: this board has no port 9" in done.warnings[1]
    assert any("uart.read: port 1 is not set up" in warning for warning in done.warnings)
    assert any('uart.on: there is no event "burnt"' in warning for warning in done.warnings)


def test_a_script_that_never_reads_keeps_its_size(emu):
    """The queue is as long as it asked for; the other side is stopped, and a warning says what a
    module would do."""
    with emu.start("""
uart.setup(1, 115200, 8, 1, uart.NONE, uart.LSB, 100)
uart.on(1, "receive", function(id, len) log.info("len", len) end)
sys.run()
""") as run:
        with Terminal(run) as terminal:
            os.set_blocking(terminal.fd, False)
            written = 0
            with pytest.raises(BlockingIOError):
                while written < 1_000_000:
                    written += os.write(terminal.fd, b"x" * 1000)
            run.wait_stderr("uart 1: the 100 bytes of its queue are full: a module loses what comes")
    assert written < 100_000
    assert max(int(text) for text in run.ended.texts("len")) == 100


def test_what_nobody_reads_is_dropped_in_the_end(emu):
    """The script goes on, with a warning."""
    done = emu.run("""
uart.setup(1, 20000000)
uart.on(1, "sent", function(id) log.info("sent") os.exit(0) end)
for i = 1, 100 do uart.write(1, ("x"):rep(10000)) end
sys.run()
""")
    assert done.code == 0
    assert "sent" in str(done.log)
    assert any("uart 1: nobody reads what the script sends" in warning for warning in done.warnings)


def test_stdio_is_a_line(emu, luatos_emu, tmp_path):
    """--uart 1=stdio: a filter. The log goes to stderr then."""
    script = emu.lua(ECHO.replace("uart.write(id, data)", "uart.write(id, data:upper())"))
    data = b"hello\n" * 2000
    done = subprocess.run([luatos_emu, "--uart", "1=stdio", script], input=data, capture_output=True,
                          check=True, timeout=150)
    assert done.stdout == data.upper()
    assert b"I/user.echoed 12000" in done.stderr


@pytest.mark.parametrize("source", ["/dev/null", "file"])
def test_stdio_may_be_anything(emu, luatos_emu, tmp_path, source):
    """A file is read to its end; then nothing can come any more."""
    path = tmp_path / "file"
    path.write_bytes(b"from a file" if source == "file" else b"")
    with open(path if source == "file" else source, "rb") as stdin:
        done = subprocess.run([luatos_emu, "--uart", "1=stdio", emu.lua(ECHO)], stdin=stdin,
                              capture_output=True, check=True, timeout=150)
    assert done.stdout == path.read_bytes()


def test_a_path_is_a_terminal_or_a_pipe(emu):
    """--uart 1=/dev/ttyUSB0; here another pseudo-terminal. It gets the script's speed."""
    master, slave = os.openpty()
    try:
        with emu.start(ECHO.replace("uart.setup(1)", "uart.setup(1, 9600, 7, 2, uart.EVEN)"), "--uart",
                       f"1={os.ttyname(slave)}") as run:
            run.wait_log("ready")
            os.write(master, b"ping")
            assert os.read(master, 4) == b"ping"
            cflag, speed = termios.tcgetattr(slave)[2], termios.tcgetattr(slave)[4]
    finally:
        os.close(master)
        os.close(slave)
    assert speed == termios.B9600
    assert cflag & termios.CSTOPB
    assert not run.ended.events("uart.open")


@pytest.mark.parametrize("args, code, says", [
    (["--uart", "1=/no/such"], 4, "--uart 1: /no/such: No such file or directory"),
    (["--uart", "1=/dev/null"], 4, "--uart 1: /dev/null: it is neither a terminal nor a pipe"),
    (["--uart", "1=/"], 4, "--uart 1: /: Is a directory"),
    (["--uart", "7=pty"], 2, "ports are 0, 1, 2, 3 and usb"),
    (["--uart", "pty"], 2, "it has the form PORT=pty"),
    (["--uart", "1=tty"], 2, "a port is wired to pty, to stdio, or to a path"),
    (["--uart", "1=" + "/" * 300], 2, "the path is too long"),
    (["--uart", "1=stdio", "--uart", "2=stdio"], 2, "another port is on the standard input"),
    (["--uart", "1=stdio", "--json", "1"], 2, "both want the standard output"),
    (["--uart", "1=stdio", "--time", "virtual"], 2, "a terminal is real, in real time"),
])
def test_what_is_no_line_is_refused(emu, luatos_emu, args, code, says):
    """In one line, before the script begins."""
    done = subprocess.run([luatos_emu, *args, emu.lua("print(1)\n")], capture_output=True, text=True,
                          check=False, timeout=150, stdin=subprocess.DEVNULL)
    assert done.returncode == code
    assert says in done.stderr and done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_in_virtual_time_nothing_is_at_the_other_end(emu):
    """Writes vanish, nothing comes, and equal runs are equal."""
    runs = [emu.run("""
log.info("setup", uart.setup(1))
uart.on(1, "receive", function() end)
log.info("write", uart.write(1, "x"), uart.read(1) == "")
sys.run()
""", "--time", "virtual", "--seed", "1") for _ in range(2)]
    assert runs[0].texts("setup") == ["0"]
    assert runs[0].texts("write") == ["1 true"]
    assert runs[0].trace == runs[1].trace
    assert not re.search("uart 1 is", runs[0].stderr)


def test_errors_in_a_function_end_the_run(emu):
    """As everywhere: unprotected, with code 1."""
    with emu.start('uart.setup(1)\nuart.on(1, "receive", function() error("burnt") end)\nsys.run()\n') as run:
        with Terminal(run) as terminal:
            terminal.write(b"x")
            done = run.finish()
    assert done.code == 1
    assert "burnt" in done.stderr
