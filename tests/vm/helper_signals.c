// SPDX-License-Identifier: MIT
/*
 * The kernel helper's eventfds, and who holds which device, on three quiet edu devices of one line:
 *
 *	helper_signals LINE ADDRESS ADDRESS ADDRESS
 *
 * Must be the only one on the line.
 */
#include <err.h>
#include <poll.h>
#include <stdlib.h>

#include "tests/vm/helper_checker.h"

static void close_all(int *fds, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		close(fds[i]);
		fds[i] = -1;
	}
}

/* Raises, is signalled, serves and acknowledges, all of device i. */
static void serve_once(unsigned int i)
{
	edu_raise(&c.edu[i], 0, 1);
	EXPECT(signals(c.trigger[i], 1) == 1);
	edu_ack(&c.edu[i], 0);
	EXPECT(helper_ack(c.line, c.nr[i], entry(i).generation, 0) == 0);
}

static void notify(void)
{
	int line[3] = {event(), event(), event()};
	int own[2] = {event(), event()};

	quiet();
	EXPECT(helper_notify(c.line, PTIRQ_UIO_LINE, line, 3) == 0);
	serve_once(0);
	for (unsigned int i = 0; i < 3; i++)
		EXPECT(signals(line[i], 1) == 1);
	EXPECT(helper_notify(c.line, c.nr[0], own, 2) == 0);
	serve_once(0);
	EXPECT(signals(own[0], 1) == 1 && signals(own[1], 1) == 1 && signals(line[0], 0) == 0);
	serve_once(1);
	EXPECT(signals(line[2], 1) == 1 && signals(own[0], 0) == 0);
	report("notify",
	       "all of the list, besides the trigger; a device's own instead of the line's");

	/* An unmask that finds the device asserting tells them as an interrupt does. */
	edu_raise(&c.edu[0], 0, 1);
	EXPECT(signals(own[0], 1) == 1);
	EXPECT(helper_ack(c.line, c.nr[0], entry(0).generation, 0) == 0);
	EXPECT(signals(own[0], 1) == 1 && signals(own[1], 2) == 2);
	report("notify-again", "acked while it asserts: the list once more");

	quiet();
	EXPECT(helper_notify(c.line, c.nr[0], own + 1, 1) == 0);
	serve_once(0);
	EXPECT(signals(own[1], 1) == 1 && signals(own[0], 0) == 0);
	EXPECT(helper_notify(c.line, c.nr[0], NULL, 0) == 0);
	serve_once(0);
	EXPECT(signals(line[0], 2) == 2 && signals(own[1], 0) == 0);
	EXPECT(helper_notify(c.line, PTIRQ_UIO_LINE, NULL, 0) == 0);
	signals(line[0], 0);
	serve_once(0);
	EXPECT(signals(line[0], 0) == 0);
	report("notify-replaced", "whole lists, and none");
	close_all(line, 3);
	close_all(own, 2);
}

static void notify_refused(void)
{
	int fds[PTIRQ_UIO_MAX_NOTIFY + 1], bad[3], pipes[2];

	quiet();
	for (unsigned int i = 0; i < PTIRQ_UIO_MAX_NOTIFY + 1; i++)
		fds[i] = event();
	EXPECT(pipe(pipes) == 0);
	EXPECT(helper_notify(c.line, c.nr[0], fds, PTIRQ_UIO_MAX_NOTIFY) == 0);
	EXPECT(helper_notify(c.line, c.nr[0], fds, PTIRQ_UIO_MAX_NOTIFY + 1) == -EINVAL);
	memcpy(bad, fds, sizeof(bad));
	bad[2] = pipes[0];
	EXPECT(helper_notify(c.line, c.nr[0], bad, 3) == -EINVAL);
	bad[2] = -1;
	EXPECT(helper_notify(c.line, c.nr[0], bad, 3) == -EBADF);
	EXPECT(helper_notify(c.line, c.nr[0], NULL, 1) == -EFAULT);
	EXPECT(helper_notify(c.line, 3, fds, 1) == -ENODEV);
	serve_once(0);
	for (unsigned int i = 0; i < PTIRQ_UIO_MAX_NOTIFY; i++)
		EXPECT(signals(fds[i], 1) == 1);
	EXPECT(helper_notify(c.line, c.nr[0], NULL, 0) == 0);
	close_all(fds, PTIRQ_UIO_MAX_NOTIFY + 1);
	close_all(pipes, 2);
	report("notify-refused", "65, no eventfd, a closed one: the list of 64 stays as it was");
}

