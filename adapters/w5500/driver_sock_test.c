/* The driver's sockets: with a peer that says what a test says, and with a module at the other end. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "adapters/w5500/fake_module.h"
#include "adapters/w5500/fake_peer.h"
#include "emu/dhcp_msg.h"
#include "emu/frame.h"
#include "emu/util.h"

#include <cmocka.h>

#define MS      UINT64_C(1000)
#define S       UINT64_C(1000000)
#define TAG     1
#define OTHER   2
#define SERVER  7
#define PORT    PEER_PORT
#define USERS   7
#define SN_SR   0x03
#define SN_KEEP 0x2f
#define CLOSED  0x00
#define QUEUE   (20 * 1024)
#define BULK    100000
#define PIECE   1000 /* which QUEUE is no multiple of */
#define BATCH   5000
#define ACK     PACKET_TCP_ACK
#define SYN     PACKET_TCP_SYN
#define FIN     PACKET_TCP_FIN
#define RST     PACKET_TCP_RST
#define PSH     PACKET_TCP_PSH

struct fixture {
    struct host host;
    struct module module, other;
    bool has_other;
    struct peer peer;
};

static int begin(void **state, const struct module_options *options)
{
    static struct fixture fixture;

    fixture.has_other = false;
    host_init_bare(&fixture.host);
    module_init(&fixture.module, &fixture.host, options);
    module_be_ready(&fixture.module);
    peer_init(&fixture.peer, &fixture.host);
    *state = &fixture;
    return 0;
}

static int setup(void **state)
{
    return begin(state, NULL);
}

static int begin_two(void **state, const struct board_chip *wiring)
{
    static struct fixture fixture;
    struct module_options options = { .wiring = *wiring };

    fixture.has_other = true;
    host_init_bare(&fixture.host);
    module_init(&fixture.module, &fixture.host, &options);
    options.wiring = (struct board_chip){ 0 };
    module_init(&fixture.other, &fixture.host, &options);
    module_join(&fixture.module, &fixture.other);
    module_be_ready(&fixture.module);
    module_be_ready(&fixture.other);
    *state = &fixture;
    return 0;
}

static int setup_two(void **state)
{
    return begin_two(state, &(struct board_chip){ 0 });
}

static int setup_accurate(void **state)
{
    return begin_two(state, &(struct board_chip){ .is_accurate = true });
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    module_fini(&fixture->module);
    if (fixture->has_other)
        module_fini(&fixture->other);
    host_fini(&fixture->host);
    return 0;
}

/* ---- what a script does ------------------------------------------------------------------------- */

static const struct adapter_ops *ops(const struct module *module)
{
    return module->adapter->ops;
}

static void give(struct module *module, int sid, const void *data, size_t len)
{
    assert_int_equal(ops(module)->send(module->adapter, sid, data, len, NULL), len);
    ops(module)->flush(module->adapter);
}

static ssize_t take(struct module *module, int sid, void *data, size_t cap)
{
    return ops(module)->recv(module->adapter, sid, data, cap, NULL);
}

static void leave(struct module *module, int sid)
{
    ops(module)->close(module->adapter, sid);
}

static uint8_t status_of(const struct fixture *fixture, int sid)
{
    return w5500_peek(fixture->host.chip, W5500_BLOCK_SOCKET((unsigned)sid), SN_SR);
}

static void assert_nothing_more(struct module *module)
{
    struct net_event event;

    assert_false(module_take(module, &event));
}

/* ---- connections with the peer -------------------------------------------------------------------- */

static int call_peer(struct fixture *fixture, uint32_t tag)
{
    const struct sock_spec spec = { .tag = tag, .local_port = PEER_CHIP };
    struct endpoint remote;
    int sid;

    dhcp_to_endpoint(HOST_PEER_IP, &remote);
    remote.port = PORT;
    sid = ops(&fixture->module)->connect(fixture->module.adapter, &spec, &remote);
    assert_in_range(sid, 1, USERS);
    host_run_us(&fixture->host, 0);
    fixture->peer.ack = peer_expect(&fixture->peer, SYN, 0).seq + 1;
    return sid;
}

static int be_connected(struct fixture *fixture)
{
    int sid = call_peer(fixture, TAG);

    peer_send(&fixture->peer, SYN | ACK, NULL, 0);
    host_run_us(&fixture->host, 0);
    (void)peer_expect(&fixture->peer, ACK, 0);
    (void)module_await(&fixture->module, NET_EVENT_CONNECTED, TAG);
    return sid;
}

