/*
 * fskv: values by key. LuatOS luat_lib_fskv.c.
 *
 * A module has them in a part of its flash that no path leads to; here they live as long as the run.
 * What is stored is bytes, as there: a type and the value's form, in a table of the registry. So a
 * float loses half its digits, and an empty string is as good as none.
 */
#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

#include "emu/util.h"
#include "luabind/lib.h"
#include "luabind/stand_in.h"

#define TAG       "fskv"
#define VALUE_MAX 4096 /* bytes, with the type; LuatOS LUAT_FSKV_MAX_SIZE */
#define KEY_MAX   63
#define SPACE     65536 /* LuatOS LFS_BLOCK_DEVICE_TOTOAL_SIZE */
#define BLOCK     4096  /* what every value takes at the least */
#define BLOCKS_0  2     /* of an empty one */

/* What a stored value begins with. */
enum form { FORM_BOOLEAN = 1, FORM_FLOAT = 3, FORM_STRING = 4, FORM_TABLE = 5, FORM_INTEGER = 19 };

static const char store_key; /* its address is the registry's key of the table */

/* Push the table of what is stored; false, and nothing: fskv.init() has not been called. */
static bool push_store(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &store_key) == LUA_TTABLE)
        return true;
    lua_pop(L, 1);
    firmware_log(L, LOG_LEVEL_ERROR, TAG, "call fskv.init() first!!!");
    return false;
}

static int fskv_init(lua_State *L)
{
    stand_in(L, STAND_IN_FSKV);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &store_key) != LUA_TTABLE) {
        lua_newtable(L);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &store_key);
    }
    lua_pushboolean(L, true);
    return 1;
}

/* ---- from a value to bytes and back ---------------------------------------------------------- */

/* json's function, as the script's global has it: what the value on top of the stack becomes. */
static void call_json(lua_State *L, const char *function)
{
    if (lua_getglobal(L, "json") != LUA_TTABLE) {
        lua_pop(L, 2);
        lua_pushnil(L);
        return;
    }
    lua_getfield(L, -1, function);
    lua_remove(L, -2);
    lua_insert(L, -2);
    lua_call(L, 1, 1);
}

static void push_form(lua_State *L, enum form form, const void *data, size_t len)
{
    const char type = (char)form;
    luaL_Buffer bytes;

    luaL_buffinit(L, &bytes);
    luaL_addchar(&bytes, type);
    luaL_addlstring(&bytes, data, len);
    luaL_pushresult(&bytes);
}

static void push_number_form(lua_State *L, int arg)
{
    lua_Integer integer = lua_tointeger(L, arg);
    float number = (float)lua_tonumber(L, arg);

    if (lua_isinteger(L, arg)) {
        push_form(L, FORM_INTEGER, &integer, sizeof(integer));
    } else {
        push_form(L, FORM_FLOAT, &number, sizeof(number));
    }
}

/* Push what argument @arg is stored as; false: it can't be, which was logged. */
static bool push_stored(lua_State *L, int arg)
{
    const char boolean = (char)lua_toboolean(L, arg);
    const char *text;
    size_t len;

    switch (lua_type(L, arg)) {
    case LUA_TBOOLEAN:
        push_form(L, FORM_BOOLEAN, &boolean, sizeof(boolean));
        break;
    case LUA_TNUMBER:
        push_number_form(L, arg);
        break;
    case LUA_TSTRING:
        text = lua_tolstring(L, arg, &len);
        push_form(L, FORM_STRING, text, len);
        break;
    case LUA_TTABLE:
        lua_pushvalue(L, arg);
        call_json(L, "encode");
        text = lua_tolstring(L, -1, &len);
        if (!text) {
            firmware_log(L, LOG_LEVEL_WARN, TAG, "json.encode(val) report error");
            return false;
        }
        push_form(L, FORM_TABLE, text, len);
        break;
    default:
        firmware_log(L, LOG_LEVEL_WARN, TAG, "function/userdata/nil/thread isn't allow");
        return false;
    }
    (void)lua_tolstring(L, -1, &len);
    if (len > VALUE_MAX)
        firmware_log(L, LOG_LEVEL_ERROR, TAG, "value too big %zu max %d", len, VALUE_MAX);
    return len <= VALUE_MAX;
}

/* Replace the stored form on top of the stack, which has at least a byte of value. */
static void decode(lua_State *L)
{
    size_t len;
    const char *bytes = lua_tolstring(L, -1, &len);
    lua_Integer integer;
    float number;

    switch ((enum form)bytes[0]) {
    case FORM_BOOLEAN:
        lua_pushboolean(L, bytes[1]);
        break;
    case FORM_FLOAT:
        memcpy(&number, bytes + 1, sizeof(number));
        lua_pushnumber(L, number);
        break;
    case FORM_INTEGER:
        memcpy(&integer, bytes + 1, sizeof(integer));
        lua_pushinteger(L, integer);
        break;
    case FORM_STRING:
        lua_pushlstring(L, bytes + 1, len - 1);
        break;
    case FORM_TABLE:
        lua_pushlstring(L, bytes + 1, len - 1);
        call_json(L, "decode");
        break;
    }
    lua_remove(L, -2);
}

