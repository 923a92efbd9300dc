#include "emu/vclock.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <time.h>

#define US_PER_S  1000000
#define NS_PER_US 1000
#define NS_PER_S  1000000000

static int64_t host_now_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static uint64_t host_now_us(clockid_t id)
{
    return (uint64_t)host_now_ns(id) / NS_PER_US;
}

void vclock_init(struct vclock *clk, enum vclock_mode mode)
{
    *clk = (struct vclock){ .mode = mode };
    if (mode == VCLOCK_MODE_REAL) {
        clk->origin_us = host_now_us(CLOCK_MONOTONIC);
        clk->wall_origin_us = (int64_t)host_now_us(CLOCK_REALTIME);
    } else {
        clk->wall_origin_us = (int64_t)VCLOCK_VIRTUAL_EPOCH_S * US_PER_S;
    }
    clk->world_origin_us = clk->wall_origin_us;
}

void vclock_refresh(struct vclock *clk)
{
    if (clk->mode == VCLOCK_MODE_REAL)
        clk->now_us = host_now_us(CLOCK_MONOTONIC) - clk->origin_us;
}

void vclock_advance(struct vclock *clk, uint64_t delta_us)
{
    assert(clk->mode == VCLOCK_MODE_VIRTUAL);
    assert(clk->now_us + delta_us >= clk->now_us);
    clk->now_us += delta_us;
}

void vclock_block(struct vclock *clk, uint64_t delta_us)
{
    struct timespec left = {
        .tv_sec = (time_t)(delta_us / US_PER_S),
        .tv_nsec = (long)(delta_us % US_PER_S) * NS_PER_US,
    };

    if (clk->mode == VCLOCK_MODE_VIRTUAL) {
        vclock_advance(clk, delta_us);
        return;
    }
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
    vclock_refresh(clk);
}

int64_t vclock_wall_us(const struct vclock *clk)
{
    return clk->wall_origin_us + (int64_t)clk->now_us;
}

int64_t vclock_world_us(const struct vclock *clk)
{
    return clk->world_origin_us + (int64_t)clk->now_us;
}

void vclock_set_wall(struct vclock *clk, int64_t wall_us)
{
    clk->wall_origin_us = wall_us - (int64_t)clk->now_us;
}

uint64_t vclock_of_host(const struct vclock *clk, uint64_t host_us)
{
    uint64_t wall_us = host_now_us(CLOCK_REALTIME); /* first: an interruption makes it later */
    uint64_t now_us = host_now_us(CLOCK_MONOTONIC) - clk->origin_us;
    bool is_recent = host_us <= wall_us && wall_us - host_us < US_PER_S;

    assert(clk->mode == VCLOCK_MODE_REAL);
    return is_recent && wall_us - host_us <= now_us ? now_us - (wall_us - host_us) : now_us;
}

int64_t vclock_host_ahead_ns(const struct vclock *clk)
{
    int64_t before_ns = host_now_ns(CLOCK_MONOTONIC);
    int64_t wall_ns = host_now_ns(CLOCK_REALTIME);
    int64_t after_ns = host_now_ns(CLOCK_MONOTONIC);

    assert(clk->mode == VCLOCK_MODE_REAL);
    return wall_ns - (before_ns + (after_ns - before_ns) / 2) + (int64_t)clk->origin_us * NS_PER_US;
}

uint64_t vclock_cpu_us(const struct vclock *clk)
{
    if (clk->mode == VCLOCK_MODE_VIRTUAL)
        return clk->now_us;
    return host_now_us(CLOCK_PROCESS_CPUTIME_ID);
}
