/*
 * timer: what is due when. A heap ordered by deadline; equal deadlines fire in the order in which
 * they were started, so that equal runs are equal.
 *
 * timers_run() first collects everything that is due and then calls it: a timer that is started
 * again from its own function waits for the next turn, however short it is, and cannot make the
 * loop spin. A timer may stop or start any other, and may free itself.
 *
 * A background timer is for what goes on around a device, such as a server that answers late: it
 * does not keep a run alive that has nothing else to wait for.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/list.h"

struct timer;
typedef void timer_fn(struct timer *timer);

/* Embed; set @fn once with timer_init(). */
struct timer {
    timer_fn *fn;
    uint64_t due_us;
    uint64_t seq;
    size_t slot;        /* place in the heap plus one; 0: not in it */
    bool is_background; /* changed only while it does not run */
    struct list ready;  /* collected by this turn's timers_run() */
};

struct timers {
    struct timer **heap;
    size_t count, cap;
    size_t background_count; /* of those */
    uint64_t seq;
};

void timers_init(struct timers *timers);
void timers_fini(struct timers *timers);

void timer_init(struct timer *timer, timer_fn *fn);
void timer_init_background(struct timer *timer, timer_fn *fn);

/* Fire @timer at @due_us (vclock time). Starting a running timer moves it. */
void timer_start(struct timers *timers, struct timer *timer, uint64_t due_us);

/* Harmless on a timer that is not running. */
void timer_stop(struct timers *timers, struct timer *timer);

bool timer_is_running(const struct timer *timer);

/* When the next timer is due; UINT64_MAX when none is running. */
uint64_t timers_next_us(const struct timers *timers);

/* Is one running that is not in the background? */
bool timers_keep_alive(const struct timers *timers);

/* Call every timer that is due at @now_us. Returns how many were called. */
size_t timers_run(struct timers *timers, uint64_t now_us);
