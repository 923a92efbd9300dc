-- Tasks that sleep different times wake when theirs is over, equal ones in the order they went to sleep.
local function sleeper(name, ms, times)
    for _ = 1, times do
        sys.wait(ms)
        log.info("woke", name)
    end
end

sys.taskInit(sleeper, "a", 3, 1)
sys.taskInit(sleeper, "b", 2, 3)
sys.taskInit(sleeper, "c", 1, 1)
sys.taskInit(sleeper, "d", 2, 3)
sys.run()
