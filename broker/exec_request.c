// SPDX-License-Identifier: MIT
/*
 * Owns what each request means. Every one gets exactly one reply, from here or from whoever it is
 * handed to (a grant, a reload). An error is about the request and touches nothing else.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "broker/exec.h"
#include "broker/log.h"

static void ok(struct session *session, uint64_t id)
{
	session_status(session, id, WIRE_OK, "");
}

static struct line *find_line(struct session *session, uint64_t id, const char *name)
{
	struct exec *exec = session->all->user;
	struct line *line = line_find(exec, name);
	char text[LIMIT_TEXT];

	if (line)
		return line;
	snprintf(text, sizeof(text), "no line %s: `ptirqctl lines` lists those that are configured",
		 name);
	session_status(session, id, WIRE_NOT_FOUND, text);
	return NULL;
}

static struct line *allowed_line(struct session *session, uint64_t id, const char *name)
{
	struct line *line = find_line(session, id, name);
	char text[LIMIT_TEXT];

	if (!line || policy_may_subscribe(line->config, &session->peer, text))
		return line;
	session_status(session, id, WIRE_DENIED, text);
	return NULL;
}

static int find_device(struct session *session, uint64_t id, struct line *line, const char *name)
{
	char text[LIMIT_TEXT];
	int device;

	if (!line->source) {
		snprintf(text, sizeof(text), "line %s: %.400s", line->config->name, line->problem);
		session_status(session, id, WIRE_GONE, text);
		return -1;
	}
	device = line_device(line, name);
	if (device < 0) {
		snprintf(text, sizeof(text),
			 "line %s has no device %s: `ptirqctl show %s` lists them",
			 line->config->name, name, line->config->name);
		session_status(session, id, WIRE_NOT_FOUND, text);
	}
	return device;
}

static struct subscriber *find_sub(struct session *session, uint64_t id, uint32_t subscription)
{
	struct subscriber *sub = subscriber_find(session, subscription);
	char text[LIMIT_TEXT];

	if (sub)
		return sub;
	snprintf(text, sizeof(text), "this connection has no subscription %u", subscription);
	session_status(session, id, WIRE_NOT_FOUND, text);
	return NULL;
}

static bool administrator(struct session *session, uint64_t id)
{
	if (session->peer.administrator)
		return true;
	session_status(session, id, WIRE_DENIED,
		       "only root and the user that the broker runs as may do this");
	return false;
}

/* ---- of everybody -------------------------------------------------------------------------------- */

static void get_line(struct session *session, const struct wire_request *request)
{
	struct line *line = find_line(session, request->id, request->get_line.line);
	struct wire_reply reply = {.id = request->id};

	if (!line)
		return;
	view_devices(line, &reply);
	session_reply(session, &reply);
}

static void subscribe(struct session *session, const struct wire_request *request)
{
	struct line *line = find_line(session, request->id, request->subscribe.line);
	struct wire_reply reply = {.id = request->id, .kind = WIRE_REP_SUBSCRIBE};
	char problem[LIMIT_TEXT];
	struct subscriber *sub;
	enum wire_code code;
	int fds[2];

	if (!line)
		return;
	code = subscriber_new(line, session, &request->subscribe, &sub, problem);
	if (code != WIRE_OK) {
		session_status(session, request->id, code, problem);
		return;
	}
	reply.subscribe.subscription = sub->id;
	reply.subscribe.first_slot = sub->first_slot;
	reply.subscribe.n_units = sub->n_units;
	for (uint8_t u = 0; u < sub->n_units; u++)
		reply.subscribe.unit[u] = sub->first_unit + u;
	fds[0] = sub->wake;
	fds[1] = sub->resample;
	session_reply_fds(session, &reply, fds, sub->own_eventfds ? 2 : 0);
	subscriber_join(sub, &request->subscribe);
}

static void unsubscribe(struct session *session, const struct wire_request *request)
{
	struct subscriber *sub = find_sub(session, request->id, request->unsubscribe.subscription);

	if (!sub)
		return;
	subscriber_free(sub, ARB_EV_LEAVE);
	ok(session, request->id);
}

