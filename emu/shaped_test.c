#include "emu/shaped.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "emu/dns_msg.h"
#include "emu/fake_device.h"
#include "emu/util.h"

#include <cmocka.h>

#define MS         1000 /* microseconds */
#define EVENTS_MAX 64

/* A user of sockets, who notes what it is told and when. */
struct user {
    struct sock_owner base;
    struct fake_device *device;
    struct net_event events[EVENTS_MAX];
    uint64_t times_ms[EVENTS_MAX];
    size_t count;
    uint32_t tag;
};

/* A shaped fake adapter, and one user of it. */
struct bench {
    struct fake_device *device;
    struct impair impair;
    struct shaped *shaped;
    struct adapter *adapter;
    struct user user;
    struct endpoint peer;
};

static void note(struct sock_owner *base, const struct net_event *event)
{
    struct user *user = container_of(base, struct user, base);

    assert_true(user->count < EVENTS_MAX);
    user->events[user->count] = *event;
    user->times_ms[user->count++] = user->device->device.clock.now_us / MS;
}

static void add(struct bench *bench, const char *text)
{
    char why[IMPAIR_WHY_MAX];
    struct impair_rule rule;

    assert_null(impair_parse(&rule, text, why));
    assert_int_equal(impair_add(&bench->impair, &rule, bench->device->device.clock.now_us), 0);
}

static void enter(struct bench *bench)
{
    struct device *device = &bench->device->device;

    bench->shaped = shaped_enter(bench->adapter, &(struct shaped_config){ .timers = &device->timers,
                                                                          .clock = &device->clock,
                                                                          .limits = &device->limits,
                                                                          .trace = &device->trace,
                                                                          .impair = &bench->impair,
                                                                          .self = &bench->shaped });
    assert_non_null(bench->shaped);
}

static void begin(struct bench *bench, void **state, const char *rule)
{
    *bench = (struct bench){ .device = *state, .peer.port = 80 };
    bench->adapter = &bench->device->adapter->base;
    endpoint_set_v4(&bench->peer, 192, 0, 2, 9);
    bench->user.base.handle = note;
    bench->user.device = bench->device;
    bench->user.tag = net_tag_add(&bench->device->device.net, &bench->user.base);
    impair_init(&bench->impair, 1);
    if (rule) {
        add(bench, rule);
        enter(bench);
    }
}

static void end(struct bench *bench)
{
    net_tag_remove(&bench->device->device.net, bench->user.tag);
    impair_clear(&bench->impair);
    if (bench->shaped)
        shaped_leave(bench->shaped);
}

/* Every socket has a tag of its own. */
static uint32_t new_tag(struct bench *bench)
{
    return net_tag_add(&bench->device->device.net, &bench->user.base);
}

static int open_sock(struct bench *bench, enum sock_type type)
{
    const struct sock_spec spec = { .type = type, .tag = new_tag(bench) };
    int sid = bench->adapter->ops->connect(bench->adapter, &spec, &bench->peer);

    assert_true(sid >= 0);
    return sid;
}

static void pass(struct bench *bench, uint64_t ms)
{
    fake_pass_ms(bench->device, ms);
}

static struct fake_sock *sock_of(struct bench *bench, int sid)
{
    return fake_sock(bench->device->adapter, sid);
}

/* A connection that is made; what was told of it is forgotten. */
static int online(struct bench *bench)
{
    int sid = open_sock(bench, SOCK_TYPE_TCP);

    pass(bench, 1000);
    fake_report(bench->device->adapter, sock_of(bench, sid), NET_EVENT_CONNECTED, 0);
    pass(bench, 1000);
    assert_int_equal(bench->user.count, 1);
    assert_int_equal(bench->user.events[0].type, NET_EVENT_CONNECTED);
    bench->user.count = 0;
    return sid;
}

static ssize_t send_text(struct bench *bench, int sid, const char *text)
{
    return bench->adapter->ops->send(bench->adapter, sid, text, strlen(text), NULL);
}

