// SPDX-License-Identifier: MIT
/*
 * libptirq over the broker's lives: loss, back-off, subscribing again, new epochs, evictions.
 * Against a fake broker.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ptirq-admin.h"
#include "tests/lib/fake_broker.h"
#include "tests/lib/fd_check.h"

static struct fake *fake;
static struct ptirq *p;
static struct ptirq_sub *sub, *other;
static struct ptirq_irq irq;

static void begin(void)
{
	struct ptirq_options options = PTIRQ_OPTIONS_INIT;

	fd_check_begin();
	fake = fake_new();
	cr_assert_eq(ptirq_open(&p, fake_path(fake)), 0, "%s", ptirq_error(p));
	cr_assert_eq(ptirq_subscribe(p, "demo", NULL, &sub), 0);
	options.flags = PTIRQ_OPT_EVENTFDS;
	cr_assert_eq(ptirq_subscribe(p, "other", &options, &other), 0);
}

static void end(void)
{
	ptirq_close(p);
	fake_free(fake);
	fd_check_end();
}

TestSuite(lib_restart, .init = begin, .fini = end, .timeout = 20);

#define says(words) cr_assert_not_null(strstr(ptirq_error(p), words), "%s", ptirq_error(p))

/* Until the connection has a state; the fd becomes readable by itself. */
static void dispatch_until(bool connected)
{
	struct pollfd pfd = {.fd = ptirq_get_fd(p), .events = POLLIN};

	while ((ptirq_epoch(p) != 0) != connected) {
		cr_assert_eq(poll(&pfd, 1, 5000), 1);
		ptirq_dispatch(p);
	}
}

Test(lib_restart, wait_goes_on)
{
	fake_ask(fake, 0, 8, 0);
	cr_assert_eq(ptirq_wait(sub, &irq, 0), 0);
	fake_asleep(fake);
	fake_hang_up(fake);
	/* The new life asks: in its page, before anybody has looked there. */
	cr_assert_eq(ptirq_wait(sub, &irq, 200), -ETIMEDOUT);
	cr_assert_eq(fake_count(fake, WIRE_REQ_HELLO), 2);
	cr_assert_eq(fake_count(fake, WIRE_REQ_SUBSCRIBE), 4);
	cr_assert_str_eq(fake_last(fake, WIRE_REQ_SUBSCRIBE).subscribe.line, "other");
	cr_assert(fake_last(fake, WIRE_REQ_SUBSCRIBE).subscribe.own_eventfds);
	cr_assert_eq(ptirq_epoch(p), 2);

	/* The old verdict is owed to nobody, though round and slot are the same. */
	fake_ask(fake, 0, 8, 0);
	cr_assert_eq(ptirq_ack(sub, &irq, PTIRQ_HANDLED), 0);
	cr_assert_eq(fake_acked(fake, 0), 0);
	cr_assert_eq(ptirq_wait(sub, &irq, 0), 0);
	cr_assert_eq(irq.round, 8);
	cr_assert_eq(irq.epoch, 2);
	cr_assert_eq(ptirq_ack(sub, &irq, PTIRQ_HANDLED), 0);
	cr_assert_eq(fake_acked(fake, 0), PAGE_ACK(8, PTIRQ_HANDLED));
}

Test(lib_restart, foreign_loop_reconnects)
{
	fake_hang_up(fake);
	cr_assert_eq(ptirq_dispatch(p), -ENOTCONN);
	says("closed the connection");
	cr_assert_eq(ptirq_epoch(p), 0);
	cr_assert_eq(ptirq_take(sub, &irq), -EAGAIN);
	dispatch_until(true);
	cr_assert_eq(ptirq_epoch(p), 2);
}

Test(lib_restart, eventfds_are_replaced)
{
	int wake = ptirq_wake_fd(other), resample = ptirq_resample_fd(other);
	struct pollfd pfd = {.fd = wake, .events = POLLIN};

	fake_own_wake(fake);
	cr_assert_eq(poll(&pfd, 1, 0), 1);
	fake_hang_up(fake);
	dispatch_until(false);
	dispatch_until(true);
	/* New ones under the old numbers. */
	cr_assert(ptirq_rebind_needed(other));
	cr_assert_not(ptirq_rebind_needed(other));
	cr_assert_eq(ptirq_wake_fd(other), wake);
	cr_assert_eq(ptirq_resample_fd(other), resample);
	cr_assert_eq(poll(&pfd, 1, 0), 0);
	fake_own_wake(fake);
	cr_assert_eq(poll(&pfd, 1, 0), 1);
	eventfd_write(resample, 1);
	cr_assert_eq(fake_own_resampled(fake), 1);
}

