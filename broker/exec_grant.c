// SPDX-License-Identifier: MIT
/*
 * Owns grants that a source has not answered yet. Whether one is allowed has been decided before
 * (policy.c); that one was given is logged, since registers are power.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/exec.h"
#include "broker/log.h"

struct grant {
	struct grant *next;
	struct line *line;
	uint64_t client; /* by number: it may be gone when the answer comes */
	uint64_t id;
	uint8_t device;
	enum source_grant_kind kind;
};

static struct session *find_session(struct exec *exec, uint64_t client)
{
	for (struct session *s = exec->sessions.head; s; s = s->next)
		if (s->id == client && !s->ended)
			return s;
	return NULL;
}

static enum wire_code code_of(int error)
{
	switch (-error) {
	case ENODEV: return WIRE_GONE;
	case ENOENT: return WIRE_NOT_FOUND;
	case EMFILE:
	case ENFILE:
	case ENOMEM: return WIRE_LIMIT;
	case EOPNOTSUPP: return WIRE_UNSUPPORTED;
	default: return WIRE_IO;
	}
}

static void unlink_grant(struct grant *grant)
{
	struct grant **link = &grant->line->grants;

	while (*link != grant)
		link = &(*link)->next;
	*link = grant->next;
}

static void send_grant(struct grant *grant, struct session *session,
		       const struct source_grant *granted)
{
	struct wire_reply reply = {.id = grant->id, .kind = WIRE_REP_GRANT};
	const char *device = grant->line->topology.device[grant->device].name;
	int fds[LIMIT_MESSAGE_FDS];

	/* The eventfds of a soft device come behind its registers, and are no regions. */
	for (uint32_t i = 0; i < granted->n; i++) {
		fds[i] = granted->region[i].fd;
		if (!granted->region[i].size)
			continue;
		reply.grant.n = i + 1;
		memcpy(reply.grant.region[i].name, granted->region[i].name,
		       sizeof(reply.grant.region[i].name));
		reply.grant.region[i].size = granted->region[i].size;
		reply.grant.region[i].offset = granted->region[i].offset;
		reply.grant.region[i].read_only = granted->region[i].read_only;
	}
	log_info(&(struct log_about){.line = grant->line->config->name, .client = session->id},
		 "line %s: registers of %s granted to %s (pid %d, uid %u)%s",
		 grant->line->config->name, device, session->name, session->peer.pid,
		 session->peer.uid,
		 grant->line->topology.device[grant->device].unsafe_dma
			 ? ", which can now reach all memory by DMA (unsafe-dma=)"
			 : "");
	session_reply_fds(session, &reply, fds, granted->n);
}

static void on_done(void *user, int error, const char *problem, const struct source_grant *granted)
{
	struct grant *grant = user;
	struct session *session = find_session(grant->line->exec, grant->client);

	if (session && error)
		session_status(session, grant->id, code_of(error), problem);
	else if (session)
		send_grant(grant, session, granted);
	if (session)
		session_resume(session);
	for (uint32_t i = 0; error == 0 && i < granted->n; i++)
		if (granted->region[i].owned)
			close(granted->region[i].fd);
	unlink_grant(grant);
	free(grant);
}

void grant_ask(struct line *line, struct session *session, uint64_t id, uint8_t device,
	       enum source_grant_kind kind)
{
	struct grant *grant = malloc(sizeof(*grant));

	if (!grant) {
		session_status(session, id, WIRE_LIMIT, "out of memory");
		return;
	}
	*grant = (struct grant){
		.next = line->grants,
		.line = line,
		.client = session->id,
		.id = id,
		.device = device,
		.kind = kind,
	};
	line->grants = grant;
	session_pause(session);
	line->source->ops->grant(line->source, device, kind, on_done, grant);
}

void grant_cancel_all(struct line *line)
{
	struct grant *grant;

	while ((grant = line->grants)) {
		struct session *session = find_session(line->exec, grant->client);

		line->grants = grant->next;
		if (session) {
			session_status(session, grant->id, WIRE_GONE, "the line is being closed");
			session_resume(session);
		}
		free(grant);
	}
}
