// SPDX-License-Identifier: MIT
/*
 * A driver with a handler, and poll() for a loop: what to do if there are other things to wait for.
 *
 *	ptirq-broker --sim &
 *	examples/driver_handler --device dev1 --count 3 &
 *	ptirqctl sim assert demo dev1
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "examples/example.h"

struct driver {
	struct device device;
	unsigned long served;
};

/* From ptirq_dispatch(), once for each interrupt; what it returns is the answer. */
static enum ptirq_verdict handle(struct ptirq_sub *sub, const struct ptirq_irq *irq, void *userdata)
{
	struct driver *driver = userdata;
	unsigned long n = serve(&driver->device, irq);

	(void)sub;
	driver->served += n;
	return n ? PTIRQ_HANDLED : PTIRQ_NOT_MINE;
}

int main(int argc, char **argv)
{
	struct arguments args = arguments(argc, argv);
	struct ptirq_options options = PTIRQ_OPTIONS_INIT;
	struct driver driver = {.device.args = &args};
	struct ptirq_sub *sub;
	struct ptirq *ptirq;
	struct pollfd pfd;
	int r = 0;

	if (ptirq_open(&ptirq, NULL) < 0)
		errx(1, "%s", ptirq_error(ptirq));
	options.device = args.device;
	driver.device.ptirq = ptirq;
	if (device_map(&driver.device, ptirq_epoch(ptirq)) < 0 ||
	    ptirq_subscribe(ptirq, args.line, &options, &sub) < 0 ||
	    ptirq_set_handler(sub, handle, &driver) < 0)
		errx(1, "%s", ptirq_error(ptirq));

	/* One fd for everything that the library waits for, and always the same. */
	pfd = (struct pollfd){.fd = ptirq_get_fd(ptirq), .events = POLLIN};
	while (!args.count || driver.served < args.count) {
		if (poll(&pfd, 1, -1) < 0 && errno != EINTR)
			err(1, "poll");
		r = ptirq_dispatch(ptirq);
		/* No broker at the moment: the library tries again by itself, from dispatch. */
		if ((r < 0 && r != -ENOTCONN) || ptirq_evicted(sub))
			errx(1, "%s", ptirq_error(ptirq));
	}
	printf("served %lu\n", driver.served);

	ptirq_unmap_device(&driver.device.registers);
	ptirq_close(ptirq);
	return 0;
}
