/*
 * frame_io: frames of an interface, in and out: a packet socket, packet(7), of whose frames the
 * kernel fills a ring, or a TAP device (tap.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define FRAME_IO_BATCH_MAX 64 /* frames of one frame_io_send() */

struct nets_end;

/* Embed. */
struct frame_io {
    int fd;
    bool is_tap;
    bool is_gone;         /* the device was removed */
    bool has_lost;        /* the ring was full when a frame came */
    size_t frame_len_max; /* of what is sent */
    uint8_t *ring;        /* NULL: none */
    size_t slot_len, slots_count, slot;
    uint8_t *buffer; /* of one frame */
    bool has_frame;  /* in @slot, since frame_io_next() */
};

/* Takes the descriptor of @end, whatever comes of it. 0 or -errno. */
int frame_io_open(struct frame_io *io, const struct nets_end *end);
void frame_io_close(struct frame_io *io);

/* A frame that came, good until the next call. */
struct frame_in {
    const uint8_t *bytes;
    size_t len;
    uint64_t host_us; /* when, by the host's calendar; 0: now */
};

/* False: none is there. */
bool frame_io_next(struct frame_io *io, struct frame_in *in);

/* Send @count frames; those for which there is no room, or no link, are lost. */
void frame_io_send(struct frame_io *io, const struct iovec frames[], unsigned count);
