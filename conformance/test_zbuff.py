"""zbuff: LuatOS's byte buffer, method by method."""

import re

import pytest

from expressions import check, check_warned

MIB = 1 << 20
LEN_MAX = 1 << 30

# buffer(len, "text") is a buffer of that size with the text in its front and the cursor behind it.
# all(b): everything it holds, with zeros as dots. state(b): that, its cursor and its size.
PRELUDE = '''
local function buffer(len, text)
    local b = zbuff.create(len)
    if text then b:write(text) end
    return b
end
local function all(b)
    return (b:toStr():gsub("%z", "."))
end
local function state(b)
    return all(b), b:used(), b:len()
end
local function after(b, method, ...)
    return b[method](b, ...), state(b)
end
local function nothing_after(b, method, ...)
    return select("#", b[method](b, ...)), state(b)
end
local function hex(text)
    return (text:gsub(".", function(c) return string.format("%02x", c:byte()) end))
end
'''


@pytest.fixture(params=[(), ("--gc-stress",)], ids=["", "gc-stress"])
def verify(emu, request):
    """Check expressions with the helpers above, also with a collection at every chance."""
    return lambda table, before="": check(emu, table, *request.param, before=PRELUDE + before)


# ---- create -----------------------------------------------------------------------------------------

def test_create_gives_a_zeroed_buffer_of_the_size(verify):
    """The cursor is at 0; a numeric string is a size too."""
    verify({
        'state(zbuff.create(3))': "... 0 3",
        'state(zbuff.create("2"))': ".. 0 2",
        'state(zbuff.create(2.0))': ".. 0 2",
        'type(zbuff.create(1))': "userdata",
        '#zbuff.create(1048576)': str(MIB),
        'zbuff.create(65536, 7)[65535]': "7",
    })


def test_create_fills_the_buffer(verify):
    """An integer fills it and leaves the cursor at 0; a string is copied, clipped, and moves it."""
    verify({
        'state(zbuff.create(3, 0x41))': "AAA 0 3",
        'state(zbuff.create(3, 0x141))': "AAA 0 3",
        'zbuff.create(2, -1)[1]': "255",
        'state(zbuff.create(5, "abc"))': "abc.. 3 5",
        'state(zbuff.create(2, "abc"))': "ab 2 2",
        'state(zbuff.create(2, ""))': ".. 0 2",
        'state(zbuff.create(5, 1.5))': "1.5.. 3 5",
        'state(zbuff.create(2, {}))': ".. 0 2",
        'state(zbuff.create(2, nil, zbuff.HEAP_PSRAM))': ".. 0 2",
        'state(zbuff.create(2, "x", "not a type"))': "x. 1 2",
    })


def test_create_refuses_sizes_that_are_none(verify):
    """0 gives nothing, a negative one too, with a warning of the firmware; what is no integer
    raises; what no memory holds gives nil and a message."""
    done = verify({
        'zbuff.create(0)': "nothing",
        'zbuff.create(-1)': "nothing",
        'zbuff.create(math.mininteger)': "nothing",
        'zbuff.create()': "raises: number expected, got no value",
        'zbuff.create("x")': "raises: number expected, got string",
        'zbuff.create(1.5)': "raises: number has no integer representation",
        'zbuff.create(1 << 40)': "nil memory not enough",
        f'zbuff.create({LEN_MAX + 1})': "nil memory not enough",
        'zbuff.create(math.maxinteger)': "nil memory not enough",
    })
    assert done.firmware("zbuff").count("invalid zbuff length, create refused") == 2


def test_large_buffers_are_said_and_collected(emu):
    """From 64 KiB on the firmware collects garbage first, and says so."""
    done = check(emu, {'#zbuff.create(65535)': "65535", '#zbuff.create(65536)': "65536"})
    assert done.firmware("zbuff") == ["create large size: 64 kbyte, trigger force GC"]


def test_buffers_that_nobody_holds_are_freed(emu):
    """Their memory is not the VM's: the collector has to be told of it, or hundreds pile up."""
    done = emu.run("zbuff/buffers-that-nobody-holds")
    assert done.code == 0, done
    assert int(done.texts("most")[0]) < 50


def test_the_constants_are_luatos_s(verify):
    verify({
        'zbuff.SEEK_SET, zbuff.SEEK_CUR, zbuff.SEEK_END': "0 1 2",
        'zbuff.HEAP_AUTO, zbuff.HEAP_SRAM, zbuff.HEAP_PSRAM': "0 1 2",
    })


# ---- indexing ---------------------------------------------------------------------------------------

def test_a_byte_is_read_and_written_by_its_index(verify):
    """b[i], from 0; a value is taken modulo 256."""
    verify({
        'b[0], b[2], b[3]': "97 99 0",
        'set(0, 0x41), set(1, 256 + 66), set(2, -1)': "nil nil nil",
        'b[0], b[1], b[2], b:used()': "65 66 255 3",
        '#b, b:len()': "4 4",
        'b[2.0]': "nil",
        'tostring(b)': re.compile(r"^ZBUFF\*: 0x"),
    }, 'local b = buffer(4, "abc")\nlocal function set(i, v) b[i] = v return nil end')


def test_an_index_outside_reads_nil_and_writes_nothing(verify):
    """Negative ones are outside; a write is warned of by the firmware. Other keys are nil and are
    not written."""
    done = verify({
        'b[4], b[-1], b[math.maxinteger], b.nothing, b[{}]': "nil nil nil nil nil",
        'set(4, 1), set(-1, 1)': "nil nil",
        'set("key", 1), set({}, 1), set(1.5, "x")': "nil nil nil",
        'b.key': "nil",
        'set(0, "x")': "raises: number expected, got string",
        'set(0, 1.5)': "raises: number has no integer representation",
        'set(0)': "raises: number expected, got nil",
        'all(b)': "abc.",
    }, 'local b = buffer(4, "abc")\nlocal function set(i, v) b[i] = v return nil end')
    assert done.firmware("zbuff") == ["zbuff index out of range, write refused"] * 2


def test_get_reads_as_the_index_does(verify):
    """But gives nothing outside, and raises for what is no index."""
    verify({
        'b:get(0), b:get("1"), b:get(2.0)': "97 98 99",
        'b:get(4)': "nothing",
        'b:get(-1)': "nothing",
        'type(b:get("__len"))': "function",
        'b:get("write")': "raises: number expected, got string",
        'b:get()': "raises: value expected",
        'b:get({})': "raises: number expected, got table",
    }, 'local b = buffer(4, "abc")')


# ---- write, read, seek, clear -----------------------------------------------------------------------

def test_write_puts_bytes_at_the_cursor_and_clips(verify):
    """A string, or integers as bytes up to the first argument that is none; the count comes back."""
    verify({
        'after(buffer(5), "write", "abc")': "3 abc.. 3 5",
        'after(buffer(5, "ab"), "write", "cdefg")': "3 abcde 5 5",
        'after(buffer(2, "ab"), "write", "c")': "0 ab 2 2",
        'after(buffer(5), "write", "")': "0 ..... 0 5",
        'after(buffer(5), "write", 0x41, 0x142, -189)': "3 ABC.. 3 5",
        'after(buffer(2), "write", 0x41, 0x42, 0x43)': "2 AB 2 2",
        'after(buffer(5), "write", 0x41, "x", 0x42)': "1 A.... 1 5",
        'after(buffer(5), "write", 1.5)': "3 1.5.. 3 5",
        'after(buffer(5), "write", 65.0)': "4 65.0. 4 5",
        'buffer(1):write()': "raises: string expected, got no value",
        'buffer(1):write(nil)': "raises: string expected, got nil",
        'buffer(1):write({})': "raises: string expected, got table",
        'buffer(1):write(buffer(1))': "raises: string expected, got ZBUFF*",
    })


