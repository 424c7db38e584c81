/* SPDX-License-Identifier: MIT */
/*
 * A round from its opening to the moment when everybody asked has answered: who is asked, in which
 * order, and by when. Judges no verdict: resolve.c does.
 */
#include "broker/arb/internal.h"

/*
 * A3: a guest has a spurious detector of its own, so it is asked only if its device asserts, or if
 * nobody can tell, within a budget; but never left out where it would leave nobody.
 */
static uint64_t spare_guests(const struct arb *arb, const struct arb_unit *u, uint16_t asserting)
{
	uint64_t guests = u->candidates & arb->guests & ~arb_bound_to(arb, asserting);
	uint16_t clear = 0;

	if (!guests)
		return u->candidates;
	if (asserting)
		clear = (uint16_t)(arb_trusted(arb, u, u->devices) & ~asserting);
	if (u->guest_asks)
		guests &= arb_bound_to(arb, clear);
	return u->candidates & ~guests ? u->candidates & ~guests : u->candidates;
}

void arb_open(struct arb *arb, struct arb_unit *u, uint16_t devices, bool back_to_back)
{
	uint16_t asserting = arb_trusted(arb, u, devices);

	u->open = true;
	u->round = next_round(u->round);
	u->candidates = arb_eligible(arb, u);
	if (u->candidates & arb->guests)
		u->candidates = spare_guests(arb, u, asserting);
	u->left = arb->config.round_deadline;
	u->asserted = 0;
	arb_see_status(arb, u, devices, 0);

	/* A3: fairness counts rounds that follow each other; every fair_rounds-th asks everybody. */
	u->policy = arb->config.policy;
	u->burst = back_to_back ? (uint8_t)(u->burst + 1) : 0;
	if (u->burst >= arb->config.fair_rounds) {
		u->burst = 0;
		u->policy = ARB_BROADCAST;
	}
	/* A3: only learned lets itself be told where to begin. */
	u->hint = u->policy == ARB_LEARNED ? (devices & u->devices & ~arb->distrusted) : 0;
}

void arb_begin(struct arb *arb, struct arb_unit *u, bool first, struct arb_actions *out)
{
	if (first && unit_has(arb, u, ARB_UNIT_SAMPLE))
		arb_sample(arb, u, ARB_SAMPLING_OPENING, out);
	else
		arb_advance(arb, u, out);
}

void arb_fired(struct arb *arb, const struct arb_event *ev, struct arb_actions *out)
{
	struct arb_unit *u = &arb->units[ev->unit];
	bool back_to_back = ev->back_to_back || u->again;

	if (u->open) {
		u->again = true; /* A2: resolving unmasks, and the level fires again */
		return;
	}
	if (unit_has(arb, u, ARB_UNIT_EDGE)) {
		/* A12: shared edge lines always broadcast. */
		u->round = next_round(u->round);
		arb_edge(arb, u, arb_eligible(arb, u), 0, out);
		return;
	}
	u->masked = true;
	u->unsure = false;
	if (u->state == ARB_DIRECT) {
		/* A11: it fired here before the swap, or instead of there: the round is to come. */
		arb_demote(arb, u, out);
		return;
	}
	if (u->demoting)
		return; /* FAULT: the demotion is tried again, and samples */
	u->again = false;
	arb_charge(arb, u, out);
	arb_open(arb, u, ev->attribution, back_to_back);
	arb_enter(u, ARB_ROUND);
	/* A11: its takers, if there are any, may have served it already. */
	arb_begin(arb, u, unit_has(arb, u, ARB_UNIT_NOTIFY) && (u->members & arb->takers), out);
}

/* ---- whom to ask ---------------------------------------------------------------------------------- */

/* A3: the one of @pool that has waited longest for an ask; ties go by priority, then age. */
static uint64_t longest_not_asked(const struct arb *arb, const struct arb_unit *u, uint64_t pool)
{
	uint32_t best = 0;
	uint64_t pick = 0;

	for (unsigned int i = 0; i < arb->n_subs; i++) {
		unsigned int s = arb->order[i];
		uint32_t age =
			(u->round - u->asked_round[s]) & (UINT32_MAX >> (32 - ARB_ROUND_BITS));

		if (!(pool & sub_bit(s)))
			continue;
		if (!u->asked_round[s])
			return sub_bit(s);
		if (!pick || age > best) {
			best = age;
			pick = sub_bit(s);
		}
	}
	return pick;
}

