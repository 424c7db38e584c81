/* SPDX-License-Identifier: MIT */
/*
 * A line of the kernel helper (docs/helper.md): the kernel masks what fires, we acknowledge it. Each
 * device is a unit, unless the configuration says that one has no mask of its own: then the line is
 * one. Owns what is masked and which acknowledgments are due. Must not open anything (the opener does),
 * and must not call the executor from within an operation: what an unmask finds asserting is signalled by
 * the kernel.
 *
 * How devices come and go is plug.c's, what that means on such a line helper_arm.c's; the ways past the
 * broker are helper_path.c's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "broker/source/helper_device.h"

/* A re-fire this soon after an unmask counts as back to back where the kernel cannot tell. */
#define REFIRE_WINDOW_NS 1000000

#define BIT(n)           ((uint16_t)(1u << (n)))

static struct helper *of(struct source *source)
{
	return (struct helper *)source;
}

/* ---- units ------------------------------------------------------------------------------------- */

bool helper_unit_there(const struct helper *helper, uint8_t unit)
{
	return helper->plug.one_unit ? helper->file.fd >= 0
				     : helper->device[unit].plug.state == PLUG_ARMED;
}

uint32_t helper_unit_number(const struct helper *helper, uint8_t unit)
{
	return helper->plug.one_unit ? PTIRQ_UIO_LINE : helper->device[unit].nr;
}

static uint8_t n_units(const struct helper *helper)
{
	return helper->plug.one_unit ? 1 : helper->plug.config->n_devices;
}

/* The acknowledgment is stale if somebody else has masked it since: then it is masked, and no more. */
static int unmask(const struct helper *helper, uint8_t u)
{
	const struct helper_unit *unit = &helper->unit[u];
	uint32_t number = helper_unit_number(helper, u);
	int error = -ESTALE;

	if (unit->due)
		error = helper_line_ack(helper->file.fd, number, unit->generation, false);
	return error == -ESTALE ? helper_line_unmask(helper->file.fd, number) : error;
}

static int mask(const struct helper *helper, uint8_t u)
{
	const struct helper_unit *unit = &helper->unit[u];
	uint32_t number = helper_unit_number(helper, u);
	int error = -ESTALE;

	if (unit->due)
		error = helper_line_ack(helper->file.fd, number, unit->generation, true);
	return error == -ESTALE ? helper_line_mask(helper->file.fd, number) : error;
}

/* Where the kernel masks nothing, masked is not listened to. What asserts meanwhile is looked at later. */
static int apply_cpa(struct helper *helper)
{
	struct helper_unit *unit = &helper->unit[0];
	struct ptirq_uio_page_device entry;
	int error = 0;

	if (!unit->masked && unit->held) {
		if (helper_line_entry(helper->file.page, PTIRQ_UIO_LINE, &entry) &&
		    entry.state == PTIRQ_UIO_MASKED)
			error = helper_line_unmask(helper->file.fd, PTIRQ_UIO_LINE);
		if (!error)
			eventfd_write(helper->file.trigger, 1);
	}
	if (!error)
		unit->held = unit->masked;
	return error;
}

/*
 * Masked by either of the two who may want it so. What has fired stays due until its round is over;
 * if it is to be quiet by then, it is acknowledged and kept masked. A unit that is missing is as masked
 * as can be.
 */
static int apply(struct helper *helper, uint8_t u)
{
	struct helper_unit *unit = &helper->unit[u];
	bool hold = unit->masked || (!helper->plug.one_unit && helper->device[u].quiet);
	int error;

	if (helper->file.cpa)
		return apply_cpa(helper);
	if (!helper_unit_there(helper, u) || (hold == unit->held && (unit->masked || !unit->due)))
		return 0;
	error = hold ? mask(helper, u) : unmask(helper, u);
	if (!error) {
		unit->held = hold;
		unit->due = false;
	}
	return error;
}

/* Devices of which it can be told whether they assert. */
static uint16_t tellable(const struct helper *helper)
{
	uint16_t devices = 0;

	for (uint8_t d = 0; d < helper->plug.config->n_devices; d++) {
		const struct helper_device *device = &helper->device[d];

		if (device->plug.state == PLUG_ARMED &&
		    (device->quiet ||
		     (device->plug.config->use_status && device->caps & PTIRQ_UIO_HAS_STATUS)))
			devices |= BIT(d);
	}
	return devices;
}

