#include "emu/device.h"

#define FLUSH_US    2000
#define LOOK_US_MIN 250 /* a timer that is due sooner must not be late */
#define LOOK_US_MAX 500

int device_open(struct device *device, const struct device_config *config)
{
    struct log_config log = config->log;
    int rc;

    *device =
        (struct device){ .limits = config->limits, .seed = config->seed, .board = config->board };
    vclock_init(&device->clock, config->time);
    trace_init(&device->trace, &device->clock, config->trace_fd);
    log.clock = &device->clock;
    log.trace = &device->trace;
    log_init(&device->log, &log);
    if (config->has_seed) {
        rng_init(&device->rng, config->seed);
    } else {
        device->seed = rng_init_random(&device->rng);
    }
    rc = loop_open(&device->loop);
    if (rc < 0)
        return rc;
    timers_init(&device->timers);
    msgq_init(&device->msgs);
    net_init(&device->net, &(struct net_config){ .profile = config->profile,
                                                 .limits = &device->limits,
                                                 .clock = &device->clock,
                                                 .timers = &device->timers,
                                                 .msgs = &device->msgs,
                                                 .log = &device->log,
                                                 .trace = &device->trace,
                                                 .rng = &device->rng });
    sntp_init(&device->sntp, &device->net, &device->clock);
    gpio_init(&device->gpio, &(struct gpio_config){ .timers = &device->timers,
                                                    .clock = &device->clock,
                                                    .msgs = &device->msgs,
                                                    .trace = &device->trace });
    pings_init(&device->pings, &device->net);
    netdrv_init(&device->netdrv, device);
    wlan_init(&device->wlan, device);
    mobile_init(&device->mobile, device);
    uart_init(&device->uart, &(struct uart_config){ .timers = &device->timers,
                                                    .clock = &device->clock,
                                                    .msgs = &device->msgs,
                                                    .log = &device->log,
                                                    .trace = &device->trace,
                                                    .gpio = &device->gpio });
    return 0;
}

void device_close(struct device *device)
{
    uart_fini(&device->uart);
    gpio_fini(&device->gpio);
    mobile_fini(&device->mobile);
    wlan_fini(&device->wlan);
    netdrv_fini(&device->netdrv);
    pings_fini(&device->pings);
    sntp_fini(&device->sntp);
    net_fini(&device->net);
    msgq_fini(&device->msgs);
    timers_fini(&device->timers);
    loop_close(&device->loop);
}

/* How long step 1 may sleep, in microseconds; UINT64_MAX: nothing is due, ever. */
static uint64_t sleep_us(struct device *device, uint64_t until_us)
{
    uint64_t next_us = timers_next_us(&device->timers);

    next_us = next_us < until_us ? next_us : until_us;
    if (device->msgs.count || net_has_events(&device->net) || uart_has_events(&device->uart))
        return 0;
    if (next_us == UINT64_MAX)
        return UINT64_MAX;
    vclock_refresh(&device->clock); /* the script may have run for long since the last turn */
    return next_us > device->clock.now_us ? next_us - device->clock.now_us : 0;
}

/* Look for what is expected; true when it came. Who is put off the CPU meanwhile should sleep. */
static bool look(struct device *device)
{
    uint64_t start_us;
    bool found;

    vclock_refresh(&device->clock);
    start_us = device->clock.now_us;
    found = loop_look(&device->loop);
    vclock_refresh(&device->clock);
    if (device->clock.now_us - start_us > LOOK_US_MAX)
        loop_look_rarely(&device->loop);
    return found;
}

/* Step 1, in real time. */
static void wait_for_something(struct device *device, uint64_t wait_us, uint64_t until_us)
{
    if (wait_us >= LOOK_US_MIN) {
        if (look(device))
            return;
        wait_us = sleep_us(device, until_us); /* looking has taken time */
    }
    loop_wait(&device->loop, wait_us);
}

/* Nothing is left to deliver or due, and nothing can come from outside. */
static bool is_idle(const struct device *device, uint64_t wait_us, uint64_t until_us)
{
    bool is_active = net_active(&device->net) || uart_active(&device->uart);

    return wait_us && until_us == UINT64_MAX && !timers_keep_alive(&device->timers) &&
           (device->clock.mode == VCLOCK_MODE_VIRTUAL || !is_active);
}

enum device_state device_turn(struct device *device, uint64_t until_us)
{
    bool is_virtual = device->clock.mode == VCLOCK_MODE_VIRTUAL;
    uint64_t wait_us;

    net_flush(&device->net);
    wait_us = sleep_us(device, until_us);
    if (is_idle(device, wait_us, until_us))
        return DEVICE_STATE_IDLE;
    if (is_virtual) {
        loop_wait(&device->loop, 0);
    } else {
        wait_for_something(device, wait_us, until_us);
    }
    if (is_virtual)
        vclock_advance(&device->clock, wait_us);
    vclock_refresh(&device->clock);
    loop_dispatch(&device->loop);
    (void)timers_run(&device->timers, device->clock.now_us);
    (void)net_deliver(&device->net);
    uart_deliver(&device->uart);
    device->flush_at_us = device->clock.now_us + FLUSH_US;
    return DEVICE_STATE_BUSY;
}

void device_breathe(struct device *device)
{
    if (!device->msgs.count) /* the next turn is near */
        return;
    vclock_refresh(&device->clock);
    if (device->clock.now_us >= device->flush_at_us)
        net_flush(&device->net);
}
