// SPDX-License-Identifier: MIT
/*
 * Owns the queue of events and the interpreter of actions. Must not decide anything: what to do is the
 * core's answer, and how is the source's, the session's and the timers' business.
 */
#include "broker/exec.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "broker/log.h"
#include "broker/opener.h"

/* ---- actions ------------------------------------------------------------------------------------- */

static void queue(struct line *line, const struct arb_event *event)
{
	struct exec *exec = line->exec;

	assert(exec->queue_tail < EXEC_QUEUE);
	exec->queue[exec->queue_tail++] = (struct exec_event){.line = line, .event = *event};
}

static void debug_operation(struct line *line, const struct arb_action *action, const char *result)
{
	char text[256];

	arb_action_format(action, text, sizeof(text));
	log_write(7, NULL, "%s: %s: %s", line->config->name, text, result);
}

/* House rule: a failed action comes back as an event. */
static void outcome(struct line *line, const struct arb_action *action, int error)
{
	if (__builtin_expect(log_topics & LOG_SOURCE, 0))
		debug_operation(line, action, error ? strerror(-error) : "done");
	if (error == 0) {
		if (action->kind == line->unit[action->unit].failed_op)
			line->unit[action->unit].failed = 0;
		return;
	}
	line_failed(line, action, error);
	queue(line, &(struct arb_event){
			    .kind = ARB_EV_OP_FAILED,
			    .op = action->kind,
			    .unit = action->unit,
			    .device = action->device,
			    .token = action->token,
		    });
}

/* These two say in any case what came of them. */
static void done(struct line *line, const struct arb_action *action, int error)
{
	outcome(line, action, error);
	if (error)
		return;
	if (action->kind == ARB_ACT_DEMOTE)
		metrics_masked(&line->unit[action->unit].metrics, exec_now(line->exec));
	queue(line, &(struct arb_event){
			    .kind = ARB_EV_OP_DONE,
			    .op = action->kind,
			    .unit = action->unit,
			    .token = action->token,
		    });
}

static void unmask(struct line *line, const struct arb_action *action)
{
	int error;

	if (line->paths)
		path_over(line, action->unit);
	error = line->source->ops->unmask(line->source, action->unit);
	if (error == 0)
		metrics_unmasked(&line->unit[action->unit].metrics, exec_now(line->exec));
	outcome(line, action, error);
}

static void mask(struct line *line, const struct arb_action *action)
{
	int error = line->source->ops->mask(line->source, action->unit);

	if (error == 0)
		metrics_masked(&line->unit[action->unit].metrics, exec_now(line->exec));
	outcome(line, action, error);
}

static void sample(struct line *line, const struct arb_action *action)
{
	struct source_level level = line->source->ops->sample(line->source, action->unit);
	struct unit *unit = &line->unit[action->unit];

	if (__builtin_expect(log_topics & LOG_SOURCE, 0))
		debug_operation(line, action,
				level.asserted < 0 ? "unknown"
				: level.asserted   ? "asserted"
						   : "deasserted");
	unit->status = (unit->status & ~level.known) | (level.status & level.known);
	queue(line, &(struct arb_event){
			    .kind = ARB_EV_LEVEL,
			    .unit = action->unit,
			    .round = action->round,
			    .token = action->token,
			    .level = level.asserted < 0 ? ARB_LEVEL_UNKNOWN
				     : level.asserted   ? ARB_LEVEL_ASSERTED
							: ARB_LEVEL_DEASSERTED,
			    .status = level.status & level.known,
			    .status_known = level.known,
		    });
}

static struct timer *find_timer(struct line *line, const struct arb_action *action)
{
	switch ((enum arb_timer)action->timer) {
	case ARB_TIMER_ASK: return &sub_unit(line->sub[action->sub], action->unit)->ask;
	case ARB_TIMER_HEDGE: return &line->unit[action->unit].hedge;
	case ARB_TIMER_STATE: return &line->unit[action->unit].state;
	case ARB_TIMER_WINDOW: return &line->unit[action->unit].window;
	case ARB_TIMER_STORM: return &line->unit[action->unit].storm;
	case ARB_TIMER_STRIKE: return &line->sub[action->sub]->strike;
	case ARB_TIMER_PROBE: return &line->sub[action->sub]->probe;
	case ARB_N_TIMERS: break;
	}
	abort();
}

