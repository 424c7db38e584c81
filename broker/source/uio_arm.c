/* SPDX-License-Identifier: MIT */
/*
 * How the devices of a UIO line come and go: locked and opened through the opener, told to the
 * executor, lost when they are unplugged, and tried again when something is plugged in. Owns the
 * watches of the nodes and of the hot-plug events. Must not know masks or rounds.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/fd_watch.h"
#include "broker/log.h"
#include "broker/source/uevent.h"
#include "broker/source/uio_device.h"

/* After a plug, until the driver is bound and udev has made the node and set its mode: 20 ms, doubled
 * for about 10 s in all. */
#define RETRY_FIRST_MS 20
#define RETRY_LAST_MS  5000

/* Outlives an unplug by one turn of the loop: libuv closes in its own time. */
struct uio_watch {
	uv_poll_t poll;
	struct uio_device *device;
};

static void arm_absent(struct uio *uio);

/* ---- telling the executor ---------------------------------------------------------------------- */

static uint8_t n_armed(const struct uio *uio)
{
	uint8_t n = 0;

	for (uint8_t d = 0; d < uio->config->n_devices; d++)
		n += uio->device[d].state == UIO_ARMED;
	return n;
}

/*
 * The line is up as long as one device is. What is said of each unit is said after up(), and once:
 * a problem that changes is told again.
 */
static void tell(struct uio *uio)
{
	const struct source_events *events = uio->source.events;
	void *user = uio->source.user;
	bool was_up = uio->up;
	char problem[LIMIT_TEXT];

	if (!uio->started)
		return;
	uio->up = n_armed(uio) > 0;
	if (!uio->up) {
		bool news = was_up;

		uio_problem(&uio->source, problem);
		for (uint8_t d = 0; d < uio->config->n_devices; d++) {
			news |= uio->device[d].news;
			uio->device[d].news = false;
		}
		if (news)
			events->gone(user, problem);
		return;
	}
	if (!was_up)
		events->up(user);
	for (uint8_t d = 0; d < uio->config->n_devices; d++) {
		struct uio_device *device = &uio->device[d];
		bool armed = device->state == UIO_ARMED;

		if (armed && was_up && device->news)
			events->unit_up(user, d);
		else if (!armed && (!was_up || device->news))
			events->unit_gone(user, d, device->problem);
		device->news = false;
	}
}

static void absent(struct uio_device *device, const char *problem)
{
	if (device->state == UIO_ARMED || strcmp(device->problem, problem) != 0) {
		snprintf(device->problem, sizeof(device->problem), "%s", problem);
		device->news = true;
	}
	device->state = UIO_ABSENT;
}

/* ---- leaving ----------------------------------------------------------------------------------- */

static void on_watch_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void close_device(struct uio_device *device)
{
	if (device->watch) {
		device->watch->device = NULL;
		uv_close((uv_handle_t *)&device->watch->poll, on_watch_closed);
		device->watch = NULL;
	}
	if (device->fd >= 0)
		close(device->fd);
	device->fd = -1;
	pci_intx_close(&device->intx);
}

/* Everything of it is closed at once, so that the kernel can let go of it (T27). */
static void lose(struct uio_device *device)
{
	char problem[LIMIT_TEXT];

	device->lost = false;
	if (device->state != UIO_ARMED)
		return;
	close_device(device);
	snprintf(problem, sizeof(problem),
		 "%s was unplugged or its driver unbound: it is taken up again when it is back",
		 device->info.location);
	absent(device, problem);
}

static void on_idle(uv_idle_t *idle)
{
	struct uio *uio = idle->data;

	uv_idle_stop(idle);
	for (uint8_t d = 0; d < uio->config->n_devices; d++)
		if (uio->device[d].lost)
			lose(&uio->device[d]);
	tell(uio);
}

void uio_lost_later(struct uio_device *device)
{
	device->lost = true;
	uv_idle_start(&device->uio->idle, on_idle);
}

static void on_node(uv_poll_t *poll, int status, int events)
{
	struct uio_watch *watch = poll->data;
	struct uio_device *device = watch->device;
	struct uio *uio = device->uio;
	uint32_t count;
	ssize_t n;

	(void)events;
	/* libuv ends the watch at POLLERR, which is what an unplugged node gives; read() says EIO. */
	n = status < 0 ? -1 : read(device->fd, &count, sizeof(count));
	if (n == sizeof(count)) {
		uio_fire(device);
	} else if (status < 0 || n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		lose(device);
		tell(uio);
	}
}

