-- udpsrv: a UDP socket on a port of its own that publishes what arrives as a topic.

local socket, zbuff, log = socket, zbuff, log
local sys = require("sys")

local VERSION = "202608030000"
local RX_LEN = 1500
local ANYBODY = "255.255.255.255" -- with port 0: datagrams are taken from everyone

local udpsrv = {}

-- The text of an address as socket.rx gives it: 0 and 4 bytes, or 1 and 16.
local function text_of(address)
    if not address then
        return nil
    elseif #address == 5 then
        return ("%d.%d.%d.%d"):format(address:byte(2, 5))
    end
    local groups = {}
    for at = 2, 16, 2 do
        groups[#groups + 1] = ("%x"):format((">I2"):unpack(address, at))
    end
    return table.concat(groups, ":")
end

-- One message a datagram: topic, data, the sender's address and port. A socket that is broken, as
-- by a link that went down, is opened anew: at once, or when the link is back.
local function publish_all(server, netc)
    local buff = server.rxbuff

    while true do
        local ok, len, address, port = socket.rx(netc, buff)

        if not ok then
            socket.close(netc)
            return socket.connect(netc, ANYBODY, 0)
        elseif len == 0 then
            return
        end
        local data = buff:query()
        buff:del()
        sys.publish(server.topic, data, text_of(address), port)
    end
end

-- What socket.tx returns; nothing when the server is closed.
local function send(server, data, ip, port)
    if server.sc and data then
        return socket.tx(server.sc, data, ip, port)
    end
end

local function close(server)
    local netc = server.sc

    server.sc = nil
    if netc then
        socket.close(netc)
        socket.release(netc)
    end
end

-- The server, with send(self, data, ip, port) and close(self); nil when there can be no socket.
function udpsrv.create(port, topic, adapter)
    local server = { topic = topic, rxbuff = zbuff.create(RX_LEN) }

    server.send, server.close = send, close
    server.sc = socket.create(adapter, function(netc, event, param)
        if event == socket.EVENT then
            publish_all(server, netc)
        elseif event == socket.ON_LINE and param ~= 0 then
            log.error("udpsrv", "no datagrams come: port", port, "can't be had")
        elseif event == socket.CLOSED then
            server:close()
        end
    end)
    if not server.sc then
        return nil
    end
    socket.config(server.sc, port, true)
    if not socket.connect(server.sc, ANYBODY, 0) then
        server:close()
        return nil
    end
    return server
end

function udpsrv.version()
    return VERSION
end

return udpsrv
