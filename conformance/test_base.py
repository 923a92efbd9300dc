"""The globals that LuatOS's Lua has and stock Lua 5.4 has not, or has otherwise: chunks, require,
and the functions of Lua 5.1 and 5.2."""

import pytest

PRELUDE = """
local function show(tag, ...)
    local texts = { ... }
    for i = 1, select("#", ...) do
        texts[i] = tostring(texts[i])
    end
    log.info(tag, select("#", ...) == 0 and "nothing" or table.concat(texts, " "))
end
"""


@pytest.fixture
def run(emu):
    def run(script, **options):
        done = emu.run(PRELUDE.replace("\n", " ") + script + "\nos.exit(0)\n", "--time", "virtual",
                       **options)
        assert done.code == 0, done
        return done

    return run


# ---- chunks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("call, result", [
    ('load("return 1 + 1")()', "2"),
    ('load("return ...", "=name")(3)', "3"),
    ('load("return x", "=name", "t", { x = 4 })()', "4"),
    ('load("return x", "=name", "bt")()', "nil"),
    ('pcall(load("return x", "=name", "t", nil))',
     "false name:1: attempt to index a nil value (upvalue '_ENV')"),
    ('load(coroutine.wrap(function() coroutine.yield("return ") coroutine.yield("5") end))()', "5"),
    ('load("return =")', """nil [string "return ="]:1: unexpected symbol near '='"""),
    ('load("return =", "=name")', "nil name:1: unexpected symbol near '='"),
    ('loadstring("return 6")()', "6"),
    ('load(string.dump(function() end))', "nil attempt to load a binary chunk (mode is 't')"),
    ('pcall(load)', "false bad argument #1 to 'load' (value expected)"),
])
def test_load_compiles_text_and_only_text(run, call, result):
    """As in Lua 5.3, whatever the number of arguments; compiled Lua could break the VM."""
    assert run(f"show('got', {call})").texts("got") == [result]


def test_dofile_and_loadfile_read_the_modules_files(run):
    done = run('''
        show("dofile", dofile("/luadb/part.lua"))
        show("loadfile", loadfile("/luadb/part.lua")("a", "b"))
        show("in", loadfile("/luadb/part.lua", "t", { select = function() return "mine" end })())
        show("missing", loadfile("/luadb/none.lua"))
        show("missing", pcall(dofile, "/luadb/none.lua"))
    ''', files={"part.lua": 'return select("#", ...), ...\n'})
    assert done.texts("dofile") == ["0"]
    assert done.texts("loadfile") == ["2 a b"]
    assert done.texts("in") == ["mine"]
    assert done.texts("missing") == ["nil cannot open /luadb/none.lua",
                                     "false cannot open /luadb/none.lua"]


# ---- require ---------------------------------------------------------------------------------------


def test_require_runs_a_module_once_with_its_path_and_its_name(run):
    """luat's loadlib.c: the arguments are the other way round than in stock Lua."""
    done = run('''
        local first = require("part")
        show("same", require "part" == first, first.x)
        unload("part")
        show("new", require "part" == first)
    ''', files={"part.lua": 'log.info("part", ...)\nreturn { x = 1 }\n'})
    assert done.texts("part") == ["/luadb/part.lua part"] * 2
    assert done.texts("same") == ["true 1"]
    assert done.texts("new") == ["false"]


def test_what_require_does_not_find_is_an_error(run):
    done = run('''
        show("error", pcall(require, "none"))
        show("error", pcall(require, "socket"))
        show("error", pcall(require, ("x"):rep(48)))
        show("error", pcall(require, ("x"):rep(49)))
        show("error", pcall(require, ""))
        show("error", pcall(require))
    ''')
    assert done.texts("error") == [
        "false module 'none' not found",
        "false module 'socket' not found",
        f"false module '{'x' * 48}' not found",
        "false bad argument #1 to 'require' (name of 1 to 48 characters)",
        "false bad argument #1 to 'require' (name of 1 to 48 characters)",
        "false bad argument #1 to 'require' (string expected, got no value)",
    ]
    assert any('require "socket": it is built in' in w for w in done.warnings)


