#include "adapters/usernet.h"

#include <arpa/inet.h>
#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <string.h>

#include "emu/fdio.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define LIBRARY     "libslirp.so.0"
#define FDS_MAX     4096
#define WAIT_MS_MAX 1000
#define NS_PER_US   1000
#define NETMASK     0xffffff00

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
    int (*add_forward)(struct Slirp *slirp, int is_udp, struct in_addr host, int host_port,
                       struct in_addr inside, int inside_port);
    int (*remove_forward)(struct Slirp *slirp, int is_udp, struct in_addr host, int host_port);
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
           find(library->handle, "slirp_input", &library->input) &&
           find(library->handle, "slirp_add_hostfwd", &library->add_forward) &&
           find(library->handle, "slirp_remove_hostfwd", &library->remove_forward);
}

int usernet_find(char why[USERNET_WHY_MAX])
{
    void *handle = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL);

    if (handle) {
        (void)dlclose(handle);
        return 0;
    }
    (void)snprintf(why, USERNET_WHY_MAX, "it takes %s (Debian, Ubuntu: apt install libslirp0)",
                   LIBRARY);
    return -ENOSYS;
}

/* ---- what it asks for ----------------------------------------------------------------------------- */

struct usernet {
    struct usernet_config config;
    struct library library;
    struct Slirp *slirp;
    struct vclock clock;
    struct pollfd fds[FDS_MAX];
    int fds_count;
};

static ssize_t send_packet(const void *frame, size_t len, void *ctx)
{
    const struct usernet *usernet = ctx;

    usernet->config.send(usernet->config.ctx, frame, len);
    return (ssize_t)len;
}

static void ignore_error(const char *text, void *ctx)
{
    (void)text;
    (void)ctx;
}

static int64_t clock_ns(void *ctx)
{
    struct usernet *usernet = ctx;

    vclock_refresh(&usernet->clock);
    return (int64_t)(usernet->clock.now_us * NS_PER_US);
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

struct usernet *usernet_open(const struct usernet_config *config)
{
    struct usernet *usernet = xcalloc(1, sizeof(*usernet));
    struct slirp_config slirp = { .version = 1,
                                  .in_enabled = true,
                                  .vnetmask.s_addr = htonl(NETMASK),
                                  .vhost = config->gateway,
                                  .vnameserver = config->dns,
                                  .vdhcp_start = config->first,
                                  .disable_host_loopback = !config->has_loopback };

    usernet->config = *config;
    slirp.vnetwork.s_addr = slirp.vhost.s_addr & slirp.vnetmask.s_addr;
    vclock_init(&usernet->clock, VCLOCK_MODE_REAL);
    if (load(&usernet->library))
        usernet->slirp = usernet->library.new(&slirp, &callbacks, usernet);
    return usernet->slirp ? usernet : NULL;
}

/* ---- frames and ports ----------------------------------------------------------------------------- */

static int revents_of(int index, void *ctx)
{
    const struct usernet *usernet = ctx;
    short revents;

    if (index < 0 || index >= usernet->fds_count)
        return 0;
    revents = usernet->fds[index].revents;
    return (revents & POLLIN ? SLIRP_IN : 0) | (revents & POLLOUT ? SLIRP_OUT : 0) |
           (revents & POLLPRI ? SLIRP_PRI : 0) | (revents & POLLERR ? SLIRP_ERR : 0) |
           (revents & POLLHUP ? SLIRP_HUP : 0);
}

static bool is_arp(const uint8_t *frame, size_t len)
{
    return len >= ETH_HLEN && frame[12] == ETH_P_ARP >> 8 && frame[13] == (ETH_P_ARP & 0xff);
}

/* What waits for an answer to ARP would leave when a socket is ready or time has passed: now instead. */
void usernet_input(struct usernet *usernet, const uint8_t *frame, size_t len)
{
    if (len > USERNET_FRAME_MAX)
        return;
    usernet->library.input(usernet->slirp, frame, (int)len);
    if (is_arp(frame, len))
        usernet->library.poll(usernet->slirp, true, revents_of, usernet);
}

int usernet_forward(struct usernet *usernet, const struct usernet_forward *forward, bool is_on)
{
    const struct in_addr any = { htonl(INADDR_ANY) };
    int rc;

    errno = 0;
    if (is_on) {
        rc = usernet->library.add_forward(usernet->slirp, forward->is_udp, any, forward->port,
                                          forward->inside, forward->port);
    } else {
        rc = usernet->library.remove_forward(usernet->slirp, forward->is_udp, any, forward->port);
    }
    if (rc >= 0)
        return 0;
    return errno ? -errno : -EIO;
}

/* ---- waiting -------------------------------------------------------------------------------------- */

static int add_fd(int fd, int events, void *ctx)
{
    struct usernet *usernet = ctx;

    if (usernet->fds_count == FDS_MAX)
        return -1;
    usernet->fds[usernet->fds_count] =
        (struct pollfd){ .fd = fd,
                         .events = (short)((events & SLIRP_IN ? POLLIN : 0) |
                                           (events & SLIRP_OUT ? POLLOUT : 0) |
                                           (events & SLIRP_PRI ? POLLPRI : 0)) };
    return usernet->fds_count++;
}

void usernet_wait(struct usernet *usernet, struct pollfd own[], size_t own_count)
{
    uint32_t timeout_ms = WAIT_MS_MAX;
    int rc;

    assert(own_count <= USERNET_OWN_MAX);
    memcpy(usernet->fds, own, own_count * sizeof(*own));
    usernet->fds_count = (int)own_count;
    usernet->library.fill(usernet->slirp, &timeout_ms, add_fd, usernet);
    rc = fd_wait_any(usernet->fds, (size_t)usernet->fds_count, (int)timeout_ms);
    for (size_t i = 0; i < own_count; i++)
        own[i].revents = (short)(rc > 0 ? usernet->fds[i].revents : 0);
    usernet->library.poll(usernet->slirp, rc < 0, revents_of, usernet);
}
