-- A guided tour: the link, a name, TCP, UDP and callbacks, against an echo server.
PROJECT = "tour"
VERSION = "1.0.0"

HOST = "netlab.luatos.com" -- answers both TCP and UDP with what it gets
PORT = 40123

local libnet = require "libnet"

local TASK = "tour"
local PATIENCE_MS = 15000

local function say(...)
    log.info("tour", ...)
end

-- End the tour here when a step has failed.
local function check(ok, what)
    if not ok then
        log.error("tour", what, "failed")
        os.exit(1)
    end
end

-- What the peer has sent, as text; nil when the connection is over or nothing came in time.
local function read(netc)
    local buff = zbuff.create(1024)
    local ok, has_data = libnet.wait(TASK, PATIENCE_MS, netc)
    if not (ok and has_data) then
        return nil
    end
    local got = socket.rx(netc, buff)
    return got and buff:query()
end

local function show_link()
    local ready, adapter = socket.adapter(socket.dft())
    say("1. the link: adapter", adapter, ready and "is ready" or "is not ready")
    while not socket.adapter(socket.dft()) do
        sys.waitUntil("IP_READY", 1000)
    end
    say("   socket.localIP() is", (socket.localIP()))
end

local function look_up()
    say("2. a name: socket.connect() with port 0 only asks the DNS")
    local netc = socket.create(nil, TASK)
    socket.config(netc)
    check(libnet.connect(TASK, PATIENCE_MS, netc, HOST, 0), "the lookup")
    say("  ", HOST, "is", (socket.remoteIP(netc)))
    socket.release(netc)
end

-- Send one text by TCP or UDP and wait for its echo.
local function echo(is_udp, text)
    local netc = socket.create(nil, TASK)
    socket.config(netc, nil, is_udp)
    check(libnet.connect(TASK, PATIENCE_MS, netc, HOST, PORT), "connect")
    say("   connected, the state is", socket.state(netc))
    check(libnet.tx(TASK, PATIENCE_MS, netc, text), "tx")
    say("   sent and acknowledged:", text)
    local answer = read(netc)
    check(answer == text, "the echo")
    say("   received:", answer)
    libnet.close(TASK, PATIENCE_MS, netc)
    socket.release(netc)
end

-- The same without a task: every step is made by the event of the one before.
local function call_back()
    local names = {
        [socket.ON_LINE] = "ON_LINE", [socket.TX_OK] = "TX_OK", [socket.EVENT] = "EVENT",
        [socket.CLOSED] = "CLOSED",
    }
    local netc
    netc = socket.create(nil, function(_, event, param)
        say("   event", names[event], param)
        if param ~= 0 then
            sys.publish("TOUR_CALLED_BACK", false)
        elseif event == socket.ON_LINE then
            socket.tx(netc, "hello from a callback")
        elseif event == socket.EVENT then
            local _, data = socket.read(netc)
            if data and #data > 0 then
                say("   received:", data)
                socket.discon(netc)
            end
        elseif event == socket.CLOSED then
            sys.publish("TOUR_CALLED_BACK", true)
        end
    end)
    socket.config(netc)
    socket.connect(netc, HOST, PORT)
    local _, ok = sys.waitUntil("TOUR_CALLED_BACK", PATIENCE_MS)
    socket.release(netc)
    check(ok, "the callback's turn")
end

sys.taskInitEx(function()
    show_link()
    look_up()
    say("3. TCP, with libnet: connect, tx, wait, rx, close")
    echo(false, "hello over TCP")
    say("4. UDP, the same functions")
    echo(true, "hello over UDP")
    say("5. TCP with a callback and no task")
    call_back()
    say("The tour is over. The other demos show one thing each.")
    os.exit(0)
end, TASK)

sys.run()
