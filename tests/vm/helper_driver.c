// SPDX-License-Identifier: MIT
/*
 * Serves the edu devices of one line of the kernel helper, as a broker with drivers in it would.
 *
 *	helper_driver LINE [--each] [--direct] [--deaf] --log FILE ADDRESS...
 *
 * Holds LINE (/dev/ptirq/lineN). Is told by one trigger for the line, or with --each by one per
 * device. The log is the raiser's: "ID BIT N", with ID the position of ADDRESS (a PCI address). A
 * device that comes to the line is served from then on; one that goes is forgotten. A line that is
 * one unit is served as a whole. With --deaf it looks at no trigger: what fires stays deferred. With
 * --direct it serves as one who knows nothing of the line: told by the device's notify list,
 * acknowledges by the resample eventfd of its unit.
 *
 * Prints "ready" when the line is held and unmasked. Ends at SIGTERM with status 0 and the counts;
 * with status 3 when the line has gone, after trying that every request fails and the page can
 * still be read.
 */
#include <err.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include "tests/vm/edu.h"
#include "tests/vm/helper.h"

enum {
	MAX_DEVICES = 8,
	GONE = 3, /* exit status */
};

struct device {
	const char *address;
	struct edu edu;
	bool present;
	uint32_t nr;
	int trigger;
	int resample;
};

struct driver {
	int line;
	const struct ptirq_uio_page *page;
	struct device devices[MAX_DEVICES];
	unsigned int n;
	bool each;
	bool direct;
	bool deaf;
	bool one_unit;
	int signals;
	FILE *log;
	unsigned long served;
	unsigned long acks;
	unsigned long stale;
	unsigned long members;
};

/*
 * A device goes between any two calls: it is found absent the next time. So does the line's being
 * one unit, or not.
 */
static bool went(int ret)
{
	return ret == -ENODEV || ret == -EOPNOTSUPP;
}

static uint32_t unit_of(const struct driver *d, const struct device *device)
{
	return d->one_unit ? PTIRQ_UIO_LINE : device->nr;
}

static void check(const struct device *device, const char *request, int ret)
{
	if (ret < 0 && !went(ret))
		errx(1, "%s %s: %s", request, device->address, strerror(-ret));
}

/* A unit has one. */
static int resample_of(const struct driver *d, const struct device *device)
{
	return d->one_unit ? d->devices[0].resample : device->resample;
}

static void set_up(struct driver *d, struct device *device)
{
	if (d->direct) {
		check(device, "SET_NOTIFY",
		      helper_notify(d->line, device->nr, &device->trigger, 1));
		check(device, "SET_RESAMPLE",
		      helper_resample(d->line, unit_of(d, device), resample_of(d, device)));
	} else {
		check(device, "SET_TRIGGER",
		      helper_trigger(d->line, d->each ? device->nr : PTIRQ_UIO_LINE,
				     device->trigger));
	}
	check(device, "UNMASK", helper_unmask(d->line, unit_of(d, device)));
}

static void came(struct driver *d, struct device *device, uint32_t nr)
{
	char path[128];
	int ret;

	if (device->present && device->nr == nr)
		return;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", device->address);
	edu_close(&device->edu);
	ret = edu_open(path, &device->edu);
	if (ret < 0)
		errx(1, "%s: %s", path, strerror(-ret));
	device->present = true;
	device->nr = nr;
	set_up(d, device);
}

/* Which devices are on the line. */
static void look(struct driver *d)
{
	bool seen[MAX_DEVICES] = {false};
	struct ptirq_uio_info line, info;
	unsigned int i;
	uint32_t nr;

	d->members++;
	if (helper_info(d->line, PTIRQ_UIO_LINE, &line) < 0)
		err(1, "GET_INFO");
	if (d->one_unit != !!(line.caps & PTIRQ_UIO_ONE_UNIT)) {
		/* All is masked, as if it had just come. */
		d->one_unit = !d->one_unit;
		for (i = 0; i < d->n; i++)
			d->devices[i].present = false;
	}
	for (nr = 0; nr < PTIRQ_UIO_MAX_DEVICES; nr++) {
		if (!(line.devices & 1u << nr) || helper_info(d->line, nr, &info) < 0)
			continue;
		for (i = 0; i < d->n; i++) {
			if (strcmp(info.name, d->devices[i].address) == 0) {
				came(d, &d->devices[i], nr);
				seen[i] = true;
			}
		}
	}
	for (i = 0; i < d->n; i++)
		d->devices[i].present = seen[i];
}

static void serve_device(struct driver *d, unsigned int id)
{
	unsigned int bit;
	uint32_t n;

	for (bit = 0; bit < EDU_FUNCTIONS; bit++) {
		if (!edu_pending(&d->devices[id].edu, bit, &n))
			continue;
		fprintf(d->log, "%u %u %" PRIu32 "\n", id, bit, n);
		fflush(d->log); /* it may be killed at any moment */
		edu_ack(&d->devices[id].edu, bit);
		d->served++;
	}
}

