// SPDX-License-Identifier: MIT
/*
 * Owns the paths of A11 as far as they are not the core's: whom the source wakes by itself, who is direct
 * with it, and what their pages say of it. Who may be on which path is the core's answer; what a source
 * can do is the source's.
 *
 * On the notify path a taker is woken before anybody here knows why. So that it can tell which round it
 * answers, its slot shows each round as soon as there is one, asked or not; and so that it never sleeps
 * through an ask, the source's wake counts for one ask only: see path_woken() and path_refused().
 */
#include "broker/exec.h"

#include <errno.h>
#include <string.h>

#include "broker/log.h"
#include "broker/watchdog.h"
#include "proto/page.h"

static uint64_t bit(const struct subscriber *sub)
{
	return UINT64_C(1) << sub->index;
}

uint8_t path_unit_flags(const struct line *line, uint8_t unit)
{
	const struct source_topology *topology = &line->topology;
	uint8_t flags = 0;

	if (topology->edge)
		return 0;
	if (topology->can_notify[unit])
		flags |= ARB_UNIT_NOTIFY;
	/* A11: what cannot be supervised stays brokered. */
	if (topology->can_direct[unit] && topology->can_sample[unit] && line->config->direct)
		flags |= ARB_UNIT_DIRECT;
	return flags;
}

enum page_path path_of(const struct subscriber *sub, uint8_t unit)
{
	const struct unit *u = &sub->line->unit[unit];

	return u->direct == sub ? PAGE_DIRECT : u->takers & bit(sub) ? PAGE_NOTIFY : PAGE_BROKERED;
}

const char *path_name(enum page_path path)
{
	static const char *const names[PAGE_N_PATHS] = {
		[PAGE_BROKERED] = "brokered",
		[PAGE_NOTIFY] = "notify",
		[PAGE_DIRECT] = "direct",
	};

	return names[path];
}

static struct page_slot *slot_of(const struct subscriber *sub, uint8_t unit)
{
	struct pages *pages = &sub->session->pages;

	return pages->irq ? &pages->irq->slot[sub->first_slot + unit - sub->first_unit] : NULL;
}

/*
 * A faster path is shown before the source can take it: a wake must not find a slot that knows of no way
 * past the broker. A slower one, after the source has ceased.
 */
static void show(const struct subscriber *sub, uint8_t unit, enum page_path path)
{
	struct page_slot *slot = slot_of(sub, unit);

	if (slot)
		atomic_store_explicit(&slot->path, path, memory_order_release);
}

static void show_takers(struct line *line, uint8_t unit, uint64_t subs, enum page_path path)
{
	for (; subs; subs &= subs - 1)
		if (line->sub[__builtin_ctzll(subs)])
			show(line->sub[__builtin_ctzll(subs)], unit, path);
}

/* ---- notify: the takers -------------------------------------------------------------------------- */

static uint64_t wanted_takers(const struct line *line, uint8_t unit)
{
	enum arb_state state = arb_unit_state(line->arb, unit);
	uint64_t takers = 0;

	if (!(line->arb->config.unit_flags[unit] & ARB_UNIT_NOTIFY) || state == ARB_ABSENT ||
	    state == ARB_DIRECT || line->unit[unit].direct)
		return 0;
	for (uint8_t i = 0; i < LIMIT_SUBS_PER_LINE; i++) {
		const struct subscriber *sub = line->sub[i];

		/* A5: a debtor is woken: its verdict for a newer round pays. */
		if (sub && sub->wishes & ARB_SUB_NOTIFY && sub->first_unit == unit &&
		    !arb_sub_parked(line->arb, i) && !arb_sub_quarantined(line->arb, i))
			takers |= bit(sub);
	}
	return takers;
}

static int set_takers(struct line *line, uint8_t unit, uint64_t takers)
{
	int fd[LIMIT_SUBS_PER_LINE];
	size_t n = 0;

	for (uint64_t left = takers; left; left &= left - 1)
		fd[n++] = line->sub[__builtin_ctzll(left)]->wake;
	return line->source->ops->notify(line->source, unit, fd, n);
}

