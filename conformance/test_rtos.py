"""The library rtos: numbered timers and one message at a time, as schedulers other than the built-in
one use them; what it says of the firmware and its memory. Times are virtual: exact."""

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


# ---- the firmware and its memory ---------------------------------------------------------------------


@pytest.fixture
def run(emu):
    """What a script prints in virtual time."""
    def run(script, **options):
        done = emu.run(script + "\nos.exit(0)\n", "--time", "virtual", "--seed", "1", **options)
        assert done.code == 0, done
        return done

    return run


def test_rtos_names_its_firmware(run):
    done = run('''
        print(rtos.bsp(), rtos.version(), rtos.firmware())
        print(select("#", rtos.version()), rtos.version(true))
        print(type(rtos.buildDate()), #rtos.buildDate() > 8)
        print(rtos.INF_TIMEOUT, rtos.MSG_TIMER)
    ''')
    assert done.prints == ["PC V2035 LuatOS-SoC_V2035_PC", "1 V2035 2035 64", "string true", "-1 1"]


@pytest.mark.parametrize("which", ["", '"lua"', '"sys"', '"psram"'])
@pytest.mark.parametrize("time", ["real", "virtual"])
def test_meminfo_gives_total_used_and_peak(emu, which, time):
    done = emu.run(f'''
        local total, used, peak = rtos.meminfo({which})
        log.info("kinds", math.type(total), math.type(used), math.type(peak), select("#", rtos.meminfo()))
        log.info("order", used >= 0 and used <= peak and peak <= total)
        os.exit(0)
    ''', "--time", time)
    assert done.texts("kinds") == ["integer integer integer 3"]
    assert done.texts("order") == ["true"]


def test_meminfo_of_the_vm_follows_what_the_script_holds(run):
    done = run('''
        local _, before = rtos.meminfo()
        local held = ("x"):rep(1000000)
        local _, during, peak = rtos.meminfo("lua")
        held = nil
        collectgarbage() collectgarbage()
        local _, after, still = rtos.meminfo("lua")
        print(during - before >= 1000000, peak >= during, during - after >= 1000000, still >= peak)
    ''')
    assert done.prints == ["true true true true"]


def test_equal_virtual_runs_are_equal_whatever_their_environment(emu):
    """Zones, locales and variables of the host's make no difference, nor does --gc-stress."""
    script = '''
        for _, which in ipairs({ "lua", "sys", "psram" }) do print(rtos.meminfo(which)) end
        print({}, print, io.stdout, zbuff.create(9), math.random(), mcu.unique_id(), os.tmpname())
        print(os.date(), os.time(), os.clock(), mcu.ticks(), socket.localIP())
        for key in pairs({ a = 1, b = 2, c = 3, d = 4, e = 5 }) do print(key) end
        sys.timerLoopStart(function() print(os.date("%X"), collectgarbage("count")) end, 600000)
        sys.timerStart(os.exit, 3600000, 0)
        sys.run()
    '''
    for stress in ([], ["--gc-stress"]):
        runs = [emu.run(script, "--time", "virtual", "--seed", "7", *stress, env=env)
                for env in ({}, {"TZ": "America/New_York", "LC_ALL": "C", "HOME": "/nowhere"},
                            {"FILLER": "x" * 10000})]
        assert len({run.stdout for run in runs}) == 1
        assert runs[0].stdout.count("\n") > 15


def test_nop_standy_and_auto_collect_mem_return_nothing(run):
    done = run('''
        print(select("#", rtos.nop()), select("#", rtos.standy(1)),
              select("#", rtos.autoCollectMem(100, 90, 80)), select("#", rtos.autoCollectMem("x", {})))
    ''')
    assert done.prints == ["0 0 0 0"]
    assert any("rtos.standy: there is no hardware" in warning for warning in done.warnings)


def test_set_paths_says_where_require_looks_first(run):
    """loadlib.c:113-143: templates of at most 23 bytes with one %s; the next call replaces them."""
    done = run('''
        io.mkdir("/mods")
        io.writeFile("/mods/part.lua", "return 'mods'")
        rtos.setPaths("/none/%s.lua", "/mods/%s.lua")
        print(require("part"))
        unload("part")
        rtos.setPaths("/mods/part.lua", "/a/very/long/path/to/%s.lua", "/%s/%s.lua", {})
        print(require("part"))
    ''', files={"part.lua": "return 'beside'\n"})
    assert done.prints == ["mods", "beside"]
    assert len([warning for warning in done.warnings if "is no template" in warning]) == 3
