/* SPDX-License-Identifier: MIT */
/* Owns the command line of the simulator. */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

/* Histories within which a mutant must be caught. */
#define MUTANT_SEEDS 2000

struct options {
	uint64_t first, last;
	enum mutant_kind mutant;
	const char *seed_file;
	int failures_max; /* failing histories that a run reports before it stops */
	bool trace;
	bool floors;
	bool mutants;
};

static const char usage[] =
	"usage: sim --seed N [--trace] [--mutant NAME]\n"
	"       sim --seeds A..B [--file SEEDS] [--failures N] [--no-floors]\n"
	"       sim --mutants\n"
	"One seed is one history of the arbitration core among simulated devices and clients.\n"
	"Exit 0: promises 1 to 5 were kept, and the run met what it must meet.\n";

static void print_failure(const struct sim *sim)
{
	uint64_t first = sim->n_records > SIM_TAIL ? sim->n_records - SIM_TAIL : 0;
	char text[352];

	printf("seed %" PRIu64 " breaks %s: %s\n", sim->seed, promise_name(sim->checker.broken),
	       sim->checker.why);
	for (uint64_t i = first; i < sim->n_records && !sim->trace; i++) {
		record_format(&sim->tail[i % SIM_TAIL], text, sizeof(text));
		printf("  %s\n", text);
	}
	printf("to repeat: sim --seed %" PRIu64 " --trace", sim->seed);
	if (sim->mutant.kind != MUTANT_NONE)
		printf(" --mutant %s", mutant_name(sim->mutant.kind));
	printf("\n\n");
}

/* A failed assert in the core ends the run; which history it was must not be lost with it. */
static const struct sim *running;

static void on_abort(int signo)
{
	(void)signo;
	signal(SIGABRT, SIG_DFL);
	print_failure(running);
	fflush(stdout);
}

/* Every line: a seed, then # and why it is kept. Returns the number of failures, -1: unreadable. */
static int run_file(struct sim *sim, const char *path)
{
	FILE *file = fopen(path, "re");
	char line[256];
	int failures = 0;

	if (!file) {
		perror(path);
		return -1;
	}
	while (fgets(line, sizeof(line), file)) {
		char *end;
		uint64_t seed = strtoull(line, &end, 10);

		if (end == line || sim_run(sim, seed))
			continue;
		print_failure(sim);
		failures++;
	}
	fclose(file);
	return failures;
}

static int run_seeds(struct sim *sim, const struct options *options)
{
	int failures = options->seed_file ? run_file(sim, options->seed_file) : 0;

	if (failures < 0)
		return EXIT_FAILURE;
	for (uint64_t seed = options->first; seed <= options->last; seed++) {
		if (failures >= options->failures_max) {
			printf("stopped after %d failures\n", failures);
			break;
		}
		if (sim_run(sim, seed))
			continue;
		print_failure(sim);
		failures++;
	}
	if (options->first != options->last)
		tally_print(sim->tally);
	if (options->floors && !tally_floors(sim->tally))
		return EXIT_FAILURE;
	return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run_mutants(struct sim *sim)
{
	int ret = EXIT_SUCCESS;

	printf("%-18s %6s  %-20s %s\n", "mutant", "caught", "promise", "why");
	for (unsigned int m = MUTANT_NONE + 1; m < MUTANT_N; m++) {
		uint64_t seed = 1;

		sim->mutant.kind = (enum mutant_kind)m;
		while (seed <= MUTANT_SEEDS && sim_run(sim, seed))
			seed++;
		if (seed <= MUTANT_SEEDS) {
			printf("%-18s %6" PRIu64 "  %-20s %s\n", mutant_name(sim->mutant.kind),
			       seed, promise_name(sim->checker.broken), sim->checker.why);
		} else {
			printf("%-18s  NOT in %d histories\n", mutant_name(sim->mutant.kind),
			       MUTANT_SEEDS);
			ret = EXIT_FAILURE;
		}
	}
	return ret;
}

static bool parse_range(const char *text, struct options *options)
{
	char *end;

	options->first = strtoull(text, &end, 10);
	if (end == text || strncmp(end, "..", 2) != 0)
		return false;
	options->last = strtoull(end + 2, &end, 10);
	return !*end && options->last >= options->first;
}

static bool parse_mutant(const char *text, struct options *options)
{
	for (unsigned int m = 0; m < MUTANT_N; m++)
		if (strcmp(text, mutant_name((enum mutant_kind)m)) == 0) {
			options->mutant = (enum mutant_kind)m;
			return true;
		}
	return false;
}

static bool parse(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{"seed", required_argument, NULL, 's'},
		{"seeds", required_argument, NULL, 'r'},
		{"file", required_argument, NULL, 'f'},
		{"mutant", required_argument, NULL, 'm'},
		{"mutants", no_argument, NULL, 'M'},
		{"trace", no_argument, NULL, 't'},
		{"no-floors", no_argument, NULL, 'n'},
		{"failures", required_argument, NULL, 'F'},
		{0},
	};

	*options = (struct options){.floors = true, .failures_max = 5};
	for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;)
		switch (c) {
		case 's':
			options->first = options->last = strtoull(optarg, NULL, 10);
			options->floors = false;
			break;
		case 'r':
			if (!parse_range(optarg, options))
				return false;
			break;
		case 'f': options->seed_file = optarg; break;
		case 'm':
			if (!parse_mutant(optarg, options))
				return false;
			break;
		case 'M': options->mutants = true; break;
		case 't': options->trace = true; break;
		case 'n': options->floors = false; break;
		case 'F': options->failures_max = atoi(optarg); break;
		default: return false;
		}
	return optind == argc && argc > 1;
}

int main(int argc, char **argv)
{
	struct options options;
	struct sim *sim;
	int ret;

	if (!parse(argc, argv, &options)) {
		fputs(usage, stderr);
		return 2;
	}
	sim = calloc(1, sizeof(*sim));
	if (!sim)
		return EXIT_FAILURE;
	sim->tally = calloc(1, sizeof(*sim->tally));
	if (!sim->tally)
		return EXIT_FAILURE;
	sim->trace = options.trace ? stdout : NULL;
	sim->mutant.kind = options.mutant;
	running = sim;
	signal(SIGABRT, on_abort);
	ret = options.mutants ? run_mutants(sim) : run_seeds(sim, &options);
	queue_deinit(&sim->queue);
	free(sim->tally);
	free(sim);
	return ret;
}
