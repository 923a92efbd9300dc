#include "emu/vfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emu/fdio.h"
#include "emu/util.h"

#define LUADB       "luadb/"
#define LUADB_LEN   (sizeof(LUADB) - 1)
#define FOLDER      (-1) /* in place of a flash file's descriptor */
#define PROC_FD_MAX 32

/* Entries of each list are ordered by name. */
struct entry {
    char *name; /* luadb: base name; flash: path without the leading slash */
    char *host; /* luadb only */
    int fd;     /* flash: a memfd, or FOLDER. luadb: that of a text, or FOLDER */
};

struct entries {
    struct entry *at;
    size_t count, cap;
};

struct vfs {
    struct entries luadb, flash;
    char *siblings; /* host folder; NULL: none */
};

struct vfs *vfs_new(void)
{
    return xcalloc(1, sizeof(struct vfs));
}

static void entry_fini(struct entry *entry)
{
    if (entry->fd != FOLDER)
        close(entry->fd);
    free(entry->name);
    free(entry->host);
}

static void entries_fini(struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        entry_fini(&entries->at[i]);
    free(entries->at);
}

void vfs_free(struct vfs *vfs)
{
    entries_fini(&vfs->luadb);
    entries_fini(&vfs->flash);
    free(vfs->siblings);
    free(vfs);
}

