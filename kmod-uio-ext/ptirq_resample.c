// SPDX-License-Identifier: GPL-2.0
/*
 * Eventfds that acknowledge in the kernel: whoever signals one has served the device.
 *
 * Owns the entries in the eventfds' wait queues. The acknowledgment is made right in the waker's
 * context, which holds the eventfd's lock with interrupts off: that lock is outside line->lock, and
 * nothing is signalled under line->lock. Signalling there would recurse, which eventfds forbid (two
 * of them could be each other's trigger and resample): a device that asserts still is signalled
 * from a workqueue.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "ptirq_line.h"

struct ptirq_resample {
	struct ptirq_line *line;
	u32 units;
	struct eventfd_ctx *ctx;
	wait_queue_entry_t wait;
	poll_table table;
	struct work_struct late;
	struct work_struct again;
	atomic_t asserting; /* units that again is to signal */
};

static void signal_again(struct work_struct *work)
{
	struct ptirq_resample *r = container_of(work, struct ptirq_resample, again);

	ptirq_line_signal(r->line, atomic_xchg(&r->asserting, 0));
}

/* Whatever is deferred; nothing if nothing is. */
static void acknowledge(struct ptirq_resample *r)
{
	u32 asserting = ptirq_line_ack_current(r->line, r->units);

	if (!asserting)
		return;
	atomic_or(asserting, &r->asserting);
	queue_work(system_highpri_wq, &r->again);
}

static void acknowledge_late(struct work_struct *work)
{
	acknowledge(container_of(work, struct ptirq_resample, late));
}

/*
 * The eventfd's lock is held. Its last file goes with EPOLLHUP: then nobody can signal it any more,
 * and that is all; the context is ours until it is taken away.
 *
 * An interrupt handler, which runs with softirqs off where it is threaded, has served nothing: it
 * signals an eventfd that is a trigger as well. A line enabled from there fires on return, and the
 * processor would get to nothing else.
 */
static int wake(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct ptirq_resample *r = container_of(wait, struct ptirq_resample, wait);
	u64 count;

	if (key_to_poll(key) & EPOLLIN) {
		eventfd_ctx_do_read(r->ctx, &count);
		if (in_interrupt())
			queue_work(system_highpri_wq, &r->late);
		else
			acknowledge(r);
	}
	return 0;
}

static void enqueue(struct file *file, wait_queue_head_t *head, poll_table *table)
{
	struct ptirq_resample *r = container_of(table, struct ptirq_resample, table);

	add_wait_queue(head, &r->wait);
}

static void detach(struct ptirq_resample *r)
{
	u64 count;

	/* Under the eventfd's lock: whoever was in wake() has left it. */
	eventfd_ctx_remove_wait_queue(r->ctx, &r->wait, &count);
	flush_work(&r->late); /* which may queue the other */
	flush_work(&r->again);
	eventfd_ctx_put(r->ctx);
	kfree(r);
}

/*
 * What was signalled before counts as well: one acknowledgment too many costs a signal, one too few
 * the line. The count stays until the next signal or the end.
 */
static struct ptirq_resample *attach(struct ptirq_line *line, u32 units, struct file *file)
{
	struct ptirq_resample *r = kzalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);

	if (!r)
		return ERR_PTR(-ENOMEM);
	r->line = line;
	r->units = units;
	r->ctx = eventfd_ctx_fileget(file);
	INIT_WORK(&r->late, acknowledge_late);
	INIT_WORK(&r->again, signal_again);
	init_waitqueue_func_entry(&r->wait, wake);
	init_poll_funcptr(&r->table, enqueue);
	if (vfs_poll(file, &r->table) & EPOLLIN)
		acknowledge(r);
	return r;
}

/* The eventfd's file, or NULL for none. The old one acts no more before the new one does. */
int ptirq_line_set_resample(struct ptirq_line *line, u32 device, struct file *file)
{
	struct ptirq_signals *signals = ptirq_line_signals(line, device);
	bool all = device == PTIRQ_UIO_LINE;
	struct ptirq_resample *r;
	int ret = 0;

	if (IS_ERR(signals))
		return PTR_ERR(signals);
	if (line->one_unit && !all)
		return -EOPNOTSUPP;
	if (line->one_unit || !all)
		ret = ptirq_line_check_held(line, all ? PTIRQ_LINE_UNIT : device);
	if (ret)
		return ret;
	ptirq_resample_drop(signals);
	if (!file)
		return 0;
	r = attach(line, all ? ~0U : BIT(device), file);
	if (IS_ERR(r))
		return PTR_ERR(r);
	signals->resample = r;
	return 0;
}

/* Needs line->mutex. On return it acts no more. */
void ptirq_resample_drop(struct ptirq_signals *signals)
{
	if (signals->resample)
		detach(signals->resample);
	signals->resample = NULL;
}
