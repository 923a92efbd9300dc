/*
 * dhcpd: serves addresses on a link (dhcp_server.h), by a UDP socket on port 67 of one interface. It
 * sets no timers: that it listens does not keep a run alive.
 *
 * Trace: "dhcp.serve" link, type, mac, reply ("": none), address.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>

#include "adapters/netlink.h"
#include "emu/dhcp_server.h"

struct dhcpd;
struct loop;
struct trace;

struct dhcpd_config {
    struct loop *loop;
    struct trace *trace;
    const char *link;        /* for people and the trace; outlives it */
    netlink_socket_fn *open; /* of sockets where the interface is */
    void *open_ctx;
    char ifname[IFNAMSIZ];
    struct dhcp_server_config server;

    /* Optional. Has somebody else become the server of this link? Then this one ends. */
    bool (*is_silenced)(void *ctx);

    /* Optional. A client has come and has @ip, or has given it back. */
    void (*told)(void *ctx, const uint8_t mac[DHCP_MAC_LEN], uint32_t ip, bool is_there);
    void *ctx; /* of both */
};

/* 0 or -errno; -EACCES: port 67 takes privileges there. */
int dhcpd_open(struct dhcpd **out, const struct dhcpd_config *config);
void dhcpd_close(struct dhcpd *dhcpd);
