/* SPDX-License-Identifier: MIT */
/* The forms around the rules: text of events and actions, members that must be 0, configurations. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/fd_check.h"
#include "tests/unit/arb_script.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

TestSuite(forms, .init = fd_check_begin, .fini = fd_check_end);

/* ---- text ------------------------------------------------------------------------------------------ */

static const char *const events[] = {
	"LINE_UP",
	"LINE_GONE",
	"UNIT_UP unit=3",
	"UNIT_GONE unit=3",
	"JOIN sub=1 device=none flags=0x5 priority=9 deadline=18446744073709551615",
	"JOIN sub=0 device=0",
	"LEAVE sub=2",
	"DIED sub=2",
	"PARK sub=2",
	"UNPARK sub=2",
	"FIRED unit=0 attribution=0xffff back_to_back=1",
	"FIRED unit=0",
	"VERDICT unit=0 sub=1 round=4294967295 verdict=NOT_MINE",
	"TIMER timer=PROBE unit=0 sub=1 token=17",
	"LEVEL unit=0 round=3 token=4 level=asserted status=0x1 status_known=0xa3",
	"OP_FAILED op=QUIET_DEVICE unit=0 device=2",
	"OP_DONE op=DEMOTE unit=0 token=9",
	"POLICY policy=learned deadline=5",
	"SUB_POLICY sub=1 priority=2 deadline=3",
	"TAP unit=0 tapped=1",
	"RESUMED unit=1",
};

Test(forms, events_read_back)
{
	for (size_t i = 0; i < N(events); i++) {
		struct arb_event ev;
		char text[256];

		cr_assert_eq(arb_event_parse(events[i], &ev), 0, "%s", events[i]);
		cr_assert_eq(arb_event_format(&ev, text, sizeof(text)), (int)strlen(events[i]));
		cr_assert_str_eq(text, events[i]);
	}
}

Test(forms, spaces_do_not_matter)
{
	struct arb_event ev;

	cr_assert_eq(arb_event_parse("FIRED  unit=2   attribution=0x1 \n", &ev), 0);
	cr_assert_eq(ev.kind, ARB_EV_FIRED);
	cr_assert_eq(ev.unit, 2);
	cr_assert_eq(ev.attribution, 1);
	cr_assert_eq(arb_event_parse("LINE_UP\n", &ev), 0);
	cr_assert_eq(arb_event_parse("UNIT_UP unit=007", &ev), 0);
	cr_assert_eq(ev.unit, 7);
}

Test(forms, no_events)
{
	static const char *const texts[] = {
		"",
		"FIRE unit=0",
		"FIREDunit=0",
		"FIRED unit",
		"FIRED unit=",
		"FIRED unit=x",
		"FIRED unit=0x",
		"FIRED unit=0xg",
		"FIRED unit=a",
		"FIRED unit=1:",
		"FIRED unit=256",
		"FIRED unit=-1",
		"FIRED attribution=0x10000",
		"FIRED back_to_back=2",
		"FIRED sub=0",
		"FIRED nonsense=0",
		"TAP unit=0 tapped=2",
		"VERDICT unit=0 sub=0 round=4294967296 verdict=HANDLED",
		"VERDICT unit=0 sub=0 round=1 verdict=PERHAPS",
		"JOIN sub=0 device=some",
		"JOIN sub=0 device=none deadline=18446744073709551616",
	};
	struct arb_event ev, untouched;

	memset(&ev, 0x5a, sizeof(ev));
	untouched = ev;
	for (size_t i = 0; i < N(texts); i++) {
		cr_assert_eq(arb_event_parse(texts[i], &ev), -1, "%s", texts[i]);
		cr_assert_eq(memcmp(&ev, &untouched, sizeof(ev)), 0, "%s", texts[i]);
	}
}

