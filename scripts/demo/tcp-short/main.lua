-- Short connections: connect, ask, read the answer, close; and again after a while.
PROJECT = "tcp_short"
VERSION = "1.0.0"

HOST = "netlab.luatos.com"
PORT = 40123
INTERVAL_MS = 100 -- between two connections
ROUNDS = 3        -- connections after which the demo ends; 0: never

local libnet = require "libnet"

local TASK = "tcp_short"
local PATIENCE_MS = 15000

-- The answer, or nil and what failed.
local function ask(netc, question, buff)
    socket.config(netc)
    if not libnet.connect(TASK, PATIENCE_MS, netc, HOST, PORT) then
        return nil, "connect"
    end
    if not libnet.tx(TASK, PATIENCE_MS, netc, question) then
        return nil, "tx"
    end
    while buff:used() < #question do -- an answer may come in pieces
        local ok, has_data = libnet.wait(TASK, PATIENCE_MS, netc)
        if not ok or not has_data or not socket.rx(netc, buff) then
            return nil, "rx"
        end
    end
    return buff:query()
end

sys.taskInitEx(function()
    local netc = socket.create(nil, TASK)
    local buff = zbuff.create(1024)
    local round, failures = 0, 0
    while ROUNDS == 0 or round < ROUNDS do
        round = round + 1
        local answer, failed = ask(netc, "question " .. round, buff)
        if answer then
            log.info("tcp_short", "the answer is", answer)
        else
            log.error("tcp_short", failed, "failed")
            failures = failures + 1
        end
        buff:del()
        libnet.close(TASK, PATIENCE_MS, netc)
        sys.wait(INTERVAL_MS)
    end
    socket.release(netc)
    log.info("tcp_short", "done:", round, "connections,", failures, "failures")
    os.exit(failures == 0 and 0 or 1)
end, TASK)

sys.run()
