#include "emu/dhcp_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "emu/rng.h"
#include "emu/util.h"
#include "emu/vclock.h"

#include <cmocka.h>

#define US_PER_S  UINT64_C(1000000)
#define US_PER_MS UINT64_C(1000)
#define IP(a, b, c, d) \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))
#define SERVER   IP(10, 0, 0, 1)
#define OTHER    IP(10, 0, 0, 2)
#define ADDRESS  IP(10, 0, 0, 50)
#define MASK     IP(255, 255, 255, 0)
#define LEASE_S  800U
#define SENT_MAX 64

static const uint8_t mac[DHCP_MAC_LEN] = { 0x02, 0x4c, 0x41, 0x42, 0x00, 0x01 };

/* A device's worth of what a client needs, and what the client did. */
struct fake {
    struct vclock clock;
    struct timers timers;
    struct rng rng;
    struct dhcp_client client;
    struct {
        struct dhcp_msg msg;
        uint32_t ip;
        uint64_t at_us;
    } sent[SENT_MAX];
    size_t sent_count;
    unsigned bound, lost, unanswered;
    uint64_t lost_us;
    enum dhcp_loss why;
    bool sent_before_lost; /* a DISCOVER left while the address was still there */
    bool stops_unanswered;
};

static struct fake *fake_of(struct dhcp_client *client)
{
    return container_of(client, struct fake, client);
}

static void on_send(struct dhcp_client *client, const struct dhcp_msg *msg, uint32_t ip)
{
    struct fake *fake = fake_of(client);

    assert_true(fake->sent_count < SENT_MAX);
    fake->sent[fake->sent_count].msg = *msg;
    fake->sent[fake->sent_count].ip = ip;
    fake->sent[fake->sent_count++].at_us = fake->clock.now_us;
}

static void on_bound(struct dhcp_client *client, const struct dhcp_lease *lease)
{
    struct fake *fake = fake_of(client);

    assert_ptr_equal(lease, &client->lease);
    fake->bound++;
}

static void on_lost(struct dhcp_client *client, enum dhcp_loss why)
{
    struct fake *fake = fake_of(client);

    fake->lost++;
    fake->why = why;
    fake->lost_us = fake->clock.now_us;
    fake->sent_before_lost =
        fake->sent_count > 0 && fake->sent[fake->sent_count - 1].msg.type == DHCP_TYPE_DISCOVER;
}

static void on_unanswered(struct dhcp_client *client, unsigned count)
{
    struct fake *fake = fake_of(client);

    fake->unanswered = count;
    if (fake->stops_unanswered)
        dhcp_client_stop(client);
}

static const struct dhcp_client_ops ops = { on_send, on_bound, on_lost, on_unanswered };

/* Without jitter, so that every tick is known. */
static const struct dhcp_client_timing timing = {
    .discover_ms = { 1000, 2000, 4000, 8000 },
    .discover_count = 4,
    .request_ms = 1900,
    .request_tries = 3,
    .renew_ms_min = 60000,
};

static void init_client(struct fake *fake, const struct dhcp_client_timing *when)
{
    struct dhcp_client_config config = { .timers = &fake->timers,
                                         .clock = &fake->clock,
                                         .rng = &fake->rng,
                                         .ops = &ops,
                                         .timing = when,
                                         .hostname = "thing",
                                         .wants_broadcast = true };

    memcpy(config.mac, mac, sizeof(mac));
    dhcp_client_init(&fake->client, &config);
}

static int setup(void **state)
{
    struct fake *fake = xcalloc(1, sizeof(*fake));

    vclock_init(&fake->clock, VCLOCK_MODE_VIRTUAL);
    vclock_advance(&fake->clock, 5 * US_PER_S);
    timers_init(&fake->timers);
    rng_init(&fake->rng, 1);
    init_client(fake, &timing);
    *state = fake;
    return 0;
}

static int teardown(void **state)
{
    struct fake *fake = *state;

    dhcp_client_stop(&fake->client);
    assert_int_equal(timers_next_us(&fake->timers), UINT64_MAX);
    timers_fini(&fake->timers);
    free(fake);
    return 0;
}

