-- The callback of a task sleeps while messages come and while the time of the wait runs out.
sys.taskInitEx(function()
    sys.sendMsg("me", "noise")
    log.info("got", sys.waitMsg("me", "TARGET", 1000)[1])
    sys.timerStart(sys.sendMsg, 10, "me", "late")
    log.info("got", sys.waitMsg("me", "TARGET", 30))
    sys.timerStart(sys.sendMsg, 10, "me", "late")
    sys.timerStart(sys.sendMsg, 20, "me", "TARGET") -- the time is over, the callback still waits
    log.info("got", sys.waitMsg("me", "TARGET", 15)[1])
end, "me", function(msg)
    if msg[1] == "late" then
        sys.wait(50) -- beyond the end of the wait
        return
    end
    log.info("callback", msg[1])
    local woken = table.pack(sys.wait(50))
    log.info("callback", woken.n == 0 and "nothing" or woken[1])
end)
sys.timerStart(sys.sendMsg, 10, "me", "more")
sys.timerStart(sys.sendMsg, 20, "me", "TARGET")
sys.run()
