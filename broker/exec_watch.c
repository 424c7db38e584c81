// SPDX-License-Identifier: MIT
/*
 * Owns who watches what. Must cost nothing while nobody does, and must never evict a watcher for being
 * slow: records are dropped, and their number is told.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/exec.h"

struct watch {
	char line[LIMIT_NAME]; /* "": all that it may subscribe to */
	uint64_t dropped;
};

static bool wants(struct session *session, const struct line *line)
{
	struct watch *watch = session->watch;
	char problem[LIMIT_TEXT];

	if (!watch || session->ended)
		return false;
	if (watch->line[0] && strcmp(watch->line, line->config->name) != 0)
		return false;
	return policy_may_subscribe(line->config, &session->peer, problem);
}

void watch_tap(struct line *line)
{
	bool tapped = false;

	if (!line->paths)
		return;
	for (struct session *s = line->exec->sessions.head; s && !tapped; s = s->next)
		tapped = wants(s, line);
	if (tapped == line->tapped)
		return;
	line->tapped = tapped;
	for (uint8_t u = 0; u < line->topology.n_units; u++)
		exec_feed(line,
			  &(struct arb_event){.kind = ARB_EV_TAP, .unit = u, .tapped = tapped});
}

static void tap_all(struct exec *exec)
{
	for (uint32_t i = 0; i < exec->n_lines; i++)
		watch_tap(exec->lines[i]);
}

int watch_start(struct exec *exec, struct session *session, const char *line)
{
	struct watch *watch = session->watch;

	if (!watch) {
		watch = calloc(1, sizeof(*watch));
		if (!watch)
			return -ENOMEM;
		session->watch = watch;
		exec->watchers++;
	}
	snprintf(watch->line, sizeof(watch->line), "%s", line);
	tap_all(exec);
	return 0;
}

void watch_stop(struct exec *exec, struct session *session)
{
	if (!session->watch)
		return;
	free(session->watch);
	session->watch = NULL;
	exec->watchers--;
	tap_all(exec);
}

void watch_record(struct line *line, uint8_t unit, const char *what, uint32_t round,
		  const struct subscriber *sub, uint64_t took, const char *detail)
{
	struct exec *exec = line->exec;
	struct wire_event event = {.kind = WIRE_EV_WATCH};
	struct wire_watch *record = &event.watch;

	record->time_ns = exec_now(exec);
	memcpy(record->line, line->config->name, sizeof(record->line));
	record->unit = unit;
	record->round = round;
	record->took_ns = took;
	snprintf(record->what, sizeof(record->what), "%s", what);
	if (detail)
		snprintf(record->detail, sizeof(record->detail), "%s", detail);
	if (sub) {
		record->subscription = sub->id;
		memcpy(record->client_name, sub->session->name, sizeof(record->client_name));
	}
	for (struct session *s = exec->sessions.head; s; s = s->next) {
		struct watch *watch = s->watch;

		if (!wants(s, line))
			continue;
		if (session_congested(s)) {
			watch->dropped++;
			continue;
		}
		record->dropped = watch->dropped;
		watch->dropped = 0;
		session_event(s, &event);
	}
}
