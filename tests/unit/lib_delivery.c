// SPDX-License-Identifier: MIT
/*
 * libptirq: from the page to the driver and back: wait, take, ack, the races of the news words,
 * messages, eventfds of one's own, handlers in a foreign loop, watching. Against a fake broker.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/time.h>

#include "ptirq-admin.h"
#include "tests/lib/fake_broker.h"
#include "tests/lib/fd_check.h"

static struct fake *fake;
static struct ptirq *p;
static struct ptirq_sub *sub;
static struct ptirq_irq irq;

static void begin(void)
{
	fd_check_begin();
	fake = fake_new();
	cr_assert_eq(ptirq_open(&p, fake_path(fake)), 0, "%s", ptirq_error(p));
	cr_assert_eq(ptirq_subscribe(p, "demo", NULL, &sub), 0);
}

static void end(void)
{
	ptirq_close(p);
	fake_free(fake);
	fd_check_end();
}

TestSuite(lib_delivery, .init = begin, .fini = end, .timeout = 20);

static bool readable(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	return poll(&pfd, 1, 0) == 1;
}

static struct ptirq_sub *subscribe_with(uint32_t flags)
{
	struct ptirq_options options = PTIRQ_OPTIONS_INIT;
	struct ptirq_sub *other;

	options.flags = flags;
	cr_assert_eq(ptirq_subscribe(p, "other", &options, &other), 0, "%s", ptirq_error(p));
	return other;
}

Test(lib_delivery, nothing)
{
	cr_assert_eq(ptirq_take(sub, &irq), -EAGAIN);
	cr_assert_eq(ptirq_wait(sub, &irq, 0), -ETIMEDOUT);
	cr_assert_eq(ptirq_wait(sub, &irq, 20), -ETIMEDOUT);
}

/* What failed before is not why nothing has come. */
Test(lib_delivery, nothing_has_no_sentence)
{
	cr_assert_eq(ptirq_ack(sub, &irq, 9), -EINVAL);
	cr_assert_neq(ptirq_error(p)[0], 0);
	cr_assert_eq(ptirq_wait(sub, &irq, 0), -ETIMEDOUT);
	cr_assert_str_eq(ptirq_error(p), "");
	cr_assert_eq(ptirq_ack(sub, &irq, 9), -EINVAL);
	cr_assert_eq(ptirq_take(sub, &irq), -EAGAIN);
	cr_assert_str_eq(ptirq_error(p), "");
}

Test(lib_delivery, one)
{
	fake_asleep(fake);
	fake_ask(fake, 0, 7, SLOT_PROBE | SLOT_HEDGE);
	cr_assert_eq(ptirq_wait(sub, &irq, -1), 0);
	cr_assert_eq(irq.round, 7);
	cr_assert_eq(irq.unit, 10);
	cr_assert_eq(irq.flags, PTIRQ_PROBE | PTIRQ_HEDGE);
	cr_assert_eq(irq.status, 3);
	cr_assert_eq(irq.fired_at_ns, 1007);
	cr_assert_eq(irq.count, 1);
	cr_assert_eq(irq.epoch, 1);
	cr_assert_eq(ptirq_take(sub, &irq), -EAGAIN);
	cr_assert_eq(ptirq_ack(sub, &irq, PTIRQ_EOI), 0);
	cr_assert_eq(fake_ack_writes(fake), 1);
	cr_assert_eq(fake_acked(fake, 0), PAGE_ACK(7, PTIRQ_EOI));
}

Test(lib_delivery, already_there)
{
	fake_ask(fake, 0, 1, 0);
	cr_assert_eq(ptirq_take(sub, &irq), 0);
	cr_assert_eq(irq.round, 1);
}

