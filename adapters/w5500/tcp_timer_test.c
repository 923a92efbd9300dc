#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/w5500/fake_peer.h"
#include "adapters/w5500/w5500.h"
#include "emu/util.h"

#include <cmocka.h>

#define RTR         0x19
#define RCR         0x1b
#define KPALVTR     0x2f
#define DISCON      0x08
#define SEND_KEEP   0x22
#define CLOSED      0x00
#define ESTABLISHED 0x17
#define FIN_WAIT    0x18
#define TCP         0x01
#define TCP_ND      0x21
#define RTR_US      200000
#define KEEP_US     5000000
#define FIN         PACKET_TCP_FIN
#define SYN         PACKET_TCP_SYN
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

static int setup_scaled(void **state)
{
    const struct w5500_config config = { .scale_percent = 10 };
    static struct bench bench;

    host_init(&bench.host, &config);
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

/* ---- again ---------------------------------------------------------------------------------------- */

/* Nobody answers: the waits between @count segments, and then TIMEOUT. */
static void expect_waits(struct bench *bench, uint8_t flags, size_t len, const uint64_t *waits_us,
                         size_t count)
{
    struct peer_segment segment;
    uint64_t last_us = bench->host.clock.now_us, end_us = last_us;
    uint32_t seq = 0;

    for (size_t i = 0; i < count; i++)
        end_us += waits_us[i];
    host_run_us(&bench->host, end_us - last_us - 1);
    assert_int_equal(host_take_ir(&bench->host, 0) & PEER_TIMEOUT, 0);
    for (size_t i = 0; i + 1 < count; i++) {
        segment = peer_expect(&bench->peer, flags, len);
        assert_int_equal(segment.at_us - last_us, waits_us[i]);
        assert_true(i == 0 || segment.seq == seq);
        last_us = segment.at_us;
        seq = segment.seq;
    }
    peer_expect_nothing(&bench->peer);
    host_run_us(&bench->host, 1);
    assert_int_equal(host_take_ir(&bench->host, 0), PEER_TIMEOUT);
    assert_int_equal(host_status(&bench->host, 0), CLOSED);
    host_run_us(&bench->host, 60000000);
    peer_expect_nothing(&bench->peer);
}

/* Datasheet 4.1, RCR: 0.2 + 0.4 + ... + 6.4 * 4 = 31.8 s. */
static const uint64_t by_default[] = { 200000,  400000,  800000,  1600000, 3200000,
                                       6400000, 6400000, 6400000, 6400000 };

static void a_syn_is_sent_nine_times(void **state)
{
    struct bench *bench = *state;

    peer_be_called(&bench->peer);
    expect_waits(bench, SYN, 0, by_default, ARRAY_LEN(by_default));
}

/* SYNRECV ends in CLOSED; it does not go back to LISTEN. */
static void so_is_its_answer(void **state)
{
    struct bench *bench = *state;

    peer_call(&bench->peer);
    expect_waits(bench, SYN | ACK, 0, by_default, ARRAY_LEN(by_default));
}

static void so_is_data(void **state)
{
    struct bench *bench = *state;

    peer_connect(&bench->peer);
    host_send(&bench->host, 0, "hello", 5);
    (void)peer_expect(&bench->peer, ACK | PSH, 5);
    expect_waits(bench, ACK | PSH, 5, by_default, ARRAY_LEN(by_default));
}

static void so_is_fin(void **state)
{
    struct bench *bench = *state;

    peer_connect(&bench->peer);
    host_command(&bench->host, 0, DISCON);
    (void)peer_expect(&bench->peer, FIN | ACK, 0);
    expect_waits(bench, FIN | ACK, 0, by_default, ARRAY_LEN(by_default));
}

static void rtr_and_rcr_make_the_waits(void **state)
{
    static const struct {
        uint16_t rtr;
        uint8_t rcr;
        uint64_t waits_us[5];
    } rows[] = {
        { 1000, 2, { 100000, 200000, 400000 } },
        { 1000, 0, { 100000 } },
        { 40000, 2, { 4000000, 4000000, 4000000 } },
        { 65535, 1, { 6553500, 6553500 } },
        { 16384, 4, { 1638400, 3276800, 3276800, 3276800, 3276800 } },
        { 1, 3, { 100, 200, 400, 800 } },
    };
    struct bench *bench = *state;

    for (int i = 0; i < ARRAY_LEN(rows); i++) {
        host_forget(&bench->host);
        peer_init(&bench->peer, &bench->host);
        peer_connect(&bench->peer);
        host_write16(&bench->host, W5500_BLOCK_COMMON, RTR, rows[i].rtr);
        host_write8(&bench->host, W5500_BLOCK_COMMON, RCR, rows[i].rcr);
        host_send(&bench->host, 0, "x", 1);
        (void)peer_expect(&bench->peer, ACK | PSH, 1);
        expect_waits(bench, ACK | PSH, 1, rows[i].waits_us, (size_t)rows[i].rcr + 1);
    }
}

static void an_rtr_of_zero_ends(void **state)
{
    struct bench *bench = *state;

    host_write16(&bench->host, W5500_BLOCK_COMMON, RTR, 0);
    host_write8(&bench->host, W5500_BLOCK_COMMON, RCR, 255);
    peer_be_called(&bench->peer);
    host_run_us(&bench->host, 1);
    assert_int_equal(host_take_ir(&bench->host, 0), PEER_TIMEOUT);
}

static void times_are_scaled(void **state)
{
    uint64_t waits_us[ARRAY_LEN(by_default)];
    struct bench *bench = *state;

    for (int i = 0; i < ARRAY_LEN(by_default); i++)
        waits_us[i] = by_default[i] / 10;
    peer_be_called(&bench->peer);
    expect_waits(bench, SYN, 0, waits_us, ARRAY_LEN(waits_us));
}

static void progress_begins_the_waits_anew(void **state)
{
    struct bench *bench = *state;

    peer_connect(&bench->peer);
    host_send(&bench->host, 0, "hello", 5);
    host_run_us(&bench->host, 10000000);
    while (peer_take(&bench->peer, &(struct peer_segment){ 0 }))
        ;
    bench->peer.ack += 2;
    peer_send(&bench->peer, ACK, NULL, 0);
    expect_waits(bench, ACK | PSH, 3, by_default, ARRAY_LEN(by_default));
}

/* One that repeats what it said makes none. */
static void an_old_ack_is_no_progress(void **state)
{
    struct bench *bench = *state;

    peer_connect(&bench->peer);
    host_send(&bench->host, 0, "hello", 5);
    for (int i = 0; i < 317; i++) {
        host_run_us(&bench->host, 100000);
        peer_send(&bench->peer, ACK, NULL, 0);
    }
    assert_int_equal(host_status(&bench->host, 0), ESTABLISHED);
    host_run_us(&bench->host, 100000);
    assert_int_equal(host_status(&bench->host, 0), CLOSED);
}

/* The datasheet: unless FIN comes too, TCPTO occurs. */
static void a_peer_that_never_closes_is_given_up(void **state)
{
    struct bench *bench = *state;

    peer_connect(&bench->peer);
    host_command(&bench->host, 0, DISCON);
    (void)peer_expect(&bench->peer, FIN | ACK, 0);
    bench->peer.ack++;
    peer_send(&bench->peer, ACK, NULL, 0);
    host_run_us(&bench->host, 31000000);
    peer_send(&bench->peer, ACK | PSH, "x", 1);
    host_run_us(&bench->host, 31799999);
    assert_int_equal(host_status(&bench->host, 0), FIN_WAIT);
    host_run_us(&bench->host, 1);
    assert_int_equal(host_status(&bench->host, 0), CLOSED);
    assert_int_equal(host_take_ir(&bench->host, 0) & PEER_TIMEOUT, PEER_TIMEOUT);
}

/* ---- a shut window ---------------------------------------------------------------------------------- */

static void a_shut_window_is_probed_while_it_answers(void **state)
{
    struct bench *bench = *state;

    bench->peer.window = 0;
    peer_connect(&bench->peer);
    host_send(&bench->host, 0, "hello", 5);
    peer_expect_nothing(&bench->peer);
    for (int i = 0; i < 20; i++) {
        host_run_us(&bench->host, by_default[i < 8 ? i : 8]);
        assert_int_equal(peer_expect(&bench->peer, ACK | PSH, 1).seq, bench->peer.ack);
        peer_send(&bench->peer, ACK, NULL, 0);
        peer_expect_nothing(&bench->peer);
    }
    assert_int_equal(host_take_ir(&bench->host, 0), 0);
    bench->peer.window = 100;
    peer_send(&bench->peer, ACK, NULL, 0);
    assert_int_equal(peer_expect(&bench->peer, ACK | PSH, 5).seq, bench->peer.ack);
    assert_int_equal(host_take_ir(&bench->host, 0), PEER_SENDOK);
}

static void a_shut_window_that_is_silent_ends_the_connection(void **state)
{
    struct bench *bench = *state;

    bench->peer.window = 0;
    peer_connect(&bench->peer);
    host_send(&bench->host, 0, "hello", 5);
    expect_waits(bench, ACK | PSH, 1, by_default, ARRAY_LEN(by_default));
}

/* ---- ACK -------------------------------------------------------------------------------------------- */

static void an_ack_waits_for_rtr(void **state)
{
    struct bench *bench = *state;

    peer_connect(&bench->peer);
    peer_send(&bench->peer, ACK | PSH, "one", 3);
    host_run_us(&bench->host, RTR_US - 1);
    peer_expect_nothing(&bench->peer);
    host_run_us(&bench->host, 1);
    assert_int_equal(peer_expect(&bench->peer, ACK, 0).ack, bench->peer.seq);
    host_run_us(&bench->host, 60000000);
    peer_expect_nothing(&bench->peer);
}

static void an_ack_waits_for_the_second_segment(void **state)
{
    struct bench *bench = *state;

    peer_connect(&bench->peer);
    for (int i = 0; i < 3; i++) {
        peer_send(&bench->peer, ACK | PSH, "one", 3);
        peer_expect_nothing(&bench->peer);
        peer_send(&bench->peer, ACK | PSH, "two", 3);
        assert_int_equal(peer_expect(&bench->peer, ACK, 0).ack, bench->peer.seq);
    }
}

static void data_carries_the_ack(void **state)
{
    struct bench *bench = *state;

    peer_connect(&bench->peer);
    peer_send(&bench->peer, ACK | PSH, "one", 3);
    host_send(&bench->host, 0, "answer", 6);
    assert_int_equal(peer_expect(&bench->peer, ACK | PSH, 6).ack, bench->peer.seq);
    bench->peer.ack += 6;
    peer_send(&bench->peer, ACK, NULL, 0);
    host_run_us(&bench->host, RTR_US);
    peer_expect_nothing(&bench->peer);
}

static void no_delayed_ack_answers_at_once(void **state)
{
    struct bench *bench = *state;

    host_open(&bench->host, 0, TCP_ND, PEER_CHIP);
    host_command(&bench->host, 0, 0x02);
    peer_send(&bench->peer, SYN, NULL, 0);
    bench->peer.ack = peer_expect(&bench->peer, SYN | ACK, 0).seq + 1;
    peer_send(&bench->peer, ACK, NULL, 0);
    peer_send(&bench->peer, ACK | PSH, "one", 3);
    assert_int_equal(peer_expect(&bench->peer, ACK, 0).ack, bench->peer.seq);
}

/* ---- keepalive -------------------------------------------------------------------------------------- */

static void exchange(struct bench *bench)
{
    host_send(&bench->host, 0, "hello", 5);
    (void)peer_expect(&bench->peer, ACK | PSH, 5);
    bench->peer.ack += 5;
    peer_send(&bench->peer, ACK, NULL, 0);
    (void)host_take_ir(&bench->host, 0);
}

static void an_idle_peer_is_probed(void **state)
{
    struct bench *bench = *state;

    host_write8(&bench->host, PEER_BLOCK, KPALVTR, 2);
    peer_connect(&bench->peer);
    exchange(bench);
    for (int i = 0; i < 3; i++) {
        host_run_us(&bench->host, 2 * KEEP_US - 1);
        peer_expect_nothing(&bench->peer);
        host_run_us(&bench->host, 1);
        assert_int_equal(peer_expect(&bench->peer, ACK, 1).seq, bench->peer.ack - 1);
        peer_send(&bench->peer, ACK, NULL, 0);
        peer_expect_nothing(&bench->peer);
    }
    assert_int_equal(host_status(&bench->host, 0), ESTABLISHED);
}

static void a_dead_peer_is_found(void **state)
{
    struct bench *bench = *state;

    host_write8(&bench->host, PEER_BLOCK, KPALVTR, 1);
    peer_connect(&bench->peer);
    exchange(bench);
    host_run_us(&bench->host, KEEP_US);
    (void)peer_expect(&bench->peer, ACK, 1);
    expect_waits(bench, ACK, 1, by_default, ARRAY_LEN(by_default));
}

static void without_an_exchange_nothing_is_probed(void **state)
{
    struct bench *bench = *state;

    peer_connect(&bench->peer);
    host_command(&bench->host, 0, SEND_KEEP);
    host_write8(&bench->host, PEER_BLOCK, KPALVTR, 1);
    host_run_us(&bench->host, 60000000);
    peer_expect_nothing(&bench->peer);
    exchange(bench);
    host_run_us(&bench->host, 2 * KEEP_US);
    (void)peer_expect(&bench->peer, ACK, 1);
}

static void kpalvtr_counts_from_when_it_is_written(void **state)
{
    struct bench *bench = *state;

    peer_connect(&bench->peer);
    exchange(bench);
    host_run_us(&bench->host, 60000000);
    host_write8(&bench->host, PEER_BLOCK, KPALVTR, 1);
    host_run_us(&bench->host, KEEP_US - 1);
    peer_expect_nothing(&bench->peer);
    host_run_us(&bench->host, 1);
    (void)peer_expect(&bench->peer, ACK, 1);
    peer_send(&bench->peer, ACK, NULL, 0);
    host_write8(&bench->host, PEER_BLOCK, KPALVTR, 0);
    host_run_us(&bench->host, 60000000);
    peer_expect_nothing(&bench->peer);
}

static void send_keep_probes_now(void **state)
{
    struct bench *bench = *state;

    peer_connect(&bench->peer);
    exchange(bench);
    host_command(&bench->host, 0, SEND_KEEP);
    (void)peer_expect(&bench->peer, ACK, 1);
    assert_int_equal(host_take_ir(&bench->host, 0), 0);
    peer_send(&bench->peer, ACK, NULL, 0);
    host_run_us(&bench->host, 60000000);
    peer_expect_nothing(&bench->peer);
    host_command(&bench->host, 0, SEND_KEEP);
    (void)peer_expect(&bench->peer, ACK, 1);
    expect_waits(bench, ACK, 1, by_default, ARRAY_LEN(by_default));
}

static void send_keep_is_not_for_sockets_that_keep_themselves(void **state)
{
    struct bench *bench = *state;

    peer_connect(&bench->peer);
    exchange(bench);
    host_forget(&bench->host);
    bench->peer.taken = 0;
    host_write8(&bench->host, PEER_BLOCK, KPALVTR, 1);
    host_command(&bench->host, 0, SEND_KEEP);
    peer_expect_nothing(&bench->peer);
    assert_int_equal(bench->host.faults_count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_syn_is_sent_nine_times),
        TEST(so_is_its_answer),
        TEST(so_is_data),
        TEST(so_is_fin),
        TEST(rtr_and_rcr_make_the_waits),
        TEST(an_rtr_of_zero_ends),
        cmocka_unit_test_setup_teardown(times_are_scaled, setup_scaled, teardown),
        TEST(progress_begins_the_waits_anew),
        TEST(an_old_ack_is_no_progress),
        TEST(a_peer_that_never_closes_is_given_up),
        TEST(a_shut_window_is_probed_while_it_answers),
        TEST(a_shut_window_that_is_silent_ends_the_connection),
        TEST(an_ack_waits_for_rtr),
        TEST(an_ack_waits_for_the_second_segment),
        TEST(data_carries_the_ack),
        TEST(no_delayed_ack_answers_at_once),
        TEST(an_idle_peer_is_probed),
        TEST(a_dead_peer_is_found),
        TEST(without_an_exchange_nothing_is_probed),
        TEST(kpalvtr_counts_from_when_it_is_written),
        TEST(send_keep_probes_now),
        TEST(send_keep_is_not_for_sockets_that_keep_themselves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
