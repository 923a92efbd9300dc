-- The document's examples of socket.config: plain TCP to one server, TLS to another.

require "task"

task(function()
    local ctrl = socket.create(nil, "t")

    -- example
    --最普通的TCP传输
    socket.config(ctrl)
    -- end of example

    show("connect", socket.connect(ctrl, HOST, PORT))
    if event() == "ON_LINE 0" then
        socket.tx(ctrl, "plain")
        until_event("TX_OK 0")
    end
    socket.close(ctrl)

    -- example
    --最普通的加密TCP传输,证书都不用验证的那种
    socket.config(ctrl, nil, nil ,true)
    -- end of example

    show("connect", socket.connect(ctrl, HOST, tonumber(os.getenv("TLS_PORT"))))
    event()
    show("state", socket.state(ctrl))
end)
