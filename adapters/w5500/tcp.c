/*
 * TCP (RFC 9293) as the chip does it: commands and states.
 *
 * No option but MSS; what comes out of order is dropped; what is not acknowledged is sent again from
 * there on, by RTR and RCR; no congestion control, no TIME_WAIT. A socket is one connection: of those
 * that listen at a port the lowest takes a SYN, and when none is left RST is the answer.
 */
#include <string.h>

#include "adapters/w5500/tcp_priv.h"
#include "adapters/w5500/w5500.h"
#include "emu/rng.h"
#include "emu/vclock.h"

#define MSS_DEFAULT 536 /* RFC 9293 3.7.1: the peer said nothing */
#define MSS_MIN     64  /* less would make thousands of frames of one SEND */

void w5500_tcp_init(struct w5500_socket *socket)
{
    tcp_timer_init(socket);
}

void w5500_tcp_stop(struct w5500_socket *socket)
{
    tcp_timer_stop(socket);
    socket->tcp.is_sending = false;
    socket->tcp.is_closing = false;
    socket->tcp.is_probing = false;
}

/* ---- the beginning ----------------------------------------------------------------------------- */

uint16_t tcp_mss_max(const struct w5500_socket *socket)
{
    uint16_t set = w5500_get16(socket->regs + W5500_SN_MSSR);
    uint16_t most = (uint16_t)(w5500_ip_data_max(socket->chip) - TCP_HEADER_LEN);

    return set && set < most ? set : most;
}

void tcp_set_mss(struct w5500_socket *socket, const struct tcp_segment *segment)
{
    uint16_t theirs = segment->mss ? segment->mss : MSS_DEFAULT, ours = tcp_mss_max(socket);

    theirs = theirs < MSS_MIN ? MSS_MIN : theirs;
    socket->tcp.mss = theirs < ours ? theirs : ours;
}

/* The TX pointers are those of the sequence numbers, and so anything at all. */
static void set_base(struct w5500_socket *socket, uint32_t sequence)
{
    uint16_t base = socket->chip->config.quirks.zero_tx_base ? 0 : (uint16_t)sequence;
    uint8_t bytes[2];

    w5500_put16(bytes, base);
    w5500_regs_set(socket, W5500_SN_TX_WR, bytes);
    socket->tx_rd = socket->tx_ack = base;
}

static void begin(struct w5500_socket *socket, enum w5500_status status)
{
    struct w5500_tcp *tcp = &socket->tcp;

    tcp->port = w5500_get16(socket->regs + W5500_SN_PORT);
    tcp->peer = w5500_get32(socket->regs + W5500_SN_DIPR);
    tcp->peer_port = w5500_get16(socket->regs + W5500_SN_DPORT);
    memcpy(tcp->mac, socket->regs + W5500_SN_DHAR, W5500_MAC_LEN);
    tcp->una = (uint32_t)rng_next(socket->chip->config.rng);
    tcp->next = tcp->max = tcp->end = tcp->una + 1;
    tcp->window = 0;
    tcp->unacked = 0;
    tcp->has_exchanged = false;
    set_base(socket, tcp->end);
    socket->status = status;
    tcp_send_syn(socket);
    tcp_timer_wait(socket, true);
}

void w5500_tcp_listen(struct w5500_socket *socket)
{
    socket->tcp.port = w5500_get16(socket->regs + W5500_SN_PORT);
    socket->status = W5500_STATUS_LISTEN;
}

void w5500_tcp_connect(struct w5500_socket *socket)
{
    socket->tcp.expected = 0;
    begin(socket, W5500_STATUS_SYNSENT);
}

void tcp_accept(struct w5500_socket *socket, const struct tcp_segment *segment)
{
    uint8_t bytes[4];

    w5500_put16(bytes, (uint16_t)(segment->ip->from >> 16));
    w5500_put16(bytes + 2, (uint16_t)segment->ip->from);
    w5500_regs_set(socket, W5500_SN_DIPR, bytes);
    w5500_put16(bytes, segment->from_port);
    w5500_regs_set(socket, W5500_SN_DPORT, bytes);
    w5500_regs_set(socket, W5500_SN_DHAR, segment->ip->mac);
    tcp_set_mss(socket, segment);
    socket->tcp.expected = segment->seq + 1;
    begin(socket, W5500_STATUS_SYNRECV);
    socket->tcp.window = segment->window;
}

/* DISCON may have come before the connection was there. */
void tcp_establish(struct w5500_socket *socket)
{
    struct w5500_tcp *tcp = &socket->tcp;

    tcp->una = tcp->end;
    tcp->heard_us = socket->chip->config.clock->now_us;
    socket->status = tcp->is_closing ? W5500_STATUS_FIN_WAIT : W5500_STATUS_ESTABLISHED;
    tcp_timer_wait(socket, true);
    tcp_timer_keep(socket);
    w5500_irq_raise_socket(socket, W5500_SN_IR_CON);
}

/* ---- commands ---------------------------------------------------------------------------------- */

void w5500_tcp_discon(struct w5500_socket *socket)
{
    struct w5500_tcp *tcp = &socket->tcp;

    tcp->is_closing = true;
    if (socket->status == W5500_STATUS_SYNRECV)
        return;
    socket->status =
        socket->status == W5500_STATUS_CLOSE_WAIT ? W5500_STATUS_LAST_ACK : W5500_STATUS_FIN_WAIT;
    tcp_output(socket);
}

void w5500_tcp_send(struct w5500_socket *socket)
{
    struct w5500_tcp *tcp = &socket->tcp;
    uint16_t wr = w5500_get16(socket->regs + W5500_SN_TX_WR);

    if (tcp->is_sending) {
        w5500_fault(socket->chip, "socket %u: SEND before the last one is over", socket->index);
    }
    tcp->end = tcp->una + (uint16_t)(wr - socket->tx_ack);
    if (tcp_is_before(tcp->end, tcp->max))
        tcp->end = tcp->max; /* what was sent can't be taken back */
    tcp->is_sending = true;
    tcp_output(socket);
}

/* It is for connections that have been of use. */
void w5500_tcp_send_keep(struct w5500_socket *socket)
{
    if (!socket->tcp.has_exchanged)
        return;
    socket->tcp.is_probing = true;
    tcp_send_probe(socket);
    tcp_timer_wait(socket, false);
}

/* The peer hears of room when it has little of it, and then of a segment's worth at least. */
void w5500_tcp_recv(struct w5500_socket *socket)
{
    const struct w5500_tcp *tcp = &socket->tcp;
    uint32_t half = (uint32_t)socket->rx_size / 2;
    uint32_t left = tcp->told - tcp->expected, room = (uint32_t)w5500_mem_rx_free(socket);
    uint32_t worth = tcp->mss < half ? tcp->mss : half;

    if (socket->status != W5500_STATUS_ESTABLISHED && socket->status != W5500_STATUS_FIN_WAIT)
        return;
    if (left < half && room >= left + worth)
        tcp_send_ack(socket);
}

void w5500_tcp_keep_written(struct w5500_socket *socket)
{
    if (w5500_sock_protocol(socket) == W5500_PROTOCOL_TCP)
        tcp_timer_keep(socket);
}

/* A SEND that waited for the cable is over. */
void w5500_tcp_link_up(struct w5500_socket *socket)
{
    if (socket->tcp.is_sending)
        tcp_output(socket);
}