/* The device's unit, if it is deferred: which of them it was on a line that is one is not known. */
static void serve(struct driver *d, unsigned int id)
{
	struct device *device = &d->devices[id];
	struct ptirq_uio_page_device entry;
	const uint64_t one = 1;
	unsigned int i;
	int ret;

	if (!device->present)
		return;
	entry = helper_device(d->page, d->one_unit ? PTIRQ_UIO_MAX_DEVICES : device->nr);
	if (entry.state != PTIRQ_UIO_DEFERRED && !d->direct)
		return;
	for (i = 0; i < d->n; i++) {
		if (i == id || (d->one_unit && d->devices[i].present))
			serve_device(d, i);
	}
	if (d->direct) {
		if (write(resample_of(d, device), &one, sizeof(one)) != sizeof(one))
			err(1, "resample");
		d->acks++;
		return;
	}
	ret = helper_ack(d->line, unit_of(d, device), entry.generation, 0);
	if (ret == -ESTALE)
		d->stale++;
	else if (ret == 0)
		d->acks++;
	else if (!went(ret))
		errx(1, "ACK %s: %s", device->address, strerror(-ret));
}

/* The line has gone under us. */
static void gone(struct driver *d)
{
	struct ptirq_uio_sample sample;

	if (helper_ack(d->line, 0, 1, 0) != -ENODEV || helper_mask(d->line, 0) != -ENODEV ||
	    helper_unmask(d->line, PTIRQ_UIO_LINE) != -ENODEV ||
	    helper_trigger(d->line, PTIRQ_UIO_LINE, -1) != -ENODEV ||
	    helper_sample(d->line, &sample) != -ENODEV)
		errx(1, "a request succeeded on a line that has gone");
	if (helper_device(d->page, 0).state != PTIRQ_UIO_ABSENT)
		errx(1, "the page shows a device on a line that has gone");
}

static int run(struct driver *d)
{
	struct pollfd fds[2 + MAX_DEVICES] = {{.fd = d->signals, .events = POLLIN},
					      {.fd = d->line, .events = POLLPRI}};
	uint64_t count;
	unsigned int i;

	for (i = 0; i < d->n; i++)
		fds[2 + i] = (struct pollfd){.fd = d->deaf || (i > 0 && !d->each)
							   ? -1
							   : d->devices[i].trigger,
					     .events = POLLIN};
	for (;;) {
		if (poll(fds, 2 + d->n, -1) < 0)
			err(1, "poll");
		if (fds[0].revents)
			return 0;
		if (fds[1].revents & POLLHUP) {
			gone(d);
			return GONE;
		}
		if (fds[1].revents)
			look(d);
		for (i = 0; i < d->n; i++) {
			if (fds[2 + i].revents &&
			    read(fds[2 + i].fd, &count, sizeof(count)) != sizeof(count))
				err(1, "trigger");
			/* The line's trigger, which is that of the first, tells of all. */
			if (fds[d->each ? 2 + i : 2].revents)
				serve(d, i);
		}
	}
}

static int signal_fd(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		err(2, "signalfd");
	return fd;
}

static void parse(struct driver *d, int argc, char **argv)
{
	static const struct option options[] = {
		{"each", no_argument, NULL, 'e'},
		{"direct", no_argument, NULL, 'D'},
		{"deaf", no_argument, NULL, 'd'},
		{"log", required_argument, NULL, 'l'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'e': d->each = true; break;
		case 'D': d->direct = d->each = true; break;
		case 'd': d->deaf = true; break;
		case 'l': d->log = fopen(optarg, "ae"); break;
		default: exit(2);
		}
	}
	if (!d->log || argc - optind < 2 || argc - optind > 1 + MAX_DEVICES)
		errx(2, "usage: helper_driver LINE [--each] [--direct] [--deaf] --log FILE "
			"ADDRESS...");
	d->line = open(argv[optind], O_RDWR | O_CLOEXEC);
	if (d->line < 0)
		err(2, "%s", argv[optind]);
	while (++optind < argc)
		d->devices[d->n++].address = argv[optind];
}

int main(int argc, char **argv)
{
	struct driver d = {.line = -1};
	unsigned int i;
	int ret;

	parse(&d, argc, argv);
	d.signals = signal_fd();
	d.page = helper_page(d.line);
	if (d.page == MAP_FAILED)
		err(1, "mmap");
	for (i = 0; i < d.n; i++) {
		d.devices[i].resample = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		d.devices[i].trigger = i > 0 && !d.each ? d.devices[0].trigger
							: eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	look(&d);
	puts("ready");
	fflush(stdout);
	ret = run(&d);
	printf("served=%lu acks=%lu stale=%lu looks=%lu calls=%" PRIu64 " claimed=%" PRIu64 "\n",
	       d.served, d.acks, d.stale, d.members, (uint64_t)d.page->calls,
	       (uint64_t)d.page->claimed);
	fclose(d.log);
	return ret;
}
