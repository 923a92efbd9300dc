-- A finalizer of the script closes the file that a function is reading or writing.

collectgarbage("incremental", 100, 1000, 40)
collectgarbage("setpause", 0) -- whatever makes a new object collects everything first

local ROUNDS = 5

io.writeFile("/lines", ("a line of text\n"):rep(1000))

local victim, sprung
local function spring()
    sprung = true
    victim:close()
end

local calls = {
    read_all = function(file) return file:read("a") end,
    read_bytes = function(file, round) return file:read(3000 + round) end,
    read_lines = function(file) return file:read("l", "L", "l") end,
    write = function(file, round) return file:write(round + 0.125, "text", round + 0.25) end,
    lines = function(file) for _ in file:lines(1000) do end end,
    fill = function(file) return file:fill(zbuff.create(3000), -1) end,
    io_read = function(file) io.input(file) return io.read("a") end,
    io_write = function(file, round) io.output(file) return io.write(round + 0.125) end,
    io_lines = function(file) io.input(file) for _ in io.lines() do end end,
}
for name, call in pairs(calls) do
    local during = 0

    for round = 1, ROUNDS do
        local file = assert(io.open("/lines", "r+"))
        victim, sprung = file, false
        collectgarbage() -- so that the next collection begins anew, and
        collectgarbage("stop") -- not before the call
        for _ = 1, 3 do
            setmetatable({}, { __gc = spring })
        end
        collectgarbage("restart")
        pcall(call, file, round)
        during = during + (sprung and 1 or 0)
        io.input(io.stdin)
        io.output(io.stdout)
        pcall(file.close, file)
    end
    log.info("during", name, during == ROUNDS)
end
os.exit(0)
