/* TCP: segments that come. RFC 9293 3.10.7, without what the chip has not. */
#include "adapters/w5500/tcp_priv.h"
#include "adapters/w5500/w5500.h"
#include "emu/buf.h"
#include "emu/vclock.h"

#define WORD_LEN       4
#define OFFSET_SHIFT   4
#define OPTION_END     0
#define OPTION_NOP     1
#define OPTION_MSS     2
#define OPTION_LEN_MIN 2

/* ---- reading ----------------------------------------------------------------------------------- */

/* One that makes no sense ends them; those before it count. */
static void read_options(struct tcp_segment *segment, const uint8_t *options, size_t len)
{
    struct reader r;

    reader_init(&r, options, len);
    while (reader_left(&r)) {
        uint8_t kind = reader_u8(&r), option_len;
        const uint8_t *bytes;

        if (kind == OPTION_END)
            return;
        if (kind == OPTION_NOP)
            continue;
        option_len = reader_u8(&r);
        if (option_len < OPTION_LEN_MIN)
            return;
        bytes = reader_bytes(&r, option_len - OPTION_LEN_MIN);
        if (r.failed)
            return;
        if (kind == OPTION_MSS && option_len == OPTION_LEN_MIN + sizeof(segment->mss))
            segment->mss = w5500_get16(bytes);
    }
}

static bool read_segment(const struct w5500_ip_in *in, struct tcp_segment *segment)
{
    struct reader r;
    size_t header_len;

    reader_init(&r, in->data, in->len);
    *segment = (struct tcp_segment){ .ip = in };
    segment->from_port = reader_u16(&r);
    segment->to_port = reader_u16(&r);
    segment->seq = reader_u32(&r);
    segment->ack = reader_u32(&r);
    header_len = (size_t)(reader_u8(&r) >> OFFSET_SHIFT) * WORD_LEN;
    segment->flags = reader_u8(&r);
    segment->window = reader_u16(&r);
    (void)reader_u32(&r); /* checksum, urgent pointer */
    if (r.failed || header_len < TCP_HEADER_LEN || header_len > in->len)
        return false;
    segment->data = in->data + header_len;
    segment->len = in->len - header_len;
    if (segment->flags & TCP_SYN)
        read_options(segment, in->data + TCP_HEADER_LEN, header_len - TCP_HEADER_LEN);
    return w5500_ip_sum(in->from, in->to, in->protocol, in->data, in->len) == 0;
}

/* ---- whose it is -------------------------------------------------------------------------------- */

static bool is_connection(const struct w5500_socket *socket)
{
    return w5500_sock_protocol(socket) == W5500_PROTOCOL_TCP &&
           socket->status != W5500_STATUS_CLOSED && socket->status != W5500_STATUS_INIT &&
           socket->status != W5500_STATUS_LISTEN;
}

static struct w5500_socket *find_connection(struct w5500 *chip, const struct tcp_segment *segment)
{
    for (int n = 0; n < W5500_SOCKETS; n++) {
        struct w5500_socket *socket = &chip->sockets[n];

        if (is_connection(socket) && socket->tcp.port == segment->to_port &&
            socket->tcp.peer == segment->ip->from && socket->tcp.peer_port == segment->from_port)
            return socket;
    }
    return NULL;
}

static struct w5500_socket *find_listener(struct w5500 *chip, const struct tcp_segment *segment)
{
    for (int n = 0; n < W5500_SOCKETS && segment->ip->is_own; n++) {
        struct w5500_socket *socket = &chip->sockets[n];

        if (socket->status == W5500_STATUS_LISTEN && socket->tcp.port == segment->to_port)
            return socket;
    }
    return NULL;
}

/* ---- what is waited for ------------------------------------------------------------------------- */

static uint32_t length_of(const struct tcp_segment *segment)
{
    return (uint32_t)segment->len + !!(segment->flags & TCP_FIN);
}

/* Some of it, or its place when it is empty, is what we wait for. */
static bool is_acceptable(const struct w5500_socket *socket, const struct tcp_segment *segment)
{
    uint32_t expected = socket->tcp.expected, len = length_of(segment);
    uint32_t edge = expected + (uint32_t)w5500_mem_rx_free(socket);

    if (segment->seq == expected)
        return true;
    if (!tcp_is_before(segment->seq, edge))
        return false;
    return len ? tcp_is_before(expected, segment->seq + len)
               : tcp_is_before(expected, segment->seq);
}

