/* SPDX-License-Identifier: MIT */
/*
 * Owns the executor's rules: actions in order, failures as events, timers by slot, no nested steps.
 * Must not decide anything.
 */
#include <string.h>

#include "tests/sim/sim.h"

void sim_record(struct sim *sim, struct record *record)
{
	char text[352];

	record->time = sim->now;
	sim->tail[sim->n_records++ % SIM_TAIL] = *record;
	if (sim->trace) {
		record_format(record, text, sizeof(text));
		fprintf(sim->trace, "%s\n", text);
	}
	if (!sim->ended && !checker_record(&sim->checker, record))
		sim->ended = true;
}

void sim_push(struct sim *sim, uint64_t delay, struct item *item)
{
	item->time = sim->now + delay;
	item->tie = (uint32_t)rng_next(&sim->rng);
	queue_push(&sim->queue, item);
}

void sim_fault(struct sim *sim, enum fault fault)
{
	sim->faults |= UINT32_C(1) << fault;
}

bool sim_may(struct sim *sim, enum fault fault, unsigned int per_mille)
{
	return !sim->calm && (sim->wanted & (UINT32_C(1) << fault)) &&
	       rng_chance(&sim->rng, per_mille);
}

/* ---- timers ------------------------------------------------------------------------------------ */

static struct slot *slot_of(struct sim *sim, uint8_t timer, uint8_t unit, uint8_t sub)
{
	return &sim->slot[timer][unit < ARB_MAX_UNITS ? unit : ARB_MAX_UNITS]
			 [sub < ARB_MAX_SUBS ? sub : ARB_MAX_SUBS];
}

static void arm(struct sim *sim, const struct arb_action *action)
{
	struct slot *slot = slot_of(sim, action->timer, action->unit, action->sub);
	uint64_t late = 0;
	struct item item = {
		.kind = ITEM_TIMER,
		.gen = ++slot->gen,
		.event = {.kind = ARB_EV_TIMER,
			  .timer = action->timer,
			  .unit = action->unit,
			  .sub = action->sub,
			  .token = action->token},
	};

	slot->armed = true;
	if (sim->late_timer && sim_may(sim, FAULT_LATE_TIMER, 300)) {
		sim_fault(sim, FAULT_LATE_TIMER);
		late = rng_below(&sim->rng, sim->late_timer);
	}
	sim_push(sim, action->delay + late, &item);
}

void sim_timer(struct sim *sim, const struct item *item)
{
	struct slot *slot = slot_of(sim, item->event.timer, item->event.unit, item->event.sub);

	if (!slot->armed || slot->gen != item->gen)
		return;
	slot->armed = false;
	sim->stale_timer = item->event;
	sim_feed(sim, &item->event);
}

/* ---- actions ----------------------------------------------------------------------------------- */

/* Whether the operation fails this time; a failure may be followed by more of its kind. */
static bool fails(struct sim *sim, enum arb_action_kind op, enum fault fault)
{
	if (sim->calm)
		return false;
	if (sim->failing[op])
		sim->failing[op]--;
	else if (rng_chance(&sim->rng, sim->fail[op]))
		sim->failing[op] = (uint8_t)rng_below(&sim->rng, sim->fail_burst);
	else
		return false;
	sim_fault(sim, fault);
	return true;
}

static void answer(struct sim *sim, const struct arb_action *action, enum arb_event_kind kind)
{
	struct item item = {
		.kind = ITEM_EVENT,
		.event = {.kind = (uint8_t)kind,
			  .op = action->kind,
			  .unit = action->unit,
			  .device = action->device,
			  .token = action->token},
	};

	sim_push(sim, rng_below(&sim->rng, sim->sample_delay), &item);
}

/* Returns true if the action failed. */
static bool carry_out(struct sim *sim, const struct arb_action *action)
{
	switch ((enum arb_action_kind)action->kind) {
	case ARB_ACT_ASK:
	case ARB_ACT_RETRACT:
		break; /* delivered once the step is recorded: clients act on the wire */
	case ARB_ACT_MASK: return fails(sim, ARB_ACT_MASK, FAULT_MASK);
	case ARB_ACT_UNMASK: return fails(sim, ARB_ACT_UNMASK, FAULT_UNMASK);
	case ARB_ACT_SAMPLE_LEVEL: return fails(sim, ARB_ACT_SAMPLE_LEVEL, FAULT_SAMPLE);
	case ARB_ACT_QUIET_DEVICE: return fails(sim, ARB_ACT_QUIET_DEVICE, FAULT_QUIET);
	case ARB_ACT_UNQUIET_DEVICE: return fails(sim, ARB_ACT_UNQUIET_DEVICE, FAULT_UNQUIET);
	case ARB_ACT_PROMOTE: return fails(sim, ARB_ACT_PROMOTE, FAULT_PROMOTE);
	case ARB_ACT_DEMOTE: return fails(sim, ARB_ACT_DEMOTE, FAULT_DEMOTE);
	case ARB_ACT_ARM_TIMER:
	case ARB_ACT_CANCEL_TIMER:
	case ARB_ACT_QUARANTINE:
	case ARB_ACT_RELEASE:
	case ARB_ACT_REPORT:
	case ARB_N_ACTIONS: break;
	}
	return false;
}

