/* The link and the socket controls: what waits for it, and what its loss breaks. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/fake_script.h"
#include "emu/netc.h"

#include <cmocka.h>

static void link_goes(struct fake_device *fake, bool up)
{
    fake_link(fake->adapter, up);
    fake_deliver(fake);
}

static void a_connect_without_link_waits_for_it(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_tcp(fake);

    link_goes(fake, false);
    assert_int_equal(script_connect(netc, "192.0.2.9", 80), NETC_VERDICT_PENDING);
    assert_int_equal(netc->state, NETC_STATE_LINK_OFF);
    assert_false(netc_has_socket(netc));
    link_goes(fake, true);
    assert_int_equal(netc->state, NETC_STATE_CONNECTING);
    script_expect_nothing(fake);
    script_hears(fake, netc, NET_EVENT_CONNECTED, 0);
    script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_OK);
}

static void a_waiting_connect_can_be_called_off(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_tcp(fake);

    link_goes(fake, false);
    assert_int_equal(script_connect(netc, "192.0.2.9", 80), NETC_VERDICT_PENDING);
    assert_int_equal(netc_disconnect(netc), NETC_VERDICT_DONE);
    assert_int_equal(netc->state, NETC_STATE_OFF_LINE);
    link_goes(fake, true);
    assert_int_equal(netc->state, NETC_STATE_OFF_LINE);
    script_expect_nothing(fake);
}

static void a_waiting_connect_that_cannot_begin_fails_when_the_link_comes(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_tcp(fake);

    link_goes(fake, false);
    assert_int_equal(script_connect(netc, "192.0.2.9", 80), NETC_VERDICT_PENDING);
    fake->adapter->connect_rc = -EADDRINUSE;
    fake->adapter->connects_to_fail = 1;
    link_goes(fake, true);
    script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_FAILED);
    assert_int_equal(netc->state, NETC_STATE_OFF_LINE);
}

static void names_and_listeners_wait_for_the_link_too(void **state)
{
    struct fake_device *fake = *state;
    struct netc *client = script_tcp(fake), *server = script_tcp(fake);

    link_goes(fake, false);
    assert_int_equal(script_connect(client, "example.com", 80), NETC_VERDICT_PENDING);
    assert_int_equal(netc_listen(server, false), NETC_VERDICT_PENDING);
    assert_int_equal(fake->adapter->socks_count, 0);
    link_goes(fake, true);
    assert_int_equal(client->state, NETC_STATE_WAIT_DNS);
    assert_int_equal(server->state, NETC_STATE_CONNECTING);
    assert_true(script_sock(fake, server)->is_listener);
    script_expect_nothing(fake);
}

static void linkup_is_done_when_the_link_is_there(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_tcp(fake);

    assert_int_equal(netc_linkup(netc), NETC_VERDICT_DONE);
    assert_int_equal(netc->state, NETC_STATE_OFF_LINE);
    link_goes(fake, false);
    assert_int_equal(netc_linkup(netc), NETC_VERDICT_PENDING);
    assert_int_equal(netc->state, NETC_STATE_LINK_OFF);
    link_goes(fake, true);
    script_expect(fake, netc, NETC_REPORT_LINK, NETC_REPORT_OK);
    assert_int_equal(netc->state, NETC_STATE_OFF_LINE);
}

/* D2: a module breaks it */
static void linkup_leaves_what_is_open_alone(void **state)
{
    struct fake_device *fake = *state;
    struct netc *online = script_online(fake), *waiting = script_looking_up(fake);

    assert_int_equal(netc_linkup(online), NETC_VERDICT_DONE);
    assert_int_equal(online->state, NETC_STATE_ONLINE);
    assert_true(netc_tx(online, "x", 1, NULL).ok);
    assert_int_equal(netc_linkup(waiting), NETC_VERDICT_DONE);
    assert_int_equal(waiting->state, NETC_STATE_WAIT_DNS);
    script_resolves(fake, fake_newest(fake->adapter), NULL, 0);
    script_expect(fake, waiting, NETC_REPORT_ON_LINE, NETC_REPORT_FAILED);
    assert_int_equal(netc_linkup(waiting), NETC_VERDICT_DONE);
    assert_int_equal(waiting->state, NETC_STATE_OFF_LINE);
}

/* D5: a module gives up */
static void a_link_that_comes_twice_disturbs_nothing(void **state)
{
    struct fake_device *fake = *state;
    struct netc *waiting = script_looking_up(fake), *connecting = script_connecting(fake);
    const struct net_event up = { .type = NET_EVENT_LINK_UP };

    netc_handle(waiting, &up);
    netc_handle(connecting, &up);
    script_expect_nothing(fake);
    script_hears(fake, connecting, NET_EVENT_CONNECTED, 0);
    script_expect(fake, connecting, NETC_REPORT_ON_LINE, NETC_REPORT_OK);
}

static void the_link_takes_a_running_lookup_with_it(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_looking_up(fake);

    link_goes(fake, false);
    script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_FAILED);
    assert_int_equal(fake_open_count(fake->adapter), 0);
    assert_int_equal(net_active(&fake->device.net), 0);
}

#define ON_DEVICE(test) \
    cmocka_unit_test_setup_teardown(test, fake_device_setup, fake_device_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DEVICE(a_connect_without_link_waits_for_it),
        ON_DEVICE(a_waiting_connect_can_be_called_off),
        ON_DEVICE(a_waiting_connect_that_cannot_begin_fails_when_the_link_comes),
        ON_DEVICE(names_and_listeners_wait_for_the_link_too),
        ON_DEVICE(linkup_is_done_when_the_link_is_there),
        ON_DEVICE(linkup_leaves_what_is_open_alone),
        ON_DEVICE(a_link_that_comes_twice_disturbs_nothing),
        ON_DEVICE(the_link_takes_a_running_lookup_with_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
