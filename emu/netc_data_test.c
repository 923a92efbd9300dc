/* netc_data.c: what goes through a socket control. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "emu/fake_script.h"

#include <cmocka.h>

/* socket.tx's results: success, full, acked */
#define FAILED 0, 1, 0
#define TAKEN  1, 0, 0
#define FULL   1, 1, 1

static void assert_sent(struct netc_sent sent, int ok, int full, int acked)
{
    assert_int_equal(sent.ok, ok);
    assert_int_equal(sent.full, full);
    assert_int_equal(sent.acked, acked);
}

static struct netc_sent send_text(struct netc *netc, const char *text)
{
    return netc_tx(netc, text, strlen(text), NULL);
}

static void assert_reads(struct netc *netc, size_t cap, const char *expected)
{
    char data[64];

    assert_true(cap <= sizeof(data));
    assert_int_equal(netc_rx(netc, data, cap, NULL), strlen(expected));
    assert_memory_equal(data, expected, strlen(expected));
}

/* ---- sending -------------------------------------------------------------------------------- */

static void only_who_is_online_can_send(void **state)
{
    struct fake_device *fake = *state;
    struct netc *broken = script_online(fake);

    assert_sent(send_text(script_tcp(fake), "x"), FAILED);
    assert_sent(send_text(script_connecting(fake), "x"), FAILED);
    assert_sent(send_text(script_listening(fake, true), "x"), FAILED);
    script_hears(fake, broken, NET_EVENT_REMOTE_CLOSED, 0);
    assert_sent(send_text(broken, "x"), FAILED);
    assert_sent(send_text(broken, ""), FAILED);
}

static void sent_bytes_reach_the_adapter_as_they_are(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_online(fake);

    assert_sent(netc_tx(netc, "a\0b", 3, NULL), TAKEN);
    assert_sent(send_text(netc, "c"), TAKEN);
    assert_int_equal(script_sock(fake, netc)->sent_len, 4);
    assert_memory_equal(script_sock(fake, netc)->sent, "a\0bc", 4);
}

/* Q6, A:888-917: [O] three tx, one TX_OK */
static void one_tx_ok_comes_when_all_is_acknowledged(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_online(fake);

    for (int i = 0; i < 3; i++)
        assert_sent(send_text(netc, "1234"), TAKEN);
    script_hears(fake, netc, NET_EVENT_TX_ACKED, 11);
    script_expect_nothing(fake);
    script_hears(fake, netc, NET_EVENT_TX_ACKED, 1);
    script_expect(fake, netc, NETC_REPORT_TX_OK, NETC_REPORT_OK);
    script_expect_nothing(fake);
    assert_sent(send_text(netc, "1"), TAKEN);
    script_hears(fake, netc, NET_EVENT_TX_ACKED, 1);
    script_expect(fake, netc, NETC_REPORT_TX_OK, NETC_REPORT_OK);
}

/* A:2709 */
static void waiting_for_data_cancels_tx_ok(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_online(fake);

    assert_sent(send_text(netc, "1234"), TAKEN);
    assert_int_equal(netc_wait(netc), NETC_VERDICT_PENDING);
    script_hears(fake, netc, NET_EVENT_TX_ACKED, 4);
    script_expect_nothing(fake);
}

static void data_that_comes_before_tx_ok_does_not_take_its_place(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_online(fake);

    assert_sent(send_text(netc, "1234"), TAKEN);
    fake_data(fake->adapter, script_sock(fake, netc), "echo");
    fake_deliver(fake);
    script_expect(fake, netc, NETC_REPORT_EVENT, NETC_REPORT_OK);
    script_hears(fake, netc, NET_EVENT_TX_ACKED, 4);
    script_expect(fake, netc, NETC_REPORT_TX_OK, NETC_REPORT_OK);
}

/* libnet.tx("") on a module waits for ever */
static void sending_nothing_over_tcp_succeeds_and_reports_nothing(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_online(fake);

    assert_sent(send_text(netc, ""), TAKEN);
    fake_deliver(fake);
    script_expect_nothing(fake);
    assert_int_equal(script_sock(fake, netc)->sends, 0);
}

