/* SPDX-License-Identifier: MIT */
/*
 * A11 and A12: the ways an interrupt takes past the brokered round. Owns who is direct, and the
 * PROMOTE and DEMOTE that are on their way.
 */
#include "broker/arb/internal.h"

bool arb_wants_direct(const struct arb *arb, const struct arb_unit *u)
{
	uint64_t eligible = arb_eligible(arb, u);

	if (!unit_has(arb, u, ARB_UNIT_DIRECT) || u->tapped || u->no_direct)
		return false;
	/* Exactly one, and it is not on probation. */
	if (!eligible || (eligible & (eligible - 1)) || (eligible & arb->probing))
		return false;
	return arb->subs[lowest(eligible)].flags & ARB_SUB_DIRECT;
}

void arb_promote(struct arb *arb, struct arb_unit *u, struct arb_actions *out)
{
	/* Direct from here on: if the source can't, OP_FAILED takes it back. */
	u->holder = (uint8_t)lowest(arb_eligible(arb, u));
	u->op_token = next_token(arb);
	arb_enter(u, ARB_DIRECT);
	emit(out, (struct arb_action){.kind = ARB_ACT_PROMOTE,
				      .unit = unit_index(arb, u),
				      .sub = u->holder,
				      .token = u->op_token});
}

void arb_demote(struct arb *arb, struct arb_unit *u, struct arb_actions *out)
{
	if (u->demoting)
		return;
	u->demoting = true;
	u->op_token = next_token(arb);
	emit(out, (struct arb_action){.kind = ARB_ACT_DEMOTE,
				      .unit = unit_index(arb, u),
				      .sub = u->holder,
				      .token = u->op_token});
}

void arb_op_done(struct arb *arb, const struct arb_event *ev, struct arb_actions *out)
{
	struct arb_unit *u = &arb->units[ev->unit];

	u->op_token = 0;
	if (ev->op == ARB_ACT_PROMOTE)
		return;
	u->demoting = false;
	u->masked = true;
	if (unit_has(arb, u, ARB_UNIT_EDGE)) {
		/* A12: it may have fired during the swap, for whomever. */
		u->holder = ARB_NO_SUB;
		arb_settle(arb, u, out);
		arb_edge(arb, u, arb_eligible(arb, u), ARB_ASK_MAYBE, out);
		return;
	}
	/* A11: sampled deasserted: unmask; otherwise the holder is asked, who may know of it already. */
	arb_charge(arb, u, out);
	arb_open(arb, u, 0, false);
	arb_enter(u, ARB_ROUND);
	arb_begin(arb, u, true, out);
}

void arb_edge(struct arb *arb, struct arb_unit *u, uint64_t to, uint8_t flags,
	      struct arb_actions *out)
{
	FOR_EACH (s, to) {
		u->asked_round[s] = u->round;
		emit(out, (struct arb_action){.kind = ARB_ACT_ASK,
					      .unit = unit_index(arb, u),
					      .sub = (uint8_t)s,
					      .round = u->round,
					      .flags = (uint8_t)(ARB_ASK_EDGE | flags)});
	}
}
