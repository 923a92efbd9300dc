#include "emu/ntp_msg.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define REPLY_LEN 48

/* A good answer to a first request, which carries no time: sent at 0xE8000000.25 s. */
static const uint8_t good[REPLY_LEN] = {
    0x1c, 2, 6, 0xec, 0,    0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1, /* header */
    0xe8, 0, 0, 0,    0,    0, 0, 0,                           /* reference */
    0,    0, 0, 0,    0,    0, 0, 0,                           /* origin */
    0xe8, 0, 0, 0,    0x20, 0, 0, 0,                           /* received: .125 */
    0xe8, 0, 0, 0,    0x40, 0, 0, 0,                           /* sent: .25 */
};

static const struct ntp_time unknown = { 0 };

/* The verdict on the good answer, but for the byte at @at. */
static enum ntp_verdict with_byte(size_t at, uint8_t byte)
{
    uint8_t message[REPLY_LEN];
    struct ntp_reply reply;

    memcpy(message, good, sizeof(message));
    message[at] = byte;
    return ntp_read_reply(&unknown, message, sizeof(message), &reply);
}

static void a_first_request_is_0x1b_and_zeros(void **state)
{
    uint8_t message[NTP_REQUEST_LEN];
    const uint8_t zeros[NTP_REQUEST_LEN] = { 0 };

    (void)state;
    ntp_write_request(&unknown, message);
    assert_int_equal(message[0], 0x1b);
    assert_memory_equal(message + 1, zeros, sizeof(message) - 1);
}

static void a_later_request_carries_our_time_at_its_end(void **state)
{
    static const uint8_t sent[8] = { 0xe8, 0, 0, 1, 0x7f, 0xff, 0xff, 0x6c }; /* ...1.5 */
    const struct ntp_time now = { .s = 0xe8000001, .ms = 500 };
    uint8_t message[NTP_REQUEST_LEN];

    (void)state;
    ntp_write_request(&now, message);
    assert_memory_equal(message + 40, sent, 8);
}

static void an_answer_has_two_times(void **state)
{
    struct ntp_reply reply;

    (void)state;
    assert_int_equal(ntp_read_reply(&unknown, good, sizeof(good), &reply), NTP_VERDICT_OK);
    assert_int_equal(reply.received.s, 0xe8000000);
    assert_int_equal(reply.received.ms, 124); /* LuatOS divides by 4295, which is a bit much */
    assert_int_equal(reply.sent.s, 0xe8000000);
    assert_int_equal(reply.sent.ms, 249);
}

static void an_answer_may_lack_its_last_four_bytes_and_have_a_digest(void **state)
{
    uint8_t message[NTP_REPLY_MAX + 1] = { 0 };
    struct ntp_reply reply;

    (void)state;
    memcpy(message, good, sizeof(good));
    for (size_t len = 0; len <= sizeof(message); len++) {
        assert_int_equal(ntp_read_reply(&unknown, message, len, &reply),
                         len >= NTP_REPLY_MIN && len <= NTP_REPLY_MAX ? NTP_VERDICT_OK
                                                                      : NTP_VERDICT_SIZE);
    }
    assert_int_equal(ntp_read_reply(&unknown, message, NTP_REPLY_MIN, &reply), NTP_VERDICT_OK);
    assert_int_equal(reply.sent.ms, 0);
}

static void an_answer_is_a_servers_and_of_version_3_or_4(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        unsigned mode = first & 7, version = first >> 3 & 7, leap = first >> 6;
        enum ntp_verdict verdict = with_byte(0, (uint8_t)first);

        if (mode != 4 || version < 3 || version > 4) {
            assert_int_equal(verdict, NTP_VERDICT_MODE);
        } else {
            assert_int_equal(verdict, leap == 3 ? NTP_VERDICT_UNSYNC : NTP_VERDICT_OK);
        }
    }
}

static void an_answer_repeats_what_the_request_carried(void **state)
{
    const struct ntp_time asked = { .s = 0xe8000001, .ms = 500 };
    uint8_t request[NTP_REQUEST_LEN], message[REPLY_LEN];
    struct ntp_reply reply;

    (void)state;
    for (size_t at = 24; at < 32; at++)
        assert_int_equal(with_byte(at, 1), NTP_VERDICT_ORIGIN);
    memcpy(message, good, sizeof(message));
    assert_int_equal(ntp_read_reply(&asked, message, sizeof(message), &reply), NTP_VERDICT_ORIGIN);
    ntp_write_request(&asked, request);
    memcpy(message + 24, request + 40, 8);
    assert_int_equal(ntp_read_reply(&asked, message, sizeof(message), &reply), NTP_VERDICT_OK);
}

static void stratum_0_with_capitals_is_a_kiss(void **state)
{
    uint8_t message[REPLY_LEN];
    struct ntp_reply reply;

    (void)state;
    memcpy(message, good, sizeof(message));
    message[1] = 0;
    assert_int_equal(ntp_read_reply(&unknown, message, sizeof(message), &reply),
                     NTP_VERDICT_UNSYNC);
    memcpy(message + 12, "RATE", 4);
    assert_int_equal(ntp_read_reply(&unknown, message, sizeof(message), &reply), NTP_VERDICT_KISS);
    assert_string_equal(reply.kiss, "RATE");
    message[24] = 1; /* but not if it answers somebody else */
    assert_int_equal(ntp_read_reply(&unknown, message, sizeof(message), &reply),
                     NTP_VERDICT_ORIGIN);
    message[24] = 0;
    message[1] = 1; /* RATE as a reference's name */
    assert_int_equal(ntp_read_reply(&unknown, message, sizeof(message), &reply), NTP_VERDICT_OK);
}

