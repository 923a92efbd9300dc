/*
 * keeper: a child process that stands in other network namespaces, and opens sockets there.
 *
 * Entering a namespace and changing a link need privilege, running a script must have none. So a
 * keeper is forked before the script's process gives its privileges up. It enters a namespace, or
 * makes a network of its own, and then answers a handful of typed requests over a socket pair: open
 * this socket, add this link, set this link up or down. A socket comes back as a descriptor
 * (SCM_RIGHTS, unix(7)) and is used from the one loop. Threads would do for entering, but share
 * their process's credentials and memory with the script; a process shares neither. It ends with
 * its parent, and with it go the namespaces that it has made and the links in them.
 *
 * A network of its own is a namespace with a bridge, "lab", and for each link a namespace that
 * hangs on it by a veth pair. Without root it lies in a user namespace (user_namespaces(7)).
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "emu/endpoint.h"

#define KEEPER_WHY_MAX    256
#define KEEPER_PLACES_MAX 16 /* namespaces of one keeper */
#define KEEPER_HOME       0  /* the place that it has entered, or that of the bridge */

struct keeper;

/*
 * Enter the network namespace @name: a name of ip-netns(8), or a path with a slash. 0 or -errno,
 * with @why for people. Of a namespace that another user namespace owns, that one is entered
 * first, where the caller may.
 */
int keeper_enter(struct keeper **keeper, const char *name, char why[KEEPER_WHY_MAX]);

/* Make a network, whose bridge has the address @ip. The same results. */
int keeper_make(struct keeper **keeper, const struct endpoint *ip, unsigned prefix_len,
                char why[KEEPER_WHY_MAX]);

/* End the child; descriptors that it gave away live on. */
void keeper_stop(struct keeper *keeper);

struct keeper_link {
    char ifname[IFNAMSIZ]; /* in its namespace */
    struct endpoint ip, gateway;
    unsigned prefix_len;
};

/* Of a made network: add a namespace with this link, up. Its place (1, 2, ...) or -errno. */
int keeper_add_link(struct keeper *keeper, const struct keeper_link *link);

/* Plug the link of @place in or out, at the bridge. 0 or -errno. */
int keeper_set_link(struct keeper *keeper, int place, bool is_up);

/*
 * Take the link of @place off the bridge, or put it back: its frames then go only where somebody
 * carries them, between the interfaces that keeper_ends() names, at KEEPER_HOME. While it is off,
 * frames are as on a cable: no larger than the MTU, with their checksums. 0 or -errno.
 */
int keeper_divert(struct keeper *keeper, int place, bool is_off);

/* Names of the end on the link's side and of that on the bridge's. */
void keeper_ends(int place, char link_end[IFNAMSIZ], char bridge_end[IFNAMSIZ]);

/* As socket(2), in @place. A descriptor or -errno. Blocks for the child's answer: some 20 us. */
int keeper_socket(struct keeper *keeper, int place, int domain, int type, int protocol);
