/* SPDX-License-Identifier: MIT */
/*
 * The software line: soft devices whose registers are shared memory, and a wire of true level
 * semantics. Owns the register pages, the pins and the masks of one line; whom an interrupt wakes
 * past the executor is sim_path.c's. Must not trust what is in a
 * page (clients write it: status is loaded once where it is needed, and the mask is kept here), and
 * must not call the executor from within an operation: what an operation finds is told from idle.
 *
 * Pages and eventfds are made when somebody is first granted them: a line nobody plays with costs no fd.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "broker/source/sim_line.h"
#include "broker/watchdog.h"

static bool edge(const struct sim *sim)
{
	return sim->config->trigger == CONFIG_EDGE;
}

static uint8_t unit_of(const struct sim *sim, uint8_t device)
{
	return sim->n_units == 1 ? 0 : device;
}

/* The devices of @unit, one bit each. */
static uint16_t devices_of(const struct sim *sim, uint8_t unit)
{
	return sim->n_units == 1 ? (uint16_t)((1u << sim->config->n_devices) - 1) : BIT(unit);
}

static uint32_t status_of(const struct soft_device *device)
{
	return device->regs ? atomic_load(&device->regs->status) : device->status;
}

/* The devices that pull @unit's wire up. */
static uint16_t asserting(const struct sim *sim, uint8_t unit)
{
	uint16_t devices = devices_of(sim, unit) & ~sim->quiet, set = 0;

	if (edge(sim))
		return devices & sim->latched;
	for (uint8_t d = 0; d < sim->config->n_devices; d++)
		if (devices & BIT(d) && status_of(&sim->device[d]))
			set |= BIT(d);
	return set;
}

/* Show the mask to whoever looks at the registers. */
static void show_masks(struct sim *sim, uint16_t devices)
{
	for (uint8_t d = 0; d < sim->config->n_devices; d++)
		if (devices & BIT(d) && sim->device[d].regs)
			atomic_store(&sim->device[d].regs->mask,
				     !!(sim->quiet & BIT(d)) ||
					     !!(sim->masked & BIT(unit_of(sim, d))));
}

/* If @unit's wire is up and not masked, it fires. */
static void look(struct sim *sim, uint8_t unit, bool back_to_back)
{
	uint16_t devices = asserting(sim, unit);

	if (!devices || sim->masked & BIT(unit))
		return;
	if (edge(sim)) {
		sim->latched &= ~devices;
	} else {
		sim->masked |= BIT(unit);
		show_masks(sim, devices_of(sim, unit));
	}
	if (sim_path_fire(sim, unit))
		return;
	sim->source.events->fired(sim->source.user, unit, devices & sim->attributable,
				  back_to_back);
}

static void on_idle(uv_idle_t *idle)
{
	struct sim *sim = idle->data;
	uint16_t units = sim->look, refired = sim->refired;

	uv_idle_stop(idle);
	sim->look = sim->refired = 0;
	for (uint8_t u = 0; u < sim->n_units && !sim->closing; u++)
		if (units & BIT(u))
			look(sim, u, refired & BIT(u));
}

/*
 * From within an operation: look at the unit in the loop's next idle phase. That comes before the
 * next wait for events, whichever phase the operation runs in, so it costs no system call.
 */
static void look_later(struct sim *sim, uint8_t unit, bool refired)
{
	if (sim->masked & BIT(unit) || !asserting(sim, unit))
		return;
	sim->look |= BIT(unit);
	if (refired)
		sim->refired |= BIT(unit);
	uv_idle_start(&sim->idle, on_idle);
}

static void on_pin(void *user, bool abused)
{
	struct pin *pin = user;
	struct sim *sim = pin->sim;

	(void)abused; /* the counter says nothing that the status does not */
	sim->latched |= BIT(pin->device);
	look(sim, unit_of(sim, pin->device), false);
}

/* ---- operations -------------------------------------------------------------------------------- */

static int sim_describe(struct source *source, struct source_topology *ret,
			char problem[LIMIT_TEXT])
{
	const struct sim *sim = sim_of(source);

	(void)problem;
	*ret = (struct source_topology){.n_units = sim->n_units,
					.n_devices = sim->config->n_devices,
					.edge = edge(sim)};
	for (uint8_t d = 0; d < sim->config->n_devices; d++) {
		const struct device_config *config = &sim->config->device[d];

		memcpy(ret->device[d].name, config->name, sizeof(config->name));
		strcpy(ret->device[d].location, "soft");
		ret->device[d].unit = unit_of(sim, d);
		ret->device[d].has_mask = config->has_mask;
		ret->device[d].has_status = sim->attributable & BIT(d);
		if (ret->device[d].has_status && !edge(sim))
			ret->can_sample[unit_of(sim, d)] = true;
	}
	for (uint8_t u = 0; u < sim->n_units && !edge(sim); u++) {
		ret->can_notify[u] = true;
		ret->can_direct[u] = ret->can_sample[u];
	}
	return 0;
}

