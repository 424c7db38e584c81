// SPDX-License-Identifier: GPL-2.0
/*
 * The devices of one line: the interrupt handler, masks, acknowledgments, signals, status page.
 *
 * Owns line->lock and what it guards: the decisions are ptirq_state.c's, DisINTx ptirq_intx.c's;
 * here the one is made to follow the other, never apart. Must not signal under line->lock: what an
 * eventfd's waiter does is not known here.
 */
#include <linux/interrupt.h>
#include <linux/rcupdate.h>
#include <linux/timekeeping.h>

#include "ptirq_intx.h"
#include "ptirq_line.h"

#define CREATE_TRACE_POINTS
#include "ptirq_trace.h"

#define UNCLAIMED_LIMIT 100 /* far below the 99,900 of 100,000 that kill a line */

/* The device of that number, or NULL. What it returns is bound for as long as the lock is held. */
static struct ptirq_dev *locked_dev(struct ptirq_line *line, unsigned int nr)
{
	if (nr >= PTIRQ_UIO_MAX_DEVICES)
		return NULL;
	return rcu_dereference_protected(line->devs[nr], lockdep_is_held(&line->lock));
}

static struct ptirq_uio_page_device *page_device(struct ptirq_line *line, unsigned int nr)
{
	return (void *)line->page + line->page->device_offset + nr * line->page->device_size;
}

/* Readers check seq before and after (ptirq_uio_abi.h); there is one writer, under the lock. */
static void publish(struct ptirq_line *line, unsigned int nr)
{
	struct ptirq_uio_page_device *entry = page_device(line, nr);
	const struct ptirq_state *s = &line->states[nr];

	lockdep_assert_held(&line->lock);
	WRITE_ONCE(entry->seq, entry->seq + 1);
	smp_wmb(); /* seq is odd before anything changes */
	WRITE_ONCE(entry->state, s->state);
	WRITE_ONCE(entry->mask_level,
		   ptirq_state_is_masked(s) ? PTIRQ_UIO_MASK_DEVICE : PTIRQ_UIO_UNMASKED);
	WRITE_ONCE(entry->status, s->status);
	WRITE_ONCE(entry->generation, s->generation);
	WRITE_ONCE(entry->fired_at_ns, s->fired_at);
	WRITE_ONCE(entry->interrupts, s->interrupts);
	WRITE_ONCE(entry->again, s->again);
	WRITE_ONCE(entry->acks, s->acks);
	WRITE_ONCE(entry->stale_acks, s->stale_acks);
	smp_wmb(); /* seq is even after everything has changed */
	WRITE_ONCE(entry->seq, entry->seq + 1);
}

static bool fired(struct ptirq_line *line, unsigned int nr, u64 now)
{
	struct ptirq_state *s = &line->states[nr];
	enum ptirq_uio_status status;

	if (!ptirq_state_can_fire(s))
		return false;
	status = ptirq_intx_mask_if_asserting(locked_dev(line, nr)->pdev);
	if (status == PTIRQ_UIO_STATUS_ASSERTED) {
		ptirq_state_fired(s, now);
		trace_deferred(line->irq, nr, s->generation, false);
	} else {
		ptirq_state_saw(s, status);
	}
	publish(line, nr);
	return status == PTIRQ_UIO_STATUS_ASSERTED;
}

/*
 * A mask can be taken away behind our back: by a write to the configuration space, by a reset that
 * restores it, and while a device is being bound. Such a device is not asked, and its interrupts
 * would end in "nobody cared". Too rare to look for at every interrupt of a neighbour, so only when
 * many in a row are nobody's.
 */
static bool repair(struct ptirq_line *line)
{
	bool masked, repaired;
	struct ptirq_dev *dev;
	unsigned int nr;

	if (++line->unclaimed % UNCLAIMED_LIMIT)
		return false;
	repaired = ptirq_pci_mask_arriving();
	for (nr = 0; nr < PTIRQ_UIO_MAX_DEVICES; nr++) {
		dev = locked_dev(line, nr);
		if (!dev || !ptirq_state_is_masked(&line->states[nr]))
			continue;
		if (ptirq_intx_sample(dev->pdev, &masked) != PTIRQ_UIO_STATUS_ASSERTED || masked)
			continue;
		ptirq_intx_mask_if_asserting(dev->pdev);
		WRITE_ONCE(line->page->repaired, line->page->repaired + 1);
		repaired = true;
	}
	return repaired;
}

