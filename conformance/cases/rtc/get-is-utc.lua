-- The RTC shows UTC, whatever the time zone is.
local function show(what)
    local t = rtc.get()
    log.info(what, string.format("%d-%d-%d %d:%d:%d", t.year, t.mon, t.day, t.hour, t.min, t.sec))
end

show("boot")
local names = {}
for name in pairs(rtc.get()) do
    names[#names + 1] = name
end
table.sort(names)
log.info("fields", table.concat(names, " "))
rtc.timezone(0)
show("zone 0")
sys.timerStart(function()
    show("a day and a bit later")
    os.exit(0)
end, (24 * 3600 + 3661) * 1000 + 999)
sys.run()
