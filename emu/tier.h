/*
 * tier: the ways to a network of one's own, the best first, and how one of them is chosen.
 *
 *   T1 root     capabilities over the network are there: namespaces and cables (veth) are made as
 *               they are
 *   T2 userns   the same in a user namespace of one's own, user_namespaces(7)
 *   T3 reexec   the same in one that another program may make: the installed luatos-emu, which an
 *               AppArmor profile allows it, rootlesskit, or podman
 *   T4 given    none is made; adapters are in namespaces that somebody has made (--bind)
 *   T5 host     none at all: adapters are on the host's network, the lab on its loopback
 *
 * Only trying tells which can be had. What was not had, and why, is kept for people.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define TIER_WHY_MAX  384
#define TIER_TEXT_MAX (3 * TIER_WHY_MAX)

enum tier { TIER_ROOT, TIER_USERNS, TIER_REEXEC, TIER_GIVEN, TIER_HOST, TIER_COUNT };

/* "root"; "T1". */
const char *tier_name(enum tier tier);
const char *tier_number(enum tier tier);

/* By either spelling; -1: there is none. */
int tier_by_name(const char *text);

/* ---- choosing ------------------------------------------------------------------------------------ */

/* What --net says. */
enum tier_wish {
    TIER_WISH_AUTO, /* whatever is best for what the rest asks for */
    TIER_WISH_OWN,  /* a network of one's own, by whichever tier */
    TIER_WISH_ONE,  /* that tier or none */
};

struct tier_plan {
    enum tier_wish wish;
    enum tier wanted;   /* TIER_WISH_ONE */
    bool wants_lab;     /* the lab is to stand on it, or else on loopback */
    bool makes_links;   /* an adapter is bound to a link that has to be made: no way around it */
    bool has_far_links; /* of those, one has its other end on the host's network */
    bool has_given;     /* an adapter is bound to what is given */
};

/* Is a network made, in which the adapters that are bound nowhere else are? */
bool tier_plan_makes(const struct tier_plan *plan, enum tier tier);

/* The tier to try after @tier, or first (TIER_COUNT). TIER_COUNT: there is none. */
enum tier tier_plan_next(const struct tier_plan *plan, enum tier tier);

struct tier_choice {
    enum tier tier;                        /* which it is */
    const char *helper;                    /* TIER_REEXEC: by which program */
    char missed[TIER_COUNT][TIER_WHY_MAX]; /* why not; "": was not tried */
};

/* "T2 userns". */
const char *tier_title(enum tier tier, char text[TIER_WHY_MAX]);

/* "not T1 root: why; not T2 userns: why", of the tiers before @choice->tier; "": none was missed. */
const char *tier_missed_text(const struct tier_choice *choice, char text[TIER_TEXT_MAX]);
