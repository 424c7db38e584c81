// SPDX-License-Identifier: GPL-2.0
/*
 * Mode cpa (ptirq_cpa.h): both the assertion and its end are interrupts, and nothing is masked.
 *
 * There is no race between the wire and the inversion, as the interrupt is level-triggered: a wire
 * that has changed meanwhile is at the level that is waited for, and fires at once. So is a pulse
 * that was over before the handler looked: it is told as an assertion and its end.
 *
 * Owns the line's polarity, which is the wire's own unless the phase is ON or PROVING.
 */
#include <linux/interrupt.h>
#include <linux/iopoll.h>
#include <linux/irq.h>
#include <linux/moduleparam.h>

#include "ptirq_line.h"
#include "ptirq_trace.h"
#include "ptirq_wire.h"

#define PROOF_US 10000 /* a wire that is at the level waited for fires within microseconds */
#define PROOFS 4

#define BURST_NS (10 * NSEC_PER_MSEC)

static unsigned int cpa_burst = 1000;
module_param(cpa_burst, uint, 0644);
MODULE_PARM_DESC(cpa_burst, "changes of a wire in 10 ms that end its mode cpa (default 1000)");

static u32 polarity(struct ptirq_line *line, bool inverted)
{
	return inverted ? line->type ^ IRQ_TYPE_LEVEL_MASK : line->type;
}

static int set_inverted(struct ptirq_line *line, bool inverted)
{
	lockdep_assert_held(&line->lock);
	line->cpa.inverted = inverted;
	return ptirq_wire_set_type(line->irq, polarity(line, inverted));
}

bool ptirq_cpa_is_possible(struct ptirq_line *line)
{
	return line->one_unit && !READ_ONCE(line->cpa.refused) && ptirq_wire_may_invert(line->irq);
}

/*
 * The line must be masked. Back to what the wire needs; a controller that took the other polarity
 * takes this one.
 */
static void restore(struct ptirq_line *line)
{
	int ret = set_inverted(line, false);

	if (ret)
		pr_err("%s: the polarity of interrupt %d cannot be restored: %d\n", line->name,
		       line->irq, ret);
	line->cpa.phase = PTIRQ_CPA_OFF;
}

enum ptirq_uio_status ptirq_cpa_status(struct ptirq_line *line)
{
	if (READ_ONCE(line->cpa.phase) != PTIRQ_CPA_ON)
		return PTIRQ_UIO_STATUS_UNKNOWN;
	return READ_ONCE(line->cpa.inverted) ? PTIRQ_UIO_STATUS_ASSERTED : PTIRQ_UIO_STATUS_CLEAR;
}

/* Nobody can follow a wire that flutters like this: it had better be masked. */
static bool is_burst(struct ptirq_cpa *cpa, u64 now)
{
	if (now - cpa->burst_began > BURST_NS) {
		cpa->burst_began = now;
		cpa->burst = 0;
	}
	return ++cpa->burst > READ_ONCE(cpa_burst);
}

/* No more of this: an ordinary deferral, in the ordinary mode. */
static void give_up(struct ptirq_line *line, u64 now)
{
	struct ptirq_state *s = &line->states[PTIRQ_LINE_UNIT];

	pr_warn_ratelimited("%s: interrupt %d changes too fast for mode cpa, masked\n", line->name,
			    line->irq);
	ptirq_level_line(line, PTIRQ_WHY_UNIT, true);
	restore(line);
	ptirq_state_fired(s, PTIRQ_UIO_MASK_LINE, now);
	trace_deferred(line->irq, PTIRQ_LINE_UNIT, s->generation, false);
}

u32 ptirq_cpa_fired(struct ptirq_line *line, u64 now)
{
	struct ptirq_state *s = &line->states[PTIRQ_LINE_UNIT];
	struct ptirq_cpa *cpa = &line->cpa;
	enum ptirq_uio_status status;

	if (cpa->phase == PTIRQ_CPA_PROVING) {
		cpa->fired = true;
		ptirq_level_line(line, PTIRQ_WHY_UNIT, true);
		return 0;
	}
	if (!ptirq_state_can_fire(s))
		return 0; /* masked since it was raised */
	status = cpa->inverted ? PTIRQ_UIO_STATUS_CLEAR : PTIRQ_UIO_STATUS_ASSERTED;
	if (is_burst(cpa, now) || set_inverted(line, !cpa->inverted)) {
		give_up(line, now);
	} else {
		ptirq_state_changed(s, status, now);
		trace_wire(line->irq, s->generation, status == PTIRQ_UIO_STATUS_ASSERTED);
	}
	ptirq_page_publish(line, PTIRQ_LINE_UNIT);
	return BIT(PTIRQ_LINE_UNIT);
}

