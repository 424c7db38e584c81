/* SPDX-License-Identifier: MIT */
/*
 * A7: verdicts held against status bits. One disagreement is nothing: a device may assert again while
 * its driver answers, and status bits lie too. Owns which devices' bits are believed, and who is
 * suspected.
 */
#include "broker/arb/internal.h"

static uint16_t with_status(const struct arb *arb, uint16_t devices)
{
	uint16_t found = 0;

	FOR_EACH (d, devices) {
		if (arb->config.device_flags[d] & ARB_DEV_STATUS)
			found |= device_bit((unsigned int)d);
	}
	return found;
}

uint16_t arb_trusted(const struct arb *arb, const struct arb_unit *u, uint16_t devices)
{
	return with_status(arb, (uint16_t)(devices & u->devices & ~arb->distrusted));
}

uint64_t arb_bound_to(const struct arb *arb, uint16_t devices)
{
	uint64_t subs = 0;

	FOR_EACH (d, devices)
		subs |= arb->bound[d];
	return subs;
}

/* The device that @sub alone is bound to, as a set: another's interrupt would look like a lie. */
static uint16_t its_own(const struct arb *arb, uint8_t sub)
{
	uint8_t device = arb->subs[sub].device;

	if (device == ARB_NO_DEVICE || arb->bound[device] != sub_bit(sub))
		return 0;
	return device_bit(device);
}

void arb_hear_not_mine(const struct arb *arb, struct arb_unit *u, uint8_t sub)
{
	/* A7: NOT_MINE with its own status bit set. */
	if (u->asserted & its_own(arb, sub))
		u->lied |= sub_bit(sub);
}

void arb_see_status(const struct arb *arb, struct arb_unit *u, uint16_t status, uint16_t known)
{
	status &= with_status(arb, u->devices);
	u->asserted |= status;
	/* A7: HANDLED, and its own device is the only one that still asserts. */
	if (known != u->devices)
		return;
	FOR_EACH (s, u->answered & arb_bound_to(arb, status)) {
		if (its_own(arb, (uint8_t)s) == status)
			u->lied |= sub_bit((unsigned int)s);
	}
}

void arb_trust_again(struct arb *arb, uint64_t subs)
{
	FOR_EACH (s, subs & arb->suspects)
		arb->subs[s].lies = 0;
	arb->suspects &= ~subs;
}

void arb_judge(struct arb *arb, struct arb_unit *u, struct arb_actions *out)
{
	/* Who answered: a retracted ask proves nothing, and an expiry is never also a lie. */
	uint64_t heard = u->asked & ~u->owes & ~u->debt & arb->present;

	arb_trust_again(arb, heard & ~u->lied);
	FOR_EACH (s, heard & u->lied) {
		struct arb_sub *sub = &arb->subs[s];
		uint16_t device = device_bit(sub->device);

		/* Once its bit is not believed, only rounds that nobody else answered count. */
		if ((arb->distrusted & device) && (u->answered & ~sub_bit((unsigned int)s)))
			continue;
		arb->suspects |= sub_bit((unsigned int)s);
		if (++sub->lies < arb->config.lies_max)
			continue;
		sub->lies = 0;
		report(out, ARB_REP_LIE, unit_index(arb, u), (uint8_t)s, u->round);
		/* Alone in its unit it harms nobody, and a device that never rests looks the same. */
		if ((arb->distrusted & device) && (u->members & ~sub_bit((unsigned int)s)))
			arb_strike(arb, (uint8_t)s, out);
		arb->distrusted |=
			device; /* the bit's word counts less than the driver's, at first */
	}
}
