/* What scripts and hands from outside do to the links of a board. */
#include <errno.h>
#include <string.h>

#include "adapters/keeper.h"
#include "adapters/netlink.h"
#include "adapters/nets_priv.h"
#include "adapters/posix.h"
#include "adapters/tap.h"
#include "adapters/w5500/driver.h"
#include "emu/device.h"

/* NULL: the board has no such adapter. */
static struct net_link *link_at(struct nets *nets, enum adapter_id id)
{
    struct net_link *link = &nets->net_links[id];

    return link->adapter || link->chip ? link : NULL;
}

/* Is it on, and the cable in? */
static bool is_plugged_in(const struct net_link *link)
{
    return !link->is_off && !link->is_unplugged && !link->is_asleep;
}

void nets_follow_leg(struct net_link *link)
{
    struct adapter_info unused = { 0 };
    struct netlink_state state;
    bool is_up;

    if (!link->leg || link->is_lost)
        return;
    netlink_read(link->leg, &state, &unused);
    is_up = state.has_carrier && is_plugged_in(link);
    if (is_up != link->is_half_up && keeper_set_half(link->keeper, link->place, is_up) == 0)
        link->is_half_up = is_up;
}

/* Up while it is on and the cable is in. */
static int apply(struct net_link *link)
{
    bool is_up = is_plugged_in(link);
    int rc = 0;

    if (link->is_lost)
        return -EPIPE;
    if (link->cable)
        rc = tap_cable_plug(link->cable, is_up);
    else if (link->is_made)
        rc = keeper_set_link(link->keeper, link->place, is_up);
    else if (!link->chip)
        posix_hold_link(link->adapter, !is_up);
    nets_follow_leg(link);
    if (link->chip)
        nets_chip_look(link->chip);
    else
        posix_look_at_link(link->adapter);
    return rc;
}

int nets_set_link(struct nets *nets, enum adapter_id id, bool is_in)
{
    struct net_link *link = link_at(nets, id);

    if (!link)
        return -ENODEV;
    link->is_unplugged = !is_in;
    link->is_asleep = false;
    return apply(link);
}

static int plug(void *ctx, enum adapter_id id, bool is_in)
{
    return nets_set_link(ctx, id, is_in);
}

static int power(void *ctx, enum adapter_id id, bool is_on)
{
    struct net_link *link = link_at(ctx, id);

    if (!link)
        return -ENODEV;
    link->is_off = !is_on;
    link->is_asleep = false;
    if (link->chip && link->adapter)
        driver_power(link->adapter, is_on);
    return link->chip ? 0 : apply(link);
}

/*
 * Of adapters that share this machine's network. They don't share its MAC, for a module's adapters
 * have one each; and in virtual time what a script learns must not depend on the machine.
 */
static void read_host(const struct nets *nets, enum adapter_id id, struct netlink_state *state)
{
    const char *ifname = nets->board->slots[id].ifname;
    struct adapter_info unused = { 0 };

    *state = (struct netlink_state){ 0 };
    if (nets->device->clock.mode == VCLOCK_MODE_REAL)
        netlink_peek(ifname, state, &unused);
    state->has_carrier |= !*ifname; /* it is always ready */
    if (!*ifname)
        memset(state->mac, 0, sizeof(state->mac));
}

static int status(void *ctx, enum adapter_id id, struct link_status *status)
{
    struct nets *nets = ctx;
    const struct net_link *link = link_at(nets, id);
    struct netlink_state state;

    if (!link || !link->adapter)
        return -ENODEV;
    if (link->chip) {
        driver_status(link->adapter, status);
        status->is_plugged = !link->is_unplugged && !link->is_lost;
        return 0;
    }
    state = *posix_link(link->adapter);
    if (!link->keeper)
        read_host(nets, id, &state);
    status->is_on = !link->is_off && !link->is_asleep;
    status->is_plugged = !link->is_unplugged && !link->is_lost;
    status->has_carrier = state.has_carrier && status->is_on && status->is_plugged;
    status->is_ready = nets->device->net.adapters[id]->is_ready;
    status->addressing = link->addressing;
    memcpy(status->mac, state.mac, sizeof(status->mac));
    status->mtu = state.mtu;
    link->adapter->ops->info(link->adapter, &status->info);
    return 0;
}

