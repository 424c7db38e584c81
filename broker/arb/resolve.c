/* SPDX-License-Identifier: MIT */
/*
 * What answers mean: verdicts, level samples and expired deadlines, and how a round ends. Chooses
 * nobody: round.c does.
 */
#include "broker/arb/internal.h"

/* A3: a share of 1 is 65,528; each HANDLED moves everybody's by an eighth. */
static void credit(struct arb_unit *u, uint8_t sub)
{
	if (!(u->members & (u->members - 1)))
		return;
	FOR_EACH (s, u->members)
		u->weight[s] -= u->weight[s] >> 3;
	u->weight[sub] += UINT16_MAX >> 3;
}

/* A11: a taker that the source woke answers before it was asked. */
static void take_unasked(struct arb *arb, struct arb_unit *u, uint8_t sub, struct arb_actions *out)
{
	if (!u->open) {
		u->masked = true;
		u->again = false;
		arb_charge(arb, u, out);
		arb_open(arb, u, 0, false);
		arb_enter(u, ARB_ROUND);
	}
	u->candidates |= sub_bit(sub);
	u->asked |= sub_bit(sub);
	u->asked_round[sub] = u->round;
}

void arb_verdict(struct arb *arb, const struct arb_event *ev, struct arb_actions *out)
{
	struct arb_unit *u = &arb->units[ev->unit];
	enum arb_claim claim = ARB_CLAIM_IN_TIME;
	int error = arb_classify(arb, ev, &claim);

	assert(!error);
	if (ev->verdict == ARB_HANDLED) {
		/* A3, and A8: a late HANDLED counts. */
		credit(u, ev->sub);
		u->unhandled = 0;
	}
	if (claim == ARB_CLAIM_LATE) {
		/* A5: nothing to the round, which went on without it; but the debt is paid. */
		report(out, ARB_REP_LATE, ev->unit, ev->sub, ev->round);
		arb_pay(arb, u, ev->sub, false, out);
		return;
	}
	if (claim == ARB_CLAIM_NOTIFIED) {
		take_unasked(arb, u, ev->sub, out);
	} else {
		u->owes &= ~sub_bit(ev->sub);
		emit(out, (struct arb_action){.kind = ARB_ACT_CANCEL_TIMER,
					      .timer = ARB_TIMER_ASK,
					      .unit = ev->unit,
					      .sub = ev->sub});
	}
	arb_pay(arb, u, ev->sub, true, out);

	if (ev->verdict == ARB_NOT_MINE) {
		arb_hear_not_mine(arb, u, ev->sub);
		arb_advance(arb, u, out);
		return;
	}
	/* A4: HANDLED or EOI: look whether that was all. A sample taken before it says nothing. */
	u->answered |= sub_bit(ev->sub);
	u->level_up = false;
	arb_unhedge(arb, u, out);
	if (unit_has(arb, u, ARB_UNIT_SAMPLE))
		arb_sample(arb, u, ARB_SAMPLING_ANSWERED, out);
	else if (u->policy == ARB_BROADCAST)
		arb_advance(arb, u, out);
	else
		arb_resolve(arb, u, ARB_RES_HANDLED, false, out);
}

static void deasserted(struct arb *arb, struct arb_unit *u, enum arb_sampling why,
		       struct arb_actions *out)
{
	if (why == ARB_SAMPLING_OPENING) {
		/* A11: served before we heard of it. A8: a polled unit is quiet. */
		arb_resolve(arb, u, ARB_RES_VOID, true, out);
	} else if (why == ARB_SAMPLING_ANSWERED) {
		u->unhandled = 0;
		u->backoff = 0; /* A8: a deasserted sample after service */
		arb_refund_guests(arb, u, count(u->answered & arb->guests));
		arb_resolve(arb, u, ARB_RES_HANDLED, true, out);
	} else {
		/* A8: down of itself, not because a device has just been quieted. */
		if (!(u->devices & arb->quiet))
			report(out, ARB_REP_GLITCH, unit_index(arb, u), 0, u->round);
		arb_resolve(arb, u, ARB_RES_UNHANDLED, true, out);
	}
}

