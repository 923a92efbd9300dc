/* The server half of netc.c: listen() and accept(). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/fake_script.h"
#include "emu/netc.h"

#include <cmocka.h>

static void a_listener_takes_its_port_from_the_configuration(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_udp(fake);

    netc_configure(netc, &(struct netc_config){ .local_port = 8080 });
    assert_int_equal(netc_listen(netc, true), NETC_VERDICT_PENDING);
    assert_int_equal(script_sock(fake, netc)->spec.local_port, 8080);
    assert_true(script_sock(fake, netc)->is_many);
}

static void listening_is_refused_where_it_cannot_be(void **state)
{
    struct fake_device *fake = *state;
    struct netc *online = script_online(fake), *netc = script_tcp(fake);

    assert_int_equal(netc_listen(script_udp(fake), false), NETC_VERDICT_FAILED);
    assert_int_equal(netc_listen(online, false), NETC_VERDICT_FAILED);
    assert_int_equal(online->state, NETC_STATE_ONLINE);
    fake->adapter->listen_rc = -EADDRINUSE;
    assert_int_equal(netc_listen(netc, false), NETC_VERDICT_FAILED);
    assert_int_equal(netc->state, NETC_STATE_OFF_LINE);
    fake->adapter->listen_rc = 0;
    fake->adapter->ops.can_accept = false;
    assert_int_equal(netc_listen(netc, true), NETC_VERDICT_FAILED);
    assert_int_equal(netc_listen(netc, false), NETC_VERDICT_PENDING);
}

static void a_waiting_listener_that_becomes_udp_fails_when_the_link_comes(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_tcp(fake);

    fake_link(fake->adapter, false);
    fake_deliver(fake);
    assert_int_equal(netc_listen(netc, false), NETC_VERDICT_PENDING);
    netc_configure(netc, &(struct netc_config){ .is_udp = true });
    fake_link(fake->adapter, true);
    fake_deliver(fake);
    script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_FAILED);
    assert_int_equal(netc->state, NETC_STATE_OFF_LINE);
    assert_int_equal(fake->adapter->socks_count, 0);
}

/* A:2274-2281 */
static void listening_again_is_done_where_one_client_is_served(void **state)
{
    struct fake_device *fake = *state;

    assert_int_equal(netc_listen(script_listening(fake, true), true), NETC_VERDICT_PENDING);
    fake->adapter->ops.can_accept = false;
    assert_int_equal(netc_listen(script_listening(fake, false), false), NETC_VERDICT_DONE);
}

/* D3: on a module nothing listens any more */
static void a_closed_listener_can_listen_again(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_listening(fake, false);

    netc_close(netc);
    assert_int_equal(netc->state, NETC_STATE_LISTEN);
    assert_int_equal(netc_listen(netc, false), NETC_VERDICT_PENDING);
    assert_true(script_sock(fake, netc)->is_listener);
    assert_true(script_sock(fake, netc)->is_open);
}

static void a_listener_for_many_reports_each_client_and_hands_it_over(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_listening(fake, true), *client;
    struct endpoint peer;
    char text[ENDPOINT_TEXT_MAX];

    assert_null(netc_accept(netc)); /* nobody there */
    assert_int_equal(fake->device.net.netcs_count, 1);
    for (uint16_t port = 1000; port < 1002; port++) {
        fake_client(fake->adapter, script_sock(fake, netc), "192.0.2.77", port);
        byteq_append(&script_sock(fake, netc)->rxq, "early", 5);
        fake_deliver(fake);
        script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_OK);
        assert_int_equal(netc->state, NETC_STATE_LISTEN);
        client = netc_accept(netc);
        assert_non_null(client);
        assert_int_equal(client->state, NETC_STATE_ONLINE);
        assert_true(netc_peer(client, &peer));
        assert_string_equal(endpoint_ip_text(&peer, text), "192.0.2.77");
        assert_int_equal(peer.port, port);
        assert_int_equal(netc_rx_len(client), 5);
        script_hears(fake, client, NET_EVENT_RX, 0);
        script_expect(fake, client, NETC_REPORT_EVENT, NETC_REPORT_OK); /* not raw: D6 */
    }
}

static void an_accepted_control_is_tcp_and_inherits_the_rest(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_tcp(fake), *client;

    netc_configure(netc,
                   &(struct netc_config){ .local_port = 80, .keepalive = true, .keep_idle_s = 9 });
    assert_int_equal(netc_listen(netc, true), NETC_VERDICT_PENDING);
    script_hears(fake, netc, NET_EVENT_LISTENING, 0);
    netc_configure(netc,
                   &(struct netc_config){
                       .local_port = 80, .is_udp = true, .keepalive = true, .keep_idle_s = 9 });
    fake_client(fake->adapter, script_sock(fake, netc), "192.0.2.77", 1000);
    fake_deliver(fake);
    client = netc_accept(netc);
    assert_non_null(client);
    assert_false(client->config.is_udp);
    assert_int_equal(client->config.local_port, 80);
    assert_int_equal(client->config.keep_idle_s, 9);
}

