// SPDX-License-Identifier: MIT
/*
 * Owns what people see of lines and counters. Reads only.
 */
#include <stdio.h>
#include <string.h>

#include "broker/exec.h"
#include "broker/opener.h"

#define COPY(to, from) snprintf(to, sizeof(to), "%s", from)

/* ---- lines --------------------------------------------------------------------------------------- */

const char *view_state(enum arb_state state)
{
	static const char *const names[ARB_N_STATES] = {
		[ARB_ABSENT] = "absent", [ARB_UNCLAIMED] = "unclaimed", [ARB_IDLE] = "idle",
		[ARB_ROUND] = "round",   [ARB_THROTTLED] = "throttled", [ARB_POLLED] = "polled",
		[ARB_DIRECT] = "direct", [ARB_FAULT] = "fault",
	};

	return names[state];
}

/* The least well of a line's units. */
static enum arb_state line_state(const struct line *line)
{
	static const uint8_t badness[ARB_N_STATES] = {
		[ARB_IDLE] = 0,      [ARB_DIRECT] = 1, [ARB_ROUND] = 2, [ARB_UNCLAIMED] = 3,
		[ARB_THROTTLED] = 4, [ARB_POLLED] = 5, [ARB_FAULT] = 6, [ARB_ABSENT] = 7,
	};
	enum arb_state worst = ARB_IDLE;

	if (!line->source)
		return ARB_ABSENT;
	for (uint8_t u = 0; u < line->topology.n_units; u++) {
		enum arb_state state = arb_unit_state(line->arb, u);

		if (badness[state] > badness[worst])
			worst = state;
	}
	return worst;
}

void view_line(const struct line *line, struct wire_line *ret)
{
	static const char *const policies[] = {"chain", "broadcast", "learned"};
	const struct line_config *config = line->config;

	*ret = (struct wire_line){
		.units = line->topology.n_units,
		.devices = line->topology.n_devices,
		.subscribers = line->n_subs,
		.max_subscribers = config->max_subscribers,
		.deadline_ns = config->deadline_ns ? config->deadline_ns
			       : line->source      ? line->arb->config.round_deadline / 2
						   : 0,
	};
	COPY(ret->name, config->name);
	COPY(ret->source, config_source_name(config->source));
	COPY(ret->trigger, config->trigger == CONFIG_EDGE ? "edge" : "level");
	COPY(ret->policy, policies[config->policy]);
	COPY(ret->state, view_state(line_state(line)));
	COPY(ret->problem, line->problem[0] ? line->problem : opener_problem(line->exec->opener));
}

void view_lines(struct exec *exec, uint32_t cursor, struct wire_reply *reply)
{
	uint32_t i = cursor;

	for (; i < exec->n_lines && reply->lines.n < WIRE_LINES_PER_REPLY; i++)
		view_line(exec->lines[i], &reply->lines.line[reply->lines.n++]);
	reply->lines.next_cursor = i < exec->n_lines ? i : 0;
}

/* The fastest that a subscriber of it is on. */
static const char *unit_path(const struct line *line, uint8_t unit)
{
	const struct unit *u = &line->unit[unit];

	return path_name(u->direct ? PAGE_DIRECT : u->takers ? PAGE_NOTIFY : PAGE_BROKERED);
}

void view_devices(struct line *line, struct wire_reply *reply)
{
	reply->kind = WIRE_REP_LINE;
	view_line(line, &reply->line.line);
	reply->line.n_devices = line->topology.n_devices;
	for (uint8_t d = 0; d < line->topology.n_devices; d++) {
		uint8_t unit = line->topology.device[d].unit;
		struct wire_device *device = &reply->line.device[d];

		device->unit = unit;
		device->present = arb_unit_state(line->arb, unit) != ARB_ABSENT;
		device->has_mask = line->topology.device[d].has_mask;
		device->has_status = line->topology.device[d].has_status;
		device->held = arb_device_quiet(line->arb, d);
		device->grantable =
			line->config->device[d].grant && (!line->topology.device[d].unsafe_dma ||
							  line->config->device[d].unsafe_dma);
		device->unsafe_dma = device->grantable && line->topology.device[d].unsafe_dma;
		COPY(device->name, line->topology.device[d].name);
		COPY(device->location, line->topology.device[d].location);
		COPY(device->path, unit_path(line, unit));
	}
}

