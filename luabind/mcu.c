#include <inttypes.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "emu/device.h"
#include "emu/rng.h"
#include "emu/util.h"
#include "luabind/lib.h"
#include "luabind/vm.h"

#define US_PER_MS      1000
#define TICKS_HZ       1000
#define TICKS_PER_US   1 /* of tick64 */
#define TICK64_SIZE    8
#define TICK64_BIT64   9 /* with the type byte of the bit64 library */
#define TICKS2_PART    1000000
#define X32_DIGITS_MAX 8
#define CLOCK_MHZ      240 /* at boot */
#define ID_SALT        UINT64_C(0x4c7561744f536964)

static const char clock_key; /* its address is the registry's key of the CPU clock */

static uint64_t uptime_us(lua_State *L)
{
    struct vclock *clk = &vm_of(L)->config.device->clock;

    vclock_refresh(clk); /* a script that waits in a loop of its own sees time pass */
    return clk->now_us;
}

static int mcu_ticks(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)(uptime_us(L) / US_PER_MS));
    return 1;
}

static int mcu_hz(lua_State *L)
{
    lua_pushinteger(L, TICKS_HZ);
    return 1;
}

static int mcu_ticks2(lua_State *L)
{
    static const uint64_t unit_us[] = { 1, US_PER_MS, (uint64_t)US_PER_MS * 1000 };
    lua_Integer mode = luaL_optinteger(L, 1, 0);
    uint64_t ticks;

    if (mode < 0 || mode >= ARRAY_LEN(unit_us)) {
        warn_script(L,
                    "mcu.ticks2: there is no mode %lld: 0 is microseconds, 1 milliseconds, "
                    "2 seconds",
                    (long long)mode);
        return 0;
    }
    ticks = uptime_us(L) / unit_us[mode];
    lua_pushinteger(L, (lua_Integer)(ticks / TICKS2_PART));
    lua_pushinteger(L, (lua_Integer)(ticks % TICKS2_PART));
    return 2;
}

/* There is no bit64 library here, so mcu.tick64(true) has no type byte to add. */
static int mcu_tick64(lua_State *L)
{
    uint64_t ticks = uptime_us(L) * TICKS_PER_US;

    lua_pushlstring(L, (const char *)&ticks, TICK64_SIZE);
    lua_pushinteger(L, TICKS_PER_US);
    return 2;
}

static uint64_t check_tick64(lua_State *L, int arg)
{
    size_t len;
    const char *bytes = luaL_checklstring(L, arg, &len);
    uint64_t ticks = 0;

    if (len != TICK64_SIZE && len != TICK64_BIT64) {
        warn_script(L, "mcu.dtick64: argument %d has %zu bytes, not the %d of mcu.tick64", arg, len,
                    TICK64_SIZE);
    }
    memcpy(&ticks, bytes, len < TICK64_SIZE ? len : TICK64_SIZE);
    return ticks;
}

static int mcu_dtick64(lua_State *L)
{
    uint64_t later = check_tick64(L, 1), earlier = check_tick64(L, 2);
    lua_Integer reference = luaL_optinteger(L, 3, 0);
    lua_Integer difference = (lua_Integer)(later - earlier);

    lua_pushboolean(L, difference >= reference);
    lua_pushinteger(L, difference);
    return 2;
}

/* Eight bytes that follow from the device's seed: --seed keeps them, two runs without it differ. */
static int mcu_unique_id(lua_State *L)
{
    struct rng rng;
    uint64_t id;

    rng_init(&rng, vm_of(L)->config.device->seed ^ ID_SALT);
    id = rng_next(&rng);
    lua_pushlstring(L, (const char *)&id, sizeof(id));
    return 1;
}

/* The number under which the maker knows the chip: none has been given to this one. */
static int mcu_muid(lua_State *L)
{
    lua_pushliteral(L, "");
    return 1;
}

