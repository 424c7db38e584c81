// SPDX-License-Identifier: MIT
/*
 * Mode cpa of the kernel helper, promise by promise, on a wire of the test chip:
 *
 *	cpa_check [--fly] LINE WIRE DEVICE [DEVICE]
 *
 * On a wire whose polarity can be inverted: each change is an event, nothing is masked. On another:
 * EOPNOTSUPP, and the line goes on as it was. Prints a line "pass|fail NAME DETAIL" per promise.
 * Must be the only one on the line; the devices assert nothing. With --fly it enters the mode and has
 * the wire change until the line goes.
 */
#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/vm/wire.h"

/* Changes in 10 ms: the emulated machine is faster than what the module takes for a fluttering wire. */
enum { BURST = 1000000 };

static struct wire w;
static unsigned int storm_count = 3000;

static bool can_invert(void)
{
	return w.nr == CHIP_SHARED || w.nr == CHIP_LOW || w.nr == CHIP_BLIND;
}

static bool tells_level(void)
{
	return w.nr == CHIP_SHARED || w.nr == CHIP_LOW;
}

static uint32_t wired(void)
{
	return w.nr == CHIP_LOW ? CHIP_TYPE_LOW : CHIP_TYPE_HIGH;
}

static uint32_t type(void)
{
	return chip_get("wire", w.nr, "type");
}

static uint32_t caps(void)
{
	struct ptirq_uio_info info = {.caps = 0};

	EXPECT(helper_info(w.line, PTIRQ_UIO_LINE, &info) == 0);
	return info.caps;
}

/* As its holder is told: the state never changes, the status and the generation do. */
static bool shows(enum ptirq_uio_status status, uint64_t generation)
{
	struct ptirq_uio_page_device e = wire_entry(&w);

	return e.state == PTIRQ_UIO_IDLE && e.mask_level == PTIRQ_UIO_UNMASKED &&
	       e.status == status && e.generation == generation && !wire_masked(&w) &&
	       wire_level(&w) == status;
}

static void enter(void)
{
	wire_quiet(&w);
	EXPECT(wire_set_mode(&w, PTIRQ_UIO_MODE_CPA) == 0);
	EXPECT(signals(w.trigger, 1) == 1);
}

static void leave(void)
{
	EXPECT(wire_set_mode(&w, PTIRQ_UIO_MODE_ADAPTIVE) == 0);
	EXPECT(type() == wired() && wire_entry(&w).state == PTIRQ_UIO_MASKED);
	EXPECT(helper_unmask(w.line, PTIRQ_UIO_LINE) == 0);
	signals(w.trigger, 0);
}

static void pattern(void)
{
	static const unsigned int levels[] = {0, 1, 0, 1, 0, 0, 1};
	enum ptirq_uio_status status = PTIRQ_UIO_STATUS_CLEAR;
	unsigned int level = 0, events = 0, i;
	struct ptirq_uio_page_device before;
	uint64_t generation;

	EXPECT(caps() & PTIRQ_UIO_CAN_CPA);
	wire_quiet(&w);
	generation = wire_entry(&w).generation;
	enter();
	EXPECT(shows(PTIRQ_UIO_STATUS_CLEAR, ++generation));
	EXPECT(helper_ack(w.line, PTIRQ_UIO_LINE, generation, 0) == -ESTALE);
	before = wire_entry(&w);
	for (i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		chip_write(w.assert, levels[i]);
		EXPECT(signals(w.trigger, levels[i] != level) == (levels[i] != level));
		events += levels[i] != level;
		level = levels[i];
		status = level ? PTIRQ_UIO_STATUS_ASSERTED : PTIRQ_UIO_STATUS_CLEAR;
		EXPECT(shows(status, generation + events));
	}
	EXPECT(events == 5);
	EXPECT(wire_entry(&w).interrupts == before.interrupts + events);
	report("cpa.pattern", "0,1,0,1,0,0,1 is %u events", events);

	leave();
	EXPECT(wire_entry(&w).state == PTIRQ_UIO_DEFERRED && wire_masked(&w));
	chip_write(w.assert, 0);
	EXPECT(wire_ack(&w) == 0 && wire_entry(&w).state == PTIRQ_UIO_IDLE);
	report("cpa.leave", "masked; what asserts is deferred from the UNMASK on");
}

