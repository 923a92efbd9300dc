#include "emu/sntp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "emu/fake_device.h"
#include "emu/msgq.h"
#include "emu/util.h"

#include <cmocka.h>

#define FIRST     "192.0.2.1"
#define SECOND    "192.0.2.2"
#define THIRD     "192.0.2.3"
#define SENT_S    0xe8000000 /* in the replies; after 1900 */
#define UNIX_S    (SENT_S - NTP_UNIX_EPOCH_S)
#define REPLY_LEN 48
#define US_PER_S  1000000
#define MS_PER_S  1000
#define TURN_MS   2000

static struct sntp *sntp_of(struct fake_device *fake)
{
    return &fake->device.sntp;
}

/* Three servers, given as addresses. */
static int setup(void **state)
{
    static const char *const servers[] = { FIRST, SECOND, THIRD };
    struct fake_device *fake;

    if (fake_device_setup(state) < 0)
        return -1;
    fake = *state;
    for (int i = 0; i < ARRAY_LEN(servers); i++)
        assert_true(sntp_set_server(sntp_of(fake), i, servers[i]));
    return 0;
}

static void start(struct fake_device *fake)
{
    assert_true(sntp_start(sntp_of(fake), &fake->adapter->base));
    fake_deliver(fake);
}

/* The socket on which @server is being asked now. */
static struct fake_sock *asking(struct fake_device *fake, const char *server)
{
    struct fake_sock *sock = fake_newest(fake->adapter);
    char text[ENDPOINT_TEXT_MAX];

    assert_non_null(sock);
    assert_true(sock->is_open);
    assert_int_equal(sock->spec.type, SOCK_TYPE_UDP);
    assert_string_equal(endpoint_ip_text(&sock->remote, text), server);
    assert_int_equal(sock->sent_len, NTP_REQUEST_LEN);
    return sock;
}

/* A good answer to what was asked on @sock: received and sent at SENT_S and @ms. */
static void make_reply(const struct fake_sock *sock, uint32_t s, unsigned ms,
                       uint8_t message[REPLY_LEN])
{
    struct writer w;

    memset(message, 0, REPLY_LEN);
    message[0] = 0x1c;
    message[1] = 2;
    memcpy(message + 24, sock->sent + 40, 8);
    writer_init(&w, message + 32, 16);
    for (int i = 0; i < 2; i++) {
        writer_u32(&w, s);
        writer_u32(&w, ms * 4295000U);
    }
}

static void send_reply(struct fake_device *fake, struct fake_sock *sock, const uint8_t *message,
                       size_t len)
{
    fake_datagram(fake->adapter, sock, message, len, &sock->remote);
    fake_deliver(fake);
}

static void answer(struct fake_device *fake, struct fake_sock *sock, uint32_t s, unsigned ms)
{
    uint8_t message[REPLY_LEN];

    make_reply(sock, s, ms, message);
    send_reply(fake, sock, message, sizeof(message));
}

/* The script is told @topic, and of nothing else. */
static void assert_told(struct fake_device *fake, const char *topic)
{
    struct msg msg;

    assert_true(msgq_take(&fake->device.msgs, &msg));
    assert_int_equal(msg.kind, MSG_KIND_TOPIC);
    assert_string_equal(msg.as.topic->name, topic);
    assert_int_equal(msg.as.topic->args[0].kind,
                     strcmp(topic, "NTP_UPDATE") == 0 ? TOPIC_ARG_NUMBER : TOPIC_ARG_NONE);
    assert_int_equal(msg.as.topic->args[0].number, 0);
    assert_false(msgq_take(&fake->device.msgs, &msg));
}

static void assert_told_nothing(struct fake_device *fake)
{
    assert_int_equal(fake->device.msgs.count, 0);
}

static void assert_all_is_over(struct fake_device *fake)
{
    assert_int_equal(fake_open_count(fake->adapter), 0);
    assert_int_equal(timers_next_us(&fake->device.timers), UINT64_MAX);
}

static void assert_logged(struct fake_device *fake, const char *part)
{
    char *text = fake_read_all(fake->log_fd);

    if (!strstr(text, part))
        fail_msg("\"%s\" is not in\n%s", part, text);
    free(text);
}

static int64_t wall_ms(const struct fake_device *fake)
{
    return vclock_wall_us(&fake->device.clock) / MS_PER_S;
}

/* ---- a run ---------------------------------------------------------------------------------- */

static void an_answer_sets_the_calendar(void **state)
{
    struct fake_device *fake = *state;
    struct fake_sock *sock;

    fake_pass_ms(fake, 1234);
    start(fake);
    sock = asking(fake, FIRST);
    assert_int_equal(sock->remote.port, 123);
    answer(fake, sock, SENT_S, 250);
    assert_told(fake, "NTP_UPDATE");
    assert_int_equal(wall_ms(fake), (int64_t)UNIX_S * MS_PER_S + 250);
    fake_pass_ms(fake, 750);
    assert_int_equal(wall_ms(fake), (int64_t)(UNIX_S + 1) * MS_PER_S);
    assert_all_is_over(fake);
}