static void expect_read(struct bench *bench, int sid, const char *text)
{
    char data[4096];
    ssize_t n = bench->adapter->ops->recv(bench->adapter, sid, data, sizeof(data), NULL);

    assert_int_equal(n, *text ? (ssize_t)strlen(text) : -EAGAIN);
    if (*text)
        assert_memory_equal(data, text, strlen(text));
}

static void expect_sent(struct bench *bench, int sid, const char *text)
{
    const struct fake_sock *sock = sock_of(bench, sid);

    assert_int_equal(sock->sent_len, strlen(text));
    assert_memory_equal(sock->sent, text, sock->sent_len);
}

static size_t count_of(const struct bench *bench, enum net_event_type type)
{
    size_t count = 0;

    for (size_t i = 0; i < bench->user.count; i++)
        count += bench->user.events[i].type == type;
    return count;
}

/* ---- datagrams ------------------------------------------------------------------------------ */

static void a_datagram_waits_both_ways(void **state)
{
    struct bench bench;
    int sid;

    begin(&bench, state, "ETH0,delay=20ms");
    sid = open_sock(&bench, SOCK_TYPE_UDP);
    assert_int_equal(send_text(&bench, sid, "ask"), 3);
    pass(&bench, 0);
    assert_int_equal(count_of(&bench, NET_EVENT_TX_ACKED), 1); /* it is on its way */
    pass(&bench, 19);
    expect_sent(&bench, sid, "");
    pass(&bench, 1);
    expect_sent(&bench, sid, "ask");
    fake_datagram(bench.device->adapter, sock_of(&bench, sid), "answer", 6, &bench.peer);
    pass(&bench, 19);
    assert_int_equal(bench.adapter->ops->pending(bench.adapter, sid), -EAGAIN);
    assert_int_equal(count_of(&bench, NET_EVENT_RX), 0);
    pass(&bench, 1);
    assert_int_equal(count_of(&bench, NET_EVENT_RX), 1);
    assert_int_equal(bench.adapter->ops->pending(bench.adapter, sid), 6);
    expect_read(&bench, sid, "answer");
    expect_read(&bench, sid, "");
    end(&bench);
}

static void lost_datagrams_are_said_to_be_sent(void **state)
{
    struct bench bench;
    int sid;

    begin(&bench, state, "ETH0:up,loss=100%");
    sid = open_sock(&bench, SOCK_TYPE_UDP);
    assert_int_equal(send_text(&bench, sid, "ask"), 3);
    pass(&bench, 1000);
    expect_sent(&bench, sid, "");
    assert_int_equal(count_of(&bench, NET_EVENT_TX_ACKED), 1);
    assert_true(fake_traced(bench.device, "\"what\":\"loss\""));
    end(&bench);
}

static void what_there_is_no_room_for_is_not_taken(void **state)
{
    struct bench bench;
    int sid;

    begin(&bench, state, "ETH0:down,loss=100%");
    sid = open_sock(&bench, SOCK_TYPE_UDP);
    bench.device->adapter->send_rc = -EAGAIN;
    assert_int_equal(send_text(&bench, sid, "ask"), -EAGAIN);
    fake_report(bench.device->adapter, sock_of(&bench, sid), NET_EVENT_TX_ACKED, 0);
    pass(&bench, 0);
    assert_int_equal(count_of(&bench, NET_EVENT_TX_ACKED), 1); /* there is room again */
    end(&bench);
}

static void duplicates_are_read_twice(void **state)
{
    struct bench bench;
    int sid;

    begin(&bench, state, "ETH0,duplicate=100%");
    sid = open_sock(&bench, SOCK_TYPE_UDP);
    assert_int_equal(send_text(&bench, sid, "ask"), 3);
    pass(&bench, 1);
    expect_sent(&bench, sid, "askask");
    fake_datagram(bench.device->adapter, sock_of(&bench, sid), "answer", 6, &bench.peer);
    pass(&bench, 1);
    assert_int_equal(count_of(&bench, NET_EVENT_RX), 2);
    expect_read(&bench, sid, "answer");
    expect_read(&bench, sid, "answer");
    end(&bench);
}

