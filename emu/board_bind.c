/* The options of --bind: what one adapter is bound to, from text. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/board.h"
#include "emu/util.h"

#define DNS_PORT_NUMBER 53
#define PIECE_MAX       (BOARD_NAME_MAX + 16) /* of the text up to a comma, with its end */
#define V4_BITS         32
#define V6_BITS         128
#define MAC_MULTICAST   0x01 /* of its first byte, IEEE 802 c */
#define HEX_BASE        16

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

/* ---- kinds ---------------------------------------------------------------------------------- */

static bool copy(const char *from, char to[], size_t cap)
{
    size_t len = strlen(from);

    if (!len || len >= cap)
        return false;
    memcpy(to, from, len + 1);
    return true;
}

/* A name that an interface can have: dev_valid_name() of Linux. */
static bool copy_ifname(const char *from, char to[BOARD_IFNAME_MAX])
{
    return strcmp(from, ".") != 0 && strcmp(from, "..") != 0 && !strpbrk(from, "/: \t\r\n%") &&
           copy(from, to, BOARD_IFNAME_MAX);
}

const char *board_slot_bind(struct board_slot *slot, const char *kind, char why[BOARD_WHY_MAX])
{
    static const enum binding plain[] = { BINDING_OFF, BINDING_HOST, BINDING_LAB, BINDING_VETH,
                                          BINDING_NAT };

    *slot = (struct board_slot){ 0 };
    if (strncmp(kind, "netns:", 6) == 0) {
        slot->binding = BINDING_NETNS;
        return copy(kind + 6, slot->netns, sizeof(slot->netns)) ? NULL
                                                                : "netns:NAME lacks a usable name";
    }
    if (strncmp(kind, "tap:", 4) == 0) {
        slot->binding = BINDING_TAP;
        return copy_ifname(kind + 4, slot->ifname) ? NULL
                                                   : "tap:NAME lacks a name that a device can have";
    }
    for (int i = 0; i < ARRAY_LEN(plain); i++) {
        if (strcmp(kind, binding_name(plain[i])) != 0)
            continue;
        slot->binding = plain[i];
        return NULL;
    }
    return wrong(why,
                 "an adapter is bound to host, lab, netns:NAME, veth, tap:NAME or nat, or is off; "
                 "not to \"%.64s\"",
                 kind);
}

/* ---- values --------------------------------------------------------------------------------- */

/* "10.0.0.2/24": what is before the slash goes to @ip, what follows to @bits; 0 without one. */
static bool read_net(const char *value, struct endpoint *ip, unsigned *bits)
{
    char text[ENDPOINT_TEXT_MAX];
    size_t len = strcspn(value, "/");
    char *end;
    unsigned long number;

    if (len >= sizeof(text))
        return false;
    memcpy(text, value, len);
    text[len] = '\0';
    if (!endpoint_set_text(ip, text))
        return false;
    *bits = 0;
    if (!value[len])
        return true;
    number = strtoul(value + len + 1, &end, 10);
    if (*end || value[len + 1] < '0' || value[len + 1] > '9' || !number || number > V6_BITS)
        return false;
    *bits = (unsigned)number;
    return true;
}

static const char *take_bits(struct board_slot *slot, unsigned bits)
{
    if (slot->address.prefix_len && slot->address.prefix_len != bits)
        return "the length behind ip= and mask= say different things";
    slot->address.prefix_len = bits;
    return NULL;
}

static const char *take_ip(struct board_slot *slot, const char *value, char why[BOARD_WHY_MAX])
{
    struct endpoint ip = { 0 };
    unsigned bits;

    if (!read_net(value, &ip, &bits)) {
        return wrong(
            why, "ip= takes an address and its network's length, as 10.0.0.2/24; not %.64s", value);
    }
    if (ip.family != IP_FAMILY_V4)
        return wrong(why, "ip= takes an IPv4 address; %.64s is for ip6=", value);
    if (bits > V4_BITS)
        return wrong(why, "ip=%.64s: an IPv4 address has 32 bits", value);
    if (slot->addressing == ADDRESSING_DHCP)
        return "an address comes from ip= or from dhcp, not from both";
    if (slot->address.ip.family != IP_FAMILY_NONE)
        return "an adapter takes one ip=";
    slot->address.ip = ip;
    slot->addressing = ADDRESSING_STATIC;
    return bits ? take_bits(slot, bits) : NULL;
}

