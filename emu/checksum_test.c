#include "emu/checksum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* RFC 1071 3: the sum of these is 0xddf2 */
static void it_is_what_the_rfc_says(void **state)
{
    const uint8_t bytes[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

    (void)state;
    assert_int_equal(checksum_add(0, bytes, sizeof(bytes)), 0xddf2);
    assert_int_equal(checksum_end(checksum_add(0, bytes, sizeof(bytes))), 0x220d);
    assert_int_equal(checksum_add(checksum_add(0, bytes, 4), bytes + 4, 4), 0xddf2);
}

static void an_odd_byte_is_the_upper_half_of_a_word(void **state)
{
    const uint8_t bytes[] = { 0x12, 0x34, 0x56 };

    (void)state;
    assert_int_equal(checksum_add(0, bytes, sizeof(bytes)), 0x1234 + 0x5600);
}

static void a_long_sum_does_not_overflow(void **state)
{
    static uint8_t bytes[200000];

    (void)state;
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(checksum_end(checksum_add(0xffff, bytes, sizeof(bytes))), 0);
}

static void it_is_put_as_the_wire_has_it(void **state)
{
    uint8_t bytes[] = { 9, 9, 9 };

    (void)state;
    checksum_put(bytes, 0x1234);
    assert_memory_equal(bytes, "\x12\x34\x09", sizeof(bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_what_the_rfc_says),
        cmocka_unit_test(an_odd_byte_is_the_upper_half_of_a_word),
        cmocka_unit_test(a_long_sum_does_not_overflow),
        cmocka_unit_test(it_is_put_as_the_wire_has_it),
    };

    return cmocka_run_group_tests_name("checksum", tests, NULL, NULL);
}
