-- The document's example of socket.localIP: every 3 seconds the addresses are logged.

-- example
sys.taskInit(function()
    while 1 do
        sys.wait(3000)
        log.info("socket", "ip", socket.localIP())
        -- 输出示例
        -- 62.39.244.10 255.255.255.255 0.0.0.0
    end
end)
-- end of example

sys.timerStart(os.exit, 10000, 0)
sys.run()
