"""A script may bring its own sys and sysplus, as published projects do: they take the built-in one's
place, and stand on rtos and on the globals that the firmware calls."""

SYS = """
local sys = { name = "mine" }

function sys.run()
    while true do
        rtos.receive(rtos.INF_TIMEOUT)
    end
end

function _G.sys_pub(topic, ...)
    log.info("pub", topic, ...)
end

return sys
"""

SYSPLUS = """
function _G.sys_send(task, event, param)
    log.info("send", task, event == socket.ON_LINE, param)
    os.exit(0)
end

return { name = "mine too" }
"""


def test_the_scripts_own_sys_and_sysplus_are_the_globals(emu):
    """LuatOS luat_main.c:128-133 requires both by name, and /luadb comes before what is built in."""
    done = emu.run('log.info("names", sys.name, sysplus.name, require("sys") == sys)\nos.exit(0)\n',
                   files={"sys.lua": SYS, "sysplus.lua": SYSPLUS})
    assert done.texts("names") == ["mine mine too true"]


def test_the_firmware_calls_what_the_scripts_own_sys_put_in_place(emu, tcp_server):
    """LuatOS luat_lib_socket.c:125-146: sys_send and sys_pub are looked up when they are needed."""
    done = emu.run('''
        local netc = socket.create(nil, "task")
        socket.config(netc)
        socket.connect(netc, "127.0.0.1", tonumber(os.getenv("PORT")))
        sys.run()
    ''', files={"sys.lua": SYS, "sysplus.lua": SYSPLUS}, env={"PORT": tcp_server.port})
    assert done.code == 0, done
    assert any("IP_READY" in text for text in done.texts("pub"))
    assert done.texts("send") == ["task true 0"]


def test_an_error_in_the_scripts_own_sys_ends_the_script(emu):
    """As any error that nobody caught: the log says what a module's would, the exit code is 1."""
    done = emu.run("sys.run()\n", files={"sys.lua": "x = = 1\n"})
    assert done.code == 1
    assert "sys.lua:1: unexpected symbol near '='" in done.firmware("main")[2]


def test_a_loop_in_the_scripts_own_sys_can_be_ended(emu):
    done = emu.run("sys.run()\n", "--timeout", "300", files={"sys.lua": "while true do end\n"})
    assert done.code == 42