/* ---- until a connection is there ----------------------------------------------------------------- */

static void take_window(struct w5500_tcp *tcp, const struct tcp_segment *segment)
{
    tcp->window = segment->window;
    tcp->window_seq = segment->seq;
    tcp->window_ack = segment->ack;
}

static void syn_sent(struct w5500_socket *socket, const struct tcp_segment *segment)
{
    struct w5500_tcp *tcp = &socket->tcp;
    bool is_acking = segment->flags & TCP_ACK;

    if (is_acking && segment->ack != tcp->end) {
        tcp_refuse(socket->chip, segment);
        return;
    }
    if (segment->flags & TCP_RST) {
        if (is_acking)
            w5500_sock_close(socket, W5500_SN_IR_DISCON);
        return;
    }
    if (!(segment->flags & TCP_SYN))
        return;
    tcp->expected = segment->seq + 1;
    tcp_set_mss(socket, segment);
    take_window(tcp, segment);
    if (is_acking) {
        tcp_establish(socket);
        tcp_send_ack(socket);
    } else {
        socket->status = W5500_STATUS_SYNRECV;
        tcp_send_syn(socket);
    }
}

/* True: it is a connection now. The peer's SYN comes again when it has not seen ours. */
static bool syn_received(struct w5500_socket *socket, const struct tcp_segment *segment)
{
    struct w5500_tcp *tcp = &socket->tcp;

    if (segment->flags & TCP_SYN && segment->seq + 1 == tcp->expected &&
        !(segment->flags & TCP_ACK)) {
        tcp_send_syn(socket);
        return false;
    }
    if (!(segment->flags & TCP_SYN) && !is_acceptable(socket, segment)) {
        tcp_send_ack(socket);
        return false;
    }
    if (!(segment->flags & TCP_ACK))
        return false;
    if (segment->ack != tcp->end) {
        tcp_refuse(socket->chip, segment);
        return false;
    }
    take_window(tcp, segment);
    tcp_establish(socket);
    return true;
}

/* ---- in a connection ------------------------------------------------------------------------------ */

static bool is_reset(struct w5500_socket *socket, const struct tcp_segment *segment)
{
    uint32_t edge = socket->tcp.expected + (uint32_t)w5500_mem_rx_free(socket);

    if (!(segment->flags & TCP_RST))
        return false;
    if (segment->seq == socket->tcp.expected ||
        (tcp_is_before(socket->tcp.expected, segment->seq) && tcp_is_before(segment->seq, edge)))
        w5500_sock_close(socket, W5500_SN_IR_DISCON);
    return true;
}

/* A window that opens may show that what lay beyond it was dropped. */
static void update_window(struct w5500_socket *socket, const struct tcp_segment *segment)
{
    struct w5500_tcp *tcp = &socket->tcp;
    bool was_shut = !tcp->window;

    if (tcp_is_before(segment->seq, tcp->window_seq) ||
        (segment->seq == tcp->window_seq && tcp_is_before(segment->ack, tcp->window_ack)))
        return;
    take_window(tcp, segment);
    if (!tcp->window)
        tcp->silent = 0;
    if (was_shut && tcp->window) {
        tcp->next = tcp->una;
        tcp_timer_wait(socket, true);
    }
}

/* The peer has all before @ack; it lies between una and max. */
static void advance(struct w5500_socket *socket, uint32_t ack)
{
    struct w5500_tcp *tcp = &socket->tcp;
    uint32_t data_end = tcp_is_before(tcp->end, ack) ? tcp->end : ack;

    socket->tx_ack = (uint16_t)(socket->tx_ack + (data_end - tcp->una));
    tcp->una = ack;
    if (tcp_is_before(tcp->next, tcp->una))
        tcp->next = tcp->una;
    tcp_timer_wait(socket, true);
}

