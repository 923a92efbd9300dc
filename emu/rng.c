#include "emu/rng.h"

#include <assert.h>
#include <sys/random.h>

void rng_init(struct rng *rng, uint64_t seed)
{
    rng->state = seed;
}

uint64_t rng_init_random(struct rng *rng)
{
    uint32_t seed = 0; /* 32 bits: short enough to be typed after --seed */

    while (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        ;
    rng_init(rng, seed);
    return seed;
}

/* SplitMix64 (Steele, Lea, Flood 2014): one word of state, any seed is a good one. */
uint64_t rng_next(struct rng *rng)
{
    uint64_t z = rng->state += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

uint32_t rng_below(struct rng *rng, uint32_t bound)
{
    assert(bound);
    return (uint32_t)(((rng_next(rng) >> 32) * bound) >> 32);
}
