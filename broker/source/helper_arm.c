/* SPDX-License-Identifier: MIT */
/*
 * How a line of the kernel helper is opened with the first of our devices on it, and closed after the
 * last; how a device is found on it, and how it is noticed that one has left. Owns the line's node and
 * what is watched of it. Must not know rounds.
 *
 * Which line it is the first device says; the others must be on the same one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "broker/fd_watch.h"
#include "broker/log.h"
#include "broker/source/helper_device.h"

/* Outlives the line by one turn of the loop: libuv closes in its own time. */
struct helper_watch {
	uv_poll_t poll;
	struct helper *helper;
};

static struct helper_device *of(struct plug_device *plug)
{
	return (struct helper_device *)plug;
}

static uint8_t unit_of(const struct helper *helper, const struct helper_device *device)
{
	return helper->plug.one_unit ? 0 : device->plug.index;
}

/* ---- the line's node --------------------------------------------------------------------------- */

static void on_watch_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/* With the node everything that it was told ends, and what it holds is masked. */
static void file_close(struct helper_file *file)
{
	if (file->watch)
		uv_close((uv_handle_t *)&file->watch->poll, on_watch_closed);
	if (file->trigger >= 0) {
		edge_poll_stop(&file->trigger_poll, NULL);
		close(file->trigger);
	}
	if (file->page)
		helper_line_unmap(file->page);
	if (file->fd >= 0)
		close(file->fd);
	*file = (struct helper_file){.fd = -1, .trigger = -1};
}

static void on_trigger(void *user, bool abused)
{
	(void)abused; /* nobody else has it */
	helper_look(user);
}

static void on_members(uv_poll_t *poll, int status, int events);

static int watch_members(struct helper *helper)
{
	struct helper_watch *watch = calloc(1, sizeof(*watch));
	int error;

	if (!watch)
		return -ENOMEM;
	error = uv_poll_init(helper->plug.idle.loop, &watch->poll, helper->file.fd);
	if (error) {
		free(watch);
		return error;
	}
	watch->helper = helper;
	watch->poll.data = watch;
	helper->file.watch = watch;
	return fd_watch(&watch->poll, UV_PRIORITIZED, on_members);
}

static int watch_trigger(struct helper *helper)
{
	struct helper_file *file = &helper->file;
	int error;

	file->trigger = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (file->trigger < 0)
		return -errno;
	error = edge_poll_start(&file->trigger_poll, helper->plug.idle.loop, file->trigger,
				on_trigger, helper);
	if (!error)
		error = helper_line_set_trigger(file->fd, PTIRQ_UIO_LINE, file->trigger);
	return error;
}

/* The line works without, too. */
static void set_mode(struct helper *helper)
{
	static const uint32_t modes[] = {[CONFIG_ADAPTIVE] = PTIRQ_UIO_MODE_ADAPTIVE,
					 [CONFIG_DEVICE] = PTIRQ_UIO_MODE_DEVICE,
					 [CONFIG_CPA] = PTIRQ_UIO_MODE_CPA};
	const struct line_config *config = helper->plug.config;
	const char *why;
	int error;

	if (config->mode == CONFIG_ADAPTIVE && !config->stop_dma)
		return;
	error = helper_line_set_mode(helper->file.fd, modes[config->mode], config->stop_dma);
	helper->file.cpa = !error && config->mode == CONFIG_CPA;
	if (!error)
		return;
	why = error != -EOPNOTSUPP ? strerror(-error)
	      : config->mode == CONFIG_DEVICE
		      ? "it is masked as a whole"
		      : "its interrupt controller cannot invert the level, or "
			"each device can be masked by itself";
	log_warn(&(struct log_about){.line = config->name},
		 "line %s: not in the mode that mode= asks for: %s: %s", config->name,
		 helper->file.name, why);
	if (config->stop_dma)
		helper_line_set_mode(helper->file.fd, PTIRQ_UIO_MODE_ADAPTIVE, true);
}

/* Takes @fd. 0, or -errno and @problem. */
static int file_open(struct helper *helper, int fd, const char *name, char problem[LIMIT_TEXT])
{
	int error;

	helper->file.fd = fd;
	snprintf(helper->file.name, sizeof(helper->file.name), "%s", name);
	error = helper_line_map(fd, &helper->file.page);
	if (error == -EPROTO)
		snprintf(
			problem, LIMIT_TEXT,
			"%s: ptirq_uio and this broker are of versions that do not understand each "
			"other: load the module that was built with the broker",
			name);
	if (!error)
		error = watch_members(helper);
	if (!error)
		error = watch_trigger(helper);
	if (error && error != -EPROTO)
		snprintf(problem, LIMIT_TEXT, "%s: %s", name, strerror(-error));
	if (error)
		file_close(&helper->file);
	else
		set_mode(helper);
	return error;
}

