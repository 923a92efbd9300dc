"""The library sys: tasks, timers, topics, messages, and what an error does. Times are virtual: exact."""

import re

import pytest

KEYS = """check_task cleanMsg coresume cwaitMt publish run safeRun sendMsg subscribe taskCB taskDel taskInit
taskInitEx timerAdvStart timerIsActive timerLoopStart timerStart timerStop timerStopAll unsubscribe
wait waitMsg waitUntil waitUntilExt waitUntilMsg"""

# show(tag, ...) logs its values with a space between them, also nil; "nothing" for no values.
PRELUDE = """
local function show(tag, ...)
    local texts = { ... }
    for i = 1, select("#", ...) do
        texts[i] = tostring(texts[i])
    end
    log.info(tag, select("#", ...) == 0 and "nothing" or table.concat(texts, " "))
end
local function attempt(tag, ...)
    show(tag, pcall(...))
end
"""


@pytest.fixture
def virtual(emu):
    """Runs a script in virtual time; it ends by itself, or when nothing can happen any more."""
    def run(script, *args, code=0, before=PRELUDE, **options):
        if "\n" in script:
            script = before.replace("\n", " ") + script + "\nsys.run()\n"
        done = emu.run(script, "--time", "virtual", "--seed", "1", *args, **options)
        assert done.code == code, done
        return done

    return run


def at(done, tag):
    """[(milliseconds, text)] of what the script logged under this tag."""
    return [(e["t_us"] / 1000, e["text"]) for e in done.events("log", tag=f"user.{tag}")]


def test_sys_has_the_functions_of_luatos_and_no_others(virtual):
    """LuatOS sys.lua: its keys, as seen on the PC simulator; sys.waitMulti and sys.on are not there."""
    done = virtual('''
        local keys = {}
        for key in pairs(sys) do keys[#keys + 1] = key end
        table.sort(keys)
        show("keys", table.unpack(keys))
        show("kinds", type(sys.cwaitMt), type(sys.wait))
    ''')
    assert done.texts("keys") == [" ".join(sorted(KEYS.split()))]
    assert done.texts("kinds") == ["table function"]


def test_sys_and_sysplus_are_one_table_and_there_before_the_script(virtual):
    """LuatOS luat_main.c:128-133 and sysplus.lua: both names are globals and name the same table."""
    done = virtual('''
        show("same", sys == sysplus, require("sys") == sys, require("sysplus") == sys)
        show("aliases", sys_pub == sys.publish, sys_send == sys.sendMsg, sys_wait == sys.waitMsg)
        show("globals", COROUTINE_ERROR_ROLL_BACK, COROUTINE_ERROR_RESTART, SCRIPT_LIB_VER, type(sys_cw))
    ''')
    assert done.texts("same") == ["true true true"]
    assert done.texts("aliases") == ["true true true"]
    assert done.texts("globals") == ["true true 2.3.2 function"]


# ---- tasks ---------------------------------------------------------------------------------------


def test_a_task_runs_at_once_up_to_its_first_wait(virtual):
    """LuatOS sys.lua:267-276: taskInit resumes the coroutine before it returns it."""
    done = virtual('''
        local co = sys.taskInit(function(...)
            show("task", ...)
            sys.wait(1)
            show("task", "again")
        end, 1, nil, "x")
        show("task", "main", type(co), coroutine.status(co))
    ''')
    assert done.texts("task") == ["1 nil x", "main thread suspended", "again"]


def test_task_init_wants_a_function(virtual):
    """LuatOS sys.lua:267: coroutine.create raises for anything else."""
    done = virtual('attempt("task", sys.taskInit, nil)\nattempt("task", sys.taskInit, "f")\n')
    assert [text.split()[0] for text in done.texts("task")] == ["false", "false"]
    assert all("function expected" in text for text in done.texts("task"))


def test_check_task_gives_the_running_task_and_raises_outside(virtual):
    """LuatOS sys.lua: check_task returns the coroutine, or an error with a traceback."""
    done = virtual('''
        sys.taskInit(function() show("task", sys.check_task() == coroutine.running()) end)
        attempt("main", sys.check_task)
        attempt("main", sys.wait, 10)
        attempt("main", sys.waitUntil, "X")
        attempt("main", sys.waitUntilExt, "X")
        attempt("main", sys.waitUntilMsg, "X")
        sys.taskInitEx(function() end, "name")
        attempt("main", sys.waitMsg, "name")
    ''')
    assert done.texts("task") == ["true"]
    assert len(done.texts("main")) == 6
    for text in done.texts("main"):
        assert text.startswith("false ")
        assert "attempt to yield from outside a coroutine\nstack traceback:" in text


def test_a_mistake_in_a_call_is_told_with_the_line_of_the_script(virtual):
    """Here, not on a module: the message names the caller's line, not one of sys.lua."""
    done = virtual('''
        sys.taskInit(function()
            attempt("raised", function() sys.wait(1.5) end)
            attempt("raised", function() sys.waitUntil(nil, 1) end)
            attempt("raised", function() sys.timerStart(print, "x") end)
        end)
        attempt("raised", function() sys.wait(5) end)
    ''')
    lines = [re.match(r"false \S*main\.lua:(\d+): ", text) for text in done.texts("raised")]
    assert [line and line[1] for line in lines] == ["3", "4", "5", "7"], done.texts("raised")


def test_coresume_returns_what_resume_returns(virtual):
    """LuatOS sys.lua:83-139: coresume is coroutine.resume, and an error is logged as well."""
    done = virtual('''
        COROUTINE_ERROR_ROLL_BACK, COROUTINE_ERROR_RESTART = false, false
        local co = coroutine.create(function(...) show("in", ...) show("in", coroutine.yield(1, nil)) error("no") end)
        show("out", sys.coresume(co, "a", nil, "b"))
        show("out", sys.coresume(co, "c"))
        show("out", sys.coresume(co))
    ''')
    assert done.texts("in") == ["a nil b", "c"]
    assert done.texts("out")[0] == "true 1 nil"
    assert re.fullmatch(r"false \S+:3: no", done.texts("out")[1])
    assert done.texts("out")[2] == "false cannot resume dead coroutine"
    assert len(done.texts("coroutine.resume")) == 2


