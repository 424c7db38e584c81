/* SPDX-License-Identifier: MIT */
/* Owns the printed tables and the floors: half accepted, every cell, every fault. */
#include "tests/sim/tally.h"

#include <inttypes.h>
#include <stdio.h>

#define CELL_FLOOR  100 /* hits of a (state, event) cell */
#define FAULT_FLOOR 5   /* per cent of the seeds */

static const char *const fault_names[FAULT_N] = {
	[FAULT_MASK] = "mask fails",
	[FAULT_UNMASK] = "unmask fails",
	[FAULT_QUIET] = "quiet fails",
	[FAULT_UNQUIET] = "unquiet fails",
	[FAULT_SAMPLE] = "sample fails",
	[FAULT_LEVEL_UNKNOWN] = "level unknown",
	[FAULT_PROMOTE] = "promote fails",
	[FAULT_DEMOTE] = "demote fails",
	[FAULT_GAVE_UP] = "gave up",
	[FAULT_LATE_TIMER] = "timer late",
	[FAULT_LINE_GONE] = "line gone",
	[FAULT_UNIT_GONE] = "unit gone",
	[FAULT_RESUMED] = "resumed",
	[FAULT_SPURIOUS] = "spurious fire",
	[FAULT_STORM] = "storm",
	[FAULT_ORPHAN] = "nobody's device",
	[FAULT_STATUS_LIES] = "status bit lies",
	[FAULT_LEAVE] = "leave",
	[FAULT_LEAVE_OWING] = "leave, owing",
	[FAULT_DEATH] = "death",
	[FAULT_DEATH_OWING] = "death, owing",
	[FAULT_PARK] = "park",
	[FAULT_MUTE] = "mute",
	[FAULT_LATE_VERDICT] = "late verdict",
	[FAULT_LIE_HANDLED] = "lie: handled",
	[FAULT_LIE_NOT_MINE] = "lie: not mine",
	[FAULT_DOUBLE] = "double verdict",
	[FAULT_STALE] = "stale verdict",
	[FAULT_FORGED] = "forged verdict",
	[FAULT_POLICY] = "policy change",
	[FAULT_TAP] = "tap",
	[FAULT_NONSENSE] = "nonsense",
};

static const char *const event_names[ARB_N_EVENTS] = {
	"LINE_UP", "LINE_GONE", "UNIT_UP",    "UNIT_GONE", "JOIN",    "LEAVE", "DIED",
	"PARK",    "UNPARK",    "FIRED",      "VERDICT",   "TIMER",   "LEVEL", "OP_FAILED",
	"OP_DONE", "POLICY",    "SUB_POLICY", "TAP",       "RESUMED",
};

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void print_cells(const struct tally *tally)
{
	printf("\n%-11s", "acc/refused");
	for (unsigned int s = 0; s < ARB_N_STATES; s++)
		printf(" %15s", arb_state_name((enum arb_state)s));
	for (unsigned int e = 0; e < ARB_N_EVENTS; e++) {
		printf("\n%-11s", event_names[e]);
		for (unsigned int s = 0; s < ARB_N_STATES; s++) {
			char text[48];

			snprintf(text, sizeof(text), "%" PRIu64 "/%" PRIu64, tally->cell[s][e][0],
				 tally->cell[s][e][1]);
			printf(" %15s", text);
		}
	}
	printf("\n");
}

void tally_print(const struct tally *tally)
{
	printf("%" PRIu64 " histories, %" PRIu64 " events, %.1f %% accepted; %" PRIu64
	       " not awaited to their rest\n",
	       tally->seeds, tally->events, percent(tally->accepted, tally->events),
	       tally->unrested);
	print_cells(tally);
	printf("\nfaults, %% of histories:");
	for (unsigned int f = 0; f < FAULT_N; f++)
		printf("%s%-16s %5.1f", f % 4 ? "   " : "\n  ", fault_names[f],
		       percent(tally->fault_seeds[f], tally->seeds));
	printf("\n\nreports:");
	for (unsigned int r = 0; r < ARB_N_REPORTS; r++)
		printf("%s%-10s %9" PRIu64, r % 5 ? "   " : "\n  ",
		       arb_report_name((enum arb_report)r), tally->reports[r]);
	printf("\n");
}

