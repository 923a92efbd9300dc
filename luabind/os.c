/*
 * os: the whole library of Lua, on the module's clock and file system. A module's local time is
 * UTC+8, whatever the host's time zone is (LuatOS loslib.c:359-451).
 */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "emu/device.h"
#include "emu/vfs.h"
#include "luabind/lib.h"
#include "luabind/vm.h"

#define US_PER_S          1000000
#define LOCAL_OFFSET_S    (8 * 3600)
#define LOCAL_ZONE        "CST"         /* China Standard Time */
#define YEAR_BASE         1900          /* of struct tm */
#define YEAR_TEXT_MAX     (INT_MAX - 1) /* strftime() adds in int, and %G is a year ahead at times */
#define NOON              12            /* the hour of a date without one */
#define DATE_ITEM_MAX     250           /* bytes that one conversion may give; loslib.c's limit */
#define NO_SHELL          127           /* what system(3) says when there is none */
#define TMPNAME_TRIES     100
#define TMPNAME_MAX       32
#define EXIT_NUMBER_MAX   255
#define FIELD_IS_REQUIRED (-1)

static struct device *device_of(lua_State *L)
{
    return vm_of(L)->config.device;
}

/* ---- time -------------------------------------------------------------------------------------- */

/* The calendar in seconds. A script may wait for it in a loop of its own: look at the clock. */
static lua_Integer now_s(lua_State *L)
{
    struct vclock *clock = &device_of(L)->clock;
    int64_t wall_us;

    vclock_refresh(clock);
    wall_us = vclock_wall_us(clock);
    return wall_us / US_PER_S - (wall_us % US_PER_S < 0);
}

static int os_clock(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)vclock_cpu_us(&device_of(L)->clock) / US_PER_S);
    return 1;
}

static int os_difftime(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)luaL_checkinteger(L, 1) - (lua_Number)luaL_checkinteger(L, 2));
    return 1;
}

static void set_field(lua_State *L, const char *key, lua_Integer value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, key);
}

/* Into the table on top of the stack. */
static void set_date_fields(lua_State *L, const struct tm *tm)
{
    set_field(L, "year", (lua_Integer)tm->tm_year + YEAR_BASE);
    set_field(L, "month", (lua_Integer)tm->tm_mon + 1);
    set_field(L, "day", tm->tm_mday);
    set_field(L, "hour", tm->tm_hour);
    set_field(L, "min", tm->tm_min);
    set_field(L, "sec", tm->tm_sec);
    set_field(L, "yday", (lua_Integer)tm->tm_yday + 1);
    set_field(L, "wday", (lua_Integer)tm->tm_wday + 1);
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "isdst");
}

/* A field of the table in argument 1, less @base; @absent stands for a missing one. */
static int date_field(lua_State *L, const char *key, int absent, int base)
{
    int type = lua_getfield(L, 1, key), is_integer;
    lua_Integer value = lua_tointegerx(L, -1, &is_integer);

    if (!is_integer && type != LUA_TNIL)
        return luaL_error(L, "field '%s' is not an integer", key);
    if (!is_integer && absent == FIELD_IS_REQUIRED)
        return luaL_error(L, "field '%s' missing in date table", key);
    if (!is_integer)
        value = (lua_Integer)absent + base;
    if (value < (lua_Integer)INT_MIN + base || value > (lua_Integer)INT_MAX + base)
        return luaL_error(L, "field '%s' is out-of-bound", key);
    lua_pop(L, 1);
    return (int)(value - base);
}

