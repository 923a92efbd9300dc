"""io and fs: Lua's library on the module's file system, and LuatOS's additions."""

import re

import pytest

from expressions import check, check_warned

PRELUDE = '''
-- What is in a file; file("name", "text") makes it.
local function file(name, text)
    if text then
        assert(io.writeFile(name, text))
    end
    return name
end
-- Everything that a function gives for each run of "for".
local function rows(...)
    local found = {}
    for a, b in ... do
        found[#found + 1] = tostring(a) .. (b and "/" .. tostring(b) or "")
    end
    return table.concat(found, "|")
end
local function opened(mode, name)
    local f, why, number = io.open(name or "/f", mode)
    local type = io.type(f)
    if f then
        f:close()
    end
    return type, why, number
end
local function with(mode, name, f)
    local handle = assert(io.open(name, mode))
    local results = table.pack(f(handle))
    handle:close()
    return table.unpack(results, 1, results.n)
end
'''


@pytest.fixture(params=[(), ("--gc-stress",)], ids=["", "gc-stress"])
def verify(emu, request):
    """Check expressions with the helpers above, also with a collection at every chance."""
    return lambda table, before="": check(emu, table, *request.param, before=PRELUDE + before)


# ---- opening ----------------------------------------------------------------------------------------

def test_open_takes_the_modes_of_lua_and_luatos(verify):
    """r, w and a, with "+" and "b" in either order: the documents write "wb+" too. Others raise."""
    verify({
        'opened("r")': "nil /f: No such file or directory 2",
        'opened("r+")': "nil /f: No such file or directory 2",
        'opened("w"), opened("a")': "file file nil nil",
        'opened("r"), opened("rb"), opened("r+"), opened("rb+"), opened("r+b")':
            "file file file file file nil nil",
        'opened("w+"), opened("wb+"), opened("w+b"), opened("wb"), opened("a+"), opened("ab+")':
            "file file file file file file nil nil",
        'opened(nil)': "file nil nil",
        'opened("")': "raises: invalid mode",
        'opened("x")': "raises: invalid mode",
        'opened("rw")': "raises: invalid mode",
        'opened("r++")': "raises: invalid mode",
        'opened("rt")': "raises: invalid mode",
        'opened("b")': "raises: invalid mode",
        'opened(" r")': "raises: invalid mode",
        'io.open()': "raises: string expected, got no value",
        'io.open({})': "raises: string expected, got table",
        'io.open("/f", {})': "raises: string expected, got table",
    })


def test_open_does_what_its_mode_says(verify):
    """w empties, a appends, r+ keeps; what a mode does not allow fails with a message."""
    verify({
        'with("w", "/f", function(f) return f:write("one") ~= nil end)': "true",
        'with("a", "/f", function(f) return f:write("two") ~= nil end)': "true",
        'io.readFile("/f")': "onetwo",
        'with("r+", "/f", function(f) f:write("ONE") return f:seek("cur") end), io.readFile("/f")':
            "3 ONEtwo",
        'with("a+", "/f", function(f) f:seek("set") f:write("!") f:seek("set") return f:read("a") end)':
            "ONEtwo!",
        'with("w+", "/f", function(f) f:write("new") f:seek("set") return f:read("a") end)': "new",
        'with("r", "/f", function(f) return f:write("x") end)': "nil Bad file descriptor 9",
        'with("w", "/f", function(f) return f:read("a") end)': "nil Bad file descriptor 9",
        'io.fileSize("/f")': "0",
    })


