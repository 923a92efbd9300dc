#include "emu/netc.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "emu/dns_msg.h"
#include "emu/fake_device.h"
#include "emu/fake_script.h"
#include "emu/util.h"

#include <cmocka.h>

/* LuatOS luat_network_adapter.c is A, its line numbers those of commit f9601cc12. */

/* ---- which states follow which ---------------------------------------------------------------- */

/* Filled from every test's trace; looked at by the last test. */
static bool reached[NETC_STATE_COUNT][NETC_STATE_COUNT];

static enum netc_state state_by_name(const char *name)
{
    for (int state = 0; state < NETC_STATE_COUNT; state++) {
        if (strcmp(netc_state_name((enum netc_state)state), name) == 0)
            return (enum netc_state)state;
    }
    fail_msg("no state %s", name);
    return NETC_STATE_LINK_OFF;
}

static void note_transition(const char *line)
{
    json_t *object = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
    const char *kind, *from, *to;

    assert_non_null(object);
    kind = json_string_value(json_object_get(object, "kind"));
    if (strcmp(kind, "netc.state") == 0) {
        from = json_string_value(json_object_get(object, "from"));
        to = json_string_value(json_object_get(object, "to"));
        assert_string_not_equal(from, to);
        reached[state_by_name(from)][state_by_name(to)] = true;
    }
    json_decref(object);
}

static int teardown(void **state)
{
    struct fake_device *fake = *state;
    char *text = fake_read_all(fake->trace_fd);

    for (const char *line = text; line && *line; line = strchr(line, '\n') + 1)
        note_transition(line);
    free(text);
    return fake_device_teardown(state);
}

/* By the numbers of socket.state. A closed control begins anew from its last state. */
static const char *const may_become[] = {
    [NETC_STATE_LINK_OFF] = "0123",   [NETC_STATE_OFF_LINE] = "0123",
    [NETC_STATE_WAIT_DNS] = "0123",   [NETC_STATE_CONNECTING] = "0123456",
    [NETC_STATE_SHAKEHAND] = "01235", [NETC_STATE_ONLINE] = "012367",
    [NETC_STATE_LISTEN] = "01235",    [NETC_STATE_DISCONNECTING] = "0123",
};

static void only_the_transitions_of_the_drawing_are_allowed(void **state)
{
    (void)state;
    for (int from = 0; from < NETC_STATE_COUNT; from++) {
        for (int to = 0; to < NETC_STATE_COUNT; to++) {
            bool expected = strchr(may_become[from], '0' + to) != NULL;

            if (netc_state_may_become((enum netc_state)from, (enum netc_state)to) != expected)
                fail_msg("%d -> %d", from, to);
        }
    }
}

/* The last test. */
static void every_transition_that_is_allowed_was_taken_by_some_test(void **state)
{
    (void)state;
    for (int from = 0; from < NETC_STATE_COUNT; from++) {
        for (int to = 0; to < NETC_STATE_COUNT; to++) {
            bool allowed = netc_state_may_become((enum netc_state)from, (enum netc_state)to);

            if (from != to && reached[from][to] != allowed)
                fail_msg("%d -> %d is allowed, and no test takes it", from, to);
        }
    }
}

static void states_have_the_names_that_scripts_see(void **state)
{
    (void)state;
    assert_string_equal(netc_state_chinese(NETC_STATE_LINK_OFF), "硬件离线");
    assert_string_equal(netc_state_chinese(NETC_STATE_OFF_LINE), "离线");
    assert_string_equal(netc_state_chinese(NETC_STATE_WAIT_DNS), "等待DNS");
    assert_string_equal(netc_state_chinese(NETC_STATE_CONNECTING), "正在连接");
    assert_string_equal(netc_state_chinese(NETC_STATE_SHAKEHAND), "正在TLS握手");
    assert_string_equal(netc_state_chinese(NETC_STATE_ONLINE), "在线");
    assert_string_equal(netc_state_chinese(NETC_STATE_LISTEN), "在监听");
    assert_string_equal(netc_state_chinese(NETC_STATE_DISCONNECTING), "正在离线");
}

