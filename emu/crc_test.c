#include "emu/crc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char check_text[] = "123456789"; /* Williams, 15: what a model's "check" is of */

static uint32_t check_of(const struct crc_model *model)
{
    return crc_compute(model, check_text, strlen(check_text));
}

/* The checks are those of Greg Cook's catalogue of parametrised CRC algorithms. */
static void models_of_16_bits_have_their_check_values(void **state)
{
    static const struct {
        const char *name;
        uint32_t check;
    } rows[] = {
        { "IBM", 0xbb3d },    { "MAXIM", 0x44c2 },  { "USB", 0xb4c8 },
        { "MODBUS", 0x4b37 }, { "CCITT", 0x2189 },  { "CCITT-FALSE", 0x29b1 },
        { "X25", 0x906e },    { "XMODEM", 0x31c3 }, { "DNP", 0xea82 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct crc_model *model = crc16_model(rows[i].name);

        assert_non_null(model);
        assert_int_equal(check_of(model), rows[i].check);
    }
    assert_null(crc16_model("modbus"));
}

static void other_widths_have_their_check_values(void **state)
{
    static const struct crc_model crc32 = { 32, 0x04c11db7, UINT32_MAX, UINT32_MAX, true, true };
    static const struct crc_model crc8 = { 8, 0x07, 0, 0, false, false };
    static const struct crc_model crc7 = { 7, 0x09, 0, 0, false, false };

    (void)state;
    assert_int_equal(check_of(&crc32), 0xcbf43926);
    assert_int_equal(check_of(&crc8), 0xf4);
    assert_int_equal(check_of(&crc7), 0x75);
}

static void nothing_has_the_initial_value(void **state)
{
    static const struct crc_model model = { 16, 0x1021, 0x1234, 0xff00, false, false };

    (void)state;
    assert_int_equal(crc_compute(&model, NULL, 0), 0x1234 ^ 0xff00);
}

static void bits_are_reflected_within_the_width(void **state)
{
    (void)state;
    assert_int_equal(crc_reflect(0x1, 8), 0x80);
    assert_int_equal(crc_reflect(0x13, 5), 0x19);
    assert_int_equal(crc_reflect(0x80000001, 32), 0x80000001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_of_16_bits_have_their_check_values),
        cmocka_unit_test(other_widths_have_their_check_values),
        cmocka_unit_test(nothing_has_the_initial_value),
        cmocka_unit_test(bits_are_reflected_within_the_width),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