/* ---- coming ------------------------------------------------------------------------------------ */

static void on_retry(uv_timer_t *timer)
{
	arm_absent(timer->data);
}

/* An attempt has ended. After the last one, tell, and perhaps try again. */
static void attempt_ended(struct uio *uio)
{
	if (--uio->busy)
		return;
	uio->started = true;
	tell(uio);
	if (uio->retry_ms && n_armed(uio) < uio->config->n_devices) {
		uv_timer_start(&uio->retry, on_retry, uio->retry_ms, 0);
		uio->retry_ms = uio->retry_ms < RETRY_LAST_MS ? uio->retry_ms * 2 : 0;
	}
}

static void failed(struct uio_device *device, const char *problem)
{
	close_device(device);
	absent(device, problem);
	attempt_ended(device->uio);
}

/* Both fds are there. From here on it is masked, until somebody unmasks it. */
static void arm(struct uio_device *device)
{
	uv_loop_t *loop = device->uio->idle.loop;
	struct uio_watch *watch = calloc(1, sizeof(*watch));
	char problem[LIMIT_TEXT];
	int error;

	device->state = UIO_ARMED;
	device->masked = true;
	device->held = false;
	device->level = -1;
	error = watch ? uio_apply_mask(device) : -ENOMEM;
	if (!error)
		error = uv_poll_init(loop, &watch->poll, device->fd);
	if (error) {
		free(watch);
	} else {
		watch->device = device;
		watch->poll.data = watch;
		device->watch = watch;
		error = fd_watch(&watch->poll, UV_READABLE, on_node);
	}
	if (error) {
		device->state = UIO_ARMING;
		if (error == -ENOSYS)
			snprintf(problem, sizeof(problem),
				 "%s: its driver %s has no irqcontrol, so nobody could unmask it; "
				 "use a driver that has, or uio_pci_generic",
				 device->info.uio, device->info.driver);
		else if (error == -EIO)
			snprintf(problem, sizeof(problem),
				 "%s (%s) has no interrupt: its driver registered none",
				 device->info.uio, device->info.driver);
		else
			snprintf(problem, sizeof(problem), "%s cannot be masked: %s",
				 device->info.location, strerror(-error));
		failed(device, problem);
		return;
	}
	device->problem[0] = 0;
	device->news = true;
	attempt_ended(device->uio);
}

static void ask(struct uio_device *device, enum opener_verb verb,
		void (*done)(void *user, const struct opener_reply *reply, int fd))
{
	struct opener_request request = {.verb = (uint8_t)verb};

	memcpy(request.line, device->uio->config->name, sizeof(request.line));
	memcpy(request.device, device->config->name, sizeof(request.device));
	opener_ask(device->uio->opener, &request, done, device);
}

static void on_config(void *user, const struct opener_reply *reply, int fd)
{
	struct uio_device *device = user;
	int error;

	if (reply->error) {
		failed(device, reply->text);
		return;
	}
	error = pci_intx_open(&device->intx, fd);
	if (error) {
		close(fd);
		failed(device, "its config space does not answer: is it powered?");
		return;
	}
	arm(device);
}

static void on_opened(void *user, const struct opener_reply *reply, int fd)
{
	struct uio_device *device = user;

	if (reply->error) {
		failed(device, reply->text);
		return;
	}
	device->info = reply->device;
	device->fd = fd;
	if (device->info.pci)
		ask(device, OPENER_PCI_CONFIG, on_config);
	else
		arm(device);
}

static void on_locked(void *user, const struct opener_reply *reply, int fd)
{
	struct uio_device *device = user;

	if (reply->error) {
		failed(device, reply->text);
		return;
	}
	device->lock = fd;
	ask(device, OPENER_UIO, on_opened);
}

static void unlock(struct uio_device *device)
{
	if (device->lock >= 0)
		close(device->lock);
	device->lock = -1;
}

