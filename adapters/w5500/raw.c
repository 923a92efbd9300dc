/* Sockets without a transport: IPRAW carries IP's data, MACRAW (socket 0) whole frames. */
#include <string.h>

#include "adapters/w5500/w5500.h"
#include "adapters/w5500/w5500_priv.h"

#define ETHERNET_LEN   14
#define ETHERTYPE_AT   12
#define ETHERTYPE_IPV6 0x86dd
#define GROUP_BIT      0x01
#define IPRAW_LEN      6 /* before the data: address and length */
#define MACRAW_LEN     2 /* before the frame: length, its own included */

/* ---- IPRAW ------------------------------------------------------------------------------------ */

void w5500_ipraw_send(struct w5500_socket *socket, uint16_t len)
{
    const struct w5500_ip_out out = w5500_ip_out_of(socket, socket->regs[W5500_SN_PROTO]);
    uint16_t set = w5500_get16(socket->regs + W5500_SN_MSSR);
    uint16_t mss = (uint16_t)w5500_ip_data_max(socket->chip);

    mss = set && set < mss ? set : mss;
    for (uint16_t done = 0; done < len;) {
        uint16_t part = len - done < mss ? (uint16_t)(len - done) : mss;

        w5500_mem_tx_get(socket, (uint16_t)(socket->tx_rd + done), w5500_ip_data(socket->chip),
                         part);
        w5500_ip_send(socket->chip, &out, part);
        done = (uint16_t)(done + part);
    }
}

static void deliver(struct w5500_socket *socket, const struct w5500_ip_in *in)
{
    uint8_t header[IPRAW_LEN];

    if (IPRAW_LEN + in->len > w5500_mem_rx_free(socket))
        return;
    w5500_put16(header, (uint16_t)(in->from >> 16));
    w5500_put16(header + 2, (uint16_t)in->from);
    w5500_put16(header + 4, (uint16_t)in->len);
    w5500_mem_rx_put(socket, header, sizeof(header));
    w5500_mem_rx_put(socket, in->data, in->len);
    w5500_irq_raise_socket(socket, W5500_SN_IR_RECV);
}

void w5500_ipraw_in(struct w5500 *chip, const struct w5500_ip_in *in)
{
    for (int n = 0; n < W5500_SOCKETS; n++) {
        struct w5500_socket *socket = &chip->sockets[n];

        if (socket->status == W5500_STATUS_IPRAW && socket->regs[W5500_SN_PROTO] == in->protocol &&
            !w5500_ip_is_group(in->to)) {
            deliver(socket, in);
            return;
        }
    }
}

/* ---- MACRAW ----------------------------------------------------------------------------------- */

static bool passes(const struct w5500_socket *socket, const uint8_t *frame)
{
    static const uint8_t all[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    const struct w5500 *chip = socket->chip;
    bool is_own = memcmp(frame, chip->common + W5500_SHAR, W5500_MAC_LEN) == 0;
    bool is_broadcast = memcmp(frame, all, sizeof(all)) == 0;
    bool is_group = !is_broadcast && frame[0] & GROUP_BIT;
    bool is_v6 = w5500_get16(frame + ETHERTYPE_AT) == ETHERTYPE_IPV6;

    if ((is_broadcast && socket->mode & W5500_SN_MR_BCASTB) ||
        (is_group && socket->mode & W5500_SN_MR_MMB) || (is_v6 && socket->mode & W5500_SN_MR_MIP6B))
        return false;
    if (!(socket->mode & W5500_SN_MR_MFEN))
        return true;
    return is_own || is_broadcast || (is_group && chip->config.quirks.macraw_multicast);
}

void w5500_macraw_in(struct w5500 *chip, const uint8_t *frame, size_t len)
{
    struct w5500_socket *socket = &chip->sockets[0];
    uint8_t header[MACRAW_LEN];

    if (!passes(socket, frame) || MACRAW_LEN + len > w5500_mem_rx_free(socket))
        return;
    w5500_put16(header, (uint16_t)(MACRAW_LEN + len));
    w5500_mem_rx_put(socket, header, sizeof(header));
    w5500_mem_rx_put(socket, frame, len);
    w5500_irq_raise_socket(socket, W5500_SN_IR_RECV);
}

void w5500_macraw_send(struct w5500_socket *socket, uint16_t len)
{
    uint8_t frame[W5500_FRAME_MAX];

    if (len < ETHERNET_LEN || len > W5500_FRAME_MAX) {
        w5500_fault(socket->chip, "MACRAW: SEND of %u bytes, which are no frame", len);
        return;
    }
    w5500_mem_tx_get(socket, socket->tx_rd, frame, len);
    w5500_wire_send(socket->chip, frame, len);
}
