-- One subscriber removes another and a third adds one, while their topic is delivered to them.
local function told(name)
    return function()
        log.info("told", name)
    end
end

local left, came = told("left"), told("came")

local function leaver()
    log.info("told", "leaver")
    sys.unsubscribe("T", left)
end

local function comer()
    log.info("told", "comer")
    sys.subscribe("T", came)
end

sys.subscribe("T", leaver)
sys.subscribe("T", left)
sys.subscribe("T", comer)
sys.publish("T")
sys.timerStart(function()
    log.info("told", "round 2")
    sys.unsubscribe("T", leaver)
    sys.publish("T")
end, 1)
sys.run()
