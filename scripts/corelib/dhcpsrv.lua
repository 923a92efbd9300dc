-- dhcpsrv: a DHCP server (RFC 2131) for the devices on one adapter.
--
-- It is alone on its link, so it knows of every lease. A client is known by its MAC. It gets the
-- address it had, else the one it asks for, else the first that is free, else the one whose lease
-- has been over for longest.

local log, mcu, math, string = log, mcu, math, string
local sys = require("sys")
local udpsrv = require("udpsrv")

local TAG = "dhcpsrv"
local SERVER_PORT, CLIENT_PORT = 67, 68
local BROADCAST = "255.255.255.255"
local MAGIC = 0x63825363
local REQUEST_OP, REPLY_OP = 1, 2
local HEADER_LEN = 240 -- with the magic number
local MESSAGE_LEN_MIN = 300 -- RFC 951 3; some clients drop what is shorter
local LEASE_S = 7680
local OFFER_S = 60
local DECLINE_S = 600
local NOBODY = "\0\0\0\0"

local DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM = 1, 2, 3, 4, 5, 6, 7, 8

-- RFC 2132
local MASK, ROUTER, DNS, WANTED_IP, LEASE, TYPE, SERVER = 1, 3, 6, 50, 51, 53, 54
local PAD, END = 0, 255

local dhcpsrv = {}

local function now_s()
    return mcu.ticks() // 1000
end

local function text_of(ip)
    return ("%d.%d.%d.%d"):format(ip:byte(1, 4))
end

-- ---- messages ------------------------------------------------------------------------------------

local function options_of(message)
    local options, at = {}, HEADER_LEN + 1

    while at <= #message do
        local code = message:byte(at)

        at = at + 1
        if code == END then
            break
        elseif code ~= PAD then
            local len = message:byte(at)

            if not len or at + len > #message then
                return nil
            end
            options[code] = (options[code] or "") .. message:sub(at + 1, at + len) -- RFC 3396
            at = at + 1 + len
        end
    end
    return options
end

-- What a client says; nil when that is no request of Ethernet's.
local function parse(message)
    if #message < HEADER_LEN or (">I4"):unpack(message, HEADER_LEN - 3) ~= MAGIC then
        return nil
    end
    local op, htype, hlen = message:byte(1, 3)
    local options = options_of(message)
    if op ~= REQUEST_OP or htype ~= 1 or hlen ~= 6 or not options or #(options[TYPE] or "") ~= 1 then
        return nil
    end
    local request = {
        type = options[TYPE]:byte(), options = options,
        xid = message:sub(5, 8), flags = message:sub(11, 12), ciaddr = message:sub(13, 16),
        giaddr = message:sub(25, 28), chaddr = message:sub(29, 44), mac = message:sub(29, 34),
    }
    local wanted = options[WANTED_IP]
    request.wanted = wanted and #wanted == 4 and wanted or nil
    if request.mac == ("\0"):rep(6) or request.mac == ("\xff"):rep(6) then
        return nil
    end
    return request
end