static void a_connection_sends_and_receives(void **state)
{
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;
    int sid = be_connected(fixture);
    struct peer_segment segment;
    char text[8] = { 0 };

    give(module, sid, "hello", 5);
    segment = peer_expect(&fixture->peer, ACK | PSH, 5);
    assert_memory_equal(segment.data, "hello", 5);
    assert_int_equal(module_await(module, NET_EVENT_TX_ACKED, TAG).arg, 5);
    fixture->peer.ack += 5;
    peer_send(&fixture->peer, ACK | PSH, "world", 5);
    (void)module_await(module, NET_EVENT_RX, TAG);
    assert_int_equal(ops(module)->pending(module->adapter, sid), 5);
    assert_int_equal(take(module, sid, text, sizeof(text)), 5);
    assert_string_equal(text, "world");
    assert_int_equal(take(module, sid, text, sizeof(text)), -EAGAIN);
}

static void a_refused_connection_is_told(void **state)
{
    struct fixture *fixture = *state;
    int sid = call_peer(fixture, TAG);

    fixture->peer.seq = 0;
    peer_send(&fixture->peer, RST | ACK, NULL, 0);
    assert_int_equal(module_await(&fixture->module, NET_EVENT_ERROR, TAG).arg, ECONNREFUSED);
    leave(&fixture->module, sid);
}

static void a_peer_that_is_silent_is_given_up_after_31_8_s(void **state)
{
    struct fixture *fixture = *state;
    uint64_t since_us = fixture->host.clock.now_us;

    (void)call_peer(fixture, TAG);
    assert_int_equal(module_await(&fixture->module, NET_EVENT_ERROR, TAG).arg, ETIMEDOUT);
    assert_in_range(fixture->host.clock.now_us - since_us, 31 * S, 32 * S);
}

static void a_host_that_is_not_there_is_given_up(void **state)
{
    struct fixture *fixture = *state;

    fixture->module.lacks_arp = true;
    assert_in_range(module_connect(&fixture->module, SOCK_TYPE_TCP, TAG, PORT), 1, USERS);
    assert_int_equal(module_await(&fixture->module, NET_EVENT_ERROR, TAG).arg, ETIMEDOUT);
}

/* The chip would go on for half a minute. */
static void closing_one_that_connects_frees_it_at_once(void **state)
{
    struct fixture *fixture = *state;
    int sid = call_peer(fixture, TAG);

    leave(&fixture->module, sid);
    assert_int_equal(status_of(fixture, sid), CLOSED);
    assert_int_equal(ops(&fixture->module)->active(fixture->module.adapter), 0);
    host_run_us(&fixture->host, 60 * S);
    assert_nothing_more(&fixture->module);
}

static void what_came_before_the_peers_end_can_be_read(void **state)
{
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;
    int sid = be_connected(fixture);
    char text[8];

    peer_send(&fixture->peer, ACK | PSH | FIN, "last", 4);
    (void)module_await(module, NET_EVENT_REMOTE_CLOSED, TAG);
    assert_int_equal(take(module, sid, text, 3), 3);
    assert_int_equal(take(module, sid, text, sizeof(text)), 1);
    assert_int_equal(take(module, sid, text, sizeof(text)), 0);
    host_run_us(&fixture->host, S);
    (void)peer_expect(&fixture->peer, ACK, 0);
    assert_int_equal(ops(module)->disconnect(module->adapter, sid), 0);
    host_run_us(&fixture->host, 0);
    (void)peer_expect(&fixture->peer, FIN | ACK, 0);
    fixture->peer.ack++;
    peer_send(&fixture->peer, ACK, NULL, 0);
    (void)module_await(module, NET_EVENT_CLOSED, TAG);
}

/* More than the queue has room for waits in the chip, and the end behind it. */
static void the_end_waits_for_what_lies_before_it(void **state)
{
    static uint8_t bytes[PEER_PORT];
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;
    int sid = be_connected(fixture);
    size_t sent = 0, got = 0;
    ssize_t n;

    while (sent < QUEUE + 2048) {
        size_t len = QUEUE + 2048 - sent < PIECE ? QUEUE + 2048 - sent : PIECE;

        memset(bytes, (int)(sent / PIECE), len);
        peer_send(&fixture->peer, sent + len < QUEUE + 2048 ? ACK | PSH : ACK | PSH | FIN, bytes,
                  len);
        host_run_us(&fixture->host, 0);
        sent += len;
    }
    (void)module_await(module, NET_EVENT_REMOTE_CLOSED, TAG);
    assert_int_equal(ops(module)->pending(module->adapter, sid), QUEUE);
    while ((n = take(module, sid, bytes, sizeof(bytes))) > 0)
        got += (size_t)n;
    assert_int_equal(n, 0);
    assert_int_equal(got, sent);
}

