#include "emu/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void equal_seeds_give_equal_numbers(void **state)
{
    struct rng a, b;

    (void)state;
    rng_init(&a, 7);
    rng_init(&b, 7);
    for (int i = 0; i < 1000; i++)
        assert_true(rng_next(&a) == rng_next(&b));
}

/* The published sequence for seed 1234567 (Vigna, splitmix64.c; Rosetta Code lists it). */
static void numbers_are_those_of_splitmix64(void **state)
{
    static const uint64_t expected[] = {
        UINT64_C(6457827717110365317),  UINT64_C(3203168211198807973),
        UINT64_C(9817491932198370423),  UINT64_C(4593380528125082431),
        UINT64_C(16408922859458223821),
    };
    struct rng rng;

    (void)state;
    rng_init(&rng, 1234567);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        assert_true(rng_next(&rng) == expected[i]);
}

static void numbers_below_a_bound_cover_it_and_stay_below(void **state)
{
    unsigned seen[6] = { 0 };
    struct rng rng;

    (void)state;
    rng_init(&rng, 1);
    for (int i = 0; i < 6000; i++) {
        uint32_t number = rng_below(&rng, 6);

        assert_true(number < 6);
        seen[number]++;
    }
    for (int i = 0; i < 6; i++)
        assert_in_range(seen[i], 800, 1200); /* 1000 each, and 200 are seven deviations */
}

static void below_one_is_always_nought_and_the_greatest_bound_works(void **state)
{
    struct rng rng;
    bool above_half = false;

    (void)state;
    rng_init(&rng, 2);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(rng_below(&rng, 1), 0);
        above_half = above_half || rng_below(&rng, UINT32_MAX) > UINT32_MAX / 2;
    }
    assert_true(above_half);
}

static void a_random_seed_can_be_used_again(void **state)
{
    struct rng first, again;
    uint64_t seed;

    (void)state;
    seed = rng_init_random(&first);
    assert_true(seed <= UINT32_MAX);
    rng_init(&again, seed);
    assert_true(rng_next(&first) == rng_next(&again));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_seeds_give_equal_numbers),
        cmocka_unit_test(numbers_are_those_of_splitmix64),
        cmocka_unit_test(numbers_below_a_bound_cover_it_and_stay_below),
        cmocka_unit_test(below_one_is_always_nought_and_the_greatest_bound_works),
        cmocka_unit_test(a_random_seed_can_be_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
