/* SPDX-License-Identifier: MIT */
/*
 * Owns the bytes of config space that INTx needs, and no others. Must not know what they are masked
 * for.
 */
#include "broker/source/pci.h"

#include <errno.h>
#include <unistd.h>

#define PCI_VENDOR         0
#define PCI_COMMAND_HIGH   5
#define PCI_STATUS         6
#define PCI_INTX_DISABLE   0x04 /* bit 10 of the command register */
#define PCI_INTX_ASSERTED  0x08 /* bit 3 of the status register */
#define PCI_NOBODY_ANSWERS 0xff

static int read_byte(const struct pci_intx *intx, off_t at)
{
	uint8_t byte;
	ssize_t n = pread(intx->fd, &byte, 1, at);

	return n == 1 ? byte : n < 0 ? -errno : -EIO;
}

int pci_intx_open(struct pci_intx *intx, int fd)
{
	struct pci_intx opened = {.fd = fd};
	int high = read_byte(&opened, PCI_COMMAND_HIGH);

	if (high < 0)
		return high;
	if (high == PCI_NOBODY_ANSWERS)
		return -ENODEV;
	opened.high = (uint8_t)(high & ~PCI_INTX_DISABLE);
	*intx = opened;
	return 0;
}

void pci_intx_close(struct pci_intx *intx)
{
	if (intx->fd >= 0)
		close(intx->fd);
	intx->fd = -1;
}

int pci_intx_mask(const struct pci_intx *intx, bool mask)
{
	uint8_t high = (uint8_t)(intx->high | (mask ? PCI_INTX_DISABLE : 0));
	ssize_t n = pwrite(intx->fd, &high, 1, PCI_COMMAND_HIGH);

	return n == 1 ? 0 : n < 0 ? -errno : -EIO;
}

int pci_intx_status(const struct pci_intx *intx)
{
	int status = read_byte(intx, PCI_STATUS);

	if (status < 0)
		return status;
	if (status == PCI_NOBODY_ANSWERS)
		return -ENODEV;
	return status & PCI_INTX_ASSERTED ? 1 : 0;
}

bool pci_intx_present(const struct pci_intx *intx)
{
	return read_byte(intx, PCI_VENDOR) != PCI_NOBODY_ANSWERS ||
	       read_byte(intx, PCI_VENDOR + 1) != PCI_NOBODY_ANSWERS;
}
