// SPDX-License-Identifier: GPL-2.0
/*
 * Which devices are on a line, and how the line is on its interrupt for that: with a shared action
 * if each device has a mask and a status bit of its own, else with an exclusive one, which nobody
 * can join and which comes up disabled.
 *
 * Owns the membership and the action. A change of the action, which has a moment without any,
 * ends what is deferred: afterwards everything is masked or waits behind the line's mask, as after
 * a bind, and the holder is told that the members have changed.
 */
#include <linux/interrupt.h>
#include <linux/irq.h>

#include "ptirq_intx.h"
#include "ptirq_line.h"
#include "ptirq_wire.h"

#define OWN_UNIT (PTIRQ_UIO_CAN_MASK | PTIRQ_UIO_HAS_STATUS)

struct ptirq_dev *ptirq_line_dev(struct ptirq_line *line, u32 nr)
{
	if (nr >= PTIRQ_UIO_MAX_DEVICES)
		return NULL;
	return rcu_dereference_protected(line->devs[nr], lockdep_is_held(&line->mutex));
}

bool ptirq_line_has(struct ptirq_line *line, struct ptirq_dev *dev)
{
	return ptirq_line_dev(line, dev->nr) == dev;
}

/* Which devices there are, or who has them. */
void ptirq_line_members_changed(struct ptirq_line *line)
{
	WRITE_ONCE(line->page->members, line->page->members + 1);
	wake_up_all(&line->wait);
}

static int take_irq(struct ptirq_line *line, enum ptirq_action action)
{
	bool exclusive = action == PTIRQ_EXCLUSIVE;
	unsigned long flags = IRQF_SHARED;
	int ret;

	if (action == PTIRQ_NO_ACTION)
		return 0;
	if (exclusive)
		flags = IRQF_NO_AUTOEN | IRQF_PROBE_SHARED; /* which keeps a failure quiet */
	ret = request_irq(line->irq, ptirq_line_handler, flags, line->name, line);
	if (ret)
		return ret;
	/* Masked when it is disabled, not at its next interrupt. */
	irq_set_status_flags(line->irq, IRQ_DISABLE_UNLAZY);
	spin_lock_irq(&line->lock);
	line->action = action;
	line->one_unit = exclusive;
	line->maskable = ptirq_wire_can_mask(line->irq);
	if (exclusive) {
		line->masked = PTIRQ_WHY_UNIT;
		ptirq_state_join(&line->states[PTIRQ_LINE_UNIT], PTIRQ_UIO_MASK_LINE);
		ptirq_page_publish(line, PTIRQ_LINE_UNIT);
	}
	spin_unlock_irq(&line->lock);
	return 0;
}

/*
 * Every device with a mask is masked by it, and the depth is given back: free_irq() would leave it
 * to those who stay. Returns who was not masked by request.
 */
static u32 drop_irq(struct ptirq_line *line)
{
	unsigned long present;
	unsigned int nr;
	u32 live = 0;

	if (line->action == PTIRQ_NO_ACTION)
		return 0;
	ptirq_cpa_stop(line);
	ptirq_lease_stop(line);
	spin_lock_irq(&line->lock);
	present = line->present;
	for_each_set_bit(nr, &present, PTIRQ_UIO_MAX_DEVICES) {
		live |= line->states[nr].state == PTIRQ_UIO_MASKED ? 0 : BIT(nr);
		ptirq_line_mask_unit(line, nr);
	}
	if (line->one_unit) {
		/* The handler claims whatever comes: a device that asserts would keep us in it. */
		ptirq_level_line(line, PTIRQ_WHY_UNIT, true);
		ptirq_state_leave(&line->states[PTIRQ_LINE_UNIT]);
		ptirq_page_publish(line, PTIRQ_LINE_UNIT);
	} else {
		ptirq_level_line(line, PTIRQ_WHY_ARRIVING | PTIRQ_WHY_STRAY, false);
	}
	line->action = PTIRQ_NO_ACTION;
	spin_unlock_irq(&line->lock);

	free_irq(line->irq, line);
	ptirq_level_stop(line);
	/* Of one unit we were the last: the next request begins with a new depth. */
	spin_lock_irq(&line->lock);
	line->masked = 0;
	line->one_unit = false;
	spin_unlock_irq(&line->lock);
	return live;
}

/* The line's mask is all that one unit needs: those that nobody has masked are let go. */
static void free_devices(struct ptirq_line *line, unsigned long devices)
{
	unsigned int nr;

	for_each_set_bit(nr, &devices, PTIRQ_UIO_MAX_DEVICES)
		ptirq_line_unmask(line, nr);
}

static enum ptirq_action action_for(struct ptirq_line *line, const struct ptirq_dev *joining)
{
	bool own_units = !joining || (joining->caps & OWN_UNIT) == OWN_UNIT;
	unsigned long present = line->present;
	unsigned int nr;

