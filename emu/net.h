/*
 * net: one device's network. It holds the adapters, the socket controls and the queue of what the
 * adapters have reported; net_deliver() hands each report to the one it concerns.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/adapter.h"
#include "emu/adapter_table.h"
#include "emu/handle.h"
#include "emu/list.h"
#include "emu/tls.h"

struct limits;
struct log;
struct msgq;
struct netc;
struct rng;
struct timers;
struct trace;
struct vclock;

/* Whoever opens sockets on an adapter: a socket control, a name lookup. */
struct sock_owner {
    void (*handle)(struct sock_owner *owner, const struct net_event *event);
};

/* Whoever wants to know that a link came up or went down, before the script does. */
struct net_watcher {
    struct list link;
    void (*changed)(struct net_watcher *watcher, const struct adapter *adapter);
};

/* Whoever writes down what the script is told, and what is done to its links. */
struct net_observer {
    /* @netc is NULL where it is not about one; then, and then only, @adapter may be NULL. */
    void (*told)(struct net_observer *observer, const struct adapter *adapter,
                 const struct netc *netc, const char *text);

    /* What had been reported in this turn was delivered. */
    void (*delivered)(struct net_observer *observer);
};

struct net_config {
    enum profile profile;
    const struct limits *limits;
    const struct vclock *clock;
    struct timers *timers;
    struct msgq *msgs; /* to the script */
    struct log *log;
    struct trace *trace;
    struct rng *rng;
};

struct net {
    struct net_config config;
    struct adapter *adapters[ADAPTER_COUNT]; /* NULL: the board has none of this name */
    int default_number;     /* socket.dft: need not be registered; -1: there is none */
    bool is_default_chosen; /* by the script, not by registering adapters */
    int last_number;        /* last registered; -1: none is */

    bool is_noted[ADAPTER_COUNT]; /* somebody listens to its sockets, by netdrv.on */

    struct handles netc_ids; /* of struct netc */
    struct handles tags;     /* of struct sock_owner */
    struct list netcs;
    struct list watchers;
    struct net_observer *observer; /* NULL: none */
    size_t netcs_count;
    unsigned netcs_made;
    struct list dns_queries;
    struct tls_env tls;

    struct net_event *events; /* a ring; cap is a power of two */
    size_t events_head, events_count, events_cap;
};

void net_init(struct net *net, const struct net_config *config);

/* Closes and frees the socket controls that are left and the adapters. */
void net_fini(struct net *net);

/*
 * Hand over @adapter, which becomes the last registered one, and the default unless there is an
 * LWIP_GP: the module's own way to the internet comes first. Freed by net_fini().
 */
void net_register(struct net *net, struct adapter *adapter, enum adapter_id id);

/* The link of @adapter goes down now, not when the network says so: it was switched off. */
void net_link_down(struct net *net, struct adapter *adapter);

/* From now on @layer is the adapter in place of the one that it stands on; no socket is open yet. */
void net_cover(struct net *net, struct adapter *layer);

void net_watch(struct net *net, struct net_watcher *watcher);

/* For the observer, if there is one: "netc 3 ON_LINE 0", "IP_LOSE LWIP_ETH". */
void net_observe(const struct net *net, const struct adapter *adapter, const struct netc *netc,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Tell the script which adapters are ready: once, before it runs. */
void net_publish_links(struct net *net);

/* NULL when @number names no adapter, or one that the board does not have. */
struct adapter *net_adapter(const struct net *net, long long number);

/* May sockets be opened on @adapter? Not on a real network in virtual time. */
bool net_can_use(const struct net *net, const struct adapter *adapter);

/* Has @adapter as many socket controls as its board allows it? */
bool net_is_full(const struct net *net, const struct adapter *adapter);

/* As scripts see it. */
int net_number(const struct net *net, const struct adapter *adapter);

/* A name for what @owner does next with a socket; 0 when there are too many. */
uint32_t net_tag_add(struct net *net, struct sock_owner *owner);
void net_tag_remove(struct net *net, uint32_t tag);

/* Deliver what was posted before this call; what is posted meanwhile waits for the next. */
size_t net_deliver(struct net *net);
bool net_has_events(const struct net *net);

/* Take the newest event back, if it is of @tag: what the adapter could say before it returned. */
bool net_take_newest(struct net *net, uint32_t tag, struct net_event *event);

/* Let the adapters pass on what was sent. */
void net_flush(struct net *net);

/* Number of sockets and lookups from which something may still come. */
size_t net_active(const struct net *net);

/* socket.close_all: disconnect every control of @adapter that has a socket. */
void net_close_all(struct net *net, const struct adapter *adapter);
