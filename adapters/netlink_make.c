#include "adapters/netlink_make.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/bridge.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/route.h>
#include <netlink/route/rule.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "emu/util.h"

struct netlink_maker {
    struct nl_sock *sock;
};

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
        { NLE_BUSY, EBUSY },           { NLE_RANGE, ERANGE },
    };

    for (int i = 0; i < ARRAY_LEN(rows); i++) {
        if (-error == rows[i].nl)
            return -rows[i].errnum;
    }
    return error < 0 ? -EIO : 0;
}

int netlink_maker_open(struct netlink_maker **out)
{
    struct nl_sock *sock = nl_socket_alloc();
    int rc = sock ? to_errno(nl_connect(sock, NETLINK_ROUTE)) : -ENOMEM;

    if (rc < 0) {
        if (sock)
            nl_socket_free(sock);
        return rc;
    }
    *out = xcalloc(1, sizeof(**out));
    (*out)->sock = sock;
    return 0;
}

void netlink_maker_close(struct netlink_maker *maker)
{
    nl_socket_free(maker->sock);
    free(maker);
}

/* ---- links -------------------------------------------------------------------------------------- */

/* By @ifname, or by @ifindex when that is NULL. */
static int find_link(struct netlink_maker *maker, int ifindex, const char *ifname,
                     struct rtnl_link **link)
{
    return to_errno(rtnl_link_get_kernel(maker->sock, ifname ? 0 : ifindex, ifname, link));
}

int netlink_index(struct netlink_maker *maker, const char *ifname)
{
    struct rtnl_link *link;
    int rc = find_link(maker, 0, ifname, &link);

    if (rc < 0)
        return rc;
    rc = rtnl_link_get_ifindex(link);
    rtnl_link_put(link);
    return rc;
}

int netlink_bridge_index(struct netlink_maker *maker, const char *ifname)
{
    struct rtnl_link *link;
    const char *type;
    int rc = find_link(maker, 0, ifname, &link);

    if (rc < 0)
        return rc;
    type = rtnl_link_get_type(link);
    rc = type && strcmp(type, "bridge") == 0 ? rtnl_link_get_ifindex(link) : -ENOTSUP;
    rtnl_link_put(link);
    return rc;
}

int netlink_name(struct netlink_maker *maker, int ifindex, char ifname[IFNAMSIZ])
{
    struct rtnl_link *link;
    int rc = find_link(maker, ifindex, NULL, &link);

    if (rc < 0)
        return rc;
    (void)snprintf(ifname, IFNAMSIZ, "%s", rtnl_link_get_name(link));
    rtnl_link_put(link);
    return 0;
}

int netlink_veth_peer(struct netlink_maker *maker, int ifindex)
{
    struct rtnl_link *link;
    int rc = find_link(maker, ifindex, NULL, &link);

    if (rc < 0)
        return rc;
    rc = rtnl_link_get_link(link);
    rtnl_link_put(link);
    return rc > 0 ? rc : -ENODEV;
}

/* Add @link, which is freed. */
static int add_link(struct netlink_maker *maker, struct rtnl_link *link)
{
    int rc = link ? to_errno(rtnl_link_add(maker->sock, link, NLM_F_CREATE | NLM_F_EXCL)) : -ENOMEM;

    if (link)
        rtnl_link_put(link);
    return rc;
}

static void set_mac(struct rtnl_link *link, const uint8_t mac[NETLINK_MAC_LEN])
{
    struct nl_addr *addr = nl_addr_build(AF_LLC, mac, NETLINK_MAC_LEN);

    if (!addr)
        return;
    rtnl_link_set_addr(link, addr); /* keeps a reference of its own */
    nl_addr_put(addr);
}

/*
 * A bridge without an address of its own takes the lowest of its ports', another one whenever ports
 * come and go, and then nobody reaches it until ARP is asked again.
 */
int netlink_add_bridge(struct netlink_maker *maker, const char *ifname, bool is_up)
{
    static const uint8_t mac[NETLINK_MAC_LEN] = { 0x02, 0x6c, 0x61, 0x62, 0x00, 0x01 };
    struct rtnl_link *link = rtnl_link_bridge_alloc();

    if (link) {
        rtnl_link_set_name(link, ifname);
        set_mac(link, mac);
        if (is_up)
            rtnl_link_set_flags(link, IFF_UP);
    }
    return add_link(maker, link);
}

int netlink_add_veth(struct netlink_maker *maker, const struct netlink_veth *veth)
{
    struct rtnl_link *link = rtnl_link_veth_alloc();
    struct rtnl_link *peer;

    if (!link)
        return -ENOMEM;
    peer = rtnl_link_veth_get_peer(link);
    rtnl_link_set_name(link, veth->near_name);
    if (veth->near_master)
        rtnl_link_set_master(link, veth->near_master);
    if (veth->near_is_up)
        rtnl_link_set_flags(link, IFF_UP);
    rtnl_link_set_name(peer, veth->far_name);
    if (veth->far_netns >= 0)
        rtnl_link_set_ns_fd(peer, veth->far_netns);
    if (veth->far_mac)
        set_mac(peer, veth->far_mac);
    if (veth->mtu) {
        rtnl_link_set_mtu(link, veth->mtu);
        rtnl_link_set_mtu(peer, veth->mtu);
    }
    rtnl_link_put(peer);
    return add_link(maker, link);
}

