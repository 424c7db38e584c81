// SPDX-License-Identifier: GPL-2.0
/*
 * A device as a UIO device, for programs that know nothing of lines: its interrupts come while it
 * is open, each must be re-enabled by irqcontrol(1).
 *
 * Owns who has a device: a UIO program, from its first open to its last close, else the line's
 * holder. Must not touch anything of the line's.
 */
#include <linux/pci.h>

#include "ptirq_line.h"

static struct ptirq_dev *to_dev(struct uio_info *info)
{
	return container_of(info, struct ptirq_dev, info);
}

/* The first open unmasks. A device that asserts is then signalled at once. */
static int uiodev_open(struct uio_info *info, struct inode *inode)
{
	struct ptirq_dev *dev = to_dev(info);
	struct ptirq_line *line = dev->line;
	int ret = 0;

	mutex_lock(&line->mutex);
	if (!ptirq_line_has(line, dev)) {
		ret = -EAGAIN; /* coming, or going */
	} else if (!dev->uio_opens && line->held) {
		ret = -EBUSY;
	} else if (line->one_unit && !is_power_of_2(line->present)) {
		ret = -EOPNOTSUPP; /* it would have to acknowledge for other devices */
	} else {
		WRITE_ONCE(dev->uio_opens, dev->uio_opens + 1);
		if (dev->uio_opens == 1) {
			ptirq_line_members_changed(line);
			ptirq_line_unmask(line, ptirq_line_unit(line, dev));
		}
	}
	mutex_unlock(&line->mutex);
	return ret;
}

/*
 * The last close leaves it, masked, to the line's holder, if there is one. Not called any more once
 * the device is unregistered.
 */
static int uiodev_release(struct uio_info *info, struct inode *inode)
{
	struct ptirq_dev *dev = to_dev(info);
	struct ptirq_line *line = dev->line;

	mutex_lock(&line->mutex);
	if (ptirq_line_has(line, dev)) {
		if (dev->uio_opens == 1)
			ptirq_line_abandon(line, dev);
		WRITE_ONCE(dev->uio_opens, dev->uio_opens - 1);
		if (!dev->uio_opens)
			ptirq_line_members_changed(line);
	}
	mutex_unlock(&line->mutex);
	return 0;
}

static int uiodev_irqcontrol(struct uio_info *info, s32 on)
{
	struct ptirq_dev *dev = to_dev(info);
	struct ptirq_line *line = dev->line;
	int ret = -ENODEV;

	mutex_lock(&line->mutex);
	if (ptirq_line_has(line, dev))
		ret = (on ? ptirq_line_unmask : ptirq_line_mask)(line, ptirq_line_unit(line, dev));
	mutex_unlock(&line->mutex);
	return ret;
}

/*
 * Whole pages only: the rest of a page can be another device's. The regions are not requested: with
 * IO_STRICT_DEVMEM that would forbid the mapping of resourceN in sysfs.
 */
static void add_bars(struct ptirq_dev *dev)
{
	struct pci_dev *pdev = dev->pdev;
	struct uio_mem *mem = dev->info.mem;
	struct uio_port *port = dev->info.port;
	resource_size_t start, size;
	unsigned int bar;

	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++) {
		start = pci_resource_start(pdev, bar);
		size = pci_resource_len(pdev, bar);
		if (!size)
			continue;
		if (pci_resource_flags(pdev, bar) & IORESOURCE_IO) {
			if (port == dev->info.port + MAX_UIO_PORT_REGIONS)
				continue;
			port->start = start;
			port->size = size;
			port->porttype = UIO_PORT_X86;
			port->name = pdev->resource[bar].name;
			port++;
		} else if (PAGE_ALIGNED(start) && PAGE_ALIGNED(size) &&
			   mem < dev->info.mem + MAX_UIO_MAPS) {
			mem->addr = start;
			mem->size = size;
			mem->memtype = UIO_MEM_PHYS;
			mem->name = pdev->resource[bar].name;
			mem++;
		}
	}
}

int ptirq_uiodev_register(struct ptirq_dev *dev)
{
	dev->info.name = KBUILD_MODNAME;
	dev->info.version = "1";
	dev->info.irq = UIO_IRQ_CUSTOM;
	dev->info.open = uiodev_open;
	dev->info.release = uiodev_release;
	dev->info.irqcontrol = uiodev_irqcontrol;
	if (dev->pdev)
		add_bars(dev);
	return uio_register_device(dev->dev, &dev->info);
}
