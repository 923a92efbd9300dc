"""What can be seen of ETH0's W5500: registers by ctl, the SPI bus as a VCD file, accesses in the capture.

The judges are programs that people use for it: GTKWave's vcd2fst and fst2vcd, sigrok's SPI decoder, tshark."""

import random
import re
import shutil
import subprocess

import pytest

import pcap as pcap_module
from pcap import Capture
from vspi import Vspi

EXIT_USAGE, EXIT_LOG = 2, 74

OTHERS_OFF = [word for name in ("LWIP_GP", "LWIP_STA", "LWIP_AP", "LWIP_ETH", "USB")
              for word in ("--bind", f"{name}=off")]
CHIP = ["--net", "own", "--lab", "--bind", "ETH0=lab", *OTHERS_OFF]
OPEN = """
local libnet = require "libnet"
sys.taskInitEx(function()
    sys.waitUntil("IP_READY", 20000)
    local netc = socket.create(socket.ETH0, "T")
    socket.config(netc)
    assert(libnet.connect("T", 10000, netc, "echo.lab", 7))
    libnet.tx("T", 5000, netc, "hello")
    libnet.wait("T", 5000, netc)
    log.info("read", select(2, socket.read(netc)))
"""
ECHO = OPEN + """
    libnet.close("T", 5000, netc)
    socket.release(netc)
    os.exit(0)
end, "T")
sys.run()
"""
STAY = OPEN + """
    log.info("stays")
    sys.wait(100000000)
end, "T")
sys.run()
"""


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"needs {program}")


def names_in(vcd):
    """What "access" says, in its order, as GTKWave reads the file."""
    need("vcd2fst", "fst2vcd")
    fst = vcd.with_suffix(".fst")
    subprocess.run(["vcd2fst", vcd, fst], check=True, capture_output=True, timeout=150)
    done = subprocess.run(["fst2vcd", fst], check=True, capture_output=True, text=True, timeout=150)
    names = [line[1:].rsplit(" ", 1)[0].replace("\\040", " ")
             for line in done.stdout.splitlines() if line.startswith("s")]
    return [name for name in names if name.strip()]


def transfers_in(vcd):
    """Header and data of each frame, as sigrok's SPI decoder finds them on the wires."""
    need("sigrok-cli")
    lines = {}
    for line in ("mosi", "miso"):
        done = subprocess.run(
            ["sigrok-cli", "-I", "vcd:compress=1000", "-i", vcd,
             "-P", "spi:clk=SCLK:mosi=MOSI:miso=MISO:cs=SCSn", "-A", f"spi={line}-transfer"],
            check=True, capture_output=True, text=True, timeout=150)
        lines[line] = [bytes.fromhex(text.split(":", 1)[1]) for text in done.stdout.splitlines()]
    assert len(lines["mosi"]) == len(lines["miso"])
    assert all(miso[:3] == b"\1\2\3" for miso in lines["miso"])
    return [mosi[:3] + (mosi if mosi[2] & 4 else miso)[3:]
            for mosi, miso in zip(lines["mosi"], lines["miso"]) if len(mosi) > 3]


@pytest.fixture
def pcap():
    obstacle = pcap_module.why_not()
    if obstacle:
        pytest.skip(obstacle)
    return Capture


# ---- registers -----------------------------------------------------------------------------------


