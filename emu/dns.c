#include "emu/dns.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "emu/adapter.h"
#include "emu/buf.h"
#include "emu/net.h"
#include "emu/rng.h"
#include "emu/timer.h"
#include "emu/trace.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define US_PER_MS  1000
#define NAME_SHOWN 254
#define STREAM_CAP (DNS_LENGTH_LEN + UINT16_MAX)

/* When, after a server's turn began, something is due (ms): queries, and then the next server. */
static const uint64_t schedule_ms[] = { 0, 1000, 3000, 6000 };
#define TRIES_MAX (ARRAY_LEN(schedule_ms) - 1)

/* LuatOS's use of an adapter's server slots. */
enum slot { SLOT_FIRST, SLOT_SECOND, SLOT_FOR_FIRST, SLOT_FOR_SECOND };
static_assert(SLOT_FOR_SECOND + 1 == ADAPTER_DNS_MAX, "a slot without a use");

struct dns_query {
    struct sock_owner owner;
    struct adapter *adapter;
    struct list link;     /* in net->dns_queries */
    struct list requests; /* who waits for this query */
    struct timer timer;
    char text[NAME_SHOWN];
    bool want_ipv6;
    struct dns_question question;

    struct endpoint servers[ADAPTER_DNS_MAX];
    size_t servers_count, server;
    int tries; /* queries sent to this server */
    uint64_t turn_began_us;
    int sid;
    uint32_t tag;

    uint8_t *stream; /* over TCP: the answer with its length, as far as it has come; NULL: UDP */
    size_t stream_len;
    struct dns_answer cut; /* what had room in the answer over UDP */

    struct endpoint addrs[DNS_ADDRS_MAX];
    int count;
};

static struct net *net_of(const struct dns_query *query)
{
    return query->adapter->net;
}

static void close_socket(struct dns_query *query)
{
    if (query->sid >= 0)
        query->adapter->ops->close(query->adapter, query->sid);
    query->sid = -1;
    if (query->tag)
        net_tag_remove(net_of(query), query->tag);
    query->tag = 0;
    free(query->stream);
    query->stream = NULL;
    query->stream_len = 0;
}

static void query_free(struct dns_query *query)
{
    close_socket(query);
    timer_stop(net_of(query)->config.timers, &query->timer);
    list_remove(&query->link);
    free(query);
}

/* The name as a script gave it, which may be any bytes; only for a trace that is on. */
static json_t *traced_name(const struct dns_query *query)
{
    return trace_text(query->text, strlen(query->text));
}

/* Tell everyone who waits, and end. */
static void finish(struct dns_query *query)
{
    struct net *net = net_of(query);

    if (trace_is_on(net->config.trace)) {
        trace_emit(net->config.trace, "dns.done", "{s:o, s:i}", "name", traced_name(query),
                   "addresses", query->count);
    }
    list_for_each_safe(node, &query->requests) {
        struct dns_request *request = container_of(node, struct dns_request, link);

        memcpy(request->addrs, query->addrs, sizeof(query->addrs));
        request->count = query->count;
        request->query = NULL;
        list_remove(&request->link);
        net_post(net, &(struct net_event){ .type = NET_EVENT_DNS_DONE, .tag = request->tag });
    }
    query_free(query);
}

static int open_socket(struct dns_query *query, enum sock_type type)
{
    struct sock_spec spec = { .type = type, .is_for_names = true };
    int sid;

    query->tag = spec.tag = net_tag_add(net_of(query), &query->owner);
    if (!query->tag)
        return -ENOMEM;
    sid = query->adapter->ops->connect(query->adapter, &spec, &query->servers[query->server]);
    query->sid = sid < 0 ? -1 : sid;
    return sid < 0 ? sid : 0;
}

