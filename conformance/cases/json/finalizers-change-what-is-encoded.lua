-- Finalizers that run while a table is encoded change it: the call gives a text or a reason.
local t, runs, texts, reasons = {}, 0, 0, 0

local function litter()
    setmetatable({}, { __gc = function()
        runs = runs + 1
        t["new" .. runs] = ("n"):rep(300)
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
for _ = 1, 100 do
    local text, reason = json.encode(t)
    if type(text) == "string" then
        texts = texts + 1
    elseif text == nil and type(reason) == "string" then
        reasons = reasons + 1
    end
end
log.info("finalizers", runs > 0)
log.info("answers", texts + reasons)
os.exit(0)
