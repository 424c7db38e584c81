// SPDX-License-Identifier: MIT
/*
 * ptirqctl sim run: plays the devices of a software line. It raises a bit only after it has seen it
 * 0, so every assertion is one that a driver has to serve, and its log can be held against the
 * drivers' own. Knows nothing of the drivers, and of the broker only the pins.
 */
#include "ctl/output.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#define MAX_DEVICES 16

/* docs/protocol.md, "Registers, and soft devices". */
struct registers {
	_Atomic uint32_t status;
	_Atomic uint32_t mask;
};

struct player {
	const char *name;
	struct ptirq_sim_pin pin;
	struct registers *registers;
	uint64_t asserted;
	uint64_t raised[32]; /* each bit */
};

struct run {
	const char *line;
	const char *wanted[MAX_DEVICES];
	size_t n_wanted;
	uint64_t rate;  /* a second; 0: as fast as they are served */
	uint64_t count; /* in all; 0: until interrupted */
	uint64_t bits;  /* of each device */
	uint64_t seed;
	uint64_t drain_ms;
	const char *log_path;

	FILE *log;
	struct player player[MAX_DEVICES];
	size_t n_players;
	struct ptirq_line_info info;
};

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* splitmix64 (Steele, Lea, Flood 2014): the same seed plays the same devices. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* ---- what is asked for ---- */

static int parse(struct ctl *ctl, int argc, char **argv, struct run *run)
{
	static const struct option options[] = {
		{"line", required_argument, NULL, 'l'},
		{"device", required_argument, NULL, 'd'},
		{"rate", required_argument, NULL, 'r'},
		{"count", required_argument, NULL, 'n'},
		{"bits", required_argument, NULL, 'b'},
		{"seed", required_argument, NULL, 's'},
		{"drain", required_argument, NULL, 'w'},
		{"log", required_argument, NULL, 'o'},
		{0},
	};
	uint64_t least, most, *number;
	int c, option;

	*run = (struct run){.line = "demo", .bits = 1, .seed = 1};
	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, &option)) != -1) {
		least = 0;
		most = UINT64_MAX;
		number = NULL;
		switch (c) {
		case 'l': run->line = optarg; break;
		case 'd':
			if (run->n_wanted == MAX_DEVICES)
				return usage(ctl, "sim run: a line has at most %d devices",
					     MAX_DEVICES);
			run->wanted[run->n_wanted++] = optarg;
			break;
		case 'r': number = &run->rate, most = 1000000000; break;
		case 'n': number = &run->count; break;
		case 'b': number = &run->bits, least = 1, most = 32; break;
		case 's': number = &run->seed; break;
		case 'w': number = &run->drain_ms, most = 86400000; break;
		case 'o': run->log_path = optarg; break;
		default: return bad_option(ctl, "sim run", argv);
		}
		if (number && (!parse_number(optarg, most, number) || *number < least))
			return usage(ctl,
				     "sim run: --%s %s: not a number from %" PRIu64 " to %" PRIu64,
				     options[option].name, optarg, least, most);
	}
	if (optind < argc)
		return usage(ctl, "sim run: '%s' is too much", argv[optind]);
	return EXIT_FINE;
}

static int open_players(struct ctl *ctl, struct run *run)
{
	size_t n;
	int r = ptirq_line_info(ctl->ptirq, run->line, &run->info);

	if (r < 0)
		return r;
	n = run->n_wanted ? run->n_wanted : run->info.n_devices;
	for (size_t i = 0; i < n; i++) {
		struct player *player = &run->player[i];

		player->name = run->n_wanted ? run->wanted[i] : run->info.device[i].name;
		r = ptirq_sim_open(ctl->ptirq, run->line, player->name, &player->pin);
		if (r < 0)
			return r;
		player->registers = player->pin.registers.addr;
		run->n_players++;
	}
	return 0;
}

static void close_players(struct run *run)
{
	for (size_t i = 0; i < run->n_players; i++)
		ptirq_sim_close(&run->player[i].pin);
}

/* ---- playing ---- */

/*
 * Until a device is unmasked, which is after its driver has cleared what it served; or @ns have
 * passed. The eventfds are read before the caller looks at a status, so none is missed.
 */
static void await_unmask(struct run *run, uint64_t ns)
{
	struct timespec ts = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
	struct pollfd pfd[MAX_DEVICES];
	eventfd_t value;

	for (size_t i = 0; i < run->n_players; i++)
		pfd[i] = (struct pollfd){.fd = run->player[i].pin.unmasked_fd, .events = POLLIN};
	if (ppoll(pfd, run->n_players, &ts, NULL) <= 0)
		return;
	for (size_t i = 0; i < run->n_players; i++)
		if (pfd[i].revents & POLLIN)
			eventfd_read(pfd[i].fd, &value);
}

