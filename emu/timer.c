#include "emu/timer.h"

#include <assert.h>
#include <stdlib.h>

#include "emu/util.h"

#define HEAP_CAP_MIN 16

void timers_init(struct timers *timers)
{
    *timers = (struct timers){ 0 };
}

void timers_fini(struct timers *timers)
{
    free(timers->heap);
    *timers = (struct timers){ 0 };
}

void timer_init(struct timer *timer, timer_fn *fn)
{
    *timer = (struct timer){ .fn = fn };
    list_init(&timer->ready);
}

void timer_init_background(struct timer *timer, timer_fn *fn)
{
    timer_init(timer, fn);
    timer->is_background = true;
}

static bool is_before(const struct timer *a, const struct timer *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->seq < b->seq;
}

static void put(struct timers *timers, size_t at, struct timer *timer)
{
    timers->heap[at] = timer;
    timer->slot = at + 1;
}

static void sift_up(struct timers *timers, size_t at, struct timer *timer)
{
    while (at > 0) {
        size_t parent = (at - 1) / 2;

        if (!is_before(timer, timers->heap[parent]))
            break;
        put(timers, at, timers->heap[parent]);
        at = parent;
    }
    put(timers, at, timer);
}

static void sift_down(struct timers *timers, size_t at, struct timer *timer)
{
    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= timers->count)
            break;
        if (child + 1 < timers->count && is_before(timers->heap[child + 1], timers->heap[child]))
            child++;
        if (!is_before(timers->heap[child], timer))
            break;
        put(timers, at, timers->heap[child]);
        at = child;
    }
    put(timers, at, timer);
}

static void heap_remove(struct timers *timers, struct timer *timer)
{
    size_t at = timer->slot - 1;
    struct timer *last = timers->heap[--timers->count];

    timer->slot = 0;
    timers->background_count -= timer->is_background;
    if (last == timer)
        return;
    if (at > 0 && is_before(last, timers->heap[(at - 1) / 2])) {
        sift_up(timers, at, last);
    } else {
        sift_down(timers, at, last);
    }
}

void timer_start(struct timers *timers, struct timer *timer, uint64_t due_us)
{
    assert(timer->fn);
    timer_stop(timers, timer);
    if (timers->count == timers->cap) {
        timers->cap = timers->cap ? timers->cap * 2 : HEAP_CAP_MIN;
        timers->heap = xrealloc(timers->heap, timers->cap * sizeof(struct timer *));
    }
    timer->due_us = due_us;
    timer->seq = timers->seq++;
    timers->background_count += timer->is_background;
    sift_up(timers, timers->count++, timer);
}

void timer_stop(struct timers *timers, struct timer *timer)
{
    if (timer->slot)
        heap_remove(timers, timer);
    list_remove(&timer->ready);
}

bool timer_is_running(const struct timer *timer)
{
    return timer->slot || !list_is_empty(&timer->ready);
}

uint64_t timers_next_us(const struct timers *timers)
{
    return timers->count ? timers->heap[0]->due_us : UINT64_MAX;
}

bool timers_keep_alive(const struct timers *timers)
{
    return timers->count > timers->background_count;
}

size_t timers_run(struct timers *timers, uint64_t now_us)
{
    struct list ready;
    size_t called = 0;

    list_init(&ready);
    while (timers->count && timers->heap[0]->due_us <= now_us) {
        struct timer *timer = timers->heap[0];

        heap_remove(timers, timer);
        list_append(&ready, &timer->ready);
    }
    while (!list_is_empty(&ready)) {
        struct timer *timer = container_of(ready.next, struct timer, ready);

        list_remove(&timer->ready);
        called++;
        timer->fn(timer);
    }
    return called;
}