Test(lib_delivery, ack_wait)
{
	fake_ask(fake, 0, 1, 0);
	cr_assert_eq(ptirq_wait(sub, &irq, 0), 0);
	for (uint32_t round = 2; round < 20; round++) {
		fake_asleep(fake);
		fake_ask(fake, 0, round, 0);
		cr_assert_eq(ptirq_ack_wait(sub, &irq, PTIRQ_HANDLED, 5000), 0);
		cr_assert_eq(irq.round, round);
		cr_assert_eq(fake_acked(fake, 0), PAGE_ACK(round - 1, PTIRQ_HANDLED));
	}
	cr_assert_eq(fake_ack_writes(fake), 18);
}

/* While the broker has not looked at the acks, they cost no system call. */
Test(lib_delivery, acks_coalesce)
{
	struct ptirq_sub *other = subscribe_with(0);
	struct ptirq_irq irq2;

	fake_ask(fake, 0, 1, 0);
	fake_ask(fake, 1, 2, 0);
	cr_assert_eq(ptirq_take(sub, &irq), 0);
	cr_assert_eq(ptirq_take(other, &irq2), 0);
	cr_assert_eq(ptirq_ack(sub, &irq, PTIRQ_HANDLED), 0);
	cr_assert_eq(ptirq_ack(other, &irq2, PTIRQ_NOT_MINE), 0);
	cr_assert_eq(fake_ack_writes(fake), 1);
	cr_assert_eq(fake_acked(fake, 0), PAGE_ACK(1, PTIRQ_HANDLED));
	cr_assert_eq(fake_acked(fake, 1), PAGE_ACK(2, PTIRQ_NOT_MINE));
}

Test(lib_delivery, no_verdict)
{
	fake_ask(fake, 0, 1, 0);
	cr_assert_eq(ptirq_take(sub, &irq), 0);
	cr_assert_eq(ptirq_ack(sub, &irq, (enum ptirq_verdict)0), -EINVAL);
	cr_assert_eq(ptirq_ack(sub, &irq, (enum ptirq_verdict)4), -EINVAL);
	cr_assert_eq(fake_acked(fake, 0), 0);
	/* Edge lines owe nothing. */
	irq.flags |= PTIRQ_EDGE;
	cr_assert_eq(ptirq_ack(sub, &irq, PTIRQ_HANDLED), 0);
	cr_assert_eq(fake_acked(fake, 0), 0);
	/* Nor does what was never asked on this subscription. */
	irq = (struct ptirq_irq){.round = 1, .unit = 99, .epoch = 1};
	cr_assert_eq(ptirq_ack(sub, &irq, PTIRQ_HANDLED), 0);
	cr_assert_eq(fake_acked(fake, 0), 0);
}

/*
 * The race: the client has taken the summary, and the broker posts before the client sleeps. The
 * wake's edge is still there though the news has been taken.
 */
Test(lib_delivery, stale_edge_does_not_end_a_wait)
{
	fake_ask(fake, 0, 1, 0);
	cr_assert_eq(ptirq_take(sub, &irq), 0); /* without a look at the eventfd */
	cr_assert_eq(ptirq_wait(sub, &irq, 0), -ETIMEDOUT);
	fake_asleep(fake);
	fake_ask(fake, 0, 2, 0);
	cr_assert_eq(ptirq_wait(sub, &irq, 5000), 0);
	cr_assert_eq(irq.round, 2);
}

/* The broker found the summary set, and wrote nothing: the news is seen all the same. */
Test(lib_delivery, news_behind_a_set_summary)
{
	struct ptirq_sub *other = subscribe_with(0);

	fake_ask(fake, 0, 1, 0);
	fake_ask_silently(fake, 1, 1);
	cr_assert_eq(ptirq_wait(other, &irq, 1000), 0);
	/* And the one that was found for somebody else is kept. */
	cr_assert_eq(ptirq_wait(sub, &irq, 0), 0);
	fake_ask_silently(fake, 0, 2);
	cr_assert_eq(ptirq_take(sub, &irq), 0);
	cr_assert_eq(irq.round, 2);
}

Test(lib_delivery, a_newer_round_replaces_the_older)
{
	fake_ask(fake, 0, 1, 0);
	fake_ask(fake, 0, 2, 0);
	cr_assert_eq(ptirq_take(sub, &irq), 0);
	cr_assert_eq(irq.round, 2);
	cr_assert_eq(irq.count, 2);
	cr_assert_eq(ptirq_take(sub, &irq), -EAGAIN);
}

