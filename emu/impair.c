#include "emu/impair.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "emu/rng.h"
#include "emu/util.h"

#define PPM         1000000
#define NS_PER_US   1000
#define NS_PER_S    UINT64_C(1000000000)
#define BITS_A_BYTE 8
#define STREAM      UINT64_C(0x696d70616972)     /* "impair": apart from who else uses the seed */
#define STRIDE      UINT64_C(0xd1342543de82ef95) /* from packet to packet; no multiple of rng.c's */

static const char *const kind_names[] = {
    [IMPAIR_KIND_DELAY] = "delay",
    [IMPAIR_KIND_LOSS] = "loss",
    [IMPAIR_KIND_DUPLICATE] = "duplicate",
    [IMPAIR_KIND_REORDER] = "reorder",
    [IMPAIR_KIND_CORRUPT] = "corrupt",
    [IMPAIR_KIND_RATE] = "rate",
    [IMPAIR_KIND_MTU] = "mtu",
    [IMPAIR_KIND_BLACKHOLE] = "blackhole",
    [IMPAIR_KIND_RESET] = "reset",
    [IMPAIR_KIND_DNS] = "dns",
};
static_assert(ARRAY_LEN(kind_names) == IMPAIR_KINDS, "a kind lacks its name");

const char *impair_kind_name(enum impair_kind kind)
{
    return kind_names[kind];
}

const char *impair_direction_name(enum impair_direction direction)
{
    return direction == IMPAIR_DIRECTION_UP ? "up" : "down";
}

bool impair_has(const struct impair_rule *rule, enum impair_kind kind)
{
    return rule->kinds & 1U << kind;
}

/* ---- the rules in force --------------------------------------------------------------------- */

void impair_init(struct impair *impair, uint64_t seed)
{
    *impair = (struct impair){ .seed = seed };
}

void impair_clear(struct impair *impair)
{
    free(impair->rules);
    impair->rules = NULL;
    impair->count = 0;
}

static void seed_lane(const struct impair *impair, struct impair_lane *lane, unsigned direction)
{
    struct rng mixer;

    rng_init(&mixer, impair->seed ^ STREAM ^ ((uint64_t)impair->made << 32 | direction));
    lane->seed = rng_next(&mixer);
}

int impair_add(struct impair *impair, const struct impair_rule *rule, uint64_t now_us)
{
    struct impair_active *active;

    if (impair->count == IMPAIR_RULES_MAX)
        return -ENOSPC;
    impair->rules = xrealloc(impair->rules, (impair->count + 1) * sizeof(*impair->rules));
    active = &impair->rules[impair->count++];
    *active = (struct impair_active){
        .rule = *rule,
        .from_us = now_us + rule->from_us,
        .until_us = rule->until_us == UINT64_MAX ? UINT64_MAX : now_us + rule->until_us,
    };
    impair->made++;
    for (unsigned i = 0; i < IMPAIR_DIRECTIONS; i++)
        seed_lane(impair, &active->lanes[i], i);
    return 0;
}

bool impair_has_kind(const struct impair *impair, enum impair_kind kind)
{
    for (size_t i = 0; i < impair->count; i++) {
        if (impair_has(&impair->rules[i].rule, kind))
            return true;
    }
    return false;
}

/* ---- which packets -------------------------------------------------------------------------- */

static bool matches(const struct impair_active *active, const struct impair_packet *packet,
                    uint64_t now_us)
{
    const struct impair_rule *rule = &active->rule;

    if (now_us < active->from_us || now_us >= active->until_us)
        return false;
    if (!(rule->directions & 1U << packet->direction))
        return false;
    if (rule->protocol != IMPAIR_PROTOCOL_ANY && rule->protocol != packet->protocol)
        return false;
    if (rule->port && rule->port != packet->peer.port && rule->port != packet->device.port)
        return false;
    return rule->ip.family == IP_FAMILY_NONE ||
           endpoint_in_one_net(&rule->ip, &packet->peer, rule->ip_bits) ||
           endpoint_in_one_net(&rule->ip, &packet->device, rule->ip_bits);
}

