#include "emu/dhcp_msg.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "emu/buf.h"
#include "emu/util.h"

/* RFC 2131 figure 1 */
#define OP_REQUEST        1
#define OP_REPLY          2
#define HTYPE_ETHERNET    1
#define CHADDR_LEN        16
#define SNAME_LEN         64
#define FILE_LEN          128
#define FLAG_BROADCAST    0x8000
#define COOKIE            0x63825363
#define OVERLOADS_FILE    1
#define OVERLOADS_SNAME   2
#define AREAS_MAX         3 /* options, file, sname */
#define IP_LEN            4
#define IP_BITS           32
#define MTU_MIN           68 /* RFC 2132 5.1 */
#define CLIENT_ID_LEN_MIN 2  /* RFC 2132 9.14 */
#define ROUTE_LEN_MAX     9

/* ---- addresses ------------------------------------------------------------------------------------ */

bool dhcp_ip_is_usable(uint32_t ip)
{
    uint8_t first = (uint8_t)(ip >> 24);

    return first != 0 && first != 127 && first < 224;
}

uint32_t dhcp_mask(unsigned prefix_len)
{
    return prefix_len ? UINT32_MAX << (IP_BITS - (prefix_len < IP_BITS ? prefix_len : IP_BITS)) : 0;
}

unsigned dhcp_prefix_len(uint32_t mask)
{
    unsigned prefix_len = 0;

    while (prefix_len < IP_BITS && mask & UINT32_C(0x80000000) >> prefix_len)
        prefix_len++;
    return mask == dhcp_mask(prefix_len) ? prefix_len : 0;
}

void dhcp_to_endpoint(uint32_t ip, struct endpoint *ep)
{
    *ep = (struct endpoint){ 0 };
    if (ip) {
        endpoint_set_v4(ep, (uint8_t)(ip >> 24), (uint8_t)(ip >> 16), (uint8_t)(ip >> 8),
                        (uint8_t)ip);
    }
}

uint32_t dhcp_from_endpoint(const struct endpoint *ep)
{
    struct reader r;

    if (ep->family != IP_FAMILY_V4)
        return 0;
    reader_init(&r, ep->addr, IP_LEN);
    return reader_u32(&r);
}

const char *dhcp_ip_text(uint32_t ip, char text[DHCP_IP_TEXT_MAX])
{
    (void)snprintf(text, DHCP_IP_TEXT_MAX, "%u.%u.%u.%u", (unsigned)(uint8_t)(ip >> 24),
                   (unsigned)(uint8_t)(ip >> 16), (unsigned)(uint8_t)(ip >> 8),
                   (unsigned)(uint8_t)ip);
    return text;
}

const char *dhcp_mac_text(const uint8_t mac[DHCP_MAC_LEN], char text[DHCP_MAC_TEXT_MAX])
{
    (void)snprintf(text, DHCP_MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
                   mac[3], mac[4], mac[5]);
    return text;
}

const char *dhcp_type_name(enum dhcp_type type)
{
    static const char *const names[] = {
        [DHCP_TYPE_NONE] = "NONE",       [DHCP_TYPE_DISCOVER] = "DISCOVER",
        [DHCP_TYPE_OFFER] = "OFFER",     [DHCP_TYPE_REQUEST] = "REQUEST",
        [DHCP_TYPE_DECLINE] = "DECLINE", [DHCP_TYPE_ACK] = "ACK",
        [DHCP_TYPE_NAK] = "NAK",         [DHCP_TYPE_RELEASE] = "RELEASE",
        [DHCP_TYPE_INFORM] = "INFORM",
    };
    static_assert(sizeof(names) / sizeof(names[0]) == DHCP_TYPE_INFORM + 1, "a type lacks a name");

    return names[type];
}

bool dhcp_wants(const struct dhcp_msg *msg, enum dhcp_option option)
{
    return !msg->wanted_count || memchr(msg->wanted, (int)option, msg->wanted_count);
}

/* ---- reading: options ------------------------------------------------------------------------------ */

/* Where options are. */
struct areas {
    struct reader list[AREAS_MAX];
    int count;
};

/* Next option of an area; false at its end, or where it breaks, which fails the reader. */
static bool next_option(struct reader *area, uint8_t *code, struct reader *data)
{
    const uint8_t *bytes;
    uint8_t len;

    do {
        if (!reader_left(area)) /* some leave the end mark out */
            return false;
        *code = reader_u8(area);
    } while (*code == DHCP_OPTION_PAD);
    if (*code == DHCP_OPTION_END)
        return false;
    len = reader_u8(area);
    bytes = reader_bytes(area, len);
    reader_init(data, bytes, len);
    return !area->failed;
}