def test_the_host_s_files_are_out_of_reach(emu, tmp_path):
    """Only /luadb, read-only, and the module's own flash are there: absolute paths and ways up end
    in them."""
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "deep.txt").write_text("deep")
    done = check(emu, {
        'io.open("/etc/passwd")': "nil /etc/passwd: No such file or directory 2",
        'io.open("../../../../../../etc/passwd")': re.compile("^nil .* 2$"),
        'io.open("/luadb/../../../../etc/passwd")': re.compile("^nil .* 2$"),
        'io.open("/luadb//etc/passwd")': re.compile("^nil .* 2$"),
        f'io.open("{tmp_path}/secret.txt")': re.compile("^nil .* 2$"),
        f'io.open("/luadb/{tmp_path}/secret.txt")': re.compile("^nil .* 2$"),
        'io.open("/luadb/inside/deep.txt")': re.compile("^nil .* 2$"),
        'io.open("/luadb/inside")': re.compile("^nil .* 2$"),
        'io.open("/proc/self/environ"), io.exists("/proc/self/environ")': re.compile("^nil false$"),
        f'io.writeFile("{tmp_path}/made", "x")': "nothing",
        'pcall(io.lines, "/etc/passwd")':
            "false cannot open file '/etc/passwd' (No such file or directory)",
        'pcall(io.input, "/etc/passwd")':
            "false cannot open file '/etc/passwd' (No such file or directory)",
        f'pcall(io.output, "{tmp_path}/made")': re.compile("^false cannot open file"),
        'io.readFile("/etc/passwd")': "nothing",
        'loadfile and loadfile("/etc/passwd") or "none"': "none",
        'dofile and pcall(dofile, "/etc/passwd") or false': "false",
        'io.open("/luadb/secret.txt"):read("a")': "secret",  # beside the script: part of the module
        'io.open("/luadb/secret.txt", "w")':
            "nil /luadb/secret.txt: Read-only file system 30",
        'io.open("/luadb/secret.txt", "a")': re.compile("^nil .* 30$"),
        'io.open("/luadb/secret.txt", "r+")': re.compile("^nil .* 30$"),
        'io.open("/luadb/new", "w")': re.compile("^nil .* 30$"),
        'io.open("/file\\0../../etc/passwd", "w") ~= nil, io.exists("/file")': "true true",
    })
    assert not done.warnings
    assert sorted(p.name for p in tmp_path.iterdir()) == ["inside", "main.lua", "secret.txt"]
    assert (tmp_path / "secret.txt").read_text() == "secret"


def test_lua_s_functions_that_open_host_files_are_found_nowhere(emu):
    """Not as an upvalue, not in the registry: no function that is reachable opens /etc/passwd."""
    done = emu.run("io/nothing-reachable-opens-a-host-file")
    assert done.code == 0, done
    assert done.texts("opened") == []
    assert int(done.texts("tried")[0]) > 100


def test_a_module_has_no_processes(verify):
    """io.popen is not there."""
    verify({'io.popen': "nil"})


def test_paths_end_somewhere(verify):
    """"." and ".." are resolved inside the module; a slash at the front means nothing; the root and
    what lies below a file can't be opened."""
    verify({
        'io.writeFile("dir/../a.txt", "1"), io.readFile("/a.txt"), io.readFile("./a.txt")':
            "true 1 1",
        'io.readFile("../../a.txt"), io.readFile("//a.txt"), io.readFile("/a.txt/")': "1 1 1",
        'opened("r", "/")': "nil /: Is a directory 21",
        'opened("w", "/")': "nil /: Is a directory 21",
        'opened("w", "")': "nil : Is a directory 21",
        'opened("w", "/no/such/folder")': "nil /no/such/folder: No such file or directory 2",
        'opened("w", "/a.txt/b")': "nil /a.txt/b: No such file or directory 2",
        'select(3, opened("w", ("n"):rep(300)))': "36",
        'opened("w", ("n"):rep(254))': "file nil nil",
        'select(3, opened("w", ("n"):rep(255)))': "36",
    })


# ---- reading ----------------------------------------------------------------------------------------

def test_read_knows_every_format(verify):
    """n, l, L, a, with or without "*", and counts; nil at the end."""
    verify({
        'read("one\\ntwo\\n")': "one",
        'read("one\\ntwo\\n", "l", "L", "l")': "one two\n nil",
        'read("one", "L", "L")': "one nil",
        'read("\\n\\nx", "l", "l", "l", "l")': "  x nil",
        'read("abc\\n", "a", "a")': "abc\n ",
        'read("", "a"), read("", "l")': " nil",
        'read("abcdef", 2, 0, 10, 0, 1)': "ab  cdef nil",
        'read("abc", "*l"), read("abc", "*a"), read("abc", "*L")': "abc abc abc",
        'read("1 -2 0x1F 3.5 1e2 .5 0x.8p1", "n", "n", "n", "n", "n", "n", "n")':
            "1 -2 31 3.5 100.0 0.5 1.0",
        'read("  \\n 12abc", "n", "l")': "12 abc",
        'read("abc", "n", "l")': "nil",
        'read("- 1", "n")': "nil",
        'math.type(read("9223372036854775808", "n")), math.type(read("7", "n"))': "float integer",
        'read(("9"):rep(200), "n") ~= nil, read(("9"):rep(201), "n")': "true nil",
        '#read("a\\0b\\nc"), #read("a\\0b\\nc", "a")': "3 5",
        'read("abc", "q")': "raises: invalid format",
        'read("abc", {})': "raises: string expected, got table",
        'read("abc", 1.5)': "raises: number has no integer representation",
        'read("abc", 1 << 40)': "raises: not enough memory",
        'read("abc", -1)': "raises: ",
    }, '''
        local function read(text, ...)
            local formats = table.pack(...)
            return with("r", file("/r", text), function(f)
                return f:read(table.unpack(formats, 1, formats.n))
            end)
        end
    ''')


