-- The document's example of socket.adapter: any adapter that is ready, and whether ETH0 is.

require "task"

task(function()
    -- example
    -- 查看全部网卡,直到找到一个是IP READY的
    local isReady,index = socket.adapter()
    --如果isReady为true,则index为IP READY的网卡适配器序号
    -- end of example

    show("any", isReady, index)

    -- example
    --查看外置以太网(比如W5500)是否IP READY
    local isReady,default = socket.adapter(socket.ETH0)
    -- end of example

    show("ETH0", isReady, default)
end)
