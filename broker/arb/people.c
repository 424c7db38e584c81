/* SPDX-License-Identifier: MIT */
/*
 * A10: subscribers come, go, and step aside for a while. Owns the sets of who is there and the order
 * in which chain asks. What is held against them is debt.c's.
 */
#include <string.h>

#include "broker/arb/internal.h"

/* ---- the order of asking: by priority, then by age ------------------------------------------------ */

static void order_insert(struct arb *arb, uint8_t sub)
{
	unsigned int i = arb->n_subs++;

	for (; i > 0 && arb->subs[arb->order[i - 1]].priority > arb->subs[sub].priority; i--)
		arb->order[i] = arb->order[i - 1];
	arb->order[i] = sub;
}

static void order_remove(struct arb *arb, uint8_t sub)
{
	unsigned int i = 0;

	while (arb->order[i] != sub)
		i++;
	arb->n_subs--;
	memmove(&arb->order[i], &arb->order[i + 1], arb->n_subs - i);
	arb->order[arb->n_subs] = 0;
}

/* Units that @sub is a member of, as a set. */
static uint64_t units_of(const struct arb *arb, uint8_t sub)
{
	uint64_t units = 0;

	for (unsigned int i = 0; i < arb->config.n_units; i++) {
		if (arb->units[i].members & sub_bit(sub))
			units |= UINT64_C(1) << i;
	}
	return units;
}

/* ---- coming --------------------------------------------------------------------------------------- */

void arb_join(struct arb *arb, const struct arb_event *ev, struct arb_actions *out)
{
	struct arb_sub *sub = &arb->subs[ev->sub];
	uint64_t bit = sub_bit(ev->sub);

	sub->device = ev->device;
	sub->priority = ev->priority;
	sub->flags = ev->flags;
	sub->deadline = ev->deadline;
	arb->present |= bit;
	if (ev->flags & ARB_SUB_RESAMPLE)
		arb->guests |= bit;
	if (ev->flags & ARB_SUB_NOTIFY)
		arb->takers |= bit;
	if (ev->device == ARB_NO_DEVICE)
		arb->unbound |= bit;
	else
		arb->bound[ev->device] |= bit;
	order_insert(arb, ev->sub);

	/* It owes nothing in an open round and does not end it: it is no candidate there. */
	for (unsigned int i = 0; i < arb->config.n_units; i++) {
		struct arb_unit *u = &arb->units[i];

		if (ev->device != ARB_NO_DEVICE && arb->config.device_unit[ev->device] != i)
			continue;
		u->members |= bit;
		arb_welcome(arb, u, out);
	}
}

void arb_unpark(struct arb *arb, const struct arb_event *ev, struct arb_actions *out)
{
	arb->parked &= ~sub_bit(ev->sub);
	FOR_EACH (i, units_of(arb, ev->sub)) {
		struct arb_unit *u = &arb->units[i];

		/* Its device is unquieted, and what is pending there fires again ... */
		arb_welcome(arb, u, out);
		/* ... but on an edge unit, where it may have gone by (A12). */
		if (unit_has(arb, u, ARB_UNIT_EDGE) && u->state != ARB_ABSENT)
			arb_edge(arb, u, arb_eligible(arb, u) & sub_bit(ev->sub), ARB_ASK_MAYBE,
				 out);
	}
}

/* ---- going ---------------------------------------------------------------------------------------- */

/*
 * What @sub owes to these units becomes NOT_MINE without a strike. Its device is quiet before
 * anything is unmasked: the caller has taken it out of the eligible.
 */
static void excuse(struct arb *arb, uint8_t sub, uint64_t units, bool retract,
		   struct arb_actions *out)
{
	uint64_t bit = sub_bit(sub);

	FOR_EACH (i, units) {
		struct arb_unit *u = &arb->units[i];
		bool owed = u->owes & bit;

		u->owes &= ~bit;
		u->candidates &= ~bit;
		if (owed && retract)
			emit(out, (struct arb_action){.kind = ARB_ACT_RETRACT,
						      .unit = (uint8_t)i,
						      .sub = sub,
						      .round = u->round});
		if (owed)
			emit(out, (struct arb_action){.kind = ARB_ACT_CANCEL_TIMER,
						      .timer = ARB_TIMER_ASK,
						      .unit = (uint8_t)i,
						      .sub = sub});
		arb_regroup(arb, u, out);
		if (owed)
			arb_advance(arb, u, out);
	}
}

void arb_leave(struct arb *arb, const struct arb_event *ev, struct arb_actions *out)
{
	uint64_t units = units_of(arb, ev->sub);
	uint64_t bit = sub_bit(ev->sub);
	uint8_t device = arb->subs[ev->sub].device;

	arb_forget(arb, ev->sub, false, out);
	order_remove(arb, ev->sub);
	arb->present &= ~bit;
	arb->unbound &= ~bit;
	arb->guests &= ~bit;
	arb->takers &= ~bit;
	arb->parked &= ~bit;
	if (device != ARB_NO_DEVICE)
		arb->bound[device] &= ~bit;
	FOR_EACH (i, units) {
		arb->units[i].members &= ~bit;
		/* A newcomer in its place has not been asked, and has said nothing. */
		arb->units[i].asked &= ~bit;
		arb->units[i].lied &= ~bit;
		arb->units[i].asked_round[ev->sub] = 0;
		arb->units[i].weight[ev->sub] = 0;
	}
	memset(&arb->subs[ev->sub], 0, sizeof(arb->subs[ev->sub]));
	excuse(arb, ev->sub, units, false, out);
}

void arb_park(struct arb *arb, const struct arb_event *ev, struct arb_actions *out)
{
	arb_forget(arb, ev->sub, true, out);
	arb->parked |= sub_bit(ev->sub);
	excuse(arb, ev->sub, units_of(arb, ev->sub), true, out);
}

/* ---- staying -------------------------------------------------------------------------------------- */

void arb_sub_policy(struct arb *arb, const struct arb_event *ev, struct arb_actions *out)
{
	(void)out;
	order_remove(arb, ev->sub);
	arb->subs[ev->sub].deadline = ev->deadline;
	arb->subs[ev->sub].priority = ev->priority;
	order_insert(arb, ev->sub);
}
