/*
 * dhcp_client: a DHCP client (RFC 2131) that does no I/O: messages in, messages out, on the timers
 * and the clock of its device.
 *
 *            start            OFFER               ACK
 *   OFF ------------> SELECTING ---> REQUESTING -------> BOUND
 *                      ^  ^  ^           | NAK,        T1 |  ^ ACK
 *                      |  |  `-----------' no answer      v  |
 *                      |  `------------------- NAK --- RENEWING
 *                      |                               T2 |  ^ ACK, to BOUND
 *                      |                                  v  |
 *                      `--- NAK, the lease's end ----- REBINDING
 *
 *   stop() leads to OFF from anywhere.
 *
 * The first OFFER that is fit for use is taken. Two DISCOVERs are never closer to each other than
 * the first of the waits, whatever servers answer. A lease counts from when it was asked for. As on
 * a module, DISCOVER follows when the link is back (there is no INIT-REBOOT), and nothing is
 * released. Nobody looks whether another host has the address (RFC 2131 4.4.1 would have it so).
 *
 * A lease that is held keeps no run alive, a search does.
 *
 * Answers are hostile until they have proved to be to this client's question, of the server that
 * was asked, and about an address that a host can have; others change nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/dhcp_msg.h"
#include "emu/timer.h"

struct dhcp_client;
struct rng;
struct vclock;

enum dhcp_client_state {
    DHCP_CLIENT_STATE_OFF,
    DHCP_CLIENT_STATE_SELECTING,
    DHCP_CLIENT_STATE_REQUESTING,
    DHCP_CLIENT_STATE_BOUND,
    DHCP_CLIENT_STATE_RENEWING,
    DHCP_CLIENT_STATE_REBINDING,
};

struct dhcp_lease {
    uint32_t ip, server;
    unsigned prefix_len; /* bits */
    uint32_t router;     /* 0: none */
    uint32_t dns[DHCP_DNS_MAX];
    size_t dns_count;
    struct dhcp_route routes[DHCP_ROUTES_MAX]; /* beside the default one */
    size_t routes_count;
    uint16_t mtu;                 /* bytes; 0: the link's own */
    uint32_t lease_s, t1_s, t2_s; /* DHCP_INFINITE_S: it has no end, and no T1 and T2 */
};

enum dhcp_loss {
    DHCP_LOSS_EXPIRED, /* nobody has renewed it */
    DHCP_LOSS_REFUSED, /* a server has sent NAK */
};

/* None of these calls the client again, but for unanswered(), which may. */
struct dhcp_client_ops {
    /* To @ip (DHCP_BROADCAST: to all), from port 68 to 67. What gets lost is sent again. */
    void (*send)(struct dhcp_client *client, const struct dhcp_msg *msg, uint32_t ip);

    /* The lease is this from now on: also when it was renewed, with the same address. */
    void (*bound)(struct dhcp_client *client, const struct dhcp_lease *lease);
    void (*lost)(struct dhcp_client *client, enum dhcp_loss why);

    /* Optional. So many DISCOVERs of this search have been waited for in vain. */
    void (*unanswered)(struct dhcp_client *client, unsigned count);
};

#define DHCP_WAITS_MAX 8

struct dhcp_client_timing {
    uint32_t discover_ms[DHCP_WAITS_MAX]; /* after the first DISCOVER, the second, ... */
    size_t discover_count;                /* 1 or more; the last one repeats itself */
    uint32_t request_ms;                  /* after each REQUEST for what was offered */
    unsigned request_tries;               /* of those */
    uint32_t renew_ms_min;                /* between two REQUESTs to renew a lease */
    uint32_t jitter_ms;                   /* at most so much is added to each wait for an answer */
};

/* LuatOS's: 1, 2, 4, 8 s; 1.9 s after each of three REQUESTs. */
extern const struct dhcp_client_timing dhcp_client_timing;

struct dhcp_client_config {
    struct timers *timers;
    const struct vclock *clock;
    struct rng *rng; /* for xid and jitter */
    const struct dhcp_client_ops *ops;
    const struct dhcp_client_timing *timing;
    uint8_t mac[DHCP_MAC_LEN];
    char hostname[DHCP_NAME_MAX]; /* "": it says none */
    bool wants_broadcast;         /* can't hear what is sent to an address it does not have yet */
};

struct dhcp_client {
    struct dhcp_client_config config;
    enum dhcp_client_state state;
    struct timer timer;
    uint32_t xid;
    unsigned tries;          /* messages sent in this state */
    uint64_t searching_us;   /* since when */
    uint64_t discovered_us;  /* when the last DISCOVER was sent */
    bool has_discovered;     /* one was, ever */
    uint64_t requested_us;   /* when the last REQUEST was sent: the lease counts from here */
    uint32_t last_ip;        /* what it would like to have again; 0: nothing */
    uint64_t since_us;       /* when the lease began */
    struct dhcp_lease lease; /* offered, then held */
};

void dhcp_client_init(struct dhcp_client *client, const struct dhcp_client_config *config);

/* Look for a server; harmless when it does already. */
void dhcp_client_start(struct dhcp_client *client);

/* Nothing is sent, and lost() is not called: whoever stops it knows. */
void dhcp_client_stop(struct dhcp_client *client);

/* A message has come in. False: it was none for this client in this state. */
bool dhcp_client_handle(struct dhcp_client *client, const struct dhcp_msg *msg);

/* Is there a lease? */
bool dhcp_client_is_bound(const struct dhcp_client *client);
