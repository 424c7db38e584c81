// SPDX-License-Identifier: GPL-2.0
/*
 * The status page (ptirq_uio_abi.h).
 *
 * Owns its layout and how an entry is written; must not know why.
 */
#include <linux/gfp.h>

#include "ptirq_line.h"
#include "ptirq_trace.h"

/* From one page; what the header has grown by some day comes out of its reserve. */
#define DEVICE_OFFSET 128
static_assert(sizeof(struct ptirq_uio_page) <= DEVICE_OFFSET);
static_assert(DEVICE_OFFSET + PTIRQ_UIO_ENTRIES * sizeof(struct ptirq_uio_page_device) <=
	      PAGE_SIZE);

int ptirq_page_init(struct ptirq_line *line)
{
	struct ptirq_uio_page *page = (void *)get_zeroed_page(GFP_KERNEL);

	if (!page)
		return -ENOMEM;
	page->magic = PTIRQ_UIO_MAGIC;
	page->major = PTIRQ_UIO_ABI_MAJOR;
	page->minor = PTIRQ_UIO_ABI_MINOR;
	page->size = PAGE_SIZE;
	page->device_offset = DEVICE_OFFSET;
	page->device_size = sizeof(struct ptirq_uio_page_device);
	page->device_count = PTIRQ_UIO_ENTRIES;
	page->irq = line->irq;
	line->page = page;
	return 0;
}

/* Readers check seq before and after; there is one writer, under the lock. */
void ptirq_page_publish(struct ptirq_line *line, unsigned int nr)
{
	struct ptirq_uio_page_device *entry = (void *)line->page + DEVICE_OFFSET;
	const struct ptirq_state *s = &line->states[nr];

	lockdep_assert_held(&line->lock);
	entry += nr;
	if (entry->mask_level != s->level)
		trace_mask_level(line->irq, nr, entry->mask_level, s->level);
	WRITE_ONCE(entry->seq, entry->seq + 1);
	smp_wmb(); /* seq is odd before anything changes */
	WRITE_ONCE(entry->state, s->state);
	WRITE_ONCE(entry->mask_level, s->level);
	WRITE_ONCE(entry->status, s->status);
	WRITE_ONCE(entry->generation, s->generation);
	WRITE_ONCE(entry->fired_at_ns, s->fired_at);
	WRITE_ONCE(entry->interrupts, s->interrupts);
	WRITE_ONCE(entry->again, s->again);
	WRITE_ONCE(entry->acks, s->acks);
	WRITE_ONCE(entry->stale_acks, s->stale_acks);
	smp_wmb(); /* seq is even after everything has changed */
	WRITE_ONCE(entry->seq, entry->seq + 1);
}