void arb_level_of(struct arb *arb, struct arb_unit *u, const struct arb_event *ev,
		  struct arb_actions *out)
{
	enum arb_sampling why = (enum arb_sampling)u->sampling;
	uint16_t known = arb_trusted(arb, u, ev->status_known);
	/* A device held by its own mask does not hold the line, whatever its status bit says. */
	uint16_t asserting = (uint16_t)(ev->status & known & ~arb->quiet);
	bool none_of_ours = ev->level == ARB_LEVEL_ASSERTED && known == u->devices && !asserting;

	u->sampling = ARB_SAMPLING_NONE;
	u->sample_token = 0;
	if (ev->level == ARB_LEVEL_DEASSERTED || none_of_ours) {
		arb_trust_again(arb, u->members); /* A7 */
		deasserted(arb, u, why, out);
		return;
	}
	if (ev->level == ARB_LEVEL_ASSERTED) {
		u->level_up = true;
		u->clear = (uint16_t)(known & ~asserting);
		arb_see_status(arb, u, ev->status, ev->status_known);
		u->hint = asserting;
	}
	if (why == ARB_SAMPLING_UNHANDLED)
		arb_resolve(arb, u, ARB_RES_UNHANDLED, false, out);
	else if (why == ARB_SAMPLING_OPENING)
		arb_advance(arb, u, out);
	else if (u->level_up)
		arb_press(arb, u, out);
	else if (u->policy == ARB_BROADCAST)
		arb_advance(arb, u, out); /* A4: cannot be sampled after all: when nobody owes */
	else
		arb_resolve(arb, u, ARB_RES_HANDLED, false, out);
}

void arb_level(struct arb *arb, const struct arb_event *ev, struct arb_actions *out)
{
	arb_level_of(arb, &arb->units[ev->unit], ev, out);
}

void arb_expired(struct arb *arb, struct arb_unit *u, uint8_t sub, struct arb_actions *out)
{
	u->owes &= ~sub_bit(sub);
	report(out, ARB_REP_TIMEOUT, unit_index(arb, u), sub, u->round);
	/* A5: NOT_MINE for the round, and a debt. A11: a demoted holder may have had nothing to do. */
	arb_owe(arb, u, sub, u->holder == sub, out);
	arb_advance(arb, u, out);
}

void arb_close(struct arb *arb, struct arb_unit *u, enum arb_resolution how,
	       struct arb_actions *out)
{
	FOR_EACH (s, u->owes) {
		emit(out, (struct arb_action){.kind = ARB_ACT_RETRACT,
					      .unit = unit_index(arb, u),
					      .sub = (uint8_t)s,
					      .round = u->round});
		emit(out, (struct arb_action){.kind = ARB_ACT_CANCEL_TIMER,
					      .timer = ARB_TIMER_ASK,
					      .unit = unit_index(arb, u),
					      .sub = (uint8_t)s});
	}
	arb_unhedge(arb, u, out);
	if (how != ARB_RES_VOID)
		arb_judge(arb, u, out); /* A7 */
	emit(out, (struct arb_action){.kind = ARB_ACT_REPORT,
				      .report = ARB_REP_RESOLVED,
				      .unit = unit_index(arb, u),
				      .round = u->round,
				      .flags = (uint8_t)how});
	u->open = false;
	u->candidates = 0;
	u->asked = 0;
	u->owes = 0;
	u->answered = 0;
	u->lied = 0;
	u->left = 0;
	u->granted = 0;
	u->sample_token = 0;
	u->hint = 0;
	u->asserted = 0;
	u->clear = 0;
	u->policy = 0;
	u->sampling = ARB_SAMPLING_NONE;
	u->holder = ARB_NO_SUB;
	u->level_up = false;
}

void arb_resolve(struct arb *arb, struct arb_unit *u, enum arb_resolution how, bool down,
		 struct arb_actions *out)
{
	/* What the last sample cleared; a level that is down clears everything. */
	uint16_t clear = down ? u->devices : u->clear;

	arb_close(arb, u, how, out);
	if (u->state == ARB_POLLED)
		arb_polled(arb, u, down, out);
	else if (how == ARB_RES_UNHANDLED)
		arb_unhandled(arb, u, clear, out);
	else
		arb_settle(arb, u, out);
}