/* ---- counters ------------------------------------------------------------------------------------ */

static void put_counters(struct wire_stats *row, const struct counters *c)
{
	row->rounds = c->rounds;
	row->asks = c->asks;
	row->handled = c->handled;
	row->not_mine = c->not_mine;
	row->eoi = c->eoi;
	row->timeouts = c->timeouts;
	row->strikes = c->strikes;
	row->stale = c->stale;
	row->retracted = c->retracted;
	row->spurious = c->spurious;
	row->throttled = c->throttled;
	row->forced = c->forced;
	row->unhandled = c->unhandled;
	row->masked_ns = c->masked_ns;
	row->max_masked_ns = c->max_masked_ns;
	row->throttled_ns = c->throttled_ns;
	row->faults = c->faults;
}

static void put_response(struct wire_stats *row, const struct histogram *h)
{
	row->response = (struct wire_histogram){
		.count = h->count,
		.p50_ns = histogram_percentile(h, 500),
		.p99_ns = histogram_percentile(h, 990),
		.p999_ns = histogram_percentile(h, 999),
		.max_ns = h->max,
	};
}

static void put_client(struct wire_stats *row, const struct session *session)
{
	row->client = session->id;
	row->pid = session->peer.pid;
	row->uid = session->peer.uid;
	COPY(row->client_name, session->name);
}

static uint32_t unit_debts(const struct line *line, uint8_t unit)
{
	return (uint32_t)__builtin_popcountll(arb_unit_debtors(line->arb, unit));
}

static void sum_line(const struct line *line, struct counters *sum, struct wire_stats *row)
{
	for (uint8_t u = 0; u < line->topology.n_units; u++) {
		counters_add(sum, &line->unit[u].metrics.counters);
		row->debts += unit_debts(line, u);
	}
}

static void broker_row(struct exec *exec, struct wire_stats *row)
{
	struct counters sum = {0};

	for (uint32_t i = 0; i < exec->n_lines; i++)
		sum_line(exec->lines[i], &sum, row);
	put_counters(row, &sum);
	put_response(row, &exec->response);
}

static bool line_row(struct line *line, uint32_t unused, struct wire_stats *row)
{
	struct histogram response = {0};
	struct counters sum = {0};

	if (unused)
		return false;
	sum_line(line, &sum, row);
	put_counters(row, &sum);
	for (uint8_t u = 0; u < line->topology.n_units; u++)
		if (line->unit[u].response)
			histogram_sum(&response, line->unit[u].response);
	put_response(row, &response);
	COPY(row->state, view_state(line_state(line)));
	return true;
}

static bool unit_row(struct line *line, uint32_t unit, struct wire_stats *row)
{
	if (unit >= line->topology.n_units)
		return false;
	row->unit = unit;
	put_counters(row, &line->unit[unit].metrics.counters);
	row->debts = unit_debts(line, unit);
	if (line->unit[unit].response)
		put_response(row, line->unit[unit].response);
	COPY(row->state, view_state(arb_unit_state(line->arb, unit)));
	COPY(row->path, unit_path(line, unit));
	for (uint8_t d = 0; d < line->topology.n_devices; d++)
		if (line->topology.device[d].unit == unit && line->topology.n_units > 1)
			COPY(row->device, line->topology.device[d].name);
	return true;
}

/* To how many units. */
static uint32_t sub_debts(const struct subscriber *sub)
{
	uint32_t n = 0;

	for (uint8_t u = sub->first_unit; u < sub->first_unit + sub->n_units; u++)
		n += arb_unit_debtors(sub->line->arb, u) >> sub->index & 1;
	return n;
}

static const char *sub_state(const struct line *line, uint8_t index)
{
	uint64_t bit = UINT64_C(1) << index, owing = 0, debtors = 0;

	for (uint8_t u = 0; u < line->topology.n_units; u++) {
		owing |= arb_unit_owing(line->arb, u);
		debtors |= arb_unit_debtors(line->arb, u);
	}
	if (arb_sub_parked(line->arb, index))
		return "parked";
	if (arb_sub_quarantined(line->arb, index))
		return "quarantined";
	return debtors & bit ? "debt" : owing & bit ? "owes" : "ok";
}

