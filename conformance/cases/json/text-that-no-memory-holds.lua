-- A value that does not fit into the module's memory fails the call that made it, not the script.
local function show(what, ...)
    local values = { n = select("#", ...), ... }
    for i = 1, values.n do
        values[i] = tostring(values[i])
    end
    log.info(what, table.concat(values, " "))
end

local empty = ("{},"):rep(100000)
local long = ("x"):rep(64 * 1024)
local parts = {}
for i = 1, 100 do
    parts[i] = long
end

show("decode", json.decode("[" .. empty .. "{}]"))
show("encode", json.encode(parts))
show("after", json.encode({ alive = true }))
os.exit(0)
