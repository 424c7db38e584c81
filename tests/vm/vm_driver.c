// SPDX-License-Identifier: MIT
/*
 * A driver for some functions of an edu device, on a line of the broker; libptirq only.
 *
 *	vm_driver --line LINE --device NAME --id N --log FILE [--bits 0,1] [--unbound]
 *	          [--bar RESOURCE0]
 *	          [--mute-after N] [--die-after N] [--lie] [--direct] [--notify]
 *	          [--wire DIR]
 *
 * Serves its functions through the granted BAR and answers HANDLED, or NOT_MINE when none of them
 * asserts. --unbound subscribes to the whole line: it cannot know in advance whose an interrupt is.
 * --bar: root maps the registers by itself, where the broker has only one device of the line.
 * --mute-after: the interrupt after N others is taken and neither served nor answered until SIGUSR1.
 * --die-after: kills itself in the middle of the round after N others.
 * --lie: until SIGUSR1 it says HANDLED and serves nothing.
 * --direct, --notify: asks for these paths; counted is what it was woken for while it was on one.
 * --wire: not an edu device but one of the test chip's, whose directory it is; nothing is logged.
 * Ends at SIGTERM and prints its counts. The log is the raiser's: "ID BIT N".
 *
 * Must not touch UIO nodes or config space: that is the broker's.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client-lib/include/ptirq.h"
#include "tests/vm/edu.h"

/* How long after a SIGTERM that came just before the wait it is seen. */
enum { WAIT_MS = 200 };

struct driver {
	struct ptirq *ptirq;
	struct ptirq_sub *sub;
	struct ptirq_map map;
	struct edu edu;
	const char *bar;
	const char *wire;
	const char *line;
	const char *device;
	unsigned int id;
	unsigned int bits;
	bool unbound;
	bool lie;
	uint32_t flags;
	unsigned long path[3]; /* by enum ptirq_path */
	unsigned long mute_after;
	unsigned long die_after;
	int log;
	unsigned long asked;
	unsigned long served;
	unsigned long not_mine;
	uint64_t epochs;
};

static volatile sig_atomic_t stopping, speaking;

static void on_signal(int signal)
{
	if (signal == SIGTERM)
		stopping = 1;
	else
		speaking = 1;
}

/* A hexadecimal number, of a file of the test chip. */
static unsigned int wire_file(const char *dir, const char *name, unsigned int write)
{
	unsigned int value = write;
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, write ? "we" : "re");
	if (!file ||
	    (write ? fprintf(file, "%u", write) < 0 : fscanf(file, "%i", (int *)&value) != 1))
		err(1, "%s", path);
	if (fclose(file))
		err(1, "%s", path);
	return value;
}

static enum ptirq_verdict serve_wire(struct driver *d)
{
	unsigned int status = wire_file(d->wire, "raise", 0);

	if (!status) {
		d->not_mine++;
		return PTIRQ_NOT_MINE;
	}
	wire_file(d->wire, "ack", status);
	d->served++;
	return PTIRQ_HANDLED;
}

/* One write per record: a killed driver leaves whole lines. */
static enum ptirq_verdict serve(struct driver *d)
{
	enum ptirq_verdict verdict = PTIRQ_NOT_MINE;
	unsigned int bit;
	uint32_t n;

	if (d->lie && !speaking)
		return PTIRQ_HANDLED;
	if (d->wire)
		return serve_wire(d);
	for (bit = 0; bit < EDU_FUNCTIONS; bit++) {
		if (!(d->bits & (1u << bit)) || !edu_pending(&d->edu, bit, &n))
			continue;
		if (dprintf(d->log, "%u %u %" PRIu32 "\n", d->id, bit, n) < 0)
			err(1, "log");
		edu_ack(&d->edu, bit);
		d->served++;
		verdict = PTIRQ_HANDLED;
	}
	if (verdict == PTIRQ_NOT_MINE)
		d->not_mine++;
	return verdict;
}

