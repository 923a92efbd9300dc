-- Tasks, timers, topics and messages of every kind at once, with times from math.random.
local function say(...)
    log.info("day", mcu.ticks(), ...)
end

for i = 1, 10 do
    sys.taskInit(function()
        while true do
            sys.wait(math.random(20))
            sys.publish("TICK", i)
            if i % 3 == 0 then
                sys.sendMsg("worker" .. i % 2, "job", i)
            end
        end
    end)
end

for i = 1, 3 do
    sys.subscribe("TICK", function(from)
        if from == i then
            say("function", i)
        end
    end)
    sys.taskInit(function()
        while true do
            local ok, from = sys.waitUntil("TICK", math.random(5))
            say("listener", i, ok, from)
        end
    end)
end

for i = 0, 1 do
    local name = "worker" .. i
    sys.taskInitEx(function()
        while true do
            local msg = sys.waitMsg(name, "job", 15)
            say(name, msg and msg[2])
        end
    end, name, function(msg)
        say(name, "other", msg[1])
    end)
end

sys.timerLoopStart(function()
    sys.sendMsg("worker" .. math.random(0, 1), "noise")
    for name, value in pairs({ a = 1, b = 2, [print] = 3, [{}] = 4 }) do
        say(value)
    end
end, 10)
sys.timerStart(os.exit, 200, 0)
sys.run()
