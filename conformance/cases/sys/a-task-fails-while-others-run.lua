-- A task raises an error at 100 ms; another says every 100 ms that it runs.
sys.taskInit(function()
    sys.wait(100)
    error("it broke")
end)
sys.timerLoopStart(log.info, 100, "other", "ran")
sys.run()
