/* SPDX-License-Identifier: MIT */
/*
 * What a unit does between rounds: who may be asked, whether it is masked, what it waits for. Owns
 * the unit's mask bit and its STATE, WINDOW and STORM timers. Asks nobody.
 */
#include "broker/arb/internal.h"

uint64_t arb_eligible(const struct arb *arb, const struct arb_unit *u)
{
	/* A5, A6: not in debt and not in quarantine, unless it is being given a chance. */
	return u->members & ~arb->parked & (~(u->debt | arb->quarantined) | arb->probing);
}

uint16_t arb_loose(const struct arb *arb, const struct arb_unit *u)
{
	return (uint16_t)(u->devices & ~arb->quiet);
}

void arb_arm(struct arb *arb, struct arb_unit *u, enum arb_timer timer, uint32_t *token,
	     uint64_t delay, struct arb_actions *out)
{
	*token = next_token(arb);
	emit(out, (struct arb_action){.kind = ARB_ACT_ARM_TIMER,
				      .timer = (uint8_t)timer,
				      .unit = unit_index(arb, u),
				      .token = *token,
				      .delay = delay});
}

void arb_disarm(struct arb *arb, struct arb_unit *u, enum arb_timer timer, uint32_t *token,
		struct arb_actions *out)
{
	if (!*token)
		return;
	*token = 0;
	emit(out, (struct arb_action){.kind = ARB_ACT_CANCEL_TIMER,
				      .timer = (uint8_t)timer,
				      .unit = unit_index(arb, u)});
}

static void set_mask(struct arb *arb, struct arb_unit *u, bool masked, struct arb_actions *out)
{
	if (u->masked == masked && !u->unsure)
		return;
	u->masked = masked;
	u->unsure = false;
	emit(out, (struct arb_action){.kind = masked ? ARB_ACT_MASK : ARB_ACT_UNMASK,
				      .unit = unit_index(arb, u)});
}

/* Masked, and the STATE timer will decide again. */
static void wait_in(struct arb *arb, struct arb_unit *u, enum arb_state state, uint64_t delay,
		    enum arb_report what, struct arb_actions *out)
{
	arb_enter(u, state);
	report(out, what, unit_index(arb, u), 0, u->round);
	arb_arm(arb, u, ARB_TIMER_STATE, &u->state_token, delay, out);
}

/* A1: tried again after twice the time each time, a bounded number of times. */
static void retry_later(struct arb *arb, struct arb_unit *u, struct arb_actions *out)
{
	if (u->tries < arb->config.fault_tries)
		arb_arm(arb, u, ARB_TIMER_STATE, &u->state_token,
			doubled(arb->config.fault_min, u->tries++, UINT64_MAX), out);
	else
		report(out, ARB_REP_GAVE_UP, unit_index(arb, u), 0, u->round);
}

void arb_settle(struct arb *arb, struct arb_unit *u, struct arb_actions *out)
{
	assert(!u->open);
	arb_disarm(arb, u, ARB_TIMER_STATE, &u->state_token, out);
	/* A1: a device's mask that could not be written is tried again; the others are as they should be. */
	if (arb->unsure & u->devices)
		arb_reconcile(arb, u, out);

	if (!u->bucket) {
		/* A9: too many rounds: a pause, and then as many as the pause has earned. */
		report(out, ARB_REP_STORM, unit_index(arb, u), 0, u->round);
		wait_in(arb, u, ARB_THROTTLED, arb->config.storm_pause, ARB_REP_THROTTLED, out);
		return;
	}
	if (!arb_eligible(arb, u)) {
		/* A10: unmasked only if every device holds its own mask: a loose one would storm. */
		if (u->state != ARB_UNCLAIMED)
			arb_enter(u, ARB_UNCLAIMED);
		set_mask(arb, u, arb_loose(arb, u) != 0, out);
		if (arb->unquietable & u->devices)
			retry_later(arb, u, out); /* A1: with its mask the unit need not be */
		return;
	}
	if (u->state != ARB_IDLE)
		arb_enter(u, ARB_IDLE);
	set_mask(arb, u, false, out);
	if (arb_wants_direct(arb, u))
		arb_promote(arb, u, out);
}