static void a_server_without_the_time_is_not_believed(void **state)
{
    uint8_t message[REPLY_LEN];
    struct ntp_reply reply;

    (void)state;
    assert_int_equal(with_byte(1, 15), NTP_VERDICT_OK);
    assert_int_equal(with_byte(1, 16), NTP_VERDICT_UNSYNC);
    assert_int_equal(with_byte(1, 255), NTP_VERDICT_UNSYNC);
    memcpy(message, good, sizeof(message));
    memset(message + 40, 0, 8);
    assert_int_equal(ntp_read_reply(&unknown, message, sizeof(message), &reply),
                     NTP_VERDICT_UNSYNC);
}

/* LuatOS: what would be before 1970 is after 2036. */
static void seconds_that_have_wrapped_are_of_the_next_era(void **state)
{
    static const struct {
        uint8_t sent[4];
        int64_t s;
    } rows[] = {
        { { 0x83, 0xaa, 0x7e, 0x81 }, 0x83aa7e81 },
        { { 0x83, 0xaa, 0x7e, 0x80 }, INT64_C(0x183aa7e80) },
        { { 0, 0, 0, 1 }, INT64_C(0x100000001) },
        { { 0xff, 0xff, 0xff, 0xff }, 0xffffffff },
    };
    uint8_t message[REPLY_LEN];
    struct ntp_reply reply;

    (void)state;
    memcpy(message, good, sizeof(message));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        memcpy(message + 40, rows[i].sent, 4);
        assert_int_equal(ntp_read_reply(&unknown, message, sizeof(message), &reply),
                         NTP_VERDICT_OK);
        assert_int_equal(reply.sent.s, rows[i].s);
    }
}

static void milliseconds_stay_below_a_second(void **state)
{
    uint8_t message[REPLY_LEN];
    struct ntp_reply reply;

    (void)state;
    memcpy(message, good, sizeof(message));
    memset(message + 44, 0xff, 4);
    assert_int_equal(ntp_read_reply(&unknown, message, sizeof(message), &reply), NTP_VERDICT_OK);
    assert_int_equal(reply.sent.ms, 999);
}

static void every_verdict_has_its_words(void **state)
{
    (void)state;
    for (int verdict = NTP_VERDICT_OK; verdict <= NTP_VERDICT_STRANGER; verdict++)
        assert_true(strlen(ntp_verdict_text((enum ntp_verdict)verdict)) > 0);
}

static void a_server_hears_clients_of_any_version_and_nobody_else(void **state)
{
    uint8_t message[NTP_REQUEST_LEN + 20];
    struct ntp_asked asked;

    (void)state;
    memset(message, 0, sizeof(message));
    for (unsigned first = 0; first < 256; first++) {
        bool is_client = (first & 7) == 3 && (first >> 3 & 7) != 0;

        message[0] = (uint8_t)first;
        assert_int_equal(ntp_read_request(message, sizeof(message), &asked),
                         is_client ? 0 : -EBADMSG);
    }
    ntp_write_request(&unknown, message);
    for (size_t len = 0; len < NTP_REQUEST_LEN; len++)
        assert_int_equal(ntp_read_request(message, len, &asked), -EBADMSG);
}

static void an_answer_of_ours_is_good(void **state)
{
    const struct ntp_time sent = { .s = 0xe8000001, .ms = 500 };
    uint8_t request[NTP_REQUEST_LEN], message[NTP_ANSWER_LEN];
    struct ntp_asked asked;
    struct ntp_reply reply;

    (void)state;
    ntp_write_request(&sent, request);
    request[2] = 6;
    assert_int_equal(ntp_read_request(request, sizeof(request), &asked), 0);
    ntp_write_answer(&asked, INT64_C(1700000000250000), message);
    assert_int_equal(message[0], 0x1c);
    assert_int_equal(message[2], 6);
    assert_int_equal(ntp_read_reply(&sent, message, sizeof(message), &reply), NTP_VERDICT_OK);
    assert_true(reply.sent.s == 1700000000 + NTP_UNIX_EPOCH_S);
    assert_int_equal(reply.sent.ms, 249); /* of .25, by LuatOS's division */
    request[0] = 7 << 3 | 3;              /* a version that is not there yet */
    assert_int_equal(ntp_read_request(request, sizeof(request), &asked), 0);
    ntp_write_answer(&asked, 0, message);
    assert_int_equal(message[0], 4 << 3 | 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_request_is_0x1b_and_zeros),
        cmocka_unit_test(a_later_request_carries_our_time_at_its_end),
        cmocka_unit_test(an_answer_has_two_times),
        cmocka_unit_test(an_answer_may_lack_its_last_four_bytes_and_have_a_digest),
        cmocka_unit_test(an_answer_is_a_servers_and_of_version_3_or_4),
        cmocka_unit_test(an_answer_repeats_what_the_request_carried),
        cmocka_unit_test(stratum_0_with_capitals_is_a_kiss),
        cmocka_unit_test(a_server_without_the_time_is_not_believed),
        cmocka_unit_test(seconds_that_have_wrapped_are_of_the_next_era),
        cmocka_unit_test(milliseconds_stay_below_a_second),
        cmocka_unit_test(every_verdict_has_its_words),
        cmocka_unit_test(a_server_hears_clients_of_any_version_and_nobody_else),
        cmocka_unit_test(an_answer_of_ours_is_good),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
