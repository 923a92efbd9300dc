"""Whatever a script gives to wlan, mobile, netdrv, icmp, airlink and exnetif: an answer or an error."""

SWEEP = """
local odd = { false, true, {}, print, coroutine.create(print), zbuff.create(8), -1, 0, 1, 4, 1.5, 0/0,
              1e300, math.mininteger, math.maxinteger, 2^53, "", "\\0", "x", ("y"):rep(70000), "1",
              "255.255.255.255", "::1", "1.2.3.4", setmetatable({}, { __tostring = error }) }
local calls = 0
for _, name in ipairs{ "wlan", "mobile", "netdrv", "icmp", "airlink" } do
    local names = {}
    for key, value in pairs(_G[name]) do
        if type(value) == "function" then names[#names + 1] = key end
    end
    table.sort(names)
    for _, key in ipairs(names) do
        local f = _G[name][key]
        pcall(f)
        for i = 1, #odd do
            pcall(f, odd[i])
            for j = 1, #odd do
                pcall(f, odd[i], odd[j])
                calls = calls + 1
            end
            pcall(f, 4, odd[i], odd[#odd + 1 - i], odd[i])
            pcall(f, 4, "1.2.3.4", odd[i], odd[i])
            pcall(f, "x", "12345678", odd[i], odd[i], odd[i], odd[i])
        end
    end
end
log.info("calls", calls > 10000)
"""


def test_no_argument_crashes_a_library(tasks):
    """Sanitizers watch."""
    done = tasks.run(SWEEP)
    assert done.texts("calls") == ["true"]


def test_nor_does_the_collector(tasks):
    """Collected at every chance: what a library holds is anchored."""
    done = tasks.run(SWEEP.replace("for j = 1, #odd do", "for j = 1, 1 do").replace(
        "> 10000", "> 100"), "--gc-stress")
    assert done.texts("calls") == ["true"]


def test_odd_configurations_of_exnetif(tasks):
    """false or an error of Lua's; nothing hangs."""
    done = tasks.run("""
        local exnetif = require "exnetif"
        for _, config in ipairs{ {}, { 1 }, { "x" }, { { WIFI = true } }, { { WIFI = {} } },
                                 { { WIFI = { ssid = {} } } }, { { ETHERNET = { static_ip = {} } } },
                                 { { ETHERNET = { opts = 7, tp = {} } } }, { { LWIP_GP = {} } },
                                 { { airlink_4G = {} } }, { { airlink_4G = { airlink_adapter = 99 } } },
                                 { { LWIP_GP = true }, { LWIP_GP = true } } } do
            show("set", pcall(exnetif.set_priority_order, config))
        end
        for _, arg in ipairs{ false, 7, "x", {}, print } do
            pcall(exnetif.notify_status, arg)
            pcall(exnetif.check_network_status, arg)
            pcall(exnetif.update_wifi, arg)
            pcall(exnetif.switch_upstream_wifi, arg)
            pcall(exnetif.close, false, arg)
        end
        sys.wait(1500) -- what an error in a task would take to end the run
        show("done", true)
    """)
    assert len(done.texts("set")) == 12 and done.texts("done") == ["true"]
    assert not [text for text in done.texts("coroutine.resume")]
