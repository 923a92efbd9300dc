/*
 * ctl: a socket by which a run can be controlled from outside while it goes on.
 *
 * A Unix stream socket at a path of the user's. A request is a line, an answer is lines of which
 * the last begins with "ok" or "error: ". The commands are rows of a table in ctl.c; "help" lists
 * them.
 */
#pragma once

#define CTL_LINE_MAX    256 /* of a request, with its end */
#define CTL_CLIENTS_MAX 8

struct ctl;
struct device;
struct nets;

/* 0 or -errno. A socket that nobody listens at any more is replaced. */
int ctl_open(struct ctl **out, const char *path, struct device *device, struct nets *nets);

/* Ends the connections and removes the socket. */
void ctl_close(struct ctl *ctl);

/*
 * The other side, "luatos-emu ctl PATH WORD...": send the words as a request and print the answer.
 * An enum exit_code.
 */
int ctl_run(const char *path, int words_count, char *const words[]);
