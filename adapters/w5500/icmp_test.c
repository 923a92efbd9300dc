#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "adapters/w5500/fake_host.h"
#include "adapters/w5500/w5500.h"
#include "emu/checksum.h"
#include "emu/frame.h"
#include "emu/icmp_msg.h"
#include "emu/util.h"

#include <cmocka.h>

#define COMMON      W5500_BLOCK_COMMON
#define MR          0x00
#define PB          0x10
#define IR          0x15
#define SIPR        0x0f
#define UIPR        0x28
#define UPORTR      0x2c
#define UNREACH     0x40
#define UDP         0x02
#define PORT        1234
#define IP_AT       14
#define ICMP_AT     34
#define UNREACHABLE 3
#define QUOTED_LEN  28

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

static size_t write_echo(uint8_t *frame, const struct packet_way *way, size_t data_len)
{
    const struct icmp_echo echo = { .id = 0x1234, .sequence = 7, .data_len = data_len };
    uint8_t message[ICMP_HEADER_LEN + ICMP_DATA_MAX];

    return packet_write_icmp(frame, way, message, icmp_write_request(&echo, message));
}

static void ping(struct host *host, const struct packet_way *way, size_t data_len)
{
    uint8_t frame[PACKET_HEADERS_MAX + ICMP_HEADER_LEN + ICMP_DATA_MAX];

    w5500_receive(host->chip, frame, write_echo(frame, way, data_len));
}

static void check_ping(struct host *host, size_t data_len)
{
    const struct packet_way way = host_way(0);
    const struct host_frame *reply;
    struct icmp_echo echo;
    struct frame frame;

    host_forget(host);
    ping(host, &way, data_len);
    assert_int_equal(host->frames_count, 1);
    reply = host_frame_get(host, 0);
    assert_true(frame_read(&frame, reply->bytes, reply->len));
    assert_memory_equal(reply->bytes, host_peer_mac, 6);
    assert_memory_equal(frame.to.addr, way.from.addr, 4);
    assert_true(icmp_read_reply(reply->bytes + ICMP_AT, frame.ip_len - 20, &echo));
    assert_int_equal(echo.id, 0x1234);
    assert_int_equal(echo.sequence, 7);
    assert_int_equal(echo.data_len, data_len);
    assert_int_equal(checksum_end(checksum_add(0, reply->bytes + ICMP_AT, frame.ip_len - 20)), 0);
    assert_int_equal(checksum_end(checksum_add(0, reply->bytes + IP_AT, 20)), 0);
}

static void a_ping_of_any_size_is_answered(void **state)
{
    check_ping(*state, 0);
    check_ping(*state, 1);
    check_ping(*state, 56);
    check_ping(*state, 120);
    check_ping(*state, ICMP_DATA_MAX);
}

static void pb_blocks_pings(void **state)
{
    struct host *host = *state;
    const struct packet_way way = host_way(0);

    host_write8(host, COMMON, MR, PB);
    ping(host, &way, 8);
    assert_int_equal(host->frames_count, 0);
    host_write8(host, COMMON, MR, 0);
    check_ping(host, 8);
}

static void a_ping_to_others_or_all_is_not_answered(void **state)
{
    struct host *host = *state;
    struct packet_way way = host_way(0);

    endpoint_set_v4(&way.to, 192, 0, 2, 255);
    memcpy(way.to_mac, host_all_mac, 6);
    ping(host, &way, 8);
    way = host_way(0);
    endpoint_set_v4(&way.to, 192, 0, 2, 3);
    ping(host, &way, 8);
    host_write32(host, COMMON, SIPR, 0);
    way = host_way(0);
    ping(host, &way, 8);
    assert_int_equal(host->frames_count, 0);
}

/* Each byte of the headers that must be right. */
static void what_is_broken_is_dropped(void **state)
{
    static const unsigned places[] = { IP_AT,      IP_AT + 2,  IP_AT + 6,   IP_AT + 7,
                                       IP_AT + 10, IP_AT + 14, ICMP_AT + 2, ICMP_AT + 9 };
    struct host *host = *state;
    const struct packet_way way = host_way(0);
    uint8_t frame[PACKET_HEADERS_MAX + ICMP_HEADER_LEN + 40];
    size_t len = write_echo(frame, &way, 40);

    for (int i = 0; i < ARRAY_LEN(places); i++) {
        frame[places[i]] ^= 0x21;
        w5500_receive(host->chip, frame, len);
        frame[places[i]] ^= 0x21;
    }
    for (size_t cut = 14; cut < len; cut++)
        w5500_receive(host->chip, frame, cut < W5500_FRAME_MIN ? 14 : cut);
    assert_int_equal(host->frames_count, 0);
    w5500_receive(host->chip, frame, len);
    assert_int_equal(host->frames_count, 1);
}

