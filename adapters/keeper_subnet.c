/*
 * The keeper's child: a network behind the bridge's, with one host in it, which is a place of its own.
 *
 * The bridge's place is the router between them: its kernel forwards, and takes one from the TTL, as
 * any does.
 */
#include <errno.h>

#include "adapters/keeper_priv.h"
#include "adapters/netlink_make.h"

#define ROUTER_IFNAME "subnet"
#define HOST_IFNAME   "eth0"
#define FORWARDING    "/proc/sys/net/ipv4/conf/all/forwarding"

static int give(struct netlink_maker *maker, const char *ifname, const struct endpoint *ip,
                unsigned prefix_len)
{
    struct netlink_address address = { .ip = *ip, .prefix_len = prefix_len };
    int rc = address.ifindex = netlink_index(maker, ifname);

    if (rc >= 0)
        rc = netlink_set_up(maker, address.ifindex, true);
    return rc < 0 ? rc : netlink_add_address(maker, &address);
}

static int route_back(struct netlink_maker *maker, const struct endpoint *router)
{
    const struct netlink_route route = { .ifindex = netlink_index(maker, HOST_IFNAME),
                                         .gateway = *router };

    return route.ifindex < 0 ? route.ifindex : netlink_add_default_route(maker, &route);
}

/* Its place, or -errno. */
int child_add_subnet(struct child *child, const struct board_address *address)
{
    const struct place *home = &child->places[KEEPER_HOME];
    struct netlink_veth veth = { .near_name = ROUTER_IFNAME,
                                 .near_is_up = true,
                                 .far_name = HOST_IFNAME };
    int rc = home->ifindex ? child_go(child, KEEPER_HOME) : -EOPNOTSUPP;
    struct place *host;

    if (rc == 0)
        rc = child_write_file(FORWARDING, "1");
    if (rc == 0)
        rc = child_add_place(child);
    if (rc < 0)
        return rc;
    host = &child->places[child->here];
    veth.far_netns = host->netns;
    rc = netlink_add_veth(home->maker, &veth);
    if (rc == 0)
        rc = give(home->maker, ROUTER_IFNAME, &address->gateway, address->prefix_len);
    if (rc == 0)
        rc = give(host->maker, HOST_IFNAME, &address->ip, address->prefix_len);
    if (rc == 0)
        rc = route_back(host->maker, &address->gateway);
    return rc < 0 ? rc : (int)(host - child->places);
}
