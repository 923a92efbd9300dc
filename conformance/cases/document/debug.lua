-- The document's example of socket.debug: what the control does is logged from then on.

require "task"

task(function()
    local ctrl = tcp()
    socket.linkup(ctrl)
    log.info("mark", "on")

    -- example
    -- 打开调试信息,默认是关闭状态
    socket.debug(ctrl, true)
    -- end of example

    socket.linkup(ctrl)
    socket.discon(ctrl)
end)
