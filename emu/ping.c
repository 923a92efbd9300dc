#include "emu/ping.h"

#include <errno.h>

#include "emu/msgq.h"
#include "emu/trace.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define US_PER_MS 1000

static void give_up(struct ping *ping)
{
    if (ping->tag)
        net_tag_remove(ping->net, ping->tag);
    ping->tag = 0;
    timer_stop(ping->net->config.timers, &ping->timer);
}

static void on_timer(struct timer *timer)
{
    give_up(container_of(timer, struct ping, timer));
}

static void on_event(struct sock_owner *owner, const struct net_event *event)
{
    struct ping *ping = container_of(owner, struct ping, owner);
    const struct net_config *config = &ping->net->config;
    int ms = (int)((config->clock->now_us - ping->sent_us) / US_PER_MS);
    char ip[ENDPOINT_TEXT_MAX];

    if (event->type != NET_EVENT_ECHO)
        return;
    (void)endpoint_ip_text(&ping->to, ip);
    trace_emit(config->trace, "ping.reply", "{s:s, s:s, s:i, s:i}", "adapter",
               adapter_name((enum adapter_id)ping->adapter->id), "from", ip, "ms", ms, "ttl",
               (int)event->arg);
    msgq_publish(config->msgs,
                 &(struct topic){ .name = "PING_RESULT",
                                  .args = { topic_number(net_number(ping->net, ping->adapter)),
                                            topic_number(ms), topic_text(ip),
                                            topic_number((int)event->arg) } });
    give_up(ping);
}

void pings_init(struct pings *pings, struct net *net)
{
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        pings->slots[id] = (struct ping){ .owner = { on_event }, .net = net };
        timer_init(&pings->slots[id].timer, on_timer);
    }
}

void pings_fini(struct pings *pings)
{
    for (int id = 0; id < ADAPTER_COUNT; id++)
        give_up(&pings->slots[id]);
}

int ping_start(struct pings *pings, struct adapter *adapter, const struct endpoint *to, size_t len)
{
    struct ping *ping = &pings->slots[adapter->id];
    const struct net_config *config = &ping->net->config;
    char ip[ENDPOINT_TEXT_MAX];
    int rc;

    give_up(ping);
    if (!adapter->ops->echo || !net_can_use(ping->net, adapter))
        return -EOPNOTSUPP;
    if (!adapter->is_ready)
        return -ENETDOWN;
    ping->tag = net_tag_add(ping->net, &ping->owner);
    if (!ping->tag)
        return -ENOSPC;
    ping->adapter = adapter;
    ping->to = *to;
    ping->sent_us = config->clock->now_us;
    rc = adapter->ops->echo(adapter, ping->tag, to, len);
    if (rc < 0) {
        give_up(ping);
        return rc;
    }
    trace_emit(config->trace, "ping.request", "{s:s, s:s, s:i}", "adapter",
               adapter_name((enum adapter_id)adapter->id), "to", endpoint_ip_text(to, ip), "len",
               (int)len);
    timer_start(config->timers, &ping->timer, ping->sent_us + (uint64_t)PING_ANSWER_MS * US_PER_MS);
    return 0;
}
