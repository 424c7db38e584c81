// SPDX-License-Identifier: GPL-2.0
/*
 * The requests of /dev/ptirq/lineN (ptirq_uio_abi.h): checks what user space asks for, and has the
 * line do it.
 *
 * Owns nothing; must not copy from or to user space under a lock.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/uaccess.h>

#include "ptirq_line.h"
#include "ptirq_wire.h"

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

static u32 line_caps(struct ptirq_line *line)
{
	u32 caps = 0;

	if (!line->present)
		return 0;
	if (line->one_unit)
		caps |= PTIRQ_UIO_ONE_UNIT;
	if (line->action == PTIRQ_SHARED && ptirq_others(line))
		caps |= PTIRQ_UIO_SHARED;
	if (ptirq_wire_status(line->irq, line->type) != PTIRQ_UIO_STATUS_UNKNOWN)
		caps |= PTIRQ_UIO_HAS_LEVEL;
	if (ptirq_cpa_is_possible(line))
		caps |= PTIRQ_UIO_CAN_CPA;
	return caps;
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
	dev = ptirq_line_dev(line, info.device);
	info.major = PTIRQ_UIO_ABI_MAJOR;
	info.minor = PTIRQ_UIO_ABI_MINOR;
	info.irq = line->irq;
	info.devices = line->present;
	info.uio_minor = -1;
	info.caps = 0;
	memset(info.name, 0, sizeof(info.name));
	if (info.device == PTIRQ_UIO_LINE) {
		WRITE_ONCE(file->members, line->page->members);
		info.caps = line_caps(line);
		strscpy(info.name, line->name, sizeof(info.name));
	} else if (dev) {
		info.caps = dev->caps | (dev->uio_opens ? PTIRQ_UIO_UIO_OPEN : 0);
		info.uio_minor = dev->info.uio_dev->minor;
		strscpy(info.name, dev_name(dev->dev), sizeof(info.name));
	} else {
		ret = -ENODEV;
	}
	mutex_unlock(&line->mutex);
	return ret ?: put_reply(&info, sizeof(info), arg);
}

/* The number by which the line knows what a request names; PTIRQ_UIO_ENTRIES is no unit's. */
static unsigned int unit_of(u32 device)
{
	if (device == PTIRQ_UIO_LINE)
		return PTIRQ_LINE_UNIT;
	return device < PTIRQ_UIO_MAX_DEVICES ? device : PTIRQ_UIO_ENTRIES;
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
	return ptirq_line_ack(file->line, unit_of(ack.device), ack.generation,
			      ack.flags & PTIRQ_UIO_ACK_KEEP_MASKED);
}

static int mask_all(struct ptirq_line *line, bool masked)
{
	if (!line->alive)
		return -ENODEV;
	if (line->one_unit && ptirq_line_check_held(line, PTIRQ_LINE_UNIT))
		return ptirq_line_check_held(line, PTIRQ_LINE_UNIT);
	if (masked)
		ptirq_line_mask_held(line);
	else
		ptirq_line_unmask_held(line);
	return 0;
}

static int mask_device(struct ptirq_line *line, u32 nr, bool masked)
{
	int ret = ptirq_line_check_held(line, nr);

	if (ret)
		return ret;
	if (!(ptirq_line_dev(line, nr)->caps & PTIRQ_UIO_CAN_MASK))
		return -EOPNOTSUPP;
	return masked ? ptirq_line_mask(line, nr) : ptirq_line_unmask(line, nr);
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
	mutex_lock(&line->mutex);
	if (mask.device == PTIRQ_UIO_LINE)
		ret = mask_all(line, masked);
	else if (mask.device < PTIRQ_UIO_MAX_DEVICES)
		ret = mask_device(line, mask.device, masked);
	else
		ret = -ENODEV;
	mutex_unlock(&line->mutex);
	return ret;
}

/* By status bits: a masked device does not drive the wire; of other drivers' nothing is known. */
static u32 wire_level(struct ptirq_line *line, const struct ptirq_uio_sample *sample)
{
	u32 level = ptirq_wire_status(line->irq, line->type) ?: ptirq_cpa_status(line);

	if (level)
		return level;
	if (sample->asserting & ~sample->masked)
		return PTIRQ_UIO_STATUS_ASSERTED;
	if (sample->unknown || line->action == PTIRQ_NO_ACTION || ptirq_others(line))
		return PTIRQ_UIO_STATUS_UNKNOWN;
	return PTIRQ_UIO_STATUS_CLEAR;
}

