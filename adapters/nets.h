/*
 * nets: the networks of a board, from the namespaces to the adapters on them.
 *
 * nets_open() does what takes privileges and comes first, nets_plug() what needs a device.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>

#include "emu/adapter_table.h"
#include "emu/endpoint.h"
#include "emu/links.h"

#define NETS_WHY_MAX    384
#define NETS_PREFIX_LEN 24 /* of the network that the emulator makes */

struct board;
struct device;
struct adapter_info;
struct keeper;

struct nets {
    struct keeper *own;                    /* of that network; NULL: there is none */
    struct endpoint own_ip;                /* of its bridge */
    struct keeper *entered[ADAPTER_COUNT]; /* of adapters in namespaces that were there */
    int places[ADAPTER_COUNT];             /* in @own; 0: the adapter is not on it */
    bool is_off[ADAPTER_COUNT];            /* the script has switched it off */
    bool is_unplugged[ADAPTER_COUNT];      /* somebody has pulled its cable */
    struct device *device;                 /* that it was plugged into */
    struct links links;                    /* what that device may do to it */
};

/* Make and enter the namespaces that @board asks for. 0 or -errno, with @why for people. */
int nets_open(struct nets *nets, const struct board *board, char why[NETS_WHY_MAX]);
void nets_close(struct nets *nets);

/* Put the board's adapters into @device, which tells nobody yet. @host is what those on the host's network show. */
int nets_plug(struct nets *nets, struct device *device, const struct board *board,
              const struct adapter_info *host, char why[NETS_WHY_MAX]);

/*
 * Plug an adapter's cable in or out: at the bridge where it hangs on one; else only the emulator
 * believes it. A link that the script has switched off stays down. 0 or -errno; -ENODEV: the board
 * has no such adapter.
 */
int nets_set_link(struct nets *nets, enum adapter_id id, bool is_in);

/* Where frames come out: a packet(7) socket, not yet bound, and the interface to bind it to. */
struct nets_end {
    int fd;
    char ifname[IFNAMSIZ];
};
#define NETS_ENDS 2

/*
 * Take an adapter's link off its bridge. Somebody has to carry its frames between @ends from then
 * on: the first is the adapter's, the second the bridge's. 0 or -errno; -EOPNOTSUPP: frames are not
 * to be had there.
 */
int nets_divert(struct nets *nets, enum adapter_id id, struct nets_end ends[NETS_ENDS]);

/* Put it back; the ends are closed first. */
void nets_rejoin(struct nets *nets, enum adapter_id id);
