#include "adapters/nets.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/keeper.h"
#include "adapters/netlink.h"
#include "adapters/nets_priv.h"
#include "adapters/posix.h"
#include "adapters/privilege.h"
#include "adapters/tap.h"
#include "adapters/w5500/nat.h"
#include "emu/device.h"
#include "emu/dns_msg.h"
#include "emu/util.h"

/* "--bind LWIP_ETH: " and why; @rc. */
static int refuse(enum adapter_id id, int rc, char why[NETS_WHY_MAX], const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static int refuse(enum adapter_id id, int rc, char why[NETS_WHY_MAX], const char *format, ...)
{
    int len = snprintf(why, NETS_WHY_MAX, "--bind %s: ", adapter_name(id));
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why + len, NETS_WHY_MAX - (size_t)len, format, args);
    va_end(args);
    return rc;
}

/* ---- namespaces -------------------------------------------------------------------------------- */

bool net_link_is_ours(const struct net_link *link)
{
    return link->is_made && !link->is_lost;
}

int nets_give_address(struct nets *nets, enum adapter_id id, const struct board_address *address,
                      char why[NETS_WHY_MAX])
{
    struct net_link *link = &nets->net_links[id];
    char reason[KEEPER_WHY_MAX];
    int rc;

    if (!link->keeper)
        return -EOPNOTSUPP;
    rc = keeper_set_address(link->keeper, link->place, nets->board->slots[id].ifname, address,
                            link->leased_mtu, reason);
    if (rc == 0)
        link->address = *address;
    return rc < 0 ? refuse(id, rc, why, "%s", reason) : 0;
}

static bool has_address(const struct board_address *address)
{
    return address->ip.family != IP_FAMILY_NONE || address->ip6.family != IP_FAMILY_NONE;
}

static int enter(struct nets *nets, enum adapter_id id, char why[NETS_WHY_MAX])
{
    const struct board_slot *slot = &nets->board->slots[id];
    struct net_link *link = &nets->net_links[id];
    char reason[KEEPER_WHY_MAX];
    int rc = keeper_enter(&link->keeper, slot->netns, reason);

    if (rc < 0)
        return refuse(id, rc, why, "%s", reason);
    if (board_has_chip(slot, id) || !has_address(&slot->address))
        return 0;
    rc = nets_give_address(nets, id, &slot->address, why);
    return rc == -ENODEV ? 0 : rc; /* the interface is given it when it comes */
}

static int make(struct nets *nets, char why[NETS_WHY_MAX])
{
    struct keeper_network network = { .in_userns = nets->in_userns, .prefix_len = BOARD_LAB_BITS };
    char reason[KEEPER_WHY_MAX];
    int rc;

    if (board_binds(nets->board, BINDING_LAB))
        board_lab_ip(&nets->own_ip, BOARD_LAB_HOST);
    network.bridge = nets->own_ip;
    rc = keeper_make(&nets->own, &network, reason);
    if (rc < 0)
        (void)snprintf(why, NETS_WHY_MAX, "%s", reason);
    nets->is_own_refused = rc < 0 && rc != -EPIPE && rc != -ETIMEDOUT; /* then it was killed */
    return rc;
}

/* A network's own: its gateway is the bridge, where that can be reached. */
static void complete_lab_address(const struct nets *nets, enum adapter_id id,
                                 struct board_address *address)
{
    struct board_address lab = { 0 };

    board_lab_address(&lab, id);
    switch (nets->board->slots[id].addressing) {
    case ADDRESSING_GIVEN:
        address->ip = lab.ip;
        address->prefix_len = lab.prefix_len;
        address->gateway = lab.gateway;
        break;
    case ADDRESSING_STATIC:
        if (address->gateway.family == IP_FAMILY_NONE &&
            endpoint_in_one_net(&address->ip, &lab.gateway, address->prefix_len))
            address->gateway = lab.gateway;
        break;
    case ADDRESSING_DHCP:
        break;
    }
}

