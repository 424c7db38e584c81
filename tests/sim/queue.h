/* SPDX-License-Identifier: MIT */
/* What is still to happen, by virtual time; ties are broken by a number drawn from the seed. */
#ifndef PTIRQ_SIM_QUEUE_H
#define PTIRQ_SIM_QUEUE_H

#include "broker/arb/arb.h"

enum item_kind {
	ITEM_TIMER,   /* event is the TIMER event; gen is the slot's generation */
	ITEM_EVENT,   /* event goes to the core as it is: the answer to an action */
	ITEM_VERDICT, /* event; sub; gen is the client's life */
	ITEM_END,     /* sub; event.kind: a client leaves, dies or parks upon an ask */
	ITEM_FIRED,   /* unit: the source tells the executor; gen is the source's life */
	ITEM_LEVEL,   /* event: the answer to SAMPLE_LEVEL; gen is the source's life */
	ITEM_SERVE, /* sub, unit, round: a client gets round to an ask; gen is the client's life */
	ITEM_NOTIFIED, /* sub, unit: a client was woken by the source itself (A11) */
	ITEM_HOLDER,   /* sub, unit: the holder of a direct unit serves and unmasks (A11) */
	ITEM_ASSERT,   /* device, fn: one function of a device raises its status */
	ITEM_CLEAR,    /* device, fn: and lowers it by itself: nobody owns it */
	ITEM_CHAOS,    /* something happens to the line */
	ITEM_RETURN,   /* unit or ARB_MAX_UNITS for the line: a source comes back */
	ITEM_REJOIN,   /* sub */
	ITEM_UNPARK,   /* sub */
};

struct item {
	uint64_t time;
	uint32_t tie;
	uint32_t gen;
	uint32_t round;
	uint8_t kind; /* enum item_kind */
	uint8_t unit;
	uint8_t sub;
	uint8_t device;
	uint8_t fn;
	struct arb_event event;
};

struct queue {
	struct item *heap;
	uint32_t n;
	uint32_t capacity;
};

void queue_init(struct queue *queue);
void queue_deinit(struct queue *queue);
void queue_clear(struct queue *queue);
void queue_push(struct queue *queue, const struct item *item);
bool queue_pop(struct queue *queue, struct item *ret_item);

#endif
