/* SPDX-License-Identifier: MIT */
/*
 * Owns one libuv poll handle and the change of its watch to EPOLLET. Must not know what the eventfd
 * means, and does not read it but where the self-test failed or the counter is at its maximum.
 */
#include "broker/edge_poll.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "broker/fd_watch.h"
#include "broker/watchdog.h"

static enum { UNTESTED, EDGE, LEVEL } mode;

struct edge_watch {
	uv_poll_t poll;
	uv_check_t check; /* active until the watch is edge-triggered */
	struct edge_poll *edge;
	uint8_t open;
	void (*closed)(void *user); /* NULL, or whom to tell at the end */
	void *user;
};

/*
 * libuv has told epoll of the watch in the poll phase that has just passed, or, if the watch was started
 * from a callback of that phase, will do so in the next one: then what is modified now would be
 * overwritten. The change itself tells what was written before once more.
 */
static void on_check(uv_check_t *check)
{
	struct edge_watch *watch = check->data;
	struct edge_poll *poll = watch->edge;
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = poll->fd};

	if (!watch->poll.io_watcher.events)
		return;
	if (epoll_ctl(uv_backend_fd(check->loop), EPOLL_CTL_MOD, poll->fd, &event) < 0)
		poll->edge = false;
	uv_check_stop(check);
}

static void on_poll(uv_poll_t *handle, int status, int events);

static int begin(struct edge_poll *poll)
{
	int error = fd_watch(&poll->watch->poll, UV_READABLE, on_poll);

	if (!error && poll->edge)
		error = uv_check_start(&poll->watch->check, on_check);
	return error;
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
	struct edge_watch *watch = handle->data;
	struct edge_poll *poll = watch->edge;
	bool abused = status < 0;

	(void)events;
	/* T1: whoever else holds the fd may have made a read of it block. */
	if ((status < 0 || !poll->edge) && watchdog_drain(poll->fd) == -EINTR)
		abused = true;
	/* EPOLLERR of an eventfd is a counter at its maximum, and libuv then ends the watch. If it cannot
	 * be had again: who is abused lets go of it. */
	if (status < 0)
		begin(poll);
	poll->ready(poll->user, abused);
}

static void on_closed(uv_handle_t *handle)
{
	struct edge_watch *watch = handle->data;

	if (--watch->open)
		return;
	if (watch->closed)
		watch->closed(watch->user);
	free(watch);
}

static void end(struct edge_watch *watch)
{
	uv_close((uv_handle_t *)&watch->poll, on_closed);
	uv_close((uv_handle_t *)&watch->check, on_closed);
}

int edge_poll_start(struct edge_poll *poll, uv_loop_t *loop, int fd,
		    void (*ready)(void *user, bool abused), void *user)
{
	struct edge_watch *watch;
	int error;

	*poll = (struct edge_poll){.fd = -1, .ready = ready, .user = user};
	poll->edge = edge_poll_self_test();
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return -ENOMEM;
	error = uv_poll_init(loop, &watch->poll, fd);
	if (error) {
		free(watch);
		return error;
	}
	uv_check_init(loop, &watch->check);
	watch->poll.data = watch->check.data = watch;
	watch->edge = poll;
	watch->open = 2;
	poll->watch = watch;
	poll->fd = fd;
	error = begin(poll);
	if (error) {
		poll->fd = -1;
		poll->watch = NULL;
		end(watch);
	}
	return error;
}

void edge_poll_stop(struct edge_poll *poll, void (*closed)(void *user))
{
	struct edge_watch *watch = poll->watch;

	if (!watch) {
		if (closed)
			closed(poll->user);
		return;
	}
	poll->fd = -1;
	poll->watch = NULL;
	watch->closed = closed;
	watch->user = poll->user;
	end(watch);
}

/* ---- the self-test ----------------------------------------------------------------------------- */

static void count_event(void *user, bool abused)
{
	(void)abused;
	++*(unsigned int *)user;
}

/* Events of one turn of @loop after @writes. */
static unsigned int events_of(uv_loop_t *loop, unsigned int *counter, int fd, unsigned int writes)
{
	*counter = 0;
	while (writes--)
		eventfd_write(fd, 1);
	uv_run(loop, UV_RUN_NOWAIT);
	return *counter;
}

static bool works(void)
{
	struct edge_poll poll = {.fd = -1};
	unsigned int counter;
	uv_loop_t loop;
	bool good;
	int fd;

	if (uv_loop_init(&loop))
		return false;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	good = fd >= 0 && !edge_poll_start(&poll, &loop, fd, count_event, &counter);
	if (good) {
		events_of(&loop, &counter, fd, 0);
		/* Each write one event, and no write no event, although nobody reads. */
		good = events_of(&loop, &counter, fd, 1) == 1 &&
		       events_of(&loop, &counter, fd, 0) == 0 &&
		       events_of(&loop, &counter, fd, 1) == 1;
		edge_poll_stop(&poll, NULL);
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	if (fd >= 0)
		close(fd);
	return good;
}

bool edge_poll_self_test(void)
{
	if (mode == UNTESTED) {
		mode = EDGE; /* what is being tested */
		mode = works() ? EDGE : LEVEL;
	}
	return mode == EDGE;
}

void edge_poll_assume(bool edge)
{
	mode = edge ? EDGE : LEVEL;
}
