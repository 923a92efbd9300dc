/*
 * bench: a W5500 as it lies on a bench: the chip, the cable that it hangs on, who drives its SPI bus,
 * and who looks on.
 *
 * One master drives the bus: the module's driver (driver.h) or a client of the port (port.h).
 * Everything happens on the loop's thread. What the chip says while it is told something is queued:
 * frames leave, and the master hears of its pins, when the chip has returned.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/w5500/w5500.h"

struct bench;
struct log;
struct loop;
struct nets_end;
struct rng;
struct timers;
struct vclock;

/* How the chip behaves: what a board says of it. All 0: as it is sold, in no time. */
struct bench_options {
    enum w5500_timing timing;
    unsigned scale_percent; /* of its timeouts, in fast timing; 0: 100 */
    unsigned gap_ns;        /* accurate timing: between two SPI frames */
    struct w5500_quirks quirks;
};

struct bench_config {
    struct loop *loop; /* NULL: there will be no cable, and no descriptors */
    struct timers *timers;
    struct vclock *clock;
    struct rng *rng;
    struct log *log;
    struct bench_options options;

    /* Where frames go while there is no cable, for memory wires. NULL: they are lost. */
    void (*send)(void *ctx, const uint8_t *frame, size_t len);
    void *ctx;
};

struct bench *bench_new(const struct bench_config *config);
void bench_free(struct bench *bench);

/* Hang it on a cable; takes the descriptor of @end, whatever comes of it. 0 or -errno. */
int bench_connect(struct bench *bench, const struct nets_end *end);

/* A frame by a memory wire. */
void bench_receive(struct bench *bench, const uint8_t *frame, size_t len);

/* Is the cable in at both its ends? */
void bench_set_cable(struct bench *bench, bool is_in);

/* ---- who drives the bus --------------------------------------------------------------------- */

struct bench_master {
    /*
     * The levels of w5500_pins() have changed, perhaps more than once, since the master last
     * transferred, or was told. From the loop, never inside a call of the master's. NULL: no matter.
     */
    void (*pins_changed)(void *ctx);
    /*
     * Frames have come. No pin tells of an acknowledgement: a master that waits for one looks again
     * and again, and has something to see now. From the loop. NULL: no matter.
     */
    void (*received)(void *ctx);
    /*
     * "main.lua:12: " or "frame 7: ": what makes the driver do what it does now, for warnings. NULL,
     * or a result of NULL: nobody knows.
     */
    const char *(*where)(void *ctx);
    bool is_counting; /* where() is another place each time: a warning is the same at all of them */
    void *ctx;
};

/* NULL: nobody does. */
void bench_set_master(struct bench *bench, const struct bench_master *master);

void bench_select(struct bench *bench, bool is_selected);
void bench_transfer(struct bench *bench, const uint8_t *mosi, uint8_t *miso, size_t len);
void bench_set_pin(struct bench *bench, enum w5500_pin pin, bool level);
unsigned bench_pins(const struct bench *bench); /* levels: w5500_pins() */
void bench_set_clock(struct bench *bench, unsigned hz);

/* Frames that wait leave now: after a master's work, before it sleeps. */
void bench_flush(struct bench *bench);

/* See w5500_ready_us(): until then a master in accurate timing is still clocking. */
uint64_t bench_ready_us(const struct bench *bench);

/* To look at its registers. */
const struct w5500 *bench_chip(const struct bench *bench);

/* ---- who looks on --------------------------------------------------------------------------- */

/* Embed. Called inside the chip's calls: note what there is to note, call nothing. NULLs: no matter. */
struct bench_observer {
    void (*select)(struct bench_observer *observer, bool is_selected);
    void (*transfer)(struct bench_observer *observer, const uint8_t *mosi, const uint8_t *miso,
                     size_t len); /* both there, after the chip has answered */
    void (*access)(struct bench_observer *observer, const struct w5500_access *access);
    void (*pins)(struct bench_observer *observer, unsigned levels); /* after @transfer */
    struct bench_observer *next;                                    /* the bench's */
};

void bench_observe(struct bench *bench, struct bench_observer *observer);
void bench_unobserve(struct bench *bench, struct bench_observer *observer);
