/* TCP: segments that leave. */
#include <assert.h>
#include <string.h>

#include "adapters/w5500/tcp_priv.h"
#include "adapters/w5500/w5500.h"
#include "emu/buf.h"
#include "emu/checksum.h"

#define SUM_AT         16
#define OPTION_MSS     2
#define OPTION_MSS_LEN 4
#define WORD_LEN       4
#define OFFSET_SHIFT   4

/* What a header says. */
struct header {
    uint16_t from_port, to_port;
    uint32_t seq, ack;
    uint8_t flags;
    uint16_t window;
    uint16_t mss; /* 0: no option */
};

/* @len bytes of data are behind the header already. */
static void send_header(struct w5500 *chip, const struct w5500_ip_out *out,
                        const struct header *header, size_t len)
{
    size_t header_len = TCP_HEADER_LEN + (header->mss ? OPTION_MSS_LEN : 0);
    uint8_t *data = w5500_ip_data(chip);
    struct writer w;

    writer_init(&w, data, header_len);
    writer_u16(&w, header->from_port);
    writer_u16(&w, header->to_port);
    writer_u32(&w, header->seq);
    writer_u32(&w, header->ack);
    writer_u8(&w, (uint8_t)(header_len / WORD_LEN << OFFSET_SHIFT));
    writer_u8(&w, header->flags);
    writer_u16(&w, header->window);
    writer_u32(&w, 0); /* checksum, urgent pointer */
    if (header->mss) {
        writer_u8(&w, OPTION_MSS);
        writer_u8(&w, OPTION_MSS_LEN);
        writer_u16(&w, header->mss);
    }
    checksum_put(data + SUM_AT,
                 w5500_ip_sum(w5500_ip_own(chip), out->to, out->protocol, data, header_len + len));
    w5500_ip_send(chip, out, header_len + len);
}

/* Of a connection. Whatever acknowledges tells the window, too. */
static void send_segment(struct w5500_socket *socket, uint32_t seq, uint8_t flags, size_t len)
{
    struct w5500_ip_out out = w5500_ip_out_of(socket, W5500_IP_PROTOCOL_TCP);
    struct w5500_tcp *tcp = &socket->tcp;
    uint16_t window = (uint16_t)w5500_mem_rx_free(socket);
    const struct header header = { .from_port = tcp->port,
                                   .to_port = tcp->peer_port,
                                   .seq = seq,
                                   .ack = flags & TCP_ACK ? tcp->expected : 0,
                                   .flags = flags,
                                   .window = window,
                                   .mss = flags & TCP_SYN ? tcp_mss_max(socket) : 0 };

    out.to = tcp->peer;
    out.mac = tcp->mac;
    tcp->told = tcp->expected + window;
    if (flags & TCP_ACK)
        tcp_timer_acked(socket);
    send_header(socket->chip, &out, &header, len);
}

void tcp_send_syn(struct w5500_socket *socket)
{
    send_segment(socket, socket->tcp.una,
                 TCP_SYN | (socket->status == W5500_STATUS_SYNRECV ? TCP_ACK : 0), 0);
}

/* A sequence number beyond its window, where a probe may have been, is none to the peer. */
void tcp_send_ack(struct w5500_socket *socket)
{
    const struct w5500_tcp *tcp = &socket->tcp;
    uint32_t edge = tcp->una + tcp->window;

    send_segment(socket, tcp_is_before(edge, tcp->max) ? edge : tcp->max, TCP_ACK, 0);
}

/* A byte that the peer has: it can but acknowledge. */
void tcp_send_probe(struct w5500_socket *socket)
{
    w5500_ip_data(socket->chip)[TCP_HEADER_LEN] = 0;
    send_segment(socket, socket->tcp.una - 1, TCP_ACK, 1);
}

