/* Included by doctor.c, doctor_checks.c only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "emu/tier.h"

#define FINDING_NAME_MAX 16
#define FINDING_FIXES    3
#define FINDING_FIX_MAX  256

/* One line of the table. */
struct finding {
    char name[FINDING_NAME_MAX];
    bool is_good;
    char why[TIER_WHY_MAX];
    char fixes[FINDING_FIXES][FINDING_FIX_MAX]; /* commands; "": no more */
};

/* What is wrong, if anything, and what would help. */
void finding_set(struct finding *finding, bool is_good, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void finding_add_fix(struct finding *finding, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void doctor_check_tier(enum tier tier, struct finding *finding);

/* Beside the tiers. False: there is no check of that number. */
bool doctor_check(size_t index, struct finding *finding);