/* ---- devices ----------------------------------------------------------------------------------- */

static uint64_t life(const struct ptirq_uio_page_device *entry)
{
	return entry->generation - entry->interrupts - entry->again;
}

/* Which number the device has on the open line; false: it is not on it (yet). */
static bool find(const struct helper *helper, struct helper_device *device,
		 struct ptirq_uio_info *ret_info)
{
	struct ptirq_uio_info line;

	if (helper_line_info(helper->file.fd, PTIRQ_UIO_LINE, &line) < 0)
		return false;
	for (uint32_t nr = 0; nr < PTIRQ_UIO_MAX_DEVICES; nr++)
		if (line.devices & 1u << nr && !helper_line_info(helper->file.fd, nr, ret_info) &&
		    !strncmp(ret_info->name, device->plug.info.location, sizeof(ret_info->name))) {
			device->nr = nr;
			device->caps = ret_info->caps;
			return true;
		}
	return false;
}

/* What the configuration says of the line's devices must be what the kernel says. */
static bool as_configured(const struct helper *helper, const struct helper_device *device,
			  char problem[LIMIT_TEXT])
{
	const uint32_t whole = PTIRQ_UIO_CAN_MASK | PTIRQ_UIO_HAS_STATUS;
	const char *location = device->plug.info.location;
	struct ptirq_uio_info line = {0};

	helper_line_info(helper->file.fd, PTIRQ_UIO_LINE, &line);
	if (!!(line.caps & PTIRQ_UIO_ONE_UNIT) == helper->plug.one_unit)
		return true;
	if (helper->plug.one_unit)
		snprintf(problem, LIMIT_TEXT,
			 "each device of %s can be masked by itself: remove mask=no of line %s",
			 helper->file.name, helper->plug.config->name);
	else if ((device->caps & whole) == whole)
		snprintf(
			problem, LIMIT_TEXT,
			"%s: another device of %s cannot mask itself, so they are masked together: "
			"say mask=no for that device if it is in line %s, else as a key of the line",
			location, helper->file.name, helper->plug.config->name);
	else
		snprintf(
			problem, LIMIT_TEXT,
			"%s cannot mask its own interrupt, or not tell that it asserts: say mask=no "
			"for it, and line %s is masked as a whole",
			location, helper->plug.config->name);
	return false;
}

static void say_uio(const struct ptirq_uio_info *info, char problem[LIMIT_TEXT])
{
	snprintf(problem, LIMIT_TEXT,
		 "%.31s: a UIO program has it open (`fuser /dev/uio%d`): it is taken up when that "
		 "program closes it",
		 info->name, info->uio_minor);
}

/* The line is open. From here on the device is masked, until somebody unmasks it. */
static bool join(struct helper *helper, struct helper_device *device, char problem[LIMIT_TEXT])
{
	const struct opener_device *info = &device->plug.info;
	struct ptirq_uio_page_device entry = {0};
	struct ptirq_uio_info kernel;
	int error;

	if (strcmp(info->line, helper->file.name) != 0) {
		snprintf(
			problem, LIMIT_TEXT,
			"%s is on %s, and the devices before it on %s, which is another interrupt: "
			"give it a [line] of its own",
			info->location, info->line, helper->file.name);
		return false;
	}
	if (!find(helper, device, &kernel)) {
		snprintf(problem, LIMIT_TEXT, "%s is being bound to %s, or unbound", info->location,
			 helper->file.name);
		return false;
	}
	if (!as_configured(helper, device, problem))
		return false;
	if (kernel.caps & PTIRQ_UIO_UIO_OPEN) {
		device->plug.taken = true;
		say_uio(&kernel, problem);
		return false;
	}
	error = helper_unit_reset(helper, unit_of(helper, device));
	device->plug.taken = error == -EBUSY;
	if (error == -EBUSY)
		snprintf(problem, LIMIT_TEXT,
			 "a UIO program has a device of %s open: it is taken up when that program "
			 "closes it",
			 helper->file.name);
	else if (error)
		snprintf(problem, LIMIT_TEXT, "%s cannot be masked: %s", info->location,
			 strerror(-error));
	if (error)
		return false;
	helper_line_entry(helper->file.page, device->nr, &entry);
	device->life = life(&entry);
	return true;
}

