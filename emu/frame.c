#include "emu/frame.h"

#include <assert.h>
#include <string.h>

#include "emu/buf.h"
#include "emu/checksum.h"
#include "emu/packet.h"

#define ETHERNET_LEN   14
#define ADDRESSES_LEN  (2 * PACKET_MAC_LEN)
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_VLAN 0x8100 /* IEEE 802.1Q */
#define ETHERTYPE_QINQ 0x88a8 /* IEEE 802.1ad */
#define ETHERTYPE_IPV6 0x86dd
#define VLANS_MAX      2
#define EXTENSIONS_MAX 8

#define IPV4_HEADER_LEN 20
#define IPV4_FLAG_DF    0x4000
#define IPV4_OFFSET     0x1fff
#define IPV6_HEADER_LEN 40
#define NIBBLE          4
#define WORD_LEN        4 /* bytes of the unit in which headers give their length */

#define PROTOCOL_HOP    0 /* RFC 8200 4: extension headers */
#define PROTOCOL_ICMP   1
#define PROTOCOL_IGMP   2
#define PROTOCOL_TCP    6
#define PROTOCOL_UDP    17
#define PROTOCOL_ROUTE  43
#define PROTOCOL_PART   44
#define PROTOCOL_ICMPV6 58
#define PROTOCOL_DEST   60
#define PART_OFFSET     0xfff8

#define UDP_HEADER_LEN  8
#define TCP_HEADER_LEN  20
#define TCP_FLAGS_AT    13
#define TCP_CHECKSUM_AT 16
#define ICMP_HEADER_LEN 8

#define ICMP_UNREACHABLE 3 /* RFC 792, with code 4: RFC 1191 */
#define ICMP_CODE_DF     4
#define ICMP_QUOTED_MAX  548  /* RFC 1812 4.3.2.3: 576 bytes in all */
#define ICMPV6_TOO_BIG   2    /* RFC 4443 3.2 */
#define ICMPV6_QUOTED    1232 /* 1280 bytes in all */
#define ICMPV6_MLD       130  /* RFC 2710, RFC 4861: 130 to 137; MLDv2 is 143 */
#define ICMPV6_ND_LAST   137
#define ICMPV6_MLD2      143

#define ANSWER_MTU 1500 /* bytes: no answer is cut into fragments */

/* ---- reading -------------------------------------------------------------------------------- */

static void read_address(struct reader *r, struct endpoint *ep, size_t len)
{
    const uint8_t *bytes = reader_bytes(r, len);

    *ep = (struct endpoint){ .family = len == sizeof(ep->addr) ? IP_FAMILY_V6 : IP_FAMILY_V4 };
    if (bytes)
        memcpy(ep->addr, bytes, len);
}

/* Of what IP carries: the number of the protocol, and whether it is the packet's beginning. */
struct carried {
    uint8_t number;
    bool is_first;
};

static bool read_ipv4(struct frame *frame, struct reader *r, struct carried *carried)
{
    uint8_t version = reader_u8(r);
    size_t header_len = (size_t)(version & 0xf) * WORD_LEN;
    uint16_t part;

    (void)reader_u8(r); /* type of service */
    frame->ip_len = reader_u16(r);
    (void)reader_u16(r); /* identification */
    part = reader_u16(r);
    (void)reader_u8(r); /* time to live */
    carried->number = reader_u8(r);
    (void)reader_u16(r); /* checksum: whoever gets it looks at it */
    read_address(r, &frame->from, 4);
    read_address(r, &frame->to, 4);
    frame->may_fragment = !(part & IPV4_FLAG_DF);
    carried->is_first = !(part & IPV4_OFFSET);
    frame->upper_at = frame->ip_at + header_len;
    return !r->failed && version >> NIBBLE == 4 && header_len >= IPV4_HEADER_LEN &&
           frame->ip_len >= header_len && frame->ip_len <= r->len - frame->ip_at;
}

static bool is_extension(uint8_t number)
{
    return number == PROTOCOL_HOP || number == PROTOCOL_ROUTE || number == PROTOCOL_PART ||
           number == PROTOCOL_DEST;
}

