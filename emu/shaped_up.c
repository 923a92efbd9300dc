/* What goes up, from the device: connections, bytes, datagrams, echo requests, farewells. */
#include <errno.h>
#include <string.h>

#include "emu/limits.h"
#include "emu/shaped_priv.h"
#include "emu/util.h"

#define US_PER_MS     1000
#define RESET_WAIT_MS 1    /* between looks whether the peer has all that it should have */
#define RESET_TRIES   5000 /* after which it is reset all the same */

/* ---- connections ---------------------------------------------------------------------------- */

static struct shaped_sock *note(struct shaped *shaped, int sid, const struct sock_spec *spec,
                                const struct endpoint *remote)
{
    return shaped_sock_new(shaped, sid,
                           &(struct sock_look){ .type = spec->type,
                                                .tag = spec->tag,
                                                .local_port = spec->local_port,
                                                .peer = *remote });
}

/* Our end's address and port, for rules that name them. */
static void find_device(struct shaped_sock *sock)
{
    const struct adapter_ops *real = sock->shaped->real;

    if (real->local && !sock->device.port)
        (void)real->local(sock->shaped->adapter, sock->sid, &sock->peer, &sock->device);
}

/* The adapter has its socket, and does nothing with it until the SYN leaves. */
static int connect_tcp(struct shaped *shaped, const struct sock_spec *spec,
                       const struct endpoint *remote)
{
    struct sock_spec held = *spec;
    struct impair_verdict verdict;
    struct shaped_sock *sock;
    int sid;

    held.is_held = true;
    sid = shaped->real->connect(shaped->adapter, &held, remote);
    if (sid < 0)
        return sid;
    sock = note(shaped, sid, spec, remote);
    sock->is_connecting = true;
    timer_start(shaped->config.timers, &sock->connect_timer,
                shaped_now(shaped) + shaped->config.limits->connect_timeout_ms * US_PER_MS);
    shaped_judge_stream(sock, IMPAIR_DIRECTION_UP, 0, &verdict);
    shaped_put(shaped, shaped_item_new(sock, SHAPED_UP_CONNECT, NULL, 0), verdict.at_us, false);
    return sid;
}

int shaped_connect(struct adapter *adapter, const struct sock_spec *spec,
                   const struct endpoint *remote)
{
    struct shaped *shaped = to_shaped(adapter);
    int sid;

    if (spec->type == SOCK_TYPE_TCP && !shaped->is_leaving)
        return connect_tcp(shaped, spec, remote);
    sid = shaped->real->connect(adapter, spec, remote);
    if (sid >= 0)
        find_device(note(shaped, sid, spec, remote));
    return sid;
}

