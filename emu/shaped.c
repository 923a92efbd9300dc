#include "emu/shaped.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/handle.h"
#include "emu/net.h"
#include "emu/shaped_priv.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define SOCKS_CAP_MIN 16
#define FAR_US        (UINT64_MAX - 1)

/* The slots that only look take a const adapter; what is found from it is not const itself. */
struct shaped *to_shaped(const struct adapter *adapter)
{
    return container_of(adapter->above, struct shaped, base);
}

uint64_t shaped_now(const struct shaped *shaped)
{
    return shaped->config.clock->now_us;
}

void shaped_post(struct shaped *shaped, const struct net_event *event)
{
    if (shaped->was_above)
        shaped->was_above->ops->heard(shaped->was_above, event);
    else
        net_post(shaped->adapter->net, event);
}

bool shaped_can(const struct impair_rule *rule, unsigned *lacks)
{
    const unsigned datagrams = 1U << IMPAIR_KIND_LOSS | 1U << IMPAIR_KIND_DUPLICATE |
                               1U << IMPAIR_KIND_REORDER | 1U << IMPAIR_KIND_MTU |
                               1U << IMPAIR_KIND_DNS;

    *lacks = rule->kinds & 1U << IMPAIR_KIND_CORRUPT;
    if (rule->protocol == IMPAIR_PROTOCOL_TCP)
        *lacks |= rule->kinds & datagrams;
    return rule->kinds & ~*lacks;
}

/* ---- the table of sockets ------------------------------------------------------------------- */

struct shaped_sock *shaped_sock_of(const struct shaped *shaped, int sid)
{
    assert(sid >= 0 && (size_t)sid < shaped->socks_cap);
    assert(shaped->socks[sid]);
    return shaped->socks[sid];
}

static void put_in(struct shaped_sock ***table, size_t *cap, size_t index, struct shaped_sock *sock)
{
    size_t wanted = *cap ? *cap : SOCKS_CAP_MIN;

    while (wanted <= index)
        wanted *= 2;
    if (wanted > *cap) {
        *table = xrealloc(*table, wanted * sizeof(**table));
        memset(*table + *cap, 0, (wanted - *cap) * sizeof(**table));
        *cap = wanted;
    }
    (*table)[index] = sock;
}

static size_t tag_index(uint32_t tag)
{
    return tag & ((1U << HANDLE_INDEX_BITS) - 1);
}

struct shaped_sock *shaped_sock_of_tag(const struct shaped *shaped, uint32_t tag)
{
    size_t index = tag_index(tag);
    struct shaped_sock *sock = tag && index < shaped->by_tag_cap ? shaped->by_tag[index] : NULL;

    return sock && sock->tag == tag ? sock : NULL;
}

static void drop_items(struct shaped_sock *sock)
{
    list_for_each_safe(node, &sock->items) {
        struct shaped_item *item = container_of(node, struct shaped_item, of_sock);

        list_remove(&item->of_sock);
        item->sock = NULL;
        item->is_dead = true;
        if (list_is_empty(&item->of_hole))
            continue; /* in a line, which gives it back in time */
        list_remove(&item->of_hole);
        shaped_item_free(item);
    }
    for (int i = 0; i < IMPAIR_DIRECTIONS; i++)
        sock->lanes[i].items = sock->lanes[i].held = 0;
}

/* It was not made, for all that the rules have let through. */
static void on_connect_timeout(struct timer *timer)
{
    struct shaped_sock *sock = container_of(timer, struct shaped_sock, connect_timer);

    drop_items(sock);
    sock->is_connecting = false;
    sock->is_cut = true;
    shaped_post(sock->shaped,
                &(struct net_event){ .type = NET_EVENT_ERROR, .tag = sock->tag, .arg = ETIMEDOUT });
}

struct shaped_sock *shaped_sock_new(struct shaped *shaped, int sid, const struct sock_look *look)
{
    struct shaped_sock *sock = xcalloc(1, sizeof(*sock));
    struct adapter_info info = { 0 };

