// SPDX-License-Identifier: GPL-2.0
/*
 * Test-only UIO driver with irqcontrol for QEMU's edu device.
 *
 * Debian has no UIO driver with irqcontrol for an emulated device; uio_pci_generic has none at all.
 * Two forms, chosen at bind by the parameter "broken":
 *
 * broken=0: the handler masks at the device (DisINTx); irqcontrol(1) unmasks, and where the device
 *           still asserts signals again without a hardware interrupt; irqcontrol(0) masks.
 * broken=1: the device is declared unable to mask. The first device bound on a line takes the whole
 *           line for itself (not shared, masked at the interrupt controller); further devices of
 *           that line come up without an interrupt, with their BAR only. The flag stays with the
 *           PCI device after unbind, so that any other driver sees the same broken device.
 *
 * Must not serve a device: it never touches BAR0.
 */
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/uio_driver.h>

static bool broken;
module_param(broken, bool, 0644);
MODULE_PARM_DESC(broken, "treat devices bound from now on as unable to mask their INTx");

struct test_dev {
	struct uio_info info;
	struct pci_dev *pdev;
	spinlock_t lock;
	bool masked; /* one bit, no nesting: a second mask changes nothing */
};

static struct test_dev *to_test_dev(struct uio_info *info)
{
	return container_of(info, struct test_dev, info);
}

/*
 * A masked device that still asserts has its status bit set when a neighbour fires, and
 * pci_check_and_mask_intx() would claim that interrupt: only an unmasked device can have fired.
 */
static irqreturn_t device_handler(int irq, struct uio_info *info)
{
	struct test_dev *dev = to_test_dev(info);
	irqreturn_t ret = IRQ_NONE;

	spin_lock(&dev->lock);
	if (!dev->masked && pci_check_and_mask_intx(dev->pdev)) {
		dev->masked = true;
		ret = IRQ_HANDLED;
	}
	spin_unlock(&dev->lock);
	return ret;
}

static int device_irqcontrol(struct uio_info *info, s32 on)
{
	struct test_dev *dev = to_test_dev(info);
	bool again = false;

	spin_lock_irq(&dev->lock);
	if (!on && !dev->masked) {
		pci_intx(dev->pdev, 0);
		dev->masked = true;
	} else if (on && dev->masked) {
		again = !pci_check_and_unmask_intx(dev->pdev);
		dev->masked = again;
	}
	spin_unlock_irq(&dev->lock);
	if (again)
		uio_event_notify(info);
	return 0;
}

static irqreturn_t line_handler(int irq, struct uio_info *info)
{
	struct test_dev *dev = to_test_dev(info);

	spin_lock(&dev->lock);
	if (!dev->masked) {
		dev->masked = true;
		disable_irq_nosync(irq);
	}
	spin_unlock(&dev->lock);
	return IRQ_HANDLED;
}

/* Unmasking a line whose level is up fires again by itself. */
static int line_irqcontrol(struct uio_info *info, s32 on)
{
	struct test_dev *dev = to_test_dev(info);
	unsigned long flags;

	spin_lock_irqsave(&dev->lock, flags);
	if (!on && !dev->masked) {
		dev->masked = true;
		disable_irq_nosync(dev->pdev->irq);
	} else if (on && dev->masked) {
		dev->masked = false;
		enable_irq(dev->pdev->irq);
	}
	spin_unlock_irqrestore(&dev->lock, flags);
	return 0;
}

static void fill_info(struct test_dev *dev, bool line)
{
	struct pci_dev *pdev = dev->pdev;
	struct uio_info *info = &dev->info;

	info->name = KBUILD_MODNAME;
	info->version = "1";
	info->irq = pdev->irq;
	info->irq_flags = line ? 0 : IRQF_SHARED;
	info->handler = line ? line_handler : device_handler;
	info->irqcontrol = line ? line_irqcontrol : device_irqcontrol;
	info->mem[0].name = "bar0";
	info->mem[0].memtype = UIO_MEM_PHYS;
	info->mem[0].addr = pci_resource_start(pdev, 0);
	info->mem[0].size = pci_resource_len(pdev, 0);
}

static int test_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	bool line = broken;
	struct test_dev *dev;
	int ret;

	dev = devm_kzalloc(&pdev->dev, sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return -ENOMEM;
	dev->pdev = pdev;
	spin_lock_init(&dev->lock);

	ret = pci_enable_device(pdev);
	if (ret)
		return ret;
	if (line)
		pdev->broken_intx_masking = 1;
	else if (!pci_intx_mask_supported(pdev)) {
		ret = -ENODEV;
		goto disable;
	}
	fill_info(dev, line);
	ret = uio_register_device(&pdev->dev, &dev->info);
	if (ret == -EBUSY && line) {
		memset(&dev->info, 0, sizeof(dev->info));
		fill_info(dev, line);
		dev->info.irq = UIO_IRQ_NONE;
		dev->info.irqcontrol = NULL;
		ret = uio_register_device(&pdev->dev, &dev->info);
	}
	if (ret)
		goto disable;
	pci_set_drvdata(pdev, dev);
	return 0;

disable:
	pci_disable_device(pdev);
	return ret;
}

/* The device's mask is left as it is, as uio_pci_generic leaves it; free_irq() unmasks the line. */
static void test_remove(struct pci_dev *pdev)
{
	struct test_dev *dev = pci_get_drvdata(pdev);

	uio_unregister_device(&dev->info);
	pci_disable_device(pdev);
}

/* No id table: devices come by driver_override or new_id. */
static struct pci_driver test_driver = {
	.name = KBUILD_MODNAME,
	.probe = test_probe,
	.remove = test_remove,
};
module_pci_driver(test_driver);

MODULE_DESCRIPTION("Test-only UIO driver with irqcontrol");
MODULE_LICENSE("GPL");
