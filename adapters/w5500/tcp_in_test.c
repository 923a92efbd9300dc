#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "adapters/w5500/fake_peer.h"
#include "adapters/w5500/w5500.h"
#include "emu/checksum.h"
#include "emu/util.h"

#include <cmocka.h>

#define RX_RSR      0x26
#define RX_RD       0x28
#define RX_WR       0x2a
#define SIZE        2048
#define LISTEN      0x02
#define LISTENING   0x14
#define SYNRECV     0x16
#define ESTABLISHED 0x17
#define CLOSE_WAIT  0x1c
#define FIN         PACKET_TCP_FIN
#define SYN         PACKET_TCP_SYN
#define RST         PACKET_TCP_RST
#define PSH         PACKET_TCP_PSH
#define ACK         PACKET_TCP_ACK

struct bench {
    struct host host;
    struct peer peer;
};

static int setup(void **state)
{
    static struct bench bench;

    host_init(&bench.host, NULL);
    host_set_net(&bench.host);
    peer_init(&bench.peer, &bench.host);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    host_fini(&bench->host);
    return 0;
}

static void send_at(struct bench *bench, uint32_t seq, uint8_t flags, const char *text)
{
    uint32_t kept = bench->peer.seq;

    bench->peer.seq = seq;
    peer_send(&bench->peer, flags, text, strlen(text));
    bench->peer.seq = kept;
}

static void expect_text(struct bench *bench, const char *text)
{
    char bytes[SIZE] = "";

    assert_int_equal(peer_fetch(&bench->peer, (uint8_t *)bytes, sizeof(bytes)), strlen(text));
    assert_string_equal(bytes, text);
}

/* ---- places ---------------------------------------------------------------------------------------- */

static void what_comes_out_of_order_is_dropped(void **state)
{
    struct bench *bench = *state;
    uint32_t seq;

    peer_connect(&bench->peer);
    seq = bench->peer.seq;
    send_at(bench, seq + 3, ACK | PSH, "two");
    assert_int_equal(peer_expect(&bench->peer, ACK, 0).ack, seq);
    assert_int_equal(host_take_ir(&bench->host, 0), 0);
    send_at(bench, seq, ACK | PSH, "one");
    expect_text(bench, "one");
}

static void what_overlaps_is_taken_once(void **state)
{
    struct bench *bench = *state;
    uint32_t seq;

    peer_connect(&bench->peer);
    seq = bench->peer.seq;
    send_at(bench, seq, ACK | PSH, "0123");
    send_at(bench, seq, ACK | PSH, "0123");     /* all of it is old */
    send_at(bench, seq + 2, ACK | PSH, "2345"); /* half */
    send_at(bench, seq - 3, ACK | PSH,
            "xyz0123456"); /* all but a byte, from before the beginning */
    expect_text(bench, "0123456");
}

static void sequence_numbers_wrap(void **state)
{
    struct bench *bench = *state;
    char text[100];

    peer_connect(&bench->peer);
    assert_true(bench->peer.seq > UINT32_C(0xffffff00));
    memset(text, 'a', sizeof(text));
    peer_send(&bench->peer, ACK | PSH, text, sizeof(text));
    assert_true(bench->peer.seq < 1000);
    assert_int_equal(host_read16(&bench->host, PEER_BLOCK, RX_RSR), sizeof(text));
    peer_send(&bench->peer, ACK | PSH, text, sizeof(text));
    assert_int_equal(peer_expect(&bench->peer, ACK, 0).ack, bench->peer.seq);
}

static void rings_and_pointers_wrap(void **state)
{
    struct bench *bench = *state;
    uint8_t sent[1000], got[SIZE];

    peer_connect(&bench->peer);
    for (int round = 0; round < 140; round++) {
        for (size_t i = 0; i < sizeof(sent); i++)
            sent[i] = (uint8_t)(i * 7 + (size_t)round);
        peer_send(&bench->peer, ACK | PSH, sent, sizeof(sent));
        assert_int_equal(peer_fetch(&bench->peer, got, sizeof(got)), sizeof(sent));
        assert_memory_equal(got, sent, sizeof(sent));
        host_forget(&bench->host);
        bench->peer.taken = 0;
    }
}

/* ---- windows --------------------------------------------------------------------------------------- */

static void what_is_beyond_the_window_is_not_stored(void **state)
{
    struct bench *bench = *state;
    static const uint8_t bytes[1460];
    struct peer_segment ack;

    peer_connect(&bench->peer);
    peer_send(&bench->peer, ACK | PSH, bytes, sizeof(bytes));
    peer_send(&bench->peer, ACK | PSH | FIN, bytes, sizeof(bytes));
    ack = peer_expect(&bench->peer, ACK, 0);
    assert_int_equal(ack.window, 0);
    assert_int_equal(ack.ack, PEER_SEQ + 1 + SIZE);
    assert_int_equal(host_read16(&bench->host, PEER_BLOCK, RX_RSR), SIZE);
    assert_int_equal(host_status(&bench->host, 0), ESTABLISHED);
    for (int i = 0; i < 3; i++) {
        send_at(bench, ack.ack, ACK | PSH, "x"); /* a probe of the window */
        assert_int_equal(peer_expect(&bench->peer, ACK, 0).window, 0);
    }
    assert_int_equal(host_read16(&bench->host, PEER_BLOCK, RX_RSR), SIZE);
}

