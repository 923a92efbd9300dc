#include "emu/adapter_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The document's table of adapters, and today's firmware's (luat_network_adapter.h:92-113). */
static const struct {
    const char *name;
    int doc, current; /* -1: not there */
} expected[] = {
    { "LWIP_GP", 1, 1 },      { "LWIP_STA", 2, 2 },     { "LWIP_AP", 3, 3 },
    { "LWIP_ETH", 4, 4 },     { "ETH0", 5, 17 },        { "USB", 6, 16 },
    { "LWIP_USB", 6, 16 },    { "LWIP_SPI", -1, 5 },    { "LWIP_USER0", 7, 7 },
    { "LWIP_USER1", 8, 8 },   { "LWIP_USER2", 9, 9 },   { "LWIP_USER3", 10, 10 },
    { "LWIP_USER4", 11, 11 }, { "LWIP_USER5", 12, 12 }, { "LWIP_USER6", 13, 13 },
    { "LWIP_USER7", 14, 14 }, { "LWIP_GP_GW", 15, 15 },
};
#define EXPECTED_COUNT (sizeof(expected) / sizeof(expected[0]))

static void names_have_the_numbers_of_both_profiles(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXPECTED_COUNT; i++) {
        int id = adapter_by_name(expected[i].name, strlen(expected[i].name));

        if (id == ADAPTER_NONE)
            fail_msg("%s is missing", expected[i].name);
        assert_int_equal(adapter_number(PROFILE_DOC, (enum adapter_id)id), expected[i].doc);
        assert_int_equal(adapter_number(PROFILE_CURRENT, (enum adapter_id)id), expected[i].current);
    }
}

static void numbers_lead_back_to_their_adapters(void **state)
{
    (void)state;
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        for (int profile = PROFILE_DOC; profile <= PROFILE_CURRENT; profile++) {
            int number = adapter_number((enum profile)profile, (enum adapter_id)id);

            if (number >= 0)
                assert_int_equal(adapter_by_number((enum profile)profile, number), id);
        }
    }
}

static void numbers_that_name_nothing_give_no_adapter(void **state)
{
    static const long long numbers[] = { -1, 0, 18, 19, 1LL << 32 | 1, INT64_MAX, INT64_MIN };

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        assert_int_equal(adapter_by_number(PROFILE_DOC, numbers[i]), ADAPTER_NONE);
        assert_int_equal(adapter_by_number(PROFILE_CURRENT, numbers[i]), ADAPTER_NONE);
    }
    assert_int_equal(adapter_by_number(PROFILE_DOC, 16), ADAPTER_NONE);
    assert_int_equal(adapter_by_number(PROFILE_DOC, 17), ADAPTER_NONE);
    assert_int_equal(adapter_by_number(PROFILE_CURRENT, 6), ADAPTER_NONE);
}

static void a_name_is_taken_whole_and_as_it_is_spelled(void **state)
{
    (void)state;
    assert_int_equal(adapter_by_name("ETH0=host", 4), ADAPTER_ETH0);
    assert_int_equal(adapter_by_name("LWIP_USB", 8), ADAPTER_USB);
    assert_int_equal(adapter_by_name("ETH0", 3), ADAPTER_NONE);
    assert_int_equal(adapter_by_name("eth0", 4), ADAPTER_NONE);
    assert_int_equal(adapter_by_name("", 0), ADAPTER_NONE);
}

static void constants_are_all_names_with_their_numbers(void **state)
{
    const char *name;
    size_t count = 0;
    int number;

    (void)state;
    for (; adapter_constant(PROFILE_CURRENT, count, &name, &number); count++) {
        size_t i = 0;

        while (i < EXPECTED_COUNT && strcmp(expected[i].name, name) != 0)
            i++;
        assert_true(i < EXPECTED_COUNT);
        assert_int_equal(number, expected[i].current);
    }
    assert_int_equal(count, EXPECTED_COUNT);
    assert_false(adapter_constant(PROFILE_DOC, SIZE_MAX, &name, &number));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_have_the_numbers_of_both_profiles),
        cmocka_unit_test(numbers_lead_back_to_their_adapters),
        cmocka_unit_test(numbers_that_name_nothing_give_no_adapter),
        cmocka_unit_test(a_name_is_taken_whole_and_as_it_is_spelled),
        cmocka_unit_test(constants_are_all_names_with_their_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
