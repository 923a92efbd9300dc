#include "luabind/fuzz/fuzz_args.h"

#include <math.h>
#include <stdint.h>

enum kind { NIL, BOOLEAN, SMALL, NEGATIVE, HUGE_INTEGER, FLOAT, STRING, VALUE, KIND_COUNT };

void fuzz_push_string(lua_State *L, struct reader *in)
{
    size_t len = reader_u8(in), left = reader_left(in);

    len = len < left ? len : left;
    lua_pushlstring(L, len ? (const char *)reader_bytes(in, len) : "", len);
}

static lua_Integer huge_integer(uint8_t which)
{
    static const lua_Integer integers[] = {
        LUA_MAXINTEGER, LUA_MININTEGER, UINT32_MAX, INT32_MAX, INT32_MIN, (lua_Integer)1 << 32,
    };

    return integers[which % (sizeof(integers) / sizeof(integers[0]))];
}

static lua_Number odd_number(uint8_t which)
{
    static const lua_Number numbers[] = { 0.5, 3.0, -1.5, 1e300, HUGE_VAL };

    return numbers[which % (sizeof(numbers) / sizeof(numbers[0]))];
}

void fuzz_push_argument(lua_State *L, struct reader *in, int values)
{
    enum kind kind = (enum kind)(reader_u8(in) % KIND_COUNT);

    switch (kind) {
    case NIL:
        lua_pushnil(L);
        break;
    case BOOLEAN:
        lua_pushboolean(L, reader_u8(in) & 1);
        break;
    case SMALL: /* not so large that memory is all that is tested */
        lua_pushinteger(L, reader_u16(in) & 0x3ff);
        break;
    case NEGATIVE:
        lua_pushinteger(L, -(lua_Integer)reader_u8(in));
        break;
    case HUGE_INTEGER:
        lua_pushinteger(L, huge_integer(reader_u8(in)));
        break;
    case FLOAT:
        lua_pushnumber(L, odd_number(reader_u8(in)));
        break;
    case STRING:
        fuzz_push_string(L, in);
        break;
    case VALUE:
    case KIND_COUNT:
        lua_pushvalue(L, 1 + reader_u8(in) % values);
        break;
    }
}