/* ---- what each state makes of each event (A:577-1101) ------------------------------------------ */

static void link_goes(struct fake_device *fake, bool up)
{
    fake_link(fake->adapter, up);
    fake_deliver(fake);
}

static struct netc *be_parked(struct fake_device *fake)
{
    struct netc *netc = script_tcp(fake);

    fake->adapter->base.is_ready = false;
    assert_int_equal(script_connect(netc, "192.0.2.9", 80), NETC_VERDICT_PENDING);
    fake->adapter->base.is_ready = true; /* for the event that is to come */
    return netc;
}

static struct netc *be_awaiting_the_link(struct fake_device *fake)
{
    struct netc *netc = script_tcp(fake);

    fake->adapter->base.is_ready = false;
    assert_int_equal(netc_linkup(netc), NETC_VERDICT_PENDING);
    fake->adapter->base.is_ready = true;
    return netc;
}

static struct netc *be_off_line(struct fake_device *fake)
{
    struct netc *netc = script_tcp(fake);

    assert_int_equal(netc_linkup(netc), NETC_VERDICT_DONE);
    return netc;
}

#define PSK    "sixteen bytes k."
#define PSK_ID "device-1"

static struct netc *be_shaking_hands(struct fake_device *fake)
{
    const struct tls_config config = { .psk = { PSK, sizeof(PSK) - 1 },
                                       .psk_id = { PSK_ID, sizeof(PSK_ID) - 1 } };
    struct netc *netc = script_tcp(fake);
    char why[TLS_WHY_MAX];

    assert_int_equal(netc_use_tls(netc, &config, why), TLS_PROBLEM_NONE);
    assert_int_equal(script_connect(netc, "192.0.2.9", 443), NETC_VERDICT_PENDING);
    script_hears(fake, netc, NET_EVENT_CONNECTED, 0);
    script_expect_nothing(fake);
    assert_true(script_sock(fake, netc)->sent_len > 0); /* the client begins */
    return netc;
}

static struct netc *be_sending(struct fake_device *fake)
{
    struct netc *netc = script_online(fake);

    assert_true(netc_tx(netc, "12345", 5, NULL).ok);
    return netc;
}

static struct netc *be_awaiting_data(struct fake_device *fake)
{
    struct netc *netc = script_online(fake);

    assert_int_equal(netc_wait(netc), NETC_VERDICT_PENDING);
    return netc;
}

static struct netc *be_serving_one(struct fake_device *fake)
{
    return script_listening(fake, false);
}

static struct netc *be_serving_many(struct fake_device *fake)
{
    return script_listening(fake, true);
}

static struct netc *be_leaving(struct fake_device *fake)
{
    struct netc *netc = script_online(fake);

    assert_int_equal(netc_disconnect(netc), NETC_VERDICT_PENDING);
    return netc;
}

enum effect { NOTHING, LINK, ON_LINE, TX_OK, CLOSED, EVENT };

#define ACKED_LEN 5 /* of every NET_EVENT_TX_ACKED below */

