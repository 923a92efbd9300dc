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
#define DIPR        0x0c
#define DPORT       0x10
#define DHAR        0x06
#define MSSR        0x12
#define KPALVTR     0x2f
#define SIZE        2048
#define LISTEN      0x02
#define DISCON      0x08
#define CLOSE       0x10
#define SEND        0x20
#define SEND_KEEP   0x22
#define RECV        0x40
#define CLOSED      0x00
#define LISTENING   0x14
#define SYNSENT     0x15
#define SYNRECV     0x16
#define ESTABLISHED 0x17
#define FIN_WAIT    0x18
#define CLOSING     0x1a
#define CLOSE_WAIT  0x1c
#define LAST_ACK    0x1d
#define FIN         PACKET_TCP_FIN
#define SYN         PACKET_TCP_SYN
#define RST         PACKET_TCP_RST
#define PSH         PACKET_TCP_PSH
#define ACK         PACKET_TCP_ACK

struct bench {
    struct host host;
    struct peer peer;
};

static int setup_with(void **state, const struct w5500_config *config)
{
    static struct bench bench;

    host_init(&bench.host, config);
    host_set_net(&bench.host);
    peer_init(&bench.peer, &bench.host);
    *state = &bench;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, NULL);
}

static int setup_zero_base(void **state)
{
    const struct w5500_config config = { .quirks.zero_tx_base = true };

    return setup_with(state, &config);
}

static int setup_acked(void **state)
{
    const struct w5500_config config = { .quirks.sendok_acked = true };

    return setup_with(state, &config);
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    host_fini(&bench->host);
    return 0;
}

/* ---- ways into each state ------------------------------------------------------------------------ */

static void to_fin_wait(struct bench *bench)
{
    peer_connect(&bench->peer);
    host_command(&bench->host, 0, DISCON);
    (void)peer_expect(&bench->peer, FIN | ACK, 0);
}

static void to_closing(struct bench *bench)
{
    to_fin_wait(bench);
    peer_send(&bench->peer, FIN | ACK, NULL, 0);
    (void)peer_expect(&bench->peer, ACK, 0);
    (void)host_take_ir(&bench->host, 0);
}

static void to_close_wait(struct bench *bench)
{
    peer_connect(&bench->peer);
    peer_send(&bench->peer, FIN | ACK, NULL, 0);
    (void)peer_expect(&bench->peer, ACK, 0);
    (void)host_take_ir(&bench->host, 0);
}

static void to_last_ack(struct bench *bench)
{
    to_close_wait(bench);
    host_command(&bench->host, 0, DISCON);
    (void)peer_expect(&bench->peer, FIN | ACK, 0);
}

static void to_established(struct bench *bench)
{
    peer_connect(&bench->peer);
}

static void to_syn_sent(struct bench *bench)
{
    peer_be_called(&bench->peer);
}

static void to_syn_received(struct bench *bench)
{
    peer_call(&bench->peer);
}

struct way {
    void (*go)(struct bench *bench);
    uint8_t status;
};

static const struct way ways[] = {
    { to_syn_sent, SYNSENT },  { to_syn_received, SYNRECV }, { to_established, ESTABLISHED },
    { to_fin_wait, FIN_WAIT }, { to_closing, CLOSING },      { to_close_wait, CLOSE_WAIT },
    { to_last_ack, LAST_ACK },
};

static void enter(struct bench *bench, const struct way *way)
{
    host_command(&bench->host, 0, CLOSE);
    host_forget(&bench->host);
    peer_init(&bench->peer, &bench->host);
    way->go(bench);
    assert_int_equal(host_status(&bench->host, 0), way->status);
    (void)host_take_ir(&bench->host, 0);
}

/* ---- every state ----------------------------------------------------------------------------------- */

