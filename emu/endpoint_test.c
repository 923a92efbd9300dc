#include "emu/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct endpoint parse(const char *text)
{
    struct endpoint ep = { .port = 80 };

    if (!endpoint_set_text(&ep, text))
        fail_msg("\"%s\" is an address", text);
    return ep;
}

static void assert_reads_as(const char *text, const char *expected)
{
    struct endpoint ep = parse(text);
    char shown[ENDPOINT_TEXT_MAX];

    assert_string_equal(endpoint_ip_text(&ep, shown), expected);
    assert_int_equal(ep.port, 80); /* left as it was */
}

static void dotted_addresses_and_bsd_shorthands_are_addresses(void **state)
{
    (void)state;
    assert_reads_as("192.0.2.1", "192.0.2.1");
    assert_reads_as("0.0.0.0", "0.0.0.0");
    assert_reads_as("255.255.255.255", "255.255.255.255");
    assert_reads_as("127.1", "127.0.0.1");
    assert_reads_as("0x7f000001", "127.0.0.1");
    assert_reads_as("010.0.0.1", "8.0.0.1"); /* octal */
    assert_reads_as("1", "0.0.0.1");
}

static void ipv6_addresses_are_addresses(void **state)
{
    (void)state;
    assert_reads_as("::1", "::1");
    assert_reads_as("2001:DB8:0:0::1", "2001:db8::1");
    assert_reads_as("::ffff:192.0.2.1", "::ffff:192.0.2.1");
    assert_int_equal(parse("::1").family, IP_FAMILY_V6);
    assert_int_equal(parse("::1").scope_id, 0);
}

static void names_and_everything_else_are_not_addresses(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "example.com",
        "localhost",
        "256.0.0.1",
        "1.2.3.4.",
        "1.2.3.4.5",
        "1.2.3.4 ",
        " 1.2.3.4",
        "1.2.3.4\n",
        "1.2.3.4x",
        ":",
        ":::",
        "12345::",
        "1:2:3:4:5:6:7:8:9",
        "[::1]",
        "::1 ",
        "::g",
        "1.2.3.4:80",
        "%",
        "%eth0",
        "-1",
        "4294967296",
        "0x100000000",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc",
    };
    char shown[ENDPOINT_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct endpoint ep = { .family = IP_FAMILY_V4, .port = 7, .addr = { 1, 2, 3, 4 } };

        if (endpoint_set_text(&ep, texts[i]))
            fail_msg("\"%s\" is no address", texts[i]);
        assert_string_equal(endpoint_text(&ep, shown), "1.2.3.4:7"); /* left as it was */
    }
}

/* socket.connect(netc, 0x0100007F, port) goes to 127.0.0.1 */
static void the_word_is_that_of_a_little_endian_cpu(void **state)
{
    struct endpoint ep = { 0 };
    char text[ENDPOINT_TEXT_MAX];

    (void)state;
    endpoint_set_word(&ep, 0x0100007F);
    assert_string_equal(endpoint_ip_text(&ep, text), "127.0.0.1");
}

static void setting_an_address_leaves_nothing_of_the_one_before(void **state)
{
    struct endpoint ep = parse("2001:db8::1");
    static const uint8_t expected[sizeof(ep.addr)] = { 192, 0, 2, 1 };

    (void)state;
    ep.scope_id = 3;
    endpoint_set_v4(&ep, 192, 0, 2, 1);
    assert_int_equal(ep.family, IP_FAMILY_V4);
    assert_int_equal(ep.scope_id, 0);
    assert_memory_equal(ep.addr, expected, sizeof(expected));
}

static void text_with_a_port_puts_brackets_around_ipv6(void **state)
{
    struct endpoint v4 = parse("192.0.2.1"), v6 = parse("2001:db8::1"), none = { 0 };
    char text[ENDPOINT_TEXT_MAX];

    (void)state;
    assert_string_equal(endpoint_text(&v4, text), "192.0.2.1:80");
    assert_string_equal(endpoint_text(&v6, text), "[2001:db8::1]:80");
    assert_string_equal(endpoint_ip_text(&none, text), "");
}

static void the_longest_address_and_port_fit_into_their_text(void **state)
{
    struct endpoint ep = parse("1111:2222:3333:4444:5555:6666:7777:8888");
    char text[ENDPOINT_TEXT_MAX];

    (void)state;
    ep.port = 65535;
    assert_string_equal(endpoint_text(&ep, text),
                        "[1111:2222:3333:4444:5555:6666:7777:8888]:65535");
}

