/* Addresses by DHCP: adapters that ask for theirs, others that are given some by adapters or the lab. */
#include <errno.h>
#include <stdio.h>

#include "adapters/dhcp.h"
#include "adapters/dhcpd.h"
#include "adapters/keeper.h"
#include "adapters/nets_priv.h"
#include "adapters/posix.h"
#include "emu/device.h"
#include "emu/dns_msg.h"
#include "emu/netc.h"
#include "emu/util.h"

#define DNS_TAKEN      2    /* a module has two slots for them; LuatOS net_lwip2.c */
#define SERVED_LEASE_S 7200 /* as LuatOS's dhcpsrv.lua has it */
#define SERVED_FIRST   100  /* likewise: 192.168.4.100 to 200, in a network that has so many */
#define SERVED_LAST    200
#define LAB_FIRST      10 /* below it there is the bridge; up to 26 what adapters wish for */
#define LAB_FRESH      100
#define LAB_LAST       200
#define V4_BITS        32
#define SMALLEST_HOSTS 4 /* a network of less has no room for a client */

/* ---- asking ------------------------------------------------------------------------------------------- */

/* Those of --bind come first; without any a module asks its router. */
static size_t dns_of(const struct dhcp_lease *lease, struct endpoint dns[DHCP_DNS_MAX])
{
    size_t count = lease->dns_count < DNS_TAKEN ? lease->dns_count : DNS_TAKEN;

    for (size_t i = 0; i < count; i++)
        dhcp_to_endpoint(lease->dns[i], &dns[i]);
    if (!count && lease->router)
        dhcp_to_endpoint(lease->router, &dns[count++]);
    for (size_t i = 0; i < count; i++)
        dns[i].port = DNS_PORT;
    return count;
}

static void on_lease(void *ctx, enum adapter_id id, const struct dhcp_lease *lease)
{
    struct nets *nets = ctx;
    struct endpoint dns[DHCP_DNS_MAX];
    struct board_address address = { 0 };
    size_t dns_count;

    if (!lease) {
        (void)nets_lease(nets, id, NULL, 0, NULL, 0);
        return;
    }
    dns_count = nets->board->slots[id].dns_count ? 0 : dns_of(lease, dns);
    dhcp_to_endpoint(lease->ip, &address.ip);
    dhcp_to_endpoint(lease->router, &address.gateway);
    address.prefix_len = lease->prefix_len;
    (void)nets_lease(nets, id, &address, nets->board->slots[id].mtu ? 0 : lease->mtu, dns,
                     dns_count);
}

/* As netlink.h wants it, for one adapter. */
static int open_there(void *ctx, int domain, int type, int protocol)
{
    const struct net_link *link = ctx;

    return keeper_socket(link->keeper, link->place, domain, type, protocol);
}

void nets_ask_dhcp(struct nets *nets, enum adapter_id id)
{
    struct net_link *link = &nets->net_links[id];

    if (link->dhcp)
        return;
    link->dhcp = dhcp_new(&(struct dhcp_config){ .device = nets->device,
                                                 .id = id,
                                                 .open = open_there,
                                                 .open_ctx = link,
                                                 .timing = &dhcp_client_timing,
                                                 .wish = dhcp_from_endpoint(&link->address.ip),
                                                 .leased = on_lease,
                                                 .leased_ctx = nets });
    nets_tell_dhcp(nets, id, posix_link(link->adapter));
}

void nets_forget_dhcp(struct nets *nets, enum adapter_id id)
{
    struct net_link *link = &nets->net_links[id];

    if (link->dhcp)
        dhcp_free(link->dhcp);
    link->dhcp = NULL;
}

void nets_tell_dhcp(struct nets *nets, enum adapter_id id, const struct netlink_state *state)
{
    struct net_link *link = &nets->net_links[id];
    struct netlink_state seen = *state;

    seen.has_carrier = seen.has_carrier && !link->is_lost && !link->is_off && !link->is_unplugged;
    if (link->dhcp)
        dhcp_link(link->dhcp, nets_ifname(nets, id), &seen);
}

/* ---- serving ------------------------------------------------------------------------------------------- */

/* The script has a server of its own there, as exnetif.lua and dhcpsrv.lua have. */
static bool script_serves(void *ctx)
{
    const struct net_link *link = ctx;
    struct net *net = link->adapter->net;

    list_for_each(node, &net->netcs) {
        const struct netc *netc = container_of(node, struct netc, link);

        if (netc->adapter->id == link->adapter->id && netc->config.is_udp &&
            netc->config.local_port == DHCP_SERVER_PORT && netc_has_socket(netc))
            return true;
    }
    return false;
}

