#include "adapters/privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ID_MAX UINT32_C(0xfffffffe) /* -1 means "as it is" to setresuid(2) */

#define BIT(capability) (UINT64_C(1) << (capability))

/* ---- capabilities ------------------------------------------------------------------------------- */

struct capabilities {
    uint64_t effective, permitted, inheritable;
};

static int read_capabilities(struct capabilities *caps)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

    *caps = (struct capabilities){ 0 };
    if (syscall(SYS_capget, &header, data) < 0)
        return -errno;
    for (int i = _LINUX_CAPABILITY_U32S_3 - 1; i >= 0; i--) {
        caps->effective = caps->effective << 32 | data[i].effective;
        caps->permitted = caps->permitted << 32 | data[i].permitted;
        caps->inheritable = caps->inheritable << 32 | data[i].inheritable;
    }
    return 0;
}

/* Of those that there are, @kept. */
static int keep_capabilities(uint64_t kept)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };
    struct capabilities caps;
    int rc = read_capabilities(&caps);

    kept &= caps.permitted;
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
        data[i].effective = data[i].permitted = (uint32_t)(kept >> (32 * i));
    if (rc < 0)
        return rc;
    return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* What a program that is executed could still get. Emptying it takes CAP_SETPCAP. */
static bool has_bounding(void)
{
    for (unsigned capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
        if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) > 0)
            return true;
    }
    return false;
}

static int empty_bounding(void)
{
    for (unsigned capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
            return -errno;
    }
    return 0;
}

static bool has_ambient(void)
{
    for (unsigned capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, capability, 0, 0) > 0)
            return true;
    }
    return false;
}

/* ---- users and groups --------------------------------------------------------------------------- */

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

/* Root through sudo, and who that was. */
static bool has_caller(uint32_t *uid, uint32_t *gid)
{
    return geteuid() == 0 && read_id("SUDO_UID", uid) && read_id("SUDO_GID", gid) && *uid != 0;
}

/* Go back to being that one. */
static int become_caller(void)
{
    uint32_t uid, gid;

    if (!has_caller(&uid, &gid))
        return 0;
    return setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0 ? -errno : 0;
}

/* ---- all of it ------------------------------------------------------------------------------------ */

/* What the kernel says afterwards. NULL, or what is left that must not be. */
static const char *find_left(bool had_setpcap, bool had_setgid)
{
    struct capabilities caps;

    if (read_capabilities(&caps) < 0 || caps.effective || caps.permitted || caps.inheritable ||
        has_ambient())
        return "capabilities are left";
    if (had_setpcap && has_bounding())
        return "the bounding set is not empty";
    if (had_setgid && getgroups(0, NULL) != 0)
        return "supplementary groups are left";
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? NULL : "no_new_privs is not set";
}

int privilege_drop(char why[PRIVILEGE_WHY_MAX])
{
    struct capabilities had = { 0 };
    const char *step = "no_new_privs", *left;
    bool has_setgid;
    int rc = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : read_capabilities(&had);

    has_setgid = rc == 0 && had.effective & BIT(CAP_SETGID);
    if (has_setgid) { /* where a user namespace forbids it (user_namespaces(7)) there is no way */
        step = "supplementary groups";
        has_setgid = setgroups(0, NULL) == 0;
        rc = has_setgid || errno == EPERM ? 0 : -errno;
    }
    if (rc == 0 && had.effective & BIT(CAP_SETPCAP)) {
        step = "the bounding set";
        rc = empty_bounding();
    }
    if (rc == 0) {
        step = "the user who called sudo";
        rc = become_caller();
    }
    if (rc == 0) {
        step = "capabilities";
        rc = keep_capabilities(0);
    }
    if (rc < 0) {
        (void)snprintf(why, PRIVILEGE_WHY_MAX, "privileges can't be given up (%s): %s", step,
                       strerror(-rc));
        return rc;
    }
    left = find_left(had.effective & BIT(CAP_SETPCAP), has_setgid);
    if (left)
        (void)snprintf(why, PRIVILEGE_WHY_MAX, "privileges were given up, but %s", left);
    return left ? -EPERM : 0;
}

bool privilege_has_ports(void)
{
    struct capabilities caps = { 0 };
    uint32_t uid, gid;

    return geteuid() == 0 && !has_caller(&uid, &gid) && read_capabilities(&caps) == 0 &&
           caps.effective & BIT(CAP_NET_BIND_SERVICE);
}

int privilege_limit(uint64_t kept)
{
    int rc = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;

    if (rc == 0)
        rc = empty_bounding();
    if (rc == -EPERM) /* who lacks CAP_SETPCAP can't; no_new_privs makes up for it */
        rc = 0;
    return rc < 0 ? rc : keep_capabilities(kept);
}