# ---- wait ----------------------------------------------------------------------------------------


def test_wait_returns_nothing_after_exactly_its_time(virtual):
    """LuatOS sys.lua:156-196: a one-shot timer; nothing is returned when it runs out."""
    done = virtual('''
        sys.taskInit(function()
            show("woke", sys.wait(1))
            show("woke", sys.wait(1000))
            show("woke", sys.wait(2.0))
            show("woke", sys.wait("7"))
        end)
    ''')
    assert at(done, "woke") == [(1, "nothing"), (1001, "nothing"), (1003, "nothing"), (1010, "nothing")]


def test_tasks_that_sleep_wake_in_the_order_of_their_times(virtual):
    """LuatOS: timers' messages go through one queue; equal deadlines in the order they were set."""
    done = virtual("sys/sleepers-wake-in-the-order-of-their-times")
    assert at(done, "woke") == [(1, "c"), (2, "b"), (2, "d"), (3, "a"), (4, "b"), (4, "d"), (6, "b"), (6, "d")]


def test_wait_0_returns_at_once_and_without_yielding(virtual):
    """LuatOS rtos.c:148-151, sys.lua:168-181: no timer of 0 ms; a debug line, and the task goes on."""
    done = virtual('''
        sys.taskInit(function()
            show("order", 1, sys.wait(0))
            show("order", 2)
        end)
        show("order", 3)
    ''')
    assert done.texts("order") == ["1", "2", "3"]
    assert [(level, tag) for level, tag, _ in done.log if "timer" in (tag or "")] == [
        ("D", "user.rtos.timer_start error")]


def test_wait_0_leaves_nothing_behind(virtual):
    """LuatOS sys.lua:168-181 loses an entry of its table each time; not copied."""
    done = virtual('''
        log.setLevel("WARN")
        local function kilobytes() collectgarbage() return collectgarbage("count") end
        local before
        sys.taskInit(function()
            for i = 1, 20000 do
                sys.wait(0)
                if i == 10000 then before = kilobytes() end
            end
            print("grew", kilobytes() - before)
        end)
    ''')
    assert float(done.prints[0].split()[1]) < 1


def test_wait_of_a_negative_time_does_not_come_back(virtual):
    """LuatOS rtos.c:146-151: the number is taken as unsigned: weeks."""
    done = virtual('''
        sys.taskInit(function() sys.wait(-1) show("woke") end)
        sys.taskInit(function() sys.wait(1000000000) show("late") os.exit(0) end)
    ''')
    assert done.texts("woke") == [] and done.texts("late") == ["nothing"]


@pytest.mark.parametrize("ms, problem", [
    ("1.5", "number has no integer representation"), ("nil", "number expected, got nil"),
    ("{}", "number expected, got table"), ("'x'", "number expected, got string"),
    ("0/0", "number has no integer representation"), ("true", "number expected, got boolean")])
def test_wait_raises_for_what_is_no_whole_number(virtual, ms, problem):
    """LuatOS rtos.c:145: luaL_checkinteger."""
    done = virtual(f'sys.taskInit(function() attempt("wait", sys.wait, {ms}) end)\n')
    assert done.texts("wait")[0].startswith("false ") and problem in done.texts("wait")[0]


def test_a_task_that_is_woken_early_gets_the_values_and_its_timer_is_gone(virtual):
    """LuatOS sys.lua:186-196: wait returns the resume arguments, and the timer is stopped."""
    done = virtual('''
        local co = sys.taskInit(function()
            show("woke", sys.wait(1000))
            show("woke", sys.wait(2000))
        end)
        sys.timerStart(function() sys.coresume(co, "early", nil, 3) end, 10)
    ''')
    assert at(done, "woke") == [(10, "early nil 3"), (2010, "nothing")]


def test_nothing_is_left_of_a_wait_that_was_answered(virtual):
    """LuatOS sys.lua:186-196: its timer is stopped, so the run ends when the answer was there."""
    done = virtual('''
        sys.taskInitEx(function()
            sys.waitUntil("X", 1000000)
            sys.waitUntilExt({ "Y", "Z" }, 1000000)
            sys.waitMsg("me", nil, 1000000)
        end, "me")
        sys.timerStart(sys.publish, 10, "X")
        sys.timerStart(sys.publish, 20, "Y")
        sys.timerStart(sys.sendMsg, 30, "me")
    ''')
    assert done.events("exit")[0]["t_us"] == 30000


def test_the_message_of_a_stopped_sleep_wakes_nobody_else(virtual):
    """A timer that ran out in the moment its task was woken by something else is forgotten: the next
    sleeper is not woken by its message."""
    done = virtual("sys/a-sleeper-is-woken-when-its-timer-is-due")
    assert at(done, "woke") == [(10, "first true"), (60, "second"), (110, "first again")]


def test_ten_thousand_tasks_sleep_again_and_again(virtual):
    """Every one wakes at every millisecond, in the order they went to sleep."""
    done = virtual("sys/ten-thousand-tasks-sleep", "--set", "timers=20000", timeout=400)
    assert at(done, "round") == [(n, "10000 in order") for n in range(1, 6)]


# ---- timers --------------------------------------------------------------------------------------


def test_a_timer_calls_its_function_once_with_its_arguments(virtual):
    """LuatOS sys.lua:305-424: timerStart returns an id from 2097152 on."""
    done = virtual('''
        show("id", sys.timerStart(function(...) show("called", ...) end, 25, 1, nil, "x"))
        show("id", sys.timerStart(function(...) show("called", ...) end, 5))
    ''')
    assert done.texts("id") == ["2097152", "2097153"]
    assert at(done, "called") == [(5, "nothing"), (25, "1 nil x")]


