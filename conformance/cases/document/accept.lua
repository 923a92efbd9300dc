-- The document's example of socket.accept: as it is printed it listens; then a client is accepted.

require "task"

task(function()
    local ctrl = tcp(PORT)
    local function cb(client, event)
        if event == socket.EVENT then
            socket.tx(client, select(2, socket.read(client)))
            sys.publish("ANSWERED")
        end
    end

    -- example
    local succ, new_netc = socket.listen(ctrl, cb)
    -- end of example

    show("example", succ, new_netc)
    if os.getenv("NOBODY") then
        show("accept", socket.accept(ctrl, cb))
        return
    end
    expect("ON_LINE 0")
    succ, new_netc = socket.accept(ctrl, cb)
    show("accept", succ, type(new_netc))
    sys.waitUntil("ANSWERED")
    settle()
end)
