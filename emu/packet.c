#include "emu/packet.h"

#include <assert.h>
#include <string.h>

#include "emu/buf.h"
#include "emu/checksum.h"

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd

#define PROTOCOL_ICMP   1
#define PROTOCOL_TCP    6
#define PROTOCOL_UDP    17
#define PROTOCOL_PART   44 /* RFC 8200 4.5 */
#define PROTOCOL_ICMPV6 58

#define ETHERNET_LEN    14
#define IPV4_LEN        20
#define IPV4_VERSION    0x45 /* and the header's length in words */
#define IPV4_DF         0x4000
#define IPV4_MF         0x2000
#define IPV4_SUM_AT     10
#define IPV6_LEN        40
#define IPV6_VERSION    UINT32_C(0x60000000)
#define IPV6_PART_LEN   8
#define IPV6_MORE       1
#define PART_UNIT       8 /* bytes; fragments but the last are multiples of it */
#define UDP_LEN         8
#define TCP_LEN         20
#define TCP_SYN_LEN     28 /* with maximum segment size and window scale */
#define TCP_SUM_AT      16
#define UDP_SUM_AT      6
#define ICMP_SUM_AT     2
#define WORD_LEN        4
#define OPTION_NOP      1
#define OPTION_MSS      2
#define OPTION_MSS_LEN  4
#define OPTION_WS       3
#define OPTION_WS_LEN   3
#define GROUP_V4_TAKEN  3 /* bytes of IPv4's address in a group's MAC, RFC 1112 6.4 */
#define GROUP_V6_TAKEN  4 /* of IPv6's, RFC 2464 7 */
#define IPV6_ADDR_LEN   16
#define MULTICAST_FIRST 224
#define MULTICAST_LAST  239

/* What IP carries: bytes @at to @at + @len of @total, in an IP packet of its own. */
struct part {
    uint8_t protocol;
    size_t at, len, total;
};

static bool is_v6(const struct packet_way *way)
{
    return way->to.family == IP_FAMILY_V6;
}

static bool is_whole(const struct part *part)
{
    return part->len == part->total;
}

struct packet_way packet_way_back(const struct packet_way *way)
{
    struct packet_way back = { .from = way->to, .to = way->from, .id = way->id };

    memcpy(back.from_mac, way->to_mac, PACKET_MAC_LEN);
    memcpy(back.to_mac, way->from_mac, PACKET_MAC_LEN);
    return back;
}

void packet_group_mac(const struct endpoint *to, const uint8_t next[PACKET_MAC_LEN],
                      uint8_t mac[PACKET_MAC_LEN])
{
    static const uint8_t broadcast[] = { 0xff, 0xff, 0xff, 0xff };

    memcpy(mac, next, PACKET_MAC_LEN);
    if (to->family == IP_FAMILY_V6 && to->addr[0] == 0xff) {
        mac[0] = mac[1] = 0x33;
        memcpy(mac + 2, to->addr + IPV6_ADDR_LEN - GROUP_V6_TAKEN, GROUP_V6_TAKEN);
    } else if (to->family == IP_FAMILY_V4 && memcmp(to->addr, broadcast, 4) == 0) {
        memset(mac, 0xff, PACKET_MAC_LEN);
    } else if (to->family == IP_FAMILY_V4 && to->addr[0] >= MULTICAST_FIRST &&
               to->addr[0] <= MULTICAST_LAST) {
        mac[0] = 0x01;
        mac[1] = 0x00;
        mac[2] = 0x5e;
        memcpy(mac + 3, to->addr + 1, GROUP_V4_TAKEN);
        mac[3] &= 0x7f;
    }
}

/* ---- Ethernet and IP ---------------------------------------------------------------------------- */