/* Events that a row does not name change nothing and report nothing. */
static const struct row {
    struct netc *(*be)(struct fake_device *fake);
    enum netc_state state;
    struct {
        enum net_event_type event;
        enum effect effect;
        int param;
        enum netc_state next;
    } on[8];
} rows[] = {
    { be_parked,
      NETC_STATE_LINK_OFF,
      { { NET_EVENT_LINK_UP, NOTHING, 0, NETC_STATE_CONNECTING } } },
    { be_awaiting_the_link,
      NETC_STATE_LINK_OFF,
      { { NET_EVENT_LINK_UP, LINK, 0, NETC_STATE_OFF_LINE } } },
    { be_off_line, NETC_STATE_OFF_LINE, { { 0 } } },
    { script_looking_up,
      NETC_STATE_WAIT_DNS,
      { { NET_EVENT_LINK_DOWN, ON_LINE, -1, NETC_STATE_WAIT_DNS },
        { NET_EVENT_DNS_DONE, ON_LINE, -1, NETC_STATE_WAIT_DNS } } }, /* without an address */
    { script_connecting,
      NETC_STATE_CONNECTING,
      { { NET_EVENT_CONNECTED, ON_LINE, 0, NETC_STATE_ONLINE },
        { NET_EVENT_LISTENING, NOTHING, 0, NETC_STATE_LISTEN },
        { NET_EVENT_ERROR, ON_LINE, -1, NETC_STATE_CONNECTING },
        { NET_EVENT_REMOTE_CLOSED, ON_LINE, -1, NETC_STATE_CONNECTING },
        { NET_EVENT_CLOSED, ON_LINE, -1, NETC_STATE_CONNECTING },
        { NET_EVENT_LINK_DOWN, ON_LINE, -1, NETC_STATE_CONNECTING } } },
    { be_shaking_hands,
      NETC_STATE_SHAKEHAND,
      { { NET_EVENT_ERROR, ON_LINE, -1, NETC_STATE_SHAKEHAND },
        { NET_EVENT_REMOTE_CLOSED, ON_LINE, -1, NETC_STATE_SHAKEHAND },
        { NET_EVENT_CLOSED, ON_LINE, -1, NETC_STATE_SHAKEHAND },
        { NET_EVENT_LINK_DOWN, ON_LINE, -1, NETC_STATE_SHAKEHAND } } },
    { script_online,
      NETC_STATE_ONLINE,
      { { NET_EVENT_RX, EVENT, 0, NETC_STATE_ONLINE },
        { NET_EVENT_ERROR, EVENT, -1, NETC_STATE_ONLINE },
        { NET_EVENT_REMOTE_CLOSED, EVENT, -1, NETC_STATE_ONLINE },
        { NET_EVENT_CLOSED, EVENT, -1, NETC_STATE_ONLINE },
        { NET_EVENT_LINK_DOWN, EVENT, -1, NETC_STATE_ONLINE } } },
    { be_sending,
      NETC_STATE_ONLINE,
      { { NET_EVENT_RX, EVENT, 0, NETC_STATE_ONLINE },
        { NET_EVENT_TX_ACKED, TX_OK, 0, NETC_STATE_ONLINE },
        { NET_EVENT_ERROR, TX_OK, -1, NETC_STATE_ONLINE },
        { NET_EVENT_REMOTE_CLOSED, TX_OK, -1, NETC_STATE_ONLINE },
        { NET_EVENT_CLOSED, TX_OK, -1, NETC_STATE_ONLINE },
        { NET_EVENT_LINK_DOWN, TX_OK, -1, NETC_STATE_ONLINE } } },
    { be_awaiting_data,
      NETC_STATE_ONLINE,
      { { NET_EVENT_RX, EVENT, 0, NETC_STATE_ONLINE },
        { NET_EVENT_ERROR, EVENT, -1, NETC_STATE_ONLINE },
        { NET_EVENT_REMOTE_CLOSED, EVENT, -1, NETC_STATE_ONLINE },
        { NET_EVENT_CLOSED, EVENT, -1, NETC_STATE_ONLINE },
        { NET_EVENT_LINK_DOWN, EVENT, -1, NETC_STATE_ONLINE } } },
    { be_serving_one,
      NETC_STATE_LISTEN,
      { { NET_EVENT_CLIENT, ON_LINE, 0, NETC_STATE_ONLINE },
        { NET_EVENT_ERROR, ON_LINE, -1, NETC_STATE_LISTEN },
        { NET_EVENT_REMOTE_CLOSED, ON_LINE, -1, NETC_STATE_LISTEN },
        { NET_EVENT_CLOSED, ON_LINE, -1, NETC_STATE_LISTEN },
        { NET_EVENT_LINK_DOWN, ON_LINE, -1, NETC_STATE_LISTEN } } },
    { be_serving_many,
      NETC_STATE_LISTEN,
      { { NET_EVENT_CLIENT, ON_LINE, 0, NETC_STATE_LISTEN },
        { NET_EVENT_ERROR, ON_LINE, -1, NETC_STATE_LISTEN },
        { NET_EVENT_REMOTE_CLOSED, ON_LINE, -1, NETC_STATE_LISTEN },
        { NET_EVENT_CLOSED, ON_LINE, -1, NETC_STATE_LISTEN },
        { NET_EVENT_LINK_DOWN, ON_LINE, -1, NETC_STATE_LISTEN } } },
    { be_leaving,
      NETC_STATE_DISCONNECTING,
      { { NET_EVENT_CLOSED, CLOSED, 0, NETC_STATE_OFF_LINE },
        { NET_EVENT_REMOTE_CLOSED, CLOSED, 0, NETC_STATE_OFF_LINE },
        { NET_EVENT_ERROR, CLOSED, 0, NETC_STATE_OFF_LINE },
        { NET_EVENT_LINK_DOWN, CLOSED, -1, NETC_STATE_DISCONNECTING },
        { NET_EVENT_LINK_UP, CLOSED, -1, NETC_STATE_OFF_LINE } } },
};