    shaped->real->info(shaped->adapter, &info);
    *sock = (struct shaped_sock){ .shaped = shaped,
                                  .sid = sid,
                                  .tag = look->tag,
                                  .type = look->type,
                                  .is_many = look->is_many,
                                  .device = info.ip,
                                  .peer = look->peer };
    sock->device.port = look->local_port;
    list_init(&sock->items);
    list_init(&sock->pull);
    list_init(&sock->rxq);
    timer_init(&sock->connect_timer, on_connect_timeout);
    put_in(&shaped->socks, &shaped->socks_cap, (size_t)sid, sock);
    put_in(&shaped->by_tag, &shaped->by_tag_cap, tag_index(look->tag), sock);
    return sock;
}

void shaped_sock_free(struct shaped_sock *sock)
{
    struct shaped *shaped = sock->shaped;

    drop_items(sock);
    list_for_each_safe(node, &sock->rxq) {
        struct shaped_item *item = container_of(node, struct shaped_item, of_sock);

        shaped->lines_len -= item->len;
        shaped_item_free(item);
    }
    list_remove(&sock->pull);
    timer_stop(shaped->config.timers, &sock->connect_timer);
    byteq_fini(&sock->ready);
    shaped->socks[sock->sid] = NULL;
    if (shaped->by_tag[tag_index(sock->tag)] == sock)
        shaped->by_tag[tag_index(sock->tag)] = NULL;
    free(sock);
}

/* ---- verdicts ------------------------------------------------------------------------------- */

struct impair_packet shaped_packet(const struct shaped_sock *sock, enum impair_direction direction,
                                   const struct endpoint *peer, size_t len)
{
    return (struct impair_packet){
        .direction = direction,
        .protocol = sock->type == SOCK_TYPE_UDP ? IMPAIR_PROTOCOL_UDP : IMPAIR_PROTOCOL_TCP,
        .is_stream = sock->type == SOCK_TYPE_TCP,
        .len = len + (peer->family == IP_FAMILY_V6 ? SHAPED_V6_EXTRA : 0),
        .device = sock->device,
        .peer = *peer,
    };
}

void shaped_judge(struct shaped *shaped, struct impair_packet *packet, uint64_t at_us,
                  struct impair_verdict *verdict)
{
    impair_judge(shaped->config.impair, packet, at_us, verdict);
    impair_note(shaped->config.trace, (enum adapter_id)shaped->adapter->id, packet, verdict);
    verdict->is_corrupt = false; /* bytes of sockets are whole or not there */
}

void shaped_judge_stream(struct shaped_sock *sock, enum impair_direction direction, size_t len,
                         struct impair_verdict *verdict)
{
    struct shaped_lane *lane = &sock->lanes[direction];
    struct impair_packet packet = shaped_packet(sock, direction, &sock->peer, len + SHAPED_TCP_LEN);

    packet.stream_begin = lane->bytes;
    packet.stream_len = len;
    shaped_judge(sock->shaped, &packet, shaped_now(sock->shaped), verdict);
    if (verdict->at_us < lane->last_us)
        verdict->at_us = lane->last_us;
    lane->last_us = verdict->at_us;
}

size_t shaped_piece_len(const struct shaped *shaped)
{
    return impair_has_kind(shaped->config.impair, IMPAIR_KIND_RATE) ? SHAPED_PIECE_LEN
                                                                    : SHAPED_CHUNK_LEN;
}

/* Until when a black hole keeps @item; 0: it may pass. */
static uint64_t blocked_until(const struct shaped *shaped, const struct shaped_item *item)
{
    const struct shaped_sock *sock = item->sock;
    struct impair_packet packet;

    if (!sock || sock->type == SOCK_TYPE_UDP ||
        !impair_has_kind(shaped->config.impair, IMPAIR_KIND_BLACKHOLE))
        return 0;
    packet = shaped_packet(sock, shaped_direction(item), &sock->peer, SHAPED_TCP_LEN);
    return impair_blocked_until(shaped->config.impair, &packet, shaped_now(shaped));
}

/* ---- items ---------------------------------------------------------------------------------- */

enum impair_direction shaped_direction(const struct shaped_item *item)
{
    return item->kind <= SHAPED_UP_ECHO ? IMPAIR_DIRECTION_UP : IMPAIR_DIRECTION_DOWN;
}

struct shaped_item *shaped_item_new(struct shaped_sock *sock, enum shaped_kind kind,
                                    const void *data, size_t len)
{
    struct shaped_item *item = xcalloc(1, sizeof(*item) + len);

    *item = (struct shaped_item){ .sock = sock, .kind = kind, .len = len };
    list_init(&item->of_sock);
    list_init(&item->of_hole);
    if (len)
        memcpy(item->data, data, len);
    return item;
}