/* Let so much time pass, timer by timer. */
static void pass_us(struct fake *fake, uint64_t us)
{
    uint64_t until_us = fake->clock.now_us + us;

    while (timers_next_us(&fake->timers) <= until_us) {
        vclock_advance(&fake->clock, timers_next_us(&fake->timers) - fake->clock.now_us);
        (void)timers_run(&fake->timers, fake->clock.now_us);
    }
    vclock_advance(&fake->clock, until_us - fake->clock.now_us);
}

static const struct dhcp_msg *newest(const struct fake *fake)
{
    assert_true(fake->sent_count > 0);
    return &fake->sent[fake->sent_count - 1].msg;
}

/* A good answer to the newest message. */
static struct dhcp_msg answer(const struct fake *fake, enum dhcp_type type)
{
    struct dhcp_msg msg = { .is_reply = true,
                            .type = type,
                            .xid = newest(fake)->xid,
                            .your_ip = ADDRESS,
                            .server_id = SERVER,
                            .mask = MASK,
                            .router = SERVER,
                            .dns = { SERVER, IP(1, 1, 1, 1) },
                            .dns_count = 2,
                            .lease_s = LEASE_S };

    memcpy(msg.mac, mac, sizeof(mac));
    return msg;
}

static bool hear(struct fake *fake, struct dhcp_msg msg)
{
    return dhcp_client_handle(&fake->client, &msg);
}

static void assert_state(const struct fake *fake, enum dhcp_client_state state)
{
    assert_int_equal(fake->client.state, state);
}

/* From the start to BOUND, in no time. */
static void bind_it(struct fake *fake)
{
    dhcp_client_start(&fake->client);
    assert_true(hear(fake, answer(fake, DHCP_TYPE_OFFER)));
    assert_true(hear(fake, answer(fake, DHCP_TYPE_ACK)));
    assert_state(fake, DHCP_CLIENT_STATE_BOUND);
}

/* The newest message was sent @us after @since_us, and nothing after it. */
static void assert_sent(const struct fake *fake, size_t count, uint64_t at_us)
{
    assert_int_equal(fake->sent_count, count);
    assert_int_equal(fake->sent[count - 1].at_us, at_us);
}

/* RFC 2131 3.1, table 5. */
static void a_lease_is_got_by_four_messages(void **state)
{
    struct fake *fake = *state;
    const struct dhcp_msg *discover = &fake->sent[0].msg, *request = &fake->sent[1].msg;
    const struct dhcp_lease *lease = &fake->client.lease;

    bind_it(fake);
    assert_int_equal(fake->sent_count, 2);
    assert_int_equal(discover->type, DHCP_TYPE_DISCOVER);
    assert_int_equal(fake->sent[0].ip, DHCP_BROADCAST);
    assert_false(discover->is_reply);
    assert_true(discover->wants_broadcast);
    assert_int_equal(discover->client_ip, 0);
    assert_int_equal(discover->server_id, 0);
    assert_memory_equal(discover->mac, mac, sizeof(mac));
    assert_int_equal(discover->client_id.len, 7);
    assert_memory_equal(discover->client_id.bytes + 1, mac, sizeof(mac));
    assert_string_equal(discover->hostname, "thing");
    assert_true(discover->wanted_count > 0 && dhcp_wants(discover, DHCP_OPTION_DNS));

    assert_int_equal(request->type, DHCP_TYPE_REQUEST);
    assert_int_equal(fake->sent[1].ip, DHCP_BROADCAST);
    assert_int_equal(request->xid, discover->xid);
    assert_int_equal(request->client_ip, 0);
    assert_int_equal(request->requested_ip, ADDRESS);
    assert_int_equal(request->server_id, SERVER);

    assert_int_equal(fake->bound, 1);
    assert_int_equal(lease->ip, ADDRESS);
    assert_int_equal(lease->server, SERVER);
    assert_int_equal(lease->prefix_len, 24);
    assert_int_equal(lease->router, SERVER);
    assert_int_equal(lease->dns_count, 2);
    assert_int_equal(lease->lease_s, LEASE_S);
    assert_int_equal(lease->t1_s, LEASE_S / 2);
    assert_int_equal(lease->t2_s, LEASE_S / 8 * 7);
}

