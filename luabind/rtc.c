#include <lauxlib.h>
#include <string.h>
#include <time.h>

#include "emu/device.h"
#include "emu/util.h"
#include "luabind/lib.h"
#include "luabind/vm.h"

#define US_PER_S      1000000
#define TM_YEAR_0     1900
#define TIMEZONE_MIN  (-48) /* quarters: UTC-12 */
#define TIMEZONE_MAX  56    /* UTC+14 */
#define TIMEZONE_OS   32    /* of os.c */
#define UNIX_MAX      UINT32_MAX
#define BASE_YEAR_MIN 1900
#define BASE_YEAR_MAX 2050
#define FIELDS        6

struct field {
    const char *name;
    lua_Integer min, max;
};

static const struct field fields[FIELDS] = {
    { "year", 1900, 2200 }, { "mon", 1, 12 }, { "day", 1, 31 },
    { "hour", 0, 23 },      { "min", 0, 59 }, { "sec", 0, 59 },
};

static struct vclock *clock_of(lua_State *L)
{
    return &vm_of(L)->config.device->clock;
}

/* The six fields of the table at @arg; false, with a warning, when one is missing. */
static bool read_fields(lua_State *L, int arg, const char *function, lua_Integer values[FIELDS])
{
    for (int i = 0; i < FIELDS; i++) {
        (void)lua_getfield(L, arg, fields[i].name);
        if (!lua_isnumber(L, -1)) {
            warn_script(L, "%s: the table has no number \"%s\"", function, fields[i].name);
            return false;
        }
        values[i] = luaL_checkinteger(L, -1);
        lua_pop(L, 1);
    }
    return true;
}

/* Seconds since 1970 in @unix_s; false, with a warning, when there is no such moment. */
static bool to_unix(lua_State *L, const char *function, const lua_Integer values[FIELDS],
                    time_t *unix_s)
{
    struct tm tm = { 0 };

    for (int i = 0; i < FIELDS; i++) {
        if (values[i] < fields[i].min || values[i] > fields[i].max) {
            warn_script(L, "%s: %s is %lld, not from %lld to %lld", function, fields[i].name,
                        (long long)values[i], (long long)fields[i].min, (long long)fields[i].max);
            return false;
        }
    }
    tm.tm_year = (int)values[0] - TM_YEAR_0;
    tm.tm_mon = (int)values[1] - 1;
    tm.tm_mday = (int)values[2];
    tm.tm_hour = (int)values[3];
    tm.tm_min = (int)values[4];
    tm.tm_sec = (int)values[5];
    *unix_s = timegm(&tm);
    if (tm.tm_mday != (int)values[2]) { /* it became another day: 31 April is 1 May */
        warn_script(L, "%s: %lld-%02lld has no day %lld", function, (long long)values[0],
                    (long long)values[1], (long long)values[2]);
        return false;
    }
    return true;
}

static int rtc_get(lua_State *L)
{
    struct vclock *clk = clock_of(L);
    struct tm tm;
    int64_t wall_us;
    time_t unix_s;

    vclock_refresh(clk);
    wall_us = vclock_wall_us(clk);
    unix_s = (time_t)(wall_us / US_PER_S - (wall_us % US_PER_S < 0));
    if (!gmtime_r(&unix_s, &tm))
        return 0;
    lua_createtable(L, 0, FIELDS);
    for (int i = 0; i < FIELDS; i++) {
        const int values[FIELDS] = {
            tm.tm_year + TM_YEAR_0, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec
        };

        lua_pushinteger(L, values[i]);
        lua_setfield(L, -2, fields[i].name);
    }
    return 1;
}

static int set_unix(lua_State *L, int64_t unix_s)
{
    struct vclock *clk = clock_of(L);

    vclock_refresh(clk);
    vclock_set_wall(clk, unix_s * US_PER_S);
    lua_pushboolean(L, true);
    return 1;
}

static int rtc_set(lua_State *L)
{
    lua_Integer values[FIELDS];
    time_t unix_s;

    if (lua_istable(L, 1)) {
        if (!read_fields(L, 1, "rtc.set", values))
            return 0;
        if (to_unix(L, "rtc.set", values, &unix_s))
            return set_unix(L, unix_s);
    } else if (!lua_isinteger(L, 1)) {
        warn_script(L, "rtc.set takes a table or integer seconds since 1970");
    } else if (lua_tointeger(L, 1) <= 0 || lua_tointeger(L, 1) > UNIX_MAX) {
        warn_script(L, "rtc.set: no module takes %lld as seconds since 1970",
                    (long long)lua_tointeger(L, 1));
    } else {
        return set_unix(L, lua_tointeger(L, 1));
    }
    lua_pushboolean(L, false);
    return 1;
}

static int rtc_timezone(lua_State *L)
{
    struct vm *vm = vm_of(L);
    lua_Integer quarters;

    if (lua_gettop(L) && !lua_isinteger(L, 1)) {
        warn_script(L, "rtc.timezone takes an integer, in quarters of an hour: 32 is UTC+8");
        lua_pushboolean(L, false);
        return 1;
    }
    if (lua_gettop(L)) {
        quarters = lua_tointeger(L, 1);
        if (quarters < TIMEZONE_MIN || quarters > TIMEZONE_MAX) {
            warn_script(L, "rtc.timezone(%lld): there is none; its unit is a quarter of an hour",
                        (long long)quarters);
        } else {
            vm->timezone_quarters = (int)quarters;
        }
        if (vm->timezone_quarters != TIMEZONE_OS)
            warn_script(L, "rtc.timezone: os.date and os.time stay at UTC+8 here");
    }
    lua_pushinteger(L, vm->timezone_quarters);
    return 1;
}

/* Of no effect on a module either: years are given in full. */
static int rtc_set_base_year(lua_State *L)
{
    lua_Integer year = luaL_checkinteger(L, 1);

    if (year < BASE_YEAR_MIN || year > BASE_YEAR_MAX) {
        return luaL_error(L, "rtc.setBaseYear: %I is not from %d to %d", year, BASE_YEAR_MIN,
                          BASE_YEAR_MAX);
    }
    return 0;
}

/* An alarm wakes a module from sleep, and the emulator never sleeps. */
static int rtc_timer_start(lua_State *L)
{
    lua_Integer values[FIELDS];
    time_t unix_s;

    (void)luaL_checkinteger(L, 1);
    if (!lua_istable(L, 2)) {
        warn_script(L, "rtc.timerStart takes a table as its second argument");
        return 0;
    }
    if (!read_fields(L, 2, "rtc.timerStart", values))
        return 0;
    if (to_unix(L, "rtc.timerStart", values, &unix_s))
        warn_script(L, "rtc.timerStart: there is no sleep here to wake up from");
    lua_pushboolean(L, false);
    return 1;
}

static int rtc_timer_stop(lua_State *L)
{
    (void)luaL_checkinteger(L, 1);
    lua_pushboolean(L, true);
    return 1;
}

int luaopen_rtc(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "get", rtc_get },
        { "set", rtc_set },
        { "timezone", rtc_timezone },
        { "setBaseYear", rtc_set_base_year },
        { "timerStart", rtc_timer_start },
        { "timerStop", rtc_timer_stop },
        { NULL, NULL },
    };

    luaL_newlib(L, functions);
    return 1;
}
