/* SPDX-License-Identifier: MIT */
/*
 * struct arb, complete, so that it can be embedded, copied and compared. Only broker/arb reads or
 * writes its members; others use the functions of arb.h.
 *
 * A set of subscribers is a uint64_t, a set of devices a uint16_t, one bit each. Decision state only:
 * nothing here exists to be shown. Members are ordered so that there is no padding between them
 * that a copy could leave undefined; arb_init() clears everything once, and no member is ever
 * written but by name.
 */
#ifndef PTIRQ_ARB_STATE_H
#define PTIRQ_ARB_STATE_H

#include "broker/arb/arb.h"

/* What the awaited level sample will decide. */
enum arb_sampling {
	ARB_SAMPLING_NONE,
	ARB_SAMPLING_OPENING, /* whether anybody need be asked (A8 POLLED, A11 notify and demotion) */
	ARB_SAMPLING_ANSWERED,  /* whether a HANDLED or EOI was the end of it (A4) */
	ARB_SAMPLING_UNHANDLED, /* whether there was anything at all (A8) */
};

struct arb_sub {
	uint64_t deadline;     /* A5; 0: the line's */
	uint32_t probe_token;  /* of the PROBE timer; 0: not armed */
	uint32_t strike_token; /* of the STRIKE timer; 0: not armed */
	uint16_t strikes;      /* A6: in a row */
	uint16_t lies;         /* A7: consecutive rounds with evidence */
	uint8_t device;        /* bound to it; ARB_NO_DEVICE */
	uint8_t priority;      /* A3 */
	uint8_t flags;         /* enum arb_sub_flags */
	uint8_t backoff;       /* A6: the next probe comes after probe_min << backoff */
};

struct arb_unit {
	/* The round; meaningful while one is open. */
	uint64_t candidates; /* A2: who could be asked when it opened, and has not left since */
	uint64_t asked;      /* asked in this round */
	uint64_t owes;       /* asked, and no verdict yet */
	uint64_t answered;   /* HANDLED or EOI in this round */
	uint64_t lied;       /* A7: evidence in this round */
	uint64_t left;       /* A5: what remains of the budget, in ns */
	uint64_t granted;    /* A5: the longest deadline of the latest wave, in ns */

	uint64_t members; /* subscribers bound to a device of this unit, or to none */
	uint64_t debt;    /* A5: did not answer in time, and have not since */

	uint32_t round;        /* the latest; 0: none yet */
	uint32_t sample_token; /* of the awaited sample */
	uint32_t state_token;  /* of the STATE timer, 0: not armed; likewise: */
	uint32_t window_token;
	uint32_t storm_token;
	uint32_t op_token;   /* of the awaited PROMOTE or DEMOTE; 0: none */
	uint32_t unhandled;  /* A8: consecutive, within the WINDOW timer */
	uint32_t bucket;     /* A9: rounds left in it */
	uint32_t guest_asks; /* A3: what is left of the guests' budget */
	uint32_t tries;      /* A1: failed operations in a row */

	uint16_t devices; /* of this unit */
	uint16_t hint;    /* devices whose subscribers the next wave prefers (A3, A4) */
	uint16_t
		asserted; /* devices whose status bit was seen set in this round, believed or not */
	uint16_t clear;   /* A4: devices that the latest sample of this round found not asserting */

	uint8_t state;    /* enum arb_state; written by arb_enter() only */
	uint8_t policy;   /* of this round: the line's, or ARB_BROADCAST for a sweep (A3) */
	uint8_t sampling; /* enum arb_sampling */
	uint8_t backoff;  /* A8: the next throttle lasts throttle_min << backoff */
	uint8_t burst;    /* A3: back-to-back rounds since the last sweep */
	uint8_t holder;   /* A11: who was direct and is asked again; ARB_NO_SUB */
	bool open;        /* a round is open */
	bool masked;      /* the unit's own mask, as far as the core knows */
	bool again;       /* A2: fired in the open round */
	bool level_up;    /* A4: the latest sample of this round said asserted */
	bool hedged;      /* the HEDGE timer is armed */
	bool demoting;    /* A11: DEMOTE is on its way, or failed and will be tried again */
	bool no_direct;   /* A11: PROMOTE failed; not tried again before the members change */
	bool tapped;      /* A11 */
	bool unsure; /* MASK failed: the next mask or unmask is written whatever @masked says */
	uint8_t pad[1];

	uint32_t asked_round[ARB_MAX_SUBS]; /* the round of each one's latest ask; 0: never */
	uint16_t weight[ARB_MAX_SUBS];      /* A3: share of HANDLED, recency-weighted, of 65,535 */
};

struct arb {
	uint64_t present;
	uint64_t unbound; /* bound to no device: members of every unit */
	uint64_t guests;  /* ARB_SUB_RESAMPLE */
	uint64_t takers;  /* ARB_SUB_NOTIFY */
	uint64_t parked;
	uint64_t quarantined;
	uint64_t
		probing; /* A6: a debtor or quarantined, and eligible nevertheless until it answers */
	uint64_t suspects; /* A7: the latest round they were heard in had evidence */
	uint64_t bound[ARB_MAX_DEVICES];

	uint32_t token;  /* the latest given */
	uint16_t quiet;  /* devices held by their own mask */
	uint16_t unsure; /* ... or perhaps not: that mask is written again at the next occasion */
	uint16_t unquietable; /* the latest QUIET_DEVICE failed: as if it had no mask */
	uint16_t distrusted;  /* A7: their status bits are no longer believed */
	uint8_t n_subs;
	uint8_t pad[3];

	uint8_t order[ARB_MAX_SUBS]; /* present ones by priority, then by age (A3) */
	struct arb_config config;
	struct arb_sub subs[ARB_MAX_SUBS];
	struct arb_unit units[ARB_MAX_UNITS]; /* last: see arb_size() */
};

#endif
