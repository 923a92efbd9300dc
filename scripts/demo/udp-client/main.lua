-- Datagrams to a server and back. They may be lost: what is not answered is sent again.
PROJECT = "udp_client"
VERSION = "1.0.0"

HOST = "netlab.luatos.com"
PORT = 40123
ANSWER_MS = 2000 -- a datagram that is not answered by then is lost
TRIES = 3
ROUNDS = 3       -- questions after which the demo ends; 0: never

local libnet = require "libnet"

local TASK = "udp_client"
local PATIENCE_MS = 15000

-- One datagram, or nil when none came in time. A late answer to an earlier question is not ours.
local function receive(netc, question, buff)
    while true do
        local ok, has_data = libnet.wait(TASK, ANSWER_MS, netc)
        if not ok or not has_data then
            return nil
        end
        local got, len = socket.rx(netc, buff)
        local answer = got and len > 0 and buff:query()
        buff:del()
        if answer == question then
            return answer
        end
    end
end

local function ask(netc, question, buff)
    for try = 1, TRIES do
        if not libnet.tx(TASK, PATIENCE_MS, netc, question) then
            return nil
        end
        local answer = receive(netc, question, buff)
        if answer then
            return answer
        end
        log.warn("udp_client", "no answer to", question, "try", try)
    end
end

sys.taskInitEx(function()
    local netc = socket.create(nil, TASK)
    local buff = zbuff.create(1500)
    local round, failures = 0, 0
    socket.config(netc, nil, true)
    if not libnet.connect(TASK, PATIENCE_MS, netc, HOST, PORT) then
        log.error("udp_client", "can't find", HOST)
        os.exit(1)
    end
    while ROUNDS == 0 or round < ROUNDS do
        round = round + 1
        local answer = ask(netc, "datagram " .. round, buff)
        if answer then
            log.info("udp_client", "the answer is", answer)
        else
            failures = failures + 1
        end
    end
    libnet.close(TASK, PATIENCE_MS, netc)
    socket.release(netc)
    log.info("udp_client", "done:", round, "questions,", failures, "failures")
    os.exit(failures == 0 and 0 or 1)
end, TASK)

sys.run()