def test_a_loop_timer_calls_again_and_again_until_it_is_stopped(virtual):
    """LuatOS sys.lua: timerLoopStart is a timer that repeats for ever."""
    done = virtual('''
        local count, id = 0
        id = sys.timerLoopStart(function(a)
            count = count + 1
            show("called", a, count, sys.timerIsActive(id) ~= nil)
            if count == 4 then sys.timerStop(id) end
        end, 30, "arg")
    ''')
    assert at(done, "called") == [(30 * n, f"arg {n} true") for n in (1, 2, 3, 4)]


@pytest.mark.parametrize("times, calls", [("0", 1), ("1", 1), ("2", 2), ("5", 5), ("nil", 1)])
def test_timer_adv_start_repeats_as_often_as_told(virtual, times, calls):
    """LuatOS sys.timerAdvStart: 0 is once, n is n times (seen on the PC simulator for 2)."""
    done = virtual(f'''
        local id
        id = sys.timerAdvStart(function(...) show("called", ...) show("active", sys.timerIsActive(id) ~= nil) end,
                               10, {times}, "a", "b")
    ''')
    assert at(done, "called") == [(10 * n, "a b") for n in range(1, calls + 1)]
    assert done.texts("active") == ["true"] * (calls - 1) + ["false"]


def test_timer_adv_start_with_minus_1_repeats_for_ever(virtual):
    """LuatOS sys.timerAdvStart: -1 is for ever."""
    done = virtual('''
        local count = 0
        sys.timerAdvStart(function() count = count + 1 if count == 1000 then show("called") os.exit(0) end end, 7, -1)
    ''')
    assert at(done, "called") == [(7000, "nothing")]


def test_a_timer_of_0_ms_is_not_started(virtual):
    """LuatOS sys.lua:365-380: nil, and an error in the log."""
    done = virtual('''
        show("id", sys.timerStart(print, 0))
        show("id", sys.timerLoopStart(print, 0, 1))
        show("id", sys.timerAdvStart(print, 0, 3))
        show("active", sys.timerIsActive(print), sys.timerIsActive(print, 1))
    ''')
    assert done.texts("id") == ["nil"] * 3
    assert done.texts("active") == ["nil nil"]
    assert [level for level, tag, _ in done.log if tag == "user.sys"] == ["E"] * 3


def test_a_timer_without_a_function_is_not_started(virtual):
    """Here: nil and an error in the log; a module starts a timer that calls nothing."""
    done = virtual('show("id", sys.timerStart(nil, 10))\n')
    assert done.texts("id") == ["nil"]
    assert [level for level, tag, _ in done.log if tag == "user.sys"] == ["E"]


def test_starting_a_timer_stops_its_equal(virtual):
    """LuatOS sys.lua:340-362: the same function with the same arguments, compared raw; one with no
    arguments is only equal to one with none."""
    done = virtual("sys/starting-a-timer-stops-its-equal")
    assert at(done, "called") == [
        (10, "a"), (10, "a nil 2"), (10, "1"), (10, "table"), (10, "table"), (20, "nothing"), (20, "a 1.0"),
        (20, "nan"), (20, "nan")]


def test_timer_stop_takes_an_id_or_a_function_with_its_arguments(virtual):
    """LuatOS sys.lua:385-405."""
    done = virtual('''
        local function f(...) show("called", ...) end
        local id = sys.timerStart(f, 10, "id")
        for _, args in ipairs({ {}, { 1 }, { 1, 2 }, { "kept" } }) do
            sys.timerStart(f, 10, table.unpack(args))
        end
        show("stop", sys.timerStop(id))
        sys.timerStop(f)
        sys.timerStop(f, 1, 2)
        sys.timerStop(f, 1, 2, 3)
        sys.timerStop(f, "other")
        sys.timerStop(12345)
        sys.timerStop(nil)
        sys.timerStop(print, 1)
    ''')
    assert done.texts("stop") == ["nothing"]
    assert at(done, "called") == [(10, "1"), (10, "kept")]


def test_timer_stop_all_stops_every_timer_of_a_function(virtual):
    """LuatOS sys.lua: timerStopAll(f), whatever the arguments; others run on."""
    done = virtual('''
        local function f(...) show("called", ...) end
        local function g(...) show("called", "g", ...) end
        for i = 1, 5 do sys.timerStart(f, 10, i) sys.timerStart(f, 10, i, i) end
        sys.timerStart(f, 10)
        sys.timerLoopStart(f, 10, nil, 1)
        sys.timerStart(g, 10)
        show("stop", sys.timerStopAll(f))
        sys.timerStopAll(print)
        sys.timerStopAll(nil)
        show("active", sys.timerIsActive(f), sys.timerIsActive(f, 3, 3), sys.timerIsActive(g))
        sys.timerStart(f, 20, "new")
    ''')
    assert done.texts("stop") == ["nothing"]
    assert done.texts("active") == ["nil nil true"]
    assert at(done, "called") == [(10, "g"), (20, "new")]


def test_timer_is_active_gives_the_function_of_an_id_and_true_for_a_function(virtual):
    """LuatOS sys.lua:407-424. A one-shot timer is over before its function is called."""
    done = virtual('''
        local id
        local function f() show("active", "inside", sys.timerIsActive(id), sys.timerIsActive(f, 1)) end
        id = sys.timerStart(f, 10, 1)
        show("active", sys.timerIsActive(id) == f, sys.timerIsActive(f, 1), sys.timerIsActive(f), sys.timerIsActive(f, 2))
        show("active", sys.timerIsActive(id + 1), sys.timerIsActive(print), sys.timerIsActive(nil))
    ''')
    assert done.texts("active") == ["true true nil nil", "nil nil nil", "inside nil nil"]


def test_a_timer_that_is_stopped_when_it_is_due_is_not_called(virtual):
    """Its message is in the queue already; nobody is told."""
    done = virtual('''
        local second
        sys.timerStart(function() show("called", "first") sys.timerStop(second) end, 10)
        second = sys.timerStart(function() show("called", "second") end, 10)
        sys.timerStart(function() show("called", "third") end, 10)
    ''')
    assert at(done, "called") == [(10, "first"), (10, "third")]