/* Without a socket nobody can report these. */
static bool cannot_come(enum netc_state state, enum net_event_type event)
{
    return state == NETC_STATE_WAIT_DNS && event >= NET_EVENT_CONNECTED;
}

static void assert_row(struct fake_device *fake, const struct row *row, enum net_event_type event)
{
    const struct net_event report = { .type = event, .arg = ACKED_LEN };
    enum netc_report effect = NETC_REPORT_EVENT;
    enum netc_state next = row->state;
    bool is_told = false;
    int param = 0;
    struct netc *netc = row->be(fake);

    for (size_t i = 0; i < sizeof(row->on) / sizeof(row->on[0]); i++) {
        /* a row ends with { 0 }, which is LINK_UP without effect in LINK_OFF */
        bool is_end = !row->on[i].effect && !row->on[i].next;

        if (is_end || row->on[i].event != event)
            continue;
        is_told = row->on[i].effect != NOTHING;
        effect = (enum netc_report)row->on[i].effect;
        param = row->on[i].param;
        next = row->on[i].next;
    }
    assert_int_equal(netc->state, row->state);
    netc_handle(netc, &report);
    if (netc->state != next)
        fail_msg("event %d in state %d: %d, not %d", event, row->state, netc->state, next);
    if (is_told)
        script_expect(fake, netc, effect, param);
    script_expect_nothing(fake);
    netc_free(netc);
}

static void every_state_makes_of_every_event_what_luatos_makes_of_it(void **state)
{
    struct fake_device *fake = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int event = NET_EVENT_LINK_UP; event <= NET_EVENT_ERROR; event++) {
            if (!cannot_come(rows[i].state, (enum net_event_type)event))
                assert_row(fake, &rows[i], (enum net_event_type)event);
        }
    }
}

/* A:1046-1101: the guards of the states say "failed", and by then nothing is waited for. */
static void after_a_failure_every_further_event_is_one_more_failure(void **state)
{
    static const enum net_event_type later[] = { NET_EVENT_RX, NET_EVENT_TX_ACKED,
                                                 NET_EVENT_REMOTE_CLOSED, NET_EVENT_LINK_UP };
    struct netc *(*const be[])(struct fake_device *) = { script_connecting, be_shaking_hands,
                                                         script_online,     be_serving_one,
                                                         script_looking_up, be_leaving };
    struct fake_device *fake = *state;

    for (size_t i = 0; i < sizeof(be) / sizeof(be[0]); i++) {
        struct netc *netc = be[i](fake);
        enum netc_state was = netc->state;

        link_goes(fake, false);
        assert_int_equal(netc->state, was);
        link_goes(fake, true);
        while (fake->device.msgs.count) /* of this control only: it is the last one alive */
            (void)msgq_take(&fake->device.msgs, &(struct msg){ 0 });
        for (size_t event = 0; event < sizeof(later) / sizeof(later[0]); event++) {
            netc_handle(netc, &(struct net_event){ .type = later[event] });
            script_expect(fake, netc, NETC_REPORT_EVENT, NETC_REPORT_FAILED);
            script_expect_nothing(fake);
            assert_int_equal(netc->state, was);
        }
        netc_free(netc);
    }
}

