/* SPDX-License-Identifier: MIT */
/*
 * A test that leaves an fd open: fd_check must fail it, in its teardown.
 */
#include "tests/lib/fd_check.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <unistd.h>

TestSuite(seeded, .init = fd_check_begin, .fini = fd_check_end);

Test(seeded, fd_leak)
{
	cr_assert_geq(open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
}

Test(seeded, no_fd_leak)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	close(fd);
}
