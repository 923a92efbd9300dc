#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "adapters/w5500/fake_host.h"
#include "adapters/w5500/w5500.h"
#include "emu/util.h"

#include <cmocka.h>

#define BLOCK        W5500_BLOCK_SOCKET(1)
#define COMMON       W5500_BLOCK_COMMON
#define PHYCFGR      0x2e
#define SN_CR        0x01
#define SN_SR        0x03
#define OPEN         0x01
#define CLOSE        0x10
#define UDP          0x02
#define SENDOK       0x10
#define ALL          0xffffffff
#define LUATOS_HZ    30000000
#define FRAME_US     123  /* (1514 + 24) * 8 / 100 Mbit/s */
#define FRAME_10_US  1230 /* and / 10 Mbit/s */
#define LUATOS_POLLS 10

static int setup(void **state)
{
    static struct host host;
    const struct w5500_config config = { .timing = W5500_TIMING_ACCURATE, .scale_percent = 1 };

    host_init(&host, &config);
    host_set_net(&host);
    host_run_us(&host, 1000);
    *state = &host;
    return 0;
}

static int teardown(void **state)
{
    host_fini(*state);
    return 0;
}

static void open_udp(struct host *host)
{
    host_open(host, 1, UDP, 7);
    host_run_us(host, 100);
    host_set_destination(host, 1, ALL, 7);
    host_run_us(host, 100);
}

static void bytes_take_their_bits_of_the_clock(void **state)
{
    struct host *host = *state;
    uint8_t bytes[97];

    w5500_set_clock(host->chip, 8000000);
    host_read(host, COMMON, 0, bytes, sizeof(bytes));
    assert_int_equal(w5500_ready_us(host->chip), host->clock.now_us + 100);
    host_read(host, COMMON, 0, bytes, sizeof(bytes)); /* nobody has waited: it comes after */
    assert_int_equal(w5500_ready_us(host->chip), host->clock.now_us + 200);
    host_run_us(host, 1000);
    w5500_set_clock(host->chip, 0); /* 33.3 MHz */
    host_read(host, COMMON, 0, bytes, sizeof(bytes));
    assert_int_equal(w5500_ready_us(host->chip), host->clock.now_us + 25);
}

static void frames_lie_a_gap_apart(void **state)
{
    const struct w5500_config config = { .timing = W5500_TIMING_ACCURATE, .gap_ns = 10000 };
    struct host host;
    uint64_t begin_us;

    (void)state;
    host_init(&host, &config);
    w5500_set_clock(host.chip, 32000000);
    (void)host_read8(&host, COMMON, 0);
    begin_us = w5500_ready_us(host.chip);
    (void)host_read8(&host, COMMON, 0);
    assert_int_equal(w5500_ready_us(host.chip), begin_us + 11);
    host_fini(&host);
}

static void fast_timing_takes_none(void **state)
{
    struct host host;

    (void)state;
    host_init(&host, NULL);
    (void)host_read8(&host, COMMON, 0);
    assert_true(w5500_ready_us(host.chip) <= host.clock.now_us);
    host_fini(&host);
}

/* LuatOS polls ten times, 7 bytes each, and then begins anew: too slow is as wrong as at once. */
static void a_command_is_accepted_after_some_microseconds_of_spi(void **state)
{
    struct host *host = *state;
    unsigned polls = 0;

    w5500_set_clock(host->chip, LUATOS_HZ);
    host_write8(host, BLOCK, 0, UDP);
    host_write8(host, BLOCK, SN_CR, OPEN);
    assert_int_equal(host_read8(host, BLOCK, SN_CR), OPEN);
    assert_int_equal(host_read8(host, BLOCK, SN_SR), 0);
    while (host_read8(host, BLOCK, SN_CR))
        polls++;
    assert_in_range(polls, 1, LUATOS_POLLS - 1);
    assert_int_equal(host_read8(host, BLOCK, SN_SR), 0x22);
}

static void a_command_is_accepted_without_spi_too(void **state)
{
    struct host *host = *state;

    host_write8(host, BLOCK, 0, UDP);
    host_write8(host, BLOCK, SN_CR, OPEN);
    host_run_us(host, 10);
    assert_int_equal(w5500_peek(host->chip, BLOCK, SN_SR), 0x22);
    assert_int_equal(w5500_peek(host->chip, BLOCK, SN_CR), 0);
}

