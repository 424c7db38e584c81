// SPDX-License-Identifier: MIT
/*
 * libptirq on the notify and direct paths (A11): which round an interrupt is given, and where its ack goes,
 * when the path changes in between as well. Against a fake broker.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "ptirq.h"
#include "tests/lib/fake_broker.h"
#include "tests/lib/fd_check.h"

static struct fake *fake;
static struct ptirq *p;
static struct ptirq_sub *sub;
static struct ptirq_irq irq;

static int subscribe_with(uint32_t flags, struct ptirq_sub **ret)
{
	struct ptirq_options options = PTIRQ_OPTIONS_INIT;

	options.flags = flags;
	return ptirq_subscribe(p, "demo", &options, ret);
}

static void begin(void)
{
	fd_check_begin();
	fake = fake_new();
	cr_assert_eq(ptirq_open(&p, fake_path(fake)), 0, "%s", ptirq_error(p));
	cr_assert_eq(subscribe_with(PTIRQ_OPT_DIRECT | PTIRQ_OPT_NOTIFY, &sub), 0);
}

static void end(void)
{
	ptirq_close(p);
	fake_free(fake);
	fd_check_end();
}

TestSuite(lib_paths, .init = begin, .fini = end, .timeout = 20);

/* Woken, and nothing else. */
static void unnumbered(void)
{
	cr_assert_eq(irq.round, 0);
	cr_assert_eq(irq.flags, PTIRQ_NOTIFIED);
	cr_assert_eq(irq.unit, 10);
	cr_assert_eq(irq.epoch, 1);
	cr_assert(!irq.status && !irq.fired_at_ns && !irq.count && !irq.missed);
}

/* A round in the slot, and the wake eventfd written: by the broker or by the source. */
static void ask(uint32_t round)
{
	fake_ask_silently(fake, 0, round);
	fake_own_wake(fake);
}

static void wait_for_it(void)
{
	cr_assert_eq(ptirq_wait(sub, &irq, 5000), 0, "%s", ptirq_error(p));
}

static void nothing_more(void)
{
	cr_assert_eq(ptirq_wait(sub, &irq, 0), -ETIMEDOUT);
	cr_assert_eq(ptirq_take(sub, &irq), -EAGAIN);
}

static void acked(uint32_t round, enum ptirq_verdict verdict)
{
	uint64_t word = fake_acked(fake, 0);

	cr_assert_eq(word, PAGE_ACK(round, verdict), "%#llx", (unsigned long long)word);
	cr_assert_eq(fake_own_resampled(fake), 0);
}

static void resampled(void)
{
	cr_assert_eq(fake_own_resampled(fake), 1);
	cr_assert_eq(fake_acked(fake, 0), 0);
}

static void ack(enum ptirq_verdict verdict)
{
	cr_assert_eq(ptirq_ack(sub, &irq, verdict), 0);
}

Test(lib_paths, options)
{
	struct wire_subscribe request = fake_last(fake, WIRE_REQ_SUBSCRIBE).subscribe;
	struct ptirq_sub *other;

	cr_assert(request.own_eventfds && request.direct && request.notify && !request.resample);
	cr_assert_eq(ptirq_sub_path(sub), PTIRQ_PATH_BROKERED);
	cr_assert_eq(ptirq_wake_fd(sub), -EINVAL, "the library waits for it");
	cr_assert_eq(ptirq_resample_fd(sub), -EINVAL);
	nothing_more();

	cr_assert_eq(subscribe_with(PTIRQ_OPT_NOTIFY | PTIRQ_OPT_MESSAGES, &other), -EINVAL);
	cr_assert_eq(subscribe_with(PTIRQ_OPT_DIRECT | PTIRQ_OPT_MESSAGES, &other), -EINVAL);
	cr_assert_eq(subscribe_with(PTIRQ_OPT_NOTIFY | PTIRQ_OPT_RESAMPLE, &other), -EINVAL);
	cr_assert_eq(subscribe_with(PTIRQ_OPT_DIRECT | PTIRQ_OPT_RESAMPLE, &other), 0);
	request = fake_last(fake, WIRE_REQ_SUBSCRIBE).subscribe;
	cr_assert(request.own_eventfds && request.direct && !request.notify && request.resample);

	/* As KVM has it: the eventfds are the caller's to watch. */
	cr_assert_eq(subscribe_with(PTIRQ_OPT_DIRECT | PTIRQ_OPT_EVENTFDS, &other), 0);
	cr_assert_geq(ptirq_wake_fd(other), 0);
	cr_assert_geq(ptirq_resample_fd(other), 0);
	cr_assert_eq(ptirq_wait(other, &irq, 0), -EINVAL);
}

