"""The library rtos as schedulers other than the built-in one use it: numbered timers, one message
at a time. Times are virtual: exact."""

import pytest

# receive until `ms` have passed; IP_READY and its like are handled inside and give nothing
RECEIVE = """
local function receive_for(ms)
    local finish = mcu.ticks() + ms
    while mcu.ticks() < finish do
        local kind, id, left = rtos.receive(finish - mcu.ticks())
        if kind == rtos.MSG_TIMER then
            log.info("timer", id, left, mcu.ticks())
        elseif kind then
            log.info("other", kind, id, left)
        end
    end
end
"""


@pytest.mark.parametrize("times, messages", [
    ("", ["7 0 10"]),
    (", 0", ["7 0 10"]),
    (", 1", ["7 0 10"]),
    (", 3", ["7 2 10", "7 1 20", "7 0 30"]),
    (", -1", [f"7 -1 {10 * n}" for n in range(1, 11)]),
])
def test_a_timer_sends_as_many_messages_as_it_was_told(emu, times, messages):
    """LuatOS luat_lib_rtos.c:34-118: MSG_TIMER, its number, how often it will come again; sys.lua
    passes timerAdvStart's number on as it is (2 are two, as seen on the PC simulator)."""
    done = emu.run(RECEIVE + f'''
        log.info("start", rtos.timer_start(7, 10{times}))
        receive_for(101)
        os.exit(0)
    ''', "--time", "virtual")
    assert done.texts("start") == ["1"]
    assert done.texts("timer") == messages


def test_receive_without_a_message_gives_minus_1_when_its_time_is_over(emu):
    """LuatOS luat_lib_rtos.c: luat_msgbus_get fails, and -1 is pushed."""
    done = emu.run(RECEIVE + '''
        receive_for(25)
        log.info("now", mcu.ticks())
        os.exit(0)
    ''', "--time", "virtual")
    assert done.texts("now") == ["25"]
    assert done.texts("other") == ["-1 nil nil"]


def test_a_timer_that_is_started_again_begins_anew(emu):
    """LuatOS: a number is one timer."""
    done = emu.run(RECEIVE + '''
        rtos.timer_start(7, 10)
        receive_for(5)
        rtos.timer_start(7, 10)
        receive_for(50)
        os.exit(0)
    ''', "--time", "virtual")
    assert done.texts("timer") == ["7 0 15"]


def test_a_stopped_timer_is_silent(emu):
    """LuatOS luat_lib_rtos.c: timer_stop; a number that is none is ignored."""
    done = emu.run(RECEIVE + '''
        rtos.timer_start(7, 10, -1)
        rtos.timer_start(8, 20)
        rtos.timer_stop(7)
        rtos.timer_stop(99)
        rtos.timer_stop("8")
        receive_for(50)
        os.exit(0)
    ''', "--time", "virtual")
    assert done.texts("timer") == ["8 0 20"]
