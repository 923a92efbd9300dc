#include "emu/net.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "emu/msgq.h"
#include "emu/netc.h"
#include "emu/trace.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define EVENTS_CAP_MIN    64
#define OBSERVED_TEXT_MAX 256

void net_init(struct net *net, const struct net_config *config)
{
    *net = (struct net){ .config = *config, .default_number = -1, .last_number = -1 };
    handles_init(&net->netc_ids);
    handles_init(&net->tags);
    list_init(&net->netcs);
    list_init(&net->watchers);
    list_init(&net->dns_queries);
    tls_env_init(&net->tls, config->log);
}

void net_fini(struct net *net)
{
    while (!list_is_empty(&net->netcs))
        netc_free(container_of(net->netcs.next, struct netc, link));
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        if (net->adapters[id])
            net->adapters[id]->ops->free(net->adapters[id]);
    }
    tls_env_fini(&net->tls);
    handles_fini(&net->netc_ids);
    handles_fini(&net->tags);
    free(net->events);
}

/* The document: the module's own way to the internet, else the adapter that was registered last. */
static enum adapter_id default_of(const struct net *net, enum adapter_id last)
{
    if (net->adapters[ADAPTER_GP])
        return ADAPTER_GP;
    return net->adapters[ADAPTER_STA] ? ADAPTER_STA : last;
}

void net_register(struct net *net, struct adapter *adapter, enum adapter_id id)
{
    assert(!net->adapters[id]);
    for (struct adapter *part = adapter; part; part = part->below) {
        part->net = net;
        part->id = (int)id;
    }
    net->adapters[id] = adapter;
    net->last_number = adapter_number(net->config.profile, id);
    if (!net->is_default_chosen)
        net->default_number = adapter_number(net->config.profile, default_of(net, id));
}

void net_cover(struct net *net, struct adapter *layer)
{
    assert(list_is_empty(&net->netcs));
    assert(net->adapters[layer->id] == layer->below);
    net->adapters[layer->id] = layer;
}

struct adapter *net_adapter(const struct net *net, long long number)
{
    int id = adapter_by_number(net->config.profile, number);

    return id == ADAPTER_NONE ? NULL : net->adapters[id];
}

bool net_can_use(const struct net *net, const struct adapter *adapter)
{
    return adapter->ops->deterministic || net->config.clock->mode == VCLOCK_MODE_REAL;
}

bool net_is_full(const struct net *net, const struct adapter *adapter)
{
    unsigned count = 0;

    if (!adapter->limits.sockets)
        return false;
    list_for_each(node, &net->netcs)
        count += container_of(node, struct netc, link)->adapter == adapter;
    return count >= adapter->limits.sockets;
}

int net_number(const struct net *net, const struct adapter *adapter)
{
    return adapter_number(net->config.profile, (enum adapter_id)adapter->id);
}

uint32_t net_tag_add(struct net *net, struct sock_owner *owner)
{
    return handle_add(&net->tags, owner);
}

void net_tag_remove(struct net *net, uint32_t tag)
{
    handle_remove(&net->tags, tag);
}

static void grow_events(struct net *net)
{
    size_t cap = net->events_cap ? net->events_cap * 2 : EVENTS_CAP_MIN;
    struct net_event *events = xcalloc(cap, sizeof(*events));

    for (size_t i = 0; i < net->events_count; i++)
        events[i] = net->events[(net->events_head + i) & (net->events_cap - 1)];
    free(net->events);
    net->events = events;
    net->events_cap = cap;
    net->events_head = 0;
}

void net_post(struct net *net, const struct net_event *event)
{
    if (net->events_count == net->events_cap)
        grow_events(net);
    net->events[(net->events_head + net->events_count) & (net->events_cap - 1)] = *event;
    net->events_count++;
}

void adapter_post(struct adapter *adapter, const struct net_event *event)
{
    if (adapter->above)
        adapter->above->ops->heard(adapter->above, event);
    else
        net_post(adapter->net, event);
}

bool net_has_events(const struct net *net)
{
    return net->events_count > 0;
}

bool net_take_newest(struct net *net, uint32_t tag, struct net_event *event)
{
    const struct net_event *newest;

    if (!net->events_count)
        return false;
    newest = &net->events[(net->events_head + net->events_count - 1) & (net->events_cap - 1)];
    if (newest->tag != tag)
        return false;
    *event = *newest;
    net->events_count--;
    return true;
}

