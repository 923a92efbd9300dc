-- The document's example of socket.rx: data, data with a limit, and how much there is.

require "task"

task(function()
    local is_udp = os.getenv("MODE") == "udp"
    local ctrl = online(is_udp and udp() or tcp(), "netlab.luatos.com", 40123)
    local count = 0
    for _, part in ipairs({ "first", ("second"):rep(400), "third!" }) do
        socket.tx(ctrl, part)
        count = count + #part
    end
    if is_udp then
        for _ = 1, 3 do until_event("EVENT 0") end
    else
        repeat event() until select(2, socket.rx(ctrl)) == count
    end
    if os.getenv("CLOSED") then socket.close(ctrl) end

    -- example
    -- 从socket中读取数据, ctrl是socket.create返回的, 请查阅demo/socket
    local buff = zbuff.create(2048)
    local succ, data_len, remote_ip, remote_port = socket.rx(ctrl, buff)
    -- end of example

    show("first", succ, data_len, remote_ip and remote_ip:toHex(), remote_port)
    show("buff", buff:used(), buff:len())
    buff:del()

    -- example
    -- 限制读取长度, 2024.1.5 新增
    -- 注意
    -- 如果是UDP数据, 如果limit小于UDP数据包长度, 只会取前limit个字节, 剩余数据会丢弃
    -- 如果是TCP数据, 如果有剩余数据, 不会丢弃, 可继续读取.
    -- 有新的数据到来才会有新的EVENT数据, 未读取完成的数据不会触发新EVENT事件
    local succ, data_len, remote_ip, remote_port = socket.rx(ctrl, buff, 1500)
    -- end of example

    show("second", succ, data_len, remote_ip and remote_ip:toHex(), remote_port)

    -- example
    -- 读取缓冲区大小, 2024.1.5 新增, 注意,老版本固件不传buff参数会报错的
    -- 对于TCP数据, 这里返回的是待读取的数据的总长度
    -- 对于UDP数据, 这里返回的是单个UDP数据包的长度
    local succ, data_len = socket.rx(ctrl)
    if succ then
        log.info("待收取数据长度", data_len)
    end
    -- end of example

    show("third", succ, data_len)
end)
