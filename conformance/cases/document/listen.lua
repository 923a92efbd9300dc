-- The document's example of socket.listen: a server waits for its client.

require "task"

task(function()
    local ctrl = tcp(PORT)
    if os.getenv("UDP") then socket.config(ctrl, PORT, true) end

    -- example
    local succ, result = socket.listen(ctrl)
    -- end of example

    show("example", succ, result)
    if succ then
        expect("ON_LINE 0")
        show("state", socket.state(ctrl))
    end
end)
