/* SPDX-License-Identifier: MIT */
/*
 * Random events, half of them what the core is waiting for, in any order that no source and no client
 * would ever produce. After each: the invariants hold, a refused one changed nothing, its text reads
 * back as itself. Built with the usual capacities and with 2 subscribers and 4-bit rounds, where
 * numbers wrap all the time. One seed, one history: arb_walk [FIRST-SEED [COUNT]].
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/arb/arb_state.h"

#define STEPS   2000
#define SEEDS   150
#define SUBS    (ARB_MAX_SUBS < 5 ? ARB_MAX_SUBS : 5)
#define DEVICES (ARB_MAX_DEVICES < 3 ? ARB_MAX_DEVICES : 3)
#define KEPT    64

static struct arb arb, before;
static struct arb_actions actions;
/* Actions that will be answered: timers, samples, operations. */
static struct arb_action awaited[KEPT];
static unsigned int n_awaited;
static uint64_t rng;

/* splitmix64 (Steele, Lea, Flood 2014; public domain) */
static uint32_t below(uint32_t n)
{
	uint64_t z = (rng += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z ^ z >> 31) % n);
}

static bool one_in(uint32_t n)
{
	return below(n) == 0;
}

static void configure(struct arb_config *c)
{
	arb_config_default(c);
	c->policy = (uint8_t)below(ARB_N_POLICIES);
	c->n_devices = (uint8_t)(1 + below(DEVICES));
	c->n_units = (uint8_t)(1 + below(c->n_devices));
	for (uint8_t d = 0; d < c->n_devices; d++) {
		c->device_flags[d] = (uint8_t)below(4);
		c->device_unit[d] = (uint8_t)(d < c->n_units ? d : below(c->n_units));
	}
	for (uint8_t i = 0; i < c->n_units; i++)
		c->unit_flags[i] = (uint8_t)((one_in(8) ? ARB_UNIT_EDGE : 0) |
					     (one_in(2) ? ARB_UNIT_SAMPLE : 0) |
					     (one_in(4) ? ARB_UNIT_DIRECT : 0) |
					     (one_in(3) ? ARB_UNIT_NOTIFY : 0));
	c->storm_burst = one_in(3) ? 5 : 50000;
	c->lies_max = 3;
	c->fair_rounds = 1 + below(4);
	c->unhandled_max = 1 + below(4);
	c->guest_budget = 3;
	c->fault_tries = 1 + below(3);
	assert(arb_config_check(c) == 0);
}

static uint16_t some_devices(uint8_t unit)
{
	return (uint16_t)(arb.units[unit].devices & below(8));
}

static void answer(struct arb_event *ev)
{
	/* Mostly the latest. */
	unsigned int i = one_in(2) ? n_awaited - 1 : below(n_awaited);
	struct arb_action a = awaited[i];

	awaited[i] = awaited[--n_awaited];
	ev->unit = a.unit;
	ev->token = a.token;
	if (a.kind == ARB_ACT_ARM_TIMER) {
		ev->kind = ARB_EV_TIMER;
		ev->timer = a.timer;
		ev->sub = a.sub;
	} else if (a.kind == ARB_ACT_SAMPLE_LEVEL && !one_in(8)) {
		ev->kind = ARB_EV_LEVEL;
		ev->round = a.round;
		ev->level = (uint8_t)below(3);
		ev->status_known = one_in(2) ? 0 : some_devices(a.unit);
		ev->status = (uint16_t)(ev->status_known & below(8));
	} else {
		ev->kind = a.kind == ARB_ACT_SAMPLE_LEVEL || one_in(3) ? ARB_EV_OP_FAILED
								       : ARB_EV_OP_DONE;
		ev->op = a.kind;
	}
}

static void verdict(struct arb_event *ev)
{
	const struct arb_unit *u = &arb.units[ev->unit];

	ev->kind = ARB_EV_VERDICT;
	ev->sub = (uint8_t)below(SUBS);
	ev->verdict = (uint8_t)(1 + below(3));
	ev->round = one_in(4) ? u->round + below(2) : u->asked_round[ev->sub];
}

static void operation_fails(struct arb_event *ev)
{
	static const uint8_t ops[] = {ARB_ACT_UNMASK, ARB_ACT_MASK, ARB_ACT_QUIET_DEVICE,
				      ARB_ACT_UNQUIET_DEVICE};

	ev->kind = ARB_EV_OP_FAILED;
	ev->op = ops[below(4)];
	if (ev->op == ARB_ACT_QUIET_DEVICE || ev->op == ARB_ACT_UNQUIET_DEVICE)
		ev->device = (uint8_t)below(arb.config.n_devices);
}

