/* The client half of netc.c: what connect() leads to. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "emu/fake_script.h"
#include "emu/netc.h"

#include <cmocka.h>

static void a_new_control_is_off_in_udp_mode_and_without_a_socket(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_udp(fake);

    assert_int_equal(netc->state, NETC_STATE_LINK_OFF);
    assert_true(netc->config.is_udp);
    assert_false(netc_has_socket(netc));
    assert_ptr_equal(netc_get(&fake->device.net, netc->id), netc);
}

static void there_are_no_more_controls_than_the_limit(void **state)
{
    struct fake_device *fake = *state;
    struct netc *first = script_udp(fake);

    for (uint64_t i = 1; i < fake->device.limits.sockets; i++)
        (void)script_udp(fake);
    assert_null(netc_new(&fake->device.net, &fake->adapter->base));
    netc_free(first);
    (void)script_udp(fake);
}

static void the_socket_is_opened_as_the_control_is_configured(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_udp(fake);
    const struct sock_spec *spec;
    char text[ENDPOINT_TEXT_MAX];

    netc_configure(netc, &(struct netc_config){ .local_port = 4000,
                                                .keepalive = true,
                                                .keep_idle_s = 300,
                                                .keep_interval_s = 10,
                                                .keep_count = 3 });
    assert_int_equal(netc_connect(netc, &(struct netc_target){ .word = 0x090200c0, .port = 8080 }),
                     NETC_VERDICT_PENDING);
    spec = &script_sock(fake, netc)->spec;
    assert_int_equal(spec->type, SOCK_TYPE_TCP);
    assert_int_equal(spec->local_port, 4000);
    assert_true(spec->keepalive);
    assert_int_equal(spec->keep_idle_s, 300);
    assert_int_equal(spec->keep_interval_s, 10);
    assert_int_equal(spec->keep_count, 3);
    assert_string_equal(endpoint_text(&script_sock(fake, netc)->remote, text), "192.0.2.9:8080");
}

/* Q5, A:2181-2184 */
static void an_open_socket_must_be_closed_before_the_next_connect(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_connecting(fake);

    assert_int_equal(script_connect(netc, "192.0.2.8", 80), NETC_VERDICT_FAILED);
    script_hears(fake, netc, NET_EVENT_ERROR, ECONNREFUSED);
    script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_FAILED);
    assert_int_equal(script_connect(netc, "192.0.2.8", 80), NETC_VERDICT_FAILED);
    assert_int_equal(netc->state, NETC_STATE_CONNECTING); /* Q4 */
    assert_int_equal(netc_disconnect(netc), NETC_VERDICT_DONE);
    assert_int_equal(netc->state, NETC_STATE_OFF_LINE);
    assert_int_equal(script_connect(netc, "192.0.2.8", 80), NETC_VERDICT_PENDING);
    assert_int_equal(netc->state, NETC_STATE_CONNECTING);
}

static void a_socket_that_cannot_be_opened_fails_the_connect(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_tcp(fake);

    fake->adapter->connect_rc = -EADDRINUSE;
    fake->adapter->connects_to_fail = 1;
    assert_int_equal(script_connect(netc, "192.0.2.9", 80), NETC_VERDICT_FAILED);
    assert_int_equal(netc->state, NETC_STATE_OFF_LINE);
    fake_deliver(fake);
    script_expect_nothing(fake);
    assert_int_equal(script_connect(netc, "192.0.2.9", 80), NETC_VERDICT_PENDING);
}

/* 3.10: it succeeds at once, and tx works on the script's next line */
static void udp_is_online_when_connect_returns(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_udp(fake);

    fake->adapter->reports_at_once = true;
    assert_int_equal(script_connect(netc, "192.0.2.9", 80), NETC_VERDICT_PENDING);
    assert_int_equal(netc->state, NETC_STATE_ONLINE);
    script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_OK);
    fake_deliver(fake);
    script_expect_nothing(fake);
}

static void udp_that_fails_at_once_is_told_so_once(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_udp(fake);

    fake->adapter->reports_at_once = true;
    fake->adapter->error_at_once = EADDRINUSE;
    assert_int_equal(script_connect(netc, "192.0.2.9", 80), NETC_VERDICT_PENDING);
    assert_int_equal(netc->state, NETC_STATE_CONNECTING);
    script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_FAILED);
    fake_deliver(fake);
    script_expect_nothing(fake);
}

/* 2.5: a script is never told that TCP is online before connect has returned */
static void tcp_is_online_only_after_connect_has_returned(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_tcp(fake);

    fake->adapter->reports_at_once = true;
    assert_int_equal(script_connect(netc, "192.0.2.9", 80), NETC_VERDICT_PENDING);
    assert_int_equal(netc->state, NETC_STATE_CONNECTING);
    fake_deliver(fake);
    assert_int_equal(netc->state, NETC_STATE_ONLINE);
}

