/* What has to fit together on a board: the options of one adapter, and its neighbours'. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "emu/board.h"

#define V4_BITS      32
#define V4_LOOPBACK  127  /* 127.0.0.0/8, RFC 1122 3.2.1.3 */
#define CHIP_MTU_MAX 1500 /* W5500 datasheet 1: frames of up to 1514 bytes */

static const char *wrong(char why[BOARD_WHY_MAX], const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static const char *wrong(char why[BOARD_WHY_MAX], const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why, BOARD_WHY_MAX, format, args);
    va_end(args);
    return why;
}

/* ---- one adapter -------------------------------------------------------------------------------- */

static uint32_t word_of(const struct endpoint *ip)
{
    return (uint32_t)ip->addr[0] << 24 | (uint32_t)ip->addr[1] << 16 | (uint32_t)ip->addr[2] << 8 |
           ip->addr[3];
}

/* Is it one host's? Networks of 31 and 32 bits have nothing but hosts (RFC 3021). */
static bool is_host(const struct endpoint *ip, unsigned bits)
{
    uint32_t hosts = bits < V4_BITS ? UINT32_MAX >> bits : 0, number = word_of(ip) & hosts;

    if (!endpoint_is_unicast(ip) || ip->addr[0] == V4_LOOPBACK || ip->addr[0] == 0)
        return false;
    return bits >= V4_BITS - 1 || (number != 0 && number != hosts);
}

static const char *check_v4(const struct board_address *address, char why[BOARD_WHY_MAX])
{
    char ip[ENDPOINT_TEXT_MAX];

    if (address->ip.family == IP_FAMILY_NONE) {
        return address->gateway.family != IP_FAMILY_NONE ? "gw= goes with ip="
               : address->prefix_len                     ? "mask= goes with ip="
                                                         : NULL;
    }
    (void)endpoint_ip_text(&address->ip, ip);
    if (!address->prefix_len)
        return wrong(why, "ip=%s lacks its network's length: ip=%s/24, or mask=", ip, ip);
    if (!is_host(&address->ip, address->prefix_len))
        return wrong(why, "ip=%s/%u is no host's address", ip, address->prefix_len);
    if (address->gateway.family == IP_FAMILY_NONE)
        return NULL;
    (void)endpoint_ip_text(&address->gateway, ip);
    if (!endpoint_in_one_net(&address->ip, &address->gateway, address->prefix_len))
        return wrong(why, "gw=%s is not in the network of ip=", ip);
    return endpoint_same_ip(&address->ip, &address->gateway) ? "gw= is the adapter's own address"
                                                             : NULL;
}

static bool is_link_local(const struct endpoint *ip)
{
    return ip->family == IP_FAMILY_V6 && ip->addr[0] == 0xfe && (ip->addr[1] & 0xc0) == 0x80;
}

static bool is_v6_loopback(const struct endpoint *ip)
{
    static const uint8_t loopback[sizeof(ip->addr)] = { [15] = 1 };

    return memcmp(ip->addr, loopback, sizeof(loopback)) == 0;
}

static const char *check_v6(const struct board_address *address, char why[BOARD_WHY_MAX])
{
    char ip[ENDPOINT_TEXT_MAX];

    if (address->ip6.family == IP_FAMILY_NONE)
        return address->gateway6.family != IP_FAMILY_NONE ? "gw6= goes with ip6=" : NULL;
    (void)endpoint_ip_text(&address->ip6, ip);
    if (!endpoint_is_unicast(&address->ip6) || is_link_local(&address->ip6) ||
        is_v6_loopback(&address->ip6))
        return wrong(why, "ip6=%s is no address that others can reach", ip);
    if (address->gateway6.family == IP_FAMILY_NONE)
        return NULL;
    (void)endpoint_ip_text(&address->gateway6, ip);
    if (!is_link_local(&address->gateway6) &&
        !endpoint_in_one_net(&address->ip6, &address->gateway6, address->prefix6_len))
        return wrong(why, "gw6=%s is not in the network of ip6=", ip);
    return endpoint_same_ip(&address->ip6, &address->gateway6) ? "gw6= is the adapter's own address"
                                                               : NULL;
}

