/* Included by posix.c and posix_icmp.c, posix_link.c, posix_tcp.c, posix_udp.c only. */
#pragma once

#include <sys/socket.h>

#include "adapters/hostinfo.h"
#include "adapters/netlink.h"
#include "adapters/posix.h"
#include "emu/buf.h"
#include "emu/list.h"
#include "emu/loop.h"
#include "emu/timer.h"

#define STAGE_CAP       (256 * 1024) /* what is sent until the next turn is gathered in */
#define STAGE_PARTS_MAX 256

enum psock_kind { PSOCK_KIND_TCP, PSOCK_KIND_LISTENER, PSOCK_KIND_UDP };

/*
 * One LuatOS socket. Which parts are in use depends on @kind. They are in the order of use: with
 * many connections each message of one finds it out of the cache.
 */
struct psock {
    struct posix *posix;
    struct loop_fd conn; /* the connection or the UDP socket; fd -1: none */
    enum psock_kind kind;
    int sid;
    uint32_t tag;
    bool is_connecting;
    bool is_over;       /* the peer closed or the connection broke, and that was reported */
    bool is_leaving;    /* disconnect() waits for @txq to drain */
    bool is_bulk;       /* TCP: so much came at last that none is read ahead */
    bool was_looked_at; /* TCP: since the last write */
    bool stamps_on;     /* TCP: SO_TIMESTAMPING is set on the socket */
    bool wants_stamp;   /* TCP: the next write asks for a report of its acknowledgement */

    uint64_t sent, acked; /* TCP: bytes given to the kernel; of them, reported as acknowledged */
    uint64_t sent_at_us;  /* the last write */
    uint64_t look_at_us;  /* when the sweep looks for an acknowledgement */
    struct list unacked_link;
    uint64_t read, seen;     /* TCP: bytes read from the kernel; bytes whose arrival was reported */
    uint64_t empty_until_us; /* TCP: the kernel had no more; 0: not known */
    struct byteq ahead;      /* TCP: read from the kernel before the script asked */
    size_t staged_len;       /* TCP: bytes of it on the stage */
    struct byteq txq;        /* TCP: what the kernel had no room for */

    struct list rxq; /* UDP: of struct dgram */
    size_t rxq_len;
    bool is_unread;  /* UDP: the queue was full, the kernel may hold more */
    bool is_blocked; /* UDP: a send had no room */
    bool is_joined;  /* UDP: connected to its peer */

    struct endpoint peer;
    struct timer connect_timer;
    struct sock_spec spec; /* of connect() */

    struct loop_fd listener; /* fd -1: none */
    bool is_many;
    int waiting_fd; /* one-to-many: the client that waits for accept(); -1: none */
    struct timer refuse_timer;
};

/* What was sent and is not yet given to the kernel, in the order in which it was sent. */
struct stage {
    uint8_t data[STAGE_CAP];
    size_t len, count;
    struct stage_part {
        struct psock *sock;
        size_t len;
    } parts[STAGE_PARTS_MAX];
};

/* The echo request that is waited for, and the socket of all of them. */
struct posix_icmp {
    struct loop_fd source;
    bool is_open, is_raw;
    uint32_t tag; /* 0: none is waited for */
    uint16_t id, sequence;
    struct endpoint to;
};

struct posix {
    struct adapter base;
    struct posix_config config;
    struct netlink *netlink; /* NULL: the link is always there */
    struct netlink_state link;
    bool has_link;   /* the kernel's word, and an address */
    bool is_held;    /* the emulator's: down whatever the kernel says */
    bool is_link_up; /* as posted last */
    struct hostinfo_dns host_dns;
    bool is_dns_leased;
    struct adapter_info configured; /* its name servers, while others are leased */

    struct psock **socks; /* by sid */
    size_t socks_cap;
    int *free_sids;
    size_t free_count;
    size_t live; /* sockets from which something may come */

    struct stage *stage; /* NULL: nothing was sent yet */

    struct byteq spare; /* memory for @ahead */

    struct list unacked; /* psocks with unacknowledged bytes, by @look_at_us */
    size_t unacked_count;
    struct timer sweep_timer;

    uint8_t *scratch; /* UDP: where datagrams land */
    struct posix_icmp icmp;
};

struct posix *to_posix(const struct adapter *adapter);

/* As socket(2), where the adapter is; on its interface. A descriptor or -errno. */
int posix_socket(const struct posix *posix, int domain, int type);
int posix_socket_of(const struct posix *posix, int domain, int type, int protocol);

/* As bind(2). 0 or -errno. */
int posix_bind(const struct posix *posix, int fd, const struct endpoint *local);

/* posix_link.c */
void posix_unwatch_link(struct posix *posix);

void psock_post(const struct psock *sock, enum net_event_type type, uint32_t arg);

/* Report once that the connection is over; @error 0: the peer closed it. */
void psock_end(struct psock *sock, int error);

/* Length of the address in @storage. */
socklen_t endpoint_to_sockaddr(const struct endpoint *ep, struct sockaddr_storage *storage);
void endpoint_from_sockaddr(struct endpoint *ep, const struct sockaddr_storage *storage);

void posix_tcp_init(struct psock *sock);
int posix_tcp_connect(struct psock *sock, const struct sock_spec *spec,
                      const struct endpoint *remote);
int posix_tcp_listen(struct psock *sock, const struct sock_spec *spec, bool many);
int posix_tcp_accept(struct psock *listener, struct psock *client);
ssize_t posix_tcp_send(struct psock *sock, const void *data, size_t len);
ssize_t posix_tcp_recv(struct psock *sock, void *data, size_t cap);
ssize_t posix_tcp_pending(const struct psock *sock);
ssize_t posix_tcp_peek(const struct psock *sock, size_t skip, void *data, size_t cap);
size_t posix_tcp_unacked(const struct psock *sock);
int posix_tcp_disconnect(struct psock *sock);
void posix_tcp_reset(struct psock *sock);
void posix_tcp_close(struct psock *sock);
void posix_tcp_flush_stage(struct posix *posix);
void posix_tcp_sweep(struct timer *timer);

int posix_udp_connect(struct psock *sock, const struct sock_spec *spec,
                      const struct endpoint *remote);
ssize_t posix_udp_send(struct psock *sock, const void *data, size_t len, const struct endpoint *to);
ssize_t posix_udp_recv(struct psock *sock, void *data, size_t cap, struct endpoint *from);
ssize_t posix_udp_pending(const struct psock *sock);
ssize_t posix_udp_peek(const struct psock *sock, size_t skip, void *data, size_t cap,
                       struct endpoint *from);
void posix_udp_close(struct psock *sock);

/* posix_icmp.c */
int posix_icmp_echo(struct adapter *adapter, uint32_t tag, const struct endpoint *to, size_t len);
void posix_icmp_close(struct posix *posix);