static const char *take_mask(struct board_slot *slot, const char *value, char why[BOARD_WHY_MAX])
{
    struct endpoint mask = { 0 };
    unsigned bits;

    if (!endpoint_set_text(&mask, value) || !endpoint_mask_bits(&mask, &bits) || !bits)
        return wrong(why, "mask= takes a netmask, as 255.255.255.0; not %.64s", value);
    return take_bits(slot, bits);
}

static const char *take_gw(struct board_slot *slot, const char *value, char why[BOARD_WHY_MAX])
{
    if (!endpoint_set_text(&slot->address.gateway, value) ||
        slot->address.gateway.family != IP_FAMILY_V4)
        return wrong(why, "gw= takes an IPv4 address (gw6= one of IPv6); not %.64s", value);
    return NULL;
}

static const char *take_ip6(struct board_slot *slot, const char *value, char why[BOARD_WHY_MAX])
{
    struct endpoint ip = { 0 };
    unsigned bits;

    if (!read_net(value, &ip, &bits) || !bits || bits > V6_BITS) {
        return wrong(why,
                     "ip6= takes an address and its network's length, as 2001:db8::2/64; not %.64s",
                     value);
    }
    if (ip.family != IP_FAMILY_V6)
        return wrong(why, "ip6= takes an IPv6 address; %.64s is for ip=", value);
    slot->address.ip6 = ip;
    slot->address.prefix6_len = bits;
    return NULL;
}

static const char *take_gw6(struct board_slot *slot, const char *value, char why[BOARD_WHY_MAX])
{
    if (!endpoint_set_text(&slot->address.gateway6, value) ||
        slot->address.gateway6.family != IP_FAMILY_V6)
        return wrong(why, "gw6= takes an IPv6 address (gw= one of IPv4); not %.64s", value);
    return NULL;
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *found = c ? strchr(digits, c | 0x20) : NULL;

    return found ? (int)(found - digits) : -1;
}

bool board_read_mac(const char *text, uint8_t mac[BOARD_MAC_LEN])
{
    for (int i = 0; i < BOARD_MAC_LEN; i++) {
        int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);

        if (low < 0)
            return false;
        mac[i] = (uint8_t)(high * HEX_BASE + low);
        text += 2;
        if (i < BOARD_MAC_LEN - 1 && (*text == ':' || *text == '-'))
            text++;
    }
    return !*text;
}

static const char *take_mac(struct board_slot *slot, const char *value, char why[BOARD_WHY_MAX])
{
    static const uint8_t none[BOARD_MAC_LEN];

    if (!board_read_mac(value, slot->mac))
        return wrong(why, "mac= takes six bytes, as 02:00:5e:00:53:01; not %.64s", value);
    if (slot->mac[0] & MAC_MULTICAST || memcmp(slot->mac, none, BOARD_MAC_LEN) == 0)
        return wrong(why, "mac=%.64s is no address of one station", value);
    return NULL;
}

static const char *take_mtu(struct board_slot *slot, const char *value, char why[BOARD_WHY_MAX])
{
    char *end;
    unsigned long mtu;

    errno = 0;
    mtu = strtoul(value, &end, 10);
    if (*end || errno || *value < '0' || *value > '9' || mtu < BOARD_MTU_MIN ||
        mtu > BOARD_MTU_MAX) {
        return wrong(why, "mtu= takes bytes from %d to %d; not %.64s", BOARD_MTU_MIN, BOARD_MTU_MAX,
                     value);
    }
    slot->mtu = (unsigned)mtu;
    return NULL;
}

static const char *take_dns(struct board_slot *slot, const char *value, char why[BOARD_WHY_MAX])
{
    struct endpoint dns = { .port = DNS_PORT_NUMBER };

    if (!endpoint_set_text(&dns, value))
        return wrong(why, "dns= takes an address; not %.64s", value);
    if (slot->dns_count == ADAPTER_DNS_MAX)
        return "an adapter has four name servers at most";
    slot->dns[slot->dns_count++] = dns;
    return NULL;
}

