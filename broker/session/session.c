// SPDX-License-Identifier: MIT
/*
 * Owns one client's socket, watches and messages. Must not know lines or rounds; must not let anything
 * a client does or leaves undone touch another one (T5, T23), or wait for it.
 */
#include "broker/session/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "broker/fd_watch.h"
#include "broker/log.h"
#include "broker/session/internal.h"
#include "proto/channel.h"

/* How long a client may leave fds unread while others wait behind them (T4). */
#define READ_TIMEOUT_MS 2000
/* No event tells that it has read them: looked at after 1 ms, and then ever less often. */
#define READ_RETRY_MS(waited) (1 + (waited) / 16)

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* ---- PTIRQ_DEBUG=wire ---------------------------------------------------------------------------- */

static const char *request_name(enum wire_request_kind kind)
{
	static const char *const name[WIRE_N_REQUESTS] = {
		[WIRE_REQ_UNKNOWN] = "of an unknown kind",
		[WIRE_REQ_HELLO] = "Hello",
		[WIRE_REQ_LIST_LINES] = "ListLines",
		[WIRE_REQ_GET_LINE] = "GetLine",
		[WIRE_REQ_SUBSCRIBE] = "Subscribe",
		[WIRE_REQ_UNSUBSCRIBE] = "Unsubscribe",
		[WIRE_REQ_ACK] = "Ack",
		[WIRE_REQ_PARK] = "Park",
		[WIRE_REQ_UNPARK] = "Unpark",
		[WIRE_REQ_GET_STATS] = "GetStats",
		[WIRE_REQ_WATCH] = "Watch",
		[WIRE_REQ_GRANT_DEVICE] = "GrantDevice",
		[WIRE_REQ_RELEASE] = "Release",
		[WIRE_REQ_RELOAD] = "Reload",
		[WIRE_REQ_SIM_ASSERT] = "SimAssert",
	};

	return name[kind];
}

static const char *event_name(enum wire_event_kind kind)
{
	switch (kind) {
	case WIRE_EV_UNKNOWN: break;
	case WIRE_EV_INTERRUPT: return "Interrupt";
	case WIRE_EV_RETRACTED: return "Retracted";
	case WIRE_EV_LINE_STATE: return "LineState";
	case WIRE_EV_EPOCH: return "Epoch";
	case WIRE_EV_EVICTED: return "Evicted";
	case WIRE_EV_GOING_AWAY: return "GoingAway";
	case WIRE_EV_WATCH: return "WatchRecord";
	}
	return "of an unknown kind";
}

/* ---- output -------------------------------------------------------------------------------------- */

static const char no_watch[] = "evicted: the broker cannot watch one more descriptor";

static void on_socket(uv_poll_t *handle, int status, int events);

static void watch_socket(struct session *session, bool writable)
{
	int events = (session->paused ? UV_DISCONNECT : UV_READABLE) | (writable ? UV_WRITABLE : 0);

	session->writable = writable;
	if (fd_watch(&session->socket_poll, events, on_socket) < 0)
		session_end(session, WIRE_LIMIT, no_watch);
}

static void on_retry(uv_timer_t *timer);

/* After anything that may have left output behind, or taken the last of it. */
static void output_wait(struct session *session, int wait)
{
	uint64_t now = uv_now(session->all->loop);

	if (wait < 0) {
		session_end(session, WIRE_OK, strerror(-wait));
		return;
	}
	if (session->writable != (wait == OUTPUT_WRITABLE))
		watch_socket(session, wait == OUTPUT_WRITABLE);
	if (wait != OUTPUT_READER) {
		session->blocked_since = 0;
		return;
	}
	if (!session->blocked_since)
		session->blocked_since = now;
	if (now - session->blocked_since > READ_TIMEOUT_MS)
		session_end(session, WIRE_LIMIT, "evicted: it does not read the fds it asked for");
	else if (session->greeted)
		uv_timer_start(&session->timer, on_retry,
			       READ_RETRY_MS(now - session->blocked_since), 0);
}