def test_lines_go_through_a_file(verify):
    """io.lines(name, formats...) and file:lines(formats...). The former closes its file at the end,
    and when the loop is left; the latter does not."""
    verify({
        'rows(io.lines("/l"))': "one|two||four",
        'rows(io.lines("/l", "L"))': "one\n|two\n|\n|four",
        'rows(io.lines("/l", 1, 3))': "o/ne\n|t/wo\n|\n/fou|r",
        'io.lines("/l", "a")()': "one\ntwo\n\nfour",
        'select("#", io.lines("/l")), io.type(select(4, io.lines("/l")))': "4 file",
        'at_end()': "closed file false file is already closed",
        'left()': "closed file",
        'method()': "one|two||four file",
        'io.lines("/none")': "raises: cannot open file '/none' (No such file or directory)",
        'io.lines({})': "raises: string expected, got table",
        'rows(io.lines("/l", "q"))': "raises: invalid format",
        'io.lines("/l", table.unpack({}, 1, 251))': "raises: too many arguments",
        'rows(io.lines())': "",
        'rows(io.lines(nil, "n"))': "",
    }, '''
        file("/l", "one\\ntwo\\n\\nfour")
        local function at_end()
            local next, _, _, f = io.lines("/l")
            while next() do end
            return io.type(f), pcall(next)
        end
        local function left()
            local handle
            local next, state, control, closing = io.lines("/l")
            for _ in next, state, control, closing do
                handle = closing
                break
            end
            return io.type(handle)
        end
        local function method()
            local f <close> = io.open("/l")
            return rows(f:lines()), io.type(f)
        end
    ''')


# ---- writing and places -----------------------------------------------------------------------------

def test_write_takes_strings_numbers_and_buffers(verify):
    """It gives the file back. Of a zbuff, what is in use is written."""
    verify({
        'written("a", 1, 2.5, -0.0, 2.0, 1e15, "\\0b")': "a12.5-0.02.01e+15\0b",
        'written(zb)': "buf",
        'written("<", zb, ">", zbuff.create(5))': "<buf>",
        'with("w", "/w", function(f) return f:write("x") == f and f:write() == f end)': "true",
        'written(("x"):rep(100000)) == ("x"):rep(100000)': "true",
        'written({})': "raises: bad argument #1 to 'write' (string expected, got table)",
        'written("x", nil)': "raises: bad argument #2 to 'write' (string expected, got nil)",
        'written(io.stdout)': "raises: string expected, got FILE*",
    }, '''
        local zb = zbuff.create(10)
        zb:write("buf")
        local function written(...)
            local f = io.open("/w", "w")
            f:write(...)
            f:close()
            return io.readFile("/w")
        end
    ''')


def test_seek_moves_in_a_file(verify):
    """set, cur, end; "cur" and 0 by default; before the beginning fails."""
    verify({
        'f:seek(), f:seek("set", 2), f:read(1), f:seek()': "0 2 c 3",
        'f:seek("cur", -1), f:read(1), f:seek("end"), f:seek("end", -2), f:read(9)': "2 c 6 4 ef",
        'f:seek("set", -1)': "nil Invalid argument 22",
        'f:seek("set", 100), f:read(1)': "100 nil",
        'f:seek("middle")': "raises: invalid option 'middle'",
        'f:seek("set", 1.5)': "raises: number has no integer representation",
        'f:seek("set", math.maxinteger)': re.compile(f"^{2**63 - 1}$|^nil "),
    }, 'local f = io.open(file("/s", "abcdef"))')


def test_a_gap_in_a_file_reads_as_zeros(verify):
    """Written beyond its end, it has that size."""
    verify({
        'with("w", "/g", function(f) f:seek("set", 5) return f:write("x") == f end)': "true",
        'io.fileSize("/g"), (io.readFile("/g"):gsub("%z", "."))': "6 .....x",
        'with("w", "/g", function(f) f:seek("set", 1 << 40) return f:write("x") == f end)': "true",
        'io.fileSize("/g")': str((1 << 40) + 1),
        'io.readFile("/g", "rb", 1 << 40)': "x",
        'io.readFile("/g")': "raises: not enough memory",
        'os.remove("/g")': "true",
    })


