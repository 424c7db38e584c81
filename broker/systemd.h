/* SPDX-License-Identifier: MIT */
/*
 * The service manager: sockets it has opened for us, notices to it, its journal. Everything works, and
 * does nothing, without it. The only file that sees libsystemd.
 *
 * Notices and journal entries go through two sockets of our own, connected at the start and
 * non-blocking: libsystemd's functions open a socket when they like, and wait for a manager or a journal
 * that does not read.
 */
#ifndef PTIRQ_SYSTEMD_H
#define PTIRQ_SYSTEMD_H

#include <stdbool.h>
#include <stdint.h>

/* Sockets passed by socket activation. Their number or -errno; the first is @ret_first, then consecutive. */
int systemd_listen_fds(int *ret_first);

/* Connects to $NOTIFY_SOCKET, if there is one. */
void systemd_notify_open(void);
void systemd_notify(const char *state);
void systemd_notify_close(void);

/* How often WATCHDOG=1 is expected, in us; 0: not at all. */
uint64_t systemd_watchdog_usec(void);

/* True if stderr is the journal and its socket could be connected. */
bool systemd_journal_open(void);
void systemd_journal_send(int priority, const char *line, uint64_t client, const char *text);
void systemd_journal_close(void);

#endif
