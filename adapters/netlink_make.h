/*
 * netlink_make: makes and changes links, addresses and routes, by rtnetlink(7).
 *
 * A maker works in the network namespace that its thread was in when it was opened, wherever the
 * thread is later. Results are 0 or -errno; nothing blocks but for the kernel's answer.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "emu/endpoint.h"

#define NETLINK_MAC_LEN 6

struct netlink_maker;

int netlink_maker_open(struct netlink_maker **out);
void netlink_maker_close(struct netlink_maker *maker);

/* ---- links ---- */

/* The number of an interface. -ENODEV: there is none of that name. */
int netlink_index(struct netlink_maker *maker, const char *ifname);

/* The same of a bridge. -ENOTSUP: it is something else. */
int netlink_bridge_index(struct netlink_maker *maker, const char *ifname);

int netlink_name(struct netlink_maker *maker, int ifindex, char ifname[IFNAMSIZ]);

/* A bridge (IEEE 802.1D, without spanning tree). */
int netlink_add_bridge(struct netlink_maker *maker, const char *ifname, bool is_up);

/* A veth pair, veth(4): its near end is the maker's, the far one in another namespace and down. */
struct netlink_veth {
    const char *near_name; /* with "%d": the kernel chooses a number */
    int near_master;       /* 0: none */
    bool near_is_up;
    const char *far_name;
    int far_netns;          /* a descriptor; -1: the maker's own */
    const uint8_t *far_mac; /* NULL: made up */
    unsigned mtu;           /* of both ends; 0: 1500 */
};

int netlink_add_veth(struct netlink_maker *maker, const struct netlink_veth *veth);

/* The number that the other end of a veth has where that is. */
int netlink_veth_peer(struct netlink_maker *maker, int ifindex);

int netlink_set_up(struct netlink_maker *maker, int ifindex, bool is_up);
int netlink_set_mac(struct netlink_maker *maker, int ifindex, const uint8_t mac[NETLINK_MAC_LEN]);
int netlink_set_mtu(struct netlink_maker *maker, int ifindex, unsigned mtu);

/* Bytes, or -errno. */
int netlink_get_mtu(struct netlink_maker *maker, int ifindex);
int netlink_set_master(struct netlink_maker *maker, int ifindex, int bridge);

/*
 * May the interface be given packets larger than its MTU, for hardware to cut, and such whose
 * checksums hardware has to fill in (ethtool -K IFNAME tx on|off)? In the namespace that the thread
 * is in.
 */
int netlink_set_offloads(const char *ifname, bool is_on);

int netlink_remove_link(struct netlink_maker *maker, int ifindex);

/* ---- addresses ---- */

struct netlink_address {
    int ifindex;
    struct endpoint ip;
    unsigned prefix_len; /* bits */
    unsigned lifetime_s; /* the kernel takes it away then; 0: never */
};

/* Also renews the lifetime of one that is there. */
int netlink_add_address(struct netlink_maker *maker, const struct netlink_address *address);
int netlink_remove_address(struct netlink_maker *maker, const struct netlink_address *address);

enum netlink_found { NETLINK_FOUND_NONE, NETLINK_FOUND_LEASED, NETLINK_FOUND_PERMANENT };

/* Is it there, and for ever? */
enum netlink_found netlink_find_address(struct netlink_maker *maker,
                                        const struct netlink_address *address);

/* Every global one of @family. */
void netlink_flush_addresses(struct netlink_maker *maker, int ifindex, enum ip_family family);

/* ---- routes ---- */

struct netlink_route {
    int ifindex;
    struct endpoint gateway;
    struct endpoint source; /* the route goes with this address; IP_FAMILY_NONE: with none */
    uint32_t table;         /* 0: the main one */
    uint32_t metric;        /* the least is taken */
};

/* Everywhere by @gateway. */
int netlink_add_default_route(struct netlink_maker *maker, const struct netlink_route *route);

/* What comes in by @ifname, IPv4, is sent on as @table says. */
int netlink_add_rule(struct netlink_maker *maker, const char *ifname, uint32_t table);
int netlink_remove_rule(struct netlink_maker *maker, const char *ifname, uint32_t table);