static int line_sample(struct ptirq_file *file, void __user *arg)
{
	struct ptirq_line *line = file->line;
	struct ptirq_uio_sample sample;
	int ret;

	ret = get_request(&sample, sizeof(sample), 0, arg);
	if (ret)
		return ret;
	sample = (struct ptirq_uio_sample){ .size = sample.size };
	/* Without a device on the line its interrupt, too, may be gone by now, or another's. */
	mutex_lock(&line->mutex);
	ptirq_line_sample(line, &sample);
	if (sample.devices)
		sample.level = wire_level(line, &sample);
	else
		ret = -ENODEV;
	mutex_unlock(&line->mutex);
	return ret ?: put_reply(&sample, sizeof(sample), arg);
}

/* Has the line signal these from now on; takes over the reference. */
static int set_targets(struct ptirq_line *line, u32 device, enum ptirq_target kind,
		       struct ptirq_targets *targets)
{
	int ret = -ENODEV;

	if (IS_ERR(targets))
		return PTR_ERR(targets);
	mutex_lock(&line->mutex);
	if (line->alive)
		ret = ptirq_line_set_targets(line, device, kind, targets);
	mutex_unlock(&line->mutex);
	if (ret)
		ptirq_targets_put(targets);
	return ret;
}

static int line_set_trigger(struct ptirq_file *file, void __user *arg)
{
	struct ptirq_uio_trigger trigger;
	int ret;

	ret = get_request(&trigger, sizeof(trigger), 0, arg);
	if (ret)
		return ret;
	if (trigger.fd < -1)
		return -EINVAL;
	return set_targets(file->line, trigger.device, PTIRQ_TRIGGER,
			   ptirq_targets_get(&trigger.fd, trigger.fd >= 0));
}

static int line_set_notify(struct ptirq_file *file, void __user *arg)
{
	struct ptirq_uio_notify notify;
	s32 fds[PTIRQ_UIO_MAX_NOTIFY];
	int ret;

	ret = get_request(&notify, sizeof(notify), 0, arg);
	if (ret)
		return ret;
	if (notify.count > PTIRQ_UIO_MAX_NOTIFY)
		return -EINVAL;
	if (copy_from_user(fds, u64_to_user_ptr(notify.fds), notify.count * sizeof(fds[0])))
		return -EFAULT;
	return set_targets(file->line, notify.device, PTIRQ_NOTIFY,
			   ptirq_targets_get(fds, notify.count));
}

static int line_set_resample(struct ptirq_file *file, void __user *arg)
{
	struct ptirq_line *line = file->line;
	struct ptirq_uio_trigger resample;
	struct file *eventfd = NULL;
	int ret;

	ret = get_request(&resample, sizeof(resample), 0, arg);
	if (ret)
		return ret;
	if (resample.fd < -1)
		return -EINVAL;
	if (resample.fd >= 0) {
		eventfd = eventfd_fget(resample.fd);
		if (IS_ERR(eventfd))
			return PTR_ERR(eventfd);
	}
	mutex_lock(&line->mutex);
	ret = line->alive ? ptirq_line_set_resample(line, resample.device, eventfd) : -ENODEV;
	mutex_unlock(&line->mutex);
	if (eventfd)
		fput(eventfd);
	return ret;
}

static int line_set_mode(struct ptirq_file *file, void __user *arg)
{
	struct ptirq_line *line = file->line;
	struct ptirq_uio_mode_request mode;
	int ret;

	ret = get_request(&mode, sizeof(mode), PTIRQ_UIO_MODE_STOP_DMA, arg);
	if (ret)
		return ret;
	if (mode.reserved)
		return -EINVAL;
	mutex_lock(&line->mutex);
	ret = line->alive ? ptirq_line_set_mode(line, mode.mode, mode.flags) : -ENODEV;
	mutex_unlock(&line->mutex);
	return ret;
}

static int line_set_deadline(struct ptirq_file *file, void __user *arg)
{
	struct ptirq_uio_deadline deadline;
	struct ptirq_line *line = file->line;
	int ret;

	ret = get_request(&deadline, sizeof(deadline), 0, arg);
	if (ret)
		return ret;
	mutex_lock(&line->mutex);
	ret = line->alive ? ptirq_line_set_deadline(line, deadline.deadline_ns, deadline.lease_ns) :
			    -ENODEV;
	mutex_unlock(&line->mutex);
	return ret;
}

long ptirq_request(struct file *filep, unsigned int cmd, unsigned long arg)
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
	case PTIRQ_UIO_SET_RESAMPLE:
		return line_set_resample(file, request);
	case PTIRQ_UIO_SET_NOTIFY:
		return line_set_notify(file, request);
	case PTIRQ_UIO_SET_MODE:
		return line_set_mode(file, request);
	case PTIRQ_UIO_SET_DEADLINE:
		return line_set_deadline(file, request);
	default:
		return -ENOTTY;
	}
}