static void reordered_datagrams_come_after_the_next(void **state)
{
    struct bench bench;
    int sid;

    begin(&bench, state, "ETH0:up,reorder=100%");
    sid = open_sock(&bench, SOCK_TYPE_UDP);
    for (const char *text = "1234"; *text; text++)
        assert_int_equal(bench.adapter->ops->send(bench.adapter, sid, text, 1, NULL), 1);
    pass(&bench, 1);
    expect_sent(&bench, sid, "2143");
    end(&bench);
}

/* An IPv4 datagram of 1000 bytes has 1028. */
static void what_is_larger_than_the_mtu_is_lost(void **state)
{
    char data[1000] = { 0 };
    struct bench bench;
    int sid;

    begin(&bench, state, "ETH0:up,mtu=1027");
    sid = open_sock(&bench, SOCK_TYPE_UDP);
    assert_int_equal(bench.adapter->ops->send(bench.adapter, sid, data, 1000, NULL), 1000);
    assert_int_equal(bench.adapter->ops->send(bench.adapter, sid, data, 999, NULL), 999);
    pass(&bench, 1);
    assert_int_equal(sock_of(&bench, sid)->sent_len, 999);
    end(&bench);
}

static void a_query_is_answered_in_the_servers_place(void **state)
{
    struct dns_question question = { .id = 77, .type = DNS_TYPE_A };
    uint8_t query[DNS_MSG_MAX], reply[DNS_MSG_MAX];
    struct dns_answer answer;
    struct endpoint from;
    struct bench bench;
    size_t len;
    ssize_t n;
    int sid;

    begin(&bench, state, "ETH0,dns=192.0.2.66,delay=10ms");
    bench.peer.port = DNS_PORT;
    sid = open_sock(&bench, SOCK_TYPE_UDP);
    assert_int_equal(dns_name_set(&question.name, "a.test"), 0);
    len = dns_write_query(&question, query);
    assert_int_equal(bench.adapter->ops->send(bench.adapter, sid, query, len, NULL), len);
    pass(&bench, 19);
    assert_int_equal(count_of(&bench, NET_EVENT_RX), 0);
    pass(&bench, 1); /* up and down again */
    n = bench.adapter->ops->recv(bench.adapter, sid, reply, sizeof(reply), &from);
    assert_true(n > 0);
    assert_int_equal(dns_read_answer(&question, reply, (size_t)n, &answer), 0);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.addrs[0].addr[3], 66);
    assert_true(endpoint_same_ip(&from, &bench.peer) && from.port == DNS_PORT);
    expect_sent(&bench, sid, "");
    end(&bench);
}

/* ---- streams -------------------------------------------------------------------------------- */

static void a_connection_takes_its_time(void **state)
{
    struct bench bench;
    int sid;

    begin(&bench, state, "ETH0,delay=20ms");
    sid = open_sock(&bench, SOCK_TYPE_TCP);
    pass(&bench, 19);
    assert_true(sock_of(&bench, sid)->spec.is_held);
    pass(&bench, 1);
    assert_false(sock_of(&bench, sid)->spec.is_held);
    fake_report(bench.device->adapter, sock_of(&bench, sid), NET_EVENT_CONNECTED, 0);
    pass(&bench, 19);
    assert_int_equal(bench.user.count, 0);
    pass(&bench, 1);
    assert_int_equal(count_of(&bench, NET_EVENT_CONNECTED), 1);
    end(&bench);
}