static void an_unanswered_discover_is_sent_again_ever_more_rarely(void **state)
{
    static const uint64_t after_s[] = { 0, 1, 3, 7, 15, 23, 31 };
    struct fake *fake = *state;
    uint64_t start_us = fake->clock.now_us;

    dhcp_client_start(&fake->client);
    pass_us(fake, 38 * US_PER_S);
    assert_int_equal(fake->sent_count, ARRAY_LEN(after_s));
    for (int i = 0; i < ARRAY_LEN(after_s); i++) {
        assert_int_equal(fake->sent[i].at_us, start_us + after_s[i] * US_PER_S);
        assert_int_equal(fake->sent[i].msg.type, DHCP_TYPE_DISCOVER);
        assert_int_equal(fake->sent[i].msg.secs, after_s[i]);
        assert_int_equal(fake->sent[i].msg.xid, fake->sent[0].msg.xid);
    }
    assert_int_equal(fake->unanswered, 6);
    assert_true(hear(fake, answer(fake, DHCP_TYPE_OFFER))); /* and the server may come at last */
}

/* Somebody waits for an address, and nobody for the end of a lease. */
static void a_search_keeps_a_run_alive_and_a_lease_does_not(void **state)
{
    struct fake *fake = *state;

    dhcp_client_start(&fake->client);
    pass_us(fake, 60 * US_PER_S);
    assert_true(timers_keep_alive(&fake->timers));
    assert_true(hear(fake, answer(fake, DHCP_TYPE_OFFER)));
    assert_true(timers_keep_alive(&fake->timers));
    assert_true(hear(fake, answer(fake, DHCP_TYPE_ACK)));
    assert_false(timers_keep_alive(&fake->timers));
    pass_us(fake, LEASE_S / 2 * US_PER_S);
    assert_state(fake, DHCP_CLIENT_STATE_RENEWING);
    assert_false(timers_keep_alive(&fake->timers));
    pass_us(fake, LEASE_S / 2 * US_PER_S);
    assert_state(fake, DHCP_CLIENT_STATE_SELECTING);
    assert_true(timers_keep_alive(&fake->timers));
}

static void a_wait_begins_on_its_tick(void **state)
{
    struct fake *fake = *state;
    uint64_t start_us = fake->clock.now_us;

    dhcp_client_start(&fake->client);
    pass_us(fake, US_PER_S - 1);
    assert_sent(fake, 1, start_us);
    pass_us(fake, 1);
    assert_sent(fake, 2, start_us + US_PER_S);
}

/* The W5500's driver gives up after some, and resets its chip. */
static void who_is_told_of_silence_may_stop(void **state)
{
    struct fake *fake = *state;

    fake->stops_unanswered = true;
    dhcp_client_start(&fake->client);
    pass_us(fake, 100 * US_PER_S);
    assert_int_equal(fake->sent_count, 2);
    assert_state(fake, DHCP_CLIENT_STATE_OFF);
}

static void waits_are_jittered_by_the_seed(void **state)
{
    struct dhcp_client_timing jittery = timing;
    struct fake *fake = *state;
    uint64_t start_us = fake->clock.now_us;
    bool differs = false;

    jittery.jitter_ms = 100;
    init_client(fake, &jittery);
    dhcp_client_start(&fake->client);
    pass_us(fake, 60 * US_PER_S);
    for (size_t i = 1; i < fake->sent_count; i++) {
        uint64_t wait_us = fake->sent[i].at_us - fake->sent[i - 1].at_us;
        uint64_t base_us = timing.discover_ms[i < 4 ? i - 1 : 3] * US_PER_MS;

        assert_in_range(wait_us, base_us, base_us + 100 * US_PER_MS);
        differs = differs || wait_us != base_us;
    }
    assert_true(differs);
    start_us = fake->sent[1].at_us - start_us;

    dhcp_client_stop(&fake->client);
    fake->sent_count = 0;
    rng_init(&fake->rng, 1);
    init_client(fake, &jittery);
    dhcp_client_start(&fake->client);
    pass_us(fake, 2 * US_PER_S);
    assert_int_equal(fake->sent[1].at_us - fake->sent[0].at_us, start_us);
}

