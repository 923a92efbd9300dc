/*
 * base: the globals that LuatOS's Lua has and stock Lua 5.4 has not, or has otherwise: print and
 * require as a module's, the compatibility functions of Lua 5.1 and 5.2, and a debug library
 * without what would let a script break the VM.
 */
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "emu/device.h"
#include "emu/util.h"
#include "luabind/corelib.h"
#include "luabind/lib.h"
#include "luabind/vm.h"

#define REQUIRE_NAME_MAX 48 /* LuatOS loadlib.c */
#define PATH_MAX_LEN     (REQUIRE_NAME_MAX + VM_REQUIRE_PATH_MAX)

static const char loaded_key; /* its address is the registry key of what require has loaded */

/* ---- print ---------------------------------------------------------------------------------- */

static int base_print(lua_State *L)
{
    struct device *device = vm_of(L)->config.device;
    int args = lua_gettop(L);
    luaL_Buffer text;
    const char *line;
    size_t len;

    luaL_buffinit(L, &text);
    for (int arg = 1; arg <= args; arg++) {
        if (arg > 1)
            luaL_addchar(&text, ' '); /* a module's print; stock Lua puts a tab */
        push_printed(L, arg);
        luaL_addvalue(&text);
    }
    luaL_pushresult(&text);
    vclock_refresh(&device->clock);
    line = lua_tolstring(L, -1, &len);
    log_print(&device->log, line, len);
    return 0;
}

/* ---- require ---------------------------------------------------------------------------------- */

static void push_loaded(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &loaded_key);
}

static bool load_path(lua_State *L, const char *format, const char *name, char path[PATH_MAX_LEN])
{
    const char *percent = strstr(format, "%s");
    int before = percent ? (int)(percent - format) : (int)strlen(format);

    (void)snprintf(path, PATH_MAX_LEN, "%.*s%s%s", before, format, name,
                   percent ? percent + 2 : "");
    return vm_load_file(L, path);
}

static bool load_corelib(lua_State *L, const char *name, char path[PATH_MAX_LEN])
{
    const struct corelib_file *file = corelib_find(name);

    if (!file)
        return false;
    (void)snprintf(path, PATH_MAX_LEN, CORELIB_FOLDER "%s.lua", name);
    if (luaL_loadbufferx(L, file->chunk, file->len, lua_pushfstring(L, "@%s", path), "b") != LUA_OK)
        (void)lua_error(L);
    lua_remove(L, -2);
    return true;
}

/* The module's chunk on the stack, and where it is from. */
static bool load_module(lua_State *L, const char *name, char path[PATH_MAX_LEN])
{
    static const char *const folders[] = { "/%s.lua", "/luadb/%s.lua" };
    const struct vm *vm = vm_of(L);

    for (int i = 0; i < VM_REQUIRE_PATHS; i++) {
        if (vm->require_paths[i][0] && load_path(L, vm->require_paths[i], name, path))
            return true;
    }
    for (int i = 0; i < ARRAY_LEN(folders); i++) {
        if (load_path(L, folders[i], name, path))
            return true;
    }
    return load_corelib(L, name, path);
}

static int not_found(lua_State *L, const char *name)
{
    if (lua_getglobal(L, name) == LUA_TTABLE)
        warn_script(L, "require \"%s\": it is built in and already there as a global", name);
    return luaL_error(L, "module '%s' not found", name);
}

static int base_require(lua_State *L)
{
    size_t len;
    const char *name = luaL_checklstring(L, 1, &len);
    char path[PATH_MAX_LEN];

    luaL_argcheck(L, len > 0 && len <= REQUIRE_NAME_MAX, 1, "name of 1 to 48 characters");
    lua_settop(L, 1);
    push_loaded(L);
    if (lua_getfield(L, 2, name) != LUA_TNIL)
        return 1;
    lua_pop(L, 1);
    if (!load_module(L, name, path))
        return not_found(L, name);
    lua_pushstring(L, path); /* the other way round than in stock Lua, as on a module */
    lua_pushvalue(L, 1);
    if (strncmp(path, CORELIB_FOLDER, strlen(CORELIB_FOLDER)) == 0)
        lua_pushcfunction(L, socket_dns_servers);
    lua_call(L, lua_gettop(L) - 3, 1);
    if (!lua_isnil(L, -1))
        lua_setfield(L, 2, name);
    if (lua_getfield(L, 2, name) == LUA_TNIL) {
        lua_pushboolean(L, true);
        lua_pushvalue(L, -1);
        lua_setfield(L, 2, name);
    }
    return 1;
}