static void a_command_before_the_last_is_accepted_is_a_fault(void **state)
{
    struct host *host = *state;

    host_write8(host, BLOCK, 0, UDP);
    host_write8(host, BLOCK, SN_CR, OPEN);
    host_write8(host, BLOCK, SN_CR, CLOSE);
    assert_non_null(strstr(host->fault, "before Sn_CR is 0"));
    host_run_us(host, 10);
    assert_int_equal(w5500_peek(host->chip, BLOCK, SN_SR), 0x22);
}

/* In fast timing it is over with the frame, and not before. */
static void in_fast_timing_it_is_accepted_with_its_frame(void **state)
{
    struct host host;
    const uint8_t frame[] = { 0, SN_CR, BLOCK << 3 | 0x04, OPEN };

    (void)state;
    host_init(&host, NULL);
    host_write8(&host, BLOCK, 0, UDP);
    w5500_select(host.chip, true);
    w5500_transfer(host.chip, frame, NULL, sizeof(frame));
    assert_int_equal(w5500_peek(host.chip, BLOCK, SN_CR), OPEN);
    w5500_select(host.chip, false);
    assert_int_equal(w5500_peek(host.chip, BLOCK, SN_CR), 0);
    host_fini(&host);
}

/* ---- the wire ---------------------------------------------------------------------------------- */

static void check_wire(struct host *host, uint64_t frame_us)
{
    static const uint8_t data[1472];
    uint64_t begin_us;

    open_udp(host);
    host_forget(host);
    host_send(host, 1, data, sizeof(data));
    host_run_us(host, w5500_ready_us(host->chip) - host->clock.now_us + 4);
    begin_us = host->clock.now_us;
    assert_int_equal(host->frames_count, 0);
    host_run_us(host, frame_us - 1);
    assert_int_equal(w5500_peek(host->chip, BLOCK, 0x02) & SENDOK, 0);
    host_run_us(host, 1);
    assert_int_equal(w5500_peek(host->chip, BLOCK, 0x02) & SENDOK, SENDOK);
    assert_int_equal(host->frames_count, 1);
    assert_in_range(host_frame_get(host, 0)->at_us, begin_us + frame_us - 1, begin_us + frame_us);
}

static void a_frame_leaves_when_its_last_bit_has(void **state)
{
    check_wire(*state, FRAME_US);
}

static void at_10_mbits_it_takes_ten_times_as_long(void **state)
{
    struct host *host = *state;

    host_write8(host, COMMON, PHYCFGR, 0x48);
    host_write8(host, COMMON, PHYCFGR, 0xc8);
    host_run_us(host, 1500000);
    check_wire(host, FRAME_10_US);
}

static void frames_queue_for_the_wire(void **state)
{
    struct host *host = *state;
    static const uint8_t data[2000];
    size_t first;

    open_udp(host);
    host_write16(host, BLOCK, 0x12, 100); /* MSS: 142 bytes, 13.28 us each */
    host_forget(host);
    host_send(host, 1, data, sizeof(data));
    host_run_us(host, 10000);
    assert_int_equal(host->frames_count, 20);
    first = host_frame_get(host, 0)->at_us;
    assert_in_range(host_frame_get(host, 19)->at_us - first, 19 * 1328 / 100 - 1,
                    19 * 1328 / 100 + 1);
}

static void what_waits_is_lost_with_a_reset(void **state)
{
    struct host *host = *state;
    static const uint8_t data[1000];

    open_udp(host);
    host_forget(host);
    host_send(host, 1, data, sizeof(data));
    host_run_us(host, w5500_ready_us(host->chip) - host->clock.now_us + 4);
    host_write8(host, COMMON, 0, 0x80);
    host_run_us(host, 10000);
    assert_int_equal(host->frames_count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(bytes_take_their_bits_of_the_clock),
        cmocka_unit_test(frames_lie_a_gap_apart),
        cmocka_unit_test(fast_timing_takes_none),
        TEST(a_command_is_accepted_after_some_microseconds_of_spi),
        TEST(a_command_is_accepted_without_spi_too),
        TEST(a_command_before_the_last_is_accepted_is_a_fault),
        cmocka_unit_test(in_fast_timing_it_is_accepted_with_its_frame),
        TEST(a_frame_leaves_when_its_last_bit_has),
        TEST(at_10_mbits_it_takes_ten_times_as_long),
        TEST(frames_queue_for_the_wire),
        TEST(what_waits_is_lost_with_a_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
