"""json: what LuatOS's json library, a lua-cjson, writes and reads."""

import re

from expressions import check, check_warned

DEPTH_MAX = 1000


# ---- encode ---------------------------------------------------------------------------------------

def test_encode_writes_scalars_as_they_are(emu):
    """json.encode(obj) gives the text alone; nil itself is "" and not "null"."""
    check(emu, {
        'json.encode("a")': '"a"',
        'json.encode(12)': "12",
        'json.encode(-9007199254740993)': "-9007199254740993",
        'json.encode(true)': "true",
        'json.encode(false)': "false",
        'json.encode(json.null)': "null",
        'json.encode(nil)': "",
    })


def test_encode_tells_arrays_from_objects_by_their_keys(emu):
    """Keys 1, 2, 3 and so on make an array; any other key, and no key, make an object."""
    check(emu, {
        'json.encode({})': "{}",
        'json.encode({ 1, "b", true })': '[1,"b",true]',
        'json.encode({ [2] = 2, [1] = 1 })': "[1,2]",
        'json.encode({ [1.0] = "x" })': '["x"]',
        'json.encode({ a = 1 })': '{"a":1}',
        'json.encode({ [0] = 1 })': '{"0":1}',
        'json.encode({ [-1] = 1 })': '{"-1":1}',
        'json.encode({ [1.5] = 1 })': '{"1.5000000":1}',
        'json.decode(json.encode({ 7, x = 8 }))["1"]': "7",
        'json.encode({ a = {}, })': '{"a":{}}',
        'json.encode({ { { 1 } } })': "[[[1]]]",
        # metamethods are not asked
        'json.encode(setmetatable({ 1 }, { __index = { 1, 2, 3 }, __len = function() return 9 end }))':
            "[1]",
    })


def test_encode_fills_holes_but_not_deserts(emu):
    """A hole is null. Beyond 10 places an array that is not half full is an error."""
    check(emu, {
        'json.encode({ 1, nil, 3 })': "[1,null,3]",
        'json.encode({ [10] = 1 })': "[" + "null," * 9 + "1]",
        'json.encode({ [11] = 1 })': re.compile("^nil json.encode: an array of 11 places"),
        'json.encode({ 1, 2, 3, 4, 5, [11] = 1 })': "[1,2,3,4,5,null,null,null,null,null,1]",
        'json.encode({ 1, 2, 3, 4, 5, [12] = 1 })': "[1,2,3,4,5,null,null,null,null,null,null,1]",
        'json.encode({ 1, 2, 3, 4, 5, [13] = 1 })': re.compile("^nil json.encode: an array of 13"),
        'json.encode({ [math.maxinteger] = 1 })': re.compile("^nil json.encode: an array of 9223"),
        'json.encode({ a = { [99] = 1 } })': re.compile("^nil json.encode: an array of 99 places"),
    })


def test_encode_formats_floats_as_told(emu):
    """json.encode(obj, t): "7f" by default, 0 to 14 digits, f or g; zero has no digits."""
    check(emu, {
        'json.encode(1.5)': "1.5000000",
        'json.encode(3.0)': "3.0000000",
        'json.encode({ 0.1, 2 })': "[0.1000000,2]",
        'json.encode(0.0)': "0",
        'json.encode(-0.0)': "0",
        'json.encode(1e-17)': "0",
        'json.encode(math.pi, "0f")': "3",
        'json.encode(math.pi, "3f")': "3.142",
        'json.encode(math.pi, "%.3f")': "3.142",
        'json.encode(math.pi, "14f")': "3.14159265358979",
        'json.encode(1234567.5, "3g")': "1.23e+06",
        'json.encode(0.5, "7g")': "0.5",
        'json.encode(1e300, "1f") == string.format("%.1f", 1e300)': "true",
        'json.encode(-1e308, "14f") == string.format("%.13f", -1e308) .. "0"': "true",
    })


def test_encode_does_not_trust_its_format(emu):
    """What is no format of a float is told and leaves "7f"; it never reaches printf."""
    done = check(emu, {f'json.encode(1.5, "{fmt}")': "1.5000000"
                       for fmt in ("%s", "%n%n%f", "15f", "f", "", "3e", "3ff", "%5d", "-3f", "99999999999g")})
    assert len(done.warnings) == 10
    assert all("is no format of floats" in warning for warning in done.warnings)


def test_encode_escapes_what_strings_may_not_hold(emu):
    """Control characters, the quote and the backslash; a slash stays, other bytes are not looked at."""
    check(emu, {
        r'json.encode("\"\\/\b\f\n\r\t")': r'"\"\\/\b\f\n\r\t"',
        r'json.encode("\0\1\31\127")': r'"\u0000\u0001\u001f\u007f"',
        r'json.encode("\xc3\xa9\xff\x80"):toHex()': "22C3A9FF8022 12",
        r'json.encode({ ["a\nb"] = 1 })': r'{"a\nb":1}',
        'json.encode(("x"):rep(100000)) == \'"\' .. ("x"):rep(100000) .. \'"\'': "true",
    })


