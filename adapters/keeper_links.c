/* The keeper's child: links, and the addresses that they have. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "adapters/keeper_priv.h"
#include "adapters/netlink_make.h"
#include "adapters/tap.h"
#include "emu/util.h"

#define MADE_UP_NAME   "luatos%d" /* the kernel chooses the number */
#define FOREIGN_METRIC 4096       /* of routes beside those of others: the last to be taken */

static int refuse(struct reply *reply, int rc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int refuse(struct reply *reply, int rc, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(reply->text, sizeof(reply->text), format, args);
    va_end(args);
    return rc;
}

/* ---- addresses ---------------------------------------------------------------------------------- */

/* One family's half of a board_address. */
struct half {
    const struct endpoint *ip, *gateway;
    unsigned prefix_len;
    const char *option; /* as --bind calls it */
};

static struct half v4_of(const struct board_address *address)
{
    return (struct half){ &address->ip, &address->gateway, address->prefix_len, "ip=" };
}

static struct half v6_of(const struct board_address *address)
{
    return (struct half){ &address->ip6, &address->gateway6, address->prefix6_len, "ip6=" };
}

static bool is_entered(const struct place *place)
{
    return place->netns < 0;
}

static struct netlink_address address_of(const struct place *place, const struct half *half)
{
    return (struct netlink_address){ .ifindex = place->ifindex,
                                     .ip = *half->ip,
                                     .prefix_len = half->prefix_len,
                                     .lifetime_s = is_entered(place) ? KEEPER_LEASE_S : 0 };
}

static bool is_same(const struct half *a, const struct half *b)
{
    return endpoint_same_ip(a->ip, b->ip) && a->prefix_len == b->prefix_len &&
           endpoint_same_ip(a->gateway, b->gateway);
}

/* Its routes go with it. */
static void take(const struct place *place, const struct half *half)
{
    struct netlink_address address = address_of(place, half);

    if (half->ip->family == IP_FAMILY_NONE)
        return;
    if (is_entered(place))
        (void)netlink_remove_address(place->maker, &address);
    else
        netlink_flush_addresses(place->maker, place->ifindex, half->ip->family);
}

static int give_route(const struct place *place, const struct half *half)
{
    const struct netlink_route route = { .ifindex = place->ifindex,
                                         .gateway = *half->gateway,
                                         .source = *half->ip,
                                         .metric = is_entered(place) ? FOREIGN_METRIC : 0 };

    return half->gateway->family == IP_FAMILY_NONE
               ? 0
               : netlink_add_default_route(place->maker, &route);
}

static const char *why_no_address(int rc)
{
    switch (-rc) {
    case EPERM:
        return "it takes root, or a namespace that you have made yourself";
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
    case EACCES:
        return "IPv6 is off there";
    default:
        return strerror(-rc);
    }
}

static int give(const struct place *place, const struct half *half, struct reply *reply)
{
    struct netlink_address address = address_of(place, half);
    char ip[ENDPOINT_TEXT_MAX];
    int rc;

    if (half->ip->family == IP_FAMILY_NONE)
        return 0;
    (void)endpoint_ip_text(half->ip, ip);
    if (is_entered(place) &&
        netlink_find_address(place->maker, &address) == NETLINK_FOUND_PERMANENT)
        return refuse(reply, -EEXIST, "%s%s/%u: %s has that address already", half->option, ip,
                      half->prefix_len, place->ifname);
    rc = netlink_add_address(place->maker, &address);
    if (rc < 0)
        return refuse(reply, rc, "%s%s/%u can't be given to %s: %s", half->option, ip,
                      half->prefix_len, place->ifname, why_no_address(rc));
    rc = give_route(place, half);
    if (rc == 0)
        return 0;
    if (rc == -EIO || rc == -EINVAL) /* libnl's words for ENETUNREACH and EHOSTUNREACH */
        rc = -ENETUNREACH;
    take(place, half);
    return refuse(reply, rc, "gw= can't be the gateway of %s: %s", place->ifname, strerror(-rc));
}

/* What can't be changed stays as it was. */
static int change_half(const struct place *place, const struct half *from, const struct half *to,
                       struct reply *reply)
{
    struct netlink_address address = address_of(place, to);
    struct reply unsaid;
    int rc;

    if (is_same(from, to) &&
        (to->ip->family == IP_FAMILY_NONE || netlink_find_address(place->maker, &address)))
        return 0;
    take(place, from);
    rc = give(place, to, reply);
    if (rc < 0)
        (void)give(place, from, &unsaid);
    return rc;
}

static int change_address(struct place *place, const struct board_address *address,
                          struct reply *reply)
{
    struct half from = v4_of(&place->given), to = v4_of(address);
    int rc = change_half(place, &from, &to, reply);

    if (rc == 0) {
        place->given.ip = address->ip;
        place->given.prefix_len = address->prefix_len;
        place->given.gateway = address->gateway;
        from = v6_of(&place->given);
        to = v6_of(address);
        rc = change_half(place, &from, &to, reply);
    }
    if (rc == 0)
        place->given = *address;
    return rc;
}

/* @mtu 0: the link's own. A link that keeps the one it has is no reason to refuse an address. */
static void change_mtu(struct place *place, unsigned mtu)
{
    if (mtu && !place->own_mtu) {
        int own_mtu = netlink_get_mtu(place->maker, place->ifindex);

        place->own_mtu = own_mtu > 0 ? (unsigned)own_mtu : 0;
    }
    if (!place->own_mtu)
        return;
    (void)netlink_set_mtu(place->maker, place->ifindex,
                          mtu && mtu < place->own_mtu ? mtu : place->own_mtu);
    if (!mtu)
        place->own_mtu = 0;
}

int child_set_address(struct child *child, int place_number, const struct keeper_link *link,
                      struct reply *reply)
{
    struct place *place = &child->places[place_number];

    if (is_entered(place)) {
        int ifindex = netlink_index(place->maker, link->ifname);

        if (ifindex < 0)
            return ifindex; /* not there yet, or no more: what was given went with it */
        if (ifindex != place->ifindex) {
            place->given = (struct board_address){ 0 };
            place->own_mtu = 0;
        }
        place->ifindex = ifindex;
        memcpy(place->ifname, link->ifname, sizeof(place->ifname));
    }
    if (!place->ifindex)
        return -EINVAL;
    change_mtu(place, link->mtu);
    return change_address(place, &link->address, reply);
}

void child_renew(struct place *place)
{
    const struct half halves[] = { v4_of(&place->given), v6_of(&place->given) };

    for (int i = 0; is_entered(place) && i < ARRAY_LEN(halves); i++) {
        struct netlink_address address = address_of(place, &halves[i]);

        /* one that somebody has taken away is not given back */
        if (halves[i].ip->family != IP_FAMILY_NONE && netlink_find_address(place->maker, &address))
            (void)netlink_add_address(place->maker, &address);
    }
}

void child_take_back(struct place *place)
{
    const struct half halves[] = { v4_of(&place->given), v6_of(&place->given) };

    for (int i = 0; is_entered(place) && i < ARRAY_LEN(halves); i++)
        take(place, &halves[i]);
    if (is_entered(place))
        change_mtu(place, 0);
}

/* ---- links -------------------------------------------------------------------------------------- */

static const uint8_t *mac_of(const struct keeper_link *link)
{
    static const uint8_t none[BOARD_MAC_LEN];

    return memcmp(link->mac, none, sizeof(none)) == 0 ? NULL : link->mac;
}

static struct netlink_veth veth_of(const struct keeper_link *link, const struct place *place)
{
    return (struct netlink_veth){ .near_is_up = !link->is_unplugged,
                                  .far_name = link->ifname,
                                  .far_netns = place->netns,
                                  .far_mac = mac_of(link),
                                  .mtu = link->mtu };
}

/* The numbers of both ends. */
static int find_ends(struct place *place, struct netlink_maker *port_maker)
{
    int rc = place->ifindex = netlink_index(place->maker, place->ifname);

    if (rc >= 0)
        rc = place->port_ifindex = netlink_veth_peer(place->maker, place->ifindex);
    place->port_maker = port_maker;
    return rc < 0 ? rc : 0;
}

/* Its port is on that bridge of that place. */
static int hang_on_bridge(struct child *child, struct place *place, const struct keeper_link *link,
                          int yard, int bridge)
{
    struct netlink_maker *maker = child->places[yard].maker;
    struct netlink_veth veth = veth_of(link, place);
    char port[IFNAMSIZ];
    int rc;

    (void)snprintf(port, sizeof(port), "port%d", (int)(place - child->places));
    place->yard = yard;
    veth.near_name = port;
    veth.near_master = place->bridge_ifindex = bridge;
    rc = netlink_add_veth(maker, &veth);
    return rc < 0 ? rc : find_ends(place, maker);
}

/* The number of a bridge of the network that the keeper came from; 0: none is wanted. */
static int find_bridge(struct child *child, const char *bridge, struct reply *reply)
{
    int rc = *bridge ? netlink_bridge_index(child->origin, bridge) : 0;

    if (rc == -ENODEV)
        return refuse(reply, rc,
                      "bridge=%s: there is no such bridge (as root: ip link add %s type "
                      "bridge)",
                      bridge, bridge);
    return rc < 0 ? refuse(reply, rc, "bridge=%s is no bridge", bridge) : rc;
}

/* A pair whose near end is in the network that the keeper came from. */
static int reach_host(struct child *child, struct netlink_veth *veth,
                      const struct keeper_link *link, struct reply *reply)
{
    int rc;

    veth->near_name = *link->peer ? link->peer : MADE_UP_NAME;
    veth->near_master = find_bridge(child, link->bridge, reply);
    if (veth->near_master < 0)
        return veth->near_master;
    rc = netlink_add_veth(child->origin, veth);
    if (rc == -EEXIST)
        return refuse(reply, rc, "peer=%s: this machine has an interface of that name", link->peer);
    if (rc == -EPERM)
        return refuse(reply, rc,
                      "a veth reaches into this machine's network, which takes root (or "
                      "to be run by unshare -rn)");
    return rc < 0 ? refuse(reply, rc, "the veth pair can't be made: %s", strerror(-rc)) : 0;
}

static int hang_on_host(struct child *child, struct place *place, const struct keeper_link *link,
                        struct reply *reply)
{
    struct netlink_veth veth = veth_of(link, place);
    int rc = reach_host(child, &veth, link, reply);

    if (rc == 0)
        rc = find_ends(place, child->origin);
    return rc < 0 ? rc : netlink_name(child->origin, place->port_ifindex, reply->text);
}

/*
 * An interface would tell, by IPv6, that it comes up; where IPv6 is off, it does not anyway. Of those
 * that are made from now on where the child is.
 */
static void silence(void)
{
    (void)child_write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
}

/*
 * Where bridges are wires between two: nobody has an address there, who would answer what is meant
 * for somebody else. The child is there afterwards.
 */
static int go_to_wires(struct child *child)
{
    int rc;

    if (child->wires)
        return child_go(child, child->wires);
    rc = child_add_place(child);
    if (rc < 0)
        return rc;
    child->wires = child->here;
    child_free_bridges();
    silence();
    return 0;
}

/* Its number, or -errno. */
static int add_wire(const struct child *child, int number)
{
    struct netlink_maker *maker = child->places[child->wires].maker;
    char ifname[IFNAMSIZ];
    int rc;

    (void)snprintf(ifname, sizeof(ifname), "wire%d", number);
    rc = netlink_add_bridge(maker, ifname, true);
    return rc < 0 ? rc : netlink_index(maker, ifname);
}

void keeper_leg(int place, char ifname[IFNAMSIZ])
{
    (void)snprintf(ifname, IFNAMSIZ, "leg%d", place);
}

/* What leads from the wire to the host. */
static int add_leg(struct child *child, struct place *place, const struct keeper_link *link,
                   struct reply *reply)
{
    const struct place *wires = &child->places[child->wires];
    char leg[IFNAMSIZ];
    struct netlink_veth veth = {
        .near_is_up = true, .far_name = leg, .far_netns = wires->netns, .mtu = link->mtu
    };
    int rc;

    keeper_leg((int)(place - child->places), leg);
    rc = reach_host(child, &veth, link, reply);
    if (rc == 0)
        rc = place->leg_ifindex = netlink_index(wires->maker, leg);
    if (rc >= 0)
        rc = netlink_set_master(wires->maker, place->leg_ifindex, place->bridge_ifindex);
    if (rc == 0 && !link->is_unplugged)
        rc = netlink_set_up(wires->maker, place->leg_ifindex, true);
    if (rc == 0)
        rc = netlink_veth_peer(wires->maker, place->leg_ifindex);
    return rc < 0 ? rc : netlink_name(child->origin, rc, reply->text);
}

static int hang_on_wire(struct child *child, struct place *place, const struct keeper_link *link,
                        struct reply *reply)
{
    int number = (int)(place - child->places), rc = go_to_wires(child), wire;

    if (rc < 0)
        return rc;
    wire = add_wire(child, number);
    rc = wire < 0 ? wire : hang_on_bridge(child, place, link, child->wires, wire);
    if (rc == 0)
        rc = add_leg(child, place, link, reply);
    reply->leg_place = child->wires;
    return rc;
}

static int hang_on_tap(struct child *child, struct place *place, const struct keeper_link *link,
                       struct reply *reply, int *made)
{
    int rc = child_go(child, (int)(place - child->places));

    if (rc == 0)
        rc = *made = tap_open(link->ifname);
    if (rc < 0)
        return refuse(reply, rc, "the adapter's TAP device can't be made: %s", tap_why(rc));
    place->ifindex = netlink_index(place->maker, link->ifname);
    rc = place->ifindex < 0 ? place->ifindex : 0;
    if (rc == 0 && mac_of(link))
        rc = netlink_set_mac(place->maker, place->ifindex, link->mac);
    if (rc == 0 && link->mtu)
        rc = netlink_set_mtu(place->maker, place->ifindex, link->mtu);
    return rc;
}

static int hang(struct child *child, struct place *place, const struct keeper_link *link,
                struct reply *reply, int *made)
{
    switch (link->end) {
    case KEEPER_END_LAB:
        return hang_on_bridge(child, place, link, KEEPER_HOME, child->places[KEEPER_HOME].ifindex);
    case KEEPER_END_HOST:
        return link->is_split ? hang_on_wire(child, place, link, reply)
                              : hang_on_host(child, place, link, reply);
    case KEEPER_END_TAP:
        return hang_on_tap(child, place, link, reply, made);
    }
    return -EINVAL;
}

/* IPv4's routes want a link that is up, and so do IPv6's addresses. */
int child_add_link(struct child *child, const struct keeper_link *link, struct reply *reply,
                   int *made)
{
    int rc = child_add_place(child);
    struct place *place = &child->places[child->here];

    if (rc < 0)
        return rc;
    if (link->is_bare)
        silence();
    memcpy(place->ifname, link->ifname, sizeof(place->ifname));
    place->mtu = link->mtu;
    rc = hang(child, place, link, reply, made);
    if (rc == 0)
        rc = netlink_set_up(place->maker, place->ifindex, true);
    if (rc == 0)
        rc = change_address(place, &link->address, reply);
    return rc < 0 ? rc : (int)(place - child->places);
}

int child_set_link(struct child *child, int place_number, bool is_up)
{
    const struct place *place = &child->places[place_number];

    if (place->leg_ifindex)
        return netlink_set_up(place->port_maker, place->leg_ifindex, is_up);
    return place->port_maker ? netlink_set_up(place->port_maker, place->port_ifindex, is_up)
                             : -EINVAL;
}

int child_set_half(struct child *child, int place_number, bool is_up)
{
    const struct place *place = &child->places[place_number];

    return place->leg_ifindex ? netlink_set_up(place->port_maker, place->port_ifindex, is_up)
                              : -EINVAL;
}

int child_set_mac(struct child *child, int place_number, const struct keeper_link *link)
{
    const struct place *place = &child->places[place_number];

    return is_entered(place) || !place->ifindex
               ? -EOPNOTSUPP
               : netlink_set_mac(place->maker, place->ifindex, link->mac);
}

int child_set_tap(struct child *child, const struct keeper_link *link, struct reply *reply)
{
    int bridge = find_bridge(child, link->bridge, reply);
    int rc = bridge < 0 ? bridge : netlink_index(child->origin, link->ifname);
    int ifindex = rc;

    if (rc >= 0 && link->mtu)
        rc = netlink_set_mtu(child->origin, ifindex, link->mtu);
    if (rc >= 0 && bridge)
        rc = netlink_set_master(child->origin, ifindex, bridge);
    if (rc == -EPERM && bridge)
        return refuse(reply, rc, "bridge=%s: joining a bridge takes root", link->bridge);
    if (rc >= 0)
        rc = netlink_set_up(child->origin, ifindex, true);
    return rc < 0 ? rc : 0;
}
