#include "emu/udp_packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define CAP 64

static const struct udp_packet hello = { .from = 0,
                                         .to = UINT32_MAX,
                                         .from_port = 68,
                                         .to_port = 67,
                                         .data = (const uint8_t *)"hello",
                                         .len = 5 };

/* RFC 791 3.1, RFC 768; the sums were worked out by hand. */
static void a_packet_is_as_the_rfcs_say(void **state)
{
    static const uint8_t wanted[] = { 0x45, 0,  0, 33, 0,    0,    0x40, 0,   64,  17,  0x3a,
                                      0xcd, 0,  0, 0,  0,    255,  255,  255, 255, 0,   68,
                                      0,    67, 0, 13, 0xbb, 0x7b, 'h',  'e', 'l', 'l', 'o' };
    uint8_t packet[CAP];

    (void)state;
    assert_int_equal(udp_packet_write(&hello, packet, sizeof(packet)), sizeof(wanted));
    assert_memory_equal(packet, wanted, sizeof(wanted));
}

static void what_is_written_is_read(void **state)
{
    uint8_t packet[CAP] = { 0 };
    struct udp_packet seen;
    size_t len = udp_packet_write(&hello, packet, sizeof(packet));

    (void)state;
    assert_true(udp_packet_read(packet, len + 9, true, &seen)); /* an Ethernet frame is padded */
    assert_int_equal(seen.from, hello.from);
    assert_int_equal(seen.to, hello.to);
    assert_int_equal(seen.from_port, hello.from_port);
    assert_int_equal(seen.to_port, hello.to_port);
    assert_int_equal(seen.len, hello.len);
    assert_memory_equal(seen.data, hello.data, hello.len);
}

static void what_does_not_fit_is_not_written(void **state)
{
    uint8_t packet[CAP];

    (void)state;
    assert_int_equal(udp_packet_write(&hello, packet, 33), 33);
    assert_int_equal(udp_packet_write(&hello, packet, 32), 0);
}

static void a_packet_that_was_damaged_is_refused(void **state)
{
    uint8_t packet[CAP];
    struct udp_packet seen;
    size_t len = udp_packet_write(&hello, packet, sizeof(packet));

    (void)state;
    for (size_t i = 0; i < len; i++) {
        packet[i] ^= 0x04;
        assert_false(udp_packet_read(packet, len, true, &seen));
        packet[i] ^= 0x04;
    }
    for (size_t cut = 0; cut < len; cut++)
        assert_false(udp_packet_read(packet, cut, true, &seen));
}

/* A packet of this machine's own still waits for its UDP checksum; one may come without. */
static void a_sum_that_is_not_there_is_not_missed(void **state)
{
    uint8_t packet[CAP];
    struct udp_packet seen;
    size_t len = udp_packet_write(&hello, packet, sizeof(packet));

    (void)state;
    packet[26]++;
    assert_false(udp_packet_read(packet, len, true, &seen));
    assert_true(udp_packet_read(packet, len, false, &seen));
    packet[26] = packet[27] = 0;
    assert_true(udp_packet_read(packet, len, true, &seen));
}

/* Put IP's sum right again. */
static void resum(uint8_t *packet, size_t header_len)
{
    uint32_t sum = 0;

    packet[10] = packet[11] = 0;
    for (size_t i = 0; i < header_len; i += 2)
        sum += (uint32_t)(packet[i] << 8 | packet[i + 1]);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    packet[10] = (uint8_t)(~sum >> 8);
    packet[11] = (uint8_t)~sum;
}

static void a_fragment_and_other_protocols_are_refused(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
    } rows[] = { { 0, 0x65 }, { 0, 0x44 }, { 0, 0x4f }, { 6, 0x20 }, { 7, 1 }, { 9, 6 } };
    uint8_t packet[CAP];
    struct udp_packet seen;
    size_t len = udp_packet_write(&hello, packet, sizeof(packet));

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t was = packet[rows[i].at];

        packet[rows[i].at] = rows[i].value;
        resum(packet, 20);
        assert_false(udp_packet_read(packet, len, false, &seen));
        packet[rows[i].at] = was;
    }
    resum(packet, 20);
    assert_true(udp_packet_read(packet, len, true, &seen));
}

static void options_of_ip_are_skipped(void **state)
{
    uint8_t packet[CAP] = { 0 };
    struct udp_packet seen;

    (void)state;
    (void)udp_packet_write(&hello, packet, sizeof(packet));
    memmove(packet + 24, packet + 20, 13);
    memset(packet + 20, 1, 4); /* RFC 791: no operation */
    packet[0] = 0x46;
    packet[3] = 37;
    resum(packet, 24);
    assert_true(udp_packet_read(packet, 37, true, &seen));
    assert_memory_equal(seen.data, "hello", 5);
}

static void a_datagram_longer_than_its_packet_is_refused(void **state)
{
    uint8_t packet[CAP];
    struct udp_packet seen;
    size_t len = udp_packet_write(&hello, packet, sizeof(packet));

    (void)state;
    packet[25] = 14;
    assert_false(udp_packet_read(packet, len + 9, false, &seen));
    packet[25] = 7;
    assert_false(udp_packet_read(packet, len, false, &seen));
    packet[25] = 8;
    assert_true(udp_packet_read(packet, len, false, &seen));
    assert_int_equal(seen.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packet_is_as_the_rfcs_say),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_does_not_fit_is_not_written),
        cmocka_unit_test(a_packet_that_was_damaged_is_refused),
        cmocka_unit_test(a_sum_that_is_not_there_is_not_missed),
        cmocka_unit_test(a_fragment_and_other_protocols_are_refused),
        cmocka_unit_test(options_of_ip_are_skipped),
        cmocka_unit_test(a_datagram_longer_than_its_packet_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
