/*
 * tiers: a run's networks by the best tier that can be had (emu/tier.h): each is tried by making
 * them, in a child process (keeper.h), until one works.
 */
#pragma once

#include "adapters/nets.h"
#include "emu/tier.h"

#define TIERS_WHY_MAX (TIER_TEXT_MAX + 128)

struct tiers_config {
    struct tier_plan plan;
    struct board *board; /* adapters that are bound nowhere are put where the tier has them */
    const char *helper;  /* by which this process was started, reexec.h; NULL: by none */
    char *const *argv;   /* to begin anew with, by a helper */
};

/*
 * Open @nets. 0 or -errno, with @why for people. May begin the program anew, by a helper, and not
 * come back.
 */
int tiers_open(struct nets *nets, const struct tiers_config *config, struct tier_choice *choice,
               char why[TIERS_WHY_MAX]);

/*
 * Which tier it is, and why it is no better one: in the trace always, "net.tier"; on stderr where a
 * network of its own was asked for.
 */
void tiers_tell(const struct tier_choice *choice, const struct tier_plan *plan,
                struct device *device);

/*
 * Try one of TIER_ROOT, TIER_USERNS, TIER_REEXEC, or TIER_HOST: make a network with a link, and end
 * it. 0 or -errno, with @why. With @by, and a helper, its name.
 */
int tiers_try(enum tier tier, const char **by, char why[TIER_WHY_MAX]);

/* Of a process that a helper has started, `luatos-emu doctor --probe`. The same results. */
int tiers_probe(char why[TIER_WHY_MAX]);