static void without_a_free_control_the_client_goes_on_waiting(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_listening(fake, true), *other = script_udp(fake);

    fake->device.limits.sockets = 2;
    fake_client(fake->adapter, script_sock(fake, netc), "192.0.2.77", 1000);
    fake_deliver(fake);
    script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_OK);
    assert_null(netc_accept(netc));
    netc_free(other);
    assert_non_null(netc_accept(netc));
}

static void what_cannot_accept_accepts_nobody(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_listening(fake, true);

    fake_client(fake->adapter, script_sock(fake, netc), "192.0.2.77", 1000);
    fake_deliver(fake);
    fake->adapter->ops.can_accept = false;
    script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_OK);
    assert_null(netc_accept(netc));
    fake->adapter->ops.can_accept = true;
    netc_close(netc);
    assert_null(netc_accept(netc));
    assert_null(netc_accept(script_online(fake)));
}

static void a_listener_for_one_becomes_its_client(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_listening(fake, false);
    struct endpoint peer;

    assert_false(netc_peer(netc, &peer));
    fake_client(fake->adapter, script_sock(fake, netc), "192.0.2.77", 1000);
    fake_data(fake->adapter, script_sock(fake, netc), "hello");
    fake_deliver(fake);
    script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_OK);
    script_expect(fake, netc, NETC_REPORT_EVENT, NETC_REPORT_OK);
    assert_int_equal(netc->state, NETC_STATE_ONLINE);
    assert_true(netc_peer(netc, &peer));
    assert_int_equal(peer.port, 1000);
    assert_int_equal(netc_listen(netc, false), NETC_VERDICT_FAILED); /* 3.8: still open */
    assert_int_equal(netc_disconnect(netc), NETC_VERDICT_PENDING);
    script_hears(fake, netc, NET_EVENT_CLOSED, 0);
    script_expect(fake, netc, NETC_REPORT_CLOSED, NETC_REPORT_OK);
    assert_int_equal(netc_listen(netc, false), NETC_VERDICT_PENDING);
}

/* D7: on a module bytes of the client before suppress every later TX_OK */
static void a_listener_counts_anew_for_each_client(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_listening(fake, false);

    for (int i = 0; i < 2; i++) {
        fake_client(fake->adapter, script_sock(fake, netc), "192.0.2.77", 1000);
        fake_deliver(fake);
        script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_OK);
        assert_true(netc_tx(netc, "12345", 5, NULL).ok);
        if (i == 0) { /* the first one never acknowledges */
            netc_close(netc);
            assert_int_equal(netc_listen(netc, false), NETC_VERDICT_PENDING);
            script_hears(fake, netc, NET_EVENT_LISTENING, 0);
        }
    }
    script_hears(fake, netc, NET_EVENT_TX_ACKED, 5);
    script_expect(fake, netc, NETC_REPORT_TX_OK, NETC_REPORT_OK);
}

/* D6: a module's listener reports no other client */
static void a_client_that_is_split_off_frees_its_listener(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_listening(fake, false), *client;

    for (int i = 0; i < 2; i++) {
        fake_client(fake->adapter, script_sock(fake, netc), "192.0.2.77", 1000);
        fake_deliver(fake);
        script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_OK);
        assert_true(netc_tx(netc, "12345", 5, NULL).ok);
        client = netc_accept(netc);
        assert_non_null(client);
        assert_int_equal(client->state, NETC_STATE_ONLINE);
        assert_int_equal(netc->state, NETC_STATE_LISTEN);
        assert_int_equal(netc->tx_size, 0);
    }
    script_hears(fake, client, NET_EVENT_REMOTE_CLOSED, 0);
    script_expect(fake, client, NETC_REPORT_EVENT, NETC_REPORT_FAILED);
    script_hears(fake, netc, NET_EVENT_ERROR, EBADF);
    script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_FAILED);
}

#define ON_DEVICE(test) \
    cmocka_unit_test_setup_teardown(test, fake_device_setup, fake_device_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DEVICE(a_listener_takes_its_port_from_the_configuration),
        ON_DEVICE(listening_is_refused_where_it_cannot_be),
        ON_DEVICE(a_waiting_listener_that_becomes_udp_fails_when_the_link_comes),
        ON_DEVICE(listening_again_is_done_where_one_client_is_served),
        ON_DEVICE(a_closed_listener_can_listen_again),
        ON_DEVICE(a_listener_for_many_reports_each_client_and_hands_it_over),
        ON_DEVICE(an_accepted_control_is_tcp_and_inherits_the_rest),
        ON_DEVICE(without_a_free_control_the_client_goes_on_waiting),
        ON_DEVICE(what_cannot_accept_accepts_nobody),
        ON_DEVICE(a_listener_for_one_becomes_its_client),
        ON_DEVICE(a_listener_counts_anew_for_each_client),
        ON_DEVICE(a_client_that_is_split_off_frees_its_listener),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
