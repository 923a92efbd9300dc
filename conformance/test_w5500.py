"""w5500: the library of the module's Ethernet chip, and the chip behind socket.ETH0.

Facts: wiki.luatos.com/api/w5500, LuatOS components/ethernet/w5500/luat_lib_w5500.c and w5500.c."""

import pytest

# ---- calls that a real module does not forgive ---------------------------------------------------


def warned(done):
    """["1: w5500.init: ...", ...]: the script's line, and what is wrong there."""
    return [text.split("main.lua:", 1)[1] for text in done.warnings if "main.lua:" in text]


def test_without_a_chip_none_is_found(emu):
    """luat_lib_w5500.c: config is false where nothing answers; the others return nothing, or zeros."""
    done = emu.run("""
w5500.init(0, 25600000, 8, 18, 1)
log.info("config", w5500.config())
log.info("bind", select("#", w5500.bind(socket.ETH0)))
log.info("mac", w5500.getMac():toHex())
os.exit(0)
""")
    assert (done.texts("config"), done.texts("bind")) == (["false"], ["0"])
    assert done.texts("mac") == ["000000000000 12"]
    assert done.firmware("w5500") == ["device no ready"]
    assert len(warned(done)) == 1 and warned(done)[0].startswith("2: w5500: this board has none")


def test_what_comes_before_init_is_told(emu):
    done = emu.run("""
log.info("config", w5500.config("not even an address"))
w5500.bind(socket.ETH0)
log.info("mac", w5500.getMac():toHex())
os.exit(0)
""")
    assert done.texts("config") == ["false"] and done.texts("mac") == ["000000000000 12"]
    assert [text.split(" before")[0] for text in warned(done) if "before w5500.init" in text] == [
        "2: w5500.config", "3: w5500.bind", "4: w5500.getMac"]


@pytest.mark.parametrize("call, error", [
    ("w5500.init()", "bad argument #1 to '?' (number expected, got no value)"),
    ("w5500.init(0, 1, 2, 3)", "bad argument #5 to '?' (number expected, got no value)"),
    ("w5500.init(0, 1, 2, 3, 4, {})", "bad argument #6 to '?' (number expected, got table)"),
    ("w5500.bind()", "bad argument #1 to '?' (number expected, got no value)"),
])
def test_arguments_that_lua_itself_refuses(emu, call, error):
    function, args = call[:-1].split("(", 1)
    done = emu.run(f'log.info("error", pcall({", ".join(filter(None, [function, args]))}))\nos.exit(0)\n')
    assert done.texts("error") == [f"false {error}"]


@pytest.mark.parametrize("args, warning", [
    ("0, 100000000, 8, 18, 1", "100000000 Hz: a W5500 takes 80000000 at most"),
    ("0, 40000000, 8, 18, 1", "40000000 Hz: above 33300000 nothing is guaranteed of a W5500"),
    ("0, 0, 8, 18, 1", "0 Hz is no speed"),
    ("9, 1000000, 8, 18, 1", "argument 1: there is no bus 9"),
    ("0, 1000000, -8, 18, 1", "argument 3: there is no pin -8"),
    ("0, 1000000, 8, 8, 1", "cs and irq are one pin, 8"),
    ("0, 1000000, 8, 18, 1, 18", "irq and link are one pin, 18"),
])
def test_wiring_that_no_board_has_is_told(emu, args, warning):
    done = emu.run(f"w5500.init({args})\nos.exit(0)\n")
    assert f"1: w5500.init: {warning}" in warned(done)


def test_a_second_init_is_ignored_and_told(emu):
    done = emu.run("w5500.init(0, 25600000, 8, 18, 1)\nw5500.init(1, 1, 1, 2, 3)\nos.exit(0)\n")
    assert "2: w5500.init again: a module ignores it" in warned(done)