/* False: the connection is over, or the segment is none of it. */
static bool take_ack(struct w5500_socket *socket, const struct tcp_segment *segment)
{
    struct w5500_tcp *tcp = &socket->tcp;

    if (!(segment->flags & TCP_ACK))
        return false;
    if (tcp_is_before(tcp->max, segment->ack)) {
        tcp_send_ack(socket);
        return false;
    }
    if (tcp_is_before(segment->ack, tcp->una))
        return true;
    if (segment->ack != tcp->una)
        advance(socket, segment->ack);
    update_window(socket, segment);
    if (tcp_is_fin_acked(tcp) &&
        (socket->status == W5500_STATUS_CLOSING || socket->status == W5500_STATUS_LAST_ACK)) {
        w5500_sock_close(socket, W5500_SN_IR_DISCON);
        return false;
    }
    return true;
}

/* ---- what it carries -------------------------------------------------------------------------------- */

static void take_fin(struct w5500_socket *socket)
{
    bool is_over = socket->status == W5500_STATUS_FIN_WAIT && tcp_is_fin_acked(&socket->tcp);

    socket->tcp.expected++;
    tcp_send_ack(socket);
    if (is_over) {
        w5500_sock_close(socket, W5500_SN_IR_DISCON);
        return;
    }
    socket->status =
        socket->status == W5500_STATUS_FIN_WAIT ? W5500_STATUS_CLOSING : W5500_STATUS_CLOSE_WAIT;
    w5500_irq_raise_socket(socket, W5500_SN_IR_DISCON);
}

/* As many bytes as there is room for. */
static size_t take_data(struct w5500_socket *socket, const uint8_t *data, size_t len)
{
    struct w5500_tcp *tcp = &socket->tcp;
    size_t room = w5500_mem_rx_free(socket);

    len = len < room ? len : room;
    if (!len)
        return 0;
    w5500_mem_rx_put(socket, data, len);
    tcp->expected += (uint32_t)len;
    tcp->has_exchanged = true;
    if (tcp_is_fin_acked(tcp))
        tcp_timer_wait(socket, true);
    w5500_irq_raise_socket(socket, W5500_SN_IR_RECV);
    return len;
}

/* A hole before it, or no room for it: the peer is told, and sends it again. */
static void take_text(struct w5500_socket *socket, const struct tcp_segment *segment)
{
    uint32_t old = socket->tcp.expected - segment->seq;
    size_t taken, len;

    if (!length_of(segment))
        return;
    if (old > length_of(segment) ||
        (socket->status != W5500_STATUS_ESTABLISHED && socket->status != W5500_STATUS_FIN_WAIT)) {
        tcp_send_ack(socket);
        return;
    }
    len = segment->len - old;
    taken = take_data(socket, segment->data + old, len);
    if (taken == len && segment->flags & TCP_FIN) {
        take_fin(socket);
    } else if (taken < len) {
        tcp_send_ack(socket);
    } else {
        tcp_timer_ack(socket);
    }
}

static void synchronized(struct w5500_socket *socket, const struct tcp_segment *segment)
{
    struct w5500_tcp *tcp = &socket->tcp;

    if (is_reset(socket, segment))
        return;
    if (socket->status == W5500_STATUS_SYNRECV && !syn_received(socket, segment))
        return;
    tcp->heard_us = socket->chip->config.clock->now_us;
    tcp->is_probing = false;
    tcp_timer_wait(socket, false);
    if (segment->flags & TCP_SYN || !is_acceptable(socket, segment)) {
        tcp_send_ack(socket);
        return;
    }
    if (!take_ack(socket, segment))
        return;
    take_text(socket, segment);
    if (socket->status != W5500_STATUS_CLOSED)
        tcp_output(socket);
}

void w5500_tcp_in(struct w5500 *chip, const struct w5500_ip_in *in)
{
    struct tcp_segment segment;
    struct w5500_socket *socket;

    if (!read_segment(in, &segment) || !in->from || w5500_ip_is_group(in->from) ||
        w5500_ip_is_broadcast(chip, in->from))
        return;
    socket = find_connection(chip, &segment);
    if (socket && socket->status == W5500_STATUS_SYNSENT) {
        syn_sent(socket, &segment);
    } else if (socket) {
        synchronized(socket, &segment);
    } else {
        bool is_syn = (segment.flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;

        socket = is_syn ? find_listener(chip, &segment) : NULL;
        if (socket) {
            tcp_accept(socket, &segment);
        } else {
            tcp_refuse(chip, &segment);
        }
    }
}