static void resample(void)
{
	struct ptirq_uio_page_device before;
	int fd = event();

	quiet();
	EXPECT(helper_resample(c.line, c.nr[0], fd) == 0);
	before = entry(0);
	edu_raise(&c.edu[0], 0, 1);
	EXPECT(signals(c.trigger[0], 1) == 1 && masked(0));
	edu_ack(&c.edu[0], 0);
	signal_event(fd);
	EXPECT(entry(0).state == PTIRQ_UIO_IDLE && !masked(0));
	EXPECT(entry(0).acks == before.acks + 1);
	EXPECT(signals(fd, 0) == 0);
	report("resample", "a signal acknowledges at once; the kernel has read it");

	before = entry(0);
	signal_event(fd);
	EXPECT(entry(0).acks == before.acks && entry(0).stale_acks == before.stale_acks);
	EXPECT(helper_mask(c.line, c.nr[0]) == 0);
	signal_event(fd);
	EXPECT(entry(0).state == PTIRQ_UIO_MASKED && masked(0));
	EXPECT(helper_unmask(c.line, c.nr[0]) == 0);
	report("resample-idle", "nothing is deferred: it does nothing, and unmasks nothing");

	edu_raise(&c.edu[0], 0, 1);
	EXPECT(signals(c.trigger[0], 1) == 1);
	before = entry(0);
	signal_event(fd);
	EXPECT(signals(c.trigger[0], 1) == 1 && masked(0));
	EXPECT(entry(0).generation == before.generation + 1 && entry(0).again == before.again + 1);
	EXPECT(helper_ack(c.line, c.nr[0], before.generation, 0) == -ESTALE);
	edu_ack(&c.edu[0], 0);
	EXPECT(helper_ack(c.line, c.nr[0], entry(0).generation, 0) == 0);
	report("resample-again", "it asserts still: a new generation, signalled");

	/* Signalled before it is set: counts. */
	EXPECT(helper_resample(c.line, c.nr[0], -1) == 0);
	edu_raise(&c.edu[0], 0, 1);
	EXPECT(signals(c.trigger[0], 1) == 1);
	edu_ack(&c.edu[0], 0);
	signal_event(fd);
	EXPECT(entry(0).state == PTIRQ_UIO_DEFERRED);
	EXPECT(helper_resample(c.line, c.nr[0], fd) == 0);
	EXPECT(entry(0).state == PTIRQ_UIO_IDLE);
	/* Taken away: what is signalled then is left for others to read. */
	EXPECT(helper_resample(c.line, c.nr[0], -1) == 0);
	EXPECT(signals(fd, 0) == 0);
	edu_raise(&c.edu[0], 0, 1);
	EXPECT(signals(c.trigger[0], 1) == 1);
	signal_event(fd);
	EXPECT(entry(0).state == PTIRQ_UIO_DEFERRED && signals(fd, 1) == 1);
	report("resample-set", "what was signalled before counts; after it is taken away, nothing");
	close(fd);
}

/* The line's: each device that is deferred, one that asserts still as well, and the masked one not. */
static void resample_of_line(void)
{
	uint64_t generation;
	int fd = event();

	quiet();
	EXPECT(helper_resample(c.line, PTIRQ_UIO_LINE, fd) == 0);
	for (unsigned int i = 0; i < 3; i++) {
		edu_raise(&c.edu[i], 0, 1);
		EXPECT(signals(c.trigger[i], 1) == 1);
	}
	generation = entry(1).generation;
	edu_ack(&c.edu[0], 0);
	edu_ack(&c.edu[2], 0);
	EXPECT(helper_mask(c.line, c.nr[2]) == 0);
	signal_event(fd);
	EXPECT(entry(0).state == PTIRQ_UIO_IDLE && !masked(0));
	EXPECT(signals(c.trigger[1], 1) == 1 && entry(1).generation == generation + 1);
	EXPECT(entry(2).state == PTIRQ_UIO_MASKED && masked(2));
	EXPECT(signals(c.trigger[0], 0) == 0 && signals(c.trigger[2], 0) == 0);
	edu_ack(&c.edu[1], 0);
	signal_event(fd);
	EXPECT(entry(1).state == PTIRQ_UIO_IDLE && !masked(1));
	EXPECT(helper_unmask(c.line, c.nr[2]) == 0);
	EXPECT(helper_resample(c.line, PTIRQ_UIO_LINE, -1) == 0);
	close(fd);
	report("resample-line", "one signal for all that is deferred");
}

