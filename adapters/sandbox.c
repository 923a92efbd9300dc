#include "adapters/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What newer kernels know and Debian 12's <linux/landlock.h> does not: landlock(7). */
#define ACCESS_REFER     (UINT64_C(1) << 13) /* version 2 */
#define ACCESS_TRUNCATE  (UINT64_C(1) << 14) /* version 3 */
#define ACCESS_IOCTL_DEV (UINT64_C(1) << 15) /* version 5 */

#define READS      (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FILE_READ  LANDLOCK_ACCESS_FS_READ_FILE
#define FILE_WRITE (LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE | ACCESS_IOCTL_DEV)
#define VERSION_1 \
    (((UINT64_C(1) << 13) - 1)) /* LANDLOCK_ACCESS_FS_EXECUTE to LANDLOCK_ACCESS_FS_MAKE_SYM */

int sandbox_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    return version > 0 ? (int)version : 0;
}

/* All kinds of access that the kernel can refuse. */
static uint64_t known_to(int version)
{
    return VERSION_1 | (version >= 2 ? ACCESS_REFER : 0) | (version >= 3 ? ACCESS_TRUNCATE : 0) |
           (version >= 5 ? ACCESS_IOCTL_DEV : 0);
}

static uint64_t access_of(enum sandbox_use use, bool is_folder)
{
    uint64_t reads = is_folder ? READS : FILE_READ;

    switch (use) {
    case SANDBOX_USE_READ:
        return reads;
    case SANDBOX_USE_WRITE:
        return reads | FILE_WRITE;
    case SANDBOX_USE_REMOVE:
        return LANDLOCK_ACCESS_FS_REMOVE_FILE;
    }
    return 0;
}

/* 0 or -errno. */
static int allow(int ruleset, const struct sandbox_path *path, uint64_t known)
{
    struct landlock_path_beneath_attr rule = {
        .parent_fd = open(path->path, O_PATH | O_CLOEXEC),
    };
    struct stat st;
    int rc = 0;

    if (rule.parent_fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
    if (fstat(rule.parent_fd, &st) < 0) {
        rc = -errno;
    } else {
        rule.allowed_access = access_of(path->use, S_ISDIR(st.st_mode)) & known;
        if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
            rc = -errno;
    }
    close(rule.parent_fd);
    return rc;
}

int sandbox_enter(const struct sandbox_path paths[], size_t count, char why[SANDBOX_WHY_MAX])
{
    const uint64_t known = known_to(sandbox_version());
    const struct landlock_ruleset_attr attr = { .handled_access_fs = known };
    int ruleset, rc = 0;

    if (!sandbox_version()) {
        (void)snprintf(why, SANDBOX_WHY_MAX,
                       "this kernel has no Landlock: Linux 5.13 or newer, with landlock among "
                       "the lsm= of its command line");
        return -EOPNOTSUPP;
    }
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
    if (ruleset < 0)
        rc = -errno;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = allow(ruleset, &paths[i], known);
    if (rc == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        rc = -errno;
    if (ruleset >= 0)
        close(ruleset);
    if (rc < 0)
        (void)snprintf(why, SANDBOX_WHY_MAX, "Landlock refuses: %s", strerror(-rc));
    return rc;
}
