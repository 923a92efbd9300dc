/* The keeper's child: frames of a link that others carry. */
#include <errno.h>
#include <stdio.h>

#include "adapters/keeper_priv.h"
#include "adapters/netlink_make.h"

#define VOID \
    "void" /* a bridge that is down: what arrives at its ports is dropped once it is seen */

void keeper_ends(int place, char link_end[IFNAMSIZ], char bridge_end[IFNAMSIZ])
{
    (void)snprintf(link_end, IFNAMSIZ, "port%d", place);
    (void)snprintf(bridge_end, IFNAMSIZ, "far%d", place);
}

/* Ports of a bridge that is down: no other host on them answers what is meant for somebody else. */
static int find_void(struct place *yard)
{
    int rc = yard->void_ifindex;

    if (rc)
        return rc;
    rc = netlink_add_bridge(yard->maker, VOID, false);
    if (rc == 0)
        rc = yard->void_ifindex = netlink_index(yard->maker, VOID);
    return rc;
}

/*
 * The port of the link moves to the void, and so does one end of a second pair, whose other end,
 * "nearN", takes its place on the bridge. Both ways frames begin at an interface whose offloads are
 * off, the link's own one and the other.
 */
static int divert(struct child *child, int place)
{
    const struct place *link = &child->places[place];
    struct place *yard = &child->places[link->yard];
    char port[IFNAMSIZ], far[IFNAMSIZ], near[IFNAMSIZ];
    const struct netlink_veth pair = { .near_name = near,
                                       .near_master = link->bridge_ifindex,
                                       .near_is_up = true,
                                       .far_name = far,
                                       .far_netns = yard->netns,
                                       .mtu = link->mtu };
    int nowhere = find_void(yard), rc = nowhere < 0 ? nowhere : 0;

    keeper_ends(place, port, far);
    (void)snprintf(near, sizeof(near), "near%d", place);
    if (rc == 0)
        rc = netlink_add_veth(yard->maker, &pair);
    if (rc == 0)
        rc = netlink_set_offloads(near, false);
    if (rc == 0) {
        int ifindex = netlink_index(yard->maker, far);

        rc = netlink_set_master(yard->maker, ifindex, nowhere);
        if (rc == 0)
            rc = netlink_set_up(yard->maker, ifindex, true);
    }
    return rc < 0 ? rc : netlink_set_master(yard->maker, link->port_ifindex, nowhere);
}

static int rejoin(struct child *child, int place)
{
    const struct place *link = &child->places[place];
    struct netlink_maker *maker = child->places[link->yard].maker;
    char port[IFNAMSIZ], far[IFNAMSIZ];
    int rc = netlink_set_master(maker, link->port_ifindex, link->bridge_ifindex);
    int ifindex;

    keeper_ends(place, port, far);
    ifindex = netlink_index(maker, far);
    return rc < 0 ? rc : ifindex < 0 ? ifindex : netlink_remove_link(maker, ifindex);
}

int child_set_diverted(struct child *child, int place, bool is_off)
{
    const struct place *link = &child->places[place];
    int rc;

    if (place == KEEPER_HOME || !link->bridge_ifindex)
        return -EOPNOTSUPP;
    rc = child_go(child, place);
    if (rc == 0)
        rc = netlink_set_offloads(link->ifname, !is_off);
    if (rc == 0)
        rc = child_go(child, link->yard);
    if (rc == 0)
        rc = is_off ? divert(child, place) : rejoin(child, place);
    if (rc < 0 && is_off)
        (void)rejoin(child, place);
    return rc < 0 ? rc : link->yard;
}