Test(lib_restart, parked_and_watched_as_before)
{
	struct wire_event event = {.kind = WIRE_EV_WATCH, .watch = {.what = "fired"}};

	cr_assert_eq(ptirq_park(sub), 0);
	cr_assert_eq(ptirq_watch(p, "demo",
				 (void (*)(const struct ptirq_watch_record *, void *))abort, NULL),
		     0);
	cr_assert_eq(ptirq_watch(p, NULL, NULL, NULL), 0);
	fake_hang_up(fake);
	dispatch_until(false);
	dispatch_until(true);
	cr_assert_eq(fake_count(fake, WIRE_REQ_PARK), 2);
	cr_assert_eq(fake_count(fake, WIRE_REQ_WATCH), 2);
	fake_event(fake, &event);
	ptirq_dispatch(p);
}

/* Lost in the middle of a question that can be repeated, and of one that cannot. */
Test(lib_restart, questions)
{
	struct ptirq_line_info info;

	fake_mute(fake, WIRE_REQ_GET_LINE);
	fake_asleep(fake);
	fake_hang_up(fake);
	cr_assert_eq(ptirq_line_info(p, "demo", &info), 0);
	cr_assert_str_eq(info.name, "demo");
	cr_assert_eq(fake_count(fake, WIRE_REQ_GET_LINE), 2);

	fake_mute(fake, WIRE_REQ_RELOAD);
	fake_asleep(fake);
	fake_hang_up(fake);
	cr_assert_eq(ptirq_reload(p), -ECONNRESET);
	cr_assert_eq(fake_count(fake, WIRE_REQ_RELOAD), 1);
}

Test(lib_restart, no_broker_for_a_while)
{
	struct ptirq_sub *late = NULL;

	fake_listen(fake, false);
	fake_hang_up(fake);
	cr_assert_eq(ptirq_wait(sub, &irq, 100), -ETIMEDOUT);
	cr_assert_eq(ptirq_dispatch(p), -ENOTCONN);
	says("start ptirq-broker");
	cr_assert_eq(ptirq_subscribe(p, "late", NULL, &late), -ETIMEDOUT);
	cr_assert_null(late);
	fake_listen(fake, true);
	fake_asleep(fake);
	fake_units(fake, 2);
	cr_assert_eq(ptirq_subscribe(p, "late", NULL, &late), 0, "%s", ptirq_error(p));
	cr_assert_eq(ptirq_epoch(p), 2);
	cr_assert_eq(fake_count(fake, WIRE_REQ_SUBSCRIBE), 5);
}

static uint64_t milliseconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

Test(lib_restart, back_off_doubles_to_a_second)
{
	static const uint64_t pauses[] = {10, 20, 40, 80, 160, 320, 640, 1000, 1000};
	struct pollfd pfd = {.fd = ptirq_get_fd(p), .events = POLLIN};
	uint64_t before, took;

	fake_listen(fake, false);
	fake_hang_up(fake);
	cr_assert_eq(poll(&pfd, 1, 5000), 1);
	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		before = milliseconds();
		cr_assert_eq(ptirq_dispatch(p), -ENOTCONN);
		cr_assert_eq(poll(&pfd, 1, 5000), 1);
		took = milliseconds() - before;
		/* A loaded machine is late, never early; and a pause too long shows in the last. */
		cr_assert_geq(took + 1, pauses[i], "pause %zu: %lu ms", i, (unsigned long)took);
	}
	/* And not for ever longer. */
	cr_assert_lt(took, 1900);
}

Test(lib_restart, unsubscribe_without_a_broker)
{
	fake_listen(fake, false);
	fake_hang_up(fake);
	dispatch_until(false);
	ptirq_unsubscribe(sub);
	fake_listen(fake, true);
	dispatch_until(true);
	cr_assert_eq(fake_count(fake, WIRE_REQ_UNSUBSCRIBE), 0);
	cr_assert_eq(fake_count(fake, WIRE_REQ_SUBSCRIBE), 3);
}