/* NOLINTBEGIN(readability-non-const-parameter): they are of one type, and the others write @why */

static const char *take_dhcp(struct board_slot *slot, const char *value, char why[BOARD_WHY_MAX])
{
    (void)value;
    (void)why;
    if (slot->addressing == ADDRESSING_STATIC)
        return "an address comes from ip= or from dhcp, not from both";
    slot->addressing = ADDRESSING_DHCP;
    return NULL;
}

static const char *take_down(struct board_slot *slot, const char *value, char why[BOARD_WHY_MAX])
{
    (void)value;
    (void)why;
    slot->starts_down = true;
    return NULL;
}

/* NOLINTEND(readability-non-const-parameter) */

static const char *take_dev(struct board_slot *slot, const char *value, char why[BOARD_WHY_MAX])
{
    return copy(value, slot->ifname, sizeof(slot->ifname))
               ? NULL
               : wrong(why, "dev= takes an interface's name; not \"%.64s\"", value);
}

static const char *take_peer(struct board_slot *slot, const char *value, char why[BOARD_WHY_MAX])
{
    return copy_ifname(value, slot->peer)
               ? NULL
               : wrong(why, "peer= takes a name that an interface can have; not \"%.64s\"", value);
}

static const char *take_bridge(struct board_slot *slot, const char *value, char why[BOARD_WHY_MAX])
{
    return copy_ifname(value, slot->bridge)
               ? NULL
               : wrong(why, "bridge= takes the name of a bridge; not \"%.64s\"", value);
}

static const char *take_chip(struct board_slot *slot, const char *value, char why[BOARD_WHY_MAX])
{
    bool is_none = strcmp(value, "none") == 0;

    if (!is_none && strcmp(value, "w5500") != 0)
        return wrong(why, "chip= takes w5500 or none; not \"%.64s\"", value);
    slot->chip = is_none ? SLOT_CHIP_NONE : SLOT_CHIP_W5500;
    return NULL;
}

/* ---- the table ---------------------------------------------------------------------------------- */

#define ON(kind)  (1U << BINDING_##kind)
#define MADE      (ON(LAB) | ON(VETH) | ON(TAP)) /* links of the emulator's own */
#define ADDRESSED (MADE | ON(NETNS) | ON(NAT))
#define ANY       (ADDRESSED | ON(HOST))

static const struct option_row {
    const char *key;
    unsigned kinds;
    bool is_flag;
    const char *elsewhere; /* why not, where it is not taken */
    const char *(*take)(struct board_slot *slot, const char *value, char why[BOARD_WHY_MAX]);
} rows[] = {
#define HOSTS_OWN "this machine's own addresses are not changed for a script"
#define NOT_OURS  "only links of the emulator's own have one: lab, veth and tap"
    { "ip", ADDRESSED, false, HOSTS_OWN, take_ip },
    { "mask", ADDRESSED, false, HOSTS_OWN, take_mask },
    { "gw", ADDRESSED, false, HOSTS_OWN, take_gw },
    { "ip6", MADE | ON(NETNS), false, "its addresses are IPv4's", take_ip6 },
    { "gw6", MADE, false, "the routers there announce themselves", take_gw6 },
    { "dhcp", ADDRESSED, true, HOSTS_OWN, take_dhcp },
    { "mac", MADE | ON(NETNS) | ON(NAT), false, NOT_OURS, take_mac },
    { "mtu", MADE, false, NOT_OURS, take_mtu },
    { "dns", ANY, false, "", take_dns },
    { "down", ANY, true, "", take_down },
    { "chip", ADDRESSED, false,
      "a chip takes a link, and lab, veth, tap and netns with dev= have one", take_chip },
    { "dev", ON(HOST) | ON(NETNS), false, "the emulator makes the interface of lab, veth and tap",
      take_dev },
    { "peer", ON(VETH), false, "only veth has another end with a name", take_peer },
    { "bridge", ON(VETH) | ON(TAP), false, "only veth and tap can join a bridge of this machine's",
      take_bridge },
};

