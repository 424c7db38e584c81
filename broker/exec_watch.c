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
	struct watch *next; /* in exec->watchers */
	struct session *session;
	char line[LIMIT_NAME]; /* "": all that it may subscribe to */
	uint64_t dropped;
};

static bool wants(const struct watch *watch, const struct line *line)
{
	char problem[LIMIT_TEXT];

	if (watch->session->ended)
		return false;
	if (watch->line[0] && strcmp(watch->line, line->config->name) != 0)
		return false;
	return policy_may_subscribe(line->config, &watch->session->peer, problem);
}

void watch_tap(struct line *line)
{
	bool tapped = false;

	if (!line->paths)
		return;
	for (struct watch *w = line->exec->watchers; w && !tapped; w = w->next)
		tapped = wants(w, line);
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

static int begin(struct exec *exec, struct session *session)
{
	struct watch *watch;
	int r = quota_charge(&session->all->quota, session->peer.uid, QUOTA_WATCHES, 1);

	if (r < 0)
		return r;
	watch = calloc(1, sizeof(*watch));
	if (!watch) {
		quota_release(&session->all->quota, session->peer.uid, QUOTA_WATCHES, 1);
		return -ENOMEM;
	}
	watch->session = session;
	watch->next = exec->watchers;
	exec->watchers = session->watch = watch;
	return 0;
}

int watch_start(struct exec *exec, struct session *session, const char *line)
{
	struct watch *watch;
	int r = session->watch ? 0 : begin(exec, session);

	if (r < 0)
		return r;
	watch = session->watch;
	snprintf(watch->line, sizeof(watch->line), "%s", line);
	tap_all(exec);
	return 0;
}

void watch_stop(struct exec *exec, struct session *session)
{
	struct watch **link = &exec->watchers;

	if (!session->watch)
		return;
	while (*link != session->watch)
		link = &(*link)->next;
	*link = (*link)->next;
	free(session->watch);
	session->watch = NULL;
	quota_release(&session->all->quota, session->peer.uid, QUOTA_WATCHES, 1);
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
	for (struct watch *watch = exec->watchers; watch; watch = watch->next) {
		if (!wants(watch, line))
			continue;
		if (session_congested(watch->session)) {
			watch->dropped++;
			continue;
		}
		record->dropped = watch->dropped;
		watch->dropped = 0;
		session_event(watch->session, &event);
	}
}
