#include "emu/icmp_msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* RFC 792: type 8, code 0, checksum, identifier, sequence number. The sum was worked out by hand. */
static void a_request_is_as_the_rfc_says(void **state)
{
    static const uint8_t wanted[] = { 8, 0, 0xdf, 0xbd, 0x12, 0x34, 0x00, 0x05, 0, 1, 2, 3, 4, 5 };
    uint8_t message[ICMP_HEADER_LEN + ICMP_DATA_MAX];
    const struct icmp_echo echo = { .id = 0x1234, .sequence = 5, .data_len = 6 };

    (void)state;
    assert_int_equal(icmp_write_request(&echo, message), sizeof(wanted));
    assert_memory_equal(message, wanted, sizeof(wanted));
}

/* RFC 1071: a message with its checksum in it sums up to 0xffff. */
static void the_checksum_makes_the_sum_all_ones(void **state)
{
    uint8_t message[ICMP_HEADER_LEN + ICMP_DATA_MAX + 1] = { 0 };

    (void)state;
    for (size_t data_len = 0; data_len <= ICMP_DATA_MAX; data_len += 491) {
        const struct icmp_echo echo = { .id = 0xfffe, .sequence = 0xffff, .data_len = data_len };
        size_t len = icmp_write_request(&echo, message);
        uint32_t sum = 0;

        message[len] = 0;
        for (size_t i = 0; i < len; i += 2)
            sum += (uint32_t)(message[i] << 8 | message[i + 1]);
        while (sum >> 16)
            sum = (sum & 0xffff) + (sum >> 16);
        assert_int_equal(sum, 0xffff);
    }
}

static void a_reply_is_read(void **state)
{
    static const uint8_t reply[] = { 0, 0, 0, 0, 0x12, 0x34, 0x00, 0x05, 9, 9, 9 };
    struct icmp_echo echo;

    (void)state;
    assert_true(icmp_read_reply(reply, sizeof(reply), &echo));
    assert_int_equal(echo.id, 0x1234);
    assert_int_equal(echo.sequence, 5);
    assert_int_equal(echo.data_len, 3);
}

static void what_is_no_reply_is_not_taken_for_one(void **state)
{
    static const uint8_t request[] = { 8, 0, 0, 0, 0, 1, 0, 1 };
    static const uint8_t unreachable[] = { 3, 1, 0, 0, 0, 1, 0, 1 };
    static const uint8_t odd_code[] = { 0, 1, 0, 0, 0, 1, 0, 1 };
    static const uint8_t short_one[] = { 0, 0, 0, 0, 0, 1, 0 };
    struct icmp_echo echo;

    (void)state;
    assert_false(icmp_read_reply(request, sizeof(request), &echo));
    assert_false(icmp_read_reply(unreachable, sizeof(unreachable), &echo));
    assert_false(icmp_read_reply(odd_code, sizeof(odd_code), &echo));
    assert_false(icmp_read_reply(short_one, sizeof(short_one), &echo));
    assert_false(icmp_read_reply(short_one, 0, &echo));
}

static void the_payload_of_a_packet_is_behind_its_options(void **state)
{
    uint8_t packet[26] = { [0] = 0x46, [8] = 57, [24] = 0xaa, [25] = 0xbb };
    struct ip_payload payload;

    (void)state;
    assert_true(ip_read_payload(packet, sizeof(packet), &payload));
    assert_int_equal(payload.ttl, 57);
    assert_int_equal(payload.len, 2);
    assert_ptr_equal(payload.message, packet + 24);
}

static void a_packet_that_is_too_short_is_refused(void **state)
{
    uint8_t packet[20] = { [0] = 0x45 };
    struct ip_payload payload;

    (void)state;
    assert_true(ip_read_payload(packet, sizeof(packet), &payload));
    assert_int_equal(payload.len, 0);
    assert_false(ip_read_payload(packet, 19, &payload));
    assert_false(ip_read_payload(packet, 0, &payload));
    packet[0] = 0x46; /* options that are not there */
    assert_false(ip_read_payload(packet, sizeof(packet), &payload));
    packet[0] = 0x44; /* shorter than a header can be */
    assert_false(ip_read_payload(packet, sizeof(packet), &payload));
    packet[0] = 0x65; /* IPv6 */
    assert_false(ip_read_payload(packet, sizeof(packet), &payload));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_as_the_rfc_says),
        cmocka_unit_test(the_checksum_makes_the_sum_all_ones),
        cmocka_unit_test(a_reply_is_read),
        cmocka_unit_test(what_is_no_reply_is_not_taken_for_one),
        cmocka_unit_test(the_payload_of_a_packet_is_behind_its_options),
        cmocka_unit_test(a_packet_that_is_too_short_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
