/* SPDX-License-Identifier: MIT */
/*
 * A read past the end of a heap block in a passing test. Under Criterion valgrind sees it in the
 * child and still exits 0; the valgrind job runs seeded_invalid_read.plain and must turn red on its log.
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
