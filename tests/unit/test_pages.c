/* SPDX-License-Identifier: MIT */
/* Owns what a client can do to the memory it shares with us: T13 to T15. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/session/pages.h"
#include "tests/lib/fd_check.h"

static struct pages pages;

static void begin(void)
{
	fd_check_begin();
	pages_init(&pages);
	cr_assert_eq(pages_create(&pages, 42), 0);
}

static void end(void)
{
	pages_deinit(&pages);
	pages_deinit(&pages);
	fd_check_end();
}

TestSuite(pages, .init = begin, .fini = end);

Test(pages, headers)
{
	cr_assert_eq(page_header_check(&pages.irq->header, sizeof(*pages.irq)), 0);
	cr_assert_eq(page_header_check(&pages.ack->header, sizeof(*pages.ack)), 0);
	cr_assert_eq(pages.irq->header.epoch, 42);
}

Test(pages, neither_can_be_cut_off_or_sealed_further)
{
	const int fds[] = {pages.irq_fd, pages.ack_fd};

	for (int i = 0; i < 2; i++) {
		cr_expect_eq(ftruncate(fds[i], 0), -1);
		cr_expect_eq(ftruncate(fds[i], 1 << 20), -1);
		cr_expect_eq(fcntl(fds[i], F_ADD_SEALS, F_SEAL_WRITE), -1);
		cr_expect_eq(errno, EPERM);
	}
}

Test(pages, only_we_write_the_irq_page)
{
	size_t size = sizeof(*pages.irq);
	char path[64];

	cr_expect_eq(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, pages.irq_fd, 0),
		     MAP_FAILED);
	cr_expect_eq(pwrite(pages.irq_fd, "x", 1, 0), -1);
	cr_expect_eq(fallocate(pages.irq_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096),
		     -1);
	/* Root may open it again whatever its mode; the seal holds for root, too. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", pages.irq_fd);
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		cr_expect_eq(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
			     MAP_FAILED);
		close(fd);
	} else {
		cr_expect_eq(errno, EACCES);
	}
	/* We still do. */
	pages.irq->slot[0].round = 7;
	cr_expect_eq(pages.irq->slot[0].round, 7);
}

Test(pages, the_client_maps_what_it_needs)
{
	void *irq = mmap(NULL, sizeof(*pages.irq), PROT_READ, MAP_SHARED, pages.irq_fd, 0);
	struct page_ack *ack =
		mmap(NULL, sizeof(*ack), PROT_READ | PROT_WRITE, MAP_SHARED, pages.ack_fd, 0);

	cr_assert_neq(irq, MAP_FAILED);
	cr_assert_neq(ack, MAP_FAILED);
	ack->word[3] = PAGE_ACK(5, 1);
	cr_expect_eq(pages.ack->word[3], PAGE_ACK(5, 1));
	munmap(irq, sizeof(*pages.irq));
	munmap(ack, sizeof(*ack));
}

Test(pages, a_hole_is_zeros_and_no_signal)
{
	pages.ack->word[900] = 1;
	cr_assert_eq(fallocate(pages.ack_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			       sizeof(*pages.ack)),
		     0);
	cr_expect_eq(pages.ack->word[900], 0);
}

Test(pages, the_memfds_are_not_kept)
{
	pages_close_memfds(&pages);
	cr_expect_eq(pages.irq_fd, -1);
	pages.irq->slot[0].round = 9;
	cr_expect_eq(pages.irq->slot[0].round, 9);
}
