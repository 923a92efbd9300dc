-- A script that waits in a loop of its own sees the ticks move.
local from = mcu.ticks()
while mcu.ticks() < from + 20 do end
local h1, l1 = mcu.ticks2(0)
local h2, l2 = h1, l1
while h2 == h1 and l2 == l1 do
    h2, l2 = mcu.ticks2(0)
end
log.info("passed", h2 > h1 or l2 > l1)
os.exit(0)