static void a_reset_is_told_once(void **state)
{
    struct fixture *fixture = *state;
    int sid;

    fixture->peer.window = 0;
    sid = be_connected(fixture);
    give(&fixture->module, sid, "x", 1);
    assert_int_equal(ops(&fixture->module)->unacked(fixture->module.adapter, sid), 1);
    peer_send(&fixture->peer, RST | ACK, NULL, 0);
    (void)module_await(&fixture->module, NET_EVENT_CLOSED, TAG);
    host_run_us(&fixture->host, 60 * S);
    assert_nothing_more(&fixture->module);
    assert_int_equal(take(&fixture->module, sid, NULL, 0), 0);
    assert_int_equal(ops(&fixture->module)->send(fixture->module.adapter, sid, "x", 1, NULL),
                     -EPIPE);
    assert_int_equal(ops(&fixture->module)->unacked(fixture->module.adapter, sid), 0);
    leave(&fixture->module, sid);
}

/* ---- leaving -------------------------------------------------------------------------------------- */

static void closing_a_connection_ends_it_by_fin_after_what_was_sent(void **state)
{
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;
    int sid = be_connected(fixture);

    give(module, sid, "bye", 3);
    (void)module_await(module, NET_EVENT_TX_ACKED, TAG);
    leave(module, sid);
    host_run_us(&fixture->host, 0);
    (void)peer_expect(&fixture->peer, ACK | PSH, 3);
    (void)peer_expect(&fixture->peer, FIN | ACK, 0);
    assert_int_equal(ops(module)->active(module->adapter), 1);
    fixture->peer.ack += 4;
    peer_send(&fixture->peer, ACK | FIN, NULL, 0);
    host_run_us(&fixture->host, 0);
    assert_int_equal(status_of(fixture, sid), CLOSED);
    assert_int_equal(ops(module)->active(module->adapter), 0);
    assert_nothing_more(module);
}

static void one_that_nobody_has_is_given_up_in_the_end(void **state)
{
    struct fixture *fixture = *state;
    int sid = be_connected(fixture);

    leave(&fixture->module, sid);
    host_run_us(&fixture->host, 40 * S);
    assert_int_equal(ops(&fixture->module)->active(fixture->module.adapter), 0);
    assert_nothing_more(&fixture->module);
}

static void one_that_nobody_has_gives_way_to_the_seventh(void **state)
{
    struct fixture *fixture = *state;
    int sid = be_connected(fixture);

    leave(&fixture->module, sid);
    for (uint32_t i = 0; i < USERS; i++)
        assert_in_range(module_connect(&fixture->module, SOCK_TYPE_UDP, 10 + i, 9), 1, USERS);
    assert_int_equal(module_connect(&fixture->module, SOCK_TYPE_UDP, 20, 9), -ENOBUFS);
    host_run_us(&fixture->host, 60 * S);
    for (uint32_t i = 0; i < USERS; i++)
        (void)module_await(&fixture->module, NET_EVENT_CONNECTED, 10 + i);
    assert_nothing_more(&fixture->module);
}

static void seven_are_there_and_no_eighth(void **state)
{
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;
    int sids[USERS];

    assert_int_equal(module->adapter->limits.sockets, USERS);
    for (int i = 0; i < USERS; i++)
        sids[i] = module_connect(module, SOCK_TYPE_UDP, (uint32_t)i + 1, 9);
    assert_int_equal(module_connect(module, SOCK_TYPE_TCP, 9, 9), -ENOBUFS);
    leave(module, sids[3]);
    assert_int_equal(status_of(fixture, sids[3]), CLOSED);
    assert_int_equal(module_connect(module, SOCK_TYPE_UDP, 9, 9), sids[3]);
}

static void what_the_chip_forgets_is_told_to_who_has_it(void **state)
{
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;
    int sid = be_connected(fixture), other = module_listen(module, OTHER, 81);

    (void)module_await(module, NET_EVENT_LISTENING, OTHER);
    host_write8(&fixture->host, W5500_BLOCK_COMMON, 0x16, 0);
    host_run_us(&fixture->host, 3 * S);
    (void)module_await(module, NET_EVENT_ERROR, OTHER); /* after the other's, which it drops */
    assert_nothing_more(module);
    assert_int_equal(take(module, sid, NULL, 0), 0);
    leave(module, sid);
    leave(module, other);
    assert_int_equal(ops(module)->active(module->adapter), 0);
}

