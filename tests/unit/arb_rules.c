/* SPDX-License-Identifier: MIT */
/*
 * Rules that are sums over many rounds: fairness and guessing (A3), the budget of a round (A5). Plain
 * clients that answer at once; time is added up, not waited for.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/fd_check.h"
#include "tests/unit/arb_script.h"

TestSuite(rules, .init = fd_check_begin, .fini = fd_check_end);

static struct script s;
static uint64_t asked; /* in the latest event */

static int event(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int event(const char *format, ...)
{
	char text[200];
	va_list args;
	int error;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	error = script_event(&s, text);
	asked = 0;
	for (unsigned int i = 0; i < s.actions.n; i++) {
		if (s.actions.a[i].kind == ARB_ACT_ASK)
			asked |= UINT64_C(1) << s.actions.a[i].sub;
	}
	return error;
}

static void start(const char *config, const char *unit, const char *device, unsigned int subs)
{
	script_init(&s);
	cr_assert(script_configure(&s, config) && script_configure(&s, unit) &&
		  script_configure(&s, device));
	cr_assert_eq(event("LINE_UP"), 0);
	for (unsigned int i = 0; i < subs; i++)
		cr_assert_eq(event("JOIN sub=%u device=0", i), 0);
}

/* Whoever is asked answers at once until the round is over; returns how many were asked. */
static unsigned int round_of(const char *fired, unsigned int owner, uint64_t *ret_asked)
{
	unsigned int asks = 0;

	*ret_asked = 0;
	cr_assert_eq(event("%s", fired), 0);
	for (;;) {
		uint64_t owing;

		asks += (unsigned int)__builtin_popcountll(asked);
		*ret_asked |= asked;
		owing = arb_unit_owing(&s.arb, 0);
		if (owing) {
			unsigned int sub = (unsigned int)__builtin_ctzll(owing);

			cr_assert_eq(event("VERDICT unit=0 sub=%u round=@ verdict=%s", sub,
					   sub == owner ? "HANDLED" : "NOT_MINE"),
				     0);
		} else if (arb_unit_state(&s.arb, 0) == ARB_ROUND) {
			cr_assert_eq(event("LEVEL unit=0 token=@ level=deasserted"), 0);
		} else {
			return asks;
		}
	}
}

/*
 * A3: in every window of fair_rounds back-to-back rounds everybody is asked at least once, whoever
 * handles, and the first asked was not asked in the round before where anybody is who was not.
 */
static void fair(const char *policy, unsigned int subs)
{
	unsigned int since[ARB_MAX_SUBS] = {0};
	uint64_t last = 0, now;
	char config[64];

	snprintf(config, sizeof(config), "config policy=%s", policy);
	start(config, "unit 0", "device 0 unit=0", subs);
	round_of("FIRED unit=0", 0, &last);
	for (unsigned int i = 0; i < 100; i++) {
		uint64_t first;

		cr_assert_eq(event("FIRED unit=0 back_to_back=1"), 0);
		first = asked;
		now = first;
		cr_assert(first & ~last || last == (UINT64_C(1) << subs) - 1,
			  "%s, %u: round %u begins with one asked last time", policy, subs, i);
		/* The first one asked always handles: the worst case for the others. */
		while (arb_unit_state(&s.arb, 0) == ARB_ROUND) {
			unsigned int sub = (unsigned int)__builtin_ctzll(arb_unit_owing(&s.arb, 0));

			cr_assert_eq(event("VERDICT unit=0 sub=%u round=@ verdict=HANDLED", sub),
				     0);
			now |= asked;
		}
		for (unsigned int sub = 0; sub < subs; sub++) {
			since[sub] = now & UINT64_C(1) << sub ? 0 : since[sub] + 1;
			cr_assert_lt(since[sub], s.config.fair_rounds, "%s, %u: %u starves", policy,
				     subs, sub);
		}
		last = now;
	}
}

Test(rules, fairness)
{
	static const char *const policies[] = {"chain", "broadcast", "learned"};

	for (unsigned int p = 0; p < 3; p++) {
		for (unsigned int subs = 2; subs <= 20; subs++)
			fair(policies[p], subs);
	}
}

/* A pseudo-random number below 100; the sequence is fixed. */
static unsigned int percent(void)
{
	static uint32_t x = 12345;

	x = x * 1664525 + 1013904223;
	return (x >> 16) % 100;
}

static double asks_per_interrupt(const char *policy, unsigned int subs, unsigned int share)
{
	unsigned int asks = 0, rounds = 10000;
	char config[64];
	uint64_t who;

	snprintf(config, sizeof(config), "config policy=%s", policy);
	start(config, "unit 0 sample", "device 0 unit=0 status", subs);
	for (unsigned int i = 0; i < rounds; i++)
		asks += round_of("FIRED unit=0", percent() < share ? 1 : 0, &who);
	return (double)asks / rounds;
}

/* A3: what learned is for, where nothing but experience tells two functions of a device apart. */
Test(rules, learned_guesses)
{
	double biased = asks_per_interrupt("learned", 2, 95);
	double even = asks_per_interrupt("learned", 2, 50);

	printf("asks per interrupt: learned %.3f at 95:5, %.3f at even odds\n", biased, even);
	cr_assert_leq(biased, 1.1);
	cr_assert_leq(even, 1.6);
	cr_assert_float_eq(asks_per_interrupt("broadcast", 2, 95), 2.0, 0.001);
}

/* A3: the source tells whose device it is: nobody else is asked, however many there are. */
Test(rules, attribution)
{
	unsigned int asks = 0;
	uint64_t who;

	script_init(&s);
	cr_assert(script_configure(&s, "config policy=learned n_devices=4"));
	cr_assert(script_configure(&s, "unit 0 sample"));
	for (unsigned int d = 0; d < 4; d++) {
		char device[32];

		snprintf(device, sizeof(device), "device %u unit=0 status", d);
		cr_assert(script_configure(&s, device));
	}
	cr_assert_eq(event("LINE_UP"), 0);
	for (unsigned int d = 0; d < 4; d++)
		cr_assert_eq(event("JOIN sub=%u device=%u", d, d), 0);
	for (unsigned int i = 0; i < 100; i++) {
		char fired[64];

		snprintf(fired, sizeof(fired), "FIRED unit=0 attribution=0x%x", 1u << i % 4);
		asks += round_of(fired, i % 4, &who);
	}
	cr_assert_eq(asks, 100u);
}

/* When the latest action of this kind is due, in ns after now. */
static uint64_t delay_of(enum arb_timer timer)
{
	uint64_t delay = 0;

	for (unsigned int i = 0; i < s.actions.n; i++) {
		const struct arb_action *a = &s.actions.a[i];

		if (a->kind == ARB_ACT_ARM_TIMER && a->timer == timer && a->delay > delay)
			delay = a->delay;
	}
	return delay;
}

/* A5: everybody is silent: the round is over when the budget is, whatever the policy. */
static uint64_t silent_round(const char *policy, unsigned int subs, uint64_t deadline)
{
	uint64_t now = 0, hedge_at = 0, expires[ARB_MAX_SUBS] = {0};
	char config[64];

	snprintf(config, sizeof(config), "config policy=%s ask_deadline=%lu", policy,
		 (unsigned long)deadline);
	start(config, "unit 0", "device 0 unit=0", subs);
	cr_assert_eq(event("FIRED unit=0"), 0);
	for (;;) {
		uint64_t owing = arb_unit_owing(&s.arb, 0), next = UINT64_MAX;
		unsigned int who = 0;

		for (unsigned int sub = 0; sub < subs; sub++) {
			if (asked & UINT64_C(1) << sub)
				expires[sub] = now + delay_of(ARB_TIMER_ASK);
		}
		if (delay_of(ARB_TIMER_HEDGE))
			hedge_at = now + delay_of(ARB_TIMER_HEDGE);
		if (!owing)
			return now;
		for (unsigned int sub = 0; sub < subs; sub++) {
			if (owing & UINT64_C(1) << sub && expires[sub] < next) {
				next = expires[sub];
				who = sub;
			}
		}
		if (hedge_at && hedge_at <= next) {
			now = hedge_at;
			hedge_at = 0;
			cr_assert_eq(event("TIMER timer=HEDGE unit=0 sub=0 token=@"), 0);
		} else {
			now = next;
			cr_assert_eq(event("TIMER timer=ASK unit=0 sub=%u token=1", who), 0);
			hedge_at = 0;
		}
	}
}

Test(rules, budget)
{
	static const char *const policies[] = {"chain", "broadcast", "learned"};
	static const uint64_t deadlines[] = {0, 1000, 10000000, 60000000, 100000000, 1000000000};

	for (unsigned int p = 0; p < 3; p++) {
		for (unsigned int subs = 1; subs <= ARB_MAX_SUBS; subs += 7) {
			for (unsigned int d = 0; d < 6; d++) {
				uint64_t took = silent_round(policies[p], subs, deadlines[d]);

				cr_assert_leq(took, s.config.round_deadline,
					      "%s, %u silent, %lu: masked for %lu ns", policies[p],
					      subs, (unsigned long)deadlines[d],
					      (unsigned long)took);
				cr_assert_gt(took, 0u);
			}
		}
	}
}

/*
 * A5: the hedge counts with what has passed only, while the first one still has its time. So whoever is
 * in quarantine at that moment is not asked later in this round, though it is out of it by then.
 */
Test(rules, budget_of_a_hedge)
{
	start("config policy=learned strikes_max=1 n_units=2 n_devices=2 ask_deadline=90000000",
	      "unit 0", "device 1 unit=1", 1);
	cr_assert_eq(event("JOIN sub=1 device=0 deadline=1000000"), 0);
	cr_assert_eq(event("JOIN sub=2 device=255"), 0);
	cr_assert_eq(event("FIRED unit=1"), 0);
	cr_assert_eq(event("FIRED unit=0"), 0);
	cr_assert_eq(asked, 1u);
	cr_assert_eq(delay_of(ARB_TIMER_ASK), s.config.round_deadline / 2);

	cr_assert_eq(event("TIMER timer=ASK unit=1 sub=2 token=1"), 0);
	cr_assert(arb_sub_quarantined(&s.arb, 2));
	cr_assert_eq(event("TIMER timer=HEDGE unit=0 sub=0 token=@"), 0);
	cr_assert_eq(asked, 2u);
	cr_assert_eq(event("VERDICT unit=1 sub=2 round=1 verdict=NOT_MINE"), 0);
	cr_assert_not(arb_sub_quarantined(&s.arb, 2));

	/* After half of the budget; the third would have been given nearly all of it. */
	cr_assert_eq(event("TIMER timer=ASK unit=0 sub=1 token=1"), 0);
	cr_assert_eq(event("TIMER timer=ASK unit=0 sub=0 token=1"), 0);
	cr_assert_eq(asked, 0u);
	cr_assert_eq(arb_unit_owing(&s.arb, 0), 0u);
}

/* A9: after the pause as many as it has earned, a tenth of the bucket here, before the next pause. */
Test(rules, storm)
{
	unsigned int rounds = 0;
	uint64_t who;

	start("config policy=chain storm_burst=50", "unit 0", "device 0 unit=0", 1);
	while (arb_unit_state(&s.arb, 0) == ARB_IDLE) {
		round_of("FIRED unit=0", 0, &who);
		rounds++;
	}
	cr_assert_eq(rounds, 50u);
	cr_assert_eq(arb_unit_state(&s.arb, 0), ARB_THROTTLED);
	cr_assert_eq(event("TIMER timer=STATE unit=0 sub=0 token=@"), 0);
	for (rounds = 0; arb_unit_state(&s.arb, 0) == ARB_IDLE; rounds++)
		round_of("FIRED unit=0", 0, &who);
	cr_assert_eq(rounds, 5u);
}

/* A6, A8: back-offs grow to their maximum and stay there. */
Test(rules, backoffs)
{
	uint64_t delay = 0;

	start("config policy=chain strikes_max=1000", "unit 0", "device 0 unit=0", 1);
	for (unsigned int i = 0; i < 300; i++) {
		cr_assert_eq(event("FIRED unit=0"), 0);
		cr_assert_eq(event("TIMER timer=ASK unit=0 sub=0 token=@"), 0);
		cr_assert_geq(delay_of(ARB_TIMER_PROBE), delay);
		delay = delay_of(ARB_TIMER_PROBE);
		cr_assert_eq(event("TIMER timer=PROBE unit=0 sub=0 token=@"), 0);
		(void)event("TIMER timer=STRIKE unit=0 sub=0 token=@");
		(void)event("TIMER timer=WINDOW unit=0 sub=0 token=@");
	}
	cr_assert_eq(delay, s.config.probe_max);

	start("config policy=chain unhandled_max=1", "unit 0", "device 0 unit=0", 1);
	for (unsigned int i = 0; i < 300; i++) {
		cr_assert_eq(event("FIRED unit=0"), 0);
		cr_assert_eq(event("VERDICT unit=0 sub=0 round=@ verdict=NOT_MINE"), 0);
		delay = delay_of(ARB_TIMER_STATE);
		cr_assert_eq(event("TIMER timer=STATE unit=0 sub=0 token=@"), 0);
	}
	cr_assert_eq(delay, s.config.throttle_max);
}

/* Rounds and tokens count modulo 2^32 and skip 0, which means none. */
Test(rules, wrap)
{
	uint64_t who;

	start("config policy=chain", "unit 0 sample", "device 0 unit=0", 2);
	s.arb.units[0].round = UINT32_MAX - 1;
	s.arb.token = UINT32_MAX - 2;
	for (unsigned int i = 0; i < 4; i++) {
		cr_assert_eq(arb_unit_due(&s.arb, 0), i == 0 ? UINT32_MAX : i);
		round_of("FIRED unit=0 back_to_back=1", i % 2, &who);
	}
	cr_assert_eq(event("FIRED unit=0"), 0);
	cr_assert_eq(arb_unit_due(&s.arb, 0), 4u);
	cr_assert_eq(event("VERDICT unit=0 sub=%u round=4 verdict=HANDLED",
			   (unsigned int)__builtin_ctzll(arb_unit_owing(&s.arb, 0))),
		     0);
	cr_assert_eq(event("LEVEL unit=0 token=@ level=deasserted"), 0);
	cr_assert_eq(arb_unit_round(&s.arb, 0), 4u);
	cr_assert_lt(s.arb.token, 6u);
}