/* Whether the wire fires under this polarity: 0, 1, or an error. The line is masked on return. */
static int fires(struct ptirq_line *line, bool inverted)
{
	struct ptirq_cpa *cpa = &line->cpa;
	bool fired;
	int ret;

	spin_lock_irq(&line->lock);
	ret = set_inverted(line, inverted);
	cpa->fired = false;
	if (!ret)
		ptirq_level_line(line, PTIRQ_WHY_UNIT, false);
	spin_unlock_irq(&line->lock);
	if (ret)
		return ret;
	read_poll_timeout(READ_ONCE, fired, fired, 100, PROOF_US, false, cpa->fired);
	spin_lock_irq(&line->lock);
	ptirq_level_line(line, PTIRQ_WHY_UNIT, true);
	spin_unlock_irq(&line->lock);
	synchronize_irq(line->irq);
	return READ_ONCE(cpa->fired);
}

/*
 * A controller can take a polarity and not have it (ptirq_wire_set_type()). So it is tried: a wire
 * that stays as it is fires under exactly one of the two polarities, and that tells its level.
 * -EOPNOTSUPP: under none. -EAGAIN: under both, so the wire has changed, or the controller lies.
 */
static int prove(struct ptirq_line *line, bool *ret_asserted)
{
	int straight, inverse, i;

	for (i = 0; i < PROOFS; i++) {
		straight = fires(line, false);
		if (straight < 0)
			return straight;
		inverse = fires(line, true);
		if (inverse < 0)
			return inverse;
		if (straight != inverse) {
			*ret_asserted = straight;
			return 0;
		}
	}
	return straight ? -EAGAIN : -EOPNOTSUPP;
}

/* The line is masked. What it was before has ended, and the first event is what the wire is. */
static void begin(struct ptirq_line *line, bool asserted)
{
	struct ptirq_state *s = &line->states[PTIRQ_LINE_UNIT];

	lockdep_assert_held(&line->lock);
	line->cpa.phase = PTIRQ_CPA_ON;
	line->cpa.burst = 0;
	if (ptirq_state_is_masked(s))
		ptirq_state_freed(s);
	ptirq_state_changed(s, asserted ? PTIRQ_UIO_STATUS_ASSERTED : PTIRQ_UIO_STATUS_CLEAR,
			    ktime_get_ns());
	trace_wire(line->irq, s->generation, asserted);
	ptirq_page_publish(line, PTIRQ_LINE_UNIT);
}

/*
 * 0, or -EOPNOTSUPP or -EAGAIN and the line is as it was. Meanwhile it is masked but for the proof,
 * whatever its state says.
 */
int ptirq_cpa_start(struct ptirq_line *line)
{
	struct ptirq_cpa *cpa = &line->cpa;
	bool asserted = false;
	int ret;

	lockdep_assert_held(&line->mutex);
	if (cpa->phase == PTIRQ_CPA_ON)
		return 0;
	if (!ptirq_cpa_is_possible(line))
		return -EOPNOTSUPP;
	spin_lock_irq(&line->lock);
	cpa->phase = PTIRQ_CPA_PROVING;
	ptirq_level_line(line, PTIRQ_WHY_UNIT, true);
	spin_unlock_irq(&line->lock);
	synchronize_irq(line->irq);

	ret = prove(line, &asserted);
	if (ret != -EAGAIN)
		cpa->refused = ret;

	spin_lock_irq(&line->lock);
	if (!ret)
		ret = set_inverted(line, asserted);
	if (ret)
		restore(line);
	else
		begin(line, asserted);
	if (!ptirq_state_is_masked(&line->states[PTIRQ_LINE_UNIT]))
		ptirq_level_line(line, PTIRQ_WHY_UNIT, false);
	spin_unlock_irq(&line->lock);
	if (!ret)
		ptirq_line_signal(line, BIT(PTIRQ_LINE_UNIT));
	return ret && ret != -EAGAIN ? -EOPNOTSUPP : ret;
}

/*
 * An interrupt in flight is waited for, while the line is masked: it was raised under the inverted
 * polarity, and must not be taken for an assertion. The state stays: what was not masked is not, so
 * that a wire that asserts is deferred at once.
 */
void ptirq_cpa_stop(struct ptirq_line *line)
{
	bool on;

	lockdep_assert_held(&line->mutex);
	spin_lock_irq(&line->lock);
	on = line->cpa.phase == PTIRQ_CPA_ON;
	if (on)
		ptirq_level_line(line, PTIRQ_WHY_UNIT, true);
	spin_unlock_irq(&line->lock);
	if (!on)
		return;
	synchronize_irq(line->irq);
	spin_lock_irq(&line->lock);
	if (line->cpa.phase == PTIRQ_CPA_ON)
		restore(line);
	if (!ptirq_state_is_masked(&line->states[PTIRQ_LINE_UNIT]))
		ptirq_level_line(line, PTIRQ_WHY_UNIT, false);
	spin_unlock_irq(&line->lock);
}
