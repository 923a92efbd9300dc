-- A finalizer of the script releases the control, and frees the buffer, that a function is using.

collectgarbage("incremental", 100, 1000, 40)
collectgarbage("setpause", 0) -- whatever makes a new object collects everything first

local ROUNDS = 3

local victim, buff, sprung
local function spring()
    sprung = true
    socket.release(victim)
    buff:free()
end

-- As text, to be compiled under a new name each time: a warning's place is a new string then.
local calls = {
    { "config", "socket.config(n, 60001, true, false, 8, 9, 10)" },
    { "config", "socket.config(n, 9, false, true, 8, 9, 10, r + 0.25, r + 0.5)" },
    { "linkup", "socket.linkup(n)", online = true },
    { "connect", "socket.connect(n, r + 0.25, 9)" },
    { "connect", "socket.connect(n, 'localhost', 9)" },
    { "listen", "socket.listen(n, 9)" },
    { "accept", "socket.accept(n, r + 0.25)" },
    { "tx", "socket.tx(n, r + 0.25, '127.0.0.1', 9)", online = true },
    { "tx", "socket.tx(n, b, r + 0.25, 9)", online = true },
    { "tx", "socket.tx(n, b, '127.0.0.1', 9)", online = true },
    { "rx", "socket.rx(n, b, 7)", online = true },
    { "read", "socket.read(n)", online = true },
}

-- Connected to the lab, and an answer is there.
local function make_online(netc)
    assert(socket.connect(netc, "netlab.luatos.com", 40123))
    while socket.state(netc) ~= 5 do
        rtos.receive(100)
    end
    socket.tx(netc, buff)
    while select(2, socket.rx(netc)) == 0 do
        rtos.receive(100)
    end
end

for _, call in ipairs(calls) do
    local name, text = call[1], call[2]
    local during = 0

    for round = 1, ROUNDS do
        local netc = socket.create(nil, function() end)
        buff = zbuff.create(3000, ("z"):rep(2000))
        socket.config(netc, 0, name ~= "accept")
        if call.online then
            make_online(netc)
        end
        local f = load("local n, b, r = ... " .. text, "=" .. name .. round)
        victim, sprung = netc, false
        collectgarbage() -- so that the next collection begins anew, and
        collectgarbage("stop") -- not before the call
        for _ = 1, 3 do
            setmetatable({}, { __gc = spring })
        end
        collectgarbage("restart")
        f(netc, buff, round)
        during = during + (sprung and 1 or 0)
        collectgarbage()
        assert(sprung)
    end
    log.info(name, during == ROUNDS)
end
os.exit(0)
