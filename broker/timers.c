// SPDX-License-Identifier: MIT
/*
 * Owns the wheel and the one timerfd behind it and the precise timers. Must not know what a timer is for.
 *
 * No uv_timer: with one armed, libuv gives every epoll_wait() a time-out, and the kernel sets and cancels
 * a timer of its own at each sleep, which costs more than the interrupt's whole arbitration.
 */
#include "broker/timers.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define TICK_NS UINT64_C(1000000)
#define NO_TICK UINT64_MAX

static void link_in(struct timer **head, struct timer *timer)
{
	timer->next = *head;
	timer->link = head;
	if (timer->next)
		timer->next->link = &timer->next;
	*head = timer;
}

static void unlink_timer(struct timer *timer)
{
	*timer->link = timer->next;
	if (timer->next)
		timer->next->link = timer->link;
	timer->link = NULL;
	timer->next = NULL;
}

/* ---- the wheel ----------------------------------------------------------------------------------- */

/* Rounded up: the tick after the one that @due falls into is never early. */
static uint64_t tick_of(uint64_t due)
{
	return due / TICK_NS + 1;
}

static void wheel_insert(struct timers *timers, struct timer *timer)
{
	uint64_t tick = tick_of(timer->due);
	uint32_t slot;

	/* An empty wheel has stood still for as long as it was empty. */
	if (!timers->next_tick)
		timers->ticked = timers->now(timers->user) / TICK_NS;
	/* Further than one turn: the last slot of this turn, from where it goes on. */
	if (tick >= timers->ticked + TIMERS_SLOTS)
		tick = timers->ticked + TIMERS_SLOTS - 1;
	if (tick <= timers->ticked)
		tick = timers->ticked + 1;
	slot = tick % TIMERS_SLOTS;
	timer->tick = tick;
	link_in(&timers->slot[slot], timer);
	timers->used[slot / 64] |= UINT64_C(1) << slot % 64;
	if (!timers->next_tick || tick < timers->next_tick)
		timers->next_tick = tick;
}

/* The first tick after the last one whose slot is not empty. */
static uint64_t first_tick(const struct timers *timers)
{
	uint32_t first = (timers->ticked + 1) % TIMERS_SLOTS;

	for (uint32_t i = 0; i <= TIMERS_SLOTS / 64; i++) {
		uint32_t word = (first / 64 + i) % (TIMERS_SLOTS / 64);
		uint64_t bits = timers->used[word];
		uint32_t slot;

		if (i == 0)
			bits &= UINT64_MAX << first % 64;
		if (!bits)
			continue;
		slot = word * 64 + __builtin_ctzll(bits);
		return timers->ticked + 1 + (slot - first) % TIMERS_SLOTS;
	}
	return NO_TICK;
}

/* Those that are due expire, those armed again since move on, those cancelled drop out. */
static void look_at(struct timers *timers, uint64_t tick, uint64_t now)
{
	uint32_t slot = tick % TIMERS_SLOTS;
	struct timer *timer;
	struct timer *list;

	/* Taken off whole: what is armed meanwhile may come back to the same slot. */
	list = timers->slot[slot];
	timers->slot[slot] = NULL;
	timers->used[slot / 64] &= ~(UINT64_C(1) << slot % 64);
	if (list)
		list->link = &list;
	timers->ticked = tick;
	while ((timer = list)) {
		unlink_timer(timer);
		if (!timer->due)
			continue;
		if (timer->due > now) {
			wheel_insert(timers, timer);
			continue;
		}
		timer->due = 0;
		timers->expired(timers->user, timer);
	}
}

static void turn(struct timers *timers, uint64_t now)
{
	uint64_t last = now / TICK_NS;
	uint64_t tick;

	while ((tick = first_tick(timers)) <= last)
		look_at(timers, tick, now);
	if (last > timers->ticked)
		timers->ticked = last;
	timers->next_tick = tick == NO_TICK ? 0 : tick;
}

/* ---- precise ------------------------------------------------------------------------------------- */

/* From the start after each: what it does may arm or remove any of the others. */
static void expire_precise(struct timers *timers, uint64_t now)
{
	bool again = true;

	while (again) {
		again = false;
		for (struct timer *timer = timers->precise; timer; timer = timer->next) {
			if (!timer->due || timer->due > now)
				continue;
			unlink_timer(timer);
			timer->due = 0;
			timers->expired(timers->user, timer);
			again = true;
			break;
		}
	}
}

/* Most have been cancelled by the time the loop is about to sleep: those leave the list. */
static uint64_t first_precise(struct timers *timers)
{
	uint64_t first = UINT64_MAX;
	struct timer *next;

	for (struct timer *timer = timers->precise; timer; timer = next) {
		next = timer->next;
		if (!timer->due)
			unlink_timer(timer);
		else if (timer->due < first)
			first = timer->due;
	}
	return first;
}

/* ---- both ---------------------------------------------------------------------------------------- */

static void on_alarm(void *user, bool abused)
{
	struct timers *timers = user;
	uint64_t now = timers->now(timers->user);

	(void)abused;
	timers->alarm = 0;
	expire_precise(timers, now);
	if (timers->next_tick && timers->next_tick * TICK_NS <= now)
		turn(timers, now);
}

/* An alarm that was set for a timer cancelled since is left to ring, once, rather than taken back. */
void timers_settle(struct timers *timers)
{
	uint64_t due = first_precise(timers);
	struct itimerspec at = {0};

	if (timers->next_tick && timers->next_tick * TICK_NS < due)
		due = timers->next_tick * TICK_NS;
	if (due == UINT64_MAX || (timers->alarm && timers->alarm <= due))
		return;
	timers->alarm = due;
	at.it_value = (struct timespec){due / 1000000000, due % 1000000000};
	timerfd_settime(timers->fd, TFD_TIMER_ABSTIME, &at, NULL);
}

void timers_arm(struct timers *timers, struct timer *timer, uint64_t delay_ns, bool precise)
{
	timer->due = timers->now(timers->user) + delay_ns;
	if (precise) {
		if (!timer->link)
			link_in(&timers->precise, timer);
		return;
	}
	/* It will be looked at in time where it is. */
	if (timer->link && timer->tick <= tick_of(timer->due))
		return;
	if (timer->link)
		unlink_timer(timer);
	wheel_insert(timers, timer);
}

void timers_remove(struct timer *timer)
{
	timer->due = 0;
	if (timer->link)
		unlink_timer(timer);
}

int timers_init(struct timers *timers, uv_loop_t *loop, uint64_t (*now)(void *user),
		void (*expired)(void *user, struct timer *timer), void *user)
{
	int r;

	memset(timers, 0, sizeof(*timers));
	timers->now = now;
	timers->expired = expired;
	timers->user = user;
	timers->ticked = now(user) / TICK_NS;
	timers->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (timers->fd < 0)
		return -errno;
	r = edge_poll_start(&timers->poll, loop, timers->fd, on_alarm, timers);
	if (r < 0)
		close(timers->fd);
	return r;
}

void timers_deinit(struct timers *timers)
{
	edge_poll_stop(&timers->poll, NULL);
	close(timers->fd);
	timers->fd = -1;
}
