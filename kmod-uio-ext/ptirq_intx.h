/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A PCI device's own interrupt mask (DisINTx) and status bit. All of it works in hard interrupt
 * context. The caller's lock keeps two of these calls for one device apart.
 */
#ifndef PTIRQ_INTX_H
#define PTIRQ_INTX_H

#include <linux/pci.h>

#include "ptirq_uio_abi.h"

/* Masks the device if its status bit is set, as that of a device that is gone is; says whether. */
bool ptirq_intx_mask_if_asserting(struct pci_dev *pdev);

/* Unmasks the device if its status bit is clear, and says what that bit was. */
enum ptirq_uio_status ptirq_intx_unmask_if_clear(struct pci_dev *pdev);

void ptirq_intx_mask(struct pci_dev *pdev);
void ptirq_intx_unmask(struct pci_dev *pdev);

/* Reads both. ret_masked is left alone when the device does not answer. */
enum ptirq_uio_status ptirq_intx_sample(struct pci_dev *pdev, bool *ret_masked);

#endif