static void rst_ends_every_state(void **state)
{
    struct bench *bench = *state;

    for (int i = 0; i < ARRAY_LEN(ways); i++) {
        enter(bench, &ways[i]);
        peer_send(&bench->peer, RST | ACK, NULL, 0);
        assert_int_equal(host_status(&bench->host, 0), CLOSED);
        assert_int_equal(host_take_ir(&bench->host, 0), PEER_DISCON);
        peer_expect_nothing(&bench->peer);
        host_run_us(&bench->host, 60000000);
        assert_int_equal(host_take_ir(&bench->host, 0), 0);
    }
}

static void rst_of_another_place_ends_none(void **state)
{
    struct bench *bench = *state;

    for (int i = 0; i < ARRAY_LEN(ways); i++) {
        enter(bench, &ways[i]);
        bench->peer.seq -= 5000;
        bench->peer.ack += 5000;
        peer_send(&bench->peer, RST | ACK, NULL, 0);
        assert_int_equal(host_status(&bench->host, 0), ways[i].status);
        assert_int_equal(host_take_ir(&bench->host, 0), 0);
        peer_expect_nothing(&bench->peer);
    }
}

static void close_is_silent_in_every_state(void **state)
{
    struct bench *bench = *state;

    for (int i = 0; i < ARRAY_LEN(ways); i++) {
        enter(bench, &ways[i]);
        host_command(&bench->host, 0, CLOSE);
        assert_int_equal(host_status(&bench->host, 0), CLOSED);
        host_run_us(&bench->host, 60000000);
        assert_int_equal(host_take_ir(&bench->host, 0), 0);
        peer_expect_nothing(&bench->peer);
    }
}

/* What is never answered ends after 31.8 s, to the tick, in all states that wait for something. */
static void silence_ends_every_state_that_waits(void **state)
{
    struct bench *bench = *state;

    for (int i = 0; i < ARRAY_LEN(ways); i++) {
        enter(bench, &ways[i]);
        if (ways[i].status == ESTABLISHED || ways[i].status == CLOSE_WAIT)
            host_send(&bench->host, 0, "x", 1);
        (void)host_take_ir(&bench->host, 0);
        host_run_us(&bench->host, 31799999);
        assert_int_equal(host_status(&bench->host, 0), ways[i].status);
        assert_int_equal(host_take_ir(&bench->host, 0), 0);
        host_run_us(&bench->host, 1);
        assert_int_equal(host_status(&bench->host, 0), CLOSED);
        assert_int_equal(host_take_ir(&bench->host, 0), PEER_TIMEOUT);
    }
}

static void commands_of_other_states_are_ignored(void **state)
{
    static const struct {
        uint8_t command, bits; /* bit n: ways[n] takes it */
    } rows[] = {
        { LISTEN, 0 },  { 0x04, 0 },         { DISCON, 0x26 },
        { SEND, 0x24 }, { SEND_KEEP, 0x04 }, { RECV, 0x7c },
    };
    struct bench *bench = *state;

    for (int i = 0; i < ARRAY_LEN(ways); i++) {
        for (int n = 0; n < ARRAY_LEN(rows); n++) {
            bool is_valid = rows[n].bits >> i & 1;

            enter(bench, &ways[i]);
            bench->host.faults_count = 0;
            host_command(&bench->host, 0, rows[n].command);
            assert_int_equal(bench->host.faults_count, !is_valid);
            if (rows[n].command != DISCON)
                assert_int_equal(host_status(&bench->host, 0), ways[i].status);
        }
    }
}

static void a_syn_in_a_connection_is_answered_only(void **state)
{
    struct bench *bench = *state;

    for (int i = 2; i < ARRAY_LEN(ways); i++) {
        enter(bench, &ways[i]);
        peer_send(&bench->peer, SYN, NULL, 0);
        (void)peer_expect(&bench->peer, ACK, 0);
        assert_int_equal(host_status(&bench->host, 0), ways[i].status);
    }
}

/* ---- client ------------------------------------------------------------------------------------------ */

