#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "adapters/w5500/fake_host.h"
#include "adapters/w5500/w5500.h"
#include "emu/checksum.h"
#include "emu/frame.h"
#include "emu/util.h"

#include <cmocka.h>

#define COMMON   W5500_BLOCK_COMMON
#define BLOCK    W5500_BLOCK_SOCKET(1)
#define MR       0x00
#define FARP     0x02
#define WOL      0x20
#define RTR      0x19
#define RCR      0x1b
#define IR       0x15
#define SIPR     0x0f
#define SN_DHAR  0x06
#define SN_MSSR  0x12
#define SN_TOS   0x15
#define SN_TTL   0x16
#define SN_FRAG  0x2d
#define TX_RD    0x22
#define TX_WR    0x24
#define TX_FSR   0x20
#define RX_RSR   0x26
#define SEND     0x20
#define SEND_MAC 0x21
#define CLOSE    0x10
#define UDP      0x02
#define BCASTB   0x40
#define SENDOK   0x10
#define TIMEOUT  0x08
#define RECV     0x04
#define STATUS   0x22
#define PORT     68
#define REQUEST  1
#define REPLY    2
#define ALL      0xffffffff
#define SUBNET   0xc00002ff
#define UDP_SUM  40 /* place in a frame */

static int setup(void **state)
{
    static struct host host;

    host_init(&host, NULL);
    host_set_net(&host);
    host_open(&host, 1, UDP, PORT);
    *state = &host;
    return 0;
}

static int teardown(void **state)
{
    host_fini(*state);
    return 0;
}

/* The @index-th frame is a request for @ip. */
static void assert_asks(struct host *host, size_t index, uint32_t ip)
{
    const struct host_frame *frame = host_frame_get(host, index);
    const uint8_t expected[W5500_FRAME_MIN] = { 0xff,
                                                0xff,
                                                0xff,
                                                0xff,
                                                0xff,
                                                0xff,
                                                2,
                                                0,
                                                0,
                                                0,
                                                0,
                                                2,
                                                8,
                                                6,
                                                0,
                                                1,
                                                8,
                                                0,
                                                6,
                                                4,
                                                0,
                                                1,
                                                2,
                                                0,
                                                0,
                                                0,
                                                0,
                                                2,
                                                192,
                                                0,
                                                2,
                                                2,
                                                0,
                                                0,
                                                0,
                                                0,
                                                0,
                                                0,
                                                (uint8_t)(ip >> 24),
                                                (uint8_t)(ip >> 16),
                                                (uint8_t)(ip >> 8),
                                                (uint8_t)ip };

    assert_int_equal(frame->len, W5500_FRAME_MIN);
    assert_memory_equal(frame->bytes, expected, sizeof(expected));
}

/* It is a datagram, whose checksums are right. */
static struct frame read_datagram(struct host *host, size_t index)
{
    const struct host_frame *sent = host_frame_get(host, index);
    struct frame frame;
    uint32_t sum = 17;

    assert_true(frame_read(&frame, sent->bytes, sent->len));
    assert_int_equal(frame.protocol, FRAME_PROTOCOL_UDP);
    assert_int_equal(checksum_end(checksum_add(0, sent->bytes + 14, 20)), 0);
    sum = checksum_add(sum + (uint32_t)frame.data_len + 8, sent->bytes + 26, 8);
    assert_int_equal(checksum_end(checksum_add(sum, sent->bytes + 34, frame.data_len + 8)), 0);
    return frame;
}

static void teach(struct host *host)
{
    host_set_destination(host, 1, HOST_PEER_IP, 5000);
    host_send(host, 1, "hello", 5);
    host_arp(host, REPLY, HOST_PEER_IP, HOST_IP);
    (void)host_take_ir(host, 1);
    host_forget(host);
}

/* ---- whom it goes to --------------------------------------------------------------------------- */

