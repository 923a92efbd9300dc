/* What a verdict comes to outside: a line of the trace, a DNS server's answer. */
#include <assert.h>

#include "emu/adapter.h"
#include "emu/dns_msg.h"
#include "emu/impair.h"
#include "emu/trace.h"

static_assert(IMPAIR_ANSWER_MAX == DNS_MSG_MAX, "an answer has room");

static void note(struct trace *trace, enum adapter_id id, const struct impair_packet *packet,
                 const struct impair_verdict *verdict, const char *what)
{
    trace_emit(trace, "impair", "{s:s, s:s, s:s, s:I, s:i}", "adapter", adapter_name(id),
               "direction", impair_direction_name(packet->direction), "what", what, "n",
               (json_int_t)verdict->ordinal, "len", (int)packet->len);
}

void impair_note(struct trace *trace, enum adapter_id id, const struct impair_packet *packet,
                 const struct impair_verdict *verdict)
{
    if (!trace_is_on(trace))
        return;
    if (verdict->action != IMPAIR_ACTION_PASS) { /* what chance had in store does not happen */
        note(trace, id, packet, verdict, impair_kind_name(verdict->cause));
        return;
    }
    if (verdict->is_twice)
        note(trace, id, packet, verdict, impair_kind_name(IMPAIR_KIND_DUPLICATE));
    if (verdict->is_late)
        note(trace, id, packet, verdict, impair_kind_name(IMPAIR_KIND_REORDER));
    if (verdict->is_corrupt)
        note(trace, id, packet, verdict, impair_kind_name(IMPAIR_KIND_CORRUPT));
}

bool impair_is_query(const uint8_t *data, size_t len)
{
    struct dns_asked asked;

    return dns_read_query(data, len, &asked) == 0;
}

bool impair_is_dns_server(const struct endpoint *ep, const struct adapter_info *info)
{
    if (ep->port == DNS_PORT)
        return true;
    for (size_t i = 0; i < info->dns_count; i++) {
        if (endpoint_same_ip(ep, &info->dns[i]) && ep->port == info->dns[i].port)
            return true;
    }
    return false;
}

size_t impair_answer(const struct impair_rule *rule, const uint8_t *query, size_t len,
                     uint8_t answer[IMPAIR_ANSWER_MAX])
{
    enum dns_rcode rcode = DNS_RCODE_OK;
    struct dns_asked asked;

    if (dns_read_query(query, len, &asked) < 0)
        return 0;
    if (rule->dns == IMPAIR_DNS_SERVFAIL) {
        rcode = DNS_RCODE_SERVFAIL;
    } else if (rule->dns == IMPAIR_DNS_NXDOMAIN) {
        rcode = DNS_RCODE_NXDOMAIN;
    }
    return dns_write_answer(&asked, rcode, &rule->dns_ip, rule->dns == IMPAIR_DNS_ADDRESS, answer);
}
