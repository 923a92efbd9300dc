-- The document's example of socket.release: the control is gone.

require "task"

task(function()
    local ctrl = online(tcp(), "netlab.luatos.com", 40123)
    if os.getenv("RELEASED") then socket.release(ctrl) end

    -- example
    -- 释放后就不能再使用了
    socket.release(ctrl)
    -- end of example

    show("state", socket.state(ctrl))
    show("tx", socket.tx(ctrl, "hello"))
end)
