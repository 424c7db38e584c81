// SPDX-License-Identifier: MIT
/*
 * ptirq-admin.h: questions about everything, and orders. Owns the watch's backlog, since records
 * come in the middle of other questions and are for dispatch only.
 */
#include "client-lib/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* ---- lists ---- */

int ptirq_list_lines(struct ptirq *ptirq,
		     int (*line)(const struct ptirq_line_info *info, void *userdata),
		     void *userdata)
{
	struct question question = {
		.request.kind = WIRE_REQ_LIST_LINES,
		.kind = WIRE_REP_LINES,
		.again = true,
	};
	struct ptirq_line_info info;
	struct wire_reply reply;
	int r;

	do {
		r = ask(ptirq, &question, &reply, NULL);
		for (uint32_t i = 0; r == 0 && i < reply.lines.n; i++) {
			r = ptirq_line_info(ptirq, reply.lines.line[i].name, &info);
			/* One that a reload has taken away meanwhile is no line. */
			r = r == -ENOENT ? 0 : r < 0 ? r : line(&info, userdata);
		}
		if (r != 0)
			return r;
		question.request.list_lines.cursor = reply.lines.next_cursor;
	} while (reply.lines.next_cursor);
	return 0;
}

static void stats_fill(const struct wire_stats *row, struct ptirq_stats *ret)
{
	*ret = (struct ptirq_stats){
		.client = row->client,
		.unit = row->unit,
		.subscription = row->subscription,
		.pid = row->pid,
		.uid = row->uid,
		.rounds = row->rounds,
		.asks = row->asks,
		.handled = row->handled,
		.not_mine = row->not_mine,
		.eoi = row->eoi,
		.timeouts = row->timeouts,
		.debts = row->debts,
		.strikes = row->strikes,
		.stale = row->stale,
		.retracted = row->retracted,
		.spurious = row->spurious,
		.throttled = row->throttled,
		.forced = row->forced,
		.unhandled = row->unhandled,
		.faults = row->faults,
		.masked_ns = row->masked_ns,
		.max_masked_ns = row->max_masked_ns,
		.throttled_ns = row->throttled_ns,
		.response_count = row->response.count,
		.response_p50_ns = row->response.p50_ns,
		.response_p99_ns = row->response.p99_ns,
		.response_p999_ns = row->response.p999_ns,
		.response_max_ns = row->response.max_ns,
	};
	memcpy(ret->line, row->line, sizeof(ret->line));
	memcpy(ret->device, row->device, sizeof(ret->device));
	memcpy(ret->client_name, row->client_name, sizeof(ret->client_name));
	memcpy(ret->state, row->state, sizeof(ret->state));
	memcpy(ret->path, row->path, sizeof(ret->path));
}

static int scope_to_wire(enum ptirq_stats_scope scope)
{
	switch (scope) {
	case PTIRQ_STATS_BROKER: return WIRE_STATS_BROKER;
	case PTIRQ_STATS_LINES: return WIRE_STATS_LINES;
	case PTIRQ_STATS_UNITS: return WIRE_STATS_UNITS;
	case PTIRQ_STATS_SUBSCRIBERS: return WIRE_STATS_SUBSCRIBERS;
	case PTIRQ_STATS_CLIENTS: return WIRE_STATS_CLIENTS;
	}
	return -EINVAL;
}

int ptirq_get_stats(struct ptirq *ptirq, enum ptirq_stats_scope scope, const char *line,
		    int (*row)(const struct ptirq_stats *stats, void *userdata), void *userdata)
{
	struct question question = {
		.request.kind = WIRE_REQ_GET_STATS,
		.kind = WIRE_REP_STATS,
		.again = true,
	};
	struct ptirq_stats stats;
	struct wire_reply reply;
	int r = scope_to_wire(scope);

	if (r < 0)
		return fail(ptirq, r, "%d is no scope of statistics", (int)scope);
	question.request.get_stats.scope = (uint32_t)r;
	r = line ? name_copy(ptirq, "line", line, question.request.get_stats.line) : 0;
	if (r < 0)
		return r;
	do {
		r = ask(ptirq, &question, &reply, NULL);
		for (uint32_t i = 0; r == 0 && i < reply.stats.n; i++) {
			stats_fill(&reply.stats.row[i], &stats);
			r = row(&stats, userdata);
		}
		if (r != 0)
			return r;
		question.request.get_stats.cursor = reply.stats.next_cursor;
	} while (reply.stats.next_cursor);
	return 0;
}

/* ---- watch ---- */

struct watch_entry {
	struct ptirq_watch_record record;
	struct watch_entry *next;
};

void watch_request(const struct ptirq *ptirq, struct wire_request *ret)
{
	*ret = (struct wire_request){.kind = WIRE_REQ_WATCH};
	memcpy(ret->watch.line, ptirq->watch.line, sizeof(ret->watch.line));
	ret->watch.stop = !ptirq->watch.record;
}

