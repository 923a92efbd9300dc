-- sys: LuatOS's scheduler: tasks, timers, topics and the loop that feeds them from rtos.receive().
--
-- A task is a coroutine. It sleeps until its timer's message comes (wait), until a topic it
-- subscribed to is delivered (waitUntil), or until it is sent a message (waitMsg). Nothing on that
-- path makes a table. Where LuatOS leaves an order open (subscribers are called in the order of
-- hashes), it is the order of subscription, so that equal runs are equal.

local rtos, log = rtos, log
local create, resume = coroutine.create, coroutine.resume
local running, yield = coroutine.running, coroutine.yield
local error, getmetatable, next, pairs, pcall = error, debug.getmetatable, next, pairs, pcall
local rawequal, select, setmetatable, tonumber, tostring, type =
    rawequal, select, setmetatable, tonumber, tostring, type
local getinfo, traceback = debug.getinfo, debug.traceback
local format = string.format
local math_type, tointeger = math.type, math.tointeger
local move, unpack = table.move, table.unpack
local timer_start, timer_stop, receive = rtos.timer_start, rtos.timer_stop, rtos.receive
local MSG_TIMER, INF_TIMEOUT = rtos.MSG_TIMER, rtos.INF_TIMEOUT

-- A module's numbers for timers: below, tasks that wait; above, functions.
local TASK_TIMER_MAX = 0x1FFFFE
local FUNCTION_TIMER_MIN = 0x200000
local FUNCTION_TIMER_MAX = 0x7FFFFF

local ROLL_BACK_MS = 500
local QUEUE_MIN = 16 -- places, a power of two
local QUEUE_KEPT_MAX = 4096
local GAPS_KEPT_MAX = 32
local STRINGS = getmetatable("") -- what has it is a string, and that is cheaper than type()

local sys = {}

_G.SCRIPT_LIB_VER = "2.3.2" -- of the LuatOS whose behaviour this is
_G.COROUTINE_ERROR_ROLL_BACK = true
_G.COROUTINE_ERROR_RESTART = true

-- ---- errors ------------------------------------------------------------------------------------

-- Raise at the line of the user's script that led here: the innermost one outside our own Lua.
local function fail(text)
    local level = 2
    local place = getinfo(level, "Sl")

    while place and (place.currentline < 0 or place.source:sub(1, 6) == "@/lua/") do
        level = level + 1
        place = getinfo(level, "Sl")
    end
    if place then
        text = format("%s:%d: %s", place.short_src, place.currentline, text)
    end
    error(text, 0)
end

local function text_of(err)
    local ok, text = pcall(tostring, err)

    return ok and text or format("(%s)", type(err))
end

-- ---- timers of functions -----------------------------------------------------------------------

-- A timer is { arg1, arg2, ..., count = arguments, fn =, id =, next = }. They are found by id and,
-- as starting one stops its equal, by function and first argument: timers_of[fn][first] is a chain.
local timers = {}
local timers_of = {}
local last_timer_id = FUNCTION_TIMER_MIN - 1
local NO_ARGUMENT, NIL_ARGUMENT, NAN_ARGUMENT = {}, {}, {} -- keys for firsts that can't be keys

local function first_key(count, first)
    if count == 0 then
        return NO_ARGUMENT
    elseif first == nil then
        return NIL_ARGUMENT
    elseif first ~= first then
        return NAN_ARGUMENT
    end
    return first
end

-- Arguments end at the last that is not nil, as in LuatOS, which counts them by #.
local function count_arguments(...)
    local count = select("#", ...)

    while count > 0 and (select(count, ...)) == nil do
        count = count - 1
    end
    return count
end

local function has_arguments(timer, count, ...)
    if timer.count ~= count then
        return false
    end
    for i = 1, count do
        if not rawequal(timer[i], (select(i, ...))) then
            return false
        end
    end
    return true
end

local function find_timer(fn, ...)
    local chains = timers_of[fn]

    if not chains then
        return nil
    end
    local count = count_arguments(...)
    local timer = chains[first_key(count, (...))]
    while timer and not has_arguments(timer, count, ...) do
        timer = timer.next
    end
    return timer
end

local function add_timer(timer)
    local chains = timers_of[timer.fn]
    local key = first_key(timer.count, timer[1])

    if not chains then
        chains = {}
        timers_of[timer.fn] = chains
    end
    timer.next = chains[key]
    chains[key] = timer
    timers[timer.id] = timer
