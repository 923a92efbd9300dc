-- libnet: socket calls that block the task until they are through.
--
-- The task was started by sys.taskInitEx(fn, name), and the socket was made with that name instead
-- of a callback: its events are the task's messages. ms nil or 0 waits for ever. Messages of other
-- kinds that come meanwhile go to the task's callback.

local socket, log = socket, log
local sys = require("sys")
local type = type

local VERSION = "202608030000"
local PING_MS = 5000
local PING_LEN = 128

local libnet = {}

-- Did the event come, and well?
local function succeeded(task, event, ms)
    local message = sys.waitMsg(task, event, ms)

    return type(message) == "table" and message[2] == 0
end

-- Until the network of netc is up.
function libnet.waitLink(task, ms, netc)
    local ok, is_up = socket.linkup(netc)

    if not ok then
        return false
    end
    return is_up or succeeded(task, socket.LINK, ms)
end

-- After false the socket must be closed before it is connected again.
function libnet.connect(task, ms, netc, ip, port, ipv6)
    local ok, is_online = socket.connect(netc, ip, port, ipv6)

    if not ok then
        return false
    end
    return is_online or succeeded(task, socket.ON_LINE, ms)
end

-- Until a client is there.
function libnet.listen(task, ms, netc, multi_client)
    local ok, is_online = socket.listen(netc, multi_client)

    if not ok then
        return false
    end
    return is_online or succeeded(task, socket.ON_LINE, ms)
end

-- Until the peer has it all. Returns success, and whether the buffer is full and nothing was sent.
function libnet.tx(task, ms, netc, data, ip, port, flag)
    local ok, is_full, is_acked = socket.tx(netc, data, ip, port, flag)

    if not ok then
        return false, is_full
    end
    if is_full then
        return true, true
    end
    return is_acked or succeeded(task, socket.TX_OK, ms), false
end

-- Until there is something to read. Returns whether the socket lives, and whether there is.
function libnet.wait(task, ms, netc)
    local ok, has_data = socket.wait(netc)

    if not ok then
        return false, false
    end
    if has_data then
        return true, true
    end
    local message = sys.waitMsg(task, socket.EVENT, ms)
    if type(message) ~= "table" then
        return true, false
    end
    return message[2] == 0, message[2] == 0
end

-- Say goodbye to the peer, for at most ms, and close. The socket can be used again.
function libnet.close(task, ms, netc)
    local ok, is_closed = socket.discon(netc)

    if ok and not is_closed then
        sys.waitMsg(task, socket.CLOSED, ms)
    end
    socket.close(netc)
end

-- Does the address answer an ICMP echo?
function libnet.ping(adapter, ip, ms, len)
    local netdrv = netdrv

    if not netdrv or not netdrv.ping then
        log.error("libnet", "ping: this firmware has no netdrv.ping")
        return false
    end
    if not netdrv.ping(adapter, ip, len or PING_LEN) then
        return false
    end
    return (sys.waitUntil("PING_RESULT", ms or PING_MS))
end

function libnet.version()
    return VERSION
end

log.debug("libnet", "version ->", VERSION)

return libnet