static void the_rx_form_is_a_tag_and_the_address(void **state)
{
    static const uint8_t v4_bytes[] = { 0, 192, 0, 2, 1 };
    static const uint8_t v6_bytes[ENDPOINT_RXADDR_MAX] = { 1, 0x20, 0x01, 0x0d, 0xb8, [16] = 1 };
    static const uint8_t none_bytes[5];
    struct endpoint v4 = parse("192.0.2.1"), v6 = parse("2001:db8::1"), none = { 0 };
    uint8_t bytes[ENDPOINT_RXADDR_MAX];

    (void)state;
    assert_int_equal(endpoint_rxaddr(&v4, bytes), sizeof(v4_bytes));
    assert_memory_equal(bytes, v4_bytes, sizeof(v4_bytes));
    assert_int_equal(endpoint_rxaddr(&v6, bytes), sizeof(v6_bytes));
    assert_memory_equal(bytes, v6_bytes, sizeof(v6_bytes));
    assert_int_equal(endpoint_rxaddr(&none, bytes), sizeof(none_bytes));
    assert_memory_equal(bytes, none_bytes, sizeof(none_bytes));
}

static void addresses_are_compared_without_their_ports(void **state)
{
    struct endpoint a = parse("192.0.2.1"), b = parse("192.0.2.1"), mapped = parse("::192.0.2.1");
    struct endpoint other = parse("192.0.2.2");

    (void)state;
    b.port = 1;
    assert_true(endpoint_same_ip(&a, &b));
    assert_false(endpoint_same_ip(&a, &other));
    assert_false(endpoint_same_ip(&a, &mapped));
}

static void broadcast_multicast_and_nought_are_not_unicast(void **state)
{
    static const char *const unicast[] = { "192.0.2.255", "127.0.0.1", "223.255.255.255",
                                           "240.0.0.1",   "::1",       "fe80::1" };
    static const char *const others[] = { "255.255.255.255", "224.0.0.1", "239.255.255.255",
                                          "0.0.0.0",         "::",        "ff02::1" };
    const struct endpoint none = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(unicast) / sizeof(unicast[0]); i++) {
        struct endpoint ep = parse(unicast[i]);

        assert_true(endpoint_is_unicast(&ep));
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct endpoint ep = parse(others[i]);

        assert_false(endpoint_is_unicast(&ep));
    }
    assert_false(endpoint_is_unicast(&none));
}

static void a_network_is_its_first_bits(void **state)
{
    static const struct {
        const char *a, *b;
        unsigned bits;
        bool is_one;
    } rows[] = {
        { "10.1.2.3", "10.1.2.3", 32, true },
        { "10.1.2.3", "10.1.2.2", 32, false },
        { "10.1.2.3", "10.1.2.2", 31, true },
        { "10.1.2.3", "10.1.2.4", 30, false },
        { "10.1.2.3", "10.1.9.9", 16, true },
        { "10.1.2.3", "10.2.2.3", 16, false },
        { "10.1.2.3", "10.1.130.3", 17, false },
        { "10.1.2.3", "200.0.0.1", 0, true },
        { "2001:db8::1", "2001:db8::2", 64, true },
        { "2001:db8::1", "2001:db8:0:1::1", 64, false },
        { "2001:db8::1", "2001:db8::2", 128, false },
        { "2001:db8::1", "10.1.2.3", 0, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct endpoint a = parse(rows[i].a), b = parse(rows[i].b);

        if (endpoint_in_one_net(&a, &b, rows[i].bits) != rows[i].is_one)
            fail_msg("%s and %s, %u", rows[i].a, rows[i].b, rows[i].bits);
    }
}

static void a_mask_is_ones_and_then_zeros(void **state)
{
    static const struct {
        const char *text;
        int bits; /* -1: it is none */
    } masks[] = {
        { "255.255.255.0", 24 }, { "255.255.255.255", 32 }, { "0.0.0.0", 0 },  { "128.0.0.0", 1 },
        { "255.255.240.0", 20 }, { "255.0.255.0", -1 },     { "0.0.0.1", -1 }, { "ffff::", -1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
        struct endpoint mask = { 0 };
        unsigned bits;

        assert_true(endpoint_set_text(&mask, masks[i].text));
        assert_int_equal(endpoint_mask_bits(&mask, &bits), masks[i].bits >= 0);
        if (masks[i].bits >= 0)
            assert_int_equal(bits, masks[i].bits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dotted_addresses_and_bsd_shorthands_are_addresses),
        cmocka_unit_test(ipv6_addresses_are_addresses),
        cmocka_unit_test(names_and_everything_else_are_not_addresses),
        cmocka_unit_test(the_word_is_that_of_a_little_endian_cpu),
        cmocka_unit_test(setting_an_address_leaves_nothing_of_the_one_before),
        cmocka_unit_test(text_with_a_port_puts_brackets_around_ipv6),
        cmocka_unit_test(the_longest_address_and_port_fit_into_their_text),
        cmocka_unit_test(the_rx_form_is_a_tag_and_the_address),
        cmocka_unit_test(addresses_are_compared_without_their_ports),
        cmocka_unit_test(broadcast_multicast_and_nought_are_not_unicast),
        cmocka_unit_test(a_network_is_its_first_bits),
        cmocka_unit_test(a_mask_is_ones_and_then_zeros),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
