/* SPDX-License-Identifier: MIT */
/*
 * Faults put between the core and the executor on purpose: each must be caught, or the checker
 * proves nothing.
 */
#ifndef PTIRQ_SIM_MUTANT_H
#define PTIRQ_SIM_MUTANT_H

#include "broker/arb/arb_state.h"

enum mutant_kind {
	MUTANT_NONE,
	MUTANT_LOST_UNMASK,      /* now and then an UNMASK is not given */
	MUTANT_EARLY_UNMASK,     /* UNMASK although somebody was just asked */
	MUTANT_WRONG_ROUND,      /* a verdict for another round is taken for the one owed */
	MUTANT_DOUBLE_VERDICT,   /* a verdict that nobody asked for is accepted */
	MUTANT_DIRTY_REFUSAL,    /* a refused event leaves a trace in the state */
	MUTANT_REFUSED_VERDICT,  /* now and then a rightful verdict is refused */
	MUTANT_LOST_DEADLINE,    /* the timer of an ask is not armed */
	MUTANT_NO_TIME,          /* ... or armed to expire at once */
	MUTANT_LOST_STATE_TIMER, /* what THROTTLED, POLLED and FAULT wait for is not armed */
	MUTANT_LOST_PROBE,       /* a debtor gets no other chance */
	MUTANT_DEBT_FOR_EVER,    /* late verdicts and answered probes pay nothing */
	MUTANT_NO_QUIET,         /* QUIET_DEVICE is left out before the unmask */
	MUTANT_QUIET_TOO_LATE,   /* ... or comes after it */
	MUTANT_NO_UNQUIET,       /* UNQUIET_DEVICE is left out */
	MUTANT_LEAVE_OWES,       /* LEAVE and DIED settle nothing */
	MUTANT_PARK_OWES,        /* nor does PARK */
	MUTANT_NO_RETRACT,       /* RETRACT is left out */
	MUTANT_LOST_ASK,         /* an ASK is not delivered */
	MUTANT_LOST_FIRED,       /* FIRED is dropped now and then */
	MUTANT_UNFAIR,           /* a sole subscriber is always asked in another's stead */
	MUTANT_GHOST_ASK,        /* an ASK goes to somebody who has left */
	MUTANT_N,
};

struct mutant {
	enum mutant_kind kind;
	uint32_t count;
	uint64_t here; /* subs that have joined */
	uint64_t gone; /* subs that have left */
};

const char *mutant_name(enum mutant_kind kind);
/* arb_step(), or what the mutant makes of it. */
int mutant_step(struct mutant *mutant, struct arb *arb, const struct arb_event *event,
		struct arb_actions *ret_actions);

#endif
