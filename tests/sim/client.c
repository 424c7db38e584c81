/* SPDX-License-Identifier: MIT */
/*
 * Owns the clients: what each makes of an ask, well or badly. A client touches the devices and says
 * verdicts; it never sees the core.
 */
#include "tests/sim/sim.h"

bool client_takes(const struct sim *sim, unsigned int sub, unsigned int unit)
{
	uint8_t device = sim->client[sub].device;

	return device == ARB_NO_DEVICE || sim->config.device_unit[device] == unit;
}

void client_join(struct sim *sim, unsigned int sub)
{
	struct client *c = &sim->client[sub];
	struct arb_event event = {
		.kind = ARB_EV_JOIN,
		.sub = (uint8_t)sub,
		.device = c->device,
		.priority = c->priority,
		.flags = c->flags,
		.deadline = c->deadline,
	};

	if (c->joined || sim_feed(sim, &event))
		return;
	c->joined = true;
	c->parked = false;
}

static bool owes(const struct sim *sim, unsigned int sub)
{
	for (unsigned int u = 0; u < sim->config.n_units; u++)
		if (sim->client[sub].asked[u] && !(sim->client[sub].retracted & (1u << u)))
			return true;
	return false;
}

static void forget(struct client *c)
{
	c->life++;
	c->retracted = 0;
	c->woken = 0;
	for (unsigned int u = 0; u < ARB_MAX_UNITS; u++)
		c->asked[u] = 0;
}

void client_end(struct sim *sim, unsigned int sub, enum arb_event_kind how)
{
	struct client *c = &sim->client[sub];
	bool owed = owes(sim, sub);
	struct item back = {.kind = ITEM_REJOIN, .sub = (uint8_t)sub};

	if (!c->joined ||
	    sim_feed(sim, &(struct arb_event){.kind = (uint8_t)how, .sub = (uint8_t)sub}))
		return;
	sim_fault(sim, how == ARB_EV_DIED ? FAULT_DEATH : FAULT_LEAVE);
	if (owed)
		sim_fault(sim, how == ARB_EV_DIED ? FAULT_DEATH_OWING : FAULT_LEAVE_OWING);
	c->joined = false;
	c->parked = false;
	forget(c);
	sim_push(sim, rng_magnitude(&sim->rng, 10 * SIM_US, 4 * sim->config.round_deadline), &back);
}

void client_park(struct sim *sim, unsigned int sub, bool park)
{
	struct client *c = &sim->client[sub];
	struct item back = {.kind = ITEM_UNPARK, .sub = (uint8_t)sub};

	if (!c->joined || c->parked == park ||
	    sim_feed(sim, &(struct arb_event){.kind = park ? ARB_EV_PARK : ARB_EV_UNPARK,
					      .sub = (uint8_t)sub}))
		return;
	c->parked = park;
	if (!park)
		return;
	sim_fault(sim, FAULT_PARK);
	/* What it was about to say may still come, and must then change nothing. */
	if (rng_chance(&sim->rng, 500))
		forget(c);
	sim_push(sim, rng_magnitude(&sim->rng, 10 * SIM_US, 4 * sim->config.round_deadline), &back);
}

static uint64_t latency(struct sim *sim, const struct client *c)
{
	if (sim->calm)
		return rng_below(&sim->rng, 20 * SIM_US);
	return rng_range(&sim->rng, c->latency_min, c->latency_max);
}

static void ends_soon(struct sim *sim, unsigned int sub, enum arb_event_kind how)
{
	struct item item = {.kind = ITEM_END, .sub = (uint8_t)sub, .gen = sim->client[sub].life};

	item.event.kind = (uint8_t)how;
	sim_push(sim, rng_below(&sim->rng, 50 * SIM_US), &item);
}

void client_asked(struct sim *sim, const struct arb_action *action)
{
	struct client *c = &sim->client[action->sub];
	struct item item = {.kind = ITEM_SERVE,
			    .unit = action->unit,
			    .sub = action->sub,
			    .round = action->round,
			    .gen = c->life};
	uint64_t delay = latency(sim, c);

	c->asked[action->unit] = action->flags & ARB_ASK_EDGE ? 0 : action->round;
	c->retracted &= ~(UINT64_C(1) << action->unit);
	if ((action->flags & ARB_ASK_NOTIFIED) && (c->woken & (1u << action->unit)))
		return;
	if (sim_may(sim, FAULT_DEATH, c->die))
		ends_soon(sim, action->sub, ARB_EV_DIED);
	else if (sim_may(sim, FAULT_LEAVE, c->leave))
		ends_soon(sim, action->sub, ARB_EV_LEAVE);
	else if (sim_may(sim, FAULT_PARK, c->park))
		ends_soon(sim, action->sub, ARB_EV_PARK);
	if (sim_may(sim, FAULT_MUTE, c->mute)) {
		sim_fault(sim, FAULT_MUTE);
		if (!rng_chance(&sim->rng, c->late))
			return;
		sim_fault(sim, FAULT_LATE_VERDICT);
		delay += rng_range(&sim->rng, sim->config.round_deadline / 2,
				   4 * sim->config.round_deadline);
	}
	sim_push(sim, delay, &item);
}

void client_retracted(struct sim *sim, const struct arb_action *action)
{
	sim->client[action->sub].retracted |= UINT64_C(1) << action->unit;
}

