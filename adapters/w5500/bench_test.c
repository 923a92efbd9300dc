#include "adapters/w5500/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "emu/log.h"
#include "emu/rng.h"
#include "emu/timer.h"
#include "emu/trace.h"
#include "emu/util.h"
#include "emu/vclock.h"

#include <cmocka.h>

#define VERSIONR    0x39
#define LINK_UP_US  100000
#define RSTN_LOW_US 500 /* datasheet 5.5.1 */
#define READ        0x00
#define HEADER_LEN  3

struct fixture {
    struct vclock clock;
    struct timers timers;
    struct rng rng;
    struct trace trace;
    struct log log; /* which goes nowhere */
    struct bench *bench;
    struct bench_master master;
    struct bench_observer observer;
    bool is_transferring;
    unsigned pins_changed, selects, accesses, bytes;
    uint8_t accessed;
};

static void on_pins_changed(void *ctx)
{
    struct fixture *fixture = ctx;

    assert_false(fixture->is_transferring);
    fixture->pins_changed++;
}

static void on_select(struct bench_observer *observer, bool is_selected)
{
    (void)is_selected;
    container_of(observer, struct fixture, observer)->selects++;
}

static void on_transfer(struct bench_observer *observer, const uint8_t *mosi, const uint8_t *miso,
                        size_t len)
{
    struct fixture *fixture = container_of(observer, struct fixture, observer);

    assert_non_null(mosi);
    assert_non_null(miso);
    fixture->bytes += (unsigned)len;
}

static void on_access(struct bench_observer *observer, const struct w5500_access *access)
{
    struct fixture *fixture = container_of(observer, struct fixture, observer);

    fixture->accesses++;
    fixture->accessed = access->bytes[0];
}

static int setup(void **state)
{
    static struct fixture fixture;

    fixture = (struct fixture){ .master = { .pins_changed = on_pins_changed, .ctx = &fixture } };
    vclock_init(&fixture.clock, VCLOCK_MODE_VIRTUAL);
    timers_init(&fixture.timers);
    rng_init(&fixture.rng, 1);
    trace_init(&fixture.trace, &fixture.clock, -1);
    log_init(&fixture.log, &(struct log_config){ .clock = &fixture.clock,
                                                 .trace = &fixture.trace,
                                                 .module_fd = -1,
                                                 .voice_fd = -1 });
    fixture.bench = bench_new(&(struct bench_config){ .timers = &fixture.timers,
                                                      .clock = &fixture.clock,
                                                      .rng = &fixture.rng,
                                                      .log = &fixture.log });
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    bench_free(fixture->bench);
    timers_fini(&fixture->timers);
    return 0;
}

static void run_us(struct fixture *fixture, uint64_t us)
{
    vclock_advance(&fixture->clock, us);
    (void)timers_run(&fixture->timers, fixture->clock.now_us);
    (void)timers_run(&fixture->timers, fixture->clock.now_us);
}

static uint8_t read_version(struct fixture *fixture)
{
    const uint8_t header[HEADER_LEN] = { 0, VERSIONR, READ };
    uint8_t version;

    fixture->is_transferring = true;
    bench_select(fixture->bench, true);
    bench_transfer(fixture->bench, header, NULL, sizeof(header));
    bench_transfer(fixture->bench, NULL, &version, 1);
    bench_select(fixture->bench, false);
    fixture->is_transferring = false;
    return version;
}

static void its_master_reads_the_chip(void **state)
{
    assert_int_equal(read_version(*state), 4);
}

static void its_master_is_told_once_of_pins(void **state)
{
    struct fixture *fixture = *state;

    bench_set_master(fixture->bench, &fixture->master);
    run_us(fixture, LINK_UP_US);
    assert_int_equal(fixture->pins_changed, 1);
    assert_false(bench_pins(fixture->bench) & W5500_PINS_LINKLED);
    bench_set_cable(fixture->bench, false);
    bench_set_cable(fixture->bench, true);
    assert_int_equal(fixture->pins_changed, 1);
    run_us(fixture, 0);
    assert_int_equal(fixture->pins_changed, 2);
}

/* What has changed, and changed back before anybody could look, was nothing. */
static void pins_that_are_as_before_are_no_news(void **state)
{
    struct fixture *fixture = *state;

    bench_set_master(fixture->bench, &fixture->master);
    bench_set_pin(fixture->bench, W5500_PIN_RSTN, false);
    vclock_advance(&fixture->clock, RSTN_LOW_US);
    bench_set_pin(fixture->bench, W5500_PIN_RSTN, true);
    run_us(fixture, 0);
    assert_int_equal(fixture->pins_changed, 0);
}

/* What the master sees when it transfers is what the next change is a change from. */
static void pins_that_change_again_after_a_transfer_are_news(void **state)
{
    struct fixture *fixture = *state;

    bench_set_master(fixture->bench, &fixture->master);
    bench_set_pin(fixture->bench, W5500_PIN_RSTN, false);
    assert_int_equal(read_version(fixture), 0xff);
    vclock_advance(&fixture->clock, RSTN_LOW_US);
    bench_set_pin(fixture->bench, W5500_PIN_RSTN, true);
    run_us(fixture, 0);
    assert_int_equal(fixture->pins_changed, 1);
}

static void who_looks_on_sees_frames_and_accesses(void **state)
{
    struct fixture *fixture = *state;

    fixture->observer = (struct bench_observer){ .select = on_select,
                                                 .transfer = on_transfer,
                                                 .access = on_access };
    bench_observe(fixture->bench, &fixture->observer);
    assert_int_equal(read_version(fixture), 4);
    assert_int_equal(fixture->selects, 2);
    assert_int_equal(fixture->bytes, HEADER_LEN + 1);
    assert_int_equal(fixture->accesses, 1);
    assert_int_equal(fixture->accessed, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(its_master_reads_the_chip, setup, teardown),
        cmocka_unit_test_setup_teardown(its_master_is_told_once_of_pins, setup, teardown),
        cmocka_unit_test_setup_teardown(pins_that_are_as_before_are_no_news, setup, teardown),
        cmocka_unit_test_setup_teardown(pins_that_change_again_after_a_transfer_are_news, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(who_looks_on_sees_frames_and_accesses, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
