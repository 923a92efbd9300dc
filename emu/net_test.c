#include "emu/net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "emu/fake_device.h"
#include "emu/fake_script.h"
#include "emu/util.h"

#include <cmocka.h>

#define HEARD_MAX 512

/* Whoever hears of sockets: it notes what, and may report something itself. */
struct ear {
    struct sock_owner owner;
    struct net *net;
    uint32_t heard[HEARD_MAX];
    size_t count;
    struct net_event answer; /* posted whenever something is heard; tag 0: nothing */
};

static void hear(struct sock_owner *owner, const struct net_event *event)
{
    struct ear *ear = container_of(owner, struct ear, owner);

    assert_true(ear->count < HEARD_MAX);
    ear->heard[ear->count++] = event->arg;
    if (ear->answer.tag)
        net_post(ear->net, &ear->answer);
}

static uint32_t ear_init(struct ear *ear, struct net *net)
{
    *ear = (struct ear){ .owner = { hear }, .net = net };
    return net_tag_add(net, &ear->owner);
}

static void post(struct net *net, uint32_t tag, uint32_t arg)
{
    net_post(net, &(struct net_event){ .type = NET_EVENT_RX, .tag = tag, .arg = arg });
}

static void events_reach_their_owner_in_order(void **state)
{
    struct net *net = &((struct fake_device *)*state)->device.net;
    struct ear first, second;
    uint32_t first_tag = ear_init(&first, net), second_tag = ear_init(&second, net);

    for (uint32_t i = 0; i < 300; i++) /* the ring grows on the way */
        post(net, i % 3 ? first_tag : second_tag, i);
    assert_true(net_has_events(net));
    assert_int_equal(net_deliver(net), 300);
    assert_false(net_has_events(net));
    assert_int_equal(first.count, 200);
    assert_int_equal(second.count, 100);
    for (size_t i = 1; i < first.count; i++)
        assert_true(first.heard[i - 1] < first.heard[i]);
}

static void the_ring_keeps_its_order_wherever_its_head_is(void **state)
{
    struct net *net = &((struct fake_device *)*state)->device.net;
    struct ear ear;
    uint32_t tag = ear_init(&ear, net), posted = 0;

    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 40; i++)
            post(net, tag, posted++);
        (void)net_deliver(net);
    }
    assert_int_equal(ear.count, posted);
    for (uint32_t i = 0; i < posted; i++)
        assert_int_equal(ear.heard[i], i);
}

static void what_delivery_causes_waits_for_the_next_delivery(void **state)
{
    struct net *net = &((struct fake_device *)*state)->device.net;
    struct ear ear;
    uint32_t tag = ear_init(&ear, net);

    ear.answer = (struct net_event){ .type = NET_EVENT_RX, .tag = tag, .arg = 2 };
    post(net, tag, 1);
    assert_int_equal(net_deliver(net), 1);
    assert_int_equal(ear.count, 1);
    assert_int_equal(net_deliver(net), 1);
    assert_int_equal(ear.heard[1], 2);
}

static void an_event_of_a_tag_that_is_gone_is_dropped(void **state)
{
    struct net *net = &((struct fake_device *)*state)->device.net;
    struct ear old, new;
    uint32_t old_tag = ear_init(&old, net);

    post(net, old_tag, 1);
    net_tag_remove(net, old_tag);
    (void)ear_init(&new, net); /* takes its place */
    post(net, 0, 2);
    assert_int_equal(net_deliver(net), 2);
    assert_int_equal(old.count + new.count, 0);
}

/* ---- adapters ------------------------------------------------------------------------------- */

static void adapters_are_found_by_the_numbers_of_the_profile(void **state)
{
    struct fake_device *fake = *state;
    struct net *net = &fake->device.net;

    assert_ptr_equal(net_adapter(net, 5), &fake->adapter->base); /* ETH0 in the document */
    assert_int_equal(net_number(net, &fake->adapter->base), 5);
    assert_null(net_adapter(net, 4)); /* the board has none */
    assert_null(net_adapter(net, 0));
    assert_null(net_adapter(net, -1));
    assert_null(net_adapter(net, 99));
    assert_int_equal(net->last_number, 5);
    net_register(net, &fake_adapter_new()->base, ADAPTER_STA);
    assert_int_equal(net->last_number, 2);
    assert_non_null(net_adapter(net, 2));
}

static void assert_topic(struct fake_device *fake, const char *name, const char *text)
{
    struct msg msg;

    assert_true(msgq_take(&fake->device.msgs, &msg));
    assert_int_equal(msg.kind, MSG_KIND_TOPIC);
    assert_string_equal(msg.as.topic->name, name);
    assert_string_equal(msg.as.topic->args[0].text, text);
    assert_int_equal(msg.as.topic->args[*text ? 1 : 0].number, 5);
}

