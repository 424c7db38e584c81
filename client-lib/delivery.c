// SPDX-License-Identifier: MIT
/*
 * The hot path: from the page's news to a struct ptirq_irq, and the verdict back. Must make no
 * system call but one epoll_wait() when there is nothing, and one write() of the ack eventfd when the
 * broker may be asleep.
 */
#include "client-lib/internal.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <utlist.h>

bool verdict_valid(enum ptirq_verdict verdict)
{
	return verdict >= PTIRQ_HANDLED && verdict <= PTIRQ_EOI;
}

/* ---- what is pending ---- */

void mark(struct ptirq_sub *sub, unsigned int index)
{
	if (!sub->pending)
		DL_APPEND2(sub->ptirq->ready, sub, ready_prev, ready_next);
	sub->pending |= UINT32_C(1) << index;
}

void woken(struct ptirq_sub *sub)
{
	sub->woken = true;
	for (unsigned int i = 0; i < sub->n_units; i++)
		mark(sub, i);
}

void unmark(struct ptirq_sub *sub)
{
	if (sub->pending)
		DL_DELETE2(sub->ptirq->ready, sub, ready_prev, ready_next);
	sub->pending = 0;
}

void news_take(struct ptirq *ptirq)
{
	struct page_news *news;
	uint64_t summary, bits;

	/* If the broker posts right after this look, it writes the wake eventfd. */
	if (!ptirq->ack_page ||
	    !atomic_load_explicit(&ptirq->ack_page->to_client.summary, memory_order_relaxed))
		return;
	news = &ptirq->ack_page->to_client;
	for (summary = page_news_take(news); summary; summary &= summary - 1) {
		uint32_t w = (uint32_t)__builtin_ctzll(summary);

		for (bits = page_news_take_word(news, w); bits; bits &= bits - 1) {
			uint32_t slot = w * 64 + (uint32_t)__builtin_ctzll(bits);
			struct ptirq_sub *sub = ptirq->by_slot[slot];

			if (sub)
				mark(sub, slot - sub->first_slot);
		}
	}
}

/* ---- take ---- */

static bool read_slot(struct ptirq_sub *sub, unsigned int i, struct ptirq_irq *ret)
{
	struct page_ask ask;

	/* Being written: the news of that comes after it, so there is no need to look twice. */
	if (!page_slot_load(&sub->ptirq->irq_page->slot[sub->first_slot + i], &ask))
		return false;
	*ret = (struct ptirq_irq){
		.round = ask.round,
		.unit = sub->unit[i].id,
		.flags = ask.flags,
		.status = ask.status,
		.fired_at_ns = ask.fired_at_ns,
		.count = ask.count,
		.missed = ask.missed,
		.epoch = sub->ptirq->epoch,
	};
	return true;
}

static enum page_path path_of(const struct ptirq_sub *sub, unsigned int i)
{
	const struct page_slot *slot = &sub->ptirq->irq_page->slot[sub->first_slot + i];

	return atomic_load_explicit(&slot->path, memory_order_acquire);
}

/* A round that this subscription has not answered or taken: its slot shows it. */
static bool see_round(struct ptirq_sub *sub, unsigned int i, struct ptirq_irq *ret)
{
	return read_slot(sub, i, ret) && ret->round != sub->unit[i].round;
}

/*
 * A11: its own wake was written, by the broker or by the source. While it is direct the slot says nothing
 * of the present, and what it says of the past is nothing new any more. On the notify path the broker may
 * be slower than this client: then the round is not known yet, and one that is over is not it.
 */
static bool take_own(struct ptirq_sub *sub, unsigned int i, struct ptirq_irq *ret)
{
	enum page_path path = path_of(sub, i);
	bool was_woken = sub->woken;
	struct ptirq_irq irq;

	sub->woken = false;
	if (see_round(sub, i, &irq) &&
	    !(path == PAGE_NOTIFY && was_woken && (irq.flags & PTIRQ_RETRACTED))) {
		sub->unit[i].round = irq.round;
		if (path != PAGE_DIRECT) {
			*ret = irq;
			return true;
		}
	}
	if (path == PAGE_BROKERED || !was_woken)
		return false;
	*ret = (struct ptirq_irq){
		.unit = sub->unit[i].id,
		.flags = PTIRQ_NOTIFIED,
		.epoch = sub->ptirq->epoch,
	};
	return true;
}

