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
#define MR       0x00
#define SIPR     0x0f
#define PHYCFGR  0x2e
#define VERSIONR 0x39
#define LINK     0x01
#define UDP      0x02
#define FAST_US  100000
#define SLOW_US  1500000

static int setup(void **state)
{
    static struct host host;

    host_init(&host, NULL);
    host_set_net(&host);
    *state = &host;
    return 0;
}

static int teardown(void **state)
{
    host_fini(*state);
    return 0;
}

static bool is_linked(struct host *host)
{
    bool pin = !(w5500_pins(host->chip) & W5500_PINS_LINKLED);

    assert_int_equal(host_read8(host, COMMON, PHYCFGR) & LINK, pin);
    return pin;
}

/* The link is down now, and up after @us and not before. */
static void assert_comes_up(struct host *host, uint64_t us)
{
    assert_false(is_linked(host));
    host_run_us(host, us - 1);
    assert_false(is_linked(host));
    host_run_us(host, 1);
    assert_true(is_linked(host));
}

/* ---- link -------------------------------------------------------------------------------------- */

static void the_cable_makes_the_link(void **state)
{
    struct host *host = *state;

    assert_true(is_linked(host));
    host_forget(host);
    w5500_pin_set(host->chip, W5500_PIN_CABLE, false);
    assert_int_equal(host->pins_count, 1);
    assert_false(is_linked(host));
    host_run_us(host, 10 * FAST_US);
    assert_false(is_linked(host));
    w5500_pin_set(host->chip, W5500_PIN_CABLE, true);
    assert_comes_up(host, FAST_US);
    w5500_pin_set(host->chip, W5500_PIN_CABLE, true);
    assert_true(is_linked(host));
}

static void a_cable_that_bounces_makes_no_link(void **state)
{
    struct host *host = *state;

    for (int i = 0; i < 10; i++) {
        w5500_pin_set(host->chip, W5500_PIN_CABLE, false);
        w5500_pin_set(host->chip, W5500_PIN_CABLE, true);
        host_run_us(host, FAST_US / 2);
        assert_false(is_linked(host));
    }
}

static void without_a_link_no_frame_goes_or_comes(void **state)
{
    struct host *host = *state;

    host_open(host, 0, UDP, 7);
    w5500_pin_set(host->chip, W5500_PIN_CABLE, false);
    host_arp(host, 1, HOST_PEER_IP, HOST_IP);
    host_set_destination(host, 0, HOST_PEER_IP, 7);
    host_send(host, 0, "x", 1);
    host_run_us(host, 2000000);
    assert_int_equal(host->frames_count, 0);
    assert_int_equal(host_take_ir(host, 0), 0x08); /* nobody was found */
    assert_int_equal(host_status(host, 0), 0x22);
}

/* Each mode of OPMDC: what the link shows when it is up; 0: it does not come. */
static void modes_are_as_opmdc_says(void **state)
{
    static const uint8_t expected[] = { 1, 5, 3, 7, 3, 0, 0, 7 };
    struct host *host = *state;

    for (unsigned mode = 0; mode < 8; mode++) {
        host_write8(host, COMMON, PHYCFGR, (uint8_t)(0x40 | mode << 3));
        assert_int_equal(host_read8(host, COMMON, PHYCFGR), 0x40 | mode << 3);
        host_write8(host, COMMON, PHYCFGR, (uint8_t)(0xc0 | mode << 3));
        host_run_us(host, FAST_US);
        assert_int_equal(host_read8(host, COMMON, PHYCFGR), 0xc0 | mode << 3 | expected[mode]);
    }
}

static void pins_choose_the_mode_without_opmd(void **state)
{
    struct host *host = *state;

    w5500_pin_set(host->chip, W5500_PIN_PMODE2, false);
    w5500_pin_set(host->chip, W5500_PIN_PMODE1, false);        /* 001: 10 full */
    assert_int_equal(host_read8(host, COMMON, PHYCFGR), 0xbf); /* nothing has changed yet */
    host_write8(host, COMMON, PHYCFGR, 0x38);
    host_write8(host, COMMON, PHYCFGR, 0xb8);
    host_run_us(host, FAST_US);
    assert_int_equal(host_read8(host, COMMON, PHYCFGR), 0xbd);
    w5500_pin_set(host->chip, W5500_PIN_PMODE0, false);
    w5500_pin_set(host->chip, W5500_PIN_PMODE1, true); /* 010: 100 half */
    w5500_pin_set(host->chip, W5500_PIN_RSTN, false);
    host_run_us(host, 1000);
    w5500_pin_set(host->chip, W5500_PIN_RSTN, true);
    host_run_us(host, FAST_US);
    assert_int_equal(host_read8(host, COMMON, PHYCFGR), 0xbb);
}

/* LuatOS writes it back as it read it: the link must not bounce. */
static void writing_it_back_does_nothing(void **state)
{
    struct host *host = *state;

    host_write8(host, COMMON, PHYCFGR, host_read8(host, COMMON, PHYCFGR));
    assert_true(is_linked(host));
    host_write8(host, COMMON, PHYCFGR, 0x40); /* LuatOS's auto_speed begins with 0x78 */
    assert_false(is_linked(host));
    host_write8(host, COMMON, PHYCFGR, 0xf8);
    assert_comes_up(host, FAST_US);
}

