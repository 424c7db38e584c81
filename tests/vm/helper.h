/* SPDX-License-Identifier: MIT */
/*
 * The kernel helper's line, /dev/ptirq/lineN, for test programs: one call per request, 0 or -errno.
 * The interface itself is kmod-uio-ext/ptirq_uio_abi.h.
 */
#ifndef PTIRQ_TESTS_VM_HELPER_H
#define PTIRQ_TESTS_VM_HELPER_H

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kmod-uio-ext/ptirq_uio_abi.h"

#define HELPER_REQUEST(type, ...) (&(struct type){.size = sizeof(struct type), __VA_ARGS__})

static inline int helper_request(int line, unsigned long request, void *argument)
{
	return ioctl(line, request, argument) < 0 ? -errno : 0;
}

static inline int helper_ack(int line, uint32_t device, uint64_t generation, uint32_t flags)
{
	return helper_request(line, PTIRQ_UIO_ACK,
			      HELPER_REQUEST(ptirq_uio_ack, .flags = flags, .device = device,
					     .generation = generation));
}

static inline int helper_mask(int line, uint32_t device)
{
	return helper_request(line, PTIRQ_UIO_MASK,
			      HELPER_REQUEST(ptirq_uio_mask, .device = device));
}

static inline int helper_unmask(int line, uint32_t device)
{
	return helper_request(line, PTIRQ_UIO_UNMASK,
			      HELPER_REQUEST(ptirq_uio_mask, .device = device));
}

static inline int helper_trigger(int line, uint32_t device, int fd)
{
	return helper_request(line, PTIRQ_UIO_SET_TRIGGER,
			      HELPER_REQUEST(ptirq_uio_trigger, .device = device, .fd = fd));
}

static inline int helper_resample(int line, uint32_t device, int fd)
{
	return helper_request(line, PTIRQ_UIO_SET_RESAMPLE,
			      HELPER_REQUEST(ptirq_uio_trigger, .device = device, .fd = fd));
}

static inline int helper_notify(int line, uint32_t device, const int *fds, uint32_t count)
{
	return helper_request(line, PTIRQ_UIO_SET_NOTIFY,
			      HELPER_REQUEST(ptirq_uio_notify, .device = device, .count = count,
					     .fds = (uintptr_t)fds));
}

static inline int helper_info(int line, uint32_t device, struct ptirq_uio_info *ret_info)
{
	struct ptirq_uio_info info = {.size = sizeof(info), .device = device};
	int ret = helper_request(line, PTIRQ_UIO_GET_INFO, &info);

	if (ret == 0)
		*ret_info = info;
	return ret;
}

static inline int helper_sample(int line, struct ptirq_uio_sample *ret_sample)
{
	struct ptirq_uio_sample sample = {.size = sizeof(sample)};
	int ret = helper_request(line, PTIRQ_UIO_SAMPLE, &sample);

	if (ret == 0)
		*ret_sample = sample;
	return ret;
}

/* MAP_FAILED and errno, as mmap(). */
static inline const struct ptirq_uio_page *helper_page(int line)
{
	return mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ, MAP_SHARED, line, 0);
}

/* A consistent copy of a device's entry. */
static inline struct ptirq_uio_page_device helper_device(const struct ptirq_uio_page *page,
							 uint32_t device)
{
	const char *base = (const char *)page + page->device_offset;
	const struct ptirq_uio_page_device *entry =
		(const void *)(base + (size_t)device * page->device_size);
	const volatile uint32_t *seq = &entry->seq;
	struct ptirq_uio_page_device copy;
	uint32_t before;

	do {
		before = *seq;
		atomic_thread_fence(memory_order_acquire);
		memcpy(&copy, entry, sizeof(copy));
		atomic_thread_fence(memory_order_acquire);
	} while ((before & 1) || *seq != before);
	return copy;
}

#endif
