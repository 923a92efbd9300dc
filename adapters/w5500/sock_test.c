#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "adapters/w5500/fake_host.h"
#include "adapters/w5500/w5500.h"
#include "emu/util.h"

#include <cmocka.h>

#define BLOCK   W5500_BLOCK_SOCKET(0)
#define SN_IR   0x02
#define KPALVTR 0x2f
#define TX_RD   0x22
#define TX_WR   0x24
#define TX_FSR  0x20
#define RX_RSR  0x26
#define RX_RD   0x28
#define RX_WR   0x2a
#define PORT    80
#define TIMEOUT 0x08
#define SENDOK  0x10
#define ARP_US  1800000
#define TCP     0x01
#define UDP     0x02
#define IPRAW   0x03
#define MACRAW  0x04
#define NONE    (-1) /* a command that the state does not take: nothing happens, and it is a fault */

enum { OPEN, LISTEN, CONNECT, DISCON, CLOSE, SEND, SEND_MAC, SEND_KEEP, RECV, COMMANDS };

static const uint8_t codes[COMMANDS] = {
    [OPEN] = 0x01, [LISTEN] = 0x02,   [CONNECT] = 0x04,   [DISCON] = 0x08, [CLOSE] = 0x10,
    [SEND] = 0x20, [SEND_MAC] = 0x21, [SEND_KEEP] = 0x22, [RECV] = 0x40,
};

/* From a status, by command: the next one. Those of a connection are tested with TCP. */
struct expected {
    uint8_t mode, status;
    int next[COMMANDS];
};

static const struct expected rows[] = {
    { 0, 0x00, { NONE, NONE, NONE, 0x00, 0x00, NONE, NONE, NONE, NONE } },
    { TCP, 0x13, { 0x13, 0x14, 0x13, 0x00, 0x00, NONE, NONE, NONE, NONE } },
    { TCP, 0x14, { 0x13, NONE, NONE, 0x00, 0x00, NONE, NONE, NONE, NONE } },
    { UDP, 0x22, { 0x22, NONE, NONE, NONE, 0x00, 0x22, 0x22, NONE, 0x22 } },
    { IPRAW, 0x32, { 0x32, NONE, NONE, NONE, 0x00, 0x32, 0x32, NONE, 0x32 } },
    { MACRAW, 0x42, { 0x42, NONE, NONE, NONE, 0x00, 0x42, NONE, NONE, 0x42 } },
};

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

/* ---- commands by state -------------------------------------------------------------------------- */

static void enter(struct host *host, const struct expected *row)
{
    host_command(host, 0, codes[CLOSE]);
    if (row->mode)
        host_open(host, 0, row->mode, PORT);
    host_write8(host, BLOCK, 0, row->mode);
    if (row->status == 0x14)
        host_command(host, 0, codes[LISTEN]);
    assert_int_equal(host_status(host, 0), row->status);
    host_forget(host);
}

static void commands_do_what_the_state_allows(void **state)
{
    struct host *host = *state;

    for (int i = 0; i < ARRAY_LEN(rows); i++) {
        for (int command = 0; command < COMMANDS; command++) {
            int next = rows[i].next[command];

            enter(host, &rows[i]);
            host_command(host, 0, codes[command]);
            assert_int_equal(host_read8(host, BLOCK, 1), 0);
            assert_int_equal(host_status(host, 0), next == NONE ? rows[i].status : next);
            assert_int_equal(host->faults_count, next == NONE);
        }
    }
}

static void what_is_no_command_has_no_effect(void **state)
{
    static const uint8_t none[] = { 0x03, 0x23, 0x24, 0x25, 0x26, 0x27, 0x80, 0xff };
    struct host *host = *state;

    host_open(host, 0, UDP, PORT);
    for (int i = 0; i < ARRAY_LEN(none); i++) {
        host_forget(host);
        host_command(host, 0, none[i]);
        assert_int_equal(host_read8(host, BLOCK, 1), 0);
        assert_int_equal(host_status(host, 0), 0x22);
        assert_non_null(strstr(host->fault, "is no command"));
    }
}

static void every_socket_is_its_own(void **state)
{
    struct host *host = *state;

    for (unsigned n = 0; n < W5500_SOCKETS; n++) {
        host_open(host, n, n % 2 ? TCP : UDP, (uint16_t)(PORT + n));
        for (unsigned other = 0; other < W5500_SOCKETS; other++)
            assert_int_equal(host_status(host, other), other > n ? 0 : other % 2 ? 0x13 : 0x22);
    }
}

/* ---- OPEN and CLOSE ------------------------------------------------------------------------------ */

