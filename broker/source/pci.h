/* SPDX-License-Identifier: MIT */
/*
 * INTx of a PCI device through its config space: the mask of its own and the status bit.
 *
 * The mask is written as one *byte* of the command register. A 16-bit write would carry the bus
 * master bit along and race whoever changes that (uio_pci_generic does, at each close).
 */
#ifndef PTIRQ_PCI_H
#define PTIRQ_PCI_H

#include <stdbool.h>
#include <stdint.h>

struct pci_intx {
	int fd;       /* of sysfs config, owned; -1: none */
	uint8_t high; /* the other bits of the byte */
};

/* Takes @fd on success. 0, or -errno: -ENODEV nothing answers. */
int pci_intx_open(struct pci_intx *intx, int fd);
void pci_intx_close(struct pci_intx *intx);

/* One system call. -errno: -ENODEV it is gone, -EPERM the kernel is locked down. */
int pci_intx_mask(const struct pci_intx *intx, bool mask);

/* Does it assert, masked or not? 1, 0, or -errno: -ENODEV, all that it reads is ones. */
int pci_intx_status(const struct pci_intx *intx);

/* Something answers at its address: for when a register read as ones. */
bool pci_intx_present(const struct pci_intx *intx);

#endif
