#include "emu/impair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/fake_device.h"
#include "emu/util.h"

#include <cmocka.h>

#define SEED    7
#define PACKETS 100000
#define MS      1000 /* microseconds */
#define S       (1000 * MS)

/* One adapter's rules, and a packet to be sent through them again and again. */
struct bench {
    struct impair impair;
    struct impair_packet packet;
    struct impair_verdict verdict;
};

static void add(struct bench *bench, const char *text, uint64_t now_us)
{
    char why[IMPAIR_WHY_MAX];
    struct impair_rule rule;

    assert_null(impair_parse(&rule, text, why));
    assert_int_equal(impair_add(&bench->impair, &rule, now_us), 0);
}

static int setup(void **state)
{
    struct bench *bench = xcalloc(1, sizeof(*bench));

    impair_init(&bench->impair, SEED);
    bench->packet = (struct impair_packet){ .direction = IMPAIR_DIRECTION_UP,
                                            .protocol = IMPAIR_PROTOCOL_UDP,
                                            .len = 1000,
                                            .device.port = 50000,
                                            .peer.port = 7 };
    endpoint_set_v4(&bench->packet.device, 10, 0, 0, 2);
    endpoint_set_v4(&bench->packet.peer, 10, 1, 2, 3);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    impair_clear(&bench->impair);
    free(bench);
    return 0;
}

static const struct impair_verdict *judge(struct bench *bench, uint64_t now_us)
{
    impair_judge(&bench->impair, &bench->packet, now_us, &bench->verdict);
    return &bench->verdict;
}

static bool passes(struct bench *bench, uint64_t now_us)
{
    return judge(bench, now_us)->action == IMPAIR_ACTION_PASS;
}

static void without_rules_everything_passes_at_once(void **state)
{
    struct bench *bench = *state;

    assert_true(passes(bench, 5 * S));
    assert_true(bench->verdict.at_us == 5 * S);
    assert_false(bench->verdict.is_twice || bench->verdict.is_late || bench->verdict.is_corrupt);
}

static void a_delay_is_exact(void **state)
{
    struct bench *bench = *state;

    add(bench, "LWIP_ETH,delay=20ms", 0);
    for (uint64_t now = 0; now < 100; now += 7)
        assert_true(judge(bench, now)->at_us == now + 20 * MS);
}

/* Uniform in 15..25 ms: its mean is 20 ms, its standard deviation 10 / sqrt(12) = 2.89 ms. */
static void jitter_is_spread_evenly(void **state)
{
    struct bench *bench = *state;
    uint64_t low = UINT64_MAX, high = 0, sum = 0;
    unsigned below = 0;

    add(bench, "LWIP_ETH,delay=20ms,jitter=5ms", 0);
    for (uint64_t i = 0; i < PACKETS; i++) {
        uint64_t now = i * S, took = judge(bench, now)->at_us - now;

        low = took < low ? took : low;
        high = took > high ? took : high;
        sum += took;
        below += took < 17500;
    }
    assert_true(low == 15 * MS && high == 25 * MS);
    assert_in_range(sum / PACKETS, 19970, 20030);
    assert_in_range(below, 24500, 25500); /* a quarter */
}

static void jitter_keeps_the_order(void **state)
{
    struct bench *bench = *state;
    uint64_t last = 0;

    add(bench, "LWIP_ETH,delay=20ms,jitter=20ms", 0);
    for (uint64_t now = 0; now < 10 * S; now += MS) {
        uint64_t at = judge(bench, now)->at_us;

        assert_true(at >= last && at <= now + 40 * MS);
        last = at;
    }
}

static unsigned count_lost(struct bench *bench, uint8_t lost[PACKETS])
{
    unsigned count = 0;

    for (unsigned i = 0; i < PACKETS; i++) {
        lost[i] = !passes(bench, i);
        count += lost[i];
    }
    return count;
}

/* 1 % of 100000 is 1000, give or take 31; which ones is the seed's doing alone. */
static void losses_are_those_of_the_seed(void **state)
{
    static const unsigned first[] = { 48, 383, 396, 429, 615 };
    struct bench *bench = *state;
    uint8_t *lost = xcalloc(2, PACKETS);
    unsigned count, found = 0;

    add(bench, "LWIP_ETH,loss=1%", 0);
    count = count_lost(bench, lost);
    assert_int_equal(count, 1047);
    for (unsigned i = 0; i < PACKETS && found < ARRAY_LEN(first); i++) {
        if (lost[i])
            assert_int_equal(i + 1, first[found++]);
    }
    impair_clear(&bench->impair);
    impair_init(&bench->impair, SEED);
    add(bench, "LWIP_ETH,loss=1%", 0);
    assert_int_equal(count_lost(bench, lost + PACKETS), count);
    assert_memory_equal(lost, lost + PACKETS, PACKETS);
    impair_clear(&bench->impair);
    impair_init(&bench->impair, SEED + 1);
    add(bench, "LWIP_ETH,loss=1%", 0);
    (void)count_lost(bench, lost + PACKETS);
    assert_memory_not_equal(lost, lost + PACKETS, PACKETS);
    free(lost);
}

