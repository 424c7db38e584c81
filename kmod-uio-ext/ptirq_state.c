// SPDX-License-Identifier: GPL-2.0
/*
 * The masking decisions of one unit (ptirq_state.h). Every change of the state goes through
 * set_state() and its table.
 */
#include <linux/bits.h>
#include <linux/bug.h>
#include <linux/errno.h>

#include "ptirq_state.h"

static const u8 allowed[] = {
	[PTIRQ_UIO_ABSENT] = BIT(PTIRQ_UIO_MASKED),
	[PTIRQ_UIO_IDLE] = BIT(PTIRQ_UIO_DEFERRED) | BIT(PTIRQ_UIO_MASKED) | BIT(PTIRQ_UIO_ABSENT),
	[PTIRQ_UIO_DEFERRED] = BIT(PTIRQ_UIO_IDLE) | BIT(PTIRQ_UIO_DEFERRED) |
			       BIT(PTIRQ_UIO_MASKED) | BIT(PTIRQ_UIO_ABSENT),
	[PTIRQ_UIO_MASKED] = BIT(PTIRQ_UIO_IDLE) | BIT(PTIRQ_UIO_DEFERRED) | BIT(PTIRQ_UIO_MASKED) |
			     BIT(PTIRQ_UIO_ABSENT),
};

static void set_state(struct ptirq_state *s, enum ptirq_uio_state to,
		      enum ptirq_uio_mask_level level)
{
	bool masked = to == PTIRQ_UIO_DEFERRED || to == PTIRQ_UIO_MASKED;

	WARN_ON_ONCE(!(allowed[s->state] & BIT(to)));
	WARN_ON_ONCE(masked != (level != PTIRQ_UIO_UNMASKED));
	s->state = to;
	s->level = level;
}

/* One more deferral, under a generation of its own. */
static void defer(struct ptirq_state *s, enum ptirq_uio_mask_level level, u64 now)
{
	set_state(s, PTIRQ_UIO_DEFERRED, level);
	s->status = PTIRQ_UIO_STATUS_ASSERTED;
	s->generation++;
	s->fired_at = now;
}

void ptirq_state_saw(struct ptirq_state *s, enum ptirq_uio_status status)
{
	s->status = status;
}

/* The generation goes on: an ack meant for the device that was here before is stale. */
void ptirq_state_join(struct ptirq_state *s, enum ptirq_uio_mask_level level)
{
	u64 generation = s->generation;

	WARN_ON_ONCE(s->state != PTIRQ_UIO_ABSENT);
	*s = (struct ptirq_state){ .generation = generation + 1 };
	set_state(s, PTIRQ_UIO_MASKED, level);
}

void ptirq_state_leave(struct ptirq_state *s)
{
	set_state(s, PTIRQ_UIO_ABSENT, PTIRQ_UIO_UNMASKED);
	s->status = PTIRQ_UIO_STATUS_UNKNOWN;
}

bool ptirq_state_can_fire(const struct ptirq_state *s)
{
	return s->state == PTIRQ_UIO_IDLE;
}

void ptirq_state_fired(struct ptirq_state *s, enum ptirq_uio_mask_level level, u64 now)
{
	defer(s, level, now);
	s->interrupts++;
}

void ptirq_state_changed(struct ptirq_state *s, enum ptirq_uio_status status, u64 now)
{
	WARN_ON_ONCE(s->state != PTIRQ_UIO_IDLE);
	s->status = status;
	s->generation++;
	s->fired_at = now;
	s->interrupts++;
}

void ptirq_state_masked(struct ptirq_state *s, enum ptirq_uio_mask_level level)
{
	set_state(s, PTIRQ_UIO_MASKED, level);
}

void ptirq_state_moved(struct ptirq_state *s, enum ptirq_uio_mask_level level)
{
	set_state(s, s->state, level);
}

int ptirq_state_ack(struct ptirq_state *s, u64 generation)
{
	if (s->state != PTIRQ_UIO_DEFERRED || s->generation != generation) {
		s->stale_acks++;
		return -ESTALE;
	}
	s->acks++;
	return 0;
}

bool ptirq_state_is_masked(const struct ptirq_state *s)
{
	return s->level != PTIRQ_UIO_UNMASKED;
}

bool ptirq_state_unmask_tried(struct ptirq_state *s, bool clear, u64 now)
{
	if (clear) {
		set_state(s, PTIRQ_UIO_IDLE, PTIRQ_UIO_UNMASKED);
		s->status = PTIRQ_UIO_STATUS_CLEAR;
		return false;
	}
	defer(s, s->level, now);
	s->again++;
	return true;
}

void ptirq_state_freed(struct ptirq_state *s)
{
	set_state(s, PTIRQ_UIO_IDLE, PTIRQ_UIO_UNMASKED);
	s->status = PTIRQ_UIO_STATUS_UNKNOWN;
}
