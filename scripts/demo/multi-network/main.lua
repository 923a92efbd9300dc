-- Falls over from Ethernet to Wi-Fi to 4G and back: a heartbeat goes out on the best network there is.
PROJECT = "multi_network"
VERSION = "1.0.0"

HOST = "netlab.luatos.com" -- an echo server that every network reaches
PORT = 40123
BEAT_MS = 500              -- between heartbeats
ROUNDS = 0                 -- heartbeats until the demo ends; 0: for ever

local libnet = require "libnet"

local TASK = "heartbeat"
local PATIENCE_MS = 5000

-- The best one first.
local networks = {
    { name = "Ethernet", adapter = socket.LWIP_ETH },
    { name = "Wi-Fi", adapter = socket.LWIP_STA },
    { name = "4G", adapter = socket.LWIP_GP },
}

-- The best network that is ready; nil when none is.
local function best()
    for _, network in ipairs(networks) do
        if socket.adapter(network.adapter) then
            return network
        end
    end
end

local function is_over(count)
    return ROUNDS > 0 and count >= ROUNDS
end

-- One heartbeat there and back; false when the connection is over.
local function beat(netc, network, count)
    local text = "heartbeat " .. count
    if not libnet.tx(TASK, PATIENCE_MS, netc, text) then
        return false
    end
    local buff = zbuff.create(256)
    local before = mcu.ticks()
    while buff:used() < #text and mcu.ticks() - before < PATIENCE_MS do
        if not libnet.wait(TASK, PATIENCE_MS, netc) or not socket.rx(netc, buff) then
            return false
        end
    end
    log.info("beat", count, "by", network.name, buff:query() == text and "answered" or "lost")
    return true
end

-- Stay on @network until it fails, a better one comes, or the demo is over.
local function stay(network, count)
    local netc = socket.create(network.adapter, TASK)
    socket.config(netc)
    if libnet.connect(TASK, PATIENCE_MS, netc, HOST, PORT) then
        log.info("network", network.name, (socket.localIP(network.adapter)))
        while best() == network and not is_over(count) and beat(netc, network, count + 1) do
            count = count + 1
            sys.wait(BEAT_MS)
        end
    end
    libnet.close(TASK, PATIENCE_MS, netc)
    socket.release(netc)
    return count
end

sys.taskInitEx(function()
    local count = 0
    repeat
        local network = best()
        if network then
            count = stay(network, count)
        else
            log.warn("network", "none is ready")
            sys.waitUntil("IP_READY", 1000)
        end
    until is_over(count)
    os.exit(0)
end, TASK)

sys.run()
