-- Timers are started twice: after 10 ms, and again after 20 where the arguments are the same.
local one_table = {}

local function called(...)
    local texts = { ... }
    for i = 1, select("#", ...) do
        local value = texts[i]
        texts[i] = type(value) == "table" and "table" or value ~= value and "nan" or tostring(value)
    end
    log.info("called", #texts == 0 and "nothing" or table.concat(texts, " "))
end

local function start(ms, ...)
    return sys.timerStart(called, ms, ...)
end

start(10)
start(10, "a")
start(10, "a", 1)
start(10, "a", nil, 2)
start(10, 1)
start(10, one_table)
start(10, {})
start(20)        -- stops the first
start(20, "a", 1.0) -- 1.0 is 1: stops the third
start(20, 0 / 0)
start(20, 0 / 0) -- not even equal to itself
sys.run()
