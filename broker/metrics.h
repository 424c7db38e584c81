/* SPDX-License-Identifier: MIT */
/*
 * What people want to know, derived from events and actions in the executor; nothing is decided by it.
 * docs/protocol.md says what each counter counts.
 */
#ifndef PTIRQ_METRICS_H
#define PTIRQ_METRICS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Log-linear: 8 buckets for each doubling from 128 ns to 34 s, which bounds the error of a percentile
 * at 12.5 % of its value, interpolation within the bucket making it far less.
 */
#define HISTOGRAM_UNIT_BITS 7
#define HISTOGRAM_OCTAVES   26
#define HISTOGRAM_BUCKETS   (8 * (HISTOGRAM_OCTAVES + 1))

struct histogram {
	uint64_t count;
	uint64_t max;
	uint32_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t ns);
void histogram_sum(struct histogram *sum, const struct histogram *histogram);
/* The value that @per_mille of all samples do not exceed; 0 without samples. */
uint64_t histogram_percentile(const struct histogram *histogram, uint32_t per_mille);

/* Of a unit or a subscriber; those that make no sense for one stay 0. */
struct counters {
	uint64_t rounds, asks, handled, not_mine, eoi, timeouts, strikes, stale, retracted,
		spurious, throttled, forced, unhandled, masked_ns, max_masked_ns, throttled_ns,
		faults;
};

/* @sum's maximum becomes the larger one; everything else is added. */
void counters_add(struct counters *sum, const struct counters *counters);

/* A unit's, with what is under way. */
struct unit_metrics {
	struct counters counters;
	uint64_t masked_since;    /* ns; 0: unmasked */
	uint64_t throttled_since; /* ns; 0: not */
	bool timed_out;           /* somebody's verdict was not waited for in the open round */
};

void metrics_masked(struct unit_metrics *unit, uint64_t now);
void metrics_unmasked(struct unit_metrics *unit, uint64_t now);
/* The device is gone: nothing is masked any more, and nothing is learned from it. */
void metrics_lost(struct unit_metrics *unit);
void metrics_throttled(struct unit_metrics *unit, uint64_t now);
/* @resolution: enum arb_resolution */
void metrics_resolved(struct unit_metrics *unit, uint8_t resolution);

#endif
