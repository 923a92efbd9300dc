#include "emu/dhcp_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "emu/dhcp_client.h"
#include "emu/rng.h"
#include "emu/util.h"
#include "emu/vclock.h"

#include <cmocka.h>

#define US_PER_S UINT64_C(1000000)
#define IP(a, b, c, d) \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))
#define SERVER  IP(10, 0, 0, 3)
#define FIRST   IP(10, 0, 0, 1)
#define LAST    IP(10, 0, 0, 6)
#define FRESH   IP(10, 0, 0, 4)
#define LEASE_S 120U
#define PLACES  5 /* in the pool, without the server's own */

struct fake {
    struct vclock clock;
    struct dhcp_server server;
    struct dhcp_reply reply;
};

static void start_server(struct fake *fake)
{
    dhcp_server_init(&fake->server, &(struct dhcp_server_config){ .clock = &fake->clock,
                                                                  .ip = SERVER,
                                                                  .prefix_len = 24,
                                                                  .first = FIRST,
                                                                  .last = LAST,
                                                                  .fresh = FRESH,
                                                                  .router = SERVER,
                                                                  .dns = { SERVER, IP(1, 1, 1, 1) },
                                                                  .dns_count = 2,
                                                                  .mtu = 1400,
                                                                  .lease_s = LEASE_S });
}