Test(lib_delivery, retraction)
{
	/* Of what has been taken: no interrupt. */
	fake_ask(fake, 0, 1, 0);
	cr_assert_eq(ptirq_take(sub, &irq), 0);
	fake_ask(fake, 0, 1, SLOT_RETRACTED);
	cr_assert_eq(ptirq_take(sub, &irq), -EAGAIN);
	/* Of what has not: delivered as such, so that a late answer can clear the debt. */
	fake_ask(fake, 0, 2, 0);
	fake_ask(fake, 0, 2, SLOT_RETRACTED);
	cr_assert_eq(ptirq_take(sub, &irq), 0);
	cr_assert_eq(irq.round, 2);
	cr_assert_eq(irq.flags, PTIRQ_RETRACTED);
	cr_assert_eq(ptirq_ack(sub, &irq, PTIRQ_HANDLED), 0);
	cr_assert_eq(fake_acked(fake, 0), PAGE_ACK(2, PTIRQ_HANDLED));
}

/* The one that fires again at once comes again after the others. */
Test(lib_delivery, units_take_turns)
{
	struct ptirq_sub *other;
	uint32_t first, taken = 0;

	fake_units(fake, 3);
	other = subscribe_with(0); /* slots 1 to 3, units 10 to 12 */
	for (uint32_t slot = 1; slot < 4; slot++)
		fake_ask(fake, slot, 1, 0);
	cr_assert_eq(ptirq_take(other, &irq), 0);
	first = irq.unit;
	fake_ask(fake, first - 9, 2, 0);
	for (int i = 0; i < 3; i++) {
		taken |= 1u << irq.unit;
		cr_assert_eq(ptirq_ack(other, &irq, PTIRQ_HANDLED), 0);
		cr_assert_eq(fake_acked(fake, irq.unit - 9), PAGE_ACK(1, PTIRQ_HANDLED));
		cr_assert_eq(ptirq_take(other, &irq), 0);
	}
	cr_assert_eq(taken, 7u << 10);
	cr_assert_eq(irq.unit, first);
	cr_assert_eq(irq.round, 2);
	cr_assert_eq(ptirq_take(other, &irq), -EAGAIN);
}

/* Slots of the last word, which have a bit of their own in the summary. */
Test(lib_delivery, many_subscriptions)
{
	struct ptirq_sub *last = NULL;

	fake_units(fake, 16);
	for (int i = 0; i < 63; i++)
		last = subscribe_with(0);
	fake_asleep(fake);
	fake_ask(fake, 1 + 16 * 63 - 1, 9, 0);
	cr_assert_eq(ptirq_wait(last, &irq, 5000), 0);
	cr_assert_eq(irq.unit, 25);
	/* A slot beyond the page is refused, and nothing is written there. */
	cr_assert_eq(ptirq_subscribe(p, "other", NULL, &last), -EPROTO);
}

static void ignore(int signal)
{
	(void)signal;
}

Test(lib_delivery, signal)
{
	struct sigaction action = {.sa_handler = ignore};

	sigaction(SIGUSR1, &action, NULL);
	fake_asleep(fake);
	fake_kill_me(fake, SIGUSR1);
	cr_assert_eq(ptirq_wait(sub, &irq, -1), -EINTR);
}

/* ---- messages ---- */

static void interrupt(uint32_t subscription, uint32_t round)
{
	struct wire_event event = {
		.kind = WIRE_EV_INTERRUPT,
		.interrupt = {.subscription = subscription,
			      .unit = 10,
			      .round = round,
			      .count = round},
	};

	fake_event(fake, &event);
}