void tcp_refuse(struct w5500 *chip, const struct tcp_segment *segment)
{
    const struct w5500_ip_out out = { .mac = segment->ip->mac,
                                      .to = segment->ip->from,
                                      .protocol = W5500_IP_PROTOCOL_TCP,
                                      .ttl = W5500_IP_TTL,
                                      .frag = W5500_IP_DF };
    uint32_t len =
        (uint32_t)segment->len + !!(segment->flags & TCP_SYN) + !!(segment->flags & TCP_FIN);
    struct header header = { .from_port = segment->to_port,
                             .to_port = segment->from_port,
                             .flags = TCP_RST };

    if (!segment->ip->is_own || segment->flags & TCP_RST)
        return;
    if (segment->flags & TCP_ACK) {
        header.seq = segment->ack;
    } else {
        header.ack = segment->seq + len;
        header.flags |= TCP_ACK;
    }
    send_header(chip, &out, &header, 0);
}

/* ---- data ------------------------------------------------------------------------------------- */

static size_t min_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Bytes that the peer takes from @next on. */
static size_t room_of(const struct w5500_tcp *tcp)
{
    uint32_t edge = tcp->una + tcp->window;

    return tcp_is_before(tcp->next, edge) ? edge - tcp->next : 0;
}

static void advance(struct w5500_socket *socket, uint32_t len)
{
    struct w5500_tcp *tcp = &socket->tcp;
    uint32_t sent;

    tcp->next += len;
    if (tcp_is_before(tcp->max, tcp->next))
        tcp->max = tcp->next;
    sent = tcp_is_before(tcp->end, tcp->max) ? tcp->end : tcp->max;
    socket->tx_rd = (uint16_t)(socket->tx_ack + (sent - tcp->una));
}

static void send_data(struct w5500_socket *socket, size_t room)
{
    struct w5500_tcp *tcp = &socket->tcp;
    size_t len = min_of(min_of(tcp->mss, room), tcp->end - tcp->next);

    w5500_mem_tx_get(socket, (uint16_t)(socket->tx_ack + (tcp->next - tcp->una)),
                     w5500_ip_data(socket->chip) + TCP_HEADER_LEN, len);
    send_segment(socket, tcp->next, TCP_ACK | TCP_PSH, len);
    tcp->has_exchanged = true;
    advance(socket, (uint32_t)len);
}

static void send_fin(struct w5500_socket *socket)
{
    send_segment(socket, socket->tcp.end, TCP_FIN | TCP_ACK, 0);
    advance(socket, 1);
}

/* The MAC waits for a link before it lets a frame go. */
static void finish_send(struct w5500_socket *socket)
{
    const struct w5500_quirks *quirks = &socket->chip->config.quirks;
    struct w5500_tcp *tcp = &socket->tcp;
    uint32_t done = quirks->sendok_acked ? tcp->una : tcp->max;

    if (!tcp->is_sending || tcp_is_before(done, tcp->end))
        return;
    if (!socket->chip->phy.is_linked && !quirks->sendok_without_link)
        return;
    tcp->is_sending = false;
    w5500_sock_sent(socket);
}

void tcp_output(struct w5500_socket *socket)
{
    struct w5500_tcp *tcp = &socket->tcp;
    size_t room;

    while (tcp_is_before(tcp->next, tcp->end) && (room = room_of(tcp)) > 0)
        send_data(socket, room);
    if (tcp->is_closing && tcp->next == tcp->end)
        send_fin(socket);
    tcp_timer_wait(socket, false);
    finish_send(socket);
}

void tcp_output_again(struct w5500_socket *socket)
{
    struct w5500_tcp *tcp = &socket->tcp;
    size_t room;

    tcp->next = tcp->una;
    room = room_of(tcp);
    if (tcp_is_before(tcp->next, tcp->end)) {
        send_data(socket, room ? room : 1);
    } else if (tcp->is_closing && tcp->next == tcp->end) {
        send_fin(socket);
    }
    finish_send(socket);
}
