// SPDX-License-Identifier: MIT
/*
 * Owns subscriptions: checks and quotas, slots, eventfds of their own; joining and leaving the core.
 * Validates wholly, then commits.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/exec.h"

/* ---- joining ------------------------------------------------------------------------------------- */

static enum wire_code check(struct line *line, struct session *session,
			    const struct wire_subscribe *request, int *ret_device,
			    char problem[LIMIT_TEXT])
{
	uint32_t max = line->config->max_subscribers;
	int device = -1;

	if (!policy_may_subscribe(line->config, &session->peer, problem))
		return WIRE_DENIED;
	if (!line->source) {
		snprintf(problem, LIMIT_TEXT, "line %s: %.400s", line->config->name, line->problem);
		return WIRE_GONE;
	}
	if (request->device[0]) {
		device = line_device(line, request->device);
		if (device < 0) {
			snprintf(problem, LIMIT_TEXT,
				 "line %s has no device %s: `ptirqctl show %s` lists them",
				 line->config->name, request->device, line->config->name);
			return WIRE_NOT_FOUND;
		}
	}
	if (request->priority > 255) {
		snprintf(problem, LIMIT_TEXT, "a priority is 0 to 255, not %u", request->priority);
		return WIRE_INVALID;
	}
	if (request->own_eventfds && request->messages) {
		snprintf(problem, LIMIT_TEXT, "either messages or eventfds of its own, not both");
		return WIRE_INVALID;
	}
	if (request->own_eventfds && !(session->features & WIRE_FEATURE_OWN_EVENTFDS)) {
		snprintf(problem, LIMIT_TEXT, "FEATURE_OWN_EVENTFDS was not asked for in Hello");
		return WIRE_UNSUPPORTED;
	}
	if ((request->direct || request->notify) && !request->own_eventfds) {
		snprintf(problem, LIMIT_TEXT,
			 "the direct and notify paths need own_eventfds, for the source to signal");
		return WIRE_INVALID;
	}
	if (request->notify && request->resample) {
		snprintf(problem, LIMIT_TEXT,
			 "notify wakes at every interrupt, which resample asks not to be");
		return WIRE_INVALID;
	}
	if ((request->direct || request->notify) && device < 0 && line->topology.n_units > 1) {
		snprintf(
			problem, LIMIT_TEXT,
			"line %s has %u units: name a device of it, the direct and notify paths are "
			"for one",
			line->config->name, line->topology.n_units);
		return WIRE_INVALID;
	}
	if (!max || max > LIMIT_SUBS_PER_LINE)
		max = LIMIT_SUBS_PER_LINE;
	if (line->n_subs >= max) {
		snprintf(problem, LIMIT_TEXT, "line %s has its %u subscribers (max-subscribers=)",
			 line->config->name, max);
		return WIRE_LIMIT;
	}
	*ret_device = device;
	return WIRE_OK;
}

static int make_eventfds(struct subscriber *sub)
{
	int r;

	sub->wake = r = pages_eventfd();
	if (r < 0)
		return r;
	sub->resample = r = pages_eventfd();
	if (r < 0)
		return r;
	return path_watch_resample(sub);
}

/* Everything it has but its place in the line, half-built or whole. */
static void dispose(struct subscriber *sub)
{
	struct quota *quota = &sub->session->all->quota;
	uid_t uid = sub->session->peer.uid;

	timers_remove(&sub->strike);
	timers_remove(&sub->probe);
	for (uint8_t i = 0; i < sub->n_units; i++)
		timers_remove(&sub->unit[i].ask);
	session_slots_give(sub->session, sub->first_slot, sub->n_units);
	quota_release(quota, uid, QUOTA_SUBS, 1);
	if (sub->own_eventfds)
		quota_release(quota, uid, QUOTA_FDS, 2);
	deliver_forget(sub);
	edge_poll_stop(&sub->resample_poll, NULL);
	if (sub->wake >= 0)
		close(sub->wake);
	if (sub->resample >= 0)
		close(sub->resample);
	free(sub);
}

static enum wire_code no_room(char problem[LIMIT_TEXT], const char *what)
{
	snprintf(problem, LIMIT_TEXT, "%s", what);
	return WIRE_LIMIT;
}

/* The quotas, the slots, the eventfds: charged and made before anybody can see it. */
static enum wire_code build(struct subscriber *sub, char problem[LIMIT_TEXT])
{
	struct session *session = sub->session;
	struct quota *quota = &session->all->quota;
	uid_t uid = session->peer.uid;
	int slot, r;

	if (quota_charge(quota, uid, QUOTA_SUBS, 1) < 0) {
		snprintf(problem, LIMIT_TEXT, "uid %u has %u subscriptions, its limit", uid,
			 quota_limit(QUOTA_SUBS));
		free(sub);
		return WIRE_LIMIT;
	}
	slot = session_slots_take(session, sub->n_units, sub);
	if (slot < 0) {
		quota_release(quota, uid, QUOTA_SUBS, 1);
		free(sub);
		return no_room(problem, "no free slots in this connection's page; open another");
	}
	sub->first_slot = slot;
	sub->id = session_subscription_id(session, slot);
	if (!sub->own_eventfds)
		return WIRE_OK;
	if (quota_charge(quota, uid, QUOTA_FDS, 2) < 0) {
		snprintf(problem, LIMIT_TEXT, "uid %u has %u eventfds of subscriptions, its limit",
			 uid, quota_limit(QUOTA_FDS));
		sub->own_eventfds = false;
		dispose(sub);
		return WIRE_LIMIT;
	}
	r = make_eventfds(sub);
	if (r < 0) {
		dispose(sub);
		return no_room(problem, strerror(-r));
	}
	return WIRE_OK;
}

