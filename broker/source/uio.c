/* SPDX-License-Identifier: MIT */
/*
 * A line of UIO devices, each a unit with a mask of its own: DisINTx in config space under
 * uio_pci_generic, write() to the UIO node for drivers with irqcontrol. Owns the UIO nodes and the
 * masks. Must not open anything (the opener does), and must not call the executor from within an
 * operation: what an operation finds out is told from idle.
 *
 * How devices come and go is plug.c's, what arming one means uio_arm.c's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/source/uio_device.h"

/* A re-fire this soon after an unmask counts as back to back where the level could not be read. */
#define REFIRE_WINDOW_NS 1000000

/* ---- the physical mask ------------------------------------------------------------------------- */

int uio_set_mask(struct uio_device *device, bool mask)
{
	int32_t enable = !mask;

	if (device->plug.info.pci)
		return pci_intx_mask(&device->intx, mask);
	return write(device->fd, &enable, sizeof(enable)) == sizeof(enable) ? 0 : -errno;
}

/* Masked by either of the two who may want it so. A missing device is as masked as can be. */
static int apply_mask(struct uio_device *device)
{
	bool mask = device->masked || device->quiet;
	uint32_t count;
	int error;

	if (device->plug.state != PLUG_ARMED || mask == device->held)
		return 0;
	/*
	 * An event from while it was held: it was counted when a neighbour on the wire fired and
	 * this one's status was still set. Read after the unmask, it would pass for a new one.
	 */
	if (!mask && read(device->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return -errno;
	error = uio_set_mask(device, mask);
	if (!error)
		device->held = mask;
	return error;
}

static bool soon(const struct uio_device *device)
{
	return uv_hrtime() - device->unmasked_at < REFIRE_WINDOW_NS;
}

void uio_fire(struct uio_device *device)
{
	struct source *source = device->plug.plug->source;
	bool again = device->level > 0 || (device->level < 0 && soon(device));

	/* Held already: not its interrupt, whatever the counter says. */
	if (device->held)
		return;
	device->held = device->masked = true; /* by its driver, in the kernel */
	device->level = -1;
	source->events->fired(source->user, device->plug.index,
			      (uint16_t)(1u << device->plug.index), again);
}

/* ---- operations -------------------------------------------------------------------------------- */

static struct uio *uio_of(struct source *source)
{
	return (struct uio *)source;
}

/* Named by its PCI address, a device is a PCI device even while it is not there. */
static bool named_by_pci(const struct device_config *config)
{
	const char *slash = strrchr(config->address, '/');

	return strchr(slash ? slash : config->address, ':') != NULL;
}

static int uio_describe(struct source *source, struct source_topology *ret,
			char problem[LIMIT_TEXT])
{
	const struct uio *uio = uio_of(source);

	(void)problem;
	*ret = (struct source_topology){.n_units = uio->plug.config->n_devices,
					.n_devices = uio->plug.config->n_devices};
	for (uint8_t d = 0; d < uio->plug.config->n_devices; d++) {
		const struct device_config *config = &uio->plug.config->device[d];
		const char *slash = strrchr(config->address, '/');

		memcpy(ret->device[d].name, config->name, sizeof(config->name));
		snprintf(ret->device[d].location, sizeof(ret->device[d].location), "%.63s",
			 slash ? slash + 1 : config->address);
		ret->device[d].unit = d;
		ret->device[d].has_mask = true;
		ret->device[d].has_status = config->use_status && named_by_pci(config);
		ret->device[d].unsafe_dma = config->unsafe_dma;
		ret->can_sample[d] = ret->device[d].has_status;
	}
	return 0;
}

static void uio_start(struct source *source)
{
	plug_start(&uio_of(source)->plug);
}

static void uio_problem(const struct source *source, char ret[LIMIT_TEXT])
{
	plug_problem(&((const struct uio *)source)->plug, ret);
}

static void uio_rescan(struct source *source)
{
	plug_rescan(&uio_of(source)->plug);
}

static int uio_mask(struct source *source, uint8_t unit)
{
	struct uio_device *device = &uio_of(source)->device[unit];

	device->masked = true;
	return apply_mask(device);
}

/* If the level is up the device interrupts at once, and its driver masks it again. */
static int uio_unmask(struct source *source, uint8_t unit)
{
	struct uio_device *device = &uio_of(source)->device[unit];

	device->masked = false;
	device->unmasked_at = uv_hrtime();
	return apply_mask(device);
}

static int uio_quiet(struct source *source, uint8_t index)
{
	struct uio_device *device = &uio_of(source)->device[index];

	device->quiet = true;
	return apply_mask(device);
}

static int uio_unquiet(struct source *source, uint8_t index)
{
	struct uio_device *device = &uio_of(source)->device[index];

	device->quiet = false;
	return apply_mask(device);
}

static struct source_level uio_sample(struct source *source, uint8_t unit)
{
	struct uio *uio = uio_of(source);
	struct uio_device *device = &uio->device[unit];
	uint16_t bit = (uint16_t)(1u << unit);
	struct source_level unknown = {.asserted = -1};
	int status;

	if (device->plug.state != PLUG_ARMED || !device->plug.info.pci ||
	    !device->plug.config->use_status)
		return unknown;
	/* Quiet: it does not pull the wire, whatever its status. */
	if (device->quiet)
		return (struct source_level){.asserted = 0, .known = bit};
	status = pci_intx_status(&device->intx);
	device->level = status < 0 ? -1 : (int8_t)status;
	if (status == -ENODEV && !pci_intx_present(&device->intx))
		plug_lost_later(&device->plug);
	if (status < 0)
		return unknown;
	return (struct source_level){.asserted = (int8_t)status,
				     .status = status ? bit : 0,
				     .known = bit};
}

static void uio_grant(struct source *source, uint8_t device, enum source_grant_kind kind,
		      void (*done)(void *user, int error, const char *problem,
				   const struct source_grant *grant),
		      void *user)
{
	plug_grant(&uio_of(source)->device[device].plug, kind, done, user);
}

/* ---- life -------------------------------------------------------------------------------------- */

static void uio_free(struct source *source)
{
	struct uio *uio = uio_of(source);

	if (!uio)
		return;
	for (uint8_t d = 0; d < uio->plug.config->n_devices; d++) {
		uio->device[d].masked = true;
		apply_mask(&uio->device[d]);
	}
	plug_free(&uio->plug);
}

static const struct source_ops uio_ops = {
	.name = "uio",
	.describe = uio_describe,
	.start = uio_start,
	.problem = uio_problem,
	.rescan = uio_rescan,
	.mask = uio_mask,
	.unmask = uio_unmask,
	.quiet = uio_quiet,
	.unquiet = uio_unquiet,
	.sample = uio_sample,
	.grant = uio_grant,
	.free = uio_free,
};

int source_uio_new(const struct line_config *config, struct uv_loop_s *loop, struct opener *opener,
		   const struct source_events *events, void *user, struct source **ret)
{
	struct uio *uio = calloc(1, sizeof(*uio) + config->n_devices * sizeof(uio->device[0]));

	if (!uio)
		return -ENOMEM;
	uio->source = (struct source){.ops = &uio_ops, .events = events, .user = user};
	plug_init(&uio->plug, &uio->source, &uio_plug_ops, config, loop, opener);
	for (uint8_t d = 0; d < config->n_devices; d++) {
		uio->device[d] = (struct uio_device){.masked = true, .fd = -1, .intx = {.fd = -1}};
		plug_device_init(&uio->plug, &uio->device[d].plug, d);
	}
	*ret = &uio->source;
	return 0;
}
