// SPDX-License-Identifier: GPL-2.0
/*
 * Who is told of a deferral: triggers, and UIO users.
 *
 * Owns the references to eventfds. Signalling is done under RCU alone, so that what an eventfd's
 * waiter does happens under no lock of ours; taking one away waits until nobody can be at it.
 */
#include <linux/eventfd.h>
#include <linux/rcupdate.h>

#include "ptirq_compat.h"
#include "ptirq_line.h"

/* A UIO user is told through the UIO device, the holder of the line through a trigger. */
void ptirq_line_signal(struct ptirq_line *line, u32 devices)
{
	struct eventfd_ctx *trigger;
	struct ptirq_dev *dev;
	unsigned int nr;

	rcu_read_lock();
	for (nr = 0; devices >> nr; nr++) {
		if (!(devices & BIT(nr)))
			continue;
		dev = rcu_dereference(line->devs[nr]);
		if (!dev)
			continue;
		if (READ_ONCE(dev->uio_opens)) {
			uio_event_notify(&dev->info);
			continue;
		}
		trigger = rcu_dereference(dev->trigger);
		if (!trigger)
			trigger = rcu_dereference(line->trigger);
		if (trigger)
			ptirq_eventfd_signal(trigger);
	}
	rcu_read_unlock();
}

/* Where the trigger of a device or of the line is kept, or NULL. */
static struct eventfd_ctx __rcu **trigger_of(struct ptirq_line *line, u32 device)
{
	struct ptirq_dev *dev;

	if (device == PTIRQ_UIO_LINE)
		return &line->trigger;
	if (device >= PTIRQ_UIO_MAX_DEVICES)
		return NULL;
	dev = rcu_dereference_protected(line->devs[device], lockdep_is_held(&line->mutex));
	return dev ? &dev->trigger : NULL;
}

/* Takes over the reference if it succeeds; waits for those who may be signalling the old one. */
int ptirq_line_set_trigger(struct ptirq_line *line, u32 device, struct eventfd_ctx *trigger)
{
	struct eventfd_ctx __rcu **at = trigger_of(line, device);

	if (!at)
		return -ENODEV;
	trigger = rcu_replace_pointer(*at, trigger, lockdep_is_held(&line->mutex));
	if (trigger) {
		synchronize_rcu();
		eventfd_ctx_put(trigger);
	}
	return 0;
}

/* As one by one, but waits only once. */
void ptirq_line_drop_triggers(struct ptirq_line *line)
{
	struct eventfd_ctx *old[PTIRQ_UIO_MAX_DEVICES + 1] = {};
	struct eventfd_ctx __rcu **at;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(old); i++) {
		at = trigger_of(line, i < PTIRQ_UIO_MAX_DEVICES ? i : PTIRQ_UIO_LINE);
		if (at)
			old[i] = rcu_replace_pointer(*at, NULL, lockdep_is_held(&line->mutex));
	}
	synchronize_rcu();
	for (i = 0; i < ARRAY_SIZE(old); i++) {
		if (old[i])
			eventfd_ctx_put(old[i]);
	}
}
