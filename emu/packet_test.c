#include "emu/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "emu/checksum.h"

#include <cmocka.h>

#define ETHERNET_LEN 14
#define IPV4_LEN     20
#define IPV6_LEN     40
#define UDP_LEN      8
#define FRAME_MAX    (PACKET_HEADERS_MAX + PACKET_UDP_DATA_MAX)

static struct packet_way way_between(const char *from, const char *to)
{
    struct packet_way way = { .from_mac = { 2, 0, 0, 0, 0, 1 },
                              .to_mac = { 2, 0, 0, 0, 0, 2 },
                              .from.port = 0x1234,
                              .to.port = 80,
                              .id = 0x4321 };

    assert_true(endpoint_set_text(&way.from, from));
    assert_true(endpoint_set_text(&way.to, to));
    return way;
}

/* The sum over the pseudo header and what IP carries; 0 when its checksum is right. */
static uint16_t upper_sum(const uint8_t *frame, size_t len)
{
    bool is_v6 = frame[ETHERNET_LEN] >> 4 == 6;
    size_t at = ETHERNET_LEN + (is_v6 ? IPV6_LEN : IPV4_LEN);
    const uint8_t *addresses = frame + ETHERNET_LEN + (is_v6 ? 8 : 12);
    const uint8_t protocol = frame[ETHERNET_LEN + (is_v6 ? 6 : 9)];
    const uint8_t rest[] = { 0, protocol, (uint8_t)((len - at) >> 8), (uint8_t)(len - at) };
    uint32_t sum = checksum_add(0, addresses, is_v6 ? 32 : 8);

    return checksum_end(checksum_add(checksum_add(sum, rest, sizeof(rest)), frame + at, len - at));
}

/* Typed from the RFCs: RFC 791 3.1, RFC 9293 3.1. */
static void a_segment_over_ipv4_is_right_to_the_byte(void **state)
{
    static const uint8_t wanted[] = {
        0x02, 0,    0,    0,    0,    2,    0x02, 0,    0,    0,    0,    1,
        0x08, 0x00,                                                             /* Ethernet */
        0x45, 0,    0,    42,   0x43, 0x21, 0x40, 0x00, 64,   6,    0,    0,    /* IPv4 */
        192,  0,    2,    1,    198,  51,   100,  7,                            /* addresses */
        0x12, 0x34, 0,    80,   0xde, 0xad, 0xbe, 0xef, 0x01, 0x02, 0x03, 0x04, /* TCP */
        0x50, 0x18, 0xff, 0xff, 0,    0,    0,    0,    'h',  'i',
    };
    const struct packet_way way = way_between("192.0.2.1", "198.51.100.7");
    const struct packet_tcp tcp = { .sequence = 0xdeadbeef,
                                    .acknow = 0x01020304,
                                    .flags = PACKET_TCP_PSH | PACKET_TCP_ACK,
                                    .window = 0xffff,
                                    .data = (const uint8_t *)"hi",
                                    .data_len = 2 };
    uint8_t frame[PACKET_HEADERS_MAX + 2];

    (void)state;
    assert_int_equal(packet_write_tcp(frame, &way, &tcp), sizeof(wanted));
    assert_int_equal(checksum_end(checksum_add(0, frame + ETHERNET_LEN, IPV4_LEN)), 0);
    assert_int_equal(upper_sum(frame, sizeof(wanted)), 0);
    memset(frame + ETHERNET_LEN + 10, 0, 2); /* the two checksums, which were right */
    memset(frame + ETHERNET_LEN + IPV4_LEN + 16, 0, 2);
    assert_memory_equal(frame, wanted, sizeof(wanted));
}

static void a_syn_says_what_its_sender_can_take(void **state)
{
    static const uint8_t options[] = { 2, 4, 0x05, 0xb4, 1, 3, 3, 7 };
    const struct packet_way way = way_between("2001:db8::1", "2001:db8::2");
    const struct packet_tcp tcp = { .flags = PACKET_TCP_SYN, .mss = 1460, .scale = 7 };
    uint8_t frame[PACKET_HEADERS_MAX];
    size_t len = packet_write_tcp(frame, &way, &tcp);

    (void)state;
    assert_int_equal(len, ETHERNET_LEN + IPV6_LEN + 28);
    assert_int_equal(frame[ETHERNET_LEN + IPV6_LEN + 12], 0x70); /* seven words of header */
    assert_memory_equal(frame + len - sizeof(options), options, sizeof(options));
    assert_int_equal(upper_sum(frame, len), 0);
}

static void a_small_datagram_is_one_frame(void **state)
{
    static uint8_t frame[FRAME_MAX];
    const struct packet_way ways[] = { way_between("192.0.2.1", "198.51.100.7"),
                                       way_between("2001:db8::1", "2001:db8::2") };
    struct packet_datagram datagram = { .data = (const uint8_t *)"odd",
                                        .data_len = 3,
                                        .mtu = 1500 };
    size_t len;

    (void)state;
    for (int i = 0; i < 2; i++) {
        size_t lower = i ? IPV6_LEN : IPV4_LEN;

        datagram.done = 0;
        datagram.is_over = false;
        assert_true(packet_write_udp(frame, &len, &ways[i], &datagram));
        assert_int_equal(len, ETHERNET_LEN + lower + UDP_LEN + 3);
        assert_int_equal(upper_sum(frame, len), 0);
        assert_false(packet_write_udp(frame, &len, &ways[i], &datagram));
    }
}