static void options_of_a_header_are_skipped(void **state)
{
    struct host *host = *state;
    const struct packet_way way = host_way(0);
    uint8_t frame[PACKET_HEADERS_MAX + ICMP_HEADER_LEN + 40];
    size_t len = write_echo(frame, &way, 40);

    memmove(frame + ICMP_AT + 4, frame + ICMP_AT, len - ICMP_AT);
    memset(frame + ICMP_AT, 1, 4); /* no operation */
    frame[IP_AT] = 0x46;
    frame[IP_AT + 3] = (uint8_t)(frame[IP_AT + 3] + 4);
    checksum_put(frame + IP_AT + 10, 0);
    checksum_put(frame + IP_AT + 10, checksum_end(checksum_add(0, frame + IP_AT, 24)));
    w5500_receive(host->chip, frame, len + 4);
    assert_int_equal(host->frames_count, 1);
    assert_int_equal(host_frame_get(host, 0)->bytes[IP_AT], 0x45);
}

/* ---- unreachable ------------------------------------------------------------------------------- */

static void udp_for_a_closed_port_is_answered(void **state)
{
    struct host *host = *state;
    struct packet_way way = host_way(PORT);
    const uint8_t *bytes;

    host_udp(host, &way, "0123456789", 10);
    assert_int_equal(host->frames_count, 1);
    bytes = host_frame_get(host, 0)->bytes;
    assert_int_equal(bytes[IP_AT + 9], 1);
    assert_int_equal(bytes[ICMP_AT], UNREACHABLE);
    assert_int_equal(bytes[ICMP_AT + 1], 3);
    assert_int_equal(bytes[IP_AT + 3], 20 + 8 + QUOTED_LEN);
    assert_int_equal(checksum_end(checksum_add(0, bytes + ICMP_AT, 8 + QUOTED_LEN)), 0);
    assert_memory_equal(bytes + ICMP_AT + 8 + 12, way.from.addr, 4);
    assert_memory_equal(bytes + ICMP_AT + 8 + 20, "\x13\x88\x04\xd2", 4);
    memcpy(way.to_mac, host_all_mac, 6);
    endpoint_set_v4(&way.to, 255, 255, 255, 255);
    host_udp(host, &way, "x", 1);
    assert_int_equal(host->frames_count, 1);
}

static void with_a_quirk_it_is_not(void **state)
{
    const struct w5500_config config = { .quirks.no_unreachable = true };
    const struct packet_way way = host_way(PORT);
    struct host host;

    (void)state;
    host_init(&host, &config);
    host_set_net(&host);
    host_udp(&host, &way, "x", 1);
    assert_int_equal(host.frames_count, 0);
    host_fini(&host);
}

/* As a host answers a datagram of ours: @quoted_len bytes of it come back. */
static void answer_unreachable(struct host *host, const struct host_frame *sent, size_t quoted_len)
{
    const struct packet_way way = host_way(0);
    uint8_t message[8 + QUOTED_LEN] = { UNREACHABLE, 3 },
                        frame[PACKET_HEADERS_MAX + sizeof(message)];

    memcpy(message + 8, sent->bytes + IP_AT, quoted_len);
    w5500_receive(host->chip, frame, packet_write_icmp(frame, &way, message, 8 + quoted_len));
}

static void a_datagram_that_did_not_arrive_is_told(void **state)
{
    struct host *host = *state;
    struct host_frame sent;

    host_open(host, 2, UDP, PORT);
    host_set_destination(host, 2, HOST_PEER_IP, 4321);
    host_send(host, 2, "hello", 5);
    host_arp(host, 2, HOST_PEER_IP, HOST_IP);
    sent = *host_frame_get(host, 1);
    answer_unreachable(host, &sent, QUOTED_LEN - 5);
    answer_unreachable(host, &sent, 10);
    answer_unreachable(host, &sent, 0);
    assert_int_equal(host_read8(host, COMMON, IR), 0);
    answer_unreachable(host, &sent, QUOTED_LEN);
    assert_int_equal(host_read8(host, COMMON, IR), UNREACH);
    assert_int_equal(host_read32(host, COMMON, UIPR), HOST_PEER_IP);
    assert_int_equal(host_read16(host, COMMON, UPORTR), 4321);
    host_write8(host, COMMON, IR, UNREACH);
    sent.bytes[IP_AT + 15] = 77; /* as if another host had sent it */
    answer_unreachable(host, &sent, QUOTED_LEN);
    assert_int_equal(host_read8(host, COMMON, IR), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_ping_of_any_size_is_answered),          TEST(pb_blocks_pings),
        TEST(a_ping_to_others_or_all_is_not_answered), TEST(what_is_broken_is_dropped),
        TEST(options_of_a_header_are_skipped),         TEST(udp_for_a_closed_port_is_answered),
        cmocka_unit_test(with_a_quirk_it_is_not),      TEST(a_datagram_that_did_not_arrive_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
