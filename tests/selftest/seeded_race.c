/* SPDX-License-Identifier: MIT */
/*
 * Two threads, one counter, no lock, in a passing test. Run as seeded_race.plain, since
 * ThreadSanitizer aborts under Criterion; the tsan job must turn red on its report.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stddef.h>

static unsigned int shared;

static void *count(void *unused)
{
	(void)unused;
	for (int i = 0; i < 1000; i++)
		shared++;
	return NULL;
}

Test(seeded, race)
{
	pthread_t other;

	cr_assert_eq(pthread_create(&other, NULL, count, NULL), 0);
	count(NULL);
	pthread_join(other, NULL);
}
