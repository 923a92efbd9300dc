#include "emu/offload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "emu/packet.h"

#include <cmocka.h>

#define DATA_LEN  3000
#define FRAME_CAP (PACKET_HEADERS_MAX + DATA_LEN)
#define TCP_CWR   0x80

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
    assert_int_equal(sum(pseudo, upper, len), 0xffff);
}

/* What a stack gives to its card. */
struct whole {
    uint8_t bytes[FRAME_CAP], data[DATA_LEN];
    size_t len;
    struct packet_way way;
};

static void begin(struct whole *whole, enum ip_family family)
{
    *whole = (struct whole){ .way.id = 0xffff };
    for (size_t i = 0; i < DATA_LEN; i++)
        whole->data[i] = (uint8_t)(i * 7 + i / 256);
    whole->way.from.family = whole->way.to.family = family;
    whole->way.from.addr[0] = whole->way.to.addr[0] = 10;
    whole->way.from.addr[3] = 2;
    whole->way.to.addr[3] = 1;
    whole->way.from.port = 50000;
    whole->way.to.port = 80;
}

static void begin_tcp(struct whole *whole, enum ip_family family)
{
    const struct packet_tcp tcp = { .sequence = 0xfffffff0,
                                    .acknow = 7,
                                    .flags =
                                        PACKET_TCP_ACK | PACKET_TCP_PSH | PACKET_TCP_FIN | TCP_CWR,
                                    .data = whole->data,
                                    .data_len = DATA_LEN };

    begin(whole, family);
    whole->len = packet_write_tcp(whole->bytes, &whole->way, &tcp);
}

static void begin_udp(struct whole *whole)
{
    struct packet_datagram datagram = { .data = whole->data, .data_len = DATA_LEN, .mtu = 9000 };

    begin(whole, IP_FAMILY_V4);
    assert_true(packet_write_udp(whole->bytes, &whole->len, &whole->way, &datagram));
}

static void check_tcp_parts(enum ip_family family)
{
    const struct offload_rest rest = { .lacks_checksum = true,
                                       .cut = OFFLOAD_CUT_TCP,
                                       .part_len = 1400 };
    const size_t lens[] = { 1400, 1400, 200 };
    struct offload offload;
    struct whole whole;
    size_t done = 0;

    begin_tcp(&whole, family);
    offload_begin(&offload, whole.bytes, whole.len, &rest);
    for (unsigned i = 0; i < 3; i++) {
        uint8_t out[FRAME_CAP];
        size_t len = offload_next(&offload, out);
        struct frame frame;
        uint8_t wanted = PACKET_TCP_ACK | (i == 0 ? TCP_CWR : 0) |
                         (i == 2 ? PACKET_TCP_PSH | PACKET_TCP_FIN : 0);

        assert_true(frame_read(&frame, out, len));
        assert_int_equal(len, frame.ip_at + frame.ip_len);
        check_sums(&frame);
        assert_int_equal(frame.data_len, lens[i]);
        assert_memory_equal(out + frame.data_at, whole.data + done, lens[i]);
        assert_int_equal(frame.sequence, (uint32_t)(0xfffffff0 + done));
        assert_int_equal(frame.acknow, 7);
        assert_int_equal(frame.flags, wanted);
        if (family == IP_FAMILY_V4) /* the identification goes on */
            assert_int_equal(out[frame.ip_at + 4] << 8 | out[frame.ip_at + 5],
                             (0xffff + i) % 65536);
        done += lens[i];
    }
    assert_int_equal(offload_next(&offload, whole.bytes), 0);
}

/* RFC 9293, RFC 6864; Linux: tcp_gso_segment. */
static void a_segment_is_cut_as_a_card_does(void **state)
{
    (void)state;
    check_tcp_parts(IP_FAMILY_V4);
    check_tcp_parts(IP_FAMILY_V6);
}

/* Linux: UDP_SEGMENT, udp(7). */
static void each_part_of_a_datagram_is_one(void **state)
{
    const struct offload_rest rest = { .cut = OFFLOAD_CUT_UDP, .part_len = 1000 };
    struct offload offload;
    struct whole whole;

    (void)state;
    begin_udp(&whole);
    offload_begin(&offload, whole.bytes, whole.len, &rest);
    for (unsigned i = 0; i < 3; i++) {
        uint8_t out[FRAME_CAP];
        size_t len = offload_next(&offload, out);
        struct frame frame;

        assert_true(frame_read(&frame, out, len));
        check_sums(&frame);
        assert_int_equal(frame.data_len, 1000);
        assert_int_equal(out[frame.upper_at + 4] << 8 | out[frame.upper_at + 5], 1008);
        assert_memory_equal(out + frame.data_at, whole.data + (size_t)i * 1000, 1000);
    }
    assert_int_equal(offload_next(&offload, whole.bytes), 0);
}

/* The checksum field holds the pseudo header's sum: ip_summed CHECKSUM_PARTIAL of Linux. */
static void a_checksum_is_filled_in(void **state)
{
    struct offload_rest rest = { .lacks_checksum = true };
    uint8_t out[FRAME_CAP];
    struct offload offload;
    struct frame frame;
    struct whole whole;
    uint32_t pseudo;

    (void)state;
    begin_udp(&whole);
    assert_true(frame_read(&frame, whole.bytes, whole.len));
    rest.sum_from = frame.upper_at;
    rest.sum_at = frame.upper_at + 6;
    pseudo = sum((uint32_t)(whole.len - frame.upper_at) + 17, whole.bytes + frame.ip_at + 12, 8);
    whole.bytes[rest.sum_at] = (uint8_t)(pseudo >> 8);
    whole.bytes[rest.sum_at + 1] = (uint8_t)pseudo;
    offload_begin(&offload, whole.bytes, whole.len, &rest);
    assert_int_equal(offload_next(&offload, out), whole.len);
    assert_true(frame_read(&frame, out, whole.len));
    check_sums(&frame);
    assert_int_equal(offload_next(&offload, out), 0);
}

static void what_is_not_as_promised_stays_as_it_is(void **state)
{
    const struct offload_rest rests[] = {
        { 0 },
        { .cut = OFFLOAD_CUT_TCP },                    /* into parts of nothing */
        { .cut = OFFLOAD_CUT_UDP, .part_len = 100 },   /* it is TCP */
        { .cut = OFFLOAD_CUT_TCP, .part_len = 3000 },  /* it is one part */
        { .lacks_checksum = true, .sum_from = 60000 }, /* beyond its end */
        { .lacks_checksum = true, .sum_at = FRAME_CAP },
        { .lacks_checksum = true, .sum_from = 34, .sum_at = 14 },
    };
    struct whole whole;

    (void)state;
    begin_tcp(&whole, IP_FAMILY_V4);
    for (size_t i = 0; i < sizeof(rests) / sizeof(rests[0]); i++) {
        uint8_t out[FRAME_CAP];
        struct offload offload;

        offload_begin(&offload, whole.bytes, whole.len, &rests[i]);
        assert_int_equal(offload_next(&offload, out), whole.len);
        assert_memory_equal(out, whole.bytes, whole.len);
        assert_int_equal(offload_next(&offload, out), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_segment_is_cut_as_a_card_does),
        cmocka_unit_test(each_part_of_a_datagram_is_one),
        cmocka_unit_test(a_checksum_is_filled_in),
        cmocka_unit_test(what_is_not_as_promised_stays_as_it_is),
    };

    return cmocka_run_group_tests_name("offload", tests, NULL, NULL);
}
