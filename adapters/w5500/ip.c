/*
 * IPv4 (RFC 791) as the chip does it: options of others are skipped, fragments neither made nor put
 * together.
 */
#include <assert.h>
#include <string.h>

#include "adapters/w5500/w5500.h"
#include "adapters/w5500/w5500_priv.h"
#include "emu/buf.h"
#include "emu/checksum.h"

#define ETHERNET_LEN   14
#define ETHERTYPE_IPV4 0x0800
#define HEADER_LEN     20
#define VERSION        4
#define NIBBLE         4
#define WORD_LEN       4
#define SUM_AT         10
#define FRAGMENT       0x3fff     /* more follow, or it is not the first */
#define ROUTER_ALERT   0x94040000 /* RFC 2113 */
#define DATA_AT        (ETHERNET_LEN + HEADER_LEN)

uint32_t w5500_ip_own(const struct w5500 *chip)
{
    return w5500_get32(chip->common + W5500_SIPR);
}

bool w5500_ip_is_broadcast(const struct w5500 *chip, uint32_t ip)
{
    uint32_t own = w5500_ip_own(chip), mask = w5500_get32(chip->common + W5500_SUBR);

    return ip == W5500_IP_BROADCAST ||
           (own && mask && ~mask && ((ip ^ own) & mask) == 0 && (ip | mask) == W5500_IP_BROADCAST);
}

uint16_t w5500_ip_sum(uint32_t from, uint32_t to, uint8_t protocol, const uint8_t *data, size_t len)
{
    uint8_t pseudo[12];
    struct writer w;

    writer_init(&w, pseudo, sizeof(pseudo));
    writer_u32(&w, from);
    writer_u32(&w, to);
    writer_u8(&w, 0);
    writer_u8(&w, protocol);
    writer_u16(&w, (uint16_t)len);
    return checksum_end(checksum_add(checksum_add(0, pseudo, sizeof(pseudo)), data, len));
}

/* ---- out -------------------------------------------------------------------------------------- */

struct w5500_ip_out w5500_ip_out_of(const struct w5500_socket *socket, uint8_t protocol)
{
    const uint8_t *regs = socket->regs;

    return (struct w5500_ip_out){ .mac = regs + W5500_SN_DHAR,
                                  .to = w5500_get32(regs + W5500_SN_DIPR),
                                  .protocol = protocol,
                                  .tos = regs[W5500_SN_TOS],
                                  .ttl = regs[W5500_SN_TTL],
                                  .frag = w5500_get16(regs + W5500_SN_FRAG) };
}

uint8_t *w5500_ip_data(struct w5500 *chip)
{
    return chip->wire.out + DATA_AT;
}

size_t w5500_ip_data_max(const struct w5500 *chip)
{
    return W5500_IP_DATA_MAX - (w5500_pppoe_is_on(chip) ? W5500_PPPOE_LEN : 0);
}