static bool is_ours(const struct helper *helper, uint32_t nr)
{
	for (uint8_t d = 0; d < helper->plug.config->n_devices; d++)
		if (helper->device[d].plug.state == PLUG_ARMED && helper->device[d].nr == nr)
			return true;
	return false;
}

/*
 * Others' devices that are bound to the helper on the same interrupt stay masked, unless the line is one
 * unit: its unmask is theirs too, so they are held by their own masks.
 */
static void hold_strangers(const struct helper *helper)
{
	const char *name = helper->plug.config->name;
	struct ptirq_uio_info info;

	for (uint32_t nr = 0; helper->plug.one_unit && nr < PTIRQ_UIO_MAX_DEVICES; nr++)
		if (!is_ours(helper, nr) && !helper_line_info(helper->file.fd, nr, &info) &&
		    helper_line_mask(helper->file.fd, nr) == -EOPNOTSUPP)
			log_warn(&(struct log_about){.line = name},
				 "line %s: %.31s is on %s too and cannot be masked: nobody serves "
				 "what it asserts; give it to the line, or unbind it",
				 name, info.name, helper->file.name);
}

static void try_join(struct helper *helper, struct helper_device *device)
{
	char problem[LIMIT_TEXT];

	if (join(helper, device, problem))
		plug_armed(&device->plug);
	else
		plug_failed(&device->plug, problem);
}

static void on_opened(void *user, const struct opener_reply *reply, int fd)
{
	struct helper *helper = helper_of(((struct plug_device *)user)->plug);
	char problem[LIMIT_TEXT];
	int error = reply->error;

	helper->opening = false;
	if (error)
		snprintf(problem, sizeof(problem), "%s", reply->text);
	else
		error = file_open(helper, fd, reply->device.line, problem);
	for (uint8_t d = 0; d < helper->plug.config->n_devices; d++) {
		struct helper_device *device = &helper->device[d];

		if (!device->waiting)
			continue;
		device->waiting = false;
		device->plug.taken = error == -EBUSY;
		if (error)
			plug_failed(&device->plug, problem);
		else
			try_join(helper, device);
	}
	hold_strangers(helper);
}

static void helper_arm(struct plug_device *plug)
{
	struct helper *helper = helper_of(plug->plug);

	if (helper->file.fd >= 0) {
		try_join(helper, of(plug));
		return;
	}
	of(plug)->waiting = true;
	if (!helper->opening)
		plug_ask(plug, OPENER_HELPER, on_opened);
	helper->opening = true;
}

/* ---- leaving ----------------------------------------------------------------------------------- */

/* The line goes with the last of our devices: whoever else wants it may have it. */
static void helper_close(struct plug_device *plug)
{
	struct helper *helper = helper_of(plug->plug);
	bool needed = false;

	of(plug)->waiting = false;
	if (plug->state == PLUG_ARMED)
		helper_unit_reset(helper, unit_of(helper, of(plug)));
	for (uint8_t d = 0; d < helper->plug.config->n_devices; d++)
		needed |= d != plug->index &&
			  (helper->device[d].waiting || helper->device[d].plug.state == PLUG_ARMED);
	if (!needed)
		file_close(&helper->file);
}

/* Has the device left since it joined, or left and come again? */
static bool has_left(const struct helper *helper, struct helper_device *device)
{
	struct ptirq_uio_page_device entry;
	struct ptirq_uio_info info;

	if (!find(helper, device, &info))
		return true;
	return helper_line_entry(helper->file.page, device->nr, &entry) &&
	       life(&entry) != device->life;
}

/* EPOLLPRI, which looking ends; or EPOLLHUP, and then no device is there any more. */
static void on_members(uv_poll_t *poll, int status, int events)
{
	struct helper *helper = ((struct helper_watch *)poll->data)->helper;
	char problem[LIMIT_TEXT];

	(void)status;
	(void)events;
	for (uint8_t d = 0; d < helper->plug.config->n_devices && helper->file.fd >= 0; d++) {
		struct helper_device *device = &helper->device[d];

		if (device->plug.state != PLUG_ARMED)
			continue;
		if (has_left(helper, device))
			plug_unplugged(&device->plug);
		else if (!as_configured(helper, device, problem))
			plug_lose(&device->plug, problem);
	}
	hold_strangers(helper);
	plug_tell(&helper->plug);
	plug_arrival(&helper->plug);
}

static void helper_freed(struct plug *plug)
{
	free(plug->source);
}

const struct plug_ops helper_plug_ops = {.arm = helper_arm,
					 .close = helper_close,
					 .freed = helper_freed};