static void the_first_of_several_offers_is_taken(void **state)
{
    struct fake *fake = *state;
    struct dhcp_msg late;

    dhcp_client_start(&fake->client);
    late = answer(fake, DHCP_TYPE_OFFER);
    late.server_id = OTHER;
    late.your_ip = ADDRESS + 1;
    assert_true(hear(fake, answer(fake, DHCP_TYPE_OFFER)));
    assert_false(hear(fake, late));
    late.type = DHCP_TYPE_ACK; /* and the other server can't make it its own */
    assert_false(hear(fake, late));
    late.your_ip = ADDRESS;
    assert_false(hear(fake, late));
    late.type = DHCP_TYPE_NAK;
    assert_false(hear(fake, late));
    assert_int_equal(newest(fake)->server_id, SERVER);
    assert_true(hear(fake, answer(fake, DHCP_TYPE_ACK)));
    assert_int_equal(fake->client.lease.ip, ADDRESS);
}

static void a_request_is_sent_three_times_and_then_it_searches_anew(void **state)
{
    struct fake *fake = *state;
    uint64_t start_us = fake->clock.now_us;
    uint32_t xid;

    dhcp_client_start(&fake->client);
    xid = newest(fake)->xid;
    assert_true(hear(fake, answer(fake, DHCP_TYPE_OFFER)));
    pass_us(fake, 3800 * US_PER_MS);
    assert_sent(fake, 4, start_us + 3800 * US_PER_MS);
    assert_int_equal(newest(fake)->type, DHCP_TYPE_REQUEST);
    assert_int_equal(newest(fake)->secs, 3);
    pass_us(fake, 1900 * US_PER_MS);
    assert_sent(fake, 5, start_us + 5700 * US_PER_MS);
    assert_int_equal(newest(fake)->type, DHCP_TYPE_DISCOVER);
    assert_int_not_equal(newest(fake)->xid, xid);
    assert_int_equal(fake->bound, 0);
}

/* A server that offers and refuses for ever gets a DISCOVER a second. */
static void a_refusal_does_not_make_it_rush(void **state)
{
    struct fake *fake = *state;
    uint64_t start_us = fake->clock.now_us;

    dhcp_client_start(&fake->client);
    for (int i = 0; i < 10; i++) {
        struct dhcp_msg offer = answer(fake, DHCP_TYPE_OFFER);

        assert_true(hear(fake, offer));
        assert_true(hear(fake, answer(fake, DHCP_TYPE_NAK)));
        assert_state(fake, DHCP_CLIENT_STATE_SELECTING);
        assert_false(hear(fake, offer)); /* nothing has been asked yet */
        pass_us(fake, US_PER_S - 1);
        assert_int_equal(newest(fake)->type, DHCP_TYPE_REQUEST);
        pass_us(fake, 1);
        assert_sent(fake, 2 * (size_t)(i + 1) + 1, start_us + (uint64_t)(i + 1) * US_PER_S);
        assert_int_equal(newest(fake)->type, DHCP_TYPE_DISCOVER);
        assert_int_equal(newest(fake)->requested_ip, 0);
    }
}

/* RFC 2131 4.4.5: to the server alone at T1, and the lease counts from then. */
static void a_lease_is_renewed_at_t1(void **state)
{
    struct fake *fake = *state;
    uint64_t start_us = fake->clock.now_us;
    uint32_t xid;

    bind_it(fake);
    xid = newest(fake)->xid;
    pass_us(fake, LEASE_S / 2 * US_PER_S - 1);
    assert_int_equal(fake->sent_count, 2);
    pass_us(fake, 1);
    assert_sent(fake, 3, start_us + LEASE_S / 2 * US_PER_S);
    assert_state(fake, DHCP_CLIENT_STATE_RENEWING);
    assert_int_equal(fake->sent[2].ip, SERVER);
    assert_int_equal(newest(fake)->type, DHCP_TYPE_REQUEST);
    assert_int_equal(newest(fake)->client_ip, ADDRESS);
    assert_int_equal(newest(fake)->requested_ip, 0);
    assert_int_equal(newest(fake)->server_id, 0);
    assert_false(newest(fake)->wants_broadcast);
    assert_int_not_equal(newest(fake)->xid, xid);
    pass_us(fake, 7 * US_PER_S);
    assert_true(hear(fake, answer(fake, DHCP_TYPE_ACK)));
    assert_state(fake, DHCP_CLIENT_STATE_BOUND);
    assert_int_equal(fake->bound, 2);
    pass_us(fake, LEASE_S / 2 * US_PER_S - 7 * US_PER_S); /* counted from the REQUEST */
    assert_sent(fake, 4, start_us + LEASE_S * US_PER_S);
    assert_int_equal(fake->lost, 0);
}

