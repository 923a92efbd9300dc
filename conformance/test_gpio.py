"""gpio and hmeta: pins that are not there, and what the board says of itself."""

from expressions import check, check_warned

NO_PINS = "gpio: there are no pins"
NO_MODULE = "hmeta: there is no module to ask"


def levels(record, pin):
    return [event["level"] for event in record.events("gpio.set", pin=pin)]


def test_constants(emu):
    """LuatOS luat_gpio.h; those of wake-up pads are an EC718's."""
    done = check(emu, {
        'gpio.LOW, gpio.HIGH, gpio.OUTPUT, gpio.NONE': "0 1 0 255",
        'gpio.PULLUP, gpio.PULLDOWN': "1 2",
        'gpio.RISING, gpio.FALLING, gpio.BOTH, gpio.HIGH_IRQ, gpio.LOW_IRQ': "0 1 2 3 4",
        'gpio.PWR_KEY - gpio.WAKEUP0': "7",
    })
    check_warned(done)  # who only looks is not told


def test_the_absence_of_pins_is_said_once(emu):
    """With the place that used them first."""
    done = emu.run("gpio.setup(1, 0)\ngpio.set(1, 1)\ngpio.setup(2, 0)\nos.exit(0)\n")
    check_warned(done, NO_PINS)
    assert done.warnings[0].endswith("drives") and "main.lua:1: " in done.warnings[0]


def test_setup_returns_a_function_of_the_pin(emu):
    """An output's sets the level, an input's and a watched pin's gets it."""
    done = emu.run("""
local led = gpio.setup(27, 0)
log.info("set", select("#", led(1)), select("#", gpio.set(27, 0)))
local key = gpio.setup(28, nil, gpio.PULLUP)
local irq = gpio.setup(29, function() end, gpio.PULLDOWN)
log.info("get", key(), irq(), gpio.get(28), gpio.get(29))
log.info("high", gpio.setup(30, 5) and "")
os.exit(0)
""")
    assert done.texts("set") == ["0 0"]
    assert levels(done, 27) == [0, 1, 0]
    assert done.texts("get") == ["1 0 1 0"]
    assert levels(done, 30) == [1]  # anything but 0 is high


def test_an_output_reads_as_0_with_a_warning(emu):
    """The document of gpio.setup: gpio.get of an output is always 0."""
    done = emu.run('gpio.setup(1, 1)\nlog.info("get", gpio.get(1))\nos.exit(0)\n')
    assert done.texts("get") == ["0"]
    check_warned(done, NO_PINS, "gpio.get of pin 1, which is an output: a module reads 0")


def test_wrong_pins_and_arguments(emu):
    """A pin that is not there: a log line and nothing; arguments by Lua's rules."""
    done = check(emu, {
        'gpio.setup(200, 0)': "nothing",
        'gpio.setup(-1, 0)': "nothing",
        'gpio.set(1000, 1)': "nothing",
        'gpio.get(1000)': "0",
        'gpio.close(1000)': "nothing",
        'gpio.toggle(1000)': "nothing",
        'gpio.debounce(1000, 1)': "nothing",
        'gpio.count(1000)': "0",
        'gpio.pulse(1000, 1, 8, 0)': "nothing",
        'gpio.caplevel(1000, 1, print)': "nothing",
        'gpio.caplevel(1, 1)': "nothing",
        'gpio.setup()': "raises: number expected, got no value",
        'gpio.setup(1.5)': "raises: number has no integer representation",
        'gpio.setup(1, print, 0, "x")': "raises: number expected, got string",
        'gpio.setup(1, 0, {})': "raises: number expected, got table",
        'gpio.set(1)': "raises: number expected, got no value",
        'gpio.setup(1, 0)()': "raises: number expected, got no value",
        'gpio.setDefaultPull(3)': "false",
        'gpio.setDefaultPull(-1)': "false",
        'gpio.setDefaultPull(2)': "true",
    })
    assert done.firmware("gpio").count("MUST pin < 200") == 10
    assert "gpio.setup: there is no pin -1: a module does nothing" in done.warnings[2]