/* Begun while it asserts: deferred, masked or neither. */
static void begun_asserting(void)
{
	uint64_t generation;

	wire_quiet(&w);
	chip_write(w.raise[0], 1);
	EXPECT(signals(w.trigger, 1) == 1);
	generation = wire_entry(&w).generation;
	EXPECT(wire_set_mode(&w, PTIRQ_UIO_MODE_CPA) == 0);
	EXPECT(signals(w.trigger, 1) == 1 && shows(PTIRQ_UIO_STATUS_ASSERTED, generation + 1));
	EXPECT(helper_ack(w.line, PTIRQ_UIO_LINE, generation, 0) == -ESTALE);
	chip_write(w.ack[0], 1);
	EXPECT(signals(w.trigger, 1) == 1 && shows(PTIRQ_UIO_STATUS_CLEAR, generation + 2));
	leave();
	EXPECT(signals(w.trigger, 0) == 0 && wire_entry(&w).state == PTIRQ_UIO_IDLE);

	EXPECT(helper_mask(w.line, PTIRQ_UIO_LINE) == 0);
	chip_write(w.raise[0], 1);
	generation = wire_entry(&w).generation;
	EXPECT(wire_set_mode(&w, PTIRQ_UIO_MODE_CPA) == 0);
	EXPECT(signals(w.trigger, 1) == 1 && shows(PTIRQ_UIO_STATUS_ASSERTED, generation + 1));
	chip_write(w.ack[0], 1);
	EXPECT(signals(w.trigger, 1) == 1);
	leave();
	report("cpa.asserting", "the first event tells what the wire is");
}

static void two_devices(void)
{
	uint64_t generation;

	if (w.devices < 2)
		return;
	enter();
	generation = wire_entry(&w).generation;
	chip_write(w.raise[0], 1);
	chip_write(w.raise[1], 1);
	EXPECT(shows(PTIRQ_UIO_STATUS_ASSERTED, generation + 1));
	chip_write(w.ack[0], 1);
	EXPECT(shows(PTIRQ_UIO_STATUS_ASSERTED, generation + 1));
	chip_write(w.ack[1], 1);
	EXPECT(shows(PTIRQ_UIO_STATUS_CLEAR, generation + 2) && signals(w.trigger, 2) == 2);
	leave();
	report("cpa.two-devices", "the wire is up until both have been served");
}

/* The holder may mask: what the wire does meanwhile is told as far as it lasts. */
static void masked(void)
{
	uint64_t generation;

	enter();
	generation = wire_entry(&w).generation;
	EXPECT(helper_mask(w.line, PTIRQ_UIO_LINE) == 0 && wire_masked(&w));
	EXPECT(wire_entry(&w).state == PTIRQ_UIO_MASKED);
	chip_write(w.assert, 1);
	chip_write(w.assert, 0);
	EXPECT(helper_unmask(w.line, PTIRQ_UIO_LINE) == 0 && signals(w.trigger, 0) == 0);
	EXPECT(shows(PTIRQ_UIO_STATUS_CLEAR, generation));
	EXPECT(helper_mask(w.line, PTIRQ_UIO_LINE) == 0);
	chip_write(w.assert, 1);
	EXPECT(signals(w.trigger, 0) == 0);
	EXPECT(helper_unmask(w.line, PTIRQ_UIO_LINE) == 0 && signals(w.trigger, 1) == 1);
	EXPECT(shows(PTIRQ_UIO_STATUS_ASSERTED, generation + 1));
	chip_write(w.assert, 0);
	EXPECT(signals(w.trigger, 1) == 1);
	leave();
	report("cpa.masked", "MASK and UNMASK: a pulse is nothing, a change is told");
}

