#include "adapters/w5500/fake_peer.h"

#include <assert.h>
#include <string.h>

#include "emu/buf.h"
#include "emu/checksum.h"

#define IP_AT      14
#define IP_LEN     20
#define TCP_AT     (IP_AT + IP_LEN)
#define TCP_LEN    20
#define PROTOCOL   6
#define TCP        0x01
#define LISTEN     0x02
#define CONNECT    0x04
#define RECV       0x40
#define REPLY      2
#define WINDOW     8192
#define MSS        1460
#define MSS_OPTION 0x0204

void peer_init(struct peer *peer, struct host *host)
{
    *peer = (struct peer){
        .host = host, .way = host_way(PEER_CHIP), .seq = PEER_SEQ, .window = WINDOW, .mss = MSS
    };
}

void peer_send(struct peer *peer, uint8_t flags, const void *data, size_t len)
{
    const struct packet_tcp tcp = { .sequence = peer->seq,
                                    .acknow = flags & PACKET_TCP_ACK ? peer->ack : 0,
                                    .flags = flags,
                                    .window = peer->window,
                                    .mss = flags & PACKET_TCP_SYN ? peer->mss : 0,
                                    .data = data,
                                    .data_len = len };
    uint8_t frame[PACKET_HEADERS_MAX + MSS];
    size_t frame_len;

    assert(len <= MSS);
    frame_len = packet_write_tcp(frame, &peer->way, &tcp);
    host_receive(peer->host, frame, frame_len);
    peer->seq += (uint32_t)len + !!(flags & PACKET_TCP_SYN) + !!(flags & PACKET_TCP_FIN);
}

static void check_sum(const uint8_t *ip, const uint8_t *tcp, size_t len)
{
    uint32_t sum = checksum_add(PROTOCOL + (uint32_t)len, ip + 12, 8);

    assert(checksum_end(checksum_add(sum, tcp, len)) == 0);
}

static void read_segment(const struct host_frame *frame, struct peer_segment *segment)
{
    const uint8_t *ip = frame->bytes + IP_AT, *tcp = frame->bytes + TCP_AT;
    size_t len = (size_t)(ip[2] << 8 | ip[3]) - IP_LEN, header_len = (size_t)(tcp[12] >> 4) * 4;
    struct reader r;

    check_sum(ip, tcp, len);
    *segment = (struct peer_segment){ .at_us = frame->at_us,
                                      .data = tcp + header_len,
                                      .len = len - header_len };
    reader_init(&r, tcp, len);
    (void)reader_u32(&r); /* ports */
    segment->seq = reader_u32(&r);
    segment->ack = reader_u32(&r);
    (void)reader_u8(&r);
    segment->flags = reader_u8(&r);
    segment->window = reader_u16(&r);
    (void)reader_u32(&r);
    if (header_len > TCP_LEN) {
        assert(header_len == TCP_LEN + 4);
        assert(reader_u16(&r) == MSS_OPTION);
        segment->mss = reader_u16(&r);
    }
    assert(!r.failed);
}

bool peer_take(struct peer *peer, struct peer_segment *segment)
{
    while (peer->taken < peer->host->frames_count) {
        const struct host_frame *frame = host_frame_get(peer->host, peer->taken++);

        if (frame->bytes[12] == 0x08 && frame->bytes[13] == 0x00 &&
            frame->bytes[IP_AT + 9] == PROTOCOL) {
            read_segment(frame, segment);
            return true;
        }
    }
    return false;
}

struct peer_segment peer_expect(struct peer *peer, uint8_t flags, size_t len)
{
    struct peer_segment segment = { 0 };
    bool is_there = peer_take(peer, &segment);

    assert(is_there);
    assert(segment.flags == flags);
    assert(segment.len == len);
    return segment;
}

void peer_expect_nothing(struct peer *peer)
{
    struct peer_segment segment;
    bool is_there = peer_take(peer, &segment);

    assert(!is_there);
}

/* ---- connections ----------------------------------------------------------------------------- */

void peer_be_called(struct peer *peer)
{
    struct peer_segment syn;

    host_open(peer->host, 0, TCP, PEER_CHIP);
    host_set_destination(peer->host, 0, HOST_PEER_IP, PEER_PORT);
    host_command(peer->host, 0, CONNECT);
    host_arp(peer->host, REPLY, HOST_PEER_IP, HOST_IP);
    syn = peer_expect(peer, PACKET_TCP_SYN, 0);
    peer->ack = syn.seq + 1;
}

void peer_connect(struct peer *peer)
{
    peer_be_called(peer);
    peer_send(peer, PACKET_TCP_SYN | PACKET_TCP_ACK, NULL, 0);
    (void)peer_expect(peer, PACKET_TCP_ACK, 0);
    assert(host_take_ir(peer->host, 0) == PEER_CON);
}

void peer_call(struct peer *peer)
{
    struct peer_segment syn;

    host_open(peer->host, 0, TCP, PEER_CHIP);
    host_command(peer->host, 0, LISTEN);
    peer_send(peer, PACKET_TCP_SYN, NULL, 0);
    syn = peer_expect(peer, PACKET_TCP_SYN | PACKET_TCP_ACK, 0);
    assert(syn.ack == peer->seq);
    peer->ack = syn.seq + 1;
}

void peer_accept(struct peer *peer)
{
    peer_call(peer);
    peer_send(peer, PACKET_TCP_ACK, NULL, 0);
    assert(host_take_ir(peer->host, 0) == PEER_CON);
}

size_t peer_fetch(struct peer *peer, uint8_t *out, size_t cap)
{
    size_t len = host_read16(peer->host, PEER_BLOCK, 0x26);
    uint16_t at = host_read16(peer->host, PEER_BLOCK, 0x28);

    len = len < cap ? len : cap;
    host_read(peer->host, W5500_BLOCK_RX(0), at, out, len);
    host_write16(peer->host, PEER_BLOCK, 0x28, (uint16_t)(at + len));
    host_command(peer->host, 0, RECV);
    return len;
}