def test_flush_and_setvbuf_decide_when_others_see_it(verify):
    """Buffered data is in the file after flush(), at once without a buffer."""
    verify({
        'f:setvbuf("full", 1024)': "true",
        'f:write("a") == f, io.readFile("/v")': "true ",
        'f:flush() ~= nil, io.readFile("/v")': "true a",
        'g:setvbuf("no"), g:write("b") == g, io.readFile("/u")': "true true b",
        'f:setvbuf("line"), f:setvbuf("full", 0)': "true true",
        'f:setvbuf("x")': "raises: invalid option 'x'",
        'f:setvbuf()': "raises: string expected, got no value",
        'f:setvbuf("full", {})': "raises: number expected, got table",
    }, 'local f, g = io.open("/v", "w"), io.open("/u", "w")')


def test_two_handles_of_a_file_have_their_own_places(verify):
    """A file that is removed, or replaced, while it is open lives on for who has it open."""
    verify({
        'a:read(3), b:read(2), a:read("a"), b:read("a")': "abc ab def cdef",
        'os.remove("/t"), io.exists("/t")': "true false",
        'a:seek("set"), a:read("a")': "0 abcdef",
        'file("/t", "new"), b:seek("set"), b:read("a"), io.readFile("/t")': "/t 0 abcdef new",
    }, 'file("/t", "abcdef")\nlocal a, b = io.open("/t"), io.open("/t")')


def test_a_closed_file_is_told_from_an_open_one(verify):
    """io.type, tostring; every method of a closed one raises, close too."""
    verify({
        'io.type(g), tostring(g)': re.compile(r"^file file \(0x\w+\)$"),
        'g:close(), io.type(g), tostring(g)': "true closed file file (closed)",
        'io.type(1), io.type(nil), io.type(zbuff.create(1))': "nil nil nil",
        'io.type()': "raises: value expected",
        **{f'f:{call}': "raises: attempt to use a closed file"
           for call in ["read()", "write('x')", "lines()", "seek()", "flush()", "setvbuf('no')",
                        "close()", "fill(zbuff.create(1))"]},
        'io.close(f)': "raises: attempt to use a closed file",
        'io.lines("/c") ~= nil': "true",
    }, 'local f, g = io.open(file("/c", "")), io.open("/c")\nf:close()')


def test_a_file_closes_with_its_variable(verify):
    """<close> closes it, and so does the collector."""
    verify({
        'scope()': "closed file",
        'collected()': "kept",
        'many()': "2000",
    }, '''
        local function scope()
            local kept
            do
                local f <close> = io.open("/x", "w")
                kept = f
            end
            return io.type(kept)
        end
        local function collected()
            io.open("/y", "w"):write("kept")
            collectgarbage()
            collectgarbage()
            return io.readFile("/y")
        end
        -- more than a process may have open
        local function many()
            local n = 0
            for i = 1, 2000 do
                if io.open("/y") then n = n + 1 end
                if i % 100 == 0 then collectgarbage() end
            end
            return n
        end
    ''')


@pytest.mark.parametrize("method", ["read", "write", "lines", "seek", "flush", "setvbuf", "close",
                                    "fill"])
def test_every_method_refuses_what_is_no_file(emu, method):
    """A zbuff, a table, nothing."""
    check(emu, {
        'method(zbuff.create(1), "a")': "raises: FILE* expected, got ZBUFF*",
        'method({}, "a")': "raises: FILE* expected, got table",
        'method()': "raises: FILE* expected, got no value",
    } if method != "write" else {
        'method({}, "a")': "raises: FILE* expected, got table",
        'method()': "raises: FILE* expected, got no value",
    }, before=f'local method = io.stdout.{method}\n')


