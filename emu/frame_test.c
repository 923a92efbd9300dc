#include "emu/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "emu/packet.h"

#include <cmocka.h>

#define OUT_CAP 1600

/* From 10.0.0.2:50000 to 10.0.0.1:80, "hello" with FIN; two bytes of padding behind it. */
static const uint8_t tcp4[] = {
    0x02, 0,    0,   0,   0,    1,    0x02, 0, 0,  0, 0,    2,    0x08, 0x00, /* Ethernet */
    0x45, 0,    0,   45,  0x12, 0x34, 0x40, 0, 64, 6, 0x14, 0x95,             /* IPv4 */
    10,   0,    0,   2,   10,   0,    0,    1,                                /* addresses */
    0xc3, 0x50, 0,   80,  0,    0,    0x10, 0, 0,  0, 0x20, 0,    0x50, 0x19,
    4,    0,    0,   0,   0,    0, /* TCP */
    'h',  'e',  'l', 'l', 'o',  0xaa, 0xaa,
};
/* From 2001:db8::2 port 53 to ::1 port 4096, four bytes, behind a hop-by-hop header and a VLAN tag. */
static const uint8_t udp6[] = {
    0x02, 0,    0,    0,    0, 1,  0x02, 0,  0,   0,   0,   2,   0x81, 0x00, 0, 7,
    0x86, 0xdd,                                                                    /* Ethernet */
    0x60, 0,    0,    0,    0, 20, 0,    64,                                       /* IPv6 */
    0x20, 0x01, 0x0d, 0xb8, 0, 0,  0,    0,  0,   0,   0,   0,   0,    0,    0, 2, /* from */
    0x20, 0x01, 0x0d, 0xb8, 0, 0,  0,    0,  0,   0,   0,   0,   0,    0,    0, 1, /* to */
    17,   0,    1,    4,    0, 0,  0,    0,                                        /* hop-by-hop */
    0,    53,   0x10, 0,    0, 12, 0,    0,  'd', 'a', 't', 'a',                   /* UDP */
};

static uint32_t sum(uint32_t start, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        start += i % 2 ? data[i] : (uint32_t)data[i] << 8;
    while (start >> 16)
        start = (start & 0xffff) + (start >> 16);
    return start;
}

/* RFC 1071: what carries its own checksum sums up to 0xffff. */
static void check_sums(const struct frame *frame)
{
    const uint8_t *ip = frame->bytes + frame->ip_at, *upper = frame->bytes + frame->upper_at;
    size_t len = frame->ip_at + frame->ip_len - frame->upper_at;
    uint32_t pseudo = (uint32_t)len + (frame->is_v6 ? ip[6] : ip[9]);

    if (!frame->is_v6)
        assert_int_equal(sum(0, ip, frame->upper_at - frame->ip_at), 0xffff);
    pseudo = sum(pseudo, ip + (frame->is_v6 ? 8 : 12), frame->is_v6 ? 32 : 8);
    if (frame->protocol == FRAME_PROTOCOL_ICMP && !frame->is_v6)
        pseudo = 0;
    assert_int_equal(sum(pseudo, upper, len), 0xffff);
}

static void a_segment_is_read(void **state)
{
    struct frame frame;
    char text[ENDPOINT_TEXT_MAX];

    (void)state;
    assert_true(frame_read(&frame, tcp4, sizeof(tcp4)));
    assert_int_equal(frame.protocol, FRAME_PROTOCOL_TCP);
    assert_string_equal(endpoint_text(&frame.from, text), "10.0.0.2:50000");
    assert_string_equal(endpoint_text(&frame.to, text), "10.0.0.1:80");
    assert_int_equal(frame.ip_len, 45);
    assert_int_equal(frame.data_len, 5);
    assert_memory_equal(tcp4 + frame.data_at, "hello", 5);
    assert_int_equal(frame.sequence, 0x1000);
    assert_int_equal(frame.acknow, 0x2000);
    assert_int_equal(frame.flags, PACKET_TCP_FIN | PACKET_TCP_PSH | PACKET_TCP_ACK);
    assert_int_equal(frame_sequence_len(&frame), 6);
    assert_false(frame.may_fragment);
}

static void a_datagram_is_found_behind_tags_and_extensions(void **state)
{
    struct frame frame;
    char text[ENDPOINT_TEXT_MAX];

    (void)state;
    assert_true(frame_read(&frame, udp6, sizeof(udp6)));
    assert_int_equal(frame.protocol, FRAME_PROTOCOL_UDP);
    assert_string_equal(endpoint_text(&frame.from, text), "[2001:db8::2]:53");
    assert_string_equal(endpoint_text(&frame.to, text), "[2001:db8::1]:4096");
    assert_int_equal(frame.data_len, 4);
    assert_memory_equal(udp6 + frame.data_at, "data", 4);
}