static void bytes_come_in_order_and_the_end_behind_them(void **state)
{
    struct bench bench;
    int sid;

    begin(&bench, state, "ETH0,delay=20ms,jitter=20ms");
    sid = online(&bench);
    for (int i = 0; i < 20; i++) {
        char text[] = { (char)('a' + i), '\0' };

        fake_data(bench.device->adapter, sock_of(&bench, sid), text);
        assert_int_equal(send_text(&bench, sid, text), 1);
        pass(&bench, 1);
    }
    assert_true(bench.adapter->ops->unacked(bench.adapter, sid) > 0);
    sock_of(&bench, sid)->is_over = true;
    fake_report(bench.device->adapter, sock_of(&bench, sid), NET_EVENT_REMOTE_CLOSED, 0);
    pass(&bench, 100);
    assert_int_equal(bench.user.events[bench.user.count - 1].type, NET_EVENT_REMOTE_CLOSED);
    expect_read(&bench, sid, "abcdefghijklmnopqrst");
    expect_sent(&bench, sid, "abcdefghijklmnopqrst");
    assert_int_equal(bench.adapter->ops->unacked(bench.adapter, sid), 0);
    end(&bench);
}

/* 4000 bytes with their headers, in three pieces, at 100 kbit/s: 330 ms. */
static void a_rate_holds_a_stream(void **state)
{
    char data[4000] = { 0 };
    struct bench bench;
    int sid;

    begin(&bench, state, "ETH0:up,rate=100kbit,queue=0");
    sid = online(&bench);
    assert_int_equal(bench.adapter->ops->send(bench.adapter, sid, data, sizeof(data), NULL), 4000);
    pass(&bench, 115);
    assert_int_equal(sock_of(&bench, sid)->sent_len, 0);
    pass(&bench, 1);
    assert_int_equal(sock_of(&bench, sid)->sent_len, 1400);
    pass(&bench, 213);
    assert_int_equal(sock_of(&bench, sid)->sent_len, 2800);
    pass(&bench, 1);
    assert_int_equal(sock_of(&bench, sid)->sent_len, 4000);
    end(&bench);
}

static void a_black_hole_holds_a_stream_and_gives_it_back(void **state)
{
    struct bench bench;
    int sid;

    begin(&bench, state, "ETH0,blackhole,from=3s,for=2s");
    sid = online(&bench);
    pass(&bench, 1500); /* 3.5 s */
    assert_int_equal(send_text(&bench, sid, "one"), 3);
    fake_data(bench.device->adapter, sock_of(&bench, sid), "down");
    pass(&bench, 1499);
    assert_int_equal(send_text(&bench, sid, "two"), 3);
    expect_sent(&bench, sid, "");
    expect_read(&bench, sid, "");
    pass(&bench, 1);
    expect_sent(&bench, sid, "onetwo");
    expect_read(&bench, sid, "down");
    end(&bench);
}

static void what_a_black_hole_holds_is_let_go_with_the_rule(void **state)
{
    struct bench bench;
    int sid;

    begin(&bench, state, "ETH0,delay=1ms");
    sid = online(&bench);
    add(&bench, "ETH0,blackhole");
    assert_int_equal(send_text(&bench, sid, "one"), 3);
    pass(&bench, 10);
    assert_int_equal(send_text(&bench, sid, "two"), 3);
    pass(&bench, 10);
    expect_sent(&bench, sid, "");
    impair_clear(&bench.impair);
    shaped_renew(bench.shaped);
    assert_int_equal(send_text(&bench, sid, "three"), 5);
    pass(&bench, 0);
    expect_sent(&bench, sid, "onetwothree");
    end(&bench);
}

static void a_connection_into_a_black_hole_fails_in_the_end(void **state)
{
    struct bench bench;
    int sid;

    begin(&bench, state, "ETH0,blackhole");
    sid = open_sock(&bench, SOCK_TYPE_TCP);
    pass(&bench, bench.device->device.limits.connect_timeout_ms - 1);
    assert_int_equal(bench.user.count, 0);
    pass(&bench, 1);
    assert_int_equal(count_of(&bench, NET_EVENT_ERROR), 1);
    assert_int_equal(bench.user.events[0].arg, ETIMEDOUT);
    assert_true(sock_of(&bench, sid)->spec.is_held); /* the peer has heard nothing */
    bench.adapter->ops->close(bench.adapter, sid);
    assert_false(sock_of(&bench, sid)->is_open);
    end(&bench);
}