static void a_client_connects(void **state)
{
    struct bench *bench = *state;
    struct host *host = &bench->host;
    uint16_t base;

    peer_be_called(&bench->peer);
    assert_int_equal(host_status(host, 0), SYNSENT);
    peer_send(&bench->peer, SYN | ACK, NULL, 0);
    assert_int_equal(peer_expect(&bench->peer, ACK, 0).ack, PEER_SEQ + 1);
    assert_int_equal(host_status(host, 0), ESTABLISHED);
    assert_int_equal(host_take_ir(host, 0), PEER_CON);
    base = host_read16(host, PEER_BLOCK, TX_WR);
    assert_int_equal(base, bench->peer.ack & 0xffff);
    assert_int_equal(host_read16(host, PEER_BLOCK, TX_RD), base);
    assert_int_equal(host_read16(host, PEER_BLOCK, TX_FSR), SIZE);
    host_run_us(host, 60000000);
    peer_expect_nothing(&bench->peer);
}

static void the_base_of_tx_may_be_zero(void **state)
{
    struct bench *bench = *state;

    peer_connect(&bench->peer);
    assert_int_equal(host_read16(&bench->host, PEER_BLOCK, TX_WR), 0);
    assert_int_equal(host_read16(&bench->host, PEER_BLOCK, TX_RD), 0);
    host_send(&bench->host, 0, "hello", 5);
    assert_memory_equal(peer_expect(&bench->peer, ACK | PSH, 5).data, "hello", 5);
}

static void a_syn_has_mss_and_nothing_else(void **state)
{
    static const struct {
        uint16_t set, said;
    } rows[] = { { 0, 1460 }, { 536, 536 }, { 1460, 1460 }, { 9000, 1460 } };
    struct bench *bench = *state;

    for (int i = 0; i < ARRAY_LEN(rows); i++) {
        struct peer_segment syn;

        host_command(&bench->host, 0, CLOSE);
        host_write16(&bench->host, PEER_BLOCK, MSSR, rows[i].set);
        host_open(&bench->host, 0, 0x01, PEER_CHIP);
        host_set_destination(&bench->host, 0, HOST_PEER_IP, PEER_PORT);
        host_command(&bench->host, 0, 0x04);
        host_arp(&bench->host, 2, HOST_PEER_IP, HOST_IP);
        syn = peer_expect(&bench->peer, SYN, 0);
        assert_int_equal(syn.mss, rows[i].said);
        assert_int_equal(syn.window, SIZE);
        assert_int_equal(syn.ack, 0);
    }
}

static void a_refused_client_is_closed(void **state)
{
    struct bench *bench = *state;

    peer_be_called(&bench->peer);
    bench->peer.seq = 0;
    peer_send(&bench->peer, RST | ACK, NULL, 0);
    assert_int_equal(host_status(&bench->host, 0), CLOSED);
    assert_int_equal(host_take_ir(&bench->host, 0), PEER_DISCON);
}

static void a_stale_answer_to_syn_is_refused(void **state)
{
    struct bench *bench = *state;
    struct peer_segment rst;

    peer_be_called(&bench->peer);
    bench->peer.ack += 7;
    peer_send(&bench->peer, SYN | ACK, NULL, 0);
    rst = peer_expect(&bench->peer, RST, 0);
    assert_int_equal(rst.seq, bench->peer.ack);
    assert_int_equal(host_status(&bench->host, 0), SYNSENT);
}

static void both_may_call(void **state)
{
    struct bench *bench = *state;

    peer_be_called(&bench->peer);
    peer_send(&bench->peer, SYN, NULL, 0);
    assert_int_equal(peer_expect(&bench->peer, SYN | ACK, 0).ack, PEER_SEQ + 1);
    assert_int_equal(host_status(&bench->host, 0), SYNRECV);
    peer_send(&bench->peer, ACK, NULL, 0);
    assert_int_equal(host_status(&bench->host, 0), ESTABLISHED);
    assert_int_equal(host_take_ir(&bench->host, 0), PEER_CON);
}

/* ---- server ------------------------------------------------------------------------------------------ */

