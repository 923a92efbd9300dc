/*
 * netlink: what the kernel says of one interface: is it up, which addresses has it, where is the
 * gateway. The only user of libnl.
 *
 * A watch reads everything anew whenever the kernel says that something has changed (rtnetlink(7)):
 * a missed message can't leave it wrong.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>

#include "emu/adapter.h"

struct loop;
struct netlink;

/* How a netlink socket is opened where the interface is: as socket(2); a descriptor or -errno. */
typedef int netlink_socket_fn(void *ctx, int domain, int type, int protocol);

struct netlink_config {
    struct loop *loop;
    netlink_socket_fn *open;
    void *open_ctx;
    char ifname[IFNAMSIZ]; /* "": that of the default route, else the first that has an address */
    void (*changed)(void *ctx); /* called from the loop; calls netlink_read() */
    void *changed_ctx;
};

/* 0 or -errno. */
int netlink_open(struct netlink **out, const struct netlink_config *config);
void netlink_close(struct netlink *netlink);

/*
 * The interface as it is now. False: it is not ready, for it is not there, not up, has no carrier
 * or no IPv4 address. Of @info, addresses and gateway are set and the rest is left.
 */
bool netlink_read(struct netlink *netlink, struct adapter_info *info);

/*
 * ---- making links ----
 *
 * In the network namespace that the calling thread is in; each 0 or -errno, and none blocks but
 * for the kernel's answer.
 */

/* A bridge (IEEE 802.1D, without spanning tree), up. */
int netlink_add_bridge(const char *ifname);

/*
 * A veth pair (veth(4)): @port stays here as a port of @bridge, up; its other end is @ifname in the
 * namespace @netns.
 */
int netlink_add_veth(const char *port, const char *bridge, const char *ifname, int netns);

int netlink_set_up(const char *ifname, bool is_up);
int netlink_remove_link(const char *ifname);

/* Make @ifname a port of @bridge. */
int netlink_set_master(const char *ifname, const char *bridge);

/*
 * May the interface be given packets larger than its MTU, for hardware to cut, and such whose
 * checksums hardware has to fill in (ethtool -K IFNAME tx on|off)?
 */
int netlink_set_offloads(const char *ifname, bool is_on);

int netlink_add_address(const char *ifname, const struct endpoint *ip, unsigned prefix_len);
int netlink_add_default_route(const char *ifname, const struct endpoint *gateway);
