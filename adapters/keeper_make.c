/* The keeper's child: a network of its own, step by step. */
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/keeper_priv.h"
#include "adapters/netlink_make.h"

#define ID_MAP_MAX 32

/* "STEP: Operation not permitted: @help" in @reply; @rc. */
static int failed(struct reply *reply, int rc, const char *step, const char *help)
{
    if (rc < 0) {
        (void)snprintf(reply->text, sizeof(reply->text), "%s: %s%s%s", step, strerror(-rc),
                       help ? ": " : "", help ? help : "");
    }
    return rc;
}

static const char *why_no_userns(int rc)
{
    switch (-rc) {
    case EPERM:
    case EACCES:
        return "user namespaces are not allowed here";
    case ENOSPC:
        return "user namespaces are used up, or limited to none (sysctl user.max_user_namespaces)";
    case EINVAL:
    case ENOSYS:
        return "this kernel has no user namespaces";
    default:
        return NULL;
    }
}

static const char *why_no_rights(int rc, bool in_userns)
{
    if (rc != -EPERM && rc != -EACCES)
        return NULL;
    return in_userns ? "user namespaces have no rights here, as AppArmor's restriction has it"
                     : "it takes root";
}

/* Be root of a user namespace in which the caller is the only user. */
static int become_own_root(struct reply *reply)
{
    char map[ID_MAP_MAX];
    uid_t uid = geteuid();
    gid_t gid = getegid();
    int rc = unshare(CLONE_NEWUSER) < 0 ? -errno : 0;

    if (rc < 0)
        return failed(reply, rc, "unshare(CLONE_NEWUSER)", why_no_userns(rc));
    rc = child_write_file("/proc/self/setgroups", "deny");
    (void)snprintf(map, sizeof(map), "0 %u 1", (unsigned)gid);
    if (rc == 0)
        rc = child_write_file("/proc/self/gid_map", map);
    (void)snprintf(map, sizeof(map), "0 %u 1", (unsigned)uid);
    if (rc == 0)
        rc = child_write_file("/proc/self/uid_map", map);
    return failed(reply, rc, "/proc/self/uid_map", why_no_rights(rc, true));
}

/* Frames come by packet(7): who captures or impairs asks for it later, when it is too late to choose. */
static int try_frames(void)
{
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

static int add_bridge(struct child *child, const struct keeper_network *network)
{
    struct netlink_maker *maker = child->places[KEEPER_HOME].maker;
    struct netlink_address address = { .ip = network->bridge, .prefix_len = network->prefix_len };
    int rc;

    child_free_bridges();
    rc = netlink_add_bridge(maker, KEEPER_BRIDGE, true);

    if (rc < 0)
        return rc;
    address.ifindex = netlink_index(maker, KEEPER_BRIDGE);
    child->places[KEEPER_HOME].ifindex = address.ifindex;
    return netlink_add_address(maker, &address);
}

int child_make(struct child *child, const struct beginning *beginning, struct reply *reply)
{
    const struct keeper_network *network = &beginning->network;
    int rc = netlink_maker_open(&child->origin);

    if (rc < 0)
        return failed(reply, rc, "netlink", NULL);
    rc = network->in_userns ? become_own_root(reply) : 0;
    if (rc < 0)
        return rc;
    rc = child_add_place(child);
    if (rc < 0)
        return failed(reply, rc, "unshare(CLONE_NEWNET)", why_no_rights(rc, network->in_userns));
    rc = try_frames();
    if (rc < 0)
        return failed(reply, rc, "socket(AF_PACKET)", why_no_rights(rc, network->in_userns));
    if (network->bridge.family != IP_FAMILY_NONE)
        rc = add_bridge(child, network);
    return failed(reply, rc, "a bridge", why_no_rights(rc, network->in_userns));
}
