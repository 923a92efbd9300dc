/*
 * The relay: a process that takes frames from the uplink's far end, by packet(7), and speaks for who
 * sent them by sockets of its own. Its TCP and IP are libslirp's, which is loaded when it is asked for.
 * It needs no /dev/net/tun, and has no privileges.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/child.h"
#include "adapters/keeper.h"
#include "adapters/privilege.h"
#include "adapters/uplink.h"
#include "adapters/uplink_priv.h"
#include "emu/fdio.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define LIBRARY     "libslirp.so.0"
#define FRAME_CAP   2048 /* more than the interface's MTU and its Ethernet header */
#define FRAMES_MAX  256  /* of a round, before the sockets have their turn */
#define FDS_MAX     4096
#define WAIT_MS_MAX 1000
#define NS_PER_US   1000

/* ---- what is used of libslirp, as its libslirp.h has it ------------------------------------------- */

struct Slirp;

enum { SLIRP_IN = 1, SLIRP_OUT = 2, SLIRP_PRI = 4, SLIRP_ERR = 8, SLIRP_HUP = 16 };

struct slirp_callbacks {
    ssize_t (*send_packet)(const void *frame, size_t len, void *ctx);
    void (*guest_error)(const char *text, void *ctx);
    int64_t (*clock_get_ns)(void *ctx);
    void *(*timer_new)(void (*fire)(void *timer_ctx), void *timer_ctx, void *ctx);
    void (*timer_free)(void *timer, void *ctx);
    void (*timer_mod)(void *timer, int64_t expires_ms, void *ctx);
    void (*register_poll_fd)(int fd, void *ctx);
    void (*unregister_poll_fd)(int fd, void *ctx);
    void (*notify)(void *ctx);
};

/* Of its version 1. */
struct slirp_config {
    uint32_t version;
    int restricted;
    bool in_enabled;
    struct in_addr vnetwork, vnetmask, vhost;
    bool in6_enabled;
    struct in6_addr vprefix_addr6;
    uint8_t vprefix_len;
    struct in6_addr vhost6;
    const char *vhostname, *tftp_server_name, *tftp_path, *bootfile;
    struct in_addr vdhcp_start, vnameserver;
    struct in6_addr vnameserver6;
    const char **vdnssearch;
    const char *vdomainname;
    size_t if_mtu, if_mru;
    bool disable_host_loopback, enable_emu;
};

struct library {
    void *handle;
    struct Slirp *(*new)(const struct slirp_config *config, const struct slirp_callbacks *callbacks,
                         void *ctx);
    void (*fill)(struct Slirp *slirp, uint32_t *timeout_ms,
                 int (*add)(int fd, int events, void *ctx), void *ctx);
    void (*poll)(struct Slirp *slirp, int has_failed, int (*revents)(int index, void *ctx),
                 void *ctx);
    void (*input)(struct Slirp *slirp, const uint8_t *frame, int len);
};

static bool find(void *handle, const char *name, void *function)
{
    void *symbol = dlsym(handle, name);

    memcpy(function, &symbol, sizeof(symbol));
    return symbol != NULL;
}

static bool load(struct library *library)
{
    library->handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    return library->handle && find(library->handle, "slirp_new", &library->new) &&
           find(library->handle, "slirp_pollfds_fill", &library->fill) &&
           find(library->handle, "slirp_pollfds_poll", &library->poll) &&
           find(library->handle, "slirp_input", &library->input);
}

/* ---- the process ---------------------------------------------------------------------------------- */

struct relay {
    struct library library;
    struct Slirp *slirp;
    struct vclock clock;
    struct pollfd fds[FDS_MAX];
    int fds_count;
    int packet_fd;
};

