/* UDP (RFC 768) and the magic packet of wake-on-LAN. */
#include <string.h>

#include "adapters/w5500/w5500.h"
#include "adapters/w5500/w5500_priv.h"
#include "emu/checksum.h"

#define HEADER_LEN   8
#define LEN_AT       4
#define SUM_AT       6
#define SUM_OF_ZERO  0xffff /* 0 means that there is none */
#define MAGIC_SYNC   6
#define MAGIC_REPEAT 16
#define MAGIC_LEN    (MAGIC_SYNC + MAGIC_REPEAT * W5500_MAC_LEN)

/* ---- out -------------------------------------------------------------------------------------- */

static uint16_t mss_of(const struct w5500_socket *socket)
{
    uint16_t set = w5500_get16(socket->regs + W5500_SN_MSSR);
    uint16_t most = (uint16_t)(w5500_ip_data_max(socket->chip) - HEADER_LEN);

    return set && set < most ? set : most;
}

static void send_datagram(struct w5500_socket *socket, uint16_t pointer, uint16_t len)
{
    const struct w5500_ip_out out = w5500_ip_out_of(socket, W5500_IP_PROTOCOL_UDP);
    uint8_t *header = w5500_ip_data(socket->chip);
    uint16_t total = (uint16_t)(HEADER_LEN + len), sum;

    memcpy(header, socket->regs + W5500_SN_PORT, 2);
    memcpy(header + 2, socket->regs + W5500_SN_DPORT, 2);
    w5500_put16(header + LEN_AT, total);
    w5500_put16(header + SUM_AT, 0);
    w5500_mem_tx_get(socket, pointer, header + HEADER_LEN, len);
    sum = w5500_ip_sum(w5500_ip_own(socket->chip), out.to, out.protocol, header, total);
    checksum_put(header + SUM_AT, sum ? sum : SUM_OF_ZERO);
    w5500_ip_send(socket->chip, &out, total);
}

/* What is larger than a datagram becomes several, not fragments of one. */
void w5500_udp_send(struct w5500_socket *socket, uint16_t len)
{
    uint16_t mss = mss_of(socket);

    for (uint16_t done = 0; done < len;) {
        uint16_t part = len - done < mss ? (uint16_t)(len - done) : mss;

        send_datagram(socket, (uint16_t)(socket->tx_rd + done), part);
        done = (uint16_t)(done + part);
    }
}

/* ---- in --------------------------------------------------------------------------------------- */

static bool accepts(const struct w5500_socket *socket, const struct w5500_ip_in *in)
{
    bool is_multi = socket->mode & W5500_SN_MR_MULTI;

    if (w5500_ip_is_group(in->to))
        return is_multi && in->to == w5500_get32(socket->regs + W5500_SN_DIPR);
    if (in->is_broadcast)
        return !(socket->mode & W5500_SN_MR_BCASTB);
    return !(is_multi && socket->mode & W5500_SN_MR_UCASTB);
}

static struct w5500_socket *find_socket(struct w5500 *chip, const struct w5500_ip_in *in,
                                        uint16_t port)
{
    for (int n = 0; n < W5500_SOCKETS; n++) {
        struct w5500_socket *socket = &chip->sockets[n];

        if (socket->status == W5500_STATUS_UDP &&
            w5500_get16(socket->regs + W5500_SN_PORT) == port && accepts(socket, in))
            return socket;
    }
    return NULL;
}

/* Six times FF, and our MAC sixteen times; whatever follows is ignored. */
static bool is_magic(const struct w5500 *chip, const uint8_t *data, size_t len)
{
    static const uint8_t sync[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

    if (len < MAGIC_LEN || memcmp(data, sync, MAGIC_SYNC) != 0)
        return false;
    for (int i = 0; i < MAGIC_REPEAT; i++) {
        if (memcmp(data + MAGIC_SYNC + (size_t)i * W5500_MAC_LEN, chip->common + W5500_SHAR,
                   W5500_MAC_LEN) != 0)
            return false;
    }
    return true;
}

/* The whole datagram, or nothing of it. */
static void deliver(struct w5500_socket *socket, const struct w5500_ip_in *in, size_t len)
{
    uint8_t header[HEADER_LEN];

    if (HEADER_LEN + len > w5500_mem_rx_free(socket))
        return;
    w5500_put16(header, (uint16_t)(in->from >> 16));
    w5500_put16(header + 2, (uint16_t)in->from);
    memcpy(header + 4, in->data, 2); /* the sender's port */
    w5500_put16(header + 6, (uint16_t)len);
    w5500_mem_rx_put(socket, header, sizeof(header));
    w5500_mem_rx_put(socket, in->data + HEADER_LEN, len);
    w5500_irq_raise_socket(socket, W5500_SN_IR_RECV);
}

void w5500_udp_in(struct w5500 *chip, const struct w5500_ip_in *in)
{
    struct w5500_socket *socket;
    uint16_t total;

    if (in->len < HEADER_LEN)
        return;
    total = w5500_get16(in->data + LEN_AT);
    if (total < HEADER_LEN || total > in->len ||
        (w5500_get16(in->data + SUM_AT) &&
         w5500_ip_sum(in->from, in->to, in->protocol, in->data, total) != 0))
        return;
    if (chip->common[W5500_MR] & W5500_MR_WOL &&
        is_magic(chip, in->data + HEADER_LEN, total - HEADER_LEN))
        w5500_irq_raise(chip, W5500_IR_MP);
    socket = find_socket(chip, in, w5500_get16(in->data + 2));
    if (socket) {
        deliver(socket, in, total - HEADER_LEN);
    } else if (in->is_own && !chip->config.quirks.no_unreachable) {
        w5500_icmp_send_unreachable(chip, in);
    }
}
