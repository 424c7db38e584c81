/* SPDX-License-Identifier: MIT */
/*
 * What is not about ptirq in the examples: their arguments, and a device to drive.
 *
 * The device is a soft one, as `ptirq-broker --sim` has them: one register, at offset 0 of the region
 * that ptirq_map_device() gives, whose bits assert the line until they are cleared. A real device's
 * registers stay where they are; a soft one's are the broker's, so another broker's are others.
 */
#ifndef PTIRQ_EXAMPLE_H
#define PTIRQ_EXAMPLE_H

#include <err.h>
#include <getopt.h>
#include <ptirq.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct arguments {
	const char *line;
	const char *device;
	unsigned long count; /* bits to serve before it ends; 0: never */
};

static inline struct arguments arguments(int argc, char **argv)
{
	static const struct option options[] = {
		{"line", required_argument, NULL, 'l'},
		{"device", required_argument, NULL, 'd'},
		{"count", required_argument, NULL, 'n'},
		{0},
	};
	struct arguments a = {.line = "demo", .device = "dev0"};
	bool wrong = false;
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "l:d:n:", options, NULL)) != -1)
		switch (c) {
		case 'l': a.line = optarg; break;
		case 'd': a.device = optarg; break;
		case 'n':
			a.count = strtoul(optarg, &end, 10);
			wrong = wrong || *end;
			break;
		default: wrong = true; break;
		}
	if (wrong || optind < argc) {
		fprintf(stderr, "usage: %s [--line NAME] [--device NAME] [--count N]\n", argv[0]);
		exit(2);
	}
	return a;
}

struct device {
	struct ptirq *ptirq;
	const struct arguments *args;
	struct ptirq_map registers;
	uint64_t epoch; /* the broker's life whose registers they are */
};

static inline int device_map(struct device *device, uint64_t epoch)
{
	struct ptirq_map registers;
	int r = ptirq_map_device(device->ptirq, device->args->line, device->args->device, 0,
				 &registers);

	if (r < 0)
		return r;
	ptirq_unmap_device(&device->registers);
	device->registers = registers;
	device->epoch = epoch;
	return 0;
}

/*
 * Serve the device: the number of bits that asserted. They are cleared as they are counted, so the
 * level is down when this returns, unless something new has come: then it fires again.
 */
static inline unsigned long serve(struct device *device, const struct ptirq_irq *irq)
{
	_Atomic uint32_t *status;

	if (irq->epoch != device->epoch && device_map(device, irq->epoch) < 0)
		return 0;
	status = device->registers.addr;
	return (unsigned long)__builtin_popcount(atomic_exchange(status, 0));
}

#endif
