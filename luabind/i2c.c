/*
 * i2c: buses with nothing on them. LuatOS luat_lib_i2c.c. Nobody acknowledges an address, so that
 * sending fails and receiving gives nothing, as it does on a module.
 */
#include <lauxlib.h>

#include "emu/util.h"
#include "luabind/chip.h"
#include "luabind/lib.h"
#include "luabind/stand_in.h"
#include "luabind/zbuff.h"

#define SOFT_TYPE "EI2C*" /* scripts see this name in tostring() */
#define LEN_MAX   65536

enum speed { SPEED_SLOW, SPEED_FAST, SPEED_PLUS, SPEED_HSMODE };

/* Arguments 1 and 2: a bus, or one of pins, and an address on it. */
static void check_target(lua_State *L)
{
    stand_in(L, STAND_IN_I2C);
    if (!luaL_testudata(L, 1, SOFT_TYPE))
        (void)luaL_checkinteger(L, 1);
    (void)luaL_checkinteger(L, 2);
}

static bool is_bus(lua_State *L, int arg)
{
    lua_Integer id = luaL_checkinteger(L, arg);

    return id >= 0 && id < CHIP_I2CS;
}

static int i2c_exist(lua_State *L)
{
    lua_pushboolean(L, is_bus(L, 1));
    return 1;
}

/* setup(id, speed): 1 or 0 */
static int i2c_setup(lua_State *L)
{
    stand_in(L, STAND_IN_I2C);
    lua_pushinteger(L, luaL_testudata(L, 1, SOFT_TYPE) || is_bus(L, 1));
    (void)luaL_optinteger(L, 2, SPEED_SLOW);
    return 1;
}

static int i2c_create_soft(lua_State *L)
{
    (void)luaL_checkinteger(L, 1);
    (void)luaL_checkinteger(L, 2);
    stand_in(L, STAND_IN_I2C);
    (void)lua_newuserdatauv(L, 0, 0);
    luaL_setmetatable(L, SOFT_TYPE);
    return 1;
}

static int push_no(lua_State *L)
{
    lua_pushboolean(L, false);
    return 1;
}

/* send(bus, address, data, stop) */
static int i2c_send(lua_State *L)
{
    check_target(L);
    return push_no(L);
}

static int i2c_recv(lua_State *L)
{
    check_target(L);
    (void)luaL_checkinteger(L, 3);
    lua_pushliteral(L, "");
    return 1;
}

static int i2c_write_reg(lua_State *L)
{
    check_target(L);
    (void)luaL_checkinteger(L, 3);
    (void)luaL_checkstring(L, 4);
    return push_no(L);
}

static int i2c_read_reg(lua_State *L)
{
    check_target(L);
    (void)luaL_checkinteger(L, 3);
    (void)luaL_checkinteger(L, 4);
    lua_pushliteral(L, "");
    return 1;
}

/*
 * transfer(bus, address, data, zbuff or nil, how much to read): whether it went well, and what was
 * read: on a module that failed, whatever was in its memory. Here zeros.
 */
static int i2c_transfer(lua_State *L)
{
    lua_Integer len;
    luaL_Buffer zeros;

    check_target(L);
    len = lua_isinteger(L, 5) ? lua_tointeger(L, 5) : 0;
    (void)push_no(L);
    if (len <= 0 || zbuff_test(L, 4)) {
        lua_pushnil(L);
        return 2;
    }
    luaL_buffinit(L, &zeros);
    for (lua_Integer i = 0; i < len && i < LEN_MAX; i++)
        luaL_addchar(&zeros, '\0');
    luaL_pushresult(&zeros);
    return 2;
}

/* Without waiting: as on modules that can't. */
static int i2c_xfer(lua_State *L)
{
    check_target(L);
    (void)luaL_checkstring(L, 6);
    return push_no(L);
}

/* readDHT12(bus), readSHT30(bus): there is no such sensor. */
static int i2c_no_sensor(lua_State *L)
{
    stand_in(L, STAND_IN_I2C);
    return push_no(L);
}

static int i2c_nothing(lua_State *L)
{
    stand_in(L, STAND_IN_I2C);
    return 0;
}

int luaopen_i2c(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "exist", i2c_exist },
        { "setup", i2c_setup },
        { "createSoft", i2c_create_soft },
        { "send", i2c_send },
        { "recv", i2c_recv },
        { "transfer", i2c_transfer },
        { "writeReg", i2c_write_reg },
        { "readReg", i2c_read_reg },
        { "close", i2c_nothing },
        { "readDHT12", i2c_no_sensor },
        { "readSHT30", i2c_no_sensor },
        { "xfer", i2c_xfer },
        { "scan", i2c_nothing },
        { NULL, NULL },
    };
    static const struct constant constants[] = { { "SLOW", SPEED_SLOW },
                                                 { "FAST", SPEED_FAST },
                                                 { "PLUS", SPEED_PLUS },
                                                 { "HSMODE", SPEED_HSMODE } };

    luaL_newmetatable(L, SOFT_TYPE);
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    set_constants(L, constants, ARRAY_LEN(constants));
    return 1;
}
