-- A UDP server on PORT that answers whoever asks, and a client that asks it, both in this script.
-- From another machine: nc -u ADDRESS PORT
PROJECT = "udp_server"
VERSION = "1.0.0"

HOST = "127.0.0.1" -- where the client finds the server
PORT = 40201
INTERVAL_MS = 100  -- between two questions
ROUNDS = 3         -- questions after which the demo ends; 0: never

local libnet = require "libnet"

local SERVER, CLIENT = "udp_server", "udp_client"
local PATIENCE_MS = 15000
local ANSWER_MS = 1000

-- The text of an address as socket.rx() gives it: a zero and four bytes.
local function ip_text(bytes)
    return string.format("%d.%d.%d.%d", bytes:byte(2, 5))
end

sys.taskInitEx(function()
    local netc = socket.create(nil, SERVER)
    local buff = zbuff.create(1500)
    socket.config(netc, PORT, true)
    -- broadcast and port 0: heard from anyone
    if not libnet.connect(SERVER, PATIENCE_MS, netc, "255.255.255.255", 0) then
        log.error("udp_server", "can't have port", PORT)
        os.exit(1)
    end
    log.info("udp_server", "ready on port", PORT)
    sys.publish("SERVER_READY")
    while true do
        libnet.wait(SERVER, 0, netc)
        local ok, len, ip, port = socket.rx(netc, buff)
        while ok and len > 0 do -- one datagram each
            log.info("udp_server", ip_text(ip), port, "asks", buff:query())
            socket.tx(netc, "you said " .. buff:query(), ip_text(ip), port)
            buff:del()
            ok, len, ip, port = socket.rx(netc, buff)
        end
    end
end, SERVER)

local function ask(netc, question, buff)
    if not libnet.tx(CLIENT, PATIENCE_MS, netc, question) then
        return nil
    end
    local ok, has_data = libnet.wait(CLIENT, ANSWER_MS, netc)
    if not ok or not has_data or not socket.rx(netc, buff) then
        return nil
    end
    return buff:query()
end

sys.taskInitEx(function()
    local netc = socket.create(nil, CLIENT)
    local buff = zbuff.create(1500)
    local round, failures = 0, 0
    sys.waitUntil("SERVER_READY")
    socket.config(netc, nil, true)
    libnet.connect(CLIENT, PATIENCE_MS, netc, HOST, PORT)
    while ROUNDS == 0 or round < ROUNDS do
        round = round + 1
        local answer = ask(netc, "datagram " .. round, buff)
        log.info("udp_client", "the answer is", answer)
        if answer ~= "you said datagram " .. round then
            failures = failures + 1
        end
        buff:del()
        sys.wait(INTERVAL_MS)
    end
    socket.release(netc)
    log.info("udp_client", "done:", round, "questions,", failures, "failures")
    os.exit(failures == 0 and 0 or 1)
end, CLIENT)

sys.run()