static void a_send_that_fails_breaks_the_connection(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_online(fake);

    fake->adapter->send_rc = -EPIPE;
    assert_sent(send_text(netc, "x"), FAILED);
    fake->adapter->send_rc = 0;
    assert_sent(send_text(netc, "x"), FAILED);
    script_hears(fake, netc, NET_EVENT_RX, 0);
    script_expect(fake, netc, NETC_REPORT_EVENT, NETC_REPORT_FAILED);
}

static void beyond_the_send_buffer_the_socket_is_full_until_tx_ok(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_online(fake);

    fake->device.limits.send_buffer = 8;
    assert_sent(send_text(netc, "1234567"), TAKEN);
    assert_sent(send_text(netc, "8"), TAKEN);
    script_sock(fake, netc)->unacked = 8;
    assert_sent(send_text(netc, "9"), FULL);
    assert_int_equal(script_sock(fake, netc)->sent_len, 8);
    script_hears(fake, netc, NET_EVENT_TX_ACKED, 8);
    script_expect(fake, netc, NETC_REPORT_TX_OK, NETC_REPORT_OK);
    assert_sent(send_text(netc, "9"), TAKEN);
}

/* Reports of acknowledgements come late; what the stack knows counts. */
static void a_socket_is_not_full_when_the_stack_knows_better(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_online(fake);

    fake->device.limits.send_buffer = 8;
    assert_sent(send_text(netc, "12345678"), TAKEN);
    script_sock(fake, netc)->unacked = 7;
    assert_sent(send_text(netc, "9"), TAKEN);
}

/* ---- receiving ------------------------------------------------------------------------------ */

static void only_who_is_online_can_receive(void **state)
{
    struct fake_device *fake = *state;
    struct netc *connecting = script_connecting(fake);
    char data[4];

    assert_int_equal(netc_rx_len(connecting), -1);
    assert_int_equal(netc_rx(connecting, data, sizeof(data), NULL), -1);
    assert_int_equal(netc_wait(connecting), NETC_VERDICT_FAILED);
    assert_int_equal(netc_rx_len(script_tcp(fake)), -1);
}

static void every_segment_is_announced_and_read_in_pieces(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_online(fake);

    assert_int_equal(netc_rx_len(netc), 0);
    fake_data(fake->adapter, script_sock(fake, netc), "hello ");
    fake_data(fake->adapter, script_sock(fake, netc), "world");
    fake_deliver(fake);
    script_expect(fake, netc, NETC_REPORT_EVENT, NETC_REPORT_OK);
    script_expect(fake, netc, NETC_REPORT_EVENT, NETC_REPORT_OK);
    assert_int_equal(netc_rx_len(netc), 11);
    assert_reads(netc, 4, "hell");
    assert_int_equal(netc_rx_len(netc), 7);
    assert_reads(netc, 64, "o world");
    assert_reads(netc, 64, "");
    assert_int_equal(netc_rx_len(netc), 0);
}

/* Q7, A:1067-1077: [O] a TX ack after wait */
static void unread_data_is_announced_again_with_whatever_else_happens(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_online(fake);

    assert_sent(send_text(netc, "1234"), TAKEN);
    fake_data(fake->adapter, script_sock(fake, netc), "x");
    fake_deliver(fake);
    script_expect(fake, netc, NETC_REPORT_EVENT, NETC_REPORT_OK);
    script_hears(fake, netc, NET_EVENT_TX_ACKED, 2);
    script_expect(fake, netc, NETC_REPORT_EVENT, NETC_REPORT_OK);
    assert_reads(netc, 64, "x");
    script_hears(fake, netc, NET_EVENT_TX_ACKED, 1);
    script_expect_nothing(fake);
}

static void wait_says_whether_data_is_there(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_online(fake);

    assert_int_equal(netc_wait(netc), NETC_VERDICT_PENDING);
    fake_data(fake->adapter, script_sock(fake, netc), "x");
    fake_deliver(fake);
    script_expect(fake, netc, NETC_REPORT_EVENT, NETC_REPORT_OK);
    assert_int_equal(netc_wait(netc), NETC_VERDICT_DONE);
    assert_int_equal(netc_rx_len(netc), 1); /* a look leaves it there */
    assert_int_equal(netc_wait(netc), NETC_VERDICT_DONE);
    assert_reads(netc, 64, "x");
    assert_int_equal(netc_wait(netc), NETC_VERDICT_PENDING);
}

