/* call: the one door from C into Lua functions. */
#pragma once

#include <lua.h>

/*
 * A callback of the script, with @args arguments above it on the stack; results are dropped. It
 * runs in the main coroutine and unprotected, as on a module: an error ends the VM.
 */
void call_script(lua_State *L, int args);

/*
 * The same, protected, with a traceback in the message. LUA_OK, or the message is on the stack.
 */
int call_protected(lua_State *L, int args);