Test(lib_delivery, messages)
{
	struct ptirq_sub *other = subscribe_with(PTIRQ_OPT_MESSAGES);
	struct wire_event retracted = {
		.kind = WIRE_EV_RETRACTED,
		.retracted = {.subscription = 2, .unit = 10, .round = 5},
	};
	struct wire_request ack;

	cr_assert(fake_last(fake, WIRE_REQ_SUBSCRIBE).subscribe.messages);
	fake_asleep(fake);
	interrupt(2, 4);
	cr_assert_eq(ptirq_wait(other, &irq, 5000), 0);
	cr_assert_eq(irq.round, 4);
	cr_assert_eq(irq.flags, 0);
	fake_asleep(fake);
	interrupt(2, 5);
	cr_assert_eq(ptirq_ack_wait(other, &irq, PTIRQ_NOT_MINE, 5000), 0);
	cr_assert_eq(irq.round, 5);
	ack = fake_last(fake, WIRE_REQ_ACK);
	cr_assert_eq(ack.ack.subscription, 2);
	cr_assert_eq(ack.ack.unit, 10);
	cr_assert_eq(ack.ack.round, 4);
	cr_assert_eq(ack.ack.verdict, PTIRQ_NOT_MINE);
	/* Its reply is nobody's, whatever it says. */
	fake_refuse(fake, WIRE_REQ_ACK, WIRE_STALE, "stale");
	cr_assert_eq(ptirq_ack(other, &irq, PTIRQ_HANDLED), 0);
	cr_assert_eq(ptirq_wait(other, &irq, 0), -ETIMEDOUT);

	/* A retraction of what was taken is silent, of what was not it is told. */
	fake_event(fake, &retracted);
	cr_assert_eq(ptirq_wait(other, &irq, 0), -ETIMEDOUT);
	interrupt(2, 6);
	retracted.retracted.round = 6;
	fake_event(fake, &retracted);
	interrupt(2, 9999);
	interrupt(77, 1);
	cr_assert_eq(ptirq_wait(other, &irq, 0), 0);
	cr_assert_eq(irq.round, 9999);
	cr_assert_eq(irq.missed, 1);
	interrupt(2, 10000);
	retracted.retracted.round = 10000;
	fake_event(fake, &retracted);
	cr_assert_eq(ptirq_wait(other, &irq, 0), 0);
	cr_assert_eq(irq.flags, PTIRQ_RETRACTED);
}

/* With no page to look at, an endless wait is one in the socket itself. */
Test(lib_delivery, messages_alone)
{
	struct ptirq_sub *other = subscribe_with(PTIRQ_OPT_MESSAGES);
	struct itimerval often = {.it_interval.tv_usec = 20000, .it_value.tv_usec = 20000},
			 off = {.it_value = {0}};
	struct sigaction action = {.sa_handler = ignore};
	int r = 0;

	ptirq_unsubscribe(sub);
	fake_asleep(fake);
	interrupt(2, 4);
	cr_assert_eq(ptirq_wait(other, &irq, -1), 0);
	cr_assert_eq(irq.round, 4);
	interrupt(2, 5);
	cr_assert_eq(ptirq_ack_wait(other, &irq, PTIRQ_HANDLED, -1), 0);
	cr_assert_eq(irq.round, 5);
	cr_assert_eq(ptirq_wait(other, &irq, 0), -ETIMEDOUT);

	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	fake_asleep(fake);
	fake_kill_me(fake, SIGUSR1);
	cr_assert_eq(ptirq_wait(other, &irq, -1), -EINTR);

	fake_asleep(fake);
	fake_hang_up(fake);
	setitimer(ITIMER_REAL, &often, NULL);
	while (ptirq_epoch(p) != 2) {
		r = ptirq_wait(other, &irq, -1);
		cr_assert_eq(r, -EINTR);
	}
	setitimer(ITIMER_REAL, &off, NULL);
}

Test(lib_delivery, events_before_a_reply_are_applied)
{
	struct ptirq_sub *other = subscribe_with(PTIRQ_OPT_MESSAGES);
	struct wire_event event = {
		.kind = WIRE_EV_INTERRUPT,
		.interrupt = {.subscription = 2, .unit = 10, .round = 3, .count = 1},
	};

	fake_interject(fake, &event);
	cr_assert_eq(ptirq_reload(p), 0);
	cr_assert_eq(ptirq_take(other, &irq), 0);
	cr_assert_eq(irq.round, 3);
}

