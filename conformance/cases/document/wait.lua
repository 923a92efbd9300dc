-- The document's example of socket.wait: is there data, or will EVENT say so?

require "task"

task(function()
    local ctrl = online(tcp(), "netlab.luatos.com", 40123)
    local mode = os.getenv("MODE")
    if mode == "data" then
        socket.tx(ctrl, "hello")
        until_event("EVENT 0")
    elseif mode == "closed" then
        socket.close(ctrl)
    end

    -- example
    local succ, result = socket.wait(ctrl)
    -- end of example

    show("example", succ, result)
end)
