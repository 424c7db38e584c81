// SPDX-License-Identifier: MIT
/*
 * From the write to a register of an edu device that raises its interrupt to the return of the read()
 * that tells its driver, and to the point where the device can fire again:
 *
 *	helper_latency uio|direct|notify|brokered|brokered-notify|brokered-direct [--list]
 *		        [--device-mask] [--no-trigger] [--samples N] {NODE ADDRESS}...
 *
 *	uio     the driver reads the UIO node of uio_pci_generic, clears DisINTx with one byte
 *	direct  the driver reads a trigger of the kernel helper and writes a resample eventfd
 *	notify  the driver reads an eventfd of a notify list; the holder, told by the trigger and then
 *	        by the driver, acknowledges
 *	brokered, brokered-notify, brokered-direct
 *	        the driver has libptirq, on one of the paths of the broker that runs
 *
 * ADDRESS is a PCI address, NODE its /dev/uioN, its line of the helper, or its name on the broker's
 * line "intx". With more than one, each
 * device has a driver, and they are raised in random order, one at a time; with --list all drivers are
 * in the one list of the line, so that each is told of every interrupt. --device-mask keeps the helper
 * from masking at the interrupt controller, --no-trigger from telling the holder.
 *
 * Raiser, drivers and holder share processor 0, and the interrupt should too: what is compared is
 * work, not how fast a sleeping one wakes up. Drivers and holder have real-time priority.
 *
 * Prints one line of percentiles in ns: "MODE oneway P10 P50 P90 loop P10 P50 P90"; no loop with the
 * broker, which tells nobody when it is armed again.
 */
#include <err.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>

#include "client-lib/include/ptirq.h"
#include "tests/vm/edu.h"
#include "tests/vm/helper.h"

enum {
	MAX_DEVICES = 3,
	WARM_UP = 50,
	COMMAND_HIGH = 5, /* of config space: the byte that DisINTx is in */
	INTX_DISABLE_HIGH = 1 << 2,
};

enum mode { UIO, DIRECT, NOTIFY, BROKERED, BROKERED_NOTIFY, BROKERED_DIRECT };
#define N_MODES (BROKERED_DIRECT + 1)
static const char *const mode_names[] = {"uio",      "direct",          "notify",
					 "brokered", "brokered-notify", "brokered-direct"};
static const uint32_t path_flags[N_MODES] = {
	[BROKERED_NOTIFY] = PTIRQ_OPT_NOTIFY,
	[BROKERED_DIRECT] = PTIRQ_OPT_DIRECT,
};
static const enum ptirq_path paths[N_MODES] = {
	[BROKERED_NOTIFY] = PTIRQ_PATH_NOTIFY,
	[BROKERED_DIRECT] = PTIRQ_PATH_DIRECT,
};

struct driver {
	const char *node;
	const char *address;
	struct edu edu;
	int config;
	int told; /* uio, trigger or notify */
	int resample;
	uint32_t nr;
	struct ptirq *ptirq;
	struct ptirq_sub *sub;
	pthread_t thread;
};

static struct bench {
	enum mode mode;
	bool list;
	bool device_mask;
	bool no_trigger;
	unsigned int samples;
	unsigned int n;
	struct driver drivers[MAX_DEVICES];
	int line;
	const struct ptirq_uio_page *page;
	int trigger; /* the holder's */
	int verdict; /* from drivers to the holder */
	int done;
	_Atomic uint64_t raised_at;
	_Atomic uint64_t told_at;
	_Atomic uint64_t armed_at;
} b;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

static void signal_event(int fd)
{
	const uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		err(1, "eventfd");
}

static void await_event(int fd)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) != sizeof(n))
		err(1, "eventfd");
}

static void check(const char *request, int ret)
{
	if (ret < 0)
		errx(1, "%s: %s", request, strerror(-ret));
}

static void armed(void)
{
	b.armed_at = now_ns();
	signal_event(b.done);
}

static void enable_by_config(const struct driver *d)
{
	uint8_t command;

	if (pread(d->config, &command, 1, COMMAND_HIGH) != 1)
		err(1, "config");
	command &= ~INTX_DISABLE_HIGH;
	if (pwrite(d->config, &command, 1, COMMAND_HIGH) != 1)
		err(1, "config");
}