Test(forms, actions)
{
	static const struct {
		struct arb_action action;
		const char *text;
	} rows[] = {
		{{.kind = ARB_ACT_ASK, .unit = 1, .sub = 2, .round = 3},
		 "ASK unit=1 sub=2 round=3"},
		{{.kind = ARB_ACT_ASK,
		  .flags = ARB_ASK_PROBE | ARB_ASK_MAYBE | ARB_ASK_NOTIFIED | ARB_ASK_HEDGE |
			   ARB_ASK_EDGE},
		 "ASK unit=0 sub=0 round=0 flags=probe|maybe|notified|hedge|edge"},
		{{.kind = ARB_ACT_RETRACT, .round = 3}, "RETRACT unit=0 sub=0 round=3"},
		{{.kind = ARB_ACT_UNMASK, .unit = 15}, "UNMASK unit=15"},
		{{.kind = ARB_ACT_MASK}, "MASK unit=0"},
		{{.kind = ARB_ACT_SAMPLE_LEVEL, .round = 1, .token = 2},
		 "SAMPLE_LEVEL unit=0 round=1 token=2"},
		{{.kind = ARB_ACT_QUIET_DEVICE, .device = 4}, "QUIET_DEVICE device=4"},
		{{.kind = ARB_ACT_UNQUIET_DEVICE, .device = 4}, "UNQUIET_DEVICE device=4"},
		{{.kind = ARB_ACT_ARM_TIMER, .timer = ARB_TIMER_HEDGE, .token = 7, .delay = 200000},
		 "ARM_TIMER timer=HEDGE unit=0 sub=0 token=7 delay=200000"},
		{{.kind = ARB_ACT_CANCEL_TIMER, .timer = 99}, "CANCEL_TIMER timer=? unit=0 sub=0"},
		{{.kind = ARB_ACT_PROMOTE, .sub = 1, .token = 2}, "PROMOTE unit=0 sub=1 token=2"},
		{{.kind = ARB_ACT_DEMOTE, .sub = 1, .token = 2}, "DEMOTE unit=0 sub=1 token=2"},
		{{.kind = ARB_ACT_QUARANTINE, .sub = 1}, "QUARANTINE sub=1"},
		{{.kind = ARB_ACT_RELEASE, .sub = 1}, "RELEASE sub=1"},
		{{.kind = ARB_ACT_REPORT,
		  .report = ARB_REP_RESOLVED,
		  .flags = ARB_RES_VOID,
		  .round = 2},
		 "REPORT resolved unit=0 sub=0 how=void round=2"},
		{{.kind = ARB_ACT_REPORT, .report = ARB_REP_FAULT, .op = ARB_ACT_UNMASK},
		 "REPORT fault unit=0 sub=0 op=UNMASK device=0"},
		{{.kind = ARB_ACT_REPORT, .report = ARB_REP_HELD, .device = 3},
		 "REPORT held unit=0 sub=0 device=3"},
		{{.kind = ARB_ACT_REPORT, .report = ARB_REP_FREED, .device = 3},
		 "REPORT freed unit=0 sub=0 device=3"},
		{{.kind = ARB_ACT_REPORT, .report = ARB_REP_STORM, .unit = 2},
		 "REPORT storm unit=2 sub=0"},
		{{.kind = ARB_N_ACTIONS}, "?"},
	};

	for (size_t i = 0; i < N(rows); i++) {
		char text[256];

		cr_assert_eq(arb_action_format(&rows[i].action, text, sizeof(text)),
			     (int)strlen(rows[i].text));
		cr_assert_str_eq(text, rows[i].text);
	}
}

/* As snprintf: the length it would have, what fits, and always a terminating 0. */
Test(forms, short_buffers)
{
	const struct arb_action unmask = {.kind = ARB_ACT_UNMASK};
	const struct arb_event bad = {.kind = ARB_N_EVENTS};
	char text[8];

	memset(text, 'x', sizeof(text));
	cr_assert_eq(arb_action_format(&unmask, text, 4), 13);
	cr_assert_str_eq(text, "UNM");
	cr_assert_eq(text[4], 'x');
	cr_assert_eq(arb_action_format(&unmask, NULL, 0), 13);
	cr_assert_eq(arb_event_format(&bad, text, sizeof(text)), 1);
	cr_assert_str_eq(text, "?");
}

Test(forms, names)
{
	cr_assert_str_eq(arb_state_name(ARB_THROTTLED), "THROTTLED");
	cr_assert_str_eq(arb_state_name(ARB_N_STATES), "?");
	cr_assert_str_eq(arb_report_name(ARB_REP_GAVE_UP), "gave_up");
	cr_assert_str_eq(arb_report_name(ARB_N_REPORTS), "?");
	cr_assert_str_eq(arb_error_name(0), "ok");
	cr_assert_str_eq(arb_error_name(ARB_E_STALE), "stale");
	cr_assert_str_eq(arb_error_name(-1), "?");
}