static int os_time(lua_State *L)
{
    struct tm tm = { 0 };
    time_t local_s;

    if (lua_isnoneornil(L, 1)) {
        lua_pushinteger(L, now_s(L));
        return 1;
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    tm.tm_year = date_field(L, "year", FIELD_IS_REQUIRED, YEAR_BASE);
    tm.tm_mon = date_field(L, "month", FIELD_IS_REQUIRED, 1);
    tm.tm_mday = date_field(L, "day", FIELD_IS_REQUIRED, 0);
    tm.tm_hour = date_field(L, "hour", NOON, 0);
    tm.tm_min = date_field(L, "min", 0, 0);
    tm.tm_sec = date_field(L, "sec", 0, 0);
    tm.tm_wday = -1; /* stays when timegm() fails; its -1 is a time too */
    local_s = timegm(&tm);
    if (tm.tm_wday < 0)
        return luaL_error(L, "time result cannot be represented in this installation");
    set_date_fields(L, &tm);
    lua_pushinteger(L, (lua_Integer)local_s - LOCAL_OFFSET_S);
    return 1;
}

/* ---- date -------------------------------------------------------------------------------------- */

static bool break_down(lua_Integer seconds, bool is_utc, struct tm *tm)
{
    lua_Integer shifted;
    time_t at;

    if (__builtin_add_overflow(seconds, is_utc ? 0 : LOCAL_OFFSET_S, &shifted))
        return false;
    at = (time_t)shifted;
    if (!gmtime_r(&at, tm))
        return false;
    if (!is_utc) {
        tm->tm_gmtoff = LOCAL_OFFSET_S;
        tm->tm_zone = LOCAL_ZONE;
    }
    return true;
}

/* Length of the conversion at @at, without its "%"; 0: strftime() must not see it. */
static size_t conversion_len(const char *at, size_t left)
{
    if (left && at[0] && strchr("aAbBcCdDeFgGhHIjmMnprRStTuUVwWxXyYzZ%", at[0]))
        return 1;
    if (left < 2 || !at[1])
        return 0;
    if (at[0] == 'E' && strchr("cCxXyY", at[1]))
        return 2;
    if (at[0] == 'O' && strchr("deHImMSuUVwWy", at[1]))
        return 2;
    return 0;
}

static int push_date(lua_State *L, const char *format, size_t len, const struct tm *tm)
{
    const char *end = format + len;
    luaL_Buffer out;

    luaL_buffinit(L, &out);
    while (format < end) {
        char conversion[4] = "%";
        size_t conversion_size;

        if (*format != '%') {
            luaL_addchar(&out, *format++);
            continue;
        }
        format++;
        conversion_size = conversion_len(format, (size_t)(end - format));
        if (!conversion_size) {
            return luaL_argerror(L, 1,
                                 lua_pushfstring(L, "invalid conversion specifier '%%%s'", format));
        }
        memcpy(conversion + 1, format, conversion_size);
        format += conversion_size;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* it was looked at just now */
        luaL_addsize(&out, strftime(luaL_prepbuffsize(&out, DATE_ITEM_MAX), DATE_ITEM_MAX,
                                    conversion, tm));
#pragma GCC diagnostic pop
    }
    luaL_pushresult(&out);
    return 1;
}

static int os_date(lua_State *L)
{
    size_t len;
    const char *format = luaL_optlstring(L, 1, "%c", &len);
    lua_Integer seconds = lua_isnoneornil(L, 2) ? now_s(L) : luaL_checkinteger(L, 2);
    bool is_utc = *format == '!';
    struct tm tm = { 0 };
    bool is_table = strcmp(format + is_utc, "*t") == 0;

    if (!break_down(seconds, is_utc, &tm) || (!is_table && tm.tm_year > YEAR_TEXT_MAX - YEAR_BASE))
        return luaL_error(L, "date result cannot be represented in this installation");
    if (!is_table)
        return push_date(L, format + is_utc, len - is_utc, &tm);
    lua_createtable(L, 0, 9);
    set_date_fields(L, &tm);
    return 1;
}

/* ---- files --------------------------------------------------------------------------------------- */

/* @rc of a vfs function, as Lua's libraries tell it. */
static int file_result(lua_State *L, int rc, const char *path)
{
    errno = rc < 0 ? -rc : 0;
    return luaL_fileresult(L, rc >= 0, path);
}

static int os_remove(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct vfs *vfs = vm_of(L)->config.vfs;
    int rc = vfs_remove(vfs, path);

    if (rc == -EISDIR) /* remove(3) takes empty folders too */
        rc = vfs_rmdir(vfs, path);
    return file_result(L, rc, path);
}

static int os_rename(lua_State *L)
{
    const char *from = luaL_checkstring(L, 1);
    const char *to = luaL_checkstring(L, 2);

    return file_result(L, vfs_rename(vm_of(L)->config.vfs, from, to), NULL);
}

/* A name that is free, and an empty file under it so that it stays ours. */
static int os_tmpname(lua_State *L)
{
    struct vfs *vfs = vm_of(L)->config.vfs;
    char name[TMPNAME_MAX];
    struct vfs_stat st;

    for (int i = 0; i < TMPNAME_TRIES; i++) {
        int fd;

        (void)snprintf(name, sizeof(name), "/lua_%06x",
                       (unsigned)rng_below(&device_of(L)->rng, 0x1000000));
        if (vfs_stat(vfs, name, &st) != -ENOENT)
            continue;
        fd = vfs_open(vfs, name, O_RDWR | O_CREAT);
        if (fd < 0)
            break;
        close(fd);
        lua_pushstring(L, name);
        return 1;
    }
    return luaL_error(L, "unable to generate a unique filename");
}

/* ---- the host ------------------------------------------------------------------------------------ */

/* A module has no environment; here it is how a script gets its parameters from outside. */
static int os_getenv(lua_State *L)
{
    lua_pushstring(L, getenv(luaL_checkstring(L, 1)));
    return 1;
}

/* A module has no shell, and a script must not reach the host's. */
static int os_execute(lua_State *L)
{
    const char *command = luaL_optstring(L, 1, NULL);

    if (!command) {
        lua_pushboolean(L, false);
        return 1;
    }
    warn_script(L, "os.execute: a module has no shell; nothing was run: %s", command);
    lua_pushnil(L);
    lua_pushliteral(L, "exit");
    lua_pushinteger(L, NO_SHELL);
    return 3;
}

static int os_exit(lua_State *L)
{
    lua_Integer code = EXIT_SUCCESS;

    if (lua_isboolean(L, 1)) {
        code = lua_toboolean(L, 1) ? EXIT_SUCCESS : EXIT_FAILURE;
    } else {
        code = luaL_optinteger(L, 1, EXIT_SUCCESS);
    }
    if (code < 0 || code > EXIT_NUMBER_MAX) {
        warn_script(L, "os.exit(%lld): an exit status is 0 to %d; this one becomes %d",
                    (long long)code, EXIT_NUMBER_MAX, (int)(code & EXIT_NUMBER_MAX));
    }
    return vm_stop(L, (int)(code & EXIT_NUMBER_MAX));
}

/* "C" is the only locale of a module. Setting another would change how numbers are read here. */
static int os_setlocale(lua_State *L)
{
    static const char *const categories[] = { "all",     "collate", "ctype", "monetary",
                                              "numeric", "time",    NULL };
    const char *locale = luaL_optstring(L, 1, "C");

    (void)luaL_checkoption(L, 2, "all", categories);
    if (!*locale || strcmp(locale, "C") == 0 || strcmp(locale, "POSIX") == 0) {
        lua_pushliteral(L, "C");
    } else {
        lua_pushnil(L);
    }
    return 1;
}

int luaopen_luatos_os(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "clock", os_clock },     { "date", os_date },       { "difftime", os_difftime },
        { "execute", os_execute }, { "exit", os_exit },       { "getenv", os_getenv },
        { "remove", os_remove },   { "rename", os_rename },   { "setlocale", os_setlocale },
        { "time", os_time },       { "tmpname", os_tmpname }, { NULL, NULL },
    };

    luaL_newlib(L, functions);
    return 1;
}
