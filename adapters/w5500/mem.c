/* 16 KB of TX memory and as many of RX, and whose they are. */
#include <string.h>

#include "adapters/w5500/w5500.h"
#include "adapters/w5500/w5500_priv.h"

#define BLOCK_SHIFT 2
#define BLOCK_KIND  0x03
#define KIND_TX     2

/* A part of a memory, which ends in itself. */
struct ring {
    size_t base, size;
};

static struct ring tx_ring(const struct w5500_socket *socket)
{
    return (struct ring){ socket->tx_base, socket->tx_size };
}

static struct ring rx_ring(const struct w5500_socket *socket)
{
    return (struct ring){ socket->rx_base, socket->rx_size };
}

/* ---- layout --------------------------------------------------------------------------------- */

/* 0, 1, 2, 4, 8 or 16 KB; of anything else, what fits into it. */
static size_t size_of(uint8_t kb)
{
    size_t size = W5500_MEMORY;

    if (!kb)
        return 0;
    while (size > (size_t)kb * W5500_KB)
        size /= 2;
    return size;
}

/* More than there is begins again at 0: sockets share bytes, as they must not. */
void w5500_mem_layout(struct w5500 *chip)
{
    size_t tx_sum = 0, rx_sum = 0;

    for (int n = 0; n < W5500_SOCKETS; n++) {
        struct w5500_socket *socket = &chip->sockets[n];

        socket->tx_base = tx_sum % W5500_MEMORY;
        socket->rx_base = rx_sum % W5500_MEMORY;
        socket->tx_size = size_of(socket->regs[W5500_SN_TXBUF_SIZE]);
        socket->rx_size = size_of(socket->regs[W5500_SN_RXBUF_SIZE]);
        tx_sum += socket->tx_size;
        rx_sum += socket->rx_size;
    }
}

size_t w5500_mem_sum(const struct w5500 *chip, uint16_t address)
{
    size_t sum = 0;

    for (int n = 0; n < W5500_SOCKETS; n++)
        sum += size_of(chip->sockets[n].regs[address]);
    return sum;
}

bool w5500_mem_is_size(uint8_t kb)
{
    return size_of(kb) == (size_t)kb * W5500_KB;
}

/* ---- bytes ---------------------------------------------------------------------------------- */

/* How many bytes from @pointer on lie in one piece, *@at. The ring is not empty. */
static size_t run_of(const struct ring *ring, uint16_t pointer, size_t len, size_t *at)
{
    size_t offset = pointer % ring->size, run = ring->size - offset;

    *at = (ring->base + offset) % W5500_MEMORY;
    run = run < W5500_MEMORY - *at ? run : W5500_MEMORY - *at;
    return len < run ? len : run;
}

static void ring_get(const uint8_t *memory, struct ring ring, uint16_t pointer, uint8_t *out,
                     size_t len)
{
    if (!ring.size) {
        memset(out, 0, len);
        return;
    }
    while (len) {
        size_t at, run = run_of(&ring, pointer, len, &at);

        memcpy(out, memory + at, run);
        out += run;
        len -= run;
        pointer = (uint16_t)(pointer + run);
    }
}

static void ring_put(uint8_t *memory, struct ring ring, uint16_t pointer, const uint8_t *bytes,
                     size_t len)
{
    while (len && ring.size) {
        size_t at, run = run_of(&ring, pointer, len, &at);

        memcpy(memory + at, bytes, run);
        bytes += run;
        len -= run;
        pointer = (uint16_t)(pointer + run);
    }
}

void w5500_mem_read(const struct w5500 *chip, unsigned block, uint16_t address, uint8_t *out,
                    size_t len)
{
    const struct w5500_socket *socket = &chip->sockets[block >> BLOCK_SHIFT];
    bool is_tx = (block & BLOCK_KIND) == KIND_TX;

    ring_get(is_tx ? chip->tx : chip->rx, is_tx ? tx_ring(socket) : rx_ring(socket), address, out,
             len);
}

void w5500_mem_write(struct w5500 *chip, unsigned block, uint16_t address, const uint8_t *bytes,
                     size_t len)
{
    const struct w5500_socket *socket = &chip->sockets[block >> BLOCK_SHIFT];
    bool is_tx = (block & BLOCK_KIND) == KIND_TX;

    ring_put(is_tx ? chip->tx : chip->rx, is_tx ? tx_ring(socket) : rx_ring(socket), address, bytes,
             len);
}

void w5500_mem_tx_get(const struct w5500_socket *socket, uint16_t pointer, uint8_t *out, size_t len)
{
    ring_get(socket->chip->tx, tx_ring(socket), pointer, out, len);
}

void w5500_mem_rx_put(struct w5500_socket *socket, const void *bytes, size_t len)
{
    ring_put(socket->chip->rx, rx_ring(socket), socket->rx_wr, bytes, len);
    socket->rx_wr = (uint16_t)(socket->rx_wr + len);
}

/* ---- pointers: all 16 bit, whatever the size; nothing is clamped ------------------------------- */

uint16_t w5500_mem_tx_free(const struct w5500_socket *socket)
{
    uint16_t used = (uint16_t)(w5500_get16(socket->regs + W5500_SN_TX_WR) - socket->tx_ack);

    return (uint16_t)(socket->tx_size - used);
}

uint16_t w5500_mem_rx_len(const struct w5500_socket *socket)
{
    return (uint16_t)(socket->rx_wr - w5500_get16(socket->regs + W5500_SN_RX_RD));
}

size_t w5500_mem_rx_free(const struct w5500_socket *socket)
{
    size_t used = w5500_mem_rx_len(socket);

    return used < socket->rx_size ? socket->rx_size - used : 0;
}