static void ack(struct session *session, const struct wire_request *request)
{
	const struct wire_ack *ack = &request->ack;
	struct subscriber *sub = find_sub(session, request->id, ack->subscription);
	int error;

	if (!sub)
		return;
	if (ack->unit < sub->first_unit || ack->unit >= (uint32_t)sub->first_unit + sub->n_units) {
		session_status(session, request->id, WIRE_INVALID,
			       "the subscription does not cover this unit");
		return;
	}
	error = deliver_verdict(sub, ack->unit, ack->round, ack->verdict);
	if (error == ARB_E_INVALID)
		session_status(session, request->id, WIRE_INVALID, "not a verdict");
	else if (error)
		session_status(session, request->id, WIRE_STALE,
			       "no verdict was owed for this round (any more)");
	else if (request->id)
		ok(session, request->id); /* id 0: only a refusal is of interest */
}

/* Idempotent: a parked subscriber may park, and so on; the core need not hear of it. */
static void park(struct session *session, const struct wire_request *request)
{
	bool parking = request->kind == WIRE_REQ_PARK;
	struct subscriber *sub = find_sub(session, request->id, request->park.subscription);

	if (!sub)
		return;
	if (arb_sub_parked(sub->line->arb, sub->index) != parking)
		exec_feed(sub->line, &(struct arb_event){
					     .kind = parking ? ARB_EV_PARK : ARB_EV_UNPARK,
					     .sub = sub->index,
				     });
	ok(session, request->id);
}

static void get_stats(struct session *session, const struct wire_request *request)
{
	struct wire_reply reply = {.id = request->id, .kind = WIRE_REP_STATS};
	struct exec *exec = session->all->user;

	if (request->get_stats.line[0] && !find_line(session, request->id, request->get_stats.line))
		return;
	if (view_stats(exec, &session->peer, &request->get_stats, &reply))
		session_reply(session, &reply);
	else
		session_status(session, request->id, WIRE_UNSUPPORTED, "no such scope");
}

static void watch(struct session *session, const struct wire_request *request)
{
	const char *name = request->watch.line;
	struct exec *exec = session->all->user;
	char problem[LIMIT_TEXT];
	int r;

	if (request->watch.stop) {
		watch_stop(exec, session);
		ok(session, request->id);
		return;
	}
	if (name[0] && !allowed_line(session, request->id, name))
		return;
	r = watch_start(exec, session, name);
	if (r == 0) {
		ok(session, request->id);
		return;
	}
	snprintf(problem, sizeof(problem), "uid %u already watches on %u connections, its limit",
		 session->peer.uid, quota_limit(QUOTA_WATCHES));
	session_status(session, request->id, WIRE_LIMIT, r == -EDQUOT ? problem : "out of memory");
}

static void grant_device(struct session *session, const struct wire_request *request)
{
	struct line *line = allowed_line(session, request->id, request->grant_device.line);
	bool pin = request->grant_device.kind == WIRE_GRANT_SIM_PIN;
	char problem[LIMIT_TEXT];
	int device;

	if (!line)
		return;
	device = find_device(session, request->id, line, request->grant_device.device);
	if (device < 0)
		return;
	if (request->grant_device.kind > WIRE_GRANT_SIM_PIN ||
	    (pin && line->config->source != CONFIG_SIM)) {
		session_status(session, request->id, WIRE_UNSUPPORTED,
			       pin ? "only a software line (source=sim) can be played"
				   : "this broker does not know what is to be granted");
		return;
	}
	if (pin && !administrator(session, request->id))
		return;
	if (!pin && !policy_may_grant(line->config, device,
				      line->topology.device[device].unsafe_dma, problem)) {
		session_status(session, request->id, WIRE_DENIED, problem);
		return;
	}
	grant_ask(line, session, request->id, device,
		  pin ? SOURCE_GRANT_SIM_PIN : SOURCE_GRANT_REGISTERS);
}