/* D4: a module loses all but what the first read takes */
static void after_the_peer_has_closed_everything_it_sent_can_be_read(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_online(fake);
    struct fake_sock *sock = script_sock(fake, netc);
    char data[4];

    fake_data(fake->adapter, sock, "0123456789");
    fake_report(fake->adapter, sock, NET_EVENT_REMOTE_CLOSED, 0);
    sock->is_over = true;
    fake_deliver(fake);
    script_expect(fake, netc, NETC_REPORT_EVENT, NETC_REPORT_OK);
    script_expect(fake, netc, NETC_REPORT_EVENT, NETC_REPORT_FAILED);
    assert_int_equal(netc_wait(netc), NETC_VERDICT_DONE);
    assert_reads(netc, 4, "0123");
    assert_int_equal(netc_wait(netc), NETC_VERDICT_DONE);
    assert_int_equal(netc_rx_len(netc), 6);
    assert_reads(netc, 64, "456789");
    assert_int_equal(netc_rx_len(netc), -1);
    assert_int_equal(netc_rx(netc, data, sizeof(data), NULL), -1);
    assert_int_equal(netc_wait(netc), NETC_VERDICT_FAILED);
}

/* ---- datagrams ---------------------------------------------------------------------------------- */

static void set_peer(struct endpoint *ep, const char *ip, uint16_t port)
{
    *ep = (struct endpoint){ .port = port };
    assert_true(endpoint_set_text(ep, ip));
}

static void a_datagram_goes_to_the_peer_or_where_it_is_told(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_udp_online(fake);
    const struct fake_sock *sock = script_sock(fake, netc);
    struct endpoint to;

    set_peer(&to, "192.0.2.77", 7);
    assert_sent(send_text(netc, "a"), TAKEN);
    assert_int_equal(sock->sent_to.family, IP_FAMILY_NONE);
    assert_sent(netc_tx(netc, "b", 1, &to), TAKEN);
    assert_true(endpoint_same_ip(&sock->sent_to, &to));
    assert_int_equal(sock->sent_to.port, 7);
    script_hears(fake, netc, NET_EVENT_TX_ACKED, 1);
    script_hears(fake, netc, NET_EVENT_TX_ACKED, 1);
    script_expect(fake, netc, NETC_REPORT_TX_OK, NETC_REPORT_OK);
}

static void an_empty_datagram_is_sent(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_udp_online(fake);

    assert_sent(send_text(netc, ""), TAKEN);
    assert_int_equal(script_sock(fake, netc)->sends, 1);
    script_hears(fake, netc, NET_EVENT_TX_ACKED, 0);
    script_expect(fake, netc, NETC_REPORT_TX_OK, NETC_REPORT_OK);
}

static void a_datagram_for_which_there_is_no_room_can_be_sent_after_tx_ok(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_udp_online(fake);

    fake->adapter->send_rc = -EAGAIN;
    assert_sent(send_text(netc, "x"), FULL);
    fake->adapter->send_rc = 0;
    script_hears(fake, netc, NET_EVENT_TX_ACKED, 0);
    script_expect(fake, netc, NETC_REPORT_TX_OK, NETC_REPORT_OK);
    assert_sent(send_text(netc, "x"), TAKEN);
}

