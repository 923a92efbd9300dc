/* Registers are rows; what a register does hangs off its row. */
#include <assert.h>
#include <string.h>

#include "adapters/w5500/w5500.h"
#include "adapters/w5500/w5500_priv.h"
#include "emu/util.h"

#define BLOCK_KIND     3 /* bits of BSB: which of a socket's blocks */
#define BLOCK_IS_REGS  1
#define BLOCK_SHIFT    2
#define VERSION        0x04
#define RESERVED_VALUE 0x00

/* Of a register whose value is not stored but found; @socket is any, of a common one. */
typedef uint64_t value_fn(const struct w5500 *chip, const struct w5500_socket *socket);

/* A byte was written; it is stored already. */
typedef void written_fn(struct w5500 *chip, struct w5500_socket *socket, uint8_t value);

struct row {
    const char *name;
    uint16_t address;
    uint8_t width;
    uint8_t kept; /* bits of each byte that a write leaves alone */
    enum w5500_rights rights;
    uint64_t reset;
    value_fn *value;
    written_fn *written;
};

/* ---- what registers do ---------------------------------------------------------------------- */

static void mr_written(struct w5500 *chip, struct w5500_socket *socket, uint8_t value)
{
    (void)socket;
    if (value & W5500_MR_RST)
        w5500_reset(chip);
    w5500_pppoe_written(chip);
}

static uint64_t sir_value(const struct w5500 *chip, const struct w5500_socket *socket)
{
    (void)socket;
    return w5500_irq_sockets(chip);
}

static void irq_written(struct w5500 *chip, struct w5500_socket *socket, uint8_t value)
{
    (void)socket;
    (void)value;
    w5500_irq_update(chip);
}

static void ir_written(struct w5500 *chip, struct w5500_socket *socket, uint8_t value)
{
    (void)socket;
    if (chip->config.quirks.ir_write0_clears && value == 0)
        chip->common[W5500_IR] = 0;
    w5500_irq_update(chip);
}

static uint64_t phycfgr_value(const struct w5500 *chip, const struct w5500_socket *socket)
{
    (void)socket;
    return w5500_phy_value(chip);
}

static void phycfgr_written(struct w5500 *chip, struct w5500_socket *socket, uint8_t value)
{
    (void)socket;
    (void)value;
    w5500_phy_written(chip);
}

static uint64_t versionr_value(const struct w5500 *chip, const struct w5500_socket *socket)
{
    (void)socket;
    return w5500_is_late(chip) ? 0 : VERSION;
}

static void sn_cr_written(struct w5500 *chip, struct w5500_socket *socket, uint8_t value)
{
    (void)chip;
    if (value)
        w5500_sock_command(socket, value);
}

static uint64_t sn_cr_value(const struct w5500 *chip, const struct w5500_socket *socket)
{
    (void)chip;
    return socket->command;
}

static uint64_t sn_sr_value(const struct w5500 *chip, const struct w5500_socket *socket)
{
    (void)chip;
    return socket->status;
}

static void kpalvtr_written(struct w5500 *chip, struct w5500_socket *socket, uint8_t value)
{
    (void)chip;
    (void)value;
    w5500_tcp_keep_written(socket);
}

static void size_written(struct w5500 *chip, struct w5500_socket *socket, uint8_t value)
{
    w5500_mem_layout(chip);
    if (!w5500_mem_is_size(value)) {
        w5500_fault(chip, "socket %u: a buffer of %u KB; there are 0, 1, 2, 4, 8 and 16",
                    socket->index, value);
    }
}

static uint64_t fsr_value(const struct w5500 *chip, const struct w5500_socket *socket)
{
    (void)chip;
    return w5500_mem_tx_free(socket);
}

static uint64_t tx_rd_value(const struct w5500 *chip, const struct w5500_socket *socket)
{
    (void)chip;
    return socket->tx_rd;
}

static uint64_t rsr_value(const struct w5500 *chip, const struct w5500_socket *socket)
{
    (void)chip;
    return w5500_mem_rx_len(socket);
}

static uint64_t rx_wr_value(const struct w5500 *chip, const struct w5500_socket *socket)
{
    (void)chip;
    return socket->rx_wr;
}

/* ---- the rows ------------------------------------------------------------------------------- */

#define RW     W5500_RIGHTS_RW
#define RO     W5500_RIGHTS_RO
#define W1C    W5500_RIGHTS_W1C
#define SHADOW W5500_RIGHTS_SHADOW

