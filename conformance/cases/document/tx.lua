-- The document's example of socket.tx: over TCP the address, which is none, is ignored.

require "task"

task(function()
    local is_udp = os.getenv("MODE") == "udp"
    local ctrl = online(is_udp and udp() or tcp(), "netlab.luatos.com", 40123)
    local xxxx = 40123

    -- example
    local succ, full, result = socket.tx(ctrl, "123456", "xxx.xxx.xxx.xxx", xxxx)
    -- end of example

    show("example", succ, full, result)
    if succ then
        log.info("echo", read_bytes(ctrl, 6))
    end
end)