def test_registers_are_told_by_name_and_bit(emu, tmp_path):
    """IMR and SIMR are what LuatOS's driver sets: w5500.c, 0xD0 and 0xFF."""
    ctl = tmp_path / "ctl"
    run = emu.start(STAY, *CHIP, "--ctl", ctl)
    run.wait_log("stays")
    text = emu.ctl(ctl, "w5500", "regs").stdout
    assert re.search(r"^INTn 1, RSTn 1, SCSn 1, LINKLED 0$", text, re.M)
    assert re.search(r"^IMR +0xd0 +CONFLICT\|UNREACH\|MP$", text, re.M)
    assert re.search(r"^SIMR +0xff +S0\|S1\|S2\|S3\|S4\|S5\|S6\|S7$", text, re.M)
    assert re.search(r"^SIPR +0xc0a84d.. +192\.168\.77\.\d+$", text, re.M)
    assert re.search(r"^PHYCFGR .* link at 100 Mbit/s, full duplex$", text, re.M)
    assert re.search(r"^VERSIONR +0x04 +4$", text, re.M)
    assert re.search(r"^S0 Sn_MR UDP, Sn_SR UDP, Sn_PORT 68,", text, re.M)
    found = re.search(r"^S(\d) Sn_MR TCP, Sn_SR ESTABLISHED, Sn_PORT (\d+), peer 192\.168\.77\.1:7,",
                      text, re.M)
    assert found
    number, port = found.groups()
    text = emu.ctl(ctl, "w5500", "regs", number).stdout
    assert re.search(rf"^Sn_SR\[{number}\] +0x17 +ESTABLISHED$", text, re.M)
    assert re.search(rf"^Sn_PORT\[{number}\] +0x{int(port):04x} +{port}$", text, re.M)
    assert re.search(rf"^Sn_DIPR\[{number}\] +0xc0a84d01 +192\.168\.77\.1$", text, re.M)
    assert text.splitlines()[-1].startswith(f"Sn_KPALVTR[{number}]")
    run.stop()


def test_a_board_without_a_chip_has_no_registers(emu, tmp_path):
    ctl = tmp_path / "ctl"
    run = emu.start('log.info("on")\nsys.timerLoopStart(function() end, 60000)\nsys.run()\n',
                    "--ctl", ctl)
    run.wait_log("on")
    done = emu.ctl(ctl, "w5500", "regs", code=None)
    assert done.returncode != 0
    assert "this board has no W5500" in done.stdout + done.stderr
    run.stop()


# ---- the SPI bus -----------------------------------------------------------------------------------


def test_analyzers_read_what_goes_over_the_bus(emu, tmp_path):
    """The wires say what the names say, and what the capture has."""
    vcd = tmp_path / "out.vcd"
    done = emu.run(ECHO, *CHIP, "--trace-spi", vcd)
    assert done.code == 0 and done.texts("read") == ["hello"]
    names, transfers = names_in(vcd), transfers_in(vcd)
    assert len(names) == len(transfers) > 20
    reset = names.index("W Sn_CR[0]=OPEN")
    assert names[:reset][0].startswith("R MR=") and transfers[0][:3] == bytes(3)
    number, = {name[8] for name in names if re.fullmatch(r"W Sn_CR\[\d\]=CONNECT", name)}
    wanted = iter([f"W Sn_CR[{number}]=OPEN", f"W Sn_CR[{number}]=CONNECT",
                   f"W Sn_IR[{number}]=CON", f"W Sn_CR[{number}]=SEND",
                   f"W Sn_CR[{number}]=RECV", f"W Sn_CR[{number}]=DISCON"])
    want = next(wanted)
    for name in names:
        if name == want:
            want = next(wanted, None)
    assert want is None, f"no {want} in its place"
    data = bytes([0, 1, (4 * int(number) + 1) << 3 | 4])
    commands = [transfer[3] for transfer in transfers if transfer[:3] == data]
    assert commands == [{"OPEN": 1, "CONNECT": 4, "DISCON": 8, "CLOSE": 16, "SEND": 32, "RECV": 64}[
        name.split("=")[1]] for name in names if name.startswith(f"W Sn_CR[{number}]=")]
    assert [transfer[3:] for transfer in transfers
            if transfer[2] == (4 * int(number) + 2) << 3 | 4] == [b"hello"]


