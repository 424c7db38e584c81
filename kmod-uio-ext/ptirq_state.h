/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the mask and the generation of one unit are, and what may happen to them. A unit is a device
 * that can be masked by itself, or else its line. Pure: knows no hardware, no lock and no clock;
 * the caller serialises, does to the hardware what the state says, and reports.
 */
#ifndef PTIRQ_STATE_H
#define PTIRQ_STATE_H

#include <linux/types.h>

#include "ptirq_uio_abi.h"

struct ptirq_state {
	enum ptirq_uio_state state;
	enum ptirq_uio_mask_level level; /* UNMASKED exactly in ABSENT and IDLE */
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

/* A unit comes, masked at that level, and goes. */
void ptirq_state_join(struct ptirq_state *s, enum ptirq_uio_mask_level level);
void ptirq_state_leave(struct ptirq_state *s);

/*
 * Whether an interrupt of the line can be this device's. A masked device shows its status bit too,
 * but it cannot have fired: it must not be asked.
 */
bool ptirq_state_can_fire(const struct ptirq_state *s);

/* The handler found it asserting and has masked it. */
void ptirq_state_fired(struct ptirq_state *s, enum ptirq_uio_mask_level level, u64 now);

/* Not masked, and told that it has changed: a generation that nobody acknowledges. */
void ptirq_state_changed(struct ptirq_state *s, enum ptirq_uio_status status, u64 now);

/* Masked by request: idempotent, and ends a deferral. */
void ptirq_state_masked(struct ptirq_state *s, enum ptirq_uio_mask_level level);

/* What is masked already is so at another level now. */
void ptirq_state_moved(struct ptirq_state *s, enum ptirq_uio_mask_level level);

/* 0, or -ESTALE if no acknowledgment is due for this generation. Counts. */
int ptirq_state_ack(struct ptirq_state *s, u64 generation);

/* Whether an unmask has anything to do. */
bool ptirq_state_is_masked(const struct ptirq_state *s);

/*
 * An unmask was tried: clear, it is unmasked; asserting, it is masked still. Returns true if that
 * is a new generation to be signalled.
 */
bool ptirq_state_unmask_tried(struct ptirq_state *s, bool clear, u64 now);

/* Unmasked without a look: if it asserts, its interrupt comes. */
void ptirq_state_freed(struct ptirq_state *s);

#endif