/* ---- of administrators --------------------------------------------------------------------------- */

static void release_line(struct line *line)
{
	for (uint32_t i = 0; i < LIMIT_SUBS_PER_LINE; i++)
		if (line->sub[i])
			subscriber_evict(line->sub[i], WIRE_GONE,
					 "evicted: an administrator released the line");
}

static void release(struct session *session, const struct wire_request *request)
{
	struct line *line;

	if (!administrator(session, request->id))
		return;
	if (request->release.line[0]) {
		line = find_line(session, request->id, request->release.line);
		if (!line)
			return;
		release_line(line);
		ok(session, request->id);
		return;
	}
	for (struct session *s = session->all->head; s; s = s->next) {
		if (s->id != request->release.client || s->ended)
			continue;
		ok(session, request->id);
		session_end(s, WIRE_GONE, "evicted: an administrator released this client");
		return;
	}
	session_status(session, request->id, WIRE_NOT_FOUND,
		       "no such client: `ptirqctl clients` lists them");
}

static void sim_assert(struct session *session, const struct wire_request *request)
{
	struct line *line;
	int device, error;

	if (!administrator(session, request->id))
		return;
	line = find_line(session, request->id, request->sim_assert.line);
	if (!line)
		return;
	device = find_device(session, request->id, line, request->sim_assert.device);
	if (device < 0)
		return;
	if (!line->source->ops->assert_bits) {
		session_status(session, request->id, WIRE_UNSUPPORTED,
			       "only a software line (source=sim) can be asserted by hand");
		return;
	}
	error = line->source->ops->assert_bits(line->source, device, request->sim_assert.bits,
					       request->sim_assert.deassert);
	session_status(session, request->id, error ? WIRE_IO : WIRE_OK,
		       error ? strerror(-error) : "");
}

/* ---- dispatch ------------------------------------------------------------------------------------ */

static void on_request(void *user, struct session *session, const struct wire_request *request)
{
	struct wire_reply reply;

	switch (request->kind) {
	case WIRE_REQ_LIST_LINES:
		reply = (struct wire_reply){.id = request->id, .kind = WIRE_REP_LINES};
		view_lines(user, request->list_lines.cursor, &reply);
		session_reply(session, &reply);
		return;
	case WIRE_REQ_GET_LINE: get_line(session, request); return;
	case WIRE_REQ_SUBSCRIBE: subscribe(session, request); return;
	case WIRE_REQ_UNSUBSCRIBE: unsubscribe(session, request); return;
	case WIRE_REQ_ACK: ack(session, request); return;
	case WIRE_REQ_PARK:
	case WIRE_REQ_UNPARK: park(session, request); return;
	case WIRE_REQ_GET_STATS: get_stats(session, request); return;
	case WIRE_REQ_WATCH: watch(session, request); return;
	case WIRE_REQ_GRANT_DEVICE: grant_device(session, request); return;
	case WIRE_REQ_RELEASE: release(session, request); return;
	case WIRE_REQ_RELOAD:
		if (administrator(session, request->id))
			exec_reload(user, session, request->id);
		return;
	case WIRE_REQ_SIM_ASSERT: sim_assert(session, request); return;
	case WIRE_REQ_UNKNOWN:
	case WIRE_REQ_HELLO:
	case WIRE_N_REQUESTS: break; /* the session's */
	}
	session_status(session, request->id, WIRE_UNSUPPORTED, "unknown request");
}

static void on_acks(void *user, struct session *session)
{
	(void)user;
	deliver_acks(session);
}

/* A10: death is a verdict. What it said before it died counts first. */
static void on_closed(void *user, struct session *session)
{
	struct subscriber *sub;

	if (session->pages.ack)
		deliver_acks(session);
	watch_stop(user, session);
	reload_forget(user, session);
	while ((sub = subscriber_next(session, 0)))
		subscriber_free(sub, ARB_EV_DIED);
}

const struct session_ops exec_session_ops = {
	.request = on_request,
	.acks = on_acks,
	.closed = on_closed,
};