@pytest.mark.parametrize("timing", ["fast", "accurate"])
def test_bits_come_at_the_pace_of_the_clock(emu, tmp_path, timing):
    """33.3 MHz, which w5500.init has not changed: 30.03 ns; time never goes back. In accurate timing
    what goes over the bus takes its time, and that is the trace's."""
    vcd = tmp_path / "out.vcd"
    done = emu.run(ECHO, *CHIP, "--timing", timing, "--trace-spi", vcd)
    assert done.code == 0 and done.texts("read") == ["hello"]
    now, rises = -1, []
    for line in vcd.read_text().splitlines():
        if line.startswith("#"):
            assert int(line[1:]) > now
            now = int(line[1:])
        elif line == "1k":
            rises.append(now)
    periods = [after - before for before, after in zip(rises, rises[1:])]
    assert min(periods) >= 29
    assert sum(period in (30, 31) for period in periods) > 0.85 * len(periods)
    assert len(names_in(vcd)) == len(transfers_in(vcd))


def test_a_run_that_is_killed_leaves_all_but_the_last_frame(emu, tmp_path):
    vcd = tmp_path / "out.vcd"
    run = emu.start(STAY, *CHIP, "--trace-spi", vcd)
    run.wait_log("stays")
    run.kill()
    names = names_in(vcd)
    assert any(re.fullmatch(r"W Sn_CR\[\d\]=RECV", name) for name in names)
    assert len(transfers_in(vcd)) == len(names)


def test_without_a_chip_there_is_nothing_to_trace(emu, tmp_path):
    done = emu.run("os.exit(0)\n", "--trace-spi", tmp_path / "out.vcd")
    assert done.code == EXIT_USAGE
    assert "--trace-spi: this board has no W5500" in done.stderr


@pytest.mark.parametrize("path, problem", [("/nowhere/out.vcd", "No such file or directory"),
                                           (".", "Is a directory")])
def test_a_trace_that_can_not_be_opened_is_told_before_anything(emu, path, problem):
    done = emu.run('print("runs")\nos.exit(0)\n', *CHIP, "--trace-spi", path)
    assert done.code not in (0, EXIT_LOG) and "runs" not in done.prints
    assert f"--trace-spi {path}: can't write it: {problem}" in done.stderr


def test_a_trace_that_can_not_be_written_ends_in_the_exit_code(emu):
    done = emu.run(ECHO, *CHIP, "--trace-spi", "/dev/full")
    assert done.code == EXIT_LOG and done.texts("read") == ["hello"]
    assert done.stderr.count("the trace of SPI can't be written any more: No space left") == 1


# ---- the capture -------------------------------------------------------------------------------------


def test_accesses_are_an_interface_beside_the_frames(emu, pcap, tmp_path):
    path, vcd = tmp_path / "out.pcapng", tmp_path / "out.vcd"
    done = emu.run(ECHO, *CHIP, "--capture", path, "--trace-spi", vcd)
    assert done.code == 0
    capture = pcap(path)
    assert capture.names() == ["ETH0", "ETH0-SPI"]
    rows = capture.rows('frame.interface_name == "ETH0-SPI"', "frame.packet_flags_direction",
                        "exported_pdu.unknown_tag.val", "_ws.col.Info", "frame.comment")
    assert [row[2] for row in rows] == [row[3] for row in rows]
    assert [row[3] for row in rows] == names_in(vcd)
    assert [bytes.fromhex(row[1]) for row in rows] == transfers_in(vcd)
    for direction, _, _, comment in rows:
        assert int(direction, 16) == (2 if comment.startswith("W ") else 1)
    # what is sent goes out after it was commanded, and is in the chip before it is fetched
    order = [name or comment for name, comment in capture.rows(
        'tcp.len > 0 || frame.comment contains "Sn_CR"', "tcp.payload", "frame.comment")]
    assert order.index(b"hello".hex()) > next(
        i for i, text in enumerate(order) if re.fullmatch(r"W Sn_CR\[[1-7]\]=SEND", text))


# ---- warnings ----------------------------------------------------------------------------------------


