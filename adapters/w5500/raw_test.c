#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "adapters/w5500/fake_host.h"
#include "adapters/w5500/w5500.h"
#include "emu/icmp_msg.h"
#include "emu/util.h"

#include <cmocka.h>

#define SN_PROTO 0x14
#define RX_RSR   0x26
#define RX_RD    0x28
#define TX_RD    0x22
#define RECV_CMD 0x40
#define IPRAW    0x03
#define MACRAW   0x04
#define MFEN     0x80
#define BCASTB   0x40
#define MMB      0x20
#define MIP6B    0x10
#define SENDOK   0x10
#define RECV     0x04
#define ICMP     1
#define ESP      50
#define IP_AT    14

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

/* ---- IPRAW ------------------------------------------------------------------------------------- */

static void ipraw_sends_what_it_has_as_its_protocol(void **state)
{
    struct host *host = *state;
    static const uint8_t data[1481] = { 1, 2, 3 };
    const uint8_t *bytes;

    host_write8(host, W5500_BLOCK_SOCKET(2), SN_PROTO, ESP);
    host_open(host, 2, IPRAW, 0);
    assert_int_equal(host_status(host, 2), 0x32);
    host_set_destination(host, 2, HOST_PEER_IP, 0);
    host_send(host, 2, data, sizeof(data));
    host_arp(host, 2, HOST_PEER_IP, HOST_IP);
    assert_int_equal(host->frames_count, 3);
    bytes = host_frame_get(host, 1)->bytes;
    assert_int_equal(bytes[IP_AT + 9], ESP);
    assert_int_equal(host_frame_get(host, 1)->len, W5500_FRAME_MAX);
    assert_memory_equal(bytes + IP_AT + 20, data, 1480);
    assert_int_equal(host_frame_get(host, 2)->bytes[IP_AT + 3], 21);
    assert_int_equal(host_take_ir(host, 2), SENDOK);
}

static void ping(struct host *host, size_t data_len)
{
    const struct icmp_echo echo = { .id = 1, .sequence = 2, .data_len = data_len };
    const struct packet_way way = host_way(0);
    uint8_t message[ICMP_HEADER_LEN + ICMP_DATA_MAX];
    uint8_t frame[PACKET_HEADERS_MAX + sizeof(message)];

    w5500_receive(host->chip, frame,
                  packet_write_icmp(frame, &way, message, icmp_write_request(&echo, message)));
}

static void ipraw_receives_its_protocol_behind_address_and_length(void **state)
{
    struct host *host = *state;
    uint8_t bytes[14];

    host_write8(host, W5500_BLOCK_SOCKET(2), SN_PROTO, ESP);
    host_open(host, 2, IPRAW, 0);
    ping(host, 4);
    assert_int_equal(host_take_ir(host, 2), 0);
    host_write8(host, W5500_BLOCK_SOCKET(2), SN_PROTO, ICMP);
    host_open(host, 2, IPRAW, 0);
    ping(host, 4);
    assert_int_equal(host_take_ir(host, 2), RECV);
    assert_int_equal(host_read16(host, W5500_BLOCK_SOCKET(2), RX_RSR), 6 + 12);
    host_read(host, W5500_BLOCK_RX(2), 0, bytes, sizeof(bytes));
    assert_memory_equal(bytes, "\xc0\0\2\x09\0\x0c\x08\0", 8);
    ping(host, ICMP_DATA_MAX); /* 1480 bytes: there is room */
    ping(host, ICMP_DATA_MAX); /* there is not */
    assert_int_equal(host_read16(host, W5500_BLOCK_SOCKET(2), RX_RSR), 18 + 6 + 1480);
}

/* ---- MACRAW ------------------------------------------------------------------------------------ */

static void receive(struct host *host, const uint8_t *mac, uint16_t type, size_t len)
{
    uint8_t frame[W5500_FRAME_MAX + 1] = { 0 };

    memcpy(frame, mac, 6);
    memcpy(frame + 6, host_peer_mac, 6);
    frame[12] = (uint8_t)(type >> 8);
    frame[13] = (uint8_t)type;
    frame[14] = 0x77;
    w5500_receive(host->chip, frame, len);
}

static void only_socket_0_has_macraw(void **state)
{
    struct host *host = *state;

    host_open(host, 1, MACRAW, 0);
    assert_int_equal(host_status(host, 1), 0);
    assert_int_equal(host->faults_count, 1);
    host_open(host, 0, MACRAW, 0);
    assert_int_equal(host_status(host, 0), 0x42);
}

static void a_frame_comes_behind_its_length_which_counts_itself(void **state)
{
    struct host *host = *state;
    uint8_t bytes[18];

    host_open(host, 0, MACRAW, 0);
    receive(host, host_peer_mac, 0x88cc, 1514);
    assert_int_equal(host_take_ir(host, 0), RECV);
    assert_int_equal(host_read16(host, W5500_BLOCK_SOCKET(0), RX_RSR), 1516);
    host_read(host, W5500_BLOCK_RX(0), 0, bytes, sizeof(bytes));
    assert_memory_equal(bytes, "\x05\xec\2\0\0\0\0\x09\2\0\0\0\0\x09\x88\xcc\x77", 17);
    receive(host, host_peer_mac, 0x88cc, 1514); /* no room */
    assert_int_equal(host_read16(host, W5500_BLOCK_SOCKET(0), RX_RSR), 1516);
    receive(host, host_peer_mac, 0x88cc, 30); /* padded, as a wire does */
    assert_int_equal(host_read16(host, W5500_BLOCK_SOCKET(0), RX_RSR), 1516 + 62);
    receive(host, host_peer_mac, 0x88cc, 1515);
    receive(host, host_peer_mac, 0x88cc, 13);
    assert_int_equal(host_read16(host, W5500_BLOCK_SOCKET(0), RX_RSR), 1516 + 62);
}