def test_a_timer_function_may_start_itself_again(virtual):
    """LuatOS sys.lua: the one-shot is removed before its function runs."""
    done = virtual('''
        local count = 0
        local function f() count = count + 1 show("called", count) if count < 3 then sys.timerStart(f, 100) end end
        sys.timerStart(f, 100)
    ''')
    assert at(done, "called") == [(100, "1"), (200, "2"), (300, "3")]


# ---- topics --------------------------------------------------------------------------------------


def test_publish_only_queues_and_the_loop_delivers(virtual):
    """LuatOS sys.lua:467-558: a FIFO; a subscriber gets the arguments without the topic."""
    done = virtual('''
        sys.subscribe("A", function(...) show("got", "A", ...) end)
        sys.subscribe("B", function(...) show("got", "B", ...) end)
        show("publish", sys.publish("A", 1, nil, 3))
        sys.publish("B")
        sys.publish("A", false)
        sys.publish("NOBODY", 1)
        sys.publish()
        show("got", "nothing yet")
    ''')
    assert done.texts("publish") == ["nothing"]
    assert done.texts("got") == ["nothing yet", "A 1 nil 3", "B", "A false"]


def test_what_a_subscriber_publishes_is_delivered_before_the_next_timer(virtual):
    """LuatOS sys.lua:574-590: the queue is emptied, however long that takes, before rtos.receive."""
    done = virtual('''
        sys.subscribe("N", function(n) if n < 1000 then sys.publish("N", n + 1) else show("end", n) end end)
        sys.timerStart(function() sys.publish("N", 1) end, 5)
        sys.timerStart(function() show("end", "timer") end, 5)
    ''')
    assert at(done, "end") == [(5, "1000"), (5, "timer")]


def test_ten_thousand_topics_are_delivered_in_order(virtual):
    """A burst longer than any queue of a module; nothing is lost, and nothing changes its place."""
    done = virtual('''
        local next_one, ordered = 1, true
        sys.subscribe("N", function(n) ordered = ordered and n == next_one next_one = next_one + 1 end)
        for round = 1, 3 do
            sys.taskInit(function()
                sys.wait(round)
                for i = 1, 10000 do sys.publish("N", (round - 1) * 10000 + i) end
            end)
        end
        sys.timerStart(function() show("end", next_one, ordered) end, 10)
    ''')
    assert done.texts("end") == ["30001 true"]


def test_subscribers_are_told_in_the_order_of_subscription(virtual):
    """LuatOS leaves the order to its hashes; here equal runs are equal. Tasks and functions alike."""
    done = virtual('''
        for i = 1, 3 do sys.subscribe("T", function() show("told", "function", i) end) end
        sys.taskInit(function() sys.waitUntil("T") show("told", "task") end)
        for i = 4, 6 do sys.subscribe("T", function() show("told", "function", i) end) end
        sys.publish("T")
    ''')
    assert done.texts("told") == ["function 1", "function 2", "function 3", "task", "function 4", "function 5",
                                  "function 6"]


def test_subscribing_twice_is_subscribing_once(virtual):
    """LuatOS sys.subscribe: a set."""
    done = virtual('''
        local function f() show("told", "f") end
        local function g() show("told", "g") end
        sys.subscribe("T", f) sys.subscribe("T", f)
        sys.publish("T")
        sys.taskInit(function()
            sys.wait(1)
            sys.subscribe("T", g) sys.subscribe("T", f) sys.subscribe("T", g)
            sys.publish("T")
        end)
    ''')
    assert at(done, "told") == [(0, "f"), (1, "f"), (1, "g")]


def test_subscribe_and_unsubscribe_take_a_table_of_topics(virtual):
    """LuatOS sys.subscribe: id may be a list; so for sys.unsubscribe."""
    done = virtual('''
        local function f(...) show("told", ...) end
        sys.subscribe({ "A", "B", 3 }, f)
        sys.publish("A", "a") sys.publish("B", "b") sys.publish(3, "3") sys.publish("C", "c")
        sys.taskInit(function()
            sys.wait(1)
            sys.unsubscribe({ "A", 3, "never" }, f)
            sys.publish("A", "a") sys.publish("B", "b") sys.publish(3, "3")
        end)
    ''')
    assert at(done, "told") == [(0, "a"), (0, "b"), (0, "3"), (1, "b")]


def test_unsubscribe_ends_it_and_does_nothing_for_strangers(virtual):
    """LuatOS sys.unsubscribe(id, f)."""
    done = virtual('''
        local function f() show("told", "f") end
        local function g() show("told", "g") end
        sys.subscribe("T", f) sys.subscribe("T", g)
        sys.unsubscribe("T", f)
        sys.unsubscribe("T", print)
        sys.unsubscribe("OTHER", g)
        sys.unsubscribe("T", nil)
        sys.unsubscribe(nil, g)
        sys.publish("T")
    ''')
    assert done.texts("told") == ["g"]


def test_a_subscriber_that_is_no_function_and_no_task_is_refused(virtual):
    """Here with a warning in the log; a module never calls it."""
    done = virtual('''
        sys.subscribe("T", nil) sys.subscribe("T", "f") sys.subscribe("T", setmetatable({}, { __call = print }))
        sys.subscribe(nil, print)
        sys.publish("T")
        sys.subscribe("T", function() show("told") end)
    ''')
    assert done.texts("told") == ["nothing"]
    assert [level for level, tag, _ in done.log if tag == "user.sys"] == ["W"] * 4


def test_who_subscribes_or_leaves_meanwhile_changes_nothing_for_the_topic_that_is_told(virtual):
    """LuatOS sys.lua:530-550: a copy of the subscribers is taken for every message."""
    done = virtual("sys/subscribers-come-and-go-while-a-topic-is-told")
    assert done.texts("told") == ["leaver", "left", "comer", "round 2", "comer", "came"]