void shaped_item_free(struct shaped_item *item)
{
    free(item);
}

static bool is_dgram(const struct shaped_item *item)
{
    return item->kind == SHAPED_UP_DGRAM || item->kind == SHAPED_DOWN_DGRAM;
}

static void carry_out(struct shaped *shaped, struct shaped_item *item)
{
    if (shaped_direction(item) == IMPAIR_DIRECTION_UP)
        shaped_do_up(shaped, item);
    else
        shaped_do_down(shaped, item);
    shaped_item_free(item);
}

static void enqueue(struct shaped *shaped, struct shaped_item *item, uint64_t at_us, bool is_late)
{
    impair_line_put(&shaped->lines[shaped_direction(item)], &item->item, at_us, is_late);
    shaped_start_timer(shaped);
}

void shaped_put(struct shaped *shaped, struct shaped_item *item, uint64_t at_us, bool is_late)
{
    struct shaped_lane *lane = item->sock ? &item->sock->lanes[shaped_direction(item)] : NULL;

    if (at_us <= shaped_now(shaped) && !is_late && (!lane || !lane->items) &&
        !blocked_until(shaped, item))
        carry_out(shaped, item);
    else
        shaped_put_in_line(shaped, item, at_us, is_late);
}

void shaped_put_in_line(struct shaped *shaped, struct shaped_item *item, uint64_t at_us,
                        bool is_late)
{
    struct shaped_lane *lane = item->sock ? &item->sock->lanes[shaped_direction(item)] : NULL;

    if (lane) {
        list_append(&item->sock->items, &item->of_sock);
        lane->items++;
        lane->held += item->len;
    }
    if (is_dgram(item))
        shaped->lines_len += item->len;
    enqueue(shaped, item, at_us, is_late);
}

/* Out of its line, and what is to be done with it is done, or a black hole has it. */
static void release(struct shaped *shaped, struct shaped_item *item)
{
    struct shaped_sock *sock = item->sock;
    uint64_t until_us = item->is_dead ? 0 : blocked_until(shaped, item);

    if (until_us) {
        list_append(&shaped->hole, &item->of_hole);
        shaped->hole_until_us = until_us < shaped->hole_until_us ? until_us : shaped->hole_until_us;
        return;
    }
    if (is_dgram(item))
        shaped->lines_len -= item->len;
    if (sock) {
        list_remove(&item->of_sock);
        sock->lanes[shaped_direction(item)].items--;
        sock->lanes[shaped_direction(item)].held -= item->len;
    }
    if (item->is_dead)
        shaped_item_free(item);
    else
        carry_out(shaped, item);
}

/* They came before whatever of their sockets is in a line now. */
static void open_hole(struct shaped *shaped)
{
    shaped->hole_until_us = UINT64_MAX;
    list_for_each_safe(node, &shaped->hole) {
        struct shaped_item *item = container_of(node, struct shaped_item, of_hole);

        list_remove(&item->of_hole);
        enqueue(shaped, item, 0, false);
    }
}

/* Those that are due at @now_us, of those that are there now. */
static void release_due(struct shaped *shaped, uint64_t now_us)
{
    for (int i = 0; i < IMPAIR_DIRECTIONS; i++) {
        struct impair_line *line = &shaped->lines[i];
        struct impair_item *item;

        for (size_t left = line->count + 1; left && (item = impair_line_take(line, now_us)); left--)
            release(shaped, container_of(item, struct shaped_item, item));
    }
}

static uint64_t next_us(const struct shaped *shaped)
{
    bool is_now = !list_is_empty(&shaped->to_pull) || !list_is_empty(&shaped->to_hear);
    uint64_t next = is_now ? 0 : shaped->hole_until_us;

    for (int i = 0; i < IMPAIR_DIRECTIONS; i++) {
        uint64_t line = impair_line_next_us(&shaped->lines[i]);

        next = line < next ? line : next;
    }
    return next;
}

void shaped_start_timer(struct shaped *shaped)
{
    uint64_t due_us = next_us(shaped);

    if (due_us == UINT64_MAX)
        timer_stop(shaped->config.timers, &shaped->timer);
    else
        timer_start(shaped->config.timers, &shaped->timer,
                    due_us > shaped_now(shaped) ? due_us : shaped_now(shaped));
}

