// SPDX-License-Identifier: MIT
/*
 * Owns the way of an ask to its subscriber and of a verdict back: the hot path. No encoding (but for
 * subscribers that chose messages), no allocation, no log, and of system calls one write, if at all.
 */
#include "broker/exec.h"
#include "broker/watchdog.h"
#include "proto/page.h"

_Static_assert((int)SLOT_PROBE == (int)ARB_ASK_PROBE && (int)SLOT_MAYBE == (int)ARB_ASK_MAYBE &&
		       (int)SLOT_NOTIFIED == (int)ARB_ASK_NOTIFIED &&
		       (int)SLOT_HEDGE == (int)ARB_ASK_HEDGE && (int)SLOT_EDGE == (int)ARB_ASK_EDGE,
	       "the core's flags are the page's");

/* ---- to the subscriber --------------------------------------------------------------------------- */

void deliver_held_up(struct subscriber *sub)
{
	session_end(sub->session, WIRE_INVALID,
		    "evicted: the write to its wake eventfd was held up");
}

void deliver_wake(struct subscriber *sub, int fd)
{
	/* T1: one that holds us up is not waited for a second time. */
	if (watchdog_signal(fd) != 0)
		deliver_held_up(sub);
}

static void send_interrupt(struct subscriber *sub, const struct page_ask *ask)
{
	struct wire_event event;

	event.kind = WIRE_EV_INTERRUPT;
	event.interrupt = (struct wire_interrupt){
		.subscription = sub->id,
		.unit = ask->unit,
		.round = ask->round,
		.fired_at_ns = ask->fired_at_ns,
		.count = ask->count,
		.flags = ask->flags,
		.status = ask->status,
	};
	session_event(sub->session, &event);
}

void deliver_ask(struct line *line, const struct arb_action *action)
{
	struct subscriber *sub = line->sub[action->sub];
	struct unit *unit = &line->unit[action->unit];
	struct sub_unit *su = sub_unit(sub, action->unit);
	struct pages *pages = &sub->session->pages;
	uint32_t slot = sub->first_slot + action->unit - sub->first_unit;
	struct page_ask ask;

	su->round = action->round;
	su->unanswered = !(action->flags & ARB_ASK_EDGE);
	su->told = !(action->flags & ARB_ASK_NOTIFIED) || !path_woken(unit, sub);
	su->asked_at = exec_now(line->exec);
	su->count++;
	sub->counters.asks++;
	unit->metrics.counters.asks++;
	/* It is being torn down, and its verdict is on its way: DIED. */
	if (sub->session->ended)
		return;
	ask = (struct page_ask){
		.round = action->round,
		.flags = su->told ? action->flags & ~ARB_ASK_NOTIFIED : action->flags,
		.fired_at_ns = unit->fired_at,
		.count = su->count,
		.missed = su->missed,
		.status = unit->status,
		.unit = action->unit,
	};
	if (pages->irq)
		page_slot_store(&pages->irq->slot[slot], &ask);
	if (sub->messages) {
		send_interrupt(sub, &ask);
	} else if (sub->wake >= 0) {
		if (su->told)
			deliver_wake(sub, sub->wake);
	} else if (page_news_post(&pages->ack->to_client, slot)) {
		deliver_wake(sub, pages->wake);
	}
	if (line->exec->watchers)
		watch_record(line, action->unit, "ask", action->round, sub, 0,
			     action->flags & ARB_ASK_PROBE   ? "probe"
			     : action->flags & ARB_ASK_HEDGE ? "hedge"
							     : NULL);
}

/* The client may be in the middle of it: nothing of its is touched but a flag that it may look at. */
void deliver_missed(struct subscriber *sub, uint8_t unit)
{
	struct pages *pages = &sub->session->pages;
	struct sub_unit *su = sub_unit(sub, unit);
	struct page_slot *slot;

	su->missed++;
	if (!pages->irq)
		return;
	slot = &pages->irq->slot[sub->first_slot + unit - sub->first_unit];
	atomic_store_explicit(&slot->missed, su->missed, memory_order_relaxed);
	atomic_fetch_or_explicit(&slot->flags, SLOT_RETRACTED, memory_order_release);
}

void deliver_retract(struct line *line, const struct arb_action *action)
{
	struct subscriber *sub = line->sub[action->sub];

	deliver_missed(sub, action->unit);
	sub->counters.retracted++;
	line->unit[action->unit].metrics.counters.retracted++;
	if (sub->messages) {
		struct wire_event event;

		event.kind = WIRE_EV_RETRACTED;
		event.retracted.subscription = sub->id;
		event.retracted.unit = action->unit;
		event.retracted.round = action->round;
		session_event(sub->session, &event);
	}
	if (line->exec->watchers)
		watch_record(line, action->unit, "retract", action->round, sub, 0, NULL);
}

/* ---- from the subscriber ------------------------------------------------------------------------- */

