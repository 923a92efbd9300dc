-- Bulk send, chunk by chunk: until tx says full, and on at TX_OK.
PROJECT, VERSION = "bench_send", "1.0.0"
local probe = require("probe")

local BURST = 16 -- chunks between two looks at what else has happened
local chunk = zbuff.create(probe.size)
local count = 0
local netc

local function pump()
    for _ = 1, BURST do
        local ok, full = socket.tx(netc, chunk)
        if not ok then probe.fail("tx") end
        if full then return end
        count = count + 1
        probe.check(count)
    end
end

chunk:write(string.rep("x", probe.size))
sys.taskInit(function()
    netc = probe.connect(function(_, event, param)
        if param ~= 0 then
            probe.fail("connection lost")
        elseif event == socket.ON_LINE then
            probe.start()
            pump()
        elseif event == socket.TX_OK then
            pump()
        end
    end)
end)
sys.run()
