/* SPDX-License-Identifier: MIT */
/*
 * Timers that are armed and cancelled at every interrupt and hardly ever expire.
 *
 * Arming one that already waits, and cancelling, are stores: the timer stays where it is, and is looked
 * at again when that place comes up. Nothing runs while nothing is armed; a timer that was cancelled
 * costs at most one wake-up. Never early; late by up to 1 ms, but for precise
 * ones. All share one timerfd.
 */
#ifndef PTIRQ_TIMERS_H
#define PTIRQ_TIMERS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "broker/edge_poll.h"

struct line;

/* Embedded in what it belongs to; zero it. The executor's members are not looked at here. */
struct timer {
	struct timer *next;
	struct timer **link; /* NULL: in no list */
	uint64_t due;        /* ns; 0: not armed */
	uint64_t tick;       /* of the list it is in */
	struct line *line;
	uint32_t token;
	uint8_t kind; /* enum arb_timer */
	uint8_t unit;
	uint8_t sub;
};

/* 1 ms each; what is further away than all of them is looked at once a turn of the wheel. */
#define TIMERS_SLOTS 1024

struct timers {
	struct edge_poll poll;
	int fd;             /* the timerfd */
	uint64_t alarm;     /* ns: what it is set to; 0: not at all */
	uint64_t next_tick; /* the first that must be looked at; 0: the wheel is empty */
	uint64_t ticked;    /* the last that was looked at */
	struct timer *precise;
	struct timer *slot[TIMERS_SLOTS];
	uint64_t used[TIMERS_SLOTS / 64]; /* slots that are not empty */
	uint64_t (*now)(void *user);
	void (*expired)(void *user, struct timer *timer);
	void *user;
};

/* @now: CLOCK_MONOTONIC in ns, as of this batch. @expired: @timer is not armed any more. 0 or -errno. */
int timers_init(struct timers *timers, uv_loop_t *loop, uint64_t (*now)(void *user),
		void (*expired)(void *user, struct timer *timer), void *user);
/* Every timer must have been removed. The loop must run once more. */
void timers_deinit(struct timers *timers);

void timers_arm(struct timers *timers, struct timer *timer, uint64_t delay_ns, bool precise);

static inline void timers_cancel(struct timer *timer)
{
	timer->due = 0;
}

static inline bool timers_armed(const struct timer *timer)
{
	return timer->due != 0;
}

/* Before its memory goes. */
void timers_remove(struct timer *timer);

/* Before the loop sleeps, and after anything that may arm a timer: sets the timerfd, if it must
 * be. */
void timers_settle(struct timers *timers);

#endif
