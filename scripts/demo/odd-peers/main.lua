-- The lab's odd peers one after the other, and what a script sees of each: run it with --lab.
PROJECT = "odd_peers"
VERSION = "1.0.0"

PATIENCE_MS = 1000 -- what is not heard by then is silence

local libnet = require "libnet"

local TASK = "odd_peers"

-- What is heard until the peer ends it or nothing comes any more: bytes, and how it ended.
local function hear(netc)
    local count = 0
    while true do
        local ok, has_more = libnet.wait(TASK, PATIENCE_MS, netc)
        if not ok then return count, "was ended by the peer" end
        if not has_more then return count, "says nothing more" end
        local got, data = socket.read(netc, 4096)
        if got and data then count = count + #data end
        if count > 4000 then return count, "goes on" end
    end
end

local function meet(name, port, is_udp, say)
    local netc = socket.create(nil, TASK)
    socket.config(netc, nil, is_udp)
    if libnet.connect(TASK, PATIENCE_MS, netc, name .. ".lab", port) then
        if say then libnet.tx(TASK, PATIENCE_MS, netc, say) end
        log.info(name, "connected; bytes heard:", hear(netc))
    else
        log.info(name, "could not be connected to")
    end
    socket.close(netc)
    socket.release(netc)
end

sys.taskInitEx(function()
    meet("refused", 40157)
    meet("blackhole", 40156)
    meet("reset", 40151, false, ("x"):rep(2000))
    meet("halfclose", 40152, false, "hello")
    meet("silent", 40155, false, "hello")
    meet("twice", 40150, true, "hello")
    meet("otherport", 40151, true, "hello")
    os.exit(0)
end, TASK)

sys.run()
