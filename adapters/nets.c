#include "adapters/nets.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/keeper.h"
#include "adapters/posix.h"
#include "emu/board.h"
#include "emu/device.h"

#define FIRST_HOST 10 /* of the adapters' addresses: 192.168.77.10 and on */

static void own_address(struct endpoint *ep, uint8_t host)
{
    endpoint_set_v4(ep, 192, 168, 77, host);
}

/* ---- namespaces -------------------------------------------------------------------------------- */

static int enter(struct nets *nets, enum adapter_id id, const char *name, char why[NETS_WHY_MAX])
{
    char reason[KEEPER_WHY_MAX];
    int rc = keeper_enter(&nets->entered[id], name, reason);

    if (rc < 0)
        (void)snprintf(why, NETS_WHY_MAX, "--bind %s: %s", adapter_name(id), reason);
    return rc;
}

static int make(struct nets *nets, char why[NETS_WHY_MAX])
{
    char reason[KEEPER_WHY_MAX];
    int rc;

    own_address(&nets->own_ip, 1);
    rc = keeper_make(&nets->own, &nets->own_ip, NETS_PREFIX_LEN, reason);
    if (rc < 0)
        (void)snprintf(why, NETS_WHY_MAX, "--net own: %s", reason);
    return rc;
}

static int hang(struct nets *nets, enum adapter_id id, char why[NETS_WHY_MAX])
{
    struct keeper_link link = { .gateway = nets->own_ip, .prefix_len = NETS_PREFIX_LEN };
    int place;

    (void)snprintf(link.ifname, sizeof(link.ifname), "%s", adapter_name(id));
    own_address(&link.ip, (uint8_t)(FIRST_HOST + (int)id));
    place = keeper_add_link(nets->own, &link);
    if (place < 0) {
        (void)snprintf(why, NETS_WHY_MAX, "--net own: no link can be made for %s: %s",
                       adapter_name(id), strerror(-place));
        return place;
    }
    nets->places[id] = place;
    return 0;
}

int nets_open(struct nets *nets, const struct board *board, char why[NETS_WHY_MAX])
{
    int rc = 0;

    *nets = (struct nets){ 0 };
    if (board_has_lab(board))
        rc = make(nets, why);
    for (int id = 0; id < ADAPTER_COUNT && rc == 0; id++) {
        const struct board_slot *slot = &board->slots[id];

        switch (slot->binding) {
        case BINDING_OFF:
        case BINDING_HOST:
            break;
        case BINDING_NETNS:
            rc = enter(nets, (enum adapter_id)id, slot->netns, why);
            break;
        case BINDING_LAB:
            rc = hang(nets, (enum adapter_id)id, why);
            break;
        case BINDING_VETH:
        case BINDING_TAP:
            rc = -EOPNOTSUPP; /* no option leads here yet */
            break;
        }
    }
    if (rc < 0)
        nets_close(nets);
    return rc;
}

void nets_close(struct nets *nets)
{
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        if (nets->entered[id])
            keeper_stop(nets->entered[id]);
    }
    if (nets->own)
        keeper_stop(nets->own);
    *nets = (struct nets){ 0 };
}

/* ---- adapters ------------------------------------------------------------------------------------- */

static int plug(struct nets *nets, struct device *device, enum adapter_id id,
                const struct board_slot *slot, const struct adapter_info *host)
{
    struct posix_config config = { .loop = &device->loop,
                                   .timers = &device->timers,
                                   .clock = &device->clock,
                                   .limits = &device->limits,
                                   .info = *host,
                                   .keeper = nets->places[id] ? nets->own : nets->entered[id],
                                   .place = nets->places[id] };
    struct adapter *adapter;

    memcpy(config.ifname, slot->ifname, sizeof(config.ifname));
    if (slot->dns_count) {
        memcpy(config.info.dns, slot->dns, sizeof(slot->dns));
        config.info.dns_count = slot->dns_count;
    }
    adapter = posix_adapter_new(&config);
    net_register(&device->net, adapter, id);
    return config.keeper || *config.ifname ? posix_watch_link(adapter) : 0;
}

/* ---- links ----------------------------------------------------------------------------------------- */

/* Up while it is on and the cable is in. */
static int apply_link(struct nets *nets, enum adapter_id id)
{
    bool is_up = !nets->is_off[id] && !nets->is_unplugged[id];

    if (!nets->device->net.adapters[id])
        return -ENODEV;
    if (nets->places[id])
        return keeper_set_link(nets->own, nets->places[id], is_up);
    net_post(&nets->device->net,
             &(struct net_event){ .type = is_up ? NET_EVENT_LINK_UP : NET_EVENT_LINK_DOWN,
                                  .arg = (uint32_t)id });
    return 0;
}

int nets_set_link(struct nets *nets, enum adapter_id id, bool is_in)
{
    nets->is_unplugged[id] = !is_in;
    return apply_link(nets, id);
}

static int link_plug(void *ctx, enum adapter_id id, bool is_in)
{
    return nets_set_link(ctx, id, is_in);
}

static int link_power(void *ctx, enum adapter_id id, bool is_on)
{
    struct nets *nets = ctx;

    nets->is_off[id] = !is_on;
    return apply_link(nets, id);
}

static int link_status(void *ctx, enum adapter_id id, struct link_status *status)
{
    const struct nets *nets = ctx;
    const struct adapter *adapter = nets->device->net.adapters[id];

    if (!adapter)
        return -ENODEV;
    status->is_on = !nets->is_off[id];
    status->is_plugged = !nets->is_unplugged[id];
    status->is_ready = adapter->is_ready;
    status->has_carrier = status->is_on && status->is_plugged;
    adapter->ops->info(adapter, &status->info);
    return 0;
}

int nets_plug(struct nets *nets, struct device *device, const struct board *board,
              const struct adapter_info *host, char why[NETS_WHY_MAX])
{
    nets->device = device;
    nets->links = (struct links){
        .status = link_status, .plug = link_plug, .power = link_power, .ctx = nets
    };
    device->links = &nets->links;
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        int rc;

        if (board->slots[id].binding == BINDING_OFF)
            continue;
        rc = plug(nets, device, (enum adapter_id)id, &board->slots[id], host);
        if (rc < 0) {
            (void)snprintf(why, NETS_WHY_MAX, "--bind %s: its link can't be watched: %s",
                           adapter_name((enum adapter_id)id), strerror(-rc));
            return rc;
        }
    }
    return 0;
}

/* ---- frames ----------------------------------------------------------------------------------------- */

int nets_divert(struct nets *nets, enum adapter_id id, struct nets_end ends[NETS_ENDS])
{
    const int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
    int place = nets->places[id];
    int rc;

    if (!place)
        return -EOPNOTSUPP;
    rc = keeper_divert(nets->own, place, true);
    if (rc < 0)
        return rc;
    keeper_ends(place, ends[0].ifname, ends[1].ifname);
    for (int i = 0; i < NETS_ENDS; i++) {
        ends[i].fd = keeper_socket(nets->own, KEEPER_HOME, AF_PACKET, SOCK_RAW | flags, 0);
        if (ends[i].fd >= 0)
            continue;
        rc = ends[i].fd;
        while (i-- > 0)
            close(ends[i].fd);
        nets_rejoin(nets, id);
        return rc;
    }
    return 0;
}

void nets_rejoin(struct nets *nets, enum adapter_id id)
{
    (void)keeper_divert(nets->own, nets->places[id], false);
}