/* RFC 2131 4.4.5: half of what is left until T2, then until the end, at least a minute. */
static void a_lease_that_nobody_renews_ends(void **state)
{
    static const uint64_t after_s[] = { 400, 550, 625, 685, 700, 760 };
    struct fake *fake = *state;
    uint64_t start_us = fake->clock.now_us;

    bind_it(fake);
    pass_us(fake, LEASE_S * US_PER_S - 1);
    assert_int_equal(fake->sent_count, 2 + ARRAY_LEN(after_s));
    for (int i = 0; i < ARRAY_LEN(after_s); i++) {
        bool to_all = after_s[i] >= 700;

        assert_int_equal(fake->sent[i + 2].at_us, start_us + after_s[i] * US_PER_S);
        assert_int_equal(fake->sent[i + 2].ip, to_all ? DHCP_BROADCAST : SERVER);
        assert_int_equal(fake->sent[i + 2].msg.client_ip, ADDRESS);
        assert_int_equal(fake->sent[i + 2].msg.xid, fake->sent[2].msg.xid);
    }
    assert_state(fake, DHCP_CLIENT_STATE_REBINDING);
    assert_int_equal(fake->lost, 0);
    pass_us(fake, 1);
    assert_int_equal(fake->lost, 1);
    assert_int_equal(fake->why, DHCP_LOSS_EXPIRED);
    assert_int_equal(fake->lost_us, start_us + LEASE_S * US_PER_S);
    assert_false(fake->sent_before_lost);
    assert_int_equal(newest(fake)->type, DHCP_TYPE_DISCOVER);
    assert_int_equal(newest(fake)->client_ip, 0);
    assert_int_equal(newest(fake)->requested_ip, ADDRESS);
}

static void another_server_may_take_over_after_t2(void **state)
{
    struct fake *fake = *state;
    struct dhcp_msg ack;

    bind_it(fake);
    pass_us(fake, LEASE_S / 2 * US_PER_S);
    ack = answer(fake, DHCP_TYPE_ACK);
    ack.server_id = OTHER;
    assert_false(hear(fake, ack));
    pass_us(fake, (LEASE_S / 8 * 7 - LEASE_S / 2) * US_PER_S);
    assert_state(fake, DHCP_CLIENT_STATE_REBINDING);
    assert_true(hear(fake, ack));
    assert_state(fake, DHCP_CLIENT_STATE_BOUND);
    assert_int_equal(fake->client.lease.server, OTHER);
    pass_us(fake, LEASE_S / 2 * US_PER_S);
    assert_int_equal(fake->sent[fake->sent_count - 1].ip, OTHER);
}

static void a_refused_renewal_takes_the_address_away_at_once(void **state)
{
    struct fake *fake = *state;

    bind_it(fake);
    pass_us(fake, LEASE_S / 2 * US_PER_S);
    assert_true(hear(fake, answer(fake, DHCP_TYPE_NAK)));
    assert_int_equal(fake->lost, 1);
    assert_int_equal(fake->why, DHCP_LOSS_REFUSED);
    assert_false(fake->sent_before_lost);
    assert_sent(fake, 4, fake->clock.now_us);
    assert_int_equal(newest(fake)->type, DHCP_TYPE_DISCOVER);
    assert_int_equal(newest(fake)->requested_ip, 0); /* it was told that it can't have it */
}

/* RFC 2131 3.3 */
static void an_infinite_lease_is_never_renewed(void **state)
{
    struct fake *fake = *state;
    struct dhcp_msg ack;

    dhcp_client_start(&fake->client);
    assert_true(hear(fake, answer(fake, DHCP_TYPE_OFFER)));
    ack = answer(fake, DHCP_TYPE_ACK);
    ack.lease_s = DHCP_INFINITE_S;
    assert_true(hear(fake, ack));
    assert_int_equal(timers_next_us(&fake->timers), UINT64_MAX);
}