/* Where the interrupt controller does not tell the level: a masked device does not drive the wire. */
static void level(void)
{
	struct ptirq_uio_sample sample;

	quiet();
	EXPECT(helper_sample(c.line, &sample) == 0 && sample.level == PTIRQ_UIO_STATUS_CLEAR);
	edu_raise(&c.edu[0], 0, 1);
	EXPECT(signals(c.trigger[0], 1) == 1);
	EXPECT(helper_sample(c.line, &sample) == 0 && sample.level == PTIRQ_UIO_STATUS_CLEAR);
	EXPECT(sample.asserting == 1u << c.nr[0] && sample.masked == sample.asserting);
	edu_ack(&c.edu[0], 0);
	EXPECT(helper_ack(c.line, c.nr[0], entry(0).generation, 0) == 0);
	report("level", "by the status bits");
}

static void resample_replaced(void)
{
	int fd[2] = {event(), event()}, pipes[2];

	quiet();
	EXPECT(pipe(pipes) == 0);
	EXPECT(helper_resample(c.line, c.nr[0], fd[0]) == 0);
	EXPECT(helper_resample(c.line, c.nr[0], pipes[0]) == -EINVAL);
	EXPECT(helper_resample(c.line, c.nr[0], 999) == -EBADF);
	EXPECT(helper_resample(c.line, c.nr[0], -2) == -EINVAL);
	EXPECT(helper_resample(c.line, 3, fd[1]) == -ENODEV);
	edu_raise(&c.edu[0], 0, 1);
	EXPECT(signals(c.trigger[0], 1) == 1);
	edu_ack(&c.edu[0], 0);
	EXPECT(helper_resample(c.line, c.nr[0], fd[1]) == 0);
	signal_event(fd[0]);
	EXPECT(entry(0).state == PTIRQ_UIO_DEFERRED && signals(fd[0], 1) == 1);
	signal_event(fd[1]);
	EXPECT(entry(0).state == PTIRQ_UIO_IDLE);
	/* The eventfd's last file goes while it is set. */
	close_all(fd, 2);
	close_all(pipes, 2);
	serve_once(0);
	fd[0] = event();
	EXPECT(helper_resample(c.line, c.nr[0], fd[0]) == 0);
	edu_raise(&c.edu[0], 0, 1);
	EXPECT(signals(c.trigger[0], 1) == 1);
	edu_ack(&c.edu[0], 0);
	signal_event(fd[0]);
	EXPECT(entry(0).state == PTIRQ_UIO_IDLE);
	report("resample-replaced",
	       "the old one acts no more; one that was closed is in nobody's way");
	EXPECT(helper_resample(c.line, c.nr[0], -1) == 0);
	close(fd[0]);
}

/* Trigger and resample are the same: the kernel acknowledges what nobody serves, for ever. */
static void loop(void)
{
	int fd[2] = {event(), event()};
	uint64_t before;

	quiet();
	/* dev0's trigger acknowledges dev1, whose trigger acknowledges dev0. */
	for (unsigned int i = 0; i < 2; i++) {
		EXPECT(helper_trigger(c.line, c.nr[i], fd[i]) == 0);
		EXPECT(helper_resample(c.line, c.nr[i], fd[!i]) == 0);
	}
	before = entry(0).generation;
	edu_raise(&c.edu[0], 0, 1);
	edu_raise(&c.edu[1], 0, 1);
	for (unsigned int i = 0; i < 1000 && entry(0).generation < before + 1000; i++)
		usleep(1000);
	EXPECT(entry(0).generation >= before + 1000);
	for (unsigned int i = 0; i < 2; i++) {
		EXPECT(helper_resample(c.line, c.nr[i], -1) == 0);
		EXPECT(helper_trigger(c.line, c.nr[i], c.trigger[i]) == 0);
	}
	before = entry(0).generation;
	usleep(20000);
	EXPECT(entry(0).generation == before && entry(0).state == PTIRQ_UIO_DEFERRED && masked(0));
	close_all(fd, 2);
	report("resample-loop",
	       "two eventfds that signal each other: over when they are taken away");
}

