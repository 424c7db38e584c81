// SPDX-License-Identifier: MIT
/*
 * A UIO driver without any broker: waits, serves its edu device, acks, re-enables. It proves the
 * laboratory, and is the plainest thing that the brokered drivers can be compared with.
 *
 * Owns one device alone; must not be used on a device that a broker has.
 *
 *	lone_driver --uio /dev/uioN [--device DIR] --id N --log FILE [--bits 0,1] [--irqcontrol]
 *
 * DIR is the device's directory in sysfs; without it the registers are map 0 of the UIO device. It
 * prints "ready" when it is about to serve. It is re-enabled by the byte at offset 5 of its
 * configuration space, or with --irqcontrol by a write to the UIO node. Ends at SIGTERM and prints
 * how often it was woken, served and re-enabled; with status 3 when the device is unplugged. The log is the raiser's: "ID BIT N".
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>

#include "tests/vm/edu.h"

enum {
	COMMAND_HIGH = 5,           /* a 16-bit write at offset 4 would race bus mastering */
	INTX_DISABLE_HIGH = 1 << 2, /* PCI_COMMAND_INTX_DISABLE, bit 10 of the command */
	GONE = 3,                   /* exit status */
};

struct driver {
	struct edu edu;
	int uio;
	int config;
	int signals;
	unsigned int id;
	unsigned int bits;
	FILE *log;
	unsigned long woken;
	unsigned long served;
	unsigned long enabled;
};

static void serve(struct driver *d)
{
	unsigned int bit;
	uint32_t n;

	for (bit = 0; bit < EDU_FUNCTIONS; bit++) {
		if (!(d->bits & (1u << bit)) || !edu_pending(&d->edu, bit, &n))
			continue;
		fprintf(d->log, "%u %u %" PRIu32 "\n", d->id, bit, n);
		edu_ack(&d->edu, bit);
		d->served++;
	}
}

static void enable(struct driver *d)
{
	const int32_t on = 1;
	uint8_t command;

	if (d->config < 0) {
		if (write(d->uio, &on, sizeof(on)) != sizeof(on))
			err(1, "irqcontrol");
	} else {
		if (pread(d->config, &command, 1, COMMAND_HIGH) != 1)
			err(1, "config");
		command &= ~INTX_DISABLE_HIGH;
		if (pwrite(d->config, &command, 1, COMMAND_HIGH) != 1)
			err(1, "config");
	}
	d->enabled++;
}

static void run(struct driver *d)
{
	struct pollfd fds[] = {{.fd = d->uio, .events = POLLIN},
			       {.fd = d->signals, .events = POLLIN}};
	uint32_t count;

	for (;;) {
		serve(d);
		enable(d);
		if (poll(fds, 2, -1) < 0)
			err(1, "poll");
		if (fds[1].revents)
			return;
		if (read(d->uio, &count, sizeof(count)) != sizeof(count)) {
			if (errno == EIO) /* unplugged: the registers are gone as well */
				exit(GONE);
			err(1, "uio");
		}
		d->woken++;
	}
}

static int open_in(const char *dir, const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		err(2, "%s", path);
	return fd;
}

static unsigned int parse_bits(char *list)
{
	unsigned int bits = 0;
	char *bit;

	for (bit = strtok(list, ","); bit; bit = strtok(NULL, ","))
		bits |= 1u << strtoul(bit, NULL, 10);
	return bits;
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

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"uio", required_argument, NULL, 'u'},
		{"device", required_argument, NULL, 'd'},
		{"id", required_argument, NULL, 'i'},
		{"bits", required_argument, NULL, 'b'},
		{"log", required_argument, NULL, 'l'},
		{"irqcontrol", no_argument, NULL, 'c'},
		{0},
	};
	struct driver d = {.uio = -1, .config = -1, .bits = 1};
	const char *dir = NULL, *uio = NULL;
	bool irqcontrol = false;
	int c, fd, ret;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'u': uio = optarg; break;
		case 'd': dir = optarg; break;
		case 'i': d.id = strtoul(optarg, NULL, 10); break;
		case 'b': d.bits = parse_bits(optarg); break;
		case 'l': d.log = fopen(optarg, "we"); break;
		case 'c': irqcontrol = true; break;
		default: return 2;
		}
	}
	if (!uio || !d.log || (!dir && !irqcontrol))
		errx(2, "--uio, --log, and --device or --irqcontrol are needed");
	d.signals = signal_fd();
	d.uio = open(uio, O_RDWR | O_CLOEXEC);
	if (d.uio < 0)
		err(2, "%s", uio);
	if (!irqcontrol)
		d.config = open_in(dir, "config");
	fd = dir ? open_in(dir, "resource0") : d.uio;
	ret = edu_map(fd, &d.edu);
	if (dir)
		close(fd);
	if (ret < 0)
		errx(2, "%s: registers: %s", dir ? dir : uio, strerror(-ret));
	puts("ready");
	fflush(stdout);

	run(&d);

	edu_close(&d.edu);
	if (fclose(d.log) != 0)
		err(1, "log");
	printf("woken=%lu served=%lu enabled=%lu\n", d.woken, d.served, d.enabled);
	return 0;
}
