"""The port by which drivers from outside reach the W5500: luatos-emu w5500, --spi-port, VSPI/1."""

import os
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
from pathlib import Path

import pytest
from conftest import Alone
from vspi import (CABLE, COMMON, EVENT, FRAME, HEADER, LINKLED, PIN, PINS, RSTN, SHAR, XFER, Vspi)

VERSION = b"\x00\x39\x00\x00"
HERE = Path(__file__).parent
STRICT = ["-Wall", "-Wextra", "-pedantic", "-Werror"]


def raw(path):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.connect(str(path))
    client.settimeout(10)
    return client


def test_it_says_where_it_listens_and_what_a_driver_may_write(alone):
    with alone("--lab") as chip:
        assert chip.told["spi"] == str(chip.path)
        assert chip.told["bind"] == "lab"
        assert chip.told["address"] == "192.168.77.14/24"
        assert chip.told["gateway"] == chip.told["dns"] == "192.168.77.1"
        first = int(chip.told["mac"][:2], 16)
        assert first & 3 == 2
        assert stat.S_ISSOCK(os.stat(chip.path).st_mode)


@pytest.mark.parametrize("signo, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_the_socket_is_gone(alone, signo, code):
    with alone() as chip:
        with Vspi(chip.path):
            chip.run.send_signal(signo)
            assert chip.run.finish(sane=False).code == code
        assert not chip.path.exists()


def test_the_time_limit_ends_it(alone):
    with alone("--timeout", "300") as chip:
        assert chip.run.finish(sane=False).code == 42
        assert not chip.path.exists()


@pytest.mark.parametrize("args, says", [
    ([], "which socket?"),
    (["--spi", "spi", "--bind", "host"], "a chip takes a link"),
    (["--spi", "spi", "--bind", "netns:x"], "a chip takes a link"),
    (["--spi", "spi", "main.lua"], "takes no script"),
    (["--spi", "spi", "--quirk", "no_such"], "no_such"),
    (["--spi", "spi", "--tls-max", "1.2"], "no option --tls-max"),
])
def test_a_wrong_command_line_is_code_2(emu, args, says):
    with emu.start_w5500(*args) as run:
        assert run.finish(sane=False).code == 2
        assert says in run.stderr


def test_what_is_no_socket_is_not_replaced(emu, own, tmp_path):
    path = tmp_path / "precious"
    path.write_text("precious")
    with emu.start_w5500("--spi", str(path)) as run:
        assert run.finish(sane=False).code == 4
        assert "precious" in run.stderr
    assert path.read_text() == "precious"


def test_a_socket_that_was_left_is_replaced(alone, tmp_path):
    left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    left.bind(str(tmp_path / "spi"))
    left.close()
    with alone() as chip, Vspi(chip.path) as client:
        assert client.xfer(VERSION) == b"\x01\x02\x03\x04"


def test_a_sandbox_leaves_it_its_socket(alone):
    with alone("--sandbox") as chip:
        with Vspi(chip.path) as client:
            assert client.xfer(VERSION) == b"\x01\x02\x03\x04"
        chip.run.stop()
        assert not chip.path.exists()


def test_a_second_client_is_refused(alone):
    with alone() as chip, Vspi(chip.path) as client:
        with raw(chip.path) as second:
            assert second.recv(1) == b""
        chip.run.wait_stderr("a second client is refused")
        assert client.xfer(VERSION)[3] == 4


def test_the_chip_outlives_its_clients(alone):
    with alone() as chip:
        with Vspi(chip.path) as client:
            client.write(COMMON, SHAR, bytes(range(6)))
            client.xfer(VERSION[:2], flags=1)
        with Vspi(chip.path) as client:
            assert client.read(COMMON, SHAR, 6) == bytes(range(6))
            client.reset()
            assert client.read(COMMON, SHAR, 6) == bytes(6)


def test_a_pin_s_change_is_told_to_who_asked(alone):
    with alone() as chip, Vspi(chip.path) as client:
        client.wait_link()
        client.subscribe()
        client.pin(CABLE, 0)
        assert client.wait_event() & LINKLED
        client.pin(CABLE, 1)
        assert not client.wait_event() & LINKLED


def test_many_requests_may_be_in_flight(alone):
    with alone() as chip, raw(chip.path) as client:
        request = HEADER.pack(XFER, FRAME, 0, len(VERSION)) + VERSION
        client.sendall(request * 1000 + HEADER.pack(PINS, 0, 0, 0))
        replies = b""
        while len(replies) < 1000 * len(request) + HEADER.size:
            replies += client.recv(65536)
        for i in range(1000):
            assert replies[i * len(request) + HEADER.size:(i + 1) * len(request)] == b"\x01\x02\x03\x04"


def test_a_message_that_is_too_long_ends_the_connection(alone):
    with alone() as chip:
        with raw(chip.path) as client:
            client.sendall(HEADER.pack(XFER, FRAME, 0, 128 * 1024 + 1))
            assert client.recv(1) == b""
        chip.run.wait_stderr("a message of 131073 bytes")
        with Vspi(chip.path) as client:
            assert client.xfer(VERSION)[3] == 4


def test_what_the_datasheet_forbids_is_told_of_the_frame(alone):
    with alone() as chip, Vspi(chip.path) as client:
        client.xfer(VERSION)
        client.xfer(b"\x00\x17\x04\x55")
        chip.run.wait_stderr("frame 2: w5500: ")


def test_rstn_held_low_silences_the_chip(alone):
    with alone() as chip, Vspi(chip.path) as client:
        client.pin(RSTN, 0)
        assert client.xfer(VERSION) == b"\xff" * 4
        with pytest.raises(OSError):
            client.request(PIN, 1, 9)


def test_a_scripts_chip_may_be_driven_from_outside(emu, own, tmp_path):
    script = emu.lua("""
        sys.taskInit(function()
            log.info("eth0", socket.adapter(socket.ETH0))
            sys.wait(60000)
        end)
        sys.run()
    """)
    path = tmp_path / "spi"
    with emu.start(script, "--bind", "ETH0=lab", "--spi-port", str(path)) as run:
        run.wait_stderr("the script has no ETH0")
        run.wait_log("eth0")
        with Vspi(path) as client:
            assert client.xfer(VERSION)[3] == 4


def test_spi_port_takes_a_board_with_a_chip(emu, tmp_path):
    done = emu.run(emu.lua("os.exit(0)"), "--spi-port", str(tmp_path / "spi"), sane=False)
    assert done.code == 2


def test_random_bytes_do_it_no_harm(alone):
    with alone() as chip:
        for seed in range(20):
            with raw(chip.path) as client:
                noise = b"".join(
                    HEADER.pack(op, flags, seed, 16) + struct.pack("<QQ", seed * 0x9e3779b97f4a7c15 % 2 ** 64, op)
                    for op in (1, 2, 3, 4, 5, 6, EVENT, 0xff) for flags in range(8))
                client.sendall(noise[seed:])
        with Vspi(chip.path) as client:
            client.reset()
            assert client.xfer(VERSION)[3] == 4


# ---- the clients ------------------------------------------------------------------------------------


@pytest.fixture
def compiled(tmp_path):
    """Compile a program of one file with a plain compiler; its path."""
    def build(source, compiler="cc", options=()):
        if not shutil.which(compiler):
            pytest.skip(f"needs {compiler}")
        program = tmp_path / "program"
        subprocess.run([compiler, *options, *STRICT, f"-I{HERE}", "-o", program, source], check=True)
        return program
    return build


def run_example(program, chip, port):
    """With the gateway as its server: the lab's is there, and this machine where the chip is on nat."""
    return subprocess.run([program, chip.path, chip.told["address"], chip.told["gateway"],
                           chip.told["gateway"], str(port)], capture_output=True, text=True,
                          check=False, timeout=60)


@pytest.mark.parametrize("compiler, options", [
    ("cc", ["-std=c99"]), ("cc", []), ("c++", ["-x", "c++", "-std=c++11"])])
def test_the_example_drives_the_chip_as_the_page_says(alone, compiled, compiler, options):
    """An echo of the lab's, by a program outside."""
    program = compiled(HERE / "vspi_example.c", compiler, options)
    with alone("--lab") as chip:
        done = run_example(program, chip, 7)
        assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr
        again = run_example(program, chip, 7)
        assert again.stdout == "hello\n", again.stderr


def test_the_example_needs_no_link(emu, compiled, peers, tmp_path):
    """On nat the chip's sockets are this machine's, which is its gateway."""
    program, server = compiled(HERE / "vspi_example.c"), peers.tcp_server()
    with Alone(emu.start_w5500("--spi", tmp_path / "spi", "--bind", "nat"), tmp_path / "spi") as chip:
        with subprocess.Popen([program, chip.path, chip.told["address"], chip.told["gateway"],
                               chip.told["gateway"], str(server.port)],
                              stdout=subprocess.PIPE, text=True) as running:
            connection = server.accept()
            connection.send(connection.recv_exactly(5))
            assert running.stdout.readline() == "hello\n"
            connection.close()
            assert running.wait(60) == 0


def test_the_example_tells_when_nobody_listens(alone, compiled):
    program = compiled(HERE / "vspi_example.c")
    with alone("--lab") as chip:
        done = run_example(program, chip, 9998)
        assert done.returncode == 1
        assert "CONNECT: refused" in done.stderr


def test_the_page_s_c_compiles(compiled, tmp_path):
    text = (HERE / "vspi.md").read_text().split("## In C\n")[1]
    body = re.search(r"```c\n(.*?)```", text, re.S).group(1).replace("#include \"vspi.h\"\n", "")
    source = tmp_path / "page.c"
    source.write_text(f'#include "vspi.h"\nint main(void)\n{{\n{body}return version;\n}}\n')
    compiled(source)


def test_the_c_client_clocks_as_much_as_a_message_holds(alone, compiled, tmp_path):
    """Written, and read back by zeros on MOSI."""
    source = tmp_path / "long.c"
    source.write_text("""
        #include "vspi.h"
        #define LEN (128 * 1024 - 64)
        int main(int argc, char *argv[])
        {
            static struct vspi chip;
            static uint8_t out[LEN], in[LEN];

            for (size_t i = 0; i < LEN; i++)
                out[i] = (uint8_t)(i % 2048 * 7);
            if (argc != 2 || vspi_open(&chip, argv[1]) < 0 || vspi_reset(&chip) < 0)
                return 1;
            if (vspi_write(&chip, 2, 0, out, LEN) < 0 || vspi_read(&chip, 2, 0, in, LEN) < 0)
                return 2;
            return memcmp(in, out, LEN) ? 3 : 42;
        }
    """)
    program = compiled(source)
    with alone() as chip:
        assert subprocess.run([program, chip.path], check=False, timeout=60).returncode == 42


def test_the_page_s_callbacks_for_iolibrary_drive_the_chip(alone, compiled, tmp_path):
    """Against its declarations, spelled here as wizchip_conf.h has them."""
    text = (HERE / "vspi.md").read_text().split("### WIZnet's ioLibrary\n")[1]
    body = re.search(r"```c\n(.*?)```", text, re.S).group(1)
    (tmp_path / "wizchip_conf.h").write_text("""
        static void (*sel)(void), (*desel)(void);
        static void (*rbuf)(uint8_t *, uint16_t), (*wbuf)(uint8_t *, uint16_t);
        static uint8_t (*rb)(void);
        static void reg_wizchip_cris_cbfunc(void (*a)(void), void (*b)(void)) { a(); b(); }
        static void reg_wizchip_cs_cbfunc(void (*a)(void), void (*b)(void)) { sel = a; desel = b; }
        static void reg_wizchip_spi_cbfunc(uint8_t (*a)(void), void (*b)(uint8_t)) { rb = a; (void)b; }
        static void reg_wizchip_spiburst_cbfunc(void (*a)(uint8_t *, uint16_t),
                                                void (*b)(uint8_t *, uint16_t)) { rbuf = a; wbuf = b; }
    """)
    source = tmp_path / "wire.c"
    source.write_text(body + """
        int main(int argc, char *argv[])
        {
            uint8_t header[] = { 0, 0x39, 0 }, version, byte;

            if (argc != 2 || wire(argv[1]) < 0)
                return 1;
            sel();
            wbuf(header, 3);
            rbuf(&version, 1);
            desel();
            sel();
            wbuf(header, 3);
            byte = rb();
            desel();
            return version == 4 && byte == 4 ? 42 : 2;
        }
    """)
    program = compiled(source)
    with alone() as chip:
        assert subprocess.run([program, chip.path], check=False, timeout=60).returncode == 42
