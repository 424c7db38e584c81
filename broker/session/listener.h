/* SPDX-License-Identifier: MIT */
/*
 * The listening sockets: accepts while there is room and pauses while there is none, rather than drop
 * anybody (T6 to T8).
 */
#ifndef PTIRQ_LISTENER_H
#define PTIRQ_LISTENER_H

#include <uv.h>

struct sessions;
struct listener;

/* Consumes @fd, a listening SOCK_SEQPACKET socket, non-blocking, if it succeeds. 0 or -errno. */
int listener_start(struct sessions *sessions, int fd, struct listener **ret);

/* The memory goes when the loop has run once more. NULL is fine. */
void listener_stop(struct listener *listener);

#endif
