/* SPDX-License-Identifier: MIT */
/*
 * The executor: feeds events to each line's arbitration core, and is the only one to carry out what it
 * answers, in the order given.
 *
 * No nested steps: what an action brings about (a level, a failure) waits in a queue until the actions
 * of its step are done. The time is read once in a turn of the loop.
 */
#ifndef PTIRQ_EXEC_H
#define PTIRQ_EXEC_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "broker/arb/arb_state.h"
#include "broker/config.h"
#include "broker/metrics.h"
#include "broker/session/session.h"
#include "broker/source/source.h"
#include "broker/timers.h"

struct exec;
struct line;
struct opener;

/* One unit, as far as it is not the core's. */
struct unit {
	struct timer hedge, state, window, storm;
	uint64_t fired_at; /* ns */
	uint16_t status;   /* devices last known to assert */
	struct unit_metrics metrics;
};

/* What a subscriber was last asked on one unit. */
struct sub_unit {
	struct timer ask;
	uint64_t asked_at; /* ns */
	uint64_t count;
	uint64_t missed;
	uint32_t round;
	bool unanswered; /* whether or not it is still waited for */
};

struct subscriber {
	struct line *line;
	struct session *session;
	uint32_t id; /* what the client calls it */
	uint32_t first_slot;
	uint8_t index; /* what the core calls it */
	uint8_t device;
	uint8_t first_unit;
	uint8_t n_units;
	bool messages;
	bool own_eventfds;
	int wake; /* -1: not its own */
	int resample;
	struct edge_poll resample_poll;
	bool gone; /* only libuv still needs the memory */
	struct timer strike, probe;
	struct counters counters;
	struct histogram response;
	struct sub_unit unit[];
};

static inline struct sub_unit *sub_unit(struct subscriber *sub, uint8_t unit)
{
	return &sub->unit[unit - sub->first_unit];
}

struct grant; /* exec_grant.c: one that a source has not answered yet */

struct line {
	struct exec *exec;
	struct line_config *config; /* its own copy; only n_devices devices are there */
	struct source *source;      /* NULL: the line is broken, problem says why */
	struct source_topology topology;
	char problem[LIMIT_TEXT]; /* "": none */
	struct subscriber *sub[LIMIT_SUBS_PER_LINE];
	uint32_t n_subs;
	struct unit *unit;
	struct histogram *response; /* of all who were ever asked; NULL: nobody */
	struct grant *grants;
	struct arb *arb; /* only with a source */
};

struct exec_event {
	struct line *line;
	struct arb_event event;
};

/*
 * A step gives a unit at most one sample and a device at most one operation that can fail, so a queue of
 * this length is never filled; an abused is a fault of the core, and asserted.
 */
#define EXEC_QUEUE 512

struct exec {
	uv_loop_t *loop;
	uv_prepare_t prepare;
	uv_check_t check;
	struct opener *opener;
	struct config *broker; /* what [broker] said at the start; without room for lines */
	struct sessions sessions;
	struct timers timers;
	uint64_t now; /* ns; 0: not read in this turn */
	uint64_t started;
	uint32_t n_lines;
	struct line **lines; /* in the configuration's order */
	uint32_t watchers;
	struct histogram response;
	bool reloading;
	bool reload_again;
	struct reload_wait *reload_waits;
	bool running;
	uint32_t queue_head, queue_tail;
	struct exec_event queue[EXEC_QUEUE];
	struct arb_actions actions;
};

/* ---- exec.c -------------------------------------------------------------------------------------- */

/* @opener NULL: no configuration file, nothing to reload. Lines are added by exec_apply(). */
int exec_new(uv_loop_t *loop, struct opener *opener, uint64_t epoch, uint32_t max_clients,
	     struct exec **ret);
/* Clients are told @text, sources masked and freed; the loop must run until it is empty before exec_free(). */
void exec_stop(struct exec *exec, const char *text);
void exec_free(struct exec *exec);

uint64_t exec_read_clock(struct exec *exec);

/* The time of this turn of the loop. */
static inline uint64_t exec_now(struct exec *exec)
{
	return exec->now ? exec->now : exec_read_clock(exec);
}

/*
 * One event, and everything that follows from it. From within a step it is queued, and the answer is 0.
 * 0 or an enum arb_error.
 */
int exec_feed(struct line *line, const struct arb_event *event);

