/* What comes down, to the device: bytes, datagrams, and what the adapter reports. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "emu/limits.h"
#include "emu/shaped_priv.h"
#include "emu/util.h"

/* ---- taking from the adapter ---------------------------------------------------------------- */

void shaped_take_dgram(struct shaped_sock *sock, const uint8_t *data, size_t len,
                       const struct endpoint *from, uint64_t at_us)
{
    struct shaped *shaped = sock->shaped;
    struct impair_packet packet =
        shaped_packet(sock, IMPAIR_DIRECTION_DOWN, from, len + SHAPED_UDP_LEN);
    struct impair_verdict verdict;

    shaped_judge(shaped, &packet, at_us, &verdict);
    if (verdict.action != IMPAIR_ACTION_PASS)
        return;
    for (int copies = verdict.is_twice ? 2 : 1; copies; copies--) {
        struct shaped_item *item;

        if (shaped->lines_len + len > SHAPED_LINE_MAX)
            return;
        item = shaped_item_new(sock, SHAPED_DOWN_DGRAM, data, len);
        item->ep = *from;
        shaped_put(shaped, item, verdict.at_us, verdict.is_late);
        verdict.is_late = false;
    }
}

static void take_piece(struct shaped_sock *sock, const uint8_t *data, size_t len)
{
    struct shaped *shaped = sock->shaped;
    struct impair_verdict verdict;

    shaped_judge_stream(sock, IMPAIR_DIRECTION_DOWN, len, &verdict);
    if (verdict.action == IMPAIR_ACTION_RESET) {
        sock->is_cut = true;
        len = verdict.keep_len;
    }
    sock->lanes[IMPAIR_DIRECTION_DOWN].bytes += len;
    if (len)
        shaped_put(shaped, shaped_item_new(sock, SHAPED_DOWN_DATA, data, len), verdict.at_us,
                   false);
    if (sock->is_cut)
        shaped_put(shaped, shaped_item_new(sock, SHAPED_DOWN_RESET, NULL, 0), verdict.at_us, false);
}

/* Does the next recv() fit? */
static bool has_room(const struct shaped_sock *sock)
{
    if (sock->type == SOCK_TYPE_UDP)
        return sock->rxq_len < sock->shaped->config.limits->udp_queue;
    return sock->lanes[IMPAIR_DIRECTION_DOWN].held + sock->ready.len < SHAPED_DOWN_MAX;
}

/* False: there is no more. */
static bool pull_one(struct shaped_sock *sock)
{
    struct shaped *shaped = sock->shaped;
    bool is_udp = sock->type == SOCK_TYPE_UDP;
    struct endpoint from = sock->peer;
    ssize_t n;

    if (!shaped->scratch)
        shaped->scratch = xcalloc(1, SHAPED_DGRAM_MAX);
    n = shaped->real->recv(shaped->adapter, sock->sid, shaped->scratch,
                           is_udp ? SHAPED_DGRAM_MAX : shaped_piece_len(shaped),
                           is_udp ? &from : NULL);
    if (n < 0 || (n == 0 && !is_udp))
        return false;
    if (is_udp)
        shaped_take_dgram(sock, shaped->scratch, (size_t)n, &from, shaped_now(shaped));
    else
        take_piece(sock, shaped->scratch, (size_t)n);
    return true;
}

void shaped_pull(struct shaped_sock *sock)
{
    sock->has_unread = true;
    while (has_room(sock) && !sock->is_cut) {
        if (!pull_one(sock)) {
            sock->has_unread = false;
            break;
        }
    }
    if (!sock->has_end || (sock->has_unread && !sock->is_cut))
        return;
    sock->has_end = false;
    shaped_tell_later(sock, &sock->end);
}

void shaped_pull_later(struct shaped_sock *sock)
{
    if (list_is_empty(&sock->pull))
        list_append(&sock->shaped->to_pull, &sock->pull);
    shaped_start_timer(sock->shaped);
}

/* ---- what the adapter reports --------------------------------------------------------------- */

/* After what is on its way to it, and no sooner than a packet would be. */
void shaped_tell_later(struct shaped_sock *sock, const struct net_event *event)
{
    struct shaped_item *item = shaped_item_new(sock, SHAPED_DOWN_EVENT, NULL, 0);
    struct impair_verdict verdict;

    item->event = *event;
    shaped_judge_stream(sock, IMPAIR_DIRECTION_DOWN, 0, &verdict);
    shaped_put_in_line(sock->shaped, item, verdict.at_us,
                       false); /* what is pulled now is before it */
}