static void renew_takers(struct line *line, uint8_t unit)
{
	struct unit *u = &line->unit[unit];
	uint64_t wanted = wanted_takers(line, unit), before = u->takers;
	int error = 0;

	if (wanted == before)
		return;
	show_takers(line, unit, wanted & ~before, PAGE_NOTIFY);
	/* A source that is gone has forgotten them. */
	if (arb_unit_state(line->arb, unit) != ARB_ABSENT)
		error = set_takers(line, unit, wanted);
	if (error) {
		log_warn(&(struct log_about){.line = line->config->name},
			 "line %s: no notify path for the moment: %s", line->config->name,
			 strerror(-error));
		line->source->ops->notify(line->source, unit, NULL, 0);
		before |= wanted;
		wanted = 0;
	}
	u->takers = wanted;
	u->woken &= wanted;
	show_takers(line, unit, before & ~wanted, PAGE_BROKERED);
}

void path_renew(struct line *line)
{
	for (uint8_t u = 0; u < line->topology.n_units; u++)
		renew_takers(line, u);
}

/* ---- notify: rounds ------------------------------------------------------------------------------ */

/* Their slots show the round, whether or not they will be asked. */
static void announce(struct line *line, uint8_t unit)
{
	struct unit *u = &line->unit[unit];
	struct page_ask ask = {
		.round = arb_unit_round(line->arb, unit),
		.flags = SLOT_NOTIFIED,
		.fired_at_ns = u->fired_at,
		.status = u->status,
		.unit = unit,
	};

	if (ask.round == u->announced)
		return;
	u->announced = ask.round;
	for (uint64_t left = u->takers; left; left &= left - 1) {
		struct subscriber *sub = line->sub[__builtin_ctzll(left)];
		struct page_slot *slot = slot_of(sub, unit);

		ask.count = sub_unit(sub, unit)->count;
		ask.missed = sub_unit(sub, unit)->missed;
		if (slot)
			page_slot_store(slot, &ask);
	}
}

static void forget_paths(struct line *line, uint8_t unit);

void path_follow(struct line *line, const struct arb_event *event)
{
	struct unit *u = &line->unit[event->unit];

	switch ((enum arb_event_kind)event->kind) {
	case ARB_EV_FIRED:
		/* The source has woken them. */
		u->woken = u->takers;
		break;
	case ARB_EV_LINE_GONE:
		for (uint8_t i = 0; i < line->topology.n_units; i++)
			forget_paths(line, i);
		break;
	case ARB_EV_UNIT_GONE: forget_paths(line, event->unit); break;
	case ARB_EV_JOIN:
	case ARB_EV_LEAVE:
	case ARB_EV_DIED:
	case ARB_EV_PARK:
	case ARB_EV_UNPARK:
	case ARB_EV_LINE_UP:
	case ARB_EV_UNIT_UP:
	case ARB_EV_OP_DONE:
	case ARB_EV_OP_FAILED: path_renew(line); break;
	case ARB_EV_VERDICT:
	case ARB_EV_TIMER:
	case ARB_EV_LEVEL:
	case ARB_EV_POLICY:
	case ARB_EV_SUB_POLICY:
	case ARB_EV_TAP:
	case ARB_EV_RESUMED:
	case ARB_N_EVENTS: break;
	}
	if (u->takers)
		announce(line, event->unit);
}

/*
 * Who is woken next has not been woken for the round in its slot, unless it finds it open: a taker is
 * often there before that of its interrupt is.
 */
void path_over(struct line *line, uint8_t unit)
{
	for (uint64_t left = line->unit[unit].takers; left; left &= left - 1) {
		struct page_slot *slot = slot_of(line->sub[__builtin_ctzll(left)], unit);

		if (slot)
			atomic_fetch_or_explicit(&slot->flags, SLOT_RETRACTED,
						 memory_order_release);
	}
}

bool path_woken(struct unit *unit, const struct subscriber *sub)
{
	bool woken = unit->woken & bit(sub);

	unit->woken &= ~bit(sub);
	return woken;
}

/*
 * A wake is as good as a look at the slot, and a taker that answers for another round than the one that
 * is open has looked too early: its wake for this one is used up. Sources come before acks in a turn, so
 * the interrupt that it was for is known by now.
 */
void path_refused(struct subscriber *sub, uint8_t unit)
{
	struct line *line = sub->line;
	struct sub_unit *su = sub_unit(sub, unit);

	line->unit[unit].woken &= ~bit(sub);
	if (!(arb_unit_owing(line->arb, unit) & bit(sub)) || su->told)
		return;
	su->told = true;
	deliver_wake(sub, sub->wake);
}

/* ---- direct -------------------------------------------------------------------------------------- */