static void write_ipv4(struct writer *w, const struct packet_way *way, const struct part *part)
{
    uint16_t place = (uint16_t)(part->at / PART_UNIT);
    size_t start = w->len;

    if (part->at + part->len < part->total)
        place |= IPV4_MF;
    if (is_whole(part))
        place = IPV4_DF;
    writer_u8(w, IPV4_VERSION);
    writer_u8(w, 0); /* type of service */
    writer_u16(w, (uint16_t)(IPV4_LEN + part->len));
    writer_u16(w, way->id);
    writer_u16(w, place);
    writer_u8(w, PACKET_TTL);
    writer_u8(w, part->protocol);
    writer_u16(w, 0);
    writer_bytes(w, way->from.addr, 4);
    writer_bytes(w, way->to.addr, 4);
    checksum_put(w->data + start + IPV4_SUM_AT,
                 checksum_end(checksum_add(0, w->data + start, IPV4_LEN)));
}

static void write_ipv6(struct writer *w, const struct packet_way *way, const struct part *part)
{
    bool is_more = part->at + part->len < part->total;

    writer_u32(w, IPV6_VERSION);
    writer_u16(w, (uint16_t)(part->len + (is_whole(part) ? 0 : IPV6_PART_LEN)));
    writer_u8(w, is_whole(part) ? part->protocol : PROTOCOL_PART);
    writer_u8(w, PACKET_TTL);
    writer_bytes(w, way->from.addr, IPV6_ADDR_LEN);
    writer_bytes(w, way->to.addr, IPV6_ADDR_LEN);
    if (is_whole(part))
        return;
    writer_u8(w, part->protocol);
    writer_u8(w, 0); /* reserved */
    writer_u16(w, (uint16_t)(part->at | (is_more ? IPV6_MORE : 0)));
    writer_u32(w, way->id);
}

/* The headers below IP's payload, which the caller appends. */
static void write_lower(struct writer *w, uint8_t *out, const struct packet_way *way,
                        const struct part *part)
{
    assert(way->from.family == way->to.family);
    writer_init(w, out, PACKET_HEADERS_MAX + part->len);
    writer_bytes(w, way->to_mac, PACKET_MAC_LEN);
    writer_bytes(w, way->from_mac, PACKET_MAC_LEN);
    writer_u16(w, is_v6(way) ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4);
    if (is_v6(way)) {
        write_ipv6(w, way, part);
    } else {
        write_ipv4(w, way, part);
    }
}

/* RFC 9293 3.1, RFC 8200 8.1 */
static uint32_t pseudo_sum(const struct packet_way *way, uint8_t protocol, size_t len)
{
    const uint8_t rest[] = { (uint8_t)(len >> 24),
                             (uint8_t)(len >> 16),
                             (uint8_t)(len >> 8),
                             (uint8_t)len,
                             0,
                             0,
                             0,
                             protocol };
    size_t addr_len = endpoint_addr_len(&way->to);
    uint32_t sum = checksum_add(0, way->from.addr, addr_len);

    sum = checksum_add(sum, way->to.addr, addr_len);
    return checksum_add(sum, rest, sizeof(rest));
}

/* ---- what it carries -------------------------------------------------------------------------------- */

size_t packet_write_tcp(uint8_t *out, const struct packet_way *way, const struct packet_tcp *tcp)
{
    size_t header_len = tcp->mss ? TCP_SYN_LEN : TCP_LEN;
    struct part part = { .protocol = PROTOCOL_TCP, .len = header_len + tcp->data_len };
    struct writer w;
    uint8_t *start;

    assert(tcp->data_len <= PACKET_TCP_DATA_MAX);
    part.total = part.len;
    write_lower(&w, out, way, &part);
    start = out + w.len;
    writer_u16(&w, way->from.port);
    writer_u16(&w, way->to.port);
    writer_u32(&w, tcp->sequence);
    writer_u32(&w, tcp->acknow);
    writer_u8(&w, (uint8_t)(header_len / WORD_LEN << 4));
    writer_u8(&w, tcp->flags);
    writer_u16(&w, tcp->window);
    writer_u32(&w, 0); /* checksum, urgent pointer */
    if (tcp->mss) {
        writer_u8(&w, OPTION_MSS);
        writer_u8(&w, OPTION_MSS_LEN);
        writer_u16(&w, tcp->mss);
        writer_u8(&w, OPTION_NOP);
        writer_u8(&w, OPTION_WS);
        writer_u8(&w, OPTION_WS_LEN);
        writer_u8(&w, tcp->scale);
    }
    writer_bytes(&w, tcp->data, tcp->data_len);
    assert(!w.failed);
    checksum_put(
        start + TCP_SUM_AT,
        checksum_end(checksum_add(pseudo_sum(way, PROTOCOL_TCP, part.len), start, part.len)));
    return w.len;
}

