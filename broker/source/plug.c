/* SPDX-License-Identifier: MIT */
/*
 * How the devices of a line come and go (plug.h). Owns the locks, the hot-plug events and what the
 * executor has been told. Must not open anything, nor know masks or rounds.
 */
#include "broker/source/plug.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "broker/fd_watch.h"
#include "broker/log.h"
#include "broker/source/uevent.h"

/* After a plug, until the driver is bound and udev has made the node and set its mode: 20 ms, doubled
 * for about 10 s in all. What is taken goes on being looked at. */
#define RETRY_FIRST_MS 20
#define RETRY_LAST_MS  5000

static void arm_absent(struct plug *plug);

/* ---- telling the executor ---------------------------------------------------------------------- */

/* One bit each. */
static uint16_t armed(const struct plug *plug)
{
	uint16_t devices = 0;

	for (uint8_t d = 0; d < plug->config->n_devices; d++)
		if (plug->device[d]->state == PLUG_ARMED)
			devices |= (uint16_t)(1u << d);
	return devices;
}

static bool all_armed(const struct plug *plug)
{
	return armed(plug) == (1u << plug->config->n_devices) - 1;
}

/* An earlier device has said it, as it is about what they have in common. */
static bool said(const struct plug *plug, uint8_t device)
{
	for (uint8_t d = 0; d < device; d++)
		if (plug->device[d]->state != PLUG_ARMED &&
		    !strcmp(plug->device[d]->problem, plug->device[device]->problem))
			return true;
	return false;
}

