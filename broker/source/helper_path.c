/* SPDX-License-Identifier: MIT */
/*
 * A11 on a line of the kernel helper: whom the kernel wakes past the broker. A taker is told besides us,
 * after us; a client that is direct is told in our place, and what it signals acknowledges. Owns which of
 * a unit's eventfds in the kernel are not ours. Must not decide who is on which path.
 */
#include <errno.h>
#include <sys/eventfd.h>

#include "broker/source/helper_device.h"
#include "broker/watchdog.h"

static struct helper *of(struct source *source)
{
	return (struct helper *)source;
}

/* The line's trigger stands for every device that has none of its own; it is ours. */
static int our_trigger(const struct helper *helper)
{
	return helper->plug.one_unit ? helper->file.trigger : -1;
}

/* On return nobody but the broker unmasks it, nor is anybody else told what fires from now on. */
static int take_back(struct helper *helper, uint8_t unit)
{
	uint32_t number = helper_unit_number(helper, unit);
	int error = helper_line_set_resample(helper->file.fd, number, -1);

	if (!error)
		error = helper_line_mask(helper->file.fd, number);
	if (!error)
		error = helper_line_set_trigger(helper->file.fd, number, our_trigger(helper));
	return error;
}

int helper_unit_reset(struct helper *helper, uint8_t u)
{
	uint32_t number = helper_unit_number(helper, u);
	struct helper_unit *unit = &helper->unit[u];
	struct ptirq_uio_page_device entry;
	int error;

	if (unit->takers)
		helper_line_set_notify(helper->file.fd, number, NULL, 0);
	error = unit->direct ? take_back(helper, u) : helper_line_mask(helper->file.fd, number);
	*unit = (struct helper_unit){.masked = true, .held = true};
	if (helper_line_entry(helper->file.page, number, &entry))
		unit->again = entry.again;
	return error;
}

/* The kernel tells the takers after the trigger, so that we know of what they answer. */
int helper_notify(struct source *source, uint8_t unit, const int *fds, size_t n)
{
	struct helper *helper = of(source);
	int error = n ? -ENODEV : 0;

	if (helper_unit_there(helper, unit))
		error = helper_line_set_notify(helper->file.fd, helper_unit_number(helper, unit),
					       fds, n);
	if (!error)
		helper->unit[unit].takers = n > 0;
	return error;
}

static bool is_deferred(const struct helper *helper, uint8_t unit)
{
	struct ptirq_uio_page_device entry;

	/* One that is being written: a signal too many is harmless. */
	return !helper_line_entry(helper->file.page, helper_unit_number(helper, unit), &entry) ||
	       entry.state == PTIRQ_UIO_DEFERRED;
}

/*
 * What fires from the swap on signals @wake. What had fired before is in the page, whether or not we have
 * heard of it; if it was after the swap, @wake is signalled twice.
 */
int helper_promote(struct source *source, uint8_t unit, int wake, int resample)
{
	struct helper *helper = of(source);
	uint32_t number = helper_unit_number(helper, unit);
	int fd = helper->file.fd, error = -ENODEV;

	if (!helper_unit_there(helper, unit))
		return error;
	error = helper_line_set_trigger(fd, number, wake);
	if (error)
		return error;
	error = helper_line_set_resample(fd, number, resample);
	if (!error && is_deferred(helper, unit))
		error = watchdog_signal(wake);
	if (error) {
		helper_line_set_resample(fd, number, -1);
		helper_line_set_trigger(fd, number, our_trigger(helper));
		/* What only @wake was told of is still to be seen. */
		eventfd_write(helper->file.trigger, 1);
		return error;
	}
	helper->unit[unit].direct = true;
	return 0;
}

int helper_demote(struct source *source, uint8_t u)
{
	struct helper *helper = of(source);
	struct helper_unit *unit = &helper->unit[u];
	int error = 0;

	if (!unit->direct)
		return source->ops->mask(source, u);
	if (helper_unit_there(helper, u))
		error = take_back(helper, u);
	if (error)
		return error;
	unit->direct = unit->due = false;
	unit->masked = unit->held = true;
	return 0;
}
