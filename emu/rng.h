/*
 * rng: the only source of randomness. Seeded by --seed it gives the same numbers on every run;
 * unseeded it starts from the host's entropy. Not for keys: OpenSSL has its own.
 */
#pragma once

#include <stdint.h>

struct rng {
    uint64_t state;
};

void rng_init(struct rng *rng, uint64_t seed);

/* Seed from getrandom(); returns the seed, so that a run can be repeated. */
uint64_t rng_init_random(struct rng *rng);

uint64_t rng_next(struct rng *rng);

/* A number in 0..@bound-1; @bound is not 0. */
uint32_t rng_below(struct rng *rng, uint32_t bound);