/* ---- listening ------------------------------------------------------------------------------------ */

static int be_called(struct fixture *fixture)
{
    int sid = module_listen(&fixture->module, SERVER, PEER_CHIP);

    (void)module_await(&fixture->module, NET_EVENT_LISTENING, SERVER);
    peer_send(&fixture->peer, SYN, NULL, 0);
    host_run_us(&fixture->host, 0);
    fixture->peer.ack = peer_expect(&fixture->peer, SYN | ACK, 0).seq + 1;
    peer_send(&fixture->peer, ACK, NULL, 0);
    (void)module_await(&fixture->module, NET_EVENT_CLIENT, SERVER);
    return sid;
}

static void a_listener_becomes_its_clients_and_refuses_the_next(void **state)
{
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;
    int sid = be_called(fixture);
    struct endpoint end;
    struct peer next;

    assert_int_equal(ops(module)->peer(module->adapter, sid, &end), 0);
    assert_int_equal(dhcp_from_endpoint(&end), HOST_PEER_IP);
    assert_int_equal(end.port, PORT);
    give(module, sid, "welcome", 7);
    (void)peer_expect(&fixture->peer, ACK | PSH, 7);
    next = fixture->peer;
    next.way.from.port = PORT + 1;
    peer_send(&next, SYN, NULL, 0);
    (void)peer_expect(&next, RST | ACK, 0);
}

/* A server's next listener, while the last connection is still closing. */
static void a_port_can_be_listened_at_again(void **state)
{
    struct fixture *fixture = *state;
    int sid = be_called(fixture);

    leave(&fixture->module, sid);
    assert_in_range(module_listen(&fixture->module, OTHER, PEER_CHIP), 1, USERS);
    (void)module_await(&fixture->module, NET_EVENT_LISTENING, OTHER);
}

static void a_client_that_breaks_off_ends_the_listener(void **state)
{
    struct fixture *fixture = *state;

    (void)module_listen(&fixture->module, SERVER, PEER_CHIP);
    peer_send(&fixture->peer, SYN, NULL, 0);
    host_run_us(&fixture->host, 0);
    (void)peer_expect(&fixture->peer, SYN | ACK, 0);
    peer_send(&fixture->peer, RST, NULL, 0);
    (void)module_await(&fixture->module, NET_EVENT_CLOSED, SERVER);
}

static void closing_a_listener_closes_its_port(void **state)
{
    struct fixture *fixture = *state;
    int sid = module_listen(&fixture->module, SERVER, PEER_CHIP);

    leave(&fixture->module, sid);
    peer_send(&fixture->peer, SYN, NULL, 0);
    host_run_us(&fixture->host, 0);
    (void)peer_expect(&fixture->peer, RST | ACK, 0);
}

static void clients_have_keepalive_in_units_of_5_s(void **state)
{
    static const struct {
        uint32_t idle_s;
        uint8_t units;
    } rows[] = { { 1, 1 }, { 5, 1 }, { 6, 2 }, { 60, 12 }, { 5000, 255 } };
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;
    struct endpoint remote;

    dhcp_to_endpoint(HOST_PEER_IP, &remote);
    remote.port = PORT;
    for (int i = 0; i < ARRAY_LEN(rows); i++) {
        const struct sock_spec spec = { .keepalive = true, .keep_idle_s = rows[i].idle_s };
        int sid = ops(module)->connect(module->adapter, &spec, &remote);

        assert_int_equal(w5500_peek(fixture->host.chip, W5500_BLOCK_SOCKET((unsigned)sid), SN_KEEP),
                         rows[i].units);
        leave(module, sid);
    }
}

/* ---- UDP ------------------------------------------------------------------------------------------ */

static int open_udp(struct fixture *fixture, uint16_t local_port)
{
    const struct sock_spec spec = { .type = SOCK_TYPE_UDP, .tag = TAG, .local_port = local_port };
    struct endpoint remote;
    struct net_event event;
    int sid;

    dhcp_to_endpoint(HOST_PEER_IP, &remote);
    remote.port = PORT;
    sid = ops(&fixture->module)->connect(fixture->module.adapter, &spec, &remote);
    assert_true(module_take(&fixture->module, &event)); /* at once */
    assert_int_equal(event.type, NET_EVENT_CONNECTED);
    return sid;
}

