#include "adapters/w5500/nat.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/child.h"
#include "adapters/nets.h"
#include "adapters/usernet.h"
#include "adapters/w5500/bench.h"
#include "adapters/w5500/nat_priv.h"
#include "emu/board.h"
#include "emu/device.h"
#include "emu/dns_msg.h"
#include "emu/fdio.h"
#include "emu/util.h"

#define PATIENCE_MS  10000 /* with the process, until it is ready */
#define AGAIN_US     10000 /* when it takes in nothing more, or the chip is not done */
#define BUFFER_LEN   (1024 * 1024)
#define NETWORK_MASK 0xffffff00
#define PREFIX_LEN   24
#define GATEWAY      2 /* as libslirp's users have them, in 10.0.2.0/24 */
#define DNS          3
#define FIRST        15
#define TOLD_MAX     16

struct nat {
    struct child_process child;
    struct nat_net net;
    int chip_fd; /* the chip's end of the cable; -1: it is taken */
    bool has_ended;

    struct nat_watch watch; /* device NULL: nobody looks */
    struct bench_observer observer;
    struct loop_fd source;
    struct timer look;
    bool is_stale; /* the chip may listen elsewhere than @told */
    struct nat_ports told;

    struct nat_refusal heard;
    size_t heard_len;                   /* bytes of it that have come so far */
    struct nat_port refusals[TOLD_MAX]; /* that people were told of */
    size_t refusals_count;
};

/* ---- opening -------------------------------------------------------------------------------------- */

static bool overlaps(const struct ifaddrs *all, uint32_t network)
{
    for (const struct ifaddrs *ifa = all; ifa; ifa = ifa->ifa_next) {
        struct sockaddr_in ip, mask;
        uint32_t common;

        if (!ifa->ifa_addr || ifa->ifa_addr->sa_family != AF_INET || !ifa->ifa_netmask)
            continue;
        memcpy(&ip, ifa->ifa_addr, sizeof(ip));
        memcpy(&mask, ifa->ifa_netmask, sizeof(mask));
        common = ntohl(mask.sin_addr.s_addr) & NETWORK_MASK;
        if ((ntohl(ip.sin_addr.s_addr) & common) == (network & common))
            return true;
    }
    return false;
}

/* What this machine has interfaces in stays reachable. Of many networks the first will do, too. */
static uint32_t pick_network(void)
{
    static const uint32_t candidates[] = { 0x0a000200, 0x0a4d0200, 0xac1d0200, 0xc0a8b200 };
    struct ifaddrs *all = NULL;
    size_t i = 0;

    (void)getifaddrs(&all);
    while (i < ARRAY_LEN(candidates) && overlaps(all, candidates[i]))
        i++;
    if (all)
        freeifaddrs(all);
    return candidates[i % ARRAY_LEN(candidates)];
}

static void set_net(struct nat_net *net)
{
    uint32_t network = pick_network();

    net->gateway.s_addr = htonl(network + GATEWAY);
    net->dns.s_addr = htonl(network + DNS);
    net->first.s_addr = htonl(network + FIRST);
}

/* 0 or -errno. */
static int await(const struct nat *nat)
{
    struct nat_refusal ready;

    if (send(nat->child.fd, &nat->net, sizeof(nat->net), MSG_NOSIGNAL) != sizeof(nat->net))
        return -EPIPE;
    if (!fd_wait_readable(nat->child.fd, PATIENCE_MS))
        return -ETIMEDOUT;
    return recv(nat->child.fd, &ready, sizeof(ready), MSG_WAITALL) == sizeof(ready) ? 0 : -EPIPE;
}

/* 0 or -errno. */
static int start(struct nat *nat)
{
    const int len = BUFFER_LEN;
    int ends[2], rc;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    for (int i = 0; i < 2; i++) /* as much of it as the kernel allows */
        (void)setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &len, sizeof(len));
    nat->chip_fd = ends[0];
    rc = child_fork(nat_child, ends[1], &nat->child);
    close(ends[1]);
    return rc < 0 ? rc : await(nat);
}

int nat_open(struct nat **out, char why[NAT_WHY_MAX])
{
    struct nat *nat;
    int rc = usernet_find(why);

    static_assert(NAT_WHY_MAX >= USERNET_WHY_MAX, "a reason of the one is a reason of the other");
    if (rc < 0)
        return rc;
    nat = xcalloc(1, sizeof(*nat));
    nat->child = CHILD_NONE;
    nat->chip_fd = -1;
    set_net(&nat->net);
    rc = start(nat);
    if (rc < 0) {
        (void)snprintf(why, NAT_WHY_MAX, "its process can't be started: %s", strerror(-rc));
        nat_close(nat);
        return rc;
    }
    *out = nat;
    return 0;
}

void nat_close(struct nat *nat)
{
    assert(!nat->watch.device);
    if (nat->chip_fd >= 0)
        close(nat->chip_fd);
    child_end(&nat->child);
    free(nat);
}

/* ---- what the chip listens at --------------------------------------------------------------------- */

static void look_in(struct nat *nat, uint64_t us)
{
    struct device *device = nat->watch.device;

    if (!timer_is_running(&nat->look))
        timer_start(&device->timers, &nat->look, device->clock.now_us + us);
}

/* What the process can't take in now it is told later. */
static void tell_ports(struct nat *nat)
{
    const struct w5500 *chip = bench_chip(nat->watch.bench);
    struct nat_ports ports;

    if (nat->has_ended)
        return;
    nat_ports_read(&ports, chip);
    nat->is_stale = nat_ports_are_moving(chip);
    if (!nat_ports_equal(&ports, &nat->told)) {
        ssize_t n = send(nat->child.fd, &ports, sizeof(ports), MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n == sizeof(ports)) {
            nat->told = ports;
        } else {
            nat->is_stale = true;
        }
    }
    if (nat->is_stale)
        look_in(nat, AGAIN_US);
}