/* ---- the handshake's good end -------------------------------------------------------------------- */

/* The other end of a control's socket: a TLS server. */
struct tls_server {
    SSL_CTX *ctx;
    SSL *ssl;
    size_t seen; /* bytes of what the control has sent */
};

static unsigned give_psk(SSL *ssl, const char *identity, unsigned char *psk, unsigned cap)
{
    (void)ssl;
    assert_string_equal(identity, PSK_ID);
    assert_true(cap >= sizeof(PSK) - 1);
    memcpy(psk, PSK, sizeof(PSK) - 1);
    return sizeof(PSK) - 1;
}

static void server_open(struct tls_server *server)
{
    *server = (struct tls_server){ .ctx = SSL_CTX_new(TLS_server_method()) };
    SSL_CTX_set_psk_server_callback(server->ctx, give_psk);
    server->ssl = SSL_new(server->ctx);
    SSL_set_bio(server->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(server->ssl);
}

static void server_close(struct tls_server *server)
{
    SSL_free(server->ssl);
    SSL_CTX_free(server->ctx);
}

/* It reads what it was sent, and its answer arrives. */
static void server_turn(struct tls_server *server, struct fake_device *fake, struct netc *netc)
{
    struct fake_sock *sock = script_sock(fake, netc);
    char answer[2048];
    int n;

    (void)BIO_write(SSL_get_rbio(server->ssl), sock->sent + server->seen,
                    (int)(sock->sent_len - server->seen));
    server->seen = sock->sent_len;
    (void)SSL_do_handshake(server->ssl);
    n = BIO_read(SSL_get_wbio(server->ssl), answer, sizeof(answer));
    assert_true(n > 0);
    byteq_append(&sock->rxq, answer, (size_t)n);
    script_hears(fake, netc, NET_EVENT_RX, 0);
}

static void a_handshake_that_ends_well_leads_online(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = be_shaking_hands(fake);
    struct tls_server server;

    server_open(&server);
    server_turn(&server, fake, netc);
    assert_int_equal(netc->state, NETC_STATE_SHAKEHAND);
    script_expect_nothing(fake);
    script_hears(fake, netc, NET_EVENT_TX_ACKED, 1); /* of the handshake: no TX_OK */
    script_expect_nothing(fake);
    server_turn(&server, fake, netc);
    assert_int_equal(netc->state, NETC_STATE_ONLINE);
    script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_OK);
    server_close(&server);
}

static void a_handshake_that_ends_badly_fails_and_stays(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = be_shaking_hands(fake);

    fake_data(fake->adapter, script_sock(fake, netc), "this is no TLS");
    fake_deliver(fake);
    script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_FAILED);
    assert_int_equal(netc->state, NETC_STATE_SHAKEHAND);
    assert_false(netc_tx(netc, "x", 1, NULL).ok);
}

/* ---- leaving, and beginning anew ------------------------------------------------------------- */

static void from_any_state_linkup_without_link_goes_back_to_the_start(void **state)
{
    struct netc *(*const be[])(struct fake_device *) = { be_off_line,       script_looking_up,
                                                         script_connecting, be_shaking_hands,
                                                         script_online,     be_serving_one,
                                                         be_leaving };
    struct fake_device *fake = *state;

    for (size_t i = 0; i < sizeof(be) / sizeof(be[0]); i++) {
        struct netc *netc = be[i](fake);

        fake->adapter->base.is_ready = false;
        assert_int_equal(netc_linkup(netc), NETC_VERDICT_PENDING);
        assert_int_equal(netc->state, NETC_STATE_LINK_OFF);
        link_goes(fake, true);
        script_expect(fake, netc, NETC_REPORT_LINK, NETC_REPORT_OK);
        netc_free(netc);
    }
}

