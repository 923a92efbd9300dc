-- The document's example of socket.ntptm: the time in milliseconds, after some synchronisations.

sys.taskInit(function()
    socket.sntp_port(tonumber(os.getenv("PORT")))
    for _ = 1, tonumber(os.getenv("TIMES")) do
        socket.sntp("127.0.0.1")
        sys.waitUntil("NTP_UPDATE")
    end

    -- example
    -- 本API于 2023.11.15 新增
    -- 注意, 本函数在执行socket.sntp()且获取到NTP时间后才有效
    -- 而且是2次sntp之后才是比较准确的值
    -- 网络波动越小, 该时间戳越稳定
    local tm = socket.ntptm()
    -- 对应的table包含多个数据, 均为整数值
    -- 标准数据
    -- tsec 当前秒数,从1900.1.1 0:0:0 开始算, UTC时间
    -- tms 当前毫秒数
    -- vaild 是否有效, true 或者 nil
    -- 调试数据, 调试用,一般用户不用管
    -- ndelay 网络延时平均值,单位毫秒
    -- ssec 系统启动时刻与1900.1.1 0:0:0的秒数偏移量
    -- sms 系统启动时刻与1900.1.1 0:0:0的毫秒偏移量
    -- lsec 本地秒数计数器,基于mcu.tick64()
    -- lms 本地毫秒数计数器,基于mcu.tick64()
    log.info("tm数据", json.encode(tm))
    log.info("时间戳", string.format("%u.%03d", tm.tsec, tm.tms))
    -- end of example

    os.exit(0)
end)
sys.run()
