// SPDX-License-Identifier: MIT
/*
 * The headers of the shared pages: written by the broker, checked by a client before it trusts an
 * offset. Must not map, size or seal anything: that is the business of who owns the memfd.
 */
#include "proto/page.h"

#include <errno.h>
#include <string.h>

static const struct page_header irq_header = {
	.magic = PAGE_MAGIC,
	.major = PAGE_MAJOR,
	.minor = PAGE_MINOR,
	.size = sizeof(struct page_irq),
	.count = LIMIT_SLOTS,
	.stride = sizeof(struct page_slot),
	.slots_offset = offsetof(struct page_irq, slot),
};

static const struct page_header ack_header = {
	.magic = PAGE_MAGIC,
	.major = PAGE_MAJOR,
	.minor = PAGE_MINOR,
	.size = sizeof(struct page_ack),
	.count = LIMIT_SLOTS,
	.stride = sizeof(uint64_t),
	.slots_offset = offsetof(struct page_ack, word),
	.to_client_offset = offsetof(struct page_ack, to_client),
	.to_broker_offset = offsetof(struct page_ack, to_broker),
};

void page_irq_init(struct page_irq *page, uint64_t epoch)
{
	page->header = irq_header;
	page->header.epoch = epoch;
}

void page_ack_init(struct page_ack *page, uint64_t epoch)
{
	page->header = ack_header;
	page->header.epoch = epoch;
}

int page_header_check(const struct page_header *header, size_t size)
{
	const struct page_header *ours;
	struct page_header h;

	if (size < sizeof(h))
		return -EINVAL;
	/* One copy: what is checked is what was read. */
	memcpy(&h, header, sizeof(h));
	if (h.magic != PAGE_MAGIC)
		return -EPROTO;
	if (h.major != PAGE_MAJOR)
		return -EPROTONOSUPPORT;

	/* A larger minor may add behind what this build knows, but never moves it. */
	ours = h.to_client_offset ? &ack_header : &irq_header;
	if (h.size > size || h.size < ours->size || h.vectors_offset > h.size)
		return -EINVAL;
	if (h.count != ours->count || h.stride != ours->stride ||
	    h.slots_offset != ours->slots_offset || h.to_client_offset != ours->to_client_offset ||
	    h.to_broker_offset != ours->to_broker_offset)
		return -EINVAL;
	return 0;
}
