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
#define IR       0x15
#define SIPR     0x0f
#define CONFLICT 0x80
#define REQUEST  1
#define REPLY    2
#define UDP      2
#define SENDOK   0x10

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

static void who_asks_for_us_is_answered(void **state)
{
    static const uint8_t expected[W5500_FRAME_MIN] = {
        2, 0, 0, 0, 0, 9, 2, 0,   0, 0, 0, 2, 8, 6, 0, 1, 8, 0,   6, 4, 0,
        2, 2, 0, 0, 0, 0, 2, 192, 0, 2, 2, 2, 0, 0, 0, 0, 9, 192, 0, 2, 9
    };
    struct host *host = *state;

    host_arp(host, REQUEST, HOST_PEER_IP, HOST_IP);
    assert_int_equal(host->frames_count, 1);
    assert_int_equal(host_frame_get(host, 0)->len, W5500_FRAME_MIN);
    assert_memory_equal(host_frame_get(host, 0)->bytes, expected, sizeof(expected));
    assert_int_equal(host_read8(host, COMMON, IR), 0);
}

static void who_asks_for_others_is_not(void **state)
{
    struct host *host = *state;

    host_arp(host, REQUEST, HOST_PEER_IP, HOST_IP + 1);
    host_write32(host, COMMON, SIPR, 0);
    host_arp(host, REQUEST, HOST_PEER_IP, HOST_IP);
    host_arp(host, REQUEST, HOST_PEER_IP, 0);
    assert_int_equal(host->frames_count, 0);
}

/* RFC 5227: who probes has no address yet. */
static void a_probe_for_our_address_is_answered(void **state)
{
    struct host *host = *state;

    host_arp(host, REQUEST, 0, HOST_IP);
    assert_int_equal(host->frames_count, 1);
    assert_int_equal(host_read8(host, COMMON, IR), 0);
}

static void somebody_with_our_address_is_a_conflict(void **state)
{
    struct host *host = *state;

    host_arp(host, REPLY, HOST_IP, HOST_PEER_IP);
    assert_int_equal(host_read8(host, COMMON, IR), CONFLICT);
    host_write8(host, COMMON, IR, CONFLICT);
    host_arp(host, REQUEST, HOST_IP, HOST_IP); /* he announces himself */
    assert_int_equal(host_read8(host, COMMON, IR), CONFLICT);
    host_write8(host, COMMON, IR, 0);
    assert_int_equal(host_read8(host, COMMON, IR), CONFLICT);
    host_write8(host, COMMON, IR, CONFLICT);
    assert_int_equal(host_read8(host, COMMON, IR), 0);
}

static void with_a_quirk_writing_0_clears(void **state)
{
    const struct w5500_config config = { .quirks.ir_write0_clears = true };
    struct host host;

    (void)state;
    host_init(&host, &config);
    host_set_net(&host);
    host_arp(&host, REPLY, HOST_IP, HOST_PEER_IP);
    host_write8(&host, COMMON, IR, 0);
    assert_int_equal(host_read8(&host, COMMON, IR), 0);
    host_fini(&host);
}

/* What a wire or a switch gives back is no conflict. */
static void our_own_frames_are_nobody_elses(void **state)
{
    struct host *host = *state;
    uint8_t frame[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0,   2, 8, 6,
                          0,    1,    8,    0,    6,    4,    0, 1, 2, 0, 0,   0, 0, 2,
                          192,  0,    2,    2,    0,    0,    0, 0, 0, 0, 192, 0, 2, 2 };

    w5500_receive(host->chip, frame, sizeof(frame));
    assert_int_equal(host_read8(host, COMMON, IR), 0);
    assert_int_equal(host->frames_count, 0);
}

/* Each socket asks for itself, and one answer is for all that asked. */
static void one_answer_is_for_every_socket_that_asked(void **state)
{
    struct host *host = *state;

    for (unsigned n = 0; n < 3; n++) {
        host_open(host, n, UDP, (uint16_t)(100 + n));
        host_set_destination(host, n, HOST_PEER_IP + (n == 1), 7);
        host_send(host, n, "x", 1);
    }
    assert_int_equal(host->frames_count, 3);
    host_arp(host, REPLY, HOST_PEER_IP, HOST_IP);
    assert_int_equal(host->frames_count, 5);
    assert_int_equal(host_take_ir(host, 0), SENDOK);
    assert_int_equal(host_take_ir(host, 1), 0);
    assert_int_equal(host_take_ir(host, 2), SENDOK);
}

/* Hardware, protocol and lengths must be Ethernet's and IPv4's; short ones are none. */
static void what_is_no_arp_of_ours_is_dropped(void **state)
{
    static const unsigned places[] = { 14, 15, 16, 17, 18, 19, 20 };
    struct host *host = *state;
    uint8_t frame[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0,   9, 8, 6,
                          0,    1,    8,    0,    6,    4,    0, 1, 2, 0, 0,   0, 0, 9,
                          192,  0,    2,    9,    0,    0,    0, 0, 0, 0, 192, 0, 2, 2 };

    for (int i = 0; i < ARRAY_LEN(places); i++) {
        frame[places[i]] ^= 0x10;
        w5500_receive(host->chip, frame, sizeof(frame));
        frame[places[i]] ^= 0x10;
    }
    w5500_receive(host->chip, frame, 13);
    assert_int_equal(host->frames_count, 0);
    w5500_receive(host->chip, frame, 42); /* TAP does not pad */
    assert_int_equal(host->frames_count, 1);
}

/* A frame that comes while SPI is within one waits for its end. */
static void nothing_happens_within_an_spi_frame(void **state)
{
    struct host *host = *state;
    const uint8_t header[] = { 0, 0, 0 };

    w5500_select(host->chip, true);
    w5500_transfer(host->chip, header, NULL, sizeof(header));
    for (int i = 0; i < 20; i++)
        host_arp(host, REQUEST, HOST_PEER_IP, HOST_IP);
    assert_int_equal(host->frames_count, 0);
    w5500_select(host->chip, false);
    assert_int_equal(host->frames_count, 16); /* that many are held */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(who_asks_for_us_is_answered),
        TEST(who_asks_for_others_is_not),
        TEST(a_probe_for_our_address_is_answered),
        TEST(somebody_with_our_address_is_a_conflict),
        cmocka_unit_test(with_a_quirk_writing_0_clears),
        TEST(our_own_frames_are_nobody_elses),
        TEST(one_answer_is_for_every_socket_that_asked),
        TEST(what_is_no_arp_of_ours_is_dropped),
        TEST(nothing_happens_within_an_spi_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