static void the_peer_is_asked_for_first(void **state)
{
    struct host *host = *state;
    uint8_t mac[6];
    struct frame frame;

    host_set_destination(host, 1, HOST_PEER_IP, 5000);
    host_send(host, 1, "hello", 5);
    assert_int_equal(host->frames_count, 1);
    assert_asks(host, 0, HOST_PEER_IP);
    assert_int_equal(host_take_ir(host, 1), 0);
    assert_int_equal(host_read16(host, BLOCK, TX_RD), 0);
    host_arp(host, REPLY, HOST_PEER_IP, HOST_IP);
    assert_int_equal(host->frames_count, 2);
    frame = read_datagram(host, 1);
    assert_memory_equal(frame.bytes, host_peer_mac, 6);
    assert_memory_equal(frame.bytes + 6, host_mac, 6);
    assert_int_equal(frame.from.port, PORT);
    assert_int_equal(frame.to.port, 5000);
    assert_int_equal(frame.data_len, 5);
    assert_memory_equal(frame.bytes + frame.data_at, "hello", 5);
    assert_int_equal(host_take_ir(host, 1), SENDOK);
    assert_int_equal(host_read16(host, BLOCK, TX_RD), 5);
    assert_int_equal(host_read16(host, BLOCK, TX_FSR), 2048);
    host_read(host, BLOCK, SN_DHAR, mac, sizeof(mac));
    assert_memory_equal(mac, host_peer_mac, 6);
    host_run_us(host, 5000000);
    assert_int_equal(host->frames_count, 2);
    assert_int_equal(host_take_ir(host, 1), 0);
}

static void who_was_found_is_not_asked_for_again(void **state)
{
    struct host *host = *state;

    teach(host);
    host_send(host, 1, "again", 5);
    assert_int_equal(host->frames_count, 1);
    (void)read_datagram(host, 0);
    assert_int_equal(host_take_ir(host, 1), SENDOK);
    host_set_destination(host, 1, HOST_PEER_IP + 1, 5000);
    host_send(host, 1, "other", 5);
    assert_asks(host, 1, HOST_PEER_IP + 1);
}

static void farp_asks_every_time(void **state)
{
    struct host *host = *state;

    teach(host);
    host_write8(host, COMMON, MR, FARP);
    host_send(host, 1, "again", 5);
    assert_asks(host, 0, HOST_PEER_IP);
}

static void the_gateway_is_asked_for_what_is_far(void **state)
{
    struct host *host = *state;

    host_set_destination(host, 1, HOST_FAR_IP, 53);
    host_send(host, 1, "hello", 5);
    assert_asks(host, 0, HOST_GATEWAY_IP);
    host_arp(host, REPLY, HOST_GATEWAY_IP, HOST_IP);
    assert_memory_equal(read_datagram(host, 1).bytes, host_peer_mac, 6);
}

static void check_broadcast(struct host *host, uint32_t ip)
{
    host_forget(host);
    host_set_destination(host, 1, ip, 67);
    host_send(host, 1, "who", 3);
    assert_int_equal(host->frames_count, 1);
    assert_memory_equal(read_datagram(host, 0).bytes, host_all_mac, 6);
    assert_int_equal(host_frame_get(host, 0)->len, W5500_FRAME_MIN);
    assert_int_equal(host_take_ir(host, 1), SENDOK);
}

static void a_broadcast_goes_to_all_at_once(void **state)
{
    struct host *host = *state;

    check_broadcast(host, ALL);
    check_broadcast(host, SUBNET);
    host_write32(host, COMMON, SIPR, 0); /* DHCP's DISCOVER */
    check_broadcast(host, ALL);
    assert_int_equal(host_frame_get(host, 0)->bytes[26], 0);
}

static void send_mac_asks_nobody(void **state)
{
    struct host *host = *state;
    const uint8_t mac[] = { 2, 1, 2, 3, 4, 5 };

    host_set_destination(host, 1, HOST_PEER_IP, 5000);
    host_write(host, BLOCK, SN_DHAR, mac, sizeof(mac));
    host_write16(host, BLOCK, TX_WR, 10);
    host_command(host, 1, SEND_MAC);
    assert_int_equal(host->frames_count, 1);
    assert_memory_equal(read_datagram(host, 0).bytes, mac, 6);
    assert_int_equal(host_take_ir(host, 1), SENDOK);
}

/* ---- nobody answers ---------------------------------------------------------------------------- */

/* RTR * (RCR + 1): 1.8 s by default. */
static void check_timeout(struct host *host, uint64_t retry_us, unsigned tries)
{
    uint64_t begin_us;

    host_forget(host);
    host_set_destination(host, 1, HOST_PEER_IP, 5000);
    begin_us = host->clock.now_us;
    host_send(host, 1, "hello", 5);
    host_run_us(host, retry_us * tries - 1);
    assert_int_equal(host_take_ir(host, 1), 0);
    host_run_us(host, 1);
    assert_int_equal(host_take_ir(host, 1), TIMEOUT);
    assert_int_equal(host->frames_count, tries);
    for (unsigned i = 0; i < tries; i++)
        assert_int_equal(host_frame_get(host, i)->at_us, begin_us + i * retry_us);
    assert_int_equal(host_status(host, 1), STATUS);
    assert_int_equal(host_read16(host, BLOCK, TX_RD), host_read16(host, BLOCK, TX_WR));
    host_run_us(host, 5000000);
    assert_int_equal(host_take_ir(host, 1), 0);
    assert_int_equal(host->frames_count, tries);
}