static void on_retry(uv_timer_t *timer)
{
	struct session *session = timer->data;

	if (!session->ended)
		output_wait(session, output_flush(&session->output, session->sock));
}

static void put(struct session *session, const uint8_t *data, int size, const int *fds,
		size_t n_fds)
{
	int r = output_put(&session->output, session->sock, data, size, fds, n_fds);

	if (r == -ENOBUFS)
		session_end(session, WIRE_LIMIT, "evicted: it does not read what it is sent");
	else if (r < 0)
		session_end(session, WIRE_OK, strerror(-r));
	else if (session->output.head && !session->writable && !session->blocked_since)
		output_wait(session, output_flush(&session->output, session->sock));
}

void session_reply_fds(struct session *session, const struct wire_reply *reply, const int *fds,
		       size_t n_fds)
{
	uint8_t buf[LIMIT_MESSAGE];
	int size;

	if (session->ended)
		return;
	size = wire_reply_encode(reply, buf);
	if (size < 0) {
		session_status(session, reply->id, WIRE_INTERNAL,
			       "the reply does not fit in a message");
		return;
	}
	log_debug(LOG_WIRE, "client %llu: reply %llu code %d%s%s", (unsigned long long)session->id,
		  (unsigned long long)reply->id, (int)reply->status.code,
		  reply->status.message[0] ? ": " : "", reply->status.message);
	put(session, buf, size, fds, n_fds);
}

void session_reply(struct session *session, const struct wire_reply *reply)
{
	session_reply_fds(session, reply, NULL, 0);
}

void session_status(struct session *session, uint64_t id, enum wire_code code, const char *text)
{
	struct wire_reply reply;

	reply.id = id;
	reply.kind = WIRE_REP_NONE;
	reply.status.code = code;
	snprintf(reply.status.message, sizeof(reply.status.message), "%s", text);
	session_reply(session, &reply);
}

void session_event_fds(struct session *session, const struct wire_event *event, const int *fds,
		       size_t n_fds)
{
	uint8_t buf[LIMIT_MESSAGE];
	int size;

	if (session->ended)
		return;
	size = wire_event_encode(event, buf);
	if (size < 0)
		return;
	log_debug(LOG_WIRE, "client %llu: event %s", (unsigned long long)session->id,
		  event_name(event->kind));
	put(session, buf, size, fds, n_fds);
}

void session_event(struct session *session, const struct wire_event *event)
{
	session_event_fds(session, event, NULL, 0);
}

void session_pause(struct session *session)
{
	session->paused = true;
	if (!session->ended)
		watch_socket(session, session->writable);
}

void session_resume(struct session *session)
{
	session->paused = false;
	if (!session->ended)
		watch_socket(session, session->writable);
}

bool session_congested(const struct session *session)
{
	return session->output.bytes > LIMIT_OUTPUT / 2;
}

/* ---- input --------------------------------------------------------------------------------------- */

static void on_message(struct session *session, const uint8_t *data, size_t size)
{
	struct wire_request request;

	if (wire_request_decode(data, size, &request) < 0) {
		session_end(session, WIRE_INVALID, "not a ptirq.v1 request");
		return;
	}
	log_debug(LOG_WIRE, "client %llu: request %llu %s", (unsigned long long)session->id,
		  (unsigned long long)request.id, request_name(request.kind));
	if (request.kind == WIRE_REQ_UNKNOWN)
		session_status(
			session, request.id, WIRE_UNSUPPORTED,
			"this broker does not know the request: it is older than its client");
	else if (request.kind == WIRE_REQ_HELLO)
		session_hello(session, request.id, &request.hello);
	else if (!session->greeted)
		session_status(session, request.id, WIRE_INVALID,
			       "the first request must be Hello");
	else
		session->all->ops->request(session->all->user, session, &request);
}

