-- Ten thousand tasks sleep a millisecond each, five times, and wake in order every time.
local TASKS, ROUNDS = 10000, 5
local woken, in_order = 0, true

local function sleeper(number)
    for _ = 1, ROUNDS do
        sys.wait(1)
        woken = woken + 1
        in_order = in_order and woken == number
        if number == TASKS then
            log.info("round", woken, in_order and "in order" or "in disorder")
            woken = 0
        end
    end
end

for number = 1, TASKS do
    sys.taskInit(sleeper, number)
end
sys.run()
