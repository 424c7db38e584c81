/* SPDX-License-Identifier: MIT */
/* Owns the seeded faults. Changes what goes into and comes out of arb_step(), never its rules. */
#include "tests/sim/mutant.h"

#include <string.h>

static const char *const names[MUTANT_N] = {
	[MUTANT_NONE] = "none",
	[MUTANT_LOST_UNMASK] = "lost-unmask",
	[MUTANT_EARLY_UNMASK] = "early-unmask",
	[MUTANT_WRONG_ROUND] = "wrong-round",
	[MUTANT_DOUBLE_VERDICT] = "double-verdict",
	[MUTANT_DIRTY_REFUSAL] = "dirty-refusal",
	[MUTANT_REFUSED_VERDICT] = "refused-verdict",
	[MUTANT_LOST_DEADLINE] = "lost-deadline",
	[MUTANT_NO_TIME] = "no-time",
	[MUTANT_LOST_STATE_TIMER] = "lost-state-timer",
	[MUTANT_LOST_PROBE] = "lost-probe",
	[MUTANT_DEBT_FOR_EVER] = "debt-for-ever",
	[MUTANT_NO_QUIET] = "no-quiet",
	[MUTANT_QUIET_TOO_LATE] = "quiet-too-late",
	[MUTANT_NO_UNQUIET] = "no-unquiet",
	[MUTANT_LEAVE_OWES] = "leave-owes",
	[MUTANT_PARK_OWES] = "park-owes",
	[MUTANT_NO_RETRACT] = "no-retract",
	[MUTANT_LOST_ASK] = "lost-ask",
	[MUTANT_LOST_FIRED] = "lost-fired",
	[MUTANT_UNFAIR] = "unfair",
	[MUTANT_GHOST_ASK] = "ghost-ask",
};

const char *mutant_name(enum mutant_kind kind)
{
	return names[kind];
}

/* True in every @nth call. */
static bool every(struct mutant *mutant, uint32_t nth)
{
	return ++mutant->count % nth == 0;
}

static void remove_at(struct arb_actions *actions, uint32_t at)
{
	memmove(&actions->a[at], &actions->a[at + 1],
		(actions->n - at - 1) * sizeof(actions->a[0]));
	actions->n--;
}

/* Every @nth action of @kind (and of @timer, if it arms one) is not given. */
static void drop(struct mutant *mutant, struct arb_actions *actions, enum arb_action_kind kind,
		 enum arb_timer timer, uint32_t nth)
{
	for (uint32_t i = 0; i < actions->n; i++)
		if (actions->a[i].kind == kind &&
		    (kind != ARB_ACT_ARM_TIMER || actions->a[i].timer == timer) &&
		    every(mutant, nth))
			remove_at(actions, i--);
}

static void unmask_after_ask(struct mutant *mutant, struct arb_actions *actions)
{
	for (uint32_t i = 0; i < actions->n; i++)
		if (actions->a[i].kind == ARB_ACT_ASK && !(actions->a[i].flags & ARB_ASK_EDGE) &&
		    every(mutant, 50)) {
			actions->a[actions->n++] = (struct arb_action){
				.kind = ARB_ACT_UNMASK,
				.unit = actions->a[i].unit,
			};
			return;
		}
}

static void quiet_last(struct arb_actions *actions)
{
	for (uint32_t i = 0, n = actions->n; i < n; i++)
		if (actions->a[i].kind == ARB_ACT_QUIET_DEVICE) {
			struct arb_action quiet = actions->a[i];

			remove_at(actions, i--);
			actions->a[actions->n++] = quiet;
			n--;
		}
}

static void at_once(struct arb_actions *actions)
{
	for (uint32_t i = 0; i < actions->n; i++)
		if (actions->a[i].kind == ARB_ACT_ARM_TIMER && actions->a[i].timer == ARB_TIMER_ASK)
			actions->a[i].delay = 0;
}

static void ask_the_gone(struct mutant *mutant, struct arb_actions *actions)
{
	for (uint32_t i = 0; i < actions->n; i++)
		if (actions->a[i].kind == ARB_ACT_ASK && mutant->gone)
			actions->a[i].sub = (uint8_t)__builtin_ctzll(mutant->gone);
}

/* The verdict that @event should have been, if its sender owes one. */
static struct arb_event corrected(const struct arb *arb, const struct arb_event *event)
{
	struct arb_event right = *event;

	if (event->sub < ARB_MAX_SUBS && event->unit < arb->config.n_units)
		right.round = arb_unit_round(arb, event->unit);
	return right;
}

static bool in_debt(const struct arb *arb, const struct arb_event *event)
{
	return event->sub < ARB_MAX_SUBS && event->unit < arb->config.n_units &&
	       (arb_unit_debtors(arb, event->unit) >> event->sub & 1);
}

static int mutate_verdict(struct mutant *mutant, struct arb *arb, const struct arb_event *event,
			  struct arb_actions *ret_actions)
{
	struct arb_event right = corrected(arb, event);
	int ret;

