#include "emu/timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "emu/rng.h"
#include "emu/util.h"

#include <cmocka.h>

#define NAMES_MAX 256

/* What fired, in order, by name. */
struct record {
    char names[NAMES_MAX];
    size_t count;
};

struct probe {
    struct timer timer;
    struct timers *timers;
    struct record *record;
    char name;
    struct timer *stops;  /* its function stops this one */
    struct timer *starts; /* and starts this one, at @starts_us */
    uint64_t starts_us;
};

static void fire(struct timer *timer)
{
    struct probe *probe = container_of(timer, struct probe, timer);

    assert_true(probe->record->count < NAMES_MAX - 1);
    assert_false(timer_is_running(timer));
    probe->record->names[probe->record->count++] = probe->name;
    if (probe->stops)
        timer_stop(probe->timers, probe->stops);
    if (probe->starts)
        timer_start(probe->timers, probe->starts, probe->starts_us);
}

static void probe_init(struct probe *probe, struct timers *timers, struct record *record, char name)
{
    *probe = (struct probe){ .timers = timers, .record = record, .name = name };
    timer_init(&probe->timer, fire);
}

/* Probes named a, b, c... */
static void probes_init(struct probe *probes, int count, struct timers *timers,
                        struct record *record)
{
    *record = (struct record){ 0 };
    timers_init(timers);
    for (int i = 0; i < count; i++)
        probe_init(&probes[i], timers, record, (char)('a' + i));
}

static void timers_fire_in_the_order_of_their_deadlines(void **state)
{
    struct probe probes[3];
    struct record record;
    struct timers timers;

    (void)state;
    probes_init(probes, 3, &timers, &record);
    timer_start(&timers, &probes[0].timer, 30);
    timer_start(&timers, &probes[1].timer, 10);
    timer_start(&timers, &probes[2].timer, 20);
    assert_int_equal(timers_next_us(&timers), 10);
    assert_int_equal(timers_run(&timers, 30), 3);
    assert_string_equal(record.names, "bca");
    timers_fini(&timers);
}

static void equal_deadlines_fire_in_the_order_of_their_starts(void **state)
{
    struct probe probes[8];
    struct record record;
    struct timers timers;

    (void)state;
    probes_init(probes, 8, &timers, &record);
    for (int i = 0; i < 8; i++)
        timer_start(&timers, &probes[i].timer, 5);
    timer_start(&timers, &probes[0].timer, 5); /* started anew: last in line */
    assert_int_equal(timers_run(&timers, 5), 8);
    assert_string_equal(record.names, "bcdefgha");
    timers_fini(&timers);
}

static void a_timer_waits_until_its_time_has_come(void **state)
{
    struct probe probes[1];
    struct record record;
    struct timers timers;

    (void)state;
    probes_init(probes, 1, &timers, &record);
    timer_start(&timers, &probes[0].timer, 100);
    assert_int_equal(timers_run(&timers, 99), 0);
    assert_true(timer_is_running(&probes[0].timer));
    assert_int_equal(timers_run(&timers, 100), 1);
    assert_false(timer_is_running(&probes[0].timer));
    assert_int_equal(timers_run(&timers, 1000), 0);
    timers_fini(&timers);
}

static void starting_a_running_timer_moves_it(void **state)
{
    struct probe probes[2];
    struct record record;
    struct timers timers;

    (void)state;
    probes_init(probes, 2, &timers, &record);
    timer_start(&timers, &probes[0].timer, 10);
    timer_start(&timers, &probes[1].timer, 20);
    timer_start(&timers, &probes[0].timer, 30);
    assert_int_equal(timers_next_us(&timers), 20);
    assert_int_equal(timers_run(&timers, 30), 2);
    assert_string_equal(record.names, "ba");
    timers_fini(&timers);
}

static void a_stopped_timer_does_not_fire_and_can_be_stopped_again(void **state)
{
    struct probe probes[2];
    struct record record;
    struct timers timers;

    (void)state;
    probes_init(probes, 2, &timers, &record);
    timer_stop(&timers, &probes[0].timer);
    timer_start(&timers, &probes[0].timer, 1);
    timer_start(&timers, &probes[1].timer, 2);
    timer_stop(&timers, &probes[0].timer);
    timer_stop(&timers, &probes[0].timer);
    assert_int_equal(timers_run(&timers, 9), 1);
    assert_string_equal(record.names, "b");
    assert_int_equal(timers_next_us(&timers), UINT64_MAX);
    timers_fini(&timers);
}

