/* SPDX-License-Identifier: MIT */
/*
 * A line of UIO devices, each a unit with a mask of its own: DisINTx in config space under
 * uio_pci_generic, write() to the UIO node for drivers with irqcontrol. Owns the UIO nodes and the
 * masks. Must not open anything (the opener does), and must not call the executor from within an
 * operation: what an operation finds out is told from idle.
 *
 * How devices come and go is uio_arm.c's.
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

static int set_mask(struct uio_device *device, bool mask)
{
	int32_t enable = !mask;

	if (device->info.pci)
		return pci_intx_mask(&device->intx, mask);
	return write(device->fd, &enable, sizeof(enable)) == sizeof(enable) ? 0 : -errno;
}

/* Masked by either of the two who may want it so. A missing device is as masked as can be. */
int uio_apply_mask(struct uio_device *device)
{
	bool mask = device->masked || device->quiet;
	uint32_t count;
	int error;

	if (device->state != UIO_ARMED || mask == device->held)
		return 0;
	/*
	 * An event from while it was held: it was counted when a neighbour on the wire fired and
	 * this one's status was still set. Read after the unmask, it would pass for a new one.
	 */
	if (!mask && read(device->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return -errno;
	error = set_mask(device, mask);
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
	struct uio *uio = device->uio;
	bool again = device->level > 0 || (device->level < 0 && soon(device));

	/* Held already: not its interrupt, whatever the counter says. */
	if (device->held)
		return;
	device->held = device->masked = true; /* by its driver, in the kernel */
	device->level = -1;
	uio->source.events->fired(uio->source.user, device->index, (uint16_t)(1u << device->index),
				  again);
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
	*ret = (struct source_topology){.n_units = uio->config->n_devices,
					.n_devices = uio->config->n_devices};
	for (uint8_t d = 0; d < uio->config->n_devices; d++) {
		const struct device_config *config = &uio->config->device[d];
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

/* A sentence for each; where they do not fit, the names of the rest. */
void uio_problem(const struct source *source, char ret[LIMIT_TEXT])
{
	const struct uio *uio = (const struct uio *)source;
	const size_t for_names = LIMIT_TEXT / 4;
	size_t length = 0;
	bool full = false;

	*ret = 0;
	for (uint8_t d = 0; d < uio->config->n_devices; d++) {
		const struct uio_device *device = &uio->device[d];
		const char *between = length ? "; " : "";
		const char *text = device->problem;

		if (device->state == UIO_ARMED || !*text)
			continue;
		if (full)
			between = ", ";
		else if (length && length + strlen(text) >= LIMIT_TEXT - for_names) {
			between = "; absent too: ";
			full = true;
		}
		if (full)
			text = device->config->name;
		if (length < LIMIT_TEXT)
			length += (size_t)snprintf(ret + length, LIMIT_TEXT - length, "%s%s",
						   between, text);
	}
}

static int uio_mask(struct source *source, uint8_t unit)
{
	struct uio_device *device = &uio_of(source)->device[unit];

	device->masked = true;
	return uio_apply_mask(device);
}

/* If the level is up the device interrupts at once, and its driver masks it again. */
static int uio_unmask(struct source *source, uint8_t unit)
{
	struct uio_device *device = &uio_of(source)->device[unit];

	device->masked = false;
	device->unmasked_at = uv_hrtime();
	return uio_apply_mask(device);
}

static int uio_quiet(struct source *source, uint8_t index)
{
	struct uio_device *device = &uio_of(source)->device[index];

	device->quiet = true;
	return uio_apply_mask(device);
}

static int uio_unquiet(struct source *source, uint8_t index)
{
	struct uio_device *device = &uio_of(source)->device[index];

	device->quiet = false;
	return uio_apply_mask(device);
}

static struct source_level uio_sample(struct source *source, uint8_t unit)
{
	struct uio *uio = uio_of(source);
	struct uio_device *device = &uio->device[unit];
	uint16_t bit = (uint16_t)(1u << unit);
	struct source_level unknown = {.asserted = -1};
	int status;

	if (device->state != UIO_ARMED || !device->info.pci || !device->config->use_status)
		return unknown;
	/* Quiet: it does not pull the wire, whatever its status. */
	if (device->quiet)
		return (struct source_level){.asserted = 0, .known = bit};
	status = pci_intx_status(&device->intx);
	device->level = status < 0 ? -1 : (int8_t)status;
	if (status == -ENODEV && !pci_intx_present(&device->intx))
		uio_lost_later(device);
	if (status < 0)
		return unknown;
	return (struct source_level){.asserted = (int8_t)status,
				     .status = status ? bit : 0,
				     .known = bit};
}

/* ---- grants ------------------------------------------------------------------------------------ */

/* Regions are asked for one after the other. */
struct uio_grant {
	struct uio_grant *next;
	struct uio *uio;
	uint8_t device, index;
	struct source_grant grant;
	void (*done)(void *user, int error, const char *problem, const struct source_grant *grant);
	void *user;
};

static void grant_free(struct uio_grant *grant)
{
	for (uint32_t i = 0; i < grant->grant.n; i++)
		close(grant->grant.region[i].fd);
	free(grant);
}

static void grant_end(struct uio_grant *grant, int error, const char *problem)
{
	struct uio_grant **at = &grant->uio->grants;

	while (*at != grant)
		at = &(*at)->next;
	*at = grant->next;
	if (error) {
		grant->done(grant->user, error, problem, NULL);
	} else {
		grant->done(grant->user, 0, "", &grant->grant);
		grant->grant.n = 0; /* they are the caller's now */
	}
	grant_free(grant);
}

static void on_resource(void *user, const struct opener_reply *reply, int fd);

static void grant_ask(struct uio_grant *grant)
{
	struct opener_request request = {.verb = OPENER_RESOURCE, .index = grant->index};

	memcpy(request.line, grant->uio->config->name, sizeof(request.line));
	memcpy(request.device, grant->uio->config->device[grant->device].name,
	       sizeof(request.device));
	opener_ask(grant->uio->opener, &request, on_resource, grant);
}

static const char *why_absent(const struct uio_device *device, char problem[LIMIT_TEXT])
{
	snprintf(problem, LIMIT_TEXT, "device %s is absent: %.400s", device->config->name,
		 device->problem);
	return problem;
}

static void on_resource(void *user, const struct opener_reply *reply, int fd)
{
	struct uio_grant *grant = user;
	const struct uio_device *device = &grant->uio->device[grant->device];
	uint32_t n = grant->grant.n;
	char problem[LIMIT_TEXT];

	/* It was asked for while the device was being armed, and that has failed: perhaps it is
	 * another broker's. */
	if (!reply->error && device->state == UIO_ABSENT) {
		close(fd);
		grant_end(grant, -ENODEV, why_absent(device, problem));
		return;
	}
	if (reply->error) {
		grant_end(grant, reply->error, reply->text);
		return;
	}
	snprintf(grant->grant.region[n].name, sizeof(grant->grant.region[n].name), "bar%u",
		 reply->device.resource[grant->index].index);
	grant->grant.region[n].size = reply->size;
	grant->grant.region[n].fd = fd;
	grant->grant.region[n].owned = true;
	grant->grant.n++;
	if (++grant->index < reply->device.n_resources && grant->grant.n < LIMIT_MESSAGE_FDS)
		grant_ask(grant);
	else
		grant_end(grant, 0, "");
}

static void uio_grant(struct source *source, uint8_t index, enum source_grant_kind kind,
		      void (*done)(void *user, int error, const char *problem,
				   const struct source_grant *grant),
		      void *user)
{
	struct uio *uio = uio_of(source);
	struct uio_device *device = &uio->device[index];
	struct uio_grant *grant;
	char problem[LIMIT_TEXT];

	if (kind == SOURCE_GRANT_SIM_PIN) {
		done(user, -EOPNOTSUPP, "only a soft device (source=sim) has a pin to play with",
		     NULL);
		return;
	}
	if (device->state == UIO_ABSENT) {
		done(user, -ENODEV, why_absent(device, problem), NULL);
		return;
	}
	grant = calloc(1, sizeof(*grant));
	if (!grant) {
		done(user, -ENOMEM, "out of memory", NULL);
		return;
	}
	*grant = (struct uio_grant){
		.next = uio->grants, .uio = uio, .device = index, .done = done, .user = user};
	uio->grants = grant;
	grant_ask(grant);
}

/* ---- life -------------------------------------------------------------------------------------- */

static void uio_free(struct source *source)
{
	struct uio *uio = uio_of(source);

	if (!uio)
		return;
	while (uio->grants) {
		struct uio_grant *grant = uio->grants;

		uio->grants = grant->next;
		opener_cancel(uio->opener, grant);
		grant_free(grant);
	}
	for (uint8_t d = 0; d < uio->config->n_devices; d++) {
		uio->device[d].masked = true;
		uio_apply_mask(&uio->device[d]);
	}
	uio_arm_free(uio);
}

static const struct source_ops uio_ops = {
	.name = "uio",
	.describe = uio_describe,
	.start = uio_arm_start,
	.problem = uio_problem,
	.rescan = uio_arm_rescan,
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
	uio->config = config;
	uio->opener = opener;
	uio_arm_init(uio, loop);
	*ret = &uio->source;
	return 0;
}