end

local function remove_timer(timer)
    local chains = timers_of[timer.fn]
    local key = first_key(timer.count, timer[1])
    local before = chains[key]

    timers[timer.id] = nil
    if before == timer then
        chains[key] = timer.next
        if not next(chains) then
            timers_of[timer.fn] = nil
        end
        return
    end
    while before.next ~= timer do
        before = before.next
    end
    before.next = timer.next
end

local function stop_timer(timer)
    if timer then
        timer_stop(timer.id)
        remove_timer(timer)
    end
end

local function new_timer_id()
    repeat
        last_timer_id = last_timer_id < FUNCTION_TIMER_MAX and last_timer_id + 1
            or FUNCTION_TIMER_MIN
    until not timers[last_timer_id]
    return last_timer_id
end

-- What rtos.timer_start() takes, or an error at the script's line.
local function to_integer(value, name)
    if math_type(value) == "integer" then
        return value
    end
    local number = tonumber(value)
    if not number then
        fail(format("bad argument to '%s' (number expected, got %s)", name, type(value)))
    end
    return tointeger(number)
        or fail(format("bad argument to '%s' (number has no integer representation)", name))
end

-- times: how often, 0 is once, -1 is for ever. Its id; nil, and a line in the log, without a timer.
function sys.timerAdvStart(fn, ms, times, ...)
    ms = to_integer(ms, "timerStart")
    times = to_integer(times or 0, "timerAdvStart")
    if fn == nil then
        log.error("sys", "timerStart without a function")
        return nil
    end
    stop_timer(find_timer(fn, ...))
    local id = new_timer_id()
    if timer_start(id, ms, times) ~= 1 then
        log.error("sys", "can't start a timer of", ms, "ms")
        return nil
    end
    local timer = { ... }
    timer.count, timer.fn, timer.id = count_arguments(...), fn, id
    add_timer(timer)
    return id
end

function sys.timerStart(fn, ms, ...)
    return sys.timerAdvStart(fn, ms, 0, ...)
end

function sys.timerLoopStart(fn, ms, ...)
    return sys.timerAdvStart(fn, ms, -1, ...)
end

-- By id, or by function and arguments.
function sys.timerStop(what, ...)
    if type(what) == "number" then
        stop_timer(timers[what])
    else
        stop_timer(find_timer(what, ...))
    end
end

function sys.timerStopAll(fn)
    local chains = timers_of[fn]

    if not chains then
        return
    end
    timers_of[fn] = nil
    for _, timer in pairs(chains) do
        while timer do
            timer_stop(timer.id)
            timers[timer.id] = nil
            timer = timer.next
        end
    end
end

-- By id: its function; by function and arguments: true. nil when there is none.
function sys.timerIsActive(what, ...)
    if type(what) == "number" then
        local timer = timers[what]

        return timer and timer.fn
    end
    return find_timer(what, ...) and true
end

-- ---- tasks ---------------------------------------------------------------------------------------

local is_rolling_back = false

local function roll_back(text)
    is_rolling_back = false
    error(text, 0)
end

-- A task ended by an error. The first of them ends the VM, half a second later.
local function on_task_error(co, err)
    if type(err) == "userdata" and not getmetatable(err) then -- the VM is being stopped: unwind
        error(err, 0)
    end
    local text = text_of(err)
    log.error("coroutine.resume", text .. "\r\n" .. traceback(co))
    if _G.COROUTINE_ERROR_ROLL_BACK then
        if not is_rolling_back then
            is_rolling_back = true
            if not sys.timerAdvStart(roll_back, ROLL_BACK_MS, 0, text) then
                roll_back(text)
            end
        end
    elseif _G.COROUTINE_ERROR_RESTART then
        rtos.reboot(1) -- the script has failed
    end
end

local function resumed(co, ok, ...)
    if not ok then
        on_task_error(co, (...))
    end
    return ok, ...
end

-- As coroutine.resume, and an error is told and has its consequences.
function sys.coresume(co, ...)
    return resumed(co, resume(co, ...))
end

function sys.check_task()
    local co, is_main = running()

    if is_main then
        fail(traceback("attempt to yield from outside a coroutine", 2))
    end
    return co
end

local check_task = sys.check_task

