/* The keeper's child: the near end of the way out, see uplink.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "adapters/keeper_priv.h"
#include "adapters/netlink_make.h"
#include "adapters/uplink_priv.h"

#define PREFIX_LEN 24

/* Both ends in the bridge's namespace; frames are then as on a cable. */
static int add_veth(struct netlink_maker *maker)
{
    const struct netlink_veth veth = { .near_name = UPLINK_IFNAME,
                                       .far_name = UPLINK_FAR_END,
                                       .far_netns = -1 };
    int rc = netlink_add_veth(maker, &veth);
    int far;

    if (rc < 0)
        return rc;
    far = netlink_index(maker, UPLINK_FAR_END);
    rc = far < 0 ? far : netlink_set_up(maker, far, true);
    if (rc == 0)
        rc = netlink_set_offloads(UPLINK_IFNAME, false);
    return rc < 0 ? rc : netlink_set_offloads(UPLINK_FAR_END, false);
}

static int set_addresses(struct netlink_maker *maker, int ifindex)
{
    struct netlink_address address = { .ifindex = ifindex, .prefix_len = PREFIX_LEN };
    struct netlink_route route = { .ifindex = ifindex };
    int rc = netlink_set_up(maker, ifindex, true);

    endpoint_set_v4(&address.ip, 10, 0, 2, 100); /* UPLINK_ADDRESS */
    endpoint_set_v4(&route.gateway, 10, 0, 2, 2);
    if (rc == 0)
        rc = netlink_add_address(maker, &address);
    return rc < 0 ? rc : netlink_add_default_route(maker, &route);
}

int child_set_uplink(struct child *child, bool is_veth, struct reply *reply)
{
    const struct place *home = &child->places[KEEPER_HOME];
    int rc = home->ifindex ? child_go(child, KEEPER_HOME) : -EOPNOTSUPP;
    int ifindex;

    if (rc == 0 && is_veth)
        rc = add_veth(home->maker);
    if (rc < 0)
        return rc;
    ifindex = netlink_index(home->maker, UPLINK_IFNAME);
    if (ifindex < 0)
        return ifindex;
    rc = set_addresses(home->maker, ifindex);
    return rc < 0 ? rc : child_masquerade(child, KEEPER_BRIDGE, UPLINK_IFNAME, reply);
}
