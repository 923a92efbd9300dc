-- A thousand functions subscribe, every second one leaves, comes back, and then all leave.
local COUNT = 1000
local functions, order = {}, {}

for i = 1, COUNT do
    functions[i] = function()
        order[#order + 1] = i
    end
    sys.subscribe("T", functions[i])
end

-- Publish, and see that those were told whose numbers expect() gives.
local function round(expected)
    order = {}
    sys.publish("T")
    sys.wait(1)
    local right = #order == #expected
    for i = 1, #expected do
        right = right and order[i] == expected[i]
    end
    log.info("order", #order, right and "right" or "wrong")
end

sys.taskInit(function()
    local all, odd, odd_then_even = {}, {}, {}
    for i = 1, COUNT do
        all[i] = i
    end
    for i = 1, COUNT, 2 do
        odd[#odd + 1] = i
        odd_then_even[#odd] = i
    end
    for i = 2, COUNT, 2 do
        odd_then_even[#odd_then_even + 1] = i
    end

    round(all)
    for i = 2, COUNT, 2 do
        sys.unsubscribe("T", functions[i])
    end
    round(odd)
    for i = 2, COUNT, 2 do
        sys.subscribe("T", functions[i])
    end
    round(odd_then_even)
    for i = 1, COUNT do
        sys.unsubscribe("T", functions[i])
    end
    round({})
end)
sys.run()
