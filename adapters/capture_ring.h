/*
 * capture_ring: the frames of one interface, in a ring that the kernel fills, packet(7).
 *
 * Frames are seen as the interface sees them: what it sends before anything is cut for the cable,
 * with what is left to do of it (emu/offload.h). Those that it gets and are for other stations, as
 * a bridge floods them, are left out, as by an Ethernet chip.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/loop.h"
#include "emu/offload.h"

struct capture;

enum capture_ring_kind {
    CAPTURE_RING_SMALL, /* many frames, up to CAPTURE_RING_SMALL_MAX bytes */
    CAPTURE_RING_LARGE, /* few frames, that are larger */
    CAPTURE_RING_KINDS,
};

#define CAPTURE_RING_SMALL_MAX 1900
#define CAPTURE_RING_TAG_LEN   4 /* IEEE 802.1Q: the kernel takes it out of the frame */

struct capture_ring {
    struct loop_fd source; /* its socket; @ready is the owner's */
    struct capture *owner;
    enum capture_ring_kind kind;
    uint8_t *map;
    size_t slot; /* that is filled next */
};

/* The socket @fd, not bound yet, is the ring's, whatever comes of it. 0 or -errno. */
int capture_ring_open(struct capture_ring *ring, int fd, enum capture_ring_kind kind);
void capture_ring_close(struct capture_ring *ring);

/* See the frames of an interface of the socket's namespace from now on. 0 or -errno. */
int capture_ring_bind(const struct capture_ring *ring, int ifindex);

/* A frame; @bytes stay until capture_ring_drop(). */
struct capture_ring_frame {
    uint64_t host_ns; /* of the host's calendar */
    bool is_out;
    bool is_other; /* it is of no interest */
    bool is_cut;   /* it is larger than what a slot holds */
    bool has_tag;  /* @tag goes between the addresses and the rest */
    uint8_t tag[CAPTURE_RING_TAG_LEN];
    const uint8_t *bytes;
    size_t len;
    struct offload_rest rest;
};

/* The oldest frame; false: there is none. */
bool capture_ring_peek(const struct capture_ring *ring, struct capture_ring_frame *frame);
void capture_ring_drop(struct capture_ring *ring);

/* How many have been lost since the last call, because the ring was full. */
uint64_t capture_ring_lost(const struct capture_ring *ring);
