/* The driver's task: the chip's reset, its link, its interrupts; and life. */
#include "adapters/w5500/driver.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "adapters/w5500/driver_priv.h"
#include "emu/board_chip.h"
#include "emu/log.h"
#include "emu/msgq.h"
#include "emu/rng.h"
#include "emu/util.h"
#include "emu/vclock.h"

/* LuatOS components/ethernet/w5500/w5500.c */
#define RESET_MS        5
#define WAIT_MS         10
#define POLL_NO_LINK_MS 100
#define POLL_NO_IP_MS   500
#define POLL_READY_MS   1000
#define VERSION         0x04
#define ERRORS_MAX      2
#define KEEP_UNITS_OWN  2
#define PHY_AUTO_RESET  0x78 /* all capable, with auto-negotiation; first in reset, */
#define PHY_AUTO        0xf8 /* then out of it */
#define USER_SOCKETS    7
#define SEND_BUFFER     (20 * 1024)
#define FIRST_PORT      50000 /* of those that are chosen; luat_network_adapter.c:1598 */
#define BUFFER_ALL_KB   16
#define BUFFER_OWN_KB   2  /* of socket 0, whatever the others have */
#define ROUNDS_MAX      32 /* interrupts served before others have their turn */

static uint64_t now_us(const struct driver *driver)
{
    return driver->config.clock->now_us;
}

static uint64_t ms_from_now(const struct driver *driver, unsigned ms)
{
    return now_us(driver) + (uint64_t)ms * 1000;
}

void driver_indicate(struct driver *driver, const char *text)
{
    if (driver->config.msgs)
        msgq_post_topic(driver->config.msgs, "W5500_IND", text);
}

/* ---- the link --------------------------------------------------------------------------------- */

static void set_link(struct driver *driver, bool has_link)
{
    if (has_link == driver->has_link)
        return;
    driver->has_link = has_link;
    driver_indicate(driver, has_link ? "CABLE_INSERT" : "CABLE_REMOVE");
    if (has_link) {
        driver_ask(driver);
    } else {
        driver_stop_asking(driver, "the link is down");
        if (!driver->is_static)
            driver->address = (struct board_address){ 0 };
        driver_give_address(driver);
    }
}

static unsigned poll_ms(const struct driver *driver)
{
    if (!driver->has_link)
        return POLL_NO_LINK_MS;
    return driver->is_ready ? POLL_READY_MS : POLL_NO_IP_MS;
}

/* Is the chip there, as it was set up, and has it a link? Every wake of LuatOS's task asks that. */
static void look_at_chip(struct driver *driver)
{
    uint8_t regs[REGS_LEN];

    driver_read(driver, W5500_BLOCK_COMMON, 0, regs, sizeof(regs));
    if (regs[REG_IMR] != IMR_WANTED) {
        driver_restart(driver);
        return;
    }
    if (!driver->has_link_pin)
        set_link(driver, regs[REG_PHYCFGR] & PHYCFGR_LNK);
    driver->poll_us = ms_from_now(driver, poll_ms(driver));
}

static void look_at_link_pin(struct driver *driver)
{
    if (driver->has_link_pin)
        set_link(driver, !(bench_pins(driver->config.bench) & W5500_PINS_LINKLED));
}

/* ---- setting it up ------------------------------------------------------------------------------ */

static void pull_reset(struct driver *driver, bool level)
{
    if (!driver->is_miswired)
        bench_set_pin(driver->config.bench, W5500_PIN_RSTN, level);
}

/* What it had is gone with the chip's sockets. */
static void drop_sockets(struct driver *driver)
{
    for (unsigned i = 0; i < DRIVER_SOCKETS; i++) {
        struct dsock *sock = &driver->sockets[i];

        if (i == 0)
            dsock_fini(sock);
        else
            dsock_end(driver, sock, NET_EVENT_ERROR, ENETRESET);
    }
}

