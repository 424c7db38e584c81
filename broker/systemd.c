// SPDX-License-Identifier: MIT
/*
 * Owns the notify and the journal socket. Must not block: a manager that does not read costs a notice,
 * never an interrupt.
 */
#include "broker/systemd.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

static int notify_fd = -1;
static int journal_fd = -1;

int systemd_listen_fds(int *ret_first)
{
	int n = sd_listen_fds(1);

	if (n > 0)
		*ret_first = SD_LISTEN_FDS_START;
	return n;
}

static int connect_dgram(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(path);
	int fd;

	if (length == 0 || length >= sizeof(address.sun_path))
		return -1;
	memcpy(address.sun_path, path, length);
	if (path[0] == '@')
		address.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&address,
		    offsetof(struct sockaddr_un, sun_path) + length) == 0)
		return fd;
	close(fd);
	return -1;
}

void systemd_notify_open(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	if (path && (path[0] == '/' || path[0] == '@'))
		notify_fd = connect_dgram(path);
}

void systemd_notify(const char *state)
{
	if (notify_fd >= 0)
		send(notify_fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void systemd_notify_close(void)
{
	if (notify_fd >= 0)
		close(notify_fd);
	notify_fd = -1;
}

uint64_t systemd_watchdog_usec(void)
{
	uint64_t usec;

	return notify_fd >= 0 && sd_watchdog_enabled(0, &usec) > 0 ? usec : 0;
}

bool systemd_journal_open(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;
	char *end;

	if (!stream)
		return false;
	device = strtoull(stream, &end, 10);
	if (*end != ':')
		return false;
	inode = strtoull(end + 1, NULL, 10);
	if (fstat(STDERR_FILENO, &st) < 0 || st.st_dev != device || st.st_ino != inode)
		return false;
	journal_fd = connect_dgram("/run/systemd/journal/socket");
	return journal_fd >= 0;
}

/* The journal's native protocol: NAME=VALUE lines. @text holds no newline: it would end the field. */
void systemd_journal_send(int priority, const char *line, uint64_t client, const char *text)
{
	char buf[2048];
	int n;

	n = snprintf(buf, sizeof(buf),
		     "SYSLOG_IDENTIFIER=ptirq-broker\nPRIORITY=%d\nMESSAGE=%.1024s\n", priority,
		     text);
	for (char *c = strstr(buf, "MESSAGE=") + 8; c < buf + n - 1; c++)
		if (*c == '\n')
			*c = ' ';
	if (line)
		n += snprintf(buf + n, sizeof(buf) - n, "PTIRQ_LINE=%.64s\n", line);
	if (client)
		n += snprintf(buf + n, sizeof(buf) - n, "PTIRQ_CLIENT=%" PRIu64 "\n", client);
	send(journal_fd, buf, n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void systemd_journal_close(void)
{
	if (journal_fd >= 0)
		close(journal_fd);
	journal_fd = -1;
}
