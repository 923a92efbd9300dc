/*
 * keeper: a child process that stands in other network namespaces, and opens sockets there.
 *
 * Entering a namespace and changing a link need privilege, running a script must have none. So a
 * keeper is forked before the script's process gives its privileges up. It enters a namespace, or
 * makes a network of its own, and then answers a handful of typed requests over a socket pair: open
 * this socket, add this link, set this link up or down, give it this address. A socket comes back as
 * a descriptor (SCM_RIGHTS, unix(7)) and is used from the one loop. Threads would do for entering,
 * but share their process's credentials and memory with the script; a process shares neither. When it
 * is where it was to go, it keeps the capabilities that its requests take and no others.
 *
 * A network of its own is a namespace with a bridge, "lab", and for each link a namespace of its
 * own, its place: it hangs on the bridge or in the network that the keeper came from by a veth pair,
 * or is a TAP device. Without root they lie in a user namespace (user_namespaces(7)). A pair can't be
 * opened to look at what goes through; a link into the network that the keeper came from may be
 * split: two pairs, which a bridge of their own joins, in a place where there is nothing else.
 *
 * Nothing is left behind. The keeper ends when its parent does, and with it go the namespaces that
 * it has made, the links in them, and the links' other ends, wherever those are. What it has given
 * to an interface that was there, it takes back; and if it has no time to, because somebody kills
 * it, the kernel does: such an address has a lifetime, KEEPER_LEASE_S, which the keeper renews.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "emu/board.h"
#include "emu/endpoint.h"

#define KEEPER_WHY_MAX    256
#define KEEPER_PLACES_MAX 20 /* namespaces of one keeper: adapters, the bridge, and some room */
#define KEEPER_HOME       0  /* the place that it has entered, or that of the bridge */
#define KEEPER_BRIDGE     "lab"
#define KEEPER_LEASE_S    60

struct keeper;

/*
 * Enter the network namespace @name: a name of ip-netns(8), or a path with a slash. 0 or -errno,
 * with @why for people. Of a namespace that another user namespace owns, that one is entered
 * first, where the caller may.
 */
int keeper_enter(struct keeper **keeper, const char *name, char why[KEEPER_WHY_MAX]);

/*
 * Stay where the caller is, only to bind sockets to ports below 1024 for who may no longer; the one
 * capability for that is all that is kept. The same results.
 */
int keeper_stay(struct keeper **keeper, char why[KEEPER_WHY_MAX]);

struct keeper_network {
    bool in_userns;         /* in a user namespace of its own; else with what rights there are */
    struct endpoint bridge; /* address of its bridge; IP_FAMILY_NONE: it has none */
    unsigned prefix_len;    /* bits */
};

/*
 * Make a network. The same results; @why names the step that failed.
 */
int keeper_make(struct keeper **keeper, const struct keeper_network *network,
                char why[KEEPER_WHY_MAX]);

/* End the child; descriptors that it gave away live on. */
void keeper_stop(struct keeper *keeper);

/* Becomes readable when the child is gone. */
int keeper_fd(const struct keeper *keeper);

/* ---- links --------------------------------------------------------------------------------------- */

/* Where a link's other end is. */
enum keeper_end {
    KEEPER_END_LAB,  /* a port of the bridge */
    KEEPER_END_HOST, /* an interface of the network that the keeper came from */
    KEEPER_END_TAP,  /* a descriptor, see tap.h */
};

struct keeper_link {
    enum keeper_end end;
    char ifname[IFNAMSIZ]; /* in its namespace */
    char peer[IFNAMSIZ];   /* KEEPER_END_HOST: name of the other end; "": made up */
    char bridge[IFNAMSIZ]; /* KEEPER_END_HOST: which the other end joins; "": none */
    struct board_address address;
    uint8_t mac[BOARD_MAC_LEN]; /* all 0: made up */
    unsigned mtu;               /* 0: 1500 */
    bool is_unplugged;          /* at first */
    bool is_split;              /* KEEPER_END_HOST: in two, so that it can be diverted */
    bool is_bare; /* the kernel says nothing on it: somebody else's frames are there */
};