/* The next UDP datagram that left. */
static bool next_datagram(struct fixture *fixture, struct frame *frame)
{
    while (fixture->peer.taken < fixture->host.frames_count) {
        const struct host_frame *sent = host_frame_get(&fixture->host, fixture->peer.taken++);

        if (frame_read(frame, sent->bytes, sent->len) && frame->protocol == FRAME_PROTOCOL_UDP)
            return true;
    }
    return false;
}

static void datagrams_go_and_come(void **state)
{
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;
    struct packet_way way = host_way(1234);
    int sid = open_udp(fixture, 1234);
    struct endpoint from = { 0 };
    struct frame frame;
    char text[8] = { 0 };

    give(module, sid, "ping", 4);
    assert_int_equal(module_await(module, NET_EVENT_TX_ACKED, TAG).arg, 4);
    assert_true(next_datagram(fixture, &frame));
    assert_int_equal(frame.data_len, 4);
    assert_int_equal(frame.from.port, 1234);
    assert_int_equal(frame.to.port, PORT);
    host_udp(&fixture->host, &way, "pong", 4);
    (void)module_await(module, NET_EVENT_RX, TAG);
    assert_int_equal(ops(module)->recv(module->adapter, sid, text, sizeof(text), &from), 4);
    assert_string_equal(text, "pong");
    assert_int_equal(dhcp_from_endpoint(&from), HOST_PEER_IP);
    assert_int_equal(from.port, PORT);
}

/* What came between two looks is read at once. */
static void several_datagrams_in_one_read_stay_apart(void **state)
{
    static const char *const texts[] = { "one", "", "three" };
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;
    struct packet_way way = host_way(1234);
    int sid = open_udp(fixture, 1234);
    char text[8];

    for (int i = 0; i < ARRAY_LEN(texts); i++)
        host_udp(&fixture->host, &way, texts[i], strlen(texts[i]));
    (void)module_await(module, NET_EVENT_RX, TAG);
    for (int i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(ops(module)->pending(module->adapter, sid), strlen(texts[i]));
        assert_int_equal(take(module, sid, text, sizeof(text)), strlen(texts[i]));
        assert_memory_equal(text, texts[i], strlen(texts[i]));
    }
    assert_int_equal(ops(module)->pending(module->adapter, sid), -EAGAIN);
}

static void an_empty_datagram_is_sent_as_far_as_the_chip_does(void **state)
{
    struct fixture *fixture = *state;
    int sid = open_udp(fixture, 1234);
    struct frame frame;

    give(&fixture->module, sid, "", 0);
    assert_int_equal(module_await(&fixture->module, NET_EVENT_TX_ACKED, TAG).arg, 0);
    assert_false(next_datagram(fixture, &frame));
}

static void a_datagram_of_more_than_the_buffer_goes_as_several(void **state)
{
    static uint8_t bytes[5000];
    struct fixture *fixture = *state;
    int sid = open_udp(fixture, 1234);
    size_t sent = 0, acked = 0;
    struct frame frame;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7);
    give(&fixture->module, sid, bytes, sizeof(bytes));
    while (acked < sizeof(bytes))
        acked += module_await(&fixture->module, NET_EVENT_TX_ACKED, TAG).arg;
    assert_int_equal(acked, sizeof(bytes));
    while (next_datagram(fixture, &frame)) {
        assert_memory_equal(frame.bytes + frame.data_at, bytes + sent, frame.data_len);
        sent += frame.data_len;
    }
    assert_int_equal(sent, sizeof(bytes));
}

/* And what is left of it is not sent to who comes next. */
static void a_datagram_to_nobody_is_an_error_and_lost_whole(void **state)
{
    static uint8_t bytes[5000];
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;
    int sid = open_udp(fixture, 1234);
    struct frame frame;

    module->lacks_arp = true;
    give(module, sid, bytes, sizeof(bytes));
    assert_int_equal(module_await(module, NET_EVENT_ERROR, TAG).arg, EHOSTUNREACH);
    host_run_us(&fixture->host, 10 * S);
    assert_nothing_more(module);
    module->lacks_arp = false;
    give(module, sid, "next", 4);
    assert_int_equal(module_await(module, NET_EVENT_TX_ACKED, TAG).arg, 4);
    assert_true(next_datagram(fixture, &frame));
    assert_int_equal(frame.data_len, 4);
    assert_false(next_datagram(fixture, &frame));
}