-- Runs at once, up to its first wait.
function sys.taskInit(fn, ...)
    if type(fn) ~= "function" then
        fail(format("bad argument #1 to 'taskInit' (function expected, got %s)", type(fn)))
    end
    local co = create(fn)
    resumed(co, resume(co, ...))
    return co
end

-- ---- sleeping ------------------------------------------------------------------------------------

-- sleeping[id] is the task that timer id will wake. An id whose message has come is free, and used
-- again first. One whose timer was stopped may still have its message in the queue, so it stays
-- unused until the numbers have gone round.
local sleeping = {}
local free_ids, free_count = {}, 0
local last_sleep_id = 0
local checked_ms = 1 -- the last that was found to be an integer

local function to_ms(ms)
    if ms ~= checked_ms then
        checked_ms = to_integer(ms, "wait")
    end
    return checked_ms
end

local function new_sleep_id()
    if free_count > 0 then
        free_count = free_count - 1
        return free_ids[free_count + 1]
    end
    repeat
        last_sleep_id = last_sleep_id < TASK_TIMER_MAX and last_sleep_id + 1 or 1
    until not sleeping[last_sleep_id]
    return last_sleep_id
end

local function free_sleep_id(id)
    free_count = free_count + 1
    free_ids[free_count] = id
end

local function woken(id, ...)
    if sleeping[id] then -- by something else than its timer
        sleeping[id] = nil
        timer_stop(id)
    end
    return ...
end

-- Nothing when the time is over, or at once without a timer (0 ms); what the task was resumed with
-- when that came first.
function sys.wait(ms)
    local co, is_main = running()

    if is_main then
        check_task()
    end
    if ms ~= checked_ms then
        ms = to_ms(ms)
    end
    local id = new_sleep_id()
    if timer_start(id, ms) ~= 1 then
        free_sleep_id(id)
        return log.debug("rtos.timer_start error")
    end
    sleeping[id] = co
    return woken(id, yield())
end

local sleep = sys.wait

-- ---- topics --------------------------------------------------------------------------------------

-- A topic that only one task waits for, the common case, is in lone_task. Else its subscriber is in
-- others: a function, or, of several, a list: list[i] in the order of subscription, false where one
-- has left, list[subscriber] = i. A topic is never in both.
local lone_task, others = {}, {}

local function subscribe(topic, who)
    local present = lone_task[topic] or others[topic]

    if present == nil then
        if topic == nil then
            fail("a topic is nil")
        elseif type(who) == "thread" then
            lone_task[topic] = who
        else
            others[topic] = who
        end
    elseif present == who then
        return
    elseif type(present) ~= "table" then
        lone_task[topic] = nil
        others[topic] = { present, who, [present] = 1, [who] = 2, count = 2, top = 2 }
    elseif not present[who] then
        local top = present.top + 1

        present[top], present[who], present.top = who, top, top
        present.count = present.count + 1
    end
end

local function close_gaps(list)
    local top = 0

    for i = 1, list.top do
        local who = list[i]

        list[i] = nil
        if who then
            top = top + 1
            list[top], list[who] = who, top
        end
    end
    list.top = top
end

local function unsubscribe(topic, who)
    local present = others[topic]

    if lone_task[topic] == who then
        lone_task[topic] = nil
    elseif present == who then
        others[topic] = nil
    elseif type(present) == "table" and present[who] then
        present[present[who]] = false
        present[who] = nil
        present.count = present.count - 1
        if present.count == 0 then
            others[topic] = nil
        elseif present.top - present.count > present.count + GAPS_KEPT_MAX then
            close_gaps(present)
        end
    end
end

local function for_topics(change, topics, who)
    if type(topics) ~= "table" then
        return change(topics, who)
    end
    for _, topic in pairs(topics) do
        change(topic, who)
    end
end

-- topics: one, or a table of them. Subscribing again changes nothing.
function sys.subscribe(topics, who)
    local kind = type(who)

    if topics == nil or kind ~= "function" and kind ~= "thread" then
        return log.warn("sys", "subscribe", topics, "takes a function or a task, got", kind)
    end
    return for_topics(subscribe, topics, who)
end

function sys.unsubscribe(topics, who)
    if topics ~= nil and who ~= nil then
        return for_topics(unsubscribe, topics, who)
    end
end

-- What is published and not delivered yet: a ring. topics[i] was published with messages[i], which is
-- { count, arg1, arg2, ... }, or false: with nothing. oldest and newest only grow.
local topics, messages, mask = {}, {}, QUEUE_MIN - 1
local oldest, newest = 0, 0