static void the_servers_own_times_are_kept(void **state)
{
    struct fake *fake = *state;
    uint64_t start_us = fake->clock.now_us;
    struct dhcp_msg ack;

    dhcp_client_start(&fake->client);
    assert_true(hear(fake, answer(fake, DHCP_TYPE_OFFER)));
    ack = answer(fake, DHCP_TYPE_ACK);
    ack.t1_s = 30;
    ack.t2_s = 40;
    assert_true(hear(fake, ack));
    pass_us(fake, 45 * US_PER_S);
    assert_int_equal(fake->sent_count, 4);
    assert_int_equal(fake->sent[2].at_us, start_us + 30 * US_PER_S);
    assert_int_equal(fake->sent[3].at_us, start_us + 40 * US_PER_S);
    assert_int_equal(fake->sent[3].ip, DHCP_BROADCAST);
}

/* RFC 2131 4.4.5 says that T1 is before T2, and T2 before the end. */
static void times_that_make_no_sense_are_not_kept(void **state)
{
    static const struct {
        uint32_t lease_s, t1_s, t2_s, kept_t1_s, kept_t2_s;
    } rows[] = {
        { 800, 0, 0, 400, 700 },     { 800, 900, 0, 400, 700 }, { 800, 0, 900, 400, 700 },
        { 800, 600, 500, 400, 500 }, { 800, 0, 300, 300, 300 }, { 2, 0, 0, 1, 2 },
        { 800, 1, 2, 1, 2 },
    };
    struct fake *fake = *state;

    for (int i = 0; i < ARRAY_LEN(rows); i++) {
        struct dhcp_msg offer;

        dhcp_client_start(&fake->client);
        pass_us(fake, US_PER_S);
        offer = answer(fake, DHCP_TYPE_OFFER);
        offer.lease_s = rows[i].lease_s;
        offer.t1_s = rows[i].t1_s;
        offer.t2_s = rows[i].t2_s;
        assert_true(hear(fake, offer));
        assert_int_equal(fake->client.lease.t1_s, rows[i].kept_t1_s);
        assert_int_equal(fake->client.lease.t2_s, rows[i].kept_t2_s);
        dhcp_client_stop(&fake->client);
    }
}

/* A server that leases for the shortest time can't make it send more than once a second. */
static void the_shortest_lease_is_renewed_once_a_second(void **state)
{
    struct fake *fake = *state;
    struct dhcp_msg ack;

    dhcp_client_start(&fake->client);
    assert_true(hear(fake, answer(fake, DHCP_TYPE_OFFER)));
    for (int i = 0; i < 10; i++) {
        ack = answer(fake, DHCP_TYPE_ACK);
        ack.lease_s = 2;
        assert_true(hear(fake, ack));
        pass_us(fake, US_PER_S);
    }
    assert_int_equal(fake->sent_count, 12);
    assert_int_equal(fake->lost, 0);
}

static void offers_that_nobody_can_live_on_are_refused(void **state)
{
    struct fake *fake = *state;
    struct dhcp_msg good, bad;

    dhcp_client_start(&fake->client);
    good = answer(fake, DHCP_TYPE_OFFER);
#define REFUSED(field, value)          \
    do {                               \
        bad = good;                    \
        bad.field = (value);           \
        assert_false(hear(fake, bad)); \
    } while (0)
    REFUSED(your_ip, 0);
    REFUSED(your_ip, IP(127, 0, 0, 1));
    REFUSED(your_ip, IP(224, 0, 0, 1));
    REFUSED(your_ip, DHCP_BROADCAST);
    REFUSED(your_ip, IP(10, 0, 0, 0));
    REFUSED(your_ip, IP(10, 0, 0, 255));
    REFUSED(mask, IP(255, 0, 255, 0));
    REFUSED(lease_s, 0);
    REFUSED(lease_s, 1);
    REFUSED(server_id, 0);
    REFUSED(server_id, DHCP_BROADCAST);
    REFUSED(xid, good.xid + 1);
    REFUSED(mac[5], 9);
    REFUSED(is_reply, false);
    REFUSED(type, DHCP_TYPE_ACK);
    REFUSED(type, DHCP_TYPE_NAK);
    REFUSED(type, DHCP_TYPE_DISCOVER);
#undef REFUSED
    assert_int_equal(fake->sent_count, 1);
    assert_true(hear(fake, good));
}