/* driver_work() may be running, and starts the timer itself then. */
static void wait_ms(struct driver *driver, enum driver_phase phase, unsigned ms)
{
    driver->phase = phase;
    driver->until_us = ms_from_now(driver, ms);
    driver_wake(driver, driver->until_us);
    if (!driver->is_working)
        timer_start(driver->config.timers, &driver->timer, driver->until_us);
}

static void begin_reset(struct driver *driver)
{
    drop_sockets(driver);
    pull_reset(driver, false);
    driver->errors = 0;
    if (driver->is_off)
        driver->phase = DRIVER_PHASE_OFF;
    else
        wait_ms(driver, DRIVER_PHASE_RESET, RESET_MS);
}

void driver_restart(struct driver *driver)
{
    set_link(driver, false);
    begin_reset(driver);
}

void driver_note_error(struct driver *driver, const char *what)
{
    log_firmware(driver->config.log, LOG_LEVEL_ERROR, "w5500", "%s", what);
    if (++driver->errors == ERRORS_MAX)
        driver_restart(driver);
}

/* Nobody is there: as on a bench, the log says where to look. */
static void note_absence(struct driver *driver, uint8_t version)
{
    driver->phase = DRIVER_PHASE_ABSENT;
    log_firmware(driver->config.log, LOG_LEVEL_ERROR, "w5500", "chip not found, VERSIONR 0x%02x",
                 version);
    log_warn(driver->config.log, driver->where,
             "VERSIONR reads 0x%02x and not 0x04: no W5500 answers; check the SPI bus, CS, RST and "
             "the chip's power",
             version);
}

/*
 * The script's sockets with more than the chip's own 2 KB are fewer: there are 16 KB each way, and
 * socket 0 needs some. One that has all of them leaves none for DHCP, and its names go by itself.
 */
static void plan_buffers(struct driver *driver)
{
    unsigned kb = driver->config.wiring->buffer_kb, users;

    if (kb == BUFFER_ALL_KB && !driver->is_static)
        kb = BUFFER_ALL_KB / 2;
    driver->buffer_kb = kb;
    driver->own_kb = kb < BUFFER_OWN_KB ? kb : kb == BUFFER_ALL_KB ? 0 : BUFFER_OWN_KB;
    users = (BUFFER_ALL_KB - driver->own_kb) / kb;
    driver->sockets_count = 1 + (users < USER_SOCKETS ? users : USER_SOCKETS);
}

static void set_buffers(struct driver *driver)
{
    plan_buffers(driver);
    if (driver->buffer_kb != driver->config.wiring->buffer_kb && !driver->is_told_of_buffers) {
        driver->is_told_of_buffers = true;
        log_warn(driver->config.log, driver->where,
                 "w5500: a buffer of 16 KB leaves none for DHCP: it is one of %u KB; with a static "
                 "address it can be 16",
                 driver->buffer_kb);
    }
    if (driver->buffer_kb == BOARD_CHIP_BUFFER_KB)
        return;
    for (unsigned i = 0; i < DRIVER_SOCKETS; i++) {
        uint8_t size = (uint8_t)(i == 0                      ? driver->own_kb
                                 : i < driver->sockets_count ? driver->buffer_kb
                                                             : 0);
        const uint8_t sizes[] = { size, size };

        driver_write(driver, W5500_BLOCK_SOCKET(i), REG_SN_RXBUF, sizes, sizeof(sizes));
    }
}

static void open_own_socket(struct driver *driver)
{
    struct dsock *sock = &driver->sockets[0];

    dsock_fini(sock);
    sock->is_udp = true;
    sock->local_port = DRIVER_OWN_PORT;
    sock->keep_units = KEEP_UNITS_OWN;
    dsock_open(driver, sock);
}

