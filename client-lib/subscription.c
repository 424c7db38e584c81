// SPDX-License-Identifier: MIT
/*
 * The subscriptions' lives and settings. Owns each one's eventfds and its place in by_slot. Must not
 * look into the pages.
 */
#include "client-lib/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

struct ptirq_sub *sub_find(struct ptirq *ptirq, uint32_t id)
{
	struct ptirq_sub *sub;

	DL_FOREACH (ptirq->subs, sub)
		if (id && sub->id == id)
			return sub;
	return NULL;
}

int sub_unit(const struct ptirq_sub *sub, uint32_t unit)
{
	for (uint32_t i = 0; i < sub->n_units; i++)
		if (sub->unit[i].id == unit)
			return (int)i;
	return -ENOENT;
}

/* The number stays the same, whatever it refers to from now on. */
static int replace_fd(int *fd, int *from)
{
	if (*fd < 0) {
		*fd = *from;
		*from = -1;
		return 0;
	}
	return dup3(*from, *fd, O_CLOEXEC) < 0 ? -errno : 0;
}

int sub_bind(struct ptirq_sub *sub, const struct wire_reply *reply, int fds[LIMIT_MESSAGE_FDS])
{
	struct ptirq *ptirq = sub->ptirq;
	uint32_t first = reply->subscribe.first_slot, n = reply->subscribe.n_units;
	bool again = sub->wake >= 0;
	int r;

	if (reply->kind != WIRE_REP_SUBSCRIBE || !reply->subscribe.subscription || n == 0 ||
	    n > LIMIT_UNITS_PER_LINE || first > LIMIT_SLOTS - n ||
	    (sub->request.own_eventfds && (fds[0] < 0 || fds[1] < 0)))
		return fail(ptirq, -EPROTO, "the broker's answer to a subscription makes no sense");
	if (sub->waits) {
		sub->wake = fds[0];
		sub->resample = fds[1];
		fds[0] = fds[1] = -1;
		r = link_watch(ptirq, sub);
		if (r < 0) {
			close_fd(&sub->wake);
			return fail(ptirq, r, "epoll: %s", strerror(-r));
		}
	} else if (sub->request.own_eventfds) {
		r = replace_fd(&sub->wake, &fds[0]);
		if (r == 0)
			r = replace_fd(&sub->resample, &fds[1]);
		if (r < 0)
			return fail(ptirq, r, "eventfds: %s", strerror(-r));
		sub->rebind = again;
	}
	sub->id = reply->subscribe.subscription;
	sub->first_slot = first;
	sub->n_units = n;
	for (uint32_t i = 0; i < n; i++) {
		sub->unit[i].id = reply->subscribe.unit[i];
		sub->unit[i].round = 0;
		sub->unit[i].count = 0;
		sub->unit[i].taken = false;
		if (sub->request.messages || sub->request.own_eventfds)
			continue;
		ptirq->slots += !ptirq->by_slot[first + i];
		ptirq->by_slot[first + i] = sub;
		/* News of a slot that was nobody's has been overlooked: look at it once. */
		mark(sub, i);
	}
	return 0;
}

void sub_unbind(struct ptirq_sub *sub)
{
	struct ptirq *ptirq = sub->ptirq;

	unmark(sub);
	for (uint32_t i = 0; i < sub->n_units; i++)
		if (ptirq->by_slot[sub->first_slot + i] == sub) {
			ptirq->by_slot[sub->first_slot + i] = NULL;
			ptirq->slots--;
		}
	if (sub->waits) {
		link_unwatch(ptirq, sub);
		close_fd(&sub->resample);
		sub->woken = false;
	}
	sub->id = 0;
	sub->n_units = 0;
}

void sub_evict(struct ptirq_sub *sub, const struct wire_status *status)
{
	sub_unbind(sub);
	sub->evicted = true;
	snprintf(sub->reason, sizeof(sub->reason), "%s",
		 status->message[0] ? status->message : "the broker has ended this subscription");
}

void sub_free(struct ptirq_sub *sub)
{
	struct ptirq *ptirq = sub->ptirq;

	sub_unbind(sub);
	DL_DELETE(ptirq->subs, sub);
	close_fd(&sub->wake);
	close_fd(&sub->resample);
	free(sub);
}

static int options_check(struct ptirq *ptirq, const struct ptirq_options *options)
{
	const uint32_t by_eventfd = PTIRQ_OPT_EVENTFDS | PTIRQ_OPT_DIRECT | PTIRQ_OPT_NOTIFY;
	const uint32_t known = by_eventfd | PTIRQ_OPT_RESAMPLE | PTIRQ_OPT_MESSAGES;

	/* The first version's size; what a later one adds lies behind it. */
	if (options->size < sizeof(*options))
		return fail(ptirq, -EINVAL, "ptirq_options.size is %zu: set it to sizeof",
			    options->size);
	for (size_t i = sizeof(*options); i < options->size; i++)
		if (((const uint8_t *)options)[i])
			return fail(ptirq, -EINVAL,
				    "ptirq_options has something set that this version of libptirq "
				    "does not know: use a newer one");
	if (options->flags & ~known)
		return fail(ptirq, -EINVAL, "unknown flags 0x%x in ptirq_options",
			    options->flags & ~known);
	if ((options->flags & by_eventfd) && (options->flags & PTIRQ_OPT_MESSAGES))
		return fail(ptirq, -EINVAL,
			    "interrupts come by eventfds of one's own or by messages, not by both");
	if ((options->flags & PTIRQ_OPT_NOTIFY) && (options->flags & PTIRQ_OPT_RESAMPLE))
		return fail(
			ptirq, -EINVAL,
			"PTIRQ_OPT_NOTIFY wakes at every interrupt, which PTIRQ_OPT_RESAMPLE asks "
			"not to be");
	if (options->priority > 255)
		return fail(ptirq, -EINVAL, "priority %u: at most 255", options->priority);
	return 0;
}

