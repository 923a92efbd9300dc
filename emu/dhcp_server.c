#include "emu/dhcp_server.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "emu/vclock.h"

#define US_PER_S    UINT64_C(1000000)
#define HW_ETHERNET 1 /* of an identity made of a MAC, RFC 2132 9.14 */

static uint64_t now_us(const struct dhcp_server *server)
{
    return server->config.clock->now_us;
}

/* ---- the pool ---------------------------------------------------------------------------------------- */

static size_t pool_count(const struct dhcp_server *server)
{
    return server->config.last - server->config.first + 1;
}

static uint32_t ip_of(const struct dhcp_server *server, const struct dhcp_place *place)
{
    return server->config.first + (uint32_t)(place - server->pool);
}

static bool is_taken(const struct dhcp_server_config *config, uint32_t ip)
{
    for (size_t i = 0; i < config->taken_count; i++) {
        if (config->taken[i] == ip)
            return true;
    }
    return ip == config->ip;
}

/* NULL: it is not ours to give. */
static struct dhcp_place *place_of(struct dhcp_server *server, uint32_t ip)
{
    const struct dhcp_server_config *config = &server->config;

    return ip >= config->first && ip <= config->last && !is_taken(config, ip)
               ? &server->pool[ip - config->first]
               : NULL;
}

static bool is_held(const struct dhcp_server *server, const struct dhcp_place *place)
{
    return place->hold != DHCP_HOLD_FREE && place->end_us > now_us(server);
}

static void identify(const struct dhcp_msg *msg, struct dhcp_id *id)
{
    *id = msg->client_id;
    if (id->len)
        return;
    id->bytes[0] = HW_ETHERNET;
    memcpy(id->bytes + 1, msg->mac, DHCP_MAC_LEN);
    id->len = 1 + DHCP_MAC_LEN;
}

static bool is_of(const struct dhcp_place *place, const struct dhcp_id *id)
{
    return place->hold != DHCP_HOLD_DECLINED && place->id.len == id->len &&
           memcmp(place->id.bytes, id->bytes, id->len) == 0;
}

/* Can @id have it? */
static bool is_open_to(const struct dhcp_server *server, const struct dhcp_place *place,
                       const struct dhcp_id *id)
{
    return place && (!is_held(server, place) || is_of(place, id));
}

static struct dhcp_place *find(struct dhcp_server *server, const struct dhcp_id *id)
{
    for (size_t i = 0; i < pool_count(server); i++) {
        if (is_of(&server->pool[i], id))
            return &server->pool[i];
    }
    return NULL;
}

/* One that nobody has had, else that which has been free for longest; NULL: all are taken. */
static struct dhcp_place *find_free(struct dhcp_server *server)
{
    size_t count = pool_count(server), from = server->config.fresh - server->config.first;
    struct dhcp_place *oldest = NULL;

    for (size_t i = 0; i < count; i++) {
        uint32_t ip = server->config.first + (uint32_t)((from + i) % count);
        struct dhcp_place *place = place_of(server, ip);

        if (!place || is_held(server, place))
            continue;
        if (!place->id.len)
            return place;
        if (!oldest || place->end_us < oldest->end_us)
            oldest = place;
    }
    return oldest;
}

static void hold(struct dhcp_server *server, struct dhcp_place *place, enum dhcp_hold how,
                 uint32_t for_s)
{
    place->hold = how;
    place->end_us = now_us(server) + for_s * US_PER_S;
}

static struct dhcp_place *choose(struct dhcp_server *server, const struct dhcp_id *id,
                                 uint32_t wish)
{
    struct dhcp_place *place = find(server, id);

    if (place)
        return place;
    place = place_of(server, wish);
    return is_open_to(server, place, id) ? place : find_free(server);
}

size_t dhcp_server_leases(const struct dhcp_server *server)
{
    size_t count = 0;

    for (size_t i = 0; i < pool_count(server); i++) {
        count += is_held(server, &server->pool[i]) && server->pool[i].hold == DHCP_HOLD_LEASED;
    }
    return count;
}

/* ---- replies ------------------------------------------------------------------------------------------- */

/* RFC 2131 4.1; table 3. */
static void address_reply(const struct dhcp_msg *msg, struct dhcp_reply *reply)
{
    reply->port = DHCP_CLIENT_PORT;
    reply->ip = DHCP_BROADCAST;
    if (msg->relay_ip) {
        reply->ip = msg->relay_ip;
        reply->port = DHCP_SERVER_PORT;
        reply->msg.wants_broadcast |= reply->msg.type == DHCP_TYPE_NAK;
    } else if (msg->client_ip && reply->msg.type != DHCP_TYPE_NAK) {
        reply->ip = msg->client_ip;
    }
}

static void begin_reply(const struct dhcp_server *server, const struct dhcp_msg *msg,
                        enum dhcp_type type, struct dhcp_reply *reply)
{
    *reply = (struct dhcp_reply){ .msg = { .is_reply = true,
                                           .type = type,
                                           .xid = msg->xid,
                                           .wants_broadcast = msg->wants_broadcast,
                                           .relay_ip = msg->relay_ip,
                                           .server_id = server->config.ip,
                                           .client_id = msg->client_id } }; /* RFC 6842 */
    memcpy(reply->msg.mac, msg->mac, DHCP_MAC_LEN);
    address_reply(msg, reply);
}

/* What was asked for, of what there is. */
static void add_network(const struct dhcp_server *server, const struct dhcp_msg *msg,
                        struct dhcp_msg *reply)
{
    const struct dhcp_server_config *config = &server->config;

