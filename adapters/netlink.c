#include "adapters/netlink.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/route.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "emu/loop.h"
#include "emu/util.h"

#define DISCARD_CAP 8192 /* of a notification, whose text is not looked at */
#define V4_BITS     32

/* linux/if.h, which does not go with net/if.h */
#define LOWER_UP 0x10000U
#define DORMANT  0x20000U /* 802.1X is not through */

struct netlink {
    struct netlink_config config;
    struct nl_sock *asker;   /* one question, one answer */
    struct loop_fd listener; /* where the kernel says that something has changed */
};

static int open_bound(const struct netlink_config *config, int flags, unsigned groups)
{
    const struct sockaddr_nl sa = { .nl_family = AF_NETLINK, .nl_groups = groups };
    int fd =
        config->open(config->open_ctx, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_ROUTE);

    if (fd >= 0 && bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    return fd;
}

static int open_asker(struct netlink *netlink)
{
    int fd = open_bound(&netlink->config, 0, 0);

    if (fd < 0)
        return fd;
    netlink->asker = nl_socket_alloc();
    if (netlink->asker && nl_socket_set_fd(netlink->asker, NETLINK_ROUTE, fd) == 0)
        return 0;
    if (netlink->asker)
        nl_socket_free(netlink->asker);
    close(fd);
    return -ENOMEM;
}

static void on_change(struct loop_fd *source, uint32_t events)
{
    struct netlink *netlink = container_of(source, struct netlink, listener);
    char discarded[DISCARD_CAP];
    ssize_t n;

    (void)events;
    do { /* ENOBUFS: some were lost, which is no harm */
        n = recv(source->fd, discarded, sizeof(discarded), 0);
    } while (n > 0 || (n < 0 && (errno == EINTR || errno == ENOBUFS)));
    netlink->config.changed(netlink->config.changed_ctx);
}

int netlink_open(struct netlink **out, const struct netlink_config *config)
{
    const unsigned groups =
        RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE;
    struct netlink *netlink = xcalloc(1, sizeof(*netlink));
    int rc;

    netlink->config = *config;
    netlink->listener = (struct loop_fd){ .ready = on_change };
    rc = open_asker(netlink);
    if (rc < 0)
        goto err_free;
    netlink->listener.fd = open_bound(config, SOCK_NONBLOCK, groups);
    if (netlink->listener.fd < 0) {
        rc = netlink->listener.fd;
        goto err_free_asker;
    }
    rc = loop_add(config->loop, &netlink->listener, EPOLLIN);
    if (rc < 0)
        goto err_close_listener;
    *out = netlink;
    return 0;

err_close_listener:
    close(netlink->listener.fd);
err_free_asker:
    nl_socket_free(netlink->asker);
err_free:
    free(netlink);
    return rc;
}

void netlink_close(struct netlink *netlink)
{
    loop_remove(netlink->config.loop, &netlink->listener);
    close(netlink->listener.fd);
    nl_socket_free(netlink->asker);
    free(netlink);
}

/* ---- reading ------------------------------------------------------------------------------------- */

static bool to_endpoint(const struct nl_addr *addr, struct endpoint *ep)
{
    size_t len = addr ? nl_addr_get_len(addr) : 0;

    *ep = (struct endpoint){ 0 };
    if (len != 4 && len != sizeof(ep->addr))
        return false;
    ep->family = len == 4 ? IP_FAMILY_V4 : IP_FAMILY_V6;
    memcpy(ep->addr, nl_addr_get_binary_addr(addr), len);
    return true;
}

static void set_mask(struct endpoint *mask, unsigned prefix)
{
    uint32_t bits = prefix ? UINT32_MAX << (V4_BITS - (prefix < V4_BITS ? prefix : V4_BITS)) : 0;

    endpoint_set_v4(mask, (uint8_t)(bits >> 24), (uint8_t)(bits >> 16), (uint8_t)(bits >> 8),
                    (uint8_t)bits);
}

/* Routes: where the default one goes through, of the interface @ifindex or, when it is 0, of any. */
static int find_default_route(struct nl_sock *asker, int ifindex, struct endpoint *gateway)
{
    struct nl_cache *routes;
    int found = 0;

    if (rtnl_route_alloc_cache(asker, AF_INET, 0, &routes) < 0)
        return 0;
    for (struct nl_object *object = nl_cache_get_first(routes); object && !found;
         object = nl_cache_get_next(object)) {
        struct rtnl_route *route = (struct rtnl_route *)object;
        struct nl_addr *to = rtnl_route_get_dst(route);
        struct rtnl_nexthop *hop = rtnl_route_nexthop_n(route, 0);

        if (!hop || (to && nl_addr_get_prefixlen(to) != 0) ||
            rtnl_route_get_table(route) != RT_TABLE_MAIN)
            continue;
        if (ifindex && rtnl_route_nh_get_ifindex(hop) != ifindex)
            continue;
        found = rtnl_route_nh_get_ifindex(hop);
        (void)to_endpoint(rtnl_route_nh_get_gateway(hop), gateway);
    }
    nl_cache_free(routes);
    return found;
}

/* The interface to look at; NULL: there is none. Give it back with rtnl_link_put(). */
static struct rtnl_link *find_link(const struct netlink *netlink, struct nl_cache *links,
                                   struct nl_cache *addresses)
{
    struct endpoint gateway;
    int ifindex;

    if (*netlink->config.ifname)
        return rtnl_link_get_by_name(links, netlink->config.ifname);
    ifindex = find_default_route(netlink->asker, 0, &gateway);
    for (struct nl_object *object = nl_cache_get_first(addresses); object && !ifindex;
         object = nl_cache_get_next(object)) {
        struct rtnl_addr *address = (struct rtnl_addr *)object;
        struct rtnl_link *link = rtnl_link_get(links, rtnl_addr_get_ifindex(address));

        if (link && rtnl_addr_get_family(address) == AF_INET &&
            !(rtnl_link_get_flags(link) & IFF_LOOPBACK))
            ifindex = rtnl_addr_get_ifindex(address);
        if (link)
            rtnl_link_put(link);
    }
    return rtnl_link_get(links, ifindex ? ifindex : 1); /* at last, loopback */
}

static void read_addresses(struct nl_cache *addresses, int ifindex, struct adapter_info *info)
{
    const unsigned unusable = IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED; /* RFC 4862 */

    for (struct nl_object *object = nl_cache_get_first(addresses); object;
         object = nl_cache_get_next(object)) {
        struct rtnl_addr *address = (struct rtnl_addr *)object;
        const struct nl_addr *local = rtnl_addr_get_local(address);

        if (rtnl_addr_get_ifindex(address) != ifindex || !local)
            continue;
        if (rtnl_addr_get_family(address) == AF_INET && info->ip.family == IP_FAMILY_NONE &&
            to_endpoint(local, &info->ip))
            set_mask(&info->mask, (unsigned)rtnl_addr_get_prefixlen(address));
        if (rtnl_addr_get_family(address) == AF_INET6 && info->ip6.family == IP_FAMILY_NONE &&
            rtnl_addr_get_scope(address) == RT_SCOPE_UNIVERSE &&
            !(rtnl_addr_get_flags(address) & unusable))
            (void)to_endpoint(local, &info->ip6);
    }
}

static void read_link(struct rtnl_link *link, struct netlink_state *state)
{
    const struct nl_addr *mac = rtnl_link_get_addr(link);
    const unsigned up = IFF_UP | IFF_RUNNING | LOWER_UP;

    state->ifindex = rtnl_link_get_ifindex(link);
    /* between LOWER_UP and RUNNING the kernel drops what is sent: the link's queue is not open yet */
    state->has_carrier = (rtnl_link_get_flags(link) & (up | DORMANT)) == up;
    state->mtu = rtnl_link_get_mtu(link);
    if (mac && nl_addr_get_len(mac) == sizeof(state->mac))
        memcpy(state->mac, nl_addr_get_binary_addr(mac), sizeof(state->mac));
}

void netlink_read(struct netlink *netlink, struct netlink_state *state, struct adapter_info *info)
{
    struct nl_cache *links, *addresses;
    struct rtnl_link *link = NULL;

    *state = (struct netlink_state){ 0 };
    info->ip = info->mask = info->ip6 = (struct endpoint){ 0 };
    endpoint_set_v4(&info->gateway, 0, 0, 0, 0);
    if (rtnl_link_alloc_cache(netlink->asker, AF_UNSPEC, &links) < 0)
        return;
    if (rtnl_addr_alloc_cache(netlink->asker, &addresses) < 0) {
        nl_cache_free(links);
        return;
    }
    link = find_link(netlink, links, addresses);
    if (link) {
        read_link(link, state);
        read_addresses(addresses, state->ifindex, info);
        (void)find_default_route(netlink->asker, state->ifindex, &info->gateway);
        state->is_ready = state->has_carrier && info->ip.family == IP_FAMILY_V4;
        rtnl_link_put(link);
    }
    if (info->gateway.family == IP_FAMILY_NONE)
        endpoint_set_v4(&info->gateway, 0, 0, 0, 0);
    nl_cache_free(addresses);
    nl_cache_free(links);
}

static int open_here(void *ctx, int domain, int type, int protocol)
{
    int fd = socket(domain, type, protocol);

    (void)ctx;
    return fd < 0 ? -errno : fd;
}

void netlink_peek(const char *ifname, struct netlink_state *state, struct adapter_info *info)
{
    struct netlink netlink = { .config = { .open = open_here } };

    *state = (struct netlink_state){ 0 };
    (void)snprintf(netlink.config.ifname, sizeof(netlink.config.ifname), "%s", ifname);
    if (open_asker(&netlink) < 0)
        return;
    netlink_read(&netlink, state, info);
    nl_socket_free(netlink.asker);
}
