/* fs: what the libraries fs and io both offer. */
#pragma once

#include <lua.h>

#define FS_FLASH_TYPE "lfs"
#define FS_LUADB_TYPE "luadb"
#define FS_LUADB      "/luadb/"

/* fsstat([path]): true, blocks, blocks in use, bytes of a block, type; or false. */
int fs_stat(lua_State *L);

/* Remove everything from the file system at @path, "/" at the moment. 0 or -errno. */
int fs_format(lua_State *L, const char *path);