Test(lib_paths, brokered)
{
	for (uint32_t round = 5; round < 8; round++) {
		fake_asleep(fake);
		fake_ask_silently(fake, 0, round);
		fake_own_wake(fake);
		wait_for_it();
		cr_assert_eq(irq.round, round);
		cr_assert_eq(irq.fired_at_ns, 1000 + round);
		ack(PTIRQ_NOT_MINE);
		acked(round, PTIRQ_NOT_MINE);
	}
	/* A wake too many. */
	fake_own_wake(fake);
	nothing_more();
}

Test(lib_paths, notify_the_broker_was_first)
{
	fake_take_path(fake, 0, PAGE_NOTIFY);
	cr_assert_eq(ptirq_sub_path(sub), PTIRQ_PATH_NOTIFY);
	ask(7);
	wait_for_it();
	cr_assert_eq(irq.round, 7);
	ack(PTIRQ_HANDLED);
	acked(7, PTIRQ_HANDLED);
}

Test(lib_paths, notify_the_broker_is_second)
{
	fake_take_path(fake, 0, PAGE_NOTIFY);
	ask(7);
	wait_for_it();
	fake_own_wake(fake);
	wait_for_it();
	unnumbered();
	fake_ask_silently(fake, 0, 8);
	ack(PTIRQ_HANDLED);
	acked(8, PTIRQ_HANDLED);
	nothing_more();
	fake_own_wake(fake);
	wait_for_it();
	unnumbered();
}

/* The last interrupt's round came into the slot after it was served. */
Test(lib_paths, notify_the_round_before)
{
	fake_take_path(fake, 0, PAGE_NOTIFY);
	for (uint32_t round = 7; round < 10; round++) {
		fake_own_wake(fake);
		wait_for_it();
		unnumbered();
		ack(PTIRQ_HANDLED);
		acked(round == 7 ? 0 : round - 1, PTIRQ_HANDLED);
		fake_show(fake, 0, round, SLOT_NOTIFIED | SLOT_RETRACTED);
	}
	/* In time for the ack. */
	fake_own_wake(fake);
	wait_for_it();
	unnumbered();
	fake_show(fake, 0, 10, SLOT_NOTIFIED);
	ack(PTIRQ_HANDLED);
	acked(10, PTIRQ_HANDLED);
}

Test(lib_paths, notify_the_broker_has_not_heard)
{
	fake_take_path(fake, 0, PAGE_NOTIFY);
	fake_own_wake(fake);
	wait_for_it();
	unnumbered();
	ack(PTIRQ_NOT_MINE);
	acked(0, PTIRQ_NOT_MINE);
	nothing_more();
}

Test(lib_paths, direct)
{
	fake_take_path(fake, 0, PAGE_DIRECT);
	cr_assert_eq(ptirq_sub_path(sub), PTIRQ_PATH_DIRECT);
	for (int i = 0; i < 3; i++) {
		fake_asleep(fake);
		fake_own_wake(fake);
		wait_for_it();
		unnumbered();
		ack(i == 1 ? PTIRQ_NOT_MINE : PTIRQ_HANDLED);
		resampled();
	}
	nothing_more();
}

/* A round that was never looked at, and then promoted: the slot speaks of the past. */
Test(lib_paths, promoted)
{
	ask(7);
	fake_take_path(fake, 0, PAGE_DIRECT);
	wait_for_it();
	unnumbered();
	ack(PTIRQ_HANDLED);
	resampled();

	/* Taken before, and answered after: the broker is told, and the unit is not held up by it. */
	fake_take_path(fake, 0, PAGE_BROKERED);
	ask(8);
	wait_for_it();
	fake_take_path(fake, 0, PAGE_DIRECT);
	ack(PTIRQ_HANDLED);
	acked(8, PTIRQ_HANDLED);
	fake_own_wake(fake);
	wait_for_it();
	ack(PTIRQ_HANDLED);
	resampled();
}

