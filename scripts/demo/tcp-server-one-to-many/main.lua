-- A TCP server on PORT that serves several clients at once, and the clients, all in this script.
-- From another machine: nc ADDRESS PORT
PROJECT = "tcp_server_one_to_many"
VERSION = "1.0.0"

HOST = "127.0.0.1" -- where the clients find the server
PORT = 40203
CLIENTS_MAX = 8
CLIENTS = 3        -- of this script
GAP_MS = 100       -- between two clients, and between a client's questions
ROUNDS = 3         -- questions of each client; 0: never an end

local libnet = require "libnet"

local SERVER = "tcp_server"
local PATIENCE_MS = 15000

-- Echo what the client has sent.
local function echo(client)
    local ok, data = socket.read(client)
    if ok and #data > 0 then
        socket.tx(client, data)
    end
end

-- Give the client that has come a socket and a callback of its own.
local function welcome(listener)
    local client, ok, ip, port
    ok, client, ip, port = socket.accept(listener, function(_, event, param)
        if param ~= 0 then
            log.info("tcp_server", ip, port, "is gone")
            socket.release(client)
        elseif event == socket.EVENT then
            echo(client)
        end
    end)
    if not ok then
        return
    end
    log.info("tcp_server", ip, port, "has come")
    -- On a module the first call after accept() makes the events of the new socket come.
    local _, has_data = socket.wait(client)
    if has_data then
        echo(client)
    end
end

sys.taskInitEx(function()
    local netc = socket.create(nil, SERVER)
    socket.config(netc, PORT)
    log.info("tcp_server", "listens on port", PORT)
    sys.publish("SERVER_READY")
    while libnet.listen(SERVER, 0, netc, CLIENTS_MAX) do -- until the next client has come
        welcome(netc)
    end
    log.error("tcp_server", "can't listen on port", PORT)
    os.exit(1)
end, SERVER)

local function ask(task, netc, question, buff)
    buff:del()
    if not libnet.tx(task, PATIENCE_MS, netc, question) then
        return nil
    end
    while buff:used() < #question do
        local ok, has_data = libnet.wait(task, PATIENCE_MS, netc)
        if not ok or not has_data or not socket.rx(netc, buff) then
            return nil
        end
    end
    return buff:query()
end

local left, failures = CLIENTS, 0

local function run_client(task)
    local netc = socket.create(nil, task)
    local buff = zbuff.create(1024)
    local round = 0
    socket.config(netc)
    if not libnet.connect(task, PATIENCE_MS, netc, HOST, PORT) then
        log.error(task, "can't connect")
        failures = failures + 1
    else
        while ROUNDS == 0 or round < ROUNDS do
            round = round + 1
            local question = "question " .. round .. " of " .. task
            local answer = ask(task, netc, question, buff)
            log.info(task, "the answer is", answer)
            if answer ~= question then
                failures = failures + 1
            end
            sys.wait(GAP_MS)
        end
    end
    libnet.close(task, PATIENCE_MS, netc)
    socket.release(netc)
    left = left - 1
    if left == 0 then
        log.info("tcp_client", "done:", CLIENTS, "clients,", failures, "failures")
        os.exit(failures == 0 and 0 or 1)
    end
end

-- One after the other: a module turns a client away that comes before the last was accepted.
sys.taskInit(function()
    sys.waitUntil("SERVER_READY")
    for i = 1, CLIENTS do
        local task = "client" .. i
        sys.taskInitEx(run_client, task, nil, task)
        sys.wait(GAP_MS)
    end
end)

sys.run()
