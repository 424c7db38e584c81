/* SPDX-License-Identifier: MIT */
/*
 * Owns the broker's end of the opener: the queue of requests and who waits for which reply. Must not
 * open anything, and must not wait once it belongs to a loop.
 *
 * One request is under way at a time; the others wait here, so the socket never fills.
 */
#include "broker/opener.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "broker/fd_watch.h"
#include "broker/log.h"
#include "broker/opener_child.h"
#include "broker/systemd.h"

#define CALL_TIMEOUT_MS  10000
#define LEAVE_TIMEOUT_MS 1000

#define HAS_ENDED                                                                       \
	"the opener process has ended: what is armed is served, but nothing is opened " \
	"any more, nor the configuration read; restart the broker"

struct ask {
	struct ask *next;
	struct opener_request request;
	void (*done)(void *user, const struct opener_reply *reply, int fd); /* NULL: cancelled */
	void *user;
};

struct opener {
	int socket;
	pid_t child;
	bool dead;
	struct ask *first, **last; /* the first is under way if @sent */
	bool sent;
	uint8_t handles; /* not closed yet */
	uv_poll_t poll;
	uv_idle_t idle; /* tells -EPIPE from the loop */
};

int opener_start_at(const char *path, const char *root, struct opener **ret)
{
	struct opener *opener = calloc(1, sizeof(*opener));
	pid_t broker = getpid();
	int pair[2], error;

	if (!opener)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		error = -errno;
		free(opener);
		return error;
	}
	opener->child = fork();
	if (opener->child < 0) {
		error = -errno;
		close(pair[0]);
		close(pair[1]);
		free(opener);
		return error;
	}
	if (opener->child == 0) {
		/* Nothing of the broker's (a listening socket, its notify socket) lives on here. */
		dup2(pair[1], 3);
		close_range(4, ~0u, 0);
		fcntl(3, F_SETFD, FD_CLOEXEC);
		opener_child(3, path, root, broker);
	}
	close(pair[1]);
	opener->socket = pair[0];
	opener->last = &opener->first;
	*ret = opener;
	return 0;
}

int opener_start(const char *path, struct opener **ret)
{
	return opener_start_at(path, "", ret);
}