static void arm_absent(struct uio *uio)
{
	uv_timer_stop(&uio->retry);
	if (uio->busy)
		return;
	for (uint8_t d = 0; d < uio->config->n_devices; d++)
		uio->busy += uio->device[d].state == UIO_ABSENT;
	for (uint8_t d = 0; d < uio->config->n_devices; d++) {
		struct uio_device *device = &uio->device[d];

		if (device->state != UIO_ABSENT)
			continue;
		device->state = UIO_ARMING;
		/* T35: of what is there now, which need not be what was there before. */
		unlock(device);
		ask(device, OPENER_LOCK, on_locked);
	}
}

/* ---- hot-plug ---------------------------------------------------------------------------------- */

static void on_uevent(uv_poll_t *poll, int status, int events)
{
	struct uio *uio = poll->data;
	bool arrival = false;
	struct uevent uevent;

	(void)events;
	if (status < 0)
		return;
	while (uevent_next(uio->uevents_fd, &uevent)) {
		arrival |= !uevent.leaving;
		for (uint8_t d = 0; d < uio->config->n_devices; d++) {
			struct uio_device *device = &uio->device[d];

			if (uevent.leaving && (!strcmp(uevent.name, device->info.location) ||
					       !strcmp(uevent.name, device->info.uio)))
				lose(device);
		}
	}
	tell(uio);
	if (arrival && n_armed(uio) < uio->config->n_devices) {
		uio->retry_ms = RETRY_FIRST_MS;
		if (!uio->busy)
			uv_timer_start(&uio->retry, on_retry, RETRY_FIRST_MS, 0);
	}
}

/* Without them the line works, and a device that comes later is found by a reload. */
static void on_uevents(void *user, const struct opener_reply *reply, int fd)
{
	struct uio *uio = user;
	const char *name = uio->config->name;
	int error = reply->error;

	if (!error && !(error = uv_poll_init(uio->idle.loop, &uio->uevents, fd))) {
		uio->uevents_fd = fd;
		uio->handles++;
		uio->uevents.data = uio;
		error = fd_watch(&uio->uevents, UV_READABLE, on_uevent);
	} else if (fd >= 0) {
		close(fd);
	}
	if (error)
		log_warn(&(struct log_about){.line = name},
			 "line %s: %s; after plugging a device in, reload", name,
			 reply->text[0] ? reply->text : strerror(-error));
}

/* ---- life -------------------------------------------------------------------------------------- */

void uio_arm_init(struct uio *uio, uv_loop_t *loop)
{
	uv_idle_init(loop, &uio->idle);
	uv_timer_init(loop, &uio->retry);
	uio->idle.data = uio->retry.data = uio;
	uio->handles = 2;
	uio->uevents_fd = -1;
	uio->retry_ms = RETRY_FIRST_MS;
	for (uint8_t d = 0; d < uio->config->n_devices; d++) {
		uio->device[d] = (struct uio_device){.uio = uio,
						     .config = &uio->config->device[d],
						     .index = d,
						     .masked = true,
						     .fd = -1,
						     .lock = -1,
						     .intx = {.fd = -1}};
	}
}

/* First the events, so that nothing comes between. */
void uio_arm_start(struct source *source)
{
	struct uio *uio = (struct uio *)source;
	struct opener_request request = {.verb = OPENER_UEVENTS};

	opener_ask(uio->opener, &request, on_uevents, uio);
	arm_absent(uio);
}

void uio_arm_rescan(struct source *source)
{
	struct uio *uio = (struct uio *)source;

	uio->retry_ms = RETRY_FIRST_MS;
	arm_absent(uio);
}

static void on_closed(uv_handle_t *handle)
{
	struct uio *uio = handle->data;

	if (--uio->handles == 0)
		free(uio);
}

void uio_arm_free(struct uio *uio)
{
	opener_cancel(uio->opener, uio);
	for (uint8_t d = 0; d < uio->config->n_devices; d++) {
		struct uio_device *device = &uio->device[d];

		opener_cancel(uio->opener, device);
		close_device(device);
		unlock(device);
	}
	uv_close((uv_handle_t *)&uio->idle, on_closed);
	uv_close((uv_handle_t *)&uio->retry, on_closed);
	if (uio->uevents_fd >= 0) {
		uv_close((uv_handle_t *)&uio->uevents, on_closed);
		close(uio->uevents_fd);
	}
}
