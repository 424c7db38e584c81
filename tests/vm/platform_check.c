// SPDX-License-Identifier: MIT
/*
 * Platform devices behind the kernel helper, promise by promise, on a wire of the test chip:
 *
 *	platform_check LINE WIRE DEVICE [DEVICE]
 *
 * A line of platform devices is one unit: masked at the interrupt controller, acknowledged as a
 * whole. Prints a line "pass|fail NAME DETAIL" per promise. Must be the only one on the line; the
 * devices assert nothing.
 */
#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/vm/wire.h"

static struct wire w;
static unsigned int storm_count = 3000;

static bool tells_level(void)
{
	return w.nr == CHIP_SHARED || w.nr == CHIP_LOW;
}

/* How often the handler was called. */
static uint64_t calls(void)
{
	return *(const volatile __u64 *)&w.page->calls;
}

static void info(void)
{
	struct ptirq_uio_info line, device;
	unsigned int found = 0;
	char path[32];

	EXPECT(wire_entry(&w).state == PTIRQ_UIO_MASKED && wire_masked(&w));
	EXPECT(helper_info(w.line, PTIRQ_UIO_LINE, &line) == 0);
	EXPECT(line.caps & PTIRQ_UIO_ONE_UNIT && !(line.caps & PTIRQ_UIO_SHARED));
	EXPECT(!(line.caps & PTIRQ_UIO_HAS_LEVEL) == !tells_level());
	for (uint32_t nr = 0; nr < PTIRQ_UIO_MAX_DEVICES; nr++) {
		if (!(line.devices & 1u << nr))
			continue;
		EXPECT(helper_info(w.line, nr, &device) == 0);
		EXPECT(strncmp(device.name, "ptirq-test.", 11) == 0 && device.irq == line.irq);
		EXPECT(!(device.caps & (PTIRQ_UIO_CAN_MASK | PTIRQ_UIO_HAS_STATUS)));
		snprintf(path, sizeof(path), "/dev/uio%d", device.uio_minor);
		EXPECT(open(path, O_RDWR | O_CLOEXEC) == -1 && errno == EBUSY);
		found++;
	}
	EXPECT(found == w.devices);
	report("platform.info", "one unit of %u devices, masked until it is held", found);
}

static void deferral(void)
{
	struct ptirq_uio_page_device before, e;
	struct ptirq_uio_sample sample;

	wire_quiet(&w);
	before = wire_entry(&w);
	EXPECT(wire_level(&w) ==
	       (tells_level() ? PTIRQ_UIO_STATUS_CLEAR : PTIRQ_UIO_STATUS_UNKNOWN));
	chip_write(w.raise[0], 1);
	EXPECT(signals(w.trigger, 1) == 1);
	e = wire_entry(&w);
	EXPECT(e.state == PTIRQ_UIO_DEFERRED && e.mask_level == PTIRQ_UIO_MASK_LINE);
	EXPECT(e.generation == before.generation + 1 && e.interrupts == before.interrupts + 1);
	EXPECT(e.fired_at_ns > before.fired_at_ns && wire_masked(&w));
	EXPECT(helper_sample(w.line, &sample) == 0 && sample.line_masked == 1);
	EXPECT(sample.level ==
	       (tells_level() ? PTIRQ_UIO_STATUS_ASSERTED : PTIRQ_UIO_STATUS_UNKNOWN));
	EXPECT(helper_ack(w.line, 0, e.generation, 0) == -EOPNOTSUPP);
	EXPECT(helper_ack(w.line, PTIRQ_UIO_LINE, e.generation + 1, 0) == -ESTALE);
	EXPECT(helper_ack(w.line, PTIRQ_UIO_LINE, e.generation - 1, 0) == -ESTALE);
	EXPECT(wire_masked(&w));
	report("platform.deferral", "masked at the controller, signalled once");

	EXPECT(wire_ack(&w) == 0 && signals(w.trigger, 1) == 1);
	e = wire_entry(&w);
	EXPECT(e.state == PTIRQ_UIO_DEFERRED && wire_masked(&w));
	EXPECT(e.generation == before.generation + 2 && e.interrupts == before.interrupts + 2);
	EXPECT(e.again == before.again);
	report("platform.again", "acked while it asserts: the hardware fires again");

	chip_write(w.ack[0], 1);
	EXPECT(wire_ack(&w) == 0 && signals(w.trigger, 0) == 0);
	EXPECT(helper_ack(w.line, PTIRQ_UIO_LINE, e.generation, 0) == -ESTALE);
	EXPECT(wire_entry(&w).state == PTIRQ_UIO_IDLE && !wire_masked(&w));
	report("platform.acked", "acked after it was served: nothing more; a second ack is stale");
}