static void a_stream_is_reset_at_its_byte(void **state)
{
    struct bench bench;
    int sid;

    begin(&bench, state, "ETH0:up,reset=5");
    sid = online(&bench);
    assert_int_equal(send_text(&bench, sid, "abc"), 3);
    pass(&bench, 1);
    assert_false(sock_of(&bench, sid)->is_reset);
    sock_of(&bench, sid)->unacked = 2;
    assert_int_equal(send_text(&bench, sid, "defgh"), 5);
    assert_int_equal(send_text(&bench, sid, "ijk"), 3);
    pass(&bench, 10);
    expect_sent(&bench, sid, "abcde");
    assert_false(sock_of(&bench, sid)->is_reset); /* the peer has not got all of it yet */
    sock_of(&bench, sid)->unacked = 0;
    pass(&bench, 2);
    assert_true(sock_of(&bench, sid)->is_reset);
    assert_int_equal(count_of(&bench, NET_EVENT_ERROR), 1);
    end(&bench);
}

static void what_comes_is_cut_at_its_byte(void **state)
{
    struct bench bench;
    int sid;

    begin(&bench, state, "ETH0:down,reset=5,delay=10ms");
    sid = online(&bench);
    fake_data(bench.device->adapter, sock_of(&bench, sid), "abcdefgh");
    pass(&bench, 9);
    assert_int_equal(bench.user.count, 0);
    pass(&bench, 20);
    expect_read(&bench, sid, "abcde");
    assert_true(sock_of(&bench, sid)->is_reset);
    assert_int_equal(bench.user.events[bench.user.count - 1].type, NET_EVENT_ERROR);
    assert_int_equal(count_of(&bench, NET_EVENT_RX), 1);
    end(&bench);
}

static void what_was_sent_leaves_before_the_socket_is_closed(void **state)
{
    struct bench bench;
    int sid;

    begin(&bench, state, "ETH0,delay=20ms");
    sid = online(&bench);
    assert_int_equal(send_text(&bench, sid, "bye"), 3);
    bench.adapter->ops->close(bench.adapter, sid);
    assert_true(sock_of(&bench, sid)->is_open);
    fake_data(bench.device->adapter, sock_of(&bench, sid), "nobody is there");
    pass(&bench, 50);
    expect_sent(&bench, sid, "bye");
    assert_false(sock_of(&bench, sid)->is_open);
    assert_int_equal(bench.user.count, 0);
    end(&bench);
}

static void a_farewell_takes_its_time(void **state)
{
    struct bench bench;
    int sid;

    begin(&bench, state, "ETH0,delay=20ms");
    sid = online(&bench);
    assert_int_equal(send_text(&bench, sid, "bye"), 3);
    assert_int_equal(bench.adapter->ops->disconnect(bench.adapter, sid), 0);
    pass(&bench, 19);
    assert_int_equal(bench.device->adapter->disconnects, 0);
    pass(&bench, 1);
    assert_int_equal(bench.device->adapter->disconnects, 1);
    fake_report(bench.device->adapter, sock_of(&bench, sid), NET_EVENT_CLOSED, 0);
    pass(&bench, 20);
    assert_int_equal(count_of(&bench, NET_EVENT_CLOSED), 1);
    end(&bench);
}