void net_observe(const struct net *net, const struct adapter *adapter, const struct netc *netc,
                 const char *format, ...)
{
    char text[OBSERVED_TEXT_MAX];
    va_list args;

    if (!net->observer)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    net->observer->told(net->observer, adapter, netc, text);
}

/* Tell the script: IP_READY(ip, adapter) or IP_LOSE(adapter). */
static void publish_link(struct net *net, const struct adapter *adapter)
{
    struct adapter_info info = { 0 };
    char ip[ENDPOINT_TEXT_MAX];
    int number = net_number(net, adapter);

    trace_emit(net->config.trace, "adapter.link", "{s:s, s:b}", "adapter",
               adapter_name((enum adapter_id)adapter->id), "ready", adapter->is_ready);
    if (!adapter->is_ready) {
        net_observe(net, adapter, NULL, "IP_LOSE %s", adapter_name((enum adapter_id)adapter->id));
        msgq_post_topic_number(net->config.msgs, "IP_LOSE", NULL, number);
        return;
    }
    adapter->ops->info(adapter, &info);
    (void)endpoint_ip_text(&info.ip, ip);
    net_observe(net, adapter, NULL, "IP_READY %s %s", ip,
                adapter_name((enum adapter_id)adapter->id));
    msgq_post_topic_number(net->config.msgs, "IP_READY", ip, number);
}

void net_watch(struct net *net, struct net_watcher *watcher)
{
    list_append(&net->watchers, &watcher->link);
}

void net_publish_links(struct net *net)
{
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        if (net->adapters[id] && net->adapters[id]->is_ready)
            publish_link(net, net->adapters[id]);
    }
}

static void deliver_link(struct net *net, const struct net_event *event)
{
    bool up = event->type == NET_EVENT_LINK_UP;
    struct adapter *adapter;

    assert(event->arg < ADAPTER_COUNT);
    adapter = net->adapters[event->arg];
    assert(adapter);
    if (adapter->is_ready == up)
        return;
    adapter->is_ready = up;
    list_for_each(node, &net->watchers) {
        struct net_watcher *watcher = container_of(node, struct net_watcher, link);

        watcher->changed(watcher, adapter);
    }
    publish_link(net, adapter);
    list_for_each(node, &net->netcs) {
        struct netc *netc = container_of(node, struct netc, link);

        if (netc->adapter == adapter)
            netc_handle(netc, event);
    }
}

void net_link_down(struct net *net, struct adapter *adapter)
{
    deliver_link(net,
                 &(struct net_event){ .type = NET_EVENT_LINK_DOWN, .arg = (uint32_t)adapter->id });
}

static void deliver(struct net *net, const struct net_event *event)
{
    struct sock_owner *owner;

    if (event->type == NET_EVENT_LINK_UP || event->type == NET_EVENT_LINK_DOWN) {
        deliver_link(net, event);
        return;
    }
    owner = handle_get(&net->tags, event->tag);
    if (owner)
        owner->handle(owner, event);
}

size_t net_deliver(struct net *net)
{
    size_t count = net->events_count;

    for (size_t i = 0; i < count; i++) {
        struct net_event event = net->events[net->events_head];

        net->events_head = (net->events_head + 1) & (net->events_cap - 1);
        net->events_count--;
        deliver(net, &event);
    }
    if (net->observer)
        net->observer->delivered(net->observer);
    return count;
}

void net_flush(struct net *net)
{
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        struct adapter *adapter = net->adapters[id];

        if (adapter && adapter->ops->flush)
            adapter->ops->flush(adapter);
    }
}

size_t net_active(const struct net *net)
{
    size_t active = list_is_empty(&net->dns_queries) ? 0 : 1;

    for (int id = 0; id < ADAPTER_COUNT; id++) {
        const struct adapter *adapter = net->adapters[id];

        if (adapter)
            active += adapter->ops->active(adapter);
    }
    return active;
}

void net_close_all(struct net *net, const struct adapter *adapter)
{
    list_for_each(node, &net->netcs) {
        struct netc *netc = container_of(node, struct netc, link);

        if (netc->adapter == adapter && netc_has_socket(netc))
            (void)netc_disconnect(netc);
    }
}
