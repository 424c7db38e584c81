// SPDX-License-Identifier: MIT
/*
 * A driver inside a libuv program. The library's fd is one uv_poll among the program's others.
 *
 *	ptirq-broker --sim &
 *	examples/loop_uv --device dev2 --count 3 &
 *	ptirqctl sim assert demo dev2
 */
#include <errno.h>
#include <uv.h>

#include "examples/example.h"

struct driver {
	uv_poll_t poll;
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

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct driver *driver = poll->data;
	int r = ptirq_dispatch(driver->ptirq);

	(void)status;
	(void)events;
	if ((r < 0 && r != -ENOTCONN) || ptirq_evicted(driver->sub))
		errx(1, "%s", ptirq_error(driver->ptirq));
	/* Nothing else is in this loop, so it ends. */
	if (driver->count && driver->served >= driver->count)
		uv_close((uv_handle_t *)poll, NULL);
}

int main(int argc, char **argv)
{
	struct arguments args = arguments(argc, argv);
	struct ptirq_options options = PTIRQ_OPTIONS_INIT;
	struct driver driver = {.count = args.count, .device.args = &args};
	uv_loop_t loop;

	if (ptirq_open(&driver.ptirq, NULL) < 0)
		errx(1, "%s", ptirq_error(driver.ptirq));
	options.device = args.device;
	driver.device.ptirq = driver.ptirq;
	if (device_map(&driver.device, ptirq_epoch(driver.ptirq)) < 0 ||
	    ptirq_subscribe(driver.ptirq, args.line, &options, &driver.sub) < 0 ||
	    ptirq_set_handler(driver.sub, handle, &driver) < 0)
		errx(1, "%s", ptirq_error(driver.ptirq));

	/* The fd never changes, not even over restarts of the broker: set up once. */
	uv_loop_init(&loop);
	uv_poll_init(&loop, &driver.poll, ptirq_get_fd(driver.ptirq));
	driver.poll.data = &driver;
	uv_poll_start(&driver.poll, UV_READABLE, on_readable);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	printf("served %lu\n", driver.served);

	ptirq_unmap_device(&driver.device.registers);
	ptirq_close(driver.ptirq);
	return 0;
}