/* What became of it. */
struct keeper_made {
    char peer[IFNAMSIZ];      /* KEEPER_END_HOST: how the other end is called */
    int leg_place;            /* of one that is split: where keeper_leg() is */
    int tap_fd;               /* KEEPER_END_TAP: the caller's from now on; else -1 */
    char why[KEEPER_WHY_MAX]; /* for people, when it was not made */
};

/* Of a made network: add a namespace with this link, up. Its place (1, 2, ...) or -errno. */
int keeper_add_link(struct keeper *keeper, const struct keeper_link *link,
                    struct keeper_made *made);

/*
 * Plug the link of @place in or out, at its other end. 0 or -errno. One that is split is so for who
 * is at the other end; its adapter's half is plugged by keeper_set_half(), which has to follow what
 * becomes of the interface keeper_leg(), at the place that keeper_add_link() named.
 */
int keeper_set_link(struct keeper *keeper, int place, bool is_up);
int keeper_set_half(struct keeper *keeper, int place, bool is_up);
void keeper_leg(int place, char ifname[IFNAMSIZ]);

/*
 * Make @address the one that the link of @place has, with its routes, and take away what it had. Of
 * a place that was entered, @ifname is the interface, and what others have given to it stays. A half,
 * IPv4 or IPv6, that can't be given stays as it was. With it comes @mtu, 0: the link's own, which is
 * the most it can be. @why is for people. 0 or -errno.
 */
int keeper_set_address(struct keeper *keeper, int place, const char *ifname,
                       const struct board_address *address, unsigned mtu, char why[KEEPER_WHY_MAX]);

/*
 * Take the link of @place off its bridge, the lab's or its own, or put it back: its frames then go
 * only where somebody carries them, between the interfaces that keeper_ends() names, at the place
 * that is the result. While it is off, frames are as on a cable: no larger than the MTU, with their
 * checksums. Else -errno; -EOPNOTSUPP: it is on no bridge.
 */
int keeper_divert(struct keeper *keeper, int place, bool is_off);

/* Names of the end on the link's side and of that on the bridge's. */
void keeper_ends(int place, char link_end[IFNAMSIZ], char bridge_end[IFNAMSIZ]);

int keeper_set_mac(struct keeper *keeper, int place, const uint8_t mac[BOARD_MAC_LEN]);

/* Give a TAP device of the network that the keeper came from an MTU (0: as it is), and up it. */
int keeper_set_tap(struct keeper *keeper, const char *ifname, const char *bridge, unsigned mtu,
                   char why[KEEPER_WHY_MAX]);

/*
 * Send what comes in by the link of @from, and is not for itself, out by that of @to, under its
 * address (NAT); @to KEEPER_HOME ends it. @why is for people. 0 or -errno; -EOPNOTSUPP: a place is
 * not the keeper's own.
 */
int keeper_forward(struct keeper *keeper, int from, int to, char why[KEEPER_WHY_MAX]);

/*
 * A network behind the bridge's, which forwards between them: the place of the only host there, with
 * address, gateway (the bridge's own address there) and prefix_len of @address; or -errno.
 */
int keeper_add_subnet(struct keeper *keeper, const struct board_address *address);

/*
 * Lead what is for elsewhere out of the bridge's network by the interface "uplink" there, see
 * uplink.h: its addresses, its route and NAT. @with_veth: and make it, with its other end there. @why
 * is for people. 0 or -errno; -ENODEV: it is not there yet.
 */
int keeper_set_uplink(struct keeper *keeper, bool with_veth, char why[KEEPER_WHY_MAX]);

/* The child, whose /proc/PID/ns/net is the bridge's after keeper_set_uplink(). */
pid_t keeper_pid(const struct keeper *keeper);
bool keeper_is_in_userns(const struct keeper *keeper); /* of its own */

/* As bind(2), with the keeper's rights: of its own sockets, and of a keeper that stays, others, too. */
int keeper_bind(struct keeper *keeper, int fd, const struct sockaddr *sa, socklen_t len);

/* As socket(2), in @place. A descriptor or -errno. Blocks for the child's answer: some 20 us. */
int keeper_socket(struct keeper *keeper, int place, int domain, int type, int protocol);