def test_a_thousand_subscribers_that_come_and_go_keep_their_order(virtual):
    """Every second leaves, and comes back later: behind the others."""
    done = virtual("sys/subscribers-leave-and-come-back")
    assert done.texts("order") == ["1000 right", "500 right", "1000 right", "0 right"]


def test_a_subscribed_task_is_resumed_with_the_topic_and_the_arguments(virtual):
    """LuatOS sys.lua: subscribe(id, thread): resumed with the topic first, each time."""
    done = virtual('''
        local co = coroutine.create(function(...)
            show("told", ...)
            for i = 1, 2 do show("told", coroutine.yield()) end
        end)
        sys.subscribe("T", co)
        sys.publish("T", 1, 2) sys.publish("T") sys.publish("T", nil, 4)
    ''')
    assert done.texts("told") == ["T 1 2", "T", "T nil 4"]


# ---- waitUntil and its relatives -----------------------------------------------------------------


def test_wait_until_returns_true_and_the_arguments(virtual):
    """LuatOS sys.waitUntil: nils between arguments are kept, nils at the end are not (#)."""
    done = virtual('''
        sys.taskInit(function()
            show("got", sys.waitUntil("X"))
            show("got", sys.waitUntil("X", 1000))
            show("got", sys.waitUntil("X", 1000))
        end)
        sys.timerStart(sys.publish, 10, "X")
        sys.timerStart(sys.publish, 20, "X", 1, nil, 3)
        sys.timerStart(function() sys.publish("X", "a", nil, nil) end, 30)
    ''')
    assert at(done, "got") == [(10, "true"), (20, "true 1 nil 3"), (30, "true a")]


def test_wait_until_returns_false_when_its_time_is_over(virtual):
    """LuatOS sys.waitUntil: (false); with 0 ms at once."""
    done = virtual('''
        sys.taskInit(function()
            show("got", sys.waitUntil("X", 100))
            show("got", sys.waitUntil("X", 0))
            show("got", sys.waitUntil({ "X", "Y" }, 100))
            show("got", sys.waitUntil({}, 100))
        end)
    ''')
    assert at(done, "got") == [(100, "false"), (100, "false"), (200, "false"), (300, "false")]


def test_a_topic_that_was_published_before_the_wait_is_missed(virtual):
    """LuatOS sys.waitUntil subscribes when it is called; nothing is kept for later."""
    done = virtual('''
        sys.taskInit(function()
            sys.wait(10)
            show("got", sys.waitUntil("X", 100))
        end)
        sys.timerStart(sys.publish, 5, "X")
    ''')
    assert at(done, "got") == [(110, "false")]


def test_wait_until_takes_a_table_of_topics_and_leaves_all_of_them(virtual):
    """LuatOS sys.waitUntil: id may be a table; the first that comes ends it."""
    done = virtual('''
        sys.taskInit(function()
            show("got", sys.waitUntil({ "A", "B" }, 1000))
            show("got", sys.wait(1000))
        end)
        sys.timerStart(sys.publish, 10, "B", "b")
        sys.timerStart(sys.publish, 20, "A", "a")
        sys.timerStart(sys.publish, 30, "B", "again")
    ''')
    assert at(done, "got") == [(10, "true b"), (1010, "nothing")]


def test_wait_until_with_a_wrong_time_leaves_no_subscription(virtual):
    """The mistake is told before the task subscribes; it is not woken by the topic later."""
    done = virtual('''
        sys.taskInit(function()
            attempt("wrong", sys.waitUntil, "X", 1.5)
            attempt("wrong", sys.waitUntilExt, "X", "soon")
            sys.publish("X", 1)
            show("got", sys.wait(100))
        end)
    ''')
    assert [text.split()[0] for text in done.texts("wrong")] == ["false", "false"]
    assert at(done, "got") == [(100, "nothing")]


def test_every_waiting_task_is_woken(virtual):
    """LuatOS: a topic is for all its subscribers. A thousand of them, in order, and again."""
    done = virtual('''
        local order, right = 0, true
        for i = 1, 1000 do
            sys.taskInit(function()
                for round = 1, 3 do
                    sys.waitUntil("X")
                    order = order + 1
                    right = right and order == (round - 1) * 1000 + i
                end
            end)
        end
        sys.timerAdvStart(function() show("woken", order, right) sys.publish("X") end, 10, 4)
    ''')
    assert at(done, "woken") == [(10, "0 true"), (20, "1000 true"), (30, "2000 true"), (40, "3000 true")]


def test_wait_until_ext_returns_the_topic(virtual):
    """LuatOS sys.waitUntilExt: (id, arguments); false when the time is over."""
    done = virtual('''
        sys.taskInit(function()
            show("got", sys.waitUntilExt({ "A", "B" }, 1000))
            show("got", sys.waitUntilExt("A"))
            show("got", sys.waitUntilExt("A", 50))
        end)
        sys.timerStart(sys.publish, 10, "B", 1, nil, 2)
        sys.timerStart(sys.publish, 20, "A")
    ''')
    assert at(done, "got") == [(10, "B 1 nil 2"), (20, "A"), (70, "false")]


def test_wait_until_msg_returns_only_the_arguments(virtual):
    """LuatOS sys.waitUntilMsg(id): no time-out, no topic."""
    done = virtual('''
        sys.taskInit(function()
            show("got", sys.waitUntilMsg("A"))
            show("got", sys.waitUntilMsg("A"))
            show("got", sys.waitUntilMsg("never"))
        end)
        sys.timerStart(sys.publish, 10, "A", 1, nil, 2)
        sys.timerStart(sys.publish, 20, "A")
    ''')
    assert at(done, "got") == [(10, "1 nil 2"), (20, "nothing")]