#define IN(state) (1u << ARB_##state)
#define ANYWHERE  ((1u << ARB_N_STATES) - 1)

/* The states in which an event of the kind may be accepted; everywhere else it never is. */
static const uint8_t accepted_in[ARB_N_EVENTS] = {
	[ARB_EV_LINE_UP] = ANYWHERE, /* of a unit: another one may be ABSENT */
	[ARB_EV_LINE_GONE] = ANYWHERE,
	[ARB_EV_UNIT_UP] = IN(ABSENT),
	[ARB_EV_UNIT_GONE] = ANYWHERE & ~IN(ABSENT),
	[ARB_EV_JOIN] = ANYWHERE,
	[ARB_EV_LEAVE] = ANYWHERE,
	[ARB_EV_DIED] = ANYWHERE,
	[ARB_EV_PARK] = ANYWHERE,
	[ARB_EV_UNPARK] = ANYWHERE,
	[ARB_EV_FIRED] = ANYWHERE & ~(IN(ABSENT) | IN(THROTTLED)),
	[ARB_EV_VERDICT] = ANYWHERE & ~IN(ABSENT),
	[ARB_EV_TIMER] = ANYWHERE,
	[ARB_EV_LEVEL] = IN(ROUND) | IN(POLLED),
	[ARB_EV_OP_FAILED] = ANYWHERE & ~IN(ABSENT),
	[ARB_EV_OP_DONE] = IN(DIRECT),
	[ARB_EV_POLICY] = ANYWHERE,
	[ARB_EV_SUB_POLICY] = ANYWHERE,
	[ARB_EV_TAP] = ANYWHERE,
	[ARB_EV_RESUMED] = ANYWHERE & ~IN(ABSENT),
};

static bool cell_fine(const struct tally *tally, unsigned int state, unsigned int event)
{
	uint64_t accepted = tally->cell[state][event][0], refused = tally->cell[state][event][1];
	bool may = accepted_in[event] & (1u << state);

	if (!may && accepted) {
		printf("floor: %s in %s was accepted\n", event_names[event],
		       arb_state_name((enum arb_state)state));
		return false;
	}
	/*
	 * A line comes back whole only if all of it was gone, which most units here are not then. And a
	 * POLLED unit fires only into a poll's round, where its mask has failed: once in 500,000 seeds.
	 */
	if ((event == ARB_EV_LINE_UP && state != ARB_ABSENT) ||
	    (event == ARB_EV_FIRED && state == ARB_POLLED))
		accepted = CELL_FLOOR;
	if ((may && accepted < CELL_FLOOR) || refused < CELL_FLOOR) {
		printf("floor: %s in %s: %" PRIu64 " accepted, %" PRIu64 " refused\n",
		       event_names[event], arb_state_name((enum arb_state)state), accepted,
		       refused);
		return false;
	}
	return true;
}

bool tally_floors(const struct tally *tally)
{
	bool fine = true;

	if (2 * tally->accepted < tally->events) {
		printf("floor: fewer than half of the events were accepted\n");
		fine = false;
	}
	for (unsigned int s = 0; s < ARB_N_STATES; s++)
		for (unsigned int e = 0; e < ARB_N_EVENTS; e++)
			fine = cell_fine(tally, s, e) && fine;
	for (unsigned int f = 0; f < FAULT_N; f++)
		if (100 * tally->fault_seeds[f] < FAULT_FLOOR * tally->seeds) {
			printf("floor: '%s' is in fewer than %d %% of the histories\n",
			       fault_names[f], FAULT_FLOOR);
			fine = false;
		}
	for (unsigned int r = 0; r < ARB_N_REPORTS; r++)
		if (!tally->reports[r]) {
			printf("floor: '%s' was never reported\n",
			       arb_report_name((enum arb_report)r));
			fine = false;
		}
	if (100 * tally->unrested > FAULT_FLOOR * tally->seeds) {
		printf("floor: too many histories never came to rest\n");
		fine = false;
	}
	return fine;
}