local function grow_queue(to)
    local old_topics, old_messages, old_mask = topics, messages, mask

    topics, messages, mask = {}, {}, old_mask * 2 + 1
    for i = oldest, to - 1 do
        topics[i & mask], messages[i & mask] = old_topics[i & old_mask], old_messages[i & old_mask]
    end
end

function sys.publish(topic, ...)
    local count = select("#", ...)
    local message = false

    if count > 0 then
        message = { count, ... }
        while count > 0 and message[count + 1] == nil do
            count = count - 1
        end
        message[1] = count
    end
    local at = newest
    newest = at + 1
    if at - oldest > mask then
        grow_queue(at)
    end
    at = at & mask
    topics[at], messages[at] = topic, message
end

local function tell_task(co, topic, message)
    local ok, err

    if message then
        ok, err = resume(co, topic, unpack(message, 2, message[1] + 1))
    else
        ok, err = resume(co, topic)
    end
    if not ok then
        on_task_error(co, err)
    end
end

local function tell(who, topic, message)
    if type(who) == "thread" then
        tell_task(who, topic, message)
    elseif message then
        who(unpack(message, 2, message[1] + 1))
    else
        who()
    end
end

-- Those who subscribe or leave meanwhile make no difference to a message that is being delivered.
local function tell_all(list, topic, message)
    local now = move(list, 1, list.top, 1, {})

    for i = 1, #now do
        if now[i] then
            tell(now[i], topic, message)
        end
    end
end

-- Until nothing is left, what is published meanwhile included. An error leaves the rest in place.
local function dispatch()
    while oldest ~= newest do
        local next_one = oldest
        local at = next_one & mask
        local topic, message = topics[at], messages[at]
        local co = lone_task[topic]

        oldest = next_one + 1
        messages[at] = false
        if co then
            tell_task(co, topic, message)
        else
            local other = others[topic]

            if type(other) == "table" then
                tell_all(other, topic, message)
            elseif other then
                tell(other, topic, message)
            end
        end
    end
    if mask > QUEUE_KEPT_MAX then -- that was a burst
        topics, messages, mask = {}, {}, QUEUE_MIN - 1
    end
end

-- topics: a topic or a table of them.
local function subscribe_task(topics, co)
    if getmetatable(topics) == STRINGS and not lone_task[topics] and not others[topics] then
        lone_task[topics] = co
    else
        for_topics(subscribe, topics, co)
    end
end

local function unsubscribe_task(topics, co)
    if lone_task[topics] == co then
        lone_task[topics] = nil
    else
        for_topics(unsubscribe, topics, co)
    end
end

local function until_flag(ids, co, topic, ...)
    unsubscribe_task(ids, co)
    if topic == nil then
        return false
    end
    return true, ...
end

local function until_topic(ids, co, topic, ...)
    unsubscribe_task(ids, co)
    if topic == nil then
        return false
    end
    return topic, ...
end

local function until_message(ids, co, _, ...)
    unsubscribe_task(ids, co)
    return ...
end

-- true and what it was published with; false after ms.
function sys.waitUntil(ids, ms)
    local co, is_main = running()

    if is_main then
        check_task()
    end
    ms = ms and to_ms(ms)
    subscribe_task(ids, co)
    if ms then
        return until_flag(ids, co, sleep(ms))
    end
    return until_flag(ids, co, yield())
end

-- The same with the topic instead of true.
function sys.waitUntilExt(ids, ms)
    local co = check_task()

    ms = ms and to_ms(ms)
    subscribe_task(ids, co)
    if ms then
        return until_topic(ids, co, sleep(ms))
    end
    return until_topic(ids, co, yield())
end

-- Only what it was published with, however long that takes.
function sys.waitUntilMsg(ids)
    local co = check_task()

    subscribe_task(ids, co)
    return until_message(ids, co, yield())
end

-- ---- messages to tasks ---------------------------------------------------------------------------

-- inboxes[name] is { cb = what gets messages nobody waits for, first =, last =, [i] = message }.
local inboxes = {}

function sys.taskInitEx(fn, name, cb, ...)
    if name == nil then
        log.error("sys", "taskInitEx without a task name")
        return nil
    end
    inboxes[name] = { cb = cb, first = 1, last = 0 }
    return sys.taskInit(fn, ...)