static void end_connecting(struct shaped_sock *sock)
{
    sock->is_connecting = false;
    timer_stop(sock->shaped->config.timers, &sock->connect_timer);
}

/* It is remembered, in the order in which everything came: the adapter must not be called back. */
static void hear_later(struct shaped *shaped, const struct net_event *event)
{
    struct shaped_item *item = shaped_item_new(NULL, SHAPED_DOWN_EVENT, NULL, 0);

    item->event = *event;
    list_append(&shaped->to_hear, &item->of_hole);
    shaped_start_timer(shaped);
}

/* Of a datagram that was sent one was told before; nothing else of those sockets waits. */
static void hear_of_udp(struct shaped *shaped, const struct net_event *event)
{
    if (event->type == NET_EVENT_RX)
        hear_later(shaped, event);
    else if (event->type != NET_EVENT_TX_ACKED || !event->arg) /* there is room again */
        shaped_post(shaped, event);
}

void shaped_hear(struct shaped *shaped, const struct net_event *event)
{
    struct shaped_sock *sock = shaped_sock_of_tag(shaped, event->tag);

    if (!sock || sock->is_closing)
        return;
    if (event->type == NET_EVENT_ERROR || event->type == NET_EVENT_REMOTE_CLOSED) {
        sock->end = *event; /* behind what can still be read */
        sock->has_end = true;
        shaped_pull(sock);
    } else if (event->type == NET_EVENT_RX) {
        shaped_pull(sock);
    } else if (event->type == NET_EVENT_LISTENING) {
        shaped_post(shaped, event); /* nothing was sent for it */
    } else {
        shaped_tell_later(sock, event);
    }
}

static void hear_echo(struct shaped *shaped, const struct net_event *event)
{
    struct impair_packet packet = { .direction = IMPAIR_DIRECTION_DOWN,
                                    .protocol = IMPAIR_PROTOCOL_ICMP,
                                    .len = SHAPED_UDP_LEN };
    struct impair_verdict verdict;
    struct shaped_item *item;

    shaped_judge(shaped, &packet, shaped_now(shaped), &verdict);
    if (verdict.action != IMPAIR_ACTION_PASS)
        return;
    item = shaped_item_new(NULL, SHAPED_DOWN_EVENT, NULL, 0);
    item->event = *event;
    shaped_put(shaped, item, verdict.at_us, false);
}

void shaped_heard(struct adapter *base, const struct net_event *event)
{
    struct shaped *shaped = container_of(base, struct shaped, base);
    struct shaped_sock *sock = shaped_sock_of_tag(shaped, event->tag);

    if (shaped->is_leaving) {
        if (sock && (event->type == NET_EVENT_CONNECTED || event->type == NET_EVENT_ERROR))
            end_connecting(sock);
        timer_start(shaped->config.timers, &shaped->timer, shaped_now(shaped));
        shaped_post(shaped, event);
        return;
    }
    if (event->type == NET_EVENT_ECHO)
        hear_echo(shaped, event);
    else if (!sock)
        shaped_post(shaped, event);
    else if (sock->type == SOCK_TYPE_UDP)
        hear_of_udp(shaped, event);
    else
        hear_later(shaped, event);
}

/* ---- reading -------------------------------------------------------------------------------- */

static struct shaped_item *first_dgram(const struct shaped_sock *sock)
{
    if (list_is_empty(&sock->rxq))
        return NULL;
    return container_of(sock->rxq.next, struct shaped_item, of_sock);
}

static size_t copy_dgram(const struct shaped_item *item, void *data, size_t cap,
                         struct endpoint *from)
{
    size_t n = item->len < cap ? item->len : cap;

    if (n)
        memcpy(data, item->data, n);
    if (from)
        *from = item->ep;
    return n;
}

static ssize_t recv_dgram(struct shaped_sock *sock, void *data, size_t cap, struct endpoint *from)
{
    struct shaped_item *item = first_dgram(sock);
    size_t n;

    if (!item)
        return -EAGAIN;
    n = copy_dgram(item, data, cap, from);
    list_remove(&item->of_sock);
    sock->rxq_len--;
    sock->shaped->lines_len -= item->len;
    shaped_item_free(item);
    if (sock->has_unread && !sock->shaped->is_leaving)
        shaped_pull(sock);
    return (ssize_t)n;
}

static ssize_t recv_stream(struct shaped_sock *sock, void *data, size_t cap)
{
    size_t n = sock->ready.len < cap ? sock->ready.len : cap;

    if (n) {
        memcpy(data, byteq_front(&sock->ready), n);
        byteq_drop(&sock->ready, n);
    }
    if (sock->has_unread && !sock->shaped->is_leaving)
        shaped_pull(sock);
    return n || !cap ? (ssize_t)n : -EAGAIN;
}