static void a_client_is_announced_later_and_heard(void **state)
{
    struct bench bench;
    const struct sock_spec spec = { .type = SOCK_TYPE_TCP, .local_port = 80 };
    struct sock_spec tagged = spec;
    int listener, sid;

    begin(&bench, state, "ETH0:down,delay=20ms,match=:80");
    tagged.tag = bench.user.tag;
    listener = bench.adapter->ops->listen(bench.adapter, &tagged, true);
    fake_client(bench.device->adapter, sock_of(&bench, listener), "192.0.2.7", 5000);
    pass(&bench, 19);
    assert_int_equal(bench.user.count, 0);
    pass(&bench, 1);
    assert_int_equal(count_of(&bench, NET_EVENT_CLIENT), 1);
    sid = bench.adapter->ops->accept(bench.adapter, listener, new_tag(&bench));
    assert_true(sid > listener);
    fake_data(bench.device->adapter, sock_of(&bench, sid), "hello");
    pass(&bench, 19);
    expect_read(&bench, sid, "");
    pass(&bench, 1);
    expect_read(&bench, sid, "hello");
    assert_int_equal(bench.adapter->ops->accept(bench.adapter, listener, 1), -EAGAIN);
    end(&bench);
}

static void echo_requests_wait_and_are_lost(void **state)
{
    struct bench bench;

    begin(&bench, state, "ETH0,delay=20ms");
    assert_int_equal(bench.adapter->ops->echo(bench.adapter, bench.user.tag, &bench.peer, 32), 0);
    pass(&bench, 19);
    assert_int_equal(bench.device->adapter->echo_to.family, IP_FAMILY_NONE);
    pass(&bench, 1);
    assert_int_equal(bench.device->adapter->echo_len, 32);
    fake_echo(bench.device->adapter, 64);
    pass(&bench, 19);
    assert_int_equal(bench.user.count, 0);
    pass(&bench, 1);
    assert_int_equal(count_of(&bench, NET_EVENT_ECHO), 1);
    add(&bench, "ETH0:down,loss=100%,match=icmp");
    fake_echo(bench.device->adapter, 64);
    pass(&bench, 100);
    assert_int_equal(count_of(&bench, NET_EVENT_ECHO), 1);
    end(&bench);
}

/* ---- coming and going ----------------------------------------------------------------------- */

static void sockets_that_were_there_are_impaired_too(void **state)
{
    struct bench bench;
    int tcp, udp;

    begin(&bench, state, NULL);
    tcp = open_sock(&bench, SOCK_TYPE_TCP);
    udp = open_sock(&bench, SOCK_TYPE_UDP);
    byteq_append(&sock_of(&bench, tcp)->rxq, "early", 5);
    add(&bench, "ETH0,delay=20ms");
    enter(&bench);
    assert_int_equal(send_text(&bench, udp, "ask"), 3);
    fake_data(bench.device->adapter, sock_of(&bench, tcp), "late");
    pass(&bench, 19);
    expect_sent(&bench, udp, "");
    expect_read(&bench, tcp, "");
    pass(&bench, 1);
    expect_sent(&bench, udp, "ask");
    expect_read(&bench, tcp, "earlylate");
    end(&bench);
}

static void it_leaves_when_everything_was_read(void **state)
{
    struct bench bench;
    const struct adapter_ops *before = &(*(struct fake_device **)state)->adapter->ops;
    int tcp, udp;

    begin(&bench, state, "ETH0,delay=20ms");
    tcp = online(&bench);
    udp = open_sock(&bench, SOCK_TYPE_UDP);
    fake_data(bench.device->adapter, sock_of(&bench, tcp), "abc");
    fake_datagram(bench.device->adapter, sock_of(&bench, udp), "dgram", 5, &bench.peer);
    assert_int_equal(send_text(&bench, tcp, "bye"), 3);
    pass(&bench, 1);
    impair_clear(&bench.impair);
    shaped_leave(bench.shaped);
    expect_sent(&bench, tcp, "bye");
    pass(&bench, 0);
    assert_true(count_of(&bench, NET_EVENT_RX) >= 2);
    assert_non_null(bench.shaped);
    fake_data(bench.device->adapter, sock_of(&bench, tcp), "def");
    assert_int_equal(bench.adapter->ops->pending(bench.adapter, tcp), 6);
    expect_read(&bench, tcp, "abc");
    expect_read(&bench, udp, "dgram");
    assert_null(bench.shaped);
    assert_ptr_equal(bench.adapter->ops, before);
    assert_null(bench.adapter->above);
    expect_read(&bench, tcp, "def");
    end(&bench);
}