/* unload(name): the next require loads it again. */
static int base_unload(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);

    push_loaded(L);
    lua_pushnil(L);
    lua_setfield(L, -2, name);
    return 0;
}

/* Lua 5.1's module(name, ...): a global table, which becomes the caller's environment. */
static int base_module(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    int args = lua_gettop(L);
    lua_Debug ar;

    push_loaded(L);
    if (lua_getfield(L, -1, name) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_pushglobaltable(L);
        if (luaL_getsubtable(L, -1, name) == 0 && !lua_istable(L, -1))
            return luaL_error(L, "name conflict for module '%s'", name);
        lua_remove(L, -2);
        lua_pushvalue(L, -1);
        lua_setfield(L, args + 1, name);
    }
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "_M");
    lua_pushstring(L, name);
    lua_setfield(L, -2, "_NAME");
    if (!lua_getstack(L, 1, &ar) || !lua_getinfo(L, "f", &ar) || lua_iscfunction(L, -1))
        return luaL_error(L, "'module' not called from a Lua function");
    lua_pushvalue(L, -2);
    if (!lua_setupvalue(L, -2, 1))
        lua_pop(L, 1);
    lua_pop(L, 1);
    for (int arg = 2; arg <= args; arg++) { /* package.seeall and its like */
        if (!lua_isfunction(L, arg))
            continue;
        lua_pushvalue(L, arg);
        lua_pushvalue(L, -2);
        lua_call(L, 1, 0);
    }
    return 1;
}

static int package_seeall(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    if (!lua_getmetatable(L, 1)) {
        lua_createtable(L, 0, 1);
        lua_pushvalue(L, -1);
        lua_setmetatable(L, 1);
    }
    lua_pushglobaltable(L);
    lua_setfield(L, -2, "__index");
    return 0;
}

/* ---- chunks: text only, and only of the module's file system ------------------------------------ */

/* load(chunk, name, mode, env): compiled Lua can break the VM, so the mode is always "t". */
static int base_load(lua_State *L)
{
    bool has_env = lua_gettop(L) >= 4;

    luaL_checkany(L, 1);
    lua_settop(L, has_env ? 4 : 3); /* an environment that is nil is one */
    lua_pushliteral(L, "t");
    lua_replace(L, 3);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, has_env ? 4 : 3, LUA_MULTRET);
    return lua_gettop(L);
}

static int base_loadfile(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    bool has_env = !lua_isnone(L, 3);

    lua_settop(L, 3);
    if (!vm_load_file(L, path)) {
        luaL_pushfail(L);
        lua_pushfstring(L, "cannot open %s", path);
        return 2;
    }
    if (has_env) {
        lua_pushvalue(L, 3);
        if (!lua_setupvalue(L, -2, 1))
            lua_pop(L, 1);
    }
    return 1;
}

static int base_dofile(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);

    lua_settop(L, 1);
    if (!vm_load_file(L, path))
        return luaL_error(L, "cannot open %s", path);
    lua_call(L, 0, LUA_MULTRET);
    return lua_gettop(L) - 1;
}

/* ---- Lua 5.1 and 5.2 -------------------------------------------------------------------------------- */

static int table_maxn(lua_State *L)
{
    lua_Number max = 0;

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) > max)
            max = lua_tonumber(L, -1);
    }
    if (max == (lua_Number)(lua_Integer)max) {
        lua_pushinteger(L, (lua_Integer)max);
    } else {
        lua_pushnumber(L, max);
    }
    return 1;
}

static void set_compatibility(lua_State *L)
{
    lua_getglobal(L, LUA_TABLIBNAME);
    lua_getfield(L, -1, "unpack");
    lua_setglobal(L, "unpack");
    lua_pushcfunction(L, table_maxn);
    lua_setfield(L, -2, "maxn");
    lua_pop(L, 1);

    lua_getglobal(L, "load");
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, base_load, 1);
    lua_setglobal(L, "loadstring"); /* each its own: errors tell them apart */
    lua_pushcclosure(L, base_load, 1);
    lua_setglobal(L, "load");

    luaL_requiref(L, "bit32", luaopen_bit32, 1);
    lua_pop(L, 1);
}

