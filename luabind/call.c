#include "luabind/call.h"

#include <lauxlib.h>

#include "luabind/vm.h"

static void collect_if_stressed(lua_State *L)
{
    if (vm_of(L)->config.gc_stress)
        lua_gc(L, LUA_GCCOLLECT);
}

void call_script(lua_State *L, int args)
{
    lua_call(L, args, 0);
    collect_if_stressed(L);
}

static int add_traceback(lua_State *L)
{
    if (vm_of(L)->is_stopping) /* not an error: nobody will read it */
        return 1;
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

int call_protected(lua_State *L, int args)
{
    int function = lua_gettop(L) - args;
    int rc;

    lua_pushcfunction(L, add_traceback);
    lua_insert(L, function);
    rc = lua_pcall(L, args, 0, function);
    lua_remove(L, function);
    return rc;
}