static struct keeper_link link_of(const struct nets *nets, enum adapter_id id)
{
    const struct board_slot *slot = &nets->board->slots[id];
    struct keeper_link link = { .end = slot->binding == BINDING_LAB    ? KEEPER_END_LAB
                                       : slot->binding == BINDING_VETH ? KEEPER_END_HOST
                                                                       : KEEPER_END_TAP,
                                .mtu = slot->mtu,
                                .is_unplugged = slot->starts_down,
                                .is_split = slot->binding == BINDING_VETH && slot->expects_rules,
                                .is_bare = board_has_chip(slot, id) };

    (void)snprintf(link.ifname, sizeof(link.ifname), "%s", adapter_name(id));
    memcpy(link.peer, slot->peer, sizeof(link.peer));
    memcpy(link.bridge, slot->bridge, sizeof(link.bridge));
    if (link.is_bare) /* the chip has the address, and the MAC */
        return link;
    link.address = slot->address;
    memcpy(link.mac, slot->mac, sizeof(link.mac));
    if (slot->binding == BINDING_LAB)
        complete_lab_address(nets, id, &link.address);
    return link;
}

/* The link that is the emulator's own, in a namespace of its own. */
static int hang(struct nets *nets, enum adapter_id id, char why[NETS_WHY_MAX])
{
    struct keeper_link wanted = link_of(nets, id);
    struct net_link *link = &nets->net_links[id];
    struct keeper_made made;
    int place = keeper_add_link(nets->own, &wanted, &made);

    nets->is_own_refused = wanted.end == KEEPER_END_LAB &&
                           (place == -EPERM || place == -EACCES || place == -EOPNOTSUPP);
    if (place < 0)
        return refuse(id, place, why, "%s", made.why);
    link->keeper = nets->own;
    link->place = place;
    link->is_made = true;
    link->is_split = wanted.is_split;
    link->leg_place = made.leg_place;
    link->is_half_up = !wanted.is_unplugged;
    link->address = wanted.address;
    link->tap_fds[1] = made.tap_fd;
    if (!*wanted.peer)
        memcpy(link->peer, made.peer, sizeof(link->peer));
    return 0;
}

/* The host's end of a TAP's cable comes first: it is opened with the rights of the caller. */
static int hang_on_tap(struct nets *nets, enum adapter_id id, char why[NETS_WHY_MAX])
{
    const struct board_slot *slot = &nets->board->slots[id];
    struct net_link *link = &nets->net_links[id];
    bool is_new = if_nametoindex(slot->ifname) == 0;
    int rc = link->tap_fds[0] = tap_open(slot->ifname);
    char reason[KEEPER_WHY_MAX];

    if (rc < 0)
        return refuse(id, rc, why, "tap:%s can't be opened: %s", slot->ifname, tap_why(rc));
    rc = hang(nets, id, why);
    if (rc < 0 || (!is_new && !*slot->bridge))
        return rc;
    rc = keeper_set_tap(nets->own, slot->ifname, slot->bridge, is_new ? slot->mtu : 0, reason);
    return rc < 0 ? refuse(id, rc, why, "tap:%s: %s", slot->ifname, reason) : 0;
}

static bool is_made(const struct board_slot *slot)
{
    return slot->binding == BINDING_LAB || slot->binding == BINDING_VETH ||
           slot->binding == BINDING_TAP;
}

/* Has it a radio, which a script switches on, and no cable? */
static bool is_radio(enum adapter_id id)
{
    return id == ADAPTER_GP || id == ADAPTER_STA || id == ADAPTER_AP;
}

/* A root's scripts listen on ports below 1024, though they have no rights. */
static int stay(struct nets *nets, enum adapter_id id, char why[NETS_WHY_MAX])
{
    char reason[KEEPER_WHY_MAX];
    int rc = nets->host || !privilege_has_ports() ? 0 : keeper_stay(&nets->host, reason);

    return rc < 0 ? refuse(id, rc, why, "%s", reason) : 0;
}