static void arm_timer(struct line *line, const struct arb_action *action)
{
	struct timer *timer = find_timer(line, action);

	timer->line = line;
	timer->token = action->token;
	timer->kind = action->timer;
	timer->unit = action->unit;
	timer->sub = action->sub;
	timers_arm(&line->exec->timers, timer, action->delay, action->timer == ARB_TIMER_HEDGE);
}

/* True if the report is about a subscriber; the others leave that member 0. */
static bool names_sub(enum arb_report report)
{
	return report == ARB_REP_TIMEOUT || report == ARB_REP_STRIKE || report == ARB_REP_LIE ||
	       report == ARB_REP_LATE || report == ARB_REP_PROBE;
}

static void count(struct line *line, const struct arb_action *action, struct subscriber *sub)
{
	struct unit_metrics *metrics = &line->unit[action->unit].metrics;

	switch ((enum arb_report)action->report) {
	case ARB_REP_RESOLVED:
		metrics_resolved(metrics, action->flags);
		line->unit[action->unit].woken = 0;
		break;
	case ARB_REP_TIMEOUT:
		metrics->timed_out = true;
		metrics->counters.timeouts++;
		sub->counters.timeouts++;
		deliver_missed(sub, action->unit);
		break;
	case ARB_REP_STRIKE:
		/* Against the subscriber as a whole; its first unit stands for the others. */
		line->unit[sub->first_unit].metrics.counters.strikes++;
		sub->counters.strikes++;
		break;
	case ARB_REP_LATE:
		metrics->counters.stale++;
		sub->counters.stale++;
		break;
	case ARB_REP_GLITCH: metrics->counters.spurious++; break;
	case ARB_REP_THROTTLED: metrics_throttled(metrics, exec_now(line->exec)); break;
	case ARB_REP_FAULT:
	case ARB_REP_GAVE_UP: metrics->counters.faults++; break;
	case ARB_REP_POLLED:
	case ARB_REP_ABSENT:
	case ARB_REP_BACK:
	case ARB_REP_HELD:
	case ARB_REP_FREED:
	case ARB_REP_LIE:
	case ARB_REP_STORM:
	case ARB_REP_PROBE:
	case ARB_N_REPORTS: break;
	}
}

/* What the subscribers should hear of; NULL: nothing. */
static const char *news(const struct line *line, enum arb_report report)
{
	if (report == ARB_REP_POLLED)
		return "kept masked and polled: one subscriber is silent, and its device has no mask";
	if (report == ARB_REP_GAVE_UP)
		return "an operation on the device keeps failing; it stays masked";
	if (report == ARB_REP_ABSENT)
		return line->problem[0] ? line->problem : "the device is gone";
	if (report == ARB_REP_BACK)
		return "the device is back";
	return NULL;
}

static void watch_report(struct line *line, const struct arb_action *action,
			 const struct subscriber *sub)
{
	static const char *const resolutions[] = {
		[ARB_RES_HANDLED] = "handled",
		[ARB_RES_UNHANDLED] = "unhandled",
		[ARB_RES_VOID] = "void",
	};
	uint64_t since = line->unit[action->unit].metrics.masked_since, took = 0;
	const char *detail = NULL;

	if (action->report == ARB_REP_RESOLVED) {
		took = since ? exec_now(line->exec) - since : 0;
		detail = resolutions[action->flags];
	} else if (action->report == ARB_REP_HELD || action->report == ARB_REP_FREED) {
		detail = line->topology.device[action->device].name;
	}
	watch_record(line, action->unit, arb_report_name(action->report), action->round, sub, took,
		     detail);
}

static void report(struct line *line, const struct arb_action *action)
{
	struct subscriber *sub = names_sub(action->report) ? line->sub[action->sub] : NULL;
	const char *text = news(line, action->report);

	count(line, action, sub);
	if (line->exec->watchers)
		watch_report(line, action, sub);
	if (text)
		line_tell(line, action->unit, text);
}

