/* hmeta: what the module is. LuatOS luat_lib_hmeta.c; the values are the board's. */
#include <lauxlib.h>

#include "emu/board.h"
#include "emu/device.h"
#include "luabind/lib.h"
#include "luabind/stand_in.h"
#include "luabind/vm.h"

/* A text of the board's; nil where it has none. */
static int push_fact(lua_State *L, size_t offset)
{
    const struct board *board = vm_of(L)->config.device->board;
    const char *text = board ? (const char *)&board->facts + offset : "";

    stand_in(L, STAND_IN_HMETA);
    if (*text) {
        lua_pushstring(L, text);
    } else {
        lua_pushnil(L);
    }
    return 1;
}

static int hmeta_model(lua_State *L)
{
    return push_fact(L, offsetof(struct board_facts, model));
}

static int hmeta_hwver(lua_State *L)
{
    return push_fact(L, offsetof(struct board_facts, hwver));
}

static int hmeta_chip(lua_State *L)
{
    return push_fact(L, offsetof(struct board_facts, chip));
}

/* As on a module, where these are not written yet. */
static int hmeta_nothing(lua_State *L)
{
    (void)L;
    return 0;
}

int luaopen_hmeta(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "model", hmeta_model },  { "hwver", hmeta_hwver },  { "chip", hmeta_chip },
        { "gpio", hmeta_nothing }, { "uart", hmeta_nothing }, { NULL, NULL },
    };

    luaL_newlib(L, functions);
    return 1;
}