/* A query that the rule's dns= is for: to the port that it names, or to one that is known. */
static bool is_asked(const struct impair_rule *rule, const struct impair_packet *packet)
{
    return packet->is_query && packet->direction == IMPAIR_DIRECTION_UP &&
           (packet->is_dns_server || rule->port == packet->peer.port);
}

/* ---- the verdict ---------------------------------------------------------------------------- */

/* What is being judged, by one rule. */
struct judging {
    const struct impair_rule *rule;
    struct impair_lane *lane;
    const struct impair_packet *packet;
    struct impair_verdict *verdict;
    struct rng rng; /* this packet's own */
};

/* Is it one of the packets that have @kind? */
static bool draw(struct judging *judging, enum impair_kind kind, uint32_t ppm)
{
    return impair_has(judging->rule, kind) && rng_below(&judging->rng, PPM) < ppm;
}

/* A later rule's decision takes the place of an earlier one's. */
static void decide(const struct judging *judging, enum impair_action action, enum impair_kind cause)
{
    judging->verdict->action = action;
    judging->verdict->cause = cause;
    judging->verdict->rule = judging->rule;
    judging->verdict->ordinal = judging->lane->seen;
    judging->lane->hits[cause]++;
}

/* False: it is lost, and no other rule is asked. Nothing here is random. */
static bool judge_by_nature(const struct judging *judging)
{
    const struct impair_rule *rule = judging->rule;
    const struct impair_packet *packet = judging->packet;

    if (impair_has(rule, IMPAIR_KIND_DNS) && is_asked(rule, packet)) {
        bool is_lost = rule->dns == IMPAIR_DNS_TIMEOUT;

        decide(judging, is_lost ? IMPAIR_ACTION_LOSE : IMPAIR_ACTION_ANSWER, IMPAIR_KIND_DNS);
        if (is_lost)
            return false; /* an answer takes its time, as other rules say */
    }
    if (impair_has(rule, IMPAIR_KIND_BLACKHOLE) && !packet->is_stream) {
        decide(judging, IMPAIR_ACTION_LOSE, IMPAIR_KIND_BLACKHOLE);
        return false;
    }
    if (impair_has(rule, IMPAIR_KIND_RESET) && packet->protocol == IMPAIR_PROTOCOL_TCP &&
        packet->stream_len && packet->stream_begin + packet->stream_len > rule->reset_at) {
        decide(judging, IMPAIR_ACTION_RESET, IMPAIR_KIND_RESET);
        judging->verdict->keep_len = rule->reset_at > packet->stream_begin
                                         ? (size_t)(rule->reset_at - packet->stream_begin)
                                         : 0;
    }
    if (impair_has(rule, IMPAIR_KIND_MTU) && !packet->is_stream && packet->len > rule->mtu) {
        decide(judging,
               rule->is_silent || packet->may_fragment ? IMPAIR_ACTION_LOSE : IMPAIR_ACTION_TOO_BIG,
               IMPAIR_KIND_MTU);
        return false;
    }
    return true;
}

static bool judge_by_chance(struct judging *judging)
{
    const struct impair_rule *rule = judging->rule;
    struct impair_verdict *verdict = judging->verdict;
    struct impair_lane *lane = judging->lane;
    bool is_lost = draw(judging, IMPAIR_KIND_LOSS, rule->loss_ppm);
    bool is_twice = draw(judging, IMPAIR_KIND_DUPLICATE, rule->duplicate_ppm);
    bool is_late = draw(judging, IMPAIR_KIND_REORDER, rule->reorder_ppm);
    bool is_corrupt = draw(judging, IMPAIR_KIND_CORRUPT, rule->corrupt_ppm);

    if (is_lost) {
        decide(judging, IMPAIR_ACTION_LOSE, IMPAIR_KIND_LOSS);
        return false;
    }
    lane->hits[IMPAIR_KIND_DUPLICATE] += is_twice;
    lane->hits[IMPAIR_KIND_REORDER] += is_late;
    lane->hits[IMPAIR_KIND_CORRUPT] += is_corrupt;
    if (is_twice || is_late || is_corrupt)
        verdict->ordinal = lane->seen;
    verdict->is_twice |= is_twice;
    verdict->is_late |= is_late;
    if (is_corrupt) {
        verdict->is_corrupt = true;
        verdict->corrupt_bit = (uint32_t)rng_next(&judging->rng);
    }
    return true;
}

