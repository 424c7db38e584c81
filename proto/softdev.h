/* SPDX-License-Identifier: MIT */
/*
 * The registers of a sim line's soft device: what a PCI device's BAR is to a driver.
 *
 * A memfd of SOFTDEV_SIZE bytes, made by the broker. Three parties map it read-write: the generator
 * (GRANT_SIM_PIN), the device's driver (GRANT_REGISTERS) and the broker. All words are little endian.
 *
 *   raise      fetch_or(status, bits), then write 1 to the pin eventfd
 *   serve      read status, do the work, fetch_and(status, ~bits): the level goes down when status is 0
 *   unmasked   the broker writes this eventfd at each unmask of the device, after it has looked at
 *              status by itself; a generator that waits for its turn may sleep on it
 *
 * The level is status != 0. True level semantics: a bit that is still set when the device is unmasked
 * fires again. The broker trusts nothing here: it loads status once where it needs it, and keeps its
 * own copy of the mask.
 */
#ifndef PTIRQ_SOFTDEV_H
#define PTIRQ_SOFTDEV_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define SOFTDEV_SIZE 4096

struct softdev_regs {
	_Atomic uint32_t status; /* bits that assert */
	_Atomic uint32_t mask;   /* written by the broker: not 0 while the device is held masked */
	_Atomic uint64_t counts[(SOFTDEV_SIZE - 8) / 8]; /* the generator's and the driver's own */
};
_Static_assert(sizeof(struct softdev_regs) == SOFTDEV_SIZE, "one page");
_Static_assert(offsetof(struct softdev_regs, mask) == 4, "the manual says so");
_Static_assert(_Alignof(struct softdev_regs) == 8, "the manual says so");

#endif
