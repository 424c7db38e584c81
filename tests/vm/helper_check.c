// SPDX-License-Identifier: MIT
/*
 * The kernel helper's interface, promise by promise, on three quiet edu devices of one line:
 *
 *	helper_check LINE ADDRESS ADDRESS ADDRESS
 *
 * Must be the only one on the line.
 */
#include "tests/vm/helper_checker.h"

static int set_mode(int line, uint32_t mode, uint32_t flags)
{
	return helper_request(line, PTIRQ_UIO_SET_MODE,
			      HELPER_REQUEST(ptirq_uio_mode_request, .flags = flags, .mode = mode));
}

static int set_deadline(int line, uint64_t deadline_ns, uint64_t lease_ns)
{
	return helper_request(line, PTIRQ_UIO_SET_DEADLINE,
			      HELPER_REQUEST(ptirq_uio_deadline, .deadline_ns = deadline_ns,
					     .lease_ns = lease_ns));
}

static void holding(void)
{
	struct ptirq_uio_info info;
	int other;

	EXPECT(open(c.path, O_RDWR | O_CLOEXEC) == -1 && errno == EBUSY);
	other = open(c.path, O_RDONLY | O_CLOEXEC);
	EXPECT(other >= 0);
	EXPECT(helper_info(other, PTIRQ_UIO_LINE, &info) == 0);
	EXPECT(helper_mask(other, PTIRQ_UIO_LINE) == -EBADF);
	EXPECT(helper_unmask(other, PTIRQ_UIO_LINE) == -EBADF);
	EXPECT(helper_ack(other, c.nr[0], 1, 0) == -EBADF);
	EXPECT(helper_trigger(other, PTIRQ_UIO_LINE, -1) == -EBADF);
	EXPECT(set_mode(other, 0, 0) == -EBADF && set_deadline(other, 0, 0) == -EBADF);
	EXPECT(helper_page(other) != MAP_FAILED);
	close(other);
	EXPECT(helper_mask(c.line, PTIRQ_UIO_LINE) == 0); /* the observer's close freed nothing */
	report("holding", "one holder; others may look, not touch");
}

static void info(void)
{
	struct ptirq_uio_info line, device;
	char path[32];

	EXPECT(helper_info(c.line, PTIRQ_UIO_LINE, &line) == 0);
	EXPECT(line.caps == 0); /* three units, and nobody else's handler */
	EXPECT(line.devices == 7 && line.major == PTIRQ_UIO_ABI_MAJOR && line.uio_minor == -1);
	for (unsigned int i = 0; i < DEVICES; i++) {
		EXPECT(helper_info(c.line, c.nr[i], &device) == 0);
		EXPECT(device.caps == (PTIRQ_UIO_CAN_MASK | PTIRQ_UIO_HAS_STATUS));
		EXPECT(strcmp(device.name, c.address[i]) == 0 && device.irq == line.irq);
		snprintf(path, sizeof(path), "/dev/uio%d", device.uio_minor);
		EXPECT(open(path, O_RDWR | O_CLOEXEC) == -1 && errno == EBUSY);
	}
	EXPECT(helper_info(c.line, 3, &device) == -ENODEV);
	EXPECT(helper_info(c.line, PTIRQ_UIO_MAX_DEVICES, &device) == -ENODEV);
	report("info", "three devices by their names; their UIO devices are busy");
}

