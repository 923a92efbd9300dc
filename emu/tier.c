#include "emu/tier.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const names[] = {
    [TIER_ROOT] = "root",   [TIER_USERNS] = "userns", [TIER_REEXEC] = "reexec",
    [TIER_GIVEN] = "given", [TIER_HOST] = "host",
};
static_assert(sizeof(names) / sizeof(names[0]) == TIER_COUNT, "a tier lacks its name");

static const char *const numbers[] = {
    [TIER_ROOT] = "T1",  [TIER_USERNS] = "T2", [TIER_REEXEC] = "T3",
    [TIER_GIVEN] = "T4", [TIER_HOST] = "T5",
};
static_assert(sizeof(numbers) / sizeof(numbers[0]) == TIER_COUNT, "a tier lacks its number");

const char *tier_name(enum tier tier)
{
    return names[tier];
}

const char *tier_number(enum tier tier)
{
    return numbers[tier];
}

int tier_by_name(const char *text)
{
    for (int i = 0; i < TIER_COUNT; i++) {
        if (strcmp(names[i], text) == 0 || strcasecmp(numbers[i], text) == 0)
            return i;
    }
    return -1;
}

/* ---- choosing ------------------------------------------------------------------------------------ */

static bool is_own(enum tier tier)
{
    return tier == TIER_ROOT || tier == TIER_USERNS || tier == TIER_REEXEC;
}

bool tier_plan_makes(const struct tier_plan *plan, enum tier tier)
{
    switch (plan->wish) {
    case TIER_WISH_AUTO:
        return plan->wants_lab && is_own(tier);
    case TIER_WISH_OWN:
        return true;
    case TIER_WISH_ONE:
        return is_own(tier);
    }
    return false;
}

/* Has @tier to be tried at all? */
static bool is_candidate(const struct tier_plan *plan, enum tier tier)
{
    bool needs_own = plan->makes_links || plan->wish == TIER_WISH_OWN;

    if (plan->wish == TIER_WISH_ONE)
        return tier == plan->wanted;
    switch (tier) {
    case TIER_ROOT:
    case TIER_USERNS:
        return needs_own || plan->wants_lab;
    case TIER_REEXEC: /* the other program's network is not the host's */
        return (needs_own || plan->wants_lab) && !plan->has_far_links;
    case TIER_GIVEN:
        return !needs_own && !plan->wants_lab && plan->has_given;
    case TIER_HOST:
        return !needs_own;
    case TIER_COUNT:
        break;
    }
    return false;
}

enum tier tier_plan_next(const struct tier_plan *plan, enum tier tier)
{
    int next = tier == TIER_COUNT ? 0 : (int)tier + 1;

    while (next < TIER_COUNT && !is_candidate(plan, (enum tier)next))
        next++;
    return (enum tier)next;
}

/* ---- for people ------------------------------------------------------------------------------------ */

const char *tier_title(enum tier tier, char text[TIER_WHY_MAX])
{
    (void)snprintf(text, TIER_WHY_MAX, "%s %s", numbers[tier], names[tier]);
    return text;
}

const char *tier_missed_text(const struct tier_choice *choice, char text[TIER_TEXT_MAX])
{
    size_t len = 0;

    *text = '\0';
    for (int i = 0; i < TIER_COUNT && i < (int)choice->tier && len < TIER_TEXT_MAX; i++) {
        if (*choice->missed[i]) {
            len += (size_t)snprintf(text + len, TIER_TEXT_MAX - len, "%snot %s %s: %s",
                                    len ? "; " : "", numbers[i], names[i], choice->missed[i]);
        }
    }
    return text;
}
