/*
 * posix: an adapter on Linux's own sockets, the host's or those of another network namespace.
 *
 * How TX_OK is kept honest. LuatOS reports TX_OK when the peer has acknowledged every byte, and the
 * kernel taking the bytes says nothing about that. Three sources, from cheap to sure:
 *   - an answer carries the acknowledgement of the question: when data arrives, SIOCOUTQ tells;
 *   - else the kernel is asked to report: the last byte of a write carries SO_TIMESTAMPING's
 *     TX_ACK, whose report wakes the loop through the socket's error queue;
 *   - a slow sweep over what is still unacknowledged catches what both missed.
 * A socket whose writes are answered within 50 ms does without the second one, and so do all while
 * many wait for acknowledgements.
 *
 * What the script sends between two turns leaves together (flush), in its order, and what follows
 * each other on one socket in one write, as lwIP joins what tcp_write() was given before
 * tcp_output(). What arrives is read when it arrives, up to 2 KiB of it: one system call then tells
 * that it came and fetches it. A stream is read by the script's own reads, and ahead of them.
 *
 * System calls of a round trip: epoll_wait, SIOCOUTQ, recv, send.
 */
#pragma once

#include <net/if.h>

#include "emu/adapter.h"
#include "emu/adapter_table.h"

struct keeper;
struct limits;
struct log;
struct loop;
struct netlink_state;
struct timers;
struct vclock;

struct posix_config {
    struct loop *loop;
    struct timers *timers;
    const struct vclock *clock;
    const struct limits *limits;
    struct adapter_info info; /* shown by socket.localIP, and the name servers */
    bool follows_host_dns;    /* which are those of /etc/resolv.conf as it is */

    /* What follows makes an adapter of one interface, ready when that is, and not at once. */
    struct keeper *keeper; /* opens the sockets, in its @place; NULL: here. Not owned */
    int place;
    struct keeper *binder;  /* for ports that take a privilege; NULL: nobody. Not owned */
    char ifname[IFNAMSIZ];  /* sockets are bound to it; "": to none */
    char watched[IFNAMSIZ]; /* whose link it is; "": that of the default route */
    bool is_held;           /* see posix_hold_link() */

    /* The interface has changed; called from the loop, after the link's events were posted. */
    void (*link_changed)(void *ctx, enum adapter_id id, const struct netlink_state *link);
    void *link_changed_ctx;
};

/* Freed by ops->free(). */
struct adapter *posix_adapter_new(const struct posix_config *config);

/* Watch the interface: the link's events, and @info's addresses, are the kernel's. 0 or -errno. */
int posix_watch_link(struct adapter *adapter);

/* The interface as it was last seen; all 0 when none is watched. */
const struct netlink_state *posix_link(const struct adapter *adapter);

/* Look at it now; the kernel can be a second late with its news. */
void posix_look_at_link(struct adapter *adapter);

/* Hold the link down whatever the kernel says, or no longer. The link's events follow. */
void posix_hold_link(struct adapter *adapter, bool is_held);

/* Name servers by DHCP; @count 0: those of the configuration again. */
void posix_set_dns(struct adapter *adapter, const struct endpoint dns[], size_t count);
