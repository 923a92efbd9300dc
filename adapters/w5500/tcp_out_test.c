#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "adapters/w5500/fake_peer.h"
#include "adapters/w5500/w5500.h"
#include "emu/util.h"

#include <cmocka.h>

#define TX_FSR      0x20
#define TX_RD       0x22
#define TX_WR       0x24
#define RX_SIZE     0x1e
#define TX_SIZE     0x1f
#define SIZE        2048
#define SIZE_MAX_KB 16
#define SEND        0x20
#define ESTABLISHED 0x17
#define RTR_US      200000
#define IP_AT       14
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

static void acknowledge(struct bench *bench, uint32_t len)
{
    bench->peer.ack += len;
    peer_send(&bench->peer, ACK, NULL, 0);
}

static void fill(uint8_t *bytes, size_t len, size_t salt)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i * 13 + (i >> 8) + salt);
}

static void a_send_larger_than_mss_is_cut(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[SIZE];
    struct peer_segment first, second;

    fill(bytes, sizeof(bytes), 0);
    peer_connect(&bench->peer);
    host_send(&bench->host, 0, bytes, sizeof(bytes));
    first = peer_expect(&bench->peer, ACK | PSH, 1460);
    second = peer_expect(&bench->peer, ACK | PSH, SIZE - 1460);
    peer_expect_nothing(&bench->peer);
    assert_int_equal(first.seq, bench->peer.ack);
    assert_int_equal(second.seq, bench->peer.ack + 1460);
    assert_memory_equal(first.data, bytes, 1460);
    assert_memory_equal(second.data, bytes + 1460, SIZE - 1460);
}

static void a_small_mss_of_the_peers_counts(void **state)
{
    struct bench *bench = *state;
    static const uint8_t bytes[1000];

    bench->peer.mss = 400;
    peer_connect(&bench->peer);
    host_send(&bench->host, 0, bytes, sizeof(bytes));
    (void)peer_expect(&bench->peer, ACK | PSH, 400);
    (void)peer_expect(&bench->peer, ACK | PSH, 400);
    (void)peer_expect(&bench->peer, ACK | PSH, 200);
}

/* FSR counts from what is acknowledged, RD from what is sent. */
static void pointers_say_what_is_sent_and_acknowledged(void **state)
{
    struct bench *bench = *state;
    static const uint8_t bytes[1000];
    uint16_t base;

    bench->peer.window = 600;
    peer_connect(&bench->peer);
    base = host_read16(&bench->host, PEER_BLOCK, TX_WR);
    host_send(&bench->host, 0, bytes, sizeof(bytes));
    assert_int_equal(host_read16(&bench->host, PEER_BLOCK, TX_FSR), SIZE - 1000);
    assert_int_equal(host_read16(&bench->host, PEER_BLOCK, TX_RD), (uint16_t)(base + 600));
    assert_int_equal(host_read16(&bench->host, PEER_BLOCK, TX_WR), (uint16_t)(base + 1000));
    acknowledge(bench, 600);
    assert_int_equal(host_read16(&bench->host, PEER_BLOCK, TX_FSR), SIZE - 400);
    assert_int_equal(host_read16(&bench->host, PEER_BLOCK, TX_RD), (uint16_t)(base + 1000));
    acknowledge(bench, 400);
    assert_int_equal(host_read16(&bench->host, PEER_BLOCK, TX_FSR), SIZE);
}

/* 140000 bytes: past every end of the ring, of pointers, and of 16 bit of sequence numbers. */
static void the_ring_wraps(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[1000];

    peer_connect(&bench->peer);
    for (size_t round = 0; round < 140; round++) {
        struct peer_segment segment;

        host_forget(&bench->host);
        bench->peer.taken = 0;
        fill(bytes, sizeof(bytes), round);
        host_send(&bench->host, 0, bytes, sizeof(bytes));
        segment = peer_expect(&bench->peer, ACK | PSH, sizeof(bytes));
        assert_memory_equal(segment.data, bytes, sizeof(bytes));
        assert_int_equal(segment.seq, bench->peer.ack);
        acknowledge(bench, sizeof(bytes));
        assert_int_equal(host_read16(&bench->host, PEER_BLOCK, TX_FSR), SIZE);
    }
}

static void the_largest_buffer_is_sent_whole(void **state)
{
    struct bench *bench = *state;
    static uint8_t bytes[SIZE_MAX_KB * 1024];
    size_t done = 0;

    for (unsigned n = 0; n < W5500_SOCKETS; n++) {
        host_write8(&bench->host, W5500_BLOCK_SOCKET(n), RX_SIZE, n ? 0 : SIZE_MAX_KB);
        host_write8(&bench->host, W5500_BLOCK_SOCKET(n), TX_SIZE, n ? 0 : SIZE_MAX_KB);
    }
    fill(bytes, sizeof(bytes), 1);
    bench->peer.window = 65535;
    peer_connect(&bench->peer);
    host_send(&bench->host, 0, bytes, sizeof(bytes));
    assert_int_equal(host_read16(&bench->host, PEER_BLOCK, TX_FSR), 0);
    while (done < sizeof(bytes)) {
        size_t len = sizeof(bytes) - done < 1460 ? sizeof(bytes) - done : 1460;

        assert_memory_equal(peer_expect(&bench->peer, ACK | PSH, len).data, bytes + done, len);
        done += len;
    }
    peer_expect_nothing(&bench->peer);
}

