/*
 * reexec: the emulator run again by a program that may make user namespaces where it may not itself.
 *
 * Ubuntu's AppArmor, for one, gives rights in a user namespace only to programs that a profile names
 * by their path: an installed luatos-emu, rootlesskit, podman. Each is tried with a run that makes a
 * network and ends, `luatos-emu doctor --probe`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "emu/tier.h"

#define REEXEC_WORDS_MAX 4
#define REEXEC_WORD_MAX  4096
#define REEXEC_GOOD      "luatos-emu " LUATOS_EMU_VERSION ": a network can be made here"

struct reexec {
    const char *name; /* of the helper, for people */
    char words[REEXEC_WORDS_MAX]
              [REEXEC_WORD_MAX]; /* up to the emulator's path, which is the last */
    size_t words_count;
};

/* By which helper this process was started; NULL: by none. Once: the script is not to see it. */
const char *reexec_helper(void);

/* Try them. 0 or -errno, with @why for people. */
int reexec_find(struct reexec *reexec, char why[TIER_WHY_MAX]);

/* Begin anew by it, with the command line @argv. Returns only when that fails: -errno. */
int reexec_go(struct reexec *reexec, char *const argv[]);