static void *drive(void *data)
{
	struct driver *d = data;
	uint32_t interrupts;

	for (;;) {
		struct ptirq_irq irq;
		uint64_t told;

		if (b.mode == UIO) {
			if (read(d->told, &interrupts, sizeof(interrupts)) != sizeof(interrupts))
				err(1, "uio");
		} else if (d->sub) {
			if (ptirq_wait(d->sub, &irq, -1))
				errx(1, "%s", ptirq_error(d->ptirq));
		} else {
			await_event(d->told);
		}
		told = now_ns();
		if (!edu_asserts(&d->edu, 0)) /* another's, of the same list */
			continue;
		b.told_at = told;
		edu_ack(&d->edu, 0);
		switch (b.mode) {
		case UIO:
			enable_by_config(d);
			armed();
			break;
		case DIRECT:
			signal_event(d->resample);
			armed();
			break;
		case NOTIFY: signal_event(b.verdict); break;
		case BROKERED:
		case BROKERED_NOTIFY:
		case BROKERED_DIRECT:
			ptirq_ack(d->sub, &irq, PTIRQ_HANDLED);
			armed();
			break;
		}
	}
	return NULL;
}

/* The holder's part of the notify path. */
static void *hold(void *data)
{
	unsigned int i;

	(void)data;
	for (;;) {
		if (!b.no_trigger)
			await_event(b.trigger);
		await_event(b.verdict);
		for (i = 0; i < b.n; i++) {
			struct ptirq_uio_page_device e = helper_device(b.page, b.drivers[i].nr);

			if (e.state == PTIRQ_UIO_DEFERRED)
				check("ACK", helper_ack(b.line, b.drivers[i].nr, e.generation, 0));
		}
		armed();
	}
	return NULL;
}

static pthread_t start(void *(*run)(void *), void *data, int priority)
{
	const struct sched_param param = {.sched_priority = priority};
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, data) ||
	    pthread_setschedparam(thread, SCHED_FIFO, &param))
		errx(1, "a real-time thread");
	return thread;
}

static int open_in(const char *address, const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", address, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

/* The device's number of its line, which is opened with the first. */
static void find(struct driver *d)
{
	struct ptirq_uio_info info;

	if (b.line < 0)
		b.line = open(d->node, O_RDWR | O_CLOEXEC);
	if (b.line < 0)
		err(1, "%s", d->node);
	for (d->nr = 0; d->nr < PTIRQ_UIO_MAX_DEVICES; d->nr++) {
		if (helper_info(b.line, d->nr, &info) == 0 && strcmp(info.name, d->address) == 0)
			return;
	}
	errx(1, "%s is not on %s", d->address, d->node);
}

static void set_up_helper(void)
{
	int fds[MAX_DEVICES];
	unsigned int i;

	b.page = helper_page(b.line);
	if (b.page == MAP_FAILED)
		err(1, "mmap");
	if (b.device_mask)
		check("SET_MODE", helper_request(b.line, PTIRQ_UIO_SET_MODE,
						 HELPER_REQUEST(ptirq_uio_mode_request,
								.mode = PTIRQ_UIO_MODE_DEVICE)));
	for (i = 0; i < b.n; i++) {
		struct driver *d = &b.drivers[i];

		fds[i] = d->told;
		if (b.mode == DIRECT) {
			check("SET_TRIGGER", helper_trigger(b.line, d->nr, d->told));
			check("SET_RESAMPLE", helper_resample(b.line, d->nr, d->resample));
		} else if (!b.list) {
			check("SET_NOTIFY", helper_notify(b.line, d->nr, &d->told, 1));
		}
	}
	if (b.list)
		check("SET_NOTIFY", helper_notify(b.line, PTIRQ_UIO_LINE, fds, b.n));
	if (b.mode == NOTIFY && !b.no_trigger)
		check("SET_TRIGGER", helper_trigger(b.line, PTIRQ_UIO_LINE, b.trigger));
	check("UNMASK", helper_unmask(b.line, PTIRQ_UIO_LINE));
}

static void subscribe(struct driver *d)
{
	const struct ptirq_options options = {
		.size = sizeof(options),
		.device = d->node,
		.flags = path_flags[b.mode],
	};

	if (ptirq_open(&d->ptirq, NULL) || ptirq_subscribe(d->ptirq, "intx", &options, &d->sub))
		errx(1, "%s", ptirq_error(d->ptirq));
}

static int by_value(const void *left, const void *right)
{
	const uint64_t *l = left, *r = right;

	return (*l > *r) - (*l < *r);
}

static void print(const char *name, uint64_t *values)
{
	static const unsigned int percentiles[] = {10, 50, 90};

	qsort(values, b.samples, sizeof(*values), by_value);
	printf(" %s", name);
	for (unsigned int i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]); i++)
		printf(" %" PRIu64, values[b.samples * percentiles[i] / 100]);
}

