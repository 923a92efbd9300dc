#include "adapters/netlink.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/bridge.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/route.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "emu/loop.h"
#include "emu/util.h"

#define DISCARD_CAP 8192 /* of a notification, whose text is not looked at */
#define V4_BITS     32

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

static bool has_carrier(struct rtnl_link *link)
{
    unsigned flags = rtnl_link_get_flags(link);

    return flags & IFF_UP && flags & IFF_RUNNING;
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
            rtnl_addr_get_scope(address) == RT_SCOPE_UNIVERSE)
            (void)to_endpoint(local, &info->ip6);
    }
}

bool netlink_read(struct netlink *netlink, struct adapter_info *info)
{
    struct nl_cache *links, *addresses;
    struct rtnl_link *link = NULL;
    bool is_ready = false;

    info->ip = info->mask = info->gateway = info->ip6 = (struct endpoint){ 0 };
    if (rtnl_link_alloc_cache(netlink->asker, AF_UNSPEC, &links) < 0)
        return false;
    if (rtnl_addr_alloc_cache(netlink->asker, &addresses) < 0) {
        nl_cache_free(links);
        return false;
    }
    link = find_link(netlink, links, addresses);
    if (link) {
        read_addresses(addresses, rtnl_link_get_ifindex(link), info);
        (void)find_default_route(netlink->asker, rtnl_link_get_ifindex(link), &info->gateway);
        is_ready = has_carrier(link) && info->ip.family == IP_FAMILY_V4;
        rtnl_link_put(link);
    }
    if (info->gateway.family == IP_FAMILY_NONE)
        endpoint_set_v4(&info->gateway, 0, 0, 0, 0);
    nl_cache_free(addresses);
    nl_cache_free(links);
    return is_ready;
}

/* ---- making links ------------------------------------------------------------------------------- */

/* libnl's error as errno's. */
static int to_errno(int error)
{
    static const struct {
        int nl, errnum;
    } rows[] = {
        { NLE_PERM, EPERM },           { NLE_NOACCESS, EACCES },
        { NLE_EXIST, EEXIST },         { NLE_OBJ_NOTFOUND, ENODEV },
        { NLE_NODEV, ENODEV },         { NLE_OPNOTSUPP, EOPNOTSUPP },
        { NLE_NOMEM, ENOMEM },         { NLE_INVAL, EINVAL },
        { NLE_NOADDR, EADDRNOTAVAIL }, { NLE_AF_NOSUPPORT, EAFNOSUPPORT },
    };

    for (int i = 0; i < ARRAY_LEN(rows); i++) {
        if (-error == rows[i].nl)
            return -rows[i].errnum;
    }
    return error < 0 ? -EIO : 0;
}

static int connect_here(struct nl_sock **sock)
{
    int rc;

    *sock = nl_socket_alloc();
    if (!*sock)
        return -ENOMEM;
    rc = to_errno(nl_connect(*sock, NETLINK_ROUTE));
    if (rc < 0)
        nl_socket_free(*sock);
    return rc;
}

/* Add @link, which is freed. */
static int add_link(struct nl_sock *sock, struct rtnl_link *link)
{
    int rc = link ? to_errno(rtnl_link_add(sock, link, NLM_F_CREATE | NLM_F_EXCL)) : -ENOMEM;

    if (link)
        rtnl_link_put(link);
    return rc;
}

int netlink_add_bridge(const char *ifname)
{
    struct nl_sock *sock;
    struct rtnl_link *link;
    int rc = connect_here(&sock);

    if (rc < 0)
        return rc;
    link = rtnl_link_bridge_alloc();
    if (link) {
        rtnl_link_set_name(link, ifname);
        rtnl_link_set_flags(link, IFF_UP);
    }
    rc = add_link(sock, link);
    nl_socket_free(sock);
    return rc;
}

int netlink_add_veth(const char *port, const char *bridge, const char *ifname, int netns)
{
    int bridge_index = (int)if_nametoindex(bridge);
    struct nl_sock *sock;
    struct rtnl_link *link;
    int rc = connect_here(&sock);

    if (rc < 0)
        return rc;
    link = rtnl_link_veth_alloc();
    if (link) {
        struct rtnl_link *peer = rtnl_link_veth_get_peer(link);

        rtnl_link_set_name(link, port);
        rtnl_link_set_master(link, bridge_index);
        rtnl_link_set_flags(link, IFF_UP);
        rtnl_link_set_name(peer, ifname);
        rtnl_link_set_ns_fd(peer, netns);
        rtnl_link_put(peer);
    }
    rc = add_link(sock, link);
    nl_socket_free(sock);
    return rc;
}