/* Push what is stored under argument 1 in the store on top of the stack; false: nothing is. */
static bool push_value(lua_State *L)
{
    lua_pushvalue(L, 1);
    if (lua_rawget(L, -2) != LUA_TSTRING || lua_rawlen(L, -1) < 2)
        return false;
    decode(L);
    return true;
}

/* ---- the functions --------------------------------------------------------------------------- */

/* A key that the flash takes for a file's name. */
static bool is_key(const char *key, size_t len)
{
    return len > 0 && len <= KEY_MAX && strlen(key) == len && !strchr(key, '/');
}

static int fskv_set(lua_State *L)
{
    size_t len;
    const char *key;
    bool is_stored;

    lua_settop(L, 2);
    if (!push_store(L))
        return 0;
    key = luaL_checklstring(L, 1, &len);
    is_stored = push_stored(L, 2);
    if (is_stored && !is_key(key, len)) {
        warn_script(L, "fskv.set: a key has 1 to %d bytes: false", KEY_MAX);
        is_stored = false;
    }
    if (is_stored) {
        lua_pushvalue(L, 1);
        lua_insert(L, -2);
        lua_rawset(L, 3);
    }
    lua_pushboolean(L, is_stored);
    return 1;
}

/* get(key, skey): of a table, the field skey. */
static int fskv_get(lua_State *L)
{
    const char *field;

    lua_settop(L, 2);
    if (!push_store(L))
        return 0;
    (void)luaL_checkstring(L, 1);
    field = luaL_optstring(L, 2, "");
    if (!push_value(L))
        return 0;
    if (*field && lua_istable(L, -1))
        lua_getfield(L, -1, field);
    return 1;
}

/* sett(key, field, value): of a table that is stored; anything else becomes one. */
static int fskv_sett(lua_State *L)
{
    bool has_value = lua_gettop(L) >= 3;
    const char *field;

    lua_settop(L, 3);
    if (!push_store(L))
        return 0;
    (void)luaL_checkstring(L, 1);
    field = luaL_checkstring(L, 2);
    if (!has_value) {
        firmware_log(L, LOG_LEVEL_DEBUG, TAG, "require key skey value");
        return 0;
    }
    if (!push_value(L) || !lua_istable(L, -1))
        lua_newtable(L);
    lua_pushvalue(L, 3);
    lua_setfield(L, -2, field);
    lua_pushcfunction(L, fskv_set);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -3);
    lua_call(L, 2, 1);
    return 1;
}

static int fskv_del(lua_State *L)
{
    lua_settop(L, 1);
    if (!push_store(L))
        return 0;
    (void)luaL_checkstring(L, 1);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    lua_rawset(L, -3);
    lua_pushboolean(L, true);
    return 1;
}

static int fskv_clear(lua_State *L)
{
    if (!push_store(L))
        return 0;
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &store_key);
    lua_pushboolean(L, true);
    return 1;
}

/* An iterator remembers the key that it gave last: what is deleted meanwhile does not confuse it. */
static int fskv_iter(lua_State *L)
{
    if (!push_store(L))
        return 0;
    (void)lua_newuserdatauv(L, 0, 1);
    return 1;
}

/* next(iter): keys come in their order. */
static int fskv_next(lua_State *L)
{
    lua_settop(L, 1);
    if (!push_store(L))
        return 0;
    luaL_checktype(L, 1, LUA_TUSERDATA);
    if (lua_getiuservalue(L, 1, 1) == LUA_TNONE)
        return luaL_argerror(L, 1, "what fskv.iter() returned expected");
    lua_pushnil(L); /* the smallest key behind the last one */
    lua_pushnil(L);
    while (lua_next(L, -4)) {
        lua_pop(L, 1);
        if ((lua_isnil(L, -3) || lua_compare(L, -3, -1, LUA_OPLT)) &&
            (lua_isnil(L, -2) || lua_compare(L, -1, -2, LUA_OPLT))) {
            lua_pushvalue(L, -1);
            lua_replace(L, -3);
        }
    }
    if (lua_isnil(L, -1))
        return 0;
    lua_pushvalue(L, -1);
    (void)lua_setiuservalue(L, 1, 1);
    return 1;
}

/* Bytes used and there, and how many values. */
static int fskv_status(lua_State *L)
{
    lua_Integer count = 0;

    if (!push_store(L))
        return 0;
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
        count++;
    lua_pushinteger(L, (BLOCKS_0 + count) * BLOCK);
    lua_pushinteger(L, SPACE);
    lua_pushinteger(L, count);
    return 3;
}

int luaopen_fskv(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "init", fskv_init },      { "set", fskv_set },
        { "get", fskv_get },        { "sett", fskv_sett },
        { "del", fskv_del },        { "clr", fskv_clear },
        { "clear", fskv_clear },    { "stat", fskv_status },
        { "status", fskv_status },  { "iter", fskv_iter },
        { "next", fskv_next },      { "kvdb_init", fskv_init },
        { "kv_set", fskv_set },     { "kv_get", fskv_get },
        { "kv_del", fskv_del },     { "kv_clr", fskv_clear },
        { "kv_stat", fskv_status }, { "kv_iter", fskv_iter },
        { "kv_next", fskv_next },   { NULL, NULL },
    };

    luaL_newlib(L, functions);
    lua_pushvalue(L, -1); /* fdb is what it was called before */
    lua_setglobal(L, "fdb");
    return 1;
}
