/* SPDX-License-Identifier: MIT */
#ifndef PTIRQ_TESTS_ARB_SCRIPT_H
#define PTIRQ_TESTS_ARB_SCRIPT_H

/*
 * A core that is driven by text, for traces and tables. After each event, accepted or not, the
 * invariants are checked, and a refused event must have left every byte as it was.
 */
#include "broker/arb/arb_state.h"

struct script {
	struct arb arb;
	struct arb_config config;
	struct arb_actions actions; /* of the latest event */
	bool started;

	/* The latest tokens, which "token=@" in an event stands for. */
	uint32_t unit_timer[ARB_N_TIMERS][ARB_MAX_UNITS];
	uint32_t sub_timer[ARB_N_TIMERS][ARB_MAX_SUBS];
	uint32_t sample[ARB_MAX_UNITS];
	uint32_t op[ARB_MAX_UNITS];
};

/* The default configuration with one unit and one device that has a mask and a status. */
void script_init(struct script *s);

/*
 * "config key=value ...", "unit N flag ...", "device N unit=N flag ...": before the first event.
 * False: not understood.
 */
bool script_configure(struct script *s, const char *line);

/*
 * The text of one event; "token=@" is the token that the core gave last for that timer, sample or
 * operation, "round=@" the unit's latest round, "round=@+1" the one after it. Returns what arb_step()
 * returned; a text that is no event, a broken invariant, or a refused event that changed something
 * fails the test.
 */
int script_event(struct script *s, const char *text);

/* True if the latest event's actions contain this one, as arb_action_format() writes it. */
bool script_did(const struct script *s, const char *action);
/* How many of the latest event's actions are of this kind. */
unsigned int script_count(const struct script *s, enum arb_action_kind kind);

#endif
