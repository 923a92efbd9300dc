"""What tests of networks that are bad on purpose have in common."""

US_PER_MS = 1000

# A task on LWIP_ETH, with what the tests need.
TASK = """
local libnet = require "libnet"
ETH = socket.LWIP_ETH
function udp(host, port, adapter)
    local netc = socket.create(adapter or ETH, "t")
    socket.config(netc, nil, true)
    assert(libnet.connect("t", 0, netc, host, port))
    return netc
end
function tcp(host, port, adapter, timeout)
    local netc = socket.create(adapter or ETH, "t")
    socket.config(netc)
    return libnet.connect("t", timeout or 0, netc, host, port), netc
end
-- what has come, once something has or the connection is over
function read(netc, timeout)
    while true do
        local ok, data = socket.read(netc)
        if not ok then return nil end
        if #data > 0 then return data end
        if not libnet.wait("t", timeout or 0, netc) then return nil end
        if timeout then return (select(2, socket.read(netc))) end
    end
end
sys.taskInitEx(function()
%s
os.exit(0)
end, "t")
sys.run()
"""


def script(body):
    return TASK % body


def ctl(emu, path, *words):
    done = emu.ctl(path, *words, code=None)
    return done.returncode, (done.stdout + done.stderr).strip()


def hits(run, what, direction=None):
    """Which packets of the rule were hit, by their ordinals."""
    match = {"direction": direction} if direction else {}
    return [event["n"] for event in run.events("impair", what=what, **match)]


SPLITMIX_STEP, STRIDE, MASK = 0x9E3779B97F4A7C15, 0xD1342543DE82EF95, (1 << 64) - 1


def splitmix(state):
    z = (state + SPLITMIX_STEP) & MASK
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


def foretold(seed, adapter, percent, count, direction=0, rule=1):
    """Which of the first packets a loss=P% alone hits: README.md, Bad networks."""
    lane = splitmix((seed + adapter ^ 0x696D70616972 ^ (rule << 32 | direction)) & MASK)
    return [n for n in range(1, count + 1)
            if (splitmix((lane + n * STRIDE) & MASK) >> 32) * 1000000 >> 32 < percent * 10000]


def sum16(data):
    """RFC 1071; what carries its own checksum has 0xffff."""
    total = sum(int.from_bytes(data[i:i + 2], "big") for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def read_all(read):
    """What is there now."""
    found = []
    try:
        while True:
            found.append(read())
    except BlockingIOError:
        return found
