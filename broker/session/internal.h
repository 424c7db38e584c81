/* SPDX-License-Identifier: MIT */
/* What the files of a session share with each other and nobody else. */
#ifndef PTIRQ_SESSION_INTERNAL_H
#define PTIRQ_SESSION_INTERNAL_H

#include "broker/session/session.h"

/* T6 */
#define SESSION_HELLO_MS 2000

/* Making pages takes as long as this many messages. */
#define SESSION_PAGES_COST 7

/* hello.c: answers Hello and makes the pages. */
void session_hello(struct session *session, uint64_t id, const struct wire_hello *hello);

/* sessions.c: its message is the next turn's; and not at all */
void sessions_wait(struct session *session);
void sessions_wait_no_more(struct session *session);

/* session.c */
/* One message, or the end of the connection. */
void session_take_message(struct session *session);
void session_event_fds(struct session *session, const struct wire_event *event, const int *fds,
		       size_t n_fds);
int session_watch_acks(struct session *session);
/* At most @most of those that have ended. */
void sessions_reap(struct sessions *sessions, uint32_t most);

#endif
