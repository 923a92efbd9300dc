-- A name that the lab does not know makes connect() fail at once.
local netc
netc = socket.create(nil, function(_, event, param)
    log.info("lookup", event == socket.ON_LINE and "ON_LINE" or event, param)
    os.exit(0)
end)
socket.config(netc)
socket.connect(netc, "no.such.name", 40123)
sys.run()
