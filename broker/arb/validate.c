/* SPDX-License-Identifier: MIT */
/*
 * Which events are refused, and with which error. Reads only: everything that could go wrong with an
 * event is found here, so that applying it cannot fail.
 */
#include "broker/arb/internal.h"

#define ALL_SUB_FLAGS (ARB_SUB_RESAMPLE | ARB_SUB_DIRECT | ARB_SUB_NOTIFY)

/* Members that this kind does not carry are 0, so that every event has one form only. */
static bool carries_more(const struct arb_event *ev)
{
	uint32_t set = 0;

	set |= ev->unit ? ARB_M_UNIT : 0;
	set |= ev->sub ? ARB_M_SUB : 0;
	set |= ev->device ? ARB_M_DEVICE : 0;
	set |= ev->verdict ? ARB_M_VERDICT : 0;
	set |= ev->level ? ARB_M_LEVEL : 0;
	set |= ev->timer ? ARB_M_TIMER : 0;
	set |= ev->op ? ARB_M_OP : 0;
	set |= ev->policy ? ARB_M_POLICY : 0;
	set |= ev->flags ? ARB_M_FLAGS : 0;
	set |= ev->priority ? ARB_M_PRIORITY : 0;
	set |= ev->back_to_back ? ARB_M_BACK_TO_BACK : 0;
	set |= ev->tapped ? ARB_M_TAPPED : 0;
	set |= ev->attribution ? ARB_M_ATTRIBUTION : 0;
	set |= ev->status ? ARB_M_STATUS : 0;
	set |= ev->status_known ? ARB_M_STATUS_KNOWN : 0;
	set |= ev->round ? ARB_M_ROUND : 0;
	set |= ev->token ? ARB_M_TOKEN : 0;
	set |= ev->deadline ? ARB_M_DEADLINE : 0;
	return set & ~arb_event_members[ev->kind];
}

static bool is_there(const struct arb *arb, const struct arb_event *ev)
{
	return arb->present & sub_bit(ev->sub);
}

/* ---- one check for each kind, to be read beside the table of what they do in arb.c ----------------- */

static int line_up(const struct arb *arb, const struct arb_event *ev)
{
	(void)ev;
	for (unsigned int i = 0; i < arb->config.n_units; i++) {
		if (arb->units[i].state == ARB_ABSENT)
			return 0;
	}
	return ARB_E_STATE;
}

static int line_gone(const struct arb *arb, const struct arb_event *ev)
{
	(void)ev;
	for (unsigned int i = 0; i < arb->config.n_units; i++) {
		if (arb->units[i].state != ARB_ABSENT)
			return 0;
	}
	return ARB_E_STATE;
}

static int unit_up(const struct arb *arb, const struct arb_event *ev)
{
	return arb->units[ev->unit].state == ARB_ABSENT ? 0 : ARB_E_STATE;
}

static int unit_is_there(const struct arb *arb, const struct arb_event *ev)
{
	return arb->units[ev->unit].state == ARB_ABSENT ? ARB_E_STATE : 0;
}

static int join(const struct arb *arb, const struct arb_event *ev)
{
	if (ev->flags & ~ALL_SUB_FLAGS)
		return ARB_E_INVALID;
	if (ev->device != ARB_NO_DEVICE && ev->device >= arb->config.n_devices)
		return ARB_E_INVALID;
	return is_there(arb, ev) ? ARB_E_STATE : 0;
}

static int present(const struct arb *arb, const struct arb_event *ev)
{
	return is_there(arb, ev) ? 0 : ARB_E_STATE;
}

static int park(const struct arb *arb, const struct arb_event *ev)
{
	return is_there(arb, ev) && !arb_sub_parked(arb, ev->sub) ? 0 : ARB_E_STATE;
}

static int unpark(const struct arb *arb, const struct arb_event *ev)
{
	return arb_sub_parked(arb, ev->sub) ? 0 : ARB_E_STATE;
}

