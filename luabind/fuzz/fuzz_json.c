/* json.decode on any text; what it gives, json.encode writes, and that decodes again. */
#include <assert.h>
#include <lauxlib.h>

#include "emu/fuzz/fuzz.h"
#include "luabind/fuzz/fuzz_lua.h"
#include "luabind/lib.h"

static void push_function(lua_State *L, const char *name)
{
    lua_getglobal(L, "json");
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
}

/* The text on the stack gives way to its value; false: it is no JSON. */
static bool decode(struct fuzz_lua *fuzz)
{
    lua_State *L = fuzz->L;

    push_function(L, "decode");
    lua_insert(L, 1);
    if (!fuzz_lua_call(fuzz, 1))
        return false;
    assert(lua_gettop(L) >= 1);
    lua_settop(L, 2);
    if (lua_tointeger(L, 2) != 1) /* LuatOS: value, 1; nil, 0, reason */
        return false;
    lua_settop(L, 1);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_lua fuzz;

    fuzz_lua_open(&fuzz, "json", luaopen_json);
    lua_pushlstring(fuzz.L, (const char *)data, size);
    if (decode(&fuzz)) {
        push_function(fuzz.L, "encode");
        lua_insert(fuzz.L, 1);
        if (fuzz_lua_call(&fuzz, 1) && lua_type(fuzz.L, 1) == LUA_TSTRING) {
            bool is_nothing = lua_rawlen(fuzz.L, 1) == 0; /* what null becomes */
            bool is_json;

            lua_settop(fuzz.L, 1);
            is_json = decode(&fuzz);
            assert(is_json || is_nothing);
        }
    }
    fuzz_lua_close(&fuzz);
    return 0;
}
