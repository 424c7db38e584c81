// SPDX-License-Identifier: MIT
/*
 * The connection's life: connect, greet, subscribe again, lose, back off. Owns the socket, the two
 * eventfds, the timer and the epoll fd that holds them. Must not block but in link_step(), and not know
 * what an interrupt is.
 */
#include "client-lib/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <utlist.h>

/* What an epoll event is about: one of these, or a subscription, whose own wake eventfd it is. */
enum { TAG_SOCK, TAG_WAKE, TAG_TIMER, N_TAGS };
static char tag[N_TAGS];

/* Taken at once; the others come with the next look. */
#define EVENTS_PER_STEP 8

/* Messages read in one step: a broker that talks without end does not keep a caller from its time-out. */
#define MESSAGES_PER_STEP 64

static int watch_fd(struct ptirq *ptirq, int fd, uint32_t events, void *what)
{
	struct epoll_event event = {.events = events, .data.ptr = what};

	return epoll_ctl(ptirq->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* A forked child may hold a copy, and a closed fd then stays in the set: take it out first. */
static void unwatch_and_close(struct ptirq *ptirq, int *fd)
{
	if (*fd >= 0 && *ptirq->owner)
		epoll_ctl(ptirq->epoll, EPOLL_CTL_DEL, *fd, NULL);
	close_fd(fd);
}

int link_watch(struct ptirq *ptirq, struct ptirq_sub *sub)
{
	int r = watch_fd(ptirq, sub->wake, EPOLLIN | EPOLLET, sub);

	if (r == 0)
		ptirq->wakes++;
	return r;
}

void link_unwatch(struct ptirq *ptirq, struct ptirq_sub *sub)
{
	if (sub->wake >= 0)
		ptirq->wakes--;
	unwatch_and_close(ptirq, &sub->wake);
}

/* 0: off. */
static void set_timer(struct ptirq *ptirq, unsigned int ms)
{
	struct itimerspec spec = {
		.it_value = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000},
	};

	timerfd_settime(ptirq->timer, 0, &spec, NULL);
}

int link_init(struct ptirq *ptirq)
{
	int r;

	ptirq->sock = ptirq->wake = ptirq->ack = ptirq->timer = -1;
	ptirq->backoff_ms = BACKOFF_MIN_MS;
	ptirq->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (ptirq->epoll >= 0)
		ptirq->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (ptirq->timer < 0)
		return fail(ptirq, -errno, "no more file descriptors: %s", strerror(errno));
	r = watch_fd(ptirq, ptirq->timer, EPOLLIN, &tag[TAG_TIMER]);
	return r < 0 ? fail(ptirq, r, "epoll: %s", strerror(-r)) : 0;
}

static void drop(struct ptirq *ptirq)
{
	struct ptirq_sub *sub;

	/* A copy in a forked child must not keep the broker waiting for the end. */
	if (ptirq->sock >= 0 && *ptirq->owner)
		shutdown(ptirq->sock, SHUT_RDWR);
	unwatch_and_close(ptirq, &ptirq->sock);
	unwatch_and_close(ptirq, &ptirq->wake);
	close_fd(&ptirq->ack);
	pages_unmap(ptirq);
	DL_FOREACH (ptirq->subs, sub)
		sub_unbind(sub);
	ptirq->kicked = false;
	ptirq->ring_due = false;
	ptirq->greeting = 0;
	ptirq->subscribing = NULL;
	ptirq->farewell = 0;
	ptirq->link = LINK_DOWN;
}

void link_deinit(struct ptirq *ptirq)
{
	drop(ptirq);
	close_fd(&ptirq->timer);
	close_fd(&ptirq->epoll);
}

void link_lost(struct ptirq *ptirq, int err)
{
	drop(ptirq);
	ptirq->lost_by = err;
	/*
	 * A restarting broker's socket may be absent or closed to us for a moment; permissions that
	 * stay so for the whole of the back-off are meant.
	 */
	if (err == -EACCES && ptirq->backoff_ms >= BACKOFF_MAX_MS) {
		link_dead(ptirq, err);
		return;
	}
	set_timer(ptirq, ptirq->backoff_ms);
	ptirq->backoff_ms *= 2;
	if (ptirq->backoff_ms > BACKOFF_MAX_MS)
		ptirq->backoff_ms = BACKOFF_MAX_MS;
	ask_aborted(ptirq, err);
}

void link_dead(struct ptirq *ptirq, int err)
{
	drop(ptirq);
	set_timer(ptirq, 0);
	ptirq->dead = err;
	ask_aborted(ptirq, err);
}

static int explain_connect(struct ptirq *ptirq, int err)
{
	const char *path = ptirq->path;

	switch (-err) {
	case ENOENT:
		return fail(ptirq, err,
			    "there is no broker at %s: start ptirq-broker, or name its socket in "
			    "PTIRQ_SOCKET",
			    path);
	case ECONNREFUSED:
		return fail(ptirq, err, "no broker listens at %s: start ptirq-broker again", path);
	case EACCES:
		return fail(
			ptirq, err,
			"no permission to connect to %s: ask for access, or see socket-mode= in "
			"ptirq.conf(5)",
			path);
	default: return fail(ptirq, err, "cannot connect to %s: %s", path, strerror(-err));
	}
}

static void greet(struct ptirq *ptirq)
{
	struct wire_request request = {
		.kind = WIRE_REQ_HELLO,
		.hello =
			{
				.version_min = WIRE_VERSION,
				.version_max = WIRE_VERSION,
				.features = WIRE_FEATURE_PAGES | WIRE_FEATURE_OWN_EVENTFDS,
			},
	};

	snprintf(request.hello.name, sizeof(request.hello.name), "%s",
		 program_invocation_short_name);
	ptirq->link = LINK_GREETING;
	set_timer(ptirq, ANSWER_MS);
	if (link_send(ptirq, &request) == 0)
		ptirq->greeting = request.id;
}

void link_start(struct ptirq *ptirq)
{
	int r = channel_connect(ptirq->path, &ptirq->sock);

	if (r == 0)
		r = watch_fd(ptirq, ptirq->sock, EPOLLIN, &tag[TAG_SOCK]);
	if (r < 0) {
		link_lost(ptirq, explain_connect(ptirq, r));
		return;
	}
	greet(ptirq);
}

int link_send(struct ptirq *ptirq, struct wire_request *request)
{
	uint8_t buf[LIMIT_MESSAGE];
	int n, r;

	/* Nobody waits for the answer to an Ack. */
	request->id = request->kind == WIRE_REQ_ACK ? 0 : ++ptirq->last_id;
	n = wire_request_encode(request, buf);
	r = n < 0 ? n : channel_send(ptirq->sock, buf, (size_t)n, NULL, 0);
	/*
	 * -EAGAIN: hundreds of requests that the broker has not looked at. Starting anew loses
	 * nothing, since what asserts is delivered again.
	 */
	if (r < 0)
		link_lost(ptirq,
			  fail(ptirq, r, "the connection to the broker broke: %s", strerror(-r)));
	return r;
}

/* ---- greeting and subscribing again ---- */

static void up(struct ptirq *ptirq)
{
	struct wire_request request;

	ptirq->link = LINK_UP;
	ptirq->lost_by = 0;
	ptirq->backoff_ms = BACKOFF_MIN_MS;
	set_timer(ptirq, 0);
	if (ptirq->watch.record) {
		watch_request(ptirq, &request);
		link_send(ptirq, &request);
	}
}

/* In the order in which they were made, one at a time: the replies carry fds (T4). */
static void subscribe_next(struct ptirq *ptirq)
{
	struct wire_request request = {.kind = WIRE_REQ_SUBSCRIBE};
	struct ptirq_sub *sub = ptirq->subs;

	while (sub && (sub->id || sub->evicted))
		sub = sub->next;
	if (!sub) {
		up(ptirq);
		return;
	}
	ptirq->subscribing = sub;
	request.subscribe = sub->request;
	set_timer(ptirq, ANSWER_MS);
	if (link_send(ptirq, &request) == 0)
		ptirq->greeting = request.id;
}

void link_greeted(struct ptirq *ptirq)
{
	if (ptirq->link != LINK_GREETING || ptirq->wake < 0 || !ptirq->epoch)
		return;
	ptirq->link = LINK_SUBSCRIBING;
	subscribe_next(ptirq);
}

static void hello_reply(struct ptirq *ptirq, const struct wire_reply *reply, int *fds)
{
	int r = status_errno(ptirq, &reply->status);

	if (r == -EPROTONOSUPPORT) {
		link_dead(ptirq, r);
		return;
	}
	if (r < 0) {
		link_lost(ptirq, r);
		return;
	}
	if (reply->kind != WIRE_REP_HELLO || !(reply->hello.features & WIRE_FEATURE_PAGES) ||
	    fds[0] < 0 || fds[1] < 0) {
		link_dead(ptirq,
			  fail(ptirq, -EPROTO,
			       "the broker offers no shared pages, which this library needs"));
		return;
	}
	ptirq->wake = fds[0];
	ptirq->ack = fds[1];
	fds[0] = fds[1] = -1;
	r = watch_fd(ptirq, ptirq->wake, EPOLLIN | EPOLLET, &tag[TAG_WAKE]);
	if (r < 0)
		link_lost(ptirq, fail(ptirq, r, "epoll: %s", strerror(-r)));
	else
		link_greeted(ptirq);
}

static void subscribe_reply(struct ptirq *ptirq, const struct wire_reply *reply, int *fds)
{
	struct ptirq_sub *sub = ptirq->subscribing;
	struct wire_request park = {.kind = WIRE_REQ_PARK};
	int r;

	/* Refused now, though not before: a line that the configuration no longer has, a right that
	 * was taken away. To its owner that is an eviction, and the others go on. */
	if (reply->status.code != WIRE_OK) {
		sub_evict(sub, &reply->status);
	} else {
		r = sub_bind(sub, reply, fds);
		if (r < 0) {
			link_dead(ptirq, r);
			return;
		}
		park.park.subscription = sub->id;
		if (sub->parked && link_send(ptirq, &park) < 0)
			return;
	}
	subscribe_next(ptirq);
}

/* ---- what has come ---- */

/* True if a caller has waited for it, and has to see it before what follows is read. */
static bool reply_apply(struct ptirq *ptirq, const struct wire_reply *reply, int *fds)
{
	/* Any other is an Ack's, which nobody waits for. */
	if (reply->id != ptirq->greeting || !reply->id)
		return ask_answered(ptirq, reply, fds);
	ptirq->greeting = 0;
	if (ptirq->link == LINK_GREETING)
		hello_reply(ptirq, reply, fds);
	else
		subscribe_reply(ptirq, reply, fds);
	return false;
}

/* The next packet, if there is one; with @wait, when there is one. 0, -EAGAIN, -EINTR, or the link is lost. */
static int receive_one(struct ptirq *ptirq, bool wait, bool *answered)
{
	struct wire_from_broker *message = &ptirq->message;
	uint8_t buf[LIMIT_MESSAGE];
	int fds[LIMIT_MESSAGE_FDS];
	int n = channel_recv_fds(ptirq->sock, wait, buf, fds);

	if (n == -EAGAIN || n == -EINTR)
		return n;
	if (n == 0) {
		if (!ptirq->farewell)
			ptirq->farewell =
				fail(ptirq, -ECONNRESET, "the broker has closed the connection");
		link_lost(ptirq, ptirq->farewell);
		return 0;
	}
	/* -EBADMSG too: this process may have run out of fds for those that came along. */
	if (n < 0) {
		link_lost(ptirq, fail(ptirq, n, "receiving from the broker: %s", strerror(-n)));
		return 0;
	}
	if (wire_from_broker_decode(buf, (size_t)n, message) < 0)
		link_dead(ptirq,
			  fail(ptirq, -EPROTO, "the broker sent what is no message of ptirq.v1"));
	else if (message->is_event)
		event_apply(ptirq, &message->event, fds);
	else
		*answered = reply_apply(ptirq, &message->reply, fds);
	for (int f = 0; f < LIMIT_MESSAGE_FDS; f++)
		close_fd(&fds[f]);
	return 0;
}

static void receive(struct ptirq *ptirq)
{
	bool answered = false;

	for (int i = 0; i < MESSAGES_PER_STEP && ptirq->sock >= 0 && !answered; i++)
		if (receive_one(ptirq, false, &answered) < 0)
			return;
}

/*
 * Nothing can come but by the socket: the link is up, so the timer is off, and there is no slot whose
 * news a wake eventfd would tell of. Then the socket itself is waited in, which saves two of four
 * system calls for each interrupt by message.
 */
static bool only_socket(const struct ptirq *ptirq)
{
	return ptirq->link == LINK_UP && !ptirq->slots && !ptirq->wakes;
}

static void timer_expired(struct ptirq *ptirq)
{
	uint64_t times;

	if (read(ptirq->timer, &times, sizeof(times)) < 0)
		return;
	if (ptirq->link == LINK_DOWN)
		link_start(ptirq);
	else if (ptirq->link != LINK_UP)
		link_lost(ptirq,
			  fail(ptirq, -ETIMEDOUT,
			       "the broker at %s does not answer: it may be stopped or overloaded",
			       ptirq->path));
}

int link_step(struct ptirq *ptirq, int timeout_ms)
{
	struct epoll_event events[EVENTS_PER_STEP];
	bool answered;
	int n;

	/* A handler that waits for something: not with the others' verdicts in hand. */
	ring(ptirq);
	if (timeout_ms < 0 && only_socket(ptirq))
		return receive_one(ptirq, true, &answered);
	n = epoll_wait(ptirq->epoll, events, EVENTS_PER_STEP, timeout_ms);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		void *what = events[i].data.ptr;

		if (what == &tag[TAG_WAKE])
			ptirq->kicked = false; /* what for is in the page */
		else if (what == &tag[TAG_SOCK])
			receive(ptirq);
		else if (what == &tag[TAG_TIMER])
			timer_expired(ptirq);
		else
			woken(what);
	}
	return 0;
}
