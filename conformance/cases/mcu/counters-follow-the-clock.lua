-- The counters of mcu show how long ago the module was started.
local function show(when)
    log.info(when, mcu.ticks())
    for mode = 0, 2 do
        log.info(when, mcu.ticks2(mode))
    end
    log.info(when, (string.unpack("=I8", (mcu.tick64()))))
end

assert(select("#", mcu.ticks2()) == 2 and mcu.ticks2(nil) == mcu.ticks2(0))
sys.taskInit(function()
    show("boot")
    sys.wait(1500)
    show("1.5 s")
    sys.wait(2000000000)
    show("2000001.5 s")
    log.info("none", select("#", mcu.ticks2(3)) + select("#", mcu.ticks2(-1)))
    os.exit(0)
end)
sys.run()