void session_take_message(struct session *session)
{
	uint8_t buf[LIMIT_MESSAGE];
	int size;

	if (session->ended || session->paused)
		return;
	session->all->budget--;
	size = channel_recv(session->sock, buf);
	if (size == -EAGAIN)
		return;
	if (size > 0) {
		on_message(session, buf, size);
		return;
	}
	if (size == -EBADMSG)
		session_end(session, WIRE_INVALID,
			    "a packet must be 1 to 4096 bytes and carry no file descriptors");
	else
		session_end(session, WIRE_OK, size == 0 ? "closed" : strerror(-size));
}

/*
 * One message a callback: the poll is level-triggered, so what is left comes in the next turn, after
 * everybody else's turn. The budget is all clients' together; who finds it spent is the first in the next.
 */
static void on_socket(uv_poll_t *handle, int status, int events)
{
	struct session *session = handle->data;

	if (session->ended)
		return;
	if (events & UV_WRITABLE)
		output_wait(session, output_flush(&session->output, session->sock));
	if (session->ended || !(events & ~UV_WRITABLE || status < 0))
		return;
	/* Paused, and the client has gone: its requests are void with it. */
	if (session->paused)
		session_end(session, WIRE_OK, "closed");
	else if (session->all->budget)
		session_take_message(session);
	else
		sessions_wait(session);
}

/* The process is gone, though somebody may have inherited its socket (T21). */
static void on_peer_exit(uv_poll_t *handle, int status, int events)
{
	(void)status;
	(void)events;
	session_end(handle->data, WIRE_GONE, "the process that connected has ended");
}

static void on_hello_timeout(uv_timer_t *timer)
{
	session_end(timer->data, WIRE_INVALID, "no Hello within 2 s");
}

static void on_acks(void *user, bool abused)
{
	struct session *session = user;

	if (session->ended)
		return;
	if (abused) {
		session_end(session, WIRE_INVALID, "evicted: its ack eventfd was overflowed");
		return;
	}
	if (session->acks_pending)
		return;
	session->acks_pending = true;
	session->next_acks = session->all->acks;
	session->all->acks = session;
}

int session_watch_acks(struct session *session)
{
	int r = edge_poll_start(&session->ack_poll, session->all->loop, session->pages.acks,
				on_acks, session);

	if (r == 0)
		session->handles++;
	return r;
}

/* ---- life ---------------------------------------------------------------------------------------- */

static int peer_pidfd(int sock, const struct peer *peer)
{
	socklen_t size = sizeof(int);
	int fd;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERPIDFD, &fd, &size) == 0)
		return fd;
	/* Older than 6.5: a reused pid is possible, so it is used to notice a death, no more (T22). */
	if (peer->pid <= 0)
		return -1;
	return syscall(SYS_pidfd_open, peer->pid, 0);
}

static void release(struct session *session)
{
	quota_release(&session->all->quota, session->peer.uid, QUOTA_CLIENTS, 1);
	peer_deinit(&session->peer);
	output_deinit(&session->output);
	pages_deinit(&session->pages);
	if (session->pidfd >= 0)
		close(session->pidfd);
	if (session->sock >= 0)
		close(session->sock);
	session->pidfd = session->sock = -1;
}

static void on_closed(struct session *session)
{
	if (--session->handles)
		return;
	session->all->closing--;
	free(session->owner);
	free(session);
}

static void on_handle_closed(uv_handle_t *handle)
{
	on_closed(handle->data);
}

static void on_edge_closed(void *user)
{
	on_closed(user);
}

/* The last word to somebody who will not become a client. */
static void refuse(int sock, enum wire_code code, const char *text)
{
	struct wire_event event = {.kind = WIRE_EV_EVICTED};
	uint8_t buf[LIMIT_MESSAGE];
	int size;

	event.evicted.reason.code = code;
	snprintf(event.evicted.reason.message, sizeof(event.evicted.reason.message), "%s", text);
	size = wire_event_encode(&event, buf);
	if (size > 0)
		channel_send(sock, buf, size, NULL, 0);
}