static void a_server_accepts(void **state)
{
    struct bench *bench = *state;
    uint8_t mac[6];

    peer_call(&bench->peer);
    assert_int_equal(host_status(&bench->host, 0), SYNRECV);
    assert_int_equal(host_take_ir(&bench->host, 0), 0);
    peer_send(&bench->peer, ACK, NULL, 0);
    assert_int_equal(host_status(&bench->host, 0), ESTABLISHED);
    assert_int_equal(host_take_ir(&bench->host, 0), PEER_CON);
    assert_int_equal(host_read32(&bench->host, PEER_BLOCK, DIPR), HOST_PEER_IP);
    assert_int_equal(host_read16(&bench->host, PEER_BLOCK, DPORT), PEER_PORT);
    host_read(&bench->host, PEER_BLOCK, DHAR, mac, sizeof(mac));
    assert_memory_equal(mac, host_peer_mac, sizeof(mac));
}

static void data_may_come_with_the_last_ack_of_a_handshake(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[16];

    peer_call(&bench->peer);
    peer_send(&bench->peer, ACK | PSH, "hello", 5);
    assert_int_equal(host_take_ir(&bench->host, 0), PEER_CON | PEER_RECV);
    assert_int_equal(peer_fetch(&bench->peer, bytes, sizeof(bytes)), 5);
    assert_memory_equal(bytes, "hello", 5);
}

/* ioLibrary's w5500.h: the lowest socket answers; RST when there is none. */
static void the_lowest_listener_answers(void **state)
{
    static const uint8_t order[] = { 1, 3, 6 };
    struct bench *bench = *state;
    struct peer_segment rst;

    for (int i = ARRAY_LEN(order) - 1; i >= 0; i--) {
        host_open(&bench->host, order[i], 0x01, PEER_CHIP);
        host_command(&bench->host, order[i], LISTEN);
    }
    for (int i = 0; i < ARRAY_LEN(order); i++) {
        bench->peer.way.from.port = (uint16_t)(PEER_PORT + i);
        peer_send(&bench->peer, SYN, NULL, 0);
        (void)peer_expect(&bench->peer, SYN | ACK, 0);
        for (int n = 0; n < ARRAY_LEN(order); n++)
            assert_int_equal(host_status(&bench->host, order[n]), n > i ? LISTENING : SYNRECV);
    }
    bench->peer.way.from.port = PEER_PORT + 9;
    peer_send(&bench->peer, SYN, NULL, 0);
    rst = peer_expect(&bench->peer, RST | ACK, 0);
    assert_int_equal(rst.ack, bench->peer.seq);
    assert_int_equal(rst.seq, 0);
}

static void a_repeated_syn_is_answered_again(void **state)
{
    struct bench *bench = *state;
    struct peer_segment again;

    peer_call(&bench->peer);
    bench->peer.seq--;
    peer_send(&bench->peer, SYN, NULL, 0);
    again = peer_expect(&bench->peer, SYN | ACK, 0);
    assert_int_equal(again.seq, bench->peer.ack - 1);
    assert_int_equal(host_status(&bench->host, 0), SYNRECV);
}

static void a_closed_port_resets(void **state)
{
    struct bench *bench = *state;

    bench->peer.ack = 77;
    peer_send(&bench->peer, ACK, NULL, 0);
    assert_int_equal(peer_expect(&bench->peer, RST, 0).seq, 77);
    peer_send(&bench->peer, FIN, "data", 4);
    assert_int_equal(peer_expect(&bench->peer, RST | ACK, 0).ack, bench->peer.seq);
    peer_send(&bench->peer, RST, NULL, 0);
    peer_expect_nothing(&bench->peer);
}

static void discon_before_the_connection_ends_it_after(void **state)
{
    struct bench *bench = *state;

    peer_call(&bench->peer);
    host_command(&bench->host, 0, DISCON);
    peer_expect_nothing(&bench->peer);
    peer_send(&bench->peer, ACK, NULL, 0);
    (void)peer_expect(&bench->peer, FIN | ACK, 0);
    assert_int_equal(host_status(&bench->host, 0), FIN_WAIT);
}