static void hear_all(struct shaped *shaped)
{
    while (!list_is_empty(&shaped->to_hear)) {
        struct shaped_item *item = container_of(shaped->to_hear.next, struct shaped_item, of_hole);

        list_remove(&item->of_hole);
        if (shaped->is_leaving)
            shaped_post(shaped, &item->event);
        else
            shaped_hear(shaped, &item->event);
        shaped_item_free(item);
    }
}

static void on_timer(struct timer *timer)
{
    struct shaped *shaped = container_of(timer, struct shaped, timer);

    if (shaped->hole_until_us <= shaped_now(shaped))
        open_hole(shaped);
    hear_all(shaped);
    while (!list_is_empty(&shaped->to_pull)) {
        struct shaped_sock *sock = container_of(shaped->to_pull.next, struct shaped_sock, pull);

        list_remove(&sock->pull);
        shaped_pull(sock);
    }
    release_due(shaped, shaped_now(shaped));
    shaped_start_timer(shaped);
    shaped_go_if_done(shaped);
}

/* ---- servers -------------------------------------------------------------------------------- */

static int op_listen(struct adapter *adapter, const struct sock_spec *spec, bool many)
{
    struct shaped *shaped = to_shaped(adapter);
    int sid = shaped->real->listen(adapter, spec, many);

    if (sid >= 0)
        shaped_sock_new(shaped, sid,
                        &(struct sock_look){ .type = SOCK_TYPE_TCP,
                                             .tag = spec->tag,
                                             .local_port = spec->local_port,
                                             .is_many = many });
    return sid;
}

/* Of a client that had taken the listener over: what it has sent is its own. */
static void hand_over(struct shaped_sock *listener, struct shaped_sock *client)
{
    client->ready = listener->ready;
    byteq_init(&listener->ready);
    memcpy(client->lanes, listener->lanes, sizeof(client->lanes));
    memset(listener->lanes, 0, sizeof(listener->lanes));
    list_for_each_safe(node, &listener->items) {
        struct shaped_item *item = container_of(node, struct shaped_item, of_sock);

        list_remove(node);
        list_append(&client->items, node);
        item->sock = client;
    }
    client->is_cut = listener->is_cut;
    listener->is_cut = listener->has_end = false;
}

static int op_accept(struct adapter *adapter, int sid, uint32_t tag)
{
    struct shaped *shaped = to_shaped(adapter);
    struct shaped_sock *listener = shaped_sock_of(shaped, sid), *client;
    int made = shaped->real->accept(adapter, sid, tag);

    if (made < 0)
        return made;
    client = shaped_sock_new(shaped, made,
                             &(struct sock_look){ .type = SOCK_TYPE_TCP,
                                                  .tag = tag,
                                                  .local_port = listener->device.port });
    (void)shaped->real->peer(adapter, made, &client->peer);
    if (!listener->is_many)
        hand_over(listener, client);
    if (shaped->is_leaving)
        return made;
    if (client->ready.len)
        shaped_post(shaped, &(struct net_event){ .type = NET_EVENT_RX, .tag = tag });
    shaped_pull_later(client);
    return made;
}

/* ---- entering and leaving ------------------------------------------------------------------- */

/* The adapter is as it was. */
static void unhook(struct shaped *shaped)
{
    shaped->adapter->ops = shaped->real;
    shaped->adapter->above = shaped->was_above;
    if (shaped->config.self)
        *shaped->config.self = NULL;
    for (size_t i = 0; i < shaped->socks_cap; i++) {
        if (shaped->socks[i])
            shaped_sock_free(shaped->socks[i]);
    }
    for (int i = 0; i < IMPAIR_DIRECTIONS; i++) {
        struct impair_item *item;

        while ((item = impair_line_take(&shaped->lines[i], FAR_US)))
            shaped_item_free(container_of(item, struct shaped_item, item));
        impair_line_fini(&shaped->lines[i]);
    }
    list_for_each_safe(node, &shaped->to_hear)
        shaped_item_free(container_of(node, struct shaped_item, of_hole));
    timer_stop(shaped->config.timers, &shaped->timer);
    free(shaped->socks);
    free(shaped->by_tag);
    free(shaped->scratch);
    free(shaped);
}

void shaped_free(struct shaped *shaped)
{
    shaped->is_leaving = true;
    open_hole(shaped);
    release_due(shaped, FAR_US);
    unhook(shaped);
}

