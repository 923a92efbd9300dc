-- In virtual time os.time() moves when the script waits, and only then.

sys.taskInit(function()
    local first = os.time()
    for _ = 1, 100000 do end
    local second = os.time()
    sys.wait(1500)
    local third = os.time()
    sys.wait(88500)
    log.info("time", first, second, third, os.time())
    log.info("clock", 0, os.clock() >= 90)
    log.info("name", os.tmpname(), tostring(io.stdout), tostring(zbuff.create(1)))
    os.exit(0)
end)

sys.run()
