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

static void fixed_frames_may_also_be_single(void **state)
{
    struct host *host = *state;
    const uint8_t mosi[] = { 0x00, SIPR, 0x06, 192, 0 };
    uint8_t miso[sizeof(mosi)];

    w5500_select(host->chip, true);
    w5500_transfer(host->chip, mosi, miso, sizeof(mosi));
    w5500_select(host->chip, false);
    assert_int_equal(host_read32(host, COMMON, SIPR), 0xc0000000);
}

static void clock(struct host *host, const char *bytes, size_t len)
{
    w5500_select(host->chip, true);
    w5500_transfer(host->chip, (const uint8_t *)bytes, NULL, len);
    w5500_select(host->chip, false);
}

static void an_aborted_header_does_nothing(void **state)
{
    struct host *host = *state;

    clock(host, "", 0);
    assert_int_equal(host->faults_count, 0);
    clock(host, "\x00", 1);
    clock(host, "\x00\x0f", 2);
    assert_int_equal(host->faults_count, 2);
    clock(host, "\x00\x0f\x04", 3); /* a whole one, without data */
    assert_int_equal(host->faults_count, 2);
    assert_int_equal(host->accesses_count, 0);
    assert_int_equal(host_read32(host, COMMON, SIPR), 0);
    assert_int_equal(host_read8(host, COMMON, VERSIONR), 4);
}

static void scsn_may_rise_within_a_register(void **state)
{
    struct host *host = *state;

    host_write32(host, COMMON, SIPR, 0x01020304);
    clock(host, "\x00\x0f\x04\xc0\x00", 5);
    assert_int_equal(host_read32(host, COMMON, SIPR), 0xc0000304);
    clock(host, "\x00\x0f\x07\x0a\x0b", 5); /* 4 were promised */
    assert_int_equal(host_read32(host, COMMON, SIPR), 0x0a0b0304);
}

static void a_reserved_block_reads_0_and_is_reported(void **state)
{
    static const uint8_t reserved[] = { 0x04, 0x08, 0x0c, 0x10, 0x14, 0x18, 0x1c };
    struct host *host = *state;

    for (int i = 0; i < ARRAY_LEN(reserved); i++) {
        host_forget(host);
        host_write8(host, reserved[i], 0, 0xff);
        assert_int_equal(host_read8(host, reserved[i], 0), 0);
        assert_true(host->faults_count >= 2);
        assert_non_null(strstr(host->fault, "reserved"));
    }
}

static void addresses_run_on_and_around(void **state)
{
    struct host *host = *state;
    const uint8_t bytes[] = { 0, 0, 0x02, 192, 0, 2, 1 };
    uint8_t read[3];

    host_write(host, COMMON, 0xfffe, bytes, sizeof(bytes));
    assert_int_equal(host_read8(host, COMMON, 0), 0x02);
    assert_int_equal(host_read32(host, COMMON, GAR), 0xc0000201);
    host_read(host, COMMON, 0xffff, read, sizeof(read));
    assert_memory_equal(read, "\0\x02\xc0", sizeof(read));
}

static void selecting_twice_is_selecting_once(void **state)
{
    struct host *host = *state;
    const uint8_t header[] = { 0x00, VERSIONR };
    uint8_t miso[2];

    w5500_select(host->chip, true);
    w5500_transfer(host->chip, header, NULL, sizeof(header));
    w5500_select(host->chip, true);
    w5500_transfer(host->chip, (const uint8_t *)"\0\0", miso, sizeof(miso));
    assert_memory_equal(miso, "\x03\x04", sizeof(miso));
    assert_int_equal(w5500_pins(host->chip) & W5500_PINS_SCSN, 0);
    w5500_select(host->chip, false);
    w5500_select(host->chip, false);
    assert_int_equal(w5500_pins(host->chip) & W5500_PINS_SCSN, W5500_PINS_SCSN);
    assert_int_equal(host->faults_count, 0);
}

