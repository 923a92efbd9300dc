-- Values that were decoded are encoded again and give the text that they came from.
math.randomseed(7)
local value

local function text_of_string()
    local bytes = {}
    for i = 1, math.random(0, 12) do
        bytes[i] = string.char(math.random(0, 255))
    end
    return json.encode(table.concat(bytes))
end

local function array(depth)
    local items = {}
    for i = 1, math.random(1, 6) do
        items[i] = value(depth + 1)
    end
    return "[" .. table.concat(items, ",") .. "]"
end

function value(depth)
    local kind = math.random(1, depth > 6 and 5 or 8)
    if kind == 1 then
        return "null"
    elseif kind == 2 then
        return tostring(math.random(0) >> math.random(1, 63))
    elseif kind == 3 then
        return math.random(2) == 1 and "true" or "false"
    elseif kind <= 5 then
        return text_of_string()
    elseif kind == 6 then
        return "{" .. text_of_string() .. ":" .. value(depth + 1) .. "}"
    end
    return array(depth)
end

local compared = 0
for _ = 1, 200 do
    local text = value(0)
    local again = json.encode(json.decode(text))
    if again ~= text then
        log.info("differs", text, again)
    end
    compared = compared + 1
end
log.info("compared", compared)
os.exit(0)
