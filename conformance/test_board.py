"""--board: a module's adapters and what it is, from a file (README.md, section Boards)."""

import subprocess

import pytest
import yaml

from pathlib import Path

BOARDS = Path(__file__).resolve().parent.parent / "scripts" / "boards"
NAMES = sorted(path.stem for path in BOARDS.glob("*.yaml"))

ASK = """
local there = {}
for _, name in ipairs{"LWIP_GP", "LWIP_STA", "LWIP_AP", "LWIP_ETH", "ETH0", "USB"} do
    local netc = socket.create(socket[name], print)
    if netc then table.insert(there, name) end
end
print(table.concat(there, " "))
print(hmeta.model())
os.exit(0)
"""


def board(tmp_path, text):
    path = tmp_path / "board.yaml"
    path.write_text(text)
    return path


def test_list_prints_the_boards_that_are_built_in(emu):
    """Those of scripts/boards, and no other."""
    done = subprocess.run([emu.binary, "--board", "list"], capture_output=True, text=True,
                          check=True)
    assert sorted(done.stdout.split()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_board_has_its_adapters_and_no_other(emu, name):
    """What its file names is there; socket.create gives nil for the rest, as on the module."""
    wanted = yaml.safe_load((BOARDS / f"{name}.yaml").read_text())
    done = emu.run(ASK, "--board", name)
    assert done.prints[0].split() == list(wanted["adapters"])
    assert done.prints[1] == wanted["model"]


def test_other_options_change_the_board_wherever_they_stand(emu):
    """--bind before or behind --board."""
    for args in (["--board", "Air780E", "--bind", "LWIP_ETH=host"],
                 ["--bind", "LWIP_ETH=host", "--board", "Air780E"]):
        assert emu.run(ASK, *args).prints[0] == "LWIP_GP LWIP_ETH"


def test_an_adapter_has_as_many_sockets_as_its_board_says(emu, tmp_path):
    """A W5500 has seven for scripts; one that is released can be had again."""
    path = board(tmp_path, "adapters: {ETH0: {limits: {sockets: 2}}, LWIP_GP: }")
    done = emu.run("""
local a, b = socket.create(socket.ETH0, print), socket.create(socket.ETH0, print)
print(a ~= nil, b ~= nil, socket.create(socket.ETH0, print))
print(socket.create(socket.LWIP_GP, print) ~= nil)
socket.release(a)
print(socket.create(socket.ETH0, print) ~= nil)
os.exit(0)
""", "--board", path)
    assert done.prints == ["true true nil", "true", "true"]
    assert any("2 sockets are open on ETH0" in warning for warning in done.warnings)


def test_a_listener_of_a_one_to_one_adapter_serves_one_client(emu, tmp_path):
    """socket.listen(netc, 1) fails where the chip's sockets can't accept (seed: one-to-many)."""
    path = board(tmp_path, "adapters: {ETH0: {limits: {listen: one}}, LWIP_GP: }")
    done = emu.run("""
for _, adapter in ipairs{socket.ETH0, socket.LWIP_GP} do
    local netc = socket.create(adapter, print)
    socket.config(netc, 0)
    print(socket.listen(netc, 1))
    socket.release(netc)
end
os.exit(0)
""", "--board", path)
    assert done.prints[0].startswith("false")
    assert done.prints[1].startswith("true")


def test_an_adapter_keeps_the_head_of_a_long_datagram(emu, tmp_path, udp_peer):
    """What is longer than the module's buffer is cut off, and the next one is whole."""
    path = board(tmp_path, "adapters: {LWIP_GP: {limits: {datagram: 100}}}")
    with emu.start(f"""
local netc
netc = socket.create(nil, function(_, event)
    if event == socket.ON_LINE then socket.tx(netc, "hello") end
    if event == socket.EVENT then
        local _, len = socket.rx(netc)
        local buff = zbuff.create(2000)
        socket.rx(netc, buff)
        log.info("got", len, buff:used(), buff:query():sub(-3))
    end
end)
socket.config(netc, nil, true)
socket.connect(netc, "127.0.0.1", {udp_peer.port})
sys.run()
""", "--board", path) as run:
        _, sender = udp_peer.recv()
        udp_peer.send(b"x" * 97 + b"end" + b"y" * 900, sender)
        udp_peer.send(b"whole", sender)
        run.wait_log("got", count=2)
        run.stop()
    assert [text.split()[1:] for text in run.texts("got")] == [["100", "end"], ["5", "ole"]]


def test_an_adapter_without_ipv6_connects_to_no_such_address(emu, tmp_path):
    """A W5500 speaks IPv4 alone."""
    path = board(tmp_path, "adapters: {ETH0: {limits: {ipv6: no}}}")
    done = emu.run("""
local netc = socket.create(socket.ETH0, print)
socket.config(netc, 0, true)
print("v6", socket.connect(netc, "::1", 9))
socket.release(netc)
netc = socket.create(socket.ETH0, print)
socket.config(netc, 0, true)
print("v4", socket.connect(netc, "127.0.0.1", 9))
os.exit(0)
""", "--board", path)
    assert done.prints[0].startswith("v6 false")
    assert any(line.startswith("v4 true") for line in done.prints)


@pytest.mark.parametrize("text, wanted", [
    ("colour: red", "board.yaml:1: colour: there is no such key"),
    ("name: x\nadapters:\n  LWIP_GP:\n    limits:\n      sockets: lots",
     "board.yaml:5: adapters.LWIP_GP.limits.sockets: it takes a number"),
    ("adapters: [LWIP_GP]", "board.yaml:1: adapters: keys and values are wanted here"),
    ("adapters: {", "this is not YAML"),
])
def test_what_is_wrong_with_a_file_is_told_with_line_and_key(emu, tmp_path, text, wanted):
    """One line on stderr, exit code 2."""
    done = emu.run(ASK, "--board", board(tmp_path, text))
    assert done.code == 2
    assert wanted in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["no-such-board", "no/such/file.yaml", "/", "/dev/zero"])
def test_a_board_that_can_not_be_read_is_named(emu, name):
    """A name, a file, a folder, and something without an end."""
    done = emu.run(ASK, "--board", name)
    assert done.code == 2
    assert name in done.stderr
