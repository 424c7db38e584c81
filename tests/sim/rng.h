/* SPDX-License-Identifier: MIT */
/* The one source of chance in a history: splitmix64, so that a seed is the whole history. */
#ifndef PTIRQ_SIM_RNG_H
#define PTIRQ_SIM_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

static inline uint64_t rng_next(struct rng *rng)
{
	uint64_t z = rng->state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* 0 .. bound - 1; 0 if @bound is 0. The bias is below 2^-32 for the bounds used here. */
static inline uint64_t rng_below(struct rng *rng, uint64_t bound)
{
	return bound ? rng_next(rng) % bound : 0;
}

/* @low .. @high, both included. */
static inline uint64_t rng_range(struct rng *rng, uint64_t low, uint64_t high)
{
	return low + rng_below(rng, high - low + 1);
}

/* True in @per_mille of a thousand calls. */
static inline bool rng_chance(struct rng *rng, unsigned int per_mille)
{
	return rng_below(rng, 1000) < per_mille;
}

/* Spread evenly over orders of magnitude between @low and @high (@low > 0). */
static inline uint64_t rng_magnitude(struct rng *rng, uint64_t low, uint64_t high)
{
	uint64_t top = low;

	while (top < high && rng_chance(rng, 700))
		top *= 2;
	return rng_range(rng, low, top < high ? top : high);
}

#endif
