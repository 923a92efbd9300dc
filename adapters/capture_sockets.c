/*
 * A layer that sees what goes through an adapter's sockets, and makes up the frames that would have
 * carried it. capture.h says where they go.
 *
 * What arrives is looked at where it waits (peek) as soon as the adapter reports it: the frame has
 * the time of the arrival, not of the script's reading, and all stays as it is without a capture. Of
 * a stream that is far ahead of its reader the rest is taken when it is read.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/capture_priv.h"
#include "adapters/capture_tcp.h"
#include "emu/device.h"
#include "emu/handle.h"
#include "emu/icmp_msg.h"
#include "emu/layer.h"
#include "emu/util.h"

#define AHEAD_MAX  (64 * 1024) /* looked at before the script reads */
#define CHUNK_LEN  (16 * 1024)
#define TABLE_MIN  16
#define TAG_MASK   ((1U << HANDLE_INDEX_BITS) - 1)
#define TYPE_REPLY 0 /* RFC 792 */
#define ECHO_ID    1
#define UDP_MAX    65535

enum flow_kind { FLOW_KIND_TCP, FLOW_KIND_LISTENER, FLOW_KIND_UDP };

/* A socket. */
struct flow {
    struct list link;
    struct sockets_layer *layer;
    enum flow_kind kind;
    uint32_t tag;
    int sid;                   /* -1: it is being opened */
    bool is_many;              /* a listener whose clients wait for accept() */
    bool was_made, was_broken; /* the adapter said so before it returned from connect() */
    bool is_silent;            /* its frames are the other end's, or it has missed some */
    bool has_connection;       /* @tcp is one */
    struct capture_tcp tcp;
    struct capture_key key; /* UDP: of the last datagram */
    size_t seen;            /* bytes or datagrams that have a frame and were not read */
};

struct sockets_layer {
    struct adapter base;
    struct adapter_ops ops;
    struct capture_port *port;
    struct flow **by_sid, **by_tag; /* by_tag: by the index that a tag has in it */
    size_t sids_cap, tags_cap;
    uint16_t out_id, in_id; /* IPv4's identification, of datagrams */

    uint32_t echo_tag;
    struct endpoint echo_to;
    struct icmp_echo echo;
    uint8_t *datagram; /* where one is looked at */
};

static struct sockets_layer *to_sockets(const struct adapter *adapter)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
    return container_of((struct adapter *)(uintptr_t)adapter, struct sockets_layer, base);
}

/* ---- the table of flows --------------------------------------------------------------------------- */

static void put(struct flow ***table, size_t *cap, size_t index, struct flow *flow)
{
    size_t wanted = *cap ? *cap : TABLE_MIN;

    while (wanted <= index)
        wanted *= 2;
    if (wanted != *cap) {
        *table = xrealloc(*table, wanted * sizeof(struct flow *));
        memset(*table + *cap, 0, (wanted - *cap) * sizeof(struct flow *));
        *cap = wanted;
    }
    (*table)[index] = flow;
}

static struct flow *flow_new(struct sockets_layer *layer, enum flow_kind kind, uint32_t tag)
{
    struct flow *flow = xcalloc(1, sizeof(*flow));

    flow->layer = layer;
    flow->kind = kind;
    flow->tag = tag;
    flow->sid = -1;
    list_append(&layer->port->capture->flows, &flow->link);
    put(&layer->by_tag, &layer->tags_cap, tag & TAG_MASK, flow);
    return flow;
}

static void set_sid(struct flow *flow, int sid)
{
    flow->sid = sid;
    put(&flow->layer->by_sid, &flow->layer->sids_cap, (size_t)sid, flow);
}

static void flow_free(struct flow *flow)
{
    struct sockets_layer *layer = flow->layer;

    if (layer->by_tag[flow->tag & TAG_MASK] == flow)
        layer->by_tag[flow->tag & TAG_MASK] = NULL;
    if (flow->sid >= 0)
        layer->by_sid[flow->sid] = NULL;
    list_remove(&flow->link);
    free(flow);
}

static struct flow *flow_of(const struct sockets_layer *layer, int sid)
{
    assert(sid >= 0 && (size_t)sid < layer->sids_cap);
    assert(layer->by_sid[sid]);
    return layer->by_sid[sid];
}

