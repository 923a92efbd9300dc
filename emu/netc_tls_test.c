/* A control's TLS handshake and the end of it; what TLS itself does is tls_test.c's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "emu/fake_device.h"
#include "emu/fake_script.h"
#include "emu/netc.h"
#include "emu/util.h"

#include <cmocka.h>

#define PORT         443
#define PATIENCE_MS  20000 /* --set handshake_timeout's default */
#define LONG_MS      600000
#define CLIENT_HELLO 0x16 /* the first byte of its record */

/* Connected to a server that has said nothing yet. */
static struct netc *shaking(struct fake_device *fake)
{
    const struct tls_config config = { 0 };
    struct netc *netc = script_tcp(fake);
    char why[TLS_WHY_MAX];

    assert_int_equal(netc_use_tls(netc, &config, why), TLS_PROBLEM_NONE);
    assert_int_equal(script_connect(netc, "192.0.2.9", PORT), NETC_VERDICT_PENDING);
    script_hears(fake, netc, NET_EVENT_CONNECTED, 0);
    assert_int_equal(netc->state, NETC_STATE_SHAKEHAND);
    assert_int_equal(script_sock(fake, netc)->sent[0], CLIENT_HELLO);
    script_expect_nothing(fake);
    return netc;
}

static unsigned count(const char *text, const char *part)
{
    unsigned found = 0;

    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
        found++;
    return found;
}

/* The script has been told once, the log says why, and nothing comes later. */
static void assert_failed_once(struct fake_device *fake, const struct netc *netc, const char *why)
{
    char *text;

    script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_FAILED);
    assert_int_equal(netc->state, NETC_STATE_SHAKEHAND);
    assert_int_equal(timers_next_us(&fake->device.timers), UINT64_MAX);
    fake_pass_ms(fake, LONG_MS);
    script_expect_nothing(fake);
    text = fake_read_all(fake->log_fd);
    assert_int_equal(count(text, "E/net TLS handshake failed 0x"), 1);
    if (count(text, why) != 1)
        fail_msg("\"%s\" is not once in\n%s", why, text);
    free(text);
    assert_true(fake_traced(fake, "tls.failed"));
}

static void a_peer_that_closes_during_the_handshake_fails_it_once(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = shaking(fake);

    script_hears(fake, netc, NET_EVENT_REMOTE_CLOSED, 0);
    assert_failed_once(fake, netc, "E/net netc 1: TLS handshake: the peer closed the connection (");
}

static void a_connection_that_breaks_during_the_handshake_fails_it_once(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = shaking(fake);

    script_hears(fake, netc, NET_EVENT_ERROR, ECONNRESET);
    assert_failed_once(fake, netc, "TLS handshake: the connection broke: Connection reset by peer");
}

static void a_link_that_goes_down_during_the_handshake_fails_it_once(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = shaking(fake);
    struct msg msg;

    fake_link(fake->adapter, false);
    fake_deliver(fake);
    assert_true(msgq_take(&fake->device.msgs, &msg));
    assert_string_equal(msg.as.topic->name, "IP_LOSE");
    assert_failed_once(fake, netc, "TLS handshake: the connection broke: Network is down (");
}

static void a_peer_that_says_nothing_is_given_up_once(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = shaking(fake);
    char *voice;

    fake_pass_ms(fake, PATIENCE_MS - 1);
    script_expect_nothing(fake);
    fake_pass_ms(fake, 1);
    assert_failed_once(fake, netc, "TLS handshake: the peer does not answer in time (");
    voice = fake_read_all(fake->voice_fd);
    assert_int_equal(count(voice, "a module waits for ever"), 1);
    free(voice);
}

static void what_arrives_at_the_last_moment_does_not_double_the_failure(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = shaking(fake);

    /* half a record and the deadline are delivered together */
    fake_data(fake->adapter, script_sock(fake, netc), "\x16\x03\x03");
    vclock_advance(&fake->device.clock, (uint64_t)PATIENCE_MS * 1000);
    (void)timers_run(&fake->device.timers, fake->device.clock.now_us);
    fake_deliver(fake);
    assert_failed_once(fake, netc, "TLS handshake: the peer does not answer in time (");
}

static void rubbish_fails_it_and_more_of_it_is_a_failed_event(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = shaking(fake);

    fake_data(fake->adapter, script_sock(fake, netc), "HTTP/1.1 400 Bad Request\r\n\r\n");
    fake_deliver(fake);
    assert_failed_once(fake, netc, "TLS handshake: what the peer sends is not TLS: ");
    fake_data(fake->adapter, script_sock(fake, netc), "more");
    fake_deliver(fake);
    script_expect(fake, netc, NETC_REPORT_EVENT, NETC_REPORT_FAILED);
    script_hears(fake, netc, NET_EVENT_REMOTE_CLOSED, 0);
    script_expect(fake, netc, NETC_REPORT_EVENT, NETC_REPORT_FAILED);
}

static void closing_ends_the_handshake_without_a_word(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = shaking(fake);

    netc_close(netc);
    assert_null(netc->tls);
    assert_int_equal(timers_next_us(&fake->device.timers), UINT64_MAX);
    script_expect_nothing(fake);
    assert_int_equal(fake_open_count(fake->adapter), 0);
}

static void nothing_can_be_sent_or_read_during_the_handshake(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = shaking(fake);
    char data[8];

    assert_false(netc_tx(netc, "x", 1, NULL).ok);
    assert_int_equal(netc_rx_len(netc), -1);
    assert_int_equal(netc_rx(netc, data, sizeof(data), NULL), -1);
    assert_int_equal(netc_wait(netc), NETC_VERDICT_FAILED);
}

static void a_new_connection_begins_a_new_handshake(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = shaking(fake);

    script_hears(fake, netc, NET_EVENT_REMOTE_CLOSED, 0);
    script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_FAILED);
    netc_close(netc);
    assert_int_equal(script_connect(netc, "192.0.2.9", PORT), NETC_VERDICT_PENDING);
    script_hears(fake, netc, NET_EVENT_CONNECTED, 0);
    assert_int_equal(netc->state, NETC_STATE_SHAKEHAND);
    assert_int_equal(script_sock(fake, netc)->sent[0], CLIENT_HELLO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_device_setup, fake_device_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_peer_that_closes_during_the_handshake_fails_it_once),
        TEST(a_connection_that_breaks_during_the_handshake_fails_it_once),
        TEST(a_link_that_goes_down_during_the_handshake_fails_it_once),
        TEST(a_peer_that_says_nothing_is_given_up_once),
        TEST(what_arrives_at_the_last_moment_does_not_double_the_failure),
        TEST(rubbish_fails_it_and_more_of_it_is_a_failed_event),
        TEST(closing_ends_the_handshake_without_a_word),
        TEST(nothing_can_be_sent_or_read_during_the_handshake),
        TEST(a_new_connection_begins_a_new_handshake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
