-- A UDP socket with the local port of the lab's echo gets the answers to it, and the lab the questions.
local netc
netc = socket.create(nil, function(_, event, param)
    assert(param == 0)
    if event == socket.ON_LINE then
        socket.tx(netc, "over the same port")
    elseif event == socket.EVENT then
        local _, data = socket.read(netc)
        if data ~= "" then
            log.info("echo", data)
            os.exit(0)
        end
    end
end)
socket.config(netc, 40123, true)
socket.connect(netc, "echo.lab", 40123)
sys.run()