static void an_ack_for_another_address_is_none(void **state)
{
    struct fake *fake = *state;
    struct dhcp_msg ack;

    dhcp_client_start(&fake->client);
    assert_true(hear(fake, answer(fake, DHCP_TYPE_OFFER)));
    ack = answer(fake, DHCP_TYPE_ACK);
    ack.your_ip++;
    assert_false(hear(fake, ack));
    ack = answer(fake, DHCP_TYPE_ACK);
    ack.lease_s = 0;
    assert_false(hear(fake, ack));
    ack = answer(fake, DHCP_TYPE_ACK);
    ack.server_id = 0; /* some leave it out */
    assert_true(hear(fake, ack));
}

static void what_comes_when_nothing_was_asked_is_not_heard(void **state)
{
    struct fake *fake = *state;
    struct dhcp_msg ack;

    bind_it(fake);
    ack = answer(fake, DHCP_TYPE_ACK);
    assert_false(hear(fake, ack));
    ack.type = DHCP_TYPE_NAK;
    assert_false(hear(fake, ack));
    assert_int_equal(fake->bound, 1);
    dhcp_client_stop(&fake->client);
    assert_false(hear(fake, ack));
}

/* RFC 791: the class says how long the network's part is. */
static void without_a_mask_the_class_counts(void **state)
{
    static const struct {
        uint32_t ip;
        unsigned prefix_len;
    } rows[] = { { IP(10, 1, 1, 1), 8 }, { IP(172, 16, 1, 1), 16 }, { IP(192, 168, 1, 1), 24 } };
    struct fake *fake = *state;

    for (int i = 0; i < ARRAY_LEN(rows); i++) {
        struct dhcp_msg offer;

        dhcp_client_start(&fake->client);
        pass_us(fake, US_PER_S);
        offer = answer(fake, DHCP_TYPE_OFFER);
        offer.your_ip = rows[i].ip;
        offer.mask = 0;
        assert_true(hear(fake, offer));
        assert_int_equal(fake->client.lease.prefix_len, rows[i].prefix_len);
        dhcp_client_stop(&fake->client);
    }
}

static void a_router_that_is_not_on_the_link_is_none(void **state)
{
    static const uint32_t routers[] = { IP(10, 0, 1, 1), ADDRESS, IP(127, 0, 0, 1), 0 };
    struct fake *fake = *state;

    for (int i = 0; i < ARRAY_LEN(routers); i++) {
        struct dhcp_msg offer;

        dhcp_client_start(&fake->client);
        pass_us(fake, US_PER_S);
        offer = answer(fake, DHCP_TYPE_OFFER);
        offer.router = routers[i];
        assert_true(hear(fake, offer));
        assert_int_equal(fake->client.lease.router, 0);
        dhcp_client_stop(&fake->client);
    }
}

/* RFC 3442: "the DHCP client MUST ignore the Router option" where both are there. */
static void classless_routes_come_before_the_router(void **state)
{
    struct fake *fake = *state;
    struct dhcp_msg offer;

    dhcp_client_start(&fake->client);
    offer = answer(fake, DHCP_TYPE_OFFER);
    offer.routes[0] = (struct dhcp_route){ 0, OTHER, 0 };
    offer.routes[1] = (struct dhcp_route){ IP(172, 16, 0, 0), SERVER, 12 };
    offer.routes[2] = (struct dhcp_route){ IP(172, 32, 0, 0), IP(9, 9, 9, 9), 12 };
    offer.routes[3] = (struct dhcp_route){ IP(172, 48, 0, 0), 0, 12 };
    offer.routes_count = 4;
    assert_true(hear(fake, offer));
    assert_int_equal(fake->client.lease.router, OTHER);
    assert_int_equal(fake->client.lease.routes_count, 2); /* one leads nowhere */
    assert_int_equal(fake->client.lease.routes[0].via, SERVER);
    assert_int_equal(fake->client.lease.routes[1].to, IP(172, 48, 0, 0));
}

