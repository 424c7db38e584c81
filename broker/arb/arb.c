/* SPDX-License-Identifier: MIT */
/*
 * One step of the core: the event is checked wholly, then committed without failing. Owns the setter
 * of a unit's state and the table of allowed transitions. Holds no rule of its own.
 */
#include <string.h>

#include "broker/arb/internal.h"

#define TO(state) (1u << (state))

/* A1. From each state, the states that may follow it. */
static const uint8_t transitions[ARB_N_STATES] = {
	[ARB_ABSENT] = TO(ARB_IDLE) | TO(ARB_UNCLAIMED),
	[ARB_UNCLAIMED] = TO(ARB_ABSENT) | TO(ARB_IDLE) | TO(ARB_ROUND) | TO(ARB_FAULT),
	[ARB_IDLE] =
		TO(ARB_ABSENT) | TO(ARB_UNCLAIMED) | TO(ARB_ROUND) | TO(ARB_DIRECT) | TO(ARB_FAULT),
	[ARB_ROUND] = TO(ARB_ABSENT) | TO(ARB_UNCLAIMED) | TO(ARB_IDLE) | TO(ARB_THROTTLED) |
		      TO(ARB_POLLED),
	[ARB_THROTTLED] = TO(ARB_ABSENT) | TO(ARB_UNCLAIMED) | TO(ARB_IDLE),
	[ARB_POLLED] = TO(ARB_ABSENT) | TO(ARB_UNCLAIMED) | TO(ARB_IDLE) | TO(ARB_THROTTLED),
	[ARB_DIRECT] =
		TO(ARB_ABSENT) | TO(ARB_UNCLAIMED) | TO(ARB_IDLE) | TO(ARB_ROUND) | TO(ARB_FAULT),
	[ARB_FAULT] =
		TO(ARB_ABSENT) | TO(ARB_UNCLAIMED) | TO(ARB_IDLE) | TO(ARB_ROUND) | TO(ARB_DIRECT),
};

/* Members of struct arb_event that each kind carries; the rest must be 0. */
const uint32_t arb_event_members[ARB_N_EVENTS] = {
	[ARB_EV_LINE_UP] = 0,
	[ARB_EV_LINE_GONE] = 0,
	[ARB_EV_UNIT_UP] = ARB_M_UNIT,
	[ARB_EV_UNIT_GONE] = ARB_M_UNIT,
	[ARB_EV_JOIN] = ARB_M_SUB | ARB_M_DEVICE | ARB_M_PRIORITY | ARB_M_FLAGS | ARB_M_DEADLINE,
	[ARB_EV_LEAVE] = ARB_M_SUB,
	[ARB_EV_DIED] = ARB_M_SUB,
	[ARB_EV_PARK] = ARB_M_SUB,
	[ARB_EV_UNPARK] = ARB_M_SUB,
	[ARB_EV_FIRED] = ARB_M_UNIT | ARB_M_ATTRIBUTION | ARB_M_BACK_TO_BACK,
	[ARB_EV_VERDICT] = ARB_M_SUB | ARB_M_UNIT | ARB_M_ROUND | ARB_M_VERDICT,
	[ARB_EV_TIMER] = ARB_M_TIMER | ARB_M_UNIT | ARB_M_SUB | ARB_M_TOKEN,
	[ARB_EV_LEVEL] = ARB_M_UNIT | ARB_M_ROUND | ARB_M_TOKEN | ARB_M_LEVEL | ARB_M_STATUS |
			 ARB_M_STATUS_KNOWN,
	[ARB_EV_OP_FAILED] = ARB_M_OP | ARB_M_UNIT | ARB_M_DEVICE | ARB_M_TOKEN,
	[ARB_EV_OP_DONE] = ARB_M_OP | ARB_M_UNIT | ARB_M_TOKEN,
	[ARB_EV_POLICY] = ARB_M_POLICY | ARB_M_DEADLINE,
	[ARB_EV_SUB_POLICY] = ARB_M_SUB | ARB_M_DEADLINE | ARB_M_PRIORITY,
	[ARB_EV_TAP] = ARB_M_UNIT | ARB_M_TAPPED,
	[ARB_EV_RESUMED] = ARB_M_UNIT,
};

/*
 * The longest answer is to LINE_GONE. Each unit: a RETRACT and a CANCEL_TIMER for each subscriber,
 * four more timers, two reports; then PROBE timers. RESUMED adds a QUIET with its report for each
 * device, UNMASK and PROMOTE, for one unit only; LINE_UP has no rounds to close.
 */
static_assert(ARB_ACTIONS_MAX >= ARB_MAX_UNITS * (2 * ARB_MAX_SUBS + 6) + 2 * ARB_MAX_SUBS +
					 2 * ARB_MAX_DEVICES + 2,
	      "ARB_ACTIONS_MAX");

void arb_enter(struct arb_unit *u, enum arb_state state)
{
	assert(transitions[u->state] & TO(state));
	u->state = (uint8_t)state;
}

size_t arb_size(const struct arb_config *config)
{
	return offsetof(struct arb, units) + config->n_units * sizeof(struct arb_unit);
}

void arb_init(struct arb *arb, const struct arb_config *config)
{
	assert(arb_config_check(config) == 0);
	memset(arb, 0, arb_size(config));
	memcpy(&arb->config, config, sizeof(*config));
	for (unsigned int d = 0; d < config->n_devices; d++)
		arb->units[config->device_unit[d]].devices |= device_bit(d);
	for (unsigned int i = 0; i < config->n_units; i++) {
		arb->units[i].masked = true;
		arb->units[i].holder = ARB_NO_SUB;
	}
}

