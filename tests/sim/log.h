/* SPDX-License-Identifier: MIT */
/*
 * The event log: everything that happened in a history, in order. It is all that the checker sees,
 * and what --trace prints.
 */
#ifndef PTIRQ_SIM_LOG_H
#define PTIRQ_SIM_LOG_H

#include "broker/arb/arb.h"

enum record_kind {
	RECORD_EVENT,  /* event went to the core, which answered ret */
	RECORD_ACTION, /* the executor carried out action, or could not (failed) */
	RECORD_DONE,   /* the actions of this step are all carried out */
	RECORD_WIRE,   /* device, fn: the function asserts (up) or was served */
	RECORD_FIRE,   /* unit: the source masked it and will tell (up); its holder unmasked it */
	RECORD_DIRECT, /* unit, sub: the source signalled the holder by itself */
	RECORD_DRAIN,  /* no more faults from here on: everything must come to rest */
};

struct record {
	uint64_t time; /* ns */
	uint8_t kind;  /* enum record_kind */
	uint8_t unit;
	uint8_t sub;
	uint8_t device;
	uint8_t fn;
	bool up;
	bool failed;
	bool changed; /* EVENT: refused, and yet the state is not what it was, or actions came */
	int ret;
	union {
		struct arb_event event;
		struct arb_action action;
	};
};

/* At most @size bytes with the terminating 0, no newline; returns the length as snprintf does. */
int record_format(const struct record *record, char *buf, size_t size);

#endif