/* A3: the one of @pool with the largest share of HANDLED; ties go by priority, then age. */
static uint64_t likeliest(const struct arb *arb, const struct arb_unit *u, uint64_t pool)
{
	uint32_t best = 0;
	uint64_t pick = 0;

	for (unsigned int i = 0; i < arb->n_subs; i++) {
		unsigned int s = arb->order[i];

		if ((pool & sub_bit(s)) && (!pick || u->weight[s] > best)) {
			best = u->weight[s];
			pick = sub_bit(s);
		}
	}
	return pick;
}

static uint64_t first_in_order(const struct arb *arb, uint64_t pool)
{
	unsigned int i = 0;

	while (!(pool & sub_bit(arb->order[i])))
		i++;
	return sub_bit(arb->order[i]);
}

static uint64_t pick_one(const struct arb *arb, const struct arb_unit *u, uint64_t pool)
{
	if (!(pool & (pool - 1)))
		return pool;
	/* A3: a re-fire begins with somebody who was not asked last round. */
	if (u->burst && !u->asked)
		return longest_not_asked(arb, u, pool);
	return u->policy == ARB_CHAIN ? first_in_order(arb, pool) : likeliest(arb, u, pool);
}

/* A3, A4: the next wave, out of @rest, which is not empty. */
static uint64_t choose(const struct arb *arb, const struct arb_unit *u, uint64_t rest)
{
	uint64_t preferred = rest & arb_bound_to(arb, u->hint);
	uint64_t pool = preferred ? preferred : rest;
	uint64_t wave = 0;

	/* A11: after a demotion the one who had it. */
	if (u->holder != ARB_NO_SUB && (rest & sub_bit(u->holder)))
		return sub_bit(u->holder);
	if (u->policy == ARB_CHAIN)
		return pick_one(arb, u, pool);
	/* Broadcast: all of them. Learned: the likeliest, one for each device known to assert ... */
	if (u->policy == ARB_BROADCAST || u->asked)
		return pool; /* ... and then all the others. */
	if (!preferred)
		return pick_one(arb, u, pool);
	FOR_EACH (d, u->hint) {
		if (rest & arb->bound[d])
			wave |= pick_one(arb, u, rest & arb->bound[d]);
	}
	return wave;
}

/*
 * Candidates not asked yet, but for those whom another unit has put in quarantine meanwhile. After an
 * answer, those whose device is known to be clear don't count (A4).
 */
static uint64_t left_to_ask(const struct arb *arb, const struct arb_unit *u)
{
	uint64_t rest = u->candidates & ~u->asked & arb_eligible(arb, u);

	return u->answered ? rest & ~arb_bound_to(arb, u->clear) : rest;
}

/* ---- asking --------------------------------------------------------------------------------------- */

static uint8_t ask_flags(const struct arb *arb, const struct arb_unit *u, unsigned int sub)
{
	uint8_t flags = 0;

	if (arb->probing & sub_bit(sub))
		flags |= ARB_ASK_PROBE;
	if (u->holder == sub)
		flags |= ARB_ASK_MAYBE;
	if (unit_has(arb, u, ARB_UNIT_NOTIFY) && (arb->subs[sub].flags & ARB_SUB_NOTIFY))
		flags |= ARB_ASK_NOTIFIED;
	if (u->asked && !u->answered)
		flags |= ARB_ASK_HEDGE;
	return flags;
}

