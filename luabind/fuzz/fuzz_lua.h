/*
 * fuzz_lua: a Lua state for fuzz targets, and the little of a VM that libraries look for.
 *
 * Its memory comes from malloc(), where AddressSanitizer sees every step beyond a block, and is
 * bounded. What libraries log goes nowhere.
 */
#pragma once

#include <lua.h>
#include <stddef.h>

#include "emu/device.h"
#include "luabind/vm.h"

#define FUZZ_LUA_MEMORY ((size_t)64 * 1024 * 1024)

struct fuzz_lua {
    lua_State *L;
    struct vm vm;
    struct device device;
    size_t used;
};

/* A state with one library, as the global @name. */
void fuzz_lua_open(struct fuzz_lua *fuzz, const char *name, lua_CFunction open);
void fuzz_lua_close(struct fuzz_lua *fuzz);

/* The function below @args arguments, protected; true when it did not raise. Its results stay. */
bool fuzz_lua_call(struct fuzz_lua *fuzz, int args);