/* With the link down there is no socket yet, and what waits for delivery is someone else's. */
static void udp_that_is_parked_takes_no_event(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_udp(fake);

    fake->adapter->base.is_ready = false;
    fake->adapter->reports_at_once = true;
    fake_link(fake->adapter, true);
    assert_int_equal(script_connect(netc, "192.0.2.9", 80), NETC_VERDICT_PENDING);
    assert_int_equal(netc->state, NETC_STATE_LINK_OFF);
    fake_deliver(fake);
    fake_deliver(fake);
    assert_int_equal(netc->state, NETC_STATE_ONLINE);
}

static void a_name_that_is_none_fails_the_connect(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_tcp(fake);

    assert_int_equal(script_connect(netc, "a..b", 80), NETC_VERDICT_FAILED);
    assert_int_equal(netc->state, NETC_STATE_OFF_LINE);
}

static void a_name_is_looked_up_and_its_first_address_connected_to(void **state)
{
    static const char *const addresses[] = { "192.0.2.9", "192.0.2.8" };
    struct fake_device *fake = *state;
    struct netc *netc = script_looking_up(fake);
    char text[ENDPOINT_TEXT_MAX];

    script_resolves(fake, fake_newest(fake->adapter), addresses, 2);
    assert_int_equal(netc->state, NETC_STATE_CONNECTING);
    script_expect_nothing(fake);
    assert_string_equal(endpoint_text(&script_sock(fake, netc)->remote, text), "192.0.2.9:80");
    script_hears(fake, netc, NET_EVENT_CONNECTED, 0);
    script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_OK);
    assert_int_equal(netc->lookup.count, 2); /* socket.remoteIP shows both */
}

static void addresses_are_tried_in_order_until_one_answers(void **state)
{
    static const char *const addresses[] = { "192.0.2.9", "192.0.2.8", "192.0.2.7" };
    struct fake_device *fake = *state;
    struct netc *netc = script_looking_up(fake);
    struct fake_sock *first;
    char text[ENDPOINT_TEXT_MAX];

    script_resolves(fake, fake_newest(fake->adapter), addresses, 3);
    first = script_sock(fake, netc);
    script_hears(fake, netc, NET_EVENT_ERROR, ECONNREFUSED);
    assert_false(first->is_open);
    fake_report(fake->adapter, first, NET_EVENT_CONNECTED, 0); /* of a socket that is gone */
    fake->adapter->connect_rc = -ENETUNREACH;
    fake->adapter->connects_to_fail = 1; /* the third can't even be tried */
    script_hears(fake, netc, NET_EVENT_REMOTE_CLOSED, 0);
    script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_FAILED);
    assert_int_equal(netc->state, NETC_STATE_CONNECTING);
    assert_int_equal(netc->sid, -1);
    assert_string_equal(endpoint_text(&fake_newest(fake->adapter)->remote, text), "192.0.2.8:80");
}

static void a_name_none_of_whose_addresses_answers_fails(void **state)
{
    static const char *const addresses[] = { "192.0.2.9", "192.0.2.8" };
    struct fake_device *fake = *state;
    struct netc *netc = script_looking_up(fake);

    script_resolves(fake, fake_newest(fake->adapter), addresses, 2);
    script_hears(fake, netc, NET_EVENT_ERROR, ECONNREFUSED);
    script_expect_nothing(fake);
    script_hears(fake, netc, NET_EVENT_ERROR, ECONNREFUSED);
    script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_FAILED);
    assert_int_equal(netc->state, NETC_STATE_CONNECTING);
    assert_int_equal(script_connect(netc, "192.0.2.9", 80), NETC_VERDICT_FAILED);
}

static void a_name_whose_addresses_cannot_be_tried_fails(void **state)
{
    static const char *const addresses[] = { "192.0.2.9", "192.0.2.8" };
    struct fake_device *fake = *state;
    struct netc *netc = script_looking_up(fake);

    fake->adapter->connect_rc = -ENETUNREACH;
    fake->adapter->connects_to_fail = 2;
    script_resolves(fake, fake_newest(fake->adapter), addresses, 2);
    script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_FAILED);
    assert_int_equal(netc->state, NETC_STATE_WAIT_DNS);
    assert_int_equal(script_connect(netc, "192.0.2.9", 80), NETC_VERDICT_PENDING);
}

static void after_a_failed_lookup_a_new_connect_needs_no_close(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_looking_up(fake);

    script_resolves(fake, fake_newest(fake->adapter), NULL, 0);
    script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_FAILED);
    assert_int_equal(netc->state, NETC_STATE_WAIT_DNS);
    assert_int_equal(script_connect(netc, "192.0.2.9", 80), NETC_VERDICT_PENDING);
    assert_int_equal(netc->state, NETC_STATE_CONNECTING);
}