/* What asserts of @devices, and which of them are known to assert or not to. The kernel's bits are by
 * number, ours by index. A quiet device does not pull the wire, whatever its status. */
static struct source_level levels(const struct helper *helper, uint16_t devices,
				  const struct ptirq_uio_sample *sample)
{
	struct source_level level = {.asserted = -1};

	for (uint8_t d = 0; d < helper->plug.config->n_devices; d++) {
		const struct helper_device *device = &helper->device[d];
		uint32_t bit = 1u << (device->nr & 31);

		if (!(devices & BIT(d)) || (!device->quiet && sample->unknown & bit))
			continue;
		level.known |= BIT(d);
		if (!device->quiet && sample->asserting & bit)
			level.status |= BIT(d);
	}
	return level;
}

static void fire(struct helper *helper, uint8_t u, const struct ptirq_uio_page_device *entry)
{
	struct helper_unit *unit = &helper->unit[u];
	struct ptirq_uio_sample sample;
	uint16_t attribution = BIT(u), devices = tellable(helper);
	bool again = entry->again != unit->again;

	unit->held = unit->masked = true;
	unit->due = entry->state == PTIRQ_UIO_DEFERRED;
	if (unit->due) /* a wire that flutters: the kernel masks after all */
		helper->file.cpa = false;
	unit->generation = entry->generation;
	unit->again = entry->again;
	if (helper->plug.one_unit) {
		again |= entry->fired_at_ns < unit->unmasked_at + REFIRE_WINDOW_NS;
		attribution = devices && !helper_line_sample(helper->file.fd, &sample)
				      ? levels(helper, devices, &sample).status
				      : 0;
	}
	helper->source.events->fired(helper->source.user, u, attribution, again);
}

static bool asserts(const struct helper *helper, const struct ptirq_uio_page_device *entry)
{
	return entry->state == PTIRQ_UIO_DEFERRED ||
	       (helper->file.cpa && entry->state == PTIRQ_UIO_IDLE &&
		entry->status == PTIRQ_UIO_STATUS_ASSERTED);
}

void helper_look(struct helper *helper)
{
	for (uint8_t u = 0; u < n_units(helper); u++) {
		struct ptirq_uio_page_device entry;

		if (helper->unit[u].held || helper->unit[u].direct || !helper_unit_there(helper, u))
			continue;
		/* One that is being written is signalled when that is done. */
		if (helper_line_entry(helper->file.page, helper_unit_number(helper, u), &entry) &&
		    asserts(helper, &entry))
			fire(helper, u, &entry);
	}
}

/* ---- operations -------------------------------------------------------------------------------- */

static int helper_describe(struct source *source, struct source_topology *ret,
			   char problem[LIMIT_TEXT])
{
	const struct helper *helper = of(source);
	const struct line_config *line = helper->plug.config;

	(void)problem;
	*ret = (struct source_topology){.n_units = n_units(helper), .n_devices = line->n_devices};
	for (uint8_t d = 0; d < line->n_devices; d++) {
		const struct device_config *config = &line->device[d];
		const char *slash = strrchr(config->address, '/');
		char pci[LIMIT_NAME];

		memcpy(ret->device[d].name, config->name, sizeof(config->name));
		snprintf(ret->device[d].location, sizeof(ret->device[d].location), "%.63s",
			 slash ? slash + 1 : config->address);
		ret->device[d].unit = helper->plug.one_unit ? 0 : d;
		ret->device[d].has_mask = config->has_mask;
		ret->device[d].has_status =
			config->use_status && config_pci_address(ret->device[d].location, pci);
		ret->device[d].unsafe_dma = config->unsafe_dma;
		/* A line as a whole may have a level that the interrupt controller tells. */
		ret->can_sample[ret->device[d].unit] =
			helper->plug.one_unit || ret->device[d].has_status;
	}
	/* In mode cpa the kernel would wake them at the end of an interrupt as well, and mask nothing. */
	for (uint8_t u = 0; u < ret->n_units && line->mode != CONFIG_CPA; u++) {
		ret->can_notify[u] = true;
		ret->can_direct[u] = ret->can_sample[u];
	}
	return 0;
}

static void helper_start(struct source *source)
{
	plug_start(&of(source)->plug);
}

static void helper_problem(const struct source *source, char ret[LIMIT_TEXT])
{
	plug_problem(&((const struct helper *)source)->plug, ret);
}

static void helper_rescan(struct source *source)
{
	plug_rescan(&of(source)->plug);
}