static void an_empty_datagram_is_a_frame_too(void **state)
{
    const struct packet_way way = way_between("192.0.2.1", "198.51.100.7");
    struct packet_datagram datagram = { .mtu = 1500 };
    uint8_t frame[PACKET_HEADERS_MAX];
    size_t len;

    (void)state;
    assert_true(packet_write_udp(frame, &len, &way, &datagram));
    assert_int_equal(len, ETHERNET_LEN + IPV4_LEN + UDP_LEN);
    assert_int_equal(upper_sum(frame, len), 0);
    assert_false(packet_write_udp(frame, &len, &way, &datagram));
}

/* RFC 791 3.2: the sizes of all but the last are multiples of 8, MF is set in them. */
static void a_large_datagram_is_cut_into_fragments(void **state)
{
    static uint8_t frame[FRAME_MAX], data[PACKET_UDP_DATA_MAX], all[UDP_LEN + PACKET_UDP_DATA_MAX];
    const struct packet_way way = way_between("192.0.2.1", "198.51.100.7");
    struct packet_datagram datagram = { .data = data, .data_len = 65507, .mtu = 1500 };
    size_t len, at = 0;
    unsigned count = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7);
    while (packet_write_udp(frame, &len, &way, &datagram)) {
        const uint8_t *ip = frame + ETHERNET_LEN;
        size_t place = (size_t)((ip[6] & 0x1f) << 8 | ip[7]) * 8;

        assert_int_equal(checksum_end(checksum_add(0, ip, IPV4_LEN)), 0);
        assert_true(len <= ETHERNET_LEN + 1500);
        assert_int_equal(ip[2] << 8 | ip[3], len - ETHERNET_LEN);
        assert_int_equal(place, at);
        assert_int_equal(ip[6] & 0x20, datagram.is_over ? 0 : 0x20);
        memcpy(all + at, ip + IPV4_LEN, len - ETHERNET_LEN - IPV4_LEN);
        at += len - ETHERNET_LEN - IPV4_LEN;
        count++;
    }
    assert_int_equal(at, UDP_LEN + 65507);
    assert_int_equal(count, 45);
    assert_memory_equal(all + UDP_LEN, data, 65507);
}

/* RFC 8200 4.5 */
static void over_ipv6_fragments_have_a_header_of_their_own(void **state)
{
    static uint8_t frame[FRAME_MAX], data[3000];
    const struct packet_way way = way_between("2001:db8::1", "2001:db8::2");
    struct packet_datagram datagram = { .data = data, .data_len = sizeof(data), .mtu = 1500 };
    size_t len, at = 0;

    (void)state;
    while (packet_write_udp(frame, &len, &way, &datagram)) {
        const uint8_t *ip = frame + ETHERNET_LEN, *part = ip + IPV6_LEN;
        size_t carried = len - ETHERNET_LEN - IPV6_LEN - 8;

        assert_true(len <= ETHERNET_LEN + 1500);
        assert_int_equal(ip[6], 44);
        assert_int_equal(ip[4] << 8 | ip[5], carried + 8);
        assert_int_equal(part[0], 17);
        assert_int_equal((part[2] << 8 | part[3]) & ~7, at);
        assert_int_equal(part[3] & 1, !datagram.is_over);
        assert_int_equal(part[6] << 8 | part[7], way.id);
        at += carried;
    }
    assert_int_equal(at, UDP_LEN + sizeof(data));
}

static void an_echo_request_has_its_checksum(void **state)
{
    const uint8_t message[] = { 8, 0, 0xff, 0xff, 0, 1, 0, 1, 'a', 'b', 'c' };
    const struct packet_way way = way_between("192.0.2.1", "198.51.100.7");
    uint8_t frame[PACKET_HEADERS_MAX + sizeof(message)];
    size_t len = packet_write_icmp(frame, &way, message, sizeof(message));
    size_t at = ETHERNET_LEN + IPV4_LEN;

    (void)state;
    assert_int_equal(len, at + sizeof(message));
    assert_int_equal(frame[ETHERNET_LEN + 9], 1);
    assert_int_equal(checksum_end(checksum_add(0, frame + at, len - at)), 0);
    assert_int_equal(frame[at], 8);
}

static void groups_have_addresses_of_their_own(void **state)
{
    static const struct {
        const char *to;
        uint8_t mac[PACKET_MAC_LEN];
    } rows[] = {
        { "198.51.100.7", { 2, 0, 0, 0, 0, 9 } },
        { "255.255.255.255", { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
        { "239.255.255.250", { 0x01, 0x00, 0x5e, 0x7f, 0xff, 0xfa } },
        { "2001:db8::1", { 2, 0, 0, 0, 0, 9 } },
        { "ff02::1:ff00:7", { 0x33, 0x33, 0xff, 0x00, 0x00, 0x07 } },
    };
    const uint8_t next[] = { 2, 0, 0, 0, 0, 9 };
    uint8_t mac[PACKET_MAC_LEN];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct endpoint to = { 0 };

        assert_true(endpoint_set_text(&to, rows[i].to));
        packet_group_mac(&to, next, mac);
        assert_memory_equal(mac, rows[i].mac, sizeof(mac));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_segment_over_ipv4_is_right_to_the_byte),
        cmocka_unit_test(a_syn_says_what_its_sender_can_take),
        cmocka_unit_test(a_small_datagram_is_one_frame),
        cmocka_unit_test(an_empty_datagram_is_a_frame_too),
        cmocka_unit_test(a_large_datagram_is_cut_into_fragments),
        cmocka_unit_test(over_ipv6_fragments_have_a_header_of_their_own),
        cmocka_unit_test(an_echo_request_has_its_checksum),
        cmocka_unit_test(groups_have_addresses_of_their_own),
    };

    return cmocka_run_group_tests_name("packet", tests, NULL, NULL);
}
