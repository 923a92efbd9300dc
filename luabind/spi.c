/*
 * spi: buses with nothing on them. LuatOS luat_lib_spi.c. Whoever reads an open bus reads ones.
 *
 * A bus is a number, an object that spi.deviceSetup returned, or one of pins, spi.createSoft's; all
 * of them end in transfer_bytes(), behind which a chip would be.
 */
#include <lauxlib.h>
#include <string.h>

#include "emu/util.h"
#include "luabind/lib.h"
#include "luabind/stand_in.h"
#include "luabind/vm.h"
#include "luabind/zbuff.h"

#define DEVICE_TYPE "SPI*" /* scripts see these names in tostring() */
#define SOFT_TYPE   "ESPI*"
#define LEN_MAX     (1 << 20) /* bytes of one transfer: more memory than a module has */
#define OPEN_BUS    0xff
#define FAILED      (-1)

/* What a transfer goes to. */
struct target {
    int bus; /* -1: made of pins */
    lua_Integer cs;
};

/* Send @len bytes at @data, and read @cap. */
static void transfer_bytes(const struct target *target, const void *data, size_t len, void *out,
                           size_t cap)
{
    (void)target;
    (void)data;
    (void)len;
    if (cap)
        memset(out, OPEN_BUS, cap);
}

/* The bus, device or pins in argument 1; false: that is no bus that is set up. */
static bool get_target(lua_State *L, struct target *target, const char *function)
{
    const struct target *object = luaL_testudata(L, 1, DEVICE_TYPE);

    stand_in(L, STAND_IN_SPI);
    if (!object)
        object = luaL_testudata(L, 1, SOFT_TYPE);
    if (object) {
        *target = *object;
        return true;
    }
    *target = (struct target){ .bus = (int)luaL_checkinteger(L, 1) };
    if (target->bus >= 0 && target->bus < CHIP_SPIS &&
        vm_of(L)->chip.spi_is_open >> target->bus & 1)
        return true;
    warn_script(L, "spi.%s: bus %lld is not set up", function, (long long)lua_tointeger(L, 1));
    return false;
}

/* What is sent, argument @arg: a text, a zbuff from its cursor on, or a table of bytes. */
static const char *data_arg(lua_State *L, int arg, size_t *len)
{
    const struct zbuff *buff = zbuff_test(L, arg);
    luaL_Buffer bytes;

    if (buff) {
        *len = buff->len - buff->used;
        return *len ? (const char *)buff->data + buff->used : "";
    }
    if (!lua_istable(L, arg))
        return luaL_checklstring(L, arg, len);
    luaL_buffinit(L, &bytes);
    *len = lua_rawlen(L, arg) < LEN_MAX ? lua_rawlen(L, arg) : LEN_MAX;
    for (size_t i = 1; i <= *len; i++) {
        char byte;

        lua_rawgeti(L, arg, (lua_Integer)i);
        byte = (char)lua_tointeger(L, -1);
        lua_pop(L, 1);
        luaL_addchar(&bytes, byte);
    }
    luaL_pushresult(&bytes);
    lua_replace(L, arg); /* which keeps it */
    return lua_tolstring(L, arg, len);
}

static bool is_length(lua_State *L, lua_Integer len, const char *function)
{
    if (len >= 0 && len <= LEN_MAX)
        return true;
    warn_script(L, "spi.%s: %lld bytes at once: a module has no memory for them", function,
                (long long)len);
    return false;
}

/* ---- buses ------------------------------------------------------------------------------------- */

/* setup(id, cs, CPHA, CPOL, width, speed, order, role, mode) */
static int spi_setup(lua_State *L)
{
    lua_Integer id = luaL_checkinteger(L, 1);
    bool is_bus = id >= 0 && id < CHIP_SPIS;

    for (int arg = 2; arg <= 9; arg++)
        (void)luaL_optinteger(L, arg, 0);
    stand_in(L, STAND_IN_SPI);
    if (is_bus) {
        vm_of(L)->chip.spi_is_open |= 1U << id;
    } else {
        warn_script(L, "spi.setup: this board has no bus %lld", (long long)id);
    }
    lua_pushinteger(L, is_bus ? 0 : FAILED);
    return 1;
}

static int push_target(lua_State *L, int bus, lua_Integer cs, const char *type)
{
    struct target *target = lua_newuserdatauv(L, sizeof(*target), 0);

    *target = (struct target){ .bus = bus, .cs = cs };
    luaL_setmetatable(L, type);
    return 1;
}

static int spi_device_setup(lua_State *L)
{
    lua_Integer id = luaL_checkinteger(L, 1), cs = luaL_optinteger(L, 2, -1);

    for (int arg = 3; arg <= 9; arg++)
        (void)luaL_optinteger(L, arg, 0);
    stand_in(L, STAND_IN_SPI);
    return push_target(L, (int)id, cs, DEVICE_TYPE);
}

/* createSoft(cs, mosi, miso, clk, ...) */
static int spi_create_soft(lua_State *L)
{
    lua_Integer cs = luaL_optinteger(L, 1, -1);

    for (int arg = 2; arg <= 4; arg++)
        (void)luaL_checkinteger(L, arg);
    stand_in(L, STAND_IN_SPI);
    return push_target(L, FAILED, cs, SOFT_TYPE);
}

