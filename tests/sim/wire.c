/* SPDX-License-Identifier: MIT */
/*
 * Owns the hardware: devices, their own masks, the wire of each unit (the OR of what asserts and is
 * not quiet) and the source that masks it when it fires. Knows nothing of rounds.
 */
#include "tests/sim/sim.h"

static unsigned int unit_of(const struct sim *sim, unsigned int device)
{
	return sim->config.device_unit[device];
}

static bool is_edge(const struct sim *sim, unsigned int unit)
{
	return sim->config.unit_flags[unit] & ARB_UNIT_EDGE;
}

/* Devices of @unit that pull the wire. */
static uint16_t pulling(const struct sim *sim, unsigned int unit)
{
	uint16_t set = 0;

	for (unsigned int d = 0; d < sim->config.n_devices; d++)
		if (unit_of(sim, d) == unit && sim->device[d].asserts && !sim->device[d].quiet)
			set |= (uint16_t)(1u << d);
	return set;
}

/* What the status bits say, true or not, and those that can be read. */
static uint16_t statuses(struct sim *sim, unsigned int unit, uint16_t *ret_known)
{
	uint16_t set = 0, known = 0;

	for (unsigned int d = 0; d < sim->config.n_devices; d++) {
		bool asserts = sim->device[d].asserts;

		if (unit_of(sim, d) != unit || !(sim->config.device_flags[d] & ARB_DEV_STATUS))
			continue;
		if (sim->device[d].lies && !sim->calm && rng_chance(&sim->rng, 400)) {
			sim_fault(sim, FAULT_STATUS_LIES);
			asserts = !asserts;
		}
		known |= (uint16_t)(1u << d);
		if (asserts)
			set |= (uint16_t)(1u << d);
	}
	*ret_known = known;
	return set;
}

static void tell(struct sim *sim, unsigned int unit)
{
	struct unit *u = &sim->unit[unit];
	uint16_t known;
	struct item item = {.kind = ITEM_FIRED, .unit = (uint8_t)unit, .gen = u->notice};

	item.event = (struct arb_event){
		.kind = ARB_EV_FIRED,
		.unit = (uint8_t)unit,
		.attribution = u->attributes ? statuses(sim, unit, &known) : 0,
		.back_to_back = u->unmasked_at && sim->now - u->unmasked_at <= sim->refire_window,
	};
	u->told = true;
	sim_push(sim, rng_below(&sim->rng, sim->source_delay), &item);
}

static void fire(struct sim *sim, unsigned int unit)
{
	struct unit *u = &sim->unit[unit];

	u->masked = true;
	sim_record(sim, &(struct record){.kind = RECORD_FIRE, .unit = (uint8_t)unit, .up = true});
	if (u->direct != ARB_NO_SUB) {
		struct item item = {.kind = ITEM_HOLDER,
				    .unit = (uint8_t)unit,
				    .sub = u->direct,
				    .gen = sim->client[u->direct].life};

		sim_record(sim, &(struct record){.kind = RECORD_DIRECT,
						 .unit = (uint8_t)unit,
						 .sub = u->direct});
		sim_push(sim, rng_below(&sim->rng, 20 * SIM_US), &item);
		return;
	}
	tell(sim, unit);
	if (sim->config.unit_flags[unit] & ARB_UNIT_NOTIFY)
		client_notified(sim, unit);
}

/* Level: an unmasked unit whose wire is up fires, and is masked by that. */
static void look(struct sim *sim, unsigned int unit)
{
	const struct unit *u = &sim->unit[unit];

	if (!is_edge(sim, unit) && u->up && !u->masked && pulling(sim, unit))
		fire(sim, unit);
}

/* Edge: each assertion is told once; what comes while it cannot be is latched (A12). */
static void edge(struct sim *sim, unsigned int device)
{
	unsigned int unit = unit_of(sim, device);
	const struct unit *u = &sim->unit[unit];

	if (!u->up)
		return;
	sim->device[device].latched = sim->device[device].quiet || u->masked;
	if (!sim->device[device].latched)
		tell(sim, unit);
}

static void unlatch(struct sim *sim, unsigned int unit)
{
	for (unsigned int d = 0; d < sim->config.n_devices; d++)
		if (unit_of(sim, d) == unit && sim->device[d].latched)
			edge(sim, d);
}

void wire_assert(struct sim *sim, unsigned int device, unsigned int fn)
{
	if (sim->device[device].asserts & (1u << fn))
		return;
	sim->device[device].asserts |= (uint8_t)(1u << fn);
	sim_record(sim, &(struct record){.kind = RECORD_WIRE,
					 .device = (uint8_t)device,
					 .fn = (uint8_t)fn,
					 .up = true});
	if (is_edge(sim, unit_of(sim, device)))
		edge(sim, device);
	else
		look(sim, unit_of(sim, device));
}

