// SPDX-License-Identifier: MIT
/*
 * Owns the arithmetic of statistics. Must not allocate or read a clock.
 */
#include "broker/metrics.h"

#include <stddef.h>

#include "broker/arb/arb.h"

static uint32_t bucket_of(uint64_t ns)
{
	uint64_t v = ns >> HISTOGRAM_UNIT_BITS;
	uint64_t octave;

	if (v < 8)
		return v;
	octave = 61 - (uint64_t)__builtin_clzll(v);
	if (octave > HISTOGRAM_OCTAVES)
		return HISTOGRAM_BUCKETS - 1;
	return octave * 8 + (v >> (octave - 1) & 7);
}

/* The smallest value of a bucket. */
static uint64_t bucket_floor(uint32_t bucket)
{
	uint32_t octave = bucket / 8;
	uint64_t v = octave == 0 ? bucket : (uint64_t)(8 + bucket % 8) << (octave - 1);

	return v << HISTOGRAM_UNIT_BITS;
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
	histogram->count++;
	histogram->bucket[bucket_of(ns)]++;
	if (ns > histogram->max)
		histogram->max = ns;
}

void histogram_sum(struct histogram *sum, const struct histogram *histogram)
{
	sum->count += histogram->count;
	if (histogram->max > sum->max)
		sum->max = histogram->max;
	for (uint32_t b = 0; b < HISTOGRAM_BUCKETS; b++)
		sum->bucket[b] += histogram->bucket[b];
}

uint64_t histogram_percentile(const struct histogram *histogram, uint32_t per_mille)
{
	uint64_t rank = (histogram->count * per_mille + 999) / 1000;
	uint64_t before = 0;

	if (!histogram->count)
		return 0;
	for (uint32_t b = 0; b < HISTOGRAM_BUCKETS; b++) {
		uint32_t here = histogram->bucket[b];

		if (before + here >= rank && here) {
			uint64_t floor = bucket_floor(b), width = bucket_floor(b + 1) - floor;
			uint64_t value = floor + width * (rank - before) / here;

			return value < histogram->max ? value : histogram->max;
		}
		before += here;
	}
	return histogram->max;
}

void counters_add(struct counters *sum, const struct counters *counters)
{
	uint64_t max = sum->max_masked_ns;

	if (counters->max_masked_ns > max)
		max = counters->max_masked_ns;
	/* Every member is a uint64_t. */
	_Static_assert(sizeof(*sum) % sizeof(uint64_t) == 0, "an array of counters");
	for (size_t i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++)
		((uint64_t *)sum)[i] += ((const uint64_t *)counters)[i];
	sum->max_masked_ns = max;
}

void metrics_masked(struct unit_metrics *unit, uint64_t now)
{
	if (!unit->masked_since)
		unit->masked_since = now;
}

static void throttle_ended(struct unit_metrics *unit, uint64_t now)
{
	if (unit->throttled_since)
		unit->counters.throttled_ns += now - unit->throttled_since;
	unit->throttled_since = 0;
}

void metrics_unmasked(struct unit_metrics *unit, uint64_t now)
{
	uint64_t took;

	throttle_ended(unit, now);
	if (!unit->masked_since)
		return;
	took = now - unit->masked_since;
	unit->masked_since = 0;
	unit->counters.masked_ns += took;
	if (took > unit->counters.max_masked_ns)
		unit->counters.max_masked_ns = took;
}

void metrics_lost(struct unit_metrics *unit)
{
	unit->masked_since = 0;
	unit->throttled_since = 0;
	unit->timed_out = false;
}

void metrics_throttled(struct unit_metrics *unit, uint64_t now)
{
	unit->counters.throttled++;
	throttle_ended(unit, now);
	unit->throttled_since = now;
}

void metrics_resolved(struct unit_metrics *unit, uint8_t resolution)
{
	if (resolution != ARB_RES_VOID)
		unit->counters.rounds++;
	if (resolution == ARB_RES_UNHANDLED)
		unit->counters.unhandled++;
	if (unit->timed_out)
		unit->counters.forced++;
	unit->timed_out = false;
}