/* clang-format off */
static const struct row common_rows[] = {
    /* name       address     width  kept  rights  reset       value           written */
    { "MR",       W5500_MR,       1, 0x45, RW,     0x00,       NULL,           mr_written },
    { "GAR",      W5500_GAR,      4, 0x00, RW,     0,          NULL,           NULL },
    { "SUBR",     W5500_SUBR,     4, 0x00, RW,     0,          NULL,           NULL },
    { "SHAR",     W5500_SHAR,     6, 0x00, RW,     0,          NULL,           NULL },
    { "SIPR",     W5500_SIPR,     4, 0x00, RW,     0,          NULL,           NULL },
    { "INTLEVEL", W5500_INTLEVEL, 2, 0x00, RW,     0x0000,     NULL,           NULL },
    { "IR",       W5500_IR,       1, 0x0f, W1C,    0x00,       NULL,           ir_written },
    { "IMR",      W5500_IMR,      1, 0x0f, RW,     0x00,       NULL,           irq_written },
    { "SIR",      W5500_SIR,      1, 0xff, RO,     0x00,       sir_value,      NULL },
    { "SIMR",     W5500_SIMR,     1, 0x00, RW,     0x00,       NULL,           irq_written },
    { "RTR",      W5500_RTR,      2, 0x00, RW,     0x07d0,     NULL,           NULL },
    { "RCR",      W5500_RCR,      1, 0x00, RW,     0x08,       NULL,           NULL },
    { "PTIMER",   W5500_PTIMER,   1, 0x00, RW,     0x28,       NULL,           NULL },
    { "PMAGIC",   W5500_PMAGIC,   1, 0x00, RW,     0x00,       NULL,           NULL },
    { "PHAR",     W5500_PHAR,     6, 0x00, RW,     0,          NULL,           NULL },
    { "PSID",     W5500_PSID,     2, 0x00, RW,     0x0000,     NULL,           NULL },
    { "PMRU",     W5500_PMRU,     2, 0x00, RW,     0xffff,     NULL,           NULL },
    { "UIPR",     W5500_UIPR,     4, 0xff, RO,     0,          NULL,           NULL },
    { "UPORTR",   W5500_UPORTR,   2, 0xff, RO,     0x0000,     NULL,           NULL },
    { "PHYCFGR",  W5500_PHYCFGR,  1, 0x07, RW,     0xb8,       phycfgr_value,  phycfgr_written },
    { "VERSIONR", W5500_VERSIONR, 1, 0xff, RO,     VERSION,    versionr_value, NULL },
};

static const struct row socket_rows[] = {
    { "Sn_MR",         W5500_SN_MR,         1, 0x00, RW,     0x00,       NULL,        NULL },
    { "Sn_CR",         W5500_SN_CR,         1, 0xff, RW,     0x00,       sn_cr_value, sn_cr_written },
    { "Sn_IR",         W5500_SN_IR,         1, 0xe0, W1C,    0x00,       NULL,        irq_written },
    { "Sn_SR",         W5500_SN_SR,         1, 0xff, RO,     0x00,       sn_sr_value, NULL },
    { "Sn_PORT",       W5500_SN_PORT,       2, 0x00, RW,     0x0000,     NULL,        NULL },
    { "Sn_DHAR",       W5500_SN_DHAR,       6, 0x00, SHADOW, UINT64_C(0xffffffffffff), NULL, NULL },
    { "Sn_DIPR",       W5500_SN_DIPR,       4, 0x00, SHADOW, 0,          NULL,        NULL },
    { "Sn_DPORT",      W5500_SN_DPORT,      2, 0x00, SHADOW, 0x0000,     NULL,        NULL },
    { "Sn_MSSR",       W5500_SN_MSSR,       2, 0x00, SHADOW, 0x0000,     NULL,        NULL },
    { "Sn_PROTO",      W5500_SN_PROTO,      1, 0x00, RW,     0x00,       NULL,        NULL },
    { "Sn_TOS",        W5500_SN_TOS,        1, 0x00, RW,     0x00,       NULL,        NULL },
    { "Sn_TTL",        W5500_SN_TTL,        1, 0x00, RW,     0x80,       NULL,        NULL },
    { "Sn_RXBUF_SIZE", W5500_SN_RXBUF_SIZE, 1, 0x00, RW,     0x02,       NULL,        size_written },
    { "Sn_TXBUF_SIZE", W5500_SN_TXBUF_SIZE, 1, 0x00, RW,     0x02,       NULL,        size_written },
    { "Sn_TX_FSR",     W5500_SN_TX_FSR,     2, 0xff, RO,     0x0800,     fsr_value,   NULL },
    { "Sn_TX_RD",      W5500_SN_TX_RD,      2, 0xff, RO,     0x0000,     tx_rd_value, NULL },
    { "Sn_TX_WR",      W5500_SN_TX_WR,      2, 0x00, SHADOW, 0x0000,     NULL,        NULL },
    { "Sn_RX_RSR",     W5500_SN_RX_RSR,     2, 0xff, RO,     0x0000,     rsr_value,   NULL },
    { "Sn_RX_RD",      W5500_SN_RX_RD,      2, 0x00, SHADOW, 0x0000,     NULL,        NULL },
    { "Sn_RX_WR",      W5500_SN_RX_WR,      2, 0xff, RO,     0x0000,     rx_wr_value, NULL },
    { "Sn_IMR",        W5500_SN_IMR,        1, 0x00, RW,     0xff,       NULL,        irq_written },
    { "Sn_FRAG",       W5500_SN_FRAG,       2, 0x00, RW,     0x4000,     NULL,        NULL },
    { "Sn_KPALVTR",    W5500_SN_KPALVTR,    1, 0x00, RW,     0x00,       NULL,        kpalvtr_written },
};
/* clang-format on */

