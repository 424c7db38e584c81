// SPDX-License-Identifier: MIT
/* ptirqctl status: is the broker well, and what has it done? */
#include "ctl/output.h"

#include <stdio.h>
#include <string.h>

struct summary {
	uint64_t lines, subscribers, clients;
	struct ptirq_stats broker;
	/* Lines that do not work, kept for the end. */
	struct output *output;
};

static int count_line(const struct ptirq_line_info *info, void *userdata)
{
	struct summary *summary = userdata;

	summary->lines++;
	summary->subscribers += info->n_subscribers;
	return 0;
}

static int count_client(const struct ptirq_stats *stats, void *userdata)
{
	struct summary *summary = userdata;

	(void)stats;
	summary->clients++;
	return 0;
}

static int note_broker(const struct ptirq_stats *stats, void *userdata)
{
	struct summary *summary = userdata;

	summary->broker = *stats;
	return 0;
}

static int list_problem(const struct ptirq_line_info *info, void *userdata)
{
	if (info->problem[0])
		output_row(userdata, info->name, info->state, info->problem);
	return 0;
}

int verb_status(struct ctl *ctl, int argc, char **argv)
{
	static const struct column problems[] = {
		{"name", "LINE", CELL_TEXT},
		{"state", "STATE", CELL_TEXT},
		{"problem", "PROBLEM", CELL_TEXT},
		{0},
	};
	struct summary s = {0};
	struct output *output;
	int r;

	if (!arguments_between(ctl, argc, argv, 0, 0))
		return EXIT_USAGE;
	r = reach(ctl);
	if (r != EXIT_FINE)
		return r;
	r = ptirq_list_lines(ctl->ptirq, count_line, &s);
	if (r == 0)
		r = ptirq_get_stats(ctl->ptirq, PTIRQ_STATS_CLIENTS, NULL, count_client, &s);
	if (r == 0)
		r = ptirq_get_stats(ctl->ptirq, PTIRQ_STATS_BROKER, NULL, note_broker, &s);
	if (r < 0)
		return refused(ctl, r);

	output = output_open(ctl);
#define FIELD(key, title, cell, value) \
	output_field(output, &(struct column){key, title, cell}, value)
	FIELD("epoch", "epoch", CELL_NUMBER, ptirq_epoch(ctl->ptirq));
	FIELD("lines", "lines", CELL_NUMBER, s.lines);
	FIELD("subscribers", "subscribers", CELL_NUMBER, s.subscribers);
	FIELD("clients", "clients", CELL_NUMBER, s.clients);
	FIELD("rounds", "rounds", CELL_NUMBER, s.broker.rounds);
	FIELD("handled", "handled", CELL_NUMBER, s.broker.handled);
	FIELD("timeouts", "timeouts", CELL_NUMBER, s.broker.timeouts);
	FIELD("forced", "forced", CELL_NUMBER, s.broker.forced);
	FIELD("faults", "faults", CELL_NUMBER, s.broker.faults);
	FIELD("response_p50_ns", "response p50", CELL_NS, s.broker.response_p50_ns);
	FIELD("response_p99_ns", "response p99", CELL_NS, s.broker.response_p99_ns);
	FIELD("max_masked_ns", "longest mask", CELL_NS, s.broker.max_masked_ns);
#undef FIELD
	output_table(output, "problems", problems);
	r = ptirq_list_lines(ctl->ptirq, list_problem, output);
	output_close(output);
	return r < 0 ? refused(ctl, r) : EXIT_FINE;
}