static void time_is_counted_on_from_the_answer(void **state)
{
    struct fake_device *fake = *state;
    const struct sntp *sntp = sntp_of(fake);
    struct ntp_time now;

    fake_pass_ms(fake, 5900); /* more ms than the answer has: LuatOS adds where it should carry */
    now = sntp_now(sntp);
    assert_int_equal(now.s, 5);
    assert_int_equal(now.ms, 900);
    start(fake);
    answer(fake, asking(fake, FIRST), SENT_S, 250);
    assert_true(sntp->is_valid);
    assert_int_equal(sntp->start_s, SENT_S - 6);
    assert_int_equal(sntp->start_ms, 350);
    fake_pass_ms(fake, 800);
    now = sntp_now(sntp);
    assert_int_equal(now.s, SENT_S + 1);
    assert_int_equal(now.ms, 50);
}

static void another_port_is_asked(void **state)
{
    struct fake_device *fake = *state;

    sntp_of(fake)->port = 12345;
    start(fake);
    assert_int_equal(asking(fake, FIRST)->remote.port, 12345);
}

static void servers_are_asked_one_after_another_2_s_each(void **state)
{
    struct fake_device *fake = *state;

    start(fake);
    fake_pass_ms(fake, TURN_MS - 1);
    (void)asking(fake, FIRST);
    fake_pass_ms(fake, 1);
    (void)asking(fake, SECOND);
    assert_int_equal(fake_open_count(fake->adapter), 1);
    fake_pass_ms(fake, TURN_MS);
    (void)asking(fake, THIRD);
    fake_pass_ms(fake, TURN_MS - 1);
    assert_told_nothing(fake);
    fake_pass_ms(fake, 1);
    assert_told(fake, "NTP_ERROR");
    assert_all_is_over(fake);
    assert_false(sntp_of(fake)->is_valid);
}

static void the_next_run_begins_with_the_first_server(void **state)
{
    struct fake_device *fake = *state;

    start(fake);
    fake_pass_ms(fake, TURN_MS);
    answer(fake, asking(fake, SECOND), SENT_S, 0);
    assert_told(fake, "NTP_UPDATE");
    start(fake);
    (void)asking(fake, FIRST);
}

static void a_socket_that_fails_makes_it_the_next_ones_turn_at_once(void **state)
{
    struct fake_device *fake = *state;

    fake->adapter->connect_rc = -ENETUNREACH;
    fake->adapter->connects_to_fail = 1;
    start(fake);
    fake_report(fake->adapter, asking(fake, SECOND), NET_EVENT_ERROR, ENETDOWN);
    fake_deliver(fake);
    (void)asking(fake, THIRD);
    fake->adapter->send_rc = -EMSGSIZE;
    fake_report(fake->adapter, asking(fake, THIRD), NET_EVENT_ERROR, ENETDOWN);
    fake_deliver(fake);
    assert_told(fake, "NTP_ERROR");
    assert_logged(fake, "D/sntp no way to " THIRD);
    assert_all_is_over(fake);
}

static void a_name_that_can_not_be_looked_up_makes_it_the_next_ones_turn_at_once(void **state)
{
    struct fake_device *fake = *state;

    assert_true(sntp_set_server(sntp_of(fake), 0, "a..b"));
    start(fake);
    (void)asking(fake, SECOND);
    assert_logged(fake, "D/sntp no address for a..b");
}

static void a_lookup_counts_into_its_servers_2_s(void **state)
{
    struct fake_device *fake = *state;

    fake->adapter->info.dns[0] = (struct endpoint){ .port = 53 };
    assert_true(endpoint_set_text(&fake->adapter->info.dns[0], "192.0.2.53"));
    fake->adapter->info.dns_count = 1;
    assert_true(sntp_set_server(sntp_of(fake), 0, "ntp.test"));
    start(fake);
    assert_int_equal(fake_newest(fake->adapter)->remote.port, 53);
    fake_pass_ms(fake, TURN_MS);
    (void)asking(fake, SECOND);
    assert_int_equal(fake_open_count(fake->adapter), 1); /* nobody waits for the name any more */
}

static void a_link_that_comes_up_is_used_by_the_next_server(void **state)
{
    struct fake_device *fake = *state;

    fake_link(fake->adapter, false);
    fake_deliver(fake);
    msgq_fini(&fake->device.msgs);
    msgq_init(&fake->device.msgs);
    start(fake);
    assert_int_equal(fake->adapter->socks_count, 0);
    fake->adapter->base.is_ready = true;
    fake_pass_ms(fake, TURN_MS);
    answer(fake, asking(fake, SECOND), SENT_S, 0);
    assert_told(fake, "NTP_UPDATE");
}