def test_fill_reads_into_a_buffer(verify):
    """file:fill(buff, off, n): true and how much; the buffer's use stays. A place outside is warned
    of; what is no userdata gives nothing."""
    done = verify({
        'fill("abcdef", 4)': "true 4 abcd 0",
        'fill("abcdef", 4, 1)': "true 3 .abc 0",
        'fill("abcdef", 4, 1, 2)': "true 2 .ab. 0",
        'fill("abcdef", 4, 1, 100)': "true 3 .abc 0",
        'fill("ab", 4)': "true 2 ab.. 0",
        'fill("", 4)': "true 0 .... 0",
        'fill("abc", 4, 4)': "true 0 .... 0",
        'fill("abc", 4, "x", "y")': "true 3 abc. 0",
        'fill("abc", 4, 5)': "false -1 .... 0",
        'fill("abc", 4, -1)': "false -1 .... 0",
        'fill("abc", 4, 0, -1)': "false -1 .... 0",
        'fill("abc", 4, math.mininteger, math.maxinteger)': "false -1 .... 0",
        'with("r", file("/f", "abc"), function(f) return f:fill("x") end)': "nothing",
        'with("r", file("/f", "abc"), function(f) return f:fill() end)': "nothing",
        'with("r", file("/f", "abc"), function(f) return f:fill(f) end)':
            "raises: ZBUFF* expected, got FILE*",
        'with("w", "/g", function(f) return f:fill(zbuff.create(3)) end)': "false -1",
    }, '''
        local function fill(text, len, ...)
            local b = zbuff.create(len)
            local rest = table.pack(...)
            local ok, n = with("r", file("/f", text), function(f)
                return f:fill(b, table.unpack(rest, 1, rest.n))
            end)
            return ok, n, (b:toStr():gsub("%z", ".")), b:used()
        end
    ''')
    assert len(done.warnings) >= 3 and all("file:fill:" in text for text in done.warnings)


# ---- the default files ------------------------------------------------------------------------------

def test_input_and_output_change_the_default_files(verify):
    """By name or by file; without an argument they give them. io.read, io.write, io.lines and
    io.close use them."""
    verify({
        'io.input() == io.stdin, io.output() == io.stdout': "true true",
        'io.type(io.output("/o")), io.write("one\\ntwo\\n") == io.output()': "file true",
        'io.close(), io.type(io.output())': "true closed file",
        'io.write("x")': "raises: default output file is closed",
        'io.flush()': "raises: default output file is closed",
        'io.close()': "raises: attempt to use a closed file",
        'io.type(io.output(io.stdout))': "file",
        'io.type(io.input("/o")), io.read(), rows(io.lines())': "file one two",
        'io.input():close(), pcall(io.read)': "true false default input file is closed",
        'io.lines()': "raises: ",
        'io.input(io.stdin) == io.stdin': "true",
        'io.input("/none")': "raises: cannot open file '/none' (No such file or directory)",
        'io.input({})': "raises: FILE* expected, got table",
        'io.output({})': "raises: FILE* expected, got table",
        'io.input(zbuff.create(1))': "raises: FILE* expected, got ZBUFF*",
    })


def test_what_is_written_to_stdout_is_lines_of_the_log(emu):
    """As print's: a line when its end is written, or at flush(). stderr has lines of its own."""
    done = emu.run('''
        io.write("one ", 1, " ", 2.5)
        print("before")
        io.write("\\ntwo\\n\\nfour\\n")
        io.stderr:write("err ")
        io.stdout:write("out ")
        io.stderr:write("line\\n")
        io.flush()
        io.flush()
        io.write("a\\0b\\n", zbuff.create(3, "zb"), "\\n")
        io.stdout:write("prompt> "):flush()
        os.exit(0)
    ''')
    assert done.code == 0, done
    assert done.prints == ["before", "one 1 2.5", "two", "", "four", "err line", "out ",
                           "a\0b", "zb", "prompt> "]
    assert not done.stderr


def test_the_end_of_a_run_loses_nothing(emu):
    """What has no line end yet is logged when the VM closes."""
    done = emu.run("io/the-end-of-a-run-loses-nothing")
    assert done.code == 0, done
    assert sorted(done.prints) == ["no line end but buffered and one word of a finalizer",
                                   "on stderr"]


def test_a_line_without_an_end_is_cut_at_a_mebibyte(emu):
    """So that no script can take the host's memory this way; nothing is lost."""
    done = emu.run('''
        for i = 1, 25 do io.write(("x"):rep(100000)) end
        io.write("\\n", ("y"):rep(1048576), "\\n", ("z"):rep(1048577), "\\n")
        os.exit(0)
    ''')
    assert done.code == 0, done
    assert [len(text) for text in done.prints] == [1 << 20, 1 << 20, 2500000 - (2 << 20), 1 << 20, 0,
                                                   1 << 20, 1]


def test_stdin_is_at_its_end(emu):
    """A module has no keyboard; what the host gives is not read."""
    import subprocess
    done = emu.run('''
        log.info("read", io.read(), io.read("n"), io.read("L"), io.read(5), io.read("a") == "")
        for line in io.lines() do log.info("line", line) end
        log.info("write", io.stdin:write("x"))
        log.info("stdout", io.stdout:read())
        os.exit(0)
    ''', stdin=subprocess.PIPE)
    assert done.texts("read") == ["nil nil nil nil true"]
    assert not done.texts("line")
    assert done.texts("write") == ["nil Bad file descriptor 9"]
    assert done.texts("stdout") == ["nil Bad file descriptor 9"]


