#include "emu/vclock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define US_PER_S 1000000

static void virtual_clock_stands_still_until_advanced(void **state)
{
    struct vclock clk;

    (void)state;
    vclock_init(&clk, VCLOCK_MODE_VIRTUAL);
    vclock_refresh(&clk);
    assert_int_equal(clk.now_us, 0);
    vclock_advance(&clk, 1500);
    vclock_refresh(&clk);
    assert_int_equal(clk.now_us, 1500);
}

static void blocking_in_virtual_time_only_moves_the_clock(void **state)
{
    struct vclock clk;

    (void)state;
    vclock_init(&clk, VCLOCK_MODE_VIRTUAL);
    vclock_block(&clk, UINT64_C(3600) * US_PER_S);
    assert_int_equal(clk.now_us, UINT64_C(3600) * US_PER_S);
}

static void virtual_calendar_starts_in_2026_and_follows_the_clock(void **state)
{
    const int64_t start_us = (int64_t)VCLOCK_VIRTUAL_EPOCH_S * US_PER_S;
    struct vclock clk;

    (void)state;
    vclock_init(&clk, VCLOCK_MODE_VIRTUAL);
    assert_true(vclock_wall_us(&clk) == start_us);
    vclock_advance(&clk, 250);
    assert_true(vclock_wall_us(&clk) == start_us + 250);
}

static void setting_the_calendar_leaves_the_clock_and_the_world_alone(void **state)
{
    const int64_t before_1970_us = -5 * US_PER_S;
    struct vclock clk;

    (void)state;
    vclock_init(&clk, VCLOCK_MODE_VIRTUAL);
    vclock_advance(&clk, 7);
    vclock_set_wall(&clk, before_1970_us);
    assert_int_equal(clk.now_us, 7);
    assert_true(vclock_wall_us(&clk) == before_1970_us);
    vclock_advance(&clk, US_PER_S);
    assert_true(vclock_wall_us(&clk) == before_1970_us + US_PER_S);
    assert_true(vclock_world_us(&clk) == (int64_t)(VCLOCK_VIRTUAL_EPOCH_S + 1) * US_PER_S + 7);
}

static void virtual_cpu_time_is_the_clock(void **state)
{
    struct vclock clk;

    (void)state;
    vclock_init(&clk, VCLOCK_MODE_VIRTUAL);
    vclock_advance(&clk, 42);
    assert_int_equal(vclock_cpu_us(&clk), 42);
}

/* The calendar runs on between two readings, the difference to the clock does not. */
static void what_the_hosts_calendar_is_ahead_stays_the_same(void **state)
{
    const int64_t us_per_s = US_PER_S;
    struct vclock clk;
    int64_t ahead_ns;

    (void)state;
    vclock_init(&clk, VCLOCK_MODE_REAL);
    ahead_ns = vclock_host_ahead_ns(&clk);
    vclock_block(&clk, 2000);
    assert_true(vclock_host_ahead_ns(&clk) - ahead_ns < us_per_s * 1000);
    assert_true(ahead_ns - vclock_host_ahead_ns(&clk) < us_per_s * 1000);
    assert_true(ahead_ns / 1000 - vclock_world_us(&clk) < us_per_s);
    assert_true(vclock_world_us(&clk) - ahead_ns / 1000 < us_per_s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(virtual_clock_stands_still_until_advanced),
        cmocka_unit_test(blocking_in_virtual_time_only_moves_the_clock),
        cmocka_unit_test(virtual_calendar_starts_in_2026_and_follows_the_clock),
        cmocka_unit_test(setting_the_calendar_leaves_the_clock_and_the_world_alone),
        cmocka_unit_test(virtual_cpu_time_is_the_clock),
        cmocka_unit_test(what_the_hosts_calendar_is_ahead_stays_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