/* The wire changes while the line is masked: only what it is at the end counts. */
static void glitches(void)
{
	struct ptirq_uio_page_device before;

	wire_quiet(&w);
	before = wire_entry(&w);
	for (unsigned int i = 0; i < 50; i++) {
		chip_write(w.raise[0], 1);
		EXPECT(signals(w.trigger, 1) == 1);
		chip_write(w.ack[0], 1);
		chip_write(w.raise[0], 1);
		EXPECT(wire_ack(&w) == 0);
		EXPECT(signals(w.trigger, 1) == 1);
		chip_write(w.ack[0], 1);
		EXPECT(wire_ack(&w) == 0);
	}
	EXPECT(signals(w.trigger, 0) == 0);
	EXPECT(wire_entry(&w).generation == before.generation + 100);
	report("platform.glitch", "50 times down and up while deferred: served once more each");

	before = wire_entry(&w);
	for (unsigned int i = 0; i < 50; i++) {
		chip_write(w.raise[0], 1);
		EXPECT(signals(w.trigger, 1) == 1);
		for (unsigned int n = 0; n < 3; n++) {
			chip_write(w.ack[0], 1);
			chip_write(w.raise[0], 1);
		}
		chip_write(w.ack[0], 1);
		EXPECT(wire_ack(&w) == 0);
	}
	EXPECT(signals(w.trigger, 0) == 0);
	EXPECT(wire_entry(&w).generation == before.generation + 50);
	report("platform.glitch-low", "50 times down in the end: nothing after the ack");
}

/* One unit: nobody can say whose the interrupt was. */
static void two_devices(void)
{
	struct ptirq_uio_page_device before;

	if (w.devices < 2)
		return;
	wire_quiet(&w);
	before = wire_entry(&w);
	chip_write(w.raise[0], 1);
	chip_write(w.raise[1], 1);
	EXPECT(signals(w.trigger, 1) == 1);
	chip_write(w.ack[0], 1);
	EXPECT(wire_ack(&w) == 0 && signals(w.trigger, 1) == 1);
	chip_write(w.ack[1], 1);
	EXPECT(wire_ack(&w) == 0 && signals(w.trigger, 0) == 0);
	EXPECT(wire_entry(&w).generation == before.generation + 2);
	report("platform.two-devices", "one served, then the other: two generations of the line");
}

static void keeping(void)
{
	uint64_t generation;

	wire_quiet(&w);
	chip_write(w.raise[0], 1);
	EXPECT(signals(w.trigger, 1) == 1);
	generation = wire_entry(&w).generation;
	chip_write(w.ack[0], 1);
	EXPECT(helper_ack(w.line, PTIRQ_UIO_LINE, generation, PTIRQ_UIO_ACK_KEEP_MASKED) == 0);
	EXPECT(wire_entry(&w).state == PTIRQ_UIO_MASKED && wire_masked(&w));
	chip_write(w.raise[0], 1);
	EXPECT(signals(w.trigger, 0) == 0);
	EXPECT(helper_unmask(w.line, PTIRQ_UIO_LINE) == 0 && signals(w.trigger, 1) == 1);
	EXPECT(wire_entry(&w).state == PTIRQ_UIO_DEFERRED);
	generation = wire_entry(&w).generation;
	for (int i = 0; i < 3; i++)
		EXPECT(helper_mask(w.line, PTIRQ_UIO_LINE) == 0);
	EXPECT(helper_ack(w.line, PTIRQ_UIO_LINE, generation, 0) == -ESTALE && wire_masked(&w));
	chip_write(w.ack[0], 1);
	EXPECT(helper_unmask(w.line, PTIRQ_UIO_LINE) == 0 && !wire_masked(&w));
	EXPECT(helper_unmask(w.line, PTIRQ_UIO_LINE) == 0 && signals(w.trigger, 0) == 0);
	report("platform.keep-masked", "masking three times is masking once");
}

/* The holder goes and comes: what asserted meanwhile is signalled then. */
static void holders(void)
{
	wire_quiet(&w);
	wire_let_go(&w);
	EXPECT(wire_masked(&w));
	chip_write(w.raise[0], 1);
	wire_hold(&w);
	EXPECT(wire_entry(&w).state == PTIRQ_UIO_MASKED && signals(w.trigger, 0) == 0);
	EXPECT(helper_unmask(w.line, PTIRQ_UIO_LINE) == 0 && signals(w.trigger, 1) == 1);
	report("platform.holders", "masked without a holder; the next one's UNMASK fires");
}

