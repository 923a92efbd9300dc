-- The document's example of socket.read: at most 1500 bytes, as a string.

require "task"

task(function()
    local netc = online(tcp(), "netlab.luatos.com", 40123)
    local size = tonumber(os.getenv("SIZE"))
    socket.tx(netc, ("x"):rep(size))
    while select(2, socket.rx(netc)) < size do event() end
    if os.getenv("CLOSED") then socket.close(netc) end

    -- example
    -- 本函数于2024.4.8添加, 用于简易读取不大的数据
    -- 请优先使用socket.rx函数, 本函数主要用于固件不含zbuff库时的变通调用
    local ok, data = socket.read(netc, 1500)
    if ok and #data > 0 then
        log.info("读取到的数据", data)
    end
    -- end of example

    show("example", ok, data and #data)
    show("left", socket.rx(netc))
end)
