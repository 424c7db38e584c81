// SPDX-License-Identifier: MIT
/* ptirqctl watch [--count N] [LINE]: what happens, as it happens, until interrupted. */
#include "ctl/output.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

struct watch {
	struct ctl *ctl;
	uint64_t left; /* records to print; 0 of them ends it */
	bool headed;
};

static const struct column columns[] = {
	{"time_ns", NULL, CELL_NUMBER},   {"line", NULL, CELL_TEXT},
	{"unit", NULL, CELL_NUMBER},      {"round", NULL, CELL_NUMBER},
	{"what", NULL, CELL_TEXT},        {"detail", NULL, CELL_TEXT},
	{"client_name", NULL, CELL_TEXT}, {"subscription", NULL, CELL_NUMBER},
	{"took_ns", NULL, CELL_NUMBER},   {"dropped", NULL, CELL_NUMBER},
};

static void print_json(struct ctl *ctl, const struct ptirq_watch_record *r)
{
	struct output *output = output_open(ctl);

	output_field(output, &columns[0], r->time_ns);
	output_field(output, &columns[1], r->line);
	output_field(output, &columns[2], (uint64_t)r->unit);
	output_field(output, &columns[3], (uint64_t)r->round);
	output_field(output, &columns[4], r->what);
	output_field(output, &columns[5], r->detail);
	output_field(output, &columns[6], r->client_name);
	output_field(output, &columns[7], (uint64_t)r->subscription);
	output_field(output, &columns[8], r->took_ns);
	output_field(output, &columns[9], r->dropped);
	output_close(output);
}

static void record(const struct ptirq_watch_record *r, void *userdata)
{
	struct watch *watch = userdata;
	char where[80];

	if (!watch->left)
		return;
	watch->left--;
	if (watch->ctl->json) {
		print_json(watch->ctl, r);
		return;
	}
	if (!watch->headed)
		printf("%17s  %-16s %10s  %-10s %-16s %-12s %s\n", "TIME", "LINE/UNIT", "ROUND",
		       "WHAT", "CLIENT", "DETAIL", "TOOK");
	watch->headed = true;
	if (r->dropped)
		printf("... %" PRIu64 " records lost: this reader is too slow\n", r->dropped);
	snprintf(where, sizeof(where), "%s/%" PRIu32, r->line, r->unit);
	printf("%10" PRIu64 ".%06" PRIu64 "  %-16s %10" PRIu32 "  %-10s %-16s %-12s",
	       r->time_ns / 1000000000, r->time_ns / 1000 % 1000000, where, r->round, r->what,
	       r->client_name, r->detail);
	if (r->took_ns)
		printf(" %.1f us", (double)r->took_ns / 1000);
	putchar('\n');
	fflush(stdout);
}

int verb_watch(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{"count", required_argument, NULL, 'n'},
		{0},
	};
	struct watch watch = {.ctl = ctl, .left = UINT64_MAX};
	struct pollfd pfd = {.events = POLLIN};
	int c, r;

	optind = 0;
	while ((c = getopt_long(argc, argv, "n:", options, NULL)) != -1)
		if (c == '?')
			return bad_option(ctl, "watch", argv);
		else if (!parse_number(optarg, UINT64_MAX, &watch.left) || !watch.left)
			return usage(ctl, "watch: --count takes a number from 1");
	if (argc - optind > 1)
		return usage(ctl, "watch: '%s' is too much", argv[optind + 1]);
	r = reach(ctl);
	if (r != EXIT_FINE)
		return r;

	pfd.fd = ptirq_get_fd(ctl->ptirq);
	r = ptirq_watch(ctl->ptirq, argv[optind], record, &watch);
	if (r < 0)
		return refused(ctl, r);
	while (watch.left) {
		if (poll(&pfd, 1, -1) < 0)
			return EXIT_NO;
		r = ptirq_dispatch(ctl->ptirq);
		/* Also -ENOTCONN: who watches wants to know that nothing is seen any more. */
		if (r < 0)
			return refused(ctl, r);
	}
	return EXIT_FINE;
}
