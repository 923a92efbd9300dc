/*
 * ping: the module's ICMP echo, one at a time on each adapter (LuatOS luat_icmp.c).
 *
 * An answer that comes within PING_ANSWER_MS publishes PING_RESULT(adapter, milliseconds, address,
 * time to live). Without one nothing is published, as on a module: scripts wait with a time-out. A
 * new request on the same adapter gives up the one before.
 *
 * Trace: "ping.request" adapter, to, len; "ping.reply" adapter, from, ms, ttl.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "emu/adapter_table.h"
#include "emu/endpoint.h"
#include "emu/net.h"
#include "emu/timer.h"

#define PING_ANSWER_MS 16000
#define PING_LEN       128 /* bytes of data, unless the script says otherwise */

/* The request on one adapter. */
struct ping {
    struct sock_owner owner;
    struct net *net;
    struct adapter *adapter;
    uint32_t tag; /* 0: no answer is waited for */
    uint64_t sent_us;
    struct endpoint to;
    struct timer timer;
};

struct pings {
    struct ping slots[ADAPTER_COUNT];
};

void pings_init(struct pings *pings, struct net *net);
void pings_fini(struct pings *pings);

/*
 * 0 or -errno; -EOPNOTSUPP: @adapter can't, -EACCES: the system does not allow it, -ENETDOWN: its
 * link is down.
 */
int ping_start(struct pings *pings, struct adapter *adapter, const struct endpoint *to, size_t len);