/* ---- events that are refused whatever the state ------------------------------------------------------- */

/* Each byte of an event that is 0 in a kind that does not carry it makes it another, refused event. */
Test(forms, members_that_must_be_0)
{
	static const struct {
		size_t offset;
		const char *name;
	} members[] = {
#define ROW(m) {offsetof(struct arb_event, m), #m "="}
		ROW(unit),   ROW(sub),          ROW(device),   ROW(verdict),      ROW(level),
		ROW(timer),  ROW(op),           ROW(policy),   ROW(flags),        ROW(priority),
		ROW(tapped), ROW(round),        ROW(token),    ROW(back_to_back), ROW(attribution),
		ROW(status), ROW(status_known), ROW(deadline),
	};
	static struct script script;
	unsigned int refused = 0;

	script_init(&script);
	cr_assert_eq(script_event(&script, "LINE_UP"), 0);
	for (uint8_t kind = 0; kind < ARB_N_EVENTS; kind++) {
		for (size_t m = 0; m < N(members); m++) {
			struct arb before = script.arb;
			struct arb_event ev, read;
			char text[256], with[300];

			memset(&ev, 0, sizeof(ev));
			ev.kind = kind;
			arb_event_format(&ev, text, sizeof(text));
			snprintf(with, sizeof(with), "%.*s %s1", (int)strcspn(text, " "), text,
				 members[m].name);
			/* Whoever carries it prints it by name: then it may be 1. */
			if (strstr(text, members[m].name) || arb_event_parse(with, &read) == 0)
				continue;
			((char *)&ev)[members[m].offset] = 1;
			refused++;
			cr_assert_eq(arb_step(&script.arb, &ev, &script.actions), ARB_E_INVALID,
				     "%s with %s", text, members[m].name);
			cr_assert_eq(memcmp(&before, &script.arb, sizeof(before)), 0);
		}
	}
	cr_assert_gt(refused, 200u);
}

Test(forms, out_of_range)
{
	static struct script script;
	const struct arb_event rows[] = {
		{.kind = ARB_N_EVENTS},
		{.kind = ARB_EV_FIRED, .unit = 2},
		{.kind = ARB_EV_LEAVE, .sub = ARB_MAX_SUBS},
		{.kind = ARB_EV_TIMER, .timer = ARB_N_TIMERS},
		{.kind = ARB_EV_TIMER, .timer = ARB_TIMER_HEDGE, .sub = 1},
		{.kind = ARB_EV_TIMER, .timer = ARB_TIMER_PROBE, .unit = 1},
		{.kind = ARB_EV_VERDICT, .verdict = ARB_EOI + 1},
		{.kind = ARB_EV_LEVEL, .level = ARB_LEVEL_ASSERTED + 1},
		{.kind = ARB_EV_POLICY, .policy = ARB_N_POLICIES},
		{.kind = ARB_EV_OP_FAILED, .op = ARB_ACT_REPORT},
		{.kind = ARB_EV_OP_FAILED, .op = ARB_ACT_QUIET_DEVICE, .token = 1},
		{.kind = ARB_EV_JOIN, .device = 0xfe},
	};

	script_init(&script);
	script_configure(&script, "config n_units=2 n_devices=2");
	script_configure(&script, "device 1 unit=1");
	cr_assert_eq(script_event(&script, "LINE_UP"), 0);
	for (size_t i = 0; i < N(rows); i++)
		cr_assert_eq(arb_step(&script.arb, &rows[i], &script.actions), ARB_E_INVALID,
			     "row %zu", i);
}

/* What answers an action carries its round too: a sample of another round is dropped. */
Test(forms, level_of_another_round)
{
	static struct script s;
	struct arb_event ev = {.kind = ARB_EV_LEVEL, .round = 2, .level = ARB_LEVEL_DEASSERTED};

	script_init(&s);
	cr_assert_eq(script_event(&s, "LINE_UP"), 0);
	cr_assert_eq(script_event(&s, "JOIN sub=0 device=0"), 0);
	cr_assert_eq(script_event(&s, "FIRED unit=0"), 0);
	cr_assert_eq(script_event(&s, "VERDICT unit=0 sub=0 round=1 verdict=HANDLED"), 0);
	ev.token = s.sample[0];
	cr_assert_eq(arb_step(&s.arb, &ev, &s.actions), ARB_E_STALE);
	ev.round = 1;
	cr_assert_eq(arb_step(&s.arb, &ev, &s.actions), 0);
}

