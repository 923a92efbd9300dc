#include "emu/netdrv.h"

#include "emu/device.h"
#include "emu/links.h"
#include "emu/util.h"

#define US_PER_MS 1000

static void on_timer(struct timer *timer)
{
    const struct netdrv_chip *chip = container_of(timer, struct netdrv_chip, timer);

    (void)links_power(chip->device, chip->id, true);
}

void netdrv_init(struct netdrv *netdrv, struct device *device)
{
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        netdrv->chips[id] = (struct netdrv_chip){ .device = device, .id = (enum adapter_id)id };
        timer_init(&netdrv->chips[id].timer, on_timer);
    }
}

void netdrv_fini(struct netdrv *netdrv)
{
    for (int id = 0; id < ADAPTER_COUNT; id++)
        timer_stop(&netdrv->chips[id].device->timers, &netdrv->chips[id].timer);
}

int netdrv_setup(struct netdrv *netdrv, enum adapter_id id)
{
    struct netdrv_chip *chip = &netdrv->chips[id];
    int rc = links_power(chip->device, id, false);

    if (rc < 0)
        return rc;
    timer_start(&chip->device->timers, &chip->timer,
                chip->device->clock.now_us + (uint64_t)NETDRV_START_MS * US_PER_MS);
    return 0;
}

int netdrv_stop(struct netdrv *netdrv, enum adapter_id id)
{
    struct netdrv_chip *chip = &netdrv->chips[id];

    timer_stop(&chip->device->timers, &chip->timer);
    return links_power(chip->device, id, false);
}