/* Before privileges are dropped: what becomes of them there is the process's own business. */
static int start_nat(struct nets *nets, enum adapter_id id, char why[NETS_WHY_MAX])
{
    char reason[NAT_WHY_MAX];
    int rc = nat_open(&nets->nat, reason);

    return rc < 0 ? refuse(id, rc, why, "nat: %s", reason) : 0;
}

static int open_link(struct nets *nets, enum adapter_id id, char why[NETS_WHY_MAX])
{
    const struct board_slot *slot = &nets->board->slots[id];

    nets->net_links[id].is_unplugged = slot->starts_down && !is_radio(id);
    nets->net_links[id].is_asleep = slot->starts_down && is_radio(id);
    nets->net_links[id].addressing = slot->addressing;
    if (is_made(slot) && !nets->own) {
        int rc = make(nets, why);

        if (rc < 0)
            return rc;
    }
    switch (slot->binding) {
    case BINDING_OFF:
        return 0;
    case BINDING_HOST:
        return stay(nets, id, why);
    case BINDING_NETNS:
        return enter(nets, id, why);
    case BINDING_LAB:
    case BINDING_VETH:
        return hang(nets, id, why);
    case BINDING_TAP:
        return hang_on_tap(nets, id, why);
    case BINDING_NAT:
        return start_nat(nets, id, why);
    }
    return 0;
}

int nets_open(struct nets *nets, const struct board *board, bool in_userns, char why[NETS_WHY_MAX])
{
    bool is_own_refused;
    int rc = 0;

    *nets = (struct nets){ .board = board, .in_userns = in_userns };
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        for (int end = 0; end < NETS_ENDS; end++)
            nets->net_links[id].tap_fds[end] = -1;
    }
    for (int id = 0; id < ADAPTER_COUNT && rc == 0; id++)
        rc = open_link(nets, (enum adapter_id)id, why);
    if (rc < 0) {
        is_own_refused = nets->is_own_refused;
        nets_close(nets);
        nets->is_own_refused = is_own_refused;
    }
    return rc;
}

void nets_close(struct nets *nets)
{
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        struct net_link *link = &nets->net_links[id];

        for (int end = 0; end < NETS_ENDS; end++) {
            if (link->tap_fds[end] >= 0)
                close(link->tap_fds[end]);
        }
        if (link->keeper && link->keeper != nets->own)
            keeper_stop(link->keeper);
    }
    if (nets->own)
        keeper_stop(nets->own);
    if (nets->host)
        keeper_stop(nets->host);
    if (nets->nat)
        nat_close(nets->nat);
    *nets = (struct nets){ 0 };
}

struct keeper *nets_lab(const struct nets *nets)
{
    return nets->own_ip.family == IP_FAMILY_NONE ? NULL : nets->own;
}

/* ---- keepers that end -------------------------------------------------------------------------------- */

static void on_keeper_gone(struct loop_fd *source, uint32_t events)
{
    struct keeper_watch *watch = container_of(source, struct keeper_watch, source);
    struct nets *nets = watch->nets;

    (void)events;
    loop_remove(&nets->device->loop, source);
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        struct net_link *link = &nets->net_links[id];

        if (link->keeper != watch->keeper)
            continue;
        link->is_lost = true;
        if (link->chip)
            nets_chip_look(link->chip);
        else
            posix_hold_link(link->adapter, true);
        log_say(&nets->device->log, "%s: its network is gone: the process that held it has ended",
                adapter_name((enum adapter_id)id));
    }
    watch->keeper = NULL;
}

/* 0 or -errno. */
static int watch_keeper(struct nets *nets, struct keeper *keeper)
{
    struct keeper_watch *watch = nets->watches;
    int rc;

    while (watch->keeper && watch->keeper != keeper)
        watch++;
    if (watch->keeper)
        return 0;
    *watch =
        (struct keeper_watch){ .nets = nets,
                               .source = { .fd = keeper_fd(keeper), .ready = on_keeper_gone } };
    rc = loop_add(&nets->device->loop, &watch->source, EPOLLIN);
    if (rc == 0)
        watch->keeper = keeper;
    return rc;
}