/* Masks whoever asserts and returns: the line goes on at once. */
static irqreturn_t handler(int irq, void *data)
{
	struct ptirq_line *line = data;
	u64 now = ktime_get_ns();
	unsigned long flags;
	bool repaired = false;
	unsigned int nr;
	u32 devices = 0;

	spin_lock_irqsave(&line->lock, flags);
	for (nr = 0; nr < PTIRQ_UIO_MAX_DEVICES; nr++) {
		if (fired(line, nr, now))
			devices |= BIT(nr);
	}
	WRITE_ONCE(line->page->calls, line->page->calls + 1);
	if (devices) {
		WRITE_ONCE(line->page->claimed, line->page->claimed + 1);
		line->unclaimed = 0;
	} else {
		repaired = repair(line);
	}
	spin_unlock_irqrestore(&line->lock, flags);

	if (!devices)
		return repaired ? IRQ_HANDLED : IRQ_NONE;
	trace_fired(irq, devices);
	ptirq_line_signal(line, devices);
	return IRQ_HANDLED;
}

static void mask(struct ptirq_line *line, unsigned int nr, struct ptirq_dev *dev)
{
	ptirq_intx_mask(dev->pdev);
	ptirq_state_masked(&line->states[nr]);
	publish(line, nr);
}

/* 1: the device asserts, is masked still, and is to be signalled under its new generation. */
static int unmask(struct ptirq_line *line, unsigned int nr, struct ptirq_dev *dev)
{
	struct ptirq_state *s = &line->states[nr];
	enum ptirq_uio_status status;
	int ret = 0;

	if (!ptirq_state_is_masked(s))
		return 0;
	status = ptirq_intx_unmask_if_clear(dev->pdev);
	if (status == PTIRQ_UIO_STATUS_UNKNOWN) {
		ptirq_state_masked(s);
		ptirq_state_saw(s, status);
		ret = -ENODEV;
	} else if (ptirq_state_unmask_tried(s, status == PTIRQ_UIO_STATUS_CLEAR, ktime_get_ns())) {
		trace_deferred(line->irq, nr, s->generation, true);
		ret = 1;
	}
	publish(line, nr);
	return ret;
}

static int signalled(struct ptirq_line *line, unsigned int nr, int ret)
{
	if (ret <= 0)
		return ret;
	ptirq_line_signal(line, BIT(nr));
	return 0;
}

int ptirq_line_ack(struct ptirq_line *line, unsigned int nr, u64 generation, bool keep_masked)
{
	struct ptirq_dev *dev;
	unsigned long flags;
	int ret = -ENODEV;

	spin_lock_irqsave(&line->lock, flags);
	dev = locked_dev(line, nr);
	if (!dev)
		goto unlock;
	ret = -EBUSY;
	if (READ_ONCE(dev->uio_opens))
		goto unlock;
	ret = ptirq_state_ack(&line->states[nr], generation);
	if (ret) {
		trace_stale_ack(line->irq, nr, generation, line->states[nr].generation);
		publish(line, nr);
		goto unlock;
	}
	trace_acked(line->irq, nr, generation, keep_masked);
	if (keep_masked)
		mask(line, nr, dev);
	else
		ret = unmask(line, nr, dev);
unlock:
	spin_unlock_irqrestore(&line->lock, flags);
	return signalled(line, nr, ret);
}

/* Of the generation at hand, if one is due. Signals nobody: 1 if the caller is to. */
int ptirq_line_ack_current(struct ptirq_line *line, unsigned int nr)
{
	struct ptirq_dev *dev;
	struct ptirq_state *s;
	unsigned long flags;
	int ret = -ENODEV;

	spin_lock_irqsave(&line->lock, flags);
	dev = locked_dev(line, nr);
	if (!dev)
		goto unlock;
	s = &line->states[nr];
	ret = 0;
	if (s->state != PTIRQ_UIO_DEFERRED)
		goto unlock;
	trace_acked(line->irq, nr, s->generation, false);
	ptirq_state_ack(s, s->generation);
	ret = unmask(line, nr, dev);
unlock:
	spin_unlock_irqrestore(&line->lock, flags);
	return ret;
}

int ptirq_line_mask(struct ptirq_line *line, unsigned int nr)
{
	struct ptirq_dev *dev;
	unsigned long flags;

	spin_lock_irqsave(&line->lock, flags);
	dev = locked_dev(line, nr);
	if (dev)
		mask(line, nr, dev);
	spin_unlock_irqrestore(&line->lock, flags);
	return dev ? 0 : -ENODEV;
}

int ptirq_line_unmask(struct ptirq_line *line, unsigned int nr)
{
	struct ptirq_dev *dev;
	unsigned long flags;
	int ret = -ENODEV;

	spin_lock_irqsave(&line->lock, flags);
	dev = locked_dev(line, nr);
	if (dev)
		ret = unmask(line, nr, dev);
	spin_unlock_irqrestore(&line->lock, flags);
	return signalled(line, nr, ret);
}

/* The device of that number, or NULL. Needs line->mutex, which keeps it. */
struct ptirq_dev *ptirq_line_dev(struct ptirq_line *line, u32 nr)
{
	if (nr >= PTIRQ_UIO_MAX_DEVICES)
		return NULL;
	return rcu_dereference_protected(line->devs[nr], lockdep_is_held(&line->mutex));
}

