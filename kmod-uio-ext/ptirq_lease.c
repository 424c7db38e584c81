// SPDX-License-Identifier: GPL-2.0
/*
 * A line that is one unit and that nobody holds any more: masked at the interrupt controller, as
 * there is no other mask.
 *
 * Owns the looks at it: after the lease, and then less and less often, the line is enabled for a
 * moment. If it fires, the handler masks it again at once and claims the interrupt, so that the
 * kernel never gets to "nobody cared". The status page then tells whether it still asserts.
 */
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/moduleparam.h>

#include "ptirq_line.h"
#include "ptirq_trace.h"

#define LEASE_MIN_NS NSEC_PER_MSEC

static unsigned int lease_ms = 1000;
module_param(lease_ms, uint, 0644);
MODULE_PARM_DESC(lease_ms,
		 "lease of a line without another mask, after its last close (default 1000)");

static void wait(struct ptirq_line *line)
{
	queue_delayed_work(system_unbound_wq, &line->lease, nsecs_to_jiffies(line->lease_wait) + 1);
}

static void end_look(struct ptirq_line *line, enum ptirq_uio_status status)
{
	line->looking = false;
	ptirq_level_line(line, PTIRQ_WHY_UNIT, true);
	ptirq_state_saw(&line->states[PTIRQ_LINE_UNIT], status);
	ptirq_page_publish(line, PTIRQ_LINE_UNIT);
}

/* Called by the handler. The unit is MASKED all the time: nobody is told. */
bool ptirq_lease_fired(struct ptirq_line *line)
{
	if (!line->looking)
		return false;
	end_look(line, PTIRQ_UIO_STATUS_ASSERTED);
	return true;
}

static void look(struct work_struct *work)
{
	struct ptirq_line *line = container_of(work, struct ptirq_line, lease.work);

	spin_lock_irq(&line->lock);
	if (line->leased) {
		line->looking = true;
		ptirq_level_line(line, PTIRQ_WHY_UNIT, false);
	}
	spin_unlock_irq(&line->lock);

	/* What asserts fires within microseconds, if its processor is a real one. */
	usleep_range(5000, 10000);

	spin_lock_irq(&line->lock);
	if (line->looking)
		end_look(line, PTIRQ_UIO_STATUS_CLEAR);
	if (line->leased) {
		WRITE_ONCE(line->page->leases, line->page->leases + 1);
		trace_lease(line->irq, line->states[PTIRQ_LINE_UNIT].status, line->lease_wait);
		line->lease_wait = min_t(u64, line->lease_wait * 2, PTIRQ_UIO_LEASE_MAX_NS);
		wait(line);
	}
	spin_unlock_irq(&line->lock);
}

/* The last holder has gone, and the line is masked. */
void ptirq_lease_begin(struct ptirq_line *line)
{
	lockdep_assert_held(&line->lock);
	line->leased = true;
	line->lease_wait = max_t(u64, line->lease_ns, LEASE_MIN_NS);
	wait(line);
}

/* Somebody holds it again. */
void ptirq_lease_end(struct ptirq_line *line)
{
	lockdep_assert_held(&line->lock);
	if (!line->leased)
		return;
	line->leased = false;
	if (line->looking)
		end_look(line, PTIRQ_UIO_STATUS_UNKNOWN);
	cancel_delayed_work(&line->lease);
}

/* 0: the module's own. */
void ptirq_lease_set(struct ptirq_line *line, u64 lease_ns)
{
	if (!lease_ns)
		lease_ns = min_t(u64, (u64)READ_ONCE(lease_ms) * NSEC_PER_MSEC,
				 PTIRQ_UIO_LEASE_MAX_NS);
	line->lease_ns = lease_ns;
}

void ptirq_lease_init(struct ptirq_line *line)
{
	INIT_DELAYED_WORK(&line->lease, look);
	ptirq_lease_set(line, 0);
}

/* On return the line is looked at no more. Sleeps. */
void ptirq_lease_stop(struct ptirq_line *line)
{
	spin_lock_irq(&line->lock);
	ptirq_lease_end(line);
	spin_unlock_irq(&line->lock);
	cancel_delayed_work_sync(&line->lease);
}
