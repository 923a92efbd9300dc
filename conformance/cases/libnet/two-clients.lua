-- Two tasks with a connection each send their name and wait for it to come back.
local libnet = require("libnet")
local done = 0

local function client(name)
    local netc = socket.create(nil, name)
    socket.config(netc)
    assert(libnet.connect(name, 0, netc, "127.0.0.1", tonumber(os.getenv("PORT"))))
    assert(libnet.tx(name, 0, netc, name))
    local data = ""
    while #data < #name do
        assert(libnet.wait(name, 0, netc))
        local _, got = socket.read(netc)
        data = data .. got
    end
    log.info("got", name, data)
    libnet.close(name, 0, netc)
    done = done + 1
    if done == 2 then
        os.exit(0)
    end
end

for _, name in ipairs({ "one", "two" }) do
    sys.taskInitEx(client, name, nil, name)
end
sys.run()
