-- A peer that goes away: come back after a pause that doubles with every failure, and turn to the
-- second server when the first does not hold.
PROJECT = "tcp_reconnect"
VERSION = "1.0.0"

HOST = "netlab.luatos.com"
PORT_FIRST = 40126  -- closes every connection at once
PORT = 40123        -- answers with what it gets
FAILURES_MAX = 3    -- of the first server in a row; then it is the second one's turn
RETRY_MS_MIN = 100
RETRY_MS_MAX = 60000
ROUNDS = 3          -- answers after which the demo ends; 0: never

local libnet = require "libnet"

local TASK = "tcp_reconnect"
local PATIENCE_MS = 15000
local PAUSE_MS = 50 -- between two questions

local rounds = 0

-- Ask until the peer goes; true when it has answered at least once.
local function session(netc, buff)
    local answered = false
    while ROUNDS == 0 or rounds < ROUNDS do
        if not libnet.tx(TASK, PATIENCE_MS, netc, "are you there?") then
            return answered
        end
        local ok, has_data = libnet.wait(TASK, PATIENCE_MS, netc)
        if not ok or not has_data or not socket.rx(netc, buff) then
            return answered
        end
        if buff:used() > 0 then
            log.info("tcp_reconnect", "the answer is", buff:query())
            buff:del()
            answered = true
            rounds = rounds + 1
        end
        sys.wait(PAUSE_MS)
    end
    return answered
end

sys.taskInitEx(function()
    local netc = socket.create(nil, TASK)
    local buff = zbuff.create(1024)
    local failures, delay = 0, RETRY_MS_MIN
    while ROUNDS == 0 or rounds < ROUNDS do
        local port = failures < FAILURES_MAX and PORT_FIRST or PORT
        local answered = false
        socket.config(netc)
        if libnet.connect(TASK, PATIENCE_MS, netc, HOST, port) then
            log.info("tcp_reconnect", "connected to port", port)
            answered = session(netc, buff)
        end
        libnet.close(TASK, PATIENCE_MS, netc) -- after any failure, else connect() fails for ever
        if answered then
            failures, delay = 0, RETRY_MS_MIN
        else
            failures = failures + 1
            log.info("tcp_reconnect", "the peer went away, again in", delay, "ms")
            sys.wait(delay)
            delay = math.min(delay * 2, RETRY_MS_MAX)
        end
    end
    socket.release(netc)
    log.info("tcp_reconnect", "done after", rounds, "answers")
    os.exit(0)
end, TASK)

sys.run()
