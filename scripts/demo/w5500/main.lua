-- Ethernet by a W5500: sets the chip up, tells of its cable and address, and asks questions over it.
PROJECT = "w5500_demo"
VERSION = "1.0.0"

HOST = "netlab.luatos.com"
PORT = 40123
INTERVAL_MS = 100 -- between two questions
ROUNDS = 3        -- questions after which the demo ends; 0: never
PATIENCE_MS = 15000 -- before a connection is given up

local libnet = require "libnet"

local TASK = "w5500"

-- As a board is wired: bus, Hz, and the pins of SCSn, INTn and RSTn.
w5500.init(0, 25600000, 8, 18, 1)
local has_chip = w5500.config() -- by DHCP; or address, mask, gateway, and a MAC of six bytes
w5500.bind(socket.ETH0)

sys.subscribe("W5500_IND", function(what)
    log.info("w5500", "the chip says", what)
end)

sys.subscribe("IP_READY", function(ip, adapter)
    if adapter == socket.ETH0 then
        log.info("w5500", "has the address", ip)
    end
end)

sys.subscribe("IP_LOSE", function(adapter)
    if adapter == socket.ETH0 then
        log.info("w5500", "has lost its address")
    end
end)

local function wait_for_network()
    while not socket.adapter(socket.ETH0) do
        sys.waitUntil("IP_READY", 1000)
    end
end

-- One question there and its answer back; nil when the connection is over.
local function ask(netc, question, buff)
    if not libnet.tx(TASK, PATIENCE_MS, netc, question) then
        return nil
    end
    while buff:used() < #question do -- an answer may come in pieces
        local ok, has_data = libnet.wait(TASK, PATIENCE_MS, netc)
        if not ok or not has_data or not socket.rx(netc, buff) then
            return nil
        end
    end
    return buff:query()
end

-- Questions until the connection is over or the demo is done; how many were answered.
local function talk(netc, count)
    local buff = zbuff.create(256)
    while ROUNDS == 0 or count < ROUNDS do
        local answer = ask(netc, "question " .. (count + 1), buff)
        if not answer then
            break
        end
        count = count + 1
        log.info("w5500", "the answer is", answer)
        buff:del()
        sys.wait(INTERVAL_MS)
    end
    return count
end

sys.taskInitEx(function()
    local count = 0
    if has_chip then
        log.info("w5500", "its MAC is", (w5500.getMac():toHex()))
    else
        log.info("w5500", "there is none: ETH0 is another network here")
    end
    while ROUNDS == 0 or count < ROUNDS do
        wait_for_network()
        local netc = socket.create(socket.ETH0, TASK)
        socket.config(netc)
        if libnet.connect(TASK, PATIENCE_MS, netc, HOST, PORT) then
            count = talk(netc, count)
        end
        libnet.close(TASK, PATIENCE_MS, netc)
        socket.release(netc)
        sys.wait(INTERVAL_MS)
    end
    log.info("w5500", "done:", count, "answers")
    os.exit(0)
end, TASK)

sys.run()