/* The MAC waits for a link, and the queue for it; then both go on. */
static void what_is_sent_without_a_link_goes_when_there_is_one(void **state)
{
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;
    struct endpoint all;
    int sid = open_udp(fixture, 1234);
    struct frame frame;

    dhcp_to_endpoint(DHCP_BROADCAST, &all);
    all.port = 9;
    bench_set_cable(module->bench, false);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ops(module)->send(module->adapter, sid, "hello", 5, &all), 5);
    ops(module)->flush(module->adapter);
    host_run_us(&fixture->host, 5 * S);
    assert_nothing_more(module);
    assert_false(next_datagram(fixture, &frame));
    bench_set_cable(module->bench, true);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(module_await(module, NET_EVENT_TX_ACKED, TAG).arg, 5);
        assert_true(next_datagram(fixture, &frame));
    }
}

static void a_full_queue_of_datagrams_says_so(void **state)
{
    static uint8_t bytes[8000];
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;
    int sid = open_udp(fixture, 1234);
    int count = 0;

    while (ops(module)->send(module->adapter, sid, bytes, sizeof(bytes), NULL) > 0)
        count++;
    assert_int_equal(count, 3);
    assert_int_equal(ops(module)->send(module->adapter, sid, bytes, 1, NULL), -EAGAIN);
}

/* ---- two modules ---------------------------------------------------------------------------------- */

static void connect_two(struct fixture *fixture, int *client, int *server)
{
    *server = module_listen(&fixture->other, SERVER, 80);
    (void)module_await(&fixture->other, NET_EVENT_LISTENING, SERVER);
    *client = module_connect(&fixture->module, SOCK_TYPE_TCP, TAG, 80);
    assert_in_range(*client, 1, USERS);
    (void)module_await(&fixture->module, NET_EVENT_CONNECTED, TAG);
    (void)module_await(&fixture->other, NET_EVENT_CLIENT, SERVER);
}

static uint8_t byte_at(size_t i)
{
    return (uint8_t)(i * 31 + i / 256);
}

/* All of BULK from @from to @to; the reader reads @batch bytes each @us. Returns how long it took. */
static uint64_t carry(struct fixture *fixture, struct module *from, int from_sid, struct module *to,
                      int to_sid, size_t batch, uint64_t us)
{
    static uint8_t out[BULK], in[BULK];
    uint64_t since_us = fixture->host.clock.now_us;
    size_t got = 0;

    assert_in_range(batch, 1, sizeof(in));
    for (size_t i = 0; i < sizeof(out); i++)
        out[i] = byte_at(i);
    give(from, from_sid, out, sizeof(out));
    for (int turn = 0; turn < 100000 && got < sizeof(in); turn++) {
        size_t left = sizeof(in) - got;
        ssize_t n = take(to, to_sid, in + got, left < batch ? left : batch);

        assert_in_range(ops(to)->pending(to->adapter, to_sid), 0, QUEUE);
        got += n > 0 ? (size_t)n : 0;
        host_run_us(&fixture->host, us);
    }
    assert_int_equal(got, sizeof(in));
    assert_memory_equal(in, out, sizeof(in));
    return fixture->host.clock.now_us - since_us;
}

static void nothing_is_lost_either_way_round_the_rings(void **state)
{
    struct fixture *fixture = *state;
    int client, server;

    connect_two(fixture, &client, &server);
    (void)carry(fixture, &fixture->module, client, &fixture->other, server, BULK, MS);
    (void)carry(fixture, &fixture->other, server, &fixture->module, client, BULK, MS);
}

/* The queue is full for most of the time, and the window shut. */
static void nothing_is_lost_when_the_script_reads_late(void **state)
{
    struct fixture *fixture = *state;
    int client, server;

    connect_two(fixture, &client, &server);
    (void)carry(fixture, &fixture->module, client, &fixture->other, server, BATCH, 500 * MS);
}

