/* SPDX-License-Identifier: MIT */
/*
 * A leak in a passing Criterion test: exit code 0, "Passing: 1". Only LeakSanitizer's report file
 * tells, and the asan job must turn red on it.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

Test(seeded, leak)
{
	void *volatile lost = malloc(42);

	lost = NULL;
	cr_assert_null(lost);
}
