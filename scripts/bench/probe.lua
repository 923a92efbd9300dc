-- What the probes share: their parameters, the window of time, and how they end.
local probe = {}

local function parameter(name)
    return math.tointeger(tonumber(os.getenv("BENCH_" .. name)))
end

probe.port = parameter("PORT")
probe.connections = parameter("CONNECTIONS")
probe.size = parameter("SIZE")
probe.host = os.getenv("BENCH_HOST") or "127.0.0.1"

local window = parameter("MS") / 1000
local began

local function now()
    local seconds, us = mcu.ticks2(0)
    return seconds + us / 1000000
end

function probe.start()
    began = now()
end

-- Is the window over? Then the result is out and the run ends here.
function probe.check(count)
    local took = now() - began
    if took >= window then
        print(string.format("BENCH %d %.6f", count, took))
        os.exit(0)
    end
end

function probe.fail(what)
    print("BENCH failed: " .. what)
    os.exit(1)
end

-- A control that is connecting to the server.
function probe.connect(callback, is_udp)
    local adapter = socket[os.getenv("BENCH_ADAPTER") or ""] -- whose link leads there
    while adapter and not socket.adapter(adapter) do -- a W5500's link takes its time
        sys.waitUntil("IP_READY", 1000)
    end
    local netc = socket.create(adapter, callback)
    if not netc or not socket.config(netc, nil, is_udp) or
        not socket.connect(netc, probe.host, probe.port) then
        probe.fail("connect")
    end
    return netc
end

return probe
