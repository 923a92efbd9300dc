#include "emu/udp_packet.h"

#include "emu/buf.h"
#include "emu/checksum.h"

#define IP_VERSION    4
#define IP_HEADER_LEN 20
#define IP_SUM_AT     10
#define IP_TTL        64
#define IP_DF         0x4000
#define IP_FRAGMENT   0x3fff /* more follow, or it is not the first */
#define PROTOCOL_UDP  17
#define UDP_LEN       8
#define UDP_SUM_AT    (IP_HEADER_LEN + 6)
#define ADDRESSES_LEN 8
#define ADDRESSES_AT  12

/* With the pseudo header of RFC 768. */
static uint16_t udp_sum(const uint8_t *addresses, const uint8_t *udp, size_t len)
{
    uint32_t sum = checksum_add(PROTOCOL_UDP + (uint32_t)len, addresses, ADDRESSES_LEN);

    return checksum_end(checksum_add(sum, udp, len));
}

size_t udp_packet_write(const struct udp_packet *packet, uint8_t *out, size_t cap)
{
    size_t udp_len = UDP_LEN + packet->len;
    struct writer w;
    uint16_t sum;

    if (packet->len > UINT16_MAX - UDP_PACKET_HEADERS || packet->len + UDP_PACKET_HEADERS > cap)
        return 0;
    writer_init(&w, out, cap);
    writer_u8(&w, IP_VERSION << 4 | IP_HEADER_LEN / 4);
    writer_u8(&w, 0);
    writer_u16(&w, (uint16_t)(IP_HEADER_LEN + udp_len));
    writer_u16(&w, 0); /* of no fragments, RFC 6864 */
    writer_u16(&w, IP_DF);
    writer_u8(&w, IP_TTL);
    writer_u8(&w, PROTOCOL_UDP);
    writer_u16(&w, 0);
    writer_u32(&w, packet->from);
    writer_u32(&w, packet->to);
    checksum_put(out + IP_SUM_AT, checksum_end(checksum_add(0, out, IP_HEADER_LEN)));
    writer_u16(&w, packet->from_port);
    writer_u16(&w, packet->to_port);
    writer_u16(&w, (uint16_t)udp_len);
    writer_u16(&w, 0);
    writer_bytes(&w, packet->data, packet->len);
    sum = udp_sum(out + ADDRESSES_AT, out + IP_HEADER_LEN, udp_len);
    checksum_put(out + UDP_SUM_AT, sum ? sum : UINT16_MAX); /* 0 says that there is none */
    return w.len;
}

/* The datagram, once IP's header is behind. */
static bool read_udp(struct reader *r, const uint8_t *addresses, bool is_summed,
                     struct udp_packet *packet)
{
    const uint8_t *udp = r->data + r->pos;
    size_t left = reader_left(r), len;
    uint16_t sum;

    packet->from_port = reader_u16(r);
    packet->to_port = reader_u16(r);
    len = reader_u16(r);
    sum = reader_u16(r);
    if (r->failed || len < UDP_LEN || len > left)
        return false;
    packet->len = len - UDP_LEN;
    packet->data = reader_bytes(r, packet->len);
    return !is_summed || !sum || udp_sum(addresses, udp, len) == 0;
}

bool udp_packet_read(const uint8_t *bytes, size_t len, bool is_summed, struct udp_packet *packet)
{
    size_t header_len, total;
    uint8_t first, protocol;
    uint16_t fragment;
    struct reader r;

    *packet = (struct udp_packet){ 0 };
    reader_init(&r, bytes, len);
    first = reader_u8(&r);
    header_len = (size_t)(first & 0x0f) * 4;
    (void)reader_u8(&r);
    total = reader_u16(&r);
    (void)reader_u16(&r);
    fragment = reader_u16(&r);
    (void)reader_u8(&r);
    protocol = reader_u8(&r);
    (void)reader_u16(&r);
    packet->from = reader_u32(&r);
    packet->to = reader_u32(&r);
    if (r.failed || first >> 4 != IP_VERSION || header_len < IP_HEADER_LEN || total > len ||
        header_len > total || protocol != PROTOCOL_UDP || fragment & IP_FRAGMENT ||
        checksum_end(checksum_add(0, bytes, header_len)) != 0)
        return false;
    reader_init(&r, bytes, total); /* what follows is padding */
    reader_seek(&r, header_len);
    return read_udp(&r, bytes + ADDRESSES_AT, is_summed, packet);
}