static void send_query(struct dns_query *query)
{
    struct net *net = net_of(query);
    uint8_t message[DNS_MSG_MAX];
    char server[ENDPOINT_TEXT_MAX];
    size_t len = dns_write_query(&query->question, message);

    if (trace_is_on(net->config.trace)) {
        trace_emit(net->config.trace, "dns.query", "{s:o, s:s, s:s}", "name", traced_name(query),
                   "type", query->question.type == DNS_TYPE_A ? "A" : "AAAA", "server",
                   endpoint_text(&query->servers[query->server], server));
    }
    (void)query->adapter->ops->send(query->adapter, query->sid, message, len, NULL);
    query->tries++;
    timer_start(net->config.timers, &query->timer,
                query->turn_began_us + schedule_ms[query->tries] * US_PER_MS);
}

/* Begin @query->server's turn, or that of the first after it that can be reached. */
static void begin_server(struct dns_query *query)
{
    for (; query->server < query->servers_count; query->server++) {
        close_socket(query);
        if (open_socket(query, SOCK_TYPE_UDP) < 0)
            continue;
        query->question.id = (uint16_t)rng_next(net_of(query)->config.rng);
        query->turn_began_us = net_of(query)->config.clock->now_us;
        query->tries = 0;
        send_query(query);
        return;
    }
    finish(query);
}

/* Begin asking for addresses of the question's type, at the first server. */
static void begin_type(struct dns_query *query, enum dns_type type)
{
    query->question.type = type;
    query->server = 0;
    begin_server(query);
}

static void next_server(struct dns_query *query)
{
    query->server++;
    begin_server(query);
}

static void on_timer(struct timer *timer)
{
    struct dns_query *query = container_of(timer, struct dns_query, timer);

    if (query->tries < TRIES_MAX) {
        send_query(query);
    } else {
        next_server(query);
    }
}

static void take_whole_answer(struct dns_query *query, const struct dns_answer *answer)
{
    if (answer->rcode != DNS_RCODE_OK && answer->rcode != DNS_RCODE_NXDOMAIN) {
        next_server(query);
        return;
    }
    for (int i = 0; i < answer->count && query->count < DNS_ADDRS_MAX; i++)
        query->addrs[query->count++] = answer->addrs[i];
    if (query->question.type == DNS_TYPE_AAAA && answer->rcode == DNS_RCODE_OK) {
        begin_type(query, DNS_TYPE_A);
    } else {
        finish(query);
    }
}

/* ---- over TCP (RFC 7766), for an answer that UDP had no room for ------------------------------- */

/* It can't be had: what came over UDP must do, or the next server. */
static void give_up_tcp(struct dns_query *query)
{
    if (query->cut.count) {
        take_whole_answer(query, &query->cut);
    } else {
        next_server(query);
    }
}

/* Ask the same server again; its turn ends when it would have. */
static void begin_tcp(struct dns_query *query, const struct dns_answer *cut)
{
    struct net *net = net_of(query);

    query->cut = *cut;
    close_socket(query);
    if (open_socket(query, SOCK_TYPE_TCP) < 0) {
        give_up_tcp(query);
        return;
    }
    query->stream = xcalloc(1, STREAM_CAP);
    query->tries = (int)TRIES_MAX;
    timer_start(net->config.timers, &query->timer,
                query->turn_began_us + schedule_ms[TRIES_MAX] * US_PER_MS);
}

static void send_over_tcp(struct dns_query *query)
{
    uint8_t message[DNS_LENGTH_LEN + DNS_MSG_MAX];
    size_t len = dns_write_query(&query->question, message + DNS_LENGTH_LEN);
    struct writer w;

    writer_init(&w, message, DNS_LENGTH_LEN);
    writer_u16(&w, (uint16_t)len);
    (void)query->adapter->ops->send(query->adapter, query->sid, message, DNS_LENGTH_LEN + len,
                                    NULL);
}