static void disconnecting_sends_closed_when_it_is_done(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = be_leaving(fake);
    struct fake_sock *sock = script_sock(fake, netc);

    assert_int_equal(fake->adapter->disconnects, 1);
    assert_true(sock->is_open);
    script_hears(fake, netc, NET_EVENT_CLOSED, 0);
    script_expect(fake, netc, NETC_REPORT_CLOSED, NETC_REPORT_OK);
    assert_int_equal(netc->state, NETC_STATE_OFF_LINE);
    assert_false(sock->is_open);
    assert_false(netc_has_socket(netc));
}

/* [O] of 2.6: the second discon swallows the pending CLOSED */
static void a_second_disconnect_closes_at_once(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = be_leaving(fake);
    struct fake_sock *sock = script_sock(fake, netc);

    assert_int_equal(netc_disconnect(netc), NETC_VERDICT_DONE);
    assert_int_equal(netc->state, NETC_STATE_OFF_LINE);
    fake_report(fake->adapter, sock, NET_EVENT_CLOSED, 0);
    fake_deliver(fake);
    script_expect_nothing(fake);
}

static void disconnecting_is_done_at_once_unless_tcp_is_online(void **state)
{
    struct netc *(*const be[])(struct fake_device *) = { be_parked,         be_off_line,
                                                         script_looking_up, script_connecting,
                                                         be_shaking_hands,  script_udp_online,
                                                         be_serving_many };
    struct fake_device *fake = *state;

    for (size_t i = 0; i < sizeof(be) / sizeof(be[0]); i++) {
        struct netc *netc = be[i](fake);

        assert_int_equal(netc_disconnect(netc), NETC_VERDICT_DONE);
        assert_int_equal(netc->state, NETC_STATE_OFF_LINE);
        assert_int_equal(fake_open_count(fake->adapter), 0);
        fake_deliver(fake);
        script_expect_nothing(fake);
        netc_free(netc);
    }
    assert_int_equal(fake->adapter->disconnects, 0);
}

static void an_adapter_that_cannot_disconnect_has_its_socket_closed(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_online(fake);

    fake->adapter->disconnect_rc = -ENOTCONN;
    assert_int_equal(netc_disconnect(netc), NETC_VERDICT_DONE);
    assert_int_equal(netc->state, NETC_STATE_OFF_LINE);
    assert_int_equal(fake_open_count(fake->adapter), 0);
}

/* The mode is the configuration's, and that may change while a socket is open (A:1515). */
static void a_udp_socket_that_is_called_tcp_meanwhile_is_closed_at_once(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_udp_online(fake);

    netc_configure(netc, &(struct netc_config){ .is_udp = false });
    assert_int_equal(netc_disconnect(netc), NETC_VERDICT_DONE);
    assert_int_equal(netc->state, NETC_STATE_OFF_LINE);
    assert_int_equal(fake_open_count(fake->adapter), 0);
}

static void a_broken_connection_can_be_disconnected(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_online(fake);

    script_hears(fake, netc, NET_EVENT_REMOTE_CLOSED, 0);
    script_expect(fake, netc, NETC_REPORT_EVENT, NETC_REPORT_FAILED);
    assert_int_equal(netc->state, NETC_STATE_ONLINE);
    assert_int_equal(netc_disconnect(netc), NETC_VERDICT_PENDING);
    script_hears(fake, netc, NET_EVENT_CLOSED, 0);
    script_expect(fake, netc, NETC_REPORT_CLOSED, NETC_REPORT_OK);
}

