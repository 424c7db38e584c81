/* SPDX-License-Identifier: MIT */
/*
 * The measurement itself: which cases take turns, what is a ratio to what, the table and the JSON.
 */
#include <err.h>
#include <getopt.h>
#include <json-c/json.h>
#include <ptirq.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof(*(a)))

/* A row of the table: a case, and the case of the same round it is compared with. */
struct row {
	const char *name;
	struct bench_case *c;
	int reference;                          /* index of the row */
	double limit;                           /* of the round trip's ratio; 0: none promised */
	struct bench_times round_trip, one_way; /* of the median round */
	double ratio, one_way_ratio;
};

/* Let the rows take turns. A first round warms up and is not counted. */
static void measure(const struct bench_options *options, struct row *row, int n_rows)
{
	static double trip_p50[16][BENCH_MAX_ROUNDS], way_p50[16][BENCH_MAX_ROUNDS];
	size_t bytes = (size_t)options->samples * sizeof(uint64_t);
	uint64_t *trip = malloc(bytes), *way = malloc(bytes);
	double ratio[BENCH_MAX_ROUNDS];

	if (!trip || !way)
		err(1, "malloc");
	for (int round = -1; round < options->rounds; round++)
		for (int i = 0; i < n_rows; i++) {
			struct bench_times t, w;

			bench_case_run(row[i].c, options->samples, trip, way);
			t = bench_percentiles(trip, options->samples);
			w = bench_percentiles(way, options->samples);
			if (round < 0)
				continue;
			trip_p50[i][round] = (double)t.p50;
			way_p50[i][round] = (double)w.p50;
			if (round == options->rounds / 2) {
				row[i].round_trip = t;
				row[i].one_way = w;
			}
		}
	for (int i = 0; i < n_rows; i++) {
		int reference = row[i].reference;

		for (int r = 0; r < options->rounds; r++)
			ratio[r] = trip_p50[i][r] / trip_p50[reference][r];
		row[i].ratio = bench_median(ratio, options->rounds);
		for (int r = 0; r < options->rounds; r++)
			ratio[r] = way_p50[i][r] / way_p50[reference][r];
		row[i].one_way_ratio = bench_median(ratio, options->rounds);
	}
	free(trip);
	free(way);
}

static struct json_object *times_json(struct bench_times times)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "p50_ns", json_object_new_uint64(times.p50));
	json_object_object_add(object, "p99_ns", json_object_new_uint64(times.p99));
	json_object_object_add(object, "p999_ns", json_object_new_uint64(times.p999));
	return object;
}

/* Prints the rows and adds them to @array. The number of broken promises. */
static int report(const char *title, const struct row *row, int n_rows, struct json_object *array)
{
	int broken = 0;

	printf("\n%-44s %s\n", title, "  round trip, us            one way, us");
	printf("%-44s %8s%8s%9s  %8s%8s%9s %9s %9s\n", "", "p50", "p99", "p99.9", "p50", "p99",
	       "p99.9", "ratio", "target");
	for (int i = 0; i < n_rows; i++) {
		const struct row *r = &row[i];
		bool ok = r->limit == 0 || r->ratio <= r->limit;
		struct json_object *object = json_object_new_object();
		char target[16] = "";

		if (r->limit != 0)
			snprintf(target, sizeof(target), "%.2f%s", r->limit, ok ? "" : " !");
		printf("%-44s %8.1f%8.1f%9.1f  %8.1f%8.1f%9.1f %8.2fx %9s\n", r->name,
		       (double)r->round_trip.p50 / 1e3, (double)r->round_trip.p99 / 1e3,
		       (double)r->round_trip.p999 / 1e3, (double)r->one_way.p50 / 1e3,
		       (double)r->one_way.p99 / 1e3, (double)r->one_way.p999 / 1e3, r->ratio,
		       target);
		broken += !ok;
		json_object_object_add(object, "name", json_object_new_string(r->name));
		json_object_object_add(object, "reference",
				       json_object_new_string(row[r->reference].name));
		json_object_object_add(object, "round_trip", times_json(r->round_trip));
		json_object_object_add(object, "one_way", times_json(r->one_way));
		json_object_object_add(object, "ratio", json_object_new_double(r->ratio));
		json_object_object_add(object, "one_way_ratio",
				       json_object_new_double(r->one_way_ratio));
		if (r->limit != 0)
			json_object_object_add(object, "target", json_object_new_double(r->limit));
		json_object_array_add(array, object);
	}
	return broken;
}

