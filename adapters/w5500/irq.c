/* Interrupts: what sets bits, and the INTn line, W5500 datasheet 4.1. */
#include "adapters/w5500/w5500.h"
#include "adapters/w5500/w5500_priv.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define PLL_MHZ   150
#define PLL_TICKS 4 /* of PLLclk, that INTLEVEL counts */

uint8_t w5500_irq_sockets(const struct w5500 *chip)
{
    unsigned bits = 0;

    for (unsigned n = 0; n < W5500_SOCKETS; n++) {
        const uint8_t *regs = chip->sockets[n].regs;

        if (regs[W5500_SN_IR] & regs[W5500_SN_IMR])
            bits |= 1U << n;
    }
    return (uint8_t)bits;
}

static bool is_pending(const struct w5500 *chip)
{
    return (chip->common[W5500_IR] & chip->common[W5500_IMR]) ||
           (w5500_irq_sockets(chip) & chip->common[W5500_SIMR]);
}

/* IAWT: how long INTn is high at least. */
static uint64_t wait_us(const struct w5500 *chip)
{
    return (w5500_get16(chip->common + W5500_INTLEVEL) + UINT64_C(1)) * PLL_TICKS / PLL_MHZ;
}

static void set_low(struct w5500 *chip, bool is_low)
{
    chip->irq.is_low = is_low;
    if (!is_low)
        chip->irq.released_us = chip->config.clock->now_us;
    w5500_pins_changed(chip);
}

/* It is a level: it stays low until nothing is pending. */
void w5500_irq_update(struct w5500 *chip)
{
    struct w5500_irq *irq = &chip->irq;
    uint64_t due_us = irq->released_us + wait_us(chip);

    if (!is_pending(chip)) {
        timer_stop(chip->config.timers, &irq->timer);
        if (irq->is_low)
            set_low(chip, false);
    } else if (!irq->is_low && chip->config.clock->now_us >= due_us) {
        timer_stop(chip->config.timers, &irq->timer);
        set_low(chip, true);
    } else if (!irq->is_low) {
        timer_start(chip->config.timers, &irq->timer, due_us);
    }
}

static void on_timer(struct timer *timer)
{
    w5500_irq_update(container_of(timer, struct w5500, irq.timer));
}

void w5500_irq_init(struct w5500 *chip)
{
    timer_init(&chip->irq.timer, on_timer);
}

void w5500_irq_reset(struct w5500 *chip)
{
    timer_stop(chip->config.timers, &chip->irq.timer);
    chip->irq.released_us = 0;
    if (chip->irq.is_low)
        set_low(chip, false);
}

void w5500_irq_raise(struct w5500 *chip, uint8_t bits)
{
    chip->common[W5500_IR] |= bits;
    w5500_irq_update(chip);
}

void w5500_irq_raise_socket(struct w5500_socket *socket, uint8_t bits)
{
    socket->regs[W5500_SN_IR] |= bits;
    w5500_irq_update(socket->chip);
}