/* Which are lost does not hang on how many the other direction, or another flow, has had. */
static void what_a_rule_does_not_match_leaves_its_sequence_alone(void **state)
{
    struct bench *bench = *state;
    uint8_t *lost = xcalloc(1, PACKETS);
    unsigned count;

    add(bench, "LWIP_ETH,loss=1%,match=udp:7", 0);
    count = count_lost(bench, lost);
    impair_clear(&bench->impair);
    impair_init(&bench->impair, SEED);
    add(bench, "LWIP_ETH,loss=1%,match=udp:7", 0);
    for (unsigned i = 0; i < PACKETS; i++) {
        bench->packet.direction = IMPAIR_DIRECTION_DOWN;
        (void)judge(bench, i);
        bench->packet.direction = IMPAIR_DIRECTION_UP;
        bench->packet.peer.port = 8;
        assert_true(passes(bench, i));
        bench->packet.peer.port = 7;
        assert_true(passes(bench, i) != (bool)lost[i]);
    }
    assert_true(bench->impair.rules[0].lanes[IMPAIR_DIRECTION_UP].hits[IMPAIR_KIND_LOSS] == count);
    free(lost);
}

static void every_kind_of_chance_has_its_share(void **state)
{
    struct bench *bench = *state;
    unsigned twice = 0, late = 0, corrupt = 0, bits[8] = { 0 };

    add(bench, "LWIP_ETH,duplicate=10%,reorder=20%,corrupt=30%", 0);
    for (unsigned i = 0; i < PACKETS; i++) {
        const struct impair_verdict *verdict = judge(bench, i);

        assert_int_equal(verdict->action, IMPAIR_ACTION_PASS);
        twice += verdict->is_twice;
        late += verdict->is_late;
        corrupt += verdict->is_corrupt;
        if (verdict->is_corrupt)
            bits[verdict->corrupt_bit % 8]++;
    }
    assert_in_range(twice, 9700, 10300);
    assert_in_range(late, 19600, 20400);
    assert_in_range(corrupt, 29500, 30500);
    for (int i = 0; i < 8; i++)
        assert_in_range(bits[i], 3500, 4000); /* an eighth of 30000 */
}

/* 1000 bytes at 1 Mbit/s take 8 ms. */
static void a_rate_spaces_packets(void **state)
{
    struct bench *bench = *state;

    add(bench, "LWIP_ETH,rate=1mbit", 0);
    assert_true(judge(bench, 0)->at_us == 8 * MS);
    assert_true(judge(bench, 0)->at_us == 16 * MS);
    assert_true(judge(bench, 12 * MS)->at_us == 24 * MS);
    assert_true(judge(bench, 50 * MS)->at_us == 58 * MS); /* it was idle: nothing is saved up */
}

static void what_the_queue_has_no_room_for_is_lost(void **state)
{
    struct bench *bench = *state;
    unsigned passed = 0;

    add(bench, "LWIP_ETH,rate=1mbit,queue=5000", 0);
    for (int i = 0; i < 20; i++)
        passed += passes(bench, 0);
    assert_int_equal(passed, 5);
    assert_int_equal(bench->verdict.cause, IMPAIR_KIND_RATE);
    assert_false(passes(bench, 7 * MS));
    assert_true(passes(bench, 8 * MS)); /* one has left */
    bench->packet.is_stream = true;
    assert_true(passes(bench, 8 * MS)); /* TCP's sender waits, where there are no packets to lose */
}

/* However fine the steps: 10^5 packets of 1400 bytes at 1 Gbit/s are 1.12 s. */
static void a_rate_does_not_drift(void **state)
{
    struct bench *bench = *state;

    bench->packet.len = 1400;
    add(bench, "LWIP_ETH,rate=1gbit,queue=64mb", 0);
    for (int i = 0; i < 40000; i++)
        (void)judge(bench, 0);
    assert_true(bench->verdict.at_us == 448000);
}

