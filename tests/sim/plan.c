/* SPDX-License-Identifier: MIT */
/*
 * Owns the choice: what line this is, who is on it and what may go wrong, all from the seed. Must
 * not run anything.
 */
#include <assert.h>
#include <string.h>

#include "tests/sim/sim.h"

static uint64_t part(struct rng *rng, uint64_t of, uint64_t least_parts, uint64_t most_parts)
{
	uint64_t value = of / rng_range(rng, least_parts, most_parts);

	return value ? value : 1;
}

/* Durations keep their proportions roughly, and are all over the place otherwise. */
static void plan_durations(struct sim *sim)
{
	struct arb_config *config = &sim->config;
	struct rng *rng = &sim->rng;
	uint64_t round = rng_magnitude(rng, 500 * SIM_US, 100 * SIM_MS);

	if (rng_chance(rng, 100)) /* the documented ones */
		return;
	config->round_deadline = round;
	config->ask_deadline = rng_chance(rng, 500) ? round : part(rng, round, 1, 8);
	config->hedge = part(rng, round, 4, 500);
	config->unhandled_window = rng_range(rng, round / 2, 4 * round);
	config->throttle_min = part(rng, round, 10, 100);
	config->throttle_max = rng_range(rng, config->throttle_min, 4 * round);
	config->poll = part(rng, round, 4, 50);
	config->strike_gap = rng_range(rng, round / 4, 2 * round);
	config->probe_min = rng_range(rng, round / 4, 2 * round);
	config->probe_max = rng_range(rng, config->probe_min, 8 * round);
	config->storm_window = rng_range(rng, round / 2, 2 * round);
	config->storm_pause = part(rng, round, 2, 20);
	config->fault_min = part(rng, round, 4, 50);
	config->unhandled_max = (uint32_t)rng_range(rng, 2, 10);
	config->strikes_max = (uint32_t)rng_range(rng, 1, 4);
	config->lies_max = (uint32_t)rng_range(rng, 2, 16);
	config->fair_rounds = (uint32_t)rng_range(rng, 1, 8);
	config->fault_tries = (uint32_t)rng_range(rng, 1, 8);
	config->guest_budget = (uint32_t)rng_range(rng, 2, 50);
	if (rng_chance(rng, 250))
		config->storm_burst = (uint32_t)rng_range(rng, 10, 60);
}

static void plan_topology(struct sim *sim)
{
	struct arb_config *config = &sim->config;
	struct rng *rng = &sim->rng;
	unsigned int shape = (unsigned int)rng_below(rng, 100);
	unsigned int units, per_unit;
	bool direct = sim->direct = rng_chance(rng, 300);

	if (shape < 15)
		units = 1, per_unit = 1;
	else if (shape < 45)
		units = 1, per_unit = 4; /* one wire that cannot be masked by device */
	else if (shape < 75)
		units = (unsigned int)rng_range(rng, 2, 4), per_unit = 1;
	else if (shape < 97)
		units = (unsigned int)rng_range(rng, 2, 4), per_unit = 3;
	else
		units = ARB_MAX_UNITS, per_unit = 1;
	config->n_units = (uint8_t)units;
	config->n_devices = 0;
	for (unsigned int u = 0; u < units; u++) {
		unsigned int n = (unsigned int)rng_range(rng, 1, per_unit);
		uint8_t flags = 0;

		if (per_unit == 4 && n == 1)
			n = 2;
		flags |= rng_chance(rng, 80) ? ARB_UNIT_EDGE : 0;
		flags |= rng_chance(rng, 600) ? ARB_UNIT_SAMPLE : 0;
		flags |= rng_chance(rng, direct ? 800 : 0) ? ARB_UNIT_DIRECT : 0;
		flags |= !(flags & ARB_UNIT_EDGE) && rng_chance(rng, 200) ? ARB_UNIT_NOTIFY : 0;
		config->unit_flags[u] = flags;
		sim->unit[u].attributes = rng_chance(rng, 500);
		for (unsigned int i = 0; i < n; i++) {
			unsigned int d = config->n_devices++;

			config->device_unit[d] = (uint8_t)u;
			config->device_flags[d] =
				(uint8_t)((rng_chance(rng, per_unit == 1 ? 850 : 350) ? ARB_DEV_MASK
										      : 0) |
					  (rng_chance(rng, 650) ? ARB_DEV_STATUS : 0));
		}
	}
	config->policy = (uint8_t)rng_below(rng, ARB_N_POLICIES);
}

