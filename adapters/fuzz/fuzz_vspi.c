/* A client of the port that sends anything, in pieces, and takes answers when it likes. */
#include <assert.h>
#include <string.h>

#include "adapters/w5500/bench.h"
#include "adapters/w5500/vspi.h"
#include "emu/buf.h"
#include "emu/fuzz/fuzz.h"
#include "emu/log.h"
#include "emu/rng.h"
#include "emu/timer.h"
#include "emu/trace.h"
#include "emu/vclock.h"

enum op { OP_GIVE, OP_TAKE, OP_TIME, OP_DRAIN, OP_RESTART, OP_CABLE, OP_COUNT };

#define OUT_MAX       (512 * 1024)
#define TIME_UNIT_US  100
#define TAKE_UNIT     256
#define TIMERS_MAX    64
#define FLAG_ACCURATE 0x01

struct table {
    struct vclock clock;
    struct timers timers;
    struct rng rng;
    struct trace trace;
    struct log log;
    struct bench *bench;
    struct vspi *vspi;
};

static void on_ready(void *ctx)
{
    const uint8_t *answers;

    assert(vspi_answers(((const struct table *)ctx)->vspi, &answers) <= OUT_MAX);
}

static void begin(struct table *table, uint8_t flags)
{
    const struct bench_options options = { .timing = flags & FLAG_ACCURATE ? W5500_TIMING_ACCURATE
                                                                           : W5500_TIMING_FAST };

    *table = (struct table){ 0 };
    vclock_init(&table->clock, VCLOCK_MODE_VIRTUAL);
    timers_init(&table->timers);
    rng_init(&table->rng, 1);
    trace_init(&table->trace, &table->clock, -1);
    log_init(&table->log,
             &(struct log_config){
                 .clock = &table->clock, .trace = &table->trace, .module_fd = -1, .voice_fd = -1 });
    table->bench = bench_new(&(struct bench_config){ .timers = &table->timers,
                                                     .clock = &table->clock,
                                                     .rng = &table->rng,
                                                     .log = &table->log,
                                                     .options = options });
    table->vspi = vspi_new(&(struct vspi_config){ .bench = table->bench,
                                                  .timers = &table->timers,
                                                  .clock = &table->clock,
                                                  .ready = on_ready,
                                                  .ctx = table });
}

static void give(struct table *table, struct reader *r, size_t len)
{
    while (len) {
        uint8_t *room;
        size_t part = vspi_room(table->vspi, &room);

        if (!part)
            return;
        part = part < len ? part : len;
        memcpy(room, reader_bytes(r, part), part);
        vspi_take(table->vspi, part);
        len -= part;
    }
}

static void take(struct table *table, size_t len)
{
    const uint8_t *answers;
    size_t there = vspi_answers(table->vspi, &answers);

    assert(there <= OUT_MAX);
    vspi_sent(table->vspi, there < len ? there : len);
}

static void run_us(struct table *table, uint64_t us)
{
    vclock_advance(&table->clock, us);
    for (int i = 0; i < TIMERS_MAX && timers_run(&table->timers, table->clock.now_us); i++)
        ;
}

static void run_op(struct table *table, enum op op, struct reader *r)
{
    uint8_t arg = reader_u8(r);
    size_t len = arg < reader_left(r) ? arg : reader_left(r);

    switch (op) {
    case OP_GIVE:
        give(table, r, len);
        break;
    case OP_TAKE:
        take(table, (size_t)arg * TAKE_UNIT);
        break;
    case OP_TIME:
        run_us(table, (uint64_t)arg * TIME_UNIT_US);
        break;
    case OP_DRAIN:
        vspi_drain(table->vspi);
        assert(vspi_oversize(table->vspi) || vspi_is_idle(table->vspi));
        break;
    case OP_RESTART:
        vspi_restart(table->vspi);
        assert(vspi_is_idle(table->vspi));
        assert(bench_pins(table->bench) & W5500_PINS_SCSN);
        break;
    case OP_CABLE:
        bench_set_cable(table->bench, arg & 1);
        break;
    case OP_COUNT:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct table table;
    struct reader r;

    reader_init(&r, data, size);
    begin(&table, reader_u8(&r));
    while (reader_left(&r))
        run_op(&table, (enum op)(reader_u8(&r) % OP_COUNT), &r);
    vspi_free(table.vspi);
    bench_free(table.bench);
    assert(timers_next_us(&table.timers) == UINT64_MAX);
    timers_fini(&table.timers);
    return 0;
}