/* ---- adapters ------------------------------------------------------------------------------------- */

/* Another interface of the name that was given something has come: it is given that, too. */
static void on_link(void *ctx, enum adapter_id id, const struct netlink_state *state)
{
    struct nets *nets = ctx;
    struct net_link *link = &nets->net_links[id];
    char why[NETS_WHY_MAX];
    int rc;

    nets_tell_dhcp(nets, id, state);
    if (nets->interface_changed)
        nets->interface_changed(nets->interface_changed_ctx, id);
    if (link->is_made || !state->ifindex || state->ifindex == link->ifindex)
        return;
    link->ifindex = state->ifindex;
    if (!has_address(&nets->board->slots[id].address))
        return;
    rc = nets_give_address(nets, id, &nets->board->slots[id].address, why);
    if (rc < 0 && rc != -ENODEV)
        log_say(&nets->device->log, "%s", why);
}

/*
 * Name servers: those of --bind, else those that can be reached from where the adapter is. False:
 * the host's may stay.
 */
static bool set_dns(const struct nets *nets, enum adapter_id id, struct adapter_info *info)
{
    const struct board_slot *slot = &nets->board->slots[id];
    const struct endpoint *gateway = &slot->address.gateway;

    if (slot->dns_count) {
        memcpy(info->dns, slot->dns, sizeof(slot->dns));
        info->dns_count = slot->dns_count;
    } else if (slot->binding == BINDING_VETH || slot->binding == BINDING_TAP) {
        info->dns_count = gateway->family != IP_FAMILY_NONE; /* as a module does */
        info->dns[0] = *gateway;
        info->dns[0].port = DNS_PORT;
    } else if (slot->binding == BINDING_LAB && nets->own_dns.family != IP_FAMILY_NONE) {
        info->dns_count = 1;
        info->dns[0] = nets->own_dns;
    } else {
        return false;
    }
    return true;
}

/* Of a TAP. 0 or -errno. */
static int lay_cable(struct net_link *link, struct loop *loop)
{
    int rc = tap_cable_open(&link->cable, loop, link->tap_fds[0], link->tap_fds[1]);

    link->tap_fds[0] = link->tap_fds[1] = -1; /* the cable's */
    if (rc == 0 && (link->is_unplugged || link->is_asleep))
        rc = tap_cable_plug(link->cable, false);
    return rc;
}

static int open_at_leg(void *ctx, int domain, int type, int protocol)
{
    const struct net_link *link = ctx;

    return keeper_socket(link->keeper, link->leg_place, domain, type, protocol);
}

static void on_leg(void *ctx)
{
    nets_follow_leg(ctx);
}

/* 0 or -errno. */
static int watch_leg(struct net_link *link, struct loop *loop)
{
    struct netlink_config config = {
        .loop = loop, .open = open_at_leg, .open_ctx = link, .changed = on_leg, .changed_ctx = link
    };
    int rc;

    if (!link->is_split)
        return 0;
    keeper_leg(link->place, config.ifname);
    rc = netlink_open(&link->leg, &config);
    if (rc == 0)
        nets_follow_leg(link);
    return rc;
}

static int plug_chip(struct nets *nets, enum adapter_id id, const struct adapter_info *host)
{
    struct net_link *link = &nets->net_links[id];
    struct device *device = nets->device;
    struct adapter_info info = *host;
    int rc;

    (void)set_dns(nets, id, &info);
    rc = nets_chip_plug(nets, id, &info);
    if (rc == 0)
        rc =
            link->tap_fds[0] >= 0 ? lay_cable(link, &device->loop) : watch_leg(link, &device->loop);
    if (rc == 0 && link->keeper)
        rc = watch_keeper(nets, link->keeper);
    if (*link->peer)
        log_say(&device->log, "%s: the other end of its cable is %s", adapter_name(id), link->peer);
    return rc;
}

