-- httpdns: addresses of names by HTTP, from Alibaba's or Tencent's public servers: for networks whose
-- own DNS lies or is slow. To be called in a task.

local socket, zbuff, json = socket, zbuff, json
local sys = require("sys")

local VERSION = "202608030000"
local ALI, TX = "223.5.5.5", "119.29.29.29"
local HTTP_PORT = 80
local TIMEOUT_MS = 3000
local RESPONSE_MAX = 65536

local httpdns = {}
local serial = 0

-- The body of a response that is whole, or ended with the connection; nil: not yet, or it is no 200.
local function body_of(response, is_over)
    local head, rest = response:match("^(HTTP/1%.%d 200.-\r\n)\r\n(.*)$")

    if not head then
        return nil
    end
    head = head:lower()
    local len = tonumber(head:match("\r\ncontent%-length:%s*(%d+)%s*\r\n"))
    if len then
        return #rest >= len and rest:sub(1, len) or nil
    end
    if not is_over then
        return nil
    end
    if not head:find("\r\ntransfer%-encoding:%s*chunked") then
        return rest
    end
    local parts = {}
    while true do
        local size, data = rest:match("^(%x+)[^\r\n]*\r\n(.*)$")

        size = size and #size <= 6 and tonumber(size, 16)
        if not size or size > #data then
            return nil
        elseif size == 0 then
            return table.concat(parts)
        end
        parts[#parts + 1] = data:sub(1, size)
        rest = data:sub(size + 3)
    end
end

-- Append what has come; false: the connection is over, or it is too much.
local function take(fetch, netc)
    while true do
        local ok, len = socket.rx(netc, fetch.buff)

        if not ok or len == 0 then
            return ok
        end
        fetch.response = fetch.response .. fetch.buff:query()
        fetch.buff:del()
        if #fetch.response > RESPONSE_MAX then
            return false
        end
    end
end

local function on_event(fetch, netc, event, param)
    local is_over = param ~= 0

    if event == socket.ON_LINE and param == 0 then
        is_over = not socket.tx(netc, fetch.request)
    elseif event == socket.EVENT then
        is_over = not take(fetch, netc) or is_over
    end
    fetch.body = fetch.body or body_of(fetch.response, is_over)
    if is_over or fetch.body then
        sys.publish(fetch.topic)
    end
end

-- GET http://ip/path, by opts.adapter and within opts.timeout ms. Its body, or nil.
local function get(ip, path, opts)
    serial = serial + 1
    local fetch = {
        topic = "HTTPDNS_" .. serial, response = "", buff = zbuff.create(1500),
        request = ("GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"):format(path, ip),
    }
    local netc = socket.create(opts and opts.adapter, function(netc, event, param)
        on_event(fetch, netc, event, param)
    end)

    if not netc then
        return nil
    end
    socket.config(netc)
    if socket.connect(netc, ip, HTTP_PORT) then
        sys.waitUntil(fetch.topic, opts and opts.timeout or TIMEOUT_MS)
    end
    socket.close(netc)
    socket.release(netc)
    return fetch.body
end

-- A name as it may stand in a URL; nil: it is none.
local function checked(name)
    name = name ~= nil and tostring(name)
    return name and name:match("^[%w%.%-_]+$")
end

-- The first address that Alibaba's server knows; nil: none.
function httpdns.ali(name, opts)
    name = checked(name)
    local body = name and get(ALI, "/resolve?short=1&name=" .. name, opts)
    local found = body and json.decode(body)

    return type(found) == "table" and found[1] or nil
end

-- Of Tencent's.
function httpdns.tx(name, opts)
    name = checked(name)
    local body = name and get(TX, "/d?dn=" .. name, opts)

    return body and body:match("^[^,;%s]+") or nil
end

function httpdns.version()
    return VERSION
end

return httpdns
