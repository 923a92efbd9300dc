-- A TCP server on PORT that serves one client after the other, and a client, both in this script.
-- From another machine: nc ADDRESS PORT
PROJECT = "tcp_server_one_to_one"
VERSION = "1.0.0"

HOST = "127.0.0.1" -- where the client finds the server
PORT = 40202
ROUNDS = 3         -- clients after which the demo ends; 0: never

local libnet = require "libnet"

local SERVER, CLIENT = "tcp_server", "tcp_client"
local PATIENCE_MS = 15000
local RETRY_MS = 50
local TRIES = 100

-- Echo until the client goes.
local function serve(netc, buff)
    while true do
        local ok, has_data = libnet.wait(SERVER, 0, netc)
        if not ok then
            return
        end
        if has_data then
            if not socket.rx(netc, buff) then
                return
            end
            if buff:used() > 0 and not libnet.tx(SERVER, PATIENCE_MS, netc, buff) then
                return
            end
            buff:del()
        end
    end
end

sys.taskInitEx(function()
    local netc = socket.create(nil, SERVER)
    local buff = zbuff.create(1024)
    socket.config(netc, PORT)
    while true do
        log.info("tcp_server", "listens on port", PORT)
        if libnet.listen(SERVER, 0, netc) then -- until a client has come
            local _, _, ip, port = socket.accept(netc)
            log.info("tcp_server", "client", ip, port)
            serve(netc, buff)
            log.info("tcp_server", "the client is gone")
        else
            log.error("tcp_server", "can't listen on port", PORT)
            sys.wait(PATIENCE_MS)
        end
        libnet.close(SERVER, PATIENCE_MS, netc) -- the socket was the client's: listen anew
    end
end, SERVER)

-- The answer; nil when the connection failed or broke.
local function try(netc, question, buff)
    socket.config(netc)
    if not libnet.connect(CLIENT, PATIENCE_MS, netc, HOST, PORT) or
        not libnet.tx(CLIENT, PATIENCE_MS, netc, question) then
        return nil
    end
    while buff:used() < #question do
        local ok, has_data = libnet.wait(CLIENT, PATIENCE_MS, netc)
        if not ok or not has_data or not socket.rx(netc, buff) then
            return nil
        end
    end
    return buff:query()
end

-- Such a server turns clients away while it has one, and until it listens anew.
local function ask(netc, question, buff)
    for _ = 1, TRIES do
        local answer = try(netc, question, buff)
        libnet.close(CLIENT, PATIENCE_MS, netc)
        buff:del()
        if answer then
            return answer
        end
        sys.wait(RETRY_MS)
    end
end

sys.taskInitEx(function()
    local netc = socket.create(nil, CLIENT)
    local buff = zbuff.create(1024)
    local round, failures = 0, 0
    while ROUNDS == 0 or round < ROUNDS do
        round = round + 1
        local answer = ask(netc, "question " .. round, buff)
        log.info("tcp_client", "the answer is", answer)
        if answer ~= "question " .. round then
            failures = failures + 1
        end
    end
    socket.release(netc)
    log.info("tcp_client", "done:", round, "clients,", failures, "failures")
    os.exit(failures == 0 and 0 or 1)
end, CLIENT)

sys.run()