static void without_an_adapter_it_fails_at_once(void **state)
{
    struct fake_device *fake = *state;

    assert_true(sntp_start(sntp_of(fake), NULL));
    assert_told(fake, "NTP_ERROR");
    assert_all_is_over(fake);
}

static void there_is_one_run_at_a_time(void **state)
{
    struct fake_device *fake = *state;

    start(fake);
    assert_false(sntp_start(sntp_of(fake), &fake->adapter->base));
    assert_logged(fake, "E/sntp sntp is running");
    assert_true(sntp_set_server(sntp_of(fake), 1, "192.0.2.9")); /* for the next turn */
    fake_pass_ms(fake, TURN_MS);
    (void)asking(fake, "192.0.2.9");
}

static void a_name_has_30_characters_at_most(void **state)
{
    struct fake_device *fake = *state;

    assert_true(sntp_set_server(sntp_of(fake), 0, "a23456789012345678901234567890"));
    assert_false(sntp_set_server(sntp_of(fake), 0, "a234567890123456789012345678901"));
    assert_string_equal(sntp_of(fake)->servers[0], "a23456789012345678901234567890");
    assert_logged(fake, "E/sntp server_addr too long a2345");
}

static void the_servers_are_luatos_own_at_first(void **state)
{
    struct sntp sntp;
    struct fake_device *fake = *state;

    sntp_init(&sntp, &fake->device.net, &fake->device.clock);
    assert_string_equal(sntp.servers[0], "ntp.aliyun.com");
    assert_string_equal(sntp.servers[1], "ntp.ntsc.ac.cn");
    assert_string_equal(sntp.servers[2], "time1.cloud.tencent.com");
    assert_int_equal(sntp.port, 123);
    sntp_fini(&sntp);
}

static void ending_the_device_ends_the_run(void **state)
{
    struct fake_device *fake = *state;

    start(fake);
    sntp_fini(sntp_of(fake));
    assert_all_is_over(fake);
    assert_told_nothing(fake);
}

/* ---- the second request ------------------------------------------------------------------------ */

static void a_later_request_carries_our_time_and_its_answer_must_repeat_it(void **state)
{
    struct fake_device *fake = *state;
    uint8_t message[REPLY_LEN];
    struct fake_sock *sock;
    struct ntp_time origin = { .s = SENT_S + 10, .ms = 250 };
    uint8_t request[NTP_REQUEST_LEN];

    start(fake);
    answer(fake, asking(fake, FIRST), SENT_S, 250);
    assert_told(fake, "NTP_UPDATE");
    fake_pass_ms(fake, 10 * MS_PER_S);
    start(fake);
    sock = asking(fake, FIRST);
    ntp_write_request(&origin, request);
    assert_memory_equal(sock->sent, request, sizeof(request));
    make_reply(sock, SENT_S + 3600, 0, message);
    memset(message + 24, 0, 8);
    send_reply(fake, sock, message, sizeof(message));
    assert_told_nothing(fake);
    assert_logged(fake,
                  "W/sntp 48 bytes from " FIRST ":123 ignored: not the answer to our request");
    answer(fake, sock, SENT_S + 20, 0);
    assert_told(fake, "NTP_UPDATE");
    assert_int_equal(wall_ms(fake), (int64_t)(UNIX_S + 20) * MS_PER_S);
}

/*
 * LuatOS: half of there and back by both clocks, the first sample for all eight places; the time
 * that was on its way is in the request, but not in our clock.
 */
static void the_delay_is_averaged_over_8_answers(void **state)
{
    struct fake_device *fake = *state;
    const struct sntp *sntp = sntp_of(fake);

    start(fake);
    answer(fake, asking(fake, FIRST), SENT_S, 100); /* from here on both clocks agree */
    assert_told(fake, "NTP_UPDATE");
    assert_int_equal(sntp->delay_ms, 0);
    start(fake);
    fake_pass_ms(fake, 80); /* 40 there, 40 back */
    answer(fake, asking(fake, FIRST), SENT_S, 140);
    assert_told(fake, "NTP_UPDATE");
    assert_int_equal(sntp->delay_ms, 40);
    start(fake); /* our clock is 40 late now */
    answer(fake, asking(fake, FIRST), SENT_S, 180);
    assert_told(fake, "NTP_UPDATE");
    assert_int_equal(sntp->delay_ms, (7 * 40 + (0 - 40) / 2) / 8);
}

/* ---- what is no answer --------------------------------------------------------------------------- */

