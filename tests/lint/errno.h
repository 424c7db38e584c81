/* SPDX-License-Identifier: MIT */
/*
 * What clang-tidy is told before each file: errno is 5 wherever it is read. The analyzer of clang 14
 * would follow `return -errno` with 0 into paths on which nothing was set. The price is that
 * branches on other errors are not followed.
 */
#include <errno.h>

static inline int *known_errno(void)
{
	static int value;

	value = 5;
	return &value;
}

#undef errno
#define errno (*known_errno())
