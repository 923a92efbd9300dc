#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "adapters/w5500/fake_host.h"
#include "adapters/w5500/w5500.h"
#include "emu/util.h"

#include <cmocka.h>

#define COMMON   W5500_BLOCK_COMMON
#define VERSIONR 0x39
#define SIPR     0x0f
#define GAR      0x01

static int setup(void **state)
{
    static struct host host;

    host_init(&host, NULL);
    *state = &host;
    return 0;
}

static int teardown(void **state)
{
    host_fini(*state);
    return 0;
}

static void the_version_is_4(void **state)
{
    assert_int_equal(host_read8(*state, COMMON, VERSIONR), 0x04);
}

static void miso_of_a_header_is_1_2_3(void **state)
{
    struct host *host = *state;
    const uint8_t mosi[] = { 0x00, VERSIONR, 0x00, 0xaa };
    uint8_t miso[sizeof(mosi)];

    w5500_select(host->chip, true);
    w5500_transfer(host->chip, mosi, miso, sizeof(mosi));
    w5500_select(host->chip, false);
    assert_memory_equal(miso, "\x01\x02\x03\x04", sizeof(miso));
}

static void a_frame_may_come_byte_by_byte_in_its_own_buffer(void **state)
{
    struct host *host = *state;
    uint8_t bytes[] = { 0x00, VERSIONR, 0x00, 0x00 };

    w5500_select(host->chip, true);
    for (size_t i = 0; i < sizeof(bytes); i++)
        w5500_transfer(host->chip, bytes + i, bytes + i, 1);
    w5500_select(host->chip, false);
    assert_memory_equal(bytes, "\x01\x02\x03\x04", sizeof(bytes));
}

static void a_chip_that_is_not_selected_says_nothing(void **state)
{
    struct host *host = *state;
    const uint8_t mosi[] = { 0x00, VERSIONR, 0x00, 0x00 };
    uint8_t miso[sizeof(mosi)];

    w5500_transfer(host->chip, mosi, miso, sizeof(mosi));
    assert_memory_equal(miso, "\xff\xff\xff\xff", sizeof(miso));
}

static void fixed_frames_follow_each_other_without_scsn(void **state)
{
    struct host *host = *state;
    const uint8_t mosi[] = {
        0x00, SIPR,     0x07, 192, 0, 2, 1, /* write 4 */
        0x00, GAR + 2,  0x06, 7,   8,       /* write 2 */
        0x00, 0x1c,     0x05, 9,            /* write 1 */
        0x00, SIPR,     0x03, 0,   0, 0, 0, /* read 4 */
        0x00, VERSIONR, 0x01, 0,            /* read 1 */
    };
    uint8_t miso[sizeof(mosi)];

    w5500_select(host->chip, true);
    w5500_transfer(host->chip, mosi, miso, sizeof(mosi));
    assert_memory_equal(miso, "\1\2\3\0\0\0\0", 7);
    assert_memory_equal(miso + 16, "\1\2\3\xc0\0\2\1\1\2\3\4", 11);
    assert_int_equal(host->accesses_count, 5);
    w5500_select(host->chip, false);
    assert_int_equal(host_read16(host, COMMON, GAR + 2), 0x0708);
    assert_int_equal(host->faults_count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_version_is_4),
        TEST(miso_of_a_header_is_1_2_3),
        TEST(a_frame_may_come_byte_by_byte_in_its_own_buffer),
        TEST(a_chip_that_is_not_selected_says_nothing),
        TEST(fixed_frames_follow_each_other_without_scsn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
