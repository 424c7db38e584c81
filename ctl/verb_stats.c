// SPDX-License-Identifier: MIT
/* ptirqctl stats [LINE], ptirqctl clients. */
#include "ctl/output.h"

#include <stdio.h>
#include <string.h>

static const struct column columns[] = {
	{"name", "NAME", CELL_TEXT},
	{"scope", NULL, CELL_TEXT},
	{"line", NULL, CELL_TEXT},
	{"unit", NULL, CELL_NUMBER},
	{"device", "DEVICE", CELL_TEXT},
	{"client", NULL, CELL_NUMBER},
	{"subscription", NULL, CELL_NUMBER},
	{"state", "STATE", CELL_TEXT},
	{"path", NULL, CELL_TEXT},
	{"rounds", "ROUNDS", CELL_NUMBER},
	{"asks", "ASKS", CELL_NUMBER},
	{"handled", "HANDLED", CELL_NUMBER},
	{"not_mine", "NOT MINE", CELL_NUMBER},
	{"eoi", "EOI", CELL_NUMBER},
	{"timeouts", "TIMEOUTS", CELL_NUMBER},
	{"debts", NULL, CELL_NUMBER},
	{"strikes", "STRIKES", CELL_NUMBER},
	{"stale", "STALE", CELL_NUMBER},
	{"retracted", NULL, CELL_NUMBER},
	{"spurious", "SPURIOUS", CELL_NUMBER},
	{"unhandled", NULL, CELL_NUMBER},
	{"throttled", "THROTTLED", CELL_NUMBER},
	{"forced", "FORCED", CELL_NUMBER},
	{"faults", NULL, CELL_NUMBER},
	{"masked_ns", NULL, CELL_NS},
	{"max_masked_ns", "MASKED", CELL_NS},
	{"throttled_ns", NULL, CELL_NS},
	{"response_count", NULL, CELL_NUMBER},
	{"response_p50_ns", "P50", CELL_NS},
	{"response_p99_ns", "P99", CELL_NS},
	{"response_p999_ns", "P99.9", CELL_NS},
	{"response_max_ns", "MAX", CELL_NS},
	{0},
};

struct listing {
	struct output *output;
	enum ptirq_stats_scope scope;
};

/* Names that are one's own among all rows of the document. */
static const char *name_of(enum ptirq_stats_scope scope, const struct ptirq_stats *s, char *buf,
			   size_t size)
{
	switch (scope) {
	case PTIRQ_STATS_BROKER: return "broker";
	case PTIRQ_STATS_LINES: return s->line;
	case PTIRQ_STATS_UNITS: snprintf(buf, size, "%s/%u", s->line, s->unit); return buf;
	case PTIRQ_STATS_SUBSCRIBERS:
		snprintf(buf, size, "%s: %s (%llu/%u)", s->line, s->client_name,
			 (unsigned long long)s->client, s->subscription);
		return buf;
	case PTIRQ_STATS_CLIENTS: return s->client_name;
	}
	return "";
}

static int row(const struct ptirq_stats *s, void *userdata)
{
	static const char *const scopes[] = {
		[PTIRQ_STATS_BROKER] = "broker",  [PTIRQ_STATS_LINES] = "line",
		[PTIRQ_STATS_UNITS] = "unit",     [PTIRQ_STATS_SUBSCRIBERS] = "subscriber",
		[PTIRQ_STATS_CLIENTS] = "client",
	};
	struct listing *listing = userdata;
	char name[192];

	output_row(listing->output, name_of(listing->scope, s, name, sizeof(name)),
		   scopes[listing->scope], s->line, (uint64_t)s->unit, s->device, s->client,
		   (uint64_t)s->subscription, s->state, s->path, s->rounds, s->asks, s->handled,
		   s->not_mine, s->eoi, s->timeouts, s->debts, s->strikes, s->stale, s->retracted,
		   s->spurious, s->unhandled, s->throttled, s->forced, s->faults, s->masked_ns,
		   s->max_masked_ns, s->throttled_ns, s->response_count, s->response_p50_ns,
		   s->response_p99_ns, s->response_p999_ns, s->response_max_ns);
	return 0;
}