static void quarantine(struct line *line, const struct arb_action *action, bool released)
{
	struct subscriber *sub = line->sub[action->sub];
	const char *what = released ? "released" : "quarantined";

	log_info(&(struct log_about){.line = line->config->name, .client = sub->session->id},
		 "line %s: subscriber %s (pid %d) is %s", line->config->name, sub->session->name,
		 sub->session->peer.pid,
		 released ? "asked again" : "quarantined: it did not answer in time, repeatedly");
	if (line->paths)
		path_renew(line);
	if (line->exec->watchers)
		watch_record(line, action->unit, what, action->round, sub, 0, NULL);
}

static void carry_out(struct line *line, const struct arb_action *action)
{
	const struct source_ops *ops = line->source->ops;

	switch ((enum arb_action_kind)action->kind) {
	case ARB_ACT_ASK: deliver_ask(line, action); return;
	case ARB_ACT_RETRACT: deliver_retract(line, action); return;
	case ARB_ACT_UNMASK: unmask(line, action); return;
	case ARB_ACT_MASK: mask(line, action); return;
	case ARB_ACT_SAMPLE_LEVEL: sample(line, action); return;
	case ARB_ACT_QUIET_DEVICE:
		outcome(line, action, ops->quiet(line->source, action->device));
		return;
	case ARB_ACT_UNQUIET_DEVICE:
		outcome(line, action, ops->unquiet(line->source, action->device));
		return;
	case ARB_ACT_ARM_TIMER: arm_timer(line, action); return;
	case ARB_ACT_CANCEL_TIMER: timers_cancel(find_timer(line, action)); return;
	case ARB_ACT_PROMOTE: done(line, action, path_promote(line, action)); return;
	case ARB_ACT_DEMOTE: done(line, action, path_demote(line, action)); return;
	case ARB_ACT_QUARANTINE: quarantine(line, action, false); return;
	case ARB_ACT_RELEASE: quarantine(line, action, true); return;
	case ARB_ACT_REPORT: report(line, action); return;
	case ARB_N_ACTIONS: break;
	}
	abort();
}

/* ---- steps --------------------------------------------------------------------------------------- */

static void debug_step(struct line *line, const struct arb_event *event, int error,
		       const struct arb_actions *actions)
{
	char text[256];

	arb_event_format(event, text, sizeof(text));
	log_write(7, NULL, "%s: %s%s%s", line->config->name, text, error ? " refused: " : "",
		  error ? arb_error_name(error) : "");
	for (uint32_t i = 0; i < actions->n; i++) {
		arb_action_format(&actions->a[i], text, sizeof(text));
		log_write(7, NULL, "%s:   %s", line->config->name, text);
	}
}

static void masked_anew(struct line *line, uint8_t unit, bool there)
{
	metrics_lost(&line->unit[unit].metrics);
	if (there)
		metrics_masked(&line->unit[unit].metrics, exec_now(line->exec));
}

/* The statistics of an event that the core has accepted. */
static void account(struct line *line, const struct arb_event *event)
{
	switch ((enum arb_event_kind)event->kind) {
	case ARB_EV_FIRED:
		metrics_masked(&line->unit[event->unit].metrics, exec_now(line->exec));
		if (line->exec->watchers)
			watch_record(line, event->unit, "fired", 0, NULL, 0, NULL);
		break;
	case ARB_EV_VERDICT: deliver_account(line, event); break;
	case ARB_EV_LINE_UP:
	case ARB_EV_LINE_GONE:
		for (uint8_t u = 0; u < line->topology.n_units; u++)
			masked_anew(line, u, event->kind == ARB_EV_LINE_UP);
		break;
	case ARB_EV_UNIT_UP:
	case ARB_EV_UNIT_GONE: masked_anew(line, event->unit, event->kind == ARB_EV_UNIT_UP); break;
	case ARB_EV_JOIN:
	case ARB_EV_LEAVE:
	case ARB_EV_DIED:
	case ARB_EV_PARK:
	case ARB_EV_UNPARK:
	case ARB_EV_TIMER:
	case ARB_EV_LEVEL:
	case ARB_EV_OP_FAILED:
	case ARB_EV_OP_DONE:
	case ARB_EV_POLICY:
	case ARB_EV_SUB_POLICY:
	case ARB_EV_TAP:
	case ARB_EV_RESUMED:
	case ARB_N_EVENTS: break;
	}
}

