// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/ptirq/lineN (ptirq_uio_abi.h): its files, but for the requests (ptirq_request.c).
 *
 * Owns who holds a line.
 */
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>

#include "ptirq_compat.h"
#include "ptirq_line.h"

/* And with it each device that no UIO program has open, now or later. */
static int hold(struct ptirq_line *line)
{
	int ret = 0;

	mutex_lock(&line->mutex);
	if (!line->alive)
		ret = -ENODEV;
	else if (line->held)
		ret = -EBUSY;
	else
		ptirq_line_hold(line);
	mutex_unlock(&line->mutex);
	return ret;
}

static void let_go(struct ptirq_line *line)
{
	mutex_lock(&line->mutex);
	ptirq_line_let_go(line);
	ptirq_line_drop_signals(line);
	mutex_unlock(&line->mutex);
}

/* The cdev holds the line's memory, and this module, for as long as the file is open. */
static int line_open(struct inode *inode, struct file *filep)
{
	struct ptirq_line *line = container_of(inode->i_cdev, struct ptirq_line, cdev);
	struct ptirq_file *file;
	int ret;

	file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);
	if (!file)
		return -ENOMEM;
	file->line = line;
	file->members = READ_ONCE(line->page->members);
	file->holds = filep->f_mode & FMODE_WRITE;
	if (file->holds) {
		ret = hold(line);
		if (ret) {
			kfree(file);
			return ret;
		}
	}
	filep->private_data = file;
	return nonseekable_open(inode, filep);
}

static int line_close(struct inode *inode, struct file *filep)
{
	struct ptirq_file *file = filep->private_data;

	if (file->holds)
		let_go(file->line);
	kfree(file);
	return 0;
}

static __poll_t line_poll(struct file *filep, struct poll_table_struct *table)
{
	struct ptirq_file *file = filep->private_data;
	struct ptirq_line *line = file->line;
	__poll_t events = 0;

	poll_wait(filep, &line->wait, table);
	if (READ_ONCE(line->page->members) != READ_ONCE(file->members))
		events |= EPOLLPRI;
	if (!READ_ONCE(line->alive))
		events |= EPOLLHUP;
	return events;
}

/* The page is the line's, which the mapping keeps through its file. */
static int line_mmap(struct file *filep, struct vm_area_struct *vma)
{
	struct ptirq_file *file = filep->private_data;

	if (vma->vm_pgoff || vma->vm_end - vma->vm_start != PAGE_SIZE)
		return -EINVAL;
	if (vma->vm_flags & (VM_WRITE | VM_EXEC))
		return -EPERM;
	ptirq_vm_flags_clear(vma, VM_MAYWRITE | VM_MAYEXEC);
	return vm_insert_page(vma, vma->vm_start, virt_to_page(file->line->page));
}

const struct file_operations ptirq_cdev_fops = {
	.owner = THIS_MODULE,
	.open = line_open,
	.release = line_close,
	.poll = line_poll,
	.mmap = line_mmap,
	.unlocked_ioctl = ptirq_request,
	.compat_ioctl = compat_ptr_ioctl,
};
