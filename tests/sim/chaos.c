/* SPDX-License-Identifier: MIT */
/*
 * Owns what befalls the line from outside: sources that go and come, clients that come, go and
 * sleep, a changed policy, and events that make no sense and must be refused without trace.
 */
#include "tests/sim/sim.h"

static unsigned int any_client(struct sim *sim)
{
	unsigned int n = 0, pick;

	for (unsigned int sub = 0; sub < ARB_MAX_SUBS; sub++)
		n += sim->client[sub].exists;
	pick = (unsigned int)rng_below(&sim->rng, n);
	for (unsigned int sub = 0; sub < ARB_MAX_SUBS; sub++)
		if (sim->client[sub].exists && !pick--)
			return sub;
	return 0;
}

/* Rare states are where rare things should happen. */
static uint8_t any_unit(struct sim *sim)
{
	static const uint8_t weight[ARB_N_STATES] = {
		[ARB_ABSENT] = 2,    [ARB_UNCLAIMED] = 2, [ARB_IDLE] = 1,   [ARB_ROUND] = 1,
		[ARB_THROTTLED] = 4, [ARB_POLLED] = 12,   [ARB_DIRECT] = 4, [ARB_FAULT] = 6,
	};
	unsigned int sum = 0, pick;

	for (uint8_t u = 0; u < sim->config.n_units; u++)
		sum += weight[arb_unit_state(&sim->arb, u)];
	pick = (unsigned int)rng_below(&sim->rng, sum);
	for (uint8_t u = 0; u < sim->config.n_units; u++) {
		unsigned int w = weight[arb_unit_state(&sim->arb, u)];

		if (pick < w)
			return u;
		pick -= w;
	}
	return 0;
}

/* ---- sources ----------------------------------------------------------------------------------- */

static void unit_goes(struct sim *sim, uint8_t unit)
{
	struct item back = {.kind = ITEM_RETURN, .unit = unit};

	if (!sim->unit[unit].up)
		return;
	sim_fault(sim, FAULT_UNIT_GONE);
	wire_reset(sim, unit, false);
	sim_feed(sim, &(struct arb_event){.kind = ARB_EV_UNIT_GONE, .unit = unit});
	sim_push(sim, rng_magnitude(&sim->rng, 10 * SIM_US, 2 * sim->config.round_deadline), &back);
}

static void line_goes(struct sim *sim)
{
	struct item back = {.kind = ITEM_RETURN, .unit = ARB_MAX_UNITS};
	bool any = false;

	for (uint8_t u = 0; u < sim->config.n_units; u++) {
		any = any || sim->unit[u].up;
		if (sim->unit[u].up)
			wire_reset(sim, u, false);
	}
	if (!any)
		return;
	sim_fault(sim, FAULT_LINE_GONE);
	sim_feed(sim, &(struct arb_event){.kind = ARB_EV_LINE_GONE});
	sim_push(sim, rng_magnitude(&sim->rng, 10 * SIM_US, 2 * sim->config.round_deadline), &back);
}

void chaos_return(struct sim *sim, unsigned int unit)
{
	bool any = false;

	for (uint8_t u = 0; u < sim->config.n_units; u++)
		if ((unit == u || unit == ARB_MAX_UNITS) && !sim->unit[u].up) {
			wire_reset(sim, u, true);
			any = true;
		}
	if (!any)
		return;
	if (unit == ARB_MAX_UNITS)
		sim_feed(sim, &(struct arb_event){.kind = ARB_EV_LINE_UP});
	else
		sim_feed(sim, &(struct arb_event){.kind = ARB_EV_UNIT_UP, .unit = (uint8_t)unit});
}

static void unit_resumes(struct sim *sim, uint8_t unit)
{
	if (!sim->unit[unit].up)
		return;
	sim_fault(sim, FAULT_RESUMED);
	wire_reset(sim, unit, true);
	sim_feed(sim, &(struct arb_event){.kind = ARB_EV_RESUMED, .unit = unit});
}

static void tap(struct sim *sim, uint8_t unit)
{
	bool tapped = !sim->unit[unit].tapped;

	sim_fault(sim, FAULT_TAP);
	if (sim_feed(sim, &(struct arb_event){.kind = ARB_EV_TAP, .unit = unit, .tapped = tapped}))
		return;
	sim->unit[unit].tapped = tapped;
}

static void change_policy(struct sim *sim)
{
	struct arb_event event = {
		.kind = ARB_EV_POLICY,
		.policy = (uint8_t)rng_below(&sim->rng, ARB_N_POLICIES),
		.deadline = rng_below(&sim->rng, 2) *
			    rng_range(&sim->rng, SIM_US, sim->config.round_deadline),
	};

	sim_fault(sim, FAULT_POLICY);
	if (rng_chance(&sim->rng, 500)) {
		event.kind = ARB_EV_SUB_POLICY;
		event.policy = 0;
		event.sub = (uint8_t)any_client(sim);
		event.priority = (uint8_t)rng_below(&sim->rng, 4);
	}
	sim_feed(sim, &event);
}

/* ---- nonsense ---------------------------------------------------------------------------------- */

/* Well-formed, and wrong by its time, its token or its sender. */
static struct arb_event misplaced(struct sim *sim)
{
	uint8_t unit = any_unit(sim);
	uint8_t sub = (uint8_t)any_client(sim);
	const struct client *c = &sim->client[sub];
	struct arb_event event = {.kind = (uint8_t)rng_below(&sim->rng, ARB_N_EVENTS)};