static void op_free(struct adapter *adapter)
{
    unhook(to_shaped(adapter));
    adapter->ops->free(adapter);
}

static bool is_done(const struct shaped *shaped)
{
    if (!shaped->is_leaving || next_us(shaped) != UINT64_MAX)
        return false;
    for (size_t i = 0; i < shaped->socks_cap; i++) {
        const struct shaped_sock *sock = shaped->socks[i];

        if (sock && (sock->is_closing || sock->is_connecting || sock->ready.len || sock->rxq_len))
            return false;
    }
    return true;
}

void shaped_go_if_done(struct shaped *shaped)
{
    if (is_done(shaped))
        unhook(shaped);
}

static void adopt_sockets(struct shaped *shaped)
{
    struct sock_look look;
    int rc = 0;

    for (int sid = 0; rc != -ERANGE; sid++) {
        rc = shaped->real->look(shaped->adapter, sid, &look);
        if (rc == 0)
            shaped_pull_later(shaped_sock_new(shaped, sid, &look));
    }
}

struct shaped *shaped_enter(struct adapter *adapter, const struct shaped_config *config)
{
    struct shaped *shaped;

    while (adapter->below)
        adapter = adapter->below;
    if (!adapter->ops->look || !adapter->ops->proceed || !adapter->ops->reset)
        return NULL;
    shaped = xcalloc(1, sizeof(*shaped));
    *shaped = (struct shaped){ .real = adapter->ops,
                               .ops = *adapter->ops,
                               .hearing.heard = shaped_heard,
                               .adapter = adapter,
                               .was_above = adapter->above,
                               .config = *config,
                               .hole_until_us = UINT64_MAX };
    shaped->base = (struct adapter){ .ops = &shaped->hearing, .id = adapter->id };
    shaped->ops.connect = shaped_connect;
    shaped->ops.listen = op_listen;
    shaped->ops.accept = adapter->ops->accept ? op_accept : NULL;
    shaped->ops.send = shaped_send;
    shaped->ops.recv = shaped_recv;
    shaped->ops.pending = shaped_pending;
    shaped->ops.peek = adapter->ops->peek ? shaped_peek : NULL;
    shaped->ops.unacked = shaped_unacked;
    shaped->ops.disconnect = shaped_disconnect;
    shaped->ops.close = shaped_close;
    shaped->ops.echo = adapter->ops->echo ? shaped_echo : NULL;
    shaped->ops.free = op_free;
    list_init(&shaped->hole);
    list_init(&shaped->to_pull);
    list_init(&shaped->to_hear);
    timer_init(&shaped->timer, on_timer);
    for (int i = 0; i < IMPAIR_DIRECTIONS; i++)
        impair_line_init(&shaped->lines[i]);
    adapter->ops = &shaped->ops;
    adapter->above = &shaped->base;
    adopt_sockets(shaped);
    return shaped;
}

void shaped_renew(struct shaped *shaped)
{
    open_hole(shaped);
    shaped_start_timer(shaped);
}

/* What the adapter has, and was not told of or taken, is the scripts' own affair again. */
static void tell_what_is_left(struct shaped_sock *sock)
{
    struct shaped *shaped = sock->shaped;

    list_remove(&sock->pull);
    if (sock->is_closing)
        return;
    if (shaped->real->pending(shaped->adapter, sock->sid) >= 0)
        shaped_post(shaped, &(struct net_event){ .type = NET_EVENT_RX, .tag = sock->tag });
    if (sock->has_end)
        shaped_post(shaped, &sock->end);
    sock->has_end = false;
}

void shaped_leave(struct shaped *shaped)
{
    shaped->is_leaving = true;
    open_hole(shaped);
    release_due(shaped, FAR_US);
    hear_all(shaped);
    for (size_t i = 0; i < shaped->socks_cap; i++) {
        if (shaped->socks[i])
            tell_what_is_left(shaped->socks[i]);
    }
    shaped_start_timer(shaped);
    shaped_go_if_done(shaped);
}

void shaped_stay(struct shaped *shaped)
{
    shaped->is_leaving = false;
    for (size_t i = 0; i < shaped->socks_cap; i++) {
        if (shaped->socks[i] && !shaped->socks[i]->is_closing)
            shaped_pull_later(shaped->socks[i]);
    }
}
