/* SPDX-License-Identifier: MIT */
/*
 * What the files of libptirq share. From the bottom:
 *
 *   ptirq.c         the handle: open, close, dispatch, what a fork means
 *   link.c          the connection's life: connect, greet, subscribe again, lose, back off
 *   request.c       one question, one answer
 *   event.c         what the broker says unasked: pages, interrupts as messages, evictions
 *   subscription.c  the subscriptions' lives and their settings
 *   delivery.c      the hot path: take, wait, ack
 *   device.c        lines and their devices
 *   admin.c         ptirq-admin.h
 *
 * Nothing here knows of threads: a handle is one thread's.
 */
#ifndef PTIRQ_LIB_INTERNAL_H
#define PTIRQ_LIB_INTERNAL_H

/* All else is hidden; the public headers stay free of attributes. */
#pragma GCC visibility push(default)
#include "ptirq-admin.h"
#include "ptirq.h"
#pragma GCC visibility pop

#include <stdarg.h>

#include "proto/channel.h"
#include "proto/limits.h"
#include "proto/page.h"
#include "proto/wire.h"

/* How long the broker may take to answer, and the steps of the reconnect's back-off. */
#define ANSWER_MS      2000
#define BACKOFF_MIN_MS 10
#define BACKOFF_MAX_MS 1000

/* Watch records kept until the next dispatch; more are counted as dropped. */
#define WATCH_BACKLOG 1024

enum link_state {
	LINK_DOWN,     /* no socket; the timer says when to try again */
	LINK_GREETING, /* Hello is sent; its reply and the first Epoch are to come, in any order */
	LINK_SUBSCRIBING, /* subscriptions of the life before are made again, one by one */
	LINK_UP,
};

struct ptirq {
	/* A page of one byte that a fork wipes: 0 in the child, without a system call to find out. */
	const volatile uint8_t *owner;
	char path[108];

	int epoll; /* never changes; holds what follows */
	int sock;
	int wake; /* written by the broker; edge-triggered, never read */
	int timer;
	int ack; /* written by the library; not in the epoll */

	enum link_state link;
	int dead;            /* -errno, once the connection is beyond repair */
	int lost_by;         /* -errno, why the link is down */
	int farewell;        /* -errno that the broker named before it closed, its sentence noted */
	unsigned backoff_ms; /* the next pause */
	uint64_t last_id;    /* of requests */
	uint64_t greeting;   /* id of the request that the link itself waits for */
	struct ptirq_sub *subscribing;

	struct page_irq *irq_page; /* NULL while down */
	struct page_ack *ack_page;
	size_t irq_size, ack_size;
	uint64_t epoch; /* 0 while down */

	/* The one question that a caller waits for. */
	struct {
		uint64_t id; /* 0: none, or answered */
		struct wire_reply *reply;
		int *fds;
		int result;
	} asked;

	struct ptirq_sub *subs;  /* in the order of subscribing */
	struct ptirq_sub *ready; /* those with news that nobody has taken, oldest first */
	struct ptirq_sub *by_slot[LIMIT_SLOTS];
	uint32_t slots;   /* of these, how many are somebody's */
	uint32_t wakes;   /* subscriptions whose own wake eventfd is in the epoll */
	uint64_t turn;    /* of dispatch */
	bool dispatching; /* a handler is running */
	bool ring_due;    /* verdicts are in the page, and the broker has not been told */
	bool kicked;      /* the epoll fd was made readable for what is left to dispatch */

	struct {
		void (*record)(const struct ptirq_watch_record *record, void *userdata);
		void *userdata;
		char line[LIMIT_NAME];
		struct watch_entry *first, *last;
		unsigned int n;
		uint64_t dropped;
	} watch;

	struct wire_from_broker message; /* the one being received */
	char error[LIMIT_TEXT];
};

struct ptirq_sub {
	struct ptirq *ptirq;
	struct ptirq_sub *prev, *next;
	struct ptirq_sub *ready_prev, *ready_next;

	struct wire_subscribe request; /* sent again after each reconnect */
	uint32_t id;                   /* the broker's; 0: not subscribed at the moment */
	uint32_t first_slot;
	uint32_t n_units;
	uint32_t pending; /* bit i: unit[i] has news; not 0: in the handle's ready list */
	uint32_t cursor;  /* the unit to look at first, so that none starves */
	struct {
		uint32_t id;
		uint32_t round; /* of the last interrupt that was taken; 0: none in this epoch */
		uint64_t count;
		bool taken; /* an interrupt, in this epoch, whether or not its round was known */
		struct ptirq_irq message; /* the latest that came by message */
	} unit[LIMIT_UNITS_PER_LINE];

	int wake, resample; /* own eventfds; -1 without */
	bool waits;         /* they are for the library to wait for, not for the caller (A11) */
	bool woken;         /* ... and the wake eventfd has been written since the last take */
	bool rebind;
	bool parked;
	bool evicted;
	char reason[LIMIT_TEXT]; /* of the eviction */

	enum ptirq_verdict (*handler)(struct ptirq_sub *sub, const struct ptirq_irq *irq,
				      void *userdata);
	void *handler_data;
	void *userdata;
	uint64_t turn; /* the dispatch that last ran its handler */
	uint64_t took; /* ns: how long that was */
};

/* ---- ptirq.c ---- */

