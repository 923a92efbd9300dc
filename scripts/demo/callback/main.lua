-- A client without a task: a callback makes each step when the one before is done.
PROJECT = "callback"
VERSION = "1.0.0"

HOST = "netlab.luatos.com"
PORT = 40123
RETRY_MS = 1000  -- after a failure
PAUSE_MS = 100   -- between two questions
ROUNDS = 3       -- answers after which the demo ends; 0: never

local netc
local buff = zbuff.create(1024)
local round = 0

local function connect()
    socket.config(netc)
    local ok = socket.connect(netc, HOST, PORT)
    if not ok then
        socket.close(netc)
        sys.timerStart(connect, RETRY_MS)
    end
end

local function ask()
    log.info("callback", "ask", round + 1)
    socket.tx(netc, "question " .. (round + 1))
end

-- Whatever broke: close, and begin again after a while.
local function start_again()
    sys.timerStop(ask)
    socket.close(netc)
    buff:del()
    sys.timerStart(connect, RETRY_MS)
end

local function receive()
    if not socket.rx(netc, buff) then
        start_again()
        return
    end
    if buff:used() < #("question " .. (round + 1)) then
        return -- the rest comes with another EVENT
    end
    log.info("callback", "the answer is", buff:query())
    buff:del()
    round = round + 1
    if round == ROUNDS then
        socket.discon(netc) -- CLOSED follows
    else
        sys.timerStart(ask, PAUSE_MS)
    end
end

local function on_event(_, event, param)
    if param ~= 0 then
        log.warn("callback", "the connection failed or broke")
        start_again()
    elseif event == socket.ON_LINE then
        log.info("callback", "connected")
        ask()
    elseif event == socket.TX_OK then
        socket.wait(netc) -- what fails from here on is an EVENT
    elseif event == socket.EVENT then
        receive()
    elseif event == socket.CLOSED then
        socket.release(netc)
        log.info("callback", "done after", round, "answers")
        os.exit(0)
    end
end

netc = socket.create(nil, on_event)
connect()

sys.run()
