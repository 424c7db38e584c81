// SPDX-License-Identifier: MIT
/*
 * Owns where log lines go. Must not block, and must not be called on the hot path.
 */
#include "broker/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/systemd.h"
#include "proto/limits.h"

unsigned int log_topics;

static bool journal;

void log_init(void)
{
	static const struct {
		const char *name;
		unsigned int topic;
	} topics[] = {{"wire", LOG_WIRE}, {"arb", LOG_ARB}, {"source", LOG_SOURCE}};
	const char *want = getenv("PTIRQ_DEBUG");

	for (size_t i = 0; want && i < sizeof(topics) / sizeof(topics[0]); i++)
		if (strstr(want, topics[i].name))
			log_topics |= topics[i].topic;
	journal = systemd_journal_open();
}

void log_deinit(void)
{
	systemd_journal_close();
	journal = false;
}

void log_write(int priority, const struct log_about *about, const char *format, ...)
{
	struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
	char text[LIMIT_TEXT * 2];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text) - 1, format, args);
	va_end(args);
	if (n < 0)
		return;
	if (journal) {
		systemd_journal_send(priority, about ? about->line : NULL,
				     about ? about->client : 0, text);
		return;
	}
	n = strlen(text);
	text[n++] = '\n';
	/* Not O_NONBLOCK: the file description is our parent's, too. A pipe with room has PIPE_BUF of it. */
	if (poll(&out, 1, 0) != 1 || !(out.revents & POLLOUT) || write(STDERR_FILENO, text, n) < 0)
		errno = 0;
}