/* A sentence for each; where they do not fit, the names of the rest. */
void plug_problem(const struct plug *plug, char ret[LIMIT_TEXT])
{
	const size_t for_names = LIMIT_TEXT / 4;
	size_t length = 0;
	bool full = false;

	*ret = 0;
	for (uint8_t d = 0; d < plug->config->n_devices; d++) {
		const struct plug_device *device = plug->device[d];
		const char *between = length ? "; " : "";
		const char *text = device->problem;

		if (device->state == PLUG_ARMED || !*text || said(plug, d))
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

/* A unit whose devices come and go begins a new life each time: all its masks are written (A14). */
static void tell_one_unit(struct plug *plug, uint16_t changed)
{
	const char *problem = "";

	for (uint8_t d = 0; d < plug->config->n_devices; d++)
		if (changed & 1u << d && plug->device[d]->state != PLUG_ARMED)
			problem = plug->device[d]->problem;
	plug->source->events->unit_gone(plug->source->user, 0, problem);
	plug->source->events->unit_up(plug->source->user, 0);
}

/* What is said of each unit is said after up(), and once: a problem that changes is told again. */
static void tell_units(struct plug *plug, bool was_up)
{
	const struct source_events *events = plug->source->events;

	for (uint8_t d = 0; d < plug->config->n_devices; d++) {
		struct plug_device *device = plug->device[d];
		bool is_armed = device->state == PLUG_ARMED;

		if (is_armed && was_up && device->news)
			events->unit_up(plug->source->user, d);
		else if (!is_armed && (!was_up || device->news))
			events->unit_gone(plug->source->user, d, device->problem);
	}
}

/* The line is up as long as one device is. */
void plug_tell(struct plug *plug)
{
	uint16_t now = armed(plug), changed = now ^ plug->up;
	bool was_up = plug->up, news = was_up;
	char problem[LIMIT_TEXT];

	if (!plug->started)
		return;
	plug->up = now;
	for (uint8_t d = 0; d < plug->config->n_devices; d++)
		news |= plug->device[d]->news;
	if (now && !was_up)
		plug->source->events->up(plug->source->user);
	if (now && !plug->one_unit) {
		tell_units(plug, was_up);
	} else if (now && was_up && changed) {
		tell_one_unit(plug, changed);
	} else if (!now && news) {
		plug_problem(plug, problem);
		plug->source->events->gone(plug->source->user, problem);
	}
	for (uint8_t d = 0; d < plug->config->n_devices; d++)
		plug->device[d]->news = false;
}

static void absent(struct plug_device *device, const char *problem)
{
	if (device->state == PLUG_ARMED || strcmp(device->problem, problem) != 0) {
		snprintf(device->problem, sizeof(device->problem), "%s", problem);
		device->news = true;
	}
	device->state = PLUG_ABSENT;
}

/* ---- leaving ----------------------------------------------------------------------------------- */

/* Everything of it is closed at once, so that the kernel can let go of it (T27). */
void plug_lose(struct plug_device *device, const char *problem)
{
	device->lost = false;
	if (device->state != PLUG_ARMED)
		return;
	device->plug->ops->close(device);
	absent(device, problem);
}

void plug_unplugged(struct plug_device *device)
{
	char problem[LIMIT_TEXT];

	snprintf(problem, sizeof(problem),
		 "%s was unplugged or its driver unbound: it is taken up again when it is back",
		 device->info.location);
	plug_lose(device, problem);
}

static void on_idle(uv_idle_t *idle)
{
	struct plug *plug = idle->data;

	uv_idle_stop(idle);
	for (uint8_t d = 0; d < plug->config->n_devices; d++)
		if (plug->device[d]->lost)
			plug_unplugged(plug->device[d]);
	plug_tell(plug);
}

void plug_lost_later(struct plug_device *device)
{
	device->lost = true;
	uv_idle_start(&device->plug->idle, on_idle);
}

/* ---- coming ------------------------------------------------------------------------------------ */

static void on_retry(uv_timer_t *timer)
{
	arm_absent(timer->data);
}

static bool any_taken(const struct plug *plug)
{
	for (uint8_t d = 0; d < plug->config->n_devices; d++)
		if (plug->device[d]->state == PLUG_ABSENT && plug->device[d]->taken)
			return true;
	return false;
}

/* An attempt has ended. After the last one, tell, and perhaps try again. */
static void attempt_ended(struct plug *plug)
{
	if (--plug->busy)
		return;
	plug->started = true;
	plug_tell(plug);
	if (plug->retry_ms && !all_armed(plug)) {
		uv_timer_start(&plug->retry, on_retry, plug->retry_ms, 0);
		if (plug->retry_ms < RETRY_LAST_MS)
			plug->retry_ms *= 2;
		else if (!any_taken(plug))
			plug->retry_ms = 0;
	}
}

void plug_failed(struct plug_device *device, const char *problem)
{
	device->plug->ops->close(device);
	absent(device, problem);
	attempt_ended(device->plug);
}

void plug_armed(struct plug_device *device)
{
	device->state = PLUG_ARMED;
	device->problem[0] = 0;
	device->news = true;
	attempt_ended(device->plug);
}

void plug_ask(struct plug_device *device, enum opener_verb verb,
	      void (*done)(void *user, const struct opener_reply *reply, int fd))
{
	struct opener_request request = {.verb = (uint8_t)verb};

	memcpy(request.line, device->plug->config->name, sizeof(request.line));
	memcpy(request.device, device->config->name, sizeof(request.device));
	opener_ask(device->plug->opener, &request, done, device);
}

static void on_locked(void *user, const struct opener_reply *reply, int fd)
{
	struct plug_device *device = user;

	if (reply->error) {
		device->taken = reply->error == -EBUSY;
		plug_failed(device, reply->text);
		return;
	}
	device->lock = fd;
	device->info = reply->device;
	device->plug->ops->arm(device);
}

static void unlock(struct plug_device *device)
{
	if (device->lock >= 0)
		close(device->lock);
	device->lock = -1;
}

static void arm_absent(struct plug *plug)
{
	uv_timer_stop(&plug->retry);
	if (plug->busy)
		return;
	for (uint8_t d = 0; d < plug->config->n_devices; d++)
		plug->busy += plug->device[d]->state == PLUG_ABSENT;
	for (uint8_t d = 0; d < plug->config->n_devices; d++) {
		struct plug_device *device = plug->device[d];

		if (device->state != PLUG_ABSENT)
			continue;
		device->state = PLUG_ARMING;
		device->taken = false;
		/* T35: of what is there now, which need not be what was there before. */
		unlock(device);
		plug_ask(device, OPENER_LOCK, on_locked);
	}
}

/* ---- hot-plug ---------------------------------------------------------------------------------- */

void plug_arrival(struct plug *plug)
{
	if (all_armed(plug))
		return;
	plug->retry_ms = RETRY_FIRST_MS;
	if (!plug->busy)
		uv_timer_start(&plug->retry, on_retry, RETRY_FIRST_MS, 0);
}

static void on_uevent(uv_poll_t *poll, int status, int events)
{
	struct plug *plug = poll->data;
	bool arrival = false;
	struct uevent uevent;

	(void)events;
	if (status < 0)
		return;
	while (uevent_next(plug->uevents_fd, &uevent)) {
		arrival |= !uevent.leaving;
		for (uint8_t d = 0; d < plug->config->n_devices; d++) {
			struct plug_device *device = plug->device[d];

			if (uevent.leaving && (!strcmp(uevent.name, device->info.location) ||
					       !strcmp(uevent.name, device->info.uio)))
				plug_unplugged(device);
		}
	}
	plug_tell(plug);
	if (arrival)
		plug_arrival(plug);
}

/* Without them the line works, and a device that comes later is found by a reload. */
static void on_uevents(void *user, const struct opener_reply *reply, int fd)
{
	struct plug *plug = user;
	const char *name = plug->config->name;
	int error = reply->error;

	if (!error && !(error = uv_poll_init(plug->idle.loop, &plug->uevents, fd))) {
		plug->uevents_fd = fd;
		plug->handles++;
		plug->uevents.data = plug;
		error = fd_watch(&plug->uevents, UV_READABLE, on_uevent);
	} else if (fd >= 0) {
		close(fd);
	}
	if (error)
		log_warn(&(struct log_about){.line = name},
			 "line %s: %s; after plugging a device in, reload", name,
			 reply->text[0] ? reply->text : strerror(-error));
}

/* ---- life -------------------------------------------------------------------------------------- */

void plug_init(struct plug *plug, struct source *source, const struct plug_ops *ops,
	       const struct line_config *config, uv_loop_t *loop, struct opener *opener)
{
	*plug = (struct plug){.source = source,
			      .ops = ops,
			      .config = config,
			      .opener = opener,
			      .handles = 2,
			      .uevents_fd = -1,
			      .retry_ms = RETRY_FIRST_MS};
	uv_idle_init(loop, &plug->idle);
	uv_timer_init(loop, &plug->retry);
	plug->idle.data = plug->retry.data = plug;
}

void plug_device_init(struct plug *plug, struct plug_device *device, uint8_t index)
{
	*device = (struct plug_device){.plug = plug,
				       .config = &plug->config->device[index],
				       .index = index,
				       .lock = -1};
	plug->device[index] = device;
}

/* First the events, so that nothing comes between. */
void plug_start(struct plug *plug)
{
	struct opener_request request = {.verb = OPENER_UEVENTS};

	opener_ask(plug->opener, &request, on_uevents, plug);
	arm_absent(plug);
}

void plug_rescan(struct plug *plug)
{
	plug->retry_ms = RETRY_FIRST_MS;
	arm_absent(plug);
}

static void on_closed(uv_handle_t *handle)
{
	struct plug *plug = handle->data;

	if (--plug->handles == 0)
		plug->ops->freed(plug);
}

void plug_free(struct plug *plug)
{
	plug_grants_free(plug);
	opener_cancel(plug->opener, plug);
	for (uint8_t d = 0; d < plug->config->n_devices; d++) {
		struct plug_device *device = plug->device[d];

		opener_cancel(plug->opener, device);
		plug->ops->close(device);
		device->state = PLUG_ABSENT;
		unlock(device);
	}
	uv_close((uv_handle_t *)&plug->idle, on_closed);
	uv_close((uv_handle_t *)&plug->retry, on_closed);
	if (plug->uevents_fd >= 0) {
		uv_close((uv_handle_t *)&plug->uevents, on_closed);
		close(plug->uevents_fd);
	}
}