static void no_cut_frame_is_read_beyond_its_end(void **state)
{
    struct frame frame;

    (void)state;
    for (size_t len = 0; len < sizeof(tcp4) - 2; len++)
        assert_false(frame_read(&frame, tcp4, len));
    for (size_t len = 0; len < sizeof(udp6); len++)
        assert_false(frame_read(&frame, udp6, len));
}

static void a_later_fragment_has_no_ports(void **state)
{
    uint8_t bytes[sizeof(tcp4)];
    struct frame frame;

    (void)state;
    memcpy(bytes, tcp4, sizeof(bytes));
    bytes[20] = 0x00;
    bytes[21] = 0x10; /* offset 128 */
    assert_true(frame_read(&frame, bytes, sizeof(bytes)));
    assert_int_equal(frame.protocol, FRAME_PROTOCOL_TCP);
    assert_false(frame.has_transport);
    assert_int_equal(frame.from.port, 0);
    assert_true(frame.may_fragment);
}

/* RFC 8200 4.5: what is in a later fragment is no header, whatever the first one's was. */
static void a_later_fragment_of_ipv6_is_not_read_on(void **state)
{
    uint8_t bytes[sizeof(udp6)];
    struct frame frame;

    (void)state;
    memcpy(bytes, udp6, sizeof(bytes));
    bytes[24] = 44; /* a fragment header in place of hop-by-hop */
    bytes[58] = 60; /* of destination options */
    bytes[60] = 0x00;
    bytes[61] = 0x80; /* offset 128 */
    bytes[67] = 0xff; /* would be their length */
    assert_true(frame_read(&frame, bytes, sizeof(bytes)));
    assert_int_equal(frame.protocol, FRAME_PROTOCOL_OTHER);
    assert_false(frame.has_transport);
    assert_int_equal(frame.upper_at, 66);
}

static void neighbour_discovery_is_the_links_own(void **state)
{
    uint8_t bytes[] = {
        0x33, 0x33, 0,    0, 0, 1, 0x02, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60, 0, 0, 0,    0, 8, 58,
        64,   0xfe, 0x80, 0, 0, 0, 0,    0, 0, 0, 0, 0, 0,    0,    0,    0, 2, 0xff, 2, 0, 0,
        0,    0,    0,    0, 0, 0, 0,    0, 0, 0, 0, 1, 135,  0,    0,    0, 0, 0,    0, 0,
    };
    struct frame frame;

    (void)state;
    assert_true(frame_read(&frame, bytes, sizeof(bytes)));
    assert_int_equal(frame.protocol, FRAME_PROTOCOL_LINK);
    bytes[54] = 128; /* an echo request */
    assert_true(frame_read(&frame, bytes, sizeof(bytes)));
    assert_int_equal(frame.protocol, FRAME_PROTOCOL_ICMP);
    bytes[13] = 0x06; /* ARP, or anything else */
    assert_false(frame_read(&frame, bytes, sizeof(bytes)));
}

static void a_cut_segment_is_a_whole_one(void **state)
{
    uint8_t out[OUT_CAP];
    struct frame frame, cut;
    size_t len;

    (void)state;
    assert_true(frame_read(&frame, tcp4, sizeof(tcp4)));
    len = frame_write_cut(&frame, 3, out, sizeof(out));
    assert_int_equal(len, sizeof(tcp4) - 4);
    assert_true(frame_read(&cut, out, len));
    check_sums(&cut);
    assert_int_equal(cut.data_len, 3);
    assert_memory_equal(out + cut.data_at, "hel", 3);
    assert_int_equal(cut.flags, PACKET_TCP_PSH | PACKET_TCP_ACK);
    assert_int_equal(frame_write_cut(&frame, 3, out, len - 1), 0);
}

/* RFC 9293 3.10.7.4: a reset is believed when its sequence number is the one that is expected. */
static void resets_carry_what_each_end_expects(void **state)
{
    uint8_t out[OUT_CAP];
    struct frame frame, reset;

    (void)state;
    assert_true(frame_read(&frame, tcp4, sizeof(tcp4)));
    assert_true(frame_read(&reset, out, frame_write_reset_on(&frame, 3, out, sizeof(out))));
    check_sums(&reset);
    assert_int_equal(reset.sequence, 0x1003);
    assert_int_equal(reset.flags, PACKET_TCP_RST | PACKET_TCP_ACK);
    assert_int_equal(reset.to.port, 80);
    assert_memory_equal(out, tcp4, 12);
    assert_true(frame_read(&reset, out, frame_write_reset_back(&frame, out, sizeof(out))));
    check_sums(&reset);
    assert_int_equal(reset.sequence, 0x2000);
    assert_int_equal(reset.acknow, 0x1006);
    assert_int_equal(reset.from.port, 80);
    assert_memory_equal(out, tcp4 + 6, 6);
    assert_memory_equal(out + 6, tcp4, 6);
}

