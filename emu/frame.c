#include "emu/frame.h"

#include <assert.h>
#include <string.h>

#include "emu/buf.h"

#define MAC_LEN        6
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_VLAN 0x8100 /* IEEE 802.1Q */
#define ETHERTYPE_QINQ 0x88a8 /* IEEE 802.1ad */
#define ETHERTYPE_IPV6 0x86dd
#define VLANS_MAX      2
#define EXTENSIONS_MAX 8

#define IPV4_HEADER_LEN 20
#define IPV4_FLAG_DF    0x4000
#define IPV4_FLAG_MF    0x2000
#define IPV4_OFFSET     0x1fff
#define IPV6_HEADER_LEN 40
#define TTL             64
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
#define TCP_OFFSET_AT   12 /* of the header's own length, and flags behind it */
#define TCP_FLAGS_AT    13
#define TCP_CHECKSUM_AT 16
#define UDP_CHECKSUM_AT 6
#define ICMP_HEADER_LEN 8
#define ICMP_SUM_AT     2

#define ICMP_UNREACHABLE 3 /* RFC 792, with code 4: RFC 1191 */
#define ICMP_CODE_DF     4
#define ICMP_QUOTED_MAX  548  /* RFC 1812 4.3.2.3: 576 bytes in all */
#define ICMPV6_TOO_BIG   2    /* RFC 4443 3.2 */
#define ICMPV6_QUOTED    1232 /* 1280 bytes in all */
#define ICMPV6_MLD       130  /* RFC 2710, RFC 4861: 130 to 137; MLDv2 is 143 */
#define ICMPV6_ND_LAST   137
#define ICMPV6_MLD2      143

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

