-- The document's example of socket.state: a number and its Chinese name.

require "task"

task(function()
    local ctrl = online(tcp(), "netlab.luatos.com", 40123)
    if os.getenv("RELEASED") then socket.release(ctrl) end

    -- example
    local state, str = socket.state(ctrl)
    log.info("state", state, str)
    -- end of example
    --[==[ which is followed by the list of all states, and that is no Lua:
    -- example
    state 0 "硬件离线",
    1 "离线",
    2 "等待DNS",
    3 "正在连接",
    4 "正在TLS握手",
    5 "在线",
    6 "在监听",
    7 "正在离线",
    8 "未知"
    -- end of example
    ]==]
end)