static struct flow *flow_by_tag(const struct sockets_layer *layer, uint32_t tag)
{
    struct flow *flow = (tag & TAG_MASK) < layer->tags_cap ? layer->by_tag[tag & TAG_MASK] : NULL;

    return flow && flow->tag == tag ? flow : NULL;
}

/* ---- frames ------------------------------------------------------------------------------------------ */

static struct capture *capture_of(const struct sockets_layer *layer)
{
    return layer->port->capture;
}

/* Nothing goes over a link that is down. */
static bool is_mute(const struct sockets_layer *layer)
{
    return !layer->base.is_ready;
}

static void emit_segment(void *ctx, bool is_out, const uint8_t *frame, size_t len)
{
    struct flow *flow = ctx;

    if (is_mute(flow->layer))
        flow->is_silent = true;
    if (flow->is_silent)
        return;
    capture_add_frame(flow->layer->port, capture_now_ns(capture_of(flow->layer)), is_out,
                      &flow->key, frame, len);
}

/* Of our end's frames, or of those to it. The gateway's address stands for whoever is the next hop. */
static struct packet_way way_of(struct sockets_layer *layer, const struct capture_key *key,
                                bool is_out)
{
    static const uint8_t gateway[] = { 0x02, 'L', 'u', 'a', 't', 0xff };
    struct packet_way way = { .from = key->local, .to = key->remote };

    memcpy(way.from_mac, layer->port->mac, sizeof(way.from_mac));
    packet_group_mac(&key->remote, gateway, way.to_mac);
    if (!is_out)
        way = packet_way_back(&way);
    way.id = is_out ? layer->out_id++ : layer->in_id++;
    return way;
}

/* Both ends of a socket; false: they are not known. */
static bool find_ends(const struct flow *flow, const struct endpoint *remote,
                      struct capture_key *key)
{
    const struct adapter *below = flow->layer->base.below;

    key->remote = *remote;
    if (!below->ops->local || below->ops->local(below, flow->sid, remote, &key->local) < 0)
        return false;
    return key->local.port && key->local.family == remote->family;
}

/* Is the other end a socket of the module's own, whose frames these are already? */
static bool has_twin(const struct flow *flow)
{
    list_for_each(node, &capture_of(flow->layer)->flows) {
        const struct flow *other = container_of(node, struct flow, link);

        if (other != flow && other->has_connection && !other->is_silent &&
            other->tcp.state != CAPTURE_TCP_OVER &&
            other->key.local.port == flow->key.remote.port &&
            other->key.remote.port == flow->key.local.port &&
            endpoint_same_ip(&other->key.local, &flow->key.remote) &&
            endpoint_same_ip(&other->key.remote, &flow->key.local))
            return true;
    }
    return false;
}

/* A connection begins. False: its ends are not known, and it has no frames. */
static bool begin(struct flow *flow, const struct endpoint *remote)
{
    struct capture *capture = capture_of(flow->layer);

    flow->key.protocol = CAPTURE_PROTOCOL_TCP;
    flow->has_connection = false;
    flow->is_silent = false;
    flow->seen = 0;
    if (!find_ends(flow, remote, &flow->key))
        return false;
    flow->is_silent = has_twin(flow);
    flow->has_connection = true;
    capture_tcp_init(&flow->tcp, &(struct capture_tcp_config){
                                     .way = way_of(flow->layer, &flow->key, true),
                                     .number = ++capture->connections_count,
                                     .mtu = flow->layer->port->mtu,
                                     .emit = emit_segment,
                                     .ctx = flow,
                                 });
    return true;
}

/* A datagram that goes to @remote or comes from there. */
static void add_datagram(struct flow *flow, bool is_out, const struct endpoint *remote,
                         const uint8_t *data, size_t len)
{
    struct sockets_layer *layer = flow->layer;
    struct packet_datagram datagram = { .data = data, .data_len = len, .mtu = layer->port->mtu };
    uint8_t frame[PACKET_HEADERS_MAX + UDP_MAX];
    struct packet_way way;
    size_t frame_len;

    if (is_mute(layer) || len > PACKET_UDP_DATA_MAX)
        return;
    if (flow->key.protocol == CAPTURE_PROTOCOL_NONE ||
        !endpoint_same_ip(&flow->key.remote, remote)) {
        flow->key.protocol = CAPTURE_PROTOCOL_NONE;
        if (!find_ends(flow, remote, &flow->key))
            return; /* no way leads there: it was not sent */
        flow->key.protocol = CAPTURE_PROTOCOL_UDP;
    }
    flow->key.remote.port = remote->port;
    way = way_of(layer, &flow->key, is_out);
    while (packet_write_udp(frame, &frame_len, &way, &datagram)) {
        capture_add_frame(layer->port, capture_now_ns(capture_of(layer)), is_out, &flow->key, frame,
                          frame_len);
    }
}

