// SPDX-License-Identifier: GPL-2.0
/*
 * Binds platform devices to lines: by driver_override, whatever described them (device tree, ACPI,
 * board code), or by a compatible string of the device tree given as the parameter of_id.
 *
 * Nothing is known of such a device but its interrupt and its registers. Whatever mask and status
 * bit it has cannot be reached from here, so its line is one unit.
 *
 * Owns what a device is between probe and remove; must not touch its registers.
 */
#include <linux/irq.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/platform_device.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>

#include "ptirq_line.h"
#include "ptirq_wire.h"

/*
 * Registers need not fill their pages, and mostly do not: like uio_pdrv_genirq, and unlike the BARs
 * of a PCI device, the pages are mapped whole. Whoever binds a device here grants its neighbours in
 * those pages too.
 */
static void add_maps(struct ptirq_dev *dev, struct platform_device *pdev)
{
	struct uio_mem *mem = dev->info.mem;
	struct resource *res;
	unsigned int i;

	for (i = 0; i < pdev->num_resources && mem < dev->info.mem + MAX_UIO_MAPS; i++) {
		res = &pdev->resource[i];
		if (resource_type(res) != IORESOURCE_MEM || !resource_size(res))
			continue;
		mem->memtype = UIO_MEM_PHYS;
		mem->addr = res->start & PAGE_MASK;
		mem->offs = res->start & ~PAGE_MASK;
		mem->size = PAGE_ALIGN(mem->offs + resource_size(res));
		mem->name = res->name;
		mem++;
	}
}

/*
 * An edge is over when it was seen: there is nothing to mask until it is acknowledged, and the next
 * one would be lost meanwhile or not, as the interrupt controller likes.
 */
static int check_interrupt(struct device *dev, int irq)
{
	if (ptirq_wire_type(irq))
		return 0;
	dev_err(dev, "interrupt %d is not level-triggered (type %u): not for this driver\n", irq,
		irq_get_trigger_type(irq));
	return -ENODEV;
}

static void detach(void *data)
{
	struct ptirq_dev *dev = data;

	ptirq_dev_detach(dev);
	pm_runtime_put(dev->dev);
}

/*
 * The device stays powered while it is bound: one that is not cannot take its interrupt back. What
 * is undone is left to devres, as remove() returns nothing on new kernels and 0 on old ones.
 */
static int ptirq_probe(struct platform_device *pdev)
{
	struct ptirq_dev *dev;
	int irq, ret;

	irq = platform_get_irq(pdev, 0);
	if (irq < 0)
		return irq;
	ret = check_interrupt(&pdev->dev, irq);
	if (ret)
		return ret;
	dev = devm_kzalloc(&pdev->dev, sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return -ENOMEM;
	dev->dev = &pdev->dev;
	add_maps(dev, pdev);

	ret = devm_pm_runtime_enable(&pdev->dev);
	if (ret)
		return ret;
	ret = pm_runtime_resume_and_get(&pdev->dev);
	if (ret)
		return ret;
	ret = ptirq_dev_attach(dev, irq);
	if (ret) {
		pm_runtime_put(&pdev->dev);
		return ret;
	}
	return devm_add_action_or_reset(&pdev->dev, detach, dev);
}

/* Empty, and so no match, unless the parameter says otherwise. */
static struct of_device_id of_match[] = {
	{ /* of_id */ },
	{ /* sentinel */ },
};

module_param_string(of_id, of_match[0].compatible, sizeof(of_match[0].compatible), 0);
MODULE_PARM_DESC(of_id, "compatible string of device tree nodes to bind (default: none)");

struct platform_driver ptirq_platform_driver = {
	.probe = ptirq_probe,
	.driver = {
		.name = KBUILD_MODNAME,
		.of_match_table = of_match_ptr(of_match),
	},
};
