/* SPDX-License-Identifier: MIT */
#ifndef PTIRQ_TESTS_FD_CHECK_H
#define PTIRQ_TESTS_FD_CHECK_H

/*
 * A test leaves as many fds open as it found. Criterion runs each test in a process of its own,
 * so the pair needs no state but its own:
 *
 *	TestSuite(channel, .init = fd_check_begin, .fini = fd_check_end);
 *
 * A suite with fixtures of its own calls them first and last. On a leak the test fails and each
 * new fd is printed with what it refers to.
 */
void fd_check_begin(void);
void fd_check_end(void);

#endif
