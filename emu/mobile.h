/*
 * mobile: the module's cellular radio. What it says of itself is the board's; what it does is
 * switch LWIP_GP on and off.
 *
 *   REGISTERED --flymode, reset--> OFF --> SEARCHING --MOBILE_ATTACH_MS--> REGISTERED
 *
 * It is registered from the start, like every adapter is ready; without a SIM it never is. Flight
 * mode takes LWIP_GP down, leaving it brings LWIP_GP up after a moment.
 *
 * Published: SIM_IND("RDY"), or "NORDY" without a SIM, at the start and when it leaves flight mode;
 * CELL_INFO_UPDATE; NTP_UPDATE(1), when it has registered anew and the network tells the time (the
 * device's clock was right before).
 *
 * Trace: "mobile.state" from, to.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "emu/board.h"
#include "emu/timer.h"

#define MOBILE_ATTACH_MS 1000
#define MOBILE_CELLS_MS  500

/* LuatOS luat_mobile.h, as mobile.status() gives them. */
enum mobile_state {
    MOBILE_STATE_UNREGISTERED,
    MOBILE_STATE_REGISTERED,
    MOBILE_STATE_SEARCHING,
};
#define MOBILE_STATE_COUNT (MOBILE_STATE_SEARCHING + 1)

struct device;

struct mobile {
    struct device *device;
    enum mobile_state state;
    bool is_flying;
    bool has_cells; /* somebody asked for them */
    bool is_ipv6, syncs_time;
    char apn[BOARD_TEXT_MAX], next_apn[BOARD_TEXT_MAX]; /* the next is used from registering on */
    struct timer attach_timer, cells_timer;
    uint64_t cells_period_us; /* 0: only when asked */
};

void mobile_init(struct mobile *mobile, struct device *device);
void mobile_fini(struct mobile *mobile);

/* The board's adapters are there, and nothing was said of them: say what is with the SIM. */
void mobile_begin(struct mobile *mobile);

bool mobile_has_sim(const struct mobile *mobile);

/* Registered, and nobody keeps it from its network: signal and cell are to be had. */
bool mobile_is_served(const struct mobile *mobile);

void mobile_fly(struct mobile *mobile, bool is_flying);

/* Leave the network and come back. */
void mobile_reset(struct mobile *mobile);

/* CELL_INFO_UPDATE follows; every @period_ms, if that is not 0. */
void mobile_request_cells(struct mobile *mobile);
void mobile_watch_cells(struct mobile *mobile, uint32_t period_ms);