/* ---- clients ----------------------------------------------------------------------------------- */

static void plan_temper(struct sim *sim, struct client *c)
{
	struct rng *rng = &sim->rng;
	uint64_t round = sim->config.round_deadline;

	c->latency_min = rng_magnitude(rng, SIM_US, round / 50 + SIM_US);
	c->latency_max = c->latency_min + rng_magnitude(rng, SIM_US, round / 20 + SIM_US);
	switch (rng_below(rng, 12)) {
	case 0: /* slow */
		c->latency_max = c->latency_min + rng_magnitude(rng, round / 20 + 1, 2 * round);
		break;
	case 1: /* mute */
		c->mute = (uint16_t)rng_range(rng, 100, 1000);
		c->late = (uint16_t)rng_below(rng, 1000);
		break;
	case 2: /* a debtor that answers late */
		c->mute = (uint16_t)rng_range(rng, 100, 600);
		c->late = 1000;
		break;
	case 3:
		c->lie_handled =
			(uint16_t)(rng_chance(rng, 400) ? 1000 : rng_range(rng, 100, 1000));
		break;
	case 4:
		c->lie_not_mine =
			(uint16_t)(rng_chance(rng, 400) ? 1000 : rng_range(rng, 100, 1000));
		c->idle = rng_chance(rng, 600);
		break;
	case 5: c->die = (uint16_t)rng_range(rng, 5, 60); break;
	case 6: c->leave = (uint16_t)rng_range(rng, 5, 60); break;
	case 7: c->park = (uint16_t)rng_range(rng, 5, 60); break;
	case 8:
		c->again = (uint16_t)rng_range(rng, 100, 1000);
		c->forge = (uint16_t)rng_range(rng, 50, 500);
		break;
	default: break;
	}
}

static void plan_clients(struct sim *sim)
{
	struct rng *rng = &sim->rng;
	unsigned int n = rng_chance(rng, 20) ? (unsigned int)rng_range(rng, 20, ARB_MAX_SUBS)
					     : (unsigned int)rng_range(rng, 1, 7);

	if (n < sim->config.n_devices && rng_chance(rng, 700))
		n = sim->config.n_devices;
	for (unsigned int i = 0; i < n; i++) {
		struct client *c;

		do
			c = &sim->client[rng_below(rng, ARB_MAX_SUBS)];
		while (c->exists);
		c->exists = true;
		c->device = rng_chance(rng, 850)
				    ? (uint8_t)(i < sim->config.n_devices
							? i
							: rng_below(rng, sim->config.n_devices))
				    : ARB_NO_DEVICE;
		c->priority = (uint8_t)rng_below(rng, 3);
		c->deadline =
			rng_chance(rng, 300) ? part(rng, sim->config.round_deadline, 1, 20) : 0;
		c->guest = rng_chance(rng, 200);
		c->flags |= c->guest ? ARB_SUB_RESAMPLE : 0;
		c->flags |= rng_chance(rng, sim->direct ? 800 : 100) ? ARB_SUB_DIRECT : 0;
		c->flags |= rng_chance(rng, 300) ? ARB_SUB_NOTIFY : 0;
		plan_temper(sim, c);
	}
}

/* Who may serve functions of @device: somebody bound to it or to none; ARB_NO_SUB if nobody. */
static uint8_t any_owner(struct sim *sim, unsigned int device)
{
	uint8_t owner = ARB_NO_SUB;
	unsigned int n = 0;

	for (unsigned int sub = 0; sub < ARB_MAX_SUBS; sub++) {
		const struct client *c = &sim->client[sub];

		if (c->exists && (c->device == device || c->device == ARB_NO_DEVICE) &&
		    rng_below(&sim->rng, ++n) == 0)
			owner = (uint8_t)sub;
	}
	return owner;
}