/* The subscription is not known here yet when they come. */
Test(lib_delivery, interrupts_right_behind_a_subscription)
{
	struct wire_event event = {
		.kind = WIRE_EV_INTERRUPT,
		.interrupt = {.subscription = 2, .unit = 10, .round = 3, .count = 1},
	};
	struct ptirq_sub *other;

	fake_follow(fake, &event);
	other = subscribe_with(PTIRQ_OPT_MESSAGES);
	cr_assert_eq(ptirq_wait(other, &irq, 1000), 0);

	/* By page: the news is taken before its slot belongs to anybody. */
	fake_ask(fake, 2, 4, 0);
	cr_assert_eq(ptirq_wait(sub, &irq, 0), -ETIMEDOUT);
	other = subscribe_with(0);
	cr_assert_eq(ptirq_take(other, &irq), 0);
	cr_assert_eq(irq.round, 4);
}

/* ---- eventfds of one's own ---- */

Test(lib_delivery, own_eventfds)
{
	struct ptirq_sub *other = subscribe_with(PTIRQ_OPT_EVENTFDS);

	cr_assert_not(readable(ptirq_wake_fd(other)));
	fake_own_wake(fake);
	cr_assert(readable(ptirq_wake_fd(other)));
	eventfd_write(ptirq_resample_fd(other), 1);
	cr_assert_eq(fake_own_resampled(fake), 1);
	cr_assert_not(ptirq_rebind_needed(other));
	cr_assert_eq(ptirq_wait(other, &irq, -1), -EINVAL);
	cr_assert_eq(ptirq_take(other, &irq), -EINVAL);
	cr_assert_not_null(strstr(ptirq_error(p), "wake eventfd"));
}

/* ---- handlers in a foreign loop ---- */

static struct {
	int calls;
	uint32_t round;
	enum ptirq_verdict verdict;
	struct ptirq_sub *drop;
} seen;

static enum ptirq_verdict handler(struct ptirq_sub *from, const struct ptirq_irq *what,
				  void *userdata)
{
	cr_assert_eq(userdata, &seen);
	cr_assert_eq(ptirq_dispatch(p), 0); /* no recursion */
	seen.calls++;
	seen.round = what->round;
	ptirq_unsubscribe(seen.drop);
	seen.drop = NULL;
	(void)from;
	return seen.verdict;
}

Test(lib_delivery, handlers)
{
	seen.verdict = PTIRQ_HANDLED;
	cr_assert_eq(ptirq_set_handler(sub, handler, &seen), 0);
	cr_assert_eq(ptirq_dispatch(p), 0);
	cr_assert_not(readable(ptirq_get_fd(p)));
	fake_ask(fake, 0, 3, 0);
	cr_assert(readable(ptirq_get_fd(p)));
	cr_assert_eq(ptirq_dispatch(p), 1);
	cr_assert_eq(seen.round, 3);
	cr_assert_eq(fake_acked(fake, 0), PAGE_ACK(3, PTIRQ_HANDLED));
	cr_assert_not(readable(ptirq_get_fd(p)));
	cr_assert_eq(ptirq_dispatch(p), 0);

	/* The answer is left for later. */
	seen.verdict = (enum ptirq_verdict)0;
	fake_ask(fake, 0, 4, 0);
	cr_assert_eq(ptirq_dispatch(p), 1);
	cr_assert_eq(fake_acked(fake, 0), 0);

	cr_assert_eq(ptirq_set_handler(sub, NULL, NULL), 0);
	fake_ask(fake, 0, 5, 0);
	cr_assert_eq(ptirq_dispatch(p), 0);
	cr_assert_eq(ptirq_take(sub, &irq), 0);
	cr_assert_eq(seen.calls, 2);
}