def test_read_takes_bytes_from_the_cursor(verify):
    """One by default; what is not there is not read; a negative count reads the rest."""
    verify({
        'b:seek(0), b:read(), b:read(2), b:used()': "0 a bc 3",
        'b:read(100), b:read(1), b:read(1) == ""': "de  true",
        'b:seek(1), b:read(-1), b:used()': "1 bcde 5",
        'b:seek(1), b:read(0), b:used()': "1  1",
        'b:seek(2), b:read(1 << 31), b:used()': "2 cde 5",
        'b:read("x")': "raises: number expected, got string",
        'b:read(1.5)': "raises: number has no integer representation",
    }, 'local b = buffer(5, "abcde")')


def test_seek_moves_the_cursor_and_keeps_it_inside(verify):
    """The new place comes back; another whence gives nothing and moves nothing."""
    verify({
        'b:seek(3), b:used()': "3 3",
        'b:seek(-1), b:seek(6), b:seek(math.mininteger)': "0 5 0",
        'b:seek(2, zbuff.SEEK_SET), b:seek(2, zbuff.SEEK_CUR), b:seek(-1, zbuff.SEEK_CUR)': "2 4 3",
        'b:seek(100, zbuff.SEEK_CUR), b:seek(-100, zbuff.SEEK_CUR)': "5 0",
        'b:seek(0, zbuff.SEEK_END), b:seek(-2, zbuff.SEEK_END), b:seek(1, zbuff.SEEK_END)': "5 3 5",
        'b:seek(2147483647, zbuff.SEEK_CUR), b:seek(-2147483648, zbuff.SEEK_END)': "5 0",
        'b:seek(1)': "1",
        'b:seek(2, 3)': "nothing",
        'b:seek(2, -1)': "nothing",
        'b:used()': "1",
        'b:seek()': "raises: number expected, got no value",
        'b:seek("x")': "raises: number expected, got string",
        'b:seek(1, "end")': "raises: number expected, got string",
    }, 'local b = buffer(5, "abcde")')


def test_clear_fills_everything_and_leaves_the_cursor(verify):
    verify({
        'nothing_after(buffer(4, "ab"), "clear")': "0 .... 2 4",
        'nothing_after(buffer(4, "ab"), "clear", 0x41)': "0 AAAA 2 4",
        'nothing_after(buffer(4, "ab"), "clear", 0x141)': "0 AAAA 2 4",
        'buffer(1):clear("x")': "raises: number expected, got string",
    })


def test_set_fills_a_part(verify):
    """set(start, value, n), clipped at the end; the cursor stays. A start outside is warned of."""
    done = verify({
        'nothing_after(buffer(4, "abcd"), "set")': "0 .... 4 4",
        'nothing_after(buffer(4, "abcd"), "set", 2)': "0 ab.. 4 4",
        'nothing_after(buffer(4, "abcd"), "set", 1, 0x58, 2)': "0 aXXd 4 4",
        'nothing_after(buffer(4, "abcd"), "set", 3, 0x158, 100)': "0 abcX 4 4",
        'nothing_after(buffer(4, "abcd"), "set", 0, 1, 0)': "0 abcd 4 4",
        'nothing_after(buffer(4, "abcd"), "set", 1, 88, math.maxinteger)': "0 aXXX 4 4",
        'nothing_after(buffer(4, "abcd"), "set", 4, 1)': "0 abcd 4 4",
        'nothing_after(buffer(4, "abcd"), "set", -1, 1)': "0 abcd 4 4",
        'nothing_after(buffer(4, "abcd"), "set", 0, 1, -1)': "0 abcd 4 4",
        'buffer(1):set("x")': "raises: number expected, got string",
    })
    assert done.firmware("zbuff") == ["set range out of buff, set refused"] * 3


# ---- used, len, toStr, query ------------------------------------------------------------------------

def test_used_gives_and_sets_what_is_in_use(verify):
    """More than there is, and a negative number, mean all; what is no integer sets nothing."""
    verify({
        'b:used()': "2",
        'b:used(1), b:used()': "1 1",
        'b:used(4), b:used(5), b:used(0), b:used(-1)': "4 4 0 4",
        'b:used(math.maxinteger), b:used(math.mininteger)': "4 4",
        'b:used("1"), b:used(1.0), b:used({}), b:used(nil)': "4 4 4 4",
        'all(b)': "ab..",
    }, 'local b = buffer(4, "ab")')


def test_to_str_gives_any_part(verify):
    """From 0 and everything by default, whatever the cursor is; a start outside gives an empty
    string; so does a negative length, with a warning of the firmware."""
    done = verify({
        'b:seek(1), b:toStr(), b:used()': "1 abcd 1",
        'b:toStr(1)': "bcd",
        'b:toStr(1, 2)': "bc",
        'b:toStr(2, 100)': "cd",
        'b:toStr(0, 0) == "", b:toStr(4) == "", b:toStr(5, 1) == "", b:toStr(-1) == ""':
            "true true true true",
        'b:toStr(1, 2147483647)': "bcd",
        'b:toStr(0, -1) == ""': "true",
        'b:toStr("x")': "raises: number expected, got string",
        'b:toStr(0, {})': "raises: number expected, got table",
    }, 'local b = buffer(4, "abcd")')
    assert done.firmware("zbuff") == ["zbuff:toStr length cannot be negative"]


def test_query_gives_what_is_in_use(verify):
    """Everything before the cursor by default, nil when that is nothing; a negative start counts
    from the cursor."""
    verify({
        'b:query()': "abcd",
        'b:query(1)': "bcd",
        'b:query(1, 2)': "bc",
        'b:query(1, 100)': "bcd",
        'b:query(-2), b:query(-2, 1), b:query(-4)': "cd c abcd",
        'b:query(-5)': "nil",
        'b:query(4)': "nil",
        'b:query(5), b:query(0, 0)': "nil nil",
        'buffer(4):query()': "nil",
        'b:query("x")': "raises: number expected, got string",
        'b:used()': "4",
    }, 'local b = buffer(6, "abcd")')


def test_query_gives_numbers_when_told_the_byte_order(verify):
    """With a boolean as 4th argument and 1, 2, 4 or 8 bytes. Numbers of 4 bytes are signed whatever
    the 5th says; floats are in the module's order, little-endian."""
    verify({
        'b:query(0, 1, false), b:query(3, 1, true), b:query(3, 1, true, true)': "1 255 -1",
        'b:query(0, 2, false), b:query(0, 2, true)': "513 258",
        'b:query(2, 2, false), b:query(2, 2, true), b:query(2, 2, false, true)': "65283 1023 -253",
        'b:query(0, 4, false), b:query(0, 4, true)': "-16580095 16909311",
        'b:query(0, 4, false, false)': "-16580095",
        'b:query(0, 8, true), b:query(0, 8, false)': "72624937742925891 4863887601838522881",
        'b:query(0, 3, true)': "\x01\x02\x03",
        'hex(b:query(0, 4, nil)), hex(b:query(0, 4, 1))': "010203ff 010203ff",
        'f:query(0, 4, false, false, true), f:query(0, 4, true, false, true)': "1.5 1.5",
        'f:query(4, 8, false, true, true), f:query(4, 8, true, nil, true)': "-2.5 -2.5",
        'f:query(0, 1, false, false, true)': "0",
    }, '''
        local b = zbuff.create(8)
        b:write(1, 2, 3, 255, 0, 0, 128, 67)
        local f = zbuff.create(12)
        f:writeF32(1.5)
        f:writeF64(-2.5)
    ''')