static void on_client(void *ctx, const uint8_t mac[DHCP_MAC_LEN], uint32_t ip, bool is_there)
{
    const struct net_link *link = ctx;
    struct device *device = container_of(link->adapter->net, struct device, net);
    char mac_text[DHCP_MAC_TEXT_MAX], ip_text[DHCP_IP_TEXT_MAX];

    log_say(&device->log, "%s: %s %s %s", adapter_name((enum adapter_id)link->adapter->id),
            dhcp_mac_text(mac, mac_text), is_there ? "was given" : "has given back",
            dhcp_ip_text(ip, ip_text));
    if (link->adapter->id == ADAPTER_AP)
        wlan_tell_client(&device->wlan, mac, is_there);
}

/* What is given away there. False: the network has no room for anybody. */
static bool plan_pool(uint32_t ip, unsigned prefix_len, struct dhcp_server_config *config)
{
    uint32_t network = ip & dhcp_mask(prefix_len);
    uint32_t hosts = prefix_len < V4_BITS ? ~dhcp_mask(prefix_len) + 1 : 1;

    if (hosts < SMALLEST_HOSTS)
        return false;
    config->first = network + (hosts > SERVED_LAST ? SERVED_FIRST : 1);
    config->last = network + (hosts > SERVED_LAST ? SERVED_LAST : hosts - 2);
    config->fresh = config->first;
    return true;
}

static int serve(struct nets *nets, enum adapter_id id)
{
    struct net_link *link = &nets->net_links[id];
    uint32_t ip = dhcp_from_endpoint(&link->address.ip);
    unsigned prefix_len = link->address.prefix_len;
    struct dhcpd_config config = { .loop = &nets->device->loop,
                                   .trace = &nets->device->trace,
                                   .link = adapter_name(id),
                                   .open = open_there,
                                   .open_ctx = link,
                                   .server = { .clock = &nets->device->clock,
                                               .ip = ip,
                                               .prefix_len = prefix_len,
                                               .router = ip,
                                               .dns = { ip },
                                               .dns_count = 1,
                                               .lease_s = SERVED_LEASE_S },
                                   .is_silenced = script_serves,
                                   .told = on_client,
                                   .ctx = link };

    if (!ip || !plan_pool(ip, prefix_len, &config.server))
        return -EADDRNOTAVAIL;
    (void)snprintf(config.ifname, sizeof(config.ifname), "%s", nets_ifname(nets, id));
    return dhcpd_open(&link->dhcpd, &config);
}

int nets_serve_dhcp(struct nets *nets, enum adapter_id id, bool is_on)
{
    struct net_link *link = &nets->net_links[id];

    if (link->dhcpd)
        dhcpd_close(link->dhcpd);
    link->dhcpd = NULL;
    if (!is_on)
        return 0;
    if (link->is_lost)
        return -EPIPE;
    if (nets->dhcpd && nets->board->slots[id].binding == BINDING_LAB)
        return 0; /* the bridge it is on has a server, and two would give what the other has */
    return link->keeper && *nets_ifname(nets, id) ? serve(nets, id) : -EOPNOTSUPP;
}

/* ---- the lab's bridge ---------------------------------------------------------------------------------- */

static uint32_t lab_ip(uint8_t host)
{
    struct endpoint ip;

    board_lab_ip(&ip, host);
    return dhcp_from_endpoint(&ip);
}

static int open_at_home(void *ctx, int domain, int type, int protocol)
{
    return keeper_socket(ctx, KEEPER_HOME, domain, type, protocol);
}

static void note_taken(const struct nets *nets, struct dhcp_server_config *config)
{
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        const struct board_slot *slot = &nets->board->slots[id];

        if (slot->binding == BINDING_LAB && slot->addressing == ADDRESSING_STATIC)
            config->taken[config->taken_count++] = dhcp_from_endpoint(&slot->address.ip);
    }
}

int nets_serve_lab(struct nets *nets, const struct endpoint dns[], size_t dns_count)
{
    struct dhcpd_config config = { .loop = &nets->device->loop,
                                   .trace = &nets->device->trace,
                                   .link = KEEPER_BRIDGE,
                                   .open = open_at_home,
                                   .open_ctx = nets->own,
                                   .ifname = KEEPER_BRIDGE,
                                   .server = { .clock = &nets->device->clock,
                                               .ip = dhcp_from_endpoint(&nets->own_ip),
                                               .prefix_len = BOARD_LAB_BITS,
                                               .first = lab_ip(LAB_FIRST),
                                               .last = lab_ip(LAB_LAST),
                                               .fresh = lab_ip(LAB_FRESH),
                                               .router = dhcp_from_endpoint(&nets->own_ip),
                                               .lease_s = SERVED_LEASE_S } };

    for (size_t i = 0; i < dns_count && i < DHCP_DNS_MAX; i++)
        config.server.dns[config.server.dns_count++] = dhcp_from_endpoint(&dns[i]);
    note_taken(nets, &config.server);
    return dhcpd_open(&nets->dhcpd, &config);
}

void nets_forget_lab(struct nets *nets)
{
    if (nets->dhcpd)
        dhcpd_close(nets->dhcpd);
    nets->dhcpd = NULL;
}