/* Make @change, which is freed, to a link. */
static int change_link(struct netlink_maker *maker, int ifindex, struct rtnl_link *change)
{
    struct rtnl_link *as_is;
    int rc = change ? find_link(maker, ifindex, NULL, &as_is) : -ENOMEM;

    if (rc == 0) {
        rc = to_errno(rtnl_link_change(maker->sock, as_is, change, 0));
        rtnl_link_put(as_is);
    }
    if (change)
        rtnl_link_put(change);
    return rc;
}

int netlink_set_up(struct netlink_maker *maker, int ifindex, bool is_up)
{
    struct rtnl_link *change = rtnl_link_alloc();

    if (change && is_up)
        rtnl_link_set_flags(change, IFF_UP);
    else if (change)
        rtnl_link_unset_flags(change, IFF_UP);
    return change_link(maker, ifindex, change);
}

int netlink_set_mac(struct netlink_maker *maker, int ifindex, const uint8_t mac[NETLINK_MAC_LEN])
{
    struct rtnl_link *change = rtnl_link_alloc();

    if (change)
        set_mac(change, mac);
    return change_link(maker, ifindex, change);
}

int netlink_set_mtu(struct netlink_maker *maker, int ifindex, unsigned mtu)
{
    struct rtnl_link *change = rtnl_link_alloc();

    if (change)
        rtnl_link_set_mtu(change, mtu);
    return change_link(maker, ifindex, change);
}

int netlink_get_mtu(struct netlink_maker *maker, int ifindex)
{
    struct rtnl_link *link;
    int rc = find_link(maker, ifindex, NULL, &link);

    if (rc < 0)
        return rc;
    rc = (int)rtnl_link_get_mtu(link);
    rtnl_link_put(link);
    return rc;
}