void client_notified(struct sim *sim, unsigned int unit)
{
	for (unsigned int sub = 0; sub < ARB_MAX_SUBS; sub++) {
		struct client *c = &sim->client[sub];
		struct item item = {.kind = ITEM_NOTIFIED,
				    .unit = (uint8_t)unit,
				    .sub = (uint8_t)sub,
				    .gen = c->life};

		if (!c->joined || c->parked || !(c->flags & ARB_SUB_NOTIFY) ||
		    !client_takes(sim, sub, unit) || sim_may(sim, FAULT_MUTE, c->mute))
			continue;
		c->woken |= (uint16_t)(1u << unit);
		sim_push(sim, latency(sim, c), &item);
	}
}

/* Serves what is this client's in @unit; returns how many functions it found asserting. */
static unsigned int serve(struct sim *sim, unsigned int sub, unsigned int unit)
{
	unsigned int found = 0;

	for (unsigned int d = 0; d < sim->config.n_devices; d++)
		for (unsigned int f = 0; f < SIM_FUNCTIONS; f++)
			if (sim->config.device_unit[d] == unit && sim->line.owner[d][f] == sub &&
			    (sim->device[d].asserts & (1u << f))) {
				wire_serve(sim, d, f);
				found++;
			}
	return found;
}

static void say(struct sim *sim, const struct arb_event *event)
{
	struct item item = {.kind = ITEM_VERDICT,
			    .sub = event->sub,
			    .gen = sim->client[event->sub].life,
			    .event = *event};

	sim_push(sim, rng_below(&sim->rng, 5 * SIM_US), &item);
}

static void say_nonsense(struct sim *sim, const struct arb_event *truth)
{
	struct arb_event event = *truth;

	switch (rng_below(&sim->rng, 5)) {
	case 0: event.round -= 1; break;
	case 1: event.round += (uint32_t)rng_range(&sim->rng, 1, 3); break;
	case 2: event.round = (uint32_t)rng_next(&sim->rng); break;
	case 3: event.unit = (uint8_t)rng_below(&sim->rng, ARB_MAX_UNITS + 1); break;
	case 4: event.verdict = (uint8_t)rng_next(&sim->rng); break;
	}
	sim_fault(sim, FAULT_FORGED);
	say(sim, &event);
}

static void answers(struct sim *sim, unsigned int sub, unsigned int unit, uint32_t round)
{
	struct client *c = &sim->client[sub];
	bool handled = sim_may(sim, FAULT_LIE_HANDLED, c->lie_handled);
	bool not_mine = !handled && sim_may(sim, FAULT_LIE_NOT_MINE, c->lie_not_mine);
	bool idle = handled || (not_mine && c->idle);
	unsigned int found = idle ? 0 : serve(sim, sub, unit);
	struct arb_event event = {
		.kind = ARB_EV_VERDICT,
		.sub = (uint8_t)sub,
		.unit = (uint8_t)unit,
		.round = round,
		.verdict = found ? ARB_HANDLED : ARB_NOT_MINE,
	};

	if (c->guest)
		event.verdict = ARB_EOI;
	if (handled) {
		event.verdict = ARB_HANDLED;
		sim_fault(sim, FAULT_LIE_HANDLED);
	} else if (not_mine) {
		event.verdict = ARB_NOT_MINE;
		sim_fault(sim, FAULT_LIE_NOT_MINE);
	}
	say(sim, &event);
	if (sim_may(sim, FAULT_DOUBLE, c->again)) {
		sim_fault(sim, FAULT_DOUBLE);
		say(sim, &event);
	}
	if (sim_may(sim, FAULT_FORGED, c->forge))
		say_nonsense(sim, &event);
}

void client_serves(struct sim *sim, const struct item *item)
{
	struct client *c = &sim->client[item->sub];
	bool edge = sim->config.unit_flags[item->unit] & ARB_UNIT_EDGE;

	if (!c->joined || c->life != item->gen)
		return;
	if (edge) {
		serve(sim, item->sub, item->unit);
		return;
	}
	if (c->asked[item->unit] == item->round)
		c->asked[item->unit] = 0;
	if (c->retracted & (1u << item->unit)) {
		if (rng_chance(&sim->rng, 500))
			return;
		sim_fault(sim, FAULT_STALE);
	}
	answers(sim, item->sub, item->unit, item->round);
}

static uint32_t next_round(uint32_t round)
{
	round = (round + 1) & (UINT32_MAX >> (32 - ARB_ROUND_BITS));
	return round ? round : 1;
}

/* A11: it serves first, and can only guess which round that was. */
void client_woken(struct sim *sim, const struct item *item)
{
	struct client *c = &sim->client[item->sub];
	uint32_t round = c->asked[item->unit];

	if (!c->joined || c->life != item->gen)
		return;
	c->woken &= (uint16_t) ~(1u << item->unit);
	c->asked[item->unit] = 0;
	answers(sim, item->sub, item->unit,
		round ? round : next_round(arb_unit_round(&sim->arb, item->unit)));
}

void client_holds(struct sim *sim, const struct item *item)
{
	struct client *c = &sim->client[item->sub];
	struct item again = *item;

	if (!c->joined || c->life != item->gen)
		return;
	/* Nothing of its own: it looks again later rather than storm. */
	if (!serve(sim, item->sub, item->unit) && rng_chance(&sim->rng, 900)) {
		if (sim->unit[item->unit].direct == item->sub)
			sim_push(sim, rng_range(&sim->rng, 1, sim->config.round_deadline / 8),
				 &again);
		return;
	}
	if (sim->unit[item->unit].direct == item->sub && sim->unit[item->unit].up)
		wire_released(sim, item->unit);
}

void client_says(struct sim *sim, const struct item *item)
{
	const struct client *c = &sim->client[item->sub];

	if (c->joined && c->life == item->gen)
		sim_feed(sim, &item->event);
}
