/* Included by shaped.c, shaped_down.c and shaped_up.c only. */
#pragma once

#include <sys/types.h>

#include "emu/adapter.h"
#include "emu/buf.h"
#include "emu/impair_line.h"
#include "emu/list.h"
#include "emu/shaped.h"
#include "emu/timer.h"

#define SHAPED_PIECE_LEN 1400               /* of a stream, under a rate */
#define SHAPED_CHUNK_LEN 16384              /* without one */
#define SHAPED_DOWN_MAX  (4 * 1024 * 1024)  /* bytes of a stream that wait here; more wait below */
#define SHAPED_LINE_MAX  (64 * 1024 * 1024) /* bytes of datagrams on their way; more are lost */
#define SHAPED_IP_LEN    20                 /* of headers that packets would have */
#define SHAPED_UDP_LEN   28
#define SHAPED_TCP_LEN   40
#define SHAPED_V6_EXTRA  20
#define SHAPED_DGRAM_MAX 65536

/* What waits for its time, and what is done then. */
enum shaped_kind {
    SHAPED_UP_CONNECT,
    SHAPED_UP_DATA,
    SHAPED_UP_DGRAM,
    SHAPED_UP_RESET,
    SHAPED_UP_DISCONNECT,
    SHAPED_UP_CLOSE,
    SHAPED_UP_ECHO,
    SHAPED_DOWN_DATA,
    SHAPED_DOWN_DGRAM,
    SHAPED_DOWN_EVENT,
    SHAPED_DOWN_RESET,
};

struct shaped_sock;

struct shaped_item {
    struct impair_item item;
    struct list of_sock;      /* in @sock->items */
    struct list of_hole;      /* in @shaped->hole: a black hole holds it, and it is in no line */
    struct shaped_sock *sock; /* NULL: of none, or of one that is gone */
    enum shaped_kind kind;
    bool is_dead; /* nothing is done any more */
    unsigned tries;
    struct net_event event;
    struct endpoint ep; /* where to, or from; family none: the peer */
    size_t len;
    uint8_t data[];
};

struct shaped_lane {
    uint64_t last_us; /* when the last of a stream passes */
    uint64_t bytes;   /* of the stream, so far */
    size_t held;      /* bytes on their way */
    size_t items;     /* likewise */
};

/* One socket of the adapter's. */
struct shaped_sock {
    struct shaped *shaped;
    int sid;
    uint32_t tag;
    enum sock_type type;
    struct endpoint device, peer;
    bool is_many;       /* TCP: a listener that is never a connection */
    bool is_connecting; /* TCP: nobody was told yet how that ended */
    bool is_cut;        /* TCP: it is to be reset, and no more bytes pass */
    bool is_closing;    /* whoever opened it has closed it */
    bool has_unread;    /* the adapter may have more than was taken */
    bool has_end;       /* @end is told when all has been */
    struct net_event end;
    struct list items; /* of both directions */
    struct list pull;  /* in @shaped->to_pull */
    struct shaped_lane lanes[IMPAIR_DIRECTIONS];
    struct byteq ready; /* TCP: to be read */
    struct list rxq;    /* UDP: likewise, of struct shaped_item, by @of_sock */
    size_t rxq_len;
    struct timer connect_timer;
};

struct shaped {
    struct adapter base; /* above the adapter, where its events are heard */
    struct adapter_ops hearing;
    struct adapter_ops ops; /* in place of the adapter's */
    const struct adapter_ops *real;
    struct adapter *adapter, *was_above;
    struct shaped_config config;
    struct shaped_sock **socks; /* by sid */
    size_t socks_cap;
    struct shaped_sock **by_tag; /* by the index of the tag's handle */
    size_t by_tag_cap;
    struct impair_line lines[IMPAIR_DIRECTIONS];
    size_t lines_len; /* bytes of datagrams, also of those to be read */
    struct list hole, to_pull;
    struct list to_hear;    /* events, as they came: the adapter must not be called back at once */
    uint64_t hole_until_us; /* when something of it may pass; UINT64_MAX: that is not known */
    struct timer timer;
    uint8_t *scratch;
    bool is_leaving;
};