static int plug(struct nets *nets, enum adapter_id id, const struct adapter_info *host)
{
    const struct board_slot *slot = &nets->board->slots[id];
    struct device *device = nets->device;
    struct net_link *link = &nets->net_links[id];
    struct posix_config config = { .loop = &device->loop,
                                   .timers = &device->timers,
                                   .clock = &device->clock,
                                   .limits = &device->limits,
                                   .info = *host,
                                   .keeper = link->keeper,
                                   .place = link->place,
                                   .binder = link->keeper ? link->keeper : nets->host,
                                   .is_held = !link->is_made && slot->starts_down,
                                   .link_changed = on_link,
                                   .link_changed_ctx = nets };
    bool has_own_dns;
    int rc;

    if (!link->is_made)
        memcpy(config.ifname, slot->ifname, sizeof(config.ifname));
    (void)snprintf(config.watched, sizeof(config.watched), "%s", nets_ifname(nets, id));
    has_own_dns = set_dns(nets, id, &config.info);
    config.follows_host_dns = nets->follows_host_dns && !has_own_dns;
    link->adapter = posix_adapter_new(&config);
    link->adapter->limits = slot->limits;
    net_register(&device->net, link->adapter, id);
    rc = link->tap_fds[0] >= 0 ? lay_cable(link, &device->loop) : watch_leg(link, &device->loop);
    if (rc == 0 && (link->keeper || *config.ifname))
        rc = posix_watch_link(link->adapter);
    if (rc == 0 && has_address(&link->address))
        link->ifindex = posix_link(link->adapter)->ifindex;
    if (rc == 0 && link->keeper)
        rc = watch_keeper(nets, link->keeper);
    if (rc == 0 && link->keeper && slot->addressing == ADDRESSING_DHCP)
        nets_ask_dhcp(nets, id);
    if (*link->peer)
        log_say(&device->log, "%s: the other end of its cable is %s", adapter_name(id), link->peer);
    return rc;
}

/* Name servers of this machine's are of no use there, the lab's is. */
static int serve_lab(struct nets *nets, const struct adapter_info *host, char why[NETS_WHY_MAX])
{
    bool has_dns = host->dns_count && endpoint_same_ip(&host->dns[0], &nets->own_ip);
    bool has_own = nets->own_dns.family != IP_FAMILY_NONE;
    int rc = has_own ? nets_serve_lab(nets, &nets->own_dns, 1)
                     : nets_serve_lab(nets, host->dns, has_dns);

    if (rc < 0)
        (void)snprintf(why, NETS_WHY_MAX, "the lab's DHCP server can't be started: %s",
                       strerror(-rc));
    return rc;
}

int nets_plug(struct nets *nets, struct device *device, const struct board *board,
              const struct adapter_info *host, char why[NETS_WHY_MAX])
{
    int rc;

    nets->device = device;
    nets->links = nets_links_ops;
    nets->links.ctx = nets;
    device->links = &nets->links;
    rc = nets_lab(nets) ? serve_lab(nets, host, why) : 0;
    if (rc < 0)
        return rc;
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        if (board->slots[id].binding == BINDING_OFF)
            continue;
        rc = board_has_chip(&board->slots[id], (enum adapter_id)id)
                 ? plug_chip(nets, (enum adapter_id)id, host)
                 : plug(nets, (enum adapter_id)id, host);
        if (rc < 0)
            return refuse((enum adapter_id)id, rc, why, "its link can't be watched: %s",
                          strerror(-rc));
    }
    return 0;
}

