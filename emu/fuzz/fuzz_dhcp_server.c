/*
 * A server among hostile clients: messages, each behind a byte that says how many seconds pass
 * first, and a byte with its length, in eights.
 */
#include <assert.h>
#include <string.h>

#include "emu/buf.h"
#include "emu/dhcp_server.h"
#include "emu/fuzz/fuzz.h"
#include "emu/vclock.h"

#define US_PER_S UINT64_C(1000000)
#define LEN_UNIT 8
#define OWN      0x0a000003
#define FIRST    0x0a000001
#define LAST     0x0a000006
#define LEASE_S  120

static void check_reply(const struct dhcp_reply *reply)
{
    const struct dhcp_msg *msg = &reply->msg;
    uint8_t data[DHCP_MSG_MAX];
    struct dhcp_msg again;

    assert(msg->is_reply && msg->server_id == OWN);
    assert(!msg->your_ip || (msg->your_ip >= FIRST && msg->your_ip <= LAST && msg->your_ip != OWN));
    assert(msg->type != DHCP_TYPE_NAK || !msg->your_ip);
    assert(msg->type != DHCP_TYPE_OFFER || msg->your_ip);
    assert(dhcp_read(data, dhcp_write(msg, data), &again));
}

/* Whoever was told that an address is its own must still have it, until its lease is over. */
struct promise {
    struct dhcp_id id;
    uint8_t mac[DHCP_MAC_LEN];
    uint64_t end_us;
};

static bool is_same(const struct promise *promise, const struct dhcp_msg *msg)
{
    if (promise->id.len || msg->client_id.len) {
        return promise->id.len == msg->client_id.len &&
               memcmp(promise->id.bytes, msg->client_id.bytes, msg->client_id.len) == 0;
    }
    return memcmp(promise->mac, msg->mac, sizeof(promise->mac)) == 0;
}

static void note(struct promise promises[], const struct dhcp_msg *asked,
                 const struct dhcp_msg *reply, uint64_t now_us)
{
    struct promise *promise = &promises[reply->your_ip - FIRST];
    bool names_itself_by_mac = asked->client_id.len == 1 + DHCP_MAC_LEN;

    assert(promise->end_us <= now_us || is_same(promise, asked) || names_itself_by_mac ||
           promise->id.len == 1 + DHCP_MAC_LEN);
    promise->id = asked->client_id;
    memcpy(promise->mac, asked->mac, sizeof(promise->mac));
    promise->end_us = now_us + LEASE_S * US_PER_S;
}

/* Who gives an address back has no claim to it: whether by that, or by taking another one. */
static void forget(struct promise promises[], const struct dhcp_msg *msg)
{
    for (size_t i = 0; i <= LAST - FIRST; i++) {
        if (is_same(&promises[i], msg) || msg->client_id.len == 1 + DHCP_MAC_LEN ||
            promises[i].id.len == 1 + DHCP_MAC_LEN)
            promises[i].end_us = 0;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct promise promises[LAST - FIRST + 1] = { 0 };
    struct dhcp_server server;
    struct vclock clock;
    struct reader r;

    vclock_init(&clock, VCLOCK_MODE_VIRTUAL);
    dhcp_server_init(&server, &(struct dhcp_server_config){ .clock = &clock,
                                                            .ip = OWN,
                                                            .prefix_len = 24,
                                                            .first = FIRST,
                                                            .last = LAST,
                                                            .fresh = FIRST,
                                                            .lease_s = LEASE_S });
    reader_init(&r, data, size);
    while (reader_left(&r)) {
        struct dhcp_reply reply;
        struct dhcp_msg msg;
        size_t len;

        vclock_advance(&clock, reader_u8(&r) * US_PER_S);
        len = (size_t)reader_u8(&r) * LEN_UNIT;
        len = len < reader_left(&r) ? len : reader_left(&r);
        if (!dhcp_read(reader_bytes(&r, len), len, &msg))
            continue;
        if (dhcp_server_handle(&server, &msg, &reply)) {
            check_reply(&reply);
            if (reply.msg.type == DHCP_TYPE_ACK && reply.msg.your_ip)
                note(promises, &msg, &reply.msg, clock.now_us);
        }
        if (msg.type != DHCP_TYPE_DISCOVER && msg.type != DHCP_TYPE_REQUEST)
            forget(promises, &msg);
        assert(dhcp_server_leases(&server) < LAST - FIRST + 1);
    }
    return 0;
}
