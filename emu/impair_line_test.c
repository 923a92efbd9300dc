#include "emu/impair_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/rng.h"

#include <cmocka.h>

#define MANY 1000

static void nothing_leaves_before_its_time(void **state)
{
    struct impair_line line;
    struct impair_item item;

    (void)state;
    impair_line_init(&line);
    assert_true(impair_line_next_us(&line) == UINT64_MAX);
    impair_line_put(&line, &item, 100, false);
    assert_true(impair_line_next_us(&line) == 100);
    assert_null(impair_line_take(&line, 99));
    assert_ptr_equal(impair_line_take(&line, 100), &item);
    assert_null(impair_line_take(&line, 1000));
    impair_line_fini(&line);
}

static void many_leave_by_time_and_those_of_one_time_as_they_came(void **state)
{
    struct impair_item items[MANY], *before = NULL, *item;
    struct impair_line line;
    struct rng rng;
    int count = 0;

    (void)state;
    impair_line_init(&line);
    rng_init(&rng, 1);
    for (int i = 0; i < MANY; i++)
        impair_line_put(&line, &items[i], rng_below(&rng, MANY / 4), false);
    while ((item = impair_line_take(&line, MANY))) {
        if (before) {
            assert_true(item->at_us >= before->at_us);
            assert_true(item->at_us > before->at_us || item > before);
        }
        before = item;
        count++;
    }
    assert_int_equal(count, MANY);
    impair_line_fini(&line);
}

static void one_that_overtakes_others_leaves_in_front_of_them(void **state)
{
    struct impair_item slow[2], fast[2];
    struct impair_line line;

    (void)state;
    impair_line_init(&line);
    impair_line_put(&line, &slow[0], 100, false);
    impair_line_put(&line, &fast[0], 50, false);
    impair_line_put(&line, &slow[1], 100, false);
    impair_line_put(&line, &fast[1], 60, false);
    assert_true(impair_line_next_us(&line) == 50);
    assert_ptr_equal(impair_line_take(&line, 55), &fast[0]);
    assert_null(impair_line_take(&line, 55));
    assert_ptr_equal(impair_line_take(&line, 100), &fast[1]);
    assert_ptr_equal(impair_line_take(&line, 100), &slow[0]);
    impair_line_put(&line, &fast[0], 100, false); /* it came after the other of that time */
    assert_ptr_equal(impair_line_take(&line, 100), &slow[1]);
    assert_ptr_equal(impair_line_take(&line, 100), &fast[0]);
    assert_true(impair_line_next_us(&line) == UINT64_MAX);
    impair_line_fini(&line);
}

static void a_late_one_leaves_after_the_next(void **state)
{
    struct impair_item late, next, third;
    struct impair_line line;

    (void)state;
    impair_line_init(&line);
    impair_line_put(&line, &late, 10, true);
    impair_line_put(&line, &next, 20, false);
    impair_line_put(&line, &third, 20, false);
    assert_null(impair_line_take(&line, 19));
    assert_ptr_equal(impair_line_take(&line, 20), &next);
    assert_ptr_equal(impair_line_take(&line, 20), &late);
    assert_ptr_equal(impair_line_take(&line, 20), &third);
    impair_line_fini(&line);
}

static void of_two_late_ones_the_second_goes_first(void **state)
{
    struct impair_item a, b;
    struct impair_line line;

    (void)state;
    impair_line_init(&line);
    impair_line_put(&line, &a, 10, true);
    impair_line_put(&line, &b, 10, true);
    assert_ptr_equal(impair_line_take(&line, 10), &b);
    assert_ptr_equal(impair_line_take(&line, 10), &a);
    impair_line_fini(&line);
}

static void a_late_one_does_not_wait_for_ever(void **state)
{
    struct impair_line line;
    struct impair_item late;

    (void)state;
    impair_line_init(&line);
    impair_line_put(&line, &late, 10, true);
    assert_true(impair_line_next_us(&line) == 10 + IMPAIR_LATE_US);
    assert_null(impair_line_take(&line, 10 + IMPAIR_LATE_US - 1));
    assert_ptr_equal(impair_line_take(&line, 10 + IMPAIR_LATE_US), &late);
    assert_true(impair_line_next_us(&line) == UINT64_MAX);
    impair_line_fini(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_leaves_before_its_time),
        cmocka_unit_test(many_leave_by_time_and_those_of_one_time_as_they_came),
        cmocka_unit_test(one_that_overtakes_others_leaves_in_front_of_them),
        cmocka_unit_test(a_late_one_leaves_after_the_next),
        cmocka_unit_test(of_two_late_ones_the_second_goes_first),
        cmocka_unit_test(a_late_one_does_not_wait_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