static void it_may_stay_after_all(void **state)
{
    struct bench bench;
    int sid;

    begin(&bench, state, "ETH0,delay=20ms");
    sid = online(&bench);
    fake_data(bench.device->adapter, sock_of(&bench, sid), "abc");
    pass(&bench, 1);
    shaped_leave(bench.shaped);
    assert_non_null(bench.shaped);
    shaped_stay(bench.shaped);
    expect_read(&bench, sid, "abc");
    assert_non_null(bench.shaped);
    fake_data(bench.device->adapter, sock_of(&bench, sid), "def");
    pass(&bench, 19);
    expect_read(&bench, sid, "");
    pass(&bench, 1);
    expect_read(&bench, sid, "def");
    end(&bench);
}

static void a_device_may_end_under_it(void **state)
{
    struct bench bench;
    int sid;

    begin(&bench, state, "ETH0,delay=20ms");
    sid = online(&bench);
    assert_int_equal(send_text(&bench, sid, "bye"), 3);
    fake_data(bench.device->adapter, sock_of(&bench, sid), "abc");
    pass(&bench, 1);
    add(&bench, "ETH0,blackhole");
    (void)open_sock(&bench, SOCK_TYPE_TCP);
    pass(&bench, 1);
    net_tag_remove(&bench.device->device.net, bench.user.tag);
    (*(struct fake_device **)state)->adapter->base.ops->free(bench.adapter);
    bench.device->device.net.adapters[ADAPTER_ETH0] = NULL;
    assert_null(bench.shaped);
    impair_clear(&bench.impair);
}

static void what_cannot_be_honoured_is_known(void **state)
{
    char why[IMPAIR_WHY_MAX];
    struct impair_rule rule;
    unsigned lacks;

    (void)state;
    assert_null(impair_parse(&rule, "ETH0,corrupt=1%", why));
    assert_false(shaped_can(&rule, &lacks));
    assert_null(impair_parse(&rule, "ETH0,corrupt=1%,loss=1%", why));
    assert_true(shaped_can(&rule, &lacks));
    assert_int_equal(lacks, 1U << IMPAIR_KIND_CORRUPT);
    assert_null(impair_parse(&rule, "ETH0,loss=1%,reorder=1%,match=tcp", why));
    assert_false(shaped_can(&rule, &lacks));
    assert_null(impair_parse(&rule, "ETH0,delay=1ms,reset=5,match=tcp", why));
    assert_true(shaped_can(&rule, &lacks));
    assert_int_equal(lacks, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_device_setup, fake_device_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_datagram_waits_both_ways),
        TEST(lost_datagrams_are_said_to_be_sent),
        TEST(what_there_is_no_room_for_is_not_taken),
        TEST(duplicates_are_read_twice),
        TEST(reordered_datagrams_come_after_the_next),
        TEST(what_is_larger_than_the_mtu_is_lost),
        TEST(a_query_is_answered_in_the_servers_place),
        TEST(a_connection_takes_its_time),
        TEST(bytes_come_in_order_and_the_end_behind_them),
        TEST(a_rate_holds_a_stream),
        TEST(a_black_hole_holds_a_stream_and_gives_it_back),
        TEST(what_a_black_hole_holds_is_let_go_with_the_rule),
        TEST(a_connection_into_a_black_hole_fails_in_the_end),
        TEST(a_stream_is_reset_at_its_byte),
        TEST(what_comes_is_cut_at_its_byte),
        TEST(what_was_sent_leaves_before_the_socket_is_closed),
        TEST(a_farewell_takes_its_time),
        TEST(a_client_is_announced_later_and_heard),
        TEST(echo_requests_wait_and_are_lost),
        TEST(sockets_that_were_there_are_impaired_too),
        TEST(it_leaves_when_everything_was_read),
        TEST(it_may_stay_after_all),
        TEST(a_device_may_end_under_it),
        TEST(what_cannot_be_honoured_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
