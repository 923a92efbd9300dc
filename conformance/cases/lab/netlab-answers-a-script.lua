-- The document's example connects to netlab.luatos.com, port 40123, and gets its own words back.
local netc
netc = socket.create(nil, function(_, event, param)
    assert(param == 0)
    if event == socket.ON_LINE then
        log.info("netlab", "online", (socket.remoteIP(netc)))
        socket.tx(netc, "hello")
    elseif event == socket.EVENT then
        local _, data = socket.read(netc)
        if data ~= "" then
            log.info("netlab", "echo", data)
            os.exit(0)
        end
    end
end)
socket.config(netc)
socket.connect(netc, "netlab.luatos.com", 40123)
sys.run()
