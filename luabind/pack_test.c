#include "luabind/pack.h"

#include <lauxlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "luabind/lib.h"

#include <cmocka.h>

/* A Lua state of the plainest kind, with the pack library as "pack". */
static int setup(void **state)
{
    lua_State *L = luaL_newstate();

    *state = L;
    luaL_requiref(L, "pack", luaopen_pack, 1);
    lua_settop(L, 0);
    return 0;
}

static int teardown(void **state)
{
    lua_close(*state);
    return 0;
}

/* "code" is an expression; its results are left on the stack, and nothing else. */
static void evaluate(lua_State *L, const char *code)
{
    lua_settop(L, 0);
    lua_pushfstring(L, "return %s", code);
    assert_int_equal(luaL_loadstring(L, lua_tostring(L, -1)), LUA_OK);
    lua_remove(L, 1);
    if (lua_pcall(L, 0, LUA_MULTRET, 0) != LUA_OK)
        fail_msg("%s: %s", code, lua_tostring(L, -1));
}

static void assert_raises(lua_State *L, const char *code, const char *reason)
{
    lua_settop(L, 0);
    lua_pushfstring(L, "return %s", code);
    assert_int_equal(luaL_loadstring(L, lua_tostring(L, -1)), LUA_OK);
    assert_int_not_equal(lua_pcall(L, 0, 0, 0), LUA_OK);
    assert_non_null(strstr(lua_tostring(L, -1), reason));
}

static void assert_packs(lua_State *L, const char *code, const char *bytes, size_t len)
{
    size_t packed_len;
    const char *packed;

    evaluate(L, code);
    packed = lua_tolstring(L, -1, &packed_len);
    assert_int_equal(packed_len, len);
    assert_memory_equal(packed, bytes, len);
}

/* The results as text, with commas between. */
static void assert_unpacks(lua_State *L, const char *code, const char *expected)
{
    luaL_Buffer text;
    int count;

    evaluate(L, code);
    count = lua_gettop(L);
    luaL_buffinit(L, &text);
    for (int i = 1; i <= count; i++) {
        if (i > 1)
            luaL_addchar(&text, ',');
        (void)luaL_tolstring(L, i, NULL);
        luaL_addvalue(&text);
    }
    luaL_pushresult(&text);
    assert_string_equal(lua_tostring(L, -1), expected);
}

static void a_format_is_letters_with_counts_and_byte_orders(void **state)
{
    static const struct {
        char letter;
        bool has_count, is_big;
        int count;
    } expected[] = {
        { 'H', false, true, 1 },
        { 'A', true, true, 12 },
        { 'b', true, false, 0 },
        { 'z', true, false, PACK_COUNT_MAX },
    };
    struct pack_format format = { .at = ">H ,A12<b0z99999999999999999999999" };
    struct pack_item item;

    (void)state;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        assert_true(pack_next(&format, &item));
        assert_int_equal(item.letter, expected[i].letter);
        assert_int_equal(item.has_count, expected[i].has_count);
        assert_int_equal(item.count, expected[i].count);
        assert_int_equal(format.is_big, expected[i].is_big);
    }
    assert_false(pack_next(&format, &item));
    assert_false(pack_next(&format, &item));
}

static void numbers_take_their_size_in_their_order(void **state)
{
    lua_State *L = *state;

    assert_packs(L, "pack.pack('<HI', 0x0102, 0x03040506)", "\2\1\6\5\4\3", 6);
    assert_packs(L, "pack.pack('>HI', 0x0102, 0x03040506)", "\1\2\3\4\5\6", 6);
    assert_packs(L, "pack.pack('>b2', 0x101, -1)", "\1\xff", 2); /* cut, not checked */
    assert_packs(L, "pack.pack('>d', 1.5)", "\x3f\xf8\0\0\0\0\0\0", 8);
    assert_packs(L, "pack.pack('>f', 1.5)", "\x3f\xc0\0\0", 4);
}

static void strings_have_their_length_before_or_behind_them(void **state)
{
    lua_State *L = *state;

    assert_packs(L, "pack.pack('>p', 'ab')", "\2ab", 3);
    assert_packs(L, "pack.pack('>P', 'ab')", "\0\2ab", 4);
    assert_packs(L, "pack.pack('<a', 'ab')", "\2\0\0\0ab", 6);
    assert_packs(L, "pack.pack('z', 'ab')", "ab\0", 3);
    assert_packs(L, "pack.pack('A', 'ab')", "ab", 2);
}

static void what_was_packed_is_unpacked(void **state)
{
    lua_State *L = *state;

    assert_unpacks(L, "pack.unpack(pack.pack('>bhil', -1, -2, -3, -4), '>chil')", "16,-1,-2,-3,-4");
    assert_unpacks(L, "pack.unpack(pack.pack('>HIzpd', 65535, 7, 'x', 'yz', 0.5), '>HIzpd')",
                   "20,65535,7,x,yz,0.5");
    assert_unpacks(L, "pack.unpack('\\1\\2\\3', 'b2')", "3,1,2");
    assert_unpacks(L, "pack.unpack('\\1\\2\\3', 'b', 3)", "4,3");
    assert_unpacks(L, "pack.unpack('abc', 'A2')", "3,ab");
}

static void unpacking_stops_where_the_bytes_end(void **state)
{
    lua_State *L = *state;

    assert_unpacks(L, "pack.unpack('\\1\\2\\3', '>HH')", "3,258");
    assert_unpacks(L, "pack.unpack('', 'b')", "1");
    assert_unpacks(L, "pack.unpack('', 'z')", "1");
    assert_unpacks(L, "pack.unpack('ab\\0c', 'z2147483647')",
                   "6,ab,c"); /* the last one's NUL too */
    assert_unpacks(L, "pack.unpack('\\5ab', 'p')", "1");
    assert_unpacks(L, "pack.unpack('\\255\\255\\255\\255', '<a')", "1");
    assert_unpacks(L, "pack.unpack('ab', 'A3')", "1");
    assert_unpacks(L, "pack.unpack('ab', 'b2147483647')", "3,97,98");
    assert_unpacks(L, "pack.unpack('ab', 'b', 4)", "4");
    assert_unpacks(L, "pack.unpack('ab', 'b', -1)", "1");
    assert_unpacks(L, "pack.unpack('ab', 'b', 1e300)", "1");
    assert_unpacks(L, "pack.unpack('ab', 'b', 0/0)", "1");
}

static void what_is_no_format_or_no_value_raises(void **state)
{
    lua_State *L = *state;

    assert_raises(L, "pack.pack('Y', 1)", "bad code");
    assert_raises(L, "pack.unpack('abc', 'Y')", "bad code");
    assert_raises(L, "pack.pack('b2147483647', 1)", "number expected");
    assert_raises(L, "pack.pack('b')", "number expected");
    assert_raises(L, "pack.pack('b', 1.5)", "integer");
    assert_raises(L, "pack.pack('z', {})", "string expected");
}

#define ON_LUA(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_format_is_letters_with_counts_and_byte_orders),
        ON_LUA(numbers_take_their_size_in_their_order),
        ON_LUA(strings_have_their_length_before_or_behind_them),
        ON_LUA(what_was_packed_is_unpacked),
        ON_LUA(unpacking_stops_where_the_bytes_end),
        ON_LUA(what_is_no_format_or_no_value_raises),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
