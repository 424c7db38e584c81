// SPDX-License-Identifier: GPL-2.0
/*
 * What the interrupt controller tells of a wire, and its polarity (ptirq_wire.h).
 *
 * Must not know lines: it is asked about a number of /proc/interrupts.
 */
#include <linux/interrupt.h>
#include <linux/irq.h>

#include "ptirq_wire.h"

u32 ptirq_wire_type(int irq)
{
	struct irq_data *data = irq_get_irq_data(irq);
	u32 type;

	if (!data)
		return 0;
	type = irqd_get_trigger_type(data);
	if (type == IRQ_TYPE_LEVEL_HIGH || type == IRQ_TYPE_LEVEL_LOW)
		return type;
	/* The IO-APIC keeps the polarity of a PCI interrupt to itself. */
	return type == IRQ_TYPE_NONE && irqd_is_level_type(data) ? IRQ_TYPE_LEVEL_MASK : 0;
}

enum ptirq_uio_status ptirq_wire_status(int irq, u32 type)
{
	bool high;

	if (type != IRQ_TYPE_LEVEL_HIGH && type != IRQ_TYPE_LEVEL_LOW)
		return PTIRQ_UIO_STATUS_UNKNOWN;
	if (irq_get_irqchip_state(irq, IRQCHIP_STATE_LINE_LEVEL, &high))
		return PTIRQ_UIO_STATUS_UNKNOWN;
	return high == (type == IRQ_TYPE_LEVEL_HIGH) ? PTIRQ_UIO_STATUS_ASSERTED :
						       PTIRQ_UIO_STATUS_CLEAR;
}

/* The kernel's own stand-in has functions for it that do nothing. */
bool ptirq_wire_can_mask(int irq)
{
	struct irq_chip *chip = irq_get_chip(irq);

	return chip && chip != &dummy_irq_chip && (chip->irq_mask || chip->irq_disable);
}

bool ptirq_wire_sleeps(int irq)
{
	struct irq_chip *chip = irq_get_chip(irq);

	return chip && chip->irq_bus_lock;
}

/*
 * A controller behind a slow bus (irq_bus_lock) sleeps. One without irq_set_type() has no choice of
 * polarity, but irq_set_irq_type() returns 0 for it.
 */
bool ptirq_wire_may_invert(int irq)
{
	struct irq_chip *chip = irq_get_chip(irq);
	u32 type = ptirq_wire_type(irq);

	return (type == IRQ_TYPE_LEVEL_HIGH || type == IRQ_TYPE_LEVEL_LOW) && chip &&
	       chip->irq_set_type && !ptirq_wire_sleeps(irq);
}

int ptirq_wire_set_type(int irq, u32 type)
{
	int ret = irq_set_irq_type(irq, type);

	if (ret)
		return ret;
	return ptirq_wire_type(irq) == type ? 0 : -EOPNOTSUPP;
}
