// SPDX-License-Identifier: MIT
/*
 * Owns the packets that a client's socket would not take yet. Must not wait, and must not know what is
 * in them.
 */
#include "broker/session/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/channel.h"

struct packet {
	struct packet *next;
	uint32_t size;
	uint32_t n_fds;
	int fds[LIMIT_MESSAGE_FDS];
	uint8_t data[];
};

static void packet_free(struct packet *packet)
{
	for (uint32_t i = 0; i < packet->n_fds; i++)
		close(packet->fds[i]);
	free(packet);
}

/* @ret owns copies of @fds: what they belong to may be gone before they are sent. */
static int packet_new(const void *data, size_t size, const int *fds, size_t n_fds,
		      struct packet **ret)
{
	struct packet *packet = malloc(sizeof(*packet) + size);

	if (!packet)
		return -ENOMEM;
	packet->next = NULL;
	packet->size = size;
	packet->n_fds = 0;
	memcpy(packet->data, data, size);
	while (packet->n_fds < n_fds) {
		int fd = fcntl(fds[packet->n_fds], F_DUPFD_CLOEXEC, 0);

		if (fd < 0) {
			fd = -errno;
			packet_free(packet);
			return fd;
		}
		packet->fds[packet->n_fds++] = fd;
	}
	*ret = packet;
	return 0;
}

void output_init(struct output *output)
{
	*output = (struct output){.tail = &output->head};
}

void output_deinit(struct output *output)
{
	struct packet *packet;

	while ((packet = output->head)) {
		output->head = packet->next;
		packet_free(packet);
	}
	output_init(output);
}

/* 0: sent; enum output_wait: not now; -errno. */
static int try_send(struct output *output, int sock, const void *data, size_t size, const int *fds,
		    size_t n_fds)
{
	int r;

	if (n_fds && output->fds_unread) {
		r = channel_drained(sock);
		if (r < 0)
			return r;
		if (r == 0)
			return OUTPUT_READER;
		output->fds_unread = false;
	}
	r = channel_send(sock, data, size, fds, n_fds);
	if (r == -EAGAIN)
		return OUTPUT_WRITABLE;
	/* Other clients' unread fds count too; they have to read, or will be evicted. */
	if (r == -ETOOMANYREFS)
		return OUTPUT_READER;
	if (r == 0 && n_fds)
		output->fds_unread = true;
	return r;
}

int output_put(struct output *output, int sock, const void *data, size_t size, const int *fds,
	       size_t n_fds)
{
	struct packet *packet;
	int r;

	if (!output->head) {
		r = try_send(output, sock, data, size, fds, n_fds);
		if (r <= 0)
			return r;
	}
	if (output->bytes + size > LIMIT_OUTPUT)
		return -ENOBUFS;
	r = packet_new(data, size, fds, n_fds, &packet);
	if (r < 0)
		return r;
	*output->tail = packet;
	output->tail = &packet->next;
	output->bytes += size;
	return 0;
}

int output_flush(struct output *output, int sock)
{
	struct packet *packet;

	while ((packet = output->head)) {
		int r = try_send(output, sock, packet->data, packet->size, packet->fds,
				 packet->n_fds);

		if (r != 0)
			return r;
		output->head = packet->next;
		if (!output->head)
			output->tail = &output->head;
		output->bytes -= packet->size;
		packet_free(packet);
	}
	return OUTPUT_EMPTY;
}
