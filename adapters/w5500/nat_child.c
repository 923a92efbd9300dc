/* The process at the other end of the cable. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/privilege.h"
#include "adapters/sandbox.h"
#include "adapters/usernet.h"
#include "adapters/w5500/nat_arp.h"
#include "adapters/w5500/nat_priv.h"
#include "emu/util.h"

#define FRAMES_MAX  64   /* of a round, before the sockets have their turn */
#define FRAME_CAP   2048 /* more than the chip sends */
#define RESOLV_CONF "/etc/resolv.conf"

struct child {
    int fd, life_fd;
    struct nat_net net;
    struct usernet *usernet;
    struct nat_ports open;    /* what is forwarded */
    struct nat_ports refused; /* what could not be */
    struct nat_ports wanted;
    size_t wanted_len; /* bytes of it that have come so far */
};

/* A frame for which there is no room is lost, as on a cable. */
static void send_frame(void *ctx, const uint8_t *frame, size_t len)
{
    const struct child *child = ctx;

    (void)send(child->fd, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* ---- ports ---------------------------------------------------------------------------------------- */

static void say(const struct child *child, const struct nat_port *port, int error)
{
    struct nat_refusal refusal;

    memset(&refusal, 0, sizeof(refusal));
    if (port)
        refusal.port = *port;
    refusal.error = error;
    (void)send(child->life_fd, &refusal, sizeof(refusal), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int forward(const struct child *child, const struct nat_ports *ports, size_t index,
                   bool is_on)
{
    const struct usernet_forward wish = { .is_udp = ports->at[index].is_udp,
                                          .port = ports->at[index].port,
                                          .inside = ports->ip };

    return usernet_forward(child->usernet, &wish, is_on);
}

/* Those that led elsewhere, or that nobody listens at any more, first: a port may be among both. */
static void set_ports(struct child *child, const struct nat_ports *wanted)
{
    struct nat_ports open = { .ip = wanted->ip }, refused = { .ip = wanted->ip };
    bool is_moved = child->open.ip.s_addr != wanted->ip.s_addr;

    for (size_t i = 0; i < child->open.count; i++) {
        if (!is_moved && nat_ports_have(wanted, &child->open.at[i])) {
            open.at[open.count++] = child->open.at[i];
        } else {
            (void)forward(child, &child->open, i, false);
        }
    }
    for (size_t i = 0; i < wanted->count; i++) {
        const struct nat_port *port = &wanted->at[i];
        bool was_refused = nat_ports_have(&child->refused, port);
        int rc = 0;

        if (nat_ports_have(&open, port))
            continue;
        rc = was_refused ? -EADDRINUSE : forward(child, wanted, i, true);
        if (rc == 0) {
            open.at[open.count++] = *port;
            continue;
        }
        refused.at[refused.count++] = *port;
        if (!was_refused)
            say(child, port, -rc);
    }
    child->open = open;
    child->refused = refused;
}

/* False: the parent is gone. */
static bool hear_parent(struct child *child)
{
    for (;;) {
        uint8_t *wanted = (uint8_t *)&child->wanted;
        ssize_t n = recv(child->life_fd, wanted + child->wanted_len,
                         sizeof(child->wanted) - child->wanted_len, MSG_DONTWAIT);

        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        if (n == 0)
            return false;
        child->wanted_len += (size_t)n;
        if (child->wanted_len < sizeof(child->wanted))
            continue;
        child->wanted_len = 0;
        set_ports(child, &child->wanted);
    }
}

/* ---- frames --------------------------------------------------------------------------------------- */

/*
 * What the parent said before it sent a frame is heard before it: a datagram of a port that is to be
 * forwarded leaves by that port, and by no other. False: the parent is gone.
 */
static bool take_frames(struct child *child)
{
    uint8_t frame[FRAME_CAP], answer[NAT_ARP_LEN];

    for (int i = 0; i < FRAMES_MAX; i++) {
        ssize_t len = recv(child->fd, frame, sizeof(frame), MSG_DONTWAIT);

        if (len < 0)
            return true;
        if (len == 0 || !hear_parent(child))
            return false;
        if (nat_arp_answer(frame, (size_t)len, child->net.gateway, answer)) {
            send_frame(child, answer, sizeof(answer));
        } else {
            usernet_input(child->usernet, frame, (size_t)len);
        }
    }
    return true;
}

/* ---- life ----------------------------------------------------------------------------------------- */

/* Name servers are read from a file, now and again; it may be a link into a folder of its keeper's. */
static void confine_self(void)
{
    struct sandbox_path paths[2] = { { .path = RESOLV_CONF, .use = SANDBOX_USE_READ } };
    char real[PATH_MAX], why[SANDBOX_WHY_MAX];
    size_t count = 1;

    if (realpath(RESOLV_CONF, real) && strcmp(real, RESOLV_CONF) != 0) {
        *strrchr(real, '/') = '\0';
        paths[count++] =
            (struct sandbox_path){ .path = *real ? real : "/", .use = SANDBOX_USE_READ };
    }
    (void)sandbox_enter(paths, count, why); /* where the kernel can */
}

static bool begin(struct child *child)
{
    struct usernet_config config = { .has_loopback = true, .send = send_frame, .ctx = child };
    char why[PRIVILEGE_WHY_MAX];
    ssize_t n;

    do {
        n = recv(child->life_fd, &child->net, sizeof(child->net), MSG_WAITALL);
    } while (n < 0 && errno == EINTR);
    if (n != sizeof(child->net) || privilege_drop(why) < 0)
        return false;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* should it be busy for long */
    config.gateway = child->net.gateway;
    config.dns = child->net.dns;
    config.first = child->net.first;
    child->usernet = usernet_open(&config);
    if (!child->usernet)
        return false;
    confine_self();
    return true;
}

int nat_child(int fd, int life_fd)
{
    struct child *child = xcalloc(1, sizeof(*child));
    struct pollfd own[] = { { .fd = life_fd, .events = POLLIN }, { .fd = fd, .events = POLLIN } };

    child->fd = fd;
    child->life_fd = life_fd;
    if (!begin(child))
        return 1;
    say(child, NULL, 0);
    do {
        usernet_wait(child->usernet, own, ARRAY_LEN(own));
    } while (hear_parent(child) && take_frames(child));
    return 0;
}