int netlink_set_master(struct netlink_maker *maker, int ifindex, int bridge)
{
    struct rtnl_link *change = rtnl_link_alloc();

    if (change)
        rtnl_link_set_master(change, bridge);
    return change_link(maker, ifindex, change);
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

int netlink_remove_link(struct netlink_maker *maker, int ifindex)
{
    struct rtnl_link *link = rtnl_link_alloc();
    int rc = -ENOMEM;

    if (!link)
        return rc;
    rtnl_link_set_ifindex(link, ifindex);
    rc = to_errno(rtnl_link_delete(maker->sock, link));
    rtnl_link_put(link);
    return rc;
}

/* ---- addresses ---------------------------------------------------------------------------------- */

static int af_of(enum ip_family family)
{
    return family == IP_FAMILY_V6 ? AF_INET6 : AF_INET;
}

static struct nl_addr *build_addr(const struct endpoint *ep, unsigned prefix_len)
{
    struct nl_addr *addr = nl_addr_build(af_of(ep->family), ep->addr, endpoint_addr_len(ep));

    if (addr)
        nl_addr_set_prefixlen(addr, (int)prefix_len);
    return addr;
}

/* NULL: no memory. */
static struct rtnl_addr *build_address(const struct netlink_address *address)
{
    struct nl_addr *local = build_addr(&address->ip, address->prefix_len);
    struct rtnl_addr *built = rtnl_addr_alloc();

    if (local && built) {
        rtnl_addr_set_ifindex(built, address->ifindex);
        (void)rtnl_addr_set_local(built, local);
        if (address->ip.family == IP_FAMILY_V6) /* usable at once, RFC 4862 5.4 */
            rtnl_addr_set_flags(built, IFA_F_NODAD);
        if (address->lifetime_s) {
            rtnl_addr_set_valid_lifetime(built, address->lifetime_s);
            rtnl_addr_set_preferred_lifetime(built, address->lifetime_s);
        }
    } else if (built) {
        rtnl_addr_put(built);
        built = NULL;
    }
    nl_addr_put(local);
    return built;
}

int netlink_add_address(struct netlink_maker *maker, const struct netlink_address *address)
{
    struct rtnl_addr *built = build_address(address);
    int rc = built ? to_errno(rtnl_addr_add(maker->sock, built, NLM_F_REPLACE)) : -ENOMEM;

    if (built)
        rtnl_addr_put(built);
    return rc;
}

int netlink_remove_address(struct netlink_maker *maker, const struct netlink_address *address)
{
    struct rtnl_addr *built = build_address(address);
    int rc = built ? to_errno(rtnl_addr_delete(maker->sock, built, 0)) : -ENOMEM;

    if (built)
        rtnl_addr_put(built);
    return rc;
}

/* What is done with an address of an interface. */
typedef void visit_fn(struct netlink_maker *maker, struct rtnl_addr *found, void *ctx);

static void visit_addresses(struct netlink_maker *maker, int ifindex, enum ip_family family,
                            visit_fn *visit, void *ctx)
{
    struct nl_cache *cache;

    if (rtnl_addr_alloc_cache(maker->sock, &cache) < 0)
        return;
    for (struct nl_object *object = nl_cache_get_first(cache); object;
         object = nl_cache_get_next(object)) {
        struct rtnl_addr *found = (struct rtnl_addr *)object;

        if (rtnl_addr_get_ifindex(found) == ifindex &&
            rtnl_addr_get_family(found) == af_of(family) &&
            rtnl_addr_get_scope(found) == RT_SCOPE_UNIVERSE && rtnl_addr_get_local(found))
            visit(maker, found, ctx);
    }
    nl_cache_free(cache);
}

struct search {
    const struct netlink_address *wanted;
    enum netlink_found found;
};

static void compare(struct netlink_maker *maker, struct rtnl_addr *found, void *ctx)
{
    struct search *search = ctx;
    const struct netlink_address *wanted = search->wanted;
    const struct nl_addr *local = rtnl_addr_get_local(found);

    (void)maker;
    if (rtnl_addr_get_prefixlen(found) == (int)wanted->prefix_len &&
        nl_addr_get_len(local) == endpoint_addr_len(&wanted->ip) &&
        memcmp(nl_addr_get_binary_addr(local), wanted->ip.addr, nl_addr_get_len(local)) == 0)
        search->found = rtnl_addr_get_flags(found) & IFA_F_PERMANENT ? NETLINK_FOUND_PERMANENT
                                                                     : NETLINK_FOUND_LEASED;
}

enum netlink_found netlink_find_address(struct netlink_maker *maker,
                                        const struct netlink_address *address)
{
    struct search search = { .wanted = address };

    visit_addresses(maker, address->ifindex, address->ip.family, compare, &search);
    return search.found;
}

static void remove_found(struct netlink_maker *maker, struct rtnl_addr *found, void *ctx)
{
    (void)ctx;
    (void)rtnl_addr_delete(maker->sock, found, 0); /* one that went with another is no harm */
}

void netlink_flush_addresses(struct netlink_maker *maker, int ifindex, enum ip_family family)
{
    visit_addresses(maker, ifindex, family, remove_found, NULL);
}

/* ---- routes ----------------------------------------------------------------------------------------- */

static struct rtnl_nexthop *build_hop(const struct netlink_route *route)
{
    struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
    struct nl_addr *via = nl_addr_build(af_of(route->gateway.family), route->gateway.addr,
                                        endpoint_addr_len(&route->gateway));

    if (hop && via) {
        rtnl_route_nh_set_ifindex(hop, route->ifindex);
        rtnl_route_nh_set_gateway(hop, via);
    }
    nl_addr_put(via);
    return hop;
}

int netlink_add_default_route(struct netlink_maker *maker, const struct netlink_route *route)
{
    const struct endpoint everywhere = { .family = route->gateway.family };
    struct nl_addr *to = build_addr(&everywhere, 0);
    struct rtnl_route *built = rtnl_route_alloc();
    struct rtnl_nexthop *hop = build_hop(route);
    int rc = to && built && hop ? 0 : -ENOMEM;

    if (rc == 0) {
        rtnl_route_add_nexthop(built, hop);
        hop = NULL; /* the route's from here on */
        (void)rtnl_route_set_dst(built, to);
        if (route->table)
            rtnl_route_set_table(built, route->table);
        if (route->metric)
            rtnl_route_set_priority(built, route->metric);
        if (route->source.family == route->gateway.family) {
            struct nl_addr *source = nl_addr_build(af_of(route->source.family), route->source.addr,
                                                   endpoint_addr_len(&route->source));

            if (source)
                (void)rtnl_route_set_pref_src(built, source);
            nl_addr_put(source);
        }
        rc = to_errno(rtnl_route_add(maker->sock, built, NLM_F_REPLACE));
    }
    if (hop)
        rtnl_route_nh_free(hop);
    if (built)
        rtnl_route_put(built);
    nl_addr_put(to);
    return rc;
}

static struct rtnl_rule *build_rule(const char *ifname, uint32_t table)
{
    struct rtnl_rule *rule = rtnl_rule_alloc();

    if (!rule)
        return NULL;
    rtnl_rule_set_family(rule, AF_INET);
    (void)rtnl_rule_set_iif(rule, ifname);
    rtnl_rule_set_table(rule, table);
    rtnl_rule_set_action(rule, FR_ACT_TO_TBL);
    return rule;
}

int netlink_add_rule(struct netlink_maker *maker, const char *ifname, uint32_t table)
{
    struct rtnl_rule *rule = build_rule(ifname, table);
    int rc = rule ? to_errno(rtnl_rule_add(maker->sock, rule, 0)) : -ENOMEM;

    if (rule)
        rtnl_rule_put(rule);
    return rc;
}

int netlink_remove_rule(struct netlink_maker *maker, const char *ifname, uint32_t table)
{
    struct rtnl_rule *rule = build_rule(ifname, table);
    int rc = rule ? to_errno(rtnl_rule_delete(maker->sock, rule, 0)) : -ENOMEM;

    if (rule)
        rtnl_rule_put(rule);
    return rc;
}
