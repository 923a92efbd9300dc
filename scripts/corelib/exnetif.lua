-- exnetif: several networks at once. The best one that reaches the internet is the default adapter;
-- when it fails the next one takes over, and when it is back it is taken again. And the other way
-- round: clients of one adapter reach the internet by another.
--
-- A network is OPENED when it was set up, CONNECTING when it has an address, and CONNECTED when it
-- was seen to reach something: an address that answers an echo request (ping_ip, or the gateway with
-- local_network_mode), else a name that HTTPDNS or the adapter's own name server knows. It is asked
-- again when a socket on it fails.

local socket, netdrv, log, sys = socket, netdrv, log, require("sys")
local ipairs, pairs, type, pcall, require = ipairs, pairs, type, pcall, require

local VERSION = "202608030000"
local STATUS_TOPIC = "EXLIB_NETDRV_NETWORK_STATUS"
local CHECK_MS = 10000      -- between two checks of a network that has failed one
local ANSWER_MS = 3000      -- for an answer
local NAME = "baidu.com"    -- that HTTPDNS is asked for
local OWN_NAME = "netlab.luatos.com" -- that the adapter's name server is asked for
local UP_MS = 60000         -- for a network that others shall use
local LAN_IP, AP_IP, MASK, NO_GATEWAY = "192.168.5.1", "192.168.4.1", "255.255.255.0", "0.0.0.0"
local LAN_GATEWAY = { 192, 168, 5, 1 }
local SPI_HZ = 25600000

local exnetif = {}

-- ---- the networks ---------------------------------------------------------------------------------

-- nets[adapter] = { id, name, state, config, is_usable, checks }. is_usable: CONNECTED, or it was when
-- it was asked again, and has not failed yet. checks: how many were begun; an older one has no say.
local nets = {}
local priority = {} -- adapters, the best one first
local current       -- the default one; nil: none is usable
local notify = function() end
local is_single = false
local has_handlers = false
local check_period_ms
local switches_sockets = true

local NAMES = { [socket.LWIP_STA] = "WiFi", [socket.LWIP_ETH] = "Ethernet", [socket.LWIP_GP] = "4G",
                [socket.LWIP_USER1] = "8101SPIETH" }

local function name_of(id)
    return NAMES[id] or "4G"
end

local function net_of(id)
    nets[id] = nets[id] or { id = id, name = name_of(id), state = "DISCONNECTED", checks = 0 }
    return nets[id]
end

local function publish(name, id)
    notify(name, id)
    sys.publish(STATUS_TOPIC, name, id)
end

-- Make the best usable network the default one.
local function apply()
    for _, id in ipairs(priority) do
        if nets[id].is_usable then
            if current == id then
                return
            end
            local old = current
            current = id
            log.info("exnetif", "use", name_of(id))
            socket.dft(id)
            publish(name_of(id), id)
            if old and switches_sockets then
                socket.close_all(old)
            end
            return
        end
    end
    if current then
        current = nil
        publish(nil, -1)
    end
end

local function set_state(net, state)
    if net.state ~= state then
        log.debug("exnetif", net.name, net.state, "->", state)
        net.state = state
    end
end

-- ---- does it reach anything? --------------------------------------------------------------------

local function wait_answer(id, ip)
    local before = mcu.ticks()
    local left = ANSWER_MS

    while left > 0 do
        local ok, from, _, address = sys.waitUntil("PING_RESULT", left)
        if ok and from == id and address == ip then
            return true
        end
        left = ANSWER_MS - (mcu.ticks() - before)
    end
    return false
end

local function answers_ping(id, ip)
    return netdrv.ping(id, ip) == true and wait_answer(id, ip)
end

local function knows_http_dns(id)
    local ok, httpdns = pcall(require, "httpdns")

    return ok and httpdns.ali(NAME, { adapter = id, timeout = ANSWER_MS }) ~= nil
end

-- A lookup and no more: connecting to port 0.
local function knows_dns(id)
    local topic = "exnetif_lookup" .. id
    local netc = socket.create(id, function(_, event, param)
        if event == socket.ON_LINE then
            sys.publish(topic, param == 0)
        end
    end)
    if not netc then
        return false
    end
    socket.config(netc)
    local ok, found = socket.connect(netc, OWN_NAME, 0), false
    if ok then
        ok, found = sys.waitUntil(topic, ANSWER_MS)
    end
    socket.release(netc)
    return ok and found == true
end

local function ping_ip_of(net)
    if net.config.local_network_mode then
        local _, _, gateway = socket.localIP(net.id)
        return gateway
    end
    local ip = net.config.ping_ip
    if ip or net.id ~= socket.LWIP_GP then
        return ip
    end
    for _, id in ipairs(priority) do -- 4G has no settings of its own
        ip = ip or nets[id].config.ping_ip
    end
    return ip
