// SPDX-License-Identifier: MIT
/*
 * One question, one answer, at most ANSWER_MS. Owns the handle's `asked`. Must not know what the
 * questions mean; events that arrive meanwhile are applied as ever, and no handler runs.
 */
#include "client-lib/internal.h"

#include <errno.h>
#include <string.h>

int status_errno(struct ptirq *ptirq, const struct wire_status *status)
{
	int err = wire_code_errno(status->code);

	if (err == 0)
		return 0;
	if (status->message[0])
		return fail(ptirq, -err, "%s", status->message);
	return fail(ptirq, -err, "the broker refused: %s", strerror(err));
}

int name_copy(struct ptirq *ptirq, const char *what, const char *name, char ret[LIMIT_NAME])
{
	if (!name || !name[0])
		return fail(ptirq, -EINVAL, "the %s's name is missing", what);
	if (strlen(name) >= LIMIT_NAME)
		return fail(ptirq, -EINVAL, "a %s's name has at most %d bytes: %s", what,
			    LIMIT_NAME - 1, name);
	strcpy(ret, name);
	return 0;
}

bool ask_answered(struct ptirq *ptirq, const struct wire_reply *reply, int fds[LIMIT_MESSAGE_FDS])
{
	if (!ptirq->asked.id || reply->id != ptirq->asked.id)
		return false;
	*ptirq->asked.reply = *reply;
	for (int i = 0; ptirq->asked.fds && i < LIMIT_MESSAGE_FDS; i++) {
		ptirq->asked.fds[i] = fds[i];
		fds[i] = -1;
	}
	ptirq->asked.id = 0;
	ptirq->asked.result = 0;
	return true;
}

void ask_aborted(struct ptirq *ptirq, int err)
{
	if (!ptirq->asked.id)
		return;
	ptirq->asked.id = 0;
	ptirq->asked.result = err;
}

/* Step until @deadline or until the link is up (or, with @answer, what was asked is settled). */
static int step_until(struct ptirq *ptirq, uint64_t deadline, bool answer)
{
	uint64_t now;
	int r;

	while (answer ? ptirq->asked.id != 0 : ptirq->link != LINK_UP) {
		if (ptirq->dead)
			return ptirq->dead;
		now = now_ms();
		if (now >= deadline)
			return -ETIMEDOUT;
		r = link_step(ptirq, (int)(deadline - now));
		if (r < 0 && r != -EINTR)
			return fail(ptirq, r, "epoll: %s", strerror(-r));
	}
	return 0;
}

static int ask_once(struct ptirq *ptirq, struct question *question, uint64_t deadline,
		    struct wire_reply *ret_reply, int *ret_fds)
{
	int r;

	/* The sentence is the one that says why the link is down. */
	r = step_until(ptirq, deadline, false);
	if (r < 0)
		return r;
	if (question->sub) {
		if (question->sub->evicted)
			return fail(ptirq, -ESTALE, "%s", question->sub->reason);
		question->request.unsubscribe.subscription = question->sub->id;
	}
	r = link_send(ptirq, &question->request);
	if (r < 0)
		return r;

	ptirq->asked.id = question->request.id;
	ptirq->asked.reply = ret_reply;
	ptirq->asked.fds = ret_fds;
	r = step_until(ptirq, deadline, true);
	if (r == 0)
		return ptirq->asked.result;
	/*
	 * What the broker may yet do for an answer that nobody waits for would be unknown here: a
	 * new connection begins with a clean book.
	 */
	ptirq->asked.id = 0;
	if (!ptirq->dead)
		link_lost(ptirq,
			  fail(ptirq, r, "the broker has not answered for %d s", ANSWER_MS / 1000));
	return r;
}

int ask(struct ptirq *ptirq, struct question *question, struct wire_reply *ret_reply,
	int ret_fds[LIMIT_MESSAGE_FDS])
{
	uint64_t deadline = now_ms() + ANSWER_MS;
	struct wire_reply reply;
	int fds[LIMIT_MESSAGE_FDS] = {-1, -1, -1, -1};
	int r = owner_check(ptirq);

	if (r < 0)
		return r;
	do
		r = ptirq->dead ? ptirq->dead : ask_once(ptirq, question, deadline, &reply, fds);
	while (r < 0 && r != -ETIMEDOUT && r != -ESTALE && !ptirq->dead && question->again);
	if (r < 0)
		goto out;

	r = status_errno(ptirq, &reply.status);
	if (r == 0 && reply.kind != question->kind)
		r = fail(ptirq, -EPROTO, "the broker's answer is not to what was asked");
out:
	if (r == 0 && ret_fds)
		memcpy(ret_fds, fds, sizeof(fds));
	for (int i = 0; i < LIMIT_MESSAGE_FDS && !(r == 0 && ret_fds); i++)
		close_fd(&fds[i]);
	if (r == 0 && ret_reply)
		*ret_reply = reply;
	/* What came meanwhile for handlers must not wait for the next message. */
	kick(ptirq);
	return r;
}