# ---- copy, del, resize, isEqual ---------------------------------------------------------------------

def test_copy_puts_data_at_a_place(verify):
    """At the cursor when none is given; a negative place counts from the cursor, and one before
    the beginning copies nothing. What is in use ends where the data do, if that is further."""
    verify({
        'after(buffer(6, "ab"), "copy", nil, "cd")': "2 abcd.. 4 6",
        'after(buffer(6, "abcd"), "copy", 0, "XY")': "2 XYcd.. 4 6",
        'after(buffer(6, "abcd"), "copy", 3, "XY")': "2 abcXY. 5 6",
        'after(buffer(6, "abcd"), "copy", -1, "XY")': "2 abcXY. 5 6",
        'after(buffer(6, "abcd"), "copy", -4, "XY")': "2 XYcd.. 4 6",
        'after(buffer(6, "abcd"), "copy", -5, "XY")': "0 abcd.. 4 6",
        'after(buffer(6, "a"), "copy", 4, "X")': "1 a...X. 5 6",
        'after(buffer(6, "ab"), "copy", 0, "")': "0 ab.... 2 6",
        'after(buffer(6, "ab"), "copy", nil, 1.5)': "3 ab1.5. 5 6",
        'after(buffer(6, "ab"), "copy")': "0 ab.... 2 6",
        'after(buffer(6, "ab"), "copy", 1, nil)': "0 ab.... 2 6",
        'after(buffer(6, "ab"), "copy", 1, {})': "0 ab.... 2 6",
        'after(buffer(6, "ab"), "copy", 1, true)': "0 ab.... 2 6",
        'buffer(1):copy("x", "y")': "raises: number expected, got string",
        'buffer(1):copy(0, io.stdout)': "raises: ZBUFF* expected, got FILE*",
    })


def test_copy_makes_the_buffer_larger(verify):
    """For a string by the place and the length, on top of what there was; new bytes are 0."""
    verify({
        'after(buffer(2, "ab"), "copy", nil, "cde")': "3 abcde.. 5 7",
        'after(buffer(2, "ab"), "copy", 5, "X")': "1 ab...X.. 6 8",
        'after(buffer(4, "ab"), "copy", 2, "cd")': "2 abcd 4 4",
    })


def test_copy_takes_integers_as_bytes(verify):
    """As many as there are; a buffer that is full is doubled."""
    verify({
        'after(buffer(6, "ab"), "copy", 1, 0x41, 0x142, -189)': "3 aABC.. 4 6",
        'after(buffer(6, "ab"), "copy", nil, 65, "x", 66)': "1 abA... 3 6",
        'after(buffer(2, "ab"), "copy", nil, 65)': "1 abA. 3 4",
        'after(buffer(2, "ab"), "copy", 1, 65, 66, 67, 68)': "4 aABCD... 5 8",
        'after(buffer(2), "copy", 5, 65)': "1 .....A.... 6 10",
        'after(freed(), "copy", 0, 65, 66)': "2 AB 2 2",
    }, 'local function freed() local b = buffer(3) b:free() return b end')


def test_copy_takes_a_part_of_another_buffer(verify):
    """What is in use of it by default; a part that is not in it is warned of and copies nothing.
    A buffer may be copied into itself."""
    done = verify({
        'after(buffer(6, "ab"), "copy", nil, buffer(4, "xyz"))': "3 abxyz. 5 6",
        'after(buffer(6, "ab"), "copy", 0, buffer(4, "xyz"), 1)': "3 yz.... 3 6",
        'after(buffer(6, "ab"), "copy", 1, buffer(4, "xyz"), 1, 2)': "2 ayz... 3 6",
        'after(buffer(6, "ab"), "copy", 1, buffer(4, "xyz"), 2, 2)': "2 az.... 3 6",
        'after(buffer(2, "ab"), "copy", nil, buffer(4, "xyz"))': "3 abxyz.. 5 7",
        'after(buffer(2, "ab"), "copy", 0, buffer(4))': "0 ab 2 2",
        'after(buffer(2, "ab"), "copy", 0, buffer(4, "xyz"), 5)': "0 ab 2 2",
        'after(buffer(2, "ab"), "copy", 0, buffer(4, "xyz"), 0, 5)': "0 ab 2 2",
        'after(buffer(2, "ab"), "copy", 0, buffer(4, "xyz"), -1, 1)': "0 ab 2 2",
        'after(buffer(2, "ab"), "copy", 0, buffer(4, "xyz"), 0, -1)': "0 ab 2 2",
        'after(buffer(2, "ab"), "copy", 0, buffer(4, "xyz"), 4, math.maxinteger)': "0 ab 2 2",
        'itself(0)': "2 abab.. 4 6",
        'itself(1)': "3 aabc.. 4 6",
        'buffer(1):copy(0, buffer(1), "x")': "raises: number expected, got string",
    }, '''
        local function itself(from)
            if from == 0 then
                local b = buffer(6, "ab")
                return after(b, "copy", nil, b)
            end
            local b = buffer(6, "abc")
            return after(b, "copy", 1, b)
        end
    ''')
    assert done.firmware("zbuff") == ["copy range out of source buff, copy refused"] * 5


def test_copy_grows_a_buffer_that_is_its_own_source(verify):
    """The memory may move while it grows; the bytes are those from before."""
    verify({'after(b, "copy", nil, b)': "8 abcdefghabcdefgh........ 16 24"},
           'local b = buffer(8, "abcdefgh")')


def test_copy_far_beyond_the_end_is_refused(verify):
    """Not by an error: 0, and the firmware says that there is no memory."""
    done = verify({
        'after(buffer(2, "ab"), "copy", 2147483647, "x")': "0 ab 2 2",
        'after(buffer(2, "ab"), "copy", 2147483647, 1)': "0 ab 2 2",
        'after(buffer(2, "ab"), "copy", 2147483647, buffer(1, "x"))': "0 ab 2 2",
        'after(buffer(2, "ab"), "copy", -2147483648, "x")': "0 ab 2 2",
    })
    assert len([t for t in done.firmware("zbuff") if "zbuff realloc failed 2 ->" in t]) == 3


