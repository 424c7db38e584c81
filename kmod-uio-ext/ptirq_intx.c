// SPDX-License-Identifier: GPL-2.0
/*
 * DisINTx and the interrupt status bit (ptirq_intx.h).
 *
 * pci_check_and_mask_intx() and its counterpart test and set in one go under pci_lock. They take
 * all ones, what a device that is gone reads as, for a status bit that is set. So an unplugged
 * device fires, but once: it is not asked again while it is deferred, and on its way out of that
 * what it says is looked at twice. In the handler a second look would cost every interrupt an
 * access.
 */
#include "ptirq_intx.h"

bool ptirq_intx_mask_if_asserting(struct pci_dev *pdev)
{
	return pci_check_and_mask_intx(pdev);
}

static bool answers(struct pci_dev *pdev)
{
	u16 status;

	pci_read_config_word(pdev, PCI_STATUS, &status);
	return !PCI_POSSIBLE_ERROR(status);
}

enum ptirq_uio_status ptirq_intx_unmask_if_clear(struct pci_dev *pdev)
{
	if (pci_check_and_unmask_intx(pdev))
		return PTIRQ_UIO_STATUS_CLEAR;
	return answers(pdev) ? PTIRQ_UIO_STATUS_ASSERTED : PTIRQ_UIO_STATUS_UNKNOWN;
}

/*
 * pci_intx() reads the register and writes it back, but not under pci_lock: what user space does
 * meanwhile to the bits beside, bus mastering above all, would be undone. So it has to wait, unless
 * it is waiting already. Only the one byte must not be written: QEMU takes no notice of that.
 */
static void set_masked(struct pci_dev *pdev, bool masked)
{
	bool locked = pci_cfg_access_trylock(pdev);

	pci_intx(pdev, !masked);
	if (locked)
		pci_cfg_access_unlock(pdev);
}

void ptirq_intx_mask(struct pci_dev *pdev)
{
	set_masked(pdev, true);
}

void ptirq_intx_unmask(struct pci_dev *pdev)
{
	set_masked(pdev, false);
}

enum ptirq_uio_status ptirq_intx_sample(struct pci_dev *pdev, bool *ret_masked)
{
	u32 command_status;

	pci_read_config_dword(pdev, PCI_COMMAND, &command_status);
	if (PCI_POSSIBLE_ERROR(command_status))
		return PTIRQ_UIO_STATUS_UNKNOWN;
	*ret_masked = command_status & PCI_COMMAND_INTX_DISABLE;
	return command_status >> 16 & PCI_STATUS_INTERRUPT ? PTIRQ_UIO_STATUS_ASSERTED :
							     PTIRQ_UIO_STATUS_CLEAR;
}