/* The entry of the line in the page has a number, but no request takes it. */
static void refused(void)
{
	const uint32_t none[] = {w.devices, PTIRQ_UIO_MAX_DEVICES, PTIRQ_UIO_ENTRIES,
				 UINT32_MAX - 1};
	struct ptirq_uio_info device;

	wire_quiet(&w);
	for (unsigned int i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		EXPECT(helper_trigger(w.line, none[i], w.trigger) == -ENODEV);
		EXPECT(helper_notify(w.line, none[i], &w.trigger, 1) == -ENODEV);
		EXPECT(helper_resample(w.line, none[i], w.trigger) == -ENODEV);
		EXPECT(helper_ack(w.line, none[i], wire_entry(&w).generation, 0) == -ENODEV);
		EXPECT(helper_mask(w.line, none[i]) == -ENODEV);
		EXPECT(helper_unmask(w.line, none[i]) == -ENODEV);
		EXPECT(helper_info(w.line, none[i], &device) == -ENODEV);
	}
	EXPECT(wire_entry(&w).state == PTIRQ_UIO_IDLE && !wire_masked(&w));
	report("platform.refused", "numbers that no device has");
}

/* What a UIO program has, no holder may acknowledge for it. */
static void resample_of_uio(void)
{
	int uio, event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct ptirq_uio_info device;
	char path[32];

	if (w.devices != 1)
		return;
	wire_quiet(&w);
	EXPECT(helper_info(w.line, 0, &device) == 0);
	snprintf(path, sizeof(path), "/dev/uio%d", device.uio_minor);
	wire_let_go(&w);
	uio = open(path, O_RDWR | O_CLOEXEC);
	EXPECT(uio >= 0);
	wire_hold(&w);
	EXPECT(helper_resample(w.line, PTIRQ_UIO_LINE, event) == -EBUSY);
	close(uio);
	EXPECT(helper_resample(w.line, PTIRQ_UIO_LINE, event) == 0);
	EXPECT(helper_resample(w.line, PTIRQ_UIO_LINE, -1) == 0);
	close(event);
	report("platform.resample-uio", "EBUSY while a UIO program has the line");
}

/* The trigger acknowledges itself while the wire stays up: the machine has other things to do. */
static void resample_itself(void)
{
	uint64_t called = calls();
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	wire_quiet(&w);
	EXPECT(helper_trigger(w.line, PTIRQ_UIO_LINE, event) == 0);
	EXPECT(helper_resample(w.line, PTIRQ_UIO_LINE, event) == 0);
	chip_write(w.assert, 1);
	usleep(50000);
	chip_write(w.assert, 0);
	EXPECT(helper_resample(w.line, PTIRQ_UIO_LINE, -1) == 0);
	EXPECT(helper_trigger(w.line, PTIRQ_UIO_LINE, w.trigger) == 0);
	called = calls() - called;
	EXPECT(called > 1);
	close(event);
	wire_quiet(&w);
	report("platform.resample-itself", "%" PRIu64 " calls in 50 ms, and it ends", called);
}

/* Another process raises as fast as it can; here each device that asserts is served. */
static void storm(void)
{
	struct shared {
		_Atomic uint64_t raised;
	} *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t served = 0, acks = 0, called;
	pid_t pid;

	wire_quiet(&w);
	called = calls();
	pid = fork();
	if (pid == 0) {
		unsigned int i = 0;

		while (s->raised < storm_count) {
			int raise = w.raise[i++ % w.devices];

			if (chip_read(raise)) {
				usleep(20);
				continue;
			}
			s->raised++;
			chip_write(raise, 1);
		}
		_exit(0);
	}
	while (served < storm_count && signals(w.trigger, 1)) {
		for (unsigned int i = 0; i < w.devices; i++) {
			if (!chip_read(w.raise[i]))
				continue;
			chip_write(w.ack[i], 1);
			served++;
		}
		acks += wire_ack(&w) == 0;
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	called = calls() - called;
	EXPECT(served == s->raised && served == storm_count);
	EXPECT(signals(w.trigger, 0) == 0 && wire_entry(&w).state == PTIRQ_UIO_IDLE);
	report("platform.storm",
	       "%" PRIu64 " raised, %" PRIu64 " served, %" PRIu64 " acks, %" PRIu64 " calls",
	       s->raised, served, acks, called);

	/* Nobody serves: the wire never falls. */
	called = calls();
	chip_write(w.assert, 1);
	for (acks = 0; acks < storm_count && signals(w.trigger, 1); acks++)
		EXPECT(wire_ack(&w) == 0);
	chip_write(w.assert, 0);
	signals(w.trigger, 0);
	called = calls() - called;
	EXPECT(acks == storm_count && called == acks + 1);
	EXPECT(wire_ack(&w) == 0 && wire_entry(&w).state == PTIRQ_UIO_IDLE);
	report("platform.stuck", "%" PRIu64 " acks of a wire that stays up: one call each", acks);
}

int main(int argc, char **argv)
{
	const char *count = getenv("VMTEST_COUNT");

	if (count)
		storm_count = strtoul(count, NULL, 10);
	wire_open(argc, argv, &w);
	info();
	deferral();
	glitches();
	two_devices();
	keeping();
	holders();
	refused();
	resample_of_uio();
	resample_itself();
	storm();
	return 0;
}