/* @n software lines "line0"..., each of one device with status and mask. The caller's. */
static char *lines_config(int n)
{
	size_t size = 0;
	char *text = NULL;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		err(1, "open_memstream");
	for (int i = 0; i < n; i++)
		fprintf(f,
			"[line line%d]\nsource = sim\nallow-user = *\ndevice = dev\ngrant = yes\n",
			i);
	if (fclose(f))
		err(1, "fclose");
	return text;
}

static int measure_paths(const struct bench_options *options, struct json_object *json)
{
	struct json_object *array = json_object_new_array();
	struct bench_broker one, many;
	char *config_one = lines_config(2), *config_many = lines_config(1024);
	int broken;

	bench_broker_start(&one, options, config_one);
	bench_broker_start(&many, options, config_many);
	struct row row[] = {
		{.name = "direct: no broker, no arbitration", .c = bench_direct_new(options)},
		{.name = "brokered, shared page",
		 .c = bench_brokered_new(options, &one, "line0", 0, 1),
		 .limit = 2.6},
		{.name = "brokered, protobuf messages",
		 .c = bench_brokered_new(options, &one, "line1", PTIRQ_OPT_MESSAGES, 1),
		 .limit = 4.0},
		{.name = "brokered, shared page, 1,024 lines (ratio to 2)",
		 .c = bench_brokered_new(options, &many, "line0", 0, 1),
		 .reference = 1,
		 .limit = 1.2},
	};

	measure(options, row, ARRAY_SIZE(row));
	broken = report("one interrupt at a time", row, ARRAY_SIZE(row), array);
	json_object_object_add(json, "paths", array);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		bench_case_free(row[i].c);
	bench_broker_stop(&one);
	bench_broker_stop(&many);
	free(config_one);
	free(config_many);
	return broken;
}

static int measure_subscribers(const struct bench_options *options, struct json_object *json)
{
	static const int clients[] = {1, 4, 16, 64};
	static const char config[] = "[line shared]\nsource = sim\npolicy = broadcast\n"
				     "allow-user = *\nmax-subscribers = 64\ndevice = dev\n"
				     "status = no\ngrant = yes\n";
	static char name[ARRAY_SIZE(clients)][48];
	struct bench_broker broker[ARRAY_SIZE(clients)];
	struct row row[ARRAY_SIZE(clients)] = {0};
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
		snprintf(name[i], sizeof(name[i]), "broadcast, %d answer%s", clients[i],
			 clients[i] == 1 ? "s" : "");
		bench_broker_start(&broker[i], options, config);
		row[i].name = name[i];
		row[i].c = bench_brokered_new(options, &broker[i], "shared", 0, clients[i]);
	}
	measure(options, row, ARRAY_SIZE(row));
	report("subscribers of one line, ratio to one", row, ARRAY_SIZE(row), array);
	json_object_object_add(json, "subscribers", array);
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
		bench_case_free(row[i].c);
		bench_broker_stop(&broker[i]);
	}
	return 0;
}

static int measure_bursts(const struct bench_options *options, struct json_object *json)
{
	static const int lines[] = {1, 16, 64};
	struct json_object *array = json_object_new_array();
	struct bench_broker broker;
	char *config = lines_config(64);

	bench_broker_start(&broker, options, config);
	printf("\ninterrupts per second of the broker's own CPU time\n");
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		double rate[BENCH_MAX_ROUNDS], median;
		struct json_object *object = json_object_new_object();

		for (int r = 0; r < options->rounds; r++)
			rate[r] = bench_burst(options, &broker, lines[i],
					      1 + options->samples * 2 / lines[i]);
		median = bench_median(rate, options->rounds);
		printf("%3d active line%s %14.0f\n", lines[i], lines[i] == 1 ? " " : "s", median);
		json_object_object_add(object, "active_lines", json_object_new_int(lines[i]));
		json_object_object_add(object, "per_second", json_object_new_double(median));
		json_object_array_add(array, object);
	}
	json_object_object_add(json, "bursts", array);
	bench_broker_stop(&broker);
	free(config);
	return 0;
}

