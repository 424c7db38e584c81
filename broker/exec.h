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
#include "proto/page.h"

struct exec;
struct line;
struct opener;

/* One unit, as far as it is not the core's. */
struct unit {
	struct timer hedge, state, window, storm;
	uint64_t fired_at; /* ns */
	uint16_t status;   /* devices last known to assert */
	struct unit_metrics metrics;
	struct histogram *response; /* of all who were ever asked; NULL: nobody */
	uint8_t failed_op;          /* enum arb_action_kind: it has failed, with ... */
	int failed;                 /* ... -errno, and so it was said; 0: it has not since */
	/* A11; exec_path.c */
	uint64_t takers;           /* whom the source wakes, one bit each ... */
	uint64_t woken;            /* ... and has woken for the open round; not asked in it yet */
	uint32_t announced;        /* the round that the takers' slots show */
	struct subscriber *direct; /* with the source; NULL: nobody */
	struct timer look;         /* whether it serves, while it is ... */
	uint64_t generation;       /* ... as of the last look ... */
	uint8_t silent;            /* ... and the looks that found this one masked and asserting */
};

/* What a subscriber was last asked on one unit. */
struct sub_unit {
	struct timer ask;
	uint64_t asked_at; /* ns */
	uint64_t count;
	uint64_t missed;
	uint32_t round;
	bool unanswered; /* whether or not it is still waited for */
	bool told;       /* woken from here, not by the source */
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
	uint8_t wishes; /* enum arb_sub_flags; 0: it has not joined, or is leaving */
	int wake;       /* -1: not its own */
	int resample;
	struct edge_poll resample_poll; /* not while it is direct */
	bool resampled;                 /* in exec->resampled */
	struct subscriber *next_resampled;
	struct timer strike, probe;
	struct counters counters;
	struct histogram response;
	struct sub_unit unit[];
};

static inline struct sub_unit *sub_unit(struct subscriber *sub, uint8_t unit)
{
	return &sub->unit[unit - sub->first_unit];
}

struct watch; /* exec_watch.c */
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
	bool paths;  /* a unit of it can be notified or direct */
	bool tapped; /* somebody watches */
	struct grant *grants;
	struct arb *arb; /* only with a source */
};

/* A timer of the executor's own, beside the core's. */
#define EXEC_TIMER_LOOK ARB_N_TIMERS

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
	struct sessions sessions;
	struct timers timers;
	uint64_t now; /* ns; 0: not read in this turn */
	uint64_t started;
	uint32_t n_lines;
	struct line **lines; /* in the configuration's order */
	struct watch *watchers;
	struct subscriber *resampled; /* in this turn */
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
/* Its resample eventfd was written; what that means is taken with the acks. */
void deliver_resample(void *user, bool abused);
void deliver_resamples(struct exec *exec);
/* Before its memory goes. */
void deliver_forget(struct subscriber *sub);
void deliver_wake(struct subscriber *sub, int fd);
/* T1: the write to an eventfd of its took too long. */
void deliver_held_up(struct subscriber *sub);

/* ---- exec_path.c: A11 ---------------------------------------------------------------------------- */

/* What the core may do with a unit: enum arb_unit_flags. */
uint8_t path_unit_flags(const struct line *line, uint8_t unit);
/* The core has taken @event; its actions have not been carried out. Only if line->paths. */
void path_follow(struct line *line, const struct arb_event *event);
/* Somebody may have become a taker, or ceased to be one. */
void path_renew(struct line *line);
/* Before the unit is unmasked: it can fire again, and what its takers' slots show is over. */
void path_over(struct line *line, uint8_t unit);
/* The source has woken it for the open round; true once. */
bool path_woken(struct unit *unit, const struct subscriber *sub);
/* The core has refused a verdict of this taker's. */
void path_refused(struct subscriber *sub, uint8_t unit);
/* 0 or -errno. */
int path_promote(struct line *line, const struct arb_action *action);
int path_demote(struct line *line, const struct arb_action *action);
/* The timer of a unit that is direct. */
void path_look(struct line *line, uint8_t unit);
void path_held_up(struct line *line, int fd);
int path_watch_resample(struct subscriber *sub);
/* It has left the core. */
void path_leave(struct subscriber *sub);
enum page_path path_of(const struct subscriber *sub, uint8_t unit);
const char *path_name(enum page_path path);

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
/* Into the log, once for as long as it fails in the same way. */
void line_failed(struct line *line, const struct arb_action *action, int error);

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
bool view_stats(struct exec *exec, const struct peer *asker, const struct wire_get_stats *request,
		struct wire_reply *reply);

/* ---- exec_watch.c -------------------------------------------------------------------------------- */

/* All lines if @line is "". 0, -EDQUOT or -ENOMEM. */
int watch_start(struct exec *exec, struct session *session, const char *line);
void watch_stop(struct exec *exec, struct session *session);
/* A11: no direct path on a line that is watched. */
void watch_tap(struct line *line);
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
