// SPDX-License-Identifier: MIT
/*
 * Owns the life of a line: its core, its source, what the source says. Must not know clients but to
 * tell them.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/exec.h"
#include "broker/log.h"

/* ---- what the source says ------------------------------------------------------------------------ */

static void on_fired(void *user, uint8_t unit, uint16_t attribution, bool back_to_back)
{
	struct line *line = user;

	line->unit[unit].fired_at = exec_now(line->exec);
	line->unit[unit].status = attribution;
	exec_feed(line, &(struct arb_event){
				.kind = ARB_EV_FIRED,
				.unit = unit,
				.attribution = attribution,
				.back_to_back = back_to_back,
			});
}

/* @problem: the news, for the log. Who looks at the line is told of all of its devices. */
static void say(struct line *line, const char *problem)
{
	if (line->source && line->source->ops->problem)
		line->source->ops->problem(line->source, line->problem);
	else
		snprintf(line->problem, sizeof(line->problem), "%s", problem);
	if (problem[0])
		log_warn(&(struct log_about){.line = line->config->name}, "line %s: %s",
			 line->config->name, problem);
}

static void on_up(void *user)
{
	struct line *line = user;

	say(line, "");
	exec_feed(line, &(struct arb_event){.kind = ARB_EV_LINE_UP});
}

static void on_gone(void *user, const char *problem)
{
	struct line *line = user;

	say(line, problem);
	exec_feed(line, &(struct arb_event){.kind = ARB_EV_LINE_GONE});
}

static void on_unit_up(void *user, uint8_t unit)
{
	struct line *line = user;

	say(line, "");
	exec_feed(line, &(struct arb_event){.kind = ARB_EV_UNIT_UP, .unit = unit});
}

static void on_unit_gone(void *user, uint8_t unit, const char *problem)
{
	struct line *line = user;

	say(line, problem);
	exec_feed(line, &(struct arb_event){.kind = ARB_EV_UNIT_GONE, .unit = unit});
}

static void on_held_up(void *user, int fd)
{
	path_held_up(user, fd);
}

static const struct source_events source_events = {
	.fired = on_fired,
	.up = on_up,
	.gone = on_gone,
	.unit_up = on_unit_up,
	.unit_gone = on_unit_gone,
	.held_up = on_held_up,
};

/* ---- life ---------------------------------------------------------------------------------------- */

static struct line_config *copy_config(const struct line_config *config)
{
	size_t size = offsetof(struct line_config, device) +
		      config->n_devices * sizeof(config->device[0]);
	struct line_config *copy = malloc(size);

	if (copy)
		memcpy(copy, config, size);
	return copy;
}

static void set_up_core(struct line *line, struct arb_config *arb)
{
	const struct line_config *config = line->config;
	const struct source_topology *topology = &line->topology;

	arb_config_default(arb);
	arb->policy = config->policy;
	arb->n_units = topology->n_units;
	arb->n_devices = topology->n_devices;
	for (uint8_t u = 0; u < topology->n_units; u++) {
		uint8_t paths = path_unit_flags(line, u);

		arb->unit_flags[u] = (topology->edge ? ARB_UNIT_EDGE : 0) |
				     (topology->can_sample[u] ? ARB_UNIT_SAMPLE : 0) | paths;
		line->paths |= paths;
	}
	for (uint8_t d = 0; d < topology->n_devices; d++) {
		arb->device_unit[d] = topology->device[d].unit;
		arb->device_flags[d] = (topology->device[d].has_mask ? ARB_DEV_MASK : 0) |
				       (topology->device[d].has_status ? ARB_DEV_STATUS : 0);
	}
	if (config->round_deadline_ns)
		arb->round_deadline = config->round_deadline_ns;
	arb->ask_deadline = config->deadline_ns;
	if (config->hedge_ns)
		arb->hedge = config->hedge_ns;
	if (config->storm_burst)
		arb->storm_burst = config->storm_burst;
	/* The bucket is filled up once in as long as the rate takes to empty it. */
	if (config->storm_rate)
		arb->storm_window = arb->storm_burst * UINT64_C(1000000000) / config->storm_rate;
}

static int make_source(struct line *line)
{
	struct exec *exec = line->exec;

	switch (line->config->source) {
	case CONFIG_SIM:
		return source_sim_new(line->config, exec->loop, &source_events, line,
				      &line->source);
	case CONFIG_UIO:
		return source_uio_new(line->config, exec->loop, exec->opener, &source_events, line,
				      &line->source);
	case CONFIG_HELPER:
		return source_helper_new(line->config, exec->loop, exec->opener, &source_events,
					 line, &line->source);
	}
	return -EINVAL;
}

/* A line that cannot work stays to be seen, with its problem, until the configuration changes. */
static void broken(struct line *line, int error, const char *problem)
{
	char text[LIMIT_TEXT];

	snprintf(text, sizeof(text), "%s", problem[0] ? problem : strerror(-error));
	if (line->source)
		line->source->ops->free(line->source);
	line->source = NULL;
	say(line, text);
	line->topology.n_units = line->topology.n_devices = 0;
}