def test_encode_refuses_what_json_has_not(emu):
    """The result is nil and a reason; nothing is raised."""
    check(emu, {
        'json.encode(print)': "nil json.encode: a function can't be encoded",
        'json.encode({ { io.stdout } })': "nil json.encode: a userdata can't be encoded",
        'json.encode(coroutine.create(print))': "nil json.encode: a thread can't be encoded",
        'json.encode({ [true] = 1 })': "nil json.encode: a boolean can't be a key",
        'json.encode({ [{}] = 1 })': "nil json.encode: a table can't be a key",
        'json.encode(0/0)': "nil json.encode: JSON has no NaN and no infinity",
        'json.encode({ math.huge })': "nil json.encode: JSON has no NaN and no infinity",
        'json.encode({ [-math.huge] = 1 })': "nil json.encode: JSON has no NaN and no infinity",
        'json.encode()': "nil json.encode: there is nothing to encode",
    })


def test_encode_stops_at_a_thousand_tables_in_each_other(emu):
    """A table that contains itself ends there too."""
    check(emu, {
        f'#json.encode(nest({DEPTH_MAX}))': str(2 * DEPTH_MAX),
        f'json.encode(nest({DEPTH_MAX + 1}))': "nil json.encode: more than 1000 tables in each other",
        'json.encode(ring)': "nil json.encode: more than 1000 tables in each other",
        'json.encode({ ring, ring })': "nil json.encode: more than 1000 tables in each other",
    }, before='''
local function nest(n)
    local t = {}
    for _ = 2, n do t = { t } end
    return t
end
local ring = {}
ring[1], ring[2] = ring, ring
''')


def test_encode_in_no_memory_is_an_error_of_that_call(emu):
    """A module's json.encode gives nil when memory is out."""
    done = emu.run("json/text-that-no-memory-holds", "--set", "lua_heap=4194304")
    assert done.code == 0, done
    assert done.texts("encode") == ["nil not enough memory"]
    assert done.texts("decode") == ["nil false not enough memory"]
    assert done.texts("after") == ['{"alive":true}']


def test_encode_survives_what_finalizers_do_to_its_table(emu):
    """Allocating the text may collect garbage, and so run the script's own code."""
    done = emu.run("json/finalizers-change-what-is-encoded")
    assert done.code == 0, done
    assert done.texts("finalizers") == ["true"]
    assert done.texts("answers") == ["30"]


# ---- decode ---------------------------------------------------------------------------------------

def test_decode_gives_the_value_and_1(emu):
    """json.decode(str) -> obj, 1."""
    check(emu, {
        'json.decode("true")': "true 1",
        'json.decode("false")': "false 1",
        'json.decode("null") == json.null': "true",
        'type(json.null)': "userdata",
        r'json.decode(" \t\r\n 12 \n")': "12 1",
        '''json.decode('"a"')''': "a 1",
        '''json.decode('{"a":{"b":[1,2,{"c":"d"}]}}').a.b[3].c''': "d",
        '''next((json.decode('{}')))''': "nil",
        '#json.decode("[]")': "0",
        '#json.decode("[1, null, 3]")': "3",
        'json.decode("[1, null, 3]")[2] == json.null': "true",
        '''json.decode('{"a":1,"a":2}').a''': "2",
        '''json.decode('{"":5}')[""]''': "5",
        '''json.decode('{"1":5}')["1"]''': "5",
        'json.decode(12.5)': "12.5 1",
    })


def test_decode_keeps_integers_integers(emu):
    """A number with a fraction is a float, one without is an integer; "-0" is a float."""
    done = check(emu, {
        'math.type(json.decode("12"))': "integer",
        'math.type(json.decode("12.0"))': "float",
        'json.decode("[0, -1, 9007199254740993, -9223372036854775808]")[3]': "9007199254740993",
        'json.decode("-9223372036854775808") == math.mininteger': "true",
        'json.decode("9223372036854775807") == math.maxinteger': "true",
        'json.decode("1.5e3")': "1500.0 1",
        'json.decode("-2.5E-1")': "-0.25 1",
        'json.decode("1.")': "1.0 1",
        'json.decode("-.5")': "-0.5 1",
        'math.type(json.decode("-0"))': "float",
        'json.decode("1.0e999")': "inf 1",
    })
    check_warned(done)


def test_decode_cuts_integers_to_what_there_is(emu):
    """strtoll() does it on a module; a warning says so."""
    done = check(emu, {
        'json.decode("89860000000000000000") == math.maxinteger': "true",
        'json.decode("-9223372036854775809") == math.mininteger': "true",
    })
    check_warned(done, "more digits than integers hold", "more digits than integers hold")


def test_decode_tells_that_a_module_knows_no_bare_exponent(emu):
    """1e3 is JSON and a module's json.decode stops at its e; here it is a number and a warning."""
    done = check(emu, {'json.decode("[1e3, 2E0]")[1]': "1000.0"})
    check_warned(done, "an exponent and no '.'")