/* The parts of a long option make one (RFC 3396). False: it is not there. */
static bool gather(const struct areas *areas, enum dhcp_option wanted, struct writer *parts)
{
    bool found = false;

    for (int i = 0; i < areas->count; i++) {
        struct reader area = areas->list[i], data;
        uint8_t code;

        while (next_option(&area, &code, &data)) {
            if (code != wanted)
                continue;
            found = true;
            writer_bytes(parts, data.data, data.len);
        }
    }
    return found;
}

static bool are_whole(const struct areas *areas)
{
    for (int i = 0; i < areas->count; i++) {
        struct reader area = areas->list[i], data;
        uint8_t code;

        while (next_option(&area, &code, &data))
            ;
        if (area.failed)
            return false;
    }
    return true;
}

static void take_text(struct reader *r, char text[], size_t cap)
{
    size_t len = reader_left(r) < cap - 1 ? reader_left(r) : cap - 1;
    const uint8_t *bytes = reader_bytes(r, len);

    while (len && !bytes[len - 1]) /* some send their C string's end */
        len--;
    for (size_t i = 0; i < len; i++)
        text[i] = isprint(bytes[i]) ? (char)bytes[i] : '?';
    text[len] = '\0';
}

static uint32_t only_u32(struct reader *r)
{
    return reader_left(r) == IP_LEN ? reader_u32(r) : 0;
}

static void take_dns(struct dhcp_msg *msg, struct reader *r)
{
    if (reader_left(r) % IP_LEN)
        return;
    while (reader_left(r) && msg->dns_count < DHCP_DNS_MAX)
        msg->dns[msg->dns_count++] = reader_u32(r);
}

/* RFC 3442: prefix length, as many octets of the destination as it has, router. */
static bool take_route(struct reader *r, struct dhcp_route *route)
{
    unsigned significant;

    *route = (struct dhcp_route){ .prefix_len = reader_u8(r) };
    if (route->prefix_len > IP_BITS)
        return false;
    significant = (route->prefix_len + 7U) / 8U;
    for (unsigned i = 0; i < significant; i++)
        route->to |= (uint32_t)reader_u8(r) << (24 - 8 * i);
    route->to &= dhcp_mask(route->prefix_len);
    route->via = reader_u32(r);
    return !r->failed;
}

static void take_routes(struct dhcp_msg *msg, struct reader *r)
{
    while (reader_left(r) && msg->routes_count < DHCP_ROUTES_MAX) {
        if (!take_route(r, &msg->routes[msg->routes_count])) {
            memset(msg->routes, 0, sizeof(msg->routes)); /* who knows what the others are */
            msg->routes_count = 0;
            return;
        }
        msg->routes_count++;
    }
}

static void take_id(struct dhcp_msg *msg, struct reader *r)
{
    size_t len = reader_left(r);

    if (len < CLIENT_ID_LEN_MIN || len > DHCP_ID_MAX)
        return;
    memcpy(msg->client_id.bytes, reader_bytes(r, len), len);
    msg->client_id.len = len;
}

static void take_wanted(struct dhcp_msg *msg, struct reader *r)
{
    while (reader_left(r) && msg->wanted_count < DHCP_WANTED_MAX)
        msg->wanted[msg->wanted_count++] = reader_u8(r);
}

static void take_type(struct dhcp_msg *msg, struct reader *r)
{
    uint8_t type = reader_left(r) == 1 ? reader_u8(r) : 0;

    msg->type = type <= DHCP_TYPE_INFORM ? (enum dhcp_type)type : DHCP_TYPE_NONE;
}

static void take_router(struct dhcp_msg *msg, struct reader *r)
{
    if (reader_left(r) % IP_LEN == 0)
        msg->router = reader_u32(r);
}

static void take_mtu(struct dhcp_msg *msg, struct reader *r)
{
    uint16_t mtu = reader_left(r) == sizeof(mtu) ? reader_u16(r) : 0;

    msg->mtu = mtu >= MTU_MIN ? mtu : 0;
}