    reply->mask = dhcp_mask(config->prefix_len);
    if (dhcp_wants(msg, DHCP_OPTION_BROADCAST))
        reply->broadcast = config->ip | ~reply->mask;
    if (dhcp_wants(msg, DHCP_OPTION_ROUTER))
        reply->router = config->router;
    if (dhcp_wants(msg, DHCP_OPTION_MTU))
        reply->mtu = config->mtu;
    if (dhcp_wants(msg, DHCP_OPTION_DNS)) {
        memcpy(reply->dns, config->dns, sizeof(reply->dns));
        reply->dns_count = config->dns_count;
    }
}

static bool give(const struct dhcp_server *server, const struct dhcp_msg *msg, enum dhcp_type type,
                 uint32_t ip, struct dhcp_reply *reply)
{
    uint32_t lease_s = server->config.lease_s;

    begin_reply(server, msg, type, reply);
    reply->msg.client_ip = msg->client_ip;
    reply->msg.your_ip = ip;
    reply->msg.lease_s = lease_s;
    reply->msg.t1_s = lease_s / 2;
    reply->msg.t2_s = lease_s - lease_s / 8;
    add_network(server, msg, &reply->msg);
    return true;
}

static bool refuse(const struct dhcp_server *server, const struct dhcp_msg *msg, const char *why,
                   struct dhcp_reply *reply)
{
    begin_reply(server, msg, DHCP_TYPE_NAK, reply);
    (void)snprintf(reply->msg.text, sizeof(reply->msg.text), "%s", why);
    return true;
}

/* ---- requests ------------------------------------------------------------------------------------------ */

static bool on_discover(struct dhcp_server *server, const struct dhcp_msg *msg,
                        const struct dhcp_id *id, struct dhcp_reply *reply)
{
    struct dhcp_place *place = choose(server, id, msg->requested_ip);

    if (!place)
        return false;
    if (!is_held(server, place)) {
        place->id = *id;
        hold(server, place, DHCP_HOLD_OFFERED, DHCP_OFFER_S);
    }
    return give(server, msg, DHCP_TYPE_OFFER, ip_of(server, place), reply);
}

/* Another server's offer was taken. */
static bool withdraw(struct dhcp_server *server, const struct dhcp_id *id)
{
    struct dhcp_place *place = find(server, id);

    if (place && place->hold == DHCP_HOLD_OFFERED)
        hold(server, place, DHCP_HOLD_FREE, 0);
    return false;
}

/* RFC 2131 4.3.2: after an offer, after a new start, or for more time. */
static bool on_request(struct dhcp_server *server, const struct dhcp_msg *msg,
                       const struct dhcp_id *id, struct dhcp_reply *reply)
{
    uint32_t ip = msg->client_ip ? msg->client_ip : msg->requested_ip;
    struct dhcp_place *place = place_of(server, ip), *former = find(server, id);

    if (msg->server_id && msg->server_id != server->config.ip)
        return withdraw(server, id);
    if (!ip)
        return false;
    if (!place)
        return refuse(server, msg, "address not of this network", reply);
    if (!is_open_to(server, place, id))
        return refuse(server, msg, "address in use", reply);
    if (former && former != place)
        *former = (struct dhcp_place){ 0 }; /* nobody has two */
    place->id = *id;
    hold(server, place, DHCP_HOLD_LEASED, server->config.lease_s);
    return give(server, msg, DHCP_TYPE_ACK, ip, reply);
}

static bool on_decline(struct dhcp_server *server, const struct dhcp_msg *msg,
                       const struct dhcp_id *id)
{
    struct dhcp_place *place = place_of(server, msg->requested_ip);

    if (place && is_of(place, id))
        hold(server, place, DHCP_HOLD_DECLINED, DHCP_DECLINE_S);
    return false;
}

static bool on_release(struct dhcp_server *server, const struct dhcp_msg *msg,
                       const struct dhcp_id *id)
{
    struct dhcp_place *place = place_of(server, msg->client_ip);

    if (place && is_of(place, id))
        hold(server, place, DHCP_HOLD_FREE, 0);
    return false;
}

/* RFC 2131 4.3.5: who has an address from elsewhere wants the rest. */
static bool on_inform(const struct dhcp_server *server, const struct dhcp_msg *msg,
                      struct dhcp_reply *reply)
{
    if (!dhcp_ip_is_usable(msg->client_ip))
        return false;
    begin_reply(server, msg, DHCP_TYPE_ACK, reply);
    reply->msg.client_ip = msg->client_ip;
    add_network(server, msg, &reply->msg);
    return true;
}

bool dhcp_server_handle(struct dhcp_server *server, const struct dhcp_msg *msg,
                        struct dhcp_reply *reply)
{
    struct dhcp_id id;

    if (msg->is_reply)
        return false;
    identify(msg, &id);
    switch (msg->type) {
    case DHCP_TYPE_DISCOVER:
        return on_discover(server, msg, &id, reply);
    case DHCP_TYPE_REQUEST:
        return on_request(server, msg, &id, reply);
    case DHCP_TYPE_DECLINE:
        return on_decline(server, msg, &id);
    case DHCP_TYPE_RELEASE:
        return on_release(server, msg, &id);
    case DHCP_TYPE_INFORM:
        return on_inform(server, msg, reply);
    case DHCP_TYPE_NONE:
    case DHCP_TYPE_OFFER:
    case DHCP_TYPE_ACK:
    case DHCP_TYPE_NAK:
        break;
    }
    return false;
}

void dhcp_server_init(struct dhcp_server *server, const struct dhcp_server_config *config)
{
    assert(config->first <= config->last);
    assert(config->last - config->first < DHCP_POOL_MAX);
    assert(config->fresh >= config->first);
    assert(config->fresh <= config->last);
    assert(config->dns_count <= DHCP_DNS_MAX);
    assert(config->taken_count <= DHCP_TAKEN_MAX);
    *server = (struct dhcp_server){ .config = *config };
}
