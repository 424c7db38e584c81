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

static char *unmaskable = "";
module_param(unmaskable, charp, 0444);
MODULE_PARM_DESC(unmaskable,
		 "PCI addresses, with commas between, without a working INTx mask or status");

static char *maskable = "";
module_param(maskable, charp, 0444);
MODULE_PARM_DESC(maskable, "PCI addresses: treated as with both, though the kernel knows better");

/*
 * pci_enable_device() clears DisINTx as the last thing it does. If the device asserts, the line
 * fires until it is masked again, and the processor that is about to do so may be the one that gets
 * nowhere for interrupts. So the line's handler does it (ptirq_line.c, repair()): at the device,
 * or at the line until one without a mask has joined or was refused.
 */
static DEFINE_MUTEX(enable_mutex); /* one arrives at a time */
static DEFINE_SPINLOCK(arriving_lock);
static struct ptirq_dev *arriving;

static void set_arriving(struct ptirq_dev *dev)
{
	spin_lock_irq(&arriving_lock);
	WRITE_ONCE(arriving, dev);
	spin_unlock_irq(&arriving_lock);
}

/* It is about to be on its line, and masked and unmasked under that line's lock. */
void ptirq_pci_joins(const struct ptirq_dev *dev)
{
	spin_lock_irq(&arriving_lock);
	if (arriving == dev)
		WRITE_ONCE(arriving, NULL);
	spin_unlock_irq(&arriving_lock);
}

bool ptirq_pci_is_arriving(void)
{
	return READ_ONCE(arriving);
}

/* Called by a handler that many interrupts in a row have found nobody for. */
bool ptirq_pci_mask_arriving(bool *ret_unmaskable)
{
	unsigned long flags;
	bool masked = false;

	spin_lock_irqsave(&arriving_lock, flags);
	if (arriving && !arriving->caps)
		*ret_unmaskable = true;
	else if (arriving)
		masked = ptirq_intx_mask_if_asserting(arriving->pdev);
	spin_unlock_irqrestore(&arriving_lock, flags);
	return masked;
}

/* Whether the list of addresses, separated by commas, has this one. */
static bool listed(const char *list, const char *address)
{
	size_t length;

	for (; *list; list += length + !!list[length]) {
		length = strcspn(list, ",");
		if (length == strlen(address) && !strncmp(list, address, length))
			return true;
	}
	return false;
}

/*
 * The kernel has tried DisINTx when it found the device, and knows those whose status bit cannot be
 * trusted. One is of no use without the other.
 */
static u32 caps_of(struct pci_dev *pdev)
{
	bool broken = !pci_intx_mask_supported(pdev) && !listed(maskable, pci_name(pdev));

	if (broken || listed(unmaskable, pci_name(pdev)))
		return 0;
	return PTIRQ_UIO_CAN_MASK | PTIRQ_UIO_HAS_STATUS;
}

/* With the arrival under way; DisINTx is left set, where there is one. */
static int arrive(struct ptirq_dev *dev)
{
	struct pci_dev *pdev = dev->pdev;
	int ret;

	ret = pci_enable_device(pdev);
	if (ret)
		return ret;
	ptirq_intx_mask(pdev);
	if (!pdev->irq || pdev->irq == IRQ_NOTCONNECTED) {
		pci_err(pdev, "has no INTx interrupt\n");
		ret = -ENODEV;
	} else {
		ret = ptirq_dev_attach(dev, pdev->irq);
	}
	if (ret)
		pci_disable_device(pdev);
	return ret;
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
	dev->caps = caps_of(pdev);
	pci_set_drvdata(pdev, dev);

	mutex_lock(&enable_mutex);
	set_arriving(dev);
	ret = arrive(dev);
	set_arriving(NULL);
	ptirq_lines_arrived();
	mutex_unlock(&enable_mutex);
	if (ret)
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

/* What a reset has restored is as it was when the reset began; requests and interrupts went on. */
static void ptirq_reset_done(struct pci_dev *pdev)
{
	struct ptirq_dev *dev = pci_get_drvdata(pdev);

	ptirq_level_restore(dev->line, dev);
}

static const struct pci_error_handlers err_handler = {
	.reset_done = ptirq_reset_done,
};

/*
 * Before interrupts are on again. That there are callbacks at all keeps the PCI core from enabling
 * the device anew, which would clear DisINTx.
 */
static int ptirq_resume(struct device *dev)
{
	ptirq_reset_done(to_pci_dev(dev));
	return 0;
}

static const struct dev_pm_ops pm_ops = { NOIRQ_SYSTEM_SLEEP_PM_OPS(NULL, ptirq_resume) };

struct pci_driver ptirq_pci_driver = {
	.name = KBUILD_MODNAME,
	.probe = ptirq_probe,
	.remove = ptirq_remove,
	.err_handler = &err_handler,
	.driver.pm = pm_sleep_ptr(&pm_ops),
};