/* A frame for which there is no room is lost, as on a cable. */
static ssize_t send_packet(const void *frame, size_t len, void *ctx)
{
    const struct relay *relay = ctx;

    (void)send(relay->packet_fd, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    return (ssize_t)len;
}

static void ignore_error(const char *text, void *ctx)
{
    (void)text;
    (void)ctx;
}

static int64_t clock_ns(void *ctx)
{
    struct relay *relay = ctx;

    vclock_refresh(&relay->clock);
    return (int64_t)(relay->clock.now_us * NS_PER_US);
}

/* Timers are for IPv6, which is off. */
static void *no_timer(void (*fire)(void *timer_ctx), void *timer_ctx, void *ctx)
{
    (void)fire;
    (void)timer_ctx;
    (void)ctx;
    return NULL;
}

static void no_timer_free(void *timer, void *ctx)
{
    (void)timer;
    (void)ctx;
}

static void no_timer_mod(void *timer, int64_t expires_ms, void *ctx)
{
    (void)timer;
    (void)expires_ms;
    (void)ctx;
}

static void ignore_fd(int fd, void *ctx)
{
    (void)fd;
    (void)ctx;
}

static void ignore_news(void *ctx)
{
    (void)ctx;
}

static const struct slirp_callbacks callbacks = {
    .send_packet = send_packet,
    .guest_error = ignore_error,
    .clock_get_ns = clock_ns,
    .timer_new = no_timer,
    .timer_free = no_timer_free,
    .timer_mod = no_timer_mod,
    .register_poll_fd = ignore_fd,
    .unregister_poll_fd = ignore_fd,
    .notify = ignore_news,
};

static int add_fd(int fd, int events, void *ctx)
{
    struct relay *relay = ctx;

    if (relay->fds_count == FDS_MAX)
        return -1;
    relay->fds[relay->fds_count] =
        (struct pollfd){ .fd = fd,
                         .events = (short)((events & SLIRP_IN ? POLLIN : 0) |
                                           (events & SLIRP_OUT ? POLLOUT : 0) |
                                           (events & SLIRP_PRI ? POLLPRI : 0)) };
    return relay->fds_count++;
}

static int revents_of(int index, void *ctx)
{
    const struct relay *relay = ctx;
    short revents;

    if (index < 0 || index >= relay->fds_count)
        return 0;
    revents = relay->fds[index].revents;
    return (revents & POLLIN ? SLIRP_IN : 0) | (revents & POLLOUT ? SLIRP_OUT : 0) |
           (revents & POLLPRI ? SLIRP_PRI : 0) | (revents & POLLERR ? SLIRP_ERR : 0) |
           (revents & POLLHUP ? SLIRP_HUP : 0);
}

static void take_frames(const struct relay *relay)
{
    uint8_t frame[FRAME_CAP];

    for (int i = 0; i < FRAMES_MAX; i++) {
        ssize_t len = recv(relay->packet_fd, frame, sizeof(frame), MSG_DONTWAIT);

        if (len <= 0)
            return;
        relay->library.input(relay->slirp, frame, (int)len);
    }
}

static struct Slirp *new_slirp(struct relay *relay)
{
    struct slirp_config config = { .version = 1,
                                   .in_enabled = true,
                                   .vnetmask.s_addr = htonl(0xffffff00),
                                   .disable_host_loopback = true };

    (void)inet_pton(AF_INET, UPLINK_GATEWAY, &config.vhost);
    (void)inet_pton(AF_INET, UPLINK_DNS, &config.vnameserver);
    (void)inet_pton(AF_INET, UPLINK_ADDRESS, &config.vdhcp_start);
    config.vnetwork.s_addr = config.vhost.s_addr & config.vnetmask.s_addr;
    return relay->library.new(&config, &callbacks, relay);
}

/* Until the parent is gone. */
static int be_relay(int packet_fd, int life_fd)
{
    struct relay *relay = xcalloc(1, sizeof(*relay));
    char why[PRIVILEGE_WHY_MAX];

    relay->packet_fd = packet_fd;
    vclock_init(&relay->clock, VCLOCK_MODE_REAL);
    if (privilege_drop(why) < 0 || !load(&relay->library) || !(relay->slirp = new_slirp(relay)))
        return 1;
    for (;;) {
        uint32_t timeout_ms = WAIT_MS_MAX;
        int rc;

        relay->fds_count = 0;
        (void)add_fd(life_fd, SLIRP_IN, relay);
        (void)add_fd(packet_fd, SLIRP_IN, relay);
        relay->library.fill(relay->slirp, &timeout_ms, add_fd, relay);
        rc = fd_wait_any(relay->fds, (size_t)relay->fds_count, (int)timeout_ms);
        if (rc > 0 && relay->fds[0].revents)
            return 0;
        relay->library.poll(relay->slirp, rc < 0, revents_of, relay);
        take_frames(relay);
    }
}

/* ---- the parent ----------------------------------------------------------------------------------- */

int uplink_relay_find(char why[])
{
    void *handle = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL);

    if (handle) {
        (void)dlclose(handle);
        return 0;
    }
    (void)snprintf(why, UPLINK_WHY_MAX, "it takes %s (Debian, Ubuntu: apt install libslirp0)",
                   LIBRARY);
    return -ENOSYS;
}

/* Where frames come out, but not those that the relay itself sends. A descriptor or -errno. */
static int open_packets(struct keeper *keeper)
{
    struct sockaddr_ll sa = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
    struct ifreq request = { .ifr_name = UPLINK_FAR_END };
    int fd = keeper_socket(keeper, KEEPER_HOME, AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    const int on = 1;
    int rc = 0;

    if (fd < 0)
        return fd;
    if (ioctl(fd, SIOCGIFINDEX, &request) < 0)
        rc = -errno;
    sa.sll_ifindex = request.ifr_ifindex;
    if (rc == 0 && setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0)
        rc = -errno;
    if (rc == 0 && bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
        rc = -errno;
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

int uplink_relay_start(struct child_process *child, struct keeper *keeper, char why[])
{
    int fd = open_packets(keeper);
    int rc = fd < 0 ? fd : child_fork(be_relay, fd, child);

    if (fd >= 0)
        close(fd);
    if (rc < 0)
        (void)snprintf(why, UPLINK_WHY_MAX, "%s", strerror(-rc));
    return rc;
}
