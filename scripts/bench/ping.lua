-- TCP ping-pong on all connections at once: every answer is the next question.
PROJECT, VERSION = "bench_ping", "1.0.0"
local probe = require("probe")

local OPENING_MAX = 128 -- connections on their way at once
local question = string.rep("p", probe.size)
local senders = {}
local opened, count = 0, 0

local function open()
    if opened == probe.connections then return end
    opened = opened + 1
    local buff = zbuff.create(2 * probe.size)
    local netc

    local function send()
        if not socket.tx(netc, question) then probe.fail("tx") end
    end

    local function read()
        if not socket.rx(netc, buff) then probe.fail("rx") end
        if buff:used() < probe.size then return end
        buff:del()
        count = count + 1
        probe.check(count)
        send()
    end

    local function online()
        senders[#senders + 1] = send
        if #senders < probe.connections then return open() end
        probe.start()
        for _, first in ipairs(senders) do first() end
    end

    netc = probe.connect(function(_, event, param)
        if param ~= 0 then
            probe.fail("connection lost")
        elseif event == socket.ON_LINE then
            online()
        elseif event == socket.TX_OK then
            local _, more = socket.wait(netc)
            if more then read() end
        elseif event == socket.EVENT then
            socket.wait(netc)
            read()
        end
    end)
end

sys.taskInit(function()
    for _ = 1, OPENING_MAX do open() end
end)
sys.run()