def test_the_standard_files_stay_open(verify):
    """Closing them fails; a variable that closes them does not."""
    verify({
        'io.stdout:close()': "nil cannot close standard file",
        'io.close()': "nil cannot close standard file",
        'io.stdin:close(), io.stderr:close()': "nil nil cannot close standard file",
        'scope()': "file",
        'io.stdout:seek()': re.compile("^nil "),
        'io.type(io.stdin), io.type(io.stdout), io.type(io.stderr)': "file file file",
        'tostring(io.stdout)': re.compile(r"^file \(0x"),
    }, '''
        local function scope()
            do
                local f <close> = io.stdout
            end
            return io.type(io.stdout)
        end
    ''')


def test_a_finalizer_called_by_hand_closes_a_standard_file_safely(emu):
    """getmetatable() is there for a script; what it finds must not crash."""
    check(emu, {
        'gc(io.stderr)': "nothing",
        '(gc(io.stderr))': "nil",
        'io.type(io.stderr)': "closed file",
        'io.stderr:write("x")': "raises: attempt to use a closed file",
        'gc(io.stdout), pcall(io.write, "x")': "nil false default output file is closed",
        'pcall(io.flush)': "false default output file is closed",
        'gc({})': "raises: FILE* expected, got table",
        'io.type(io.output("/o")), io.write("x") == io.output()': "file true",
    }, before='''
        local gc = getmetatable(io.stdout).__gc
        io.stderr:write("partial")
    ''')


# ---- whole files ------------------------------------------------------------------------------------

def test_exists_tells_files_from_folders(verify):
    """exists is for files, dexist for folders."""
    verify({
        'io.exists("/e"), io.exists("e"), io.exists("/d"), io.exists("/none")':
            "true true false false",
        'io.dexist("/e"), io.dexist("/d"), io.dexist("/d/"), io.dexist("/none")':
            "false true true false",
        'io.dexist("/"), io.dexist(""), io.dexist("/luadb"), io.dexist("/luadb/")':
            "true true true true",
        'io.exists("/luadb/main.lua"), io.exists("/luadb/none"), io.exists("/luadb/")':
            "true false false",
        'io.exists(("n"):rep(300)), io.dexist(("n"):rep(300))': "false false",
        'io.exists()': "raises: string expected, got no value",
        'io.dexist({})': "raises: string expected, got table",
    }, 'file("/e", "")\nio.mkdir("/d")')


def test_file_size_is_0_for_what_is_not_there(verify):
    """The documents say nil; liolib.c says 0, and so do modules."""
    verify({
        'io.fileSize("/e"), io.fileSize("/none"), io.fileSize("/"), io.fileSize("/empty")': "3 0 0 0",
        'io.fileSize("/luadb/main.lua") > 0': "true",
        'fs.fsize("/e"), fs.fsize("/none"), fs.fsize("/")': "3 0 0",
        'io.fileSize()': "raises: string expected, got no value",
        'fs.fsize()': "raises: string expected, got no value",
    }, 'file("/e", "abc")\nfile("/empty", "")')


def test_read_file_reads_a_part_or_all(verify):
    """readFile(path, mode, offset, length); nothing when it is not there."""
    verify({
        'io.readFile("/r")': "abc\0def",
        'io.readFile("/r", "r"), io.readFile("/r", "rb", 4)': "abc\0def def",
        'io.readFile("/r", "rb", 1, 2), io.readFile("/r", nil, nil, 2)': "bc ab",
        'io.readFile("/r", "rb", 100) == "", io.readFile("/r", "rb", 0, 0) == ""': "true true",
        'io.readFile("/r", "rb", -5, 1), io.readFile("/r", "rb", 0, -1) == ""': "a true",
        'io.readFile("/r", "rb", 6, math.maxinteger), io.readFile("/r", "rb", math.maxinteger) == ""':
            "f true",
        '#io.readFile("/long")': "100000",
        'io.readFile("/none")': "nothing",
        'io.readFile("/")': "nothing",
        'io.readFile("/luadb/none")': "nothing",
        'io.readFile("/luadb/main.lua"):match("^%-%- what is in a file") or "the script"': "the script",
        'io.readFile("/r", "q")': "raises: invalid mode",
        'io.readFile("/r", "rb", "x")': "raises: number expected, got string",
        'io.readFile()': "raises: string expected, got no value",
        'io.readFile({})': "raises: string expected, got table",
    }, 'file("/r", "abc\\0def")\nfile("/long", ("x"):rep(100000))')