static void sim_start(struct source *source)
{
	source->events->up(source->user);
}

static int sim_mask(struct source *source, uint8_t unit)
{
	struct sim *sim = sim_of(source);

	sim->masked |= BIT(unit);
	show_masks(sim, devices_of(sim, unit));
	return 0;
}

/* Tell whoever plays these devices; one that is still quiet has not been unmasked. */
static void tell_unmasked(struct sim *sim, uint16_t devices)
{
	devices &= ~sim->quiet;
	for (uint8_t d = 0; d < sim->config->n_devices; d++)
		if (devices & BIT(d) && sim->device[d].pin)
			watchdog_signal(sim->device[d].pin->unmasked);
}

static int sim_unmask(struct source *source, uint8_t unit)
{
	struct sim *sim = sim_of(source);
	uint16_t devices = devices_of(sim, unit);

	sim->masked &= ~BIT(unit);
	show_masks(sim, devices);
	look_later(sim, unit, true);
	tell_unmasked(sim, devices);
	return 0;
}

static int sim_quiet(struct source *source, uint8_t device)
{
	struct sim *sim = sim_of(source);

	if (!sim->config->device[device].has_mask)
		return -EOPNOTSUPP;
	sim->quiet |= BIT(device);
	show_masks(sim, BIT(device));
	return 0;
}

static int sim_unquiet(struct source *source, uint8_t device)
{
	struct sim *sim = sim_of(source);

	if (!sim->config->device[device].has_mask)
		return -EOPNOTSUPP;
	sim->quiet &= ~BIT(device);
	show_masks(sim, BIT(device));
	look_later(sim, unit_of(sim, device), false);
	if (!(sim->masked & BIT(unit_of(sim, device))))
		tell_unmasked(sim, BIT(device));
	return 0;
}

/* A quiet device does not pull the wire, whatever its status. */
static struct source_level sim_sample(struct source *source, uint8_t unit)
{
	const struct sim *sim = sim_of(source);
	uint16_t devices = devices_of(sim, unit);
	struct source_level level;

	level.known = devices & (sim->attributable | sim->quiet);
	level.status = asserting(sim, unit) & sim->attributable;
	level.asserted = level.status ? 1 : level.known == devices ? 0 : -1;
	level.masked = !!(sim->masked & BIT(unit));
	level.generation = sim->unit[unit].fires;
	return level;
}

static int sim_assert_bits(struct source *source, uint8_t device, uint32_t bits, bool deassert)
{
	struct sim *sim = sim_of(source);
	struct soft_device *soft = &sim->device[device];

	if (soft->regs && deassert)
		atomic_fetch_and(&soft->regs->status, ~bits);
	else if (soft->regs)
		atomic_fetch_or(&soft->regs->status, bits);
	else
		soft->status = deassert ? soft->status & ~bits : soft->status | bits;
	if (!deassert) {
		sim->latched |= BIT(device);
		look_later(sim, unit_of(sim, device), false);
	}
	return 0;
}

/* ---- grants ------------------------------------------------------------------------------------ */