/* All that was read is written back, with what is to be other than it was. */
static void set_up(struct driver *driver)
{
    uint8_t regs[REGS_LEN];

    driver_read(driver, W5500_BLOCK_COMMON, 0, regs, sizeof(regs));
    if (regs[REG_VERSIONR] != VERSION) {
        note_absence(driver, regs[REG_VERSIONR]);
        return;
    }
    memcpy(regs + REG_SHAR, driver->mac, sizeof(driver->mac));
    regs[REG_IMR] = IMR_WANTED;
    regs[REG_SIMR] = (uint8_t)((1U << DRIVER_SOCKETS) - 1);
    driver_write(driver, W5500_BLOCK_COMMON, 0, regs, sizeof(regs));
    driver->phase = DRIVER_PHASE_RUN;
    set_buffers(driver);
    open_own_socket(driver);
    if (driver->has_negotiation) {
        driver_write8(driver, W5500_BLOCK_COMMON, REG_PHYCFGR, PHY_AUTO_RESET);
        driver_write8(driver, W5500_BLOCK_COMMON, REG_PHYCFGR, PHY_AUTO);
    }
    driver_give_address(driver);
    look_at_chip(driver);
}

/* ---- interrupts --------------------------------------------------------------------------------- */

static bool is_interrupting(const struct driver *driver)
{
    return !driver->is_miswired && !(bench_pins(driver->config.bench) & W5500_PINS_INTN);
}

/* Two hosts have the address; of a lease another one is asked for. */
static void on_conflict(struct driver *driver)
{
    log_firmware(driver->config.log, LOG_LEVEL_ERROR, "w5500", "ip conflict");
    if (!driver->is_static)
        driver_decline(driver);
    driver_note_error(driver, "another host has the address");
}

/* Upstream writes 0 to IR, which clears nothing, and never gets out of it; what was read does. */
static void serve_interrupts(struct driver *driver)
{
    uint8_t regs[REG_SIR - REG_IR + 1], state[2];

    driver_read(driver, W5500_BLOCK_COMMON, REG_IR, regs, sizeof(regs));
    if (regs[0])
        driver_write8(driver, W5500_BLOCK_COMMON, REG_IR, regs[0]);
    if (regs[0] & IR_CONFLICT)
        on_conflict(driver);
    for (unsigned i = 0; i < DRIVER_SOCKETS && driver->phase == DRIVER_PHASE_RUN; i++) {
        if (!(regs[REG_SIR - REG_IR] & 1U << i))
            continue;
        driver_read(driver, W5500_BLOCK_SOCKET(i), REG_SN_IR, state, sizeof(state));
        driver_write8(driver, W5500_BLOCK_SOCKET(i), REG_SN_IR, state[0]);
        dsock_interrupt(driver, &driver->sockets[i], state[0], state[1]);
    }
}

/* ---- the task ----------------------------------------------------------------------------------- */

/* In turn: where SPI takes its time, one that always has something must not keep it to itself. */
static void step_sockets(struct driver *driver)
{
    unsigned first = driver->first_step;

    for (unsigned i = 0; i < DRIVER_SOCKETS && driver->phase == DRIVER_PHASE_RUN; i++) {
        unsigned index = (first + i) % DRIVER_SOCKETS;

        if (driver_is_busy(driver))
            return;
        dsock_step(driver, &driver->sockets[index]);
        driver->first_step = (index + 1) % DRIVER_SOCKETS;
    }
}

static void run_task(struct driver *driver)
{
    if (driver->phase != DRIVER_PHASE_RUN || driver_is_busy(driver))
        return;
    look_at_link_pin(driver);
    if (now_us(driver) >= driver->poll_us)
        look_at_chip(driver);
    for (int round = 0; round < ROUNDS_MAX && driver->phase == DRIVER_PHASE_RUN; round++) {
        if (is_interrupting(driver))
            serve_interrupts(driver);
        step_sockets(driver);
        if (driver_is_busy(driver) || !is_interrupting(driver))
            return;
    }
    if (driver->phase == DRIVER_PHASE_RUN)
        driver_wake(driver, now_us(driver));
}

