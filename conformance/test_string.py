"""string: what LuatOS adds to Lua's own (LuatOS lstrlib_exts.c and its API page)."""

import base64
import re

from expressions import check, check_warned

NOT_A_STRING = "raises: string expected, got "


def lua(data):
    """Bytes as a Lua string."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in data) + '"'


def test_every_method_wants_a_string_and_takes_a_number_for_one(emu):
    """luaL_checkstring's rule, as for Lua's own methods."""
    names = ["toHex", "fromHex", "toValue", "toBase64", "fromBase64", "toBase32", "fromBase32",
             "urlEncode", "split", "trim"]
    done = check(emu, {f"string.{name}(nil)": NOT_A_STRING + "nil" for name in names} | {
        'string.startsWith(nil, "a")': NOT_A_STRING + "nil",
        'string.startsWith("a")': NOT_A_STRING + "no value",
        'string.endsWith(nil, "a")': NOT_A_STRING + "nil",
        'string.endsWith("a", {})': NOT_A_STRING + "table",
        'string.toHex("a", {})': NOT_A_STRING + "table",
        'string.split("a", {})': NOT_A_STRING + "table",
        "string.toHex(12)": "3132 4",
        "string.trim(12)": "12",
        "string.urlEncode(12)": "12",
        "string.startsWith(12, 1)": "true",
        '#string.split(12345, ",")': "1",
        '("a"):toHex()': "61 2",
        'string.upper("a")': "A",
    })
    check_warned(done)


def test_to_hex_counts_digits_and_not_separators(emu):
    """string.toHex(str, separator) -> text, number of hexadecimal digits; it ends with a separator."""
    check(emu, {
        r'string.toHex("\1\2\3")': "010203 6",
        r'string.toHex("\0\xAB\xff")': "00ABFF 6",
        'string.toHex("")': " 0",
        'string.toHex("AB", " ")': "41 42  4",
        'string.toHex("AB", "::")': "41::42:: 4",
        'string.toHex("AB", "")': "4142 4",
    })


def test_from_hex_takes_digits_in_pairs(emu):
    """What is no digit is skipped, with the digit before it when its pair is not complete."""
    check(emu, {
        r'string.fromHex("010203") == "\1\2\3"': "true",
        r'string.fromHex("abCDef") == "\xab\xcd\xef"': "true",
        r'string.fromHex("GG11ZZ22") == "\x11\x22"': "true",
        r'string.fromHex("41 42 ") == "AB"': "true",
        r'string.fromHex("ABC") == "\xab"': "true",
        r'string.fromHex("1G23") == "\x23"': "true",
        r'string.fromHex("1\xff2\0003")': "",
        'string.fromHex("@A`1/:")': "",
        'string.fromHex("")': "",
    })


def test_to_value_gives_the_low_four_bits_of_each_digit(emu):
    """Letters count from 10: a, A and q are 10."""
    check(emu, {
        'string.toValue("123456"):toHex()': "010203040506 12",
        'string.toValue("abcABCpqz"):toHex()': "0A0B0C0A0B0C090A03 18",
        'select(2, string.toValue("1a2b"))': "4",
        'string.toValue("")': " 0",
        r'string.toValue("\x00\x01\xff"):toHex()': "000108 6",
    })


def test_base64_is_everyones(emu):
    """RFC 4648 section 4, with padding; every length of the last group."""
    texts = [b"", b"f", b"fo", b"foo", b"foob", b"\x00\xff\xfe\xfb\xef", bytes(range(256))]
    check(emu, {f"string.toBase64({lua(t)})": base64.b64encode(t).decode() for t in texts}
          | {f'string.fromBase64("{base64.b64encode(t).decode()}") == {lua(t)}': "true" for t in texts})


def test_from_base64_ignores_line_ends(emu):
    """And spaces before them; spaces elsewhere make the result empty."""
    check(emu, {
        r'string.fromBase64("SGVs\nbG8=\n")': "Hello",
        r'string.fromBase64("SGVs\r\nbG8=  ")': "Hello",
        r'string.fromBase64("SGVs  \nbG8=")': "Hello",
        r'string.fromBase64("\nSGVs")': "Hel",
        r'string.fromBase64("SGVs bG8=")': "",
        r'string.fromBase64(" SGVs")': "",
        r'string.fromBase64("SGVs\rbG8=")': "",
        r'string.fromBase64("SGVs\tbG8=")': "",
    })


def test_from_base64_of_something_else_is_empty(emu):
    """No error is raised; "=" may only end a text, twice at the most."""
    check(emu, {f"string.fromBase64({text})": "" for text in (
        '""', '"$$##"', '"SG=s"', '"SGVs===="', '"===="', '"SGVsbG8=SGVs"', '"SGVs-_=="',
        r'"SGV\0"', r'"SGV\xff"', '"\\n"')})


def test_from_base64_drops_what_is_no_whole_group(emu):
    """A module does so too: padding that was stripped costs the last bytes. A warning says it."""
    done = check(emu, {
        'string.fromBase64("SGVsbG8")': "Hel",
        'string.fromBase64("SG")': "",
        'string.fromBase64("SGVsb")': "Hel",
    })
    check_warned(done, "7 characters are no multiple of four", "2 characters", "5 characters")


def test_base32_has_no_padding(emu):
    """RFC 4648 section 6 but for the padding, which fromBase32 does not take either."""
    texts = [b"", b"f", b"fo", b"foo", b"foob", b"fooba", b"\x00\x01\x02\x03", bytes(range(256))]
    plain = {t: base64.b32encode(t).decode().rstrip("=") for t in texts}
    done = check(emu, {f"string.toBase32({lua(t)})": plain[t] for t in texts}
                 | {f'string.fromBase32("{plain[t]}") == {lua(t)}': "true" for t in texts}
                 | {'string.fromBase32("MZXW6===")': ""})
    check_warned(done, "knows no padding")


def test_from_base32_forgives_what_people_type(emu):
    """Lower case, spaces and dashes, 0 1 8 for O L B; anything else makes it empty, a NUL ends it."""
    check(emu, {
        'string.fromBase32("jbsw y3dp")': "Hello",
        r'string.fromBase32("JBSW-Y3DP\t\r\n")': "Hello",
        'string.fromBase32("0181") == string.fromBase32("OLBL")': "true",
        'string.fromBase32("!!@@##")': "",
        'string.fromBase32("JBSWY9DP")': "",
        r'string.fromBase32("JBSW\xff3DP")': "",
        r'string.fromBase32("JBSWY3DP\0!")': "Hello",
        'string.fromBase32("J")': "",
    })


def test_url_encode_has_three_modes(emu):
    """0: a space is "+", .-*_ stay; 1: RFC 3986, %20, .-_ stay; -1: as the arguments say."""
    check(emu, {
        'string.urlEncode("123 abc+/")': "123+abc%2B%2F",
        'string.urlEncode("123 abc+/", 0)': "123+abc%2B%2F",
        'string.urlEncode("123 abc+/", 1)': "123%20abc%2B%2F",
        'string.urlEncode("123 abc+/", 2)': "123+abc%2B%2F",
        'string.urlEncode("123 abc+/", -1, 1, "/")': "123%20abc%2B/",
        'string.urlEncode("123 abc+/", -1, 0, "/")': "123+abc%2B/",
        'string.urlEncode("123 abc+/", -1, 0, "/ ")': "123 abc%2B/",
        'string.urlEncode("a b", -1, 1, "")': "a%20b",
        'string.urlEncode(".-*_~")': ".-*_%7E",
        'string.urlEncode(".-*_~", 1)': ".-%2A_%7E",
        r'string.urlEncode("\0\xe4\xff")': "%00%E4%FF",
        'string.urlEncode("")': "",
        'string.urlEncode("a", nil)': "raises: number expected, got nil",
        'string.urlEncode("a", -1)': "raises: number expected, got no value",
        'string.urlEncode("a", -1, 0)': "raises: string expected, got no value",
    })


def test_split_drops_empty_pieces_unless_told(emu):
    """string.split(str, separator, keep); the separator is a text and no pattern, "," by default."""
    def pieces(arguments):
        return f'(function(t) return #t, table.concat(t, "|") end)(string.split({arguments}))'

    check(emu, {pieces(arguments): wanted for arguments, wanted in {
        '"123,456,789"': "3 123|456|789",
        '"123,456,789", ","': "3 123|456|789",
        '"192.168.1.1", "."': "4 192|168|1|1",
        '"a||b||c", "||"': "3 a|b|c",
        '"a||||b", "||"': "2 a|b",
        '"a|||b", "||"': "2 a||b",
        '"/tmp//def/1234/", "/"': "3 tmp|def|1234",
        '"/tmp//def/1234/", "/", false': "3 tmp|def|1234",
        '"/tmp//def/1234/", "/", true': "6 |tmp||def|1234|",
        '"/tmp//def/1234/", "/", 1': "3 tmp|def|1234",
        '"a,b", ",", true': "2 a|b",
        '",", ",", true': "2 |",
        '","': "0 ",
        '""': "0 ",
        '"", ",", true': "0 ",
        '"abc", ""': "1 abc",
        '"a,b", nil, true': "2 a|b",
        '"hello", "hello world"': "1 hello",
        '"ab", "ab"': "0 ",
        '"ab", "ab", true': "2 |",
        r'"a\0b\0", "\0"': "2 a|b",
    }.items()})


def test_starts_with_and_ends_with_compare_bytes(emu):
    """The empty text starts and ends every other."""
    check(emu, {
        '("hello"):startsWith("he")': "true",
        '("hello"):startsWith("hello")': "true",
        '("hello"):startsWith("lo")': "false",
        '("hello"):startsWith("hello!")': "false",
        '("hello"):startsWith("HE")': "false",
        '("hello"):startsWith("")': "true",
        '(""):startsWith("")': "true",
        '("hello"):endsWith("lo")': "true",
        '("hello"):endsWith("he")': "false",
        '("hello"):endsWith("!hello")': "false",
        '("hello"):endsWith("")': "true",
        r'("a\0b"):endsWith("\0b")': "true",
        r'("a\0b"):startsWith("a\0c")': "false",
    })


def test_trim_takes_blanks_from_both_ends(emu):
    """Spaces, tabs and line ends; string.trim(str, left, right) with booleans, true by default."""
    check(emu, {
        r'string.trim(" \t\r\n a b \t\r\n ")': "a b",
        r'#string.trim(" \r\nabc\r\n", false, true)': "6",
        r'#string.trim(" \r\nabc\r\n", true, false)': "5",
        r'#string.trim(" \r\nabc\r\n", false, false)': "8",
        r'#string.trim(" \r\nabc\r\n", 0, "false")': "3",
        r'string.trim(" \t\n ")': "",
        r'#string.trim(" \t\n ", false)': "0",
        'string.trim("")': "",
        r'string.trim("\v\fa\0 "):toHex()': "0B0C6100 8",
    })


def test_a_long_text_goes_through_every_method(emu):
    """Two hundred thousand bytes there and back again."""
    done = emu.run("string/long-text-there-and-back")
    assert done.code == 0, done
    assert done.texts("same") == ["toHex", "toBase64", "toBase32", "split", "urlEncode", "trim"]
