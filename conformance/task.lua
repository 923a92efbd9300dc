-- What the scripts of the socket tests share: one task, "t", that is told of every event.

PORT = tonumber(os.getenv("PORT"))
HOST = os.getenv("HOST") or "127.0.0.1"
ADAPTER = socket[os.getenv("ADAPTER")] -- the default one, if it takes its time

local names = {}
for _, name in ipairs({ "LINK", "ON_LINE", "TX_OK", "CLOSED", "EVENT" }) do
    names[socket[name]] = name
end

-- "true false nil", or "nothing" for no values.
function text_of(...)
    local texts = {}
    for i = 1, select("#", ...) do
        texts[i] = tostring((select(i, ...)))
    end
    return #texts == 0 and "nothing" or table.concat(texts, " ")
end

-- Log what a call gave: show("connect", socket.connect(...)).
function show(what, ...)
    log.info(what, text_of(...))
    return ...
end

-- Log whether a call raises, and how.
function attempt(what, f, ...)
    show(what, pcall(f, ...))
end

-- "ON_LINE 0"
function event_text(event, param)
    return (names[event] or string.format("%#x", event)) .. " " .. tostring(param)
end

-- Wait for the next event of any control of the task, log it, and return its text.
function event()
    local msg = sys.waitMsg("t")
    local text = event_text(msg[1], msg[2])
    log.info("event", text)
    return text
end

-- The next event is this one.
function expect(wanted)
    local got = event()
    assert(got == wanted, "got " .. got .. ", not " .. wanted)
end

-- Skip events until this one.
function until_event(wanted)
    while event() ~= wanted do end
end

-- A control of the task in TCP mode, or as the arguments of socket.config say.
function tcp(...)
    local netc = socket.create(nil, "t")
    assert(socket.config(netc, ...))
    return netc
end

function udp(port)
    return tcp(port, true)
end

-- Connect, and wait until that is done.
function online(netc, host, port)
    assert(socket.connect(netc, host or HOST, port or PORT))
    expect("ON_LINE 0")
    return netc
end

-- Wait for events until so many bytes were read; returns them.
function read_bytes(netc, count)
    local data = ""
    while #data < count do
        local ok, got = socket.read(netc)
        assert(ok, "after " .. #data .. " bytes")
        data = data .. got
        if #got == 0 then
            event()
        end
    end
    return data
end

-- Give what must not come a chance to come.
function settle()
    sys.wait(50)
end

-- Run the test; the script is over when it is.
function task(f)
    sys.taskInitEx(function()
        while ADAPTER and not socket.adapter(ADAPTER) do
            sys.waitUntil("IP_READY", 1000)
        end
        f()
        log.info("task", "done")
        os.exit(0)
    end, "t")
    sys.run()
end
