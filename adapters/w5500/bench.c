#include "adapters/w5500/bench.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/w5500/cable.h"
#include "adapters/w5500/faults.h"
#include "emu/log.h"
#include "emu/loop.h"
#include "emu/timer.h"
#include "emu/util.h"
#include "emu/vclock.h"

struct bench {
    struct bench_config config;
    struct w5500 *chip;
    const struct bench_master *master; /* NULL: nobody drives it */
    struct bench_observer *observers;
    struct timer settle; /* what the chip has said in a call of the master's is passed on */
    bool is_settling;    /* it is being passed on */
    struct faults faults;
    unsigned told_pins; /* that the master knows of */
    bool is_observed;   /* bytes are clocked that observers are told of afterwards, */
    bool has_pins;      /* and these then */

    struct cable *cable; /* NULL: none */
    uint8_t frames[CABLE_BATCH_MAX][W5500_FRAME_MAX];
    struct iovec leaving[CABLE_BATCH_MAX];
    unsigned leaving_count;
};

/* ---- what the chip says --------------------------------------------------------------------- */

static void settle_soon(struct bench *bench)
{
    if (!bench->is_settling && !timer_is_running(&bench->settle))
        timer_start(bench->config.timers, &bench->settle, bench->config.clock->now_us);
}

static void on_send(void *ctx, const uint8_t *frame, size_t len)
{
    struct bench *bench = ctx;

    assert(len <= W5500_FRAME_MAX);
    if (!bench->cable) {
        if (bench->config.send)
            bench->config.send(bench->config.ctx, frame, len);
        return;
    }
    if (bench->leaving_count == CABLE_BATCH_MAX)
        bench_flush(bench);
    memcpy(bench->frames[bench->leaving_count], frame, len);
    bench->leaving[bench->leaving_count] =
        (struct iovec){ bench->frames[bench->leaving_count], len };
    bench->leaving_count++;
    settle_soon(bench);
}

static void tell_pins(struct bench *bench)
{
    unsigned pins = w5500_pins(bench->chip);

    bench->has_pins = false;
    for (struct bench_observer *observer = bench->observers; observer; observer = observer->next) {
        if (observer->pins)
            observer->pins(observer, pins);
    }
}

static void on_pins(void *ctx)
{
    struct bench *bench = ctx;

    if (!bench->chip) /* it is being made */
        return;
    bench->has_pins = true;
    if (!bench->is_observed)
        tell_pins(bench);
    settle_soon(bench);
}

static void on_access(void *ctx, const struct w5500_access *access)
{
    const struct bench *bench = ctx;

    for (struct bench_observer *observer = bench->observers; observer; observer = observer->next) {
        if (observer->access)
            observer->access(observer, access);
    }
}

static void on_fault(void *ctx, const char *kind, const char *text)
{
    struct bench *bench = ctx;
    const struct bench_master *master = bench->master;
    const char *where = master && master->where ? master->where(master->ctx) : NULL;
    const char *place = where && !master->is_counting ? where : "";

    where = where ? where : "";
    if (!faults_note(&bench->faults, kind, place, text))
        return;
    log_warn(bench->config.log, where, "w5500: %s", text);
    if (faults_are_over(&bench->faults, kind))
        log_warn(bench->config.log, where, "w5500: (no more of this kind is told)");
}

/* ---- passing it on -------------------------------------------------------------------------- */

static unsigned visible_pins(const struct bench *bench)
{
    return w5500_pins(bench->chip) & ~(unsigned)W5500_PINS_SCSN;
}

void bench_flush(struct bench *bench)
{
    if (!bench->leaving_count)
        return;
    cable_send(bench->cable, bench->leaving, bench->leaving_count);
    bench->leaving_count = 0;
    loop_expect(bench->config.loop);
}

static void settle(struct bench *bench)
{
    const struct bench_master *master = bench->master;
    unsigned pins = visible_pins(bench);

    timer_stop(bench->config.timers, &bench->settle);
    bench->is_settling = true;
    if (pins != bench->told_pins) {
        bench->told_pins = pins;
        if (master && master->pins_changed)
            master->pins_changed(master->ctx);
    }
    bench_flush(bench);
    bench->is_settling = false;
    if (visible_pins(bench) != bench->told_pins)
        settle_soon(bench);
}

static void on_settle(struct timer *timer)
{
    settle(container_of(timer, struct bench, settle));
}

/* ---- the cable ------------------------------------------------------------------------------ */

static void on_frame(void *ctx, const uint8_t *frame, size_t len)
{
    struct bench *bench = ctx;

    w5500_receive(bench->chip, frame, len);
}

static void on_frames_received(void *ctx)
{
    struct bench *bench = ctx;

    settle(bench);
    if (bench->master && bench->master->received)
        bench->master->received(bench->master->ctx);
}

static void on_cable_gone(void *ctx)
{
    bench_set_cable(ctx, false);
}

