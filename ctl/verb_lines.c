// SPDX-License-Identifier: MIT
/* ptirqctl lines, ptirqctl show LINE. */
#include "ctl/output.h"

#include <string.h>

static int line_row(const struct ptirq_line_info *info, void *userdata)
{
	output_row(userdata, info->name, info->source, info->trigger, info->policy, info->state,
		   (uint64_t)info->n_units, (uint64_t)info->n_devices,
		   (uint64_t)info->n_subscribers, (uint64_t)info->max_subscribers,
		   info->deadline_ns, info->problem);
	return 0;
}

int verb_lines(struct ctl *ctl, int argc, char **argv)
{
	static const struct column columns[] = {
		{"name", "LINE", CELL_TEXT},
		{"source", "SOURCE", CELL_TEXT},
		{"trigger", "TRIGGER", CELL_TEXT},
		{"policy", "POLICY", CELL_TEXT},
		{"state", "STATE", CELL_TEXT},
		{"units", "UNITS", CELL_NUMBER},
		{"devices", "DEVICES", CELL_NUMBER},
		{"subscribers", "SUBSCRIBERS", CELL_NUMBER},
		{"max_subscribers", NULL, CELL_NUMBER},
		{"deadline_ns", NULL, CELL_NS},
		{"problem", "PROBLEM", CELL_TEXT},
		{0},
	};
	struct output *output;
	int r;

	if (!arguments_between(ctl, argc, argv, 0, 0))
		return EXIT_USAGE;
	r = reach(ctl);
	if (r != EXIT_FINE)
		return r;
	output = output_open(ctl);
	output_table(output, "lines", columns);
	r = ptirq_list_lines(ctl->ptirq, line_row, output);
	output_close(output);
	return r < 0 ? refused(ctl, r) : EXIT_FINE;
}

static int subscriber_row(const struct ptirq_stats *s, void *userdata)
{
	output_row(userdata, s->client_name, s->client, (uint64_t)s->pid, (uint64_t)s->uid,
		   s->device, s->state, s->path, s->asks, s->handled, s->timeouts,
		   s->response_p50_ns, s->response_p99_ns);
	return 0;
}

int verb_show(struct ctl *ctl, int argc, char **argv)
{
	static const struct column devices[] = {
		{"name", "DEVICE", CELL_TEXT},
		{"location", "LOCATION", CELL_TEXT},
		{"unit", "UNIT", CELL_NUMBER},
		{"present", "PRESENT", CELL_BOOL},
		{"mask", "MASK", CELL_BOOL},
		{"status", "STATUS", CELL_BOOL},
		{"held", "HELD", CELL_BOOL},
		{"grantable", "GRANTABLE", CELL_BOOL},
		{"unsafe_dma", "UNSAFE DMA", CELL_BOOL},
		{"path", "PATH", CELL_TEXT},
		{0},
	};
	static const struct column subscribers[] = {
		{"name", "CLIENT", CELL_TEXT},
		{"client", "ID", CELL_NUMBER},
		{"pid", "PID", CELL_ID},
		{"uid", "UID", CELL_ID},
		{"device", "DEVICE", CELL_TEXT},
		{"state", "STATE", CELL_TEXT},
		{"path", "PATH", CELL_TEXT},
		{"asks", "ASKS", CELL_NUMBER},
		{"handled", "HANDLED", CELL_NUMBER},
		{"timeouts", "TIMEOUTS", CELL_NUMBER},
		{"response_p50_ns", "P50", CELL_NS},
		{"response_p99_ns", "P99", CELL_NS},
		{0},
	};
	struct ptirq_line_info info;
	struct output *output;
	int r;

	if (!arguments_between(ctl, argc, argv, 1, 1))
		return EXIT_USAGE;
	r = reach(ctl);
	if (r != EXIT_FINE)
		return r;
	r = ptirq_line_info(ctl->ptirq, argv[1], &info);
	if (r < 0)
		return refused(ctl, r);

	output = output_open(ctl);
#define FIELD(key, title, cell, value) \
	output_field(output, &(struct column){key, title, cell}, value)
	FIELD("name", "line", CELL_TEXT, info.name);
	FIELD("source", "source", CELL_TEXT, info.source);
	FIELD("trigger", "trigger", CELL_TEXT, info.trigger);
	FIELD("policy", "policy", CELL_TEXT, info.policy);
	FIELD("state", "state", CELL_TEXT, info.state);
	FIELD("units", "units", CELL_NUMBER, (uint64_t)info.n_units);
	FIELD("max_subscribers", "subscribers, at most", CELL_NUMBER,
	      (uint64_t)info.max_subscribers);
	FIELD("deadline_ns", "deadline", CELL_NS, info.deadline_ns);
	FIELD("problem", "problem", CELL_TEXT, info.problem);
#undef FIELD
	output_table(output, "devices", devices);
	for (uint32_t i = 0; i < info.n_devices; i++) {
		const struct ptirq_device_info *d = &info.device[i];

		output_row(output, d->name, d->location, (uint64_t)d->unit,
			   !!(d->flags & PTIRQ_DEV_PRESENT), !!(d->flags & PTIRQ_DEV_MASK),
			   !!(d->flags & PTIRQ_DEV_STATUS), !!(d->flags & PTIRQ_DEV_HELD),
			   !!(d->flags & PTIRQ_DEV_GRANTABLE), !!(d->flags & PTIRQ_DEV_UNSAFE_DMA),
			   d->flags & PTIRQ_DEV_DIRECT   ? "direct"
			   : d->flags & PTIRQ_DEV_NOTIFY ? "notify"
							 : "brokered");
	}
	output_table(output, "subscribers", subscribers);
	r = ptirq_get_stats(ctl->ptirq, PTIRQ_STATS_SUBSCRIBERS, argv[1], subscriber_row, output);
	output_close(output);
	return r < 0 ? refused(ctl, r) : EXIT_FINE;
}
