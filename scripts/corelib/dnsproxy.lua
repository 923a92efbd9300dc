-- dnsproxy: names for the devices on one adapter, asked for by another. What comes to port 53 of the
-- first goes to the name servers of the second, and the answers go back. UDP only, as on a module.
--
-- A module always asks 223.5.5.5; here it is whoever the second adapter asks itself, which works in
-- a lab too.

local log, mcu, math, string = log, mcu, math, string
local sys = require("sys")
local udpsrv = require("udpsrv")
local servers_of = select(3, ...) -- ip, port, ip, port, ... of an adapter

local DNS_PORT = 53
local HEADER_LEN = 12
local ID_MAX = 65535
local PENDING_MAX = 256  -- questions without an answer; the oldest is forgotten
local PENDING_MS = 10000
local SERVFAIL = 2

local dnsproxy = {}
local clients, uppers = {}, {} -- by adapter; nil, the default one, is 0
local pending, pending_count = {}, 0
local serial = 0 -- of questions

-- The question of a message, as bytes; nil when it is not one question, or the message is none.
local function question_of(message)
    if #message < HEADER_LEN or (">I2"):unpack(message, 5) ~= 1 then
        return nil
    end
    local at = HEADER_LEN + 1
    while true do
        local len = message:byte(at)

        if not len or len > 63 then -- a name is written out here, without pointers
            return nil
        end
        at = at + 1 + len
        if len == 0 then
            return #message >= at + 3 and message:sub(HEADER_LEN + 1, at + 3) or nil
        end
    end
end

local function is_answer(message)
    return message:byte(3) & 0x80 ~= 0
end

local function with_id(message, id)
    return (">I2"):pack(id) .. message:sub(3)
end

local function forget(id)
    pending[id] = nil
    pending_count = pending_count - 1
end

local function refuse(entry)
    local flags = string.char(entry.flags | 0x80, 0x80 | SERVFAIL)

    entry.client:send((">I2"):pack(entry.client_id) .. flags .. "\0\1\0\0\0\0\0\0" .. entry.question,
                      entry.ip, entry.port)
end

-- Our own question has come back to us: the server that we ask is ourselves.
local function is_loop(id, question)
    local entry = pending[id]

    if not entry or entry.question ~= question then
        return false
    end
    forget(id)
    log.error("dnsproxy", entry.server, entry.server_port, "is this proxy itself")
    refuse(entry)
    return true
end

-- Forget what is never answered, and the oldest when there are too many.
local function make_room()
    local now, oldest = mcu.ticks(), nil

    for id, entry in pairs(pending) do
        if now - entry.since > PENDING_MS then
            forget(id)
        elseif not oldest or entry.serial < pending[oldest].serial then
            oldest = id
        end
    end
    if pending_count >= PENDING_MAX then
        forget(oldest)
    end
    serial = serial + 1
end

-- Who asks again, asks the next server.
local function tries_of(ip, port, question)
    local tries = 0

    for id, entry in pairs(pending) do
        if entry.ip == ip and entry.port == port and entry.question == question then
            tries = math.max(tries, entry.tries + 1)
        end
    end
    return tries
end

local function free_id()
    local id

    repeat
        id = math.random(0, ID_MAX)
    until not pending[id]
    return id
end

local function on_question(client, message, ip, port)
    local question = question_of(message)

    local id = question and (">I2"):unpack(message)

    if not question or is_answer(message) or is_loop(id, question) then
        return
    end
    local servers = { servers_of(client.main) }
    local entry = { client = client.server, ip = ip, port = port, question = question,
                    client_id = id, flags = message:byte(3), since = mcu.ticks(),
                    tries = tries_of(ip, port, question) }
    if #servers == 0 then
        return refuse(entry)
    end
    local at = entry.tries % (#servers // 2) * 2
    entry.server, entry.server_port = servers[at + 1], servers[at + 2]
    make_room()
    id = free_id()
    if not client.upper:send(with_id(message, id), entry.server, entry.server_port) then
        return refuse(entry)
    end
    entry.serial = serial
    pending[id] = entry
    pending_count = pending_count + 1
end

-- An answer counts when it is from whom we asked, to what we asked.
local function on_answer(message, ip, port)
    local question = question_of(message)
    local id = question and (">I2"):unpack(message)
    local entry = id and pending[id]

    if not entry or not is_answer(message) or ip ~= entry.server or port ~= entry.server_port or
        question:lower() ~= entry.question:lower() then
        return
    end
    forget(id)
    entry.client:send(with_id(message, entry.client_id), entry.ip, entry.port)
end

-- The socket by which adapter main asks.
local function upper_of(main)
    local key = main or 0

    if not uppers[key] then
        local topic = "DNSPROXY_ANSWER_" .. key

        uppers[key] = udpsrv.create(0, topic, main)
        if uppers[key] then
            sys.subscribe(topic, on_answer)
        end
    end
    return uppers[key]
end

local function close_client(key)
    local client = clients[key]

    if client then
        clients[key] = nil
        sys.unsubscribe(client.topic, client.on_question)
        client.server:close()
    end
end

-- Devices on adapter ask by main. True, or false when there can be no sockets for that.
function dnsproxy.setup(adapter, main)
    local key = adapter or 0

    close_client(key)
    local client = { main = main, topic = "DNSPROXY_QUESTION_" .. key, upper = upper_of(main) }
    client.server = client.upper and udpsrv.create(DNS_PORT, client.topic, adapter)
    if not client.server then
        log.error("dnsproxy", "no sockets for adapters", adapter, main)
        return false
    end
    function client.on_question(message, ip, port)
        on_question(client, message, ip, port)
    end
    sys.subscribe(client.topic, client.on_question)
    clients[key] = client
    log.info("dnsproxy", adapter, main)
    return true
end

-- For all adapters.
function dnsproxy.close()
    for key in pairs(clients) do
        close_client(key)
    end
    for key, upper in pairs(uppers) do
        sys.unsubscribe("DNSPROXY_ANSWER_" .. key, on_answer)
        upper:close()
        uppers[key] = nil
    end
    pending, pending_count = {}, 0
end

return dnsproxy