void arb_regroup(struct arb *arb, struct arb_unit *u, struct arb_actions *out)
{
	bool any = arb_eligible(arb, u) != 0;

	if (u->state == ARB_ABSENT)
		return;
	arb_reconcile(arb, u, out);
	u->no_direct = false;
	if (u->open || u->state == ARB_FAULT)
		return; /* the round's end, or the retry, will see it */
	if (u->state == ARB_DIRECT) {
		if (!arb_wants_direct(arb, u))
			arb_demote(arb, u, out);
	} else if (u->state == ARB_THROTTLED && !u->bucket) {
		return; /* A9: nothing shortens the pause */
	} else if ((u->state == ARB_UNCLAIMED) == any) {
		arb_settle(arb, u, out);
	} else if (u->state == ARB_IDLE && arb_wants_direct(arb, u)) {
		arb_promote(arb, u, out);
	}
}

void arb_welcome(struct arb *arb, struct arb_unit *u, struct arb_actions *out)
{
	u->unhandled = 0;
	u->backoff = 0;
	arb_regroup(arb, u, out);
	/* A10: a throttled unit is unmasked for the newcomer, unless A9 holds it. */
	if (u->state == ARB_THROTTLED && u->bucket)
		arb_settle(arb, u, out);
}

/*
 * A8: is there a silent subscriber whose device can hold the level up, because nothing can quiet it:
 * it has no mask, its mask failed, or a healthy subscriber shares it? @clear: seen not to assert.
 */
static bool silent_and_loose(const struct arb *arb, const struct arb_unit *u, uint16_t clear)
{
	uint64_t silent = u->members & ~arb->parked & (u->debt | arb->quarantined);
	uint16_t loud = (uint16_t)(arb_loose(arb, u) & ~clear);

	if (!loud)
		return false;
	if (silent & arb->unbound)
		return true;
	FOR_EACH (d, loud) {
		if (silent & arb->bound[d])
			return true;
	}
	return false;
}

void arb_unhandled(struct arb *arb, struct arb_unit *u, uint16_t clear, struct arb_actions *out)
{
	/* A8: consecutive ones, within a window that begins with the first. */
	if (!u->unhandled++)
		arb_arm(arb, u, ARB_TIMER_WINDOW, &u->window_token, arb->config.unhandled_window,
			out);
	if (u->unhandled < arb->config.unhandled_max) {
		arb_settle(arb, u, out);
		return;
	}
	u->unhandled = 0;
	arb_disarm(arb, u, ARB_TIMER_WINDOW, &u->window_token, out);
	if (!arb_eligible(arb, u) && arb_loose(arb, u)) {
		arb_settle(arb, u, out); /* UNCLAIMED keeps it masked: nobody to unmask for */
	} else if (arb_eligible(arb, u) && silent_and_loose(arb, u, clear)) {
		wait_in(arb, u, ARB_POLLED, arb->config.poll, ARB_REP_POLLED, out);
	} else {
		wait_in(arb, u, ARB_THROTTLED,
			doubled(arb->config.throttle_min, u->backoff, arb->config.throttle_max),
			ARB_REP_THROTTLED, out);
		u->backoff = one_more(u->backoff);
	}
}

void arb_polled(struct arb *arb, struct arb_unit *u, bool down, struct arb_actions *out)
{
	/* A8: POLLED ends when the level is down, when the debt is gone, or when nobody is left. */
	if (down || !silent_and_loose(arb, u, 0) || !arb_eligible(arb, u))
		arb_settle(arb, u, out);
	else
		arb_arm(arb, u, ARB_TIMER_STATE, &u->state_token, arb->config.poll, out);
}

/* A9: the timer runs only while something is being spent. */
static void refill_later(struct arb *arb, struct arb_unit *u, struct arb_actions *out)
{
	if (!u->storm_token)
		arb_arm(arb, u, ARB_TIMER_STORM, &u->storm_token, arb->config.storm_window, out);
}

void arb_charge(struct arb *arb, struct arb_unit *u, struct arb_actions *out)
{
	arb_disarm(arb, u, ARB_TIMER_STATE, &u->state_token, out); /* what it waited for is past */
	u->tries = 0;                                              /* A1: it works */
	refill_later(arb, u, out);
	assert(u->bucket);
	u->bucket--;
}

