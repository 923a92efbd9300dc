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
#define INTLEVEL 0x13
#define IR       0x15
#define IMR      0x16
#define SIR      0x17
#define SIMR     0x18
#define SN_IR    0x02
#define SN_IMR   0x2c
#define CONFLICT 0x80
#define SENDOK   0x10
#define RECV     0x04
#define UDP      0x02
#define SEND     0x20
#define PORT     7

static int setup(void **state)
{
    static struct host host;

    host_init(&host, NULL);
    host_set_net(&host);
    for (unsigned n = 0; n < W5500_SOCKETS; n++)
        host_open(&host, n, UDP, (uint16_t)(PORT + n));
    host_forget(&host);
    *state = &host;
    return 0;
}

static int teardown(void **state)
{
    host_fini(*state);
    return 0;
}

static bool is_low(const struct host *host)
{
    return !(w5500_pins(host->chip) & W5500_PINS_INTN);
}

static void get_datagram(struct host *host, unsigned socket)
{
    const struct packet_way way = host_way((uint16_t)(PORT + socket));

    host_udp(host, &way, "x", 1);
}

static void get_conflict(struct host *host)
{
    host_arp(host, 2, HOST_IP, HOST_PEER_IP);
}

/* ---- socket interrupts ------------------------------------------------------------------------- */

static void sir_has_a_bit_for_each_socket(void **state)
{
    struct host *host = *state;

    for (unsigned n = 0; n < W5500_SOCKETS; n++) {
        get_datagram(host, n);
        assert_int_equal(host_read8(host, COMMON, SIR), 1U << n);
        assert_int_equal(host_take_ir(host, n), RECV);
        assert_int_equal(host_read8(host, COMMON, SIR), 0);
    }
    assert_false(is_low(host)); /* SIMR is 0 */
}

/* Sn_IR is set whatever Sn_IMR says: ESP-IDF masks SENDOK and polls it. */
static void sn_imr_hides_from_sir_only(void **state)
{
    struct host *host = *state;

    host_write8(host, COMMON, SIMR, 0xff);
    host_write8(host, W5500_BLOCK_SOCKET(3), SN_IMR, SENDOK);
    get_datagram(host, 3);
    assert_int_equal(host_read8(host, W5500_BLOCK_SOCKET(3), SN_IR), RECV);
    assert_int_equal(host_read8(host, COMMON, SIR), 0);
    assert_false(is_low(host));
    host_write8(host, W5500_BLOCK_SOCKET(3), SN_IMR, RECV);
    assert_int_equal(host_read8(host, COMMON, SIR), 0x08);
    assert_true(is_low(host));
}

static void simr_enables_intn_for_a_socket(void **state)
{
    struct host *host = *state;

    host_write8(host, COMMON, SIMR, 0x02);
    get_datagram(host, 0);
    assert_false(is_low(host));
    get_datagram(host, 1);
    assert_true(is_low(host));
    host_write8(host, COMMON, SIMR, 0);
    assert_false(is_low(host));
}

static void bits_clear_one_by_one(void **state)
{
    struct host *host = *state;

    host_set_destination(host, 2, 0xffffffff, 7);
    host_send(host, 2, "x", 1);
    get_datagram(host, 2);
    assert_int_equal(host_read8(host, W5500_BLOCK_SOCKET(2), SN_IR), SENDOK | RECV);
    host_write8(host, W5500_BLOCK_SOCKET(2), SN_IR, 0);
    assert_int_equal(host_read8(host, W5500_BLOCK_SOCKET(2), SN_IR), SENDOK | RECV);
    host_write8(host, W5500_BLOCK_SOCKET(2), SN_IR, SENDOK);
    assert_int_equal(host_read8(host, W5500_BLOCK_SOCKET(2), SN_IR), RECV);
    host_write8(host, W5500_BLOCK_SOCKET(2), SN_IR, 0xff);
    assert_int_equal(host_read8(host, W5500_BLOCK_SOCKET(2), SN_IR), 0);
}

/* ---- INTn -------------------------------------------------------------------------------------- */

static void intn_stays_low_until_nothing_is_pending(void **state)
{
    struct host *host = *state;

    host_write8(host, COMMON, SIMR, 0xff);
    host_write8(host, COMMON, IMR, CONFLICT);
    host_forget(host);
    get_datagram(host, 0);
    get_datagram(host, 5);
    get_conflict(host);
    assert_true(is_low(host));
    assert_int_equal(host->pins_count, 1);
    (void)host_take_ir(host, 0);
    assert_true(is_low(host));
    (void)host_take_ir(host, 5);
    assert_true(is_low(host));
    host_write8(host, COMMON, IR, CONFLICT);
    assert_false(is_low(host));
    assert_int_equal(host->pins_count, 2);
}

static void imr_enables_intn_for_ir(void **state)
{
    struct host *host = *state;

    get_conflict(host);
    assert_int_equal(host_read8(host, COMMON, IR), CONFLICT);
    assert_false(is_low(host));
    host_write8(host, COMMON, IMR, CONFLICT);
    assert_true(is_low(host));
    host_write8(host, COMMON, IMR, 0x70);
    assert_false(is_low(host));
}

/* IAWT: (INTLEVEL + 1) * 4 / 150 MHz; 0xffff is 1.747 ms. */
static void check_wait(struct host *host, uint16_t level, uint64_t wait_us)
{
    host_write16(host, COMMON, INTLEVEL, level);
    get_datagram(host, 0);
    assert_true(is_low(host));
    host_write8(host, W5500_BLOCK_SOCKET(0), SN_IR, RECV);
    assert_false(is_low(host));
    get_datagram(host, 0);
    if (wait_us) {
        assert_false(is_low(host));
        host_run_us(host, wait_us - 1);
        assert_false(is_low(host));
        host_run_us(host, 1);
    }
    assert_true(is_low(host));
    host_write8(host, W5500_BLOCK_SOCKET(0), SN_IR, RECV);
    host_run_us(host, 10000);
    assert_false(is_low(host));
}

static void intlevel_holds_intn_high(void **state)
{
    struct host *host = *state;

    host_write8(host, COMMON, SIMR, 0xff);
    check_wait(host, 0x0000, 0);
    check_wait(host, 0x1000, 109);
    check_wait(host, 0xffff, 1747);
}

static void what_is_cleared_while_it_waits_is_gone(void **state)
{
    struct host *host = *state;

    host_write8(host, COMMON, SIMR, 0xff);
    host_write16(host, COMMON, INTLEVEL, 0xffff);
    get_datagram(host, 0);
    (void)host_take_ir(host, 0);
    host_forget(host);
    get_datagram(host, 0);
    (void)host_take_ir(host, 0);
    host_run_us(host, 10000);
    assert_false(is_low(host));
    assert_int_equal(host->pins_count, 0);
}

static void a_reset_releases_intn(void **state)
{
    struct host *host = *state;

    host_write8(host, COMMON, SIMR, 0xff);
    get_datagram(host, 0);
    assert_true(is_low(host));
    host_write8(host, COMMON, MR, 0x80);
    assert_false(is_low(host));
    assert_int_equal(host_read8(host, W5500_BLOCK_SOCKET(0), SN_IR), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(sir_has_a_bit_for_each_socket),
        TEST(sn_imr_hides_from_sir_only),
        TEST(simr_enables_intn_for_a_socket),
        TEST(bits_clear_one_by_one),
        TEST(intn_stays_low_until_nothing_is_pending),
        TEST(imr_enables_intn_for_ir),
        TEST(intlevel_holds_intn_high),
        TEST(what_is_cleared_while_it_waits_is_gone),
        TEST(a_reset_releases_intn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