/* Is the whole answer there? */
static bool read_stream(struct dns_query *query)
{
    struct reader r;
    ssize_t n;

    do {
        n = query->adapter->ops->recv(query->adapter, query->sid, query->stream + query->stream_len,
                                      STREAM_CAP - query->stream_len, NULL);
        query->stream_len += n > 0 ? (size_t)n : 0;
    } while (n > 0 && query->stream_len < STREAM_CAP);
    reader_init(&r, query->stream, query->stream_len);
    return reader_u16(&r) <= reader_left(&r) && !r.failed;
}

static void on_tcp_rx(struct dns_query *query)
{
    struct dns_answer answer;
    struct reader r;
    uint16_t len;

    if (!read_stream(query))
        return;
    reader_init(&r, query->stream, query->stream_len);
    len = reader_u16(&r);
    if (dns_read_answer(&query->question, query->stream + DNS_LENGTH_LEN, len, &answer) < 0) {
        give_up_tcp(query);
    } else {
        take_whole_answer(query, &answer);
    }
}

static void handle_tcp(struct dns_query *query, const struct net_event *event)
{
    switch (event->type) {
    case NET_EVENT_CONNECTED:
        send_over_tcp(query);
        break;
    case NET_EVENT_RX:
        on_tcp_rx(query);
        break;
    case NET_EVENT_ERROR:
    case NET_EVENT_REMOTE_CLOSED:
    case NET_EVENT_CLOSED:
        give_up_tcp(query);
        break;
    case NET_EVENT_LINK_UP:
    case NET_EVENT_LINK_DOWN:
    case NET_EVENT_DNS_DONE:
    case NET_EVENT_LISTENING:
    case NET_EVENT_CLIENT:
    case NET_EVENT_ECHO:
    case NET_EVENT_TX_ACKED:
        break;
    }
}

static void take_answer(struct dns_query *query, const struct dns_answer *answer)
{
    if (answer->is_truncated) {
        begin_tcp(query, answer);
    } else {
        take_whole_answer(query, answer);
    }
}

/* Not every adapter's UDP sockets hear their peer only. */
static bool is_from_server(const struct dns_query *query, const struct endpoint *from)
{
    const struct endpoint *server = &query->servers[query->server];

    if (!endpoint_is_unicast(server)) /* 0.0.0.0: the answer comes from 127.0.0.1 */
        return true;
    return endpoint_same_ip(from, server) && from->port == server->port;
}

static void handle_event(struct sock_owner *owner, const struct net_event *event)
{
    struct dns_query *query = container_of(owner, struct dns_query, owner);
    uint8_t message[DNS_MSG_MAX];
    struct endpoint from = { 0 };
    struct dns_answer answer;
    ssize_t n;

    if (query->stream) {
        handle_tcp(query, event);
        return;
    }
    if (event->type == NET_EVENT_ERROR) { /* no way to that server */
        next_server(query);
        return;
    }
    if (event->type != NET_EVENT_RX)
        return;
    n = query->adapter->ops->recv(query->adapter, query->sid, message, sizeof(message), &from);
    if (n < 0)
        return;
    if (!is_from_server(query, &from) ||
        dns_read_answer(&query->question, message, (size_t)n, &answer) < 0) {
        if (trace_is_on(net_of(query)->config.trace)) {
            trace_emit(net_of(query)->config.trace, "dns.bad", "{s:o, s:i}", "name",
                       traced_name(query), "len", (int)n);
        }
        return; /* not the answer: it may still come */
    }
    take_answer(query, &answer);
}

/* Into a slot that nobody has filled. */
static void fill_slot(struct endpoint *slot, const struct endpoint *server)
{
    if (slot->family == IP_FAMILY_NONE)
        *slot = *server;
}

/*
 * What the script has set comes before what the network says; without a first server the gateway
 * stands in for it, without a second one 114.114.114.114 (LuatOS net_lwip2.c:1036-1083).
 */
