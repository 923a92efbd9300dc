-- A line without an end, and a file that nobody closed, when the script is stopped.

io.write("no line end")
io.stderr:write("on stderr")
io.stdout:setvbuf("full")
io.write(" but buffered")

local file = io.open("/unclosed", "w")
file:write("kept in the buffer of C")
setmetatable({}, { __gc = function()
    io.write(" and one word of a finalizer")
end })
os.exit(0)