static void run(void)
{
	const struct timespec pause = {.tv_nsec = 200000};
	uint64_t *oneway = calloc(b.samples, sizeof(*oneway));
	uint64_t *loop = calloc(b.samples, sizeof(*loop));
	unsigned int i, k;

	if (!oneway || !loop)
		errx(1, "memory");
	for (i = 0; i < WARM_UP + b.samples; i++) {
		/* The drivers are asleep by then. */
		nanosleep(&pause, NULL);
		b.raised_at = now_ns();
		edu_raise(&b.drivers[rand() % b.n].edu, 0, i);
		await_event(b.done);
		if (i < WARM_UP)
			continue;
		for (k = 0; k < b.n && b.mode >= BROKERED; k++) {
			if (ptirq_sub_path(b.drivers[k].sub) != paths[b.mode])
				errx(1, "%s is on another path", b.drivers[k].node);
		}
		oneway[i - WARM_UP] = b.told_at - b.raised_at;
		loop[i - WARM_UP] = b.armed_at - b.raised_at;
	}
	fputs(mode_names[b.mode], stdout);
	print("oneway", oneway);
	if (b.mode < BROKERED)
		print("loop", loop);
	putchar('\n');
	free(oneway);
	free(loop);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{"list", no_argument, NULL, 'l'},          {"device-mask", no_argument, NULL, 'd'},
		{"apart", no_argument, NULL, 'a'},         {"no-trigger", no_argument, NULL, 't'},
		{"samples", required_argument, NULL, 's'}, {0},
	};
	int option;

	b.line = -1;
	b.samples = 300;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'l': b.list = true; break;
		case 'd': b.device_mask = true; break;
		case 't': b.no_trigger = true; break;
		case 's': b.samples = strtoul(optarg, NULL, 10); break;
		default: exit(2);
		}
	}
	if (argc - optind < 3 || argc - optind > 1 + 2 * MAX_DEVICES || (argc - optind) % 2 == 0 ||
	    b.samples == 0)
		errx(2, "usage: helper_latency MODE [--list] [--device-mask] [--no-trigger] "
			"[--samples N] {NODE ADDRESS}...");
	while (strcmp(argv[optind], mode_names[b.mode]) != 0) {
		if (b.mode++ == BROKERED_DIRECT)
			errx(2, "no mode %s", argv[optind]);
	}
	for (optind++; optind < argc; optind += 2) {
		b.drivers[b.n].node = argv[optind];
		b.drivers[b.n++].address = argv[optind + 1];
	}
}

int main(int argc, char **argv)
{
	cpu_set_t cpus;
	unsigned int i;
	int fd;

	parse(argc, argv);
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		err(1, "sched_setaffinity");
	b.trigger = eventfd(0, EFD_CLOEXEC);
	b.verdict = eventfd(0, EFD_CLOEXEC);
	b.done = eventfd(0, EFD_CLOEXEC);
	for (i = 0; i < b.n; i++) {
		struct driver *d = &b.drivers[i];

		fd = open_in(d->address, "resource0");
		check("registers", edu_map(fd, &d->edu));
		close(fd);
		d->config = open_in(d->address, "config");
		d->resample = eventfd(0, EFD_CLOEXEC);
		if (b.mode == UIO) {
			d->told = open(d->node, O_RDWR | O_CLOEXEC);
			if (d->told < 0)
				err(1, "%s", d->node);
			enable_by_config(d);
		} else if (b.mode >= BROKERED) {
			subscribe(d);
		} else {
			d->told = eventfd(0, EFD_CLOEXEC);
			find(d);
		}
	}
	if (b.mode == DIRECT || b.mode == NOTIFY)
		set_up_helper();
	if (b.mode == NOTIFY)
		start(hold, NULL, 10);
	for (i = 0; i < b.n; i++)
		b.drivers[i].thread = start(drive, &b.drivers[i], 20);
	run();
	return 0;
}
