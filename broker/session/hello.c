// SPDX-License-Identifier: MIT
/*
 * Owns the handshake: versions, features, and the fast path that a client is given. Must not leave a
 * half-greeted session: it is greeted or ended.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "broker/session/internal.h"

#define BROKER_VERSION "ptirq-broker " PTIRQ_VERSION
#define FEATURES       (WIRE_FEATURE_PAGES | WIRE_FEATURE_OWN_EVENTFDS)

static void refuse(struct session *session, uint64_t id, enum wire_code code, const char *text)
{
	session_status(session, id, code, text);
	session_end(session, code, text);
}

/* The reply carries the eventfds, the event after it the pages: so it is in each new epoch. */
static int give_pages(struct session *session)
{
	uint32_t *budget = &session->all->budget;
	int r = pages_create(&session->pages, session->all->epoch);

	*budget -= *budget < SESSION_PAGES_COST ? *budget : SESSION_PAGES_COST;
	return r < 0 ? r : session_watch_acks(session);
}

static void send_epoch(struct session *session)
{
	struct wire_event event = {.kind = WIRE_EV_EPOCH};
	int fds[2] = {session->pages.irq_fd, session->pages.ack_fd};

	event.epoch.epoch = session->all->epoch;
	session_event_fds(session, &event, fds, session->pages.irq ? 2 : 0);
	pages_close_memfds(&session->pages);
}

void session_hello(struct session *session, uint64_t id, const struct wire_hello *hello)
{
	struct wire_reply reply = {.id = id, .kind = WIRE_REP_HELLO};
	char text[LIMIT_TEXT];
	int fds[2];
	int r;

	if (session->greeted) {
		session_status(session, id, WIRE_INVALID, "Hello comes once");
		return;
	}
	if (hello->version_min > WIRE_VERSION || hello->version_max < WIRE_VERSION) {
		snprintf(text, sizeof(text),
			 "this broker speaks version %d of ptirq.v1, the client %u to %u",
			 WIRE_VERSION, hello->version_min, hello->version_max);
		refuse(session, id, WIRE_VERSION_MISMATCH, text);
		return;
	}
	session->features = hello->features & FEATURES;
	memcpy(session->name, hello->name, sizeof(session->name));
	if (session->features & WIRE_FEATURE_PAGES) {
		r = give_pages(session);
		if (r < 0) {
			snprintf(text, sizeof(text), "no pages for another client: %s",
				 strerror(-r));
			refuse(session, id, WIRE_LIMIT, text);
			return;
		}
	}
	session->greeted = true;
	uv_timer_stop(&session->timer);

	reply.hello.version = WIRE_VERSION;
	reply.hello.features = session->features;
	reply.hello.client = session->id;
	reply.hello.epoch = session->all->epoch;
	reply.hello.administrator = session->peer.administrator;
	snprintf(reply.hello.broker, sizeof(reply.hello.broker), "%s", BROKER_VERSION);
	fds[0] = session->pages.wake;
	fds[1] = session->pages.acks;
	session_reply_fds(session, &reply, fds, session->pages.irq ? 2 : 0);
	send_epoch(session);
}
