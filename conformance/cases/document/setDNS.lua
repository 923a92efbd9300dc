-- The document's example of socket.setDNS: two adapters ask the same server from then on.

require "task"

task(function()
    local set = socket.setDNS
    socket.setDNS = function(...) return show("setDNS", set(...)) end

    -- example
    -- 设置默认网络适配器的DNS配置
    socket.setDNS(nil, 1, "114.114.114.114")
    -- 设置制定网络适配器的DNS配置
    socket.setDNS(socket.ETH0, 1, "114.114.114.114")
    -- end of example

    for _, adapter in ipairs({ socket.dft(), socket.ETH0 }) do
        local ctrl = socket.create(adapter, "t")
        if ctrl then
            socket.connect(ctrl, "a.test", 0)
            event()
            show("remote", socket.remoteIP(ctrl))
        end
    end
end)