void wire_serve(struct sim *sim, unsigned int device, unsigned int fn)
{
	const struct device *d = &sim->device[device];
	struct item item = {.kind = ITEM_ASSERT, .device = (uint8_t)device, .fn = (uint8_t)fn};

	if (!(d->asserts & (1u << fn)))
		return;
	sim->device[device].asserts &= (uint8_t) ~(1u << fn);
	sim_record(sim, &(struct record){.kind = RECORD_WIRE,
					 .device = (uint8_t)device,
					 .fn = (uint8_t)fn});
	if (!sim->calm)
		sim_push(sim, rng_range(&sim->rng, d->gap_min[fn], d->gap_max[fn]), &item);
}

void wire_mask(struct sim *sim, unsigned int unit, bool masked)
{
	struct unit *u = &sim->unit[unit];

	u->masked = masked;
	if (masked)
		return;
	u->unmasked_at = sim->now;
	if (is_edge(sim, unit))
		unlatch(sim, unit);
	look(sim, unit);
}

void wire_quiet(struct sim *sim, unsigned int device, bool quiet)
{
	unsigned int unit = unit_of(sim, device);

	sim->device[device].quiet = quiet;
	if (quiet)
		return;
	if (is_edge(sim, unit))
		unlatch(sim, unit);
	look(sim, unit);
}

/* The source is new, or as new: masked, the devices' own masks lost, nothing told any more. */
void wire_reset(struct sim *sim, unsigned int unit, bool up)
{
	struct unit *u = &sim->unit[unit];

	u->up = up;
	u->masked = !is_edge(sim, unit);
	u->direct = ARB_NO_SUB;
	u->gave_up = u->gave_up && !up;
	u->told = false;
	u->life++;
	u->notice++;
	for (unsigned int d = 0; d < sim->config.n_devices; d++)
		if (unit_of(sim, d) == unit)
			sim->device[d].quiet = sim->device[d].latched = false;
}

/* A11: a fire that was on its way to the executor goes to the new holder instead. */
void wire_direct(struct sim *sim, unsigned int unit, uint8_t sub)
{
	struct unit *u = &sim->unit[unit];
	bool told = u->told;

	u->direct = sub;
	u->notice++;
	u->told = false;
	if (sub == ARB_NO_SUB)
		u->masked = u->masked || !is_edge(sim, unit);
	else if (told)
		fire(sim, unit);
}

/* A11: the holder of a direct unit has served and unmasks it by itself. */
void wire_released(struct sim *sim, unsigned int unit)
{
	sim->unit[unit].masked = false;
	sim_record(sim, &(struct record){.kind = RECORD_FIRE, .unit = (uint8_t)unit});
	look(sim, unit);
}

/* The source says so and has masked the unit; no device asserts. */
void wire_spurious(struct sim *sim, unsigned int unit)
{
	struct unit *u = &sim->unit[unit];

	if (!u->up || u->direct != ARB_NO_SUB || (u->masked && !is_edge(sim, unit)))
		return;
	sim_fault(sim, FAULT_SPURIOUS);
	if (is_edge(sim, unit))
		tell(sim, unit);
	else
		fire(sim, unit);
}

void wire_fired(struct sim *sim, const struct item *item)
{
	if (item->gen != sim->unit[item->unit].notice)
		return;
	sim->unit[item->unit].told = false;
	sim_feed(sim, &item->event);
}

void wire_sample(struct sim *sim, const struct arb_action *action)
{
	struct item item = {.kind = ITEM_LEVEL,
			    .unit = action->unit,
			    .gen = sim->unit[action->unit].life,
			    .event = {.kind = ARB_EV_LEVEL,
				      .unit = action->unit,
				      .round = action->round,
				      .token = action->token}};

	sim_push(sim, rng_below(&sim->rng, sim->sample_delay), &item);
}

/* Read when it is answered, as the executor reads a register and steps at once. */
void wire_level(struct sim *sim, const struct item *item)
{
	struct arb_event event = item->event;
	const struct unit *u = &sim->unit[event.unit];

	if (item->gen != u->life)
		return;
	event.level = pulling(sim, event.unit) ? ARB_LEVEL_ASSERTED : ARB_LEVEL_DEASSERTED;
	event.status = statuses(sim, event.unit, &event.status_known);
	if (sim_may(sim, FAULT_LEVEL_UNKNOWN, sim->unknown_level)) {
		sim_fault(sim, FAULT_LEVEL_UNKNOWN);
		event.level = ARB_LEVEL_UNKNOWN;
		event.status = event.status_known = 0;
	}
	sim->stale_level = event;
	sim_feed(sim, &event);
}
