/* SPDX-License-Identifier: MIT */
/* Owns the arithmetic of histograms and masked times. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "broker/arb/arb.h"
#include "broker/metrics.h"

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Against the exact percentiles of samples over seven decades. */
Test(histogram, percentiles_are_within_an_eighth)
{
	static uint64_t value[20000];
	static const uint32_t per_mille[] = {1, 100, 500, 900, 990, 999, 1000};
	struct histogram h = {0};
	uint64_t seed = 1;

	for (unsigned int i = 0; i < 20000; i++) {
		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
		value[i] = 1000 + (seed >> 20) % (UINT64_C(1) << (10 + seed % 24));
		histogram_add(&h, value[i]);
	}
	qsort(value, 20000, sizeof(value[0]), by_value);
	for (unsigned int i = 0; i < sizeof(per_mille) / sizeof(per_mille[0]); i++) {
		uint64_t exact = value[(20000 * per_mille[i] + 999) / 1000 - 1];
		uint64_t got = histogram_percentile(&h, per_mille[i]);

		cr_expect_geq(got, exact - exact / 8 - 128, "p%u: %llu of %llu", per_mille[i],
			      (unsigned long long)got, (unsigned long long)exact);
		cr_expect_leq(got, exact + exact / 8 + 128, "p%u: %llu of %llu", per_mille[i],
			      (unsigned long long)got, (unsigned long long)exact);
	}
	cr_assert_eq(h.max, value[19999]);
	cr_assert_eq(h.count, 20000);
}

Test(histogram, edges)
{
	struct histogram h = {0};

	cr_assert_eq(histogram_percentile(&h, 500), 0);
	histogram_add(&h, 0);
	cr_assert_eq(histogram_percentile(&h, 999), 0);
	histogram_add(&h, UINT64_MAX);
	cr_assert_eq(h.bucket[HISTOGRAM_BUCKETS - 1], 1);
	cr_assert_eq(h.max, UINT64_MAX);
	cr_assert_gt(histogram_percentile(&h, 1000), UINT64_C(30000000000));
}

Test(histogram, one_sample_is_every_percentile)
{
	struct histogram h = {0};

	histogram_add(&h, 10000);
	cr_assert_eq(histogram_percentile(&h, 1), 10000);
	cr_assert_eq(histogram_percentile(&h, 1000), 10000);
}

Test(histogram, sums)
{
	struct histogram both = {0}, a = {0}, b = {0}, sum = {0};

	for (uint64_t ns = 1000; ns < 1000000; ns += 1000) {
		histogram_add(ns % 3000 ? &a : &b, ns);
		histogram_add(&both, ns);
	}
	histogram_sum(&sum, &a);
	histogram_sum(&sum, &b);
	cr_assert_arr_eq(&sum, &both, sizeof(sum));
}

Test(metrics, masked_time)
{
	struct unit_metrics m = {0};

	metrics_masked(&m, 100);
	metrics_masked(&m, 150); /* masked already */
	metrics_unmasked(&m, 300);
	metrics_unmasked(&m, 400); /* unmasked already */
	metrics_masked(&m, 1000);
	metrics_unmasked(&m, 1050);
	cr_assert_eq(m.counters.masked_ns, 250);
	cr_assert_eq(m.counters.max_masked_ns, 200);
	metrics_masked(&m, 2000);
	metrics_lost(&m);
	metrics_unmasked(&m, 9000);
	cr_assert_eq(m.counters.masked_ns, 250);
}

Test(metrics, throttled_time_ends_with_the_unmask)
{
	struct unit_metrics m = {0};

	metrics_masked(&m, 100);
	metrics_throttled(&m, 200);
	metrics_throttled(&m, 300);
	metrics_unmasked(&m, 450);
	cr_assert_eq(m.counters.throttled, 2);
	cr_assert_eq(m.counters.throttled_ns, 250);
}

Test(metrics, resolutions)
{
	struct unit_metrics m = {0};

	metrics_resolved(&m, ARB_RES_HANDLED);
	m.timed_out = true;
	metrics_resolved(&m, ARB_RES_UNHANDLED);
	metrics_resolved(&m, ARB_RES_VOID);
	cr_assert_eq(m.counters.rounds, 2);
	cr_assert_eq(m.counters.unhandled, 1);
	cr_assert_eq(m.counters.forced, 1);
}

Test(metrics, sums_keep_the_larger_maximum)
{
	struct counters sum = {.rounds = 1, .max_masked_ns = 7};
	struct counters a = {.rounds = 2, .faults = 3, .max_masked_ns = 5};

	counters_add(&sum, &a);
	cr_assert_eq(sum.rounds, 3);
	cr_assert_eq(sum.faults, 3);
	cr_assert_eq(sum.max_masked_ns, 7);
	a.max_masked_ns = 9;
	counters_add(&sum, &a);
	cr_assert_eq(sum.max_masked_ns, 9);
}
