/* SPDX-License-Identifier: MIT */
/*
 * One client: its socket, what the kernel says of its peer, its pages, its slots. A session knows the
 * protocol's envelope (Hello first, one Reply for each Request, the limits); what a request means is
 * the executor's business, through struct session_ops.
 *
 * A session that has ended (session_end(), at any time, from anywhere) is not torn down on the spot:
 * sessions_settle() does it between two batches, when no step of the core is under way. Until then it
 * takes messages and drops them.
 */
#ifndef PTIRQ_SESSION_H
#define PTIRQ_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "broker/edge_poll.h"
#include "broker/session/output.h"
#include "broker/session/pages.h"
#include "broker/session/policy.h"
#include "broker/session/quota.h"
#include "proto/wire.h"

struct session;

struct session_ops {
	/* After Hello; to be answered by exactly one session_reply(), now or later. */
	void (*request)(void *user, struct session *session, const struct wire_request *request);
	/* There may be news in its ack page; after everything else in this turn of the loop. */
	void (*acks)(void *user, struct session *session);
	/* It is being torn down: forget it. Takes back every slot. */
	void (*closed)(void *user, struct session *session);
};

/* All clients. */
struct sessions {
	uv_loop_t *loop;
	uv_idle_t idle; /* active while there are more to be reaped */
	const struct session_ops *ops;
	void *user;
	uint64_t epoch;
	uint64_t next_id;
	uint32_t budget; /* control messages still allowed in this turn */
	struct quota quota;
	struct session *head;  /* living, newest first */
	struct session *ended; /* to be reaped */
	struct session *acks;  /* with acks to be taken in this turn */
	struct session
		*waiting; /* with a message, when the budget was spent; the first to wait first */
	uint32_t closing; /* libuv still has handles of theirs */
	void (*room)(void *user); /* a client has gone: accept again */
	void *room_user;
};

struct session {
	struct sessions *all;
	struct session *next, *prev;
	struct session *next_ended;
	struct session *next_acks;
	struct session *next_waiting;
	uint64_t id; /* never used again in this epoch (T22) */
	struct peer peer;
	char name[LIMIT_NAME];
	bool greeted;
	bool ended;
	bool acks_pending;
	bool waiting;
	bool writable;          /* its socket is watched for room, too */
	bool paused;            /* its next request is not read before the last one is answered */
	uint8_t handles;        /* open ones of libuv's */
	uint32_t features;      /* enum wire_feature */
	uint64_t blocked_since; /* ms; 0: its output flows */

	int sock;
	int pidfd; /* -1: none */
	uv_poll_t socket_poll;
	uv_poll_t pid_poll;
	uv_timer_t timer; /* the deadline of Hello, then of unread fds */
	struct edge_poll ack_poll;
	struct output output;
	struct pages pages;

	uint32_t n_slots; /* that owner has room for */
	void **owner;     /* of each slot; NULL: free */
	uint32_t serial;  /* of the next subscription */
	void *watch;      /* the executor's */
};

void sessions_init(struct sessions *sessions, uv_loop_t *loop, const struct session_ops *ops,
		   void *user, uint64_t epoch, uint32_t max_clients);
/* Tells everybody why, and ends every session. The loop must run once more after this. */
void sessions_stop(struct sessions *sessions, const char *text);
void sessions_deinit(struct sessions *sessions);

/* The executor calls the first when the loop has called everybody in a turn, the second before it sleeps. */
void sessions_take_acks(struct sessions *sessions);
void sessions_settle(struct sessions *sessions);

/*
 * Consumes @sock, a connected socket, whatever happens. 0, or -errno: it was refused, and told why if
 * that is its own fault.
 */
int session_new(struct sessions *sessions, int sock);

/* @code: WIRE_OK: no last word. Else Evicted{code, text}, if the socket takes it. Idempotent. */
void session_end(struct session *session, enum wire_code code, const char *text);

/* ---- messages; all of them do nothing on a session that has ended ------------------------------- */

void session_reply(struct session *session, const struct wire_reply *reply);
/* @fds are borrowed. */
void session_reply_fds(struct session *session, const struct wire_reply *reply, const int *fds,
		       size_t n_fds);
/* The reply to request @id: nothing but a status. */
void session_status(struct session *session, uint64_t id, enum wire_code code, const char *text);
void session_event(struct session *session, const struct wire_event *event);
/* The client is slow: what can be dropped should be. */
bool session_congested(const struct session *session);

/*
 * Replies come in the order of requests: while one is answered later, no other is taken. So a client has
 * at most one of them on its way, too.
 */
void session_pause(struct session *session);
void session_resume(struct session *session);

/* ---- slots --------------------------------------------------------------------------------------- */

/* @n neighbouring slots for @owner. The first, or -EDQUOT, -ENOMEM. */
int session_slots_take(struct session *session, uint32_t n, void *owner);
void session_slots_give(struct session *session, uint32_t first, uint32_t n);

static inline void *session_slot_owner(const struct session *session, uint32_t slot)
{
	return slot < session->n_slots ? session->owner[slot] : NULL;
}

/*
 * A subscription's number has its first slot in the low bits, so that it is found by indexing, and a
 * serial above them, so that an old number is not taken for a new one.
 */
#define SESSION_SLOT_BITS 10
_Static_assert(LIMIT_SLOTS == 1 << SESSION_SLOT_BITS, "slots fit");
static inline uint32_t session_subscription_id(struct session *session, uint32_t first)
{
	/* Never 0, which means the whole client in Evicted. */
	if (++session->serial >= 1U << (32 - SESSION_SLOT_BITS))
		session->serial = 1;
	return session->serial << SESSION_SLOT_BITS | first;
}

#endif