int take(struct ptirq_sub *sub, struct ptirq_irq *ret)
{
	struct ptirq_irq irq;

	while (sub->pending) {
		uint32_t after = sub->pending & ~UINT32_C(0) << sub->cursor;
		unsigned int i = (unsigned int)__builtin_ctz(after ? after : sub->pending);
		uint32_t rest = sub->pending & ~(UINT32_C(1) << i);

		if (!rest)
			unmark(sub);
		sub->pending = rest;
		sub->cursor = i + 1;
		if (sub->waits) {
			if (!take_own(sub, i, ret))
				continue;
			sub->unit[i].taken = true;
			return 0;
		}
		if (sub->request.messages)
			irq = sub->unit[i].message;
		else if (!read_slot(sub, i, &irq))
			continue;
		/* A change of what has been taken, such as its retraction, is no interrupt. */
		if (irq.round == sub->unit[i].round && irq.count == sub->unit[i].count)
			continue;
		sub->unit[i].round = irq.round;
		sub->unit[i].count = irq.count;
		sub->unit[i].taken = true;
		*ret = irq;
		return 0;
	}
	return -EAGAIN;
}

static int may_take(struct ptirq_sub *sub)
{
	struct ptirq *ptirq = sub->ptirq;
	int r = owner_check(ptirq);

	if (r < 0)
		return r;
	if (__builtin_expect(sub->evicted, 0))
		return fail(ptirq, -ESTALE, "%s", sub->reason);
	if (__builtin_expect(sub->request.own_eventfds && !sub->waits, 0))
		return fail(ptirq, -EINVAL,
			    "the interrupts of this subscription come by its own wake eventfd");
	return 0;
}

/* Nothing has failed, so what failed before is not the reason; but without a broker that is. */
static void no_failure(struct ptirq *ptirq)
{
	if (ptirq->link == LINK_UP)
		ptirq->error[0] = 0;
}

int ptirq_take(struct ptirq_sub *sub, struct ptirq_irq *ret)
{
	int r = may_take(sub);

	if (r < 0)
		return r;
	news_take(sub->ptirq);
	r = take(sub, ret);
	if (r < 0)
		no_failure(sub->ptirq);
	return r;
}

/* ---- awake ---- */

/* Until asleep() the broker need not write the wake eventfd: the page is looked at anyway. */
void awake(struct ptirq *ptirq)
{
	if (ptirq->ack_page)
		page_news_awake(&ptirq->ack_page->to_client);
}

/* False: there is news that the eventfd does not tell of. */
static bool asleep(struct ptirq *ptirq)
{
	return !ptirq->ack_page || page_news_asleep(&ptirq->ack_page->to_client);
}

void rest(struct ptirq *ptirq)
{
	if (asleep(ptirq))
		return;
	eventfd_write(ptirq->wake, 1);
	ptirq->kicked = true;
}

/* ---- wait ---- */

int ptirq_wait(struct ptirq_sub *sub, struct ptirq_irq *ret, int timeout_ms)
{
	struct ptirq *ptirq = sub->ptirq;
	uint64_t deadline = timeout_ms > 0 ? now_ms() + (uint64_t)timeout_ms + 1 : 0;
	int left = timeout_ms;
	bool over = false;
	uint64_t now;
	int r;

	for (;;) {
		r = may_take(sub);
		if (r < 0)
			break;
		news_take(ptirq);
		r = take(sub, ret);
		if (r == 0)
			break;
		r = ptirq->dead ? ptirq->dead : over ? -ETIMEDOUT : 0;
		if (r < 0)
			break;
		if (!asleep(ptirq))
			continue;
		if (timeout_ms > 0) {
			now = now_ms();
			left = now < deadline ? (int)(deadline - now) : 0;
		}
		over = left == 0;
		r = link_step(ptirq, left);
		if (r < 0)
			break;
	}
	if (r == -ETIMEDOUT || r == -EINTR)
		no_failure(ptirq);
	rest(ptirq);
	/* What was found for others must not wait until the next message. */
	if (ptirq->ready || ptirq->watch.first)
		kick(ptirq);
	return r;
}

/* ---- ack ---- */