static void a_timer_that_starts_itself_waits_for_the_next_turn(void **state)
{
    struct probe probes[1];
    struct record record;
    struct timers timers;

    (void)state;
    probes_init(probes, 1, &timers, &record);
    probes[0].starts = &probes[0].timer;
    probes[0].starts_us = 0; /* long due */
    timer_start(&timers, &probes[0].timer, 10);
    assert_int_equal(timers_run(&timers, 10), 1);
    assert_int_equal(timers_run(&timers, 10), 1);
    assert_string_equal(record.names, "aa");
    timers_fini(&timers);
}

static void a_timer_may_stop_one_that_is_due_in_the_same_turn(void **state)
{
    struct probe probes[3];
    struct record record;
    struct timers timers;

    (void)state;
    probes_init(probes, 3, &timers, &record);
    probes[0].stops = &probes[1].timer;
    for (int i = 0; i < 3; i++)
        timer_start(&timers, &probes[i].timer, 10);
    assert_int_equal(timers_run(&timers, 10), 2);
    assert_string_equal(record.names, "ac");
    assert_false(timer_is_running(&probes[1].timer));
    timers_fini(&timers);
}

static void a_timer_may_put_off_one_that_is_due_in_the_same_turn(void **state)
{
    struct probe probes[2];
    struct record record;
    struct timers timers;

    (void)state;
    probes_init(probes, 2, &timers, &record);
    probes[0].starts = &probes[1].timer;
    probes[0].starts_us = 20;
    timer_start(&timers, &probes[0].timer, 10);
    timer_start(&timers, &probes[1].timer, 10);
    assert_int_equal(timers_run(&timers, 10), 1);
    assert_true(timer_is_running(&probes[1].timer));
    assert_int_equal(timers_run(&timers, 20), 1);
    assert_string_equal(record.names, "ab");
    timers_fini(&timers);
}

static void free_probe(struct timer *timer)
{
    free(container_of(timer, struct probe, timer));
}

static void a_timer_may_free_itself(void **state)
{
    struct probe *probe = xcalloc(1, sizeof(*probe));
    struct timers timers;

    (void)state;
    timers_init(&timers);
    timer_init(&probe->timer, free_probe);
    timer_start(&timers, &probe->timer, 1);
    assert_int_equal(timers_run(&timers, 1), 1);
    timers_fini(&timers);
}

/* Against the plainest of models: the earliest of a list, by deadline and start. */
static void any_order_of_starts_and_stops_fires_by_deadline_and_start(void **state)
{
    enum { COUNT = 40, STEPS = 400 };
    struct probe probes[COUNT];
    uint64_t order[COUNT] = { 0 }; /* when it was started; 0: it is not */
    struct record record;
    struct timers timers;
    struct rng rng;

    (void)state;
    rng_init(&rng, 3);
    probes_init(probes, COUNT, &timers, &record);
    for (uint64_t step = 1; step <= STEPS; step++) {
        uint32_t i = rng_below(&rng, COUNT);

        if (rng_below(&rng, 4)) {
            timer_start(&timers, &probes[i].timer, rng_below(&rng, 16));
            order[i] = step;
        } else {
            timer_stop(&timers, &probes[i].timer);
            order[i] = 0;
        }
    }
    (void)timers_run(&timers, 16);
    for (size_t at = 0; at < record.count; at++) {
        int first = -1;

        for (int i = 0; i < COUNT; i++) {
            if (!order[i])
                continue;
            if (first < 0 || probes[i].timer.due_us < probes[first].timer.due_us ||
                (probes[i].timer.due_us == probes[first].timer.due_us && order[i] < order[first]))
                first = i;
        }
        assert_true(first >= 0);
        assert_int_equal(record.names[at], probes[first].name);
        order[first] = 0;
    }
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(order[i], 0);
    timers_fini(&timers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_the_order_of_their_deadlines),
        cmocka_unit_test(equal_deadlines_fire_in_the_order_of_their_starts),
        cmocka_unit_test(a_timer_waits_until_its_time_has_come),
        cmocka_unit_test(starting_a_running_timer_moves_it),
        cmocka_unit_test(a_stopped_timer_does_not_fire_and_can_be_stopped_again),
        cmocka_unit_test(a_timer_that_starts_itself_waits_for_the_next_turn),
        cmocka_unit_test(a_timer_may_stop_one_that_is_due_in_the_same_turn),
        cmocka_unit_test(a_timer_may_put_off_one_that_is_due_in_the_same_turn),
        cmocka_unit_test(a_timer_may_free_itself),
        cmocka_unit_test(any_order_of_starts_and_stops_fires_by_deadline_and_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
