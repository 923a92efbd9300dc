/*
 * netdrv: the network chips that a script starts itself, by netdrv.setup.
 *
 * An adapter is ready from the start, so that scripts which set nothing up have it. One that is set
 * up begins anew, as on a module: its link goes down if it was up, and comes up NETDRV_START_MS
 * later; IP_READY follows when it has its address.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "emu/adapter_table.h"
#include "emu/timer.h"

#define NETDRV_START_MS 100 /* of a CH390: from power to link */

struct device;

struct netdrv_chip {
    struct device *device;
    enum adapter_id id;
    struct timer timer; /* until it is up */
};

struct netdrv {
    struct netdrv_chip chips[ADAPTER_COUNT];
};

void netdrv_init(struct netdrv *netdrv, struct device *device);
void netdrv_fini(struct netdrv *netdrv);

/* Start a chip, also one that runs. 0 or -errno; -ENODEV: the board has no such adapter. */
int netdrv_setup(struct netdrv *netdrv, enum adapter_id id);

/* Put it to sleep. */
int netdrv_stop(struct netdrv *netdrv, enum adapter_id id);
