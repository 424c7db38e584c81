// SPDX-License-Identifier: MIT
/*
 * A driver with a thread to spare: wait, serve, answer, wait again.
 *
 *	ptirq-broker --sim &
 *	examples/driver_wait --device dev0 --count 3 &
 *	ptirqctl sim assert demo dev0
 */
#include <errno.h>

#include "examples/example.h"

int main(int argc, char **argv)
{
	struct arguments args = arguments(argc, argv);
	struct ptirq_options options = PTIRQ_OPTIONS_INIT;
	struct device device = {.args = &args};
	struct ptirq_irq irq;
	struct ptirq_sub *sub;
	struct ptirq *ptirq;
	unsigned long served = 0, n;
	int r;

	/* NULL: where the broker usually is. The handle is there even if nobody answers, to be asked. */
	if (ptirq_open(&ptirq, NULL) < 0)
		errx(1, "%s", ptirq_error(ptirq));

	/* Only when this device has something to say, as far as the broker can tell. */
	options.device = args.device;
	if (ptirq_subscribe(ptirq, args.line, &options, &sub) < 0)
		errx(1, "%s", ptirq_error(ptirq));

	/* A driver that has its registers from elsewhere (VFIO, /dev/mem) does without this. */
	device.ptirq = ptirq;
	if (device_map(&device, ptirq_epoch(ptirq)) < 0)
		errx(1, "%s", ptirq_error(ptirq));

	/* What asserted before we came is delivered too, so there is nothing to look at first. If the
	 * broker goes away the wait goes on, and comes back with the next one's interrupts. */
	r = ptirq_wait(sub, &irq, -1);
	while (r == 0 || r == -EINTR) {
		/* Stopped and continued, by Ctrl-Z or a debugger: nothing has come, and nothing has failed. */
		if (r == -EINTR) {
			r = ptirq_wait(sub, &irq, -1);
			continue;
		}
		/* First serve, then answer: the line is unmasked on the strength of the answer. */
		n = serve(&device, &irq);
		served += n;
		if (args.count && served >= args.count) {
			ptirq_ack(sub, &irq, PTIRQ_HANDLED);
			break;
		}
		/* Answer and wait in one call: the fastest loop there is. */
		r = ptirq_ack_wait(sub, &irq, n ? PTIRQ_HANDLED : PTIRQ_NOT_MINE, -1);
	}
	if (r < 0)
		warnx("%s", ptirq_error(ptirq));
	printf("served %lu\n", served);

	ptirq_unmap_device(&device.registers);
	/* Ends the subscription too. */
	ptirq_close(ptirq);
	return r < 0;
}
