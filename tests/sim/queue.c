/* SPDX-License-Identifier: MIT */
/* Owns the binary heap of things to come. Knows nothing of what they mean. */
#include "tests/sim/queue.h"

#include <stdlib.h>

static bool before(const struct item *a, const struct item *b)
{
	return a->time != b->time ? a->time < b->time : a->tie < b->tie;
}

void queue_init(struct queue *queue)
{
	*queue = (struct queue){0};
}

void queue_deinit(struct queue *queue)
{
	free(queue->heap);
	queue_init(queue);
}

void queue_clear(struct queue *queue)
{
	queue->n = 0;
}

void queue_push(struct queue *queue, const struct item *item)
{
	uint32_t at = queue->n++;

	if (queue->n > queue->capacity) {
		queue->capacity = queue->capacity ? 2 * queue->capacity : 256;
		queue->heap = realloc(queue->heap, queue->capacity * sizeof(*queue->heap));
		if (!queue->heap)
			abort();
	}
	while (at && before(item, &queue->heap[(at - 1) / 2])) {
		queue->heap[at] = queue->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	queue->heap[at] = *item;
}

bool queue_pop(struct queue *queue, struct item *ret_item)
{
	struct item last;
	uint32_t at = 0;

	if (!queue->n)
		return false;
	*ret_item = queue->heap[0];
	last = queue->heap[--queue->n];
	for (uint32_t child; (child = 2 * at + 1) < queue->n; at = child) {
		if (child + 1 < queue->n && before(&queue->heap[child + 1], &queue->heap[child]))
			child++;
		if (!before(&queue->heap[child], &last))
			break;
		queue->heap[at] = queue->heap[child];
	}
	queue->heap[at] = last;
	return true;
}
