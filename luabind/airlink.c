/*
 * airlink: what joins two chips of a board, as one for 4G and one for Wi-Fi. There is no second
 * chip: the adapters behind it are the board's, ready like all others.
 */
#include <lauxlib.h>

#include "emu/util.h"
#include "luabind/lib.h"
#include "luabind/stand_in.h"

/* LuatOS luat_lib_airlink.c */
static const struct constant constants[] = {
    { "MODE_SPI_SLAVE", 0 },   { "MODE_SPI_MASTER", 1 },    { "MODE_UART", 2 },
    { "CONF_SPI_ID", 0x100 },  { "CONF_SPI_CS", 0x101 },    { "CONF_SPI_RDY", 0x102 },
    { "CONF_SPI_IRQ", 0x103 }, { "CONF_SPI_SPEED", 0x104 }, { "CONF_IRQ_TIMEOUT", 0x110 },
    { "CONF_UART_ID", 0x120 },
};

static int say_yes(lua_State *L)
{
    stand_in(L, STAND_IN_AIRLINK);
    lua_pushboolean(L, true);
    return 1;
}

static int say_nothing(lua_State *L)
{
    stand_in(L, STAND_IN_AIRLINK);
    return 0;
}

int luaopen_airlink(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "init", say_yes },           { "config", say_yes },    { "start", say_yes },
        { "stop", say_yes },           { "ready", say_yes },     { "irqmode", say_yes },
        { "power", say_yes },          { "pause", say_nothing }, { "debug", say_nothing },
        { "statistics", say_nothing }, { NULL, NULL },
    };

    luaL_newlib(L, functions);
    set_constants(L, constants, ARRAY_LEN(constants));
    return 1;
}
