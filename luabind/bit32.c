/*
 * bit32: the library of Lua 5.2, section 6.7 of its manual, which LuatOS's Lua still has. It has five
 * functions more there, and a second name, bit: most published scripts use that.
 */
#include <lauxlib.h>
#include <math.h>

#include "luabind/lib.h"

#define BITS 32

static uint32_t check_bits(lua_State *L, int arg)
{
    lua_Number number;
    lua_Integer integer;

    if (lua_isinteger(L, arg))
        return (uint32_t)lua_tointeger(L, arg);
    number = luaL_checknumber(L, arg);
    if (!lua_numbertointeger(number, &integer))
        return 0;
    return (uint32_t)integer;
}

static int push_bits(lua_State *L, uint32_t bits)
{
    lua_pushinteger(L, bits);
    return 1;
}

static uint32_t and_all(lua_State *L)
{
    uint32_t bits = UINT32_MAX;

    for (int arg = 1; arg <= lua_gettop(L); arg++)
        bits &= check_bits(L, arg);
    return bits;
}

static int bit_band(lua_State *L)
{
    return push_bits(L, and_all(L));
}

static int bit_btest(lua_State *L)
{
    lua_pushboolean(L, and_all(L) != 0);
    return 1;
}

static int bit_bor(lua_State *L)
{
    uint32_t bits = 0;

    for (int arg = 1; arg <= lua_gettop(L); arg++)
        bits |= check_bits(L, arg);
    return push_bits(L, bits);
}

static int bit_bxor(lua_State *L)
{
    uint32_t bits = 0;

    for (int arg = 1; arg <= lua_gettop(L); arg++)
        bits ^= check_bits(L, arg);
    return push_bits(L, bits);
}

static int bit_bnot(lua_State *L)
{
    return push_bits(L, ~check_bits(L, 1));
}

/* @by > 0: to the left. */
static uint32_t shift(uint32_t bits, lua_Integer by)
{
    if (by <= -BITS || by >= BITS)
        return 0;
    return by >= 0 ? bits << by : bits >> -by;
}

static int bit_lshift(lua_State *L)
{
    return push_bits(L, shift(check_bits(L, 1), luaL_checkinteger(L, 2)));
}

static int bit_rshift(lua_State *L)
{
    lua_Integer by = luaL_checkinteger(L, 2);

    return push_bits(L, shift(check_bits(L, 1), by > BITS ? -BITS : by < -BITS ? BITS : -by));
}

static int bit_arshift(lua_State *L)
{
    uint32_t bits = check_bits(L, 1);
    lua_Integer by = luaL_checkinteger(L, 2);
    bool is_negative = bits >> (BITS - 1);

    if (by < 0 || !is_negative)
        return push_bits(L, shift(bits, by > BITS ? -BITS : by < -BITS ? BITS : -by));
    if (by >= BITS)
        return push_bits(L, UINT32_MAX);
    return push_bits(L, bits >> by | ~(UINT32_MAX >> by));
}

static int rotate(lua_State *L, lua_Integer by)
{
    uint32_t bits = check_bits(L, 1);
    unsigned left = (unsigned)by & (BITS - 1);

    return push_bits(L, left ? bits << left | bits >> (BITS - left) : bits);
}

static int bit_lrotate(lua_State *L)
{
    return rotate(L, luaL_checkinteger(L, 2));
}

static int bit_rrotate(lua_State *L)
{
    return rotate(L, (lua_Integer)(0U - (lua_Unsigned)luaL_checkinteger(L, 2)));
}

/* The field of arguments @arg and @arg + 1: its place, and its mask at the right end. */
static uint32_t check_field(lua_State *L, int arg, unsigned *at)
{
    lua_Integer field = luaL_checkinteger(L, arg);
    lua_Integer width = luaL_optinteger(L, arg + 1, 1);

    luaL_argcheck(L, field >= 0, arg, "field cannot be negative");
    luaL_argcheck(L, width > 0, arg + 1, "width must be positive");
    if (width > BITS || field > BITS - width)
        luaL_error(L, "trying to access non-existent bits");
    *at = (unsigned)field;
    return UINT32_MAX >> (BITS - width);
}

static int bit_extract(lua_State *L)
{
    uint32_t bits = check_bits(L, 1);
    unsigned at;
    uint32_t mask = check_field(L, 2, &at);

    return push_bits(L, bits >> at & mask);
}

static int bit_replace(lua_State *L)
{
    uint32_t bits = check_bits(L, 1);
    uint32_t value = check_bits(L, 2);
    unsigned at;
    uint32_t mask = check_field(L, 3, &at);

    return push_bits(L, (bits & ~(mask << at)) | (value & mask) << at);
}

/* ---- LuatOS's own (lbitlib.c): single bits of a number, counted from 0 ---------------------- */

/* A number without its fraction. */
static lua_Unsigned check_value(lua_State *L, int arg)
{
    lua_Number number;
    lua_Integer integer;

    if (lua_isinteger(L, arg))
        return (lua_Unsigned)lua_tointeger(L, arg);
    number = luaL_checknumber(L, arg);
    if (!lua_numbertointeger(trunc(number), &integer))
        return 0;
    return (lua_Unsigned)integer;
}

/* The bit of position @arg; the last, 31, is a sign, as in a module's numbers of 32 bits. */
static lua_Unsigned check_position(lua_State *L, int arg)
{
    lua_Unsigned position = check_value(L, arg);

    return position < BITS ? (lua_Unsigned)(lua_Integer)(int32_t)(1U << position) : 0;
}

static int push_value(lua_State *L, lua_Unsigned value)
{
    lua_pushinteger(L, (lua_Integer)value);
    return 1;
}

static int bit_bit(lua_State *L)
{
    return push_value(L, check_position(L, 1));
}

static int bit_set(lua_State *L)
{
    lua_Unsigned value = check_value(L, 1);

    for (int arg = 2; arg <= lua_gettop(L); arg++)
        value |= check_position(L, arg);
    return push_value(L, value);
}

static int bit_clear(lua_State *L)
{
    lua_Unsigned value = check_value(L, 1);

    for (int arg = 2; arg <= lua_gettop(L); arg++)
        value &= ~check_position(L, arg);
    return push_value(L, value);
}

static int bit_isset(lua_State *L)
{
    lua_pushboolean(L, (check_value(L, 1) & check_position(L, 2)) != 0);
    return 1;
}

static int bit_isclear(lua_State *L)
{
    lua_pushboolean(L, (check_value(L, 1) & check_position(L, 2)) == 0);
    return 1;
}

int luaopen_bit32(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "arshift", bit_arshift }, { "band", bit_band },       { "bnot", bit_bnot },
        { "bor", bit_bor },         { "btest", bit_btest },     { "bxor", bit_bxor },
        { "extract", bit_extract }, { "lrotate", bit_lrotate }, { "lshift", bit_lshift },
        { "replace", bit_replace }, { "rrotate", bit_rrotate }, { "rshift", bit_rshift },
        { "bit", bit_bit },         { "set", bit_set },         { "clear", bit_clear },
        { "isset", bit_isset },     { "isclear", bit_isclear }, { NULL, NULL },
    };

    luaL_newlib(L, functions);
    lua_pushvalue(L, -1);
    lua_setglobal(L, "bit");
    return 1;
}
