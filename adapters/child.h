/*
 * child: other programs, run beside the emulator: helpers that may do what it may not.
 *
 * No shell is involved. A program is found by PATH where its name has no slash.
 */
#pragma once

#include <stddef.h>

/*
 * Run @argv to its end, without input; what it says on both of its outputs goes to @said, cut off at
 * @said_cap. Its exit code; -ENOENT: there is no such program; -ETIMEDOUT: it took more than @ms and
 * was killed, with what it had started; or another -errno.
 */
int child_run(char *const argv[], unsigned ms, char said[], size_t said_cap);

/* Become @argv. Returns only when it fails: -errno. */
int child_become(char *const argv[]);
