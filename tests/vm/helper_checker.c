// SPDX-License-Identifier: MIT
/*
 * The common part of the kernel helper's checkers (helper_checker.h).
 *
 * Owns the line, the devices' registers and their triggers.
 */
#include <err.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "tests/vm/helper_checker.h"

struct checker c = {.line = -1};
char wrong[256];

void report(const char *name, const char *detail)
{
	printf("%s helper.%s %s\n", wrong[0] ? "fail" : "pass", name, wrong[0] ? wrong : detail);
	fflush(stdout);
	wrong[0] = '\0';
}

struct ptirq_uio_page_device entry(unsigned int i)
{
	return helper_device(c.page, c.nr[i]);
}

int event(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		err(1, "eventfd");
	return fd;
}

/* An interrupt is served within 1 ms. */
uint64_t signals(int fd, uint64_t expected)
{
	uint64_t sum = 0, n;

	for (int i = 0; i < (expected ? 2000 : 20) && (!expected || sum < expected); i++) {
		if (read(fd, &n, sizeof(n)) == sizeof(n))
			sum += n;
		if (!expected || sum < expected)
			usleep(500);
	}
	return sum;
}

void signal_event(int fd)
{
	const uint64_t one = 1;

	EXPECT(write(fd, &one, sizeof(one)) == sizeof(one));
}

bool masked(unsigned int i)
{
	uint8_t command = 0;

	EXPECT(pread(c.config[i], &command, 1, 5) == 1);
	return command & 1 << 2;
}

void quiet(void)
{
	for (unsigned int i = 0; i < DEVICES; i++) {
		edu_write(&c.edu[i], EDU_IRQ_ACK, UINT32_MAX);
		EXPECT(helper_unmask(c.line, c.nr[i]) == 0);
		EXPECT(entry(i).state == PTIRQ_UIO_IDLE);
		signals(c.trigger[i], 0);
	}
	signals(c.line_trigger, 0);
}

void checker_hold(void)
{
	struct ptirq_uio_info device;

	c.line = open(c.path, O_RDWR | O_CLOEXEC);
	if (c.line < 0)
		err(1, "%s", c.path);
	c.page = helper_page(c.line);
	if (c.page == MAP_FAILED)
		err(1, "mmap");
	if (helper_trigger(c.line, PTIRQ_UIO_LINE, c.line_trigger) < 0)
		errx(1, "the line's trigger");
	for (unsigned int i = 0; i < DEVICES; i++) {
		for (uint32_t nr = 0; nr < DEVICES; nr++) {
			if (helper_info(c.line, nr, &device) == 0 &&
			    strcmp(device.name, c.address[i]) == 0)
				c.nr[i] = nr;
		}
		/* EBUSY: a UIO program has it. */
		if (helper_trigger(c.line, c.nr[i], c.trigger[i]) == -ENODEV)
			errx(1, "no device %s", c.address[i]);
	}
}

void checker_let_go(void)
{
	munmap((void *)(uintptr_t)c.page, sysconf(_SC_PAGESIZE));
	close(c.line);
	c.line = -1;
}

void checker_start(int argc, char **argv)
{
	char path[128];

	if (argc != 2 + DEVICES)
		errx(2, "usage: %s LINE ADDRESS ADDRESS ADDRESS", argv[0]);
	c.path = argv[1];
	c.line_trigger = event();
	for (unsigned int i = 0; i < DEVICES; i++) {
		c.address[i] = argv[2 + i];
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", c.address[i]);
		if (edu_open(path, &c.edu[i]) < 0)
			errx(1, "%s", path);
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", c.address[i]);
		c.config[i] = open(path, O_RDWR | O_CLOEXEC);
		c.trigger[i] = event();
	}
	checker_hold();
}
