#include "emu/limits.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TEXT_MAX 128

static void assert_taken(struct limits *limits, const char *text)
{
    char why[TEXT_MAX];
    const char *wrong = limits_set(limits, text, why, sizeof(why));

    if (wrong)
        fail_msg("%s: %s", text, wrong);
}

static void assert_refused(const char *text)
{
    struct limits limits, before;
    char why[TEXT_MAX];

    limits_init(&limits);
    before = limits;
    if (!limits_set(&limits, text, why, sizeof(why)))
        fail_msg("\"%s\" was taken", text);
    assert_memory_equal(&limits, &before, sizeof(limits));
}

static void every_row_says_what_it_is_and_starts_within_its_bounds(void **state)
{
    (void)state;
    assert_int_equal(limit_rows_count * sizeof(uint64_t), sizeof(struct limits));
    for (size_t i = 0; i < limit_rows_count; i++) {
        const struct limit_row *row = &limit_rows[i];

        assert_in_range(row->value, row->min, row->max);
        assert_true(*row->unit && *row->what && *row->source);
        for (size_t other = 0; other < i; other++) {
            assert_string_not_equal(row->key, limit_rows[other].key);
            assert_int_not_equal(row->offset, limit_rows[other].offset);
        }
    }
}

static void the_defaults_are_those_of_a_module(void **state)
{
    struct limits limits;

    (void)state;
    limits_init(&limits);
    assert_int_equal(limits.sockets, 16);
    assert_int_equal(limits.connect_timeout_ms, 18000);
}

static void every_key_takes_its_least_and_its_greatest(void **state)
{
    struct limits limits;
    char text[TEXT_MAX];

    (void)state;
    limits_init(&limits);
    for (size_t i = 0; i < limit_rows_count; i++) {
        const struct limit_row *row = &limit_rows[i];
        uint64_t value;

        (void)snprintf(text, sizeof(text), "%s=%" PRIu64, row->key, row->min);
        assert_taken(&limits, text);
        memcpy(&value, (const char *)&limits + row->offset, sizeof(value));
        assert_true(value == row->min);
        (void)snprintf(text, sizeof(text), "%s=%" PRIu64, row->key, row->max);
        assert_taken(&limits, text);
        memcpy(&value, (const char *)&limits + row->offset, sizeof(value));
        assert_true(value == row->max);
    }
}

static void beyond_the_bounds_nothing_is_taken(void **state)
{
    char text[TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < limit_rows_count; i++) {
        const struct limit_row *row = &limit_rows[i];

        (void)snprintf(text, sizeof(text), "%s=%" PRIu64, row->key, row->min - 1);
        assert_refused(text);
        (void)snprintf(text, sizeof(text), "%s=%" PRIu64, row->key, row->max + 1);
        assert_refused(text);
    }
}

static void a_number_may_be_hexadecimal(void **state)
{
    struct limits limits;

    (void)state;
    limits_init(&limits);
    assert_taken(&limits, "send_buffer=0x5000");
    assert_int_equal(limits.send_buffer, 20480);
}

static void what_is_no_number_or_no_key_is_refused(void **state)
{
    (void)state;
    assert_refused("");
    assert_refused("sockets");
    assert_refused("sockets=");
    assert_refused("sockets=x");
    assert_refused("sockets=8x");
    assert_refused("sockets=8 ");
    assert_refused("sockets=-1");
    assert_refused("sockets= -1");
    assert_refused("sockets=99999999999999999999999");
    assert_refused("socket=8");
    assert_refused("socketss=8");
    assert_refused("=8");
}

static void the_reason_names_the_bounds(void **state)
{
    struct limits limits;
    char why[TEXT_MAX];

    (void)state;
    limits_init(&limits);
    assert_non_null(
        strstr(limits_set(&limits, "connect_timeout=0", why, sizeof(why)), "from 1 to 3600000"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_says_what_it_is_and_starts_within_its_bounds),
        cmocka_unit_test(the_defaults_are_those_of_a_module),
        cmocka_unit_test(every_key_takes_its_least_and_its_greatest),
        cmocka_unit_test(beyond_the_bounds_nothing_is_taken),
        cmocka_unit_test(a_number_may_be_hexadecimal),
        cmocka_unit_test(what_is_no_number_or_no_key_is_refused),
        cmocka_unit_test(the_reason_names_the_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
