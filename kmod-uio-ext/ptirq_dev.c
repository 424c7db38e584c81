// SPDX-License-Identifier: GPL-2.0
/*
 * A device's way onto its line and off it, whatever bus it is on.
 *
 * Owns the order of these steps; must not know a bus.
 */
#include <linux/sysfs.h>

#include "ptirq_line.h"

#define LINK "ptirq_line" /* in the device's sysfs directory, to its line */

/*
 * The UIO device is registered before the device joins: once on the line it may be signalled.
 * Before it has joined, it cannot be opened (ptirq_uiodev.c).
 */
int ptirq_dev_attach(struct ptirq_dev *dev, int irq)
{
	int ret;

	dev->line = ptirq_line_get(irq);
	if (IS_ERR(dev->line)) {
		dev_err(dev->dev, "no line for interrupt %d: %pe\n", irq, dev->line);
		return PTR_ERR(dev->line);
	}
	ret = sysfs_create_link(&dev->dev->kobj, &dev->line->dev.kobj, LINK);
	if (ret)
		goto put;
	ret = ptirq_uiodev_register(dev);
	if (ret)
		goto unlink;
	ret = ptirq_line_join(dev->line, dev);
	if (ret)
		goto unregister;
	return 0;

unregister:
	uio_unregister_device(&dev->info);
unlink:
	sysfs_remove_link(&dev->dev->kobj, LINK);
put:
	ptirq_line_put(dev->line);
	return ret;
}

/*
 * Off the line first: from then on no interrupt and no request finds the device, so that its UIO
 * device can go.
 */
void ptirq_dev_detach(struct ptirq_dev *dev)
{
	ptirq_line_leave(dev->line, dev);
	uio_unregister_device(&dev->info);
	sysfs_remove_link(&dev->dev->kobj, LINK);
	ptirq_line_put(dev->line);
}
