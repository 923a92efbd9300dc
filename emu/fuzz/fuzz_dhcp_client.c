/*
 * A client among hostile servers: messages, each behind a byte that says how many tenths of a second
 * pass first and what is done to it, and a byte with its length, in eights.
 */
#include <assert.h>
#include <string.h>

#include "emu/buf.h"
#include "emu/dhcp_client.h"
#include "emu/fuzz/fuzz.h"
#include "emu/rng.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define US_PER_TENTH 100000
#define TENTHS_MASK  0x1f
#define IS_RELINK    0x40
#define IS_HONEST    0x80 /* its xid and MAC become those of the question */
#define XID_AT       4
#define MAC_AT       28
#define LEN_UNIT     8

struct fake {
    struct vclock clock;
    struct timers timers;
    struct rng rng;
    struct dhcp_client client;
    uint64_t discovered_us;
    bool has_discovered;
    bool is_bound;
};

static void on_send(struct dhcp_client *client, const struct dhcp_msg *msg, uint32_t ip)
{
    struct fake *fake = container_of(client, struct fake, client);
    uint8_t data[DHCP_MSG_MAX];

    assert(ip == DHCP_BROADCAST || dhcp_ip_is_usable(ip));
    assert(dhcp_write(msg, data) >= DHCP_MSG_MIN);
    if (msg->type != DHCP_TYPE_DISCOVER)
        return;
    assert(!fake->has_discovered ||
           fake->clock.now_us - fake->discovered_us >= dhcp_client_timing.discover_ms[0] * 1000);
    fake->discovered_us = fake->clock.now_us;
    fake->has_discovered = true;
}

static void on_bound(struct dhcp_client *client, const struct dhcp_lease *lease)
{
    struct fake *fake = container_of(client, struct fake, client);

    assert(dhcp_ip_is_usable(lease->ip) && lease->prefix_len >= 1 && lease->prefix_len <= 32);
    assert(!lease->router || ((lease->router ^ lease->ip) & dhcp_mask(lease->prefix_len)) == 0);
    assert(lease->t1_s && lease->t1_s <= lease->t2_s && lease->t2_s <= lease->lease_s);
    fake->is_bound = true;
}

static void on_lost(struct dhcp_client *client, enum dhcp_loss why)
{
    struct fake *fake = container_of(client, struct fake, client);

    (void)why;
    assert(fake->is_bound);
    fake->is_bound = false;
}

static const struct dhcp_client_ops ops = { on_send, on_bound, on_lost, NULL };

static void pass_us(struct fake *fake, uint64_t us)
{
    uint64_t until_us = fake->clock.now_us + us;

    while (timers_next_us(&fake->timers) <= until_us) {
        uint64_t next_us = timers_next_us(&fake->timers);

        if (next_us > fake->clock.now_us)
            vclock_advance(&fake->clock, next_us - fake->clock.now_us);
        (void)timers_run(&fake->timers, fake->clock.now_us);
    }
    vclock_advance(&fake->clock, until_us - fake->clock.now_us);
}

static void hear(struct fake *fake, const uint8_t *bytes, size_t len, bool is_honest)
{
    uint8_t data[DHCP_MSG_MAX];
    struct dhcp_msg msg;
    struct writer w;

    memcpy(data, bytes, len);
    if (is_honest && len >= MAC_AT + DHCP_MAC_LEN) {
        writer_init(&w, data + XID_AT, sizeof(uint32_t));
        writer_u32(&w, fake->client.xid);
        memcpy(data + MAC_AT, fake->client.config.mac, DHCP_MAC_LEN);
    }
    if (dhcp_read(data, len, &msg))
        (void)dhcp_client_handle(&fake->client, &msg);
}

static void step(struct fake *fake, struct reader *r)
{
    uint8_t what = reader_u8(r);
    size_t len = (size_t)reader_u8(r) * LEN_UNIT;
    const uint8_t *bytes;

    pass_us(fake, (uint64_t)(what & TENTHS_MASK) * US_PER_TENTH);
    if (what & IS_RELINK) {
        dhcp_client_stop(&fake->client);
        fake->is_bound = false;
        dhcp_client_start(&fake->client);
    }
    len = len < reader_left(r) ? len : reader_left(r);
    len = len < DHCP_MSG_MAX ? len : DHCP_MSG_MAX;
    bytes = reader_bytes(r, len);
    if (len)
        hear(fake, bytes, len, what & IS_HONEST);
    assert(fake->is_bound == dhcp_client_is_bound(&fake->client));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fake fake = { 0 };
    struct reader r;

    vclock_init(&fake.clock, VCLOCK_MODE_VIRTUAL);
    timers_init(&fake.timers);
    rng_init(&fake.rng, 1);
    dhcp_client_init(&fake.client, &(struct dhcp_client_config){ .timers = &fake.timers,
                                                                 .clock = &fake.clock,
                                                                 .rng = &fake.rng,
                                                                 .ops = &ops,
                                                                 .timing = &dhcp_client_timing,
                                                                 .mac = { 2, 0, 0, 0, 0, 1 } });
    dhcp_client_start(&fake.client);
    reader_init(&r, data, size);
    while (reader_left(&r))
        step(&fake, &r);
    dhcp_client_stop(&fake.client);
    timers_fini(&fake.timers);
    return 0;
}
