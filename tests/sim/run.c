/* SPDX-License-Identifier: MIT */
/* Owns one history from its seed to its rest. */
#include <string.h>

#include "tests/sim/sim.h"

/* Things that may happen in one history, events or not: a storm the core does not see ends here. */
#define ITEMS_MAX 400000

static void begin(struct sim *sim, uint64_t seed)
{
	struct sim keep = {
		.queue = sim->queue,
		.mutant = {.kind = sim->mutant.kind},
		.tally = sim->tally,
		.trace = sim->trace,
	};
	struct item chaos = {.kind = ITEM_CHAOS};

	memset(sim, 0, sizeof(*sim));
	sim->queue = keep.queue;
	sim->mutant = keep.mutant;
	sim->tally = keep.tally;
	sim->trace = keep.trace;
	sim->seed = seed;
	/* Mixed once: neighbouring states of this generator give the same stream, shifted. */
	sim->rng.state = seed;
	sim->rng.state = rng_next(&sim->rng);
	queue_clear(&sim->queue);
	for (unsigned int u = 0; u < ARB_MAX_UNITS; u++)
		sim->unit[u].direct = ARB_NO_SUB;
	sim_plan(sim);
	checker_init(&sim->checker, &sim->line);
	arb_init(&sim->arb, &sim->config);
	chaos_return(sim, ARB_MAX_UNITS);
	for (unsigned int sub = 0; sub < ARB_MAX_SUBS; sub++) {
		struct item join = {.kind = ITEM_REJOIN, .sub = (uint8_t)sub};

		if (sim->client[sub].exists)
			sim_push(sim, rng_below(&sim->rng, sim->config.round_deadline / 4), &join);
	}
	sim_push(sim, sim->chaos_gap, &chaos);
}

static void happens(struct sim *sim, struct item *item)
{
	switch ((enum item_kind)item->kind) {
	case ITEM_TIMER: sim_timer(sim, item); break;
	case ITEM_EVENT: sim_feed(sim, &item->event); break;
	case ITEM_VERDICT: client_says(sim, item); break;
	case ITEM_FIRED: wire_fired(sim, item); break;
	case ITEM_LEVEL: wire_level(sim, item); break;
	case ITEM_SERVE: client_serves(sim, item); break;
	case ITEM_NOTIFIED: client_woken(sim, item); break;
	case ITEM_HOLDER: client_holds(sim, item); break;
	case ITEM_ASSERT:
		if (sim->calm)
			break;
		wire_assert(sim, item->device, item->fn);
		if (sim->line.owner[item->device][item->fn] == ARB_NO_SUB) {
			sim_fault(sim, FAULT_ORPHAN);
			item->kind = ITEM_CLEAR;
			sim_push(sim, 2 * sim->config.round_deadline, item);
		}
		break;
	case ITEM_CLEAR: wire_serve(sim, item->device, item->fn); break;
	case ITEM_CHAOS:
		if (sim->calm)
			break;
		chaos_happens(sim);
		sim_push(sim, sim->chaos_gap, item);
		break;
	case ITEM_RETURN: chaos_return(sim, item->unit); break;
	case ITEM_REJOIN: client_join(sim, item->sub); break;
	case ITEM_UNPARK: client_park(sim, item->sub, false); break;
	case ITEM_END:
		if (sim->calm || sim->client[item->sub].life != item->gen)
			break;
		if (item->event.kind == ARB_EV_PARK)
			client_park(sim, item->sub, true);
		else
			client_end(sim, item->sub, (enum arb_event_kind)item->event.kind);
		break;
	}
}

/* Until @events have gone to the core, nothing is left, or it is @until. False: too much went on. */
static bool go_on(struct sim *sim, uint32_t events, uint64_t until)
{
	struct item item;

	for (unsigned int n = 0; n < ITEMS_MAX; n++) {
		uint32_t before = sim->events;

		if (sim->ended)
			return true;
		if (sim->events >= events)
			return false;
		if (!queue_pop(&sim->queue, &item) || item.time > until)
			return true;
		if (item.time > sim->now && !checker_time(&sim->checker, item.time))
			sim->ended = true;
		sim->now = item.time;
		happens(sim, &item);
		if (sim->events != before && !sim->calm && rng_chance(&sim->rng, sim->chaos))
			chaos_happens(sim);
	}
	return false;
}

/* The faults end, and everybody who may come back does. */
static void calm_down(struct sim *sim)
{
	sim_record(sim, &(struct record){.kind = RECORD_DRAIN});
	sim->calm = true;
	chaos_return(sim, ARB_MAX_UNITS);
	for (unsigned int u = 0; u < sim->config.n_units; u++) {
		if (sim->unit[u].tapped)
			sim_feed(sim, &(struct arb_event){.kind = ARB_EV_TAP, .unit = (uint8_t)u});
		if (sim->unit[u].gave_up) {
			wire_reset(sim, u, true);
			sim_feed(sim,
				 &(struct arb_event){.kind = ARB_EV_RESUMED, .unit = (uint8_t)u});
		}
	}
	for (unsigned int sub = 0; sub < ARB_MAX_SUBS; sub++) {
		if (!sim->client[sub].exists)
			continue;
		if (!sim->client[sub].joined && rng_chance(&sim->rng, 800))
			client_join(sim, sub);
		if (sim->client[sub].parked && rng_chance(&sim->rng, 900))
			client_park(sim, sub, false);
	}
	sim_plan_calm(sim);
}

/* Long enough for every debtor's probe, every throttle and every retry to have come round. */
static uint64_t rest(const struct sim *sim)
{
	return sim->now + 4 * sim->config.probe_max + 2 * sim->checker.wait +
	       (sim->config.fault_min << (sim->config.fault_tries + 2));
}

/* Long after everything came to rest, a broker must be asleep. */
static bool asleep(struct sim *sim)
{
	for (unsigned int timer = 0; timer < ARB_N_TIMERS; timer++)
		for (unsigned int u = 0; u <= ARB_MAX_UNITS; u++)
			for (unsigned int sub = 0; sub <= ARB_MAX_SUBS; sub++) {
				if (!sim->slot[timer][u][sub].armed)
					continue;
				sim->checker.broken = PROMISE_CONDUCT;
				snprintf(sim->checker.why, sizeof(sim->checker.why),
					 "at rest, and timer %u of unit %u, sub %u is armed", timer,
					 u, sub);
				return false;
			}
	return true;
}

bool sim_run(struct sim *sim, uint64_t seed)
{
	struct tally *tally = sim->tally;

	begin(sim, seed);
	go_on(sim, SIM_EVENTS, UINT64_MAX);
	if (!sim->ended) {
		uint64_t until;

		calm_down(sim);
		until = rest(sim);
		if (!go_on(sim, sim->events + SIM_DRAIN_EVENTS, until))
			tally->unrested++;
		else if (!sim->ended && !(checker_time(&sim->checker, until) &&
					  checker_rest(&sim->checker) && asleep(sim)))
			sim->ended = true;
	}
	tally->seeds++;
	for (unsigned int fault = 0; fault < FAULT_N; fault++)
		tally->fault_seeds[fault] += (sim->faults >> fault) & 1;
	return !sim->ended;
}
