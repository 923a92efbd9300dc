/*
 * fuzz_w5500: a chip among hostile drivers and a hostile network, for the targets that play them.
 *
 * Whatever it sends is looked at: its length, and the checksums of IPv4 and of what it carries.
 */
#pragma once

#include "adapters/w5500/w5500.h"
#include "emu/buf.h"
#include "emu/rng.h"
#include "emu/timer.h"
#include "emu/vclock.h"

struct bench {
    struct vclock clock;
    struct timers timers;
    struct rng rng;
    struct w5500 *chip;
    bool writes_frames; /* by MACRAW: IPv4 packets may be wrong */
    uint32_t acknow;    /* behind the TCP segment that it sent last */
    uint32_t expected;  /* and what that acknowledged */
};

/* @flags chooses timing and quirks. */
void bench_init(struct bench *bench, uint8_t flags);

/* The chip is freed, and no timer of it runs any more. */
void bench_fini(struct bench *bench);

/* Let @us pass; at most BENCH_TIMERS_MAX turns. */
#define BENCH_TIMERS_MAX 64
void bench_run_us(struct bench *bench, uint64_t us);

void bench_write(struct bench *bench, unsigned block, uint16_t address, const void *bytes,
                 size_t len);
