#include <lauxlib.h>

#include "emu/device.h"
#include "luabind/lib.h"
#include "luabind/vm.h"

#define MDELAY_MAX_MS 1023
#define UDELAY_MAX_US 3000
#define US_PER_MS     1000

/* Stand still for @count units, if argument 1 is an integer from 1 to @max; else do nothing. */
static int block(lua_State *L, const char *name, lua_Integer max, uint64_t unit_us)
{
    lua_Integer count = lua_isinteger(L, 1) ? lua_tointeger(L, 1) : 0;

    if (count < 1 || count > max) {
        warn_script(L, "%s(%s) does nothing: it takes an integer from 1 to %lld", name,
                    luaL_tolstring(L, 1, NULL), (long long)max);
        return 0;
    }
    vclock_block(&vm_of(L)->config.device->clock, (uint64_t)count * unit_us);
    vm_check_stop(L);
    return 0;
}

static int timer_mdelay(lua_State *L)
{
    lua_settop(L, 1);
    return block(L, "timer.mdelay", MDELAY_MAX_MS, US_PER_MS);
}

static int timer_udelay(lua_State *L)
{
    lua_settop(L, 1);
    return block(L, "timer.udelay", UDELAY_MAX_US, 1);
}

int luaopen_timer(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "mdelay", timer_mdelay },
        { "udelay", timer_udelay },
        { NULL, NULL },
    };

    luaL_newlib(L, functions);
    return 1;
}