/* Note the sentence for ptirq_error(); returns @err (negative), so that a caller can return it. */
int fail(struct ptirq *ptirq, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* 0, or -EPERM in a child of the process that opened the handle. */
int owner_check(struct ptirq *ptirq);

/* Make the epoll fd readable if something is left that only dispatch does. */
void kick(struct ptirq *ptirq);

uint64_t now_ms(void);
uint64_t now_ns(void);
void close_fd(int *fd);

/* ---- link.c ---- */

int link_init(struct ptirq *ptirq);
void link_deinit(struct ptirq *ptirq);
/* Connect and send the Hello; the rest comes by link_step(). A failure is a loss like any other. */
void link_start(struct ptirq *ptirq);
/* Wait at most @timeout_ms (-1: for ever) for anything, and apply what has come. 0 or -EINTR. */
int link_step(struct ptirq *ptirq, int timeout_ms);
/* Give the request its id and send it. A link that cannot is lost, and its -errno returned. */
int link_send(struct ptirq *ptirq, struct wire_request *request);
/* Wait for a subscription's own wake eventfd as well; 0 or -errno. Unwatch closes it. */
int link_watch(struct ptirq *ptirq, struct ptirq_sub *sub);
void link_unwatch(struct ptirq *ptirq, struct ptirq_sub *sub);
/* The connection is gone: everything of this life is dropped, the timer will try again. */
void link_lost(struct ptirq *ptirq, int err);
/* The same, for ever. The sentence is the caller's, by fail(). */
void link_dead(struct ptirq *ptirq, int err);
/* If the greeting is complete: on with the subscriptions. */
void link_greeted(struct ptirq *ptirq);

/* ---- request.c ---- */

/*
 * Ask, and wait for the answer. @kind is what the reply has to be. @ret_fds may be NULL; else those
 * not filled are -1, and all are the caller's on success. A request that has @again set is repeated
 * if the connection is lost meanwhile.
 */
struct question {
	struct wire_request request;
	enum wire_reply_kind kind;
	bool again;
	struct ptirq_sub *sub; /* unsubscribe, park, unpark: its id of the moment is put in */
};
int ask(struct ptirq *ptirq, struct question *question, struct wire_reply *ret_reply,
	int ret_fds[LIMIT_MESSAGE_FDS]);
/* A reply has come; is it the one that is waited for? Takes the fds it uses. */
bool ask_answered(struct ptirq *ptirq, const struct wire_reply *reply, int fds[LIMIT_MESSAGE_FDS]);
/* The connection is gone; whoever waits is told. */
void ask_aborted(struct ptirq *ptirq, int err);
/* The reply's status as -errno, and its sentence noted. */
int status_errno(struct ptirq *ptirq, const struct wire_status *status);
/* Copy a name from the caller; -EINVAL with a sentence ("line", "device") if there is none or it is
 * too long to be one. */
int name_copy(struct ptirq *ptirq, const char *what, const char *name, char ret[LIMIT_NAME]);

/* ---- event.c ---- */

void event_apply(struct ptirq *ptirq, const struct wire_event *event, int fds[LIMIT_MESSAGE_FDS]);
void pages_unmap(struct ptirq *ptirq);

/* ---- subscription.c ---- */

/* The broker has accepted: slots, units, eventfds. Takes the fds it uses. -EPROTO: it makes no sense. */
int sub_bind(struct ptirq_sub *sub, const struct wire_reply *reply, int fds[LIMIT_MESSAGE_FDS]);
/* The connection is gone. */
void sub_unbind(struct ptirq_sub *sub);
void sub_evict(struct ptirq_sub *sub, const struct wire_status *status);
void sub_free(struct ptirq_sub *sub);
struct ptirq_sub *sub_find(struct ptirq *ptirq, uint32_t id);
/* The index of the unit, or -ENOENT. */
int sub_unit(const struct ptirq_sub *sub, uint32_t unit);

/* ---- delivery.c ---- */

/* Unit @index of @sub has something to look at. */
void mark(struct ptirq_sub *sub, unsigned int index);
/* Its own wake eventfd was written. */
void woken(struct ptirq_sub *sub);
/* Nothing is pending any more. */
void unmark(struct ptirq_sub *sub);
/* Look at the page's news once. */
void news_take(struct ptirq *ptirq);
/* The next interrupt that is known of, or -EAGAIN. */
int take(struct ptirq_sub *sub, struct ptirq_irq *ret);
/* The page will be looked at before anybody sleeps; until rest(), which sees to it that it is. */
void awake(struct ptirq *ptirq);
void rest(struct ptirq *ptirq);
/* Tell the broker of the verdicts that it has not been told of. */
void ring(struct ptirq *ptirq);
bool verdict_valid(enum ptirq_verdict verdict);

/* ---- device.c ---- */

int grant(struct ptirq *ptirq, const char *line, const char *device, enum wire_grant_kind kind,
	  struct wire_reply *ret_reply, int ret_fds[LIMIT_MESSAGE_FDS]);
/* Map region @index of a grant's reply; borrows @fd. */
int region_map(struct ptirq *ptirq, const struct wire_reply *reply, unsigned int index, int fd,
	       struct ptirq_map *ret);

/* ---- admin.c ---- */

/* Keep a record until dispatch. */
void watch_queue(struct ptirq *ptirq, const struct wire_watch *watch);
/* Hand over what is kept. */
void watch_flush(struct ptirq *ptirq);
/* The request that makes the broker send records of @ptirq's watch. */
void watch_request(const struct ptirq *ptirq, struct wire_request *ret);
void watch_deinit(struct ptirq *ptirq);

#endif