static void a_span_has_a_beginning_and_an_end(void **state)
{
    struct bench *bench = *state;

    add(bench, "LWIP_ETH,blackhole,from=2s,for=3s", 10 * S);
    assert_true(passes(bench, 12 * S - 1));
    assert_false(passes(bench, 12 * S));
    assert_int_equal(bench->verdict.cause, IMPAIR_KIND_BLACKHOLE);
    assert_false(passes(bench, 15 * S - 1));
    assert_true(passes(bench, 15 * S));
}

static void a_match_is_of_either_end(void **state)
{
    static const struct {
        const char *match;
        bool fits;
    } rows[] = {
        { "udp", true },          { "tcp", false },           { "icmp", false },
        { ":7", true },           { ":50000", true },         { ":8", false },
        { "udp:7", true },        { "tcp:7", false },         { "@10.1.2.3", true },
        { "@10.0.0.2", true },    { "@10.1.2.4", false },     { "@10.1.0.0/16", true },
        { "@10.1.2.2/31", true }, { "@10.1.2.0/31", false },  { "@0.0.0.0/0", true },
        { "@::/0", false },       { "udp:7@10.1.2.3", true }, { "udp:8@10.1.2.3", false },
    };

    for (int i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench *bench = *state;
        char text[IMPAIR_TEXT_MAX];

        (void)snprintf(text, sizeof(text), "LWIP_ETH,blackhole,match=%s", rows[i].match);
        impair_clear(&bench->impair);
        add(bench, text, 0);
        if (passes(bench, 0) == rows[i].fits)
            fail_msg("%s", rows[i].match);
    }
}

static void rules_act_one_after_the_other(void **state)
{
    struct bench *bench = *state;

    add(bench, "LWIP_ETH,rate=1mbit", 0);
    add(bench, "LWIP_ETH:up,delay=5ms", 0);
    add(bench, "LWIP_ETH:down,delay=1s", 0);
    add(bench, "LWIP_ETH,delay=2ms", 0);
    assert_true(judge(bench, 0)->at_us == 15 * MS);
}

static void what_is_too_big_is_told_where_it_may_not_be_cut(void **state)
{
    struct bench *bench = *state;

    add(bench, "LWIP_ETH,mtu=999", 0);
    assert_int_equal(judge(bench, 0)->action, IMPAIR_ACTION_TOO_BIG);
    assert_int_equal(bench->verdict.rule->mtu, 999);
    bench->packet.may_fragment = true;
    assert_int_equal(judge(bench, 0)->action, IMPAIR_ACTION_LOSE);
    bench->packet.len = 999;
    assert_true(passes(bench, 0));
    impair_clear(&bench->impair);
    add(bench, "LWIP_ETH,mtu=998,icmp=off", 0);
    bench->packet.may_fragment = false;
    assert_int_equal(judge(bench, 0)->action, IMPAIR_ACTION_LOSE);
}

static void a_stream_is_cut_at_its_byte(void **state)
{
    struct bench *bench = *state;

    bench->packet.protocol = IMPAIR_PROTOCOL_TCP;
    add(bench, "LWIP_ETH,reset=1500", 0);
    assert_true(passes(bench, 0)); /* SYN */
    bench->packet.stream_len = 1000;
    assert_true(passes(bench, 0));
    bench->packet.stream_begin = 500;
    assert_true(passes(bench, 0));
    bench->packet.stream_begin = 1000;
    assert_int_equal(judge(bench, 0)->action, IMPAIR_ACTION_RESET);
    assert_int_equal(bench->verdict.keep_len, 500);
    bench->packet.stream_begin = 2000;
    assert_int_equal(judge(bench, 0)->action, IMPAIR_ACTION_RESET);
    assert_int_equal(bench->verdict.keep_len, 0);
    bench->packet.protocol = IMPAIR_PROTOCOL_UDP;
    assert_true(passes(bench, 0));
}

static void queries_are_those_to_a_name_server(void **state)
{
    struct bench *bench = *state;

    add(bench, "LWIP_ETH,dns=nxdomain", 0);
    assert_true(passes(bench, 0));
    bench->packet.is_query = true;
    assert_true(passes(bench, 0)); /* looks like one, to who knows whom */
    bench->packet.is_dns_server = true;
    assert_int_equal(judge(bench, 0)->action, IMPAIR_ACTION_ANSWER);
    impair_clear(&bench->impair);
    bench->packet.is_dns_server = false;
    add(bench, "LWIP_ETH,dns=timeout,match=udp:7", 0);
    assert_int_equal(judge(bench, 0)->action, IMPAIR_ACTION_LOSE);
    assert_int_equal(bench->verdict.cause, IMPAIR_KIND_DNS);
    bench->packet.is_query = false;
    assert_true(passes(bench, 0));
}

