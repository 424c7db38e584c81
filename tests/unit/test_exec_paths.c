/* SPDX-License-Identifier: MIT */
/*
 * Owns what the executor promises of the notify and direct paths (A11, T17) in the moments that no client
 * can time: an interrupt that nobody here has heard of yet when a taker's word is read, and a source that
 * does not let go. The source is one of a few lines, in place of the software line.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/exec.h"
#include "tests/lib/fd_check.h"

/* ---- a source whose takers are woken by somebody else: of one unit, without a level --------------- */

static struct {
	struct source source;
	bool masked, fired; /* fired: and not told */
	int taker[4];
	int wake, resample; /* of whom it is direct with; 0: nobody */
	int demote;         /* what demote() answers */
	unsigned int demoted;
	void (*unmasked)(void);
} soft;

static void interrupt(void)
{
	if (soft.masked)
		return;
	soft.masked = soft.fired = true;
	for (unsigned int t = 0; t < 4 && soft.taker[t]; t++)
		eventfd_write(soft.taker[t], 1);
}

static int soft_describe(struct source *source, struct source_topology *ret,
			 char problem[LIMIT_TEXT])
{
	(void)source;
	(void)problem;
	*ret = (struct source_topology){.n_units = 1,
					.n_devices = 1,
					.can_sample = {true},
					.can_notify = {true},
					.can_direct = {true}};
	strcpy(ret->device[0].name, "dev0");
	return 0;
}

static void soft_start(struct source *source)
{
	soft.masked = true;
	source->events->up(source->user);
}

static int soft_mask(struct source *source, uint8_t unit)
{
	(void)source;
	(void)unit;
	soft.masked = true;
	return 0;
}

static int soft_unmask(struct source *source, uint8_t unit)
{
	(void)source;
	(void)unit;
	soft.masked = false;
	if (soft.unmasked)
		soft.unmasked();
	return 0;
}

static struct source_level soft_sample(struct source *source, uint8_t unit)
{
	(void)source;
	(void)unit;
	return (struct source_level){.asserted = -1, .masked = -1};
}

static int soft_notify(struct source *source, uint8_t unit, const int *fds, size_t n)
{
	(void)source;
	(void)unit;
	for (unsigned int t = 0; t < 4; t++)
		soft.taker[t] = t < n ? fds[t] : 0;
	return 0;
}

static void soft_look(struct source *source)
{
	if (soft.fired) {
		soft.fired = false;
		source->events->fired(source->user, 0, 1, false);
	}
}

static int soft_promote(struct source *source, uint8_t unit, int wake, int resample)
{
	(void)source;
	(void)unit;
	soft.wake = wake;
	soft.resample = resample;
	return 0;
}

static int soft_demote(struct source *source, uint8_t unit)
{
	(void)source;
	(void)unit;
	if (!soft.demoted++)
		cr_assert(fcntl(soft.wake, F_GETFD) >= 0 && fcntl(soft.resample, F_GETFD) >= 0,
			  "it can still be told whose they are");
	soft.masked = true;
	return soft.demote;
}

static void soft_free(struct source *source)
{
	(void)source;
}

static struct source_ops soft_ops = {.name = "soft",
				     .describe = soft_describe,
				     .start = soft_start,
				     .mask = soft_mask,
				     .unmask = soft_unmask,
				     .sample = soft_sample,
				     .notify = soft_notify,
				     .look = soft_look,
				     .promote = soft_promote,
				     .demote = soft_demote,
				     .free = soft_free};

int source_sim_new(const struct line_config *config, struct uv_loop_s *loop,
		   const struct source_events *events, void *user, struct source **ret)
{
	(void)config;
	(void)loop;
	soft.source = (struct source){.ops = &soft_ops, .events = events, .user = user};
	*ret = &soft.source;
	return 0;
}

/* ---- an executor with one client ------------------------------------------------------------------ */

static uv_loop_t loop;
static struct config config;
static struct exec *exec;
static struct line *line;
static struct session *session;
static int client = -1;

static void begin(void)
{
	int pair[2];

	/* libuv keeps a pipe for signals from its first loop on. */
	cr_assert_eq(uv_loop_init(&loop), 0);
	uv_loop_close(&loop);
	fd_check_begin();
	config_sim(&config);
	cr_assert_eq(uv_loop_init(&loop), 0);
	cr_assert_eq(exec_new(&loop, NULL, 1, 4, &exec), 0);
	cr_assert_eq(exec_apply(exec, &config), 0);
	line = exec->lines[0];
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
		     0);
	client = pair[1];
	cr_assert_eq(session_new(&exec->sessions, pair[0]), 0);
	session = exec->sessions.head;
	session->features = WIRE_FEATURE_OWN_EVENTFDS;
	cr_assert_eq(pages_create(&session->pages, 1), 0);
	pages_close_memfds(&session->pages);
}

