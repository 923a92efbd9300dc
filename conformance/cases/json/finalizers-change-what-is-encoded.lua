-- Finalizers that run while a table is encoded change it: the call gives a text or a reason.
local t, runs, inside, texts, reasons = {}, 0, 0, 0, 0
local is_encoding = false

local function litter()
    setmetatable({}, { __gc = function()
        runs = runs + 1
        inside = is_encoding and inside + 1 or inside
        t["new" .. runs % 70] = ("n"):rep(300)
        t["old" .. runs % 50] = nil
        t[runs % 20] = {}
        litter()
    end })
end

for i = 1, 50 do
    t["old" .. i] = { ("o"):rep(200), i }
end
for _ = 1, 5 do
    litter()
end
collectgarbage("setpause", 0)
for _ = 1, 30 do
    is_encoding = true
    local text, reason = json.encode(t)
    is_encoding = false
    if type(text) == "string" then
        texts = texts + 1
    elseif text == nil and type(reason) == "string" then
        reasons = reasons + 1
    end
end
log.info("finalizers", inside > 0)
log.info("answers", texts + reasons)
os.exit(0)