static void an_unanswered_search_ends_by_rtr_and_rcr(void **state)
{
    struct host *host = *state;

    check_timeout(host, 200000, 9);
    host_write16(host, COMMON, RTR, 1000);
    host_write8(host, COMMON, RCR, 3);
    check_timeout(host, 100000, 4);
    host_write8(host, COMMON, RCR, 0);
    check_timeout(host, 100000, 1);
}

static void times_can_be_scaled(void **state)
{
    const struct w5500_config config = { .scale_percent = 1 };
    struct host host;

    (void)state;
    host_init(&host, &config);
    host_set_net(&host);
    host_open(&host, 1, UDP, PORT);
    check_timeout(&host, 2000, 9);
    host_fini(&host);
}

static void rtr_and_rcr_are_read_at_each_retry(void **state)
{
    struct host *host = *state;

    host_set_destination(host, 1, HOST_PEER_IP, 5000);
    host_send(host, 1, "hello", 5);
    host_run_us(host, 100000);
    host_write16(host, COMMON, RTR, 100);
    host_write8(host, COMMON, RCR, 2);
    host_run_us(host, 100000 + 20000 - 1);
    assert_int_equal(host_take_ir(host, 1), 0);
    host_run_us(host, 1);
    assert_int_equal(host_take_ir(host, 1), TIMEOUT);
    assert_int_equal(host->frames_count, 3);
}

static void close_ends_a_search(void **state)
{
    struct host *host = *state;

    host_set_destination(host, 1, HOST_PEER_IP, 5000);
    host_send(host, 1, "hello", 5);
    host_command(host, 1, CLOSE);
    host_arp(host, REPLY, HOST_PEER_IP, HOST_IP);
    host_run_us(host, 5000000);
    assert_int_equal(host->frames_count, 1);
    assert_int_equal(host_take_ir(host, 1), 0);
}

static void a_send_before_the_last_is_over_is_a_fault(void **state)
{
    struct host *host = *state;

    host_set_destination(host, 1, HOST_PEER_IP, 5000);
    host_send(host, 1, "hello", 5);
    host_command(host, 1, SEND);
    assert_non_null(strstr(host->fault, "before the last one is over"));
    host_arp(host, REPLY, HOST_PEER_IP, HOST_IP);
    assert_int_equal(host->frames_count, 2);
}

/* ---- what it carries --------------------------------------------------------------------------- */

static void what_is_too_large_becomes_several_datagrams(void **state)
{
    static const size_t lens[] = { 1472, 500, 28 };
    struct host *host = *state;
    uint8_t data[2000];

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i / 7);
    host_set_destination(host, 1, ALL, 7);
    host_send(host, 1, data, 1472 + 28);
    assert_int_equal(host->frames_count, 2);
    assert_int_equal(host_frame_get(host, 0)->len, W5500_FRAME_MAX);
    assert_int_equal(read_datagram(host, 0).data_len, lens[0]);
    assert_int_equal(read_datagram(host, 1).data_len, lens[2]);
    assert_memory_equal(host_frame_get(host, 1)->bytes + 42, data + 1472, 28);
    assert_int_equal(host_take_ir(host, 1), SENDOK);
    host_forget(host);
    host_write16(host, BLOCK, SN_MSSR, 500);
    host_send(host, 1, data, 1001);
    assert_int_equal(host->frames_count, 3);
    assert_int_equal(read_datagram(host, 1).data_len, lens[1]);
    assert_int_equal(read_datagram(host, 2).data_len, 1);
}

static void headers_say_what_registers_do(void **state)
{
    struct host *host = *state;
    const uint8_t *ip;

    host_write8(host, BLOCK, SN_TOS, 0x10);
    host_write8(host, BLOCK, SN_TTL, 5);
    host_write16(host, BLOCK, SN_FRAG, 0);
    host_set_destination(host, 1, ALL, 7);
    host_send(host, 1, "1", 1);
    host_send(host, 1, "2", 1);
    ip = host_frame_get(host, 0)->bytes + 14;
    assert_int_equal(ip[1], 0x10);
    assert_int_equal(ip[6] << 8 | ip[7], 0);
    assert_int_equal(ip[8], 5);
    assert_int_equal(host_frame_get(host, 1)->bytes[19], ip[5] + 1); /* identification */
}