static void every_size_of_buffers_carries_all(void **state)
{
    static const struct {
        unsigned kb, sockets;
    } rows[] = { { 1, 7 }, { 2, 7 }, { 4, 3 }, { 8, 1 }, { 16, 1 } };

    for (int i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture *fixture;
        int client, server;

        assert_int_equal(begin_two(state, &(struct board_chip){ .buffer_kb = rows[i].kb }), 0);
        fixture = *state;
        assert_int_equal(fixture->module.adapter->limits.sockets, rows[i].sockets);
        connect_two(fixture, &client, &server);
        (void)carry(fixture, &fixture->module, client, &fixture->other, server, BULK, MS);
        (void)carry(fixture, &fixture->other, server, &fixture->module, client, BULK, MS);
        for (unsigned n = 1; n < rows[i].sockets; n++)
            assert_in_range(module_connect(&fixture->module, SOCK_TYPE_UDP, 9, 9), 1, USERS);
        assert_int_equal(module_connect(&fixture->module, SOCK_TYPE_UDP, 9, 9), -ENOBUFS);
        assert_int_equal(teardown(state), 0);
    }
}

/* ---- accurate timing ------------------------------------------------------------------------------ */

static void spi_bounds_what_is_carried(void **state)
{
    static const unsigned clocks_hz[] = { 33300000, 4000000, 1000000 };
    struct fixture *fixture = *state;
    int client, server;

    connect_two(fixture, &client, &server);
    for (int i = 0; i < ARRAY_LEN(clocks_hz); i++) {
        uint64_t least_us = UINT64_C(8) * BULK * S / clocks_hz[i], us;

        bench_set_clock(fixture->module.bench, clocks_hz[i]);
        us = carry(fixture, &fixture->module, client, &fixture->other, server, BULK, 100);
        assert_in_range(us, least_us, 10 * least_us);
        us = carry(fixture, &fixture->other, server, &fixture->module, client, BULK, 100);
        assert_in_range(us, least_us, 10 * least_us);
    }
}

static void lose_imr(struct module *module)
{
    const uint8_t frame[] = { 0, 0x16, 0x04, 0 };

    bench_select(module->bench, true);
    bench_transfer(module->bench, frame, NULL, sizeof(frame));
    bench_select(module->bench, false);
}

/* However much there is to read: the look at the chip that is due each second comes. */
static void a_busy_bus_does_not_keep_it_from_looking(void **state)
{
    static uint8_t bytes[4 * BULK];
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;
    struct net_event event = { 0 };
    int client, server;

    connect_two(fixture, &client, &server);
    bench_set_clock(module->bench, 1000000);
    give(&fixture->other, server, bytes, sizeof(bytes));
    lose_imr(module);
    for (unsigned turn = 0; turn < 1200 && event.type != NET_EVENT_ERROR; turn++) {
        (void)take(module, client, bytes, sizeof(bytes));
        host_run_us(&fixture->host, MS);
        while (event.type != NET_EVENT_ERROR && module_take(module, &event))
            ;
    }
    assert_int_equal(event.type, NET_EVENT_ERROR);
    assert_int_equal(event.arg, ENETRESET);
    assert_in_range(ops(module)->unacked(fixture->other.adapter, server), 1, sizeof(bytes));
}

static void no_command_comes_before_the_last_is_taken(void **state)
{
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;
    int client, server, listener, udp;
    char text[8];

    bench_set_clock(module->bench, 80000000); /* the faster SPI, the sooner the next */
    connect_two(fixture, &client, &server);
    for (int i = 0; i < 20; i++) {
        give(&fixture->other, server, "ping", 4);
        (void)module_await(module, NET_EVENT_RX, TAG);
        assert_int_equal(take(module, client, text, sizeof(text)), 4);
        give(module, client, "pong", 4);
        (void)module_await(&fixture->other, NET_EVENT_RX, SERVER);
        assert_int_equal(take(&fixture->other, server, text, sizeof(text)), 4);
    }
    listener = module_listen(module, OTHER, 81);
    leave(module, listener);
    listener = module_listen(module, OTHER, 82);
    (void)module_await(module, NET_EVENT_LISTENING, OTHER);
    leave(module, listener);
    udp = module_connect(module, SOCK_TYPE_UDP, 9, 9);
    (void)module_await(module, NET_EVENT_CONNECTED, 9);
    give(module, udp, "x", 1);
    leave(module, udp);
    leave(module, client);
    host_run_us(&fixture->host, 5 * S);
    assert_int_equal(module_said(module, "before Sn_CR is 0"), 0);
    assert_int_equal(module_said(module, "a command is not taken"), 0);
}