void arb_charge_guest(struct arb *arb, struct arb_unit *u, struct arb_actions *out)
{
	refill_later(arb, u, out);
	if (u->guest_asks)
		u->guest_asks--;
}

void arb_refund_guests(const struct arb *arb, struct arb_unit *u, unsigned int asks)
{
	u->guest_asks += asks;
	if (u->guest_asks > arb->config.guest_budget)
		u->guest_asks = arb->config.guest_budget;
}

void arb_storm_timer(struct arb *arb, struct arb_unit *u, struct arb_actions *out)
{
	bool used =
		u->bucket != arb->config.storm_burst || u->guest_asks != arb->config.guest_budget;

	u->storm_token = 0;
	if (!used)
		return; /* an idle unit has no timers */
	u->bucket = arb->config.storm_burst;
	u->guest_asks = arb->config.guest_budget;
	arb_arm(arb, u, ARB_TIMER_STORM, &u->storm_token, arb->config.storm_window, out);
}

void arb_window_timer(struct arb_unit *u)
{
	/* A8: a window without a throttle is a quiet one. */
	u->window_token = 0;
	u->unhandled = 0;
	u->backoff = 0;
}

void arb_state_timer(struct arb *arb, struct arb_unit *u, struct arb_actions *out)
{
	const struct arb_config *config = &arb->config;

	u->state_token = 0;
	if (u->state == ARB_POLLED) {
		if (!silent_and_loose(arb, u, 0)) {
			arb_settle(arb, u, out);
			return;
		}
		arb_open(arb, u, 0, true);
		arb_begin(arb, u, true, out);
	} else if (u->state == ARB_IDLE || u->state == ARB_DIRECT) {
		arb_reconcile(arb, u, out); /* A1: a device that could not be unquieted */
	} else if (u->state == ARB_UNCLAIMED) {
		/* A1: one that could not be quieted: the unit need not be masked if it can. */
		arb->unquietable &= (uint16_t)~u->devices;
		arb_reconcile(arb, u, out);
		arb_settle(arb, u, out);
	} else if (u->state == ARB_FAULT && u->demoting) {
		/* A11: the source still has it on the direct path. */
		u->demoting = false;
		arb_enter(u, ARB_DIRECT);
		arb_demote(arb, u, out);
	} else {
		if (u->state == ARB_THROTTLED && !u->bucket) {
			/* A9 */
			u->bucket = (uint32_t)(config->storm_burst * config->storm_pause /
					       config->storm_window);
			if (!u->bucket)
				u->bucket = 1;
		} else if (u->state == ARB_THROTTLED && u->backoff) {
			/* A8: this window decides whether the back-off starts anew. */
			arb_arm(arb, u, ARB_TIMER_WINDOW, &u->window_token,
				config->unhandled_window, out);
		}
		arb_settle(arb, u, out);
	}
}

static void report_fault(const struct arb_event *ev, struct arb_actions *out)
{
	emit(out, (struct arb_action){.kind = ARB_ACT_REPORT,
				      .report = ARB_REP_FAULT,
				      .unit = ev->unit,
				      .device = ev->device,
				      .op = ev->op});
}

/* A1: the unit can't go on. */
static void fail(struct arb *arb, struct arb_unit *u, const struct arb_event *ev,
		 struct arb_actions *out)
{
	arb_enter(u, ARB_FAULT);
	report_fault(ev, out);
	retry_later(arb, u, out);
}

