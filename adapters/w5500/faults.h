/*
 * faults: which of a driver's faults are told, for a driver may commit the same one for ever.
 *
 * A fault is told FAULTS_REPEATS_MAX times at each place, and FAULTS_KIND_MAX of one kind.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAULTS_REPEATS_MAX 3
#define FAULTS_KIND_MAX    16
#define FAULTS_KINDS       64  /* more than the chip knows */
#define FAULTS_KNOWN       256 /* texts at places; the oldest is forgotten */

/* All 0: none yet. */
struct faults {
    struct {
        const char *kind;
        unsigned told;
    } kinds[FAULTS_KINDS];
    struct {
        uint64_t hash; /* of place and text */
        unsigned told;
    } known[FAULTS_KNOWN];
    size_t known_next;
};

/* Is it to be told? @kind is compared by its address. */
bool faults_note(struct faults *faults, const char *kind, const char *place, const char *text);

/* Was the one that was just told the last of its kind? */
bool faults_are_over(const struct faults *faults, const char *kind);
