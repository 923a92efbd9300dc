#include "luabind/lib.h"

#include <assert.h>
#include <lauxlib.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "emu/device.h"
#include "luabind/corelib.h"
#include "luabind/vm.h"

#define TEXT_MAX    1024
#define MAC_HEX_LEN 12
#define US_PER_MS   1000

const char *warn_where(lua_State *L)
{
    lua_Debug ar;

    for (int level = 1; lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "Sl", &ar);
        if (ar.currentline > 0 && !corelib_is_chunk(ar.source))
            return lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
    }
    return lua_pushliteral(L, "");
}

void warn_script(lua_State *L, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    log_warn(&vm_of(L)->config.device->log, warn_where(L), "%s", text);
    lua_pop(L, 1);
}

void firmware_log(lua_State *L, enum log_level level, const char *tag, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    log_firmware(&vm_of(L)->config.device->log, level, tag, "%s", text);
}

void *test_userdata(lua_State *L, int arg, const void *metatable)
{
    const void *present;

    if (lua_type(L, arg) != LUA_TUSERDATA || !lua_getmetatable(L, arg))
        return NULL;
    present = lua_topointer(L, -1);
    lua_pop(L, 1);
    return present == metatable ? lua_touserdata(L, arg) : NULL;
}

bool is_stock(lua_State *L, const char *name, lua_CFunction stock)
{
    lua_getglobal(L, name);
    if (lua_tocfunction(L, -1) != stock)
        return false;
    lua_pop(L, 1);
    return true;
}

void push_printed(lua_State *L, int arg)
{
    arg = lua_absindex(L, arg);
    if (is_stock(L, "tostring", vm_of(L)->tostring)) {
        (void)luaL_tolstring(L, arg, NULL);
        return;
    }
    lua_pushvalue(L, arg);
    lua_call(L, 1, 1);
    if (!lua_isstring(L, -1))
        luaL_error(L, "'tostring' must return a string to 'print'");
}

void set_constants(lua_State *L, const struct constant *constants, int count)
{
    for (int i = 0; i < count; i++) {
        lua_pushinteger(L, constants[i].value);
        lua_setfield(L, -2, constants[i].name);
    }
}

uint64_t ms_to_us(lua_Integer ms)
{
    assert(ms >= 0);
    return (ms < UINT32_MAX ? (uint64_t)ms : UINT32_MAX) * US_PER_MS;
}

void push_mac(lua_State *L, const uint8_t mac[6], bool is_raw)
{
    char hex[MAC_HEX_LEN + 1];

    if (is_raw) {
        lua_pushlstring(L, (const char *)mac, MAC_HEX_LEN / 2);
        return;
    }
    for (size_t i = 0; i < MAC_HEX_LEN / 2; i++)
        (void)snprintf(hex + 2 * i, 3, "%02X", mac[i]);
    lua_pushlstring(L, hex, MAC_HEX_LEN);
}
