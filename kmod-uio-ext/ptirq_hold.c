// SPDX-License-Identifier: GPL-2.0
/*
 * The holder of a line: what is his, what he asks for the line as a whole, and what becomes of it
 * when he is gone.
 *
 * Owns what lasts from a line's open to its close: mode, deadline, lease. All needs line->mutex.
 */
#include <linux/pci.h>

#include "ptirq_intx.h"
#include "ptirq_line.h"

/* What a device's interrupts are masked and acknowledged by. */
unsigned int ptirq_line_unit(struct ptirq_line *line, struct ptirq_dev *dev)
{
	return line->one_unit ? PTIRQ_LINE_UNIT : dev->nr;
}

/* Whether the unit is the line's holder's: 0, -ENODEV, or -EBUSY if a UIO program has it. */
int ptirq_line_check_held(struct ptirq_line *line, unsigned int nr)
{
	unsigned long devices = nr < PTIRQ_UIO_MAX_DEVICES ? BIT(nr) & line->present : 0;

	if (nr == PTIRQ_LINE_UNIT && line->one_unit)
		devices = line->present;
	if (!devices)
		return -ENODEV;
	for_each_set_bit(nr, &devices, PTIRQ_UIO_MAX_DEVICES) {
		if (ptirq_line_dev(line, nr)->uio_opens)
			return -EBUSY;
	}
	return 0;
}

/* All that is the holder's: the line if it is one unit, else the devices. */
void ptirq_line_mask_held(struct ptirq_line *line)
{
	unsigned int nr;

	for (nr = line->one_unit ? PTIRQ_LINE_UNIT : 0; nr < PTIRQ_UIO_ENTRIES; nr++) {
		if (!ptirq_line_check_held(line, nr))
			ptirq_line_mask(line, nr);
	}
}

void ptirq_line_unmask_held(struct ptirq_line *line)
{
	unsigned int nr;

	for (nr = line->one_unit ? PTIRQ_LINE_UNIT : 0; nr < PTIRQ_UIO_ENTRIES; nr++) {
		if (!ptirq_line_check_held(line, nr))
			ptirq_line_unmask(line, nr);
	}
}

/* What asserts, or may: a device without a status bit does if the line has fired. */
static bool asserts(struct ptirq_line *line, struct ptirq_dev *dev)
{
	bool masked;

	if (dev->caps & PTIRQ_UIO_HAS_STATUS)
		return ptirq_intx_sample(dev->pdev, &masked) == PTIRQ_UIO_STATUS_ASSERTED;
	return line->states[PTIRQ_LINE_UNIT].state == PTIRQ_UIO_DEFERRED;
}

static void stop_dma(struct ptirq_line *line)
{
	unsigned long present = line->present;
	struct ptirq_dev *dev;
	unsigned int nr;

	for_each_set_bit(nr, &present, PTIRQ_UIO_MAX_DEVICES) {
		dev = ptirq_line_locked_dev(line, nr);
		if (dev->pdev && !dev->uio_opens && asserts(line, dev))
			pci_clear_master(dev->pdev);
	}
}

static void begin_lease(struct ptirq_line *line)
{
	spin_lock_irq(&line->lock);
	if (line->one_unit)
		ptirq_lease_begin(line);
	spin_unlock_irq(&line->lock);
}

void ptirq_line_hold(struct ptirq_line *line)
{
	line->held = true;
	spin_lock_irq(&line->lock);
	ptirq_lease_end(line);
	spin_unlock_irq(&line->lock);
}

/*
 * Nobody holds it now, however that came: each device by its own mask, so that the others on the
 * line have it; one unit as a line, on which there are no others.
 */
void ptirq_line_let_go(struct ptirq_line *line)
{
	unsigned long present = line->present;
	unsigned int nr;

	spin_lock_irq(&line->lock);
	if (line->mode_flags & PTIRQ_UIO_MODE_STOP_DMA)
		stop_dma(line);
	spin_unlock_irq(&line->lock);
	ptirq_line_mask_held(line);
	ptirq_cpa_stop(line);
	if (line->one_unit && !ptirq_line_check_held(line, PTIRQ_LINE_UNIT)) {
		/* What he had masked by itself is behind the line's mask again. */
		for_each_set_bit(nr, &present, PTIRQ_UIO_MAX_DEVICES)
			ptirq_line_unmask(line, nr);
		begin_lease(line);
	}
	ptirq_line_set_mode(line, PTIRQ_UIO_MODE_ADAPTIVE, 0);
	spin_lock_irq(&line->lock);
	ptirq_level_set_deadline(line, 0);
	ptirq_lease_set(line, 0);
	spin_unlock_irq(&line->lock);
	line->held = false;
}

/*
 * A UIO program's last close. If somebody holds the line, the device is his. As with
 * uio_pci_generic it masters the bus no more: the memory that it was told to write to may be
 * anybody's by now.
 */
void ptirq_line_abandon(struct ptirq_line *line, struct ptirq_dev *dev)
{
	ptirq_line_mask(line, ptirq_line_unit(line, dev));
	if (dev->pdev) {
		spin_lock_irq(&line->lock);
		pci_clear_master(dev->pdev);
		spin_unlock_irq(&line->lock);
	}
	if (!line->held)
		begin_lease(line);
}

static int start_cpa(struct ptirq_line *line)
{
	if (!line->one_unit)
		return -EOPNOTSUPP;
	return ptirq_line_check_held(line, PTIRQ_LINE_UNIT) ?: ptirq_cpa_start(line);
}

/* Ends what is deferred: it would have to be acknowledged as it was masked. */
int ptirq_line_set_mode(struct ptirq_line *line, u32 mode, u32 flags)
{
	int ret;

	if (mode > PTIRQ_UIO_MODE_CPA)
		return -EINVAL;
	if (mode == PTIRQ_UIO_MODE_DEVICE && line->one_unit)
		return -EOPNOTSUPP;
	if (mode == PTIRQ_UIO_MODE_CPA) {
		ret = start_cpa(line);
		if (ret)
			return ret;
	} else {
		ptirq_line_mask_held(line);
		ptirq_cpa_stop(line);
	}
	spin_lock_irq(&line->lock);
	line->mode = mode;
	line->mode_flags = flags;
	spin_unlock_irq(&line->lock);
	return 0;
}

int ptirq_line_set_deadline(struct ptirq_line *line, u64 deadline_ns, u64 lease_ns)
{
	if (deadline_ns &&
	    (deadline_ns < PTIRQ_UIO_DEADLINE_MIN_NS || deadline_ns > PTIRQ_UIO_DEADLINE_MAX_NS))
		return -EINVAL;
	if (lease_ns > PTIRQ_UIO_LEASE_MAX_NS)
		return -EINVAL;
	spin_lock_irq(&line->lock);
	if (deadline_ns)
		ptirq_level_set_deadline(line, deadline_ns);
	if (lease_ns)
		ptirq_lease_set(line, lease_ns);
	spin_unlock_irq(&line->lock);
	return 0;
}
