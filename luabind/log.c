/* log: the module's log as scripts write it. socket-api.md and LuatOS's luat_lib_log.c. */
#include <lauxlib.h>
#include <string.h>

#include "emu/device.h"
#include "emu/util.h"
#include "luabind/lib.h"
#include "luabind/vm.h"

#define TAG_PREFIX "user."

enum log_style {
    LOG_STYLE_TAG,       /* I/user.tag text */
    LOG_STYLE_PLACE,     /* I/main.lua:12 tag text */
    LOG_STYLE_TAG_PLACE, /* I/user.tag main.lua:12 text */
};

/* Push "main.lua:12", where the caller of log.info stands. */
static const char *push_place(lua_State *L)
{
    lua_Debug ar;
    const char *slash;

    if (!lua_getstack(L, 1, &ar) || !lua_getinfo(L, "Sl", &ar) || ar.currentline <= 0)
        return lua_pushliteral(L, "?");
    slash = strrchr(ar.short_src, '/');
    return lua_pushfstring(L, "%s:%d", slash ? slash + 1 : ar.short_src, ar.currentline);
}

/* As a module: a tag that is neither a string nor a number is "(null)". */
static const char *tag_text(lua_State *L, int arg)
{
    return lua_isstring(L, arg) ? lua_tostring(L, arg) : "(null)";
}

/*
 * Replace the arguments by the fields of the line, the first of which is what stands behind the
 * level: "user.tag", "text", ... or "main.lua:12", "tag", "text", ...
 */
static void make_fields(lua_State *L, enum log_style style)
{
    lua_pushstring(L, tag_text(L, 1));
    lua_replace(L, 1);
    if (style != LOG_STYLE_PLACE) {
        lua_pushfstring(L, TAG_PREFIX "%s", lua_tostring(L, 1));
        lua_replace(L, 1);
    }
    if (style == LOG_STYLE_TAG)
        return;
    (void)push_place(L);
    lua_insert(L, style == LOG_STYLE_PLACE ? 1 : 2);
}

/* A script that has a print of its own gets the lines of its log there, as on a module. */
static void pass_to_print(lua_State *L, enum log_level level)
{
    lua_insert(L, 1);
    lua_pushfstring(L, "%c/%s", log_level_letter(level), lua_tostring(L, 2));
    lua_replace(L, 2);
    lua_call(L, lua_gettop(L) - 1, 0);
}

static void write_fields(lua_State *L, enum log_level level)
{
    struct device *device = vm_of(L)->config.device;
    int fields = lua_gettop(L);
    luaL_Buffer text;
    const char *line;
    size_t len;

    luaL_buffinit(L, &text);
    for (int field = 2; field <= fields; field++) {
        if (field > 2)
            luaL_addchar(&text, ' ');
        push_printed(L, field);
        luaL_addvalue(&text);
    }
    luaL_pushresult(&text);
    vclock_refresh(&device->clock); /* the stamp is of now, however long the script has worked */
    line = lua_tolstring(L, -1, &len);
    log_script(&device->log, level, lua_tostring(L, 1), line, len);
}

static int log_at(lua_State *L, enum log_level level)
{
    const struct vm *vm = vm_of(L);

    if (!lua_gettop(L) || (int)level < vm->script_log_level ||
        level < vm->config.device->log.config.level)
        return 0;
    make_fields(L, (enum log_style)vm->script_log_style);
    if (is_stock(L, "print", vm->print))
        write_fields(L, level);
    else
        pass_to_print(L, level);
    return 0;
}

static int log_debug(lua_State *L)
{
    return log_at(L, LOG_LEVEL_DEBUG);
}

static int log_info(lua_State *L)
{
    return log_at(L, LOG_LEVEL_INFO);
}

static int log_warning(lua_State *L)
{
    return log_at(L, LOG_LEVEL_WARN);
}

static int log_error(lua_State *L)
{
    return log_at(L, LOG_LEVEL_ERROR);
}

static int level_of(lua_State *L, int arg)
{
    static const struct constant names[] = {
        { "SILENT", LOG_LEVEL_SILENT }, { "DEBUG", LOG_LEVEL_DEBUG }, { "INFO", LOG_LEVEL_INFO },
        { "WARN", LOG_LEVEL_WARN },     { "ERROR", LOG_LEVEL_ERROR },
    };
    lua_Integer level;

    if (lua_isinteger(L, arg)) {
        level = (uint8_t)lua_tointeger(L, arg);
        return level ? (int)level : LOG_LEVEL_SILENT;
    }
    for (int i = 0; lua_type(L, arg) == LUA_TSTRING && i < ARRAY_LEN(names); i++) {
        if (strcmp(lua_tostring(L, arg), names[i].name) == 0)
            return (int)names[i].value;
    }
    return LOG_LEVEL_SILENT; /* what a module makes of anything else */
}

static int log_set_level(lua_State *L)
{
    int level = level_of(L, 1);

    if (level == LOG_LEVEL_SILENT && lua_tointeger(L, 1) != LOG_LEVEL_SILENT &&
        !(lua_type(L, 1) == LUA_TSTRING && strcmp(lua_tostring(L, 1), "SILENT") == 0))
        warn_script(L, "log.setLevel: no such level: a module is silent from here on");
    vm_of(L)->script_log_level = level;
    return 0;
}

static int log_get_level(lua_State *L)
{
    lua_pushinteger(L, vm_of(L)->script_log_level);
    return 1;
}

static int log_style(lua_State *L)
{
    struct vm *vm = vm_of(L);

    if (lua_isinteger(L, 1) && lua_tointeger(L, 1) >= LOG_STYLE_TAG &&
        lua_tointeger(L, 1) <= LOG_STYLE_TAG_PLACE)
        vm->script_log_style = (int)lua_tointeger(L, 1);
    lua_pushinteger(L, vm->script_log_style);
    return 1;
}

int luaopen_log(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "debug", log_debug },        { "info", log_info },   { "warn", log_warning },
        { "error", log_error },        { "fatal", log_error }, { "setLevel", log_set_level },
        { "getLevel", log_get_level }, { "style", log_style }, { NULL, NULL },
    };
    static const struct constant constants[] = {
        { "LOG_SILENT", LOG_LEVEL_SILENT }, { "LOG_DEBUG", LOG_LEVEL_DEBUG },
        { "LOG_INFO", LOG_LEVEL_INFO },     { "LOG_WARN", LOG_LEVEL_WARN },
        { "LOG_ERROR", LOG_LEVEL_ERROR },
    };

    luaL_newlib(L, functions);
    set_constants(L, constants, ARRAY_LEN(constants));
    return 1;
}
