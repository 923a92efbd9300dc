/*
 * vm: one Lua state, the script in it, and how it ends.
 *
 * A run ends in one of four ways: an error nobody caught, main.lua returning without sys.run(),
 * nothing left to do, or a stop: os.exit, a signal, the time limit. A stop unwinds the script by
 * an error that no pcall keeps: every Lua function on the way raises it again.
 */
#pragma once

#include <lua.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "luabind/chip.h"
#include "luabind/heap.h"

struct device;
struct vfs;

#define VM_WHERE_MAX        512
#define VM_SCRIPT_SIZE_MAX  (16 * 1024 * 1024)
#define VM_REQUIRE_PATHS    4  /* rtos.setPaths; LuatOS loadlib.c:113-143 */
#define VM_REQUIRE_PATH_MAX 24 /* of such a template, with its end */

struct vm_config {
    struct device *device;
    struct vfs *vfs;
    const char *script;  /* host path, as typed: also the name in error messages */
    uint64_t timeout_us; /* of virtual time; 0: none. (Of real time: vm_interrupt) */
    bool gc_stress;      /* collect at every chance */
    bool keep_running;   /* --exit-on never: wait although nothing can come any more */

    /* Stop the script with vm_interrupt() when it has burnt so much CPU time from now. May be NULL. */
    void (*limit_cpu)(uint64_t us);
};

/* A Lua thread that is running, or has resumed one that is. */
struct vm_running {
    lua_State *L;
    struct vm_running *resumed_by;
};

struct script_timer;

struct vm {
    lua_State *L;
    struct vm_config config;
    struct heap heap;
    struct vm_running *running; /* innermost */

    volatile sig_atomic_t is_stopping;
    volatile sig_atomic_t stop_code;
    volatile sig_atomic_t was_interrupted; /* not by the script itself */
    char where[VM_WHERE_MAX];              /* the script's place when it was stopped */
    bool was_waiting;                      /* in a binding, when it was stopped */

    struct script_timer **timers; /* hash by id; rtos.c */
    size_t timers_buckets, timers_count;
    bool warned_timers, warned_messages;
    uint32_t told_stand_ins; /* bits: enum stand_in */
    struct chip chip;

    const void *netc_metatable, *zbuff_metatable; /* the registry keeps them */
    lua_CFunction print, tostring;                /* the globals of these names at start */

    char require_paths[VM_REQUIRE_PATHS][VM_REQUIRE_PATH_MAX];
    int script_log_level; /* log.setLevel */
    int script_log_style;
    uint64_t cwait_id;
    uint8_t rx_cache;      /* socket.rx_cache */
    int timezone_quarters; /* rtc.timezone, in 15 minutes */
};

/* 0 or -errno. */
int vm_open(struct vm *vm, const struct vm_config *config);
void vm_close(struct vm *vm);

/* Run the script to its end; an enum exit_code, or os.exit's number. */
int vm_run(struct vm *vm);

/* Stop the script as soon as it can be. May be called from a signal handler. */
void vm_interrupt(struct vm *vm, int code);

/* The same, without a word about it: who calls has said why. Not from a signal handler. */
void vm_end(struct vm *vm, int code);

/* From a binding: stop the script; does not return. */
int vm_stop(lua_State *L, int code);

/* From a binding that has waited: stop if that was asked for meanwhile. */
void vm_check_stop(lua_State *L);

struct vm *vm_of(lua_State *L);

/* The loaded form of chunk @path of the module's file system, on the stack; false: not there. */
bool vm_load_file(lua_State *L, const char *path);
