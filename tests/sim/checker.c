/* SPDX-License-Identifier: MIT */
/*
 * Owns the model that the promises are decided on. Must not look at anything but the log: every
 * belief here comes from an action, an event's answer or the wire.
 */
#include "tests/sim/checker.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NEVER        UINT64_MAX
#define ORPHAN_BOUND 100000000u /* promise 2: 100 ms */
#define BIT(n)       (UINT64_C(1) << (n))

static bool __attribute__((format(printf, 3, 4)))
breaks(struct checker *checker, enum promise promise, const char *format, ...)
{
	va_list args;

	if (checker->broken)
		return false;
	checker->broken = promise;
	va_start(args, format);
	vsnprintf(checker->why, sizeof(checker->why), format, args);
	va_end(args);
	return false;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static bool is_edge(const struct checker *checker, unsigned int unit)
{
	return checker->line.config.unit_flags[unit] & ARB_UNIT_EDGE;
}

static bool has_mask(const struct checker *checker, unsigned int device)
{
	return (checker->line.config.device_flags[device] & ARB_DEV_MASK) &&
	       !checker->device[device].unquietable;
}

/* How long a failing operation may be retried before the core must have given up (A1). */
static uint64_t fault_span(const struct checker *checker)
{
	const struct arb_config *config = &checker->line.config;

	return (config->fault_min << (config->fault_tries + 1)) + checker->line.slack;
}

/* A3: everybody is asked in fair_rounds rounds; each may run its budget and be throttled. */
static uint64_t longest_wait(const struct checker_line *line)
{
	const struct arb_config *config = &line->config;
	uint64_t pause = max_u64(config->throttle_max, config->storm_pause);

	return (config->fair_rounds + 2) * (config->round_deadline + pause + 4 * line->slack) +
	       2 * config->storm_window;
}

void checker_init(struct checker *checker, const struct checker_line *line)
{
	memset(checker, 0, sizeof(*checker));
	checker->line = *line;
	checker->wait = longest_wait(line);
	for (unsigned int u = 0; u < line->config.n_units; u++) {
		checker->unit[u].direct = ARB_NO_SUB;
		checker->unit[u].masked_due = NEVER;
		checker->unit[u].orphan_due = NEVER;
	}
	for (unsigned int d = 0; d < line->config.n_devices; d++) {
		checker->unit[line->config.device_unit[d]].devices |= (uint16_t)BIT(d);
		for (unsigned int f = 0; f < SIM_FUNCTIONS; f++)
			checker->device[d].due[f] = NEVER;
	}
}

/* Those who may be asked for @unit without it being a probe (A2). */
static uint64_t eligible(const struct checker *checker, unsigned int unit)
{
	const struct checker_unit *u = &checker->unit[unit];

	return u->members & ~checker->parked & ~checker->quarantined & ~u->debt;
}

/* Subscribers that serve @device. */
static uint64_t takers(const struct checker *checker, unsigned int device)
{
	uint64_t members = checker->unit[checker->line.config.device_unit[device]].members;
	uint64_t set = 0;

	for (uint64_t rest = members; rest; rest &= rest - 1) {
		unsigned int sub = (unsigned int)__builtin_ctzll(rest);

		if (checker->bound[sub] == device || checker->bound[sub] == ARB_NO_DEVICE)
			set |= BIT(sub);
	}
	return set;
}

/* Somebody may need the device's signal: an eligible taker, or one that is being probed (A6). */
static bool wanted(const struct checker *checker, unsigned int device)
{
	unsigned int unit = checker->line.config.device_unit[device];

	return takers(checker, device) &
	       (eligible(checker, unit) |
		(checker->probing & checker->unit[unit].members & ~checker->parked));
}

/* True: the unit may stay masked for as long as this lasts. */
static bool excused(const struct checker *checker, unsigned int unit)
{
	const struct checker_unit *u = &checker->unit[unit];

	if (!u->up || u->gave_up || u->direct != ARB_NO_SUB)
		return true;
	/* A8: a silent subscriber's device cannot be quieted. */
	if (u->polled && (u->members & ~eligible(checker, unit)))
		return true;
	if (eligible(checker, unit))
		return false;
	/* A1: nobody is there, and a device without a mask of its own would storm. */
	for (unsigned int d = 0; d < checker->line.config.n_devices; d++)
		if ((u->devices & BIT(d)) && !has_mask(checker, d))
			return true;
	return false;
}

/* Promise 3 is owed to @fn's owner now. */
static bool must_be_asked(const struct checker *checker, unsigned int device, unsigned int fn)
{
	unsigned int unit = checker->line.config.device_unit[device];
	const struct checker_unit *u = &checker->unit[unit];
	uint8_t owner = checker->line.owner[device][fn];

	if (!(checker->device[device].waits & BIT(fn)) || owner == ARB_NO_SUB || !u->up ||
	    u->gave_up || !(eligible(checker, unit) & BIT(owner)))
		return false;
	/* A3: a guest is asked by status, and this one says nothing asserts. */
	return !((checker->flags[owner] & ARB_SUB_RESAMPLE) && (checker->line.liars & BIT(device)));
}

static void refresh(struct checker *checker)
{
	const struct arb_config *config = &checker->line.config;

	for (unsigned int unit = 0; unit < config->n_units; unit++) {
		struct checker_unit *u = &checker->unit[unit];
		bool orphan = false;

		if (!u->masked || excused(checker, unit))
			u->masked_due = NEVER;
		else if (u->masked_due == NEVER)
			u->masked_due = checker->now + config->round_deadline + checker->line.slack;
		for (unsigned int d = 0; d < config->n_devices; d++)
			if ((u->devices & BIT(d)) && has_mask(checker, d) &&
			    !checker->device[d].quiet && !wanted(checker, d))
				orphan = true;
		if (!orphan || !u->up || u->gave_up || eligible(checker, unit))
			u->orphan_due = NEVER;
		else if (u->orphan_due == NEVER)
			u->orphan_due = checker->now + ORPHAN_BOUND;
	}
	for (unsigned int d = 0; d < config->n_devices; d++)
		for (unsigned int f = 0; f < SIM_FUNCTIONS; f++) {
			unsigned int unit = config->device_unit[d];
			uint64_t *due = &checker->device[d].due[f];

			if (!must_be_asked(checker, d, f)) {
				*due = NEVER;
				/* A12: an edge that nobody was there for is gone. */
				if (is_edge(checker, unit) && checker->unit[unit].up)
					checker->device[d].waits &= (uint8_t)~BIT(f);
			} else if (*due == NEVER) {
				*due = checker->wait +
				       max_u64(checker->now, checker->unit[unit].visible_until);
			}
		}
}

/* What @sub was asked for does not count as delivered any more: it may have dropped it. */
static void undeliver(struct checker *checker, unsigned int unit, uint64_t subs)
{
	for (unsigned int d = 0; d < checker->line.config.n_devices; d++)
		for (unsigned int f = 0; f < SIM_FUNCTIONS; f++) {
			uint8_t owner = checker->line.owner[d][f];

			/* A12: an edge that was delivered is over, whatever its taker makes of it. */
			if (checker->line.config.device_unit[d] != unit || owner == ARB_NO_SUB ||
			    !(subs & BIT(owner)) || is_edge(checker, unit))
				continue;
			checker->device[d].waits |= checker->device[d].asserts & (uint8_t)BIT(f);
		}
}

static void deliver(struct checker *checker, unsigned int unit, unsigned int sub)
{
	for (unsigned int d = 0; d < checker->line.config.n_devices; d++)
		for (unsigned int f = 0; f < SIM_FUNCTIONS; f++)
			if (checker->line.config.device_unit[d] == unit &&
			    checker->line.owner[d][f] == sub)
				checker->device[d].waits &= (uint8_t)~BIT(f);
}

static bool debt_anywhere(const struct checker *checker, unsigned int sub)
{
	uint64_t debt = 0;

	for (unsigned int u = 0; u < checker->line.config.n_units; u++)
		debt |= checker->unit[u].debt;
	return debt & BIT(sub);
}

/* A6: a probe is over when nothing is held against the subscriber any more. */
static void end_probes(struct checker *checker)
{
	for (uint64_t rest = checker->probing & ~checker->quarantined; rest; rest &= rest - 1) {
		unsigned int sub = (unsigned int)__builtin_ctzll(rest);

		if (!debt_anywhere(checker, sub))
			checker->probing &= ~BIT(sub);
	}
}

static void settle(struct checker *checker, uint64_t subs)
{
	for (unsigned int u = 0; u < checker->line.config.n_units; u++) {
		undeliver(checker, u, subs & checker->unit[u].owed);
		checker->unit[u].owed &= ~subs;
		checker->unit[u].debt &= ~subs;
	}
}

/* A14: masked, and the devices' own masks are as after a reset; all that asserts counts anew. */
static void unit_reset(struct checker *checker, unsigned int unit, bool up)
{
	struct checker_unit *u = &checker->unit[unit];

	*u = (struct checker_unit){
		.up = up,
		.masked = up && !is_edge(checker, unit),
		.direct = ARB_NO_SUB,
		.devices = u->devices,
		.members = u->members,
		.masked_due = NEVER,
		.orphan_due = NEVER,
	};
	for (unsigned int d = 0; d < checker->line.config.n_devices; d++) {
		if (!(u->devices & BIT(d)))
			continue;
		checker->device[d].quiet = false;
		checker->device[d].unquietable = false;
		checker->device[d].waits = checker->device[d].asserts;
		for (unsigned int f = 0; f < SIM_FUNCTIONS; f++)
			checker->device[d].due[f] = NEVER;
	}
}

static void joins(struct checker *checker, const struct arb_event *event)
{
	uint64_t sub = BIT(event->sub);

	checker->joined |= sub;
	checker->parked &= ~sub;
	checker->quarantined &= ~sub;
	checker->bound[event->sub] = event->device;
	checker->flags[event->sub] = event->flags;
	for (unsigned int u = 0; u < checker->line.config.n_units; u++)
		if (event->device == ARB_NO_DEVICE ||
		    checker->line.config.device_unit[event->device] == u)
			checker->unit[u].members |= sub;
}

static void leaves(struct checker *checker, unsigned int sub)
{
	settle(checker, BIT(sub));
	checker->joined &= ~BIT(sub);
	checker->parked &= ~BIT(sub);
	checker->quarantined &= ~BIT(sub);
	checker->probing &= ~BIT(sub);
	for (unsigned int u = 0; u < checker->line.config.n_units; u++)
		checker->unit[u].members &= ~BIT(sub);
}

/* Promise 5: who may change anything by a verdict. */
static bool rightful(const struct checker *checker, const struct arb_event *event)
{
	const struct checker_unit *u;

	if (event->sub >= ARB_MAX_SUBS || event->unit >= checker->line.config.n_units ||
	    event->verdict < ARB_HANDLED || event->verdict > ARB_EOI)
		return false;
	u = &checker->unit[event->unit];
	return ((u->owed | u->debt) & BIT(event->sub)) && u->asked[event->sub] == event->round;
}

/* A11: the source woke it before the core heard of the interrupt. */
static bool rightful_on_notify(const struct checker *checker, const struct arb_event *event)
{
	const struct checker_unit *u = &checker->unit[event->unit];

	return event->sub < ARB_MAX_SUBS && event->unit < checker->line.config.n_units &&
	       (checker->line.config.unit_flags[event->unit] & ARB_UNIT_NOTIFY) &&
	       (checker->flags[event->sub] & ARB_SUB_NOTIFY) &&
	       (u->members & ~checker->parked & BIT(event->sub));
}

static bool verdict(struct checker *checker, const struct record *record)
{
	const struct arb_event *event = &record->event;
	bool right = rightful(checker, event);

	if (record->ret == 0 && !right && !rightful_on_notify(checker, event))
		return breaks(checker, PROMISE_ACK_INTEGRITY,
			      "a verdict that sub %u did not owe was accepted", event->sub);
	if (record->ret != 0 && right)
		return breaks(checker, PROMISE_ACK_INTEGRITY,
			      "the verdict that sub %u owed was refused", event->sub);
	if (record->ret == 0) {
		struct checker_unit *u = &checker->unit[event->unit];

		u->owed &= ~BIT(event->sub);
		u->debt &= ~BIT(event->sub);
		undeliver(checker, event->unit, BIT(event->sub));
	}
	return true;
}

static bool accepted(struct checker *checker, const struct arb_event *event)
{
	unsigned int n_units = checker->line.config.n_units;

	switch ((enum arb_event_kind)event->kind) {
	case ARB_EV_LINE_UP:
	case ARB_EV_LINE_GONE: {
		bool up = event->kind == ARB_EV_LINE_UP;

		for (unsigned int u = 0; u < n_units; u++)
			if (checker->unit[u].up != up)
				unit_reset(checker, u, up);
		break;
	}
	case ARB_EV_UNIT_UP:
	case ARB_EV_RESUMED: unit_reset(checker, event->unit, true); break;
	case ARB_EV_UNIT_GONE: unit_reset(checker, event->unit, false); break;
	case ARB_EV_JOIN: joins(checker, event); break;
	case ARB_EV_LEAVE:
	case ARB_EV_DIED: leaves(checker, event->sub); break;
	case ARB_EV_PARK:
		settle(checker, BIT(event->sub));
		checker->parked |= BIT(event->sub);
		break;
	case ARB_EV_UNPARK: checker->parked &= ~BIT(event->sub); break;
	case ARB_EV_TIMER:
		if (event->timer == ARB_TIMER_PROBE)
			checker->probing |= BIT(event->sub);
		break;
	case ARB_EV_POLICY:
	case ARB_EV_FIRED:
	case ARB_EV_VERDICT:
	case ARB_EV_LEVEL:
	case ARB_EV_OP_FAILED:
	case ARB_EV_OP_DONE:
	case ARB_EV_SUB_POLICY:
	case ARB_EV_TAP:
	case ARB_N_EVENTS: break;
	}
	return true;
}

static bool asks(struct checker *checker, const struct arb_action *action)
{
	struct checker_unit *u = &checker->unit[action->unit];
	uint64_t sub = BIT(action->sub);

	if (!(u->members & sub & ~checker->parked) || !u->up)
		return breaks(checker, PROMISE_CONDUCT, "asks sub %u, which is not there",
			      action->sub);
	if (u->owed & sub)
		return breaks(checker, PROMISE_CONDUCT, "asks sub %u, which owes already",
			      action->sub);
	if ((u->debt | checker->quarantined) & sub & ~checker->probing)
		return breaks(checker, PROMISE_CONDUCT, "asks sub %u, which is in debt",
			      action->sub);
	if (u->owed && u->round != action->round)
		return breaks(checker, PROMISE_NO_EARLY_UNMASK,
			      "round %" PRIu32 " begins while %#" PRIx64 " owe for round %" PRIu32,
			      action->round, u->owed, u->round);
	deliver(checker, action->unit, action->sub);
	if (is_edge(checker, action->unit))
		return true;
	u->owed |= sub;
	u->debt &= ~sub;
	u->round = u->asked[action->sub] = action->round;
	return true;
}

static bool unmasks(struct checker *checker, const struct arb_action *action, bool failed)
{
	struct checker_unit *u = &checker->unit[action->unit];

	if (u->owed)
		return breaks(checker, PROMISE_NO_EARLY_UNMASK,
			      "unit %u unmasked, %#" PRIx64 " owe", action->unit, u->owed);
	if (failed)
		return true;
	/* T20: the devices of those who are gone or silent are quiet before the line is unmasked. */
	for (unsigned int d = 0; d < checker->line.config.n_devices; d++)
		if ((u->devices & BIT(d)) && has_mask(checker, d) && !checker->device[d].quiet &&
		    !wanted(checker, d))
			return breaks(checker, PROMISE_NO_ORPHAN_MASK,
				      "unit %u unmasked before device %u is quiet", action->unit,
				      d);
	u->masked = false;
	u->masked_due = NEVER;
	u->polled = false;
	u->visible_until = 0;
	return true;
}

static bool timed_out(struct checker *checker, const struct arb_action *action)
{
	struct checker_unit *u = &checker->unit[action->unit];
	uint64_t sub = BIT(action->sub);

	if (checker->step.kind != ARB_EV_TIMER || !(u->owed & sub))
		return breaks(checker, PROMISE_CONDUCT,
			      "times sub %u out, which owes nothing or has time left", action->sub);
	u->owed &= ~sub;
	u->debt |= sub;
	checker->probing &= ~sub;
	undeliver(checker, action->unit, sub);
	return true;
}

static bool reports(struct checker *checker, const struct arb_action *action)
{
	const struct arb_config *config = &checker->line.config;
	struct checker_unit *u = &checker->unit[action->unit];

	switch ((enum arb_report)action->report) {
	case ARB_REP_TIMEOUT: return timed_out(checker, action);
	case ARB_REP_THROTTLED:
	case ARB_REP_STORM:
		u->visible_until =
			max_u64(u->visible_until,
				checker->now + max_u64(config->throttle_max, config->storm_pause) +
					checker->line.slack);
		break;
	case ARB_REP_POLLED: u->polled = true; break;
	case ARB_REP_FAULT:
		u->visible_until = checker->now + fault_span(checker) + config->round_deadline;
		break;
	case ARB_REP_GAVE_UP: u->gave_up = true; break;
	case ARB_REP_PROBE: checker->probing |= BIT(action->sub); break;
	case ARB_REP_RESOLVED:
	case ARB_REP_STRIKE:
	case ARB_REP_LIE:
	case ARB_REP_LATE:
	case ARB_REP_GLITCH:
	case ARB_REP_ABSENT:
	case ARB_REP_BACK:
	case ARB_REP_HELD:
	case ARB_REP_FREED:
	case ARB_N_REPORTS: break;
	}
	return true;
}

/* A failed operation is retried: those who wait for it wait longer. */
static void postpone(struct checker *checker, unsigned int unit)
{
	uint64_t span = fault_span(checker);

	for (unsigned int d = 0; d < checker->line.config.n_devices; d++)
		for (unsigned int f = 0; f < SIM_FUNCTIONS; f++)
			if ((checker->unit[unit].devices & BIT(d)) &&
			    checker->device[d].due[f] != NEVER)
				checker->device[d].due[f] = checker->now + checker->wait + span;
	if (checker->unit[unit].orphan_due != NEVER)
		checker->unit[unit].orphan_due = checker->now + ORPHAN_BOUND + span;
}

static bool action_taken(struct checker *checker, const struct arb_action *action, bool failed)
{
	struct checker_unit *u = &checker->unit[action->unit];

	switch ((enum arb_action_kind)action->kind) {
	case ARB_ACT_ASK: return asks(checker, action);
	case ARB_ACT_RETRACT:
		if (u->owed & BIT(action->sub))
			undeliver(checker, action->unit, BIT(action->sub));
		u->owed &= ~BIT(action->sub);
		break;
	case ARB_ACT_UNMASK:
		if (!unmasks(checker, action, failed))
			return false;
		break;
	case ARB_ACT_MASK:
		if (!failed)
			u->masked = true;
		break;
	case ARB_ACT_QUIET_DEVICE:
	case ARB_ACT_UNQUIET_DEVICE:
		if (!failed)
			checker->device[action->device].quiet =
				action->kind == ARB_ACT_QUIET_DEVICE;
		else if (action->kind == ARB_ACT_QUIET_DEVICE)
			checker->device[action->device].unquietable = true;
		if (failed)
			postpone(checker, checker->line.config.device_unit[action->device]);
		return true;
	case ARB_ACT_PROMOTE:
		if (!failed)
			u->direct = action->sub;
		break;
	case ARB_ACT_DEMOTE:
		if (!failed && !is_edge(checker, action->unit))
			u->masked = true;
		if (!failed)
			u->direct = ARB_NO_SUB;
		break;
	case ARB_ACT_QUARANTINE: checker->quarantined |= BIT(action->sub); break;
	case ARB_ACT_RELEASE: checker->quarantined &= ~BIT(action->sub); break;
	case ARB_ACT_REPORT: return reports(checker, action);
	case ARB_ACT_SAMPLE_LEVEL:
	case ARB_ACT_ARM_TIMER:
	case ARB_ACT_CANCEL_TIMER:
	case ARB_N_ACTIONS: break;
	}
	if (failed)
		postpone(checker, action->unit);
	return true;
}

static void wire(struct checker *checker, const struct record *record)
{
	struct checker_device *device = &checker->device[record->device];
	uint8_t fn = (uint8_t)BIT(record->fn);

	device->asserts &= (uint8_t)~fn;
	device->waits &= (uint8_t)~fn;
	if (!record->up)
		return;
	device->asserts |= fn;
	device->waits |= fn;
	/* The clock of an assertion begins with it. */
	device->due[record->fn] = NEVER;
}

bool checker_record(struct checker *checker, const struct record *record)
{
	bool fine = true;

	checker->now = record->time;
	switch ((enum record_kind)record->kind) {
	case RECORD_EVENT:
		checker->step = record->event;
		if (record->changed)
			return breaks(checker, PROMISE_ACK_INTEGRITY,
				      "refused, but not without trace");
		if (record->event.kind == ARB_EV_VERDICT)
			fine = verdict(checker, record);
		else if (record->ret == 0)
			fine = accepted(checker, &record->event);
		return fine;
	case RECORD_ACTION: return action_taken(checker, &record->action, record->failed);
	case RECORD_DONE: end_probes(checker); break;
	case RECORD_WIRE: wire(checker, record); break;
	case RECORD_FIRE:
		checker->unit[record->unit].masked = record->up;
		checker->unit[record->unit].masked_due = NEVER;
		break;
	case RECORD_DIRECT: deliver(checker, record->unit, record->sub); break;
	case RECORD_DRAIN: checker->drained = true; break;
	}
	refresh(checker);
	return true;
}

bool checker_time(struct checker *checker, uint64_t now)
{
	const struct arb_config *config = &checker->line.config;

	for (unsigned int u = 0; u < config->n_units; u++) {
		const struct checker_unit *unit = &checker->unit[u];

		if (unit->masked_due != NEVER &&
		    max_u64(unit->masked_due, unit->visible_until) < now)
			return breaks(checker, PROMISE_BOUNDED_MASK,
				      "unit %u is still masked, and nothing says why", u);
		if (max_u64(unit->orphan_due, unit->visible_until) < now)
			return breaks(checker, PROMISE_NO_ORPHAN_MASK,
				      "unit %u has nobody, and its devices are not quiet", u);
	}
	for (unsigned int d = 0; d < config->n_devices; d++)
		for (unsigned int f = 0; f < SIM_FUNCTIONS; f++)
			if (checker->device[d].due[f] < now)
				return breaks(checker, PROMISE_NO_LOST_ASSERTION,
					      "sub %u was not asked for function %u of device %u",
					      checker->line.owner[d][f], f, d);
	return true;
}

bool checker_rest(struct checker *checker)
{
	const struct arb_config *config = &checker->line.config;

	for (unsigned int u = 0; u < config->n_units; u++) {
		const struct checker_unit *unit = &checker->unit[u];

		if (unit->owed)
			return breaks(checker, PROMISE_BOUNDED_MASK, "at rest, and unit %u is owed",
				      u);
		if (unit->masked && !excused(checker, u))
			return breaks(checker, PROMISE_BOUNDED_MASK, "at rest, and unit %u masked",
				      u);
	}
	for (unsigned int d = 0; d < config->n_devices; d++)
		for (unsigned int f = 0; f < SIM_FUNCTIONS; f++) {
			const struct checker_unit *unit = &checker->unit[config->device_unit[d]];
			uint8_t owner = checker->line.owner[d][f];

			if (!(checker->device[d].asserts & BIT(f)) || owner == ARB_NO_SUB ||
			    is_edge(checker, config->device_unit[d]) || !unit->up || unit->gave_up)
				continue;
			if (unit->members & BIT(owner) & ~checker->parked)
				return breaks(checker, PROMISE_NO_LOST_ASSERTION,
					      "at rest, and function %u of device %u still asserts",
					      f, d);
		}
	return true;
}

const char *promise_name(enum promise promise)
{
	switch (promise) {
	case PROMISE_KEPT: return "kept";
	case PROMISE_BOUNDED_MASK: return "1 bounded mask";
	case PROMISE_NO_ORPHAN_MASK: return "2 no orphan mask";
	case PROMISE_NO_LOST_ASSERTION: return "3 no lost assertion";
	case PROMISE_NO_EARLY_UNMASK: return "4 no early unmask";
	case PROMISE_ACK_INTEGRITY: return "5 ack integrity";
	case PROMISE_CONDUCT: return "conduct";
	case PROMISE_INVARIANT: return "invariant";
	}
	return "?";
}
