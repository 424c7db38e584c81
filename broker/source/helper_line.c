/* SPDX-License-Identifier: MIT */
/* Owns the form of the kernel helper's requests (helper_line.h). Must not know what they are for. */
#include "broker/source/helper_line.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define TRIES 1000

static int request(int fd, unsigned long which, void *argument)
{
	return ioctl(fd, which, argument) < 0 ? -errno : 0;
}

int helper_line_info(int fd, uint32_t device, struct ptirq_uio_info *ret_info)
{
	struct ptirq_uio_info info = {.size = sizeof(info), .device = device};
	int error = request(fd, PTIRQ_UIO_GET_INFO, &info);

	if (!error)
		*ret_info = info;
	return error;
}

int helper_line_ack(int fd, uint32_t device, uint64_t generation, bool keep_masked)
{
	struct ptirq_uio_ack ack = {.size = sizeof(ack),
				    .flags = keep_masked ? PTIRQ_UIO_ACK_KEEP_MASKED : 0,
				    .device = device,
				    .generation = generation};

	return request(fd, PTIRQ_UIO_ACK, &ack);
}

int helper_line_mask(int fd, uint32_t device)
{
	struct ptirq_uio_mask mask = {.size = sizeof(mask), .device = device};

	return request(fd, PTIRQ_UIO_MASK, &mask);
}

int helper_line_unmask(int fd, uint32_t device)
{
	struct ptirq_uio_mask mask = {.size = sizeof(mask), .device = device};

	return request(fd, PTIRQ_UIO_UNMASK, &mask);
}

int helper_line_sample(int fd, struct ptirq_uio_sample *ret_sample)
{
	struct ptirq_uio_sample sample = {.size = sizeof(sample)};
	int error = request(fd, PTIRQ_UIO_SAMPLE, &sample);

	if (!error)
		*ret_sample = sample;
	return error;
}

int helper_line_set_mode(int fd, uint32_t mode, bool stop_dma)
{
	struct ptirq_uio_mode_request set = {.size = sizeof(set),
					     .flags = stop_dma ? PTIRQ_UIO_MODE_STOP_DMA : 0,
					     .mode = mode};

	return request(fd, PTIRQ_UIO_SET_MODE, &set);
}

static int set_eventfd(int fd, unsigned long which, uint32_t device, int eventfd)
{
	struct ptirq_uio_trigger trigger = {.size = sizeof(trigger),
					    .device = device,
					    .fd = eventfd};

	return request(fd, which, &trigger);
}

int helper_line_set_trigger(int fd, uint32_t device, int eventfd)
{
	return set_eventfd(fd, PTIRQ_UIO_SET_TRIGGER, device, eventfd);
}

int helper_line_set_resample(int fd, uint32_t device, int eventfd)
{
	return set_eventfd(fd, PTIRQ_UIO_SET_RESAMPLE, device, eventfd);
}

int helper_line_set_notify(int fd, uint32_t device, const int *eventfds, size_t n)
{
	struct ptirq_uio_notify notify = {.size = sizeof(notify),
					  .device = device,
					  .count = (uint32_t)n,
					  .fds = (uintptr_t)eventfds};

	return request(fd, PTIRQ_UIO_SET_NOTIFY, &notify);
}

/* ---- the page ---------------------------------------------------------------------------------- */

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Its header does not change. Entries may have grown since we were built. */
static bool readable(const struct ptirq_uio_page *page)
{
	return page->magic == PTIRQ_UIO_MAGIC && page->major == PTIRQ_UIO_ABI_MAJOR &&
	       page->device_count >= PTIRQ_UIO_ENTRIES &&
	       page->device_size >= sizeof(struct ptirq_uio_page_device) &&
	       page->device_offset + (uint64_t)page->device_count * page->device_size <=
		       page_size();
}

int helper_line_map(int fd, const struct ptirq_uio_page **ret_page)
{
	const struct ptirq_uio_page *page = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, fd, 0);

	if (page == MAP_FAILED)
		return -errno;
	if (!readable(page)) {
		helper_line_unmap(page);
		return -EPROTO;
	}
	*ret_page = page;
	return 0;
}

void helper_line_unmap(const struct ptirq_uio_page *page)
{
	munmap((void *)page, page_size());
}

/*
 * The writer is an interrupt handler, and soon done. But it may be waiting for this very CPU: on a
 * kernel with PREEMPT_RT it is a thread, and the broker's priority may be above its.
 */
bool helper_line_entry(const struct ptirq_uio_page *page, uint32_t device,
		       struct ptirq_uio_page_device *ret_entry)
{
	uint32_t index = device == PTIRQ_UIO_LINE ? PTIRQ_UIO_MAX_DEVICES : device;
	const struct ptirq_uio_page_device *entry =
		(const void *)((const char *)page + page->device_offset +
			       (size_t)index * page->device_size);
	const volatile uint32_t *seq = &entry->seq;

	for (int i = 0; i < TRIES; i++) {
		struct ptirq_uio_page_device copy;
		uint32_t before = *seq;

		atomic_thread_fence(memory_order_acquire);
		memcpy(&copy, entry, sizeof(copy));
		atomic_thread_fence(memory_order_acquire);
		if (!(before & 1) && *seq == before) {
			*ret_entry = copy;
			return true;
		}
	}
	return false;
}
