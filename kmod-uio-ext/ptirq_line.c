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

#define TURN 8              /* finds between two that begin with the next device */
#define UNCLAIMED_LIMIT 100 /* far below the 99,900 of 100,000 that kill a line */

/* The device of that number, or NULL. What it returns is bound for as long as the lock is held. */
struct ptirq_dev *ptirq_line_locked_dev(struct ptirq_line *line, unsigned int nr)
{
	if (nr >= PTIRQ_UIO_MAX_DEVICES)
		return NULL;
	return rcu_dereference_protected(line->devs[nr], lockdep_is_held(&line->lock));
}

/* Whether there is such a unit: not so a device's number where the line is one. */
static int check_unit(struct ptirq_line *line, unsigned int nr)
{
	if (nr == PTIRQ_LINE_UNIT)
		return line->one_unit && line->present ? 0 : -ENODEV;
	if (!ptirq_line_locked_dev(line, nr))
		return -ENODEV;
	return line->one_unit ? -EOPNOTSUPP : 0;
}

static u32 deferred(struct ptirq_line *line, unsigned int nr, enum ptirq_uio_mask_level level,
		    u64 now)
{
	ptirq_state_fired(&line->states[nr], level, now);
	trace_deferred(line->irq, nr, line->states[nr].generation, false);
	ptirq_page_publish(line, nr);
	return BIT(nr);
}

/* One of several that it can be: asked, and masked at the device. */
static u32 device_fired(struct ptirq_line *line, unsigned int nr, u64 now)
{
	struct ptirq_state *s = &line->states[nr];

	if (!ptirq_state_can_fire(s))
		return 0;
	if (ptirq_intx_mask_if_asserting(ptirq_line_locked_dev(line, nr)->pdev))
		return deferred(line, nr, PTIRQ_UIO_MASK_DEVICE, now);
	if (s->status != PTIRQ_UIO_STATUS_CLEAR) {
		ptirq_state_saw(s, PTIRQ_UIO_STATUS_CLEAR);
		ptirq_page_publish(line, nr);
	}
	return 0;
}

/* There is nobody else whose interrupt it could be: the device is not looked at. */
static u32 alone_fired(struct ptirq_line *line, unsigned int nr, u64 now)
{
	if (!ptirq_state_can_fire(&line->states[nr]))
		return 0;
	ptirq_level_defer(line);
	return deferred(line, nr, PTIRQ_UIO_MASK_LINE, now);
}

/* Nobody can tell whose it is, but that it is one of ours. */
static u32 line_fired(struct ptirq_line *line, u64 now)
{
	if (line->cpa.phase != PTIRQ_CPA_OFF)
		return ptirq_cpa_fired(line, now);
	if (ptirq_lease_fired(line) || !ptirq_state_can_fire(&line->states[PTIRQ_LINE_UNIT]))
		return 0;
	ptirq_level_line(line, PTIRQ_WHY_UNIT, true);
	return deferred(line, PTIRQ_LINE_UNIT, PTIRQ_UIO_MASK_LINE, now);
}

/*
 * Only until one is found: whoever else asserts fires again at once, and nobody's driver waits for
 * a look at the others. Whose interrupt it was the last time is looked at first, but now and then
 * it is the next one's turn, so that none can be kept from being found.
 */
static u32 one_fired(struct ptirq_line *line, u64 now)
{
	unsigned long present = line->present;
	unsigned int nr;
	u32 unit;

	for_each_set_bit_wrap(nr, &present, PTIRQ_UIO_MAX_DEVICES, line->first) {
		unit = device_fired(line, nr, now);
		if (!unit)
			continue;
		line->first = ++line->finds % TURN ? nr : (nr + 1) % PTIRQ_UIO_MAX_DEVICES;
		return unit;
	}
	return 0;
}

static u32 fired(struct ptirq_line *line, u64 now)
{
	unsigned int nr;

	if (line->one_unit)
		return line_fired(line, now);
	nr = ptirq_level_alone(line);
	if (nr != PTIRQ_LINE_UNIT)
		return alone_fired(line, nr, now);
	return one_fired(line, now);
}

/*
 * A mask can be taken away behind our back: by a write to configuration space, a reset, a bind.
 * Such a device is not asked: "nobody cared" would be its end. Too rare to look for at each of a
 * neighbour's interrupts, so only when many in a row are nobody's. If no mask was missing and
 * nobody else is there, the line rests, and this one in so many is claimed, which is enough.
 */