/* Requests that are refused. */
static void refused(void)
{
	struct {
		struct ptirq_uio_mask mask;
		uint32_t more[4];
	} grown = {.mask = {.size = sizeof(grown), .device = c.nr[0]}};
	struct ptirq_uio_mask mask = {.size = sizeof(mask), .device = c.nr[0]};
	int pipes[2];

	EXPECT(helper_request(c.line, PTIRQ_UIO_MASK, &grown) == 0);
	grown.more[3] = 1;
	EXPECT(helper_request(c.line, PTIRQ_UIO_MASK, &grown) == -E2BIG);
	mask.size--;
	EXPECT(helper_request(c.line, PTIRQ_UIO_MASK, &mask) == -EINVAL);
	mask.size = UINT32_MAX;
	EXPECT(helper_request(c.line, PTIRQ_UIO_MASK, &mask) == -EINVAL);
	mask = (struct ptirq_uio_mask){.size = sizeof(mask), .flags = 1, .device = c.nr[0]};
	EXPECT(helper_request(c.line, PTIRQ_UIO_MASK, &mask) == -EINVAL);
	mask = (struct ptirq_uio_mask){.size = sizeof(mask), .reserved = 1, .device = c.nr[0]};
	EXPECT(helper_request(c.line, PTIRQ_UIO_UNMASK, &mask) == -EINVAL);
	EXPECT(helper_request(c.line, PTIRQ_UIO_MASK, NULL) == -EFAULT);
	EXPECT(helper_request(c.line, _IO(PTIRQ_UIO_IOC, 0x7f), &mask) == -ENOTTY);
	EXPECT(helper_ack(c.line, c.nr[0], 1, 2) == -EINVAL);
	EXPECT(helper_ack(c.line, PTIRQ_UIO_LINE, 1, 0) == -ENODEV);
	EXPECT(helper_mask(c.line, 3) == -ENODEV);
	EXPECT(helper_unmask(c.line, UINT32_MAX - 1) == -ENODEV);
	EXPECT(pipe(pipes) == 0);
	EXPECT(helper_trigger(c.line, PTIRQ_UIO_LINE, pipes[0]) == -EINVAL);
	close(pipes[0]);
	close(pipes[1]);
	EXPECT(helper_trigger(c.line, PTIRQ_UIO_LINE, 999) == -EBADF);
	EXPECT(helper_trigger(c.line, PTIRQ_UIO_LINE, -2) == -EINVAL);
	EXPECT(helper_trigger(c.line, 3, -1) == -ENODEV);
	report("refused", "sizes, flags, reserved fields, numbers, fds");
}

/* What lasts until the holder's close. */
static void modes(void)
{
	struct ptirq_uio_mode_request mode = {.size = sizeof(mode), .reserved = 1};
	struct ptirq_uio_deadline deadline = {.size = sizeof(deadline), .flags = 1};
	uint64_t generation;

	EXPECT(helper_request(c.line, PTIRQ_UIO_SET_MODE, &mode) == -EINVAL);
	EXPECT(set_mode(c.line, PTIRQ_UIO_MODE_CPA + 1, 0) == -EINVAL);
	EXPECT(set_mode(c.line, PTIRQ_UIO_MODE_ADAPTIVE, 2) == -EINVAL);
	EXPECT(set_mode(c.line, PTIRQ_UIO_MODE_CPA, 0) == -EOPNOTSUPP);
	EXPECT(helper_request(c.line, PTIRQ_UIO_SET_DEADLINE, &deadline) == -EINVAL);
	EXPECT(set_deadline(c.line, PTIRQ_UIO_DEADLINE_MIN_NS - 1, 0) == -EINVAL);
	EXPECT(set_deadline(c.line, PTIRQ_UIO_DEADLINE_MAX_NS + 1, 0) == -EINVAL);
	EXPECT(set_deadline(c.line, 0, PTIRQ_UIO_LEASE_MAX_NS + 1) == -EINVAL);
	EXPECT(set_deadline(c.line, PTIRQ_UIO_DEADLINE_MIN_NS, PTIRQ_UIO_LEASE_MAX_NS) == 0);
	EXPECT(set_deadline(c.line, 0, 0) == 0);

	quiet();
	edu_raise(&c.edu[0], 0, 1);
	EXPECT(signals(c.trigger[0], 1) == 1);
	generation = entry(0).generation;
	EXPECT(set_mode(c.line, PTIRQ_UIO_MODE_DEVICE, 0) == 0);
	for (unsigned int i = 0; i < DEVICES; i++)
		EXPECT(entry(i).state == PTIRQ_UIO_MASKED && masked(i));
	EXPECT(helper_ack(c.line, c.nr[0], generation, 0) == -ESTALE);
	EXPECT(set_mode(c.line, PTIRQ_UIO_MODE_ADAPTIVE, 0) == 0);
	EXPECT(helper_unmask(c.line, c.nr[0]) == 0 && signals(c.trigger[0], 1) == 1);
	report("modes", "what is refused; a change ends what is deferred, and loses nothing");
}

