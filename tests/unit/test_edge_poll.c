/* SPDX-License-Identifier: MIT */
/* Owns the behaviour of edge_poll on a loop of its own, in both modes. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "broker/edge_poll.h"
#include "tests/lib/fd_check.h"

static uv_loop_t loop;
static struct edge_poll poll_a;
static unsigned int events, overflows, closed;
static int fd;

static void ready(void *user, bool abused)
{
	cr_assert_eq(user, &loop);
	events++;
	overflows += abused;
}

static void on_closed(void *user)
{
	cr_assert_eq(user, &loop);
	closed++;
}

static unsigned int turn(void)
{
	events = 0;
	uv_run(&loop, UV_RUN_NOWAIT);
	return events;
}

static void begin(void)
{
	/* libuv keeps a pipe for signals from its first loop on. */
	cr_assert_eq(uv_loop_init(&loop), 0);
	uv_loop_close(&loop);
	fd_check_begin();
	poll_a.user = &loop;
	cr_assert_eq(uv_loop_init(&loop), 0);
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	cr_assert_geq(fd, 0);
}

static void end(void)
{
	edge_poll_stop(&poll_a, on_closed);
	close(fd);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(closed, 1);
	cr_assert_eq(uv_loop_close(&loop), 0);
	fd_check_end();
}

TestSuite(edge_poll, .init = begin, .fini = end);

Test(edge_poll, works_with_this_libuv)
{
	cr_assert(edge_poll_self_test());
}

Test(edge_poll, one_event_a_write_and_no_read)
{
	eventfd_t count;

	cr_assert_eq(edge_poll_start(&poll_a, &loop, fd, ready, &loop), 0);
	cr_assert_eq(turn(), 0);
	for (unsigned int i = 1; i <= 3; i++) {
		eventfd_write(fd, 1);
		cr_assert_eq(turn(), 1);
		cr_assert_eq(turn(), 0, "again without a write");
	}
	cr_assert_eq(eventfd_read(fd, &count), 0);
	cr_assert_eq(count, 3, "somebody has read");
}

Test(edge_poll, what_was_written_before_the_start_is_told)
{
	eventfd_write(fd, 1);
	cr_assert_eq(edge_poll_start(&poll_a, &loop, fd, ready, &loop), 0);
	cr_assert_geq(turn() + turn(), 1);
	cr_assert_eq(turn(), 0);
	eventfd_write(fd, 1);
	cr_assert_eq(turn(), 1);
}

/* T1: whoever shares the file description has cleared O_NONBLOCK, and nothing was written. */
Test(edge_poll, a_start_does_not_read)
{
	cr_assert_eq(edge_poll_start(&poll_a, &loop, fd, ready, &loop), 0);
	/* After the start, since uv_poll_init() sets it. */
	cr_assert_eq(fcntl(fd, F_SETFL, 0), 0);
	alarm(5);
	cr_assert_eq(turn(), 0);
	alarm(0);
	eventfd_write(fd, 1);
	cr_assert_eq(turn(), 1);
}

Test(edge_poll, falls_back_to_level_and_reads)
{
	eventfd_t count;

	edge_poll_assume(false);
	cr_assert_eq(edge_poll_start(&poll_a, &loop, fd, ready, &loop), 0);
	for (unsigned int i = 0; i < 3; i++) {
		eventfd_write(fd, 1);
		cr_assert_eq(turn(), 1);
		cr_assert_eq(turn(), 0);
	}
	cr_assert_neq(eventfd_read(fd, &count), 0, "nobody has read");
}

/* Only the kernel can take the counter past what write() may: here when an AIO read completes. */
static void overflow_it(void)
{
	struct iocb request = {.aio_lio_opcode = IOCB_CMD_PREAD,
			       .aio_nbytes = 1,
			       .aio_flags = IOCB_FLAG_RESFD,
			       .aio_resfd = (uint32_t)fd};
	struct iocb *requests[] = {&request};
	aio_context_t aio = 0;
	char byte;
	int file = memfd_create("aio", MFD_CLOEXEC);

	request.aio_fildes = (uint32_t)file;
	request.aio_buf = (uintptr_t)&byte;
	cr_assert_eq(eventfd_write(fd, UINT64_MAX - 1), 0);
	cr_assert_eq(syscall(SYS_io_setup, 1, &aio), 0);
	cr_assert_eq(syscall(SYS_io_submit, aio, 1, requests), 1);
	cr_assert_eq(syscall(SYS_io_destroy, aio), 0);
	close(file);
}

/* libuv ends a watch at such an error: the source must outlive it. */
Test(edge_poll, a_counter_at_its_maximum)
{
	cr_assert_eq(edge_poll_start(&poll_a, &loop, fd, ready, &loop), 0);
	turn();
	overflow_it();
	turn();
	turn();
	cr_assert_eq(overflows, 1);
	for (unsigned int i = 0; i < 3; i++) {
		eventfd_write(fd, 1);
		cr_assert_eq(turn(), 1, "watched on");
		cr_assert_eq(turn(), 0);
	}
	cr_assert_eq(overflows, 1);
}

static int other;

static void start_other(void *user, bool abused)
{
	(void)abused;
	if (other < 0) {
		other = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		cr_assert_eq(edge_poll_start(user, &loop, other, ready, &loop), 0);
	}
}

/* The new watch is added one turn later than the check handle first runs. */
Test(edge_poll, started_from_a_callback)
{
	static struct edge_poll poll_b;

	other = -1;
	cr_assert_eq(edge_poll_start(&poll_a, &loop, fd, start_other, &poll_b), 0);
	turn();
	eventfd_write(fd, 1);
	turn();
	cr_assert_geq(other, 0);
	turn();
	turn();
	for (unsigned int i = 0; i < 3; i++) {
		eventfd_write(other, 1);
		cr_assert_eq(turn(), 1);
		cr_assert_eq(turn(), 0);
	}
	edge_poll_stop(&poll_b, NULL);
	close(other);
	poll_a.user = &loop;
}

Test(edge_poll, stopping_what_never_started)
{
	struct edge_poll never = {.fd = -1, .user = &loop};

	edge_poll_stop(&never, on_closed);
	cr_assert_eq(closed, 1);
	closed = 0;
	cr_assert_eq(edge_poll_start(&poll_a, &loop, fd, ready, &loop), 0);
}
