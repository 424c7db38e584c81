/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A wire as its interrupt controller knows it: trigger type, level, polarity. Needs no lock, keeps
 * no state.
 */
#ifndef PTIRQ_WIRE_H
#define PTIRQ_WIRE_H

#include <linux/types.h>

#include "ptirq_uio_abi.h"

/*
 * The IRQ_TYPE_LEVEL_* with which the interrupt asserts; IRQ_TYPE_LEVEL_MASK if that is a level of
 * which the kernel does not know the polarity (PCI on x86); 0 if it is not level-triggered.
 */
u32 ptirq_wire_type(int irq);

/*
 * Whether the wire is asserted, where the controller tells its level (IRQCHIP_STATE_LINE_LEVEL),
 * else UNKNOWN. The type is that of the assertion, whatever the polarity in effect. May sleep.
 */
enum ptirq_uio_status ptirq_wire_status(int irq, u32 type);

/*
 * Whether the controller masks the interrupt when it is disabled. That of many a PCI host bridge
 * has nothing to mask INTx with: a wire that asserts would keep its processor busy for ever.
 */
bool ptirq_wire_can_mask(int irq);

/* Whether it masks and unmasks behind a bus that sleeps: not from a handler, nor under a lock. */
bool ptirq_wire_sleeps(int irq);

/* Whether it is worth trying to invert the polarity, and from within the handler. */
bool ptirq_wire_may_invert(int irq);

/*
 * Sets one of IRQ_TYPE_LEVEL_HIGH and _LOW, in any context if ptirq_wire_may_invert(). What the
 * controller says, or -EOPNOTSUPP if it ignored it. It may still lie.
 */
int ptirq_wire_set_type(int irq, u32 type);

#endif