struct line *line_new(struct exec *exec, const struct line_config *config)
{
	struct line *line = calloc(1, sizeof(*line));
	char problem[LIMIT_TEXT] = "";
	struct arb_config arb;
	int r;

	if (!line)
		return NULL;
	line->exec = exec;
	line->config = copy_config(config);
	if (!line->config) {
		free(line);
		return NULL;
	}
	r = make_source(line);
	if (r == 0)
		r = line->source->ops->describe(line->source, &line->topology, problem);
	if (r < 0) {
		broken(line, r, problem);
		return line;
	}
	line->unit = calloc(line->topology.n_units, sizeof(*line->unit));
	set_up_core(line, &arb);
	if (arb_config_check(&arb) != 0) {
		broken(line, -EINVAL, "its devices and times make no sense together");
		return line;
	}
	line->arb = malloc(arb_size(&arb));
	if (!line->unit || !line->arb) {
		broken(line, -ENOMEM, "");
		return line;
	}
	arb_init(line->arb, &arb);
	return line;
}

void line_start(struct line *line)
{
	if (!line->source)
		return;
	watch_tap(line);
	line->source->ops->start(line->source);
}

void line_rescan(struct line *line)
{
	if (line->source->ops->rescan)
		line->source->ops->rescan(line->source);
}

void line_free(struct line *line, const char *text)
{
	if (!line)
		return;
	for (uint32_t i = 0; i < LIMIT_SUBS_PER_LINE; i++)
		if (line->sub[i])
			subscriber_evict(line->sub[i], WIRE_GONE, text);
	grant_cancel_all(line);
	if (line->source)
		line->source->ops->free(line->source);
	for (uint8_t u = 0; line->unit && u < line->topology.n_units; u++) {
		struct unit *unit = &line->unit[u];

		timers_remove(&unit->hedge);
		timers_remove(&unit->state);
		timers_remove(&unit->window);
		timers_remove(&unit->storm);
		timers_remove(&unit->look);
		free(unit->response);
	}
	free(line->unit);
	free(line->arb);
	free(line->config);
	free(line);
}

/* ---- finding and telling ------------------------------------------------------------------------- */

struct line *line_find(struct exec *exec, const char *name)
{
	for (uint32_t i = 0; i < exec->n_lines; i++)
		if (strcmp(exec->lines[i]->config->name, name) == 0)
			return exec->lines[i];
	return NULL;
}

int line_device(const struct line *line, const char *name)
{
	for (int d = 0; d < line->topology.n_devices; d++)
		if (strcmp(line->topology.device[d].name, name) == 0)
			return d;
	return -1;
}

/* "dev0: ", if the unit is one device or the operation that of one. */
static void subject(const struct line *line, const struct arb_action *action, char *ret,
		    size_t size)
{
	const struct source_topology *topology = &line->topology;
	bool of_device =
		action->kind == ARB_ACT_QUIET_DEVICE || action->kind == ARB_ACT_UNQUIET_DEVICE;
	const char *name = NULL;
	int n = 0;

	for (uint8_t d = 0; d < topology->n_devices; d++)
		if (of_device ? d == action->device : topology->device[d].unit == action->unit) {
			name = topology->device[d].name;
			n++;
		}
	snprintf(ret, size, "%s%s", n == 1 ? name : "", n == 1 ? ": " : "");
}

void line_failed(struct line *line, const struct arb_action *action, int error)
{
	static const char *const words[ARB_N_ACTIONS] = {
		[ARB_ACT_UNMASK] = "unmasking",
		[ARB_ACT_MASK] = "masking",
		[ARB_ACT_QUIET_DEVICE] = "holding its own mask",
		[ARB_ACT_UNQUIET_DEVICE] = "freeing its own mask",
		[ARB_ACT_PROMOTE] = "giving it to its client directly",
		[ARB_ACT_DEMOTE] = "taking it back from its client",
	};
	struct unit *unit = &line->unit[action->unit];
	char about[LIMIT_NAME + 2];

	if (unit->failed == error && unit->failed_op == action->kind)
		return;
	unit->failed = error;
	unit->failed_op = action->kind;
	subject(line, action, about, sizeof(about));
	log_warn(&(struct log_about){.line = line->config->name},
		 "line %s: %s%s failed: %s; dmesg may say why", line->config->name, about,
		 words[action->kind], strerror(-error));
}

/* Once to each client, however many subscriptions it has here. */
void line_tell(struct line *line, uint8_t unit, const char *text)
{
	struct wire_event event = {.kind = WIRE_EV_LINE_STATE};

	memcpy(event.line_state.line, line->config->name, sizeof(event.line_state.line));
	event.line_state.unit = unit;
	snprintf(event.line_state.state, sizeof(event.line_state.state), "%s",
		 view_state(arb_unit_state(line->arb, unit)));
	snprintf(event.line_state.text, sizeof(event.line_state.text), "%s", text);
	for (uint32_t i = 0; i < LIMIT_SUBS_PER_LINE; i++) {
		bool told = false;

		if (!line->sub[i])
			continue;
		for (uint32_t j = 0; j < i && !told; j++)
			told = line->sub[j] && line->sub[j]->session == line->sub[i]->session;
		if (!told)
			session_event(line->sub[i]->session, &event);
	}
}