/* 1: a reply; 0: none yet; -EPIPE: the child is gone. */
static int receive(struct opener *opener, struct opener_reply *ret_reply, int *ret_fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec data = {ret_reply, sizeof(*ret_reply)};
	struct msghdr message = {.msg_iov = &data,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	const struct cmsghdr *header;
	ssize_t length = recvmsg(opener->socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (length != (ssize_t)sizeof(*ret_reply))
		return -EPIPE;
	header = CMSG_FIRSTHDR(&message);
	*ret_fd = -1;
	if (header && header->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(header), sizeof(*ret_fd));
	return 1;
}

int opener_call(struct opener *opener, const struct opener_request *request,
		struct opener_reply *ret_reply, int *ret_fd)
{
	struct pollfd poll_fd = {.fd = opener->socket, .events = POLLIN};
	struct opener_reply *reply = calloc(1, sizeof(*reply));
	int fd = -1, result = 0;

	if (!reply)
		return -ENOMEM;
	if (send(opener->socket, request, sizeof(*request), MSG_NOSIGNAL) < 0)
		result = -EPIPE;
	while (!result) {
		int n = poll(&poll_fd, 1, CALL_TIMEOUT_MS);

		result = n < 0 && errno != EINTR ? -errno
			 : n == 0                ? -ETIMEDOUT
						 : receive(opener, reply, &fd);
	}
	if (result > 0) {
		*ret_reply = *reply;
		*ret_fd = fd;
		result = reply->error;
	} else {
		*ret_fd = -1;
		*ret_reply = (struct opener_reply){.error = result};
		snprintf(ret_reply->text, sizeof(ret_reply->text), "%s",
			 result == -ETIMEDOUT ? "the opener process does not answer" : HAS_ENDED);
	}
	free(reply);
	return result;
}

/* ---- from the loop ----------------------------------------------------------------------------- */

/* Takes the first off the queue and tells it. @fd becomes the asker's, or is closed. */
static void tell_first(struct opener *opener, const struct opener_reply *reply, int fd)
{
	struct ask *ask = opener->first;

	opener->first = ask->next;
	if (!opener->first)
		opener->last = &opener->first;
	opener->sent = false;
	if (ask->done)
		ask->done(ask->user, reply, fd);
	else if (fd >= 0)
		close(fd);
	free(ask);
}

static void on_idle(uv_idle_t *idle)
{
	static const struct opener_reply dead = {.error = -EPIPE, .text = HAS_ENDED};
	struct opener *opener = idle->data;

	if (opener->first)
		tell_first(opener, &dead, -1);
	if (!opener->first)
		uv_idle_stop(idle);
}

/*
 * There is no second one: this process has not the rights to make it. What is armed is served on, so
 * the end of it would be worse than to go on without.
 */
static void died(struct opener *opener)
{
	opener->dead = true;
	log_error(NULL, HAS_ENDED);
	systemd_notify("STATUS=" HAS_ENDED);
	uv_poll_stop(&opener->poll);
	if (opener->first)
		uv_idle_start(&opener->idle, on_idle);
}

static void send_first(struct opener *opener)
{
	if (!opener->first || opener->sent || opener->dead)
		return;
	/* The socket is empty: this cannot block, only fail for good. */
	if (send(opener->socket, &opener->first->request, sizeof(opener->first->request),
		 MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		died(opener);
	else
		opener->sent = true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct opener *opener = poll->data;
	struct opener_reply reply;
	int fd, got = status < 0 ? -EPIPE : receive(opener, &reply, &fd);

	(void)events;
	if (got == 0)
		return;
	if (got < 0 || !opener->sent) {
		if (got > 0 && fd >= 0)
			close(fd);
		died(opener);
		return;
	}
	tell_first(opener, &reply, fd);
	send_first(opener);
}

int opener_attach(struct opener *opener, struct uv_loop_s *loop)
{
	int error = uv_poll_init(loop, &opener->poll, opener->socket);

	if (error)
		return error;
	uv_idle_init(loop, &opener->idle);
	opener->poll.data = opener->idle.data = opener;
	opener->handles = 2;
	return fd_watch(&opener->poll, UV_READABLE, on_readable);
}

void opener_ask(struct opener *opener, const struct opener_request *request,
		void (*done)(void *user, const struct opener_reply *reply, int fd), void *user)
{
	struct ask *ask = calloc(1, sizeof(*ask));

	if (!ask) {
		static const struct opener_reply no_memory = {.error = -ENOMEM,
							      .text = "out of memory"};

		done(user, &no_memory, -1);
		return;
	}
	*ask = (struct ask){.request = *request, .done = done, .user = user};
	*opener->last = ask;
	opener->last = &ask->next;
	if (opener->dead)
		uv_idle_start(&opener->idle, on_idle);
	else
		send_first(opener);
}

void opener_cancel(struct opener *opener, void *user)
{
	for (struct ask **at = &opener->first; *at;) {
		struct ask *ask = *at;

		if (ask->user != user) {
			at = &ask->next;
		} else if (at == &opener->first && opener->sent) {
			ask->done = NULL; /* its reply is on its way */
			at = &ask->next;
		} else {
			*at = ask->next;
			free(ask);
		}
	}
	opener->last = &opener->first;
	while (*opener->last)
		opener->last = &(*opener->last)->next;
}

static void on_closed(uv_handle_t *handle)
{
	struct opener *opener = handle->data;

	if (--opener->handles == 0)
		free(opener);
}

const char *opener_problem(const struct opener *opener)
{
	return opener && opener->dead ? HAS_ENDED : "";
}

/*
 * It reads the end of the socket and leaves, which hangs up the other half, unless it hangs in a name
 * service or in sysfs. One that not even SIGKILL ends is left to init.
 */
static void reap(int sock, pid_t child)
{
	struct pollfd end = {.fd = sock}; /* POLLHUP */
	bool left;

	shutdown(sock, SHUT_WR);
	left = poll(&end, 1, LEAVE_TIMEOUT_MS) > 0;
	if (!left) {
		kill(child, SIGKILL);
		left = poll(&end, 1, LEAVE_TIMEOUT_MS) > 0;
	}
	waitpid(child, NULL, left ? 0 : WNOHANG);
}

void opener_free(struct opener *opener)
{
	if (!opener)
		return;
	while (opener->first) {
		struct ask *ask = opener->first;

		opener->first = ask->next;
		free(ask);
	}
	if (opener->handles) {
		uv_close((uv_handle_t *)&opener->poll, on_closed);
		uv_close((uv_handle_t *)&opener->idle, on_closed);
	}
	reap(opener->socket, opener->child);
	close(opener->socket);
	if (!opener->handles)
		free(opener);
}
