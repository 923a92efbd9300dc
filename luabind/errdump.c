/*
 * errDump: what a module keeps of its errors. LuatOS luat_lib_errdump.c. What the script records can
 * be dumped; nothing is ever sent to LuatOS's cloud, and no crash came before this run.
 */
#include <lauxlib.h>
#include <string.h>

#include "emu/util.h"
#include "luabind/lib.h"
#include "luabind/stand_in.h"
#include "luabind/vm.h"
#include "luabind/zbuff.h"

#define RECORD_MAX     4096 /* bytes; the oldest are dropped. LuatOS ERR_DUMP_LEN_MAX */
#define PERIOD_DEFAULT 600

enum type { TYPE_SYS, TYPE_USR, TYPE_NONE };

static const char record_key; /* its address is the registry's key of what was recorded */

/* config(enable, period, user, id, host, port) */
static int errdump_config(lua_State *L)
{
    struct vm *vm = vm_of(L);

    stand_in(L, STAND_IN_ERRDUMP);
    (void)luaL_optinteger(L, 2, PERIOD_DEFAULT);
    if (!lua_isboolean(L, 1))
        return 0;
    vm->chip.errdump_is_on = lua_toboolean(L, 1);
    if (!vm->chip.errdump_is_on) {
        lua_pushnil(L);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &record_key);
    }
    return 0;
}

/* Push what was recorded. */
static const char *push_record(lua_State *L, size_t *len)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &record_key) != LUA_TSTRING) {
        lua_pop(L, 1);
        lua_pushliteral(L, "");
    }
    return lua_tolstring(L, -1, len);
}

static int errdump_record(lua_State *L)
{
    struct vm *vm = vm_of(L);
    const char *all;
    size_t len;

    stand_in(L, STAND_IN_ERRDUMP);
    if (lua_type(L, 1) != LUA_TSTRING || !lua_rawlen(L, 1) || !vm->chip.errdump_is_on)
        return 0;
    (void)push_record(L, &len);
    lua_pushvalue(L, 1);
    lua_concat(L, 2);
    all = lua_tolstring(L, -1, &len);
    if (len > RECORD_MAX)
        lua_pushlstring(L, all + len - RECORD_MAX, RECORD_MAX);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &record_key);
    vm->chip.errdump_has_news = true;
    return 0;
}

static void copy_record(lua_State *L, struct zbuff *buff)
{
    size_t len;
    const char *text = push_record(L, &len);

    if (len > buff->len && !zbuff_resize(buff, len))
        len = 0;
    if (len)
        memcpy(buff->data, text, len);
    buff->used = len;
    lua_pop(L, 1);
}

/* dump(zbuff or nil, type, delete): has something come since the last dump? */
static int errdump_dump(lua_State *L)
{
    struct vm *vm = vm_of(L);
    struct zbuff *buff = lua_isuserdata(L, 1) ? zbuff_check(L, 1) : NULL;
    lua_Integer type = luaL_optinteger(L, 2, TYPE_USR);
    bool deletes = lua_isboolean(L, 3) && lua_toboolean(L, 3);
    bool is_user = type == TYPE_USR;

    stand_in(L, STAND_IN_ERRDUMP);
    lua_pushboolean(L, type >= TYPE_NONE || (is_user && vm->chip.errdump_has_news));
    if (type >= TYPE_NONE)
        return 1;
    if (buff && is_user) {
        vm->chip.errdump_has_news = false;
        copy_record(L, buff);
    } else if (buff) {
        buff->used = 0;
    }
    if (deletes && is_user) {
        lua_pushnil(L);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &record_key);
    }
    return 1;
}

int luaopen_errdump(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "config", errdump_config },
        { "record", errdump_record },
        { "dump", errdump_dump },
        { NULL, NULL },
    };
    static const struct constant constants[] = { { "TYPE_SYS", TYPE_SYS },
                                                 { "TYPE_USR", TYPE_USR } };

    luaL_newlib(L, functions);
    set_constants(L, constants, ARRAY_LEN(constants));
    return 1;
}
