/* What a script may do with the module's files, by any paths. */
#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emu/buf.h"
#include "emu/fuzz/fuzz.h"
#include "emu/vfs.h"

#define STEPS_MAX 64

enum op {
    OP_OPEN,
    OP_CREATE,
    OP_STAT,
    OP_REMOVE,
    OP_RENAME,
    OP_MKDIR,
    OP_RMDIR,
    OP_LIST,
    OP_COUNT
};

/* A length and so many bytes; a NUL in them ends the path earlier. */
static void take_path(struct reader *r, char path[UINT8_MAX + 1])
{
    size_t len = reader_u8(r), left = reader_left(r);
    const uint8_t *bytes;

    len = len < left ? len : left;
    bytes = reader_bytes(r, len);
    if (len)
        memcpy(path, bytes, len);
    path[len] = '\0';
}

/* Files of the flash are memory: they have no name on the host. */
static void check_and_close(int fd)
{
    struct stat st;

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0)
        assert(st.st_nlink == 0);
    close(fd);
}

static void check_list(struct vfs *vfs, const char *path)
{
    struct vfs_stat st;
    const char *name;

    for (size_t i = 0; vfs_list(vfs, path, i, &name, &st) == 1; i++)
        assert(*name && !strchr(name, '/'));
}

static void step(struct vfs *vfs, struct reader *r)
{
    enum op op = (enum op)(reader_u8(r) % OP_COUNT);
    char path[UINT8_MAX + 1], to[UINT8_MAX + 1];
    struct vfs_stat st;

    take_path(r, path);
    switch (op) {
    case OP_OPEN:
        check_and_close(vfs_open(vfs, path, O_RDONLY));
        break;
    case OP_CREATE:
        check_and_close(vfs_open(vfs, path, O_RDWR | O_CREAT | O_TRUNC));
        break;
    case OP_STAT:
        (void)vfs_stat(vfs, path, &st);
        break;
    case OP_REMOVE:
        (void)vfs_remove(vfs, path);
        break;
    case OP_RENAME:
        take_path(r, to);
        (void)vfs_rename(vfs, path, to);
        break;
    case OP_MKDIR:
        (void)vfs_mkdir(vfs, path);
        break;
    case OP_RMDIR:
        (void)vfs_rmdir(vfs, path);
        break;
    case OP_LIST:
    case OP_COUNT:
        check_list(vfs, path);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vfs *vfs = vfs_new();
    struct reader r;

    reader_init(&r, data, size);
    for (int i = 0; i < STEPS_MAX && reader_left(&r); i++)
        step(vfs, &r);
    check_list(vfs, "/");
    vfs_free(vfs);
    return 0;
}