static int fired(const struct arb *arb, const struct arb_event *ev)
{
	const struct arb_unit *u = &arb->units[ev->unit];

	if (ev->attribution & ~u->devices)
		return ARB_E_INVALID;
	if (u->state == ARB_ABSENT)
		return ARB_E_STATE;
	/* A2, A12: in an open round it is noted; an edge unit is never masked. */
	if (u->open || arb->config.unit_flags[ev->unit] & ARB_UNIT_EDGE)
		return 0;
	/* What is masked already will be looked at when it is unmasked. */
	return u->masked ? ARB_E_STATE : 0;
}

int arb_classify(const struct arb *arb, const struct arb_event *ev, enum arb_claim *ret_claim)
{
	const struct arb_unit *u = &arb->units[ev->unit];
	uint64_t bit = sub_bit(ev->sub);
	bool its_round = ev->round && ev->round == u->asked_round[ev->sub];

	if (its_round && (u->owes & bit)) {
		*ret_claim = ARB_CLAIM_IN_TIME;
		return 0;
	}
	if (its_round && (u->debt & bit)) {
		*ret_claim = ARB_CLAIM_LATE;
		return 0;
	}
	/* A11: woken by the source: round last+1 before we heard of it, or this one before we asked. */
	if ((arb->config.unit_flags[ev->unit] & ARB_UNIT_NOTIFY) &&
	    (arb->subs[ev->sub].flags & ARB_SUB_NOTIFY)) {
		/* One that had nothing to serve has no interrupt to tell of. */
		bool opens = u->state == ARB_IDLE && ev->verdict != ARB_NOT_MINE &&
			     ev->round == next_round(u->round) &&
			     ((arb_eligible(arb, u) | u->debt) & bit);
		bool joins = u->open && ev->round == u->round && !(u->asked & bit) &&
			     ((u->candidates | u->debt) & bit);

		if (opens || joins) {
			*ret_claim = ARB_CLAIM_NOTIFIED;
			return 0;
		}
	}
	/* Its own round: answered before, retracted, or void. Another: far too late, or invented. */
	return its_round ? ARB_E_NOT_OWED : ARB_E_STALE;
}

static int verdict(const struct arb *arb, const struct arb_event *ev)
{
	enum arb_claim claim;

	if (ev->verdict < ARB_HANDLED || ev->verdict > ARB_EOI)
		return ARB_E_INVALID;
	if (!(arb->units[ev->unit].members & sub_bit(ev->sub)))
		return ARB_E_NOT_OWED;
	return arb_classify(arb, ev, &claim);
}

static int timer(const struct arb *arb, const struct arb_event *ev)
{
	const struct arb_unit *u = &arb->units[ev->unit];
	const struct arb_sub *s = &arb->subs[ev->sub];
	bool of_unit = ev->timer >= ARB_TIMER_HEDGE && ev->timer <= ARB_TIMER_STORM;
	uint32_t token;

	if (ev->timer >= ARB_N_TIMERS || (of_unit && ev->sub) ||
	    (ev->timer > ARB_TIMER_STORM && ev->unit))
		return ARB_E_INVALID;
	/* A5: a timer re-checks before it acts: what it was armed for must still be so. */
	if (ev->timer == ARB_TIMER_ASK)
		token = u->owes & sub_bit(ev->sub) ? u->round : 0;
	else if (ev->timer == ARB_TIMER_HEDGE)
		token = u->hedged ? u->round : 0;
	else if (ev->timer == ARB_TIMER_STATE)
		token = u->state_token;
	else if (ev->timer == ARB_TIMER_WINDOW)
		token = u->window_token;
	else if (ev->timer == ARB_TIMER_STORM)
		token = u->storm_token;
	else if (ev->timer == ARB_TIMER_STRIKE)
		token = s->strike_token;
	else
		token = s->probe_token;
	return token && ev->token == token ? 0 : ARB_E_STALE;
}

static int level(const struct arb *arb, const struct arb_event *ev)
{
	const struct arb_unit *u = &arb->units[ev->unit];

	if (ev->level > ARB_LEVEL_ASSERTED || (ev->status & ~ev->status_known) ||
	    (ev->status_known & ~u->devices))
		return ARB_E_INVALID;
	/* A sample is awaited only while its round is open. */
	return ev->token && ev->token == u->sample_token && ev->round == u->round ? 0 : ARB_E_STALE;
}