static int helper_mask(struct source *source, uint8_t unit)
{
	of(source)->unit[unit].masked = true;
	return apply(of(source), unit);
}

/* If the level is up it stays masked, and the kernel signals it. */
static int helper_unmask(struct source *source, uint8_t unit)
{
	of(source)->unit[unit].masked = false;
	of(source)->unit[unit].unmasked_at = uv_hrtime();
	return apply(of(source), unit);
}

/* The kernel writes its page before it wakes anybody. */
static void look_now(struct source *source)
{
	helper_look(of(source));
}

/* On a line that is one unit a device's own mask is apart from the line's. */
static int set_quiet(struct helper *helper, uint8_t d, bool quiet)
{
	struct helper_device *device = &helper->device[d];

	if (!device->plug.config->has_mask)
		return -EOPNOTSUPP;
	device->quiet = quiet;
	if (!helper->plug.one_unit)
		return apply(helper, d);
	if (device->plug.state != PLUG_ARMED)
		return 0;
	return (quiet ? helper_line_mask : helper_line_unmask)(helper->file.fd, device->nr);
}

static int helper_quiet(struct source *source, uint8_t device)
{
	return set_quiet(of(source), device, true);
}

static int helper_unquiet(struct source *source, uint8_t device)
{
	return set_quiet(of(source), device, false);
}

static struct source_level helper_sample(struct source *source, uint8_t unit)
{
	const struct helper *helper = of(source);
	bool one_unit = helper->plug.one_unit;
	uint16_t devices =
		one_unit ? (uint16_t)(BIT(helper->plug.config->n_devices) - 1) : BIT(unit);
	struct source_level level = {.asserted = -1, .masked = -1};
	struct ptirq_uio_page_device entry;
	struct ptirq_uio_sample sample;

	if (!helper_unit_there(helper, unit) || helper_line_sample(helper->file.fd, &sample) < 0)
		return level;
	level = levels(helper, devices & tellable(helper), &sample);
	if (one_unit && sample.level != PTIRQ_UIO_STATUS_UNKNOWN)
		level.asserted = sample.level == PTIRQ_UIO_STATUS_ASSERTED;
	else if (level.status)
		level.asserted = 1;
	else if (level.known == devices)
		level.asserted = 0;
	level.masked = -1;
	if (helper_line_entry(helper->file.page, helper_unit_number(helper, unit), &entry)) {
		level.masked = entry.state != PTIRQ_UIO_IDLE;
		level.generation = entry.generation;
	}
	return level;
}

static void helper_grant(struct source *source, uint8_t device, enum source_grant_kind kind,
			 void (*done)(void *user, int error, const char *problem,
				      const struct source_grant *grant),
			 void *user)
{
	plug_grant(&of(source)->device[device].plug, kind, done, user);
}

/* ---- life -------------------------------------------------------------------------------------- */

/* What is let go of stays masked: the kernel sees to it. */
static void helper_free(struct source *source)
{
	if (source)
		plug_free(&of(source)->plug);
}

static const struct source_ops helper_ops = {
	.name = "helper",
	.describe = helper_describe,
	.start = helper_start,
	.problem = helper_problem,
	.rescan = helper_rescan,
	.mask = helper_mask,
	.unmask = helper_unmask,
	.quiet = helper_quiet,
	.unquiet = helper_unquiet,
	.sample = helper_sample,
	.grant = helper_grant,
	.notify = helper_notify,
	.look = look_now,
	.promote = helper_promote,
	.demote = helper_demote,
	.free = helper_free,
};

int source_helper_new(const struct line_config *config, struct uv_loop_s *loop,
		      struct opener *opener, const struct source_events *events, void *user,
		      struct source **ret)
{
	struct helper *helper =
		calloc(1, sizeof(*helper) + config->n_devices * sizeof(helper->device[0]));

	if (!helper)
		return -ENOMEM;
	helper->source = (struct source){.ops = &helper_ops, .events = events, .user = user};
	helper->file = (struct helper_file){.fd = -1, .trigger = -1};
	plug_init(&helper->plug, &helper->source, &helper_plug_ops, config, loop, opener);
	for (uint8_t d = 0; d < config->n_devices; d++) {
		plug_device_init(&helper->plug, &helper->device[d].plug, d);
		helper->plug.one_unit |= !config->device[d].has_mask;
		helper->unit[d] = (struct helper_unit){.masked = true, .held = true};
	}
	*ret = &helper->source;
	return 0;
}
