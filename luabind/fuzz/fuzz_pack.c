/* pack.pack and pack.unpack: any format on any bytes. */
#include <assert.h>
#include <lauxlib.h>
#include <string.h>

#include "emu/fuzz/fuzz.h"
#include "luabind/fuzz/fuzz_lua.h"
#include "luabind/lib.h"

#define VALUES_MAX 64

static void push_function(lua_State *L, const char *name)
{
    lua_getglobal(L, "pack");
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
}

/* What was unpacked is packed again by the same format. */
static void pack_again(struct fuzz_lua *fuzz, const char *format, size_t format_len)
{
    lua_State *L = fuzz->L;
    int count = lua_gettop(L) - 1;

    if (count > VALUES_MAX || strspn(format, "<>=bchHiIlLdfnzpPa") != format_len)
        return; /* counts may ask for more than was there */
    push_function(L, "pack");
    lua_replace(L, 1); /* in place of the position */
    lua_pushlstring(L, format, format_len);
    lua_insert(L, 2);
    if (fuzz_lua_call(fuzz, count + 1))
        assert(lua_isstring(L, -1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t format_len = size ? data[0] : 0;
    struct fuzz_lua fuzz;
    const char *format;

    if (!size)
        return 0;
    data++;
    size--;
    format_len = format_len < size ? format_len : size;
    fuzz_lua_open(&fuzz, "pack", luaopen_pack);
    lua_pushlstring(fuzz.L, (const char *)data, format_len);
    format = lua_tostring(fuzz.L, -1);
    lua_setfield(fuzz.L, LUA_REGISTRYINDEX, "format"); /* lives on */
    push_function(fuzz.L, "unpack");
    lua_pushlstring(fuzz.L, (const char *)data + format_len, size - format_len);
    lua_pushlstring(fuzz.L, format, format_len);
    if (fuzz_lua_call(&fuzz, 2)) {
        lua_Integer pos = luaL_checkinteger(fuzz.L, 1);

        assert(pos >= 1);
        pack_again(&fuzz, format, format_len);
    }
    fuzz_lua_close(&fuzz);
    return 0;
}
