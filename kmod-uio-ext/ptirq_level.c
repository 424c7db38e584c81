// SPDX-License-Identifier: GPL-2.0
/*
 * Where an interrupt is masked: at the interrupt controller or at the device.
 *
 * Owns the line's disable depth, of which we hold one or none, and the deadline that moves a mask
 * from the line to the device when somebody else has come meanwhile.
 */
#include <linux/interrupt.h>
#include <linux/moduleparam.h>

#include "ptirq_compat.h"
#include "ptirq_intx.h"
#include "ptirq_line.h"

static unsigned int deadline_us = 10000;
module_param(deadline_us, uint, 0644);
MODULE_PARM_DESC(deadline_us,
		 "until the mask of a line that is shared meanwhile is moved (default 10000)");

/* The only place where the depth changes. */
void ptirq_level_line(struct ptirq_line *line, enum ptirq_why why, bool masked)
{
	u8 was = line->masked;

	lockdep_assert_held(&line->lock);
	line->masked = masked ? was | why : was & ~why;
	if (!was && line->masked)
		disable_irq_nosync(line->irq);
	else if (was && !line->masked)
		enable_irq(line->irq);
}

/*
 * The device that an interrupt of the line must be, if one only can be; else PTIRQ_LINE_UNIT, which
 * is no device. While one is being bound it can be that one as well.
 */
unsigned int ptirq_level_alone(struct ptirq_line *line)
{
	if (!is_power_of_2(line->present) || line->mode == PTIRQ_UIO_MODE_DEVICE || !line->maskable)
		return PTIRQ_LINE_UNIT;
	if (ptirq_pci_is_arriving() || ptirq_others(line))
		return PTIRQ_LINE_UNIT;
	return __ffs(line->present);
}

static void tick(struct ptirq_line *line)
{
	line->ticking = true;
	hrtimer_start(&line->deadline, ns_to_ktime(line->deadline_ns), HRTIMER_MODE_REL_SOFT);
}

/*
 * Masks the line for the device that is alone on it. Whoever comes later is not announced, so the
 * deadline looks for him, again and again for as long as the line is masked. A timer that is
 * running already looks early enough, so one is started once a deadline at most, not once an
 * interrupt.
 */
void ptirq_level_defer(struct ptirq_line *line)
{
	ptirq_level_line(line, PTIRQ_WHY_UNIT, true);
	if (!line->ticking)
		tick(line);
}

/*
 * A device that no driver has asserts, and nobody is there to make it stop. Until the next deadline
 * the machine has other things to do.
 */
void ptirq_level_rest(struct ptirq_line *line)
{
	if (!line->page->rests)
		pr_warn("%s: interrupt %d is asserted by a device that no driver has\n", line->name,
			line->irq);
	WRITE_ONCE(line->page->rests, line->page->rests + 1);
	ptirq_level_line(line, PTIRQ_WHY_STRAY, true);
	if (!line->ticking)
		tick(line);
}

/* The device's own mask in place of the line's. */
void ptirq_level_to_device(struct ptirq_line *line, unsigned int nr)
{
	ptirq_intx_mask(ptirq_line_locked_dev(line, nr)->pdev);
	ptirq_state_moved(&line->states[nr], PTIRQ_UIO_MASK_DEVICE);
	WRITE_ONCE(line->page->conversions, line->page->conversions + 1);
	ptirq_page_publish(line, nr);
	ptirq_level_line(line, PTIRQ_WHY_UNIT, false);
}

/* DisINTx as the page says: after a reset or a resume that did not. */
void ptirq_level_restore(struct ptirq_line *line, struct ptirq_dev *dev)
{
	unsigned long flags;

	spin_lock_irqsave(&line->lock, flags);
	if (line->states[dev->nr].level == PTIRQ_UIO_MASK_DEVICE)
		ptirq_intx_mask(dev->pdev);
	else
		ptirq_intx_unmask(dev->pdev);
	spin_unlock_irqrestore(&line->lock, flags);
}

static enum hrtimer_restart look(struct hrtimer *timer)
{
	struct ptirq_line *line = container_of(timer, struct ptirq_line, deadline);
	unsigned long flags;
	unsigned int nr;

	spin_lock_irqsave(&line->lock, flags);
	line->ticking = false;
	ptirq_level_line(line, PTIRQ_WHY_STRAY, false);
	nr = line->present ? __ffs(line->present) : PTIRQ_LINE_UNIT;
	if (line->states[nr].level == PTIRQ_UIO_MASK_LINE && nr != PTIRQ_LINE_UNIT) {
		if (ptirq_others(line))
			ptirq_level_to_device(line, nr);
		else
			tick(line);
	}
	spin_unlock_irqrestore(&line->lock, flags);
	return HRTIMER_NORESTART;
}

/* 0: the module's own. */
void ptirq_level_set_deadline(struct ptirq_line *line, u64 deadline_ns)
{
	if (!deadline_ns)
		deadline_ns = clamp_t(u64, (u64)READ_ONCE(deadline_us) * NSEC_PER_USEC,
				      PTIRQ_UIO_DEADLINE_MIN_NS, PTIRQ_UIO_DEADLINE_MAX_NS);
	line->deadline_ns = deadline_ns;
	/* Sooner, never later: it is asked for by the one who keeps the others waiting. */
	if (line->ticking && ktime_to_ns(hrtimer_get_remaining(&line->deadline)) > (s64)deadline_ns)
		tick(line);
}

void ptirq_level_init(struct ptirq_line *line)
{
	ptirq_hrtimer_setup(&line->deadline, look, CLOCK_MONOTONIC, HRTIMER_MODE_REL_SOFT);
	ptirq_level_set_deadline(line, 0);
}

/* Nothing is masked at the line any more, and nothing will be. */
void ptirq_level_stop(struct ptirq_line *line)
{
	hrtimer_cancel(&line->deadline);
	spin_lock_irq(&line->lock);
	line->ticking = false;
	spin_unlock_irq(&line->lock);
}