void deliver_account(struct line *line, const struct arb_event *event)
{
	static const char *const names[] = {
		[ARB_HANDLED] = "handled",
		[ARB_NOT_MINE] = "not-mine",
		[ARB_EOI] = "eoi",
	};
	struct subscriber *sub = line->sub[event->sub];
	struct sub_unit *su = sub_unit(sub, event->unit);
	struct counters *of_unit = &line->unit[event->unit].metrics.counters;
	uint64_t took = 0;

	if (su->unanswered && su->round == event->round) {
		took = exec_now(line->exec) - su->asked_at;
		histogram_add(&sub->response, took);
		histogram_add(line->unit[event->unit].response, took);
		histogram_add(&line->exec->response, took);
		su->unanswered = false;
	}
	if (event->verdict == ARB_HANDLED) {
		sub->counters.handled++;
		of_unit->handled++;
	} else if (event->verdict == ARB_NOT_MINE) {
		sub->counters.not_mine++;
		of_unit->not_mine++;
	} else {
		sub->counters.eoi++;
		of_unit->eoi++;
	}
	if (line->exec->watchers)
		watch_record(line, event->unit, "verdict", event->round, sub, took,
			     names[event->verdict]);
}

int deliver_verdict(struct subscriber *sub, uint8_t unit, uint32_t round, uint32_t verdict)
{
	const struct arb *arb = sub->line->arb;
	struct source *source = sub->line->source;
	bool taker = path_of(sub, unit) == PAGE_NOTIFY;
	int error = ARB_E_INVALID;

	/* A11: its answer may have overtaken what the source says of the interrupt. */
	if (taker && arb_unit_state(arb, unit) == ARB_IDLE && source->ops->look)
		source->ops->look(source);
	/* It was woken before there was a number to tell it. */
	if (taker && !round)
		round = arb_unit_due(arb, unit);
	/* T17: every interrupt that a taker can answer is known by now, so none is made up. */
	if (taker && arb_unit_state(arb, unit) == ARB_IDLE && round == arb_unit_due(arb, unit))
		error = ARB_E_STALE;
	else if (verdict >= ARB_HANDLED && verdict <= ARB_EOI)
		error = exec_feed(sub->line, &(struct arb_event){
						     .kind = ARB_EV_VERDICT,
						     .sub = sub->index,
						     .unit = unit,
						     .round = round,
						     .verdict = verdict,
					     });
	/* A11: a taker that had nothing to serve, and was not asked, answers all the same. */
	if (error && taker) {
		path_refused(sub, unit);
	} else if (error) {
		sub->counters.stale++;
		sub->line->unit[unit].metrics.counters.stale++;
	}
	return error;
}

/*
 * T16, T17: each word is loaded once, and then counts for no more than a message would: its slot must be
 * this client's, its round the one that is owed. What a client writes into the news costs it its own
 * slots' time, at most.
 */
void deliver_acks(struct session *session)
{
	struct page_ack *page = session->pages.ack;
	uint64_t words = page_news_take(&page->to_broker);

	while (words) {
		uint32_t w = __builtin_ctzll(words);
		uint64_t bits = page_news_take_word(&page->to_broker, w);

		words &= words - 1;
		while (bits) {
			uint32_t slot = w * 64 + __builtin_ctzll(bits);
			struct subscriber *sub = session_slot_owner(session, slot);
			uint64_t word;

			bits &= bits - 1;
			if (!sub)
				continue;
			word = atomic_load_explicit(&page->word[slot], memory_order_acquire);
			deliver_verdict(sub, sub->first_unit + slot - sub->first_slot,
					PAGE_ACK_ROUND(word), PAGE_ACK_VERDICT(word));
		}
	}
}

void deliver_resample(void *user, bool abused)
{
	struct subscriber *sub = user;
	struct exec *exec = sub->line->exec;

	if (sub->session->ended)
		return;
	if (abused) {
		session_end(sub->session, WIRE_INVALID,
			    "evicted: a resample eventfd of its was overflowed");
		return;
	}
	if (sub->resampled)
		return;
	sub->resampled = true;
	sub->next_resampled = exec->resampled;
	exec->resampled = sub;
}

/*
 * A write answers every ask whose wake was written before; on the notify path, the open round that it was
 * woken for. With two irqfds on one GSI KVM signals both resample eventfds at each EOI, so one that nobody
 * owed is normal and not counted as stale.
 */
static void end_of_interrupt(struct subscriber *sub)
{
	for (uint8_t u = sub->first_unit; u < sub->first_unit + sub->n_units; u++) {
		struct sub_unit *su = sub_unit(sub, u);

		if (su->unanswered)
			deliver_verdict(sub, u, su->round, ARB_EOI);
		else if (path_woken(&sub->line->unit[u], sub))
			deliver_verdict(sub, u, 0, ARB_EOI);
	}
}

void deliver_resamples(struct exec *exec)
{
	struct subscriber *sub;

	while ((sub = exec->resampled)) {
		exec->resampled = sub->next_resampled;
		sub->resampled = false;
		if (!sub->session->ended)
			end_of_interrupt(sub);
	}
}

void deliver_forget(struct subscriber *sub)
{
	struct subscriber **link = &sub->line->exec->resampled;

	if (!sub->resampled)
		return;
	while (*link != sub)
		link = &(*link)->next_resampled;
	*link = sub->next_resampled;
}