void nets_unplug(struct nets *nets)
{
    for (int i = 0; i < ARRAY_LEN(nets->watches); i++) {
        if (nets->watches[i].keeper)
            loop_remove(&nets->device->loop, &nets->watches[i].source);
        nets->watches[i].keeper = NULL;
    }
    nets_forget_lab(nets);
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        nets_forget_dhcp(nets, (enum adapter_id)id);
        (void)nets_serve_dhcp(nets, (enum adapter_id)id, false);
        if (nets->net_links[id].cable)
            tap_cable_close(nets->net_links[id].cable);
        nets->net_links[id].cable = NULL;
        if (nets->net_links[id].leg)
            netlink_close(nets->net_links[id].leg);
        nets->net_links[id].leg = NULL;
        nets->net_links[id].adapter = NULL;
        nets->net_links[id].chip = NULL;
    }
    if (nets->chip)
        nets_chip_unplug(nets->chip);
    nets->chip = NULL;
}

/* ---- for a DHCP client --------------------------------------------------------------------------- */

const char *nets_ifname(const struct nets *nets, enum adapter_id id)
{
    return nets->net_links[id].is_made ? adapter_name(id) : nets->board->slots[id].ifname;
}

int nets_socket(const struct nets *nets, enum adapter_id id, int domain, int type, int protocol)
{
    const struct net_link *link = &nets->net_links[id];

    return link->keeper ? keeper_socket(link->keeper, link->place, domain, type, protocol)
                        : -EOPNOTSUPP;
}

int nets_lease(struct nets *nets, enum adapter_id id, const struct board_address *address,
               unsigned mtu, const struct endpoint dns[], size_t dns_count)
{
    struct board_address leased = address ? *address : (struct board_address){ 0 };
    char why[NETS_WHY_MAX];
    int rc;

    if (leased.ip6.family == IP_FAMILY_NONE) { /* which does not come from there */
        leased.ip6 = nets->net_links[id].address.ip6;
        leased.prefix6_len = nets->net_links[id].address.prefix6_len;
        leased.gateway6 = nets->net_links[id].address.gateway6;
    }
    if (leased.ip6.family != IP_FAMILY_NONE && mtu < BOARD_MTU_MIN_V6)
        mtu = 0; /* the kernel would take IPv6 away */
    nets->net_links[id].leased_mtu = mtu;
    posix_set_dns(nets->net_links[id].adapter, dns, address ? dns_count : 0);
    rc = nets_give_address(nets, id, &leased, why);
    if (rc < 0)
        log_say(&nets->device->log, "%s", why);
    return rc;
}

/* ---- frames ----------------------------------------------------------------------------------------- */

bool nets_has_frames(const struct nets *nets, enum adapter_id id)
{
    return nets->net_links[id].keeper && *nets_ifname(nets, id);
}

/* The near end of the cable is the host's. */
static int divert_cable(struct tap_cable *cable, struct nets_end ends[NETS_ENDS])
{
    ends[0].ifname[0] = ends[1].ifname[0] = '\0';
    return tap_cable_lend(cable, &ends[1].fd, &ends[0].fd);
}

int nets_divert(struct nets *nets, enum adapter_id id, struct nets_end ends[NETS_ENDS])
{
    const int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
    const struct net_link *link = &nets->net_links[id];
    int yard;

    if (!net_link_is_ours(link))
        return -EOPNOTSUPP;
    if (link->cable)
        return divert_cable(link->cable, ends);
    yard = keeper_divert(link->keeper, link->place, true);
    if (yard < 0)
        return yard;
    keeper_ends(link->place, ends[0].ifname, ends[1].ifname);
    for (int i = 0; i < NETS_ENDS; i++) {
        int rc = ends[i].fd = keeper_socket(link->keeper, yard, AF_PACKET, SOCK_RAW | flags, 0);

        if (rc >= 0)
            continue;
        while (i-- > 0)
            close(ends[i].fd);
        nets_rejoin(nets, id);
        return rc;
    }
    return 0;
}

void nets_rejoin(struct nets *nets, enum adapter_id id)
{
    const struct net_link *link = &nets->net_links[id];

    if (link->cable)
        tap_cable_resume(link->cable);
    else
        (void)keeper_divert(link->keeper, link->place, false);
}