static void an_empty_send_is_over_at_once(void **state)
{
    struct host *host = *state;

    host_set_destination(host, 1, HOST_PEER_IP, 7);
    host_command(host, 1, SEND);
    assert_int_equal(host->frames_count, 0);
    assert_int_equal(host_take_ir(host, 1), SENDOK);
}

static void without_a_link_a_send_waits_for_it(void **state)
{
    struct host *host = *state;

    w5500_pin_set(host->chip, W5500_PIN_CABLE, false);
    host_set_destination(host, 1, ALL, 7);
    host_send(host, 1, "hello", 5);
    host_run_us(host, 10000000);
    assert_int_equal(host_take_ir(host, 1), 0);
    w5500_pin_set(host->chip, W5500_PIN_CABLE, true);
    host_run_us(host, 100000);
    assert_int_equal(host->frames_count, 1);
    assert_int_equal(host_take_ir(host, 1), SENDOK);
}

static void with_a_quirk_it_does_not(void **state)
{
    const struct w5500_config config = { .quirks.sendok_without_link = true };
    struct host host;

    (void)state;
    host_init(&host, &config);
    host_set_net(&host);
    host_open(&host, 1, UDP, PORT);
    w5500_pin_set(host.chip, W5500_PIN_CABLE, false);
    host_set_destination(&host, 1, ALL, 7);
    host_send(&host, 1, "hello", 5);
    assert_int_equal(host_take_ir(&host, 1), SENDOK);
    assert_int_equal(host.frames_count, 0);
    host_fini(&host);
}

/* ---- what comes -------------------------------------------------------------------------------- */

static void a_datagram_comes_behind_its_header(void **state)
{
    struct host *host = *state;
    const struct packet_way way = host_way(PORT);
    uint8_t bytes[13];

    host_udp(host, &way, "hello", 5);
    assert_int_equal(host_take_ir(host, 1), RECV);
    assert_int_equal(host_read16(host, BLOCK, RX_RSR), 13);
    host_read(host, W5500_BLOCK_RX(1), 0, bytes, sizeof(bytes));
    assert_memory_equal(bytes, "\xc0\0\2\x09\x13\x88\0\5hello", 13);
}

static uint16_t received(struct host *host, const struct packet_way *way)
{
    uint16_t before = host_read16(host, BLOCK, RX_RSR);

    host_udp(host, way, "x", 1);
    return (uint16_t)(host_read16(host, BLOCK, RX_RSR) - before);
}

static void only_what_is_for_it_is_kept(void **state)
{
    struct host *host = *state;
    struct packet_way way = host_way(PORT);

    assert_int_equal(received(host, &way), 9);
    way.to.addr[3] = 3; /* somebody else's, at our MAC */
    assert_int_equal(received(host, &way), 0);
    way = host_way(PORT);
    way.to_mac[5] = 3; /* ours, at somebody else's MAC */
    assert_int_equal(received(host, &way), 0);
    way = host_way(PORT);
    endpoint_set_v4(&way.to, 192, 0, 2, 255);
    memcpy(way.to_mac, host_all_mac, 6);
    assert_int_equal(received(host, &way), 9);
    endpoint_set_v4(&way.to, 255, 255, 255, 255);
    assert_int_equal(received(host, &way), 9);
    endpoint_set_v4(&way.to, 224, 0, 0, 251);
    assert_int_equal(received(host, &way), 0);
}

static void bcastb_blocks_broadcasts(void **state)
{
    struct host *host = *state;
    struct packet_way way = host_way(PORT);

    host_open(host, 1, UDP | BCASTB, PORT);
    memcpy(way.to_mac, host_all_mac, 6);
    endpoint_set_v4(&way.to, 255, 255, 255, 255);
    assert_int_equal(received(host, &way), 0);
    way = host_way(PORT);
    assert_int_equal(received(host, &way), 9);
    assert_int_equal(host->frames_count, 0);
}