end

local function needs_no_check(net)
    if net.id ~= socket.LWIP_GP or net.config.need_ping ~= nil then
        return net.config.need_ping == false
    end
    for _, id in ipairs(priority) do
        if nets[id].config.need_ping == false then
            return true
        end
    end
    return false
end

local function reaches_something(net)
    local ip = ping_ip_of(net)

    if ip then
        return answers_ping(net.id, ip)
    end
    return knows_dns(net.id) or knows_http_dns(net.id)
end

local function check_ms_of(net)
    local ms = net.config.ping_time

    for _, id in ipairs(priority) do
        ms = ms or nets[id].config.ping_time
    end
    return type(ms) == "number" and ms > 0 and ms or CHECK_MS
end

-- Until it is CONNECTED, or somebody else decides.
local function check(net)
    net.checks = net.checks + 1
    local mine = net.checks

    if needs_no_check(net) then
        set_state(net, "CONNECTED")
        net.is_usable = true
        return apply()
    end
    sys.taskInit(function()
        while net.checks == mine and net.state == "CONNECTING" do
            log.debug("exnetif", "check", net.name)
            local is_good = reaches_something(net)
            if net.checks ~= mine or net.state ~= "CONNECTING" then
                return
            end
            net.is_usable = is_good
            if is_good then
                set_state(net, "CONNECTED")
            end
            apply()
            if not is_good then
                sys.wait(check_ms_of(net))
            end
        end
    end)
end

local function recheck(net)
    if net.state == "CONNECTED" then
        set_state(net, "CONNECTING")
        check(net)
    end
end

-- ---- what happens to them ------------------------------------------------------------------------

local function on_ip_ready(_, id)
    local net = nets[id]

    -- the message may be older than what was set up since
    if net and net.state == "OPENED" and socket.adapter(id) then
        set_state(net, "CONNECTING")
        check(net)
    end
end

local function on_ip_lose(id)
    local net = nets[id]

    if net and (net.state == "CONNECTING" or net.state == "CONNECTED") then
        set_state(net, "OPENED")
        net.is_usable = false
        net.checks = net.checks + 1
        apply()
    end
end

local function check_again_and_again()
    while true do
        sys.wait(check_period_ms or 1000)
        if check_period_ms then
            exnetif.check_network_status()
        end
    end
end

local function add_handlers()
    if has_handlers then
        return
    end
    has_handlers = true
    sys.subscribe("IP_READY", on_ip_ready)
    sys.subscribe("IP_LOSE", on_ip_lose)
end

local function watch_sockets(net)
    netdrv.on(net.id, netdrv.EVT_SOCKET, function(_, event)
        if event == "timeout" or event == "error" then
            recheck(net)
        end
    end)
end

-- It was set up: its address comes, or is there.
local function opened(net)
    if is_single then
        return set_state(net, "SINGLE")
    end
    set_state(net, "OPENED")
    watch_sockets(net)
    on_ip_ready(nil, net.id)
end

-- Check those that are connected: once, or every interval milliseconds.
function exnetif.check_network_status(interval)
    if type(interval) ~= "number" or interval < 1 then
        interval = nil
    end
    if interval and not check_period_ms then
        check_period_ms = interval
        sys.taskInit(check_again_and_again)
    end
    check_period_ms = interval or check_period_ms
    for _, id in ipairs(priority) do
        recheck(nets[id])
    end
end

-- ---- setting them up -------------------------------------------------------------------------------

local function power(pin, is_on)
    if pin and gpio then
        if is_on then
            gpio.setup(pin, 1, gpio.PULLUP)
        else
            gpio.close(pin)
        end
    end
end

local function open_spi(config)
    if not (config.tp and config.opts and config.opts.spi) or not spi then
        return true
    end
    return spi.setup(config.opts.spi, nil, 0, 0, 8, SPI_HZ) == 0
end

local function start_chip(id, config, pin)
    power(pin, true)
    if open_spi(config) and netdrv.setup(id, config.tp, config.opts) ~= false then
        return true
    end
    log.error("exnetif", name_of(id), "can't be set up")
    power(pin, false)
    return false
end

local function open_ethernet(net, config)
    if not start_chip(net.id, config, config.pwrpin) then
        return false
    end
    local static = config.static_ip
    if static then
        netdrv.ipv4(net.id, static.ipv4, static.mark, static.gw)
    else
        netdrv.dhcp(net.id, true)
    end
    return true
end

local function open_wifi(_, config)
    wlan.init()
    if not wlan.connect(config.ssid, config.password, 1, config.bssid) then
        log.error("exnetif", "WiFi can't be joined")
        return false
    end
    return true