	if (!present && !joining)
		return PTIRQ_NO_ACTION;
	for_each_set_bit(nr, &present, PTIRQ_UIO_MAX_DEVICES)
		own_units &= (ptirq_line_dev(line, nr)->caps & OWN_UNIT) == OWN_UNIT;
	return own_units ? PTIRQ_SHARED : PTIRQ_EXCLUSIVE;
}

static int busy(struct ptirq_line *line, struct ptirq_dev *joining)
{
	char names[96];

	ptirq_others_name(line, names, sizeof(names));
	dev_err(joining->dev,
		"has no mask of its own, and irq %d is shared with %s: bind all that is on it here\n",
		line->irq, names);
	return -EBUSY;
}

/* The present action is kept where the new one is refused; joining is NULL when a device leaves. */
static int set_action(struct ptirq_line *line, struct ptirq_dev *joining)
{
	enum ptirq_action from = line->action, to = action_for(line, joining);
	bool exclusive = to == PTIRQ_EXCLUSIVE;
	u32 live;
	int ret;

	if (from == to)
		return 0;
	if (exclusive && from == PTIRQ_SHARED && ptirq_others(line))
		return busy(line, joining);
	live = drop_irq(line);
	ret = take_irq(line, to);
	if (!ret) {
		free_devices(line, exclusive ? (line->held ? live : line->present) : 0);
		return 0;
	}
	if (exclusive && ret == -EBUSY && joining)
		busy(line, joining);
	if (from == PTIRQ_NO_ACTION)
		return ret;
	if (joining && !take_irq(line, from))
		free_devices(line, live);
	else
		dev_err(&line->dev, "irq %d was taken by somebody else (%pe): bind again\n",
			line->irq, ERR_PTR(ret));
	return ret;
}

static bool any_uio(struct ptirq_line *line)
{
	unsigned long present = line->present;
	unsigned int nr;

	for_each_set_bit(nr, &present, PTIRQ_UIO_MAX_DEVICES) {
		if (ptirq_line_dev(line, nr)->uio_opens)
			return true;
	}
	return false;
}

/* A line that is one unit has no mask but the interrupt controller's. */
static int check_controller(struct ptirq_line *line, struct ptirq_dev *dev)
{
	const char *why = NULL;

	if (ptirq_wire_sleeps(line->irq))
		why = "sleeps";
	else if (action_for(line, dev) == PTIRQ_EXCLUSIVE && !ptirq_wire_can_mask(line->irq))
		why = "cannot mask it";
	if (!why)
		return 0;
	dev_err(dev->dev, "the interrupt controller of irq %d %s\n", line->irq, why);
	return -EOPNOTSUPP;
}

/* The device is masked; so it stays until the one who holds it, or opens it, unmasks it. */
int ptirq_line_join(struct ptirq_line *line, struct ptirq_dev *dev)
{
	unsigned int nr;
	int ret = -ENOSPC;

	mutex_lock(&line->mutex);
	nr = ffz(line->present);
	if (nr >= PTIRQ_UIO_MAX_DEVICES)
		goto unlock;
	ret = check_controller(line, dev);
	if (ret)
		goto unlock;
	/* A UIO program has a device, or a line that is one device; it could not share that. */
	ret = -EBUSY;
	if (action_for(line, dev) == PTIRQ_EXCLUSIVE && any_uio(line)) {
		dev_err(dev->dev, "a UIO program has a device of irq %d open\n", line->irq);
		goto unlock;
	}
	ret = set_action(line, dev);
	if (ret)
		goto unlock;

	ptirq_pci_joins(dev);
	spin_lock_irq(&line->lock);
	dev->nr = nr;
	/* Whoever was alone on the line is so no more. */
	if (is_power_of_2(line->present) &&
	    line->states[__ffs(line->present)].level == PTIRQ_UIO_MASK_LINE)
		ptirq_level_to_device(line, __ffs(line->present));
	rcu_assign_pointer(line->devs[nr], dev);
	line->present |= BIT(nr);
	ptirq_state_join(&line->states[nr], PTIRQ_UIO_MASK_DEVICE);
	ptirq_page_publish(line, nr);
	spin_unlock_irq(&line->lock);
	if (line->one_unit)
		free_devices(line, BIT(nr));
	ptirq_line_members_changed(line);
unlock:
	mutex_unlock(&line->mutex);
	return ret;
}

/* On return nobody signals through the device any more. It is left masked. */
void ptirq_line_leave(struct ptirq_line *line, struct ptirq_dev *dev)
{
	struct ptirq_signals *signals = &dev->signals;

	mutex_lock(&line->mutex);
	spin_lock_irq(&line->lock);
	ptirq_line_mask_unit(line, dev->nr);
	ptirq_state_leave(&line->states[dev->nr]);
	ptirq_page_publish(line, dev->nr);
	RCU_INIT_POINTER(line->devs[dev->nr], NULL);
	line->present &= ~BIT(dev->nr);
	spin_unlock_irq(&line->lock);
	set_action(line, NULL);
	ptirq_line_members_changed(line);
	ptirq_signals_drop(line, &signals, 1);
	mutex_unlock(&line->mutex);
}
