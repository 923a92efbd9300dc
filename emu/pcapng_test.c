#include "emu/pcapng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "emu/util.h"

#include <cmocka.h>

/* The bytes of @out are these; it is emptied. */
static void assert_bytes(struct byteq *out, const uint8_t *wanted, size_t len)
{
    assert_int_equal(out->len, len);
    assert_memory_equal(byteq_front(out), wanted, len);
    byteq_fini(out);
}

/* One line a field. */
/* clang-format off */

static void a_section_says_who_wrote_it(void **state)
{
    static const uint8_t wanted[] = {
        0x0a, 0x0d, 0x0d, 0x0a,
        48, 0, 0, 0,
        0x4d, 0x3c, 0x2b, 0x1a, /* byte order */
        1, 0, 0, 0, /* version */
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* a length that is not known */
        1, 0, 2, 0, 'h', 'i', 0, 0, /* opt_comment */
        4, 0, 3, 0, 'e', 'm', 'u', 0, /* shb_userappl */
        0, 0, 0, 0, /* opt_endofopt */
        48, 0, 0, 0,
    };
    struct byteq out = { 0 };

    (void)state;
    pcapng_put_section(&out, &(struct pcapng_section){ .application = "emu", .comment = "hi" });
    assert_bytes(&out, wanted, sizeof(wanted));
}

static void an_interface_has_its_name_and_addresses(void **state)
{
    static const uint8_t wanted[] = {
        1, 0, 0, 0,
        92, 0, 0, 0,
        1, 0, 0, 0, /* Ethernet */
        0, 0, 4, 0, /* 262144 bytes of a packet */
        2, 0, 8, 0, 'L', 'W', 'I', 'P', '_', 'E', 'T', 'H', /* if_name */
        4, 0, 8, 0, 192, 0, 2, 7, 255, 255, 255, 0, /* if_IPv4addr */
        5, 0, 17, 0, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 64, 0, 0, 0,
        6, 0, 6, 0, 2, 0, 0, 0, 0, 9, 0, 0, /* if_MACaddr */
        9, 0, 1, 0, 9, 0, 0, 0, /* if_tsresol: nanoseconds */
        0, 0, 0, 0,
        92, 0, 0, 0,
    };
    const uint8_t mac[] = { 2, 0, 0, 0, 0, 9 };
    struct pcapng_interface interface = { .link_type = PCAPNG_LINK_ETHERNET,
                                          .name = "LWIP_ETH",
                                          .mac = mac,
                                          .prefix6_len = 64 };
    struct byteq out = { 0 };

    (void)state;
    endpoint_set_v4(&interface.ip, 192, 0, 2, 7);
    endpoint_set_v4(&interface.mask, 255, 255, 255, 0);
    assert_true(endpoint_set_text(&interface.ip6, "2001:db8::7"));
    pcapng_put_interface(&out, &interface);
    assert_bytes(&out, wanted, sizeof(wanted));
}

static void what_is_not_known_of_an_interface_is_left_out(void **state)
{
    static const uint8_t wanted[] = {
        1, 0, 0, 0,
        32, 0, 0, 0,
        1, 0, 0, 0,
        0, 0, 4, 0,
        9, 0, 1, 0, 9, 0, 0, 0,
        0, 0, 0, 0,
        32, 0, 0, 0,
    };
    struct byteq out = { 0 };

    (void)state;
    pcapng_put_interface(&out,
                         &(struct pcapng_interface){ .link_type = PCAPNG_LINK_ETHERNET });
    assert_bytes(&out, wanted, sizeof(wanted));
}

static void a_packet_has_its_time_direction_and_comments(void **state)
{
    static const uint8_t wanted[] = {
        6, 0, 0, 0,
        64, 0, 0, 0,
        3, 0, 0, 0, /* interface */
        0x78, 0x56, 0x34, 0x12, /* the upper half of the time */
        0xef, 0xcd, 0xab, 0x90,
        3, 0, 0, 0, 3, 0, 0, 0, /* length here and on the wire */
        'a', 'b', 'c', 0,
        1, 0, 3, 0, 'o', 'n', 'e', 0,
        1, 0, 4, 0, 't', 'w', 'o', '!',
        2, 0, 4, 0, 2, 0, 0, 0, /* epb_flags: outbound */
        0, 0, 0, 0,
        64, 0, 0, 0,
    };
    const char *const comments[] = { "one", "two!" };
    struct byteq out = { 0 };

    (void)state;
    pcapng_put_packet(&out, &(struct pcapng_packet){ .interface = 3,
                                                     .time_ns = 0x1234567890abcdef,
                                                     .direction = PCAPNG_DIRECTION_OUT,
                                                     .data = "abc",
                                                     .len = 3,
                                                     .comments = comments,
                                                     .comments_count = 2 });
    assert_bytes(&out, wanted, sizeof(wanted));
}