static bool passes(struct host *host, const uint8_t *mac, uint16_t type)
{
    (void)host_take_ir(host, 0);
    receive(host, mac, type, 60);
    return host_take_ir(host, 0) & RECV;
}

static void check_filter(struct host *host, uint8_t mode, bool other, bool group, bool broadcast)
{
    static const uint8_t group_mac[] = { 0x33, 0x33, 0, 0, 0, 1 };

    host_open(host, 0, MACRAW | mode, 0);
    assert_true(passes(host, host_mac, 0x88cc));
    assert_int_equal(passes(host, host_peer_mac, 0x88cc), other);
    assert_int_equal(passes(host, group_mac, 0x88cc), group);
    assert_int_equal(passes(host, host_all_mac, 0x88cc), broadcast);
    assert_int_equal(passes(host, host_mac, 0x86dd), !(mode & MIP6B));
}

static void the_filters_of_sn_mr_filter(void **state)
{
    check_filter(*state, 0, true, true, true);
    check_filter(*state, BCASTB, true, true, false);
    check_filter(*state, MMB, true, false, true);
    check_filter(*state, MIP6B, true, true, true);
    check_filter(*state, MFEN, false, false, true);
    check_filter(*state, MFEN | BCASTB | MMB, false, false, false);
}

static void with_a_quirk_mfen_lets_groups_through(void **state)
{
    const struct w5500_config config = { .quirks.macraw_multicast = true };
    struct host host;

    (void)state;
    host_init(&host, &config);
    host_set_net(&host);
    check_filter(&host, MFEN, false, true, true);
    check_filter(&host, MFEN | MMB, false, false, true);
    host_fini(&host);
}

static void a_frame_goes_out_as_it_is_but_padded(void **state)
{
    struct host *host = *state;
    uint8_t frame[W5500_FRAME_MAX + 1] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x88, 0xcc, 42 };
    static const uint8_t zeros[45];

    host_open(host, 0, MACRAW, 0);
    host_send(host, 0, frame, 15);
    assert_int_equal(host_frame_get(host, 0)->len, W5500_FRAME_MIN);
    assert_memory_equal(host_frame_get(host, 0)->bytes, frame, 15);
    assert_memory_equal(host_frame_get(host, 0)->bytes + 15, zeros, 45);
    host_send(host, 0, frame, W5500_FRAME_MAX);
    assert_int_equal(host_frame_get(host, 1)->len, W5500_FRAME_MAX);
    assert_int_equal(host_take_ir(host, 0), SENDOK);
    host_send(host, 0, frame, W5500_FRAME_MAX + 1);
    assert_int_equal(host->frames_count, 2);
    assert_non_null(strstr(host->fault, "no frame"));
    assert_int_equal(host_take_ir(host, 0), SENDOK);
    assert_int_equal(host_read16(host, W5500_BLOCK_SOCKET(0), TX_RD), 15 + 2 * 1514 + 1);
}

/* The hardware goes on with what is its own. */
static void arp_is_answered_beside_macraw(void **state)
{
    struct host *host = *state;

    host_open(host, 0, MACRAW, 0);
    host_arp(host, 1, HOST_PEER_IP, HOST_IP);
    assert_int_equal(host->frames_count, 1);
    assert_int_equal(host_take_ir(host, 0), RECV);
}

static void recv_latches_again_with_a_quirk_only(void **state)
{
    struct host *host = *state;
    const struct w5500_config config = { .quirks.recv_relatch = true };
    struct host other;

    host_open(host, 0, MACRAW, 0);
    assert_true(passes(host, host_mac, 0x88cc));
    host_write16(host, W5500_BLOCK_SOCKET(0), RX_RD, 2);
    host_command(host, 0, RECV_CMD);
    assert_int_equal(host_take_ir(host, 0), 0);
    host_init(&other, &config);
    host_set_net(&other);
    host_open(&other, 0, MACRAW, 0);
    assert_true(passes(&other, host_mac, 0x88cc));
    host_write16(&other, W5500_BLOCK_SOCKET(0), RX_RD, 2);
    host_command(&other, 0, RECV_CMD);
    assert_int_equal(host_take_ir(&other, 0), RECV);
    host_write16(&other, W5500_BLOCK_SOCKET(0), RX_RD, 62);
    host_command(&other, 0, RECV_CMD);
    assert_int_equal(host_take_ir(&other, 0), 0);
    host_fini(&other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(ipraw_sends_what_it_has_as_its_protocol),
        TEST(ipraw_receives_its_protocol_behind_address_and_length),
        TEST(only_socket_0_has_macraw),
        TEST(a_frame_comes_behind_its_length_which_counts_itself),
        TEST(the_filters_of_sn_mr_filter),
        cmocka_unit_test(with_a_quirk_mfen_lets_groups_through),
        TEST(a_frame_goes_out_as_it_is_but_padded),
        TEST(arp_is_answered_beside_macraw),
        TEST(recv_latches_again_with_a_quirk_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