static void a_sender_is_told_what_fits(void **state)
{
    uint8_t out[OUT_CAP];
    struct frame frame, told;

    (void)state;
    assert_true(frame_read(&frame, tcp4, sizeof(tcp4)));
    assert_true(frame_read(&told, out, frame_write_too_big(&frame, 1400, out, sizeof(out))));
    check_sums(&told);
    assert_int_equal(told.protocol, FRAME_PROTOCOL_ICMP);
    assert_memory_equal(out + told.upper_at, "\3\4", 2);
    assert_memory_equal(out + told.upper_at + 4, "\0\0\x05\x78", 4);
    assert_memory_equal(out + told.upper_at + 8, tcp4 + 14, 45);
    assert_true(endpoint_same_ip(&told.to, &frame.from));

    assert_true(frame_read(&frame, udp6, sizeof(udp6)));
    assert_true(frame_read(&told, out, frame_write_too_big(&frame, 1400, out, sizeof(out))));
    check_sums(&told);
    assert_memory_equal(out + told.upper_at, "\2\0", 2);
    assert_memory_equal(out + told.upper_at + 4, "\0\0\x05\x78", 4);
    assert_memory_equal(out, "\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x81\0\0\x07", 16);
}

static void nobody_is_told_about_a_broadcast(void **state)
{
    uint8_t bytes[sizeof(tcp4)], out[OUT_CAP];
    struct frame frame;

    (void)state;
    memcpy(bytes, tcp4, sizeof(bytes));
    memset(bytes, 0xff, 6);
    assert_true(frame_read(&frame, bytes, sizeof(bytes)));
    assert_int_equal(frame_write_too_big(&frame, 1400, out, sizeof(out)), 0);
}

static void an_answer_goes_back(void **state)
{
    uint8_t out[OUT_CAP];
    struct frame frame, answer;

    (void)state;
    assert_true(frame_read(&frame, udp6, sizeof(udp6)));
    assert_true(frame_read(
        &answer, out, frame_write_answer(&frame, (const uint8_t *)"yes", 3, out, sizeof(out))));
    check_sums(&answer);
    assert_int_equal(answer.to.port, 53);
    assert_int_equal(answer.from.port, 4096);
    assert_int_equal(answer.data_len, 3);
    assert_memory_equal(out + answer.data_at, "yes", 3);
    assert_int_equal(frame_write_answer(&frame, out, 513, out, sizeof(out)), 0);
}

/* Not a byte beyond the room that there is, with a VLAN tag and without. */
static void what_does_not_fit_is_not_written(void **state)
{
    uint8_t out[OUT_CAP];
    struct frame frame;
    size_t len;

    (void)state;
    assert_true(frame_read(&frame, tcp4, sizeof(tcp4)));
    len = frame_write_reset_on(&frame, 0, out, sizeof(out));
    assert_int_equal(len, 14 + 20 + 20);
    memset(out, 0xee, sizeof(out));
    assert_int_equal(frame_write_reset_on(&frame, 0, out, len), len);
    assert_int_equal(out[len], 0xee);
    assert_int_equal(frame_write_reset_on(&frame, 0, out, len - 1), 0);
    assert_int_equal(frame_write_reset_back(&frame, out, len - 1), 0);

    assert_true(frame_read(&frame, udp6, sizeof(udp6)));
    len = frame_write_answer(&frame, (const uint8_t *)"yes", 3, out, sizeof(out));
    assert_int_equal(len, 18 + 40 + 8 + 3);
    assert_int_equal(frame_write_answer(&frame, (const uint8_t *)"yes", 3, out, len - 1), 0);
    len = frame_write_too_big(&frame, 1400, out, sizeof(out));
    assert_int_equal(len, 18 + 40 + 8 + 60);
    assert_int_equal(frame_write_too_big(&frame, 1400, out, len - 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_segment_is_read),
        cmocka_unit_test(a_datagram_is_found_behind_tags_and_extensions),
        cmocka_unit_test(no_cut_frame_is_read_beyond_its_end),
        cmocka_unit_test(a_later_fragment_has_no_ports),
        cmocka_unit_test(a_later_fragment_of_ipv6_is_not_read_on),
        cmocka_unit_test(neighbour_discovery_is_the_links_own),
        cmocka_unit_test(a_cut_segment_is_a_whole_one),
        cmocka_unit_test(resets_carry_what_each_end_expects),
        cmocka_unit_test(a_sender_is_told_what_fits),
        cmocka_unit_test(nobody_is_told_about_a_broadcast),
        cmocka_unit_test(an_answer_goes_back),
        cmocka_unit_test(what_does_not_fit_is_not_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
