// SPDX-License-Identifier: GPL-2.0
/*
 * Who is told of a deferral: the notify list, the trigger, UIO users.
 *
 * Owns the references to these eventfds. Signalling is done under SRCU alone, so that what an
 * eventfd's waiter does happens under no lock of ours. Taking one away waits until nobody can be at
 * it, and for nothing else: SRCU, as a grace period of RCU takes milliseconds, in which a holder
 * with one thread would serve no line at all.
 */
#include <linux/eventfd.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "ptirq_compat.h"
#include "ptirq_line.h"

struct ptirq_targets {
	unsigned int count;
	struct eventfd_ctx *ctx[];
};

DEFINE_STATIC_SRCU(signalling);

/* NULL if there are none; -EBADF, -EINVAL: one of them is no eventfd. */
struct ptirq_targets *ptirq_targets_get(const s32 *fds, unsigned int count)
{
	struct ptirq_targets *targets;
	struct eventfd_ctx *ctx;

	if (!count)
		return NULL;
	targets = kzalloc(struct_size(targets, ctx, count), GFP_KERNEL_ACCOUNT);
	if (!targets)
		return ERR_PTR(-ENOMEM);
	while (targets->count < count) {
		ctx = eventfd_ctx_fdget(fds[targets->count]);
		if (IS_ERR(ctx)) {
			ptirq_targets_put(targets);
			return ERR_CAST(ctx);
		}
		targets->ctx[targets->count++] = ctx;
	}
	return targets;
}

void ptirq_targets_put(struct ptirq_targets *targets)
{
	unsigned int i;

	if (!targets)
		return;
	for (i = 0; i < targets->count; i++)
		eventfd_ctx_put(targets->ctx[i]);
	kfree(targets);
}

/* Whether there is anybody to tell. */
static bool tell(struct ptirq_targets __rcu *const *at)
{
	const struct ptirq_targets *targets = srcu_dereference(*at, &signalling);
	unsigned int i;

	if (!targets)
		return false;
	for (i = 0; i < targets->count; i++)
		ptirq_eventfd_signal(targets->ctx[i]);
	return true;
}

/* The line's own are told once, however many devices they stand for. */
static void tell_holder(struct ptirq_line *line, unsigned long devices, enum ptirq_target kind)
{
	bool lines = false;
	struct ptirq_dev *dev;
	unsigned int nr;

	for_each_set_bit(nr, &devices, PTIRQ_UIO_MAX_DEVICES) {
		dev = srcu_dereference(line->devs[nr], &signalling);
		if (dev && !READ_ONCE(dev->uio_opens) && !tell(&dev->signals.targets[kind]))
			lines = true;
	}
	if (lines)
		tell(&line->signals.targets[kind]);
}

static void tell_uio(struct ptirq_line *line, unsigned long devices)
{
	struct ptirq_dev *dev;
	unsigned int nr;

	for_each_set_bit(nr, &devices, PTIRQ_UIO_MAX_DEVICES) {
		dev = srcu_dereference(line->devs[nr], &signalling);
		if (dev && READ_ONCE(dev->uio_opens))
			uio_event_notify(&dev->info);
	}
}

/*
 * The holder comes before the takers: when one of them has served and tells him, he must have been
 * told of the interrupt. One unit is everybody's.
 */
void ptirq_line_signal(struct ptirq_line *line, u32 units)
{
	u32 devices = units & BIT(PTIRQ_LINE_UNIT) ? READ_ONCE(line->present) : units;
	int idx = srcu_read_lock(&signalling);

	tell_uio(line, devices);
	tell_holder(line, devices, PTIRQ_TRIGGER);
	tell_holder(line, devices, PTIRQ_NOTIFY);
	srcu_read_unlock(&signalling, idx);
}

/* Takes over the reference if it succeeds; waits for those who may be signalling the old ones. */
int ptirq_line_set_targets(struct ptirq_line *line, u32 device, enum ptirq_target kind,
			   struct ptirq_targets *targets)
{
	struct ptirq_signals *signals = ptirq_line_signals(line, device);

	if (IS_ERR(signals))
		return PTR_ERR(signals);
	targets =
		rcu_replace_pointer(signals->targets[kind], targets, lockdep_is_held(&line->mutex));
	if (targets)
		synchronize_srcu_expedited(&signalling);
	ptirq_targets_put(targets);
	return 0;
}

/* Where the eventfds of a device or of the line are kept. */
struct ptirq_signals *ptirq_line_signals(struct ptirq_line *line, u32 device)
{
	int ret;

	if (device == PTIRQ_UIO_LINE)
		return &line->signals;
	if (device >= PTIRQ_UIO_MAX_DEVICES)
		return ERR_PTR(-ENODEV); /* PTIRQ_LINE_UNIT is no device */
	ret = ptirq_line_check_held(line, device);
	return ret ? ERR_PTR(ret) : &ptirq_line_dev(line, device)->signals;
}

/*
 * On return nobody is told and nobody acknowledges through these, and who was at it has left the
 * devices alone. Waits once for all of them.
 */
void ptirq_signals_drop(struct ptirq_line *line, struct ptirq_signals **all, unsigned int count)
{
	struct ptirq_targets *old[PTIRQ_UIO_ENTRIES * PTIRQ_TARGETS];
	unsigned int i, n = 0, kind;

	for (i = 0; i < count; i++) {
		ptirq_resample_drop(all[i]);
		for (kind = 0; kind < PTIRQ_TARGETS; kind++)
			old[n++] = rcu_replace_pointer(all[i]->targets[kind], NULL,
						       lockdep_is_held(&line->mutex));
	}
	synchronize_srcu_expedited(&signalling);
	while (n--)
		ptirq_targets_put(old[n]);
}

/* All the holder's. */
void ptirq_line_drop_signals(struct ptirq_line *line)
{
	struct ptirq_signals *all[PTIRQ_UIO_ENTRIES] = { &line->signals };
	unsigned int nr, count = 1;

	for (nr = 0; nr < PTIRQ_UIO_MAX_DEVICES; nr++) {
		if (!ptirq_line_check_held(line, nr))
			all[count++] = &ptirq_line_dev(line, nr)->signals;
	}
	ptirq_signals_drop(line, all, count);
}
