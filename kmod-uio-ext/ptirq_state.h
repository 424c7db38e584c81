/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What one device's mask and generation are, and what may happen to them. Pure: knows no hardware,
 * no lock and no clock; the caller serialises, does to the device what the state says, and reports.
 */
#ifndef PTIRQ_STATE_H
#define PTIRQ_STATE_H

#include <linux/types.h>

#include "ptirq_uio_abi.h"

struct ptirq_state {
	enum ptirq_uio_state state;
	enum ptirq_uio_status status;
	u64 generation;
	u64 fired_at;
	u64 interrupts;
	u64 again;
	u64 acks;
	u64 stale_acks;
};

/* What reading the device's status bit has told. */
void ptirq_state_saw(struct ptirq_state *s, enum ptirq_uio_status status);

/* A device comes, masked, and goes. */
void ptirq_state_join(struct ptirq_state *s);
void ptirq_state_leave(struct ptirq_state *s);

/*
 * Whether an interrupt of the line can be this device's. A masked device shows its status bit too,
 * but it cannot have fired: it must not be asked.
 */
bool ptirq_state_can_fire(const struct ptirq_state *s);

/* The handler found the device asserting and has masked it. */
void ptirq_state_fired(struct ptirq_state *s, u64 now);

/* Masked by request: idempotent, and ends a deferral. */
void ptirq_state_masked(struct ptirq_state *s);

/* 0, or -ESTALE if no acknowledgment is due for this generation. Counts. */
int ptirq_state_ack(struct ptirq_state *s, u64 generation);

/* Whether an unmask has anything to do. */
bool ptirq_state_is_masked(const struct ptirq_state *s);

/*
 * An unmask was tried: clear, it is unmasked; asserting, it is masked still. Returns true if that
 * is a new generation to be signalled.
 */
bool ptirq_state_unmask_tried(struct ptirq_state *s, bool clear, u64 now);

#endif