/* ---- what each event does ------------------------------------------------------------------------ */

static struct arb_unit *unit_of(struct arb *arb, const struct arb_event *ev)
{
	return &arb->units[ev->unit];
}

static void line_up(struct arb *arb, const struct arb_event *ev, struct arb_actions *out)
{
	(void)ev;
	for (unsigned int i = 0; i < arb->config.n_units; i++) {
		if (arb->units[i].state == ARB_ABSENT)
			arb_unit_up(arb, &arb->units[i], out);
	}
}

static void line_gone(struct arb *arb, const struct arb_event *ev, struct arb_actions *out)
{
	(void)ev;
	for (unsigned int i = 0; i < arb->config.n_units; i++) {
		if (arb->units[i].state != ARB_ABSENT)
			arb_unit_gone(arb, &arb->units[i], out);
	}
}

static void unit_up(struct arb *arb, const struct arb_event *ev, struct arb_actions *out)
{
	arb_unit_up(arb, unit_of(arb, ev), out);
}

static void unit_gone(struct arb *arb, const struct arb_event *ev, struct arb_actions *out)
{
	arb_unit_gone(arb, unit_of(arb, ev), out);
}

static void policy(struct arb *arb, const struct arb_event *ev, struct arb_actions *out)
{
	(void)out;
	arb->config.policy = ev->policy;
	if (ev->deadline)
		arb->config.ask_deadline = ev->deadline;
}

static void tap(struct arb *arb, const struct arb_event *ev, struct arb_actions *out)
{
	unit_of(arb, ev)->tapped = ev->tapped;
	arb_regroup(arb, unit_of(arb, ev), out);
}

static void timer(struct arb *arb, const struct arb_event *ev, struct arb_actions *out)
{
	struct arb_unit *u = unit_of(arb, ev);

	if (ev->timer == ARB_TIMER_ASK)
		arb_expired(arb, u, ev->sub, out);
	else if (ev->timer == ARB_TIMER_HEDGE)
		arb_hedge(arb, u, out);
	else if (ev->timer == ARB_TIMER_STATE)
		arb_state_timer(arb, u, out);
	else if (ev->timer == ARB_TIMER_WINDOW)
		arb_window_timer(u);
	else if (ev->timer == ARB_TIMER_STORM)
		arb_storm_timer(arb, u, out);
	else if (ev->timer == ARB_TIMER_STRIKE)
		arb->subs[ev->sub].strike_token = 0;
	else
		arb_probe(arb, ev->sub, out);
}

static void (*const apply[ARB_N_EVENTS])(struct arb *, const struct arb_event *,
					 struct arb_actions *) = {
	[ARB_EV_LINE_UP] = line_up,
	[ARB_EV_LINE_GONE] = line_gone,
	[ARB_EV_UNIT_UP] = unit_up,
	[ARB_EV_UNIT_GONE] = unit_gone,
	[ARB_EV_JOIN] = arb_join,
	[ARB_EV_LEAVE] = arb_leave,
	[ARB_EV_DIED] = arb_leave,
	[ARB_EV_PARK] = arb_park,
	[ARB_EV_UNPARK] = arb_unpark,
	[ARB_EV_FIRED] = arb_fired,
	[ARB_EV_VERDICT] = arb_verdict,
	[ARB_EV_TIMER] = timer,
	[ARB_EV_LEVEL] = arb_level,
	[ARB_EV_OP_FAILED] = arb_op_failed,
	[ARB_EV_OP_DONE] = arb_op_done,
	[ARB_EV_POLICY] = policy,
	[ARB_EV_SUB_POLICY] = arb_sub_policy,
	[ARB_EV_TAP] = tap,
	[ARB_EV_RESUMED] = arb_resumed,
};

int arb_step(struct arb *arb, const struct arb_event *event, struct arb_actions *ret_actions)
{
	int error = arb_validate(arb, event);

	ret_actions->n = 0;
	if (error)
		return error;
	apply[event->kind](arb, event, ret_actions);
	return 0;
}

/* ---- what others may look at ---------------------------------------------------------------------- */

enum arb_state arb_unit_state(const struct arb *arb, uint8_t unit)
{
	return (enum arb_state)arb->units[unit].state;
}

uint32_t arb_unit_round(const struct arb *arb, uint8_t unit)
{
	return arb->units[unit].round;
}

uint32_t arb_unit_due(const struct arb *arb, uint8_t unit)
{
	const struct arb_unit *u = &arb->units[unit];

	return u->open ? u->round : next_round(u->round);
}

uint64_t arb_unit_owing(const struct arb *arb, uint8_t unit)
{
	return arb->units[unit].owes;
}

uint64_t arb_unit_debtors(const struct arb *arb, uint8_t unit)
{
	return arb->units[unit].debt;
}

bool arb_device_quiet(const struct arb *arb, uint8_t device)
{
	return arb->quiet & device_bit(device);
}

bool arb_sub_quarantined(const struct arb *arb, uint8_t sub)
{
	return arb->quarantined & sub_bit(sub);
}

bool arb_sub_parked(const struct arb *arb, uint8_t sub)
{
	return arb->parked & sub_bit(sub);
}

uint32_t arb_sub_strikes(const struct arb *arb, uint8_t sub)
{
	return arb->subs[sub].strikes;
}
