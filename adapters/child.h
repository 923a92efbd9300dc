/*
 * child: other programs, run beside the emulator: helpers that may do what it may not.
 *
 * No shell is involved. A program is found by PATH where its name has no slash.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Run @argv to its end, without input; what it says on both of its outputs goes to @said, cut off at
 * @said_cap. Its exit code; -ENOENT: there is no such program; -ETIMEDOUT: it took more than @ms and
 * was killed, with what it had started; or another -errno.
 */
int child_run(char *const argv[], unsigned ms, char said[], size_t said_cap);

/* ---- beside the emulator --------------------------------------------------------------------------- */

struct child_process {
    pid_t pid; /* 0: there is none */
    int fd; /* a socket, whose other end it has; that end's hang-up says that the emulator is gone */
};

#define CHILD_NONE ((struct child_process){ .pid = 0, .fd = -1 })

/*
 * Start @argv, to run until child_end(), or until the emulator is gone. Its input and its outputs are
 * one socket, in which what nobody reads is lost when it is full. 0 or -errno; -ENOENT: there is no such program.
 */
int child_start(const char *const argv[], struct child_process *process);

/* Run @body in a process of its own, with a copy of @fd and its end of the socket. 0 or -errno. */
int child_fork(int (*body)(int fd, int life_fd), int fd, struct child_process *process);

/* Has it closed its end, or does it within @ms? What it has said can be read. */
bool child_has_ended(const struct child_process *process, int ms);

/* End it, where there is one. */
void child_end(struct child_process *process);

/* Become @argv. Returns only when it fails: -errno. */
int child_become(char *const argv[]);
