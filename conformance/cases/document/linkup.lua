-- The document's example of socket.linkup: is there a network already?

require "task"

task(function()
    local ctrl = tcp()
    if os.getenv("RELEASED") then socket.release(ctrl) end

    -- example
    -- 判断一下是否已经联网
    local succ, result = socket.linkup(ctrl)
    -- end of example

    show("example", succ, result)
end)
