#include "emu/dhcp_client.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "emu/rng.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define US_PER_S    UINT64_C(1000000)
#define US_PER_MS   UINT64_C(1000)
#define SECS_MAX    UINT16_MAX
#define MTU_MIN     576 /* RFC 791 3.1: what every host takes */
#define HW_ETHERNET 1   /* of a client's identity, RFC 2132 9.14 */
#define LEASE_S_MIN 2   /* T1 is a second away then: it can't be renewed in a rush */

const struct dhcp_client_timing dhcp_client_timing = {
    .discover_ms = { 1000, 2000, 4000, 8000 },
    .discover_count = 4,
    .request_ms = 1900,
    .request_tries = 3,
    .renew_ms_min = 60000, /* RFC 2131 4.4.5 */
    .jitter_ms = 100,
};

/* ---- states ------------------------------------------------------------------------------------------ */

#define TO(state) (1U << DHCP_CLIENT_STATE_##state)

static void select_due(struct dhcp_client *client);
static void request_due(struct dhcp_client *client);
static void lease_due(struct dhcp_client *client);
static bool select_heard(struct dhcp_client *client, const struct dhcp_msg *msg);
static bool request_heard(struct dhcp_client *client, const struct dhcp_msg *msg);
static bool renew_heard(struct dhcp_client *client, const struct dhcp_msg *msg);

static const struct {
    void (*due)(struct dhcp_client *client); /* its timer */
    bool (*heard)(struct dhcp_client *client, const struct dhcp_msg *msg);
    unsigned may_become; /* beside OFF */
} states[] = {
    [DHCP_CLIENT_STATE_OFF] = { NULL, NULL, TO(SELECTING) },
    [DHCP_CLIENT_STATE_SELECTING] = { select_due, select_heard, TO(SELECTING) | TO(REQUESTING) },
    [DHCP_CLIENT_STATE_REQUESTING] = { request_due, request_heard, TO(SELECTING) | TO(BOUND) },
    [DHCP_CLIENT_STATE_BOUND] = { lease_due, NULL, TO(RENEWING) | TO(REBINDING) | TO(SELECTING) },
    [DHCP_CLIENT_STATE_RENEWING] = { lease_due, renew_heard,
                                     TO(BOUND) | TO(REBINDING) | TO(SELECTING) },
    [DHCP_CLIENT_STATE_REBINDING] = { lease_due, renew_heard, TO(BOUND) | TO(SELECTING) },
};
static_assert(sizeof(states) / sizeof(states[0]) == DHCP_CLIENT_STATE_REBINDING + 1,
              "a state lacks its row");

static void set_state(struct dhcp_client *client, enum dhcp_client_state next)
{
    assert(next == DHCP_CLIENT_STATE_OFF || states[client->state].may_become & 1U << next);
    client->state = next;
    client->tries = 0;
    timer_stop(client->config.timers, &client->timer);
}

bool dhcp_client_is_bound(const struct dhcp_client *client)
{
    return client->state >= DHCP_CLIENT_STATE_BOUND;
}

static uint64_t now_us(const struct dhcp_client *client)
{
    return client->config.clock->now_us;
}

static void wait_until(struct dhcp_client *client, uint64_t due_us)
{
    timer_stop(client->config.timers, &client->timer);
    client->timer.is_background = dhcp_client_is_bound(client);
    timer_start(client->config.timers, &client->timer, due_us);
}

static void wait_for_answer(struct dhcp_client *client, uint32_t ms)
{
    uint32_t jitter_ms = client->config.timing->jitter_ms;

    if (jitter_ms)
        ms += rng_below(client->config.rng, jitter_ms + 1);
    wait_until(client, now_us(client) + ms * US_PER_MS);
}

/* ---- sending ---------------------------------------------------------------------------------------- */

static void begin_msg(const struct dhcp_client *client, enum dhcp_type type, struct dhcp_msg *msg)
{
    uint64_t secs = (now_us(client) - client->searching_us) / US_PER_S;

    *msg = (struct dhcp_msg){ .type = type,
                              .xid = client->xid,
                              .secs = (uint16_t)(secs < SECS_MAX ? secs : SECS_MAX),
                              .client_id = { .bytes = { HW_ETHERNET }, .len = 1 + DHCP_MAC_LEN } };
    memcpy(msg->mac, client->config.mac, DHCP_MAC_LEN);
    memcpy(msg->client_id.bytes + 1, client->config.mac, DHCP_MAC_LEN);
}

