/* SPDX-License-Identifier: MIT */
/*
 * Owns the set of fds that were open when a test began. Must not open anything that outlives a
 * call, and must not depend on the code under test.
 */
#include "tests/lib/fd_check.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FD_MAX 4096

static bool at_begin[FD_MAX];

static void for_each_fd(void (*fn)(int fd, unsigned int *), unsigned int *count)
{
	DIR *dir = opendir("/proc/self/fd");

	cr_assert_not_null(dir, "/proc/self/fd");
	for (struct dirent *entry; (entry = readdir(dir));) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] == '.' || fd == dirfd(dir) || fd >= FD_MAX)
			continue;
		fn(fd, count);
	}
	closedir(dir);
}

static void note(int fd, unsigned int *count)
{
	at_begin[fd] = true;
	(*count)++;
}

static void compare(int fd, unsigned int *leaks)
{
	char path[64], target[256] = "?";

	if (at_begin[fd])
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, target, sizeof(target) - 1) < 0)
		return;
	fprintf(stderr, "leaked fd %d -> %s\n", fd, target);
	(*leaks)++;
}

void fd_check_begin(void)
{
	unsigned int open = 0;

	for (int fd = 0; fd < FD_MAX; fd++)
		at_begin[fd] = false;
	for_each_fd(note, &open);
	cr_assert_gt(open, 0u);
}

void fd_check_end(void)
{
	unsigned int leaks = 0;

	for_each_fd(compare, &leaks);
	/* A failed assertion in a teardown is printed and forgotten by Criterion; a crash is not. */
	if (leaks > 0) {
		fprintf(stderr, "%u leaked fds\n", leaks);
		abort();
	}
}