static void on_look(struct timer *timer)
{
    tell_ports(container_of(timer, struct nat, look));
}

/* A command is carried out after it was seen here; its effect is looked at before the next access. */
static void on_access(struct bench_observer *observer, const struct w5500_access *access)
{
    struct nat *nat = container_of(observer, struct nat, observer);

    if (!nat->watch.device)
        return;
    if (nat->is_stale)
        tell_ports(nat);
    if (!nat_ports_follow(access))
        return;
    nat->is_stale = true;
    look_in(nat, 0);
}

static void on_pins(struct bench_observer *observer, unsigned levels)
{
    struct nat *nat = container_of(observer, struct nat, observer);

    (void)levels;
    if (!nat->watch.device)
        return;
    nat->is_stale = true;
    look_in(nat, 0);
}

/* ---- what the process says ------------------------------------------------------------------------ */

static void tell_refusal(struct nat *nat, const struct nat_refusal *refusal)
{
    const struct nat_port *port = &refusal->port;
    struct device *device = nat->watch.device;

    for (size_t i = 0; i < nat->refusals_count; i++) {
        if (nat->refusals[i].port == port->port && nat->refusals[i].is_udp == port->is_udp)
            return;
    }
    if (nat->refusals_count < TOLD_MAX)
        nat->refusals[nat->refusals_count++] = *port;
    trace_emit(&device->trace, "nat.refused", "{s:s, s:s, s:i, s:s}", "adapter",
               adapter_name(nat->watch.id), "protocol", port->is_udp ? "udp" : "tcp", "port",
               (int)port->port, "reason", strerror(refusal->error));
    log_say(&device->log,
            "%s: nat: %s port %u of this machine can't be had: %s: nobody reaches it there",
            adapter_name(nat->watch.id), port->is_udp ? "UDP" : "TCP", port->port,
            strerror(refusal->error));
}

static void end(struct nat *nat)
{
    const struct nat_watch watch = nat->watch;

    nat->has_ended = true;
    nat_unwatch(nat);
    trace_emit(&watch.device->trace, "nat.end", "{s:s}", "adapter", adapter_name(watch.id));
    log_say(&watch.device->log, "%s: nat has ended: its cable leads nowhere any more",
            adapter_name(watch.id));
    watch.ended(watch.ctx);
}

static void on_news(struct loop_fd *source, uint32_t events)
{
    struct nat *nat = container_of(source, struct nat, source);

    (void)events;
    for (;;) {
        uint8_t *heard = (uint8_t *)&nat->heard;
        ssize_t n = recv(source->fd, heard + nat->heard_len, sizeof(nat->heard) - nat->heard_len,
                         MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            end(nat);
            return;
        }
        nat->heard_len += (size_t)n;
        if (nat->heard_len < sizeof(nat->heard))
            continue;
        nat->heard_len = 0;
        tell_refusal(nat, &nat->heard);
    }
}

/* ---- a run ---------------------------------------------------------------------------------------- */

/* At the start, plainly. */
static void tell(const struct nat *nat)
{
    static const char lacks[] = "no MACRAW, no ARP beyond its cable, no IPRAW but ping, no "
                                "broadcast, no multicast, no address that others see";
    struct device *device = nat->watch.device;
    char gateway[INET_ADDRSTRLEN], dns[INET_ADDRSTRLEN];

    (void)inet_ntop(AF_INET, &nat->net.gateway, gateway, sizeof(gateway));
    (void)inet_ntop(AF_INET, &nat->net.dns, dns, sizeof(dns));
    trace_emit(&device->trace, "net.nat", "{s:s, s:s, s:s, s:s}", "adapter",
               adapter_name(nat->watch.id), "gateway", gateway, "dns", dns, "lacks", lacks);
    log_say(
        &device->log,
        "%s: nat, by sockets of this machine's, whose 127.0.0.1 is %s there; what listens there "
        "does so at its port here; %s",
        adapter_name(nat->watch.id), gateway, lacks);
}

int nat_connect(struct nat *nat, const struct nat_watch *watch)
{
    const struct nets_end end = { .fd = nat->chip_fd };
    int rc;

    assert(nat->chip_fd >= 0);
    nat->chip_fd = -1; /* the bench's */
    rc = bench_connect(watch->bench, &end);
    if (rc < 0)
        return rc;
    nat->source = (struct loop_fd){ .fd = nat->child.fd, .ready = on_news };
    rc = loop_add(&watch->device->loop, &nat->source, EPOLLIN);
    if (rc < 0)
        return rc;
    nat->watch = *watch;
    timer_init_background(&nat->look, on_look);
    nat->observer = (struct bench_observer){ .access = on_access, .pins = on_pins };
    bench_observe(watch->bench, &nat->observer);
    tell(nat);
    return 0;
}

void nat_unwatch(struct nat *nat)
{
    if (!nat->watch.device)
        return;
    timer_stop(&nat->watch.device->timers, &nat->look);
    loop_remove(&nat->watch.device->loop, &nat->source);
    nat->watch.device = NULL;
}

static void set_endpoint(struct endpoint *ep, struct in_addr ip)
{
    *ep = (struct endpoint){ .family = IP_FAMILY_V4 };
    memcpy(ep->addr, &ip, sizeof(ip));
}

void nat_address(const struct nat *nat, struct board_address *address, struct endpoint *dns)
{
    *address = (struct board_address){ .prefix_len = PREFIX_LEN };
    set_endpoint(&address->ip, nat->net.first);
    set_endpoint(&address->gateway, nat->net.gateway);
    set_endpoint(dns, nat->net.dns);
    dns->port = DNS_PORT;
}