/* From what is not acknowledged on; the rest follows when the first is. */
static void what_is_lost_is_sent_again_from_there(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[SIZE];
    struct peer_segment segment;

    fill(bytes, sizeof(bytes), 0);
    bench->peer.mss = 500;
    peer_connect(&bench->peer);
    host_send(&bench->host, 0, bytes, SIZE);
    while (peer_take(&bench->peer, &segment))
        ;
    acknowledge(bench, 500);
    peer_expect_nothing(&bench->peer);
    host_run_us(&bench->host, RTR_US);
    segment = peer_expect(&bench->peer, ACK | PSH, 500);
    assert_int_equal(segment.seq, bench->peer.ack);
    assert_memory_equal(segment.data, bytes + 500, 500);
    peer_expect_nothing(&bench->peer);
    acknowledge(bench, 500);
    assert_memory_equal(peer_expect(&bench->peer, ACK | PSH, 500).data, bytes + 1000, 500);
    assert_memory_equal(peer_expect(&bench->peer, ACK | PSH, 500).data, bytes + 1500, 500);
    (void)peer_expect(&bench->peer, ACK | PSH, 48);
    acknowledge(bench, SIZE - 1000);
    host_run_us(&bench->host, 60000000);
    peer_expect_nothing(&bench->peer);
}

static void a_late_ack_of_all_ends_going_back(void **state)
{
    struct bench *bench = *state;
    static const uint8_t bytes[SIZE];
    struct peer_segment segment;

    bench->peer.mss = 500;
    peer_connect(&bench->peer);
    host_send(&bench->host, 0, bytes, SIZE);
    host_run_us(&bench->host, RTR_US);
    while (peer_take(&bench->peer, &segment))
        ;
    acknowledge(bench, SIZE);
    peer_expect_nothing(&bench->peer);
    assert_int_equal(host_read16(&bench->host, PEER_BLOCK, TX_FSR), SIZE);
}

/* RFC 9293 3.8.6: what was promised is taken back. */
static void a_window_may_shrink(void **state)
{
    struct bench *bench = *state;
    static const uint8_t bytes[SIZE];

    bench->peer.window = 1000;
    peer_connect(&bench->peer);
    host_send(&bench->host, 0, bytes, SIZE);
    (void)peer_expect(&bench->peer, ACK | PSH, 1000);
    bench->peer.window = 10;
    acknowledge(bench, 100);
    peer_expect_nothing(&bench->peer);
    host_run_us(&bench->host, RTR_US);
    assert_int_equal(peer_expect(&bench->peer, ACK | PSH, 10).seq, bench->peer.ack);
    bench->peer.window = 4000;
    acknowledge(bench, 900);
    assert_int_equal(peer_expect(&bench->peer, ACK | PSH, SIZE - 1000).seq, bench->peer.ack);
    assert_int_equal(host_status(&bench->host, 0), ESTABLISHED);
}

static void an_old_window_is_not_believed(void **state)
{
    struct bench *bench = *state;

    peer_connect(&bench->peer);
    peer_send(&bench->peer, ACK | PSH, "x", 1);
    bench->peer.seq--;
    bench->peer.window = 0;
    peer_send(&bench->peer, ACK, NULL, 0);
    (void)peer_expect(&bench->peer, ACK, 0);
    host_send(&bench->host, 0, "hello", 5);
    (void)peer_expect(&bench->peer, ACK | PSH, 5);
}

/* The peer's address is that of the connection, whatever the driver writes. */
static void the_destination_is_of_the_connection(void **state)
{
    struct bench *bench = *state;
    const struct host_frame *frame;

    peer_connect(&bench->peer);
    host_set_destination(&bench->host, 0, HOST_FAR_IP, 9);
    host_forget(&bench->host);
    bench->peer.taken = 0;
    host_send(&bench->host, 0, "hello", 5);
    frame = host_frame_get(&bench->host, 0);
    assert_int_equal(frame->bytes[IP_AT + 16], 192);
    assert_int_equal(frame->bytes[IP_AT + 19], 9);
    assert_int_equal(frame->bytes[IP_AT + 22] << 8 | frame->bytes[IP_AT + 23], PEER_PORT);
    assert_memory_equal(frame->bytes, host_peer_mac, 6);
    acknowledge(bench, 5);
    assert_int_equal(host_read16(&bench->host, PEER_BLOCK, TX_FSR), SIZE);
}

/* A driver's mistake: more than there is room for. It is told, and nothing breaks. */
static void a_wild_pointer_is_a_fault(void **state)
{
    struct bench *bench = *state;
    uint16_t at;

    peer_connect(&bench->peer);
    at = host_read16(&bench->host, PEER_BLOCK, TX_WR);
    host_write16(&bench->host, PEER_BLOCK, TX_WR, (uint16_t)(at - 1));
    host_command(&bench->host, 0, SEND);
    assert_int_equal(bench->host.faults_count, 1);
    assert_non_null(strstr(bench->host.fault, "beyond Sn_TX_FSR"));
    host_run_us(&bench->host, 60000000);
    assert_int_equal(host_status(&bench->host, 0), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_send_larger_than_mss_is_cut),
        TEST(a_small_mss_of_the_peers_counts),
        TEST(pointers_say_what_is_sent_and_acknowledged),
        TEST(the_ring_wraps),
        TEST(the_largest_buffer_is_sent_whole),
        TEST(what_is_lost_is_sent_again_from_there),
        TEST(a_late_ack_of_all_ends_going_back),
        TEST(a_window_may_shrink),
        TEST(an_old_window_is_not_believed),
        TEST(the_destination_is_of_the_connection),
        TEST(a_wild_pointer_is_a_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
