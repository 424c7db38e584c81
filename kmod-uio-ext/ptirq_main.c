// SPDX-License-Identifier: GPL-2.0
/*
 * The list of lines: one per interrupt that has a device bound to this module, with its node
 * /dev/ptirq/lineN, from the first such device to the last.
 *
 * Owns lines' births and deaths; must not know what a device is.
 */
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#include "ptirq_line.h"
#include "ptirq_wire.h"

#define MAX_LINES 256

static LIST_HEAD(lines);
static DEFINE_MUTEX(ptirq_lines_lock);
static DEFINE_IDA(ids);
static dev_t first_devt;
static struct class line_class = { .name = "ptirq" };

/* The last reference: no device is on the line and no file is open. */
static void line_release(struct device *dev)
{
	struct ptirq_line *line = container_of(dev, struct ptirq_line, dev);

	ida_free(&ids, line->id);
	free_page((unsigned long)line->page);
	kfree(line);
}

static struct ptirq_line *line_new(int irq)
{
	struct ptirq_line *line;
	int ret;

	line = kzalloc(sizeof(*line), GFP_KERNEL);
	if (!line)
		return ERR_PTR(-ENOMEM);
	ret = ida_alloc_max(&ids, MAX_LINES - 1, GFP_KERNEL);
	if (ret < 0) {
		kfree(line);
		return ERR_PTR(ret);
	}
	line->id = ret;
	line->irq = irq;
	line->type = ptirq_wire_type(irq);
	line->alive = true;
	snprintf(line->name, sizeof(line->name), "ptirq-line%u", line->id);
	mutex_init(&line->mutex);
	spin_lock_init(&line->lock);
	init_waitqueue_head(&line->wait);

	device_initialize(&line->dev);
	line->dev.class = &line_class;
	line->dev.devt = first_devt + line->id;
	line->dev.release = line_release;
	cdev_init(&line->cdev, &ptirq_cdev_fops);
	line->cdev.owner = THIS_MODULE;

	ptirq_level_init(line);
	ptirq_lease_init(line);
	ret = ptirq_page_init(line);
	if (ret)
		goto put;
	/* devtmpfs makes a directory of what is before the '!'. */
	ret = dev_set_name(&line->dev, "ptirq!line%u", line->id);
	if (ret)
		goto put;
	ret = cdev_device_add(&line->cdev, &line->dev);
	if (ret)
		goto put;
	return line;

put:
	put_device(&line->dev);
	return ERR_PTR(ret);
}

/* Files may still be open: they find no device here any more, and hold the memory. */
static void line_end(struct ptirq_line *line)
{
	mutex_lock(&line->mutex);
	line->alive = false;
	mutex_unlock(&line->mutex);
	wake_up_all(&line->wait);
	cdev_device_del(&line->cdev, &line->dev);
	put_device(&line->dev);
}

/* The interrupt's line, which is made if there is none. */
struct ptirq_line *ptirq_line_get(int irq)
{
	struct ptirq_line *line;

	mutex_lock(&ptirq_lines_lock);
	list_for_each_entry(line, &lines, node) {
		if (line->irq == irq)
			goto found;
	}
	line = line_new(irq);
	if (IS_ERR(line))
		goto unlock;
	list_add_tail(&line->node, &lines);
found:
	line->users++;
unlock:
	mutex_unlock(&ptirq_lines_lock);
	return line;
}

void ptirq_line_put(struct ptirq_line *line)
{
	mutex_lock(&ptirq_lines_lock);
	if (--line->users == 0) {
		list_del(&line->node);
		line_end(line);
	}
	mutex_unlock(&ptirq_lines_lock);
}

/* The device that was being bound asserts no more, or has joined its line. */
void ptirq_lines_arrived(void)
{
	struct ptirq_line *line;

	mutex_lock(&ptirq_lines_lock);
	list_for_each_entry(line, &lines, node) {
		spin_lock_irq(&line->lock);
		ptirq_level_line(line, PTIRQ_WHY_ARRIVING, false);
		spin_unlock_irq(&line->lock);
	}
	mutex_unlock(&ptirq_lines_lock);
}

static int __init ptirq_init(void)
{
	int ret;

	ret = alloc_chrdev_region(&first_devt, 0, MAX_LINES, "ptirq");
	if (ret)
		return ret;
	ret = class_register(&line_class);
	if (ret)
		goto unregister_chrdev;
	ret = pci_register_driver(&ptirq_pci_driver);
	if (ret)
		goto unregister_class;
	ret = platform_driver_register(&ptirq_platform_driver);
	if (ret)
		goto unregister_pci;
	return 0;

unregister_pci:
	pci_unregister_driver(&ptirq_pci_driver);
unregister_class:
	class_unregister(&line_class);
unregister_chrdev:
	unregister_chrdev_region(first_devt, MAX_LINES);
	return ret;
}

/* Not while a file is open, or a UIO device: both keep a reference to the module. */
static void __exit ptirq_exit(void)
{
	platform_driver_unregister(&ptirq_platform_driver);
	pci_unregister_driver(&ptirq_pci_driver);
	class_unregister(&line_class);
	unregister_chrdev_region(first_devt, MAX_LINES);
	ida_destroy(&ids);
}

module_init(ptirq_init);
module_exit(ptirq_exit);

MODULE_DESCRIPTION("Deferred interrupts for user space, on lines that may be shared");
MODULE_AUTHOR("The ptirq developers");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