/* What the executor may look at. */
Test(forms, looks)
{
	static struct script s;

	script_init(&s);
	script_configure(&s, "config strikes_max=1");
	cr_assert_eq(script_event(&s, "LINE_UP"), 0);
	cr_assert(arb_device_quiet(&s.arb, 0));
	cr_assert_eq(script_event(&s, "JOIN sub=3 device=0"), 0);
	cr_assert_not(arb_device_quiet(&s.arb, 0));
	cr_assert_eq(script_event(&s, "FIRED unit=0"), 0);
	cr_assert_eq(arb_unit_owing(&s.arb, 0), UINT64_C(1) << 3);
	cr_assert_eq(script_event(&s, "TIMER timer=ASK unit=0 sub=3 token=@"), 0);
	cr_assert_eq(arb_unit_owing(&s.arb, 0), UINT64_C(0));
	cr_assert_eq(arb_unit_debtors(&s.arb, 0), UINT64_C(1) << 3);
	cr_assert(arb_sub_quarantined(&s.arb, 3));
	cr_assert_eq(arb_sub_strikes(&s.arb, 3), 1u);
	cr_assert_not(arb_sub_parked(&s.arb, 3));
	cr_assert_eq(script_event(&s, "PARK sub=3"), 0);
	cr_assert(arb_sub_parked(&s.arb, 3));
}

/* ---- configurations ------------------------------------------------------------------------------------ */

#define BAD(label, statement)                                             \
	do {                                                              \
		struct arb_config c;                                      \
		arb_config_default(&c);                                   \
		statement;                                                \
		cr_assert_eq(arb_config_check(&c), ARB_E_INVALID, label); \
	} while (0)

Test(forms, configurations)
{
	struct arb_config good;

	arb_config_default(&good);
	cr_assert_eq(arb_config_check(&good), 0);
	good.ask_deadline = 5;
	good.n_devices = good.n_units = 2;
	good.device_unit[1] = 1;
	cr_assert_eq(arb_config_check(&good), 0);

	BAD("policy", c.policy = ARB_N_POLICIES);
	BAD("padding", c.pad = 1);
	BAD("no units", c.n_units = 0);
	BAD("units", c.n_units = ARB_MAX_UNITS + 1);
	BAD("no devices", c.n_devices = 0);
	BAD("devices", c.n_devices = ARB_MAX_DEVICES + 1);
	BAD("a device in no unit", c.device_unit[0] = 1);
	BAD("a unit with no device", c.n_units = 2);
	BAD("device flags", c.device_flags[0] = 4);
	BAD("unit flags", c.unit_flags[0] = 16);
	BAD("unhandled_max", c.unhandled_max = 0);
	BAD("strikes_max", c.strikes_max = 0);
	BAD("lies_max", c.lies_max = 0);
	BAD("fair_rounds", c.fair_rounds = 256);
	BAD("storm_burst", c.storm_burst = 0);
	BAD("guest_budget", c.guest_budget = 0);
	BAD("fault_tries", c.fault_tries = 17);
	BAD("round_deadline", c.round_deadline = 255);
	BAD("ask_deadline", c.ask_deadline = UINT64_C(3600000000001));
	BAD("hedge", c.hedge = 0);
	BAD("unhandled_window", c.unhandled_window = 0);
	BAD("throttle_min", c.throttle_min = c.throttle_max + 1);
	BAD("throttle_max", c.throttle_max = UINT64_C(3600000000001));
	BAD("poll", c.poll = 0);
	BAD("strike_gap", c.strike_gap = 0);
	BAD("probe_min", c.probe_min = c.probe_max + 1);
	BAD("probe_max", c.probe_max = UINT64_C(3600000000001));
	BAD("storm_window", c.storm_window = 0);
	BAD("storm_pause", c.storm_pause = c.storm_window + 1);
	BAD("fault_min", c.fault_min = 0);
}
