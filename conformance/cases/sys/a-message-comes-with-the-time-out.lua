-- A message is sent in the millisecond in which the wait for it ends: just before, then just after.
local function got(msg)
    log.info("got", msg and msg[1] .. " " .. msg[2])
end

sys.timerStart(sys.sendMsg, 100, "me", "before", 1) -- set before the task's own timer
sys.taskInitEx(function()
    got(sys.waitMsg("me", nil, 100))
    sys.wait(100)
    sys.timerStart(function() -- at 200 ms
        sys.timerStart(sys.sendMsg, 50, "me", "after", 2)
    end, 50)
    got(sys.waitMsg("me", nil, 100)) -- at 300 ms the task's timer is first
    got(sys.waitMsg("me", nil, 1))
    got(sys.waitMsg("me", nil, 1))
end, "me")
sys.run()