static bool repair(struct ptirq_line *line)
{
	unsigned long present = line->present;
	bool masked, repaired, lone, unmaskable = false;
	struct pci_dev *pdev;
	unsigned int nr;

	if (++line->unclaimed % UNCLAIMED_LIMIT)
		return false;
	repaired = ptirq_pci_mask_arriving(&unmaskable);
	/* With others on the interrupt it will be refused, and they must not wait for that. */
	lone = line->action == PTIRQ_SHARED && !ptirq_others(line);
	if (unmaskable && lone) {
		ptirq_level_line(line, PTIRQ_WHY_ARRIVING, true);
		repaired = true;
	}
	for_each_set_bit(nr, &present, PTIRQ_UIO_MAX_DEVICES) {
		if (line->states[nr].level != PTIRQ_UIO_MASK_DEVICE)
			continue;
		pdev = ptirq_line_locked_dev(line, nr)->pdev;
		if (ptirq_intx_sample(pdev, &masked) != PTIRQ_UIO_STATUS_ASSERTED || masked)
			continue;
		ptirq_intx_mask_if_asserting(pdev);
		WRITE_ONCE(line->page->repaired, line->page->repaired + 1);
		repaired = true;
	}
	if (!repaired && lone)
		ptirq_level_rest(line);
	return repaired || lone;
}

/* Masks whoever asserts and returns. An interrupt of a line that is one unit is always ours. */
irqreturn_t ptirq_line_handler(int irq, void *data)
{
	struct ptirq_line *line = data;
	u64 now = ktime_get_ns();
	bool ours, repaired = false;
	unsigned long flags;
	u32 units;

	spin_lock_irqsave(&line->lock, flags);
	units = fired(line, now);
	ours = units || line->one_unit;
	WRITE_ONCE(line->page->calls, line->page->calls + 1);
	if (ours) {
		WRITE_ONCE(line->page->claimed, line->page->claimed + 1);
		line->unclaimed = 0;
	} else {
		repaired = repair(line);
	}
	spin_unlock_irqrestore(&line->lock, flags);

	if (units) {
		trace_fired(irq, units);
		ptirq_line_signal(line, units);
	}
	return ours || repaired ? IRQ_HANDLED : IRQ_NONE;
}

/* By request: a device by its own mask, whatever it was masked by before. */
void ptirq_line_mask_unit(struct ptirq_line *line, unsigned int nr)
{
	struct ptirq_dev *dev = ptirq_line_locked_dev(line, nr);
	struct ptirq_state *s = &line->states[nr];
	bool was_line = s->level == PTIRQ_UIO_MASK_LINE;

	if (nr == PTIRQ_LINE_UNIT) {
		ptirq_level_line(line, PTIRQ_WHY_UNIT, true);
		ptirq_state_masked(s, PTIRQ_UIO_MASK_LINE);
	} else {
		if (dev->pdev)
			ptirq_intx_mask(dev->pdev);
		ptirq_state_masked(s, PTIRQ_UIO_MASK_DEVICE);
		if (was_line)
			ptirq_level_line(line, PTIRQ_WHY_UNIT, false);
	}
	ptirq_page_publish(line, nr);
}

/* What asserts fires. */
static int unmask_line(struct ptirq_line *line, unsigned int nr)
{
	ptirq_state_freed(&line->states[nr]);
	ptirq_state_saw(&line->states[nr], ptirq_cpa_status(line));
	ptirq_page_publish(line, nr);
	ptirq_level_line(line, PTIRQ_WHY_UNIT, false);
	return 0;
}

/* A device of a line that is one unit, which fires or waits with all of it. */
static int unmask_part(struct ptirq_line *line, unsigned int nr)
{
	struct ptirq_dev *dev = ptirq_line_locked_dev(line, nr);

	ptirq_state_freed(&line->states[nr]);
	ptirq_page_publish(line, nr);
	if (dev->pdev)
		ptirq_intx_unmask(dev->pdev);
	return 0;
}

/* 1: the device asserts, is masked still, and is to be signalled under its new generation. */
static int unmask_device(struct ptirq_line *line, unsigned int nr)
{
	struct ptirq_state *s = &line->states[nr];
	enum ptirq_uio_status status;
	int ret = 0;

	status = ptirq_intx_unmask_if_clear(ptirq_line_locked_dev(line, nr)->pdev);
	if (status == PTIRQ_UIO_STATUS_UNKNOWN) {
		ptirq_state_masked(s, PTIRQ_UIO_MASK_DEVICE);
		ptirq_state_saw(s, status);
		ret = -ENODEV;
	} else if (ptirq_state_unmask_tried(s, status == PTIRQ_UIO_STATUS_CLEAR, ktime_get_ns())) {
		trace_deferred(line->irq, nr, s->generation, true);
		ret = 1;
	}
	ptirq_page_publish(line, nr);
	return ret;
}

