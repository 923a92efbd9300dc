-- The document's example of socket.discon: a connection is ended, and CLOSED says when.

require "task"

task(function()
    local ctrl = online(tcp(), "netlab.luatos.com", 40123)
    if os.getenv("TWICE") then socket.discon(ctrl) end

    -- example
    local succ, result = socket.discon(ctrl)
    -- end of example

    show("example", succ, result)
    if not result then
        expect("CLOSED 0")
    end
    show("state", socket.state(ctrl))
    settle()
end)