static void dirty(struct host *host)
{
    const struct packet_way way = host_way(PORT);

    host_open(host, 0, UDP, PORT);
    host_udp(host, &way, "hello", 5);
    host_set_destination(host, 0, 0xffffffff, 7);
    host_send(host, 0, "hello", 5);
    host_write16(host, BLOCK, RX_RD, 13);
    host_command(host, 0, codes[RECV]);
    host_udp(host, &way, "hello", 5);
    assert_int_equal(host_read8(host, BLOCK, SN_IR), 0x14);
}

static void open_begins_a_new_life(void **state)
{
    struct host *host = *state;

    dirty(host);
    host_write8(host, BLOCK, KPALVTR, 5);
    host_write16(host, BLOCK, TX_WR, 99); /* not sent */
    host_command(host, 0, codes[OPEN]);
    assert_int_equal(host_read8(host, BLOCK, SN_IR), 0);
    assert_int_equal(host_read16(host, BLOCK, TX_RD), 0);
    assert_int_equal(host_read16(host, BLOCK, TX_WR), 0);
    assert_int_equal(host_read16(host, BLOCK, TX_FSR), 2048);
    assert_int_equal(host_read16(host, BLOCK, RX_RSR), 0);
    assert_int_equal(host_read16(host, BLOCK, RX_RD), 0);
    assert_int_equal(host_read16(host, BLOCK, RX_WR), 0);
    assert_int_equal(host_read8(host, BLOCK, KPALVTR), 5);
    host_command(host, 0, codes[SEND]); /* nothing is left to send */
    assert_int_equal(host_read16(host, BLOCK, TX_RD), 0);
}

static void close_keeps_interrupts_and_what_came(void **state)
{
    struct host *host = *state;

    dirty(host);
    host_forget(host);
    host_command(host, 0, codes[CLOSE]);
    assert_int_equal(host_read8(host, BLOCK, SN_IR), 0x14);
    assert_int_equal(host_read16(host, BLOCK, RX_RSR), 13);
    assert_int_equal(host->frames_count, 0);
}

static void the_mode_is_that_of_open(void **state)
{
    struct host *host = *state;
    const struct packet_way way = host_way(PORT);

    host_open(host, 0, UDP, PORT);
    host_write8(host, BLOCK, 0, 0);
    host_udp(host, &way, "hello", 5);
    assert_int_equal(host_status(host, 0), 0x22);
    assert_int_equal(host_take_ir(host, 0), 0x04);
}

static void a_mode_that_there_is_not_opens_nothing(void **state)
{
    struct host *host = *state;

    for (uint8_t mode = 5; mode < 16; mode++) {
        host_open(host, 0, mode, PORT);
        assert_int_equal(host_status(host, 0), 0);
    }
    assert_int_equal(host->faults_count, 11);
}

/* ---- CONNECT without a peer ------------------------------------------------------------------------ */

static void connect_ends_with_the_search_for_its_peer(void **state)
{
    struct host *host = *state;

    host_open(host, 0, TCP, PORT);
    host_set_destination(host, 0, HOST_PEER_IP, 7);
    host_command(host, 0, codes[CONNECT]);
    host_run_us(host, ARP_US - 1);
    assert_int_equal(host_read8(host, BLOCK, SN_IR), 0);
    host_command(host, 0, codes[CONNECT]);
    assert_non_null(strstr(host->fault, "while it connects"));
    host_run_us(host, 1);
    assert_int_equal(host_take_ir(host, 0), TIMEOUT);
    assert_int_equal(host_status(host, 0), 0);
    assert_int_equal(host->frames_count, 9);
}

/* SEND's end is told once, and never with TIMEOUT. */
static void one_send_has_one_end(void **state)
{
    struct host *host = *state;

    host_open(host, 0, UDP, PORT);
    host_set_destination(host, 0, HOST_PEER_IP, 7);
    host_send(host, 0, "x", 1);
    host_run_us(host, ARP_US);
    assert_int_equal(host_take_ir(host, 0), TIMEOUT);
    host_arp(host, 2, HOST_PEER_IP, HOST_IP); /* too late */
    host_run_us(host, ARP_US);
    assert_int_equal(host_take_ir(host, 0), 0);
    host_send(host, 0, "x", 1);
    host_arp(host, 2, HOST_PEER_IP, HOST_IP);
    assert_int_equal(host_take_ir(host, 0), SENDOK);
    host_arp(host, 2, HOST_PEER_IP, HOST_IP);
    assert_int_equal(host_take_ir(host, 0), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(commands_do_what_the_state_allows),
        TEST(what_is_no_command_has_no_effect),
        TEST(every_socket_is_its_own),
        TEST(open_begins_a_new_life),
        TEST(close_keeps_interrupts_and_what_came),
        TEST(the_mode_is_that_of_open),
        TEST(a_mode_that_there_is_not_opens_nothing),
        TEST(connect_ends_with_the_search_for_its_peer),
        TEST(one_send_has_one_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
