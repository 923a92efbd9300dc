-- The document's example of socket.remoteIP: what the server's name stands for.

require "task"

task(function()
    local ctrl = tcp()
    socket.connect(ctrl, "netlab.luatos.com", tonumber(os.getenv("REMOTE_PORT") or 40123))
    if not os.getenv("EARLY") then event() end

    -- example
    -- 注意: ,必须在接收到socket.ON_LINE消息之后才可能获取到,最多返回4个IP。
    -- socket.connect里如果remote_port设置成0,则当DNS完成时就返回socket.ON_LINE消息
    local ip1,ip2,ip3,ip4 = socket.remoteIP(ctrl)
    -- end of example

    show("example", ip1, ip2, ip3, ip4)
    show("state", socket.state(ctrl))
end)
