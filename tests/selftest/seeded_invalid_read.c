/* SPDX-License-Identifier: MIT */
/*
 * A read past the end of a heap block in a passing Criterion test: valgrind sees it in the child
 * that Criterion makes and still exits 0. The valgrind job must turn red on its log.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

Test(seeded, invalid_read)
{
	volatile char *block = calloc(8, 1);
	char past = block[8];

	cr_assert(past == block[8]);
	free((void *)block);
}
