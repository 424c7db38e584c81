/* SPDX-License-Identifier: MIT */
/*
 * What the files of broker/arb share. Nothing outside includes it.
 *
 *	arb.c       arb_step: check, then apply; the setter and the table of transitions
 *	validate.c  which events are refused, and why
 *	unit.c      A1, A8, A9, A13, A14: what a unit does between rounds
 *	round.c     A2, A3, A5: opening a round, whom to ask, with which deadline
 *	resolve.c   A4, A7, A8: verdicts, samples, expiries; how a round ends
 *	people.c    A10: joining, leaving, parking
 *	debt.c      A5, A6: debts, strikes, quarantine, devices held quiet
 *	trust.c     A7: verdicts held against status bits
 *	path.c      A11, A12: direct, notify, edge
 */
#ifndef PTIRQ_ARB_INTERNAL_H
#define PTIRQ_ARB_INTERNAL_H

#include <assert.h>

#include "broker/arb/arb_state.h"

static_assert(ARB_MAX_SUBS <= 64 && ARB_MAX_DEVICES <= 16, "sets are one machine word");

/* ---- sets ---------------------------------------------------------------------------------------- */

static inline uint64_t sub_bit(unsigned int sub)
{
	return UINT64_C(1) << sub;
}

static inline uint16_t device_bit(unsigned int device)
{
	return (uint16_t)(1u << device);
}

/* The lowest member of a set that is not empty. */
static inline unsigned int lowest(uint64_t set)
{
	return (unsigned int)__builtin_ctzll(set);
}