static void a_window_that_opens_is_told(void **state)
{
    struct bench *bench = *state;
    static const uint8_t bytes[1024];
    uint8_t got[SIZE];

    peer_connect(&bench->peer);
    peer_send(&bench->peer, ACK | PSH, bytes, sizeof(bytes));
    peer_send(&bench->peer, ACK | PSH, bytes, sizeof(bytes));
    assert_int_equal(peer_expect(&bench->peer, ACK, 0).window, 0);
    (void)peer_fetch(&bench->peer, got, 100); /* too little to be worth it */
    peer_expect_nothing(&bench->peer);
    (void)peer_fetch(&bench->peer, got, sizeof(got));
    assert_int_equal(peer_expect(&bench->peer, ACK, 0).window, SIZE);
}

/* An ACK counts even if what it comes with has no room. */
static void a_full_buffer_takes_acks(void **state)
{
    struct bench *bench = *state;
    static const uint8_t bytes[1024];

    peer_connect(&bench->peer);
    peer_send(&bench->peer, ACK | PSH, bytes, sizeof(bytes));
    peer_send(&bench->peer, ACK | PSH, bytes, sizeof(bytes));
    host_send(&bench->host, 0, "hello", 5);
    bench->peer.ack += 5;
    peer_send(&bench->peer, ACK | PSH, "x", 1);
    assert_int_equal(host_read16(&bench->host, PEER_BLOCK, 0x20), SIZE);
}

/* ---- what is wrong ----------------------------------------------------------------------------------- */

static void an_ack_of_what_was_not_sent_is_answered(void **state)
{
    struct bench *bench = *state;

    peer_connect(&bench->peer);
    bench->peer.ack += 1000;
    peer_send(&bench->peer, ACK | PSH, "x", 1);
    (void)peer_expect(&bench->peer, ACK, 0);
    assert_int_equal(host_take_ir(&bench->host, 0), 0);
    assert_int_equal(host_read16(&bench->host, PEER_BLOCK, 0x20), SIZE);
}

static void the_third_segment_of_a_handshake_must_fit(void **state)
{
    struct bench *bench = *state;
    uint32_t ack;

    peer_call(&bench->peer);
    ack = bench->peer.ack;
    bench->peer.ack = ack + 1;
    peer_send(&bench->peer, ACK, NULL, 0);
    assert_int_equal(peer_expect(&bench->peer, RST, 0).seq, ack + 1);
    bench->peer.ack = ack;
    send_at(bench, bench->peer.seq + 50000, ACK, "");
    (void)peer_expect(&bench->peer, ACK, 0);
    assert_int_equal(host_status(&bench->host, 0), SYNRECV);
    peer_send(&bench->peer, ACK, NULL, 0);
    assert_int_equal(host_status(&bench->host, 0), ESTABLISHED);
}

/* A frame of ours with other options; the chip listens. */
static size_t write_syn(struct bench *bench, uint8_t *frame, const uint8_t *options, size_t len)
{
    const struct packet_tcp tcp = { .sequence = PEER_SEQ, .flags = SYN, .window = 9000 };
    size_t frame_len = packet_write_tcp(frame, &bench->peer.way, &tcp), tcp_len = 20 + len;
    uint8_t *ip = frame + 14, *header = frame + 34;

    assert_int_equal(frame_len, 54);
    memcpy(header + 20, options, len);
    header[12] = (uint8_t)(tcp_len / 4 << 4);
    ip[3] = (uint8_t)(20 + tcp_len);
    checksum_put(ip + 10, 0);
    checksum_put(ip + 10, checksum_end(checksum_add(0, ip, 20)));
    checksum_put(header + 16, 0);
    checksum_put(header + 16,
                 checksum_end(checksum_add(checksum_add(6 + (uint32_t)tcp_len, ip + 12, 8), header,
                                           tcp_len)));
    return frame_len + len;
}

