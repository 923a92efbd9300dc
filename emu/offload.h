/*
 * offload: finishes what a stack has left to its network card, so that a frame looks as it would on
 * a cable: checksums are filled in, and what is larger than the MTU is cut into the frames that a
 * card would send. No I/O, no state but struct offload.
 *
 * Cut as Linux does: each frame has the headers of the whole, its own part of the sequence and the
 * next IPv4 identification; FIN and PSH are the last one's, CWR is the first one's (RFC 3168 6.1.2).
 * Bytes are hostile: what is promised of them is checked, and what can't be cut stays whole.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/frame.h"

enum offload_cut {
    OFFLOAD_CUT_NONE,
    OFFLOAD_CUT_TCP,
    OFFLOAD_CUT_UDP, /* each part of the data is a datagram */
};

/* What is left to do, as struct virtio_net_hdr of the Virtio specification (5.1.6) says it. */
struct offload_rest {
    bool lacks_checksum; /* what is at @sum_at is that of the pseudo header only */
    size_t sum_from;     /* bytes from here on are in it */
    size_t sum_at;
    enum offload_cut cut;
    size_t part_len; /* of the data, in each frame but the last */
};

struct offload {
    const uint8_t *bytes; /* borrowed */
    size_t len;
    struct offload_rest rest;
    struct frame frame;
    bool is_cut; /* it can be */
    size_t done; /* bytes of the data */
    unsigned count;
};

void offload_begin(struct offload *offload, const uint8_t *bytes, size_t len,
                   const struct offload_rest *rest);

/*
 * Write the next frame into @out, which has room for all of them together in one: @len bytes.
 * Returns its length; 0: that was the last.
 */
size_t offload_next(struct offload *offload, uint8_t *out);
