/* LuatOS's additions to the string library, with any arguments. */
#include <assert.h>
#include <lauxlib.h>
#include <lualib.h>

#include "emu/fuzz/fuzz.h"
#include "emu/util.h"
#include "luabind/fuzz/fuzz_args.h"
#include "luabind/fuzz/fuzz_lua.h"
#include "luabind/lib.h"

#define STEPS_MAX 16
#define ARGS_MAX  4

static const char *const names[] = {
    "toHex",      "fromHex",   "toValue", "toBase64",   "fromBase64", "toBase32",
    "fromBase32", "urlEncode", "split",   "startsWith", "endsWith",   "trim",
};

/* Lua's own library, and ours on top of it. */
static int open_string(lua_State *L)
{
    (void)luaopen_string(L);
    return luaopen_luatos_string(L);
}

static bool call(struct fuzz_lua *fuzz, const char *name, int args)
{
    lua_getglobal(fuzz->L, "string");
    lua_getfield(fuzz->L, -1, name);
    lua_remove(fuzz->L, -2);
    lua_insert(fuzz->L, -args - 1);
    return fuzz_lua_call(fuzz, args);
}

/* What @to makes of the string at index 1, @from makes the same string of. */
static void there_and_back(struct fuzz_lua *fuzz, const char *to, const char *from)
{
    lua_State *L = fuzz->L;
    bool ok;

    lua_pushvalue(L, 1);
    ok = call(fuzz, to, 1);
    assert(ok);
    lua_settop(L, 2);
    ok = call(fuzz, from, 1);
    assert(ok);
    lua_settop(L, 2);
    assert(lua_rawequal(L, 1, 2));
    lua_settop(L, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_lua fuzz;
    struct reader in;

    fuzz_lua_open(&fuzz, "string", open_string);
    reader_init(&in, data, size);
    for (int i = 0; i < STEPS_MAX && reader_left(&in); i++) {
        const char *name = names[reader_u8(&in) % ARRAY_LEN(names)];
        int args = reader_u8(&in) % (ARGS_MAX + 1);

        lua_settop(fuzz.L, 0);
        fuzz_push_string(fuzz.L, &in);
        there_and_back(&fuzz, "toHex", "fromHex");
        there_and_back(&fuzz, "toBase64", "fromBase64");
        lua_pushvalue(fuzz.L, 1);
        for (int arg = 0; arg < args; arg++)
            fuzz_push_argument(fuzz.L, &in, 1);
        (void)call(&fuzz, name, args + 1);
    }
    fuzz_lua_close(&fuzz);
    return 0;
}
