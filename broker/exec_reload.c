// SPDX-License-Identifier: MIT
/*
 * Owns the change from one configuration to the next (T30). A bad file changes nothing.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "broker/exec.h"
#include "broker/log.h"
#include "broker/opener.h"
#include "broker/systemd.h"

/* ---- applying ------------------------------------------------------------------------------------ */

/* Where a line was written down does not matter; what is not there is not compared. */
static bool same(const struct line_config *a, const struct line_config *b)
{
	struct line_config copy = *b;

	if (a->n_devices != b->n_devices)
		return false;
	memcpy(copy.origin, a->origin, sizeof(copy.origin));
	return memcmp(a, &copy,
		      offsetof(struct line_config, device) + a->n_devices * sizeof(a->device[0])) ==
	       0;
}

/* The line of that name, if it works and would not be any different; taken out of the old ones. */
static struct line *keep(struct exec *exec, const struct line_config *config)
{
	for (uint32_t i = 0; i < exec->n_lines; i++) {
		struct line *line = exec->lines[i];

		if (!line || strcmp(line->config->name, config->name) != 0)
			continue;
		if (!line->source || !same(line->config, config))
			return NULL;
		exec->lines[i] = NULL;
		memcpy(line->config->origin, config->origin, sizeof(config->origin));
		return line;
	}
	return NULL;
}

int exec_apply(struct exec *exec, const struct config *config)
{
	struct line **lines = calloc(config->n_lines + 1, sizeof(struct line *));
	struct line **old = exec->lines;
	uint32_t n_old = exec->n_lines, kept = 0, n = 0;

	if (!lines)
		return -ENOMEM;
	for (uint32_t i = 0; i < config->n_lines; i++)
		lines[i] = keep(exec, &config->line[i]);
	/* A changed line's devices must be free before it is started anew. */
	for (uint32_t i = 0; i < n_old; i++)
		line_free(old[i], "evicted: the line was removed or changed in the configuration");
	free(old);
	exec->lines = lines;
	exec->n_lines = 0;
	for (uint32_t i = 0; i < config->n_lines; i++) {
		struct line *line = lines[i];

		lines[i] = NULL;
		kept += line != NULL;
		if (line) {
			line_rescan(line);
		} else {
			line = line_new(exec, &config->line[i]);
			if (line)
				line_start(line);
			else
				log_error(NULL, "line %s: out of memory", config->line[i].name);
		}
		if (line)
			lines[n++] = line;
	}
	exec->n_lines = n;
	if (n_old)
		log_info(NULL, "lines: %u, as before: %u, closed: %u", n, kept, n_old - kept);
	else
		log_info(NULL, "lines: %u%s", n, n ? "" : ": ptirq.conf(5) says how to name one");
	return 0;
}

/* ---- reading ------------------------------------------------------------------------------------- */

struct reload_wait {
	struct reload_wait *next;
	struct session *session;
	uint64_t id;
};

static void answer(struct reload_wait *waits, enum wire_code code, const char *text)
{
	struct reload_wait *wait;

	while ((wait = waits)) {
		waits = wait->next;
		session_status(wait->session, wait->id, code, text);
		session_resume(wait->session);
		free(wait);
	}
}

static int map_config(int fd, const struct config **ret)
{
	void *map = mmap(NULL, sizeof(struct config), PROT_READ, MAP_PRIVATE, fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	*ret = map;
	return 0;
}

static void ask(struct exec *exec);

static void on_config(void *user, const struct opener_reply *reply, int fd)
{
	struct exec *exec = user;
	struct reload_wait *waits = exec->reload_waits;
	const struct config *config;
	const char *text;
	int error = reply->error;

	/* Asked for again meanwhile: only what is read now can be the answer. */
	if (exec->reload_again) {
		if (fd >= 0)
			close(fd);
		ask(exec);
		return;
	}
	exec->reloading = false;
	exec->reload_waits = NULL;
	if (error == 0)
		error = map_config(fd, &config);
	if (error == 0) {
		error = exec_apply(exec, config);
		munmap((void *)config, sizeof(*config));
	}
	if (fd >= 0)
		close(fd);
	text = reply->error ? reply->text : error ? strerror(-error) : "";
	if (error)
		log_error(NULL, "the configuration stays as it was: %s", text);
	answer(waits, error ? WIRE_INVALID : WIRE_OK, text);
	systemd_notify("READY=1");
}

static void ask(struct exec *exec)
{
	struct opener_request request = {.verb = OPENER_CONFIG};
	char text[64];

	exec->reloading = true;
	exec->reload_again = false;
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)(exec_now(exec) / 1000));
	systemd_notify(text);
	opener_ask(exec->opener, &request, on_config, exec);
}

void exec_reload(struct exec *exec, struct session *session, uint64_t id)
{
	struct reload_wait *wait;

	if (!exec->opener) {
		if (session)
			session_status(session, id, WIRE_UNSUPPORTED,
				       "--sim runs without a configuration file");
		return;
	}
	if (session) {
		wait = malloc(sizeof(*wait));
		if (!wait) {
			session_status(session, id, WIRE_LIMIT, "out of memory");
			return;
		}
		*wait = (struct reload_wait){exec->reload_waits, session, id};
		exec->reload_waits = wait;
		session_pause(session);
	}
	/* The file may have changed after it was read. */
	exec->reload_again = exec->reloading;
	if (!exec->reloading)
		ask(exec);
}

void reload_forget(struct exec *exec, struct session *session)
{
	struct reload_wait **link = &exec->reload_waits;
	struct reload_wait *wait;

	while ((wait = *link)) {
		if (wait->session != session) {
			link = &wait->next;
			continue;
		}
		*link = wait->next;
		free(wait);
	}
}