def test_decode_reads_escapes(emu):
    """All of JSON's, and characters beyond 16 bits as pairs; \\u0000 too."""
    check(emu, {
        r'''json.decode('"\\"\\\\\\/\\b\\f\\n\\r\\t"'):toHex()''': "225C2F080C0A0D09 16",
        r'''json.decode('"\\u0000\\u0041\\u00e9\\u20AC\\ud83d\\uDE00"'):toHex()''':
            "0041C3A9E282ACF09F9880 22",
        r'''json.decode('"a\\u0000b"') == "a\0b"''': "true",
        r'''json.decode('{"a\\u0000":1}')["a\0"]''': "1",
        r'''json.decode('"\\uffff"'):toHex()''': "EFBFBF 6",
    })


def test_decode_does_not_look_at_bytes_in_strings(emu):
    """Bytes that are no UTF-8, and control characters as they are, pass as on a module."""
    check(emu, {
        r'''json.decode('"\xff\x80\xc3"'):toHex()''': "FF80C3 6",
        r'''json.decode('"a\nb\tc"') == "a\nb\tc"''': "true",
        r'''json.decode('["\xd6\xd0\\n"]')[1]:toHex()''': "D6D00A 6",
    })


def test_decode_names_what_is_wrong_and_where(emu):
    """nil, false and a reason. The text ends at a NUL, as a C string does."""
    check(emu, {
        f"json.decode({text})": re.compile(f"^nil false json.decode: {reason}")
        for text, reason in {
            '""': "the text ends, no value at character 1$",
            '"  "': "the text ends, no value at character 3$",
            '"nul"': "no value at character 1$",
            '"True"': "no value at character 1$",
            '"[1,]"': "no value at character 4$",
            '"[1"': "neither ',' nor ']' after a value at character 3$",
            '"[1 2]"': "neither ',' nor ']' after a value at character 4$",
            "'{\"a\":1,}'": "no key at character 8$",
            "'{\"a\" 1}'": "no ':' after a key at character 6$",
            "'{\"a\":1'": "neither ',' nor '}' after a value at character 7$",
            '"{1:2}"': "no key at character 2$",
            "'\"abc'": "a string without end at character 5$",
            r"""'"abc\\'""": "an unknown escape at character 6$",
            r"""'"\\x"'""": "an unknown escape at character 3$",
            r"""'"\\u12g4"'""": r"\\u without four hexadecimal digits at character 6$",
            r"""'"\\u12'""": r"\\u without four hexadecimal digits at character 6$",
            r"""'"\\ud83d"'""": "half of a surrogate pair at character 8$",
            r"""'"\\ud83d\\u0041"'""": "half of a surrogate pair at character 14$",
            r"""'"\\ude00"'""": "half of a surrogate pair at character 8$",
            '"01"': "an invalid number at character 1$",
            '"-01"': "an invalid number at character 1$",
            '"0x10"': "an invalid number at character 1$",
            '"-"': "an invalid number at character 1$",
            '"-inf"': "an invalid number at character 1$",
            '"-nan"': "an invalid number at character 1$",
            '"+1"': "no value at character 1$",
            '".5"': "no value at character 1$",
            '"NaN"': "no value at character 1$",
            '"1 2"': "something after the value at character 3$",
            '"[1]]"': "something after the value at character 4$",
            '"// c"': "no value at character 1$",
            r'"\xef\xbb\xbf1"': "no value at character 1$",
            r'"[1\0]"': "neither ',' nor ']' after a value at character 3$",
            r'''"\"a\0b\""''': "a string without end at character 3$",
            r'"[\0"': "the text is UTF-16 or UTF-32$",
            r'"\0["': "the text is UTF-16 or UTF-32$",
        }.items()
    } | {r'#json.decode("[1]\0rubbish")': "1"})


def test_decode_takes_one_string(emu):
    """Anything else gives nil, false and a reason, as a text that is wrong does."""
    check(emu, {
        'json.decode()': "nil false json.decode takes one argument, not 0",
        'json.decode("1", 2)': "nil false json.decode takes one argument, not 2",
        'json.decode(nil)': re.compile("^nil false bad argument #1 .*string expected, got nil"),
        'json.decode({})': re.compile("^nil false bad argument #1 .*string expected, got table"),
    })


def test_decode_stops_at_a_thousand_levels(emu):
    """However many more there are, and whichever they are."""
    too_many = "nil false json.decode: too many arrays and objects in each other at character "
    check(emu, {
        f'#json.decode(("["):rep({DEPTH_MAX}) .. ("]"):rep({DEPTH_MAX}))': "1",
        f'json.decode(("["):rep({DEPTH_MAX + 1}))': f"{too_many}{DEPTH_MAX + 1}",
        'json.decode(("["):rep(10000000))': f"{too_many}{DEPTH_MAX + 1}",
        '''json.decode(('{"a":['):rep(5000000))''': f"{too_many}{DEPTH_MAX // 2 * 6 + 1}",
        # a level that was left does not count
        '#json.decode("[" .. ("[],"):rep(5000) .. "[]]")': "5001",
    })


def test_decode_and_encode_are_each_others_inverse(emu):
    """What decode gives, encode writes again, byte for byte when it has no floats and one key."""
    done = emu.run("json/what-decode-gives-encode-writes", "--gc-stress")
    assert done.code == 0, done
    assert done.texts("differs") == []
    assert done.texts("compared") == ["200"]