def test_two_tasks_hand_a_topic_to_each_other(virtual):
    """Twenty thousand times, and no time goes by."""
    done = virtual('''
        local count = 0
        sys.taskInit(function() while true do sys.waitUntil("PING") count = count + 1 sys.publish("PONG", count) end end)
        sys.taskInit(function()
            local n = 0
            repeat
                sys.publish("PING")
                n = select(2, sys.waitUntil("PONG"))
            until n == 20000
            show("end", count, n)
        end)
    ''')
    assert at(done, "end") == [(0, "20000 20000")]


# ---- messages to tasks ---------------------------------------------------------------------------


def test_a_task_gets_the_messages_that_are_sent_to_it(virtual):
    """LuatOS sys.lua:716-921: four values; the message is their table."""
    done = virtual('''
        local co = sys.taskInitEx(function(...)
            show("args", ...)
            for i = 1, 3 do
                local msg = sys.waitMsg("me")
                show("got", msg[1], msg[2], msg[3], msg[4], msg[5])
            end
        end, "me", nil, "x", nil, "y")
        show("co", type(co))
        show("sent", sys.sendMsg("me", 1, nil, 3, 4, 5), sys.sendMsg("me"), sys_send("me", "event", 0))
    ''')
    assert done.texts("args") == ["x nil y"] and done.texts("co") == ["thread"]
    assert done.texts("sent") == ["true true true"]
    assert done.texts("got") == ["1 nil 3 4 nil", "nil nil nil nil nil", "event 0 nil nil nil"]


def test_a_message_to_nobody_is_false(virtual):
    """LuatOS sys.sendMsg and cleanMsg: false for a name that is not registered."""
    done = virtual('''
        show("nobody", sys.sendMsg("me", 1), sys.sendMsg(nil, 1), sys.cleanMsg("me"), sys.cleanMsg(nil))
        sys.taskInit(function() show("nobody", sys.waitMsg("me", nil, 100)) end)
    ''')
    assert at(done, "nobody") == [(0, "false false false false"), (0, "false")]
    assert [level for level, tag, _ in done.log if tag == "user.sys"] == ["E"]


def test_a_task_needs_a_name_to_get_messages(virtual):
    """LuatOS sys.taskInitEx: without a name an error in the log, and nil."""
    done = virtual('show("task", sys.taskInitEx(function() show("ran") end))\n')
    assert done.texts("task") == ["nil"] and done.texts("ran") == []
    assert [level for level, tag, _ in done.log if tag == "user.sys"] == ["E"]


def test_a_waiting_task_takes_its_target_and_the_rest_goes_to_the_callback(virtual):
    """LuatOS sys.waitMsg: other messages are given to the task's callback, and are gone."""
    done = virtual("sys/messages-that-nobody-waits-for-go-to-the-callback")
    assert at(done, "callback") == [(0, "noise 1"), (0, "noise 2"), (10, "noise 3"), (20, "noise 4")]
    assert at(done, "got") == [(0, "TARGET 1"), (20, "TARGET 2"), (20, "noise 5"), (120, "nil")]


def test_without_a_callback_other_messages_are_dropped(virtual):
    """LuatOS sys.waitMsg: the callback is called if it is a function."""
    done = virtual('''
        sys.taskInitEx(function()
            show("got", sys.waitMsg("me", "T")[2])
            show("got", sys.waitMsg("me", nil, 50))
        end, "me", "no function")
        sys.sendMsg("me", "X", 1) sys.sendMsg("me", "T", 2)
    ''')
    assert at(done, "got") == [(0, "2"), (50, "nil")]


def test_a_time_out_of_wait_msg_is_nil_and_counts_from_the_call(virtual):
    """LuatOS sys.lua:858-869: nil, not false; messages for the callback do not prolong it."""
    done = virtual('''
        sys.taskInitEx(function()
            show("got", sys.waitMsg("me", "T", 100))
            show("got", sys.waitMsg("me", nil, 100))
        end, "me", function(msg) show("callback", msg[1]) end)
        for i = 1, 3 do sys.timerStart(sys.sendMsg, i * 30 - 20, "me", i) end
    ''')
    assert at(done, "callback") == [(10, "1"), (40, "2"), (70, "3")]
    assert at(done, "got") == [(100, "nil"), (200, "nil")]


@pytest.mark.parametrize("ms", ["nil", "0"])
def test_wait_msg_with_nil_or_0_waits_for_ever(virtual, ms):
    """LuatOS sys.waitMsg: no time-out."""
    done = virtual(f'''
        sys.taskInitEx(function() show("got", sys.waitMsg("me", 1, {ms})[1]) end, "me")
        sys.timerStart(sys.sendMsg, 1000000, "me", 1)
    ''')
    assert at(done, "got") == [(1000000, "1")]


def test_no_message_is_lost_when_it_comes_with_the_time_out(virtual):
    """LuatOS sys.lua:827-860 removes the message and returns nil; not copied."""
    done = virtual("sys/a-message-comes-with-the-time-out")
    assert at(done, "got") == [(100, "before 1"), (300, "nil"), (300, "after 2"), (301, "nil")]


def test_messages_wait_while_their_task_waits_for_something_else(virtual):
    """LuatOS: a yield in another call leaves messages in the queue, and they do not wake it."""
    done = virtual('''
        sys.taskInitEx(function()
            show("got", sys.wait(100))
            for i = 1, 3 do show("got", sys.waitMsg("me", nil, 10)[1]) end
            show("got", sys.waitMsg("me", nil, 10))
        end, "me")
        for i = 1, 3 do sys.sendMsg("me", i) end
    ''')
    assert at(done, "got") == [(100, "nothing"), (100, "1"), (100, "2"), (100, "3"), (110, "nil")]


def test_a_callback_may_wait(virtual):
    """It runs in the task: neither a message nor the end of the time wakes what it waits for."""
    done = virtual("sys/a-callback-waits")
    assert at(done, "callback") == [(0, "noise"), (50, "nothing"), (50, "more"), (100, "nothing")]
    assert at(done, "got") == [(100, "TARGET"), (160, "nil"), (220, "TARGET")]


