/* SPDX-License-Identifier: MIT */
/*
 * What a client has not read yet: at most LIMIT_OUTPUT bytes of packets (T5), and at most one unread
 * packet that carries fds (T4), since those count against the sender in the kernel.
 */
#ifndef PTIRQ_OUTPUT_H
#define PTIRQ_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/limits.h"

struct packet;

struct output {
	struct packet *head;
	struct packet **tail;
	size_t bytes;
	bool fds_unread; /* the last packet with fds may not have been read */
};

enum output_wait {
	OUTPUT_EMPTY,    /* everything is on its way */
	OUTPUT_WRITABLE, /* flush again when the socket is writable */
	OUTPUT_READER, /* flush again later: the client must read fds first, which no event tells */
};

void output_init(struct output *output);
void output_deinit(struct output *output);

/*
 * Send or queue one packet. @fds are borrowed (a queued packet has copies). 0, or -ENOBUFS: the client
 * does not read; -EMFILE, -ENOMEM; or what the socket says.
 */
int output_put(struct output *output, int sock, const void *data, size_t size, const int *fds,
	       size_t n_fds);

/* Send what is queued, as far as it goes. enum output_wait, or -errno of the socket. */
int output_flush(struct output *output, int sock);

#endif