/* Each change awaited; then a wire that changes on one CPU while another is in the handler. */
static void storm(void)
{
	uint64_t generation, interrupts, events = 0, seen;
	bool alternates = true;
	pid_t pid;

	enter();
	generation = wire_entry(&w).generation;
	for (unsigned int i = 0; i < storm_count; i++) {
		chip_write(w.assert, !(i & 1));
		events += signals(w.trigger, 1);
		if (events != i + 1)
			break;
	}
	EXPECT(events == storm_count && wire_entry(&w).generation == generation + storm_count);
	report("cpa.storm", "%" PRIu64 " changes, as many events", events);

	chip_write(w.assert, 0);
	signals(w.trigger, 0);
	interrupts = wire_entry(&w).interrupts;
	seen = generation = wire_entry(&w).generation;
	pid = fork();
	if (pid == 0) {
		for (unsigned int i = 0; i < storm_count; i++) {
			chip_write(w.raise[0], 1);
			chip_write(w.ack[0], 1);
			if (i % 16 == 0)
				usleep(100);
		}
		_exit(0);
	}
	while (waitpid(pid, NULL, WNOHANG) == 0) {
		struct ptirq_uio_page_device e = wire_entry(&w);

		/* From clear at the first generation on, the two alternate. */
		if ((e.generation - generation) % 2 != (e.status == PTIRQ_UIO_STATUS_ASSERTED))
			alternates = false;
		if (e.generation < seen)
			alternates = false;
		seen = e.generation;
		chip_write(w.assert, 1);
		chip_write(w.assert, 0);
	}
	signals(w.trigger, 0);
	events = wire_entry(&w).generation - generation;
	EXPECT(alternates);
	EXPECT(events % 2 == 0 && events >= storm_count / 10);
	EXPECT(wire_entry(&w).interrupts == interrupts + events);
	EXPECT(shows(PTIRQ_UIO_STATUS_CLEAR, generation + events));
	leave();
	report("cpa.racing", "two CPUs at one wire: %" PRIu64 " events, up and down by turns",
	       events);
}

/* Only while it is to: a wire that never rests cannot be proved to be inverted. */
static void toggle(const volatile bool *fly)
{
	wire_let_go(&w); /* what was inherited would keep the line held */
	for (unsigned int i = 1;; i++) {
		if (*fly)
			chip_write(w.assert, i & 1);
		else
			usleep(200);
	}
}

static void enter_and_fly(bool *fly)
{
	EXPECT(wire_set_mode(&w, PTIRQ_UIO_MODE_CPA) == 0);
	*(volatile bool *)fly = true;
}

/* The holder is killed, or changes the mode, while the wire flies: the polarity is as it was. */
static void leaving(void)
{
	enum { ROUNDS = 15 };
	bool *fly =
		mmap(NULL, sizeof(*fly), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int wrong_type = 0;
	pid_t toggler, holder;

	wire_quiet(&w);
	toggler = fork();
	if (toggler == 0)
		toggle(fly);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		enter_and_fly(fly);
		usleep(1000 + 100 * i);
		EXPECT(wire_set_mode(&w, PTIRQ_UIO_MODE_ADAPTIVE) == 0);
		*fly = false;
		wrong_type += type() != wired();
		usleep(1000);
	}
	wire_let_go(&w);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		holder = fork();
		if (holder == 0) {
			wire_hold(&w);
			enter_and_fly(fly);
			if (check_wrong[0])
				report("cpa.holder", "never printed");
			pause();
		}
		for (unsigned int ms = 0; !*(volatile bool *)fly && ms < 2000; ms++)
			usleep(1000);
		EXPECT(*fly);
		usleep(1000 + 100 * i);
		kill(holder, SIGKILL);
		waitpid(holder, NULL, 0);
		*fly = false;
		wrong_type += type() != wired();
		usleep(1000);
	}
	kill(toggler, SIGKILL);
	waitpid(toggler, NULL, 0);
	wire_hold(&w);
	EXPECT(wrong_type == 0);
	EXPECT(wire_entry(&w).state == PTIRQ_UIO_MASKED && wire_masked(&w));
	wire_quiet(&w);
	chip_write(w.raise[0], 1);
	EXPECT(signals(w.trigger, 1) == 1 && wire_entry(&w).state == PTIRQ_UIO_DEFERRED);
	wire_quiet(&w);
	report("cpa.leaving", "%d changes of mode and %d kills in flight: the polarity is back",
	       ROUNDS, ROUNDS);
}

static void set_burst(unsigned int burst)
{
	int fd = open("/sys/module/ptirq_uio/parameters/cpa_burst", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || dprintf(fd, "%u", burst) < 0)
		err(2, "cpa_burst");
	close(fd);
}