/* Change the link @ifname to what @change says; frees it. */
static int change_link(const char *ifname, struct rtnl_link *change)
{
    struct nl_sock *sock;
    struct rtnl_link *as_is;
    int rc = change ? connect_here(&sock) : -ENOMEM;

    if (rc == 0) {
        rc = to_errno(rtnl_link_get_kernel(sock, 0, ifname, &as_is));
        if (rc == 0) {
            rc = to_errno(rtnl_link_change(sock, as_is, change, 0));
            rtnl_link_put(as_is);
        }
        nl_socket_free(sock);
    }
    if (change)
        rtnl_link_put(change);
    return rc;
}

int netlink_set_up(const char *ifname, bool is_up)
{
    struct rtnl_link *change = rtnl_link_alloc();

    if (change && is_up) {
        rtnl_link_set_flags(change, IFF_UP);
    } else if (change) {
        rtnl_link_unset_flags(change, IFF_UP);
    }
    return change_link(ifname, change);
}

int netlink_set_master(const char *ifname, const char *bridge)
{
    struct rtnl_link *change = rtnl_link_alloc();

    if (change)
        rtnl_link_set_master(change, (int)if_nametoindex(bridge));
    return change_link(ifname, change);
}

int netlink_remove_link(const char *ifname)
{
    struct rtnl_link *link = rtnl_link_alloc();
    struct nl_sock *sock;
    int rc = link ? connect_here(&sock) : -ENOMEM;

    if (rc == 0) {
        rtnl_link_set_name(link, ifname);
        rc = to_errno(rtnl_link_delete(sock, link));
        nl_socket_free(sock);
    }
    if (link)
        rtnl_link_put(link);
    return rc;
}

/* Without checksums from hardware there is no cutting by it either: the kernel does both. */
int netlink_set_offloads(const char *ifname, bool is_on)
{
    static const uint32_t commands[] = { ETHTOOL_STXCSUM, ETHTOOL_SSG, ETHTOOL_STSO };
    struct ifreq request = { 0 };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int rc = 0;

    if (fd < 0)
        return -errno;
    (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", ifname);
    for (int i = 0; i < ARRAY_LEN(commands) && rc == 0; i++) {
        struct ethtool_value value = { .cmd = commands[i], .data = is_on };

        request.ifr_data = (char *)&value;
        if (ioctl(fd, SIOCETHTOOL, &request) < 0 && errno != EOPNOTSUPP)
            rc = -errno;
    }
    close(fd);
    return rc;
}

static struct nl_addr *build_addr(const struct endpoint *ep, unsigned prefix_len)
{
    int family = ep->family == IP_FAMILY_V6 ? AF_INET6 : AF_INET;
    struct nl_addr *addr = nl_addr_build(family, ep->addr, endpoint_addr_len(ep));

    if (addr)
        nl_addr_set_prefixlen(addr, (int)prefix_len);
    return addr;
}

int netlink_add_address(const char *ifname, const struct endpoint *ip, unsigned prefix_len)
{
    struct nl_addr *local = build_addr(ip, prefix_len);
    struct rtnl_addr *address = rtnl_addr_alloc();
    struct nl_sock *sock;
    int rc = local && address ? connect_here(&sock) : -ENOMEM;

    if (rc == 0) {
        rtnl_addr_set_ifindex(address, (int)if_nametoindex(ifname));
        rc = to_errno(rtnl_addr_set_local(address, local));
        if (rc == 0)
            rc = to_errno(rtnl_addr_add(sock, address, 0));
        nl_socket_free(sock);
    }
    if (address)
        rtnl_addr_put(address);
    nl_addr_put(local);
    return rc;
}

int netlink_add_default_route(const char *ifname, const struct endpoint *gateway)
{
    static const struct endpoint everywhere = { .family = IP_FAMILY_V4 };
    struct nl_addr *to = build_addr(&everywhere, 0), *via = build_addr(gateway, V4_BITS);
    struct rtnl_route *route = rtnl_route_alloc();
    struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
    struct nl_sock *sock;
    int rc = to && via && route && hop ? connect_here(&sock) : -ENOMEM;

    if (rc == 0) {
        rtnl_route_nh_set_ifindex(hop, (int)if_nametoindex(ifname));
        rtnl_route_nh_set_gateway(hop, via);
        rtnl_route_add_nexthop(route, hop);
        hop = NULL; /* the route's from here on */
        (void)rtnl_route_set_dst(route, to);
        rc = to_errno(rtnl_route_add(sock, route, 0));
        nl_socket_free(sock);
    }
    if (hop)
        rtnl_route_nh_free(hop);
    if (route)
        rtnl_route_put(route);
    nl_addr_put(via);
    nl_addr_put(to);
    return rc;
}