/* Q8: testcase utest socket_udp_limit_basic */
static void each_read_takes_one_datagram_and_drops_its_tail(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_udp_online(fake);
    struct fake_sock *sock = script_sock(fake, netc);
    struct endpoint peers[3], from;
    char data[16];

    for (uint16_t i = 0; i < 3; i++) {
        set_peer(&peers[i], "192.0.2.9", (uint16_t)(53 + i));
        fake_datagram(fake->adapter, sock, "datagram", (size_t)(8 - i), &peers[i]);
    }
    fake_deliver(fake);
    for (int i = 0; i < 3; i++)
        script_expect(fake, netc, NETC_REPORT_EVENT, NETC_REPORT_OK);
    assert_int_equal(netc_rx_len(netc), 8); /* of the first one only */
    assert_int_equal(netc_rx(netc, data, 4, &from), 4);
    assert_int_equal(from.port, 53);
    assert_int_equal(netc_rx_len(netc), 7);
    assert_int_equal(netc_rx(netc, data, 0, &from), 0);
    assert_int_equal(netc_rx_len(netc), 6);
    assert_int_equal(netc_rx(netc, data, sizeof(data), &from), 6);
    assert_int_equal(from.port, 55);
    assert_int_equal(netc_rx_len(netc), 0);
    assert_int_equal(netc_rx(netc, data, sizeof(data), &from), 0);
}

static void an_adapter_may_keep_the_head_of_a_datagram_only(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_udp_online(fake);
    struct fake_sock *sock = script_sock(fake, netc);
    struct endpoint peer, from;
    char data[16];

    set_peer(&peer, "192.0.2.9", 53);
    netc->adapter->limits.datagram = 5;
    fake_datagram(fake->adapter, sock, "datagram", 8, &peer);
    fake_datagram(fake->adapter, sock, "four", 4, &peer);
    fake_deliver(fake);
    for (int i = 0; i < 2; i++)
        script_expect(fake, netc, NETC_REPORT_EVENT, NETC_REPORT_OK);
    assert_int_equal(netc_rx_len(netc), 5);
    assert_int_equal(netc_rx(netc, data, sizeof(data), &from), 5);
    assert_memory_equal(data, "datag", 5);
    assert_int_equal(netc_rx_len(netc), 4);
    assert_int_equal(netc_rx(netc, data, sizeof(data), &from), 4);
    assert_int_equal(netc_rx_len(netc), 0);
}

static void an_empty_datagram_does_not_block_those_behind_it(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_udp_online(fake);
    struct fake_sock *sock = script_sock(fake, netc);

    fake_datagram(fake->adapter, sock, "", 0, NULL);
    fake_datagram(fake->adapter, sock, "x", 1, NULL);
    fake_deliver(fake);
    assert_int_equal(netc_rx_len(netc), 0);
    assert_int_equal(netc_rx_len(netc), 1);
    assert_reads(netc, 64, "x");
}

#define ON_DEVICE(test) \
    cmocka_unit_test_setup_teardown(test, fake_device_setup, fake_device_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DEVICE(only_who_is_online_can_send),
        ON_DEVICE(sent_bytes_reach_the_adapter_as_they_are),
        ON_DEVICE(one_tx_ok_comes_when_all_is_acknowledged),
        ON_DEVICE(waiting_for_data_cancels_tx_ok),
        ON_DEVICE(data_that_comes_before_tx_ok_does_not_take_its_place),
        ON_DEVICE(sending_nothing_over_tcp_succeeds_and_reports_nothing),
        ON_DEVICE(a_send_that_fails_breaks_the_connection),
        ON_DEVICE(beyond_the_send_buffer_the_socket_is_full_until_tx_ok),
        ON_DEVICE(a_socket_is_not_full_when_the_stack_knows_better),
        ON_DEVICE(only_who_is_online_can_receive),
        ON_DEVICE(every_segment_is_announced_and_read_in_pieces),
        ON_DEVICE(unread_data_is_announced_again_with_whatever_else_happens),
        ON_DEVICE(wait_says_whether_data_is_there),
        ON_DEVICE(after_the_peer_has_closed_everything_it_sent_can_be_read),
        ON_DEVICE(a_datagram_goes_to_the_peer_or_where_it_is_told),
        ON_DEVICE(an_empty_datagram_is_sent),
        ON_DEVICE(a_datagram_for_which_there_is_no_room_can_be_sent_after_tx_ok),
        ON_DEVICE(each_read_takes_one_datagram_and_drops_its_tail),
        ON_DEVICE(an_adapter_may_keep_the_head_of_a_datagram_only),
        ON_DEVICE(an_empty_datagram_does_not_block_those_behind_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