/* RFC 8200 4: a chain of headers, each of which says what the next is; none in later fragments. */
static void skip_extensions(struct reader *r, struct carried *carried)
{
    for (int i = 0; i < EXTENSIONS_MAX && carried->is_first && is_extension(carried->number); i++) {
        bool is_part = carried->number == PROTOCOL_PART;
        uint8_t next = reader_u8(r), len = reader_u8(r);
        uint16_t rest = reader_u16(r);

        (void)reader_u32(r);
        if (is_part) {
            carried->is_first = !(rest & PART_OFFSET);
        } else {
            (void)reader_bytes(r, (size_t)len * 8);
        }
        carried->number = next;
    }
}

static bool read_ipv6(struct frame *frame, struct reader *r, struct carried *carried)
{
    uint32_t version = reader_u32(r);

    frame->ip_len = IPV6_HEADER_LEN + (size_t)reader_u16(r);
    carried->number = reader_u8(r);
    carried->is_first = true;
    (void)reader_u8(r); /* hop limit */
    read_address(r, &frame->from, sizeof(frame->from.addr));
    read_address(r, &frame->to, sizeof(frame->to.addr));
    frame->is_v6 = true;
    if (r->failed || version >> 28 != 6 || frame->ip_len > r->len - frame->ip_at)
        return false;
    r->len = frame->ip_at + frame->ip_len;
    skip_extensions(r, carried);
    frame->upper_at = r->pos;
    return !r->failed;
}

static void read_tcp(struct frame *frame, struct reader *r)
{
    size_t left = frame->ip_at + frame->ip_len - frame->upper_at, header_len;

    frame->from.port = reader_u16(r);
    frame->to.port = reader_u16(r);
    frame->sequence = reader_u32(r);
    frame->acknow = reader_u32(r);
    header_len = (size_t)(reader_u8(r) >> NIBBLE) * WORD_LEN;
    frame->flags = reader_u8(r);
    (void)reader_bytes(r, TCP_HEADER_LEN - TCP_FLAGS_AT - 1);
    frame->has_transport = !r->failed && header_len >= TCP_HEADER_LEN && header_len <= left;
    if (!frame->has_transport)
        return;
    frame->data_at = frame->upper_at + header_len;
    frame->data_len = left - header_len;
}

static void read_udp(struct frame *frame, struct reader *r)
{
    size_t left = frame->ip_at + frame->ip_len - frame->upper_at, len;

    frame->from.port = reader_u16(r);
    frame->to.port = reader_u16(r);
    len = reader_u16(r);
    (void)reader_u16(r);
    frame->has_transport = !r->failed && len >= UDP_HEADER_LEN;
    if (!frame->has_transport)
        return;
    frame->data_at = frame->upper_at + UDP_HEADER_LEN;
    frame->data_len = (len < left ? len : left) - UDP_HEADER_LEN; /* less, of a first fragment */
}

static void read_icmp(struct frame *frame, struct reader *r)
{
    uint8_t type = reader_u8(r);

    (void)reader_bytes(r, ICMP_HEADER_LEN - 1);
    frame->has_transport = !r->failed;
    if (frame->is_v6 && ((type >= ICMPV6_MLD && type <= ICMPV6_ND_LAST) || type == ICMPV6_MLD2))
        frame->protocol = FRAME_PROTOCOL_LINK;
}

static enum frame_protocol protocol_of(const struct frame *frame, uint8_t number)
{
    if (number == PROTOCOL_TCP)
        return FRAME_PROTOCOL_TCP;
    if (number == PROTOCOL_UDP)
        return FRAME_PROTOCOL_UDP;
    if (number == (frame->is_v6 ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP))
        return FRAME_PROTOCOL_ICMP;
    return number == PROTOCOL_IGMP && !frame->is_v6 ? FRAME_PROTOCOL_LINK : FRAME_PROTOCOL_OTHER;
}