static void add_wishes(const struct dhcp_client *client, struct dhcp_msg *msg)
{
    static const enum dhcp_option wishes[] = {
        DHCP_OPTION_MASK, DHCP_OPTION_ROUTES,    DHCP_OPTION_ROUTER, DHCP_OPTION_DNS,
        DHCP_OPTION_MTU,  DHCP_OPTION_BROADCAST, DHCP_OPTION_LEASE,  DHCP_OPTION_SERVER_ID,
        DHCP_OPTION_T1,   DHCP_OPTION_T2,
    };

    for (int i = 0; i < ARRAY_LEN(wishes); i++)
        msg->wanted[msg->wanted_count++] = (uint8_t)wishes[i];
    (void)snprintf(msg->hostname, sizeof(msg->hostname), "%s", client->config.hostname);
}

static void send_msg(struct dhcp_client *client, const struct dhcp_msg *msg, uint32_t ip)
{
    client->tries++;
    client->config.ops->send(client, msg, ip);
}

static void send_discover(struct dhcp_client *client)
{
    struct dhcp_msg msg;

    begin_msg(client, DHCP_TYPE_DISCOVER, &msg);
    msg.wants_broadcast = client->config.wants_broadcast;
    msg.requested_ip = client->last_ip;
    add_wishes(client, &msg);
    client->discovered_us = now_us(client);
    client->has_discovered = true;
    send_msg(client, &msg, DHCP_BROADCAST);
}

/* For what was offered, RFC 2131 4.3.2. */
static void send_request(struct dhcp_client *client)
{
    struct dhcp_msg msg;

    begin_msg(client, DHCP_TYPE_REQUEST, &msg);
    msg.wants_broadcast = client->config.wants_broadcast;
    msg.requested_ip = client->lease.ip;
    msg.server_id = client->lease.server;
    add_wishes(client, &msg);
    client->requested_us = now_us(client);
    send_msg(client, &msg, DHCP_BROADCAST);
}

/* For more of what it has. */
static void send_renewal(struct dhcp_client *client, uint32_t ip)
{
    struct dhcp_msg msg;

    begin_msg(client, DHCP_TYPE_REQUEST, &msg);
    msg.client_ip = client->lease.ip;
    add_wishes(client, &msg);
    client->requested_us = now_us(client);
    send_msg(client, &msg, ip);
}

/* ---- looking for a server -------------------------------------------------------------------------- */

static void begin_selecting(struct dhcp_client *client)
{
    uint64_t earliest_us =
        client->discovered_us + client->config.timing->discover_ms[0] * US_PER_MS;

    set_state(client, DHCP_CLIENT_STATE_SELECTING);
    client->xid = (uint32_t)rng_next(client->config.rng);
    if (client->has_discovered && earliest_us > now_us(client)) {
        wait_until(client, earliest_us);
    } else {
        select_due(client);
    }
}

static void select_due(struct dhcp_client *client)
{
    const struct dhcp_client_timing *timing = client->config.timing;
    unsigned sent = client->tries;

    if (!sent)
        client->searching_us = now_us(client);
    send_discover(client);
    wait_for_answer(
        client,
        timing->discover_ms[sent < timing->discover_count ? sent : timing->discover_count - 1]);
    if (sent && client->config.ops->unanswered)
        client->config.ops->unanswered(client, sent);
}

static void request_due(struct dhcp_client *client)
{
    if (client->tries == client->config.timing->request_tries) {
        begin_selecting(client);
        return;
    }
    send_request(client);
    wait_for_answer(client, client->config.timing->request_ms);
}

/* ---- what servers say ------------------------------------------------------------------------------ */

/* Before there were masks, RFC 791 3.2. */
static unsigned class_prefix_len(uint32_t ip)
{
    return !(ip >> 31) ? 8 : !(ip >> 30 & 1) ? 16 : 24;
}

