/*
 * cable: Ethernet frames between the chip and a Linux interface: a packet socket, packet(7), or a
 * descriptor that gives and takes one frame at a time, as a TAP device's does.
 *
 * Who sends on the interface may leave checksums and cutting to a network card (emu/offload.h); the
 * chip gets frames as they are on a cable. Frames with an 802.1Q tag don't arrive: the kernel takes
 * the tag out of them, and the chip knows none.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct cable;
struct loop;
struct nets_end;
struct timers;
struct vclock;

#define CABLE_BATCH_MAX 64 /* frames of one cable_send() */

struct cable_config {
    struct loop *loop;
    struct timers *timers;
    const struct vclock *clock;

    /* A frame has come; good until this returns. */
    void (*receive)(void *ctx, const uint8_t *frame, size_t len);
    /* Those that had come are received; called from the loop. */
    void (*received)(void *ctx);
    /* The interface is gone, or who stands at the other end. Called once. */
    void (*gone)(void *ctx);
    void *ctx;
};

/* Takes the descriptor of @end, whatever comes of it. 0 or -errno. */
int cable_open(struct cable **out, const struct nets_end *end, const struct cable_config *config);
void cable_close(struct cable *cable);

/* Those for which there is no room, or no link, are lost. */
void cable_send(struct cable *cable, const struct iovec frames[], unsigned count);