def test_a_message_is_also_a_topic_of_the_name_of_its_task(virtual):
    """LuatOS sys.sendMsg publishes the task's name."""
    done = virtual('''
        sys.taskInitEx(function() end, "me")
        sys.subscribe("me", function(...) show("topic", ...) end)
        sys.sendMsg("me", 1, 2)
    ''')
    assert done.texts("topic") == ["nothing"]


def test_clean_msg_empties_the_queue(virtual):
    """LuatOS sys.cleanMsg: true, and the messages are gone."""
    done = virtual('''
        sys.taskInitEx(function() sys.wait(10) show("got", sys.waitMsg("me", nil, 50)) end, "me")
        for i = 1, 100 do sys.sendMsg("me", i) end
        show("clean", sys.cleanMsg("me"))
    ''')
    assert done.texts("clean") == ["true"] and at(done, "got") == [(60, "nil")]


def test_task_del_ends_the_messages_and_not_the_task(virtual):
    """LuatOS sys.taskDel removes the record; the coroutine runs on."""
    done = virtual('''
        sys.taskInitEx(function() sys.wait(10) show("task", "runs", sys.waitMsg("me")) end, "me")
        show("del", sys.taskDel("me"))
        sys.taskDel("nobody") sys.taskDel(nil)
        show("sent", sys.sendMsg("me", 1))
    ''')
    assert done.texts("del") == ["nothing"] and done.texts("sent") == ["false"]
    assert at(done, "task") == [(10, "runs false")]


def test_a_name_that_is_used_again_belongs_to_the_new_task(virtual):
    """LuatOS sys.taskInitEx overwrites the record."""
    done = virtual('''
        sys.taskInitEx(function() show("first", sys.waitMsg("me", nil, 100)) end, "me")
        sys.taskInitEx(function() show("second", sys.waitMsg("me", nil, 100)[1]) end, "me")
        sys.sendMsg("me", 1)
    ''')
    assert at(done, "second") == [(0, "1")] and at(done, "first") == [(100, "nil")]


def test_task_cb_calls_the_callback_of_a_task(virtual):
    """LuatOS sys.taskCB(name, message); without a callback an error in the log."""
    done = virtual('''
        sys.taskInitEx(function() end, "with", function(msg) show("callback", msg[1]) end)
        sys.taskInitEx(function() end, "without")
        sys.taskCB("with", { "x" })
        sys.taskCB("without", { "y" }) sys.taskCB("nobody", { "z" })
    ''')
    assert done.texts("callback") == ["x"]
    assert [level for level, tag, _ in done.log if tag == "user.sys"] == ["E"] * 2


# ---- what C functions return that take time ------------------------------------------------------


def test_a_promise_waits_for_its_topic(virtual):
    """LuatOS luat_base.c:101-206, sys.lua:652-687: sys_cw(topic), index .wait and .cb."""
    done = virtual('''
        local topic = "\\1" .. string.pack("j", 1)
        local promise = sys_cw(topic)
        sys.taskInit(function() show("wait", promise.wait()) end)
        show("cb", promise.cb(function(...) show("cb", ...) end))
        show("other", promise.other, getmetatable(promise) == sys.cwaitMt)
        sys.timerStart(sys.publish, 10, topic, 200, nil, "body")
    ''')
    assert at(done, "wait") == [(10, "200 nil body")]
    assert at(done, "cb") == [(0, "nothing"), (10, "200 nil body")]
    assert done.texts("other") == ["nil true"]


def test_a_promise_with_values_is_kept_at_once(virtual):
    """LuatOS: when values were given at creation, both return them immediately."""
    done = virtual('''
        local promise = sys_cw(nil, -1, nil, "no memory", nil)
        show("wait", promise.wait())
        promise.cb(function(...) show("cb", ...) end)
    ''')
    assert at(done, "wait") == [(0, "-1 nil no memory nil")] and at(done, "cb") == at(done, "wait")


def test_a_promise_can_only_be_awaited_in_a_task(virtual):
    """LuatOS sys.waitUntilMsg: an error outside."""
    done = virtual('attempt("wait", sys_cw("x").wait)\n')
    assert "attempt to yield from outside a coroutine" in done.texts("wait")[0]


# ---- errors --------------------------------------------------------------------------------------


def test_an_error_in_a_task_is_logged_and_ends_the_vm_half_a_second_later(virtual):
    """LuatOS sys.lua:83-139: E/user.coroutine.resume message CR LF traceback; other tasks run on
    until a timer of 500 ms raises the error in the main loop."""
    done = virtual("sys/a-task-fails-while-others-run", code=1)
    (when, text), = at(done, "coroutine.resume")
    message = re.match(r"\S*a-task-fails-while-others-run\.lua:4: it broke\r\nstack traceback:\n", text)
    assert when == 100 and message, text
    assert at(done, "other") == [(100 * n, "ran") for n in range(1, 6)]
    ends = [(e["t_us"] / 1000, e["text"]) for e in done.events("log", tag="main", level="E")]
    assert [when for when, _ in ends] == [600] * 3
    assert ends[0][1] == "Luat: " and "Lua VM exit!! reboot in" in ends[2][1]
    assert re.match(r"\S*a-task-fails-while-others-run\.lua:4: it broke\n", ends[1][1])


def test_the_first_of_several_errors_ends_the_vm(virtual):
    """Every one is logged; a later one does not put the end off."""
    done = virtual('''
        for i = 1, 8 do sys.taskInit(function() sys.wait(i * 100) error("same", 0) end) end
    ''', code=1)
    assert [when for when, _ in at(done, "coroutine.resume")] == [100, 200, 300, 400, 500, 600]
    assert done.events("exit")[0]["t_us"] == 600000


def test_without_roll_back_the_module_is_restarted_at_once(virtual):
    """LuatOS sys.lua: COROUTINE_ERROR_ROLL_BACK false, COROUTINE_ERROR_RESTART true: rtos.reboot()."""
    done = virtual('''
        COROUTINE_ERROR_ROLL_BACK = false
        sys.taskInit(function() sys.wait(10) error("it broke") end)
        sys.timerLoopStart(function() show("ran") end, 10)
    ''', code=1)
    assert len(done.texts("coroutine.resume")) == 1 and done.texts("ran") == []
    assert "reboot" in done.stderr
    assert done.events("exit")[0]["t_us"] == 10000


