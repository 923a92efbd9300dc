/*
 * keeper: a child process that stands in another network namespace and opens sockets there.
 *
 * Entering a namespace needs privilege, running a script must have none. So each namespace that an
 * adapter lives in has a keeper: forked before the script's process gives its privileges up, it
 * enters the namespace once, keeps what of them a socket may need there, and then answers one kind
 * of request over a socket pair: open this socket. The descriptor comes back (SCM_RIGHTS, unix(7))
 * and is used from the one loop. Threads would do for entering, but share their process's
 * credentials and memory with the script; a process shares neither. It ends with its parent.
 */
#pragma once

#include <stddef.h>

#define KEEPER_WHY_MAX 256

struct keeper;

/*
 * Enter the network namespace @name: a name of ip-netns(8), or a path with a slash. 0 or -errno,
 * with @why for people. Of a namespace that another user namespace owns, that one is entered
 * first, where the caller may.
 */
int keeper_start(struct keeper **keeper, const char *name, char why[KEEPER_WHY_MAX]);

/* End the child; descriptors that it gave away live on. */
void keeper_stop(struct keeper *keeper);

/* As socket(2), there. A descriptor or -errno. Blocks for the child's answer: some 20 us. */
int keeper_socket(struct keeper *keeper, int domain, int type, int protocol);
