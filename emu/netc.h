/*
 * netc: one LuatOS socket control ("ctrl" in the document, "netc" in every script).
 *
 * State machine (the numbers are socket.state's)
 *
 *   0 LINK_OFF -> 1 OFF_LINE -> 2 WAIT_DNS -> 3 CONNECTING -> 4 SHAKEHAND -> 5 ONLINE
 *                                                        \-> 6 LISTEN ----------^  |
 *                        ^-------------- 7 DISCONNECTING <-------------------------'
 *
 * Rules
 *   - Every report of an adapter runs through netc_handle(): the state's handler gives a verdict,
 *     and the verdict together with what the script waits for (enum netc_wait) decides which event
 *     the script is told, if any. (LuatOS, luat_network_adapter.c: one state function a state.)
 *   - netc_set_state() is the only writer of netc->state, and the table says what is legal.
 *   - A failure does not change the state number; only disconnecting does. Closing leaves it too:
 *     scripts see the last state of a closed control. A new connect or listen starts from any state
 *     that has no socket.
 *   - A control never calls Lua. What it has to say is queued for the script (msgq).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "emu/dns.h"
#include "emu/endpoint.h"
#include "emu/list.h"
#include "emu/net.h"
#include "emu/timer.h"
#include "emu/tls.h"

enum netc_state {
    NETC_STATE_LINK_OFF,
    NETC_STATE_OFF_LINE,
    NETC_STATE_WAIT_DNS,
    NETC_STATE_CONNECTING,
    NETC_STATE_SHAKEHAND, /* upstream's spelling, in its logs */
    NETC_STATE_ONLINE,
    NETC_STATE_LISTEN,
    NETC_STATE_DISCONNECTING,
};
#define NETC_STATE_COUNT (NETC_STATE_DISCONNECTING + 1)

/* What the script asked for last and is still to be told about. */
enum netc_wait {
    NETC_WAIT_NONE,
    NETC_WAIT_LINK,
    NETC_WAIT_ONLINE,
    NETC_WAIT_TX,
    NETC_WAIT_OFF,
    NETC_WAIT_EVENT,
};

/* What a script is told: socket.LINK and so on, in LuatOS's order. */
enum netc_report {
    NETC_REPORT_LINK = 1,
    NETC_REPORT_ON_LINE,
    NETC_REPORT_TX_OK,
    NETC_REPORT_CLOSED,
    NETC_REPORT_EVENT,
};
#define NETC_REPORT_OK     0
#define NETC_REPORT_FAILED (-1)

/* Of a state handler, and of the calls below: (true, true), (true, false) and (false, false). */
enum netc_verdict {
    NETC_VERDICT_FAILED = -1,
    NETC_VERDICT_DONE = 0,
    NETC_VERDICT_PENDING = 1,
};

struct netc_config {
    uint16_t local_port; /* 0: any */
    bool is_udp;
    bool keepalive;
    uint32_t keep_idle_s;
    uint8_t keep_interval_s, keep_count;
};

struct netc {
    struct sock_owner owner;
    struct net *net;
    struct adapter *adapter;
    struct list link;
    struct netc_config config;
    unsigned serial; /* 1, 2, ...: in logs and traces */
    uint32_t id;     /* handle in net->netc_ids: what scripts and messages hold */
    uint32_t tag;    /* handle in net->tags of the present socket or lookup; 0: none */
    int sid;         /* socket on the adapter; -1: none */
    int target_ref;  /* luabind's: who is told */

    enum netc_state state;
    enum netc_wait wait;
    bool is_debug;   /* socket.debug */
    bool need_close; /* broken: everything but closing fails */
    bool has_rx;     /* data arrived since the last rx */
    bool is_server, is_many;
    uint64_t tx_size, ack_size; /* bytes since connect or listen */

    char *domain; /* name to look up; NULL: @remote was given as a literal */
    bool want_ipv6;
    struct endpoint remote;
    struct dns_request lookup;
    int lookup_next; /* index in lookup.addrs of the next address to try */

    struct tls_context *tls_context; /* NULL: plain */
    struct tls *tls;                 /* of the present connection; NULL: none yet */
    struct timer tls_timer;          /* of its handshake */
    uint64_t tls_deadline_us;
    bool tls_is_over;  /* and that was logged */
    char *server_name; /* what the script connects to; NULL: an integer */
};

/* A new control on @adapter, in UDP mode until configured. NULL: there are too many. */
struct netc *netc_new(struct net *net, struct adapter *adapter);

/* Closes at once; what is queued for the script from it is dropped. */
void netc_free(struct netc *netc);

/* NULL when @id is not a live control. */
struct netc *netc_get(const struct net *net, uint32_t id);

const char *netc_state_name(enum netc_state state);    /* "ONLINE", for logs and traces */
const char *netc_state_chinese(enum netc_state state); /* as socket.state gives it */

/* May state @to follow @from? For tests. */
bool netc_state_may_become(enum netc_state from, enum netc_state to);

bool netc_has_socket(const struct netc *netc);

/* socket.config; without TLS, until netc_use_tls(). */
void netc_configure(struct netc *netc, const struct netc_config *config);

/*
 * From the next connect on, speak TLS (DTLS in UDP mode). What can't be used of @config is told in
 * @why; the control speaks TLS all the same, as on a module, and will not trust anyone then.
 */
enum tls_problem netc_use_tls(struct netc *netc, const struct tls_config *config,
                              char why[TLS_WHY_MAX]);

/* socket.linkup: PENDING means that a LINK report will follow. */
enum netc_verdict netc_linkup(struct netc *netc);

struct netc_target {
    const char *name; /* a name or a literal; NULL: @word */
    uint32_t word;    /* IPv4 as endpoint_set_word() takes it */
    uint16_t port;
    bool want_ipv6;
};

/* socket.connect. PENDING or FAILED; in UDP mode, to an address, online when it returns. */
enum netc_verdict netc_connect(struct netc *netc, const struct netc_target *target);

/* socket.listen, @many for one-to-many. */
enum netc_verdict netc_listen(struct netc *netc, bool many);

/*
 * socket.accept for one-to-many: a new control for the client that waits. NULL: no client, or no
 * control free.
 */
struct netc *netc_accept(struct netc *netc);

/* The peer's address and port; false when there is none. */
bool netc_peer(const struct netc *netc, struct endpoint *peer);

/* socket.discon: DONE, or PENDING when a CLOSED report will follow. */
enum netc_verdict netc_disconnect(struct netc *netc);

/* socket.close. */
void netc_close(struct netc *netc);

/* socket.wait. */
enum netc_verdict netc_wait(struct netc *netc);

struct netc_sent {
    bool ok, full, acked; /* socket.tx's three results */
};

/* socket.tx; @to NULL: to the connected peer. */
struct netc_sent netc_tx(struct netc *netc, const void *data, size_t len,
                         const struct endpoint *to);

/*
 * Bytes that can be read now (UDP: of the next datagram); -1 when the control can't be read from.
 * An empty datagram is taken off the queue by this.
 */
ssize_t netc_rx_len(struct netc *netc);

/*
 * Read up to @cap bytes; 0 when there is nothing, -1 when the control can't be read from. UDP: one
 * datagram, whose tail is lost. @from may be NULL.
 */
ssize_t netc_rx(struct netc *netc, void *data, size_t cap, struct endpoint *from);

/* A report of the adapter, the link or the resolver. */
void netc_handle(struct netc *netc, const struct net_event *event);
