-- A connection that stays: data when there is some, a heartbeat when there is none, and a new
-- connection when it breaks.
PROJECT = "tcp_long"
VERSION = "1.0.0"

HOST = "netlab.luatos.com"
PORT = 40123
HEARTBEAT_MS = 400    -- the line may be silent for so long; 60000 and more on a real network
RETRY_MS = 5000       -- between two connections
ROUNDS = 3            -- heartbeats after which the demo ends; 0: never

local libnet = require "libnet"

local TASK = "tcp_long"
local PATIENCE_MS = 15000
local HEARTBEAT = "heartbeat"

local queue = {} -- what waits to be sent
local beats = 0

-- Any part of the script may send: the event wakes the task, which waits in libnet.wait().
local function send(data)
    table.insert(queue, data)
    sys.sendMsg(TASK, socket.EVENT, 0)
end

-- False: the connection is broken.
local function send_all(netc)
    while #queue > 0 do
        local ok, full = libnet.tx(TASK, PATIENCE_MS, netc, queue[1])
        if not ok then
            return false
        end
        if full then -- tried again after the next event
            return true
        end
        table.remove(queue, 1)
    end
    return true
end

local function receive_all(netc, buff)
    local ok = socket.rx(netc, buff)
    if ok and buff:used() > 0 then
        local data = buff:query()
        log.info("tcp_long", "received", data)
        local _, count = data:gsub(HEARTBEAT, "")
        beats = beats + count
        buff:del()
    end
    return ok
end

-- Serve one connection until it breaks or the demo has seen enough.
local function serve(netc, buff)
    while ROUNDS == 0 or beats < ROUNDS do
        if not send_all(netc) then
            return
        end
        local ok, has_data = libnet.wait(TASK, HEARTBEAT_MS, netc)
        if not ok then
            return
        end
        if not has_data then -- silence: show that we live, and see whether the peer does
            table.insert(queue, HEARTBEAT)
        elseif not receive_all(netc, buff) then
            return
        end
    end
end

sys.taskInitEx(function()
    local netc = socket.create(nil, TASK)
    local buff = zbuff.create(1024)
    while true do
        socket.config(netc, nil, false, false, 300, 5, 6) -- TCP's own keepalive, besides ours
        if libnet.connect(TASK, PATIENCE_MS, netc, HOST, PORT) then
            log.info("tcp_long", "connected to", HOST, PORT)
            serve(netc, buff)
        end
        libnet.close(TASK, PATIENCE_MS, netc)
        if ROUNDS ~= 0 and beats >= ROUNDS then
            break
        end
        log.warn("tcp_long", "connection lost, again in", RETRY_MS, "ms")
        sys.wait(RETRY_MS)
    end
    socket.release(netc)
    log.info("tcp_long", "done after", beats, "heartbeats")
    os.exit(0)
end, TASK)

-- What a sensor might do.
local reading = 0
sys.timerLoopStart(function()
    reading = reading + 1
    send("reading " .. reading)
end, HEARTBEAT_MS * 3)
send("reading " .. reading)

sys.run()
