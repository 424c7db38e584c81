/* SPDX-License-Identifier: MIT */
/*
 * What programs that go through promises one by one have in common: EXPECT in the checks, then
 * report, which prints "pass|fail NAME DETAIL"; the detail of a failure is the first thing that was
 * not as expected.
 */
#ifndef PTIRQ_TESTS_VM_CHECK_H
#define PTIRQ_TESTS_VM_CHECK_H

#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

static char check_wrong[256];

#define EXPECT(condition)                                                                      \
	do {                                                                                   \
		if (!(condition) && !check_wrong[0])                                           \
			snprintf(check_wrong, sizeof(check_wrong), "%s:%d: %s", __FILE_NAME__, \
				 __LINE__, #condition);                                        \
	} while (0)

__attribute__((format(printf, 2, 3))) static inline void report(const char *name,
								const char *format, ...)
{
	va_list args;

	printf("%s %s ", check_wrong[0] ? "fail" : "pass", name);
	va_start(args, format);
	if (check_wrong[0])
		fputs(check_wrong, stdout);
	else
		vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	check_wrong[0] = '\0';
}

/*
 * How often the eventfd was signalled since the last call: waits until it was signalled as often as
 * expected, or where none is expected for long enough to have seen one.
 */
static inline uint64_t signals(int fd, uint64_t expected)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	uint64_t sum = 0, n;

	do {
		if (read(fd, &n, sizeof(n)) == sizeof(n))
			sum += n;
		else if (poll(&pfd, 1, expected ? 2000 : 20) <= 0)
			break;
	} while (!expected || sum < expected);
	return sum;
}

#endif
