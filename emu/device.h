/*
 * device: one emulated module: its clock, its loop, its network and its message queue. Everything
 * below main.c is reached from here; a process may hold many.
 *
 * One turn (device_turn):
 *   1. sleep until a descriptor is ready or the next timer is due; not at all while something is
 *      left to deliver or to tell the script
 *   2. read the clock once: everyone in this turn sees the same now
 *   3. let the owners of ready descriptors read, write and report
 *   4. call the timers that are due
 *   5. deliver what has been reported before this step; what it makes them report waits a turn
 * In virtual mode step 1 does not sleep: when nothing else is left it moves the clock to the next
 * timer.
 *
 * The script runs between turns, one message of the queue at a time (luabind/rtos.c).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "emu/gpio.h"
#include "emu/limits.h"
#include "emu/log.h"
#include "emu/loop.h"
#include "emu/mobile.h"
#include "emu/msgq.h"
#include "emu/net.h"
#include "emu/netdrv.h"
#include "emu/ping.h"
#include "emu/rng.h"
#include "emu/sntp.h"
#include "emu/timer.h"
#include "emu/trace.h"
#include "emu/uart.h"
#include "emu/vclock.h"
#include "emu/wlan.h"

struct board;
struct ethchip;
struct links;

struct device_config {
    enum vclock_mode time;
    enum profile profile;
    uint64_t seed;
    bool has_seed;
    struct limits limits;
    struct log_config log; /* @clock and @trace are filled in */
    int trace_fd;          /* -1: none */
    const struct board *board;
};

struct device {
    struct vclock clock;
    struct trace trace;
    struct log log;
    struct rng rng;
    uint64_t seed;
    struct limits limits;
    struct timers timers;
    struct loop loop;
    struct msgq msgs;
    struct net net;
    struct sntp sntp;
    struct gpio gpio;
    struct uart uart;
    struct pings pings;
    struct netdrv netdrv;
    struct wlan wlan;
    struct mobile mobile;
    const struct ethchip *ethchip; /* its Ethernet chip; NULL: it has none. Not owned */
    const struct links *links;     /* of the adapters; NULL: they can't be changed. Not owned */
    const struct board *board;     /* what the module says of itself. Not owned */
    uint64_t flush_at_us; /* when what was sent since the turn is passed on at the latest */
};

/* 0 or -errno. */
int device_open(struct device *device, const struct device_config *config);
void device_close(struct device *device);

enum device_state {
    DEVICE_STATE_BUSY, /* the turn did something, or something may still come */
    DEVICE_STATE_IDLE, /* no timer, no socket, no lookup: nothing will ever come */
};

/*
 * One turn; see above. It sleeps only when the message queue is empty, and not beyond @until_us
 * (vclock time; UINT64_MAX: as long as it takes).
 */
enum device_state device_turn(struct device *device, uint64_t until_us);

/*
 * Between two messages to the script. What they send is passed on together, by the next turn; this
 * passes it on when the script has worked for long.
 */
void device_breathe(struct device *device);