const char *board_slot_check(struct board_slot *slot, char why[BOARD_WHY_MAX])
{
    struct board_address *address = &slot->address;
    bool has_ip6 = address->ip6.family != IP_FAMILY_NONE;
    const char *problem = check_v4(address, why);

    if (!problem)
        problem = check_v6(address, why);
    if (problem)
        return problem;
    if (has_ip6 && slot->mtu && slot->mtu < BOARD_MTU_MIN_V6) {
        return wrong(why, "mtu=%u is too little for ip6=: IPv6 takes %d", slot->mtu,
                     BOARD_MTU_MIN_V6);
    }
    if (slot->binding == BINDING_NETNS && !*slot->ifname &&
        (slot->addressing != ADDRESSING_GIVEN || has_ip6))
        return "an address in a namespace is an interface's: which one, dev=?";
    /* as a module's chip does, which is not told one */
    if ((slot->binding == BINDING_VETH || slot->binding == BINDING_TAP) &&
        slot->addressing == ADDRESSING_GIVEN)
        slot->addressing = ADDRESSING_DHCP;
    return NULL;
}

/* ---- between adapters --------------------------------------------------------------------------- */

static const char *skip_prefix(const char *text, const char *prefix)
{
    size_t len = strlen(prefix);

    return strncmp(text, prefix, len) == 0 ? text + len : text;
}

/* The name of a namespace, however it is spelled. */
static const char *netns_of(const struct board_slot *slot)
{
    const char *name = skip_prefix(slot->netns, "/var");

    return skip_prefix(name, "/run/netns/");
}

static bool in_one_namespace(const struct board_slot *a, const struct board_slot *b)
{
    return a->binding == BINDING_NETNS && b->binding == BINDING_NETNS &&
           strcmp(netns_of(a), netns_of(b)) == 0;
}

static bool on_one_bridge(const struct board_slot *a, const struct board_slot *b)
{
    if (a->binding == BINDING_LAB && b->binding == BINDING_LAB)
        return true;
    return *a->bridge && strcmp(a->bridge, b->bridge) == 0;
}

/* Two adapters of the board, and their addresses as they will be. */
struct pair {
    enum adapter_id a_id, b_id;
    const struct board_slot *a, *b;
    struct board_address a_address, b_address;
};

static struct board_address address_of(const struct board_slot *slot, enum adapter_id id)
{
    struct board_address address = slot->address;

    if (slot->binding == BINDING_LAB && slot->addressing == ADDRESSING_GIVEN)
        board_lab_address(&address, id);
    return address;
}

/* On one bridge a network is shared, whole; in one namespace the kernel could not tell them apart. */
static const char *check_nets(const struct pair *pair, const struct endpoint *a, unsigned a_bits,
                              const struct endpoint *b, unsigned b_bits, char why[BOARD_WHY_MAX])
{
    unsigned bits = a_bits < b_bits ? a_bits : b_bits;
    bool is_one_namespace = in_one_namespace(pair->a, pair->b);
    char ip[ENDPOINT_TEXT_MAX], other[ENDPOINT_TEXT_MAX];

    if (a->family == IP_FAMILY_NONE || b->family == IP_FAMILY_NONE ||
        (!is_one_namespace && !on_one_bridge(pair->a, pair->b)) || !endpoint_in_one_net(a, b, bits))
        return NULL;
    (void)endpoint_ip_text(a, ip);
    (void)endpoint_ip_text(b, other);
    if (endpoint_same_ip(a, b)) {
        return wrong(why, "%s and %s have one address, %s", adapter_name(pair->a_id),
                     adapter_name(pair->b_id), ip);
    }
    if (!is_one_namespace && a_bits == b_bits)
        return NULL;
    return wrong(why, "%s and %s overlap: %s/%u and %s/%u %s", adapter_name(pair->a_id),
                 adapter_name(pair->b_id), ip, a_bits, other, b_bits,
                 is_one_namespace ? "in one namespace" : "on one bridge");
}

static const char *check_names(const struct pair *pair, char why[BOARD_WHY_MAX])
{
    const struct board_slot *a = pair->a, *b = pair->b;
    const char *a_name = a->binding == BINDING_TAP ? a->ifname : a->peer;
    const char *b_name = b->binding == BINDING_TAP ? b->ifname : b->peer;

    if ((a->binding != BINDING_VETH && a->binding != BINDING_TAP) ||
        (b->binding != BINDING_VETH && b->binding != BINDING_TAP) || !*a_name ||
        strcmp(a_name, b_name) != 0)
        return NULL;
    return wrong(why, "%s and %s both want the name %s (%s)", adapter_name(pair->a_id),
                 adapter_name(pair->b_id), a_name, b->binding == BINDING_TAP ? "tap:" : "peer=");
}