static void written_bytes_answer_0_and_memory_may_be_its_own_answer(void **state)
{
    struct host *host = *state;
    uint8_t bytes[] = { 0x00, 0x10, W5500_BLOCK_TX(1) << 3 | 0x04, 0xaa, 0xbb };

    w5500_select(host->chip, true);
    w5500_transfer(host->chip, bytes, bytes, sizeof(bytes));
    w5500_select(host->chip, false);
    assert_memory_equal(bytes, "\1\2\3\0\0", sizeof(bytes));
    assert_int_equal(host_read16(host, W5500_BLOCK_TX(1), 0x10), 0xaabb);
}

/* A number is not torn by what happens between its bytes, within one frame. */
static void the_low_byte_belongs_to_the_high_byte_before_it(void **state)
{
    struct host *host = *state;
    unsigned block = W5500_BLOCK_SOCKET(0);
    const uint8_t header[] = { 0x00, 0x20, 0x08 };
    uint8_t high, low;

    host_write8(host, block, 0x00, 0x02);
    host_write8(host, block, 0x01, 0x01);
    host_write32(host, block, 0x0c, 0xc0000209); /* whom nobody has: SEND ends in 1.8 s */
    host_write16(host, block, 0x24, 0x0101);
    host_write8(host, block, 0x01, 0x20);
    w5500_select(host->chip, true);
    w5500_transfer(host->chip, header, NULL, sizeof(header));
    w5500_transfer(host->chip, NULL, &high, 1);
    assert_int_equal(high, 0x06);
    host_run_us(host, 2000000);
    w5500_transfer(host->chip, NULL, &low, 1);
    assert_int_equal(low, 0xff);
    w5500_select(host->chip, false);
    assert_int_equal(host_read16(host, block, 0x20), 0x0800);
}

static void accesses_are_told_as_they_were(void **state)
{
    struct host *host = *state;
    static const uint8_t data[W5500_ACCESS_MAX + 100] = { 0x42 };

    host_write32(host, COMMON, SIPR, 0xc0000201);
    (void)host_read16(host, W5500_BLOCK_SOCKET(2), 0x20);
    host_write(host, W5500_BLOCK_TX(7), 0x8000, data, sizeof(data));
    assert_int_equal(host->accesses_count, 4);
    assert_true(host->accesses[0].is_write);
    assert_int_equal(host->accesses[0].address, SIPR);
    assert_int_equal(host->accesses[0].len, 4);
    assert_int_equal(host->accesses[0].first, 0xc0);
    assert_false(host->accesses[1].is_write);
    assert_int_equal(host->accesses[1].block, W5500_BLOCK_SOCKET(2));
    assert_int_equal(host->accesses[1].first, 0x08);
    assert_int_equal(host->accesses[2].block, W5500_BLOCK_TX(7));
    assert_int_equal(host->accesses[2].first, 0x42);
    assert_int_equal(host->accesses[3].address, 0x8000 + W5500_ACCESS_MAX);
    assert_int_equal(host->accesses[3].len, 100);
}

static void a_chip_in_reset_answers_nothing_and_forgets_the_frame(void **state)
{
    struct host *host = *state;
    uint8_t miso[4];

    w5500_select(host->chip, true);
    w5500_transfer(host->chip, (const uint8_t *)"\0\x39", NULL, 2);
    w5500_pin_set(host->chip, W5500_PIN_RSTN, false);
    w5500_transfer(host->chip, (const uint8_t *)"\0\0", miso, 2);
    assert_memory_equal(miso, "\xff\xff", 2);
    host_run_us(host, 500);
    w5500_pin_set(host->chip, W5500_PIN_RSTN, true);
    host_run_us(host, 1000);
    w5500_transfer(host->chip, (const uint8_t *)"\0\x39\0\0", miso, 4);
    assert_memory_equal(miso, "\1\2\3\4", 4);
    w5500_select(host->chip, false);
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
        TEST(fixed_frames_may_also_be_single),
        TEST(an_aborted_header_does_nothing),
        TEST(scsn_may_rise_within_a_register),
        TEST(a_reserved_block_reads_0_and_is_reported),
        TEST(addresses_run_on_and_around),
        TEST(selecting_twice_is_selecting_once),
        TEST(written_bytes_answer_0_and_memory_may_be_its_own_answer),
        TEST(the_low_byte_belongs_to_the_high_byte_before_it),
        TEST(accesses_are_told_as_they_were),
        TEST(a_chip_in_reset_answers_nothing_and_forgets_the_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