/* What a wait finds for a handler makes the fd readable again, and is not run before dispatch. */
Test(lib_delivery, wait_for_one_handler_for_another)
{
	struct ptirq_sub *other = subscribe_with(0);

	seen.verdict = PTIRQ_HANDLED;
	cr_assert_eq(ptirq_set_handler(other, handler, &seen), 0);
	ptirq_dispatch(p);
	fake_ask(fake, 0, 1, 0);
	fake_ask(fake, 1, 2, 0);
	cr_assert_eq(ptirq_wait(sub, &irq, 0), 0);
	cr_assert_eq(ptirq_wait(sub, &irq, 0), -ETIMEDOUT);
	cr_assert_eq(seen.calls, 0);
	cr_assert(readable(ptirq_get_fd(p)));
	cr_assert_eq(ptirq_dispatch(p), 1);
	cr_assert_eq(seen.round, 2);
	cr_assert_not(readable(ptirq_get_fd(p)));
}

/* A handler that is set late gets what came before it. */
Test(lib_delivery, late_handler)
{
	fake_ask(fake, 0, 1, 0);
	cr_assert_eq(ptirq_dispatch(p), 0);
	seen.verdict = PTIRQ_HANDLED;
	cr_assert_eq(ptirq_set_handler(sub, handler, &seen), 0);
	cr_assert(readable(ptirq_get_fd(p)));
	cr_assert_eq(ptirq_dispatch(p), 1);
}

Test(lib_delivery, a_handler_may_end_another_subscription)
{
	struct ptirq_sub *first = subscribe_with(0), *second = subscribe_with(0);

	seen.verdict = PTIRQ_HANDLED;
	ptirq_set_handler(first, handler, &seen);
	ptirq_set_handler(second, handler, &seen);
	ptirq_dispatch(p);
	seen.drop = second;
	fake_ask(fake, 1, 1, 0);
	fake_ask(fake, 2, 1, 0);
	cr_assert_eq(ptirq_dispatch(p), 1);
	cr_assert_eq(seen.calls, 1);
	/* Its slot is nobody's any more. */
	fake_ask(fake, 2, 2, 0);
	cr_assert_eq(ptirq_dispatch(p), 0);
}

/* ---- watching ---- */

static unsigned int records;
static uint64_t dropped;

static void record(const struct ptirq_watch_record *what, void *userdata)
{
	cr_assert_str_eq(what->what, "fired");
	cr_assert_eq(userdata, &records);
	records++;
	dropped += what->dropped;
}

Test(lib_delivery, watch)
{
	struct wire_event event = {.kind = WIRE_EV_WATCH, .watch = {.what = "fired"}};
	struct wire_request request;

	cr_assert_eq(ptirq_watch(p, "demo", record, &records), 0);
	request = fake_last(fake, WIRE_REQ_WATCH);
	cr_assert_str_eq(request.watch.line, "demo");
	cr_assert_not(request.watch.stop);
	/* One that comes before another answer waits for dispatch. */
	fake_interject(fake, &event);
	cr_assert_eq(ptirq_reload(p), 0);
	cr_assert_eq(records, 0);
	cr_assert(readable(ptirq_get_fd(p)));
	ptirq_dispatch(p);
	cr_assert_eq(records, 1);

	/* A backlog is bounded, and what it could not hold is counted. */
	for (int i = 0; i < 1030; i++) {
		fake_event(fake, &event);
		if (i % 100 == 99)
			cr_assert_eq(ptirq_reload(p), 0);
	}
	cr_assert_eq(ptirq_reload(p), 0);
	ptirq_dispatch(p);
	cr_assert_eq(records, 1 + 1024);
	event.watch.dropped = 4;
	fake_event(fake, &event);
	ptirq_dispatch(p);
	cr_assert_eq(dropped, 6 + 4);

	cr_assert_eq(ptirq_watch(p, NULL, NULL, NULL), 0);
	cr_assert(fake_last(fake, WIRE_REQ_WATCH).watch.stop);
	fake_event(fake, &event);
	ptirq_dispatch(p);
	cr_assert_eq(records, 1 + 1024 + 1);
}
