#include "luabind/fuzz/fuzz_lua.h"

#include <assert.h>
#include <lauxlib.h>
#include <stdlib.h>

static void *alloc(void *ud, void *ptr, size_t old_size, size_t new_size)
{
    struct fuzz_lua *fuzz = ud;
    void *to;

    if (!ptr)
        old_size = 0; /* then it is the kind of a new object */
    if (!new_size) {
        free(ptr);
        fuzz->used -= old_size;
        return NULL;
    }
    if (new_size > old_size && new_size - old_size > FUZZ_LUA_MEMORY - fuzz->used)
        return NULL;
    to = realloc(ptr, new_size);
    if (to)
        fuzz->used = fuzz->used - old_size + new_size;
    return to;
}

void fuzz_lua_open(struct fuzz_lua *fuzz, const char *name, lua_CFunction open)
{
    const struct log_config log = {
        .clock = &fuzz->device.clock,
        .trace = &fuzz->device.trace,
        .module_fd = -1,
        .voice_fd = -1,
        .level = LOG_LEVEL_DEBUG,
    };

    *fuzz = (struct fuzz_lua){ .vm.config.device = &fuzz->device };
    vclock_init(&fuzz->device.clock, VCLOCK_MODE_VIRTUAL);
    trace_init(&fuzz->device.trace, &fuzz->device.clock, -1);
    log_init(&fuzz->device.log, &log);
    fuzz->L = lua_newstate(alloc, fuzz);
    assert(fuzz->L);
    *(struct vm **)lua_getextraspace(fuzz->L) = &fuzz->vm;
    luaL_requiref(fuzz->L, name, open, 1);
    lua_settop(fuzz->L, 0);
}

void fuzz_lua_close(struct fuzz_lua *fuzz)
{
    lua_close(fuzz->L);
    assert(fuzz->used == 0);
}

bool fuzz_lua_call(struct fuzz_lua *fuzz, int args)
{
    return lua_pcall(fuzz->L, args, LUA_MULTRET, 0) == LUA_OK;
}
