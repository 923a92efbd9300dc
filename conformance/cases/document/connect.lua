-- The document's example of socket.connect: a server is called by its name.

require "task"

task(function()
    local ctrl = tcp()

    -- example
    local succ, result = socket.connect(ctrl, "netlab.luatos.com", 40123)
    --[[
    常见的连接失败的code值, 会在日志中显示
    -1 底层内存不足
    -3 超时
    -8 端口已经被占用
    -11 链接未建立
    -13 模块主动断开连接
    -14 服务器主动断开连接
    ]]
    -- end of example

    show("example", succ, result)
    event()
    if socket.tx(ctrl, "hello") then
        log.info("echo", read_bytes(ctrl, 5))
    end
end)