void arb_op_failed(struct arb *arb, const struct arb_event *ev, struct arb_actions *out)
{
	struct arb_unit *u = &arb->units[ev->unit];
	uint16_t bit = device_bit(ev->device);

	if (ev->op == ARB_ACT_UNMASK) {
		u->masked = true;
		if (u->state == ARB_DIRECT) {
			report_fault(ev, out);
			arb_demote(arb, u, out);
		} else {
			fail(arb, u, ev, out);
		}
	} else if (ev->op == ARB_ACT_MASK) {
		/* It may have fired, and been masked by the source, before we heard of this. */
		u->masked = false;
		u->unsure = true;
		fail(arb, u, ev, out);
	} else if (ev->op == ARB_ACT_SAMPLE_LEVEL) {
		/* A4: a level that cannot be read is unknown. */
		static const struct arb_event unknown = {.kind = ARB_EV_LEVEL};

		report_fault(ev, out);
		arb_level_of(arb, u, &unknown, out);
	} else if (ev->op == ARB_ACT_QUIET_DEVICE) {
		/* A8, A10: as if it had no mask. */
		arb->quiet &= (uint16_t)~bit;
		arb->unquietable |= bit;
		arb->unsure |= bit;
		report_fault(ev, out);
		if (u->state == ARB_UNCLAIMED)
			arb_settle(arb, u, out);
	} else if (ev->op == ARB_ACT_UNQUIET_DEVICE) {
		/* A1: the others of the unit go on; tried again at the end of a round, or by and by. */
		arb->unsure |= bit;
		report_fault(ev, out);
		if (u->state == ARB_IDLE || u->state == ARB_DIRECT)
			retry_later(arb, u, out);
	} else if (ev->op == ARB_ACT_PROMOTE) {
		/* A11: stays brokered; not tried again before the members change. */
		u->op_token = 0;
		u->holder = ARB_NO_SUB;
		u->no_direct = true;
		report_fault(ev, out);
		arb_enter(u, ARB_IDLE);
	} else {
		u->op_token = 0;
		fail(arb, u, ev, out);
	}
}

/* A13, A14: what was going on is void; only subscribers, and what is held against them, stay. */
static void forget(struct arb *arb, struct arb_unit *u, struct arb_actions *out)
{
	if (u->open)
		arb_close(arb, u, ARB_RES_VOID, out);
	arb_void_debts(arb, u, out);
	arb_disarm(arb, u, ARB_TIMER_STATE, &u->state_token, out);
	arb_disarm(arb, u, ARB_TIMER_WINDOW, &u->window_token, out);
	arb_trust_again(arb, u->members);
	u->unhandled = 0;
	u->backoff = 0;
	u->burst = 0;
	u->tries = 0;
	u->again = false;
	u->no_direct = false;
	u->masked = true;
	u->unsure = false;
	arb->quiet &= (uint16_t)~u->devices;
	arb->unquietable &= (uint16_t)~u->devices;
	arb->unsure |= u->devices; /* A14: nothing is known about the hardware */
	arb->distrusted &= (uint16_t)~u->devices;
}

/* A14: every mask is written, whichever way it is. */
static void start(struct arb *arb, struct arb_unit *u, struct arb_actions *out)
{
	report(out, ARB_REP_BACK, unit_index(arb, u), 0, u->round);
	arb_reconcile(arb, u, out);
	arb_settle(arb, u, out);
	if (unit_has(arb, u, ARB_UNIT_EDGE))
		arb_edge(arb, u, arb_eligible(arb, u), ARB_ASK_MAYBE, out);
}

void arb_unit_up(struct arb *arb, struct arb_unit *u, struct arb_actions *out)
{
	u->bucket = arb->config.storm_burst;
	u->guest_asks = arb->config.guest_budget;
	arb->unsure |= u->devices;
	start(arb, u, out);
}

void arb_unit_gone(struct arb *arb, struct arb_unit *u, struct arb_actions *out)
{
	forget(arb, u, out);
	arb_disarm(arb, u, ARB_TIMER_STORM, &u->storm_token, out);
	u->op_token = 0;
	u->demoting = false;
	u->holder = ARB_NO_SUB;
	arb_enter(u, ARB_ABSENT);
	report(out, ARB_REP_ABSENT, unit_index(arb, u), 0, u->round);
}

void arb_resumed(struct arb *arb, const struct arb_event *ev, struct arb_actions *out)
{
	struct arb_unit *u = &arb->units[ev->unit];

	forget(arb, u, out);
	if (!u->bucket)
		u->bucket = 1;
	if (u->state == ARB_DIRECT || u->demoting) {
		/* A14: sampled, not unmasked blindly: by way of the brokered path. */
		u->demoting = false;
		if (u->state != ARB_DIRECT)
			arb_enter(u, ARB_DIRECT);
		report(out, ARB_REP_BACK, unit_index(arb, u), 0, u->round);
		arb_reconcile(arb, u, out);
		arb_demote(arb, u, out);
		return;
	}
	start(arb, u, out);
}
