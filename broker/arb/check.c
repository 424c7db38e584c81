/* SPDX-License-Identifier: MIT */
/*
 * What is true between any two steps, whatever happened. Reads only; for tests, and for a broker
 * that looks at itself before it feeds its watchdog.
 */
#include "broker/arb/internal.h"

static bool in_range(const struct arb *arb)
{
	uint64_t bound = 0;

	if (arb->n_subs > ARB_MAX_SUBS || count(arb->present) != arb->n_subs)
		return false;
	for (unsigned int i = 0; i < arb->n_subs; i++) {
		if (!(arb->present & sub_bit(arb->order[i])))
			return false;
	}
	for (unsigned int d = 0; d < ARB_MAX_DEVICES; d++) {
		if (bound & arb->bound[d])
			return false;
		bound |= arb->bound[d];
	}
	return !(bound & arb->unbound) && (bound | arb->unbound) == arb->present;
}

static enum arb_invariant check_sub(const struct arb *arb, uint8_t sub)
{
	const struct arb_sub *s = &arb->subs[sub];
	bool trouble = arb_in_trouble(arb, sub);
	bool probing = arb->probing & sub_bit(sub);
	uint64_t held = arb->quarantined | arb->probing | arb->parked;

	if (!(arb->present & sub_bit(sub)))
		return trouble || (held & sub_bit(sub)) || s->strikes || s->probe_token ||
				       s->strike_token
			       ? ARB_INV_GHOST
			       : ARB_INV_NONE;
	if ((arb->quarantined & sub_bit(sub)) && s->strikes < arb->config.strikes_max)
		return ARB_INV_QUARANTINE;
	/* A6: there is always another chance: a probe is under way, or its timer is. */
	if (probing ? s->probe_token != 0 : trouble != (s->probe_token != 0))
		return ARB_INV_NO_TIMER;
	return ARB_INV_NONE;
}

static bool waits_for_timer(const struct arb *arb, const struct arb_unit *u)
{
	if (u->state == ARB_FAULT || (u->state == ARB_UNCLAIMED && (arb->unquietable & u->devices)))
		return u->tries < arb->config.fault_tries;
	return u->state == ARB_THROTTLED || (u->state == ARB_POLLED && !u->open);
}

static enum arb_invariant check_unit(const struct arb *arb, const struct arb_unit *u)
{
	bool may_owe = u->state == ARB_ROUND || u->state == ARB_POLLED;

	if (u->state >= ARB_N_STATES || u->policy >= ARB_N_POLICIES)
		return ARB_INV_RANGE;
	if (u->owes && !may_owe)
		return ARB_INV_OWES_OUTSIDE_ROUND;
	if (u->owes & ~u->asked)
		return ARB_INV_OWES_UNASKED;
	FOR_EACH (s, u->owes) {
		if (u->asked_round[s] != u->round)
			return ARB_INV_OWES_UNASKED;
	}
	if (u->owes & u->debt)
		return ARB_INV_OWES_AND_DEBT;
	if ((u->open && !may_owe) || (u->state == ARB_ROUND && !u->open))
		return ARB_INV_RANGE;
	if (u->open && !u->owes && !u->sampling)
		return ARB_INV_ROUND_WITHOUT_CAUSE;
	if (u->sampling && !u->sample_token)
		return ARB_INV_ROUND_WITHOUT_CAUSE;
	if (waits_for_timer(arb, u) && !u->state_token)
		return ARB_INV_NO_TIMER;
	if (u->unhandled && !u->window_token)
		return ARB_INV_NO_TIMER;
	if ((u->owes | u->debt | u->candidates) & ~arb->present)
		return ARB_INV_GHOST;
	return ARB_INV_NONE;
}

static bool quieted_right(const struct arb *arb, const struct arb_unit *u)
{
	if (u->state == ARB_ABSENT)
		return true;
	FOR_EACH (d, u->devices) {
		uint16_t bit = device_bit((unsigned int)d);
		bool wanted = arb_eligible(arb, u) & (arb->unbound | arb->bound[d]);
		bool mask = arb->config.device_flags[d] & ARB_DEV_MASK;

		if (arb->quiet & bit ? !mask || wanted
				     : mask && !wanted && !(arb->unquietable & bit))
			return false;
	}
	/* A1: nobody to unmask for, and something that would fire. */
	return u->state != ARB_UNCLAIMED || u->masked || !arb_loose(arb, u);
}

bool arb_check(const struct arb *arb, enum arb_invariant *ret_broken)
{
	enum arb_invariant broken = in_range(arb) ? ARB_INV_NONE : ARB_INV_RANGE;

	for (unsigned int i = 0; !broken && i < arb->config.n_units; i++) {
		broken = check_unit(arb, &arb->units[i]);
		if (!broken && !quieted_right(arb, &arb->units[i]))
			broken = ARB_INV_UNWANTED;
	}
	for (unsigned int s = 0; !broken && s < ARB_MAX_SUBS; s++)
		broken = check_sub(arb, (uint8_t)s);
	if (broken && ret_broken)
		*ret_broken = broken;
	return !broken;
}