/* ---- resets ------------------------------------------------------------------------------------ */

static void rstn_ends_everything_in_silence(void **state)
{
    struct host *host = *state;

    host_open(host, 0, UDP, 7);
    host_set_destination(host, 0, HOST_PEER_IP, 7);
    host_send(host, 0, "x", 1);
    host_forget(host);
    w5500_pin_set(host->chip, W5500_PIN_RSTN, false);
    assert_int_equal(w5500_pins(host->chip),
                     W5500_PINS_INTN | W5500_PINS_LINKLED | W5500_PINS_SCSN);
    assert_int_equal(host_read8(host, COMMON, VERSIONR), 0xff);
    host_arp(host, 1, HOST_PEER_IP, HOST_IP);
    host_run_us(host, 5000000);
    assert_int_equal(host->frames_count, 0);
    w5500_pin_set(host->chip, W5500_PIN_RSTN, true);
    assert_comes_up(host, FAST_US);
    assert_int_equal(host_read8(host, COMMON, VERSIONR), 4);
    assert_int_equal(host_read32(host, COMMON, SIPR), 0);
    assert_int_equal(host_status(host, 0), 0);
    assert_int_equal(host->frames_count, 0);
}

static void mr_rst_leaves_phy_and_memory_alone(void **state)
{
    struct host *host = *state;

    host_write8(host, W5500_BLOCK_TX(1), 9, 0x99);
    host_open(host, 0, UDP, 7);
    host_write8(host, COMMON, PHYCFGR, 0x58);
    host_write8(host, COMMON, PHYCFGR, 0xd8);
    host_run_us(host, FAST_US);
    host_write8(host, COMMON, MR, 0x80);
    assert_true(is_linked(host));
    assert_int_equal(host_read8(host, COMMON, PHYCFGR), 0xdf);
    assert_int_equal(host_read8(host, W5500_BLOCK_TX(1), 9), 0x99);
    assert_int_equal(host_status(host, 0), 0);
    assert_int_equal(host_read32(host, COMMON, SIPR), 0);
}

static void a_reset_that_is_too_short_is_a_fault(void **state)
{
    struct host *host = *state;

    w5500_pin_set(host->chip, W5500_PIN_RSTN, false);
    host_run_us(host, 499);
    w5500_pin_set(host->chip, W5500_PIN_RSTN, true);
    assert_non_null(strstr(host->fault, "499 us"));
    host_forget(host);
    host_run_us(host, 1000);
    assert_int_equal(host_read8(host, COMMON, VERSIONR), 4);
    assert_int_equal(host->faults_count, 0);
}

static void spi_before_the_pll_has_locked_is_a_fault(void **state)
{
    struct host *host = *state;

    w5500_pin_set(host->chip, W5500_PIN_RSTN, false);
    host_run_us(host, 500);
    w5500_pin_set(host->chip, W5500_PIN_RSTN, true);
    host_run_us(host, 999);
    (void)host_read8(host, COMMON, VERSIONR);
    (void)host_read8(host, COMMON, VERSIONR);
    assert_int_equal(host->faults_count, 1);
    assert_non_null(strstr(host->fault, "PLL"));
}

/* As some silicon does: ESP-IDF polls VERSIONR. */
static void with_a_quirk_versionr_is_late(void **state)
{
    const struct w5500_config config = { .quirks.version_late = true };
    struct host host;

    (void)state;
    host_init(&host, &config);
    assert_int_equal(host_read8(&host, COMMON, VERSIONR), 4);
    host_write8(&host, COMMON, MR, 0x80);
    host_run_us(&host, 1999);
    assert_int_equal(host_read8(&host, COMMON, VERSIONR), 0);
    host_run_us(&host, 1);
    assert_int_equal(host_read8(&host, COMMON, VERSIONR), 4);
    host_fini(&host);
}

/* ---- accurate timing ---------------------------------------------------------------------------- */

static void in_accurate_timing_a_link_takes_1500_ms(void **state)
{
    const struct w5500_config config = { .timing = W5500_TIMING_ACCURATE };
    struct host host;

    (void)state;
    host_init(&host, &config);
    assert_true(is_linked(&host));
    w5500_pin_set(host.chip, W5500_PIN_CABLE, false);
    w5500_pin_set(host.chip, W5500_PIN_CABLE, true);
    assert_comes_up(&host, SLOW_US);
    host_fini(&host);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_cable_makes_the_link),
        TEST(a_cable_that_bounces_makes_no_link),
        TEST(without_a_link_no_frame_goes_or_comes),
        TEST(modes_are_as_opmdc_says),
        TEST(pins_choose_the_mode_without_opmd),
        TEST(writing_it_back_does_nothing),
        TEST(rstn_ends_everything_in_silence),
        TEST(mr_rst_leaves_phy_and_memory_alone),
        TEST(a_reset_that_is_too_short_is_a_fault),
        TEST(spi_before_the_pll_has_locked_is_a_fault),
        cmocka_unit_test(with_a_quirk_versionr_is_late),
        cmocka_unit_test(in_accurate_timing_a_link_takes_1500_ms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
