-- Calling os.exit in a protected call, in a coroutine, in a timer's callback ends the run.

local function try_to_catch(f, ...)
    log.info("caught", pcall(f, ...))
end

sys.timerStart(function()
    try_to_catch(function()
        local co = coroutine.create(function()
            try_to_catch(os.exit, 9)
        end)
        log.info("caught", coroutine.resume(co))
        log.info("caught", xpcall(os.exit, debug.traceback, 10))
    end)
    log.info("caught", "the timer goes on")
end, 10)

sys.run()
