// SPDX-License-Identifier: MIT
/*
 * Raises interrupts on edu devices, in random order and in bursts, and logs each of them.
 *
 * Owns the mailboxes of its devices. A bit is raised only after it has been seen 0: nothing else
 * ties the raiser to those who serve, and it must not talk to them in any other way.
 *
 * The log has a line "DEVICE BIT N" per raise: the position of --device on the command line, the
 * function, and its own count from 1. Ends when everything has been served.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "tests/vm/edu.h"

enum { MAX_FUNCTIONS = 32 };

struct function {
	struct edu edu;
	unsigned int device;
	unsigned int bit;
	unsigned int weight;
	uint32_t raised;
};

struct raiser {
	struct function functions[MAX_FUNCTIONS];
	unsigned int n_functions;
	unsigned int n_devices;
	unsigned int weights;
	uint64_t random;
	unsigned long count;
	unsigned long burst;
	unsigned long gap_us;
	unsigned long rest_us;
	unsigned long timeout_s;
	FILE *log;
};

static const char usage[] =
	"usage: raiser --device RESOURCE0[:BIT,...]... --count N --log FILE [--seed N]\n"
	"  --burst N     at most N raises without a pause between them (1)\n"
	"  --gap US      at most so long a pause after each burst (200)\n"
	"  --rest US     so long a pause between a function's service and its next raise (0)\n"
	"  --mix W,...   weights of the functions, in the order given (all 1)\n"
	"  --timeout S   give up when a function is not served for so long (10), times VMTEST_SCALE\n";

static void die(const char *what, const char *why)
{
	fprintf(stderr, "raiser: %s: %s\n", what, why);
	exit(2);
}

/* xorshift64*: the same seed gives the same order of raises. */
static uint64_t draw(struct raiser *r, uint64_t below)
{
	r->random ^= r->random >> 12;
	r->random ^= r->random << 25;
	r->random ^= r->random >> 27;
	return ((r->random * UINT64_C(2685821657736338717)) >> 32) % below;
}

static void add_device(struct raiser *r, char *spec)
{
	char *slash = strrchr(spec, '/');
	char *bits = strchr(slash ? slash : spec, ':');
	char only_bit_0[] = "0";
	struct edu edu;
	char *bit;
	int ret;

	if (bits)
		*bits++ = '\0';
	ret = edu_open(spec, &edu);
	if (ret < 0)
		die(spec, strerror(-ret));
	for (bit = strtok(bits ? bits : only_bit_0, ","); bit; bit = strtok(NULL, ",")) {
		unsigned long value = strtoul(bit, NULL, 10);

		if (r->n_functions == MAX_FUNCTIONS || value >= EDU_FUNCTIONS)
			die(spec, "too many functions");
		r->functions[r->n_functions++] = (struct function){.edu = edu,
								   .device = r->n_devices,
								   .bit = value,
								   .weight = 1};
	}
	r->n_devices++;
}

static void set_mix(struct raiser *r, char *mix)
{
	unsigned int i = 0;
	char *weight;

	for (weight = strtok(mix, ","); weight; weight = strtok(NULL, ",")) {
		if (i == r->n_functions)
			die("--mix", "more weights than functions");
		r->functions[i++].weight = strtoul(weight, NULL, 10);
	}
	if (i != r->n_functions)
		die("--mix", "fewer weights than functions");
}

static struct function *choose(struct raiser *r)
{
	unsigned int at = draw(r, r->weights);
	struct function *f = r->functions;

	while (at >= f->weight)
		at -= f++->weight;
	return f;
}

static void pause_us(unsigned long us)
{
	struct timespec t = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

	nanosleep(&t, NULL);
}

static bool idle(const struct function *f)
{
	return !edu_asserts(&f->edu, f->bit) && edu_present(&f->edu);
}

static bool await_served(struct raiser *r, const struct function *f)
{
	struct timespec now, start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!idle(f)) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - start.tv_sec >= (time_t)r->timeout_s) {
			printf("raiser: device %u bit %u: raise %" PRIu32
			       " not served in %lu s%s\n",
			       f->device, f->bit, f->raised, r->timeout_s,
			       edu_present(&f->edu) ? "" : ": no device there");
			/* No record, so that compare fails, though it were served after all. */
			fprintf(r->log, "gave up\n");
			return false;
		}
		pause_us(10);
	}
	return true;
}

static bool run(struct raiser *r)
{
	unsigned long in_burst = 0;
	unsigned int i;

	for (unsigned long done = 0; done < r->count; done++) {
		struct function *f = choose(r);

		if (!await_served(r, f))
			return false;
		if (r->rest_us)
			pause_us(r->rest_us);
		f->raised++;
		fprintf(r->log, "%u %u %" PRIu32 "\n", f->device, f->bit, f->raised);
		edu_raise(&f->edu, f->bit, f->raised);
		if (in_burst-- == 0) {
			in_burst = draw(r, r->burst);
			pause_us(draw(r, r->gap_us + 1));
		}
	}
	for (i = 0; i < r->n_functions; i++) {
		if (!await_served(r, &r->functions[i]))
			return false;
	}
	return true;
}

static void parse(struct raiser *r, int argc, char **argv)
{
	static const struct option options[] = {
		{"device", required_argument, NULL, 'd'}, {"count", required_argument, NULL, 'c'},
		{"seed", required_argument, NULL, 's'},   {"burst", required_argument, NULL, 'b'},
		{"gap", required_argument, NULL, 'g'},    {"rest", required_argument, NULL, 'r'},
		{"mix", required_argument, NULL, 'm'},    {"timeout", required_argument, NULL, 't'},
		{"log", required_argument, NULL, 'l'},    {0},
	};
	uint64_t seed = 1;
	char *mix = NULL;
	unsigned int i;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'd': add_device(r, optarg); break;
		case 'c': r->count = strtoul(optarg, NULL, 10); break;
		case 's': seed = strtoull(optarg, NULL, 10); break;
		case 'b': r->burst = strtoul(optarg, NULL, 10); break;
		case 'g': r->gap_us = strtoul(optarg, NULL, 10); break;
		case 'r': r->rest_us = strtoul(optarg, NULL, 10); break;
		case 'm': mix = optarg; break;
		case 't': r->timeout_s = strtoul(optarg, NULL, 10); break;
		case 'l':
			r->log = fopen(optarg, "we");
			if (!r->log)
				die(optarg, strerror(errno));
			break;
		default: fputs(usage, stderr); exit(2);
		}
	}
	if (mix)
		set_mix(r, mix);
	if (getenv("VMTEST_SCALE"))
		r->timeout_s *= strtoul(getenv("VMTEST_SCALE"), NULL, 10);
	for (i = 0; i < r->n_functions; i++)
		r->weights += r->functions[i].weight;
	if (optind != argc || r->weights == 0 || r->count == 0 || r->burst == 0 || !r->log) {
		fputs(usage, stderr);
		exit(2);
	}
	r->random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
}

int main(int argc, char **argv)
{
	struct raiser r = {.burst = 1, .gap_us = 200, .timeout_s = 10};
	bool served;
	unsigned int i;

	/* The default slack of 50 us would be most of a pause. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	parse(&r, argc, argv);
	served = run(&r);
	if (fclose(r.log) != 0)
		die("log", strerror(errno));
	printf("raiser:");
	for (i = 0; i < r.n_functions; i++)
		printf(" %u.%u=%" PRIu32, r.functions[i].device, r.functions[i].bit,
		       r.functions[i].raised);
	putchar('\n');
	return served ? 0 : 1;
}
