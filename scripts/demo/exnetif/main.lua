-- Fails over from Ethernet to Wi-Fi to 4G and back by exnetif, with a heartbeat on the default adapter.
PROJECT = "exnetif"
VERSION = "1.0.0"

HOST = "netlab.luatos.com" -- an echo server that every network reaches
PORT = 40123
BEAT_MS = 500              -- between heartbeats
ROUNDS = 3                 -- heartbeats until the demo ends; 0: for ever
SSID = "luatos-lab"        -- what the board "laptop" hears
PASSWORD = "12345678"

local exnetif = require "exnetif"
local libnet = require "libnet"

local TASK = "heartbeat"
local PATIENCE_MS = 5000

local using -- the adapter in use; nil: none is

exnetif.notify_status(function(name, adapter)
    if name then
        log.info("network", name, adapter)
        using = adapter
    else
        log.warn("network", "none is left")
        using = nil
    end
end)

sys.taskInit(function()
    exnetif.set_priority_order({
        { ETHERNET = { tp = netdrv.CH390, opts = { spi = 1, cs = 12 }, ping_time = 3000 } },
        { WIFI = { ssid = SSID, password = PASSWORD, ping_time = 3000 } },
        { LWIP_GP = true },
    })
end)

-- One heartbeat there and back; false when the connection is over.
local function beat(netc, count)
    local text = "heartbeat " .. count
    local buff = zbuff.create(256)

    if not libnet.tx(TASK, PATIENCE_MS, netc, text) then
        return false
    end
    while buff:used() < #text do
        local ok, has_data = libnet.wait(TASK, PATIENCE_MS, netc)
        if not ok or not has_data or not socket.rx(netc, buff) then
            return false
        end
    end
    log.info("beat", count, "by", using)
    return true
end

-- Stay on the network in use until it fails or another one is used.
local function stay(count)
    local mine = using
    local netc = socket.create(mine, TASK)

    socket.config(netc)
    if libnet.connect(TASK, PATIENCE_MS, netc, HOST, PORT) then
        while using == mine and (ROUNDS == 0 or count < ROUNDS) and beat(netc, count + 1) do
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
    while ROUNDS == 0 or count < ROUNDS do
        if using then
            count = stay(count)
        else
            sys.wait(100)
        end
    end
    os.exit(0)
end, TASK)

sys.run()
