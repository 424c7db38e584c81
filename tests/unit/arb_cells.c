/* SPDX-License-Identifier: MIT */
/*
 * What every event does in every state: one row for each event, one column for each situation, a cell
 * is the state that follows or "!" and the error. script_event() asserts that a refused event leaves
 * every byte as it was.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/fd_check.h"
#include "tests/unit/arb_script.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

TestSuite(cells, .init = fd_check_begin, .fini = fd_check_end);

/*
 * One unit with two devices, of which only device 0 has a mask; subscriber 0 is bound to it. One
 * unhandled round throttles.
 */
static const char *const config[] = {
	"config policy=chain n_devices=2 unhandled_max=1",
	"unit 0 sample direct",
	"device 0 unit=0 mask status",
	"device 1 unit=0",
};

/* How each situation comes about, in the order of the columns. */
static const struct situation {
	const char *name;
	enum arb_state state;
	const char *events[10];
} situations[] = {
	{"absent", ARB_ABSENT, {"JOIN sub=0 device=0"}},
	{"unclaimed, masked", ARB_UNCLAIMED, {"LINE_UP"}},
	{"idle", ARB_IDLE, {"LINE_UP", "JOIN sub=0 device=0"}},
	{"asked", ARB_ROUND, {"LINE_UP", "JOIN sub=0 device=0", "FIRED unit=0"}},
	{"sampling",
	 ARB_ROUND,
	 {"LINE_UP", "JOIN sub=0 device=0", "FIRED unit=0",
	  "VERDICT unit=0 sub=0 round=@ verdict=HANDLED"}},
	{"throttled",
	 ARB_THROTTLED,
	 {"LINE_UP", "JOIN sub=0 device=0", "FIRED unit=0",
	  "VERDICT unit=0 sub=0 round=@ verdict=NOT_MINE", "LEVEL unit=0 token=@ level=asserted"}},
	{"polled",
	 ARB_POLLED,
	 {"LINE_UP", "JOIN sub=0 device=0 priority=1", "JOIN sub=1 device=1", "FIRED unit=0",
	  "TIMER timer=ASK unit=0 sub=1 token=@", "VERDICT unit=0 sub=0 round=@ verdict=NOT_MINE",
	  "LEVEL unit=0 token=@ level=asserted"}},
	{"polling",
	 ARB_POLLED,
	 {"LINE_UP", "JOIN sub=0 device=0 priority=1", "JOIN sub=1 device=1", "FIRED unit=0",
	  "TIMER timer=ASK unit=0 sub=1 token=@", "VERDICT unit=0 sub=0 round=@ verdict=NOT_MINE",
	  "LEVEL unit=0 token=@ level=asserted", "TIMER timer=STATE unit=0 sub=0 token=@",
	  "LEVEL unit=0 token=@ level=asserted"}},
	{"direct", ARB_DIRECT, {"LINE_UP", "JOIN sub=0 device=0 flags=0x2"}},
	{"demoting",
	 ARB_DIRECT,
	 {"LINE_UP", "JOIN sub=0 device=0 flags=0x2", "TAP unit=0 tapped=1"}},
	{"fault",
	 ARB_FAULT,
	 {"LINE_UP", "JOIN sub=0 device=0", "OP_FAILED op=UNMASK unit=0 device=0"}},
};

static const struct row {
	const char *event;
	const char *cells[N(situations)];
} rows[] = {
#include "tests/unit/arb_cells.inc"
};

static struct script script;

static void enter(const struct situation *situation)
{
	script_init(&script);
	for (size_t i = 0; i < N(config); i++)
		cr_assert(script_configure(&script, config[i]));
	for (const char *const *event = situation->events; *event; event++)
		cr_assert_eq(script_event(&script, *event), 0, "%s: %s", situation->name, *event);
	cr_assert_eq(arb_unit_state(&script.arb, 0), situation->state, "%s is %s", situation->name,
		     arb_state_name(arb_unit_state(&script.arb, 0)));
}

Test(cells, each)
{
	unsigned int wrong = 0;

	for (size_t r = 0; r < N(rows); r++) {
		for (size_t c = 0; c < N(situations); c++) {
			char is[32];
			int error;

			enter(&situations[c]);
			error = script_event(&script, rows[r].event);
			if (error)
				snprintf(is, sizeof(is), "!%s", arb_error_name(error));
			else
				snprintf(is, sizeof(is), "%s",
					 arb_state_name(arb_unit_state(&script.arb, 0)));
			if (strcmp(is, rows[r].cells[c]) == 0)
				continue;
			wrong++;
			fprintf(stderr, "%s when %s: %s, not %s\n", rows[r].event,
				situations[c].name, is, rows[r].cells[c]);
		}
	}
	cr_assert_eq(wrong, 0u, "%u cells are wrong", wrong);
}

/* The table has every state and every kind of event. */
Test(cells, complete)
{
	bool state[ARB_N_STATES] = {false}, kind[ARB_N_EVENTS] = {false};

	for (size_t c = 0; c < N(situations); c++)
		state[situations[c].state] = true;
	for (size_t r = 0; r < N(rows); r++) {
		char text[128];
		struct arb_event ev;

		/* The script's own shorthand is not the core's. */
		snprintf(text, sizeof(text), "%.*s", (int)strcspn(rows[r].event, "@"),
			 rows[r].event);
		*(strchr(text, ' ') ? strchr(text, ' ') : text + strlen(text)) = 0;
		cr_assert_eq(arb_event_parse(text, &ev), 0, "%s", text);
		kind[ev.kind] = true;
	}
	for (unsigned int s = 0; s < ARB_N_STATES; s++)
		cr_assert(state[s], "no column for %s", arb_state_name((enum arb_state)s));
	for (unsigned int k = 0; k < ARB_N_EVENTS; k++)
		cr_assert(kind[k], "no row for event %u", k);
}