def test_an_error_in_a_module_names_its_line(run):
    done = run('''
        show("error", pcall(require, "bad"))
        show("error", pcall(require, "worse"))
    ''', files={"bad.lua": "\nx = = 1\n", "worse.lua": '\n\nerror("boom")\n'})
    bad, worse = done.texts("error")
    assert bad.endswith("bad.lua:2: unexpected symbol near '='")
    assert worse.endswith("worse.lua:3: boom")


# ---- Lua 5.1 and 5.2 ---------------------------------------------------------------------------------


@pytest.mark.parametrize("call, result", [
    ("unpack({ 1, 2, 3 })", "1 2 3"),
    ("table.maxn({ 1, 2, [10] = 3, x = 4 })", "10"),
    ("math.pow(2, 10)", "1024.0"),
    ("math.log10(1000)", "3.0"),
    ("bit32.band(0xff, 0x0f)", "15"),
    ("bit32.arshift(-1, 1)", "4294967295"),
    ("type(module), type(package.seeall), package.path, package.loaded", "function function nil nil"),
    ("type(_ENV), _G._G == _G", "table true"),
])
def test_old_functions_are_there(run, call, result):
    """luaconf.h:301-302: LUA_COMPAT_5_1 and LUA_COMPAT_5_2 are on in LuatOS."""
    assert run(f"show('got', {call})").texts("got") == [result]


def test_module_makes_a_global_table_the_environment(run):
    done = run('''
        require "old"
        show("old", old.f(), old._NAME, f)
    ''', files={"old.lua": 'module("old", package.seeall)\n'
                           'function f() return type(print) end\n'})
    assert done.texts("old") == ["function old nil"]


# ---- debug -----------------------------------------------------------------------------------------


def test_getlocal_and_setlocal_reach_what_has_a_name(run):
    done = run('''
        local function f(a)
            local b = 2
            show("get", debug.getlocal(1, 1))
            show("get", debug.getlocal(1, 2))
            show("set", debug.setlocal(1, 2, "new"))
            show("now", b)
        end
        f(1)
        show("parameter", debug.getlocal(f, 1))
        local co = coroutine.create(function(x) coroutine.yield() show("x", x) end)
        coroutine.resume(co, 5)
        show("get", debug.getlocal(co, 1, 1))
        show("set", debug.setlocal(co, 1, 1, 6))
        coroutine.resume(co)
        show("error", pcall(debug.getlocal, 99, 1))
    ''')
    assert done.texts("get") == ["a 1", "b 2", "x 5"]
    assert done.texts("set") == ["b", "x"]
    assert done.texts("now") == ["new"] and done.texts("x") == ["6"]
    assert done.texts("parameter") == ["a"]
    assert done.texts("error") == ["false bad argument #1 to '?' (level out of range)"]


def test_setlocal_cannot_break_the_vm(run):
    """A C function's buffer and a loop's counter are on the stack too, and are trusted to stay."""
    done = run('''
        local calls = 0
        local text = ("ab"):rep(3000):gsub("ab", function()
            calls = calls + 1
            for i = 1, calls == 1500 and 20 or 0 do
                show("seen", debug.getlocal(2, i))
                show("set", debug.setlocal(2, i, nil))
            end
            return "xyzw"
        end)
        show("length", #text)
        for i = 1, 3 do
            for variable = 1, 20 do
                if (debug.getlocal(1, variable) or ""):sub(1, 1) == "(" then
                    show("set", debug.setlocal(1, variable, "x"))
                end
            end
            show("i", i)
        end
    ''')
    assert done.texts("seen") == ["nil"] * 20
    assert len(done.texts("set")) > 20 and set(done.texts("set")) == {"nil"}
    assert done.texts("length") == ["12000"]
    assert done.texts("i") == ["1", "2", "3"]