static const char *check_macs(const struct pair *pair, char why[BOARD_WHY_MAX])
{
    static const uint8_t none[BOARD_MAC_LEN];

    if (memcmp(pair->a->mac, none, BOARD_MAC_LEN) == 0 ||
        memcmp(pair->a->mac, pair->b->mac, BOARD_MAC_LEN) != 0)
        return NULL;
    return wrong(why, "%s and %s have one mac=", adapter_name(pair->a_id),
                 adapter_name(pair->b_id));
}

static const char *check_pair(const struct board *board, enum adapter_id a, enum adapter_id b,
                              char why[BOARD_WHY_MAX])
{
    struct pair pair = { .a_id = a, .b_id = b, .a = &board->slots[a], .b = &board->slots[b] };
    const char *problem = check_names(&pair, why);

    if (!problem)
        problem = check_macs(&pair, why);
    pair.a_address = address_of(pair.a, a);
    pair.b_address = address_of(pair.b, b);
    if (!problem) {
        problem = check_nets(&pair, &pair.a_address.ip, pair.a_address.prefix_len,
                             &pair.b_address.ip, pair.b_address.prefix_len, why);
    }
    if (!problem) {
        problem = check_nets(&pair, &pair.a_address.ip6, pair.a_address.prefix6_len,
                             &pair.b_address.ip6, pair.b_address.prefix6_len, why);
    }
    return problem;
}

static const char *check_bridge_ip(const struct board *board, enum adapter_id id,
                                   char why[BOARD_WHY_MAX])
{
    struct endpoint bridge = { 0 };
    char ip[ENDPOINT_TEXT_MAX];

    board_lab_ip(&bridge, BOARD_LAB_HOST);
    if (board->slots[id].binding != BINDING_LAB ||
        !endpoint_same_ip(&board->slots[id].address.ip, &bridge))
        return NULL;
    return wrong(why, "%s: ip=%s is the lab's own address", adapter_name(id),
                 endpoint_ip_text(&bridge, ip));
}

/* The W5500's IP is version 4, its frames have 1514 bytes at most. */
static const char *check_chip_options(const struct board_slot *slot, const char *name,
                                      char why[BOARD_WHY_MAX])
{
    if (slot->address.ip6.family != IP_FAMILY_NONE)
        return wrong(why, "%s: ip6=: a W5500 has no IPv6; with chip=none the kernel's stack has",
                     name);
    if (slot->mtu > CHIP_MTU_MAX)
        return wrong(why, "%s: mtu=%u: a W5500 has %d at most; with chip=none it may be more", name,
                     slot->mtu, CHIP_MTU_MAX);
    return NULL;
}

static const char *check_chip(const struct board *board, enum adapter_id id,
                              char why[BOARD_WHY_MAX])
{
    static const uint8_t no_mac[BOARD_MAC_LEN];
    const struct board_slot *slot = &board->slots[id];
    const char *name = adapter_name(id);
    bool has_chip = board_has_chip(slot, id);

    if (slot->binding == BINDING_NAT && !has_chip)
        return id == ADAPTER_ETH0
                   ? "ETH0=nat is the chip's, and nothing without it: no chip=none"
                   : wrong(why, "%s: nat is the way out of the W5500, and that is ETH0's", name);
    if (slot->chip == SLOT_CHIP_W5500 && id != ADAPTER_ETH0)
        return wrong(why, "%s: chip=w5500: the board has one, behind ETH0", name);
    if (slot->chip == SLOT_CHIP_W5500 && !has_chip)
        return "ETH0: chip=w5500 takes an interface's frames: which one, dev=?";
    if (slot->binding == BINDING_NETNS && !has_chip &&
        memcmp(slot->mac, no_mac, sizeof(no_mac)) != 0)
        return wrong(
            why,
            "%s: netns takes no mac= without a chip: only links of the emulator's own have "
            "one",
            name);
    return has_chip ? check_chip_options(slot, name, why) : NULL;
}

const char *board_check(const struct board *board, char why[BOARD_WHY_MAX])
{
    const char *problem = NULL;

    for (int a = 0; a < ADAPTER_COUNT && !problem; a++) {
        problem = check_bridge_ip(board, (enum adapter_id)a, why);
        if (!problem)
            problem = check_chip(board, (enum adapter_id)a, why);
        for (int b = a + 1; b < ADAPTER_COUNT && !problem; b++)
            problem = check_pair(board, (enum adapter_id)a, (enum adapter_id)b, why);
    }
    return problem;
}