/* The size is sealed, so that no client can take the page away under the broker's loads (T13). */
static int make_registers(struct sim *sim, uint8_t device)
{
	struct soft_device *soft = &sim->device[device];
	struct softdev_regs *regs = MAP_FAILED;
	int fd;

	if (soft->regs)
		return 0;
	fd = memfd_create("ptirq-softdev", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, SOFTDEV_SIZE) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		regs = mmap(NULL, SOFTDEV_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (regs == MAP_FAILED) {
		int error = -errno;

		close(fd);
		return error;
	}
	atomic_store(&regs->status, soft->status);
	soft->regs = regs;
	soft->memfd = fd;
	show_masks(sim, BIT(device));
	return 0;
}

static int make_pin(struct sim *sim, uint8_t device)
{
	struct soft_device *soft = &sim->device[device];
	struct pin *pin;
	int error;

	if (soft->pin)
		return 0;
	pin = calloc(1, sizeof(*pin));
	if (!pin)
		return -ENOMEM;
	*pin = (struct pin){.sim = sim, .device = device};
	pin->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pin->unmasked = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	error = pin->fd < 0 || pin->unmasked < 0 ? -errno : 0;
	if (!error)
		error = edge_poll_start(&pin->poll, sim->loop, pin->fd, on_pin, pin);
	if (error) {
		if (pin->fd >= 0)
			close(pin->fd);
		if (pin->unmasked >= 0)
			close(pin->unmasked);
		free(pin);
		return error;
	}
	soft->pin = pin;
	sim->handles++;
	return 0;
}

static void add_region(struct source_grant *grant, const char *name, uint64_t size, int fd)
{
	snprintf(grant->region[grant->n].name, sizeof(grant->region[0].name), "%s", name);
	grant->region[grant->n].size = size;
	grant->region[grant->n].fd = fd;
	grant->n++;
}

static void sim_grant(struct source *source, uint8_t device, enum source_grant_kind kind,
		      void (*done)(void *user, int error, const char *problem,
				   const struct source_grant *grant),
		      void *user)
{
	struct sim *sim = sim_of(source);
	struct soft_device *soft = &sim->device[device];
	struct source_grant grant = {0};
	char problem[LIMIT_TEXT];
	int error = make_registers(sim, device);

	if (!error && kind == SOURCE_GRANT_SIM_PIN)
		error = make_pin(sim, device);
	if (error) {
		snprintf(problem, sizeof(problem),
			 "cannot make the registers of device %s of line %s: %s",
			 sim->config->device[device].name, sim->config->name, strerror(-error));
		done(user, error, problem, NULL);
		return;
	}
	add_region(&grant, "registers", SOFTDEV_SIZE, soft->memfd);
	if (kind == SOURCE_GRANT_SIM_PIN) {
		add_region(&grant, "pin", 0, soft->pin->fd);
		add_region(&grant, "unmasked", 0, soft->pin->unmasked);
	}
	done(user, 0, "", &grant);
}

/* ---- life -------------------------------------------------------------------------------------- */

static void put_handle(struct sim *sim)
{
	if (--sim->handles == 0)
		free(sim);
}

static void on_idle_closed(uv_handle_t *handle)
{
	put_handle(handle->data);
}

static void on_pin_closed(void *user)
{
	struct pin *pin = user;
	struct sim *sim = pin->sim;

	free(pin);
	put_handle(sim);
}

static void sim_free(struct source *source)
{
	struct sim *sim = sim_of(source);

	if (!sim)
		return;
	sim->closing = true;
	sim->masked = UINT16_MAX;
	show_masks(sim, UINT16_MAX);
	sim_path_free(sim);
	for (uint8_t d = 0; d < sim->config->n_devices; d++) {
		struct soft_device *soft = &sim->device[d];
		struct pin *pin = soft->pin;

		if (soft->regs) {
			munmap(soft->regs, SOFTDEV_SIZE);
			close(soft->memfd);
			soft->regs = NULL;
		}
		if (pin) {
			int fd = pin->fd, unmasked = pin->unmasked;

			edge_poll_stop(&pin->poll, on_pin_closed);
			close(fd);
			close(unmasked);
		}
	}
	uv_close((uv_handle_t *)&sim->idle, on_idle_closed);
}

static const struct source_ops sim_ops = {
	.name = "sim",
	.describe = sim_describe,
	.start = sim_start,
	.mask = sim_mask,
	.unmask = sim_unmask,
	.quiet = sim_quiet,
	.unquiet = sim_unquiet,
	.sample = sim_sample,
	.grant = sim_grant,
	.notify = sim_notify,
	.promote = sim_promote,
	.demote = sim_demote,
	.assert_bits = sim_assert_bits,
	.free = sim_free,
};

int source_sim_new(const struct line_config *config, struct uv_loop_s *loop,
		   const struct source_events *events, void *user, struct source **ret)
{
	struct sim *sim = calloc(1, sizeof(*sim) + config->n_devices * sizeof(sim->device[0]));
	bool all_masked = config->trigger == CONFIG_LEVEL;

	if (!sim)
		return -ENOMEM;
	sim->source = (struct source){.ops = &sim_ops, .events = events, .user = user};
	sim->config = config;
	sim->loop = loop;
	sim->masked = UINT16_MAX;
	for (uint8_t d = 0; d < config->n_devices; d++) {
		sim->device[d].memfd = -1;
		all_masked &= config->device[d].has_mask;
		if (config->device[d].sim_status && config->device[d].use_status)
			sim->attributable |= BIT(d);
	}
	/* A device that cannot be masked by itself makes the line one unit; so does an edge. */
	sim->n_units = all_masked ? config->n_devices : 1;
	uv_idle_init(loop, &sim->idle);
	sim->idle.data = sim;
	sim->handles = 1;
	*ret = &sim->source;
	return 0;
}
