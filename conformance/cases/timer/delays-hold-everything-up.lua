-- While a delay of the timer library lasts no timer fires and no task runs.
local function blocked(name, ...)
    local before = string.unpack("=I8", (mcu.tick64()))
    local results = select("#", timer[name](...))
    local us = string.unpack("=I8", (mcu.tick64())) - before
    log.info(name, (results == 0 and "nothing" or "something") .. ", " .. us .. " us later")
end

sys.timerStart(function()
    log.info("timer", mcu.ticks() .. " ms")
    os.exit(0)
end, 10)
sys.taskInit(function()
    blocked("mdelay", 1023)
    blocked("udelay", 3000)
end)
sys.run()
