#include "emu/fake_script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "emu/dns_msg.h"
#include "emu/msgq.h"

#include <cmocka.h>

struct netc *script_udp(struct fake_device *fake)
{
    struct netc *netc = netc_new(&fake->device.net, &fake->adapter->base);

    assert_non_null(netc);
    return netc;
}

struct netc *script_tcp(struct fake_device *fake)
{
    struct netc *netc = script_udp(fake);

    netc_configure(netc, &(struct netc_config){ .is_udp = false });
    return netc;
}

enum netc_verdict script_connect(struct netc *netc, const char *name, uint16_t port)
{
    return netc_connect(netc, &(struct netc_target){ .name = name, .port = port });
}

struct netc *script_looking_up(struct fake_device *fake)
{
    struct netc *netc = script_tcp(fake);

    assert_int_equal(script_connect(netc, "example.com", 80), NETC_VERDICT_PENDING);
    assert_int_equal(netc->state, NETC_STATE_WAIT_DNS);
    return netc;
}

struct netc *script_connecting(struct fake_device *fake)
{
    struct netc *netc = script_tcp(fake);

    assert_int_equal(script_connect(netc, "192.0.2.9", 80), NETC_VERDICT_PENDING);
    assert_int_equal(netc->state, NETC_STATE_CONNECTING);
    return netc;
}

struct netc *script_online(struct fake_device *fake)
{
    struct netc *netc = script_connecting(fake);

    script_hears(fake, netc, NET_EVENT_CONNECTED, 0);
    script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_OK);
    assert_int_equal(netc->state, NETC_STATE_ONLINE);
    return netc;
}

struct netc *script_udp_online(struct fake_device *fake)
{
    struct netc *netc = script_udp(fake);

    assert_int_equal(script_connect(netc, "192.0.2.9", 53), NETC_VERDICT_PENDING);
    script_hears(fake, netc, NET_EVENT_CONNECTED, 0);
    script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_OK);
    return netc;
}

struct netc *script_listening(struct fake_device *fake, bool many)
{
    struct netc *netc = script_tcp(fake);

    assert_int_equal(netc_listen(netc, many), NETC_VERDICT_PENDING);
    assert_int_equal(netc->state, NETC_STATE_CONNECTING);
    script_hears(fake, netc, NET_EVENT_LISTENING, 0);
    script_expect_nothing(fake); /* LuatOS has no event for it */
    assert_int_equal(netc->state, NETC_STATE_LISTEN);
    return netc;
}

struct fake_sock *script_sock(struct fake_device *fake, const struct netc *netc)
{
    assert_true(netc_has_socket(netc));
    return fake_sock(fake->adapter, netc->sid);
}

void script_hears(struct fake_device *fake, const struct netc *netc, enum net_event_type type,
                  uint32_t arg)
{
    fake_report(fake->adapter, script_sock(fake, netc), type, arg);
    fake_deliver(fake);
}

void script_resolves(struct fake_device *fake, struct fake_sock *sock,
                     const char *const addresses[], int count)
{
    struct endpoint addrs[DNS_ADDRS_MAX] = { 0 };
    uint8_t message[DNS_MSG_MAX];
    struct dns_asked asked;
    size_t len;

    assert_non_null(sock);
    assert_true(count <= DNS_ADDRS_MAX);
    for (int i = 0; i < count; i++)
        assert_true(endpoint_set_text(&addrs[i], addresses[i]));
    assert_int_equal(dns_read_query(sock->sent, sock->sent_len, &asked), 0);
    len =
        dns_write_answer(&asked, count ? DNS_RCODE_OK : DNS_RCODE_NXDOMAIN, addrs, count, message);
    fake_datagram(fake->adapter, sock, message, len, &sock->remote);
    fake_deliver(fake); /* the answer */
    fake_deliver(fake); /* what the lookup makes of it */
}

/* The next report; topics are passed over. */
static bool take_report(struct fake_device *fake, struct msg *msg)
{
    while (msgq_take(&fake->device.msgs, msg)) {
        if (msg->kind == MSG_KIND_NETC)
            return true;
    }
    return false;
}

void script_expect(struct fake_device *fake, const struct netc *netc, enum netc_report report,
                   int param)
{
    struct msg msg;

    assert_true(take_report(fake, &msg));
    assert_int_equal(msg.as.netc.netc, netc->id);
    assert_int_equal(msg.as.netc.report, report);
    assert_int_equal(msg.as.netc.param, param);
}

void script_expect_nothing(struct fake_device *fake)
{
    struct msg msg;

    if (take_report(fake, &msg))
        fail_msg("netc %u reports %d, %d", msg.as.netc.netc, msg.as.netc.report, msg.as.netc.param);
}