static int request_fill(struct ptirq *ptirq, const char *line, const struct ptirq_options *options,
			struct wire_subscribe *ret)
{
	int r = name_copy(ptirq, "line", line, ret->line);

	if (r < 0 || !options)
		return r;
	r = options_check(ptirq, options);
	if (r == 0 && options->device)
		r = name_copy(ptirq, "device", options->device, ret->device);
	if (r < 0)
		return r;
	ret->priority = options->priority;
	ret->deadline_ns = options->deadline_ns;
	ret->messages = options->flags & PTIRQ_OPT_MESSAGES;
	ret->direct = options->flags & PTIRQ_OPT_DIRECT;
	ret->notify = options->flags & PTIRQ_OPT_NOTIFY;
	ret->own_eventfds = (options->flags & PTIRQ_OPT_EVENTFDS) || ret->direct || ret->notify;
	ret->resample = options->flags & PTIRQ_OPT_RESAMPLE;
	return 0;
}

int ptirq_subscribe(struct ptirq *ptirq, const char *line, const struct ptirq_options *options,
		    struct ptirq_sub **ret)
{
	struct question question = {.kind = WIRE_REP_SUBSCRIBE, .again = true};
	struct ptirq_sub *sub = calloc(1, sizeof(*sub));
	int fds[LIMIT_MESSAGE_FDS];
	struct wire_reply reply;
	int r;

	if (!sub)
		return fail(ptirq, -ENOMEM, "out of memory");
	sub->ptirq = ptirq;
	sub->wake = sub->resample = -1;
	r = request_fill(ptirq, line, options, &sub->request);
	if (r < 0) {
		free(sub);
		return r;
	}
	sub->waits = sub->request.own_eventfds && !(options->flags & PTIRQ_OPT_EVENTFDS);
	question.request.kind = WIRE_REQ_SUBSCRIBE;
	question.request.subscribe = sub->request;
	r = ask(ptirq, &question, &reply, fds);
	if (r < 0) {
		free(sub);
		return r;
	}
	/* Between the reply and here nothing was received, so the subscription is of this life. */
	DL_APPEND(ptirq->subs, sub);
	r = sub_bind(sub, &reply, fds);
	for (int i = 0; i < LIMIT_MESSAGE_FDS; i++)
		close_fd(&fds[i]);
	if (r < 0) {
		sub_free(sub);
		link_dead(ptirq, r);
		return r;
	}
	*ret = sub;
	return 0;
}

void ptirq_unsubscribe(struct ptirq_sub *sub)
{
	struct question question = {
		.request.kind = WIRE_REQ_UNSUBSCRIBE,
		.kind = WIRE_REP_NONE,
		.again = true,
		.sub = sub,
	};
	struct ptirq *ptirq = sub ? sub->ptirq : NULL;

	if (!sub || owner_check(ptirq) < 0)
		return;
	/* Without a connection the broker's side is gone already. One that is just being made may
	 * have it: then another is made, without. */
	if (ptirq->link == LINK_UP && sub->id)
		ask(ptirq, &question, NULL, NULL);
	else if (sub->id || ptirq->subscribing == sub)
		link_lost(ptirq, -ECONNRESET);
	if (ptirq->subscribing == sub)
		link_lost(ptirq, -ECONNRESET);
	sub_free(sub);
}

void ptirq_set_userdata(struct ptirq_sub *sub, void *userdata)
{
	sub->userdata = userdata;
}

void *ptirq_get_userdata(const struct ptirq_sub *sub)
{
	return sub->userdata;
}

const char *ptirq_sub_line(const struct ptirq_sub *sub)
{
	return sub->request.line;
}

static int need_eventfds(struct ptirq_sub *sub)
{
	if (sub->request.own_eventfds && !sub->waits)
		return 0;
	return fail(sub->ptirq, -EINVAL,
		    "this subscription to %s was made without PTIRQ_OPT_EVENTFDS",
		    sub->request.line);
}

int ptirq_wake_fd(struct ptirq_sub *sub)
{
	int r = need_eventfds(sub);

	return r < 0 ? r : sub->wake;
}

int ptirq_resample_fd(struct ptirq_sub *sub)
{
	int r = need_eventfds(sub);

	return r < 0 ? r : sub->resample;
}

bool ptirq_evicted(struct ptirq_sub *sub)
{
	if (sub->evicted)
		fail(sub->ptirq, -ESTALE, "%s", sub->reason);
	return sub->evicted;
}

bool ptirq_rebind_needed(struct ptirq_sub *sub)
{
	bool rebind = sub->rebind;

	sub->rebind = false;
	return rebind;
}

static int set_parked(struct ptirq_sub *sub, bool parked)
{
	struct question question = {
		.request.kind = parked ? WIRE_REQ_PARK : WIRE_REQ_UNPARK,
		.kind = WIRE_REP_NONE,
		.again = true,
		.sub = sub,
	};
	int r = ask(sub->ptirq, &question, NULL, NULL);

	if (r == 0)
		sub->parked = parked;
	return r;
}

int ptirq_park(struct ptirq_sub *sub)
{
	return set_parked(sub, true);
}

int ptirq_unpark(struct ptirq_sub *sub)
{
	return set_parked(sub, false);
}