end

local function open_airlink_4g(net, config)
    airlink.init()
    if config.airlink_type == airlink.MODE_UART then
        airlink.config(airlink.CONF_UART_ID, config.airlink_uart_id)
    end
    airlink.start(config.airlink_type)
    return netdrv.setup(net.id, netdrv.WHALE)
end

local function open_nothing()
    return true
end

-- What a configuration may have, and how that is set up.
local KINDS = {
    { key = "WIFI", id = function() return socket.LWIP_STA end, open = open_wifi },
    { key = "airlink_wifi", id = function() return socket.LWIP_STA end, open = open_wifi },
    { key = "ETHUSER1", id = function() return socket.LWIP_USER1 end, open = open_ethernet },
    { key = "ETHERNET", id = function() return socket.LWIP_ETH end, open = open_ethernet },
    { key = "airlink_4G", open = open_airlink_4g,
      id = function(config) return config.airlink_adapter or socket.LWIP_GP_GW end },
    { key = "LWIP_GP", id = function() return socket.LWIP_GP end, open = open_nothing },
}

-- Another name or password for a Wi-Fi that is set up.
local function rejoin(net, config)
    if net.id == socket.LWIP_STA and net.config and
        (net.config.ssid ~= config.ssid or net.config.password ~= config.password) then
        wlan.disconnect()
        return open_wifi(net, config)
    end
    return true
end

-- False: it can't be.
local function open(kind, config)
    local id = kind.id(config)
    local net = net_of(id)
    local was_open = net.state ~= "DISCONNECTED"
    local ok = was_open and rejoin(net, config) or not was_open and kind.open(net, config)

    if not ok then
        return false
    end
    if config.auto_socket_switch ~= nil then
        switches_sockets = config.auto_socket_switch
    end
    net.config, net.pin = config, config.pwrpin
    return net
end

