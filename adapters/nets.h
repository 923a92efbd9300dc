/*
 * nets: the networks of a board, from the namespaces to the adapters on them.
 *
 * nets_open() does what takes privileges and comes first, nets_plug() what needs a device.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>

#include "emu/adapter_table.h"
#include "emu/board.h"
#include "emu/endpoint.h"
#include "emu/links.h"
#include "emu/loop.h"

#define NETS_WHY_MAX 384
#define NETS_ENDS    2

struct adapter;
struct adapter_info;
struct bench;
struct device;
struct dhcp;
struct dhcpd;
struct keeper;
struct nat;
struct netlink;
struct nets_chip;
struct tap_cable;

/* One adapter's. */
struct net_link {
    struct keeper *keeper; /* where it is; NULL: on the host's network */
    int place;             /* its place there */
    bool is_made;          /* the link is the emulator's own */
    bool is_lost;          /* its keeper is gone */
    bool is_off;           /* the script has switched it off */
    bool is_unplugged;     /* somebody has pulled its cable */
    bool is_asleep;        /* a radio that nobody has touched, and that is off at first */

    struct adapter *adapter; /* below what stands on it; NULL: the board has none */
    struct nets_chip *chip;  /* that stands on it, and no kernel's stack; NULL: none */
    enum addressing addressing;
    struct board_address address; /* that it was given */
    unsigned leased_mtu;          /* that came with it; 0: the link's own */
    int ifindex;                  /* of what it was given to; 0: nothing was */
    char peer[IFNAMSIZ];          /* the other end of a veth, when its name was made up */
    bool is_split, is_half_up;    /* keeper_set_half() */
    int leg_place;                /* place of keeper_leg() */
    struct netlink *leg;          /* what becomes of it; NULL: nobody listens */
    int tap_fds[NETS_ENDS];       /* until it is plugged; -1: none */
    struct tap_cable *cable;
    struct dhcp *dhcp;   /* asks for its address; NULL: nobody does */
    struct dhcpd *dhcpd; /* gives addresses to others; NULL: nobody does */
};

struct nets;

/* A keeper that may end. */
struct keeper_watch {
    struct nets *nets;
    struct keeper *keeper; /* NULL: none */
    struct loop_fd source;
};

struct nets {
    struct keeper *own;      /* of the networks that were made; NULL: none was */
    struct keeper *host;     /* binds for adapters on the host's network; NULL: nobody does */
    bool in_userns;          /* how they are made, see keeper.h */
    bool is_own_refused;     /* it was one of them that could not be had */
    struct endpoint own_ip;  /* of the lab's bridge; IP_FAMILY_NONE: there is none */
    struct endpoint own_dns; /* of who is on it; IP_FAMILY_NONE: as on the host's network */
    struct dhcpd *dhcpd;     /* gives addresses to who asks for one on it; NULL: nobody does */
    struct net_link net_links[ADAPTER_COUNT];
    struct keeper_watch watches[ADAPTER_COUNT + 1];
    const struct board *board;
    bool follows_host_dns;   /* the host's name servers are known from /etc/resolv.conf */
    struct device *device;   /* that it was plugged into */
    struct nets_chip *chip;  /* the board's W5500; NULL: it has none */
    struct nat *nat;         /* where its cable leads; NULL: elsewhere, nets_chip.c knows */
    bool has_outside_driver; /* somebody else than the module drives it: it is no adapter */

    /* Of an adapter: it has another interface of the same name, perhaps. NULL: nobody asks. */
    void (*interface_changed)(void *ctx, enum adapter_id id);
    void *interface_changed_ctx;
    struct links links; /* what that device may do to it */
};

/*
 * Make and enter the namespaces that @board asks for. 0 or -errno, with @why for people; then
 * @nets->is_own_refused tells which of both it was.
 */
int nets_open(struct nets *nets, const struct board *board, bool in_userns, char why[NETS_WHY_MAX]);
void nets_close(struct nets *nets);

/* The keeper at whose KEEPER_HOME the lab's bridge is; NULL: there is none. */
struct keeper *nets_lab(const struct nets *nets);

/* Put the board's adapters into @device. @host is what those on the host's network show. */
int nets_plug(struct nets *nets, struct device *device, const struct board *board,
              const struct adapter_info *host, char why[NETS_WHY_MAX]);

/* The bench on which the board's W5500 lies, once it is plugged; NULL: it has none. */
struct bench *nets_bench(const struct nets *nets);

/* Before the device is closed. */
void nets_unplug(struct nets *nets);

/*
 * Plug an adapter's cable in or out: at its other end where the link is the emulator's own; else
 * only the emulator believes it. A link that the script has switched off stays down. 0 or -errno;
 * -ENODEV: the board has no such adapter.
 */
int nets_set_link(struct nets *nets, enum adapter_id id, bool is_in);

/* ---- for a DHCP client -------------------------------------------------------------------------- */

/* The adapter's interface: its name where it is, and a socket there, as socket(2). */
const char *nets_ifname(const struct nets *nets, enum adapter_id id);
int nets_socket(const struct nets *nets, enum adapter_id id, int domain, int type, int protocol);

/* The lease that there is from now on, with its MTU (0: none) and name servers; NULL: there is none.
 * 0 or -errno. */
int nets_lease(struct nets *nets, enum adapter_id id, const struct board_address *address,
               unsigned mtu, const struct endpoint dns[], size_t dns_count);

/* ---- for what carries frames -------------------------------------------------------------------- */

/* Is the adapter an interface with frames of its own, and not a part of the host's network? */
bool nets_has_frames(const struct nets *nets, enum adapter_id id);

/*
 * Where frames come out: a packet(7) socket, not yet bound, and the interface to bind it to; or a TAP
 * device.
 */
struct nets_end {
    int fd;
    char ifname[IFNAMSIZ]; /* "": @fd is a TAP device's */
};

/*
 * Take an adapter's link off its bridge. Somebody has to carry its frames between @ends from then
 * on: the first is the adapter's, the second the bridge's. 0 or -errno; -EOPNOTSUPP: frames are not
 * to be had there.
 */
int nets_divert(struct nets *nets, enum adapter_id id, struct nets_end ends[NETS_ENDS]);

/* Put it back; the ends are closed first. */
void nets_rejoin(struct nets *nets, enum adapter_id id);