static void page(void)
{
	size_t size = sysconf(_SC_PAGESIZE);

	EXPECT(c.page->magic == PTIRQ_UIO_MAGIC && c.page->major == PTIRQ_UIO_ABI_MAJOR);
	EXPECT(c.page->size == size && c.page->device_count == PTIRQ_UIO_ENTRIES);
	EXPECT(mmap(NULL, size, PROT_WRITE, MAP_SHARED, c.line, 0) == MAP_FAILED && errno == EPERM);
	EXPECT(mmap(NULL, 2 * size, PROT_READ, MAP_SHARED, c.line, 0) == MAP_FAILED);
	EXPECT(mmap(NULL, size, PROT_READ, MAP_SHARED, c.line, size) == MAP_FAILED);
	EXPECT(mprotect((void *)(uintptr_t)c.page, size, PROT_READ | PROT_WRITE) == -1);
	report("page", "one page, and never writable");
}

static void deferral(void)
{
	struct ptirq_uio_page_device before, e;
	struct ptirq_uio_sample sample;

	quiet();
	before = entry(0);
	EXPECT(!masked(0));
	edu_raise(&c.edu[0], 0, 1);
	EXPECT(signals(c.trigger[0], 1) == 1);
	e = entry(0);
	EXPECT(e.state == PTIRQ_UIO_DEFERRED && e.mask_level == PTIRQ_UIO_MASK_DEVICE);
	EXPECT(e.status == PTIRQ_UIO_STATUS_ASSERTED && e.fired_at_ns > before.fired_at_ns);
	EXPECT(e.generation == before.generation + 1 && e.interrupts == before.interrupts + 1);
	EXPECT(masked(0) && !masked(1) && !masked(2));
	EXPECT(helper_sample(c.line, &sample) == 0);
	EXPECT(sample.devices == 7 && sample.unknown == 0);
	EXPECT(sample.asserting == 1u << c.nr[0] && sample.masked == 1u << c.nr[0]);
	report("deferral", "fired: masked at the device, signalled once");

	before = e;
	EXPECT(helper_ack(c.line, c.nr[0], e.generation - 1, 0) == -ESTALE);
	EXPECT(helper_ack(c.line, c.nr[0], e.generation + 1, 0) == -ESTALE);
	EXPECT(helper_ack(c.line, c.nr[1], entry(1).generation, 0) == -ESTALE);
	e = entry(0);
	EXPECT(masked(0) && e.stale_acks == before.stale_acks + 2);
	e.stale_acks = before.stale_acks;
	e.seq = before.seq;
	EXPECT(memcmp(&e, &before, sizeof(e)) == 0 && signals(c.trigger[0], 0) == 0);
	report("stale-ack", "older, newer, of another: ESTALE, and only the count changes");

	EXPECT(helper_ack(c.line, c.nr[0], e.generation, 0) == 0);
	EXPECT(signals(c.trigger[0], 1) == 1);
	e = entry(0);
	EXPECT(e.state == PTIRQ_UIO_DEFERRED && e.generation == before.generation + 1);
	EXPECT(e.again == before.again + 1 && e.interrupts == before.interrupts && masked(0));
	report("again", "acked while it asserts: a new generation without an interrupt");

	edu_ack(&c.edu[0], 0);
	EXPECT(helper_ack(c.line, c.nr[0], e.generation, 0) == 0);
	EXPECT(entry(0).state == PTIRQ_UIO_IDLE && !masked(0));
	EXPECT(helper_ack(c.line, c.nr[0], e.generation, 0) == -ESTALE);
	EXPECT(entry(0).state == PTIRQ_UIO_IDLE && signals(c.trigger[0], 0) == 0);
	report("double-ack", "the second is stale");
}