/* A new connection has just asked for it: that one is given up, not the broker left with it. */
Test(lib_restart, unsubscribe_while_subscribing_again)
{
	fake_mute(fake, WIRE_REQ_SUBSCRIBE);
	fake_hang_up(fake);
	dispatch_until(false);
	while (fake_count(fake, WIRE_REQ_SUBSCRIBE) < 3)
		ptirq_dispatch(p);
	ptirq_unsubscribe(sub);
	dispatch_until(true);
	cr_assert_str_eq(fake_last(fake, WIRE_REQ_SUBSCRIBE).subscribe.line, "other");
	cr_assert_eq(fake_count(fake, WIRE_REQ_HELLO), 3);
	cr_assert_eq(fake_count(fake, WIRE_REQ_SUBSCRIBE), 4);
}

/* A broker that kept its sockets: other pages in the middle of a life. */
Test(lib_restart, epoch_on_the_living_connection)
{
	fake_ask(fake, 0, 3, 0);
	cr_assert_eq(ptirq_wait(sub, &irq, 0), 0);
	fake_ask(fake, 0, 4, 0); /* in the old page: forgotten with it */
	fake_epoch(fake);
	fake_ask(fake, 0, 3, 0); /* in the new one, before the client has it */
	cr_assert_eq(ptirq_ack_wait(sub, &irq, PTIRQ_HANDLED, 1000), 0);
	/* The page was still the old one when the ack was given, and the wait may have begun there. */
	if (irq.epoch == 1)
		cr_assert_eq(ptirq_wait(sub, &irq, 1000), 0);
	cr_assert_eq(irq.epoch, 2);
	cr_assert_eq(irq.round, 3);
	cr_assert_eq(ptirq_epoch(p), 2);
	cr_assert_eq(ptirq_ack(sub, &irq, PTIRQ_HANDLED), 0);
	cr_assert_eq(fake_acked(fake, 0), PAGE_ACK(3, PTIRQ_HANDLED));
	cr_assert_eq(fake_count(fake, WIRE_REQ_HELLO), 1);
	cr_assert_eq(fake_count(fake, WIRE_REQ_SUBSCRIBE), 2);
	cr_assert_not(ptirq_rebind_needed(other));
}

Test(lib_restart, stale_verdict_after_an_epoch)
{
	struct ptirq_irq old;

	fake_ask(fake, 0, 3, 0);
	cr_assert_eq(ptirq_wait(sub, &old, 0), 0);
	fake_epoch(fake);
	ptirq_dispatch(p);
	cr_assert_eq(ptirq_ack(sub, &old, PTIRQ_HANDLED), 0);
	cr_assert_eq(fake_acked(fake, 0), 0);
	/* Nor does it count for the new epoch's round of the same number. */
	fake_ask(fake, 0, 3, 0);
	cr_assert_eq(ptirq_wait(sub, &irq, 0), 0);
	cr_assert_eq(ptirq_ack(sub, &old, PTIRQ_HANDLED), 0);
	cr_assert_eq(fake_acked(fake, 0), 0);
}

/* A forked child keeps the old socket open: it must not keep the epoll fd readable. */
Test(lib_restart, child_with_a_copy)
{
	struct pollfd pfd = {.fd = ptirq_get_fd(p), .events = POLLIN};
	int hold[2], status;
	pid_t pid;

	cr_assert_eq(pipe(hold), 0);
	pid = fork();
	if (pid == 0) {
		char c;

		close(hold[1]);
		_exit(read(hold[0], &c, 1) != 0);
	}
	close(hold[0]);
	fake_hang_up(fake);
	dispatch_until(false);
	dispatch_until(true);
	ptirq_dispatch(p);
	cr_assert_eq(poll(&pfd, 1, 0), 0);
	close(hold[1]);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
}