static int admit(struct sessions *sessions, int sock, struct peer *peer)
{
	char text[LIMIT_TEXT];
	int r = peer_init(peer, sock);

	if (r < 0)
		return r;
	r = quota_charge(&sessions->quota, peer->uid, QUOTA_CLIENTS, 1);
	if (r == 0)
		return 0;
	if (r == -EDQUOT)
		snprintf(text, sizeof(text), "uid %u already has %u connections, its limit",
			 peer->uid, LIMIT_CLIENTS_PER_UID);
	else
		snprintf(text, sizeof(text),
			 "the broker has no room for another client (max-clients)");
	refuse(sock, WIRE_LIMIT, text);
	peer_deinit(peer);
	return r;
}

int session_new(struct sessions *sessions, int sock)
{
	int sndbuf = LIMIT_OUTPUT / 2; /* the kernel doubles it */
	struct session *session;
	bool watched = true;
	struct peer peer;
	int r;

	r = admit(sessions, sock, &peer);
	if (r < 0) {
		close(sock);
		return r;
	}
	session = calloc(1, sizeof(*session));
	if (!session) {
		quota_release(&sessions->quota, peer.uid, QUOTA_CLIENTS, 1);
		peer_deinit(&peer);
		close(sock);
		return -ENOMEM;
	}
	session->all = sessions;
	session->id = ++sessions->next_id;
	session->peer = peer;
	session->sock = sock;
	session->pidfd = peer_pidfd(sock, &session->peer);
	session->ack_poll.fd = -1;
	output_init(&session->output);
	pages_init(&session->pages);
	setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));

	r = uv_poll_init(sessions->loop, &session->socket_poll, sock);
	if (r < 0) {
		release(session);
		free(session);
		return r;
	}
	uv_timer_init(sessions->loop, &session->timer);
	session->handles = 2;
	session->socket_poll.data = session->pid_poll.data = session->timer.data = session;
	if (session->pidfd >= 0 &&
	    uv_poll_init(sessions->loop, &session->pid_poll, session->pidfd) == 0) {
		session->handles++;
		watched = fd_watch(&session->pid_poll, UV_READABLE, on_peer_exit) == 0;
	} else if (session->pidfd >= 0) {
		close(session->pidfd);
		session->pidfd = -1;
	}
	session->next = sessions->head;
	if (session->next)
		session->next->prev = session;
	sessions->head = session;
	if (!watched)
		session_end(session, WIRE_LIMIT, no_watch);
	watch_socket(session, false);
	uv_timer_start(&session->timer, on_hello_timeout, SESSION_HELLO_MS, 0);
	return 0;
}

void session_end(struct session *session, enum wire_code code, const char *text)
{
	struct sessions *all = session->all;

	if (session->ended)
		return;
	session->ended = true;
	session->next_ended = all->ended;
	all->ended = session;
	if (code == WIRE_OK)
		return;
	log_info(&(struct log_about){.client = session->id}, "client %llu (%s, pid %d, uid %u): %s",
		 (unsigned long long)session->id, session->name, session->peer.pid,
		 session->peer.uid, text);
	/* Past what waits in the queue, which will never be sent. */
	refuse(session->sock, code, text);
}

static void tear_down(struct session *session)
{
	struct sessions *all = session->all;

	all->ops->closed(all->user, session);
	sessions_wait_no_more(session);
	if (session->prev)
		session->prev->next = session->next;
	else
		all->head = session->next;
	if (session->next)
		session->next->prev = session->prev;
	all->closing++;
	uv_close((uv_handle_t *)&session->socket_poll, on_handle_closed);
	uv_close((uv_handle_t *)&session->timer, on_handle_closed);
	if (session->pidfd >= 0)
		uv_close((uv_handle_t *)&session->pid_poll, on_handle_closed);
	if (session->ack_poll.fd >= 0)
		edge_poll_stop(&session->ack_poll, on_edge_closed);
	release(session);
	if (all->room)
		all->room(all->room_user);
}

void sessions_reap(struct sessions *sessions, uint32_t most)
{
	struct session *session;

	while (most-- && (session = sessions->ended)) {
		sessions->ended = session->next_ended;
		tear_down(session);
	}
}
