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
static int find_void(struct child *child)
{
    struct netlink_maker *maker = child->places[KEEPER_HOME].maker;
    int rc = child->void_ifindex;

    if (rc)
        return rc;
    rc = netlink_add_bridge(maker, VOID, false);
    if (rc == 0)
        rc = child->void_ifindex = netlink_index(maker, VOID);
    return rc;
}

/*
 * The port of the link moves to the void, and so does one end of a second pair, whose other end,
 * "nearN", takes its place on the bridge. Both ways frames begin at an interface whose offloads are
 * off, the link's own one and the other.
 */
static int divert(struct child *child, int place)
{
    const struct place *home = &child->places[KEEPER_HOME];
    char port[IFNAMSIZ], far[IFNAMSIZ], near[IFNAMSIZ];
    const struct netlink_veth pair = { .near_name = near,
                                       .near_master = home->ifindex,
                                       .near_is_up = true,
                                       .far_name = far,
                                       .far_netns = home->netns };
    int nowhere = find_void(child), rc = nowhere < 0 ? nowhere : 0;

    keeper_ends(place, port, far);
    (void)snprintf(near, sizeof(near), "near%d", place);
    if (rc == 0)
        rc = netlink_add_veth(home->maker, &pair);
    if (rc == 0)
        rc = netlink_set_offloads(near, false);
    if (rc == 0) {
        int ifindex = netlink_index(home->maker, far);

        rc = netlink_set_master(home->maker, ifindex, nowhere);
        if (rc == 0)
            rc = netlink_set_up(home->maker, ifindex, true);
    }
    return rc < 0 ? rc
                  : netlink_set_master(home->maker, child->places[place].port_ifindex, nowhere);
}

static int rejoin(struct child *child, int place)
{
    const struct place *home = &child->places[KEEPER_HOME];
    char port[IFNAMSIZ], far[IFNAMSIZ];
    int rc = netlink_set_master(home->maker, child->places[place].port_ifindex, home->ifindex);
    int ifindex;

    keeper_ends(place, port, far);
    ifindex = netlink_index(home->maker, far);
    return rc < 0 ? rc : ifindex < 0 ? ifindex : netlink_remove_link(home->maker, ifindex);
}

int child_set_diverted(struct child *child, int place, bool is_off)
{
    const struct place *home = &child->places[KEEPER_HOME];
    int rc;

    if (place == KEEPER_HOME || child->places[place].port_maker != home->maker)
        return -EOPNOTSUPP;
    rc = child_go(child, place);
    if (rc == 0)
        rc = netlink_set_offloads(child->places[place].ifname, !is_off);
    if (rc == 0)
        rc = child_go(child, KEEPER_HOME);
    if (rc == 0)
        rc = is_off ? divert(child, place) : rejoin(child, place);
    if (rc < 0 && is_off)
        (void)rejoin(child, place);
    return rc;
}