static void add_echo(struct sockets_layer *layer, bool is_out)
{
    uint8_t message[ICMP_HEADER_LEN + ICMP_DATA_MAX];
    uint8_t frame[PACKET_HEADERS_MAX + sizeof(message)];
    struct capture_key key = { .remote = layer->echo_to };
    struct adapter_info info = { 0 };
    struct packet_way way;
    size_t len;

    layer->base.below->ops->info(layer->base.below, &info);
    key.local = info.ip;
    if (is_mute(layer) || key.local.family != key.remote.family)
        return;
    len = icmp_write_request(&layer->echo, message);
    if (!is_out)
        message[0] = TYPE_REPLY;
    way = way_of(layer, &key, is_out);
    len = packet_write_icmp(frame, &way, message, len);
    capture_add_frame(layer->port, capture_now_ns(capture_of(layer)), is_out, &key, frame, len);
}

/* ---- what arrives -------------------------------------------------------------------------------------- */

/* Look at what waits, up to @max bytes of it. */
static void look_at_stream(struct flow *flow, size_t max)
{
    struct adapter *below = flow->layer->base.below;
    uint8_t chunk[CHUNK_LEN];

    while (flow->has_connection && flow->sid >= 0 && below->ops->peek && flow->seen < max) {
        ssize_t n = below->ops->peek(below, flow->sid, flow->seen, chunk, sizeof(chunk), NULL);

        if (n <= 0)
            return;
        capture_tcp_receive(&flow->tcp, chunk, (size_t)n);
        flow->seen += (size_t)n;
    }
}

static void look_at_datagram(struct flow *flow)
{
    struct sockets_layer *layer = flow->layer;
    struct adapter *below = layer->base.below;
    struct endpoint from = { 0 };
    ssize_t n;

    if (flow->sid < 0 || !below->ops->peek)
        return;
    if (!layer->datagram)
        layer->datagram = xcalloc(1, UDP_MAX);
    n = below->ops->peek(below, flow->sid, flow->seen, layer->datagram, UDP_MAX, &from);
    if (n < 0)
        return;
    flow->seen++;
    add_datagram(flow, false, &from, layer->datagram, (size_t)n);
}

/* The script has read so much; what was not looked at before has its frame now. */
static void on_read(struct flow *flow, const uint8_t *data, size_t len)
{
    size_t seen = flow->seen < len ? flow->seen : len;

    flow->seen -= seen;
    if (flow->has_connection)
        capture_tcp_receive(&flow->tcp, data + seen, len - seen);
}

/* ---- what the adapter reports ---------------------------------------------------------------------------- */

static void on_client(struct flow *flow)
{
    const struct adapter *below = flow->layer->base.below;
    struct endpoint peer;

    if (flow->sid >= 0 && below->ops->peer(below, flow->sid, &peer) >= 0 && begin(flow, &peer))
        capture_tcp_come(&flow->tcp);
}

static void on_error(struct flow *flow, int error)
{
    bool is_asking = flow->tcp.state == CAPTURE_TCP_ASKED;

    if (is_asking && (error == ECONNREFUSED || error == ECONNRESET))
        capture_tcp_refuse(&flow->tcp);
    else if (!is_asking && (error == ECONNRESET || error == EPIPE))
        capture_tcp_peer_reset(&flow->tcp);
    else
        capture_tcp_break(&flow->tcp);
}

