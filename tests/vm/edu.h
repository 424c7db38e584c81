/* SPDX-License-Identifier: MIT */
/*
 * QEMU's edu device (PCI 1234:11e8) as a level-triggered interrupt source, for test programs.
 *
 * The status register holds 32 bits; the INTx wire is up while any of them is set. A bit stands for
 * a function of the device. The DMA registers, which keep what is written while no DMA runs, serve
 * as a mailbox per function: who raises a bit first leaves there which raise it is, so that the
 * logs of both sides can be compared one by one.
 *
 * Registers: QEMU, docs/specs/edu.txt.
 */
#ifndef PTIRQ_TESTS_VM_EDU_H
#define PTIRQ_TESTS_VM_EDU_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	EDU_ID = 0x00,         /* 0x010000ed */
	EDU_IRQ_STATUS = 0x24, /* read: the bits that assert */
	EDU_IRQ_RAISE = 0x60,  /* write: or-ed into the status */
	EDU_IRQ_ACK = 0x64,    /* write: these bits are cleared */
	EDU_MAILBOX = 0x80,    /* DMA source, target and count: 8 bytes apart, one per function */
	EDU_FUNCTIONS = 3,     /* functions that have a mailbox: bits 0 to 2 */
	EDU_MAP_SIZE = 0x1000, /* all registers are in the first page of BAR0 */
	EDU_ID_VALUE = 0x010000ed,
};

struct edu {
	volatile uint32_t *bar;
};

static inline uint32_t edu_read(const struct edu *edu, unsigned int offset)
{
	return edu->bar[offset / sizeof(uint32_t)];
}

static inline void edu_write(const struct edu *edu, unsigned int offset, uint32_t value)
{
	edu->bar[offset / sizeof(uint32_t)] = value;
}

/* A mapping outlives its device: after an unplug it reads 0, which is not "served". */
static inline bool edu_present(const struct edu *edu)
{
	return edu_read(edu, EDU_ID) == EDU_ID_VALUE;
}

/* Maps BAR0 from a borrowed fd (sysfs resource0, or one that a broker granted). */
static inline int edu_map(int fd, struct edu *ret_edu)
{
	struct edu edu;
	void *bar;

	bar = mmap(NULL, EDU_MAP_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (bar == MAP_FAILED)
		return -errno;
	edu.bar = bar;
	if (!edu_present(&edu)) {
		munmap(bar, EDU_MAP_SIZE);
		return -ENODEV;
	}
	*ret_edu = edu;
	return 0;
}

/* Maps BAR0 from the path of a sysfs resource0. The device must be enabled: bound to a driver. */
static inline int edu_open(const char *resource, struct edu *ret_edu)
{
	int fd, ret;

	fd = open(resource, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = edu_map(fd, ret_edu);
	close(fd);
	return ret;
}

static inline void edu_close(struct edu *edu)
{
	if (edu->bar)
		munmap((void *)(uintptr_t)edu->bar, EDU_MAP_SIZE);
	edu->bar = NULL;
}

static inline bool edu_asserts(const struct edu *edu, unsigned int bit)
{
	return edu_read(edu, EDU_IRQ_STATUS) & (1u << bit);
}

/* Only for a bit that was seen 0; a device has one raiser. */
static inline void edu_raise(const struct edu *edu, unsigned int bit, uint32_t n)
{
	edu_write(edu, EDU_MAILBOX + 8 * bit, n);
	edu_write(edu, EDU_IRQ_RAISE, 1u << bit);
}

/*
 * If the bit asserts, says which raise it is. Log it, then edu_ack(): a driver that dies between
 * the two repeats an interrupt, and never loses one.
 */
static inline bool edu_pending(const struct edu *edu, unsigned int bit, uint32_t *ret_n)
{
	if (!edu_asserts(edu, bit))
		return false;
	*ret_n = edu_read(edu, EDU_MAILBOX + 8 * bit);
	return true;
}

static inline void edu_ack(const struct edu *edu, unsigned int bit)
{
	edu_write(edu, EDU_IRQ_ACK, 1u << bit);
}

#endif