/* Whether the device is the line's holder's: 0, -ENODEV, or -EBUSY if a UIO program has it open. */
int ptirq_line_check_held(struct ptirq_line *line, u32 nr)
{
	struct ptirq_dev *dev = ptirq_line_dev(line, nr);

	if (!dev)
		return -ENODEV;
	return dev->uio_opens ? -EBUSY : 0;
}

/* All the holder's devices. */
void ptirq_line_mask_held(struct ptirq_line *line)
{
	unsigned int nr;

	for (nr = 0; nr < PTIRQ_UIO_MAX_DEVICES; nr++) {
		if (!ptirq_line_check_held(line, nr))
			ptirq_line_mask(line, nr);
	}
}

void ptirq_line_unmask_held(struct ptirq_line *line)
{
	unsigned int nr;

	for (nr = 0; nr < PTIRQ_UIO_MAX_DEVICES; nr++) {
		if (!ptirq_line_check_held(line, nr))
			ptirq_line_unmask(line, nr);
	}
}

void ptirq_line_sample(struct ptirq_line *line, struct ptirq_uio_sample *ret)
{
	enum ptirq_uio_status status;
	struct ptirq_dev *dev;
	unsigned long flags;
	unsigned int nr;

	for (nr = 0; nr < PTIRQ_UIO_MAX_DEVICES; nr++) {
		bool masked = false;

		spin_lock_irqsave(&line->lock, flags);
		dev = locked_dev(line, nr);
		if (dev) {
			status = ptirq_intx_sample(dev->pdev, &masked);
			ptirq_state_saw(&line->states[nr], status);
			publish(line, nr);
			ret->devices |= BIT(nr);
			ret->asserting |= status == PTIRQ_UIO_STATUS_ASSERTED ? BIT(nr) : 0;
			ret->unknown |= status == PTIRQ_UIO_STATUS_UNKNOWN ? BIT(nr) : 0;
			ret->masked |= masked ? BIT(nr) : 0;
		}
		spin_unlock_irqrestore(&line->lock, flags);
	}
}

u32 ptirq_line_devices(struct ptirq_line *line)
{
	unsigned int nr;
	u32 devices = 0;

	lockdep_assert_held(&line->mutex);
	for (nr = 0; nr < PTIRQ_UIO_MAX_DEVICES; nr++)
		devices |= rcu_access_pointer(line->devs[nr]) ? BIT(nr) : 0;
	return devices;
}

bool ptirq_line_has(struct ptirq_line *line, struct ptirq_dev *dev)
{
	return ptirq_line_dev(line, dev->nr) == dev;
}

/* Which devices there are, or who has them: needs line->mutex. */
void ptirq_line_members_changed(struct ptirq_line *line)
{
	WRITE_ONCE(line->page->members, line->page->members + 1);
	wake_up_all(&line->wait);
}

/* The device is masked; so it stays until the one who holds it, or opens it, unmasks it. */
int ptirq_line_join(struct ptirq_line *line, struct ptirq_dev *dev)
{
	unsigned int nr;

	mutex_lock(&line->mutex);
	for (nr = 0; nr < PTIRQ_UIO_MAX_DEVICES; nr++) {
		if (!rcu_access_pointer(line->devs[nr]))
			break;
	}
	if (nr == PTIRQ_UIO_MAX_DEVICES) {
		mutex_unlock(&line->mutex);
		return -ENOSPC;
	}
	spin_lock_irq(&line->lock);
	dev->nr = nr;
	rcu_assign_pointer(line->devs[nr], dev);
	ptirq_state_join(&line->states[nr]);
	publish(line, nr);
	spin_unlock_irq(&line->lock);
	ptirq_line_members_changed(line);
	mutex_unlock(&line->mutex);
	return 0;
}

/* On return nobody signals through the device any more. It is left masked. */
void ptirq_line_leave(struct ptirq_line *line, struct ptirq_dev *dev)
{
	struct ptirq_signals *signals = &dev->signals;

	mutex_lock(&line->mutex);
	spin_lock_irq(&line->lock);
	mask(line, dev->nr, dev);
	ptirq_state_leave(&line->states[dev->nr]);
	publish(line, dev->nr);
	RCU_INIT_POINTER(line->devs[dev->nr], NULL);
	spin_unlock_irq(&line->lock);
	ptirq_line_members_changed(line);
	ptirq_signals_drop(line, &signals, 1);
	mutex_unlock(&line->mutex);
}

/* Every device that joins has DisINTx set: the handler can be shared with anyone. */
int ptirq_line_start(struct ptirq_line *line)
{
	return request_irq(line->irq, handler, IRQF_SHARED, line->name, line);
}

void ptirq_line_stop(struct ptirq_line *line)
{
	free_irq(line->irq, line);
}
