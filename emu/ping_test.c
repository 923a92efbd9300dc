#include "emu/ping.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "emu/fake_device.h"
#include "emu/msgq.h"

#include <cmocka.h>

#define ETH0 5
#define TTL  61

static int start(struct fake_device *fake, const char *ip)
{
    struct endpoint to = { 0 };

    assert_true(endpoint_set_text(&to, ip));
    return ping_start(&fake->device.pings, &fake->adapter->base, &to, PING_LEN);
}

static void expect_result(struct fake_device *fake, const char *ip, int ms)
{
    const struct topic_arg *args;
    struct msg msg;

    assert_true(msgq_take(&fake->device.msgs, &msg));
    assert_int_equal(msg.kind, MSG_KIND_TOPIC);
    assert_string_equal(msg.as.topic->name, "PING_RESULT");
    args = msg.as.topic->args;
    assert_int_equal(args[0].number, ETH0);
    assert_int_equal(args[1].number, ms);
    assert_string_equal(args[2].text, ip);
    assert_int_equal(args[3].number, TTL);
}

static void expect_nothing(struct fake_device *fake)
{
    struct msg msg;

    assert_false(msgq_take(&fake->device.msgs, &msg));
}

static void an_answer_is_published_with_its_time(void **state)
{
    struct fake_device *fake = *state;

    assert_int_equal(start(fake, "192.0.2.9"), 0);
    assert_int_equal(fake->adapter->echo_len, PING_LEN);
    fake_pass_ms(fake, 12);
    expect_nothing(fake);
    fake_echo(fake->adapter, TTL);
    fake_deliver(fake);
    expect_result(fake, "192.0.2.9", 12);
    assert_int_equal(timers_next_us(&fake->device.timers), UINT64_MAX);
}

static void an_answer_that_comes_twice_is_published_once(void **state)
{
    struct fake_device *fake = *state;

    assert_int_equal(start(fake, "192.0.2.9"), 0);
    fake_echo(fake->adapter, TTL);
    fake_echo(fake->adapter, TTL);
    fake_deliver(fake);
    expect_result(fake, "192.0.2.9", 0);
    expect_nothing(fake);
}

/* LuatOS luat_icmp.c: an answer after 16 s is dropped; there is no event for none. */
static void an_answer_after_sixteen_seconds_is_none(void **state)
{
    struct fake_device *fake = *state;

    assert_int_equal(start(fake, "192.0.2.9"), 0);
    fake_pass_ms(fake, PING_ANSWER_MS);
    fake_echo(fake->adapter, TTL);
    fake_deliver(fake);
    expect_nothing(fake);
    assert_int_equal(timers_next_us(&fake->device.timers), UINT64_MAX);
}

static void a_new_request_gives_up_the_one_before(void **state)
{
    struct fake_device *fake = *state;
    uint32_t first;

    assert_int_equal(start(fake, "192.0.2.8"), 0);
    first = fake->adapter->echo_tag;
    assert_int_equal(start(fake, "192.0.2.9"), 0);
    net_post(&fake->device.net,
             &(struct net_event){ .type = NET_EVENT_ECHO, .tag = first, .arg = TTL });
    fake_deliver(fake);
    expect_nothing(fake);
    fake_echo(fake->adapter, TTL);
    fake_deliver(fake);
    expect_result(fake, "192.0.2.9", 0);
}

static void what_cannot_be_sent_is_told_at_once(void **state)
{
    struct fake_device *fake = *state;

    fake->adapter->echo_rc = -EACCES;
    assert_int_equal(start(fake, "192.0.2.9"), -EACCES);
    fake->adapter->echo_rc = 0;
    fake->adapter->base.is_ready = false;
    assert_int_equal(start(fake, "192.0.2.9"), -ENETDOWN);
    fake->adapter->base.is_ready = true;
    fake->adapter->ops.echo = NULL;
    assert_int_equal(start(fake, "192.0.2.9"), -EOPNOTSUPP);
    assert_int_equal(timers_next_us(&fake->device.timers), UINT64_MAX);
    expect_nothing(fake);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_device_setup, fake_device_teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_answer_is_published_with_its_time),
        TEST(an_answer_that_comes_twice_is_published_once),
        TEST(an_answer_after_sixteen_seconds_is_none),
        TEST(a_new_request_gives_up_the_one_before),
        TEST(what_cannot_be_sent_is_told_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