static bool sub_row(struct line *line, uint32_t index, struct wire_stats *row)
{
	struct subscriber *sub = index < LIMIT_SUBS_PER_LINE ? line->sub[index] : NULL;

	if (!sub)
		return false;
	row->subscription = sub->id;
	row->unit = sub->first_unit;
	put_client(row, sub->session);
	put_counters(row, &sub->counters);
	row->debts = sub_debts(sub);
	put_response(row, &sub->response);
	COPY(row->state, sub_state(line, index));
	COPY(row->path, path_name(path_of(sub, sub->first_unit)));
	if (sub->device != ARB_NO_DEVICE)
		COPY(row->device, line->topology.device[sub->device].name);
	return true;
}

/* A client's row: the sum of its subscriptions'. */
static void client_row(struct session *session, struct wire_stats *row)
{
	struct counters sum = {0};
	struct subscriber *sub;

	for (uint32_t slot = 0; (sub = subscriber_next(session, slot));
	     slot = sub->first_slot + sub->n_units) {
		counters_add(&sum, &sub->counters);
		row->debts += sub_debts(sub);
	}
	put_client(row, session);
	put_counters(row, &sum);
	COPY(row->state, session->ended ? "ended" : "ok");
}

/* ---- pages of rows ------------------------------------------------------------------------------- */

/* A cursor is a line's index and the index of something in it. */
#define ITEMS 64
_Static_assert(LIMIT_SUBS_PER_LINE <= ITEMS && LIMIT_UNITS_PER_LINE <= ITEMS, "fits");

static void line_rows(struct exec *exec, const struct wire_get_stats *request,
		      bool (*put)(struct line *, uint32_t, struct wire_stats *),
		      struct wire_reply *reply)
{
	uint64_t cursor = request->cursor;

	for (; cursor / ITEMS < exec->n_lines; cursor++) {
		struct line *line = exec->lines[cursor / ITEMS];
		struct wire_stats *row = &reply->stats.row[reply->stats.n];

		if (request->line[0] && strcmp(request->line, line->config->name) != 0) {
			cursor |= ITEMS - 1;
			continue;
		}
		if (reply->stats.n == WIRE_STATS_PER_REPLY)
			break;
		if (!put(line, cursor % ITEMS, row))
			continue;
		COPY(row->line, line->config->name);
		reply->stats.n++;
	}
	if (cursor / ITEMS < exec->n_lines)
		reply->stats.next_cursor = cursor;
}

/* Newest first: a cursor is the id of the last one shown. */
static void client_rows(struct exec *exec, uint64_t cursor, struct wire_reply *reply)
{
	for (struct session *s = exec->sessions.head; s; s = s->next) {
		if ((cursor && s->id >= cursor) || !s->greeted)
			continue;
		if (reply->stats.n == WIRE_STATS_PER_REPLY) {
			reply->stats.next_cursor = reply->stats.row[reply->stats.n - 1].client;
			return;
		}
		client_row(s, &reply->stats.row[reply->stats.n++]);
	}
}

/* Who and which process the others are is their own affair. */
static void hide_others(const struct peer *asker, struct wire_reply *reply)
{
	for (uint32_t i = 0; i < reply->stats.n; i++) {
		struct wire_stats *row = &reply->stats.row[i];

		if (!asker->administrator && row->uid != asker->uid)
			row->pid = row->uid = UINT32_MAX;
	}
}

bool view_stats(struct exec *exec, const struct peer *asker, const struct wire_get_stats *request,
		struct wire_reply *reply)
{
	switch (request->scope) {
	case WIRE_STATS_BROKER:
		broker_row(exec, &reply->stats.row[0]);
		reply->stats.n = 1;
		return true;
	case WIRE_STATS_LINES: line_rows(exec, request, line_row, reply); return true;
	case WIRE_STATS_UNITS: line_rows(exec, request, unit_row, reply); return true;
	case WIRE_STATS_SUBSCRIBERS:
		line_rows(exec, request, sub_row, reply);
		hide_others(asker, reply);
		return true;
	case WIRE_STATS_CLIENTS:
		client_rows(exec, request->cursor, reply);
		hide_others(asker, reply);
		return true;
	}
	return false;
}
