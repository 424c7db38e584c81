// SPDX-License-Identifier: GPL-2.0
/*
 * Binds PCI devices to lines. There is no id table: devices come by driver_override.
 *
 * Owns what a device is between probe and remove; must not touch its registers.
 */
#include <linux/pci.h>
#include <linux/slab.h>

#include "ptirq_intx.h"
#include "ptirq_line.h"

/*
 * pci_enable_device() clears DisINTx as the last thing it does. If the device asserts, the line
 * fires until it is masked again, and the processor that is about to do so may be the one that gets
 * nowhere for interrupts. So the line's handler does it (ptirq_line.c, repair()).
 */
static DEFINE_MUTEX(enable_mutex); /* one arrives at a time */
static DEFINE_SPINLOCK(arriving_lock);
static struct pci_dev *arriving;

static void set_arriving(struct pci_dev *pdev)
{
	spin_lock_irq(&arriving_lock);
	arriving = pdev;
	spin_unlock_irq(&arriving_lock);
}

/* Called by a handler that many interrupts in a row have found nobody for. */
bool ptirq_pci_mask_arriving(void)
{
	unsigned long flags;
	bool masked;

	spin_lock_irqsave(&arriving_lock, flags);
	masked = arriving && ptirq_intx_mask_if_asserting(arriving) == PTIRQ_UIO_STATUS_ASSERTED;
	spin_unlock_irqrestore(&arriving_lock, flags);
	return masked;
}

static int enable_masked(struct pci_dev *pdev)
{
	int ret;

	mutex_lock(&enable_mutex);
	set_arriving(pdev);
	ret = pci_enable_device(pdev);
	if (!ret)
		ptirq_intx_mask(pdev);
	set_arriving(NULL);
	mutex_unlock(&enable_mutex);
	return ret;
}

static int check_device(struct pci_dev *pdev)
{
	if (!pdev->irq || pdev->irq == IRQ_NOTCONNECTED) {
		pci_err(pdev, "has no INTx interrupt\n");
		return -ENODEV;
	}
	if (!pci_intx_mask_supported(pdev)) {
		pci_err(pdev, "cannot mask its own INTx: not supported yet\n");
		return -ENODEV;
	}
	return 0;
}

static int ptirq_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct ptirq_dev *dev;
	int ret;

	dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return -ENOMEM;
	dev->dev = &pdev->dev;
	dev->pdev = pdev;
	dev->caps = PTIRQ_UIO_CAN_MASK | PTIRQ_UIO_HAS_STATUS;

	ret = enable_masked(pdev);
	if (ret)
		goto free;
	ret = check_device(pdev);
	if (ret)
		goto disable;
	pci_set_drvdata(pdev, dev);
	ret = ptirq_dev_attach(dev, pdev->irq);
	if (ret)
		goto disable;
	return 0;

disable:
	pci_disable_device(pdev);
free:
	kfree(dev);
	return ret;
}

/* Unbind, unplug and rmmod. DisINTx stays set; the next driver's pci_enable_device() clears it. */
static void ptirq_remove(struct pci_dev *pdev)
{
	struct ptirq_dev *dev = pci_get_drvdata(pdev);

	ptirq_dev_detach(dev);
	pci_disable_device(pdev);
	kfree(dev);
}

struct pci_driver ptirq_pci_driver = {
	.name = KBUILD_MODNAME,
	.probe = ptirq_probe,
	.remove = ptirq_remove,
};
