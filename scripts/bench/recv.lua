-- Bulk receive, at most a chunk in a read.
PROJECT, VERSION = "bench_recv", "1.0.0"
local probe = require("probe")

local buff = zbuff.create(probe.size)
local bytes = 0
local netc

local function drain()
    while true do
        local ok, len = socket.rx(netc, buff, 0, probe.size)
        if not ok then probe.fail("rx") end
        if len == 0 then return end
        buff:del()
        bytes = bytes + len
        probe.check(bytes // probe.size)
    end
end

sys.taskInit(function()
    netc = probe.connect(function(_, event, param)
        if param ~= 0 then
            probe.fail("connection lost")
        elseif event == socket.ON_LINE then
            probe.start()
            socket.wait(netc)
        elseif event == socket.EVENT then
            drain()
            socket.wait(netc)
        end
    end)
end)
sys.run()