/* RFC 8200 4: a chain of headers, each of which says what the next is. */
static void skip_extensions(struct reader *r, struct carried *carried)
{
    for (int i = 0; i < EXTENSIONS_MAX && is_extension(carried->number); i++) {
        bool is_part = carried->number == PROTOCOL_PART;
        uint8_t next = reader_u8(r), len = reader_u8(r);
        uint16_t rest = reader_u16(r);

        (void)reader_u32(r);
        if (is_part)
            carried->is_first = carried->is_first && !(rest & PART_OFFSET);
        else
            (void)reader_bytes(r, (size_t)len * 8);
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
    (void)reader_bytes(&r, 2 * MAC_LEN);
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
    return (uint32_t)frame->data_len + !!(frame->flags & FRAME_TCP_SYN) +
           !!(frame->flags & FRAME_TCP_FIN);
}

/* ---- checksums (RFC 1071) ------------------------------------------------------------------- */

static uint32_t add(uint32_t sum, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
    return sum;
}

static void put_sum(uint8_t *at, uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    at[0] = (uint8_t)(~sum >> 8);
    at[1] = (uint8_t)~sum;
}

static void put_u16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* The sum over @upper with the pseudo header, whose own field holds 0. */
static uint32_t sum_upper(const struct endpoint *from, const struct endpoint *to, uint8_t number,
                          const uint8_t *upper, size_t len)
{
    uint32_t sum = add(0, from->addr, endpoint_addr_len(from));

    sum = add(sum, to->addr, endpoint_addr_len(to));
    return add(sum + number + (uint32_t)len, upper, len);
}

static void put_upper_sum(const struct endpoint *from, const struct endpoint *to, uint8_t number,
                          uint8_t *upper, size_t len)
{
    size_t at = number == PROTOCOL_TCP   ? TCP_CHECKSUM_AT
                : number == PROTOCOL_UDP ? UDP_CHECKSUM_AT
                                         : ICMP_SUM_AT;

    put_u16(upper + at, 0);
    if (number == PROTOCOL_ICMP) /* has no pseudo header */
        put_sum(upper + at, add(0, upper, len));
    else
        put_sum(upper + at, sum_upper(from, to, number, upper, len));
    if (number == PROTOCOL_UDP && !upper[at] && !upper[at + 1])
        put_u16(upper + at, 0xffff); /* RFC 768: 0 means that there is none */
}

/* ---- writing -------------------------------------------------------------------------------- */

/* A packet that is made up. */
struct packet {
    const struct endpoint *from, *to;
    bool is_back; /* against the frame's direction */
    uint8_t number;
    const uint8_t *upper;
    size_t upper_len;
};

static void write_link(const struct frame *frame, bool is_back, struct writer *w)
{
    const uint8_t *to = frame->bytes, *from = frame->bytes + MAC_LEN;

    writer_bytes(w, is_back ? from : to, MAC_LEN);
    writer_bytes(w, is_back ? to : from, MAC_LEN);
    writer_bytes(w, frame->bytes + 2 * MAC_LEN, frame->ip_at - 2 * MAC_LEN);
}

static void write_ip(const struct frame *frame, const struct packet *packet, struct writer *w)
{
    size_t at = w->len, addr_len = endpoint_addr_len(packet->from);

    if (frame->is_v6) {
        writer_u32(w, UINT32_C(6) << 28);
        writer_u16(w, (uint16_t)packet->upper_len);
        writer_u8(w, packet->number);
        writer_u8(w, TTL);
    } else {
        writer_u16(w, 0x4500);
        writer_u16(w, (uint16_t)(IPV4_HEADER_LEN + packet->upper_len));
        writer_u16(w, 0);
        writer_u16(w, IPV4_FLAG_DF);
        writer_u8(w, TTL);
        writer_u8(w, packet->number);
        writer_u16(w, 0);
    }
    writer_bytes(w, packet->from->addr, addr_len);
    writer_bytes(w, packet->to->addr, addr_len);
    if (!frame->is_v6 && !w->failed)
        put_sum(w->data + at + 10, add(0, w->data + at, IPV4_HEADER_LEN));
}

/* All of it, with its checksums. */
static size_t write_packet(const struct frame *frame, const struct packet *packet, uint8_t *out,
                           size_t cap)
{
    struct writer w;
    size_t upper_at;

    if (packet->upper_len > UINT16_MAX - IPV4_HEADER_LEN)
        return 0;
    writer_init(&w, out, cap);
    write_link(frame, packet->is_back, &w);
    write_ip(frame, packet, &w);
    upper_at = w.len;
    writer_bytes(&w, packet->upper, packet->upper_len);
    if (w.failed)
        return 0;
    put_upper_sum(packet->from, packet->to, packet->number, out + upper_at, packet->upper_len);
    return w.len;
}

size_t frame_write_cut(const struct frame *frame, size_t data_len, uint8_t *out, size_t cap)
{
    size_t len = frame->data_at + data_len, upper_len = len - frame->upper_at;
    uint8_t *ip = out + frame->ip_at, *upper = out + frame->upper_at;

    assert(frame->protocol == FRAME_PROTOCOL_TCP);
    assert(data_len <= frame->data_len);
    if (!frame->has_transport || len > cap)
        return 0;
    memcpy(out, frame->bytes, len);
    upper[TCP_FLAGS_AT] &= (uint8_t)~FRAME_TCP_FIN;
    if (frame->is_v6) {
        put_u16(ip + 4, len - frame->ip_at - IPV6_HEADER_LEN);
    } else {
        put_u16(ip + 2, len - frame->ip_at);
        put_u16(ip + 10, 0);
        put_sum(ip + 10, add(0, ip, frame->upper_at - frame->ip_at));
    }
    put_upper_sum(&frame->from, &frame->to, PROTOCOL_TCP, upper, upper_len);
    return len;
}

static void write_reset(struct writer *w, const struct endpoint *from, const struct endpoint *to,
                        uint32_t sequence, uint32_t acknow)
{
    writer_u16(w, from->port);
    writer_u16(w, to->port);
    writer_u32(w, sequence);
    writer_u32(w, acknow);
    writer_u16(w, TCP_HEADER_LEN / WORD_LEN << 12 | FRAME_TCP_RST | FRAME_TCP_ACK);
    writer_u16(w, 0); /* window */
    writer_u16(w, 0); /* checksum */
    writer_u16(w, 0); /* urgent pointer */
}

size_t frame_write_reset_on(const struct frame *frame, size_t data_len, uint8_t *out, size_t cap)
{
    uint8_t upper[TCP_HEADER_LEN];
    const struct packet packet = { .from = &frame->from,
                                   .to = &frame->to,
                                   .number = PROTOCOL_TCP,
                                   .upper = upper,
                                   .upper_len = sizeof(upper) };
    struct writer w;

    writer_init(&w, upper, sizeof(upper));
    write_reset(&w, &frame->from, &frame->to, frame->sequence + (uint32_t)data_len, frame->acknow);
    return write_packet(frame, &packet, out, cap);
}

/* RFC 9293 3.10.7.4: it must carry the number that the sender expects next. */
size_t frame_write_reset_back(const struct frame *frame, uint8_t *out, size_t cap)
{
    uint8_t upper[TCP_HEADER_LEN];
    const struct packet packet = { .from = &frame->to,
                                   .to = &frame->from,
                                   .is_back = true,
                                   .number = PROTOCOL_TCP,
                                   .upper = upper,
                                   .upper_len = sizeof(upper) };
    struct writer w;

    writer_init(&w, upper, sizeof(upper));
    write_reset(&w, &frame->to, &frame->from, frame->acknow,
                frame->sequence + frame_sequence_len(frame));
    return write_packet(frame, &packet, out, cap);
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
    uint8_t upper[ICMP_HEADER_LEN + ICMPV6_QUOTED];
    size_t quoted_max = frame->is_v6 ? ICMPV6_QUOTED : ICMP_QUOTED_MAX;
    struct packet packet = { .from = &frame->to,
                             .to = &frame->from,
                             .is_back = true,
                             .number = frame->is_v6 ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP,
                             .upper = upper };
    struct writer w;

    if (!may_be_told(frame))
        return 0;
    writer_init(&w, upper, sizeof(upper));
    writer_u8(&w, frame->is_v6 ? ICMPV6_TOO_BIG : ICMP_UNREACHABLE);
    writer_u8(&w, frame->is_v6 ? 0 : ICMP_CODE_DF);
    writer_u16(&w, 0);
    writer_u32(&w, mtu); /* of ICMP the upper half is unused, and 0 */
    writer_bytes(&w, frame->bytes + frame->ip_at,
                 frame->ip_len < quoted_max ? frame->ip_len : quoted_max);
    packet.upper_len = w.len;
    return write_packet(frame, &packet, out, cap);
}

size_t frame_write_answer(const struct frame *frame, const uint8_t *data, size_t len, uint8_t *out,
                          size_t cap)
{
    uint8_t upper[UDP_HEADER_LEN + 512];
    const struct packet packet = { .from = &frame->to,
                                   .to = &frame->from,
                                   .is_back = true,
                                   .number = PROTOCOL_UDP,
                                   .upper = upper,
                                   .upper_len = UDP_HEADER_LEN + len };
    struct writer w;

    writer_init(&w, upper, sizeof(upper));
    writer_u16(&w, frame->to.port);
    writer_u16(&w, frame->from.port);
    writer_u16(&w, (uint16_t)(UDP_HEADER_LEN + len));
    writer_u16(&w, 0);
    writer_bytes(&w, data, len);
    return w.failed ? 0 : write_packet(frame, &packet, out, cap);
}