static bool is_socket_block(unsigned block)
{
    return (block & BLOCK_KIND) == BLOCK_IS_REGS && block < W5500_BLOCKS;
}

/* The row that has the byte, or NULL. */
static const struct row *find_row(unsigned block, uint16_t address)
{
    bool is_socket = is_socket_block(block);
    const struct row *rows = is_socket ? socket_rows : common_rows;
    int count = is_socket ? ARRAY_LEN(socket_rows) : ARRAY_LEN(common_rows);

    if (!is_socket && block != W5500_BLOCK_COMMON)
        return NULL;
    for (int i = 0; i < count && rows[i].address <= address; i++) {
        if (address < rows[i].address + rows[i].width)
            return &rows[i];
    }
    return NULL;
}

static struct w5500_register to_register(const struct row *row, bool is_socket)
{
    return (struct w5500_register){ .name = row->name,
                                    .is_socket = is_socket,
                                    .address = row->address,
                                    .width = row->width,
                                    .reset = row->reset,
                                    .rights = row->rights };
}

bool w5500_register_get(size_t index, struct w5500_register *reg)
{
    bool is_socket = index >= ARRAY_LEN(common_rows);

    if (index >= ARRAY_LEN(common_rows) + ARRAY_LEN(socket_rows))
        return false;
    *reg = to_register(
        is_socket ? &socket_rows[index - ARRAY_LEN(common_rows)] : &common_rows[index], is_socket);
    return true;
}

