/* SPDX-License-Identifier: MIT */
/*
 * Two threads, one counter, no lock. A program of its own, since ThreadSanitizer aborts under
 * Criterion. The tsan job must turn red on its report.
 */
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

int main(void)
{
	pthread_t other;

	if (pthread_create(&other, NULL, count, NULL))
		return 1;
	count(NULL);
	return pthread_join(other, NULL);
}
