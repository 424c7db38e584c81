/* SPDX-License-Identifier: MIT */
/* Owns the behaviour of the timer wheel: never early, not lost, not late by more than it says. */
#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

#include "broker/timers.h"
#include "tests/lib/fd_check.h"

#define MS UINT64_C(1000000)

/* No wheel is that late, and no machine that these tests are for: a fault in it costs a whole turn. */
#define STALL (TIMERS_SLOTS / 2 * MS)

static uv_loop_t loop;
static struct timers timers;
static struct timer t[64];
static uint64_t fired_at[64], due_at[64];
static unsigned int n_fired;

static uint64_t now(void *user)
{
	struct timespec ts;

	(void)user;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

static void expired(void *user, struct timer *timer)
{
	cr_assert(!timers_armed(timer));
	cr_assert_eq(user, &loop);
	fired_at[timer - t] = now(NULL);
	n_fired++;
}

static void arm(unsigned int i, uint64_t delay, bool precise)
{
	due_at[i] = now(NULL) + delay;
	timers_arm(&timers, &t[i], delay, precise);
}

/* The executor does this before its loop sleeps. */
static void on_prepare(uv_prepare_t *prepare)
{
	timers_settle(prepare->data);
}

static uv_prepare_t prepare;
static uv_timer_t guard;

static void begin(void)
{
	cr_assert_eq(uv_loop_init(&loop), 0);
	uv_loop_close(&loop);
	fd_check_begin();
	cr_assert_eq(uv_loop_init(&loop), 0);
	cr_assert_eq(timers_init(&timers, &loop, now, expired, &loop), 0);
	uv_prepare_init(&loop, &prepare);
	prepare.data = &timers;
	uv_prepare_start(&prepare, on_prepare);
	uv_timer_init(&loop, &guard);
}

static void end(void)
{
	for (unsigned int i = 0; i < 64; i++)
		timers_remove(&t[i]);
	timers_deinit(&timers);
	uv_close((uv_handle_t *)&prepare, NULL);
	uv_close((uv_handle_t *)&guard, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&loop), 0);
	fd_check_end();
}

TestSuite(timers, .init = begin, .fini = end, .timeout = 20);

static void on_guard(uv_timer_t *handle)
{
	(void)handle;
}

/* Runs the loop until @n have fired, or for @ms. */
static void run(unsigned int n, uint64_t ms)
{
	uv_update_time(&loop);
	uv_timer_start(&guard, on_guard, ms, 0);
	while (n_fired < n && uv_is_active((uv_handle_t *)&guard))
		uv_run(&loop, UV_RUN_ONCE);
	uv_timer_stop(&guard);
}

Test(timers, never_early_and_hardly_late)
{
	uint64_t best = UINT64_MAX;

	for (unsigned int i = 0; i < 40; i++)
		arm(i, (1 + i * 7 % 40) * MS + i * 1000, false);
	run(40, 2000);
	cr_assert_eq(n_fired, 40);
	for (unsigned int i = 0; i < 40; i++) {
		cr_assert_geq(fired_at[i], due_at[i], "timer %u is early", i);
		cr_assert_lt(fired_at[i], due_at[i] + STALL, "timer %u is late", i);
		if (fired_at[i] - due_at[i] < best)
			best = fired_at[i] - due_at[i];
	}
	/* 2 ms by itself; on a loaded machine others have to wait. */
	cr_assert_lt(best, 3 * MS, "the best of forty was %llu ns late", (unsigned long long)best);
}

Test(timers, precise_ones_do_not_wait_for_the_tick)
{
	uint64_t best = UINT64_MAX;

	for (unsigned int i = 0; i < 10; i++) {
		arm(i, 200000, true);
		run(i + 1, 1000);
		cr_assert_eq(n_fired, i + 1);
		cr_assert_geq(fired_at[i], due_at[i]);
		if (fired_at[i] - due_at[i] < best)
			best = fired_at[i] - due_at[i];
	}
	cr_assert_lt(best, 500000, "the best of ten was %llu ns late", (unsigned long long)best);
}

Test(timers, cancelled_does_not_fire)
{
	arm(0, 5 * MS, false);
	arm(1, 200000, true);
	timers_cancel(&t[0]);
	timers_cancel(&t[1]);
	run(1, 30);
	cr_assert_eq(n_fired, 0);
	cr_assert_null(t[0].link);
	cr_assert_null(t[1].link);
}

Test(timers, later_is_a_store)
{
	struct timer **link;

	arm(0, 5 * MS, false);
	link = t[0].link;
	arm(0, 20 * MS, false);
	cr_assert_eq(t[0].link, link);
	run(1, 1000);
	cr_assert_eq(n_fired, 1);
	cr_assert_geq(fired_at[0], due_at[0]);
}

Test(timers, earlier_moves)
{
	arm(0, 900 * MS, false);
	arm(0, 5 * MS, false);
	run(1, 800);
	cr_assert_eq(n_fired, 1);
	arm(1, 900 * MS, true);
	arm(1, 1 * MS, true);
	run(2, 800);
	cr_assert_eq(n_fired, 2);
}

Test(timers, beyond_one_turn_of_the_wheel)
{
	arm(0, (TIMERS_SLOTS + 80) * MS, false);
	run(1, 3000);
	cr_assert_eq(n_fired, 1);
	cr_assert_geq(fired_at[0], due_at[0]);
	cr_assert_lt(fired_at[0], due_at[0] + STALL);
}

/* The wheel has stood still while nothing was armed. */
Test(timers, after_a_pause)
{
	arm(0, MS, false);
	run(1, 1000);
	run(2, 1200);
	arm(1, 3 * MS, false);
	run(2, 500);
	cr_assert_eq(n_fired, 2);
	cr_assert_geq(fired_at[1], due_at[1]);
}

Test(timers, removed_ones_may_be_freed)
{
	arm(0, 3 * MS, false);
	arm(1, 3 * MS, false);
	arm(2, MS, true);
	timers_remove(&t[0]);
	timers_remove(&t[2]);
	memset(&t[0], 0xa5, sizeof(t[0]));
	memset(&t[2], 0xa5, sizeof(t[2]));
	run(1, 500);
	cr_assert_eq(n_fired, 1);
	memset(&t[0], 0, sizeof(t[0]));
	memset(&t[2], 0, sizeof(t[2]));
}

Test(timers, nothing_runs_while_nothing_is_armed)
{
	arm(0, MS, false);
	run(1, 500);
	cr_assert_eq(timers.next_tick, 0);
	cr_assert_eq(timers.alarm, 0);
}