static void name_servers_that_cannot_be_are_left_out(void **state)
{
    struct fake *fake = *state;
    struct dhcp_msg offer;

    dhcp_client_start(&fake->client);
    offer = answer(fake, DHCP_TYPE_OFFER);
    offer.dns[0] = IP(127, 0, 0, 1);
    assert_true(hear(fake, offer));
    assert_int_equal(fake->client.lease.dns_count, 1);
    assert_int_equal(fake->client.lease.dns[0], IP(1, 1, 1, 1));
}

static void an_mtu_is_taken_when_a_host_can_work_with_it(void **state)
{
    struct fake *fake = *state;
    struct dhcp_msg offer;

    dhcp_client_start(&fake->client);
    offer = answer(fake, DHCP_TYPE_OFFER);
    offer.mtu = 575;
    assert_true(hear(fake, offer));
    assert_int_equal(fake->client.lease.mtu, 0);
    offer.type = DHCP_TYPE_ACK;
    offer.mtu = 1400;
    assert_true(hear(fake, offer));
    assert_int_equal(fake->client.lease.mtu, 1400);
}

/* The cable: what was held is asked for again, by DISCOVER, as a module does. */
static void it_starts_again_when_the_link_is_back(void **state)
{
    struct fake *fake = *state;

    bind_it(fake);
    dhcp_client_stop(&fake->client);
    assert_int_equal(fake->lost, 0);
    assert_false(dhcp_client_is_bound(&fake->client));
    pass_us(fake, 3600 * US_PER_S);
    assert_int_equal(fake->sent_count, 2);
    dhcp_client_start(&fake->client);
    assert_sent(fake, 3, fake->clock.now_us);
    assert_int_equal(newest(fake)->type, DHCP_TYPE_DISCOVER);
    assert_int_equal(newest(fake)->requested_ip, ADDRESS);
    dhcp_client_start(&fake->client); /* twice is once */
    assert_int_equal(fake->sent_count, 3);
}

/* A laptop that slept: all times are over when it wakes. */
static void a_lease_that_ended_while_asleep_is_lost(void **state)
{
    struct fake *fake = *state;

    bind_it(fake);
    vclock_advance(&fake->clock, 2 * LEASE_S * US_PER_S);
    (void)timers_run(&fake->timers, fake->clock.now_us);
    assert_int_equal(fake->lost, 1);
    assert_int_equal(fake->why, DHCP_LOSS_EXPIRED);
    assert_int_equal(newest(fake)->type, DHCP_TYPE_DISCOVER);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_lease_is_got_by_four_messages),
        TEST(an_unanswered_discover_is_sent_again_ever_more_rarely),
        TEST(a_search_keeps_a_run_alive_and_a_lease_does_not),
        TEST(a_wait_begins_on_its_tick),
        TEST(who_is_told_of_silence_may_stop),
        TEST(waits_are_jittered_by_the_seed),
        TEST(the_first_of_several_offers_is_taken),
        TEST(a_request_is_sent_three_times_and_then_it_searches_anew),
        TEST(a_refusal_does_not_make_it_rush),
        TEST(a_lease_is_renewed_at_t1),
        TEST(a_lease_that_nobody_renews_ends),
        TEST(another_server_may_take_over_after_t2),
        TEST(a_refused_renewal_takes_the_address_away_at_once),
        TEST(an_infinite_lease_is_never_renewed),
        TEST(the_servers_own_times_are_kept),
        TEST(times_that_make_no_sense_are_not_kept),
        TEST(the_shortest_lease_is_renewed_once_a_second),
        TEST(offers_that_nobody_can_live_on_are_refused),
        TEST(an_ack_for_another_address_is_none),
        TEST(what_comes_when_nothing_was_asked_is_not_heard),
        TEST(without_a_mask_the_class_counts),
        TEST(a_router_that_is_not_on_the_link_is_none),
        TEST(classless_routes_come_before_the_router),
        TEST(name_servers_that_cannot_be_are_left_out),
        TEST(an_mtu_is_taken_when_a_host_can_work_with_it),
        TEST(it_starts_again_when_the_link_is_back),
        TEST(a_lease_that_ended_while_asleep_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