Test(lib_restart, evicted)
{
	struct wire_event event = {
		.kind = WIRE_EV_EVICTED,
		.evicted = {.subscription = 1,
			    .reason = {.code = WIRE_GONE, .message = "released by root"}},
	};

	cr_assert_not(ptirq_evicted(sub));
	fake_asleep(fake);
	fake_event(fake, &event);
	cr_assert_eq(ptirq_wait(sub, &irq, 5000), -ESTALE);
	says("released by root");
	cr_assert_eq(ptirq_take(sub, &irq), -ESTALE);
	cr_assert_eq(ptirq_park(sub), -ESTALE);
	cr_assert_eq(ptirq_take(other, &irq), -EINVAL);
	cr_assert_not(ptirq_evicted(other));
	says("own wake eventfd");
	cr_assert(ptirq_evicted(sub));
	says("released by root");
	/* It is over also in the next life. */
	fake_hang_up(fake);
	dispatch_until(false);
	dispatch_until(true);
	cr_assert_eq(fake_count(fake, WIRE_REQ_SUBSCRIBE), 3);
	cr_assert_str_eq(fake_last(fake, WIRE_REQ_SUBSCRIBE).subscribe.line, "other");
	ptirq_unsubscribe(sub);
	cr_assert_eq(fake_count(fake, WIRE_REQ_UNSUBSCRIBE), 0);
}

Test(lib_restart, evicted_whole)
{
	struct wire_event event = {
		.kind = WIRE_EV_EVICTED,
		.evicted.reason = {.code = WIRE_LIMIT, .message = "does not read"},
	};

	fake_event(fake, &event);
	fake_hang_up(fake);
	cr_assert_eq(ptirq_wait(sub, &irq, 1000), -ESTALE);
	says("does not read");
	dispatch_until(false);
	dispatch_until(true);
	cr_assert_eq(fake_count(fake, WIRE_REQ_SUBSCRIBE), 2);
}

/* The next life does not want it any more. */
Test(lib_restart, refused_in_the_next_life)
{
	fake_refuse(fake, WIRE_REQ_SUBSCRIBE, WIRE_NOT_FOUND, "there is no line demo");
	fake_hang_up(fake);
	cr_assert_eq(ptirq_wait(sub, &irq, 2000), -ESTALE);
	says("there is no line demo");
	dispatch_until(true);
	cr_assert_eq(fake_count(fake, WIRE_REQ_SUBSCRIBE), 4);
}

Test(lib_restart, going_away)
{
	struct wire_event event = {.kind = WIRE_EV_GOING_AWAY, .going_away.text = "stopping"};

	fake_event(fake, &event);
	cr_assert_eq(ptirq_dispatch(p), 0);
	says("stopping");
	fake_listen(fake, false);
	fake_hang_up(fake);
	cr_assert_eq(ptirq_dispatch(p), -ENOTCONN);
	says("stopping");
	fake_listen(fake, true);
	dispatch_until(true);
}

Test(lib_restart, what_is_no_message_is_the_end)
{
	fake_garble(fake);
	cr_assert_eq(ptirq_wait(sub, &irq, 1000), -EPROTO);
	says("no message");
	cr_assert_eq(ptirq_dispatch(p), -EPROTO);
	cr_assert_eq(ptirq_reload(p), -EPROTO);
	cr_assert_eq(ptirq_wait(sub, &irq, -1), -EPROTO);
}

Test(lib_restart, another_version_is_the_end)
{
	fake_refuse(fake, WIRE_REQ_HELLO, WIRE_VERSION_MISMATCH, "only version 2");
	fake_hang_up(fake);
	cr_assert_eq(ptirq_wait(sub, &irq, -1), -EPROTONOSUPPORT);
	says("only version 2");
}

/* A socket that is closed to us for a moment is a broker that starts; for the whole back-off it is
 * meant. */
Test(lib_restart, permissions)
{
	if (geteuid() == 0)
		cr_assert_eq(seteuid(65534), 0);
	chmod(fake_path(fake), 0);
	fake_hang_up(fake);
	cr_assert_eq(ptirq_wait(sub, &irq, 100), -ETIMEDOUT);
	cr_assert_eq(ptirq_wait(sub, &irq, -1), -EACCES);
	says("no permission");
	cr_assert_eq(ptirq_dispatch(p), -EACCES);
	cr_assert_eq(seteuid(getuid()), 0);
}