end

-- Its messages; the coroutine runs on.
function sys.taskDel(name)
    if name ~= nil then
        inboxes[name] = nil
    end
end

-- The task is told by a topic of its name.
function sys.sendMsg(name, p1, p2, p3, p4)
    local inbox = inboxes[name]

    if not inbox then
        return false
    end
    inbox.last = inbox.last + 1
    inbox[inbox.last] = { p1, p2, p3, p4 }
    sys.publish(name)
    return true
end

local function take(inbox)
    local first = inbox.first
    local message = inbox[first]

    if not message then
        return nil
    end
    inbox[first] = nil
    if first == inbox.last then
        inbox.first, inbox.last = 1, 0
    else
        inbox.first = first + 1
    end
    return message
end

function sys.cleanMsg(name)
    local inbox = inboxes[name]

    if not inbox then
        return false
    end
    repeat until not take(inbox)
    return true
end

-- A message that nobody waits for.
function sys.taskCB(name, message)
    local inbox = inboxes[name]

    if inbox and type(inbox.cb) == "function" then
        return inbox.cb(message)
    end
    log.error("sys", "nobody takes a message to the task", name)
end

-- The next message whose first value is target (nil: any); the rest goes to the callback.
local function take_target(inbox, target)
    local message = take(inbox)

    while message and target ~= nil and message[1] ~= target do
        if type(inbox.cb) == "function" then
            inbox.cb(message)
        end
        message = take(inbox)
    end
    return message
end

local function on_deadline(wait)
    wait.is_over = true
    if wait.is_blocked then
        sys.coresume(wait.co)
    end
end

-- The message; nil after ms (nil or 0: never); false, and a line in the log, without such a task.
-- A message that comes with the time-out is returned.
function sys.waitMsg(name, target, ms)
    local inbox = inboxes[name]

    if not inbox then
        log.error("sys", "waitMsg: there is no task", name)
        return false
    end
    local message = take_target(inbox, target)
    if message then
        return message
    end
    local wait = { co = check_task() }
    local timer = ms and ms ~= 0 and sys.timerStart(on_deadline, to_ms(ms), wait)
    repeat
        subscribe(name, wait.co)
        wait.is_blocked = true
        yield()
        wait.is_blocked = false -- the callback may block in something else
        unsubscribe(name, wait.co)
        message = take_target(inbox, target)
    until message or wait.is_over
    if timer then
        sys.timerStop(timer)
    end
    return message
end

-- ---- what C functions return that take time ------------------------------------------------------

local function await(promise)
    if promise.count > 0 then
        return unpack(promise, 1, promise.count)
    end
    return sys.waitUntilMsg(promise.topic)
end

-- promise.wait() blocks the task until the topic of the promise is published, and returns what with;
-- promise.cb(fn) calls fn with it in a task of its own.
sys.cwaitMt = {
    __index = function(promise, key)
        if key == "wait" then
            return function()
                return await(promise)
            end
        elseif key == "cb" then
            return function(fn)
                sys.taskInit(function()
                    fn(await(promise))
                end)
            end
        end
    end,
}

-- With values the promise is already kept.
function _G.sys_cw(topic, ...)
    return setmetatable({ topic = topic, count = select("#", ...), ... }, sys.cwaitMt)
end

-- ---- the loop ------------------------------------------------------------------------------------

local function on_function_timer(id, left)
    local timer = timers[id]

    if not timer then -- it was stopped when its message was under way
        return
    end
    if left == 0 then
        remove_timer(timer)
    end
    timer.fn(unpack(timer, 1, timer.count))
end

-- One message from the firmware, after everything that is published.
local function turn()
    if oldest ~= newest then
        dispatch()
    end
    local kind, id, left = receive(INF_TIMEOUT)
    if kind ~= MSG_TIMER then
        return
    end
    local co = sleeping[id]
    if not co then
        return on_function_timer(id, left)
    end
    sleeping[id] = nil
    free_count = free_count + 1
    free_ids[free_count] = id
    local ok, err = resume(co)
    if not ok then
        on_task_error(co, err)
    end
end

sys.safeRun = turn

function sys.run()
    while true do
        turn()
    end
end

_G.sys_pub = sys.publish
_G.sys_send = sys.sendMsg
_G.sys_wait = sys.waitMsg

return sys