/* What the action does to the world. The record of it is written: whatever follows, follows it. */
static void take_effect(struct sim *sim, const struct arb_action *action)
{
	switch ((enum arb_action_kind)action->kind) {
	case ARB_ACT_ASK: client_asked(sim, action); break;
	case ARB_ACT_RETRACT: client_retracted(sim, action); break;
	case ARB_ACT_MASK:
	case ARB_ACT_UNMASK: wire_mask(sim, action->unit, action->kind == ARB_ACT_MASK); break;
	case ARB_ACT_SAMPLE_LEVEL: wire_sample(sim, action); break;
	case ARB_ACT_QUIET_DEVICE:
	case ARB_ACT_UNQUIET_DEVICE:
		wire_quiet(sim, action->device, action->kind == ARB_ACT_QUIET_DEVICE);
		break;
	case ARB_ACT_ARM_TIMER: arm(sim, action); break;
	case ARB_ACT_CANCEL_TIMER:
		slot_of(sim, action->timer, action->unit, action->sub)->armed = false;
		break;
	case ARB_ACT_PROMOTE:
		wire_direct(sim, action->unit, action->sub);
		answer(sim, action, ARB_EV_OP_DONE);
		break;
	case ARB_ACT_DEMOTE:
		wire_direct(sim, action->unit, ARB_NO_SUB);
		answer(sim, action, ARB_EV_OP_DONE);
		break;
	case ARB_ACT_REPORT:
		sim->tally->reports[action->report]++;
		if (action->report == ARB_REP_GAVE_UP) {
			sim->unit[action->unit].gave_up = true;
			sim_fault(sim, FAULT_GAVE_UP);
		} else if (action->report == ARB_REP_STORM) {
			sim_fault(sim, FAULT_STORM);
		}
		break;
	case ARB_ACT_QUARANTINE:
	case ARB_ACT_RELEASE:
	case ARB_N_ACTIONS: break;
	}
}

/* ---- steps ------------------------------------------------------------------------------------- */

static bool is_of_line(enum arb_event_kind kind)
{
	return kind == ARB_EV_LINE_UP || kind == ARB_EV_LINE_GONE || kind == ARB_EV_POLICY;
}

static bool is_of_sub(const struct arb_event *event)
{
	return event->kind == ARB_EV_JOIN || event->kind == ARB_EV_LEAVE ||
	       event->kind == ARB_EV_DIED || event->kind == ARB_EV_PARK ||
	       event->kind == ARB_EV_UNPARK || event->kind == ARB_EV_SUB_POLICY ||
	       (event->kind == ARB_EV_TIMER &&
		(event->timer == ARB_TIMER_STRIKE || event->timer == ARB_TIMER_PROBE));
}

/* The cells that an event meets: its unit, its subscriber's units, or all of the line. */
static void tally_event(struct sim *sim, const struct arb_event *event, int ret)
{
	struct tally *tally = sim->tally;

	for (uint8_t u = 0; u < sim->config.n_units; u++) {
		if (is_of_sub(event)
			    ? event->sub < ARB_MAX_SUBS && !client_takes(sim, event->sub, u)
			    : !is_of_line(event->kind) && event->unit != u)
			continue;
		tally->cell[arb_unit_state(&sim->before, u)][event->kind][ret != 0]++;
	}
	tally->errors[ret]++;
	tally->events++;
	tally->accepted += !ret;
}

static void check_invariants(struct sim *sim)
{
	enum arb_invariant broken;

	if (sim->ended || arb_check(&sim->arb, &broken))
		return;
	sim->checker.broken = PROMISE_INVARIANT;
	snprintf(sim->checker.why, sizeof(sim->checker.why), "arb_check says %d", (int)broken);
	sim->ended = true;
}

int sim_feed(struct sim *sim, const struct arb_event *event)
{
	struct record record = {.kind = RECORD_EVENT, .event = *event};

	if (sim->ended)
		return -1;
	sim->events++;
	memcpy(&sim->before, &sim->arb, sizeof(sim->arb));
	record.ret = mutant_step(&sim->mutant, &sim->arb, event, &sim->actions);
	record.changed = record.ret &&
			 (sim->actions.n || memcmp(&sim->before, &sim->arb, sizeof(sim->arb)) != 0);
	sim->accepted += !record.ret;
	if (event->kind < ARB_N_EVENTS)
		tally_event(sim, event, record.ret);
	sim_record(sim, &record);
	for (uint32_t i = 0; i < sim->actions.n && !sim->ended; i++) {
		const struct arb_action *action = &sim->actions.a[i];
		struct record done = {.kind = RECORD_ACTION, .action = *action};

		done.failed = carry_out(sim, action);
		sim_record(sim, &done);
		if (done.failed)
			answer(sim, action, ARB_EV_OP_FAILED);
		else
			take_effect(sim, action);
	}
	if (!record.ret) {
		sim_record(sim, &(struct record){.kind = RECORD_DONE});
		check_invariants(sim);
	}
	return record.ret;
}