/* Index of the first entry that is not before @name. */
static size_t lower_bound(const struct entries *entries, const char *name)
{
    size_t low = 0, high = entries->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (strcmp(entries->at[middle].name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct entry *find(const struct entries *entries, const char *name)
{
    size_t i = lower_bound(entries, name);

    if (i == entries->count || strcmp(entries->at[i].name, name) != 0)
        return NULL;
    return &entries->at[i];
}

/* @name is copied, @host is taken over. */
/* NOLINTNEXTLINE(readability-non-const-parameter): it becomes the entry's */
static int insert(struct entries *entries, const char *name, char *host, int fd)
{
    size_t i = lower_bound(entries, name);

    if (entries->count == VFS_FILES_MAX)
        return -ENOSPC;
    if (entries->count == entries->cap) {
        entries->cap = entries->cap ? entries->cap * 2 : 16;
        entries->at = xrealloc(entries->at, entries->cap * sizeof(*entries->at));
    }
    memmove(&entries->at[i + 1], &entries->at[i], (entries->count - i) * sizeof(*entries->at));
    entries->at[i] = (struct entry){ .name = xstrdup(name), .host = host, .fd = fd };
    entries->count++;
    return 0;
}

static void erase(struct entries *entries, struct entry *entry)
{
    size_t i = (size_t)(entry - entries->at);

    entry_fini(entry);
    entries->count--;
    memmove(&entries->at[i], &entries->at[i + 1], (entries->count - i) * sizeof(*entries->at));
}

/* ---- the command line's files ------------------------------------------------------------- */

int vfs_add_file(struct vfs *vfs, const char *name, const char *host_path)
{
    char *host;
    int rc;

    if (find(&vfs->luadb, name))
        return 0;
    host = xstrdup(host_path);
    rc = insert(&vfs->luadb, name, host, FOLDER);
    if (rc < 0)
        free(host);
    return rc;
}

static void name_descriptor(int fd, char path[PROC_FD_MAX])
{
    (void)snprintf(path, PROC_FD_MAX, "/proc/self/fd/%d", fd);
}

/* @name is in the script's folder. */
static bool is_sibling(const struct vfs *vfs, const char *name)
{
    char path[PATH_MAX];

    return vfs->siblings &&
           snprintf(path, sizeof(path), "%s%s", vfs->siblings, name) < (int)sizeof(path) &&
           access(path, F_OK) == 0;
}

int vfs_add_text(struct vfs *vfs, const char *name, const char *text, size_t len)
{
    char host[PROC_FD_MAX];
    int fd, rc = -EIO;

    if (find(&vfs->luadb, name) || is_sibling(vfs, name))
        return 0;
    fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    name_descriptor(fd, host);
    if (fd_write_all(fd, text, len)) {
        char *copy = xstrdup(host);

        rc = insert(&vfs->luadb, name, copy, fd);
        if (rc < 0)
            free(copy);
    }
    if (rc < 0)
        close(fd);
    return rc;
}

/* @refused: the folder that can't be read, when one can't. */
static int add_folder(struct vfs *vfs, const char *host_path, int depth, char refused[PATH_MAX])
{
    struct dirent **names;
    int count = scandir(host_path, &names, NULL, alphasort);
    int rc = count < 0 ? -errno : 0;

    if (rc < 0)
        (void)snprintf(refused, PATH_MAX, "%s", host_path);
    for (int i = 0; i < count; i++) {
        char path[PATH_MAX];
        struct stat st;

        if (rc == 0 && names[i]->d_name[0] != '.' &&
            snprintf(path, sizeof(path), "%s/%s", host_path, names[i]->d_name) <
                (int)sizeof(path) &&
            stat(path, &st) == 0) {
            if (S_ISREG(st.st_mode)) {
                rc = vfs_add_file(vfs, names[i]->d_name, path);
            } else if (S_ISDIR(st.st_mode) && depth < VFS_DEPTH_MAX) {
                rc = add_folder(vfs, path, depth + 1, refused);
            }
        }
        free(names[i]);
    }
    if (count >= 0)
        free(names);
    return rc;
}

int vfs_add_folder(struct vfs *vfs, const char *host_path, char refused[PATH_MAX])
{
    (void)snprintf(refused, PATH_MAX, "%s", host_path);
    return add_folder(vfs, host_path, 0, refused);
}

void vfs_set_siblings(struct vfs *vfs, const char *host_folder)
{
    free(vfs->siblings);
    vfs->siblings = xstrdup(host_folder);
}

/* ---- paths ------------------------------------------------------------------------------------ */

/* "/a//b/../c" becomes "a/c"; the root becomes "". */
static int normalize(const char *path, char out[VFS_PATH_MAX])
{
    size_t len = 0;

    while (*path) {
        size_t part = strcspn(path, "/");

        if (part == 2 && path[0] == '.' && path[1] == '.') {
            while (len && out[--len] != '/')
                ;
        } else if (part && !(part == 1 && path[0] == '.')) {
            if (len + 1 + part + 1 > VFS_PATH_MAX)
                return -ENAMETOOLONG;
            if (len)
                out[len++] = '/';
            memcpy(out + len, path, part);
            len += part;
        }
        path += part;
        path += *path == '/';
    }
    out[len] = '\0';
    return 0;
}

static bool in_luadb(const char *path)
{
    return strncmp(path, LUADB, LUADB_LEN) == 0 || strcmp(path, "luadb") == 0;
}

static const char *find_luadb(struct vfs *vfs, const char *path, char found[], size_t found_cap)
{
    const char *name = path + LUADB_LEN;
    const struct entry *entry;
    struct stat st;

    if (strlen(path) <= LUADB_LEN || strchr(name, '/'))
        return NULL;
    entry = find(&vfs->luadb, name);
    if (entry)
        return entry->host;
    if (!vfs->siblings)
        return NULL;
    if (snprintf(found, found_cap, "%s%s", vfs->siblings, name) >= (int)found_cap)
        return NULL;
    return stat(found, &st) == 0 && S_ISREG(st.st_mode) ? found : NULL;
}

const char *vfs_host_path(struct vfs *vfs, const char *path, char found[], size_t found_cap)
{
    char clean[VFS_PATH_MAX];

    if (normalize(path, clean) < 0 || !in_luadb(clean))
        return NULL;
    return find_luadb(vfs, clean, found, found_cap);
}

/* The folder in which @clean would lie exists. */
static bool has_parent(const struct vfs *vfs, const char *clean)
{
    const char *slash = strrchr(clean, '/');
    char parent[VFS_PATH_MAX];
    const struct entry *entry;

    if (!slash)
        return true;
    memcpy(parent, clean, (size_t)(slash - clean));
    parent[slash - clean] = '\0';
    entry = find(&vfs->flash, parent);
    return entry && entry->fd == FOLDER;
}

/* ---- files ---------------------------------------------------------------------------------- */

static int create(struct vfs *vfs, const char *clean)
{
    int fd, rc;

    if (!*clean)
        return -EISDIR;
    if (!has_parent(vfs, clean))
        return -ENOENT;
    fd = memfd_create("flash", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    rc = insert(&vfs->flash, clean, NULL, fd);
    if (rc < 0)
        close(fd);
    return rc;
}

/* A second description of the same memory: its own position and mode. */
static int reopen(int fd, int flags)
{
    char path[PROC_FD_MAX];
    int again;

    name_descriptor(fd, path);
    again = open(path, (flags & ~(O_CREAT | O_EXCL)) | O_CLOEXEC);
    return again < 0 ? -errno : again;
}

static int open_flash(struct vfs *vfs, const char *clean, int flags)
{
    const struct entry *entry = find(&vfs->flash, clean);
    int rc;

    if (entry && entry->fd == FOLDER)
        return -EISDIR;
    if (!entry) {
        if (!(flags & O_CREAT))
            return *clean ? -ENOENT : -EISDIR;
        rc = create(vfs, clean);
        if (rc < 0)
            return rc;
        entry = find(&vfs->flash, clean);
    }
    return reopen(entry->fd, flags);
}

int vfs_open(struct vfs *vfs, const char *path, int flags)
{
    char clean[VFS_PATH_MAX], found[PATH_MAX];
    const char *host;
    int fd, rc = normalize(path, clean);

    if (rc < 0)
        return rc;
    if (!in_luadb(clean))
        return open_flash(vfs, clean, flags);
    if ((flags & O_ACCMODE) != O_RDONLY)
        return -EROFS;
    host = find_luadb(vfs, clean, found, sizeof(found));
    if (!host)
        return -ENOENT;
    fd = open(host, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hold us */
    return fd < 0 ? -errno : fd;
}

static int stat_luadb(struct vfs *vfs, const char *clean, struct vfs_stat *out)
{
    char found[PATH_MAX];
    const char *host = find_luadb(vfs, clean, found, sizeof(found));
    struct stat st;

    *out = (struct vfs_stat){ .is_folder = strlen(clean) <= LUADB_LEN };
    if (out->is_folder)
        return 0;
    if (!host || stat(host, &st) < 0)
        return -ENOENT;
    out->size = (uint64_t)st.st_size;
    return 0;
}

static void stat_entry(const struct entry *entry, struct vfs_stat *out)
{
    struct stat st = { 0 };

    *out = (struct vfs_stat){ .is_folder = entry->fd == FOLDER };
    if (!out->is_folder && fstat(entry->fd, &st) == 0)
        out->size = (uint64_t)st.st_size;
}

int vfs_stat(struct vfs *vfs, const char *path, struct vfs_stat *out)
{
    char clean[VFS_PATH_MAX];
    const struct entry *entry;
    int rc = normalize(path, clean);

    if (rc < 0)
        return rc;
    if (in_luadb(clean))
        return stat_luadb(vfs, clean, out);
    if (!*clean) {
        *out = (struct vfs_stat){ .is_folder = true };
        return 0;
    }
    entry = find(&vfs->flash, clean);
    if (!entry)
        return -ENOENT;
    stat_entry(entry, out);
    return 0;
}

/* The flash entry of @path, to be changed; @clean holds its name. */
static int find_to_change(struct vfs *vfs, const char *path, char clean[VFS_PATH_MAX],
                          struct entry **entry)
{
    int rc = normalize(path, clean);

    if (rc < 0)
        return rc;
    if (in_luadb(clean))
        return -EROFS;
    *entry = find(&vfs->flash, clean);
    return *entry ? 0 : -ENOENT;
}

int vfs_remove(struct vfs *vfs, const char *path)
{
    char clean[VFS_PATH_MAX];
    struct entry *entry;
    int rc = find_to_change(vfs, path, clean, &entry);

    if (rc < 0)
        return rc;
    if (entry->fd == FOLDER)
        return -EISDIR;
    erase(&vfs->flash, entry);
    return 0;
}

int vfs_rename(struct vfs *vfs, const char *from, const char *to)
{
    char clean[VFS_PATH_MAX], target[VFS_PATH_MAX];
    struct entry *entry, *old;
    int rc = find_to_change(vfs, from, clean, &entry);
    int fd;

    if (rc < 0)
        return rc;
    if (entry->fd == FOLDER)
        return -EISDIR;
    rc = find_to_change(vfs, to, target, &old);
    if (rc < 0 && rc != -ENOENT)
        return rc;
    if (!*target || !has_parent(vfs, target))
        return -ENOENT;
    if (strcmp(clean, target) == 0)
        return 0;
    if (rc == 0 && old->fd == FOLDER)
        return -EISDIR;
    fd = fcntl(entry->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (rc == 0)
        erase(&vfs->flash, old);
    erase(&vfs->flash, find(&vfs->flash, clean)); /* not @entry: the first erase() moved it */
    return insert(&vfs->flash, target, NULL, fd); /* there is room: one was taken out */
}

int vfs_mkdir(struct vfs *vfs, const char *path)
{
    char clean[VFS_PATH_MAX];
    struct entry *entry;
    int rc = find_to_change(vfs, path, clean, &entry);

    if (rc == 0 || !*clean)
        return -EEXIST;
    if (rc != -ENOENT)
        return rc;
    if (!has_parent(vfs, clean))
        return -ENOENT;
    return insert(&vfs->flash, clean, NULL, FOLDER);
}

int vfs_rmdir(struct vfs *vfs, const char *path)
{
    char clean[VFS_PATH_MAX];
    struct entry *entry;
    const char *name;
    struct vfs_stat st;
    int rc = find_to_change(vfs, path, clean, &entry);

    if (rc < 0)
        return rc;
    if (entry->fd != FOLDER)
        return -ENOTDIR;
    if (vfs_list(vfs, path, 0, &name, &st) == 1)
        return -ENOTEMPTY;
    erase(&vfs->flash, entry);
    return 0;
}

uint64_t vfs_used(const struct vfs *vfs)
{
    uint64_t used = 0;

    for (size_t i = 0; i < vfs->flash.count; i++) {
        struct vfs_stat st;

        stat_entry(&vfs->flash.at[i], &st);
        used += st.size;
    }
    return used;
}

static int list_luadb(struct vfs *vfs, size_t index, const char **name, struct vfs_stat *out)
{
    struct stat st = { 0 };

    if (index >= vfs->luadb.count)
        return 0;
    *name = vfs->luadb.at[index].name;
    (void)stat(vfs->luadb.at[index].host, &st);
    *out = (struct vfs_stat){ .size = (uint64_t)st.st_size };
    return 1;
}

int vfs_list(struct vfs *vfs, const char *path, size_t index, const char **name,
             struct vfs_stat *out)
{
    char clean[VFS_PATH_MAX];
    struct vfs_stat st;
    size_t prefix;
    int rc = vfs_stat(vfs, path, &st);

    if (rc < 0)
        return rc;
    if (!st.is_folder)
        return -ENOTDIR;
    (void)normalize(path, clean);
    if (in_luadb(clean))
        return list_luadb(vfs, index, name, out);
    prefix = strlen(clean);
    for (size_t i = 0; i < vfs->flash.count; i++) {
        const struct entry *entry = &vfs->flash.at[i];
        const char *rest = entry->name;

        if (prefix) {
            if (strncmp(rest, clean, prefix) != 0 || rest[prefix] != '/')
                continue;
            rest += prefix + 1;
        }
        if (strchr(rest, '/') || index--)
            continue;
        *name = rest;
        stat_entry(entry, out);
        return 1;
    }
    return 0;
}