static void take(struct dhcp_msg *msg, enum dhcp_option option, struct reader *r)
{
    switch (option) {
    case DHCP_OPTION_MASK:
        msg->mask = only_u32(r);
        break;
    case DHCP_OPTION_ROUTER:
        take_router(msg, r);
        break;
    case DHCP_OPTION_DNS:
        take_dns(msg, r);
        break;
    case DHCP_OPTION_HOSTNAME:
        take_text(r, msg->hostname, sizeof(msg->hostname));
        break;
    case DHCP_OPTION_MTU:
        take_mtu(msg, r);
        break;
    case DHCP_OPTION_BROADCAST:
        msg->broadcast = only_u32(r);
        break;
    case DHCP_OPTION_REQUESTED_IP:
        msg->requested_ip = only_u32(r);
        break;
    case DHCP_OPTION_LEASE:
        msg->lease_s = only_u32(r);
        break;
    case DHCP_OPTION_TYPE:
        take_type(msg, r);
        break;
    case DHCP_OPTION_SERVER_ID:
        msg->server_id = only_u32(r);
        break;
    case DHCP_OPTION_WANTED:
        take_wanted(msg, r);
        break;
    case DHCP_OPTION_TEXT:
        take_text(r, msg->text, sizeof(msg->text));
        break;
    case DHCP_OPTION_T1:
        msg->t1_s = only_u32(r);
        break;
    case DHCP_OPTION_T2:
        msg->t2_s = only_u32(r);
        break;
    case DHCP_OPTION_CLIENT_ID:
        take_id(msg, r);
        break;
    case DHCP_OPTION_ROUTES:
        take_routes(msg, r);
        break;
    case DHCP_OPTION_PAD:
    case DHCP_OPTION_OVERLOAD:
    case DHCP_OPTION_END:
        break;
    }
}

/* What is read, in any order. */
static const enum dhcp_option known[] = {
    DHCP_OPTION_MASK,      DHCP_OPTION_ROUTER,       DHCP_OPTION_DNS,    DHCP_OPTION_HOSTNAME,
    DHCP_OPTION_MTU,       DHCP_OPTION_REQUESTED_IP, DHCP_OPTION_LEASE,  DHCP_OPTION_TYPE,
    DHCP_OPTION_SERVER_ID, DHCP_OPTION_WANTED,       DHCP_OPTION_TEXT,   DHCP_OPTION_T1,
    DHCP_OPTION_T2,        DHCP_OPTION_CLIENT_ID,    DHCP_OPTION_ROUTES, DHCP_OPTION_BROADCAST,
};

/* ---- reading: a message --------------------------------------------------------------------------- */

static bool read_header(struct reader *r, struct dhcp_msg *msg)
{
    uint8_t op = reader_u8(r), htype = reader_u8(r), hlen = reader_u8(r);
    const uint8_t *chaddr;

    (void)reader_u8(r); /* hops */
    msg->is_reply = op == OP_REPLY;
    msg->xid = reader_u32(r);
    msg->secs = reader_u16(r);
    msg->wants_broadcast = reader_u16(r) & FLAG_BROADCAST;
    msg->client_ip = reader_u32(r);
    msg->your_ip = reader_u32(r);
    msg->next_ip = reader_u32(r);
    msg->relay_ip = reader_u32(r);
    chaddr = reader_bytes(r, CHADDR_LEN);
    if (!chaddr || (op != OP_REQUEST && op != OP_REPLY) || htype != HTYPE_ETHERNET ||
        hlen != DHCP_MAC_LEN)
        return false;
    memcpy(msg->mac, chaddr, DHCP_MAC_LEN);
    return true;
}

static void find_areas(struct reader *r, const uint8_t *sname, const uint8_t *file,
                       struct areas *areas)
{
    uint8_t overload = 0;
    struct writer parts;

    *areas = (struct areas){ .count = 1 };
    reader_init(&areas->list[0], r->data + r->pos, reader_left(r));
    writer_init(&parts, &overload, sizeof(overload));
    if (!gather(areas, DHCP_OPTION_OVERLOAD, &parts) || parts.failed)
        return;
    if (overload & OVERLOADS_FILE)
        reader_init(&areas->list[areas->count++], file, FILE_LEN);
    if (overload & OVERLOADS_SNAME)
        reader_init(&areas->list[areas->count++], sname, SNAME_LEN);
}

bool dhcp_read(const uint8_t *data, size_t len, struct dhcp_msg *msg)
{
    uint8_t bytes[DHCP_MSG_MAX];
    const uint8_t *sname, *file;
    struct areas areas;
    struct reader r;

    *msg = (struct dhcp_msg){ 0 };
    reader_init(&r, data, len < DHCP_MSG_MAX ? len : DHCP_MSG_MAX);
    if (!read_header(&r, msg))
        return false;
    sname = reader_bytes(&r, SNAME_LEN);
    file = reader_bytes(&r, FILE_LEN);
    if (reader_u32(&r) != COOKIE || r.failed)
        return false;
    find_areas(&r, sname, file, &areas);
    if (!are_whole(&areas))
        return false;
    for (int i = 0; i < ARRAY_LEN(known); i++) {
        struct reader option;
        struct writer parts;

        writer_init(&parts, bytes, sizeof(bytes));
        if (!gather(&areas, known[i], &parts))
            continue;
        reader_init(&option, bytes, parts.len);
        take(msg, known[i], &option);
    }
    return msg->type != DHCP_TYPE_NONE;
}

/* ---- writing ---------------------------------------------------------------------------------------- */

