/*
 * adapter: what a network under a socket control must be able to do.
 *
 * The core owns this interface; every file in adapters/ implements it, and so do the fakes of the
 * unit tests. Calls never block and never call back: what happens later is posted with net_post(),
 * as data, and delivered on a later step of the turn. An event carries the tag that its socket was
 * given when it was opened; the core drops events whose tag it no longer knows.
 *
 * A socket is a small number, the sid, valid from connect(), listen() or accept() until close().
 * Every int or ssize_t result is 0 or more on success, -errno on failure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "emu/endpoint.h"

#define ADAPTER_DNS_MAX 4 /* server slots of an adapter; LuatOS dns_def.h */

struct adapter;
struct net;

enum net_event_type {
    NET_EVENT_LINK_UP,       /* of the adapter: tag 0, @arg its id */
    NET_EVENT_LINK_DOWN,     /* likewise */
    NET_EVENT_DNS_DONE,      /* of a lookup; from dns.c */
    NET_EVENT_CONNECTED,     /* connect() succeeded */
    NET_EVENT_LISTENING,     /* listen() succeeded */
    NET_EVENT_CLIENT,        /* a client has come to a listening socket */
    NET_EVENT_RX,            /* data or a datagram has arrived; one event for each arrival seen */
    NET_EVENT_TX_ACKED,      /* @arg bytes were acknowledged by the peer (TCP) or sent (UDP) */
    NET_EVENT_REMOTE_CLOSED, /* the peer sent FIN; what it sent before can still be read */
    NET_EVENT_CLOSED,        /* disconnect() is done */
    NET_EVENT_ERROR,         /* the connection is broken or was not made; @arg is an errno */
    NET_EVENT_ECHO, /* echo() was answered; @arg is the answer's time to live, 0: unknown */
};

struct net_event {
    enum net_event_type type;
    uint32_t tag;
    uint32_t arg;
};

/* Queue @event; copies it. May be called at any time. */
void net_post(struct net *net, const struct net_event *event);

/* Likewise, of @adapter's own: a layer that stands on it hears it first (layer.h). */
void adapter_post(struct adapter *adapter, const struct net_event *event);

enum sock_type { SOCK_TYPE_TCP, SOCK_TYPE_UDP };

struct sock_spec {
    enum sock_type type;
    bool is_held;        /* TCP: connect() does nothing yet, until proceed() */
    bool is_for_names;   /* UDP: the module's own lookup; some have a socket for that */
    uint32_t tag;        /* comes back in every event of this socket */
    uint16_t local_port; /* 0: any */
    bool keepalive;
    uint32_t keep_idle_s;
    uint8_t keep_interval_s, keep_count;
};

#define ADAPTER_SOCKETS_MAX     1024
#define ADAPTER_SEND_BUFFER_MAX (UINT64_C(1) << 30) /* bytes */
#define ADAPTER_DATAGRAM_MAX    65507               /* bytes of a UDP payload over IPv4, RFC 768 */

/* What an adapter can do less than its stack, by its board. All 0: as much as that. */
struct adapter_limits {
    unsigned sockets;     /* socket controls at once on it */
    uint64_t send_buffer; /* bytes not yet acknowledged, a socket, before tx says full */
    size_t datagram;      /* bytes that it keeps of one that comes; the rest is cut off */
    bool one_to_one;      /* a listener serves one client, and becomes its connection */
    bool lacks_ipv6;
};

/* What socket.localIP shows; unknown parts have family IP_FAMILY_NONE. */
struct adapter_info {
    struct endpoint ip, mask, gateway, ip6;
    struct endpoint dns[ADAPTER_DNS_MAX]; /* with ports */
    size_t dns_count;
    bool dns_is_complete; /* somebody chose them: no names go to servers of the module's own */
};

/* A socket as it is, for who comes later. */
struct sock_look {
    enum sock_type type;
    uint32_t tag;
    uint16_t local_port; /* that was asked for */
    bool is_many;        /* a listener that is never a connection */
    struct endpoint peer;
};

/* No slot may block or call back. Those marked "optional" may be NULL. */
struct adapter_ops {
    const char *name;
    bool deterministic; /* equal calls give equal events: usable with a virtual clock */
    bool can_accept;    /* one listener can serve several clients */

    void (*info)(const struct adapter *adapter, struct adapter_info *info);

    /*
     * Open a socket towards @remote. TCP: CONNECTED or ERROR follows. UDP: likewise, and at best
     * before this returns; with a unicast address and a port, only that peer is heard, else everyone
     * (RFC 8085 5.1 calls the first a connected socket).
     */
    int (*connect)(struct adapter *adapter, const struct sock_spec *spec,
                   const struct endpoint *remote);