static bool is_on_link(const struct dhcp_lease *lease, uint32_t ip)
{
    return dhcp_ip_is_usable(ip) && ip != lease->ip &&
           ((ip ^ lease->ip) & dhcp_mask(lease->prefix_len)) == 0;
}

/* Neither the network's own address nor its broadcast. */
static bool is_a_hosts(uint32_t ip, unsigned prefix_len)
{
    uint32_t host = ip & ~dhcp_mask(prefix_len);

    return dhcp_ip_is_usable(ip) &&
           (prefix_len > 30 || (host != 0 && host != ~dhcp_mask(prefix_len)));
}

/* RFC 3442: who sends routes means them in place of the router. */
static void take_routes(struct dhcp_lease *lease, const struct dhcp_msg *msg)
{
    lease->routes_count = 0;
    lease->router = !msg->routes_count && is_on_link(lease, msg->router) ? msg->router : 0;
    for (size_t i = 0; i < msg->routes_count; i++) {
        const struct dhcp_route *route = &msg->routes[i];

        if (route->via && !is_on_link(lease, route->via))
            continue;
        if (route->prefix_len) {
            lease->routes[lease->routes_count++] = *route;
        } else {
            lease->router = route->via;
        }
    }
}

static void take_dns(struct dhcp_lease *lease, const struct dhcp_msg *msg)
{
    lease->dns_count = 0;
    for (size_t i = 0; i < msg->dns_count; i++) {
        if (dhcp_ip_is_usable(msg->dns[i]))
            lease->dns[lease->dns_count++] = msg->dns[i];
    }
}

/* RFC 2131 4.4.5: T1 and T2, where they are not said or make no sense, are 0.5 and 0.875 of it. */
static void take_times(struct dhcp_lease *lease, const struct dhcp_msg *msg)
{
    uint32_t all = msg->lease_s;

    lease->lease_s = all;
    lease->t1_s = msg->t1_s;
    lease->t2_s = msg->t2_s;
    if (!lease->t2_s || lease->t2_s > all)
        lease->t2_s = all - all / 8;
    if (!lease->t1_s || lease->t1_s > lease->t2_s)
        lease->t1_s = all / 2 < lease->t2_s ? all / 2 : lease->t2_s;
}

/* False: no host can live on it. */
static bool take_lease(struct dhcp_lease *lease, const struct dhcp_msg *msg)
{
    unsigned prefix_len = msg->mask ? dhcp_prefix_len(msg->mask) : class_prefix_len(msg->your_ip);

    if (!prefix_len || !is_a_hosts(msg->your_ip, prefix_len) || msg->lease_s < LEASE_S_MIN)
        return false;
    lease->ip = msg->your_ip;
    lease->prefix_len = prefix_len;
    lease->mtu = msg->mtu >= MTU_MIN ? msg->mtu : 0;
    take_routes(lease, msg);
    take_dns(lease, msg);
    take_times(lease, msg);
    return true;
}

/* What was asked for, and nothing else. */
static bool take_ack(struct dhcp_client *client, const struct dhcp_msg *msg)
{
    return msg->type == DHCP_TYPE_ACK && msg->your_ip == client->lease.ip &&
           take_lease(&client->lease, msg);
}

/* Of the server whose lease it is; some leave their name out of an ACK. */
static bool is_of_server(const struct dhcp_client *client, const struct dhcp_msg *msg)
{
    return !msg->server_id || msg->server_id == client->lease.server;
}

static bool select_heard(struct dhcp_client *client, const struct dhcp_msg *msg)
{
    struct dhcp_lease offered = { .server = msg->server_id };

    if (msg->type != DHCP_TYPE_OFFER || !dhcp_ip_is_usable(msg->server_id) ||
        !take_lease(&offered, msg))
        return false;
    client->lease = offered;
    set_state(client, DHCP_CLIENT_STATE_REQUESTING);
    request_due(client);
    return true;
}

/* ---- a lease ------------------------------------------------------------------------------------------ */

static uint64_t end_us(const struct dhcp_client *client, uint32_t after_s)
{
    return client->lease.lease_s == DHCP_INFINITE_S ? UINT64_MAX
                                                    : client->since_us + after_s * US_PER_S;
}

