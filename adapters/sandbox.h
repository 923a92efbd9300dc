/*
 * sandbox: which files the process that runs the script can reach at all.
 *
 * The module's file system (emu/vfs.h) hands out nothing but the files of the command line. This
 * holds where that fails: by Landlock (landlock(7), Linux 5.13) the kernel refuses to open anything
 * else. It is for good and needs no privilege. Descriptors that are open already stay usable, and
 * so do the module's own files, which lie in memory.
 */
#pragma once

#include <stddef.h>

#define SANDBOX_WHY_MAX 384

enum sandbox_use {
    SANDBOX_USE_READ,
    SANDBOX_USE_WRITE,  /* and read */
    SANDBOX_USE_REMOVE, /* files of a folder, and nothing else */
};

struct sandbox_path {
    const char *path; /* a file, or a folder with all below it; one that is not there is left out */
    enum sandbox_use use;
};

/* Version of the kernel's Landlock; 0: it has none. */
int sandbox_version(void);

/*
 * Reach only @paths from now on. 0 or -errno, with @why for people; -EOPNOTSUPP: the kernel can't.
 * The process must have no_new_privs.
 */
int sandbox_enter(const struct sandbox_path paths[], size_t count, char why[SANDBOX_WHY_MAX]);
