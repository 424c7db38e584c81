/* SPDX-License-Identifier: MIT */
/*
 * The test-only interrupt controller (modules/ptirq_test_chip.c) for test programs: its wires and
 * devices, by their files in debugfs. A write has raised the interrupt before it returns, on the
 * writer's CPU.
 */
#ifndef PTIRQ_TESTS_VM_CHIP_H
#define PTIRQ_TESTS_VM_CHIP_H

#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What the module's table of wires says. */
enum chip_wire {
	CHIP_SHARED, /* active high, of device 0 and device 1; all others have one device */
	CHIP_LOW,
	CHIP_BLIND,
	CHIP_REFUSES,
	CHIP_INERT,
	CHIP_LIES,
	CHIP_EDGE,
};

enum { CHIP_TYPE_HIGH = 4, CHIP_TYPE_LOW = 8 }; /* IRQ_TYPE_LEVEL_* */

static inline int chip_open(const char *kind, unsigned int nr, const char *file)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/debug/ptirq_test_chip/%s%u/%s", kind, nr, file);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err(2, "%s", path);
	return fd;
}

static inline void chip_write(int fd, uint32_t value)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%u", value);

	if (pwrite(fd, text, n, 0) != n)
		err(1, "write to the test chip");
}

/* A number, or a flag, which is Y or N. */
static inline uint32_t chip_parse(ssize_t n, const char *text)
{
	if (n <= 0)
		err(1, "read from the test chip");
	return text[0] == 'Y' ? 1 : strtoul(text, NULL, 10);
}

static inline uint32_t chip_read(int fd)
{
	char text[16] = "";

	return chip_parse(pread(fd, text, sizeof(text) - 1, 0), text);
}

/* Debugfs's own files cannot be read twice. */
static inline uint32_t chip_get(const char *kind, unsigned int nr, const char *file)
{
	int fd = chip_open(kind, nr, file);
	char text[16] = "";
	uint32_t value = chip_parse(read(fd, text, sizeof(text) - 1), text);

	close(fd);
	return value;
}

#endif