bool w5500_register_find(unsigned block, uint16_t address, struct w5500_register *reg)
{
    const struct row *row = find_row(block, address);

    if (row)
        *reg = to_register(row, is_socket_block(block));
    return row;
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static uint8_t byte_of(const struct row *row, uint64_t value, unsigned at)
{
    return (uint8_t)(value >> 8 * (row->width - 1U - at));
}

static void reset_rows(const struct row *rows, int count, uint8_t *regs)
{
    for (int i = 0; i < count; i++) {
        for (unsigned at = 0; at < rows[i].width; at++)
            regs[rows[i].address + at] = byte_of(&rows[i], rows[i].reset, at);
    }
}

/* PHYCFGR is the PHY's, which goes on. */
void w5500_regs_reset(struct w5500 *chip)
{
    uint8_t phycfgr = chip->common[W5500_PHYCFGR];

    memset(chip->common, 0, sizeof(chip->common));
    reset_rows(common_rows, ARRAY_LEN(common_rows), chip->common);
    chip->common[W5500_PHYCFGR] = phycfgr;
    for (int n = 0; n < W5500_SOCKETS; n++) {
        struct w5500_socket *socket = &chip->sockets[n];

        memset(socket->regs, 0, sizeof(socket->regs));
        reset_rows(socket_rows, ARRAY_LEN(socket_rows), socket->regs);
        memcpy(socket->written, socket->regs, sizeof(socket->written));
    }
}

/* The register that has the byte, whole. */
static bool read_row(const struct w5500 *chip, unsigned block, uint16_t address,
                     const struct row **row, uint64_t *value)
{
    bool is_socket = is_socket_block(block);
    const struct w5500_socket *socket = &chip->sockets[is_socket ? block >> BLOCK_SHIFT : 0];
    const uint8_t *regs = is_socket ? socket->regs : chip->common;

    *row = find_row(block, address);
    if (!*row)
        return false;
    if ((*row)->value) {
        *value = (*row)->value(chip, socket);
        return true;
    }
    *value = 0;
    for (unsigned at = 0; at < (*row)->width; at++)
        *value = *value << 8 | regs[(*row)->address + at];
    return true;
}

uint8_t w5500_regs_peek(const struct w5500 *chip, unsigned block, uint16_t address)
{
    const struct row *row;
    uint64_t value;

    if (!read_row(chip, block, address, &row, &value))
        return RESERVED_VALUE;
    return byte_of(row, value, address - row->address);
}

/*
 * The low byte of a number that changes by itself belongs to the high byte that was read before it,
 * in the same frame.
 */
uint8_t w5500_regs_read(struct w5500 *chip, unsigned block, uint16_t address)
{
    struct w5500_spi *spi = &chip->spi;
    const struct row *row;
    uint64_t value;
    uint8_t byte;

    if (!read_row(chip, block, address, &row, &value))
        return RESERVED_VALUE;
    byte = byte_of(row, value, address - row->address);
    if (spi->has_latch && address == spi->latch_address) {
        byte = spi->latch;
        spi->has_latch = false;
    } else if (row->value && row->width == 2 && address == row->address) {
        spi->has_latch = true;
        spi->latch = (uint8_t)value;
        spi->latch_address = (uint16_t)(address + 1);
    }
    return byte;
}

static bool is_shadowed(const struct w5500 *chip, const struct row *row)
{
    const struct w5500_quirks *quirks = &chip->config.quirks;

    if (row->rights != W5500_RIGHTS_SHADOW)
        return false;
    if (row->address == W5500_SN_TX_WR)
        return !quirks->live_tx_wr;
    if (row->address == W5500_SN_RX_RD)
        return !quirks->live_rx_rd;
    return quirks->shadowed_destination;
}

static void blame_for_row(struct w5500 *chip, unsigned block, const struct row *row)
{
    if (is_socket_block(block))
        w5500_fault(chip, "socket %u: a write to %s, which is read-only", block >> BLOCK_SHIFT,
                    row->name);
    else
        w5500_fault(chip, "a write to %s, which is read-only", row->name);
}

static void blame_for_place(struct w5500 *chip, unsigned block, uint16_t address)
{
    if (is_socket_block(block))
        w5500_fault(chip, "socket %u: a write to 0x%04x, which is reserved", block >> BLOCK_SHIFT,
                    address);
    else if (block == W5500_BLOCK_COMMON)
        w5500_fault(chip, "a write to 0x%04x, which is reserved", address);
}

/*
 * Many drivers write a whole block back as they read it, which may have changed since, or one that
 * they have filled in here and there. Of a block that is reserved itself it was told already.
 */
static void blame(struct w5500 *chip, unsigned block, uint16_t address, uint8_t value,
                  const struct row *row)
{
    struct w5500_spi *spi = &chip->spi;
    bool is_burst = row && find_row(block, spi->first) != row;

    if (spi->is_blamed || is_burst || value == w5500_regs_peek(chip, block, address))
        return;
    spi->is_blamed = true;
    if (row)
        blame_for_row(chip, block, row);
    else
        blame_for_place(chip, block, address);
}

void w5500_regs_write(struct w5500 *chip, unsigned block, uint16_t address, uint8_t value)
{
    bool is_socket = is_socket_block(block);
    struct w5500_socket *socket = &chip->sockets[is_socket ? block >> BLOCK_SHIFT : 0];
    uint8_t *regs = is_socket ? socket->regs : chip->common;
    const struct row *row = find_row(block, address);

    if (!row || row->rights == W5500_RIGHTS_RO) {
        blame(chip, block, address, value, row);
        return;
    }
    if (row->rights == W5500_RIGHTS_W1C) {
        regs[address] &= (uint8_t) ~(value & ~row->kept);
    } else if (is_shadowed(chip, row)) {
        socket->written[address] = value;
    } else {
        regs[address] = (uint8_t)((regs[address] & row->kept) | (value & ~row->kept));
        if (is_socket)
            socket->written[address] = regs[address];
    }
    if (row->written)
        row->written(chip, socket, value);
}

/* A command makes what was written to a shadowed register valid. */
void w5500_regs_commit(struct w5500_socket *socket, uint16_t address)
{
    const struct row *row = find_row(W5500_BLOCK_SOCKET(socket->index), address);

    assert(row && row->rights == W5500_RIGHTS_SHADOW);
    memcpy(socket->regs + row->address, socket->written + row->address, row->width);
}

/* The chip itself sets a register that a driver may write. */
void w5500_regs_set(struct w5500_socket *socket, uint16_t address, const void *bytes)
{
    const struct row *row = find_row(W5500_BLOCK_SOCKET(socket->index), address);

    assert(row);
    memcpy(socket->regs + row->address, bytes, row->width);
    memcpy(socket->written + row->address, bytes, row->width);
}