static void closing(void)
{
	int notify = event(), resample = event();

	quiet();
	EXPECT(helper_notify(c.line, PTIRQ_UIO_LINE, &notify, 1) == 0);
	EXPECT(helper_resample(c.line, c.nr[0], resample) == 0);
	checker_let_go();
	signal_event(resample);
	EXPECT(masked(0) && signals(resample, 1) == 1);
	checker_hold();
	quiet();
	serve_once(0);
	EXPECT(signals(notify, 0) == 0);
	edu_raise(&c.edu[0], 0, 1);
	EXPECT(signals(c.trigger[0], 1) == 1);
	signal_event(resample);
	EXPECT(entry(0).state == PTIRQ_UIO_DEFERRED);
	close(notify);
	close(resample);
	report("closing", "the holder's close takes away its lists and its resample");
}

/* A plain UIO program: what it has of its device. */
struct uio {
	int fd;
	struct edu edu;
};

static int uio_fd(unsigned int i)
{
	struct ptirq_uio_info info = {0};
	char path[32];

	EXPECT(helper_info(c.line, c.nr[i], &info) == 0);
	snprintf(path, sizeof(path), "/dev/uio%d", info.uio_minor);
	return open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
}

static uint32_t caps(unsigned int i)
{
	struct ptirq_uio_info info = {0};

	EXPECT(helper_info(c.line, c.nr[i], &info) == 0);
	return info.caps;
}

/* How many interrupts read() says there were; waits for it as signals(). */
static bool uio_reads(int fd, uint32_t expected)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint32_t n = 0;

	if (!expected)
		return poll(&p, 1, 10) == 0 && read(fd, &n, sizeof(n)) == -1 && errno == EAGAIN;
	return poll(&p, 1, 1000) == 1 && read(fd, &n, sizeof(n)) == sizeof(n) && n == expected;
}

static bool uio_control(int fd, int32_t on)
{
	return write(fd, &on, sizeof(on)) == sizeof(on);
}

static void uio_program(const struct uio *uio)
{
	uint32_t first;

	edu_raise(&uio->edu, 0, 1);
	EXPECT(poll(&(struct pollfd){.fd = uio->fd, .events = POLLIN}, 1, 1000) == 1);
	EXPECT(read(uio->fd, &first, sizeof(first)) == sizeof(first) && masked(2));
	edu_ack(&uio->edu, 0);
	EXPECT(uio_control(uio->fd, 1) && !masked(2) && uio_reads(uio->fd, 0));
	edu_raise(&uio->edu, 0, 2);
	EXPECT(uio_reads(uio->fd, first + 1));
	EXPECT(uio_control(uio->fd, 1)); /* it asserts still */
	EXPECT(uio_reads(uio->fd, first + 2) && masked(2));
	edu_ack(&uio->edu, 0);
	EXPECT(uio_control(uio->fd, 1) && uio_control(uio->fd, 1) && !masked(2));
	EXPECT(uio_control(uio->fd, 0) && masked(2));
	edu_raise(&uio->edu, 0, 3);
	EXPECT(uio_reads(uio->fd, 0));
	EXPECT(uio_control(uio->fd, 1) && uio_reads(uio->fd, first + 3));
	edu_ack(&uio->edu, 0);
	EXPECT(uio_control(uio->fd, 1) && uio_reads(uio->fd, 0));
}

