/* SPDX-License-Identifier: MIT */
/*
 * A broker of a few lines for libptirq's tests: a process of its own that greets, accepts every
 * subscription and otherwise does what it is told. It answers as if all were well unless told to
 * refuse or to be mute. Slots are given from 0 up; the epoch of the first life is 1.
 *
 * A function here returns when the fake has done it. After fake_asleep() the next one returns at
 * once, and is done when the test has gone to sleep: in epoll_wait(), that is.
 */
#ifndef PTIRQ_TESTS_FAKE_BROKER_H
#define PTIRQ_TESTS_FAKE_BROKER_H

#include "proto/page.h"
#include "proto/wire.h"

#define FAKE_LINES 6 /* ListLines has them on two pages: "line0" to "line5" */

struct fake;

struct fake *fake_new(void);
void fake_free(struct fake *fake);
const char *fake_path(const struct fake *fake);

/* The next request of that kind is refused, or never answered. */
void fake_refuse(struct fake *fake, enum wire_request_kind kind, enum wire_code code,
		 const char *message);
void fake_mute(struct fake *fake, enum wire_request_kind kind);
/* Before, or right after, the next reply: this event is sent. */
void fake_interject(struct fake *fake, const struct wire_event *event);
void fake_follow(struct fake *fake, const struct wire_event *event);
/* Subscriptions to come have @n units, numbered from 10. */
void fake_units(struct fake *fake, uint32_t n);
/* The next pages have a header of major 2. */
void fake_bad_pages(struct fake *fake);

void fake_asleep(struct fake *fake);
void fake_event(struct fake *fake, const struct wire_event *event);
/* New pages on the living connection. */
void fake_epoch(struct fake *fake);
void fake_hang_up(struct fake *fake);
void fake_listen(struct fake *fake, bool listen);
/* What is no message. */
void fake_garble(struct fake *fake);
void fake_kill_me(struct fake *fake, int signal);

/* Ask: store the slot, post the news, write the wake eventfd if that is needed. */
void fake_ask(struct fake *fake, uint32_t slot, uint32_t round, uint32_t flags);
/* Store the slot and post the news, but write nothing: the client has not taken the last ones. */
void fake_ask_silently(struct fake *fake, uint32_t slot, uint32_t round);
/* Store the slot, and that is all. */
void fake_show(struct fake *fake, uint32_t slot, uint32_t round, uint32_t flags);
/* The ack word of a slot whose news has been posted and is hereby taken; 0: there is no news. */
uint64_t fake_acked(struct fake *fake, uint32_t slot);
/* How often the ack eventfd has been written since the last question. */
unsigned int fake_ack_writes(struct fake *fake);
/* The latest subscription with eventfds of its own. */
void fake_own_wake(struct fake *fake);
unsigned int fake_own_resampled(struct fake *fake);
/* From now on the slot shows this path. */
void fake_take_path(struct fake *fake, uint32_t slot, enum page_path path);

/* Is there a client that has not hung up? */
bool fake_connected(struct fake *fake);
/* Requests of that kind so far, and the latest. */
unsigned int fake_count(struct fake *fake, enum wire_request_kind kind);
struct wire_request fake_last(struct fake *fake, enum wire_request_kind kind);

#endif