/* ---- debug ---------------------------------------------------------------------------------------- */

/* Stock Lua's optional first argument: the thread that is meant. */
static lua_State *to_thread(lua_State *L, int *arg)
{
    *arg = lua_isthread(L, 1) ? 1 : 0;
    return *arg ? lua_tothread(L, 1) : L;
}

/*
 * The function at level @arg of @of. False: it is one in C, whose values on the stack are its own
 * business: among them are the buffers of lauxlib.c, which it trusts to be there.
 */
static bool to_lua_level(lua_State *L, lua_State *of, int arg, lua_Debug *ar)
{
    if (!lua_getstack(of, (int)luaL_checkinteger(L, arg), ar))
        return luaL_argerror(L, arg, "level out of range");
    if (of != L && !lua_checkstack(of, 3))
        return luaL_error(L, "stack overflow");
    return lua_getinfo(of, "S", ar) && *ar->what != 'C';
}

static int debug_getlocal(lua_State *L)
{
    const char *name;
    lua_Debug ar;
    int arg, variable;
    lua_State *of = to_thread(L, &arg);

    variable = (int)luaL_checkinteger(L, arg + 2);
    if (lua_isfunction(L, arg + 1)) {
        lua_pushvalue(L, arg + 1);
        lua_pushstring(L, lua_getlocal(L, NULL, variable));
        return 1;
    }
    name = to_lua_level(L, of, arg + 1, &ar) ? lua_getlocal(of, &ar, variable) : NULL;
    if (!name) {
        luaL_pushfail(L);
        return 1;
    }
    lua_xmove(of, L, 1);
    lua_pushstring(L, name);
    lua_insert(L, -2);
    return 2;
}

/* Only what has a name of the script's: Lua trusts the others, "(for state)", to be as it left them. */
static int debug_setlocal(lua_State *L)
{
    const char *name = NULL;
    lua_Debug ar;
    int arg, variable;
    lua_State *of = to_thread(L, &arg);

    variable = (int)luaL_checkinteger(L, arg + 2);
    luaL_checkany(L, arg + 3);
    lua_settop(L, arg + 3);
    if (to_lua_level(L, of, arg + 1, &ar))
        name = lua_getlocal(of, &ar, variable);
    if (name)
        lua_pop(of, 1);
    if (name && *name != '(') {
        lua_xmove(L, of, 1);
        name = lua_setlocal(of, &ar, variable);
        lua_pushstring(L, name);
        return 1;
    }
    luaL_pushfail(L);
    return 1;
}

/* What remains can look at everything and break nothing. */
static void tame_debug(lua_State *L)
{
    static const luaL_Reg tamed[] = {
        { "getlocal", debug_getlocal },
        { "setlocal", debug_setlocal },
        { NULL, NULL },
    };
    static const char *const dangerous[] = { "debug",        "getregistry",   "sethook",
                                             "setmetatable", "setupvalue",    "setuservalue",
                                             "upvaluejoin",  "setcstacklimit" };

    lua_getglobal(L, LUA_DBLIBNAME);
    for (int i = 0; i < ARRAY_LEN(dangerous); i++) {
        lua_pushnil(L);
        lua_setfield(L, -2, dangerous[i]);
    }
    luaL_setfuncs(L, tamed, 0);
    lua_pop(L, 1);
}

int luaopen_luatos_base(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "print", base_print },
        { "require", base_require },
        { "unload", base_unload },
        { "module", base_module },
        { "dofile", base_dofile },
        { "loadfile", base_loadfile },
        { NULL, NULL },
    };
    static const luaL_Reg package[] = { { "seeall", package_seeall }, { NULL, NULL } };

    lua_getglobal(L, "tostring");
    vm_of(L)->tostring = lua_tocfunction(L, -1);
    vm_of(L)->print = base_print;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &loaded_key);
    lua_pushglobaltable(L);
    luaL_setfuncs(L, functions, 0);
    luaL_newlib(L, package);
    lua_setfield(L, -2, "package");
    lua_pop(L, 1);
    set_compatibility(L);
    tame_debug(L);
    return 0;
}