size_t dns_servers(const struct adapter *adapter, struct endpoint servers[ADAPTER_DNS_MAX])
{
    struct endpoint slots[ADAPTER_DNS_MAX], stand_in;
    struct adapter_info info = { 0 };
    size_t count = 0;

    adapter->ops->info(adapter, &info);
    memcpy(slots, adapter->dns_static, sizeof(slots));
    for (size_t i = 0; i < info.dns_count; i++)
        fill_slot(&slots[i], &info.dns[i]);
    if (!info.dns_is_complete && slots[SLOT_FIRST].family == IP_FAMILY_NONE &&
        endpoint_is_unicast(&info.gateway)) {
        stand_in = info.gateway;
        stand_in.port = DNS_PORT;
        fill_slot(&slots[SLOT_FOR_FIRST], &stand_in);
    }
    if (!info.dns_is_complete && slots[SLOT_SECOND].family == IP_FAMILY_NONE) {
        stand_in = (struct endpoint){ .port = DNS_PORT };
        endpoint_set_v4(&stand_in, 114, 114, 114, 114);
        fill_slot(&slots[SLOT_FOR_SECOND], &stand_in);
    }
    for (size_t i = 0; i < ADAPTER_DNS_MAX; i++) {
        if (slots[i].family != IP_FAMILY_NONE)
            servers[count++] = slots[i];
    }
    return count;
}

static struct dns_query *find_query(struct net *net, const struct adapter *adapter,
                                    const struct dns_name *name, bool want_ipv6)
{
    list_for_each(node, &net->dns_queries) {
        struct dns_query *query = container_of(node, struct dns_query, link);

        if (query->adapter == adapter && query->want_ipv6 == want_ipv6 &&
            query->question.name.len == name->len &&
            memcmp(query->question.name.octets, name->octets, name->len) == 0)
            return query;
    }
    return NULL;
}

static struct dns_query *query_new(struct adapter *adapter, const char *text,
                                   const struct dns_name *name, bool want_ipv6)
{
    struct dns_query *query = xcalloc(1, sizeof(*query));

    *query = (struct dns_query){ .owner = { handle_event },
                                 .adapter = adapter,
                                 .sid = -1,
                                 .want_ipv6 = want_ipv6,
                                 .question = { .name = *name } };
    strncpy(query->text, text, sizeof(query->text) - 1);
    timer_init(&query->timer, on_timer);
    list_init(&query->requests);
    list_append(&adapter->net->dns_queries, &query->link);
    query->servers_count = dns_servers(adapter, query->servers);
    return query;
}

/* RFC 6761 6.3: localhost is never asked for. (A module would ask.) */
static bool answer_localhost(struct adapter *adapter, const char *name, bool want_ipv6,
                             struct dns_request *request)
{
    if (strcasecmp(name, "localhost") != 0)
        return false;
    request->count = 0;
    if (want_ipv6)
        (void)endpoint_set_text(&request->addrs[request->count++], "::1");
    endpoint_set_v4(&request->addrs[request->count++], 127, 0, 0, 1);
    net_post(adapter->net, &(struct net_event){ .type = NET_EVENT_DNS_DONE, .tag = request->tag });
    return true;
}

int dns_start(struct adapter *adapter, const char *name, bool want_ipv6,
              struct dns_request *request)
{
    struct dns_query *query;
    struct dns_name wire;
    bool is_new;
    int rc;

    if (answer_localhost(adapter, name, want_ipv6, request))
        return 0;
    rc = dns_name_set(&wire, name);
    if (rc < 0)
        return rc;
    query = find_query(adapter->net, adapter, &wire, want_ipv6);
    is_new = !query;
    if (is_new)
        query = query_new(adapter, name, &wire, want_ipv6);
    request->query = query;
    request->count = 0;
    list_append(&query->requests, &request->link);
    if (is_new)
        begin_type(query, want_ipv6 ? DNS_TYPE_AAAA : DNS_TYPE_A);
    return 0;
}

void dns_cancel(struct dns_request *request)
{
    struct dns_query *query = request->query;

    if (!query)
        return;
    request->query = NULL;
    list_remove(&request->link);
    if (list_is_empty(&query->requests))
        query_free(query);
}