    /* Optional, of a layer alone. Begin to connect a socket that is held. 0 or -errno. */
    int (*proceed)(struct adapter *adapter, int sid);

    /*
     * Open a listening TCP socket; LISTENING follows, then CLIENT. With @many, each CLIENT stands
     * for one client that waits for accept(). Without, the first client takes the socket over: the
     * sid is then the connection, and others are refused until it is closed.
     */
    int (*listen)(struct adapter *adapter, const struct sock_spec *spec, bool many);

    /*
     * Optional. Give the waiting client, or the one that took the socket over, a sid of its own and
     * let @sid listen on. -EAGAIN: there is none.
     */
    int (*accept)(struct adapter *adapter, int sid, uint32_t tag);

    /* The other end of @sid, or the last client of a listener. */
    int (*peer)(const struct adapter *adapter, int sid, struct endpoint *peer);

    /*
     * TCP takes all of @data and never says EAGAIN: the caller bounds what is on its way.
     * UDP sends one datagram, to @to if not NULL.
     */
    ssize_t (*send)(struct adapter *adapter, int sid, const void *data, size_t len,
                    const struct endpoint *to);

    /* -EAGAIN: nothing there. UDP: one datagram, its tail dropped; @from may be NULL. */
    ssize_t (*recv)(struct adapter *adapter, int sid, void *data, size_t cap,
                    struct endpoint *from);

    /* Bytes that can be read: TCP all, UDP the next datagram. -EAGAIN: no datagram. */
    ssize_t (*pending)(struct adapter *adapter, int sid);

    /*
     * Optional. As recv() would after @skip bytes (UDP: datagrams) were read; everything stays where
     * it is. -EAGAIN: no more has come.
     */
    ssize_t (*peek)(struct adapter *adapter, int sid, size_t skip, void *data, size_t cap,
                    struct endpoint *from);

    /* Optional. Our end of @sid, as its other end sees it; UDP: as @peer does. */
    int (*local)(const struct adapter *adapter, int sid, const struct endpoint *peer,
                 struct endpoint *local);

    /* TCP: bytes that send() has taken and the peer has not acknowledged, as the stack knows now. */
    size_t (*unacked)(const struct adapter *adapter, int sid);

    /* Close a TCP connection after what was sent: CLOSED follows. UDP: -EOPNOTSUPP. */
    int (*disconnect)(struct adapter *adapter, int sid);

    /* Optional. Break a TCP connection: the peer gets RST, and ERROR follows (ECONNRESET). */
    void (*reset)(struct adapter *adapter, int sid);

    /* Close at once, whatever its state; no event follows. */
    void (*close)(struct adapter *adapter, int sid);

    /* Optional. What @sid is; -ENOENT: nothing, -ERANGE: nor is any that is larger. */
    int (*look)(const struct adapter *adapter, int sid, struct sock_look *look);

    /*
     * Optional. Send an ICMP echo request (RFC 792) with @len bytes of data to an IPv4 address; ECHO
     * with @tag follows if it is answered. Only the last request's answer is waited for. -EACCES:
     * the system does not allow it.
     */
    int (*echo)(struct adapter *adapter, uint32_t tag, const struct endpoint *to, size_t len);

    /* Optional. Pass on what send() has gathered since the last flush. */
    void (*flush)(struct adapter *adapter);

    /* Of a layer alone: the adapter below it posts @event. */
    void (*heard)(struct adapter *adapter, const struct net_event *event);

    /* Number of sockets from which an event can still come. */
    size_t (*active)(const struct adapter *adapter);

    void (*free)(struct adapter *adapter);
};

/* Embed; find yourself again with container_of(). */
struct adapter {
    const struct adapter_ops *ops;
    struct net *net;
    struct adapter *above;        /* the layer that stands on it; NULL: the net knows it */
    struct adapter *below;        /* what it, a layer, stands on; NULL: it is none */
    int id;                       /* enum adapter_id */
    bool is_ready;                /* of the topmost one */
    struct adapter_limits limits; /* of the topmost one */
    struct endpoint dns_static[ADAPTER_DNS_MAX]; /* by socket.setDNS; IP_FAMILY_NONE: not set */
};

/* Can a listener on @adapter serve several clients? */
static inline bool adapter_can_accept(const struct adapter *adapter)
{
    return adapter->ops->can_accept && !adapter->limits.one_to_one;
}