/* A full counter is readable as well, so a failure would tell the broker the same. */
void ring(struct ptirq *ptirq)
{
	if (!ptirq->ring_due)
		return;
	ptirq->ring_due = false;
	eventfd_write(ptirq->ack, 1);
}

static void ack_by_message(struct ptirq_sub *sub, const struct ptirq_irq *irq,
			   enum ptirq_verdict verdict)
{
	struct wire_request request = {
		.kind = WIRE_REQ_ACK,
		.ack =
			{
				.subscription = sub->id,
				.unit = irq->unit,
				.round = irq->round,
				.verdict = verdict,
			},
	};

	link_send(sub->ptirq, &request);
}

/*
 * A11: the round of an interrupt that came without. By now the broker may have one; one that is over does
 * as well, since its verdict may be waited for still; if there is none, 0 is for the one to come. False:
 * it is not the broker that waits.
 */
static bool find_round(struct ptirq_sub *sub, unsigned int i, uint32_t *ret)
{
	enum page_path path = path_of(sub, i);
	struct ptirq_irq irq;

	if (!sub->waits)
		return true;
	if (path == PAGE_DIRECT)
		return false;
	if (see_round(sub, i, &irq))
		*ret = sub->unit[i].round = irq.round;
	return *ret || path == PAGE_NOTIFY;
}

int ptirq_ack(struct ptirq_sub *sub, const struct ptirq_irq *irq, enum ptirq_verdict verdict)
{
	struct ptirq *ptirq = sub->ptirq;
	uint32_t slot, round = irq->round;
	int i, r;

	r = owner_check(ptirq);
	if (r < 0)
		return r;
	if (!verdict_valid(verdict))
		return fail(ptirq, -EINVAL, "%d is no verdict", (int)verdict);
	/* Of another life of the broker, or no longer ours: nothing is owed. */
	if (irq->epoch != ptirq->epoch || !sub->id || (irq->flags & PTIRQ_EDGE))
		return 0;
	i = sub_unit(sub, irq->unit);
	/* The same epoch but another connection: what is not known to be asked is not answered. */
	if (i < 0 || !sub->unit[i].taken)
		return 0;
	if (sub->request.messages) {
		ack_by_message(sub, irq, verdict);
		return 0;
	}
	if (!round && !find_round(sub, (unsigned int)i, &round)) {
		/* A11: a counter that is full says as much. */
		eventfd_write(sub->resample, 1);
		return 0;
	}
	slot = sub->first_slot + (uint32_t)i;
	atomic_store_explicit(&ptirq->ack_page->word[slot], PAGE_ACK(round, verdict),
			      memory_order_release);
	if (page_news_post(&ptirq->ack_page->to_broker, slot))
		ptirq->ring_due = true;
	/* Verdicts of handlers are told together, by the dispatch that runs them. */
	if (!ptirq->dispatching)
		ring(ptirq);
	return 0;
}

int ptirq_ack_wait(struct ptirq_sub *sub, struct ptirq_irq *irq, enum ptirq_verdict verdict,
		   int timeout_ms)
{
	int r = owner_check(sub->ptirq);

	if (r < 0)
		return r;
	awake(sub->ptirq);
	r = ptirq_ack(sub, irq, verdict);
	if (r == 0)
		return ptirq_wait(sub, irq, timeout_ms);
	rest(sub->ptirq);
	return r;
}

enum ptirq_path ptirq_sub_path(struct ptirq_sub *sub)
{
	if (!sub->ptirq->irq_page || sub->n_units != 1)
		return PTIRQ_PATH_BROKERED;
	switch (path_of(sub, 0)) {
	case PAGE_NOTIFY: return PTIRQ_PATH_NOTIFY;
	case PAGE_DIRECT: return PTIRQ_PATH_DIRECT;
	case PAGE_BROKERED:
	case PAGE_N_PATHS: break;
	}
	return PTIRQ_PATH_BROKERED;
}

int ptirq_set_handler(struct ptirq_sub *sub,
		      enum ptirq_verdict (*handler)(struct ptirq_sub *sub,
						    const struct ptirq_irq *irq, void *userdata),
		      void *userdata)
{
	int r = may_take(sub);

	if (r < 0)
		return r;
	sub->handler = handler;
	sub->handler_data = userdata;
	/* What has come before the handler is for it too. */
	kick(sub->ptirq);
	return 0;
}
