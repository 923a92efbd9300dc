-- Released, the only socket leaves a script with nothing to wait for.
local netc
netc = socket.create(nil, function(_, _, param)
    if param ~= 0 then
        socket.release(netc)
        log.info("script", "has nothing left")
    end
end)
socket.config(netc)
socket.connect(netc, "127.0.0.1", tonumber(os.getenv("PORT")))
sys.run()
