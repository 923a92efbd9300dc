/*
 * fs: LuatOS's older library of the file system; its results are numbers, 0 or negative. io has
 * the same with booleans.
 */
#include "luabind/fs.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "emu/vfs.h"
#include "luabind/lib.h"
#include "luabind/vm.h"

#define FLASH_BLOCK 4096
#define LUADB_BLOCK 512

static struct vfs *vfs_of(lua_State *L)
{
    return vm_of(L)->config.vfs;
}

static uint64_t blocks(uint64_t bytes, uint64_t block)
{
    return (bytes + block - 1) / block;
}

/* Bytes of the files of /luadb; -1: @path does not lie there. */
static int64_t luadb_used(struct vfs *vfs, const char *path)
{
    struct vfs_stat st;
    const char *name;
    uint64_t used = 0;

    while (*path == '/')
        path++;
    if (strncmp(path, "luadb", 5) != 0 || (path[5] && path[5] != '/'))
        return -1;
    for (size_t i = 0; vfs_list(vfs, FS_LUADB, i, &name, &st) == 1; i++)
        used += st.size;
    return (int64_t)used;
}

static int push_stat(lua_State *L, uint64_t total, uint64_t used, lua_Integer block,
                     const char *type)
{
    lua_pushboolean(L, true);
    lua_pushinteger(L, (lua_Integer)total);
    lua_pushinteger(L, (lua_Integer)(used < total ? used : total));
    lua_pushinteger(L, block);
    lua_pushstring(L, type);
    return 5;
}

int fs_stat(lua_State *L)
{
    const char *path = luaL_optstring(L, 1, "/");
    int64_t luadb = luadb_used(vfs_of(L), path);
    uint64_t used;

    if (luadb >= 0) { /* as large as what is in it */
        used = blocks((uint64_t)luadb, LUADB_BLOCK);
        return push_stat(L, used, used, LUADB_BLOCK, FS_LUADB_TYPE);
    }
    used = blocks(vfs_used(vfs_of(L)), FLASH_BLOCK);
    return push_stat(L, VFS_FLASH_SIZE / FLASH_BLOCK, used, FLASH_BLOCK, FS_FLASH_TYPE);
}

/* Folders as deep as a path can be are walked without recursion: down to the first empty one. */
int fs_format(lua_State *L, const char *path)
{
    struct vfs *vfs = vfs_of(L);
    char at[VFS_PATH_MAX + 1];
    struct vfs_stat st;
    const char *name;
    size_t len = 0;
    int rc;

    if (*path && strcmp(path, "/") != 0)
        return -ENODEV;
    at[0] = '\0';
    for (;;) {
        rc = vfs_list(vfs, len ? at : "/", 0, &name, &st);
        if (rc < 0)
            return rc;
        if (rc == 0 && !len)
            return 0;
        if (rc == 0) { /* an empty folder: remove it, start again from above it */
            rc = vfs_rmdir(vfs, at);
            len = 0;
        } else {
            len += (size_t)snprintf(at + len, sizeof(at) - len, "/%s", name);
            if (!st.is_folder) {
                rc = vfs_remove(vfs, at);
                len = 0;
            }
        }
        if (rc < 0)
            return rc;
        at[len] = '\0';
    }
}

static int fs_fsize(lua_State *L)
{
    struct vfs_stat st;
    bool is_file = vfs_stat(vfs_of(L), luaL_checkstring(L, 1), &st) == 0 && !st.is_folder;

    lua_pushinteger(L, is_file ? (lua_Integer)st.size : 0);
    return 1;
}

static int fs_mkdir(lua_State *L)
{
    lua_pushinteger(L, vfs_mkdir(vfs_of(L), luaL_checkstring(L, 1)));
    return 1;
}

static int fs_rmdir(lua_State *L)
{
    lua_pushinteger(L, vfs_rmdir(vfs_of(L), luaL_checkstring(L, 1)));
    return 1;
}

static int fs_mkfs(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);

    (void)luaL_checkstring(L, 2); /* the type, which is fixed here */
    lua_pushinteger(L, fs_format(L, path));
    return 1;
}

/* The emulated module has no second memory: what would be mounted is not there. */
static int fs_mount(lua_State *L)
{
    const char *bus = luaL_checkstring(L, 1);

    (void)luaL_checkstring(L, 2);
    warn_script(L, "fs.mount: there is no \"%s\" on this module", bus);
    lua_pushinteger(L, -ENODEV);
    return 1;
}

static int fs_umount(lua_State *L)
{
    (void)luaL_checkstring(L, 1);
    lua_pushinteger(L, -ENODEV);
    return 1;
}

int luaopen_fs(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "fsstat", fs_stat },   { "fsize", fs_fsize }, { "mkdir", fs_mkdir },
        { "rmdir", fs_rmdir },   { "mkfs", fs_mkfs },   { "mount", fs_mount },
        { "umount", fs_umount }, { NULL, NULL },
    };

    luaL_newlib(L, functions);
    return 1;
}
