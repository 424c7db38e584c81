/* SPDX-License-Identifier: MIT */
/*
 * What is held against a subscriber (A5, A6): debts, strikes, quarantine, and the probes that end
 * them; and the devices that are quiet because of it. Owns the PROBE and STRIKE timers and the
 * devices' own masks.
 *
 * A debt stays payable until its subscriber is asked anew: a probe makes the debtor eligible
 * without forgetting what it owes.
 */
#include "broker/arb/internal.h"

static void arm(struct arb *arb, enum arb_timer timer, uint8_t sub, uint32_t *token, uint64_t delay,
		struct arb_actions *out)
{
	*token = next_token(arb);
	emit(out, (struct arb_action){.kind = ARB_ACT_ARM_TIMER,
				      .timer = (uint8_t)timer,
				      .sub = sub,
				      .token = *token,
				      .delay = delay});
}

static void disarm(enum arb_timer timer, uint8_t sub, uint32_t *token, struct arb_actions *out)
{
	if (!*token)
		return;
	*token = 0;
	emit(out, (struct arb_action){.kind = ARB_ACT_CANCEL_TIMER,
				      .timer = (uint8_t)timer,
				      .sub = sub});
}

bool arb_in_trouble(const struct arb *arb, uint8_t sub)
{
	uint64_t bit = sub_bit(sub);
	uint64_t trouble = arb->quarantined & bit;

	for (unsigned int i = 0; i < arb->config.n_units; i++)
		trouble |= arb->units[i].debt & bit;
	return trouble;
}

/* Who is eligible has changed in every unit of @sub. */
static void regroup(struct arb *arb, uint8_t sub, struct arb_actions *out)
{
	for (unsigned int i = 0; i < arb->config.n_units; i++) {
		if (arb->units[i].members & sub_bit(sub))
			arb_regroup(arb, &arb->units[i], out);
	}
}

/* A6: the next chance comes later each time it is not taken. */
static void arm_probe(struct arb *arb, uint8_t sub, struct arb_actions *out)
{
	struct arb_sub *s = &arb->subs[sub];

	arb->probing &= ~sub_bit(sub);
	if (s->probe_token)
		return;
	arm(arb, ARB_TIMER_PROBE, sub, &s->probe_token,
	    doubled(arb->config.probe_min, s->backoff, arb->config.probe_max), out);
	s->backoff = one_more(s->backoff);
}

static void end_probe(struct arb *arb, uint8_t sub, struct arb_actions *out)
{
	arb->probing &= ~sub_bit(sub);
	disarm(ARB_TIMER_PROBE, sub, &arb->subs[sub].probe_token, out);
}

static void strike(struct arb *arb, uint8_t sub, struct arb_actions *out)
{
	struct arb_sub *s = &arb->subs[sub];

	/* A6: strikes count only if they are some time apart. */
	if (s->strike_token)
		return;
	s->strikes = (uint16_t)(s->strikes + (s->strikes < UINT16_MAX));
	report(out, ARB_REP_STRIKE, 0, sub, 0);
	arm(arb, ARB_TIMER_STRIKE, sub, &s->strike_token, arb->config.strike_gap, out);
	if (s->strikes < arb->config.strikes_max || (arb->quarantined & sub_bit(sub)))
		return;
	arb->quarantined |= sub_bit(sub);
	emit(out, (struct arb_action){.kind = ARB_ACT_QUARANTINE, .sub = sub});
}

void arb_strike(struct arb *arb, uint8_t sub, struct arb_actions *out)
{
	strike(arb, sub, out);
	if (!(arb->quarantined & sub_bit(sub)))
		return;
	arm_probe(arb, sub, out);
	regroup(arb, sub, out);
}

void arb_owe(struct arb *arb, struct arb_unit *u, uint8_t sub, bool excused,
	     struct arb_actions *out)
{
	u->debt |= sub_bit(sub);
	if (!excused)
		strike(arb, sub, out);
	arm_probe(arb, sub, out);
	regroup(arb, sub, out); /* A5: its device is masked where it has a mask */
}

void arb_pay(struct arb *arb, struct arb_unit *u, uint8_t sub, bool in_time,
	     struct arb_actions *out)
{
	struct arb_sub *s = &arb->subs[sub];
	uint64_t bit = sub_bit(sub);
	bool was_held = ((u->debt | arb->quarantined) & bit) != 0;
	bool was_probed = (arb->probing & bit) != 0;

	u->debt &= ~bit;
	/* A6: in a row ends here, unless the answers themselves are the evidence (A7). */
	if (in_time && !(arb->suspects & bit)) {
		s->strikes = 0;
		s->backoff = 0;
	}
	if (!was_held && !was_probed)
		return;
	if (arb->quarantined & bit) {
		arb->quarantined &= ~bit;
		s->strikes = 0;
		emit(out, (struct arb_action){.kind = ARB_ACT_RELEASE, .sub = sub});
	}
	if (!arb_in_trouble(arb, sub))
		end_probe(arb, sub, out);
	regroup(arb, sub, out);
}

void arb_probe(struct arb *arb, uint8_t sub, struct arb_actions *out)
{
	arb->subs[sub].probe_token = 0;
	arb->probing |= sub_bit(sub);
	report(out, ARB_REP_PROBE, 0, sub, 0);
	regroup(arb, sub, out); /* A6: its device is unquieted first, and fires again if it must */
}

void arb_void_debts(struct arb *arb, struct arb_unit *u, struct arb_actions *out)
{
	uint64_t debt = u->debt;

	u->debt = 0;
	FOR_EACH (s, debt) {
		if (!arb_in_trouble(arb, (uint8_t)s))
			end_probe(arb, (uint8_t)s, out);
	}
}

void arb_forget(struct arb *arb, uint8_t sub, bool stays, struct arb_actions *out)
{
	uint64_t bit = sub_bit(sub);

	for (unsigned int i = 0; i < arb->config.n_units; i++)
		arb->units[i].debt &= ~bit;
	if (!stays) {
		arb_trust_again(arb, bit);
		arb->quarantined &= ~bit;
		disarm(ARB_TIMER_STRIKE, sub, &arb->subs[sub].strike_token, out);
	}
	if (!(arb->quarantined & bit))
		end_probe(arb, sub, out);
}

void arb_reconcile(struct arb *arb, struct arb_unit *u, struct arb_actions *out)
{
	uint64_t eligible = arb_eligible(arb, u);

	FOR_EACH (d, u->devices) {
		uint16_t bit = device_bit((unsigned int)d);
		bool wanted = eligible & (arb->unbound | arb->bound[d]);
		bool quiet = arb->quiet & bit;
		bool sure = !(arb->unsure & bit);

		if (!(arb->config.device_flags[d] & ARB_DEV_MASK)) {
			arb->unsure &= (uint16_t)~bit;
			continue;
		}
		if ((sure && wanted != quiet) || (!wanted && (arb->unquietable & bit)))
			continue;
		arb->quiet = (uint16_t)(wanted ? arb->quiet & ~bit : arb->quiet | bit);
		arb->unsure &= (uint16_t)~bit;
		arb->unquietable &= (uint16_t)~bit; /* next time it may work */
		emit(out, (struct arb_action){.kind = wanted ? ARB_ACT_UNQUIET_DEVICE
							     : ARB_ACT_QUIET_DEVICE,
					      .unit = unit_index(arb, u),
					      .device = (uint8_t)d});
		emit(out, (struct arb_action){.kind = ARB_ACT_REPORT,
					      .report = wanted ? ARB_REP_FREED : ARB_REP_HELD,
					      .unit = unit_index(arb, u),
					      .device = (uint8_t)d});
	}
}
