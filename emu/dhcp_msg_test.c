#include "emu/dhcp_msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "emu/buf.h"

#include <cmocka.h>

#define SNAME_AT   44
#define FILE_AT    108
#define COOKIE_AT  236
#define OPTIONS_AT 240
#define IP(a, b, c, d) \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

static const uint8_t mac[DHCP_MAC_LEN] = { 0x02, 0x4c, 0x41, 0x42, 0x00, 0x01 };

/* A reply with the options @options, as RFC 2131 figure 1 lays it out; returns its length. */
static size_t make(uint8_t data[DHCP_MSG_MAX], const uint8_t *options, size_t len)
{
    struct writer w;

    memset(data, 0, DHCP_MSG_MAX);
    writer_init(&w, data, DHCP_MSG_MAX);
    writer_u32(&w, 0x02010600);
    writer_u32(&w, 0xcafe0001);
    memcpy(data + 28, mac, sizeof(mac));
    w.len = COOKIE_AT;
    writer_u32(&w, 0x63825363);
    writer_bytes(&w, options, len);
    return w.len;
}

static bool read_options(const uint8_t *options, size_t len, struct dhcp_msg *msg)
{
    uint8_t data[DHCP_MSG_MAX];

    return dhcp_read(data, make(data, options, len), msg);
}

/* RFC 2131 figure 1, table 5, RFC 2132: written down by hand. */
static void a_discover_is_as_the_rfc_says(void **state)
{
    static const uint8_t head[] = { 1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 0, 7, 0x80, 0 };
    static const uint8_t options[] = { 0x63, 0x82, 0x53, 0x63, 53,   1,  1, 61, 7, 1, 0x02,
                                       0x4c, 0x41, 0x42, 0x00, 0x01, 50, 4, 10, 0, 0, 5,
                                       12,   3,    'd',  'e',  'v',  55, 3, 1,  3, 6, 255 };
    struct dhcp_msg msg = { .type = DHCP_TYPE_DISCOVER,
                            .xid = 0x12345678,
                            .secs = 7,
                            .wants_broadcast = true,
                            .requested_ip = IP(10, 0, 0, 5),
                            .client_id = { { 1, 0x02, 0x4c, 0x41, 0x42, 0x00, 0x01 }, 7 },
                            .hostname = "dev",
                            .wanted = { 1, 3, 6 },
                            .wanted_count = 3 };
    uint8_t data[DHCP_MSG_MAX];
    size_t len;

    (void)state;
    memcpy(msg.mac, mac, sizeof(mac));
    len = dhcp_write(&msg, data);
    assert_int_equal(len, DHCP_MSG_MIN);
    assert_memory_equal(data, head, sizeof(head));
    assert_memory_equal(data + 28, mac, sizeof(mac));
    assert_memory_equal(data + COOKIE_AT, options, sizeof(options));
    for (size_t i = COOKIE_AT + sizeof(options); i < len; i++)
        assert_int_equal(data[i], 0);
}

static void what_is_written_is_read(void **state)
{
    struct dhcp_msg msg = {
        .is_reply = true,
        .type = DHCP_TYPE_ACK,
        .xid = 0xdeadbeef,
        .client_ip = IP(10, 0, 0, 5),
        .your_ip = IP(10, 0, 0, 6),
        .next_ip = IP(10, 0, 0, 7),
        .relay_ip = IP(10, 0, 0, 8),
        .server_id = IP(10, 0, 0, 1),
        .requested_ip = IP(10, 0, 0, 9),
        .mask = IP(255, 255, 255, 0),
        .broadcast = IP(10, 0, 0, 255),
        .router = IP(10, 0, 0, 1),
        .dns = { IP(10, 0, 0, 1), IP(1, 1, 1, 1), IP(8, 8, 8, 8), IP(9, 9, 9, 9) },
        .dns_count = 4,
        .routes = { { 0, IP(10, 0, 0, 1), 0 }, { IP(192, 168, 128, 0), IP(10, 0, 0, 2), 17 } },
        .routes_count = 2,
        .lease_s = 3600,
        .t1_s = 1800,
        .t2_s = 3150,
        .mtu = 1400,
        .client_id = { { 0, 'x', 'y' }, 3 },
        .hostname = "air780e",
        .text = "because",
        .wanted = { 1, 121 },
        .wanted_count = 2,
    };
    uint8_t data[DHCP_MSG_MAX];
    struct dhcp_msg seen;

    (void)state;
    memcpy(msg.mac, mac, sizeof(mac));
    assert_true(dhcp_read(data, dhcp_write(&msg, data), &seen));
    assert_memory_equal(&seen, &msg, sizeof(msg));
}