int verb_stats(struct ctl *ctl, int argc, char **argv)
{
	static const enum ptirq_stats_scope scopes[] = {
		PTIRQ_STATS_BROKER,
		PTIRQ_STATS_LINES,
		PTIRQ_STATS_UNITS,
		PTIRQ_STATS_SUBSCRIBERS,
	};
	const char *line = argc > 1 ? argv[1] : NULL;
	struct ptirq_line_info info;
	struct listing listing;
	int r;

	if (!arguments_between(ctl, argc, argv, 0, 1))
		return EXIT_USAGE;
	r = reach(ctl);
	if (r != EXIT_FINE)
		return r;
	/* No rows at all would not say that there is no such line. */
	if (line)
		r = ptirq_line_info(ctl->ptirq, line, &info);
	if (r < 0)
		return refused(ctl, r);
	listing.output = output_open(ctl);
	output_table(listing.output, "stats", columns);
	for (size_t i = line ? 1 : 0; r == 0 && i < sizeof(scopes) / sizeof(scopes[0]); i++) {
		listing.scope = scopes[i];
		r = ptirq_get_stats(ctl->ptirq, scopes[i], line, row, &listing);
	}
	output_close(listing.output);
	return r < 0 ? refused(ctl, r) : EXIT_FINE;
}

/* ---- clients ---- */

struct client_lines {
	uint64_t client;
	char names[1024];
};

static int collect_lines(const struct ptirq_stats *s, void *userdata)
{
	struct client_lines *lines = userdata;
	size_t used = strlen(lines->names);

	if (s->client == lines->client)
		snprintf(lines->names + used, sizeof(lines->names) - used, "%s%s", used ? " " : "",
			 s->line);
	return 0;
}

struct clients {
	struct ctl *ctl;
	struct output *output;
};

static int client_row(const struct ptirq_stats *s, void *userdata)
{
	struct clients *clients = userdata;
	struct client_lines lines = {.client = s->client};
	int r = ptirq_get_stats(clients->ctl->ptirq, PTIRQ_STATS_SUBSCRIBERS, NULL, collect_lines,
				&lines);

	if (r < 0)
		return r;
	output_row(clients->output, s->client_name, s->client, (uint64_t)s->pid, (uint64_t)s->uid,
		   s->state, lines.names, s->asks, s->handled, s->not_mine, s->eoi, s->timeouts,
		   s->strikes, s->stale);
	return 0;
}

int verb_clients(struct ctl *ctl, int argc, char **argv)
{
	static const struct column client_columns[] = {
		{"name", "CLIENT", CELL_TEXT},
		{"client", "ID", CELL_NUMBER},
		{"pid", "PID", CELL_ID},
		{"uid", "UID", CELL_ID},
		{"state", "STATE", CELL_TEXT},
		{"lines", "LINES", CELL_TEXTS},
		{"asks", "ASKS", CELL_NUMBER},
		{"handled", "HANDLED", CELL_NUMBER},
		{"not_mine", "NOT MINE", CELL_NUMBER},
		{"eoi", "EOI", CELL_NUMBER},
		{"timeouts", "TIMEOUTS", CELL_NUMBER},
		{"strikes", "STRIKES", CELL_NUMBER},
		{"stale", "STALE", CELL_NUMBER},
		{0},
	};
	struct clients clients = {.ctl = ctl};
	int r;

	if (!arguments_between(ctl, argc, argv, 0, 0))
		return EXIT_USAGE;
	r = reach(ctl);
	if (r != EXIT_FINE)
		return r;
	clients.output = output_open(ctl);
	output_table(clients.output, "clients", client_columns);
	r = ptirq_get_stats(ctl->ptirq, PTIRQ_STATS_CLIENTS, NULL, client_row, &clients);
	output_close(clients.output);
	return r < 0 ? refused(ctl, r) : EXIT_FINE;
}