	ret_actions->n = 0;
	if (mutant->kind == MUTANT_REFUSED_VERDICT && every(mutant, 100))
		return ARB_E_NOT_OWED;
	if (mutant->kind == MUTANT_DEBT_FOR_EVER && in_debt(arb, event))
		return 0;
	ret = arb_step(arb, event, ret_actions);
	if (ret && mutant->kind == MUTANT_WRONG_ROUND)
		ret = arb_step(arb, &right, ret_actions);
	if (ret == ARB_E_NOT_OWED && mutant->kind == MUTANT_DOUBLE_VERDICT)
		ret = 0;
	return ret;
}

/* A subscriber goes, and the mutant does not tell the core. */
static bool steps_aside(const struct mutant *mutant, const struct arb *arb,
			const struct arb_event *event)
{
	bool ends = event->kind == ARB_EV_LEAVE || event->kind == ARB_EV_DIED;

	if (event->sub >= ARB_MAX_SUBS || event->round || !(mutant->here >> event->sub & 1))
		return false;
	return (mutant->kind == MUTANT_LEAVE_OWES && ends) ||
	       (mutant->kind == MUTANT_PARK_OWES && event->kind == ARB_EV_PARK &&
		!arb_sub_parked(arb, event->sub));
}

int mutant_step(struct mutant *mutant, struct arb *arb, const struct arb_event *event,
		struct arb_actions *ret_actions)
{
	bool ends = event->kind == ARB_EV_LEAVE || event->kind == ARB_EV_DIED;
	struct arb_event changed = *event;
	int ret;

	if (mutant->kind == MUTANT_NONE)
		return arb_step(arb, event, ret_actions);
	ret_actions->n = 0;
	if (event->kind == ARB_EV_VERDICT)
		ret = mutate_verdict(mutant, arb, event, ret_actions);
	else if (mutant->kind == MUTANT_LOST_FIRED && event->kind == ARB_EV_FIRED &&
		 every(mutant, 50))
		ret = 0;
	else if (steps_aside(mutant, arb, event))
		ret = 0;
	else {
		if (mutant->kind == MUTANT_UNFAIR)
			changed.back_to_back = false;
		ret = arb_step(arb, &changed, ret_actions);
	}
	if (ret && mutant->kind == MUTANT_DIRTY_REFUSAL)
		arb->pad[0] ^= 1;
	if (ret)
		return ret;
	if (ends) {
		mutant->gone |= UINT64_C(1) << event->sub;
		mutant->here &= ~(UINT64_C(1) << event->sub);
	} else if (event->kind == ARB_EV_JOIN) {
		mutant->here |= UINT64_C(1) << event->sub;
		mutant->gone &= ~(UINT64_C(1) << event->sub);
	}
	switch (mutant->kind) {
	case MUTANT_LOST_UNMASK: drop(mutant, ret_actions, ARB_ACT_UNMASK, 0, 20); break;
	case MUTANT_EARLY_UNMASK: unmask_after_ask(mutant, ret_actions); break;
	case MUTANT_LOST_DEADLINE:
		drop(mutant, ret_actions, ARB_ACT_ARM_TIMER, ARB_TIMER_ASK, 5);
		break;
	case MUTANT_NO_TIME: at_once(ret_actions); break;
	case MUTANT_LOST_STATE_TIMER:
		drop(mutant, ret_actions, ARB_ACT_ARM_TIMER, ARB_TIMER_STATE, 5);
		break;
	case MUTANT_LOST_PROBE:
		drop(mutant, ret_actions, ARB_ACT_ARM_TIMER, ARB_TIMER_PROBE, 1);
		break;
	case MUTANT_NO_QUIET: drop(mutant, ret_actions, ARB_ACT_QUIET_DEVICE, 0, 5); break;
	case MUTANT_QUIET_TOO_LATE: quiet_last(ret_actions); break;
	case MUTANT_NO_UNQUIET: drop(mutant, ret_actions, ARB_ACT_UNQUIET_DEVICE, 0, 5); break;
	case MUTANT_NO_RETRACT: drop(mutant, ret_actions, ARB_ACT_RETRACT, 0, 5); break;
	case MUTANT_LOST_ASK: drop(mutant, ret_actions, ARB_ACT_ASK, 0, 50); break;
	case MUTANT_GHOST_ASK: ask_the_gone(mutant, ret_actions); break;
	case MUTANT_NONE:
	case MUTANT_WRONG_ROUND:
	case MUTANT_DOUBLE_VERDICT:
	case MUTANT_DIRTY_REFUSAL:
	case MUTANT_REFUSED_VERDICT:
	case MUTANT_DEBT_FOR_EVER:
	case MUTANT_LEAVE_OWES:
	case MUTANT_PARK_OWES:
	case MUTANT_LOST_FIRED:
	case MUTANT_UNFAIR:
	case MUTANT_N: break;
	}
	return 0;
}
