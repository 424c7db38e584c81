/* SPDX-License-Identifier: MIT */
/*
 * Owns what the log says of the line: who is there, what is masked, owed and asserted. Decides no
 * promise: checker.c does.
 */
#include "tests/sim/model.h"

#include <string.h>

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
	checker->ask_deadline = line->config.ask_deadline;
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
uint64_t model_eligible(const struct checker *checker, unsigned int unit)
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
bool model_wanted(const struct checker *checker, unsigned int device)
{
	unsigned int unit = checker->line.config.device_unit[device];

	return takers(checker, device) &
	       (model_eligible(checker, unit) |
		(checker->probing & checker->unit[unit].members & ~checker->parked));
}

/* What @sub was asked for does not count as delivered any more: it may have dropped it. */
void model_undeliver(struct checker *checker, unsigned int unit, uint64_t subs)
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

void model_deliver(struct checker *checker, unsigned int unit, unsigned int sub)
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
void model_end_probes(struct checker *checker)
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
		model_undeliver(checker, u, subs & checker->unit[u].owed);
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
		.last = u->last,
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
	checker->deadline[event->sub] = event->deadline;
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

void model_accepted(struct checker *checker, const struct arb_event *event)
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
		if (event->deadline)
			checker->ask_deadline = event->deadline;
		break;
	case ARB_EV_SUB_POLICY: checker->deadline[event->sub] = event->deadline; break;
	case ARB_EV_FIRED:
	case ARB_EV_VERDICT:
	case ARB_EV_LEVEL:
	case ARB_EV_OP_FAILED:
	case ARB_EV_OP_DONE:
	case ARB_EV_TAP:
	case ARB_N_EVENTS: break;
	}
}

void model_wire(struct checker *checker, const struct record *record)
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
