/*
 * frame: what an Ethernet frame (IEEE 802.3, 802.1Q) carries, as far as IP goes, and the frames by
 * which a network says no: a reset, "too big", an answer to a query.
 *
 * Reading is pure and takes hostile bytes: whatever the headers claim, nothing beyond the frame is
 * looked at, and what is written fits its frame.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/endpoint.h"

#define FRAME_HEADERS_MAX 192 /* of Ethernet, two VLAN tags, IP and TCP, as frame_write_x() write */
#define FRAME_ANSWER_MAX  512 /* RFC 1035 4.2.1 */

enum frame_protocol {
    FRAME_PROTOCOL_OTHER,
    FRAME_PROTOCOL_TCP,
    FRAME_PROTOCOL_UDP,
    FRAME_PROTOCOL_ICMP,
    FRAME_PROTOCOL_LINK, /* neighbour discovery, multicast listeners: IPv6's ARP and IGMP */
};

struct frame {
    const uint8_t *bytes; /* borrowed */
    size_t ip_at, ip_len; /* the IP packet: what follows it in the frame is padding */
    bool is_v6;
    bool may_fragment;  /* IPv4 without DF */
    size_t upper_at;    /* what IP carries */
    bool has_transport; /* @upper_at is a whole TCP, UDP or ICMP header: no later fragment */
    enum frame_protocol protocol;
    struct endpoint from, to;  /* ports are 0 where there is none */
    size_t data_at, data_len;  /* of TCP and UDP */
    uint32_t sequence, acknow; /* TCP */
    uint8_t flags;             /* TCP: PACKET_TCP_x of packet.h */
};

/* False: it carries no IP, or is broken. */
bool frame_read(struct frame *frame, const uint8_t *bytes, size_t len);

/* Bytes that a segment takes of the sequence: its data, SYN and FIN. */
uint32_t frame_sequence_len(const struct frame *frame);

/*
 * Each writes a frame into @out, of @cap bytes, and returns its length; 0: there is no room, or it
 * can't be said of such a frame.
 */

/* The same TCP segment with the first @data_len bytes of its data, without FIN. */
size_t frame_write_cut(const struct frame *frame, size_t data_len, uint8_t *out, size_t cap);

/* A reset as from the sender, after so many bytes of the segment; and one as from the receiver. */
size_t frame_write_reset_on(const struct frame *frame, size_t data_len, uint8_t *out, size_t cap);
size_t frame_write_reset_back(const struct frame *frame, uint8_t *out, size_t cap);

/* To the sender, as from the receiver: no packet may be larger than @mtu (RFC 1191, RFC 4443). */
size_t frame_write_too_big(const struct frame *frame, unsigned mtu, uint8_t *out, size_t cap);

/* A UDP datagram back to the sender, of FRAME_ANSWER_MAX bytes at most. */
size_t frame_write_answer(const struct frame *frame, const uint8_t *data, size_t len, uint8_t *out,
                          size_t cap);
