-- UDP ping-pong: every answer is the next question.
PROJECT, VERSION = "bench_udp", "1.0.0"
local probe = require("probe")

local question = string.rep("u", probe.size)
local buff = zbuff.create(2048)
local count = 0
local netc

local function send()
    if not socket.tx(netc, question) then probe.fail("tx") end
end

local function read()
    local ok, len = socket.rx(netc, buff)
    if not ok then probe.fail("rx") end
    if len == 0 then return end
    buff:del()
    count = count + 1
    probe.check(count)
    send()
end

sys.taskInit(function()
    netc = probe.connect(function(_, event, param)
        if param ~= 0 then
            probe.fail("socket lost")
        elseif event == socket.ON_LINE then
            probe.start()
            send()
        elseif event == socket.TX_OK then
            local _, more = socket.wait(netc)
            if more then read() end
        elseif event == socket.EVENT then
            socket.wait(netc)
            read()
        end
    end, true)
end)
sys.run()