static void options_are_read_as_far_as_they_make_sense(void **state)
{
    static const struct {
        uint8_t options[8];
        size_t mss;
    } rows[] = {
        { { 2, 4, 0x02, 0x00, 0, 0, 0, 0 }, 512 },
        { { 1, 1, 1, 1, 2, 4, 0x02, 0x00 }, 512 },
        { { 3, 3, 7, 1, 2, 4, 0x02, 0x00 }, 512 },
        { { 2, 4, 0x7f, 0xff, 0, 0, 0, 0 }, 1460 }, /* ours is less */
        { { 2, 4, 0, 1, 0, 0, 0, 0 }, 64 },
        { { 0, 0, 0, 0, 2, 4, 0x02, 0x00 }, 536 }, /* behind the end */
        { { 3, 0, 0, 0, 2, 4, 0x02, 0x00 }, 536 }, /* of no length */
        { { 3, 1, 0, 0, 2, 4, 0x02, 0x00 }, 536 },
        { { 3, 200, 0, 0, 2, 4, 0x02, 0x00 }, 536 },
        { { 2, 3, 0x02, 1, 1, 1, 1, 1 }, 536 },
        { { 1, 1, 1, 1, 1, 1, 1, 2 }, 536 }, /* cut */
        { { 1, 1, 1, 1, 1, 2, 4, 2 }, 536 },
    };
    struct bench *bench = *state;
    static const uint8_t bytes[SIZE];

    for (int i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t frame[PACKET_HEADERS_MAX];
        size_t len;

        host_forget(&bench->host);
        peer_init(&bench->peer, &bench->host);
        host_open(&bench->host, 0, 0x01, PEER_CHIP);
        host_command(&bench->host, 0, LISTEN);
        len = write_syn(bench, frame, rows[i].options, sizeof(rows[i].options));
        w5500_receive(bench->host.chip, frame, len);
        bench->peer.ack = peer_expect(&bench->peer, SYN | ACK, 0).seq + 1;
        bench->peer.seq = PEER_SEQ + 1;
        peer_send(&bench->peer, ACK, NULL, 0);
        host_send(&bench->host, 0, bytes, SIZE);
        (void)peer_expect(&bench->peer, ACK | PSH, rows[i].mss);
    }
}

static void a_wrong_header_is_nothing(void **state)
{
    struct bench *bench = *state;
    uint8_t frame[PACKET_HEADERS_MAX], options[4] = { 2, 4, 2, 0 };
    size_t len;

    host_open(&bench->host, 0, 0x01, PEER_CHIP);
    host_command(&bench->host, 0, LISTEN);
    for (int offset = 0; offset < 16; offset++) {
        if (offset == 5 || offset == 6)
            continue;
        len = write_syn(bench, frame, options, sizeof(options));
        frame[34 + 12] = (uint8_t)(offset << 4);
        w5500_receive(bench->host.chip, frame, len);
    }
    len = write_syn(bench, frame, options, sizeof(options));
    frame[34 + 15] ^= 1; /* its checksum is wrong now */
    w5500_receive(bench->host.chip, frame, len);
    peer_expect_nothing(&bench->peer);
    assert_int_equal(host_status(&bench->host, 0), LISTENING);
}

static void a_flood_of_syns_takes_one_listener(void **state)
{
    struct bench *bench = *state;
    int resets = 0, answers = 0;
    struct peer_segment segment;

    host_open(&bench->host, 0, 0x01, PEER_CHIP);
    host_command(&bench->host, 0, LISTEN);
    for (int i = 0; i < 400; i++) {
        bench->peer.way.from.port = (uint16_t)(1000 + i);
        peer_send(&bench->peer, SYN, NULL, 0);
    }
    while (peer_take(&bench->peer, &segment)) {
        resets += segment.flags == (RST | ACK);
        answers += segment.flags == (SYN | ACK);
    }
    assert_int_equal(answers, 1);
    assert_int_equal(resets, 399);
}

/* What the chip shows within a frame does not change by what comes meanwhile. */
static void nothing_comes_within_an_spi_frame(void **state)
{
    static const uint8_t header[] = { 0, RX_RSR, PEER_BLOCK << 3 };
    struct bench *bench = *state;
    uint8_t bytes[2];

    peer_connect(&bench->peer);
    w5500_select(bench->host.chip, true);
    w5500_transfer(bench->host.chip, header, NULL, sizeof(header));
    peer_send(&bench->peer, ACK | FIN, "hello", 5);
    w5500_transfer(bench->host.chip, NULL, bytes, sizeof(bytes));
    assert_int_equal(bytes[0] << 8 | bytes[1], 0);
    w5500_select(bench->host.chip, false);
    assert_int_equal(host_read16(&bench->host, PEER_BLOCK, RX_RSR), 5);
    assert_int_equal(host_status(&bench->host, 0), CLOSE_WAIT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_comes_out_of_order_is_dropped),
        TEST(what_overlaps_is_taken_once),
        TEST(sequence_numbers_wrap),
        TEST(rings_and_pointers_wrap),
        TEST(what_is_beyond_the_window_is_not_stored),
        TEST(a_window_that_opens_is_told),
        TEST(a_full_buffer_takes_acks),
        TEST(an_ack_of_what_was_not_sent_is_answered),
        TEST(the_third_segment_of_a_handshake_must_fit),
        TEST(options_are_read_as_far_as_they_make_sense),
        TEST(a_wrong_header_is_nothing),
        TEST(a_flood_of_syns_takes_one_listener),
        TEST(nothing_comes_within_an_spi_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