/* Q4, A:1796-1825 */
static void closing_is_silent_and_leaves_the_state_number(void **state)
{
    struct netc *(*const be[])(struct fake_device *) = { script_looking_up, script_connecting,
                                                         be_shaking_hands,  script_online,
                                                         be_serving_one,    be_leaving };
    struct fake_device *fake = *state;

    for (size_t i = 0; i < sizeof(be) / sizeof(be[0]); i++) {
        struct netc *netc = be[i](fake);
        enum netc_state was = netc->state;
        const struct fake_sock *sock = fake_newest(fake->adapter);

        netc_close(netc);
        netc_close(netc);
        assert_int_equal(netc->state, was);
        assert_int_equal(fake_open_count(fake->adapter), 0);
        fake_report(fake->adapter, sock, NET_EVENT_ERROR, ECONNRESET);
        fake_deliver(fake);
        script_expect_nothing(fake);
        assert_false(netc_tx(netc, "x", 1, NULL).ok);
        assert_int_equal(netc_rx_len(netc), -1);
        assert_int_equal(netc_wait(netc), NETC_VERDICT_FAILED);
        netc_free(netc);
    }
}

static void a_closed_control_begins_anew_from_whatever_state(void **state)
{
    struct netc *(*const be[])(struct fake_device *) = { be_parked,         be_off_line,
                                                         script_looking_up, script_connecting,
                                                         be_shaking_hands,  script_online,
                                                         be_serving_many,   be_leaving };
    static const char *const targets[] = { "example.com", "192.0.2.9" };
    struct fake_device *fake = *state;

    for (size_t i = 0; i < sizeof(be) / sizeof(be[0]); i++) {
        for (size_t to = 0; to < sizeof(targets) / sizeof(targets[0]); to++) {
            struct netc *netc = be[i](fake);

            netc_close(netc);
            assert_int_equal(script_connect(netc, targets[to], 80), NETC_VERDICT_PENDING);
            assert_int_equal(netc->state, to ? NETC_STATE_CONNECTING : NETC_STATE_WAIT_DNS);
            netc_free(netc);
        }
    }
}

static void what_a_released_control_reported_names_nobody(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_connecting(fake);
    uint32_t id = netc->id;
    struct msg msg;

    script_hears(fake, netc, NET_EVENT_CONNECTED, 0);
    netc_free(netc);
    (void)script_tcp(fake); /* takes its place */
    assert_true(msgq_take(&fake->device.msgs, &msg));
    assert_int_equal(msg.as.netc.netc, id);
    assert_null(netc_get(&fake->device.net, id));
}

/* D6: a module's listener stays where it is */
static void a_listener_whose_client_is_split_off_listens_on(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = be_serving_one(fake);

    fake_client(fake->adapter, script_sock(fake, netc), "192.0.2.77", 1000);
    fake_deliver(fake);
    assert_int_equal(netc->state, NETC_STATE_ONLINE);
    assert_non_null(netc_accept(netc));
    assert_int_equal(netc->state, NETC_STATE_LISTEN);
}

#define ON_DEVICE(test) cmocka_unit_test_setup_teardown(test, fake_device_setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_transitions_of_the_drawing_are_allowed),
        cmocka_unit_test(states_have_the_names_that_scripts_see),
        ON_DEVICE(every_state_makes_of_every_event_what_luatos_makes_of_it),
        ON_DEVICE(after_a_failure_every_further_event_is_one_more_failure),
        ON_DEVICE(a_handshake_that_ends_well_leads_online),
        ON_DEVICE(a_handshake_that_ends_badly_fails_and_stays),
        ON_DEVICE(from_any_state_linkup_without_link_goes_back_to_the_start),
        ON_DEVICE(disconnecting_sends_closed_when_it_is_done),
        ON_DEVICE(a_second_disconnect_closes_at_once),
        ON_DEVICE(disconnecting_is_done_at_once_unless_tcp_is_online),
        ON_DEVICE(an_adapter_that_cannot_disconnect_has_its_socket_closed),
        ON_DEVICE(a_udp_socket_that_is_called_tcp_meanwhile_is_closed_at_once),
        ON_DEVICE(a_broken_connection_can_be_disconnected),
        ON_DEVICE(closing_is_silent_and_leaves_the_state_number),
        ON_DEVICE(a_closed_control_begins_anew_from_whatever_state),
        ON_DEVICE(what_a_released_control_reported_names_nobody),
        ON_DEVICE(a_listener_whose_client_is_split_off_listens_on),
        cmocka_unit_test(every_transition_that_is_allowed_was_taken_by_some_test),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