static void read_upper(struct frame *frame, struct reader *r, const struct carried *carried)
{
    r->len = frame->ip_at + frame->ip_len;
    reader_seek(r, frame->upper_at);
    frame->protocol = protocol_of(frame, carried->number);
    if (!carried->is_first)
        return;
    switch (frame->protocol) {
    case FRAME_PROTOCOL_TCP:
        read_tcp(frame, r);
        break;
    case FRAME_PROTOCOL_UDP:
        read_udp(frame, r);
        break;
    case FRAME_PROTOCOL_ICMP:
        read_icmp(frame, r);
        break;
    case FRAME_PROTOCOL_OTHER:
    case FRAME_PROTOCOL_LINK:
        break;
    }
}

bool frame_read(struct frame *frame, const uint8_t *bytes, size_t len)
{
    struct carried carried;
    struct reader r;
    uint16_t type;

    *frame = (struct frame){ .bytes = bytes };
    reader_init(&r, bytes, len);
    (void)reader_bytes(&r, ADDRESSES_LEN);
    type = reader_u16(&r);
    for (int i = 0; i < VLANS_MAX && (type == ETHERTYPE_VLAN || type == ETHERTYPE_QINQ); i++) {
        (void)reader_u16(&r);
        type = reader_u16(&r);
    }
    frame->ip_at = r.pos;
    if (r.failed || (type != ETHERTYPE_IPV4 && type != ETHERTYPE_IPV6))
        return false;
    if (!(type == ETHERTYPE_IPV4 ? read_ipv4(frame, &r, &carried) : read_ipv6(frame, &r, &carried)))
        return false;
    read_upper(frame, &r, &carried);
    return true;
}

uint32_t frame_sequence_len(const struct frame *frame)
{
    return (uint32_t)frame->data_len + !!(frame->flags & PACKET_TCP_SYN) +
           !!(frame->flags & PACKET_TCP_FIN);
}

/* ---- writing -------------------------------------------------------------------------------- */

/* The frame's way, or the way back. */
static struct packet_way way_of(const struct frame *frame, bool is_back)
{
    struct packet_way way = { .from = frame->from, .to = frame->to };

    memcpy(way.to_mac, frame->bytes, PACKET_MAC_LEN);
    memcpy(way.from_mac, frame->bytes + PACKET_MAC_LEN, PACKET_MAC_LEN);
    return is_back ? packet_way_back(&way) : way;
}

/* Where packet.h has to write, so that the frame's tags have room; NULL: not all of it has. */
static uint8_t *place_for(const struct frame *frame, size_t upper_len, uint8_t *out, size_t cap)
{
    size_t header_len = frame->is_v6 ? IPV6_HEADER_LEN : IPV4_HEADER_LEN;

    return frame->ip_at + header_len + upper_len <= cap ? out + frame->ip_at - ETHERNET_LEN : NULL;
}

/* What was written there, of @len bytes, becomes a frame at @out, with the tags. */
static size_t add_tags(const struct frame *frame, uint8_t *out, size_t len)
{
    size_t tags_len = frame->ip_at - ETHERNET_LEN;

    memmove(out, out + tags_len, ADDRESSES_LEN);
    memcpy(out + ADDRESSES_LEN, frame->bytes + ADDRESSES_LEN, frame->ip_at - ADDRESSES_LEN);
    return tags_len + len;
}

static void put_u16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* With the pseudo header, RFC 9293 3.1. */
static void put_tcp_sum(const struct frame *frame, uint8_t *upper, size_t len)
{
    uint32_t sum = PROTOCOL_TCP + (uint32_t)len;

    sum = checksum_add(sum, frame->from.addr, endpoint_addr_len(&frame->from));
    sum = checksum_add(sum, frame->to.addr, endpoint_addr_len(&frame->to));
    checksum_put(upper + TCP_CHECKSUM_AT, 0);
    checksum_put(upper + TCP_CHECKSUM_AT, checksum_end(checksum_add(sum, upper, len)));
}