static int step(struct line *line, const struct arb_event *event)
{
	struct arb_actions *actions = &line->exec->actions;
	int error = arb_step(line->arb, event, actions);

	if (__builtin_expect(log_topics & LOG_ARB, 0))
		debug_step(line, event, error, actions);
	if (error)
		return error;
	account(line, event);
	if (line->paths)
		path_follow(line, event);
	for (uint32_t i = 0; i < actions->n; i++)
		carry_out(line, &actions->a[i]);
	return 0;
}

int exec_feed(struct line *line, const struct arb_event *event)
{
	struct exec *exec = line->exec;
	int error;

	if (exec->running) {
		queue(line, event);
		return 0;
	}
	exec->running = true;
	error = step(line, event);
	while (exec->queue_head < exec->queue_tail) {
		struct exec_event *next = &exec->queue[exec->queue_head++];

		step(next->line, &next->event);
	}
	exec->queue_head = exec->queue_tail = 0;
	exec->running = false;
	return error;
}

static void on_expired(void *user, struct timer *timer)
{
	(void)user;
	if (timer->kind == EXEC_TIMER_LOOK) {
		path_look(timer->line, timer->unit);
		return;
	}
	exec_feed(timer->line, &(struct arb_event){
				       .kind = ARB_EV_TIMER,
				       .timer = timer->kind,
				       .unit = timer->unit,
				       .sub = timer->sub,
				       .token = timer->token,
			       });
}

/* ---- the turn of the loop ------------------------------------------------------------------------ */

uint64_t exec_read_clock(struct exec *exec)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	exec->now = now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
	return exec->now;
}

static uint64_t now_for_timers(void *user)
{
	return exec_now(user);
}

/* A11: what came from the sources has been taken. */
static void take_acks(struct exec *exec)
{
	sessions_take_acks(&exec->sessions);
	deliver_resamples(exec);
}

static void on_check(uv_check_t *check)
{
	take_acks(check->data);
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct exec *exec = prepare->data;

	take_acks(exec);
	sessions_settle(&exec->sessions);
	timers_settle(&exec->timers);
	exec->now = 0;
}

bool exec_healthy(struct exec *exec)
{
	for (uint32_t i = 0; i < exec->n_lines; i++) {
		struct line *line = exec->lines[i];

		for (uint8_t u = 0; line->source && u < line->topology.n_units; u++) {
			uint64_t owing = arb_unit_owing(line->arb, u);

			for (; owing; owing &= owing - 1) {
				struct subscriber *sub = line->sub[__builtin_ctzll(owing)];

				if (exec_now(exec) - sub_unit(sub, u)->asked_at >
				    20 * line->arb->config.round_deadline)
					return false;
			}
		}
	}
	return true;
}

int exec_new(uv_loop_t *loop, struct opener *opener, uint64_t epoch, uint32_t max_clients,
	     struct exec **ret)
{
	struct exec *exec = calloc(1, sizeof(*exec));
	int r;

	if (!exec)
		return -ENOMEM;
	exec->loop = loop;
	exec->opener = opener;
	exec->started = exec_read_clock(exec);
	r = timers_init(&exec->timers, loop, now_for_timers, on_expired, exec);
	if (r < 0) {
		free(exec);
		return r;
	}
	sessions_init(&exec->sessions, loop, &exec_session_ops, exec, epoch, max_clients);
	uv_prepare_init(loop, &exec->prepare);
	uv_check_init(loop, &exec->check);
	exec->prepare.data = exec->check.data = exec;
	uv_prepare_start(&exec->prepare, on_prepare);
	uv_check_start(&exec->check, on_check);
	*ret = exec;
	return 0;
}

void exec_stop(struct exec *exec, const char *text)
{
	if (exec->opener)
		opener_cancel(exec->opener, exec);
	sessions_stop(&exec->sessions, text);
	for (uint32_t i = 0; i < exec->n_lines; i++)
		line_free(exec->lines[i], text);
	free(exec->lines);
	exec->lines = NULL;
	exec->n_lines = 0;
	timers_deinit(&exec->timers);
	uv_close((uv_handle_t *)&exec->prepare, NULL);
	uv_close((uv_handle_t *)&exec->check, NULL);
}

void exec_free(struct exec *exec)
{
	if (!exec)
		return;
	sessions_deinit(&exec->sessions);
	free(exec);
}