/* Section 3.5: a lookup and nothing else */
static void a_name_with_port_nought_is_only_looked_up(void **state)
{
    static const char *const addresses[] = { "192.0.2.9" };
    struct fake_device *fake = *state;
    struct netc *netc = script_tcp(fake);

    assert_int_equal(script_connect(netc, "example.com", 0), NETC_VERDICT_PENDING);
    script_resolves(fake, fake_newest(fake->adapter), addresses, 1);
    script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_OK);
    assert_int_equal(netc->state, NETC_STATE_OFF_LINE);
    assert_int_equal(netc->lookup.count, 1);
    assert_false(netc_tx(netc, "x", 1, NULL).ok);
    assert_int_equal(script_connect(netc, "example.com", 80), NETC_VERDICT_PENDING);
    assert_int_equal(netc->lookup.count, 0); /* looked up anew */
}

/* D12: a module takes the older answer for the new lookup's */
static void the_answer_to_an_abandoned_lookup_comes_to_nothing(void **state)
{
    static const char *const addresses[] = { "192.0.2.66" };
    struct fake_device *fake = *state;
    struct netc *other = script_looking_up(fake), *netc = script_looking_up(fake);
    struct fake_sock *old = fake_newest(fake->adapter); /* both wait for it */

    netc_close(netc);
    assert_int_equal(script_connect(netc, "other.example", 80), NETC_VERDICT_PENDING);
    assert_int_equal(fake_open_count(fake->adapter), 2);
    script_resolves(fake, old, addresses, 1);
    assert_int_equal(netc->state, NETC_STATE_WAIT_DNS);
    assert_int_equal(netc->lookup.count, 0);
    assert_int_equal(other->state, NETC_STATE_CONNECTING);
}

/* ---- what people see ----------------------------------------------------------------------------------------- */

static void failures_are_logged_with_the_numbers_of_lwip(void **state)
{
    static const struct {
        uint32_t error;
        const char *line;
    } lines[] = {
        { ENOMEM, "error -1 (" },        { ETIMEDOUT, "error -3 (" },
        { EADDRINUSE, "error -8 (" },    { ENOTCONN, "error -11 (" },
        { ECONNABORTED, "error -13 (" }, { ECONNRESET, "error -14 (" },
        { EHOSTUNREACH, "error -4 (" },
    };
    struct fake_device *fake = *state;

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct netc *netc = script_online(fake);
        char *text;

        script_hears(fake, netc, NET_EVENT_ERROR, lines[i].error);
        text = fake_read_all(fake->log_fd);
        assert_non_null(strstr(text, lines[i].line));
        assert_non_null(strstr(text, "D/net adapter 5 socket"));
        free(text);
        netc_free(netc);
        while (msgq_take(&fake->device.msgs, &(struct msg){ 0 }))
            ;
    }
}

static void a_control_that_is_debugged_tells_what_it_does(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_online(fake);
    char *quiet = fake_read_all(fake->log_fd), *text;

    assert_null(strstr(quiet, "netc 1:"));
    netc->is_debug = true;
    script_hears(fake, netc, NET_EVENT_REMOTE_CLOSED, 0);
    text = fake_read_all(fake->log_fd);
    assert_non_null(strstr(text, "D/net netc 1: remote closed in ONLINE"));
    assert_non_null(strstr(text, "D/net netc 1: event EVENT -1"));
    free(quiet);
    free(text);
}

#define ON_DEVICE(test) \
    cmocka_unit_test_setup_teardown(test, fake_device_setup, fake_device_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DEVICE(a_new_control_is_off_in_udp_mode_and_without_a_socket),
        ON_DEVICE(there_are_no_more_controls_than_the_limit),
        ON_DEVICE(the_socket_is_opened_as_the_control_is_configured),
        ON_DEVICE(an_open_socket_must_be_closed_before_the_next_connect),
        ON_DEVICE(a_socket_that_cannot_be_opened_fails_the_connect),
        ON_DEVICE(udp_is_online_when_connect_returns),
        ON_DEVICE(udp_that_fails_at_once_is_told_so_once),
        ON_DEVICE(tcp_is_online_only_after_connect_has_returned),
        ON_DEVICE(udp_that_is_parked_takes_no_event),
        ON_DEVICE(a_name_that_is_none_fails_the_connect),
        ON_DEVICE(a_name_is_looked_up_and_its_first_address_connected_to),
        ON_DEVICE(addresses_are_tried_in_order_until_one_answers),
        ON_DEVICE(a_name_none_of_whose_addresses_answers_fails),
        ON_DEVICE(a_name_whose_addresses_cannot_be_tried_fails),
        ON_DEVICE(after_a_failed_lookup_a_new_connect_needs_no_close),
        ON_DEVICE(a_name_with_port_nought_is_only_looked_up),
        ON_DEVICE(the_answer_to_an_abandoned_lookup_comes_to_nothing),
        ON_DEVICE(failures_are_logged_with_the_numbers_of_lwip),
        ON_DEVICE(a_control_that_is_debugged_tells_what_it_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