int bench_connect(struct bench *bench, const struct nets_end *end)
{
    const struct cable_config config = { .loop = bench->config.loop,
                                         .timers = bench->config.timers,
                                         .clock = bench->config.clock,
                                         .receive = on_frame,
                                         .received = on_frames_received,
                                         .gone = on_cable_gone,
                                         .ctx = bench };

    assert(bench->config.loop);
    assert(!bench->cable);
    return cable_open(&bench->cable, end, &config);
}

void bench_receive(struct bench *bench, const uint8_t *frame, size_t len)
{
    w5500_receive(bench->chip, frame, len);
    settle_soon(bench);
}

void bench_set_cable(struct bench *bench, bool is_in)
{
    w5500_pin_set(bench->chip, W5500_PIN_CABLE, is_in);
}

/* ---- who drives the bus --------------------------------------------------------------------- */

void bench_set_master(struct bench *bench, const struct bench_master *master)
{
    bench->master = master;
    bench->told_pins = visible_pins(bench);
}

void bench_select(struct bench *bench, bool is_selected)
{
    w5500_select(bench->chip, is_selected);
    if (!is_selected)
        bench->told_pins = visible_pins(bench); /* which it has seen */
    for (struct bench_observer *observer = bench->observers; observer; observer = observer->next) {
        if (observer->select)
            observer->select(observer, is_selected);
    }
}

static bool has_bit_observer(const struct bench *bench)
{
    for (const struct bench_observer *observer = bench->observers; observer;
         observer = observer->next) {
        if (observer->transfer)
            return true;
    }
    return false;
}

/* Observers want both lines whole, and the master may have only one buffer for both. */
static void transfer_observed(struct bench *bench, const uint8_t *mosi, uint8_t *miso, size_t len)
{
    uint8_t out[W5500_ACCESS_MAX], in[W5500_ACCESS_MAX];

    memset(out, 0, sizeof(out));
    while (len) {
        size_t part = len < sizeof(out) ? len : sizeof(out);

        if (mosi)
            memcpy(out, mosi, part);
        bench->is_observed = true;
        w5500_transfer(bench->chip, out, in, part);
        bench->is_observed = false;
        for (struct bench_observer *observer = bench->observers; observer;
             observer = observer->next) {
            if (observer->transfer)
                observer->transfer(observer, out, in, part);
        }
        if (bench->has_pins)
            tell_pins(bench);
        if (miso)
            memcpy(miso, in, part);
        mosi = mosi ? mosi + part : NULL;
        miso = miso ? miso + part : NULL;
        len -= part;
    }
}

void bench_transfer(struct bench *bench, const uint8_t *mosi, uint8_t *miso, size_t len)
{
    if (has_bit_observer(bench))
        transfer_observed(bench, mosi, miso, len);
    else
        w5500_transfer(bench->chip, mosi, miso, len);
}

void bench_set_pin(struct bench *bench, enum w5500_pin pin, bool level)
{
    w5500_pin_set(bench->chip, pin, level);
}

unsigned bench_pins(const struct bench *bench)
{
    return w5500_pins(bench->chip);
}

void bench_set_clock(struct bench *bench, unsigned hz)
{
    w5500_set_clock(bench->chip, hz);
}

uint64_t bench_ready_us(const struct bench *bench)
{
    return w5500_ready_us(bench->chip);
}

const struct w5500 *bench_chip(const struct bench *bench)
{
    return bench->chip;
}

void bench_observe(struct bench *bench, struct bench_observer *observer)
{
    observer->next = bench->observers;
    bench->observers = observer;
    if (observer->access)
        w5500_observe(bench->chip, on_access);
}

void bench_unobserve(struct bench *bench, struct bench_observer *observer)
{
    struct bench_observer **at = &bench->observers;

    while (*at && *at != observer)
        at = &(*at)->next;
    if (*at)
        *at = observer->next;
}

/* ---- life ----------------------------------------------------------------------------------- */

struct bench *bench_new(const struct bench_config *config)
{
    struct bench *bench = xcalloc(1, sizeof(*bench));
    const struct bench_options *options = &config->options;

    bench->config = *config;
    timer_init(&bench->settle, on_settle);
    bench->chip = w5500_new(&(struct w5500_config){ .clock = config->clock,
                                                    .timers = config->timers,
                                                    .rng = config->rng,
                                                    .quirks = options->quirks,
                                                    .timing = options->timing,
                                                    .scale_percent = options->scale_percent,
                                                    .gap_ns = options->gap_ns,
                                                    .send = on_send,
                                                    .on_pins = on_pins,
                                                    .on_fault = on_fault,
                                                    .ctx = bench });
    bench->told_pins = visible_pins(bench);
    return bench;
}

void bench_free(struct bench *bench)
{
    if (!bench)
        return;
    bench->master = NULL;
    bench->observers = NULL;
    w5500_free(bench->chip);
    if (bench->cable)
        cable_close(bench->cable);
    timer_stop(bench->config.timers, &bench->settle);
    free(bench);
}
