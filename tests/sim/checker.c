/* SPDX-License-Identifier: MIT */
/*
 * Owns the decision whether a promise is kept. Must not look at anything but the log: every belief
 * comes from an action, an event's answer or the wire (model.c).
 */
#include "tests/sim/model.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* A5: an ask gets this part of its share at the least, however many waves a round has. */
#define SHARES       4
#define ORPHAN_BOUND 100000000u /* promise 2: 100 ms */

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

/* How long a failing operation may be retried before the core must have given up (A1). */
static uint64_t fault_span(const struct checker *checker)
{
	const struct arb_config *config = &checker->line.config;

	return (config->fault_min << (config->fault_tries + 1)) + checker->line.slack;
}

/* True: the unit may stay masked for as long as this lasts. */
static bool excused(const struct checker *checker, unsigned int unit)
{
	const struct checker_unit *u = &checker->unit[unit];

	if (!u->up || u->gave_up || u->direct != ARB_NO_SUB)
		return true;
	/* A8: a silent subscriber's device cannot be quieted. */
	if (u->polled && (u->members & ~model_eligible(checker, unit)))
		return true;
	if (model_eligible(checker, unit))
		return false;
	/*
	 * A1: nobody is there, and a device without a mask of its own would storm. One whose mask fails
	 * is not enough: it is tried again, and succeeds or is given up.
	 */
	for (unsigned int d = 0; d < checker->line.config.n_devices; d++)
		if ((u->devices & BIT(d)) && !(checker->line.config.device_flags[d] & ARB_DEV_MASK))
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
	    u->gave_up || !(model_eligible(checker, unit) & BIT(owner)))
		return false;
	/* A3: a guest is asked by status, and this one says nothing asserts. */
	return !((checker->flags[owner] & ARB_SUB_RESAMPLE) && (checker->line.liars & BIT(device)));
}

/* A1: nobody is there, no round is open, and the mask of a device that failed is tried again. */
static bool retries(const struct checker *checker, unsigned int unit)
{
	const struct checker_unit *u = &checker->unit[unit];

	if (u->open || model_eligible(checker, unit))
		return false;
	for (unsigned int d = 0; d < checker->line.config.n_devices; d++)
		if ((u->devices & BIT(d)) && checker->device[d].unquietable)
			return true;
	return false;
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
		if (u->masked_due != NEVER && !u->retried && retries(checker, unit))
			u->masked_due = max_u64(u->masked_due, checker->now + fault_span(checker));
		u->retried = retries(checker, unit);
		for (unsigned int d = 0; d < config->n_devices; d++)
			if ((u->devices & BIT(d)) && has_mask(checker, d) &&
			    !checker->device[d].quiet && !model_wanted(checker, d))
				orphan = true;
		if (!orphan || !u->up || u->gave_up || model_eligible(checker, unit))
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

/* A11: the source woke it before the core heard of the interrupt, or before it was asked. */
static bool rightful_on_notify(const struct checker *checker, const struct arb_event *event)
{
	const struct checker_unit *u = &checker->unit[event->unit];
	uint32_t next = (u->last + 1) & (UINT32_MAX >> (32 - ARB_ROUND_BITS));

	if (event->sub >= ARB_MAX_SUBS || event->unit >= checker->line.config.n_units ||
	    !(checker->line.config.unit_flags[event->unit] & ARB_UNIT_NOTIFY) ||
	    !(checker->flags[event->sub] & ARB_SUB_NOTIFY) ||
	    !(u->members & ~checker->parked & BIT(event->sub)))
		return false;
	if (u->open)
		return event->round == u->last && u->asked[event->sub] != u->last;
	return event->round == (next ? next : 1);
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

		if (!right) {
			u->open = true;
			u->last = u->asked[event->sub] = event->round;
		}
		u->owed &= ~BIT(event->sub);
		u->debt &= ~BIT(event->sub);
		model_undeliver(checker, event->unit, BIT(event->sub));
	}
	return true;
}

/* A5: nobody is timed out before he had the time that he was promised, or a fair share of it. */
static bool grants(struct checker *checker, const struct arb_action *action)
{
	uint64_t budget = checker->line.config.round_deadline;
	uint64_t members = (uint64_t)__builtin_popcountll(checker->unit[action->unit].members);
	uint64_t fair = budget / (SHARES * members);
	uint64_t own = checker->deadline[action->sub];

	if (!own)
		own = checker->ask_deadline ? checker->ask_deadline : budget / 2;
	if (action->delay >= own || action->delay >= fair)
		return true;
	return breaks(checker, PROMISE_CONDUCT, "gives sub %u no time to answer", action->sub);
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
	if (((u->debt | checker->quarantined) & sub) && !is_edge(checker, action->unit) &&
	    !(action->flags & ARB_ASK_PROBE))
		return breaks(checker, PROMISE_CONDUCT, "does not tell sub %u that it is a probe",
			      action->sub);
	if (u->owed && u->round != action->round)
		return breaks(checker, PROMISE_NO_EARLY_UNMASK,
			      "round %" PRIu32 " begins while %#" PRIx64 " owe for round %" PRIu32,
			      action->round, u->owed, u->round);
	model_deliver(checker, action->unit, action->sub);
	if (is_edge(checker, action->unit))
		return true;
	u->owed |= sub;
	u->debt &= ~sub;
	u->round = u->last = u->asked[action->sub] = action->round;
	u->open = true;
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
		    !model_wanted(checker, d))
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
	model_undeliver(checker, action->unit, sub);
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
		u->visible_until = max_u64(u->visible_until, checker->now + fault_span(checker) +
								     config->round_deadline);
		break;
	case ARB_REP_GAVE_UP: u->gave_up = true; break;
	case ARB_REP_PROBE: checker->probing |= BIT(action->sub); break;
	case ARB_REP_RESOLVED:
		u->last = action->round;
		u->open = false;
		break;
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
			model_undeliver(checker, action->unit, BIT(action->sub));
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
		if (action->kind == ARB_ACT_QUIET_DEVICE)
			checker->device[action->device].unquietable = failed;
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
		u->last = action->round;
		u->open = true;
		break;
	case ARB_ACT_ARM_TIMER: return action->timer != ARB_TIMER_ASK || grants(checker, action);
	case ARB_ACT_CANCEL_TIMER:
	case ARB_N_ACTIONS: break;
	}
	if (failed)
		postpone(checker, action->unit);
	return true;
}

bool checker_record(struct checker *checker, const struct record *record)
{
	checker->now = record->time;
	switch ((enum record_kind)record->kind) {
	case RECORD_EVENT:
		checker->step = record->event;
		if (record->changed)
			return breaks(checker, PROMISE_ACK_INTEGRITY,
				      "refused, but not without trace");
		if (record->event.kind == ARB_EV_VERDICT)
			return verdict(checker, record);
		if (record->ret == 0)
			model_accepted(checker, &record->event);
		return true;
	case RECORD_ACTION: return action_taken(checker, &record->action, record->failed);
	case RECORD_DONE: model_end_probes(checker); break;
	case RECORD_WIRE: model_wire(checker, record); break;
	case RECORD_FIRE:
		checker->unit[record->unit].masked = record->up;
		checker->unit[record->unit].masked_due = NEVER;
		break;
	case RECORD_DIRECT: model_deliver(checker, record->unit, record->sub); break;
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