static void people(struct arb_event *ev)
{
	ev->unit = 0;
	ev->kind = (uint8_t)(ARB_EV_JOIN + below(5));
	ev->sub = (uint8_t)below(SUBS);
	if (one_in(2))
		ev->kind = one_in(3) ? ARB_EV_UNPARK : ARB_EV_JOIN;
	if (ev->kind != ARB_EV_JOIN)
		return;
	ev->device = one_in(3) ? ARB_NO_DEVICE : (uint8_t)below(arb.config.n_devices);
	ev->flags = (uint8_t)below(8);
	ev->priority = (uint8_t)below(2);
}

static void source(struct arb_event *ev)
{
	static const uint8_t up[] = {ARB_EV_LINE_UP, ARB_EV_UNIT_UP};
	static const uint8_t gone[] = {ARB_EV_LINE_GONE, ARB_EV_UNIT_GONE};

	ev->kind = one_in(20) ? gone[below(2)] : up[below(2)];
	if (ev->kind == ARB_EV_LINE_UP || ev->kind == ARB_EV_LINE_GONE)
		ev->unit = 0;
}

static void people_of_authority(struct arb_event *ev)
{
	static const uint8_t kinds[] = {ARB_EV_TAP, ARB_EV_RESUMED, ARB_EV_POLICY,
					ARB_EV_SUB_POLICY};

	ev->kind = kinds[below(4)];
	if (ev->kind == ARB_EV_POLICY || ev->kind == ARB_EV_SUB_POLICY)
		ev->unit = 0;
	if (ev->kind == ARB_EV_TAP)
		ev->tapped = one_in(2);
	if (ev->kind == ARB_EV_POLICY)
		ev->policy = (uint8_t)below(ARB_N_POLICIES);
	if (ev->kind == ARB_EV_SUB_POLICY)
		ev->sub = (uint8_t)below(SUBS);
}

static void next_event(struct arb_event *ev)
{
	uint32_t dice = below(40);

	memset(ev, 0, sizeof(*ev));
	ev->unit = (uint8_t)below(arb.config.n_units);
	if (dice < 14 && n_awaited) {
		answer(ev);
	} else if (dice < 26) {
		verdict(ev);
	} else if (dice < 33) {
		ev->kind = ARB_EV_FIRED;
		ev->attribution = one_in(2) ? 0 : some_devices(ev->unit);
		ev->back_to_back = one_in(2);
	} else if (dice < 36) {
		people(ev);
	} else if (dice < 38) {
		source(ev);
	} else if (dice < 39) {
		operation_fails(ev);
	} else {
		people_of_authority(ev);
	}
}

static void remember(void)
{
	for (unsigned int i = 0; i < actions.n; i++) {
		uint8_t kind = actions.a[i].kind;

		if (kind != ARB_ACT_ARM_TIMER && kind != ARB_ACT_SAMPLE_LEVEL &&
		    kind != ARB_ACT_PROMOTE && kind != ARB_ACT_DEMOTE)
			continue;
		if (n_awaited == KEPT)
			awaited[below(KEPT)] = awaited[--n_awaited];
		awaited[n_awaited++] = actions.a[i];
	}
}

static bool step(unsigned int *accepted)
{
	enum arb_invariant broken = ARB_INV_NONE;
	struct arb_event ev, again;
	char text[256];
	int error;

	next_event(&ev);
	arb_event_format(&ev, text, sizeof(text));
	memcpy(&before, &arb, sizeof(arb));
	error = arb_step(&arb, &ev, &actions);
	if (!arb_check(&arb, &broken)) {
		printf("invariant %d broken by %s\n", (int)broken, text);
		return false;
	}
	if (error && (actions.n || memcmp(&before, &arb, sizeof(arb)) != 0)) {
		printf("changed by refused %s\n", text);
		return false;
	}
	if (arb_event_parse(text, &again) || memcmp(&ev, &again, sizeof(ev)) != 0) {
		printf("reads back as another: %s\n", text);
		return false;
	}
	*accepted += !error;
	remember();
	return true;
}

int main(int argc, char **argv)
{
	unsigned long first = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
	unsigned long seeds = argc > 2 ? strtoul(argv[2], NULL, 10) : SEEDS;
	unsigned int accepted = 0;

	for (unsigned long seed = first; seed < first + seeds; seed++) {
		struct arb_config config;

		rng = seed;
		n_awaited = 0;
		configure(&config);
		arb_init(&arb, &config);
		for (unsigned int i = 0; i < STEPS; i++) {
			if (step(&accepted))
				continue;
			printf("seed %lu, step %u\n", seed, i);
			return 1;
		}
	}
	printf("%lu seeds, %.0f %% of the events accepted\n", seeds,
	       100.0 * accepted / ((double)seeds * STEPS));
	return 0;
}