/* ---- the end ----------------------------------------------------------------------------------------- */

static void discon_closes_with_fin(void **state)
{
    struct bench *bench = *state;

    to_fin_wait(bench);
    bench->peer.ack++;
    peer_send(&bench->peer, ACK, NULL, 0);
    assert_int_equal(host_status(&bench->host, 0), FIN_WAIT);
    assert_int_equal(host_take_ir(&bench->host, 0), 0);
    peer_send(&bench->peer, FIN | ACK, NULL, 0);
    assert_int_equal(peer_expect(&bench->peer, ACK, 0).ack, bench->peer.seq);
    assert_int_equal(host_status(&bench->host, 0), CLOSED);
    assert_int_equal(host_take_ir(&bench->host, 0), PEER_DISCON);
}

static void fin_with_ack_closes_at_once(void **state)
{
    struct bench *bench = *state;

    to_fin_wait(bench);
    bench->peer.ack++;
    peer_send(&bench->peer, FIN | ACK, NULL, 0);
    (void)peer_expect(&bench->peer, ACK, 0);
    assert_int_equal(host_status(&bench->host, 0), CLOSED);
    assert_int_equal(host_take_ir(&bench->host, 0), PEER_DISCON);
}

static void both_may_close(void **state)
{
    struct bench *bench = *state;

    to_closing(bench);
    bench->peer.ack++;
    peer_send(&bench->peer, ACK, NULL, 0);
    assert_int_equal(host_status(&bench->host, 0), CLOSED);
    assert_int_equal(host_take_ir(&bench->host, 0), PEER_DISCON);
}

static void the_peer_closes_first(void **state)
{
    struct bench *bench = *state;

    peer_connect(&bench->peer);
    peer_send(&bench->peer, FIN | ACK, "bye", 3);
    assert_int_equal(peer_expect(&bench->peer, ACK, 0).ack, bench->peer.seq);
    assert_int_equal(host_status(&bench->host, 0), CLOSE_WAIT);
    assert_int_equal(host_take_ir(&bench->host, 0), PEER_RECV | PEER_DISCON);
    host_send(&bench->host, 0, "more", 4);
    assert_int_equal(host_take_ir(&bench->host, 0), PEER_SENDOK);
    (void)peer_expect(&bench->peer, ACK | PSH, 4);
    host_command(&bench->host, 0, DISCON);
    (void)peer_expect(&bench->peer, FIN | ACK, 0);
    bench->peer.ack += 5;
    peer_send(&bench->peer, ACK, NULL, 0);
    assert_int_equal(host_status(&bench->host, 0), CLOSED);
    assert_int_equal(host_take_ir(&bench->host, 0), PEER_DISCON);
}

static void data_comes_until_the_peers_fin(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[8];

    to_fin_wait(bench);
    bench->peer.ack++;
    peer_send(&bench->peer, ACK | PSH, "late", 4);
    assert_int_equal(host_take_ir(&bench->host, 0), PEER_RECV);
    assert_int_equal(peer_fetch(&bench->peer, bytes, sizeof(bytes)), 4);
    assert_int_equal(host_status(&bench->host, 0), FIN_WAIT);
}

static void fin_follows_all_data(void **state)
{
    struct bench *bench = *state;
    static const uint8_t bytes[SIZE];
    uint32_t seq;

    bench->peer.window = 1000;
    peer_connect(&bench->peer);
    host_send(&bench->host, 0, bytes, SIZE);
    host_command(&bench->host, 0, DISCON);
    seq = peer_expect(&bench->peer, ACK | PSH, 1000).seq;
    peer_expect_nothing(&bench->peer);
    assert_int_equal(host_status(&bench->host, 0), FIN_WAIT);
    bench->peer.ack += 1000;
    bench->peer.window = 5000;
    peer_send(&bench->peer, ACK, NULL, 0);
    (void)peer_expect(&bench->peer, ACK | PSH, 1048);
    assert_int_equal(peer_expect(&bench->peer, FIN | ACK, 0).seq, seq + SIZE);
}