static int op_failed(const struct arb *arb, const struct arb_event *ev)
{
	const struct arb_unit *u = &arb->units[ev->unit];
	bool of_device = ev->op == ARB_ACT_QUIET_DEVICE || ev->op == ARB_ACT_UNQUIET_DEVICE;
	bool of_unit = ev->op == ARB_ACT_UNMASK || ev->op == ARB_ACT_MASK;
	bool awaited = ev->token && ev->token == u->op_token;
	bool pending;

	if ((!of_device && ev->device) || ((of_device || of_unit) && ev->token))
		return ARB_E_INVALID;
	if (of_device &&
	    (ev->device >= arb->config.n_devices || !(u->devices & device_bit(ev->device)) ||
	     !(arb->config.device_flags[ev->device] & ARB_DEV_MASK)))
		return ARB_E_INVALID;
	/* It counts only while the core still believes that the operation took effect. */
	if (ev->op == ARB_ACT_UNMASK)
		pending = !u->masked && u->state != ARB_FAULT;
	else if (ev->op == ARB_ACT_MASK)
		pending = u->masked && u->state == ARB_UNCLAIMED;
	else if (ev->op == ARB_ACT_SAMPLE_LEVEL)
		pending = ev->token && ev->token == u->sample_token;
	else if (ev->op == ARB_ACT_QUIET_DEVICE)
		pending = u->state != ARB_ABSENT && arb_device_quiet(arb, ev->device);
	else if (ev->op == ARB_ACT_UNQUIET_DEVICE)
		pending = u->state != ARB_ABSENT && !arb_device_quiet(arb, ev->device) &&
			  !(arb->unsure & device_bit(ev->device));
	else if (ev->op == ARB_ACT_PROMOTE)
		pending = awaited && !u->demoting;
	else if (ev->op == ARB_ACT_DEMOTE)
		pending = awaited && u->demoting;
	else
		return ARB_E_INVALID; /* the others cannot fail */
	return pending ? 0 : ARB_E_STALE;
}

static int op_done(const struct arb *arb, const struct arb_event *ev)
{
	const struct arb_unit *u = &arb->units[ev->unit];

	if (ev->op != ARB_ACT_PROMOTE && ev->op != ARB_ACT_DEMOTE)
		return ARB_E_INVALID;
	return ev->token && ev->token == u->op_token && u->demoting == (ev->op == ARB_ACT_DEMOTE)
		       ? 0
		       : ARB_E_STALE;
}

static int policy(const struct arb *arb, const struct arb_event *ev)
{
	(void)arb;
	return ev->policy < ARB_N_POLICIES ? 0 : ARB_E_INVALID;
}

static int tap(const struct arb *arb, const struct arb_event *ev)
{
	return arb->units[ev->unit].tapped == ev->tapped ? ARB_E_STATE : 0;
}

static int (*const check[ARB_N_EVENTS])(const struct arb *, const struct arb_event *) = {
	[ARB_EV_LINE_UP] = line_up,
	[ARB_EV_LINE_GONE] = line_gone,
	[ARB_EV_UNIT_UP] = unit_up,
	[ARB_EV_UNIT_GONE] = unit_is_there,
	[ARB_EV_JOIN] = join,
	[ARB_EV_LEAVE] = present,
	[ARB_EV_DIED] = present,
	[ARB_EV_PARK] = park,
	[ARB_EV_UNPARK] = unpark,
	[ARB_EV_FIRED] = fired,
	[ARB_EV_VERDICT] = verdict,
	[ARB_EV_TIMER] = timer,
	[ARB_EV_LEVEL] = level,
	[ARB_EV_OP_FAILED] = op_failed,
	[ARB_EV_OP_DONE] = op_done,
	[ARB_EV_POLICY] = policy,
	[ARB_EV_SUB_POLICY] = present,
	[ARB_EV_TAP] = tap,
	[ARB_EV_RESUMED] = unit_is_there,
};

int arb_validate(const struct arb *arb, const struct arb_event *ev)
{
	if (ev->kind >= ARB_N_EVENTS || ev->unit >= arb->config.n_units || ev->sub >= ARB_MAX_SUBS)
		return ARB_E_INVALID;
	if (carries_more(ev))
		return ARB_E_INVALID;
	return check[ev->kind](arb, ev);
}
