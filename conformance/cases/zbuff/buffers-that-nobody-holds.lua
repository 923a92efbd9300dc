-- Buffers of 60 kB are made and dropped 20000 times: how many are there at once, at most?

local weak = setmetatable({}, { __mode = "k" })
local most = 0
local text = ("x"):rep(60000)

for i = 1, 20000 do
    local b = zbuff.create(i % 3 == 0 and 60000 or 1)
    if i % 3 == 1 then
        b:resize(60000)
    elseif i % 3 == 2 then
        b:copy(0, text)
    end
    weak[b] = true
    if i % 100 == 0 then
        local alive = 0
        for _ in pairs(weak) do
            alive = alive + 1
        end
        most = math.max(most, alive)
    end
end

log.info("most", most)
os.exit(0)
