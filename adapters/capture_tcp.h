/*
 * capture_tcp: a TCP connection (RFC 9293) as frames would show it, told from what a socket sees of
 * it. No I/O.
 *
 * Each call is something that happened and becomes frames: with sequence numbers that fit together,
 * data cut at the maximum segment size, acknowledgements. What the kernel does on its own is left
 * out: what was lost and sent again, keepalives, how the peer answers the last FIN. A call that does
 * not fit what happened before makes no frames.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/packet.h"

/* Takes a frame that our end sent, or got. */
typedef void capture_frame_fn(void *ctx, bool is_out, const uint8_t *frame, size_t len);

struct capture_tcp_config {
    struct packet_way way; /* from our end to the peer's */
    uint32_t number; /* of the connection: its sequence numbers begin elsewhere than others' */
    size_t mtu;
    capture_frame_fn *emit;
    void *ctx;
};

struct capture_tcp {
    struct capture_tcp_config config;
    uint32_t out_next, out_acked; /* sequence numbers of our end; acknowledged up to @out_acked */
    uint32_t in_next;             /* of the peer's; everything up to it is acknowledged */
    uint16_t out_id, in_id;       /* IPv4's identification */
    enum { CAPTURE_TCP_NEW, CAPTURE_TCP_ASKED, CAPTURE_TCP_OPEN, CAPTURE_TCP_OVER } state;
    bool has_left, has_peer_left; /* FIN was sent, came */
};

void capture_tcp_init(struct capture_tcp *tcp, const struct capture_tcp_config *config);

void capture_tcp_ask(struct capture_tcp *tcp);    /* our end connects */
void capture_tcp_agree(struct capture_tcp *tcp);  /* and the peer accepts, */
void capture_tcp_refuse(struct capture_tcp *tcp); /* or refuses */
void capture_tcp_come(struct capture_tcp *tcp);   /* the peer has connected */

void capture_tcp_send(struct capture_tcp *tcp, const void *data, size_t len);
void capture_tcp_acknowledge(struct capture_tcp *tcp, size_t len); /* so much more of it */
void capture_tcp_receive(struct capture_tcp *tcp, const void *data, size_t len);

void capture_tcp_leave(struct capture_tcp *tcp);      /* our end sends FIN */
void capture_tcp_peer_leave(struct capture_tcp *tcp); /* the peer's */
void capture_tcp_reset(struct capture_tcp *tcp);      /* our end resets it */
void capture_tcp_peer_reset(struct capture_tcp *tcp); /* the peer does */
void capture_tcp_break(struct capture_tcp *tcp);      /* and nobody says so */