/* shaped.c */
struct shaped *to_shaped(const struct adapter *adapter);
struct shaped_sock *shaped_sock_of(const struct shaped *shaped, int sid);
struct shaped_sock *shaped_sock_of_tag(const struct shaped *shaped, uint32_t tag); /* or NULL */
struct shaped_sock *shaped_sock_new(struct shaped *shaped, int sid, const struct sock_look *look);
void shaped_sock_free(struct shaped_sock *sock);
uint64_t shaped_now(const struct shaped *shaped);

/* Pass @event on to whoever uses the adapter. */
void shaped_post(struct shaped *shaped, const struct net_event *event);

/* An item of @len bytes, copied from @data unless that is NULL. @sock may be NULL. */
struct shaped_item *shaped_item_new(struct shaped_sock *sock, enum shaped_kind kind,
                                    const void *data, size_t len);
void shaped_item_free(struct shaped_item *item);
enum impair_direction shaped_direction(const struct shaped_item *item);

/* It is carried out at @at_us; at once, if that is now and nothing of its socket's is before it. */
void shaped_put(struct shaped *shaped, struct shaped_item *item, uint64_t at_us, bool is_late);

/* Likewise, but never at once. */
void shaped_put_in_line(struct shaped *shaped, struct shaped_item *item, uint64_t at_us,
                        bool is_late);

/* Judge a piece of @len bytes of a stream; with 0: SYN, FIN, an acknowledgement. */
void shaped_judge_stream(struct shaped_sock *sock, enum impair_direction direction, size_t len,
                         struct impair_verdict *verdict);

/* Judge a datagram, or what else is no stream. */
void shaped_judge(struct shaped *shaped, struct impair_packet *packet, uint64_t at_us,
                  struct impair_verdict *verdict);
struct impair_packet shaped_packet(const struct shaped_sock *sock, enum impair_direction direction,
                                   const struct endpoint *peer, size_t len);
size_t shaped_piece_len(const struct shaped *shaped);
void shaped_start_timer(struct shaped *shaped);

/* Once nothing is left of it: away with it. @shaped may be gone when this returns. */
void shaped_go_if_done(struct shaped *shaped);

/* shaped_up.c: what the device does */
int shaped_connect(struct adapter *adapter, const struct sock_spec *spec,
                   const struct endpoint *remote);
ssize_t shaped_send(struct adapter *adapter, int sid, const void *data, size_t len,
                    const struct endpoint *to);
size_t shaped_unacked(const struct adapter *adapter, int sid);
int shaped_disconnect(struct adapter *adapter, int sid);
void shaped_close(struct adapter *adapter, int sid);
int shaped_echo(struct adapter *adapter, uint32_t tag, const struct endpoint *to, size_t len);
void shaped_do_up(struct shaped *shaped, struct shaped_item *item);

/* shaped_down.c: what it gets */
ssize_t shaped_recv(struct adapter *adapter, int sid, void *data, size_t cap,
                    struct endpoint *from);
ssize_t shaped_pending(struct adapter *adapter, int sid);
ssize_t shaped_peek(struct adapter *adapter, int sid, size_t skip, void *data, size_t cap,
                    struct endpoint *from);
void shaped_heard(struct adapter *base, const struct net_event *event);
void shaped_hear(struct shaped *shaped, const struct net_event *event);
void shaped_pull(struct shaped_sock *sock);
void shaped_pull_later(struct shaped_sock *sock);
void shaped_tell_later(struct shaped_sock *sock, const struct net_event *event);
void shaped_take_dgram(struct shaped_sock *sock, const uint8_t *data, size_t len,
                       const struct endpoint *from, uint64_t at_us);
void shaped_do_down(struct shaped *shaped, struct shaped_item *item);
