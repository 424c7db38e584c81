// SPDX-License-Identifier: MIT
/*
 * The handle: its birth and end, what it says about failures, and dispatch. Must not know how a
 * connection is made or what a message means.
 */
#include "client-lib/internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

/* How long a handler's verdict may wait for the others'. */
#define HOLD_NS 20000

int fail(struct ptirq *ptirq, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(ptirq->error, sizeof(ptirq->error), format, args);
	va_end(args);
	return err;
}

int owner_check(struct ptirq *ptirq)
{
	if (__builtin_expect(*ptirq->owner, 1))
		return 0;
	return fail(
		ptirq, -EPERM,
		"this handle belongs to the parent process: after a fork the child may only close "
		"it, and opens its own");
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t now_ms(void)
{
	return now_ns() / 1000000;
}

void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* getpid() at each wait would be a system call of its own; memory that a fork wipes costs a load. */
static const volatile uint8_t *owner_map(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *byte =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (byte == MAP_FAILED)
		return NULL;
	if (madvise(byte, size, MADV_WIPEONFORK) < 0) {
		munmap(byte, size);
		return NULL;
	}
	*byte = 1;
	return byte;
}

static int choose_path(struct ptirq *ptirq, const char *path)
{
	const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
	char mine[sizeof(ptirq->path)];

	if (!path)
		path = secure_getenv("PTIRQ_SOCKET");
	if (!path && runtime &&
	    snprintf(mine, sizeof(mine), "%s/ptirq/broker.sock", runtime) < (int)sizeof(mine) &&
	    access(mine, F_OK) == 0)
		path = mine;
	if (!path)
		path = CHANNEL_DEFAULT_PATH;

	if (strlen(path) >= sizeof(ptirq->path))
		return fail(ptirq, -ENAMETOOLONG, "the socket's path is longer than %zu bytes: %s",
			    sizeof(ptirq->path) - 1, path);
	strcpy(ptirq->path, path);
	return 0;
}

int ptirq_open(struct ptirq **ret, const char *socket_path)
{
	struct ptirq *ptirq = calloc(1, sizeof(*ptirq));
	int r;

	*ret = NULL; /* so that ptirq_error() can be asked in any case */
	if (!ptirq)
		return -ENOMEM;
	ptirq->owner = owner_map();
	if (!ptirq->owner) {
		free(ptirq);
		return -ENOMEM;
	}
	r = link_init(ptirq);
	*ret = ptirq;
	if (r == 0)
		r = choose_path(ptirq, socket_path);
	if (r == 0) {
		/* The link has a time-out of its own, and a loss while opening is final. */
		link_start(ptirq);
		while (ptirq->link != LINK_DOWN && ptirq->link != LINK_UP)
			link_step(ptirq, -1);
		r = ptirq->dead ? ptirq->dead : ptirq->link == LINK_UP ? 0 : ptirq->lost_by;
	}
	if (r < 0)
		link_dead(ptirq, r);
	return r;
}

void ptirq_close(struct ptirq *ptirq)
{
	struct ptirq_sub *sub, *next;

	if (!ptirq)
		return;
	/* In a forked child all of this is its own copy, and the epoll set is left as it is. */
	DL_FOREACH_SAFE (ptirq->subs, sub, next)
		sub_free(sub);
	link_deinit(ptirq);
	watch_deinit(ptirq);
	munmap((void *)ptirq->owner, (size_t)sysconf(_SC_PAGESIZE));
	free(ptirq);
}

const char *ptirq_error(const struct ptirq *ptirq)
{
	return ptirq ? ptirq->error : "out of memory";
}

int ptirq_get_fd(struct ptirq *ptirq)
{
	return ptirq->epoll;
}

uint64_t ptirq_epoch(const struct ptirq *ptirq)
{
	return ptirq->link == LINK_UP ? ptirq->epoch : 0;
}

static struct ptirq_sub *next_to_handle(struct ptirq *ptirq)
{
	struct ptirq_sub *sub;

	DL_FOREACH2(ptirq->ready, sub, ready_next)
	if (sub->handler && sub->turn != ptirq->turn)
		return sub;
	return NULL;
}

/*
 * Written by ourselves, the wake eventfd is as good as the broker's write: nobody else looks at it.
 * So what a wait has found for others makes the epoll fd readable again.
 */
void kick(struct ptirq *ptirq)
{
	struct ptirq_sub *sub;
	bool left = ptirq->watch.first;

	DL_FOREACH2(ptirq->ready, sub, ready_next)
	left = left || sub->handler;
	if (!left || ptirq->kicked || ptirq->wake < 0)
		return;
	eventfd_write(ptirq->wake, 1);
	ptirq->kicked = true;
}

/*
 * One interrupt of each subscription, so that a busy one does not keep the others waiting. Their verdicts
 * are told together, because one wake of the broker costs as much as its work for several interrupts; but
 * none is held back for longer than HOLD_NS, going by what the next handler took the last time.
 */
static int run_handlers(struct ptirq *ptirq)
{
	enum ptirq_verdict verdict;
	uint64_t now = now_ns(), held_since = now, began;
	struct ptirq_irq irq;
	struct ptirq_sub *sub;
	int n = 0;

	ptirq->turn++;
	while ((sub = next_to_handle(ptirq))) {
		sub->turn = ptirq->turn;
		if (take(sub, &irq) < 0)
			continue;
		if (now - held_since + sub->took > HOLD_NS)
			ring(ptirq);
		if (!ptirq->ring_due)
			held_since = now;
		began = now;
		verdict = sub->handler(sub, &irq, sub->handler_data);
		now = now_ns();
		n++;
		/* Without a verdict the handler may have unsubscribed. */
		if (!verdict_valid(verdict))
			continue;
		sub->took = now - began;
		ptirq_ack(sub, &irq, verdict);
	}
	ring(ptirq);
	return n;
}

int ptirq_dispatch(struct ptirq *ptirq)
{
	int n, r = owner_check(ptirq);

	if (r < 0)
		return r;
	/* A handler that dispatches: what has come is for the dispatch that called it. */
	if (ptirq->dispatching)
		return 0;
	if (ptirq->dead)
		return ptirq->dead;

	link_step(ptirq, 0);
	awake(ptirq);
	news_take(ptirq);
	ptirq->dispatching = true;
	watch_flush(ptirq);
	n = run_handlers(ptirq);
	ptirq->dispatching = false;
	rest(ptirq);
	kick(ptirq);

	if (n > 0)
		return n;
	return ptirq->dead ? ptirq->dead : ptirq->link == LINK_DOWN ? -ENOTCONN : 0;
}