static void be_mute(void)
{
	sigset_t blocked, before;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	puts("mute");
	fflush(stdout);
	while (!speaking && !stopping)
		sigsuspend(&before);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static void run(struct driver *d)
{
	struct ptirq_irq irq;
	uint64_t epoch = 0;
	int ret;

	while (!stopping) {
		ret = ptirq_wait(d->sub, &irq, WAIT_MS);
		if (ret == -ETIMEDOUT || ret == -EINTR)
			continue;
		if (ret < 0)
			errx(1, "wait: %s: %s", strerror(-ret), ptirq_error(d->ptirq));
		if (irq.epoch != epoch)
			d->epochs++;
		epoch = irq.epoch;
		if (d->die_after && d->asked == d->die_after)
			raise(SIGKILL);
		if (d->mute_after && d->asked == d->mute_after)
			be_mute();
		d->asked++;
		d->path[ptirq_sub_path(d->sub)]++;
		ret = ptirq_ack(d->sub, &irq, serve(d));
		if (ret < 0)
			errx(1, "ack: %s: %s", strerror(-ret), ptirq_error(d->ptirq));
	}
}

static int map(struct driver *d)
{
	int ret;

	if (d->wire)
		return 0;
	if (d->bar) {
		ret = edu_open(d->bar, &d->edu);
		if (ret < 0)
			errx(1, "%s: %s", d->bar, strerror(-ret));
		return 0;
	}
	ret = ptirq_map_device(d->ptirq, d->line, d->device, 0, &d->map);
	if (ret == 0)
		d->edu.bar = d->map.addr;
	return ret;
}

static void start(struct driver *d)
{
	struct ptirq_options options = PTIRQ_OPTIONS_INIT;

	options.flags = d->flags;
	if (!d->unbound)
		options.device = d->device;
	if (ptirq_open(&d->ptirq, NULL) < 0 || map(d) < 0 ||
	    ptirq_subscribe(d->ptirq, d->line, &options, &d->sub) < 0)
		errx(1, "%s", ptirq_error(d->ptirq));
	puts("ready");
	fflush(stdout);
}

static unsigned int parse_bits(char *list)
{
	unsigned int bits = 0;
	char *bit;

	for (bit = strtok(list, ","); bit; bit = strtok(NULL, ","))
		bits |= 1u << strtoul(bit, NULL, 10);
	return bits;
}

static void parse(struct driver *d, int argc, char **argv)
{
	static const struct option options[] = {
		{"line", required_argument, NULL, 'l'},
		{"device", required_argument, NULL, 'd'},
		{"id", required_argument, NULL, 'i'},
		{"log", required_argument, NULL, 'o'},
		{"bits", required_argument, NULL, 'b'},
		{"bar", required_argument, NULL, 'r'},
		{"wire", required_argument, NULL, 'w'},
		{"unbound", no_argument, NULL, 'u'},
		{"mute-after", required_argument, NULL, 'm'},
		{"die-after", required_argument, NULL, 'k'},
		{"lie", no_argument, NULL, 'L'},
		{"direct", no_argument, NULL, 'D'},
		{"notify", no_argument, NULL, 'N'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'l': d->line = optarg; break;
		case 'd': d->device = optarg; break;
		case 'i': d->id = strtoul(optarg, NULL, 10); break;
		case 'o':
			d->log = open(optarg, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
			if (d->log < 0)
				err(2, "%s", optarg);
			break;
		case 'b': d->bits = parse_bits(optarg); break;
		case 'r': d->bar = optarg; break;
		case 'w': d->wire = optarg; break;
		case 'u': d->unbound = true; break;
		case 'L': d->lie = true; break;
		case 'D': d->flags |= PTIRQ_OPT_DIRECT; break;
		case 'N': d->flags |= PTIRQ_OPT_NOTIFY; break;
		case 'm': d->mute_after = strtoul(optarg, NULL, 10); break;
		case 'k': d->die_after = strtoul(optarg, NULL, 10); break;
		default: exit(2);
		}
	}
	if (!d->line || !d->device || d->log < 0)
		errx(2, "--line, --device and --log are needed; --bar without grant = yes");
}

int main(int argc, char **argv)
{
	struct driver d = {.bits = 1, .log = -1};
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	parse(&d, argc, argv);
	start(&d);
	run(&d);
	printf("asked=%lu served=%lu not_mine=%lu direct=%lu notify=%lu epochs=%" PRIu64 "\n",
	       d.asked, d.served, d.not_mine, d.path[PTIRQ_PATH_DIRECT], d.path[PTIRQ_PATH_NOTIFY],
	       d.epochs);
	if (d.bar)
		edu_close(&d.edu);
	else if (!d.wire)
		ptirq_unmap_device(&d.map);
	ptirq_close(d.ptirq);
	close(d.log);
	return 0;
}
