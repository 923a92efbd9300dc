-- The document's example of socket.sslLog: most of what TLS does is logged from then on.

require "task"

task(function()
    log.info("mark", "before")
    socket.close(online(tcp(nil, nil, true)))
    log.info("mark", "after")

    -- example
    --[[
    SSL/TLS log级别说明
    0不打印
    1只打印错误和警
    2大部分info
    3及3以上详细的debug
    过多的信息可能会造成内存碎片化
    ]]
    -- 打印大部分info日志
    socket.sslLog(2)
    -- end of example

    socket.close(online(tcp(nil, nil, true)))
    log.info("mark", "end")
end)