def test_del_closes_the_gap(verify):
    """From what is in use, all of it by default; a negative place counts from its end; what is
    beyond is cut. The bytes behind the cursor stay."""
    done = verify({
        'nothing_after(buffer(6, "abcd"), "del")': "0 abcd.. 0 6",
        'nothing_after(buffer(6, "abcd"), "del", 0, 1)': "0 bcdd.. 3 6",
        'nothing_after(buffer(6, "abcd"), "del", 1, 2)': "0 adcd.. 2 6",
        'nothing_after(buffer(6, "abcd"), "del", 2)': "0 abcd.. 2 6",
        'nothing_after(buffer(6, "abcd"), "del", 1, 100)': "0 abcd.. 1 6",
        'nothing_after(buffer(6, "abcd"), "del", -1)': "0 abcd.. 3 6",
        'nothing_after(buffer(6, "abcd"), "del", -4, 1)': "0 bcdd.. 3 6",
        'nothing_after(buffer(6, "abcd"), "del", -5, 1)': "0 abcd.. 4 6",
        'nothing_after(buffer(6, "abcd"), "del", 4, 1)': "0 abcd.. 4 6",
        'nothing_after(buffer(6, "abcd"), "del", 0, 0)': "0 abcd.. 4 6",
        'nothing_after(buffer(6, "abcd"), "del", 0, math.maxinteger)': "0 abcd.. 0 6",
        'nothing_after(buffer(6), "del")': "0 ...... 0 6",
        'nothing_after(buffer(6, "abcd"), "del", 0, -1)': "0 abcd.. 4 6",
        'buffer(1):del("x")': "raises: number expected, got string",
        'buffer(1, "a"):del(0, "x")': "raises: number expected, got string",
    })
    assert done.firmware("zbuff") == ["invalid del length, del refused"]


def test_resize_keeps_what_fits(verify):
    """New bytes are 0; a cursor beyond the end comes back to it; 0 is a size. The old name is
    there too. What is no integer changes nothing."""
    verify({
        'nothing_after(buffer(3, "abc"), "resize", 5)': "0 abc.. 3 5",
        'nothing_after(buffer(3, "abc"), "resize", 2)': "0 ab 2 2",
        'nothing_after(buffer(3, "abc"), "resize", 3)': "0 abc 3 3",
        'nothing_after(buffer(3, "a"), "reSize", 2)': "0 a. 1 2",
        'nothing_after(buffer(3, "abc"), "resize", 0)': "0  0 0",
        'large(70000), large(65539), large(65538), large(200000000)': "true true true true",
        'again(0, 4)': ".... 0 4",
        'again(1, 4)': "a... 1 4",
        'nothing_after(buffer(3, "abc"), "resize")': "0 abc 3 3",
        'nothing_after(buffer(3, "abc"), "resize", "2")': "0 abc 3 3",
        'nothing_after(buffer(3, "abc"), "resize", 2.0)': "0 abc 3 3",
        'nothing_after(buffer(3, "abc"), "resize", {})': "0 abc 3 3",
    }, '''
        local function large(len)
            local b = buffer(3, "abc")
            b:resize(len)
            return b:toStr(0, 5) == "abc\\0\\0" and b:toStr(len - 2) == "\\0\\0" and b:used() == 3 and #b == len
        end
        local function again(first, second)
            local b = buffer(3, "abc")
            b:resize(first)
            b:resize(second)
            return state(b)
        end
    ''')


def test_resize_beyond_memory_changes_nothing(verify):
    """The firmware says so."""
    done = verify({
        'nothing_after(buffer(3, "abc"), "resize", -1)': "0 abc 3 3",
        f'nothing_after(buffer(3, "abc"), "resize", {LEN_MAX + 1})': "0 abc 3 3",
    })
    assert done.firmware("zbuff") == ["zbuff realloc failed 3 -> 4294967295",
                                      f"zbuff realloc failed 3 -> {LEN_MAX + 1}"]


def test_the_largest_buffer_works_to_its_last_byte(emu):
    """1 GiB; memory that is not touched is not taken."""
    check(emu, {
        '#b': str(LEN_MAX),
        'b:seek(0, zbuff.SEEK_END), b:write("x"), b:used()': f"{LEN_MAX} 0 {LEN_MAX}",
        'b:seek(-1, zbuff.SEEK_END), b:write("xy"), b[1073741823]': f"{LEN_MAX - 1} 1 120",
        'b:copy(nil, "y"), b:used(), #b': f"0 {LEN_MAX} {LEN_MAX}",
        'b:toStr(1073741822)': "\0x",
        'b:del(0, 1073741823), b:query()': "nil x",
        'b:free(), #b': "nil 0",
    }, before=f"local b = zbuff.create({LEN_MAX})\n")


def test_is_equal_compares_parts(verify):
    """One byte by default: true and 0, or false and where they differ; a part outside is false."""
    done = verify({
        'a:isEqual(0, b, 0, 4)': "true 0",
        'a:isEqual(0, b)': "true 0",
        'a:isEqual(nil, b, nil, nil)': "true 0",
        'a:isEqual(0, b, 0, 6)': "false 4",
        'a:isEqual(1, b, 0, 2)': "false 0",
        'a:isEqual(1, c, 0, 2)': "true 0",
        'a:isEqual(0, b, 0, 0)': "true 0",
        'a:isEqual(2, a, 2, 4)': "true 0",
        'a:isEqual(6, b, 6, 0)': "true 0",
        'a:isEqual(0, b, 0, 7)': "false",
        'a:isEqual(6, b, 0, 1)': "false",
        'a:isEqual(0, c, 2, 1)': "false",
        'a:isEqual(-1, b, 0, 1)': "false",
        'a:isEqual(0, b, -1, 1)': "false",
        'a:isEqual(0, b, 0, -1)': "false",
        'a:isEqual(1, b, 1, math.maxinteger)': "false",
        'a:isEqual(0)': "raises: ZBUFF* expected, got no value",
        'a:isEqual(0, "abcd")': "raises: ZBUFF* expected, got string",
        'a:isEqual(0, io.stdout)': "raises: ZBUFF* expected, got FILE*",
        'a:isEqual("x", b)': "raises: number expected, got string",
    }, 'local a, b, c = buffer(6, "abcdef"), buffer(6, "abcdXf"), buffer(2, "bc")')
    assert done.firmware("zbuff") == ["isEqual range out of buff"] * 7


# ---- base64 -----------------------------------------------------------------------------------------

def test_to_base64_writes_into_another_buffer(verify):
    """What is in use, with padding; the other's use is the text; its length comes back. The room
    must hold a zero at the end too."""
    done = verify({
        'to(17, "f")': "4 Zg==.............",
        'to(17, "fo")': "4 Zm8=.............",
        'to(17, "foo")': "4 Zm9v.............",
        'to(17, "foob")': "8 Zm9vYg==.........",
        'to(17, "\\0\\255\\254\\127\\16\\131")': "8 AP/+fxCD.........",
        'to(17, "")': "0 .................",
        'to(5, "foo")': "4 Zm9v.",
        'to(4, "foo")': "0 ....",
        'to(1, "foo")': "0 .",
        'used(17, "foob")': "8",
        'used(4, "foo")': "0",
        'itself("foobar")': "8 Zm9vYmFy",
        'itself("\\1\\2\\3\\4\\5\\6\\7\\8\\9\\10")': "16 AQIDBAUGBwgJCg==",
        'buffer(1):toBase64()': "raises: ZBUFF* expected, got no value",
        'buffer(1):toBase64("x")': "raises: ZBUFF* expected, got string",
    }, '''
        local function to(len, text)
            local dst = buffer(len)
            return buffer(16, text):toBase64(dst), all(dst)
        end
        local function used(len, text)
            local dst = buffer(len)
            buffer(16, text):toBase64(dst)
            return dst:used()
        end
        local function itself(text)
            local b = buffer(32, text)
            return b:toBase64(b), b:query()
        end
    ''')
    assert done.firmware("zbuff") == ["zbuff toBase64 failed -1"] * 3