/* ---- SENDOK -------------------------------------------------------------------------------------------- */

static void sendok_comes_once_when_all_is_sent(void **state)
{
    struct bench *bench = *state;
    static const uint8_t bytes[SIZE];

    bench->peer.window = 1000;
    peer_connect(&bench->peer);
    host_send(&bench->host, 0, bytes, 1500);
    assert_int_equal(host_take_ir(&bench->host, 0), 0);
    bench->peer.ack += 1000;
    peer_send(&bench->peer, ACK, NULL, 0);
    assert_int_equal(host_take_ir(&bench->host, 0), PEER_SENDOK);
    bench->peer.ack += 500;
    peer_send(&bench->peer, ACK, NULL, 0);
    assert_int_equal(host_take_ir(&bench->host, 0), 0);
}

static void an_empty_send_is_done_at_once(void **state)
{
    struct bench *bench = *state;

    peer_connect(&bench->peer);
    host_command(&bench->host, 0, SEND);
    assert_int_equal(host_take_ir(&bench->host, 0), PEER_SENDOK);
    peer_expect_nothing(&bench->peer);
}

static void sendok_may_wait_for_the_ack(void **state)
{
    struct bench *bench = *state;

    peer_connect(&bench->peer);
    host_send(&bench->host, 0, "hello", 5);
    assert_int_equal(host_take_ir(&bench->host, 0), 0);
    bench->peer.ack += 5;
    peer_send(&bench->peer, ACK, NULL, 0);
    assert_int_equal(host_take_ir(&bench->host, 0), PEER_SENDOK);
}

/* The MAC waits for a link; the connection does not know. */
static void sendok_waits_for_the_cable(void **state)
{
    struct bench *bench = *state;

    peer_connect(&bench->peer);
    w5500_pin_set(bench->host.chip, W5500_PIN_CABLE, false);
    host_send(&bench->host, 0, "hello", 5);
    assert_int_equal(host_take_ir(&bench->host, 0), 0);
    w5500_pin_set(bench->host.chip, W5500_PIN_CABLE, true);
    host_run_us(&bench->host, 250000);
    assert_int_equal(host_take_ir(&bench->host, 0), PEER_SENDOK);
    assert_memory_equal(peer_expect(&bench->peer, ACK | PSH, 5).data, "hello", 5);
    assert_int_equal(host_status(&bench->host, 0), ESTABLISHED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(rst_ends_every_state),
        TEST(rst_of_another_place_ends_none),
        TEST(close_is_silent_in_every_state),
        TEST(silence_ends_every_state_that_waits),
        TEST(commands_of_other_states_are_ignored),
        TEST(a_syn_in_a_connection_is_answered_only),
        TEST(a_client_connects),
        cmocka_unit_test_setup_teardown(the_base_of_tx_may_be_zero, setup_zero_base, teardown),
        TEST(a_syn_has_mss_and_nothing_else),
        TEST(a_refused_client_is_closed),
        TEST(a_stale_answer_to_syn_is_refused),
        TEST(both_may_call),
        TEST(a_server_accepts),
        TEST(data_may_come_with_the_last_ack_of_a_handshake),
        TEST(the_lowest_listener_answers),
        TEST(a_repeated_syn_is_answered_again),
        TEST(a_closed_port_resets),
        TEST(discon_before_the_connection_ends_it_after),
        TEST(discon_closes_with_fin),
        TEST(fin_with_ack_closes_at_once),
        TEST(both_may_close),
        TEST(the_peer_closes_first),
        TEST(data_comes_until_the_peers_fin),
        TEST(fin_follows_all_data),
        TEST(sendok_comes_once_when_all_is_sent),
        TEST(an_empty_send_is_done_at_once),
        cmocka_unit_test_setup_teardown(sendok_may_wait_for_the_ack, setup_acked, teardown),
        TEST(sendok_waits_for_the_cable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