	switch ((enum arb_event_kind)event.kind) {
	case ARB_EV_LINE_UP:
	case ARB_EV_LINE_GONE:
	case ARB_EV_POLICY: event.policy = ARB_N_POLICIES; break;
	case ARB_EV_UNIT_UP:
	case ARB_EV_UNIT_GONE:
	case ARB_EV_RESUMED:
		event.unit = unit;
		if (sim->unit[unit].up ? event.kind != ARB_EV_UNIT_UP
				       : event.kind == ARB_EV_UNIT_UP)
			event.token = 1;
		break;
	case ARB_EV_JOIN:
		event.sub = sub;
		event.device = c->device;
		if (!c->joined)
			event.device = ARB_MAX_DEVICES;
		break;
	case ARB_EV_LEAVE:
	case ARB_EV_DIED:
	case ARB_EV_PARK:
	case ARB_EV_UNPARK:
	case ARB_EV_SUB_POLICY:
		event.sub = sub;
		if (c->joined && (event.kind == ARB_EV_PARK ? !c->parked : true) &&
		    (event.kind == ARB_EV_UNPARK ? c->parked : true))
			event.round = 1;
		break;
	case ARB_EV_FIRED:
		event.unit = unit;
		if (sim->unit[unit].up)
			event.attribution = (uint16_t)~0u;
		break;
	case ARB_EV_VERDICT:
		event.unit = unit;
		event.sub = sub;
		event.round = arb_unit_round(&sim->arb, unit) + 2;
		event.verdict = ARB_HANDLED;
		break;
	case ARB_EV_TIMER:
		event = sim->stale_timer;
		event.kind = ARB_EV_TIMER;
		if (rng_chance(&sim->rng, 800)) {
			event.timer = (uint8_t)rng_below(&sim->rng, ARB_N_TIMERS);
			event.token |= UINT32_C(1) << 30; /* not one of another kind */
			event.unit = unit;
			event.sub = event.timer == ARB_TIMER_ASK ? sub : 0;
			if (event.timer == ARB_TIMER_STRIKE || event.timer == ARB_TIMER_PROBE) {
				event.unit = 0;
				event.sub = sub;
			}
		}
		/* The token of these is the round, which is no secret. */
		if (event.timer == ARB_TIMER_ASK || event.timer == ARB_TIMER_HEDGE)
			event.token = arb_unit_round(&sim->arb, event.unit) + 3;
		break;
	case ARB_EV_LEVEL:
		event = sim->stale_level;
		event.kind = ARB_EV_LEVEL;
		event.unit = unit;
		break;
	case ARB_EV_OP_FAILED:
	case ARB_EV_OP_DONE:
		event.unit = unit;
		event.op = rng_chance(&sim->rng, 500) ? ARB_ACT_PROMOTE : ARB_ACT_DEMOTE;
		event.token = (uint32_t)rng_next(&sim->rng);
		break;
	case ARB_EV_TAP:
		event.unit = unit;
		event.tapped = true;
		event.sub = 1;
		break;
	case ARB_N_EVENTS: break;
	}
	return event;
}

static void nonsense(struct sim *sim)
{
	struct arb_event event = misplaced(sim);
	uint8_t *bytes = (uint8_t *)&event;

	sim_fault(sim, FAULT_NONSENSE);
	if (rng_chance(&sim->rng, 30))
		bytes[0] = (uint8_t)rng_range(&sim->rng, ARB_N_EVENTS, 255);
	if (sim_feed(sim, &event) == 0 && !sim->ended) {
		sim->checker.broken = PROMISE_CONDUCT;
		snprintf(sim->checker.why, sizeof(sim->checker.why),
			 "accepted what makes no sense");
		sim->ended = true;
	}
}

/* ---- one blow ---------------------------------------------------------------------------------- */

void chaos_happens(struct sim *sim)
{
	static const struct {
		enum fault fault;
		uint16_t weight;
	} blows[] = {
		{FAULT_NONSENSE, 120}, {FAULT_LEAVE, 6},     {FAULT_DEATH, 6},   {FAULT_PARK, 8},
		{FAULT_UNIT_GONE, 5},  {FAULT_LINE_GONE, 2}, {FAULT_RESUMED, 5}, {FAULT_POLICY, 5},
		{FAULT_TAP, 8},        {FAULT_SPURIOUS, 5},
	};
	enum { N = sizeof(blows) / sizeof(blows[0]) };
	uint64_t sum = 0, pick;
	unsigned int i;

	for (i = 0; i < N; i++)
		if (sim->wanted & (UINT32_C(1) << blows[i].fault))
			sum += blows[i].weight;
	pick = rng_below(&sim->rng, sum);
	for (i = 0; i < N; i++) {
		if (!(sim->wanted & (UINT32_C(1) << blows[i].fault)))
			continue;
		if (pick < blows[i].weight)
			break;
		pick -= blows[i].weight;
	}
	if (i == N)
		return;
	switch ((unsigned int)blows[i].fault) {
	case FAULT_NONSENSE: nonsense(sim); break;
	case FAULT_LEAVE: client_end(sim, any_client(sim), ARB_EV_LEAVE); break;
	case FAULT_DEATH: client_end(sim, any_client(sim), ARB_EV_DIED); break;
	case FAULT_PARK: {
		unsigned int sub = any_client(sim);

		client_park(sim, sub, !sim->client[sub].parked);
		break;
	}
	case FAULT_UNIT_GONE: unit_goes(sim, any_unit(sim)); break;
	case FAULT_LINE_GONE: line_goes(sim); break;
	case FAULT_RESUMED: unit_resumes(sim, any_unit(sim)); break;
	case FAULT_POLICY: change_policy(sim); break;
	case FAULT_TAP: tap(sim, any_unit(sim)); break;
	case FAULT_SPURIOUS: wire_spurious(sim, any_unit(sim)); break;
	default: break;
	}
}
