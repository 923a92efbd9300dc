/* corelib: our own Lua (scripts/corelib), compiled into the program. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define CORELIB_FOLDER "/lua/" /* where a module's firmware keeps its own scripts */

struct corelib_file {
    const char *name;  /* "sys" */
    const char *chunk; /* compiled */
    size_t len;
};

/* Generated from scripts/corelib by tools/compile_corelib.c; ends with a row of NULL. */
extern const struct corelib_file corelib_files[];

/* NULL when there is none of that name. */
const struct corelib_file *corelib_find(const char *name);

/* Is @source (lua_Debug) the chunk name of one of them? */
bool corelib_is_chunk(const char *source);