static void end(void)
{
	exec_stop(exec, "over");
	uv_run(&loop, UV_RUN_DEFAULT);
	exec_free(exec);
	cr_assert_eq(uv_loop_close(&loop), 0);
	close(client);
	fd_check_end();
}

TestSuite(exec_paths, .init = begin, .fini = end);

static struct subscriber *subscribe(bool notify)
{
	struct wire_subscribe request = {.device = "dev0",
					 .own_eventfds = true,
					 .notify = notify,
					 .direct = !notify};
	char problem[LIMIT_TEXT] = "";
	struct subscriber *sub;

	cr_assert_eq(subscriber_new(line, session, &request, &sub, problem), WIRE_OK, "%s",
		     problem);
	subscriber_join(sub, &request);
	return sub;
}

static uint32_t due(void)
{
	return arb_unit_due(line->arb, 0);
}

static void write_word(const struct subscriber *sub, uint32_t round, uint32_t verdict)
{
	struct page_ack *page = session->pages.ack;

	atomic_store(&page->word[sub->first_slot], PAGE_ACK(round, verdict));
	page_news_post(&page->to_broker, sub->first_slot);
}

static eventfd_t count(int fd)
{
	eventfd_t n = 0;

	return eventfd_read(fd, &n) < 0 ? 0 : n;
}

/* ---- notify --------------------------------------------------------------------------------------- */

Test(exec_paths, a_word_that_overtakes_its_interrupt_counts)
{
	struct subscriber *sub = subscribe(true);

	for (uint32_t round = 1; round <= 4; round++) {
		cr_assert(soft.taker[0] == sub->wake && !soft.masked);
		interrupt();
		cr_assert(count(sub->wake) == 1 && soft.fired, "a taker knows, we do not");
		write_word(sub, round % 2 ? due() : 0, ARB_HANDLED);
		deliver_acks(session);
		cr_assert_eq(sub->counters.handled, round);
		cr_assert_eq(arb_unit_state(line->arb, 0), ARB_IDLE);
		cr_assert_eq(count(sub->wake), 0, "it was woken already");
	}
	cr_assert_eq(due(), 5);
}

static struct subscriber *other;

static unsigned int slot_flags(const struct subscriber *sub)
{
	return atomic_load(&session->pages.irq->slot[sub->first_slot].flags);
}

static void sees_that_it_is_over(void)
{
	cr_assert(slot_flags(other) & SLOT_RETRACTED, "it can fire from now on");
	soft.unmasked = NULL;
}

/* A slot shows a round, and whether it is the present one. */
Test(exec_paths, a_round_is_over_before_the_next_can_begin)
{
	struct subscriber *sub = other = subscribe(true);

	interrupt();
	soft_look(&soft.source);
	cr_assert(!(slot_flags(sub) & SLOT_RETRACTED));
	soft.unmasked = sees_that_it_is_over;
	write_word(sub, 1, ARB_HANDLED);
	deliver_acks(session);
	cr_assert_null(soft.unmasked, "it was unmasked");
	interrupt();
	soft_look(&soft.source);
	cr_assert(!(slot_flags(sub) & SLOT_RETRACTED));
}

/* It has looked at its slot before there was anything to see there, and will not look again by itself. */
Test(exec_paths, a_late_word_does_not_use_up_the_wake_for_an_interrupt_to_come)
{
	struct subscriber *sub = subscribe(true);

	interrupt();
	soft_look(&soft.source);
	write_word(sub, 1, ARB_HANDLED);
	deliver_acks(session);
	cr_assert(arb_unit_state(line->arb, 0) == ARB_IDLE && count(sub->wake) == 1);
	interrupt();
	cr_assert_eq(count(sub->wake), 1, "for which it answers the round that it has seen last");
	write_word(sub, 1, ARB_HANDLED);
	deliver_acks(session);
	cr_assert(!soft.fired && arb_unit_owing(line->arb, 0), "the word was for another round");
	cr_assert_eq(count(sub->wake), 1, "asked, and nobody would wake it");
}

/* ... by a verdict of the same turn, and its device asserts again. */
static void fires_at_once(void)
{
	soft.unmasked = NULL;
	interrupt();
	write_word(other, 0, ARB_HANDLED);
}

Test(exec_paths, a_word_for_what_fired_while_words_were_being_taken)
{
	struct subscriber *sub = subscribe(true);

	other = subscribe(true);
	interrupt();
	soft_look(&soft.source);
	soft.unmasked = fires_at_once;
	write_word(sub, 1, ARB_HANDLED);
	write_word(other, 1, ARB_NOT_MINE);
	deliver_acks(session);
	cr_assert_null(soft.unmasked);
	deliver_acks(session);
	cr_assert(sub->counters.handled == 1 && other->counters.handled == 1);
	cr_assert(!soft.fired && due() == 3);
}

