/* SPDX-License-Identifier: MIT */
/*
 * A line of the kernel helper that is a wire of the test chip: held, with a trigger for the line, and
 * with the files of the wire and of up to two devices at hand.
 */
#ifndef PTIRQ_TESTS_VM_WIRE_H
#define PTIRQ_TESTS_VM_WIRE_H

#include <sys/eventfd.h>

#include "tests/vm/check.h"
#include "tests/vm/chip.h"
#include "tests/vm/helper.h"

enum { WIRE_DEVICES = 2 };

struct wire {
	const char *path;
	int line;
	const struct ptirq_uio_page *page;
	int trigger;
	int assert;
	unsigned int nr; /* of the chip's */
	unsigned int devices;
	int raise[WIRE_DEVICES];
	int ack[WIRE_DEVICES];
};

static inline void wire_hold(struct wire *wire)
{
	wire->line = open(wire->path, O_RDWR | O_CLOEXEC);
	if (wire->line < 0)
		err(1, "%s", wire->path);
	wire->page = helper_page(wire->line);
	if (wire->page == MAP_FAILED)
		err(1, "mmap");
	if (helper_trigger(wire->line, PTIRQ_UIO_LINE, wire->trigger) < 0)
		errx(1, "SET_TRIGGER");
}

/* The mapping keeps the file. */
static inline void wire_let_go(struct wire *wire)
{
	munmap((void *)(uintptr_t)wire->page, sysconf(_SC_PAGESIZE));
	close(wire->line);
	wire->line = -1;
}

/* Arguments: LINE WIRE DEVICE [DEVICE], the latter by their numbers of the test chip. */
static inline void wire_open(int argc, char **argv, struct wire *wire)
{
	if (argc < 3 || argc > 3 + WIRE_DEVICES)
		errx(2, "usage: %s LINE WIRE DEVICE [DEVICE]", argv[0]);
	wire->path = argv[1];
	wire->nr = strtoul(argv[2], NULL, 10);
	wire->assert = chip_open("wire", wire->nr, "assert");
	for (int i = 3; i < argc; i++) {
		unsigned int device = strtoul(argv[i], NULL, 10);

		wire->raise[wire->devices] = chip_open("device", device, "raise");
		wire->ack[wire->devices++] = chip_open("device", device, "ack");
	}
	wire->trigger = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	wire_hold(wire);
}

/* The line's entry of the status page. */
static inline struct ptirq_uio_page_device wire_entry(const struct wire *wire)
{
	return helper_device(wire->page, PTIRQ_UIO_MAX_DEVICES);
}

static inline int wire_ack(const struct wire *wire)
{
	return helper_ack(wire->line, PTIRQ_UIO_LINE, wire_entry(wire).generation, 0);
}

/* 1: at the interrupt controller. */
static inline uint32_t wire_masked(const struct wire *wire)
{
	return chip_get("wire", wire->nr, "masked");
}

static inline uint32_t wire_level(const struct wire *wire)
{
	struct ptirq_uio_sample sample = {.level = UINT32_MAX};

	helper_sample(wire->line, &sample);
	return sample.level;
}

static inline int wire_set_mode(const struct wire *wire, uint32_t mode)
{
	return helper_request(wire->line, PTIRQ_UIO_SET_MODE,
			      HELPER_REQUEST(ptirq_uio_mode_request, .mode = mode));
}

/* No device asserts, the line is unmasked, nothing is signalled. */
static inline void wire_quiet(const struct wire *wire)
{
	chip_write(wire->assert, 0);
	for (unsigned int i = 0; i < wire->devices; i++)
		chip_write(wire->ack[i], UINT32_MAX);
	EXPECT(helper_unmask(wire->line, PTIRQ_UIO_LINE) == 0);
	signals(wire->trigger, 0);
	EXPECT(wire_entry(wire).state == PTIRQ_UIO_IDLE && !wire_masked(wire));
}

#endif