/* More than anybody can follow. With a threaded handler there are fewer events than changes. */
static void flutter(void)
{
	enum { LIMIT = 20 };
	uint64_t generation, events;

	set_burst(LIMIT);
	enter();
	generation = wire_entry(&w).generation;
	for (unsigned int i = 0; i < 100000 && wire_entry(&w).state == PTIRQ_UIO_IDLE; i++)
		chip_write(w.assert, !(i & 1));
	set_burst(BURST);
	events = wire_entry(&w).generation - generation;
	EXPECT(wire_entry(&w).state == PTIRQ_UIO_DEFERRED && wire_masked(&w));
	EXPECT(type() == wired() && events > LIMIT);
	EXPECT(signals(w.trigger, events) == events);
	chip_write(w.assert, 1);
	EXPECT(wire_ack(&w) == 0 && signals(w.trigger, 1) == 1); /* an ordinary deferral again */
	chip_write(w.assert, 0);
	EXPECT(wire_ack(&w) == 0 && wire_entry(&w).state == PTIRQ_UIO_IDLE);
	enter();
	leave();
	report("cpa.flutter", "masked and deferred after %" PRIu64 " changes", events);
}

/*
 * A controller that refuses, ignores or lies: the request is refused, and nothing else changes. The
 * lie is found out while the wire is at rest; while it asserts it looks like a wire that changes.
 */
static void refused(void)
{
	struct ptirq_uio_page_device before, e;

	wire_quiet(&w);
	chip_write(w.raise[0], 1);
	EXPECT(signals(w.trigger, 1) == 1);
	before = wire_entry(&w);
	EXPECT(wire_set_mode(&w, PTIRQ_UIO_MODE_CPA) ==
	       (w.nr == CHIP_LIES ? -EAGAIN : -EOPNOTSUPP));
	e = wire_entry(&w);
	EXPECT(e.state == PTIRQ_UIO_DEFERRED && e.generation == before.generation);
	EXPECT(wire_masked(&w) && type() == wired());
	chip_write(w.ack[0], 1);
	EXPECT(wire_ack(&w) == 0);
	EXPECT(wire_set_mode(&w, PTIRQ_UIO_MODE_CPA) == -EOPNOTSUPP);
	EXPECT(!(caps() & PTIRQ_UIO_CAN_CPA) && type() == wired());
	e = wire_entry(&w);
	EXPECT(e.state == PTIRQ_UIO_IDLE && e.generation == before.generation && !wire_masked(&w));
	EXPECT(signals(w.trigger, 0) == 0);
	chip_write(w.raise[0], 1);
	EXPECT(signals(w.trigger, 1) == 1);
	chip_write(w.ack[0], 1);
	EXPECT(wire_ack(&w) == 0 && wire_entry(&w).state == PTIRQ_UIO_IDLE);
	report("cpa.refused", "EOPNOTSUPP; the line goes on as it was");
}

/* Until the line goes. */
static void fly(void)
{
	struct pollfd pfd = {.fd = w.line};

	set_burst(BURST);
	enter();
	puts("ready");
	fflush(stdout);
	for (unsigned int i = 1; poll(&pfd, 1, 0) == 0; i++)
		chip_write(w.assert, i & 1);
	chip_write(w.assert, 0);
	EXPECT(pfd.revents & POLLHUP && wire_set_mode(&w, PTIRQ_UIO_MODE_CPA) == -ENODEV);
	exit(check_wrong[0] ? 1 : 0);
}

/* What was known in this mode is not known after it. */
static void levels(void)
{
	wire_quiet(&w);
	EXPECT(wire_level(&w) ==
	       (tells_level() ? PTIRQ_UIO_STATUS_CLEAR : PTIRQ_UIO_STATUS_UNKNOWN));
	report("cpa.level", "%s",
	       tells_level() ? "the controller tells it" : "known in this mode only");
}

int main(int argc, char **argv)
{
	const char *count = getenv("VMTEST_COUNT");

	if (count)
		storm_count = strtoul(count, NULL, 10);
	if (argc > 1 && strcmp(argv[1], "--fly") == 0) {
		wire_open(argc - 1, argv + 1, &w);
		fly();
	}
	wire_open(argc, argv, &w);
	if (!can_invert()) {
		refused();
		return 0;
	}
	pattern();
	begun_asserting();
	two_devices();
	masked();
	set_burst(BURST);
	storm();
	leaving();
	flutter();
	levels();
	return 0;
}