Test(exec_paths, a_word_for_nothing_opens_nothing)
{
	struct subscriber *sub = subscribe(true);

	for (int round = 0; round < 3; round++) {
		write_word(sub, (uint32_t)round, ARB_HANDLED);
		deliver_acks(session);
	}
	soft_ops.look = NULL; /* as of the software line */
	write_word(sub, due(), ARB_HANDLED);
	deliver_acks(session);
	cr_assert(due() == 1 && !sub->counters.handled && !soft.masked);
}

/* ---- direct --------------------------------------------------------------------------------------- */

Test(exec_paths, a_holder_that_leaves_is_taken_from_the_source_first)
{
	struct subscriber *sub = subscribe(false);

	cr_assert_eq(path_of(sub, 0), PAGE_DIRECT);
	soft.demote = -EIO;
	subscriber_free(sub, ARB_EV_LEAVE);
	cr_assert_eq(soft.demoted, 1);
	cr_assert_eq(arb_unit_state(line->arb, 0), ARB_FAULT);
	cr_assert_eq(line->unit[0].metrics.counters.faults, 1);
	soft.demote = 0;
	while (arb_unit_state(line->arb, 0) == ARB_FAULT)
		uv_run(&loop, UV_RUN_ONCE);
	cr_assert_eq(soft.demoted, 2);
	cr_assert_eq(path_of(subscribe(false), 0), PAGE_DIRECT, "anew");
}

/* What is said of an operation that fails: which, of what and why; not again while it goes on failing. */
Test(exec_paths, an_operation_that_fails_is_in_the_log)
{
	struct subscriber *sub = subscribe(false);
	int fds[2], before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	char said[512] = "", wanted[256];
	const char *at;

	snprintf(wanted, sizeof(wanted),
		 "line %s: dev0: taking it back from its client failed: Input/output error",
		 line->config->name);
	cr_assert_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	cr_assert_geq(dup2(fds[1], STDERR_FILENO), 0);
	soft.demote = -EIO;
	subscriber_free(sub, ARB_EV_LEAVE);
	while (soft.demoted < 3)
		uv_run(&loop, UV_RUN_ONCE);
	dup2(before, STDERR_FILENO);
	(void)!read(fds[0], said, sizeof(said) - 1);
	close(before);
	close(fds[0]);
	close(fds[1]);
	at = strstr(said, wanted);
	cr_assert(at, "said: %s", said);
	cr_assert_null(strstr(at + strlen(wanted), "failed:"), "said: %s", said);
	soft.demote = 0;
	while (arb_unit_state(line->arb, 0) == ARB_FAULT)
		uv_run(&loop, UV_RUN_ONCE);
	cr_assert_eq(line->unit[0].failed, 0, "and will be said again");
}

/* ---- the device goes, and comes back (A13) -------------------------------------------------------- */

static void told(const char *state, const char *text)
{
	struct wire_from_broker message;
	uint8_t buf[LIMIT_MESSAGE];
	ssize_t size = recv(client, buf, sizeof(buf), 0);

	cr_assert_gt(size, 0, "nothing was said");
	cr_assert_eq(wire_from_broker_decode(buf, (size_t)size, &message), 0);
	cr_assert(message.is_event && message.event.kind == WIRE_EV_LINE_STATE);
	cr_assert_str_eq(message.event.line_state.state, state);
	cr_assert_str_eq(message.event.line_state.text, text);
}

Test(exec_paths, a_subscriber_is_told_that_its_device_has_gone_and_is_back)
{
	struct subscriber *sub = subscribe(true);

	interrupt();
	soft_look(&soft.source);
	soft.source.events->gone(soft.source.user, "dev0 was unplugged");
	told("absent", "dev0 was unplugged");
	cr_assert_eq(count(sub->wake), 1);
	soft.masked = true;
	soft.source.events->up(soft.source.user);
	told("idle", "the device is back");
	interrupt();
	soft_look(&soft.source);
	cr_assert_eq(count(sub->wake), 1, "the same subscription gets the next interrupt");
	cr_assert_eq(recv(client, &(char){0}, 1, 0), -1);
}

/* ---- the broker's look at itself ------------------------------------------------------------------- */

Test(exec_paths, a_round_that_does_not_end_is_not_well)
{
	struct subscriber *sub = subscribe(true);

	interrupt();
	soft_look(&soft.source);
	cr_assert(arb_unit_owing(line->arb, 0) && exec_healthy(exec));
	/* As if the timer of its deadline had been lost long ago. */
	sub_unit(sub, 0)->asked_at -= 21 * line->arb->config.round_deadline;
	cr_assert_not(exec_healthy(exec));
}