/* Is it what it has? A script may say the same twice, and nothing that is open shall break by that. */
static bool is_same(const struct net_link *link, const struct board_address *address)
{
    const struct board_address *has = &link->address;

    return link->addressing == ADDRESSING_STATIC && endpoint_same_ip(&has->ip, &address->ip) &&
           has->prefix_len == address->prefix_len &&
           endpoint_same_ip(&has->gateway, &address->gateway);
}

static int set_address(void *ctx, enum adapter_id id, const struct board_address *address)
{
    struct net_link *link = link_at(ctx, id);
    struct board_address whole = *address;
    char why[NETS_WHY_MAX];
    int rc;

    if (!link)
        return -ENODEV;
    if (link->is_lost)
        return -EPIPE;
    if (link->chip)
        return driver_set_address(link->adapter, address);
    if (is_same(link, address))
        return 0;
    if (!link->keeper || (!link->is_made && !*((struct nets *)ctx)->board->slots[id].ifname))
        return -EOPNOTSUPP; /* this machine's, or somebody else's interface of no name */
    if (whole.ip6.family == IP_FAMILY_NONE) {
        whole.ip6 = link->address.ip6;
        whole.prefix6_len = link->address.prefix6_len;
        whole.gateway6 = link->address.gateway6;
    }
    link->leased_mtu = 0;
    rc = nets_give_address(ctx, id, &whole, why);
    if (rc == 0) {
        link->addressing = ADDRESSING_STATIC;
        nets_forget_dhcp(ctx, id);
    }
    posix_look_at_link(link->adapter);
    if (rc == 0 && link->dhcpd) /* of the new network from now on */
        (void)nets_serve_dhcp(ctx, id, true);
    return rc == -EPERM ? -EOPNOTSUPP : rc;
}

static int set_dhcp(void *ctx, enum adapter_id id, bool is_on)
{
    struct nets *nets = ctx;
    struct net_link *link = link_at(nets, id);

    if (!link)
        return -ENODEV;
    if (link->chip)
        return driver_set_dhcp(link->adapter, is_on);
    if (!link->keeper)
        return -EOPNOTSUPP;
    if (link->is_lost)
        return -EPIPE;
    if (!*nets_ifname(nets, id))
        return -EOPNOTSUPP; /* somebody else's interface of no name */
    link->addressing = is_on ? ADDRESSING_DHCP : ADDRESSING_STATIC;
    if (is_on)
        nets_ask_dhcp(nets, id);
    else
        nets_forget_dhcp(nets, id);
    return 0;
}

static int set_mac(void *ctx, enum adapter_id id, const uint8_t mac[BOARD_MAC_LEN])
{
    struct net_link *link = link_at(ctx, id);
    int rc;

    if (!link)
        return -ENODEV;
    if (link->chip)
        return driver_set_mac(link->adapter, mac);
    if (!net_link_is_ours(link))
        return -EOPNOTSUPP;
    rc = keeper_set_mac(link->keeper, link->place, mac);
    posix_look_at_link(link->adapter);
    return rc;
}

static int serve_dhcp(void *ctx, enum adapter_id id, bool is_on)
{
    return link_at(ctx, id) ? nets_serve_dhcp(ctx, id, is_on) : -ENODEV;
}

static int forward(void *ctx, enum adapter_id from_id, int to_id)
{
    struct nets *nets = ctx;
    const struct net_link *from = link_at(nets, from_id);
    const struct net_link *to =
        to_id == ADAPTER_NONE ? NULL : link_at(nets, (enum adapter_id)to_id);
    char why[KEEPER_WHY_MAX];
    int rc;

    if (!from || (to_id != ADAPTER_NONE && !to))
        return -ENODEV;
    if (!net_link_is_ours(from) || (to && !net_link_is_ours(to)))
        return -EOPNOTSUPP;
    rc = keeper_forward(from->keeper, from->place, to ? to->place : KEEPER_HOME, why);
    if (rc < 0)
        log_say(&nets->device->log, "%s: nothing is forwarded: %s", adapter_name(from_id), why);
    return rc;
}

const struct links nets_links_ops = {
    .status = status,
    .plug = plug,
    .power = power,
    .set_address = set_address,
    .set_dhcp = set_dhcp,
    .serve_dhcp = serve_dhcp,
    .set_mac = set_mac,
    .forward = forward,
};