def test_write_file_replaces_or_appends(verify):
    """True; nothing when the file can't be opened."""
    verify({
        'io.writeFile("/w", "one"), io.readFile("/w")': "true one",
        'io.writeFile("/w", "2"), io.readFile("/w")': "true 2",
        'io.writeFile("/w", "3", "a"), io.writeFile("/w", 4, "ab+"), io.readFile("/w")': "true true 234",
        'io.writeFile("/w", "X", "r+"), io.readFile("/w")': "true X34",
        'io.writeFile("/w", ""), io.fileSize("/w")': "true 0",
        'io.writeFile("/none/w", "x")': "nothing",
        'io.writeFile("/luadb/w", "x")': "nothing",
        'io.writeFile("/new", "x", "r+")': "nothing",
        'io.writeFile("/w", "x", "r")': "false",
        'io.writeFile("/w", "x", "z")': "raises: invalid mode",
        'io.writeFile("/w")': "raises: string expected, got no value",
        'io.writeFile("/w", {})': "raises: string expected, got table",
    })


def test_a_temporary_file_has_no_name(verify):
    """io.tmpfile() can be written and read, and is in no folder."""
    verify({
        't:write("x") == t, t:seek("set"), t:read("a")': "true 0 x",
        'select(2, io.lsdir("/")) and #select(2, io.lsdir("/"))': "0",
        'u:read("a") == "", u ~= t': "true true",
        't:close()': "true",
    }, 'local t, u = io.tmpfile(), io.tmpfile()')


# ---- folders ----------------------------------------------------------------------------------------

def test_folders_are_made_and_removed(verify):
    """io gives a boolean and the number from below, fs the number alone: 0, or negative."""
    verify({
        'io.mkdir("/a")': "true 0",
        'io.mkdir("a/")': "false -17",
        'io.mkdir("/a/b/")': "true 0",
        'io.mkdir("/none/b")': "false -2",
        'io.mkdir("/luadb/x")': "false -30",
        'io.mkdir("/")': "false -17",
        'io.rmdir("/a")': "false -39",
        'io.rmdir("/a/b")': "true 0",
        'io.rmdir("/a/b/")': "false -2",
        'io.rmdir(file("/f", ""))': "false -20",
        'io.mkdir("/f")': "false -17",
        'io.rmdir("/luadb")': "false -30",
        'io.rmdir("/")': "false -2",
        'fs.mkdir("/c"), fs.mkdir("c"), fs.rmdir("/c"), fs.rmdir("c/")': "0 -17 0 -2",
        'io.mkdir()': "raises: string expected, got no value",
        'io.rmdir({})': "raises: string expected, got table",
        'fs.mkdir()': "raises: string expected, got no value",
        'fs.rmdir()': "raises: string expected, got no value",
    })


def test_lsdir_lists_a_folder_in_parts(verify):
    """lsdir(path, most, first): true and a list of {name, type, size}, by name; 10 by default, 100
    at most; false and a number when there is no such folder."""
    verify({
        'list("/")': "a/1/0 b/0/3 c/0/0",
        'list("/", 2)': "a/1/0 b/0/3",
        'list("/", 2, 1)': "b/0/3 c/0/0",
        'list("/", 10, 3), list("/", 10, math.maxinteger), list("/", 0)': "  ",
        'list("/", -1), list("/", 10, -5)': "a/1/0 b/0/3 c/0/0 a/1/0 b/0/3 c/0/0",
        'list("a"), list("/a/")': "x/0/1 x/0/1",
        'list("/luadb/"):match("main.lua/0/%d+") ~= nil or list("/luadb/")': re.compile("true|^$"),
        'io.lsdir("/none")': "false -2",
        'io.lsdir("/b")': "false -20",
        'count("/many")': "10",
        'count("/many", 99), count("/many", 100), count("/many", 101), count("/many", math.maxinteger)':
            "99 100 100 100",
        'count("/many", 100, 100), count("/many", 100, 110)': "10 0",
        'io.FILE, io.DIR': "0 1",
        'io.lsdir()': "raises: string expected, got no value",
        'io.lsdir("/", "x")': "raises: number expected, got string",
        'io.lsdir("/", 1, {})': "raises: number expected, got table",
    }, '''
        io.mkdir("/many")
        for i = 1, 110 do file("/many/" .. i, "") end
        file("/c", "")
        file("/b", "abc")
        io.mkdir("/a")
        file("/a/x", "1")
        local function list(...)
            local ok, entries = io.lsdir(...)
            local texts = {}
            for i, e in ipairs(entries) do
                if e.name ~= "many" then
                    texts[#texts + 1] = ("%s/%d/%d"):format(e.name, e.type, e.size)
                end
            end
            return table.concat(texts, " ")
        end
        local function count(...)
            return #select(2, io.lsdir(...))
        end
    ''')


