/* SPDX-License-Identifier: MIT */
/* Owns the rules for a client that does not read: T4 and T5, in order, nothing lost, nothing leaked. */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/session/output.h"
#include "proto/channel.h"
#include "tests/lib/fd_check.h"

static struct output output;
static int pair[2];

static void begin(void)
{
	int sndbuf = 4096;

	fd_check_begin();
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	output_init(&output);
}

static void end(void)
{
	output_deinit(&output);
	close(pair[0]);
	close(pair[1]);
	fd_check_end();
}

TestSuite(output, .init = begin, .fini = end);

static int put(uint32_t number, size_t size, int fd)
{
	uint8_t buf[LIMIT_MESSAGE] = {0};

	memcpy(buf, &number, sizeof(number));
	return output_put(&output, pair[0], buf, size, &fd, fd >= 0);
}

/* The number of the next packet, -1 if there is none; its fd is closed and counted. */
static int take(unsigned int *ret_fds)
{
	uint8_t buf[LIMIT_MESSAGE];
	int fds[LIMIT_MESSAGE_FDS];
	uint32_t number;
	int n = channel_recv_fds(pair[1], false, buf, fds);

	if (n <= 0)
		return -1;
	for (unsigned int i = 0; i < LIMIT_MESSAGE_FDS; i++)
		if (fds[i] >= 0) {
			close(fds[i]);
			++*ret_fds;
		}
	memcpy(&number, buf, sizeof(number));
	return number;
}

Test(output, in_order_and_whole)
{
	unsigned int fds = 0;
	int sent = 0, got = 0;

	while (sent < 60)
		cr_assert_eq(put(sent++, 1000, -1), 0);
	cr_assert_eq(output_flush(&output, pair[0]), OUTPUT_WRITABLE);
	while (got < sent) {
		int number = take(&fds);

		if (number < 0)
			cr_assert_geq(output_flush(&output, pair[0]), 0);
		else
			cr_assert_eq(number, got++);
	}
	cr_assert_eq(output_flush(&output, pair[0]), OUTPUT_EMPTY);
	cr_assert_eq(output.bytes, 0);
}

Test(output, bounded)
{
	int r = 0, n = 0;

	while ((r = put(n, 4096, -1)) == 0)
		cr_assert_lt(n++, 64);
	cr_assert_eq(r, -ENOBUFS);
	cr_assert_leq(output.bytes, LIMIT_OUTPUT);
	cr_assert_gt(output.bytes, LIMIT_OUTPUT - 4096);
}

Test(output, one_packet_with_fds_at_a_time)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	unsigned int fds = 0;

	cr_assert_eq(put(0, 8, fd), 0);
	cr_assert_eq(put(1, 8, fd), 0);
	cr_assert_eq(put(2, 8, -1), 0);
	close(fd); /* the queue has copies */
	cr_assert_eq(output_flush(&output, pair[0]), OUTPUT_READER);
	cr_assert_eq(take(&fds), 0);
	cr_assert_eq(take(&fds), -1, "the second was sent before the first was read");
	cr_assert_eq(output_flush(&output, pair[0]), OUTPUT_EMPTY);
	cr_assert_eq(take(&fds), 1);
	cr_assert_eq(take(&fds), 2);
	cr_assert_eq(fds, 2);
}

/*
 * T4: as anybody who has not these capabilities is. By a child, since valgrind keeps to itself what a
 * process says of its own limit.
 */
static void be_limited(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct rlimit limit = {64, 64};
	struct __user_cap_data_struct caps[2];
	pid_t us = getpid();
	int status;

	cr_assert_eq(syscall(SYS_capget, &header, caps), 0);
	caps[0].effective &= ~(1u << CAP_SYS_RESOURCE | 1u << CAP_SYS_ADMIN);
	cr_assert_eq(syscall(SYS_capset, &header, caps), 0);
	if (fork() == 0)
		_exit(prlimit(us, RLIMIT_NOFILE, &limit, NULL) ? 1 : 0);
	cr_assert(wait(&status) > 0 && status == 0);
}

Test(output, what_others_have_not_read_is_waited_for)
{
	int fd = eventfd(0, EFD_CLOEXEC), many[] = {fd, fd, fd, fd}, others[2], r;
	unsigned int fds = 0, sent = 0;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, others), 0);
	be_limited();
	while ((r = channel_send(others[0], "", 1, many, 4)) == 0)
		cr_assert_lt(sent++, 64);
	cr_assert_eq(r, -ETOOMANYREFS);
	cr_assert_eq(put(0, 8, fd), 0);
	cr_assert_eq(output_flush(&output, pair[0]), OUTPUT_READER);
	close(others[1]); /* and with it what was in there; other processes of this user may have more */
	while ((r = output_flush(&output, pair[0])) == OUTPUT_READER)
		sched_yield();
	cr_assert_eq(r, OUTPUT_EMPTY);
	cr_assert(take(&fds) == 0 && fds == 1);
	close(others[0]);
	close(fd);
}

Test(output, what_is_queued_is_closed)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	for (int i = 0; i < 5; i++)
		cr_assert_eq(put(i, 8, fd), 0);
	close(fd);
}

Test(output, a_closed_peer_is_an_error)
{
	close(pair[1]);
	cr_assert_eq(put(0, 8, -1), -EPIPE);
	pair[1] = -1;
}
