// SPDX-License-Identifier: MIT
/*
 * Asks /dev/ptirq/lineN, open for reading: that holds nothing and takes it from nobody. The only
 * file here that knows the module's interface.
 */
#include "ctl/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "ctl/sysfs.h"
#include "kmod-uio-ext/ptirq_uio_abi.h"

static int get_info(int fd, uint32_t device, struct ptirq_uio_info *ret)
{
	*ret = (struct ptirq_uio_info){.size = sizeof(*ret), .device = device};
	return ioctl(fd, PTIRQ_UIO_GET_INFO, ret) < 0 ? -errno : 0;
}

static uint64_t since(uint64_t then_ns)
{
	struct timespec ts;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	return now > then_ns ? now - then_ns : 0;
}

/* An entry as it was at one moment; the writer is never long. */
static struct ptirq_uio_page_device snapshot(const volatile struct ptirq_uio_page_device *entry)
{
	struct ptirq_uio_page_device copy;
	uint32_t seq;

	do {
		seq = entry->seq;
		atomic_thread_fence(memory_order_acquire);
		copy = *entry;
		atomic_thread_fence(memory_order_acquire);
	} while (seq & 1 || seq != entry->seq);
	return copy;
}

static int read_page(int fd, uint32_t entry, struct helper_view *view)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	const struct ptirq_uio_page *page = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	struct ptirq_uio_page_device copy;
	int error = 0;

	if (page == MAP_FAILED)
		return -errno;
	if (page->magic != PTIRQ_UIO_MAGIC || page->major != PTIRQ_UIO_ABI_MAJOR ||
	    page->device_offset + (entry + 1) * page->device_size > size) {
		error = -EPROTO;
	} else {
		const char *at = (const char *)page + page->device_offset;

		copy = snapshot((const void *)(at + entry * page->device_size));
		view->state = copy.state;
		if (copy.state == PTIRQ_UIO_DEFERRED)
			view->deferred_ns = since(copy.fired_at_ns);
		view->repaired = page->repaired;
	}
	munmap((void *)page, size);
	return error;
}

static int look(int fd, const char *name, struct helper_view *view)
{
	struct ptirq_uio_info line, info;
	int error = get_info(fd, PTIRQ_UIO_LINE, &line);

	if (error)
		return error;
	if (line.major != PTIRQ_UIO_ABI_MAJOR)
		return -EPROTO;
	view->irq = line.irq;
	view->line_caps = line.caps;
	for (uint32_t i = 0; i < PTIRQ_UIO_MAX_DEVICES; i++) {
		if (!(line.devices & 1u << i) || get_info(fd, i, &info) < 0 ||
		    strncmp(info.name, name, sizeof(info.name)) != 0)
			continue;
		view->device_caps = info.caps;
		return read_page(fd, line.caps & PTIRQ_UIO_ONE_UNIT ? PTIRQ_UIO_MAX_DEVICES : i,
				 view);
	}
	return -ENODEV;
}

int helper_view(const struct hw_device *device, struct helper_view *ret)
{
	struct helper_view view = {0};
	char path[PATH_MAX];
	int fd, error;

	if (!device->line[0])
		return -ENODEV;
	sys_path(path, "/dev/ptirq/%s", device->line);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	error = look(fd, device->name, &view);
	close(fd);
	if (!error)
		*ret = view;
	return error;
}

bool helper_cannot_mask(const struct hw_device *device)
{
	const uint32_t both = PTIRQ_UIO_CAN_MASK | PTIRQ_UIO_HAS_STATUS;
	struct helper_view view;

	return helper_view(device, &view) == 0 && view.line_caps & PTIRQ_UIO_ONE_UNIT &&
	       (view.device_caps & both) != both;
}
