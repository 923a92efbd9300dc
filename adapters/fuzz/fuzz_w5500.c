#include "adapters/fuzz/fuzz_w5500.h"

#include <assert.h>

#include "adapters/w5500/regtext.h"
#include "emu/checksum.h"

#define SEED          5500
#define LINK_US       1500000
#define HEADER_LEN    3
#define WRITE         0x04
#define ETHERNET_LEN  14
#define IP_HEADER_LEN 20
#define IP_FROM_AT    12
#define PROTOCOL_IGMP 2
#define PROTOCOL_UDP  17
#define PROTOCOL_TCP  6
#define FLAG_ACCURATE 0x01
#define FLAG_SCALE    0x02
#define SCALE         10

/* What a chip sends by itself has the right sums. */
static void check_packet(const uint8_t *ip, size_t len)
{
    size_t header_len = (size_t)(ip[0] & 0xf) * 4, total = (size_t)(ip[2] << 8 | ip[3]);
    uint8_t protocol = ip[9];
    uint32_t sum = protocol == PROTOCOL_UDP || protocol == PROTOCOL_TCP
                       ? protocol + (uint32_t)(total - header_len)
                       : 0;

    assert(ip[0] >> 4 == 4 && header_len >= IP_HEADER_LEN);
    assert(total >= header_len && total <= len);
    assert(checksum_end(checksum_add(0, ip, header_len)) == 0);
    if (sum)
        sum = checksum_add(sum, ip + IP_FROM_AT, 8);
    if (sum || protocol == PROTOCOL_IGMP)
        assert(checksum_end(checksum_add(sum, ip + header_len, total - header_len)) == 0);
}

/* SYN and FIN count as a byte. */
static void see_tcp(struct bench *bench, const uint8_t *ip, size_t len)
{
    size_t header_len = (size_t)(ip[0] & 0xf) * 4, total = (size_t)(ip[2] << 8 | ip[3]);
    struct reader r;
    size_t data_len;
    uint8_t flags;

    reader_init(&r, ip, len);
    reader_seek(&r, header_len + 4);
    bench->acknow = reader_u32(&r);
    bench->expected = reader_u32(&r);
    data_len = total - header_len - (size_t)(reader_u8(&r) >> 4) * 4;
    flags = reader_u8(&r);
    bench->acknow += (uint32_t)data_len + (flags & 1) + (flags >> 1 & 1);
}

static void on_send(void *ctx, const uint8_t *frame, size_t len)
{
    struct bench *bench = ctx;

    assert(len >= W5500_FRAME_MIN && len <= W5500_FRAME_MAX);
    if (!bench->writes_frames && frame[12] == 0x08 && frame[13] == 0x00)
        check_packet(frame + ETHERNET_LEN, len - ETHERNET_LEN);
    if (!bench->writes_frames && frame[12] == 0x08 && frame[13] == 0x00 &&
        frame[ETHERNET_LEN + 9] == PROTOCOL_TCP)
        see_tcp(bench, frame + ETHERNET_LEN, len - ETHERNET_LEN);
}

static void on_pins(void *ctx)
{
    struct bench *bench = ctx;

    if (bench->chip)
        (void)w5500_pins(bench->chip);
}

static void on_access(void *ctx, const struct w5500_access *access)
{
    char text[REGTEXT_ACCESS_MAX];

    (void)ctx;
    assert(access->block < W5500_BLOCKS);
    assert(access->len > 0 && access->len <= W5500_ACCESS_MAX);
    regtext_access(text, access);
    assert(text[0] == (access->is_write ? 'W' : 'R'));
}

static void on_fault(void *ctx, const char *kind, const char *text)
{
    (void)ctx;
    assert(kind[0]);
    assert(text[0]);
}

void bench_init(struct bench *bench, uint8_t flags)
{
    struct w5500_config config = { .clock = &bench->clock,
                                   .timers = &bench->timers,
                                   .rng = &bench->rng,
                                   .timing = flags & FLAG_ACCURATE ? W5500_TIMING_ACCURATE
                                                                   : W5500_TIMING_FAST,
                                   .scale_percent = flags & FLAG_SCALE ? SCALE : 0,
                                   .send = on_send,
                                   .on_pins = on_pins,
                                   .on_access = on_access,
                                   .on_fault = on_fault,
                                   .ctx = bench };
    const struct w5500_quirk *quirk;

    for (size_t i = 0; (quirk = w5500_quirk_get(i)); i++)
        (void)w5500_quirk_set(&config.quirks, quirk->name, flags >> (2 + i % 6) & 1);
    *bench = (struct bench){ 0 };
    vclock_init(&bench->clock, VCLOCK_MODE_VIRTUAL);
    timers_init(&bench->timers);
    rng_init(&bench->rng, SEED);
    bench->chip = w5500_new(&config);
    bench_run_us(bench, LINK_US);
}

void bench_fini(struct bench *bench)
{
    w5500_free(bench->chip);
    assert(timers_next_us(&bench->timers) == UINT64_MAX);
    timers_fini(&bench->timers);
}

void bench_run_us(struct bench *bench, uint64_t us)
{
    uint64_t end_us = bench->clock.now_us + us;

    for (int i = 0; i < BENCH_TIMERS_MAX && timers_next_us(&bench->timers) <= end_us; i++) {
        uint64_t next_us = timers_next_us(&bench->timers);

        if (next_us > bench->clock.now_us)
            vclock_advance(&bench->clock, next_us - bench->clock.now_us);
        (void)timers_run(&bench->timers, bench->clock.now_us);
    }
    if (timers_next_us(&bench->timers) > end_us)
        vclock_advance(&bench->clock, end_us - bench->clock.now_us);
}

void bench_write(struct bench *bench, unsigned block, uint16_t address, const void *bytes,
                 size_t len)
{
    const uint8_t header[HEADER_LEN] = { (uint8_t)(address >> 8), (uint8_t)address,
                                         (uint8_t)(block << 3 | WRITE) };

    w5500_select(bench->chip, true);
    w5500_transfer(bench->chip, header, NULL, sizeof(header));
    w5500_transfer(bench->chip, bytes, NULL, len);
    w5500_select(bench->chip, false);
}