static int setup(void **state)
{
    struct fake *fake = xcalloc(1, sizeof(*fake));

    vclock_init(&fake->clock, VCLOCK_MODE_VIRTUAL);
    start_server(fake);
    *state = fake;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static struct dhcp_msg message(enum dhcp_type type, uint8_t who)
{
    return (struct dhcp_msg){ .type = type, .xid = 0x1000U + who, .mac = { 2, 0, 0, 0, 0, who } };
}

static bool ask(struct fake *fake, struct dhcp_msg msg)
{
    return dhcp_server_handle(&fake->server, &msg, &fake->reply);
}

/* What @who is offered; 0: nothing. */
static uint32_t offer(struct fake *fake, uint8_t who)
{
    if (!ask(fake, message(DHCP_TYPE_DISCOVER, who)))
        return 0;
    assert_int_equal(fake->reply.msg.type, DHCP_TYPE_OFFER);
    return fake->reply.msg.your_ip;
}

static bool request(struct fake *fake, uint8_t who, uint32_t ip)
{
    struct dhcp_msg msg = message(DHCP_TYPE_REQUEST, who);

    msg.server_id = SERVER;
    msg.requested_ip = ip;
    assert_true(ask(fake, msg));
    return fake->reply.msg.type == DHCP_TYPE_ACK;
}

/* What @who has after DISCOVER and REQUEST. */
static uint32_t lease(struct fake *fake, uint8_t who)
{
    uint32_t ip = offer(fake, who);

    assert_true(request(fake, who, ip));
    assert_int_equal(fake->reply.msg.your_ip, ip);
    return ip;
}

static bool renew(struct fake *fake, uint8_t who, uint32_t ip)
{
    struct dhcp_msg msg = message(DHCP_TYPE_REQUEST, who);

    msg.client_ip = ip;
    assert_true(ask(fake, msg));
    return fake->reply.msg.type == DHCP_TYPE_ACK;
}

static void pass_s(struct fake *fake, uint64_t s)
{
    vclock_advance(&fake->clock, s * US_PER_S);
}

/* RFC 2131 table 3. */
static void a_lease_is_offered_and_given(void **state)
{
    struct fake *fake = *state;
    const struct dhcp_msg *reply = &fake->reply.msg;
    static const uint8_t mac[DHCP_MAC_LEN] = { 2, 0, 0, 0, 0, 7 };

    assert_int_equal(offer(fake, 7), FRESH);
    assert_true(request(fake, 7, FRESH));
    assert_true(reply->is_reply);
    assert_int_equal(reply->xid, 0x1007);
    assert_memory_equal(reply->mac, mac, sizeof(mac));
    assert_int_equal(reply->your_ip, FRESH);
    assert_int_equal(reply->server_id, SERVER);
    assert_int_equal(reply->mask, IP(255, 255, 255, 0));
    assert_int_equal(reply->broadcast, IP(10, 0, 0, 255));
    assert_int_equal(reply->router, SERVER);
    assert_int_equal(reply->dns_count, 2);
    assert_int_equal(reply->dns[1], IP(1, 1, 1, 1));
    assert_int_equal(reply->mtu, 1400);
    assert_int_equal(reply->lease_s, LEASE_S);
    assert_int_equal(reply->t1_s, LEASE_S / 2);
    assert_int_equal(reply->t2_s, LEASE_S / 8 * 7);
    assert_int_equal(fake->reply.ip, DHCP_BROADCAST);
    assert_int_equal(fake->reply.port, 68);
    assert_int_equal(dhcp_server_leases(&fake->server), 1);
}

static void only_what_is_asked_for_is_said(void **state)
{
    struct fake *fake = *state;
    struct dhcp_msg msg = message(DHCP_TYPE_DISCOVER, 1);

    msg.wanted[0] = DHCP_OPTION_ROUTER;
    msg.wanted_count = 1;
    assert_true(ask(fake, msg));
    assert_int_equal(fake->reply.msg.router, SERVER);
    assert_int_equal(fake->reply.msg.dns_count, 0);
    assert_int_equal(fake->reply.msg.mtu, 0);
    assert_int_equal(fake->reply.msg.broadcast, 0);
}

static void everybody_gets_another_address_until_there_is_none(void **state)
{
    static const uint32_t wanted[PLACES] = { FRESH, FRESH + 1, FRESH + 2, FIRST, FIRST + 1 };
    struct fake *fake = *state;

    for (uint8_t who = 0; who < PLACES; who++)
        assert_int_equal(lease(fake, who), wanted[who]);
    assert_int_equal(offer(fake, 99), 0);
    assert_int_equal(dhcp_server_leases(&fake->server), PLACES);
}

/* Somebody has it without having asked. */
static void what_is_taken_is_never_given(void **state)
{
    struct fake *fake = *state;
    struct dhcp_msg msg = message(DHCP_TYPE_DISCOVER, 1);

    fake->server.config.taken[0] = FRESH;
    fake->server.config.taken_count = 1;
    msg.requested_ip = FRESH;
    assert_true(ask(fake, msg));
    assert_int_equal(fake->reply.msg.your_ip, FRESH + 1);
    assert_false(request(fake, 2, FRESH));
}

static void who_comes_again_gets_the_same(void **state)
{
    struct fake *fake = *state;
    uint32_t ip = lease(fake, 1);

    (void)lease(fake, 2);
    assert_int_equal(lease(fake, 1), ip);
    pass_s(fake, LEASE_S + 1);
    assert_int_equal(dhcp_server_leases(&fake->server), 0);
    (void)lease(fake, 3);
    assert_int_equal(lease(fake, 1), ip);
}

/* RFC 2131 4.2: the identifier, where there is one, and not the MAC. */
static void a_client_is_who_it_says_it_is(void **state)
{
    struct fake *fake = *state;
    struct dhcp_msg msg = message(DHCP_TYPE_DISCOVER, 1);
    uint32_t ip;

    msg.client_id = (struct dhcp_id){ { 0, 'm', 'e' }, 3 };
    assert_true(ask(fake, msg));
    ip = fake->reply.msg.your_ip;
    assert_int_equal(fake->reply.msg.client_id.len, 3); /* RFC 6842 */
    assert_int_not_equal(offer(fake, 1), ip);
    msg.mac[5] = 2;
    assert_true(ask(fake, msg));
    assert_int_equal(fake->reply.msg.your_ip, ip);
    msg.client_id = (struct dhcp_id){ { 1, 2, 0, 0, 0, 0, 1 }, 7 }; /* that of MAC 1 */
    assert_true(ask(fake, msg));
    assert_int_equal(fake->reply.msg.your_ip, offer(fake, 1));
}

static void a_wish_is_granted_where_it_can_be(void **state)
{
    struct fake *fake = *state;
    struct dhcp_msg msg = message(DHCP_TYPE_DISCOVER, 1);

    msg.requested_ip = LAST;
    assert_true(ask(fake, msg));
    assert_int_equal(fake->reply.msg.your_ip, LAST);
    msg = message(DHCP_TYPE_DISCOVER, 2);
    msg.requested_ip = LAST; /* taken */
    assert_true(ask(fake, msg));
    assert_int_equal(fake->reply.msg.your_ip, FRESH);
    msg = message(DHCP_TYPE_DISCOVER, 3);
    msg.requested_ip = SERVER;
    assert_true(ask(fake, msg));
    assert_int_not_equal(fake->reply.msg.your_ip, SERVER);
    msg = message(DHCP_TYPE_DISCOVER, 4);
    msg.requested_ip = IP(192, 168, 1, 1);
    assert_true(ask(fake, msg));
    assert_in_range(fake->reply.msg.your_ip, FIRST, LAST);
}

static void an_offer_that_nobody_takes_is_free_again(void **state)
{
    struct fake *fake = *state;

    for (uint8_t who = 0; who < PLACES; who++)
        assert_int_not_equal(offer(fake, who), 0);
    assert_int_equal(offer(fake, 99), 0);
    pass_s(fake, DHCP_OFFER_S - 1);
    assert_int_equal(offer(fake, 99), 0);
    pass_s(fake, 1);
    assert_int_equal(offer(fake, 99), FRESH); /* that which has been free for longest */
    assert_int_equal(dhcp_server_leases(&fake->server), 0);
}

/* RFC 2131 3.1.4: the REQUEST goes to all, and names the one. */
static void an_offer_is_withdrawn_when_another_servers_is_taken(void **state)
{
    struct fake *fake = *state;
    struct dhcp_msg msg = message(DHCP_TYPE_REQUEST, 1);
    uint32_t ip = offer(fake, 1);

    msg.server_id = SERVER + 1;
    msg.requested_ip = IP(10, 0, 0, 200);
    assert_false(ask(fake, msg));
    msg = message(DHCP_TYPE_DISCOVER, 2);
    msg.requested_ip = ip;
    assert_true(ask(fake, msg));
    assert_int_equal(fake->reply.msg.your_ip, ip);
}

static void a_lease_lives_on_while_it_is_renewed(void **state)
{
    struct fake *fake = *state;
    uint32_t ip = lease(fake, 1);

    for (int i = 0; i < 5; i++) {
        pass_s(fake, LEASE_S - 1);
        assert_true(renew(fake, 1, ip));
        assert_int_equal(fake->reply.ip, ip); /* it has its address */
        assert_int_equal(fake->reply.msg.your_ip, ip);
        assert_int_equal(fake->reply.msg.client_ip, ip);
    }
    assert_int_equal(dhcp_server_leases(&fake->server), 1);
    pass_s(fake, LEASE_S);
    assert_int_equal(dhcp_server_leases(&fake->server), 0);
}

/* RFC 2131 4.3.2: a client that has moved here from elsewhere. */
static void an_address_of_another_network_is_refused(void **state)
{
    static const uint32_t foreign[] = { IP(192, 168, 1, 1), IP(10, 0, 0, 0), LAST + 1, SERVER,
                                        DHCP_BROADCAST };
    struct fake *fake = *state;

    for (int i = 0; i < ARRAY_LEN(foreign); i++) {
        struct dhcp_msg msg = message(DHCP_TYPE_REQUEST, 1);

        msg.requested_ip = foreign[i]; /* INIT-REBOOT */
        assert_true(ask(fake, msg));
        assert_int_equal(fake->reply.msg.type, DHCP_TYPE_NAK);
        assert_int_equal(fake->reply.ip, DHCP_BROADCAST);
        assert_int_equal(fake->reply.msg.your_ip, 0);
        assert_int_equal(fake->reply.msg.lease_s, 0);
        assert_string_equal(fake->reply.msg.text, "address not of this network");
        assert_false(renew(fake, 1, foreign[i]));
        assert_int_equal(fake->reply.ip, DHCP_BROADCAST);
    }
}

static void somebody_elses_address_is_refused(void **state)
{
    struct fake *fake = *state;
    uint32_t ip = lease(fake, 1);

    assert_false(request(fake, 2, ip));
    assert_string_equal(fake->reply.msg.text, "address in use");
    assert_false(renew(fake, 2, ip));
    assert_true(renew(fake, 1, ip));
}

/* The emulator was started anew, and its clients were not. */
static void who_had_an_address_before_keeps_it(void **state)
{
    struct fake *fake = *state;

    assert_true(renew(fake, 1, LAST));
    assert_int_equal(dhcp_server_leases(&fake->server), 1);
    assert_int_equal(offer(fake, 1), LAST);
}

static void who_takes_another_address_gives_the_first_back(void **state)
{
    struct fake *fake = *state;

    assert_int_equal(lease(fake, 1), FRESH);
    assert_true(request(fake, 1, LAST));
    assert_int_equal(dhcp_server_leases(&fake->server), 1);
    assert_int_equal(offer(fake, 1), LAST);
    assert_true(request(fake, 2, FRESH));
}

static void a_declined_address_is_left_alone(void **state)
{
    struct fake *fake = *state;
    struct dhcp_msg msg = message(DHCP_TYPE_DECLINE, 1);
    uint32_t ip = lease(fake, 1);

    msg.server_id = SERVER;
    msg.requested_ip = ip;
    assert_false(ask(fake, msg));
    assert_int_not_equal(offer(fake, 1), ip);
    assert_false(request(fake, 1, ip));
    assert_false(request(fake, 2, ip));
    pass_s(fake, DHCP_DECLINE_S);
    assert_true(request(fake, 2, ip));
}

/* Nobody can take an address from others, or use the pool up, by saying that it is in use. */
static void nobody_declines_or_releases_for_others(void **state)
{
    struct fake *fake = *state;
    struct dhcp_msg msg = message(DHCP_TYPE_DECLINE, 2);
    uint32_t ip = lease(fake, 1);

    msg.requested_ip = ip;
    assert_false(ask(fake, msg));
    msg.type = DHCP_TYPE_RELEASE;
    msg.client_ip = ip;
    assert_false(ask(fake, msg));
    msg.client_ip = IP(1, 2, 3, 4);
    assert_false(ask(fake, msg));
    assert_int_equal(dhcp_server_leases(&fake->server), 1);
    assert_true(renew(fake, 1, ip));
}

static void a_released_address_is_free_and_remembered(void **state)
{
    struct fake *fake = *state;
    struct dhcp_msg msg = message(DHCP_TYPE_RELEASE, 1);
    uint32_t ip = lease(fake, 1);

    msg.client_ip = ip;
    assert_false(ask(fake, msg));
    assert_int_equal(dhcp_server_leases(&fake->server), 0);
    assert_int_not_equal(offer(fake, 2), ip); /* there are fresh ones */
    assert_int_equal(offer(fake, 1), ip);
}

/* RFC 2131 4.3.5 */
static void who_only_asks_gets_no_address(void **state)
{
    struct fake *fake = *state;
    struct dhcp_msg msg = message(DHCP_TYPE_INFORM, 1);

    assert_false(ask(fake, msg)); /* and from where? */
    msg.client_ip = IP(10, 0, 0, 99);
    assert_true(ask(fake, msg));
    assert_int_equal(fake->reply.msg.type, DHCP_TYPE_ACK);
    assert_int_equal(fake->reply.msg.your_ip, 0);
    assert_int_equal(fake->reply.msg.lease_s, 0);
    assert_int_equal(fake->reply.msg.dns_count, 2);
    assert_int_equal(fake->reply.ip, IP(10, 0, 0, 99));
    assert_int_equal(dhcp_server_leases(&fake->server), 0);
}

/* RFC 2131 4.1 */
static void a_relay_gets_what_is_for_its_clients(void **state)
{
    struct fake *fake = *state;
    struct dhcp_msg msg = message(DHCP_TYPE_DISCOVER, 1);

    msg.relay_ip = IP(10, 0, 0, 99);
    assert_true(ask(fake, msg));
    assert_int_equal(fake->reply.ip, IP(10, 0, 0, 99));
    assert_int_equal(fake->reply.port, 67);
    assert_int_equal(fake->reply.msg.relay_ip, IP(10, 0, 0, 99));
    assert_false(fake->reply.msg.wants_broadcast);
    msg.type = DHCP_TYPE_REQUEST;
    msg.requested_ip = IP(1, 2, 3, 4);
    assert_true(ask(fake, msg));
    assert_int_equal(fake->reply.msg.type, DHCP_TYPE_NAK);
    assert_true(fake->reply.msg.wants_broadcast);
}

static void what_is_no_question_gets_no_answer(void **state)
{
    static const enum dhcp_type types[] = { DHCP_TYPE_OFFER, DHCP_TYPE_ACK, DHCP_TYPE_NAK };
    struct fake *fake = *state;
    struct dhcp_msg msg = message(DHCP_TYPE_DISCOVER, 1);

    msg.is_reply = true;
    assert_false(ask(fake, msg));
    for (int i = 0; i < ARRAY_LEN(types); i++)
        assert_false(ask(fake, message(types[i], 1)));
    assert_false(ask(fake, message(DHCP_TYPE_REQUEST, 1))); /* for nothing */
}

/* ---- our own client --------------------------------------------------------------------------------- */

struct pair {
    struct fake *fake;
    struct timers timers;
    struct rng rng;
    struct dhcp_client client;
    struct dhcp_msg asked;
    bool has_asked;
    unsigned bound, lost;
};

static void on_send(struct dhcp_client *client, const struct dhcp_msg *msg, uint32_t ip)
{
    struct pair *pair = container_of(client, struct pair, client);

    (void)ip;
    pair->asked = *msg;
    pair->has_asked = true;
}

static void on_bound(struct dhcp_client *client, const struct dhcp_lease *with)
{
    (void)with;
    container_of(client, struct pair, client)->bound++;
}

static void on_lost(struct dhcp_client *client, enum dhcp_loss why)
{
    (void)why;
    container_of(client, struct pair, client)->lost++;
}

/* Carry messages, as bytes, until both are silent. */
static void carry(struct pair *pair)
{
    uint8_t data[DHCP_MSG_MAX];
    struct dhcp_msg msg;

    while (pair->has_asked) {
        pair->has_asked = false;
        assert_true(dhcp_read(data, dhcp_write(&pair->asked, data), &msg));
        if (!dhcp_server_handle(&pair->fake->server, &msg, &pair->fake->reply))
            continue;
        assert_true(dhcp_read(data, dhcp_write(&pair->fake->reply.msg, data), &msg));
        assert_true(dhcp_client_handle(&pair->client, &msg));
    }
}

static void our_client_and_server_understand_each_other(void **state)
{
    static const struct dhcp_client_ops ops = { on_send, on_bound, on_lost, NULL };
    struct fake *fake = *state;
    struct pair pair = { .fake = fake };

    timers_init(&pair.timers);
    rng_init(&pair.rng, 1);
    dhcp_client_init(&pair.client, &(struct dhcp_client_config){ .timers = &pair.timers,
                                                                 .clock = &fake->clock,
                                                                 .rng = &pair.rng,
                                                                 .ops = &ops,
                                                                 .timing = &dhcp_client_timing,
                                                                 .mac = { 2, 0, 0, 0, 0, 1 } });
    dhcp_client_start(&pair.client);
    carry(&pair);
    assert_int_equal(pair.bound, 1);
    assert_int_equal(pair.client.lease.ip, FRESH);
    for (unsigned i = 0; i < 10; i++) { /* ten renewals */
        vclock_advance(&fake->clock, timers_next_us(&pair.timers) - fake->clock.now_us);
        (void)timers_run(&pair.timers, fake->clock.now_us);
        carry(&pair);
        assert_int_equal(pair.bound, 2 + i);
    }
    assert_int_equal(fake->clock.now_us, 10 * (uint64_t)LEASE_S / 2 * US_PER_S);

    start_server(fake); /* which has forgotten it, and gives its address away */
    assert_true(request(fake, 9, FRESH));
    vclock_advance(&fake->clock, timers_next_us(&pair.timers) - fake->clock.now_us);
    (void)timers_run(&pair.timers, fake->clock.now_us);
    carry(&pair);
    assert_int_equal(pair.lost, 1);
    assert_int_equal(pair.bound, 12);
    assert_int_not_equal(pair.client.lease.ip, FRESH);
    dhcp_client_stop(&pair.client);
    timers_fini(&pair.timers);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_lease_is_offered_and_given),
        TEST(only_what_is_asked_for_is_said),
        TEST(everybody_gets_another_address_until_there_is_none),
        TEST(what_is_taken_is_never_given),
        TEST(who_comes_again_gets_the_same),
        TEST(a_client_is_who_it_says_it_is),
        TEST(a_wish_is_granted_where_it_can_be),
        TEST(an_offer_that_nobody_takes_is_free_again),
        TEST(an_offer_is_withdrawn_when_another_servers_is_taken),
        TEST(a_lease_lives_on_while_it_is_renewed),
        TEST(an_address_of_another_network_is_refused),
        TEST(somebody_elses_address_is_refused),
        TEST(who_had_an_address_before_keeps_it),
        TEST(who_takes_another_address_gives_the_first_back),
        TEST(a_declined_address_is_left_alone),
        TEST(nobody_declines_or_releases_for_others),
        TEST(a_released_address_is_free_and_remembered),
        TEST(who_only_asks_gets_no_address),
        TEST(a_relay_gets_what_is_for_its_clients),
        TEST(what_is_no_question_gets_no_answer),
        TEST(our_client_and_server_understand_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
