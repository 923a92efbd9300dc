/*
 * ctl: a socket by which a run can be controlled from outside while it goes on.
 *
 * A Unix stream socket at a path of the user's. Requests and answers are those of command.h.
 */
#pragma once

#include "adapters/command.h"

#define CTL_CLIENTS_MAX 8

struct ctl;

/* 0 or -errno. A socket that nobody listens at any more is replaced. */
int ctl_open(struct ctl **out, const char *path, const struct commander *commander);

/* Ends the connections and removes the socket. */
void ctl_close(struct ctl *ctl);

/*
 * The other side, "luatos-emu ctl PATH WORD...": send the words as a request and print the answer.
 * An enum exit_code.
 */
int ctl_run(const char *path, int words_count, char *const words[]);