size_t frame_write_cut(const struct frame *frame, size_t data_len, uint8_t *out, size_t cap)
{
    size_t len = frame->data_at + data_len;
    uint8_t *ip = out + frame->ip_at, *upper = out + frame->upper_at;

    assert(frame->protocol == FRAME_PROTOCOL_TCP);
    assert(data_len <= frame->data_len);
    if (!frame->has_transport || len > cap)
        return 0;
    memcpy(out, frame->bytes, len);
    upper[TCP_FLAGS_AT] &= (uint8_t)~PACKET_TCP_FIN;
    if (frame->is_v6) {
        put_u16(ip + 4, len - frame->ip_at - IPV6_HEADER_LEN);
    } else {
        put_u16(ip + 2, len - frame->ip_at);
        checksum_put(ip + 10, 0);
        checksum_put(ip + 10, checksum_end(checksum_add(0, ip, frame->upper_at - frame->ip_at)));
    }
    put_tcp_sum(frame, upper, len - frame->upper_at);
    return len;
}

static size_t write_reset(const struct frame *frame, bool is_back, uint32_t sequence,
                          uint32_t acknow, uint8_t *out, size_t cap)
{
    const struct packet_way way = way_of(frame, is_back);
    const struct packet_tcp reset = { .sequence = sequence,
                                      .acknow = acknow,
                                      .flags = PACKET_TCP_RST | PACKET_TCP_ACK };
    uint8_t *place = place_for(frame, TCP_HEADER_LEN, out, cap);

    return place ? add_tags(frame, out, packet_write_tcp(place, &way, &reset)) : 0;
}

size_t frame_write_reset_on(const struct frame *frame, size_t data_len, uint8_t *out, size_t cap)
{
    return write_reset(frame, false, frame->sequence + (uint32_t)data_len, frame->acknow, out, cap);
}

/* RFC 9293 3.10.7.4: it must carry the number that the sender expects next. */
size_t frame_write_reset_back(const struct frame *frame, uint8_t *out, size_t cap)
{
    return write_reset(frame, true, frame->acknow, frame->sequence + frame_sequence_len(frame), out,
                       cap);
}

/* Nobody is told about errors of errors, fragments or what was for many (RFC 1122 3.2.2). */
static bool may_be_told(const struct frame *frame)
{
    return frame->has_transport && frame->protocol != FRAME_PROTOCOL_ICMP &&
           frame->protocol != FRAME_PROTOCOL_LINK && endpoint_is_unicast(&frame->to) &&
           !(frame->bytes[0] & 1);
}

size_t frame_write_too_big(const struct frame *frame, unsigned mtu, uint8_t *out, size_t cap)
{
    uint8_t message[ICMP_HEADER_LEN + ICMPV6_QUOTED];
    const struct packet_way way = way_of(frame, true);
    size_t quoted_max = frame->is_v6 ? ICMPV6_QUOTED : ICMP_QUOTED_MAX;
    struct writer w;
    uint8_t *place;

    if (!may_be_told(frame))
        return 0;
    writer_init(&w, message, sizeof(message));
    writer_u8(&w, frame->is_v6 ? ICMPV6_TOO_BIG : ICMP_UNREACHABLE);
    writer_u8(&w, frame->is_v6 ? 0 : ICMP_CODE_DF);
    writer_u16(&w, 0);
    writer_u32(&w, mtu); /* of ICMP the upper half is unused, and 0 */
    writer_bytes(&w, frame->bytes + frame->ip_at,
                 frame->ip_len < quoted_max ? frame->ip_len : quoted_max);
    place = place_for(frame, w.len, out, cap);
    return place ? add_tags(frame, out, packet_write_icmp(place, &way, message, w.len)) : 0;
}

size_t frame_write_answer(const struct frame *frame, const uint8_t *data, size_t len, uint8_t *out,
                          size_t cap)
{
    const struct packet_way way = way_of(frame, true);
    struct packet_datagram datagram = { .data = data, .data_len = len, .mtu = ANSWER_MTU };
    uint8_t *place = place_for(frame, UDP_HEADER_LEN + len, out, cap);
    size_t written;

    if (len > FRAME_ANSWER_MAX || !place)
        return 0;
    (void)packet_write_udp(place, &written, &way, &datagram);
    return add_tags(frame, out, written);
}
