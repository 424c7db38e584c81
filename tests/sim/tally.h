/* SPDX-License-Identifier: MIT */
/* What a run has exercised, as tables for people and as floors that fail the run. */
#ifndef PTIRQ_SIM_TALLY_H
#define PTIRQ_SIM_TALLY_H

#include "broker/arb/arb.h"

enum fault {
	FAULT_MASK,
	FAULT_UNMASK,
	FAULT_QUIET,
	FAULT_UNQUIET,
	FAULT_SAMPLE,
	FAULT_LEVEL_UNKNOWN,
	FAULT_PROMOTE,
	FAULT_DEMOTE,
	FAULT_GAVE_UP,
	FAULT_LATE_TIMER,
	FAULT_LINE_GONE,
	FAULT_UNIT_GONE,
	FAULT_RESUMED,
	FAULT_SPURIOUS,
	FAULT_STORM,
	FAULT_ORPHAN,
	FAULT_STATUS_LIES,
	FAULT_LEAVE,
	FAULT_LEAVE_OWING,
	FAULT_DEATH,
	FAULT_DEATH_OWING,
	FAULT_PARK,
	FAULT_MUTE,
	FAULT_LATE_VERDICT,
	FAULT_LIE_HANDLED,
	FAULT_LIE_NOT_MINE,
	FAULT_DOUBLE,
	FAULT_STALE,
	FAULT_FORGED,
	FAULT_POLICY,
	FAULT_TAP,
	FAULT_NONSENSE,
	FAULT_N,
};

struct tally {
	uint64_t seeds;
	uint64_t events;
	uint64_t accepted;
	uint64_t fault_seeds[FAULT_N];
	uint64_t cell[ARB_N_STATES][ARB_N_EVENTS][2]; /* accepted, refused */
	uint64_t errors[5];
	uint64_t reports[ARB_N_REPORTS];
	uint64_t unrested; /* histories whose rest was not awaited to the end */
};

void tally_print(const struct tally *tally);
/* False, with the reasons printed: the run has not shown what it must show. */
bool tally_floors(const struct tally *tally);

#endif