static void plan_devices(struct sim *sim)
{
	struct rng *rng = &sim->rng;
	uint64_t round = sim->config.round_deadline;
	bool storm = rng_chance(rng, 150);

	memset(sim->line.owner, ARB_NO_SUB, sizeof(sim->line.owner));
	for (unsigned int d = 0; d < sim->config.n_devices; d++) {
		struct device *device = &sim->device[d];

		device->n_functions = (uint8_t)rng_range(rng, 1, rng_chance(rng, 300) ? 3 : 1);
		device->lies =
			(sim->config.device_flags[d] & ARB_DEV_STATUS) && rng_chance(rng, 120);
		if (device->lies)
			sim->line.liars |= (uint16_t)(1u << d);
		for (unsigned int f = 0; f < device->n_functions; f++) {
			struct item first = {.kind = ITEM_ASSERT,
					     .device = (uint8_t)d,
					     .fn = (uint8_t)f};
			uint64_t *gap = &device->gap_max[f];

			sim->line.owner[d][f] = any_owner(sim, d);
			*gap = storm ? SIM_US : rng_magnitude(rng, 20 * SIM_US, round);
			device->gap_min[f] = rng_below(rng, *gap + 1);
			if (sim->line.owner[d][f] == ARB_NO_SUB)
				*gap = device->gap_min[f] = 4 * round;
			sim_push(sim, rng_below(rng, *gap + 1), &first);
		}
	}
}

/* ---- faults ------------------------------------------------------------------------------------ */

static void plan_faults(struct sim *sim)
{
	struct rng *rng = &sim->rng;
	unsigned int share = (unsigned int)rng_below(rng, 900); /* from calm to wild */

	for (unsigned int fault = 0; fault < FAULT_N; fault++)
		if (rng_chance(rng, share))
			sim->wanted |= UINT32_C(1) << fault;
	/* What a client does is decided by its temper. */
	sim->wanted |= 1u << FAULT_MUTE | 1u << FAULT_LIE_HANDLED | 1u << FAULT_LIE_NOT_MINE |
		       1u << FAULT_DOUBLE | 1u << FAULT_FORGED | 1u << FAULT_NONSENSE;
	static const struct {
		enum fault fault;
		enum arb_action_kind op;
		uint16_t least; /* per mille: what is done rarely must fail more often */
	} ops[] = {
		{FAULT_MASK, ARB_ACT_MASK, 150},
		{FAULT_UNMASK, ARB_ACT_UNMASK, 5},
		{FAULT_QUIET, ARB_ACT_QUIET_DEVICE, 20},
		{FAULT_UNQUIET, ARB_ACT_UNQUIET_DEVICE, 20},
		{FAULT_SAMPLE, ARB_ACT_SAMPLE_LEVEL, 20},
		{FAULT_PROMOTE, ARB_ACT_PROMOTE, 100},
		{FAULT_DEMOTE, ARB_ACT_DEMOTE, 100},
	};
	for (unsigned int i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (sim->wanted & (UINT32_C(1) << ops[i].fault))
			sim->fail[ops[i].op] =
				(uint16_t)rng_range(rng, ops[i].least, 5 * ops[i].least);
	sim->fail_burst = (uint8_t)rng_range(rng, 1, sim->config.fault_tries + 4);
	sim->unknown_level = (uint16_t)rng_range(rng, 10, 300);
	sim->chaos = (uint16_t)rng_range(rng, 100, 500);
	sim->chaos_gap =
		rng_range(rng, sim->config.round_deadline / 4, 4 * sim->config.round_deadline);
	sim->source_delay = rng_range(rng, 1, 10 * SIM_US);
	sim->sample_delay = rng_range(rng, 1, 10 * SIM_US);
	if (sim->wanted & (UINT32_C(1) << FAULT_LATE_TIMER))
		sim->late_timer = rng_range(rng, 1, 100 * SIM_US);
	sim->refire_window = rng_range(rng, 1, 20 * SIM_US);
}

void sim_plan(struct sim *sim)
{
	unsigned int clients = 0;

	arb_config_default(&sim->config);
	plan_durations(sim);
	plan_topology(sim);
	assert(arb_config_check(&sim->config) == 0);
	plan_clients(sim);
	plan_devices(sim);
	plan_faults(sim);
	sim->line.config = sim->config;
	/* A round: FIRED, a sample before all and after each answer, and each deadline may be late. */
	for (unsigned int sub = 0; sub < ARB_MAX_SUBS; sub++)
		clients += sim->client[sub].exists;
	sim->line.slack = sim->source_delay + (clients + 2) * (sim->sample_delay + sim->late_timer);
}

void sim_plan_calm(struct sim *sim)
{
	sim->calm = true;
	for (unsigned int d = 0; d < sim->config.n_devices; d++)
		for (unsigned int f = 0; f < SIM_FUNCTIONS; f++) {
			uint8_t owner = sim->line.owner[d][f];

			/* Whoever does not come back has had its device reset. */
			if (owner == ARB_NO_SUB || !sim->client[owner].joined ||
			    sim->client[owner].parked)
				wire_serve(sim, d, f);
		}
}