void watch_queue(struct ptirq *ptirq, const struct wire_watch *watch)
{
	struct watch_entry *entry = NULL;

	if (!ptirq->watch.record)
		return;
	if (ptirq->watch.n < WATCH_BACKLOG)
		entry = calloc(1, sizeof(*entry));
	if (!entry) {
		ptirq->watch.dropped += 1 + watch->dropped;
		return;
	}
	entry->record = (struct ptirq_watch_record){
		.time_ns = watch->time_ns,
		.unit = watch->unit,
		.round = watch->round,
		.subscription = watch->subscription,
		.took_ns = watch->took_ns,
		.dropped = watch->dropped + ptirq->watch.dropped,
	};
	memcpy(entry->record.line, watch->line, sizeof(entry->record.line));
	memcpy(entry->record.what, watch->what, sizeof(entry->record.what));
	memcpy(entry->record.client_name, watch->client_name, sizeof(entry->record.client_name));
	memcpy(entry->record.detail, watch->detail, sizeof(entry->record.detail));
	ptirq->watch.dropped = 0;
	ptirq->watch.n++;
	if (ptirq->watch.last)
		ptirq->watch.last->next = entry;
	else
		ptirq->watch.first = entry;
	ptirq->watch.last = entry;
}

static struct watch_entry *watch_pop(struct ptirq *ptirq)
{
	struct watch_entry *entry = ptirq->watch.first;

	if (!entry)
		return NULL;
	ptirq->watch.first = entry->next;
	if (!entry->next)
		ptirq->watch.last = NULL;
	ptirq->watch.n--;
	return entry;
}

void watch_flush(struct ptirq *ptirq)
{
	struct watch_entry *entry;

	/* Those that come while the user looks at one are for the next dispatch. */
	for (unsigned int n = ptirq->watch.n; n && (entry = watch_pop(ptirq)); n--) {
		if (ptirq->watch.record)
			ptirq->watch.record(&entry->record, ptirq->watch.userdata);
		free(entry);
	}
}

void watch_deinit(struct ptirq *ptirq)
{
	struct watch_entry *entry;

	while ((entry = watch_pop(ptirq)))
		free(entry);
	ptirq->watch.dropped = 0;
	ptirq->watch.record = NULL;
}

int ptirq_watch(struct ptirq *ptirq, const char *line,
		void (*record)(const struct ptirq_watch_record *record, void *userdata),
		void *userdata)
{
	struct question question = {.kind = WIRE_REP_NONE};
	char name[LIMIT_NAME] = "";
	int r = owner_check(ptirq);

	if (r == 0 && line)
		r = name_copy(ptirq, "line", line, name);
	if (r < 0)
		return r;
	watch_deinit(ptirq);
	ptirq->watch.record = record;
	ptirq->watch.userdata = userdata;
	memcpy(ptirq->watch.line, name, sizeof(name));
	watch_request(ptirq, &question.request);
	question.again = true;
	r = ask(ptirq, &question, NULL, NULL);
	if (r < 0)
		watch_deinit(ptirq);
	return r;
}

/* ---- orders ---- */

/* Not repeated if the broker goes away meanwhile: it may have been carried out. */
static int order(struct ptirq *ptirq, struct wire_request *request)
{
	struct question question = {.request = *request, .kind = WIRE_REP_NONE};

	return ask(ptirq, &question, NULL, NULL);
}

int ptirq_release_line(struct ptirq *ptirq, const char *line)
{
	struct wire_request request = {.kind = WIRE_REQ_RELEASE};
	int r = name_copy(ptirq, "line", line, request.release.line);

	return r < 0 ? r : order(ptirq, &request);
}

int ptirq_release_client(struct ptirq *ptirq, uint64_t client)
{
	struct wire_request request = {.kind = WIRE_REQ_RELEASE, .release.client = client};

	if (!client)
		return fail(ptirq, -EINVAL, "no client has the number 0");
	return order(ptirq, &request);
}

int ptirq_reload(struct ptirq *ptirq)
{
	struct wire_request request = {.kind = WIRE_REQ_RELOAD};

	return order(ptirq, &request);
}

int ptirq_sim_assert(struct ptirq *ptirq, const char *line, const char *device, uint32_t bits,
		     bool deassert)
{
	struct wire_request request = {
		.kind = WIRE_REQ_SIM_ASSERT,
		.sim_assert = {.bits = bits, .deassert = deassert},
	};
	int r = name_copy(ptirq, "line", line, request.sim_assert.line);

	if (r == 0)
		r = name_copy(ptirq, "device", device, request.sim_assert.device);
	return r < 0 ? r : order(ptirq, &request);
}

int ptirq_sim_open(struct ptirq *ptirq, const char *line, const char *device,
		   struct ptirq_sim_pin *ret)
{
	struct ptirq_sim_pin pin = {.pin_fd = -1, .unmasked_fd = -1};
	int fds[LIMIT_MESSAGE_FDS];
	struct wire_reply reply;
	int r;

	r = grant(ptirq, line, device, WIRE_GRANT_SIM_PIN, &reply, fds);
	if (r < 0)
		return r;
	if (reply.grant.n != 1 || fds[1] < 0 || fds[2] < 0)
		r = fail(ptirq, -EPROTO, "the broker granted a pin and gave none");
	else
		r = region_map(ptirq, &reply, 0, fds[0], &pin.registers);
	if (r == 0) {
		pin.pin_fd = fds[1];
		pin.unmasked_fd = fds[2];
		fds[1] = fds[2] = -1;
		*ret = pin;
	}
	for (int i = 0; i < LIMIT_MESSAGE_FDS; i++)
		close_fd(&fds[i]);
	return r;
}

void ptirq_sim_close(struct ptirq_sim_pin *pin)
{
	ptirq_unmap_device(&pin->registers);
	close_fd(&pin->pin_fd);
	close_fd(&pin->unmasked_fd);
}
