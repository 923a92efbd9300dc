/* What netdrv.on is told of a control: LuatOS luat_netdrv_event.c. */
#include <errno.h>
#include <stdio.h>

#include "emu/msgq.h"
#include "emu/netc_priv.h"

static struct endpoint online_of(const struct netc *netc)
{
    if (!netc->domain)
        return netc->remote;
    return netc->lookup_next ? netc->lookup.addrs[netc->lookup_next - 1] : (struct endpoint){ 0 };
}

void netc_note(const struct netc *netc, const char *event)
{
    struct net *net = netc->net;
    struct sock_note note = { .adapter = net_number(net, netc->adapter),
                              .event = event,
                              .proto = netc->config.is_udp ? "udp" : "tcp",
                              .remote = netc->remote,
                              .online = online_of(netc) };

    if (!net->is_noted[netc->adapter->id])
        return;
    if (netc->domain)
        (void)snprintf(note.domain, sizeof(note.domain), "%s", netc->domain);
    msgq_note(net->config.msgs, &note);
}

void netc_note_event(const struct netc *netc, const struct net_event *event)
{
    switch (event->type) {
    case NET_EVENT_DNS_DONE:
        netc_note(netc, netc->lookup.count ? "dns_result" : "timeout");
        break;
    case NET_EVENT_CONNECTED:
        netc_note(netc, "connected");
        break;
    case NET_EVENT_REMOTE_CLOSED:
        netc_note(netc, "remote_close");
        break;
    case NET_EVENT_CLOSED:
        netc_note(netc, "closed");
        break;
    case NET_EVENT_ERROR:
        netc_note(netc, event->arg == ETIMEDOUT ? "timeout" : "error");
        break;
    case NET_EVENT_LINK_UP:
    case NET_EVENT_LINK_DOWN:
    case NET_EVENT_LISTENING:
    case NET_EVENT_CLIENT:
    case NET_EVENT_RX:
    case NET_EVENT_TX_ACKED:
    case NET_EVENT_ECHO:
        break;
    }
}
