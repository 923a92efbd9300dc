/* The keeper's child: where it stands, and what it answers. */
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "adapters/keeper_priv.h"
#include "adapters/netlink_make.h"
#include "emu/vclock.h"

#define RENEW_S  (KEEPER_LEASE_S / 3)
#define US_PER_S 1000000U

/* ---- a namespace that is there ---------------------------------------------------------------- */

/* Enter the user namespace that owns @netns, unless it is our own. */
static int enter_owner(int netns)
{
    struct stat ours, theirs;
    int owner = ioctl(netns, NS_GET_USERNS);
    int rc = 0;

    if (owner < 0)
        return errno == EPERM ? 0 : -errno; /* an ancestor's: it is entered with what we have */
    if (fstat(owner, &theirs) < 0 || stat("/proc/self/ns/user", &ours) < 0) {
        rc = -errno;
    } else if (ours.st_ino != theirs.st_ino && setns(owner, CLONE_NEWUSER) < 0) {
        rc = -errno;
    }
    close(owner);
    return rc;
}

static int enter(struct child *child, const char *path)
{
    int netns = open(path, O_RDONLY | O_CLOEXEC);
    int rc;

    if (netns < 0)
        return -errno;
    rc = enter_owner(netns);
    if (rc == 0 && setns(netns, CLONE_NEWNET) < 0)
        rc = -errno;
    close(netns);
    if (rc < 0)
        return rc;
    child->places[child->places_count++] = (struct place){ .netns = -1 };
    return netlink_maker_open(&child->places[KEEPER_HOME].maker);
}

/* ---- a network of its own ---------------------------------------------------------------------- */

int child_go(struct child *child, int place)
{
    if (place < 0 || place >= child->places_count)
        return -EINVAL;
    if (child->here != place && setns(child->places[place].netns, CLONE_NEWNET) < 0)
        return -errno;
    child->here = place;
    return 0;
}

int child_write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int rc = 0;

    if (fd < 0)
        return -errno;
    if (write(fd, text, strlen(text)) < 0)
        rc = -errno;
    close(fd);
    return rc;
}

int child_add_place(struct child *child)
{
    struct place *place = &child->places[child->places_count];
    int rc;

    if (child->places_count == KEEPER_PLACES_MAX)
        return -ENOSPC;
    if (unshare(CLONE_NEWNET) < 0)
        return -errno;
    *place = (struct place){ .netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC) };
    if (place->netns < 0)
        return -errno;
    child->here = child->places_count++;
    rc = netlink_maker_open(&place->maker);
    if (rc == 0)
        rc = netlink_set_up(place->maker, 1, true); /* lo */
    if (rc < 0)
        return rc;
    /* Containers may have /proc/sys read-only: it goes without, but for what is said here. */
    /* The keeper's own group may send echo requests, icmp(7). */
    (void)child_write_file("/proc/sys/net/ipv4/ping_group_range", "0 0");
    /* Servers there may have the well-known ports, and nobody has privileges. */
    (void)child_write_file("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
    return 0;
}

/*
 * Bridges here pass on what comes, also what is broken: where the module br_netfilter is loaded,
 * they ask netfilter, which drops that, and takes its time.
 */
void child_free_bridges(void)
{
    (void)child_write_file("/proc/sys/net/bridge/bridge-nf-call-iptables", "0");
    (void)child_write_file("/proc/sys/net/bridge/bridge-nf-call-ip6tables", "0");
    (void)child_write_file("/proc/sys/net/bridge/bridge-nf-call-arptables", "0");
}

int child_begin(struct child *child, const struct beginning *beginning, struct reply *reply)
{
    if (beginning->stays) {
        child->places[child->places_count++] = (struct place){ .netns = -1 };
        return netlink_maker_open(&child->places[KEEPER_HOME].maker);
    }
    return beginning->path ? enter(child, beginning->path) : child_make(child, beginning, reply);
}

/* ---- requests ------------------------------------------------------------------------------------ */

static int open_socket(struct child *child, const struct request *request, int *made)
{
    int rc = child_go(child, request->place);

    if (rc < 0)
        return rc;
    *made = socket(request->domain, request->type, request->protocol);
    return *made < 0 ? -errno : 0;
}

static int bind_socket(const struct request *request, int fd)
{
    if (fd < 0 || request->address_len > sizeof(request->address))
        return -EINVAL;
    return bind(fd, (const struct sockaddr *)&request->address, request->address_len) < 0 ? -errno
                                                                                          : 0;
}

/* A number that is one of a place. */
static bool is_place(const struct child *child, int place)
{
    return place >= 0 && place < child->places_count;
}

static int answer(struct child *child, const struct request *request, int given,
                  struct reply *reply, int *made)
{
    if (!is_place(child, request->place))
        return -EINVAL;
    switch (request->kind) {
    case REQUEST_SOCKET:
        return open_socket(child, request, made);
    case REQUEST_ADD_LINK:
        return child_add_link(child, &request->link, reply, made);
    case REQUEST_SET_LINK:
        return child_set_link(child, request->place, request->is_up);
    case REQUEST_SET_HALF:
        return child_set_half(child, request->place, request->is_up);
    case REQUEST_SET_ADDRESS:
        return child_set_address(child, request->place, &request->link, reply);
    case REQUEST_SET_MAC:
        return child_set_mac(child, request->place, &request->link);
    case REQUEST_SET_TAP:
        return child_set_tap(child, &request->link, reply);
    case REQUEST_FORWARD:
        return child_forward(child, request->place, request->to, reply);
    case REQUEST_BIND:
        return bind_socket(request, given);
    case REQUEST_SET_UPLINK:
        return child_set_uplink(child, request->with_veth, reply);
    case REQUEST_ADD_SUBNET:
        return child_add_subnet(child, &request->link.address);
    case REQUEST_DIVERT:
        return child_set_diverted(child, request->place, !request->is_up);
    }
    return -EINVAL;
}

void child_serve(struct child *child)
{
    const struct timeval renewal = { .tv_sec = RENEW_S };
    struct place *home = &child->places[KEEPER_HOME];
    struct vclock clock;
    struct request request;
    uint64_t renewed_us;

    vclock_init(&clock, VCLOCK_MODE_REAL);
    renewed_us = clock.now_us;
    (void)setsockopt(child->fd, SOL_SOCKET, SO_RCVTIMEO, &renewal, sizeof(renewal));
    for (;;) {
        int given, made = -1;
        ssize_t n = keeper_receive(child->fd, &request, sizeof(request), &given);
        struct reply reply = { 0 };

        vclock_refresh(&clock);
        if (clock.now_us - renewed_us >= RENEW_S * US_PER_S) {
            renewed_us = clock.now_us;
            child_renew(home);
        }
        if (n == -EINTR || n == -EAGAIN)
            continue;
        if (n != sizeof(request)) /* the parent is gone */
            break;
        reply.rc = answer(child, &request, given, &reply, &made);
        if (given >= 0)
            close(given);
        if (keeper_send(child->fd, &reply, sizeof(reply), made) < 0)
            break;
        if (made >= 0)
            close(made);
    }
    child_take_back(home);
}