/* RFC 2131 4.1: with option 52, `file' and then `sname' hold options as well. */
static void options_are_read_where_they_overflow_to(void **state)
{
    static const uint8_t options[] = { 53, 1, 5, 52, 1, 3, 255 };
    static const uint8_t in_file[] = { 0, 1, 4, 255, 255, 0, 0, 255 };
    static const uint8_t in_sname[] = { 3, 4, 10, 0, 0, 1, 255 };
    uint8_t data[DHCP_MSG_MAX];
    size_t len = make(data, options, sizeof(options));
    struct dhcp_msg msg;

    (void)state;
    memcpy(data + FILE_AT, in_file, sizeof(in_file));
    memcpy(data + SNAME_AT, in_sname, sizeof(in_sname));
    assert_true(dhcp_read(data, len, &msg));
    assert_int_equal(msg.mask, IP(255, 255, 0, 0));
    assert_int_equal(msg.router, IP(10, 0, 0, 1));
    data[OPTIONS_AT + 5] = 2; /* sname alone */
    assert_true(dhcp_read(data, len, &msg));
    assert_int_equal(msg.mask, 0);
    assert_int_equal(msg.router, IP(10, 0, 0, 1));
}

/* A server's and a file's names are no options unless it says so. */
static void names_are_not_taken_for_options(void **state)
{
    static const uint8_t options[] = { 53, 1, 2, 255 };
    uint8_t data[DHCP_MSG_MAX];
    size_t len = make(data, options, sizeof(options));
    struct dhcp_msg msg;

    (void)state;
    memset(data + SNAME_AT, 3, 64 + 128);
    assert_true(dhcp_read(data, len, &msg));
    assert_int_equal(msg.router, 0);
}

/* RFC 3396: an option that comes in parts is one option. */
static void the_parts_of_an_option_are_joined(void **state)
{
    static const uint8_t options[] = { 53, 1, 2,  6, 6, 1, 1, 1, 1, 2, 2,
                                       3,  4, 10, 0, 0, 1, 6, 2, 2, 2, 255 };
    struct dhcp_msg msg;

    (void)state;
    assert_true(read_options(options, sizeof(options), &msg));
    assert_int_equal(msg.dns_count, 2);
    assert_int_equal(msg.dns[1], IP(2, 2, 2, 2));
}

/* RFC 3442's own examples: as many octets as the prefix has. */
static void classless_routes_are_read(void **state)
{
    static const uint8_t options[] = {
        53, 1,  2,   121, 44,                    /**/
        0,  10, 0,   0,   1,                     /**/
        8,  10, 10,  0,   0,   1,                /**/
        24, 10, 0,   0,   10,  0,  0, 1,         /**/
        16, 10, 17,  10,  0,   0,  1,            /**/
        25, 10, 229, 0,   128, 10, 0, 0, 1,      /**/
        32, 10, 198, 122, 47,  0,  0, 0, 0, 255, /**/
    };
    static const struct dhcp_route wanted[] = {
        { 0, IP(10, 0, 0, 1), 0 },
        { IP(10, 0, 0, 0), IP(10, 0, 0, 1), 8 },
        { IP(10, 0, 0, 0), IP(10, 0, 0, 1), 24 },
        { IP(10, 17, 0, 0), IP(10, 0, 0, 1), 16 },
        { IP(10, 229, 0, 128), IP(10, 0, 0, 1), 25 },
        { IP(10, 198, 122, 47), 0, 32 },
    };
    struct dhcp_msg msg;

    (void)state;
    assert_true(read_options(options, sizeof(options), &msg));
    assert_int_equal(msg.routes_count, 6);
    for (size_t i = 0; i < msg.routes_count; i++) {
        assert_int_equal(msg.routes[i].to, wanted[i].to);
        assert_int_equal(msg.routes[i].via, wanted[i].via);
        assert_int_equal(msg.routes[i].prefix_len, wanted[i].prefix_len);
    }
}