def test_to_base64_agrees_with_another_encoder(verify):
    """Every length up to 200, every byte."""
    verify({'different()': "nil"}, '''
        local function different()
            for len = 1, 200 do
                local bytes = {}
                for i = 1, len do bytes[i] = string.char((i * 7 + len * 13) % 256) end
                local text = table.concat(bytes)
                local dst = zbuff.create(300)
                zbuff.create(len, text):toBase64(dst)
                if dst:query() ~= string.toBase64(text) then return len end
            end
            return nil
        end
    ''')


# ---- numbers ----------------------------------------------------------------------------------------

NUMBERS = {
    # type: (bytes, values that come back as they are, {value: what comes back})
    "I8": (1, [0, 127, -128], {128: -128, 255: -1, 256: 0}),
    "U8": (1, [0, 255], {-1: 255, 256: 0}),
    "I16": (2, [0, 32767, -32768], {65535: -1, 65536: 0}),
    "U16": (2, [0, 65535], {-1: 65535}),
    "I32": (4, [0, 2147483647, -2147483648], {4294967295: -1}),
    "U32": (4, [0, 4294967295], {-1: 4294967295, 1 << 32: 0}),
    "I64": (8, [0, 9223372036854775807, -1], {}),
    "U64": (8, [0, 9223372036854775807, -1], {}),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_integers_are_written_and_read_at_the_cursor(verify, kind):
    """Little-endian; a value is cut to its size; the count comes back, 0 when there is no room;
    reading past the end gives nothing. U64 is Lua's integer: above 2^63 it is negative."""
    size, values, cut = NUMBERS[kind]
    verify({f'there({value})': f"{size} {size} {value}" for value in values} |
           {f'there({value})': f"{size} {size} {back}" for value, back in cut.items()} | {
        f'hex(bytes({0x0807060504030201}))': "".join(f"{i:02x}" for i in range(1, size + 1)),
        f'after(buffer({size - 1} + 1, ("x"):rep({size} - {size - 1})), "write{kind}", 1)':
            f"0 {'x' + '.' * (size - 1)} 1 {size}",
        f'buffer({size}, "x"):read{kind}()': "nothing",
        f'buffer({size}):write{kind}("x")': "raises: number expected, got string",
        f'buffer({size}):write{kind}(1.5)': "raises: number has no integer representation",
        f'buffer({size}):write{kind}()': "raises: number expected, got no value",
        f'full:write{kind}("x")': "0",  # room is looked at first
    }, f'''
        local full = buffer(1, "x")
        local function there(value)
            local b = zbuff.create({size})
            local count = b:write{kind}(value)
            local used = b:used()
            b:seek(0)
            return count, used, b:read{kind}()
        end
        local function bytes(value)
            local b = zbuff.create({size})
            b:write{kind}(value)
            return b:query()
        end
    ''')


def test_floats_are_written_and_read_at_the_cursor(verify):
    """IEEE 754, little-endian; F32 rounds, and what it can't hold is infinite."""
    verify({
        'there("F32", 1.5)': "4 1.5",
        'there("F32", 0.1)': "4 0.10000000149012",
        'there("F32", 1e300)': "4 inf",
        'there("F32", 16777217)': "4 16777216.0",
        'there("F64", 0.1)': "8 0.1",
        'there("F64", "2.5")': "8 2.5",
        'there("F64", -math.huge)': "8 -inf",
        'there("F64", 0/0)': re.compile("^8 -?nan$"),
        'hex(bytes("F32", -2))': "000000c0",
        'hex(bytes("F64", -2))': "00000000000000c0",
        'buffer(4, "x"):readF32()': "nothing",
        'buffer(8, "x"):readF64()': "nothing",
        'buffer(4, "x"):writeF32(1)': "0",
        'buffer(4):writeF32("x")': "raises: number expected, got string",
        'buffer(8):writeF64({})': "raises: number expected, got table",
    }, '''
        local function there(kind, value)
            local b = zbuff.create(8)
            local count = b["write" .. kind](b, value)
            b:seek(0)
            return count, b["read" .. kind](b)
        end
        local function bytes(kind, value)
            local b = zbuff.create(8)
            b["write" .. kind](b, value)
            return b:query()
        end
    ''')


# ---- pack and unpack --------------------------------------------------------------------------------

def test_pack_writes_at_the_cursor(verify):
    """The letters of lpack; "<" is the default order, ">" the other; a count repeats a letter; the
    number of bytes comes back."""
    verify({
        'packed(16, ">IIHA", 0x1234, 0x4567, 0x12, "abc")': "13 00001234000045670012616263000000",
        'packed(4, "<H>H", 1, 2)': "4 01000002",
        'packed(4, ">H=H", 1, 2)': "4 00010200",
        'packed(8, "bchHiIlL", 1)': "raises: number expected, got no value",
        'packed(30, "bchHiIlL", 255, -1, -1, 65535, -1, -1, -1, -1)': f"30 {'ff' * 30}",
        'packed(20, "fdn", 1.5, 1.5, 1.5)': "20 0000c03f000000000000f83f000000000000f83f",
        'packed(4, "b3", 1, 2, 3)': "3 01020300",
        'packed(4, "b0b", 1)': "1 01000000",
        'packed(4, "A2", "ab", "c")': "3 61626300",
        'packed(4, "b , b", 1, 2)': "2 01020000",
        'packed(4, "")': "0 00000000",
        'packed(2, "H", 0x12345)': "2 4523",
    }, '''
        local function packed(len, ...)
            local b = zbuff.create(len)
            return b:pack(...), hex(b:toStr())
        end
    ''')


def test_pack_stops_at_the_end(verify):
    """The value that no longer fits is cut; those behind it are not looked at."""
    verify({
        'after(buffer(3), "pack", "AA", "abcd", {})': "3 abc 3 3",
        'after(buffer(3), "pack", ">IA", 0x41424344)': "3 ABC 3 3",
        'after(buffer(2, "ab"), "pack", "?")': "0 ab 2 2",
        'after(buffer(2), "pack", "b2147483647", 65, 66)': "2 AB 2 2",
    })


def test_pack_and_unpack_refuse_other_formats(verify):
    """A letter that lpack here has not; a value of another type; no format."""
    verify({
        'buffer(4):pack("z", "x")': "raises: bad argument #1 to 'pack' (bad code `z')",
        'buffer(4):pack("p", "x")': "raises: bad code `p'",
        'buffer(4):pack("b", "x")': "raises: number expected, got string",
        'buffer(4):pack("A", nil)': "raises: string expected, got nil",
        'buffer(4):pack("b", 1.5)': "raises: number has no integer representation",
        'buffer(4):pack()': "raises: string expected, got no value",
        'buffer(4):unpack("z")': "raises: bad argument #1 to 'unpack' (bad code `z')",
        'buffer(4):unpack({})': "raises: string expected, got table",
        'buffer(4):unpack()': "raises: string expected, got no value",
    })


def test_unpack_reads_at_the_cursor(verify):
    """The number of bytes, then the values; it stops before what is not all there. "A" takes as
    many bytes as its count says."""
    verify({
        'of("\\1\\2\\3\\4", "bH")': "3 1 770",
        'of("\\1\\2\\3\\4", ">bH")': "3 1 515",
        'of("\\255\\255\\255", "cb")': "2 -1 255",
        'of("\\255\\255\\255\\255", "hH")': "4 -1 65535",
        'of(("\\255"):rep(24), "iIlL")': "24 -1 4294967295 -1 -1",
        'of("\\0\\0\\192\\63", "f")': "4 1.5",
        'of("abcdef", "A3A")': "4 abc d",
        'of("abc", "A0b")': "1  97",
        'of("abc", "A4")': "0",
        'of("abc", "bH b")': "3 97 25442",
        'of("abc", "b10")': "3 97 98 99",
        'of("abc", "z0b")': "1 97",
        'of("abc", "")': "0",
        'cursor("abcd", "bb")': "2",
        'cursor("abcd", "H3")': "4",
        'back()': "13 4660 17767 18 abc",
    }, '''
        local function of(text, format)
            local b = zbuff.create(#text, text)
            b:seek(0)
            return b:unpack(format)
        end
        local function cursor(text, format)
            local b = zbuff.create(#text, text)
            b:seek(0)
            b:unpack(format)
            return b:used()
        end
        local function back()
            local b = zbuff.create(16)
            b:pack(">IIHA", 0x1234, 0x4567, 0x12, "abc")
            b:seek(0)
            return b:unpack(">IIHA3")
        end
    ''')


def test_unpack_has_a_limit_of_values(verify):
    """More than Lua's stack holds raises; the buffer stays as it was."""
    verify({
        'b:unpack("b2147483647")': "raises: too many results to unpack",
        'b:used()': "0",
    }, 'local b = zbuff.create(2000000)')


# ---- free, and what is no buffer --------------------------------------------------------------------

def test_a_freed_buffer_is_empty_and_usable(verify):
    """free() gives the memory back; no method crashes; copy and resize make it grow again."""
    verify({
        'b:free()': "nothing",
        'b:free()': "nothing",
        'state(b)': " 0 0",
        'b:write("x"), b:write(1), b:read(9) == "", b:seek(5)': "0 0 true 0",
        'b:clear(1), b:toStr() == "", b:query(), b:used(9)': "nil true nil 0",
        'b:readU8()': "nothing",
        'b:writeU8(1), b:pack("A", "x"), b:unpack("b")': "0 0 0",
        'b:unpack("A0"), b:unpack("A1")': "0 0",
        'b[0], b:get(0)': "nil",
        'b:del()': "nothing",
        'b:isEqual(0, b, 0, 0)': "true 0",
        'b:isEqual(0, b)': "false",
        'b:toBase64(zbuff.create(9)), zbuff.create(1, "x"):toBase64(b)': "0 0",
        'b:setFrameBuffer(1, 1, 1)': "nothing",
        'b:pixel(0, 0)': "nothing",
        'b:drawLine(0, 0, 1, 1)': "nothing",
        'b:drawRect(0, 0, 1, 1)': "nothing",
        'b:drawCircle(0, 0, 1)': "nothing",
        'zbuff.create(4):copy(0, b)': "0",
        'b:copy(0, b)': "0",
        'b:copy(0, "")': "0",
        'after(b, "copy", 0, "x")': "1 x 1 1",
        'nothing_after(b, "resize", 2)': "0 x. 1 2",
    }, 'local b = buffer(4, "abcd")')


METHODS = ["write", "read", "clear", "seek", "pack", "unpack", "get", "toStr", "len", "free", "copy",
           "set", "query", "del", "resize", "reSize", "used", "isEqual", "toBase64", "setFrameBuffer",
           "pixel", "drawLine", "drawRect", "drawCircle",
           *(verb + kind for verb in ("read", "write") for kind in (*NUMBERS, "F32", "F64"))]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_refuses_what_is_no_buffer(emu, method):
    """Another userdata, a table, nothing at all."""
    check(emu, {
        'method(io.stdout, 1, 1, 1, 1)': "raises: ZBUFF* expected, got FILE*",
        'method({}, 1, 1, 1, 1)': "raises: ZBUFF* expected, got table",
        'method("abc", 1, 1, 1, 1)': "raises: ZBUFF* expected, got string",
        'method(nil, 1, 1, 1, 1)': "raises: ZBUFF* expected, got nil",
        'method()': "raises: ZBUFF* expected, got no value",
    }, before=f'local method = zbuff.create(1).{method}\n')


def test_there_are_no_methods_beside_these(verify):
    """Metamethods aside."""
    verify({'b.metatable, b.__index, b.__gc, b.Write, b[""]': "nil nil nil nil nil"},
           'local b = buffer(1)')


def test_finalizers_that_change_a_buffer_in_the_middle_do_no_harm(emu):
    """A push may collect, and a __gc of the script may free the buffer that is being read."""
    for stress in ([], ["--gc-stress"]):
        done = emu.run("zbuff/finalizers-free-the-buffer-in-use", *stress)
        assert done.code == 0, done
        assert len(done.texts("done")) == 1


def test_a_collected_buffer_stays_empty(emu):
    """A finalizer may meet a buffer that was collected first: it gets no memory that nobody would
    free."""
    done = emu.run("zbuff/a-collected-buffer-is-used-again")
    assert done.code == 0, done
    assert done.texts("saved") == ["userdata 0 0 0 true"]


# ---- frame buffers ----------------------------------------------------------------------------------

# picture(b): its pixels, a row a word; "." is color 0.
FRAME = '''
local function picture(b, width, height)
    local rows = {}
    for y = 0, height - 1 do
        local row = {}
        for x = 0, width - 1 do
            local color = b:pixel(x, y)
            row[#row + 1] = color == 0 and "." or string.format("%x", color)
        end
        rows[#rows + 1] = table.concat(row)
    end
    return table.concat(rows, " ")
end
local function drawn(width, height, method, ...)
    local b = zbuff.create({ width, height, 4 })
    local ok = b[method](b, ...)
    return ok, picture(b, width, height)
end
'''


def test_create_makes_a_frame_buffer(verify):
    """{width, height, bits}, filled with a color; 1, 4, 8, 16, 24 and 32 bits."""
    verify({
        '#zbuff.create({ 3, 2, 1 }), #zbuff.create({ 3, 3, 1 })': "1 2",
        '#zbuff.create({ 3, 1, 4 }), #zbuff.create({ 3, 2, 8 }), #zbuff.create({ 3, 2, 16 })': "2 6 12",
        '#zbuff.create({ 3, 2, 24 }), #zbuff.create({ 3, 2, 32 })': "18 24",
        'hex(zbuff.create({ 3, 1, 1 }, 1):toStr())': "e0",
        'hex(zbuff.create({ 9, 1, 1 }, 1):toStr())': "ff80",
        'hex(zbuff.create({ 3, 1, 4 }, 0x5a):toStr())': "aaa0",
        'hex(zbuff.create({ 2, 1, 8 }, 0x15a):toStr())': "5a5a",
        'hex(zbuff.create({ 2, 1, 16 }, 0x1234):toStr())': "12341234",
        'hex(zbuff.create({ 2, 1, 24 }, 0x123456):toStr())': "123456123456",
        'hex(zbuff.create({ 2, 1, 32 }, 0x12345678):toStr())': "1234567812345678",
        'zbuff.create({ 2, 1, 8 }, 7):used()': "0",
        'all(zbuff.create({ 2, 1, 8 }, "x"))': "..",
    })


def test_frame_buffers_of_other_shapes_are_refused(verify):
    """No pixels, no such depth, more than 128 MiB."""
    done = verify({
        'zbuff.create({ 1, 1, 2 })': "nothing",
        'zbuff.create({ 1, 1, 0 })': "nothing",
        'zbuff.create({ 1, 1, 257 })': "nothing",
        'zbuff.create({ 1, 1, -8 })': "nothing",
        'zbuff.create({ 0, 1, 8 })': "nothing",
        'zbuff.create({ 1, 0, 8 })': "nothing",
        'zbuff.create({ -1, -1, 1 })': "nothing",
        'zbuff.create({ 65536, 65536, 1 })': "nothing",
        'zbuff.create({ 32768, 32769, 1 })': "nothing",
        'zbuff.create({ 4294967295, 4294967295, 32 })': "nothing",
        'zbuff.create({})': "raises: bad argument #1 to 'create' ({width, height, bits} expected)",
        'zbuff.create({ 1, 1 })': "raises: {width, height, bits} expected",
        'zbuff.create({ 1, "x", 1 })': "raises: {width, height, bits} expected",
        'zbuff.create({ 1, 1.5, 1 })': "raises: {width, height, bits} expected",
    })
    assert done.firmware("zbuff") == ["invalid framebuffer size, create refused"] * 6


def test_set_frame_buffer_gives_a_buffer_its_shape(verify):
    """True when it fits, and the bytes stay unless a color is given; nothing when it does not."""
    done = verify({
        'b:setFrameBuffer(2, 2, 8), all(b)': "true abcd....",
        'b:pixel(0, 0), b:pixel(1, 1)': "97 100",
        'b:setFrameBuffer(2, 2, 16, 0x4142), all(b)': "true ABABABAB",
        'b:setFrameBuffer(1, 1, 8, 0x58), all(b)': "true XBABABAB",
        'b:setFrameBuffer(8, 8, 1), b:setFrameBuffer(64, 1, 1), b:setFrameBuffer(16, 1, 4)':
            "true true true",
        'b:setFrameBuffer(9, 8, 1)': "nothing",
        'b:setFrameBuffer(2, 2, 24)': "nothing",
        'b:setFrameBuffer(0, 1, 8)': "nothing",
        'b:setFrameBuffer(-1, -1, 8)': "nothing",
        'b:setFrameBuffer(1 << 32, 1 << 32, 8)': "nothing",
        'b:setFrameBuffer(math.maxinteger, 3, 32)': "nothing",
        'b:setFrameBuffer(1 << 62, 4, 1)': "nothing",
        'b:pixel(15, 0) ~= nil, b:pixel(16, 0)': "true",  # the last shape that fitted stays
        'b:setFrameBuffer(1, 1, 2)': "nothing",
        'b:setFrameBuffer(1, 1, 8, "x")': "true",
        'b:setFrameBuffer(1, 1)': "raises: number expected, got no value",
        'b:setFrameBuffer("x", 1, 1)': "raises: number expected, got string",
    }, 'local b = buffer(8, "abcd")')
    check_warned(done, "zbuff.setFrameBuffer: a pixel of 2 bits")


@pytest.mark.parametrize("bits", [1, 4, 8, 16, 24, 32])
def test_pixels_do_not_touch_their_neighbours(verify, bits):
    """Colors are cut to the pixel's bits; every pixel keeps its own."""
    top = (1 << bits) - 1
    verify({
        'b:pixel(1, 1, -1), b:pixel(1, 1)': f"true {top}",
        'b:pixel(0, 1), b:pixel(2, 1), b:pixel(1, 0), b:pixel(1, 2)': "0 0 0 0",
        f'b:pixel(1, 1, {0x5a5a5a5a5a & top - 1}), b:pixel(1, 1)': f"true {0x5a5a5a5a5a & top - 1}",
        'keeps()': "true",
        'b:used()': "0",
    }, f'''
        local b = zbuff.create({{ 5, 3, {bits} }})
        local function keeps()
            for round = 1, 2 do
                for y = 0, 2 do
                    for x = 0, 4 do
                        local color = (x * 0x1f3d5b79 + y * 0x2468ace1 + 1) & {top}
                        if round == 1 then
                            b:pixel(x, y, color)
                        elseif b:pixel(x, y) ~= color then
                            return false, x, y
                        end
                    end
                end
            end
            return true
        end
    ''')


def test_pixels_outside_give_nothing(verify):
    """And so does every pixel of a buffer without a frame."""
    verify({
        'b:pixel(4, 0)': "nothing",
        'b:pixel(0, 3)': "nothing",
        'b:pixel(-1, 0)': "nothing",
        'b:pixel(0, math.mininteger)': "0",  # cut to 32 bits, as every coordinate
        'b:pixel(0, -1, 1)': "nothing",
        'b:pixel(4, 2, 1)': "nothing",
        'buffer(8):pixel(0, 0)': "nothing",
        'buffer(8):drawLine(0, 0, 1, 1)': "nothing",
        'buffer(8):drawRect(0, 0, 1, 1)': "nothing",
        'buffer(8):drawCircle(0, 0, 1)': "nothing",
        'hex(b:toStr())': "00" * 12,
        'b:pixel(0)': "raises: number expected, got no value",
        'b:pixel("x", 0)': "raises: number expected, got string",
        'b:pixel(0, 0, "red")': "0",
    }, 'local b = zbuff.create({ 4, 3, 8 })')


def test_a_frame_goes_when_its_bytes_do(verify):
    """resize() and free() leave a frame only where it still fits."""
    verify({
        'b:resize(7), b:pixel(1, 1, 5), b:pixel(1, 1)': "nil true 5",
        'b:resize(4), b:pixel(1, 1)': "nil 5",
        'b:resize(3), b:pixel(0, 0)': "nil",
        'b:resize(4), b:pixel(0, 0)': "nil",
    }, 'local b = zbuff.create({ 2, 2, 8 })')


def test_lines_end_before_their_last_point(verify):
    """As LuatOS draws them; a line of one point is none. The color is 0 by default."""
    verify({
        'drawn(5, 3, "drawLine", 0, 1, 4, 1, 7)': "true ..... 7777. .....",
        'drawn(5, 3, "drawLine", 4, 1, 0, 1, 7)': "true ..... .7777 .....",
        'drawn(3, 3, "drawLine", 1, 0, 1, 2, 7)': "true .7. .7. ...",
        'drawn(4, 4, "drawLine", 0, 0, 4, 4, 7)': "true 7... .7.. ..7. ...7",
        'drawn(4, 4, "drawLine", 3, 3, -1, -1, 7)': "true 7... .7.. ..7. ...7",
        'drawn(8, 4, "drawLine", 0, 0, 7, 3, 1)': "true 11...... ..11.... ....11.. ......1.",
        'drawn(3, 3, "drawLine", 1, 1, 1, 1, 7)': "true ... ... ...",
        'drawn(3, 1, "drawLine", 0, 0, 3, 0)': "true ...",
        'zbuff.create({ 1, 1, 8 }):drawLine(0, 0, 1)': "raises: number expected, got no value",
        'zbuff.create({ 1, 1, 8 }):drawLine(0, 0, 1, "x")': "raises: number expected, got string",
    }, FRAME)


def test_lines_are_clipped_to_the_frame(verify):
    """However far away their ends are, drawing takes no longer than the frame is wide."""
    verify({
        'drawn(4, 4, "drawLine", -100, -100, 100, 100, 7)': "true 7... .7.. ..7. ...7",
        'drawn(4, 4, "drawLine", -2147483648, -2147483648, 2147483647, 2147483647, 7)':
            "true 7... .7.. ..7. ...7",
        'drawn(4, 4, "drawLine", 2147483647, 1, -2147483648, 1, 7)': "true .... 7777 .... ....",
        'drawn(4, 4, "drawLine", 2, -2147483648, 2, 2147483647, 7)': "true ..7. ..7. ..7. ..7.",
        'drawn(4, 4, "drawLine", -5, 0, -1, 3, 7)': "true .... .... .... ....",
        'drawn(4, 4, "drawLine", 0, 4, 3, 9, 7)': "true .... .... .... ....",
        'same_as_step_by_step()': "true",
    }, FRAME + '''
        -- Bresenham's algorithm as everybody writes it.
        local function by_steps(b, x1, y1, x2, y2)
            local dx, dy = math.abs(x2 - x1), math.abs(y2 - y1)
            local long, short = math.max(dx, dy), math.min(dx, dy)
            local e, x, y = 2 * short - long, x1, y1
            local sx, sy = x2 >= x1 and 1 or -1, y2 >= y1 and 1 or -1
            for _ = 1, long do
                b:pixel(x, y, 7)
                if e >= 0 then
                    e = e - 2 * long
                    if dy > dx then x = x + sx else y = y + sy end
                end
                e = e + 2 * short
                if dy > dx then y = y + sy else x = x + sx end
            end
        end
        function same_as_step_by_step()
            local ends = { { -7, -3 }, { 2, 1 }, { 9, 4 }, { 0, 5 }, { 5, 0 }, { 6, -9 }, { 13, 20 } }
            for _, from in ipairs(ends) do
                for _, to in ipairs(ends) do
                    local a, b = zbuff.create({ 9, 6, 4 }), zbuff.create({ 9, 6, 4 })
                    a:drawLine(from[1], from[2], to[1], to[2], 7)
                    by_steps(b, from[1], from[2], to[1], to[2])
                    if a:toStr() ~= b:toStr() then
                        return false, from[1], from[2], to[1], to[2]
                    end
                end
            end
            return true
        end
    ''')


def test_rectangles_have_their_corners_in_the_frame(verify):
    """Corners in any order; those outside are moved to its edge; filled when the last argument is
    true."""
    verify({
        'drawn(5, 4, "drawRect", 1, 1, 3, 3, 7)': "true ..... .777. .7.7. .777.",
        'drawn(5, 4, "drawRect", 3, 3, 1, 1, 7, false)': "true ..... .777. .7.7. .777.",
        'drawn(5, 4, "drawRect", 1, 1, 3, 3, 7, true)': "true ..... .777. .777. .777.",
        'drawn(5, 4, "drawRect", 2, 2, 2, 2, 7)': "true ..... ..... ..7.. .....",
        'drawn(5, 4, "drawRect", -5, 2, 1, 99, 7, true)': "true ..... ..... 77... 77...",
        'drawn(5, 4, "drawRect", -2147483648, -2147483648, 2147483647, 2147483647, 7)':
            "true 77777 7...7 7...7 77777",
        'drawn(5, 4, "drawRect", 9, 9, 9, 9, 7)': "true ..... ..... ..... ....7",
        'drawn(5, 4, "drawRect", 0, 0, 1, 1)': "true ..... ..... ..... .....",
        'zbuff.create({ 1, 1, 8 }):drawRect(0, 0, 1)': "raises: number expected, got no value",
    }, FRAME)


def test_circles_are_drawn_around_their_center(verify):
    """Outline, or filled when the last argument is true. A circle wholly outside gives nothing."""
    verify({
        'drawn(7, 7, "drawCircle", 3, 3, 3, 5)':
            "true ..555.. .5...5. 5.....5 5.....5 5.....5 .5...5. ..555..",
        'drawn(7, 7, "drawCircle", 3, 3, 3, 5, true)':
            "true ..555.. .55555. 5555555 5555555 5555555 .55555. ..555..",
        'drawn(3, 3, "drawCircle", 1, 1, 1, 5)': "true .5. 5.5 .5.",
        'drawn(3, 3, "drawCircle", 1, 1, 1, 5, true)': "true .5. 555 .5.",
        'drawn(3, 3, "drawCircle", 1, 1, 0, 5)': "true ... .5. ...",
        'drawn(3, 3, "drawCircle", 1, 1, -5, 5)': "nil ... ... ...",
        'drawn(4, 4, "drawCircle", 0, 0, 3, 5)': "true ...5 ...5 ..5. 55..",
        'drawn(4, 4, "drawCircle", 0, 0, 3, 5, true)': "true 5555 5555 555. 55..",
        'zbuff.create({ 4, 4, 4 }):drawCircle(10, 0, 3)': "nothing",
        'zbuff.create({ 4, 4, 4 }):drawCircle(0, -4, 3)': "nothing",
        'zbuff.create({ 4, 4, 4 }):drawCircle(0, 0)': "raises: number expected, got no value",
    }, FRAME)


def test_huge_circles_take_no_longer_than_the_frame_is_large(verify):
    """What lies in the frame is drawn, and only that is computed."""
    verify({
        'drawn(4, 4, "drawCircle", 1, 2147483647, 2147483645, 5)': "true .... .... 5555 ....",
        'drawn(4, 4, "drawCircle", -2147483648, 1, 2147483647, 5)': "nil .... .... .... ....",
        'drawn(4, 4, "drawCircle", 0, 0, 2147483647, 5)': "true .... .... .... ....",
        'drawn(4, 4, "drawCircle", 0, 0, 2147483647, 5, true)': "true 5555 5555 5555 5555",
        'drawn(4, 4, "drawCircle", 0, 0, -2147483648, 5, true)': "nil .... .... .... ....",
        'same_as_step_by_step()': "true",
    }, FRAME + '''
        local function by_steps(b, xc, yc, r, filled)
            local x, y, d = 0, r, 3 - 2 * r
            local function eight(x, y)
                for _, p in ipairs({ { x, y }, { y, x } }) do
                    for _, s in ipairs({ { 1, 1 }, { 1, -1 }, { -1, 1 }, { -1, -1 } }) do
                        b:pixel(xc + s[1] * p[1], yc + s[2] * p[2], 5)
                    end
                end
            end
            while x <= y do
                for i = filled and x or y, y do eight(x, i) end
                if d < 0 then
                    d = d + 4 * x + 6
                else
                    d = d + 4 * (x - y) + 10
                    y = y - 1
                end
                x = x + 1
            end
        end
        function same_as_step_by_step()
            for r = 0, 25 do
                for _, filled in ipairs({ false, true }) do
                    local a, b = zbuff.create({ 20, 15, 4 }), zbuff.create({ 20, 15, 4 })
                    a:drawCircle(8, 5, r, 5, filled)
                    by_steps(b, 8, 5, r, filled)
                    if a:toStr() ~= b:toStr() then
                        return false, r, filled
                    end
                end
            end
            return true
        end
    ''')


def test_the_largest_frame_is_drawn_to_its_last_pixel(emu):
    """2^30 pixels of one bit."""
    check(emu, {
        'b:pixel(32767, 32767), b:pixel(0, 0)': "1 1",
        'b:drawRect(0, 0, 32767, 32767, 0, true), b:pixel(32767, 32767)': "true 0",
        'b:drawCircle(16384, 16384, 40000, 1, true), b:pixel(32767, 32767), b:pixel(0, 0)': "true 1 1",
        'b:drawLine(0, 0, 32768, 32768, 0), b:pixel(32767, 32767), b:pixel(32767, 0)': "true 0 1",
    }, before='local b = zbuff.create({ 32768, 32768, 1 }, 1)\n')