static void on_connection(struct flow *flow, const struct net_event *event)
{
    if (!flow->has_connection) {
        flow->was_made = flow->was_made || event->type == NET_EVENT_CONNECTED;
        flow->was_broken = flow->was_broken || event->type == NET_EVENT_ERROR;
        return;
    }
    switch (event->type) {
    case NET_EVENT_CONNECTED:
        capture_tcp_agree(&flow->tcp);
        break;
    case NET_EVENT_RX:
        look_at_stream(flow, AHEAD_MAX);
        break;
    case NET_EVENT_TX_ACKED:
        capture_tcp_acknowledge(&flow->tcp, event->arg);
        break;
    case NET_EVENT_REMOTE_CLOSED:
        look_at_stream(flow, SIZE_MAX);
        capture_tcp_peer_leave(&flow->tcp);
        break;
    case NET_EVENT_CLOSED:
        capture_tcp_leave(&flow->tcp);
        capture_tcp_break(&flow->tcp); /* what the adapter does with it further is not seen */
        break;
    case NET_EVENT_ERROR:
        look_at_stream(flow, SIZE_MAX);
        on_error(flow, (int)event->arg);
        break;
    case NET_EVENT_LINK_UP:
    case NET_EVENT_LINK_DOWN:
    case NET_EVENT_DNS_DONE:
    case NET_EVENT_LISTENING:
    case NET_EVENT_CLIENT:
    case NET_EVENT_ECHO:
        break;
    }
}

static void hear(struct adapter *adapter, const struct net_event *event)
{
    struct sockets_layer *layer = to_sockets(adapter);
    struct flow *flow = event->tag ? flow_by_tag(layer, event->tag) : NULL;

    if (event->type == NET_EVENT_ECHO && event->tag == layer->echo_tag)
        add_echo(layer, false);
    else if (flow && event->type == NET_EVENT_CLIENT)
        on_client(flow);
    else if (flow && flow->kind == FLOW_KIND_UDP && event->type == NET_EVENT_RX)
        look_at_datagram(flow);
    else if (flow && flow->kind != FLOW_KIND_UDP)
        on_connection(flow, event);
    adapter_post(adapter, event);
}

/* ---- what is asked of it ------------------------------------------------------------------------------------ */

static int sid_or_free(struct flow *flow, int sid)
{
    if (sid < 0)
        flow_free(flow);
    else
        set_sid(flow, sid);
    return sid;
}

static int op_connect(struct adapter *adapter, const struct sock_spec *spec,
                      const struct endpoint *remote)
{
    bool is_udp = spec->type == SOCK_TYPE_UDP;
    struct flow *flow =
        flow_new(to_sockets(adapter), is_udp ? FLOW_KIND_UDP : FLOW_KIND_TCP, spec->tag);
    int sid = sid_or_free(flow, adapter->below->ops->connect(adapter->below, spec, remote));

    if (sid < 0 || is_udp || flow->was_broken || !begin(flow, remote))
        return sid;
    capture_tcp_ask(&flow->tcp);
    if (flow->was_made)
        capture_tcp_agree(&flow->tcp);
    return sid;
}

static int op_listen(struct adapter *adapter, const struct sock_spec *spec, bool many)
{
    struct flow *flow = flow_new(to_sockets(adapter), FLOW_KIND_LISTENER, spec->tag);

    flow->is_many = many;
    return sid_or_free(flow, adapter->below->ops->listen(adapter->below, spec, many));
}

/* A connection goes to another flow. */
static void move_connection(struct flow *to, struct flow *from)
{
    to->tcp = from->tcp;
    to->tcp.config.ctx = to;
    to->key = from->key;
    to->is_silent = from->is_silent;
    to->has_connection = from->has_connection;
    to->seen = from->seen;
    from->has_connection = false;
    from->seen = 0;
}

static int op_accept(struct adapter *adapter, int sid, uint32_t tag)
{
    struct flow *listener = flow_of(to_sockets(adapter), sid);
    struct flow *client = flow_new(to_sockets(adapter), FLOW_KIND_TCP, tag);
    int client_sid;

    move_connection(client, listener); /* the next client may be reported before this returns */
    client_sid = adapter->below->ops->accept(adapter->below, sid, tag);
    if (client_sid < 0 && !listener->has_connection)
        move_connection(listener, client);
    if (sid_or_free(client, client_sid) >= 0)
        look_at_stream(client, AHEAD_MAX);
    return client_sid;
}