/* A link of this rate, with its queue: when has the last bit left it? False: the queue is full. */
static bool pass_rate(const struct judging *judging)
{
    const struct impair_rule *rule = judging->rule;
    struct impair_verdict *verdict = judging->verdict;
    struct impair_lane *lane = judging->lane;
    uint64_t now_ns = verdict->at_us * NS_PER_US;
    uint64_t takes_ns = judging->packet->len * BITS_A_BYTE * NS_PER_S / rule->rate_bps;
    uint64_t waits_ns = lane->busy_until_ns > now_ns ? lane->busy_until_ns - now_ns : 0;
    uint64_t waits_ns_max = rule->queue_len * BITS_A_BYTE * NS_PER_S / rule->rate_bps;

    if (waits_ns && waits_ns + takes_ns > waits_ns_max && !judging->packet->is_stream) {
        decide(judging, IMPAIR_ACTION_LOSE, IMPAIR_KIND_RATE);
        return false;
    }
    lane->busy_until_ns = now_ns + waits_ns + takes_ns;
    verdict->at_us = (lane->busy_until_ns + NS_PER_US - 1) / NS_PER_US;
    return true;
}

static void pass_delay(struct judging *judging)
{
    const struct impair_rule *rule = judging->rule;
    struct impair_lane *lane = judging->lane;
    uint64_t at_us = judging->verdict->at_us + rule->delay_us;

    if (rule->jitter_us)
        at_us += rng_next(&judging->rng) % (2 * rule->jitter_us + 1) - rule->jitter_us;
    if (at_us < lane->last_at_us && rule->jitter_us)
        at_us = lane->last_at_us; /* a queue somewhere: jitter alone does not change the order */
    lane->last_at_us = at_us;
    judging->verdict->at_us = at_us;
}

/* False: no other rule is asked. */
static bool judge_by(struct judging *judging)
{
    const struct impair_rule *rule = judging->rule;

    judging->lane->seen++;
    rng_init(&judging->rng, judging->lane->seed + judging->lane->seen * STRIDE);
    if (!judge_by_nature(judging))
        return false;
    if (!judging->packet->is_stream && !judge_by_chance(judging))
        return false;
    if (impair_has(rule, IMPAIR_KIND_RATE) && !pass_rate(judging))
        return false;
    if (impair_has(rule, IMPAIR_KIND_DELAY))
        pass_delay(judging);
    return true;
}

void impair_judge(struct impair *impair, const struct impair_packet *packet, uint64_t now_us,
                  struct impair_verdict *verdict)
{
    *verdict = (struct impair_verdict){ .action = IMPAIR_ACTION_PASS, .at_us = now_us };
    for (size_t i = 0; i < impair->count; i++) {
        struct impair_active *active = &impair->rules[i];
        struct judging judging = { .rule = &active->rule,
                                   .lane = &active->lanes[packet->direction],
                                   .packet = packet,
                                   .verdict = verdict };

        if (matches(active, packet, now_us) && !judge_by(&judging))
            return;
    }
}

uint64_t impair_blocked_until(const struct impair *impair, const struct impair_packet *packet,
                              uint64_t now_us)
{
    uint64_t until_us = 0;

    for (size_t i = 0; i < impair->count; i++) {
        const struct impair_active *active = &impair->rules[i];

        if (impair_has(&active->rule, IMPAIR_KIND_BLACKHOLE) && matches(active, packet, now_us) &&
            active->until_us > until_us)
            until_us = active->until_us;
    }
    return until_us;
}