static uint16_t udp_sum(const struct packet_way *way, const uint8_t header[UDP_LEN],
                        const struct packet_datagram *datagram)
{
    size_t len = UDP_LEN + datagram->data_len;
    uint32_t sum = checksum_add(pseudo_sum(way, PROTOCOL_UDP, len), header, UDP_LEN);
    uint16_t value = checksum_end(checksum_add(sum, datagram->data, datagram->data_len));

    return value ? value : 0xffff; /* RFC 768: 0 means that there is none */
}

/* The next fragment, and how much of the datagram it holds. */
static struct part next_part(const struct packet_way *way, const struct packet_datagram *datagram)
{
    size_t lower = is_v6(way) ? IPV6_LEN : IPV4_LEN;
    struct part part = { .protocol = PROTOCOL_UDP,
                         .at = datagram->done,
                         .total = UDP_LEN + datagram->data_len };
    size_t room;

    part.len = part.total - part.at;
    if (part.total <= datagram->mtu - lower)
        return part;
    room = (datagram->mtu - lower - (is_v6(way) ? IPV6_PART_LEN : 0)) / PART_UNIT * PART_UNIT;
    part.len = part.len < room ? part.len : room;
    return part;
}

bool packet_write_udp(uint8_t *out, size_t *len, const struct packet_way *way,
                      struct packet_datagram *datagram)
{
    struct part part;
    struct writer w;
    size_t header_len = datagram->done ? 0 : UDP_LEN;

    assert(datagram->data_len <= PACKET_UDP_DATA_MAX);
    assert(datagram->mtu >= 576);
    if (datagram->is_over)
        return false;
    part = next_part(way, datagram);
    write_lower(&w, out, way, &part);
    if (header_len) {
        uint8_t *start = out + w.len;

        writer_u16(&w, way->from.port);
        writer_u16(&w, way->to.port);
        writer_u16(&w, (uint16_t)part.total);
        writer_u16(&w, 0);
        checksum_put(start + UDP_SUM_AT, udp_sum(way, start, datagram));
    }
    if (part.len > header_len)
        writer_bytes(&w, datagram->data + part.at + header_len - UDP_LEN, part.len - header_len);
    assert(!w.failed);
    datagram->done = part.at + part.len;
    datagram->is_over = datagram->done == part.total;
    *len = w.len;
    return true;
}

size_t packet_write_icmp(uint8_t *out, const struct packet_way *way, const uint8_t *message,
                         size_t len)
{
    struct part part = { .protocol = is_v6(way) ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP,
                         .len = len,
                         .total = len };
    uint32_t sum = is_v6(way) ? pseudo_sum(way, part.protocol, len) : 0;
    struct writer w;
    uint8_t *start;

    assert(len > ICMP_SUM_AT + 1);
    write_lower(&w, out, way, &part);
    start = out + w.len;
    writer_bytes(&w, message, len);
    assert(!w.failed);
    checksum_put(start + ICMP_SUM_AT, 0);
    checksum_put(start + ICMP_SUM_AT, checksum_end(checksum_add(sum, start, len)));
    return w.len;
}
