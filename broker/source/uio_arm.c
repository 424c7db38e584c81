/* SPDX-License-Identifier: MIT */
/*
 * How a UIO device is armed, once it is ours, and let go of. Owns the watches of the nodes. Must not
 * know rounds.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/fd_watch.h"
#include "broker/source/uio_device.h"

/* Outlives an unplug by one turn of the loop: libuv closes in its own time. */
struct uio_watch {
	uv_poll_t poll;
	struct uio_device *device;
};

/* ---- leaving ----------------------------------------------------------------------------------- */

static void on_watch_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void uio_close(struct plug_device *plug)
{
	struct uio_device *device = (struct uio_device *)plug;

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

static void on_node(uv_poll_t *poll, int status, int events)
{
	struct uio_watch *watch = poll->data;
	struct uio_device *device = watch->device;
	uint32_t count;
	ssize_t n;

	(void)events;
	/* libuv ends the watch at POLLERR, which is what an unplugged node gives; read() says EIO. */
	n = status < 0 ? -1 : read(device->fd, &count, sizeof(count));
	if (n == sizeof(count)) {
		uio_fire(device);
	} else if (status < 0 || n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		plug_unplugged(&device->plug);
		plug_tell(device->plug.plug);
	}
}

/* ---- coming ------------------------------------------------------------------------------------ */

/* Both fds are there. From here on it is masked, until somebody unmasks it. */
static void arm(struct uio_device *device)
{
	const struct opener_device *info = &device->plug.info;
	struct uio_watch *watch = calloc(1, sizeof(*watch));
	char problem[LIMIT_TEXT];
	int error;

	device->masked = device->held = true;
	device->level = -1;
	error = watch ? uio_set_mask(device, true) : -ENOMEM;
	if (!error)
		error = uv_poll_init(device->plug.plug->idle.loop, &watch->poll, device->fd);
	if (error) {
		free(watch);
	} else {
		watch->device = device;
		watch->poll.data = watch;
		device->watch = watch;
		error = fd_watch(&watch->poll, UV_READABLE, on_node);
	}
	if (error) {
		if (error == -ENOSYS)
			snprintf(problem, sizeof(problem),
				 "%s: its driver %s has no irqcontrol, so nobody could unmask it; "
				 "use a driver that has, or uio_pci_generic",
				 info->uio, info->driver);
		else if (error == -EIO)
			snprintf(problem, sizeof(problem),
				 "%s (%s) has no interrupt: its driver registered none", info->uio,
				 info->driver);
		else
			snprintf(problem, sizeof(problem), "%s cannot be masked: %s",
				 info->location, strerror(-error));
		plug_failed(&device->plug, problem);
		return;
	}
	plug_armed(&device->plug);
}

static void on_config(void *user, const struct opener_reply *reply, int fd)
{
	struct uio_device *device = user;
	int error;

	if (reply->error) {
		plug_failed(&device->plug, reply->text);
		return;
	}
	error = pci_intx_open(&device->intx, fd);
	if (error) {
		close(fd);
		plug_failed(&device->plug, "its config space does not answer: is it powered?");
		return;
	}
	arm(device);
}

static void on_opened(void *user, const struct opener_reply *reply, int fd)
{
	struct uio_device *device = user;

	if (reply->error) {
		plug_failed(&device->plug, reply->text);
		return;
	}
	device->plug.info = reply->device;
	device->fd = fd;
	if (device->plug.info.pci)
		plug_ask(&device->plug, OPENER_PCI_CONFIG, on_config);
	else
		arm(device);
}

static void uio_arm(struct plug_device *device)
{
	plug_ask(device, OPENER_UIO, on_opened);
}

static void uio_freed(struct plug *plug)
{
	free(plug->source);
}

const struct plug_ops uio_plug_ops = {.arm = uio_arm, .close = uio_close, .freed = uio_freed};