int path_watch_resample(struct subscriber *sub)
{
	return edge_poll_start(&sub->resample_poll, sub->line->exec->loop, sub->resample,
			       deliver_resample, sub);
}

/* Ours again; what was written to it is void: the unit is masked, and will be sampled. */
static void take_back(struct subscriber *sub)
{
	int error = watchdog_drain(sub->resample);

	if (error == 0)
		error = path_watch_resample(sub);
	if (error)
		session_end(sub->session, error == -EINTR ? WIRE_INVALID : WIRE_LIMIT,
			    "evicted: its resample eventfd cannot be watched");
}

static void arm_look(struct line *line, uint8_t unit)
{
	struct timer *timer = &line->unit[unit].look;

	timer->line = line;
	timer->unit = unit;
	timer->kind = EXEC_TIMER_LOOK;
	timers_arm(&line->exec->timers, timer, line->arb->config.round_deadline, false);
}

int path_promote(struct line *line, const struct arb_action *action)
{
	struct subscriber *sub = line->sub[action->sub];
	struct unit *unit = &line->unit[action->unit];
	int error;

	renew_takers(line, action->unit);
	/* KVM's waiter, or the source, is its one reader from here on. */
	edge_poll_stop(&sub->resample_poll, NULL);
	show(sub, action->unit, PAGE_DIRECT);
	error = watchdog_drain(sub->resample);
	if (!error)
		error = line->source->ops->promote(line->source, action->unit, sub->wake,
						   sub->resample);
	if (error) {
		show(sub, action->unit, PAGE_BROKERED);
		take_back(sub);
		return error;
	}
	unit->direct = sub;
	unit->silent = 0;
	arm_look(line, action->unit);
	return 0;
}

static void forget_direct(struct line *line, uint8_t unit)
{
	struct subscriber *sub = line->unit[unit].direct;

	if (!sub)
		return;
	line->unit[unit].direct = NULL;
	timers_cancel(&line->unit[unit].look);
	show(sub, unit, path_of(sub, unit));
	take_back(sub);
}

int path_demote(struct line *line, const struct arb_action *action)
{
	int error = line->source->ops->demote(line->source, action->unit);

	if (!error)
		forget_direct(line, action->unit);
	return error;
}

static void forget_paths(struct line *line, uint8_t unit)
{
	forget_direct(line, unit);
	renew_takers(line, unit);
}

/*
 * One that is direct still is so because demote() has failed: a core that loses the holder of a unit which
 * is DIRECT demotes it first, and tries again (A1). No source needs the eventfds for that.
 */
void path_leave(struct subscriber *sub)
{
	for (uint8_t u = sub->first_unit; u < sub->first_unit + sub->n_units; u++)
		if (sub->line->unit[u].direct == sub) {
			sub->line->unit[u].direct = NULL;
			timers_cancel(&sub->line->unit[u].look);
		}
}

/*
 * A11: nobody here sees the eventfds of a direct unit, so its mask and its level are looked at. Two
 * deadlines asserting under the same mask is a holder that does not serve: it shall be asked, and is in
 * debt as anybody else (A5) if it does not answer that either.
 */
void path_look(struct line *line, uint8_t unit)
{
	struct unit *u = &line->unit[unit];
	struct source_level level = line->source->ops->sample(line->source, unit);

	if (level.masked != 1 || level.asserted == 0)
		u->silent = 0;
	else if (u->silent && level.generation == u->generation)
		u->silent++;
	else
		u->silent = 1;
	u->generation = level.generation;
	if (u->silent > 2) {
		u->silent = 0;
		u->fired_at = exec_now(line->exec);
		log_info(
			&(struct log_about){.line = line->config->name,
					    .client = u->direct->session->id},
			"line %s: subscriber %s (pid %d) was direct and does not serve: it is asked",
			line->config->name, u->direct->session->name, u->direct->session->peer.pid);
		exec_feed(line, &(struct arb_event){.kind = ARB_EV_FIRED, .unit = unit});
	}
	if (u->direct)
		arm_look(line, unit);
}

/* T1: told by a source that writes eventfds in this process. */
void path_held_up(struct line *line, int fd)
{
	for (uint8_t i = 0; i < LIMIT_SUBS_PER_LINE; i++)
		if (line->sub[i] && line->sub[i]->wake == fd)
			deliver_held_up(line->sub[i]);
}
