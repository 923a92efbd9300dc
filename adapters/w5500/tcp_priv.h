/* Included by tcp.c, tcp_in.c, tcp_out.c and tcp_timer.c. */
#pragma once

#include "adapters/w5500/w5500_priv.h"

#define TCP_HEADER_LEN 20

/* RFC 9293 3.1 */
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10

/* Sequence numbers wrap: which of two, no more than half of all apart, comes first. */
static inline bool tcp_is_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

/* A segment that came, its checksum right; what it says is the peer's to say. */
struct tcp_segment {
    const struct w5500_ip_in *ip;
    uint16_t from_port, to_port;
    uint32_t seq, ack;
    uint8_t flags;
    uint32_t window;
    uint16_t mss; /* 0: not said */
    const uint8_t *data;
    size_t len;
};

/* ---- tcp.c: states ---------------------------------------------------------------------------- */

/* To SYNRECV; from there or SYNSENT to ESTABLISHED. */
void tcp_accept(struct w5500_socket *socket, const struct tcp_segment *segment);
void tcp_establish(struct w5500_socket *socket);
void tcp_set_mss(struct w5500_socket *socket, const struct tcp_segment *segment);
uint16_t tcp_mss_max(const struct w5500_socket *socket); /* that we take, and say */

static inline bool tcp_is_fin_acked(const struct w5500_tcp *tcp)
{
    return tcp_is_before(tcp->end, tcp->una);
}

/* ---- tcp_out.c -------------------------------------------------------------------------------- */

void tcp_send_syn(struct w5500_socket *socket); /* with ACK in SYNRECV */
void tcp_send_ack(struct w5500_socket *socket);
void tcp_send_probe(struct w5500_socket *socket);

/* What the peer's window lets out, FIN, SENDOK; and wait for the answer. */
void tcp_output(struct w5500_socket *socket);

/* Go back to what was not acknowledged, and send one segment of it, into a shut window too. */
void tcp_output_again(struct w5500_socket *socket);

/* RST, to a segment that is nobody's. */
void tcp_refuse(struct w5500 *chip, const struct tcp_segment *segment);

/* ---- tcp_timer.c ------------------------------------------------------------------------------ */

void tcp_timer_init(struct w5500_socket *socket);
void tcp_timer_stop(struct w5500_socket *socket);

/* Wait for an answer if there is one to wait for; is_anew: something went on. */
void tcp_timer_wait(struct w5500_socket *socket, bool is_anew);

/* ACK at the second segment, at RTR, or at once. */
void tcp_timer_ack(struct w5500_socket *socket);
void tcp_timer_acked(struct w5500_socket *socket);
void tcp_timer_keep(struct w5500_socket *socket);