static int mcu_x32(lua_State *L)
{
    uint32_t value = (uint32_t)luaL_checkinteger(L, 1);
    lua_Integer digits = luaL_optinteger(L, 2, 0);
    char text[2 + X32_DIGITS_MAX + 1];

    if (digits < 0 || digits > X32_DIGITS_MAX)
        digits = digits < 0 ? 0 : X32_DIGITS_MAX;
    (void)snprintf(text, sizeof(text), "0x%0*" PRIx32, (int)digits, value);
    lua_pushstring(L, text);
    return 1;
}

static int mcu_get_clk(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &clock_key) == LUA_TNIL)
        lua_pushinteger(L, CLOCK_MHZ);
    return 1;
}

static int mcu_set_clk(lua_State *L)
{
    static const lua_Integer steps[] = { 2, 40, 80, 160, 240 }; /* of an Air101 */
    lua_Integer mhz = luaL_checkinteger(L, 1);

    for (int i = 0; i < ARRAY_LEN(steps); i++) {
        if (mhz != steps[i])
            continue;
        lua_pushinteger(L, mhz);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &clock_key);
        lua_pushboolean(L, true);
        return 1;
    }
    warn_script(L,
                "mcu.setClk(%lld): modules that can change their clock know 2, 40, 80, 160 and "
                "240 MHz",
                (long long)mhz);
    lua_pushboolean(L, false);
    return 1;
}

/* ---- what would need the hardware ---------------------------------------------------------- */

struct stand_in {
    const char *name;
    int first, last; /* arguments that are integers or left out */
    const char *what;
};

static const struct stand_in stand_ins[] = {
    { "hardfault", 1, 1, "a script cannot crash the emulator's CPU" },
    { "iomux", 1, 3, "there are no pins" },
    { "altfun", 1, 4, "there are no pins" },
    { "setXTAL", 3, 3, "there is no oscillator" },
    { "XTALRefOutput", 1, 0, "there is no oscillator" },
};

/* Upvalues: the row of stand_ins, and whether that it is one has been said. */
static int stand_in(lua_State *L)
{
    const struct stand_in *row = &stand_ins[lua_tointeger(L, lua_upvalueindex(1))];

    for (int arg = row->first; arg <= row->last; arg++)
        (void)luaL_optinteger(L, arg, 0);
    if (!lua_toboolean(L, lua_upvalueindex(2)))
        warn_script(L, "mcu.%s does nothing here: %s", row->name, row->what);
    lua_pushboolean(L, true);
    lua_replace(L, lua_upvalueindex(2));
    return 0;
}

static int mcu_reg32(lua_State *L)
{
    (void)luaL_checkinteger(L, 1);
    warn_script(L, "mcu.reg32 is 0 whatever is written: there are no registers");
    lua_pushinteger(L, 0);
    return 1;
}

static void set_stand_ins(lua_State *L)
{
    for (int i = 0; i < ARRAY_LEN(stand_ins); i++) {
        lua_pushinteger(L, i);
        lua_pushboolean(L, false);
        lua_pushcclosure(L, stand_in, 2);
        lua_setfield(L, -2, stand_ins[i].name);
    }
}

int luaopen_mcu(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "ticks", mcu_ticks },    { "hz", mcu_hz },           { "ticks2", mcu_ticks2 },
        { "tick64", mcu_tick64 },  { "dtick64", mcu_dtick64 }, { "unique_id", mcu_unique_id },
        { "muid", mcu_muid },      { "x32", mcu_x32 },         { "getClk", mcu_get_clk },
        { "setClk", mcu_set_clk }, { "reg32", mcu_reg32 },     { NULL, NULL },
    };
    /* luat_mcu.h; the last two are later than its public copy */
    static const struct constant constants[] = {
        { "UART", 0 },   { "I2C", 1 },      { "SPI", 2 },       { "PWM", 3 },  { "CAN", 4 },
        { "GPIO", 5 },   { "I2S", 6 },      { "SDIO", 7 },      { "LCD", 8 },  { "CAM", 9 },
        { "CAMERA", 9 }, { "ONEWIRE", 10 }, { "KEYBORAD", 11 }, { "ETH", 12 },
    };

    luaL_newlib(L, functions);
    set_stand_ins(L);
    set_constants(L, constants, ARRAY_LEN(constants));
    return 1;
}
