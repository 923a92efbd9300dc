-- A task waits for one kind of message; the others go to its callback, queued before or coming later.
local function task()
    local function got(msg)
        log.info("got", msg and msg[1] .. " " .. msg[2])
    end

    sys.sendMsg("me", "noise", 1)
    sys.sendMsg("me", "noise", 2)
    sys.sendMsg("me", "TARGET", 1)
    got(sys.waitMsg("me", "TARGET"))
    got(sys.waitMsg("me", "TARGET", 1000))
    got(sys.waitMsg("me"))
    got(sys.waitMsg("me", nil, 100))
end

sys.taskInitEx(task, "me", function(msg)
    log.info("callback", msg[1], msg[2])
end)
sys.timerStart(sys.sendMsg, 10, "me", "noise", 3)
sys.timerStart(function()
    sys.sendMsg("me", "noise", 4)
    sys.sendMsg("me", "TARGET", 2)
    sys.sendMsg("me", "noise", 5)
end, 20)
sys.run()