static ssize_t op_send(struct adapter *adapter, int sid, const void *data, size_t len,
                       const struct endpoint *to)
{
    struct flow *flow = flow_of(to_sockets(adapter), sid);
    struct endpoint peer;
    ssize_t n;

    if (flow->has_connection) /* first: that it is acknowledged may be reported meanwhile */
        capture_tcp_send(&flow->tcp, data, len);
    n = adapter->below->ops->send(adapter->below, sid, data, len, to);
    if (flow->kind != FLOW_KIND_UDP || n < 0)
        return n;
    if (to)
        add_datagram(flow, true, to, data, len);
    else if (adapter->below->ops->peer(adapter->below, sid, &peer) >= 0)
        add_datagram(flow, true, &peer, data, len);
    return n;
}

static ssize_t op_recv(struct adapter *adapter, int sid, void *data, size_t cap,
                       struct endpoint *from)
{
    struct flow *flow = flow_of(to_sockets(adapter), sid);
    struct endpoint sender = { 0 };
    ssize_t n = adapter->below->ops->recv(adapter->below, sid, data, cap, &sender);

    if (from)
        *from = sender;
    if (flow->kind != FLOW_KIND_UDP && n > 0)
        on_read(flow, data, (size_t)n);
    if (flow->kind != FLOW_KIND_UDP || n < 0)
        return n;
    if (flow->seen)
        flow->seen--;
    else
        add_datagram(flow, false, &sender, data, (size_t)n);
    return n;
}

static int op_disconnect(struct adapter *adapter, int sid)
{
    look_at_stream(flow_of(to_sockets(adapter), sid), SIZE_MAX);
    return adapter->below->ops->disconnect(adapter->below, sid);
}

/* With unread bytes a stack sends a reset (RFC 1122 4.2.2.13), and to a client that waits. */
static void op_close(struct adapter *adapter, int sid)
{
    struct flow *flow = flow_of(to_sockets(adapter), sid);

    look_at_stream(flow, SIZE_MAX);
    if (flow->has_connection && (flow->seen || flow->is_many))
        capture_tcp_reset(&flow->tcp);
    else if (flow->has_connection)
        capture_tcp_leave(&flow->tcp);
    flow_free(flow);
    adapter->below->ops->close(adapter->below, sid);
}

static int op_echo(struct adapter *adapter, uint32_t tag, const struct endpoint *to, size_t len)
{
    struct sockets_layer *layer = to_sockets(adapter);
    int rc = adapter->below->ops->echo(adapter->below, tag, to, len);

    if (rc < 0)
        return rc;
    layer->echo_tag = tag;
    layer->echo_to = *to;
    layer->echo.id = ECHO_ID;
    layer->echo.sequence++;
    layer->echo.data_len = len < ICMP_DATA_MAX ? len : ICMP_DATA_MAX;
    add_echo(layer, true);
    return rc;
}

static void op_flush(struct adapter *adapter)
{
    if (adapter->below->ops->flush)
        adapter->below->ops->flush(adapter->below);
    capture_flush(capture_of(to_sockets(adapter)));
}

static void op_free(struct adapter *adapter)
{
    struct sockets_layer *layer = to_sockets(adapter);

    for (size_t sid = 0; sid < layer->sids_cap; sid++) {
        if (layer->by_sid[sid])
            op_close(adapter, (int)sid);
    }
    layer_fini(adapter);
    free(layer->by_sid);
    free(layer->by_tag);
    free(layer->datagram);
    free(layer);
}

void capture_sockets(struct capture *capture, enum adapter_id id, const struct board_slot *slot)
{
    struct sockets_layer *layer = xcalloc(1, sizeof(*layer));
    struct net *net = &capture->config.device->net;

    layer->port = capture_add_port(capture, id, slot);
    layer->ops = layer_ops;
    layer->ops.heard = hear;
    layer->ops.connect = op_connect;
    layer->ops.listen = op_listen;
    layer->ops.accept = op_accept;
    layer->ops.send = op_send;
    layer->ops.recv = op_recv;
    layer->ops.disconnect = op_disconnect;
    layer->ops.close = op_close;
    layer->ops.echo = op_echo;
    layer->ops.flush = op_flush;
    layer->ops.free = op_free;
    layer_init(&layer->base, &layer->ops, net->adapters[id]);
    net_cover(net, &layer->base);
}
