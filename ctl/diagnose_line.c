// SPDX-License-Identifier: MIT
/*
 * What the broker says of a line, of its units and of who subscribes to it, in sentences. Must not
 * look at the machine: the broker may be in another place than its devices seem.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/diagnose.h"

struct telling {
	const struct ptirq_line_info *info;
	struct findings *findings;
};

/* Where somebody subscribes to the unit, but nobody who answers to all its devices. */
static void tell_held(const struct telling *telling, uint32_t unit)
{
	const struct ptirq_device_info *device = telling->info->device;

	for (uint32_t i = 0; i < telling->info->n_devices; i++)
		if (device[i].unit == unit && device[i].flags & PTIRQ_DEV_HELD)
			found_note(telling->findings, "held", telling->info->name,
				   "device %s is kept quiet: nobody who answers wants it",
				   device[i].name);
}

/* docs/protocol.md, "States, statistics, watching". The line's problem has told of absent ones. */
static int tell_unit(const struct ptirq_stats *s, void *userdata)
{
	const struct telling *telling = userdata;
	const char *line = telling->info->name;
	char which[96] = "it";

	if (s->device[0])
		snprintf(which, sizeof(which), "device %s", s->device);
	if (strcmp(s->state, "throttled") == 0)
		found_problem(
			telling->findings, "throttled", line,
			"%s is paused, since it interrupts faster than storm-rate= allows, or at "
			"every unmask without that anybody serves it: `ptirqctl watch %s` shows "
			"which",
			which, line);
	else if (strcmp(s->state, "polled") == 0)
		found_problem(
			telling->findings, "polled", line,
			"%s is kept masked and only looked at from time to time: it asserts, and "
			"who should serve it does not answer, or nobody says that it is theirs",
			which);
	else if (strcmp(s->state, "fault") == 0)
		found_problem(
			telling->findings, "fault", line,
			"masking or unmasking %s has failed %" PRIu64
			" times; the broker's log says how, and `ptirqctl reload` tries again",
			which, s->faults);
	else if (strcmp(s->state, "absent") == 0 && !telling->info->problem[0])
		found_problem(telling->findings, "absent", line, "%s is not there", which);
	else if (strcmp(s->state, "unclaimed") == 0)
		found_note(telling->findings, "unclaimed", line,
			   "nobody %ssubscribes to %s, so it is kept quiet",
			   telling->info->n_subscribers ? "who answers " : "", which);
	if (strcmp(s->state, "unclaimed") != 0)
		tell_held(telling, s->unit);
	return 0;
}

static int tell_subscriber(const struct ptirq_stats *s, void *userdata)
{
	const struct telling *telling = userdata;
	const char *line = telling->info->name;
	char who[128];

	snprintf(who, sizeof(who), "%s (client %" PRIu64 ", process %u)", s->client_name, s->client,
		 s->pid);
	if (strcmp(s->state, "quarantined") == 0)
		found_problem(telling->findings, "quarantined", line,
			      "%s has been silent %" PRIu64
			      " times and is quarantined: it is asked now and then only, until it "
			      "answers; is it hung? `ptirqctl release %" PRIu64 "` evicts it",
			      who, s->timeouts, s->client);
	else if (strcmp(s->state, "debt") == 0)
		found_problem(
			telling->findings, "debt", line,
			"%s owes an answer and is late; until it comes it is not asked, and its "
			"device stays masked",
			who);
	else if (strcmp(s->state, "parked") == 0)
		found_note(telling->findings, "parked", line, "%s has parked: it is not asked",
			   who);
	return 0;
}

int diagnose_line(struct ctl *ctl, const struct ptirq_line_info *info, struct findings *ret)
{
	struct telling telling = {.info = info, .findings = ret};
	int r;

	if (info->problem[0])
		found_problem(ret, "broker", info->name, "%s", info->problem);
	r = ptirq_get_stats(ctl->ptirq, PTIRQ_STATS_UNITS, info->name, tell_unit, &telling);
	if (r == 0)
		r = ptirq_get_stats(ctl->ptirq, PTIRQ_STATS_SUBSCRIBERS, info->name,
				    tell_subscriber, &telling);
	return r;
}