/* While SPI is busy there may be nothing to read, and yet more to come. */
static void the_end_waits_for_what_spi_has_not_fetched(void **state)
{
    static uint8_t bytes[QUEUE + 2048];
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;
    int client, server;
    size_t got;
    ssize_t n;

    connect_two(fixture, &client, &server);
    give(&fixture->other, server, bytes, sizeof(bytes));
    assert_int_equal(ops(module)->disconnect(fixture->other.adapter, server), 0);
    (void)module_await(module, NET_EVENT_REMOTE_CLOSED, TAG);
    got = (size_t)take(module, client, bytes, 1); /* makes room for so much, and SPI busy */
    while ((n = take(module, client, bytes, sizeof(bytes))) != 0) {
        if (n == -EAGAIN)
            host_run_us(&fixture->host, MS);
        else
            got += (size_t)n;
    }
    assert_int_equal(got, sizeof(bytes));
}

static void one_that_is_opened_again_waits_for_its_close(void **state)
{
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;
    int sids[USERS];

    for (uint32_t i = 0; i < USERS; i++) {
        sids[i] = module_connect(module, SOCK_TYPE_UDP, i + 1, 9);
        (void)module_await(module, NET_EVENT_CONNECTED, i + 1);
    }
    leave(module, sids[3]);
    assert_int_equal(module_connect(module, SOCK_TYPE_UDP, 9, 9), sids[3]);
    (void)module_await(module, NET_EVENT_CONNECTED, 9);
    assert_int_equal(module_said(module, "before Sn_CR is 0"), 0);
}

static void one_that_is_closed_in_a_hurry_is_closed_by_the_chip_too(void **state)
{
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;
    const struct w5500 *chip = bench_chip(module->bench);
    int sid = module_listen(module, OTHER, 81);

    for (int i = 0; i < 100; i++) { /* wherever it is then */
        host_run_us(&fixture->host, (uint64_t)i % 10);
        leave(module, sid);
        host_run_us(&fixture->host, MS);
        assert_int_equal(w5500_peek(chip, W5500_BLOCK_SOCKET((unsigned)sid), SN_SR), CLOSED);
        sid = module_listen(module, OTHER, 81);
        assert_in_range(sid, 1, USERS);
    }
    leave(module, sid);
    host_run_us(&fixture->host, MS);
    assert_int_equal(module_said(module, "before Sn_CR is 0"), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TWO(name)  cmocka_unit_test_setup_teardown(name, setup_two, teardown)
#define SLOW(name) cmocka_unit_test_setup_teardown(name, setup_accurate, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_connection_sends_and_receives),
        TEST(a_refused_connection_is_told),
        TEST(a_peer_that_is_silent_is_given_up_after_31_8_s),
        TEST(a_host_that_is_not_there_is_given_up),
        TEST(closing_one_that_connects_frees_it_at_once),
        TEST(what_came_before_the_peers_end_can_be_read),
        TEST(the_end_waits_for_what_lies_before_it),
        TEST(a_reset_is_told_once),
        TEST(closing_a_connection_ends_it_by_fin_after_what_was_sent),
        TEST(one_that_nobody_has_is_given_up_in_the_end),
        TEST(one_that_nobody_has_gives_way_to_the_seventh),
        TEST(seven_are_there_and_no_eighth),
        TEST(what_the_chip_forgets_is_told_to_who_has_it),
        TEST(a_listener_becomes_its_clients_and_refuses_the_next),
        TEST(a_port_can_be_listened_at_again),
        TEST(a_client_that_breaks_off_ends_the_listener),
        TEST(closing_a_listener_closes_its_port),
        TEST(clients_have_keepalive_in_units_of_5_s),
        TEST(datagrams_go_and_come),
        TEST(several_datagrams_in_one_read_stay_apart),
        TEST(an_empty_datagram_is_sent_as_far_as_the_chip_does),
        TEST(a_datagram_of_more_than_the_buffer_goes_as_several),
        TEST(a_datagram_to_nobody_is_an_error_and_lost_whole),
        TEST(what_is_sent_without_a_link_goes_when_there_is_one),
        TEST(a_full_queue_of_datagrams_says_so),
        TWO(nothing_is_lost_either_way_round_the_rings),
        TWO(nothing_is_lost_when_the_script_reads_late),
        cmocka_unit_test(every_size_of_buffers_carries_all),
        SLOW(spi_bounds_what_is_carried),
        SLOW(a_busy_bus_does_not_keep_it_from_looking),
        SLOW(no_command_comes_before_the_last_is_taken),
        SLOW(the_end_waits_for_what_spi_has_not_fetched),
        SLOW(one_that_is_opened_again_waits_for_its_close),
        SLOW(one_that_is_closed_in_a_hurry_is_closed_by_the_chip_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
