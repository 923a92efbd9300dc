/* Rules of impairment as text, and the verdict on a packet under what was taken. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "emu/fuzz/fuzz.h"
#include "emu/impair.h"
#include "emu/util.h"

#define PACKETS 64

static void check_rule(const struct impair_rule *rule, const char *text)
{
    assert(strcmp(rule->text, text) == 0);
    assert(rule->kinds && rule->kinds < 1U << IMPAIR_KINDS);
    assert(rule->directions && rule->directions < 1U << IMPAIR_DIRECTIONS);
    assert(rule->from_us < rule->until_us);
    assert(rule->jitter_us <= rule->delay_us);
}

static void judge_some(const struct impair_rule *rule)
{
    struct impair_packet packet = { .protocol = rule->protocol, .len = 1400, .peer = rule->ip };
    struct impair_verdict verdict;
    struct impair impair;
    int rc;

    impair_init(&impair, 1);
    rc = impair_add(&impair, rule, 0);
    assert(rc == 0);
    for (unsigned i = 0; i < PACKETS; i++) {
        packet.direction = (enum impair_direction)(i % IMPAIR_DIRECTIONS);
        packet.peer.port = rule->port;
        packet.stream_len = i * 100;
        packet.is_query = packet.is_dns_server = i & 1;
        impair_judge(&impair, &packet, rule->from_us, &verdict);
        assert(verdict.at_us >= rule->from_us);
        assert(verdict.keep_len <= packet.stream_len);
        assert((verdict.action == IMPAIR_ACTION_PASS) == !verdict.rule);
        (void)impair_blocked_until(&impair, &packet, rule->from_us);
    }
    impair_clear(&impair);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xcalloc(1, size + 1);
    char why[IMPAIR_WHY_MAX];
    struct impair_rule rule;
    const char *wrong;

    memcpy(text, data, size);
    wrong = impair_parse(&rule, text, why);
    if (wrong) {
        assert(*wrong && strlen(wrong) < IMPAIR_WHY_MAX);
    } else {
        check_rule(&rule, text);
        judge_some(&rule);
    }
    free(text);
    return 0;
}