ssize_t shaped_recv(struct adapter *adapter, int sid, void *data, size_t cap, struct endpoint *from)
{
    struct shaped *shaped = to_shaped(adapter);
    const struct adapter_ops *real = shaped->real;
    struct shaped_sock *sock = shaped_sock_of(shaped, sid);
    ssize_t n = sock->type == SOCK_TYPE_UDP ? recv_dgram(sock, data, cap, from)
                                            : recv_stream(sock, data, cap);

    if (!shaped->is_leaving)
        return n;
    shaped_go_if_done(shaped);
    return n == -EAGAIN ? real->recv(adapter, sid, data, cap, from) : n;
}

ssize_t shaped_pending(struct adapter *adapter, int sid)
{
    const struct shaped *shaped = to_shaped(adapter);
    const struct shaped_sock *sock = shaped_sock_of(shaped, sid);
    const struct shaped_item *item = first_dgram(sock);
    ssize_t below = shaped->is_leaving ? shaped->real->pending(adapter, sid) : -EAGAIN;

    if (sock->type == SOCK_TYPE_UDP)
        return item ? (ssize_t)item->len : below;
    return (ssize_t)sock->ready.len + (below > 0 ? below : 0);
}

static ssize_t peek_dgram(const struct shaped_sock *sock, size_t skip, void *data, size_t cap,
                          struct endpoint *from)
{
    list_for_each(node, &sock->rxq) {
        if (!skip--)
            return (ssize_t)copy_dgram(container_of(node, struct shaped_item, of_sock), data, cap,
                                       from);
    }
    return -EAGAIN;
}

ssize_t shaped_peek(struct adapter *adapter, int sid, size_t skip, void *data, size_t cap,
                    struct endpoint *from)
{
    const struct shaped *shaped = to_shaped(adapter);
    const struct shaped_sock *sock = shaped_sock_of(shaped, sid);
    size_t ours = sock->type == SOCK_TYPE_UDP ? sock->rxq_len : sock->ready.len;
    size_t n;

    if (skip >= ours)
        return shaped->is_leaving ? shaped->real->peek(adapter, sid, skip - ours, data, cap, from)
                                  : -EAGAIN;
    if (sock->type == SOCK_TYPE_UDP)
        return peek_dgram(sock, skip, data, cap, from);
    n = ours - skip < cap ? ours - skip : cap;
    memcpy(data, byteq_front(&sock->ready) + skip, n);
    return (ssize_t)n;
}

/* ---- when its time has come ----------------------------------------------------------------- */

static void arrive(struct shaped_sock *sock)
{
    shaped_post(sock->shaped, &(struct net_event){ .type = NET_EVENT_RX, .tag = sock->tag });
}

static void queue_dgram(struct shaped_sock *sock, const struct shaped_item *item)
{
    struct shaped_item *ready;

    if (sock->is_closing)
        return;
    ready = shaped_item_new(NULL, SHAPED_DOWN_DGRAM, item->data, item->len);
    ready->ep = item->ep;
    sock->shaped->lines_len += item->len;
    list_append(&sock->rxq, &ready->of_sock);
    sock->rxq_len++;
    arrive(sock);
}

static void tell(struct shaped *shaped, const struct shaped_item *item)
{
    struct shaped_sock *sock = item->sock;

    if (sock && sock->is_closing)
        return;
    if (sock && (item->event.type == NET_EVENT_CONNECTED || item->event.type == NET_EVENT_ERROR))
        end_connecting(sock);
    shaped_post(shaped, &item->event);
}

void shaped_do_down(struct shaped *shaped, struct shaped_item *item)
{
    switch (item->kind) {
    case SHAPED_DOWN_DATA:
        byteq_append(&item->sock->ready, item->data, item->len);
        if (!item->sock->is_closing)
            arrive(item->sock);
        break;
    case SHAPED_DOWN_DGRAM:
        queue_dgram(item->sock, item);
        break;
    case SHAPED_DOWN_EVENT:
        tell(shaped, item);
        break;
    case SHAPED_DOWN_RESET:
        shaped->real->reset(shaped->adapter, item->sock->sid);
        break;
    case SHAPED_UP_CONNECT:
    case SHAPED_UP_DATA:
    case SHAPED_UP_DGRAM:
    case SHAPED_UP_RESET:
    case SHAPED_UP_DISCONNECT:
    case SHAPED_UP_CLOSE:
    case SHAPED_UP_ECHO:
        break;
    }
}