/* Where one route is broken nobody knows what the others are. */
static void routes_that_break_are_not_there(void **state)
{
    static const uint8_t prefix_of_33[] = { 53, 1,  2, 121, 15, 0, 10, 0, 0, 1,
                                            33, 10, 1, 2,   3,  4, 10, 0, 0, 255 };
    static const uint8_t cut[] = { 53, 1, 2, 121, 8, 0, 10, 0, 0, 1, 8, 10, 1, 255 };
    struct dhcp_msg msg;

    (void)state;
    assert_true(read_options(prefix_of_33, sizeof(prefix_of_33), &msg));
    assert_int_equal(msg.routes_count, 0);
    assert_true(read_options(cut, sizeof(cut), &msg));
    assert_int_equal(msg.routes_count, 0);
}

static void an_option_of_a_wrong_length_is_not_there(void **state)
{
    static const uint8_t options[] = { 53, 1, 2,  1, 3,  255, 255, 255, 3, 2, 10, 0, 6,  5, 1,
                                       1,  1, 1,  1, 51, 8,   0,   0,   0, 0, 0,  0, 0,  9, 26,
                                       1,  9, 54, 0, 61, 1,   7,   58,  3, 0, 0,  1, 255 };
    struct dhcp_msg msg;

    (void)state;
    assert_true(read_options(options, sizeof(options), &msg));
    assert_int_equal(msg.mask, 0);
    assert_int_equal(msg.router, 0);
    assert_int_equal(msg.dns_count, 0);
    assert_int_equal(msg.lease_s, 0);
    assert_int_equal(msg.mtu, 0);
    assert_int_equal(msg.server_id, 0);
    assert_int_equal(msg.client_id.len, 0);
    assert_int_equal(msg.t1_s, 0);
}

/* RFC 2132 5.1: 68 is the least. */
static void an_mtu_that_cannot_be_is_not_there(void **state)
{
    struct dhcp_msg msg;

    (void)state;
    assert_true(read_options((const uint8_t[]){ 53, 1, 2, 26, 2, 0, 67, 255 }, 8, &msg));
    assert_int_equal(msg.mtu, 0);
    assert_true(read_options((const uint8_t[]){ 53, 1, 2, 26, 2, 0, 68, 255 }, 8, &msg));
    assert_int_equal(msg.mtu, 68);
}

/* What a peer says may end on somebody's terminal. */
static void text_is_printable(void **state)
{
    static const uint8_t options[] = { 53, 1,  6, 12,   4,   'a', 27, '[',
                                       0,  56, 4, 0xff, 'n', 'o', 0,  255 };
    struct dhcp_msg msg;

    (void)state;
    assert_true(read_options(options, sizeof(options), &msg));
    assert_string_equal(msg.hostname, "a?[");
    assert_string_equal(msg.text, "?no");
}

static void a_text_that_is_too_long_is_cut(void **state)
{
    uint8_t options[260] = { 53, 1, 6, 12, 200 };
    struct dhcp_msg msg;

    (void)state;
    memset(options + 5, 'h', 200);
    options[205] = 255;
    assert_true(read_options(options, 206, &msg));
    assert_int_equal(strlen(msg.hostname), DHCP_NAME_MAX - 1);
}

static void a_message_without_an_end_mark_is_read(void **state)
{
    struct dhcp_msg msg;

    (void)state;
    assert_true(read_options((const uint8_t[]){ 53, 1, 6 }, 3, &msg));
    assert_int_equal(msg.type, DHCP_TYPE_NAK);
}

static void what_is_no_message_is_refused(void **state)
{
    static const uint8_t options[] = { 53, 1, 2, 255 };
    uint8_t good[DHCP_MSG_MAX], data[DHCP_MSG_MAX];
    size_t len = make(good, options, sizeof(options));
    struct dhcp_msg msg;

    (void)state;
    assert_true(dhcp_read(good, len, &msg));
    for (size_t cut = 0; cut < OPTIONS_AT + 3; cut++)
        assert_false(dhcp_read(good, cut, &msg));
    for (size_t at = 0; at < 3; at++) { /* op, htype, hlen */
        memcpy(data, good, sizeof(data));
        data[at] = 9;
        assert_false(dhcp_read(data, len, &msg));
    }
    memcpy(data, good, sizeof(data));
    data[COOKIE_AT] = 0; /* BOOTP, RFC 951 */
    assert_false(dhcp_read(data, len, &msg));
    assert_false(read_options((const uint8_t[]){ 53, 1, 9, 255 }, 4, &msg));
    assert_false(read_options((const uint8_t[]){ 53, 1, 0, 255 }, 4, &msg));
    assert_false(read_options((const uint8_t[]){ 53, 2, 1, 1, 255 }, 5, &msg));
    assert_false(read_options((const uint8_t[]){ 255 }, 1, &msg));
    assert_false(read_options((const uint8_t[]){ 53, 1, 2, 3 }, 4, &msg));
    assert_false(read_options((const uint8_t[]){ 53, 1, 2, 3, 200, 1 }, 6, &msg));
}