local function open_all(configs)
    local found = {}

    for _, entry in ipairs(configs) do
        for _, kind in ipairs(KINDS) do
            local config = entry[kind.key]
            if config then
                local net = open(kind, type(config) == "table" and config or {})
                if not net then
                    return nil
                end
                found[#found + 1] = net
            end
        end
    end
    return found
end

-- The networks, the best one first: {{WIFI = {ssid =, password =, ...}}, {ETHERNET = {...}}, {LWIP_GP =
-- true}}. In a task. With only one nothing is checked: it is the default adapter.
function exnetif.set_priority_order(configs)
    if type(configs) ~= "table" or #configs < 1 then
        log.error("exnetif", "set_priority_order: no network is given")
        return false
    end
    is_single = #configs == 1
    if not is_single then
        add_handlers()
    end
    local found = open_all(configs)
    if not found or #found == 0 then
        return false
    end
    priority = {}
    for i, net in ipairs(found) do
        priority[i] = net.id
    end
    for _, net in ipairs(found) do
        if net.state == "DISCONNECTED" or net.state == "SINGLE" then
            opened(net)
        end
    end
    apply()
    if not current then
        socket.dft(priority[1]) -- the one that is wanted, while none is there yet
    end
    return true
end

-- fn(name, adapter) when another network is used; fn(nil, -1) when none is left.
function exnetif.notify_status(fn)
    if type(fn) ~= "function" then
        log.error("exnetif", "notify_status takes a function")
        return
    end
    notify = fn
end

-- Other credentials for Wi-Fi, which is set up if it was not.
function exnetif.update_wifi(config)
    if type(config) ~= "table" or not config.ssid then
        log.error("exnetif", "update_wifi: no ssid is given")
        return false
    end
    local merged, old = {}, nets[socket.LWIP_STA] and nets[socket.LWIP_STA].config or {}
    for key, value in pairs(old) do
        merged[key] = value
    end
    for key, value in pairs(config) do
        merged[key] = value
    end
    local net = open(KINDS[1], merged)
    if not net then
        return false
    end
    if net.state == "DISCONNECTED" then
        add_handlers()
        is_single = false
        priority[#priority + 1] = net.id
        opened(net)
    end
    return true
end

-- ---- clients of one adapter by another ------------------------------------------------------------

-- { clients =, main =, server =, pin = } of each setproxy.
local proxies = {}

local function wait_for(is_there)
    local before = mcu.ticks()

    while not is_there() do
        if mcu.ticks() - before > UP_MS then
            return false
        end
        sys.wait(100)
    end
    return true
end

local function library(name)
    local ok, found = pcall(require, name)

    if ok then
        return found
    end
    log.warn("exnetif", name, "is not there")
end

-- Bring up the network that gives the others theirs, unless it is.
local function open_main(id, config)
    local net = net_of(id)

    if net.state ~= "DISCONNECTED" then
        return true
    end
    if id == socket.LWIP_ETH or id == socket.LWIP_USER1 then
        if not start_chip(id, config, config.ethpower_en) then
            return false
        end
        netdrv.dhcp(id, true)
        net.pin = config.ethpower_en
    elseif id == socket.LWIP_STA and config.ssid then
        wlan.init()
        wlan.setMode(wlan.APSTA)
        wlan.connect(config.ssid, config.password)
    end
    if not wait_for(function() return netdrv.ready(id) end) then
        log.error("exnetif", name_of(id), "does not come up")
        return false
    end
    net.config = net.config or config
    set_state(net, "OPENED")
    return true
end

local function open_clients(id, config)
    if id == socket.LWIP_AP then
        wlan.setMode(wlan.APSTA)
        local ip = config.adapter_addr or AP_IP
        if not wlan.createAP(config.ssid, config.password, ip, MASK, config.channel, config.ap_opts) then
            return false
        end
        netdrv.ipv4(id, ip, MASK, NO_GATEWAY)
        return true
    end
    if not start_chip(id, config, config.ethpower_en) then
        return false
    end
    netdrv.ipv4(id, config.adapter_addr or LAN_IP, MASK, NO_GATEWAY)
    return true
end

local function serve(id, main, config)
    local dhcpsrv, dnsproxy = library("dhcpsrv"), library("dnsproxy")
    local gateway = config.adapter_gw or id ~= socket.LWIP_AP and LAN_GATEWAY or nil

    local server = dhcpsrv and dhcpsrv.create({ adapter = id, gw = gateway })
    if dnsproxy then
        dnsproxy.setup(id, main)
    end
    netdrv.napt(main)
    proxies[#proxies + 1] = { clients = id, main = main, server = server, pin = config.ethpower_en }
end

-- Devices on adapter reach the internet by main: addresses, names, and NAT. In a task.
function exnetif.setproxy(adapter, main, config)
    config = config or {}
    if not open_main(main, config.main_adapter or config) or not open_clients(adapter, config) then
        return false
    end
    if not wait_for(function() return netdrv.ready(adapter) end) then
        log.error("exnetif", "adapter", adapter, "does not come up")
        return false
    end
    serve(adapter, main, config)
    return true
end

local function close_proxies()
    local dnsproxy = #proxies > 0 and library("dnsproxy")

    for _, proxy in ipairs(proxies) do
        if proxy.server and proxy.server.close then
            proxy.server:close()
        end
        if proxy.clients == socket.LWIP_AP then
            wlan.stopAP()
        else
            netdrv.ctrl(proxy.clients, netdrv.CTRL_UPDOWN, 0)
            power(proxy.pin, false)
        end
    end
    if dnsproxy and dnsproxy.close then
        dnsproxy.close()
    end
    netdrv.napt(-1)
    proxies = {}
end

local function close_one(id)
    local net = net_of(id)

    if id == socket.LWIP_STA then
        wlan.disconnect()
    elseif id == socket.LWIP_AP then
        wlan.stopAP()
    elseif id == socket.LWIP_GP then
        mobile.flymode(0, true)
    elseif id == socket.LWIP_ETH or id == socket.LWIP_USER1 then
        netdrv.ctrl(id, netdrv.CTRL_UPDOWN, 0)
        power(net.pin, false)
    end
    net.checks = net.checks + 1
    net.is_usable = false
    set_state(net, "DISCONNECTED")
    apply()
end

-- close(true): all that setproxy has set up. close(false, adapter): that one.
function exnetif.close(is_proxy, adapter)
    if is_proxy then
        return close_proxies()
    end
    if type(adapter) == "number" then
        return close_one(adapter)
    end
    log.error("exnetif", "close: no adapter is given")
end

-- Clients go on by another Wi-Fi. In a task.
function exnetif.switch_upstream_wifi(config)
    local is_main = false

    for _, proxy in ipairs(proxies) do
        is_main = is_main or proxy.main == socket.LWIP_STA
    end
    if not is_main or type(config) ~= "table" or not config.ssid then
        log.error("exnetif", "switch_upstream_wifi: no clients go out by WiFi, or no ssid is given")
        return false
    end
    netdrv.napt(-1)
    wlan.disconnect()
    wlan.connect(config.ssid, config.password)
    if not wait_for(function() return netdrv.ready(socket.LWIP_STA) end) then
        return false
    end
    netdrv.napt(socket.LWIP_STA)
    return true
end

-- Wi-Fi joins again by itself, and always does.
function exnetif.disable_upstream_autoreconnect()
    log.warn("exnetif", "WiFi joins again by itself here, always")
end

function exnetif.version()
    return VERSION
end

return exnetif