static int unmask_unit(struct ptirq_line *line, unsigned int nr)
{
	switch (line->states[nr].level) {
	case PTIRQ_UIO_UNMASKED:
		break;
	case PTIRQ_UIO_MASK_LINE:
		ptirq_lease_end(line);
		return unmask_line(line, nr);
	case PTIRQ_UIO_MASK_DEVICE:
		if (line->action == PTIRQ_NO_ACTION)
			return -EIO; /* the interrupt was lost to somebody (ptirq_member.c) */
		return line->one_unit ? unmask_part(line, nr) : unmask_device(line, nr);
	}
	return 0;
}

/* Neither a shared nor an own unit is the holder's while a UIO program has it. */
static int uio_has(struct ptirq_line *line, unsigned int nr)
{
	struct ptirq_dev *dev;

	if (nr == PTIRQ_LINE_UNIT)
		nr = __ffs(line->present); /* UIO programs have it only if there is no other */
	dev = ptirq_line_locked_dev(line, nr);
	return READ_ONCE(dev->uio_opens) ? -EBUSY : 0;
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
	unsigned long flags;
	int ret;

	spin_lock_irqsave(&line->lock, flags);
	ret = check_unit(line, nr) ?: uio_has(line, nr);
	if (ret)
		goto unlock;
	ret = ptirq_state_ack(&line->states[nr], generation);
	if (ret) {
		trace_stale_ack(line->irq, nr, generation, line->states[nr].generation);
		ptirq_page_publish(line, nr);
		goto unlock;
	}
	trace_acked(line->irq, nr, generation, keep_masked);
	if (keep_masked)
		ptirq_line_mask_unit(line, nr);
	else
		ret = unmask_unit(line, nr);
unlock:
	spin_unlock_irqrestore(&line->lock, flags);
	return signalled(line, nr, ret);
}

/* Of the generations at hand, where one is due. Signals nobody: those that the caller is to. */
u32 ptirq_line_ack_current(struct ptirq_line *line, unsigned long units)
{
	struct ptirq_state *s;
	unsigned long flags;
	unsigned int nr;
	u32 again = 0;

	spin_lock_irqsave(&line->lock, flags);
	for_each_set_bit(nr, &units, PTIRQ_UIO_ENTRIES) {
		s = &line->states[nr];
		if (s->state != PTIRQ_UIO_DEFERRED || check_unit(line, nr) || uio_has(line, nr))
			continue;
		trace_acked(line->irq, nr, s->generation, false);
		ptirq_state_ack(s, s->generation);
		if (unmask_unit(line, nr) > 0)
			again |= BIT(nr);
	}
	spin_unlock_irqrestore(&line->lock, flags);
	return again;
}

/* Whether the number is a unit's, or that of a device behind a line that is one. */
static bool exists(struct ptirq_line *line, unsigned int nr)
{
	return check_unit(line, nr) != -ENODEV;
}

int ptirq_line_mask(struct ptirq_line *line, unsigned int nr)
{
	unsigned long flags;
	bool there;

	spin_lock_irqsave(&line->lock, flags);
	there = exists(line, nr);
	if (there)
		ptirq_line_mask_unit(line, nr);
	spin_unlock_irqrestore(&line->lock, flags);
	return there ? 0 : -ENODEV;
}

int ptirq_line_unmask(struct ptirq_line *line, unsigned int nr)
{
	unsigned long flags;
	int ret = -ENODEV;

	spin_lock_irqsave(&line->lock, flags);
	if (exists(line, nr))
		ret = unmask_unit(line, nr);
	spin_unlock_irqrestore(&line->lock, flags);
	return signalled(line, nr, ret);
}

/* Bits of the answer for one device. */
static void sample_device(struct ptirq_line *line, unsigned int nr, struct ptirq_uio_sample *ret)
{
	enum ptirq_uio_status status = PTIRQ_UIO_STATUS_UNKNOWN;
	struct ptirq_dev *dev = ptirq_line_locked_dev(line, nr);
	bool masked = false;

	if (!dev)
		return;
	if (dev->caps & PTIRQ_UIO_HAS_STATUS)
		status = ptirq_intx_sample(dev->pdev, &masked);
	ptirq_state_saw(&line->states[nr], status);
	ptirq_page_publish(line, nr);
	ret->devices |= BIT(nr);
	ret->asserting |= status == PTIRQ_UIO_STATUS_ASSERTED ? BIT(nr) : 0;
	ret->unknown |= status == PTIRQ_UIO_STATUS_UNKNOWN ? BIT(nr) : 0;
	ret->masked |= masked ? BIT(nr) : 0;
}

void ptirq_line_sample(struct ptirq_line *line, struct ptirq_uio_sample *ret)
{
	unsigned long flags;
	unsigned int nr;

	for (nr = 0; nr < PTIRQ_UIO_MAX_DEVICES; nr++) {
		spin_lock_irqsave(&line->lock, flags);
		sample_device(line, nr, ret);
		ret->line_masked = !!line->masked;
		spin_unlock_irqrestore(&line->lock, flags);
	}
}