def test_without_both_an_error_is_only_logged(virtual):
    """LuatOS sys.lua: both false: the other tasks run on."""
    done = virtual('''
        COROUTINE_ERROR_ROLL_BACK, COROUTINE_ERROR_RESTART = false, false
        sys.taskInit(function() error("one") end)
        sys.taskInit(function() sys.waitUntil("X") error("two") end)
        sys.taskInit(function() sys.wait(10) sys.publish("X") sys.wait(1000) show("end") end)
    ''')
    assert [when for when, _ in at(done, "coroutine.resume")] == [0, 10]
    assert at(done, "end") == [(1010, "nothing")]


@pytest.mark.parametrize("value, text", [
    ("{}", "table: "), ("nil", "nil"), ("42", "42"), ("true", "true"), ("print", "function: "),
    ("setmetatable({}, { __tostring = function() return 'my error' end })", "my error"),
    ("setmetatable({}, { __tostring = function() error('again') end })", "(table)"),
    ("zbuff.create(8)", "ZBUFF*: ")])
def test_an_error_that_is_no_string_is_told_as_text(virtual, value, text):
    """LuatOS breaks over it in its logger and ends at once; not copied."""
    done = virtual(f'''
        sys.taskInit(function() sys.wait(10) error({value}) end)
    ''', code=1)
    (when, logged), = at(done, "coroutine.resume")
    assert when == 10 and logged.startswith(text), logged
    assert done.events("exit")[0]["t_us"] == 510000
    assert done.firmware("main")[-2].startswith(text)


@pytest.mark.parametrize("how", [
    'sys.subscribe("X", fails) sys.publish("X")',
    'sys.subscribe("X", print) sys.subscribe("X", fails) sys.publish("X", 1)',
    "sys.timerStart(fails, 1)",
    "sys.timerLoopStart(fails, 1, 1)"])
def test_an_error_in_a_function_of_the_main_loop_ends_the_vm_at_once(virtual, how):
    """LuatOS: subscribers and timer functions run unprotected in the main coroutine."""
    done = virtual(f'''
        local function fails() error("it broke") end
        sys.timerStart(function() show("ran") end, 100)
        {how}
    ''', code=1)
    assert done.texts("coroutine.resume") == [] and done.texts("ran") == []
    assert re.match(r"\S*main\.lua:2: it broke\n", done.firmware("main")[-2])
    assert re.match(r"luatos-emu: \S*main\.lua:2: it broke ", done.stderr)


def test_a_script_may_run_the_loop_itself_and_survive_errors(virtual):
    """LuatOS sys.safeRun is one turn of sys.run; what was published behind the error is not lost."""
    done = virtual('''
        sys.subscribe("X", function(n) if n == 2 then error("two") end show("told", n) end)
        for n = 1, 3 do sys.publish("X", n) end
        sys.timerStart(show, 10, "told", "timer")
        attempt("turn", sys.safeRun)
        attempt("turn", sys.safeRun)
        show("turn", "end")
    ''')
    assert done.texts("turn")[0].startswith("false ") and done.texts("turn")[1:] == ["true", "end"]
    assert at(done, "told") == [(0, "1"), (0, "3"), (10, "timer")]


@pytest.mark.parametrize("place", [
    "os.exit(7)", "pcall(os.exit, 7)", "sys.taskInit(os.exit, 7)",
    "coroutine.wrap(function() pcall(function() sys.taskInit(function() os.exit(7) end) end) end)()"])
def test_os_exit_in_a_task_ends_the_run_and_is_no_error(virtual, place):
    """LuatOS os.exit(code): the process ends there; no line of the script runs after it."""
    done = virtual(f'''
        sys.taskInit(function() sys.wait(10) {place} show("after") end)
    ''', code=7)
    assert done.texts("after") == [] and done.texts("coroutine.resume") == []


def test_os_exit_in_the_task_that_a_topic_wakes_ends_the_run(virtual):
    """Through publish, waitUntil, waitMsg and its callback alike."""
    for body in ('sys.waitUntil("X")', 'sys.waitMsg("me", "T")'):
        done = virtual(f'''
            sys.taskInitEx(function() {body} os.exit(7) end, "me", function() os.exit(7) end)
            sys.timerStart(function() sys.publish("X") sys.sendMsg("me", 1) end, 10)
        ''', code=7)
        assert done.texts("coroutine.resume") == []


def test_a_task_that_ended_and_is_still_subscribed_is_told_of_in_the_log(virtual):
    """LuatOS: a dead coroutine is resumed: an error as any other."""
    done = virtual('''
        sys.subscribe("X", sys.taskInit(function() end))
        sys.timerStart(sys.publish, 10, "X")
    ''', code=1)
    assert at(done, "coroutine.resume")[0][0] == 10
    assert done.texts("coroutine.resume")[0].startswith("cannot resume dead coroutine")


# ---- the whole -----------------------------------------------------------------------------------


def test_equal_runs_are_equal(virtual):
    """Virtual time and a seed: tasks, timers, topics with many subscribers; to the last byte."""
    script = "sys/a-day-in-the-life"
    first, second = virtual(script), virtual(script)
    assert first.stdout == second.stdout and first.trace == second.trace
    assert len(first.texts("day")) > 100


def test_everything_survives_a_collector_that_always_runs(virtual):
    """--gc-stress: nothing that sys needs is only held by what the collector may take."""
    calm, stressed = virtual("sys/a-day-in-the-life"), virtual("sys/a-day-in-the-life", "--gc-stress")

    def lines(done):
        """Without the order of hashes: a key that is a table goes by its address."""
        return [text for text in done.texts("day") if len(text.split()) > 2]

    assert len(lines(calm)) > 100
    assert lines(stressed) == lines(calm)