static void step(struct driver *driver)
{
    switch (driver->phase) {
    case DRIVER_PHASE_OFF:
    case DRIVER_PHASE_ABSENT:
        break;
    case DRIVER_PHASE_RESET:
        pull_reset(driver, true);
        wait_ms(driver, DRIVER_PHASE_WAIT, WAIT_MS);
        break;
    case DRIVER_PHASE_WAIT:
        set_up(driver);
        run_task(driver);
        break;
    case DRIVER_PHASE_RUN:
        run_task(driver);
        break;
    }
}

/* Of the reset's times nothing is cut short by what happens meanwhile. */
static bool is_waiting(const struct driver *driver)
{
    return (driver->phase == DRIVER_PHASE_RESET || driver->phase == DRIVER_PHASE_WAIT) &&
           now_us(driver) < driver->until_us;
}

void driver_work(struct driver *driver)
{
    driver->has_more = true;
    if (driver->is_working || is_waiting(driver))
        return;
    driver->is_working = true;
    driver->wake_us = UINT64_MAX;
    for (int round = 0; round < ROUNDS_MAX && driver->has_more && !is_waiting(driver); round++) {
        driver->has_more = driver->waits_for_room = false;
        step(driver);
    }
    if (is_waiting(driver))
        driver->wake_us = driver->until_us;
    else if (driver->has_more)
        driver_wake(driver, now_us(driver));
    if (driver->phase == DRIVER_PHASE_RUN && driver->poll_us > now_us(driver))
        driver_wake(driver, driver->poll_us); /* else SPI is busy, and it is looked at then */
    bench_flush(driver->config.bench);
    driver->is_working = false;
    if (driver->wake_us == UINT64_MAX)
        timer_stop(driver->config.timers, &driver->timer);
    else
        timer_start(driver->config.timers, &driver->timer, driver->wake_us);
}

static void on_timer(struct timer *timer)
{
    driver_work(container_of(timer, struct driver, timer));
}

static void on_pins_changed(void *ctx)
{
    struct driver *driver = ctx;

    if (driver->phase == DRIVER_PHASE_RUN)
        driver_work(driver);
}

/* What waits for room in the chip looks for it now. */
static void on_received(void *ctx)
{
    struct driver *driver = ctx;

    if (driver->phase == DRIVER_PHASE_RUN && driver->waits_for_room)
        driver_work(driver);
}

static const char *where(void *ctx)
{
    const struct driver *driver = ctx;

    return *driver->where ? driver->where : NULL;
}

/* ---- what a script may do with it ------------------------------------------------------------------ */

static bool is_wired(int wired, int named)
{
    return wired == BOARD_ANY_PIN || wired == named;
}

static bool is_as_wired(const struct board_chip *wiring, const struct ethchip_pins *pins)
{
    return board_chip_is_on(wiring, pins->spi) && is_wired(wiring->cs, pins->cs) &&
           is_wired(wiring->irq, pins->irq) && is_wired(wiring->rst, pins->rst);
}

static void start(struct driver *driver)
{
    driver->is_accurate = driver->config.wiring->is_accurate;
    begin_reset(driver);
}

static void init(void *ctx, const struct ethchip_pins *pins, const char *place)
{
    struct driver *driver = ctx;
    const struct board_chip *wiring = driver->config.wiring;

    if (driver->is_begun_by_script)
        return;
    driver->is_begun_by_script = true;
    (void)snprintf(driver->where, sizeof(driver->where), "%s", place);
    set_link(driver, false);
    driver->is_miswired = !is_as_wired(wiring, pins);
    driver->has_link_pin = pins->link != ETHCHIP_NO_PIN && wiring->link != BOARD_NO_PIN &&
                           is_wired(wiring->link, pins->link);
    if (pins->speed_hz)
        bench_set_clock(driver->config.bench, pins->speed_hz);
    start(driver);
}