static const char *unknown_key(const char *key, char why[BOARD_WHY_MAX])
{
    size_t len = (size_t)snprintf(why, BOARD_WHY_MAX,
                                  "there is no option \"%.64s\"; what follows the kind is", key);

    for (int i = 0; i < ARRAY_LEN(rows) && len < BOARD_WHY_MAX; i++) {
        len += (size_t)snprintf(why + len, BOARD_WHY_MAX - len, "%s %s%s", i ? "," : "",
                                rows[i].key, rows[i].is_flag ? "" : "=");
    }
    return why;
}

const char *board_slot_set(struct board_slot *slot, const char *key, const char *value,
                           char why[BOARD_WHY_MAX])
{
    for (int i = 0; i < ARRAY_LEN(rows); i++) {
        const struct option_row *row = &rows[i];

        if (strcmp(row->key, key) != 0)
            continue;
        if (slot->binding == BINDING_OFF)
            return "off takes nothing more";
        if (!(row->kinds & 1U << slot->binding)) {
            return wrong(why, "%s takes no %s%s: %s", binding_name(slot->binding), key,
                         row->is_flag ? "" : "=", row->elsewhere);
        }
        if (row->is_flag && value)
            return wrong(why, "%s takes no value", key);
        if (!row->is_flag && !value)
            return wrong(why, "%s= lacks its value", key);
        return row->take(slot, value ? value : "", why);
    }
    return unknown_key(key, why);
}

/* ---- --bind ----------------------------------------------------------------------------------- */

/* The text up to the next of @ends, which is left behind; false: there is none, or too much. */
static bool next_piece(const char **at, const char *ends, char piece[PIECE_MAX])
{
    size_t len;

    if (!*at)
        return false;
    len = strcspn(*at, ends);
    if (len >= PIECE_MAX)
        len = PIECE_MAX - 1; /* too long for anything: refused where it is taken */
    memcpy(piece, *at, len);
    piece[len] = '\0';
    *at += strcspn(*at, ends);
    *at = **at ? *at + 1 : NULL;
    return true;
}

static const char *take_options(struct board_slot *slot, const char *at, char why[BOARD_WHY_MAX])
{
    char piece[PIECE_MAX];
    const char *problem = NULL;

    while (!problem && next_piece(&at, ",", piece)) {
        char *value = strchr(piece, '=');

        if (value)
            *value++ = '\0';
        problem = board_slot_set(slot, piece, value, why);
    }
    return problem;
}

/* The kind, and where its options begin: "veth:peer=a" is "veth,peer=a". */
static const char *take_kind(struct board_slot *slot, const char **at, char why[BOARD_WHY_MAX])
{
    static const char veth[] = "veth:";
    char kind[PIECE_MAX];
    bool is_veth = strncmp(*at, veth, sizeof(veth) - 1) == 0;

    (void)next_piece(at, is_veth ? ":" : ",", kind);
    return board_slot_bind(slot, kind, why);
}

const char *board_bind(struct board *board, const char *text, char why[BOARD_WHY_MAX])
{
    const char *equals = strchr(text, '='), *at, *problem;
    struct board_slot slot;
    int id;

    if (!equals)
        return "it has the form ADAPTER=host or ADAPTER=off";
    id = adapter_by_name(text, (size_t)(equals - text));
    if (id == ADAPTER_NONE) {
        return wrong(why,
                     "there is no adapter \"%.*s\"; there are LWIP_GP, LWIP_STA, LWIP_AP, "
                     "LWIP_ETH, ETH0, USB",
                     (int)(equals - text > BOARD_IFNAME_MAX ? BOARD_IFNAME_MAX : equals - text),
                     text);
    }
    at = equals + 1;
    problem = take_kind(&slot, &at, why);
    if (!problem)
        problem = take_options(&slot, at, why);
    if (!problem)
        problem = board_slot_check(&slot, why);
    if (!problem)
        board->slots[id] = slot;
    return problem;
}