static void keeping(void)
{
	uint64_t generation;

	quiet();
	edu_raise(&c.edu[0], 0, 1);
	EXPECT(signals(c.trigger[0], 1) == 1);
	edu_ack(&c.edu[0], 0);
	generation = entry(0).generation;
	EXPECT(helper_ack(c.line, c.nr[0], generation, PTIRQ_UIO_ACK_KEEP_MASKED) == 0);
	EXPECT(entry(0).state == PTIRQ_UIO_MASKED && masked(0));
	EXPECT(helper_ack(c.line, c.nr[0], generation, 0) == -ESTALE && masked(0));
	edu_raise(&c.edu[0], 0, 1);
	EXPECT(signals(c.trigger[0], 0) == 0);
	EXPECT(helper_unmask(c.line, c.nr[0]) == 0);
	EXPECT(signals(c.trigger[0], 1) == 1 && entry(0).state == PTIRQ_UIO_DEFERRED && masked(0));
	generation = entry(0).generation;
	EXPECT(helper_mask(c.line, c.nr[0]) == 0 && helper_mask(c.line, c.nr[0]) == 0);
	EXPECT(entry(0).state == PTIRQ_UIO_MASKED);
	EXPECT(helper_ack(c.line, c.nr[0], generation, 0) == -ESTALE && masked(0));
	report("keep-masked", "and MASK, which ends a deferral, until UNMASK, which signals");
}

/* dev0 is masked and asserts while its neighbours fire. */
static void attribution(void)
{
	uint64_t generation;

	quiet();
	edu_raise(&c.edu[0], 0, 1);
	EXPECT(signals(c.trigger[0], 1) == 1);
	generation = entry(0).generation;
	for (unsigned int n = 1; n <= 10; n++) {
		edu_raise(&c.edu[1], 0, n);
		EXPECT(signals(c.trigger[1], 1) == 1);
		edu_ack(&c.edu[1], 0);
		EXPECT(helper_ack(c.line, c.nr[1], entry(1).generation, 0) == 0);
	}
	EXPECT(entry(0).generation == generation && signals(c.trigger[0], 0) == 0);
	EXPECT(entry(2).state == PTIRQ_UIO_IDLE && signals(c.trigger[2], 0) == 0);
	report("attribution",
	       "10 interrupts of a neighbour while dev0 asserts masked: 0 are dev0's");
}

static void triggers(void)
{
	int other = event();

	quiet();
	EXPECT(helper_trigger(c.line, c.nr[0], other) == 0);
	edu_raise(&c.edu[0], 0, 1);
	EXPECT(signals(other, 1) == 1 && signals(c.trigger[0], 0) == 0);
	EXPECT(helper_trigger(c.line, c.nr[0], -1) == 0);
	EXPECT(helper_unmask(c.line, c.nr[0]) == 0);
	EXPECT(signals(c.line_trigger, 1) == 1 && signals(other, 0) == 0);
	EXPECT(helper_trigger(c.line, c.nr[0], c.trigger[0]) == 0);
	EXPECT(signals(c.trigger[0], 0) == 0);
	close(other);
	report("triggers", "the device's own, else the line's; none once replaced");
}

/* Somebody clears DisINTx of a device that asserts: without help that ends in "nobody cared". */
static void repairs(void)
{
	uint64_t repaired = c.page->repaired;
	uint8_t command = 0;

	quiet();
	edu_raise(&c.edu[0], 0, 1);
	EXPECT(signals(c.trigger[0], 1) == 1);
	EXPECT(pread(c.config[0], &command, 1, 5) == 1);
	command &= ~(1 << 2);
	EXPECT(pwrite(c.config[0], &command, 1, 5) == 1);
	for (int i = 0; i < 1000 && c.page->repaired == repaired; i++)
		usleep(1000);
	EXPECT(c.page->repaired == repaired + 1 && masked(0));
	EXPECT(entry(0).state == PTIRQ_UIO_DEFERRED && signals(c.trigger[0], 0) == 0);
	report("repair", "a mask taken away from outside is restored");
}

int main(int argc, char **argv)
{
	checker_start(argc, argv);
	for (unsigned int i = 0; i < DEVICES; i++)
		EXPECT(entry(i).state == PTIRQ_UIO_MASKED && masked(i));
	report("starts-masked", "what nobody holds is masked");
	holding();
	info();
	refused();
	modes();
	page();
	deferral();
	keeping();
	attribution();
	triggers();
	repairs();
	quiet();
	return 0;
}
