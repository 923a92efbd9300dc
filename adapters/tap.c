#include "adapters/tap.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "emu/board.h"
#include "emu/loop.h"
#include "emu/util.h"

#define DEVICE    "/dev/net/tun"
#define FRAME_CAP (BOARD_MTU_MAX + 18) /* an Ethernet header with a VLAN tag */
#define BURST     256                  /* frames of one end before others get their turn */

int tap_open(const char *ifname)
{
    struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
    int fd = open(DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    int rc;

    if (fd < 0)
        return -errno;
    (void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
    if (ioctl(fd, TUNSETIFF, &ifr) == 0)
        return fd;
    rc = -errno;
    close(fd);
    return rc;
}

const char *tap_why(int error)
{
    switch (-error) {
    case EPERM:
        return "it takes root, or a TAP device that is yours (as root: ip tuntap add NAME mode tap "
               "user YOU)";
    case EBUSY:
        return "another program has it open";
    case EINVAL:
        return "there is an interface of that name, and it is no TAP device";
    case ENOENT:
    case ENODEV:
    case ENXIO:
        return "there is no " DEVICE ": modprobe tun, or give it to the container";
    case EACCES:
        return DEVICE " may not be opened: as root, chmod 0666 " DEVICE;
    default:
        return strerror(-error);
    }
}

/* ---- the cable ------------------------------------------------------------------------------------ */

struct tap_end {
    struct tap_cable *cable;
    struct loop_fd source;
    struct tap_end *other;
};

struct tap_cable {
    struct loop *loop;
    struct tap_end near, far;
    bool is_cut;  /* a device is gone */
    bool is_lent; /* to somebody who carries its frames */
    uint8_t frame[FRAME_CAP];
};

static void leave_loop(struct tap_cable *cable)
{
    loop_remove(cable->loop, &cable->near.source);
    loop_remove(cable->loop, &cable->far.source);
}

/* A device was removed: the descriptor is of no use any more, and neither is the other one. */
static void cut(struct tap_cable *cable)
{
    if (cable->is_cut)
        return;
    (void)tap_cable_plug(cable, false);
    leave_loop(cable);
    cable->is_cut = true;
}

/* One frame. False: there is none now. */
static bool carry_one(struct tap_end *end)
{
    struct tap_cable *cable = end->cable;
    ssize_t n = read(end->source.fd, cable->frame, sizeof(cable->frame));

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return errno == EINTR;
    if (n <= 0) {
        cut(cable);
        return false;
    }
    /* an interface that is down takes none, and one with too small an MTU not this one */
    (void)!write(end->other->source.fd, cable->frame, (size_t)n);
    return true;
}

static void carry(struct loop_fd *source, uint32_t events)
{
    struct tap_end *end = container_of(source, struct tap_end, source);

    (void)events;
    for (int i = 0; i < BURST; i++) {
        if (!carry_one(end))
            return;
    }
    loop_remove(end->cable->loop, source); /* to be told of the rest in the next turn */
    if (loop_add(end->cable->loop, source, EPOLLIN) < 0)
        cut(end->cable);
}

static struct tap_end make_end(struct tap_cable *cable, int fd, struct tap_end *other)
{
    return (
        struct tap_end){ .cable = cable, .source = { .fd = fd, .ready = carry }, .other = other };
}

int tap_cable_open(struct tap_cable **out, struct loop *loop, int near_fd, int far_fd)
{
    struct tap_cable *cable = xcalloc(1, sizeof(*cable));
    int rc;

    cable->loop = loop;
    cable->near = make_end(cable, near_fd, &cable->far);
    cable->far = make_end(cable, far_fd, &cable->near);
    rc = loop_add(loop, &cable->near.source, EPOLLIN);
    if (rc < 0)
        goto err_close;
    rc = loop_add(loop, &cable->far.source, EPOLLIN);
    if (rc < 0)
        goto err_remove;
    *out = cable;
    return 0;

err_remove:
    loop_remove(loop, &cable->near.source);
err_close:
    close(near_fd);
    close(far_fd);
    free(cable);
    return rc;
}

void tap_cable_close(struct tap_cable *cable)
{
    if (!cable->is_cut && !cable->is_lent)
        leave_loop(cable);
    close(cable->near.source.fd);
    close(cable->far.source.fd);
    free(cable);
}

int tap_cable_lend(struct tap_cable *cable, int *near_fd, int *far_fd)
{
    assert(!cable->is_lent);
    if (cable->is_cut)
        return -ENODEV;
    *near_fd = fcntl(cable->near.source.fd, F_DUPFD_CLOEXEC, 0);
    if (*near_fd < 0)
        return -errno;
    *far_fd = fcntl(cable->far.source.fd, F_DUPFD_CLOEXEC, 0);
    if (*far_fd < 0) {
        int rc = -errno;

        close(*near_fd);
        return rc;
    }
    leave_loop(cable);
    cable->is_lent = true;
    return 0;
}

void tap_cable_resume(struct tap_cable *cable)
{
    assert(cable->is_lent);
    cable->is_lent = false;
    if (loop_add(cable->loop, &cable->near.source, EPOLLIN) < 0 ||
        loop_add(cable->loop, &cable->far.source, EPOLLIN) < 0)
        cut(cable);
}

int tap_cable_plug(struct tap_cable *cable, bool is_in)
{
    int carrier = is_in;

    if (cable->is_cut)
        return is_in ? -ENODEV : 0;
    if (ioctl(cable->far.source.fd, TUNSETCARRIER, &carrier) < 0)
        return -errno;
    return ioctl(cable->near.source.fd, TUNSETCARRIER, &carrier) < 0 ? -errno : 0;
}