static void begin_connection(struct shaped_sock *sock)
{
    struct shaped *shaped = sock->shaped;
    int rc = shaped->real->proceed(shaped->adapter, sock->sid);

    find_device(sock);
    if (rc < 0)
        shaped_tell_later(sock, &(struct net_event){ .type = NET_EVENT_ERROR,
                                                     .tag = sock->tag,
                                                     .arg = (uint32_t)-rc });
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static void send_piece(struct shaped_sock *sock, const uint8_t *data, size_t len)
{
    struct shaped *shaped = sock->shaped;
    struct impair_verdict verdict;
    bool is_cut;

    shaped_judge_stream(sock, IMPAIR_DIRECTION_UP, len, &verdict);
    is_cut = verdict.action == IMPAIR_ACTION_RESET;
    if (is_cut)
        len = verdict.keep_len;
    sock->lanes[IMPAIR_DIRECTION_UP].bytes += len;
    if (len)
        shaped_put(shaped, shaped_item_new(sock, SHAPED_UP_DATA, data, len), verdict.at_us, false);
    if (!is_cut)
        return;
    sock->is_cut = true;
    shaped_put(shaped, shaped_item_new(sock, SHAPED_UP_RESET, NULL, 0), verdict.at_us, false);
}

static ssize_t send_stream(struct shaped_sock *sock, const uint8_t *data, size_t len)
{
    size_t piece_len = shaped_piece_len(sock->shaped);

    for (size_t at = 0; at < len && !sock->is_cut; at += piece_len)
        send_piece(sock, data + at, len - at < piece_len ? len - at : piece_len);
    return (ssize_t)len;
}

/* What the peer should have had, it must have: a reset throws away what is on its way. */
static void do_reset(struct shaped_sock *sock, struct shaped_item *item)
{
    struct shaped *shaped = sock->shaped;

    if (shaped->real->unacked(shaped->adapter, sock->sid) && item->tries++ < RESET_TRIES) {
        struct shaped_item *again = shaped_item_new(sock, SHAPED_UP_RESET, NULL, 0);

        again->tries = item->tries;
        shaped_put(shaped, again, shaped_now(shaped) + (uint64_t)RESET_WAIT_MS * US_PER_MS, false);
        return;
    }
    shaped->real->reset(shaped->adapter, sock->sid);
}

size_t shaped_unacked(const struct adapter *adapter, int sid)
{
    const struct shaped *shaped = to_shaped(adapter);

    return shaped_sock_of(shaped, sid)->lanes[IMPAIR_DIRECTION_UP].held +
           shaped->real->unacked(adapter, sid);
}

/* ---- datagrams ------------------------------------------------------------------------------ */

static void tell_sent(const struct shaped_sock *sock, size_t len)
{
    shaped_post(sock->shaped, &(struct net_event){ .type = NET_EVENT_TX_ACKED,
                                                   .tag = sock->tag,
                                                   .arg = (uint32_t)len });
}

/* The answer of whoever stands in for the name server comes down the way that its own would. */
static void answer(struct shaped_sock *sock, const struct impair_verdict *verdict,
                   const struct shaped_item *query)
{
    uint8_t message[IMPAIR_ANSWER_MAX];
    size_t len = impair_answer(verdict->rule, query->data, query->len, message);

    if (len)
        shaped_take_dgram(sock, message, len,
                          query->ep.family == IP_FAMILY_NONE ? &sock->peer : &query->ep,
                          verdict->at_us);
}

static void judge_dgram(struct shaped_sock *sock, const struct shaped_item *item,
                        struct impair_verdict *verdict)
{
    struct shaped *shaped = sock->shaped;
    const struct endpoint *peer = item->ep.family == IP_FAMILY_NONE ? &sock->peer : &item->ep;
    struct impair_packet packet =
        shaped_packet(sock, IMPAIR_DIRECTION_UP, peer, item->len + SHAPED_UDP_LEN);
    struct adapter_info info = { 0 };

    if (impair_has_kind(shaped->config.impair, IMPAIR_KIND_DNS)) {
        shaped->real->info(shaped->adapter, &info);
        packet.is_query = impair_is_query(item->data, item->len);
        packet.is_dns_server = impair_is_dns_server(peer, &info);
    }
    shaped_judge(shaped, &packet, shaped_now(shaped), verdict);
}

/* As the adapter's own send() says it: at once, and where there is no room, so. */
static ssize_t send_now(struct shaped_sock *sock, const void *data, size_t len,
                        const struct endpoint *to)
{
    ssize_t n = sock->shaped->real->send(sock->shaped->adapter, sock->sid, data, len, to);

    if (n >= 0)
        tell_sent(sock, len);
    return n;
}

static ssize_t send_dgram(struct shaped_sock *sock, const void *data, size_t len,
                          const struct endpoint *to)
{
    struct shaped *shaped = sock->shaped;
    struct shaped_item *item = shaped_item_new(sock, SHAPED_UP_DGRAM, data, len);
    struct impair_verdict verdict;

    if (to)
        item->ep = *to;
    judge_dgram(sock, item, &verdict);
    if (verdict.action == IMPAIR_ACTION_ANSWER)
        answer(sock, &verdict, item);
    if (verdict.action != IMPAIR_ACTION_PASS || shaped->lines_len + len > SHAPED_LINE_MAX) {
        shaped_item_free(item);
    } else if (verdict.at_us <= shaped_now(shaped) && !verdict.is_late && !verdict.is_twice) {
        shaped_item_free(item);
        return send_now(sock, data, len, to);
    } else {
        shaped_put(shaped, item, verdict.at_us, verdict.is_late);
        if (verdict.is_twice) {
            struct shaped_item *twin = shaped_item_new(sock, SHAPED_UP_DGRAM, data, len);

            if (to)
                twin->ep = *to;
            shaped_put(shaped, twin, verdict.at_us, false);
        }
    }
    tell_sent(sock, len);
    return (ssize_t)len;
}

ssize_t shaped_send(struct adapter *adapter, int sid, const void *data, size_t len,
                    const struct endpoint *to)
{
    struct shaped_sock *sock = shaped_sock_of(to_shaped(adapter), sid);

    return sock->type == SOCK_TYPE_UDP ? send_dgram(sock, data, len, to)
                                       : send_stream(sock, data, len);
}

/* ---- farewells ------------------------------------------------------------------------------ */

int shaped_disconnect(struct adapter *adapter, int sid)
{
    struct shaped *shaped = to_shaped(adapter);
    struct shaped_sock *sock = shaped_sock_of(shaped, sid);
    struct impair_verdict verdict;

    if (sock->type == SOCK_TYPE_UDP)
        return shaped->real->disconnect(adapter, sid);
    if (sock->is_connecting)
        return -ENOTCONN;
    if (!sock->lanes[IMPAIR_DIRECTION_UP].items && shaped->is_leaving)
        return shaped->real->disconnect(adapter, sid);
    shaped_judge_stream(sock, IMPAIR_DIRECTION_UP, 0, &verdict);
    shaped_put(shaped, shaped_item_new(sock, SHAPED_UP_DISCONNECT, NULL, 0), verdict.at_us, false);
    return 0;
}

static void do_disconnect(struct shaped_sock *sock)
{
    struct shaped *shaped = sock->shaped;

    if (shaped->real->disconnect(shaped->adapter, sock->sid) < 0)
        shaped_tell_later(sock, &(struct net_event){ .type = NET_EVENT_CLOSED, .tag = sock->tag });
}

/* Is something of it held back for as long as the rules last? */
static bool is_stuck(const struct shaped_sock *sock)
{
    const struct impair_packet packet =
        shaped_packet(sock, IMPAIR_DIRECTION_UP, &sock->peer, SHAPED_TCP_LEN);

    return impair_blocked_until(sock->shaped->config.impair, &packet, shaped_now(sock->shaped)) ==
           UINT64_MAX;
}

/* What was sent before still arrives, but nobody waits for a connection that was not made. */
void shaped_close(struct adapter *adapter, int sid)
{
    struct shaped *shaped = to_shaped(adapter);
    struct shaped_sock *sock = shaped_sock_of(shaped, sid);
    struct shaped_lane *up = &sock->lanes[IMPAIR_DIRECTION_UP];

    if (up->items && !sock->is_connecting && !is_stuck(sock)) {
        sock->is_closing = true;
        timer_stop(shaped->config.timers, &sock->connect_timer);
        shaped_put(shaped, shaped_item_new(sock, SHAPED_UP_CLOSE, NULL, 0), up->last_us, false);
        return;
    }
    shaped_sock_free(sock);
    shaped->real->close(adapter, sid);
    shaped_go_if_done(shaped);
}

static void do_close(struct shaped *shaped, struct shaped_sock *sock)
{
    int sid = sock->sid;

    shaped_sock_free(sock);
    shaped->real->close(shaped->adapter, sid);
}

/* ---- echo requests -------------------------------------------------------------------------- */

int shaped_echo(struct adapter *adapter, uint32_t tag, const struct endpoint *to, size_t len)
{
    struct shaped *shaped = to_shaped(adapter);
    struct impair_packet packet = { .direction = IMPAIR_DIRECTION_UP,
                                    .protocol = IMPAIR_PROTOCOL_ICMP,
                                    .len = len + SHAPED_UDP_LEN,
                                    .peer = *to };
    struct impair_verdict verdict;
    struct shaped_item *item;

    packet.peer.port = 0;
    shaped_judge(shaped, &packet, shaped_now(shaped), &verdict);
    if (verdict.action != IMPAIR_ACTION_PASS)
        return 0; /* whether it could be sent at all shows when one passes */
    if (verdict.at_us <= shaped_now(shaped))
        return shaped->real->echo(adapter, tag, to, len);
    item = shaped_item_new(NULL, SHAPED_UP_ECHO, NULL, 0);
    item->event.tag = tag;
    item->event.arg = (uint32_t)len;
    item->ep = *to;
    shaped_put(shaped, item, verdict.at_us, false);
    return 0;
}

/* ---- when their time has come --------------------------------------------------------------- */

void shaped_do_up(struct shaped *shaped, struct shaped_item *item)
{
    switch (item->kind) {
    case SHAPED_UP_CONNECT:
        begin_connection(item->sock);
        break;
    case SHAPED_UP_DATA:
    case SHAPED_UP_DGRAM:
        (void)shaped->real->send(shaped->adapter, item->sock->sid, item->data, item->len,
                                 item->ep.family == IP_FAMILY_NONE ? NULL : &item->ep);
        break;
    case SHAPED_UP_RESET:
        do_reset(item->sock, item);
        break;
    case SHAPED_UP_DISCONNECT:
        do_disconnect(item->sock);
        break;
    case SHAPED_UP_CLOSE:
        do_close(shaped, item->sock);
        break;
    case SHAPED_UP_ECHO:
        (void)shaped->real->echo(shaped->adapter, item->event.tag, &item->ep, item->event.arg);
        break;
    case SHAPED_DOWN_DATA:
    case SHAPED_DOWN_DGRAM:
    case SHAPED_DOWN_EVENT:
    case SHAPED_DOWN_RESET:
        break;
    }
}