/* True if no unit has been masked for much longer than its rules allow (promise 1). */
bool exec_healthy(struct exec *exec);

/* ---- exec_deliver.c: to and from subscribers ----------------------------------------------------- */

void deliver_ask(struct line *line, const struct arb_action *action);
void deliver_retract(struct line *line, const struct arb_action *action);
/* It was retracted, or its time was up. */
void deliver_missed(struct subscriber *sub, uint8_t unit);
/* A verdict from wherever. What the core says. */
int deliver_verdict(struct subscriber *sub, uint8_t unit, uint32_t round, uint32_t verdict);
/* Statistics of a VERDICT that the core has accepted, before its actions are carried out. */
void deliver_account(struct line *line, const struct arb_event *event);
/* The news of a client's ack page. */
void deliver_acks(struct session *session);
/* Its resample eventfd was written. */
void deliver_resample(void *user, bool abused);

/* ---- exec_line.c --------------------------------------------------------------------------------- */

/* Always gives a line, even if a broken one; NULL only without memory. */
struct line *line_new(struct exec *exec, const struct line_config *config);
void line_start(struct line *line);
/* A reload has left it as it is: perhaps a missing device has come. */
void line_rescan(struct line *line);
/* Its subscribers are evicted, told @text; nothing of it calls back afterwards. */
void line_free(struct line *line, const char *text);
struct line *line_find(struct exec *exec, const char *name);
/* The index of a device, or -1. */
int line_device(const struct line *line, const char *name);
/* Tells every subscriber's client. @unit_state NULL: as it is. */
void line_tell(struct line *line, uint8_t unit, const char *text);

/* ---- exec_sub.c ---------------------------------------------------------------------------------- */

/* 0, or a wire_code and @problem. */
enum wire_code subscriber_new(struct line *line, struct session *session,
			      const struct wire_subscribe *request, struct subscriber **ret,
			      char problem[LIMIT_TEXT]);
/* From now on it is asked. */
void subscriber_join(struct subscriber *sub, const struct wire_subscribe *request);
/* @kind: ARB_EV_LEAVE or ARB_EV_DIED. */
void subscriber_free(struct subscriber *sub, enum arb_event_kind kind);
/* The same, and its client is told. */
void subscriber_evict(struct subscriber *sub, enum wire_code code, const char *text);
struct subscriber *subscriber_find(struct session *session, uint32_t id);
/* The next one of @session from @slot on; NULL: none. */
struct subscriber *subscriber_next(struct session *session, uint32_t slot);

/* ---- exec_request.c ------------------------------------------------------------------------------ */

extern const struct session_ops exec_session_ops;

/* ---- exec_view.c: what people see ---------------------------------------------------------------- */

/* A unit's state as the protocol and people know it. */
const char *view_state(enum arb_state state);
void view_line(const struct line *line, struct wire_line *ret);
void view_lines(struct exec *exec, uint32_t cursor, struct wire_reply *reply);
void view_devices(struct line *line, struct wire_reply *reply);
/* False: no such scope. */
bool view_stats(struct exec *exec, const struct wire_get_stats *request, struct wire_reply *reply);

/* ---- exec_watch.c -------------------------------------------------------------------------------- */

/* All lines if @line is NULL. 0 or -ENOMEM. */
int watch_start(struct exec *exec, struct session *session, const char *line);
void watch_stop(struct exec *exec, struct session *session);
/* @sub may be NULL, @detail too. Only if exec->watchers. */
void watch_record(struct line *line, uint8_t unit, const char *what, uint32_t round,
		  const struct subscriber *sub, uint64_t took, const char *detail);

/* ---- exec_grant.c -------------------------------------------------------------------------------- */

void grant_ask(struct line *line, struct session *session, uint64_t id, uint8_t device,
	       enum source_grant_kind kind);
/* The line goes: those who wait are told. */
void grant_cancel_all(struct line *line);

/* ---- exec_reload.c ------------------------------------------------------------------------------- */

/*
 * Make the lines those of @config: what is gone is drained and closed, what has changed is started anew,
 * what has not is left alone. -ENOMEM, and then nothing has changed.
 */
int exec_apply(struct exec *exec, const struct config *config);
/* Read the configuration again; @session (NULL: nobody) gets the reply to @id when it is done. */
void exec_reload(struct exec *exec, struct session *session, uint64_t id);
void reload_forget(struct exec *exec, struct session *session);

#endif