static int measure_memory(const struct bench_options *options, struct json_object *json)
{
	enum { LINES = 1024, CLIENTS = 50 };
	struct json_object *object = json_object_new_object();
	char *config_one = lines_config(1), *config_many = lines_config(LINES);
	struct bench_broker one, many;
	struct ptirq *ptirq[CLIENTS];
	double idle, line, client;

	bench_broker_start(&one, options, config_one);
	bench_broker_start(&many, options, config_many);
	idle = (double)bench_rss(one.pid);
	for (int i = 0; i < CLIENTS; i++) {
		struct ptirq_sub *sub;

		if (ptirq_open(&ptirq[i], one.socket) < 0 ||
		    ptirq_subscribe(ptirq[i], "line0", NULL, &sub) < 0)
			errx(1, "%s", ptirq_error(ptirq[i]));
	}
	client = ((double)bench_rss(one.pid) - idle) / CLIENTS;
	/* By now what its start needed has been given back. */
	line = ((double)bench_rss(many.pid) - idle) / (LINES - 1);
	printf("\nresident memory of the broker\nidle %14.0f KiB\na line %12.2f KiB\n"
	       "a client %10.2f KiB\n",
	       idle / 1024, line / 1024, client / 1024);
	json_object_object_add(object, "idle_bytes", json_object_new_double(idle));
	json_object_object_add(object, "line_bytes", json_object_new_double(line));
	json_object_object_add(object, "client_bytes", json_object_new_double(client));
	json_object_object_add(json, "memory", object);
	for (int i = 0; i < CLIENTS; i++)
		ptirq_close(ptirq[i]);
	bench_broker_stop(&one);
	bench_broker_stop(&many);
	free(config_one);
	free(config_many);
	return 0;
}

/* Each can be measured alone. Gives the number of targets that were missed. */
static const struct {
	const char *name;
	int (*measure)(const struct bench_options *options, struct json_object *json);
} parts[] = {
	{"paths", measure_paths},
	{"subscribers", measure_subscribers},
	{"bursts", measure_bursts},
	{"memory", measure_memory},
};

static bool wanted(const char *part, char *const *names)
{
	bool all = !*names;

	for (; *names; names++)
		all |= strcmp(part, *names) == 0;
	return all;
}

static bool may_use_fifo(void)
{
	struct sched_param fifo = {.sched_priority = BENCH_PRIO_RAISER}, other = {0};

	return sched_setscheduler(0, SCHED_FIFO, &fifo) == 0 &&
	       sched_setscheduler(0, SCHED_OTHER, &other) == 0;
}

static struct bench_options parse_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{"broker", required_argument, NULL, 'b'}, {"json", required_argument, NULL, 'j'},
		{"rounds", required_argument, NULL, 'r'}, {"samples", required_argument, NULL, 'n'},
		{"cpu", required_argument, NULL, 'c'},    {0},
	};
	struct bench_options options = {.broker = "ptirq-broker",
					.rounds = 7,
					.samples = 5000,
					.cpu = 0};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'b': options.broker = optarg; break;
		case 'j': options.json = optarg; break;
		case 'r': options.rounds = atoi(optarg); break;
		case 'n': options.samples = atoi(optarg); break;
		case 'c': options.cpu = atoi(optarg); break;
		default:
			fprintf(stderr, "usage: ptirq-bench --broker PATH [--json FILE] "
					"[--rounds N] [--samples N] [--cpu N] [PART...]\n"
					"parts: paths, subscribers, bursts, memory\n");
			exit(2);
		}
	}
	if (options.rounds < 1 || options.rounds > BENCH_MAX_ROUNDS || options.samples < 100)
		errx(2, "--rounds takes 1 to %d, --samples at least 100", BENCH_MAX_ROUNDS);
	return options;
}

int main(int argc, char **argv)
{
	struct bench_options options = parse_options(argc, argv);
	struct json_object *json = json_object_new_object();
	int broken = 0;

	options.fifo = may_use_fifo();
	printf("CPU %d, %s; %d rounds of %d interrupts; ratios are medians over the rounds\n",
	       options.cpu, options.fifo ? "SCHED_FIFO" : "no real-time priority (not allowed)",
	       options.rounds, options.samples);
	json_object_object_add(json, "schema", json_object_new_string("ptirq.bench.v1"));
	json_object_object_add(json, "fifo", json_object_new_boolean(options.fifo));
	json_object_object_add(json, "rounds", json_object_new_int(options.rounds));
	json_object_object_add(json, "samples", json_object_new_int(options.samples));

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (wanted(parts[i].name, argv + optind))
			broken += parts[i].measure(&options, json);

	json_object_object_add(json, "broken_targets", json_object_new_int(broken));
	if (options.json && json_object_to_file_ext(options.json, json, JSON_C_TO_STRING_PRETTY))
		errx(1, "%s: %s", options.json, json_util_get_last_err());
	json_object_put(json);
	if (broken)
		printf("\n%d target%s missed\n", broken, broken == 1 ? "" : "s");
	return broken ? 1 : 0;
}