def test_the_default_pull_is_that_of_pins_set_up_later(emu):
    """gpio.setDefaultPull(1): up; a pull that is given comes first."""
    done = emu.run("""
gpio.setup(1)
gpio.setDefaultPull(1)
gpio.setup(2)
gpio.setup(3, nil, gpio.PULLDOWN)
log.info("levels", gpio.get(1), gpio.get(2), gpio.get(3))
os.exit(0)
""")
    assert done.texts("levels") == ["0 1 0"]


def test_toggle_and_pulse_move_an_output(emu):
    """pulse(pin, bits, len, delay) puts len bits out, the highest first."""
    done = emu.run("""
gpio.setup(16, 1)
gpio.toggle(16)
gpio.toggle(16)
gpio.setup(17, 0)
gpio.pulse(17, 0xA9, 8, 0)
gpio.setup(18, 0)
gpio.pulse(18, "\\x80\\x01", 16, 0)
gpio.setup(19, 0)
gpio.pulse(19, 0xff, 1000000000, 0)
os.exit(0)
""")
    assert levels(done, 16) == [1, 0, 1]
    assert levels(done, 17)[1:] == [1, 0, 1, 0, 1, 0, 0, 1]
    assert levels(done, 18)[1:] == [1] + [0] * 14 + [1]
    assert levels(done, 19)[1:] == [1] * 8  # there are no more


def test_a_pin_is_driven_from_outside(emu, tmp_path):
    """ctl gpio: the function of a watched pin is called with level and pin, in its edges."""
    path = tmp_path / "ctl"
    with emu.start("""
gpio.setup(7, function(level, pin) log.info("irq", level, pin) end, gpio.PULLUP, gpio.FALLING)
gpio.setup(8, function(level) log.info("quit", level) os.exit(0) end, gpio.PULLDOWN)
gpio.setup(9, gpio.count, gpio.PULLDOWN, gpio.RISING)
gpio.caplevel(10, gpio.HIGH, function(us) log.info("high for", us > 0) end)
sys.timerLoopStart(function() end, 1000)
log.info("ready")
sys.subscribe("X", function() end)
sys.taskInit(function()
    while true do
        sys.wait(10)
        local count = gpio.count(9)
        if count > 0 then log.info("count", count) end
    end
end)
sys.run()
""", "--ctl", path) as run:
        run.wait_log("ready")
        for words in ["7 0", "7 1", "7 0", "9 1", "10 1", "10 0"]:
            emu.ctl(path, "gpio", *words.split())
        run.wait_log("irq", "0 7", count=2)
        run.wait_log("count", "1")
        run.wait_log("high for", "true")
        emu.ctl(path, "gpio", "8", "1")
        done = run.finish()
    assert done.texts("irq") == ["0 7"] * 2
    assert done.texts("quit") == ["1"]


def test_ctl_refuses_what_is_no_pin_or_level(emu, tmp_path):
    """One clear line, and exit code 1."""
    path = tmp_path / "ctl"
    with emu.start("log.info('ready')\nsys.timerLoopStart(print, 1000)\nsys.run()\n",
                   "--ctl", path) as run:
        run.wait_log("ready")
        for words, error in {
            "200 0": "pins are 0 to 199\n",
            "x 0": "pins are 0 to 199\n",
            "-1 0": "pins are 0 to 199\n",
            "1 2": "a pin is driven to 0 or 1, or left open\n",
            "1": "usage: gpio PIN 0|1|open\n",
        }.items():
            answer = emu.ctl(path, "gpio", *words.split(), code=1)
            assert answer.stderr == "luatos-emu: ctl: " + error, words


def test_hmeta_is_what_the_board_says(emu):
    """model, hwver and chip; the functions that a module has not written yet give nothing."""
    done = check(emu, {
        'hmeta.model()': "PC",
        'hmeta.hwver()': "A1",
        'hmeta.chip()': "EC718PM",
        'hmeta.gpio()': "nothing",
        'hmeta.uart()': "nothing",
    })
    check_warned(done, NO_MODULE)
