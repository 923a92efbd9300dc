/*
 * vfs: the module's file system.
 *
 *   /luadb/NAME   read-only: the files and folders of the command line, flattened to their base
 *                 names as LuatOS's packing does, the files beside the script, and what the emulator
 *                 itself puts there
 *   anything else the module's flash: empty at start, kept in memory, gone at the end
 *
 * Nothing else of the host can be reached. Paths are the script's: "/" and no "/" at the front mean
 * the same, "." and ".." are resolved inside. Every int result is 0 or more, or -errno.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define VFS_PATH_MAX   256               /* a script's path, with its end */
#define VFS_FILES_MAX  4096              /* files and folders, in luadb and in flash each */
#define VFS_DEPTH_MAX  8                 /* folders below one named on the command line */
#define VFS_FLASH_SIZE (4 * 1024 * 1024) /* what io.fsstat reports; not enforced */

struct vfs;

struct vfs *vfs_new(void);
void vfs_free(struct vfs *vfs);

/* Put a host file into /luadb under @name; a name that is there already stays. -ENOSPC: full. */
int vfs_add_file(struct vfs *vfs, const char *name, const char *host_path);

/*
 * Put every file of a host folder, and of the folders below it, into /luadb. When that fails,
 * @refused is the folder that it failed at.
 */
int vfs_add_folder(struct vfs *vfs, const char *host_path, char refused[PATH_MAX]);

/* Put a file of @len bytes there that the host does not have. Likewise, also of the script's folder. */
int vfs_add_text(struct vfs *vfs, const char *name, const char *text, size_t len);

/* Where files that are in /luadb under no name are looked for: the script's folder. */
void vfs_set_siblings(struct vfs *vfs, const char *host_folder);

/* Host path of a file of /luadb, NULL when there is none: for messages, and for loading scripts. */
const char *vfs_host_path(struct vfs *vfs, const char *path, char found[], size_t found_cap);

/* A descriptor of its own; @flags as for open(2). The caller closes it. */
int vfs_open(struct vfs *vfs, const char *path, int flags);

struct vfs_stat {
    bool is_folder;
    uint64_t size;
};

int vfs_stat(struct vfs *vfs, const char *path, struct vfs_stat *out);
int vfs_remove(struct vfs *vfs, const char *path); /* a file */
int vfs_rename(struct vfs *vfs, const char *from, const char *to);
int vfs_mkdir(struct vfs *vfs, const char *path);
int vfs_rmdir(struct vfs *vfs, const char *path); /* -ENOTEMPTY */

/* Bytes that flash files take. */
uint64_t vfs_used(const struct vfs *vfs);

/*
 * The @index'th entry of the folder @path, by name. 1: there is one, 0: there is not, or -errno.
 * @name is valid until the next change.
 */
int vfs_list(struct vfs *vfs, const char *path, size_t index, const char **name,
             struct vfs_stat *out);
