/* SPDX-License-Identifier: MIT */
/* Times and their order statistics. */
#include <stdlib.h>
#include <time.h>

#include "bench.h"

uint64_t bench_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct bench_times bench_percentiles(uint64_t *ns, int n)
{
	qsort(ns, (size_t)n, sizeof(*ns), compare_u64);
	return (struct bench_times){
		.p50 = ns[n / 2],
		.p99 = ns[n * 99 / 100],
		.p999 = ns[n * 999 / 1000],
	};
}

double bench_median(double *values, int n)
{
	qsort(values, (size_t)n, sizeof(*values), compare_double);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}
