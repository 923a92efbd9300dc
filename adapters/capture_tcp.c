#include "adapters/capture_tcp.h"

#define IPV4_LEN 20
#define IPV6_LEN 40
#define TCP_LEN  20
#define WINDOW   0xffff
#define SCALE    10 /* RFC 7323: of windows that no script fills, 64 MiB */

/* Multiplied by odd numbers, a count is spread over all there are, and comes back as it was. */
#define SPREAD    UINT32_C(0x9e3779b1)
#define IN_OFFSET UINT32_C(0x5bd1e995)

void capture_tcp_init(struct capture_tcp *tcp, const struct capture_tcp_config *config)
{
    *tcp = (struct capture_tcp){ .config = *config, .state = CAPTURE_TCP_NEW };
    tcp->out_next = tcp->out_acked = config->number * SPREAD;
    tcp->in_next = config->number * SPREAD + IN_OFFSET;
    tcp->out_id = tcp->in_id = (uint16_t)(config->number * SPREAD >> 16);
}

static uint16_t mss_of(const struct capture_tcp *tcp)
{
    size_t lower = tcp->config.way.to.family == IP_FAMILY_V6 ? IPV6_LEN : IPV4_LEN;
    size_t mss = tcp->config.mtu - lower - TCP_LEN;

    return (uint16_t)(mss < PACKET_TCP_DATA_MAX ? mss : PACKET_TCP_DATA_MAX);
}

static void emit(struct capture_tcp *tcp, bool is_out, struct packet_tcp *segment)
{
    uint8_t frame[PACKET_HEADERS_MAX + PACKET_TCP_DATA_MAX];
    struct packet_way way = is_out ? tcp->config.way : packet_way_back(&tcp->config.way);

    way.id = is_out ? tcp->out_id++ : tcp->in_id++;
    segment->window = segment->flags & PACKET_TCP_RST ? 0 : WINDOW;
    tcp->config.emit(tcp->config.ctx, is_out, frame, packet_write_tcp(frame, &way, segment));
}

/* A segment with no data: what its flags take of the sequence is counted. */
static void emit_flags(struct capture_tcp *tcp, bool is_out, uint8_t flags)
{
    struct packet_tcp segment = { .sequence = is_out ? tcp->out_next : tcp->in_next,
                                  .acknow = is_out ? tcp->in_next : tcp->out_acked,
                                  .flags = flags };

    if (flags & PACKET_TCP_SYN) {
        segment.mss = mss_of(tcp);
        segment.scale = SCALE;
    }
    if (!(flags & PACKET_TCP_ACK))
        segment.acknow = 0;
    emit(tcp, is_out, &segment);
    if (!(flags & (PACKET_TCP_SYN | PACKET_TCP_FIN)))
        return;
    if (is_out)
        tcp->out_next++;
    else
        tcp->in_next++;
}

static void emit_data(struct capture_tcp *tcp, bool is_out, const uint8_t *data, size_t len)
{
    size_t mss = mss_of(tcp);

    while (len) {
        size_t n = len < mss ? len : mss;
        struct packet_tcp segment = {
            .sequence = is_out ? tcp->out_next : tcp->in_next,
            .acknow = is_out ? tcp->in_next : tcp->out_acked,
            .flags = n == len ? PACKET_TCP_ACK | PACKET_TCP_PSH : PACKET_TCP_ACK,
            .data = data,
            .data_len = n,
        };

        emit(tcp, is_out, &segment);
        if (is_out)
            tcp->out_next += (uint32_t)n;
        else
            tcp->in_next += (uint32_t)n;
        data += n;
        len -= n;
    }
}

/* ---- what happens --------------------------------------------------------------------------------- */

void capture_tcp_ask(struct capture_tcp *tcp)
{
    if (tcp->state != CAPTURE_TCP_NEW)
        return;
    emit_flags(tcp, true, PACKET_TCP_SYN);
    tcp->state = CAPTURE_TCP_ASKED;
}

void capture_tcp_agree(struct capture_tcp *tcp)
{
    if (tcp->state != CAPTURE_TCP_ASKED)
        return;
    tcp->out_acked = tcp->out_next;
    emit_flags(tcp, false, PACKET_TCP_SYN | PACKET_TCP_ACK);
    emit_flags(tcp, true, PACKET_TCP_ACK);
    tcp->state = CAPTURE_TCP_OPEN;
}

void capture_tcp_refuse(struct capture_tcp *tcp)
{
    struct packet_tcp segment = { .acknow = tcp->out_next,
                                  .flags = PACKET_TCP_RST | PACKET_TCP_ACK };

    if (tcp->state == CAPTURE_TCP_ASKED)
        emit(tcp, false, &segment); /* RFC 9293 3.10.7.1: there is no sequence yet */
    tcp->state = CAPTURE_TCP_OVER;
}

void capture_tcp_come(struct capture_tcp *tcp)
{
    if (tcp->state != CAPTURE_TCP_NEW)
        return;
    emit_flags(tcp, false, PACKET_TCP_SYN);
    emit_flags(tcp, true, PACKET_TCP_SYN | PACKET_TCP_ACK);
    tcp->out_acked = tcp->out_next;
    emit_flags(tcp, false, PACKET_TCP_ACK);
    tcp->state = CAPTURE_TCP_OPEN;
}

void capture_tcp_send(struct capture_tcp *tcp, const void *data, size_t len)
{
    if (tcp->state == CAPTURE_TCP_OPEN && !tcp->has_left)
        emit_data(tcp, true, data, len);
}

void capture_tcp_acknowledge(struct capture_tcp *tcp, size_t len)
{
    uint32_t unacked = tcp->out_next - tcp->out_acked;

    if (tcp->state != CAPTURE_TCP_OPEN || tcp->has_left)
        return;
    len = len < unacked ? len : unacked;
    if (!len)
        return;
    tcp->out_acked += (uint32_t)len;
    emit_flags(tcp, false, PACKET_TCP_ACK);
}

void capture_tcp_receive(struct capture_tcp *tcp, const void *data, size_t len)
{
    if (tcp->state != CAPTURE_TCP_OPEN || tcp->has_peer_left || !len)
        return;
    emit_data(tcp, false, data, len);
    emit_flags(tcp, true, PACKET_TCP_ACK);
}

void capture_tcp_leave(struct capture_tcp *tcp)
{
    if (tcp->state != CAPTURE_TCP_OPEN || tcp->has_left)
        return;
    emit_flags(tcp, true, PACKET_TCP_FIN | PACKET_TCP_ACK);
    tcp->has_left = true;
}

void capture_tcp_peer_leave(struct capture_tcp *tcp)
{
    if (tcp->state != CAPTURE_TCP_OPEN || tcp->has_peer_left)
        return;
    emit_flags(tcp, false, PACKET_TCP_FIN | PACKET_TCP_ACK);
    emit_flags(tcp, true, PACKET_TCP_ACK);
    tcp->has_peer_left = true;
}

void capture_tcp_reset(struct capture_tcp *tcp)
{
    if (tcp->state == CAPTURE_TCP_OPEN)
        emit_flags(tcp, true, PACKET_TCP_RST | PACKET_TCP_ACK);
    tcp->state = CAPTURE_TCP_OVER;
}

void capture_tcp_peer_reset(struct capture_tcp *tcp)
{
    if (tcp->state == CAPTURE_TCP_OPEN)
        emit_flags(tcp, false, PACKET_TCP_RST | PACKET_TCP_ACK);
    tcp->state = CAPTURE_TCP_OVER;
}

void capture_tcp_break(struct capture_tcp *tcp)
{
    tcp->state = CAPTURE_TCP_OVER;
}
