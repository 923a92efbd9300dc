/*
 * dhcp_server: a DHCP server (RFC 2131) that does no I/O: a message in, perhaps one out, by the clock
 * of its device. It sets no timers: a lease that is over is found to be so when somebody asks.
 *
 * It is the only server of its link, and so knows of every lease: what it has not leased, or can't
 * lease, it refuses by NAK, where a server among others keeps silent (RFC 2131 4.3.2). Of an address
 * that nobody has, it believes whoever says it was theirs; thus clients keep theirs when the emulator
 * is started anew.
 *
 * A client is known by its identifier, else by its MAC, and gets the address that it had before,
 * else the one that it wishes, else a fresh one, else the one that has been free for longest. What a
 * hostile client can make it hold is the pool.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/dhcp_msg.h"

#define DHCP_POOL_MAX  256
#define DHCP_TAKEN_MAX 32
#define DHCP_OFFER_S   60 /* an offer is kept for so long */
#define DHCP_DECLINE_S \
    600 /* an address that somebody was found to have is left alone for so long */

struct vclock;

struct dhcp_server_config {
    const struct vclock *clock;
    uint32_t ip; /* its own */
    unsigned prefix_len;
    uint32_t first, last;           /* of the pool; @ip may be among them, and is never leased */
    uint32_t fresh;                 /* where the search for a fresh one begins, in the pool */
    uint32_t taken[DHCP_TAKEN_MAX]; /* never leased: somebody has them without asking */
    size_t taken_count;
    uint32_t router; /* 0: none */
    uint32_t dns[DHCP_DNS_MAX];
    size_t dns_count;
    uint16_t mtu; /* bytes; 0: none is said */
    uint32_t lease_s;
};

enum dhcp_hold {
    DHCP_HOLD_FREE, /* @id was the last to have it; of length 0: nobody was */
    DHCP_HOLD_OFFERED,
    DHCP_HOLD_LEASED,
    DHCP_HOLD_DECLINED,
};

struct dhcp_place {
    enum dhcp_hold hold;
    struct dhcp_id id;
    uint64_t end_us; /* the hold is over */
};

struct dhcp_server {
    struct dhcp_server_config config;
    struct dhcp_place pool[DHCP_POOL_MAX]; /* from @first on */
};

struct dhcp_reply {
    struct dhcp_msg msg;
    uint32_t ip; /* where it goes; DHCP_BROADCAST: to all */
    uint16_t port;
};

/* The pool has DHCP_POOL_MAX addresses at most. */
void dhcp_server_init(struct dhcp_server *server, const struct dhcp_server_config *config);

/*
 * False: there is nothing to say to that. A client that has no address yet gets its reply by
 * broadcast, also where it would hear a frame of its own: that takes no more than a UDP socket.
 */
bool dhcp_server_handle(struct dhcp_server *server, const struct dhcp_msg *msg,
                        struct dhcp_reply *reply);

/* How many addresses are leased now. */
size_t dhcp_server_leases(const struct dhcp_server *server);
