/*
 * pin: pins by the names on an Air105's package, "PA12". LuatOS luat_lib_pin.c. And pins, which gives
 * an EC718's package pins their functions (luat_lib_pins.c): all of them are there already.
 */
#include <ctype.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "luabind/lib.h"
#include "luabind/stand_in.h"

#define ZONE_PINS 16
#define ZONES     6 /* PA to PF */

/* The number of a name; -1: it is none. */
static lua_Integer number_of(const char *name)
{
    char *end;
    long index;
    int zone;

    if (toupper((unsigned char)name[0]) != 'P' || !isdigit((unsigned char)name[2]))
        return -1;
    zone = toupper((unsigned char)name[1]) - 'A';
    index = strtol(name + 2, &end, 10);
    if (zone < 0 || zone >= ZONES || *end || index >= ZONE_PINS)
        return -1;
    return zone * ZONE_PINS + index;
}

static int push_number(lua_State *L, int arg)
{
    const char *name = luaL_checkstring(L, arg);
    lua_Integer number = strlen(name) < 3 ? -1 : number_of(name);

    if (number < 0) {
        firmware_log(L, LOG_LEVEL_WARN, "pin", "invaild pin id %s", name); /* LuatOS's spelling */
        return 0;
    }
    lua_pushinteger(L, number);
    return 1;
}

static int pin_get(lua_State *L)
{
    return push_number(L, 1);
}

/* pin.PA12 */
static int pin_index(lua_State *L)
{
    return push_number(L, 2);
}

int luaopen_pin(lua_State *L)
{
    static const luaL_Reg functions[] = { { "get", pin_get }, { NULL, NULL } };

    luaL_newlib(L, functions);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, pin_index);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    return 1;
}

/* ---- pins ---------------------------------------------------------------------------------------- */

static int pins_yes(lua_State *L)
{
    stand_in(L, STAND_IN_PINS);
    lua_pushboolean(L, true);
    return 1;
}

static int pins_debug(lua_State *L)
{
    (void)L;
    return 0;
}

int luaopen_pins(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "setup", pins_yes }, { "load", pins_yes },    { "loadjson", pins_yes },
        { "close", pins_yes }, { "debug", pins_debug }, { NULL, NULL },
    };

    luaL_newlib(L, functions);
    return 1;
}