/* Runs once for each member, lowest first; the set is evaluated once. */
#define FOR_EACH(i, set)                                                          \
	for (uint64_t i##_set = (set), i; i##_set && (i = lowest(i##_set), true); \
	     i##_set &= i##_set - 1)

static inline unsigned int count(uint64_t set)
{
	unsigned int n = 0;

	for (; set; set &= set - 1)
		n++;
	return n;
}

/* ---- numbers that count modulo 2^bits ------------------------------------------------------------ */

/* Rounds skip 0 too: asked_round 0 means never. */
static inline uint32_t next_round(uint32_t round)
{
	round = (round + 1) & (UINT32_MAX >> (32 - ARB_ROUND_BITS));
	return round ? round : 1;
}

static inline uint32_t next_token(struct arb *arb)
{
	arb->token = (arb->token + 1) & (UINT32_MAX >> (32 - ARB_TOKEN_BITS));
	if (!arb->token)
		arb->token = 1;
	return arb->token;
}

static inline uint8_t one_more(uint8_t n)
{
	return (uint8_t)(n + (n < UINT8_MAX));
}

/* @first << @doublings, but at most @max. */
static inline uint64_t doubled(uint64_t first, unsigned int doublings, uint64_t max)
{
	return doublings < 63 && first <= max >> doublings ? first << doublings : max;
}

/* ---- arb.c ---------------------------------------------------------------------------------------- */

/* What each kind of event carries: the others must be 0. text.c prints and parses by it. */
enum arb_member {
	ARB_M_UNIT = 1 << 0,
	ARB_M_SUB = 1 << 1,
	ARB_M_DEVICE = 1 << 2,
	ARB_M_VERDICT = 1 << 3,
	ARB_M_LEVEL = 1 << 4,
	ARB_M_TIMER = 1 << 5,
	ARB_M_OP = 1 << 6,
	ARB_M_POLICY = 1 << 7,
	ARB_M_FLAGS = 1 << 8,
	ARB_M_PRIORITY = 1 << 9,
	ARB_M_BACK_TO_BACK = 1 << 10,
	ARB_M_TAPPED = 1 << 11,
	ARB_M_ATTRIBUTION = 1 << 12,
	ARB_M_STATUS = 1 << 13,
	ARB_M_STATUS_KNOWN = 1 << 14,
	ARB_M_ROUND = 1 << 15,
	ARB_M_TOKEN = 1 << 16,
	ARB_M_DEADLINE = 1 << 17,
};

extern const uint32_t arb_event_members[ARB_N_EVENTS];

/* The one place that writes unit->state. */
void arb_enter(struct arb_unit *u, enum arb_state state);

static inline bool unit_has(const struct arb *arb, const struct arb_unit *u, unsigned int flag)
{
	return arb->config.unit_flags[u - arb->units] & flag;
}

static inline uint8_t unit_index(const struct arb *arb, const struct arb_unit *u)
{
	return (uint8_t)(u - arb->units);
}

static inline void emit(struct arb_actions *out, const struct arb_action action)
{
	assert(out->n < ARB_ACTIONS_MAX);
	out->a[out->n++] = action;
}

static inline void report(struct arb_actions *out, enum arb_report what, uint8_t unit, uint8_t sub,
			  uint32_t round)
{
	emit(out, (struct arb_action){.kind = ARB_ACT_REPORT,
				      .report = (uint8_t)what,
				      .unit = unit,
				      .sub = sub,
				      .round = round});
}

/* ---- validate.c ----------------------------------------------------------------------------------- */

/* 0, or the enum arb_error with which the event must be refused. */
int arb_validate(const struct arb *arb, const struct arb_event *event);

enum arb_claim {
	ARB_CLAIM_IN_TIME,  /* it owes this verdict */
	ARB_CLAIM_LATE,     /* it is in debt for this round */
	ARB_CLAIM_NOTIFIED, /* A11: the source woke it, and we have not asked yet */
};

/* Which of the three a verdict is, or the error; @ret_claim is set on success only. */
int arb_classify(const struct arb *arb, const struct arb_event *event, enum arb_claim *ret_claim);

/* ---- unit.c --------------------------------------------------------------------------------------- */

/* Subscribers that may be asked now. */
uint64_t arb_eligible(const struct arb *arb, const struct arb_unit *u);
/* Devices of the unit that do not hold a mask of their own. */
uint16_t arb_loose(const struct arb *arb, const struct arb_unit *u);

/* A timer of the unit. @token is the member that belongs to @timer; 0 says that it is not armed. */
void arb_arm(struct arb *arb, struct arb_unit *u, enum arb_timer timer, uint32_t *token,
	     uint64_t delay, struct arb_actions *out);
void arb_disarm(struct arb *arb, struct arb_unit *u, enum arb_timer timer, uint32_t *token,
		struct arb_actions *out);

/* No round is open: decides what the unit does now, from any state. */
void arb_settle(struct arb *arb, struct arb_unit *u, struct arb_actions *out);
/* The set of eligible subscribers may have changed. */
void arb_regroup(struct arb *arb, struct arb_unit *u, struct arb_actions *out);
/* A10: somebody joined, or is back from parking. */
void arb_welcome(struct arb *arb, struct arb_unit *u, struct arb_actions *out);
/* A8: a round was closed and nobody had handled it. */
void arb_unhandled(struct arb *arb, struct arb_unit *u, uint16_t clear, struct arb_actions *out);
/* A8: a round of POLLED was closed. */
void arb_polled(struct arb *arb, struct arb_unit *u, bool down, struct arb_actions *out);
/* A9: the unit fired, and a round is about to be opened. */
void arb_charge(struct arb *arb, struct arb_unit *u, struct arb_actions *out);

/* A3: a guest is asked and nobody knows whether there is anything for it; and there was. */
void arb_charge_guest(struct arb *arb, struct arb_unit *u, struct arb_actions *out);
void arb_refund_guests(const struct arb *arb, struct arb_unit *u, unsigned int asks);

void arb_unit_up(struct arb *arb, struct arb_unit *u, struct arb_actions *out);
void arb_unit_gone(struct arb *arb, struct arb_unit *u, struct arb_actions *out);
void arb_resumed(struct arb *arb, const struct arb_event *ev, struct arb_actions *out);
void arb_state_timer(struct arb *arb, struct arb_unit *u, struct arb_actions *out);
void arb_window_timer(struct arb_unit *u);
void arb_storm_timer(struct arb *arb, struct arb_unit *u, struct arb_actions *out);
void arb_op_failed(struct arb *arb, const struct arb_event *ev, struct arb_actions *out);

/* ---- round.c -------------------------------------------------------------------------------------- */

void arb_fired(struct arb *arb, const struct arb_event *ev, struct arb_actions *out);
/*
 * A2: round n+1. Nobody is asked yet. @devices are known to assert; 0: cannot tell. @back_to_back:
 * it follows the last one closely (A3).
 */
void arb_open(struct arb *arb, struct arb_unit *u, uint16_t devices, bool back_to_back);
/* After arb_open(): samples first if @first and the unit can, else asks. */
void arb_begin(struct arb *arb, struct arb_unit *u, bool first, struct arb_actions *out);
/* Asks the next of those left, or ends the round; nothing while a verdict or a sample is awaited. */
void arb_advance(struct arb *arb, struct arb_unit *u, struct arb_actions *out);
/* A4: the level is up after an answer. Asks those whose own status is set even if others owe. */
void arb_press(struct arb *arb, struct arb_unit *u, struct arb_actions *out);
void arb_sample(struct arb *arb, struct arb_unit *u, enum arb_sampling why,
		struct arb_actions *out);
void arb_hedge(struct arb *arb, struct arb_unit *u, struct arb_actions *out);
void arb_unhedge(struct arb *arb, struct arb_unit *u, struct arb_actions *out);

/* ---- resolve.c ------------------------------------------------------------------------------------ */

void arb_verdict(struct arb *arb, const struct arb_event *ev, struct arb_actions *out);
void arb_level(struct arb *arb, const struct arb_event *ev, struct arb_actions *out);
void arb_level_of(struct arb *arb, struct arb_unit *u, const struct arb_event *ev,
		  struct arb_actions *out);
void arb_expired(struct arb *arb, struct arb_unit *u, uint8_t sub, struct arb_actions *out);
/* Retracts what is owed, stops the round's timers. The unit's state is still what it was. */
void arb_close(struct arb *arb, struct arb_unit *u, enum arb_resolution how,
	       struct arb_actions *out);
/* Closes the round and decides what comes next. @down: the level was seen deasserted. */
void arb_resolve(struct arb *arb, struct arb_unit *u, enum arb_resolution how, bool down,
		 struct arb_actions *out);

/* ---- people.c ------------------------------------------------------------------------------------- */

void arb_join(struct arb *arb, const struct arb_event *ev, struct arb_actions *out);
void arb_leave(struct arb *arb, const struct arb_event *ev, struct arb_actions *out);
void arb_park(struct arb *arb, const struct arb_event *ev, struct arb_actions *out);
void arb_unpark(struct arb *arb, const struct arb_event *ev, struct arb_actions *out);
void arb_sub_policy(struct arb *arb, const struct arb_event *ev, struct arb_actions *out);

/* ---- debt.c --------------------------------------------------------------------------------------- */

/* A5: @sub is in debt to @u from now on; A6: with a strike unless @excused. */
void arb_owe(struct arb *arb, struct arb_unit *u, uint8_t sub, bool excused,
	     struct arb_actions *out);
/* A5, A6: @sub gave a verdict that counts: its debt to @u is paid, quarantine ends. */
void arb_pay(struct arb *arb, struct arb_unit *u, uint8_t sub, bool in_time,
	     struct arb_actions *out);
/* A6 */
void arb_strike(struct arb *arb, uint8_t sub, struct arb_actions *out);
void arb_probe(struct arb *arb, uint8_t sub, struct arb_actions *out);
/* Every debt to @u is void (A13, A14). */
void arb_void_debts(struct arb *arb, struct arb_unit *u, struct arb_actions *out);
/* @sub leaves or parks: what is held against it is forgotten, but a quarantine if it @stays. */
void arb_forget(struct arb *arb, uint8_t sub, bool stays, struct arb_actions *out);
/* In quarantine, or in debt to any unit: the PROBE timer is armed, or it is being probed. */
bool arb_in_trouble(const struct arb *arb, uint8_t sub);
/* A5, A6, A10: a device of @u is quiet if and only if no eligible subscriber wants it. */
void arb_reconcile(struct arb *arb, struct arb_unit *u, struct arb_actions *out);

/* ---- trust.c -------------------------------------------------------------------------------------- */

/* Of these devices, those of the unit whose status bits are there and believed. */
uint16_t arb_trusted(const struct arb *arb, const struct arb_unit *u, uint16_t devices);
/* Subscribers bound to any of these devices. */
uint64_t arb_bound_to(const struct arb *arb, uint16_t devices);
/* Evidence, noted for the round ... */
void arb_hear_not_mine(const struct arb *arb, struct arb_unit *u, uint8_t sub);
void arb_see_status(const struct arb *arb, struct arb_unit *u, uint16_t status, uint16_t known);
/* ... and weighed at its end. */
void arb_judge(struct arb *arb, struct arb_unit *u, struct arb_actions *out);
/* Nothing is held against these any more. */
void arb_trust_again(struct arb *arb, uint64_t subs);

/* ---- path.c --------------------------------------------------------------------------------------- */

/* A11: exactly one eligible subscriber, it wants the direct path, and nothing speaks against it. */
bool arb_wants_direct(const struct arb *arb, const struct arb_unit *u);
void arb_promote(struct arb *arb, struct arb_unit *u, struct arb_actions *out);
void arb_demote(struct arb *arb, struct arb_unit *u, struct arb_actions *out);
void arb_op_done(struct arb *arb, const struct arb_event *ev, struct arb_actions *out);
/* A12: tells the subscribers of an edge unit; nobody owes. */
void arb_edge(struct arb *arb, struct arb_unit *u, uint64_t to, uint8_t flags,
	      struct arb_actions *out);

#endif