/* What is below IP, for @len bytes of it. */
static void write_lower(struct w5500 *chip, const struct w5500_ip_out *out, size_t len)
{
    static const uint8_t broadcast[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    struct writer w;

    if (w5500_pppoe_is_on(chip)) {
        (void)w5500_pppoe_begin(chip, chip->wire.out, W5500_PPPOE_IPV4, len);
        return;
    }
    writer_init(&w, chip->wire.out, ETHERNET_LEN);
    writer_bytes(&w, w5500_ip_is_broadcast(chip, out->to) ? broadcast : out->mac, W5500_MAC_LEN);
    writer_bytes(&w, chip->common + W5500_SHAR, W5500_MAC_LEN);
    writer_u16(&w, ETHERTYPE_IPV4);
}

void w5500_ip_send(struct w5500 *chip, const struct w5500_ip_out *out, size_t len)
{
    size_t header_len = HEADER_LEN + (out->has_alert ? WORD_LEN : 0);
    size_t at = ETHERNET_LEN + (w5500_pppoe_is_on(chip) ? W5500_PPPOE_LEN : 0);
    uint8_t *frame = chip->wire.out;
    struct writer w;

    assert(header_len - HEADER_LEN + len <= w5500_ip_data_max(chip));
    memmove(frame + at + header_len, frame + DATA_AT, len);
    write_lower(chip, out, header_len + len);
    writer_init(&w, frame + at, header_len);
    writer_u8(&w, (uint8_t)(VERSION << NIBBLE | header_len / WORD_LEN));
    writer_u8(&w, out->tos);
    writer_u16(&w, (uint16_t)(header_len + len));
    writer_u16(&w, chip->ip_id++);
    writer_u16(&w, out->frag);
    writer_u8(&w, out->ttl);
    writer_u8(&w, out->protocol);
    writer_u16(&w, 0);
    writer_bytes(&w, chip->common + W5500_SIPR, 4);
    writer_u32(&w, out->to);
    if (out->has_alert)
        writer_u32(&w, ROUTER_ALERT);
    checksum_put(w.data + SUM_AT, checksum_end(checksum_add(0, w.data, header_len)));
    w5500_wire_send(chip, frame, at + header_len + len);
}

/* ---- in --------------------------------------------------------------------------------------- */

static bool read_header(const uint8_t *frame, size_t len, struct w5500_ip_in *in)
{
    struct reader r;
    uint16_t total, fragment;
    uint8_t version;

    reader_init(&r, frame, len);
    (void)reader_bytes(&r, W5500_MAC_LEN);
    in->mac = reader_bytes(&r, W5500_MAC_LEN);
    (void)reader_u16(&r);
    in->header = frame + ETHERNET_LEN;
    version = reader_u8(&r);
    (void)reader_u8(&r); /* type of service */
    total = reader_u16(&r);
    (void)reader_u16(&r); /* identification */
    fragment = reader_u16(&r);
    (void)reader_u8(&r); /* time to live */
    in->protocol = reader_u8(&r);
    (void)reader_u16(&r); /* checksum */
    in->from = reader_u32(&r);
    in->to = reader_u32(&r);
    in->header_len = (size_t)(version & 0xf) * WORD_LEN;
    if (r.failed || version >> NIBBLE != VERSION || in->header_len < HEADER_LEN ||
        total < in->header_len || total > len - ETHERNET_LEN || fragment & FRAGMENT)
        return false;
    in->data = in->header + in->header_len;
    in->len = total - in->header_len;
    return checksum_end(checksum_add(0, in->header, in->header_len)) == 0;
}

/* Without an address of its own the chip takes what comes to its MAC: DHCP needs that. */
static bool is_for_us(const struct w5500 *chip, const uint8_t *frame, struct w5500_ip_in *in)
{
    uint32_t own = w5500_ip_own(chip);
    bool is_to_mac = memcmp(frame, chip->common + W5500_SHAR, W5500_MAC_LEN) == 0;

    in->is_own = own && in->to == own;
    in->is_unicast = in->is_own || (!own && is_to_mac && !w5500_ip_is_group(in->to) &&
                                    in->to != W5500_IP_BROADCAST);
    in->is_broadcast = w5500_ip_is_broadcast(chip, in->to);
    return in->is_unicast || in->is_broadcast || w5500_ip_is_group(in->to);
}

void w5500_ip_in(struct w5500 *chip, const uint8_t *frame, size_t len)
{
    struct w5500_ip_in in = { 0 };

    if (!read_header(frame, len, &in) || !is_for_us(chip, frame, &in))
        return;
    switch (in.protocol) {
    case W5500_IP_PROTOCOL_TCP:
        if (in.is_unicast)
            w5500_tcp_in(chip, &in);
        break;
    case W5500_IP_PROTOCOL_UDP:
        w5500_udp_in(chip, &in);
        break;
    case W5500_IP_PROTOCOL_ICMP:
        w5500_icmp_in(chip, &in);
        w5500_ipraw_in(chip, &in);
        break;
    case W5500_IP_PROTOCOL_IGMP:
        w5500_igmp_in(chip, &in);
        w5500_ipraw_in(chip, &in);
        break;
    default:
        w5500_ipraw_in(chip, &in);
        break;
    }
}
