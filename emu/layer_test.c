#include "emu/layer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "emu/fake_device.h"
#include "emu/util.h"

#include <cmocka.h>

/* A layer that counts what it hears, and keeps the sound of data to itself. */
struct deaf {
    struct adapter base;
    struct adapter_ops ops;
    unsigned heard;
};

static void hear(struct adapter *adapter, const struct net_event *event)
{
    struct deaf *deaf = container_of(adapter, struct deaf, base);

    deaf->heard++;
    if (event->type != NET_EVENT_RX)
        adapter_post(adapter, event);
}

static void free_deaf(struct adapter *adapter)
{
    layer_fini(adapter);
    free(container_of(adapter, struct deaf, base));
}

static struct deaf *deaf_new(struct adapter *below)
{
    struct deaf *deaf = xcalloc(1, sizeof(*deaf));

    deaf->ops = layer_ops;
    deaf->ops.heard = hear;
    deaf->ops.free = free_deaf;
    layer_init(&deaf->base, &deaf->ops, below);
    return deaf;
}

/* A layer that changes nothing; layer_ops.free() frees it, as its base comes first. */
struct plain {
    struct adapter base;
    struct adapter_ops ops;
};

static struct adapter *plain_new(struct adapter *below)
{
    struct plain *plain = xcalloc(1, sizeof(*plain));

    plain->ops = layer_ops;
    layer_init(&plain->base, &plain->ops, below);
    return &plain->base;
}

struct owner {
    struct sock_owner base;
    unsigned heard;
    struct net_event last;
};

static void handle(struct sock_owner *base, const struct net_event *event)
{
    struct owner *owner = container_of(base, struct owner, base);

    owner->heard++;
    owner->last = *event;
}

static void what_is_reported_passes_every_layer(void **state)
{
    struct net *net = &((struct fake_device *)*state)->device.net;
    struct fake_adapter *fake = fake_adapter_new();
    struct deaf *deaf = deaf_new(&fake->base);
    struct adapter *top = plain_new(&deaf->base);
    struct owner owner = { .base = { handle } };
    struct sock_spec spec = { .type = SOCK_TYPE_TCP };
    struct endpoint remote = { .port = 80 };

    net_register(net, top, ADAPTER_USB);
    assert_ptr_equal(net->adapters[ADAPTER_USB], top);
    endpoint_set_v4(&remote, 192, 0, 2, 9);
    spec.tag = net_tag_add(net, &owner.base);
    assert_int_equal(top->ops->connect(top, &spec, &remote), 0);
    fake_report(fake, fake_newest(fake), NET_EVENT_CONNECTED, 7);
    fake_data(fake, fake_newest(fake), "hello");
    assert_int_equal(net_deliver(net), 1);
    assert_int_equal(deaf->heard, 2);
    assert_int_equal(owner.heard, 1);
    assert_int_equal(owner.last.type, NET_EVENT_CONNECTED);
    assert_int_equal(owner.last.arg, 7);
    fake_link(fake, false); /* of the adapter, whichever layer says so */
    (void)net_deliver(net);
    assert_false(top->is_ready);
}

static void what_is_asked_reaches_the_lowest(void **state)
{
    struct net *net = &((struct fake_device *)*state)->device.net;
    struct fake_adapter *fake = fake_adapter_new();
    struct adapter *top = plain_new(&fake->base);
    struct sock_spec spec = { .type = SOCK_TYPE_TCP, .tag = 1, .local_port = 4000 };
    struct endpoint remote = { .port = 80 }, end = { 0 };
    struct adapter_info info = { 0 };
    char data[8];
    int sid;

    net_register(net, top, ADAPTER_USB);
    endpoint_set_v4(&remote, 192, 0, 2, 9);
    top->ops->info(top, &info);
    assert_true(endpoint_same_ip(&info.ip, &fake->info.ip));
    sid = top->ops->connect(top, &spec, &remote);
    fake_data(fake, fake_newest(fake), "hello");
    assert_int_equal(top->ops->pending(top, sid), 5);
    assert_int_equal(top->ops->peek(top, sid, 2, data, sizeof(data), NULL), 3);
    assert_memory_equal(data, "llo", 3);
    assert_int_equal(top->ops->recv(top, sid, data, sizeof(data), NULL), 5);
    assert_int_equal(top->ops->send(top, sid, "hi", 2, NULL), 2);
    assert_int_equal(fake_newest(fake)->sent_len, 2);
    assert_int_equal(top->ops->peer(top, sid, &end), 0);
    assert_int_equal(end.port, 80);
    assert_int_equal(top->ops->local(top, sid, &end, &end), 0);
    assert_int_equal(end.port, 4000);
    assert_int_equal(top->ops->active(top), 1);
    assert_int_equal(top->ops->unacked(top, sid), 0);
    assert_int_equal(top->ops->disconnect(top, sid), 0);
    top->ops->flush(top);
    assert_int_equal(fake->flushes, 1);
    top->ops->close(top, sid);
    assert_int_equal(fake_open_count(fake), 0);
    sid = top->ops->listen(top, &spec, true);
    fake_client(fake, fake_newest(fake), "192.0.2.9", 5000);
    assert_int_equal(top->ops->accept(top, sid, 2), sid + 1);
}

static void a_registered_adapter_can_be_covered(void **state)
{
    struct net *net = &((struct fake_device *)*state)->device.net;
    struct fake_adapter *fake = ((struct fake_device *)*state)->adapter;
    struct deaf *deaf = deaf_new(&fake->base);

    net_cover(net, &deaf->base);
    assert_ptr_equal(net->adapters[ADAPTER_ETH0], &deaf->base);
    assert_true(deaf->base.is_ready);
    fake_link(fake, false);
    assert_int_equal(deaf->heard, 1);
    (void)net_deliver(net);
    assert_false(deaf->base.is_ready);
}

/* NULL in an optional slot means something, and a layer must not hide it. */
static void what_the_lower_one_cannot_do_nobody_can(void **state)
{
    struct fake_adapter *fake = fake_adapter_new();
    struct adapter *top;

    (void)state;
    fake->ops.accept = NULL;
    fake->ops.can_accept = false;
    fake->ops.peek = NULL;
    fake->ops.local = NULL;
    fake->ops.echo = NULL;
    fake->ops.flush = NULL;
    top = plain_new(&fake->base);
    assert_false(top->ops->can_accept);
    assert_null(top->ops->accept);
    assert_null(top->ops->peek);
    assert_null(top->ops->local);
    assert_null(top->ops->echo);
    assert_null(top->ops->flush);
    top->ops->free(top);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_reported_passes_every_layer, fake_device_setup,
                                        fake_device_teardown),
        cmocka_unit_test_setup_teardown(what_is_asked_reaches_the_lowest, fake_device_setup,
                                        fake_device_teardown),
        cmocka_unit_test_setup_teardown(a_registered_adapter_can_be_covered, fake_device_setup,
                                        fake_device_teardown),
        cmocka_unit_test(what_the_lower_one_cannot_do_nobody_can),
    };

    return cmocka_run_group_tests_name("layer", tests, NULL, NULL);
}
