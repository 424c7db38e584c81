/* SPDX-License-Identifier: MIT */
/*
 * The fast path to one client: its two shared pages and its wake and ack eventfds, all made here, none
 * taken from anybody (T2, T13 to T15).
 */
#ifndef PTIRQ_PAGES_H
#define PTIRQ_PAGES_H

#include <stdint.h>

#include "proto/page.h"

struct pages {
	struct page_irq *irq; /* NULL: this client has no pages */
	struct page_ack *ack;
	int irq_fd; /* until they have been handed to the client */
	int ack_fd;
	int wake; /* written by the broker */
	int acks; /* written by the client, watched and never read */
};

/* Nothing. */
void pages_init(struct pages *pages);

/* 0, or -EMFILE, -ENFILE, -ENOMEM: then nothing is left open. */
int pages_create(struct pages *pages, uint64_t epoch);

/* The client has the pages; ours stay mapped. */
void pages_close_memfds(struct pages *pages);

void pages_deinit(struct pages *pages);

/* An eventfd for a client: CLOEXEC, non-blocking. The fd or -errno. */
int pages_eventfd(void);

#endif
