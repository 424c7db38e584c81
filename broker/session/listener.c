// SPDX-License-Identifier: MIT
/*
 * Owns one listening socket. Must not know what a client is, but for session_new().
 */
#include "broker/session/listener.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/fd_watch.h"
#include "broker/log.h"
#include "broker/session/session.h"

/* New clients cost far more than messages; the hot path is not to wait for many of them. */
#define ACCEPTS_PER_TURN 2
/* Out of fds or memory: somebody may free some without our noticing. */
#define PAUSE_MS 100

struct listener {
	struct sessions *sessions;
	int fd;
	bool paused;
	int handles;
	uv_poll_t poll;
	uv_timer_t timer;
};

static void on_connection(uv_poll_t *handle, int status, int events);
static void on_pause_end(uv_timer_t *timer);

static void resume(struct listener *listener)
{
	if (!listener->paused || quota_full(&listener->sessions->quota))
		return;
	if (fd_watch(&listener->poll, UV_READABLE, on_connection) < 0) {
		uv_timer_start(&listener->timer, on_pause_end, PAUSE_MS, 0);
		return;
	}
	listener->paused = false;
	uv_timer_stop(&listener->timer);
}

static void on_pause_end(uv_timer_t *timer)
{
	resume(timer->data);
}

static void on_room(void *user)
{
	resume(user);
}

static void pause_accepting(struct listener *listener, bool retry)
{
	listener->paused = true;
	uv_poll_stop(&listener->poll);
	if (retry)
		uv_timer_start(&listener->timer, on_pause_end, PAUSE_MS, 0);
}

/*
 * Errors of accept() that are about the one who connects (ECONNABORTED, and what Linux passes on of
 * the network's) mean the next one may succeed; those about us mean a pause, and none is fatal.
 */
static void on_connection(uv_poll_t *handle, int status, int events)
{
	struct listener *listener = handle->data;

	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd;

		if (quota_full(&listener->sessions->quota)) {
			pause_accepting(listener, false);
			return;
		}
		fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0 &&
		    (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
			log_warn(NULL, "no new clients for now: accept: %s", strerror(errno));
			pause_accepting(listener, true);
			return;
		}
		if (fd < 0)
			return;
		session_new(listener->sessions, fd);
	}
}

int listener_start(struct sessions *sessions, int fd, struct listener **ret)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	int r;

	if (!listener)
		return -ENOMEM;
	listener->sessions = sessions;
	listener->fd = fd;
	r = uv_poll_init(sessions->loop, &listener->poll, fd);
	if (r < 0) {
		free(listener);
		return r;
	}
	uv_timer_init(sessions->loop, &listener->timer);
	listener->handles = 2;
	listener->poll.data = listener->timer.data = listener;
	listener->paused = true;
	resume(listener);
	sessions->room = on_room;
	sessions->room_user = listener;
	*ret = listener;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct listener *listener = handle->data;

	if (--listener->handles == 0)
		free(listener);
}

void listener_stop(struct listener *listener)
{
	if (!listener)
		return;
	listener->sessions->room = NULL;
	uv_close((uv_handle_t *)&listener->poll, on_closed);
	uv_close((uv_handle_t *)&listener->timer, on_closed);
	close(listener->fd);
	listener->fd = -1;
}