static void a_stream_waits_at_a_black_hole(void **state)
{
    struct bench *bench = *state;

    bench->packet.is_stream = true;
    add(bench, "LWIP_ETH,blackhole,loss=100%,from=1s,for=1s", 0);
    assert_true(impair_blocked_until(&bench->impair, &bench->packet, 0) == 0);
    assert_true(impair_blocked_until(&bench->impair, &bench->packet, 1 * S) == 2 * S);
    assert_true(passes(bench, 1 * S));
    add(bench, "LWIP_ETH,blackhole,from=1s", 0);
    assert_true(impair_blocked_until(&bench->impair, &bench->packet, 1 * S) == UINT64_MAX);
    bench->packet.direction = IMPAIR_DIRECTION_DOWN;
    assert_true(impair_blocked_until(&bench->impair, &bench->packet, 3 * S) == UINT64_MAX);
}

/* Of a packet that does not pass nothing else is done, whatever the rules before had drawn. */
static void only_what_is_done_is_traced(void **state)
{
    struct bench *bench = *state;
    struct fake_device *fake;
    void *opened = NULL;

    assert_int_equal(fake_device_setup(&opened), 0);
    fake = opened;
    add(bench, "LWIP_ETH,duplicate=100%,reorder=100%,corrupt=100%", 0);
    add(bench, "LWIP_ETH,reset=0", 0);
    bench->packet.protocol = IMPAIR_PROTOCOL_TCP;
    bench->packet.stream_len = 1000;
    assert_int_equal(judge(bench, 0)->action, IMPAIR_ACTION_RESET);
    impair_note(&fake->device.trace, ADAPTER_ETH, &bench->packet, &bench->verdict);
    assert_true(fake_traced(fake, "\"what\":\"reset\""));
    assert_false(fake_traced(fake, "\"what\":\"duplicate\""));
    assert_false(fake_traced(fake, "\"what\":\"reorder\""));
    assert_false(fake_traced(fake, "\"what\":\"corrupt\""));
    bench->packet.stream_len = 0;
    assert_true(passes(bench, 0));
    impair_note(&fake->device.trace, ADAPTER_ETH, &bench->packet, &bench->verdict);
    assert_true(fake_traced(fake, "\"what\":\"duplicate\""));
    assert_true(fake_traced(fake, "\"what\":\"reorder\""));
    assert_true(fake_traced(fake, "\"what\":\"corrupt\""));
    assert_int_equal(fake_device_teardown(&opened), 0);
}

static void an_adapter_has_so_many_rules_and_no_more(void **state)
{
    struct bench *bench = *state;
    struct impair_rule rule;
    char why[IMPAIR_WHY_MAX];

    assert_null(impair_parse(&rule, "LWIP_ETH,delay=1ms", why));
    for (int i = 0; i < IMPAIR_RULES_MAX; i++)
        assert_int_equal(impair_add(&bench->impair, &rule, 0), 0);
    assert_int_equal(impair_add(&bench->impair, &rule, 0), -28); /* ENOSPC */
    assert_true(judge(bench, 0)->at_us == (uint64_t)IMPAIR_RULES_MAX * MS);
    assert_true(impair_has_kind(&bench->impair, IMPAIR_KIND_DELAY));
    assert_false(impair_has_kind(&bench->impair, IMPAIR_KIND_LOSS));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_rules_everything_passes_at_once),
        TEST(a_delay_is_exact),
        TEST(jitter_is_spread_evenly),
        TEST(jitter_keeps_the_order),
        TEST(losses_are_those_of_the_seed),
        TEST(what_a_rule_does_not_match_leaves_its_sequence_alone),
        TEST(every_kind_of_chance_has_its_share),
        TEST(a_rate_spaces_packets),
        TEST(what_the_queue_has_no_room_for_is_lost),
        TEST(a_rate_does_not_drift),
        TEST(a_span_has_a_beginning_and_an_end),
        TEST(a_match_is_of_either_end),
        TEST(rules_act_one_after_the_other),
        TEST(what_is_too_big_is_told_where_it_may_not_be_cut),
        TEST(a_stream_is_cut_at_its_byte),
        TEST(queries_are_those_to_a_name_server),
        TEST(a_stream_waits_at_a_black_hole),
        TEST(only_what_is_done_is_traced),
        TEST(an_adapter_has_so_many_rules_and_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
