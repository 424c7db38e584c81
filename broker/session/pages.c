// SPDX-License-Identifier: MIT
/*
 * Owns the memfds, mappings and eventfds of one client. Must not read or write what is in the pages.
 */
#include "broker/session/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Linux 6.3; nothing executes from a page of numbers. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

void pages_init(struct pages *pages)
{
	*pages = (struct pages){.irq_fd = -1, .ack_fd = -1, .wake = -1, .acks = -1};
}

int pages_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

static int page_memfd(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

/*
 * Mapped first: F_SEAL_FUTURE_WRITE forbids every writable mapping after it, ours included. Without
 * F_SEAL_SHRINK the client could cut the page off below us, and touching it would be SIGBUS (T13). A
 * memfd is born with mode 0777, and could be opened for writing again through /proc (T14).
 */
static int page_create(const char *name, size_t size, bool read_only, int *ret_fd, void **ret_map)
{
	int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	int fd = page_memfd(name);
	void *map = MAP_FAILED;
	int error;

	if (fd < 0)
		return fd;
	if (ftruncate(fd, size) < 0)
		goto fail;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		goto fail;
	if (read_only) {
		seals |= F_SEAL_FUTURE_WRITE;
		if (fchmod(fd, 0400) < 0)
			goto fail;
	}
	if (fcntl(fd, F_ADD_SEALS, seals) < 0)
		goto fail;
	*ret_fd = fd;
	*ret_map = map;
	return 0;
fail:
	error = -errno;
	if (map != MAP_FAILED)
		munmap(map, size);
	close(fd);
	return error;
}

int pages_create(struct pages *pages, uint64_t epoch)
{
	struct pages made;
	void *map;
	int r;

	pages_init(&made);
	r = made.wake = pages_eventfd();
	if (r < 0)
		goto fail;
	r = made.acks = pages_eventfd();
	if (r < 0)
		goto fail;
	r = page_create("ptirq-irq", sizeof(*made.irq), true, &made.irq_fd, &map);
	if (r < 0)
		goto fail;
	made.irq = map;
	r = page_create("ptirq-ack", sizeof(*made.ack), false, &made.ack_fd, &map);
	if (r < 0)
		goto fail;
	made.ack = map;
	page_irq_init(made.irq, epoch);
	page_ack_init(made.ack, epoch);
	*pages = made;
	return 0;
fail:
	pages_deinit(&made);
	return r;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void pages_close_memfds(struct pages *pages)
{
	close_fd(&pages->irq_fd);
	close_fd(&pages->ack_fd);
}

void pages_deinit(struct pages *pages)
{
	if (pages->irq)
		munmap(pages->irq, sizeof(*pages->irq));
	if (pages->ack)
		munmap(pages->ack, sizeof(*pages->ack));
	pages_close_memfds(pages);
	close_fd(&pages->wake);
	close_fd(&pages->acks);
	pages_init(pages);
}