/* LuatOS asks for an OFFER to the address that it is about to have. */
static void without_an_address_it_takes_what_comes_to_its_mac(void **state)
{
    struct host *host = *state;
    struct packet_way way = host_way(PORT);

    host_write32(host, COMMON, SIPR, 0);
    endpoint_set_v4(&way.to, 192, 0, 2, 77);
    assert_int_equal(received(host, &way), 9);
    way.to.port = PORT + 1;
    assert_int_equal(received(host, &way), 0);
    assert_int_equal(host->frames_count, 0); /* and is not at home to others */
}

static void the_lowest_socket_of_a_port_gets_it(void **state)
{
    struct host *host = *state;
    const struct packet_way way = host_way(PORT);

    host_open(host, 3, UDP, PORT);
    host_open(host, 0, UDP, PORT);
    host_udp(host, &way, "x", 1);
    assert_int_equal(host_take_ir(host, 0), RECV);
    assert_int_equal(host_take_ir(host, 1), 0);
    assert_int_equal(host_take_ir(host, 3), 0);
}

static void a_wrong_checksum_is_dropped_and_none_is_right(void **state)
{
    struct host *host = *state;
    const struct packet_way way = host_way(PORT);
    struct packet_datagram datagram = { .data = (const uint8_t *)"abc",
                                        .data_len = 3,
                                        .mtu = 1500 };
    uint8_t frame[PACKET_HEADERS_MAX + 3];
    size_t len;

    assert_true(packet_write_udp(frame, &len, &way, &datagram));
    frame[UDP_SUM] ^= 1;
    w5500_receive(host->chip, frame, len);
    assert_int_equal(host_take_ir(host, 1), 0);
    frame[UDP_SUM] = frame[UDP_SUM + 1] = 0;
    w5500_receive(host->chip, frame, len);
    assert_int_equal(host_take_ir(host, 1), RECV);
}

static void fragments_are_dropped(void **state)
{
    struct host *host = *state;
    const struct packet_way way = host_way(PORT);
    static const uint8_t data[1700];

    host_udp(host, &way, data, sizeof(data));
    assert_int_equal(host_read16(host, BLOCK, RX_RSR), 0);
    assert_int_equal(host->frames_count, 0);
}

static void a_magic_packet_raises_mp(void **state)
{
    struct host *host = *state;
    struct packet_way way = host_way(PORT + 1);
    uint8_t magic[6 + 16 * 6 + 4];

    memset(magic, 0xff, 6);
    for (int i = 0; i < 16; i++)
        memcpy(magic + 6 + i * 6, host_mac, 6);
    memcpy(way.to_mac, host_all_mac, 6);
    endpoint_set_v4(&way.to, 255, 255, 255, 255);
    host_udp(host, &way, magic, sizeof(magic));
    assert_int_equal(host_read8(host, COMMON, IR), 0);
    host_write8(host, COMMON, MR, WOL);
    host_udp(host, &way, magic, sizeof(magic) - 5);
    magic[50] ^= 1;
    host_udp(host, &way, magic, sizeof(magic));
    assert_int_equal(host_read8(host, COMMON, IR), 0);
    magic[50] ^= 1;
    host_udp(host, &way, magic, sizeof(magic));
    assert_int_equal(host_read8(host, COMMON, IR), 0x10);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_peer_is_asked_for_first),
        TEST(who_was_found_is_not_asked_for_again),
        TEST(farp_asks_every_time),
        TEST(the_gateway_is_asked_for_what_is_far),
        TEST(a_broadcast_goes_to_all_at_once),
        TEST(send_mac_asks_nobody),
        TEST(an_unanswered_search_ends_by_rtr_and_rcr),
        cmocka_unit_test(times_can_be_scaled),
        TEST(rtr_and_rcr_are_read_at_each_retry),
        TEST(close_ends_a_search),
        TEST(a_send_before_the_last_is_over_is_a_fault),
        TEST(what_is_too_large_becomes_several_datagrams),
        TEST(headers_say_what_registers_do),
        TEST(an_empty_send_is_over_at_once),
        TEST(without_a_link_a_send_waits_for_it),
        cmocka_unit_test(with_a_quirk_it_does_not),
        TEST(a_datagram_comes_behind_its_header),
        TEST(only_what_is_for_it_is_kept),
        TEST(bcastb_blocks_broadcasts),
        TEST(without_an_address_it_takes_what_comes_to_its_mac),
        TEST(the_lowest_socket_of_a_port_gets_it),
        TEST(a_wrong_checksum_is_dropped_and_none_is_right),
        TEST(fragments_are_dropped),
        TEST(a_magic_packet_raises_mp),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
