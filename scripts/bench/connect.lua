-- Connect, learn that it is up, learn that the peer has closed, close; one after another.
PROJECT, VERSION = "bench_connect", "1.0.0"
local probe = require("probe")

local buff = zbuff.create(64)
local count = 0

local function connect_once()
    local netc

    local function leave()
        socket.close(netc)
        socket.release(netc)
        count = count + 1
        probe.check(count)
        sys.publish("NEXT")
    end

    netc = probe.connect(function(_, event, param)
        if event == socket.ON_LINE then
            if param ~= 0 then probe.fail("connect") end
            if not socket.wait(netc) then leave() end
        elseif param ~= 0 then
            leave()
        elseif not socket.rx(netc, buff) or not socket.wait(netc) then
            leave()
        end
    end)
end

sys.subscribe("NEXT", connect_once)
sys.taskInit(function()
    probe.start()
    connect_once()
end)
sys.run()
