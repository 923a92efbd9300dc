/* The PHY: PHYCFGR, the cable, and how long a link takes to come up. */
#include "adapters/w5500/w5500.h"
#include "adapters/w5500/w5500_priv.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define RUN          0x80 /* PHYCFGR: not in reset */
#define OPMD         0x40 /* OPMDC, not the pins, says the mode */
#define OPMDC        0x07
#define OPMDC_SHIFT  3
#define DPX          0x04
#define SPD          0x02
#define LNK          0x01
#define LINK_FAST_US 100000
#define LINK_US      1500000
#define PMODE_ALL    0x07

/* By mode: what a link of it shows; 0: there is none. */
static const uint8_t links[] = {
    LNK,             /* 10 half */
    LNK | DPX,       /* 10 full */
    LNK | SPD,       /* 100 half */
    LNK | SPD | DPX, /* 100 full */
    LNK | SPD,       /* 100 half, negotiated */
    0,               /* reserved */
    0,               /* power down */
    LNK | SPD | DPX, /* all there is, negotiated with a peer that has all */
};

static bool is_run(const struct w5500 *chip)
{
    return chip->common[W5500_PHYCFGR] & RUN;
}

static void set_linked(struct w5500 *chip, bool is_linked)
{
    if (chip->phy.is_linked == is_linked)
        return;
    chip->phy.is_linked = is_linked;
    w5500_pins_changed(chip);
    w5500_wire_link_changed(chip);
}

static void unlink(struct w5500 *chip)
{
    timer_stop(chip->config.timers, &chip->phy.timer);
    set_linked(chip, false);
}

/* A link is looked for, from now on. */
static void look(struct w5500 *chip)
{
    struct w5500_phy *phy = &chip->phy;
    bool is_fast = chip->config.timing == W5500_TIMING_FAST;

    unlink(chip);
    if (chip->is_running && phy->is_cabled && is_run(chip) && links[phy->mode]) {
        timer_start(chip->config.timers, &phy->timer,
                    chip->config.clock->now_us + (is_fast ? LINK_FAST_US : LINK_US));
    }
}

static void on_timer(struct timer *timer)
{
    set_linked(container_of(timer, struct w5500, phy.timer), true);
}

/* The mode is taken when the PHY leaves its reset, not when it is written. */
static void apply_mode(struct w5500 *chip)
{
    uint8_t value = chip->common[W5500_PHYCFGR];

    chip->phy.mode = value & OPMD ? value >> OPMDC_SHIFT & OPMDC : chip->phy.pmode;
}

void w5500_phy_init(struct w5500 *chip)
{
    timer_init(&chip->phy.timer, on_timer);
    chip->phy.pmode = PMODE_ALL;
    chip->phy.is_cabled = true;
}

void w5500_phy_reset(struct w5500 *chip)
{
    unlink(chip);
}

void w5500_phy_start(struct w5500 *chip)
{
    chip->common[W5500_PHYCFGR] = RUN | PMODE_ALL << OPMDC_SHIFT;
    chip->phy.was_running = true;
    apply_mode(chip);
    look(chip);
}

uint8_t w5500_phy_value(const struct w5500 *chip)
{
    uint8_t link = chip->phy.is_linked ? links[chip->phy.mode] : 0;

    return chip->common[W5500_PHYCFGR] | link;
}

void w5500_phy_written(struct w5500 *chip)
{
    bool was_running = chip->phy.was_running;

    chip->phy.was_running = is_run(chip);
    if (!is_run(chip)) {
        unlink(chip);
    } else if (!was_running) {
        apply_mode(chip);
        look(chip);
    }
}

void w5500_phy_plug(struct w5500 *chip, bool is_cabled)
{
    if (chip->phy.is_cabled == is_cabled)
        return;
    chip->phy.is_cabled = is_cabled;
    look(chip);
}

unsigned w5500_phy_mbits(const struct w5500 *chip)
{
    return links[chip->phy.mode] & SPD ? 100 : 10;
}
