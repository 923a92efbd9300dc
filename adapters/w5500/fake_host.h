/*
 * fake_host: a microcontroller, a clock and a wire for tests of the chip.
 *
 * Frames that leave, faults and accesses are kept in the order in which they came. Time is virtual
 * and moves by host_run_us() only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/w5500/w5500.h"
#include "emu/rng.h"
#include "emu/timer.h"
#include "emu/vclock.h"

#define HOST_FRAMES_MAX   512
#define HOST_FAULT_MAX    160
#define HOST_ACCESSES_MAX 64

struct host_frame {
    uint64_t at_us;
    size_t len;
    uint8_t bytes[W5500_FRAME_MAX];
};

struct host_access {
    uint8_t block;
    bool is_write;
    uint16_t address;
    size_t len;
    uint8_t first; /* byte */
};

struct host {
    struct vclock clock;
    struct timers timers;
    struct rng rng;
    struct w5500 *chip;
    struct host_frame *frames;
    size_t frames_count; /* beyond HOST_FRAMES_MAX they are counted only */
    struct host_access accesses[HOST_ACCESSES_MAX];
    size_t accesses_count;
    char fault[HOST_FAULT_MAX]; /* the last */
    size_t faults_count, pins_count;
};

/* A chip with the quirks and timing of @config (NULL: none, fast), whose link is up. */
void host_init(struct host *host, const struct w5500_config *config);
void host_fini(struct host *host);

/* Let time pass, and what is due happen, each at its time. */
void host_run_us(struct host *host, uint64_t us);

/* One SPI frame of variable length. */
void host_read(struct host *host, unsigned block, uint16_t address, uint8_t *bytes, size_t len);
void host_write(struct host *host, unsigned block, uint16_t address, const void *bytes, size_t len);

uint8_t host_read8(struct host *host, unsigned block, uint16_t address);
uint16_t host_read16(struct host *host, unsigned block, uint16_t address);
uint32_t host_read32(struct host *host, unsigned block, uint16_t address);
void host_write8(struct host *host, unsigned block, uint16_t address, uint8_t value);
void host_write16(struct host *host, unsigned block, uint16_t address, uint16_t value);
void host_write32(struct host *host, unsigned block, uint16_t address, uint32_t value);

/* Forget frames, faults and accesses. */
void host_forget(struct host *host);
