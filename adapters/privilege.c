#include "adapters/privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ID_MAX UINT32_C(0xfffffffe) /* -1 means "as it is" to setresuid(2) */

/* The number of an id in the environment; false when there is none. */
static bool read_id(const char *name, uint32_t *id)
{
    const char *text = getenv(name);
    unsigned long number;
    char *end;

    if (!text || !*text)
        return false;
    errno = 0;
    number = strtoul(text, &end, 10);
    if (*end || errno || number > ID_MAX)
        return false;
    *id = (uint32_t)number;
    return true;
}

/* Of root through sudo: go back to being who that was. */
static int become_caller(void)
{
    uint32_t uid, gid;

    if (geteuid() != 0 || !read_id("SUDO_UID", &uid) || !read_id("SUDO_GID", &gid) || uid == 0)
        return 0;
    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return -errno;
    return 0;
}

static int keep_capabilities(uint32_t kept)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

    data[0].effective = data[0].permitted = kept;
    return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int privilege_drop(char why[PRIVILEGE_WHY_MAX])
{
    const uint32_t bind_service = UINT32_C(1) << CAP_NET_BIND_SERVICE;
    const char *step = "no_new_privs";
    int rc = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;

    if (rc == 0) {
        step = "the user who called sudo";
        rc = become_caller();
    }
    if (rc == 0) {
        step = "capabilities";
        rc = keep_capabilities(geteuid() == 0 ? bind_service : 0);
    }
    if (rc == -EPERM && geteuid() == 0) /* root of a container that lacks even that one */
        rc = keep_capabilities(0);
    if (rc < 0) {
        (void)snprintf(why, PRIVILEGE_WHY_MAX, "privileges can't be given up (%s): %s", step,
                       strerror(-rc));
    }
    return rc;
}