static void a_mask_has_no_holes(void **state)
{
    (void)state;
    for (unsigned prefix_len = 1; prefix_len <= 32; prefix_len++)
        assert_int_equal(dhcp_prefix_len(dhcp_mask(prefix_len)), prefix_len);
    assert_int_equal(dhcp_mask(0), 0);
    assert_int_equal(dhcp_mask(24), IP(255, 255, 255, 0));
    assert_int_equal(dhcp_prefix_len(0), 0);
    assert_int_equal(dhcp_prefix_len(IP(255, 0, 255, 0)), 0);
    assert_int_equal(dhcp_prefix_len(IP(0, 255, 255, 255)), 0);
}

static void not_every_address_is_a_hosts(void **state)
{
    (void)state;
    assert_true(dhcp_ip_is_usable(IP(10, 0, 0, 1)));
    assert_true(dhcp_ip_is_usable(IP(223, 255, 255, 254)));
    assert_false(dhcp_ip_is_usable(0));
    assert_false(dhcp_ip_is_usable(IP(0, 0, 0, 1)));
    assert_false(dhcp_ip_is_usable(IP(127, 0, 0, 1)));
    assert_false(dhcp_ip_is_usable(IP(224, 0, 0, 1)));
    assert_false(dhcp_ip_is_usable(DHCP_BROADCAST));
}

static void an_address_is_an_endpoint(void **state)
{
    char text[ENDPOINT_TEXT_MAX], ours[DHCP_IP_TEXT_MAX];
    struct endpoint ep;

    (void)state;
    dhcp_to_endpoint(IP(192, 0, 2, 200), &ep);
    assert_string_equal(endpoint_ip_text(&ep, text), "192.0.2.200");
    assert_int_equal(dhcp_from_endpoint(&ep), IP(192, 0, 2, 200));
    assert_string_equal(dhcp_ip_text(IP(192, 0, 2, 200), ours), "192.0.2.200");
    dhcp_to_endpoint(0, &ep);
    assert_int_equal(ep.family, IP_FAMILY_NONE);
    assert_int_equal(dhcp_from_endpoint(&ep), 0);
    assert_true(endpoint_set_text(&ep, "2001:db8::1"));
    assert_int_equal(dhcp_from_endpoint(&ep), 0);
}

static void who_asks_for_nothing_in_particular_wants_all(void **state)
{
    struct dhcp_msg msg = { .wanted = { 1, 3 }, .wanted_count = 2 };

    (void)state;
    assert_true(dhcp_wants(&msg, DHCP_OPTION_ROUTER));
    assert_false(dhcp_wants(&msg, DHCP_OPTION_DNS));
    msg.wanted_count = 0;
    assert_true(dhcp_wants(&msg, DHCP_OPTION_DNS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_discover_is_as_the_rfc_says),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(options_are_read_where_they_overflow_to),
        cmocka_unit_test(names_are_not_taken_for_options),
        cmocka_unit_test(the_parts_of_an_option_are_joined),
        cmocka_unit_test(classless_routes_are_read),
        cmocka_unit_test(routes_that_break_are_not_there),
        cmocka_unit_test(an_option_of_a_wrong_length_is_not_there),
        cmocka_unit_test(an_mtu_that_cannot_be_is_not_there),
        cmocka_unit_test(text_is_printable),
        cmocka_unit_test(a_text_that_is_too_long_is_cut),
        cmocka_unit_test(a_message_without_an_end_mark_is_read),
        cmocka_unit_test(what_is_no_message_is_refused),
        cmocka_unit_test(a_mask_has_no_holes),
        cmocka_unit_test(not_every_address_is_a_hosts),
        cmocka_unit_test(an_address_is_an_endpoint),
        cmocka_unit_test(who_asks_for_nothing_in_particular_wants_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
