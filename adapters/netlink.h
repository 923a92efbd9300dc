/*
 * netlink: what the kernel says of one interface: is it up, which addresses has it, where is the
 * gateway. It and netlink_make are the only users of libnl.
 *
 * A watch reads everything anew whenever the kernel says that something has changed (rtnetlink(7)):
 * a missed message can't leave it wrong.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

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

/* One interface. */
struct netlink_state {
    int ifindex;      /* 0: it is not there */
    bool has_carrier; /* and it is up */
    bool is_ready;    /* and it has an IPv4 address */
    uint8_t mac[6];
    unsigned mtu;
};

/* It as it is now. Of @info, addresses and gateway are set and the rest is left. */
void netlink_read(struct netlink *netlink, struct netlink_state *state, struct adapter_info *info);

/* The same of an interface of the namespace that the calling thread is in; nothing is watched. */
void netlink_peek(const char *ifname, struct netlink_state *state, struct adapter_info *info);