Test(lib_paths, demoted)
{
	/* Asked about it. */
	fake_take_path(fake, 0, PAGE_DIRECT);
	fake_own_wake(fake);
	wait_for_it();
	fake_take_path(fake, 0, PAGE_NOTIFY);
	ask(9);
	ack(PTIRQ_HANDLED);
	acked(9, PTIRQ_HANDLED);
	wait_for_it();
	unnumbered();
	ack(PTIRQ_NOT_MINE);
	acked(0, PTIRQ_NOT_MINE);

	/* Not asked (yet): an EOI says as much as can be said. */
	fake_take_path(fake, 0, PAGE_DIRECT);
	fake_own_wake(fake);
	wait_for_it();
	fake_take_path(fake, 0, PAGE_BROKERED);
	ack(PTIRQ_HANDLED);
	resampled();
}

static unsigned int calls;

static enum ptirq_verdict handle(struct ptirq_sub *from, const struct ptirq_irq *what,
				 void *userdata)
{
	cr_assert_eq(from, sub);
	cr_assert_eq(userdata, &calls);
	cr_assert_eq(what->round, 0);
	calls++;
	return PTIRQ_HANDLED;
}

Test(lib_paths, handler)
{
	cr_assert_eq(ptirq_set_handler(sub, handle, &calls), 0);
	fake_take_path(fake, 0, PAGE_DIRECT);
	fake_own_wake(fake);
	cr_assert_eq(ptirq_dispatch(p), 1);
	resampled();
	cr_assert_eq(ptirq_dispatch(p), 0);
	fake_take_path(fake, 0, PAGE_NOTIFY);
	fake_own_wake(fake);
	cr_assert_eq(ptirq_dispatch(p), 1);
	acked(0, PTIRQ_HANDLED);
	cr_assert_eq(calls, 2);
}

Test(lib_paths, take)
{
	fake_take_path(fake, 0, PAGE_DIRECT);
	fake_own_wake(fake);
	cr_assert_eq(ptirq_take(sub, &irq), -EAGAIN, "it is not in the page");
	cr_assert_eq(ptirq_dispatch(p), 0);
	cr_assert_eq(ptirq_take(sub, &irq), 0);
	unnumbered();
	nothing_more();
	ack(PTIRQ_HANDLED);
	resampled();
}

/* While another one has the page to itself: each wait is woken by its own. */
Test(lib_paths, beside_another)
{
	struct ptirq_sub *other;

	cr_assert_eq(ptirq_subscribe(p, "other", NULL, &other), 0);
	fake_take_path(fake, 0, PAGE_DIRECT);
	fake_own_wake(fake);
	fake_ask(fake, 1, 3, 0);
	cr_assert_eq(ptirq_wait(other, &irq, 5000), 0);
	cr_assert_eq(irq.round, 3);
	wait_for_it();
	unnumbered();
}

/* The only subscription: an endless wait is not one in the socket. */
Test(lib_paths, alone)
{
	fake_take_path(fake, 0, PAGE_DIRECT);
	fake_asleep(fake);
	fake_own_wake(fake);
	cr_assert_eq(ptirq_wait(sub, &irq, -1), 0);
	fake_asleep(fake);
	fake_own_wake(fake);
	cr_assert_eq(ptirq_ack_wait(sub, &irq, PTIRQ_HANDLED, -1), 0);
	unnumbered();
}

/* Another life: new eventfds, and what came in the old one is owed nothing. */
Test(lib_paths, restart)
{
	fake_take_path(fake, 0, PAGE_DIRECT);
	fake_own_wake(fake);
	wait_for_it();
	fake_hang_up(fake);
	while (!ptirq_epoch(p) || fake_count(fake, WIRE_REQ_SUBSCRIBE) < 2) {
		struct ptirq_irq none;

		cr_assert_eq(ptirq_wait(sub, &none, 10), -ETIMEDOUT);
	}
	ack(PTIRQ_HANDLED);
	cr_assert_eq(fake_own_resampled(fake), 0);
	fake_take_path(fake, 0, PAGE_DIRECT);
	fake_own_wake(fake);
	wait_for_it();
	cr_assert_eq(irq.round, 0);
	ack(PTIRQ_HANDLED);
	cr_assert_eq(fake_own_resampled(fake), 1);
	cr_assert_not(ptirq_rebind_needed(sub), "nobody else has them");
}