def test_the_file_systems_have_a_size(verify):
    """true, blocks, blocks in use, bytes of a block, type; a file takes whole blocks."""
    verify({
        'io.fsstat()': "true 1024 0 4096 lfs",
        'io.fsstat("/", file("/x", ("y"):rep(5000)))': "true 1024 2 4096 lfs",
        'fs.fsstat("/")': "true 1024 2 4096 lfs",
        'io.fsstat("/none")': "true 1024 2 4096 lfs",
        'select("#", io.fsstat("/luadb/")), select(4, io.fsstat("/luadb"))': "5 512 luadb",
        'select(5, fs.fsstat("luadb/x")), select(5, fs.fsstat("/luadbx"))': "luadb lfs",
        'io.fsstat("/", sparse())': "true 1024 1024 4096 lfs",
        'mounts()': " lfs /luadb/ luadb",
        'io.fsstat({})': "raises: string expected, got table",
    }, '''
        local function sparse()
            local f = io.open("/big", "w")
            f:seek("set", 1 << 40)
            f:write("x")
            return f:close()
        end
        local function mounts()
            local texts = {}
            for i, m in ipairs(io.lsmount()) do
                texts[i] = m.path .. " " .. m.fs
            end
            return table.concat(texts, " ")
        end
    ''')


def test_mkfs_empties_the_flash(verify):
    """Files and folders of every depth; /luadb can't be, nor what is not mounted."""
    verify({
        'io.mkfs("/luadb")': "false -19",
        'io.mkfs("/sd")': "false -19",
        'fs.mkfs("/sd", "fatfs")': "-19",
        'fs.mkfs("x")': "raises: string expected, got no value",
        'io.exists("/d1/d2/d3/f")': "true",
        'io.mkfs("/")': "true 0",
        'io.exists("/d1/d2/d3/f"), io.dexist("/d1"), #select(2, io.lsdir("/", 100))': "false false 0",
        'io.exists("/luadb/main.lua"), io.fsstat()': "true true 1024 0 4096 lfs",
        'file("/again", "x")': "/again",
        'fs.mkfs("/", "lfs"), io.exists("/again")': "0 false",
        'io.mkfs()': "raises: string expected, got no value",
    }, '''
        io.mkdir("/d1")
        io.mkdir("/d1/d2")
        io.mkdir("/d1/d2/d3")
        file("/d1/d2/d3/f", "x")
        file("/d1/d2/g", "x")
        for i = 1, 20 do file("/f" .. i, "x") end
    ''')


def test_there_is_no_second_memory_to_mount(emu):
    """fs.mount says so; umount fails."""
    done = check(emu, {
        'fs.mount("sdio", "fatfs", "/sd", "x")': "-19",
        'fs.umount("/sd")': "-19",
        'fs.mount("sdio")': "raises: string expected, got no value",
        'fs.umount()': "raises: string expected, got no value",
    })
    check_warned(done, 'fs.mount: there is no "sdio" on this module')


def test_the_flash_has_room_for_many_files_but_not_for_all(verify):
    """Then a new file is refused with a message; those that are there work."""
    verify({
        'fill()': "4096 No space left on device 28",
        'io.readFile("/n1"), io.writeFile("/n4096", "y"), io.readFile("/n4096")': "x true y",
        'io.mkdir("/more")': "false -28",
        'os.remove("/n7"), io.writeFile("/more", "z")': "true true",
    }, '''
        local function fill()
            for i = 1, 5000 do
                local f, why, number = io.open("/n" .. i, "w")
                if not f then
                    return i - 1, why:match(": (.*)"), number
                end
                f:write("x"):close()
            end
        end
    ''')


def test_finalizers_that_close_the_file_in_the_middle_do_no_harm(emu):
    """Lua's own functions hold the C library's file while they make strings; a __gc of the script may
    run there. It can't close the file then; the script can afterwards."""
    for stress in ([], ["--gc-stress"]):
        done = emu.run("io/finalizers-close-the-file-in-use", *stress)
        assert done.code == 0, done
        assert len(done.texts("during")) == 9
        if not stress:
            assert all(text.endswith(" true") for text in done.texts("during")), done
