#include "adapters/dhcp_tell.h"

#include <stdio.h>

#include "emu/log.h"
#include "emu/trace.h"

#define S_PER_MIN  60
#define S_PER_HOUR 3600
#define SPAN_MAX   32
#define TOLD_TRIES 3 /* unanswered, and people are told */

/* "2 min" */
static const char *span_text(uint32_t s, char text[SPAN_MAX])
{
    if (s == DHCP_INFINITE_S) {
        (void)snprintf(text, SPAN_MAX, "ever");
    } else if (s < 2 * S_PER_MIN) {
        (void)snprintf(text, SPAN_MAX, "%u s", s);
    } else if (s < 2 * S_PER_HOUR) {
        (void)snprintf(text, SPAN_MAX, "%u min", s / S_PER_MIN);
    } else {
        (void)snprintf(text, SPAN_MAX, "%u h", s / S_PER_HOUR);
    }
    return text;
}

static void say_lease(const struct dhcp_teller *teller, const struct dhcp_lease *lease)
{
    char ip[DHCP_IP_TEXT_MAX], server[DHCP_IP_TEXT_MAX], span[SPAN_MAX];

    log_say(teller->log, "%s: has %s/%u from the DHCP server %s, for %s", teller->name,
            dhcp_ip_text(lease->ip, ip), lease->prefix_len, dhcp_ip_text(lease->server, server),
            span_text(lease->lease_s, span));
}

static void trace_lease(const struct dhcp_teller *teller, const struct dhcp_lease *lease)
{
    char ip[DHCP_IP_TEXT_MAX], mask[DHCP_IP_TEXT_MAX], router[DHCP_IP_TEXT_MAX],
        server[DHCP_IP_TEXT_MAX], text[DHCP_IP_TEXT_MAX];
    json_t *dns = json_array();

    for (size_t i = 0; i < lease->dns_count; i++)
        (void)json_array_append_new(dns, json_string(dhcp_ip_text(lease->dns[i], text)));
    trace_emit(teller->trace, "dhcp.lease", "{s:s, s:s, s:s, s:s, s:o, s:s, s:I, s:I, s:i}",
               "adapter", teller->name, "address", dhcp_ip_text(lease->ip, ip), "mask",
               dhcp_ip_text(dhcp_mask(lease->prefix_len), mask), "router",
               dhcp_ip_text(lease->router, router), "dns", dns, "server",
               dhcp_ip_text(lease->server, server), "lease_s", (json_int_t)lease->lease_s, "t1_s",
               (json_int_t)lease->t1_s, "mtu", (int)lease->mtu);
}

void dhcp_tell_sent(const struct dhcp_teller *teller, const struct dhcp_msg *msg, uint32_t to)
{
    char text[DHCP_IP_TEXT_MAX];

    trace_emit(teller->trace, "dhcp.tx", "{s:s, s:s, s:s}", "adapter", teller->name, "type",
               dhcp_type_name(msg->type), "to", dhcp_ip_text(to, text));
}

void dhcp_tell_received(const struct dhcp_teller *teller, const struct dhcp_msg *msg, uint32_t from)
{
    char from_text[DHCP_IP_TEXT_MAX], ip[DHCP_IP_TEXT_MAX];

    trace_emit(teller->trace, "dhcp.rx", "{s:s, s:s, s:s, s:s}", "adapter", teller->name, "type",
               dhcp_type_name(msg->type), "from", dhcp_ip_text(from, from_text), "address",
               dhcp_ip_text(msg->your_ip, ip));
}

void dhcp_tell_ignored(const struct dhcp_teller *teller, const struct dhcp_msg *msg, uint32_t from)
{
    char text[DHCP_IP_TEXT_MAX];

    trace_emit(teller->trace, "dhcp.ignored", "{s:s, s:s, s:s}", "adapter", teller->name, "type",
               dhcp_type_name(msg->type), "from", dhcp_ip_text(from, text));
}

void dhcp_tell_lease(const struct dhcp_teller *teller, const struct dhcp_lease *lease, bool is_new)
{
    trace_lease(teller, lease);
    if (is_new)
        say_lease(teller, lease);
}

void dhcp_tell_lost(const struct dhcp_teller *teller, uint32_t ip, const char *why)
{
    char text[DHCP_IP_TEXT_MAX];

    (void)dhcp_ip_text(ip, text);
    trace_emit(teller->trace, "dhcp.lost", "{s:s, s:s, s:s}", "adapter", teller->name, "address",
               text, "why", why);
    log_say(teller->log, "%s: has lost %s: %s", teller->name, text, why);
}

const char *dhcp_loss_text(enum dhcp_loss why)
{
    static const char *const texts[] = {
        [DHCP_LOSS_EXPIRED] = "its lease is over, and no DHCP server has renewed it",
        [DHCP_LOSS_REFUSED] = "the DHCP server has refused to renew it",
    };

    return texts[why];
}

void dhcp_tell_unanswered(const struct dhcp_teller *teller, unsigned count)
{
    if (count == TOLD_TRIES)
        log_say(teller->log, "%s: no DHCP server answers", teller->name);
}