static void uio_beside(void)
{
	struct uio uio;
	uint64_t generation;
	int more, list = event();

	quiet();
	uio.fd = uio_fd(2);
	EXPECT(uio.fd == -1 && errno == EBUSY);
	checker_let_go();
	c.line = open(c.path, O_RDONLY | O_CLOEXEC);
	uio.fd = uio_fd(2);
	close(c.line);
	EXPECT(uio.fd >= 0);
	if (edu_map(uio.fd, &uio.edu) < 0)
		err(1, "map 0 of the UIO device");
	uio_program(&uio);
	report("uio", "registers mapped; read, poll and irqcontrol, nobody holding the line");

	checker_hold();
	EXPECT(caps(2) & PTIRQ_UIO_UIO_OPEN && !(caps(0) & PTIRQ_UIO_UIO_OPEN));
	EXPECT(helper_mask(c.line, c.nr[2]) == -EBUSY && helper_unmask(c.line, c.nr[2]) == -EBUSY);
	EXPECT(helper_ack(c.line, c.nr[2], entry(2).generation, 0) == -EBUSY);
	EXPECT(helper_trigger(c.line, c.nr[2], c.trigger[2]) == -EBUSY);
	EXPECT(helper_resample(c.line, c.nr[2], c.trigger[2]) == -EBUSY);
	EXPECT(helper_notify(c.line, c.nr[2], &list, 1) == -EBUSY);
	/* The line's acknowledges for the holder alone. */
	EXPECT(helper_resample(c.line, PTIRQ_UIO_LINE, list) == 0);
	edu_raise(&uio.edu, 0, 4);
	EXPECT(poll(&(struct pollfd){.fd = uio.fd, .events = POLLIN}, 1, 1000) == 1);
	edu_ack(&uio.edu, 0);
	signal_event(list);
	EXPECT(entry(2).state == PTIRQ_UIO_DEFERRED && masked(2));
	EXPECT(helper_resample(c.line, PTIRQ_UIO_LINE, -1) == 0 && signals(list, 0) == 0);
	EXPECT(read(uio.fd, &(uint32_t){0}, 4) == 4 && uio_control(uio.fd, 1) && !masked(2));
	EXPECT(helper_mask(c.line, PTIRQ_UIO_LINE) == 0);
	EXPECT(masked(0) && masked(1) && !masked(2));
	EXPECT(helper_unmask(c.line, PTIRQ_UIO_LINE) == 0);
	report("uio-not-held", "the line is held but for that device, which gives EBUSY");

	EXPECT(helper_notify(c.line, PTIRQ_UIO_LINE, &list, 1) == 0);
	edu_raise(&c.edu[0], 0, 1);
	EXPECT(signals(c.trigger[0], 1) == 1 && signals(list, 1) == 1);
	generation = entry(0).generation;
	uio_program(&uio);
	EXPECT(entry(0).state == PTIRQ_UIO_DEFERRED && entry(0).generation == generation);
	EXPECT(masked(0) && signals(c.trigger[0], 0) == 0 && signals(c.line_trigger, 0) == 0);
	EXPECT(signals(list, 0) == 0);
	report("uio-beside", "each has its own device; irqcontrol(1) frees nothing else");

	more = uio_fd(2);
	EXPECT(more >= 0);
	EXPECT(uio_fd(1) == -1 && errno == EBUSY);
	close(more);
	EXPECT(caps(2) & PTIRQ_UIO_UIO_OPEN && !masked(2));
	EXPECT(poll(&(struct pollfd){.fd = c.line, .events = POLLPRI}, 1, 0) == 0);
	close(uio.fd);
	edu_close(&uio.edu);
	EXPECT(poll(&(struct pollfd){.fd = c.line, .events = POLLPRI}, 1, 1000) == 1);
	EXPECT(!(caps(2) & PTIRQ_UIO_UIO_OPEN) && masked(2));
	EXPECT(uio_fd(2) == -1 && errno == EBUSY);
	EXPECT(helper_unmask(c.line, c.nr[2]) == 0);
	EXPECT(helper_trigger(c.line, c.nr[2], c.trigger[2]) == 0);
	serve_once(2);
	EXPECT(signals(list, 1) == 1);
	report("uio-closed", "the last close gives the device to the holder, masked, and says so");
	EXPECT(helper_notify(c.line, PTIRQ_UIO_LINE, NULL, 0) == 0);
	close(list);
}

int main(int argc, char **argv)
{
	checker_start(argc, argv);
	notify();
	notify_refused();
	resample();
	resample_of_line();
	level();
	resample_replaced();
	loop();
	closing();
	uio_beside();
	quiet();
	return 0;
}
