/* SPDX-License-Identifier: MIT */
/*
 * Promises 1 to 5 of docs/threats.md, decided from the event log alone. The checker has a model of
 * its own: the wire, the mask bits and who owes what, as the log says; it never sees struct arb.
 */
#ifndef PTIRQ_SIM_CHECKER_H
#define PTIRQ_SIM_CHECKER_H

#include "tests/sim/log.h"

/* A device has this many reasons to interrupt; each is one subscriber's to serve. */
#define SIM_FUNCTIONS 4

enum promise {
	PROMISE_KEPT,
	PROMISE_BOUNDED_MASK,
	PROMISE_NO_ORPHAN_MASK,
	PROMISE_NO_LOST_ASSERTION,
	PROMISE_NO_EARLY_UNMASK,
	PROMISE_ACK_INTEGRITY,
	PROMISE_CONDUCT,   /* asks, retracts or times out somebody it must not */
	PROMISE_INVARIANT, /* arb_check() */
};

/* What the log does not say. */
struct checker_line {
	struct arb_config config;
	uint8_t owner[ARB_MAX_DEVICES][SIM_FUNCTIONS]; /* sub, or ARB_NO_SUB */
	uint16_t liars;                                /* devices whose status bit lies */
	uint64_t slack; /* ns that the executor itself adds: to FIRED, a sample, a late timer */
};

struct checker_unit {
	bool up;
	bool masked;
	bool gave_up;
	bool polled;
	uint8_t direct; /* sub that the source signals by itself, or ARB_NO_SUB */
	uint16_t devices;
	uint64_t members; /* subs joined that take this unit */
	uint64_t owed;
	uint64_t debt;
	uint32_t round;               /* of the last ask */
	uint32_t last;                /* round that was opened */
	bool open;                    /* ... and has not been resolved */
	uint32_t asked[ARB_MAX_SUBS]; /* round of the ask that is owed, or in debt */
	uint64_t masked_due;          /* promise 1 */
	bool retried;                 /* ... but for retries since nobody is there */
	uint64_t visible_until;       /* ... but for a throttle or fault that was reported */
	uint64_t orphan_due;          /* promise 2 */
};

struct checker_device {
	uint8_t asserts; /* one bit each function */
	uint8_t waits;   /* ... whose owner must be asked for it */
	bool quiet;
	bool unquietable;            /* the latest QUIET_DEVICE failed: as if it had no mask */
	uint64_t due[SIM_FUNCTIONS]; /* promise 3 */
};

struct checker {
	struct checker_line line;
	struct checker_unit unit[ARB_MAX_UNITS];
	struct checker_device device[ARB_MAX_DEVICES];
	uint8_t bound[ARB_MAX_SUBS]; /* device or ARB_NO_DEVICE */
	uint8_t flags[ARB_MAX_SUBS];
	uint64_t deadline[ARB_MAX_SUBS]; /* A5: its own; 0: the line's */
	uint64_t ask_deadline;           /* the line's */
	uint64_t joined, parked, quarantined, probing;
	uint64_t wait; /* the longest a living subscriber may wait to be asked */
	uint64_t now;
	struct arb_event step; /* the event whose actions come now */
	bool drained;
	enum promise broken;
	char why[192];
};

void checker_init(struct checker *checker, const struct checker_line *line);
/* False: a promise is broken; broken and why say which. */
bool checker_record(struct checker *checker, const struct record *record);
/* Nothing more happened until @now. */
bool checker_time(struct checker *checker, uint64_t now);
/* Long after RECORD_DRAIN: nothing may be held, owed or waiting. */
bool checker_rest(struct checker *checker);

const char *promise_name(enum promise promise);

#endif
