/* Included by keeper.c, keeper_child.c, keeper_divert.c, keeper_links.c, keeper_make.c, keeper_nat.c, keeper_subnet.c, keeper_uplink.c only. */
#pragma once

#include "adapters/keeper.h"

enum request_kind {
    REQUEST_SOCKET,
    REQUEST_ADD_LINK,
    REQUEST_SET_LINK,
    REQUEST_SET_HALF,
    REQUEST_SET_ADDRESS,
    REQUEST_SET_MAC,
    REQUEST_SET_TAP,
    REQUEST_DIVERT,
    REQUEST_FORWARD,
    REQUEST_SET_UPLINK,
    REQUEST_ADD_SUBNET,
    REQUEST_BIND, /* with the socket */
};

struct request {
    enum request_kind kind;
    int place, to;
    int domain, type, protocol;
    struct keeper_link link;         /* what a kind needs of it */
    bool is_up;                      /* REQUEST_DIVERT: back on the bridge */
    struct sockaddr_storage address; /* REQUEST_BIND */
    socklen_t address_len;
    bool with_veth; /* REQUEST_SET_UPLINK */
};

/* With a descriptor where one was asked for. The first one says whether the keeper is ready. */
struct reply {
    int rc;
    int leg_place;
    char text[KEEPER_WHY_MAX]; /* why not, or a name */
};

/* What a keeper begins with. */
struct beginning {
    const char *path; /* of the namespace to enter; NULL: make one */
    struct keeper_network network;
    bool stays; /* neither */
};

/* ---- one message with a descriptor ---- */

/* @fd -1: none. 0 or -errno. */
int keeper_send(int to, const void *message, size_t len, int fd);

/* Its length, 0 at the end, or -errno; and its descriptor, -1: it had none. */
ssize_t keeper_receive(int from, void *message, size_t cap, int *fd);

/* ---- the child ------------------------------------------------------------------------------------ */

struct netlink_maker;

/* A namespace. */
struct place {
    int netns;                   /* -1: it was entered and is never left */
    struct netlink_maker *maker; /* works there */
    char ifname[IFNAMSIZ];       /* of its link; "": none yet */
    int ifindex;
    struct netlink_maker *port_maker; /* works where the other end is; NULL: there is none */
    int port_ifindex;
    int yard;                   /* place where the port is on a bridge ... */
    int bridge_ifindex;         /* ... this one; 0: on none */
    int leg_ifindex;            /* of a split link, there, too; 0: it is not split */
    unsigned mtu;               /* 0: 1500 */
    int void_ifindex;           /* of a yard, see keeper_divert.c; 0: none yet */
    struct board_address given; /* what its link has from us */
    unsigned own_mtu; /* that the link had before it was given another one; 0: it was not */
    int forward_to;   /* a place; 0: nowhere */
};

struct child {
    int fd;                       /* its end of the pair */
    struct netlink_maker *origin; /* works in the network that the keeper came from */
    struct place places[KEEPER_PLACES_MAX];
    int places_count;
    int here;  /* place that the child is in */
    int wires; /* place of the bridges of split links; 0: none yet */
};

/* Enter or make what @beginning says. 0 or -errno, of what is made with the reason in @reply. */
int child_begin(struct child *child, const struct beginning *beginning, struct reply *reply);

/* Answer until the parent is gone, then take back what was given to others' interfaces. */
void child_serve(struct child *child);

/* keeper_child.c: be in @place; a fresh namespace, in which the child then is. 0 or -errno. */
int child_go(struct child *child, int place);
int child_add_place(struct child *child);
int child_write_file(const char *path, const char *text);
void child_free_bridges(void); /* where the child is */

/* keeper_make.c */
int child_make(struct child *child, const struct beginning *beginning, struct reply *reply);

/* keeper_links.c */
int child_add_link(struct child *child, const struct keeper_link *link, struct reply *reply,
                   int *made);
int child_set_link(struct child *child, int place, bool is_up);
int child_set_half(struct child *child, int place, bool is_up);
int child_set_address(struct child *child, int place, const struct keeper_link *link,
                      struct reply *reply);
int child_set_mac(struct child *child, int place, const struct keeper_link *link);
int child_set_tap(struct child *child, const struct keeper_link *link, struct reply *reply);

/* keeper_nat.c; @to KEEPER_HOME ends it */
int child_forward(struct child *child, int from, int to, struct reply *reply);

/* What comes to the bridge for elsewhere goes out by @out, under its address. 0 or -errno. */
int child_masquerade(struct child *child, const char *in, const char *out, struct reply *reply);

/* keeper_subnet.c: a place, or -errno */
int child_add_subnet(struct child *child, const struct board_address *address);

/* keeper_uplink.c */
int child_set_uplink(struct child *child, bool is_veth, struct reply *reply);

/* keeper_divert.c */
int child_set_diverted(struct child *child, int place, bool is_off);

/* Of a place that was entered: renew what was given, or take it back. */
void child_renew(struct place *place);
void child_take_back(struct place *place);
