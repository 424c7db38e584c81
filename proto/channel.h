/* SPDX-License-Identifier: MIT */
/*
 * One end of a SOCK_SEQPACKET Unix socket: packets, and fds from the broker to the client only.
 * Never blocks unless it says so; never allocates; keeps no state (the fd is the caller's).
 */
#ifndef PTIRQ_CHANNEL_H
#define PTIRQ_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

/* Where a client looks: $PTIRQ_SOCKET, or this. */
#define CHANNEL_DEFAULT_PATH "/run/ptirq/broker.sock"

/*
 * Connected, CLOEXEC, without waiting for a listener that is busy. @ret_fd is the caller's. It is in
 * blocking mode, and still nothing here blocks but a receive that is told to. -errno of socket() and
 * connect(), or -ENAMETOOLONG.
 */
int channel_connect(const char *path, int *ret_fd);

/*
 * Listening, non-blocking, CLOEXEC; mode as given. A stale socket file is replaced, a live one is
 * -EADDRINUSE; so is one that somebody else is about to make. -EEXIST: what is there is no socket.
 */
int channel_listen(const char *path, unsigned int mode, int *ret_fd);

/*
 * 0, or -EAGAIN (the peer does not read), -EPIPE, -ETOOMANYREFS (too many fds in flight, T4) or
 * another -errno. Borrows @fds. Sends whole packets or nothing; MSG_NOSIGNAL.
 */
int channel_send(int fd, const void *data, size_t size, const int *fds, size_t n_fds);

/*
 * The broker's receive: no control buffer, so nothing a client attaches is ever installed (T2).
 * The packet's length (> 0); 0: the peer has closed; -EAGAIN; -EBADMSG: fds were attached, or the
 * packet was empty or larger than LIMIT_MESSAGE (T3, T23); another -errno. Packets that a peer left
 * behind when it closed are still received.
 */
int channel_recv(int fd, uint8_t buf[LIMIT_MESSAGE]);

/*
 * The client's receive: at most LIMIT_MESSAGE_FDS fds, CLOEXEC, the caller's; those not filled are -1.
 * Truncation closes what came and is -EBADMSG. @wait: until there is a packet, -EINTR if a signal was
 * handled before that.
 */
int channel_recv_fds(int fd, bool wait, uint8_t buf[LIMIT_MESSAGE], int ret_fds[LIMIT_MESSAGE_FDS]);

/* Has the peer read everything? 1, 0, or -errno (SIOCOUTQ). */
int channel_drained(int fd);

#endif
