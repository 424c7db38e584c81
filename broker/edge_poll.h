/* SPDX-License-Identifier: MIT */
/*
 * An eventfd watched edge-triggered by libuv: one callback for each write, no read for each event.
 *
 * libuv watches level-triggered and issues its own epoll_ctl() inside the loop; this module changes
 * each watch to EPOLLET after that. A self-test, once a process, finds out whether that works with the
 * libuv at hand; if not, the watch stays level-triggered and the eventfd is read.
 *
 * The fd is borrowed. libuv sets O_NONBLOCK on its file description: only for eventfds that the
 * broker itself has made.
 */
#ifndef PTIRQ_EDGE_POLL_H
#define PTIRQ_EDGE_POLL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct edge_watch;

struct edge_poll {
	struct edge_watch *watch; /* libuv's handles: it gives them back in its own time */
	int fd;                   /* -1: not watched */
	bool edge;
	void (*ready)(void *user, bool abused);
	void *user;
};

/*
 * Watch @fd from @loop. @ready is called from the loop after each write, and sometimes without one
 * (never early: what was written before is visible). @abused: the counter was driven to its maximum, or a
 * read of it made to block, which only somebody who means harm does; it is watched on. 0 or -errno, and then
 * there is nothing to close.
 */
int edge_poll_start(struct edge_poll *poll, uv_loop_t *loop, int fd,
		    void (*ready)(void *user, bool abused), void *user);

/*
 * No callback but @closed (which may be NULL) after this. The fd may be closed, and @poll freed, at once;
 * libuv has let go of both at @closed. On a poll that was never started, or has been stopped, @closed is
 * called from within.
 */
void edge_poll_stop(struct edge_poll *poll, void (*closed)(void *user));

/* Do two writes without a read give two events here? Runs once; later calls tell what it found. */
bool edge_poll_self_test(void);

/* For tests: take the self-test's answer as @edge. */
void edge_poll_assume(bool edge);

#endif
