/*
 * fake_peer: a host that speaks TCP with the chip, segment by segment, as a test says.
 *
 * It answers nothing by itself. What the chip sent is taken in order; its checksums are checked.
 */
#pragma once

#include "adapters/w5500/fake_host.h"

#define PEER_PORT  5000
#define PEER_SEQ   UINT32_C(0xfffffff0) /* so that its sequence numbers wrap soon */
#define PEER_CHIP  80                   /* the chip's port */
#define PEER_BLOCK W5500_BLOCK_SOCKET(0)

/* Sn_IR */
#define PEER_CON     0x01
#define PEER_DISCON  0x02
#define PEER_RECV    0x04
#define PEER_TIMEOUT 0x08
#define PEER_SENDOK  0x10

struct peer {
    struct host *host;
    struct packet_way way; /* from it to the chip */
    uint32_t seq, ack;     /* it says next */
    uint16_t window;
    uint16_t mss;
    size_t taken; /* frames */
};

struct peer_segment {
    uint64_t at_us;
    uint32_t seq, ack;
    uint8_t flags;
    uint16_t window, mss; /* 0: no option */
    const uint8_t *data;
    size_t len;
};

void peer_init(struct peer *peer, struct host *host);
void peer_send(struct peer *peer, uint8_t flags, const void *data, size_t len);

/* The next segment of the chip's. False: it sent nothing. */
bool peer_take(struct peer *peer, struct peer_segment *segment);

/* It is there, has these flags, and is of @len bytes. */
struct peer_segment peer_expect(struct peer *peer, uint8_t flags, size_t len);
void peer_expect_nothing(struct peer *peer);

/* Socket 0, in TCP: SYNSENT or SYNRECV, with what the chip sent taken; then ESTABLISHED. */
void peer_be_called(struct peer *peer);
void peer_call(struct peer *peer);
void peer_connect(struct peer *peer); /* the chip is the client */
void peer_accept(struct peer *peer);  /* and the server */

/* As a driver: fetch all that came. Returns its length. */
size_t peer_fetch(struct peer *peer, uint8_t *out, size_t cap);