static void assert_ignored(struct fake_device *fake, struct fake_sock *sock, const uint8_t *message,
                           size_t len, const char *why)
{
    int64_t before_ms = wall_ms(fake);

    send_reply(fake, sock, message, len);
    assert_told_nothing(fake);
    assert_int_equal(wall_ms(fake), before_ms);
    assert_false(sntp_of(fake)->is_valid);
    assert_logged(fake, why);
    (void)asking(fake, FIRST); /* still */
}

static void what_is_no_answer_changes_nothing(void **state)
{
    struct fake_device *fake = *state;
    uint8_t message[FAKE_DGRAM_MAX] = { 0 };
    struct fake_sock *sock;

    start(fake);
    sock = asking(fake, FIRST);
    make_reply(sock, SENT_S, 0, message);
    assert_ignored(fake, sock, message, 0, " 0 bytes from " FIRST ":123 ignored: too short or ");
    assert_ignored(fake, sock, message, 43, " 43 bytes from " FIRST ":123 ignored: too short or ");
    assert_ignored(fake, sock, message, FAKE_DGRAM_MAX, " ignored: too short or too long for ");
    message[24] = 1;
    assert_ignored(fake, sock, message, REPLY_LEN, "not the answer to our request");
    message[24] = 0;
    message[0] = 0x1b;
    assert_ignored(fake, sock, message, REPLY_LEN, "not a server's answer");
    message[0] = 0xdc;
    assert_ignored(fake, sock, message, REPLY_LEN, "from a server that does not know the time");
    message[0] = 0x1c;
    send_reply(fake, sock, message, REPLY_LEN);
    assert_told(fake, "NTP_UPDATE");
}

static void an_answer_of_somebody_else_is_ignored(void **state)
{
    struct fake_device *fake = *state;
    uint8_t message[REPLY_LEN];
    struct endpoint stranger;
    struct fake_sock *sock;

    start(fake);
    sock = asking(fake, FIRST);
    make_reply(sock, SENT_S, 0, message);
    stranger = sock->remote;
    stranger.port = 124;
    fake_datagram(fake->adapter, sock, message, sizeof(message), &stranger);
    fake_deliver(fake);
    stranger.port = 123;
    stranger.addr[3]++;
    fake_datagram(fake->adapter, sock, message, sizeof(message), &stranger);
    fake_deliver(fake);
    assert_told_nothing(fake);
    assert_logged(fake, "48 bytes from 192.0.2.2:123 ignored: not from the server that was asked");
}

static void a_kiss_ends_the_servers_turn(void **state)
{
    struct fake_device *fake = *state;
    uint8_t message[REPLY_LEN];
    struct fake_sock *sock;

    start(fake);
    sock = asking(fake, FIRST);
    make_reply(sock, SENT_S, 0, message);
    message[1] = 0;
    memcpy(message + 12, "DENY", 4);
    send_reply(fake, sock, message, sizeof(message));
    assert_told_nothing(fake);
    assert_logged(fake, "ignored: a kiss-o'-death DENY");
    assert_false(sntp_of(fake)->is_valid);
    (void)asking(fake, SECOND);
}

static void an_answer_that_comes_too_late_is_nobodys(void **state)
{
    struct fake_device *fake = *state;
    struct fake_sock *late;

    start(fake);
    late = asking(fake, FIRST);
    fake_pass_ms(fake, TURN_MS);
    fake_report(fake->adapter, late, NET_EVENT_RX, 0);
    fake_deliver(fake);
    assert_told_nothing(fake);
    (void)asking(fake, SECOND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fake_device_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_answer_sets_the_calendar),
        TEST(time_is_counted_on_from_the_answer),
        TEST(another_port_is_asked),
        TEST(servers_are_asked_one_after_another_2_s_each),
        TEST(the_next_run_begins_with_the_first_server),
        TEST(a_socket_that_fails_makes_it_the_next_ones_turn_at_once),
        TEST(a_name_that_can_not_be_looked_up_makes_it_the_next_ones_turn_at_once),
        TEST(a_lookup_counts_into_its_servers_2_s),
        TEST(a_link_that_comes_up_is_used_by_the_next_server),
        TEST(without_an_adapter_it_fails_at_once),
        TEST(there_is_one_run_at_a_time),
        TEST(a_name_has_30_characters_at_most),
        TEST(the_servers_are_luatos_own_at_first),
        TEST(ending_the_device_ends_the_run),
        TEST(a_later_request_carries_our_time_and_its_answer_must_repeat_it),
        TEST(the_delay_is_averaged_over_8_answers),
        TEST(what_is_no_answer_changes_nothing),
        TEST(an_answer_of_somebody_else_is_ignored),
        TEST(a_kiss_ends_the_servers_turn),
        TEST(an_answer_that_comes_too_late_is_nobodys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