static void secrets_are_a_key_log(void **state)
{
    static const uint8_t wanted[] = {
        10, 0, 0, 0,
        28, 0, 0, 0,
        'K', 'S', 'L', 'T', /* "TLSK", little-endian */
        5, 0, 0, 0,
        'a', ' ', 'b', ' ', '\n', 0, 0, 0,
        28, 0, 0, 0,
    };
    struct byteq out = { 0 };

    (void)state;
    pcapng_put_tls_keys(&out, "a b \n", 5);
    assert_bytes(&out, wanted, sizeof(wanted));
}

static void statistics_count_what_was_dropped(void **state)
{
    static const uint8_t wanted[] = {
        5, 0, 0, 0,
        84, 0, 0, 0,
        1, 0, 0, 0,
        0, 0, 0, 0, 9, 0, 0, 0,
        1, 0, 3, 0, 'e', 'n', 'd', 0,
        2, 0, 8, 0, 0, 0, 0, 0, 7, 0, 0, 0, /* isb_starttime */
        3, 0, 8, 0, 0, 0, 0, 0, 8, 0, 0, 0, /* isb_endtime */
        4, 0, 8, 0, 5, 0, 0, 0, 0, 0, 0, 0, /* isb_ifrecv */
        5, 0, 8, 0, 1, 0, 0, 0, 2, 0, 0, 0, /* isb_ifdrop */
        0, 0, 0, 0,
        84, 0, 0, 0,
    };
    const char *const comments[] = { "end" };
    struct byteq out = { 0 };

    (void)state;
    pcapng_put_statistics(&out, &(struct pcapng_statistics){ .interface = 1,
                                                             .time_ns = 9,
                                                             .start_ns = 7,
                                                             .end_ns = 8,
                                                             .received = 5,
                                                             .dropped = 0x200000001,
                                                             .comments = comments,
                                                             .comments_count = 1 });
    assert_bytes(&out, wanted, sizeof(wanted));
}

/* clang-format on */

/* An option's length has 16 bits, and a character must not be cut in two. */
static void a_long_comment_is_cut(void **state)
{
    char *text = xcalloc(1, PCAPNG_OPTION_MAX + 3);
    const char *comment = text;
    struct byteq out = { 0 };
    const uint8_t *option;

    (void)state;
    memset(text, 'x', PCAPNG_OPTION_MAX - 1);
    memcpy(text + PCAPNG_OPTION_MAX - 1, "\xe4\xbd\xa0", 4); /* with its end */
    pcapng_put_packet(&out, &(struct pcapng_packet){ .comments = &comment, .comments_count = 1 });
    option = byteq_front(&out) + 28;
    assert_int_equal(option[2] | option[3] << 8, PCAPNG_OPTION_MAX - 1);
    byteq_fini(&out);
    free(text);
}

static void a_packet_that_is_too_long_is_cut(void **state)
{
    uint8_t *data = xcalloc(1, PCAPNG_PACKET_MAX + 1);
    struct byteq out = { 0 };
    const uint8_t *block;

    (void)state;
    pcapng_put_packet(&out, &(struct pcapng_packet){ .data = data, .len = PCAPNG_PACKET_MAX + 1 });
    block = byteq_front(&out);
    assert_int_equal(block[20] | block[21] << 8 | block[22] << 16, PCAPNG_PACKET_MAX);
    assert_int_equal(block[24] | block[25] << 8 | block[26] << 16, PCAPNG_PACKET_MAX + 1);
    byteq_fini(&out);
    free(data);
}

static void blocks_follow_each_other(void **state)
{
    struct byteq out = { 0 };
    const uint8_t *at;
    size_t left, count = 0;

    (void)state;
    pcapng_put_section(&out, &(struct pcapng_section){ 0 });
    pcapng_put_interface(&out, &(struct pcapng_interface){ .name = "ETH0" });
    for (size_t len = 0; len < 5; len++)
        pcapng_put_packet(&out, &(struct pcapng_packet){ .data = "12345", .len = len });
    at = byteq_front(&out);
    for (left = out.len; left; count++) {
        size_t len = at[4] | (size_t)at[5] << 8;

        assert_int_equal(len % 4, 0);
        assert_true(len <= left);
        assert_memory_equal(at + 4, at + len - 4, 4);
        at += len;
        left -= len;
    }
    assert_int_equal(count, 7);
    byteq_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_section_says_who_wrote_it),
        cmocka_unit_test(an_interface_has_its_name_and_addresses),
        cmocka_unit_test(what_is_not_known_of_an_interface_is_left_out),
        cmocka_unit_test(a_packet_has_its_time_direction_and_comments),
        cmocka_unit_test(secrets_are_a_key_log),
        cmocka_unit_test(statistics_count_what_was_dropped),
        cmocka_unit_test(a_long_comment_is_cut),
        cmocka_unit_test(a_packet_that_is_too_long_is_cut),
        cmocka_unit_test(blocks_follow_each_other),
    };

    return cmocka_run_group_tests_name("pcapng", tests, NULL, NULL);
}