static void put_bytes(struct writer *w, enum dhcp_option option, const void *data, size_t len)
{
    if (!len)
        return;
    writer_u8(w, (uint8_t)option);
    writer_u8(w, (uint8_t)len);
    writer_bytes(w, data, len);
}

static void put_u32(struct writer *w, enum dhcp_option option, uint32_t value)
{
    if (!value)
        return;
    writer_u8(w, (uint8_t)option);
    writer_u8(w, sizeof(value));
    writer_u32(w, value);
}

static void put_dns(struct writer *w, const struct dhcp_msg *msg)
{
    if (!msg->dns_count)
        return;
    writer_u8(w, DHCP_OPTION_DNS);
    writer_u8(w, (uint8_t)(msg->dns_count * IP_LEN));
    for (size_t i = 0; i < msg->dns_count; i++)
        writer_u32(w, msg->dns[i]);
}

static void put_routes(struct writer *w, const struct dhcp_msg *msg)
{
    uint8_t bytes[DHCP_ROUTES_MAX * ROUTE_LEN_MAX];
    struct writer data;

    writer_init(&data, bytes, sizeof(bytes));
    for (size_t i = 0; i < msg->routes_count; i++) {
        const struct dhcp_route *route = &msg->routes[i];

        writer_u8(&data, (uint8_t)route->prefix_len);
        for (unsigned bit = 0; bit < route->prefix_len; bit += 8)
            writer_u8(&data, (uint8_t)(route->to >> (24 - bit)));
        writer_u32(&data, route->via);
    }
    put_bytes(w, DHCP_OPTION_ROUTES, bytes, data.len);
}

static void put_mtu(struct writer *w, uint16_t mtu)
{
    if (!mtu)
        return;
    writer_u8(w, DHCP_OPTION_MTU);
    writer_u8(w, sizeof(mtu));
    writer_u16(w, mtu);
}

static void put_options(struct writer *w, const struct dhcp_msg *msg)
{
    const uint8_t type = (uint8_t)msg->type;

    put_bytes(w, DHCP_OPTION_TYPE, &type, sizeof(type));
    put_u32(w, DHCP_OPTION_SERVER_ID, msg->server_id);
    put_bytes(w, DHCP_OPTION_CLIENT_ID, msg->client_id.bytes, msg->client_id.len);
    put_u32(w, DHCP_OPTION_REQUESTED_IP, msg->requested_ip);
    put_u32(w, DHCP_OPTION_LEASE, msg->lease_s);
    put_u32(w, DHCP_OPTION_T1, msg->t1_s);
    put_u32(w, DHCP_OPTION_T2, msg->t2_s);
    put_u32(w, DHCP_OPTION_MASK, msg->mask); /* before the router, RFC 2132 3.3 */
    put_u32(w, DHCP_OPTION_BROADCAST, msg->broadcast);
    put_routes(w, msg);
    put_u32(w, DHCP_OPTION_ROUTER, msg->router);
    put_dns(w, msg);
    put_mtu(w, msg->mtu);
    put_bytes(w, DHCP_OPTION_HOSTNAME, msg->hostname, strlen(msg->hostname));
    put_bytes(w, DHCP_OPTION_TEXT, msg->text, strlen(msg->text));
    put_bytes(w, DHCP_OPTION_WANTED, msg->wanted, msg->wanted_count);
    writer_u8(w, DHCP_OPTION_END);
}

size_t dhcp_write(const struct dhcp_msg *msg, uint8_t data[DHCP_MSG_MAX])
{
    static const uint8_t zeros[CHADDR_LEN - DHCP_MAC_LEN + SNAME_LEN + FILE_LEN];
    struct writer w;

    writer_init(&w, data, DHCP_MSG_MAX);
    writer_u8(&w, msg->is_reply ? OP_REPLY : OP_REQUEST);
    writer_u8(&w, HTYPE_ETHERNET);
    writer_u8(&w, DHCP_MAC_LEN);
    writer_u8(&w, 0);
    writer_u32(&w, msg->xid);
    writer_u16(&w, msg->secs);
    writer_u16(&w, msg->wants_broadcast ? FLAG_BROADCAST : 0);
    writer_u32(&w, msg->client_ip);
    writer_u32(&w, msg->your_ip);
    writer_u32(&w, msg->next_ip);
    writer_u32(&w, msg->relay_ip);
    writer_bytes(&w, msg->mac, DHCP_MAC_LEN);
    writer_bytes(&w, zeros, sizeof(zeros));
    writer_u32(&w, COOKIE);
    put_options(&w, msg);
    while (w.len < DHCP_MSG_MIN)
        writer_u8(&w, DHCP_OPTION_PAD);
    assert(!w.failed);
    return w.len;
}
