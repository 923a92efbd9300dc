#include "adapters/w5500/fake_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/util.h"

#define SEED     5500
#define LINK_US  100000
#define HEADER   3
#define DATA_MAX 65536
#define WRITE    0x04

/* ---- what the chip tells ---------------------------------------------------------------------- */

static void on_send(void *ctx, const uint8_t *bytes, size_t len)
{
    struct host *host = ctx;
    struct host_frame *frame = &host->frames[host->frames_count];

    if (host->frames_count++ >= HOST_FRAMES_MAX)
        return;
    frame->at_us = host->clock.now_us;
    frame->len = len;
    memcpy(frame->bytes, bytes, len);
}

static void on_pins(void *ctx)
{
    struct host *host = ctx;

    host->pins_count++;
}

static void on_access(void *ctx, const struct w5500_access *access)
{
    struct host *host = ctx;

    if (host->accesses_count < HOST_ACCESSES_MAX)
        host->accesses[host->accesses_count++] = (struct host_access){ .block = access->block,
                                                                       .is_write = access->is_write,
                                                                       .address = access->address,
                                                                       .len = access->len,
                                                                       .first = access->bytes[0] };
}

static void on_fault(void *ctx, const char *text)
{
    struct host *host = ctx;

    (void)snprintf(host->fault, sizeof(host->fault), "%s", text);
    host->faults_count++;
}

/* ---- life ------------------------------------------------------------------------------------- */

void host_init(struct host *host, const struct w5500_config *config)
{
    struct w5500_config own = config ? *config : (struct w5500_config){ 0 };

    *host = (struct host){ .frames = xcalloc(HOST_FRAMES_MAX, sizeof(*host->frames)) };
    vclock_init(&host->clock, VCLOCK_MODE_VIRTUAL);
    timers_init(&host->timers);
    rng_init(&host->rng, SEED);
    own.clock = &host->clock;
    own.timers = &host->timers;
    own.rng = &host->rng;
    own.send = on_send;
    own.on_pins = on_pins;
    own.on_access = on_access;
    own.on_fault = on_fault;
    own.ctx = host;
    host->chip = w5500_new(&own);
    host_run_us(host, own.timing == W5500_TIMING_FAST ? LINK_US : 15 * LINK_US);
    host_forget(host);
}

void host_fini(struct host *host)
{
    w5500_free(host->chip);
    timers_fini(&host->timers);
    free(host->frames);
}

void host_forget(struct host *host)
{
    host->frames_count = 0;
    host->accesses_count = 0;
    host->faults_count = 0;
    host->fault[0] = '\0';
    host->pins_count = 0;
}

void host_run_us(struct host *host, uint64_t us)
{
    uint64_t end_us = host->clock.now_us + us;

    for (;;) {
        uint64_t next_us = timers_next_us(&host->timers);

        if (next_us > end_us)
            break;
        if (next_us > host->clock.now_us)
            vclock_advance(&host->clock, next_us - host->clock.now_us);
        (void)timers_run(&host->timers, host->clock.now_us);
    }
    vclock_advance(&host->clock, end_us - host->clock.now_us);
}

/* ---- SPI -------------------------------------------------------------------------------------- */

static void begin(struct host *host, unsigned block, uint16_t address, bool is_write)
{
    const uint8_t header[HEADER] = { (uint8_t)(address >> 8), (uint8_t)address,
                                     (uint8_t)(block << 3 | (is_write ? WRITE : 0)) };

    w5500_select(host->chip, true);
    w5500_transfer(host->chip, header, NULL, sizeof(header));
}

void host_read(struct host *host, unsigned block, uint16_t address, uint8_t *bytes, size_t len)
{
    begin(host, block, address, false);
    w5500_transfer(host->chip, NULL, bytes, len);
    w5500_select(host->chip, false);
}

void host_write(struct host *host, unsigned block, uint16_t address, const void *bytes, size_t len)
{
    begin(host, block, address, true);
    w5500_transfer(host->chip, bytes, NULL, len);
    w5500_select(host->chip, false);
}

uint8_t host_read8(struct host *host, unsigned block, uint16_t address)
{
    uint8_t byte;

    host_read(host, block, address, &byte, 1);
    return byte;
}

uint16_t host_read16(struct host *host, unsigned block, uint16_t address)
{
    uint8_t bytes[2];

    host_read(host, block, address, bytes, sizeof(bytes));
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

uint32_t host_read32(struct host *host, unsigned block, uint16_t address)
{
    uint8_t b[4];

    host_read(host, block, address, b, sizeof(b));
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

void host_write8(struct host *host, unsigned block, uint16_t address, uint8_t value)
{
    host_write(host, block, address, &value, 1);
}

void host_write16(struct host *host, unsigned block, uint16_t address, uint16_t value)
{
    const uint8_t bytes[] = { (uint8_t)(value >> 8), (uint8_t)value };

    host_write(host, block, address, bytes, sizeof(bytes));
}

void host_write32(struct host *host, unsigned block, uint16_t address, uint32_t value)
{
    const uint8_t bytes[] = { (uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                              (uint8_t)value };

    host_write(host, block, address, bytes, sizeof(bytes));
}
