/* Two zbuffs and whatever a script may do with them. */
#include <assert.h>
#include <lauxlib.h>

#include "emu/fuzz/fuzz.h"
#include "emu/util.h"
#include "luabind/fuzz/fuzz_args.h"
#include "luabind/fuzz/fuzz_lua.h"
#include "luabind/lib.h"
#include "luabind/zbuff.h"

#define STEPS_MAX 64
#define ARGS_MAX  6
#define BUFFS     2 /* at the stack indices 1 and 2 */
#define LEN_MAX   (1024 * 1024)

static const char *const methods[] = {
    "write",
    "read",
    "clear",
    "seek",
    "pack",
    "unpack",
    "get",
    "toStr",
    "len",
    "free",
    "copy",
    "set",
    "query",
    "del",
    "resize",
    "used",
    "isEqual",
    "toBase64",
    "setFrameBuffer",
    "pixel",
    "drawLine",
    "drawRect",
    "drawCircle",
    "readI8",
    "readU16",
    "readI32",
    "readU64",
    "readF32",
    "readF64",
    "writeI8",
    "writeU16",
    "writeI32",
    "writeU64",
    "writeF32",
    "writeF64",
    "create",
    "index",
    "newindex",
};

static void check_buff(lua_State *L, int index)
{
    const struct zbuff *buff = zbuff_check(L, index);

    assert(buff->used <= buff->len);
    assert(buff->data || !buff->len);
    for (size_t i = 0; i < buff->len; i += 64) /* all of it is there */
        (void)*(volatile uint8_t *)&buff->data[i];
}

/* b[i] and b[i] = n, as a function of b, i and n. */
static int get_index(lua_State *L)
{
    lua_settop(L, 2);
    lua_gettable(L, 1);
    return 1;
}

static int set_index(lua_State *L)
{
    lua_settop(L, 3);
    lua_settable(L, 1);
    return 0;
}

static void push_method(lua_State *L, const char *name, int buff)
{
    switch (name[0]) {
    case 'i':
        if (name[1] == 's')
            break;
        lua_pushcfunction(L, get_index);
        return;
    case 'n':
        lua_pushcfunction(L, set_index);
        return;
    default:
        break;
    }
    if (lua_getfield(L, buff, name) != LUA_TNIL)
        return;
    lua_pop(L, 1);
    lua_getglobal(L, "zbuff");
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
}

static void step(struct fuzz_lua *fuzz, struct reader *in)
{
    const char *name = methods[reader_u8(in) % ARRAY_LEN(methods)];
    uint8_t byte = reader_u8(in);
    int buff = 1 + (byte & 1), args = (byte >> 1) % (ARGS_MAX + 1);
    bool is_create = name[0] == 'c' && name[1] == 'r';
    lua_State *L = fuzz->L;

    push_method(L, name, buff);
    if (!is_create)
        lua_pushvalue(L, buff);
    for (int i = 0; i < args; i++)
        fuzz_push_argument(L, in, BUFFS);
    if (fuzz_lua_call(fuzz, args + !is_create) && is_create && zbuff_test(L, BUFFS + 1)) {
        lua_settop(L, BUFFS + 1);
        lua_replace(L, buff);
    }
    lua_settop(L, BUFFS);
}

/* A chain of copies into itself doubles a buffer each time. */
static bool is_small(lua_State *L)
{
    return zbuff_check(L, 1)->len < LEN_MAX && zbuff_check(L, 2)->len < LEN_MAX;
}

static void create_buff(lua_State *L, size_t len)
{
    lua_getglobal(L, "zbuff");
    lua_getfield(L, -1, "create");
    lua_remove(L, -2);
    lua_pushinteger(L, (lua_Integer)len);
    lua_call(L, 1, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_lua fuzz;
    struct reader in;

    fuzz_lua_open(&fuzz, "zbuff", luaopen_zbuff);
    create_buff(fuzz.L, 16);
    create_buff(fuzz.L, 100);
    reader_init(&in, data, size);
    for (int i = 0; i < STEPS_MAX && reader_left(&in) && is_small(fuzz.L); i++) {
        step(&fuzz, &in);
        check_buff(fuzz.L, 1);
        check_buff(fuzz.L, 2);
    }
    fuzz_lua_close(&fuzz);
    return 0;
}
