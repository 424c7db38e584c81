// SPDX-License-Identifier: MIT
/*
 * What the broker says unasked. Owns the mapping of the shared pages. Must not call the user: an
 * event may come in the middle of a question.
 */
#include "client-lib/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

void pages_unmap(struct ptirq *ptirq)
{
	if (ptirq->irq_page)
		munmap(ptirq->irq_page, ptirq->irq_size);
	if (ptirq->ack_page)
		munmap(ptirq->ack_page, ptirq->ack_size);
	ptirq->irq_page = NULL;
	ptirq->ack_page = NULL;
	ptirq->epoch = 0;
}

/* The whole of it, at least @least bytes, so that what this build knows of it is there. */
static int page_map(int fd, int prot, size_t least, void **ret, size_t *ret_size)
{
	struct stat st;
	void *page;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -EPROTO;
	if ((size_t)st.st_size < least)
		return -EINVAL;
	page = mmap(NULL, (size_t)st.st_size, prot, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return -errno;
	r = page_header_check(page, (size_t)st.st_size);
	if (r < 0) {
		munmap(page, (size_t)st.st_size);
		return r;
	}
	*ret = page;
	*ret_size = (size_t)st.st_size;
	return 0;
}

/* New pages, and nothing of the old ones counts: not what was delivered, not what was kept (A14). */
static void new_epoch(struct ptirq *ptirq, uint64_t epoch, const int *fds)
{
	void *irq_page, *ack_page;
	size_t irq_size, ack_size;
	struct ptirq_sub *sub;
	int r;

	r = page_map(fds[0], PROT_READ, sizeof(struct page_irq), &irq_page, &irq_size);
	if (r == 0) {
		r = page_map(fds[1], PROT_READ | PROT_WRITE, sizeof(struct page_ack), &ack_page,
			     &ack_size);
		if (r < 0)
			munmap(irq_page, irq_size);
	}
	if (r == 0 && !epoch) {
		munmap(irq_page, irq_size);
		munmap(ack_page, ack_size);
		r = -EPROTO;
	}
	if (r < 0) {
		fail(ptirq, r,
		     "the broker's shared pages are not of a kind that this library knows: %s",
		     strerror(-r));
		if (r == -ENOMEM)
			link_lost(ptirq, r);
		else
			link_dead(ptirq, r);
		return;
	}
	pages_unmap(ptirq);
	ptirq->irq_page = irq_page;
	ptirq->irq_size = irq_size;
	ptirq->ack_page = ack_page;
	ptirq->ack_size = ack_size;
	ptirq->epoch = epoch;

	for (sub = ptirq->subs; sub; sub = sub->next) {
		unmark(sub);
		for (uint32_t i = 0; i < sub->n_units; i++) {
			sub->unit[i].round = 0;
			sub->unit[i].count = 0;
			sub->unit[i].taken = false;
			/* The page may have been written before it came. */
			if (!sub->request.messages)
				mark(sub, i);
		}
	}
	link_greeted(ptirq);
}

static void interrupt(struct ptirq *ptirq, const struct wire_interrupt *interrupt)
{
	struct ptirq_sub *sub = sub_find(ptirq, interrupt->subscription);
	int i = sub ? sub_unit(sub, interrupt->unit) : -ENOENT;

	if (i < 0)
		return;
	sub->unit[i].message = (struct ptirq_irq){
		.round = interrupt->round,
		.unit = interrupt->unit,
		.flags = interrupt->flags,
		.status = interrupt->status,
		.fired_at_ns = interrupt->fired_at_ns,
		.count = interrupt->count,
		/* One that nobody took before the next was asked. */
		.missed = sub->unit[i].message.missed + (sub->pending >> i & 1),
		.epoch = ptirq->epoch,
	};
	mark(sub, (unsigned int)i);
}

static void retracted(struct ptirq *ptirq, uint32_t subscription, uint32_t unit, uint32_t round)
{
	struct ptirq_sub *sub = sub_find(ptirq, subscription);
	int i = sub ? sub_unit(sub, unit) : -ENOENT;

	if (i >= 0 && sub->unit[i].message.round == round)
		sub->unit[i].message.flags |= PTIRQ_RETRACTED;
}

static void evicted(struct ptirq *ptirq, uint32_t subscription, const struct wire_status *reason)
{
	struct ptirq_sub *sub;

	/* 0: all of this client's, and the broker closes next. */
	if (!subscription)
		ptirq->farewell = status_errno(ptirq, reason);
	for (sub = ptirq->subs; sub; sub = sub->next)
		if (!subscription || sub->id == subscription)
			sub_evict(sub, reason);
}

void event_apply(struct ptirq *ptirq, const struct wire_event *event, int fds[LIMIT_MESSAGE_FDS])
{
	switch (event->kind) {
	case WIRE_EV_INTERRUPT: interrupt(ptirq, &event->interrupt); break;
	case WIRE_EV_RETRACTED:
		retracted(ptirq, event->retracted.subscription, event->retracted.unit,
			  event->retracted.round);
		break;
	case WIRE_EV_EPOCH: new_epoch(ptirq, event->epoch.epoch, fds); break;
	case WIRE_EV_EVICTED:
		evicted(ptirq, event->evicted.subscription, &event->evicted.reason);
		break;
	case WIRE_EV_WATCH: watch_queue(ptirq, &event->watch); break;
	/* The socket closes next, and then it is tried again like after any loss. */
	case WIRE_EV_GOING_AWAY:
		ptirq->farewell = fail(ptirq, -ECONNRESET, "%s", event->going_away.text);
		break;
	/* A driver has nothing to do: an absent line keeps its subscriptions (A13). */
	case WIRE_EV_LINE_STATE:
	case WIRE_EV_UNKNOWN: break;
	}
}
