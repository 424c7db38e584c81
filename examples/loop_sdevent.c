// SPDX-License-Identifier: MIT
/*
 * A driver inside an sd-event program, such as a systemd service.
 *
 *	ptirq-broker --sim &
 *	examples/loop_sdevent --device dev0 --count 3 &
 *	ptirqctl sim assert demo dev0
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>

#include "examples/example.h"

struct driver {
	sd_event *event;
	struct ptirq *ptirq;
	struct ptirq_sub *sub;
	struct device device;
	unsigned long served, count;
};

static enum ptirq_verdict handle(struct ptirq_sub *sub, const struct ptirq_irq *irq, void *userdata)
{
	struct driver *driver = userdata;
	unsigned long n = serve(&driver->device, irq);

	(void)sub;
	driver->served += n;
	return n ? PTIRQ_HANDLED : PTIRQ_NOT_MINE;
}

static int on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct driver *driver = userdata;
	int r = ptirq_dispatch(driver->ptirq);

	(void)source;
	(void)fd;
	(void)revents;
	if ((r < 0 && r != -ENOTCONN) || ptirq_evicted(driver->sub))
		errx(1, "%s", ptirq_error(driver->ptirq));
	if (driver->count && driver->served >= driver->count)
		return sd_event_exit(driver->event, 0);
	return 0;
}

int main(int argc, char **argv)
{
	struct arguments args = arguments(argc, argv);
	struct ptirq_options options = PTIRQ_OPTIONS_INIT;
	struct driver driver = {.count = args.count, .device.args = &args};
	sd_event_source *source = NULL;
	int r;

	if (ptirq_open(&driver.ptirq, NULL) < 0)
		errx(1, "%s", ptirq_error(driver.ptirq));
	options.device = args.device;
	driver.device.ptirq = driver.ptirq;
	if (device_map(&driver.device, ptirq_epoch(driver.ptirq)) < 0 ||
	    ptirq_subscribe(driver.ptirq, args.line, &options, &driver.sub) < 0 ||
	    ptirq_set_handler(driver.sub, handle, &driver) < 0)
		errx(1, "%s", ptirq_error(driver.ptirq));

	r = sd_event_default(&driver.event);
	if (r >= 0)
		r = sd_event_add_io(driver.event, &source, ptirq_get_fd(driver.ptirq), EPOLLIN,
				    on_readable, &driver);
	/* Interrupts before everything else that the program does. */
	if (r >= 0)
		r = sd_event_source_set_priority(source, SD_EVENT_PRIORITY_IMPORTANT);
	if (r >= 0)
		r = sd_event_loop(driver.event);
	if (r < 0)
		errx(1, "sd-event: %s", strerror(-r));
	printf("served %lu\n", driver.served);

	sd_event_source_unref(source);
	sd_event_unref(driver.event);
	ptirq_unmap_device(&driver.device.registers);
	ptirq_close(driver.ptirq);
	return 0;
}
