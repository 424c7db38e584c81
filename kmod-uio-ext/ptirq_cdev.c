// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/ptirq/lineN (ptirq_uio_abi.h): checks what user space asks for, and has the line do it.
 *
 * Owns who holds a line; must not copy from or to user space under a lock.
 */
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "ptirq_compat.h"
#include "ptirq_line.h"

struct ptirq_file {
	struct ptirq_line *line;
	bool holds;
	u32 members; /* as of the last GET_INFO */
};

static int hold(struct ptirq_line *line)
{
	int ret = 0;

	mutex_lock(&line->mutex);
	if (!line->alive)
		ret = -ENODEV;
	else if (line->held || line->uio_opens)
		ret = -EBUSY;
	else
		line->held = true;
	mutex_unlock(&line->mutex);
	return ret;
}

/* A device that nobody holds is masked. What asserts stays so until someone holds it again. */
static void let_go(struct ptirq_line *line)
{
	mutex_lock(&line->mutex);
	ptirq_line_mask_all(line);
	ptirq_line_drop_triggers(line);
	line->held = false;
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

/*
 * Reads a request, of which size and flags are the first two fields. A structure that is larger
 * than ours is fine if it asks for nothing that we do not know; none was ever smaller.
 */
static int get_request(void *request, size_t size, u32 flags, const void __user *from)
{
	u32 head[2];
	int ret;

	if (copy_from_user(head, from, sizeof(head)))
		return -EFAULT;
	if (head[0] < size || head[0] > PAGE_SIZE)
		return -EINVAL;
	if (head[1] & ~flags)
		return -EINVAL;
	ret = copy_struct_from_user(request, size, from, head[0]);
	if (ret)
		return ret;
	/* What was checked is what counts, whatever another thread has written there since. */
	memcpy(request, head, sizeof(head));
	return 0;
}

/* What the caller's structure has beyond ours stays 0. */
static int put_reply(const void *reply, size_t size, void __user *to)
{
	return copy_to_user(to, reply, size) ? -EFAULT : 0;
}

static int line_get_info(struct ptirq_file *file, void __user *arg)
{
	struct ptirq_line *line = file->line;
	struct ptirq_uio_info info = {};
	struct ptirq_dev *dev;
	int ret;

	ret = get_request(&info, sizeof(info), 0, arg);
	if (ret)
		return ret;
	mutex_lock(&line->mutex);
	info.major = PTIRQ_UIO_ABI_MAJOR;
	info.minor = PTIRQ_UIO_ABI_MINOR;
	info.irq = line->irq;
	info.devices = ptirq_line_devices(line);
	info.uio_minor = -1;
	info.caps = 0;
	memset(info.name, 0, sizeof(info.name));
	if (info.device == PTIRQ_UIO_LINE) {
		WRITE_ONCE(file->members, line->page->members);
		strscpy(info.name, line->name, sizeof(info.name));
	} else if (info.device < PTIRQ_UIO_MAX_DEVICES && info.devices & BIT(info.device)) {
		dev = rcu_dereference_protected(line->devs[info.device],
						lockdep_is_held(&line->mutex));
		info.uio_minor = dev->info.uio_dev->minor;
		info.caps = dev->caps;
		strscpy(info.name, dev_name(dev->dev), sizeof(info.name));
	} else {
		ret = -ENODEV;
	}
	mutex_unlock(&line->mutex);
	return ret ?: put_reply(&info, sizeof(info), arg);
}

static int line_ack(struct ptirq_file *file, void __user *arg)
{
	struct ptirq_uio_ack ack;
	int ret;

	ret = get_request(&ack, sizeof(ack), PTIRQ_UIO_ACK_KEEP_MASKED, arg);
	if (ret)
		return ret;
	if (ack.reserved)
		return -EINVAL;
	return ptirq_line_ack(file->line, ack.device, ack.generation,
			      ack.flags & PTIRQ_UIO_ACK_KEEP_MASKED);
}

static int line_mask(struct ptirq_file *file, void __user *arg, bool masked)
{
	struct ptirq_line *line = file->line;
	struct ptirq_uio_mask mask;
	int ret;

	ret = get_request(&mask, sizeof(mask), 0, arg);
	if (ret)
		return ret;
	if (mask.reserved)
		return -EINVAL;
	if (mask.device != PTIRQ_UIO_LINE)
		return masked ? ptirq_line_mask(line, mask.device) :
				ptirq_line_unmask(line, mask.device);
	if (!READ_ONCE(line->alive))
		return -ENODEV;
	if (masked)
		ptirq_line_mask_all(line);
	else
		ptirq_line_unmask_all(line);
	return 0;
}

static int line_sample(struct ptirq_file *file, void __user *arg)
{
	struct ptirq_uio_sample sample;
	int ret;

	ret = get_request(&sample, sizeof(sample), 0, arg);
	if (ret)
		return ret;
	sample = (struct ptirq_uio_sample){ .size = sample.size };
	ptirq_line_sample(file->line, &sample);
	if (!sample.devices)
		return -ENODEV;
	return put_reply(&sample, sizeof(sample), arg);
}

static int line_set_trigger(struct ptirq_file *file, void __user *arg)
{
	struct eventfd_ctx *ctx = NULL;
	struct ptirq_uio_trigger trigger;
	int ret;

	ret = get_request(&trigger, sizeof(trigger), 0, arg);
	if (ret)
		return ret;
	if (trigger.fd < -1)
		return -EINVAL;
	if (trigger.fd >= 0) {
		ctx = eventfd_ctx_fdget(trigger.fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	}
	mutex_lock(&file->line->mutex);
	ret = file->line->alive ? ptirq_line_set_trigger(file->line, trigger.device, ctx) : -ENODEV;
	mutex_unlock(&file->line->mutex);
	if (ret && ctx)
		eventfd_ctx_put(ctx);
	return ret;
}

static long line_ioctl(struct file *filep, unsigned int cmd, unsigned long arg)
{
	struct ptirq_file *file = filep->private_data;
	void __user *request = (void __user *)arg;

	if (cmd == PTIRQ_UIO_GET_INFO)
		return line_get_info(file, request);
	if (cmd == PTIRQ_UIO_SAMPLE)
		return line_sample(file, request);
	if (!file->holds)
		return -EBADF;
	switch (cmd) {
	case PTIRQ_UIO_ACK:
		return line_ack(file, request);
	case PTIRQ_UIO_MASK:
		return line_mask(file, request, true);
	case PTIRQ_UIO_UNMASK:
		return line_mask(file, request, false);
	case PTIRQ_UIO_SET_TRIGGER:
		return line_set_trigger(file, request);
	default:
		return -ENOTTY;
	}
}

const struct file_operations ptirq_cdev_fops = {
	.owner = THIS_MODULE,
	.open = line_open,
	.release = line_close,
	.poll = line_poll,
	.mmap = line_mmap,
	.unlocked_ioctl = line_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};