static int spi_close(lua_State *L)
{
    lua_Integer id = lua_tointeger(L, 1);

    if (lua_isinteger(L, 1) && id >= 0 && id < CHIP_SPIS)
        vm_of(L)->chip.spi_is_open &= ~(1U << id);
    lua_pushinteger(L, 0);
    return 1;
}

static int spi_device_close(lua_State *L)
{
    (void)luaL_checkudata(L, 1, DEVICE_TYPE);
    lua_pushboolean(L, true);
    return 1;
}

/* ---- bytes ------------------------------------------------------------------------------------- */

static int push_received(lua_State *L, const struct target *target, const char *data, size_t len,
                         size_t cap)
{
    luaL_Buffer out;

    transfer_bytes(target, data, len, luaL_buffinitsize(L, &out, cap), cap);
    luaL_pushresultsize(&out, cap);
    return 1;
}

/* transfer(bus, data, how much of it, how much to read) */
static int spi_transfer(lua_State *L)
{
    bool is_device = luaL_testudata(L, 1, DEVICE_TYPE);
    lua_Integer limit, cap;
    struct target target;
    const char *data;
    size_t len;

    if (!get_target(L, &target, "transfer"))
        return 0;
    data = data_arg(L, 2, &len);
    limit = luaL_optinteger(L, 3, (lua_Integer)len);
    cap = luaL_optinteger(L, 4, 1);
    if (!is_length(L, cap, "transfer"))
        return 0;
    if (limit >= 0 && (size_t)limit < len)
        len = (size_t)limit;
    if (is_device ? !cap : !len) {
        lua_pushliteral(L, "");
        return 1;
    }
    return cap ? push_received(L, &target, data, len, (size_t)cap) : 0;
}

/* recv(bus, length), recv(bus, length, zbuff) */
static int spi_recv(lua_State *L)
{
    lua_Integer len = luaL_optinteger(L, 2, 1);
    struct target target;
    struct zbuff *buff;

    if (!get_target(L, &target, "recv") || len <= 0 || !is_length(L, len, "recv"))
        return 0;
    if (!lua_isuserdata(L, 3))
        return push_received(L, &target, NULL, 0, (size_t)len);
    buff = zbuff_check(L, 3);
    if ((size_t)len > buff->len - buff->used) {
        warn_script(L, "spi.recv: the zbuff has no room for %lld bytes", (long long)len);
        return 0;
    }
    transfer_bytes(&target, NULL, 0, buff->data + buff->used, (size_t)len);
    buff->used += (size_t)len;
    lua_pushinteger(L, len);
    return 1;
}

/* send(bus, data, how much of it): how much was sent; a bus of pins says 0. */
static int spi_send(lua_State *L)
{
    struct target target;
    const char *data;
    size_t len;

    if (!get_target(L, &target, "send")) {
        lua_pushinteger(L, FAILED);
        return 1;
    }
    data = data_arg(L, 2, &len);
    if (lua_isinteger(L, 3) && lua_tointeger(L, 3) >= 0 && (size_t)lua_tointeger(L, 3) < len)
        len = (size_t)lua_tointeger(L, 3);
    transfer_bytes(&target, data, len, NULL, 0);
    lua_pushinteger(L, target.bus < 0 ? 0 : (lua_Integer)len);
    return 1;
}

/* Without waiting: as on modules that can't. */
static int spi_xfer(lua_State *L)
{
    (void)luaL_checkstring(L, 5);
    stand_in(L, STAND_IN_SPI);
    lua_pushboolean(L, false);
    return 1;
}

static void make_types(lua_State *L)
{
    static const luaL_Reg methods[] = {
        { "close", spi_device_close },
        { "transfer", spi_transfer },
        { "send", spi_send },
        { "recv", spi_recv },
        { NULL, NULL },
    };

    luaL_newmetatable(L, DEVICE_TYPE);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    luaL_newmetatable(L, SOFT_TYPE);
    lua_pop(L, 2);
}

int luaopen_spi(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "setup", spi_setup },
        { "close", spi_close },
        { "transfer", spi_transfer },
        { "recv", spi_recv },
        { "send", spi_send },
        { "deviceSetup", spi_device_setup },
        { "deviceTransfer", spi_transfer },
        { "deviceSend", spi_send },
        { "createSoft", spi_create_soft },
        { "xfer", spi_xfer },
        { NULL, NULL },
    };
    static const struct constant constants[] = {
        { "MSB", 1 },   { "LSB", 0 },   { "master", 1 }, { "slave", 0 },
        { "full", 1 },  { "half", 0 },  { "SPI_0", 0 },  { "SPI_1", 1 },
        { "SPI_2", 2 }, { "SPI_3", 3 }, { "SPI_4", 4 },  { "HSPI_0", 5 },
    };

    make_types(L);
    luaL_newlib(L, functions);
    set_constants(L, constants, ARRAY_LEN(constants));
    return 1;
}
