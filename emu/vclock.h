/*
 * vclock: the only source of time in the emulator.
 *
 * Real mode follows CLOCK_MONOTONIC. Virtual mode stands still until vclock_advance() moves it,
 * which makes a run a pure function of its inputs. Times are microseconds since vclock_init() and
 * never go back.
 *
 * The device's calendar (what os.time, os.date and rtc.get show) is a second reading of the same
 * clock: microseconds since 1970 UTC, set by vclock_set_wall() as a module's RTC is. It starts at
 * the host's time in real mode and at VCLOCK_VIRTUAL_EPOCH_S in virtual mode; the host's own
 * calendar is never changed. A third reading, the world's calendar, is what the first would be if
 * nobody had set it: what a time server tells.
 */
#pragma once

#include <stdint.h>

#define VCLOCK_VIRTUAL_EPOCH_S 1767225600 /* 2026-01-01 00:00:00 UTC */

enum vclock_mode {
    VCLOCK_MODE_REAL,
    VCLOCK_MODE_VIRTUAL,
};

/* Embed by value; fields are read-only outside vclock.c. */
struct vclock {
    enum vclock_mode mode;
    uint64_t origin_us;
    uint64_t now_us;
    int64_t wall_origin_us;  /* calendar at now_us == 0 */
    int64_t world_origin_us; /* the world's, likewise */
};

void vclock_init(struct vclock *clk, enum vclock_mode mode);

/* Re-read the host clock. No effect in virtual mode. */
void vclock_refresh(struct vclock *clk);

/* Virtual mode only: move time forward by @delta_us. */
void vclock_advance(struct vclock *clk, uint64_t delta_us);

/*
 * Wait without returning to the loop, as timer.mdelay() does on a module: sleeps in real mode,
 * advances in virtual mode.
 */
void vclock_block(struct vclock *clk, uint64_t delta_us);

/* The calendar: microseconds since 1970-01-01 00:00:00 UTC, now. */
int64_t vclock_wall_us(const struct vclock *clk);
int64_t vclock_world_us(const struct vclock *clk);
void vclock_set_wall(struct vclock *clk, int64_t wall_us);

/*
 * Real mode: what this clock showed when the host's calendar showed @host_us, at most a second ago
 * (else: now). For what the kernel has stamped; it may be later than the turn's now, and is not
 * exact enough to keep the order of what was stamped.
 */
uint64_t vclock_of_host(const struct vclock *clk, uint64_t host_us);

/*
 * Real mode: what the host's calendar is ahead of this clock, in nanoseconds. Read once for a batch
 * of what the kernel has stamped: it keeps the batch's order.
 */
int64_t vclock_host_ahead_ns(const struct vclock *clk);

/* CPU time of this process in microseconds; in virtual mode the clock itself. */
uint64_t vclock_cpu_us(const struct vclock *clk);