static void sleep_until(uint64_t due)
{
	struct timespec ts = {(time_t)(due / 1000000000), (long)(due % 1000000000)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

/* Raise bit number @at of all the devices' bits if it is 0, else the next that is. */
static bool raise_one(struct run *run, uint64_t at)
{
	uint64_t all = run->n_players * run->bits;

	for (uint64_t i = 0; i < all; i++) {
		struct player *player = &run->player[(at + i) % all / run->bits];
		uint32_t bit = (uint32_t)((at + i) % all % run->bits);

		if (atomic_load(&player->registers->status) >> bit & 1)
			continue;
		player->asserted++;
		player->raised[bit]++;
		/* Logged before anybody can have served it. */
		if (run->log)
			fprintf(run->log, "%" PRIu64 " %s %" PRIu32 " %" PRIu64 "\n", now_ns(),
				player->name, bit, player->raised[bit]);
		atomic_fetch_or(&player->registers->status, UINT32_C(1) << bit);
		eventfd_write(player->pin.pin_fd, 1);
		return true;
	}
	return false;
}

static void play(struct run *run)
{
	uint64_t due = now_ns(), state = run->seed, done = 0, at;

	while (!interrupted && (!run->count || done < run->count)) {
		if (run->rate)
			sleep_until(due += 1000000000 / run->rate);
		at = next_random(&state) % (run->n_players * run->bits);
		/* All of them wait to be served: 10 ms bound the wait for drivers that need no unmask. */
		while (!interrupted && !raise_one(run, at))
			await_unmask(run, 10000000);
		done++;
	}
}

static uint64_t pending(const struct run *run)
{
	uint64_t n = 0;

	for (size_t i = 0; i < run->n_players; i++)
		n += (uint64_t)__builtin_popcount(atomic_load(&run->player[i].registers->status));
	return n;
}

static void drain(struct run *run)
{
	uint64_t deadline = now_ns() + run->drain_ms * 1000000;

	while (!interrupted && pending(run) && now_ns() < deadline)
		await_unmask(run, 10000000);
}

static int report(struct ctl *ctl, const struct run *run)
{
	static const struct column columns[] = {
		{"name", "DEVICE", CELL_TEXT},
		{"asserted", "ASSERTED", CELL_NUMBER},
		{"pending", "PENDING", CELL_NUMBER},
		{0},
	};
	struct output *output = output_open(ctl);
	uint64_t asserted = 0, left = pending(run);

	for (size_t i = 0; i < run->n_players; i++)
		asserted += run->player[i].asserted;
	output_field(output, &(struct column){"line", NULL, CELL_TEXT}, run->line);
	output_field(output, &(struct column){"asserted", "asserted", CELL_NUMBER}, asserted);
	output_field(output, &(struct column){"pending", "pending", CELL_NUMBER}, left);
	output_table(output, "devices", columns);
	for (size_t i = 0; i < run->n_players; i++)
		output_row(output, run->player[i].name, run->player[i].asserted,
			   (uint64_t)__builtin_popcount(
				   atomic_load(&run->player[i].registers->status)));
	output_close(output);
	if (!run->drain_ms || !left)
		return EXIT_FINE;
	fprintf(stderr,
		"ptirqctl: %" PRIu64 " not served %" PRIu64
		" ms after the last: `ptirqctl show %s` tells who subscribes\n",
		left, run->drain_ms, run->line);
	return EXIT_NO;
}

int sim_run(struct ctl *ctl, int argc, char **argv)
{
	struct sigaction action = {.sa_handler = interrupt};
	struct run run;
	int r = parse(ctl, argc, argv, &run);

	if (r == EXIT_FINE)
		r = reach(ctl);
	if (r != EXIT_FINE)
		return r;
	if (run.log_path && !(run.log = fopen(run.log_path, "we"))) {
		fprintf(stderr, "ptirqctl: %s: %s\n", run.log_path, strerror(errno));
		return EXIT_NO;
	}
	r = open_players(ctl, &run);
	if (r < 0) {
		r = refused(ctl, r);
	} else {
		sigaction(SIGINT, &action, NULL);
		sigaction(SIGTERM, &action, NULL);
		play(&run);
		drain(&run);
		r = report(ctl, &run);
	}
	close_players(&run);
	if (run.log && fclose(run.log) != 0) {
		fprintf(stderr, "ptirqctl: %s: %s\n", run.log_path, strerror(errno));
		r = EXIT_NO;
	}
	return r;
}