static bool configure(void *ctx, const struct ethchip_setup *setup, const char *place)
{
    struct driver *driver = ctx;

    if (!driver->is_begun_by_script || driver->is_miswired)
        return false;
    (void)snprintf(driver->where, sizeof(driver->where), "%s", place);
    if (setup->has_mac)
        memcpy(driver->mac, setup->mac, sizeof(driver->mac));
    if (setup->is_static) {
        driver->is_static = true;
        driver->address = setup->address;
    }
    driver->has_negotiation = setup->has_negotiation;
    driver_restart(driver);
    return true;
}

static int bind_sockets(void *ctx, enum adapter_id id)
{
    const struct driver *driver = ctx;

    return (int)id == driver->base.id ? 0 : -EOPNOTSUPP;
}

static bool tell_mac(void *ctx, uint8_t mac[BOARD_MAC_LEN])
{
    const struct driver *driver = ctx;

    memcpy(mac, driver->mac, BOARD_MAC_LEN);
    return driver->is_begun_by_script;
}

const struct ethchip *driver_ethchip(struct adapter *adapter)
{
    return &container_of(adapter, struct driver, base)->ethchip;
}

/* ---- life ------------------------------------------------------------------------------------------- */

static bool has_mac(const struct board_slot *slot)
{
    static const uint8_t none[BOARD_MAC_LEN];

    return memcmp(slot->mac, none, sizeof(none)) != 0;
}

/* Locally administered, IEEE 802 8.2.2; a module has the last bytes of its unique id. */
static void make_mac(struct driver *driver)
{
    uint64_t number = rng_next(driver->config.rng);

    for (int i = 0; i < BOARD_MAC_LEN; i++)
        driver->mac[i] = (uint8_t)(number >> 8 * i);
    driver->mac[0] = (uint8_t)((driver->mac[0] & ~0x03U) | 0x02);
}

static void set_limits(struct driver *driver)
{
    struct adapter_limits *limits = &driver->base.limits;
    unsigned users = driver->sockets_count - 1;

    *limits = driver->config.slot->limits;
    if (!limits->sockets || limits->sockets > users)
        limits->sockets = users;
    if (!limits->send_buffer)
        limits->send_buffer = SEND_BUFFER;
    limits->one_to_one = true;
    limits->lacks_ipv6 = true;
}

struct adapter *driver_new(const struct driver_config *config)
{
    struct driver *driver = xcalloc(1, sizeof(*driver));
    const struct board_slot *slot = config->slot;

    driver->base.ops = &driver_ops;
    driver->config = *config;
    driver->wake_us = UINT64_MAX;
    driver->next_socket = 1;
    driver->next_port = FIRST_PORT;
    driver->is_static = slot->addressing == ADDRESSING_STATIC;
    if (driver->is_static)
        driver->address = slot->address;
    memcpy(driver->mac, slot->mac, sizeof(driver->mac));
    if (!has_mac(slot))
        make_mac(driver);
    plan_buffers(driver);
    for (unsigned i = 0; i < DRIVER_SOCKETS; i++)
        dsock_init(&driver->sockets[i], i);
    timer_init_background(&driver->timer, on_timer);
    driver_net_init(driver);
    driver->ethchip = (struct ethchip){
        .init = init, .config = configure, .bind = bind_sockets, .mac = tell_mac, .ctx = driver
    };
    driver->master = (struct bench_master){
        .pins_changed = on_pins_changed, .received = on_received, .where = where, .ctx = driver
    };
    bench_set_master(config->bench, &driver->master);
    set_limits(driver);
    return &driver->base;
}

void driver_boot(struct adapter *adapter)
{
    start(container_of(adapter, struct driver, base));
}

void driver_power(struct adapter *adapter, bool is_on)
{
    struct driver *driver = container_of(adapter, struct driver, base);

    if (is_on != driver->is_off)
        return;
    driver->is_off = !is_on;
    timer_stop(driver->config.timers, &driver->timer);
    driver_restart(driver);
}
