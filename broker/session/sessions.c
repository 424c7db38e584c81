// SPDX-License-Identifier: MIT
/*
 * Owns the set of clients: their order of service within a turn of the loop, their slots, their end.
 * Must not read or write a socket.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker/session/internal.h"

/*
 * Control messages of all clients together in one turn. A turn of nothing else takes some 100 us, which
 * is how long a flood of them can hold up an interrupt.
 */
#define MESSAGES_PER_TURN 16
/* The end of a client takes as long as a few messages. */
#define ENDS_PER_TURN 4

/* A11: the sources of this turn have been read; now the acks. */
void sessions_take_acks(struct sessions *sessions)
{
	struct session *session;

	while ((session = sessions->acks)) {
		sessions->acks = session->next_acks;
		session->acks_pending = false;
		if (!session->ended)
			sessions->ops->acks(sessions->user, session);
	}
}

void sessions_wait(struct session *session)
{
	struct session **end = &session->all->waiting;

	if (session->waiting)
		return;
	while (*end)
		end = &(*end)->next_waiting;
	session->next_waiting = NULL;
	session->waiting = true;
	*end = session;
}

void sessions_wait_no_more(struct session *session)
{
	struct session **link = &session->all->waiting;

	if (!session->waiting)
		return;
	while (*link != session)
		link = &(*link)->next_waiting;
	*link = session->next_waiting;
	session->waiting = false;
}

/* Before anybody's of the turn to come: epoll names those first who always have something to say. */
static void take_waiting(struct sessions *sessions)
{
	struct session *session;

	while (sessions->budget && (session = sessions->waiting)) {
		sessions_wait_no_more(session);
		session_take_message(session);
	}
}

static void on_idle(uv_idle_t *idle)
{
	(void)idle;
}

void sessions_settle(struct sessions *sessions)
{
	sessions_take_acks(sessions);
	sessions_reap(sessions, ENDS_PER_TURN);
	sessions->budget = MESSAGES_PER_TURN;
	take_waiting(sessions);
	/* The next turn is not to wait for anything. */
	if (sessions->ended)
		uv_idle_start(&sessions->idle, on_idle);
	else
		uv_idle_stop(&sessions->idle);
}

void sessions_init(struct sessions *sessions, uv_loop_t *loop, const struct session_ops *ops,
		   void *user, uint64_t epoch, uint32_t max_clients)
{
	*sessions = (struct sessions){
		.loop = loop,
		.ops = ops,
		.user = user,
		.epoch = epoch,
		.budget = MESSAGES_PER_TURN,
	};
	quota_init(&sessions->quota, max_clients);
	uv_idle_init(loop, &sessions->idle);
}

void sessions_stop(struct sessions *sessions, const char *text)
{
	struct wire_event event = {.kind = WIRE_EV_GOING_AWAY};

	strncpy(event.going_away.text, text, sizeof(event.going_away.text) - 1);
	for (struct session *s = sessions->head; s; s = s->next) {
		session_event(s, &event);
		session_end(s, WIRE_OK, text);
	}
	sessions_reap(sessions, UINT32_MAX);
	uv_close((uv_handle_t *)&sessions->idle, NULL);
}

void sessions_deinit(struct sessions *sessions)
{
	assert(!sessions->head && !sessions->closing);
	quota_deinit(&sessions->quota);
}

/* ---- slots --------------------------------------------------------------------------------------- */

static bool is_free(const struct session *session, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++)
		if (session_slot_owner(session, i))
			return false;
	return true;
}

static int make_room(struct session *session, uint32_t n)
{
	uint32_t room = session->n_slots ? session->n_slots : 8;
	void **owner;

	while (room < n)
		room *= 2;
	if (room == session->n_slots)
		return 0;
	owner = realloc(session->owner, room * sizeof(void *));
	if (!owner)
		return -ENOMEM;
	memset(owner + session->n_slots, 0, (room - session->n_slots) * sizeof(void *));
	session->owner = owner;
	session->n_slots = room;
	return 0;
}

/* First fit, so that a client that comes and goes stays within the same few cache lines. */
int session_slots_take(struct session *session, uint32_t n, void *owner)
{
	int r;

	for (uint32_t first = 0; first + n <= LIMIT_SLOTS; first++) {
		if (!is_free(session, first, n))
			continue;
		r = make_room(session, first + n);
		if (r < 0)
			return r;
		for (uint32_t i = first; i < first + n; i++)
			session->owner[i] = owner;
		return first;
	}
	return -EDQUOT;
}

void session_slots_give(struct session *session, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++)
		session->owner[i] = NULL;
}
