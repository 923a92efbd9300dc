#include "adapters/w5500/w5500.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/w5500/w5500_priv.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define FAULT_MAX   160
#define RSTN_LOW_US 500  /* datasheet 5.5.1: at least */
#define PLL_LOCK_US 1000 /* from RSTn high to the first access */
#define LATE_US     2000 /* quirk version_late */
#define US_PER_MS   1000

#define QUIRK(field, text)                                                             \
    {                                                                                  \
        .name = #field, .what = (text), .offset = offsetof(struct w5500_quirks, field) \
    }

static const struct w5500_quirk quirks[] = {
    QUIRK(sendok_acked, "TCP: SENDOK when the peer has acknowledged, not when it is sent"),
    QUIRK(recv_relatch, "RECV is set again by a RECV command that leaves bytes"),
    QUIRK(live_tx_wr, "Sn_TX_WR reads back before SEND"),
    QUIRK(live_rx_rd, "Sn_RX_RD reads back before RECV"),
    QUIRK(shadowed_destination,
          "Sn_DHAR, Sn_DIPR, Sn_DPORT, Sn_MSSR read back after a command only"),
    QUIRK(zero_tx_base, "TCP's TX pointers are 0 after CONNECT, not random"),
    QUIRK(ir_write0_clears, "writing 0 to IR clears it"),
    QUIRK(version_late, "VERSIONR reads 0 for 2 ms after a reset"),
    QUIRK(sendok_without_link, "SEND completes with the cable out, instead of hanging"),
    QUIRK(no_unreachable, "no ICMP answer to UDP for a closed port"),
    QUIRK(macraw_multicast, "MFEN lets multicast frames through, unless MMB is set"),
};

const struct w5500_quirk *w5500_quirk_get(size_t index)
{
    return index < ARRAY_LEN(quirks) ? &quirks[index] : NULL;
}

bool w5500_quirk_set(struct w5500_quirks *set, const char *name, bool value)
{
    for (int i = 0; i < ARRAY_LEN(quirks); i++) {
        if (strcmp(name, quirks[i].name) == 0) {
            *(bool *)((char *)set + quirks[i].offset) = value;
            return true;
        }
    }
    return false;
}

void w5500_fault(struct w5500 *chip, const char *format, ...)
{
    char text[FAULT_MAX];
    va_list args;

    if (!chip->config.on_fault)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    chip->config.on_fault(chip->config.ctx, format, text);
}

/* ---- reset ---------------------------------------------------------------------------------- */

void w5500_reset(struct w5500 *chip)
{
    chip->reset_us = chip->config.clock->now_us;
    w5500_sock_reset(chip);
    w5500_regs_reset(chip);
    w5500_mem_layout(chip);
    w5500_irq_reset(chip);
    w5500_wire_reset(chip);
    w5500_pppoe_written(chip);
}

bool w5500_is_late(const struct w5500 *chip)
{
    return chip->config.quirks.version_late &&
           chip->config.clock->now_us - chip->reset_us < LATE_US;
}

static void set_reset(struct w5500 *chip, bool level)
{
    uint64_t held_us = chip->config.clock->now_us - chip->reset_us;

    if (chip->is_running == level)
        return;
    chip->is_running = level;
    w5500_reset(chip);
    w5500_spi_reset(chip);
    if (level) {
        if (held_us < RSTN_LOW_US) {
            w5500_fault(chip, "RSTn was low for %u us; it needs %d", (unsigned)held_us,
                        RSTN_LOW_US);
        }
        chip->is_locking = true;
        w5500_phy_start(chip);
    } else {
        w5500_phy_reset(chip);
    }
    w5500_pins_changed(chip);
}

void w5500_selected(struct w5500 *chip)
{
    if (!chip->is_running)
        w5500_fault(chip, "SPI while RSTn is low: the chip does not answer");
    if (!chip->is_locking || !chip->is_running)
        return;
    chip->is_locking = false;
    if (chip->config.clock->now_us - chip->reset_us < PLL_LOCK_US) {
        w5500_fault(chip, "SPI within %d ms of RSTn: the PLL has not locked",
                    PLL_LOCK_US / US_PER_MS);
    }
}

/* ---- pins ----------------------------------------------------------------------------------- */

void w5500_pins_changed(struct w5500 *chip)
{
    if (chip->config.on_pins)
        chip->config.on_pins(chip->config.ctx);
}

void w5500_pin_set(struct w5500 *chip, enum w5500_pin pin, bool level)
{
    unsigned bit = pin >= W5500_PIN_PMODE0 ? 1U << (pin - W5500_PIN_PMODE0) : 0;

    switch (pin) {
    case W5500_PIN_RSTN:
        set_reset(chip, level);
        break;
    case W5500_PIN_PMODE0:
    case W5500_PIN_PMODE1:
    case W5500_PIN_PMODE2:
        chip->phy.pmode = level ? chip->phy.pmode | bit : chip->phy.pmode & ~bit;
        break;
    case W5500_PIN_CABLE:
        w5500_phy_plug(chip, level);
        break;
    }
}

unsigned w5500_pins(const struct w5500 *chip)
{
    return (chip->irq.is_low ? 0 : W5500_PINS_INTN) | (chip->is_running ? W5500_PINS_RSTN : 0) |
           (chip->phy.is_linked ? 0 : W5500_PINS_LINKLED) |
           (chip->spi.is_selected ? 0 : W5500_PINS_SCSN);
}

/* ---- life ----------------------------------------------------------------------------------- */

struct w5500 *w5500_new(const struct w5500_config *config)
{
    struct w5500 *chip = xcalloc(1, sizeof(*chip));

    assert(config->clock);
    assert(config->timers);
    assert(config->rng);
    assert(config->send);
    chip->config = *config;
    chip->is_running = true;
    chip->spi.hz = W5500_SPI_HZ;
    if (!chip->config.scale_percent)
        chip->config.scale_percent = 100;
    w5500_irq_init(chip);
    w5500_phy_init(chip);
    w5500_sock_init(chip);
    w5500_wire_init(chip);
    w5500_pppoe_init(chip);
    w5500_reset(chip);
    w5500_phy_start(chip);
    return chip;
}

void w5500_observe(struct w5500 *chip, void (*on_access)(void *ctx, const struct w5500_access *))
{
    chip->config.on_access = on_access;
}

void w5500_free(struct w5500 *chip)
{
    if (!chip)
        return;
    chip->config.on_pins = NULL;
    chip->is_running = false;
    w5500_reset(chip);
    w5500_phy_reset(chip);
    free(chip);
}

uint8_t w5500_peek(const struct w5500 *chip, unsigned block, uint16_t address)
{
    uint8_t byte;

    if (block % 4 <= 1)
        return w5500_regs_peek(chip, block, address);
    if (block >= W5500_BLOCKS)
        return 0;
    w5500_mem_read(chip, block, address, &byte, 1);
    return byte;
}

uint64_t w5500_peek_register(const struct w5500 *chip, const struct w5500_register *reg,
                             unsigned socket)
{
    unsigned block = reg->is_socket ? W5500_BLOCK_SOCKET(socket) : W5500_BLOCK_COMMON;
    uint64_t value = 0;

    for (unsigned at = 0; at < reg->width; at++)
        value = value << 8 | w5500_regs_peek(chip, block, (uint16_t)(reg->address + at));
    return value;
}