/* Section 7.1: IP_READY(ip, adapter), IP_LOSE(adapter) */
static void the_script_is_told_when_the_link_comes_and_goes(void **state)
{
    struct fake_device *fake = *state;

    net_publish_links(&fake->device.net);
    assert_topic(fake, "IP_READY", "192.0.2.2");
    fake_link(fake->adapter, true); /* it is there already */
    fake_deliver(fake);
    assert_int_equal(fake->device.msgs.count, 0);
    fake_link(fake->adapter, false);
    fake_link(fake->adapter, false);
    fake_deliver(fake);
    assert_false(fake->adapter->base.is_ready);
    assert_topic(fake, "IP_LOSE", "");
    assert_int_equal(fake->device.msgs.count, 0);
    assert_true(
        fake_traced(fake, "\"kind\":\"adapter.link\",\"adapter\":\"ETH0\",\"ready\":false"));
    fake_link(fake->adapter, true);
    fake_deliver(fake);
    assert_true(fake->adapter->base.is_ready);
    assert_topic(fake, "IP_READY", "192.0.2.2");
}

static void an_adapter_that_is_not_ready_is_not_published(void **state)
{
    struct fake_device *fake = *state;

    fake->adapter->base.is_ready = false;
    net_publish_links(&fake->device.net);
    assert_int_equal(fake->device.msgs.count, 0);
}

static void a_link_concerns_the_controls_of_its_adapter_only(void **state)
{
    struct fake_device *fake = *state;
    struct netc *here = script_online(fake), *there;
    struct fake_adapter *other = fake_adapter_new();

    net_register(&fake->device.net, &other->base, ADAPTER_STA);
    there = netc_new(&fake->device.net, &other->base);
    assert_int_equal(script_connect(there, "192.0.2.9", 80), NETC_VERDICT_PENDING);
    fake_link(other, false);
    fake_deliver(fake);
    script_expect(fake, there, NETC_REPORT_ON_LINE, NETC_REPORT_FAILED);
    script_expect_nothing(fake);
    assert_false(here->need_close);
}

static void flushing_reaches_every_adapter(void **state)
{
    struct fake_device *fake = *state;
    struct fake_adapter *other = fake_adapter_new();

    other->ops.flush = NULL; /* it is optional */
    net_register(&fake->device.net, &other->base, ADAPTER_STA);
    net_flush(&fake->device.net);
    assert_int_equal(fake->adapter->flushes, 1);
}

static void open_sockets_and_lookups_are_active(void **state)
{
    struct fake_device *fake = *state;
    struct net *net = &fake->device.net;
    struct netc *netc = script_tcp(fake);

    assert_int_equal(net_active(net), 0);
    assert_int_equal(script_connect(netc, "192.0.2.9", 80), NETC_VERDICT_PENDING);
    assert_int_equal(net_active(net), 1);
    netc_close(netc);
    assert_int_equal(net_active(net), 0);
    assert_int_equal(script_connect(netc, "example.com", 80), NETC_VERDICT_PENDING);
    assert_true(net_active(net) > 0);
}

/* socket.close_all, A:2946-2958 */
static void close_all_disconnects_what_is_open_on_the_adapter(void **state)
{
    struct fake_device *fake = *state;
    struct fake_adapter *other = fake_adapter_new();
    struct netc *online = script_online(fake), *idle = script_tcp(fake);
    struct netc *connecting = script_connecting(fake), *elsewhere;

    net_register(&fake->device.net, &other->base, ADAPTER_STA);
    elsewhere = netc_new(&fake->device.net, &other->base);
    assert_int_equal(script_connect(elsewhere, "192.0.2.9", 80), NETC_VERDICT_PENDING);
    net_close_all(&fake->device.net, &fake->adapter->base);
    assert_int_equal(online->state, NETC_STATE_DISCONNECTING);
    assert_int_equal(connecting->state, NETC_STATE_OFF_LINE);
    assert_int_equal(idle->state, NETC_STATE_LINK_OFF);
    assert_int_equal(elsewhere->state, NETC_STATE_CONNECTING);
    script_hears(fake, online, NET_EVENT_CLOSED, 0);
    script_expect(fake, online, NETC_REPORT_CLOSED, NETC_REPORT_OK);
}

#define ON_DEVICE(test) \
    cmocka_unit_test_setup_teardown(test, fake_device_setup, fake_device_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DEVICE(events_reach_their_owner_in_order),
        ON_DEVICE(the_ring_keeps_its_order_wherever_its_head_is),
        ON_DEVICE(what_delivery_causes_waits_for_the_next_delivery),
        ON_DEVICE(an_event_of_a_tag_that_is_gone_is_dropped),
        ON_DEVICE(adapters_are_found_by_the_numbers_of_the_profile),
        ON_DEVICE(the_script_is_told_when_the_link_comes_and_goes),
        ON_DEVICE(an_adapter_that_is_not_ready_is_not_published),
        ON_DEVICE(a_link_concerns_the_controls_of_its_adapter_only),
        ON_DEVICE(flushing_reaches_every_adapter),
        ON_DEVICE(open_sockets_and_lookups_are_active),
        ON_DEVICE(close_all_disconnects_what_is_open_on_the_adapter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
