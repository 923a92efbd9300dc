-- A finalizer uses a buffer that was collected before it, and brings it back to life.

saved = nil

do
    local keeper = setmetatable({}, { __gc = function(self)
        self.buff:resize(10)
        self.buff:copy(0, "abc")
        saved = self.buff
    end })
    keeper.buff = zbuff.create(100) -- made later: collected first
end

collectgarbage()
collectgarbage()
log.info("saved", type(saved), saved:len(), saved:copy(0, "abc"), saved:write(1), saved:toStr() == "")
saved:resize(1000)
saved = nil
collectgarbage()

-- at the VM's end too
ended = setmetatable({}, { __gc = function()
    last:resize(1000)
    last:copy(0, "abc")
end })
last = zbuff.create(1)
os.exit(0)
