-- Every function that can be reached from the globals is asked to open /etc/passwd.

local path = "/etc/passwd"
local seen, functions = {}, {}
local skip = { [os.exit] = true, [io.read] = true }

local function collect(value)
    if seen[value] or (type(value) ~= "table" and type(value) ~= "function" and
                       type(value) ~= "userdata") then
        return
    end
    seen[value] = true
    local meta = debug.getmetatable and debug.getmetatable(value) or getmetatable(value)
    if type(meta) == "table" then
        collect(meta)
    end
    if type(value) == "table" then
        for k, v in pairs(value) do
            collect(k)
            collect(v)
        end
    elseif type(value) == "function" then
        functions[#functions + 1] = value
        for i = 1, 255 do
            local name, up = nil, nil
            if debug.getupvalue then
                name, up = debug.getupvalue(value, i)
            end
            if not name then
                break
            end
            collect(up)
        end
    end
end

collect(_G)
if debug.getregistry then
    collect(debug.getregistry())
end

-- Functions that wait, end the run, or change what the test stands on.
for _, library in ipairs({ sys, rtos, coroutine, debug, timer, log, pm, wdt }) do
    for _, f in pairs(library) do
        if type(f) == "function" then
            skip[f] = true
        end
    end
end
for _, f in ipairs({ setmetatable, rawset, error, collectgarbage, table.remove, table.insert,
                     table.move, sys_wait, os.remove, io.mkfs, fs.mkfs }) do
    skip[f] = true
end

local function look(value)
    local text = value
    if io.type(value) == "file" then
        text = value:read("a")
    elseif type(value) == "function" and not seen[value] then
        local ok, line = pcall(value)
        text = ok and line
    end
    if type(text) == "string" and text:find("root:", 1, true) then
        log.info("opened", text)
    end
end

local tried = 0
for _, f in ipairs(functions) do
    if not skip[f] then
        tried = tried + 1
        for _, results in ipairs({ table.pack(pcall(f, path)), table.pack(pcall(f, path, "r")) }) do
            for i = 2, results.n do
                look(results[i])
            end
        end
    end
end
log.info("tried", tried)
os.exit(0)
