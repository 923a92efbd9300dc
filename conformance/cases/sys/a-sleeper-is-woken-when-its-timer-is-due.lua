-- A topic wakes a task in the very millisecond its timer ran out, and others sleep right after.
sys.timerStart(sys.publish, 10, "X")

sys.taskInit(function()
    log.info("woke", "first", (sys.waitUntil("X", 10))) -- its timer's message is next in the queue
    sys.taskInit(function()
        sys.wait(50)
        log.info("woke", "second")
    end)
    sys.wait(100)
    log.info("woke", "first again")
end)
sys.run()