/* A slot may have been another subscription's: what was said there is not this one's. */
static void clean_slots(struct subscriber *sub)
{
	struct pages *pages = &sub->session->pages;

	for (uint32_t s = sub->first_slot; pages->irq && s < sub->first_slot + sub->n_units; s++) {
		atomic_store_explicit(&pages->irq->slot[s].round, 0, memory_order_relaxed);
		atomic_store_explicit(&pages->irq->slot[s].count, 0, memory_order_relaxed);
		atomic_store_explicit(&pages->irq->slot[s].path, PAGE_BROKERED,
				      memory_order_relaxed);
		atomic_store_explicit(&pages->ack->word[s], 0, memory_order_relaxed);
	}
}

/* The units keep their histograms, whoever comes and goes. */
static bool can_measure(struct line *line, uint8_t first, uint8_t n)
{
	for (struct unit *u = &line->unit[first]; u < &line->unit[first + n]; u++) {
		if (!u->response)
			u->response = calloc(1, sizeof(*u->response));
		if (!u->response)
			return false;
	}
	return true;
}

enum wire_code subscriber_new(struct line *line, struct session *session,
			      const struct wire_subscribe *request, struct subscriber **ret,
			      char problem[LIMIT_TEXT])
{
	struct subscriber *sub;
	uint8_t first_unit, n_units;
	enum wire_code code;
	int device;

	code = check(line, session, request, &device, problem);
	if (code != WIRE_OK)
		return code;
	n_units = device < 0 ? line->topology.n_units : 1;
	first_unit = device < 0 ? 0 : line->topology.device[device].unit;
	if (!can_measure(line, first_unit, n_units))
		return no_room(problem, strerror(ENOMEM));
	sub = calloc(1, sizeof(*sub) + n_units * sizeof(sub->unit[0]));
	if (!sub)
		return no_room(problem, strerror(ENOMEM));
	sub->line = line;
	sub->session = session;
	sub->device = device < 0 ? ARB_NO_DEVICE : device;
	sub->first_unit = first_unit;
	sub->n_units = n_units;
	sub->own_eventfds = request->own_eventfds;
	sub->messages = request->messages || (!session->pages.irq && !request->own_eventfds);
	sub->wake = sub->resample = -1;
	sub->resample_poll.fd = -1;
	code = build(sub, problem);
	if (code != WIRE_OK)
		return code;
	clean_slots(sub);
	while (line->sub[sub->index])
		sub->index++;
	line->sub[sub->index] = sub;
	line->n_subs++;
	*ret = sub;
	return WIRE_OK;
}

/* Apart from subscriber_new(), so that the reply is on its way before the first interrupt. */
void subscriber_join(struct subscriber *sub, const struct wire_subscribe *request)
{
	int error;

	sub->wishes = (request->resample ? ARB_SUB_RESAMPLE : 0) |
		      (request->direct ? ARB_SUB_DIRECT : 0) |
		      (request->notify ? ARB_SUB_NOTIFY : 0);
	error = exec_feed(sub->line, &(struct arb_event){
					     .kind = ARB_EV_JOIN,
					     .sub = sub->index,
					     .device = sub->device,
					     .priority = request->priority,
					     .flags = sub->wishes,
					     .deadline = request->deadline_ns,
				     });
	/* check() has looked at everything that the core would refuse. */
	assert(!error);
}

/* ---- leaving ------------------------------------------------------------------------------------- */

void subscriber_free(struct subscriber *sub, enum arb_event_kind kind)
{
	struct line *line = sub->line;

	sub->wishes = 0;
	exec_feed(line, &(struct arb_event){.kind = kind, .sub = sub->index});
	path_leave(sub);
	line->sub[sub->index] = NULL;
	line->n_subs--;
	dispose(sub);
}

void subscriber_evict(struct subscriber *sub, enum wire_code code, const char *text)
{
	struct wire_event event = {.kind = WIRE_EV_EVICTED};

	event.evicted.subscription = sub->id;
	event.evicted.reason.code = code;
	snprintf(event.evicted.reason.message, sizeof(event.evicted.reason.message), "%s", text);
	session_event(sub->session, &event);
	subscriber_free(sub, ARB_EV_LEAVE);
}

/* ---- finding ------------------------------------------------------------------------------------- */

struct subscriber *subscriber_find(struct session *session, uint32_t id)
{
	struct subscriber *sub = session_slot_owner(session, id % LIMIT_SLOTS);

	return sub && sub->id == id ? sub : NULL;
}

struct subscriber *subscriber_next(struct session *session, uint32_t slot)
{
	for (; slot < session->n_slots; slot++)
		if (session->owner[slot])
			return session->owner[slot];
	return NULL;
}
