-- Finalizers of the script free and shrink buffers while methods of these buffers run.

collectgarbage("generational")

local function trap(f)
    setmetatable({}, { __gc = f })
end

for _ = 1, 300 do
    local b = zbuff.create(5000, 65)
    b:used(5000)
    b:seek(0)
    trap(function() b:free() end)
    b:read(4000)
    b:write("x")
    b:seek(0)
    b:unpack("A1000A1000A1000A1000")
    b:write(("y"):rep(10))
    b:copy(nil, 1.5)
    b:pack("AA", 12345.5, "z")
    b:toStr()
    b:query()
    b:resize(100)
    b:copy(0, "abc")
    local c = zbuff.create(64)
    trap(function() c:resize(1) end)
    c:write(1.25)
    c:copy(3, b)
    c:copy(5, c, 0, 1)
    assert(b:used() <= b:len() and c:used() <= c:len())
end

log.info("done")
os.exit(0)