def test_the_modules_own_driver_is_not_blamed(emu):
    done = emu.run(ECHO, *CHIP)
    assert done.code == 0
    assert [text for text in done.warnings if "w5500" in text] == []


@pytest.mark.parametrize("frames, fault", [
    (["00390409"], "a write to VERSIONR, which is read-only"),
    (["00032c22"], "socket 1: a write to Sn_SR, which is read-only"),
    (["00300401"], "a write to 0x0030, which is reserved"),
    (["00000401"], None),
    (["00002401"], "a frame selects block 0x04, which is reserved"),
    (["001e2c20"], "socket 1: a buffer of 32 KB; there are 0, 1, 2, 4, 8 and 16"),
    (["001f2c10", "00002c02", "00012c01"], "Sn_TXBUF_SIZE: 30 KB in all sockets, and there are 16"),
    (["00012c04"], "socket 1: CONNECT while it is CLOSED"),
    (["00012c99"], "socket 1: 0x99 is no command"),
    (["00002c02", "00012c01", "00242c0801", "00012c20"],
     "socket 1: SEND with Sn_TX_WR 0x0801, which is beyond Sn_TX_FSR: 2049 bytes are more than its 2 KB"),
    (["0039"], "SCSn rose within a frame's header, after 2 of 3 bytes"),
    (["000f070102"], "SCSn rose within a frame of fixed length, 2 bytes before its end"),
])
def test_what_the_datasheet_forbids_is_told_with_its_frame(alone, frames, fault):
    with alone() as chip:
        with Vspi(chip.path) as client:
            for frame in frames:
                client.xfer(bytes.fromhex(frame))
            client.write(0, 0x17, b"\x55")  # SIR: the warning that is always there, and the last
            client.xfer(bytes(4))
        told = [text for text in chip.run.stop().warnings if "w5500: " in text]
    last = len(frames)
    assert [text.split("w5500: ")[1] for text in told] == [
        *([fault] if fault else []), "a write to SIR, which is read-only"]
    assert f"frame {last + 1}: " in told[-1]
    assert not fault or f"frame {last}: " in told[0]


def test_a_driver_that_goes_on_is_told_so_often_only(alone):
    """Noise for ever is some hundred lines at most, and the chip goes on."""
    noise = random.Random(5500)
    with alone() as chip:
        with Vspi(chip.path) as client:
            for _ in range(5000):
                client.xfer(noise.randbytes(noise.randrange(1, 12)))
            client.reset()
            assert client.read(0, 0x39) == b"\x04"
        told = [text for text in chip.run.stop().warnings if "w5500: " in text]
    assert 20 < len(told) < 400
    assert sum("no more of this kind is told" in text for text in told) >= 3


# ---- the chip alone ----------------------------------------------------------------------------------


def test_a_chip_that_is_driven_from_outside_is_seen_as_well(alone, emu, pcap, tmp_path):
    vcd, path, ctl = tmp_path / "out.vcd", tmp_path / "out.pcapng", tmp_path / "ctl"
    with alone("--trace-spi", vcd, "--capture", path, "--ctl", ctl) as chip:
        with Vspi(chip.path) as client:
            client.write(0, 0x0f, bytes([192, 0, 2, 77]))
            client.write(5, 0, b"\x02\x01")
            assert client.read(5, 3) == b"\x22"
        assert re.search(r"^SIPR +0xc000024d +192\.0\.2\.77$",
                         emu.ctl(ctl, "w5500", "regs").stdout, re.M)
        chip.run.stop()
    names = ["W SIPR=192.0.2.77", "W Sn_MR[1]=UDP Sn_CR[1]=OPEN", "R Sn_SR[1]=UDP"]
    assert names_in(vcd) == names
    assert transfers_in(vcd) == [bytes.fromhex(text) for text in (
        "000f04c000024d", "00002c0201", "00032822")]
    rows = pcap(path).rows('frame.interface_name == "ETH0-SPI"', "frame.comment")
    assert [row[0] for row in rows] == names