static void bind_lease(struct dhcp_client *client)
{
    set_state(client, DHCP_CLIENT_STATE_BOUND);
    client->last_ip = client->lease.ip;
    client->since_us = client->requested_us;
    if (client->lease.lease_s != DHCP_INFINITE_S)
        wait_until(client, end_us(client, client->lease.t1_s));
    client->config.ops->bound(client, &client->lease);
}

static void lose_lease(struct dhcp_client *client, enum dhcp_loss why)
{
    if (why != DHCP_LOSS_EXPIRED)
        client->last_ip = 0;
    client->config.ops->lost(client, why); /* before it looks for another: it has no address then */
}

static bool request_heard(struct dhcp_client *client, const struct dhcp_msg *msg)
{
    if (msg->type == DHCP_TYPE_NAK && is_of_server(client, msg)) {
        client->last_ip = 0;
        begin_selecting(client);
        return true;
    }
    if (!is_of_server(client, msg) || !take_ack(client, msg))
        return false;
    bind_lease(client);
    return true;
}

static bool renew_heard(struct dhcp_client *client, const struct dhcp_msg *msg)
{
    bool anybody = client->state == DHCP_CLIENT_STATE_REBINDING;

    if (!anybody && !is_of_server(client, msg))
        return false;
    if (msg->type == DHCP_TYPE_NAK) {
        lose_lease(client, DHCP_LOSS_REFUSED);
        begin_selecting(client);
        return true;
    }
    if (!take_ack(client, msg))
        return false;
    if (dhcp_ip_is_usable(msg->server_id))
        client->lease.server = msg->server_id;
    bind_lease(client);
    return true;
}

/* RFC 2131 4.4.5: half of what is left, but not too soon. */
static void wait_half(struct dhcp_client *client, uint64_t until_us)
{
    uint64_t half_us = (until_us - now_us(client)) / 2;
    uint64_t min_us = client->config.timing->renew_ms_min * US_PER_MS;
    uint64_t due_us = now_us(client) + (half_us > min_us ? half_us : min_us);

    wait_until(client, due_us < until_us ? due_us : until_us);
}

static void renew(struct dhcp_client *client, enum dhcp_client_state next, uint32_t ip,
                  uint64_t until_us)
{
    if (client->state != next) {
        if (client->state == DHCP_CLIENT_STATE_BOUND) {
            client->xid = (uint32_t)rng_next(client->config.rng);
            client->searching_us = now_us(client);
        }
        set_state(client, next);
    }
    send_renewal(client, ip);
    wait_half(client, until_us);
}

static void lease_due(struct dhcp_client *client)
{
    uint64_t t2_us = end_us(client, client->lease.t2_s);
    uint64_t lease_us = end_us(client, client->lease.lease_s);

    if (now_us(client) >= lease_us) {
        lose_lease(client, DHCP_LOSS_EXPIRED);
        begin_selecting(client);
    } else if (now_us(client) >= t2_us) {
        renew(client, DHCP_CLIENT_STATE_REBINDING, DHCP_BROADCAST, lease_us);
    } else {
        renew(client, DHCP_CLIENT_STATE_RENEWING, client->lease.server, t2_us);
    }
}

/* ---- from outside -------------------------------------------------------------------------------------- */

static void on_timer(struct timer *timer)
{
    struct dhcp_client *client = container_of(timer, struct dhcp_client, timer);

    states[client->state].due(client);
}

void dhcp_client_init(struct dhcp_client *client, const struct dhcp_client_config *config)
{
    assert(config->timing->discover_count >= 1);
    assert(config->timing->discover_count <= DHCP_WAITS_MAX);
    *client = (struct dhcp_client){ .config = *config };
    timer_init(&client->timer, on_timer);
}

void dhcp_client_start(struct dhcp_client *client)
{
    if (client->state == DHCP_CLIENT_STATE_OFF)
        begin_selecting(client);
}

void dhcp_client_stop(struct dhcp_client *client)
{
    set_state(client, DHCP_CLIENT_STATE_OFF);
}

bool dhcp_client_handle(struct dhcp_client *client, const struct dhcp_msg *msg)
{
    return states[client->state].heard && client->tries && msg->is_reply &&
           msg->xid == client->xid && memcmp(msg->mac, client->config.mac, DHCP_MAC_LEN) == 0 &&
           states[client->state].heard(client, msg);
}