static void ask(struct arb *arb, struct arb_unit *u, uint64_t wave, struct arb_actions *out)
{
	const struct arb_config *config = &arb->config;
	uint64_t rest = u->candidates & ~u->asked & ~wave;
	unsigned int later = u->policy == ARB_CHAIN ? count(rest) : rest != 0;
	uint64_t share, longest = 0;

	/* A5: what the last wave was granted is spent, whether or not it took that long. */
	u->left -= u->granted;
	share = u->left / (1 + later);

	FOR_EACH (s, wave) {
		uint64_t deadline = arb->subs[s].deadline;

		/* A5: its own deadline, or the line's, or half the budget; never more than the share. */
		if (!deadline)
			deadline = config->ask_deadline;
		if (!deadline)
			deadline = config->round_deadline / 2;
		if (deadline > share)
			deadline = share;
		if (deadline > longest)
			longest = deadline;

		u->debt &= ~sub_bit(s); /* A5: a probe; the old round can't be answered any more */
		u->asked_round[s] = u->round;
		if ((arb->guests & sub_bit(s)) &&
		    !(arb_bound_to(arb, arb_trusted(arb, u, u->asserted)) & sub_bit(s)))
			arb_charge_guest(arb, u, out);
		emit(out, (struct arb_action){.kind = ARB_ACT_ASK,
					      .unit = unit_index(arb, u),
					      .sub = (uint8_t)s,
					      .round = u->round,
					      .flags = ask_flags(arb, u, s)});
		emit(out, (struct arb_action){.kind = ARB_ACT_ARM_TIMER,
					      .timer = ARB_TIMER_ASK,
					      .unit = unit_index(arb, u),
					      .sub = (uint8_t)s,
					      .token = u->round,
					      .delay = deadline});
	}
	u->granted = longest;
	u->asked |= wave;
	u->owes |= wave;
	u->hint = 0;

	/* A3: the hedge, where there is somebody else to ask and time to gain. */
	if (u->policy == ARB_LEARNED && rest && config->hedge < longest) {
		u->hedged = true;
		emit(out, (struct arb_action){.kind = ARB_ACT_ARM_TIMER,
					      .timer = ARB_TIMER_HEDGE,
					      .unit = unit_index(arb, u),
					      .token = u->round,
					      .delay = config->hedge});
	}
}

void arb_unhedge(struct arb *arb, struct arb_unit *u, struct arb_actions *out)
{
	if (!u->hedged)
		return;
	u->hedged = false;
	emit(out, (struct arb_action){.kind = ARB_ACT_CANCEL_TIMER,
				      .timer = ARB_TIMER_HEDGE,
				      .unit = unit_index(arb, u)});
}

void arb_hedge(struct arb *arb, struct arb_unit *u, struct arb_actions *out)
{
	uint64_t rest = left_to_ask(arb, u);

	u->hedged = false;
	if (!rest)
		return;
	/*
	 * A3, A5: only the hedge's delay has passed, and this is the last wave: one after it would come
	 * when the first has used up its time, which is not accounted for any more.
	 */
	u->granted = arb->config.hedge;
	u->candidates &= u->asked | rest;
	ask(arb, u, rest, out);
}

void arb_sample(struct arb *arb, struct arb_unit *u, enum arb_sampling why, struct arb_actions *out)
{
	u->sampling = (uint8_t)why;
	u->sample_token = next_token(arb);
	emit(out, (struct arb_action){.kind = ARB_ACT_SAMPLE_LEVEL,
				      .unit = unit_index(arb, u),
				      .round = u->round,
				      .token = u->sample_token});
}

void arb_advance(struct arb *arb, struct arb_unit *u, struct arb_actions *out)
{
	uint64_t rest;

	assert(u->open);
	if (u->owes || u->sampling)
		return;
	/* A4: answered, and the level could not be seen up: that was it. */
	rest = u->answered && !u->level_up ? 0 : left_to_ask(arb, u);
	arb_unhedge(arb, u, out);
	if (rest)
		ask(arb, u, choose(arb, u, rest), out);
	else if (u->answered)
		arb_resolve(arb, u, ARB_RES_HANDLED, false, out); /* A4: nobody left */
	else if (unit_has(arb, u, ARB_UNIT_SAMPLE))
		arb_sample(arb, u, ARB_SAMPLING_UNHANDLED, out); /* A8: was there anything? */
	else
		arb_resolve(arb, u, ARB_RES_UNHANDLED, false, out);
}

void arb_press(struct arb *arb, struct arb_unit *u, struct arb_actions *out)
{
	uint64_t rest = left_to_ask(arb, u);
	bool waiting = u->owes & ~arb_bound_to(arb, u->clear);

	if (!rest && !waiting)
		arb_resolve(arb, u, ARB_RES_HANDLED, false,
			    out); /* A4: only the answerer's is left */
	else if (rest && (!waiting || (rest & arb_bound_to(arb, u->hint))))
		ask(arb, u, choose(arb, u, rest), out);
	else
		arb_advance(arb, u, out);
}