local function option(code, value)
    return string.char(code, #value) .. value
end

-- Send an answer of a type, for an address; nobody's: NAK, and INFORM's ACK.
local function answer(server, request, kind, ip)
    local options = option(TYPE, string.char(kind)) .. option(SERVER, server.ip)

    if kind ~= NAK then
        options = options .. option(MASK, server.mask) .. option(ROUTER, server.ip) .. option(DNS, server.dns)
        if ip ~= NOBODY then
            options = options .. option(LEASE, (">I4"):pack(LEASE_S))
        end
    end
    local message = string.char(REPLY_OP, 1, 6, 0) .. request.xid .. "\0\0" .. request.flags ..
        (kind == ACK and request.ciaddr or NOBODY) .. ip .. server.ip .. request.giaddr .. request.chaddr ..
        ("\0"):rep(192) .. (">I4"):pack(MAGIC) .. options .. string.char(END)
    message = message .. ("\0"):rep(MESSAGE_LEN_MIN - #message)
    -- who has no address yet can't be sent to but by broadcast: there is nothing to do ARP with
    local has_address = kind ~= NAK and request.ciaddr ~= NOBODY
    server.udp:send(message, has_address and text_of(request.ciaddr) or BROADCAST, CLIENT_PORT)
end

-- ---- leases --------------------------------------------------------------------------------------

local function is_in_pool(server, ip)
    local last = ip:byte(4)

    return ip:sub(1, 3) == server.ip:sub(1, 3) and last >= server.first and last <= server.last and
        ip ~= server.ip
end

local function is_free(lease)
    return not lease or now_s() >= lease.ends
end

-- May this client have this address?
local function can_have(server, ip, mac)
    local lease = server.leases[ip]

    return is_in_pool(server, ip) and (is_free(lease) or lease.mac == mac)
end

local function find_address(server, request)
    local longest, over_since

    for ip, lease in pairs(server.leases) do
        if lease.mac == request.mac then
            return ip
        end
    end
    if request.wanted and can_have(server, request.wanted, request.mac) then
        return request.wanted
    end
    for last = server.first, server.last do
        local ip = server.ip:sub(1, 3) .. string.char(last)
        local lease = server.leases[ip]

        if ip ~= server.ip and not lease then
            return ip
        elseif lease and is_free(lease) and (not over_since or lease.ends < over_since) then
            longest, over_since = ip, lease.ends
        end
    end
    return longest
end

-- A client has one address.
local function hold(server, ip, mac, seconds)
    for other, lease in pairs(server.leases) do
        if lease.mac == mac and other ~= ip then
            server.leases[other] = nil
        end
    end
    server.leases[ip] = { mac = mac, ends = now_s() + seconds }
end

local function on_discover(server, request)
    local ip = find_address(server, request)

    if not ip then
        return log.warn(TAG, "no address is left for", request.mac:toHex())
    end
    hold(server, ip, request.mac, OFFER_S)
    log.info(TAG, "offer", text_of(ip), (request.mac:toHex()))
    answer(server, request, OFFER, ip)
end

local function on_request(server, request)
    local chosen = request.options[SERVER]
    local ip = request.wanted or request.ciaddr

    if chosen and chosen ~= server.ip then -- another's offer was better
        local lease = server.leases[ip]

        if lease and lease.mac == request.mac then
            server.leases[ip] = nil
        end
    elseif ip == NOBODY or not can_have(server, ip, request.mac) then
        log.info(TAG, "nak", text_of(ip), (request.mac:toHex()))
        answer(server, request, NAK, NOBODY)
    else
        hold(server, ip, request.mac, LEASE_S)
        log.info(TAG, "ack", text_of(ip), (request.mac:toHex()))
        answer(server, request, ACK, ip)
        if server.opts.ack_cb then
            server.opts.ack_cb(text_of(ip), request.mac:toHex())
        end
    end
end

-- Somebody has it whom we don't know.
local function on_decline(server, request)
    local ip = request.wanted

    if ip and can_have(server, ip, request.mac) then
        server.leases[ip] = { mac = "", ends = now_s() + DECLINE_S }
    end
end

local function on_release(server, request)
    local lease = server.leases[request.ciaddr]

    if lease and lease.mac == request.mac then
        lease.ends = now_s() -- it gets the same again, if nobody else needs it
    end
end

local function on_inform(server, request)
    if request.ciaddr ~= NOBODY then
        answer(server, request, ACK, NOBODY)
    end
end

local handlers = {
    [DISCOVER] = on_discover, [REQUEST] = on_request, [DECLINE] = on_decline, [RELEASE] = on_release,
    [INFORM] = on_inform,
}

-- ---- life ----------------------------------------------------------------------------------------

local function close(server)
    sys.unsubscribe(server.udp_topic, server.on_message)
    server.udp:close()
end

local function bytes_of(numbers)
    return string.char(numbers[1], numbers[2], numbers[3], numbers[4])
end

-- The server, with close(self); nil when there can be no socket. opts: adapter; gw = {192, 168, 4, 1},
-- which is the server too; mark = {255, 255, 255, 0}; dns = gw; ip_start = 100, ip_end = 200;
-- ack_cb(ip, mac).
function dhcpsrv.create(opts)
    opts = opts or {}
    opts.mark = opts.mark or { 255, 255, 255, 0 }
    opts.gw = opts.gw or { 192, 168, 4, 1 }
    opts.dns = opts.dns or opts.gw
    opts.ip_start = opts.ip_start or 100
    opts.ip_end = opts.ip_end or 200

    local server = {
        opts = opts, close = close, leases = {}, udp_topic = "dhcpd_inc" .. (opts.adapter or ""),
        ip = bytes_of(opts.gw), mask = bytes_of(opts.mark), dns = bytes_of(opts.dns),
        first = math.max(opts.ip_start, 1), last = math.min(opts.ip_end, 254),
    }
    server.udp = udpsrv.create(SERVER_PORT, server.udp_topic, opts.adapter)
    if not server.udp then
        log.error(TAG, "there can be no socket on adapter", opts.adapter)
        return nil
    end
    function server.on_message(message)
        local request = parse(message)
        local handler = request and handlers[request.type]

        if handler then
            handler(server, request)
        end
    end
    sys.subscribe(server.udp_topic, server.on_message)
    return server
end

return dhcpsrv
