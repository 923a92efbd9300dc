/*
 * dhcp: asks for an adapter's address where its interface is (dhcp_client.h), and tells what it was
 * given.
 *
 * It speaks through a packet(7) socket: a UDP socket has no address yet, and hears no answer where
 * the kernel looks at whence packets come (rp_filter, ip-sysctl(7)), as Debian and Ubuntu have it do.
 * The socket is there only while an answer is waited for, so that it costs nothing when there is an
 * address. Beside it, port 68 is held where that is allowed, lest the kernel refuse what servers send
 * to it.
 *
 * Trace: "dhcp.tx" adapter, type, to; "dhcp.rx" adapter, type, from, address; "dhcp.ignored" adapter,
 * type, from; "dhcp.lease" adapter, address, mask, router, dns, server, lease_s, t1_s, mtu;
 * "dhcp.lost" adapter, address, why.
 */
#pragma once

#include <net/if.h>

#include "adapters/netlink.h"
#include "emu/adapter_table.h"
#include "emu/dhcp_client.h"

struct device;
struct dhcp;

struct dhcp_config {
    struct device *device;
    enum adapter_id id;
    netlink_socket_fn *open; /* of sockets where the interface is */
    void *open_ctx;
    const struct dhcp_client_timing *timing;
    uint32_t wish; /* what it would like to have; 0: anything */

    /* There is this lease from now on; NULL: there is none. Called from the loop. */
    void (*leased)(void *ctx, enum adapter_id id, const struct dhcp_lease *lease);
    void *leased_ctx;
};

struct dhcp *dhcp_new(const struct dhcp_config *config);

/* Forgets its lease, and tells nobody. */
void dhcp_free(struct dhcp *dhcp);

/* The interface is this, as far as is known now: it asks while there is a carrier. */
void dhcp_link(struct dhcp *dhcp, const char *ifname, const struct netlink_state *link);
