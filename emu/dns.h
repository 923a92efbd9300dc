/*
 * dns: the module's own resolver, over the adapter of whoever asks (LuatOS dns_client.c).
 *
 * Servers are asked in the order of the adapter's slots: those that socket.setDNS filled, those that
 * the network named, and, unless the network's are all there are, the gateway or 114.114.114.114
 * where there is no first or second one. Each gets up to three queries, sent at 0, 1 and 3 s, and
 * the next server's turn comes at 6 s. A name that does not exist, or has no address, fails at once;
 * any other refusal goes to the next server at once. There is no cache. Lookups of the same name at
 * the same time share one query. With IPv6 wanted, AAAA is asked first, then A.
 *
 * An answer that UDP has no room for is asked for over TCP, within the server's time; a module takes
 * what had room, and so does this where TCP fails.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "emu/adapter.h"
#include "emu/dns_msg.h"
#include "emu/list.h"

struct dns_query;

/* Embed. When it is done, NET_EVENT_DNS_DONE is posted to @tag and @addrs holds the result. */
struct dns_request {
    struct list link;
    struct dns_query *query; /* NULL: not running */
    uint32_t tag;
    struct endpoint addrs[DNS_ADDRS_MAX];
    int count; /* 0: the lookup failed */
};

/* 0, or -errno when @name is no host name. @request->tag is set. */
int dns_start(struct adapter *adapter, const char *name, bool want_ipv6,
              struct dns_request *request);

/* Harmless on a request that is not running. */
void dns_cancel(struct dns_request *request);

/* Whom an adapter asks, in the order of its slots; returns how many. */
size_t dns_servers(const struct adapter *adapter, struct endpoint servers[ADAPTER_DNS_MAX]);
