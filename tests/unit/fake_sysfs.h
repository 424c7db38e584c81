/* SPDX-License-Identifier: MIT */
#ifndef PTIRQ_TESTS_FAKE_SYSFS_H
#define PTIRQ_TESTS_FAKE_SYSFS_H

#include <stdint.h>

/*
 * A tree with sys/, dev/ and run/ in a directory of its own, in which a test plugs devices. PCI
 * config space is a file of 64 bytes; a UIO node is a FIFO (of PCI devices) or whatever the test links
 * there.
 */

/* Makes it; its path. Removed by fake_remove(). */
const char *fake_root(void);
void fake_remove(void);

/* A PCI device with a 4 KiB BAR0 and a 256-byte BAR2. @driver NULL: none; @uio NULL: no node. */
void fake_plug_pci(const char *address, const char *driver, const char *uio);
/* One that is bound to the kernel helper and on @line ("line0"), whose node is @node. */
void fake_plug_helper(const char *address, const char *line, const char *node);
void fake_unplug(const char *address, const char *uio); /* @uio NULL: it had none */

/* A UIO device that is on no bus; its node is @node. */
void fake_plug_uio(const char *uio, const char *name, const char *node);

/* Writes a file under the root. */
void fake_write(const char *path, const char *text);

/* A byte of config space. */
uint8_t fake_get(const char *address, unsigned int at);
void fake_set(const char *address, unsigned int at, uint8_t byte);

/* The device's driver counts an interrupt: whoever reads the node gets @count. */
void fake_interrupt(const char *uio, uint32_t count);

#endif
