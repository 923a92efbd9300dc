#include "emu/mobile.h"

#include <assert.h>
#include <string.h>

#include "emu/device.h"
#include "emu/links.h"
#include "emu/msgq.h"
#include "emu/trace.h"
#include "emu/util.h"

#define US_PER_MS 1000
#define BY_MOBILE 1 /* NTP_UPDATE's argument */

static const char *const state_names[] = {
    [MOBILE_STATE_UNREGISTERED] = "UNREGISTERED",
    [MOBILE_STATE_REGISTERED] = "REGISTERED",
    [MOBILE_STATE_SEARCHING] = "SEARCHING",
};
static_assert(sizeof(state_names) / sizeof(state_names[0]) == MOBILE_STATE_COUNT,
              "a state lacks its name");

static void set_state(struct mobile *mobile, enum mobile_state next)
{
    if (next == mobile->state)
        return;
    trace_emit(&mobile->device->trace, "mobile.state", "{s:s, s:s}", "from",
               state_names[mobile->state], "to", state_names[next]);
    mobile->state = next;
}

static void start_timer(struct mobile *mobile, struct timer *timer, uint64_t us)
{
    vclock_refresh(&mobile->device->clock); /* the script may have worked for long */
    timer_start(&mobile->device->timers, timer, mobile->device->clock.now_us + us);
}

/* ---- the SIM ----------------------------------------------------------------------------------- */

bool mobile_has_sim(const struct mobile *mobile)
{
    const struct board *board = mobile->device->board;

    return board && board->facts.iccid[0];
}

static void tell_sim(struct mobile *mobile)
{
    msgq_post_topic(&mobile->device->msgs, "SIM_IND", mobile_has_sim(mobile) ? "RDY" : "NORDY");
}

/* ---- registering ------------------------------------------------------------------------------- */

static void on_attached(struct timer *timer)
{
    struct mobile *mobile = container_of(timer, struct mobile, attach_timer);

    set_state(mobile, MOBILE_STATE_REGISTERED);
    memcpy(mobile->apn, mobile->next_apn, sizeof(mobile->apn));
    (void)links_power(mobile->device, ADAPTER_GP, true);
    if (mobile->syncs_time)
        msgq_post_topic_number(&mobile->device->msgs, "NTP_UPDATE", NULL, BY_MOBILE);
}

static void leave(struct mobile *mobile)
{
    timer_stop(&mobile->device->timers, &mobile->attach_timer);
    set_state(mobile, MOBILE_STATE_UNREGISTERED);
    (void)links_power(mobile->device, ADAPTER_GP, false);
}

static void attach(struct mobile *mobile)
{
    tell_sim(mobile);
    if (!mobile_has_sim(mobile))
        return;
    set_state(mobile, MOBILE_STATE_SEARCHING);
    start_timer(mobile, &mobile->attach_timer, (uint64_t)MOBILE_ATTACH_MS * US_PER_MS);
}

void mobile_fly(struct mobile *mobile, bool is_flying)
{
    if (is_flying == mobile->is_flying)
        return;
    mobile->is_flying = is_flying;
    if (is_flying) {
        leave(mobile);
    } else {
        attach(mobile);
    }
}

void mobile_reset(struct mobile *mobile)
{
    leave(mobile);
    if (!mobile->is_flying)
        attach(mobile);
}

bool mobile_is_served(const struct mobile *mobile)
{
    const struct adapter *adapter = mobile->device->net.adapters[ADAPTER_GP];

    return mobile->state == MOBILE_STATE_REGISTERED && adapter && adapter->is_ready;
}

/* ---- cells ------------------------------------------------------------------------------------- */

static void on_cells(struct timer *timer)
{
    struct mobile *mobile = container_of(timer, struct mobile, cells_timer);

    mobile->has_cells = true;
    msgq_post_topic(&mobile->device->msgs, "CELL_INFO_UPDATE", NULL);
    if (mobile->cells_period_us)
        start_timer(mobile, timer, mobile->cells_period_us);
}

void mobile_request_cells(struct mobile *mobile)
{
    start_timer(mobile, &mobile->cells_timer, (uint64_t)MOBILE_CELLS_MS * US_PER_MS);
}

void mobile_watch_cells(struct mobile *mobile, uint32_t period_ms)
{
    mobile->cells_period_us = (uint64_t)period_ms * US_PER_MS;
    if (period_ms) {
        start_timer(mobile, &mobile->cells_timer, mobile->cells_period_us);
    } else {
        timer_stop(&mobile->device->timers, &mobile->cells_timer);
    }
}

/* ---- life --------------------------------------------------------------------------------------- */

void mobile_init(struct mobile *mobile, struct device *device)
{
    const char *apn = device->board ? device->board->facts.apn : "";

    *mobile =
        (struct mobile){ .device = device, .state = MOBILE_STATE_UNREGISTERED, .syncs_time = true };
    memcpy(mobile->apn, apn, strlen(apn) + 1);
    memcpy(mobile->next_apn, apn, strlen(apn) + 1);
    timer_init(&mobile->attach_timer, on_attached);
    timer_init(&mobile->cells_timer, on_cells);
}

void mobile_fini(struct mobile *mobile)
{
    timer_stop(&mobile->device->timers, &mobile->attach_timer);
    timer_stop(&mobile->device->timers, &mobile->cells_timer);
}

void mobile_begin(struct mobile *mobile)
{
    struct adapter *adapter = mobile->device->net.adapters[ADAPTER_GP];

    if (!adapter)
        return;
    tell_sim(mobile);
    if (mobile_has_sim(mobile)) {
        mobile->state = MOBILE_STATE_REGISTERED; /* since before the start */
        return;
    }
    adapter->is_ready = false; /* it never was */
    (void)links_power(mobile->device, ADAPTER_GP, false);
}
