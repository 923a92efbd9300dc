/* adc: voltages that the board says. LuatOS luat_lib_adc.c. */
#include <lauxlib.h>

#include "emu/board.h"
#include "emu/device.h"
#include "emu/util.h"
#include "luabind/lib.h"
#include "luabind/stand_in.h"
#include "luabind/vm.h"

#define CH_CPU    (-1)
#define CH_VBAT   (-2)
#define T1        16 /* channels of a second and a third converter */
#define T2        32
#define RANGE_MAX 14   /* LuatOS LUAT_ADC_AIO_RANGE_MAX */
#define RANGE_3_8 8    /* LuatOS LUAT_ADC_AIO_RANGE_3_8 */
#define RAW_MAX   4095 /* of 12 bits */
#define FULL_MV   3800 /* which they stand for */
#define FAILED    (-1)
#define NO_VALUE  0xff /* what adc.read gives when it fails */

static bool channel_is_there(lua_Integer channel)
{
    return channel == CH_CPU || channel == CH_VBAT || (channel >= 0 && channel < BOARD_ADCS);
}

/* Bits of chip.adc_is_open: the two that are named come first. */
static uint32_t bit_of(lua_Integer channel)
{
    return 1U << (channel - CH_VBAT);
}

/* In mV, or in thousandths of a degree. */
static lua_Integer value_of(lua_State *L, lua_Integer channel)
{
    const struct board *board = vm_of(L)->config.device->board;

    if (!board)
        return 0;
    if (channel == CH_CPU)
        return board->facts.cpu_temp_mc;
    return channel == CH_VBAT ? board->facts.vbat_mv : board->facts.adc_mv[channel];
}

static int adc_open(lua_State *L)
{
    lua_Integer channel = luaL_checkinteger(L, 1);
    bool is_there = channel_is_there(channel);

    stand_in(L, STAND_IN_ADC);
    if (is_there)
        vm_of(L)->chip.adc_is_open |= bit_of(channel);
    lua_pushboolean(L, is_there);
    return 1;
}

static bool is_open(lua_State *L, lua_Integer channel, const char *function)
{
    if (channel_is_there(channel) && vm_of(L)->chip.adc_is_open & bit_of(channel))
        return true;
    warn_script(L, "adc.%s: channel %lld is not open", function, (long long)channel);
    return false;
}

/* read(channel): the raw value, and mV. */
static int adc_read(lua_State *L)
{
    lua_Integer channel = luaL_checkinteger(L, 1), value;

    if (!is_open(L, channel, "read")) {
        lua_pushinteger(L, NO_VALUE);
        return 1;
    }
    value = value_of(L, channel);
    lua_pushinteger(L, value < FULL_MV ? value * RAW_MAX / FULL_MV : RAW_MAX);
    lua_pushinteger(L, value);
    return 2;
}

static int adc_get(lua_State *L)
{
    lua_Integer channel = luaL_checkinteger(L, 1);

    lua_pushinteger(L, is_open(L, channel, "get") ? value_of(L, channel) : FAILED);
    return 1;
}

static int adc_close(lua_State *L)
{
    lua_Integer channel = luaL_checkinteger(L, 1);

    if (channel_is_there(channel))
        vm_of(L)->chip.adc_is_open &= ~bit_of(channel);
    return 0;
}

/* There are no resistors to switch. */
static int adc_set_range(lua_State *L)
{
    (void)luaL_checkinteger(L, 1);
    stand_in(L, STAND_IN_ADC);
    return 0;
}

int luaopen_adc(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "open", adc_open },   { "read", adc_read },          { "get", adc_get },
        { "close", adc_close }, { "setRange", adc_set_range }, { NULL, NULL },
    };
    static const struct constant constants[] = {
        { "CH_CPU", CH_CPU },
        { "CH_VBAT", CH_VBAT },
        { "T1", T1 },
        { "T2", T2 },
        { "ADC_RANGE_3_6", 1 },
        { "ADC_RANGE_1_8", 0 },
        { "ADC_RANGE_3_8", RANGE_3_8 },
        { "ADC_RANGE_1_2", 0 },
        { "ADC_RANGE_MAX", RANGE_MAX },
        { "ADC_RANGE_MIN", 0 },
    };

    luaL_newlib(L, functions);
    set_constants(L, constants, ARRAY_LEN(constants));
    return 1;
}
